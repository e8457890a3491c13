//! A position as a terminal told it.

use jiff::{SignedDuration, Timestamp};

use crate::place::{Metres, Position, Source};

/// A position as a terminal told it. Nothing in it is believed as it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// Where.
    pub place: Position,
    /// The radius that the terminal believes in.
    pub accuracy: Option<Metres>,
    /// How it was come by.
    pub source: Source,
    /// What the receiver says of its speed, km/h.
    pub speed_kmh: Option<f64>,
    /// When the terminal says it was.
    pub device_at: Option<Timestamp>,
    /// When we had it.
    pub received_at: Timestamp,
}

/// A terminal's clock may be ahead of ours by so much and is still believed.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(2);
/// What a terminal kept while it had no line may be this old. Older, its clock is wrong.
const LATE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Fix {
    /// When it was: the terminal's own time where that can be, else its arrival.
    pub fn at(&self) -> Timestamp {
        self.device_at
            .filter(|at| {
                let late = self.received_at.duration_since(*at);
                late >= -AHEAD_MAX && late <= LATE_MAX
            })
            .map_or(self.received_at, |at| at.min(self.received_at))
    }

    /// The accuracy that is claimed, metres. Zero is what some receivers say when they do not know.
    pub(super) fn claimed(&self) -> Option<f64> {
        self.accuracy.map(|claimed| claimed.0).filter(|claimed| claimed.is_finite() && *claimed > 0.0)
    }

    /// The speed that is told, when that can be.
    pub(super) fn speed_kmh(&self) -> Option<f64> {
        self.speed_kmh.filter(|kmh| (0.0..=400.0).contains(kmh))
    }
}
