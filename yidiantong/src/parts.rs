//! What runs for as long as a process does, and what is done meanwhile.

use std::convert::Infallible;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What runs for as long as the process does.
#[derive(Default)]
pub(crate) struct Parts(JoinSet<anyhow::Result<()>>);

impl Parts {
    /// One more. It is to end only when it is told to.
    pub(crate) fn spawn(&mut self, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.0.spawn(part);
    }

    /// One more, which cannot fail.
    pub(crate) fn keep(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        self.spawn(async move {
            part.await;
            Ok(())
        });
    }

    /// Does something while the parts run. `None` when it is time to stop; an error when a part ends by itself.
    pub(crate) async fn meanwhile<T>(
        &mut self,
        stop: &CancellationToken,
        doing: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Option<T>> {
        tokio::select! {
            () = stop.cancelled() => Ok(None),
            done = doing => done.map(Some),
            Some(ended) = self.0.join_next() => match ended {
                Ok(Ok(())) => anyhow::bail!("a part of the system has ended by itself"),
                Ok(Err(cause)) => Err(cause),
                Err(cause) => Err(cause).context("a part of the system has broken down"),
            },
        }
    }

    /// Lets the parts run until it is time to stop.
    pub(crate) async fn until(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        self.meanwhile(stop, std::future::pending::<anyhow::Result<Infallible>>()).await.map(drop)
    }

    /// Waits until all have ended, which they have been told to.
    pub(crate) async fn ended(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
}
