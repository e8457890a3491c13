//! Looks after terminals that are not heard: each when its time comes, many in one transaction.
//!
//! What a silence means is `domain::presence`'s. Silences that have something in common become one outage, which opens no
//! case; who is silent alone for too long becomes a welfare incident of its wearer.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use domain::id::IncidentId;
use domain::incident::{Class, Origin};
use domain::presence::outage::{self, Gone};
use domain::presence::signs::{self, Same};
use domain::presence::{Known, Stage, battery, judge};
use domain::press::AlertKind;
use domain::word::Word as _;
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::clock;
use crate::desk::Desk;
use crate::store::intake::{self, Opening, Subject, Wearer};
use crate::store::presence::{self as store, Contracts, Due, Found};
use crate::store::timeline::{self, Line};
use crate::store::{StoreError, facts, outages};

/// How often it is looked whose time has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many are looked at in one transaction.
const AT_ONCE: i64 = 2_000;
/// How often outages are looked for, when nobody has fallen silent or come back.
const OUTAGES_EVERY: Duration = Duration::from_secs(30);

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// So many terminals were looked at.
    pub terminals: usize,
    /// So many of them changed: fell silent, or came back.
    pub changed: usize,
    /// So many welfare incidents were opened, or added to.
    pub alarms: usize,
}

/// Looks until told to stop.
pub async fn run(desk: Desk, stop: CancellationToken) {
    // Whoever is silent is missed in minutes; a press is not to wait behind it.
    let desk = desk.aside();
    let mut grouped_at = tokio::time::Instant::now();
    while !stop.is_cancelled() {
        let looked = match look(&desk).await {
            Ok(looked) => looked,
            Err(cause) => {
                warn!(%cause, "terminals could not be looked after");
                Looked::default()
            }
        };
        if looked.changed > 0 || grouped_at.elapsed() >= OUTAGES_EVERY {
            grouped_at = tokio::time::Instant::now();
            if let Err(cause) = group(&desk).await {
                warn!(%cause, "outages could not be looked for");
            }
        }
        if looked.terminals >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX) {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Looks once at those whose time has come.
pub async fn look(desk: &Desk) -> Result<Looked, StoreError> {
    // By itself: a row that all dispatchers write is not to be held for long.
    let listening_since = store::listen(&mut *desk.conn().await?).await?;
    let mut tx = desk.begin().await?;
    let due = store::due(&mut tx, AT_ONCE).await?;
    if due.is_empty() {
        return Ok(Looked::default());
    }
    let contracts = store::contracts(&mut tx).await?;
    let now = facts::now(&mut tx).await?;
    let looked = look_at(&mut tx, &due, (&contracts, listening_since), now).await?;
    tx.commit().await?;
    if looked.alarms > 0 {
        desk.wake();
    }
    Ok(looked)
}

async fn look_at(
    tx: &mut PgConnection,
    due: &[Due],
    (contracts, listening_since): (&Contracts, Timestamp),
    now: Timestamp,
) -> Result<Looked, StoreError> {
    let terminals: Vec<i64> = due.iter().map(|due| due.terminal.0).collect();
    store::note_ties(tx, &terminals).await?;
    let new_levels = due.iter().filter(|due| due.battery_pct != due.battery_before);
    let levels = store::levels(tx, &new_levels.map(|due| due.terminal.0).collect::<Vec<_>>()).await?;
    let mut found: Vec<Found> = Vec::with_capacity(due.len());
    let mut looked = Looked { terminals: due.len(), ..Looked::default() };
    let (mut back, mut alarms, mut heard_again) = (Vec::new(), Vec::new(), Vec::new());
    for (place, due) in due.iter().enumerate() {
        let (contract, alarm) = contracts.of(&due.model);
        let known = Known {
            heard_at: due.heard_at.filter(|_| !due.is_revoked),
            heard_before: due.heard_before,
            before: due.stage,
            given_at: due.given_at,
            listening_since,
            motion: due.motion(now),
        };
        let standing = judge(&contract, &known, now);
        let is_absent = standing.stage.is_absent();
        if is_absent != due.stage.is_absent() {
            looked.changed += 1;
        }
        if !is_absent && due.stage.is_absent() {
            back.push(due.terminal.0);
            heard_again.extend(due.incident.map(|incident| (incident, place)));
        }
        // Those who fall silent with it have their time too, before it is told as its own.
        let rings = due.stage.is_absent() && due.outage.is_none() && !due.is_paused && !due.is_alarmed;
        let rings = rings && alarm.rings_at(standing.stage);
        if rings {
            alarms.push(place);
        }
        let forecast = |levels: &Vec<battery::Level>| battery::forecast(levels).map(|forecast| forecast.flat_at);
        let flat_at = match levels.get(&due.terminal) {
            Some(levels) => forecast(levels),
            None => due.flat_at,
        };
        let same = due.same.map(|(since, told, source)| Same { since, told, source, moved_at: due.moved_at });
        found.push(Found {
            terminal: due.terminal,
            stage: standing.stage,
            heard_at: due.heard_at,
            look_at: standing.look_at,
            outage: due.outage.filter(|_| is_absent),
            is_alarmed: is_absent && (due.is_alarmed || rings),
            incident: due.incident.filter(|_| is_absent),
            battery_pct: due.battery_pct,
            flat_at: flat_at.filter(|_| !due.is_charging && standing.stage == Stage::Heard),
            is_not_worn: !is_absent && signs::is_not_worn(due.off_since, due.is_charging, now),
            is_frozen: !is_absent && same.is_some_and(|same| signs::is_frozen(&same, now)),
        });
    }
    looked.alarms = alarms.len();
    for (place, incident) in alarm(tx, due, &found, &alarms, now).await? {
        found[place].incident = Some(incident.0);
    }
    store::note(tx, &found, now).await?;
    outages::returned(tx, &back, now).await?;
    heard_again.sort_unstable();
    for (incident, place) in heard_again {
        let data = json!({ "serial": due[place].serial, "heard_at": due[place].heard_at });
        timeline::append(tx, IncidentId(incident), now, &[Line { what: "heard_again", who: None, data }]).await?;
    }
    Ok(looked)
}

/// Opens the welfare incidents of wearers whose terminals are silent by themselves.
async fn alarm(
    tx: &mut PgConnection,
    due: &[Due],
    found: &[Found],
    alarms: &[usize],
    now: Timestamp,
) -> Result<Vec<(usize, IncidentId)>, StoreError> {
    // Two terminals of one wearer are one case.
    let mut cases: HashMap<(Subject, bool), usize> = HashMap::new();
    let mut openings: Vec<(Opening, Vec<Line>)> = Vec::new();
    let mut of = Vec::with_capacity(alarms.len());
    for &place in alarms {
        let due = &due[place];
        let opening = opening(due);
        let case = *cases.entry((opening.subject.clone(), opening.drill)).or_insert_with(|| {
            openings.push((opening, Vec::new()));
            openings.len() - 1
        });
        let data = json!({
            "serial": due.serial,
            "stage": found[place].stage.as_str(),
            "heard_at": due.heard_at,
            "battery_pct": due.battery_pct,
            "flat_at": due.flat_at,
        });
        openings[case].1.push(Line { what: "not_heard", who: None, data });
        of.push((place, case));
    }
    let opened = intake::open_or_append(tx, openings, now).await?;
    let mut named = Vec::with_capacity(of.len());
    for (place, case) in of {
        let incident = opened[case].incident;
        info!(incident.id = %incident, device.serial = due[place].serial, "a terminal is silent by itself");
        named.push((place, incident));
    }
    Ok(named)
}

fn opening(due: &Due) -> Opening {
    let wearer = Wearer {
        terminal: due.terminal,
        resident: due.resident,
        node: due.node,
        since: Some(due.given_at),
        fences: 0,
        canary: false,
    };
    Opening {
        id: clock::fresh_id(),
        class: Class::Welfare,
        origin: Origin::Listed,
        subject: due.resident.map_or(Subject::Terminal(due.terminal), Subject::Resident),
        wearer: Some(wearer),
        kinds: vec![AlertKind::Silent],
        category: None,
        presses: 1,
        place: None,
        doubts: Vec::new(),
        drill: due.is_drill,
        canary: false,
    }
}

/// Finds what those who fell silent have in common, and ends the outages that are over. One dispatcher does it at a time;
/// how many outages were begun.
pub async fn group(desk: &Desk) -> Result<usize, StoreError> {
    let mut tx = desk.begin().await?;
    if !outages::take(&mut tx).await? {
        return Ok(0);
    }
    let now = facts::now(&mut tx).await?;
    let counts = outages::counts(&mut tx).await?;
    let over: Vec<Uuid> =
        counts.into_iter().filter(|(_, all, gone)| outage::is_over(*all, *gone)).map(|(id, ..)| id).collect();
    outages::end(&mut tx, &over, now).await?;
    let gone = outages::gone(&mut tx).await?;
    let open = outages::open(&mut tx).await?;
    let mut left: Vec<Gone> = Vec::new();
    let mut joining: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
    for one in gone {
        match outage::joins(&one, &open) {
            Some(open) => joining.entry(open.id).or_default().push(one.terminal.0),
            None => left.push(one),
        }
    }
    // Of one tie there is one outage at a time.
    let mut suspects = outage::suspects(&left);
    suspects.retain(|tie| open.iter().all(|open| open.tie != *tie));
    for one in &mut left {
        one.ties.retain(|tie| suspects.contains(tie));
    }
    let shares = outages::shares(&mut tx, &suspects).await?;
    let groups = outage::group(&left, &shares);
    let mut begun = 0;
    for group in &groups {
        // The same tie, at another time: theirs is the outage that has just begun.
        if groups.iter().take_while(|other| *other != group).any(|other| other.tie == group.tie) {
            continue;
        }
        begun += 1;
        let id = outages::begin(&mut tx, group, now).await?;
        warn!(
            outage.id = %id, kind = %group.tie.kind, key = group.tie.key, terminals = group.members.len(),
            shared_by = group.of, "many terminals fell silent together"
        );
        joining.insert(id, group.members.iter().map(|terminal| terminal.0).collect());
    }
    for (outage, members) in joining {
        outages::join(&mut tx, outage, &members).await?;
    }
    tx.commit().await?;
    if begun > 0 || !over.is_empty() {
        desk.live.nudge();
    }
    Ok(begun)
}
