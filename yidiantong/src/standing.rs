//! Keeps the dispatchers told how a front door stands.

use std::fmt::Display;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wire::door::{SAYS_EVERY, Standing};

/// Tells it again and again until `stop`. What could not be told is not kept: the next time says it all.
pub(crate) async fn tell<T, E>(
    standing: impl Fn() -> Standing + Send,
    tell: impl Fn(Standing) -> T + Send,
    stop: CancellationToken,
) where
    T: Future<Output = Result<(), E>> + Send,
    E: Display + Send,
{
    let mut turns = tokio::time::interval(SAYS_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_told = true;
    while stop.run_until_cancelled(turns.tick()).await.is_some() {
        let Some(told) = stop.run_until_cancelled(tell(standing())).await else { return };
        if is_told && let Err(cause) = &told {
            warn!(%cause, "nobody can be told how the front door stands");
        }
        is_told = told.is_ok();
    }
}
