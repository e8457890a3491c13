//! What the watchdog looks at, and what the promises rest upon.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// A difference between wall and monotonic time below this is slewing and scheduling, not a jump.
pub const JUMP_MIN: SignedDuration = SignedDuration::from_secs(2);

/// Overdue incidents are counted up to here: more would take the longer the more there are.
const COUNTED_MAX: i64 = 1_000;

/// Fixes have partitions this many days ahead.
const PARTITION_DAYS: i32 = 3;

/// The first half of our advisory locks' names. Locks named by one long number are of terminals.
const LOCKS: i32 = 0x0079_6474;
const PARTITIONS_LOCK: i32 = 1;
const CLOCK_LOCK: i32 = 2;
const CANARY_LOCK: i32 = 3;
/// For surveying the district.
const SURVEY_LOCK: i32 = 4;
/// For finding what many that fell silent have in common.
const OUTAGES_LOCK: i32 = 5;

/// What the watchdog saw.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// The database's clock.
    pub now: Timestamp,
    /// Open incidents whose deadline passed more than five seconds ago: how many, or a thousand of more.
    pub overdue: i64,
    /// Closed incidents whose follow-up call or rating should have come.
    pub aftercare_overdue: i64,
}

/// Looks.
pub async fn look(conn: &mut PgConnection) -> Result<Seen, StoreError> {
    let row = sqlx::query!(
        r#"select clock_timestamp() as "now!",
            (select count(*) from (select from incident
             where closed_at is null and wake_at < clock_timestamp() - interval '5 s' limit $1) as due) as "overdue!",
            (select count(distinct incident_id) from aftercare
             where settled_at is null and due_by < clock_timestamp()) as "aftercare_overdue!""#,
        COUNTED_MAX
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

/// The number of the process that answers on this connection, on the database's machine.
pub async fn backend(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(r#"select pg_backend_pid() as "pid!""#).fetch_one(conn).await
}

/// Makes the partitions that fixes of the coming days go to. Dispatchers that start side by side do it one after the
/// other; the turn ends with the transaction.
pub async fn ensure_partitions(tx: &mut PgConnection) -> Result<(), StoreError> {
    take_partitions(tx).await?;
    sqlx::query!(r#"select ensure_fix_partitions($1) is null as "done!""#, PARTITION_DAYS).fetch_one(tx).await?;
    Ok(())
}

/// Waits for the turn to make and drop partitions, which ends with the transaction.
pub(super) async fn take_partitions(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!(r#"select pg_advisory_xact_lock($1, $2) is null as "locked!""#, LOCKS, PARTITIONS_LOCK)
        .fetch_one(tx)
        .await?;
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

/// Tries to become the one that finds outages, until the transaction ends.
pub(super) async fn take_outages(tx: &mut PgConnection) -> Result<bool, StoreError> {
    let taken = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1, $2) as "taken!""#, LOCKS, OUTAGES_LOCK);
    Ok(taken.fetch_one(tx).await?)
}

/// A lock that a connection holds for as long as it lives.
async fn take(conn: &mut PgConnection, lock: i32) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select pg_try_advisory_lock($1, $2) as "taken!""#, LOCKS, lock).fetch_one(conn).await?)
}

/// Whether a connection still lives.
pub async fn is_there(conn: &mut PgConnection) -> bool {
    sqlx::query_scalar!(r#"select true as "there!""#).fetch_one(conn).await.is_ok()
}

/// What a clock has done.
#[derive(Debug, Clone, Copy)]
pub struct Jump {
    /// How far it jumped: ahead, or back when negative.
    pub by: SignedDuration,
    /// What it showed at the earliest after that. Whatever bears a later time was written by the new clock.
    pub shows: Timestamp,
}

/// Moves every armed deadline by as much as the clock jumped, so that what had 20 seconds left has 20 seconds left. What was
/// written since then, before anybody noticed, has the new time already; where that cannot be told, a deadline comes too
/// soon and never too late. Every case is looked at again by what holds now.
pub async fn shift_deadlines(conn: &mut PgConnection, jump: Jump) -> Result<(), StoreError> {
    let jump_s = jump.by.as_secs_f64();
    let shows = jump.shows.to_sqlx();
    sqlx::query!(
        "update incident i set wake_at = greatest(wake_at + make_interval(secs => least($1, 0)), clock_timestamp()),
            ring_next_at = ring_next_at + moved.by,
            ring_since = ring_since + moved.by,
            officer_ring_at = officer_ring_at + moved.by,
            owner_check_at = owner_check_at + moved.by,
            tell_next_at = tell_next_at + moved.by,
            waits_until = waits_until + moved.by,
            closes_at = closes_at + moved.by
         from (
            select id, case when $1::float8 > 0 and greatest(opened_at, last_press_at) >= $2 then interval '0'
                else make_interval(secs => $1) end as by
            from incident where closed_at is null
         ) as moved
         where i.id = moved.id",
        jump_s,
        shows
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("update aftercare set due_by = due_by + make_interval(secs => $1) where settled_at is null", jump_s)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "update offer set answer_by = answer_by + make_interval(secs => $1), look_at = look_at + make_interval(secs => $1),
            expected_at = expected_at + make_interval(secs => $1)
         where state in ('asked', 'accepted', 'on_the_way') and not (asked_at between $2 and clock_timestamp())",
        jump_s,
        shows
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update handover h set acknowledge_by = acknowledge_by + make_interval(secs => $1),
            voice_ring_at = voice_ring_at + make_interval(secs => $1),
            expected_at = h.expected_at + make_interval(secs => $1)
         from incident i
         where i.id = h.incident_id and ($1::float8 < 0 or greatest(i.opened_at, i.last_press_at) < $2)
            and (h.acknowledge_by is not null or h.voice_ring_at is not null or h.state = 'dispatched')",
        jump_s,
        shows
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update outbox set next_try_at = next_try_at + make_interval(secs => $1),
            not_after = not_after + make_interval(secs => $1)
         where state in ('queued', 'sent') and not (created_at between $2 and clock_timestamp())",
        jump_s,
        shows
    )
    .execute(conn)
    .await?;
    Ok(())
}
