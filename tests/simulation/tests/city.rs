//! Days of whole cities, each a function of its seed.
//!
//! `CITY_DAYS=2000` plays more of them, `CITY_SEED=17` plays one and prints what happened how often, or the decisions
//! up to the one that was wrong.

use std::time::Instant;

use simulation::{Keep, Size, Tally, play, play_all};

/// Enough for everything that must happen.
const DAYS: u64 = 12;

/// What must have happened on some day, or the days prove less than they say.
const MUST_HAPPEN: [&str; 34] = [
    "120 slow or down",
    "asked beside somebody",
    "capacity held by the database",
    "claim",
    "clock jumps ahead",
    "clock jumps back",
    "close",
    "contact told",
    "decision lost",
    "decision repeated",
    "grid officer due",
    "late yes",
    "lost and replaced",
    "lost, unheard",
    "lost, unmoved",
    "nearer yes",
    "network lost",
    "nobody at a console",
    "nobody to go",
    "order done",
    "order that rings after all",
    "outage",
    "owner gone",
    "plan missing",
    "plan stale",
    "return",
    "somebody late",
    "surge",
    "take-over",
    "taken from daily help by the plan",
    "voice done",
    "voice due",
    "wait for somebody better",
    "whom the plan named",
];

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_day_of_every_city_keeps_every_invariant_and_nothing_is_missed() {
    if let Some(seed) = setting("CITY_SEED") {
        let played = play(Size::City, seed, Keep::Lines).unwrap_or_else(|failure| panic!("{failure}"));
        println!("{:#?}", played.tally);
        return;
    }
    let days = setting("CITY_DAYS").unwrap_or(DAYS);
    let began = Instant::now();
    let sum = play_all(Size::City, days).unwrap_or_else(|failure| panic!("{failure}"));
    let took_s = began.elapsed().as_secs_f64();
    println!("{sum:#?}");
    let count = |what| sum.get(what).copied().unwrap_or(0);
    let [incidents, decisions, checks] = ["incident", "decision", "check"].map(count);
    println!("{days} city-days in {took_s:.1} s: {incidents} incidents, {decisions} decisions, {checks} checks");
    let missed: Vec<_> = MUST_HAPPEN.into_iter().filter(|what| !sum.contains_key(what)).collect();
    assert!(missed.is_empty() || days < DAYS, "never happened: {missed:?}");
}

#[test]
fn a_city_has_three_thousand_residents_and_a_day_a_hundred_incidents() {
    for seed in 100..103 {
        let tally: Tally = play(Size::City, seed, Keep::Nothing).unwrap_or_else(|failure| panic!("{failure}")).tally;
        assert!(tally["resident"] >= 3_000 && tally["incident"] >= 100, "seed {seed}: {tally:#?}");
    }
}

#[test]
fn a_day_is_one_story() {
    let [one, other, next] =
        [200, 200, 201].map(|seed| play(Size::City, seed, Keep::Hash).map_err(|failure| failure.broken));
    assert_eq!(one, other);
    assert_ne!(one, next);
}
