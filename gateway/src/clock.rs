//! The one place of this crate that reads the wall clock and makes ids.

use jiff::Timestamp;
use uuid::Uuid;

/// Now, by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the crate's one clock module")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// A new id that sorts by time.
#[expect(clippy::disallowed_methods, reason = "this is the crate's one clock module")]
pub(crate) fn new_id() -> Uuid {
    Uuid::now_v7()
}
