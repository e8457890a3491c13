//! The line inside the dispatcher, on a real database.
#![expect(clippy::unwrap_used, reason = "tests")]

mod canary;
mod channels;
mod district;
mod faults;
mod fences;
mod letters;
mod orders;
mod presses;
mod who_can_go;
