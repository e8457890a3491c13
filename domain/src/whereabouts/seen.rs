//! A fix as a wearer's state keeps it: small, and on a flat map.

use crate::place::Source;

/// A fix on the wearer's ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// When it was, in milliseconds since 1970.
    pub(super) at: i64,
    /// Where, metres east and north, in steps of [`STEP_M`].
    pub(super) x: [f32; 2],
    /// What the receiver claims to be sure to, metres; [`UNTOLD`] when it does not.
    pub(super) claimed: u16,
    /// What the receiver says of speed, km/h; [`UNTOLD`] when it does not.
    pub(super) speed_kmh: u16,
    /// How it was come by.
    pub(super) source: Source,
}

/// What is not told. A number, so that what is kept for each of hundreds of thousands stays small.
const UNTOLD: u16 = u16::MAX;
/// The receiver at its best knows no smaller step, and a step that is a power of two is kept without loss.
const STEP_M: f32 = 1.0 / 64.0;
/// More is claimed by nobody, metres and km/h.
const TOLD_MAX: f32 = 1e6;

/// To the next step. Half the way around the earth is a little over half of what the steps are counted in.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "of what is so far off the steps are larger"
)]
fn rounded(metres: f32) -> f32 {
    let steps = metres / STEP_M;
    (steps + 0.5_f32.copysign(steps)) as i32 as f32 * STEP_M
}

/// The upper half of a number: right to one in five hundred, which is more than claims are.
fn short(number: Option<f32>) -> u16 {
    // What is rounded up beyond the half that is left is at most the next number.
    number.map_or(UNTOLD, |number| {
        u16::try_from((number.clamp(0.0, TOLD_MAX).to_bits() + 0x8000) >> 16).unwrap_or(UNTOLD)
    })
}

fn long(short: u16) -> Option<f32> {
    (short != UNTOLD).then(|| f32::from_bits(u32::from(short) << 16))
}

impl Seen {
    pub(super) fn new(at: i64, x: [f32; 2], claimed: Option<f32>, speed_kmh: Option<f32>, source: Source) -> Self {
        let x = x.map(rounded);
        Self { at, x, claimed: short(claimed), speed_kmh: short(speed_kmh), source }
    }

    /// What the receiver claims to be sure to, metres.
    pub(super) fn claimed(&self) -> Option<f32> {
        long(self.claimed).filter(|claimed| *claimed > 0.0)
    }

    /// What the receiver says of speed, km/h.
    pub(super) fn speed_kmh(&self) -> Option<f32> {
        long(self.speed_kmh)
    }

    /// By device time; what was at the same time, by what it says, so that the order of arrival does not matter.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.at
            .cmp(&other.at)
            .then(self.source.cmp(&other.source))
            .then(self.x[0].total_cmp(&other.x[0]))
            .then(self.x[1].total_cmp(&other.x[1]))
            .then(self.claimed.cmp(&other.claimed))
            .then(self.speed_kmh.cmp(&other.speed_kmh))
    }
}

/// A fix as it is heard after those before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) seen: Seen,
    /// How much of a new witness it is, 0 to 1.
    pub(super) voice: f32,
    /// The last by the same means, if that was about the same place: then it was the same access point or mast.
    pub(super) again: Option<Again>,
}

/// An access point or a mast that was heard before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Again {
    /// Where it showed them.
    pub(super) at: [f32; 2],
    /// How likely it once was right, 0 to 1.
    pub(super) proven: f32,
}
