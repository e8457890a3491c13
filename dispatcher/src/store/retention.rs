//! How long positions and commands are kept. Positions: days that are over are given up whole, but for what open cases
//! reach back to. Commands: by when they were over, but for those of open cases.

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
