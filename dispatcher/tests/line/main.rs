//! The line inside the dispatcher, on a real database.
#![expect(clippy::unwrap_used, reason = "tests")]

mod canary;
mod centres;
mod channels;
mod checkins;
mod commands;
mod concentrators;
mod district;
mod erasure;
mod faults;
mod fences;
mod ladders;
mod letters;
mod many;
mod orders;
mod plan;
mod positions;
mod presence;
mod presses;
mod retention;
mod usual;
mod who_can_go;
