//! The gateway between a real bus (an embedded rumqttd) and a dispatcher that does as it is told.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bus;
mod dispatcher;
mod listeners;
mod outside;
mod pendants;
mod phones;
mod social;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Config, Gateway, GatewayError};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::bus::Presence;
use wire::command::{Carried, Command, Order};
use wire::directory::{Dialect, Directory, Keyed, Terminal, Update, hash_secret};
use wire::internal::Key;
use wire::notice::{Delivered, News, Notice};
use wire::report::{Event, Heard, Session};
use wire::topics::Lane;

use bus::{Bus, Door, uplink};
use dispatcher::{Fake, Mood};

const SOS: &str = r#"{"type":"alert","kind":"sos","boot":1,"seq":7}"#;

/// What every terminal proves itself with.
const SECRET: &str = "what a phone knows";

struct Line {
    bus: Bus,
    door: Door,
    dispatcher: Arc<Fake>,
    gateway: Gateway,
    stop: CancellationToken,
}

fn directory() -> Arc<Directory> {
    let terminal = |serial: &str, dialect| Terminal {
        serial: serial.into(),
        login: serial.into(),
        secret_sha256: hash_secret(SECRET.as_bytes()),
        dialect,
        manual_publish_means_help: true,
        profile: None,
        drill: false,
        concentrator: None,
        certificate: None,
    };
    let upserts = vec![
        terminal("P1", Dialect::Ydt),
        terminal("chen/phone", Dialect::OwnTracks),
        terminal(phones::SEALED, Dialect::OwnTracks),
        terminal(listeners::WATCH, Dialect::Watch),
        terminal(pendants::PENDANT, Dialect::Eview),
        terminal(pendants::TERMINAL, Dialect::Jt808),
        terminal(social::UNIT, Dialect::Scaip),
        terminal("860000000000017", Dialect::Mapped),
    ];
    let keys = vec![Keyed { serial: phones::SEALED.into(), key: phones::KEY.parse().unwrap() }];
    let directory = Directory::default();
    directory.apply(Update { to: 1, upserts, keys, ..Update::default() }).unwrap();
    Arc::new(directory)
}

fn config(id: &str, bus: SocketAddr) -> Config {
    Config::new(id, vec![bus], Key::of([7; 32]))
}

async fn line(mood: Mood, settings: impl FnOnce(&mut Config)) -> Line {
    let bus = Bus::start();
    let dispatcher = Arc::new(Fake::new(mood));
    let mut config = config("g1", bus.addr);
    config.retry_first = Duration::from_millis(5);
    config.retry_most = Duration::from_millis(50);
    config.alive_every = Duration::from_millis(20);
    settings(&mut config);
    let stop = CancellationToken::new();
    let gateway = gateway::start(config, directory(), dispatcher.clone(), stop.clone()).await.unwrap();
    gateway.ready().await.unwrap();
    let door = Door::connect(&bus, "east").await;
    Line { bus, door, dispatcher, gateway, stop }
}

impl Line {
    fn count(&self, name: &str) -> u64 {
        self.gateway.counters().read().into_iter().find(|sample| sample.name == name).unwrap().value
    }

    async fn end(self) {
        self.stop.cancel();
        self.gateway.stopped().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_answered_when_it_is_durable_and_not_before() {
    let line = line(Mood::Hesitating, |_| {}).await;
    line.door.send(&uplink(1, "P1", Lane::Alert, SOS)).await;
    line.dispatcher.until(|seen| seen.calls == 1).await;
    line.door.caught_up().await;
    assert!(line.door.heard().receipts.is_empty());
    line.dispatcher.set(Mood::Well);
    line.door.until(|heard| heard.receipts == [Uuid::from_u128(1)]).await;
    // The terminal gets its own numbers back, for its screen.
    let heard = line.door.until(|heard| heard.down.len() == 1).await;
    assert_eq!((heard.down[0].topic.as_str(), heard.down[0].notice), ("ydt/1/P1/receipt", None));
    let receipt: wire::ydt::Receipt = serde_json::from_slice(&heard.down[0].payload).unwrap();
    assert_eq!((receipt.boot, receipt.seq), (Some(1), Some(7)));
    let report = line.dispatcher.taken()[0].clone();
    assert_eq!((report.serial.as_str(), report.raw.as_slice()), ("P1", SOS.as_bytes()));
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_dispatcher_is_away_alerts_are_kept_and_ring_once() {
    let line = line(Mood::Away, |config| config.unstored_after = Duration::from_millis(60)).await;
    line.door.send(&uplink(1, "P1", Lane::Alert, SOS)).await;
    line.door.send(&uplink(2, "P1", Lane::Alert, r#"{"type":"check_in"}"#)).await;
    line.door.send(&uplink(3, "P9", Lane::Alert, "not even json")).await;
    let seen = line.dispatcher.until(|seen| seen.unstored.len() == 2).await;
    let rung: BTreeSet<_> = seen.unstored.iter().map(|ring| (ring.id.as_u128(), ring.stored)).collect();
    assert_eq!(rung, BTreeSet::from([(1, false), (3, false)]), "a check-in wakes nobody");
    line.door.caught_up().await;
    assert!(line.door.heard().receipts.is_empty());
    line.dispatcher.set(Mood::Well);
    line.door.until(|heard| heard.receipts.len() == 3).await;
    let seen = line.dispatcher.until(|seen| seen.unstored.len() == 4).await;
    assert_eq!(seen.unstored.iter().filter(|ring| ring.stored).count(), 2);
    assert_eq!(seen.taken.len(), 3);
    assert_eq!((line.count("alerts_unstored"), line.count("alerts_waiting")), (2, 0));
    line.end().await;
}

async fn one_bad_report_holds_up_nobody(mood: fn(Uuid) -> Mood) {
    let bad = Uuid::from_u128(1);
    let line = line(mood(bad), |config| config.shards = 1).await;
    for id in 1..=40 {
        line.door.send(&uplink(id, &format!("P{}", id % 7), Lane::Alert, SOS)).await;
    }
    let heard = line.door.until(|heard| heard.receipts.len() == 39).await;
    assert!(!heard.receipts.contains(&bad));
    bus::eventually(|| line.count("alerts_apart") == 1).await;
    assert_eq!(line.count("alerts_waiting"), 1);
    line.dispatcher.set(Mood::Well);
    line.door.until(|heard| heard.receipts.contains(&bad)).await;
    assert_eq!(line.dispatcher.taken().len(), 40);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_makes_every_batch_fail_holds_up_nobody() {
    one_bad_report_holds_up_nobody(Mood::FailingWith).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_passed_over_holds_up_nobody() {
    one_bad_report_holds_up_nobody(Mood::PassingOver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_makes_the_call_panic_holds_up_nobody() {
    one_bad_report_holds_up_nobody(Mood::PanickingWith).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_report_does_not_hold_up_the_next_press_of_its_own_terminal() {
    let bad = Uuid::from_u128(1);
    let line = line(Mood::FailingWith(bad), |_| {}).await;
    line.door.send(&uplink(1, "P1", Lane::Alert, SOS)).await;
    line.door.send(&uplink(2, "P1", Lane::Alert, SOS)).await;
    line.door.until(|heard| heard.receipts == [Uuid::from_u128(2)]).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_a_terminals_messages_is_kept() {
    let line = line(Mood::AwayAtFirst(5), |config| config.batch_max = 16).await;
    let mut id = 0;
    for _ in 0..60 {
        for terminal in 0..5 {
            id += 1;
            line.door.send(&uplink(id, &format!("P{terminal}"), Lane::Alert, SOS)).await;
        }
    }
    line.door.until(|heard| heard.receipts.len() == 300).await;
    let mut last: HashMap<String, Uuid> = HashMap::new();
    for report in line.dispatcher.taken() {
        let before = last.insert(report.serial.clone(), report.id);
        assert!(before < Some(report.id), "{}: {before:?} before {}", report.serial, report.id);
    }
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_message_again_is_stored_once_and_answered_each_time() {
    let line = line(Mood::Hesitating, |_| {}).await;
    let west = Door::connect(&line.bus, "west").await;
    let first = uplink(1, "P1", Lane::Alert, SOS);
    line.door.send(&first).await;
    line.dispatcher.until(|seen| seen.calls == 1).await;
    west.send(&first).await;
    bus::eventually(|| line.count("alerts_repeated") == 1).await;
    line.dispatcher.set(Mood::Well);
    west.until(|heard| heard.receipts.len() == 1).await;
    // Durable by now: no call is needed for the next answer.
    line.door.send(&first).await;
    line.door.until(|heard| heard.receipts.len() == 1).await;
    assert_eq!(line.dispatcher.taken().len(), 1);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_memory_is_full_the_lane_stands_still_and_nothing_is_lost() {
    let line = line(Mood::Away, |config| config.alerts_waiting_max = 2).await;
    for id in 1..=6 {
        line.door.send(&uplink(id, "P1", Lane::Alert, SOS)).await;
    }
    bus::eventually(|| line.count("alerts_stalled") == 1).await;
    assert_eq!(line.count("alerts_taken"), 2);
    // Telemetry has its own line and does not notice.
    line.dispatcher.set(Mood::AwayForAlerts);
    line.door.send(&uplink(100, "P1", Lane::Telemetry, r#"{"battery_pct":5}"#)).await;
    line.dispatcher.until(|seen| seen.taken.iter().any(|report| report.lane == Lane::Telemetry)).await;
    line.dispatcher.set(Mood::Well);
    line.door.until(|heard| heard.receipts.len() == 6).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telemetry_is_handed_over_and_never_answered() {
    let line = line(Mood::Well, |_| {}).await;
    line.door.send(&uplink(1, "P1", Lane::Telemetry, r#"{"battery_pct":5}"#)).await;
    line.door.send(&uplink(2, "P1", Lane::Telemetry, "garbage")).await;
    let seen = line.dispatcher.until(|seen| seen.taken.len() == 2).await;
    assert_eq!(seen.taken[0].status.unwrap().battery_pct, Some(5));
    assert!(matches!(seen.taken[1].event, Some(Event::Unreadable { .. })));
    assert_eq!(line.count("telemetry_unreadable"), 1);
    line.door.send(&uplink(3, "P1", Lane::Alert, SOS)).await;
    line.door.until(|heard| heard.receipts == [Uuid::from_u128(3)]).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telemetry_that_is_not_taken_is_given_up_and_counted() {
    let line = line(Mood::FailingWith(Uuid::from_u128(1)), |_| {}).await;
    line.door.send(&uplink(1, "P1", Lane::Telemetry, r#"{"battery_pct":5}"#)).await;
    bus::eventually(|| line.count("telemetry_given_up") == 1).await;
    line.door.send(&uplink(2, "P1", Lane::Telemetry, r#"{"battery_pct":4}"#)).await;
    line.dispatcher.until(|seen| seen.taken.len() == 1).await;
    line.end().await;
}

fn notice(serial: &str) -> Notice {
    Notice {
        version: wire::notice::VERSION,
        id: Uuid::from_u128(70),
        serial: serial.into(),
        incident: Uuid::from_u128(71),
        news: News::Claimed,
        not_after: Timestamp::UNIX_EPOCH,
        drill: false,
    }
}

fn order(serial: &str, command: Command) -> Order {
    Order {
        version: wire::command::VERSION,
        id: Uuid::from_u128(80),
        serial: serial.into(),
        command,
        number: 7,
        not_after: Timestamp::UNIX_EPOCH,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_leaves_in_its_terminals_dialect_or_it_is_said_why_not() {
    let line = line(Mood::Well, |_| {}).await;
    let notifier = line.gateway.notifier();
    let posted = |is_answered| Ok(Carried::Posted { is_answered });
    assert_eq!(notifier.order(order("P1", Command::Burst { every_s: 10, for_s: 60 })).await, posted(true));
    assert_eq!(notifier.order(order("chen/phone", Command::Locate)).await, posted(true));
    let text = Command::Text { text: "<b>开门".into() };
    assert_eq!(notifier.order(order("chen/phone", text)).await, posted(false));
    assert_eq!(notifier.order(order("chen/phone", Command::Find)).await, Ok(Carried::NoWord));
    assert_eq!(notifier.order(order("P1", Command::ListenIn { number: "120".into() })).await, Ok(Carried::NoWord));
    let stranger = notifier.order(order("P404", Command::Locate)).await;
    assert_eq!(stranger, Err(GatewayError::UnknownTerminal("P404".into())));

    let heard = line.door.until(|heard| heard.down.len() == 3).await;
    let said = |at: usize| -> (&str, Option<Uuid>, serde_json::Value) {
        let down = &heard.down[at];
        (&down.topic, down.notice, serde_json::from_slice(&down.payload).unwrap())
    };
    let id = Some(Uuid::from_u128(80));
    let burst = serde_json::json!({
        "id": Uuid::from_u128(80), "number": 7, "do": "burst", "every_s": 10, "for_s": 60,
        "not_after": "1970-01-01T00:00:00Z",
    });
    assert_eq!(said(0), ("ydt/1/P1/command", id, burst));
    let locate = serde_json::json!({ "_type": "cmd", "action": "reportLocation" });
    assert_eq!(said(1), ("owntracks/chen/phone/cmd", id, locate));
    assert_eq!(said(2).2["content"], " b 开门");
    assert_eq!(line.count("orders_sent"), 3);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_leaves_in_its_terminals_dialect() {
    let line = line(Mood::Well, |_| {}).await;
    line.gateway.notify(notice("P1")).await.unwrap();
    line.gateway.notifier().notify(notice("chen/phone")).await.unwrap();
    let heard = line.door.until(|heard| heard.down.len() == 2).await;
    let (pager, phone) = (&heard.down[0], &heard.down[1]);
    assert_eq!((pager.serial.as_str(), pager.topic.as_str()), ("P1", "ydt/1/P1/notice"));
    assert_eq!(pager.notice, Some(Uuid::from_u128(70)));
    let read: wire::ydt::Notice = serde_json::from_slice(&pager.payload).unwrap();
    assert_eq!((read.id, read.news), (Uuid::from_u128(70), News::Claimed));
    assert_eq!(phone.topic, "owntracks/chen/phone/cmd");
    let stranger = line.gateway.notify(notice("P404")).await;
    assert_eq!(stranger, Err(GatewayError::UnknownTerminal("P404".into())));
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_doors_tell_about_terminals_is_passed_on_even_if_late() {
    let line = line(Mood::AwayAtFirst(2), |_| {}).await;
    let heard = Heard { serial: "P1".into(), at: Timestamp::UNIX_EPOCH, session: Session::Opened };
    let delivered = Delivered { notice: Uuid::from_u128(70), at: Timestamp::UNIX_EPOCH };
    let presence = Presence { door: "east".into(), heard: vec![heard.clone()], delivered: vec![delivered] };
    line.door.publish(&wire::bus::presence("g1"), &presence).await;
    let seen = line.dispatcher.until(|seen| !seen.heard.is_empty() && !seen.delivered.is_empty()).await;
    assert_eq!((seen.heard, seen.delivered), (vec![heard], vec![delivered]));
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_that_it_is_there() {
    let line = line(Mood::Well, |_| {}).await;
    line.door.until(|heard| heard.alive.len() >= 2 && heard.alive.iter().all(|gateway| gateway == "g1")).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bus_it_waits_for_one_and_says_so_to_whom_it_concerns() {
    let addr = bus::free_addr();
    let stop = CancellationToken::new();
    let dispatcher = Arc::new(Fake::new(Mood::Well));
    let gateway = gateway::start(config("g1", addr), directory(), dispatcher, stop.clone()).await.unwrap();
    assert_eq!(gateway.notify(notice("P1")).await, Err(GatewayError::BusAway));
    let _bus = Bus::start_at(addr);
    gateway.ready().await.unwrap();
    gateway.notify(notice("P1")).await.unwrap();
    stop.cancel();
    gateway.stopped().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_door_is_answered_on_its_own_bus_and_news_goes_to_all_that_are_there() {
    let (east, west, away) = (Bus::start(), Bus::start(), bus::free_addr());
    let dispatcher = Arc::new(Fake::new(Mood::Well));
    let config = Config { buses: vec![away, east.addr, west.addr], ..config("g1", east.addr) };
    let config = Config { alive_every: Duration::from_millis(20), ..config };
    let stop = CancellationToken::new();
    let gateway = gateway::start(config, directory(), dispatcher.clone(), stop.clone()).await.unwrap();
    let (east, west) = (Door::connect(&east, "east").await, Door::connect(&west, "west").await);
    // It says so once alerts can reach it.
    for door in [&east, &west] {
        door.until(|heard| !heard.alive.is_empty()).await;
    }
    east.send(&uplink(1, "P1", Lane::Alert, SOS)).await;
    west.send(&uplink(2, "P1", Lane::Alert, SOS)).await;
    east.until(|heard| heard.receipts == [Uuid::from_u128(1)]).await;
    west.until(|heard| heard.receipts == [Uuid::from_u128(2)]).await;
    gateway.notify(notice("P1")).await.unwrap();
    for door in [&east, &west] {
        let heard = door.until(|heard| heard.down.iter().any(|down| down.notice.is_some())).await;
        assert_eq!(heard.receipts.len(), 1, "an answer went to the wrong door");
    }
    let up: Vec<_> = gateway.buses().iter().map(gateway::BusState::is_up).collect();
    assert!(!up[0], "nothing listens there");
    stop.cancel();
    gateway.stopped().await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let fake = || Arc::new(Fake::new(Mood::Well));
    let stop = CancellationToken::new();
    let refused = gateway::start(config("a/b", bus::free_addr()), directory(), fake(), stop.clone()).await.unwrap_err();
    assert_eq!(refused, GatewayError::Id("a/b".into()));
    let shards = Config { shards: 0, ..config("g1", bus::free_addr()) };
    let buses = Config { buses: vec![], ..config("g1", bus::free_addr()) };
    for (config, nothing) in [(shards, "shards"), (buses, "buses")] {
        let refused = gateway::start(config, directory(), fake(), stop.clone()).await.unwrap_err();
        assert_eq!(refused, GatewayError::Zero(nothing));
    }
}
