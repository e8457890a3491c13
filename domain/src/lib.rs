//! The words and the decisions of 一点通.
//!
//! Everything in this crate is a pure function of its arguments: it performs no I/O, reads no clock,
//! draws no randomness and cannot be serialised (serialisation freezes a type, so it belongs to the
//! boundary: `wire` for processes, `dispatcher::store` for the database). Its `[dependencies]` are
//! the proof.
//!
//! Start with [`incident`]: the life of a call for help.

pub mod aftercare;
pub mod checkin;
pub mod clocks;
pub mod datum;
pub mod dispatch;
pub mod fence;
pub mod hours;
pub mod id;
pub mod incident;
pub mod invariant;
pub mod order;
pub mod place;
pub mod presence;
pub mod press;
pub mod rules;
pub mod score;
pub mod usual;
pub mod whereabouts;
pub mod word;
