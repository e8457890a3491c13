//! Whether the case of somebody who wandered off and is back closes by itself: an administrator says so, for a node.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Told, maybe_whole};
use super::ladders::{self, LaddersView};
use super::openapi::Unprocessable;
use crate::access::Administer;
use crate::store::StoreError;
use crate::store::returned as store;

#[derive(Deserialize, ToSchema)]
pub(super) struct ReturnedDraft {
    /// Seconds of being back after which a case that nobody has a hand in closes by itself, 60 to 86 400; 0: never. Null:
    /// as the node above has it.
    #[serde(deserialize_with = "maybe_whole")]
    #[schema(required = true, minimum = 0, maximum = 86_400, example = 900)]
    own_s: Option<i32>,
}

/// Says whether a wandering case closes by itself once its wearer is back
///
/// Only what nobody has claimed, is asked for or goes to, and no centre was called for, closes so; as found, so that the
/// follow-up call is due as after any other.
#[utoipa::path(
    put, path = "/api/v1/nodes/{id}/returned", tag = "ladders",
    request_body = ReturnedDraft,
    responses((status = 200, body = LaddersView), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn set(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(ReturnedDraft { own_s }): Told<ReturnedDraft>,
) -> Result<Json<LaddersView>, ApiError> {
    if own_s.is_some_and(|own_s| own_s != 0 && !(60..=86_400).contains(&own_s)) {
        return Err(ApiError::BadField { field: "own_s", why: "0, or 60 to 86400 seconds".into() });
    }
    let mut tx = api.begin().await?;
    if !store::set(&mut tx, id, own_s, &who.scope, who.id().0).await? {
        return Err(ApiError::NotFound("node"));
    }
    let view = ladders::shown(&mut tx, &who, id).await?;
    tx.commit().await.map_err(StoreError::from)?;
    api.desk().wake();
    Ok(Json(view))
}
