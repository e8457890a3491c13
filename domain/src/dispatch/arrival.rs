//! How long somebody takes to get somewhere.

use jiff::SignedDuration;

use crate::place::Position;
use crate::word::words;

/// How much longer the way is than the line that the crow flies. Measured of cities' street networks:
/// 1.2 to 1.4 (Giacomin and Levinson 2015, "Road network circuity in metropolitan areas").
pub const DETOUR: f64 = 1.3;

words! {
    /// How a responder gets about.
    pub enum Mode ("mode") {
        /// On foot, 1.3 m/s.
        Walk = "walk",
        /// By electric bicycle, 5.5 m/s door to door.
        Ebike = "ebike",
        /// By car, 7.0 m/s door to door, with a city's lights and looking for a place to stop.
        Car = "car",
    }
}

impl Mode {
    /// Metres a second along the way, door to door.
    pub const fn speed_mps(self) -> f64 {
        match self {
            Self::Walk => 1.3,
            Self::Ebike => 5.5,
            Self::Car => 7.0,
        }
    }
}

/// How long the way from one place to another takes, unless a road router knows better.
pub fn travel(from: Position, to: Position, mode: Mode) -> SignedDuration {
    SignedDuration::try_from_secs_f64(travel_s(from, to, mode)).unwrap_or(SignedDuration::MAX)
}

/// The same, in seconds.
pub(super) fn travel_s(from: Position, to: Position, mode: Mode) -> f64 {
    from.distance(to).0 * DETOUR / mode.speed_mps()
}
