//! Exponential and logarithm to six figures, a few nanoseconds each: a fix that must be pondered takes a hundred of them.
//! They are the same on every machine, which those of the machine's library are not.

/// Digits of a number behind its first.
const BITS: u32 = 23;

/// Right to three in ten million of itself. Nothing, of what would be smaller than a normal number.
pub(super) fn exp(number: f32) -> f32 {
    let doublings = number * std::f32::consts::LOG2_E;
    if doublings < -125.0 {
        return 0.0;
    }
    let doublings = doublings.min(126.0);
    #[expect(clippy::cast_possible_truncation, reason = "between -125 and 126")]
    let whole = (doublings + 0.5_f32.copysign(doublings)) as i32;
    #[expect(clippy::cast_precision_loss, reason = "between -125 and 126")]
    let part = (doublings - whole as f32) * std::f32::consts::LN_2;
    // A half doubling at most: six terms of the series, by twos, so that none waits for more than three others.
    let square = part * part;
    let series = (1.0 + part)
        + square
            * ((0.5 + part * (1.0 / 6.0)) + square * ((1.0 / 24.0 + part * (1.0 / 120.0)) + square * (1.0 / 720.0)));
    #[expect(clippy::cast_sign_loss, reason = "at least 2")]
    let scale = f32::from_bits(((whole + 127) as u32) << BITS);
    scale * series
}

/// Right to some ten millionths. Of what is no normal number above nothing, that of the smallest.
pub(super) fn ln(number: f32) -> f32 {
    let bits = number.max(f32::MIN_POSITIVE).to_bits();
    // From the root of a half to the root of two, so that the series is short on both sides.
    let shifted = bits.wrapping_sub(std::f32::consts::FRAC_1_SQRT_2.to_bits());
    #[expect(clippy::cast_possible_wrap, clippy::cast_precision_loss, reason = "an exponent")]
    let doublings = ((shifted as i32) >> BITS) as f32;
    let part = f32::from_bits((shifted & ((1 << BITS) - 1)) + std::f32::consts::FRAC_1_SQRT_2.to_bits());
    let ratio = (part - 1.0) / (part + 1.0);
    let square = ratio * ratio;
    let series = 2.0 * ratio * (1.0 + square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0))));
    doublings * std::f32::consts::LN_2 + series
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_the_library_says(number in -80.0..80.0f32, other in 1e-30..1e30f32) {
            prop_assert!((exp(number) / number.exp() - 1.0).abs() < 2e-5, "{number}");
            prop_assert!((ln(other) - other.ln()).abs() < 2e-6 * other.ln().abs().max(1.0), "{other}");
        }
    }

    #[test]
    fn what_is_too_small_or_large_is_nothing_or_very_much() {
        assert!(exp(-1e9) <= 0.0 && exp(f32::NEG_INFINITY) <= 0.0);
        assert!(exp(1e9) > 1e37 && exp(1e9).is_finite());
        assert!(ln(0.0) < -87.0 && ln(0.0).is_finite());
    }
}
