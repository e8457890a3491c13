//! The native dialect, version 1: the words are in [`wire::ydt`], told in full in `docs/protocol.md`.
//!
//! What we write is strict and what we read is not: the press of a terminal with a broken field is
//! still a press.

use domain::place::Source;
use domain::press::AlertKind;
use domain::word::Word as _;
use serde_json::{Map, Value};
use uuid::Uuid;
use wire::command::{Answer, Command, Order};
use wire::directory::Dialect;
use wire::notice::Notice;
use wire::receipt::Outcome;
use wire::report::{Doubt, Event, Fix, Freshness, Stamp, Status};
use wire::topics::{self, Lane, ydt as leaf};

use super::conversation::CannotSay;
use super::reading::{self, Reading};
use super::{Decoded, Message, Ordered, Outgoing};

mod plain;

/// No terminal has a reason to hold back more than this; of a longer batch the newest are kept.
const FIXES_MAX: usize = 1000;
/// So much of what it says to a command is read, in letters.
const ANSWER_MAX: usize = 200;

pub(super) fn decode(message: &Message<'_>) -> Decoded {
    if message.leaf == leaf::FIX
        && let Some(fixes) = plain::fixes(message.payload)
    {
        return Decoded { fixes, ..Decoded::default() };
    }
    decode_whatever(message)
}

/// Reads what can be read of it.
fn decode_whatever(message: &Message<'_>) -> Decoded {
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
        (!kind.is_ours()).then_some(kind)
    });
    if known.is_none() && !reading.has("kind") {
        reading.doubt("kind");
    }
    known.unwrap_or(AlertKind::General)
}

fn fix(fields: &Map<String, Value>, prefix: &str, doubts: &mut Vec<Doubt>) -> Option<Fix> {
    let mut reading = Reading::new(fields, prefix);
    let position = reading.place("lat", "lon");
    let source = reading.field("source", |value| source(value.as_str()?.trim()));
    let fix = position.map(|position| Fix {
        freshness: Freshness::Live,
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

fn source(word: &str) -> Option<Source> {
    Some(match word {
        "gnss" => Source::Gnss,
        "wifi" => Source::Wifi,
        "cell" => Source::Cell,
        "beacon" => Source::Beacon,
        _ => return None,
    })
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
    if fields.contains_key("command") && !fields.contains_key("notice") {
        return command_ack(fields);
    }
    match fields.get("notice").and_then(Value::as_str).and_then(|text| text.trim().parse::<Uuid>().ok()) {
        Some(notice) => Decoded::event(Event::NoticeAcknowledged { notice }),
        None => Decoded::unreadable("it does not say which notice"),
    }
}

/// That a terminal has done what it was told, or not.
fn command_ack(fields: &Map<String, Value>) -> Decoded {
    let mut reading = Reading::new(fields, "");
    let number = reading.counter("command").and_then(|number| u16::try_from(number).ok());
    if number.is_none() {
        return Decoded::unreadable("it does not say which command");
    }
    let done = reading.yes_no("done");
    let text = reading.text("text", ANSWER_MAX).unwrap_or_default();
    let mut decoded =
        Decoded::event(Event::CommandAnswered(Answer { number, word: leaf::COMMAND.to_owned(), done, text }));
    for doubt in reading.doubts {
        decoded.doubt(doubt);
    }
    decoded
}

/// Everything but what belongs to a telephone, or to a maker.
pub(super) fn encode_order(order: &Order) -> Result<Ordered, CannotSay> {
    if matches!(order.command, Command::ListenIn { .. } | Command::Raw { .. }) {
        return Err(CannotSay::NoWord);
    }
    let command = wire::ydt::Command {
        id: order.id,
        number: order.number,
        command: order.command.clone(),
        not_after: order.not_after,
    };
    let answered_as = Some(order.command.word().to_owned());
    Ok(Ordered { outgoing: written(&order.serial, leaf::COMMAND, &command), answered_as })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::ManualPublish;

    /// A value as firmware may write it: mostly a good one, now and then a strange one.
    fn value(good: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
        const STRANGE: [&str; 12] = [
            "null",
            "\"\"",
            "\"12\"",
            "-1",
            "1e9",
            "0",
            "true",
            "[]",
            "{}",
            "\" gnss\"",
            "\"\\u0067nss\"",
            "1700000000000",
        ];
        prop_oneof![
            6 => proptest::sample::select(good).prop_map(Some),
            2 => Just(None),
            1 => proptest::sample::select(&STRANGE[..]).prop_map(Some),
        ]
    }

    proptest! {
        #[test]
        fn what_is_read_in_one_go_is_what_is_read_field_by_field(
            fields in proptest::collection::vec((
                value(&["28.2", "-33.5", "0", "28"]), value(&["112.9", "-70.1", "0", "113"]), value(&["12.5", "0"]),
                value(&["\"2026-01-01T08:00:00Z\"", "\"2026-01-01T16:00:00.25+08:00\"", "1767254400"]),
                value(&["\"gnss\"", "\"wifi\"", "\"cell\"", "\"beacon\""]), value(&["4.2"]), value(&["270"]), value(&["44"]),
            ), 0..4),
            extra in proptest::option::of(value(&["7"])),
        ) {
            let names = ["lat", "lon", "acc_m", "at", "source", "speed_kmh", "course_deg", "alt_m"];
            let fixes: Vec<String> = fields
                .iter()
                .map(|(a, b, c, d, e, f, g, h)| {
                    let told = names.iter().zip([a, b, c, d, e, f, g, h]);
                    let told = told.filter_map(|(name, value)| Some(format!("\"{name}\":{}", (*value)?)));
                    format!("{{{}}}", told.collect::<Vec<_>>().join(","))
                })
                .collect();
            let extra = extra.flatten().map(|value| format!(",\"boot\":{value}")).unwrap_or_default();
            let payload = format!("{{\"fixes\":[{}]{extra}}}", fixes.join(","));
            let message = Message {
                leaf: leaf::FIX,
                payload: payload.as_bytes(),
                lane: Lane::Telemetry,
                manual_publish: ManualPublish::MeansHere,
                key: None,
                profile: None,
                received_at: jiff::Timestamp::UNIX_EPOCH,
            };
            prop_assert_eq!(decode(&message), decode_whatever(&message), "{}", payload);
        }
    }

    #[test]
    fn what_our_own_firmware_sends_is_read_in_one_go() {
        let payload =
            br#"{"fixes":[{"lat":28.2,"lon":112.9,"acc_m":12.5,"at":"2026-01-01T08:00:00Z","source":"gnss"}]}"#;
        assert_eq!(plain::fixes(payload).map(|fixes| fixes.len()), Some(1));
        assert_eq!(plain::fixes(br#"{"fixes":[{"lat":28.2,"lon":null}]}"#), None);
    }
}
