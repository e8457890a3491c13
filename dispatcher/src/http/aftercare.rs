//! What follows a case that is closed: the list of what is due, and what is noted about it.

use axum::Json;
use axum::extract::State;
use domain::aftercare::{Excuse, Policy, Rater, Reached, Stars};
use domain::id::IncidentId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::{ApiError, Problem};
use super::incidents::{Card, DetailView, require_in_scope, show};
use super::input::{Asked, At, Limit, Words, maybe_words, maybe_words_schema, whole, word_schema};
use super::once::{Creating, IdempotencyKey, Once};
use super::openapi::{Conflict, Unprocessable};
use crate::access::Answer;
use crate::store::aftercare::{self, Noted};
use crate::store::page::Page;
use crate::store::views::{self, Summary};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DueQuery {
    /// `next` of the page before.
    after: Option<Uuid>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<100, 500>,
}

/// Cases that are closed and not finished.
#[derive(Serialize, ToSchema)]
pub(super) struct DueView {
    /// Those first whose deadline comes first; `aftercare` of each says what is due, and by when.
    incidents: Vec<Summary>,
    /// How many deadlines have passed, on all pages.
    overdue: i64,
    /// `after` of the next page; none when this is the last.
    next: Option<Uuid>,
}

/// Closed incidents that wait for a follow-up call or a rating
#[utoipa::path(
    get, path = "/api/v1/aftercare", tag = "incidents",
    params(DueQuery),
    responses((status = 200, body = DueView), (status = 404, body = Problem, description = "No such `after`")),
    security(("session" = ["answer"])),
)]
pub(super) async fn due(
    State(api): State<Api>,
    operator: May<Answer>,
    Asked(DueQuery { after, limit }): Asked<DueQuery>,
) -> Result<Json<DueView>, ApiError> {
    let mut moment = api.moment().await?;
    let page = Page { after, limit: limit.get() };
    let due = aftercare::due(&mut moment, &operator.scope, page).await?.ok_or(ApiError::NotFound("incident"))?;
    let overdue = aftercare::overdue(&mut moment, &operator.scope).await?;
    let mut summaries = views::summaries(&mut moment, &due.things).await?;
    let incidents = due.things.iter().filter_map(|id| summaries.remove(id)).collect();
    Ok(Json(DueView { incidents, overdue, next: due.next }))
}

/// Notes something, once.
async fn note(api: &Api, operator: &May<Answer>, id: Uuid, once: &Once, noted: &Noted) -> Card {
    let (id, by) = (IncidentId(id), operator.id());
    require_in_scope(api, &operator.scope, id).await?;
    let mut tx = api.begin().await?;
    if once.made_before(&mut tx, by).await?.is_some() {
        return show(api, &operator.scope, id).await;
    }
    aftercare::note(&mut tx, id, noted, by, &Policy::default()).await?;
    once.made(&mut tx, by, id.0).await?;
    tx.commit().await?;
    api.desk().live.nudge();
    show(api, &operator.scope, id).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct FollowUp {
    #[serde(deserialize_with = "wire::word::deserialize")]
    #[schema(schema_with = word_schema::<Reached>)]
    reached: Reached,
    /// When the call was; none: just now.
    #[serde(default)]
    #[schema(nullable = false)]
    at: Option<Timestamp>,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<1_000>)]
    note: Option<Words<1_000>>,
}

/// Notes a follow-up call, also one that nobody answered
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/follow-up", tag = "incidents",
    params(IdempotencyKey),
    request_body = FollowUp,
    responses((status = 200, body = DetailView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn follow_up(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Creating { told: FollowUp { reached, at, note: said }, once }: Creating<FollowUp>,
) -> Card {
    let noted = Noted::Call { at, reached, note: said.map(Words::into_inner) };
    note(&api, &operator, id, &once, &noted).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Rating {
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 5)]
    stars: i16,
    /// Who says so; none: the person who was helped.
    #[serde(default = "resident", deserialize_with = "wire::word::deserialize")]
    #[schema(schema_with = word_schema::<Rater>)]
    given_by: Rater,
    /// What is complained of; none: nothing.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<1_000>)]
    complaint: Option<Words<1_000>>,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<1_000>)]
    comment: Option<Words<1_000>>,
}

const fn resident() -> Rater {
    Rater::Resident
}

/// Notes what the person who was helped, or a contact, said of it
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
    Creating { told: Rating { stars, given_by, complaint, comment }, once }: Creating<Rating>,
) -> Card {
    let stars = Stars::new(stars).ok_or_else(|| ApiError::BadRequest("stars: a number from 1 to 5".into()))?;
    let (complaint, comment) = (complaint.map(Words::into_inner), comment.map(Words::into_inner));
    note(&api, &operator, id, &once, &Noted::Rating { stars, given_by, complaint, comment }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Excused {
    #[serde(deserialize_with = "wire::word::deserialize")]
    #[schema(schema_with = word_schema::<Excuse>)]
    excuse: Excuse,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<1_000>)]
    note: Option<Words<1_000>>,
}

/// Notes why there will be no follow-up call or rating
///
/// It goes for whatever of the two is still due.
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/excuse", tag = "incidents",
    params(IdempotencyKey),
    request_body = Excused,
    responses((status = 200, body = DetailView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn excuse(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Creating { told: Excused { excuse, note: said }, once }: Creating<Excused>,
) -> Card {
    let noted = Noted::Excuse { excuse, note: said.map(Words::into_inner) };
    note(&api, &operator, id, &once, &noted).await
}
