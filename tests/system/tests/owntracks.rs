//! Messages that real phones have sent, published once more with a third-party client: they come out as
//! fixes, transitions, and, where that was agreed, as presses.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use system::console::{doubts, list};
use system::frames::{self, Frame};
use system::mosquitto::Version;
use system::records::Records;
use system::scene::{Scene, sends_a_vehicle};
use system::server::Terminal;
use system::shell::Shell;
use system::wait::{SOON, until_so};

/// Where a message belongs. One that came over HTTP names its topic inside, or has only the two letters
/// of its sender.
fn topic(frame: &Frame) -> String {
    let inside = || serde_json::from_str::<Value>(&frame.frame).ok()?["topic"].as_str().map(str::to_owned);
    let topic = frame.topic.clone().or_else(inside);
    topic.unwrap_or_else(|| format!("owntracks/{}/phone", frame.expect["tid"].as_str().unwrap_or("nobody")))
}

/// The terminal in a topic: user and device.
fn serial(topic: &str) -> String {
    topic.split('/').skip(1).take(2).collect::<Vec<_>>().join("/")
}

/// What is expected of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Fix,
    Transition,
    /// Nobody here has the key, and a phone that encrypts has no agreement that its presses mean help.
    Encrypted,
    /// Understood, and of no interest: waypoints, steps, a last will, an unknown type.
    Other,
    Unreadable,
}

fn meaning(frame: &Frame) -> Meaning {
    let expect = &frame.expect;
    match (expect["kind"].as_str(), &expect["alarms"][0]) {
        _ if expect["error"] == true => Meaning::Unreadable,
        _ if expect["encrypted"] == true => Meaning::Encrypted,
        (Some("fix"), _) => Meaning::Fix,
        (Some("alarm"), Value::String(alarm)) if alarm.starts_with("fence_") => Meaning::Transition,
        (Some("waypoints" | "status" | "offline" | "other"), _) => Meaning::Other,
        _ => panic!("{}: nothing is known about {expect}", frame.id),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_messages_come_out_as_fixes_and_transitions_and_never_as_presses_by_themselves() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let mut records = scene.records().await;
    let frames = frames::owntracks();
    let mut phones: BTreeMap<String, Terminal> = BTreeMap::new();
    for frame in &frames {
        let serial = serial(&topic(frame));
        if !phones.contains_key(&serial) {
            phones.insert(serial.clone(), records.list_own_tracks(&serial, false).await);
        }
    }
    let newest = records.list_own_tracks("the/newest", false).await;
    let knocks = scene.hand(&newest, Version::V311);
    let opens = async || knocks.publish(&newest.topic("status"), "{\"_type\":\"status\"}").await.is_taken();
    until_so("the door knows the phones", SOON, opens).await;

    for (frame, version) in frames.iter().zip([Version::V311, Version::V5].into_iter().cycle()) {
        let topic = topic(frame);
        let phone = &phones[&serial(&topic)];
        scene.hand(phone, version).publish_acknowledged(&topic, &frame.frame).await;
    }

    let with_a_place =
        |frame: &&Frame| matches!(meaning(frame), Meaning::Fix | Meaning::Transition) && !frame.expect["lat"].is_null();
    let placed: Vec<&Frame> = frames.iter().filter(with_a_place).collect();
    assert!(placed.len() >= 20, "only {} frames tell a place", placed.len());
    let wanted = i64::try_from(placed.len()).unwrap();
    let filed = "select count(*) from fix";
    until_so("every fix is filed", SOON, async || records.count(filed, &[]).await >= wanted).await;
    let transitions =
        i64::try_from(frames.iter().filter(|frame| meaning(frame) == Meaning::Transition).count()).unwrap();
    let unreadable =
        i64::try_from(frames.iter().filter(|frame| meaning(frame) == Meaning::Unreadable).count()).unwrap();
    let kept = "select count(*) from report where event in ('transition', 'unreadable')";
    until_so("what is kept is kept", SOON, async || records.count(kept, &[]).await >= transitions + unreadable).await;

    for frame in placed {
        check_fix(&mut records, frame).await;
    }
    for frame in &frames {
        let events = events_of(&mut records, &serial(&topic(frame)), &frame.frame).await;
        match meaning(frame) {
            Meaning::Transition => assert_eq!(events, ["transition"], "{}", frame.id),
            Meaning::Unreadable => assert_eq!(events, ["unreadable"], "{}", frame.id),
            Meaning::Fix | Meaning::Encrypted | Meaning::Other => assert_eq!(events, [""; 0], "{}", frame.id),
        }
    }
    assert_eq!(records.count(filed, &[]).await, wanted, "a fix was made up, or doubled");
    assert_eq!(records.count(kept, &[]).await, transitions + unreadable);
    assert_eq!(records.count("select count(*) from incident", &[]).await, 0, "a position is no press");
    // The last position of the phone that told the most, whatever its clock says.
    let state = records.ask(
        "select st_y(s.place::geometry), s.battery_pct::bigint from terminal_state s join terminal t on t.id = s.terminal_id
         where t.serial = 'demo/iphone'",
        &[],
    );
    let state = &state.await[0];
    assert!((state.get::<f64, _>(0) - 51.062_633_916_783_21).abs() < 1e-6);
    assert_eq!(state.get::<i64, _>(1), 99);
}

/// The fix that a frame must have become.
async fn check_fix(records: &mut Records, frame: &Frame) {
    let serial = serial(&topic(frame));
    let (id, expect) = (&frame.id, &frame.expect);
    let rows = records
        .ask(
            "select st_y(f.place::geometry) as lat, st_x(f.place::geometry) as lon, accuracy_m::float8, speed_kmh::float8,
                course_deg::float8 as course, altitude_m::float8
             from fix f join terminal t on t.id = f.terminal_id
             where t.serial = $1 and f.device_at = $2::timestamptz
                and abs(st_y(f.place::geometry) - $3::float8) < 1e-6 and abs(st_x(f.place::geometry) - $4::float8) < 1e-6",
            &[&serial, expect["time"].as_str().unwrap_or_default(), &expect["lat"].to_string(), &expect["lon"].to_string()],
        )
        .await;
    let is_it = |row: &PgRow| {
        let columns = ["accuracy_m", "speed_kmh", "course", "altitude_m"];
        columns.into_iter().all(|column| match (row.get::<Option<f64>, _>(column), expect[column].as_f64()) {
            // Filed as four-byte numbers.
            (Some(got), Some(wanted)) => (got - wanted).abs() < 1e-3,
            (got, wanted) => got == wanted,
        })
    };
    // Two frames tell the same place and time, one of them more about it.
    assert_eq!(rows.iter().filter(|row| is_it(row)).count(), 1, "{id} is not filed as it is, once");
}

/// As what the report with exactly these bytes was filed.
async fn events_of(records: &mut Records, serial: &str, bytes: &str) -> Vec<String> {
    let rows = records
        .ask("select event from report where serial = $1 and raw = convert_to($2, 'utf8')", &[serial, bytes])
        .await;
    rows.iter().map(|row: &PgRow| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_publishing_by_hand_means_help_it_is_a_press_and_the_phone_hears_of_it() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let mut records = scene.records().await;
    let phone = scene.terminal("wang/phone");
    let hand = scene.hand(&phone, Version::V311);
    let ears = hand.listen("phone", &phone.topic("cmd")).await;
    let frames = frames::owntracks();
    let (by_hand, by_itself): (Vec<&Frame>, Vec<&Frame>) =
        frames.iter().filter(|frame| meaning(frame) == Meaning::Fix).partition(|frame| frame.expect["trigger"] == "u");
    assert!(by_hand.len() >= 2, "only {} frames were published by hand", by_hand.len());

    hand.publish_acknowledged(&phone.topic(""), &by_itself[0].frame).await;
    let fixes = "select count(*) from fix";
    until_so("the position is filed", SOON, async || records.count(fixes, &[]).await == 1).await;
    assert_eq!(records.count("select count(*) from incident", &[]).await, 0);
    for frame in &by_hand {
        hand.publish_acknowledged(&phone.topic(""), &frame.frame).await;
        let filed = events_of(&mut records, "wang/phone", &frame.frame).await;
        assert_eq!(filed, ["alert"], "{} was acknowledged, but is not on disk", frame.id);
    }

    let operator = scene.operator().await;
    let is_it = |incident: &Value| incident["subject"]["name"] == "王建国";
    let incident = operator.incident("it rings", SOON, is_it).await;
    let card = operator.card(&incident).await;
    assert_eq!(card["kinds"], json!(["sos"]));
    assert_eq!(card["presses"], by_hand.len());
    // Years old when it was published again: a doubt about the clock, none about the press.
    assert!(doubts(&card).contains(&"clock_off"), "{:?}", card["doubts"]);
    assert_eq!(card["place"]["lat"].as_f64(), by_hand[by_hand.len() - 1].expect["lat"].as_f64());
    let said = ears.hear("that the call is received", SOON, |heard| heard.message["_type"] == "cmd").await;
    assert!(said.message["content"].as_str().unwrap().contains("已收到"), "{said:?}");
    operator.act(&incident, "claim", json!({})).await;
    let claimed = |heard: &system::mosquitto::Heard| heard.message["content"].to_string().contains("已受理");
    ears.hear("that it is dealt with", SOON, claimed).await;
    let acknowledged = |card: &Value| list(&card["notices"]).iter().all(|notice| notice["state"] == "delivered");
    operator.card_when(&incident, "every notice is acknowledged", SOON, acknowledged).await;
    records.timeline(&incident).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_phone_encrypts_is_read_with_its_key_and_under_another_kept_with_the_reason() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let mut records = scene.records().await;
    let shell = Shell::at(scene.server.data());
    let frames = frames::owntracks();
    // Sealed by libsodium, and published by hand.
    let sealed = frames.iter().find(|frame| meaning(frame) == Meaning::Encrypted && frame.key.is_some());
    let sealed = sealed.expect("a frame comes with its key");
    let key = sealed.key.as_deref().expect("it has one");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{key}\n")).expect("a file is written");

    let agreed = records.list_own_tracks("greg/phone", true).await;
    let another = records.list_own_tracks("greg/tablet", false).await;
    let said = shell.says(&["terminal", "key", &agreed.serial, "--file", file.to_str().expect("a plain path")]);
    assert!(!said.contains(key), "{said}");
    let said = shell.says(&["terminal", "key", &another.serial]);
    let made = said.split_whitespace().last().expect("it is shown once").to_owned();
    let listed = shell.says(&["terminal", "list", "--json"]);
    assert!(!listed.contains(key) && !listed.contains(&made), "a key stands in a list");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let of = |serial: &str| list(&listed).iter().find(|terminal| terminal["serial"] == serial).cloned();
    assert_eq!(of("greg/phone").expect("it is listed")["encrypts"], true);
    assert_eq!(of("wang/phone").expect("it is listed")["encrypts"], false);

    // Under another key it is kept with the reason.
    let knocks = scene.hand(&another, Version::V311);
    let kept = "select count(*) from report where serial = 'greg/tablet' and event = 'unreadable'
        and why like '%another key%' and raw = convert_to($1, 'utf8')";
    until_so("it is kept", SOON, async || {
        // The door lets it in, and the gateway knows its key, within a moment.
        knocks.publish(&another.topic(""), &sealed.frame).await;
        records.count(kept, &[&sealed.frame]).await > 0
    })
    .await;

    // With the right one it is what it says: a position, and where that was agreed a press. So is the answer sealed.
    let hand = scene.hand(&agreed, Version::V5);
    let ears = hand.listen("phone", &agreed.topic("cmd")).await;
    hand.publish_acknowledged(&agreed.topic(""), &sealed.frame).await;
    assert_eq!(events_of(&mut records, "greg/phone", &sealed.frame).await, ["alert"]);
    check_fix(&mut records, sealed).await;
    let operator = scene.operator().await;
    let incident = operator.incident("it rings", SOON, |incident| incident["serial"] == "greg/phone").await;
    let card = operator.card(&incident).await;
    assert_eq!(card["kinds"], json!(["sos"]));
    let said = ears.hear("that the call is received", SOON, |heard| heard.message["_type"] == "encrypted").await;
    assert!(said.message["data"].is_string() && said.message["content"].is_null(), "{said:?}");
    records.timeline(&incident).await;
}
