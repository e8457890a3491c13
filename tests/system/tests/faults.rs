//! Bad input, and everything around the line that can fail: what is pressed is heard, and what is not stored
//! is never said to be.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use firmware_sim::centre::{Behaviour, Case, Down};
use firmware_sim::clock;
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Row as _;
use system::browser::Browser;
use system::console::{Console, doubts, entries, has_task, list, seconds_between, text};
use system::hook::Hook;
use system::mosquitto::{Mosquitto, Version};
use system::paho::Paho;
use system::postgres::Postgres;
use system::records::Records;
use system::scene::{SECRET, Scene, sends_a_vehicle};
use system::server::{Server, Setup, Terminal};
use system::stream::{Event, Stream};
use system::wait::{SOON, until, until_so};
use wire::signature;

/// After this an alert that is not stored rings from memory.
const UNSTORED_AFTER: Duration = Duration::from_secs(10);
/// A browser without a graphics card takes its time to draw a map.
const DRAWN_WITHIN: Duration = Duration::from_mins(3);
/// After this somebody has to telephone.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(15);
/// So long the database is away.
const AWAY_FOR: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_read_rings_on_the_alert_lane_and_is_kept_on_the_other() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let operator = scene.operator().await;
    let live = operator.follow(None).await;
    let mut records = scene.records().await;
    let garbage: [(&str, &[u8]); 4] = [
        ("P1001", b"{\"type\":\"alert\",\"kind\":\"so"),
        ("P1003", b"\x00\xff\xfe\x80 SOS \x07"),
        ("P1004", b""),
        ("P1007", b"[1, 2, \"help\"]"),
    ];
    for (number, (serial, bytes)) in garbage.into_iter().enumerate() {
        let terminal = scene.terminal(serial);
        let hand = scene.hand(&terminal, [Version::V311, Version::V5][number % 2]);
        hand.publish_acknowledged(&terminal.topic("alert"), bytes).await;
        let rings = |event: &Event| event.data["serial"] == serial && event.data["ring"] == "operators";
        let rang = live.hear(format!("{serial} rings"), SOON, rings).await;
        assert_eq!(rang.data["kinds"], json!(["unreadable"]));
        let kept = records.ask("select raw, event, lane from report where serial = $1", &[serial]).await;
        let kept: Vec<(Vec<u8>, String, String)> =
            kept.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        assert_eq!(kept, [(bytes.to_vec(), "unreadable".to_owned(), "alert".to_owned())]);
        let card = operator.card(text(&rang.data["id"])).await;
        let lines = entries(&card, "unreadable");
        assert_eq!((lines.len(), &lines[0]["data"]["serial"]), (1, &json!(serial)));
        assert!(!text(&lines[0]["data"]["why"]).is_empty());
    }

    // Telemetry that nobody can read wakes nobody, is kept, and is counted where a person looks.
    let unreadable = "ydt_gateway_telemetry_unreadable_total";
    assert_eq!(operator.metric(unreadable).await, "0");
    let pager = scene.terminal("P1008");
    let hand = scene.hand(&pager, Version::V311);
    hand.publish_acknowledged(&pager.topic("fix"), "{\"fixes\": \"none\"}").await;
    hand.publish_acknowledged(&pager.topic("status"), "not JSON").await;
    let kept = "select count(*) from report where serial = 'P1008' and lane = 'telemetry' and event = 'unreadable'";
    until_so("both are kept", SOON, async || records.count(kept, &[]).await == 2).await;
    assert_eq!(records.count("select count(*) from incident", &[]).await, 4);
    assert_eq!(operator.metric(unreadable).await, "2");
    assert_eq!(operator.metric("ydt_gateway_alerts_unreadable_total").await, "4");
    assert_eq!(operator.metric("ydt_broker_alerts_total").await, "4");
    assert_eq!(operator.metric("ydt_broker_sessions").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_doubtful_about_a_press_it_rings_and_the_card_says_what() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let operator = scene.operator().await;
    let mut records = scene.records().await;
    let years_ago = "2006-03-01T08:00:00Z";
    let cases = [
        ("P1001", json!({}), "no_fix"),
        ("P1003", json!({ "fix": { "lat": 0.0, "lon": 0.0 } }), "fix_at_zero"),
        ("P1004", json!({ "fix": { "lat": 128.2, "lon": 1129.0 } }), "fix_out_of_range"),
        ("P1005", json!({ "at": years_ago, "fix": { "lat": 28.2, "lon": 112.9, "at": years_ago } }), "clock_off"),
        ("P1007", json!({ "battery_pct": "full", "fix": { "lat": 28.2, "lon": 112.9 } }), "field"),
    ];
    for (serial, more, doubt) in cases {
        let terminal = scene.terminal(serial);
        let mut press = json!({ "type": "alert", "kind": "sos", "boot": 1, "seq": 1 });
        press.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let pressed_at = clock::now();
        let hand = scene.hand(&terminal, Version::V311);
        hand.publish_acknowledged(&terminal.topic("alert"), press.to_string()).await;
        let incident = operator.incident(format!("{serial} rings"), SOON, |it| it["serial"] == serial).await;
        let card = operator.card(&incident).await;
        assert!(doubts(&card).contains(&doubt), "{serial}: {:?}", card["doubts"]);
        assert_eq!((&card["kinds"], &card["presses"]), (&json!(["sos"]), &json!(1)));
        // Opened now, whatever the terminal's clock says.
        let opened_at: Timestamp = text(&card["opened_at"]).parse().unwrap();
        assert!((pressed_at..=clock::now()).contains(&opened_at), "{serial} was opened at {opened_at}");
        // 120 is told the home where the press told no place.
        let message = scene.case_of(&incident).await.message;
        let place = message.place.expect("a place is known");
        let at_home = (place.lat_deg - terminal.lat).abs() < 1e-6 && (place.lon_deg - terminal.lon).abs() < 1e-6;
        assert_eq!(at_home, !matches!(doubt, "clock_off" | "field"), "{serial}: {place:?}");
    }

    // Struck from the books, while the door still knows it: an operator looks, and 120 is not called.
    let stranger = scene.terminal("P1006");
    records.strike("P1006").await;
    let hand = scene.hand(&stranger, Version::V5);
    for seq in 1..=2 {
        let press = json!({ "type": "alert", "kind": "sos", "boot": 1, "seq": seq });
        hand.publish_acknowledged(&stranger.topic("alert"), press.to_string()).await;
    }
    let is_it = |incident: &Value| incident["subject"]["kind"] == "source" && incident["presses"] == 2;
    let incident = operator.incident("the stranger rings", SOON, is_it).await;
    let card = operator.card(&incident).await;
    assert_eq!((&card["subject"]["id"], &card["class"]), (&json!("P1006"), &json!("emergency")));
    assert!(doubts(&card).contains(&"unknown_terminal"));
    assert_eq!((&card["ring"], &card["handovers"]), (&json!("operators"), &json!([])));
    assert_eq!(scene.case_now(&incident), None);

    // One that nobody wears.
    let nobody = scene.terminal("P1008");
    records
        .ask(
            "update terminal_assignment set until = clock_timestamp() where terminal_id =
        (select id from terminal where serial = 'P1008')",
            &[],
        )
        .await;
    let hand = scene.hand(&nobody, Version::V311);
    hand.publish_acknowledged(&nobody.topic("alert"), r#"{"type":"alert","kind":"sos","boot":1,"seq":1}"#).await;
    let is_it = |incident: &Value| incident["subject"]["kind"] == "terminal";
    let incident = operator.incident("the unworn pager rings", SOON, is_it).await;
    assert!(doubts(&operator.card(&incident).await).contains(&"not_assigned"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_and_foreign_topics_are_refused_in_the_protocols_own_words() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let (pager, other) = (scene.terminal("P1001"), scene.terminal("P1003"));
    let mut forged = pager.clone();
    forged.secret = other.secret.clone();
    let mut unknown = pager.clone();
    unknown.login = "P9999".into();
    let alert = pager.topic("alert");
    for wrong in [&forged, &unknown] {
        // 4 and 0x86: bad user name or password.
        let refused = scene.hand(wrong, Version::V311).publish(&alert, "{}").await;
        assert_eq!(refused.code, Some(4), "{}", refused.said);
        assert!(refused.said.contains("bad user name or password"), "{}", refused.said);
        let refused = scene.hand(wrong, Version::V5).publish(&alert, "{}").await;
        assert_eq!(refused.code, Some(0x86), "{}", refused.said);
    }
    // Another terminal's topics: 3.1.1 has no word for it and hangs up, 5 says "not authorised".
    let refused = scene.hand(&pager, Version::V311).publish(&other.topic("alert"), "{}").await;
    assert!(refused.said.contains("connection was lost"), "{}", refused.said);
    let refused = scene.hand(&pager, Version::V5).publish(&other.topic("alert"), "{}").await;
    assert!(refused.said.contains("Not authorized"), "{}", refused.said);
    for version in [Version::V311, Version::V5] {
        for filter in ["#", "ydt/1/+/notice", &other.topic("notice")] {
            let refused = scene.hand(&pager, version).try_to_listen(filter).await;
            assert!(refused.said.contains("subscription requests were denied"), "{filter}: {}", refused.said);
        }
    }
    let mut records = scene.records().await;
    assert_eq!(records.count("select count(*) from report", &[]).await, 0, "somebody got past the door");

    // Revoked: open sessions end, in 5 with the reason, and there are no new ones. Within 5 s by what is waited for on the
    // way, which is held against the promise where it is waited for (`yidiantong/src/apart/far_dispatchers.rs`).
    let mut paho = Paho::start();
    paho.connect(scene.ready().mqtt, &other, Version::V311).await;
    let ears = scene.hand(&other, Version::V5).listen("ears", &other.topic("notice")).await;
    records.ask("update terminal set revoked_at = now() where serial = $1", &[&other.serial]).await;
    let within = SOON;
    let cut = async { paho.hear(&other, "disconnected", within, |_| true).await };
    tokio::join!(cut, ears.report("Received DISCONNECT (135)", within));
    // paho tells 3.1.1's 4 in the words of 5.
    paho.hear(&other, "refused", SOON, |event| event["code"] == 0x86).await;
    paho.end().await;
    scene.hand(&pager, Version::V311).publish_acknowledged(&alert, r#"{"type":"check_in","boot":1,"seq":1}"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_directory_the_server_is_unavailable_and_with_the_kept_one_terminals_wait_at_the_door() {
    let postgres = Postgres::start();
    postgres.go_away().await;
    let setup = Setup { database_url: Some(postgres.url().to_owned()), ..Setup::default() };
    let mut server = Server::launch(setup);
    server.logs("the door is open").await;
    let stranger = Terminal {
        serial: "P1001".into(),
        login: "P1001".into(),
        secret: "anything".into(),
        dialect: "ydt".into(),
        wearer: String::new(),
        lat: 0.0,
        lon: 0.0,
    };
    // 3 and 0x88: server unavailable. Never "bad credentials", at which a terminal might give up.
    for (version, code) in [(Version::V311, 3), (Version::V5, 0x88)] {
        let hand = Mosquitto { door: server.mqtt(), terminal: &stranger, version };
        let refused = hand.publish(&stranger.topic("alert"), "{}").await;
        assert_eq!(refused.code, Some(code), "{}", refused.said);
    }
    postgres.come_back();
    let ready = server.answers().await.clone();
    let pager = ready.demo.terminals[0].clone();
    let hand = Mosquitto { door: ready.mqtt, terminal: &pager, version: Version::V311 };
    let press = |seq: u32| json!({ "type": "alert", "kind": "sos", "boot": 1, "seq": seq });
    hand.publish_acknowledged(&pager.topic("alert"), press(1).to_string()).await;
    let kept = server.data().join("broker-directory");
    until_so("the directory is on disk", SOON, async || {
        std::fs::read(&kept).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&pager.serial))
    })
    .await;

    // Started again without a database: terminals get in, and are told nothing that is not true.
    server.stop().await;
    postgres.go_away().await;
    server.run();
    server.logs("the door is open").await;
    let mut paho = Paho::start();
    paho.begin(ready.mqtt, &pager, Version::V311).await;
    paho.hear(&pager, "connected", SOON, |_| true).await;
    let tag = paho.publish(&pager, &pager.topic("alert"), &press(2)).await;
    paho.hear(&pager, "disconnected", SOON, |_| true).await;
    assert!(!paho.is_acknowledged(&pager, tag), "acknowledged without a database");
    postgres.come_back();
    paho.acknowledged(&pager, tag, SOON).await;
    paho.end().await;
    let ready = server.answers().await;
    let mut records = Records::of(ready).await;
    let presses: Vec<_> = records.presses().await.into_iter().collect();
    assert_eq!(presses, [(("P1001".to_owned(), 1, 1), 1), (("P1001".to_owned(), 1, 2), 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_while_the_database_never_comes_up_rings_at_consoles_that_were_open_and_fires_the_hook() {
    let (postgres, hook) = (Postgres::start(), Hook::listen().await);
    let database_url = Some(postgres.url().to_owned());
    let setup = Setup { database_url, alarm_hook: Some(hook.url()), ..Setup::default() };
    let mut scene = Scene::open_with(sends_a_vehicle(8), setup).await;
    let operator = scene.operator().await;
    let live = operator.follow(None).await;
    let hello = live.hear("hello", SOON, |event| event.name == "hello").await;
    let mut page = Browser::log_in(scene.ready(), "supervisor").await;
    // Whatever it still had to load would be missing when the process is killed.
    page.sees("map", json!({ "data-state": "ready" }), DRAWN_WITHIN).await;
    let pager = scene.terminal("P1001");
    let kept = |name: &str, words: &str| {
        let bytes = std::fs::read(scene.server.data().join(name));
        bytes.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(words))
    };
    until_so("what outlives the process is on disk", SOON, async || {
        let people = ["operator", "supervisor"];
        let people = people.iter().all(|login| kept("console-sessions.json", &format!("\"login\":\"{login}\"")));
        people && kept("broker-directory", &pager.serial)
    })
    .await;
    let file = std::fs::metadata(scene.server.data().join("console-sessions.json")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);

    // A power cut after which the database does not come back.
    scene.server.kill();
    postgres.go_away().await;
    scene.server.run();
    scene.server.listens().await;
    let (status, health) = operator.call(Method::GET, "/health", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(&health["wrong"][0]).contains("starting"), "{health}");
    assert_eq!(operator.metric("ydt_database_up").await, "0");
    for (method, path) in [(Method::GET, "/incidents"), (Method::POST, "/session"), (Method::GET, "/residents?q=x")] {
        let body = json!({ "login": "operator", "password": "x" });
        let (status, answer) = operator.call(method, path, Some(body)).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")),
            "{path}: {answer}"
        );
    }
    assert_eq!(operator.get("/session").await["user"]["login"], "operator");
    assert!(reqwest::get(&scene.ready().http).await.unwrap().status().is_success(), "the page itself is served");
    let stranger = reqwest::get(format!("{}/api/v1/live", scene.ready().http)).await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);

    let live = operator.follow(hello.id.as_deref()).await;
    let mut paho = Paho::start();
    paho.begin(scene.server.mqtt(), &pager, Version::V311).await;
    paho.hear(&pager, "connected", SOON, |_| true).await;
    let press = json!({ "type": "alert", "kind": "sos", "boot": 1, "seq": 1 });
    let tag = paho.publish(&pager, &pager.topic("alert"), &press).await;
    let is_it = |stored: bool| {
        move |event: &Event| {
            event.name == "unstored" && event.data["serial"] == "P1001" && event.data["stored"] == stored
        }
    };
    let rang = live.hear("it rings from memory", UNSTORED_AFTER + SOON, is_it(false)).await;
    let alarm = hook.rings_for("P1001").await;
    assert_eq!((&rang.data["what"], &alarm["id"]), (&json!("the SOS key was pressed"), &rang.data["id"]));
    page.sees("unstored-P1001", json!({}), SOON).await;
    page.sees("ringing", json!({ "data-heard": "supervisors" }), SOON).await;
    assert!(!paho.is_acknowledged(&pager, tag), "acknowledged without a database");

    // It comes back after all: the press is stored, once, and rings as every other.
    postgres.come_back();
    paho.acknowledged(&pager, tag, SOON * 2).await;
    live.hear("it is stored at last", SOON, is_it(true)).await;
    let rings = |event: &Event| event.name == "incident" && event.data["serial"] == "P1001";
    let rang = live.hear("it rings", SOON, rings).await;
    page.sees_no("unstored-P1001", SOON).await;
    page.sees(&format!("incident-{}", text(&rang.data["id"])), json!({}), SOON).await;
    assert_eq!(page.complaints().await, json!([]));
    scene.server.answers().await;
    let presses: Vec<_> = scene.records().await.presses().await.into_iter().collect();
    assert_eq!(presses, [(("P1001".to_owned(), 1, 1), 1)]);
    assert!(operator.call(Method::GET, "/health", None).await.0.is_success());
    page.closes().await;
    paho.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_acknowledged_and_it_rings_from_memory_at_a_browser() {
    let postgres = Postgres::start();
    let setup = Setup { database_url: Some(postgres.url().to_owned()), ..Setup::default() };
    let scene = Scene::open_with(sends_a_vehicle(8), setup).await;
    let operator = scene.operator().await;
    let mut page = Browser::log_in(scene.ready(), "supervisor").await;
    let mut outage = Outage::prepare(&scene, &operator).await;

    postgres.go_away().await;
    outage.press().await;
    outage.rings_from_memory(&operator).await;
    page.sees("unstored-P1001", json!({}), SOON).await;
    page.sees("ringing", json!({ "data-heard": "supervisors" }), SOON).await;
    outage.lasts().await;
    postgres.come_back();
    outage.ends(&scene, &operator).await;
    page.sees_no("unstored-P1001", SOON).await;
    page.closes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_neither_answers_nor_hangs_up_is_away_too() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let operator = scene.operator().await;
    let mut outage = Outage::prepare(&scene, &operator).await;

    scene.server.freeze_postgres();
    outage.press().await;
    outage.rings_from_memory(&operator).await;
    outage.lasts().await;
    scene.server.thaw_postgres();
    outage.ends(&scene, &operator).await;
}

/// Three pagers that press while the database is away, and one console that listens.
struct Outage {
    paho: Paho,
    pagers: Vec<Terminal>,
    live: Stream,
    begun: tokio::time::Instant,
    presses: Vec<(usize, u32, u64)>,
}

impl Outage {
    async fn prepare(scene: &Scene, operator: &Console) -> Self {
        let mut paho = Paho::start();
        let pagers: Vec<_> = ["P1001", "P1004", "P1007"].map(|serial| scene.terminal(serial)).into();
        for (pager, version) in pagers.iter().zip([Version::V311, Version::V5, Version::V311]) {
            paho.connect(scene.ready().mqtt, pager, version).await;
        }
        let live = operator.follow(None).await;
        live.hear("hello", SOON, |event| event.name == "hello").await;
        let mut outage = Self { paho, pagers, live, begun: tokio::time::Instant::now(), presses: Vec::new() };
        // One press before, so that one of the cases is open already.
        outage.presses_once(0, 1).await;
        let (pager, _, tag) = outage.presses[0];
        outage.paho.acknowledged(&outage.pagers[pager], tag, SOON).await;
        outage
    }

    async fn presses_once(&mut self, pager: usize, seq: u32) {
        let terminal = &self.pagers[pager];
        let press = json!({ "type": "alert", "kind": "sos", "boot": 5, "seq": seq });
        let tag = self.paho.publish(terminal, &terminal.topic("alert"), &press).await;
        self.presses.push((pager, seq, tag));
    }

    /// The database is away, and they press.
    async fn press(&mut self) {
        self.begun = tokio::time::Instant::now();
        for (pager, seq) in [(0, 2), (1, 1), (2, 1), (0, 3)] {
            self.presses_once(pager, seq).await;
        }
    }

    async fn rings_from_memory(&self, operator: &Console) {
        for pager in &self.pagers {
            let is_it = |event: &Event| {
                event.name == "unstored"
                    && event.data["serial"] == pager.serial.as_str()
                    && event.data["stored"] == false
            };
            let rang = self.live.hear("it rings from memory", UNSTORED_AFTER + SOON, is_it).await;
            assert_eq!(rang.data["what"], "the SOS key was pressed");
        }
        let after = self.begun.elapsed();
        assert!(after + Duration::from_millis(500) > UNSTORED_AFTER, "not stored was said after {after:?} already");
        let (status, health) = operator.call(Method::GET, "/health", None).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{health}");
    }

    /// Longer than any patience on the way: clients are hung up on, come back, and press again.
    async fn lasts(&self) {
        let begun = self.begun;
        let again = "each pager was hung up on, came back, and was hung up on again";
        until_so(again, AWAY_FOR + SOON, async || {
            begun.elapsed() > AWAY_FOR
                && self.pagers.iter().all(|pager| {
                    let events = self.paho.events(pager);
                    events.iter().filter(|event| event["is"] == "disconnected").count() >= 2
                })
        })
        .await;
        for (pager, seq, tag) in &self.presses[1..] {
            assert!(
                !self.paho.is_acknowledged(&self.pagers[*pager], *tag),
                "press {seq} was acknowledged, stored nowhere"
            );
        }
    }

    /// The database is back: every press is stored, once, acknowledged, decided, and nothing rings from memory.
    async fn ends(self, scene: &Scene, operator: &Console) {
        for (pager, _, tag) in &self.presses {
            self.paho.acknowledged(&self.pagers[*pager], *tag, SOON * 2).await;
        }
        for pager in &self.pagers {
            let is_it = |event: &Event| {
                event.name == "unstored"
                    && event.data["serial"] == pager.serial.as_str()
                    && event.data["stored"] == true
            };
            self.live.hear("it is stored at last", SOON, is_it).await;
        }
        let mut records = scene.records().await;
        let stored = records.presses().await;
        let pressed =
            self.presses.iter().map(|(pager, seq, _)| ((self.pagers[*pager].serial.clone(), 5, i64::from(*seq)), 1));
        assert_eq!(stored, pressed.collect(), "what is stored is not what was pressed, each once");
        until_so("every promise is kept again", SOON, async || records.broken_promises().await.is_empty()).await;
        for (pager, presses) in self.pagers.iter().zip([3, 1, 1]) {
            let is_it = |incident: &Value| incident["serial"] == pager.serial.as_str();
            let incident = operator.incident("it rings", SOON, is_it).await;
            let card = operator.card(&incident).await;
            assert_eq!(card["presses"], presses);
            scene.case_of(&incident).await;
            records.timeline(&incident).await;
        }
        self.paho.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_was_open_when_the_process_was_killed_goes_on_ringing_at_a_browser() {
    let mut scene = Scene::open(sends_a_vehicle(8)).await;
    let pager = scene.terminal("P1001");
    let alert = pager.topic("alert");
    let message = |seq: u32| json!({ "type": "alert", "kind": "sos", "boot": 1, "seq": seq }).to_string();
    let mut page = Browser::log_in(scene.ready(), "operator").await;
    scene.hand(&pager, Version::V311).publish_acknowledged(&alert, message(1)).await;
    page.sees("ringing", json!({ "data-count": "1", "data-heard": "operators" }), SOON).await;
    page.sees("map", json!({ "data-state": "ready" }), DRAWN_WITHIN).await;

    scene.server.kill();
    page.sees("connection-lost", json!({}), SOON).await;
    scene.server.run();
    scene.server.answers().await;
    scene.hand(&pager, Version::V5).publish_acknowledged(&alert, message(2)).await;
    let other = scene.terminal("P1003");
    scene.hand(&other, Version::V5).publish_acknowledged(&other.topic("alert"), message(1)).await;

    page.sees("live", json!({ "data-state": "open" }), SOON).await;
    page.sees_no("connection-lost", SOON).await;
    page.sees("ringing", json!({ "data-count": "2", "data-heard": "operators" }), SOON).await;
    assert_eq!(page.complaints().await, json!([]));
    page.closes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_120s_machine_does_somebody_hears_of_it_and_it_has_the_case_once() {
    let scene = Scene::open(Behaviour::Lie).await;
    let operator = scene.operator().await;
    let _present = operator.follow(None).await;

    // It takes the message, and never says another word.
    let lied_to = press(&scene, &operator, "P1001").await;
    scene.case_of(&lied_to).await;

    // It takes the message, and will not come.
    scene.centre.behave(Behaviour::Refuse { after_s: 0.1, reason: "无车可派".into() }).await;
    let refused = press(&scene, &operator, "P1002").await;
    let voice = |card: &Value| has_task(card, "call_120_by_voice");
    let card = operator.card_when(&refused, "somebody has to telephone", SOON, voice).await;
    assert_eq!(
        (&card["handovers"][0]["state"], &card["handovers"][0]["reason"]),
        (&json!("refused"), &json!("无车可派"))
    );
    operator.act(&refused, "claim", json!({})).await;
    let card = operator.act(&refused, "voice-done", json!({ "centre": "120", "reference": "0731-77" })).await;
    assert!(!has_task(&card, "call_120_by_voice"));
    assert_eq!(card["handovers"][0]["state"], "by_voice");

    // It answers 500 twice, and then takes it: the same message under the same key.
    let Behaviour::Normal { delays } = sends_a_vehicle(6) else { unreachable!() };
    scene.centre.behave(Behaviour::Stutter { times: 2, delays }).await;
    let stuttered = press(&scene, &operator, "P1003").await;
    let case = scene.case_of(&stuttered).await;
    check_that_it_came_once(&case);
    // The centre has it a moment before we have written down that it has.
    let sent = async || records_of_120(&scene, &stuttered).await == ("accepted".to_owned(), 3);
    until_so("the third attempt is written down", SOON, sent).await;
    let dispatched = |card: &Value| card["handovers"][0]["state"] == "dispatched";
    let card = operator.card_when(&stuttered, "a vehicle is on its way", SOON, dispatched).await;
    assert!(entries(&card, "voice_due").is_empty());

    // It reports everything twice: each step is told once.
    scene.centre.behave(Behaviour::Twice { delays }).await;
    let echoed = press(&scene, &operator, "P1004").await;
    let card = operator.card_when(&echoed, "a vehicle is on its way", SOON, dispatched).await;
    let states: Vec<_> = entries(&card, "handover_moved").iter().map(|entry| entry["data"]["state"].clone()).collect();
    assert_eq!(states, ["sent", "acknowledged", "dispatched"]);
    assert_eq!(list(&card["notices"]).iter().filter(|notice| notice["news"]["news"] == "coming").count(), 1);

    // It never answers; then it answers 500; then it refuses connections.
    scene.centre.behave(Behaviour::Down { how: Down::Hangs }).await;
    let attempts = scene.cases().attempts;
    let hung = press(&scene, &operator, "P1005").await;
    until_so("the message was tried", SOON, async || scene.cases().attempts > attempts).await;
    scene.centre.behave(Behaviour::Down { how: Down::Fails }).await;
    let failed = press(&scene, &operator, "P1007").await;
    let late = press(&scene, &operator, "P1008").await;
    for incident in [&lied_to, &hung, &failed] {
        let card = operator.card_when(incident, "somebody has to telephone", ACKNOWLEDGED_WITHIN + SOON, voice).await;
        let waited_s = seconds_between(&card["opened_at"], &entries(&card, "voice_due")[0]["at"]);
        assert!((14.5..20.0).contains(&waited_s), "the operators were told after {waited_s} s");
        assert_ne!(card["ring"], "none");
    }
    scene.centre.behave(Behaviour::Down { how: Down::Refuses }).await;
    // As if it had been away for a day: an ambulance for yesterday is not sent.
    let mut records = scene.records().await;
    let outdated = "update outbox set not_after = clock_timestamp() - interval '1 s' where channel = 'centre'
        and incident_id = $1::uuid";
    records.ask(outdated, &[&late]).await;
    scene.centre.behave(sends_a_vehicle(7)).await;
    for incident in [&hung, &failed] {
        check_that_it_came_once(&until("120 has it at last", SOON * 2, async || scene.case_now(incident)).await);
        operator.card_when(incident, "a vehicle is on its way", SOON, dispatched).await;
    }
    let expired = async || records_of_120(&scene, &late).await.0 == "expired";
    until_so("what is too late is given up", SOON * 2, expired).await;
    operator.card_when(&late, "somebody has to telephone", SOON, voice).await;
    assert_eq!(scene.case_now(&late), None);
    for incident in records.incidents().await {
        records.timeline(&incident.to_string()).await;
    }
}

async fn press(scene: &Scene, operator: &Console, serial: &str) -> String {
    let terminal = scene.terminal(serial);
    let hand = scene.hand(&terminal, Version::V311);
    hand.publish_acknowledged(&terminal.topic("alert"), r#"{"type":"alert","kind":"sos","boot":1,"seq":1}"#).await;
    operator.incident(format!("{serial} rings"), SOON, |incident| incident["serial"] == serial).await
}

fn check_that_it_came_once(case: &Case) {
    assert_eq!((case.times_received, &case.idempotency_keys), (1, &vec![case.id.to_string()]));
}

/// How the request for help to 120 stands in the outbox, and how often it was tried.
async fn records_of_120(scene: &Scene, incident: &str) -> (String, i32) {
    let outbox = scene.records().await.outbox(incident, "centre").await;
    let (_, state, tries) = outbox.into_iter().find(|(what, ..)| what == "help").expect("120 was to be told");
    (state, tries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_120_did_not_sign_changes_nothing() {
    let scene = Scene::open(Behaviour::Lie).await;
    let operator = scene.operator().await;
    let incident = press(&scene, &operator, "P1001").await;
    let case = scene.case_of(&incident).await;
    let sent = |card: &Value| card["handovers"][0]["state"] == "sent";
    operator.card_when(&incident, "120 has the message", SOON, sent).await;
    let body = json!({ "status": "refused", "reason": "forged" }).to_string();
    let other_body = json!({ "status": "acknowledged" }).to_string();
    let (now, long_ago) = (clock::now(), clock::now() - jiff::SignedDuration::from_mins(10));
    let forgeries = [
        None,
        Some("t=1,v1=00".to_owned()),
        Some(signature::sign(b"another secret", now, body.as_bytes())),
        Some(signature::sign(SECRET.as_bytes(), now, other_body.as_bytes())),
        Some(signature::sign(SECRET.as_bytes(), long_ago, body.as_bytes())),
    ];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let report = async |url: &str, signed: Option<String>, body: &str| {
        let mut request = http.post(url).header("content-type", "application/json").body(body.to_owned());
        if let Some(signed) = signed {
            request = request.header(signature::HEADER, signed);
        }
        request.send().await.unwrap().status()
    };
    for forgery in forgeries {
        let status = report(&case.message.status_url, forgery.clone(), &body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{forgery:?}");
    }
    let card = operator.card(&incident).await;
    assert_eq!((&card["handovers"][0]["state"], entries(&card, "handover_moved").len()), (&json!("sent"), 1));
    // Well signed, about a hand-over that there is not.
    let nowhere = case.message.status_url.replace(&case.id.to_string(), &uuid::Uuid::nil().to_string());
    let signed = || Some(signature::sign(SECRET.as_bytes(), clock::now(), other_body.as_bytes()));
    assert_eq!(report(&nowhere, signed(), &other_body).await, StatusCode::NOT_FOUND);
    // And the true one is believed.
    assert_eq!(report(&case.message.status_url, signed(), &other_body).await, StatusCode::NO_CONTENT);
    let acknowledged = |card: &Value| card["handovers"][0]["state"] == "acknowledged";
    operator.card_when(&incident, "120 has acknowledged", SOON, acknowledged).await;
}
