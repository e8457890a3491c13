//! Positions, from two values, from one that holds both, or from a list.

use domain::datum::Datum;
use domain::place::{NoPosition, Source};
use jiff::Timestamp;
use serde_json::Value;
use wire::report::{Doubt, Fix, Freshness};

use super::super::{ACCURACY_M, ALTITUDE_M, COURSE_DEG, SPEED_KMH, reading};
use super::rule::{Number, Page, Pointer, is_among};
use super::settings::{Order, Position, Sources};

/// Positions in one message; of a longer list the newest are kept, which are the last.
const FIXES_MAX: usize = 1000;

pub(super) fn fixes(rule: &Position, datum: Datum, at: Option<Timestamp>, page: &mut Page<'_>) -> Vec<Fix> {
    let Some(list) = &rule.list else {
        return fix(rule, datum, at, page).into_iter().collect();
    };
    let Some(entries) = page.read(list, Value::as_array) else { return Vec::new() };
    if entries.len() > FIXES_MAX {
        page.doubt(list);
    }
    let mut fixes = Vec::new();
    for entry in entries.iter().skip(entries.len().saturating_sub(FIXES_MAX)) {
        let mut part = page.part(entry);
        fixes.extend(fix(rule, datum, at, &mut part));
        page.take_back(part);
    }
    fixes
}

fn fix(rule: &Position, datum: Datum, at: Option<Timestamp>, page: &mut Page<'_>) -> Option<Fix> {
    let (lat, lon) = degrees(rule, page)?;
    let position = match datum.to_wgs84(lat * rule.factor, lon * rule.factor) {
        Ok(position) => position,
        Err(why) => {
            page.doubts.push(match why {
                NoPosition::Null => Doubt::FixAtZero,
                NoPosition::OutOfRange => Doubt::FixOutOfRange,
            });
            return None;
        }
    };
    let is_old = rule.valid.as_ref().is_some_and(|rule| page.flag(rule) == Some(false));
    let is_stored = rule.stored.as_ref().is_some_and(|rule| page.flag(rule) == Some(true));
    if is_old {
        page.doubts.push(Doubt::FixOld);
    }
    let mut number = |rule: &Option<Number>, range| rule.as_ref().and_then(|rule| page.number(rule, range));
    Some(Fix {
        lat_deg: position.lat_deg(),
        lon_deg: position.lon_deg(),
        accuracy_m: number(&rule.accuracy, ACCURACY_M),
        speed_kmh: number(&rule.speed, SPEED_KMH),
        course_deg: number(&rule.course, COURSE_DEG),
        altitude_m: number(&rule.altitude, ALTITUDE_M),
        device_at: rule.time.as_ref().and_then(|rule| page.time(rule)).or(at),
        source: rule.source.as_ref().map_or(Source::Unknown, |rule| source(rule, page)),
        freshness: match (is_old, is_stored) {
            (true, _) => Freshness::LastKnown,
            (false, true) => Freshness::Stored,
            (false, false) => Freshness::Live,
        },
    })
}

/// What stands where numbers belong.
enum Told<T> {
    /// These.
    Here(T),
    /// Nothing: no position, and no mistake.
    Empty,
}

impl<T> Told<T> {
    fn here(self) -> Option<T> {
        match self {
            Self::Here(told) => Some(told),
            Self::Empty => None,
        }
    }
}

/// Latitude and longitude as they stand there.
fn degrees(rule: &Position, page: &mut Page<'_>) -> Option<(f64, f64)> {
    if let Some(pair) = &rule.pair {
        let (one, other) = page.read(pair, |value| both(value, &rule.separator))?.here()?;
        return Some(match rule.order {
            Order::LatLon => (one, other),
            Order::LonLat => (other, one),
        });
    }
    let mut degree = |at: &Option<Pointer>| page.read(at.as_ref()?, number)?.here();
    let (lat, lon) = (degree(&rule.lat), degree(&rule.lon));
    lat.zip(lon)
}

fn number(value: &Value) -> Option<Told<f64>> {
    match value {
        Value::String(text) if text.trim().is_empty() => Some(Told::Empty),
        value => reading::number(value).map(Told::Here),
    }
}

fn both(value: &Value, separator: &str) -> Option<Told<(f64, f64)>> {
    match value {
        Value::String(text) if text.trim().is_empty() || text.trim() == separator => Some(Told::Empty),
        Value::String(text) => {
            let (one, other) = text.split_once(separator)?;
            let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| number.is_finite());
            Some(Told::Here((number(one)?, number(other)?)))
        }
        Value::Array(list) => match list.as_slice() {
            [] => Some(Told::Empty),
            [one, other, ..] => Some(Told::Here((reading::number(one)?, reading::number(other)?))),
            [_] => None,
        },
        _ => None,
    }
}

fn source(rule: &Sources, page: &mut Page<'_>) -> Source {
    let otherwise = rule.otherwise.unwrap_or(Source::Unknown);
    let Some(said) = rule.from.as_ref().and_then(|from| page.word(from)) else { return otherwise };
    let words = [
        (&rule.gnss, Source::Gnss),
        (&rule.wifi, Source::Wifi),
        (&rule.cell, Source::Cell),
        (&rule.beacon, Source::Beacon),
    ];
    words.into_iter().find(|(words, _)| is_among(&said, words)).map_or(otherwise, |(_, source)| source)
}
