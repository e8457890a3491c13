//! A small world of its own: a wearer, and a receiver that errs.

use std::f64::consts::TAU;

use super::*;

/// SplitMix64: the same seed means the same days for ever.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are as many as there are")]
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.share()
    }

    pub(super) fn normal(&mut self, sigma: f64) -> f64 {
        sigma * (-2.0 * self.share().max(1e-300).ln()).sqrt() * (TAU * self.share()).cos()
    }

    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.next() % len as u64).unwrap()
    }
}

/// What a terminal tells of somebody whose true place (metres east and north of `home`) is given for every second, from
/// `begin` to `end`: drift, access points, masts, flashes, phantoms of some minutes.
pub(super) fn told(
    random: &mut Random,
    home: Position,
    seconds: std::ops::Range<i64>,
    interval: f64,
    place: impl Fn(f64) -> (f64, f64),
) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let (mut drift, mut phantom, mut phantom_until) = ((0.0, 0.0), (0.0, 0.0), -1.0);
    #[expect(clippy::cast_precision_loss, reason = "some days in seconds")]
    let (mut at, end) = (seconds.start as f64, seconds.end as f64);
    while at < end {
        let kept = (-interval / 400.0_f64).exp();
        let change = 14.0 * (1.0 - kept * kept).sqrt();
        drift = (drift.0 * kept + random.normal(change), drift.1 * kept + random.normal(change));
        if at > phantom_until && random.share() < 0.003 {
            phantom_until = at + random.between(1.0, 500.0);
            let (angle, far) = (random.between(0.0, TAU), random.between(60.0, 400.0));
            phantom = (far * angle.cos(), far * angle.sin());
        }
        let (east, north) = place(at);
        let (source, claimed, east, north) = match random.share() {
            roll if roll < 0.2 => {
                let claimed = random.between(25.0, 70.0);
                (Source::Wifi, claimed, east + random.normal(claimed / 2.0), north + random.normal(claimed / 2.0))
            }
            roll if roll < 0.26 => {
                let claimed = random.between(300.0, 1200.0);
                (Source::Cell, claimed, east + random.normal(claimed / 2.0), north + random.normal(claimed / 2.0))
            }
            _ => {
                let off = if at < phantom_until { phantom } else { (0.0, 0.0) };
                let sigma = random.between(3.0, 9.0);
                let (east, north) = (east + drift.0 + off.0, north + drift.1 + off.1);
                (Source::Gnss, random.between(4.0, 14.0), east + random.normal(sigma), north + random.normal(sigma))
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "seconds of some days")]
        let mut told = fix(spot(home, east, north), at as i64);
        (told.source, told.accuracy) = (source, Some(Metres(claimed)));
        fixes.push(told);
        at += interval * random.between(0.8, 1.2);
    }
    fixes
}
