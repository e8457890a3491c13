//! Where a wearer may be: a handful of guesses, each a story that explains the fixes so far.
//!
//! A guess says what the person does (rests, walks, rides) and what the receiver does (sees the place, drifting a
//! little; or shows a phantom somewhere else). Each carries a place and one more quantity, jointly normal: a velocity,
//! for one who moves; the receiver's error, for one who rests. The error is what makes five drifting fixes one witness:
//! it changes slowly, so the second fix that is off in the same way is what was expected, and says nothing new.

use super::noise::{self, Noise};
use super::seen::Seen;
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
        if self.story == Story::PhantomSlides {
            return (self.off, self.off_off);
        }
        (std::array::from_fn(|axis| self.x[axis] - self.off[axis]), self.xx + self.off_off)
    }

    /// The same story `dt` seconds on.
    pub(super) fn later(mut self, dt: f32) -> Self {
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
            Story::PhantomSlides => {
                self.moved(dt, WALK);
                self.off_off += ABOUT * dt;
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

    /// From now on the receiver shows another place, as `seen` does.
    pub(super) fn haunted(mut self, seen: &Seen, noise: Noise) -> Self {
        if self.story == Story::PhantomSlides {
            self = self.sober();
        }
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

    const fn is_moving(&self) -> bool {
        !matches!(self.story, Story::Rests | Story::Phantom)
    }

    /// How well the fix fits, and what is known after it. `voice` is how much of a witness the fix is, 0 to 1.
    pub(super) fn fits(mut self, seen: &Seen, noise: Noise, voice: f32) -> Self {
        if matches!(self.story, Story::PhantomWalks | Story::PhantomSlides) && seen.source != Source::Gnss {
            return self.fits_aside(seen, noise, voice);
        }
        let is_direct = self.is_moving() || seen.source != Source::Gnss;
        // A satellite fix of one who rests shows place and error together.
        let with_u = if is_direct { 0.0 } else { 1.0 };
        let miss: [f32; 2] = std::array::from_fn(|axis| seen.x[axis] - self.x[axis] - with_u * self.u[axis]);
        let uncertain = self.xx + with_u * (2.0 * self.xu + self.uu);
        let is_phantom = matches!(self.story, Story::Phantom | Story::PhantomWalks | Story::PhantomSlides);
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

    /// How well a told speed fits, which a receiver measures by Doppler, apart from its place.
    pub(super) fn fits_speed(mut self, kmh: Option<f32>) -> Self {
        let Some(kmh) = kmh else { return self };
        let bell = |mean: f32, sigma: f32| (-0.5 * ((kmh - mean) / sigma).powi(2)).exp() / (sigma * 2.5);
        let any = if kmh < 8.0 { 0.1 } else { 0.002 };
        self.weight += match self.story {
            Story::Rests | Story::Phantom | Story::PhantomSlides => 0.78 * 2.0 * bell(0.0, 1.0) + 0.22 * any,
            // Many receivers show a slow walk as none.
            Story::Walks | Story::PhantomWalks => 0.7 * bell(3.5, 1.4) + 0.2 * 2.0 * bell(0.0, 1.0) + 0.1 * any,
            // A bus stops.
            Story::Rides => 0.7 * if kmh < 80.0 { 1.0 / 80.0 } else { 1e-4 } + 0.2 * 2.0 * bell(0.0, 1.0) + 0.1 * any,
        }
        .ln();
        self
    }
}
