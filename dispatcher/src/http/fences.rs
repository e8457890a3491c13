//! A resident's fences: seen, drawn, changed, deleted.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::fence::Shape;
use domain::id::FenceId;
use domain::whereabouts::Kind;
use domain::word::Word as _;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::fence_rules::check_still;
use super::input::{Asked, At, Told, Words, maybe_whole, whole};
use super::once::{Creating, IdempotencyKey};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, See};
use crate::store::fences::{
    self, Drawn, FENCES_MAX, FenceView, GRACE_MAX_S, GRACE_S, MendView, Wanted, Whose, WrongView,
};
use crate::store::{StoreError, facts, fence_trials, residents};

/// A fence further than this from where somebody lives is a mistake.
const FAR_M: f64 = 100_000.0;

#[derive(Serialize, ToSchema)]
pub(super) struct FencesView {
    fences: Vec<FenceView>,
}

/// A resident's fences
#[utoipa::path(
    get, path = "/api/v1/residents/{id}/fences", tag = "fences",
    responses((status = 200, body = FencesView)),
    security(("session" = ["see"])),
)]
pub(super) async fn list(
    State(api): State<Api>,
    who: May<See>,
    At(resident): At<Uuid>,
) -> Result<Json<FencesView>, ApiError> {
    let mut moment = api.moment().await?;
    if !residents::exists(&mut moment, resident, &who.scope).await? {
        return Err(ApiError::NotFound("resident"));
    }
    let fences = fences::of_resident(&mut moment, resident).await?;
    Ok(Json(FencesView { fences }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Draft {
    name: Words<100>,
    /// What it is for: `corridor` for a shape that is one, and for no other. Without it, as it was; of a new one, `safe`.
    #[serde(default)]
    kind: Option<Purpose>,
    shape: Drawn,
    /// For so many seconds somebody may be where they should not be before anybody is told: 0 to 86400. Without it, as it
    /// was; of a new one, 180.
    #[serde(default, deserialize_with = "maybe_whole")]
    grace_s: Option<i32>,
    #[serde(default = "active")]
    active: bool,
    /// What is to be done when its wearer is outside already, or seems to be: without it the call is refused with
    /// `wearer_outside`. A fence that is not active asks nothing.
    #[serde(default)]
    when_outside: Option<WhenOutside>,
}

/// What is to be done about a wearer who is outside of a fence that is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WhenOutside {
    /// Judge it at once: a case is opened as soon as it is sure that they are outside.
    Alert,
    /// Judge it from when they have been inside.
    Wait,
}

/// A fence as it was saved.
#[derive(Serialize, ToSchema)]
pub(super) struct SavedFence {
    #[serde(flatten)]
    fence: FenceView,
    /// What was put right in the drawing, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mended: Vec<MendView>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    /// Somewhere to stay inside.
    Safe,
    /// Somewhere to keep away from.
    Forbidden,
    /// A way to keep to.
    Corridor,
}

impl From<Purpose> for Kind {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Safe => Self::Safe,
            Purpose::Forbidden => Self::Forbidden,
            Purpose::Corridor => Self::Corridor,
        }
    }
}

const fn active() -> bool {
    true
}

/// Draws a fence
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/fences", tag = "fences",
    params(IdempotencyKey),
    request_body = Draft,
    responses((status = 201, body = SavedFence), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn create(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
    Creating { told: draft, once }: Creating<Draft>,
) -> Result<(StatusCode, Json<SavedFence>), ApiError> {
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, Some(resident), None, &who.scope).await?;
    let whose = whose.ok_or(ApiError::NotFound("resident"))?;
    if let Some(made) = once.made_before(&mut tx, who.id()).await? {
        let view = fences::one(&mut tx, FenceId(made)).await?.ok_or(ApiError::NotFound("fence"))?;
        return Ok((StatusCode::CREATED, Json(SavedFence { fence: view, mended: Vec::new() })));
    }
    if whose.fences >= FENCES_MAX {
        return Err(ApiError::TooManyFences { name: whose.name });
    }
    let when_outside = draft.when_outside;
    let (mut wanted, mended) = draft.read(&whose, None)?;
    ask_if_outside(&mut tx, &whose, None, &mut wanted, when_outside).await?;
    let fence = fences::create(&mut tx, whose.resident, &wanted, Some(who.id())).await?;
    check_still(&mut tx, &whose).await?;
    once.made(&mut tx, who.id(), fence.0).await?;
    let view = fences::one(&mut tx, fence).await?.ok_or(ApiError::NotFound("fence"))?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok((StatusCode::CREATED, Json(SavedFence { fence: view, mended })))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Change {
    /// The version that the editor saw.
    #[serde(deserialize_with = "whole")]
    version: i32,
    #[serde(flatten)]
    draft: Draft,
}

/// Changes a fence that still is what its editor saw
#[utoipa::path(
    put, path = "/api/v1/fences/{id}", tag = "fences",
    request_body = Change,
    responses((status = 200, body = SavedFence), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn change(
    State(api): State<Api>,
    who: May<Administer>,
    At(fence): At<Uuid>,
    Told(Change { version, draft }): Told<Change>,
) -> Result<Json<SavedFence>, ApiError> {
    let fence = FenceId(fence);
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, None, Some(fence), &who.scope).await?.ok_or(ApiError::NotFound("fence"))?;
    let when_outside = draft.when_outside;
    let before = fences::one(&mut tx, fence).await?.ok_or(ApiError::NotFound("fence"))?;
    let (mut wanted, mended) = draft.read(&whose, Some(&before))?;
    if before.version != version {
        return Err(ApiError::EditedMeanwhile(json!(before)));
    }
    // Who only gives it another name is asked nothing.
    if !before.active || before.shape != Drawn::from(&wanted.shape) || before.kind != wanted.kind.as_str() {
        ask_if_outside(&mut tx, &whose, Some(fence), &mut wanted, when_outside).await?;
    }
    let is_changed = fences::change(&mut tx, whose.resident, fence, version, &wanted, who.id()).await?;
    let view = fences::one(&mut tx, fence).await?.ok_or(ApiError::NotFound("fence"))?;
    if !is_changed {
        return Err(ApiError::EditedMeanwhile(json!(view)));
    }
    check_still(&mut tx, &whose).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(SavedFence { fence: view, mended }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Seen {
    /// The version that was seen; none: whichever it is.
    version: Option<i32>,
}

/// Deletes a fence
#[utoipa::path(
    delete, path = "/api/v1/fences/{id}", tag = "fences",
    params(Seen),
    responses((status = 204, description = "Done"), Conflict),
    security(("session" = ["administer"])),
)]
pub(super) async fn delete(
    State(api): State<Api>,
    who: May<Administer>,
    At(fence): At<Uuid>,
    Asked(Seen { version }): Asked<Seen>,
) -> Result<StatusCode, ApiError> {
    let fence = FenceId(fence);
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, None, Some(fence), &who.scope).await?.ok_or(ApiError::NotFound("fence"))?;
    if let Some(version) = version {
        let view = fences::one(&mut tx, fence).await?.ok_or(ApiError::NotFound("fence"))?;
        if view.version != version {
            return Err(ApiError::EditedMeanwhile(json!(view)));
        }
    }
    fences::delete(&mut tx, whose.resident, fence, who.id()).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

impl Draft {
    fn read(self, whose: &Whose, before: Option<&FenceView>) -> Result<(Wanted, Vec<MendView>), ApiError> {
        let (shape, mended) = shape(self.shape, whose)?;
        let is_way = matches!(shape, Shape::Way(_));
        let was =
            before.and_then(|before| Kind::parse(before.kind).ok()).filter(|was| is_way == (*was == Kind::Corridor));
        let kind = self.kind.map(Kind::from).or(was).unwrap_or(if is_way { Kind::Corridor } else { Kind::Safe });
        if is_way != (kind == Kind::Corridor) {
            let why = "a corridor is drawn as a line, and every other fence as a circle or a polygon".to_owned();
            return Err(ApiError::BadField { field: "kind", why });
        }
        let grace_s = grace_s(self.grace_s, before)?;
        let (name, active) = (self.name.into_inner(), self.active);
        Ok((Wanted { name, kind, grace_s, shape, active, awaits: false }, mended))
    }
}

/// The patience that was said, else what it was, else the usual one.
pub(super) fn grace_s(said: Option<i32>, before: Option<&FenceView>) -> Result<i32, ApiError> {
    let grace_s = said.or(before.map(|before| before.grace_s)).unwrap_or(GRACE_S);
    if (0..=GRACE_MAX_S).contains(&grace_s) {
        return Ok(grace_s);
    }
    let why = format!("it must lie between 0 and {GRACE_MAX_S} seconds");
    Err(ApiError::BadField { field: "grace_s", why })
}

/// What somebody drew for a resident, put right, or refused with a sentence and the places.
pub(super) fn shape(drawn: Drawn, whose: &Whose) -> Result<(Shape, Vec<MendView>), ApiError> {
    let (shape, mended) = drawn.mended().map_err(|why| ApiError::BadDrawing {
        reason: why.code(),
        about: why.about(),
        places: why.places(),
        why: why.to_string(),
    })?;
    match too_far(&shape, whose) {
        Some((kilometres, why)) => Err(ApiError::BadDrawing {
            why,
            reason: "drawing_too_far",
            about: WrongView { rings: Vec::new(), number: Some(kilometres) },
            places: vec![[shape.centre().lon_deg(), shape.centre().lat_deg()]],
        }),
        None => Ok((shape, mended)),
    }
}

/// What was heard longer ago does not tell where somebody is.
const LAST_SEEN_WITHIN: SignedDuration = SignedDuration::from_hours(6);

/// A position may be off by so much that does not say by how much, metres.
const USUAL_DOUBT_M: f64 = 100.0;

/// Asks what is to be done when the wearer is where they should not be once this fence is saved, unless that was said. In
/// any other place where they may be they are well: at home, whoever draws the day centre or the way there.
async fn ask_if_outside(
    conn: &mut PgConnection,
    whose: &Whose,
    fence: Option<FenceId>,
    wanted: &mut Wanted,
    when_outside: Option<WhenOutside>,
) -> Result<(), ApiError> {
    if !wanted.active {
        return Ok(());
    }
    let now = facts::now(conn).await?;
    let seen = fence_trials::last_seen(conn, whose.resident.0, now - LAST_SEEN_WITHIN).await?;
    let Some(seen) = seen else { return Ok(()) };
    let Ok(area) = wanted.shape.area() else { return Ok(()) };
    let from_edge = area.distance(seen.place).0;
    let outside = if wanted.kind == Kind::Forbidden { -from_edge } else { from_edge };
    let doubt = seen.accuracy.map_or(USUAL_DOUBT_M, |accuracy| accuracy.0);
    if outside <= doubt {
        return Ok(());
    }
    if wanted.kind != Kind::Forbidden {
        let others = fences::of_resident(conn, whose.resident.0).await?;
        let mut others = others.into_iter().filter(|other| Some(FenceId(other.id)) != fence && other.is_allowed());
        // What lies in the table is a shape.
        let is_within = |other: FenceView| {
            let area = Shape::try_from(other.shape).ok().and_then(|shape| shape.area().ok());
            area.is_some_and(|area| area.distance(seen.place).0 <= doubt)
        };
        if others.any(is_within) {
            return Ok(());
        }
    }
    match when_outside {
        None => {
            Err(ApiError::WearerOutside { name: whose.name.clone(), distance_m: outside.round(), at: seen.received_at })
        }
        Some(WhenOutside::Alert) => Ok(()),
        Some(WhenOutside::Wait) => {
            (wanted.active, wanted.awaits) = (false, true);
            Ok(())
        }
    }
}

/// Why a shape is not about this resident, when it is not.
fn too_far(shape: &Shape, whose: &Whose) -> Option<(f64, String)> {
    let away_m = whose.lives_at?.distance(shape.centre()).0;
    (away_m > FAR_M).then(|| {
        let (kilometres, name) = ((away_m / 1_000.0).round(), &whose.name);
        let why = format!("that is {kilometres} km from where {name} lives; longitude and latitude may be swapped");
        (kilometres, why)
    })
}

#[cfg(test)]
mod tests {
    use domain::id::ResidentId;
    use domain::place::{Metres, Position};

    use super::*;

    #[test]
    fn a_fence_on_the_wrong_continent_is_noticed() {
        let lives_at = Position::new(28.228, 112.938).ok();
        let whose = Whose { resident: ResidentId(Uuid::nil()), name: "陈秀英".into(), lives_at, fences: 0 };
        let circle = |lat, lon| Shape::circle(Position::new(lat, lon).unwrap(), Metres(300.0)).unwrap();
        assert_eq!(too_far(&circle(28.9, 112.9), &whose), None);
        let sentence = "that is 9034 km from where 陈秀英 lives; longitude and latitude may be swapped";
        assert_eq!(too_far(&circle(48.85, 2.35), &whose), Some((9034.0, sentence.to_owned())));
        assert_eq!(too_far(&circle(48.85, 2.35), &Whose { lives_at: None, ..whose }), None);
    }
}
