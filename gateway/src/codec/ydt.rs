//! The native dialect, version 1: the words are in [`wire::ydt`], told in full in `docs/protocol.md`.
//!
//! What we write is strict and what we read is not: the press of a terminal with a broken field is
//! still a press.

use domain::place::Source;
use domain::press::AlertKind;
use domain::word::Word as _;
use serde_json::{Map, Value};
use uuid::Uuid;
use wire::directory::Dialect;
use wire::notice::Notice;
use wire::receipt::Outcome;
use wire::report::{Doubt, Event, Fix, Stamp, Status};
use wire::topics::{self, Lane, ydt as leaf};

use super::reading::{self, Reading};
use super::{Decoded, Message, Outgoing};

/// No terminal has a reason to hold back more than this; of a longer batch the newest are kept.
const FIXES_MAX: usize = 1000;

pub(super) fn decode(message: &Message<'_>) -> Decoded {
    let (value, mended) = match reading::parse(message.payload) {
        Ok(parsed) => parsed,
        Err(why) => return Decoded::unreadable(why),
    };
    let Value::Object(fields) = &value else {
        return Decoded::unreadable("not a JSON object");
    };
    let mut decoded = match (message.leaf, message.lane) {
        (leaf::ALERT, _) => alert(fields),
        (leaf::FIX, _) => fix_batch(fields),
        (leaf::STATUS, _) => status(fields),
        (leaf::ACK, _) => ack(fields),
        (unknown, Lane::Alert) => Decoded::unreadable(format!("nothing is known about topic {unknown:?}")),
        (unknown, Lane::Telemetry) => Decoded::other(unknown),
    };
    if let Some(mended) = mended {
        decoded.doubt(mended);
    }
    decoded
}

fn alert(fields: &Map<String, Value>) -> Decoded {
    let mut reading = Reading::new(fields, "");
    let mut decoded = Decoded { event: Some(wants(&mut reading)), ..Decoded::default() };
    decoded.stamp = Stamp { boot: reading.counter("boot"), seq: reading.counter("seq"), device_at: reading.time("at") };
    let battery_pct = reading.percent("battery_pct");
    decoded.status = battery_pct.map(|pct| Status { battery_pct: Some(pct), ..Status::default() });
    decoded.drill = reading.yes_no("drill").unwrap_or(false);
    let fix = match reading.field("fix", Value::as_object) {
        Some(fields) => fix(fields, "fix.", &mut reading.doubts),
        None => None,
    };
    let doubted = reading.doubts.iter().any(|doubt| matches!(doubt, Doubt::FixAtZero | Doubt::FixOutOfRange));
    for doubt in reading.doubts {
        decoded.doubt(doubt);
    }
    if fix.is_none() && !doubted && matches!(decoded.event, Some(Event::Alert { .. } | Event::Request { .. })) {
        decoded.doubt(Doubt::NoFix);
    }
    decoded.fixes.extend(fix);
    decoded
}

fn wants(reading: &mut Reading<'_>) -> Event {
    let word = |reading: &mut Reading<'_>, name| reading.text(name, 64).map(|text| text.to_ascii_lowercase());
    match word(reading, "type").as_deref() {
        Some("alert") => Event::Alert { kind: kind(reading) },
        Some("cancel") => Event::Cancel,
        Some("check_in") => Event::CheckIn,
        Some("request") => {
            let category = reading.text("category", 64).filter(|category| !category.is_empty());
            if category.is_none() && !reading.has("category") {
                reading.doubt("category");
            }
            Event::Request { category: category.unwrap_or_else(|| "other".to_owned()) }
        }
        // Without a type, a kind still says clearly enough what is meant.
        None if reading.has("kind") => {
            if !reading.has("type") {
                reading.doubt("type");
            }
            Event::Alert { kind: kind(reading) }
        }
        None => Event::Unreadable { why: "it does not say what it wants (type)".to_owned() },
        Some(unknown) => Event::Unreadable { why: format!("nothing is known about type {unknown:?}") },
    }
}

fn kind(reading: &mut Reading<'_>) -> AlertKind {
    let known = reading.field("kind", |value| {
        let kind = AlertKind::parse(&value.as_str()?.trim().to_ascii_lowercase()).ok()?;
        // These two are ours to give, not a terminal's.
        (!matches!(kind, AlertKind::Telephone | AlertKind::Unreadable)).then_some(kind)
    });
    if known.is_none() && !reading.has("kind") {
        reading.doubt("kind");
    }
    known.unwrap_or(AlertKind::General)
}

fn fix(fields: &Map<String, Value>, prefix: &str, doubts: &mut Vec<Doubt>) -> Option<Fix> {
    let mut reading = Reading::new(fields, prefix);
    let position = reading.place("lat", "lon");
    let source = reading.field("source", |value| match value.as_str()?.trim() {
        "gnss" => Some(Source::Gnss),
        "wifi" => Some(Source::Wifi),
        "cell" => Some(Source::Cell),
        "beacon" => Some(Source::Beacon),
        _ => None,
    });
    let fix = position.map(|position| Fix {
        lat_deg: position.lat_deg(),
        lon_deg: position.lon_deg(),
        accuracy_m: reading.number("acc_m", super::ACCURACY_M),
        device_at: reading.time("at"),
        source: source.unwrap_or(Source::Unknown),
        speed_kmh: reading.number("speed_kmh", super::SPEED_KMH),
        course_deg: reading.number("course_deg", super::COURSE_DEG),
        altitude_m: reading.number("alt_m", super::ALTITUDE_M),
    });
    doubts.append(&mut reading.doubts);
    fix
}

fn fix_batch(fields: &Map<String, Value>) -> Decoded {
    let Some(list) = fields.get("fixes").and_then(Value::as_array) else {
        return Decoded::unreadable("there is no list of fixes");
    };
    let mut decoded = Decoded::default();
    if list.len() > FIXES_MAX {
        decoded.doubt(Doubt::Field { name: "fixes".to_owned() });
    }
    let skipped = list.len().saturating_sub(FIXES_MAX);
    for (number, entry) in list.iter().enumerate().skip(skipped) {
        let mut doubts = Vec::new();
        match entry.as_object() {
            Some(fields) => decoded.fixes.extend(fix(fields, &format!("fixes[{number}]."), &mut doubts)),
            None => doubts.push(Doubt::Field { name: format!("fixes[{number}]") }),
        }
        for doubt in doubts {
            decoded.doubt(doubt);
        }
    }
    let nothing_known = decoded.doubts.iter().all(|doubt| matches!(doubt, Doubt::Field { .. }));
    if decoded.fixes.is_empty() && !list.is_empty() && nothing_known {
        decoded.event = Some(Event::Unreadable { why: "none of its fixes can be read".to_owned() });
    }
    decoded
}

fn status(fields: &Map<String, Value>) -> Decoded {
    let mut reading = Reading::new(fields, "");
    let status = Status {
        battery_pct: reading.percent("battery_pct"),
        charging: reading.yes_no("charging"),
        worn: reading.yes_no("worn"),
    };
    let mut decoded = Decoded { status: Some(status), ..Decoded::default() };
    if status == Status::default() && !reading.doubts.is_empty() {
        decoded.event = Some(Event::Unreadable { why: "none of its fields can be read".to_owned() });
        decoded.status = None;
    }
    for doubt in reading.doubts {
        decoded.doubt(doubt);
    }
    decoded
}

fn ack(fields: &Map<String, Value>) -> Decoded {
    match fields.get("notice").and_then(Value::as_str).and_then(|text| text.trim().parse::<Uuid>().ok()) {
        Some(notice) => Decoded::event(Event::NoticeAcknowledged { notice }),
        None => Decoded::unreadable("it does not say which notice"),
    }
}

pub(super) fn encode_receipt(serial: &str, stamp: Stamp, outcome: Outcome) -> Outgoing {
    let (Outcome::Committed { incident } | Outcome::Same { incident, .. }) = outcome;
    written(serial, leaf::RECEIPT, &wire::ydt::Receipt { boot: stamp.boot, seq: stamp.seq, incident })
}

pub(super) fn encode_notice(notice: &Notice) -> Outgoing {
    let news = wire::ydt::Notice {
        id: notice.id,
        incident: notice.incident,
        news: notice.news.clone(),
        not_after: notice.not_after,
        drill: notice.drill,
    };
    written(&notice.serial, leaf::NOTICE, &news)
}

fn written(serial: &str, leaf: &str, message: &impl serde::Serialize) -> Outgoing {
    let payload = serde_json::to_vec(message)
        .unwrap_or_else(|error| unreachable!("plain data with text keys can always be written: {error}"));
    Outgoing { topic: topics::topic(Dialect::Ydt, serial, leaf), payload }
}
