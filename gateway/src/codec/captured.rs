//! The codecs against the frames kept beside the checkout: real terminals, and what servers say to them. Where that folder
//! is not there, nothing is tested here; our own corpora are everywhere.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;
use wire::command::{Command, Contact, Order};
use wire::directory::Dialect;

use super::conversation::{Context, Conversation, Strictness};
use super::inspect::{self, Specimen};
use super::{gt06, jt808, owntracks, watch};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/frames")
}

pub(super) fn lines(path: &Path) -> Vec<Value> {
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

pub(super) fn bytes(frame: &Value) -> Vec<u8> {
    match (&frame["frame"], frame["encoding"].as_str()) {
        (Value::String(text), Some("hex")) => hex(text),
        (Value::String(text), _) => text.clone().into_bytes(),
        (json, _) => json.to_string().into_bytes(),
    }
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// What is compared of a message that is known for its sender and its answer alone.
const LOOSE: [&str; 21] = [
    "other",
    "vendor",
    "vendor_text",
    "transparent",
    "info",
    "config",
    "attributes",
    "voice",
    "voice_request",
    "address_request",
    "location_request",
    "stream",
    "lbs",
    "waypoints",
    "status",
    "register",
    "auth",
    "reply",
    "ack",
    "waypoint",
    "transition",
];
const FIELDS: [&str; 15] = [
    "device_id",
    "kind",
    "time",
    "lat",
    "lon",
    "valid",
    "speed_kmh",
    "course",
    "battery_pct",
    "alarms",
    "cells",
    "wifi",
    "accuracy_m",
    "steps",
    "satellites",
];

fn is_same(want: &Value, got: &Value) -> bool {
    match (want.as_f64(), got.as_f64()) {
        (Some(want), Some(got)) => (want - got).abs() < 2e-6 || (want.abs() > 180.0 && (want - got).abs() < 0.06),
        _ => want == got,
    }
}

fn differences(frame: &Value) -> Vec<String> {
    let payload = bytes(frame);
    let specimen = Specimen {
        bytes: &payload,
        topic: frame["topic"].as_str(),
        key: frame["key"].as_str(),
        profile: None,
        received_at: Timestamp::UNIX_EPOCH,
    };
    let Some(findings) = inspect::inspect(frame["protocol"].as_str().unwrap(), &specimen) else { return Vec::new() };
    let got = Value::Object(findings.summary());
    let expect = &frame["expect"];
    if expect["error"] == true || got["error"] == true {
        return if expect["error"] == got["error"] { Vec::new() } else { vec![format!("error: {got}")] };
    }
    let is_loose = expect["kind"].as_str().is_some_and(|kind| LOOSE.contains(&kind));
    let mut fields: Vec<(String, &Value, &Value)> = Vec::new();
    for field in FIELDS.iter().take(if is_loose { 1 } else { FIELDS.len() }) {
        fields.push(((*field).to_owned(), &expect[*field], &got[*field]));
    }
    for (at, point) in expect["points"].as_array().into_iter().flatten().enumerate() {
        for field in ["time", "lat", "lon", "valid", "alarms"] {
            fields.push((format!("points[{at}].{field}"), &point[field], &got["points"][at][field]));
        }
    }
    if frame["reply"].is_string() {
        fields.push(("reply".to_owned(), &frame["reply"], &got["reply"]));
    }
    let none = Value::Array(Vec::new());
    fields.retain(|(_, want, got)| !(want.is_null() || is_same(want, got) || (**want == none && got.is_null())));
    fields.into_iter().map(|(name, want, got)| format!("{name}: expected {want}, got {got}")).collect()
}

#[test]
fn every_captured_frame_means_what_it_says_there() {
    let mut wrong = Vec::new();
    for name in inspect::names() {
        for frame in lines(&folder().join(format!("{name}.public.jsonl"))) {
            wrong.extend(differences(&frame).iter().map(|why| format!("{} {why}", frame["id"])));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a terminal says first, so that we know how to talk to it.
fn introduction(dialect: Dialect, vector: &Value) -> Vec<u8> {
    match dialect {
        Dialect::Watch => {
            let bytes = bytes(vector);
            let text = String::from_utf8_lossy(&bytes);
            let [maker, id, len, _] = text[1..].splitn(4, '*').collect::<Vec<_>>()[..] else { panic!("{text}") };
            // The terminal's own way to write hexadecimal digits is ours.
            let filling = if len.contains(|digit: char| digit.is_ascii_uppercase()) { "000A" } else { "000a" };
            format!("[{maker}*{id}*{filling}*LK,1,2,100]").into_bytes()
        }
        Dialect::Jt808 => {
            let frame = bytes(vector);
            let mut heartbeat = [&[0, 2, 0, 0][..], &frame[5..11], &[0, 0]].concat();
            heartbeat.push(heartbeat.iter().fold(0, |all, byte| all ^ byte));
            [&[0x7e][..], &heartbeat, &[0x7e]].concat()
        }
        _ => hex("78780d01012345678901234500018cdd0d0a"),
    }
}

/// The number in the frame, which an order brings with it.
fn number(dialect: Dialect, vector: &Value) -> u16 {
    let frame = bytes(vector);
    if dialect == Dialect::Jt808 { u16::from_be_bytes([frame[11], frame[12]]) } else { 0 }
}

fn raw(content: impl Into<String>) -> Command {
    Command::Raw { content: content.into() }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The order that a vector is the writing of: one of ours where there is one, the dialect's own words otherwise.
fn command(dialect: Dialect, vector: &Value) -> Command {
    let named = vector["command"].as_object().unwrap().iter().find_map(|(name, value)| named(dialect, name, value));
    named.unwrap_or_else(|| match dialect {
        Dialect::Watch => raw(vector["frame"].as_str().unwrap().trim_end_matches(']').rsplit('*').next().unwrap()),
        _ => panic!("{vector} is no order"),
    })
}

fn named(dialect: Dialect, name: &str, value: &Value) -> Option<Command> {
    Some(match (dialect, name) {
        (_, "reset") | (Dialect::Jt808, "terminal_control") => Command::Restart,
        (_, "locate" | "query_location") => Command::Locate,
        (_, "upload_interval_s") => Command::ReportEvery { every_s: value.as_u64()?.try_into().unwrap() },
        (_, "find") => Command::Find,
        (_, "sos_numbers") => Command::SosNumbers { numbers: texts(value) },
        (_, "monitor") => Command::ListenIn { number: value.as_str()?.to_owned() },
        (_, "fall_sensitivity") => Command::FallSensitivity { level: 9 - u8::try_from(value[0].as_u64()?).unwrap() },
        (_, "message_utf16be_hex") => Command::Text { text: value.as_str()?.to_owned() },
        (_, "phonebook") => {
            let [number, name] = &texts(&value[0])[..] else { panic!("{value}") };
            let units = hex(name).chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect::<Vec<_>>();
            let (name, number) = (String::from_utf16(&units).unwrap(), number.clone());
            Command::Contacts { contacts: vec![Contact { name, number }] }
        }
        (Dialect::Jt808, "set_params") if value.get("0x0029").is_some() => Command::ReportEvery { every_s: 10 },
        (Dialect::Jt808, "set_params") => {
            raw(["8103 02", "00000013 0e 3138382e3234352e3135312e3934", "00000018 04 00001397"].join(" "))
        }
        (Dialect::Jt808, "transparent") => raw("8900 f0 54455354"),
        (Dialect::Gt06, "text_command") => raw(value.as_str()?),
        _ => return None,
    })
}

/// Vectors that are no orders, but answers and texts with values that we do not choose.
fn written_otherwise(dialect: Dialect, vector: &Value) -> Option<Vec<u8>> {
    let command = &vector["command"];
    match dialect {
        Dialect::Watch if command["voice_hex"].is_string() => Some(watch::written(
            "CS",
            "123456789012345",
            &[b"TK,", &watch::escaped(&hex(command["voice_hex"].as_str()?))[..]].concat(),
        )),
        Dialect::Jt808 => {
            let frame = bytes(vector);
            let (number, serial) = (frame[5..11].to_vec(), number(dialect, vector));
            let ack = |reply: &Value| u16::try_from(reply["ack_seq"].as_u64().unwrap()).unwrap().to_be_bytes();
            let result = |reply: &Value| [u8::try_from(reply["result"].as_u64().unwrap()).unwrap()];
            let (id, body) = if let reply @ Value::Object(_) = &command["register_reply"] {
                let code = reply["auth_code"].as_str().unwrap_or_default();
                (0x8100, [&ack(reply)[..], &result(reply), code.as_bytes()].concat())
            } else if let reply @ Value::Object(_) = &command["general_reply"] {
                (0x8001, [&ack(reply)[..], &hex(reply["ack_id"].as_str()?), &result(reply)].concat())
            } else if let text @ Value::Object(_) = &command["text"] {
                let flags = u8::try_from(text["flag"].as_u64()?).unwrap();
                (0x8300, jt808::text(flags, text["text"].as_str()?))
            } else {
                return None;
            };
            Some(jt808::written(number, serial, id, &body))
        }
        // Its language stands where the frame's number does, and there is no number beside it.
        Dialect::Gt06 if command["language"].is_u64() => {
            let language = command["language"].as_u64()?.try_into().unwrap();
            Some(gt06::written_command(command["text_command"].as_str()?, 0, language))
        }
        Dialect::Gt06 if command["time_reply"].is_string() => {
            let mut conversation = Conversation::begin(dialect).unwrap();
            let received_at = command["time_reply"].as_str()?.parse().unwrap();
            let context = Context { profile: None, received_at, strictness: Strictness::Lenient };
            let turn = conversation.read(&gt06::REQUEST_OF_TIME, &context);
            Some(turn.replies.into_iter().flat_map(|reply| reply.bytes).collect())
        }
        _ => None,
    }
}

fn told_a_phone(vector: &Value) -> Vec<u8> {
    let order = match vector["command"]["action"].as_str() {
        Some("reportLocation") => Command::Locate,
        action => raw(action.unwrap_or_else(|| panic!("{vector} is no action"))),
    };
    owntracks::encode_command("user/device", &order).unwrap().outgoing.payload
}

fn told_in_conversation(dialect: Dialect, vector: &Value) -> Vec<u8> {
    let mut conversation = Conversation::begin(dialect).unwrap_or_else(|| panic!("{vector}: nobody talks like that"));
    let context = Context { profile: None, received_at: Timestamp::UNIX_EPOCH, strictness: Strictness::Lenient };
    conversation.read(&introduction(dialect, vector), &context);
    let order = Order {
        version: wire::command::VERSION,
        id: Uuid::nil(),
        serial: String::new(),
        command: command(dialect, vector),
        number: number(dialect, vector),
        not_after: Timestamp::MAX,
    };
    conversation.write(&order, None).unwrap_or_else(|why| panic!("{vector}: {why}")).bytes
}

#[test]
fn every_reference_of_the_downlink_is_written_byte_for_byte() {
    let mut wrong = Vec::new();
    for vector in lines(&folder().join("downlink.jsonl")) {
        let got = match vector["protocol"].as_str() {
            Some("owntracks") => told_a_phone(&vector),
            other => {
                let dialect = other.and_then(Dialect::parse);
                let dialect = dialect.unwrap_or_else(|| panic!("{vector} is of no dialect of ours"));
                written_otherwise(dialect, &vector).unwrap_or_else(|| told_in_conversation(dialect, &vector))
            }
        };
        if got != bytes(&vector) {
            let show = |bytes: &[u8]| inspect::written(bytes);
            wrong.push(format!("{}: expected {}, got {}", vector["id"], show(&bytes(&vector)), show(&got)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
