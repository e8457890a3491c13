//! Waiting for conditions, never for time.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Generous for anything that should happen at once: the machine may be busy with other tests.
pub const SOON: Duration = Duration::from_mins(2);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks again and again until there is something to see.
pub async fn until<T>(what: impl Display, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        sleep(LOOK_EVERY).await;
    }
}

/// As [`until`], for a condition.
pub async fn until_so(what: impl Display, within: Duration, mut look: impl AsyncFnMut() -> bool) {
    until(what, within, async || look().await.then_some(())).await;
}
