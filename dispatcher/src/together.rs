//! What many tasks write down one at a time, in as few statements as they come at once: when they are few each is written
//! at once and alone, and when they are many none pays for a statement and a commit of its own.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::store::StoreError;

/// Where lines are written, several at a time.
pub(crate) trait Book: Send + Sync {
    /// What is written.
    type Line: Send + Sync;

    /// Writes all of them, or none.
    fn write(&self, lines: &[Self::Line]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A line, and who waits for it to be written.
type Waiting<L> = (L, oneshot::Sender<Result<(), StoreError>>);

/// Hands lines to whoever writes them.
pub(crate) struct Writing<L>(mpsc::Sender<Waiting<L>>);

/// Whoever writes them.
pub(crate) struct Writer<L> {
    lines: mpsc::Receiver<Waiting<L>>,
    at_once: usize,
}

/// Both ends; at most so many lines are written at once.
pub(crate) fn writing<L>(at_once: usize) -> (Writing<L>, Writer<L>) {
    let (sender, lines) = mpsc::channel(at_once);
    (Writing(sender), Writer { lines, at_once })
}

impl<L> Clone for Writing<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<L> Writing<L> {
    /// Returns when the line is written.
    pub(crate) async fn write(&self, line: L) -> Result<(), StoreError> {
        let gone = || StoreError::from(sqlx::Error::WorkerCrashed);
        let (told, written) = oneshot::channel();
        self.0.send((line, told)).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

impl<L: Send + Sync> Writer<L> {
    /// Writes what comes until nobody has anything to write any more. When several cannot be written together, each is
    /// written alone, so that one bad line holds up no other.
    pub(crate) async fn write_into(mut self, book: impl Book<Line = L>) {
        let mut some = Vec::with_capacity(self.at_once);
        while self.lines.recv_many(&mut some, self.at_once).await > 0 {
            let (lines, waiting): (Vec<L>, Vec<_>) = some.drain(..).unzip();
            match book.write(&lines).await {
                Err(cause) if lines.len() > 1 => {
                    warn!(%cause, lines = lines.len(), "several could not be written together and are written one by one");
                    for (line, told) in lines.iter().zip(waiting) {
                        // Whoever waits for it no more does not need to know.
                        let _ = told.send(book.write(std::slice::from_ref(line)).await);
                    }
                }
                // Of the only one, or of all of them, when all of them are written.
                outcome => {
                    let mut outcome = Some(outcome);
                    for told in waiting {
                        let _ = told.send(outcome.take().unwrap_or(Ok(())));
                    }
                }
            }
        }
    }
}
