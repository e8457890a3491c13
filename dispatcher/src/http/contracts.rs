//! Who has which contract: read by those who oversee, changed by administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::dispatch::GRADE_BEST;
use domain::fence::Shape;
use domain::hours::{BadHours, Hours, Opening};
use domain::id::ProviderId;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{Asked, At, Told, Words, maybe_whole, maybe_words, maybe_words_schema, said, whole};
use super::once::{Creating, IdempotencyKey};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, Oversee, Scope};
use crate::store::contracts::{self, Area, ContractView, ProviderContractsView, Terms};
use crate::store::fences::Drawn;

/// More people at once than any provider has.
const CAPACITY_MAX: i64 = 10_000;
/// More parts than an area needs.
const PARTS_MAX: usize = 50;

#[derive(Serialize, ToSchema)]
pub(super) struct ProvidersView {
    /// By name.
    providers: Vec<ProviderContractsView>,
}

/// Providers and what they are contracted for
#[utoipa::path(
    get, path = "/api/v1/providers", tag = "providers",
    responses((status = 200, body = ProvidersView)),
    security(("session" = ["oversee"])),
)]
pub(super) async fn providers(State(api): State<Api>, who: May<Oversee>) -> Result<Json<ProvidersView>, ApiError> {
    let administers = Scope::of::<Administer>(&who.caller.user.grants);
    let providers = contracts::providers(&mut *api.moment().await?, &who.scope, administers.as_ref()).await?;
    Ok(Json(ProvidersView { providers }))
}

/// A contract as it is to be. Every field is named, so that none is lost by being forgotten; null is nothing.
#[derive(Deserialize, ToSchema)]
#[schema(as = ContractDraft)]
pub(super) struct Draft {
    /// Below which node it holds.
    node: Uuid,
    /// For what: a word of the list, or `emergency`.
    category: Words<100>,
    /// The first day on which it holds.
    #[schema(format = Date)]
    since: String,
    /// The last; null: it has no end.
    #[serde(deserialize_with = "said")]
    #[schema(format = Date, required = true)]
    until: Option<String>,
    /// At which hours of the week; null: at all.
    #[serde(deserialize_with = "said")]
    #[schema(required = true)]
    hours: Option<Vec<OpeningDraft>>,
    /// Where below the node, as `GeoJSON`; null: everywhere.
    #[serde(deserialize_with = "said")]
    #[schema(required = true)]
    area: Option<Area>,
    /// What kind of price it is for.
    #[serde(deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<100>, required = true)]
    price_class: Option<Words<100>>,
    /// So many of the provider's people at once, at most; null: as many as there are.
    #[serde(deserialize_with = "maybe_whole")]
    #[schema(required = true, minimum = 1, maximum = 10_000)]
    capacity: Option<i64>,
    /// How good the work is held to be, 5 the best; null: not judged.
    #[serde(deserialize_with = "maybe_whole")]
    #[schema(required = true, minimum = 1, maximum = 5)]
    grade: Option<i64>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct OpeningDraft {
    /// 1 is Monday, 7 is Sunday.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 7)]
    weekday: i64,
    /// `08:00`, by the district's own time.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    from: String,
    /// `18:00`, up to `24:00`.
    #[schema(pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
    until: String,
}

fn bad(field: &'static str, why: &(impl ToString + ?Sized)) -> ApiError {
    ApiError::BadField { field, why: why.to_string() }
}

fn day(field: &'static str, text: &str) -> Result<Date, ApiError> {
    let read = text.parse::<Date>().ok().filter(|day| day.to_string() == text && (2000..2200).contains(&day.year()));
    read.ok_or_else(|| bad(field, &format!("“{text}” is no day such as 2026-11-01")))
}

/// A whole number in a range, or nothing.
fn within<T: TryFrom<i64>>(field: &'static str, told: Option<i64>, max: i64) -> Result<Option<T>, ApiError> {
    let out_of_range = |told| bad(field, &format!("{told} is out of range: it takes 1 to {max}, or nothing"));
    told.map(|told| {
        let read = T::try_from(told).ok().filter(|_| (1..=max).contains(&told));
        read.ok_or_else(|| out_of_range(told))
    })
    .transpose()
}

impl Draft {
    fn read(self) -> Result<Terms, ApiError> {
        let since = day("since", &self.since)?;
        let until = self.until.map(|until| day("until", &until)).transpose()?;
        if let Some(until) = until.filter(|until| *until < since) {
            return Err(bad("until", &format!("it would end on {until}, before it begins on {since}")));
        }
        let hours = |openings: Vec<OpeningDraft>| {
            let openings = openings.iter().map(|told| Opening::new(told.weekday, &told.from, &told.until));
            Hours::new(openings.collect::<Result<_, BadHours>>()?)
        };
        Ok(Terms {
            node: self.node,
            category: self.category.into_inner(),
            since,
            until,
            hours: self.hours.map(hours).transpose().map_err(|why| bad("hours", &why))?,
            area: self.area.map(rings).transpose()?,
            price_class: self.price_class.map(Words::into_inner),
            capacity: within("capacity", self.capacity, CAPACITY_MAX)?,
            grade: within("grade", self.grade, GRADE_BEST.into())?,
        })
    }
}

/// The rings of each part of an area, closed. Each part is an area that a fence could be.
fn rings(area: Area) -> Result<Vec<Vec<Vec<[f64; 2]>>>, ApiError> {
    let parts = match area {
        Area::Polygon { coordinates } => vec![coordinates],
        Area::MultiPolygon { coordinates } => coordinates,
    };
    match parts.len() {
        0 => return Err(bad("area", "there is nothing in it; say nothing for everywhere")),
        1..=PARTS_MAX => {}
        many => return Err(bad("area", &format!("it has {many} parts; at most {PARTS_MAX} are taken"))),
    }
    let closed = |coordinates| match Shape::try_from(Drawn::Polygon { coordinates }) {
        Ok(shape) => match Drawn::from(&shape) {
            Drawn::Polygon { coordinates } => Ok(coordinates),
            Drawn::Circle { .. } | Drawn::Corridor { .. } => Err(bad("area", "it is no polygon")),
        },
        Err(why) => Err(bad("area", &why)),
    };
    parts.into_iter().map(closed).collect()
}

/// Refuses terms that cannot be, as the provider's other contracts are held.
async fn require(
    conn: &mut PgConnection,
    of: (ProviderId, Option<Uuid>),
    terms: &Terms,
    scope: &Scope,
) -> Result<(), ApiError> {
    match contracts::objection(conn, of, terms, scope).await? {
        Some((field, why)) => Err(bad(field, &why)),
        None => Ok(()),
    }
}

async fn view(conn: &mut PgConnection, id: Uuid, scope: &Scope) -> Result<Json<ContractView>, ApiError> {
    contracts::one(conn, id, scope, Some(scope)).await?.map(Json).ok_or(ApiError::NotFound("contract"))
}

/// Agrees on a contract with a provider
#[utoipa::path(
    post, path = "/api/v1/providers/{id}/contracts", tag = "providers",
    params(IdempotencyKey),
    request_body = Draft,
    responses((status = 201, body = ContractView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn make_contract(
    State(api): State<Api>,
    who: May<Administer>,
    At(provider): At<Uuid>,
    Creating { told: draft, once }: Creating<Draft>,
) -> Result<(StatusCode, Json<ContractView>), ApiError> {
    let provider = ProviderId(provider);
    let mut tx = api.begin().await?;
    if !contracts::sees_provider(&mut tx, provider, &who.scope).await? {
        return Err(ApiError::NotFound("provider"));
    }
    if let Some(made) = once.made_before(&mut tx, who.id()).await? {
        return Ok((StatusCode::CREATED, view(&mut tx, made, &who.scope).await?));
    }
    let terms = draft.read()?;
    contracts::hold(&mut tx, provider).await?;
    require(&mut tx, (provider, None), &terms, &who.scope).await?;
    let id = contracts::make(&mut tx, provider, &terms, who.id()).await?;
    once.made(&mut tx, who.id(), id).await?;
    let view = view(&mut tx, id, &who.scope).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, view))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ContractChange)]
pub(super) struct Change {
    /// The version that the editor saw.
    #[serde(deserialize_with = "whole")]
    version: i32,
    #[serde(flatten)]
    draft: Draft,
}

/// The contract that is to be changed, with its provider's held, and still as it was seen.
async fn held(
    conn: &mut PgConnection,
    id: Uuid,
    version: Option<i32>,
    scope: &Scope,
) -> Result<ContractView, ApiError> {
    let Json(seen) = view(conn, id, scope).await?;
    contracts::hold(conn, ProviderId(seen.provider)).await?;
    let Json(held) = view(conn, id, scope).await?;
    // Who sees to a provider sees its contracts elsewhere, too, which are others' to change.
    if !held.editable {
        return Err(ApiError::NotFound("contract"));
    }
    if version.is_some_and(|version| version != held.version) {
        return Err(ApiError::EditedMeanwhile(json!(held)));
    }
    Ok(held)
}

/// Changes a contract that still is what its editor saw
#[utoipa::path(
    put, path = "/api/v1/contracts/{id}", tag = "providers",
    request_body = Change,
    responses((status = 200, body = ContractView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn change_contract(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(Change { version, draft }): Told<Change>,
) -> Result<Json<ContractView>, ApiError> {
    let mut tx = api.begin().await?;
    let held = held(&mut tx, id, Some(version), &who.scope).await?;
    let terms = draft.read()?;
    require(&mut tx, (ProviderId(held.provider), Some(id)), &terms, &who.scope).await?;
    contracts::change(&mut tx, id, &terms, who.id()).await?;
    let view = view(&mut tx, id, &who.scope).await?;
    tx.commit().await?;
    Ok(view)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SeenQuery {
    /// The version that was seen; none: whichever it is.
    version: Option<i32>,
}

/// Ends a contract at once
///
/// Yesterday was its last day; one that has not held for a whole day yet is taken away. To end it later, change
/// `until`.
#[utoipa::path(
    delete, path = "/api/v1/contracts/{id}", tag = "providers",
    params(SeenQuery),
    responses((status = 204, description = "It is over"), Conflict),
    security(("session" = ["administer"])),
)]
pub(super) async fn end_contract(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Asked(SeenQuery { version }): Asked<SeenQuery>,
) -> Result<StatusCode, ApiError> {
    let mut tx = api.begin().await?;
    held(&mut tx, id, version, &who.scope).await?;
    contracts::end(&mut tx, id, who.id()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
