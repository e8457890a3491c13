//! Where a responder's browsers are pushed to.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, URL_SAFE};
use p256::PublicKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::ResponderCaller;
use super::errors::{ApiError, Problem};
use super::input::{Told, Words};
use super::openapi::Unprocessable;
use crate::config;
use crate::store::StoreError;
use crate::store::push::{self, Subscription};

type Endpoint = Words<1_000>;

#[derive(Serialize, ToSchema)]
pub(super) struct PushView {
    /// What a browser subscribes for (`applicationServerKey`); none: nothing is pushed here.
    key: Option<String>,
}

/// What a browser subscribes for, to be pushed to
#[utoipa::path(
    get, path = "/api/v1/me/push", tag = "responders",
    responses((status = 200, body = PushView)),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn key(State(api): State<Api>, _: ResponderCaller) -> Json<PushView> {
    Json(PushView { key: api.config().push.as_ref().map(|push| push.public().to_owned()) })
}

/// A browser's subscription, as `PushSubscription.toJSON()` gives it.
#[derive(Deserialize, ToSchema)]
pub(super) struct Subscribed {
    /// `https`, or `http` on the loopback.
    endpoint: Endpoint,
    keys: Keys,
}

#[derive(Deserialize, ToSchema)]
struct Keys {
    /// The browser's public key: 65 bytes in base64url.
    #[schema(max_length = 100)]
    p256dh: String,
    /// The browser's secret: 16 bytes in base64url.
    #[schema(max_length = 40)]
    auth: String,
}

/// From now on the caller's browser is pushed what is asked of them
///
/// Five browsers at most; the oldest go. One that its push service says has gone is forgotten.
#[utoipa::path(
    post, path = "/api/v1/me/push", tag = "responders",
    request_body = Subscribed,
    responses(
        (status = 204, description = "Done"),
        (status = 404, body = Problem, description = "Nothing is pushed here"),
        Unprocessable,
    ),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn subscribe(
    State(api): State<Api>,
    responder: ResponderCaller,
    Told(Subscribed { endpoint, keys }): Told<Subscribed>,
) -> Result<StatusCode, ApiError> {
    let config = api.config().push.as_ref().ok_or(ApiError::NotFound("key to subscribe for"))?;
    let subscription = Subscription {
        endpoint: address(endpoint)?,
        p256dh: bytes(&keys.p256dh, 65)
            .filter(|key| PublicKey::from_sec1_bytes(key).is_ok())
            .ok_or_else(|| wrong("keys.p256dh", "is no browser's public key"))?,
        auth: bytes(&keys.auth, 16).ok_or_else(|| wrong("keys.auth", "is no browser's secret"))?,
    };
    let mut tx = api.begin().await?;
    push::subscribe(&mut tx, responder.id, &subscription, config.public()).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Unsubscribed {
    endpoint: Endpoint,
}

/// The caller's browser is not pushed to any more
#[utoipa::path(
    delete, path = "/api/v1/me/push", tag = "responders",
    request_body = Unsubscribed,
    responses((status = 204, description = "Done")),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn unsubscribe(
    State(api): State<Api>,
    responder: ResponderCaller,
    Told(Unsubscribed { endpoint }): Told<Unsubscribed>,
) -> Result<StatusCode, ApiError> {
    push::unsubscribe(&mut *api.conn().await?, responder.id, &endpoint.into_inner()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An address that somebody gave us to call: only where nobody on the way reads along.
fn address(endpoint: Endpoint) -> Result<String, ApiError> {
    let text = endpoint.into_inner();
    let is_private = reqwest::Url::parse(&text).is_ok_and(|url| config::is_private_url(&url));
    // The table wants the scheme as it is written, and so do the rows that we compare.
    if is_private && (text.starts_with("https://") || text.starts_with("http://")) {
        Ok(text)
    } else {
        Err(wrong("endpoint", "begins with https:// (http:// to this machine only)"))
    }
}

fn wrong(field: &'static str, why: &str) -> ApiError {
    ApiError::BadField { field, why: why.into() }
}

/// Browsers leave the padding away; some libraries do not.
fn bytes(text: &str, length: usize) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    let alphabet = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
    // Not longer than it can be, so that nobody makes us decode a book.
    let longest = URL_SAFE.encode(vec![0; length]).len();
    (text.len() <= longest).then(|| alphabet.decode(text).ok())?.filter(|bytes| bytes.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_their_length_and_may_be_padded() {
        assert_eq!(bytes("AAECAw", 4), Some(vec![0, 1, 2, 3]));
        assert_eq!(bytes("AAECAw==", 4), Some(vec![0, 1, 2, 3]));
        for wrong in ["AAEC", "AAECAwQ", "AA+CAw", "", "一二三四"] {
            assert_eq!(bytes(wrong, 4), None, "{wrong}");
        }
    }
}
