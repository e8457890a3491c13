//! When providers' people are to be at work. Whether somebody is, is `is_at_work`'s (`0017_who_can_go.sql`).

use domain::id::{ProviderId, ResponderId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use crate::access::Scope;
use crate::clock;

/// A time at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShiftView {
    /// Its identity.
    pub id: Uuid,
    /// Whose.
    pub responder: Uuid,
    /// From here on.
    pub from: Timestamp,
    /// Up to here.
    pub until: Timestamp,
}

impl ShiftView {
    fn of(id: Uuid, responder: Uuid, from: jiff_sqlx::Timestamp, until: jiff_sqlx::Timestamp) -> Self {
        Self { id, responder, from: from.to_jiff(), until: until.to_jiff() }
    }
}

/// Somebody's time at work, once or weekly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Whose.
    pub responder: ResponderId,
    /// From here on.
    pub from: Timestamp,
    /// Up to here.
    pub until: Timestamp,
    /// In so many weeks, the first included, at the same time of the day by the district's clocks.
    pub weeks: i32,
}

/// The shifts of a provider's people that lie in a period, or reach into it.
pub async fn of_provider(
    conn: &mut PgConnection,
    provider: ProviderId,
    (from, until): (Timestamp, Timestamp),
) -> Result<Vec<ShiftView>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.id, s.responder_id, lower(s.during) as "from!", upper(s.during) as "until!"
         from shift s join responder r on r.id = s.responder_id
         where r.provider_id = $1 and s.during && tstzrange($2, $3)
         order by lower(s.during), s.id"#,
        provider.0,
        from.to_sqlx(),
        until.to_sqlx(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ShiftView::of(row.id, row.responder_id, row.from, row.until)).collect())
}

/// A shift of the same person's at the same time as one that is wanted, as a sentence tells of it. The person is held
/// by the caller, so that none comes between.
pub async fn in_the_way(conn: &mut PgConnection, wanted: &Wanted) -> Result<Option<String>, StoreError> {
    let other = sqlx::query!(
        r#"select r.name, to_char(lower(s.during) at time zone zone, 'YYYY-MM-DD HH24:MI') as "from!",
            to_char(upper(s.during) at time zone zone, 'YYYY-MM-DD HH24:MI') as "until!"
         from (select time_zone as zone from org_node where parent_id is null) local
         cross join generate_series(0, $4 - 1) week
         join shift s on s.responder_id = $1 and s.during && tstzrange(
            ($2::timestamptz at time zone zone + week * interval '7 days') at time zone zone,
            ($3::timestamptz at time zone zone + week * interval '7 days') at time zone zone)
         join responder r on r.id = s.responder_id
         order by s.during limit 1"#,
        wanted.responder.0,
        wanted.from.to_sqlx(),
        wanted.until.to_sqlx(),
        wanted.weeks,
    )
    .fetch_optional(conn)
    .await?;
    Ok(other.map(|other| format!("{} is to be at work from {} to {} already", other.name, other.from, other.until)))
}

/// Plans what [`in_the_way`] finds nothing against. Says the first one's identity.
pub async fn plan(conn: &mut PgConnection, wanted: &Wanted, by: UserId) -> Result<Uuid, StoreError> {
    let first = clock::fresh_id();
    let ids: Vec<Uuid> = std::iter::once(first).chain((1..wanted.weeks).map(|_| clock::fresh_id())).collect();
    sqlx::query!(
        "insert into shift (id, responder_id, during)
         select id, $2, tstzrange(
            ($3::timestamptz at time zone zone + (ordinality - 1) * interval '7 days') at time zone zone,
            ($4::timestamptz at time zone zone + (ordinality - 1) * interval '7 days') at time zone zone)
         from unnest($1::uuid[]) with ordinality planned (id),
            (select time_zone as zone from org_node where parent_id is null) local",
        &ids,
        wanted.responder.0,
        wanted.from.to_sqlx(),
        wanted.until.to_sqlx(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into audit (user_id, what, about, data) values ($1, 'shifts_planned', $2,
            jsonb_build_object('from', $3::timestamptz, 'until', $4::timestamptz, 'weeks', $5::integer))",
        by.0,
        wanted.responder.to_string(),
        wanted.from.to_sqlx(),
        wanted.until.to_sqlx(),
        wanted.weeks,
    )
    .execute(conn)
    .await?;
    Ok(first)
}

/// What was planned so.
pub async fn planned(conn: &mut PgConnection, wanted: &Wanted) -> Result<Vec<ShiftView>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.id, lower(s.during) as "from!", upper(s.during) as "until!"
         from (select time_zone as zone from org_node where parent_id is null) local
         cross join generate_series(0, $4 - 1) week
         join shift s on s.responder_id = $1 and s.during = tstzrange(
            ($2::timestamptz at time zone zone + week * interval '7 days') at time zone zone,
            ($3::timestamptz at time zone zone + week * interval '7 days') at time zone zone)
         order by week"#,
        wanted.responder.0,
        wanted.from.to_sqlx(),
        wanted.until.to_sqlx(),
        wanted.weeks,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ShiftView::of(row.id, wanted.responder.0, row.from, row.until)).collect())
}

/// Deletes a shift of somebody whom the caller administers. False when there is none.
pub async fn delete(conn: &mut PgConnection, id: Uuid, scope: &Scope, by: UserId) -> Result<bool, StoreError> {
    let deleted = sqlx::query!(
        "with gone as (
            delete from shift s using responder r
            where s.id = $1 and r.id = s.responder_id and lies_below(r.node_id, $2)
            returning s.responder_id, s.during
         )
         insert into audit (user_id, what, about, data)
         select $3, 'shift_deleted', responder_id::text,
            jsonb_build_object('from', lower(during), 'until', upper(during)) from gone",
        id,
        scope.nodes(),
        by.0,
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected() > 0)
}
