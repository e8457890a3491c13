//! Terminals that are heard, and are no help all the same.

use jiff::{SignedDuration, Timestamp};

use crate::place::Source;

/// Off the body for this long is more than a bath.
pub const NOT_WORN_AFTER: SignedDuration = SignedDuration::from_hours(2);
/// A receiver wavers, however still it lies: so many of its positions are not the same to the last digit…
pub const FROZEN_TOLD: i32 = 30;
/// …over this long.
pub const FROZEN_AFTER: SignedDuration = SignedDuration::from_hours(6);

/// One position that was told again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Same {
    /// Since when.
    pub since: Timestamp,
    /// How often it was told again.
    pub told: i32,
    /// How it was come by.
    pub source: Source,
    /// When the wearer last moved for certain: by steps that were counted.
    pub moved_at: Option<Timestamp>,
}

/// Whether the receiver stands still and not its wearer. A cell's middle, a beacon and what somebody typed in are the same
/// each time, rightly. Steps that were counted meanwhile make it certain sooner.
pub fn is_frozen(same: &Same, now: Timestamp) -> bool {
    let has_moved = same.moved_at.is_some_and(|moved_at| moved_at > same.since);
    let (told, after) = if has_moved { (FROZEN_TOLD / 3, FROZEN_AFTER / 3) } else { (FROZEN_TOLD, FROZEN_AFTER) };
    same.source == Source::Gnss && same.told >= told && now.duration_since(same.since) >= after
}

/// Whether a terminal has been off the body for too long; `off_since` is when it said so first. On its charger it is
/// where it belongs.
pub fn is_not_worn(off_since: Option<Timestamp>, is_charging: bool, now: Timestamp) -> bool {
    !is_charging && off_since.is_some_and(|since| now.duration_since(since) >= NOT_WORN_AFTER)
}
