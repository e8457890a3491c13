//! Inside, doubtful, suspected, confirmed, returned: what a chance comes to, with separate thresholds out and in.

use std::sync::Arc;

use jiff::SignedDuration;

use super::area::Area;
use crate::id::FenceId;
use crate::word::words;

words! {
    /// What a zone is for.
    pub enum Kind ("kind of zone") {
        /// Somewhere to stay inside.
        Safe = "safe",
        /// Somewhere to stay away from: a river, a station.
        Forbidden = "forbidden",
        /// A way to keep to.
        Corridor = "corridor",
        /// Somewhere to be at the times that its rules say, and well there at any time. It raises nothing by itself.
        Haven = "haven",
        /// Somewhere to stay away from at the times that its rules say. It raises nothing by itself.
        Hazard = "hazard",
    }
}

impl Kind {
    /// Whether the wrong side of its edge is the inner one.
    pub const fn is_kept_off(self) -> bool {
        matches!(self, Self::Forbidden | Self::Hazard)
    }

    /// Whether it is judged by its rules alone.
    pub const fn is_by_rules(self) -> bool {
        matches!(self, Self::Haven | Self::Hazard)
    }
}

/// A fence as the engine judges it.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Which.
    pub id: FenceId,
    /// What it is for.
    pub kind: Kind,
    /// Where it is. Shared: a community's river has one.
    pub area: Arc<Area>,
    /// For how long somebody may be where they should not without anybody being told.
    pub grace: SignedDuration,
}

words! {
    /// How a wearer stands with a zone. "Inside" is where they should be: outside of a forbidden one.
    pub enum Standing ("standing") {
        /// Where they should be.
        Inside = "inside",
        /// They may not be.
        Doubtful = "doubtful",
        /// They are more likely not than not: the terminal is asked for more fixes.
        Suspected = "suspected",
        /// They are not, for longer than is allowed.
        Confirmed = "confirmed",
        /// They were not, and are again.
        Returned = "returned",
    }
}

/// From here on it is doubtful whether somebody is where they should be.
const DOUBTFUL_FROM: f32 = 0.2;
/// Below, the doubt is over.
const DOUBTFUL_TO: f32 = 0.08;
/// From here on they are suspected to be away.
const SUSPECTED_FROM: f32 = 0.6;
/// Below, the suspicion is over, and the time that they were away begins anew.
const SUSPECTED_TO: f32 = 0.3;
/// This sure one must be before anybody is woken.
const CONFIRMED_FROM: f32 = 0.995;
/// And this sure of the contrary before it is said that they are back.
const CONFIRMED_TO: f32 = 0.06;

/// What is known of a wearer and one zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark {
    pub(super) standing: Standing,
    /// How likely they are where they should not be.
    pub(super) chance: f32,
    /// How far beyond the edge they most likely are, metres; negative: on the right side of it.
    pub(super) beyond: f32,
    /// When they most likely crossed the edge, milliseconds since 1970; only while they are at least suspected to have.
    pub(super) since: i64,
}

impl Mark {
    pub(super) const NEW: Self = Self { standing: Standing::Inside, chance: 0.0, beyond: -1.0, since: NEVER };

    /// What follows from a new look, at `at`, after one at `before`.
    pub(super) fn after(&self, chance: f32, beyond: f32, before: i64, at: i64, grace: SignedDuration) -> Self {
        let since = if chance < SUSPECTED_TO {
            NEVER
        } else if self.since == NEVER && chance >= SUSPECTED_FROM {
            crossed_at(self.beyond, beyond, before, at)
        } else {
            self.since
        };
        let is_due = since != NEVER && i128::from(at - since) >= grace.as_millis();
        let standing = match self.standing {
            Standing::Confirmed if chance < CONFIRMED_TO => Standing::Returned,
            Standing::Confirmed => Standing::Confirmed,
            _ if chance >= CONFIRMED_FROM && is_due => Standing::Confirmed,
            _ if chance >= SUSPECTED_FROM => Standing::Suspected,
            Standing::Suspected if chance >= SUSPECTED_TO => Standing::Suspected,
            _ if chance >= DOUBTFUL_FROM => Standing::Doubtful,
            Standing::Suspected | Standing::Doubtful if chance >= DOUBTFUL_TO => Standing::Doubtful,
            _ => Standing::Inside,
        };
        Self { standing, chance, beyond, since }
    }
}

/// What stands for no time.
pub(super) const NEVER: i64 = i64::MIN;

/// When somebody crossed who was on this side at `before` and is on the other at `at`, if they went evenly.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "milliseconds between two fixes")]
fn crossed_at(beyond_before: f32, beyond: f32, before: i64, at: i64) -> i64 {
    if before == NEVER || beyond <= 0.0 {
        return at;
    }
    let share = (beyond / (beyond - beyond_before.min(0.0))).clamp(0.0, 1.0);
    at - ((at - before) as f32 * share * BACKDATED) as i64
}

/// How much of that is believed: somebody may have set out late and gone fast.
const BACKDATED: f32 = 0.7;
