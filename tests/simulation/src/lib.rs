//! The incident core in virtual time.
//!
//! A seed stands for a small district and everything that goes wrong in it for twenty minutes: wearers who
//! press again and again, responders who keep silent or take their yes back, centres that refuse or lie,
//! operators who come and go, a process that vanishes. After every decision the invariants of `domain` and
//! the properties of [`property`] are checked; the first that does not hold ends the run, and the seed
//! plays it again.
//!
//! The same world has a larger scene: a day of a whole city, with a map, a realistic curve of calls and the plan for
//! everybody (`city`, `day`).
//!
//! No clock, no threads inside a run, no database: the whole world is a function of its seed.

mod agenda;
mod city;
mod day;
pub mod dice;
mod district;
mod jump;
mod many;
mod people;
pub mod property;
mod tally;
mod trace;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::many::{Tally, play_all};
pub use self::trace::Keep;
use self::trace::Trace;
use self::world::World;

/// What came of a run in which everything held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Stands for everything that was decided; 0 unless asked for.
    pub hash: u64,
    /// How often each thing happened that a simulation must not miss.
    pub tally: Tally,
}

/// Of a whole day nobody reads more than what came last.
const LINES_OF_A_CITY: usize = 2_000;

/// What a seed stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A small district for twenty minutes.
    District,
    /// A whole city for a day.
    City,
}

impl Size {
    /// The setting that plays one seed of it.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::District => "SIM_SEED",
            Self::City => "CITY_SEED",
        }
    }
}

/// Something that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was played.
    pub size: Size,
    /// The run that shows it.
    pub seed: u64,
    /// What did not hold, by name.
    pub broken: String,
    /// The decisions that led to it.
    pub lines: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        let Self { size, seed, broken, .. } = self;
        write!(f, "seed {seed}: {broken}\nplay it again: {}={seed} cargo test -p simulation", size.setting())
    }
}

/// Plays one seed.
pub fn play(size: Size, seed: u64, keep: Keep) -> Result<Outcome, Failure> {
    let trace = Trace::new(keep);
    let mut world = match size {
        Size::District => World::district(seed, trace),
        Size::City => World::city(seed, trace),
    };
    // A core that panics has broken a promise like any other, and the seed must be told.
    let broken = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(Ok(())) => return Ok(Outcome { hash: world.trace.hash(), tally: world.tally }),
        Ok(Err(broken)) => format!("{}: {}", broken.name, broken.what),
        Err(_) => "SIM-0 NeverPanics: the core panicked".to_owned(),
    };
    let mut lines = world.trace.into_lines();
    if size == Size::City {
        lines.drain(..lines.len().saturating_sub(LINES_OF_A_CITY));
    }
    Err(Failure { size, seed, broken, lines })
}
