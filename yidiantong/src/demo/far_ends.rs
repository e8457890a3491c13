//! The far ends of the line, played in this process: a 120 centre, responders, contacts' mailboxes, and everybody's
//! pager.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use dispatcher::config::{CentreConfig, Certificates, MailConfig, Secret};
use dispatcher::store::registry;
use domain::incident::Centre;
use firmware_sim::responder::crew::{self, Crew};
use firmware_sim::{centre, fleet, mailbox, responder};
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use town::Town;
use tracing::warn;
use wire::directory::{Dialect, hash_secret};

use super::{DemoResponder, DemoTerminal, random_word};

/// Minutes on the road take seconds in a demonstration.
const RESPONDERS_FASTER: f64 = 10.0;
/// A day of the pagers takes six hours: slow enough to look like walking.
const DAYS_FASTER: f64 = 4.0;
/// How far responders go about while nothing is asked of them.
const PATROL_M: f64 = 250.0;

/// Starts a simulated 120 centre, and says how the desk reaches it.
pub async fn start_centre(running: &mut JoinSet<()>, stop: CancellationToken) -> anyhow::Result<CentreConfig> {
    // Of this run: the centre forgets its cases with the process.
    let secret = random_word();
    let behaviour = centre::Behaviour::Normal { delays: centre::Delays::default() };
    let stations = Town::new(town::SEED).stations.into_iter().map(|station| station.place).collect();
    let centre = centre::start(centre::Config { stations, ..centre::Config::new(secret.as_str(), behaviour) }, stop);
    let centre = centre.await.context("the simulated 120 centre does not start")?;
    let mut config = CentreConfig::new(Centre::Ambulance, centre.url(), Secret(secret), &Certificates::default())?;
    config.takes_drills = true;
    running.spawn(async move {
        if let Err(cause) = centre.stopped().await {
            warn!(%cause, "the simulated 120 centre has ended");
        }
    });
    Ok(config)
}

/// Starts a simulated mailbox, and says how letters reach it and where a person sees them.
pub async fn start_mailbox(running: &mut JoinSet<()>, stop: CancellationToken) -> anyhow::Result<(MailConfig, String)> {
    let mailbox = mailbox::start(mailbox::Behaviour::Take, stop).await?;
    let mail = MailConfig::new(&mailbox.smtp_url(), "一点通 <alerts@yidiantong.invalid>")?;
    let page = mailbox.page_url();
    running.spawn(async move {
        if let Err(cause) = mailbox.stopped().await {
            warn!(%cause, "the simulated mailbox has ended");
        }
    });
    Ok((mail, page))
}

/// Starts the simulated responders, and has what is asked of them pushed to them.
pub async fn start_responders(
    people: &[DemoResponder],
    pool: &PgPool,
    api: &str,
    stop: CancellationToken,
) -> anyhow::Result<Crew> {
    let responders = people.iter().enumerate().map(|(index, person)| {
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
    let addresses: Vec<([u8; 32], String)> = people
        .iter()
        .enumerate()
        .map(|(index, person)| (hash_secret(person.token.as_bytes()), crew.push_url(&index.to_string())))
        .collect();
    registry::push_to(&mut *pool.acquire().await?, &addresses, &secret).await?;
    Ok(crew)
}

/// Waits until the simulated responders have stopped.
pub async fn run_responders(crew: Crew) {
    if let Err(cause) = crew.stopped().await {
        warn!(%cause, "the simulated responders have ended");
    }
}

/// Lets everybody who wears a pager live an ordinary day until `stop`. Dropped, it ends at once.
pub async fn run_fleet(terminals: &[DemoTerminal], door: SocketAddr, stop: CancellationToken) {
    let config = fleet::Config { speed: DAYS_FASTER, ..fleet::Config::new(door.to_string()) };
    let pagers = terminals.iter().filter(|terminal| terminal.dialect == Dialect::Ydt);
    if let Err(cause) = fleet::run(config, pagers.map(|terminal| terminal.worn.clone()).collect(), stop).await {
        warn!(%cause, "the simulated pagers have ended");
    }
}
