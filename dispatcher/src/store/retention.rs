//! How long things are kept. Positions: days that are over are given up whole, but for what open cases reach back to.
//! Commands, check-ins, outages and the like: by when they were over, but for those of open cases.

use sqlx::PgConnection;

use super::{StoreError, watch};

/// What was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The day's partition, when there was one that is old enough.
    pub partition: Option<String>,
    /// Fixes that open cases reached back to, until now.
    pub fixes: u64,
}

/// Gives up the oldest day that is more than `kept_days` past, and the fixes of days given up before that no open case
/// reaches back to any more. One day at a time, so that nobody waits for long. It fails when somebody reads all of `fix`
/// just then, such as a backup.
pub async fn drop_oldest(tx: &mut PgConnection, kept_days: i32) -> Result<GivenUp, StoreError> {
    watch::take_partitions(tx).await?;
    let partition =
        sqlx::query_scalar!(r#"select drop_oldest_fixes($1) as "partition?""#, kept_days).fetch_one(&mut *tx).await?;
    let fixes = sqlx::query!(
        "delete from fix_default f
         where f.received_at < (current_date - $1::integer)::timestamptz and not exists (
            select from fixes_wanted() w
            where w.terminal_id = f.terminal_id and f.received_at >= w.since and f.received_at < w.until)",
        kept_days
    )
    .execute(tx)
    .await?
    .rows_affected();
    Ok(GivenUp { partition, fixes })
}

/// Deletes commands that were over more than `kept_days` ago and belong to no open case, the oldest first and at most
/// `count_max`; how many. What a person asked for stays in the audit trail.
pub async fn forget_commands(conn: &mut PgConnection, kept_days: i32, count_max: i64) -> Result<u64, StoreError> {
    let forgotten = sqlx::query!(
        "with old as (
            select c.seq from command c
            where c.ended_at < now() - make_interval(days => $1) and not exists (
                select from incident i where i.id = c.incident_id and i.closed_at is null)
            order by c.ended_at limit $2)
         delete from command using old where command.seq = old.seq",
        kept_days,
        count_max,
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(forgotten)
}

/// Deletes what is older than `kept_days` of how people were looked after: check-ins and pauses, rules that were not kept,
/// outages that are over, test presses by the month; each the oldest first and at most `count_max`; how many in all. What
/// belongs to an open case stays.
pub async fn forget_presence(conn: &mut PgConnection, kept_days: i32, count_max: i64) -> Result<u64, StoreError> {
    let mut forgotten = sqlx::query!(
        "with old as (
            select c.resident_id, c.due_at from check_in c
            where c.judged_at < now() - make_interval(days => $1) and not exists (
                select from incident i where i.id = c.incident_id and i.closed_at is null)
            order by c.judged_at limit $2)
         delete from check_in c using old where c.resident_id = old.resident_id and c.due_at = old.due_at",
        kept_days,
        count_max,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    forgotten += sqlx::query!(
        "with old as (
            select id from check_in_pause where until < now() - make_interval(days => $1) order by until limit $2)
         delete from check_in_pause p using old where p.id = old.id",
        kept_days,
        count_max,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    forgotten += sqlx::query!(
        "with old as (
            select b.id from rule_breach b
            where b.over_at < now() - make_interval(days => $1) and not exists (
                select from incident i where i.id = b.incident_id and i.closed_at is null)
            order by b.over_at limit $2)
         delete from rule_breach b using old where b.id = old.id",
        kept_days,
        count_max,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    // How long somebody may be away is counted without their pauses, a month back.
    forgotten += sqlx::query!(
        "with old as (
            select id from fence_pause where stage = 'over' and ends_at < now() - make_interval(days => greatest($1, 60))
            order by ends_at limit $2)
         delete from fence_pause p using old where p.id = old.id",
        kept_days,
        count_max,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    forgotten += sqlx::query!(
        "with old as (
            select terminal_id, month from test_press where month < current_date - $1::integer - 31
            order by month limit $2)
         delete from test_press t using old where t.terminal_id = old.terminal_id and t.month = old.month",
        kept_days,
        count_max,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    // An outage may have more members than are to go at a time: these first.
    forgotten += sqlx::query!(
        "with old as (
            select m.outage_id, m.terminal_id from outage o join outage_member m on m.outage_id = o.id
            where o.ended_at < now() - make_interval(days => $1) order by o.ended_at limit $2)
         delete from outage_member m using old where m.outage_id = old.outage_id and m.terminal_id = old.terminal_id",
        kept_days,
        count_max,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    forgotten += sqlx::query!(
        "delete from outage o where o.ended_at < now() - make_interval(days => $1)
            and not exists (select from outage_member m where m.outage_id = o.id)",
        kept_days,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    Ok(forgotten)
}
