//! The HTTP API as its callers meet it: a real server on a real database.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod access;
mod access_points;
mod aftercare;
mod appointments;
mod centre;
mod clocks;
mod commands;
mod connections;
mod contracts;
mod deliveries;
mod doors;
mod drills;
mod fence_rules;
mod fences;
mod hooks;
mod house;
mod incidents;
mod ladders;
mod live;
mod map;
mod offers;
mod orders;
mod pages;
mod profiles;
mod records;
mod refusals;
mod repeats;
mod responders;
mod scores;
mod sessions;
mod shifts;
mod silence;
mod site;
mod usual;
