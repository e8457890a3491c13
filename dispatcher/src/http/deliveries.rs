//! The ledger of what has left, sending a message again by hand, and what the provider of text messages tells of them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use domain::id::IncidentId;
use domain::incident::Input;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::{ApiError, Problem};
use super::incidents::require_in_scope;
use super::input::{Asked, At, Limit, is_json};
use super::openapi::Conflict;
use crate::access::{Answer, See};
use crate::config::Fate;
use crate::lines::clean_text;
use crate::store::deliveries::{self, DeliveryView, Redelivered};
use crate::store::outbox::{self, Channel, Settled};
use crate::store::page::Page;
use crate::store::{StoreError, contacts};

/// A provider tells of so many messages at once.
const STATUSES_MAX: usize = 500;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LedgerQuery {
    /// `next` of the page before.
    after: Option<Uuid>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<100, 500>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LedgerView {
    deliveries: Vec<DeliveryView>,
    /// `after` of the next page; none when this is the last.
    next: Option<Uuid>,
}

/// Everything that has left for an incident, and how far it has come, oldest first
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/deliveries", tag = "incidents",
    params(LedgerQuery),
    responses((status = 200, body = LedgerView)),
    security(("session" = ["see"])),
)]
pub(super) async fn of_incident(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
    Asked(LedgerQuery { after, limit }): Asked<LedgerQuery>,
) -> Result<Json<LedgerView>, ApiError> {
    let id = IncidentId(id);
    require_in_scope(&api, &who.scope, id).await?;
    let page = Page { after, limit: limit.get() };
    let found = deliveries::of_incident(&mut *api.moment().await?, id, page).await?;
    let found = found.ok_or(ApiError::NotFound("delivery"))?;
    Ok(Json(LedgerView { deliveries: found.things, next: found.next }))
}

/// By what a message leaves.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    Responder,
    Centre,
    Terminal,
    Email,
    Webhook,
    Sms,
}

impl From<By> for Channel {
    fn from(by: By) -> Self {
        match by {
            By::Responder => Self::Responder,
            By::Centre => Self::Centre,
            By::Terminal => Self::Terminal,
            By::Email => Self::Email,
            By::Webhook => Self::Webhook,
            By::Sms => Self::Sms,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LostQuery {
    /// Only what leaves by this.
    #[param(inline)]
    channel: Option<By>,
    /// `next` of the page before.
    after: Option<Uuid>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<100, 500>,
}

/// What has not arrived, of all cases: failed, too late, or not taken and to be tried again; newest first
#[utoipa::path(
    get, path = "/api/v1/deliveries", tag = "incidents",
    params(LostQuery),
    responses((status = 200, body = LedgerView), (status = 404, body = Problem, description = "No such `after`")),
    security(("session" = ["see"])),
)]
pub(super) async fn not_arrived(
    State(api): State<Api>,
    who: May<See>,
    Asked(LostQuery { channel, after, limit }): Asked<LostQuery>,
) -> Result<Json<LedgerView>, ApiError> {
    let page = Page { after, limit: limit.get() };
    let mut moment = api.moment().await?;
    let found = deliveries::not_arrived(&mut moment, &who.scope, channel.map(Channel::from), page).await?;
    let found = found.ok_or(ApiError::NotFound("delivery"))?;
    Ok(Json(LedgerView { deliveries: found.things, next: found.next }))
}

/// Sends a message again, at once
///
/// Under the same key, so that a far end that has it drops it. It stands in the timeline who did so.
#[utoipa::path(
    post, path = "/api/v1/deliveries/{id}/redeliver", tag = "incidents",
    responses((status = 200, body = DeliveryView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn redeliver(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
) -> Result<Json<DeliveryView>, ApiError> {
    let mut tx = api.begin().await?;
    let redelivered = deliveries::redeliver(&mut tx, id, operator.id(), &operator.scope).await?;
    match redelivered.ok_or(ApiError::NotFound("delivery"))? {
        Redelivered::Refused(why) => Err(ApiError::NotAgain(why)),
        Redelivered::Queued(delivery) => {
            tx.commit().await.map_err(StoreError::from)?;
            api.desk().unsent.notify_waiters();
            api.desk().live.nudge();
            Ok(Json(*delivery))
        }
    }
}

/// What became of text messages
///
/// For the provider. `docs/channels.md` says how to set up what stands where. An object, a list of them, or a form.
#[utoipa::path(
    post, path = "/api/v1/sms/status", tag = "operation",
    request_body = Value,
    responses((status = 204, description = "Noted")),
    security(("callback" = [])),
)]
pub(super) async fn sms_status(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let status = api.config().sms.as_ref().and_then(|sms| sms.status.as_ref()).ok_or(ApiError::BadCredentials)?;
    let told = fields(query.as_deref().unwrap_or_default()).find(|(name, _)| name == "key");
    let told = told.map(|(_, key)| key).unwrap_or_default();
    if !bool::from(told.as_bytes().ct_eq(status.key.0.as_bytes())) {
        return Err(ApiError::BadCredentials);
    }
    let statuses = read(&headers, &body?)?;
    for (id, said, fate) in statuses.iter().filter_map(|each| status.read(each)) {
        if let Some(fate) = fate {
            settle(&api, &id, fate, &clean_text(said)).await?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Value>, ApiError> {
    let statuses = if is_json(headers) {
        match serde_json::from_slice(body).map_err(|error| ApiError::BadRequest(format!("the body: {error}")))? {
            Value::Array(statuses) => statuses,
            status => vec![status],
        }
    } else {
        let text = std::str::from_utf8(body).map_err(|_| ApiError::BadRequest("the body is no text".into()))?;
        vec![Value::Object(fields(text).map(|(name, value)| (name, Value::String(value))).collect())]
    };
    if statuses.len() > STATUSES_MAX {
        return Err(ApiError::BadRequest(format!("more than {STATUSES_MAX} statuses at once")));
    }
    Ok(statuses)
}

/// The fields of a form.
fn fields(form: &str) -> impl Iterator<Item = (String, String)> {
    let url = reqwest::Url::parse(&format!("form:?{}", form.replace('#', "%23")));
    let fields = url.map(|url| url.query_pairs().into_owned().collect::<Vec<_>>());
    fields.unwrap_or_default().into_iter()
}

/// Notes what became of a message. That a contact has it, or never will, is told to the desk.
async fn settle(api: &Api, id: &str, fate: Fate, said: &str) -> Result<(), ApiError> {
    let said: String = said.chars().take(100).collect();
    let mut tx = api.begin().await?;
    let settled = outbox::settle_sms(&mut tx, &clean_text(id.to_owned()), fate, &said).await?;
    tx.commit().await.map_err(StoreError::from)?;
    api.desk().live.nudge();
    let Some(Settled { incident, alerted: Some(rank) }) = settled else { return Ok(()) };
    let input = match fate {
        Fate::Delivered => Input::ContactReached { rank },
        Fate::Failed if contacts::is_lost(&mut *api.conn().await?, incident, rank).await? => {
            Input::ContactLost { rank }
        }
        Fate::Failed => return Ok(()),
    };
    api.desk().apply(incident, input).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_is_sent() {
        let read: Vec<_> = fields("id=a%20b&status=DELIVRD+x&empty=#y").collect();
        let expected = [("id", "a b"), ("status", "DELIVRD x"), ("empty", "#y")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(fields("").count(), 0);
    }
}
