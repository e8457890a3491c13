//! What counts beside the way: how good the work is held to be, whether the contract is kept, and whose turn
//! it is. Everything is told in seconds that somebody is put back by, so that it can be weighed against a way.

use jiff::SignedDuration;

/// Each grade below the best puts somebody back by so much: among those who are about equally near the better
/// one goes, and nobody waits long for it.
const GRADE: SignedDuration = SignedDuration::from_secs(10);
/// Of whom nothing is known is as good as most.
const GRADE_UNKNOWN: u8 = 4;
/// The best grade.
pub const GRADE_BEST: u8 = 5;
/// Each job of the last twelve hours puts somebody back by so much…
const JOB: SignedDuration = SignedDuration::from_secs(5);
/// …up to this many.
const JOBS_MAX: u32 = 12;

/// What is known of somebody beside where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quality {
    /// The grade of their provider's contract, from 1 to [`GRADE_BEST`].
    pub grade: Option<u8>,
    /// What a provider below its contract's floor is put back by ([`crate::score::handicap`]).
    pub handicap: SignedDuration,
    /// How many jobs they have had in the last twelve hours.
    pub jobs: u32,
}

/// By how much somebody is put back.
pub fn put_back(quality: &Quality) -> SignedDuration {
    let grade = quality.grade.unwrap_or(GRADE_UNKNOWN).min(GRADE_BEST);
    let jobs = i32::try_from(quality.jobs.min(JOBS_MAX)).unwrap_or_default();
    GRADE * i32::from(GRADE_BEST - grade) + JOB * jobs + quality.handicap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn among_equals_the_better_and_the_less_worked_goes_and_nobody_waits_minutes_for_it() {
        let good = Quality { grade: Some(5), ..Quality::default() };
        let tired = Quality { jobs: 3, ..good };
        let poor = Quality { grade: Some(3), ..good };
        assert_eq!(put_back(&good), SignedDuration::ZERO);
        assert!(put_back(&good) < put_back(&tired) && put_back(&tired) < put_back(&poor));
        assert_eq!(put_back(&Quality::default()), SignedDuration::from_secs(10));
        let worst = Quality { grade: Some(1), jobs: 1000, handicap: SignedDuration::ZERO };
        assert_eq!(put_back(&worst), SignedDuration::from_secs(100));
    }
}
