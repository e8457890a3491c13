//! The JSON of the OwnTracks application (and of trackers bridged to it) over MQTT.
//!
//! It has no word for help: a position published by hand (`t:"u"`) is one where the terminal's
//! setting says so. Source: the project's booklet, `docs/tech/json.md`, and captured messages.

use domain::place::Source;
use domain::press::AlertKind;
use serde_json::{Map, Value, json};
use wire::command::{Answer, Carried, Command, Order};
use wire::directory::Dialect;
use wire::notice::{News, Notice};
use wire::report::{Doubt, Event, Fix, Freshness, Stamp, Status};
use wire::topics::{self, Lane};

use super::reading::{self, Reading};
use super::{Decoded, ManualPublish, Message, Outgoing};

pub(super) fn decode(message: &Message<'_>) -> Decoded {
    // An empty payload clears a retained message.
    if message.payload.is_empty() && message.lane == Lane::Telemetry {
        return Decoded::other("empty");
    }
    let (value, mended) = match reading::parse(message.payload) {
        Ok(parsed) => parsed,
        Err(why) => return Decoded::unreadable(why),
    };
    let Value::Object(fields) = &value else {
        return Decoded::unreadable("not a JSON object");
    };
    let mut decoded = match (fields.get("_type").and_then(Value::as_str), message.lane) {
        (Some("location"), _) => location(fields, message),
        (Some("transition"), _) => transition(fields),
        (Some("lwt"), _) => last_will(fields),
        (Some("encrypted"), Lane::Alert) => Decoded::unreadable("encrypted, and nobody here has the key"),
        (Some(other), _) => Decoded::other(other),
        (None, _) => Decoded::unreadable("it does not say what it is (_type)"),
    };
    if let Some(mended) = mended {
        decoded.doubt(mended);
    }
    decoded
}

fn location(fields: &Map<String, Value>, message: &Message<'_>) -> Decoded {
    let mut reading = Reading::new(fields, "");
    let fix = fix(&mut reading);
    let no_place = reading.doubts.iter().any(|doubt| matches!(doubt, Doubt::FixAtZero | Doubt::FixOutOfRange));
    let unread = fix.is_none() && !no_place;
    let mut decoded = Decoded { status: status(&mut reading), ..Decoded::default() };
    // When the message was made is the better clock; the fix in it may be older.
    decoded.stamp.device_at = reading.time("created_at").or(fix.as_ref().and_then(|fix| fix.device_at));
    // Bridged trackers use digits as triggers.
    let trigger = reading.field("t", |value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let manual_means_help = message.manual_publish == ManualPublish::MeansHelp || message.lane == Lane::Alert;
    decoded.event = match trigger.as_deref() {
        Some("u") if manual_means_help => Some(Event::Alert { kind: AlertKind::Sos }),
        Some("9") => Some(Event::Alert { kind: AlertKind::LowBattery }),
        None if manual_means_help && reading.has("t") => {
            Some(Event::Unreadable { why: "its trigger (t) cannot be read, so it may be a press".to_owned() })
        }
        _ if unread => Some(Event::Unreadable { why: "its coordinates cannot be read".to_owned() }),
        _ => None,
    };
    // Somebody asked for it, with `reportLocation`.
    if trigger.as_deref() == Some("r") && fix.is_some() {
        let word = Command::Locate.word().to_owned();
        let answered = Event::CommandAnswered(Answer { number: None, word, done: Some(true), text: String::new() });
        match &decoded.event {
            None => decoded.event = Some(answered),
            Some(_) => decoded.also.push(answered),
        }
    }
    for doubt in reading.doubts {
        decoded.doubt(doubt);
    }
    if unread && matches!(decoded.event, Some(Event::Alert { .. })) {
        decoded.doubt(Doubt::NoFix);
    }
    decoded.fixes.extend(fix);
    decoded
}

fn fix(reading: &mut Reading<'_>) -> Option<Fix> {
    let position = reading.place("lat", "lon");
    let fix = Fix {
        freshness: Freshness::Live,
        lat_deg: position?.lat_deg(),
        lon_deg: position?.lon_deg(),
        accuracy_m: reading.number("acc", super::ACCURACY_M),
        device_at: reading.time("tst"),
        // The phone fuses its sources and does not say which.
        source: Source::Unknown,
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

fn status(reading: &mut Reading<'_>) -> Option<Status> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    let battery_pct = known(reading, "batt", 0.0..=100.0).map(|percent| percent as u8);
    let charging = match reading.counter("bs") {
        Some(1) => Some(false),
        // Full is on the mains too.
        Some(2 | 3) => Some(true),
        _ => None,
    };
    let status = Status { battery_pct, charging, worn: None };
    (status != Status::default()).then_some(status)
}

fn transition(fields: &Map<String, Value>) -> Decoded {
    let mut reading = Reading::new(fields, "");
    let entered = match fields.get("event").and_then(Value::as_str) {
        Some("enter") => true,
        Some("leave") => false,
        _ => return Decoded::unreadable("neither enter nor leave"),
    };
    let region = reading.text("desc", 128).unwrap_or_default();
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

/// The one way to put words before the user of the application: a featured text with a notification,
/// which only iOS knows; Android receives it, acknowledges it and shows nothing.
pub(super) fn encode_notice(notice: &Notice) -> Outgoing {
    let text = words(notice);
    let command = json!({ "_type": "cmd", "action": "action", "notification": text, "content": text });
    Outgoing {
        topic: topics::topic(Dialect::OwnTracks, &notice.serial, "cmd"),
        payload: command.to_string().into_bytes(),
    }
}

/// The application can be asked where it is, and, on iOS, shown a text. Its position says that it was asked for; that
/// it has shown a text, nothing does.
pub(super) fn encode_order(order: &Order) -> Result<(Outgoing, Carried), Carried> {
    let (command, carried) = match &order.command {
        Command::Locate => (json!({ "_type": "cmd", "action": "reportLocation" }), Carried::Posted { is_answered: true }),
        Command::Text { text } => {
            // The application renders the text as HTML.
            let text = text.replace(['<', '>', '&'], " ");
            let command = json!({ "_type": "cmd", "action": "action", "notification": text, "content": text });
            (command, Carried::Posted { is_answered: false })
        }
        _ => return Err(Carried::NoWord),
    };
    let topic = topics::topic(Dialect::OwnTracks, &order.serial, "cmd");
    Ok((Outgoing { topic, payload: command.to_string().into_bytes() }, carried))
}

fn words(notice: &Notice) -> String {
    // The application renders the text as HTML.
    let plain = |who: &str| who.replace(['<', '>', '&'], " ");
    let drill = if notice.drill { "【演练 drill】" } else { "" };
    let text = match &notice.news {
        News::Received => "已收到您的求助 · Your call has been received".to_owned(),
        News::Claimed => "坐席已受理 · An operator is dealing with it".to_owned(),
        News::Coming { minutes: None, who } => {
            let who = plain(who);
            format!("{who} 正在赶来 · {who} is on the way")
        }
        News::Coming { minutes: Some(minutes), who } => {
            let who = plain(who);
            format!("{who} 正在赶来，约 {minutes} 分钟 · {who} is on the way, about {minutes} min")
        }
        News::Arrived { who } => {
            let who = plain(who);
            format!("{who} 已到达 · {who} has arrived")
        }
        News::AllClear => "求助已办结 · All clear".to_owned(),
    };
    format!("{drill}{text}")
}
