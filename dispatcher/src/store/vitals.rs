//! Numbers that tell how the line is: for `/health` and `/metrics`.

use sqlx::PgConnection;

use super::StoreError;

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vitals {
    /// Incidents that are not over.
    pub open: i64,
    /// Those of them that ring.
    pub ringing: i64,
    /// Those that nobody has claimed.
    pub unclaimed: i64,
    /// Those whose deadline passed more than five seconds ago.
    pub overdue: i64,
    /// How long ago the oldest deadline passed that nobody kept; 0 when none has.
    pub oldest_overdue_s: f64,
    /// Those that an operator has to decide, because the automatic decision failed.
    pub operator_decides: i64,
    /// Closed incidents that wait for a follow-up call or a rating.
    pub aftercare_due: i64,
    /// Those of them whose deadline has passed.
    pub aftercare_overdue: i64,
    /// Messages that wait to be sent.
    pub queued: i64,
    /// How long the oldest of them has waited; 0 when there is none.
    pub oldest_queued_s: f64,
}

/// Takes them.
pub async fn take(conn: &mut PgConnection) -> Result<Vitals, StoreError> {
    let vitals = sqlx::query_as!(
        Vitals,
        r#"select i.open as "open!", i.ringing as "ringing!", i.unclaimed as "unclaimed!", i.overdue as "overdue!",
            i.oldest_overdue_s as "oldest_overdue_s!", i.operator_decides as "operator_decides!",
            a.due as "aftercare_due!", a.overdue as "aftercare_overdue!",
            o.queued as "queued!", o.oldest_queued_s as "oldest_queued_s!"
         from (select
                count(*) filter (where not canary) as open,
                count(*) filter (where ring_level <> 'none') as ringing,
                count(*) filter (where owner_id is null and not canary) as unclaimed,
                count(*) filter (where wake_at < clock_timestamp() - interval '5 s') as overdue,
                greatest(extract(epoch from clock_timestamp() - min(wake_at)), 0)::float8 as oldest_overdue_s,
                count(*) filter (where operator_decides) as operator_decides
            from incident where closed_at is null) i,
            (select
                count(distinct incident_id) as due,
                count(distinct incident_id) filter (where due_by < clock_timestamp()) as overdue
            from aftercare where settled_at is null) a,
            (select
                count(*) as queued,
                greatest(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as oldest_queued_s
            from outbox where state = 'queued') o"#
    )
    .fetch_one(conn)
    .await?;
    Ok(vitals)
}
