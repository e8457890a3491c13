//! The incident core in virtual time.
//!
//! A seed stands for a small district and everything that goes wrong in it for twenty minutes: wearers who
//! press again and again, responders who keep silent or take their yes back, centres that refuse or lie,
//! operators who come and go, a process that vanishes. After every decision the invariants of `domain` and
//! the properties of [`property`] are checked; the first that does not hold ends the run, and the seed
//! plays it again.
//!
//! No clock, no threads inside a run, no database: the whole world is a function of its seed.

mod agenda;
pub mod dice;
mod people;
pub mod property;
mod trace;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::trace::Keep;
use self::trace::Trace;
use self::world::World;

/// What came of a run in which everything held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Stands for everything that was decided; 0 unless asked for.
    pub hash: u64,
    /// How often each thing happened that a simulation must not miss.
    pub tally: BTreeMap<&'static str, u64>,
}

/// Something that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
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
        write!(f, "seed {}: {}\nplay it again: SIM_SEED={} cargo test -p simulation", self.seed, self.broken, self.seed)
    }
}

/// Plays one seed.
pub fn play(seed: u64, keep: Keep) -> Result<Outcome, Failure> {
    let mut world = World::new(seed, Trace::new(keep));
    // A core that panics has broken a promise like any other, and the seed must be told.
    let broken = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(Ok(())) => return Ok(Outcome { hash: world.trace.hash(), tally: world.tally }),
        Ok(Err(broken)) => format!("{}: {}", broken.name, broken.what),
        Err(_) => "SIM-0 NeverPanics: the core panicked".to_owned(),
    };
    Err(Failure { seed, broken, lines: world.trace.into_lines() })
}
