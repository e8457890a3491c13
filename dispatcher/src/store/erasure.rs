//! Erasing where somebody went: what was learnt of them, what their terminals told, and the ways in the timelines of their
//! closed cases. What an open case reaches back to stays until it is closed; so do the chain of every timeline, what
//! happened in it and when, and the record of who did what.

use domain::id::ResidentId;
use serde::Serialize;
use sqlx::PgConnection;

use super::{StoreError, usual};

/// What went, and what did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Stays, usual places and suspicions: all that was learnt.
    pub learnt: u64,
    /// Positions that terminals told while they wore them.
    pub fixes: u64,
    /// Lines of closed cases' timelines of which the content, with its way, is no longer there.
    pub lines: u64,
    /// Cases of theirs that are open: what these reach back to is still there.
    pub open_cases: i64,
}

/// Erases where a resident went, and writes down that it was done, without where. Whether it goes on being learnt what is
/// usual of them is another matter: that stays as it was chosen, and begins anew.
pub async fn whereabouts(conn: &mut PgConnection, resident: ResidentId) -> Result<Erased, StoreError> {
    // Whoever learns of them just now holds this row to the end, and what they learnt goes as well.
    sqlx::query!(
        "update usual set learnt_at = null, days = 0, known_working = null, known_off = null, away_working = null,
            away_off = null, look_at = 'infinity'
         where resident_id = $1",
        resident.0
    )
    .execute(&mut *conn)
    .await?;
    let learnt = usual::forget(conn, &[resident.0]).await?;
    let open_cases = sqlx::query_scalar!(
        r#"select count(*) as "count!" from incident where resident_id = $1 and closed_at is null"#,
        resident.0
    )
    .fetch_one(&mut *conn)
    .await?;
    let fixes = fixes(conn, resident).await?;
    let lines = sqlx::query!(
        "update incident_entry e set data = null, salt = null
         from incident i
         where i.id = e.incident_id and i.resident_id = $1 and i.closed_at is not null
            and e.what in ('left_fence', 'returned', 'rule_broken') and e.data is not null",
        resident.0
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    let erased = Erased { learnt, fixes, lines, open_cases };
    let data = serde_json::json!(erased);
    sqlx::query!(
        "insert into audit (what, about, resident_id, data) values ('whereabouts_erased', $1::uuid::text, $1, $2)",
        resident.0,
        data
    )
    .execute(conn)
    .await?;
    Ok(erased)
}

/// Erases positions, those kept with what is believed among them: it begins anew from how they stand.
async fn fixes(conn: &mut PgConnection, resident: ResidentId) -> Result<u64, StoreError> {
    let fixes = sqlx::query!(
        "with wanted as materialized (
            select w.* from fixes_wanted() w
            where w.terminal_id in (select terminal_id from terminal_assignment where resident_id = $1))
         delete from fix f using terminal_assignment a
         where a.resident_id = $1 and f.terminal_id = a.terminal_id
            and f.received_at >= a.since and f.received_at < coalesce(a.until, 'infinity')
            and not exists (
                select from wanted w
                where w.terminal_id = f.terminal_id and f.received_at >= w.since and f.received_at < w.until)",
        resident.0
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query!(
        "update terminal_state s set whereabouts = null
         from terminal_assignment a
         where a.resident_id = $1 and a.until is null and s.terminal_id = a.terminal_id
            and not exists (select from incident i where i.resident_id = $1 and i.closed_at is null)",
        resident.0
    )
    .execute(&mut *conn)
    .await?;
    // How they came to stand so tells when they were out, and how far.
    sqlx::query!(
        "delete from fence_turn t using fence f
         where f.resident_id = $1 and t.fence_id = f.id
            and not exists (select from incident i where i.resident_id = $1 and i.closed_at is null)",
        resident.0
    )
    .execute(conn)
    .await?;
    Ok(fixes)
}
