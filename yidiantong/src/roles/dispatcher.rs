//! `yidiantong dispatcher`: desk, outbox, API and console, over a database that several of them may share.

use std::sync::Arc;

use anyhow::Context as _;
use dispatcher::hooks;
use dispatcher::http::{Api, Surroundings};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::directory::Directory;

use crate::apart::far_terminals::FarTerminals;
use crate::apart::{far_dispatchers, served};
use crate::canary;
use crate::database::{self, Database};
use crate::demo::Wanted;
use crate::follow::{self, Answers};
use crate::join::InProcess;
use crate::office::{self, SESSIONS_FILE};
use crate::parts::Parts;
use crate::settings::Settings;

/// The copy of the directory in the data folder, for the hooks of other brokers.
const DIRECTORY_FILE: &str = "hooks-directory";

/// Runs until `stop` is cancelled, or a part ends by itself, which is an error. Without `database_url` over a private
/// cluster in the data folder, which no second dispatcher can share.
pub async fn run(settings: Settings, database_url: Option<String>, stop: CancellationToken) -> anyhow::Result<()> {
    let links = office::links(&settings)?;
    let profiles = settings.read_profiles()?;
    let presser = canary::presser(&settings.canary, None);
    anyhow::ensure!(
        presser.is_some() || !settings.canary.on,
        "[canary] is on, but mqtt does not say where it connects: there is no front door in this process"
    );
    let key = settings.internal.key()?;
    let terminals = FarTerminals::new(&settings.internal.gateways, key.clone()).context("[internal] gateways")?;
    office::make_data_folder(&settings.data).await?;
    let listener = office::listen(settings.http_listen).await?;
    let inside = office::listen_inside(settings.internal.listen).await?;
    let public_url = office::public_url(&settings, &listener)?;

    let database = Database::start(&settings.data, database_url.as_deref()).await?;
    let (pool, desk) = office::desk(&settings, &database, public_url, links)?;
    let sessions_file = Some(settings.data.join(SESSIONS_FILE));
    let surroundings = Surroundings { sessions_file, profiles: office::outlines(&profiles), ..Surroundings::default() };
    let api = Api::new(desk.clone(), surroundings);
    let (mut parts, ending) = (Parts::default(), CancellationToken::new());
    parts.spawn(database.lost(ending.clone()));
    let serving = dispatcher::http::serve(listener, api, ending.clone());
    parts.spawn(async move { serving.await.context("the HTTP API has ended") });
    // What rings at a gateway rings here from the first moment on, database or not.
    let taking = Arc::new(InProcess(desk.clone()));
    let (routes, forgetting) = far_dispatchers::router(taking, desk.clone(), ending.clone());
    parts.keep(forgetting);
    // Brokers of somebody else's ask who may come in: answered from memory, database or not.
    let directory = Arc::new(Directory::default());
    directory.map(Arc::clone(profiles.mappings()));
    let copy = settings.data.join(DIRECTORY_FILE);
    if let Err(cause) = directory.load(&copy) {
        warn!(%cause, "the copy of the directory cannot be read");
    }
    let gateways = settings.bus.key.as_ref().map(|_| settings.bus.key()).transpose()?;
    let routes = routes.merge(hooks::router(Arc::clone(&directory), gateways));
    let asked = desk.clone();
    let ask = move |from, _| {
        let asked = asked.clone();
        async move {
            let mut update = asked.directory_since(from).await;
            if let Ok(update) = &mut update {
                // Hooks open nothing that a terminal encrypts.
                update.keys.clear();
            }
            update
        }
    };
    parts.keep(follow::follow(Arc::clone(&directory), ask, Answers::default(), ending.clone()));
    parts.keep(follow::keep_copy(directory, copy, ending.clone()));
    let serving = served::serve(inside, routes, key, ending.clone());
    parts.spawn(async move { serving.await.context("the hand-over has ended") });

    let ran = async {
        let preparing = database::prepare(&database, &pool, &settings.data, Wanted::Nothing);
        if parts.meanwhile(&stop, preparing).await?.is_none() {
            return Ok(());
        }
        desk.rehearse().await;
        desk.open();
        info!("the desk is open");
        let running = dispatcher::start::run(desk, Arc::new(terminals), presser, ending.clone());
        parts.spawn(async move { running.await.context("the dispatcher has ended") });
        parts.until(&stop).await
    }
    .await;
    info!("stopping");
    ending.cancel();
    parts.ended().await;
    // Last, so that what is on its way is still written; and its own error tells more than that it is missing.
    database.stop().await?;
    ran
}
