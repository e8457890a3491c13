//! What front doors say of themselves, and for how long it counts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;
use wire::door::{SAYS_EVERY, Standing, VIOLATIONS_MAX};

use super::StoreError;
use crate::access::Scope;

/// A door that has said nothing for this long is silent.
pub(super) const SILENT_AFTER: Duration = SAYS_EVERY.saturating_mul(4);
/// A door that has said nothing for this long is no more.
const GONE_AFTER_DAYS: i32 = 7;

/// A front door, as it last said.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DoorView {
    /// Its name.
    pub name: String,
    /// When it was last heard.
    pub heard_at: Timestamp,
    /// Whether it should have been heard since.
    pub silent: bool,
    /// Since when it has counted.
    pub opened_at: Timestamp,
    /// How it speaks TLS; nothing: it does not.
    pub tls: Option<DoorTls>,
    /// Its numbers, by the names that `/metrics` has after `ydt_broker_`.
    pub counted: BTreeMap<String, i64>,
    /// The latest violations that are the caller's to see, the newest first.
    pub violations: Vec<ViolationView>,
}

/// How a door speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DoorTls {
    /// Where.
    pub listen: String,
    /// When its certificate expires.
    pub expires_at: Timestamp,
    /// Whether terminals are asked for certificates.
    pub asks_certificates: bool,
}

/// Something that a terminal said at a door and might not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViolationView {
    /// When, the last time.
    pub at: Timestamp,
    /// How often the same was said in a row.
    pub times: i32,
    /// The terminal's serial; for others, the user name that they connected with.
    pub serial: String,
    /// `publish`, `subscribe`, `will`: to a topic that is not its own; `malformed`, `too_large`, `unexpected`,
    /// `topic_name`, `topic_alias`, `quota`: what broke the protocol.
    pub what: String,
    /// The topic or filter, when it is about one.
    pub topic: Option<String>,
    /// MQTT's reason code, as it was answered; nothing where none could be.
    #[schema(minimum = 0, maximum = 255)]
    pub code: Option<i16>,
}

/// Writes down what a door says, and forgets what no door says any more.
pub async fn hear(tx: &mut PgConnection, said: &Standing) -> Result<(), StoreError> {
    let tls = said.tls.as_ref();
    sqlx::query!(
        "insert into door (name, heard_at, opened_at, tls_listen, tls_expires_at, tls_asks_certificates, counted)
         values ($1, clock_timestamp(), $2, $3, $4, $5, $6)
         on conflict (name) do update set heard_at = excluded.heard_at, opened_at = excluded.opened_at,
            tls_listen = excluded.tls_listen, tls_expires_at = excluded.tls_expires_at,
            tls_asks_certificates = excluded.tls_asks_certificates, counted = excluded.counted",
        said.door,
        said.opened_at.to_sqlx(),
        tls.map(|tls| tls.listen.clone()),
        tls.map(|tls| tls.expires_at.to_sqlx()) as Option<jiff_sqlx::Timestamp>,
        tls.map(|tls| tls.asks_certificates),
        Json(&said.counted) as _,
    )
    .execute(&mut *tx)
    .await?;
    let latest = said.violations.iter().rev().take(VIOLATIONS_MAX);
    let ids: Vec<Uuid> = latest.clone().map(|one| one.id).collect();
    let ats: Vec<jiff_sqlx::Timestamp> = latest.clone().map(|one| one.at.to_sqlx()).collect();
    let times: Vec<i32> = latest.clone().map(|one| i32::try_from(one.times).unwrap_or(i32::MAX).max(1)).collect();
    let logins: Vec<String> = latest.clone().map(|one| one.login.clone()).collect();
    let whats: Vec<String> = latest.clone().map(|one| one.what.as_str().to_owned()).collect();
    let topics: Vec<Option<String>> = latest.clone().map(|one| one.topic.clone()).collect();
    let codes: Vec<Option<i16>> = latest.map(|one| one.code.map(i16::from)).collect();
    sqlx::query!(
        "insert into door_violation (id, door, at, times, login, what, topic, code)
         select id, $1, at, times, login, what, topic, code
         from unnest($2::uuid[], $3::timestamptz[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::smallint[])
            as v (id, at, times, login, what, topic, code)
         on conflict (id) do update set at = excluded.at, times = excluded.times
         where door_violation.times <> excluded.times",
        said.door,
        &ids,
        ats,
        &times,
        &logins,
        &whats,
        &topics as &[Option<String>],
        &codes as &[Option<i16>],
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from door_violation
         where id in (select id from door_violation where door = $1 order by at desc, id desc offset $2)",
        said.door,
        i64::try_from(VIOLATIONS_MAX).unwrap_or(i64::MAX),
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("delete from door where heard_at < clock_timestamp() - make_interval(days => $1)", GONE_AFTER_DAYS)
        .execute(tx)
        .await?;
    Ok(())
}

/// Every door. Of violations, those by terminals of residents in `scope`; whoever administers the whole tree sees those
/// of everybody.
pub async fn all(conn: &mut PgConnection, scope: &Scope) -> Result<Vec<DoorView>, StoreError> {
    let mut violations: BTreeMap<String, Vec<ViolationView>> = BTreeMap::new();
    let rows = sqlx::query!(
        r#"select v.door, v.at, v.times, coalesce(t.serial, v.login) as "serial!", v.what, v.topic, v.code
         from door_violation v left join terminal t on t.login = v.login
         where root_node() = any($1)
            or exists (select from terminal_assignment a join resident r on r.id = a.resident_id
                where a.terminal_id = t.id and a.until is null and lies_below(r.serving_node, $1))
         order by v.at desc, v.id desc"#,
        scope.nodes(),
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in rows {
        violations.entry(row.door).or_default().push(ViolationView {
            at: row.at.to_jiff(),
            times: row.times,
            serial: row.serial,
            what: row.what,
            topic: row.topic,
            code: row.code,
        });
    }
    let doors = sqlx::query!(
        r#"select name, heard_at, opened_at, tls_listen, tls_expires_at, tls_asks_certificates,
            counted as "counted: Json<BTreeMap<String, i64>>",
            heard_at < clock_timestamp() - make_interval(secs => $1) as "silent!"
         from door order by name"#,
        SILENT_AFTER.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    let views = doors.into_iter().map(|row| DoorView {
        violations: violations.remove(&row.name).unwrap_or_default(),
        name: row.name,
        heard_at: row.heard_at.to_jiff(),
        silent: row.silent,
        opened_at: row.opened_at.to_jiff(),
        tls: match (row.tls_listen, row.tls_expires_at, row.tls_asks_certificates) {
            (Some(listen), Some(expires_at), Some(asks_certificates)) => {
                Some(DoorTls { listen, expires_at: expires_at.to_jiff(), asks_certificates })
            }
            _ => None,
        },
        counted: row.counted.0,
    });
    Ok(views.collect())
}
