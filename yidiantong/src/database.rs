//! The database of a process that has a desk: somebody else's, or a private cluster that starts and stops with it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::cluster::{self, Cluster};
use crate::demo::{self, Demo};

/// A database that is away at the start is asked again this often.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
const NO_CLUSTER: &str = "the private database does not start";

/// Where the tables are. It need not be there yet.
pub(crate) enum Database {
    /// One of somebody else's, by its address.
    Given(String),
    /// A private cluster in the data folder, and what stops it.
    Private(Box<Cluster>, CancellationToken),
}

impl Database {
    pub(crate) async fn start(data: &Path, url: Option<&str>) -> anyhow::Result<Self> {
        if let Some(url) = url {
            return Ok(Self::Given(url.to_owned()));
        }
        let stop = CancellationToken::new();
        let cluster = cluster::start(data, stop.clone()).await.context(NO_CLUSTER)?;
        Ok(Self::Private(Box::new(cluster), stop))
    }

    pub(crate) fn options(&self) -> anyhow::Result<PgConnectOptions> {
        match self {
            Self::Given(url) => url.parse().context("DATABASE_URL is no PostgreSQL address"),
            Self::Private(cluster, _) => Ok(cluster.options()),
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Given(url) => url,
            Self::Private(cluster, _) => cluster.url(),
        }
    }

    /// Whether its processes are on this machine, and ours to rank.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self, Self::Private(..))
    }

    pub(crate) fn postmaster(&self) -> Option<u32> {
        match self {
            Self::Given(_) => None,
            Self::Private(cluster, _) => *cluster.postmaster().borrow(),
        }
    }

    /// Waits until it makes sense to ask it.
    async fn is_up(&self) {
        if let Self::Private(cluster, _) = self {
            cluster.answers().await;
        }
    }

    /// Ends with an error when it is certain that there is none, and well when told to stop.
    pub(crate) fn lost(&self, stop: CancellationToken) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let over = match self {
            Self::Given(_) => None,
            Self::Private(cluster, _) => Some(cluster.over()),
        };
        async move {
            let Some(over) = over else {
                stop.cancelled().await;
                return Ok(());
            };
            stop.run_until_cancelled(over).await.map_or(Ok(()), |()| Err(anyhow::anyhow!("there is no database")))
        }
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Self::Private(cluster, stop) = self else { return Ok(()) };
        let context = if cluster.is_over() { NO_CLUSTER } else { "the private database did not stop in order" };
        stop.cancel();
        cluster.stopped().await.context(context)
    }
}

/// Brings the tables up to date, and puts in what a demonstration wants. A database that is away, or goes away
/// meanwhile, is waited for; one that is not fit is an error.
pub(crate) async fn prepare(
    database: &Database,
    pool: &PgPool,
    data: &Path,
    wanted: demo::Wanted,
) -> anyhow::Result<Option<Demo>> {
    database.is_up().await;
    loop {
        let preparing = async {
            dispatcher::start::prepare(pool).await.context("the database cannot be used")?;
            let seeded = demo::seed(pool, data, wanted).await;
            seeded.context("the demonstration cannot be set up")
        };
        match preparing.await {
            Err(cause) if is_away(&cause) => warn!(cause = format!("{cause:#}"), "the database is away"),
            prepared => return prepared,
        }
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
}

fn is_away(cause: &anyhow::Error) -> bool {
    cause.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()).any(dispatcher::store::is_away)
}
