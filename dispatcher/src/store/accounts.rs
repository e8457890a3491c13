//! Who may log in, as an administrator at a shell sees to it. What is done is written down without a user: whoever
//! has the shell has the database.

use domain::word::Word as _;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::StoreError;
use crate::access::{Grant, Role};
use crate::clock;

/// An account.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// The name that they log in with.
    pub login: String,
    /// Their name.
    pub name: String,
    /// What they are, and over which subtrees.
    pub grants: Vec<Grant>,
    /// They cannot log in.
    pub disabled: bool,
    /// Too many wrong passwords: they cannot log in until then.
    pub locked_until: Option<Timestamp>,
    /// When they last logged in, as far as that is written down.
    pub last_login_at: Option<Timestamp>,
}

/// Every account, by login.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Account>, StoreError> {
    let rows = sqlx::query!(
        r#"select u.login, u.name, u.disabled,
            case when u.locked_until > now() then u.locked_until end as locked_until,
            (select max(at) from audit where user_id = u.id and what = 'logged_in') as last_login_at,
            (select coalesce(json_agg(json_build_object(
                'role', g.role, 'node', json_build_object('id', n.id, 'name', n.name)) order by g.role, n.id), '[]')
             from role_grant g join org_node n on n.id = g.node_id
             where g.user_id = u.id) as "grants!: Json<Vec<Grant>>"
         from app_user u order by u.login"#
    )
    .fetch_all(conn)
    .await?;
    let accounts = rows.into_iter().map(|row| Account {
        login: row.login,
        name: row.name,
        grants: row.grants.0,
        disabled: row.disabled,
        locked_until: row.locked_until.map(jiff_sqlx::Timestamp::to_jiff),
        last_login_at: row.last_login_at.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(accounts.collect())
}

/// Adds an account, kept at a node, that may do nothing yet. False: the login is taken.
pub async fn add(
    conn: &mut PgConnection,
    login: &str,
    name: &str,
    node: Uuid,
    password_hash: &str,
) -> Result<bool, StoreError> {
    let added = sqlx::query!(
        "insert into app_user (id, login, name, node_id, password_hash) values ($1, $2, $3, $4, $5)
         on conflict (login) do nothing",
        clock::fresh_id(),
        login,
        name,
        node,
        password_hash,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    write_down(conn, "user_added", login, added).await
}

/// Gives a role over a subtree. False: they hold it already, or there is no such login.
pub async fn grant(conn: &mut PgConnection, login: &str, role: Role, node: Uuid) -> Result<bool, StoreError> {
    let granted = sqlx::query!(
        "insert into role_grant (user_id, role, node_id) select id, $2, $3 from app_user where login = $1
         on conflict do nothing",
        login,
        role.as_str(),
        node,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    write_down(conn, "role_granted", login, granted).await
}

/// Takes a role over a subtree away. False: they do not hold it.
pub async fn revoke(conn: &mut PgConnection, login: &str, role: Role, node: Uuid) -> Result<bool, StoreError> {
    let revoked = sqlx::query!(
        "delete from role_grant where role = $2 and node_id = $3
            and user_id = (select id from app_user where login = $1)",
        login,
        role.as_str(),
        node,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    write_down(conn, "role_revoked", login, revoked).await
}

/// Gives a new password, ends every session and lifts the lock-out. False: there is no such login.
pub async fn set_password(conn: &mut PgConnection, login: &str, password_hash: &str) -> Result<bool, StoreError> {
    let changed = sqlx::query!(
        "update app_user set password_hash = $2, failed_logins = 0, locked_until = null where login = $1",
        login,
        password_hash,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    end_sessions(conn, login).await?;
    write_down(conn, "password_set", login, changed).await
}

/// Says where somebody is telephoned. False: there is no such login.
pub async fn set_phone(conn: &mut PgConnection, login: &str, phone: Option<&str>) -> Result<bool, StoreError> {
    let changed = sqlx::query!("update app_user set phone = $2 where login = $1", login, phone)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    write_down(conn, "phone_set", login, changed).await
}

/// Lets somebody log in no more, and ends every session. False: there is no such login.
pub async fn disable(conn: &mut PgConnection, login: &str) -> Result<bool, StoreError> {
    let changed =
        sqlx::query!("update app_user set disabled = true where login = $1", login).execute(&mut *conn).await?;
    end_sessions(conn, login).await?;
    write_down(conn, "user_disabled", login, changed.rows_affected()).await
}

/// Lets somebody log in again. False: there is no such login.
pub async fn enable(conn: &mut PgConnection, login: &str) -> Result<bool, StoreError> {
    let changed = sqlx::query!(
        "update app_user set disabled = false, failed_logins = 0, locked_until = null where login = $1",
        login
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, "user_enabled", login, changed.rows_affected()).await
}

/// Whether there is such a login.
pub async fn exists(conn: &mut PgConnection, login: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select exists (select from app_user where login = $1) as "there!""#, login)
        .fetch_one(conn)
        .await?)
}

async fn end_sessions(conn: &mut PgConnection, login: &str) -> Result<(), StoreError> {
    sqlx::query!("delete from session where user_id = (select id from app_user where login = $1)", login)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes down what was done, if anything was. Gives whether it was.
async fn write_down(conn: &mut PgConnection, what: &str, login: &str, rows: u64) -> Result<bool, StoreError> {
    if rows > 0 {
        sqlx::query!("insert into audit (what, about) values ($1, $2)", what, login).execute(conn).await?;
    }
    Ok(rows > 0)
}
