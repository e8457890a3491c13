//! `yidiantong serve`: broker, gateway, dispatcher and console in one process, over a database of
//! one's own or a private cluster that starts and stops with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use dispatcher::http::{Api, Counted, Surroundings};
use gateway::Dispatcher;
use gateway::codec::mapped::Profiles;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;
use wire::directory::Directory;
use wire::internal::Key;

use crate::canary;
use crate::database::{self, Database};
use crate::demo::{self, Demo};
use crate::follow::{self, Answers};
use crate::join::{InProcess, ThroughGateway};
use crate::office::{self, Links, SESSIONS_FILE};
use crate::parts::Parts;
use crate::settings::Settings;
use crate::standing;

/// The name of the one front door and the one gateway of a process that holds everything.
const NAME: &str = "one";

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
    /// Terminals, over TLS, when there is a certificate.
    pub mqtts: Option<SocketAddr>,
    /// Where terminals come that do not speak MQTT, by the names that listeners have in settings.
    pub listeners: BTreeMap<&'static str, SocketAddr>,
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
    let links = office::links(&settings)?;
    let profiles = settings.read_profiles()?;
    office::make_data_folder(&settings.data).await?;
    let listener = office::listen(settings.http_listen).await?;
    let database = Database::start(&settings.data, options.database_url.as_deref()).await?;
    let served = serve_over(&database, listener, (links, profiles), &settings, &options, &stop).await;
    // Last, so that what is on its way is still written; and its own error tells more than that it is missing.
    database.stop().await?;
    served
}

async fn serve_over(
    database: &Database,
    listener: TcpListener,
    (mut links, profiles): (Links, Arc<Profiles>),
    settings: &Settings,
    options: &Options,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let public_url = office::public_url(settings, &listener)?;
    let (front_stop, desk_stop) = (CancellationToken::new(), CancellationToken::new());
    let mut far_ends = JoinSet::new();
    let mut mailbox = None;
    if options.demo >= demo::Wanted::FarEnds {
        links.centres.push(demo::start_centre(&mut far_ends, desk_stop.clone()).await?);
        // A demonstration writes to nobody's real family.
        let (simulated, page) = demo::start_mailbox(&mut far_ends, desk_stop.clone()).await?;
        (links.mail, links.sms, mailbox) = (Some(simulated), None, Some(page));
    }

    // The desk is there before its database is: terminals can connect by the directory that the door keeps on
    // disk, and what cannot be stored rings on the consoles that were open before.
    let (pool, desk) = office::desk(settings, database, public_url.clone(), links)?;
    let directory = Arc::new(Directory::default());
    directory.map(Arc::clone(profiles.mappings()));
    let outlines = office::outlines(&profiles);
    // Nobody outside this process has anything to say on its bus.
    let bus_key = Key::of(dispatcher::clock::random_bytes());
    let dispatcher = Arc::new(InProcess(desk.clone()));
    let front = FrontDoor::open(settings, (options, profiles), &directory, (dispatcher, bus_key), &front_stop).await?;
    let sessions_file = Some(settings.data.join(SESSIONS_FILE));
    let surroundings = Surroundings { sessions_file, counted: front.counted(), profiles: outlines };
    let api = Api::new(desk.clone(), surroundings);
    let standing = front.broker.standing();
    let (mqtt, mqtts) = (front.broker.mqtt_addr(), front.broker.mqtts_addr());
    let listeners: BTreeMap<_, _> = front.gateway.listens_at().iter().map(|at| (at.name(), at.address)).collect();
    let terminals = Arc::new(ThroughGateway(front.gateway.notifier()));

    let mut parts = Parts::default();
    parts.spawn(database.lost(desk_stop.clone()));
    front.join(&mut parts);
    parts.spawn({
        let stop = desk_stop.clone();
        async move { dispatcher::http::serve(listener, api, stop).await.context("the HTTP API has ended") }
    });

    let served = async {
        let preparing = database::prepare(database, &pool, &settings.data, options.demo);
        let Some(demo) = parts.meanwhile(stop, preparing).await? else { return Ok(()) };
        desk.rehearse().await;
        desk.open();
        if let Some(demo) = demo.as_ref().filter(|_| options.demo >= demo::Wanted::FarEnds) {
            let crew = demo::start_responders(&demo.responders, &pool, &public_url, desk_stop.clone()).await?;
            far_ends.spawn(demo::run_responders(crew));
        }
        let asked = desk.clone();
        let ask = move |from, _| {
            let asked = asked.clone();
            async move { asked.directory_since(from).await }
        };
        let following = follow::follow(Arc::clone(&directory), ask, Answers::default(), desk_stop.clone());
        parts.keep(following);
        let told = desk.clone();
        let tell = move |said| {
            let told = told.clone();
            async move { told.hear_door(&said).await }
        };
        parts.keep(standing::tell(standing, tell, desk_stop.clone()));
        let presser = canary::presser(&settings.canary, Some(mqtt));
        let running = dispatcher::start::run(desk, terminals, presser, desk_stop.clone());
        parts.spawn(async move { running.await.context("the dispatcher has ended") });
        let announcing = async {
            // Who types what is printed the moment it is printed must be let in.
            follow::listed(&directory).await;
            let (postmaster, database) = (database.postmaster(), database.url().to_owned());
            let (http, pid) = (public_url, std::process::id());
            let ready = Ready { mqtt, mqtts, listeners, http, pid, postmaster, database, mailbox, demo };
            announce(&ready, options.ready_file.as_deref()).await?;
            if let Some(demo) = ready.demo.as_ref().filter(|_| options.demo == demo::Wanted::Everything) {
                demo::run_fleet(&demo.terminals, mqtt, front_stop.clone()).await;
            }
            std::future::pending::<anyhow::Result<()>>().await
        };
        parts.meanwhile(stop, announcing).await.map(drop)
    }
    .await;

    info!("stopping");
    // The front door first, so that nobody is told anything by half of a system.
    front_stop.cancel();
    desk_stop.cancel();
    parts.ended().await;
    far_ends.join_all().await;
    served
}

/// Broker and gateway.
struct FrontDoor {
    broker: broker::Broker,
    gateway: gateway::Gateway,
}

impl FrontDoor {
    async fn open(
        settings: &Settings,
        (options, profiles): (&Options, Arc<Profiles>),
        directory: &Arc<Directory>,
        (dispatcher, bus_key): (Arc<dyn Dispatcher>, Key),
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let config = settings.door.over(broker::Config {
            listen: settings.mqtt_listen,
            bus_listen: settings.bus.listen,
            data_dir: Some(settings.data.clone()),
            acknowledge: options.acknowledge,
            ..broker::Config::new(NAME, bus_key.clone())
        })?;
        let broker =
            broker::start(config, Arc::clone(directory), stop.clone()).await.context("the broker does not start")?;
        let gateway = gateway::start(
            gateway::Config {
                listeners: settings.listeners.configs(),
                profiles,
                ..gateway::Config::new(NAME, vec![broker.bus_addr()], bus_key)
            },
            Arc::clone(directory),
            dispatcher,
            stop.clone(),
        )
        .await
        .context("the gateway does not start")?;
        Ok(Self { broker, gateway })
    }

    /// Lets both run with the other parts: they are to end when they are told to, and not before.
    fn join(self, parts: &mut Parts) {
        let Self { broker, gateway } = self;
        parts.spawn(async move { broker.stopped().await.context("the broker has ended") });
        parts.spawn(async move { gateway.stopped().await.context("the gateway has ended") });
    }

    fn counted(&self) -> Vec<Counted> {
        let (broker, gateway) = (self.broker.counters(), self.gateway.counters());
        vec![
            Counted { part: "broker", read: Box::new(move || broker.read()) },
            Counted { part: "gateway", read: Box::new(move || gateway.read()) },
        ]
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

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use gateway::Unavailable;
    use rumqttc::{AsyncClient, MqttOptions, QoS};
    use std::time::Duration;
    use wire::notice::Delivered;
    use wire::receipt::Receipt;
    use wire::report::{Heard, Report, Unstored};

    /// A dispatcher that has nothing to do.
    struct Idle;

    #[async_trait]
    impl Dispatcher for Idle {
        async fn take(&self, _: Arc<[Report]>) -> Result<Vec<Receipt>, Unavailable> {
            Ok(Vec::new())
        }

        async fn heard(&self, _: Vec<Heard>) -> Result<(), Unavailable> {
            Ok(())
        }

        async fn delivered(&self, _: Vec<Delivered>) -> Result<(), Unavailable> {
            Ok(())
        }

        fn unstored(&self, _: Unstored) {}
    }

    #[tokio::test]
    async fn a_dead_bus_ends_the_whole_with_an_error_and_not_deaf() {
        let data = tempfile::tempdir().expect("a folder can be made");
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = Settings { data: data.path().into(), mqtt_listen: loopback, ..Settings::default() };
        let (key, stop) = (Key::of([7; 32]), CancellationToken::new());
        let profiles = settings.read_profiles().expect("the shipped ones can be read");
        let (options, directory, idle) = (Options::default(), Arc::default(), Arc::new(Idle));
        let front = FrontDoor::open(&settings, (&options, profiles), &directory, (idle, key.clone()), &stop).await;
        let front = front.expect("it opens");
        let bus = front.broker.bus_addr();
        let mut parts = Parts::default();
        front.join(&mut parts);

        let mut options = MqttOptions::new("killer", bus.ip().to_string(), bus.port());
        options.set_credentials(wire::bus::USER, key.reveal());
        let (client, mut events) = AsyncClient::new(options, 10);
        // rumqttd looks at the first byte of a topic as if it were a character, and its thread dies.
        client.publish("电", QoS::AtMostOnce, false, "x").await.expect("it can be said");
        let killing = tokio::spawn(async move { while events.poll().await.is_ok() {} });
        let ended = tokio::time::timeout(Duration::from_mins(2), parts.until(&stop)).await.expect("it goes on");
        let said = format!("{:#}", ended.expect_err("a dead bus is no good end"));
        assert!(said.contains("the broker has ended") && said.contains("the bus is dead"), "{said}");
        killing.abort();
        stop.cancel();
        parts.ended().await;
    }
}
