//! `yidiantong serve`: broker, gateway, dispatcher and console in one process, over a database of
//! one's own or a private cluster that starts and stops with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use dispatcher::config::{CentreConfig, Config as DeskConfig};
use dispatcher::desk::Desk;
use dispatcher::http::Api;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::directory::Directory;

use crate::cluster::{self, Cluster};
use crate::demo::{self, Demo};
use crate::join::{InProcess, ThroughGateway};
use crate::settings::{CentreSettings, Settings};

/// The name of the one front door and the one gateway of a process that holds everything.
const NAME: &str = "one";
/// Connections to the database: deciders, outbox, intake, consoles.
const CONNECTIONS_MAX: u32 = 24;
/// A database that is away at the start is asked again this often.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked whether the directory has been published.
const LISTED_EVERY: Duration = Duration::from_millis(20);

/// What to serve besides the settings.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// An outside database; none: a private cluster in the data folder.
    pub database_url: Option<String>,
    /// What of the demonstration is wanted.
    pub demo: demo::Wanted,
    /// Where to write, as JSON, under which addresses everything is reached.
    pub ready_file: Option<PathBuf>,
    /// See [`broker::Acknowledge`].
    pub acknowledge: broker::Acknowledge,
}

/// Where everything is reached.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Ready {
    /// Terminals.
    pub mqtt: SocketAddr,
    /// Console and API.
    pub http: String,
    /// This process.
    pub pid: u32,
    /// The postmaster of the private cluster.
    pub postmaster: Option<u32>,
    /// How to reach the database.
    pub database: String,
    /// Who can log in and which terminals there are, in a demonstration.
    pub demo: Option<Demo>,
}

/// Serves until `stop` is cancelled, or a part ends by itself, which is an error.
pub async fn serve(settings: Settings, options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    // Before anything opens: whoever has set a centre up wrongly is to see that, and nothing else.
    let centres = settings.centres.iter().map(CentreSettings::link).collect::<Result<Vec<_>, _>>();
    let centres = centres.context("a centre is not set up right")?;
    tokio::fs::create_dir_all(&settings.data)
        .await
        .with_context(|| format!("the data folder {} cannot be made", settings.data.display()))?;
    // The front door opens first, with the directory that it keeps on disk: terminals can connect while
    // the database is still coming up. It also closes first, so that nobody is told anything by half of
    // a system.
    let front_stop = CancellationToken::new();
    let front = FrontDoor::open(&settings, &options, &front_stop).await?;

    let cluster_stop = CancellationToken::new();
    let cluster = match options.database_url {
        Some(_) => None,
        None => Some(start_cluster(&settings, &stop, &cluster_stop).await?),
    };
    let served = serve_over(&settings, &options, centres, front, cluster.as_ref(), &stop, &front_stop).await;
    front_stop.cancel();
    cluster_stop.cancel();
    if let Some(cluster) = cluster {
        cluster.stopped().await.context("the private database did not stop in order")?;
    }
    served
}

/// Broker and gateway, who they let in, and the gateway's view of the dispatcher, which opens later.
struct FrontDoor {
    directory: Arc<Directory>,
    broker: broker::Broker,
    gateway: gateway::Gateway,
    in_process: Arc<InProcess>,
}

impl FrontDoor {
    async fn open(settings: &Settings, options: &Options, stop: &CancellationToken) -> anyhow::Result<Self> {
        let directory = Arc::new(Directory::default());
        let config = broker::Config {
            door: NAME.into(),
            listen: settings.mqtt_listen,
            bus_listen: settings.bus_listen,
            data_dir: Some(settings.data.clone()),
            acknowledge: options.acknowledge,
            ..broker::Config::default()
        };
        let broker =
            broker::start(config, Arc::clone(&directory), stop.clone()).await.context("the broker does not start")?;
        let in_process = Arc::new(InProcess::default());
        let gateway = gateway::start(
            gateway::Config::new(NAME, broker.bus_addr()),
            Arc::clone(&directory),
            Arc::clone(&in_process) as Arc<dyn gateway::Dispatcher>,
            stop.clone(),
        )
        .await
        .context("the gateway does not start")?;
        Ok(Self { directory, broker, gateway, in_process })
    }
}

/// A private cluster in the data folder. Being asked to stop meanwhile stops it in order.
async fn start_cluster(
    settings: &Settings,
    stop: &CancellationToken,
    cluster_stop: &CancellationToken,
) -> anyhow::Result<Cluster> {
    let mut starting = std::pin::pin!(cluster::start(&settings.data, cluster_stop.clone()));
    let started = tokio::select! {
        started = &mut starting => started,
        () = stop.cancelled() => {
            cluster_stop.cancel();
            starting.await
        }
    };
    started.context("the private database does not start")
}

async fn serve_over(
    settings: &Settings,
    options: &Options,
    centres: Vec<CentreConfig>,
    front: FrontDoor,
    cluster: Option<&Cluster>,
    stop: &CancellationToken,
    front_stop: &CancellationToken,
) -> anyhow::Result<()> {
    let database = match (&options.database_url, cluster) {
        (Some(url), _) => url.parse::<PgConnectOptions>().context("DATABASE_URL is no PostgreSQL address")?,
        (None, Some(cluster)) => cluster.options(),
        (None, None) => anyhow::bail!("there is no database"),
    };
    let listener = TcpListener::bind(settings.http_listen)
        .await
        .with_context(|| format!("{} cannot be listened on", settings.http_listen))?;
    let public_url = match &settings.public_url {
        Some(url) => url.clone(),
        None => format!("http://{}", listener.local_addr()?),
    };
    let Some((pool, seeded)) = open_database(database, settings, options, stop).await? else { return Ok(()) };

    let desk_stop = CancellationToken::new();
    let far_ends = demo::start_far_ends(seeded.as_ref(), &public_url, options.demo, desk_stop.clone()).await?;
    let desk = Desk::new(
        pool,
        Arc::new(DeskConfig {
            public_url: public_url.clone(),
            call_back_phone: settings.call_back_phone.clone(),
            centres: centres.into_iter().chain(far_ends.centre.clone()).collect(),
            alarm_hook: settings.alarm_hook.clone(),
            map: settings.map.clone(),
            ..DeskConfig::default()
        }),
    );
    front.in_process.open(desk.clone());
    let ready = Ready {
        mqtt: front.broker.mqtt_addr(),
        http: public_url,
        pid: std::process::id(),
        postmaster: cluster.and_then(|cluster| *cluster.postmaster().borrow()),
        database: match (&options.database_url, cluster) {
            (Some(url), _) => url.clone(),
            (None, cluster) => cluster.map(|cluster| cluster.url().to_owned()).unwrap_or_default(),
        },
        demo: seeded,
    };

    let terminals = Arc::new(ThroughGateway(front.gateway.notifier()));
    let directory = front.directory;
    let mut parts = JoinSet::new();
    parts.spawn(async move { front.broker.stopped().await.context("the broker has ended") });
    parts.spawn(async move { front.gateway.stopped().await.context("the gateway has ended") });
    parts.spawn({
        let (desk, directory, stop) = (desk.clone(), Arc::clone(&directory), desk_stop.clone());
        async move { dispatcher::start::run(desk, terminals, directory, stop).await.context("the dispatcher has ended") }
    });
    parts.spawn({
        let stop = desk_stop.clone();
        async move { dispatcher::http::serve(listener, Api::new(desk), stop).await.context("the HTTP API has ended") }
    });
    let announcing = async {
        // Who types what is printed the moment it is printed must be let in.
        listed(&directory).await;
        announce(&ready, options.ready_file.as_deref()).await?;
        std::future::pending::<anyhow::Result<()>>().await
    };

    let ended_early = tokio::select! {
        () = stop.cancelled() => None,
        ended = parts.join_next() => ended,
        Err(cause) = announcing => Some(Ok(Err(cause))),
    };
    info!("stopping");
    front_stop.cancel();
    desk_stop.cancel();
    while parts.join_next().await.is_some() {}
    far_ends.stopped().await;
    match ended_early {
        None => Ok(()),
        Some(Ok(Ok(()))) => anyhow::bail!("a part of the system has ended by itself"),
        Some(Ok(Err(cause))) => Err(cause),
        Some(Err(cause)) => Err(cause).context("a part of the system has broken down"),
    }
}

/// Connects, brings the tables up to date, and puts in what a demonstration wants. A database that is
/// away, or goes away meanwhile, is waited for, with the front door open; one that is not fit is an error.
async fn open_database(
    database: PgConnectOptions,
    settings: &Settings,
    options: &Options,
    stop: &CancellationToken,
) -> anyhow::Result<Option<(sqlx::PgPool, Option<Demo>)>> {
    loop {
        let opening = async {
            let pool = dispatcher::start::connect(database.clone(), CONNECTIONS_MAX).await?;
            dispatcher::start::prepare(&pool).await.context("the database cannot be used")?;
            let seeded = demo::seed(&pool, &settings.data, options.demo).await;
            anyhow::Ok((pool, seeded.context("the demonstration cannot be set up")?))
        };
        let opened = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            opened = opening => opened,
        };
        match opened {
            Ok(opened) => return Ok(Some(opened)),
            Err(cause) if is_away(&cause) => warn!(cause = format!("{cause:#}"), "the database is away"),
            Err(cause) => return Err(cause),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(ASK_AGAIN_AFTER) => {}
        }
    }
}

fn is_away(cause: &anyhow::Error) -> bool {
    cause.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()).any(dispatcher::store::is_away)
}

/// Resolves once the front door knows who may connect.
async fn listed(directory: &Directory) {
    while directory.version().is_none() {
        tokio::time::sleep(LISTED_EVERY).await;
    }
}

async fn announce(ready: &Ready, ready_file: Option<&std::path::Path>) -> anyhow::Result<()> {
    demo::print(ready);
    if let Some(path) = ready_file {
        // Whole or not at all: whoever waits for the file reads it at once.
        let part = path.with_extension("part");
        tokio::fs::write(&part, serde_json::to_vec_pretty(ready)?).await?;
        tokio::fs::rename(&part, path).await?;
    }
    Ok(())
}
