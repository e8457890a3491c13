//! Stays become habits: days are counted, each once for an hour, however long they were there.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Counts, HOURS, Habits, Place, QUARTERS};
use crate::place::{Metres, Position};

/// What is seen of an hour counts for half an hour on either side too: nobody leaves to the minute.
const EITHER_SIDE: i16 = 2;
/// Of fewer quarters of an hour nothing is known of it.
const KNOWN_MIN: u32 = 2;
/// Between a moment elsewhere and the stays around it nothing was told for so many quarters at most.
const BLIP_GAP_MAX: i64 = 4;
/// A place is one where they were on so many days.
const PLACE_DAYS_MIN: u16 = 3;
/// The last quarter of the night: until six.
const NIGHT_UNTIL: u8 = 24;
/// A home is where they were in most of the nights that are known, and so many nights are.
const NIGHTS_MIN: usize = 7;

/// A place where stays lie close together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ground {
    /// Its middle.
    pub middle: Position,
    /// How far they lie apart.
    pub radius: Metres,
}

/// Some quarters of the hours of a day, spent at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// The day where they live.
    pub day: Date,
    /// Whether that is a day off.
    pub is_off: bool,
    /// The first quarter, from 0.
    pub begins: u8,
    /// The last, up to 95.
    pub ends: u8,
    /// Which of the grounds; none: somewhere else.
    pub ground: Option<usize>,
}

impl Stay {
    fn quarters(&self) -> impl Iterator<Item = u8> + use<> {
        self.begins..=self.ends.min(QUARTERS - 1)
    }

    fn is_moment(&self) -> bool {
        self.begins == self.ends
    }
}

/// A day by its hours.
struct Day {
    is_off: bool,
    /// How many quarters of each hour are known.
    known: [u32; HOURS],
    /// Whether they were not at home around it.
    away: [bool; HOURS],
}

impl Day {
    fn is_known(&self, hour: usize) -> bool {
        self.known[hour] >= KNOWN_MIN
    }
}

/// What is usual by these stays, of which no two of a day overlap.
pub fn learn(grounds: &[Ground], stays: &[Stay]) -> Habits {
    let mut stays = stays.to_vec();
    stays.retain(|stay| stay.begins <= stay.ends && stay.ends < QUARTERS);
    stays.sort_by_key(|stay| (stay.day, stay.begins));
    let stays = without_blips(&stays);
    let home = home(grounds.len(), &stays);
    let days = days(&stays, home);

    let mut habits = Habits { days: u16::try_from(days.len()).unwrap_or(u16::MAX), ..Habits::default() };
    for day in days.values() {
        for hour in (0..HOURS).filter(|hour| day.is_known(*hour)) {
            habits.known.count(day.is_off, hour);
            if day.away[hour] {
                habits.away.count(day.is_off, hour);
            }
        }
    }
    let mut places: Vec<(bool, Place)> = Vec::new();
    for (number, ground) in grounds.iter().enumerate() {
        let there: Vec<&Stay> = stays.iter().filter(|stay| stay.ground == Some(number)).collect();
        if let Some(place) = place(ground, &there, &days) {
            places.push((home == Some(number), place));
        }
    }
    places.sort_by(|(_, one), (_, other)| other.days.cmp(&one.days).then(other.last_day.cmp(&one.last_day)));
    habits.home = places.iter().position(|(is_home, _)| *is_home);
    habits.places = places.into_iter().map(|(_, place)| place).collect();
    habits
}

/// Without what is no stay: a moment elsewhere between two stays at one place is a receiver that erred, or a step outside.
///
/// Midnight parts no two stays. What follows the last moment that is known will be seen when it is learnt anew.
fn without_blips(stays: &[Stay]) -> Vec<Stay> {
    let touches = |one: &Stay, next: &Stay| {
        let days = next.day.duration_since(one.day).as_hours() / 24;
        days * i64::from(QUARTERS) + i64::from(next.begins) - i64::from(one.ends) <= BLIP_GAP_MAX
    };
    let is_blip = |at: usize| {
        let it = &stays[at];
        let Some(before) = at.checked_sub(1).map(|at| &stays[at]) else { return false };
        let returns = stays.get(at + 1).is_none_or(|after| touches(it, after) && before.ground == after.ground);
        it.is_moment() && before.ground.is_some() && touches(before, it) && returns
    };
    (0..stays.len()).filter(|at| !is_blip(*at)).map(|at| stays[at]).collect()
}

/// Where they were in most nights, by the ground on which they spent most of each.
fn home(grounds: usize, stays: &[Stay]) -> Option<usize> {
    let mut nights: BTreeMap<Date, BTreeMap<Option<usize>, u32>> = BTreeMap::new();
    for stay in stays {
        let quarters = stay.quarters().filter(|quarter| *quarter < NIGHT_UNTIL).count();
        if quarters > 0 {
            *nights.entry(stay.day).or_default().entry(stay.ground).or_default() +=
                u32::try_from(quarters).unwrap_or(0);
        }
    }
    let mut slept = vec![0_usize; grounds];
    for night in nights.values() {
        let most = night.iter().max_by_key(|(_, quarters)| **quarters).and_then(|(ground, _)| *ground);
        if let Some(nights) = most.and_then(|ground| slept.get_mut(ground)) {
            *nights += 1;
        }
    }
    let (ground, most) = slept.into_iter().enumerate().max_by_key(|(_, nights)| *nights)?;
    (most >= NIGHTS_MIN && 2 * most > nights.len()).then_some(ground)
}

fn days(stays: &[Stay], home: Option<usize>) -> BTreeMap<Date, Day> {
    let mut days: BTreeMap<Date, Day> = BTreeMap::new();
    for stay in stays {
        let new = || Day { is_off: stay.is_off, known: [0; HOURS], away: [false; HOURS] };
        let day = days.entry(stay.day).or_insert_with(new);
        for quarter in stay.quarters() {
            day.known[usize::from(quarter / 4)] += 1;
        }
    }
    for stay in stays.iter().filter(|stay| home.is_some() && stay.ground != home) {
        for (date, hour) in around(stay) {
            if let Some(day) = days.get_mut(&date) {
                day.away[hour] = true;
            }
        }
    }
    days
}

/// The hours that a stay counts for, also of the day before and after.
fn around(stay: &Stay) -> Vec<(Date, usize)> {
    let mut hours = Vec::new();
    for quarter in stay.quarters() {
        for shift in [-EITHER_SIDE, 0, EITHER_SIDE] {
            let quarter = i16::from(quarter) + shift;
            let date = match quarter {
                ..0 => stay.day.yesterday(),
                0..96 => Ok(stay.day),
                96.. => stay.day.tomorrow(),
            };
            let hour = usize::try_from(quarter.rem_euclid(i16::from(QUARTERS)) / 4).unwrap_or_default();
            hours.extend(date.ok().map(|date| (date, hour)));
        }
    }
    hours.sort_unstable();
    hours.dedup();
    hours
}

/// What is known of one ground; none where they were on a few days only.
fn place(ground: &Ground, there: &[&Stay], days: &BTreeMap<Date, Day>) -> Option<Place> {
    let mut dates: Vec<Date> = there.iter().map(|stay| stay.day).collect();
    dates.dedup();
    let (first, last) = (dates.first()?, dates.last()?);
    let count = u16::try_from(dates.len()).unwrap_or(u16::MAX);
    if count < PLACE_DAYS_MIN {
        return None;
    }
    let mut hours: Vec<(Date, usize)> = there.iter().flat_map(|stay| around(stay)).collect();
    hours.sort_unstable();
    hours.dedup();
    let mut seen = Counts::default();
    for (date, hour) in hours {
        if let Some(day) = days.get(&date).filter(|day| day.is_known(hour)) {
            seen.count(day.is_off, hour);
        }
    }
    Some(Place { middle: ground.middle, radius: ground.radius, first_day: *first, last_day: *last, days: count, seen })
}
