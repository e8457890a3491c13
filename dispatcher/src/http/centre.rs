//! What a centre reports back about a hand-over, in our JSON or in CAP, and what it was told, in CAP.
//! `docs/120.md` tells it to the centre's engineers.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use domain::id::HandoverId;
use domain::incident::{Centre, CentreWord, Input};
use domain::place::Position;
use uuid::Uuid;
use wire::centre::{Progress, Status, Vehicle};
use wire::{cap, signature};

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::incidents::{require_in_scope, write_down_card};
use super::input::{At, NoWords, Words};
use super::openapi::Conflict;
use crate::access::See;
use crate::clock;
use crate::store::{handovers, incidents};

/// What a centre reports about a hand-over
///
/// In JSON, or an `Ack` or `Error` in CAP 1.2 that refers to our message. `docs/120.md` says how it is signed.
#[utoipa::path(
    post, path = "/api/v1/handovers/{id}/status", tag = "centres",
    request_body(content((Status = "application/json"), (String = "application/cap+xml"))),
    responses((status = 204, description = "Done"), Conflict),
    security(("signature" = [])),
)]
pub(super) async fn status(
    State(api): State<Api>,
    At(id): At<Uuid>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let body = body?;
    // Who it can be is known before the database is asked anything.
    let signers = signers(&api, &headers, &body);
    if signers.is_empty() {
        return Err(ApiError::BadCredentials);
    }
    let handover = HandoverId(id);
    let found = incidents::of_handover(&mut *api.conn().await?, handover).await?;
    // A centre hears nothing about other centres' cases.
    let (incident, _) = found.filter(|(_, centre)| signers.contains(centre)).ok_or(ApiError::NotFound("hand-over"))?;
    let status = if is_cap(&headers) {
        reported_in_cap(&body, id)?
    } else {
        serde_json::from_slice(&body).map_err(|error| ApiError::BadRequest(format!("the body: {error}")))?
    };
    let (word, reference) = read(&status)?;
    api.desk().apply(incident, Input::CentreSays { handover, word, reference }).await?;
    if let Some(vehicle) = &status.vehicle {
        place(&api, handover, vehicle).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn is_cap(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(cap::CONTENT_TYPE))
}

/// What an answer in CAP says of this hand-over.
fn reported_in_cap(body: &[u8], handover: Uuid) -> Result<Status, ApiError> {
    let answer = cap::read_answer(body).map_err(|error| ApiError::BadRequest(format!("the body: {error}")))?;
    if answer.handovers.contains(&handover) {
        Ok(answer.status)
    } else {
        Err(ApiError::BadRequest("the body: its references name another hand-over than the address does".into()))
    }
}

/// What a centre was, or is to be, told last, in CAP 1.2
///
/// A file, for when it has to be handed over in another way. It holds what the card holds, so it is written down who had it.
#[utoipa::path(
    get, path = "/api/v1/handovers/{id}/cap", tag = "centres",
    responses((status = 200, content_type = "application/cap+xml", body = String)),
    security(("session" = ["see"])),
)]
pub(super) async fn message(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
) -> Result<(HeaderMap, String), ApiError> {
    const NONE: ApiError = ApiError::NotFound("hand-over");
    let handover = HandoverId(id);
    let (incident, centre) = incidents::of_handover(&mut *api.conn().await?, handover).await?.ok_or(NONE)?;
    require_in_scope(&api, &who.scope, incident).await?;
    let message = handovers::last_message(&mut *api.conn().await?, handover).await?.ok_or(NONE)?;
    write_down_card(&api, who.id(), incident).await;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/cap+xml; charset=utf-8"));
    let attachment = format!("attachment; filename=\"{centre}-{handover}.xml\"");
    if let Ok(attachment) = HeaderValue::try_from(attachment) {
        headers.insert(header::CONTENT_DISPOSITION, attachment);
    }
    Ok((headers, cap::write(&message, centre)))
}

/// Keeps where the vehicle is. A place that is none is worth less than the report that it came with.
async fn place(api: &Api, handover: HandoverId, vehicle: &Vehicle) -> Result<(), ApiError> {
    let plate = short::<20>(Some(&vehicle.plate), "vehicle.plate")?;
    match Position::new(vehicle.lat, vehicle.lon) {
        Ok(position) => handovers::place_vehicle(&mut *api.conn().await?, handover, plate, position).await?,
        Err(why) => tracing::warn!(handover.id = %handover, %why, "a centre told of a vehicle that is nowhere"),
    }
    Ok(())
}

/// The centres whose secret made this signature.
fn signers(api: &Api, headers: &HeaderMap, body: &[u8]) -> Vec<Centre> {
    let Some(header) = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()) else {
        return Vec::new();
    };
    let is_signer = |secret: &str| signature::verify(secret.as_bytes(), clock::now(), body, header).is_ok();
    api.config().centres.iter().filter(|centre| is_signer(&centre.secret.0)).map(|centre| centre.centre).collect()
}

/// The domain's word for it. A refusal without a reason is still one.
fn read(status: &Status) -> Result<(CentreWord, Option<String>), ApiError> {
    let reason = short::<500>(status.reason.as_deref(), "reason")?;
    let reference = short::<100>(status.reference.as_deref(), "reference")?;
    let word = match status.status {
        Progress::Acknowledged => CentreWord::Acknowledged,
        Progress::Dispatched => CentreWord::Dispatched { minutes: status.minutes },
        Progress::Arrived => CentreWord::Arrived,
        Progress::Closed => CentreWord::Closed,
        Progress::Refused => CentreWord::Refused { reason: reason.unwrap_or_else(|| "no reason given".into()) },
    };
    Ok((word, reference))
}

fn short<const MAX: usize>(text: Option<&str>, field: &str) -> Result<Option<String>, ApiError> {
    match text.map(Words::<MAX>::new) {
        None | Some(Err(NoWords::Empty)) => Ok(None),
        Some(Ok(words)) => Ok(Some(words.into_inner())),
        Some(Err(why)) => Err(ApiError::BadRequest(format!("{field} {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_needs_no_reason() {
        let status = Status {
            status: Progress::Refused,
            reference: None,
            reason: Some(" ".into()),
            minutes: None,
            vehicle: None,
        };
        let (word, reference) = read(&status).unwrap();
        assert_eq!(word, CentreWord::Refused { reason: "no reason given".into() });
        assert_eq!(reference, None);
    }
}
