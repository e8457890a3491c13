//! Which terminals are read by which profile, and which of them share a key with us: for those who administer.

use domain::id::UserId;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use wire::directory::PayloadKey;

use super::StoreError;
use crate::access::Scope;

/// The terminals that are read by one profile, or by none that they name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its name; `None`: by that of the topic in which they speak.
    pub profile: Option<String>,
    /// How many there are.
    pub terminals: i64,
    /// When one of them was last heard.
    pub heard_at: Option<Timestamp>,
    /// The last message of theirs that nobody could read.
    pub unreadable: Option<UnreadableView>,
}

/// A message that nobody could read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnreadableView {
    /// When it came.
    pub at: Timestamp,
    /// Whose it is.
    pub serial: String,
    /// Why not.
    pub why: String,
}

/// A terminal that can encrypt what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyedView {
    /// Its name in topics.
    pub serial: String,
    /// Who wears it.
    pub wearer: Option<String>,
    /// Whether there is a key. Which it is, is told to nobody.
    pub encrypts: bool,
    /// When it was last heard.
    pub heard_at: Option<Timestamp>,
    /// Its last message that nobody could read.
    pub unreadable: Option<UnreadableView>,
}

/// The terminals with JSON of their own, by profile. Those of residents in `scope`; whoever administers the whole tree sees
/// all of them.
pub async fn used(conn: &mut PgConnection, scope: &Scope) -> Result<Vec<Used>, StoreError> {
    let rows = sqlx::query!(
        r#"with mine as (
            select t.id, t.serial, t.profile from terminal t
            where t.dialect = 'mapped' and t.revoked_at is null
                and (root_node() = any($1) or exists (select from terminal_assignment a join resident r on r.id = a.resident_id
                    where a.terminal_id = t.id and a.until is null and lies_below(r.serving_node, $1)))
         ), unread as (
            select distinct on (m.profile) m.profile, r.received_at, r.serial, r.why
            from mine m cross join lateral (select received_at, serial, why from report
                where terminal_id = m.id and why is not null order by received_at desc limit 1) r
            order by m.profile, r.received_at desc
         )
         select m.profile, count(*) as "terminals!", max(s.heard_at) as "heard_at?",
            max(u.received_at) as "at?", max(u.serial) as "serial?", max(u.why) as "why?"
         from mine m
         left join terminal_state s on s.terminal_id = m.id
         left join unread u on u.profile is not distinct from m.profile
         group by m.profile order by m.profile nulls last"#,
        scope.nodes(),
    )
    .fetch_all(conn)
    .await?;
    let used = rows.into_iter().map(|row| Used {
        profile: row.profile,
        terminals: row.terminals,
        heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
        unreadable: unreadable(row.at, row.serial, row.why),
    });
    Ok(used.collect())
}

fn unreadable(at: Option<jiff_sqlx::Timestamp>, serial: Option<String>, why: Option<String>) -> Option<UnreadableView> {
    Some(UnreadableView { at: at?.to_jiff(), serial: serial?, why: why? })
}

/// The terminals that can encrypt what they say, by serial, `most` at the most: those in which `text` stands, in the
/// serial or in the name of who wears it.
pub async fn keyed(
    conn: &mut PgConnection,
    scope: &Scope,
    text: &str,
    most: i64,
) -> Result<Vec<KeyedView>, StoreError> {
    let rows = sqlx::query!(
        r#"select t.serial, r.name as "wearer?", t.payload_key is not null as "encrypts!", s.heard_at as "heard_at?",
            u.received_at as "at?", u.why as "why?"
         from terminal t
         left join terminal_assignment a on a.terminal_id = t.id and a.until is null
         left join resident r on r.id = a.resident_id
         left join terminal_state s on s.terminal_id = t.id
         left join lateral (select received_at, why from report
            where terminal_id = t.id and why is not null order by received_at desc limit 1) u on true
         where t.dialect = 'own_tracks' and t.revoked_at is null
            and (root_node() = any($1) or lies_below(r.serving_node, $1))
            and (strpos(lower(t.serial), lower($2)) > 0 or strpos(lower(coalesce(r.name, '')), lower($2)) > 0)
         order by t.serial limit $3"#,
        scope.nodes(),
        text,
        most,
    )
    .fetch_all(conn)
    .await?;
    let keyed = rows.into_iter().map(|row| KeyedView {
        unreadable: unreadable(row.at, Some(row.serial.clone()), row.why),
        serial: row.serial,
        wearer: row.wearer,
        encrypts: row.encrypts,
        heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(keyed.collect())
}

/// Under which key a terminal encrypts what it says from now on; none: under none. Who said so is written down, the key is
/// not. False: there is no such terminal in `scope` that can.
pub async fn set_key(
    conn: &mut PgConnection,
    (user, scope): (UserId, &Scope),
    serial: &str,
    key: Option<&PayloadKey>,
) -> Result<bool, StoreError> {
    let changed = sqlx::query!(
        "with changed as (
            update terminal t set payload_key = $4
            where t.serial = $3 and t.dialect = 'own_tracks' and t.revoked_at is null
                and (root_node() = any($2) or exists (select from terminal_assignment a join resident r on r.id = a.resident_id
                    where a.terminal_id = t.id and a.until is null and lies_below(r.serving_node, $2)))
            returning t.id
         )
         insert into audit (user_id, what, about, resident_id, data)
         select $1, 'terminal_keyed', $3, a.resident_id, jsonb_build_object('encrypts', $4::text is not null)
         from changed c left join terminal_assignment a on a.terminal_id = c.id and a.until is null",
        user.0,
        scope.nodes(),
        serial,
        key.map(PayloadKey::reveal),
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// A profile that terminals are listed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What they speak, in the directory's spelling.
    pub dialect: String,
    /// Its name, or the habits of their model.
    pub profile: String,
    /// How many there are.
    pub terminals: i64,
    /// Some of them.
    pub serials: Vec<String>,
}

/// Every profile that terminals are listed with, which may connect.
pub async fn named(conn: &mut PgConnection) -> Result<Vec<Named>, StoreError> {
    let rows = sqlx::query!(
        r#"select dialect, profile as "profile!", count(*) as "terminals!",
            (array_agg(serial order by serial))[1:5] as "serials!: Vec<String>"
         from terminal where profile is not null and revoked_at is null group by dialect, profile order by dialect, profile"#
    )
    .fetch_all(conn)
    .await?;
    let named = rows.into_iter().map(|row| Named {
        dialect: row.dialect,
        profile: row.profile,
        terminals: row.terminals,
        serials: row.serials,
    });
    Ok(named.collect())
}
