//! "I am fine" (报平安): when a resident is to be heard of, and what it means when they are not.
//!
//! A [`Plan`] says at which times of which days; which day and time it is where they live is the shell's to know. Once a
//! due time's grace is over, [`judge`] says what became of it, once and for good: kept, paused, or missed.

#[cfg(test)]
mod tests;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

use crate::hours::TimeOfDay;
use crate::word::words;

words! {
    /// By what it is known that somebody is fine.
    pub enum Way ("way to check in") {
        /// They pressed the key for it.
        Key = "key",
        /// They said so on the telephone, or to somebody who was there.
        Voice = "voice",
        /// They moved: steps, or from one place to another.
        Movement = "movement",
    }
}

/// More due times a day than anybody keeps.
pub const TIMES_MAX: usize = 12;
/// Two due times are this far apart, at least.
pub const APART_MIN_MIN: i32 = 30;
/// The shortest and the longest grace, in minutes.
pub const GRACE_MIN: (i32, i32) = (5, 12 * 60);
/// A sign counts for a due time from this long before it.
pub const EARLY_MAX: SignedDuration = SignedDuration::from_hours(2);
/// While a terminal is out of reach together with many others, its wearer is waited for this much longer.
pub const OUTAGE_GRACE: SignedDuration = SignedDuration::from_hours(1);
/// A due time that nobody looked at for so long is over, and the next one is looked for from now on.
pub const STALE: SignedDuration = SignedDuration::from_hours(12);

/// When a resident is to be heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    times: Vec<TimeOfDay>,
    days: [bool; 7],
    grace_min: i32,
    quiet: Option<Quiet>,
    ways: Vec<Way>,
}

/// When they sleep: from a time to another of the same day or the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// From.
    pub from: TimeOfDay,
    /// Until.
    pub until: TimeOfDay,
}

/// A time at which they are to be heard of, by the clock where they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: DateTime,
    /// Until then they are waited for.
    pub deadline: DateTime,
}

/// Why something is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// No time, or too many.
    #[error("there must be one time of day at least, and {TIMES_MAX} at most")]
    Times,
    /// Two are the same, or nearly.
    #[error("{0} and {1} are less than {APART_MIN_MIN} minutes apart")]
    Apart(TimeOfDay, TimeOfDay),
    /// It ends the day.
    #[error("24:00 is 00:00 of the next day")]
    Midnight,
    /// No day of the week.
    #[error("there must be one day of the week at least: 1 is Monday, 7 is Sunday")]
    Days,
    /// The grace is too short or too long.
    #[error("the grace must be {} minutes to {} hours", GRACE_MIN.0, GRACE_MIN.1 / 60)]
    Grace,
    /// The quiet hours are no time, or all day.
    #[error("the quiet hours must begin at one time and end at another")]
    Quiet,
    /// They sleep at that time.
    #[error("{0} lies in the quiet hours: nobody is asked in their sleep")]
    Asleep(TimeOfDay),
    /// Nothing would count.
    #[error("there must be one way at least by which it is known that they are fine")]
    Ways,
}

impl Quiet {
    fn holds(self, minute: i32) -> bool {
        let (from, until) = (self.from.minutes(), self.until.minutes() % DAY_MIN);
        if from < until { (from..until).contains(&minute) } else { minute >= from || minute < until }
    }
}

/// The minutes of a day.
const DAY_MIN: i32 = 24 * 60;

impl Plan {
    /// A plan; days are numbered from 1, Monday.
    pub fn new(
        mut times: Vec<TimeOfDay>,
        days: &[i16],
        grace_min: i32,
        quiet: Option<Quiet>,
        mut ways: Vec<Way>,
    ) -> Result<Self, BadPlan> {
        if times.is_empty() || times.len() > TIMES_MAX {
            return Err(BadPlan::Times);
        }
        times.sort_unstable();
        if times.iter().any(|time| time.minutes() >= DAY_MIN) {
            return Err(BadPlan::Midnight);
        }
        if let Some(pair) = times.windows(2).find(|pair| pair[1].minutes() - pair[0].minutes() < APART_MIN_MIN) {
            return Err(BadPlan::Apart(pair[0], pair[1]));
        }
        let mut of_week = [false; 7];
        for day in days {
            let place = usize::try_from(*day - 1).ok().filter(|place| *place < 7).ok_or(BadPlan::Days)?;
            of_week[place] = true;
        }
        if days.is_empty() {
            return Err(BadPlan::Days);
        }
        if !(GRACE_MIN.0..=GRACE_MIN.1).contains(&grace_min) {
            return Err(BadPlan::Grace);
        }
        if let Some(quiet) = quiet {
            if quiet.from.minutes() % DAY_MIN == quiet.until.minutes() % DAY_MIN {
                return Err(BadPlan::Quiet);
            }
            if let Some(time) = times.iter().find(|time| quiet.holds(time.minutes())) {
                return Err(BadPlan::Asleep(*time));
            }
        }
        ways.sort_unstable();
        ways.dedup();
        if ways.is_empty() {
            return Err(BadPlan::Ways);
        }
        Ok(Self { times, days: of_week, grace_min, quiet, ways })
    }

    /// Its times, the earliest first.
    pub fn times(&self) -> &[TimeOfDay] {
        &self.times
    }

    /// Its days, from 1, Monday.
    pub fn days(&self) -> Vec<i16> {
        (1..=7).zip(self.days).filter_map(|(day, is_one)| is_one.then_some(day)).collect()
    }

    /// How long they are waited for, in minutes.
    pub const fn grace_min(&self) -> i32 {
        self.grace_min
    }

    /// When they sleep.
    pub const fn quiet(&self) -> Option<Quiet> {
        self.quiet
    }

    /// What counts.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// The first due time after `after`. Nobody is missed in their sleep: a grace that would end in the quiet hours ends
    /// with them. `None` only at the end of all calendars.
    pub fn next(&self, after: DateTime) -> Option<Due> {
        let mut date = after.date();
        for _ in 0..=7 {
            if self.is_on(date)
                && let Some(at) = self.times.iter().filter_map(|time| on(date, *time)).find(|at| *at > after)
            {
                return Some(Due { at, deadline: self.deadline(at)? });
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        let day = date.weekday().to_monday_zero_offset();
        usize::try_from(day).ok().and_then(|day| self.days.get(day).copied()).unwrap_or_default()
    }

    fn deadline(&self, at: DateTime) -> Option<DateTime> {
        let deadline = at.checked_add(SignedDuration::from_mins(self.grace_min.into())).ok()?;
        let minute = i32::from(deadline.hour()) * 60 + i32::from(deadline.minute());
        let Some(quiet) = self.quiet.filter(|quiet| quiet.holds(minute)) else { return Some(deadline) };
        let until = quiet.until.minutes() % DAY_MIN;
        let date = if until > minute { deadline.date() } else { deadline.date().tomorrow().ok()? };
        on(date, TimeOfDay::of_minutes(until)?)
    }
}

/// A time of a day as a clock shows it.
fn on(date: Date, time: TimeOfDay) -> Option<DateTime> {
    let (hour, minute) = (time.minutes() / 60, time.minutes() % 60);
    Some(date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0))
}

/// When a resident was last known to be fine, by each way, whichever of their terminals told it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// The key.
    pub key: Option<Timestamp>,
    /// The telephone.
    pub voice: Option<Timestamp>,
    /// Movement.
    pub movement: Option<Timestamp>,
}

impl Signs {
    /// When, by this way.
    pub const fn by(&self, way: Way) -> Option<Timestamp> {
        match way {
            Way::Key => self.key,
            Way::Voice => self.voice,
            Way::Movement => self.movement,
        }
    }
}

/// What is known when a due time is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The due time.
    pub due_at: Timestamp,
    /// Until then they are waited for.
    pub deadline: Timestamp,
    /// The one before it: what counted for that does not count for this too.
    pub previous_at: Option<Timestamp>,
    /// When they were last known to be fine.
    pub signs: Signs,
    /// Whether nobody expects them: in hospital, on a holiday.
    pub is_paused: bool,
    /// Since when somebody listens: what was said before that, nobody may have heard.
    pub listening_since: Timestamp,
    /// Whether all of their terminals are out of reach together with many others.
    pub in_outage: bool,
}

/// What became of a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is too early to say. To be looked at again then.
    Wait(Timestamp),
    /// They are fine.
    Kept {
        /// By this.
        way: Way,
        /// Known then.
        at: Timestamp,
    },
    /// Nobody expected them.
    Paused,
    /// They should have been heard of and were not.
    Missed,
}

/// What became of a due time. Later signs count as well as those in time, as long as nobody has said "missed": somebody
/// who is known to be fine is not missed.
pub fn judge(plan: &Plan, facts: &Facts, now: Timestamp) -> Verdict {
    let early = facts.due_at - EARLY_MAX;
    let from = facts.previous_at.map_or(early, |previous| early.max(previous));
    let sign = plan.ways.iter().find_map(|way| Some((*way, facts.signs.by(*way).filter(|at| *at > from)?)));
    if let Some((way, at)) = sign {
        return Verdict::Kept { way, at };
    }
    if facts.is_paused {
        return Verdict::Paused;
    }
    let grace = SignedDuration::from_mins(plan.grace_min.into());
    let mut deadline = facts.deadline;
    // Nobody heard what was said before; they have as much time from then on.
    if facts.listening_since > from {
        deadline = deadline.max(facts.listening_since + grace);
    }
    if facts.in_outage {
        deadline = deadline.max(facts.deadline + OUTAGE_GRACE);
    }
    if now < deadline {
        Verdict::Wait(if now < facts.due_at { facts.due_at } else { deadline })
    } else {
        Verdict::Missed
    }
}
