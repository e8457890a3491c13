//! One wearer: what is believed of where they are, and how they stand with their zones.
//!
//! Fixes are put in their place by device time. What is believed is a fold over them in that order, so it does not
//! matter in which order they came; what is *said* is decided at each arrival with what has arrived by then. The last
//! fixes are kept, with what was believed before them, so that a late one can be put between them.

use jiff::Timestamp;

use super::fix::Fix;
use super::ground::{Ground, Spot};
use super::guess::{Guess, Story};
use super::mind::Mind;
use super::seen::{Heard, Seen};
use super::standing::{Mark, NEVER, Standing, Zone};
use super::turn::{Evidence, Turn};
use crate::place::{Metres, Position, Source};
use crate::word::Word as _;

/// So many of the newest fixes can be told late and still take their place, at least.
pub const LATE_MAX: usize = 16;
pub(super) const WINDOW_MAX: usize = 2 * LATE_MAX;

/// What is believed after some fix.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chapter {
    pub(super) mind: Mind,
    /// Device time of the fix, milliseconds since 1970; [`NEVER`] before the first.
    pub(super) at: i64,
    /// Where the last satellite fix was, and the last other one.
    pub(super) last_gnss: [f32; 2],
    pub(super) last_other: [f32; 2],
    pub(super) marks: Box<[Mark]>,
}

/// One wearer and their zones. Small, and bounded whatever comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Wearer {
    pub(super) ground: Ground,
    pub(super) zones: Box<[Zone]>,
    /// Before the first fix of the window.
    pub(super) start: Chapter,
    /// After [`LATE_MAX`] fixes of the window, once there are so many.
    pub(super) middle: Option<Chapter>,
    pub(super) now: Chapter,
    /// By device time.
    pub(super) window: Vec<Seen>,
    /// What was said of each zone.
    pub(super) said: Box<[Standing]>,
}

/// The middle of nowhere: no fix is there.
const NOWHERE: [f32; 2] = [f32::MAX; 2];

impl Wearer {
    /// Somebody who is expected within some distance of `home`, until fixes say where they are.
    pub fn new(home: Position, within: Metres, zones: Vec<Zone>) -> Self {
        let sigma = to_f32(within.0.clamp(30.0, 50_000.0) / 2.0);
        // Nine in ten are at home when their terminal is put on; the others may be anywhere in town.
        let mind =
            Mind::new(&[Guess::rests([0.0; 2], sigma, 0.9_f32.ln()), Guess::rests([0.0; 2], 5_000.0, 0.1_f32.ln())]);
        let marks = vec![Mark::NEW; zones.len()].into_boxed_slice();
        let now = Chapter { mind, at: NEVER, last_gnss: NOWHERE, last_other: NOWHERE, marks };
        Self {
            ground: Ground::around(home),
            said: vec![Standing::Inside; zones.len()].into_boxed_slice(),
            zones: zones.into_boxed_slice(),
            start: now.clone(),
            middle: None,
            now,
            window: Vec::with_capacity(WINDOW_MAX),
        }
    }

    /// Takes one fix, when it arrives, and tells what changes with it.
    pub fn see(&mut self, fix: &Fix) -> Vec<Turn> {
        if !self.place(fix) {
            return Vec::new();
        }
        let mut turns = Vec::new();
        for zone in 0..self.zones.len() {
            let (was, is) = (self.said[zone], self.now.marks[zone].standing);
            if was != is {
                self.said[zone] = is;
                turns.push(self.turn(zone, was, is, fix));
            }
        }
        turns
    }

    /// Puts a fix in its place. False when nothing can come of it: it was told before, or is older than anything kept.
    fn place(&mut self, fix: &Fix) -> bool {
        let spot = self.ground.flatten(fix.place);
        let x = [to_f32(spot.east), to_f32(spot.north)];
        let (claimed, speed_kmh) = (fix.claimed().map(to_f32), fix.speed_kmh().map(to_f32));
        let seen = Seen::new(fix.at().as_millisecond(), x, claimed, speed_kmh, fix.source);
        if seen.at <= self.start.at {
            return false;
        }
        let place = self.window.partition_point(|other| other.order(&seen).is_lt());
        if self.window.get(place).is_some_and(|other| other.order(&seen).is_eq()) {
            return false;
        }
        self.window.insert(place, seen);
        if place + 1 < self.window.len() {
            self.replay(place);
        } else {
            self.now.read(&seen, &self.zones, &self.ground);
            if self.window.len() == LATE_MAX {
                self.middle = Some(self.now.clone());
            }
        }
        if self.window.len() == WINDOW_MAX
            && let Some(middle) = self.middle.replace(self.now.clone())
        {
            self.start = middle;
            self.window.drain(..LATE_MAX);
        }
        true
    }

    /// Reads the window again, from the last chapter that holds.
    fn replay(&mut self, changed: usize) {
        let from = match &self.middle {
            Some(middle) if changed >= LATE_MAX => {
                self.now.clone_from(middle);
                LATE_MAX
            }
            _ => {
                self.now.clone_from(&self.start);
                0
            }
        };
        for index in from..self.window.len() {
            self.now.read(&self.window[index], &self.zones, &self.ground);
            if index + 1 == LATE_MAX {
                self.middle = Some(self.now.clone());
            }
        }
    }

    fn turn(&self, zone: usize, from: Standing, to: Standing, fix: &Fix) -> Turn {
        let mark = &self.now.marks[zone];
        let judged = &self.zones[zone];
        let since = if mark.since == NEVER { self.now.at } else { mark.since };
        let tells = self.window.iter().rev().take_while(|seen| seen.at >= since || seen.at == self.now.at);
        let mut evidence: Vec<Evidence> = tells.take(Evidence::MAX).map(|seen| self.evidence(seen, judged)).collect();
        evidence.reverse();
        Turn {
            zone: judged.id,
            kind: judged.kind,
            from,
            to,
            at: moment(self.now.at, fix.received_at),
            since: moment(since, fix.received_at),
            decided_at: fix.received_at,
            chance: f64::from(mark.chance),
            beyond: Metres(f64::from(mark.beyond)),
            stories: self.stories(),
            evidence,
        }
    }

    fn evidence(&self, seen: &Seen, zone: &Zone) -> Evidence {
        let spot = Spot { east: f64::from(seen.x[0]), north: f64::from(seen.x[1]) };
        let from_edge = zone.area.distance_on(self.ground.carry(spot, zone.area.ground()));
        Evidence {
            at: moment(seen.at, Timestamp::UNIX_EPOCH),
            source: seen.source,
            beyond: Metres(if zone.kind.is_kept_off() { -from_edge } else { from_edge }),
            claimed: seen.claimed().map(|claimed| Metres(f64::from(claimed))),
        }
    }

    /// Each story that is told of them, and how likely it is.
    pub fn stories(&self) -> [(Story, f64); Story::ALL.len()] {
        let mut stories = std::array::from_fn(|number| (Story::ALL[number], 0.0));
        for guess in self.now.mind.guesses() {
            for (story, share) in &mut stories {
                if *story == guess.story {
                    *share += f64::from(guess.weight.exp());
                }
            }
        }
        stories
    }

    /// Where they most likely are by each guess: place, standard deviation along each axis, story, likelihood.
    pub fn guesses(&self) -> impl Iterator<Item = (Option<Position>, Metres, Story, f64)> + '_ {
        self.now.mind.guesses().iter().map(|guess| {
            let (x, xx) = guess.place();
            let spot = Spot { east: f64::from(x[0]), north: f64::from(x[1]) };
            let sigma = Metres(f64::from(xx.sqrt()));
            (self.ground.place(spot).ok(), sigma, guess.story, f64::from(guess.weight.exp()))
        })
    }

    /// How they stand with each zone, and how likely they are where they should not be.
    pub fn standings(&self) -> impl Iterator<Item = (&Zone, Standing, f64)> + '_ {
        self.zones.iter().zip(&self.now.marks).map(|(zone, mark)| (zone, mark.standing, f64::from(mark.chance)))
    }

    /// How much memory they take, the areas of their zones left out, in bytes.
    pub fn size(&self) -> usize {
        let marks = size_of_val(&*self.now.marks);
        size_of::<Self>()
            + 3 * marks
            + size_of_val(&*self.zones)
            + size_of_val(&*self.said)
            + self.window.capacity() * size_of::<Seen>()
    }
}

impl Chapter {
    /// Goes on with one fix.
    #[expect(clippy::cast_precision_loss, reason = "seconds between two fixes")]
    fn read(&mut self, seen: &Seen, zones: &[Zone], ground: &Ground) {
        let is_gnss = seen.source == Source::Gnss;
        let is_like = |last: [f32; 2]| seen.x.map(f32::to_bits) == last.map(f32::to_bits);
        if is_like(self.last_gnss) || (is_gnss && is_like(self.last_other)) {
            // A frozen receiver shows the same centimetre for ever. That is silence, with noise.
            return;
        }
        let before = self.at;
        let dt = if before == NEVER { 0.0 } else { ((seen.at - before) as f32 / 1000.0).min(GAP_MAX_S) };
        // A mast stands still, so the same mast again says little, but something: that they are still near it.
        let again = if !is_gnss && is_near(seen, self.last_other) { AGAIN } else { 1.0 };
        let voice = if before == NEVER { 1.0 } else { again * (dt / SOON_S).clamp(0.1, 1.0) };
        self.mind = self.mind.after(dt, &Heard { seen: *seen, voice });
        self.at = seen.at;
        if is_gnss {
            self.last_gnss = seen.x;
        } else {
            self.last_other = seen.x;
        }
        for (mark, zone) in self.marks.iter_mut().zip(zones) {
            let (chance, beyond) = self.mind.breach(zone, ground);
            *mark = mark.after(chance, beyond, before, seen.at, zone.grace);
        }
    }
}

/// Whether a fix by access points or masts is about where the last was: then it was the same ones, and what is wrong with
/// them is wrong again.
fn is_near(seen: &Seen, last: [f32; 2]) -> bool {
    let off = (seen.x[0] - last[0]).hypot(seen.x[1] - last[1]);
    off < 0.6 * seen.claimed().unwrap_or(60.0)
}

/// A longer silence says no more than this one, in seconds.
const GAP_MAX_S: f32 = 86_400.0;
/// What is not satellite and is the same again says so much of what something new would.
const AGAIN: f32 = 0.2;
/// Fixes that follow each other faster share their errors, seconds.
const SOON_S: f32 = 20.0;

impl Mind {
    /// How likely the wearer is where they should not be, and how far beyond the edge the likeliest guess has them.
    fn breach(&self, zone: &Zone, ground: &Ground) -> (f32, f32) {
        let (mut inside, mut beyond, mut best) = (0.0, 0.0, f32::NEG_INFINITY);
        for guess in self.guesses() {
            if guess.weight < NEGLIGIBLE {
                continue;
            }
            let (x, xx) = guess.place();
            let spot = Spot { east: f64::from(x[0]), north: f64::from(x[1]) };
            let from_edge = zone.area.distance_on(ground.carry(spot, zone.area.ground()));
            inside += f64::from(guess.weight.exp()) * zone.area.chance_inside(from_edge, f64::from(xx.sqrt()));
            if guess.weight > best {
                (best, beyond) = (guess.weight, from_edge);
            }
        }
        let inside = to_f32(inside).clamp(0.0, 1.0);
        if zone.kind.is_kept_off() { (inside, -to_f32(beyond)) } else { (1.0 - inside, to_f32(beyond)) }
    }
}

/// A guess less likely than this (a logarithm) does not change a chance.
const NEGLIGIBLE: f32 = -9.0;

fn moment(millisecond: i64, otherwise: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(millisecond).unwrap_or(otherwise)
}

#[expect(clippy::cast_possible_truncation, reason = "metres, and what is finer than a millimetre is noise")]
const fn to_f32(number: f64) -> f32 {
    number as f32
}
