//! What is usual of a resident: where they stay and when, and what follows from it when they are elsewhere.
//!
//! Days that are over come in as [`Stay`]s, by the quarters of their hours where the resident lives, and out come
//! [`Habits`]: on how many days they were at home, at another place, or out around each hour, on days that are worked and
//! on days off apart. Two things are made of them. Who is out at an hour at which they never are is *suspected* to be
//! missing ([`unusual`]): never more than that, because people may do what they never did. And a search begins where they
//! most likely are ([`likely_places`]).
//!
//! Nothing is said before enough days are known ([`DAYS_MIN`]), and nothing of somebody who comes and goes as they like:
//! whoever is out at an hour on one day in ten is not looked for at that hour.

mod absence;
mod learn;
mod likely;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::civil::Date;

pub use self::absence::{Absence, Seen, Unusual, Where, look_again, unusual, whereabouts};
pub use self::learn::{Ground, Stay, learn};
pub use self::likely::{LIKELY_MAX, Likely, likely_places};
use crate::place::{Metres, Position};
use crate::rules::Calendar;
use crate::word::words;

/// Fewer days than these say nothing of an hour.
pub const DAYS_MIN: u16 = 14;
/// The quarters of the hours of a day.
pub const QUARTERS: u8 = 96;
/// The hours of a day.
const HOURS: usize = 24;
/// Who is out on one day in so many, or seldomer, is expected at home.
const EXPECTED_ONE_IN: u32 = 15;

words! {
    /// Which days are counted.
    pub enum OfDays ("kind of days") {
        /// Those that are worked.
        Working = "working",
        /// Days off.
        Off = "off",
        /// Both, because too few of the one kind are known.
        Both = "both",
    }
}

/// On how many days something was so, by the hour of the day.
pub type ByHour = [u16; HOURS];

/// The same of days that are worked and of days off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Of those that are worked.
    pub working: ByHour,
    /// Of days off.
    pub off: ByHour,
}

impl Counts {
    /// Of the days that are looked at.
    fn of(&self, days: OfDays, hour: usize) -> u16 {
        match days {
            OfDays::Working => self.working[hour],
            OfDays::Off => self.off[hour],
            OfDays::Both => self.working[hour] + self.off[hour],
        }
    }

    fn count(&mut self, is_off: bool, hour: usize) {
        let of_each = if is_off { &mut self.off } else { &mut self.working };
        of_each[hour] = of_each[hour].saturating_add(1);
    }
}

/// A place where somebody stays again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Its middle.
    pub middle: Position,
    /// How far from there it reaches.
    pub radius: Metres,
    /// The first day on which they were there.
    pub first_day: Date,
    /// The last.
    pub last_day: Date,
    /// On how many they were.
    pub days: u16,
    /// On how many around each hour.
    pub seen: Counts,
}

impl Place {
    /// How far outside of it a position is; 0 inside.
    pub fn beyond(&self, place: Position) -> Metres {
        Metres((self.middle.distance(place).0 - self.radius.0).max(0.0))
    }
}

/// What is usual of somebody.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Habits {
    /// Of how many days something is known.
    pub days: u16,
    /// Of how many around each hour.
    pub known: Counts,
    /// On how many of them they were not at home around it, or not all of the time.
    pub away: Counts,
    /// Where they stay, the most usual first.
    pub places: Vec<Place>,
    /// Which of these is their home: where they are at night.
    pub home: Option<usize>,
}

/// An hour where somebody lives, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// The hour: 2 is from 02:00 to 03:00.
    pub hour: u8,
    /// Of which days.
    pub of: OfDays,
    /// So many are known.
    pub known: u16,
    /// On so many of them they were out around it.
    pub away: u16,
}

impl Around {
    /// Whether they are expected at home: they were out so seldom that it is likely to be seldomer than on one day in
    /// fifteen. The two days more are what few days leave open.
    pub fn is_at_home(&self) -> bool {
        EXPECTED_ONE_IN * (u32::from(self.away) + 1) <= u32::from(self.known) + 2
    }

    /// On how many days they were at home.
    pub const fn home(&self) -> u16 {
        self.known.saturating_sub(self.away)
    }
}

impl Habits {
    /// Where they live.
    pub fn home(&self) -> Option<&Place> {
        self.places.get(self.home?)
    }

    /// What is known of the hour that it is then where they live; none before enough days are.
    pub fn around(&self, at: Timestamp, calendar: &Calendar) -> Option<Around> {
        let local = calendar.resident.to_datetime(at);
        let hour = usize::try_from(local.hour()).unwrap_or_default();
        let own = if calendar.is_off(local.date()) { OfDays::Off } else { OfDays::Working };
        let of = [own, OfDays::Both].into_iter().find(|of| self.known.of(*of, hour) >= DAYS_MIN)?;
        let hour_word = u8::try_from(hour).unwrap_or_default();
        Some(Around { hour: hour_word, of, known: self.known.of(of, hour), away: self.away.of(of, hour) })
    }

    /// On how many of these days they were at one of their places around that hour.
    pub fn at(&self, place: usize, around: &Around) -> u16 {
        self.places.get(place).map_or(0, |place| place.seen.of(around.of, usize::from(around.hour) % HOURS))
    }

    /// The nearest of their places that a position lies in.
    pub fn place_at(&self, position: Position) -> Option<usize> {
        let within = |place: &&(usize, &Place)| place.1.beyond(position).0 <= 0.0;
        let from_middle = |place: &(usize, &Place)| place.1.middle.distance(position).0;
        let inside = self.places.iter().enumerate();
        let nearest = inside.filter(|place| within(&place)).min_by(|a, b| from_middle(a).total_cmp(&from_middle(b)));
        nearest.map(|(number, _)| number)
    }
}
