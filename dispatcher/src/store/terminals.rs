//! Terminals, as an administrator sees to them: listed, revoked, given new secrets, given to residents.

use domain::id::ResidentId;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;
use wire::directory::{Fingerprint, PayloadKey, Terminal};

use super::StoreError;

/// A terminal as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its name in topics.
    pub serial: String,
    /// Its user name.
    pub login: String,
    /// What it speaks.
    pub dialect: String,
    /// What it is.
    pub model: String,
    /// Which variant of its dialect it speaks.
    pub profile: Option<String>,
    /// Whether there is a key under which it encrypts what it says.
    pub encrypts: bool,
    /// Everything it says is an exercise.
    pub drill: bool,
    /// Who wears it.
    pub wearer: Option<String>,
    /// The concentrator that may speak for it.
    pub concentrator: Option<String>,
    /// When it was last heard.
    pub heard_at: Option<Timestamp>,
    /// Since when it may not connect.
    pub revoked_at: Option<Timestamp>,
}

/// Every terminal, by serial.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query!(
        r#"select t.serial, t.login, t.dialect, t.model, t.profile, t.payload_key is not null as "encrypts!", t.drill,
            r.name as "wearer?",
            c.login as "concentrator?", s.heard_at as "heard_at?", t.revoked_at
         from terminal t
         left join concentrator c on c.id = t.concentrator_id
         left join terminal_assignment a on a.terminal_id = t.id and a.until is null
         left join resident r on r.id = a.resident_id
         left join terminal_state s on s.terminal_id = t.id
         order by t.serial"#
    )
    .fetch_all(conn)
    .await?;
    let listed = rows.into_iter().map(|row| Listed {
        serial: row.serial,
        login: row.login,
        dialect: row.dialect,
        model: row.model,
        profile: row.profile,
        encrypts: row.encrypts,
        drill: row.drill,
        wearer: row.wearer,
        concentrator: row.concentrator,
        heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
        revoked_at: row.revoked_at.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(listed.collect())
}

/// Adds a terminal that nobody wears yet. False: its serial or its login is taken.
pub async fn add(conn: &mut PgConnection, terminal: &Terminal, model: &str) -> Result<bool, StoreError> {
    let added = sqlx::query!(
        "insert into terminal (serial, login, secret_sha256, dialect, model, manual_publish_means_help, drill,
            concentrator_id, certificate_sha256, profile)
         values ($1, $2, $3, $4, $5, $6, $7, (select id from concentrator where login = $8), $9, $10)
         on conflict do nothing",
        &*terminal.serial,
        &*terminal.login,
        &terminal.secret_sha256,
        terminal.dialect.as_str(),
        model,
        terminal.manual_publish_means_help,
        terminal.drill,
        terminal.concentrator.as_deref(),
        terminal.certificate.as_ref().map(|certificate| certificate.0.to_vec()),
        terminal.profile.as_deref(),
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "terminal_added", &terminal.serial, added.rows_affected()).await
}

/// What became of a new secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// It counts from now on.
    Done,
    /// The terminal was revoked, and stays so.
    Revoked,
    /// There is no such terminal.
    Unknown,
}

/// Whether a terminal that was revoked is let in again with its new secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reinstate {
    /// It is.
    Yes,
    /// It stays revoked.
    No,
}

/// Gives a terminal a new secret.
pub async fn rotate(
    conn: &mut PgConnection,
    serial: &str,
    secret_sha256: &[u8; 32],
    reinstate: Reinstate,
) -> Result<Rotated, StoreError> {
    let Some(revoked_at) = sqlx::query_scalar!("select revoked_at from terminal where serial = $1 for update", serial)
        .fetch_optional(&mut *conn)
        .await?
    else {
        return Ok(Rotated::Unknown);
    };
    if revoked_at.is_some() && reinstate == Reinstate::No {
        return Ok(Rotated::Revoked);
    }
    let changed = sqlx::query!(
        "update terminal set secret_sha256 = $2, revoked_at = null where serial = $1",
        serial,
        secret_sha256.as_slice(),
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "terminal_rotated", serial, changed.rows_affected()).await?;
    Ok(Rotated::Done)
}

/// Takes a terminal's right to connect away. False: there is no such terminal, or it was revoked before.
pub async fn revoke(conn: &mut PgConnection, serial: &str) -> Result<bool, StoreError> {
    let revoked = sqlx::query!(
        "update terminal set revoked_at = clock_timestamp() where serial = $1 and revoked_at is null",
        serial
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "terminal_revoked", serial, revoked.rows_affected()).await
}

/// Which certificate a terminal must show from now on; none: it needs none. False: there is no such terminal.
pub async fn bind(
    conn: &mut PgConnection,
    serial: &str,
    certificate: Option<&Fingerprint>,
) -> Result<bool, StoreError> {
    let bound = sqlx::query!(
        "update terminal set certificate_sha256 = $2 where serial = $1",
        serial,
        certificate.map(|certificate| certificate.0.to_vec()),
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "terminal_bound", serial, bound.rows_affected()).await
}

/// Under which key a terminal encrypts what it says from now on; none: under none. False: there is no such terminal.
pub async fn set_key(conn: &mut PgConnection, serial: &str, key: Option<&PayloadKey>) -> Result<bool, StoreError> {
    let changed =
        sqlx::query!("update terminal set payload_key = $2 where serial = $1", serial, key.map(PayloadKey::reveal),)
            .execute(&mut *conn)
            .await?;
    write_down(conn, "terminal_keyed", serial, changed.rows_affected()).await
}

/// Who wears a terminal from now on; none: nobody. False: there is no such terminal, or that is so already.
pub async fn assign(conn: &mut PgConnection, serial: &str, wearer: Option<ResidentId>) -> Result<bool, StoreError> {
    let wearer = wearer.map(|wearer| wearer.0);
    let ended = sqlx::query!(
        "update terminal_assignment set until = clock_timestamp()
         where terminal_id = (select id from terminal where serial = $1) and until is null
            and resident_id is distinct from $2",
        serial,
        wearer,
    )
    .execute(&mut *conn)
    .await?;
    let begun = sqlx::query!(
        "insert into terminal_assignment (terminal_id, resident_id, since)
         select t.id, r.id, clock_timestamp() from terminal t, resident r
         where t.serial = $1 and r.id = $2
            and not exists (select from terminal_assignment where terminal_id = t.id and until is null)",
        serial,
        wearer,
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "terminal_assigned", serial, ended.rows_affected() + begun.rows_affected()).await
}

/// Which serials and logins of these are taken, by a terminal or a concentrator.
pub async fn taken(conn: &mut PgConnection, serials: &[String], logins: &[String]) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select serial as "taken!" from terminal where serial = any($1)
         union select login from mqtt_login where login = any($2) and not login = any($1)
         union select login from concentrator where login = any($2)
         order by 1"#,
        serials,
        logins
    )
    .fetch_all(conn)
    .await?)
}

/// What a terminal speaks, in the directory's spelling; `None`: there is no such terminal.
pub async fn dialect(conn: &mut PgConnection, serial: &str) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!("select dialect from terminal where serial = $1", serial).fetch_optional(conn).await?)
}

/// Whether there is such a terminal.
pub async fn exists(conn: &mut PgConnection, serial: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select exists (select from terminal where serial = $1) as "there!""#, serial)
        .fetch_one(conn)
        .await?)
}

/// The residents who may be meant: by identity or number, else by name.
pub async fn residents_meant(conn: &mut PgConnection, text: &str) -> Result<Vec<(Uuid, String, String)>, StoreError> {
    let rows = sqlx::query!(
        "select id, name, address from resident where id::text = $1 or code = $1 or name = $1 order by id limit 10",
        text
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name, row.address)).collect())
}

pub(super) async fn write_down(
    conn: &mut PgConnection,
    what: &str,
    serial: &str,
    rows: u64,
) -> Result<bool, StoreError> {
    if rows > 0 {
        sqlx::query!("insert into audit (what, about) values ($1, $2)", what, serial).execute(conn).await?;
    }
    Ok(rows > 0)
}
