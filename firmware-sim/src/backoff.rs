//! How long to wait before trying a far end again.

use std::time::Duration;

/// Doubles from `first` up to `most`. Each wait is shortened by up to half at random, so that many
/// simulated terminals do not come back in the same instant.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `first`, never waits longer than `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// How long to wait this time.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = (self.next * 2).min(self.most);
        wait
    }

    /// The far end answered: the next wait is short again.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_start_again_after_an_answer() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let waits: Vec<_> = (0..20).map(|_| backoff.wait()).collect();
        assert!(waits[0] <= Duration::from_millis(100));
        assert!(waits[19] >= Duration::from_millis(500) && waits[19] <= Duration::from_secs(1));
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(100));
    }
}
