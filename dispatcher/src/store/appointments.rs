//! Daily help that is wanted later: a row until its time comes, then a case like any other order.

use domain::id::{IncidentId, UserId};
use domain::order;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::{Page, Paged};
use super::telephone::{self, About, Call};
use super::timeline::{self, Line};
use super::{StoreError, facts};
use crate::access::Scope;
use crate::clock;

/// One that could not be opened is tried again after this long, so that it holds up no other.
const AGAIN_AFTER_S: f64 = 60.0;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// For whom.
    pub resident: Uuid,
    /// What: a word of the list.
    pub category: String,
    /// When somebody should be there; none: now.
    pub at: Option<Timestamp>,
    /// Who asks for it, when it is not the resident.
    pub on_behalf_of: Option<String>,
    /// Where, when it is not at home.
    pub place_in_words: Option<String>,
    /// The telephone to ask at.
    pub phone: Option<String>,
    /// Anything else.
    pub note: Option<String>,
    /// An exercise.
    pub drill: bool,
}

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AppointmentView {
    /// Its identity.
    pub id: Uuid,
    /// For whom.
    pub resident: Uuid,
    /// Their name.
    pub name: String,
    /// What: the word for it.
    pub category: String,
    /// What that is called in Chinese.
    pub zh: String,
    /// And in English.
    pub en: String,
    /// When somebody should be there.
    pub wanted_at: Timestamp,
    /// When the case for it is opened.
    pub opens_at: Timestamp,
    /// Who asks for it, when it is not the resident.
    pub on_behalf_of: Option<String>,
    /// Anything else.
    pub note: Option<String>,
    /// An exercise.
    pub drill: bool,
    /// `waiting`, `opened`, `cancelled`.
    pub state: String,
    /// The case, once it is opened.
    pub incident: Option<Uuid>,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// Who made it.
    pub made_by: String,
    /// Whoever changes it says which version they saw.
    pub version: i32,
}

/// Why an appointment was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is none in the scope.
    #[error("there is no such appointment")]
    NoAppointment,
    /// Its time has come, or it was cancelled.
    #[error("it is {0} already")]
    Over(String),
    /// Somebody else has changed it.
    #[error("somebody has changed it meanwhile")]
    EditedMeanwhile(Box<AppointmentView>),
    /// The time cannot be.
    #[error(transparent)]
    Refused(#[from] order::Refusal),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ChangeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Makes one. The resident is there, and in the caller's scope.
pub async fn make(conn: &mut PgConnection, wanted: &Wanted, by: UserId) -> Result<Uuid, ChangeError> {
    let (id, now) = (clock::fresh_id(), facts::now(conn).await?);
    let at = wanted.at.unwrap_or(now);
    let opens_at = order::opens_at(at, now)?;
    sqlx::query!(
        "insert into appointment (id, resident_id, category, wanted_at, wake_at, on_behalf_of, place_in_words, phone,
            note, drill, made_by, made_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        id,
        wanted.resident,
        wanted.category,
        at.to_sqlx(),
        opens_at.to_sqlx(),
        wanted.on_behalf_of,
        wanted.place_in_words,
        wanted.phone,
        wanted.note,
        wanted.drill,
        by.0,
        now.to_sqlx(),
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, id, "made_appointment", by).await?;
    Ok(id)
}

async fn write_down(conn: &mut PgConnection, id: Uuid, what: &str, by: UserId) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id, data)
         select $1, $2, id::text, resident_id, jsonb_build_object('wanted_at', wanted_at, 'reason', reason)
         from appointment where id = $3",
        by.0,
        what,
        id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Appointments by their ids, in a scope, the next first.
async fn read(conn: &mut PgConnection, ids: &[Uuid], scope: &Scope) -> Result<Vec<AppointmentView>, StoreError> {
    let rows = sqlx::query!(
        "select a.id, a.resident_id, r.name, a.category, c.zh, c.en, a.wanted_at, a.wake_at, a.on_behalf_of, a.note,
            a.drill, a.state, a.incident_id, a.reason, u.name as made_by, a.version
         from appointment a
         join resident r on r.id = a.resident_id
         join service_category c on c.word = a.category
         join app_user u on u.id = a.made_by
         where a.id = any($1) and lies_below(r.serving_node, $2)
         order by a.wake_at, a.id",
        ids,
        scope.nodes(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| AppointmentView {
            id: row.id,
            resident: row.resident_id,
            name: row.name,
            category: row.category,
            zh: row.zh,
            en: row.en,
            wanted_at: row.wanted_at.to_jiff(),
            opens_at: row.wake_at.to_jiff(),
            on_behalf_of: row.on_behalf_of,
            note: row.note,
            drill: row.drill,
            state: row.state,
            incident: row.incident_id,
            reason: row.reason,
            made_by: row.made_by,
            version: row.version,
        })
        .collect())
}

/// One of them; `None` when there is none in the scope.
pub async fn one(conn: &mut PgConnection, id: Uuid, scope: &Scope) -> Result<Option<AppointmentView>, StoreError> {
    Ok(read(conn, &[id], scope).await?.pop())
}

/// A page of those whose time is yet to come, the next first; `None` when there is none that it could come after.
pub async fn waiting(
    conn: &mut PgConnection,
    scope: &Scope,
    page: Page,
) -> Result<Option<Paged<AppointmentView>>, StoreError> {
    let after = match page.after {
        None => None,
        Some(after) => match one(conn, after, scope).await? {
            None => return Ok(None),
            Some(found) => Some(found.opens_at.to_sqlx()),
        },
    };
    let ids = sqlx::query_scalar!(
        "select a.id from appointment a join resident r on r.id = a.resident_id
         where a.state = 'waiting' and lies_below(r.serving_node, $2)
            and ($3::timestamptz is null or (a.wake_at, a.id) > ($3, $4::uuid))
         order by a.wake_at, a.id limit $1",
        i64::from(page.limit) + 1,
        scope.nodes(),
        after as Option<jiff_sqlx::Timestamp>,
        page.after,
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids = Paged::of(ids, page.limit, |id| *id);
    Ok(Some(Paged { things: read(conn, &ids.things, scope).await?, next: ids.next }))
}

/// The one that is to be changed, held for it.
async fn hold(conn: &mut PgConnection, id: Uuid, version: i32, scope: &Scope) -> Result<AppointmentView, ChangeError> {
    sqlx::query_scalar!("select id from appointment where id = $1 for update", id).fetch_optional(&mut *conn).await?;
    let found = one(conn, id, scope).await?.ok_or(ChangeError::NoAppointment)?;
    match found.state.as_str() {
        "waiting" if found.version == version => Ok(found),
        "waiting" => Err(ChangeError::EditedMeanwhile(Box::new(found))),
        _ => Err(ChangeError::Over(found.state)),
    }
}

/// Moves one to another time, with another note.
pub async fn change(
    conn: &mut PgConnection,
    (id, version): (Uuid, i32),
    wanted_at: Timestamp,
    note: Option<&str>,
    by: UserId,
    scope: &Scope,
) -> Result<(), ChangeError> {
    hold(conn, id, version, scope).await?;
    let opens_at = order::opens_at(wanted_at, facts::now(conn).await?)?;
    sqlx::query!(
        "update appointment set wanted_at = $2, wake_at = $3, note = $4 where id = $1",
        id,
        wanted_at.to_sqlx(),
        opens_at.to_sqlx(),
        note,
    )
    .execute(&mut *conn)
    .await?;
    Ok(write_down(conn, id, "moved_appointment", by).await?)
}

/// Cancels one.
pub async fn cancel(
    conn: &mut PgConnection,
    (id, version): (Uuid, i32),
    reason: &str,
    by: UserId,
    scope: &Scope,
) -> Result<(), ChangeError> {
    hold(conn, id, version, scope).await?;
    sqlx::query!("update appointment set state = 'cancelled', reason = $2 where id = $1", id, reason)
        .execute(&mut *conn)
        .await?;
    Ok(write_down(conn, id, "cancelled_appointment", by).await?)
}

/// One whose time has come, held until the transaction ends; another dispatcher takes another.
pub async fn next_due(conn: &mut PgConnection) -> Result<Option<Uuid>, StoreError> {
    let due = sqlx::query_scalar!(
        "select id from appointment where state = 'waiting' and wake_at <= clock_timestamp()
         order by wake_at, id limit 1 for update skip locked"
    )
    .fetch_optional(conn)
    .await?;
    Ok(due)
}

/// Opens the case for one that [`next_due`] holds.
pub async fn open(conn: &mut PgConnection, id: Uuid) -> Result<IncidentId, StoreError> {
    let row = sqlx::query!(
        "select a.*, r.serving_node from appointment a join resident r on r.id = a.resident_id where a.id = $1",
        id
    )
    .fetch_one(&mut *conn)
    .await?;
    let by = UserId(row.made_by);
    let call = Call {
        about: About::Service { category: Some(row.category), on_behalf_of: row.on_behalf_of },
        resident: Some(row.resident_id),
        place_in_words: row.place_in_words,
        phone: row.phone,
        note: row.note,
        drill: row.drill,
    };
    let incident = telephone::open(conn, &call, by, row.serving_node).await?;
    let data = json!({ "appointment": id, "wanted_at": row.wanted_at.to_jiff() });
    let now = facts::now(conn).await?;
    timeline::append(conn, incident, now, &[Line { what: "appointed", who: Some(by.0), data }]).await?;
    sqlx::query!("update appointment set state = 'opened', incident_id = $2 where id = $1", id, incident.0)
        .execute(conn)
        .await?;
    Ok(incident)
}

/// Puts one off that could not be opened.
pub async fn put_off(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "update appointment set wake_at = clock_timestamp() + make_interval(secs => $2) where id = $1 and state = 'waiting'",
        id,
        AGAIN_AFTER_S,
    )
    .execute(conn)
    .await?;
    Ok(())
}
