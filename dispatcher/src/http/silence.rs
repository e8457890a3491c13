//! Terminals that are not heard, or are no help: what somebody looks at in the morning.

use axum::Json;
use axum::extract::State;
use domain::presence::Contract;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{Asked, At, Limit, Told, whole, year_and_month};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, See, TakeOver};
use crate::store::silence::{
    self, Counts, HeartbeatView, MemberView, OutageView, TerminalView, Trouble, UntestedView, Wanted,
};
use crate::store::{StoreError, outages, presence};

/// So many outages are shown.
const OUTAGES_MAX: i64 = 100;

/// A page, and after what the next one begins.
fn page<T>(mut things: Vec<T>, limit: i64, id: impl Fn(&T) -> i64) -> (Vec<T>, Option<i64>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = things.len() > limit;
    things.truncate(limit);
    let next = things.last().filter(|_| has_more).map(id);
    (things, next)
}

#[derive(Serialize, ToSchema)]
pub(super) struct SilenceView {
    /// Since when somebody listens: who says nothing is not silent before that. None: nobody does yet.
    listening_since: Option<Timestamp>,
    terminals: Counts,
    /// Those that go on first.
    outages: Vec<OutageView>,
}

/// How many terminals are not heard, or are no help, and the outages
#[utoipa::path(
    get, path = "/api/v1/silence", tag = "presence",
    responses((status = 200, body = SilenceView)),
    security(("session" = ["see"])),
)]
pub(super) async fn overview(State(api): State<Api>, who: May<See>) -> Result<Json<SilenceView>, ApiError> {
    let mut moment = api.moment().await?;
    Ok(Json(SilenceView {
        listening_since: presence::listening_since(&mut moment).await?,
        terminals: silence::counts(&mut moment, &who.scope).await?,
        outages: silence::outages(&mut moment, None, &who.scope, OUTAGES_MAX).await?,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TerminalsQuery {
    /// `silent` (and lost), `late`, `unheard`, `flat_tonight`, `not_worn`, `frozen`.
    #[serde(deserialize_with = "trouble")]
    #[param(value_type = String, pattern = "^(silent|late|unheard|flat_tonight|not_worn|frozen)$")]
    trouble: Trouble,
    /// `next` of the page before.
    #[serde(default)]
    after: i64,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<100, 500>,
}

fn trouble<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Trouble, D::Error> {
    let text = String::deserialize(deserializer)?;
    Trouble::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no trouble that terminals have")))
}

#[derive(Serialize, ToSchema)]
pub(super) struct TroubledView {
    terminals: Vec<TerminalView>,
    /// `after` of the next page; none when this is the last.
    next: Option<i64>,
}

/// Terminals that have a trouble
#[utoipa::path(
    get, path = "/api/v1/silence/terminals", tag = "presence",
    params(TerminalsQuery),
    responses((status = 200, body = TroubledView)),
    security(("session" = ["see"])),
)]
pub(super) async fn terminals(
    State(api): State<Api>,
    who: May<See>,
    Asked(TerminalsQuery { trouble, after, limit }): Asked<TerminalsQuery>,
) -> Result<Json<TroubledView>, ApiError> {
    let limit = i64::from(limit.get());
    let wanted = Wanted { trouble, after, limit: limit + 1 };
    let found = silence::terminals(&mut *api.moment().await?, wanted, &who.scope).await?;
    let (terminals, next) = page(found, limit, |terminal| terminal.id);
    Ok(Json(TroubledView { terminals, next }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// `next` of the page before.
    #[serde(default)]
    after: i64,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<100, 500>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct MembersView {
    members: Vec<MemberView>,
    /// `after` of the next page; none when this is the last.
    next: Option<i64>,
}

/// Who is in an outage, and who is back
#[utoipa::path(
    get, path = "/api/v1/outages/{id}/members", tag = "presence",
    params(PageQuery),
    responses((status = 200, body = MembersView)),
    security(("session" = ["see"])),
)]
pub(super) async fn members(
    State(api): State<Api>,
    who: May<See>,
    At(outage): At<Uuid>,
    Asked(PageQuery { after, limit }): Asked<PageQuery>,
) -> Result<Json<MembersView>, ApiError> {
    let limit = i64::from(limit.get());
    let found = silence::members(&mut *api.moment().await?, outage, (after, limit + 1), &who.scope).await?;
    // An outage has members; whose none is seen is not there.
    if found.is_empty() && after == 0 {
        return Err(ApiError::NotFound("outage"));
    }
    let (members, next) = page(found, limit, |member| member.id);
    Ok(Json(MembersView { members, next }))
}

/// Says that one has an outage: no console rings for it any more
///
/// Who says so first is kept; of one that is over, nobody. It ends by itself when nearly all are back.
#[utoipa::path(
    post, path = "/api/v1/outages/{id}/acknowledgement", tag = "presence",
    responses((status = 200, body = OutageView)),
    security(("session" = ["take_over"])),
)]
pub(super) async fn acknowledge(
    State(api): State<Api>,
    who: May<TakeOver>,
    At(outage): At<Uuid>,
) -> Result<Json<OutageView>, ApiError> {
    let mut tx = api.begin().await?;
    let is_seen = !silence::outages(&mut tx, Some(outage), &who.scope, 1).await?.is_empty();
    if !is_seen {
        return Err(ApiError::NotFound("outage"));
    }
    outages::acknowledge(&mut tx, outage, who.id()).await?;
    let seen = silence::outages(&mut tx, Some(outage), &who.scope, 1).await?.into_iter().next();
    let calling = outages::calling(&mut tx).await?;
    tx.commit().await.map_err(StoreError::from)?;
    api.desk().live.tell_outages(calling);
    seen.map(Json).ok_or(ApiError::NotFound("outage"))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LedgerQuery {
    /// `2026-11`; none: the one that is now.
    #[serde(default, deserialize_with = "month")]
    #[param(value_type = Option<String>, pattern = "^20[0-9]{2}-(0[1-9]|1[0-2])$")]
    month: Option<Date>,
    /// `next` of the page before.
    #[serde(default)]
    after: i64,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<100, 500>,
}

fn month<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let read = year_and_month(&text).filter(|(year, _)| (2000..2100).contains(year));
    let day = read.and_then(|(year, month)| Date::new(year, month, 1).ok());
    day.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no month such as 2026-10")))
}

#[derive(Serialize, ToSchema)]
#[schema(as = TestPressesView)]
pub(super) struct LedgerView {
    /// `2026-11`.
    month: String,
    /// So many terminals are worn now.
    worn: i64,
    /// With so many of these the key was pressed in that month.
    tested: i64,
    /// The others.
    untested: Vec<UntestedView>,
    /// `after` of the next page; none when this is the last.
    next: Option<i64>,
}

/// Whose key nobody has tried in a month
///
/// Any press of the key counts, also an exercise; an exercise that was started at a desk does not.
#[utoipa::path(
    get, path = "/api/v1/test-presses", tag = "presence",
    params(LedgerQuery),
    responses((status = 200, body = LedgerView)),
    security(("session" = ["see"])),
)]
pub(super) async fn ledger(
    State(api): State<Api>,
    who: May<See>,
    Asked(LedgerQuery { month, after, limit }): Asked<LedgerQuery>,
) -> Result<Json<LedgerView>, ApiError> {
    let limit = i64::from(limit.get());
    let mut moment = api.moment().await?;
    let month = match month {
        Some(month) => month,
        None => silence::this_month(&mut moment).await?,
    };
    let (worn, tested) = silence::tested(&mut moment, month, &who.scope).await?;
    let found = silence::untested(&mut moment, month, (after, limit + 1), &who.scope).await?;
    let (untested, next) = page(found, limit, |terminal| terminal.id);
    let month = format!("{:04}-{:02}", month.year(), month.month());
    Ok(Json(LedgerView { month, worn, tested, untested, next }))
}

#[derive(Serialize, ToSchema)]
pub(super) struct HeartbeatsView {
    /// That of all other models first.
    contracts: Vec<HeartbeatView>,
}

/// How often models are to be heard
#[utoipa::path(
    get, path = "/api/v1/heartbeat-contracts", tag = "presence",
    responses((status = 200, body = HeartbeatsView)),
    security(("session" = ["administer"])),
)]
pub(super) async fn heartbeats(
    State(api): State<Api>,
    _admin: May<Administer>,
) -> Result<Json<HeartbeatsView>, ApiError> {
    Ok(Json(HeartbeatsView { contracts: silence::heartbeats(&mut *api.moment().await?).await? }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct HeartbeatDraft {
    /// Empty: for all models that have none of their own.
    #[schema(max_length = 100)]
    model: String,
    /// The version that was seen; 0 when there was none.
    #[serde(deserialize_with = "whole")]
    version: i32,
    /// Seconds.
    #[serde(deserialize_with = "whole")]
    moving_s: i32,
    /// Seconds.
    #[serde(deserialize_with = "whole")]
    still_s: i32,
    /// Seconds.
    #[serde(deserialize_with = "whole")]
    charging_s: i32,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 32_767)]
    late_beats: i16,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 32_767)]
    silent_beats: i16,
    /// Seconds.
    #[serde(deserialize_with = "whole")]
    lost_after_s: i32,
    /// `none`, `silent`, `lost`.
    #[schema(pattern = "^(none|silent|lost)$")]
    alarm: String,
}

/// Says how often a model is to be heard
///
/// It goes for the whole installation, and counts from the next time on at which each terminal is looked at.
#[utoipa::path(
    put, path = "/api/v1/heartbeat-contracts", tag = "presence",
    request_body = HeartbeatDraft,
    responses((status = 200, body = HeartbeatsView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn agree(
    State(api): State<Api>,
    admin: May<Administer>,
    Told(draft): Told<HeartbeatDraft>,
) -> Result<Json<HeartbeatsView>, ApiError> {
    let HeartbeatDraft { model, version, moving_s, still_s, charging_s, late_beats, silent_beats, lost_after_s, alarm } =
        draft;
    let bad = |field, why: String| ApiError::BadField { field, why };
    if model.chars().count() > 100 || model.chars().any(char::is_control) {
        return Err(bad("model", "a model's name has at most 100 characters, and none that cannot be seen".into()));
    }
    if !matches!(alarm.as_str(), "none" | "silent" | "lost") {
        return Err(bad("alarm", "it is none, silent or lost".into()));
    }
    let wanted =
        HeartbeatView { model, moving_s, still_s, charging_s, late_beats, silent_beats, lost_after_s, alarm, version };
    Contract::new(wanted.terms()).map_err(|why| bad("lost_after_s", why.to_string()))?;
    let mut tx = api.begin().await?;
    if !silence::is_all(&mut tx, &admin.scope).await? {
        return Err(ApiError::Forbidden);
    }
    let is_saved = silence::save_heartbeat(&mut tx, &wanted).await?;
    let contracts = silence::heartbeats(&mut tx).await?;
    if !is_saved {
        let seen = contracts.into_iter().find(|contract| contract.model == wanted.model);
        return Err(ApiError::EditedMeanwhile(json!(seen)));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(HeartbeatsView { contracts }))
}
