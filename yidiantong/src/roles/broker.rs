//! `yidiantong broker`: a front door with its bus, and nothing else. Gateways come to it.

use std::sync::Arc;

use anyhow::Context as _;
use dispatcher::http::Counted;
use tokio_util::sync::CancellationToken;
use tracing::info;
use wire::directory::Directory;

use crate::apart::far_dispatchers::FarDispatchers;
use crate::follow::{self, Answers};
use crate::office;
use crate::parts::Parts;
use crate::probe::{Ill, Probe};
use crate::settings::Settings;
use crate::standing;

/// Runs until `stop` is cancelled, or a part ends by itself, which is an error.
pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let config = settings.door.over(broker::Config {
        listen: settings.mqtt_listen,
        bus_listen: settings.bus.listen,
        data_dir: Some(settings.data.clone()),
        ..broker::Config::new(super::name(&settings)?, settings.bus.key()?)
    })?;
    let dispatchers = FarDispatchers::new(&settings.internal.dispatchers, settings.internal.key()?, None)
        .context("[internal] dispatchers")?;
    let profiles = settings.read_profiles()?;
    office::make_data_folder(&settings.data).await?;

    let (directory, ending) = (Arc::new(Directory::default()), CancellationToken::new());
    directory.map(Arc::clone(profiles.mappings()));
    let started = broker::start(config, Arc::clone(&directory), ending.clone()).await;
    let broker = started.context("the broker does not start")?;
    let (counters, gateways, standing) = (broker.counters(), broker.gateways(), broker.standing());
    let mut parts = Parts::default();
    parts.spawn(async move { broker.stopped().await.context("the broker has ended") });
    let (answers, dispatchers) = (Answers::default(), Arc::new(dispatchers));
    let told = Arc::clone(&dispatchers);
    let tell = move |said| {
        let told = Arc::clone(&told);
        async move { told.hear_door(&said).await }
    };
    parts.keep(standing::tell(standing, tell, ending.clone()));
    let ask = move |from, failures| {
        let dispatchers = Arc::clone(&dispatchers);
        async move {
            let mut update = dispatchers.directory_since(from, failures).await;
            if let Ok(update) = &mut update {
                // A door opens nothing that a terminal encrypts.
                update.keys.clear();
            }
            update
        }
    };
    let following = follow::follow(Arc::clone(&directory), ask, answers.clone(), ending.clone());
    parts.keep(following);

    let ills = move || {
        let mut ills = Vec::new();
        if directory.version().is_none() {
            ills.push(Ill::Wholly("it is not known who may connect".into()));
        } else if !answers.yes() {
            ills.push(Ill::Partly("no dispatcher says who may connect; what is known stays".into()));
        }
        if gateways() == 0 {
            ills.push(Ill::Wholly("no gateway takes what terminals say".into()));
        }
        ills
    };
    let counted = vec![Counted { part: "broker", read: Box::new(move || counters.read()) }];
    let probe = Probe { ills: Box::new(ills), counted };
    let ran = match super::answer_probes(&settings, &mut parts, probe, ending.clone()).await {
        Ok(()) => parts.until(&stop).await,
        Err(cause) => Err(cause),
    };
    info!("stopping");
    ending.cancel();
    parts.ended().await;
    ran
}
