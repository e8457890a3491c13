//! Days in a city, in virtual time: how well the dispatcher sends people, judged by what would have been
//! possible.
//!
//! A city is a file: who can go, what happens, and what each person would answer if they were asked,
//! drawn beforehand, so that every policy meets the same people. [`play`] lets time pass over it with the
//! very code that decides in production (`domain::incident` and `domain::dispatch`); what comes out is
//! one event a line. Scoring them is somebody else's business. Nothing here knows a rule of dispatching.

mod agenda;
mod event;
mod file;
mod play;
#[cfg(test)]
mod tests;

pub use self::event::{Event, What};
pub use self::file::{City, CityError};
pub use self::play::{Play, play};
