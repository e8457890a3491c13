//! Where a wearer may be: a handful of guesses, each a story that explains the fixes so far.
//!
//! A guess says what the person does (rests, walks, rides) and what the receiver does (sees the place, drifting a
//! little; or shows a phantom somewhere else). Each carries a place and one more quantity, jointly normal: a velocity,
//! for one who moves; the receiver's error, for one who rests. The error is what makes five drifting fixes one witness:
//! it changes slowly, so the second fix that is off in the same way is what was expected, and says nothing new.

use super::noise::{self, Noise};
use super::quick::{exp, ln};
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
        /// The person stays, and what the receiver shows slides away from them.
        PhantomSlides = "phantom_slides",
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
    /// How far from the place that is shown, `x`, they really walk, and its variance: of a phantom that walks. Where they
    /// really are, and its variance: of a phantom that slides. Else nothing.
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

/// A stretch of time, and how much of what changes slowly is left at its end, 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Seconds.
    pub(super) dt: f32,
    /// Of a receiver's drift.
    drift: f32,
    /// Of a walker's and a rider's direction.
    walk: f32,
    ride: f32,
}

impl Span {
    pub(super) fn of(dt: f32) -> Self {
        Self { dt, drift: exp(-dt / DRIFT.1), walk: exp(-dt / WALK.1), ride: exp(-dt / RIDE.1) }
    }
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

    /// Somebody who rests where a satellite fix shows them, whose error has such a variance.
    pub(super) const fn shown(x: [f32; 2], variance: f32, weight: f32) -> Self {
        let uu = DRIFT.0 * DRIFT.0;
        // What the fix is off by, the place is off by the other way.
        Self { xx: uu + variance, xu: -uu, ..Self::rests(x, 0.0, weight) }
    }

    /// Where they really are, and the variance of either coordinate.
    pub(super) fn place(&self) -> ([f32; 2], f32) {
        if self.story == Story::PhantomSlides {
            return (self.off, self.off_off);
        }
        (std::array::from_fn(|axis| self.x[axis] - self.off[axis]), self.xx + self.off_off)
    }

    /// Somebody who rests, `dt` seconds on.
    pub(super) fn rests_on(self, dt: f32) -> Self {
        self.drifted(dt, exp(-dt / DRIFT.1))
    }

    fn drifted(mut self, dt: f32, kept: f32) -> Self {
        self.u = self.u.map(|u| u * kept);
        self.xx += ABOUT * dt;
        self.xu *= kept;
        self.uu = self.uu * kept * kept + DRIFT.0 * DRIFT.0 * (1.0 - kept * kept);
        self
    }

    /// The same story some time on.
    pub(super) fn later(mut self, span: Span) -> Self {
        let dt = span.dt;
        match self.story {
            Story::Rests => return self.drifted(dt, span.drift),
            Story::Phantom => {
                self.xx += ABOUT * dt;
                self.uu += CREEP * dt;
            }
            Story::Walks => self.moved(dt, WALK, span.walk),
            Story::PhantomWalks => {
                self.moved(dt, WALK, span.walk);
                self.off_off += CREEP * dt;
            }
            Story::PhantomSlides => {
                self.moved(dt, WALK, span.walk);
                self.off_off += ABOUT * dt;
            }
            Story::Rides => self.moved(dt, RIDE, span.ride),
        }
        self
    }

    /// An Ornstein-Uhlenbeck velocity, integrated exactly.
    fn moved(&mut self, dt: f32, (speed, keeps): (f32, f32), kept: f32) {
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
    pub(super) fn sets_out(mut self, story: Story, dt: f32) -> Self {
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
    pub(super) fn phantom_sets_out(self, dt: f32) -> Self {
        let shown = Self {
            x: std::array::from_fn(|axis| self.x[axis] + self.u[axis]),
            xx: (self.xx + 2.0 * self.xu + self.uu).max(1.0),
            ..self
        };
        Self { story: Story::PhantomWalks, off: self.u, off_off: self.uu, ..shown.sets_out(Story::Walks, dt) }
    }

    /// What shows somebody who rests began to slide away from them.
    pub(super) fn slides_off(self, dt: f32) -> Self {
        let shown = Self {
            x: std::array::from_fn(|axis| self.x[axis] + self.u[axis]),
            xx: (self.xx + 2.0 * self.xu + self.uu).max(1.0),
            ..self
        };
        let (off, off_off) = (self.x, self.xx + ABOUT * dt);
        Self { story: Story::PhantomSlides, off, off_off, ..shown.sets_out(Story::Walks, dt) }
    }

    /// What slid away from somebody stands still.
    pub(super) fn slides_no_more(self, dt: f32) -> Self {
        let (x, xx) = self.place();
        let shown = Self { off: [0.0; 2], off_off: 0.0, ..self.stops(dt) };
        let u = std::array::from_fn(|axis| shown.x[axis] - x[axis]);
        Self { story: Story::Phantom, x, xx, u, uu: xx + shown.xx, xu: -xx, ..shown }
    }

    /// Somebody whose phantom walked with them stopped.
    pub(super) fn phantom_stops(self, dt: f32) -> Self {
        let stopped = self.stops(dt);
        let (x, xx) = stopped.place();
        let (u, uu) = (self.off, self.off_off);
        Self { story: Story::Phantom, x, xx, u, uu, xu: -uu, off: [0.0; 2], off_off: 0.0, ..stopped }
    }

    /// Somebody who moved stopped at some moment of the last `dt` seconds.
    pub(super) fn stops(mut self, dt: f32) -> Self {
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
    pub(super) fn sober(mut self) -> Self {
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

    /// From now on the receiver shows another place, as `seen` does; and how well (a logarithm) it fits.
    pub(super) fn haunted(mut self, seen: &Seen, noise: Noise) -> (Self, f32) {
        if self.story == Story::PhantomSlides {
            self = self.sober();
        }
        let off: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - self.x[axis]);
        let fits = noise::phantom(off[0] * off[0] + off[1] * off[1]);
        if self.story == Story::Walks {
            self.story = Story::PhantomWalks;
            (self.off, self.off_off) = (off, self.xx);
            (self.x, self.xx, self.xu) = (seen.x, noise.narrow, 0.0);
            return (self, fits);
        }
        self.story = Story::Phantom;
        self.u = off;
        self.xu = -self.xx;
        self.uu = self.xx + noise.narrow + 100.0;
        (self, fits)
    }

    /// Whether they stay, and the receiver shows about where.
    pub(super) fn is_at_rest(&self) -> bool {
        self.story == Story::Rests
    }

    /// Whether the receiver shows another place.
    pub(super) const fn is_phantom(&self) -> bool {
        matches!(self.story, Story::Phantom | Story::PhantomWalks | Story::PhantomSlides)
    }

    const fn is_moving(&self) -> bool {
        !matches!(self.story, Story::Rests | Story::Phantom)
    }

    /// How well the fix fits, and what is known after it.
    pub(super) fn fits(mut self, heard: &Heard, noise: Noise) -> Self {
        let (seen, voice) = (&heard.seen, heard.voice);
        let is_gnss = seen.source == Source::Gnss;
        if matches!(self.story, Story::PhantomWalks | Story::PhantomSlides) && !is_gnss {
            return self.fits_aside(heard, noise);
        }
        // A satellite fix of one who rests shows place and error together.
        let with_u = if self.is_moving() || !is_gnss { 0.0 } else { 1.0 };
        let miss: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - self.x[axis] - with_u * self.u[axis]);
        let uncertain = self.xx + with_u * (2.0 * self.xu + self.uu);
        let noise = if self.is_phantom() && is_gnss { noise.in_echoes() } else { noise };
        let (density, variance) = noise::weigh(noise, uncertain, miss[0] * miss[0] + miss[1] * miss[1]);
        self.weight += self.unless_again(heard, noise, voice * density);
        self.weigh_in(miss, with_u, variance / voice);
        self
    }

    /// How well a fix fits that shows where somebody really is while their phantom walks elsewhere.
    fn fits_aside(mut self, heard: &Heard, noise: Noise) -> Self {
        let (seen, voice) = (&heard.seen, heard.voice);
        let (place, uncertain) = self.place();
        let miss: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - place[axis]);
        let (density, variance) = noise::weigh(noise, uncertain, miss[0] * miss[0] + miss[1] * miss[1]);
        self.weight += self.unless_again(heard, noise, voice * density);
        let sum = uncertain + variance / voice;
        if self.story == Story::PhantomSlides {
            self.off = std::array::from_fn(|axis| self.off[axis] + self.off_off / sum * miss[axis]);
            self.off_off = (self.off_off * (1.0 - self.off_off / sum)).max(1.0);
            return self;
        }
        self.x = std::array::from_fn(|axis| self.x[axis] + self.xx / sum * miss[axis]);
        self.off = std::array::from_fn(|axis| self.off[axis] - self.off_off / sum * miss[axis]);
        self.xx *= 1.0 - self.xx / sum;
        self.off_off *= 1.0 - self.off_off / sum;
        self
    }

    /// How well (a logarithm) the same access point or mast again fits, which by itself would fit so well. Who was not
    /// where it showed them the last time, because it is mapped where it is not, expects it to be wrong again;
    /// unless it has been right before.
    fn unless_again(&self, heard: &Heard, noise: Noise, fits: f32) -> f32 {
        let Some(again) = heard.again else { return fits };
        let (place, uncertain) = self.place();
        let off: [f32; 2] = std::array::from_fn(|axis| again.at[axis] - place[axis]);
        let is_wrong = noise::is_wrong(noise, uncertain, off[0] * off[0] + off[1] * off[1]) * (1.0 - again.proven);
        if is_wrong < 0.01 {
            return fits;
        }
        ln((1.0 - is_wrong) * exp(fits) + is_wrong * exp(heard.voice * noise::wrong_again(noise)))
    }

    /// Learns from a fix that is off by `miss` and has an error of so much variance; `with_u` is 1 when it shows place
    /// and receiver's error together, 0 when it shows the place alone.
    pub(super) fn weigh_in(&mut self, miss: [f32; 2], with_u: f32, variance: f32) {
        let (to_x, to_u) = (self.xx + with_u * self.xu, self.xu + with_u * self.uu);
        let sum = to_x + with_u * to_u + variance;
        let (gain_x, gain_u) = (to_x / sum, to_u / sum);
        self.x = std::array::from_fn(|axis| self.x[axis] + gain_x * miss[axis]);
        self.u = std::array::from_fn(|axis| self.u[axis] + gain_u * miss[axis]);
        self.xx = (self.xx - gain_x * to_x).max(1.0);
        self.xu -= gain_x * to_u;
        self.uu = (self.uu - gain_u * to_u).max(1e-3);
    }

    /// How well a told speed fits.
    pub(super) fn fits_speed(mut self, speed: &Speed) -> Self {
        self.weight += match self.story {
            Story::Rests | Story::Phantom | Story::PhantomSlides => speed.rests,
            Story::Walks | Story::PhantomWalks => speed.walks,
            Story::Rides => speed.rides,
        };
        self
    }
}

/// How well (logarithms) a told speed fits each way to go about. A receiver measures it by Doppler, apart from its place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Speed {
    rests: f32,
    walks: f32,
    rides: f32,
}

impl Speed {
    /// The one that fits best.
    pub(super) const fn at_best(&self) -> f32 {
        self.rests.max(self.walks).max(self.rides)
    }

    pub(super) fn of(kmh: Option<f32>) -> Self {
        let Some(kmh) = kmh else { return Self::default() };
        let bell = |mean: f32, sigma: f32| {
            let off = (kmh - mean) / sigma;
            exp(-0.5 * off * off) / (sigma * 2.5)
        };
        let any = if kmh < 8.0 { 0.1 } else { 0.002 };
        let none = 2.0 * bell(0.0, 1.0);
        Self {
            rests: ln(0.78 * none + 0.22 * any),
            // Many receivers show a slow walk as none.
            walks: ln(0.7 * bell(3.5, 1.4) + 0.2 * none + 0.1 * any),
            // A bus stops.
            rides: ln(0.7 * if kmh < 80.0 { 1.0 / 80.0 } else { 1e-4 } + 0.2 * none + 0.1 * any),
        }
    }
}
