//! Where somebody is, by the best that is known: satellites, else access points, else the cell, else where they were
//! last, else their home. Each with how sure that is, and how old.
//!
//! A rung is not better because it came later: what the cell says a moment after a satellite fix does not replace it.
//! Only when nothing above is fresh any more does the next one count.

use jiff::{SignedDuration, Timestamp};

use super::{Metres, Position, Source};

/// A place that something says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Where.
    pub place: Position,
    /// How it was come by.
    pub source: Source,
    /// Radius that is claimed; what is usual of the source when nothing is.
    pub accuracy: Option<Metres>,
    /// When it was so, by our clock.
    pub at: Timestamp,
    /// Whether the terminal says that it repeats an old place.
    pub is_old: bool,
}

/// How the best place was come by, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Satellites, a moment ago; or told by a person.
    Gnss,
    /// Access points or beacons with a known place, a moment ago.
    Wifi,
    /// The cell, a moment ago.
    Cell,
    /// Whatever was known last.
    LastKnown,
    /// Where they live, because nothing else is known, or not for a day.
    Home,
}

/// The best that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// Where.
    pub place: Position,
    /// How it was come by in the first place.
    pub source: Source,
    /// Which rung it stands on now.
    pub rung: Rung,
    /// Radius, with what somebody on foot may have gone since.
    pub accuracy: Metres,
    /// How old.
    pub age: SignedDuration,
}

/// A place counts as where somebody is for this long.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// After this long the home is the better guess.
const LAST_KNOWN_MAX: SignedDuration = SignedDuration::from_hours(24);
/// An old person on foot, metres a second.
const WALK_M_S: f64 = 1.0;
/// Nobody walks for longer than this without a word, for the radius of an old place.
const WALK_MAX: SignedDuration = SignedDuration::from_hours(1);
/// A home is a building and its yard.
const HOME_M: f64 = 30.0;

impl Candidate {
    fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.at).max(SignedDuration::ZERO)
    }

    fn rung(&self, now: Timestamp) -> Rung {
        if self.source == Source::Home {
            return Rung::Home;
        }
        if self.is_old || self.age(now) > FRESH {
            return Rung::LastKnown;
        }
        match self.source {
            Source::Gnss | Source::Told => Rung::Gnss,
            Source::Wifi | Source::Beacon => Rung::Wifi,
            // What does not say how it knows is believed no more than a cell.
            Source::Cell | Source::Unknown | Source::Home => Rung::Cell,
        }
    }

    fn accuracy(&self, now: Timestamp) -> Metres {
        let claimed = self.accuracy.filter(|Metres(radius)| radius.is_finite() && *radius > 0.0);
        if self.source == Source::Home {
            return claimed.unwrap_or(Metres(HOME_M));
        }
        let Metres(radius) = claimed.unwrap_or(usual_accuracy(self.source));
        // Until it is stale a place is taken as it is.
        let beyond = (self.age(now) - FRESH).clamp(SignedDuration::ZERO, WALK_MAX);
        Metres(radius + beyond.as_secs_f64() * WALK_M_S)
    }
}

/// The best of these, at `now`; `None` when there is none.
///
/// Of one rung the newest counts, and of two of the same time the more exact. A last known place that is older than a
/// day gives way to a home, when there is one.
pub fn best(candidates: impl IntoIterator<Item = Candidate>, now: Timestamp) -> Option<Best> {
    let rank = |candidate: &Candidate| {
        let (rung, age) = (candidate.rung(now), candidate.age(now));
        // Below the home, which is always as old as we like.
        let stale = rung == Rung::LastKnown && age > LAST_KNOWN_MAX;
        (stale, rung, age)
    };
    let better = |one: &Candidate, other: &Candidate| {
        let by_accuracy = || one.accuracy(now).0.total_cmp(&other.accuracy(now).0);
        rank(one).cmp(&rank(other)).then_with(by_accuracy)
    };
    let best = candidates.into_iter().min_by(better)?;
    Some(Best {
        place: best.place,
        source: best.source,
        rung: best.rung(now),
        accuracy: best.accuracy(now),
        age: best.age(now),
    })
}

/// How far off a fix may be whose receiver does not say. Meant to hold for nineteen of twenty.
const fn usual_accuracy(source: Source) -> Metres {
    Metres(match source {
        // 5 m under the open sky (GPS standard positioning service), several times that between houses.
        Source::Gnss => 30.0,
        // As far as an access point indoors is heard, and its own place is known.
        Source::Wifi => 80.0,
        // Class 1 Bluetooth in the open, with the beacon's own place.
        Source::Beacon => 70.0,
        // Half of a town's distance between masts is some hundred metres, a suburb's over a kilometre. Who
        // does not say how it was come by may mean a cell.
        Source::Cell | Source::Unknown | Source::Home | Source::Told => 1_500.0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_254_400, 0);

    fn candidate(source: Source, seconds_ago: i64) -> Candidate {
        let place = Position::new(28.2282, 112.9388).unwrap();
        Candidate { place, source, accuracy: None, at: NOW - SignedDuration::from_secs(seconds_ago), is_old: false }
    }

    fn rung(candidates: &[Candidate]) -> Rung {
        best(candidates.iter().copied(), NOW).unwrap().rung
    }

    #[test]
    fn each_rung_counts_when_nothing_above_is_fresh() {
        let (gnss, wifi, cell) =
            (candidate(Source::Gnss, 120), candidate(Source::Wifi, 60), candidate(Source::Cell, 1));
        let (old, home) = (candidate(Source::Gnss, 3600), candidate(Source::Home, 0));
        assert_eq!(rung(&[home, old, cell, wifi, gnss]), Rung::Gnss, "what came later is not better for that");
        assert_eq!(rung(&[home, old, cell, wifi]), Rung::Wifi);
        assert_eq!(rung(&[home, old, cell]), Rung::Cell);
        assert_eq!(rung(&[home, old]), Rung::LastKnown);
        assert_eq!(rung(&[home]), Rung::Home);
        assert_eq!(best([], NOW), None);
    }

    #[test]
    fn a_place_that_the_terminal_calls_old_is_no_fix() {
        let repeated = Candidate { is_old: true, ..candidate(Source::Gnss, 5) };
        assert_eq!(rung(&[repeated, candidate(Source::Cell, 5)]), Rung::Cell);
        assert_eq!(rung(&[repeated]), Rung::LastKnown);
    }

    #[test]
    fn after_a_day_the_home_is_the_better_guess() {
        let (day, home) = (24 * 3600, candidate(Source::Home, 0));
        assert_eq!(rung(&[candidate(Source::Gnss, day), home]), Rung::LastKnown);
        assert_eq!(rung(&[candidate(Source::Gnss, day + 1), home]), Rung::Home);
        assert_eq!(rung(&[candidate(Source::Gnss, day + 1)]), Rung::LastKnown, "better than nothing");
    }

    #[test]
    fn an_old_place_is_as_wide_as_somebody_could_have_walked() {
        let radius = |seconds_ago| best([candidate(Source::Gnss, seconds_ago)], NOW).unwrap().accuracy.0;
        assert!((radius(299) - 30.0).abs() < 1e-9);
        assert!((radius(900) - 630.0).abs() < 1e-9);
        assert!((radius(100_000) - 3630.0).abs() < 1e-9);
    }

    #[test]
    fn of_two_of_one_time_the_more_exact_counts_and_a_clock_ahead_is_now() {
        let exact = Candidate { accuracy: Some(Metres(5.0)), ..candidate(Source::Gnss, 0) };
        assert_eq!(best([candidate(Source::Gnss, 0), exact], NOW).unwrap().accuracy, Metres(5.0));
        let ahead = best([candidate(Source::Gnss, -600)], NOW).unwrap();
        assert_eq!((ahead.rung, ahead.age), (Rung::Gnss, SignedDuration::ZERO));
        let claims_nothing = Candidate { accuracy: Some(Metres(0.0)), ..candidate(Source::Cell, 0) };
        assert_eq!(best([claims_nothing], NOW).unwrap().accuracy, Metres(1_500.0));
    }

    proptest! {
        #[test]
        fn more_knowledge_never_makes_the_rung_worse(
            all in prop::collection::vec((0..7_usize, -100..200_000_i64, any::<bool>()), 1..8),
        ) {
            const SOURCES: [Source; 7] =
                [Source::Gnss, Source::Wifi, Source::Cell, Source::Beacon, Source::Unknown, Source::Home, Source::Told];
            let all = all.into_iter().map(|(source, ago, is_old)| Candidate { is_old, ..candidate(SOURCES[source], ago) });
            let all: Vec<Candidate> = all.collect();
            let fewer = best(all.iter().copied().skip(1), NOW);
            let best = best(all.iter().copied(), NOW).unwrap();
            if let Some(fewer) = fewer && (fewer.rung != Rung::LastKnown || fewer.age <= LAST_KNOWN_MAX) {
                prop_assert!(best.rung <= fewer.rung, "{:?} after {:?}", best, fewer);
            }
            prop_assert!(best.accuracy.0 > 0.0 && best.age >= SignedDuration::ZERO);
        }
    }
}
