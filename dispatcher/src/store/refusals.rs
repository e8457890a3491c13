//! Who is not to come to somebody again, because they said so.

use domain::id::{ResponderId, UserId};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;

/// So many of those who came are told.
const VISITORS_MAX: i64 = 50;

/// Somebody who is not to come again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusalView {
    /// Who.
    pub responder: Uuid,
    /// Their name.
    pub name: String,
    /// Their provider's.
    pub provider: String,
    /// Since when.
    pub at: Timestamp,
    /// Why, in words.
    pub why: String,
    /// Who wrote it down.
    pub by: Option<String>,
}

/// Somebody who went to a resident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VisitorView {
    /// Who.
    pub responder: Uuid,
    /// Their name.
    pub name: String,
    /// Their provider's.
    pub provider: String,
    /// When they were asked to, the last time.
    pub last_at: Timestamp,
}

/// Whom a resident refused, the newest first.
pub async fn of_resident(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<RefusalView>, StoreError> {
    let rows = sqlx::query!(
        r#"select f.responder_id, r.name, p.name as provider, f.at, f.why, u.name as "by?"
         from refusal f
         join responder r on r.id = f.responder_id
         join provider p on p.id = r.provider_id
         left join app_user u on u.id = f.user_id
         where f.resident_id = $1
         order by f.at desc, f.responder_id"#,
        resident
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| RefusalView {
            responder: row.responder_id,
            name: row.name,
            provider: row.provider,
            at: row.at.to_jiff(),
            why: row.why,
            by: row.by,
        })
        .collect())
}

/// Who accepted to go to a resident, the last first.
pub async fn visitors(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<VisitorView>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.name, p.name as provider, max(o.asked_at) as "last_at!"
         from incident i
         join offer o on o.incident_id = i.id and o.accepted_at is not null
         join responder r on r.id = o.responder_id
         join provider p on p.id = r.provider_id
         where i.resident_id = $1
         group by r.id, p.name
         order by max(o.asked_at) desc, r.id
         limit $2"#,
        resident,
        VISITORS_MAX,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| VisitorView {
            responder: row.id,
            name: row.name,
            provider: row.provider,
            last_at: row.last_at.to_jiff(),
        })
        .collect())
}

/// Writes down that somebody is not to come to a resident again; once more: the new reason. False, and nothing, when it
/// is nobody who was ever asked to go to them, or whose provider has a contract where they are served.
pub async fn record(
    conn: &mut PgConnection,
    (resident, responder): (Uuid, ResponderId),
    why: &str,
    by: UserId,
) -> Result<bool, StoreError> {
    let recorded = sqlx::query!(
        "with refused as (
            insert into refusal (resident_id, responder_id, why, user_id)
            select h.id, r.id, $3, $4
            from resident h join org_node n on n.id = h.serving_node, responder r
            where h.id = $1 and r.id = $2 and (
                exists (select from contract c where c.provider_id = r.provider_id and c.node_id = any(n.path))
                or exists (select from offer o join incident i on i.id = o.incident_id
                    where o.responder_id = r.id and i.resident_id = h.id))
            on conflict (resident_id, responder_id) do update set why = excluded.why, user_id = excluded.user_id
            returning responder_id
         )
         insert into audit (user_id, what, about, resident_id, data)
         select $4, 'refusal_recorded', $1::uuid::text, $1, jsonb_build_object('responder', responder_id) from refused",
        resident,
        responder.0,
        why,
        by.0,
    )
    .execute(conn)
    .await?;
    Ok(recorded.rows_affected() > 0)
}

/// Takes a refusal back. False when there is none.
pub async fn take_back(
    conn: &mut PgConnection,
    (resident, responder): (Uuid, ResponderId),
    by: UserId,
) -> Result<bool, StoreError> {
    let taken_back = sqlx::query!(
        "with gone as (delete from refusal where resident_id = $1 and responder_id = $2 returning responder_id)
         insert into audit (user_id, what, about, resident_id, data)
         select $3, 'refusal_taken_back', $1::uuid::text, $1, jsonb_build_object('responder', responder_id) from gone",
        resident,
        responder.0,
        by.0,
    )
    .execute(conn)
    .await?;
    Ok(taken_back.rows_affected() > 0)
}
