//! Finding a resident whom somebody telephones about, their page, and where they are for who says why.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::{ApiError, Problem};
use super::input::{Asked, At, Limit, NoWords, Told, Words};
use crate::access::{Administer, Answer, Scope, See};
use crate::store::page::Page;
use crate::store::residents::{self, Found, Kept};
use crate::store::views::PlaceView;
use crate::store::{StoreError, audit};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// A part of a name, an address or a telephone number.
    #[serde(default)]
    #[param(max_length = 100, pattern = r"^[^\u0000]*$")]
    q: String,
    /// `next` of the page before.
    after: Option<Uuid>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<20, 200>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct FoundView {
    residents: Vec<Found>,
    /// `after` of the next page; none when this is the last.
    next: Option<Uuid>,
}

/// Residents by name, address or telephone
///
/// Without `q` everybody, by name.
#[utoipa::path(
    get, path = "/api/v1/residents", tag = "residents",
    params(SearchQuery),
    responses((status = 200, body = FoundView), (status = 404, body = Problem, description = "No such `after`")),
    security(("session" = ["see"])),
)]
pub(super) async fn search(
    State(api): State<Api>,
    who: May<See>,
    Asked(SearchQuery { q, after, limit }): Asked<SearchQuery>,
) -> Result<Json<FoundView>, ApiError> {
    let text = match Words::<100>::new(&q) {
        Ok(words) => words.into_inner(),
        Err(NoWords::Empty) => String::new(),
        Err(why) => return Err(ApiError::BadRequest(format!("q {why}"))),
    };
    let page = Page { after, limit: limit.get() };
    let found = residents::search(&mut *api.moment().await?, &text, &who.scope, page).await?;
    let found = found.ok_or(ApiError::NotFound("resident"))?;
    Ok(Json(FoundView { residents: found.things, next: found.next }))
}

/// What is kept of a resident, but where they are
///
/// It is written down who asked.
#[utoipa::path(
    get, path = "/api/v1/residents/{id}", tag = "residents",
    responses((status = 200, body = Kept)),
    security(("session" = ["see"])),
)]
pub(super) async fn kept(State(api): State<Api>, who: May<See>, At(id): At<Uuid>) -> Result<Json<Kept>, ApiError> {
    let mut tx = api.begin().await?;
    let administers = Scope::of::<Administer>(&who.caller.user.grants);
    let kept =
        residents::kept(&mut tx, id, &who.scope, administers.as_ref()).await?.ok_or(ApiError::NotFound("resident"))?;
    audit::opened_resident(&mut tx, who.id(), id).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(kept))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Why {
    reason: Words<500>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LocatedView {
    place: Option<PlaceView>,
}

/// Where a resident is, although nothing has happened
///
/// Not told to anybody before it is written down who asks, and why.
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/locate", tag = "residents",
    request_body = Why,
    responses((status = 200, body = LocatedView)),
    security(("session" = ["answer"])),
)]
pub(super) async fn locate(
    State(api): State<Api>,
    who: May<Answer>,
    At(id): At<Uuid>,
    Told(Why { reason }): Told<Why>,
) -> Result<Json<LocatedView>, ApiError> {
    let mut tx = api.begin().await?;
    if !residents::exists(&mut tx, id, &who.scope).await? {
        return Err(ApiError::NotFound("resident"));
    }
    audit::located(&mut tx, who.id(), id, &reason.into_inner()).await?;
    let place = residents::locate(&mut tx, id).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(LocatedView { place }))
}
