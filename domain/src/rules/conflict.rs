//! Rules that cannot be kept together.

use jiff::Timestamp;

use super::{Asks, Calendar, DAY_MIN, Days, Expect, Rule};
use crate::id::FenceId;

/// How two fences lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Nobody can be in both.
    Apart,
    /// Whoever is in the first is in the second.
    FirstInSecond,
    /// Whoever is in the second is in the first.
    SecondInFirst,
    /// Neither.
    Overlapping,
}

/// Two rules that cannot be kept together, by their places in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Inside and outside of one fence.
    #[error("somebody cannot be inside and outside of the same fence at the same time")]
    InAndOut(usize, usize),
    /// Inside of two fences that do not touch.
    #[error("somebody cannot be inside of two fences at the same time that lie apart")]
    TwoPlaces(usize, usize),
    /// Inside of a fence, and outside of one around it.
    #[error(
        "whoever is inside of the one fence is inside of the other as well, and should not be there at the same time"
    )]
    WithinForbidden(usize, usize),
    /// Inside of a fence that they are to keep away from.
    #[error("nobody can be expected inside of an area that they are to keep away from")]
    OfForbidden(usize),
    /// Inside of a fence that lies in one that they are to keep away from.
    #[error("the fence lies in an area that they are to keep away from")]
    LiesInForbidden(usize),
    /// The same again.
    #[error("the same is expected twice at the same time: with two graces nobody knows which one holds")]
    Twice(usize, usize),
}

impl Contradiction {
    /// Which two rules; twice the same where it is one, and a fence.
    pub const fn rules(self) -> (usize, usize) {
        match self {
            Self::InAndOut(one, other)
            | Self::TwoPlaces(one, other)
            | Self::WithinForbidden(one, other)
            | Self::Twice(one, other) => (one, other),
            Self::OfForbidden(one) | Self::LiesInForbidden(one) => (one, one),
        }
    }

    /// For programs; stays as it is.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InAndOut(..) => "in_and_out",
            Self::TwoPlaces(..) => "two_places",
            Self::WithinForbidden(..) => "within_forbidden",
            Self::OfForbidden(..) => "of_forbidden",
            Self::LiesInForbidden(..) => "lies_in_forbidden",
            Self::Twice(..) => "twice",
        }
    }
}

/// The first two of these rules that cannot be kept together, or one that cannot beside what is `forbidden`: the fences that
/// they are to keep away from, at all hours unless these have rules of their own. `relation` says how two fences lie. Clocks
/// that differ are compared by their present difference.
pub fn contradiction(
    rules: &[Rule],
    forbidden: &[FenceId],
    calendar: &Calendar,
    relation: impl Fn(FenceId, FenceId) -> Relation,
    now: Timestamp,
) -> Option<Contradiction> {
    for (one, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.asks().expect != Expect::Outside) {
        if forbidden.contains(&rule.fence) {
            return Some(Contradiction::OfForbidden(one));
        }
        let always = |fence: &&FenceId| rules.iter().all(|rule| rule.fence != **fence);
        if forbidden.iter().filter(always).any(|fence| relation(rule.fence, *fence) == Relation::FirstInSecond) {
            return Some(Contradiction::LiesInForbidden(one));
        }
    }
    let ahead_min = |rule: &Rule| {
        let here = calendar.resident.to_offset(now).seconds();
        rule.zone.as_ref().map_or(0, |zone| (zone.to_offset(now).seconds() - here).div_euclid(60))
    };
    let pairs = rules
        .iter()
        .enumerate()
        .flat_map(|(other, b)| rules[..other].iter().enumerate().map(move |(one, a)| ((one, a), (other, b))));
    for ((one, a), (other, b)) in pairs {
        // Later by the resident's clock is earlier in a place that is ahead.
        if !meet(a.asks(), b.asks(), ahead_min(a) - ahead_min(b)) {
            continue;
        }
        let (expect_a, expect_b) = (a.asks().expect, b.asks().expect);
        if a.fence == b.fence {
            if expect_a == expect_b {
                return Some(Contradiction::Twice(one, other));
            }
            // Whoever must be outside cannot be told not to leave, or not to be away for long.
            if expect_a == Expect::Outside || expect_b == Expect::Outside {
                return Some(Contradiction::InAndOut(one, other));
            }
            continue;
        }
        match (expect_a, expect_b, relation(a.fence, b.fence)) {
            (Expect::Inside, Expect::Inside, Relation::Apart) => return Some(Contradiction::TwoPlaces(one, other)),
            (Expect::Inside, Expect::Outside, Relation::FirstInSecond)
            | (Expect::Outside, Expect::Inside, Relation::SecondInFirst) => {
                return Some(Contradiction::WithinForbidden(one, other));
            }
            _ => {}
        }
    }
    None
}

/// Whether there can be a moment in the hours of both, when the second's clock is to be put forward by `shift` minutes.
fn meet(a: &Asks, b: &Asks, shift: i32) -> bool {
    let day = i32::from(DAY_MIN);
    let minutes = |asks: &Asks| (i32::from(asks.hours.from()), i32::from(asks.hours.from() + asks.hours.minutes()));
    let ((a_from, a_until), (b_from, b_until)) = (minutes(a), minutes(b));
    // The second begins so many days after the first.
    (-2..=2).any(|later: i32| {
        let move_by = shift + later * day;
        a_from < b_until + move_by && b_from + move_by < a_until && can_follow(a.days, b.days, later)
    })
}

/// Whether the second can hold on a day so many days after one of the first.
fn can_follow(a: Days, b: Days, later: i32) -> bool {
    (0..7_u8).any(|weekday| {
        let other = u8::try_from((i32::from(weekday) + later).rem_euclid(7)).unwrap_or(0);
        [false, true].into_iter().any(|is_off| {
            // Any day can be off or worked; the same day is only one of them.
            let others: &[bool] = if later == 0 { &[is_off] } else { &[false, true] };
            holds(a, weekday, is_off) && others.iter().any(|is_off| holds(b, other, *is_off))
        })
    })
}

const fn holds(days: Days, weekday: u8, is_off: bool) -> bool {
    match days {
        Days::Every => true,
        Days::Working => !is_off,
        Days::Off => is_off,
        Days::Of(weekdays) => weekdays.has(weekday),
    }
}
