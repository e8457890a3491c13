//! People who log in: accounts, sessions, the lock-out, and whether somebody is at a console.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::id::{IncidentId, UserId};
use domain::word::Word as _;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use crate::access::{Grant, Role};

/// So many wrong passwords in a row lock a login …
pub const FAILURES_MAX: i32 = 5;
/// … for this long.
pub const LOCKED_FOR: Duration = Duration::from_mins(15);
/// How long a session lasts.
pub const SESSION_LASTS: Duration = Duration::from_hours(12);
/// A session's row is not written again for having been seen within this time.
const SEEN_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// Their identity.
    #[serde(serialize_with = "user_id")]
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// The name that they log in with.
    pub login: String,
    /// Their name.
    pub name: String,
    /// The highest of their roles: what pages they get; none for one who may do nothing yet.
    pub role: Option<Role>,
    /// What they are, and over which subtrees.
    pub grants: Vec<Grant>,
}

impl User {
    /// Somebody with these grants.
    pub fn new(id: Uuid, login: String, name: String, grants: Vec<Grant>) -> Self {
        let role = grants.iter().map(|grant| grant.role).max();
        Self { id: UserId(id), login, name, role, grants }
    }
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
         returning id, login, name, password_hash,
            (select coalesce(json_agg(json_build_object(
                'role', g.role, 'node', json_build_object('id', n.id, 'name', n.name)) order by g.role, n.id), '[]')
             from role_grant g join org_node n on n.id = g.node_id
             where g.user_id = app_user.id) as "grants!: Json<Vec<Grant>>""#,
        login,
        FAILURES_MAX,
        LOCKED_FOR.as_secs_f64(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = row {
        let user = User::new(row.id, row.login, row.name, row.grants.0);
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
         select u.id, u.login, u.name, s.csrf, s.expires_at,
            (select coalesce(json_agg(json_build_object(
                'role', g.role, 'node', json_build_object('id', n.id, 'name', n.name)) order by g.role, n.id), '[]')
             from role_grant g join org_node n on n.id = g.node_id
             where g.user_id = u.id) as "grants!: Json<Vec<Grant>>"
         from session s join app_user u on u.id = s.user_id
         where s.token_sha256 = $1 and s.expires_at > now() and not u.disabled"#,
        token_sha256,
        touch == Touch::Active,
        SEEN_AGAIN_AFTER.as_secs_f64(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Session {
        user: User::new(row.id, row.login, row.name, row.grants.0),
        csrf: row.csrf,
        expires_at: row.expires_at.to_jiff(),
    }))
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

/// Which of these users are at a console: connected within `gone_after` and active within `idle_after`.
pub async fn present(
    conn: &mut PgConnection,
    users: &[Uuid],
    gone_after: Duration,
    idle_after: Duration,
) -> Result<HashSet<Uuid>, StoreError> {
    if users.is_empty() {
        return Ok(HashSet::new());
    }
    let present = sqlx::query_scalar!(
        "select s.user_id from session s join app_user u on u.id = s.user_id
         where s.user_id = any($1) and not u.disabled and s.expires_at > clock_timestamp()
            and s.seen_at > clock_timestamp() - make_interval(secs => $2)
            and s.active_at > clock_timestamp() - make_interval(secs => $3)",
        users,
        gone_after.as_secs_f64(),
        idle_after.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(present.into_iter().collect())
}

/// Of each incident, whether anybody who holds one of these roles over it is at a console, as [`present`] means it, for
/// each of two sets of roles. Incidents that nobody is there for are not told of.
pub async fn anybody_present(
    conn: &mut PgConnection,
    incidents: &[Uuid],
    [first, second]: [&[Role]; 2],
    gone_after: Duration,
    idle_after: Duration,
) -> Result<HashMap<Uuid, [bool; 2]>, StoreError> {
    let words = |roles: &[Role]| roles.iter().map(|role| role.as_str().to_owned()).collect::<Vec<String>>();
    let rows = sqlx::query!(
        r#"select i.id, bool_or(g.role = any($2)) as "first!", bool_or(g.role = any($3)) as "second!"
         from incident i
         join role_grant g on g.node_id = any(nodes_above(i.node_id, i.resident_id)) and (g.role = any($2) or g.role = any($3))
         join app_user u on u.id = g.user_id
         join session s on s.user_id = u.id
         where i.id = any($1) and not u.disabled and s.expires_at > clock_timestamp()
            and s.seen_at > clock_timestamp() - make_interval(secs => $4)
            and s.active_at > clock_timestamp() - make_interval(secs => $5)
         group by i.id"#,
        incidents,
        &words(first),
        &words(second),
        gone_after.as_secs_f64(),
        idle_after.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, [row.first, row.second])).collect())
}

/// Writes down that somebody opened the card of an incident; once in ten minutes is enough.
pub async fn write_down_card(conn: &mut PgConnection, user: UserId, incident: IncidentId) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id)
         select $1, 'opened_card', $2, (select resident_id from incident where id = $2::text::uuid)
         where not exists (select from audit
            where user_id = $1 and what = 'opened_card' and about = $2 and at > now() - interval '10 min')",
        user.0,
        incident.to_string(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
