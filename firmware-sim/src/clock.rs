//! The one place in this crate that reads the wall clock or makes an id.
#![expect(clippy::disallowed_methods, reason = "this is the crate's one clock module")]

use jiff::Timestamp;
use uuid::Uuid;

/// 2020-01-01T00:00:00Z in Unix seconds.
const BOOTS_COUNT_FROM_S: i64 = 1_577_836_800;

/// The time.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A new identity.
pub fn id() -> Uuid {
    Uuid::now_v7()
}

/// A boot number for a simulated terminal that keeps no memory between runs: the seconds since 2020,
/// so each run has a higher one than the last.
pub fn boot() -> u32 {
    u32::try_from(now().as_second() - BOOTS_COUNT_FROM_S).unwrap_or(0)
}
