//! Where a resident should be when: rules by the calendar, and pauses.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::FenceId;
use domain::rules::{Relation, contradiction};
use domain::whereabouts::Kind;
use domain::word::Word as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Told, Words, maybe_id_schema, maybe_whole, whole};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, See};
use crate::clock;
use crate::store::fence_rules::{self as store, PAUSES_MAX, PauseView, RULES_MAX, RuleView, RulesView};
use crate::store::fences::{self, Whose};
use crate::store::{StoreError, facts, residents};

/// The longest pause, so that each ends while somebody remembers it.
const PAUSE_DAYS_MAX: i64 = 366;

/// What is expected of a resident by the calendar
#[utoipa::path(
    get, path = "/api/v1/residents/{id}/fence-rules", tag = "fence_rules",
    responses((status = 200, body = RulesView)),
    security(("session" = ["see"])),
)]
pub(super) async fn list(
    State(api): State<Api>,
    who: May<See>,
    At(resident): At<Uuid>,
) -> Result<Json<RulesView>, ApiError> {
    let mut moment = api.moment().await?;
    if !residents::exists(&mut moment, resident, &who.scope).await? {
        return Err(ApiError::NotFound("resident"));
    }
    Ok(Json(shown(&mut moment, resident).await?))
}

async fn shown(conn: &mut PgConnection, resident: Uuid) -> Result<RulesView, ApiError> {
    store::of_resident(conn, resident).await?.ok_or(ApiError::NotFound("resident"))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = FenceRulesDraft)]
pub(super) struct Draft {
    /// The version that the editor saw.
    #[serde(deserialize_with = "whole")]
    version: i32,
    /// All of them: those that are left out are gone.
    rules: Vec<RuleDraft>,
}

/// A rule as it is drawn up: see `FenceRule`.
#[derive(Deserialize, ToSchema)]
#[schema(as = FenceRuleDraft)]
struct RuleDraft {
    /// Its identity; none: a new one.
    #[serde(default)]
    #[schema(schema_with = maybe_id_schema)]
    id: Option<Uuid>,
    fence: Uuid,
    expect: String,
    days: String,
    #[serde(default, deserialize_with = "maybe_whole")]
    #[schema(minimum = 0, maximum = 127)]
    weekdays: Option<i16>,
    #[serde(deserialize_with = "whole")]
    from_minute: i32,
    #[serde(deserialize_with = "whole")]
    until_minute: i32,
    #[serde(default)]
    time_zone: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    allowed_s: i32,
    #[serde(deserialize_with = "whole")]
    grace_s: i32,
}

impl From<RuleDraft> for RuleView {
    fn from(draft: RuleDraft) -> Self {
        let RuleDraft { id, fence, expect, days, weekdays, from_minute, until_minute, time_zone, allowed_s, grace_s } =
            draft;
        Self { id, fence, expect, days, weekdays, from_minute, until_minute, time_zone, allowed_s, grace_s }
    }
}

/// Puts these rules in the place of a resident's
///
/// A fence that has rules is judged by them, and no longer always. Rules that cannot be kept together are refused.
#[utoipa::path(
    put, path = "/api/v1/residents/{id}/fence-rules", tag = "fence_rules",
    request_body = Draft,
    responses((status = 200, body = RulesView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn change(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
    Told(draft): Told<Draft>,
) -> Result<Json<RulesView>, ApiError> {
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, Some(resident), None, &who.scope).await?;
    let whose = whose.ok_or(ApiError::NotFound("resident"))?;
    let rules: Vec<RuleView> = draft.rules.into_iter().map(RuleView::from).collect();
    check(&mut tx, &whose, &rules).await?;
    if !store::replace(&mut tx, whose.resident, draft.version, &rules, who.id()).await? {
        return Err(ApiError::EditedMeanwhile(json!(shown(&mut tx, resident).await?)));
    }
    let view = shown(&mut tx, resident).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(view))
}

/// Whether these can be a resident's rules, each and together.
async fn check(conn: &mut PgConnection, whose: &Whose, drafts: &[RuleView]) -> Result<(), ApiError> {
    let bad = |why: String, reason, rules| ApiError::BadRules { why, reason, rules };
    if drafts.len() > RULES_MAX {
        return Err(bad(
            format!("{} rules are more than the {RULES_MAX} that are taken", drafts.len()),
            "too_many",
            vec![],
        ));
    }
    let of_resident = fences::of_resident(conn, whose.resident.0).await?;
    let mut rules = Vec::with_capacity(drafts.len());
    for (number, draft) in drafts.iter().enumerate() {
        if of_resident.iter().all(|fence| fence.id != draft.fence) {
            return Err(bad(format!("that is no fence of {}'s", whose.name), "no_fence", vec![number]));
        }
        rules.push(draft.rule().map_err(|why| bad(why.to_string(), "no_rule", vec![number]))?);
    }
    let calendar = store::calendar(conn, whose.resident.0).await?.ok_or(ApiError::NotFound("resident"))?;
    let relations = store::relations(conn, whose.resident.0).await?;
    let relation = |one, other| relations.get(&(one, other)).copied().unwrap_or(Relation::Overlapping);
    let forbidden: Vec<FenceId> = of_resident
        .iter()
        .filter(|fence| fence.active && fence.kind == Kind::Forbidden.as_str())
        .map(|fence| FenceId(fence.id))
        .collect();
    match contradiction(&rules, &forbidden, &calendar, relation, facts::now(conn).await?) {
        None => Ok(()),
        Some(why) => {
            let (one, other) = why.rules();
            let rules = if one == other { vec![one] } else { vec![one, other] };
            Err(bad(why.to_string(), why.code(), rules))
        }
    }
}

/// Whether a resident's rules can still be kept, now that one of their fences is another.
pub(super) async fn check_still(conn: &mut PgConnection, whose: &Whose) -> Result<(), ApiError> {
    let rules = shown(conn, whose.resident.0).await?.rules;
    if rules.is_empty() { Ok(()) } else { check(conn, whose, &rules).await }
}

#[derive(Deserialize, ToSchema)]
#[schema(as = FencePauseDraft)]
pub(super) struct PauseDraft {
    /// Of one fence; none: of all of them.
    #[serde(default)]
    #[schema(schema_with = maybe_id_schema)]
    fence: Option<Uuid>,
    from: Timestamp,
    until: Timestamp,
    why: Words<200>,
}

/// Expects nothing of a resident for a time: a stay in hospital, a holiday
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/fence-pauses", tag = "fence_rules",
    request_body = PauseDraft,
    responses((status = 201, body = RulesView), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn pause(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
    Told(PauseDraft { fence, from, until, why }): Told<PauseDraft>,
) -> Result<(StatusCode, Json<RulesView>), ApiError> {
    let bad = |field, why: String| ApiError::BadField { field, why };
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, Some(resident), None, &who.scope).await?;
    let whose = whose.ok_or(ApiError::NotFound("resident"))?;
    let of_resident = fences::of_resident(&mut tx, resident).await?;
    if fence.is_some_and(|fence| of_resident.iter().all(|known| known.id != fence)) {
        return Err(bad("fence", format!("that is no fence of {}'s", whose.name)));
    }
    if until <= from || until <= facts::now(&mut tx).await? {
        return Err(bad("until", "a pause ends after it begins, and not in the past".into()));
    }
    if until.duration_since(from).as_hours() > 24 * PAUSE_DAYS_MAX {
        return Err(bad("until", format!("a pause ends within {PAUSE_DAYS_MAX} days")));
    }
    if shown(&mut tx, resident).await?.pauses.len() >= PAUSES_MAX {
        return Err(bad("from", format!("{} has {PAUSES_MAX} pauses already", whose.name)));
    }
    let pause = PauseView { id: clock::fresh_id(), fence, from, until, why: why.into_inner() };
    store::pause(&mut tx, whose.resident, &pause, who.id()).await?;
    let view = shown(&mut tx, resident).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Takes a pause back
#[utoipa::path(
    delete, path = "/api/v1/fence-pauses/{id}", tag = "fence_rules",
    responses((status = 200, body = RulesView)),
    security(("session" = ["administer"])),
)]
pub(super) async fn resume(
    State(api): State<Api>,
    who: May<Administer>,
    At(pause): At<Uuid>,
) -> Result<Json<RulesView>, ApiError> {
    let mut tx = api.begin().await?;
    let resident = store::paused(&mut tx, pause).await?.ok_or(ApiError::NotFound("pause"))?;
    let whose = fences::whose(&mut tx, Some(resident), None, &who.scope).await?;
    let whose = whose.ok_or(ApiError::NotFound("pause"))?;
    store::resume(&mut tx, whose.resident, pause, who.id()).await?;
    let view = shown(&mut tx, resident).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(view))
}
