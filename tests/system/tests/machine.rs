//! What a machine does to those who trust it: its disk fills up, its clock jumps.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Row as _;
use system::console::{entries, has_task};
use system::faketime::Clock;
use system::hook::Hook;
use system::mosquitto::Version;
use system::paho::Paho;
use system::postgres::Postgres;
use system::presses::FLOWS_AGAIN_WITHIN;
use system::records::Records;
use system::scene::{Scene, sends_a_vehicle};
use system::server::{Setup, Terminal};
use system::stream::Event;
use system::wait::{SOON, until_so};

/// Room for a private cluster with the district in it, and for little more.
const DISK_MB: u32 = 512;
/// What a press says beside itself, so that a full disk is noticed soon, in bytes.
const BALLAST: usize = 30_000;
/// More presses than find room on a full disk, in half-empty pages.
const PRESSES_MAX: u32 = 400;
/// What a press takes at most that is acknowledged.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(6);
/// What a terminal presses in the moment after a jump is counted from here.
const BEFORE_IT_IS_NOTICED: usize = 100;
/// After this an alert that is not stored rings from memory.
const UNSTORED_AFTER: Duration = Duration::from_secs(10);

/// A press with so much beside it that it needs room of its own.
fn bulky(seq: u32) -> Value {
    // Nothing that could be compressed.
    let ballast: String = (0..BALLAST).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect();
    json!({ "type": "alert", "kind": "sos", "boot": 7, "seq": seq, "ballast": ballast })
}

async fn begin(paho: &mut Paho, scene: &Scene, pager: &Terminal, version: Version) {
    paho.begin(scene.ready().mqtt, pager, version).await;
    paho.hear(pager, "connected", SOON, |_| true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_nothing_is_acknowledged_that_is_not_stored_and_all_goes_on_when_there_is_room() {
    let hook = Hook::listen().await;
    let setup = Setup { disk_mb: Some(DISK_MB), alarm_hook: Some(hook.url()), ..Setup::default() };
    let mut scene = Scene::open_with(sends_a_vehicle(8), setup).await;
    let operator = scene.operator().await;
    let live = operator.follow(None).await;
    live.hear("hello", SOON, |event| event.name == "hello").await;
    let (pager, other) = (scene.terminal("P1001"), scene.terminal("P1003"));
    let mut paho = Paho::start();
    begin(&mut paho, &scene, &pager, Version::V311).await;
    let alert = pager.topic("alert");

    scene.server.disk().fill();
    let mut seq = 0;
    let unstored = loop {
        seq += 1;
        assert!(seq < PRESSES_MAX, "{seq} presses were stored on a full disk");
        let tag = paho.publish(&pager, &alert, &bulky(seq)).await;
        let acknowledged = paho.acknowledged(&pager, tag, SOON);
        if tokio::time::timeout(ACKNOWLEDGED_WITHIN, acknowledged).await.is_err() {
            break tag;
        }
    };
    eprintln!("on the full disk there was room for {} presses", seq - 1);
    let is_it =
        |event: &Event| event.name == "unstored" && event.data["serial"] == "P1001" && event.data["stored"] == false;
    live.hear("it rings from memory", UNSTORED_AFTER + SOON, is_it).await;
    hook.rings_for("P1001").await;
    // The door lives, for those who were in and those who come.
    begin(&mut paho, &scene, &other, Version::V5).await;
    let heard = scene.hand(&other, Version::V311).try_to_listen(&other.topic("notice")).await;
    assert_eq!(heard.code, Some(0), "{}", heard.said);
    assert!(!paho.is_acknowledged(&pager, unstored), "acknowledged, and not on disk");

    scene.server.disk().make_room();
    paho.acknowledged(&pager, unstored, FLOWS_AGAIN_WITHIN).await;
    let press = json!({ "type": "alert", "kind": "sos", "boot": 7, "seq": 1 });
    let tag = paho.publish(&other, &other.topic("alert"), &press).await;
    paho.acknowledged(&other, tag, SOON).await;
    let mut records = scene.records().await;
    let pressed = (1..=seq).map(|seq| ("P1001".to_owned(), 7, i64::from(seq))).chain([("P1003".to_owned(), 7, 1)]);
    let pressed = pressed.map(|press| (press, 1)).collect();
    assert_eq!(records.presses().await, pressed, "what is stored is not what was pressed, each once");
    let stored = |event: &Event| event.name == "unstored" && event.data["stored"] == true;
    live.hear("it is stored at last", SOON, stored).await;
    until_so("every promise is kept", SOON, async || records.broken_promises().await.is_empty()).await;
    for serial in ["P1001", "P1003"] {
        let incident = operator.incident(format!("{serial} rings"), SOON, |it| it["serial"] == serial).await;
        scene.case_of(&incident).await;
        records.timeline(&incident).await;
    }
    paho.end().await;
    scene.server.stop().await;
}

/// How far off the deadlines of open cases are that should be within minutes, in words.
async fn deadlines_off(records: &mut Records) -> Vec<String> {
    let rows = records
        .ask(
            "select what || ' in ' || extract(epoch from at - clock_timestamp())::int || ' s' from (
                select 'wakes', wake_at from incident where closed_at is null
                union all select 'answer', answer_by from offer where state = 'asked'
                union all select 'expected', expected_at from offer where state in ('accepted', 'on_the_way')
                union all select 'acknowledge', acknowledge_by from handover where state in ('prepared', 'sent')
                union all select 'try', next_try_at from outbox where state = 'queued'
             ) as d (what, at)
             where at > clock_timestamp() + interval '30 min' or at < clock_timestamp() - interval '30 min'",
            &[],
        )
        .await;
    rows.iter().map(|row| row.get(0)).collect()
}

async fn press(paho: &mut Paho, pager: &Terminal, seq: usize) {
    let press = json!({ "type": "alert", "kind": "sos", "boot": 7, "seq": seq });
    let tag = paho.publish(pager, &pager.topic("alert"), &press).await;
    paho.acknowledged(pager, tag, SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_databases_clock_jumps_deadlines_go_with_it_and_presses_flow() {
    let clock = Clock::right();
    let postgres = Postgres::start_under(clock.environment());
    let setup = Setup { database_url: Some(postgres.url().to_owned()), ..Setup::default() };
    let scene = Scene::open_with(sends_a_vehicle(8), setup).await;
    let operator = scene.operator().await;
    let _present = operator.follow(None).await;
    let mut records = scene.records().await;
    let pagers = ["P1001", "P1003", "P1004"].map(|serial| scene.terminal(serial));
    let mut paho = Paho::start();
    for pager in &pagers {
        begin(&mut paho, &scene, pager, Version::V311).await;
    }
    let now = "select extract(epoch from clock_timestamp())::bigint";
    let mut incidents = Vec::new();
    // An hour ahead, and back to what is right. Far behind it would not do to come: 120 goes by its own clock, and takes a
    // message for one that has expired.
    for (step, (pager, jump_to)) in pagers.iter().zip([None, Some("+1h"), Some("+0")]).enumerate() {
        if let Some(jump_to) = jump_to {
            let before = records.count(now, &[]).await;
            clock.jump_to(jump_to);
            let jumped_s = records.count(now, &[]).await - before;
            assert!(jumped_s.abs() > 3000, "the clock has not jumped: {jumped_s} s");
            // Within a second or so it is noticed; whoever presses meanwhile presses by the new clock.
            for pager in &pagers[..=step] {
                press(&mut paho, pager, BEFORE_IT_IS_NOTICED + step).await;
            }
            scene.server.logs_times("the database's clock jumped; deadlines move with it", step).await;
            let shifted = async || deadlines_off(&mut records).await.is_empty();
            until_so(format!("deadlines have moved by {jumped_s} s"), SOON, shifted).await;
            until_so("every promise is kept", SOON, async || records.broken_promises().await.is_empty()).await;
        }
        // Whoever pressed before presses again, and so does somebody else.
        for pager in &pagers[..=step] {
            press(&mut paho, pager, step).await;
        }
        let serial = pager.serial.as_str();
        let incident = operator.incident(format!("{serial} rings"), SOON, |it| it["serial"] == serial).await;
        scene.case_of(&incident).await;
        let dispatched = |card: &Value| card["handovers"][0]["state"] == "dispatched";
        operator.card_when(&incident, "120 has sent somebody", SOON, dispatched).await;
        operator.act(&incident, "claim", json!({})).await;
        incidents.push(incident);
    }
    assert_eq!(deadlines_off(&mut records).await, Vec::<String>::new());
    for (step, (pager, incident)) in pagers.iter().zip(&incidents).enumerate() {
        let card = operator.card(incident).await;
        // One at each step from its own on, and one at each jump of these.
        let jumps = (step..pagers.len()).filter(|step| *step > 0).count();
        assert_eq!(card["presses"], json!(pagers.len() - step + jumps), "{}", pager.serial);
        assert_eq!(card["closed_at"], json!(null), "{}: nobody has closed it", pager.serial);
        assert!(!has_task(&card, "call_120_by_voice"), "{}: 120 was told, and has sent somebody", pager.serial);
        assert_eq!(entries(&card, "claimed").len(), 1);
        records.timeline(incident).await;
        // Sessions are measured by what passes, not by the date.
        let cut = paho.events(pager).iter().filter(|event| event["is"] == "disconnected").count();
        assert_eq!(cut, 0, "{} was hung up on", pager.serial);
    }
    let cases = scene.cases().cases;
    assert_eq!(cases.len(), 3, "120 was called more than once for a case: {cases:?}");
    paho.end().await;
}
