//! Where to look for somebody first.

use jiff::Timestamp;

use super::{Around, Habits};
use crate::place::{Metres, Position};
use crate::rules::Calendar;

/// So many places are told.
pub const LIKELY_MAX: usize = 5;
/// A place so far away is half as likely as one that is near: most of those who are found are found near by.
const HALF_AS_LIKELY: Metres = Metres(1_000.0);
/// What a visit at any hour counts beside one at this hour.
const ANY_HOUR: f64 = 0.25;

/// A place where somebody may be, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likely {
    /// Which of their places.
    pub place: usize,
    /// How far from where the search begins; none where nobody knows.
    pub distance: Option<Metres>,
    /// What is known of the hour, where enough is, and on how many of its days they were there.
    pub around: Option<(Around, u16)>,
    /// How likely it is beside the others, 0 to 1.
    pub weight: f64,
}

/// The places of somebody, the likeliest first: where they usually are at that hour, where they often are, what is near to
/// where they were last seen.
pub fn likely_places(habits: &Habits, calendar: &Calendar, at: Timestamp, from: Option<Position>) -> Vec<Likely> {
    let around = habits.around(at, calendar);
    let mut likely: Vec<Likely> = habits
        .places
        .iter()
        .enumerate()
        .map(|(number, place)| {
            let distance = from.map(|from| place.middle.distance(from));
            let around = around.map(|around| (around, habits.at(number, &around)));
            let at_hour = around.map_or(0.0, |(around, there)| share(there, around.known));
            let near = distance.map_or(1.0, |distance| 1.0 / (1.0 + distance.0 / HALF_AS_LIKELY.0));
            let weight = (at_hour + ANY_HOUR * share(place.days, habits.days)) * near;
            Likely { place: number, distance, around, weight }
        })
        .collect();
    let all: f64 = likely.iter().map(|likely| likely.weight).sum();
    for likely in &mut likely {
        likely.weight = if all > 0.0 { likely.weight / all } else { 0.0 };
    }
    likely.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    likely.truncate(LIKELY_MAX);
    likely
}

/// What share of the days; a few days are not the whole truth.
fn share(there: u16, of: u16) -> f64 {
    (f64::from(there) + 0.5) / (f64::from(of) + 1.0)
}
