//! A resident's check-ins (报平安): the plan, what became of it, who said that they are fine, and when nobody expects them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::checkin::{Plan, Quiet, Way};
use domain::hours::TimeOfDay;
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Told, Words, maybe_words, maybe_words_schema, whole, word_schema};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, Answer, Scope, See};
use crate::store::checkins::{self, Kept, Past, Pause};
use crate::store::{StoreError, facts, residents};

/// So many due times that are over are shown.
const PAST_MAX: i64 = 30;
/// Nobody is away for longer without somebody saying so again.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(24 * 92);

/// When a resident is to be heard of. Times are `08:00`, by the clock of `time_zone`.
#[derive(Serialize, ToSchema)]
pub(super) struct PlanView {
    times: Vec<String>,
    /// From 1, Monday.
    days: Vec<i16>,
    time_zone: String,
    /// They are waited for this long.
    grace_min: i32,
    quiet: Option<QuietHours>,
    #[schema(schema_with = ways_schema)]
    ways: Vec<&'static str>,
    active: bool,
    version: i32,
    /// The due time that is waited for.
    due_at: Option<Timestamp>,
    /// Until then.
    deadline: Option<Timestamp>,
}

/// When they sleep: nobody is asked then, and nobody is missed. May go over midnight.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct QuietHours {
    from: String,
    until: String,
}

/// A due time that is over.
#[derive(Serialize, ToSchema)]
pub(super) struct PastView {
    due_at: Timestamp,
    /// `kept`, `paused`, `missed`.
    state: String,
    /// By what it was known that they were fine.
    way: Option<String>,
    known_at: Option<Timestamp>,
    /// The welfare incident that it was told in.
    incident: Option<Uuid>,
}

/// A time for which nobody expects them.
#[derive(Serialize, ToSchema)]
pub(super) struct PauseView {
    id: Uuid,
    since: Timestamp,
    until: Timestamp,
    why: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct CheckInsView {
    /// None: nobody waits to hear of them.
    plan: Option<PlanView>,
    /// Those that are not over.
    pauses: Vec<PauseView>,
    /// The last first.
    past: Vec<PastView>,
}

/// From 1, Monday.
fn days_schema() -> utoipa::openapi::schema::Array {
    let day = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(7));
    utoipa::openapi::schema::Array::new(day)
}

fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i16>, D::Error> {
    #[derive(Deserialize)]
    struct Day(#[serde(deserialize_with = "whole")] i16);
    Ok(Vec::<Day>::deserialize(deserializer)?.into_iter().map(|Day(day)| day).collect())
}

fn ways_schema() -> utoipa::openapi::schema::Array {
    utoipa::openapi::schema::Array::new(word_schema::<Way>())
}

impl From<Kept> for PlanView {
    fn from(kept: Kept) -> Self {
        let Kept { plan, time_zone, is_active, version, due_at, deadline } = kept;
        let quiet =
            plan.quiet().map(|quiet| QuietHours { from: quiet.from.to_string(), until: quiet.until.to_string() });
        Self {
            times: plan.times().iter().map(ToString::to_string).collect(),
            days: plan.days(),
            time_zone,
            grace_min: plan.grace_min(),
            quiet,
            ways: plan.ways().iter().map(|way| way.as_str()).collect(),
            active: is_active,
            version,
            due_at,
            deadline,
        }
    }
}

impl From<Past> for PastView {
    fn from(past: Past) -> Self {
        let Past { due_at, state, way, known_at, incident } = past;
        Self { due_at, state, way, known_at, incident }
    }
}

impl From<Pause> for PauseView {
    fn from(Pause { id, since, until, why }: Pause) -> Self {
        Self { id, since, until, why }
    }
}

async fn view(conn: &mut PgConnection, resident: Uuid) -> Result<CheckInsView, StoreError> {
    Ok(CheckInsView {
        plan: checkins::of_resident(conn, resident).await?.map(PlanView::from),
        pauses: checkins::pauses(conn, resident).await?.into_iter().map(PauseView::from).collect(),
        past: checkins::past(conn, resident, PAST_MAX).await?.into_iter().map(PastView::from).collect(),
    })
}

async fn require(conn: &mut PgConnection, resident: Uuid, scope: &Scope) -> Result<(), ApiError> {
    if residents::exists(conn, resident, scope).await? { Ok(()) } else { Err(ApiError::NotFound("resident")) }
}

/// When a resident is to be heard of, and what became of it
#[utoipa::path(
    get, path = "/api/v1/residents/{id}/check-ins", tag = "check-ins",
    responses((status = 200, body = CheckInsView)),
    security(("session" = ["see"])),
)]
pub(super) async fn show(
    State(api): State<Api>,
    who: May<See>,
    At(resident): At<Uuid>,
) -> Result<Json<CheckInsView>, ApiError> {
    let mut moment = api.moment().await?;
    require(&mut moment, resident, &who.scope).await?;
    Ok(Json(view(&mut moment, resident).await?))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = CheckInPlanDraft)]
pub(super) struct Draft {
    /// The version that was seen; 0 when there was none.
    #[serde(deserialize_with = "whole")]
    version: i32,
    /// Such as `08:00`; at most 12, half an hour apart.
    times: Vec<String>,
    /// From 1, Monday.
    #[serde(deserialize_with = "days")]
    #[schema(schema_with = days_schema)]
    days: Vec<i16>,
    /// Such as `Asia/Shanghai`; none: the one of where they are served.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<50>)]
    time_zone: Option<Words<50>>,
    /// They are waited for this long.
    #[serde(deserialize_with = "whole")]
    grace_min: i32,
    quiet: Option<QuietHours>,
    /// By what it is known that they are fine.
    #[schema(schema_with = ways_schema)]
    ways: Vec<String>,
    #[serde(default = "active")]
    active: bool,
}

const fn active() -> bool {
    true
}

impl Draft {
    fn read(&self) -> Result<Plan, ApiError> {
        let bad = |field, why: String| ApiError::BadField { field, why };
        let time = |field, text: &str| {
            TimeOfDay::parse(text).ok_or_else(|| bad(field, format!("“{text}” is no time such as 08:00")))
        };
        let times = self.times.iter().map(|text| time("times", text)).collect::<Result<_, _>>()?;
        let quiet = match &self.quiet {
            None => None,
            Some(QuietHours { from, until }) => {
                Some(Quiet { from: time("quiet", from)?, until: time("quiet", until)? })
            }
        };
        let ways = self.ways.iter().map(|way| Way::parse(way).map_err(|why| bad("ways", why.to_string())));
        let ways = ways.collect::<Result<_, _>>()?;
        Plan::new(times, &self.days, self.grace_min, quiet, ways).map_err(|why| bad("times", why.to_string()))
    }
}

/// Says when a resident is to be heard of
///
/// From the first due time after now. What was missed before stays missed.
#[utoipa::path(
    put, path = "/api/v1/residents/{id}/check-in-plan", tag = "check-ins",
    request_body = Draft,
    responses((status = 200, body = CheckInsView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn save(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
    Told(draft): Told<Draft>,
) -> Result<Json<CheckInsView>, ApiError> {
    let plan = draft.read()?;
    let zone = draft.time_zone.map(Words::into_inner);
    let mut tx = api.begin().await?;
    require(&mut tx, resident, &who.scope).await?;
    let there = checkins::clock_there(&mut tx, resident, zone.as_deref()).await?;
    let why = || "there is no time zone of that name, such as Asia/Shanghai".to_owned();
    let (zone, there) = there.ok_or_else(|| ApiError::BadField { field: "time_zone", why: why() })?;
    let there = (zone.as_str(), there);
    if !checkins::save(&mut tx, resident, draft.version, &plan, there, draft.active, who.id()).await? {
        let seen = checkins::of_resident(&mut tx, resident).await?.map(PlanView::from);
        return Err(ApiError::EditedMeanwhile(json!(seen)));
    }
    let view = view(&mut tx, resident).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(view))
}

/// Waits for a resident no more
#[utoipa::path(
    delete, path = "/api/v1/residents/{id}/check-in-plan", tag = "check-ins",
    responses((status = 204, description = "Done")),
    security(("session" = ["administer"])),
)]
pub(super) async fn delete(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
) -> Result<StatusCode, ApiError> {
    let mut tx = api.begin().await?;
    require(&mut tx, resident, &who.scope).await?;
    if !checkins::delete(&mut tx, resident, who.id()).await? {
        return Err(ApiError::NotFound("check-in plan"));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A resident has said that they are fine: on the telephone, or to somebody who was there
///
/// For a telephone line that asks by itself as well: it logs in as an operator of its own. It is written down who said so.
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/check-ins", tag = "check-ins",
    responses((status = 201, body = CheckInsView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn tell(
    State(api): State<Api>,
    who: May<Answer>,
    At(resident): At<Uuid>,
) -> Result<(StatusCode, Json<CheckInsView>), ApiError> {
    let mut tx = api.begin().await?;
    require(&mut tx, resident, &who.scope).await?;
    if !checkins::told(&mut tx, resident, who.id()).await? {
        return Err(ApiError::NotFound("check-in plan that a voice counts for"));
    }
    let view = view(&mut tx, resident).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok((StatusCode::CREATED, Json(view)))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewPause {
    /// None: from now on.
    #[serde(default)]
    #[schema(nullable = false)]
    since: Option<Timestamp>,
    /// At most 92 days later.
    until: Timestamp,
    /// Hospital, a holiday…
    why: Words<200>,
}

/// Nobody expects a resident for a while
///
/// Neither are their check-ins missed then, nor does the silence of their terminal open a case.
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/check-in-pauses", tag = "check-ins",
    request_body = NewPause,
    responses((status = 201, body = CheckInsView), Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn pause(
    State(api): State<Api>,
    who: May<Answer>,
    At(resident): At<Uuid>,
    Told(NewPause { since, until, why }): Told<NewPause>,
) -> Result<(StatusCode, Json<CheckInsView>), ApiError> {
    let mut tx = api.begin().await?;
    require(&mut tx, resident, &who.scope).await?;
    let now = facts::now(&mut tx).await?;
    let since = since.unwrap_or(now);
    if until <= since.max(now) || until.duration_since(since) > PAUSE_MAX {
        let why = "a pause ends after it begins, not before now, and within 92 days".to_owned();
        return Err(ApiError::BadField { field: "until", why });
    }
    checkins::pause(&mut tx, resident, (since, until), &why.into_inner(), who.id()).await?;
    let view = view(&mut tx, resident).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Ends a pause: they are expected again
#[utoipa::path(
    delete, path = "/api/v1/residents/{id}/check-in-pauses/{pause}", tag = "check-ins",
    params(("pause" = Uuid, Path, description = "Which")),
    responses((status = 204, description = "Done")),
    security(("session" = ["answer"])),
)]
pub(super) async fn resume(
    State(api): State<Api>,
    who: May<Answer>,
    At((resident, pause)): At<(Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    let mut tx = api.begin().await?;
    require(&mut tx, resident, &who.scope).await?;
    if !checkins::end_pause(&mut tx, (resident, pause), who.id()).await? {
        return Err(ApiError::NotFound("pause"));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(StatusCode::NO_CONTENT)
}
