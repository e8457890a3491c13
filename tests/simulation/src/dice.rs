//! The simulation's own source of chance.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), written
//! here because a seed in a bug report must mean the same run for ever: no upgrade of a library may
//! change it. A test holds the published values.

use jiff::SignedDuration;
use uuid::Uuid;

/// A generator that is nothing but its seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The generator that `seed` stands for.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is small beside 2⁶⁴, so that the bias of the remainder is none.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// Whether something happens that happens so often in a hundred.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// An index into something that is `len` long.
    #[expect(clippy::cast_possible_truncation, reason = "less than `len`, which is a usize")]
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// One of several.
    pub const fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// A span of time, to the millisecond.
    #[expect(clippy::cast_possible_wrap, reason = "less than `most_ms`, which is an i64")]
    pub const fn span(&mut self, least_ms: i64, most_ms: i64) -> SignedDuration {
        SignedDuration::from_millis(least_ms + self.below((most_ms - least_ms + 1).unsigned_abs()) as i64)
    }

    /// A new identity.
    pub const fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.roll(), self.roll())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut dice = Dice::new(1_234_567);
        let rolled: [u64; 5] = std::array::from_fn(|_| dice.roll());
        assert_eq!(
            rolled,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn a_span_keeps_to_its_ends() {
        let mut dice = Dice::new(7);
        for _ in 0..1000 {
            let span = dice.span(3, 5).as_millis();
            assert!((3..=5).contains(&span));
        }
    }
}
