//! Looks at the due times of check-ins: each once, whichever dispatcher does it, also after a restart.
//!
//! What became of one is `domain::checkin`'s to say. One that was missed becomes a welfare incident, whose ladder tells
//! the contacts in their order.

use std::time::Duration;

use domain::checkin::{Facts, STALE, Verdict, Way, judge};
use domain::id::IncidentId;
use domain::incident::{Class, Origin};
use domain::press::AlertKind;
use domain::word::Word as _;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clock;
use crate::desk::Desk;
use crate::store::checkins::{self as store, Due, Settled};
use crate::store::intake::{self, Opened, Opening, Subject, Wearer};
use crate::store::timeline::Line;
use crate::store::{StoreError, facts, presence};

/// How often it is looked whose time has come. Check-ins are made for minutes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many are looked at in one transaction.
const AT_ONCE: i64 = 500;

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// So many due times were looked at.
    pub looked_at: usize,
    /// So many of them are over.
    pub settled: usize,
    /// So many of these were missed.
    pub missed: usize,
}

/// Looks until told to stop.
pub async fn run(desk: Desk, stop: CancellationToken) {
    let mut at_once = AT_ONCE;
    while !stop.is_cancelled() {
        match look(&desk, at_once).await {
            Ok(looked) if looked.looked_at > 0 => {
                at_once = AT_ONCE;
                continue;
            }
            Ok(_) => at_once = AT_ONCE,
            // One that cannot be looked at holds up no other: they are taken one by one until it is found.
            Err(cause) if !cause.is_away() && at_once > 1 => {
                warn!(%cause, "check-ins could not be looked at together");
                at_once = 1;
                continue;
            }
            Err(cause) if !cause.is_away() => {
                error!(%cause, "a check-in could not be looked at");
                let putting_off = async { store::put_off(&mut *desk.conn().await?).await };
                if putting_off.await.is_ok() {
                    continue;
                }
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Looks once at those whose time has come.
pub async fn look_once(desk: &Desk) -> Result<Looked, StoreError> {
    look(desk, AT_ONCE).await
}

async fn look(desk: &Desk, at_once: i64) -> Result<Looked, StoreError> {
    // Whoever has just come back has not heard what was said meanwhile.
    let listening_since = presence::listen(&mut *desk.conn().await?).await?;
    let mut tx = desk.begin().await?;
    let due = store::due(&mut tx, at_once).await?;
    if due.is_empty() {
        return Ok(Looked::default());
    }
    let now = facts::now(&mut tx).await?;
    let verdicts: Vec<Verdict> = due.iter().map(|due| judge(&due.plan, &facts(due, listening_since), now)).collect();
    let (mut waiting, mut settled, mut missed) = (Vec::new(), Vec::new(), Vec::new());
    for (due, verdict) in due.iter().zip(verdicts) {
        if let Verdict::Wait(until) = verdict {
            waiting.push((due.resident, until));
            continue;
        }
        if verdict == Verdict::Missed {
            missed.push((settled.len(), due));
        }
        settled.push(settle(due, verdict, now));
    }
    for (place, incident) in open(&mut tx, &missed, listening_since, now).await? {
        settled[place].incident = Some(incident);
    }
    store::wait(&mut tx, &waiting).await?;
    store::settle(&mut tx, &settled, now).await?;
    tx.commit().await?;
    if !missed.is_empty() {
        desk.wake();
    }
    Ok(Looked { looked_at: due.len(), settled: settled.len(), missed: missed.len() })
}

fn facts(due: &Due, listening_since: Timestamp) -> Facts {
    Facts {
        due_at: due.due_at,
        deadline: due.deadline,
        previous_at: due.previous_at,
        signs: due.signs,
        is_paused: due.is_paused,
        listening_since,
        in_outage: due.in_outage,
    }
}

fn settle(due: &Due, verdict: Verdict, now: Timestamp) -> Settled {
    // Of those that passed while nobody looked for long, only the first is judged.
    let is_stale = now.duration_since(due.deadline) > STALE;
    let after = if is_stale { due.now_there.max(due.due_there) } else { due.due_there };
    Settled {
        resident: due.resident,
        due_at: due.due_at,
        deadline: due.deadline,
        verdict,
        incident: None,
        next: due.plan.next(after).map(|next| (next.at, next.deadline)),
    }
}

/// Opens the welfare incidents of those who were missed, or adds to the open ones.
async fn open(
    tx: &mut PgConnection,
    missed: &[(usize, &Due)],
    listening_since: Timestamp,
    now: Timestamp,
) -> Result<Vec<(usize, IncidentId)>, StoreError> {
    let openings = missed.iter().map(|(_, due)| (opening(due), vec![line(due, listening_since)])).collect();
    let opened = intake::open_or_append(tx, openings, now).await?;
    let mut named = Vec::with_capacity(missed.len());
    for ((place, _), Opened { incident, .. }) in missed.iter().zip(opened) {
        info!(incident.id = %incident, "a check-in was missed");
        named.push((*place, incident));
    }
    Ok(named)
}

fn opening(due: &Due) -> Opening {
    let wearer = due.terminal.map(|terminal| Wearer {
        terminal,
        resident: Some(due.resident),
        node: Some(due.node),
        since: due.since,
        fences: 0,
        canary: false,
    });
    Opening {
        id: clock::fresh_id(),
        class: Class::Welfare,
        origin: Origin::Listed,
        subject: Subject::Resident(due.resident),
        wearer,
        kinds: vec![AlertKind::MissedCheckIn],
        category: None,
        presses: 1,
        place: None,
        doubts: Vec::new(),
        drill: false,
        canary: false,
    }
}

/// Why they are missed: what was waited for, and what was known last.
fn line(due: &Due, listening_since: Timestamp) -> Line {
    let last: Map<String, Value> =
        Way::ALL.iter().map(|way| (way.as_str().to_owned(), json!(due.signs.by(*way)))).collect();
    let data = json!({
        "due_at": due.due_at,
        "deadline": due.deadline,
        "ways": due.plan.ways().iter().map(|way| way.as_str()).collect::<Vec<_>>(),
        "last": last,
        "heard_at": due.heard_at,
        "in_outage": due.in_outage,
        "listening_since": listening_since,
    });
    Line { what: "missed_check_in", who: None, data }
}
