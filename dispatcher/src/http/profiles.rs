//! How terminals with JSON of their own are read, and which terminals share a key with us: for those who administer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use wire::directory::PayloadKey;

use super::Api;
use super::caller::May;
use super::errors::{ApiError, Problem};
use super::input::{Asked, NoWords, Told, Words, maybe_words, maybe_words_schema};
use super::openapi::Unprocessable;
use crate::access::Administer;
use crate::clock;
use crate::store::StoreError;
use crate::store::profiles::{self, KeyedView, UnreadableView, Used};

/// Terminals in one list.
const KEYED_MAX: usize = 200;
/// Without those that are mistaken for one another when they are read out.
const LETTERS: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz_";
/// Letters of a key that is made here; the cipher takes 32.
const KEY_LETTERS: usize = 26;

/// How the JSON of one kind of terminal is read, as a person looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// Whether it comes with the product.
    pub shipped: bool,
    /// `wgs84`, `gcj02` or `bd09`: what its positions are given in.
    pub datum: String,
    /// Topics in which its terminals speak.
    pub up: Vec<String>,
    /// Topics in which they answer.
    pub answers: Vec<String>,
    /// The topic in which they are spoken to.
    pub down: Option<String>,
    /// What is read.
    pub takes: Vec<Taken>,
    /// What raises something.
    pub alarms: Vec<AlarmRule>,
    /// What they can be told, in our own words.
    pub commands: Vec<String>,
}

/// One thing that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Taken {
    /// What it is: `battery`, `position.lat`, `wifi`.
    pub what: String,
    /// Where in the JSON: a pointer, or several.
    pub from: String,
}

/// One place in the JSON that can raise something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlarmRule {
    /// Where in the JSON.
    pub from: String,
    /// What stands there: `1`, `bit 3`, `> 120`.
    pub when: String,
    /// What it raises; whatever is not there is a general alarm.
    pub raises: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ProfilesView {
    /// Those that there are, in the order in which they are defined.
    profiles: Vec<ProfileView>,
    /// Those that terminals name and that there are not: these terminals are not heard.
    missing: Vec<UseView>,
    /// The terminals that name none.
    unnamed: Option<UseView>,
}

#[derive(Serialize, ToSchema)]
struct ProfileView {
    #[serde(flatten)]
    outline: Outline,
    #[serde(flatten)]
    used: UseView,
}

/// The terminals of a profile.
#[derive(Serialize, ToSchema)]
struct UseView {
    /// What they name; null: none.
    profile: Option<String>,
    /// How many there are, of the caller's own residents.
    #[schema(minimum = 0)]
    terminals: i64,
    /// When one of them was last heard.
    heard_at: Option<Timestamp>,
    /// The last message of theirs that nobody could read.
    unreadable: Option<UnreadableView>,
}

impl From<Used> for UseView {
    fn from(Used { profile, terminals, heard_at, unreadable }: Used) -> Self {
        Self { profile, terminals, heard_at, unreadable }
    }
}

/// How terminals with JSON of their own are read: what each profile takes, how many terminals it has, and what could not be
/// read last
///
/// Terminals are those of the caller's own residents; whoever administers the top of the tree sees all of them.
#[utoipa::path(
    get, path = "/api/v1/profiles", tag = "operation",
    responses((status = 200, body = ProfilesView)),
    security(("session" = ["administer"])),
)]
pub(super) async fn profiles(State(api): State<Api>, admin: May<Administer>) -> Result<Json<ProfilesView>, ApiError> {
    let used = profiles::used(&mut *api.moment().await?, &admin.scope).await?;
    Ok(Json(together(&api.profiles(), used)))
}

fn together(outlines: &[Outline], used: Vec<Used>) -> ProfilesView {
    let (mut named, mut unnamed) = (Vec::new(), None);
    for one in used {
        match &one.profile {
            None => unnamed = Some(one.into()),
            Some(_) => named.push(one),
        }
    }
    let mut take =
        |name: &str| named.iter().position(|one| one.profile.as_deref() == Some(name)).map(|at| named.remove(at));
    let profiles = outlines.iter().map(|outline| {
        let nobody = || Used { profile: Some(outline.name.clone()), terminals: 0, heard_at: None, unreadable: None };
        ProfileView { used: take(&outline.name).unwrap_or_else(nobody).into(), outline: outline.clone() }
    });
    let profiles = profiles.collect();
    ProfilesView { profiles, missing: named.into_iter().map(UseView::from).collect(), unnamed }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sought {
    /// What stands in the serial, or in the name of who wears it.
    #[serde(default)]
    #[param(max_length = 100, pattern = r"^[^\u0000]*$")]
    q: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct KeysView {
    /// By serial.
    terminals: Vec<KeyedView>,
    /// There are more: ask for fewer.
    more: bool,
}

/// Which terminals can encrypt what they say, and for which of them there is a key
#[utoipa::path(
    get, path = "/api/v1/payload-keys", tag = "operation",
    params(Sought),
    responses((status = 200, body = KeysView)),
    security(("session" = ["administer"])),
)]
pub(super) async fn keys(
    State(api): State<Api>,
    admin: May<Administer>,
    Asked(Sought { q }): Asked<Sought>,
) -> Result<Json<KeysView>, ApiError> {
    let q = match Words::<100>::new(&q) {
        Ok(words) => words.into_inner(),
        Err(NoWords::Empty) => String::new(),
        Err(why) => return Err(ApiError::BadRequest(format!("q {why}"))),
    };
    let most = i64::try_from(KEYED_MAX).unwrap_or(i64::MAX).saturating_add(1);
    let mut terminals = profiles::keyed(&mut *api.moment().await?, &admin.scope, &q, most).await?;
    let more = terminals.len() > KEYED_MAX;
    terminals.truncate(KEYED_MAX);
    Ok(Json(KeysView { terminals, more }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Keying {
    /// The terminal's name in topics.
    serial: Words<128>,
    /// The key that the phone has already: 32 bytes are the most. Nothing: one is made.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<32>)]
    key: Option<Words<32>>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct KeyedNow {
    serial: String,
    /// The key that was made, for the phone's settings. It is not told again.
    key: Option<String>,
}

/// Sets or replaces the key under which a terminal encrypts what it says
///
/// Who did so is written down, the key is not.
#[utoipa::path(
    put, path = "/api/v1/payload-keys", tag = "operation",
    request_body = Keying,
    responses(
        (status = 200, body = KeyedNow),
        (status = 404, body = Problem, description = "No such terminal"),
        Unprocessable
    ),
    security(("session" = ["administer"])),
)]
pub(super) async fn set_key(
    State(api): State<Api>,
    admin: May<Administer>,
    Told(Keying { serial, key }): Told<Keying>,
) -> Result<Json<KeyedNow>, ApiError> {
    let serial = serial.into_inner();
    let (key, is_made) = match key {
        Some(key) => (key.into_inner(), false),
        None => (fresh(), true),
    };
    let read: Result<PayloadKey, _> = key.parse();
    let read = read.map_err(|why| ApiError::BadField { field: "key", why: why.to_string() })?;
    change(&api, &admin, &serial, Some(&read)).await?;
    Ok(Json(KeyedNow { serial, key: is_made.then_some(key) }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The terminal's name in topics.
    #[param(max_length = 128, pattern = r"^[^\u0000]*$")]
    serial: String,
}

/// Removes the key of a terminal, which encrypts nothing any more
#[utoipa::path(
    delete, path = "/api/v1/payload-keys", tag = "operation",
    params(Whose),
    responses(
        (status = 204, description = "Done"),
        (status = 404, body = Problem, description = "No such terminal")
    ),
    security(("session" = ["administer"])),
)]
pub(super) async fn remove_key(
    State(api): State<Api>,
    admin: May<Administer>,
    Asked(Whose { serial }): Asked<Whose>,
) -> Result<StatusCode, ApiError> {
    if serial.contains('\0') {
        return Err(ApiError::NotFound("terminal"));
    }
    change(&api, &admin, &serial, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(api: &Api, admin: &May<Administer>, serial: &str, key: Option<&PayloadKey>) -> Result<(), ApiError> {
    let mut tx = api.begin().await?;
    if !profiles::set_key(&mut tx, (admin.id(), &admin.scope), serial, key).await? {
        return Err(ApiError::NotFound("terminal"));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// A key that nobody can guess, to be typed or pasted.
fn fresh() -> String {
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte % 32)]);
    clock::random_bytes::<KEY_LETTERS>().into_iter().map(letter).collect()
}

/// The profiles that an API is told of.
pub(super) type Outlines = Arc<[Outline]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_made_is_one() {
        let key: PayloadKey = fresh().parse().unwrap();
        assert_eq!(key.reveal().len(), KEY_LETTERS);
        assert_ne!(fresh(), fresh());
    }
}
