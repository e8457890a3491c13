//! Which hours a rule means: of days on the wall, made into times.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{DAY_MIN, Days, Hours, Rule};

/// A stretch of time; the end is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From then on.
    pub from: Timestamp,
    /// Up to then.
    pub until: Timestamp,
}

impl Span {
    /// Whether a time lies in it.
    pub fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// Clocks and days off.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// The clock of where the resident lives.
    pub resident: TimeZone,
    /// Days there that are not what their place in the week says: off, or worked.
    pub exceptions: BTreeMap<Date, bool>,
}

impl Calendar {
    /// Whether a day is off: a Saturday or Sunday, unless it is said otherwise.
    pub fn is_off(&self, day: Date) -> bool {
        let is_weekend = weekday(day) >= 5;
        self.exceptions.get(&day).copied().unwrap_or(is_weekend)
    }

    /// Whether a rule's hours begin on a day.
    fn begins(&self, days: Days, day: Date) -> bool {
        match days {
            Days::Every => true,
            Days::Working => !self.is_off(day),
            Days::Off => self.is_off(day),
            Days::Of(weekdays) => weekdays.has(weekday(day)),
        }
    }

    /// The hours of a rule that end after `after` and begin before `before`, in order; what joins is one.
    pub(super) fn spans(&self, rule: &Rule, after: Timestamp, before: Timestamp) -> Vec<Span> {
        let zone = rule.zone.as_ref().unwrap_or(&self.resident);
        let asks = rule.asks();
        // A night that began yesterday, and one day more for clocks that leap.
        let mut day = zone.to_datetime(after).date();
        for _ in 0..2 {
            day = day.yesterday().unwrap_or(day);
        }
        let mut spans: Vec<Span> = Vec::new();
        while let Some(span) = span(zone, day, asks.hours) {
            if span.from >= before {
                break;
            }
            if self.begins(asks.days, day) && span.from < span.until {
                match spans.last_mut() {
                    Some(last) if last.until >= span.from => last.until = last.until.max(span.until),
                    _ => spans.push(span),
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        spans.retain(|span| span.until > after);
        spans
    }
}

/// From 0, Monday.
pub(super) fn weekday(day: Date) -> u8 {
    u8::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0)
}

/// The hours of a day as times. Empty when a clock leaps over all of them.
fn span(zone: &TimeZone, day: Date, hours: Hours) -> Option<Span> {
    let ends_on = if hours.is_night() || hours.until() == DAY_MIN { day.tomorrow().ok()? } else { day };
    let from = instant(zone, minute(day, hours.from())?)?;
    let until = instant(zone, minute(ends_on, hours.until() % DAY_MIN)?)?;
    Some(Span { from, until })
}

fn minute(day: Date, minute: u16) -> Option<DateTime> {
    let at = day.to_datetime(jiff::civil::Time::midnight());
    at.checked_add(SignedDuration::from_mins(i64::from(minute))).ok()
}

/// When a clock shows that. What it leaps over is the moment of the leap or as much after it; what it shows twice, the first.
fn instant(zone: &TimeZone, shown: DateTime) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(shown).compatible().ok()
}
