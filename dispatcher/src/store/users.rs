//! People who log in: accounts, sessions, the lock-out, and whether somebody is at a console.

use std::time::Duration;

use domain::id::UserId;
use domain::word::{UnknownWord, Word};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// So many wrong passwords in a row lock a login …
pub const FAILURES_MAX: i32 = 5;
/// … for this long.
pub const LOCKED_FOR: Duration = Duration::from_mins(15);
/// How long a session lasts.
pub const SESSION_LASTS: Duration = Duration::from_hours(12);
/// A session's row is not written again for having been seen within this time.
const SEEN_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Answers calls.
    Operator,
    /// Answers calls that operators do not, and may take them over.
    Supervisor,
    /// Sees to accounts and settings; may do what a supervisor may.
    Admin,
    /// Goes to residents; sees own offers only.
    Responder,
}

impl Word for Role {
    const KIND: &'static str = "role";
    const ALL: &'static [Self] = &[Self::Operator, Self::Supervisor, Self::Admin, Self::Responder];
    fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
            Self::Responder => "responder",
        }
    }
}

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Their identity.
    #[serde(serialize_with = "user_id")]
    pub id: UserId,
    /// The name that they log in with.
    pub login: String,
    /// Their name.
    pub name: String,
    /// What they may do.
    #[serde(serialize_with = "wire::word::serialize")]
    pub role: Role,
}

fn user_id<S: serde::Serializer>(id: &UserId, serializer: S) -> Result<S::Ok, S::Error> {
    id.0.serialize(serializer)
}

/// One login at one console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: User,
    /// What every call that changes something must say besides the cookie.
    pub csrf: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A login that may be tried now.
#[derive(Debug)]
pub enum Login {
    /// The password may be checked against this.
    Open {
        /// Who it would be.
        user: User,
        /// Argon2id, as a PHC string.
        password_hash: String,
    },
    /// Too many wrong passwords.
    Locked,
    /// Nobody has it, or not any more.
    Unknown,
}

/// What a call says about the person at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// The console is connected.
    Seen,
    /// A person did something at it.
    Active,
}

fn role(text: &str, id: Uuid) -> Result<Role, StoreError> {
    Role::parse(text).map_err(|UnknownWord { .. }| StoreError::Impossible {
        table: "app_user",
        id: id.to_string(),
        column: "role",
    })
}

/// Counts an attempt to log in and says what to check the password against.
///
/// The attempt counts as wrong until [`open_session`] says otherwise, so that a hundred attempts side by
/// side get no more answers than five.
pub async fn charge_login(conn: &mut PgConnection, login: &str) -> Result<Login, StoreError> {
    let row = sqlx::query!(
        r#"update app_user set
            failed_logins = case when locked_until <= now() then 1 else failed_logins + 1 end,
            locked_until = case
                when locked_until is null and failed_logins + 1 >= $2 then now() + make_interval(secs => $3)
            end
         where login = $1 and not disabled and (locked_until is null or locked_until <= now())
         returning id, login, name, role, password_hash"#,
        login,
        FAILURES_MAX,
        LOCKED_FOR.as_secs_f64(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = row {
        let user = User { role: role(&row.role, row.id)?, id: UserId(row.id), login: row.login, name: row.name };
        return Ok(Login::Open { user, password_hash: row.password_hash });
    }
    let is_locked = sqlx::query_scalar!(
        r#"select exists (select from app_user where login = $1 and not disabled and locked_until > now()) as "locked!""#,
        login
    )
    .fetch_one(conn)
    .await?;
    Ok(if is_locked { Login::Locked } else { Login::Unknown })
}

/// The password was right: opens a session and forgets the attempts.
pub async fn open_session(
    conn: &mut PgConnection,
    user: UserId,
    token_sha256: &[u8],
    csrf: &str,
) -> Result<(), StoreError> {
    sqlx::query!("update app_user set failed_logins = 0, locked_until = null where id = $1", user.0)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "insert into session (token_sha256, user_id, csrf, expires_at)
         values ($1, $2, $3, now() + make_interval(secs => $4))",
        token_sha256,
        user.0,
        csrf,
        SESSION_LASTS.as_secs_f64(),
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, Some(user), "logged_in").await
}

/// Writes who did something that no timeline tells.
pub async fn write_down(conn: &mut PgConnection, user: Option<UserId>, what: &str) -> Result<(), StoreError> {
    sqlx::query!("insert into audit (user_id, what) values ($1, $2)", user.map(|user| user.0), what)
        .execute(conn)
        .await?;
    Ok(())
}

/// The session of a token, which is thereby touched; `None` when it is over or its user disabled.
pub async fn session(
    conn: &mut PgConnection,
    token_sha256: &[u8],
    touch: Touch,
) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query!(
        r#"with touched as (
            update session set seen_at = now(), active_at = case when $2 then now() else active_at end
            where token_sha256 = $1 and expires_at > now()
                and ($2 or seen_at < now() - make_interval(secs => $3)))
         select u.id, u.login, u.name, u.role, s.csrf, s.expires_at
         from session s join app_user u on u.id = s.user_id
         where s.token_sha256 = $1 and s.expires_at > now() and not u.disabled"#,
        token_sha256,
        touch == Touch::Active,
        SEEN_AGAIN_AFTER.as_secs_f64(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Session {
            user: User { role: role(&row.role, row.id)?, id: UserId(row.id), login: row.login, name: row.name },
            csrf: row.csrf,
            expires_at: row.expires_at.to_jiff(),
        })
    })
    .transpose()
}

/// Deletes sessions that have run out.
pub async fn forget_sessions(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("delete from session where expires_at <= now()").execute(conn).await?;
    Ok(())
}

/// Logs out.
pub async fn close_session(conn: &mut PgConnection, token_sha256: &[u8], user: UserId) -> Result<(), StoreError> {
    sqlx::query!("delete from session where token_sha256 = $1", token_sha256).execute(&mut *conn).await?;
    write_down(conn, Some(user), "logged_out").await
}

/// Whether `user` is at a console: connected within `gone_after` and active within `idle_after`.
pub async fn is_present(
    conn: &mut PgConnection,
    user: UserId,
    gone_after: Duration,
    idle_after: Duration,
) -> Result<bool, StoreError> {
    let is_present = sqlx::query_scalar!(
        r#"select exists (
            select from session s join app_user u on u.id = s.user_id
            where s.user_id = $1 and not u.disabled and s.expires_at > clock_timestamp()
                and s.seen_at > clock_timestamp() - make_interval(secs => $2)
                and s.active_at > clock_timestamp() - make_interval(secs => $3)) as "present!""#,
        user.0,
        gone_after.as_secs_f64(),
        idle_after.as_secs_f64(),
    )
    .fetch_one(conn)
    .await?;
    Ok(is_present)
}

/// Whether anybody with one of `roles` is at a console, as [`is_present`] means it.
pub async fn anybody_present(
    conn: &mut PgConnection,
    roles: &[&str],
    gone_after: Duration,
    idle_after: Duration,
) -> Result<bool, StoreError> {
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    let is_anybody = sqlx::query_scalar!(
        r#"select exists (
            select from session s join app_user u on u.id = s.user_id
            where u.role = any($1) and not u.disabled and s.expires_at > clock_timestamp()
                and s.seen_at > clock_timestamp() - make_interval(secs => $2)
                and s.active_at > clock_timestamp() - make_interval(secs => $3)) as "present!""#,
        &roles,
        gone_after.as_secs_f64(),
        idle_after.as_secs_f64(),
    )
    .fetch_one(conn)
    .await?;
    Ok(is_anybody)
}
