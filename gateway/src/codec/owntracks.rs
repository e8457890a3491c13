//! The JSON of the OwnTracks application (and of trackers bridged to it), over MQTT or HTTP, in the clear or encrypted.
//!
//! It has no word for help: a position published by hand (`t:"u"`) is one where the terminal's
//! setting says so. Source: the project's booklet, `docs/tech/json.md`, and captured messages.

mod down;
pub mod http;
mod sealed;

use domain::place::Source;
use domain::press::AlertKind;
use serde_json::{Map, Value};
use wire::command::{Answer, Command};
use wire::report::{AccessPoint, Cell, Doubt, Event, Fix, Freshness, Stamp, Status, Surroundings, Vital};
use wire::topics::Lane;

use super::reading::{self, Reading};
use super::{Decoded, ManualPublish, Message};

pub use down::{encode_command, encode_notice};
pub use sealed::{NonceBytes, seal};

/// A fix that lies this much before its message is an old one, in seconds.
const OLD_AFTER_S: i64 = 300;
/// The command that asks for a position.
const LOCATE: &str = "reportLocation";

pub(super) fn decode(message: &Message<'_>) -> Decoded {
    // An empty payload clears a retained message.
    if message.payload.trim_ascii().is_empty() && message.lane == Lane::Telemetry {
        return Decoded::other("empty");
    }
    let (value, mended) = match reading::parse(message.payload) {
        Ok(parsed) => parsed,
        Err(why) => return Decoded::unreadable(why),
    };
    let Value::Object(fields) = &value else {
        return Decoded::unreadable("not a JSON object");
    };
    let mut decoded = match (kind(fields), message.key) {
        (Some("encrypted"), Some(key)) => opened(fields, key, message),
        _ => read(fields, message),
    };
    if let Some(mended) = mended {
        decoded.doubt(mended);
    }
    decoded
}

fn kind(fields: &Map<String, Value>) -> Option<&str> {
    fields.get("_type").and_then(Value::as_str)
}

fn opened(fields: &Map<String, Value>, key: &str, message: &Message<'_>) -> Decoded {
    let inner = match sealed::open(fields, key) {
        Ok(inner) => inner,
        Err(why) => return Decoded::unreadable(why),
    };
    match reading::parse(&inner) {
        // A box within a box nobody sends.
        Ok((Value::Object(fields), mended)) if kind(&fields) != Some("encrypted") => {
            let mut decoded = read(&fields, message);
            if let Some(mended) = mended {
                decoded.doubt(mended);
            }
            decoded
        }
        Ok(_) => Decoded::unreadable("what was encrypted is no message"),
        Err(why) => Decoded::unreadable(format!("what was encrypted is {why}")),
    }
}

fn read(fields: &Map<String, Value>, message: &Message<'_>) -> Decoded {
    match (kind(fields), message.lane) {
        (Some("location"), _) => location(fields, message),
        (Some("transition"), _) => transition(fields),
        (Some("lwt"), _) => last_will(fields),
        (Some("steps"), _) => steps(fields),
        (Some("encrypted"), Lane::Alert) => Decoded::unreadable("encrypted, and nobody here has the key"),
        // Regions, beacons in reach, names and faces, settings: nothing that the dispatcher asks for.
        (Some(other), _) => Decoded::other(other),
        (None, _) => Decoded::unreadable("it does not say what it is (_type)"),
    }
}

fn location(fields: &Map<String, Value>, message: &Message<'_>) -> Decoded {
    let mut reading = Reading::new(fields, "");
    let mut fix = fix(&mut reading);
    let no_place = reading.doubts.iter().any(|doubt| matches!(doubt, Doubt::FixAtZero | Doubt::FixOutOfRange));
    let unread = fix.is_none() && !no_place;
    // Bridged trackers use digits as triggers.
    let trigger = reading.field("t", |value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let mut decoded = Decoded { status: status(&mut reading, trigger.as_deref()), ..Decoded::default() };
    decoded.surroundings = surroundings(&mut reading);
    // When the message was made is the better clock; the fix in it may be older.
    let made_at = reading.time("created_at");
    let fixed_at = fix.as_ref().and_then(|fix| fix.device_at);
    decoded.stamp.device_at = made_at.or(fixed_at);
    if let (Some(made_at), Some(fixed_at)) = (made_at, fixed_at)
        && made_at.duration_since(fixed_at).as_secs() > OLD_AFTER_S
    {
        decoded.doubt(Doubt::FixOld);
    }
    if let (Some("l" | "L"), Some(fix)) = (trigger.as_deref(), &mut fix) {
        fix.freshness = Freshness::LastKnown;
    }
    let manual_means_help = message.manual_publish == ManualPublish::MeansHelp || message.lane == Lane::Alert;
    decoded.event = match trigger.as_deref() {
        Some("u") if manual_means_help => Some(Event::Alert { kind: AlertKind::Sos }),
        Some("9") => Some(Event::Alert { kind: AlertKind::LowBattery }),
        None if manual_means_help && reading.has("t") => {
            Some(Event::Unreadable { why: "its trigger (t) cannot be read, so it may be a press".to_owned() })
        }
        _ if unread => Some(Event::Unreadable { why: "its coordinates cannot be read".to_owned() }),
        Some("r") if fix.is_some() => Some(Event::CommandAnswered(located())),
        _ => None,
    };
    for doubt in reading.doubts {
        decoded.doubt(doubt);
    }
    if unread && matches!(decoded.event, Some(Event::Alert { .. })) {
        decoded.doubt(Doubt::NoFix);
    }
    decoded.fixes.extend(fix);
    decoded
}

/// The answer to `reportLocation`.
fn located() -> Answer {
    Answer { number: None, word: Command::Locate.word().to_owned(), done: Some(true), text: String::new() }
}

fn fix(reading: &mut Reading<'_>) -> Option<Fix> {
    let position = reading.place("lat", "lon");
    let fix = Fix {
        freshness: Freshness::Live,
        lat_deg: position?.lat_deg(),
        lon_deg: position?.lon_deg(),
        accuracy_m: known(reading, "acc", super::ACCURACY_M),
        device_at: reading.time("tst"),
        // A phone fuses its sources and does not say which; a bridged tracker has only one.
        source: if reading.has("imei") { Source::Gnss } else { Source::Unknown },
        speed_kmh: known(reading, "vel", super::SPEED_KMH),
        course_deg: known(reading, "cog", super::COURSE_DEG),
        altitude_m: reading.number("alt", super::ALTITUDE_M),
    };
    Some(fix)
}

/// A number that is −1 where the phone does not know it.
fn known(reading: &mut Reading<'_>, name: &str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
    let end = *range.end();
    reading.number(name, -1.0..=end).filter(|number| range.contains(number))
}

fn status(reading: &mut Reading<'_>, trigger: Option<&str>) -> Option<Status> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    let battery_pct = known(reading, "batt", 0.0..=100.0).map(|percent| percent as u8);
    let charging = match (reading.counter("bs"), trigger) {
        (Some(1), _) | (None, Some("2")) => Some(false),
        // Full is on the mains too.
        (Some(2 | 3), _) | (None, Some("3")) => Some(true),
        _ => None,
    };
    let status = Status { battery_pct, charging, worn: None };
    (status != Status::default()).then_some(status)
}

/// The cell of a bridged tracker, and the access point that a phone is joined to.
fn surroundings(reading: &mut Reading<'_>) -> Surroundings {
    let mut surroundings = Surroundings::default();
    if let (Some(mcc), Some(mnc)) = (reading.counter("mcc"), reading.counter("mnc")) {
        let (lac, cid) = (reading.field("lac", code), reading.field("cid", code));
        let numbers = (u16::try_from(mcc), u16::try_from(mnc), lac.map(u32::try_from), cid);
        if let (Ok(mcc), Ok(mnc), Some(Ok(lac)), Some(cid)) = numbers {
            surroundings.cells.push(Cell { mcc, mnc, lac, cid, signal: None });
        }
    }
    let mac = reading.field("BSSID", |value| match value.as_str()?.trim() {
        // What Android says when it may not tell.
        "" | "02:00:00:00:00:00" => Some(None),
        text => Some(Some(reading::mac(text)?)),
    });
    if let Some(Some(mac)) = mac {
        let ssid = reading.text("SSID", 32).filter(|name| !name.is_empty());
        surroundings.access_points.push(AccessPoint { mac, rssi_dbm: None, ssid });
    }
    surroundings
}

/// The bridge writes a cell's numbers as the tracker does: hexadecimal digits in a string.
fn code(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => u64::from_str_radix(text.trim(), 16).ok(),
        _ => None,
    }
}

fn transition(fields: &Map<String, Value>) -> Decoded {
    let mut reading = Reading::new(fields, "");
    let event = reading.text("event", 16).map(|word| word.to_ascii_lowercase());
    let entered = match event.as_deref() {
        Some("enter") => true,
        Some("leave") => false,
        _ => return Decoded::unreadable("neither enter nor leave"),
    };
    let named = |reading: &mut Reading<'_>, name| reading.text(name, 128).filter(|text| !text.is_empty());
    let region = named(&mut reading, "desc").or_else(|| named(&mut reading, "rid")).unwrap_or_default();
    // A transition at a beacon has no coordinates, or 0/0.
    let fix = if reading.has("lat") { fix(&mut reading) } else { None };
    let mut decoded = Decoded::event(Event::Transition { entered, region });
    decoded.stamp.device_at = reading.time("tst");
    for doubt in reading.doubts {
        decoded.doubt(doubt);
    }
    decoded.fixes.extend(fix);
    decoded
}

/// Its time is that of the connection, not of its loss.
fn last_will(fields: &Map<String, Value>) -> Decoded {
    let mut decoded = Decoded::event(Event::Offline);
    decoded.stamp = Stamp { device_at: Reading::new(fields, "").time("tst"), ..Stamp::default() };
    decoded
}

/// Steps of the time that was asked for; −1 when the phone cannot count them.
fn steps(fields: &Map<String, Value>) -> Decoded {
    let mut reading = Reading::new(fields, "");
    let count = known(&mut reading, "steps", 0.0..=1e9);
    let mut decoded = Decoded::default();
    decoded.stamp.device_at = reading.time("tst");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    match count {
        Some(count) => decoded.vitals.push(Vital::Steps { count: count as u32 }),
        None => decoded.event = Some(Event::Other { what: "steps".to_owned() }),
    }
    for doubt in reading.doubts {
        decoded.doubt(doubt);
    }
    decoded
}
