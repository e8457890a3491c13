//! Keeps a directory up to date from a dispatcher, in this process or another. While that is away, what is known stays.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::directory::{Directory, Update};

/// A dispatcher that did not answer is asked again after this.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often it is looked whether the directory has been published.
const LISTED_EVERY: Duration = Duration::from_millis(20);
/// How often the copy of a directory that changes is written: it is written whole.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Whether the dispatcher answered when it was asked last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Arc<AtomicBool>);

impl Answers {
    pub(crate) fn yes(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Follows until `stop`. `ask` is told the version that is held, and how many questions in a row had no answer; it
/// answers when there is news, or after a while.
pub(crate) async fn follow<A, E>(
    directory: Arc<Directory>,
    ask: impl Fn(Option<i64>, u32) -> A + Send,
    answers: Answers,
    stop: CancellationToken,
) where
    A: Future<Output = Result<Update, E>> + Send,
    E: Display + Send,
{
    // What was read from disk may be from another database: begin with everything.
    let (mut from, mut failures) = (None, 0);
    loop {
        let Some(answer) = stop.run_until_cancelled(ask(from, failures)).await else { return };
        answers.0.store(answer.is_ok(), Ordering::Relaxed);
        match answer {
            Ok(update) => {
                let to = update.to;
                if from.is_none() || failures > 0 {
                    info!(told = update.upserts.len() + update.removed.len(), "the directory is up to date");
                }
                failures = 0;
                from = match directory.apply(update) {
                    Ok(()) => Some(to),
                    Err(gap) => {
                        warn!(%gap, "the directory is asked for anew");
                        None
                    }
                };
            }
            Err(cause) => {
                if failures == 0 {
                    warn!(%cause, "the directory cannot be followed; what is known stays");
                }
                failures = failures.saturating_add(1);
                if stop.run_until_cancelled(tokio::time::sleep(ASK_AGAIN_AFTER)).await.is_none() {
                    return;
                }
            }
        }
    }
}

/// Resolves once it is known who may connect.
pub(crate) async fn listed(directory: &Directory) {
    while directory.version().is_none() {
        tokio::time::sleep(LISTED_EVERY).await;
    }
}

/// Keeps a copy of the directory on disk until `stop`.
pub(crate) async fn keep_copy(directory: Arc<Directory>, path: PathBuf, stop: CancellationToken) {
    let mut kept = directory.edition();
    loop {
        let is_over = stop.run_until_cancelled(tokio::time::sleep(SAVE_EVERY)).await.is_none();
        let edition = directory.edition();
        if edition != kept {
            let (directory, path) = (Arc::clone(&directory), path.clone());
            match tokio::task::spawn_blocking(move || directory.save(&path)).await {
                Ok(Ok(())) => kept = edition,
                Ok(Err(cause)) => warn!(%cause, "the copy of the directory cannot be written"),
                Err(cause) => warn!(%cause, "writing the copy of the directory broke off"),
            }
        }
        if is_over {
            return;
        }
    }
}
