//! What the watchdog looks at, and what the promises rest upon.

use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// A difference between wall and monotonic time below this is slewing and scheduling, not a jump.
pub const JUMP_MIN: SignedDuration = SignedDuration::from_secs(2);

/// Fixes have partitions this many days ahead.
const PARTITION_DAYS: i32 = 3;

/// The first half of our advisory locks' names. Locks named by one long number are of terminals.
const LOCKS: i32 = 0x0079_6474;
const PARTITIONS_LOCK: i32 = 1;
const CLOCK_LOCK: i32 = 2;
const CANARY_LOCK: i32 = 3;
/// For surveying the district.
const SURVEY_LOCK: i32 = 4;

/// What the watchdog saw.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// The database's clock.
    pub now: Timestamp,
    /// Open incidents whose deadline passed more than five seconds ago.
    pub overdue: i64,
    /// Closed incidents whose follow-up call or rating should have come.
    pub aftercare_overdue: i64,
}

/// Looks.
pub async fn look(conn: &mut PgConnection) -> Result<Seen, StoreError> {
    let row = sqlx::query!(
        r#"select clock_timestamp() as "now!",
            (select count(*) from incident
             where closed_at is null and wake_at < clock_timestamp() - interval '5 s') as "overdue!",
            (select count(distinct incident_id) from aftercare
             where settled_at is null and due_by < clock_timestamp()) as "aftercare_overdue!""#
    )
    .fetch_one(conn)
    .await?;
    Ok(Seen { now: row.now.to_jiff(), overdue: row.overdue, aftercare_overdue: row.aftercare_overdue })
}

/// Open incidents, those first whose deadline comes first.
pub async fn open_incidents(conn: &mut PgConnection, count_max: i64) -> Result<Vec<Uuid>, StoreError> {
    let ids =
        sqlx::query_scalar!("select id from incident where closed_at is null order by wake_at limit $1", count_max)
            .fetch_all(conn)
            .await?;
    Ok(ids)
}

/// The value of a server setting.
pub async fn setting(conn: &mut PgConnection, name: &str) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar!(r#"select current_setting($1) as "value!""#, name).fetch_one(conn).await?)
}

/// Makes the partitions that fixes of the coming days go to. Dispatchers that start side by side do it one after the
/// other; the turn ends with the transaction.
pub async fn ensure_partitions(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!(r#"select pg_advisory_xact_lock($1, $2) is null as "locked!""#, LOCKS, PARTITIONS_LOCK)
        .fetch_one(&mut *tx)
        .await?;
    sqlx::query!(r#"select ensure_fix_partitions($1) is null as "done!""#, PARTITION_DAYS).fetch_one(tx).await?;
    Ok(())
}

/// Tries to become the one dispatcher that moves deadlines when the clock jumps; the others see the same jump. It is
/// so for as long as this connection lives, and is heard of: a process that stands still for ten seconds is replaced.
pub async fn take_the_clock(conn: &mut PgConnection) -> Result<bool, StoreError> {
    let taken = take(conn, CLOCK_LOCK).await?;
    if taken {
        sqlx::query!(r#"select set_config('idle_session_timeout', '10s', false) is null as "set!""#)
            .fetch_one(conn)
            .await?;
    }
    Ok(taken)
}

/// Tries to become the one process whose canary presses, for as long as this connection lives.
pub async fn take_the_canary(conn: &mut PgConnection) -> Result<bool, StoreError> {
    take(conn, CANARY_LOCK).await
}

/// Tries to become the one dispatcher that surveys the district, for as long as this connection lives.
pub async fn take_the_survey(conn: &mut PgConnection) -> Result<bool, StoreError> {
    take(conn, SURVEY_LOCK).await
}

/// A lock that a connection holds for as long as it lives.
async fn take(conn: &mut PgConnection, lock: i32) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select pg_try_advisory_lock($1, $2) as "taken!""#, LOCKS, lock).fetch_one(conn).await?)
}

/// Whether a connection still lives.
pub async fn is_there(conn: &mut PgConnection) -> bool {
    sqlx::query_scalar!(r#"select true as "there!""#).fetch_one(conn).await.is_ok()
}

/// Moves every armed deadline by as much as the clock jumped, so that what had 20 seconds left has 20
/// seconds left.
pub async fn shift_deadlines(conn: &mut PgConnection, jump: SignedDuration) -> Result<(), StoreError> {
    let jump_s = jump.as_secs_f64();
    sqlx::query!(
        "update incident set wake_at = wake_at + make_interval(secs => $1),
            ring_next_at = ring_next_at + make_interval(secs => $1),
            ring_since = ring_since + make_interval(secs => $1),
            officer_ring_at = officer_ring_at + make_interval(secs => $1),
            owner_check_at = owner_check_at + make_interval(secs => $1),
            tell_next_at = tell_next_at + make_interval(secs => $1),
            waits_until = waits_until + make_interval(secs => $1)
         where closed_at is null",
        jump_s
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("update aftercare set due_by = due_by + make_interval(secs => $1) where settled_at is null", jump_s)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "update offer set answer_by = answer_by + make_interval(secs => $1), look_at = look_at + make_interval(secs => $1),
            expected_at = expected_at + make_interval(secs => $1)
         where state in ('asked', 'accepted', 'on_the_way')",
        jump_s
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update handover set acknowledge_by = acknowledge_by + make_interval(secs => $1),
            voice_ring_at = voice_ring_at + make_interval(secs => $1),
            expected_at = expected_at + make_interval(secs => $1)
         where acknowledge_by is not null or voice_ring_at is not null or state = 'dispatched'",
        jump_s
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update outbox set next_try_at = next_try_at + make_interval(secs => $1),
            not_after = not_after + make_interval(secs => $1)
         where state in ('queued', 'sent')",
        jump_s
    )
    .execute(conn)
    .await?;
    Ok(())
}
