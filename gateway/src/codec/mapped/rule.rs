//! How one value is found in the JSON and read: pointers, units, times, flags.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use wire::report::Doubt;

use super::super::reading;

/// Where something stands in a document (RFC 6901); empty for the whole of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no JSON pointer: it begins with /, for example /battery"))
        }
    }
}

impl Pointer {
    /// As it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Number {
    /// Where.
    pub(super) from: Pointer,
    /// What it is given in; the unit of the thing itself when left out.
    #[serde(default)]
    pub(super) unit: Unit,
    /// What it has to be multiplied with, before the unit.
    #[serde(default = "one")]
    pub(super) factor: f64,
    /// Values that stand for "not known".
    #[serde(default)]
    pub(super) unknown: Vec<f64>,
}

fn one() -> f64 {
    1.0
}

/// Units that are not our own, which are km/h, metres, degrees Celsius and per cent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
pub(super) enum Unit {
    /// As it is.
    #[default]
    #[serde(rename = "own")]
    Own,
    /// Metres a second.
    #[serde(rename = "m/s")]
    MetresPerSecond,
    /// Centimetres a second.
    #[serde(rename = "cm/s")]
    CentimetresPerSecond,
    /// Nautical miles an hour.
    #[serde(rename = "knots")]
    Knots,
    /// Miles an hour.
    #[serde(rename = "mph")]
    MilesPerHour,
    /// Kilometres.
    #[serde(rename = "km")]
    Kilometres,
    /// Feet.
    #[serde(rename = "ft")]
    Feet,
    /// Degrees Fahrenheit.
    #[serde(rename = "fahrenheit")]
    Fahrenheit,
    /// Between 0 and 1.
    #[serde(rename = "fraction")]
    Fraction,
}

impl Unit {
    fn to_own(self, number: f64) -> f64 {
        match self {
            Self::Own => number,
            Self::MetresPerSecond => number * 3.6,
            Self::CentimetresPerSecond => number * 0.036,
            Self::Knots => number * 1.852,
            Self::MilesPerHour => number * 1.609_344,
            Self::Kilometres => number * 1000.0,
            Self::Feet => number * 0.3048,
            Self::Fahrenheit => (number - 32.0) / 1.8,
            Self::Fraction => number * 100.0,
        }
    }
}

/// Yes or no.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flag {
    /// Where.
    pub(super) from: Pointer,
    /// Words for yes.
    #[serde(default = "yes")]
    pub(super) yes: Vec<Value>,
    /// Words for no.
    #[serde(default = "no")]
    pub(super) no: Vec<Value>,
}

/// What says yes, unless the profile says otherwise.
pub(super) fn yes() -> Vec<Value> {
    ["true", "1", "yes", "on", "y"].map(Value::from).to_vec()
}

fn no() -> Vec<Value> {
    ["false", "0", "no", "off", "n"].map(Value::from).to_vec()
}

/// A time, from one value or several put together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    /// Where; several are read one after the other.
    #[serde(deserialize_with = "one_or_many")]
    pub(super) from: Vec<Pointer>,
    /// `strftime`'s letters; without, RFC 3339 or seconds or milliseconds since 1970.
    #[serde(default)]
    pub(super) format: Option<String>,
    /// Numbers are filled up with zeros in front to this many digits, each.
    #[serde(default)]
    pub(super) digits: usize,
}

impl From<Pointer> for Number {
    fn from(from: Pointer) -> Self {
        Self { from, unit: Unit::Own, factor: 1.0, unknown: Vec::new() }
    }
}

impl From<Pointer> for Flag {
    fn from(from: Pointer) -> Self {
        Self { from, yes: yes(), no: no() }
    }
}

impl From<Pointer> for Time {
    fn from(from: Pointer) -> Self {
        Self { from: vec![from], format: None, digits: 0 }
    }
}

/// Reads `"/pointer"` as the rule with nothing else in it, or the whole rule.
pub(super) fn short<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + From<Pointer>,
{
    struct Either<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de> + From<Pointer>> Visitor<'de> for Either<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON pointer, or a table with from = a JSON pointer")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            Pointer::try_from(text.to_owned()).map(T::from).map_err(E::custom)
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(Either(std::marker::PhantomData)).map(Some)
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pointer>, D::Error> {
    struct Either;
    impl<'de> Visitor<'de> for Either {
        type Value = Vec<Pointer>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON pointer, or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Pointer::try_from(text.to_owned()).map(|pointer| vec![pointer]).map_err(E::custom)
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
            let mut pointers = Vec::new();
            while let Some(pointer) = list.next_element()? {
                pointers.push(pointer);
            }
            if pointers.is_empty() { Err(S::Error::custom("an empty list says nothing")) } else { Ok(pointers) }
        }
    }
    deserializer.deserialize_any(Either)
}

/// A document being read by rules.
#[derive(Debug)]
pub(super) struct Page<'v> {
    root: &'v Value,
    offset: Offset,
    /// What could not be read so far.
    pub(super) doubts: Vec<Doubt>,
    /// Whether anything stood where a rule looked for it.
    pub(super) knows_it: bool,
}

impl<'v> Page<'v> {
    pub(super) fn new(root: &'v Value, offset: Offset) -> Self {
        Self { root, offset, doubts: Vec::new(), knows_it: false }
    }

    /// A part of it, to be read by itself; [`take_back`](Self::take_back) its doubts.
    pub(super) fn part(&self, root: &'v Value) -> Self {
        Self::new(root, self.offset)
    }

    pub(super) fn take_back(&mut self, part: Self) {
        self.knows_it |= part.knows_it;
        self.doubts.extend(part.doubts);
    }

    /// Notes that what stands there could not be read.
    pub(super) fn doubt(&mut self, at: &Pointer) {
        let name = reading::printable(at.0.trim_start_matches('/'), 64);
        self.doubts.push(Doubt::Field { name });
    }

    /// What stands there, unless it is null.
    pub(super) fn value(&mut self, at: &Pointer) -> Option<&'v Value> {
        let value = self.root.pointer(&at.0).filter(|value| !value.is_null())?;
        self.knows_it = true;
        Some(value)
    }

    /// Reads what stands there; what is there and cannot be read is a doubt.
    pub(super) fn read<T>(&mut self, at: &Pointer, read: impl FnOnce(&'v Value) -> Option<T>) -> Option<T> {
        let got = read(self.value(at)?);
        if got.is_none() {
            self.doubt(at);
        }
        got
    }

    /// A number in our own unit.
    pub(super) fn number(&mut self, rule: &Number, range: RangeInclusive<f64>) -> Option<f64> {
        // An empty string is nothing.
        let told = self.read(&rule.from, |value| match value {
            Value::String(text) if text.trim().is_empty() => Some(None),
            value => reading::number(value).map(Some),
        })??;
        if rule.unknown.contains(&told) {
            return None;
        }
        let number = rule.unit.to_own(told * rule.factor);
        if !range.contains(&number) {
            self.doubt(&rule.from);
            return None;
        }
        Some(number)
    }

    /// 0–100; fractions are cut off.
    pub(super) fn percent(&mut self, rule: &Number) -> Option<u8> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
        self.number(rule, 0.0..=100.0).map(|percent| percent as u8)
    }

    /// A counter.
    pub(super) fn count(&mut self, at: &Pointer) -> Option<u32> {
        self.read(at, |value| word(value)?.parse().ok())
    }

    /// A text, cut at `letters`.
    pub(super) fn text(&mut self, at: &Pointer, letters: usize) -> Option<String> {
        self.value(at).map(|value| printed(value, letters))
    }

    /// All of it as text.
    pub(super) fn whole(&self, letters: usize) -> String {
        printed(self.root, letters)
    }

    /// A text, number or truth in the spelling in which words are compared.
    pub(super) fn word(&mut self, at: &Pointer) -> Option<String> {
        self.read(at, word)
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, rule: &Flag) -> Option<bool> {
        let said = self.word(&rule.from).filter(|said| !said.is_empty())?;
        let (is_yes, is_no) = (is_among(&said, &rule.yes), is_among(&said, &rule.no));
        if !is_yes && !is_no {
            self.doubt(&rule.from);
        }
        (is_yes || is_no).then_some(is_yes)
    }

    /// A time.
    pub(super) fn time(&mut self, rule: &Time) -> Option<Timestamp> {
        let first = rule.from.first()?;
        let Some(format) = &rule.format else {
            return self.read(first, reading::time);
        };
        let mut parts = Vec::with_capacity(rule.from.len());
        for at in &rule.from {
            let part = self.read(at, raw)?;
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            let zeros = if is_number { rule.digits.saturating_sub(part.len()).min(32) } else { 0 };
            parts.push("0".repeat(zeros) + &part);
        }
        let text = parts.join(if format.contains(' ') { " " } else { "" });
        if text.trim().is_empty() {
            return None;
        }
        let at = at_in(format, text.trim(), self.offset);
        if at.is_none() {
            self.doubt(first);
        }
        at
    }
}

fn at_in(format: &str, text: &str, offset: Offset) -> Option<Timestamp> {
    let broken_down = strtime::parse(format, text).ok()?;
    let local = || broken_down.to_datetime().ok().and_then(|at| offset.to_timestamp(at).ok());
    broken_down.to_timestamp().ok().or_else(local).and_then(reading::known)
}

/// Whether a word is one of these.
pub(super) fn is_among(said: &str, words: &[Value]) -> bool {
    words.iter().any(|one| word(one).as_deref() == Some(said))
}

/// The spelling in which words are compared: small letters, whole numbers without a point.
pub(super) fn word(value: &Value) -> Option<String> {
    raw(value).map(|text| text.to_lowercase())
}

/// A text, number or truth as it stands there.
fn raw(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => (whole as i64).to_string(),
            _ => number.to_string(),
        },
        Value::Null => "null".to_owned(),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// A value as a person reads it.
fn printed(value: &Value, letters: usize) -> String {
    match value {
        Value::String(text) => reading::printable(text, letters),
        value => reading::printable(&value.to_string(), letters),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointer(text: &str) -> Pointer {
        Pointer(text.to_owned())
    }

    fn china() -> Offset {
        Offset::constant(8)
    }

    #[test]
    fn numbers_come_in_every_unit_and_as_text() {
        let value = json!({ "v": "10", "level": 3, "f": 98.6, "none": -1, "empty": "", "bad": "x" });
        let mut page = Page::new(&value, china());
        let rule =
            |from: &str, unit, factor| Number { unit, factor, unknown: vec![-1.0], ..Number::from(pointer(from)) };
        let mut number = |from: &str, unit, factor| page.number(&rule(from, unit, factor), 0.0..=100.0);
        assert_eq!(number("/v", Unit::MetresPerSecond, 1.0), Some(36.0));
        assert_eq!(number("/v", Unit::Knots, 1.0), Some(18.52));
        assert_eq!(number("/level", Unit::Own, 25.0), Some(75.0));
        assert_eq!(number("/f", Unit::Fahrenheit, 1.0).map(f64::round), Some(37.0));
        assert_eq!(number("/none", Unit::Own, 1.0), None);
        assert_eq!(number("/empty", Unit::Own, 1.0), None);
        assert_eq!(page.doubts, [], "nothing was wrong so far");
        assert_eq!(page.number(&rule("/bad", Unit::Own, 1.0), 0.0..=1.0), None);
        assert_eq!(page.number(&rule("/v", Unit::Own, 1.0), 0.0..=1.0), None);
        assert_eq!(page.doubts.len(), 2);
    }

    #[test]
    fn times_are_put_together_and_are_local_unless_they_say_otherwise() {
        let value = json!({
            "date": 260_101, "time": 80_503, "text": "2026-01-01 08:05:03", "zone": "2026-01-01 08:05:03+0000",
            "unix": 1_767_225_903,
        });
        let mut page = Page::new(&value, china());
        let mut at = |from: &[&str], format: Option<&str>| {
            let from = from.iter().map(|from| pointer(from)).collect();
            page.time(&Time { from, format: format.map(str::to_owned), digits: 6 }).map(|at| at.to_string())
        };
        assert_eq!(at(&["/date", "/time"], Some("%y%m%d%H%M%S")).unwrap(), "2026-01-01T00:05:03Z");
        assert_eq!(at(&["/text"], Some("%Y-%m-%d %H:%M:%S")).unwrap(), "2026-01-01T00:05:03Z");
        assert_eq!(at(&["/zone"], Some("%Y-%m-%d %H:%M:%S%z")).unwrap(), "2026-01-01T08:05:03Z");
        assert_eq!(at(&["/unix"], None).unwrap(), "2026-01-01T00:05:03Z");
        assert_eq!(at(&["/text"], Some("%y%m%d")), None);
        assert_eq!(at(&["/nothing"], Some("%y%m%d")), None);
        assert_eq!(page.doubts.len(), 1, "what is not there is no mistake");
    }

    #[test]
    fn flags_are_read_in_every_spelling_and_a_strange_one_is_a_doubt() {
        let value = json!({ "a": true, "b": "0", "c": 1, "d": " OFF ", "e": "maybe", "g": "" });
        let mut page = Page::new(&value, china());
        let flags = ["/a", "/b", "/c", "/d", "/e", "/f", "/g"].map(|at| page.flag(&Flag::from(pointer(at))));
        assert_eq!(flags, [Some(true), Some(false), Some(true), Some(false), None, None, None]);
        assert_eq!(page.doubts, [Doubt::Field { name: "e".into() }]);
    }
}
