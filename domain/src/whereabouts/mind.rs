//! All that is believed of where somebody is: the guesses, weighed against each other with every fix.

use super::guess::{Guess, Span, Speed, Story};
use super::noise::{self, Noise};
use super::quick::{exp, ln};
use super::seen::{Heard, Seen};
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
    1.0 - exp(-rate * dt)
}

/// How many stories are kept.
pub(super) const GUESSES_MAX: usize = 8;
/// A story this much less likely than the best (a logarithm) is forgotten.
const FORGET: f32 = 11.0;

/// So sure (a logarithm) one must be that somebody rests for the common case.
const SURE: f32 = -0.06;
/// The square of so many standard deviations is nothing odd.
const EXPECTED: f32 = 6.0;
/// Slower than this is no walk, km/h.
const STROLL_KMH: f32 = 2.0;

/// All that is believed of where somebody is.
#[derive(Debug, Clone)]
pub(super) enum Mind {
    /// One story: mostly that they rest. It is kept in place.
    Sure(Guess),
    /// Several stories, the likeliest first.
    Torn(Vec<Guess>),
}

/// Where a story is kept is no part of it.
impl PartialEq for Mind {
    fn eq(&self, other: &Self) -> bool {
        self.guesses() == other.guesses()
    }
}

impl Mind {
    pub(super) fn new(guesses: &[Guess]) -> Self {
        let mut crowd = Crowd::<CROWD_MAX>::new();
        for guess in guesses {
            crowd.add(*guess);
        }
        Self::Torn(crowd.settle().guesses().to_vec())
    }

    /// What was believed, as it was written down.
    pub(super) fn recalled(told: &[Guess]) -> Self {
        if let [only] = told { Self::Sure(*only) } else { Self::Torn(told.to_vec()) }
    }

    pub(super) fn guesses(&self) -> &[Guess] {
        match self {
            Self::Sure(guess) => std::slice::from_ref(guess),
            Self::Torn(guesses) => guesses,
        }
    }

    /// The memory that it takes elsewhere, in bytes.
    pub(super) fn size_elsewhere(&self) -> usize {
        match self {
            Self::Sure(_) => 0,
            Self::Torn(guesses) => guesses.capacity() * size_of::<Guess>(),
        }
    }

    /// Goes on to what is believed `dt` seconds later, after one more fix.
    pub(super) fn hear(&mut self, dt: f32, heard: &Heard) {
        if let Some(next) = self.guesses().first().and_then(|best| nod(best, dt, heard)) {
            *self = Self::Sure(next);
            return;
        }
        let kept = self.ponder(dt, heard);
        match (&mut *self, kept.guesses()) {
            (mind, [only]) => *mind = Self::Sure(*only),
            (Self::Torn(guesses), kept) => {
                guesses.clear();
                guesses.extend_from_slice(kept);
            }
            (mind @ Self::Sure(_), kept) => *mind = Self::Torn(kept.to_vec()),
        }
    }

    /// How likely a fix that is no satellite fix is right about where they are, 0 to 1.
    pub(super) fn bears_out(&self, seen: &Seen) -> f32 {
        let noise = noise::of(seen);
        let right = |guess: &Guess| {
            let (place, uncertain) = guess.place();
            let off: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - place[axis]);
            exp(guess.weight) * (1.0 - noise::is_wrong(noise, uncertain, off[0] * off[0] + off[1] * off[1]))
        };
        self.guesses().iter().map(right).sum::<f32>().clamp(0.0, 1.0)
    }

    /// Every story, and what may have become of it. Who has few is spared clearing room for many.
    fn ponder(&self, dt: f32, heard: &Heard) -> Kept {
        match self.guesses().len() {
            0..=FEW => self.ponder_among::<{ FEW * CHILDREN_MAX }>(dt, heard),
            _ => self.ponder_among::<CROWD_MAX>(dt, heard),
        }
    }

    fn ponder_among<const ROOM: usize>(&self, dt: f32, heard: &Heard) -> Kept {
        let seen = &heard.seen;
        let is_gnss = seen.source == Source::Gnss;
        let noise = noise::of(seen);
        let span = Span::of(dt);
        let speed = Speed::of(if is_gnss { seen.speed_kmh() } else { None });
        // No story fits better than this, however near.
        let best_fit = heard.voice * noise::at_best(noise) + speed.at_best();
        let mut crowd = Crowd::<ROOM>::new();
        let mut take = |weight: f32, chance: f32, child: &dyn Fn() -> Guess| {
            let weight = weight + ln(chance);
            if weight + best_fit > crowd.best - FORGET {
                let child = Guess { weight, ..child() }.fits(heard, noise);
                crowd.add(child.fits_speed(&speed));
            }
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
        for guess in self.guesses() {
            let weight = guess.weight;
            let same = guess.later(span);
            match guess.story {
                Story::Rests => {
                    take(weight, (1.0 - goes - rides_off).max(0.01) * (1.0 - begins), &|| same);
                    take(weight, goes, &|| guess.sets_out(Story::Walks, dt));
                    take(weight, rides_off, &|| guess.sets_out(Story::Rides, dt));
                    if is_gnss {
                        take(weight, SLIDES_OFF, &|| guess.slides_off(dt));
                    }
                }
                Story::Walks => {
                    take(weight, (1.0 - stops - boards).max(0.01), &|| same);
                    take(weight, stops, &|| guess.stops(dt));
                    take(weight, boards, &|| guess.sets_out(Story::Rides, dt));
                }
                Story::Rides => {
                    take(weight, (1.0 - 2.0 * alights).max(0.01), &|| same);
                    take(weight, alights, &|| guess.stops(dt));
                    take(weight, alights, &|| guess.sets_out(Story::Walks, dt));
                }
                Story::Phantom => {
                    let sober = guess.sober();
                    take(weight, (1.0 - ends) * (1.0 - goes), &|| same);
                    take(weight, ends * (1.0 - goes - rides_off), &|| sober.later(span));
                    take(weight, ends * goes, &|| sober.sets_out(Story::Walks, dt));
                    take(weight, ends * rides_off, &|| sober.sets_out(Story::Rides, dt));
                    take(weight, (1.0 - ends) * goes, &|| guess.phantom_sets_out(dt));
                }
                Story::PhantomWalks => {
                    take(weight, (1.0 - ends) * (1.0 - stops), &|| same);
                    take(weight, ends, &|| same.sober());
                    take(weight, (1.0 - ends) * stops, &|| guess.phantom_stops(dt));
                }
                Story::PhantomSlides => {
                    take(weight, (1.0 - ends) * (1.0 - stops), &|| same);
                    take(weight, ends, &|| same.sober());
                    take(weight, (1.0 - ends) * stops, &|| guess.slides_no_more(dt));
                }
            }
        }
        if is_gnss {
            for guess in self.guesses() {
                let chance = match guess.story {
                    Story::Rests | Story::Phantom => begins,
                    Story::Walks | Story::Rides => PHANTOM_BEGINS_OUTDOORS,
                    Story::PhantomWalks | Story::PhantomSlides => continue,
                };
                let (child, fits) = guess.later(span).haunted(seen, noise);
                let weight = guess.weight + ln(chance) + heard.voice * fits;
                crowd.add(Guess { weight, ..child }.fits_speed(&speed));
            }
        }
        let mut kept = crowd.settle();
        if is_gnss {
            kept.add_at_its_word(seen, noise);
        }
        kept
    }
}

/// So much less likely (a logarithm) than the best is what is never ruled out.
const UNLIKELY: f32 = 10.0;
/// A receiver that drifts is off by so much as a matter of course, m².
const DOUBTED: f32 = 50.0 * 50.0;

/// The common case, a hundred times an hour for everybody: they rest, and the fix says what was expected. Then no other
/// story is looked at; those that matter begin anew with the first fix that is odd.
pub(super) fn nod(best: &Guess, dt: f32, heard: &Heard) -> Option<Guess> {
    let seen = &heard.seen;
    if best.story != Story::Rests || best.weight < SURE || seen.speed_kmh().is_some_and(|kmh| kmh > STROLL_KMH) {
        return None;
    }
    let mut best = best.rests_on(dt);
    let noise = noise::of(seen);
    let with_u = if seen.source == Source::Gnss { 1.0 } else { 0.0 };
    let miss: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - best.x[axis] - with_u * best.u[axis]);
    let uncertain = best.xx + with_u * (2.0 * best.xu + best.uu) + noise.narrow;
    if miss[0] * miss[0] + miss[1] * miss[1] > EXPECTED * uncertain {
        return None;
    }
    best.weigh_in(miss, with_u, noise.narrow / heard.voice);
    best.weight = 0.0;
    Some(best)
}

/// The best stories, the likeliest first.
struct Kept {
    guesses: [Guess; GUESSES_MAX],
    len: usize,
}

impl Kept {
    fn guesses(&self) -> &[Guess] {
        &self.guesses[..self.len]
    }

    /// What is ruled out once stays ruled out, though it was, as it turns out, what happened: then nothing that is left
    /// would ever bring somebody home whom every fix shows there. So one story always takes the receiver at its word, as
    /// unlikely as a story may be that is kept, and every further fix that bears it out makes it likelier.
    fn add_at_its_word(&mut self, seen: &Seen, noise: Noise) {
        let is_borne_out = |guess: &Guess| {
            let (place, uncertain) = guess.place();
            let off = (place[0] - seen.x[0]).powi(2) + (place[1] - seen.x[1]).powi(2);
            !guess.is_phantom() && off < 9.0 * (uncertain + noise.narrow) + DOUBTED
        };
        if self.len == 0 || self.guesses().iter().any(is_borne_out) {
            return;
        }
        // The last place is kept for it.
        self.guesses[self.len] = Guess::shown(seen.x, noise.narrow, self.guesses[0].weight - UNLIKELY);
        self.len += 1;
    }
}

/// More stories than can be kept, until the best are chosen.
struct Crowd<const ROOM: usize> {
    guesses: [Guess; ROOM],
    len: usize,
    best: f32,
}

/// So many stories one may become at most.
const CHILDREN_MAX: usize = 6;
const CROWD_MAX: usize = GUESSES_MAX * CHILDREN_MAX;
/// So many stories somebody mostly has at most.
const FEW: usize = 3;
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

impl<const ROOM: usize> Crowd<ROOM> {
    const fn new() -> Self {
        Self { guesses: [NOBODY; ROOM], len: 0, best: f32::NEG_INFINITY }
    }

    fn add(&mut self, guess: Guess) {
        if guess.weight > self.best - FORGET && self.len < ROOM {
            self.best = self.best.max(guess.weight);
            self.guesses[self.len] = guess;
            self.len += 1;
        }
    }

    /// The best, those that tell the same story about the same place made one.
    fn settle(&self) -> Kept {
        // Places are sorted, not stories, which are large.
        let mut order = [(f32::NEG_INFINITY, 0_u8); ROOM];
        for (place, number) in order[..self.len].iter_mut().zip(0_u8..) {
            *place = (self.guesses[usize::from(number)].weight, number);
        }
        order[..self.len].sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut kept = [NOBODY; GUESSES_MAX];
        let mut len = 0;
        for (weight, number) in &order[..self.len] {
            if *weight < self.best - FORGET {
                break;
            }
            let guess = &self.guesses[usize::from(*number)];
            if let Some(twin) = kept[..len].iter_mut().find(|kept| is_alike(kept, guess)) {
                merge(twin, guess);
            } else if len < GUESSES_MAX - 1 {
                kept[len] = *guess;
                len += 1;
            }
        }
        let total: f32 = kept[..len].iter().map(|guess| exp(guess.weight - self.best)).sum();
        let scale = ln(total);
        for guess in &mut kept[..len] {
            // In this order: what fits badly in every story has numbers too large for what is between them.
            guess.weight = (guess.weight - self.best) - scale;
        }
        Kept { guesses: kept, len }
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
    let share = 1.0 / (1.0 + exp(b.weight - a.weight));
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
    a.weight -= ln(share);
}
