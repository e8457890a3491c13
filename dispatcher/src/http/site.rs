//! What a responder writes and photographs on the spot.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use domain::id::OfferId;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::{May, ResponderCaller};
use super::errors::ApiError;
use super::input::{At, Told, Words};
use super::openapi::{Conflict, Unprocessable};
use crate::access::See;
use crate::photo::{NoPhoto, Photo};
use crate::store::audit;
use crate::store::offers::{self, OwnOffers};
use crate::store::site::{self, Added};

async fn add(api: &Api, responder: &ResponderCaller, offer: Uuid, added: &Added) -> Result<Json<OwnOffers>, ApiError> {
    let mut tx = api.begin().await?;
    site::add(&mut tx, OfferId(offer), responder.id, added)
        .await?
        .ok_or(ApiError::NotFound("offer"))?
        .map_err(ApiError::SiteRefused)?;
    tx.commit().await?;
    api.desk().live.nudge();
    Ok(Json(offers::own(&mut *api.moment().await?, responder.id).await?))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct SiteNote {
    text: Words<1_000>,
}

/// Writes down what the caller found or did on the spot
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/note", tag = "responders",
    request_body = SiteNote,
    responses((status = 200, body = OwnOffers), Conflict),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn note(
    State(api): State<Api>,
    responder: ResponderCaller,
    At(id): At<Uuid>,
    Told(SiteNote { text }): Told<SiteNote>,
) -> Result<Json<OwnOffers>, ApiError> {
    add(&api, &responder, id, &Added::Text(text.into_inner())).await
}

/// The body as a photograph.
pub(super) struct Photographed(Photo);

impl<S: Send + Sync> FromRequest<S> for Photographed {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // A form on a foreign page can send neither.
        if !matches!(kind, "image/jpeg" | "image/png") {
            return Err(ApiError::BadRequest("the body must be image/jpeg or image/png".into()));
        }
        let body = Bytes::from_request(request, state).await?;
        match Photo::new(body.into()) {
            Ok(photo) => Ok(Self(photo)),
            Err(NoPhoto::TooLarge) => Err(ApiError::TooLarge),
            Err(why) => Err(ApiError::BadField { field: "photo", why: why.to_string() }),
        }
    }
}

/// Adds a photograph from the spot, of at most 2 MiB
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/photo", tag = "responders",
    request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"))),
    responses((status = 200, body = OwnOffers), Conflict, Unprocessable),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn photograph(
    State(api): State<Api>,
    responder: ResponderCaller,
    At(id): At<Uuid>,
    Photographed(photo): Photographed,
) -> Result<Json<OwnOffers>, ApiError> {
    add(&api, &responder, id, &Added::Photo(photo)).await
}

/// A photograph from the spot
///
/// It is written down who looked at it.
#[utoipa::path(
    get, path = "/api/v1/photos/{id}", tag = "incidents",
    responses((status = 200, content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png")))),
    security(("session" = ["see"])),
)]
pub(super) async fn photo(State(api): State<Api>, who: May<See>, At(id): At<Uuid>) -> Result<Response, ApiError> {
    let mut conn = api.conn().await?;
    let found = site::photo(&mut conn, id, &who.scope).await?;
    let (kind, bytes, incident) = found.ok_or(ApiError::NotFound("photo"))?;
    audit::did(&mut conn, who.id(), "saw_photo", incident).await?;
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}
