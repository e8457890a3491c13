//! Who lives in a city, who works there, and what a day brings: calls for help as a day's hours have them, a storm, shifts
//! and breaks, a bad hour at 120, telephones without a network, a process that vanishes and a clock that jumps.

use domain::dispatch::Mode;
use domain::id::{ResponderId, UserId};
use domain::incident::{Authority, Class, Contact, HandoverPolicy, Ladder, Origin, Policy, Rank, Reach};
use domain::press::AlertKind;
use domain::word::Word as _;
use jiff::SignedDuration;

use crate::agenda::Happening;
use crate::city::{City, FIRST_AID, Helper, MEALS, REPAIRS, Spot};
use crate::dice::Dice;
use crate::district::ladder;
use crate::people::{Manner, Temper};
use crate::trace::Trace;
use crate::world::{BEGAN_AT, Cast, Responder, Rules, Scene, Staff, Wearer, World, millis};

/// Calls come for a day; then operators have an hour for what is left.
const CITY: Scene = Scene {
    calm_after: SignedDuration::from_hours(25),
    ends_after: SignedDuration::from_hours(25),
    watch_ms: (50_000, 70_000),
    look_ms: (30_000, 240_000),
    whims: 15,
    hasty: 4,
    repeated: 4,
    lost: 3,
};
const DAY_MS: i64 = 24 * HOUR_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const MINUTE_MS: i64 = 60_000;
/// How the calls of a day are spread over its hours: few at night, most in the morning and the evening.
const SHARE_OF_HOUR: [u64; 24] = [1, 1, 1, 1, 1, 2, 4, 6, 7, 6, 6, 5, 5, 4, 4, 5, 5, 6, 6, 5, 4, 3, 2, 1];
/// In a storm so many times as many come from one quarter as else would, for half an hour.
const STORM: u64 = 10;
const STORM_MS: i64 = 30 * MINUTE_MS;
/// Two by two quarters…
const QUARTERS: usize = 4;
/// …each so wide and high.
const QUARTER_M: usize = 4_000;
const RESIDENTS_MIN: u64 = 3_000;
const RESPONDERS: usize = 120;
const CALLS_MIN: u64 = 120;
/// How many places stand for where calls come from.
const PLACES: usize = 16;

impl World {
    /// The city that a seed stands for.
    pub(crate) fn city(seed: u64, trace: Trace) -> Self {
        let mut dice = Dice::new(!seed);
        let residents = usize::try_from(RESIDENTS_MIN + dice.below(600)).unwrap_or_default();
        let rules = (0..QUARTERS).map(|_| rules(&mut dice)).collect();
        let wearers: Vec<Wearer> = (0..residents).map(|resident| wearer(&mut dice, resident % QUARTERS)).collect();
        let homes: Vec<Spot> = (0..residents).map(|resident| spot(&mut dice, resident % QUARTERS)).collect();
        let responders = (0..RESPONDERS).map(|index| responder(&mut dice, index)).collect();
        let staff = (0..STAFF.len()).map(|index| staff(&mut dice, index)).collect();
        let helpers = (0..RESPONDERS).map(|index| helper(&mut dice, index)).collect();
        let calls = CALLS_MIN + dice.below(60);
        let places = (0..PLACES).map(|_| homes[dice.index(residents)].position()).collect();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let city = City::new(homes, helpers, places, calls as f64 / 24.0);
        let attention = dice.pick(&[60, 80, 95]);
        let cast = Cast { responders, wearers, rules, staff, manners: [Manner::Prompt; 3], attention };
        let mut world = Self::new(dice, trace, CITY, cast);
        world.tally.insert("resident", residents as u64);
        world.city = Some(Box::new(city));
        world.plan_the_calls(calls);
        world.plan_the_shifts();
        world.plan_the_trouble();
        world
    }

    fn some_ms(&mut self, least_ms: i64, most_ms: i64) -> i64 {
        millis(self.dice.span(least_ms, most_ms))
    }

    fn enter_after(&mut self, after_ms: i64, what: Happening) {
        self.agenda.enter(BEGAN_AT + SignedDuration::from_millis(after_ms), what);
    }

    fn plan_the_calls(&mut self, calls: u64) {
        let shares: u64 = SHARE_OF_HOUR.iter().sum();
        for _ in 0..calls {
            let mut ticket = self.dice.below(shares);
            let mut hour = 0;
            while ticket >= SHARE_OF_HOUR[hour] {
                ticket -= SHARE_OF_HOUR[hour];
                hour += 1;
            }
            let after_ms = i64::try_from(hour).unwrap_or(0) * HOUR_MS + self.some_ms(0, HOUR_MS - 1);
            let wearer = self.dice.index(self.wearers.len());
            self.plan_call(wearer, after_ms);
        }
        for _ in 0..=self.dice.below(2) {
            let quarter = self.dice.index(QUARTERS);
            let begins_ms = self.some_ms(0, DAY_MS - STORM_MS);
            let hour = usize::try_from(begins_ms / HOUR_MS).unwrap_or(0);
            // What else would come from there in half an hour, rounded up.
            let usual = (calls * SHARE_OF_HOUR[hour]).div_ceil(shares * QUARTERS as u64 * 2);
            self.tally.entry("surge").and_modify(|surges| *surges += 1).or_insert(1);
            for _ in 0..usual * STORM {
                let resident = self.dice.index(self.wearers.len() / QUARTERS) * QUARTERS + quarter;
                let after_ms = begins_ms + self.some_ms(0, STORM_MS);
                self.plan_call(resident, after_ms);
            }
        }
    }

    /// Somebody calls, and some of them again, or that it was nothing.
    fn plan_call(&mut self, wearer: usize, after_ms: i64) {
        let class = match self.dice.below(100) {
            0..=39 => Class::Emergency,
            40..=86 => Class::Service,
            87..=91 => Class::Wandering,
            _ => Class::Welfare,
        };
        let kind = match class {
            Class::Emergency => Some(self.dice.pick(&[
                AlertKind::Sos,
                AlertKind::Sos,
                AlertKind::Sos,
                AlertKind::Fall,
                AlertKind::Fall,
                AlertKind::Smoke,
                AlertKind::Gas,
                AlertKind::HeartRate,
                AlertKind::Telephone,
                AlertKind::Unreadable,
            ])),
            Class::Service => None,
            Class::Wandering => Some(AlertKind::FenceExit),
            Class::Welfare => Some(AlertKind::LowBattery),
        };
        self.enter_after(after_ms, Happening::Press { wearer, class, kind });
        let again = if class == Class::Service { 0 } else { self.dice.pick(&[0, 0, 0, 1, 2]) };
        for _ in 0..again {
            let after_ms = after_ms + self.some_ms(2_000, 10 * MINUTE_MS);
            let kind = if self.dice.chance(20) { Some(AlertKind::Smoke) } else { kind };
            self.enter_after(after_ms, Happening::Press { wearer, class, kind });
        }
        if self.dice.chance(8) {
            let after_ms = after_ms + self.some_ms(1_000, 2 * MINUTE_MS);
            self.enter_after(after_ms, Happening::Cancel { wearer });
        }
        if class == Class::Wandering && self.dice.chance(50) {
            let after_ms = after_ms + self.some_ms(MINUTE_MS, HOUR_MS);
            self.enter_after(after_ms, Happening::Stray { wearer, back: true });
        }
        if !self.wearers[wearer].is_located {
            let after_ms = after_ms + self.some_ms(1_000, 15 * MINUTE_MS);
            self.enter_after(after_ms, Happening::Located { wearer });
        }
    }

    fn plan_the_shifts(&mut self) {
        for responder in 0..self.responders.len() {
            let (begins_h, ends_h) = shift(responder);
            // Nobody is on time.
            for (hour, on) in [(begins_h, true), (ends_h, false)] {
                let after_ms = hour * HOUR_MS + self.some_ms(0, 10 * MINUTE_MS);
                if hour > 0 {
                    self.enter_after(after_ms, Happening::Duty { responder, on });
                }
            }
            self.later(0, 90 * MINUTE_MS, Happening::Stroll { responder });
        }
        for (person, (begins_h, ends_h, _)) in STAFF.into_iter().enumerate() {
            let mut seats = vec![(begins_h * HOUR_MS, true), (ends_h * HOUR_MS, false)];
            for _ in 0..2 {
                let away_ms = self.some_ms(begins_h * HOUR_MS, (ends_h - 1) * HOUR_MS);
                seats.push((away_ms, false));
                seats.push((away_ms + self.some_ms(5 * MINUTE_MS, 25 * MINUTE_MS), true));
            }
            seats.sort_unstable();
            for (after_ms, taken) in seats {
                let late_ms = self.some_ms(0, 3 * MINUTE_MS);
                self.enter_after(after_ms + late_ms, Happening::Seat { person, taken });
            }
        }
        // Once in a while everybody is in the kitchen.
        if self.dice.chance(30) {
            let away_ms = self.some_ms(0, DAY_MS - HOUR_MS);
            for (person, (begins_h, ends_h, _)) in STAFF.into_iter().enumerate() {
                self.enter_after(away_ms, Happening::Seat { person, taken: false });
                let back_ms = away_ms + self.some_ms(5 * MINUTE_MS, 30 * MINUTE_MS);
                if (begins_h * HOUR_MS..ends_h * HOUR_MS).contains(&back_ms) {
                    self.enter_after(back_ms, Happening::Seat { person, taken: true });
                }
            }
            *self.tally.entry("nobody at a console").or_default() += 1;
        }
    }

    fn plan_the_trouble(&mut self) {
        for _ in 0..self.dice.pick(&[0, 1, 2, 4, 8]) {
            self.later(0, DAY_MS, Happening::Outage);
        }
        for _ in 0..self.dice.pick(&[0, 0, 1, 2]) {
            let ahead = self.dice.pick(&[2_000, 45_000, 10 * MINUTE_MS, 2 * HOUR_MS]);
            let by = SignedDuration::from_millis(if self.dice.chance(50) { ahead } else { -ahead });
            self.later(HOUR_MS, DAY_MS, Happening::Jump { by });
        }
        if self.dice.chance(70) {
            let begins_ms = self.some_ms(0, DAY_MS - HOUR_MS);
            self.enter_after(begins_ms, Happening::Spell { begins: true });
            self.enter_after(begins_ms + HOUR_MS, Happening::Spell { begins: false });
        }
        for _ in 0..2 * self.responders.len() {
            let responder = self.dice.index(self.responders.len());
            self.later(0, DAY_MS, Happening::Network { responder, is_lost: true });
        }
        for _ in 0..self.dice.pick(&[0, 0, 1, 2]) {
            let wearer = self.dice.index(self.wearers.len());
            self.later(0, DAY_MS, Happening::NewLadder { wearer });
        }
        self.later(0, 20_000, Happening::Watchdog);
        self.later(0, 60_000, Happening::Survey);
    }
}

/// Who sits at a console, from which hour to which.
const STAFF: [(i64, i64, Authority); 13] = [
    (0, 8, Authority::Operator),
    (0, 8, Authority::Operator),
    (0, 8, Authority::Supervisor),
    (7, 15, Authority::Operator),
    (7, 15, Authority::Operator),
    (8, 16, Authority::Operator),
    (8, 16, Authority::Operator),
    (8, 16, Authority::Supervisor),
    (15, 23, Authority::Operator),
    (15, 23, Authority::Operator),
    (16, 25, Authority::Operator),
    (16, 25, Authority::Operator),
    (16, 25, Authority::Supervisor),
];

fn staff(dice: &mut Dice, index: usize) -> Staff {
    let (begins_h, _, authority) = STAFF[index];
    Staff { id: UserId(dice.id()), authority, gone_since: (begins_h > 0).then_some(BEGAN_AT) }
}

/// From which hour to which somebody works: a fifth by night, the others early or late.
const fn shift(responder: usize) -> (i64, i64) {
    match responder % 10 {
        0 => (0, 8),
        1 => (16, 25),
        2..=5 => (6, 15),
        _ => (12, 22),
    }
}

fn responder(dice: &mut Dice, index: usize) -> Responder {
    let (begins_h, _) = shift(index);
    Responder {
        id: ResponderId(dice.id()),
        temper: Temper::Willing,
        is_on_duty: begins_h == 0,
        is_hidden: false,
        free_since: BEGAN_AT,
        engaged_in: None,
    }
}

fn helper(dice: &mut Dice, index: usize) -> Helper {
    let skills = dice.pick(&[FIRST_AID, FIRST_AID | MEALS, FIRST_AID | REPAIRS, MEALS, MEALS | REPAIRS, REPAIRS]);
    let mode = dice.pick(&[Mode::Walk, Mode::Ebike, Mode::Ebike, Mode::Ebike, Mode::Car]);
    let base = spot(dice, index % QUARTERS);
    let (_, ends_h) = shift(index);
    Helper::new(skills, mode, base, BEGAN_AT + SignedDuration::from_hours(ends_h), BEGAN_AT)
}

/// Anywhere in a quarter.
fn spot(dice: &mut Dice, quarter: usize) -> Spot {
    #[expect(clippy::cast_precision_loss, reason = "a few kilometres")]
    let mut metres = |row: usize| (row * QUARTER_M + dice.index(QUARTER_M)) as f64;
    Spot { east: metres(quarter % 2), north: metres(quarter / 2) }
}

fn rules(dice: &mut Dice) -> Rules {
    let policy = Policy {
        handover: dice.pick(&[HandoverPolicy::AtOnce, HandoverPolicy::OperatorFirst]),
        offer_window: SignedDuration::from_secs(dice.pick(&[30, 45, 70])),
        service_offer_window: SignedDuration::from_secs(dice.pick(&[70, 120])),
        check_owner_every: SignedDuration::from_secs(dice.pick(&[30, 60])),
        close_returned_after: dice.pick(&[None, Some(5), Some(15)]).map(SignedDuration::from_mins),
        ..Policy::default()
    };
    let ladders = Class::ALL.iter().map(|class| {
        let any = ladder(dice, *class);
        (*class, if dice.chance(60) { Ladder::standard(*class) } else { any })
    });
    Rules { policy, ladders: ladders.collect() }
}

fn wearer(dice: &mut Dice, quarter: usize) -> Wearer {
    let contact = |rank, dice: &mut Dice| Contact {
        rank: Rank(rank),
        reach: if dice.chance(80) { Reach::Addressed } else { Reach::Unaddressed },
    };
    Wearer {
        origin: match dice.below(100) {
            0..78 => Origin::Listed,
            78..98 => Origin::Unproved,
            _ => Origin::Unlisted,
        },
        rules: quarter,
        is_located: dice.chance(97),
        distances: Vec::new(),
        contacts: (1..=dice.pick(&[0, 1, 2, 3])).map(|rank| contact(rank, dice)).collect(),
    }
}
