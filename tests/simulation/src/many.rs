//! Many seeds, on every core that there is.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::{Failure, Keep, Size, play};

/// How often each thing happened.
pub type Tally = BTreeMap<&'static str, u64>;

/// Plays every seed below `end` and sums up what happened, or tells the first that failed, with its decisions.
pub fn play_all(size: Size, end: u64) -> Result<Tally, Failure> {
    let stride = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let stop = AtomicBool::new(false);
    let played: Vec<_> = thread::scope(|scope| {
        let stop = &stop;
        let runs: Vec<_> =
            (0..stride).map(|first| scope.spawn(move || play_some(size, first, stride, end, stop))).collect();
        runs.into_iter().map(|run| run.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let mut sum = Tally::new();
    for tally in played {
        add(&mut sum, tally?);
    }
    Ok(sum)
}

/// Plays every `stride`th seed until one fails here or elsewhere; that one again, with its decisions kept.
fn play_some(size: Size, first: u64, stride: u64, end: u64, stop: &AtomicBool) -> Result<Tally, Failure> {
    let mut sum = Tally::new();
    let mut seed = first;
    while seed < end && !stop.load(Ordering::Relaxed) {
        let Ok(outcome) = play(size, seed, Keep::Nothing) else {
            stop.store(true, Ordering::Relaxed);
            return play(size, seed, Keep::Lines).map(|outcome| outcome.tally);
        };
        add(&mut sum, outcome.tally);
        seed += stride;
    }
    Ok(sum)
}

fn add(sum: &mut Tally, tally: Tally) {
    for (what, times) in tally {
        *sum.entry(what).or_default() += times;
    }
}
