//! Profiles: the one that is shipped, one that uses everything, and those that are refused.

use domain::datum::Datum;
use domain::place::Position;
use domain::press::AlertKind;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;
use wire::command::{Command, Contact};
use wire::notice::{News, Notice};
use wire::report::{AccessPoint, Cell, Doubt, Fix, Freshness};
use wire::topics::Lane;

use super::*;
use crate::codec::ManualPublish;

const G616: &str = include_str!("../../../profiles/g616.toml");

/// A maker who does everything differently.
const OTHER: &str = include_str!("../../../profiles/tests/other.toml");

fn profile(text: &str) -> std::sync::Arc<Profile> {
    std::sync::Arc::clone(Profiles::from_toml(text).unwrap().iter().next().unwrap())
}

fn read(profile: &Profile, topic: &str, payload: &[u8]) -> Decoded {
    super::super::decode(
        wire::directory::Dialect::Mapped,
        &Message {
            leaf: topic,
            payload,
            lane: Lane::Alert,
            manual_publish: ManualPublish::MeansHere,
            key: None,
            profile: Some(profile),
            received_at: "2026-01-01T00:05:30Z".parse().unwrap(),
        },
    )
}

fn other(value: &Value) -> Decoded {
    read(&profile(OTHER), "/dev/77/report/x", value.to_string().as_bytes())
}

fn event(event: Event) -> Decoded {
    Decoded { event: Some(event), ..Decoded::default() }
}

const SOS: Event = Event::Alert { kind: AlertKind::Sos };

#[test]
fn a_g616_watch_needs_no_code() {
    let watch = profile(G616);
    // 开福寺 in the maker's coordinates.
    let payload = br#"{"imei":"860000000000017","stepCount":"1618","temperature":"36.4","heartRate":"96","bpSystolic":"122",
        "bpDiastolic":"83","bloodOxygen":"98","battery":"36","sos":true,"speed":"0.00","direction":"0.0","locationDate":"260101",
        "locationTime":"080503","location":"112.944249776,28.224692417","positionWifi":"d0:76:e7:00:00:14,-54;0c:cf:89:00:00:96,-55;",
        "isWearing":true,"isOnline":true}"#;
    let decoded = read(&watch, "atom/g616/status/860000000000017", payload);
    assert_eq!(decoded.event, Some(SOS));
    let fix = &decoded.fixes[0];
    let here = Position::new(28.2282, 112.9388).unwrap();
    assert!(here.distance(Position::new(fix.lat_deg, fix.lon_deg).unwrap()).0 < 0.1, "{fix:?}");
    assert_eq!(fix.device_at.unwrap().to_string(), "2026-01-01T00:05:03Z");
    assert_eq!(decoded.stamp.device_at, fix.device_at);
    let status = decoded.status.unwrap();
    assert_eq!((status.battery_pct, status.worn), (Some(36), Some(true)));
    assert_eq!(decoded.surroundings.access_points.len(), 2);
    assert_eq!(decoded.surroundings.access_points[0].rssi_dbm, Some(-54));
    assert_eq!(decoded.vitals.len(), 5);
    assert_eq!(decoded.doubts, []);
}

#[test]
fn a_watch_that_is_well_says_so_and_one_that_is_gone_too() {
    let watch = profile(G616);
    let calm = read(&watch, "atom/g616/status/8600", br#"{"imei":"8600","sos":false,"battery":"36","location":""}"#);
    assert_eq!((calm.event, calm.fixes.len(), calm.doubts.len()), (None, 0, 0));
    let gone = read(&watch, "atom/g616/status/8600", br#"{"imei":"8600","sos":"false","isOnline":false}"#);
    assert_eq!(gone.event, Some(Event::Offline));
    let nothing = read(&watch, "atom/g616/status/8600", br#"{"imei":"8600"}"#);
    assert_eq!(nothing.event, Some(Event::Other { what: "g616".into() }));
}

#[test]
fn a_press_survives_whatever_stands_beside_it() {
    let watch = profile(G616);
    for payload in [
        r#"{"sos":true}"#,
        r#"{"sos":"true","location":"nowhere","battery":[],"positionWifi":7,"locationDate":{},"imei":"1"}"#,
        r#"{"sos":1,"location":"0,0"}"#,
        r#"{"sos":true,"heartRate":nan}"#,
        r#"{"sos":true,"location":"912.9,28.2","stepCount":-5}"#,
    ] {
        let decoded = read(&watch, "atom/g616/status/8600", payload.as_bytes());
        assert_eq!(decoded.event, Some(SOS), "{payload}");
        assert_eq!(decoded.fixes, [], "{payload}");
    }
    let strange = read(&watch, "atom/g616/status/8600", br#"{"sos":"pressed"}"#);
    assert_eq!(strange.event, Some(Event::Alert { kind: AlertKind::General }), "an alarm, and nobody knows which");
    assert!(strange.doubts.contains(&Doubt::Field { name: "sos".into() }));
    for noise in ["", "{", "[]", "{}", "7", r#"{"hello":"world"}"#] {
        let decoded = read(&watch, "atom/g616/status/8600", noise.as_bytes());
        assert!(matches!(decoded.event, Some(Event::Unreadable { .. })), "{noise}: {decoded:?}");
    }
    let foreign = read(&watch, "atom/g616/status/8600", br#"{"imei":"8601","battery":"36"}"#);
    assert_eq!(foreign.doubts, [Doubt::Field { name: "imei".into() }], "the topic is what was authenticated");
}

#[test]
fn a_profile_can_say_what_a_maker_does_differently() {
    let place = Position::new(28.2282, 112.9388).unwrap();
    let (lat, lon) = Datum::Bd09.from_wgs84(place);
    let point = |fix: &str, old: u8| json!({ "p": [lat * 1e6, lon * 1e6], "t": "2026-01-01T00:05:00Z", "r": 100, "v": 10, "fix": fix, "old": old, "by": "wlan" });
    let decoded = other(&json!({
        "n": 17, "test": 1, "power": "AC", "level": 3, "track": [point("A", 1), point("V", 0)], "body": 98.6,
        "mcc": 460, "mnc": "00", "cells": [{ "a": "1a2b", "c": "0f00ff", "s": -71 }, { "a": 7 }],
        "aps": [["home", "d0-76-e7-00-00-14", "x", -54]], "code": "E3|E1", "bits": 12, "pulse": 160,
    }));
    assert_eq!(decoded.event, Some(SOS));
    assert_eq!(
        decoded.also,
        [
            Event::Alert { kind: AlertKind::HeartRate },
            Event::Alert { kind: AlertKind::Removed },
            Event::Request { category: "meal".into() }
        ]
    );
    assert!(decoded.drill);
    assert_eq!(decoded.stamp.seq, Some(17));
    assert_eq!(decoded.status.unwrap().battery_pct, Some(75));
    assert_eq!(decoded.status.unwrap().charging, Some(true));
    let fresh: Vec<Freshness> = decoded.fixes.iter().map(|fix| fix.freshness).collect();
    assert_eq!(fresh, [Freshness::Stored, Freshness::LastKnown]);
    let Fix { lat_deg, lon_deg, accuracy_m, speed_kmh, source, .. } = decoded.fixes[0];
    assert!(place.distance(Position::new(lat_deg, lon_deg).unwrap()).0 < 0.5);
    assert_eq!((accuracy_m, speed_kmh, source), (Some(30.48), Some(36.0), domain::place::Source::Wifi));
    let cell = Cell { mcc: 460, mnc: 0, lac: 0x1a2b, cid: 0x0f_00ff, signal: Some(-71) };
    assert_eq!(decoded.surroundings.cells, [cell]);
    let mac = [0xd0, 0x76, 0xe7, 0, 0, 0x14];
    let access_point = AccessPoint { mac, rssi_dbm: Some(-54), ssid: Some("home".into()) };
    assert_eq!(decoded.surroundings.access_points, [access_point]);
    assert_eq!(decoded.doubts, [Doubt::FixOld, Doubt::Field { name: "cells".into() }]);
}

#[test]
fn codes_are_looked_up_and_an_unknown_one_is_a_general_alarm() {
    let codes = |code: Value| {
        let decoded = other(&json!({ "code": code, "level": 1 }));
        decoded.event.into_iter().chain(decoded.also).collect::<Vec<_>>()
    };
    assert_eq!(codes(json!("e1")), [SOS]);
    assert_eq!(codes(json!(["E2", "E1"])), [SOS, Event::Alert { kind: AlertKind::Fall }]);
    assert_eq!(codes(json!("E4")), [Event::CheckIn]);
    assert_eq!(codes(json!("E5")), [Event::Cancel]);
    assert_eq!(codes(json!("E9")), []);
    assert_eq!(codes(json!(0)), []);
    assert_eq!(codes(json!("E77")), [Event::Alert { kind: AlertKind::General }]);
    assert_eq!(codes(json!({ "what": 1 })), [Event::Alert { kind: AlertKind::General }]);
    assert_eq!(other(&json!({ "bits": 7 })).event, Some(Event::Other { what: "other".into() }));
    assert_eq!(other(&json!({ "bits": "8" })).event, event(Event::Alert { kind: AlertKind::Removed }).event);
}

#[test]
fn commands_are_written_as_the_profile_says_and_answers_are_heard() {
    let watch = profile(G616);
    let order = |command: &Command| encode_command(&watch, "8600", 5, command);
    let ordered = order(&Command::Text { text: "您好，请充电。".into() }).unwrap();
    assert_eq!(ordered.outgoing.topic, "atom/g616/cmd/8600/MESSAGE");
    assert_eq!(ordered.outgoing.payload, "您好,请充电.".as_bytes());
    assert_eq!(ordered.answered_as.as_deref(), Some("MESSAGE"));
    let contact = |name: &str, number: &str| Contact { name: name.into(), number: number.into() };
    let contacts = Command::Contacts { contacts: vec![contact("女儿", "13000000001"), contact("120", "120")] };
    assert_eq!(order(&contacts).unwrap().outgoing.payload, "13000000001,女儿,120,120".as_bytes());
    assert!(order(&Command::Text { text: "长".repeat(50) }).is_err());
    assert!(order(&Command::Restart).is_err());

    let answer = read(&watch, "atom/g616/cmd/8600/MESSAGE", b"MESSAGE");
    let Some(Event::CommandAnswered(answer)) = answer.event else { panic!("{answer:?}") };
    assert_eq!((answer.word.as_str(), answer.text.as_str(), answer.done), ("MESSAGE", "MESSAGE", None));
}

#[test]
fn values_keep_their_type_and_braces_of_others_are_left_alone() {
    let profile = profile(OTHER);
    let payload = |command: &Command| -> Value {
        serde_json::from_slice(&encode_command(&profile, "77", 5, command).unwrap().outgoing.payload).unwrap()
    };
    assert_eq!(payload(&Command::Locate), json!({ "id": 5, "cmd": "GPS", "to": "77" }));
    let every = |every_s| Command::ReportEvery { every_s };
    assert_eq!(payload(&every(60)), json!({ "s": "every 60 seconds, {not a name}" }));
    assert!(encode_command(&profile, "77", 5, &every(59)).is_err());
    let contacts = Command::Contacts { contacts: vec![Contact { name: "{number}".into(), number: "1".into() }] };
    assert_eq!(payload(&contacts), json!({ "book": [{ "name": "{number}", "number": "1" }] }));
    let fence = payload(&Command::Fence { number: 1, lat_deg: 28.2282, lon_deg: 112.9388, radius_m: 300 });
    assert!((fence["lat"].as_f64().unwrap() - 28.230_797_562).abs() < 1e-6, "in the maker's datum: {fence}");
    assert!(encode_command(&profile, "7/7", 5, &Command::Locate).is_err(), "a serial stays in its level");
}

#[test]
fn news_reaches_the_wearer_as_a_text_and_is_cut_rather_than_lost() {
    let notice = Notice {
        version: 1,
        id: Uuid::nil(),
        serial: "8600".into(),
        incident: Uuid::nil(),
        news: News::Coming { minutes: Some(4), who: "长".repeat(60) },
        not_after: Timestamp::UNIX_EPOCH,
        drill: false,
    };
    let text = |profile: &Profile| String::from_utf8(encode_notice(profile, &notice).unwrap().payload).unwrap();
    assert!(text(&profile(G616)).ends_with("正在赶来,约4分钟"));
    let narrow = text(&profile(&G616.replace("[1, 49]", "[1, 20]")));
    assert_eq!(narrow, "长".repeat(20));
    assert_eq!(encode_notice(&profile(OTHER), &notice), None);
}

#[test]
fn a_mistake_in_a_profile_is_told_before_anything_is_read() {
    let minimal =
        |more: &str| format!("[[profile]]\nname = \"x\"\n{more}\n[profile.topics]\nup = [\"x/{{serial}}\"]\n");
    assert!(Profiles::from_toml(&minimal("battery = \"/b\"")).is_ok());
    for (more, why) in [
        ("batery = \"/b\"", "batery"),
        ("battery = \"b\"", "no JSON pointer"),
        ("datum = \"wgs72\"", "no datum"),
        ("utc_offset = \"CST\"", "+08:00"),
        ("battery = { from = \"/b\", unit = \"volt\" }", "volt"),
        ("position = { lat = \"/lat\" }", "a pair, or lat and lon"),
        ("wifi = { from = \"/w\" }", "neither fields nor columns"),
        ("wifi = { from = \"/w\", fields = [\"bssid\"] }", "bssid"),
        ("alarm = [{ from = \"/a\" }]", "names a kind"),
        ("alarm = [{ from = \"/a\", kind = \"panic\" }]", "nothing that can be raised"),
        ("command.dance.payload = \"x\"", "dance"),
        ("command.locate.payload = \"x\"", "nowhere to say"),
    ] {
        let error = Profiles::from_toml(&minimal(more)).unwrap_err().to_string();
        assert!(error.contains(why), "{more}: {error}");
        let line = if more.contains("locate") { "line 4: " } else { "line 3: " };
        assert!(error.starts_with(line), "{more}: {error}");
    }
    assert!(matches!(Profiles::from_tomls([G616, G616]), Err(ProfileError::Clash { .. })));
    let both = Profiles::from_tomls([G616, OTHER]).unwrap();
    assert_eq!(both.of("/dev/77/report/x/y").map(|(profile, serial)| (profile.name(), serial)), Some(("other", "77")));
}

#[test]
fn the_line_of_a_mistake_is_told_wherever_it_stands() {
    let first = "[[profile]]\nname = \"one\"\ndatum = \"gcj02\"\n[profile.topics]\nup = [\"one/{serial}\"]\n";
    let second = "\n[[profile]]\nname = \"two\"\n\n[profile.topics]\nup = [\"two/{serial}\"]\n";
    let said = |more: &str| Profiles::from_toml(&format!("{first}{second}{more}")).unwrap_err().to_string();
    assert!(said("\n[profile.command.dance]\npayload = \"x\"\n").starts_with("line 13: profile \"two\", command: "));
    assert!(said("\n[profile.position]\nlat = \"/lat\"\n").starts_with("line 13: "));
    assert!(said("\n[profile.vitals]\nsteps = \"steps\"\n").starts_with("line 14: "));
    assert!(
        said("\n[[profile]]\nname = \"one\"\n[profile.topics]\nup = [\"three/{serial}\"]\n").starts_with("line 14: ")
    );
    assert!(
        said("\n[[profile]]\nname = \"three\"\n[profile.topics]\nup = [\"{serial}/{word}\"]\n")
            .starts_with("line 16: ")
    );
    assert!(said("no = equals").starts_with("line 12: "));
}

#[test]
fn a_profile_of_ones_own_takes_the_place_of_a_shipped_one_by_its_name() {
    let own = G616.replace("\"gcj02\"", "\"wgs84\"");
    let profiles = Profiles::shipped().and(&own).unwrap();
    assert_eq!(profiles.iter().count(), Profiles::shipped().iter().count());
    assert!(matches!(profiles.named("g616").unwrap().rules().datum, domain::datum::Datum::Wgs84));
    assert!(profiles.clone().and(&own).is_err(), "two of one's own are one too many");
    let renamed = own.replace("name = \"g616\"", "name = \"mine\"");
    let clash = Profiles::shipped().and(&renamed).unwrap_err().to_string();
    assert!(clash.starts_with("line 15: ") && clash.contains("\"g616\""), "{clash}");
}

#[test]
fn a_makers_word_is_ours_again_where_it_can_be_of_one_command_only() {
    let g616 = profile(G616);
    assert_eq!((g616.answered_command("MESSAGE"), g616.answered_command("PHL")), (Some("text"), Some("contacts")));
    assert_eq!(g616.answered_command("STEPS"), None);
    let both = format!("{G616}\n[profile.command.sos_numbers]\nword = \"PHL\"\npayload = \"\"\nis_answered = true\n");
    assert_eq!(profile(&both).answered_command("PHL"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_json_makes_a_profile_panic(
        values in prop::collection::vec(prop_oneof![
            any::<f64>().prop_map(Value::from), any::<bool>().prop_map(Value::from), "[-0-9.,;:a-fE|{} ]{0,24}".prop_map(Value::from),
            Just(json!([])), Just(json!({})), Just(json!([[1, 2], {}, null])), Just(Value::Null),
        ], 16),
        is_answer in any::<bool>(),
    ) {
        let names = ["imei", "sos", "location", "battery", "positionWifi", "locationDate", "locationTime", "heartRate", "n", "track",
            "code", "bits", "pulse", "cells", "aps", "mcc"];
        let fields: Value = names.iter().map(|name| (*name).to_owned()).zip(values).collect::<serde_json::Map<_, _>>().into();
        for (text, topic) in [(G616, if is_answer { "atom/g616/cmd/8600/X" } else { "atom/g616/status/8600" }), (OTHER, "/dev/77/report")] {
            let decoded = read(&profile(text), topic, fields.to_string().as_bytes());
            for fix in &decoded.fixes {
                prop_assert!(Position::new(fix.lat_deg, fix.lon_deg).is_ok(), "{:?}", fix);
            }
            prop_assert!(decoded.event.is_some() || decoded.status.is_some() || !decoded.fixes.is_empty() || !decoded.vitals.is_empty()
                || !decoded.surroundings.is_empty(), "silent: {:?}", decoded);
        }
    }
}
