//! A fix as a wearer's state keeps it: small, and on a flat map.

use crate::place::Source;

/// A fix on the wearer's ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// When it was, in milliseconds since 1970.
    pub(super) at: i64,
    /// Where, metres east and north.
    pub(super) x: [f32; 2],
    /// What the receiver claims to be sure to, metres; [`UNTOLD`] when it does not.
    claimed: f32,
    /// What the receiver says of speed, km/h; [`UNTOLD`] when it does not.
    speed_kmh: f32,
    /// How it was come by.
    pub(super) source: Source,
}

/// What is not told. A number, so that what is kept for each of hundreds of thousands stays small.
const UNTOLD: f32 = -1.0;

impl Seen {
    pub(super) fn new(at: i64, x: [f32; 2], claimed: Option<f32>, speed_kmh: Option<f32>, source: Source) -> Self {
        Self { at, x, claimed: claimed.unwrap_or(UNTOLD), speed_kmh: speed_kmh.unwrap_or(UNTOLD), source }
    }

    /// What the receiver claims to be sure to, metres.
    pub(super) fn claimed(&self) -> Option<f32> {
        (self.claimed > 0.0).then_some(self.claimed)
    }

    /// What the receiver says of speed, km/h.
    pub(super) fn speed_kmh(&self) -> Option<f32> {
        (self.speed_kmh >= 0.0).then_some(self.speed_kmh)
    }

    /// By device time; what was at the same time, by what it says, so that the order of arrival does not matter.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.at
            .cmp(&other.at)
            .then(self.source.cmp(&other.source))
            .then(self.x[0].total_cmp(&other.x[0]))
            .then(self.x[1].total_cmp(&other.x[1]))
            .then(self.claimed.total_cmp(&other.claimed))
            .then(self.speed_kmh.total_cmp(&other.speed_kmh))
    }
}

/// A fix as it is heard after those before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) seen: Seen,
    /// How much of a new witness it is, 0 to 1.
    pub(super) voice: f32,
}
