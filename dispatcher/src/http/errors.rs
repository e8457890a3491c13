//! What a call answers when it did not do what was asked: a status, a stable code, a sentence.
//!
//! A 5xx tells nothing of the inside; its cause is logged here, once.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::aftercare;
use domain::incident::Refusal;
use domain::incident::ladder::BadLadder;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::desk::DeskError;
use crate::store::StoreError;
use crate::store::aftercare::NoteError;
use crate::store::appointments::ChangeError;
use crate::store::commands;
use crate::store::deliveries::NotAgain;
use crate::store::fences::{FENCES_MAX, WrongView};
use crate::store::site;

/// Why a call did not do what was asked. The text is the sentence that the caller reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The call makes no sense; the text says where.
    #[error("{0}")]
    BadRequest(String),
    /// A field of the body cannot be; the text says why.
    #[error("{field}: {why}")]
    BadField {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// What was drawn is no area; it is told where on the map.
    #[error("shape: {why}")]
    BadDrawing {
        /// What is wrong with it.
        why: String,
        /// For programs.
        reason: &'static str,
        /// Which lines, and what number.
        about: WrongView,
        /// Where, longitude first; none: it is about a number.
        places: Vec<[f64; 2]>,
    },
    /// Rules that cannot be, or not together.
    #[error("{why}")]
    BadRules {
        /// What is wrong.
        why: String,
        /// For programs.
        reason: &'static str,
        /// Which, by their places in the list.
        rules: Vec<usize>,
    },
    /// A fence is saved whose wearer is outside of it.
    #[error(
        "{name} is {distance_m} m outside of it: say whether that is to raise an alert, or to wait until they have been inside"
    )]
    WearerOutside {
        /// The resident.
        name: String,
        /// Metres from the edge.
        distance_m: f64,
        /// When that was.
        at: Timestamp,
    },
    /// Something is no ladder.
    #[error("{0}")]
    BadLadder(BadLadder),
    /// Login and password, token or signature do not belong together.
    #[error("the credentials are not right")]
    BadCredentials,
    /// No session, or it is over.
    #[error("nobody is logged in")]
    NotLoggedIn,
    /// Logged in, but not with this role.
    #[error("your role does not allow this")]
    Forbidden,
    /// The header that proves that a page of ours made the call is missing or wrong.
    #[error("the X-CSRF-Token header is missing or does not belong to this session")]
    BadCsrf,
    /// No such thing, or none that this caller may know of.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The path exists, the method does not.
    #[error("this path has no such method")]
    NoSuchMethod,
    /// The rules say no.
    #[error("{0}")]
    Refused(Refusal),
    /// The responder is engaged in another incident.
    #[error("that responder is engaged elsewhere")]
    ResponderBusy,
    /// A message that is not sent again.
    #[error("{0}")]
    NotAgain(NotAgain),
    /// An appointment is settled.
    #[error("the appointment is {0} already")]
    AppointmentOver(String),
    /// The responder may not write that down now.
    #[error("{0}")]
    SiteRefused(site::Refusal),
    /// A terminal is not told that.
    #[error("{0}")]
    CommandRefused(commands::Refusal),
    /// The rules of what follows the end say no.
    #[error("{0}")]
    AfterwardsRefused(aftercare::Refusal),
    /// More fences than anybody can keep an eye on.
    #[error("{name} has {FENCES_MAX} fences already")]
    TooManyFences {
        /// The resident.
        name: String,
    },
    /// Somebody would be at work twice at once; the sentence tells of the other shift.
    #[error("{0}")]
    ShiftOverlaps(String),
    /// Somebody else has changed it since the caller saw it; here it is as it is now.
    #[error("somebody has changed this meanwhile: look at it as it is now, and save again")]
    EditedMeanwhile(Value),
    /// The key of this call was another call's.
    #[error("this Idempotency-Key was given to another call: take a fresh one for each thing that is to be made")]
    KeyUsed,
    /// The same call is being made.
    #[error("the same call is being made at this moment: ask again")]
    UnderWay,
    /// The stream cannot be resumed there.
    #[error("the stream cannot be resumed there: start from the list")]
    CursorGone,
    /// The body is longer than anything that makes sense.
    #[error("the body is too large")]
    TooLarge,
    /// Too many wrong passwords.
    #[error("too many wrong passwords: try again in a quarter of an hour")]
    LockedOut,
    /// More than we can do at a time.
    #[error("too many calls at a time: try again in a moment")]
    TooMany,
    /// The database is away or slow.
    #[error("the database does not answer: try again in a moment")]
    Unavailable(#[source] Option<StoreError>),
    /// A mistake of ours.
    #[error("something is wrong here; it has been noted")]
    Internal(#[source] Cause),
}

/// What is wrong on our side. Logged, never told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// In the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored password hash is none.
    #[error("a stored password hash cannot be read: {0}")]
    PasswordHash(argon2::password_hash::Error),
    /// An answer cannot be written.
    #[error("an answer cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    /// A task of ours came to no end.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What an answer says that is not the one that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    error: Told,
}

#[derive(Serialize, ToSchema)]
struct Told {
    /// For programs; stays as it is.
    code: &'static str,
    /// For people; a sentence.
    message: String,
    /// Which rule said no, when `code` is `refused`, `bad_rules` or `bad_ladder`; of a drawing, what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Which field of the body is meant, when it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    /// The thing as it is now, when `code` is `edited_meanwhile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Value>,
    /// Where on the map a drawing is wrong, as a GeoJSON `MultiPoint`.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    places: Option<Value>,
    /// Which rings of a drawing are meant, and what number, when `reason` begins with `drawing_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    drawing: Option<WrongView>,
    /// Which of the rules are meant, counted from 0, when `code` is `bad_rules`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<usize>,
    /// What can be chosen, when `reason` is `wearer_outside`.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<Value>,
}

impl ApiError {
    const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::BadField { .. }
            | Self::BadDrawing { .. }
            | Self::BadRules { .. }
            | Self::BadLadder(_)
            | Self::KeyUsed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BadCredentials | Self::NotLoggedIn => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::BadCsrf => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Refused(_)
            | Self::ResponderBusy
            | Self::NotAgain(_)
            | Self::AfterwardsRefused(_)
            | Self::SiteRefused(_)
            | Self::CommandRefused(_)
            | Self::AppointmentOver(_)
            | Self::TooManyFences { .. }
            | Self::WearerOutside { .. }
            | Self::ShiftOverlaps(_)
            | Self::EditedMeanwhile(_)
            | Self::UnderWay => StatusCode::CONFLICT,
            Self::CursorGone => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LockedOut => StatusCode::LOCKED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code for programs.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::BadField { .. } | Self::BadDrawing { .. } => "bad_field",
            Self::BadRules { .. } => "bad_rules",
            Self::BadLadder(_) => "bad_ladder",
            Self::BadCredentials => "bad_credentials",
            Self::NotLoggedIn => "not_logged_in",
            Self::Forbidden => "forbidden",
            Self::BadCsrf => "bad_csrf",
            Self::NotFound(_) => "not_found",
            Self::NoSuchMethod => "no_such_method",
            Self::Refused(_)
            | Self::ResponderBusy
            | Self::NotAgain(_)
            | Self::AfterwardsRefused(_)
            | Self::SiteRefused(_)
            | Self::CommandRefused(_)
            | Self::AppointmentOver(_)
            | Self::TooManyFences { .. }
            | Self::WearerOutside { .. }
            | Self::ShiftOverlaps(_) => "refused",
            Self::EditedMeanwhile(_) => "edited_meanwhile",
            Self::KeyUsed => "key_used",
            Self::UnderWay => "under_way",
            Self::CursorGone => "cursor_gone",
            Self::TooLarge => "too_large",
            Self::LockedOut => "locked_out",
            Self::TooMany => "too_many",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.code()),
            Self::BadLadder(why) => Some(why.code()),
            Self::ResponderBusy => Some("responder_busy"),
            Self::NotAgain(NotAgain::Arrived) => Some("arrived"),
            Self::NotAgain(NotAgain::NotWanted) => Some("not_wanted"),
            Self::NotAgain(NotAgain::Overtaken) => Some("overtaken"),
            Self::AfterwardsRefused(refusal) => Some(refusal.code()),
            Self::SiteRefused(refusal) => Some(refusal.code()),
            Self::CommandRefused(refusal) => Some(refusal.code()),
            Self::AppointmentOver(_) => Some("appointment_over"),
            Self::TooManyFences { .. } => Some("too_many_fences"),
            Self::WearerOutside { .. } => Some("wearer_outside"),
            Self::BadRules { reason, .. } | Self::BadDrawing { reason, .. } => Some(*reason),
            Self::ShiftOverlaps(_) => Some("shift_overlaps"),
            _ => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            Self::Internal(cause) => tracing::error!(%cause, detail = ?cause, "a call failed"),
            Self::Unavailable(Some(cause)) => tracing::warn!(%cause, detail = ?cause, "a call found no database"),
            _ => {}
        }
        let (field, current) = match &self {
            Self::BadField { field, .. } => (Some(*field), None),
            Self::BadDrawing { .. } => (Some("shape"), None),
            Self::BadRules { .. } => (Some("rules"), None),
            Self::BadLadder(_) => (Some("rungs"), None),
            Self::EditedMeanwhile(current) => (None, Some(current.clone())),
            _ => (None, None),
        };
        let (code, message, reason) = (self.code(), self.to_string(), self.reason());
        let mut error = Told {
            code,
            message,
            reason,
            field,
            current,
            places: None,
            drawing: None,
            rules: Vec::new(),
            choices: None,
        };
        match &self {
            Self::BadDrawing { places, about, .. } => {
                error.drawing = Some(about.clone());
                error.places = (!places.is_empty()).then(|| json!({ "type": "MultiPoint", "coordinates": places }));
            }
            Self::BadRules { rules, .. } => error.rules.clone_from(rules),
            Self::WearerOutside { distance_m, at, .. } => {
                error.choices = Some(json!({ "when_outside": ["alert", "wait"], "distance_m": distance_m, "at": at }));
            }
            _ => {}
        }
        let mut response = (self.status(), Json(Problem { error })).into_response();
        if matches!(self, Self::Unavailable(_) | Self::TooMany | Self::UnderWay) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_away() { Self::Unavailable(Some(error)) } else { Self::Internal(error.into()) }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NoIncident => Self::NotFound("incident"),
            DeskError::Refused(refusal) => Self::Refused(refusal),
            DeskError::ResponderBusy => Self::ResponderBusy,
            DeskError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoAppointment => Self::NotFound("appointment"),
            ChangeError::Over(state) => Self::AppointmentOver(state),
            ChangeError::EditedMeanwhile(current) => match serde_json::to_value(current) {
                Ok(current) => Self::EditedMeanwhile(current),
                Err(cause) => Self::Internal(Cause::Json(cause)),
            },
            ChangeError::Refused(why) => Self::BadField { field: "wanted_at", why: why.to_string() },
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<commands::Refusal> for ApiError {
    fn from(refusal: commands::Refusal) -> Self {
        Self::CommandRefused(refusal)
    }
}

impl From<NoteError> for ApiError {
    fn from(error: NoteError) -> Self {
        match error {
            NoteError::NoIncident => Self::NotFound("incident"),
            NoteError::Refused(refusal) => Self::AfterwardsRefused(refusal),
            NoteError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_ours_tells_nothing_of_the_inside() {
        let error = ApiError::from(StoreError::Impossible { table: "incident", id: "7".into(), column: "kinds" });
        assert_eq!(error.code(), "internal");
        assert!(!error.to_string().contains("kinds"), "{error}");
    }

    #[test]
    fn a_database_that_is_away_is_said_to_be_unavailable() {
        assert_eq!(ApiError::from(sqlx::Error::PoolTimedOut).code(), "unavailable");
        assert_eq!(ApiError::from(sqlx::Error::RowNotFound).code(), "internal");
    }
}
