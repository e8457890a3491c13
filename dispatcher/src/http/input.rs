//! What callers say, parsed at the edge into types that cannot be wrong.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use domain::word::Word;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, SchemaType};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::errors::ApiError;

/// A JSON body. No body at all counts as `{}`, so that a call which needs nothing may say nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Told<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_json = is_json(request.headers());
        let body = Bytes::from_request(request, state).await?;
        read(&body, is_json).map(Self)
    }
}

/// Reads a body that is a JSON object, or nothing.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8], is_json: bool) -> Result<T, ApiError> {
    // A form on a foreign page can send text, but not this type without being asked for leave.
    if !body.is_empty() && !is_json {
        return Err(ApiError::BadRequest("the body must be application/json".into()));
    }
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    // An array would be read as an object's values in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::BadRequest("the body must be a JSON object".into()));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::BadRequest(format!("the body: {error}")))
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            Self::TooLarge
        } else {
            Self::BadRequest("the body broke off".into())
        }
    }
}

/// What the path says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // A path that cannot be an id leads nowhere.
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(at)| Self(at))
            .map_err(|_: PathRejection| ApiError::NotFound("thing"))
    }
}

/// What the query says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(asked)| Self(asked))
            .map_err(|rejection: QueryRejection| ApiError::BadRequest(rejection.body_text()))
    }
}

/// How many things a page holds: `DEFAULT`, or as many as somebody asks for, from 1 to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit<const DEFAULT: u16, const MAX: u16>(u16);

impl<const DEFAULT: u16, const MAX: u16> Limit<DEFAULT, MAX> {
    pub(crate) const fn get(self) -> u16 {
        self.0
    }
}

impl<const DEFAULT: u16, const MAX: u16> Default for Limit<DEFAULT, MAX> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<'de, const DEFAULT: u16, const MAX: u16> Deserialize<'de> for Limit<DEFAULT, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = u16::deserialize(deserializer)?;
        if (1..=MAX).contains(&limit) {
            Ok(Self(limit))
        } else {
            Err(serde::de::Error::custom(format!("a number from 1 to {MAX}")))
        }
    }
}

impl<const DEFAULT: u16, const MAX: u16> PartialSchema for Limit<DEFAULT, MAX> {
    fn schema() -> RefOr<Schema> {
        let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(MAX));
        limit.default(Some(DEFAULT.into())).into()
    }
}

impl<const DEFAULT: u16, const MAX: u16> ToSchema for Limit<DEFAULT, MAX> {}

/// Words that somebody wrote: trimmed, not empty, at most `MAX` characters, none of them U+0000,
/// which the database cannot keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words<const MAX: usize>(String);

impl<const MAX: usize> Words<MAX> {
    /// Reads them.
    pub(crate) fn new(text: &str) -> Result<Self, NoWords> {
        let text = text.trim();
        if text.is_empty() {
            Err(NoWords::Empty)
        } else if text.contains('\0') {
            Err(NoWords::Nul)
        } else if text.chars().count() > MAX {
            Err(NoWords::TooLong(MAX))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The words.
    pub(crate) fn into_inner(self) -> String {
        self.0
    }
}

/// Why a text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoWords {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// U+0000 in it.
    #[error("holds a character that cannot be kept")]
    Nul,
    /// Too much of it.
    #[error("is longer than {0} characters")]
    TooLong(usize),
}

impl<const MAX: usize> PartialSchema for Words<MAX> {
    fn schema() -> RefOr<Schema> {
        let words = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX));
        // Something must be there that is no blank (U+0085 is one, which JavaScript does not know), and nothing that
        // is U+0000.
        words.pattern(Some(r"^[^\u0000]*[^\s\u0085\u0000][^\u0000]*$")).into()
    }
}

impl<const MAX: usize> ToSchema for Words<MAX> {
    fn name() -> Cow<'static, str> {
        format!("WordsTo{MAX}").into()
    }
}

/// The schema of what [`maybe_words`] reads.
pub(crate) fn maybe_words_schema<const MAX: usize>() -> RefOr<Schema> {
    let types = SchemaType::from_iter([Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(types).max_length(Some(MAX)).pattern(Some(r"^[^\u0000]*$")).into()
}

/// The schema of an id that need not be told.
pub(crate) fn maybe_id_schema() -> RefOr<Schema> {
    let id = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    OneOfBuilder::new().item(id).item(ObjectBuilder::new().schema_type(Type::Null)).into()
}

/// Year and month of `2026-03`, which is the only way to write it.
pub(crate) fn year_and_month(text: &str) -> Option<(i16, i8)> {
    let (year, month) = text.split_once('-')?;
    let all_digits = |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(year, 4) || !all_digits(month, 2) {
        return None;
    }
    let (year, month) = (year.parse().ok()?, month.parse().ok()?);
    (1..=12).contains(&month).then_some((year, month))
}

/// A whole number, also one that is told as `3.0`: JSON has numbers of one kind only.
pub(crate) fn whole<'de, T: TryFrom<i64>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let told_as_fraction =
        || number.as_f64().filter(|told| told.fract() == 0.0).and_then(|told| told.to_string().parse().ok());
    let whole = number.as_i64().or_else(told_as_fraction);
    whole
        .and_then(|whole| T::try_from(whole).ok())
        .ok_or_else(|| serde::de::Error::custom(format!("{number} is no whole number, or too large a one")))
}

/// The same, where nothing may be told.
pub(crate) fn maybe_whole<'de, T: TryFrom<i64>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(bound = "T: TryFrom<i64>")]
    struct Whole<T>(#[serde(deserialize_with = "whole")] T);
    Ok(Option::<Whole<T>>::deserialize(deserializer)?.map(|Whole(whole)| whole))
}

/// A value or null, but said: otherwise what is missing would be null, too.
pub(crate) fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// The schema of a closed vocabulary.
pub(crate) fn word_schema<W: Word>() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(W::ALL.iter().map(|word| word.as_str()))).into()
}

impl<'de, const MAX: usize> Deserialize<'de> for Words<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(|error| serde::de::Error::custom(format!("the text {error}")))
    }
}

/// The same, where nothing may be said: null and nothing but blanks are nothing.
pub(crate) fn maybe_words<'de, const MAX: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Words<MAX>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    match text.as_deref().map(Words::new) {
        None | Some(Err(NoWords::Empty)) => Ok(None),
        Some(Ok(words)) => Ok(Some(words)),
        Some(Err(error)) => Err(serde::de::Error::custom(format!("the text {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_trimmed_and_bounded() {
        assert_eq!(Words::<3>::new("  老人家 ").unwrap().into_inner(), "老人家");
        assert_eq!(Words::<3>::new(" \n"), Err(NoWords::Empty));
        assert_eq!(Words::<3>::new("abcd"), Err(NoWords::TooLong(3)));
        assert_eq!(Words::<3>::new("a\0"), Err(NoWords::Nul));
    }
}
