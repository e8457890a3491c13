//! Calls that create something. One that is repeated with its key finds what it made, and makes nothing more.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use domain::id::UserId;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use utoipa::IntoParams;
use uuid::Uuid;

use super::errors::ApiError;
use super::input::{is_json, read};
use crate::store::once::{self, Turn};

/// What the description says of the key.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct IdempotencyKey {
    /// A fresh one for each thing that is to be made: a call that is repeated with it makes nothing more.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 200, pattern = "^[!-~]([ -~]*[!-~])?$")]
    _key: Option<String>,
}

/// The header that holds the key.
const HEADER: &str = "idempotency-key";

/// A creating call: its JSON body, and how a repetition of it is known.
#[derive(Debug)]
pub(super) struct Creating<T> {
    /// What it says.
    pub(super) told: T,
    /// What a repetition finds.
    pub(super) once: Once,
}

/// The key of a call, when it has one.
#[derive(Debug, Clone)]
pub(super) struct Once(Option<Key>);

#[derive(Debug, Clone)]
struct Key {
    text: String,
    /// SHA-256 over where the call went and what it said.
    asked: [u8; 32],
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Creating<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let text = key(request.headers())?;
        let is_json = is_json(request.headers());
        let asked = Sha256::new_with_prefix(request.uri().path()).chain_update([0]);
        let body = Bytes::from_request(request, state).await?;
        let told = read(&body, is_json)?;
        let once = Once(text.map(|text| Key { text, asked: asked.chain_update(&body).finalize().into() }));
        Ok(Self { told, once })
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    match value.to_str().ok().filter(|key| (1..=200).contains(&key.len())) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(ApiError::BadRequest("Idempotency-Key must be 1 to 200 plain characters".into())),
    }
}

impl Once {
    /// What the same call has made before; `None`: the call is to be made. In a transaction, the key is held by it.
    pub(super) async fn made_before(&self, conn: &mut PgConnection, by: UserId) -> Result<Option<Uuid>, ApiError> {
        let Some(key) = &self.0 else { return Ok(None) };
        match once::turn(conn, by, &key.text, &key.asked).await? {
            Turn::First => Ok(None),
            Turn::Again(made) => Ok(Some(made)),
            Turn::UnderWay => Err(ApiError::UnderWay),
            Turn::Otherwise => Err(ApiError::KeyUsed),
        }
    }

    /// The call has made this.
    pub(super) async fn made(&self, conn: &mut PgConnection, by: UserId, made: Uuid) -> Result<(), ApiError> {
        let Some(key) = &self.0 else { return Ok(()) };
        Ok(once::made(conn, by, &key.text, made).await?)
    }

    /// The call was refused: it may be made again.
    pub(super) async fn give_up(&self, conn: &mut PgConnection, by: UserId) -> Result<(), ApiError> {
        let Some(key) = &self.0 else { return Ok(()) };
        Ok(once::give_up(conn, by, &key.text).await?)
    }

    pub(super) const fn has_key(&self) -> bool {
        self.0.is_some()
    }
}
