//! `yidiantong serve`: broker, gateway, dispatcher and console in one process, over a database of
//! one's own or a private cluster that starts and stops with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use dispatcher::config::{CentreConfig, Config as DeskConfig, MailConfig};
use dispatcher::desk::Desk;
use dispatcher::http::{Api, Counted, Surroundings};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::directory::Directory;

use crate::cluster::{self, Cluster};
use crate::demo::{self, Demo};
use crate::join::{InProcess, ThroughGateway};
use crate::settings::{CentreSettings, MailSettings, Settings};

/// The name of the one front door and the one gateway of a process that holds everything.
const NAME: &str = "one";
/// Connections to the database: deciders, outbox, intake, consoles.
const CONNECTIONS_MAX: u32 = 24;
/// A database that is away at the start is asked again this often.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked whether the directory has been published.
const LISTED_EVERY: Duration = Duration::from_millis(20);
/// In the data folder: who was logged in lately.
pub(crate) const SESSIONS_FILE: &str = "console-sessions.json";
const NO_CLUSTER: &str = "the private database does not start";

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
    /// Where the letters to contacts are shown, in a demonstration.
    pub mailbox: Option<String>,
    /// Who can log in and which terminals there are, in a demonstration.
    pub demo: Option<Demo>,
}

/// Serves until `stop` is cancelled, or a part ends by itself, which is an error.
pub async fn serve(settings: Settings, options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    // Before anything opens: whoever has set a centre up wrongly is to see that, and nothing else.
    let centres = settings.centres.iter().map(CentreSettings::link).collect::<Result<Vec<_>, _>>();
    let centres = centres.context("a centre is not set up right")?;
    let mail = settings.mail.as_ref().map(MailSettings::link).transpose().context("e-mail is not set up right")?;
    tokio::fs::create_dir_all(&settings.data)
        .await
        .with_context(|| format!("the data folder {} cannot be made", settings.data.display()))?;
    let listener = TcpListener::bind(settings.http_listen)
        .await
        .with_context(|| format!("{} cannot be listened on", settings.http_listen))?;
    let database = Database::start(&settings, &options).await?;
    let served = serve_over(&database, listener, (centres, mail), &settings, &options, &stop).await;
    // Last, so that what is on its way is still written; and its own error tells more than that it is missing.
    database.stop().await?;
    served
}

async fn serve_over(
    database: &Database,
    listener: TcpListener,
    (mut centres, mut mail): (Vec<CentreConfig>, Option<MailConfig>),
    settings: &Settings,
    options: &Options,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let public_url = match &settings.public_url {
        Some(url) => url.clone(),
        None => format!("http://{}", listener.local_addr()?),
    };
    let (front_stop, desk_stop) = (CancellationToken::new(), CancellationToken::new());
    let mut far_ends = JoinSet::new();
    let mut mailbox = None;
    if options.demo >= demo::Wanted::FarEnds {
        centres.push(demo::start_centre(&mut far_ends, desk_stop.clone()).await?);
        // A demonstration writes to nobody's real family.
        let (simulated, page) = demo::start_mailbox(&mut far_ends, desk_stop.clone()).await?;
        (mail, mailbox) = (Some(simulated), Some(page));
    }

    // The desk is there before its database is: terminals can connect by the directory that the door keeps on
    // disk, and what cannot be stored rings on the consoles that were open before.
    let pool = dispatcher::start::connect(database.options()?, CONNECTIONS_MAX);
    let config = DeskConfig {
        public_url: public_url.clone(),
        call_back_phone: settings.call_back_phone.clone(),
        centres,
        mail,
        alarm_hook: settings.alarm_hook.clone(),
        map: settings.map.clone(),
        ..DeskConfig::default()
    };
    let desk = Desk::new(pool.clone(), Arc::new(config));
    let directory = Arc::new(Directory::default());
    let front = FrontDoor::open(settings, options, &directory, desk.clone(), &front_stop).await?;
    let surroundings =
        Surroundings { sessions_file: Some(settings.data.join(SESSIONS_FILE)), counted: front.counted() };
    let api = Api::new(desk.clone(), surroundings);
    let (mqtt, terminals) = (front.broker.mqtt_addr(), Arc::new(ThroughGateway(front.gateway.notifier())));

    let mut parts = Parts::new();
    parts.spawn(async move { front.broker.stopped().await.context("the broker has ended") });
    parts.spawn(async move { front.gateway.stopped().await.context("the gateway has ended") });
    parts.spawn({
        let stop = desk_stop.clone();
        async move { dispatcher::http::serve(listener, api, stop).await.context("the HTTP API has ended") }
    });

    let served = async {
        let preparing = prepare(database, &pool, settings, options);
        let Some(demo) = meanwhile(&mut parts, database, stop, preparing).await? else { return Ok(()) };
        desk.open();
        if let Some(demo) = demo.as_ref().filter(|_| options.demo >= demo::Wanted::FarEnds) {
            let crew = demo::start_responders(&demo.responders, &pool, &public_url, desk_stop.clone()).await?;
            far_ends.spawn(demo::run_responders(crew));
        }
        parts.spawn({
            let (directory, stop) = (Arc::clone(&directory), desk_stop.clone());
            async move {
                dispatcher::start::run(desk, terminals, directory, stop).await.context("the dispatcher has ended")
            }
        });
        let announcing = async {
            // Who types what is printed the moment it is printed must be let in.
            listed(&directory).await;
            let (postmaster, database) = (database.postmaster(), database.url().to_owned());
            let ready = Ready { mqtt, http: public_url, pid: std::process::id(), postmaster, database, mailbox, demo };
            announce(&ready, options.ready_file.as_deref()).await?;
            if let Some(demo) = ready.demo.as_ref().filter(|_| options.demo == demo::Wanted::Everything) {
                demo::run_fleet(&demo.terminals, mqtt, front_stop.clone()).await;
            }
            std::future::pending::<anyhow::Result<()>>().await
        };
        meanwhile(&mut parts, database, stop, announcing).await.map(drop)
    }
    .await;

    info!("stopping");
    // The front door first, so that nobody is told anything by half of a system.
    front_stop.cancel();
    desk_stop.cancel();
    while parts.join_next().await.is_some() {}
    far_ends.join_all().await;
    served
}

/// What runs for as long as the process does.
type Parts = JoinSet<anyhow::Result<()>>;

/// Does something while the parts run. `None` when it is time to stop; an error when a part ends by itself.
async fn meanwhile<T>(
    parts: &mut Parts,
    database: &Database,
    stop: &CancellationToken,
    doing: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    tokio::select! {
        () = stop.cancelled() => Ok(None),
        done = doing => done.map(Some),
        () = database.lost() => anyhow::bail!("there is no database"),
        Some(ended) = parts.join_next() => match ended {
            Ok(Ok(())) => anyhow::bail!("a part of the system has ended by itself"),
            Ok(Err(cause)) => Err(cause),
            Err(cause) => Err(cause).context("a part of the system has broken down"),
        },
    }
}

/// Where the tables are. It need not be there yet.
enum Database {
    /// One of somebody else's, by its address.
    Given(String),
    /// A private cluster in the data folder, and what stops it.
    Private(Box<Cluster>, CancellationToken),
}

impl Database {
    async fn start(settings: &Settings, options: &Options) -> anyhow::Result<Self> {
        if let Some(url) = &options.database_url {
            return Ok(Self::Given(url.clone()));
        }
        let stop = CancellationToken::new();
        let cluster = cluster::start(&settings.data, stop.clone()).await.context(NO_CLUSTER)?;
        Ok(Self::Private(Box::new(cluster), stop))
    }

    fn options(&self) -> anyhow::Result<PgConnectOptions> {
        match self {
            Self::Given(url) => url.parse().context("DATABASE_URL is no PostgreSQL address"),
            Self::Private(cluster, _) => Ok(cluster.options()),
        }
    }

    fn url(&self) -> &str {
        match self {
            Self::Given(url) => url,
            Self::Private(cluster, _) => cluster.url(),
        }
    }

    fn postmaster(&self) -> Option<u32> {
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

    /// Waits until it is certain that it never comes.
    async fn lost(&self) {
        match self {
            Self::Given(_) => std::future::pending().await,
            Self::Private(cluster, _) => cluster.over().await,
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        let Self::Private(cluster, stop) = self else { return Ok(()) };
        let context = if cluster.is_over() { NO_CLUSTER } else { "the private database did not stop in order" };
        stop.cancel();
        cluster.stopped().await.context(context)
    }
}

/// Broker and gateway.
struct FrontDoor {
    broker: broker::Broker,
    gateway: gateway::Gateway,
}

impl FrontDoor {
    async fn open(
        settings: &Settings,
        options: &Options,
        directory: &Arc<Directory>,
        desk: Desk,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let config = broker::Config {
            door: NAME.into(),
            listen: settings.mqtt_listen,
            bus_listen: settings.bus_listen,
            data_dir: Some(settings.data.clone()),
            acknowledge: options.acknowledge,
            ..broker::Config::default()
        };
        let broker =
            broker::start(config, Arc::clone(directory), stop.clone()).await.context("the broker does not start")?;
        let gateway = gateway::start(
            gateway::Config::new(NAME, broker.bus_addr()),
            Arc::clone(directory),
            Arc::new(InProcess(desk)),
            stop.clone(),
        )
        .await
        .context("the gateway does not start")?;
        Ok(Self { broker, gateway })
    }

    fn counted(&self) -> Vec<Counted> {
        let (broker, gateway) = (self.broker.counters(), self.gateway.counters());
        vec![
            Counted { part: "broker", read: Box::new(move || broker.read()) },
            Counted { part: "gateway", read: Box::new(move || gateway.read()) },
        ]
    }
}

/// Brings the tables up to date, and puts in what a demonstration wants. A database that is away, or goes away
/// meanwhile, is waited for; one that is not fit is an error.
async fn prepare(
    database: &Database,
    pool: &PgPool,
    settings: &Settings,
    options: &Options,
) -> anyhow::Result<Option<Demo>> {
    database.is_up().await;
    loop {
        let preparing = async {
            dispatcher::start::prepare(pool).await.context("the database cannot be used")?;
            let seeded = demo::seed(pool, &settings.data, options.demo).await;
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
