//! A fence tried against the last days of its wearer before it is saved, and the fences of their community to begin with.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::fence::Shape;
use domain::id::FenceId;
use domain::place::Metres;
use domain::whereabouts::{BadArea, Evidence, Fix, Kind, Standing, Wearer, Zone};
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::{ApiError, Cause};
use super::fences::{Purpose, grace_s, shape};
use super::input::{At, Told, maybe_id_schema, maybe_whole};
use super::openapi::Unprocessable;
use crate::access::Administer;
use crate::store::fence_trials::{self as store, CommonFence, History};
use crate::store::fences::{self, BadDrawing, Drawn, FenceView, MendView};
use crate::store::{StoreError, facts, residents};

/// So far back it is looked.
const DAYS: i64 = 30;
/// So many positions are judged at most, the newest: a month of one a minute, in some tenths of a second.
const FIXES_MAX: usize = 50_000;
/// So many alerts are told one by one.
const ALERTS_MAX: usize = 100;

#[derive(Deserialize, ToSchema)]
#[schema(as = FenceTrial)]
pub(super) struct Trial {
    shape: Drawn,
    /// The fence that is drawn anew, when it is one that is there already.
    #[serde(default)]
    #[schema(schema_with = maybe_id_schema)]
    fence: Option<Uuid>,
    /// What it is for; none: a corridor if it is drawn as one, else a safe area.
    #[serde(default)]
    kind: Option<Purpose>,
    /// For how many seconds they may be away without anybody being told; none: as it is, or 180.
    #[serde(default, deserialize_with = "maybe_whole")]
    #[schema(minimum = 0, maximum = 86_400)]
    grace_s: Option<i32>,
}

/// An alert that would have been raised.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct TriedAlert {
    /// When they left, most likely.
    left_at: Timestamp,
    /// When somebody would have been told.
    told_at: Timestamp,
    /// When they were seen back; none: not until the end.
    back_at: Option<Timestamp>,
    /// How far beyond the edge they were by then, metres.
    beyond_m: f64,
    /// How sure that was, from 0 to 1.
    chance: f64,
    /// What may explain what was seen, and how likely each is, from 0 to 1.
    stories: BTreeMap<&'static str, f64>,
    /// By which positions it was decided.
    fixes: Vec<TriedFix>,
    /// The same in a sentence, in English.
    why: String,
}

/// A position that an alert would have been raised by.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct TriedFix {
    /// When it was measured.
    at: Timestamp,
    /// How it was come by.
    source: &'static str,
    /// How far on the wrong side of the edge, metres; less than none on the right side.
    distance_m: f64,
    /// What the receiver claims, metres.
    accuracy_m: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TriedView {
    /// The days that were looked at.
    days: i64,
    since: Timestamp,
    until: Timestamp,
    /// How many positions there were.
    fixes: usize,
    /// Whether there were more than can be judged in a trial; the oldest are left out then.
    is_cut: bool,
    /// How many alerts there would have been.
    count: usize,
    /// How often they would have been suspected, and were not gone for long or not at all.
    suspicions: usize,
    /// The newest of them, oldest first.
    alerts: Vec<TriedAlert>,
    /// What would be put right in the drawing.
    mended: Vec<MendView>,
}

/// What alerts a fence would have raised in the last 30 days
///
/// Nothing is saved. The resident's other fences count: who was in one of them was where they should be. Where they were is
/// not told; that it was looked at is written down.
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/fences/try", tag = "fences",
    request_body = Trial,
    responses((status = 200, body = TriedView), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn attempt(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
    Told(trial): Told<Trial>,
) -> Result<Json<TriedView>, ApiError> {
    let permit = api.trial_permit().await?;
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, Some(resident), None, &who.scope).await?;
    let whose = whose.ok_or(ApiError::NotFound("resident"))?;
    let (drawn, mended) = shape(trial.shape, &whose)?;
    store::write_down(&mut tx, who.id(), resident, trial.fence.map(FenceId)).await?;
    let now = facts::now(&mut tx).await?;
    let since = now - SignedDuration::from_hours(24 * DAYS);
    let of_resident = fences::of_resident(&mut tx, resident).await?;
    let drawn_anew = of_resident.iter().find(|fence| Some(fence.id) == trial.fence);
    let grace_s = grace_s(trial.grace_s, drawn_anew)?;
    let usual = if matches!(drawn, Shape::Way(_)) { Kind::Corridor } else { Kind::Safe };
    let kind = trial.kind.map_or(usual, Kind::from);
    let mut zones = vec![zone(FenceId(Uuid::nil()), kind, &drawn, grace_s)?];
    zones.extend(others(of_resident, trial.fence)?);
    tx.commit().await.map_err(StoreError::from)?;
    let history = store::history(&mut *api.conn().await?, resident, since, FIXES_MAX).await?;
    let home = whose.lives_at;
    let (fixes, is_cut) = (history.fixes(), history.is_cut);
    let tried = tokio::task::spawn_blocking(move || {
        let home = home.unwrap_or_else(|| zones[0].area.middle());
        play(history, &zones, home)
    });
    let Tried { mut alerts, suspicions } = tried.await.map_err(|error| ApiError::Internal(Cause::from(error)))?;
    drop(permit);
    let count = alerts.len();
    alerts.drain(..count.saturating_sub(ALERTS_MAX));
    Ok(Json(TriedView { days: DAYS, since, until: now, fixes, is_cut, count, suspicions, alerts, mended }))
}

fn zone(id: FenceId, kind: Kind, shape: &Shape, grace_s: i32) -> Result<Zone, ApiError> {
    let bad = |why: BadArea| {
        let places = why.places().iter().map(|place| [place.lon_deg(), place.lat_deg()]).collect();
        let why = BadDrawing::Area(why);
        ApiError::BadDrawing { reason: why.code(), about: why.about(), why: why.to_string(), places }
    };
    let grace = SignedDuration::from_secs(grace_s.into());
    Ok(Zone { id, kind, area: Arc::new(shape.area().map_err(bad)?), grace })
}

/// The other places where they are well.
fn others(of_resident: Vec<FenceView>, but: Option<Uuid>) -> Result<Vec<Zone>, ApiError> {
    let others = of_resident.into_iter().filter(|fence| Some(fence.id) != but && fence.is_allowed());
    // What lies in the table is a shape.
    let shapes = others.filter_map(|fence| Some((fence.id, fence.grace_s, Shape::try_from(fence.shape).ok()?)));
    shapes.map(|(id, grace_s, shape)| zone(FenceId(id), Kind::Safe, &shape, grace_s)).collect()
}

/// What a trial comes to.
#[derive(Debug, Default, PartialEq)]
struct Tried {
    alerts: Vec<TriedAlert>,
    suspicions: usize,
}

/// Plays what each terminal told, and counts when its wearer would have been missed. The first zone is the one that is
/// tried.
fn play(history: History, zones: &[Zone], home: domain::place::Position) -> Tried {
    let mut tried = Tried::default();
    for fixes in history.of_each.into_values() {
        play_one(&fixes, zones, home, &mut tried);
    }
    tried.alerts.sort_by_key(|alert| alert.told_at);
    tried
}

fn play_one(fixes: &[Fix], zones: &[Zone], home: domain::place::Position, tried: &mut Tried) {
    // One forbidden area is judged by itself; of safe ones they are well in any.
    let zones = if zones[0].kind == Kind::Forbidden { &zones[..1] } else { zones };
    let mut wearer = Wearer::new(home, Metres(200.0), zones.to_vec());
    let mut open: Option<usize> = None;
    for fix in fixes {
        let turns = wearer.see(fix);
        if turns.is_empty() {
            continue;
        }
        let is_out = wearer.standings().all(|(_, standing, _)| standing == Standing::Confirmed);
        let suspected = turns.iter().filter(|turn| turn.zone == zones[0].id && turn.to == Standing::Suspected);
        tried.suspicions += suspected.count();
        match (open, is_out) {
            (None, true) => {
                // Of several edges the one that was crossed last.
                let Some(turn) = turns.iter().rev().find(|turn| turn.to == Standing::Confirmed) else { continue };
                open = Some(tried.alerts.len());
                tried.alerts.push(TriedAlert {
                    left_at: turn.since,
                    told_at: turn.decided_at,
                    back_at: None,
                    beyond_m: turn.beyond.0.round(),
                    chance: share(turn.chance),
                    stories: turn.likely().map(|(story, chance)| (story.as_str(), share(*chance))).collect(),
                    fixes: turn.evidence.iter().map(witness).collect(),
                    why: turn.to_string(),
                });
            }
            (Some(alert), false) => {
                tried.alerts[alert].back_at = Some(fix.at());
                open = None;
            }
            _ => {}
        }
    }
}

fn share(chance: f64) -> f64 {
    (chance * 1000.0).round() / 1000.0
}

fn witness(seen: &Evidence) -> TriedFix {
    TriedFix {
        at: seen.at,
        source: seen.source.as_str(),
        distance_m: seen.beyond.0.round(),
        accuracy_m: seen.claimed.map(|claimed| claimed.0.round()),
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct CommonView {
    fences: Vec<CommonFence>,
}

/// The fences of a resident's community, to be copied
///
/// Each shape once, and not whose it is.
#[utoipa::path(
    get, path = "/api/v1/residents/{id}/fences/common", tag = "fences",
    responses((status = 200, body = CommonView)),
    security(("session" = ["administer"])),
)]
pub(super) async fn common(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
) -> Result<Json<CommonView>, ApiError> {
    let mut moment = api.moment().await?;
    if !residents::exists(&mut moment, resident, &who.scope).await? {
        return Err(ApiError::NotFound("resident"));
    }
    Ok(Json(CommonView { fences: store::of_community(&mut moment, resident).await? }))
}
