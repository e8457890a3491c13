//! What is usual of residents: shown, chosen, and what is suspected by it.

use axum::Json;
use axum::extract::State;
use domain::id::IncidentId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Told, Words, maybe_words, maybe_words_schema, whole};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, Answer, See};
use crate::store::usual::suspicions::{self, SuspicionView};
use crate::store::usual::{self, LikelyPlace, UsualView};
use crate::store::{StoreError, audit, fences, residents, views};

/// Where a resident usually is, and when
///
/// It is written down who saw it.
#[utoipa::path(
    get, path = "/api/v1/residents/{id}/usual", tag = "usual",
    responses((status = 200, body = UsualView)),
    security(("session" = ["see"])),
)]
pub(super) async fn show(
    State(api): State<Api>,
    who: May<See>,
    At(resident): At<Uuid>,
) -> Result<Json<UsualView>, ApiError> {
    let mut conn = api.conn().await?;
    if !residents::exists(&mut conn, resident, &who.scope).await? {
        return Err(ApiError::NotFound("resident"));
    }
    let view = usual::of_resident(&mut conn, resident, api.config().learn_usual).await?;
    if !view.places.is_empty() {
        // Nothing is the matter: not written down, not told.
        audit::saw_usual(&mut conn, who.id(), resident).await?;
    }
    Ok(Json(view))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct UsualChoice {
    /// Null: while they have a safe area.
    chosen: Option<bool>,
    /// The version that was seen; 0 when there was none.
    #[serde(deserialize_with = "whole")]
    version: i32,
}

/// Chooses whether it is learnt what is usual of a resident
///
/// With `false` what was learnt is deleted at once.
#[utoipa::path(
    put, path = "/api/v1/residents/{id}/usual", tag = "usual",
    request_body = UsualChoice,
    responses((status = 200, body = UsualView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn choose(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
    Told(UsualChoice { chosen, version }): Told<UsualChoice>,
) -> Result<Json<UsualView>, ApiError> {
    let installation = api.config().learn_usual;
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, Some(resident), None, &who.scope).await?;
    let whose = whose.ok_or(ApiError::NotFound("resident"))?;
    let is_saved = usual::choose(&mut tx, whose.resident, (chosen, version), who.id()).await?;
    let view = usual::of_resident(&mut tx, resident, installation).await?;
    if !is_saved {
        return Err(ApiError::EditedMeanwhile(json!({ "chosen": view.chosen, "version": view.version })));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(view))
}

#[derive(Serialize, ToSchema)]
pub(super) struct LikelyView {
    /// The likeliest first; none when nothing is usual of them, or the case is none of somebody missing.
    places: Vec<LikelyPlace>,
}

/// Where to look first for the person of an open case of somebody missing, or not heard of
///
/// It is written down who saw it.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/likely-places", tag = "usual",
    responses((status = 200, body = LikelyView)),
    security(("session" = ["see"])),
)]
pub(super) async fn likely(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
) -> Result<Json<LikelyView>, ApiError> {
    let mut conn = api.conn().await?;
    if !views::in_scope(&mut conn, &[id], &who.scope).await?.contains(&id) {
        return Err(ApiError::NotFound("incident"));
    }
    let places = usual::likely(&mut conn, &[id]).await?.remove(&IncidentId(id)).unwrap_or_default();
    // Who is in need is helped also when it cannot be written down who looked.
    if let Err(cause) = audit::saw_places(&mut conn, who.id(), &[id]).await {
        tracing::warn!(incident.id = %id, %cause, "it could not be written down who saw where somebody may be");
    }
    Ok(Json(LikelyView { places }))
}

#[derive(Serialize, ToSchema)]
pub(super) struct SuspicionsView {
    /// Those first that nobody has seen to.
    suspicions: Vec<SuspicionView>,
}

/// Who is out when they never are
///
/// A suspicion and nothing else: no case is opened by it.
#[utoipa::path(
    get, path = "/api/v1/suspicions", tag = "usual",
    responses((status = 200, body = SuspicionsView)),
    security(("session" = ["see"])),
)]
pub(super) async fn suspicions(State(api): State<Api>, who: May<See>) -> Result<Json<SuspicionsView>, ApiError> {
    Ok(Json(SuspicionsView { suspicions: suspicions::open(&mut *api.conn().await?, &who.scope).await? }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Acknowledgement {
    /// What was found out.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<500>)]
    note: Option<Words<500>>,
}

/// Says that the caller has seen to a suspicion
#[utoipa::path(
    post, path = "/api/v1/suspicions/{id}/acknowledge", tag = "usual",
    request_body = Acknowledgement,
    responses((status = 200, body = SuspicionsView), Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn acknowledge(
    State(api): State<Api>,
    who: May<Answer>,
    At(id): At<Uuid>,
    Told(Acknowledgement { note }): Told<Acknowledgement>,
) -> Result<Json<SuspicionsView>, ApiError> {
    let note = note.map(Words::into_inner);
    let mut tx = api.begin().await?;
    if !suspicions::acknowledge(&mut tx, id, (who.id(), note.as_deref()), &who.scope).await? {
        return Err(ApiError::NotFound("suspicion"));
    }
    let suspicions = suspicions::open(&mut tx, &who.scope).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(SuspicionsView { suspicions }))
}
