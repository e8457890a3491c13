//! A pager on MQTT, against a front door that acknowledges, sends and hangs up at a word.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::process::Stdio;
use std::time::Duration;

use bytes::BytesMut;
use firmware_sim::device::{Key, Light, Sound};
use firmware_sim::fleet::{self, Wearer};
use firmware_sim::ground::Point;
use firmware_sim::pager::{Config, Event, Pager};
use firmware_sim::wander;
use jiff::Timestamp;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use town::people::Habit;
use uuid::Uuid;
use wire::notice::News;
use wire::ydt::{Ack, Alert, Fix, Fixes, Notice, Receipt, Wants};

/// Nothing here takes longer, except when it is broken.
const BOUND: Duration = Duration::from_mins(2);

/// The terminals' front door, of which the test holds the handle.
struct FrontDoor {
    listener: TcpListener,
}

/// One terminal's connection, after its CONNECT.
struct Session {
    stream: TcpStream,
    read: BytesMut,
    login: (String, String),
    client: String,
    clean: bool,
}

impl FrontDoor {
    async fn open() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (Self { listener }, address)
    }

    /// The next connection, answered with `code`.
    async fn answer(&self, code: ConnectReturnCode) -> Session {
        let (stream, _) = timeout(BOUND, self.listener.accept()).await.expect("nobody connects").unwrap();
        let mut session =
            Session { stream, read: BytesMut::new(), login: Default::default(), client: String::new(), clean: true };
        let Packet::Connect(connect) = session.packet().await else { panic!("no CONNECT") };
        let login = connect.login.expect("no credentials");
        session.login = (login.username, login.password);
        session.client = connect.client_id;
        session.clean = connect.clean_session;
        session.write(|buffer| ConnAck::new(code, false).write(buffer)).await;
        session
    }

    /// The next connection, let in and subscribed.
    async fn let_in(&self) -> Session {
        let mut session = self.answer(ConnectReturnCode::Success).await;
        let Packet::Subscribe(subscribe) = session.packet().await else { panic!("no SUBSCRIBE") };
        let filters: Vec<_> = subscribe.filters.iter().map(|filter| filter.path.as_str()).collect();
        assert_eq!(filters, ["ydt/1/P1/receipt", "ydt/1/P1/notice", "ydt/1/P1/command"]);
        let granted = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); 3];
        session.write(|buffer| SubAck::new(subscribe.pkid, granted).write(buffer)).await;
        session
    }
}

impl Session {
    async fn packet(&mut self) -> Packet {
        loop {
            if !self.read.is_empty()
                && let Ok(packet) = Packet::read(&mut self.read, 64 * 1024)
            {
                match packet {
                    Packet::PingReq => self.stream.write_all(&[0xd0, 0]).await.unwrap(),
                    packet => return packet,
                }
                continue;
            }
            let read =
                timeout(BOUND, self.stream.read_buf(&mut self.read)).await.expect("the pager is silent").unwrap();
            assert_ne!(read, 0, "the pager has gone");
        }
    }

    async fn write<E: std::fmt::Debug>(&mut self, packet: impl FnOnce(&mut BytesMut) -> Result<usize, E>) {
        let mut buffer = BytesMut::new();
        packet(&mut buffer).unwrap();
        self.stream.write_all(&buffer).await.unwrap();
    }

    /// The next thing that the pager publishes.
    async fn published(&mut self) -> Publish {
        loop {
            match self.packet().await {
                Packet::Publish(publish) => return publish,
                // What it owes for our own messages.
                Packet::PubAck(_) => {}
                other => panic!("{other:?} instead of a PUBLISH"),
            }
        }
    }

    async fn acknowledge(&mut self, publish: &Publish) {
        self.write(|buffer| PubAck::new(publish.pkid).write(buffer)).await;
    }

    async fn send(&mut self, packet: u16, leaf: &str, message: &impl serde::Serialize) {
        let payload = serde_json::to_vec(message).unwrap();
        let mut publish = Publish::new(format!("ydt/1/P1/{leaf}"), QoS::AtLeastOnce, payload);
        publish.pkid = packet;
        self.write(|buffer| publish.write(buffer)).await;
    }
}

/// A pager in somebody's hand.
struct Held {
    pager: Pager,
    stop: CancellationToken,
    heard: Vec<Event>,
}

impl Held {
    fn switched_on(broker: &str) -> Self {
        let stop = CancellationToken::new();
        let pager = Pager::start(Config::new(broker, "P1", "secret"), stop.clone()).unwrap();
        Self { pager, stop, heard: Vec::new() }
    }

    /// Listens until something is heard.
    async fn hears(&mut self, what: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = timeout(BOUND, self.pager.next()).await;
            let event = event.unwrap_or_else(|_| panic!("only heard {:?}", self.heard)).expect("switched off");
            self.heard.push(event.clone());
            if what(&event) {
                return event;
            }
        }
    }

    async fn reads(&mut self, screen: &str) {
        self.hears(|event| matches!(event, Event::Screen { en, .. } if en == screen)).await;
    }
}

fn notice(id: u128, news: News) -> Notice {
    let not_after = Timestamp::from_second(32_503_680_000).unwrap();
    Notice { id: Uuid::from_u128(id), incident: Uuid::from_u128(9), news, not_after, drill: false }
}

fn alert(publish: &Publish) -> Alert {
    assert_eq!((publish.topic.as_str(), publish.qos), ("ydt/1/P1/alert", QoS::AtLeastOnce));
    serde_json::from_slice(&publish.payload).unwrap()
}

#[tokio::test]
async fn a_press_is_acknowledged_and_followed_to_the_all_clear() {
    let (door, address) = FrontDoor::open().await;
    let mut held = Held::switched_on(&address);
    let mut session = door.let_in().await;
    assert_eq!(session.login, ("P1".into(), "secret".into()));
    assert!(!session.clean, "its session outlives the connection");
    held.pager.press(Key::sos()).await;
    let press = session.published().await;
    let sent = alert(&press);
    assert_eq!(sent.wants, Wants::Alert { kind: "sos".into() });
    held.hears(|event| *event == Event::Sound { sound: Sound::Siren }).await;
    held.hears(|event| *event == Event::Sent { seq: 1 }).await;

    session.acknowledge(&press).await;
    held.hears(|event| matches!(event, Event::Acknowledged { seq: 1, .. })).await;
    held.reads("Received. Calling an operator").await;
    let receipt = Receipt { boot: sent.boot, seq: sent.seq, incident: Some(Uuid::from_u128(9)) };
    session.send(1, "receipt", &receipt).await;
    held.hears(|event| matches!(event, Event::Receipt { seq: Some(1), incident: Some(_) })).await;

    session.send(2, "notice", &notice(1, News::Claimed)).await;
    held.hears(|event| *event == Event::Sound { sound: Sound::Quiet }).await;
    held.reads("An operator has taken your call").await;
    let ack = session.published().await;
    assert_eq!(ack.topic, "ydt/1/P1/ack");
    assert_eq!(serde_json::from_slice::<Ack>(&ack.payload).unwrap().notice, Uuid::from_u128(1));
    session.acknowledge(&ack).await;

    session.send(3, "notice", &notice(2, News::Coming { minutes: Some(4), who: "120".into() })).await;
    held.reads("120 is coming, about 4 min").await;
    session.send(4, "notice", &notice(3, News::AllClear)).await;
    held.hears(|event| *event == Event::Light { light: Light::Off }).await;
    held.reads("All clear").await;
    held.stop.cancel();
    held.pager.stopped().await;
}

#[tokio::test]
async fn a_press_comes_back_the_same_after_each_broken_connection_and_not_after_its_puback() {
    let (door, address) = FrontDoor::open().await;
    let mut held = Held::switched_on(&address);
    held.pager.press(Key::sos()).await;
    let first = door.let_in().await.published().await;
    // Dropped without a PUBACK, twice.
    let second = door.let_in().await.published().await;
    assert_eq!(first.payload, second.payload);
    let mut session = door.let_in().await;
    let third = session.published().await;
    assert_eq!(first.payload, third.payload);
    session.acknowledge(&third).await;
    held.hears(|event| matches!(event, Event::Acknowledged { seq: 1, .. })).await;
    drop(session);
    let mut session = door.let_in().await;
    held.pager.press(Key::Cancel).await;
    let next = alert(&session.published().await);
    assert_eq!((next.wants, next.seq), (Wants::Cancel, Some(2)), "the acknowledged press does not come again");
}

#[tokio::test]
async fn telemetry_acknowledged_before_a_press_does_not_acknowledge_the_press() {
    let (door, address) = FrontDoor::open().await;
    let mut held = Held::switched_on(&address);
    let mut session = door.let_in().await;
    held.pager.press(Key::sos()).await;
    let press = session.published().await;
    session.send(1, "notice", &notice(1, News::Received)).await;
    let ack = session.published().await;
    session.acknowledge(&ack).await;
    // What it says to this shows that it has read the PUBACK before.
    session.send(2, "notice", &notice(2, News::Received)).await;
    session.published().await;
    drop(session);
    let again = door.let_in().await.published().await;
    assert_eq!(again.payload, press.payload);
    for _ in 0..2 {
        held.hears(|event| *event == Event::Sent { seq: 1 }).await;
    }
    assert!(!held.heard.iter().any(|event| matches!(event, Event::Acknowledged { .. })), "{:?}", held.heard);
}

#[tokio::test]
async fn a_refused_pager_says_why_and_tries_again() {
    let (door, address) = FrontDoor::open().await;
    let mut held = Held::switched_on(&address);
    held.pager.press(Key::sos()).await;
    door.answer(ConnectReturnCode::BadUserNamePassword).await;
    held.hears(|event| *event == Event::Refused { code: 4 }).await;
    door.answer(ConnectReturnCode::ServiceUnavailable).await;
    held.hears(|event| *event == Event::Refused { code: 3 }).await;
    assert_eq!(alert(&door.let_in().await.published().await).seq, Some(1));
}

/// The binary, with its output in lines.
fn firmware_sim(args: &[&str]) -> tokio::process::Child {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_firmware-sim"))
        .args(args)
        .env("YDT_SECRET", "secret")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn the_press_command_succeeds_with_the_puback_and_ends_at_the_all_clear() {
    let (door, address) = FrontDoor::open().await;
    let child = firmware_sim(&["press", "--broker", &address, "--serial", "P1", "--lat", "28.2", "--lon", "112.9"]);
    let mut session = door.let_in().await;
    let press = session.published().await;
    let fix = alert(&press).fix.unwrap();
    assert_eq!((fix.lat, fix.lon), (28.2, 112.9));
    session.acknowledge(&press).await;
    session.send(1, "notice", &notice(1, News::Coming { minutes: Some(4), who: "李师傅".into() })).await;
    session.send(2, "notice", &notice(2, News::AllClear)).await;
    let output = timeout(BOUND, child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    for words in ["呜呜呜", "PUBACK   press 1 is on disk", "李师傅正在赶来，约4分钟", "已办结，平安 | All clear"]
    {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
}

#[tokio::test]
async fn the_press_command_fails_without_a_puback() {
    let (door, address) = FrontDoor::open().await;
    let mut child = firmware_sim(&["press", "--broker", &address, "--serial", "P1"]);
    door.answer(ConnectReturnCode::NotAuthorized).await;
    assert_eq!(timeout(BOUND, child.wait()).await.unwrap().unwrap().code(), Some(1));
    let mut child = firmware_sim(&["press", "--broker", &address, "--serial", "P1", "--patience", "1"]);
    let mut session = door.let_in().await;
    session.published().await;
    assert_eq!(timeout(BOUND, child.wait()).await.unwrap().unwrap().code(), Some(1));
}

#[tokio::test]
async fn the_pager_command_takes_typed_keys_and_tells_json_lines() {
    let (door, address) = FrontDoor::open().await;
    let mut child = firmware_sim(&["pager", "--broker", &address, "--serial", "P1", "--json", "--boot", "3"]);
    let mut session = door.let_in().await;
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"request meal\n").await.unwrap();
    let press = session.published().await;
    let sent = alert(&press);
    assert_eq!(sent.wants, Wants::Request { category: "meal".into() });
    assert_eq!((sent.boot, sent.seq), (Some(3), Some(1)));
    session.acknowledge(&press).await;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["event"] == "acknowledged" {
                return line;
            }
        }
        panic!("no acknowledgement");
    };
    assert_eq!(timeout(BOUND, acknowledged).await.unwrap()["seq"], 1);
    keys.write_all(b"quit\n").await.unwrap();
    assert!(timeout(BOUND, child.wait()).await.unwrap().unwrap().success());
}

/// The fixes in a publication to the telemetry lane.
fn fixes(publish: &Publish) -> Vec<Fix> {
    assert_eq!(publish.topic, "ydt/1/P1/fix");
    serde_json::from_slice::<Fixes>(&publish.payload).unwrap().fixes
}

const HOME: Point = Point { lat: 28.23, lon: 112.99 };

fn wearer() -> Wearer {
    let (serial, login, secret) = ("P1".into(), "P1".into(), "secret".into());
    Wearer { serial, login, secret, home: HOME, habit: Habit::AtHome, haunts: Vec::new() }
}

#[tokio::test]
async fn a_pager_of_a_fleet_lives_on_and_gives_way_when_it_is_thrown_out() {
    let (door, broker) = FrontDoor::open().await;
    let stop = CancellationToken::new();
    let config = fleet::Config { speed: 1000.0, ..fleet::Config::new(broker) };
    let living = tokio::spawn(fleet::run(config, vec![wearer()], stop.clone()));

    let mut session = door.let_in().await;
    assert_eq!((session.client.as_str(), session.clean), ("P1-worn", true));
    loop {
        let publish = session.published().await;
        session.acknowledge(&publish).await;
        if publish.topic.ends_with("/fix") {
            let place = fixes(&publish).remove(0);
            assert!(HOME.distance_m(Point { lat: place.lat, lon: place.lon }) < 2500.0);
            break;
        }
    }
    drop(session);
    let thrown_out = Instant::now();
    let again = door.let_in().await;
    assert!(thrown_out.elapsed() > Duration::from_secs(3), "it does not argue");
    drop(again);
    stop.cancel();
    timeout(BOUND, living).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_wanderer_takes_the_place_of_the_fleets_pager_and_tells_of_every_step() {
    let (door, broker) = FrontDoor::open().await;
    let stop = CancellationToken::new();
    let config = wander::Config {
        pager: Config { place: Some(HOME), ..Config::new(broker, "P1", "secret") },
        distance_m: 400.0,
        speed: 500.0,
        fix_every: Duration::from_millis(100),
        then: wander::Then::Returns,
        seed: 3,
    };
    let (tell, _events) = tokio::sync::mpsc::channel(1);
    let walking = tokio::spawn(wander::run(config, tell, stop));
    let mut session = door.let_in().await;
    assert_eq!(session.client, fleet::client_id("P1"));
    let mut away_m = Vec::new();
    // Out, and home again: then the walk ends by itself.
    while !(away_m.iter().any(|m| *m > 350.0) && away_m.last().is_some_and(|m| *m < 40.0)) {
        let publish = session.published().await;
        session.acknowledge(&publish).await;
        let place = fixes(&publish).remove(0);
        away_m.push(HOME.distance_m(Point { lat: place.lat, lon: place.lon }));
    }
    drop(session);
    timeout(BOUND, walking).await.expect("home, and still walking").unwrap().unwrap();
}

#[tokio::test]
async fn nobody_wanders_from_a_home_that_is_not_known_or_at_no_pace() {
    let (tell, _events) = tokio::sync::mpsc::channel(1);
    let config = wander::Config {
        pager: Config::new("127.0.0.1:1", "P1", "secret"),
        distance_m: 400.0,
        speed: 1.0,
        fix_every: Duration::from_secs(1),
        then: wander::Then::Stays,
        seed: 3,
    };
    let stop = CancellationToken::new();
    let homeless = wander::run(config.clone(), tell.clone(), stop.clone()).await;
    assert!(matches!(homeless, Err(wander::WanderError::NoHome)));
    let pager = Config { place: Some(HOME), ..config.pager.clone() };
    let still = wander::run(wander::Config { pager, speed: 0.0, ..config }, tell, stop.clone()).await;
    assert!(matches!(still, Err(wander::WanderError::Pace)));
    let config = fleet::Config { speed: f64::NAN, ..fleet::Config::new("127.0.0.1:1") };
    assert!(matches!(fleet::run(config, vec![wearer()], stop).await, Err(fleet::FleetError::Speed)));
}
