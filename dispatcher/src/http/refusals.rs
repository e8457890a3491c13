//! Who is not to come to a resident again: written down by whoever answers their calls.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::ResponderId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Told, Words};
use super::openapi::Unprocessable;
use crate::access::{Answer, Scope, See};
use crate::store::refusals::{self, RefusalView, VisitorView};
use crate::store::residents;

#[derive(Serialize, ToSchema)]
pub(super) struct RefusalsView {
    /// The newest first.
    refusals: Vec<RefusalView>,
    /// Who went to them, the last first: those who are likely to be meant.
    visitors: Vec<VisitorView>,
}

async fn view(conn: &mut PgConnection, resident: Uuid) -> Result<Json<RefusalsView>, ApiError> {
    let refusals = refusals::of_resident(conn, resident).await?;
    Ok(Json(RefusalsView { refusals, visitors: refusals::visitors(conn, resident).await? }))
}

async fn require(conn: &mut PgConnection, resident: Uuid, scope: &Scope) -> Result<(), ApiError> {
    if residents::exists(conn, resident, scope).await? { Ok(()) } else { Err(ApiError::NotFound("resident")) }
}

/// Whom a resident refused, and who went to them
#[utoipa::path(
    get, path = "/api/v1/residents/{id}/refusals", tag = "residents",
    responses((status = 200, body = RefusalsView)),
    security(("session" = ["see"])),
)]
pub(super) async fn list(
    State(api): State<Api>,
    who: May<See>,
    At(resident): At<Uuid>,
) -> Result<Json<RefusalsView>, ApiError> {
    let mut moment = api.moment().await?;
    require(&mut moment, resident, &who.scope).await?;
    view(&mut moment, resident).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewRefusal {
    responder: Uuid,
    /// What the resident said.
    why: Words<500>,
}

/// Writes down that somebody is not to come to a resident again
///
/// Once more: with another reason.
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/refusals", tag = "residents",
    request_body = NewRefusal,
    responses((status = 201, body = RefusalsView), Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn record(
    State(api): State<Api>,
    who: May<Answer>,
    At(resident): At<Uuid>,
    Told(NewRefusal { responder, why }): Told<NewRefusal>,
) -> Result<(StatusCode, Json<RefusalsView>), ApiError> {
    let mut tx = api.begin().await?;
    require(&mut tx, resident, &who.scope).await?;
    if !refusals::record(&mut tx, (resident, ResponderId(responder)), &why.into_inner(), who.id()).await? {
        return Err(ApiError::BadField { field: "responder", why: "that is nobody who would come to them".into() });
    }
    let view = view(&mut tx, resident).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, view))
}

/// Takes a refusal back
#[utoipa::path(
    delete, path = "/api/v1/residents/{id}/refusals/{responder}", tag = "residents",
    params(("responder" = Uuid, Path, description = "Who may come again")),
    responses((status = 204, description = "Done")),
    security(("session" = ["answer"])),
)]
pub(super) async fn take_back(
    State(api): State<Api>,
    who: May<Answer>,
    At((resident, responder)): At<(Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    let mut tx = api.begin().await?;
    require(&mut tx, resident, &who.scope).await?;
    if !refusals::take_back(&mut tx, (resident, ResponderId(responder)), who.id()).await? {
        return Err(ApiError::NotFound("refusal"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
