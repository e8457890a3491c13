//! How receivers err: what a fix says of where somebody is, and how loudly.
//!
//! No source is believed as it claims. Each has a narrow error, mostly, and a wide one, sometimes; what a satellite
//! receiver does wrong for minutes on end (drift, a phantom hundreds of metres away) is not here but a part of what is
//! guessed ([`super::guess::Guess`]), because then the next fix is no new witness.

use super::quick::{exp, ln};
use super::seen::Seen;
use crate::place::Source;

/// A normal error with a second, wider one in a share of the fixes. Variances for each axis, m².
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Noise {
    /// Mostly.
    pub(super) narrow: f32,
    /// Sometimes.
    pub(super) wide: f32,
    /// How often, 0 to 1.
    pub(super) wide_share: f32,
}

impl Noise {
    /// A phantom made of echoes trembles, whatever it claims.
    pub(super) fn in_echoes(self) -> Self {
        Self { narrow: self.narrow + square(10.0), wide: self.wide + square(20.0), ..self }
    }
}

const fn square(number: f32) -> f32 {
    number * number
}

/// Beyond these a claim of accuracy means nothing, in metres.
const CLAIM: (f32, f32) = (3.0, 300.0);

/// The error of a fix, drift and phantoms apart.
pub(super) fn of(seen: &Seen) -> Noise {
    if seen.source == Source::Gnss { gnss(seen.claimed()) } else { other(seen.source, seen.claimed()) }
}

/// What is beside drift in a satellite fix. A claim is a radius that holds for two fixes in three, by most makers'
/// word, but a receiver knows only the sky it sees, not the walls that reflect: 4 m are added.
fn gnss(claimed: Option<f32>) -> Noise {
    let claimed = claimed.unwrap_or(20.0).clamp(CLAIM.0, CLAIM.1);
    let narrow = square(0.6 * claimed) + square(4.0);
    Noise { narrow, wide: 9.0 * narrow + square(20.0), wide_share: 0.12 }
}

/// Access points, masts, and what does not say how it was come by: (share of the claim, floor, claim when there is
/// none, wide error, how often).
const fn coarse(source: Source) -> (f32, f32, f32, f32, f32) {
    match source {
        // An access point may have moved house since it was mapped.
        Source::Wifi => (0.6, 12.0, 60.0, 1_500.0, 0.04),
        Source::Beacon => (0.6, 8.0, 30.0, 300.0, 0.02),
        Source::Told | Source::Home => (0.6, 20.0, 100.0, 1_000.0, 0.1),
        // A mast is heard on the far side of a hill, or over a lake.
        Source::Cell => (0.7, 150.0, 1_200.0, 6_000.0, 0.06),
        Source::Gnss | Source::Unknown => (0.7, 50.0, 1_000.0, 4_000.0, 0.08),
    }
}

/// The error of a fix that is no satellite fix.
fn other(source: Source, claimed: Option<f32>) -> Noise {
    let (share, floor, usual, wide, wide_share) = coarse(source);
    let narrow = square(share * claimed.unwrap_or(usual).min(50_000.0)) + square(floor);
    Noise { narrow, wide: 4.0 * narrow + square(wide), wide_share }
}

/// The density of a place's two coordinates being off by a distance whose square is `miss`, given what was uncertain
/// before, and the single variance by which it is best weighed.
pub(super) fn weigh(noise: Noise, uncertain: f32, miss: f32) -> (f32, f32) {
    let one = |variance: f32| {
        let sure = variance.recip();
        exp(-0.5 * miss * sure) * sure
    };
    let narrow = (1.0 - noise.wide_share) * one(uncertain + noise.narrow);
    let wide = noise.wide_share * one(uncertain + noise.wide);
    let both = narrow + wide;
    if both <= f32::MIN_POSITIVE {
        // Farther off than either can explain: what is left is the slope of the wider one.
        return (ABSURD - 0.5 * miss / (uncertain + noise.wide), noise.wide);
    }
    // The mean of their trusts, turned over with one division: this is done more often than anything else here.
    let variance = both * noise.narrow / (narrow + wide * (noise.narrow / noise.wide));
    (ln(both) - LN_TAU, variance)
}

/// How well (a logarithm) a fix fits at best, whatever is known.
pub(super) fn at_best(noise: Noise) -> f32 {
    -ln(1.0 + noise.narrow) - LN_TAU
}

/// How likely (0 to 1) a fix was wrong in its wide way that lay off by a distance whose square is `miss`.
pub(super) fn is_wrong(noise: Noise, uncertain: f32, miss: f32) -> f32 {
    let (narrow, wide) = (uncertain + noise.narrow, uncertain + noise.wide);
    let odds = (1.0 - noise.wide_share) / noise.wide_share * wide / narrow
        * exp(-0.5 * miss * (narrow.recip() - wide.recip()));
    (1.0 + odds).recip()
}

/// How well (a logarithm) what was wrong fits that is wrong in the same way again.
pub(super) fn wrong_again(noise: Noise) -> f32 {
    ln(WRONG_AGAIN / (TAU * noise.narrow))
}

/// How often the same access point or mast that was wrong is wrong again.
const WRONG_AGAIN: f32 = 0.9;
/// The logarithm of a density that stands for "does not happen".
const ABSURD: f32 = -100.0;
const TAU: f32 = std::f32::consts::TAU;
const LN_TAU: f32 = 1.837_877;

/// The density of a phantom: a receiver that has begun to show another place, `miss` (a square, m²) away. Heavy-tailed:
/// a Cauchy-like density in the plane with half of all within 200 m.
pub(super) fn phantom(miss: f32) -> f32 {
    const SCALE: f32 = 150.0 * 150.0;
    -2.0 * ln(1.0 + miss / (2.0 * SCALE)) - ln(TAU * SCALE)
}
