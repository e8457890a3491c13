//! Logging in and out, and the word that somebody is there.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::{COOKIE, Caller, hash_token};
use super::errors::{ApiError, Cause, Problem};
use super::input::Told;
use super::password;
use crate::clock;
use crate::store::users::{self, Login, SESSION_LASTS, User};

/// Longer passwords only make work.
const PASSWORD_MAX_BYTES: usize = 1024;

#[derive(Deserialize, ToSchema)]
pub(super) struct Credentials {
    login: String,
    password: String,
}

#[derive(Serialize, ToSchema)]
struct SessionView {
    user: User,
    csrf: String,
}

/// Logs in
///
/// The answer sets the cookie `ydt_session`; calls that change something need `csrf` from its body as well.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session",
    request_body = Credentials,
    responses(
        (status = 200, body = SessionView),
        (status = 401, body = Problem, description = "Login and password do not belong together"),
        (status = 423, body = Problem, description = "Too many wrong passwords for this login"),
    ),
)]
pub(super) async fn log_in(
    State(api): State<Api>,
    Told(Credentials { login, password }): Told<Credentials>,
) -> Result<Response, ApiError> {
    if login.contains('\0') || login.len() > 200 || password.len() > PASSWORD_MAX_BYTES {
        return Err(ApiError::BadCredentials);
    }
    // Each check takes a core and 19 MiB: who comes when all are taken waits a little, and then not at all.
    let _permit = api.login_permit().await?;
    let charged = users::charge_login(&mut *api.conn().await?, &login).await?;
    let (user, stored) = match charged {
        Login::Open { user, password_hash } => (Some(user), Some(password_hash)),
        Login::Locked => return Err(ApiError::LockedOut),
        Login::Unknown => (None, None),
    };
    let is_right = tokio::task::spawn_blocking(move || {
        if let Some(stored) = stored {
            return password::is_right(&password, &stored);
        }
        password::waste_time(&password);
        Ok(false)
    })
    .await
    .map_err(|error| ApiError::Internal(Cause::from(error)))?
    .map_err(|error| ApiError::Internal(Cause::PasswordHash(error)))?;
    let user = user.filter(|_| is_right).ok_or(ApiError::BadCredentials)?;
    open(&api, user).await
}

async fn open(api: &Api, user: User) -> Result<Response, ApiError> {
    let token = URL_SAFE_NO_PAD.encode(clock::random_bytes::<32>());
    let csrf = URL_SAFE_NO_PAD.encode(clock::random_bytes::<32>());
    let mut tx = api.begin().await?;
    users::open_session(&mut tx, user.id, &hash_token(&token), &csrf).await?;
    tx.commit().await?;
    let cookie = set_cookie(api, &token, SESSION_LASTS.as_secs());
    Ok(([(header::SET_COOKIE, cookie)], Json(SessionView { user, csrf })).into_response())
}

/// Who is logged in
#[utoipa::path(
    get, path = "/api/v1/session", tag = "session",
    responses((status = 200, body = SessionView)),
    security(("session" = [])),
)]
pub(super) async fn who_am_i(caller: Caller) -> Response {
    Json(SessionView { user: caller.user, csrf: caller.csrf }).into_response()
}

/// Logs out
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session",
    responses((status = 204, description = "Done")),
    security(("session" = [])),
)]
pub(super) async fn log_out(State(api): State<Api>, caller: Caller) -> Result<Response, ApiError> {
    // Before the database is asked: a console that is left must not live on from memory.
    api.remembered().forget(&caller.token);
    let mut tx = api.begin().await?;
    users::close_session(&mut tx, &caller.token, caller.user.id).await?;
    tx.commit().await?;
    api.remembered().forget(&caller.token);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(&api, "", 0))]).into_response())
}

/// Says that somebody sits at the console
#[utoipa::path(
    post, path = "/api/v1/presence", tag = "session",
    responses((status = 204, description = "Done")),
    security(("session" = [])),
)]
pub(super) async fn present(_: Caller) -> StatusCode {
    StatusCode::NO_CONTENT
}

fn set_cookie(api: &Api, token: &str, max_age_s: u64) -> HeaderValue {
    let secure = if api.config().public_url.starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age_s}{secure}");
    HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
}
