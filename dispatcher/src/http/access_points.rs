//! The wireless networks of a resident's home: whoever hears one is there.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Told, Words};
use super::openapi::Unprocessable;
use crate::access::{Administer, See};
use crate::store::positions::{self, HomePoint};
use crate::store::residents;

/// No home has more.
const POINTS_MAX: usize = 20;

#[derive(Serialize, ToSchema)]
pub(super) struct PointsView {
    access_points: Vec<HomePoint>,
}

/// The access points of a resident's home, written down or learnt
#[utoipa::path(
    get, path = "/api/v1/residents/{id}/access-points", tag = "residents",
    responses((status = 200, body = PointsView)),
    security(("session" = ["see"])),
)]
pub(super) async fn list(
    State(api): State<Api>,
    who: May<See>,
    At(resident): At<Uuid>,
) -> Result<Json<PointsView>, ApiError> {
    let mut moment = api.moment().await?;
    if !residents::exists(&mut moment, resident, &who.scope).await? {
        return Err(ApiError::NotFound("resident"));
    }
    Ok(Json(PointsView { access_points: positions::home_points(&mut moment, resident).await? }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Entered {
    /// Their addresses (BSSID): `a4:2b:00:01:fe:09`.
    #[schema(max_items = 20)]
    access_points: Vec<Words<20>>,
}

/// Says which access points a resident's home has: these, whatever was learnt
#[utoipa::path(
    put, path = "/api/v1/residents/{id}/access-points", tag = "residents",
    request_body = Entered,
    responses((status = 200, body = PointsView), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn enter(
    State(api): State<Api>,
    who: May<Administer>,
    At(resident): At<Uuid>,
    Told(Entered { access_points }): Told<Entered>,
) -> Result<Json<PointsView>, ApiError> {
    let bad = |why: String| ApiError::BadField { field: "access_points", why };
    if access_points.len() > POINTS_MAX {
        return Err(bad(format!("no home has more than {POINTS_MAX}")));
    }
    let read = |text: Words<20>| {
        let text = text.into_inner();
        positions::mac(&text).ok_or_else(|| bad(format!("{text:?} is no address such as a4:2b:00:01:fe:09")))
    };
    let macs = access_points.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut tx = api.begin().await?;
    if !residents::exists(&mut tx, resident, &who.scope).await? {
        return Err(ApiError::NotFound("resident"));
    }
    positions::enter_home_points(&mut tx, resident, &macs, who.id()).await?;
    let access_points = positions::home_points(&mut tx, resident).await?;
    tx.commit().await?;
    Ok(Json(PointsView { access_points }))
}
