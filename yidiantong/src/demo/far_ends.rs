//! The far ends of the line, played in this process: a 120 centre, responders, and everybody's pager.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use dispatcher::config::{CentreConfig, Secret};
use dispatcher::store::registry;
use domain::incident::Centre;
use firmware_sim::responder::crew;
use firmware_sim::{centre, fleet, responder};
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wire::directory::{Dialect, hash_secret};

use super::{Demo, Wanted, random_word};

/// Minutes on the road take seconds in a demonstration.
const RESPONDERS_FASTER: f64 = 10.0;
/// A day of the pagers takes six hours: slow enough to look like walking.
const DAYS_FASTER: f64 = 4.0;
/// How far responders go about while nothing is asked of them.
const PATROL_M: f64 = 250.0;

/// The simulated far ends that run in this process.
#[derive(Debug, Default)]
pub struct FarEnds {
    /// How the desk reaches the simulated 120 centre.
    pub centre: Option<CentreConfig>,
    running: JoinSet<()>,
}

impl FarEnds {
    /// Waits until they have stopped.
    pub async fn stopped(self) {
        self.running.join_all().await;
    }
}

/// Starts a simulated 120 centre and simulated responders, when they are wanted.
pub async fn start(
    demo: Option<&Demo>,
    pool: &PgPool,
    api: &str,
    wanted: Wanted,
    stop: CancellationToken,
) -> anyhow::Result<FarEnds> {
    let mut far_ends = FarEnds::default();
    let Some(demo) = demo.filter(|_| wanted >= Wanted::FarEnds) else { return Ok(far_ends) };
    let behaviour = centre::Behaviour::Normal { delays: centre::Delays::default() };
    let config =
        centre::Config { stations: demo.stations.clone(), ..centre::Config::new(demo.centre_secret.as_str(), behaviour) };
    let centre = centre::start(config, stop.clone()).await.context("the simulated 120 centre does not start")?;
    far_ends.centre =
        Some(CentreConfig { centre: Centre::Ambulance, url: centre.url(), secret: Secret(demo.centre_secret.clone()) });
    far_ends.running.spawn(async move {
        if let Err(cause) = centre.stopped().await {
            warn!(%cause, "the simulated 120 centre has ended");
        }
    });
    let crew = start_responders(demo, pool, api, stop).await?;
    far_ends.running.spawn(async move {
        if let Err(cause) = crew.stopped().await {
            warn!(%cause, "the simulated responders have ended");
        }
    });
    Ok(far_ends)
}

async fn start_responders(
    demo: &Demo,
    pool: &PgPool,
    api: &str,
    stop: CancellationToken,
) -> anyhow::Result<crew::Crew> {
    let responders = demo.responders.iter().enumerate().map(|(index, person)| {
        let config = responder::Config {
            place: Some(person.place),
            speed_kmh: person.rides.speed_kmh(),
            time_scale: RESPONDERS_FASTER,
            behaviour: match index % 4 {
                // One in four is busy, so that the question is seen to go on to the next.
                0 => responder::Behaviour::Decline { after_s: 5, reason: "正在服务另一位老人".into() },
                _ => responder::Behaviour::Accept { after_s: 4, minutes: None },
            },
            patrol_m: PATROL_M,
            report_idle_every: Duration::from_secs(20),
            ..responder::Config::new(api, person.token.as_str())
        };
        (index.to_string(), config)
    });
    let secret = random_word();
    let crew = crew::start(responders.collect(), secret.as_str().into(), stop)
        .await
        .context("the simulated responders do not start")?;
    let addresses: Vec<([u8; 32], String)> = demo
        .responders
        .iter()
        .enumerate()
        .map(|(index, person)| (hash_secret(person.token.as_bytes()), crew.push_url(&index.to_string())))
        .collect();
    registry::push_to(&mut *pool.acquire().await?, &addresses, &secret).await?;
    Ok(crew)
}

/// Lets everybody live an ordinary day, when that is wanted, until `stop`. Dropped, it ends at once.
pub async fn start_fleet(demo: Option<&Demo>, door: SocketAddr, wanted: Wanted, stop: CancellationToken) {
    let Some(demo) = demo.filter(|_| wanted == Wanted::Everything) else { return };
    let config = fleet::Config { speed: DAYS_FASTER, ..fleet::Config::new(door.to_string()) };
    let pagers = demo.terminals.iter().filter(|terminal| terminal.dialect == Dialect::Ydt);
    if let Err(cause) = fleet::run(config, pagers.map(|terminal| terminal.worn.clone()).collect(), stop).await {
        warn!(%cause, "the simulated pagers have ended");
    }
}
