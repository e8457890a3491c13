//! How fast help comes: the milestones of a case, the clocks between two of them, and whether they keep the
//! time that a standard or a contract allows.
//!
//! A case is read from its facts ([`Milestones`]); a clock runs from one milestone to another ([`Clock`]); a
//! [`Target`] says in which share of cases it has to end within which time, and a [`Profile`] is a standard's
//! targets. [`read`] looks at one case, [`Tally`] counts many, [`Forecast`] says what is to be expected of the
//! month. What this leaves out: where facts come from, and why somebody was late.

mod forecast;
mod target;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use self::forecast::{Forecast, Progress};
pub use self::target::{BadTarget, Profile, Share, Target};
use crate::incident::{Class, Outcome};
use crate::word::{Word as _, words};

words! {
    /// Something that happens in a case and that clocks go by: the first time that it does.
    pub enum Milestone ("milestone") {
        /// The press was received by our front door, or the alarm was raised by ourselves. A case that somebody
        /// telephoned about has none: when their telephone began to ring is not known.
        Pressed = "pressed",
        /// The press was on disk: the intake commit.
        Durable = "durable",
        /// An operator took it: the call is answered.
        Claimed = "claimed",
        /// Somebody of ours and somebody there heard each other.
        Spoken = "spoken",
        /// A responder was asked to go.
        Asked = "asked",
        /// One said yes.
        Accepted = "accepted",
        /// One is at the door.
        OnScene = "on_scene",
        /// 120 was called, by data or by voice.
        CentreCalled = "centre_called",
        /// A person at 120 has it.
        CentreAnswered = "centre_answered",
        /// 120's vehicle has left.
        VehicleOut = "vehicle_out",
        /// It is over.
        Closed = "closed",
    }
}

/// When each milestone of one case was reached, if it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Milestones([Option<Timestamp>; Milestone::ALL.len()]);

impl Milestones {
    /// Reads facts in any order: the first of its kind counts.
    pub fn read(facts: impl IntoIterator<Item = (Milestone, Timestamp)>) -> Self {
        let mut milestones = Self::default();
        for (milestone, at) in facts {
            let first = &mut milestones.0[milestone as usize];
            *first = Some(first.map_or(at, |before| before.min(at)));
        }
        milestones
    }

    /// When one was reached.
    pub const fn at(&self, milestone: Milestone) -> Option<Timestamp> {
        self.0[milestone as usize]
    }
}

words! {
    /// What is measured: the time from one milestone to another.
    pub enum Clock ("clock") {
        /// From the press until it is on disk.
        PressedDurable = "pressed_durable",
        /// From the press until an operator has it: the call is answered.
        PressedClaimed = "pressed_claimed",
        /// From the press until somebody is spoken to.
        PressedSpoken = "pressed_spoken",
        /// From the press until somebody will go.
        PressedAccepted = "pressed_accepted",
        /// From the press until somebody is there.
        PressedOnScene = "pressed_on_scene",
        /// From the press until it is over.
        PressedClosed = "pressed_closed",
        /// From the first question to a responder until one is at the door.
        AskedOnScene = "asked_on_scene",
        /// From the call to 120 until a person there has it.
        CentreAnswered = "centre_answered",
        /// From there until the vehicle has left.
        VehicleOut = "vehicle_out",
    }
}

impl Clock {
    /// From where to where.
    pub const fn ends(self) -> (Milestone, Milestone) {
        match self {
            Self::PressedDurable => (Milestone::Pressed, Milestone::Durable),
            Self::PressedClaimed => (Milestone::Pressed, Milestone::Claimed),
            Self::PressedSpoken => (Milestone::Pressed, Milestone::Spoken),
            Self::PressedAccepted => (Milestone::Pressed, Milestone::Accepted),
            Self::PressedOnScene => (Milestone::Pressed, Milestone::OnScene),
            Self::PressedClosed => (Milestone::Pressed, Milestone::Closed),
            Self::AskedOnScene => (Milestone::Asked, Milestone::OnScene),
            Self::CentreAnswered => (Milestone::CentreCalled, Milestone::CentreAnswered),
            Self::VehicleOut => (Milestone::CentreAnswered, Milestone::VehicleOut),
        }
    }

    /// How long it ran, when both ends are known. Two machines' clocks may differ: never less than nothing.
    pub fn took(self, milestones: &Milestones) -> Option<SignedDuration> {
        let (from, to) = self.ends();
        Some(milestones.at(to)?.duration_since(milestones.at(from)?).max(SignedDuration::ZERO))
    }
}

words! {
    /// Which cases a target is about.
    pub enum Calls ("sort of call") {
        /// Calls for help: emergencies, people who wandered off, people nobody has heard of.
        Help = "help",
        /// Orders for daily help.
        Orders = "orders",
    }
}

impl Calls {
    /// What a case of this class is.
    pub const fn of(class: Class) -> Self {
        match class {
            Class::Emergency | Class::Wandering | Class::Welfare => Self::Help,
            Class::Service => Self::Orders,
        }
    }
}

/// One case, as far as clocks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// What sort of call it is.
    pub calls: Calls,
    /// Whether it counts.
    pub weight: Weight,
    /// When what happened.
    pub milestones: Milestones,
}

words! {
    /// Whether a case counts, or why not.
    pub enum Weight ("weight") {
        /// It does.
        Counted = "counted",
        /// An exercise.
        Drill = "drill",
        /// It was closed as a test of the terminal.
        Test = "test",
    }
}

impl Weight {
    /// Of a case.
    pub const fn of(drill: bool, outcome: Option<Outcome>) -> Self {
        match (drill, outcome) {
            (true, _) => Self::Drill,
            (false, Some(Outcome::Test)) => Self::Test,
            (false, _) => Self::Counted,
        }
    }
}

/// What a target's clock shows in one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It never started: nobody pressed, nobody was asked, 120 was not called.
    NotStarted,
    /// It runs, and is not late.
    Running {
        /// Later than this is late.
        due: Timestamp,
    },
    /// It ended in time.
    Met {
        /// After this long.
        took: SignedDuration,
    },
    /// It ended too late.
    Missed {
        /// After this long.
        took: SignedDuration,
    },
    /// It has not ended and is late, or the case was closed when it was.
    Overrun {
        /// It was to end by then.
        due: Timestamp,
    },
    /// The case was closed before it was late, and before it ended: nobody will ever know.
    Dropped,
}

impl Reading {
    /// Whether the target was missed in this case.
    pub const fn is_breach(self) -> bool {
        matches!(self, Self::Missed { .. } | Self::Overrun { .. })
    }
}

/// What a target's clock shows.
pub fn read(target: &Target, milestones: &Milestones, now: Timestamp) -> Reading {
    let (from, to) = target.clock.ends();
    let Some(started_at) = milestones.at(from) else { return Reading::NotStarted };
    if milestones.at(to).is_some() {
        let took = target.clock.took(milestones).unwrap_or_default();
        return if took <= target.within() { Reading::Met { took } } else { Reading::Missed { took } };
    }
    let due = started_at.checked_add(target.within()).unwrap_or(Timestamp::MAX);
    match milestones.at(Milestone::Closed) {
        Some(closed_at) if closed_at <= due => Reading::Dropped,
        None if now <= due => Reading::Running { due },
        Some(_) | None => Reading::Overrun { due },
    }
}

/// The target that is missed next if nothing happens, and when.
pub fn next_breach<'t>(
    targets: impl IntoIterator<Item = &'t Target>,
    case: &Case,
    now: Timestamp,
) -> Option<(&'t Target, Timestamp)> {
    let running = targets.into_iter().filter(|target| target.calls == case.calls).filter_map(|target| {
        match read(target, &case.milestones, now) {
            Reading::Running { due } => Some((target, due)),
            _ => None,
        }
    });
    running.min_by_key(|(_, due)| *due)
}

/// How a target fared in many cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// In time.
    pub met: u32,
    /// Too late, whether it ended or not.
    pub missed: u32,
    /// Neither yet.
    pub running: u32,
    /// Closed before anybody could know.
    pub dropped: u32,
}

impl Tally {
    /// Counts the cases that a target is about: exercises, tests and clocks that never started are left out.
    pub fn of<'c>(target: &Target, cases: impl IntoIterator<Item = &'c Case>, now: Timestamp) -> Self {
        let mut tally = Self::default();
        for case in cases.into_iter().filter(|case| case.weight == Weight::Counted && case.calls == target.calls) {
            match read(target, &case.milestones, now) {
                Reading::NotStarted => {}
                Reading::Running { .. } => tally.running += 1,
                Reading::Met { .. } => tally.met += 1,
                Reading::Missed { .. } | Reading::Overrun { .. } => tally.missed += 1,
                Reading::Dropped => tally.dropped += 1,
            }
        }
        tally
    }

    /// How many say something about the share.
    pub const fn counted(&self) -> u32 {
        self.met + self.missed
    }

    /// Whether the share is met; `None` while nothing is counted.
    pub fn keeps(&self, share: Share) -> Option<bool> {
        (self.counted() > 0).then(|| share.is_met(self.met, self.counted()))
    }
}

/// How long a clock ran in many cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// In how many it has ended.
    pub cases: u32,
    /// Half of them took no longer.
    pub p50: SignedDuration,
    /// Nine of ten took no longer.
    pub p90: SignedDuration,
    /// None took longer.
    pub max: SignedDuration,
}

impl Spread {
    /// Of the cases that count; `None` when the clock has ended in none.
    pub fn of<'c>(clock: Clock, calls: Calls, cases: impl IntoIterator<Item = &'c Case>) -> Option<Self> {
        let mut took: Vec<SignedDuration> = cases
            .into_iter()
            .filter(|case| case.weight == Weight::Counted && case.calls == calls)
            .filter_map(|case| clock.took(&case.milestones))
            .collect();
        took.sort_unstable();
        let max = *took.last()?;
        // The nearest rank: the smallest that so many are no longer than.
        let rank = |tenths: usize| took[(took.len() * tenths).div_ceil(10) - 1];
        Some(Self { cases: u32::try_from(took.len()).unwrap_or(u32::MAX), p50: rank(5), p90: rank(9), max })
    }
}
