//! Looks at the rules of residents when they are due: who should be home by ten, and is not.
//!
//! What follows from a rule is `domain::rules`'s. When to look lies in the database, one row a resident: set by the last
//! look, by whoever changes rules, pauses or days, and by the intake when somebody crosses an edge. So what is done does not
//! grow with how many residents have rules, only with how many are due. Those of whom nothing is to be said (nearly all) are
//! looked at hundreds at a time and without a lock; whoever is to be told of has a transaction of their own.

use std::time::Duration;

use domain::id::ResidentId;
use domain::incident::{Class, Origin};
use domain::press::AlertKind;
use domain::rules::{Breach, Expect, Look, Over, Why, look};
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::clock;
use crate::desk::Desk;
use crate::lines::clean;
use crate::store::commands::{self, Suspected};
use crate::store::fence_rules::{self as store, Watched, Witness};
use crate::store::intake::{self, Opened, Opening, PlacedFix, Subject, Wearer};
use crate::store::timeline::{self, Line};
use crate::store::{StoreError, facts, fence_trials, fences};
use crate::ways::Gone;

/// How often it is looked whether something is due. Rules are made for minutes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many residents are looked at together.
const AT_ONCE: i64 = 500;
/// One that could not be looked at is tried again after this long, so that it holds up no other.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// A position that is older does not tell where to begin to look for somebody.
const PLACE_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Looks until told to stop.
pub(crate) async fn run(desk: Desk, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match look_once(&desk).await {
            Ok(looked) if looked >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX) => continue,
            Ok(_) => {}
            Err(cause) => warn!(%cause, "which rules are due cannot be read"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Looks at those who are due; the answer is how many they were.
pub async fn look_once(desk: &Desk) -> Result<usize, StoreError> {
    let mut tx = desk.begin().await?;
    store::take_nudges(&mut tx, AT_ONCE).await?;
    let turned = store::turn_pauses(&mut tx).await?;
    let begun = if store::is_any_awaited(&mut tx).await? { store::begin_awaited(&mut tx).await? } else { 0 };
    tx.commit().await?;
    if begun > 0 {
        info!(begun, "fences that waited for their wearers are judged now");
    }
    if turned > 0 {
        info!(turned, "pauses of fences have begun, or are over");
    }
    let mut conn = desk.conn().await?;
    let due = store::due(&mut conn, AT_ONCE).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let residents: Vec<Uuid> = due.iter().map(|(resident, _)| *resident).collect();
    let watched = store::read(&mut conn, &residents).await?;
    let now = facts::now(&mut conn).await?;
    let (mut quiet, mut loud) = (Vec::new(), Vec::new());
    for (resident, was) in &due {
        let look = watched.get(resident).map(|watched| look_at(watched, now)).unwrap_or_default();
        if look.due.is_empty() && look.near.is_empty() && look.over.is_empty() {
            quiet.push((*resident, *was, look.wake_at));
        } else {
            loud.push(*resident);
        }
    }
    store::look_later(&mut conn, &quiet).await?;
    drop(conn);
    for resident in loud {
        if let Err(cause) = tell(desk, resident).await {
            error!(resident.id = %resident, %cause, "rules could not be looked at");
            store::set_next(&mut *desk.conn().await?, resident, Some(now + AGAIN_AFTER)).await?;
        }
    }
    Ok(due.len())
}

fn look_at(watched: &Watched, now: Timestamp) -> Look {
    let belief = |fence| watched.beliefs.get(&fence).copied().unwrap_or(domain::rules::Belief::Unknown);
    look(&watched.rules, &watched.calendar, &watched.pauses, belief, &watched.told, now)
}

/// Looks at one resident again, alone, and writes what follows.
async fn tell(desk: &Desk, resident: Uuid) -> Result<(), StoreError> {
    let mut tx = desk.begin().await?;
    if !store::hold(&mut tx, resident).await? {
        return Ok(());
    }
    let Some(watched) = store::read(&mut tx, &[resident]).await?.remove(&resident) else { return Ok(()) };
    let now = facts::now(&mut tx).await?;
    let look = look_at(&watched, now);
    if !look.due.is_empty() {
        open(&mut tx, resident, &watched, &look.due, now).await?;
    }
    // Before anybody is woken the terminal is asked for more, as it is at the edge of a fence without rules.
    if let (Some(breach), Some(terminal)) = (look.near.first(), watched.terminal) {
        let (resident, why) = (ResidentId(resident), breach.suspicion());
        let suspected = Suspected { terminal, resident, why, because: breach.into() };
        commands::watch(&mut tx, &[suspected], now).await?;
    }
    if !look.over.is_empty() {
        end(&mut tx, resident, &look.over, now).await?;
    }
    store::set_next(&mut tx, resident, look.wake_at).await?;
    tx.commit().await?;
    desk.wake();
    Ok(())
}

/// Opens a wandering incident for these breaches, or adds them to the open one.
async fn open(
    tx: &mut PgConnection,
    resident: Uuid,
    watched: &Watched,
    due: &[Breach],
    now: Timestamp,
) -> Result<(), StoreError> {
    let seen = fence_trials::last_seen(tx, resident, now - PLACE_WITHIN).await?;
    let place = seen.map(|seen| PlacedFix {
        position: seen.place,
        accuracy_m: seen.accuracy.map(|metres| metres.0),
        source: seen.source,
        received_at: seen.received_at,
        was_at: seen.received_at,
        device_at: None,
        speed_kmh: None,
        course_deg: None,
        altitude_m: None,
    });
    let gone = Gone::of(tx, resident, now - PLACE_WITHIN).await?;
    // By the terminal that told last where they are.
    let terminal = gone.as_ref().map(|gone| gone.trail.terminal).or(watched.terminal);
    let wearer = terminal.map(|terminal| Wearer {
        terminal,
        resident: Some(ResidentId(resident)),
        node: Some(watched.node),
        since: None,
        fences: 0,
        canary: false,
    });
    let is_away = due.iter().any(|breach| breach.asks.expect != Expect::Outside);
    let opening = Opening {
        id: clock::fresh_id(),
        class: Class::Wandering,
        origin: Origin::Listed,
        subject: Subject::Resident(ResidentId(resident)),
        wearer,
        kinds: if is_away { vec![AlertKind::FenceExit] } else { Vec::new() },
        category: None,
        presses: 1,
        place,
        doubts: Vec::new(),
        drill: false,
        canary: false,
    };
    let rules: Vec<Uuid> = due.iter().map(|breach| breach.rule.0).collect();
    let names = store::fence_names(tx, &rules).await?;
    let mut lines = Vec::new();
    for breach in due {
        let seen = store::witnesses(tx, resident, breach.fence, now - PLACE_WITHIN).await?;
        let name = names.get(&breach.rule).map_or("", String::as_str);
        lines.push(broken(breach, name, &seen, gone.as_ref()));
    }
    let opened = intake::open_or_append(tx, vec![(opening, lines)], now).await?;
    let Some(Opened { incident, .. }) = opened.into_iter().next() else { return Ok(()) };
    store::told(tx, resident, incident.0, due, now).await?;
    info!(incident.id = %incident, "a rule is not kept");
    Ok(())
}

/// Notes on the open wandering incident that breaches are over.
async fn end(tx: &mut PgConnection, resident: Uuid, over: &[Over], now: Timestamp) -> Result<(), StoreError> {
    let left = store::over(tx, resident, over, now).await?;
    let rules: Vec<Uuid> = over.iter().map(|over| over.rule.0).collect();
    let names = store::fence_names(tx, &rules).await?;
    let lines: Vec<Line> = over
        .iter()
        .map(|Over { rule, why }| {
            let data = json!({ "rule": rule.0, "fence_name": names.get(rule), "why": why.as_str() });
            Line { what: "rule_over", who: None, data }
        })
        .collect();
    let open = fences::open_wanderings(tx, &[resident]).await?;
    let incidents: Vec<Uuid> = open.iter().map(|(_, incident, _)| incident.0).collect();
    if left == 0 && over.iter().all(|over| over.why == Why::Kept) {
        fences::note_returned(tx, &incidents, &vec![true; incidents.len()]).await?;
    }
    timeline::append_all(tx, now, open.into_iter().map(|(_, incident, head)| (incident, head, lines.clone()))).await
}

/// Why somebody is told: the rule, since when it is not kept, by which positions, and which way they went.
fn broken(breach: &Breach, name: &str, seen: &[Witness], gone: Option<&Gone>) -> Line {
    let asks = &breach.asks;
    let mut data = json!({
        "rule": breach.rule.0,
        "fence": breach.fence.0,
        "fence_name": name,
        "expect": asks.expect.as_str(),
        "from_minute": asks.hours.from(),
        "until_minute": asks.hours.until(),
        "allowed_s": asks.allowed.as_secs(),
        "grace_s": asks.grace.as_secs(),
        "since": breach.since,
        "there_since": breach.there_since,
        "why": breach.to_string(),
        "fixes": seen,
    });
    if let (Some(data), Some(gone)) = (data.as_object_mut(), gone) {
        data.extend(gone.told(breach));
    }
    Line { what: "rule_broken", who: None, data: clean(data) }
}
