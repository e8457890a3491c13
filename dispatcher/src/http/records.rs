//! A resident's record, changed by an administrator over the version that they saw.

use axum::Json;
use axum::extract::State;
use domain::place::Position;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Told, Words, maybe_whole, maybe_words, maybe_words_schema, said, whole};
use super::openapi::{Conflict, Unprocessable};
use crate::access::Administer;
use crate::contact;
use crate::store::record::{self, Contact, Held, Record, Webhook};
use crate::store::residents::{self, Kept};
use crate::store::{StoreError, tree};

/// A home that lies further from the district than this is a slip, in metres.
const FAR_M: f64 = 200_000.0;
/// Nobody who is alive was born before.
const BORN_MIN: i16 = 1890;
/// More contacts than this are a list of something else.
const CONTACTS_MAX: usize = 20;
/// Emergency numbers have three digits; nobody's has more than these.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 3..=20;

/// The whole record as it is to be. Every field is named, so that none is lost by being forgotten; null is nothing.
#[derive(Deserialize, ToSchema)]
#[schema(as = RecordChange)]
pub(super) struct Change {
    /// The version that the editor saw.
    #[serde(deserialize_with = "whole")]
    version: i32,
    #[serde(flatten)]
    draft: Draft,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = RecordDraft)]
struct Draft {
    name: Words<100>,
    #[serde(deserialize_with = "said")]
    #[schema(required = true)]
    sex: Option<Sex>,
    #[serde(deserialize_with = "maybe_whole")]
    #[schema(required = true, minimum = 0, maximum = 9_999)]
    born_in: Option<i16>,
    #[serde(deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<40>, required = true)]
    phone: Option<Words<40>>,
    #[serde(deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<100>, required = true)]
    category: Option<Words<100>>,
    address: Words<300>,
    #[serde(deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<500>, required = true)]
    door_access: Option<Words<500>>,
    #[serde(deserialize_with = "said")]
    #[schema(required = true)]
    home: Option<Home>,
    #[serde(deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<4000>, required = true)]
    medical_card: Option<Words<4000>>,
    /// Noted as soon in danger: their cases come first among others of their kind.
    medical_risk: bool,
    /// Who is to come with daily help, when they ask for it.
    #[serde(deserialize_with = "said")]
    #[schema(required = true)]
    wants_sex: Option<Sex>,
    /// What whoever comes with daily help is to speak.
    #[serde(deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<30>, required = true)]
    wants_language: Option<Words<30>>,
    /// The first to be told first.
    contacts: Vec<ContactDraft>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sex {
    Female,
    Male,
}

impl Sex {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
        }
    }
}

/// Degrees, WGS-84.
#[derive(Deserialize, ToSchema)]
#[schema(as = HomeDraft)]
struct Home {
    #[schema(minimum = -90, maximum = 90)]
    lat: f64,
    #[schema(minimum = -180, maximum = 180)]
    lon: f64,
}

#[derive(Deserialize, ToSchema)]
struct ContactDraft {
    /// Under which rank the editor saw them: what is not said here stays as it was. None: new.
    #[serde(default, deserialize_with = "maybe_whole")]
    #[schema(minimum = 1, maximum = 32_767)]
    was: Option<i16>,
    name: Words<100>,
    #[serde(default)]
    #[schema(max_length = 100, pattern = r"^[^\u0000]*$")]
    relation: String,
    phone: Words<40>,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<254>)]
    email: Option<Words<254>>,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<1000>)]
    webhook_url: Option<Words<1000>>,
    /// None: as before, while the address is.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<200>)]
    webhook_secret: Option<Words<200>>,
}

/// Changes a resident's record that still is what its editor saw
///
/// It is written down who changed what; not what it says now.
#[utoipa::path(
    put, path = "/api/v1/residents/{id}", tag = "residents",
    request_body = Change,
    responses((status = 200, body = Kept), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn change(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(Change { version, draft }): Told<Change>,
) -> Result<Json<Kept>, ApiError> {
    let mut tx = api.begin().await?;
    let held = record::hold(&mut tx, id, &who.scope).await?.ok_or(ApiError::NotFound("resident"))?;
    let kept = |kept: Option<Kept>| kept.ok_or(ApiError::NotFound("resident"));
    if held.version != version {
        let current = kept(residents::kept(&mut tx, id, &who.scope, Some(&who.scope)).await?)?;
        return Err(ApiError::EditedMeanwhile(json!(current)));
    }
    let district = tree::centre(&mut tx).await?;
    let wanted = draft.read(&held, district)?;
    record::write(&mut tx, id, (&held.record, &wanted), who.id()).await?;
    let changed = kept(residents::kept(&mut tx, id, &who.scope, Some(&who.scope)).await?)?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(changed))
}

fn words<const MAX: usize>(words: Option<Words<MAX>>) -> Option<String> {
    words.map(Words::into_inner)
}

impl Draft {
    fn read(self, held: &Held, district: Option<Position>) -> Result<Record, ApiError> {
        let bad = |field: &'static str| move |why: String| ApiError::BadField { field, why };
        if let Some(year) = self.born_in.filter(|year| !(BORN_MIN..=held.this_year).contains(year)) {
            return Err(bad("born_in")(format!("nobody here was born in {year}")));
        }
        let home = self.home.map(|home| home.read(district)).transpose().map_err(bad("home"))?;
        if self.contacts.len() > CONTACTS_MAX {
            return Err(bad("contacts")(format!("{} are too many: at most {CONTACTS_MAX}", self.contacts.len())));
        }
        let mut seen = Vec::new();
        for was in self.contacts.iter().filter_map(|contact| contact.was) {
            if seen.contains(&was) || !held.ranks.contains(&was) {
                return Err(bad("contacts")(format!("there is no contact {was}, or they stand there twice")));
            }
            seen.push(was);
        }
        Ok(Record {
            name: self.name.into_inner(),
            sex: self.sex.map(|sex| sex.word().to_owned()),
            born_in: self.born_in,
            phone: words(self.phone).map(phone).transpose().map_err(bad("phone"))?,
            category: words(self.category),
            address: self.address.into_inner(),
            door_access: words(self.door_access),
            home: home.map(|home| same_place(held.record.home, home)),
            medical_card: words(self.medical_card),
            medical_risk: self.medical_risk,
            wants_sex: self.wants_sex.map(|sex| sex.word().to_owned()),
            wants_language: words(self.wants_language),
            contacts: self
                .contacts
                .into_iter()
                .map(|contact| contact.read(held))
                .collect::<Result<_, _>>()
                .map_err(bad("contacts"))?,
        })
    }
}

/// What was read back from a page differs in the last digits from what is kept.
fn same_place(before: Option<Position>, after: Position) -> Position {
    before.filter(|before| before.distance(after).0 < 0.1).unwrap_or(after)
}

impl Home {
    fn read(self, district: Option<Position>) -> Result<Position, String> {
        let at = Position::new(self.lat, self.lon).map_err(|why| format!("is no place: {why}"))?;
        let away_m = district.map_or(0.0, |district| district.distance(at).0);
        if away_m > FAR_M {
            let kilometres = (away_m / 1_000.0).round();
            return Err(format!("that is {kilometres} km from the district; longitude and latitude may be swapped"));
        }
        Ok(at)
    }
}

fn phone(text: String) -> Result<String, String> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_plain = text.chars().all(|character| character.is_ascii_digit() || " -+()".contains(character));
    if is_plain && PHONE_DIGITS.contains(&digits) {
        Ok(text)
    } else {
        Err(format!("“{text}” is no telephone number: it takes digits, spaces and dashes"))
    }
}

impl ContactDraft {
    fn read(self, held: &Held) -> Result<Contact, String> {
        let name = self.name.into_inner();
        let bad = |why: String| format!("{name}: {why}");
        let before = held.ranks.iter().position(|rank| Some(*rank) == self.was).map(|at| &held.record.contacts[at]);
        let phone = phone(self.phone.into_inner()).map_err(bad)?;
        let address = |text: String, read: fn(&str) -> Result<String, contact::BadAddress>, what: &str| {
            read(&text).map_err(|why| bad(format!("{what} {why}")))
        };
        let email = words(self.email).map(|text| address(text, contact::email, "the e-mail address")).transpose()?;
        let secret = words(self.webhook_secret).map(|text| address(text, contact::secret, "the key")).transpose()?;
        let url = words(self.webhook_url).map(|text| address(text, contact::webhook, "the webhook's")).transpose()?;
        let kept = before.and_then(|before| before.webhook.as_ref());
        let webhook = match (url, secret) {
            (Some(url), Some(secret)) => Some(Webhook { url, secret }),
            (Some(url), None) => match kept.filter(|kept| kept.url == url) {
                Some(kept) => Some(kept.clone()),
                None => return Err(bad("a new address of a webhook needs a key that signs its messages".into())),
            },
            (None, Some(_)) => return Err(bad("a key without an address of a webhook signs nothing".into())),
            (None, None) => None,
        };
        let relation = self.relation.trim().to_owned();
        if relation.chars().count() > 100 || relation.contains('\0') {
            return Err(bad("the relation is longer than 100 characters, or holds one that cannot be kept".into()));
        }
        let told_of = || ["emergency", "wandering", "welfare"].map(str::to_owned).to_vec();
        Ok(Contact {
            relation,
            phone,
            email,
            webhook,
            told_of: before.map_or_else(told_of, |before| before.told_of.clone()),
            language: before.map_or_else(|| "zh".to_owned(), |before| before.language.clone()),
            name,
        })
    }
}
