//! Looks up where terminals are that told what they hear and not where they are.
//!
//! A press never waits for this: its case is open with the best place known, and hears of a better one when there is. What
//! is to be looked up lies in the database; a household's own access points and the table of cells answer at once, somebody
//! outside within a second and a half, or not at all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::PositionConfig;
use crate::desk::Desk;
use crate::store::StoreError;
use crate::store::positions::{self as store, Resolved, Unresolved};

/// How often it is looked when nobody says that there is something.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many are looked up at once.
const AT_ONCE: i64 = 16;
/// Whoever does not answer is asked again this soon, and then no more: another report will come.
const AGAIN_AFTER_S: [i64; 2] = [5, 15];
/// How often homes' access points are learnt.
const LEARN_EVERY: Duration = Duration::from_hours(1);

/// Somebody who may know where a terminal is by what it hears.
#[async_trait]
trait Resolver: Send + Sync {
    /// A place, if it knows one. An error: asked again it may.
    async fn resolve(&self, one: &Unresolved) -> Result<Option<Resolved>, String>;
}

/// The access points of the wearer's home.
struct AtHome(Desk);

#[async_trait]
impl Resolver for AtHome {
    async fn resolve(&self, one: &Unresolved) -> Result<Option<Resolved>, String> {
        let (Some(resident), false) = (one.resident, one.heard.access_points.is_empty()) else { return Ok(None) };
        let asking = async { store::at_home(&mut *self.0.conn().await?, resident, &one.heard.access_points).await };
        asking.await.map_err(|cause: StoreError| cause.to_string())
    }
}

/// The table of cells.
struct Cells(Desk);

#[async_trait]
impl Resolver for Cells {
    async fn resolve(&self, one: &Unresolved) -> Result<Option<Resolved>, String> {
        let heard = one.heard.usable();
        if heard.cells.is_empty() {
            return Ok(None);
        }
        let asking = async { store::tower(&mut *self.0.conn().await?, &heard.cells).await };
        asking.await.map_err(|cause: StoreError| cause.to_string())
    }
}

/// Somebody outside.
struct Outside(PositionConfig);

#[async_trait]
impl Resolver for Outside {
    async fn resolve(&self, one: &Unresolved) -> Result<Option<Resolved>, String> {
        // Somebody's telephone that walks by would be taken for a place, and where it is is nobody's business.
        let heard = one.heard.usable();
        if heard.is_empty() {
            return Ok(None);
        }
        let told = self.0.ask(&heard).await.map_err(|cause| cause.to_string())?;
        Ok(told.map(|told| Resolved {
            position: told.position,
            accuracy: told.accuracy,
            source: told.source,
            by: "provider",
        }))
    }
}

/// Looks up until told to stop.
pub(crate) async fn run(desk: Desk, stop: CancellationToken) {
    tokio::join!(look_up(desk.clone(), stop.clone()), learn(desk, stop));
}

async fn look_up(desk: Desk, stop: CancellationToken) {
    let mut resolvers: Vec<Box<dyn Resolver>> = vec![Box::new(AtHome(desk.clone())), Box::new(Cells(desk.clone()))];
    if let Some(config) = desk.config.positions.clone() {
        resolvers.push(Box::new(Outside(config)));
    }
    let resolvers: Arc<[Box<dyn Resolver>]> = resolvers.into();
    while !stop.is_cancelled() {
        let wondered = desk.wondered.notified();
        tokio::pin!(wondered);
        wondered.as_mut().enable();
        let leased = async { store::lease(&mut *desk.conn().await?, AT_ONCE).await };
        let due = leased.await.unwrap_or_else(|cause: StoreError| {
            warn!(%cause, "which positions are to be looked up cannot be read");
            Vec::new()
        });
        if !due.is_empty() {
            futures_util::future::join_all(due.iter().map(|one| look_up_one(&desk, &resolvers, one))).await;
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = wondered => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Asks one after the other, and keeps what each says if it is better: whoever answers at once is not waited with.
async fn look_up_one(desk: &Desk, resolvers: &[Box<dyn Resolver>], one: &Unresolved) {
    let mut is_unanswered = false;
    for resolver in resolvers {
        match resolver.resolve(one).await {
            Ok(Some(resolved)) => {
                match keep(desk, one, &resolved).await {
                    Ok(is_better) => debug!(by = resolved.by, is_better, "a position was looked up"),
                    Err(cause) => {
                        warn!(%cause, "a position that was looked up could not be kept");
                        return;
                    }
                }
                // Nobody knows better where somebody is than the walls of their home.
                if resolved.by == "home" {
                    is_unanswered = false;
                    break;
                }
            }
            Ok(None) => {}
            Err(cause) => {
                warn!(%cause, "a position could not be looked up");
                is_unanswered = true;
            }
        }
    }
    let waits = usize::try_from(one.tries).ok().and_then(|tries| AGAIN_AFTER_S.get(tries));
    let again = waits.filter(|_| is_unanswered).map(|&seconds| SignedDuration::from_secs(seconds));
    let settling = async { store::settle(&mut *desk.conn().await?, one, again).await };
    if let Err(cause) = settling.await {
        // The lease runs out and it is looked up again.
        warn!(%cause, "that a position was looked up could not be noted");
    }
}

async fn keep(desk: &Desk, one: &Unresolved, resolved: &Resolved) -> Result<bool, StoreError> {
    let mut tx = desk.begin().await?;
    let is_better = store::keep(&mut tx, one, resolved, &desk.config).await?;
    tx.commit().await?;
    if is_better && one.incident.is_some() {
        desk.wake();
        desk.unsent.notify_waiters();
    }
    Ok(is_better)
}

/// Learns the access points of homes. Which of them were counted within the hour stands in the database, so that several
/// dispatchers, or one that is started often, count nothing twice.
async fn learn(desk: Desk, stop: CancellationToken) {
    loop {
        let learning = async { store::learn(&mut *desk.conn().await?).await };
        match learning.await {
            Ok(0) => {}
            Ok(points) => debug!(points, "access points were heard at homes"),
            Err(cause) => warn!(%cause, "access points of homes could not be learnt"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LEARN_EVERY) => {}
        }
    }
}
