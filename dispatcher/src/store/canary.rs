//! The canary: a terminal of our own, what became of its presses, and how its cases go again.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// What it is called; nobody else can be, because a serial of theirs would be it.
pub const SERIAL: &str = "canary";

/// A press that came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// When, by the database's clock.
    pub seen_at: Timestamp,
    /// From the press until it was acknowledged.
    pub acknowledged_ms: i32,
    /// From the press until the consoles' stream told of its case.
    pub seen_ms: i32,
}

/// Gives it a new secret. Whoever had the one before is not let in any more.
pub async fn provision(conn: &mut PgConnection, secret_sha256: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into terminal (serial, login, secret_sha256, dialect, model, drill, canary)
         values ($1, $1, $2, 'ydt', 'canary', true, true)
         on conflict (serial) do update set secret_sha256 = excluded.secret_sha256, drill = true, canary = true,
            revoked_at = null",
        SERIAL,
        &secret_sha256[..],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these incidents is the canary's, of this press, and over.
pub async fn is_through(conn: &mut PgConnection, incidents: &[Uuid], boot: u32, seq: u32) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (
            select from incident i join report r on r.incident_id = i.id
            where i.id = any($1) and i.canary and i.closed_at is not null and r.boot = $2 and r.seq = $3) as "is!""#,
        incidents,
        i64::from(boot),
        i64::from(seq),
    )
    .fetch_one(conn)
    .await?)
}

/// Notes that a press came through.
pub async fn note(conn: &mut PgConnection, acknowledged: Duration, seen: Duration) -> Result<(), StoreError> {
    let milliseconds = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    sqlx::query!(
        "insert into canary (seen_at, acknowledged_ms, seen_ms) values (clock_timestamp(), $1, $2)
         on conflict (one) do update set seen_at = excluded.seen_at, acknowledged_ms = excluded.acknowledged_ms,
            seen_ms = excluded.seen_ms",
        milliseconds(acknowledged),
        milliseconds(seen.max(acknowledged)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The last press that came through.
pub async fn last(conn: &mut PgConnection) -> Result<Option<Beat>, StoreError> {
    let row = sqlx::query!("select seen_at, acknowledged_ms, seen_ms from canary").fetch_optional(conn).await?;
    Ok(row.map(|row| Beat {
        seen_at: row.seen_at.to_jiff(),
        acknowledged_ms: row.acknowledged_ms,
        seen_ms: row.seen_ms,
    }))
}

/// Deletes its cases that are older than `keep_for`, with everything about them, at most `count_max`.
pub async fn forget(conn: &mut PgConnection, keep_for: Duration, count_max: i64) -> Result<(), StoreError> {
    let old = sqlx::query_scalar!(
        "select id from incident where canary and closed_at < now() - make_interval(secs => $1)
         order by closed_at limit $2",
        keep_for.as_secs_f64(),
        count_max,
    )
    .fetch_all(&mut *conn)
    .await?;
    if old.is_empty() {
        return Ok(());
    }
    sqlx::query!("delete from incident_entry where incident_id = any($1)", &old).execute(&mut *conn).await?;
    sqlx::query!("delete from report where incident_id = any($1)", &old).execute(&mut *conn).await?;
    sqlx::query!("delete from incident where id = any($1)", &old).execute(conn).await?;
    Ok(())
}
