//! Who has looked at what, and why, and what they did after a case was closed. The list is only ever added to.

use domain::id::{IncidentId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Looking again within this long is the same look.
const SAME_LOOK_S: f64 = 600.0;

/// Writes down that somebody saw where the persons of these open cases are: the case is the reason.
pub async fn saw_places(conn: &mut PgConnection, user: UserId, incidents: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id)
         select $1, 'saw_place', i.id::text, i.resident_id from incident i
         where i.id = any($2) and not exists (select from audit a
            where a.about = i.id::text and a.at > now() - make_interval(secs => $3)
                and a.user_id = $1 and a.what = 'saw_place')",
        user.0,
        incidents,
        SAME_LOOK_S,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that somebody opened a resident's page.
pub async fn opened_resident(conn: &mut PgConnection, user: UserId, resident: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id)
         select $1, 'opened_resident', $2::uuid::text, $2
         where not exists (select from audit
            where about = $2::uuid::text and at > now() - make_interval(secs => $3)
                and user_id = $1 and what = 'opened_resident')",
        user.0,
        resident,
        SAME_LOOK_S,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that somebody saw where a resident usually is.
pub async fn saw_usual(conn: &mut PgConnection, user: UserId, resident: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id)
         select $1, 'saw_usual', $2::uuid::text, $2
         where not exists (select from audit
            where about = $2::uuid::text and at > now() - make_interval(secs => $3)
                and user_id = $1 and what = 'saw_usual')",
        user.0,
        resident,
        SAME_LOOK_S,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that somebody asked where a resident without an open case is, and why. Each time.
pub async fn located(conn: &mut PgConnection, user: UserId, resident: Uuid, why: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id, data)
         values ($1, 'located', $2::uuid::text, $2, jsonb_build_object('why', $3::text))",
        user.0,
        resident,
        why,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that somebody has done something about a case. Each time.
pub async fn did(
    conn: &mut PgConnection,
    user: UserId,
    what: &'static str,
    incident: IncidentId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id)
         select $1, $2, id::text, resident_id from incident where id = $3",
        user.0,
        what,
        incident.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that somebody had a terminal told to do something (`told_terminal`), or to let them hear what its microphone
/// hears (`listened_in`): in a case, or about a resident without one. Each time.
pub async fn told_terminal(
    conn: &mut PgConnection,
    (user, what): (UserId, &'static str),
    (incident, resident): (Option<IncidentId>, Option<Uuid>),
    (command, why): (Uuid, Option<&str>),
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id, data)
         select $1, $2, coalesce($3::uuid, $4::uuid)::text, $4, jsonb_strip_nulls(jsonb_build_object(
            'do', c.word, 'command', c.id, 'number', c.command -> 'number', 'why', $6::text))
         from command c where c.id = $5",
        user.0,
        what,
        incident.map(|incident| incident.0),
        resident,
        command,
        why,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that somebody took the evidence of a month away. Each time.
pub async fn took_evidence(conn: &mut PgConnection, user: UserId, node: Uuid, month: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, data)
         values ($1, 'took_evidence', $2::uuid::text, jsonb_build_object('month', $3::text))",
        user.0,
        node,
        month,
    )
    .execute(conn)
    .await?;
    Ok(())
}
