//! Concentrators, as an administrator sees to them: added, listed, given new secrets, revoked, and given terminals to
//! speak for.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use wire::directory::{Concentrator, Fingerprint};

use super::StoreError;
use super::terminals::{Reinstate, Rotated, write_down};

/// A concentrator as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its user name.
    pub login: String,
    /// What people call it.
    pub name: String,
    /// How many terminals it may speak for.
    pub terminals: i64,
    /// Since when it may not connect.
    pub revoked_at: Option<Timestamp>,
}

/// Every concentrator, by login.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query!(
        r#"select c.login, c.name, c.revoked_at,
            (select count(*) from terminal t where t.concentrator_id = c.id and t.revoked_at is null) as "terminals!"
         from concentrator c order by c.login"#
    )
    .fetch_all(conn)
    .await?;
    let listed = rows.into_iter().map(|row| Listed {
        login: row.login,
        name: row.name,
        terminals: row.terminals,
        revoked_at: row.revoked_at.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(listed.collect())
}

/// Adds a concentrator that speaks for nobody yet. False: its login is taken, by a terminal or another.
pub async fn add(conn: &mut PgConnection, concentrator: &Concentrator, name: &str) -> Result<bool, StoreError> {
    let login = &*concentrator.login;
    let added = sqlx::query!(
        "insert into concentrator (login, secret_sha256, name)
         select $1, $2, $3 where not exists (select from mqtt_login where login = $1) on conflict do nothing",
        login,
        &concentrator.secret_sha256,
        name,
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "concentrator_added", login, added.rows_affected()).await
}

/// Gives a concentrator a new secret.
pub async fn rotate(
    conn: &mut PgConnection,
    concentrator: &Concentrator,
    reinstate: Reinstate,
) -> Result<Rotated, StoreError> {
    let login = &*concentrator.login;
    let found = sqlx::query_scalar!("select revoked_at from concentrator where login = $1 for update", login)
        .fetch_optional(&mut *conn)
        .await?;
    match (found, reinstate) {
        (None, _) => return Ok(Rotated::Unknown),
        (Some(Some(_)), Reinstate::No) => return Ok(Rotated::Revoked),
        _ => {}
    }
    let changed = sqlx::query!(
        "update concentrator set secret_sha256 = $2, revoked_at = null where login = $1",
        login,
        &concentrator.secret_sha256,
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "concentrator_rotated", login, changed.rows_affected()).await?;
    Ok(Rotated::Done)
}

/// Takes a concentrator's right to connect away. False: there is none such, or it was revoked before.
pub async fn revoke(conn: &mut PgConnection, login: &str) -> Result<bool, StoreError> {
    let revoked = sqlx::query!(
        "update concentrator set revoked_at = clock_timestamp() where login = $1 and revoked_at is null",
        login
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "concentrator_revoked", login, revoked.rows_affected()).await
}

/// Which certificate a concentrator must show from now on; none: it needs none. False: there is none such.
pub async fn bind(conn: &mut PgConnection, login: &str, certificate: Option<&Fingerprint>) -> Result<bool, StoreError> {
    let bound = sqlx::query!(
        "update concentrator set certificate_sha256 = $2 where login = $1",
        login,
        certificate.map(|certificate| certificate.0.to_vec()),
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "concentrator_bound", login, bound.rows_affected()).await
}

/// Which of these there are.
pub async fn known(conn: &mut PgConnection, logins: &[String]) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!("select login from concentrator where login = any($1)", logins).fetch_all(conn).await?)
}

/// Which concentrator speaks for these terminals from now on; none: each speaks only for itself. The terminals that
/// there are.
pub async fn attach(
    conn: &mut PgConnection,
    serials: &[String],
    concentrator: Option<&str>,
) -> Result<Vec<String>, StoreError> {
    let attached = sqlx::query_scalar!(
        "update terminal set concentrator_id = (select id from concentrator where login = $2)
         where serial = any($1) returning serial",
        serials,
        concentrator,
    )
    .fetch_all(&mut *conn)
    .await?;
    for serial in &attached {
        write_down(conn, "terminal_attached", serial, 1).await?;
    }
    Ok(attached)
}
