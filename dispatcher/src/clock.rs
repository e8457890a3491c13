//! The one place of this crate that reads the wall clock and makes identities.
//!
//! Decisions never use it: they take the database's clock, read once in their transaction.

use jiff::Timestamp;
use uuid::Uuid;

/// The wall clock of this machine, for log lines, signatures and measuring how far off others are.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A new identity; later ones sort later.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn fresh_id() -> Uuid {
    Uuid::now_v7()
}

/// Bytes that nobody can guess.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    rand::random()
}
