//! Learns what is usual of residents, and looks whether somebody is out when they never are.
//!
//! What follows from what is `domain::usual`'s. Learning and looking go on beside each other, each resident when their time
//! comes, by a time in the database: whichever dispatcher takes them first. Neither has any part in what is taken in.
//!
//! A suspicion asks the terminal for more positions and is shown to people. It opens no case, and changes none.

use std::time::Duration;

use domain::id::ResidentId;
use domain::usual::{Where, learn, look_again, unusual, whereabouts};
use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::desk::Desk;
use crate::store::because::Because;
use crate::store::commands::{self, Suspected};
use crate::store::usual::learning::{self, Due};
use crate::store::usual::suspicions::{self as store, Besides};
use crate::store::usual::{self as kept, Known};
use crate::store::{StoreError, facts};

/// How often it is looked whether somebody's time has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Learning rests for so many times as long as it took, so that it takes a fifth of one connection at most.
const REST: u32 = 4;
/// And for so long at least.
const REST_MIN: Duration = Duration::from_millis(50);
/// When nobody is due to be learnt.
const LEARN_EVERY: Duration = Duration::from_secs(10);
/// One that could not be learnt is tried again after so many seconds, so that it holds up no other.
const LEARN_AGAIN_S: f64 = 3_600.0;
/// So many residents are looked at together.
const AT_ONCE: i64 = 500;
/// Of so many at a time what was learnt is deleted when it is switched off for all.
const FORGOTTEN_AT_ONCE: i64 = 100;
/// How soon somebody is looked at again who is suspected, or could not be looked at.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// A position that is older says nothing of now.
const FRESH: SignedDuration = SignedDuration::from_mins(30);

/// Learns and looks until told to stop; where it is switched off, deletes what was learnt.
pub(crate) async fn run(desk: Desk, stop: CancellationToken) {
    tokio::join!(learn_all(&desk, &stop), look_all(&desk, &stop));
}

async fn rest(stop: &CancellationToken, pause: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

async fn learn_all(desk: &Desk, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let begun = tokio::time::Instant::now();
        let learning = async {
            // It can wait; whoever has pressed cannot.
            if desk.planner.is_behind() {
                return Ok(false);
            }
            if desk.config.learn_usual { learn_next(desk).await } else { forget_some(desk).await }
        };
        let pause = match learning.await {
            Ok(true) => (begun.elapsed() * REST).max(REST_MIN),
            Ok(false) => LEARN_EVERY,
            Err(cause) => {
                warn!(%cause, "what is usual cannot be learnt");
                LEARN_EVERY
            }
        };
        rest(stop, pause).await;
    }
}

async fn look_all(desk: &Desk, stop: &CancellationToken) {
    while !stop.is_cancelled() && desk.config.learn_usual {
        match look_once(desk).await {
            Ok(looked) if looked >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX) => continue,
            Ok(_) => {}
            Err(cause) => warn!(%cause, "who is out unusually cannot be read"),
        }
        rest(stop, LOOK_EVERY).await;
    }
    // Where it is switched off there is nobody to look at.
    stop.cancelled().await;
}

/// Learns what is usual of whoever has waited longest; whether somebody was due.
pub async fn learn_next(desk: &Desk) -> Result<bool, StoreError> {
    let days_max = learning::DAYS_MAX.min(i32::from(desk.config.fixes_kept_days.get()));
    let mut tx = desk.begin().await?;
    let Some(due) = learning::next_due(&mut tx, days_max).await? else {
        store::forget(&mut tx).await?;
        tx.commit().await?;
        return Ok(false);
    };
    let resident = due.resident;
    let learnt = match learn_one(&mut tx, &due).await {
        Ok(()) => tx.commit().await.map_err(StoreError::from),
        Err(cause) => {
            drop(tx);
            Err(cause)
        }
    };
    if let Err(cause) = learnt {
        error!(resident.id = %resident, %cause, "what is usual of somebody could not be learnt");
        learning::put_off(&mut *desk.conn().await?, resident, LEARN_AGAIN_S).await?;
    }
    Ok(true)
}

async fn learn_one(tx: &mut PgConnection, due: &Due) -> Result<(), StoreError> {
    if !due.is_wanted {
        return learning::drop_unwanted(tx, due.resident).await;
    }
    learning::note_stays(tx, due).await?;
    let grounds = learning::grounds(tx, due.resident).await?;
    let stays = learning::stays(tx, due.resident, &grounds).await?;
    learning::save(tx, due.resident, &learn(&grounds, &stays)).await
}

/// Deletes what was learnt of some; whether there was anything.
pub async fn forget_some(desk: &Desk) -> Result<bool, StoreError> {
    let mut tx = desk.begin().await?;
    let forgotten = kept::forget_all(&mut tx, FORGOTTEN_AT_ONCE).await?;
    tx.commit().await?;
    if forgotten > 0 {
        info!(forgotten, "what was usual of residents is deleted, because it is switched off");
    }
    Ok(forgotten > 0)
}

/// Looks at those who are due; the answer is how many they were.
pub async fn look_once(desk: &Desk) -> Result<usize, StoreError> {
    let mut conn = desk.conn().await?;
    let due = store::due(&mut conn, AT_ONCE).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let residents: Vec<Uuid> = due.iter().map(|due| due.resident).collect();
    let known = kept::known(&mut conn, &residents).await?;
    let now = facts::now(&mut conn).await?;
    let (mut quiet, mut close) = (Vec::new(), Vec::new());
    for due in &due {
        let known = known.get(&due.resident);
        if due.is_suspected || known.is_some_and(|known| may_be_missed(known, due, now)) {
            close.push(due.resident);
        } else {
            let next = known.and_then(|known| look_again(&known.habits, &known.calendar, now));
            quiet.push((due.resident, due.was, next));
        }
    }
    store::look_later(&mut conn, &quiet).await?;
    drop(conn);
    for resident in close {
        if let Err(cause) = look_closely(desk, resident).await {
            error!(resident.id = %resident, %cause, "it could not be looked whether somebody is out unusually");
            store::set_next(&mut *desk.conn().await?, resident, Some(now + AGAIN_AFTER)).await?;
        }
    }
    Ok(due.len())
}

/// Whether it is worth reading where somebody was: they are expected at home, and were seen elsewhere just now.
fn may_be_missed(known: &Known, due: &store::Due, now: Timestamp) -> bool {
    let Some((home, (place, at))) = known.habits.home().zip(due.last) else { return false };
    let is_expected = known.habits.around(now, &known.calendar).is_some_and(|around| around.is_at_home());
    is_expected && now.duration_since(at) <= FRESH && home.beyond(place).0 > 0.0
}

/// Looks at one resident alone, and writes what follows.
async fn look_closely(desk: &Desk, resident: Uuid) -> Result<(), StoreError> {
    let mut tx = desk.begin().await?;
    if !store::hold(&mut tx, resident).await? {
        return Ok(());
    }
    let Some(known) = kept::known(&mut tx, &[resident]).await?.remove(&resident) else { return Ok(()) };
    let now = facts::now(&mut tx).await?;
    let besides = store::besides(&mut tx, resident, now).await?;
    let is_suspected = judge(&mut tx, resident, &known, besides, now).await?;
    let next = look_again(&known.habits, &known.calendar, now);
    let next = if is_suspected { Some(now + AGAIN_AFTER) } else { next };
    store::set_next(&mut tx, resident, next).await?;
    tx.commit().await?;
    Ok(())
}

/// Raises a suspicion, or ends one; whether there is one now.
async fn judge(
    tx: &mut PgConnection,
    resident: Uuid,
    Known { habits, calendar }: &Known,
    besides: Besides,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(home) = habits.home() else { return Ok(besides.suspected.is_some()) };
    let (seen, terminal) = store::seen(tx, resident, now).await?;
    let absence = match (whereabouts(home, &seen, now), besides.suspected) {
        (Where::Home, Some(suspicion)) => {
            store::end(tx, suspicion, now).await?;
            return Ok(false);
        }
        (Where::Away(absence), None) if !besides.is_excused => absence,
        (_, suspected) => return Ok(suspected.is_some()),
    };
    let Some(unusual) = unusual(habits, calendar, &absence, besides.raised_at, now) else { return Ok(false) };
    let why = unusual.why(calendar);
    if store::raise(tx, (ResidentId(resident), terminal), &unusual, &why, now).await? {
        if let Some(terminal) = terminal {
            let suspected =
                Suspected { terminal, resident: ResidentId(resident), why, because: Because::from(&unusual) };
            commands::watch(tx, &[suspected], now).await?;
        }
        info!(resident.id = %resident, "somebody is out when they never are");
    }
    Ok(true)
}
