//! When a battery will be flat, from the levels that its terminal told.

use jiff::{SignedDuration, Timestamp};

/// A level that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// When.
    pub at: Timestamp,
    /// 0–100.
    pub pct: u8,
}

/// When it will be flat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// At about this time, if it goes on like this.
    pub flat_at: Timestamp,
    /// It loses so much, in per cent an hour.
    pub pct_per_hour: f64,
}

/// Levels beyond these, the latest of them, are not looked at.
pub const LEVELS_MAX: usize = 48;
/// So many levels are needed to see how fast it falls.
const LEVELS_MIN: usize = 3;
/// They are that far apart, at least.
const SPAN_MIN: SignedDuration = SignedDuration::from_mins(60);
/// And it has fallen so far, in per cent: less may be a reading that wavers.
const FALL_MIN: u8 = 3;
/// A rise of so many per cent is a charger; of less, a reading that wavers.
const RISE_MIN: u8 = 3;
/// Terminals switch themselves off before nothing is left, in per cent.
const FLAT_PCT: f64 = 2.0;
/// What is further off nobody can tell.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24 * 60);

/// When it will be flat, from levels in the order of their times; `None` while it charges, and while too little is known.
///
/// The rate is the middle one of those between any two levels since it was charged: single readings that jump move it
/// little.
pub fn forecast(levels: &[Level]) -> Option<Forecast> {
    let levels = &levels[levels.len().saturating_sub(LEVELS_MAX)..];
    let levels = since_charged(levels);
    let (first, last) = (levels.first()?, levels.last()?);
    let is_long_enough = last.at.duration_since(first.at) >= SPAN_MIN;
    if levels.len() < LEVELS_MIN || !is_long_enough || first.pct.saturating_sub(last.pct) < FALL_MIN {
        return None;
    }
    let mut rates: Vec<f64> = levels
        .iter()
        .enumerate()
        .flat_map(|(place, earlier)| levels[place + 1..].iter().map(move |later| (earlier, later)))
        .filter(|(earlier, later)| later.at > earlier.at)
        .map(|(earlier, later)| {
            let hours = later.at.duration_since(earlier.at).as_secs_f64() / 3600.0;
            (f64::from(earlier.pct) - f64::from(later.pct)) / hours
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let pct_per_hour = *rates.get(rates.len() / 2)?;
    if pct_per_hour <= 0.0 {
        return None;
    }
    let hours = (f64::from(last.pct) - FLAT_PCT).max(0.0) / pct_per_hour;
    let left = SignedDuration::try_from_secs_f64(hours * 3600.0).ok().filter(|left| *left <= AHEAD_MAX)?;
    Some(Forecast { flat_at: last.at + left, pct_per_hour })
}

/// The levels since it came off the charger.
fn since_charged(levels: &[Level]) -> &[Level] {
    // Slow chargers rise by single per cents: what counts is the rise over the lowest level so far.
    let (mut begun, mut lowest, mut is_rising) = (0, u8::MAX, false);
    for place in 0..levels.len() {
        let pct = without_jump(levels, place);
        if pct >= lowest.saturating_add(RISE_MIN) || is_rising && pct >= lowest {
            (begun, is_rising) = (place, true);
            lowest = pct;
        } else {
            is_rising = false;
            lowest = lowest.min(pct);
        }
    }
    &levels[begun..]
}

/// The middle one of a level and those before and after it: one reading that is too low, as while a terminal sends, is not
/// followed by a charger.
fn without_jump(levels: &[Level], place: usize) -> u8 {
    let [before, after] = [place.checked_sub(1), Some(place + 1)].map(|near| near.and_then(|near| levels.get(near)));
    let pct = levels[place].pct;
    let (Some(before), Some(after)) = (before, after) else { return pct };
    pct.clamp(before.pct.min(after.pct), before.pct.max(after.pct))
}
