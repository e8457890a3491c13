//! Daily help: what can be ordered, what an order is for, and what is said of it afterwards.

use axum::Json;
use axum::extract::State;
use domain::id::IncidentId;
use domain::incident::{Category, Input};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::{Caller, May};
use super::errors::ApiError;
use super::incidents::{Card, DetailView, apply, require_in_scope, show};
use super::input::{At, Told, Words, maybe_words, maybe_words_schema, whole};
use super::once::{Creating, IdempotencyKey};
use super::openapi::{Conflict, Unprocessable};
use crate::access::Answer;
use crate::store::orders::{self, CategoryView, Rated, Stars};

#[derive(Serialize, ToSchema)]
pub(super) struct CategoriesView {
    categories: Vec<CategoryView>,
}

/// What daily help can be ordered
#[utoipa::path(
    get, path = "/api/v1/categories", tag = "incidents",
    responses((status = 200, body = CategoriesView)),
    security(("session" = [])),
)]
pub(super) async fn categories(State(api): State<Api>, _: Caller) -> Result<Json<CategoriesView>, ApiError> {
    let categories = orders::categories(&mut *api.conn().await?).await?;
    Ok(Json(CategoriesView { categories }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Categorize {
    category: Words<100>,
}

/// Says what daily help is wanted
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/category", tag = "incidents",
    request_body = Categorize,
    responses((status = 200, body = DetailView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn categorize(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(Categorize { category }): Told<Categorize>,
) -> Card {
    let word = category.into_inner();
    if !orders::categories(&mut *api.conn().await?).await?.iter().any(|category| category.word == word) {
        return Err(ApiError::BadField { field: "category", why: "none that GET /categories lists".into() });
    }
    apply(&api, &operator.scope, id, Input::Categorize { by: operator.id(), category: Category(word) }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Rating {
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 5)]
    stars: i16,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<1_000>)]
    comment: Option<Words<1_000>>,
}

/// Notes what the person who was helped said of it
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/rating", tag = "incidents",
    params(IdempotencyKey),
    request_body = Rating,
    responses((status = 200, body = DetailView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn rate(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Creating { told: Rating { stars, comment }, once }: Creating<Rating>,
) -> Card {
    let stars = Stars::new(stars).ok_or_else(|| ApiError::BadRequest("stars: a number from 1 to 5".into()))?;
    let (id, by) = (IncidentId(id), operator.id());
    require_in_scope(&api, &operator.scope, id).await?;
    let mut tx = api.begin().await?;
    if once.made_before(&mut tx, by).await?.is_some() {
        return show(&api, &operator.scope, id).await;
    }
    once.made(&mut tx, by, id.0).await?;
    let comment = comment.map(Words::into_inner);
    match orders::rate(&mut tx, id, stars, comment.as_deref(), by).await?.ok_or(ApiError::NotFound("incident"))? {
        Rated::Given => tx.commit().await?,
        Rated::Before => return Err(ApiError::RatedBefore),
        Rated::TooEarly => return Err(ApiError::NotOver),
    }
    api.desk().live.nudge();
    show(&api, &operator.scope, id).await
}
