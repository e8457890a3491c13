//! What is due now, and when to look again.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{Asks, Belief, Calendar, Expect, Pause, Rule, Span, spoken};
use crate::id::{FenceId, RuleId};
use crate::word::words;

/// A look never waits for longer: somebody may have said meanwhile that a day is off.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// So far back hours are looked for that join the present ones.
const BACK: SignedDuration = SignedDuration::from_hours(8 * 24);
/// And so far ahead for the next ones: longer than any holiday.
const AHEAD: SignedDuration = SignedDuration::from_hours(16 * 24);
/// So long before somebody is told of it, a breach is near: as long as a terminal takes that is asked for more positions.
const NEAR: SignedDuration = SignedDuration::from_mins(5);

/// A rule that is not kept, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub rule: RuleId,
    /// Of which fence.
    pub fence: FenceId,
    /// Since when it is not kept: the hours had begun, and they were not where they should be.
    pub since: Timestamp,
    /// Since when they are where they are, as far as that is known.
    pub there_since: Option<Timestamp>,
    /// What was asked of them.
    pub asks: Asks,
    /// Until when, this time; none: without an end in sight.
    pub until: Option<Timestamp>,
}

impl Breach {
    /// What is thought of somebody of whom nobody has been told yet.
    pub fn suspicion(&self) -> String {
        match self.asks.expect {
            Expect::NotAway => {
                format!("suspected: may be away for {}, which is nearly over", spoken(self.asks.allowed))
            }
            Expect::Inside | Expect::Outside | Expect::NotLeave => format!("suspected: {}", self.wrong()),
        }
    }

    fn wrong(&self) -> String {
        let Asks { expect, hours, allowed, .. } = &self.asks;
        match expect {
            Expect::Inside => format!("should be inside in the hours {hours}, and is outside"),
            Expect::Outside => format!("should not be there in the hours {hours}, and is"),
            Expect::NotLeave => format!("should not leave in the hours {hours}, and left"),
            Expect::NotAway => format!("may be away for {}, and is away for longer", spoken(*allowed)),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wrong())?;
        if self.asks.grace.is_positive() {
            write!(f, ", for more than {}", spoken(self.asks.grace))?;
        }
        Ok(())
    }
}

words! {
    /// Why a breach is over.
    pub enum Why ("end of a breach") {
        /// They are where they should be.
        Kept = "kept",
        /// Its hours are over; they are not back.
        HoursOver = "hours_over",
        /// A pause began.
        Paused = "paused",
        /// Nobody asks any more: the rule is gone.
        Gone = "gone",
    }
}

/// The end of a breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Of which rule.
    pub rule: RuleId,
    /// Why.
    pub why: Why,
}

/// What a look shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// What somebody is to be told of now.
    pub due: Vec<Breach>,
    /// What somebody will be told of soon unless something changes: where they are is to be looked at more closely.
    pub near: Vec<Breach>,
    /// Breaches that somebody was told of and that are over.
    pub over: Vec<Over>,
    /// When to look again, if nothing else happens before; none: there is no rule.
    pub wake_at: Option<Timestamp>,
}

/// A rule as it is looked at.
struct Seen<'a> {
    rule: &'a Rule,
    belief: Belief,
    /// Its hours, from some days back to some days ahead.
    spans: Vec<Span>,
    pauses: Vec<Span>,
    now: Timestamp,
}

/// What is due now of these rules, and when to look again. `belief` tells what is believed of a fence; `told` are the
/// rules of which a breach is known already.
pub fn look(
    rules: &[Rule],
    calendar: &Calendar,
    pauses: &[Pause],
    belief: impl Fn(FenceId) -> Belief,
    told: &[RuleId],
    now: Timestamp,
) -> Look {
    let mut look = Look::default();
    for rule in rules {
        let spans = calendar.spans(rule, now - BACK, now + AHEAD);
        let pauses = pauses.iter().filter(|pause| pause.fence.is_none_or(|of| of == rule.fence));
        let pauses = pauses.map(|pause| pause.span).collect();
        let seen = Seen { rule, belief: belief(rule.fence), spans, pauses, now };
        let wake_at = if told.contains(&rule.id) { seen.go_on(&mut look) } else { seen.begin(&mut look) };
        let wake_at = wake_at.into_iter().chain(seen.next_pause()).chain([now + LOOK_EVERY]).min();
        look.wake_at = look.wake_at.into_iter().chain(wake_at).min();
    }
    look.over.extend(
        told.iter()
            .filter(|told| rules.iter().all(|rule| rule.id != **told))
            .map(|rule| Over { rule: *rule, why: Why::Gone }),
    );
    look
}

impl Seen<'_> {
    /// A rule of which nobody was told; the answer is when to look again.
    fn begin(&self, look: &mut Look) -> Option<Timestamp> {
        let Some((breach, due_at)) = self.breach().or_else(|| self.coming()) else { return self.next_hours() };
        if due_at > self.now {
            let near_at = due_at - NEAR;
            if near_at > self.now {
                return Some(near_at);
            }
            look.near.push(breach);
            return Some(due_at);
        }
        let until = breach.until;
        look.due.push(breach);
        until
    }

    /// A rule of which a breach is known.
    fn go_on(&self, look: &mut Look) -> Option<Timestamp> {
        let why = if self.pause().is_some() {
            Some(Why::Paused)
        } else {
            match (self.is_wrong(), self.hours()) {
                (Some(false), _) => Some(Why::Kept),
                // What was long enough ago to be told of stays so in the night.
                (_, None) if self.rule.asks().expect != Expect::NotAway => Some(Why::HoursOver),
                _ => None,
            }
        };
        let Some(why) = why else { return self.hours().map(|hours| hours.until) };
        look.over.push(Over { rule: self.rule.id, why });
        self.next_hours()
    }

    /// Whether they are where they should not be in the hours of the rule; none: nobody knows.
    fn is_wrong(&self) -> Option<bool> {
        match (self.belief, self.rule.asks().expect) {
            (Belief::Unknown, _) => None,
            (Belief::Inside { .. }, expect) => Some(expect == Expect::Outside),
            (Belief::Outside { .. }, expect) => Some(expect != Expect::Outside),
        }
    }

    /// The hours that it is in.
    fn hours(&self) -> Option<Span> {
        self.spans.iter().find(|span| span.has(self.now)).copied()
    }

    /// The pause that it is in.
    fn pause(&self) -> Option<Span> {
        self.pauses.iter().find(|pause| pause.has(self.now)).copied()
    }

    /// What is wrong now, and from when on somebody is to be told; none: nothing, or nothing yet.
    fn breach(&self) -> Option<(Breach, Timestamp)> {
        let asks = self.rule.asks();
        if self.pause().is_some() || self.is_wrong() != Some(true) {
            return None;
        }
        let there_since = self.there_since();
        // Whoever comes back from hospital begins anew.
        let resumed_at = self.pauses.iter().map(|pause| pause.until).filter(|until| *until <= self.now).max();
        if asks.expect == Expect::NotAway {
            let gone_since = there_since.into_iter().chain(resumed_at).max()?;
            let since = gone_since.checked_add(asks.allowed).ok()?;
            let due_at = since.checked_add(asks.grace).ok()?;
            // In the night nobody asks.
            let hours = self.spans.iter().find(|span| span.until > due_at.max(self.now))?;
            return Some((self.breach_of(since, None), due_at.max(hours.from)));
        }
        let hours = self.hours()?;
        if asks.expect == Expect::NotLeave {
            let left_at = there_since?;
            if left_at < hours.from || self.pauses.iter().any(|pause| pause.has(left_at)) {
                return None;
            }
        }
        let since = hours.from.max(there_since.unwrap_or(hours.from));
        let since = resumed_at.map_or(since, |resumed_at| since.max(resumed_at));
        let due_at = since.checked_add(asks.grace).ok()?;
        (due_at < hours.until).then(|| (self.breach_of(since, Some(hours.until)), due_at))
    }

    /// What will be wrong when the next hours begin, if they stay where they are, and when somebody is told of it.
    fn coming(&self) -> Option<(Breach, Timestamp)> {
        let asks = self.rule.asks();
        // Who was out before is not asked after; and who may be away has no hours at which that begins.
        let begins_with_hours = matches!(asks.expect, Expect::Inside | Expect::Outside);
        if !begins_with_hours || self.is_wrong() != Some(true) || self.hours().is_some() {
            return None;
        }
        let hours = self.spans.iter().find(|span| span.from > self.now)?;
        let due_at = hours.from.checked_add(asks.grace).ok()?;
        let is_paused = self.pauses.iter().any(|pause| pause.has(self.now) || pause.has(hours.from));
        (!is_paused && due_at < hours.until).then(|| (self.breach_of(hours.from, Some(hours.until)), due_at))
    }

    /// Since when they are where they are.
    const fn there_since(&self) -> Option<Timestamp> {
        match self.belief {
            Belief::Unknown => None,
            Belief::Inside { since } => since,
            Belief::Outside { since } => Some(since),
        }
    }

    fn breach_of(&self, since: Timestamp, until: Option<Timestamp>) -> Breach {
        let Rule { id, fence, .. } = *self.rule;
        Breach { rule: id, fence, since, there_since: self.there_since(), asks: *self.rule.asks(), until }
    }

    /// When it could next be near that somebody is told of who is where they are now.
    fn next_hours(&self) -> Option<Timestamp> {
        let next = self.spans.iter().map(|span| span.from).find(|from| *from > self.now)?;
        let told_at = next.checked_add(self.rule.asks().grace).ok()?;
        Some(next.max(told_at - NEAR))
    }

    /// When a pause ends, or begins.
    fn next_pause(&self) -> Option<Timestamp> {
        self.pauses.iter().flat_map(|pause| [pause.from, pause.until]).filter(|at| *at > self.now).min()
    }
}
