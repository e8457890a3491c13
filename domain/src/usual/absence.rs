//! Whether somebody is out when they never are.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{Around, Habits, OfDays, Place};
use crate::place::{Metres, Position, Source};
use crate::rules::Calendar;

/// Nobody is missed sooner: whoever brings the rubbish down is back by then.
const OUT_MIN: SignedDuration = SignedDuration::from_mins(20);
/// What was seen longer ago says nothing of now. Who says nothing is presence's.
const FRESH: SignedDuration = SignedDuration::from_mins(30);
/// So much farther than their home reaches, beyond what the receiver may err by.
const MARGIN: Metres = Metres(150.0);
/// So near to it they are home.
const NEAR: Metres = Metres(50.0);
/// A receiver that does not say how much it may err.
const UNSAID: Metres = Metres(100.0);
/// What is less sure says nothing.
const SURE: Metres = Metres(300.0);
/// Who was seen at a place at that hour on so many days is no stranger there.
const KNOWN_THERE_MIN: u16 = 2;
/// How soon it is looked again in hours in which they are expected.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// When the next hour in which they are expected is farther than this, it is looked for then.
const AHEAD_HOURS: i64 = 48;

/// A position as it was told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub place: Position,
    /// How much it may be off.
    pub accuracy: Option<Metres>,
    /// How it was come by.
    pub source: Source,
}

impl Seen {
    /// How much it may be off; none: too much to say anything. A cell does not tell a home from a market.
    fn doubt(&self) -> Option<Metres> {
        let is_told = !matches!(self.source, Source::Cell | Source::Home);
        let doubt = self.accuracy.unwrap_or(UNSAID);
        (is_told && doubt.0.is_finite() && (0.0..=SURE.0).contains(&doubt.0)).then_some(doubt)
    }
}

/// Somebody is not where they live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absence {
    /// Since when they were seen elsewhere.
    pub since: Timestamp,
    /// When they were last.
    pub newest: Timestamp,
    /// Where that was.
    pub place: Position,
    /// How far from the middle of where they live.
    pub distance: Metres,
    /// By how many positions it is known.
    pub fixes: usize,
}

/// Where somebody is, as far as this is about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Where {
    /// At home.
    Home,
    /// Elsewhere.
    Away(Absence),
    /// Nobody knows: nothing new was heard, or nothing that says it.
    Unknown,
}

/// Where somebody is by what their terminal told lately, in order of time: away when two positions some time apart say so
/// and none since says that they are home.
pub fn whereabouts(home: &Place, seen: &[Seen], now: Timestamp) -> Where {
    let mut away: Option<Absence> = None;
    for seen in seen.iter().rev().filter(|seen| seen.at <= now) {
        let Some(doubt) = seen.doubt() else { continue };
        let beyond = home.beyond(seen.place);
        if beyond.0 <= NEAR.0 {
            if away.is_none() && now.duration_since(seen.at) <= FRESH {
                return Where::Home;
            }
            break;
        }
        if beyond.0 <= MARGIN.0 + doubt.0 {
            continue;
        }
        let known = away.get_or_insert_with(|| Absence {
            since: seen.at,
            newest: seen.at,
            place: seen.place,
            distance: home.middle.distance(seen.place),
            fixes: 0,
        });
        known.since = seen.at;
        known.fixes += 1;
    }
    match away {
        Some(away)
            if now.duration_since(away.newest) <= FRESH
                && away.fixes >= 2
                && away.newest.duration_since(away.since) >= OUT_MIN =>
        {
            Where::Away(away)
        }
        _ => Where::Unknown,
    }
}

/// Somebody is out when they never are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unusual {
    /// What is known of the hour.
    pub around: Around,
    /// That they are out.
    pub absence: Absence,
}

/// Whether an absence is unusual. `raised_at`: when one was last said to be; whoever has not been home since is not missed
/// again.
pub fn unusual(
    habits: &Habits,
    calendar: &Calendar,
    absence: &Absence,
    raised_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Unusual> {
    if raised_at.is_some_and(|raised_at| raised_at >= absence.since) {
        return None;
    }
    let around = habits.around(now, calendar).filter(Around::is_at_home)?;
    let is_known_there =
        habits.place_at(absence.place).is_some_and(|place| habits.at(place, &around) >= KNOWN_THERE_MIN);
    (!is_known_there).then_some(Unusual { around, absence: *absence })
}

impl Unusual {
    /// The reason in one sentence, with its numbers; times are those of where they live.
    pub fn why(&self, calendar: &Calendar) -> String {
        let Self { around, absence } = self;
        let days = match around.of {
            OfDays::Working => "working days",
            OfDays::Off => "days off",
            OfDays::Both => "days",
        };
        let since = calendar.resident.to_datetime(absence.since);
        let (hour, home, known) = (around.hour, around.home(), around.known);
        let (distance, minutes) = (Distance(absence.distance), since.minute());
        format!(
            "around {hour:02}:00 they were at home on {home} of {known} {days}; now {distance} away since {:02}:{minutes:02}",
            since.hour()
        )
    }
}

/// A distance as people say it.
struct Distance(Metres);

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metres = self.0.0;
        if metres < 1_000.0 {
            write!(f, "{:.0} m", (metres / 10.0).round() * 10.0)
        } else {
            write!(f, "{:.1} km", metres / 1_000.0)
        }
    }
}

/// When to look at somebody again: soon in hours in which they are expected at home, else when the next of these begins.
/// None: there is none, and it is learnt anew before.
pub fn look_again(habits: &Habits, calendar: &Calendar, now: Timestamp) -> Option<Timestamp> {
    habits.home()?;
    let is_expected = |at: Timestamp| habits.around(at, calendar).is_some_and(|around| around.is_at_home());
    if is_expected(now) {
        return Some(now + AGAIN_AFTER);
    }
    let into_hour = calendar.resident.to_datetime(now);
    let seconds = i64::from(into_hour.minute()) * 60 + i64::from(into_hour.second());
    let begin = now - SignedDuration::from_secs(seconds);
    (1..=AHEAD_HOURS).map(|hours| begin + SignedDuration::from_hours(hours)).find(|at| is_expected(*at))
}
