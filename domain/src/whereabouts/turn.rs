//! How a standing changed, and why: which fixes, how far, how sure.

use jiff::Timestamp;

use super::guess::Story;
use super::standing::{Kind, Standing};
use crate::id::FenceId;
use crate::place::{Metres, Source};
use crate::word::Word as _;

/// One fix that something was decided on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// When it was, by the device.
    pub at: Timestamp,
    /// How it was come by.
    pub source: Source,
    /// How far beyond the edge it shows them; negative: on the right side.
    pub beyond: Metres,
    /// The radius that it claims.
    pub claimed: Option<Metres>,
}

impl Evidence {
    /// So many are told at most: the newest.
    pub const MAX: usize = 5;
}

/// A change of how a wearer stands with a zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Which zone.
    pub zone: FenceId,
    /// What it is for.
    pub kind: Kind,
    /// How they stood.
    pub from: Standing,
    /// How they stand.
    pub to: Standing,
    /// Device time of the newest fix.
    pub at: Timestamp,
    /// When they most likely crossed the edge, by device time.
    pub since: Timestamp,
    /// Arrival of the fix that decided it.
    pub decided_at: Timestamp,
    /// How likely they are where they should not be.
    pub chance: f64,
    /// How far beyond the edge they most likely are; negative: on the right side.
    pub beyond: Metres,
    /// What may explain the fixes, and how likely each is.
    pub stories: [(Story, f64); Story::ALL.len()],
    /// The fixes since then, oldest first.
    pub evidence: Vec<Evidence>,
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |beyond: f64| match (self.kind.is_kept_off(), beyond > 0.0) {
            (true, true) => "inside",
            (true, false) => "off",
            (_, true) => "beyond",
            (_, false) => "within",
        };
        write!(
            f,
            "{}: {:.0} m {} the edge, {:.1} % sure that they are {}",
            self.to.as_str(),
            self.beyond.0.abs(),
            side(self.beyond.0),
            100.0 * if self.is_breach() { self.chance } else { 1.0 - self.chance },
            if self.is_breach() ^ self.kind.is_kept_off() { "outside" } else { "inside" },
        )?;
        if self.is_breach() {
            write!(f, ", since {}", self.since.strftime("%H:%M:%SZ"))?;
        }
        for (story, share) in self.likely() {
            let says = match story {
                Story::Rests => "they stay",
                Story::Walks => "they walk",
                Story::Rides => "they ride",
                Story::Phantom => "they stay, and the receiver shows another place",
                Story::PhantomSlides => "they stay, and what the receiver shows slides away",
                Story::PhantomWalks => "they walk, and the receiver shows another place",
            };
            write!(f, "; {:.1} %: {says}", 100.0 * share)?;
        }
        for (number, seen) in self.evidence.iter().enumerate() {
            write!(
                f,
                "{} {} {} {:.0} m {}",
                if number == 0 { "; fixes:" } else { "," },
                seen.at.strftime("%H:%M:%SZ"),
                seen.source,
                seen.beyond.0.abs(),
                side(seen.beyond.0)
            )?;
            if let Some(claimed) = seen.claimed {
                write!(f, " (claims ±{:.0} m)", claimed.0)?;
            }
        }
        Ok(())
    }
}

impl Turn {
    /// The stories that are worth telling: half a percent at least.
    pub fn likely(&self) -> impl Iterator<Item = &(Story, f64)> {
        self.stories.iter().filter(|(_, chance)| *chance >= 0.005)
    }

    /// Whether it is to the worse: they are, or may be, where they should not be.
    pub const fn is_breach(&self) -> bool {
        matches!(self.to, Standing::Doubtful | Standing::Suspected | Standing::Confirmed)
    }
}
