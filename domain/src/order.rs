//! Daily help that is wanted at a later time: when the case for it is opened.
//!
//! Until then it is an appointment, which can be changed and cancelled; who does so, and for whom, is the shell's.

use jiff::{SignedDuration, Timestamp};

/// The case is opened this long before help is wanted, so that somebody is found and is there in time.
pub const LEAD: SignedDuration = SignedDuration::from_mins(60);
/// Nobody plans further ahead.
pub const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Why a time cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is past.
    #[error("that time is past")]
    Past,
    /// It is too far away.
    #[error("that time is more than 90 days ahead")]
    TooFar,
}

/// When the case for help that is wanted at `wanted_at` is opened; at once when that is soon.
pub fn opens_at(wanted_at: Timestamp, now: Timestamp) -> Result<Timestamp, Refusal> {
    if wanted_at < now {
        return Err(Refusal::Past);
    }
    if wanted_at.duration_since(now) > AHEAD_MAX {
        return Err(Refusal::TooFar);
    }
    Ok(now.max(wanted_at - LEAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_opened_an_hour_before_help_is_wanted_or_at_once_when_that_is_soon() {
        let now = Timestamp::UNIX_EPOCH;
        let opens = |minutes| opens_at(now + SignedDuration::from_mins(minutes), now);
        let after = |minutes| Ok(now + SignedDuration::from_mins(minutes));
        assert_eq!([opens(0), opens(59), opens(60), opens(61)], [after(0), after(0), after(0), after(1)]);
        assert_eq!(opens(24 * 60 * 90), after(24 * 60 * 90 - 60));
    }

    #[test]
    fn what_is_past_or_too_far_ahead_is_refused() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(opens_at(now - SignedDuration::from_secs(1), now), Err(Refusal::Past));
        assert_eq!(opens_at(now + AHEAD_MAX + SignedDuration::from_secs(1), now), Err(Refusal::TooFar));
    }
}
