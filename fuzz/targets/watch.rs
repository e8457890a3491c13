//! Any bytes on a terminal's connection: see `gateway::codec::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::codec::fuzz::say(wire::directory::Dialect::Watch, bytes));
