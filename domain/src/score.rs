//! What a provider's work in a period was worth, from counted facts: the score card.
//!
//! A handful of cases proves nothing, so no number comes without its uncertainty, and a provider is held to be under a
//! contract's floor only when even the *upper* end of the interval is below it ([`judge`]): three bad ratings condemn
//! nobody.
//!
//! - Shares have a Wilson score interval at 95 % (E. B. Wilson, *Probable Inference, the Law of Succession, and
//!   Statistical Inference*, JASA 22 (1927), 209–212; Brown, Cai & `DasGupta`, *Interval Estimation for a Binomial
//!   Proportion*, Statistical Science 16 (2001), 101–133, recommend it for small numbers).
//! - Stars have the posterior mean of a multinomial with a Dirichlet prior, and a normal approximation of its 95 %
//!   credible interval (Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 3.4; for stars: E. Miller, *Ranking
//!   Items With Star Ratings*, 2014). The prior is worth [`PRIOR_RATINGS`] ratings: see [`Ratings::estimate`].
//! - Complaints are counted over the cases served, as a share.
//!
//! Who counts what, over which days, is the store's business.

#[cfg(test)]
mod tests;

use jiff::SignedDuration;

use crate::word::words;

/// The 97.5 % point of the normal distribution: two-sided 95 %.
const Z: f64 = 1.959_963_984_540_054;
/// How many ratings of each number of stars a provider is presumed to have before the first, from one to five: people
/// rate high or very low, and a provider of whom nothing is known is an ordinary one (4.5 stars).
const PRIOR: [f64; 5] = [0.2, 0.3, 0.5, 2.3, 6.7];
/// How many ratings the presumption is worth.
pub const PRIOR_RATINGS: f64 = 10.0;
/// What somebody may be late and still count as on time: lifts, doors, a stopped clock.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// What was counted of a provider's work.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    /// Offers that were answered, or were not in time. What was withdrawn before counts for nothing.
    pub asked: u32,
    /// Those of them that were accepted.
    pub accepted: u32,
    /// Cases that somebody saw through: they were there.
    pub served: u32,
    /// Cases that somebody had accepted and then left without having been there.
    pub left: u32,
    /// How late each arrival was, against what was promised when it was accepted. Negative: early.
    pub lateness: Vec<SignedDuration>,
    /// Of the cases served, how many were complained of.
    pub complaints: u32,
    /// Of the cases served, how they were rated.
    pub ratings: Ratings,
}

/// How many ratings there are of each number of stars, from one to five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ratings(pub [u32; 5]);

/// A number that is not known exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The best guess.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How many cases it rests upon.
    pub cases: u32,
}

/// A share of `cases`, with its Wilson interval; `None` without cases.
pub fn share(cases_with: u32, cases: u32) -> Option<Estimate> {
    if cases == 0 {
        return None;
    }
    let (n, p) = (f64::from(cases), f64::from(cases_with.min(cases)) / f64::from(cases));
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // Rounding must not take the ends beyond what can be.
    Some(Estimate { value: p, low: (middle - half).clamp(0.0, p), high: (middle + half).clamp(p, 1.0), cases })
}

impl Ratings {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.iter().sum()
    }

    /// The plain mean; `None` without ratings.
    pub fn mean(&self) -> Option<f64> {
        let stars: f64 = (1..).zip(self.0).map(|(stars, n)| f64::from(stars) * f64::from(n)).sum();
        (self.count() > 0).then(|| stars / f64::from(self.count()))
    }

    /// The posterior mean of the stars, shrunk towards 4.5 by ten presumed ratings, with its credible interval. Without a
    /// rating it is the presumption alone, and nobody can be judged by it; so `None` then.
    pub fn estimate(&self) -> Option<Estimate> {
        let cases = self.count();
        if cases == 0 {
            return None;
        }
        let weight = PRIOR_RATINGS + f64::from(cases);
        let moment = |power: i32| -> f64 {
            (1..)
                .zip(PRIOR.iter().zip(self.0))
                .map(|(stars, (prior, n))| f64::from(stars).powi(power) * (prior + f64::from(n)) / weight)
                .sum()
        };
        let mean = moment(1);
        let spread = ((moment(2) - mean * mean) / (weight + 1.0)).sqrt();
        let (low, high) = ((mean - Z * spread).max(1.0), (mean + Z * spread).min(5.0));
        Some(Estimate { value: mean, low, high, cases })
    }
}

/// A provider's score card.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Card {
    /// Offers accepted, of those answered or not.
    pub acceptance: Option<Estimate>,
    /// Arrivals no later than promised and [`GRACE`].
    pub on_time: Option<Estimate>,
    /// How late the middle one of the arrivals was.
    pub lateness_median: Option<SignedDuration>,
    /// Cases seen through, of those accepted.
    pub completion: Option<Estimate>,
    /// Cases complained of, of those served.
    pub complaints: Option<Estimate>,
    /// The stars.
    pub rating: Option<Estimate>,
}

/// Draws up a card.
pub fn card(counts: &Counts) -> Card {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let in_time = counts.lateness.iter().filter(|late| **late <= GRACE).count();
    Card {
        acceptance: share(counts.accepted, counts.asked),
        on_time: share(count(in_time), count(counts.lateness.len())),
        lateness_median: median(&counts.lateness),
        completion: share(counts.served, counts.served.saturating_add(counts.left)),
        complaints: share(counts.complaints, counts.served),
        rating: counts.ratings.estimate(),
    }
}

/// The middle one; of an even number, half-way between the two in the middle.
fn median(durations: &[SignedDuration]) -> Option<SignedDuration> {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted[sorted.len() / 2 - 1];
    Some(lower + (upper - lower) / 2)
}

words! {
    /// What a contract can ask for.
    pub enum Measure ("measure") {
        /// The least share of offers accepted.
        Acceptance = "acceptance",
        /// The least share of arrivals as promised.
        OnTime = "on_time",
        /// The least share of accepted cases seen through.
        Completion = "completion",
        /// The greatest share of cases complained of.
        Complaints = "complaints",
        /// The least number of stars.
        Rating = "rating",
    }
}

/// The floors of a contract. None: nothing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Floors {
    /// A share, 0 to 1.
    pub acceptance_min: Option<f64>,
    /// A share, 0 to 1.
    pub on_time_min: Option<f64>,
    /// A share, 0 to 1.
    pub completion_min: Option<f64>,
    /// A share, 0 to 1: complaints must not be more.
    pub complaints_max: Option<f64>,
    /// Stars, 1 to 5.
    pub rating_min: Option<f64>,
}

/// A floor that a provider is under, beyond doubt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// Of what.
    pub measure: Measure,
    /// What the contract asks for.
    pub floor: f64,
    /// What was found.
    pub found: Estimate,
}

impl Breach {
    /// The reason as a sentence.
    pub fn sentence(&self) -> String {
        let Self { measure, floor, found: Estimate { value, low, high, cases } } = *self;
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        match measure {
            Measure::Rating => format!(
                "{value:.1} stars from {cases} ratings (95 %: {low:.1} to {high:.1}) are under the {floor:.1} of the contract"
            ),
            Measure::Complaints => format!(
                "complaints about {} of {cases} cases (95 %: {} to {}) are over the {} of the contract",
                percent(value),
                percent(low),
                percent(high),
                percent(floor)
            ),
            Measure::Acceptance | Measure::OnTime | Measure::Completion => {
                let what = match measure {
                    Measure::Acceptance => "offers accepted",
                    Measure::OnTime => "arrivals as promised",
                    _ => "accepted cases seen through",
                };
                format!(
                    "{what}: {} of {cases} (95 %: {} to {}), under the {} of the contract",
                    percent(value),
                    percent(low),
                    percent(high),
                    percent(floor)
                )
            }
        }
    }
}

/// Every floor that a provider is under beyond doubt. One is enough to be flagged for replacement.
pub fn judge(card: &Card, floors: &Floors) -> Vec<Breach> {
    let at_least = |measure, found: Option<Estimate>, floor: Option<f64>| {
        found.zip(floor).filter(|(found, floor)| found.high < *floor).map(|(found, floor)| Breach {
            measure,
            floor,
            found,
        })
    };
    let at_most = |measure, found: Option<Estimate>, ceiling: Option<f64>| {
        found.zip(ceiling).filter(|(found, ceiling)| found.low > *ceiling).map(|(found, floor)| Breach {
            measure,
            floor,
            found,
        })
    };
    [
        at_least(Measure::Acceptance, card.acceptance, floors.acceptance_min),
        at_least(Measure::OnTime, card.on_time, floors.on_time_min),
        at_least(Measure::Completion, card.completion, floors.completion_min),
        at_most(Measure::Complaints, card.complaints, floors.complaints_max),
        at_least(Measure::Rating, card.rating, floors.rating_min),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How much later than they would a provider's people are taken to arrive when somebody is to be asked first: nothing for
/// one who keeps the contract, two minutes for one floor broken, a minute more for each further. So whoever is good comes
/// first where both are near, and nobody in need loses the only one who can come.
pub fn handicap(breaches: &[Breach]) -> SignedDuration {
    match i64::try_from(breaches.len()) {
        Ok(0) => SignedDuration::ZERO,
        Ok(broken) => SignedDuration::from_mins(broken + 1),
        Err(_) => SignedDuration::from_mins(6),
    }
}
