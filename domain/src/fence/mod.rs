//! Where somebody should be: the areas, and what is believed of whether they are there.
//!
//! A receiver drifts, lies, falls back to a cell tower kilometres wide and reports late. So one fix settles
//! nothing: it counts with its accuracy, it counts once, it counts in its own place in time, and only two
//! that agree change what is believed ([`judge`]). A wearer with several safe areas may be in any of
//! them ([`Watch`]).
//!
//! What is left out, on purpose, until it is done properly: how fast somebody can move, receivers that lie
//! about their accuracy or are frozen, how long somebody has stayed, calendars.

mod belief;
mod shape;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use self::belief::{Belief, Crossing, Sighting, Standing, Turn, Watch, judge};
pub use self::shape::{BadShape, Circle, Outline, POINTS_MAX, RADIUS_MAX, RADIUS_MIN, Ring, Shape};
use crate::id::FenceId;
use crate::place::{Metres, Position, Source};
use crate::word::words;

words! {
    /// What a fence is for.
    pub enum Kind ("kind of fence") {
        /// Somewhere to stay inside.
        Safe = "safe",
        /// Somewhere to be at the times that its rules say, and well there at any time. It raises nothing by itself.
        Haven = "haven",
        /// Somewhere not to be at the times that its rules say. It raises nothing by itself.
        Hazard = "hazard",
    }
}

/// An area that a resident should, or should not, be in.
#[derive(Debug, Clone, PartialEq)]
pub struct Fence {
    /// Its identity.
    pub id: FenceId,
    /// What it is for.
    pub kind: Kind,
    /// Where it is.
    pub shape: Shape,
}

/// A position as a terminal told it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// Where.
    pub place: Position,
    /// The radius that the terminal believes in.
    pub accuracy: Option<Metres>,
    /// How it was come by.
    pub source: Source,
    /// When we had it.
    pub received_at: Timestamp,
    /// When the terminal says it was.
    pub device_at: Option<Timestamp>,
    /// What tells its bytes from others.
    pub print: Print,
}

/// Part of a digest of a message's bytes: what is the same was told twice, not seen twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print(pub i64);

/// A terminal's clock may be ahead of ours by so much and is still believed.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(2);
/// What a terminal kept while it had no line may be this old. Older, its clock is wrong: those that have
/// lost their time begin years back.
const LATE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Fix {
    /// When it was: the terminal's own time where that can be, else its arrival.
    pub fn at(&self) -> Timestamp {
        self.device_at
            .filter(|at| *at <= self.received_at + AHEAD_MAX && *at >= self.received_at - LATE_MAX)
            .map_or(self.received_at, |at| at.min(self.received_at))
    }

    /// How far off it may be. Zero is what some receivers say when they do not know.
    pub fn accuracy(&self) -> Metres {
        self.accuracy
            .filter(|accuracy| accuracy.0.is_finite() && accuracy.0 > 0.0)
            .unwrap_or_else(|| usual_accuracy(self.source))
    }
}

/// How far off a fix may be whose receiver does not say. Meant to hold for nineteen of twenty: who is
/// believed to have left on a fix that could not know is woken for nothing, and switches fences off.
pub const fn usual_accuracy(source: Source) -> Metres {
    Metres(match source {
        // 5 m under the open sky (GPS standard positioning service), several times that between houses.
        Source::Gnss => 30.0,
        // As far as an access point indoors is heard, and its own place is known.
        Source::Wifi => 80.0,
        // Class 1 Bluetooth in the open, with the beacon's own place.
        Source::Beacon => 70.0,
        // Half of a town's distance between masts is some hundred metres, a suburb's over a kilometre. Who
        // does not say how it was come by may mean a cell.
        Source::Cell | Source::Unknown | Source::Home | Source::Told => 1_500.0,
    })
}
