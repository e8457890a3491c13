//! The codecs against corpora (our own, and captured OwnTracks messages) and against noise.

use std::path::{Path, PathBuf};

use domain::press::AlertKind;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;
use wire::notice::News;

use super::*;

const RECEIVED_AT: &str = "2026-01-01T08:00:00Z";

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn bytes(frame: &Value) -> Vec<u8> {
    let frame_text = frame["frame"].as_str().unwrap();
    match frame["encoding"].as_str() {
        Some("hex") => hex(frame_text),
        _ => frame_text.as_bytes().to_vec(),
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn message<'m>(leaf: &'m str, lane: Lane, payload: &'m [u8]) -> Message<'m> {
    let received_at = RECEIVED_AT.parse().unwrap();
    Message { leaf, payload, lane, manual_publish: ManualPublish::MeansHere, key: None, profile: None, received_at }
}

/// What was decoded, as JSON without what is absent, so that a corpus line says only what is there.
fn told(decoded: &Decoded) -> Value {
    fn is_nothing(value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.values().all(is_nothing),
            _ => false,
        }
    }
    let mut value = serde_json::to_value(decoded).unwrap();
    for part in value.as_object_mut().unwrap().values_mut() {
        match part {
            Value::Object(fields) if !fields.contains_key("is") => fields.retain(|_, value| !value.is_null()),
            Value::Array(list) => {
                list.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| entry.retain(|_, v| !v.is_null()));
            }
            _ => {}
        }
    }
    value.as_object_mut().unwrap().retain(|_, part| !is_nothing(part));
    value
}

fn check_corpus(dialect: Dialect, path: &str) {
    let mut wrong = Vec::new();
    let files = std::fs::read_dir(folder(path)).unwrap();
    for file in files.map(|entry| entry.unwrap().path()) {
        for frame in lines(&file) {
            let payload = bytes(&frame);
            let lane = serde_json::from_value(frame["lane"].clone()).unwrap();
            let message = message(frame["leaf"].as_str().unwrap(), lane, &payload);
            let decoded = decode(dialect, &Message { key: frame["key"].as_str(), ..message });
            if told(&decoded) != frame["expect"] {
                wrong.push(format!("{}: {}\n   expected {}", frame["id"], told(&decoded), frame["expect"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_frame_of_the_native_corpus_means_what_it_says_there() {
    check_corpus(Dialect::Ydt, "corpus/ydt");
}

#[test]
fn every_frame_of_the_owntracks_corpus_means_what_it_says_there() {
    check_corpus(Dialect::OwnTracks, "corpus/owntracks");
}

/// The frames kept beside the checkout: real phones, and what went wrong in other people's servers.
#[test]
fn captured_owntracks_messages_come_out_as_fixes_and_transitions() {
    let mut seen = 0;
    for frame in lines(&folder("../../shared/frames/owntracks.public.jsonl")) {
        let (id, expect, payload) = (&frame["id"], &frame["expect"], bytes(&frame));
        let without_key = message("", Lane::Telemetry, &payload);
        let decoded = decode(Dialect::OwnTracks, &Message { key: frame["key"].as_str(), ..without_key });
        if expect["encrypted"] == true {
            let closed = decode(Dialect::OwnTracks, &without_key);
            assert_eq!(closed.event, Some(Event::Other { what: "encrypted".into() }), "{id}");
        }
        seen += 1;
        match expect["kind"].as_str() {
            Some("fix") => assert_eq!(decoded.event, None, "{id}"),
            Some("alarm") => {
                let entered = expect["alarms"][0] == "fence_enter";
                let region = expect["fence"].as_str().unwrap().to_owned();
                assert_eq!(decoded.event, Some(Event::Transition { entered, region }), "{id}");
            }
            Some("offline") => assert_eq!(decoded.event, Some(Event::Offline), "{id}"),
            Some("status") => {
                let steps = u32::try_from(expect["steps"].as_u64().unwrap()).unwrap();
                assert_eq!(decoded.vitals, [wire::report::Vital::Steps { count: steps }], "{id}");
            }
            Some(_) => {
                let what = expect["type"].as_str().unwrap().to_owned();
                assert_eq!(decoded.event, Some(Event::Other { what }), "{id}");
                continue;
            }
            None => {
                assert_eq!(expect["error"], true, "{id}");
                assert!(matches!(decoded.event, Some(Event::Unreadable { .. })), "{id}: {decoded:?}");
                continue;
            }
        }
        let time = expect["time"].as_str().map(|time| time.parse::<Timestamp>().unwrap());
        let status = decoded.status.unwrap_or_default();
        assert_eq!(status.battery_pct.map(u64::from), expect["battery_pct"].as_u64(), "{id}");
        let Some(fix) = decoded.fixes.first() else {
            assert!(expect.get("lat").is_none(), "{id} has lost its place");
            assert_eq!(decoded.stamp.device_at, time, "{id}");
            continue;
        };
        assert_eq!(fix.device_at, time, "{id}");
        let close = |got: Option<f64>, name: &str| match (got, expect[name].as_f64()) {
            (Some(got), Some(wanted)) => assert!((got - wanted).abs() < 1e-9, "{id} {name}: {got}, not {wanted}"),
            (got, wanted) => assert_eq!(got, wanted, "{id} {name}"),
        };
        close(Some(fix.lat_deg), "lat");
        close(Some(fix.lon_deg), "lon");
        close(fix.accuracy_m, "accuracy_m");
        close(fix.speed_kmh, "speed_kmh");
        close(fix.course_deg, "course");
        close(fix.altitude_m, "altitude_m");
    }
    assert!(seen >= 30, "only {seen} frames were there to be read");
}

#[test]
fn a_position_published_by_hand_is_a_press_only_where_that_was_agreed() {
    let by_hand = br#"{"_type":"location","t":"u","lat":28.2282,"lon":112.9388,"tst":1767254400}"#;
    let here = message("", Lane::Telemetry, by_hand);
    assert_eq!(decode(Dialect::OwnTracks, &here).event, None);
    let help = Message { manual_publish: ManualPublish::MeansHelp, ..here };
    let decoded = decode(Dialect::OwnTracks, &help);
    assert_eq!(decoded.event, Some(Event::Alert { kind: AlertKind::Sos }));
    assert_eq!(decoded.fixes.len(), 1);
    assert_eq!(decoded.doubts, []);
}

#[test]
fn a_receipt_repeats_the_terminals_own_numbers() {
    let stamp = Stamp { boot: Some(3), seq: Some(17), device_at: None };
    let outcome = Outcome::Committed { incident: Some(Uuid::from_u128(5)) };
    let outgoing = encode_receipt(Dialect::Ydt, "P1", stamp, outcome).unwrap();
    assert_eq!(outgoing.topic, "ydt/1/P1/receipt");
    let receipt: wire::ydt::Receipt = serde_json::from_slice(&outgoing.payload).unwrap();
    assert_eq!((receipt.boot, receipt.seq, receipt.incident), (Some(3), Some(17), Some(Uuid::from_u128(5))));
    assert_eq!(encode_receipt(Dialect::OwnTracks, "chen/phone", stamp, outcome), None);
}

fn notice(serial: &str, news: News) -> Notice {
    Notice {
        version: wire::notice::VERSION,
        id: Uuid::from_u128(1),
        serial: serial.into(),
        incident: Uuid::from_u128(2),
        news,
        not_after: RECEIVED_AT.parse().unwrap(),
        drill: false,
    }
}

#[test]
fn news_reach_a_pager_in_its_own_words() {
    let coming = notice("P1", News::Coming { minutes: Some(4), who: "李卫".into() });
    let outgoing = encode_notice(Dialect::Ydt, None, &coming).unwrap();
    assert_eq!(outgoing.topic, "ydt/1/P1/notice");
    let read: wire::ydt::Notice = serde_json::from_slice(&outgoing.payload).unwrap();
    assert_eq!((read.id, read.news), (coming.id, coming.news));
}

#[test]
fn news_reach_a_phone_as_a_text_that_cannot_carry_markup() {
    let coming = notice("chen/phone", News::Coming { minutes: Some(4), who: "<b>李卫".into() });
    let outgoing = encode_notice(Dialect::OwnTracks, None, &coming).unwrap();
    assert_eq!(outgoing.topic, "owntracks/chen/phone/cmd");
    let command: Value = serde_json::from_slice(&outgoing.payload).unwrap();
    assert_eq!((&command["_type"], &command["action"]), (&"cmd".into(), &"action".into()));
    let text = command["notification"].as_str().unwrap();
    assert!(text.contains("李卫") && text.contains('4') && !text.contains('<'), "{text}");
}

fn any_message() -> impl Strategy<Value = (Dialect, String, Lane, bool)> {
    let dialect = prop_oneof![Just(Dialect::Ydt), Just(Dialect::OwnTracks)];
    let leaf = prop_oneof![
        Just("alert".to_owned()),
        Just("fix".to_owned()),
        Just("status".to_owned()),
        Just("ack".to_owned()),
        Just(String::new()),
        ".{0,12}"
    ];
    let lane = prop_oneof![Just(Lane::Alert), Just(Lane::Telemetry)];
    (dialect, leaf, lane, any::<bool>())
}

/// JSON of any shape whose names are the ones that the codecs look for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop_oneof![
            Just("alert"),
            Just("location"),
            Just("transition"),
            Just("lwt"),
            Just("sos"),
            Just("u"),
            Just("enter")
        ]
        .prop_map(Value::from),
    ];
    let name = prop_oneof![
        "type|kind|category|boot|seq|at|fix|battery_pct|drill|lat|lon|acc_m|source|fixes|notice",
        "_type|t|tst|created_at|acc|vel|cog|batt|bs|alt|event|desc",
    ];
    leaf.prop_recursive(3, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn holds_a_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(holds_a_zero),
        Value::Object(fields) => fields.values().any(holds_a_zero),
        _ => false,
    }
}

/// What every report must be, whatever came: storable, and never silent on the alert lane.
fn check(dialect: Dialect, (leaf, lane, help): (&str, Lane, bool), payload: &[u8]) {
    let manual_publish = if help { ManualPublish::MeansHelp } else { ManualPublish::MeansHere };
    let decoded = decode(dialect, &Message { manual_publish, ..message(leaf, lane, payload) });
    if dialect == Dialect::Ydt && lane == Lane::Alert && leaf == "alert" {
        assert!(decoded.event.is_some(), "an alert without an event: {decoded:?}");
    }
    if lane == Lane::Alert && serde_json::from_slice::<Value>(payload).is_err() {
        assert!(decoded.event.is_some() || !decoded.doubts.is_empty(), "{decoded:?}");
    }
    for fix in &decoded.fixes {
        assert!(domain::place::Position::new(fix.lat_deg, fix.lon_deg).is_ok(), "{fix:?}");
    }
    assert!(!holds_a_zero(&serde_json::to_value(&decoded).unwrap()), "PostgreSQL cannot hold it: {decoded:?}");
    assert!(decoded.doubts.len() <= DOUBTS_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_a_codec_panic((dialect, leaf, lane, help) in any_message(), payload in prop::collection::vec(any::<u8>(), 0..200)) {
        check(dialect, (&leaf, lane, help), &payload);
    }

    #[test]
    fn no_json_makes_a_codec_panic((dialect, leaf, lane, help) in any_message(), json in any_json()) {
        check(dialect, (&leaf, lane, help), json.to_string().as_bytes());
    }

    #[test]
    fn no_cut_or_flipped_frame_makes_a_codec_panic(cut in 0usize..200, at in 0usize..200, flip in any::<u8>(), lane in prop_oneof![Just(Lane::Alert), Just(Lane::Telemetry)]) {
        let whole = br#"{"type":"alert","_type":"location","kind":"sos","boot":1,"seq":2,"at":"2026-01-01T08:00:00Z","fix":{"lat":28.2,"lon":112.9},"lat":28.2,"lon":112.9,"t":"u","tst":1}"#;
        let mut payload = whole[..cut.min(whole.len())].to_vec();
        if let Some(byte) = payload.get_mut(at) {
            *byte ^= flip;
        }
        check(Dialect::Ydt, ("alert", lane, true), &payload);
        check(Dialect::OwnTracks, ("", lane, true), &payload);
    }

    #[test]
    fn a_press_survives_any_broken_neighbour(name in "boot|seq|at|fix|battery_pct|drill|note", broken in any_json()) {
        let mut alert = serde_json::json!({ "type": "alert", "kind": "sos" });
        alert[name] = broken;
        let payload = alert.to_string();
        let decoded = decode(Dialect::Ydt, &message("alert", Lane::Alert, payload.as_bytes()));
        prop_assert_eq!(decoded.event, Some(Event::Alert { kind: AlertKind::Sos }));
    }
}

#[test]
fn a_profile_of_habits_is_a_list_of_words_that_its_dialect_knows() {
    for (dialect, profile, unknown) in [
        (Dialect::Jt808, "utc,pendant_bits", None),
        (Dialect::Jt808, " jimi  confirm_alarm, ", None),
        (Dialect::Jt808, "utc,local_time", Some("local_time")),
        (Dialect::Gt06, "local_time language", None),
        (Dialect::Gt06, "Language", Some("Language")),
        (Dialect::Watch, "sg,fall_bit_22 battery_bit_20", None),
        (Dialect::Watch, "utc", Some("utc")),
        (Dialect::Eview, "utc", Some("utc")),
    ] {
        assert_eq!(unknown_habit(dialect, profile), unknown, "{profile}");
    }
}

#[test]
fn nobody_is_listened_in_to_by_a_makers_own_words() {
    let met = |dialect| {
        let mut conversation = conversation::Conversation::begin(dialect).unwrap();
        let received_at = Timestamp::UNIX_EPOCH;
        let context =
            conversation::Context { profile: None, received_at, strictness: conversation::Strictness::Lenient };
        let hello: &[u8] = match dialect {
            Dialect::Watch => b"[3G*9710000011*0002*LK]",
            _ => b"\x7e\x00\x02\x00\x00\x01\x39\x07\x31\x00\x01\x00\x07\x0a\x7e",
        };
        conversation.read(hello, &context);
        conversation
    };
    for (dialect, refused, taken) in [
        (Dialect::Watch, ["MONITOR,073100000000", "monitor,1"], "LOWBAT,1"),
        (Dialect::Gt06, ["MONITOR,073100000000#", "Monitor#"], "STATUS#"),
        // 8900 with `MONITOR` in it.
        (Dialect::Jt808, ["8400 01 303030", "8900 f0 4d4f4e49544f52 23"], "8400 00 303030"),
    ] {
        let raw = |content: &str| {
            let command = wire::command::Command::Raw { content: content.to_owned() };
            let (version, not_after) = (wire::command::VERSION, Timestamp::MAX);
            let order = Order { version, id: uuid::Uuid::nil(), serial: String::new(), command, number: 1, not_after };
            met(dialect).write(&order, None)
        };
        for content in refused {
            assert!(
                matches!(raw(content), Err(conversation::CannotSay::Unfit(why)) if why.contains("listening in")),
                "{content}"
            );
        }
        assert!(raw(taken).is_ok(), "{taken}");
    }
}
