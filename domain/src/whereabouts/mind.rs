//! All that is believed of where somebody is: the guesses, weighed against each other with every fix.

use super::guess::{Guess, Story};
use super::noise;
use super::seen::Heard;
use crate::place::Source;

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
/// How often what a satellite fix shows begins to slide away from somebody who rests.
const SLIDES_OFF: f32 = 0.0005;
/// How often the next fix is a phantom no more, however soon it comes.
const PHANTOM_ENDS_AT_ONCE: f32 = 0.06;

/// The chance that something that happens at a rate has happened after `dt` seconds.
fn happened(rate: f32, dt: f32) -> f32 {
    1.0 - (-rate * dt).exp()
}

/// How many stories are kept.
pub(super) const GUESSES_MAX: usize = 8;
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

    /// What was believed, as it was written down.
    pub(super) fn recalled(told: &[Guess]) -> Self {
        let mut guesses = [NOBODY; GUESSES_MAX];
        let len = told.len().min(GUESSES_MAX);
        guesses[..len].copy_from_slice(&told[..len]);
        Self { guesses, len: u8::try_from(len).unwrap_or(0) }
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
        if best.story != Story::Rests || best.weight < SURE || seen.speed_kmh().is_some_and(|kmh| kmh > STROLL_KMH) {
            return None;
        }
        let mut best = best.later(dt);
        let is_gnss = seen.source == Source::Gnss;
        let noise = noise::of(seen);
        let with_u = if is_gnss { 1.0 } else { 0.0 };
        let miss: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - best.x[axis] - with_u * best.u[axis]);
        let uncertain = best.xx + with_u * (2.0 * best.xu + best.uu) + noise.narrow;
        if miss[0] * miss[0] + miss[1] * miss[1] > EXPECTED * uncertain {
            return None;
        }
        best.weigh_in(miss, with_u, noise.narrow / heard.voice);
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
        let noise = noise::of(&seen);
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
                    if is_gnss {
                        take(guess.slides_off(dt), SLIDES_OFF);
                    }
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
                Story::PhantomSlides => {
                    take(same, (1.0 - ends) * (1.0 - stops));
                    take(same.sober(), ends);
                    take(guess.slides_no_more(dt), (1.0 - ends) * stops);
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
