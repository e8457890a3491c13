//! Daily help: what can be ordered, and what an order is for.

use axum::Json;
use axum::extract::State;
use domain::incident::{Category, Input};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::{Caller, May};
use super::errors::ApiError;
use super::incidents::{Card, DetailView, apply};
use super::input::{At, Told, Words};
use super::openapi::{Conflict, Unprocessable};
use crate::access::Answer;
use crate::store::orders::{self, CategoryView};

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

/// Refuses a category that is no word of the list.
pub(super) async fn require_listed(conn: &mut PgConnection, category: &str) -> Result<(), ApiError> {
    if orders::categories(conn).await?.iter().any(|listed| listed.word == category) {
        return Ok(());
    }
    Err(ApiError::BadField { field: "category", why: "none that GET /categories lists".into() })
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
    require_listed(&mut *api.conn().await?, &word).await?;
    apply(&api, &operator.scope, id, Input::Categorize { by: operator.id(), category: Category(word) }).await
}
