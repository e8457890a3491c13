//! Any bytes in a message: see `gateway::codec::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::codec::fuzz::publish("owntracks", bytes));
