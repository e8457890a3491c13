//! Providers' score cards, and what their contracts ask for.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::ProviderId;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{Asked, At, Told, year_and_month};
use super::openapi::Unprocessable;
use crate::access::Administer;
use crate::store::score::{self, FloorsView, Month, ScoreCardView};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MonthQuery {
    /// `2026-10`; none: the one that is now.
    #[serde(default, deserialize_with = "month")]
    #[param(value_type = Option<String>, pattern = "^20[0-9]{2}-(0[1-9]|1[0-2])$")]
    month: Option<Month>,
}

fn month<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Month>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let read = year_and_month(&text).filter(|(year, _)| (2000..2100).contains(year));
    let month = read.map(|(year, month)| Month { year: year.into(), month: month.into() });
    month.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no month such as 2026-10")))
}

/// The score cards of a month.
#[derive(Serialize, ToSchema)]
pub(super) struct ScoreCardsView {
    /// Which: `2026-10`.
    month: String,
    /// When it begins, by the district's own time.
    since: Timestamp,
    /// When the next one does.
    until: Timestamp,
    /// By name.
    providers: Vec<ScoreCardView>,
}

/// How providers worked in a month, and who is to be replaced
///
/// A provider is under a floor only when the whole 95 % interval is: a handful of cases proves nothing.
#[utoipa::path(
    get, path = "/api/v1/score-cards", tag = "providers",
    params(MonthQuery),
    responses((status = 200, body = ScoreCardsView)),
    security(("session" = ["administer"])),
)]
pub(super) async fn list(
    State(api): State<Api>,
    admin: May<Administer>,
    Asked(MonthQuery { month }): Asked<MonthQuery>,
) -> Result<Json<ScoreCardsView>, ApiError> {
    let mut moment = api.moment().await?;
    let (Month { year, month }, period) = score::month(&mut moment, month).await?;
    let providers = score::cards(&mut moment, &admin.scope, period).await?;
    let month = format!("{year:04}-{month:02}");
    Ok(Json(ScoreCardsView { month, since: period.since, until: period.until, providers }))
}

/// Sets what a provider's contracts ask for
///
/// It goes for all of its contracts that are not over, and is judged by at once. What is left out is not asked for.
#[utoipa::path(
    put, path = "/api/v1/providers/{id}/floors", tag = "providers",
    request_body = FloorsView,
    responses((status = 204, description = "Done"), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn set_floors(
    State(api): State<Api>,
    admin: May<Administer>,
    At(id): At<Uuid>,
    Told(floors): Told<FloorsView>,
) -> Result<StatusCode, ApiError> {
    if let Some((field, why)) = floors.impossible() {
        return Err(ApiError::BadField { field, why: why.into() });
    }
    let mut tx = api.begin().await?;
    if !score::set_floors(&mut tx, ProviderId(id), &floors, &admin.scope, admin.id()).await? {
        return Err(ApiError::NotFound("provider with a contract"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
