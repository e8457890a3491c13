//! What a profile says, in the words of the settings file.

use std::collections::BTreeMap;

use domain::datum::Datum;
use domain::place::Source;
use domain::word::Word as _;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use wire::topics::Mapping;

use super::alarm;
use super::around::Table;
use super::rule::{Flag, Number, Pointer, Time, short};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, rename = "profile")]
    pub(super) profiles: Vec<Spanned<Rules>>,
}

/// One profile.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) name: String,
    pub(super) topics: Topics,
    #[serde(default, deserialize_with = "datum")]
    pub(super) datum: Datum,
    /// Of times that do not say it, like `+08:00`.
    #[serde(default)]
    pub(super) utc_offset: Option<String>,
    pub(super) serial: Option<Pointer>,
    pub(super) boot: Option<Pointer>,
    pub(super) seq: Option<Pointer>,
    #[serde(default, deserialize_with = "short")]
    pub(super) time: Option<Time>,
    pub(super) position: Option<Position>,
    #[serde(default, deserialize_with = "short")]
    pub(super) battery: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) charging: Option<Flag>,
    #[serde(default, deserialize_with = "short")]
    pub(super) worn: Option<Flag>,
    #[serde(default, deserialize_with = "short")]
    pub(super) online: Option<Flag>,
    #[serde(default, deserialize_with = "short")]
    pub(super) drill: Option<Flag>,
    #[serde(default)]
    pub(super) vitals: Vitals,
    pub(super) cells: Option<Table>,
    pub(super) wifi: Option<Table>,
    #[serde(default)]
    pub(super) alarm: Vec<alarm::Rule>,
    #[serde(default)]
    pub(super) command: BTreeMap<String, Command>,
    #[serde(default)]
    pub(super) answer: Answer,
}

/// Where its terminals speak and listen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Topics {
    pub(super) up: Vec<wire::topics::Template>,
    #[serde(default)]
    pub(super) answers: Vec<wire::topics::Template>,
    pub(super) down: Option<wire::topics::Template>,
}

impl Topics {
    pub(super) fn mapping(&self, name: &str) -> Mapping {
        let (up, answers, down) = (self.up.clone(), self.answers.clone(), self.down.clone());
        Mapping { name: name.to_owned(), up, answers, down }
    }
}

/// Where it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// A list of positions; the pointers below are then into its entries.
    pub(super) list: Option<Pointer>,
    pub(super) lat: Option<Pointer>,
    pub(super) lon: Option<Pointer>,
    /// Both in one: a text, or a list of two.
    pub(super) pair: Option<Pointer>,
    #[serde(default)]
    pub(super) order: Order,
    #[serde(default = "comma")]
    pub(super) separator: String,
    /// What the numbers have to be multiplied with to be degrees.
    #[serde(default = "one")]
    pub(super) factor: f64,
    /// No: the last known position.
    #[serde(default, deserialize_with = "short")]
    pub(super) valid: Option<Flag>,
    /// Yes: kept while there was no connection.
    #[serde(default, deserialize_with = "short")]
    pub(super) stored: Option<Flag>,
    pub(super) source: Option<Sources>,
    #[serde(default, deserialize_with = "short")]
    pub(super) time: Option<Time>,
    #[serde(default, deserialize_with = "short")]
    pub(super) accuracy: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) speed: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) course: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) altitude: Option<Number>,
}

/// Which of two numbers comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    #[default]
    LatLon,
    LonLat,
}

/// How positions are come by: always the same, or as a word says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sources {
    pub(super) from: Option<Pointer>,
    #[serde(default)]
    pub(super) gnss: Vec<Value>,
    #[serde(default)]
    pub(super) wifi: Vec<Value>,
    #[serde(default)]
    pub(super) cell: Vec<Value>,
    #[serde(default)]
    pub(super) beacon: Vec<Value>,
    #[serde(default, deserialize_with = "source")]
    pub(super) otherwise: Option<Source>,
}

/// What is measured on the body.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vitals {
    #[serde(default, deserialize_with = "short")]
    pub(super) heart_rate: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) systolic: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) diastolic: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) oxygen: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) temperature: Option<Number>,
    #[serde(default, deserialize_with = "short")]
    pub(super) steps: Option<Number>,
}

/// How a command is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    /// For `{word}` in the topic, and what the terminal answers with.
    #[serde(default)]
    pub(super) word: String,
    /// A text, or JSON, with names in braces where values belong.
    pub(super) payload: Value,
    /// How one contact is written, in a list of them.
    pub(super) contact: Option<Value>,
    /// The least and the most that the terminal takes, by name: numbers, or letters of a text.
    #[serde(default)]
    pub(super) limits: BTreeMap<String, [f64; 2]>,
    /// Full-width punctuation is shown as noise, so it is written in ASCII.
    #[serde(default)]
    pub(super) plain_punctuation: bool,
    /// Whether the terminal answers it.
    #[serde(default)]
    pub(super) is_answered: bool,
}

/// What an answer looks like.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) number: Option<Pointer>,
    pub(super) word: Option<Pointer>,
    #[serde(default, deserialize_with = "short")]
    pub(super) done: Option<Flag>,
    pub(super) text: Option<Pointer>,
}

fn one() -> f64 {
    1.0
}

fn comma() -> String {
    ",".to_owned()
}

fn datum<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Datum, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "wgs84" => Ok(Datum::Wgs84),
        "gcj02" => Ok(Datum::Gcj02),
        "bd09" => Ok(Datum::Bd09),
        other => Err(serde::de::Error::custom(format!("{other:?} is no datum: wgs84, gcj02 or bd09"))),
    }
}

fn source<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Source>, D::Error> {
    let word = String::deserialize(deserializer)?;
    Source::parse(&word).map(Some).map_err(serde::de::Error::custom)
}
