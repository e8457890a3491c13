//! What bytes mean, for people and for comparison: `yidiantong decode`.
//!
//! A dialect has one line in [`READERS`], under the name that files of captured frames give it.

mod words;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use wire::directory::Dialect;

use super::conversation::{Context, Conversation, Reply, Strictness, framing};
use super::framing::{Piece, Stream};
use super::told::{Kind, Point, Told};

/// Some bytes, with what a listener would know beside them.
#[derive(Debug, Clone, Copy)]
pub struct Specimen<'s> {
    /// The bytes.
    pub bytes: &'s [u8],
    /// The MQTT topic, where the dialect has one.
    pub topic: Option<&'s str>,
    /// The secret of an encrypted message, where it is known.
    pub key: Option<&'s str>,
    /// The model's profile, where it is known.
    pub profile: Option<&'s str>,
    /// When they came.
    pub received_at: Timestamp,
}

/// One message found in a specimen.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Who sent it, as far as it says so.
    pub identity: Option<String>,
    /// What it says.
    pub told: Told,
    /// What the terminal has to hear.
    pub replies: Vec<Reply>,
}

/// What was found in a specimen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// Messages, in order.
    pub found: Vec<Finding>,
    /// Bytes that belong to none, and why.
    pub junk: Vec<(Vec<u8>, String)>,
    /// Bytes that wait for more.
    pub rest: Vec<u8>,
}

/// Finds the messages in a specimen.
type Reader = fn(Dialect, &Specimen<'_>) -> Findings;

/// The dialects, by the names that files of frames have for them.
const READERS: &[(&str, Dialect, Reader)] = &[
    ("watch", Dialect::Watch, in_a_stream),
    ("jt808", Dialect::Jt808, in_a_stream),
    ("gt06", Dialect::Gt06, in_a_stream),
];

/// The names of the dialects that can be inspected.
pub fn names() -> impl Iterator<Item = &'static str> {
    READERS.iter().map(|(name, ..)| *name)
}

/// What the bytes of the dialect of this name mean; `None` when there is no dialect of this name.
pub fn inspect(name: &str, specimen: &Specimen<'_>) -> Option<Findings> {
    let (_, dialect, reader) = READERS.iter().find(|(known, dialect, _)| *known == name || dialect.as_str() == name)?;
    Some(reader(*dialect, specimen))
}

/// Reads bytes as the beginning of a connection.
fn in_a_stream(dialect: Dialect, specimen: &Specimen<'_>) -> Findings {
    let (Some(mut conversation), Some((cut, limit))) = (Conversation::begin(dialect), framing(dialect)) else {
        return Findings::default();
    };
    let context =
        Context { profile: specimen.profile, received_at: specimen.received_at, strictness: Strictness::Lenient };
    let mut findings = Findings::default();
    let mut stream = Stream::new(cut, limit);
    stream.push(specimen.bytes);
    while let Some(piece) = stream.next() {
        match piece {
            Piece::Frame(frame) => {
                let turn = conversation.read(frame, &context);
                let identity = turn.identity.map(std::borrow::Cow::into_owned);
                findings.found.push(Finding { identity, told: turn.told, replies: turn.replies });
            }
            Piece::Junk { bytes, why } => findings.junk.push((bytes.to_vec(), why.into_owned())),
        }
    }
    findings.rest = stream.rest().to_vec();
    findings
}

impl Findings {
    /// In the form in which captured frames say what they mean. `error` stands for what nobody can read.
    pub fn summary(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut readable = self.found.iter().filter(|finding| finding.told.kind != Kind::Unreadable);
        let (Some(first), more) = (readable.next(), readable.next().is_some()) else {
            out.insert("error".to_owned(), Value::Bool(true));
            return out;
        };
        put(&mut out, "device_id", first.identity.as_deref());
        if more {
            put(&mut out, "kind", Some("stream"));
            let types = self.found.iter().map(|finding| finding.told.word.as_ref()).collect::<Vec<_>>();
            put(&mut out, "frames", Some(types.len()));
            put(&mut out, "types", Some(types));
        } else {
            first.describe(&mut out);
        }
        let replies = self.found.iter().flat_map(|finding| &finding.replies).flat_map(|reply| &reply.bytes);
        let replies = replies.copied().collect::<Vec<u8>>();
        put(&mut out, "reply", (!replies.is_empty()).then(|| written(&replies)));
        out
    }
}

impl Finding {
    fn describe(&self, out: &mut Map<String, Value>) {
        let told = &self.told;
        put(out, "kind", Some(told.kind.as_str()));
        put(out, "type", Some(told.word.as_ref()));
        put(out, "steps", told.steps);
        if told.kind == Kind::Batch {
            let points = told.points.iter().map(|point| {
                let mut out = Map::new();
                describe(point, &mut out);
                Value::Object(out)
            });
            put(out, "points", Some(points.collect::<Vec<_>>()));
        } else if let Some(point) = told.points.first() {
            describe(point, out);
        }
        // Of the message where it says so, of its only point otherwise.
        if let Some(battery_pct) = told.status.battery_pct {
            put(out, "battery_pct", Some(battery_pct));
        }
    }
}

fn describe(point: &Point, out: &mut Map<String, Value>) {
    put(out, "time", point.at.map(|at| at.to_string()));
    if let Some(position) = point.place.position() {
        put(out, "lat", Some(position.lat_deg()));
        put(out, "lon", Some(position.lon_deg()));
    }
    put(out, "valid", point.valid);
    put(out, "speed_kmh", point.speed_kmh);
    put(out, "course", point.course_deg);
    put(out, "accuracy_m", point.accuracy_m);
    put(out, "satellites", point.satellites);
    put(out, "battery_pct", point.battery_pct);
    put(out, "alarms", Some(point.alarms.iter().map(super::told::Alarm::as_str).collect::<Vec<_>>()));
    put(out, "cells", Some(point.surroundings.cells.len()));
    put(out, "wifi", Some(point.surroundings.access_points.len()));
}

fn put(out: &mut Map<String, Value>, name: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        out.insert(name.to_owned(), json!(value));
    }
}

/// Text where it is one, hexadecimal digits otherwise.
pub(super) fn written(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = std::fmt::Write::write_fmt(&mut out, format_args!("{byte:02x}"));
            out
        }),
    }
}
