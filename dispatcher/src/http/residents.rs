//! Finding a resident whom somebody telephones about, their page, and where they are for who says why.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{Asked, At, NoWords, Told, Words};
use crate::access::{Administer, Answer, Scope, See};
use crate::store::residents::{self, Found, Kept};
use crate::store::views::PlaceView;
use crate::store::{StoreError, audit};

#[derive(Deserialize)]
pub(super) struct SearchQuery {
    #[serde(default)]
    q: String,
}

#[derive(Serialize)]
pub(super) struct FoundView {
    residents: Vec<Found>,
}

/// `GET /residents?q=`
pub(super) async fn search(
    State(api): State<Api>,
    who: May<See>,
    Asked(SearchQuery { q }): Asked<SearchQuery>,
) -> Result<Json<FoundView>, ApiError> {
    let residents = match Words::<100>::new(&q) {
        Ok(words) => residents::search(&mut *api.conn().await?, &words.into_inner(), &who.scope).await?,
        // Nothing asked, nothing found.
        Err(NoWords::Empty) => Vec::new(),
        Err(why) => return Err(ApiError::BadRequest(format!("q {why}"))),
    };
    Ok(Json(FoundView { residents }))
}

/// `GET /residents/{id}`
pub(super) async fn kept(State(api): State<Api>, who: May<See>, At(id): At<Uuid>) -> Result<Json<Kept>, ApiError> {
    let mut tx = api.begin().await?;
    let administers = Scope::of::<Administer>(&who.caller.user.grants);
    let kept =
        residents::kept(&mut tx, id, &who.scope, administers.as_ref()).await?.ok_or(ApiError::NotFound("resident"))?;
    audit::opened_resident(&mut tx, who.id(), id).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(kept))
}

#[derive(Deserialize)]
pub(super) struct Why {
    reason: Words<500>,
}

#[derive(Serialize)]
pub(super) struct LocatedView {
    place: Option<PlaceView>,
}

/// `POST /residents/{id}/locate`: where somebody is, although nothing has happened. Not told to anybody
/// before it is written down who asks, and why.
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
