//! Where a wearer may be: a handful of guesses, each a story that explains the fixes so far.
//!
//! A guess says what the person does (rests, walks, rides) and what the receiver does (sees the place, drifting a
//! little; or shows a phantom somewhere else). Each carries a place and one more quantity, jointly normal: a velocity,
//! for one who moves; the receiver's error, for one who rests. The error is what makes five drifting fixes one witness:
//! it changes slowly, so the second fix that is off in the same way is what was expected, and says nothing new.

use super::noise::{self, Noise};
use super::seen::{Heard, Seen};
use crate::place::Source;
use crate::word::words;

words! {
    /// What a guess says that person and receiver do.
    pub enum Story ("story") {
        /// The person stays, and the receiver shows about where.
        Rests = "rests",
        /// The person walks.
        Walks = "walks",
        /// The person rides: a bus, a car, a bicycle.
        Rides = "rides",
        /// The person stays, and the receiver shows another place.
        Phantom = "phantom",
        /// The person walks, and the receiver shows another place, from which they walk as well.
        PhantomWalks = "phantom_walks",
    }
}

/// One story.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Guess {
    pub(super) story: Story,
    /// Logarithm of how likely, among all guesses.
    pub(super) weight: f32,
    /// Where, metres on the wearer's ground.
    pub(super) x: [f32; 2],
    /// Velocity (m/s) of one who moves; the receiver's error (m) for one who stays.
    pub(super) u: [f32; 2],
    /// Variance of either coordinate of the place, m².
    pub(super) xx: f32,
    /// Covariance of a coordinate and its `u`.
    pub(super) xu: f32,
    /// Variance of either coordinate of `u`.
    pub(super) uu: f32,
    /// How far from the place that is shown, `x`, they really walk, and its variance: of a phantom that walks.
    pub(super) off: [f32; 2],
    pub(super) off_off: f32,
}

/// How somebody moves: (rms speed along an axis, m/s; seconds for which a direction is kept).
const WALK: (f32, f32) = (0.75, 240.0);
const RIDE: (f32, f32) = (6.0, 120.0);
/// So many times as long as a direction is kept a way may last.
const LONG: f32 = 4.0;
/// Somebody at rest moves about their rooms and yard: m² a second.
const ABOUT: f32 = 0.05;
/// Drift of a receiver that sees the sky through walls: (rms along an axis, m; seconds for which it lasts).
const DRIFT: (f32, f32) = (18.0, 400.0);
/// Drift just after a walk under the open sky, m.
const DRIFT_OUTDOORS: f32 = 5.0;
/// How a phantom creeps: m² a second.
const CREEP: f32 = 0.6;

/// How often things change, times a second.
mod rate {
    pub(super) const GOES: f32 = 1.0 / 3000.0;
    pub(super) const RIDES_OFF: f32 = 1.0 / 150_000.0;
    pub(super) const STOPS: f32 = 1.0 / 500.0;
    pub(super) const BOARDS: f32 = 1.0 / 6000.0;
    pub(super) const ALIGHTS: f32 = 1.0 / 500.0;
    pub(super) const PHANTOM_ENDS: f32 = 1.0 / 420.0;
}
/// A longer silence makes it no likelier that somebody has gone, seconds.
const SILENCE_S: f32 = 1200.0;
/// How often a satellite fix begins to show a phantom: for each fix, as a receiver is woken for it, and for each second.
const PHANTOM_BEGINS: (f32, f32) = (0.004, 1.0 / 40_000.0);
/// Outdoors there is less to reflect.
const PHANTOM_BEGINS_OUTDOORS: f32 = 0.0015;
/// How often the next fix is a phantom no more, however soon it comes.
const PHANTOM_ENDS_AT_ONCE: f32 = 0.06;

/// The chance that something that happens at a rate has happened after `dt` seconds.
fn happened(rate: f32, dt: f32) -> f32 {
    1.0 - (-rate * dt).exp()
}

impl Guess {
    /// Somebody who rests at a place known to `sigma` metres.
    pub(super) const fn rests(x: [f32; 2], sigma: f32, weight: f32) -> Self {
        Self {
            story: Story::Rests,
            weight,
            x,
            u: [0.0; 2],
            xx: sigma * sigma,
            xu: 0.0,
            uu: DRIFT.0 * DRIFT.0,
            off: [0.0; 2],
            off_off: 0.0,
        }
    }

    /// Where they really are, and the variance of either coordinate.
    pub(super) fn place(&self) -> ([f32; 2], f32) {
        (std::array::from_fn(|axis| self.x[axis] - self.off[axis]), self.xx + self.off_off)
    }

    /// The same story `dt` seconds on.
    fn later(mut self, dt: f32) -> Self {
        match self.story {
            Story::Rests => {
                let kept = (-dt / DRIFT.1).exp();
                self.u = self.u.map(|u| u * kept);
                self.xx += ABOUT * dt;
                self.xu *= kept;
                self.uu = self.uu * kept * kept + DRIFT.0 * DRIFT.0 * (1.0 - kept * kept);
            }
            Story::Phantom => {
                self.xx += ABOUT * dt;
                self.uu += CREEP * dt;
            }
            Story::Walks => self.moved(dt, WALK),
            Story::PhantomWalks => {
                self.moved(dt, WALK);
                self.off_off += CREEP * dt;
            }
            Story::Rides => self.moved(dt, RIDE),
        }
        self
    }

    /// An Ornstein-Uhlenbeck velocity, integrated exactly.
    fn moved(&mut self, dt: f32, (speed, keeps): (f32, f32)) {
        let kept = (-dt / keeps).exp();
        let gain = keeps * (1.0 - kept);
        self.x = std::array::from_fn(|axis| self.x[axis] + self.u[axis] * gain);
        self.u = self.u.map(|u| u * kept);
        let noise = speed * speed;
        self.xx += 2.0 * gain * self.xu
            + gain * gain * self.uu
            + noise * keeps * keeps * (2.0 * dt / keeps - 3.0 + 4.0 * kept - kept * kept).max(0.0);
        self.xu = kept * (self.xu + gain * self.uu) + noise * keeps * (1.0 - kept) * (1.0 - kept);
        self.uu = kept * kept * self.uu + noise * (1.0 - kept * kept);
    }

    /// Somebody who stood, or went about otherwise, began to move like this at some moment of the last `dt` seconds.
    fn sets_out(mut self, story: Story, dt: f32) -> Self {
        let (speed, keeps) = if story == Story::Rides { RIDE } else { WALK };
        self = self.halfway(dt);
        // After a long silence they may long have arrived.
        let dt = dt.min(LONG * keeps);
        let noise = speed * speed;
        self.story = story;
        self.xx += ABOUT * dt + noise * dt * dt / 3.0;
        self.xu = noise * dt / 2.0;
        self.u = [0.0; 2];
        self.uu = noise;
        self
    }

    /// Somebody whom the receiver showed elsewhere began to walk, and their phantom with them.
    fn phantom_sets_out(self, dt: f32) -> Self {
        let shown = Self {
            x: std::array::from_fn(|axis| self.x[axis] + self.u[axis]),
            xx: (self.xx + 2.0 * self.xu + self.uu).max(1.0),
            ..self
        };
        Self { story: Story::PhantomWalks, off: self.u, off_off: self.uu, ..shown.sets_out(Story::Walks, dt) }
    }

    /// Somebody whose phantom walked with them stopped.
    fn phantom_stops(self, dt: f32) -> Self {
        let stopped = self.stops(dt);
        let (x, xx) = stopped.place();
        let (u, uu) = (self.off, self.off_off);
        Self { story: Story::Phantom, x, xx, u, uu, xu: -uu, off: [0.0; 2], off_off: 0.0, ..stopped }
    }

    /// Somebody who moved stopped at some moment of the last `dt` seconds.
    fn stops(mut self, dt: f32) -> Self {
        self = self.halfway(dt);
        self.story = Story::Rests;
        self.u = [0.0; 2];
        self.xx += ABOUT * dt;
        self.xu = 0.0;
        self.uu = DRIFT_OUTDOORS * DRIFT_OUTDOORS;
        self
    }

    /// Where one who moves was halfway, with as much doubt as there is about when they stopped.
    fn halfway(mut self, dt: f32) -> Self {
        if self.is_moving() {
            let dt = dt.min(if self.story == Story::Rides { RIDE.1 } else { WALK.1 });
            let gone = self.u.map(|u| u * dt);
            self.x = std::array::from_fn(|axis| self.x[axis] + gone[axis] / 2.0);
            self.xx += dt * self.xu + dt * dt * self.uu / 3.0 + (gone[0] * gone[0] + gone[1] * gone[1]) / 24.0;
        }
        self
    }

    /// The receiver has come to its senses.
    fn sober(mut self) -> Self {
        (self.x, self.xx) = self.place();
        (self.off, self.off_off) = ([0.0; 2], 0.0);
        if self.story == Story::PhantomWalks {
            self.story = Story::Walks;
            return self;
        }
        self.story = Story::Rests;
        self.u = [0.0; 2];
        self.xu = 0.0;
        self.uu = DRIFT.0 * DRIFT.0;
        self
    }

    /// From now on the receiver shows another place, as `seen` does.
    fn haunted(mut self, seen: &Seen, noise: Noise) -> Self {
        let off: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - self.x[axis]);
        self.weight += noise::phantom(off[0] * off[0] + off[1] * off[1]);
        if self.story == Story::Walks {
            self.story = Story::PhantomWalks;
            (self.off, self.off_off) = (off, self.xx);
            (self.x, self.xx, self.xu) = (seen.x, noise.narrow, 0.0);
            return self;
        }
        self.story = Story::Phantom;
        self.u = off;
        self.xu = -self.xx;
        self.uu = self.xx + noise.narrow + 100.0;
        self
    }

    pub(super) const fn is_moving(&self) -> bool {
        matches!(self.story, Story::Walks | Story::Rides | Story::PhantomWalks)
    }

    /// How well the fix fits, and what is known after it. `voice` is how much of a witness the fix is, 0 to 1.
    fn fits(mut self, seen: &Seen, noise: Noise, voice: f32) -> Self {
        if self.story == Story::PhantomWalks && seen.source != Source::Gnss {
            return self.fits_aside(seen, noise, voice);
        }
        let is_direct = self.is_moving() || seen.source != Source::Gnss;
        // A satellite fix of one who rests shows place and error together.
        let with_u = if is_direct { 0.0 } else { 1.0 };
        let miss: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - self.x[axis] - with_u * self.u[axis]);
        let uncertain = self.xx + with_u * (2.0 * self.xu + self.uu);
        let is_phantom = matches!(self.story, Story::Phantom | Story::PhantomWalks);
        let noise = if is_phantom && seen.source == Source::Gnss { noise.in_echoes() } else { noise };
        let (density, variance) = noise::weigh(noise, uncertain, miss[0] * miss[0] + miss[1] * miss[1]);
        self.weight += voice * density;
        self.weigh_in(miss, with_u, variance / voice);
        self
    }

    /// How well a fix fits that shows where somebody really is while their phantom walks elsewhere.
    fn fits_aside(mut self, seen: &Seen, noise: Noise, voice: f32) -> Self {
        let (place, uncertain) = self.place();
        let miss: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - place[axis]);
        let (density, variance) = noise::weigh(noise, uncertain, miss[0] * miss[0] + miss[1] * miss[1]);
        self.weight += voice * density;
        let sum = uncertain + variance / voice;
        self.x = std::array::from_fn(|axis| self.x[axis] + self.xx / sum * miss[axis]);
        self.off = std::array::from_fn(|axis| self.off[axis] - self.off_off / sum * miss[axis]);
        self.xx *= 1.0 - self.xx / sum;
        self.off_off *= 1.0 - self.off_off / sum;
        self
    }

    /// Learns from a fix that is off by `miss` and has an error of so much variance; `with_u` is 1 when it shows place
    /// and receiver's error together, 0 when it shows the place alone.
    fn weigh_in(&mut self, miss: [f32; 2], with_u: f32, variance: f32) {
        let (to_x, to_u) = (self.xx + with_u * self.xu, self.xu + with_u * self.uu);
        let sum = to_x + with_u * to_u + variance;
        let (gain_x, gain_u) = (to_x / sum, to_u / sum);
        self.x = std::array::from_fn(|axis| self.x[axis] + gain_x * miss[axis]);
        self.u = std::array::from_fn(|axis| self.u[axis] + gain_u * miss[axis]);
        self.xx = (self.xx - gain_x * to_x).max(1.0);
        self.xu -= gain_x * to_u;
        self.uu = (self.uu - gain_u * to_u).max(1e-3);
    }

    /// How well a told speed fits, which a receiver measures by Doppler, apart from its place.
    fn fits_speed(mut self, kmh: Option<f32>) -> Self {
        let Some(kmh) = kmh else { return self };
        let bell = |mean: f32, sigma: f32| (-0.5 * ((kmh - mean) / sigma).powi(2)).exp() / (sigma * 2.5);
        let any = if kmh < 8.0 { 0.1 } else { 0.002 };
        self.weight += match self.story {
            Story::Rests | Story::Phantom => 0.78 * 2.0 * bell(0.0, 1.0) + 0.22 * any,
            // Many receivers show a slow walk as none.
            Story::Walks | Story::PhantomWalks => 0.7 * bell(3.5, 1.4) + 0.2 * 2.0 * bell(0.0, 1.0) + 0.1 * any,
            // A bus stops.
            Story::Rides => 0.7 * if kmh < 80.0 { 1.0 / 80.0 } else { 1e-4 } + 0.2 * 2.0 * bell(0.0, 1.0) + 0.1 * any,
        }
        .ln();
        self
    }
}

/// How many stories are kept.
pub(super) const GUESSES_MAX: usize = 7;
/// A story this much less likely than the best (a logarithm) is forgotten.
const FORGET: f32 = 11.0;

/// So sure (a logarithm) one must be that somebody rests for the common case.
const SURE: f32 = -0.03;
/// The square of so many standard deviations is nothing odd.
const EXPECTED: f32 = 4.0;
/// Slower than this is no walk, km/h.
const STROLL_KMH: f32 = 2.0;

/// All that is believed of where somebody is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mind {
    guesses: [Guess; GUESSES_MAX],
    len: u8,
}

impl Mind {
    pub(super) fn new(guesses: &[Guess]) -> Self {
        let mut crowd = Crowd::new();
        for guess in guesses {
            crowd.add(*guess);
        }
        crowd.settle()
    }

    pub(super) fn guesses(&self) -> &[Guess] {
        &self.guesses[..usize::from(self.len)]
    }

    /// What is believed `dt` seconds later, after one more fix.
    pub(super) fn after(&self, dt: f32, heard: &Heard) -> Self {
        self.nod(dt, heard).unwrap_or_else(|| self.ponder(dt, heard))
    }

    /// The common case, a hundred times an hour for everybody: they rest, and the fix says what was expected. Then no
    /// other story is looked at; those that matter begin anew with the first fix that is odd.
    fn nod(&self, dt: f32, heard: &Heard) -> Option<Self> {
        let best = &self.guesses[0];
        let seen = &heard.seen;
        if best.story != Story::Rests
            || best.weight < SURE
            || seen.source != Source::Gnss
            || seen.speed_kmh().is_some_and(|kmh| kmh > STROLL_KMH)
        {
            return None;
        }
        let mut best = best.later(dt);
        let noise = noise::gnss(seen.claimed());
        let miss: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - best.x[axis] - best.u[axis]);
        let uncertain = best.xx + 2.0 * best.xu + best.uu + noise.narrow;
        if miss[0] * miss[0] + miss[1] * miss[1] > EXPECTED * uncertain {
            return None;
        }
        best.weigh_in(miss, 1.0, noise.narrow / heard.voice);
        best.weight = 0.0;
        let mut guesses = [NOBODY; GUESSES_MAX];
        guesses[0] = best;
        Some(Self { guesses, len: 1 })
    }

    /// Every story, and what may have become of it.
    fn ponder(&self, dt: f32, heard: &Heard) -> Self {
        let mut crowd = Crowd::new();
        let Heard { seen, voice } = *heard;
        let is_gnss = seen.source == Source::Gnss;
        let noise = if is_gnss { noise::gnss(seen.claimed()) } else { noise::other(seen.source, seen.claimed()) };
        let mut take = |guess: Guess, chance: f32| {
            let mut child = guess;
            child.weight += chance.ln();
            let child = child.fits(&seen, noise, voice);
            crowd.add(if is_gnss { child.fits_speed(seen.speed_kmh()) } else { child });
        };
        // Who has told nothing for a night has most likely slept.
        let awake = dt.min(SILENCE_S);
        let goes = happened(rate::GOES, awake);
        let rides_off = happened(rate::RIDES_OFF, awake);
        let stops = happened(rate::STOPS, dt);
        let boards = happened(rate::BOARDS, dt);
        let alights = happened(rate::ALIGHTS, dt);
        let begins = if is_gnss { PHANTOM_BEGINS.0 + happened(PHANTOM_BEGINS.1, dt) } else { 0.0 };
        let ends =
            1.0 - (1.0 - happened(rate::PHANTOM_ENDS, dt)) * (1.0 - if is_gnss { PHANTOM_ENDS_AT_ONCE } else { 0.0 });
        let mut haunted: [Option<(Guess, f32)>; GUESSES_MAX] = [None; GUESSES_MAX];
        for (slot, guess) in self.guesses().iter().enumerate() {
            let same = guess.later(dt);
            haunted[slot] = match guess.story {
                Story::Rests => {
                    take(same, (1.0 - goes - rides_off).max(0.01) * (1.0 - begins));
                    take(guess.sets_out(Story::Walks, dt), goes);
                    take(guess.sets_out(Story::Rides, dt), rides_off);
                    Some((same, begins))
                }
                Story::Walks => {
                    take(same, (1.0 - stops - boards).max(0.01));
                    take(guess.stops(dt), stops);
                    take(guess.sets_out(Story::Rides, dt), boards);
                    Some((same, PHANTOM_BEGINS_OUTDOORS))
                }
                Story::Rides => {
                    take(same, (1.0 - 2.0 * alights).max(0.01));
                    take(guess.stops(dt), alights);
                    take(guess.sets_out(Story::Walks, dt), alights);
                    Some((same, PHANTOM_BEGINS_OUTDOORS))
                }
                Story::Phantom => {
                    let sober = guess.sober();
                    take(same, (1.0 - ends) * (1.0 - goes));
                    take(sober.later(dt), ends * (1.0 - goes - rides_off));
                    take(sober.sets_out(Story::Walks, dt), ends * goes);
                    take(sober.sets_out(Story::Rides, dt), ends * rides_off);
                    take(guess.phantom_sets_out(dt), (1.0 - ends) * goes);
                    Some((same, begins))
                }
                Story::PhantomWalks => {
                    take(same, (1.0 - ends) * (1.0 - stops));
                    take(same.sober(), ends);
                    take(guess.phantom_stops(dt), (1.0 - ends) * stops);
                    None
                }
            };
        }
        if is_gnss {
            for (guess, chance) in haunted.into_iter().flatten() {
                let mut child = guess;
                let base = child.weight + chance.ln();
                child.weight = 0.0;
                let child = child.haunted(&seen, noise);
                let density = child.weight;
                crowd.add(Guess { weight: base + voice * density, ..child }.fits_speed(seen.speed_kmh()));
            }
        }
        crowd.settle()
    }
}

/// More stories than can be kept, until the best are chosen.
struct Crowd {
    guesses: [Guess; CROWD_MAX],
    len: usize,
    best: f32,
}

const CROWD_MAX: usize = GUESSES_MAX * 6;
const NOBODY: Guess = Guess {
    story: Story::Rests,
    weight: f32::NEG_INFINITY,
    x: [0.0; 2],
    u: [0.0; 2],
    xx: 1.0,
    xu: 0.0,
    uu: 1.0,
    off: [0.0; 2],
    off_off: 0.0,
};

impl Crowd {
    const fn new() -> Self {
        Self { guesses: [NOBODY; CROWD_MAX], len: 0, best: f32::NEG_INFINITY }
    }

    fn add(&mut self, guess: Guess) {
        if guess.weight > self.best - FORGET && self.len < CROWD_MAX {
            self.best = self.best.max(guess.weight);
            self.guesses[self.len] = guess;
            self.len += 1;
        }
    }

    /// The best, those that tell the same story about the same place made one.
    fn settle(mut self) -> Mind {
        let crowd = &mut self.guesses[..self.len];
        crowd.sort_unstable_by(|a, b| b.weight.total_cmp(&a.weight));
        let mut kept = [NOBODY; GUESSES_MAX];
        let mut len = 0;
        for guess in crowd.iter() {
            if guess.weight < self.best - FORGET {
                break;
            }
            if let Some(twin) = kept[..len].iter_mut().find(|kept| is_alike(kept, guess)) {
                merge(twin, guess);
            } else if len < GUESSES_MAX {
                kept[len] = *guess;
                len += 1;
            }
        }
        let total: f32 = kept[..len].iter().map(|guess| (guess.weight - self.best).exp()).sum();
        let scale = self.best + total.ln();
        for guess in &mut kept[..len] {
            guess.weight -= scale;
        }
        Mind { guesses: kept, len: u8::try_from(len).unwrap_or(0) }
    }
}

/// Whether two guesses differ by less than either is sure of.
fn is_alike(a: &Guess, b: &Guess) -> bool {
    let (place_a, xx_a) = a.place();
    let (place_b, xx_b) = b.place();
    let apart = (place_a[0] - place_b[0]).powi(2) + (place_a[1] - place_b[1]).powi(2);
    let shown = (a.x[0] - b.x[0]).powi(2) + (a.x[1] - b.x[1]).powi(2);
    let differ = (a.u[0] - b.u[0]).powi(2) + (a.u[1] - b.u[1]).powi(2);
    a.story == b.story && apart < xx_a + xx_b + 100.0 && shown < a.xx + b.xx + 100.0 && differ < 2.0 * (a.uu + b.uu)
}

/// Makes `a` stand for both, with their mean and spread.
fn merge(a: &mut Guess, b: &Guess) {
    let share = 1.0 / (1.0 + (b.weight - a.weight).exp());
    let rest = 1.0 - share;
    let dx: [f32; 2] = std::array::from_fn(|axis| b.x[axis] - a.x[axis]);
    let du: [f32; 2] = std::array::from_fn(|axis| b.u[axis] - a.u[axis]);
    let spread = |p: [f32; 2], q: [f32; 2]| share * rest * (p[0] * q[0] + p[1] * q[1]) / 2.0;
    a.xx = share * a.xx + rest * b.xx + spread(dx, dx);
    a.xu = share * a.xu + rest * b.xu + spread(dx, du);
    a.uu = share * a.uu + rest * b.uu + spread(du, du);
    a.x = std::array::from_fn(|axis| a.x[axis] + rest * dx[axis]);
    a.u = std::array::from_fn(|axis| a.u[axis] + rest * du[axis]);
    a.off = std::array::from_fn(|axis| share * a.off[axis] + rest * b.off[axis]);
    a.off_off = share * a.off_off + rest * b.off_off;
    a.weight -= share.ln();
}
