//! The dispatcher: the only owner of the database. Takes reports in, decides what follows, sends what
//! was decided, and serves the HTTP API and the console.
//!
//! Who may do what, and where, is decided in [`access`].
//! [`desk`] is the shell around `domain`'s decision, [`intake`] the commit behind every "received",
//! [`ticker`] wakes what is due, `planner` says who is best asked, [`outbox`] sends what was decided. All SQL is in
//! [`store`].

pub mod access;
pub mod alarm;
pub mod canary;
pub mod checkins;
pub mod clock;
mod commands;
pub mod config;
pub mod contact;
pub mod desk;
pub mod directory;
mod doors;
mod fences;
pub mod hooks;
pub mod http;
pub mod intake;
mod letters;
mod lines;
pub mod live;
pub mod outbox;
pub mod photo;
mod planner;
mod positions;
pub mod presence;
mod rehearsal;
pub mod rules;
pub mod start;
pub mod store;
pub mod ticker;
mod together;
pub mod usual;
pub mod watchdog;
mod ways;
