//! Whether residents are out unusually: who is due, where they are, what is suspected, and who has seen to it.

use domain::id::{ResidentId, TerminalId, UserId};
use domain::place::{Metres, Position, Source};
use domain::usual::{Seen, Unusual};
use domain::word::Word as _;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::StoreError;
use super::super::views::Person;
use crate::access::Scope;
use crate::clock;

/// How long ago an absence may have begun, seconds; and how many positions are looked at.
const LOOK_BACK_S: f64 = 24.0 * 3_600.0;
const FIXES_MAX: i64 = 1_500;
/// What is told so much later is taken as of when it came.
const LATE_MAX_S: f64 = 12.0 * 3_600.0;
/// So many suspicions are listed.
const LISTED_MAX: i64 = 200;
/// For so many days those that are over are kept.
const KEPT_DAYS: i32 = 30;

/// Who is to be looked at, and what is known without looking closely.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// Who.
    pub resident: Uuid,
    /// Since when it is due.
    pub was: Timestamp,
    /// Whether something is suspected of them.
    pub is_suspected: bool,
    /// Where they were seen last, and when.
    pub last: Option<(Position, Timestamp)>,
}

/// Whose time has come, those first who have waited longest.
pub async fn due(conn: &mut PgConnection, max: i64) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query!(
        r#"select u.resident_id, u.look_at,
            exists (select from usual_suspicion s where s.resident_id = u.resident_id and s.over_at is null)
                as "is_suspected!",
            st_y(last.place::geometry) as "lat?", st_x(last.place::geometry) as "lon?",
            last.place_received_at as "seen_at?"
         -- Said twice, because the index is of those only whose time may come.
         from (select resident_id, look_at from usual where look_at <= statement_timestamp() and look_at < 'infinity'
            order by look_at limit $1) u
         left join lateral (
            select s.place, s.place_received_at
            from terminal_assignment a join terminal_state s on s.terminal_id = a.terminal_id
            where a.resident_id = u.resident_id and a.until is null and s.place_received_at >= a.since
            order by s.place_received_at desc limit 1) last on true"#,
        max
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due {
            resident: row.resident_id,
            was: row.look_at.to_jiff(),
            is_suspected: row.is_suspected,
            last: row
                .lat
                .zip(row.lon)
                .zip(row.seen_at)
                .and_then(|((lat, lon), at)| Some((Position::new(lat, lon).ok()?, at.to_jiff()))),
        })
        .collect())
}

/// When these residents are looked at next, unless somebody has set that anew since it was read.
pub async fn look_later(
    conn: &mut PgConnection,
    looked: &[(Uuid, Timestamp, Option<Timestamp>)],
) -> Result<(), StoreError> {
    if looked.is_empty() {
        return Ok(());
    }
    let residents: Vec<Uuid> = looked.iter().map(|(resident, ..)| *resident).collect();
    let was: Vec<jiff_sqlx::Timestamp> = looked.iter().map(|(_, was, _)| was.to_sqlx()).collect();
    let next: Vec<Option<jiff_sqlx::Timestamp>> =
        looked.iter().map(|(.., next)| next.map(jiff_sqlx::ToSqlx::to_sqlx)).collect();
    sqlx::query!(
        "with looked as (
            select resident_id, was, next
            from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as looked (resident_id, was, next)),
         held as (
            select u.resident_id, l.next from usual u join looked l on l.resident_id = u.resident_id and l.was = u.look_at
            order by u.resident_id for update of u skip locked)
         update usual u set look_at = coalesce(h.next, 'infinity') from held h where u.resident_id = h.resident_id",
        &residents,
        &was as &[jiff_sqlx::Timestamp],
        &next as &[Option<jiff_sqlx::Timestamp>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Holds a resident until the transaction ends; `false`: somebody else does, or nothing is known of them any more.
pub async fn hold(conn: &mut PgConnection, resident: Uuid) -> Result<bool, StoreError> {
    let held = sqlx::query_scalar!(
        "select resident_id from usual where resident_id = $1 and learnt_at is not null for update skip locked",
        resident
    )
    .fetch_optional(conn)
    .await?;
    Ok(held.is_some())
}

/// When a resident who is held is looked at next.
pub async fn set_next(conn: &mut PgConnection, resident: Uuid, next: Option<Timestamp>) -> Result<(), StoreError> {
    sqlx::query!(
        "update usual set look_at = coalesce($2::timestamptz, 'infinity') where resident_id = $1 and learnt_at is not null",
        resident,
        next.map(jiff_sqlx::ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a resident's terminals told of the last day, in order of time, and which of them told the newest.
pub async fn seen(
    conn: &mut PgConnection,
    resident: Uuid,
    now: Timestamp,
) -> Result<(Vec<Seen>, Option<TerminalId>), StoreError> {
    let rows = sqlx::query!(
        r#"select f.terminal_id, st_y(f.place::geometry) as "lat!", st_x(f.place::geometry) as "lon!", f.accuracy_m, f.source,
            case when f.device_at between f.received_at - make_interval(secs => $4)
                and f.received_at + interval '5 minutes' then f.device_at else f.received_at end as "at!"
         from terminal_assignment a
         join fix f on f.terminal_id = a.terminal_id and f.received_at >= a.since
            and f.received_at >= $2::timestamptz - make_interval(secs => $3)
         where a.resident_id = $1 and a.until is null
         order by f.received_at desc limit $5"#,
        resident,
        now.to_sqlx(),
        LOOK_BACK_S,
        LATE_MAX_S,
        FIXES_MAX,
    )
    .fetch_all(conn)
    .await?;
    let terminal = rows.first().map(|row| TerminalId(row.terminal_id));
    let mut seen: Vec<Seen> = rows
        .into_iter()
        .filter_map(|row| {
            Some(Seen {
                at: row.at.to_jiff(),
                place: Position::new(row.lat, row.lon).ok()?,
                accuracy: row.accuracy_m.map(|metres| Metres(metres.into())),
                source: Source::parse(&row.source).unwrap_or(Source::Unknown),
            })
        })
        .collect();
    seen.sort_by_key(|seen| seen.at);
    Ok((seen, terminal))
}

/// What else is going on with a resident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Besides {
    /// A case of theirs is open, or nothing is expected of them now: a stay in hospital, a holiday.
    pub is_excused: bool,
    /// Something is suspected already.
    pub suspected: Option<Uuid>,
    /// When something was last.
    pub raised_at: Option<Timestamp>,
}

/// What else is going on with a resident. Daily help that is on its way says nothing of where they are.
pub async fn besides(conn: &mut PgConnection, resident: Uuid, now: Timestamp) -> Result<Besides, StoreError> {
    let row = sqlx::query!(
        r#"select
            (exists (select from incident i where i.resident_id = $1 and i.closed_at is null and not i.drill
                    and i.class <> 'service')
                or exists (select from fence_pause p where p.resident_id = $1 and p.fence_id is null
                    and p.begins_at <= $2 and p.ends_at > $2)
                or exists (select from check_in_pause p where p.resident_id = $1 and p.since <= $2 and p.until > $2))
                as "is_excused!",
            (select id from usual_suspicion s where s.resident_id = $1 and s.over_at is null) as suspected,
            (select max(raised_at) from usual_suspicion s where s.resident_id = $1) as raised_at"#,
        resident,
        now.to_sqlx(),
    )
    .fetch_one(conn)
    .await?;
    Ok(Besides {
        is_excused: row.is_excused,
        suspected: row.suspected,
        raised_at: row.raised_at.map(jiff_sqlx::Timestamp::to_jiff),
    })
}

/// Writes down that somebody is suspected to be missing: once for each absence. Whether it is new.
pub async fn raise(
    conn: &mut PgConnection,
    (resident, terminal): (ResidentId, Option<TerminalId>),
    unusual: &Unusual,
    why: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Unusual { around, absence } = unusual;
    let raised = sqlx::query!(
        "insert into usual_suspicion (id, resident_id, terminal_id, since, raised_at, place, distance_m, fixes, hour, of_days,
            away_days, known_days, why)
         values ($1, $2, $3, $4, $5, st_setsrid(st_makepoint($6, $7), 4326)::geography, $8::float8, $9, $10, $11, $12, $13, $14)
         on conflict (resident_id) where over_at is null do nothing",
        clock::fresh_id(),
        resident.0,
        terminal.map(|terminal| terminal.0),
        absence.since.to_sqlx(),
        now.to_sqlx(),
        absence.place.lon_deg(),
        absence.place.lat_deg(),
        absence.distance.0,
        i32::try_from(absence.fixes).unwrap_or(i32::MAX),
        i16::from(around.hour),
        around.of.as_str(),
        i32::from(around.away),
        i32::from(around.known),
        why,
    )
    .execute(conn)
    .await?;
    Ok(raised.rows_affected() == 1)
}

/// They are seen where they are expected.
pub async fn end(conn: &mut PgConnection, suspicion: Uuid, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "update usual_suspicion set over_at = greatest($2, raised_at) where id = $1 and over_at is null",
        suspicion,
        now.to_sqlx()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what was suspected long ago; how many.
pub async fn forget(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let forgotten = sqlx::query!(
        "delete from usual_suspicion where over_at < clock_timestamp() - make_interval(days => $1)",
        KEPT_DAYS
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected())
}

/// Somebody who is out when they never are.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Suspicion)]
pub struct SuspicionView {
    /// Its identity.
    pub id: Uuid,
    /// Who.
    pub resident: Uuid,
    /// Their name.
    pub name: String,
    /// Their telephone.
    pub phone: Option<String>,
    /// Where they are served.
    pub node: String,
    /// Since when they are out.
    pub since: Timestamp,
    /// When it was noticed.
    pub raised_at: Timestamp,
    /// How far from home they were then.
    pub distance_m: f32,
    /// The hour that it was where they live.
    pub hour: i16,
    /// Which days are counted: `working`, `off`, `both`.
    pub of_days: String,
    /// On how many of them they were at home around that hour.
    pub home_days: i32,
    /// Of how many.
    pub known_days: i32,
    /// The reason in one sentence.
    pub why: String,
    /// When somebody saw to it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who did.
    pub acknowledged_by: Option<Person>,
    /// What they wrote.
    pub note: Option<String>,
}

/// What is suspected below the nodes of a scope and not over, those first that nobody has seen to. Who has an open case is
/// looked after there.
pub async fn open(conn: &mut PgConnection, scope: &Scope) -> Result<Vec<SuspicionView>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.id, s.resident_id, r.name, r.phone, n.name as node, s.since, s.raised_at, s.distance_m, s.hour, s.of_days,
            s.known_days - s.away_days as "home_days!", s.known_days, s.why, s.acknowledged_at, s.acknowledged_by, s.note,
            u.name as "by_name?"
         from usual_suspicion s
         join resident r on r.id = s.resident_id
         join org_node n on n.id = r.serving_node
         left join app_user u on u.id = s.acknowledged_by
         where s.over_at is null and n.path && $1
            and not exists (select from incident i where i.resident_id = s.resident_id and i.closed_at is null
                and not i.drill and i.class <> 'service')
         order by s.acknowledged_at is not null, s.raised_at desc limit $2"#,
        scope.nodes(),
        LISTED_MAX,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| SuspicionView {
            id: row.id,
            resident: row.resident_id,
            name: row.name,
            phone: row.phone,
            node: row.node,
            since: row.since.to_jiff(),
            raised_at: row.raised_at.to_jiff(),
            distance_m: row.distance_m,
            hour: row.hour,
            of_days: row.of_days,
            home_days: row.home_days,
            known_days: row.known_days,
            why: row.why,
            acknowledged_at: row.acknowledged_at.map(jiff_sqlx::Timestamp::to_jiff),
            acknowledged_by: row.acknowledged_by.zip(row.by_name).map(|(id, name)| Person { id, name }),
            note: row.note,
        })
        .collect())
}

/// Notes that somebody has seen to a suspicion; the first who did stays. Whether there is such a one in the scope.
pub async fn acknowledge(
    conn: &mut PgConnection,
    suspicion: Uuid,
    (by, note): (UserId, Option<&str>),
    scope: &Scope,
) -> Result<bool, StoreError> {
    let whose = sqlx::query_scalar!(
        "update usual_suspicion s set acknowledged_at = coalesce(s.acknowledged_at, clock_timestamp()),
            acknowledged_by = coalesce(s.acknowledged_by, $2),
            note = case when s.acknowledged_at is null then $3 else s.note end
         from resident r
         where s.id = $1 and s.over_at is null and r.id = s.resident_id and lies_below(r.serving_node, $4)
         returning s.resident_id",
        suspicion,
        by.0,
        note,
        scope.nodes(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(resident) = whose else { return Ok(false) };
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id)
         values ($1, 'acknowledged_suspicion', $2::uuid::text, $3)",
        by.0,
        suspicion,
        resident,
    )
    .execute(conn)
    .await?;
    Ok(true)
}
