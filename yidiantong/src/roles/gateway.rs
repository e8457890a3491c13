//! `yidiantong gateway`: on the bus of every door, before every dispatcher.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use dispatcher::http::Counted;
use gateway::{BusState, Counters};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::directory::Directory;

use crate::apart::far_dispatchers::FarDispatchers;
use crate::apart::{far_terminals, served};
use crate::follow::{self, Answers};
use crate::join::ThroughGateway;
use crate::office;
use crate::parts::Parts;
use crate::probe::{Ill, Probe};
use crate::settings::Settings;

/// The copy of the directory in the data folder.
const DIRECTORY_FILE: &str = "gateway-directory";

/// What is known of the gateway once it has been started.
struct Started {
    buses: Vec<BusState>,
    counters: Arc<Counters>,
}

/// Runs until `stop` is cancelled, or a part ends by itself, which is an error.
pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let config = gateway::Config {
        outside: settings.outside.link()?,
        listeners: settings.listeners.configs(),
        profiles: settings.read_profiles()?,
        ..gateway::Config::new(super::name(&settings)?, settings.bus.addresses.clone(), settings.bus.key()?)
    };
    let dispatchers =
        FarDispatchers::new(&settings.internal.dispatchers, settings.internal.key()?, settings.alarm_hook.clone());
    let dispatchers = Arc::new(dispatchers.context("[internal] dispatchers")?);
    office::make_data_folder(&settings.data).await?;
    let listener = office::listen_inside(settings.internal.listen).await?;

    let (mut parts, ending) = (Parts::default(), CancellationToken::new());
    let ran = over(&settings, config, dispatchers, listener, (&mut parts, &ending), &stop).await;
    info!("stopping");
    ending.cancel();
    parts.ended().await;
    ran
}

async fn over(
    settings: &Settings,
    config: gateway::Config,
    dispatchers: Arc<FarDispatchers>,
    listener: TcpListener,
    (parts, ending): (&mut Parts, &CancellationToken),
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let directory = Arc::new(Directory::default());
    let copy = settings.data.join(DIRECTORY_FILE);
    if let Err(cause) = directory.load(&copy) {
        warn!(%cause, "the copy of the directory cannot be read");
    }
    let (answers, started) = (Answers::default(), Arc::new(OnceLock::new()));
    let probe = probe(answers.clone(), Arc::clone(&started));
    super::answer_probes(settings, parts, probe, ending.clone()).await?;
    let asked = Arc::clone(&dispatchers);
    let ask = move |from, failures| {
        let asked = Arc::clone(&asked);
        async move { asked.directory_since(from, failures).await }
    };
    let following = follow::follow(Arc::clone(&directory), ask, answers, ending.clone());
    parts.keep(following);
    let keeping = follow::keep_copy(Arc::clone(&directory), copy, ending.clone());
    parts.keep(keeping);

    // What a terminal means depends on how it is listed: a gateway that knows nobody yet is not there yet.
    let listing = async {
        follow::listed(&directory).await;
        Ok(())
    };
    if parts.meanwhile(stop, listing).await?.is_none() {
        return Ok(());
    }
    let name = config.id.clone();
    let starting = gateway::start(config, directory, Arc::clone(&dispatchers) as _, ending.clone()).await;
    let gateway = starting.context("the gateway does not start")?;
    let terminals = Arc::new(ThroughGateway(gateway.notifier()));
    // Set once, here.
    let _ = started.set(Started { buses: gateway.buses(), counters: gateway.counters() });
    parts.spawn(async move { gateway.stopped().await.context("the gateway has ended") });
    let ringing = dispatchers.ring(name, ending.clone());
    parts.keep(ringing);
    let routes = far_terminals::router(terminals);
    let serving = served::serve(listener, routes, settings.internal.key()?, ending.clone());
    parts.spawn(async move { serving.await.context("notices cannot be taken any more") });
    parts.until(stop).await
}

fn probe(answers: Answers, started: Arc<OnceLock<Started>>) -> Probe {
    let counting = Arc::clone(&started);
    let read = move || counting.get().map_or_else(Vec::new, |started| started.counters.read());
    let ills = move || {
        let mut ills = Vec::new();
        if !answers.yes() {
            ills.push(Ill::Wholly("no dispatcher answers".into()));
        }
        let Some(Started { buses, .. }) = started.get() else {
            ills.push(Ill::Wholly("it is not known yet who may connect".into()));
            return ills;
        };
        let away = buses.iter().filter(|bus| !bus.is_up());
        let away: Vec<String> = away.map(|bus| format!("the bus at {} is away", bus.address)).collect();
        let grade = if away.len() == buses.len() { Ill::Wholly } else { Ill::Partly };
        ills.extend(away.into_iter().map(grade));
        ills
    };
    Probe { ills: Box::new(ills), counted: vec![Counted { part: "gateway", read: Box::new(read) }] }
}
