//! The cluster of a data folder for the time of one command: that of the process which has it, else brought up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Cluster, ClusterError, DATABASE, PORT, start};

/// How long a cluster that another process is bringing up is waited for.
const HOST_WITHIN: Duration = Duration::from_secs(30);
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// A cluster that answers.
#[derive(Debug)]
pub enum Visit {
    /// Another process keeps it: the way through its socket.
    Guest(PgConnectOptions),
    /// Nobody did; it was brought up, and the data folder is ours until [`Visit::leave`].
    Host {
        /// The cluster.
        cluster: Cluster,
        /// Ends it.
        stop: CancellationToken,
    },
}

/// Reaches the cluster of `data_dir`. One that is coming up in another process is waited for; cancelling `stop` ends
/// the waiting, and the start.
pub async fn visit(data_dir: &Path, stop: &CancellationToken) -> Result<Visit, ClusterError> {
    let until = Instant::now() + HOST_WITHIN;
    loop {
        let own_stop = stop.child_token();
        match start(data_dir, own_stop.clone()).await {
            Ok(cluster) => {
                if cluster.answers().await.is_none() {
                    cluster.stopped().await?;
                    return Err(ClusterError::Cancelled);
                }
                return Ok(Visit::Host { cluster, stop: own_stop });
            }
            Err(ClusterError::Busy { folder, pid }) => {
                if let Some(options) = socket_of(&folder).map(options_of)
                    && answers(&options).await
                {
                    return Ok(Visit::Guest(options));
                }
                if Instant::now() >= until {
                    return Err(ClusterError::Busy { folder, pid });
                }
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = stop.cancelled() => return Err(ClusterError::Cancelled),
            () = sleep(ASKED_EVERY) => {}
        }
    }
}

impl Visit {
    /// The way to the database.
    pub fn options(&self) -> PgConnectOptions {
        match self {
            Self::Guest(options) => options.clone(),
            Self::Host { cluster, .. } => cluster.options(),
        }
    }

    /// Ends what was brought up for this visit.
    pub async fn leave(self) -> Result<(), ClusterError> {
        match self {
            Self::Guest(_) => Ok(()),
            Self::Host { cluster, stop } => {
                stop.cancel();
                cluster.stopped().await
            }
        }
    }
}

/// The folder of the socket, as the postmaster has written it down: the fifth line.
fn socket_of(data: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(data.join("postgres/postmaster.pid")).ok()?;
    text.lines().nth(4).map(str::trim).filter(|line| !line.is_empty()).map(PathBuf::from)
}

fn options_of(socket: PathBuf) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(socket).port(PORT).username(DATABASE).database(DATABASE)
}

async fn answers(options: &PgConnectOptions) -> bool {
    matches!(timeout(Duration::from_secs(2), options.connect()).await, Ok(Ok(_)))
}
