//! Incidents with their offers and hand-overs: row ↔ `domain`.

use std::collections::{BTreeSet, HashMap};

use domain::id::{HandoverId, IncidentId, OfferId, ResponderId, UserId};
use domain::incident::{
    Category, Centre, ClosedBy, Closure, Handover, HandoverState, Incident, Level, Offer, OfferState, Ownership, Rank,
    Ring, Told, Voice, Watch,
};
use domain::place::Metres;
use domain::press::AlertKind;
use domain::word::Word;
use jiff::SignedDuration;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::timeline::Head;

/// In `closed_by_rule`: who wandered off was back for as long as the policy says.
pub(super) const BACK: &str = "returned";

fn word<T: Word>(text: &str, table: &'static str, id: &dyn ToString, column: &'static str) -> Result<T, StoreError> {
    T::parse(text).map_err(|_| StoreError::Impossible { table, id: id.to_string(), column })
}

fn count(number: i32) -> u32 {
    // The columns are checked to be positive; a negative one would only mean "nothing yet".
    u32::try_from(number).unwrap_or(0)
}

/// An incident's own columns.
#[expect(clippy::struct_excessive_bools, reason = "a row as it is")]
struct Row {
    id: Uuid,
    class: String,
    origin: String,
    kinds: Vec<String>,
    service: Option<String>,
    opened_at: jiff_sqlx::Timestamp,
    presses: i32,
    presses_answered: i32,
    owner_id: Option<Uuid>,
    owned_since: Option<jiff_sqlx::Timestamp>,
    owner_check_at: Option<jiff_sqlx::Timestamp>,
    ring_level: String,
    ring_next_at: Option<jiff_sqlx::Timestamp>,
    ring_since: Option<jiff_sqlx::Timestamp>,
    ring_climbed_s: Option<i32>,
    officer_voice: String,
    officer_ring_at: Option<jiff_sqlx::Timestamp>,
    officer_by: Option<Uuid>,
    round: i32,
    shortfall: Option<String>,
    waits_until: Option<jiff_sqlx::Timestamp>,
    cancelled: bool,
    returned: bool,
    operator_decides: bool,
    closed_at: Option<jiff_sqlx::Timestamp>,
    closed_by: Option<Uuid>,
    closed_by_responder: Option<Uuid>,
    closed_by_rule: Option<String>,
    closes_at: Option<jiff_sqlx::Timestamp>,
    tell_next_at: Option<jiff_sqlx::Timestamp>,
    outcome: Option<String>,
    drill: bool,
    canary: bool,
    entries: i32,
    chain_head: Vec<u8>,
}

/// An incident whose row is locked until the transaction ends.
#[derive(Debug)]
pub struct Held {
    /// It.
    pub incident: Incident,
    /// Where its timeline ends.
    pub head: Head,
}

impl Row {
    fn into_incident(self, parts: Parts) -> Result<Incident, StoreError> {
        let id = self.id;
        let impossible = |column| StoreError::Impossible { table: "incident", id: id.to_string(), column };
        let kinds: BTreeSet<AlertKind> =
            self.kinds.iter().map(|kind| word(kind, "incident", &id, "kinds")).collect::<Result<_, _>>()?;
        let ownership = match (self.owner_id, self.owned_since, self.owner_check_at) {
            (None, None, None) => Ownership::Unclaimed,
            (Some(by), Some(since), Some(check_at)) => {
                Ownership::Claimed { by: UserId(by), since: since.to_jiff(), check_at: check_at.to_jiff() }
            }
            _ => return Err(impossible("owner_id")),
        };
        let ring = match (word(&self.ring_level, "incident", &id, "ring_level")?, self.ring_next_at) {
            (Level::Quiet, None) => Ring::Quiet,
            (Level::Quiet, Some(until)) => Ring::Held { until: until.to_jiff() },
            (level, Some(next_at)) => Ring::Ringing {
                level,
                since: self.ring_since.ok_or(impossible("ring_since"))?.to_jiff(),
                climbed: SignedDuration::from_secs(self.ring_climbed_s.ok_or(impossible("ring_climbed_s"))?.into()),
                next_at: next_at.to_jiff(),
            },
            _ => return Err(impossible("ring_next_at")),
        };
        let grid_officer = match (self.officer_voice.as_str(), self.officer_ring_at, self.officer_by) {
            ("not_needed", ..) => Voice::NotNeeded,
            ("due", Some(ring_at), _) => Voice::Due { ring_at: ring_at.to_jiff() },
            ("done", _, Some(by)) => Voice::Done { by: UserId(by) },
            _ => return Err(impossible("officer_voice")),
        };
        let closed_by = match (self.closed_by, self.closed_by_responder, self.closed_by_rule.as_deref()) {
            (None, None, None) => (self.canary && self.closed_at.is_some()).then_some(ClosedBy::Canary),
            (Some(user), None, None) => Some(ClosedBy::User(UserId(user))),
            (None, Some(responder), None) => Some(ClosedBy::Responder(ResponderId(responder))),
            (None, None, Some(BACK)) => Some(ClosedBy::Return),
            _ => return Err(impossible("closed_by")),
        };
        let closure = match (self.closed_at, closed_by, self.outcome) {
            (None, None, None) => Closure::Open,
            (Some(at), Some(by), Some(outcome)) => {
                Closure::Closed { outcome: word(&outcome, "incident", &id, "outcome")?, at: at.to_jiff(), by }
            }
            _ => return Err(impossible("closed_at")),
        };
        Ok(Incident {
            id: IncidentId(id),
            class: word(&self.class, "incident", &id, "class")?,
            origin: word(&self.origin, "incident", &id, "origin")?,
            kinds,
            category: self.service.map(Category),
            opened_at: self.opened_at.to_jiff(),
            presses: count(self.presses),
            presses_answered: count(self.presses_answered),
            ownership,
            ring,
            offers: parts.offers,
            round: count(self.round),
            shortfall: self.shortfall.map(|shortfall| word(&shortfall, "incident", &id, "shortfall")).transpose()?,
            waits_until: self.waits_until.map(jiff_sqlx::Timestamp::to_jiff),
            handovers: parts.handovers,
            grid_officer,
            told: parts.told,
            tell_next_at: self.tell_next_at.map(jiff_sqlx::Timestamp::to_jiff),
            cancelled: self.cancelled,
            returned: self.returned,
            closes_at: self.closes_at.map(jiff_sqlx::Timestamp::to_jiff),
            operator_decides: self.operator_decides,
            closure,
            drill: self.drill,
            canary: self.canary,
        })
    }
}

/// What belongs to an incident in tables of its own.
struct Parts {
    offers: Vec<Offer>,
    handovers: Vec<Handover>,
    told: Vec<Told>,
}

/// The same, of several incidents.
struct PartsOf {
    offers: HashMap<Uuid, Vec<Offer>>,
    handovers: HashMap<Uuid, Vec<Handover>>,
    told: HashMap<Uuid, Vec<Told>>,
}

impl PartsOf {
    async fn read(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Self, StoreError> {
        Ok(Self {
            offers: offers(conn, ids).await?,
            handovers: handovers(conn, ids).await?,
            told: told(conn, ids).await?,
        })
    }

    fn take(&mut self, id: Uuid) -> Parts {
        Parts {
            offers: self.offers.remove(&id).unwrap_or_default(),
            handovers: self.handovers.remove(&id).unwrap_or_default(),
            told: self.told.remove(&id).unwrap_or_default(),
        }
    }
}

/// Loads an incident and locks its row until the transaction ends; `None` when there is none.
pub async fn lock(conn: &mut PgConnection, id: IncidentId) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, class, origin, kinds, service, opened_at, presses, presses_answered, owner_id, owned_since,
            owner_check_at, ring_level, ring_next_at, ring_since, ring_climbed_s, officer_voice,
            officer_ring_at, officer_by, round, shortfall, waits_until, cancelled, returned, operator_decides, closed_at,
            closed_by, closed_by_responder, closed_by_rule, closes_at, tell_next_at, outcome, drill, canary, entries, chain_head
         from incident where id = $1 for update",
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    Ok(with_parts(conn, row.into_iter().collect()).await?.pop())
}

/// Loads those of the incidents whose rows nobody else has locked, and locks them until the transaction ends. In the order
/// in which they are named.
pub async fn lock_free(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, class, origin, kinds, service, opened_at, presses, presses_answered, owner_id, owned_since,
            owner_check_at, ring_level, ring_next_at, ring_since, ring_climbed_s, officer_voice,
            officer_ring_at, officer_by, round, shortfall, waits_until, cancelled, returned, operator_decides, closed_at,
            closed_by, closed_by_responder, closed_by_rule, closes_at, tell_next_at, outcome, drill, canary, entries, chain_head
         from incident where id = any($1) for update skip locked",
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut held = with_parts(conn, rows).await?;
    let place: HashMap<Uuid, usize> = ids.iter().copied().zip(0..).collect();
    held.sort_by_key(|held| place.get(&held.incident.id.0).copied());
    Ok(held)
}

/// Reads incidents to show them, without locking anything. In no particular order.
pub async fn read(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Incident>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, class, origin, kinds, service, opened_at, presses, presses_answered, owner_id, owned_since,
            owner_check_at, ring_level, ring_next_at, ring_since, ring_climbed_s, officer_voice,
            officer_ring_at, officer_by, round, shortfall, waits_until, cancelled, returned, operator_decides, closed_at,
            closed_by, closed_by_responder, closed_by_rule, closes_at, tell_next_at, outcome, drill, canary, entries, chain_head
         from incident where id = any($1)",
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    Ok(with_parts(conn, rows).await?.into_iter().map(|held| held.incident).collect())
}

async fn with_parts(conn: &mut PgConnection, rows: Vec<Row>) -> Result<Vec<Held>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut parts = PartsOf::read(conn, &ids).await?;
    rows.into_iter()
        .map(|mut row| {
            let parts = parts.take(row.id);
            let head = Head { entries: row.entries, hash: std::mem::take(&mut row.chain_head) };
            Ok(Held { incident: row.into_incident(parts)?, head })
        })
        .collect()
}

async fn offers(conn: &mut PgConnection, incidents: &[Uuid]) -> Result<HashMap<Uuid, Vec<Offer>>, StoreError> {
    let rows = sqlx::query!(
        "select incident_id, id, responder_id, round, asked_at, asked_by, look_at, left_m, state, answer_by, expected_at,
            reason
         from offer where incident_id = any($1) order by incident_id, ordinal",
        incidents
    )
    .fetch_all(conn)
    .await?;
    gather(rows.into_iter().map(|row| {
        let at = |column, at: Option<jiff_sqlx::Timestamp>| {
            at.map(jiff_sqlx::Timestamp::to_jiff).ok_or(StoreError::Impossible {
                table: "offer",
                id: row.id.to_string(),
                column,
            })
        };
        let state = match row.state.as_str() {
            "asked" => OfferState::Asked { answer_by: at("answer_by", row.answer_by)? },
            "accepted" => OfferState::Accepted { expected_at: at("expected_at", row.expected_at)? },
            "on_the_way" => OfferState::OnTheWay { expected_at: at("expected_at", row.expected_at)? },
            "on_scene" => OfferState::OnScene,
            "done" => OfferState::Done,
            "declined" => OfferState::Declined { reason: row.reason.unwrap_or_default() },
            "silent" => OfferState::Silent,
            "lost" => OfferState::Lost { by: word(&row.reason.unwrap_or_default(), "offer", &row.id, "reason")? },
            "withdrawn" => OfferState::Withdrawn,
            _ => return Err(StoreError::Impossible { table: "offer", id: row.id.to_string(), column: "state" }),
        };
        let offer = Offer {
            id: OfferId(row.id),
            responder: ResponderId(row.responder_id),
            round: count(row.round),
            asked_at: row.asked_at.to_jiff(),
            by: row.asked_by.map(UserId),
            watch: row.look_at.map(|look_at| Watch { look_at: look_at.to_jiff(), left: row.left_m.map(Metres) }),
            state,
        };
        Ok((row.incident_id, offer))
    }))
}

async fn handovers(conn: &mut PgConnection, incidents: &[Uuid]) -> Result<HashMap<Uuid, Vec<Handover>>, StoreError> {
    let rows = sqlx::query!(
        "select incident_id, id, centre, state, acknowledge_by, expected_at, reason, voice, voice_ring_at, voice_by, outlived
         from handover where incident_id = any($1) order by incident_id, ordinal",
        incidents
    )
    .fetch_all(conn)
    .await?;
    gather(rows.into_iter().map(|row| {
        let impossible = |column| StoreError::Impossible { table: "handover", id: row.id.to_string(), column };
        let acknowledge_by =
            || row.acknowledge_by.map(jiff_sqlx::Timestamp::to_jiff).ok_or(impossible("acknowledge_by"));
        let reason = || row.reason.clone().unwrap_or_default();
        let state = match row.state.as_str() {
            "proposed" => HandoverState::Proposed,
            "prepared" => HandoverState::Prepared { acknowledge_by: acknowledge_by()? },
            "sent" => HandoverState::Sent { acknowledge_by: acknowledge_by()? },
            "acknowledged" => HandoverState::Acknowledged,
            "dispatched" => {
                HandoverState::Dispatched { expected_at: row.expected_at.map(jiff_sqlx::Timestamp::to_jiff) }
            }
            "arrived" => HandoverState::Arrived,
            "closed" => HandoverState::Closed,
            "refused" => HandoverState::Refused { reason: reason() },
            "failed" => HandoverState::Failed,
            "stood_down" => HandoverState::StoodDown { reason: reason() },
            _ => return Err(impossible("state")),
        };
        let voice = match (row.voice.as_str(), row.voice_ring_at, row.voice_by) {
            ("not_needed", ..) => Voice::NotNeeded,
            ("due", Some(ring_at), _) => Voice::Due { ring_at: ring_at.to_jiff() },
            ("done", _, Some(by)) => Voice::Done { by: UserId(by) },
            _ => return Err(impossible("voice")),
        };
        let handover = Handover {
            id: HandoverId(row.id),
            centre: word(&row.centre, "handover", &row.id, "centre")?,
            state,
            voice,
            outlived: row.outlived,
        };
        Ok((row.incident_id, handover))
    }))
}

async fn told(conn: &mut PgConnection, incidents: &[Uuid]) -> Result<HashMap<Uuid, Vec<Told>>, StoreError> {
    let rows = sqlx::query!(
        "select incident_id, rank, state from contact_told where incident_id = any($1) order by incident_id, at, rank",
        incidents
    )
    .fetch_all(conn)
    .await?;
    gather(rows.into_iter().map(|row| {
        let state = word(&row.state, "contact_told", &row.incident_id, "state")?;
        Ok((row.incident_id, Told { rank: Rank(row.rank), state }))
    }))
}

/// What belongs to each incident, in the order in which it comes.
fn gather<T>(parts: impl Iterator<Item = Result<(Uuid, T), StoreError>>) -> Result<HashMap<Uuid, Vec<T>>, StoreError> {
    let mut of_each: HashMap<Uuid, Vec<T>> = HashMap::new();
    for part in parts {
        let (incident, part) = part?;
        of_each.entry(incident).or_default().push(part);
    }
    Ok(of_each)
}

/// The spelling of an offer's state.
pub const fn offer_word(state: &OfferState) -> &'static str {
    match state {
        OfferState::Asked { .. } => "asked",
        OfferState::Accepted { .. } => "accepted",
        OfferState::OnTheWay { .. } => "on_the_way",
        OfferState::OnScene => "on_scene",
        OfferState::Done => "done",
        OfferState::Declined { .. } => "declined",
        OfferState::Silent => "silent",
        OfferState::Lost { .. } => "lost",
        OfferState::Withdrawn => "withdrawn",
    }
}

/// The spelling of a hand-over's state.
pub const fn handover_word(state: &HandoverState) -> &'static str {
    match state {
        HandoverState::Proposed => "proposed",
        HandoverState::Prepared { .. } => "prepared",
        HandoverState::Sent { .. } => "sent",
        HandoverState::Acknowledged => "acknowledged",
        HandoverState::Dispatched { .. } => "dispatched",
        HandoverState::Arrived => "arrived",
        HandoverState::Closed => "closed",
        HandoverState::Refused { .. } => "refused",
        HandoverState::Failed => "failed",
        HandoverState::StoodDown { .. } => "stood_down",
    }
}

/// Remembers the centre's own number for a case.
pub async fn set_reference(conn: &mut PgConnection, handover: HandoverId, reference: &str) -> Result<(), StoreError> {
    sqlx::query!("update handover set reference = $2 where id = $1", handover.0, reference).execute(conn).await?;
    Ok(())
}

/// The incident that an offer belongs to, and whom it asks.
pub async fn of_offer(
    conn: &mut PgConnection,
    offer: OfferId,
) -> Result<Option<(IncidentId, ResponderId)>, StoreError> {
    let row =
        sqlx::query!("select incident_id, responder_id from offer where id = $1", offer.0).fetch_optional(conn).await?;
    Ok(row.map(|row| (IncidentId(row.incident_id), ResponderId(row.responder_id))))
}

/// The incident that a hand-over belongs to, and which centre it went to.
pub async fn of_handover(
    conn: &mut PgConnection,
    handover: HandoverId,
) -> Result<Option<(IncidentId, Centre)>, StoreError> {
    let row =
        sqlx::query!("select incident_id, centre from handover where id = $1", handover.0).fetch_optional(conn).await?;
    row.map(|row| Ok((IncidentId(row.incident_id), word(&row.centre, "handover", &handover, "centre")?))).transpose()
}

/// What waits to be decided.
#[derive(Debug, Default)]
pub struct Due {
    /// The most urgent, those first that are more so.
    pub first: Vec<IncidentId>,
    /// How many there are in all.
    pub count: i64,
}

/// The most urgent incidents that are due and not in hand, `max` of them; how many there are is counted to `count_max`.
pub async fn due(conn: &mut PgConnection, in_hand: &[uuid::Uuid], max: i64, count_max: i64) -> Result<Due, StoreError> {
    let rows = sqlx::query!(
        r#"with unanswered as (
            select id from incident
            where closed_at is null and presses_answered < presses and wake_at <= clock_timestamp() and id <> all($1)
            order by class <> 'emergency', wake_at limit $2),
         -- Looked for only while there is room, through an index that knows no order by class.
         answered as (
            select id from incident
            where closed_at is null and presses_answered >= presses and wake_at <= clock_timestamp() and id <> all($1)
            order by class <> 'emergency', wake_at
            limit $2 - (select count(*) from unanswered))
         select id as "id!", (select count(*) from (
            select from incident where closed_at is null and wake_at <= clock_timestamp() and id <> all($1)
            limit $3) due) as "count!"
         from (select id from unanswered union all select id from answered) first"#,
        in_hand,
        max,
        count_max,
    )
    .fetch_all(conn)
    .await?;
    let count = rows.first().map_or(0, |row| row.count);
    Ok(Due { first: rows.into_iter().map(|row| IncidentId(row.id)).collect(), count })
}

/// Notes that deciding failed. From the second failure on an operator has to: the incident rings for
/// every supervisor, and the automatic decision is tried again every half minute.
pub async fn note_failure(conn: &mut PgConnection, id: IncidentId) -> Result<bool, StoreError> {
    let handed = sqlx::query_scalar!(
        "update incident set decision_failures = decision_failures + 1,
            operator_decides = operator_decides or decision_failures >= 1,
            ring_level = case when decision_failures >= 1 then 'supervisors' else ring_level end,
            ring_since = case when decision_failures >= 1 and ring_level = 'none' then clock_timestamp() else ring_since end,
            ring_climbed_s = case when decision_failures >= 1 and ring_level = 'none' then 0 else ring_climbed_s end,
            ring_next_at = case when decision_failures >= 1 
                then least(ring_next_at, clock_timestamp() + interval '60 s') else ring_next_at end,
            wake_at = case when decision_failures >= 1 then clock_timestamp() + interval '30 s' else wake_at end
         where id = $1 and closed_at is null
         returning operator_decides",
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    Ok(handed.unwrap_or(false))
}
