//! An ordinary day of somebody who wears a pager, as a pure model: the simulated time in, what the pager
//! notices out. [`crate::fleet`] puts many of them on MQTT.
//!
//! Nobody here ever calls for help. Whoever goes out stays on the streets that lead to where they go, as
//! far as a receiver lets one see that.

use town::dice::Dice;
use town::ground::{Point, along, length_m};
use town::people::{Habit, Haunt};
use wire::ydt::{Fix, Status};

use crate::device::Key;
use crate::pager::Input;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// How often a pager looks where it is: on the move, elsewhere, at home by day and by night.
const FIX_EVERY_MOVING: u64 = 30;
const FIX_EVERY_AWAY: u64 = 4 * MINUTE;
const FIX_EVERY_HOME: u64 = 10 * MINUTE;
const FIX_EVERY_ASLEEP: u64 = 30 * MINUTE;
/// How often it tells how it is.
const STATUS_EVERY: u64 = 30 * MINUTE;
/// How long a full battery lasts.
const BATTERY_LASTS_H: f64 = 30.0;
/// How long an empty one is charged.
const CHARGES_IN_H: f64 = 2.5;
/// Around a place where somebody stays.
const STROLL_M: f64 = 15.0;
const CATEGORIES: [&str; 5] = ["meal", "repair", "nurse", "cleaning", "escort"];

/// Seconds of simulated time since the midnight before it began.
pub type SimTime = u64;

/// One way out and back.
#[derive(Debug, Clone, PartialEq)]
struct Trip {
    leaves_at: SimTime,
    haunt: usize,
    stays_for: u64,
    pace_m_s: f64,
}

/// Where somebody is at a moment, and what they do there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Whereabouts {
    Home,
    Walking { place: Point, course_deg: f64, pace_m_s: f64 },
    There { place: Point, indoors: bool },
}

/// Somebody's life, a day after the other.
#[derive(Debug, Clone)]
pub struct Life {
    dice: Dice,
    home: Point,
    habit: Habit,
    haunts: Vec<Haunt>,
    /// Those of today that are not over.
    trips: Vec<Trip>,
    /// What is pressed today.
    presses: Vec<(SimTime, Key)>,
    planned: Option<u64>,
    next_fix: SimTime,
    next_status: SimTime,
    now: SimTime,
    battery: f64,
    charging: bool,
}

impl Life {
    /// One of many who share a seed, at a time of the first day.
    pub fn new(seed: u64, name: &str, home: Point, habit: Habit, haunts: Vec<Haunt>, start: SimTime) -> Self {
        let mut dice = Dice::named(seed, name);
        let haunts = haunts.into_iter().filter(|haunt| haunt.way.len() > 1).collect();
        let battery = dice.within(0.45, 1.0);
        // Not all of them look at the same moment.
        let next_fix = start + u64::from(dice.between(0, 240));
        let next_status = start + u64::from(dice.between(0, 1800));
        let mut life = Self {
            dice,
            home,
            habit,
            haunts,
            trips: Vec::new(),
            presses: Vec::new(),
            planned: None,
            next_fix,
            next_status,
            now: start,
            battery,
            charging: false,
        };
        life.plan(start / DAY);
        life.presses.retain(|(at, _)| *at >= start);
        life
    }

    /// When something happens next.
    pub fn next_at(&self) -> SimTime {
        let pressed_at = self.presses.first().map_or(SimTime::MAX, |(at, _)| *at);
        self.next_fix.min(self.next_status).min(pressed_at).min((self.now / DAY + 1) * DAY)
    }

    /// Lives on until `now`, and tells what the pager notices then.
    pub fn live(&mut self, now: SimTime) -> Vec<Input> {
        let mut inputs = Vec::new();
        self.drain(now);
        self.now = now;
        self.plan(now / DAY);
        while let Some((at, _)) = self.presses.first()
            && *at <= now
        {
            inputs.push(Input::Pressed(self.presses.remove(0).1));
        }
        if self.next_fix <= now {
            let whereabouts = self.whereabouts(now);
            inputs.push(Input::Located(self.look(whereabouts)));
            self.next_fix = now + self.looks_again_in(whereabouts);
        }
        if self.next_status <= now {
            inputs.push(Input::Felt(self.status()));
            self.next_status = now + STATUS_EVERY;
        }
        inputs
    }

    /// Where the pager sees itself when it looks at a time out of turn.
    pub fn look_around(&mut self, now: SimTime) -> Fix {
        self.now = now;
        self.plan(now / DAY);
        let whereabouts = self.whereabouts(now);
        self.look(whereabouts)
    }

    /// Somebody calls for help after all.
    pub fn calls_for_help(&self) -> Input {
        Input::Pressed(Key::sos())
    }

    fn plan(&mut self, day: u64) {
        if self.planned == Some(day) {
            return;
        }
        self.planned = Some(day);
        let midnight = day * DAY;
        self.trips = self.trips_of_a_day(midnight);
        self.presses.clear();
        if self.dice.chance(12) {
            let at = midnight + 7 * HOUR + u64::from(self.dice.between(0, 3 * 3600));
            self.presses.push((at, Key::CheckIn));
        }
        if self.habit != Habit::Pupil && self.dice.chance(2) {
            let at = midnight + 9 * HOUR + u64::from(self.dice.between(0, 8 * 3600));
            self.presses.push((at, Key::Request { category: self.dice.pick(&CATEGORIES).into() }));
        }
        self.presses.sort_by_key(|(at, _)| *at);
    }

    fn trips_of_a_day(&mut self, midnight: SimTime) -> Vec<Trip> {
        let mut trips = Vec::new();
        if self.haunts.is_empty() {
            return trips;
        }
        let minutes = |dice: &mut Dice, least: u32, most: u32| u64::from(dice.between(least * 60, most * 60));
        let pace_m_s = match self.habit {
            Habit::Pupil => self.dice.within(1.1, 1.5),
            _ => self.dice.within(0.6, 1.1),
        };
        let dice = &mut self.dice;
        let mut go = |dice: &mut Dice, leaves_at: SimTime, stays_for: u64| {
            let haunt = dice.index(self.haunts.len());
            trips.push(Trip { leaves_at, haunt, stays_for, pace_m_s });
        };
        match self.habit {
            Habit::AtHome => {}
            Habit::Out => {
                // In the morning to the market or the park; at home for lunch and a nap; out again for some.
                if dice.chance(85) {
                    let leaves_at = midnight + 6 * HOUR + minutes(dice, 0, 210);
                    let stays_for = minutes(dice, 20, 80);
                    go(dice, leaves_at, stays_for);
                }
                if dice.chance(55) {
                    let leaves_at = midnight + 14 * HOUR + minutes(dice, 0, 90);
                    let stays_for = minutes(dice, 30, 100);
                    go(dice, leaves_at, stays_for);
                }
                if dice.chance(25) {
                    let leaves_at = midnight + 18 * HOUR + minutes(dice, 30, 70);
                    let stays_for = minutes(dice, 10, 40);
                    go(dice, leaves_at, stays_for);
                }
            }
            Habit::Pupil => {
                let leaves_at = midnight + 7 * HOUR + minutes(dice, 20, 50);
                let stays_for = 8 * HOUR + minutes(dice, 0, 40);
                go(dice, leaves_at, stays_for);
            }
            Habit::Accompanied => {
                let leaves_at = midnight + 8 * HOUR + minutes(dice, 30, 80);
                let stays_for = 5 * HOUR + minutes(dice, 0, 90);
                go(dice, leaves_at, stays_for);
            }
        }
        trips
    }

    fn whereabouts(&self, now: SimTime) -> Whereabouts {
        for trip in &self.trips {
            let Some(since) = now.checked_sub(trip.leaves_at) else { continue };
            let haunt = &self.haunts[trip.haunt];
            let whole_m = length_m(&haunt.way);
            #[expect(clippy::cast_precision_loss, reason = "seconds of days")]
            let (since_s, stays_s) = (since as f64, trip.stays_for as f64);
            let under_way_s = whole_m / trip.pace_m_s;
            let walking = |way: &[Point], along_m: f64| {
                let (place, ahead) = along(way, along_m).unwrap_or((self.home, self.home));
                Whereabouts::Walking { place, course_deg: place.course_deg(ahead), pace_m_s: trip.pace_m_s }
            };
            if since_s < under_way_s {
                return walking(&haunt.way, since_s * trip.pace_m_s);
            }
            if since_s < under_way_s + stays_s {
                let place = haunt.way.last().copied().unwrap_or(self.home);
                return Whereabouts::There { place, indoors: matches!(haunt.kind.as_str(), "school" | "centre") };
            }
            let back_s = since_s - under_way_s - stays_s;
            if back_s < under_way_s {
                let way: Vec<Point> = haunt.way.iter().rev().copied().collect();
                return walking(&way, back_s * trip.pace_m_s);
            }
        }
        Whereabouts::Home
    }

    fn looks_again_in(&mut self, whereabouts: Whereabouts) -> u64 {
        let hour = self.now % DAY / HOUR;
        let every = match whereabouts {
            Whereabouts::Walking { .. } => return FIX_EVERY_MOVING,
            Whereabouts::There { .. } => FIX_EVERY_AWAY,
            Whereabouts::Home if !(6..22).contains(&hour) => FIX_EVERY_ASLEEP,
            Whereabouts::Home => FIX_EVERY_HOME,
        };
        // A pager notices that it is carried off: it does not sleep through the way to the market.
        let leaves_at = self.trips.iter().map(|trip| trip.leaves_at).find(|at| *at > self.now);
        let moves_in = leaves_at.map_or(u64::MAX, |at| at - self.now + FIX_EVERY_MOVING / 2);
        (every + u64::from(self.dice.between(0, 20))).min(moves_in)
    }

    /// What the receiver makes of where somebody is.
    fn look(&mut self, whereabouts: Whereabouts) -> Fix {
        let indoors = |dice: &mut Dice| match dice.between(1, 100) {
            1..=60 => ("wifi", dice.within(25.0, 60.0)),
            61..=82 => ("cell", dice.within(250.0, 700.0)),
            _ => ("gnss", dice.within(18.0, 45.0)),
        };
        let outdoors = |dice: &mut Dice| ("gnss", dice.within(4.0, 18.0));
        let dice = &mut self.dice;
        let (place, (source, accuracy_m), motion) = match whereabouts {
            Whereabouts::Home => (self.home, indoors(dice), None),
            Whereabouts::There { place, indoors: true } => (place, indoors(dice), None),
            Whereabouts::There { place, indoors: false } => {
                let strolled = place.moved(dice.around() * STROLL_M, dice.around() * STROLL_M);
                (strolled, outdoors(dice), None)
            }
            Whereabouts::Walking { place, course_deg, pace_m_s } => {
                (place, outdoors(dice), Some((pace_m_s * 3.6, course_deg)))
            }
        };
        // Most of what a receiver says lies within the accuracy that it believes in. Between high houses it
        // is sometimes sure of what is not so, for one fix.
        let error_m = if dice.chance(1) { 6.0 * accuracy_m.min(15.0) } else { accuracy_m / 2.0 };
        let (east, north) = (dice.around(), dice.around());
        let Point { lat, lon } = place.moved(east * error_m, north * error_m).rounded();
        let round = |value: f64| (value * 10.0).round() / 10.0;
        Fix {
            lat,
            lon,
            acc_m: Some(round(accuracy_m)),
            at: None,
            source: Some(source.into()),
            speed_kmh: motion.map(|(speed_kmh, _)| round(speed_kmh)),
            course_deg: motion.map(|(_, course_deg)| course_deg.round()),
            alt_m: None,
        }
    }

    fn drain(&mut self, now: SimTime) {
        #[expect(clippy::cast_precision_loss, reason = "seconds of days")]
        let hours = now.saturating_sub(self.now) as f64 / HOUR as f64;
        self.battery += if self.charging { hours / CHARGES_IN_H } else { -hours / BATTERY_LASTS_H };
        self.battery = self.battery.clamp(0.02, 1.0);
        let at_home = self.whereabouts(now) == Whereabouts::Home;
        let hour = now % DAY / HOUR;
        // Put on its cradle for the night, or when it begins to complain.
        let wanted = !(5..21).contains(&hour) || self.battery < 0.2 || (self.charging && self.battery < 0.9);
        self.charging = at_home && wanted && self.battery < 1.0;
    }

    fn status(&self) -> Status {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 2 and 100")]
        let battery_pct = (self.battery * 100.0).round() as u8;
        Status { battery_pct: Some(battery_pct), charging: Some(self.charging), worn: Some(!self.charging) }
    }
}

#[cfg(test)]
mod tests {
    use town::Town;

    use super::*;

    /// Everything that a day brings, with its time.
    fn lived(life: &mut Life, until: SimTime) -> Vec<(SimTime, Input)> {
        let mut lived = Vec::new();
        while life.next_at() < until {
            let now = life.next_at();
            lived.extend(life.live(now).into_iter().map(|input| (now, input)));
        }
        lived
    }

    fn lives(town: &Town, seed: u64) -> Vec<Life> {
        let start = 5 * HOUR;
        town.residents
            .iter()
            .map(|who| Life::new(seed, &who.name, who.home, who.habit, who.haunts.clone(), start))
            .collect()
    }

    #[test]
    fn a_seed_means_the_same_days() {
        let town = Town::new(town::SEED);
        let [one, same, other] = [1, 1, 2].map(|seed| lived(&mut lives(&town, seed)[1], 2 * DAY));
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert!(one.len() > 100, "{}", one.len());
    }

    #[test]
    fn people_go_out_come_back_and_sleep_at_home_and_nobody_calls_for_help() {
        let town = Town::new(town::SEED);
        let (mut out, mut fixes, mut presses) = (0, 0, 0);
        for (life, who) in lives(&town, 7).iter_mut().zip(&town.residents) {
            let mut went_out = false;
            for (at, input) in lived(life, DAY + 4 * HOUR) {
                match input {
                    Input::Located(fix) => {
                        fixes += 1;
                        let away_m = Point { lat: fix.lat, lon: fix.lon }.distance_m(who.home);
                        let blurred_m = 4.5 * fix.acc_m.unwrap().max(15.0) + 60.0;
                        went_out |= fix.speed_kmh.is_some();
                        if at % DAY < 4 * HOUR {
                            assert!(away_m < blurred_m, "{} sleeps {away_m} m from home", who.name);
                        }
                    }
                    Input::Felt(status) => assert!((2..=100).contains(&status.battery_pct.unwrap())),
                    Input::Pressed(key) => {
                        assert!(matches!(key, Key::CheckIn | Key::Request { .. }), "{key:?}");
                        presses += 1;
                    }
                    Input::SwitchedOff => panic!("{} switches their pager off", who.name),
                }
            }
            out += usize::from(went_out);
            assert!(!went_out || who.habit != Habit::AtHome);
        }
        assert!(out > 120, "{out} went out");
        assert!((10..80).contains(&presses), "{presses} keys in a day");
        let each = fixes / town.residents.len();
        assert!((80..250).contains(&each), "{each} fixes each in a day");
    }

    #[test]
    fn nobody_is_seen_outside_their_fences_twice_running() {
        use town::map::holds;
        use town::people::Shape;
        let town = Town::new(town::SEED);
        for (life, who) in lives(&town, 7).iter_mut().zip(&town.residents) {
            for fence in &who.fences {
                let mut outside = 0;
                for (at, input) in lived(&mut life.clone(), 2 * DAY) {
                    let Input::Located(fix) = input else { continue };
                    let place = Point { lat: fix.lat, lon: fix.lon };
                    // Surely outside: also with the accuracy that the pager itself tells.
                    let is_outside = match &fence.shape {
                        Shape::Circle { middle, radius_m } => {
                            place.distance_m(*middle) - fix.acc_m.unwrap() > *radius_m
                        }
                        Shape::Polygon { ring } => !holds(ring, place) && fix.acc_m.unwrap() < 100.0,
                    };
                    outside = if is_outside { outside + 1 } else { 0 };
                    assert!(outside < 2, "{} at {at}", who.name);
                }
            }
        }
    }
}
