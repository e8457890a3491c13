//! Exercises: a press that somebody at a desk makes in a resident's stead, and that says everywhere what it is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::IncidentId;
use domain::incident::Input;
use domain::press::AlertKind;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use wire::receipt::Outcome;
use wire::report::{Event, Report, Stamp, Surroundings, VERSION};
use wire::topics::Lane;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::incidents::{DetailView, show};
use super::input::Told;
use super::openapi::Unprocessable;
use crate::access::TakeOver;
use crate::clock;
use crate::store::drills;

#[derive(Deserialize, ToSchema)]
#[schema(as = DrillDraft)]
pub(super) struct Draft {
    /// At whose home, and with whose terminal.
    resident: Uuid,
}

/// Starts an exercise: the resident's terminal is taken to have been pressed
///
/// From the intake on it is a press like any other, marked as a drill on every screen, in every message and every
/// call. It opens a case of its own beside a real one, and counts for nothing. A centre hears of it only where it is
/// set up to. It is written down who started it.
#[utoipa::path(
    post, path = "/api/v1/drills", tag = "operation",
    request_body = Draft,
    responses(
        (status = 201, body = DetailView),
        (status = 404, body = super::errors::Problem, description = "There is no such resident"),
        Unprocessable,
    ),
    security(("session" = ["take_over"])),
)]
pub(super) async fn start(
    State(api): State<Api>,
    who: May<TakeOver>,
    Told(Draft { resident }): Told<Draft>,
) -> Result<(StatusCode, Json<DetailView>), ApiError> {
    let mut conn = api.conn().await?;
    let worn = drills::worn(&mut conn, resident, &who.scope).await?.ok_or(ApiError::NotFound("resident"))?;
    let worn = worn.ok_or_else(|| ApiError::BadField { field: "resident", why: "they wear no terminal".into() })?;
    drills::started(&mut conn, who.id().0, resident).await?;
    drop(conn);
    let id = clock::fresh_id();
    let report = Report {
        version: VERSION,
        id,
        serial: worn.serial,
        dialect: worn.dialect,
        authenticated: true,
        drill: true,
        lane: Lane::Alert,
        topic: "drill".into(),
        received_at: clock::now(),
        repeated: false,
        // Each start is a press of its own.
        raw: json!({ "drill": id, "by": who.id().0 }).to_string().into_bytes(),
        stamp: Stamp { boot: None, seq: None, device_at: None },
        event: Some(Event::Alert { kind: AlertKind::Sos }),
        fixes: Vec::new(),
        status: None,
        also: Vec::new(),
        surroundings: Surroundings::default(),
        vitals: Vec::new(),
        doubts: Vec::new(),
    };
    let receipts = api.desk().take(&[report]).await?;
    let incident = receipts.first().and_then(|receipt| match receipt.outcome {
        Outcome::Committed { incident } | Outcome::Same { incident, .. } => incident,
    });
    let incident = IncidentId(incident.ok_or(ApiError::Unavailable(None))?);
    // Decided at once, so that the answer shows what follows; the ticker finds nothing left to do.
    api.desk().apply(incident, Input::Wake).await?;
    let text = "演练由值班人员在工作台发起 (drill)".to_owned();
    api.desk().apply(incident, Input::Note { by: who.id(), text }).await?;
    Ok((StatusCode::CREATED, show(&api, &who.scope, incident).await?))
}
