//! Who calls: identity comes from the session's cookie or a responder's token, never from a body.
//!
//! A handler names what it needs as an argument: [`Caller`], [`May`] with a deed, or [`ResponderCaller`].

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use domain::id::{ResponderId, UserId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::errors::ApiError;
use super::{Api, DATABASE_WITHIN};
use crate::access::{Deed, Role, Scope};
use crate::store::users::{Session, Touch, User};
use crate::store::{offers, users};

/// The cookie that holds a session's token.
pub(crate) const COOKIE: &str = "ydt_session";
/// The header that proves that a page of ours made the call.
const CSRF: &str = "x-csrf-token";
/// The form in which a token is stored. Tokens are 32 random bytes, so a plain hash is enough.
pub(crate) type TokenHash = [u8; 32];

/// The form in which `token` is stored.
pub(crate) fn hash_token(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) user: User,
    /// Their session's key.
    pub(crate) token: TokenHash,
    /// Their session's CSRF token.
    pub(crate) csrf: String,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let token = hash_token(cookie(&parts.headers).ok_or(ApiError::NotLoggedIn)?);
        let is_reading = matches!(parts.method, Method::GET | Method::HEAD);
        let touch = if is_reading { Touch::Seen } else { Touch::Active };
        let session = api.session(token, touch).await?.ok_or(ApiError::NotLoggedIn)?;
        if !is_reading {
            let told = parts.headers.get(CSRF).map_or(&b""[..], header::HeaderValue::as_bytes);
            if !bool::from(told.ct_eq(session.csrf.as_bytes())) {
                return Err(ApiError::BadCsrf);
            }
        }
        Ok(Self { user: session.user, token, csrf: session.csrf })
    }
}

/// Somebody who may do a deed, and where.
#[derive(Debug, Clone)]
pub(crate) struct May<D> {
    /// Who.
    pub(crate) caller: Caller,
    /// Where.
    pub(crate) scope: Scope,
    deed: PhantomData<D>,
}

impl<D> May<D> {
    pub(crate) fn id(&self) -> UserId {
        self.caller.user.id
    }
}

impl<D: Deed> FromRequestParts<Api> for May<D> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let scope = Scope::of::<D>(&caller.user.grants).ok_or(ApiError::Forbidden)?;
        Ok(Self { caller, scope, deed: PhantomData })
    }
}

/// A responder: at the console with a cookie, or by their application with a token.
#[derive(Debug, Clone)]
pub(crate) struct ResponderCaller {
    /// Who.
    pub(crate) id: ResponderId,
    /// Their login, when it is by cookie.
    pub(crate) session: Option<Caller>,
}

impl FromRequestParts<Api> for ResponderCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(bearer).ok_or(ApiError::BadCredentials)?;
            let id = offers::responder_of_token(&mut *api.conn().await?, &hash_token(token)).await?;
            return Ok(Self { id: id.ok_or(ApiError::BadCredentials)?, session: None });
        }
        let caller = Caller::from_request_parts(parts, api).await?;
        if !caller.user.grants.iter().any(|grant| grant.role == Role::Responder) {
            return Err(ApiError::Forbidden);
        }
        let id = offers::responder_of_user(&mut *api.conn().await?, caller.user.id).await?;
        Ok(Self { id: id.ok_or(ApiError::Forbidden)?, session: Some(caller) })
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

impl Api {
    /// The session of a token, which is thereby touched. While the database is away, what it said before.
    pub(crate) async fn session(&self, token: TokenHash, touch: Touch) -> Result<Option<Session>, ApiError> {
        match self.confirmed_session(token, touch).await {
            Err(error) => self.remembered().believe(&token).map(Some).ok_or(error),
            confirmed => confirmed,
        }
    }

    /// The session of a token by the database's word alone, which is remembered.
    pub(crate) async fn confirmed_session(&self, token: TokenHash, touch: Touch) -> Result<Option<Session>, ApiError> {
        let mut conn = self.conn().await?;
        // A connection may hang where a new one would be refused.
        let asking = tokio::time::timeout(DATABASE_WITHIN, users::session(&mut conn, &token, touch));
        let session = asking.await.map_err(|_| ApiError::Unavailable(None))??;
        match &session {
            Some(session) => self.remembered().confirm(token, session),
            None => self.remembered().forget(&token),
        }
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; ydt_session=abc; ydt_session2=x"));
        assert_eq!(cookie(&headers), Some("abc"));
        headers.insert(header::COOKIE, HeaderValue::from_static("xydt_session=abc"));
        assert_eq!(cookie(&headers), None);
    }

    #[test]
    fn only_a_bearer_token_is_a_token() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
