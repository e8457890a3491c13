//! What decisions made of incidents, written down: `domain` → rows, many at a time.

use domain::id::IncidentId;
use domain::incident::{
    ClosedBy, Closure, Handover, HandoverState, Incident, Offer, OfferState, Ownership, Ring, Told, Voice,
};
use domain::word::Word as _;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::incidents::{BACK, handover_word, offer_word};
use super::timeline::{self, Head, Line};

/// Why a step could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The responder who was to be asked is engaged by another incident since the facts were read.
    #[error("a responder is engaged elsewhere")]
    ResponderBusy,
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SaveError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|error| error.constraint()) {
            Some("offer_engaged") => Self::ResponderBusy,
            _ => Self::Store(error.into()),
        }
    }
}

/// An incident before a decision and after it, and what its timeline tells of that.
#[derive(Debug)]
pub struct Change<'c> {
    /// Before.
    pub before: &'c Incident,
    /// After.
    pub next: &'c Incident,
    /// Where its timeline ended before.
    pub head: &'c Head,
    /// What happened.
    pub lines: Vec<Line>,
}

/// Writes what decisions made, `now`, of incidents that the caller has locked, with their timelines.
pub async fn save(conn: &mut PgConnection, changes: &mut [Change<'_>], now: Timestamp) -> Result<(), SaveError> {
    let (mut rows, mut entries) = (Vec::with_capacity(changes.len()), Vec::new());
    for change in &mut *changes {
        let mut end = change.head.clone();
        entries.extend(timeline::add(&mut end, change.next.id, now, change.lines.drain(..)));
        rows.push(IncidentRow::new(change.next, &end));
    }
    sqlx::query!(
        "update incident i set presses_answered = n.presses_answered, owner_id = n.owner_id, owned_since = n.owned_since,
            owner_check_at = n.owner_check_at, ring_level = n.ring_level, ring_next_at = n.ring_next_at,
            round = n.round, shortfall = n.shortfall, operator_decides = n.operator_decides, closed_at = n.closed_at,
            closed_by = n.closed_by, outcome = n.outcome, wake_at = n.wake_at,
            closed_by_responder = n.closed_by_responder, service = n.service, tell_next_at = n.tell_next_at,
            waits_until = n.waits_until, ring_since = n.ring_since, ring_climbed_s = n.ring_climbed_s,
            closes_at = n.closes_at, closed_by_rule = n.closed_by_rule, officer_voice = n.officer_voice, officer_ring_at = n.officer_ring_at, officer_by = n.officer_by,
            decision_failures = 0, entries = n.entries, chain_head = n.chain_head
         from jsonb_populate_recordset(null::incident, $1) n
         where i.id = n.id",
        json!(rows),
    )
    .execute(&mut *conn)
    .await?;
    timeline::write(conn, entries, &[]).await?;
    save_offers(conn, changes).await?;
    save_handovers(conn, changes).await?;
    save_told(conn, changes, now).await
}

/// The rows of what is new or different since; `None` when nothing is.
fn changed<'c, T: PartialEq + 'c, R: Serialize>(
    changes: &'c [Change<'c>],
    of: impl Fn(&'c Incident) -> &'c [T],
    row: impl Fn(IncidentId, usize, &'c T) -> R,
) -> Option<Value> {
    let rows: Vec<R> = changes
        .iter()
        .flat_map(|change| {
            let known = of(change.before);
            let parts = of(change.next).iter().enumerate().filter(move |(_, part)| !known.contains(part));
            parts.map(move |(ordinal, part)| (change.next.id, ordinal, part))
        })
        .map(|(incident, ordinal, part)| row(incident, ordinal, part))
        .collect();
    (!rows.is_empty()).then(|| json!(rows))
}

async fn save_offers(conn: &mut PgConnection, changes: &[Change<'_>]) -> Result<(), SaveError> {
    let Some(rows) = changed(changes, |incident| &incident.offers, OfferRow::new) else { return Ok(()) };
    sqlx::query!(
        "insert into offer (id, incident_id, ordinal, responder_id, round, asked_at, state, answer_by, expected_at, reason,
            asked_by, look_at, left_m, distance_m)
         select n.id, n.incident_id, n.ordinal, n.responder_id, n.round, n.asked_at, n.state, n.answer_by, n.expected_at,
            n.reason, n.asked_by, n.look_at, n.left_m,
            (select st_distance(p.place, at.place) from responder_position p, incident_place at
             where p.responder_id = n.responder_id and at.incident_id = n.incident_id)
         from jsonb_populate_recordset(null::offer, $1) n
         on conflict (id) do update set state = excluded.state, answer_by = excluded.answer_by,
            expected_at = excluded.expected_at, reason = excluded.reason, look_at = excluded.look_at,
            left_m = excluded.left_m",
        rows,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn save_handovers(conn: &mut PgConnection, changes: &[Change<'_>]) -> Result<(), SaveError> {
    let Some(rows) = changed(changes, |incident| &incident.handovers, HandoverRow::new) else { return Ok(()) };
    sqlx::query!(
        "insert into handover (id, incident_id, ordinal, centre, state, acknowledge_by, expected_at, reason, voice,
            voice_ring_at, voice_by, outlived)
         select n.id, n.incident_id, n.ordinal, n.centre, n.state, n.acknowledge_by, n.expected_at, n.reason, n.voice,
            n.voice_ring_at, n.voice_by, n.outlived
         from jsonb_populate_recordset(null::handover, $1) n
         on conflict (id) do update set state = excluded.state, acknowledge_by = excluded.acknowledge_by,
            expected_at = excluded.expected_at, reason = excluded.reason, voice = excluded.voice,
            voice_ring_at = excluded.voice_ring_at, voice_by = excluded.voice_by,
            outlived = excluded.outlived",
        rows,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn save_told(conn: &mut PgConnection, changes: &[Change<'_>], now: Timestamp) -> Result<(), SaveError> {
    let row = |incident: IncidentId, _, told: &Told| ToldRow {
        incident_id: incident.0,
        rank: told.rank.0,
        state: told.state.as_str(),
    };
    let Some(rows) = changed(changes, |incident| &incident.told, row) else { return Ok(()) };
    sqlx::query!(
        "insert into contact_told (incident_id, rank, state, at)
         select n.incident_id, n.rank, n.state, $2 from jsonb_populate_recordset(null::contact_told, $1) n
         on conflict (incident_id, rank) do update set state = excluded.state",
        rows,
        now.to_sqlx(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The columns of `incident` that a decision may change.
#[derive(Serialize)]
struct IncidentRow<'i> {
    id: Uuid,
    presses_answered: u32,
    owner_id: Option<Uuid>,
    owned_since: Option<Timestamp>,
    owner_check_at: Option<Timestamp>,
    ring_level: &'static str,
    ring_next_at: Option<Timestamp>,
    ring_since: Option<Timestamp>,
    ring_climbed_s: Option<i64>,
    officer_voice: &'static str,
    officer_ring_at: Option<Timestamp>,
    officer_by: Option<Uuid>,
    round: u32,
    shortfall: Option<&'static str>,
    waits_until: Option<Timestamp>,
    operator_decides: bool,
    closed_at: Option<Timestamp>,
    closed_by: Option<Uuid>,
    closed_by_responder: Option<Uuid>,
    closed_by_rule: Option<&'static str>,
    outcome: Option<&'static str>,
    service: Option<&'i str>,
    tell_next_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
    wake_at: Option<Timestamp>,
    entries: i32,
    chain_head: String,
}

impl<'i> IncidentRow<'i> {
    fn new(next: &'i Incident, end: &Head) -> Self {
        let (owner_id, owned_since, owner_check_at) = match next.ownership {
            Ownership::Unclaimed => (None, None, None),
            Ownership::Claimed { by, since, check_at } => (Some(by.0), Some(since), Some(check_at)),
        };
        let (closed_at, closed_by, outcome) = match next.closure {
            Closure::Open => (None, None, None),
            Closure::Closed { outcome, at, by } => (Some(at), Some(by), Some(outcome.as_str())),
        };
        let (closed_by, closed_by_responder, closed_by_rule) = match closed_by {
            None | Some(ClosedBy::Canary) => (None, None, None),
            Some(ClosedBy::User(user)) => (Some(user.0), None, None),
            Some(ClosedBy::Responder(responder)) => (None, Some(responder.0), None),
            Some(ClosedBy::Return) => (None, None, Some(BACK)),
        };
        let (ring_since, ring_climbed_s) = match next.ring {
            Ring::Quiet | Ring::Held { .. } => (None, None),
            Ring::Ringing { since, climbed, .. } => (Some(since), Some(climbed.as_secs())),
        };
        let (officer_voice, officer_ring_at, officer_by) = voice_columns(next.grid_officer);
        Self {
            id: next.id.0,
            presses_answered: next.presses_answered,
            owner_id,
            owned_since,
            owner_check_at,
            ring_level: next.ring.level().as_str(),
            ring_next_at: next.ring.next_at(),
            ring_since,
            ring_climbed_s,
            officer_voice,
            officer_ring_at,
            officer_by,
            round: next.round,
            shortfall: next.shortfall.map(domain::word::Word::as_str),
            waits_until: next.waits_until,
            operator_decides: next.operator_decides,
            closed_at,
            closed_by,
            closed_by_responder,
            closed_by_rule,
            outcome,
            service: next.category.as_ref().map(|category| category.0.as_str()),
            tell_next_at: next.tell_next_at,
            closes_at: next.closes_at,
            wake_at: next.wake_at(),
            entries: end.entries,
            chain_head: end.hash_as_text(),
        }
    }
}

const fn voice_columns(voice: Voice) -> (&'static str, Option<Timestamp>, Option<Uuid>) {
    match voice {
        Voice::NotNeeded => ("not_needed", None, None),
        Voice::Due { ring_at } => ("due", Some(ring_at), None),
        Voice::Done { by } => ("done", None, Some(by.0)),
    }
}

/// A row of `offer`.
#[derive(Serialize)]
struct OfferRow<'o> {
    id: Uuid,
    incident_id: Uuid,
    ordinal: usize,
    responder_id: Uuid,
    round: u32,
    asked_at: Timestamp,
    asked_by: Option<Uuid>,
    look_at: Option<Timestamp>,
    left_m: Option<f64>,
    state: &'static str,
    answer_by: Option<Timestamp>,
    expected_at: Option<Timestamp>,
    reason: Option<&'o str>,
}

impl<'o> OfferRow<'o> {
    fn new(incident: IncidentId, ordinal: usize, offer: &'o Offer) -> Self {
        let (mut answer_by, mut expected, mut because) = (None, None, None);
        match &offer.state {
            OfferState::Asked { answer_by: until } => answer_by = Some(*until),
            OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } => {
                expected = Some(*expected_at);
            }
            OfferState::Declined { reason } => because = Some(reason.as_str()),
            OfferState::Lost { by } => because = Some(by.as_str()),
            OfferState::OnScene | OfferState::Done | OfferState::Silent | OfferState::Withdrawn => {}
        }
        Self {
            id: offer.id.0,
            incident_id: incident.0,
            ordinal,
            responder_id: offer.responder.0,
            round: offer.round,
            asked_at: offer.asked_at,
            asked_by: offer.by.map(|by| by.0),
            look_at: offer.watch.map(|watch| watch.look_at),
            left_m: offer.watch.and_then(|watch| watch.left).map(|left| left.0),
            state: offer_word(&offer.state),
            answer_by,
            expected_at: expected,
            reason: because,
        }
    }
}

/// A row of `handover`.
#[derive(Serialize)]
struct HandoverRow<'h> {
    id: Uuid,
    incident_id: Uuid,
    ordinal: usize,
    centre: &'static str,
    state: &'static str,
    acknowledge_by: Option<Timestamp>,
    expected_at: Option<Timestamp>,
    reason: Option<&'h str>,
    voice: &'static str,
    voice_ring_at: Option<Timestamp>,
    voice_by: Option<Uuid>,
    outlived: bool,
}

impl<'h> HandoverRow<'h> {
    fn new(incident: IncidentId, ordinal: usize, handover: &'h Handover) -> Self {
        let (mut acknowledge, mut expected, mut because) = (None, None, None);
        match &handover.state {
            HandoverState::Prepared { acknowledge_by } | HandoverState::Sent { acknowledge_by } => {
                acknowledge = Some(*acknowledge_by);
            }
            HandoverState::Dispatched { expected_at } => expected = *expected_at,
            HandoverState::Refused { reason } | HandoverState::StoodDown { reason } => because = Some(reason.as_str()),
            HandoverState::Proposed
            | HandoverState::Acknowledged
            | HandoverState::Arrived
            | HandoverState::Closed
            | HandoverState::Failed => {}
        }
        let (voice, voice_ring_at, voice_by) = voice_columns(handover.voice);
        Self {
            id: handover.id.0,
            incident_id: incident.0,
            ordinal,
            centre: handover.centre.as_str(),
            state: handover_word(&handover.state),
            acknowledge_by: acknowledge,
            expected_at: expected,
            reason: because,
            voice,
            voice_ring_at,
            voice_by,
            outlived: handover.outlived,
        }
    }
}

/// A row of `contact_told`.
#[derive(Serialize)]
struct ToldRow {
    incident_id: Uuid,
    rank: i16,
    state: &'static str,
}
