//! Daily help that is ordered: at once, or for a later time.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::{ApiError, Problem};
use super::input::{Asked, At, Limit, Told, Words, maybe_words, maybe_words_schema, whole};
use super::once::{Creating, IdempotencyKey};
use super::openapi::{Conflict, Unprocessable};
use super::orders::require_listed;
use crate::access::{Order, See};
use crate::store::appointments::{self, AppointmentView, Wanted};
use crate::store::page::Page;
use crate::store::residents;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitingQuery {
    /// `next` of the page before.
    after: Option<Uuid>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<100, 500>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct AppointmentsView {
    /// The next first.
    appointments: Vec<AppointmentView>,
    /// `after` of the next page; none when this is the last.
    next: Option<Uuid>,
}

/// Appointments whose time is yet to come
#[utoipa::path(
    get, path = "/api/v1/appointments", tag = "incidents",
    params(WaitingQuery),
    responses((status = 200, body = AppointmentsView), (status = 404, body = Problem, description = "No such `after`")),
    security(("session" = ["see"])),
)]
pub(super) async fn waiting(
    State(api): State<Api>,
    who: May<See>,
    Asked(WaitingQuery { after, limit }): Asked<WaitingQuery>,
) -> Result<Json<AppointmentsView>, ApiError> {
    let page = Page { after, limit: limit.get() };
    let found = appointments::waiting(&mut *api.moment().await?, &who.scope, page).await?;
    let found = found.ok_or(ApiError::NotFound("appointment"))?;
    Ok(Json(AppointmentsView { appointments: found.things, next: found.next }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewAppointment {
    resident: Uuid,
    category: Words<100>,
    /// When somebody should be there; none: now. The case is opened an hour before.
    #[serde(default)]
    #[schema(nullable = false)]
    wanted_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<100>)]
    on_behalf_of: Option<Words<100>>,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<500>)]
    place_in_words: Option<Words<500>>,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<50>)]
    phone: Option<Words<50>>,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<1_000>)]
    note: Option<Words<1_000>>,
    #[serde(default)]
    drill: bool,
}

impl From<NewAppointment> for Wanted {
    fn from(told: NewAppointment) -> Self {
        Self {
            resident: told.resident,
            category: told.category.into_inner(),
            at: told.wanted_at,
            on_behalf_of: told.on_behalf_of.map(Words::into_inner),
            place_in_words: told.place_in_words.map(Words::into_inner),
            phone: told.phone.map(Words::into_inner),
            note: told.note.map(Words::into_inner),
            drill: told.drill,
        }
    }
}

/// Orders daily help for a resident: for a later time, or at once
#[utoipa::path(
    post, path = "/api/v1/appointments", tag = "incidents",
    params(IdempotencyKey),
    request_body = NewAppointment,
    responses(
        (status = 201, body = AppointmentView),
        (status = 404, body = Problem, description = "No such resident"),
        Conflict,
        Unprocessable,
    ),
    security(("session" = ["order"])),
)]
pub(super) async fn make(
    State(api): State<Api>,
    who: May<Order>,
    Creating { told, once }: Creating<NewAppointment>,
) -> Result<(StatusCode, Json<AppointmentView>), ApiError> {
    let mut tx = api.begin().await?;
    if let Some(made) = once.made_before(&mut tx, who.id()).await? {
        return Ok((StatusCode::CREATED, show(&api, &who, made).await?));
    }
    if !residents::exists(&mut tx, told.resident, &who.scope).await? {
        return Err(ApiError::NotFound("resident"));
    }
    let wanted = Wanted::from(told);
    require_listed(&mut tx, &wanted.category).await?;
    let id = appointments::make(&mut tx, &wanted, who.id()).await?;
    once.made(&mut tx, who.id(), id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, show(&api, &who, id).await?))
}

async fn show(api: &Api, who: &May<Order>, id: Uuid) -> Result<Json<AppointmentView>, ApiError> {
    let found = appointments::one(&mut *api.conn().await?, id, &who.scope).await?;
    found.map(Json).ok_or(ApiError::NotFound("appointment"))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct MovedAppointment {
    #[serde(deserialize_with = "whole")]
    version: i32,
    wanted_at: Timestamp,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<1_000>)]
    note: Option<Words<1_000>>,
}

/// Moves an appointment, until its case is opened
#[utoipa::path(
    put, path = "/api/v1/appointments/{id}", tag = "incidents",
    request_body = MovedAppointment,
    responses((status = 200, body = AppointmentView), Conflict, Unprocessable),
    security(("session" = ["order"])),
)]
pub(super) async fn change(
    State(api): State<Api>,
    who: May<Order>,
    At(id): At<Uuid>,
    Told(MovedAppointment { version, wanted_at, note }): Told<MovedAppointment>,
) -> Result<Json<AppointmentView>, ApiError> {
    let note = note.map(Words::into_inner);
    let mut tx = api.begin().await?;
    appointments::change(&mut tx, (id, version), wanted_at, note.as_deref(), who.id(), &who.scope).await?;
    tx.commit().await?;
    show(&api, &who, id).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct CancelledAppointment {
    #[serde(deserialize_with = "whole")]
    version: i32,
    reason: Words<500>,
}

/// Cancels an appointment, until its case is opened
#[utoipa::path(
    post, path = "/api/v1/appointments/{id}/cancel", tag = "incidents",
    request_body = CancelledAppointment,
    responses((status = 200, body = AppointmentView), Conflict),
    security(("session" = ["order"])),
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    who: May<Order>,
    At(id): At<Uuid>,
    Told(CancelledAppointment { version, reason }): Told<CancelledAppointment>,
) -> Result<Json<AppointmentView>, ApiError> {
    let mut tx = api.begin().await?;
    appointments::cancel(&mut tx, (id, version), &reason.into_inner(), who.id(), &who.scope).await?;
    tx.commit().await?;
    show(&api, &who, id).await
}
