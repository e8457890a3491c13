//! Where somebody should be *when*: at home by 22:00, at school in the morning, away for no longer than two hours.
//!
//! Whether they are there is not judged here: a [`Belief`] of each fence comes in, with the rules, the calendar and the
//! time, and out comes what is due now and when to look again ([`look`]). Nobody is polled: while somebody is where they
//! should be the next look is at the next day's hours, and whoever learns that they crossed an edge looks at once.
//!
//! Hours are a clock's on the wall: that of the place of the fence, or that of where the resident lives. A night goes over
//! midnight and belongs to the day on which it begins. An hour that a clock leaps over is none; one that comes twice counts
//! twice ([`Calendar`]).

mod calendar;
mod conflict;
mod look;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use self::calendar::{Calendar, Span};
pub use self::conflict::{Contradiction, Relation, contradiction};
pub use self::look::{Breach, Look, Over, Why, look};
use crate::id::{FenceId, RuleId};
use crate::word::words;

words! {
    /// What is expected in the hours of a rule.
    pub enum Expect ("expectation") {
        /// To be inside: home by ten, at school in the morning.
        Inside = "inside",
        /// To be outside: not at the station at night.
        Outside = "outside",
        /// Not to leave. Who was out before stays unasked: somebody on a night shift.
        NotLeave = "not_leave",
        /// Not to be away for longer than is allowed, whenever they went; asked after in these hours.
        NotAway = "not_away",
    }
}

/// On which days a rule holds. A night belongs to the day on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// On each.
    Every,
    /// On those that are worked: Monday to Friday, but for holidays, and the weekends that are worked for them.
    Working,
    /// On the others.
    Off,
    /// On these days of the week, holidays or not.
    Of(Weekdays),
}

/// Some days of the week, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weekdays(u8);

impl Weekdays {
    /// By a bit for each day, the lowest Monday's; none when there is no day, or an eighth.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits == 0 || bits > 0b111_1111 { None } else { Some(Self(bits)) }
    }

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether a day is one of them, from 0, Monday.
    pub const fn has(self, day: u8) -> bool {
        self.0 >> day & 1 == 1
    }
}

/// The minutes of a day.
pub const DAY_MIN: u16 = 24 * 60;

/// Hours of a day, in minutes: from the first, up to the second, which is no part of it. Over midnight when the second is
/// not after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    until: u16,
}

impl Hours {
    /// The whole day.
    pub const ALL: Self = Self { from: 0, until: DAY_MIN };

    /// From a minute of the day, 0 to 1439, up to another, 1 to 1440.
    pub const fn new(from: u16, until: u16) -> Result<Self, BadRule> {
        if from >= DAY_MIN || until == 0 || until > DAY_MIN || from == until {
            return Err(BadRule::Hours);
        }
        Ok(Self { from, until })
    }

    /// The minute from which on.
    pub const fn from(self) -> u16 {
        self.from
    }

    /// The minute up to which.
    pub const fn until(self) -> u16 {
        self.until
    }

    /// How many minutes they are, by the clock on the wall.
    pub const fn minutes(self) -> u16 {
        if self.until > self.from { self.until - self.from } else { DAY_MIN - self.from + self.until }
    }

    /// Whether they go over midnight.
    pub const fn is_night(self) -> bool {
        self.until < self.from
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(f, "{:02}:{:02}–{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

/// One thing that is expected of a wearer and a fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub id: RuleId,
    /// Of which fence.
    pub fence: FenceId,
    /// The clock of the fence's place, when the hours are meant by that; none: that of where the resident lives.
    pub zone: Option<TimeZone>,
    asks: Asks,
}

/// What a rule asks, whatever its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asks {
    /// What is expected.
    pub expect: Expect,
    /// On which days.
    pub days: Days,
    /// In which hours.
    pub hours: Hours,
    /// For [`Expect::NotAway`]: how long they may be away. Else zero.
    pub allowed: SignedDuration,
    /// For how long it may be otherwise before anybody is told.
    pub grace: SignedDuration,
}

/// Nobody is away for less.
const ALLOWED_MIN: SignedDuration = SignedDuration::from_mins(10);
/// Whoever may be away for longer needs no rule.
const ALLOWED_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);
/// More patience than this is another rule.
const GRACE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Why something is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// Minutes that are none of a day.
    #[error("the hours go from a minute of the day (0 to 1439) to another (1 to 1440) that is not the same")]
    Hours,
    /// More patience than hours.
    #[error(
        "it waits for {} before anybody is told, and holds for {} a day only: it would never say anything",
        spoken(*.grace), spoken(*.hours)
    )]
    NeverDue {
        /// The patience.
        grace: SignedDuration,
        /// How long its hours are.
        hours: SignedDuration,
    },
    /// Negative, or longer than a day.
    #[error("it waits for {}; that must lie between nothing and 24 hours", spoken(*.0))]
    Grace(SignedDuration),
    /// Too short or too long an absence.
    #[error("an absence of {} is allowed; that must lie between 10 minutes and 30 days", spoken(*.0))]
    Allowed(SignedDuration),
    /// How long somebody may be away, said where nobody asks how long.
    #[error("how long they may be away is said for the expectation not_away only")]
    AllowedForNothing,
}

impl Rule {
    /// A rule that can come true.
    pub fn new(id: RuleId, fence: FenceId, zone: Option<TimeZone>, asks: Asks) -> Result<Self, BadRule> {
        if asks.grace.is_negative() || asks.grace > GRACE_MAX {
            return Err(BadRule::Grace(asks.grace));
        }
        let hours = SignedDuration::from_mins(i64::from(asks.hours.minutes()));
        let is_endless = asks.hours == Hours::ALL && asks.days == Days::Every;
        if asks.expect == Expect::NotAway {
            if asks.allowed < ALLOWED_MIN || asks.allowed > ALLOWED_MAX {
                return Err(BadRule::Allowed(asks.allowed));
            }
        } else if !asks.allowed.is_zero() {
            return Err(BadRule::AllowedForNothing);
        } else if asks.grace >= hours && !is_endless {
            return Err(BadRule::NeverDue { grace: asks.grace, hours });
        }
        Ok(Self { id, fence, zone, asks })
    }

    /// What it asks.
    pub const fn asks(&self) -> &Asks {
        &self.asks
    }
}

/// What is believed of a wearer and a fence, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// Nothing: their terminal has said nothing yet, or is silent. Silence is others' business.
    Unknown,
    /// They are inside.
    Inside {
        /// Since then, if that is known.
        since: Option<Timestamp>,
    },
    /// They are outside.
    Outside {
        /// Since then.
        since: Timestamp,
    },
}

/// A time in which nothing is expected: a stay in hospital, a holiday. It always ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Of one fence; none: of all.
    pub fence: Option<FenceId>,
    /// When.
    pub span: Span,
}

/// A duration as people say it.
fn spoken(duration: SignedDuration) -> String {
    let minutes = duration.as_mins();
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
