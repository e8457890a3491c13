//! Responders' calls: what is asked of them, their answers, where they are and whether on duty.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::Event;
use domain::id::{OfferId, ResponderId};
use domain::incident::Input;
use domain::place::Position;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::timeout;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::ResponderCaller;
use super::errors::ApiError;
use super::input::{At, Told, Words, maybe_whole, maybe_words, maybe_words_schema};
use super::live::{self, Answer, event, wait_for_news};
use super::openapi::{Conflict, Unprocessable};
use crate::store::offers::{self, OwnOffers};
use crate::store::{StoreError, outbox, registry};

/// What happens in other processes is noticed within this time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a read may take before the stream takes the database for away.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Nobody who needs longer than a day is on the way.
const MINUTES_MAX: u16 = 24 * 60;

/// What is asked of the caller at this moment
#[utoipa::path(
    get, path = "/api/v1/offers", tag = "responders",
    responses((status = 200, body = OwnOffers)),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn list(State(api): State<Api>, responder: ResponderCaller) -> Result<Json<OwnOffers>, ApiError> {
    Ok(Json(offers::own(&mut *api.moment().await?, responder.id).await?))
}

/// A stream of the same
///
/// Server-sent events: `offers`, whenever it changes.
#[utoipa::path(
    get, path = "/api/v1/offers/live", tag = "responders",
    responses((status = 200, content_type = "text/event-stream", body = String)),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn follow(State(api): State<Api>, responder: ResponderCaller) -> Result<Answer, ApiError> {
    let follower = api.counters().follower()?;
    let changes = api.desk().live.changes();
    let reader = Reader { api: api.clone(), responder: responder.id, changes, told: None };
    Ok(live::answer(&api, reader.into_stream(), responder.session, follower))
}

/// One responder's view of their offers, told whenever it changes.
struct Reader {
    api: Api,
    responder: ResponderId,
    changes: watch::Receiver<u64>,
    told: Option<OwnOffers>,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, |mut reader| async move { Some((reader.next().await, reader)) })
    }

    async fn next(&mut self) -> Event {
        loop {
            match timeout(READ_WITHIN, self.read()).await {
                Ok(Ok(own)) => {
                    let timeless = own.timeless();
                    if self.told.as_ref() != Some(&timeless) {
                        self.told = Some(timeless);
                        return event("offers", &own);
                    }
                }
                Ok(Err(cause)) => tracing::debug!(%cause, "a stream waits for the database"),
                Err(_) => {}
            }
            wait_for_news(&mut self.changes, LOOK_EVERY).await;
        }
    }

    async fn read(&self) -> Result<OwnOffers, StoreError> {
        let _turn = self.api.reader_permit().await;
        let mut moment = self.api.desk().moment().await?;
        offers::own(&mut moment, self.responder).await
    }
}

/// How long it will take, by their own word.
#[derive(Deserialize, ToSchema)]
pub(super) struct Minutes {
    #[serde(default, deserialize_with = "maybe_whole")]
    #[schema(minimum = 0, maximum = 1_440)]
    minutes: Option<u16>,
}

type Answered = Result<Json<OwnOffers>, ApiError>;

/// Applies an answer to an offer of the caller's own. The likely minutes are for one who does not say.
async fn answer(
    api: &Api,
    responder: ResponderCaller,
    offer: Uuid,
    input: impl FnOnce(OfferId, u16) -> Input,
) -> Answered {
    let offer = OfferId(offer);
    let found = offers::to_answer(&mut *api.conn().await?, offer, responder.id).await?;
    let found = found.ok_or(ApiError::NotFound("offer"))?;
    // Who answers has read the question.
    outbox::read(&mut *api.conn().await?, offer, responder.id).await?;
    api.desk().apply(found.incident, input(offer, found.likely_minutes)).await?;
    Ok(Json(offers::own(&mut *api.moment().await?, responder.id).await?))
}

impl Minutes {
    fn read(self) -> Result<Option<u16>, ApiError> {
        match self.minutes {
            Some(minutes) if minutes > MINUTES_MAX => Err(ApiError::BadRequest("minutes: more than a day".into())),
            minutes => Ok(minutes),
        }
    }
}

/// The caller will go
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/accept", tag = "responders",
    request_body = Minutes,
    responses((status = 200, body = OwnOffers), Conflict),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn accept(
    State(api): State<Api>,
    responder: ResponderCaller,
    At(id): At<Uuid>,
    Told(minutes): Told<Minutes>,
) -> Answered {
    let minutes = minutes.read()?;
    answer(&api, responder, id, |offer, likely| Input::Accept { offer, minutes: minutes.unwrap_or(likely) }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Decline {
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<500>)]
    reason: Option<Words<500>>,
}

/// The caller will not go
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/decline", tag = "responders",
    request_body = Decline,
    responses((status = 200, body = OwnOffers), Conflict),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn decline(
    State(api): State<Api>,
    responder: ResponderCaller,
    At(id): At<Uuid>,
    Told(Decline { reason }): Told<Decline>,
) -> Answered {
    let reason = reason.map_or_else(|| "other".into(), Words::into_inner);
    answer(&api, responder, id, |offer, _| Input::Decline { offer, reason }).await
}

/// The caller has set out
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/on-the-way", tag = "responders",
    request_body = Minutes,
    responses((status = 200, body = OwnOffers), Conflict),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn on_the_way(
    State(api): State<Api>,
    responder: ResponderCaller,
    At(id): At<Uuid>,
    Told(minutes): Told<Minutes>,
) -> Answered {
    let minutes = minutes.read()?;
    answer(&api, responder, id, |offer, likely| Input::SetOut { offer, minutes: minutes.unwrap_or(likely) }).await
}

/// The caller is there
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/arrived", tag = "responders",
    responses((status = 200, body = OwnOffers), Conflict),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn arrived(State(api): State<Api>, responder: ResponderCaller, At(id): At<Uuid>) -> Answered {
    answer(&api, responder, id, |offer, _| Input::Arrive { offer }).await
}

/// The caller has done what was to be done
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/done", tag = "responders",
    responses((status = 200, body = OwnOffers), Conflict),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn done(State(api): State<Api>, responder: ResponderCaller, At(id): At<Uuid>) -> Answered {
    answer(&api, responder, id, |offer, _| Input::Finish { offer }).await
}

/// The caller has seen what they are asked
///
/// For the ledger: it decides nothing.
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/seen", tag = "responders",
    responses((status = 204, description = "Noted")),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn seen(
    State(api): State<Api>,
    responder: ResponderCaller,
    At(id): At<Uuid>,
) -> Result<StatusCode, ApiError> {
    let (offer, mut conn) = (OfferId(id), api.conn().await?);
    offers::to_answer(&mut conn, offer, responder.id).await?.ok_or(ApiError::NotFound("offer"))?;
    outbox::read(&mut conn, offer, responder.id).await?;
    api.desk().live.nudge();
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Place {
    /// Degrees, WGS-84.
    #[schema(minimum = -90, maximum = 90)]
    lat: f64,
    /// Degrees, WGS-84.
    #[schema(minimum = -180, maximum = 180)]
    lon: f64,
    /// Radius in metres, when known.
    #[serde(default)]
    accuracy_m: Option<f64>,
}

/// Where the caller is
#[utoipa::path(
    put, path = "/api/v1/responder/position", tag = "responders",
    request_body = Place,
    responses((status = 204, description = "Done"), Unprocessable),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn position(
    State(api): State<Api>,
    responder: ResponderCaller,
    Told(place): Told<Place>,
) -> Result<StatusCode, ApiError> {
    let position = Position::new(place.lat, place.lon)
        .map_err(|why| ApiError::BadField { field: "lat, lon", why: why.to_string() })?;
    let accuracy_m = place.accuracy_m.filter(|accuracy_m| accuracy_m.is_finite() && *accuracy_m >= 0.0);
    registry::place_responder(&mut *api.conn().await?, responder.id, position, accuracy_m, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Duty {
    on: bool,
}

/// Whether the caller is on duty
#[utoipa::path(
    put, path = "/api/v1/responder/duty", tag = "responders",
    request_body = Duty,
    responses((status = 204, description = "Done")),
    security(("responder" = []), ("session" = ["respond"])),
)]
pub(super) async fn duty(
    State(api): State<Api>,
    responder: ResponderCaller,
    Told(Duty { on }): Told<Duty>,
) -> Result<StatusCode, ApiError> {
    offers::set_duty(&mut *api.conn().await?, responder.id, on).await?;
    api.desk().live.nudge();
    Ok(StatusCode::NO_CONTENT)
}
