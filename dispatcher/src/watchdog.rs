//! Looks every second for what must not be, and says so: in the log, on `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use domain::invariant;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use crate::desk::Desk;
use crate::store::outages::Calling;
use crate::store::watch::{self, Jump, Seen};
use crate::store::{StoreError, facts, incidents, outages, score};
use crate::{alarm, clock};

/// How often the watchdog looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How many open incidents it holds against the invariants at a time: those whose turn is next.
const WATCHED_MAX: i64 = 500;
/// An outage that no supervisor has acknowledged for so long is told to the alarm hook.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_mins(5);
/// How late a decision may be before the watchdog calls it broken.
const LAG_MAX: SignedDuration = SignedDuration::from_secs(5);

/// Looks every second for what must not be: an open incident whose deadline nobody kept or that breaks
/// an invariant, a clock that jumped. Says so in the log; `/metrics` exports the numbers.
pub async fn run(desk: Desk, stop: CancellationToken) {
    let mut clocks: Option<(Timestamp, std::time::Instant)> = None;
    let mut partitioned_on = None;
    let mut clock = None;
    let mut aftercare_overdue = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(WATCH_EVERY) => {}
        }
        let Ok(seen) = look(&desk, &mut clock).await else {
            // Being away is not a jump.
            clocks = None;
            continue;
        };
        if seen.overdue > 0 {
            error!(incidents = seen.overdue, "open incidents are overdue");
        }
        // People are late here, not the machine: said when it gets worse, not each second.
        if seen.aftercare_overdue > aftercare_overdue {
            warn!(
                incidents = seen.aftercare_overdue,
                "closed incidents wait too long for a follow-up call or a rating"
            );
        }
        aftercare_overdue = seen.aftercare_overdue;
        match hold_against_invariants(&desk).await {
            Ok(broken) => desk.live.tell_broken(broken),
            Err(cause) => warn!(%cause, "open incidents cannot be held against the invariants"),
        }
        if let Err(cause) = call_for_outages(&desk).await {
            warn!(%cause, "which outages call for a supervisor cannot be read");
        }
        let measured = std::time::Instant::now();
        if let Some((wall, monotonic)) = clocks {
            let passed = SignedDuration::try_from(measured.duration_since(monotonic)).unwrap_or_default();
            let jump = seen.now.duration_since(wall) - passed;
            if jump.abs() > watch::JUMP_MIN && clock.is_some() {
                warn!(
                    jump_ms = i64::try_from(jump.as_millis()).unwrap_or(i64::MAX),
                    "the database's clock jumped; deadlines move with it"
                );
                let shifted = async {
                    let mut tx = desk.begin().await?;
                    watch::shift_deadlines(&mut tx, Jump { by: jump, shows: wall + jump }).await?;
                    tx.commit().await?;
                    Ok::<(), StoreError>(())
                };
                if let Err(cause) = shifted.await {
                    error!(%cause, "deadlines could not be moved");
                }
            }
        }
        clocks = Some((seen.now, measured));
        if clock.is_some()
            && let Err(cause) = judge_providers(&desk).await
        {
            warn!(%cause, "providers could not be judged");
        }
        let today = clock::now().as_second() / 86_400;
        if partitioned_on != Some(today)
            && let Ok(mut tx) = desk.begin().await
            && watch::ensure_partitions(&mut tx).await.is_ok()
            && tx.commit().await.is_ok()
        {
            partitioned_on = Some(today);
        }
    }
}

impl Desk {
    /// The outages that call for a supervisor, and what follows.
    pub fn outages(&self) -> tokio::sync::watch::Receiver<Arc<[Calling]>> {
        self.live.outages()
    }
}

/// An outage as the alarm hook is told of it.
#[derive(Serialize)]
struct Unheard {
    alarm: &'static str,
    text: String,
    outage: Uuid,
}

/// Has the consoles of supervisors ring for outages that nobody has acknowledged, and tells the alarm hook when nobody does.
pub async fn call_for_outages(desk: &Desk) -> Result<(), StoreError> {
    let mut conn = desk.conn().await?;
    let calling = outages::calling(&mut conn).await?;
    if !calling.is_empty() {
        for outage in outages::alarming(&mut conn, ACKNOWLEDGED_WITHIN.as_secs_f64()).await? {
            error!(outage.id = %outage, "nobody has acknowledged an outage");
            let Some(hook) = desk.config.alarm_hook.clone() else { continue };
            let gone = calling.iter().find(|one| one.id == outage).map_or(0, |one| one.still_gone);
            let text = format!(
                "一点通：{gone} 台终端成片失联，5 分钟内无班长确认，请立即查看 / {gone} terminals have fallen silent together \
                 and no supervisor has acknowledged it within 5 minutes"
            );
            alarm::fire(hook, Unheard { alarm: "outage_unheard", text, outage });
        }
    }
    desk.live.tell_outages(calling);
    Ok(())
}

/// How providers stand by their contracts, of those whose turn it is.
async fn judge_providers(desk: &Desk) -> Result<(), StoreError> {
    let mut tx = desk.begin().await?;
    if score::stand_due(&mut tx).await? > 0 {
        tx.commit().await?;
    }
    Ok(())
}

/// Looks through the connection that holds the clock, when it is with us; else tries to get it.
async fn look(desk: &Desk, clock: &mut Option<PgConnection>) -> Result<Seen, StoreError> {
    if let Some(conn) = clock {
        let seen = watch::look(conn).await;
        if seen.is_err() {
            *clock = None;
        }
        return seen;
    }
    let mut conn = desk.conn().await?;
    let seen = watch::look(&mut conn).await?;
    if watch::take_the_clock(&mut conn).await? {
        // Out of the pool, which would give it to others and end it when it is old.
        *clock = Some(conn.detach());
    }
    Ok(seen)
}

/// Holds open incidents against what must hold of each, as the simulation does after every decision,
/// and says how many break it.
pub async fn hold_against_invariants(desk: &Desk) -> Result<u64, StoreError> {
    let mut moment = desk.moment().await?;
    let ids = watch::open_incidents(&mut moment, WATCHED_MAX).await?;
    let policies = facts::policies(&mut moment, &ids).await?;
    let incidents = incidents::read(&mut moment, &ids).await?;
    let now = facts::now(&mut moment).await?;
    let mut broken_count = 0;
    for incident in &incidents {
        let policy = policies.get(&incident.id.0).copied().unwrap_or_default();
        let broken = invariant::broken(incident, &policy, now, LAG_MAX);
        if !broken.is_empty() {
            broken_count += 1;
            error!(incident.id = %incident.id, ?broken, "an open incident breaks a promise");
        }
    }
    Ok(broken_count)
}
