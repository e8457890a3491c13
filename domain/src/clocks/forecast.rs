//! What is to be expected of a month by what is known of it.
//!
//! How many calls there will be is how many there were, drawn on in a straight line. How many of the rest will be
//! late is the beta-binomial distribution with Jeffreys' prior: as many as before, give or take what so few cases
//! can say. It knows no hours of the day and no surges.

use jiff::Timestamp;

use super::{Share, Tally};

/// Before this much of a month has passed, it is taken to have.
const SETTLES_AFTER_S: i64 = 3_600;

/// How much of a month is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// Now, or any later moment.
    pub now: Timestamp,
}

/// What is to be expected of a target by the end of the month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// So many calls will have counted.
    pub expected: u32,
    /// So many of them may be late.
    pub allowed: u32,
    /// So many more may be late. Below nothing: the share will not be met, if no more calls come than expected.
    pub spare: i64,
    /// How likely it is that the share is not met in the end, 0 to 1.
    pub risk: f64,
}

impl Forecast {
    /// By a tally so far; `None` while there is nothing to go by.
    pub fn of(tally: &Tally, share: Share, progress: Progress) -> Option<Self> {
        let known = tally.counted() + tally.running;
        if known == 0 {
            return None;
        }
        let expected = progress.extend(known);
        let allowed = share.allows(expected);
        let further = expected - tally.counted();
        let risk = allowed.checked_sub(tally.missed).map_or(1.0, |left| more_than(left, further, tally));
        Some(Self { expected, allowed, spare: i64::from(allowed) - i64::from(tally.missed), risk })
    }
}

impl Progress {
    /// What a number will have become at the end, if it goes on as it has. Never less than it is.
    fn extend(self, so_far: u32) -> u32 {
        let whole = self.until.duration_since(self.from).as_secs();
        let passed = self.now.duration_since(self.from).as_secs().clamp(0, whole);
        // What came in the first minutes says nothing of the rest.
        let passed = passed.max(SETTLES_AFTER_S.min(whole)).max(1);
        let extended = i128::from(so_far) * i128::from(whole) / i128::from(passed);
        u32::try_from(extended).unwrap_or(u32::MAX).max(so_far)
    }
}

/// How likely it is that more than `allowed` of `further` calls are late.
///
/// The beta-binomial probabilities follow one another by a factor; in logarithms, because the first may be smaller
/// than a float can be.
fn more_than(allowed: u32, further: u32, tally: &Tally) -> f64 {
    if allowed >= further {
        return 0.0;
    }
    let (late, good) = (f64::from(tally.missed) + 0.5, f64::from(tally.met) + 0.5);
    let mut log: f64 = (0..further).map(|i| ((good + f64::from(i)) / (late + good + f64::from(i))).ln()).sum();
    let mut kept = 0.0;
    for number in 0..=allowed {
        kept += log.exp();
        let n = f64::from(number);
        let rest = f64::from(further - number);
        log += (rest / (n + 1.0) * (late + n) / (good + rest - 1.0)).ln();
    }
    (1.0_f64 - kept).clamp(0.0, 1.0)
}
