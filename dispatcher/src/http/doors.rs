//! How the front doors stand, for those who administer.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use crate::access::Administer;
use crate::store::doors::{self, DoorView};

#[derive(Serialize, ToSchema)]
pub(super) struct DoorsView {
    /// By name.
    doors: Vec<DoorView>,
}

/// How the front doors stand: who is connected, who was turned away and why, what was shed, which terminals said what
/// they may not say
///
/// A door tells it every five seconds, and is silent when it has not for twenty. Violations are those by terminals of the
/// caller's own residents; whoever administers the top of the tree sees all of them.
#[utoipa::path(
    get, path = "/api/v1/doors", tag = "operation",
    responses((status = 200, body = DoorsView)),
    security(("session" = ["administer"])),
)]
pub(super) async fn list(State(api): State<Api>, admin: May<Administer>) -> Result<Json<DoorsView>, ApiError> {
    Ok(Json(DoorsView { doors: doors::all(&mut *api.moment().await?, &admin.scope).await? }))
}
