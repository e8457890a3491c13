//! A resident's fences: seen, drawn, changed, deleted.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::fence::Shape;
use domain::id::FenceId;
use domain::whereabouts::Kind;
use domain::word::Word as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{Asked, At, Told, Words, maybe_whole, whole};
use super::once::{Creating, IdempotencyKey};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, See};
use crate::store::fences::{self, Drawn, FENCES_MAX, FenceView, GRACE_MAX_S, GRACE_S, Wanted, Whose};
use crate::store::{StoreError, residents};

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
    responses((status = 201, body = FenceView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn create(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
    Creating { told: draft, once }: Creating<Draft>,
) -> Result<(StatusCode, Json<FenceView>), ApiError> {
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, Some(resident), None, &who.scope).await?;
    let whose = whose.ok_or(ApiError::NotFound("resident"))?;
    if let Some(made) = once.made_before(&mut tx, who.id()).await? {
        let view = fences::one(&mut tx, FenceId(made)).await?.ok_or(ApiError::NotFound("fence"))?;
        return Ok((StatusCode::CREATED, Json(view)));
    }
    if whose.fences >= FENCES_MAX {
        return Err(ApiError::TooManyFences { name: whose.name });
    }
    let wanted = draft.read(&whose, None)?;
    let fence = fences::create(&mut tx, whose.resident, &wanted, Some(who.id())).await?;
    once.made(&mut tx, who.id(), fence.0).await?;
    let view = fences::one(&mut tx, fence).await?.ok_or(ApiError::NotFound("fence"))?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok((StatusCode::CREATED, Json(view)))
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
    responses((status = 200, body = FenceView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn change(
    State(api): State<Api>,
    who: May<Administer>,
    At(fence): At<Uuid>,
    Told(Change { version, draft }): Told<Change>,
) -> Result<Json<FenceView>, ApiError> {
    let fence = FenceId(fence);
    let mut tx = api.begin().await?;
    let whose = fences::whose(&mut tx, None, Some(fence), &who.scope).await?.ok_or(ApiError::NotFound("fence"))?;
    let before = fences::one(&mut tx, fence).await?;
    let wanted = draft.read(&whose, before.as_ref())?;
    let is_changed = fences::change(&mut tx, whose.resident, fence, version, &wanted, who.id()).await?;
    let view = fences::one(&mut tx, fence).await?.ok_or(ApiError::NotFound("fence"))?;
    if !is_changed {
        return Err(ApiError::EditedMeanwhile(json!(view)));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(view))
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
    fn read(self, whose: &Whose, before: Option<&FenceView>) -> Result<Wanted, ApiError> {
        let bad = |why: String| ApiError::BadField { field: "shape", why };
        let shape = Shape::try_from(self.shape).map_err(|why| bad(why.to_string()))?;
        if let Some(why) = too_far(&shape, whose) {
            return Err(bad(why));
        }
        let is_way = matches!(shape, Shape::Way(_));
        let was =
            before.and_then(|before| Kind::parse(before.kind).ok()).filter(|was| is_way == (*was == Kind::Corridor));
        let kind = self.kind.map(Kind::from).or(was).unwrap_or(if is_way { Kind::Corridor } else { Kind::Safe });
        if is_way != (kind == Kind::Corridor) {
            let why = "a corridor is drawn as a line, and every other fence as a circle or a polygon".to_owned();
            return Err(ApiError::BadField { field: "kind", why });
        }
        let grace_s = self.grace_s.or(before.map(|before| before.grace_s)).unwrap_or(GRACE_S);
        if !(0..=GRACE_MAX_S).contains(&grace_s) {
            let why = format!("it must lie between 0 and {GRACE_MAX_S} seconds");
            return Err(ApiError::BadField { field: "grace_s", why });
        }
        Ok(Wanted { name: self.name.into_inner(), kind, grace_s, shape, active: self.active })
    }
}

/// Why a shape is not about this resident, when it is not.
fn too_far(shape: &Shape, whose: &Whose) -> Option<String> {
    let away_m = whose.lives_at?.distance(shape.centre()).0;
    (away_m > FAR_M).then(|| {
        let (kilometres, name) = ((away_m / 1_000.0).round(), &whose.name);
        format!("that is {kilometres} km from where {name} lives; longitude and latitude may be swapped")
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
        assert_eq!(too_far(&circle(48.85, 2.35), &whose).as_deref(), Some(sentence));
        assert_eq!(too_far(&circle(48.85, 2.35), &Whose { lives_at: None, ..whose }), None);
    }
}
