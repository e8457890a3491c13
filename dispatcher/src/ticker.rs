//! Wakes what is due. The deadlines are in the database; this only looks, often, and at once when told
//! that a press came in.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::id::IncidentId;
use domain::incident::Input;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use crate::desk::{Desk, DeskError};
use crate::planner::BACKLOG_MAX;
use crate::store::timeline::Line;
use crate::store::{StoreError, appointments, facts, incidents, timeline};
use crate::{checkins, presence};

/// How long a deadline may pass unnoticed when nobody says anything.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// While many are due so many are decided together: fewer would have each pay for a search and a commit of its own, more
/// would let somebody who is more urgent wait behind them. Otherwise one, so that none waits for another.
const TOGETHER: i64 = 16;
/// Appointments are made for minutes.
const APPOINTMENTS_EVERY: Duration = Duration::from_secs(1);

/// Decides what is due until told to stop, `desk.config.deciders` at a time.
pub async fn run(desk: Desk, stop: CancellationToken) {
    let looking = presence::run(desk.clone(), stop.clone());
    let waiting = checkins::run(desk.clone(), stop.clone());
    let desk = desk.for_decisions();
    let taken = Arc::default();
    let deciders = (0..desk.config.deciders.max(1)).map(|_| decide_due(desk.clone(), Arc::clone(&taken), stop.clone()));
    let appointments = open_appointments(desk.clone(), stop.clone());
    tokio::join!(futures_util::future::join_all(deciders), appointments, looking, waiting);
}

/// What the deciders of this process have taken upon themselves.
type Taken = Mutex<HashSet<Uuid>>;

/// Opens the cases of appointments whose time has come.
async fn open_appointments(desk: Desk, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if open_next_appointment(&desk).await {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(APPOINTMENTS_EVERY) => {}
        }
    }
}

/// Whether there was one. One that cannot be opened is put off, so that it holds up no other.
async fn open_next_appointment(desk: &Desk) -> bool {
    let opening = async {
        let mut tx = desk.begin().await?;
        let Some(id) = appointments::next_due(&mut tx).await? else { return Ok(None) };
        let opened = match appointments::open(&mut tx, id).await {
            Ok(_) => tx.commit().await.map_err(StoreError::from),
            Err(cause) => Err(cause),
        };
        Ok::<_, StoreError>(Some((id, opened)))
    };
    match opening.await {
        Ok(Some((_, Ok(())))) => {
            desk.wake();
            true
        }
        Ok(Some((id, Err(cause)))) => {
            error!(appointment.id = %id, %cause, "an appointment could not be opened");
            let putting_off = async { appointments::put_off(&mut *desk.conn().await?, id).await };
            putting_off.await.is_ok()
        }
        // None is due; or the database is away, and the deciders say so.
        Ok(None) | Err(_) => false,
    }
}

async fn decide_due(desk: Desk, taken: Arc<Taken>, stop: CancellationToken) {
    loop {
        // Listen before looking, so that a press committed in between is not slept over.
        let woken = desk.due.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        match next(&desk, &taken).await {
            Ok(due) if !due.is_empty() => {
                decide_all(&desk, &due).await;
                taken.lock().retain(|held| !due.iter().any(|id| id.0 == *held));
                if stop.is_cancelled() {
                    return;
                }
                continue;
            }
            Ok(_) => {}
            Err(cause) => warn!(%cause, "what is due cannot be read"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = woken => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// The most urgent incidents that are due and that no other task of this process has taken: one, or while many wait, some.
/// Another process may take the same ones: the row locks sort that out, and the second finds nothing to do.
async fn next(desk: &Desk, taken: &Taken) -> Result<Vec<IncidentId>, StoreError> {
    let held: Vec<Uuid> = taken.lock().iter().copied().collect();
    let max = if desk.planner.is_behind() { TOGETHER } else { 1 };
    let due = incidents::due(&mut *desk.conn().await?, &held, max, BACKLOG_MAX + 1).await?;
    desk.planner.hear_of_backlog(due.count);
    let mut taken = taken.lock();
    // Somebody else may have looked at the same moment.
    Ok(due.first.into_iter().filter(|id| taken.insert(id.0)).collect())
}

/// Decides incidents: together where they are several, and one by one when that fails.
async fn decide_all(desk: &Desk, due: &[IncidentId]) {
    if let [_, _, ..] = due {
        let (deciding, inputs) = (desk.clone(), due.iter().map(|id| (*id, Input::Wake)).collect());
        let cause = match tokio::spawn(async move { deciding.apply_together(inputs).await }).await {
            // What was left out is still due.
            Ok(Ok(_)) => return,
            Ok(Err(cause)) => cause.to_string(),
            Err(panic) => panic.to_string(),
        };
        warn!(%cause, incidents = due.len(), "incidents could not be decided together and are decided one by one");
    }
    for &id in due {
        decide_one(desk, id).await;
    }
}

/// Decides one incident. A decision that fails, even by a panic, is tried once more; after that an
/// operator decides, and the automatic decision is tried again every half minute.
async fn decide_one(desk: &Desk, id: IncidentId) {
    let deciding = desk.clone();
    let outcome = tokio::spawn(async move { deciding.apply(id, Input::Wake).await }).await;
    let cause = match outcome {
        Ok(Ok(_) | Err(DeskError::NoIncident)) => return,
        Ok(Err(cause)) => cause.to_string(),
        Err(panic) => panic.to_string(),
    };
    error!(incident.id = %id, %cause, "a decision failed");
    if let Err(cause) = note_failure(desk, id).await {
        // The database is away: what is due stays due.
        warn!(incident.id = %id, %cause, "the failure could not be noted");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn note_failure(desk: &Desk, id: IncidentId) -> Result<(), StoreError> {
    let mut tx = desk.begin().await?;
    if incidents::note_failure(&mut tx, id).await? {
        let now = facts::now(&mut tx).await?;
        let line = Line { what: "operator_decides", who: None, data: serde_json::json!({}) };
        timeline::append(&mut tx, id, now, &[line]).await?;
    }
    tx.commit().await?;
    desk.live.nudge();
    Ok(())
}
