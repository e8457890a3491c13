//! The town's own source of chance.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), written
//! here because a seed must mean the same town for ever: no upgrade of a library may change it.

/// A generator that is nothing but its seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The generator that `seed` stands for.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The generator of one among many that share a seed.
    pub fn named(seed: u64, name: &str) -> Self {
        let mut dice = Self(seed);
        for byte in name.bytes() {
            dice.0 = dice.roll() ^ u64::from(byte);
        }
        dice
    }

    /// The next 64 bits.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from `least` to `most`, both included.
    pub const fn between(&mut self, least: u32, most: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the remainder fits")]
        let above = (self.roll() % ((most - least) as u64 + 1)) as u32;
        least + above
    }

    /// Whether something happens that happens so often in a hundred.
    pub const fn chance(&mut self, percent: u32) -> bool {
        self.between(1, 100) <= percent
    }

    /// An index into something that is `len` long.
    #[expect(clippy::cast_possible_truncation, reason = "less than `len`, which is a usize")]
    pub const fn index(&mut self, len: usize) -> usize {
        (self.roll() % len as u64) as usize
    }

    /// One of several.
    pub const fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// A fraction from `least` up to `most`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a fraction holds")]
    pub fn within(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * ((self.roll() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// Around 0 with a spread of about 1, and never beyond 3: the sum of some fractions.
    pub fn around(&mut self) -> f64 {
        (0..12).map(|_| self.within(-0.5, 0.5)).sum::<f64>().clamp(-3.0, 3.0)
    }

    /// Puts something in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut dice = Dice::new(1_234_567);
        let published = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(std::array::from_fn(|_| dice.roll()), published);
    }

    #[test]
    fn what_is_thrown_keeps_to_its_ends() {
        let mut dice = Dice::named(7, "P1042");
        for _ in 0..1000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
            assert!((0.5..1.5).contains(&dice.within(0.5, 1.5)));
            assert!(dice.around().abs() <= 3.0);
        }
    }
}
