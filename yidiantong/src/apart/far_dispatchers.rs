//! Reports, presence, what rings, how doors stand, and the directory: broker and gateway → dispatcher.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use dispatcher::alarm;
use dispatcher::desk::Desk;
use gateway::{Dispatcher, Unavailable};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;
use wire::directory::Update;
use wire::door::Standing;
use wire::internal::{DELIVERED, DIRECTORY, DOORS, HEARD, Key, REPORTS, Ringing, Since, UNSTORED};
use wire::notice::Delivered;
use wire::receipt::Receipt;
use wire::report::{Heard, Report, Unstored};

use super::caller::{BadAddress, Begin, Caller, Unanswered};
use super::rings::{Rings, SILENT_AFTER};
use super::served::Away;

/// All dispatchers together: the gateway gives a call three seconds, and the next is to be asked within them when one
/// stands still.
const TAKEN_WITHIN: Duration = Duration::from_millis(2800);
/// A dispatcher answers a question about the directory after two seconds at most; one that stands still has a share of
/// [`wire::directory::REVOKED_WITHIN`].
const DIRECTORY_WITHIN: Duration = Duration::from_secs(3);
/// The whole directory may be some ten megabytes.
const DIRECTORY_AT_MOST: Duration = Duration::from_secs(30);
const RINGS_WITHIN: Duration = Duration::from_secs(3);
/// What rings is said again this often, so that a dispatcher that has just been started knows it, too.
const RINGS_AGAIN: Duration = Duration::from_secs(5);
const RINGS_RETRIED: Duration = Duration::from_secs(1);
/// Many begin to ring in one moment: they are said together.
const RINGS_GATHERED: Duration = Duration::from_millis(200);

/// The dispatchers in other processes.
#[derive(Debug)]
pub(crate) struct FarDispatchers {
    caller: Caller,
    alarm_hook: Option<String>,
    ringing: watch::Sender<BTreeMap<Uuid, Unstored>>,
}

impl FarDispatchers {
    /// Dispatchers at these addresses. An alert that rings is also told to the hook from here: the dispatchers may be
    /// what is away.
    pub(crate) fn new(dispatchers: &[String], key: Key, alarm_hook: Option<String>) -> Result<Self, BadAddress> {
        let caller = Caller::new(dispatchers, key, Begin::WithTheLast)?;
        Ok(Self { caller, alarm_hook, ringing: watch::channel(BTreeMap::new()).0 })
    }

    /// What has changed in the directory since `from`, once something has or a moment has passed. Each failure in a
    /// row gives the next call more time: much may have changed.
    pub(crate) async fn directory_since(&self, from: Option<i64>, failures: u32) -> Result<Update, Unanswered> {
        let (path, each) = match from {
            Some(from) => (format!("{DIRECTORY}?from={from}"), DIRECTORY_WITHIN * (failures + 1)),
            None => (DIRECTORY.to_owned(), DIRECTORY_AT_MOST),
        };
        let count = u32::try_from(self.caller.count()).unwrap_or(u32::MAX);
        self.caller.get(&path, each.min(DIRECTORY_AT_MOST) * count).await
    }

    /// Tells any dispatcher how a front door stands: what one knows, all know.
    pub(crate) async fn hear_door(&self, said: &Standing) -> Result<(), Unanswered> {
        self.caller.post(DOORS, said, TAKEN_WITHIN).await
    }

    /// Keeps every dispatcher told what rings here, until `stop`.
    pub(crate) async fn ring(self: Arc<Self>, gateway: String, stop: CancellationToken) {
        let mut tellers = JoinSet::new();
        for at in 0..self.caller.count() {
            let (far, gateway, stop) = (Arc::clone(&self), gateway.clone(), stop.clone());
            tellers.spawn(async move { far.ring_at(at, gateway, stop).await });
        }
        tellers.join_all().await;
    }

    async fn ring_at(&self, at: usize, gateway: String, stop: CancellationToken) {
        let mut ringing = self.ringing.subscribe();
        let mut is_told = true;
        loop {
            let alerts: Vec<Unstored> = ringing.borrow_and_update().values().cloned().collect();
            let is_quiet = alerts.is_empty();
            let said = Ringing { gateway: gateway.clone(), alerts };
            let telling = self.caller.put_at(at, UNSTORED, &said, RINGS_WITHIN).await;
            if is_told && let Err(cause) = &telling {
                warn!(%cause, "a dispatcher cannot be told which alerts are not stored");
            }
            is_told = telling.is_ok();
            let again = if is_told { RINGS_AGAIN } else { RINGS_RETRIED };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(again), if !(is_told && is_quiet) => {}
                Ok(()) = ringing.changed() => tokio::time::sleep(RINGS_GATHERED).await,
            }
        }
    }
}

fn unavailable(cause: Unanswered) -> Unavailable {
    Unavailable::because(cause)
}

#[async_trait]
impl Dispatcher for FarDispatchers {
    async fn take(&self, reports: Arc<[Report]>) -> Result<Vec<Receipt>, Unavailable> {
        self.caller.post(REPORTS, &&reports[..], TAKEN_WITHIN).await.map_err(unavailable)
    }

    async fn heard(&self, heard: Vec<Heard>) -> Result<(), Unavailable> {
        self.caller.post(HEARD, &heard, TAKEN_WITHIN).await.map_err(unavailable)
    }

    async fn delivered(&self, delivered: Vec<Delivered>) -> Result<(), Unavailable> {
        self.caller.post(DELIVERED, &delivered, TAKEN_WITHIN).await.map_err(unavailable)
    }

    fn unstored(&self, alert: Unstored) {
        if let (false, Some(hook)) = (alert.stored, &self.alarm_hook) {
            alarm::fire(hook.clone(), alert.clone());
        }
        self.ringing.send_modify(|ringing| {
            if alert.stored {
                ringing.remove(&alert.id);
            } else {
                ringing.insert(alert.id, alert);
            }
        });
    }
}

#[derive(Clone)]
struct Here {
    dispatcher: Arc<dyn Dispatcher>,
    desk: Desk,
    rings: Arc<Rings>,
}

/// What a dispatcher serves, and what has to run beside it until `stop`.
pub(crate) fn router(
    dispatcher: Arc<dyn Dispatcher>,
    desk: Desk,
    stop: CancellationToken,
) -> (Router, impl Future<Output = ()>) {
    let rings = Arc::new(Rings::new(Arc::clone(&dispatcher)));
    let here = Here { dispatcher, desk, rings: Arc::clone(&rings) };
    let routes = Router::new()
        .route(REPORTS, post(take))
        .route(HEARD, post(heard))
        .route(DELIVERED, post(delivered))
        .route(UNSTORED, put(unstored))
        .route(DOORS, post(door))
        .route(DIRECTORY, get(directory))
        .with_state(here);
    let forgetting = async move {
        while stop.run_until_cancelled(tokio::time::sleep(SILENT_AFTER / 10)).await.is_some() {
            rings.forget_silent(Instant::now());
        }
    };
    (routes, forgetting)
}

fn away(cause: Unavailable) -> Away {
    Away(cause.why)
}

async fn take(State(here): State<Here>, Json(reports): Json<Vec<Report>>) -> Result<Json<Vec<Receipt>>, Away> {
    here.dispatcher.take(reports.into()).await.map(Json).map_err(away)
}

async fn heard(State(here): State<Here>, Json(heard): Json<Vec<Heard>>) -> Result<StatusCode, Away> {
    here.dispatcher.heard(heard).await.map(|()| StatusCode::NO_CONTENT).map_err(away)
}

async fn delivered(State(here): State<Here>, Json(delivered): Json<Vec<Delivered>>) -> Result<StatusCode, Away> {
    here.dispatcher.delivered(delivered).await.map(|()| StatusCode::NO_CONTENT).map_err(away)
}

async fn unstored(State(here): State<Here>, Json(ringing): Json<Ringing>) -> StatusCode {
    if !ringing.alerts.is_empty() {
        info!(gateway = ringing.gateway, alerts = ringing.alerts.len(), "a gateway has alerts that are not stored");
    }
    here.rings.hear(ringing, Instant::now());
    StatusCode::NO_CONTENT
}

async fn door(State(here): State<Here>, Json(said): Json<Standing>) -> Result<StatusCode, Away> {
    let heard = here.desk.hear_door(&said).await;
    heard.map(|()| StatusCode::NO_CONTENT).map_err(|cause| Away(cause.to_string()))
}

async fn directory(State(here): State<Here>, Query(Since { from }): Query<Since>) -> Result<Json<Update>, Away> {
    here.desk.directory_since(from).await.map(Json).map_err(|cause| Away(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::directory::REVOKED_WITHIN;

    /// The questions themselves, and their way: some statements, and some packets inside a machine room.
    const UNDER_WAY: Duration = Duration::from_millis(500);

    /// What is waited for between a revocation and the end of a session, at the worst, one after the other. That each
    /// waits no longer is tested where it waits; that all of them lead to the end, in `tests/system/tests/apart.rs`.
    #[test]
    fn a_revocation_is_in_time_though_a_dispatcher_stands_still() {
        let settings = crate::settings::DoorSettings::default();
        let door = settings.over(broker::Config::new("door", Key::of([7; 32]))).expect("these settings are good");
        let waits = [
            ("the dispatcher that stands still", DIRECTORY_WITHIN),
            ("the other, for its database", dispatcher::directory::LOOK_EVERY),
            ("the door, for its directory", door.revocation_every),
        ];
        let worst = waits.iter().map(|(_, wait)| *wait).sum::<Duration>() + UNDER_WAY;
        assert!(worst <= REVOKED_WITHIN, "{worst:?}: {waits:?}");
    }
}
