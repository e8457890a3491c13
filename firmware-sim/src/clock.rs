//! The one place in this crate that reads the wall clock and makes numbers from it.
#![expect(clippy::disallowed_methods, reason = "this is the crate's one clock module")]

use jiff::Timestamp;

/// The time.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A boot number for a simulated terminal that keeps no memory between runs: a count of milliseconds
/// that comes round after 49 days, while a press has to be unique for one.
pub fn boot() -> u32 {
    u32::try_from(now().as_millisecond().rem_euclid(1 << 32)).unwrap_or(0)
}
