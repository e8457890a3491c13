//! `yidiantong serve`: broker, gateway, dispatcher and console in one process, over a database of
//! one's own or a private cluster that starts and stops with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use dispatcher::config::Config as DeskConfig;
use dispatcher::desk::Desk;
use dispatcher::http::Api;
use dispatcher::start::StartError;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::directory::Directory;

use crate::cluster;
use crate::demo::{self, Demo};
use crate::join::{InProcess, ThroughGateway};
use crate::settings::Settings;

/// The name of the one front door and the one gateway of a process that holds everything.
const NAME: &str = "one";
/// Connections to the database: deciders, outbox, intake, consoles.
const CONNECTIONS_MAX: u32 = 24;
/// A database that is away at the start is asked again this often.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

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
    tokio::fs::create_dir_all(&settings.data)
        .await
        .with_context(|| format!("the data folder {} cannot be made", settings.data.display()))?;
    let directory = Arc::new(Directory::default());
    let directory_file = settings.data.join("directory.json");
    if let Err(cause) = directory.load(&directory_file) {
        warn!(%cause, "the directory kept on disk cannot be read; terminals wait for the database");
    }

    // What starts first stops last, so that nobody is told anything by half of a system.
    let (front_stop, desk_stop, cluster_stop) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());

    let front = broker::start(
        broker::Config {
            door: NAME.into(),
            listen: settings.mqtt_listen,
            bus_listen: settings.bus_listen,
            data_dir: Some(settings.data.clone()),
            acknowledge: options.acknowledge,
            ..broker::Config::default()
        },
        Arc::clone(&directory),
        front_stop.clone(),
    )
    .await
    .context("the broker does not start")?;
    let in_process = Arc::new(InProcess::default());
    let gateway = gateway::start(
        gateway::Config::new(NAME, front.bus_addr()),
        Arc::clone(&directory),
        Arc::clone(&in_process) as Arc<dyn gateway::Dispatcher>,
        front_stop.clone(),
    )
    .await
    .context("the gateway does not start")?;

    let listener = TcpListener::bind(settings.http_listen)
        .await
        .with_context(|| format!("{} cannot be listened on", settings.http_listen))?;
    let http_addr = listener.local_addr()?;
    let public_url = settings.public_url.clone().unwrap_or_else(|| format!("http://{http_addr}"));

    let (cluster, database) = match &options.database_url {
        Some(url) => (None, url.parse::<PgConnectOptions>().context("DATABASE_URL is no PostgreSQL address")?),
        None => {
            let cluster = cluster::start(&settings.data.join("postgres"), cluster_stop.clone())
                .await
                .context("the private database does not start")?;
            let database = cluster.options();
            (Some(cluster), database)
        }
    };
    let Some(pool) = connect(database, &stop).await? else { return Ok(()) };

    let seeded = demo::seed(&pool, &settings.data, options.demo).await.context("the demonstration cannot be set up")?;
    let simulated = demo::start_far_ends(seeded.as_ref(), &public_url, options.demo, desk_stop.clone()).await?;
    let desk = Desk::new(
        pool,
        Arc::new(DeskConfig {
            public_url: public_url.clone(),
            call_back_phone: settings.call_back_phone.clone(),
            centres: settings.centres.iter().map(Into::into).chain(simulated.centre.clone()).collect(),
            alarm_hook: settings.alarm_hook.clone(),
            ..DeskConfig::default()
        }),
    );
    in_process.open(desk.clone());

    let ready = Ready {
        mqtt: front.mqtt_addr(),
        http: public_url,
        pid: std::process::id(),
        postmaster: cluster.as_ref().and_then(|cluster| *cluster.postmaster().borrow()),
        database: cluster
            .as_ref()
            .map_or_else(|| options.database_url.clone().unwrap_or_default(), |cluster| cluster.url().to_owned()),
        demo: seeded,
    };
    let terminals = Arc::new(ThroughGateway(gateway.notifier()));
    let mut parts = tokio::task::JoinSet::new();
    parts.spawn(async move { front.stopped().await.context("the broker has ended") });
    parts.spawn(async move { gateway.stopped().await.context("the gateway has ended") });
    parts.spawn({
        let (desk, directory, stop) = (desk.clone(), Arc::clone(&directory), desk_stop.clone());
        async move { dispatcher::start::run(desk, terminals, directory, stop).await.context("the dispatcher has ended") }
    });
    parts.spawn({
        let stop = desk_stop.clone();
        async move { dispatcher::http::serve(listener, Api::new(desk), stop).await.context("the HTTP API has ended") }
    });
    parts.spawn(keep_directory(Arc::clone(&directory), directory_file, desk_stop.clone()));

    announce(&ready, options.ready_file.as_deref()).await?;

    let ended_early = tokio::select! {
        () = stop.cancelled() => None,
        ended = parts.join_next() => ended,
    };
    info!("stopping");
    front_stop.cancel();
    desk_stop.cancel();
    while parts.join_next().await.is_some() {}
    simulated.stopped().await;
    cluster_stop.cancel();
    if let Some(cluster) = cluster {
        cluster.stopped().await.context("the private database did not stop in order")?;
    }
    match ended_early {
        None => Ok(()),
        Some(Ok(Ok(()))) => anyhow::bail!("a part of the system has ended by itself"),
        Some(Ok(Err(cause))) => Err(cause),
        Some(Err(cause)) => Err(cause).context("a part of the system has broken down"),
    }
}

/// Connects and brings the tables up to date. A database that is away is waited for, with the front
/// door open; one that is not fit is an error.
async fn connect(options: PgConnectOptions, stop: &CancellationToken) -> anyhow::Result<Option<sqlx::PgPool>> {
    loop {
        let prepared = async {
            let pool = dispatcher::start::connect(options.clone(), CONNECTIONS_MAX).await?;
            dispatcher::start::prepare(&pool).await?;
            Ok::<_, StartError>(pool)
        };
        match prepared.await {
            Ok(pool) => return Ok(Some(pool)),
            Err(StartError::Database(cause)) => warn!(%cause, "the database is away"),
            Err(cause) => return Err(cause).context("the database cannot be used"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(ASK_AGAIN_AFTER) => {}
        }
    }
}

/// Keeps the directory on disk, so that terminals can reconnect while the database is away.
async fn keep_directory(directory: Arc<Directory>, path: PathBuf, stop: CancellationToken) -> anyhow::Result<()> {
    let mut saved = None;
    loop {
        if directory.version() != saved {
            let (saving, path) = (Arc::clone(&directory), path.clone());
            let version = directory.version();
            match tokio::task::spawn_blocking(move || saving.save(&path)).await? {
                Ok(()) => saved = version,
                Err(cause) => warn!(%cause, "the directory cannot be kept on disk"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
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
