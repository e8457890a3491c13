//! Which way somebody went lately: the last positions of what they wear, and what is believed of them by it.

use domain::id::TerminalId;
use domain::place::Position;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::fences::Beliefs;

/// So many positions are a way: as many as are told of somebody who crossed an edge, at most.
const PLACES_MAX: i64 = 32;

/// The last positions of somebody, by the terminal that told one last.
#[derive(Debug, Clone, PartialEq)]
pub struct Trail {
    /// Which terminal.
    pub terminal: TerminalId,
    /// Its serial.
    pub serial: String,
    /// What is believed by it; nothing when that is about other fences, or somebody else.
    pub beliefs: Option<Beliefs>,
    /// When and where, oldest first.
    pub places: Vec<(Timestamp, Position)>,
}

/// The way of a resident, of positions that came since then; nothing when none did.
pub async fn trail(conn: &mut PgConnection, resident: Uuid, since: Timestamp) -> Result<Option<Trail>, StoreError> {
    let worn = sqlx::query!(
        r#"select t.id, t.serial, r.fences_version, a.since, s.beliefs_of, s.believed_at, s.whereabouts
         from terminal_assignment a
         join resident r on r.id = a.resident_id
         join terminal t on t.id = a.terminal_id
         join terminal_state s on s.terminal_id = a.terminal_id
         where a.resident_id = $1 and a.until is null and s.place_received_at >= greatest(a.since, $2)
         order by s.place_received_at desc limit 1"#,
        resident,
        since.to_sqlx(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(worn) = worn else { return Ok(None) };
    let rows = sqlx::query!(
        r#"select coalesce(device_at, received_at) as "at!", st_y(place::geometry) as "lat!",
            st_x(place::geometry) as "lon!"
         from fix where terminal_id = $1 and received_at >= greatest($2::timestamptz, $3)
         order by received_at desc, device_at desc nulls last limit $4"#,
        worn.id,
        worn.since,
        since.to_sqlx(),
        PLACES_MAX,
    )
    .fetch_all(conn)
    .await?;
    let place = |lat, lon| Position::new(lat, lon).ok();
    let mut places: Vec<_> =
        rows.into_iter().filter_map(|row| Some((row.at.to_jiff(), place(row.lat, row.lon)?))).collect();
    places.sort_by_key(|(at, _)| *at);
    let beliefs = Beliefs::read(worn.beliefs_of, worn.believed_at, worn.whereabouts);
    let beliefs = beliefs.filter(|beliefs| beliefs.is_about(worn.fences_version, worn.since.to_jiff()));
    Ok(Some(Trail { terminal: TerminalId(worn.id), serial: worn.serial, beliefs, places }))
}
