//! What a fence is tried against: where its wearer is, where they were, and where else they may be.

use std::collections::BTreeMap;

use domain::id::{FenceId, TerminalId, UserId};
use domain::place::{Metres, Position, Source};
use domain::whereabouts::Fix;
use domain::word::Word as _;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Where somebody was last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct LastSeen {
    /// Where.
    pub place: Position,
    /// The radius that is claimed.
    pub accuracy: Option<Metres>,
    /// How it was come by.
    pub source: Source,
    /// When we had it.
    pub received_at: Timestamp,
}

/// The newest position of what a resident wears now, not older than `since`.
pub async fn last_seen(
    conn: &mut PgConnection,
    resident: Uuid,
    since: Timestamp,
) -> Result<Option<LastSeen>, StoreError> {
    let row = sqlx::query!(
        r#"select st_y(s.place::geometry) as "lat!", st_x(s.place::geometry) as "lon!", s.place_accuracy_m,
            s.place_source, s.place_received_at as "received_at!"
         from terminal_assignment a
         join terminal_state s on s.terminal_id = a.terminal_id
         where a.resident_id = $1 and a.until is null and s.place is not null
            and s.place_received_at >= greatest(a.since, $2)
         order by s.place_received_at desc limit 1"#,
        resident,
        since.to_sqlx(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| {
        Some(LastSeen {
            place: Position::new(row.lat, row.lon).ok()?,
            accuracy: row.place_accuracy_m.map(Metres),
            source: row.place_source.as_deref().and_then(|source| source.parse().ok()).unwrap_or(Source::Unknown),
            received_at: row.received_at.to_jiff(),
        })
    }))
}

/// What the terminals told that somebody wore.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// By terminal, in order of arrival.
    pub of_each: BTreeMap<TerminalId, Vec<Fix>>,
    /// Whether there was more than could be read; what is oldest is left out then.
    pub is_cut: bool,
}

impl History {
    /// How many positions there are.
    pub fn fixes(&self) -> usize {
        self.of_each.values().map(Vec::len).sum()
    }
}

/// Where a resident was since some time: the newest so many positions of what they wore, while it was they who wore it.
pub async fn history(
    conn: &mut PgConnection,
    resident: Uuid,
    since: Timestamp,
    fixes_max: usize,
) -> Result<History, StoreError> {
    let limit = i64::try_from(fixes_max).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = sqlx::query!(
        r#"select f.terminal_id, f.received_at, f.device_at, st_y(f.place::geometry) as "lat!",
            st_x(f.place::geometry) as "lon!", f.accuracy_m, f.source, f.speed_kmh
         from terminal_assignment a
         join fix f on f.terminal_id = a.terminal_id and f.received_at >= greatest(a.since, $2)
            and (a.until is null or f.received_at < a.until)
         where a.resident_id = $1 and (a.until is null or a.until > $2)
         order by f.received_at desc limit $3"#,
        resident,
        since.to_sqlx(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let is_cut = rows.len() > fixes_max;
    rows.truncate(fixes_max);
    let mut history = History { is_cut, ..History::default() };
    for row in rows.into_iter().rev() {
        let Ok(place) = Position::new(row.lat, row.lon) else { continue };
        history.of_each.entry(TerminalId(row.terminal_id)).or_default().push(Fix {
            place,
            accuracy: row.accuracy_m.map(|metres| Metres(f64::from(metres))),
            source: Source::parse(&row.source).unwrap_or(Source::Unknown),
            speed_kmh: row.speed_kmh.map(f64::from),
            device_at: row.device_at.map(jiff_sqlx::Timestamp::to_jiff),
            received_at: row.received_at.to_jiff(),
        });
    }
    Ok(history)
}

/// Writes down that somebody tried a fence against where a resident was: what it answers tells when they were out.
pub async fn write_down(
    conn: &mut PgConnection,
    by: UserId,
    resident: Uuid,
    fence: Option<FenceId>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id)
         values ($1, 'tried_fence', coalesce($2::uuid, $3::uuid)::text, $3)",
        by.0,
        fence.map(|fence| fence.0),
        resident,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A fence of the community, to be copied.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct CommonFence {
    /// What people call it.
    pub name: String,
    /// `safe`, `forbidden` or `corridor`.
    pub kind: String,
    /// For so many seconds somebody may be where they should not be before anybody is told.
    pub grace_s: i32,
    /// Where it is.
    pub shape: super::fences::Drawn,
    /// For how many residents there it is drawn like that.
    pub residents: i64,
}

/// So many fences of a community are told.
const COMMON_MAX: i64 = 100;

/// The fences that are drawn for the others who are served in a resident's community, each shape once, the most usual
/// first, and whose they are is not told. What is drawn around one home alone is nobody else's business.
pub async fn of_community(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<CommonFence>, StoreError> {
    let rows = sqlx::query!(
        r#"with community as (
            select coalesce(
                (select above.id from org_node above where above.id = any(n.path) and above.level = 'community' limit 1),
                n.id) as id
            from resident r join org_node n on n.id = r.serving_node where r.id = $1)
         select mode() within group (order by f.name) as "name!", f.kind,
            mode() within group (order by f.grace_s) as "grace_s!", st_asgeojson(f.area, 15) as "area!", f.radius_m,
            count(distinct f.resident_id) as "residents!"
         from community
         join org_node n on community.id = any(n.path)
         join resident r on r.serving_node = n.id and r.id <> $1
         join fence f on f.resident_id = r.id and f.active
         where not (f.radius_m is not null and r.home is not null and st_dwithin(f.area, r.home, 30))
         group by f.area::bytea, f.area, f.radius_m, f.kind
         having count(distinct r.home::bytea) > 1 or not coalesce(bool_or(st_dwithin(f.area, r.home, 30)), false)
         order by count(distinct f.resident_id) desc, 1 limit $2"#,
        resident,
        COMMON_MAX,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let shape = super::fences::drawn(&row.area, row.radius_m)?;
            Some(CommonFence { name: row.name, kind: row.kind, grace_s: row.grace_s, shape, residents: row.residents })
        })
        .collect())
}
