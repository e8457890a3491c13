//! Daily help: what can be ordered, what an order is for, and what is said of it afterwards.

use axum::Json;
use axum::extract::State;
use domain::id::IncidentId;
use domain::incident::{Category, Input};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Api;
use super::caller::{Caller, May};
use super::errors::ApiError;
use super::incidents::{Card, apply, require_in_scope, show};
use super::input::{At, IdempotencyKey, Told, Words, maybe_words};
use crate::access::Answer;
use crate::store::orders::{self, CategoryView, Rated, Stars};
use crate::store::telephone;

#[derive(Serialize)]
pub(super) struct CategoriesView {
    categories: Vec<CategoryView>,
}

/// `GET /categories`
pub(super) async fn categories(State(api): State<Api>, _: Caller) -> Result<Json<CategoriesView>, ApiError> {
    let categories = orders::categories(&mut *api.conn().await?).await?;
    Ok(Json(CategoriesView { categories }))
}

#[derive(Deserialize)]
pub(super) struct Categorize {
    category: Words<100>,
}

/// `POST /incidents/{id}/category`
pub(super) async fn categorize(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(Categorize { category }): Told<Categorize>,
) -> Card {
    let word = category.into_inner();
    if !orders::categories(&mut *api.conn().await?).await?.iter().any(|category| category.word == word) {
        return Err(ApiError::BadRequest("category: none that GET /categories lists".into()));
    }
    apply(&api, &operator.scope, id, Input::Categorize { by: operator.id(), category: Category(word) }).await
}

#[derive(Deserialize)]
pub(super) struct Rating {
    stars: i16,
    #[serde(default, deserialize_with = "maybe_words")]
    comment: Option<Words<1_000>>,
}

/// `POST /incidents/{id}/rating`: what the person who was helped said on the telephone.
pub(super) async fn rate(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    IdempotencyKey(key): IdempotencyKey,
    Told(Rating { stars, comment }): Told<Rating>,
) -> Card {
    let stars = Stars::new(stars).ok_or_else(|| ApiError::BadRequest("stars: a number from 1 to 5".into()))?;
    let (id, by) = (IncidentId(id), operator.id());
    require_in_scope(&api, &operator.scope, id).await?;
    let mut tx = api.begin().await?;
    if let Some(key) = &key {
        telephone::serialize(&mut tx, by, key).await?;
        if telephone::created_before(&mut tx, by, key).await? == Some(id) {
            return show(&api, &operator.scope, id).await;
        }
        telephone::remember(&mut tx, by, key, id).await?;
    }
    let comment = comment.map(Words::into_inner);
    match orders::rate(&mut tx, id, stars, comment.as_deref(), by).await?.ok_or(ApiError::NotFound("incident"))? {
        Rated::Given => tx.commit().await?,
        Rated::Before => return Err(ApiError::RatedBefore),
        Rated::TooEarly => return Err(ApiError::NotOver),
    }
    api.desk().live.nudge();
    show(&api, &operator.scope, id).await
}
