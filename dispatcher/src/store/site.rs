//! The record of an order, or of any other work on the spot: what was agreed, when it began and ended and how far from
//! the person's place that was said, and what the responder wrote and photographed there.

use domain::id::{IncidentId, OfferId, ResponderId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::timeline::{self, Line};
use super::{StoreError, facts};
use crate::access::Scope;
use crate::clock;
use crate::photo::Photo;

/// So many notes and photographs of one offer, together.
const NOTES_MAX: i64 = 20;

/// What a responder adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// In words.
    Text(String),
    /// A photograph.
    Photo(Photo),
}

/// Why it was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The responder is not on it.
    #[error("only who is there writes down what was done: say that you have arrived first")]
    NotThere,
    /// There is enough.
    #[error("there are {NOTES_MAX} notes and photographs already")]
    TooMany,
}

impl Refusal {
    /// A stable code for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotThere => "not_there",
            Self::TooMany => "too_many_notes",
        }
    }
}

/// Adds a note or a photograph to an offer of the responder's own; `None` when it is none of theirs.
pub async fn add(
    conn: &mut PgConnection,
    offer: OfferId,
    responder: ResponderId,
    added: &Added,
) -> Result<Option<Result<IncidentId, Refusal>>, StoreError> {
    // The incident first, as every decision locks it; what has waited for a lock reads other rows as they were before,
    // so the offer is read by a statement of its own.
    sqlx::query!(
        "select i.id from incident i join offer o on o.incident_id = i.id
         where o.id = $1 and o.responder_id = $2 for update of i",
        offer.0,
        responder.0,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let row = sqlx::query!(
        r#"select incident_id, state, (select count(*) from site_note n where n.offer_id = o.id) as "notes!"
         from offer o where id = $1 and responder_id = $2"#,
        offer.0,
        responder.0,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.state != "on_scene" {
        return Ok(Some(Err(Refusal::NotThere)));
    }
    if row.notes >= NOTES_MAX {
        return Ok(Some(Err(Refusal::TooMany)));
    }
    let (id, now) = (clock::fresh_id(), facts::now(conn).await?);
    let (text, photo, data) = match added {
        Added::Text(text) => (Some(text.as_str()), None, json!({ "text": text })),
        // The hash is in the chain: another photograph cannot be put in its place.
        Added::Photo(photo) => {
            (None, Some(photo), json!({ "photo": id, "sha256": hex::encode(Sha256::digest(photo.bytes())) }))
        }
    };
    sqlx::query!(
        "insert into site_note (id, offer_id, at, text, photo, photo_type) values ($1, $2, $3, $4, $5, $6)",
        id,
        offer.0,
        now.to_sqlx(),
        text,
        photo.map(Photo::bytes),
        photo.map(Photo::kind),
    )
    .execute(&mut *conn)
    .await?;
    let what = if photo.is_some() { "photographed" } else { "site_noted" };
    let mut line = Line { what, who: None, data };
    line.data["offer"] = json!(offer.0);
    line.data["responder"] = json!(responder.0);
    let incident = IncidentId(row.incident_id);
    timeline::append(conn, incident, now, &[line]).await?;
    Ok(Some(Ok(incident)))
}

/// What somebody did on the spot.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WorkView {
    /// The offer.
    pub offer: Uuid,
    /// Who.
    pub name: String,
    /// Their company's name.
    pub provider: String,
    /// What kind of price was agreed, by the contract.
    pub price_class: Option<String>,
    /// When they accepted.
    pub accepted_at: Timestamp,
    /// When they meant to be there, as they said then.
    pub promised_at: Option<Timestamp>,
    /// When they said that they were there: the start.
    pub arrived_at: Option<Timestamp>,
    /// How far from the person's place they were then, when they told where.
    pub arrived_m: Option<f64>,
    /// When they said that they had finished.
    pub finished_at: Option<Timestamp>,
    /// How far from the person's place they were then.
    pub finished_m: Option<f64>,
    /// What they wrote and photographed, in order.
    pub notes: Vec<SiteNoteView>,
}

/// A note or photograph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SiteNoteView {
    /// Its identity; `GET /photos/{id}` gives the photograph.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// The words; none: it is a photograph.
    pub text: Option<String>,
}

/// What was done on the spot in a case, by everybody who accepted.
pub async fn work(conn: &mut PgConnection, incident: IncidentId) -> Result<Vec<WorkView>, StoreError> {
    let notes = sqlx::query!(
        "select n.id, n.offer_id, n.at, n.text from site_note n join offer o on o.id = n.offer_id
         where o.incident_id = $1 order by n.at, n.id",
        incident.0
    )
    .fetch_all(&mut *conn)
    .await?;
    let rows = sqlx::query!(
        r#"select o.id, r.name, p.name as provider, o.price_class, o.accepted_at as "accepted_at!", o.promised_at,
            o.arrived_at, o.arrived_m, o.finished_at, o.finished_m
         from offer o join responder r on r.id = o.responder_id join provider p on p.id = r.provider_id
         where o.incident_id = $1 and o.accepted_at is not null
         order by o.ordinal"#,
        incident.0
    )
    .fetch_all(conn)
    .await?;
    let time = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
    Ok(rows
        .into_iter()
        .map(|row| WorkView {
            offer: row.id,
            name: row.name,
            provider: row.provider,
            price_class: row.price_class,
            accepted_at: row.accepted_at.to_jiff(),
            promised_at: time(row.promised_at),
            arrived_at: time(row.arrived_at),
            arrived_m: row.arrived_m,
            finished_at: time(row.finished_at),
            finished_m: row.finished_m,
            notes: notes
                .iter()
                .filter(|note| note.offer_id == row.id)
                .map(|note| SiteNoteView { id: note.id, at: note.at.to_jiff(), text: note.text.clone() })
                .collect(),
        })
        .collect())
}

/// A photograph of a case in the scope: what kind it is, its bytes, and the case.
pub async fn photo(
    conn: &mut PgConnection,
    id: Uuid,
    scope: &Scope,
) -> Result<Option<(String, Vec<u8>, IncidentId)>, StoreError> {
    let row = sqlx::query!(
        r#"select n.photo as "photo!", n.photo_type as "photo_type!", i.id
         from site_note n join offer o on o.id = n.offer_id join incident i on i.id = o.incident_id
         where n.id = $1 and n.photo is not null and nodes_above(i.node_id, i.resident_id) && $2"#,
        id,
        scope.nodes(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.photo_type, row.photo, IncidentId(row.id))))
}
