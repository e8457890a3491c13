//! What follows a case that is closed: rows ↔ [`domain::aftercare`], what was said in words, and the list of what is
//! due.

use std::collections::HashMap;

use domain::aftercare::{Aftercare, Drill, Excuse, Input, Policy, Rater, Reached, Refusal, Standing, Stars, Step, Why};
use domain::id::{IncidentId, UserId};
use domain::incident::{Closure, Incident};
use domain::word::Word as _;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::page::{Page, Paged};
use super::timeline::{self, Line};
use super::{StoreError, audit, facts};
use crate::access::Scope;
use crate::clock;

/// Something that somebody notes after the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// Somebody has called.
    Call {
        /// When; none: just now.
        at: Option<Timestamp>,
        /// Whom it reached.
        reached: Reached,
        /// What was said.
        note: Option<String>,
    },
    /// Somebody has said how it was.
    Rating {
        /// How good.
        stars: Stars,
        /// Who says so.
        given_by: Rater,
        /// What is complained of.
        complaint: Option<String>,
        /// Anything else.
        comment: Option<String>,
    },
    /// There will be no call or rating.
    Excuse {
        /// Why.
        excuse: Excuse,
        /// In words.
        note: Option<String>,
    },
}

/// Why it was not noted.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// There is no such incident.
    #[error("there is no such incident")]
    NoIncident,
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for NoteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The two steps that come after the end, as rows.
fn rows(aftercare: &Aftercare) -> [(Step, Standing); 2] {
    [(Step::FollowedUp, aftercare.follow_up), (Step::Rated, aftercare.rating)]
}

/// Writes down what follows a case that has just been closed; nothing when it is open, nor when nobody was
/// in need: a canary's case goes without a trace.
pub async fn begin(conn: &mut PgConnection, incident: &Incident, policy: &Policy) -> Result<(), StoreError> {
    let Closure::Closed { outcome, at, .. } = incident.closure else { return Ok(()) };
    if incident.canary {
        return Ok(());
    }
    let drill = if incident.drill { Drill::Drill } else { Drill::Real };
    let begun = Aftercare::begin(incident.class, drill, outcome, at, policy);
    for (step, standing) in rows(&begun) {
        let (due_by, settled_at, why) = match standing {
            Standing::Due { by } => (by, None, None),
            Standing::Done { at } => (at, Some(at), None),
            Standing::Waived { at, why } => (at, Some(at), Some(why.as_str())),
        };
        sqlx::query!(
            "insert into aftercare (incident_id, step, due_by, settled_at, why) values ($1, $2, $3, $4, $5)",
            incident.id.0,
            step.as_str(),
            due_by.to_sqlx(),
            settled_at.map(jiff_sqlx::ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
            why,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// What follows each of these cases; open ones are left out.
pub async fn read(conn: &mut PgConnection, incidents: &[Uuid]) -> Result<HashMap<Uuid, Aftercare>, StoreError> {
    let rows = sqlx::query!(
        r#"select i.id as "id!", i.closed_at as "closed_at!",
            call.due_by as call_by, call.settled_at as called_at, call.why as call_why,
            said.due_by as rate_by, said.settled_at as "rated_at?", said.why as rate_why,
            (select count(*) from follow_up_call c where c.incident_id = i.id and c.reached = 'nobody') as "tries!"
         from incident i
         join aftercare call on call.incident_id = i.id and call.step = 'followed_up'
         join aftercare said on said.incident_id = i.id and said.step = 'rated'
         where i.id = any($1) and i.closed_at is not null"#,
        incidents
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = || StoreError::Impossible { table: "aftercare", id: row.id.to_string(), column: "why" };
            let aftercare = Aftercare {
                closed_at: row.closed_at.to_jiff(),
                follow_up: standing(row.call_by, row.called_at, row.call_why.as_deref()).ok_or_else(impossible)?,
                rating: standing(row.rate_by, row.rated_at, row.rate_why.as_deref()).ok_or_else(impossible)?,
                tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
            };
            Ok((row.id, aftercare))
        })
        .collect()
}

/// `None` when nobody knows the reason.
fn standing(
    due_by: jiff_sqlx::Timestamp,
    settled_at: Option<jiff_sqlx::Timestamp>,
    why: Option<&str>,
) -> Option<Standing> {
    Some(match (settled_at.map(jiff_sqlx::Timestamp::to_jiff), why) {
        (None, _) => Standing::Due { by: due_by.to_jiff() },
        (Some(at), None) => Standing::Done { at },
        (Some(at), Some(why)) => Standing::Waived { at, why: Why::parse(why)? },
    })
}

/// Notes something about a case that is closed: the rules first, then the rows, the timeline and the audit.
pub async fn note(
    conn: &mut PgConnection,
    incident: IncidentId,
    noted: &Noted,
    by: UserId,
    policy: &Policy,
) -> Result<Aftercare, NoteError> {
    sqlx::query_scalar!("select id from incident where id = $1 for update", incident.0)
        .fetch_optional(&mut *conn)
        .await?
        .ok_or(NoteError::NoIncident)?;
    let before = read(conn, &[incident.0]).await?.remove(&incident.0).ok_or(Refusal::NotOver)?;
    let now = facts::now(conn).await?;
    let input = match noted {
        Noted::Call { at, reached, .. } => Input::Called { at: at.unwrap_or(now), reached: *reached },
        Noted::Rating { .. } => Input::Rated,
        Noted::Excuse { excuse, .. } => Input::Excused(*excuse),
    };
    let after = before.hear(input, now, policy)?;
    let line = keep(conn, incident, noted, by, now).await?;
    for ((step, was), (_, standing)) in rows(&before).into_iter().zip(rows(&after)) {
        if standing == was {
            continue;
        }
        let why = match standing {
            Standing::Waived { why, .. } => Some(why.as_str()),
            Standing::Due { .. } | Standing::Done { .. } => None,
        };
        sqlx::query!(
            "update aftercare set settled_at = $3, settled_by = $4, why = $5 where incident_id = $1 and step = $2",
            incident.0,
            step.as_str(),
            standing.settled_at().map(jiff_sqlx::ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
            by.0,
            why,
        )
        .execute(&mut *conn)
        .await?;
    }
    audit::did(conn, by, line.what, incident).await?;
    timeline::append(conn, incident, now, &[line]).await?;
    Ok(after)
}

/// Keeps what was said, and gives the line for it.
async fn keep(
    conn: &mut PgConnection,
    incident: IncidentId,
    noted: &Noted,
    by: UserId,
    now: Timestamp,
) -> Result<Line, StoreError> {
    let (what, data) = match noted {
        Noted::Call { at, reached, note } => {
            let called_at = at.unwrap_or(now);
            sqlx::query!(
                "insert into follow_up_call (id, incident_id, at, reached, note, user_id) values ($1, $2, $3, $4, $5, $6)",
                clock::fresh_id(),
                incident.0,
                called_at.to_sqlx(),
                reached.as_str(),
                note.as_deref(),
                by.0,
            )
            .execute(conn)
            .await?;
            ("followed_up", json!({ "reached": reached.as_str(), "called_at": called_at, "note": note }))
        }
        Noted::Rating { stars, given_by, complaint, comment } => {
            sqlx::query!(
                "insert into rating (incident_id, stars, given_by, complaint, comment, user_id)
                 values ($1, $2, $3, $4, $5, $6)",
                incident.0,
                i16::from(stars.get()),
                given_by.as_str(),
                complaint.as_deref(),
                comment.as_deref(),
                by.0,
            )
            .execute(conn)
            .await?;
            let data = json!({
                "stars": stars.get(), "given_by": given_by.as_str(), "complaint": complaint, "comment": comment,
            });
            ("rated", data)
        }
        Noted::Excuse { excuse, note } => ("excused", json!({ "excuse": excuse.as_str(), "note": note })),
    };
    Ok(Line { what, who: Some(by.0), data })
}

/// A call after the end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct CallView {
    /// When.
    pub at: Timestamp,
    /// Whom it reached: `resident`, `contact`, `nobody`.
    pub reached: String,
    /// What was said.
    pub note: Option<String>,
    /// Who called.
    pub by: String,
}

/// The calls after the end, in their order.
pub async fn calls(conn: &mut PgConnection, incident: IncidentId) -> Result<Vec<CallView>, StoreError> {
    let rows = sqlx::query!(
        "select c.at, c.reached, c.note, u.name as by from follow_up_call c join app_user u on u.id = c.user_id
         where c.incident_id = $1 order by c.at, c.id",
        incident.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| CallView { at: row.at.to_jiff(), reached: row.reached, note: row.note, by: row.by })
        .collect())
}

/// When somebody was sent for first: a responder was asked, or a centre was given the case.
pub async fn dispatched_at(conn: &mut PgConnection, incident: IncidentId) -> Result<Option<Timestamp>, StoreError> {
    let at = sqlx::query_scalar!(
        "select min(at) from incident_entry where incident_id = $1 and what in ('asked', 'handed_over')",
        incident.0
    )
    .fetch_one(conn)
    .await?;
    Ok(at.map(jiff_sqlx::Timestamp::to_jiff))
}

/// A page of the cases in a scope that are not finished, those first whose deadline comes first; `None` when there is
/// none that it could come after.
pub async fn due(conn: &mut PgConnection, scope: &Scope, page: Page) -> Result<Option<Paged<Uuid>>, StoreError> {
    let after = match page.after {
        None => None,
        // Also of one that has been finished since.
        Some(after) => {
            let due_by = sqlx::query_scalar!(
                "select coalesce(min(a.due_by) filter (where a.settled_at is null), max(a.due_by))
                 from aftercare a join incident i on i.id = a.incident_id
                 where a.incident_id = $1 and nodes_above(i.node_id, i.resident_id) && $2",
                after,
                scope.nodes(),
            )
            .fetch_one(&mut *conn)
            .await?;
            if due_by.is_none() {
                return Ok(None);
            }
            due_by
        }
    };
    let ids = sqlx::query_scalar!(
        "select a.incident_id from aftercare a join incident i on i.id = a.incident_id
         where a.settled_at is null and nodes_above(i.node_id, i.resident_id) && $2
         group by a.incident_id
         having $3::timestamptz is null or (min(a.due_by), a.incident_id) > ($3, $4::uuid)
         order by min(a.due_by), a.incident_id
         limit $1",
        i64::from(page.limit) + 1,
        scope.nodes(),
        after,
        page.after,
    )
    .fetch_all(conn)
    .await?;
    Ok(Some(Paged::of(ids, page.limit, |id| *id)))
}

/// How many cases in a scope have a deadline that has passed.
pub async fn overdue(conn: &mut PgConnection, scope: &Scope) -> Result<i64, StoreError> {
    let overdue = sqlx::query_scalar!(
        r#"select count(distinct a.incident_id) as "overdue!" from aftercare a join incident i on i.id = a.incident_id
         where a.settled_at is null and a.due_by < now() and nodes_above(i.node_id, i.resident_id) && $1"#,
        scope.nodes(),
    )
    .fetch_one(conn)
    .await?;
    Ok(overdue)
}
