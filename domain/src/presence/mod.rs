//! Who is heard, and who is not: what silence of a terminal means.
//!
//! A [`Contract`] says how often a model is to be heard; [`judge`] says from it how long a silence is by now and when to
//! look again; [`outage`] finds what many who fell silent together have in common; [`battery`] says when one will be
//! flat; [`signs`] notices terminals that are heard and tell nothing true. When a terminal was heard last is somebody
//! else's to know, and so is what follows from a silence.

pub mod battery;
pub mod outage;
pub mod signs;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use crate::word::words;

words! {
    /// How far a terminal's silence has gone.
    pub enum Stage ("stage of silence") {
        /// Not heard since its wearer was given it.
        Unheard = "unheard",
        /// As its contract says.
        Heard = "heard",
        /// It should have been heard by now.
        Late = "late",
        /// It is not only late.
        Silent = "silent",
        /// It has been silent for so long that somebody has to go and look.
        Lost = "lost",
    }
}

impl Stage {
    /// Whether it is not heard any more.
    pub const fn is_absent(self) -> bool {
        matches!(self, Self::Late | Self::Silent | Self::Lost)
    }
}

words! {
    /// What a terminal does, as far as that says how often it is to be heard.
    pub enum Motion ("motion") {
        /// On somebody who moves about.
        Moving = "moving",
        /// On somebody who does not.
        Still = "still",
        /// On its charger.
        Charging = "charging",
    }
}

/// How often a model is to be heard, and what it means when it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    every: [SignedDuration; 3],
    late_beats: u16,
    silent_beats: u16,
    lost_after: SignedDuration,
}

/// What a contract is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// It is heard so often while its wearer moves.
    pub moving: SignedDuration,
    /// The same, while they do not.
    pub still: SignedDuration,
    /// The same, on its charger.
    pub charging: SignedDuration,
    /// It is late after so many of these.
    pub late_beats: u16,
    /// And silent after so many.
    pub silent_beats: u16,
    /// Lost after this long, whatever it does; not sooner than silent.
    pub lost_after: SignedDuration,
}

/// No terminal is asked to be heard more often.
pub const EVERY_MIN: SignedDuration = SignedDuration::from_secs(10);
/// Somebody who is heard more seldom is not looked after.
pub const EVERY_MAX: SignedDuration = SignedDuration::from_hours(48);
/// Nobody waits longer for somebody who is lost.
pub const LOST_MAX: SignedDuration = SignedDuration::from_hours(24 * 30);
/// A silence of more beats than these is not told from one of these.
pub const BEATS_MAX: u16 = 100;

/// Why terms make no contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadContract {
    /// One interval is too short or too long.
    #[error("a terminal is to be heard every 10 seconds to 48 hours")]
    Every,
    /// Late before the first beat, or silent before late.
    #[error("late comes after at least one interval, silent after more than late, at most 100")]
    Beats,
    /// Lost before it is silent, or never.
    #[error("lost comes after silent, and within 30 days")]
    Lost,
}

impl Contract {
    /// A contract of these terms.
    pub fn new(terms: Terms) -> Result<Self, BadContract> {
        let every = [terms.moving, terms.still, terms.charging];
        if every.iter().any(|every| !(EVERY_MIN..=EVERY_MAX).contains(every)) {
            return Err(BadContract::Every);
        }
        if terms.late_beats == 0 || terms.silent_beats <= terms.late_beats || terms.silent_beats > BEATS_MAX {
            return Err(BadContract::Beats);
        }
        let contract = Self {
            every,
            late_beats: terms.late_beats,
            silent_beats: terms.silent_beats,
            lost_after: terms.lost_after,
        };
        let shortest = every.into_iter().min().unwrap_or(EVERY_MIN) * i32::from(terms.silent_beats);
        if terms.lost_after <= shortest || terms.lost_after > LOST_MAX {
            return Err(BadContract::Lost);
        }
        Ok(contract)
    }

    /// Where nobody has said otherwise: heard every five minutes on the move and every ten at rest, late after two
    /// intervals, silent after six, lost after a day.
    pub const fn standard() -> Self {
        Self {
            every: [SignedDuration::from_mins(5), SignedDuration::from_mins(10), SignedDuration::from_mins(15)],
            late_beats: 2,
            silent_beats: 6,
            lost_after: SignedDuration::from_hours(24),
        }
    }

    /// How often it is to be heard.
    pub const fn every(&self, motion: Motion) -> SignedDuration {
        self.every[match motion {
            Motion::Moving => 0,
            Motion::Still => 1,
            Motion::Charging => 2,
        }]
    }

    /// How long a silence is when it comes to this stage.
    pub fn after(&self, stage: Stage, motion: Motion) -> SignedDuration {
        let silent = self.every(motion) * i32::from(self.silent_beats);
        match stage {
            Stage::Unheard | Stage::Heard => SignedDuration::ZERO,
            Stage::Late => self.every(motion) * i32::from(self.late_beats),
            Stage::Silent => silent,
            Stage::Lost => self.lost_after.max(silent),
        }
    }
}

/// What is known of a terminal when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// When it was heard last.
    pub heard_at: Option<Timestamp>,
    /// When it had been heard last, when it was looked at before.
    pub heard_before: Option<Timestamp>,
    /// What was found then.
    pub before: Stage,
    /// Since when its wearer has it.
    pub given_at: Timestamp,
    /// Since when somebody listens: who restarts knows nothing of what was said meanwhile.
    pub listening_since: Timestamp,
    /// What it does.
    pub motion: Motion,
}

/// What is found of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How far its silence has gone.
    pub stage: Stage,
    /// When it is to be looked at again: nothing can change before, but that somebody who was not heard is.
    pub look_at: Timestamp,
}

/// Somebody who is not heard is looked for this often, so that it is known soon that they are back.
pub const LOOK_FOR_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Of somebody who is lost, or was never heard, that is enough.
pub const LOOK_FOR_LOST_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// How far a terminal's silence has gone.
///
/// Silence counts from when it was last heard, and from no time at which nobody listened. Only being heard brings anybody
/// back: who was silent before a restart of ours is so after it.
pub fn judge(contract: &Contract, known: &Known, now: Timestamp) -> Standing {
    let Some(heard_at) = known.heard_at.filter(|heard_at| *heard_at >= known.given_at) else {
        return Standing { stage: Stage::Unheard, look_at: now + LOOK_FOR_LOST_EVERY };
    };
    let from = heard_at.max(known.listening_since);
    let silence = now.duration_since(from);
    let stages = [Stage::Lost, Stage::Silent, Stage::Late];
    let reached = stages.into_iter().find(|stage| silence >= contract.after(*stage, known.motion));
    let is_back = known.heard_before.is_none_or(|before| before < heard_at);
    let kept = if is_back || !known.before.is_absent() { Stage::Heard } else { known.before };
    let stage = reached.unwrap_or(Stage::Heard).max(kept);
    let due = |next: Stage| (from + contract.after(next, known.motion)).max(now);
    let look_at = match stage {
        Stage::Unheard | Stage::Heard => due(Stage::Late),
        Stage::Late => due(Stage::Silent).min(now + LOOK_FOR_EVERY),
        Stage::Silent => due(Stage::Lost).min(now + LOOK_FOR_EVERY),
        Stage::Lost => now + LOOK_FOR_LOST_EVERY,
    };
    Standing { stage, look_at }
}
