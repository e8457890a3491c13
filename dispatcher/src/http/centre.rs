//! What a centre reports back about a hand-over. `docs/120.md` tells it to the centre's engineers.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use domain::id::HandoverId;
use domain::incident::{Centre, CentreWord, Input};
use domain::place::Position;
use uuid::Uuid;
use wire::centre::{Progress, Status, Vehicle};
use wire::signature;

use super::Api;
use super::errors::ApiError;
use super::input::{At, NoWords, Words};
use super::openapi::Conflict;
use crate::clock;
use crate::store::{handovers, incidents};

/// What a centre reports about a hand-over
///
/// `docs/120.md` says how it is signed.
#[utoipa::path(
    post, path = "/api/v1/handovers/{id}/status", tag = "centres",
    request_body = Status,
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
    let status: Status =
        serde_json::from_slice(&body).map_err(|error| ApiError::BadRequest(format!("the body: {error}")))?;
    let (word, reference) = read(&status)?;
    api.desk().apply(incident, Input::CentreSays { handover, word, reference }).await?;
    if let Some(vehicle) = &status.vehicle {
        place(&api, handover, vehicle).await?;
    }
    Ok(StatusCode::NO_CONTENT)
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
