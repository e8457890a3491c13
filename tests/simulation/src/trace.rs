//! What happened, for whoever looks for the reason of a failure, and a number that stands for it.

use std::fmt::{self, Write};

use jiff::Timestamp;

/// How much of a run is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: the fast way through thousands of seeds.
    Nothing,
    /// A number that two runs of a seed must have in common.
    Hash,
    /// Every decision, to read.
    Lines,
}

/// The story of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    keep: Keep,
    hash: Fnv,
    lines: Vec<String>,
}

impl Trace {
    pub(crate) const fn new(keep: Keep) -> Self {
        Self { keep, hash: Fnv(0xcbf2_9ce4_8422_2325), lines: Vec::new() }
    }

    pub(crate) fn note(&mut self, now: Timestamp, line: impl FnOnce() -> String) {
        match self.keep {
            Keep::Nothing => {}
            Keep::Hash => drop(write!(self.hash, "{now} {}", line())),
            Keep::Lines => self.lines.push(format!("{now} {}", line())),
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash.0
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

/// FNV-1a: small, and the same for ever, as a seed is.
#[derive(Debug)]
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
