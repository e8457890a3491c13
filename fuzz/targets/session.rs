//! Any bytes at the door: see `broker::fuzz`, which says what an input is made of.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| broker::fuzz::say(bytes));
