//! How long somebody takes to get somewhere.

use jiff::SignedDuration;

use crate::place::{Metres, Position};
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
    way(from.distance(to), mode)
}

/// The same of a distance as the crow flies.
pub fn way(distance: Metres, mode: Mode) -> SignedDuration {
    SignedDuration::try_from_secs_f64(distance.0 * DETOUR / mode.speed_mps()).unwrap_or(SignedDuration::MAX)
}

/// A flat map of a district: a plan needs some ten thousand distances, and within thirty kilometres of the
/// middle they are right to a thousandth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    metres_a_degree_lon: f64,
}

/// A place on it: metres east and north of somewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    east: f64,
    north: f64,
}

impl Plane {
    /// Around a place.
    pub(super) fn around(middle: Position) -> Self {
        Self { metres_a_degree_lon: METRES_A_DEGREE * middle.lat_deg().to_radians().cos() }
    }

    pub(super) fn spot(self, at: Position) -> Spot {
        Spot { east: at.lon_deg() * self.metres_a_degree_lon, north: at.lat_deg() * METRES_A_DEGREE }
    }
}

/// How many seconds the way takes.
pub(super) fn travel_s(from: Spot, to: Spot, mode: Mode) -> f64 {
    let (east, north) = (to.east - from.east, to.north - from.north);
    (east * east + north * north).sqrt() * DETOUR / mode.speed_mps()
}

/// Of latitude, on the sphere of [`Position::distance`].
const METRES_A_DEGREE: f64 = 111_195.08;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flat_map_of_a_district_is_right_to_a_thousandth() {
        let middle = Position::new(28.228, 112.938).unwrap();
        for (lat, lon) in [(28.3, 112.938), (28.228, 113.05), (28.15, 112.8), (28.4, 113.1)] {
            let there = Position::new(lat, lon).unwrap();
            let plane = Plane::around(middle);
            let flat = travel_s(plane.spot(middle), plane.spot(there), Mode::Car);
            let round = travel(middle, there, Mode::Car).as_secs_f64();
            assert!((flat / round - 1.0).abs() < 1e-3, "{flat} s instead of {round} s");
        }
    }
}
