//! The maps: GeoJSON of what lies in the caller's scope, and of one case.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::id::IncidentId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::{ApiError, Cause};
use super::input::{Asked, At};
use crate::access::See;
use crate::config::map::Tiles;
use crate::store::audit;
use crate::store::map::{self, Case, CaseMap, Collection, Node, Person, Responder, Station};

#[derive(Serialize, ToSchema)]
pub(super) struct SettingsView {
    tiles: Option<Tiles>,
    /// Longitude and latitude.
    center: Option<[f64; 2]>,
    /// What the caller may see: south-west and north-east.
    bounds: Option<[[f64; 2]; 2]>,
}

/// What lies under the layers, and where a map begins
#[utoipa::path(
    get, path = "/api/v1/settings/map", tag = "map",
    responses((status = 200, body = SettingsView)),
    security(("session" = ["see"])),
)]
pub(super) async fn settings(State(api): State<Api>, who: May<See>) -> Result<Json<SettingsView>, ApiError> {
    let bounds = map::bounds(&mut *api.conn().await?, &who.scope).await?;
    let config = &api.config().map;
    Ok(Json(SettingsView { tiles: config.tiles.clone(), center: config.center, bounds }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NodesQuery {
    #[serde(default)]
    level: Option<String>,
}

/// The areas of the organisation, as GeoJSON
#[utoipa::path(
    get, path = "/api/v1/map/nodes", tag = "map",
    params(NodesQuery),
    responses(
        (status = 200, body = Collection<Node>),
        (status = 304, description = "As the caller knows it (If-None-Match)"),
    ),
    security(("session" = ["see"])),
)]
pub(super) async fn nodes(
    State(api): State<Api>,
    who: May<See>,
    Asked(NodesQuery { level }): Asked<NodesQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let nodes = map::nodes(&mut *api.conn().await?, &who.scope, level.as_deref()).await?;
    unless_known(&headers, &nodes)
}

/// Homes, as GeoJSON
#[utoipa::path(
    get, path = "/api/v1/map/people", tag = "map",
    responses(
        (status = 200, body = Collection<Person>),
        (status = 304, description = "As the caller knows it (If-None-Match)"),
    ),
    security(("session" = ["see"])),
)]
pub(super) async fn people(State(api): State<Api>, who: May<See>, headers: HeaderMap) -> Result<Response, ApiError> {
    let people = map::people(&mut *api.conn().await?, &who.scope).await?;
    unless_known(&headers, &people)
}

/// Where open incidents are, as GeoJSON
///
/// It is written down who saw it.
#[utoipa::path(
    get, path = "/api/v1/map/incidents", tag = "map",
    responses((status = 200, body = Collection<Case>)),
    security(("session" = ["see"])),
)]
pub(super) async fn incidents(State(api): State<Api>, who: May<See>) -> Result<Json<Collection<Case>>, ApiError> {
    let mut conn = api.conn().await?;
    let cases = map::cases(&mut conn, &who.scope).await?;
    let seen: Vec<Uuid> = cases.features.iter().map(|case| case.properties.id).collect();
    // Who is in need is helped also when it cannot be written down who looked.
    if let Err(cause) = audit::saw_places(&mut conn, who.id(), &seen).await {
        tracing::warn!(%cause, "it could not be written down who saw a map");
    }
    Ok(Json(cases))
}

/// Responders on duty or on a case, as GeoJSON
#[utoipa::path(
    get, path = "/api/v1/map/responders", tag = "map",
    responses((status = 200, body = Collection<Responder>)),
    security(("session" = ["see"])),
)]
pub(super) async fn responders(State(api): State<Api>, who: May<See>) -> Result<Json<Collection<Responder>>, ApiError> {
    Ok(Json(map::responders(&mut *api.conn().await?, &who.scope).await?))
}

/// Ambulance stations, as GeoJSON
#[utoipa::path(
    get, path = "/api/v1/map/stations", tag = "map",
    responses(
        (status = 200, body = Collection<Station>),
        (status = 304, description = "As the caller knows it (If-None-Match)"),
    ),
    security(("session" = ["see"])),
)]
pub(super) async fn stations(State(api): State<Api>, who: May<See>, headers: HeaderMap) -> Result<Response, ApiError> {
    let stations = map::stations(&mut *api.conn().await?, &who.scope).await?;
    unless_known(&headers, &stations)
}

/// Everything of one incident that has a place
///
/// It is written down who saw it.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/map", tag = "map",
    responses((status = 200, body = CaseMap)),
    security(("session" = ["see"])),
)]
pub(super) async fn case(State(api): State<Api>, who: May<See>, At(id): At<Uuid>) -> Result<Json<CaseMap>, ApiError> {
    let case = map::case(&mut *api.moment().await?, IncidentId(id), &who.scope).await?;
    let case = case.ok_or(ApiError::NotFound("incident"))?;
    if let Err(cause) = audit::saw_places(&mut *api.conn().await?, who.id(), &[id]).await {
        tracing::warn!(incident.id = %id, %cause, "it could not be written down who saw a case's map");
    }
    Ok(Json(case))
}

/// What changes seldom is sent again only when it has changed. The browser asks each time: the next who
/// logs in there may see something else.
fn unless_known<T: Serialize>(asked: &HeaderMap, view: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(view).map_err(|cause| ApiError::Internal(Cause::Json(cause)))?;
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..16]));
    let is_known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
