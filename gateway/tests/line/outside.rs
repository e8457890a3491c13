//! A real Mosquitto in front instead of our doors, with gateways that share its subscriptions.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gateway::{Config, Gateway, Outside};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::internal::Key;
use wire::topics::Lane;

use crate::bus::free_addr;
use crate::dispatcher::{Fake, Mood};
use crate::{directory, notice};

const PATIENCE: Duration = Duration::from_mins(2);

/// Debian's, over nobody's data. It is killed when this is dropped.
struct Mosquitto {
    at: SocketAddr,
    child: Child,
    _config: NamedTempFile,
}

impl Mosquitto {
    fn start() -> Self {
        let at = free_addr();
        let mut config = NamedTempFile::new().unwrap();
        writeln!(config, "listener {} {}\nallow_anonymous true\npersistence false", at.port(), at.ip()).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "/usr/sbin/mosquitto", "-c"]).arg(config.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mosquitto is installed");
        Self { at, child, _config: config }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal of it: what it has heard, by topic.
struct Pager {
    client: AsyncClient,
    heard: watch::Receiver<Vec<(String, Vec<u8>)>>,
    _stop: DropGuard,
}

impl Pager {
    /// Listens when this returns.
    async fn connect(mosquitto: &Mosquitto, serial: &str) -> Self {
        let topics = ["receipt", "notice"].map(|leaf| format!("ydt/1/{serial}/{leaf}"));
        Self::listening(mosquitto, serial, &[&topics[0], &topics[1]]).await
    }

    async fn listening(mosquitto: &Mosquitto, serial: &str, topics: &[&str]) -> Self {
        let mut options = MqttOptions::new(serial, mosquitto.at.ip().to_string(), mosquitto.at.port());
        options.set_keep_alive(Duration::from_secs(10));
        let (client, mut event_loop) = AsyncClient::new(options, 1000);
        for topic in topics {
            client.subscribe(*topic, QoS::AtLeastOnce).await.unwrap();
        }
        let ((tell, heard), stop) = (watch::channel(Vec::new()), CancellationToken::new());
        let (subscribed, mut is_subscribed) = watch::channel(0);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                match event_loop.poll().await {
                    Ok(Event::Incoming(Packet::SubAck(_))) => subscribed.send_modify(|count| *count += 1),
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                        tell.send_modify(|heard| heard.push((topic, publish.payload.to_vec())));
                    }
                    Ok(_) => {}
                    // It has not opened its listener yet.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        }));
        let subscribing = is_subscribed.wait_for(|count| *count >= topics.len());
        tokio::time::timeout(PATIENCE, subscribing).await.expect("it listens").unwrap();
        Self { client, heard, _stop: stop.drop_guard() }
    }

    async fn say(&self, topic: &str, message: String) {
        self.client.publish(topic, QoS::AtLeastOnce, false, message).await.unwrap();
    }

    /// What came to a topic, once it is so many.
    async fn hear(&mut self, topic: &str, count: usize) -> Vec<Vec<u8>> {
        let of = |heard: &Vec<(String, Vec<u8>)>| {
            heard.iter().filter(|(at, _)| at == topic).map(|(_, payload)| payload.clone()).collect::<Vec<_>>()
        };
        let hearing = self.heard.wait_for(|heard| of(heard).len() >= count);
        let heard = tokio::time::timeout(PATIENCE, hearing).await.expect("it is heard").unwrap();
        of(&heard)
    }
}

async fn gateway(id: &str, mosquitto: &Mosquitto, dispatcher: &Arc<Fake>, stop: &CancellationToken) -> Gateway {
    let host = mosquitto.at.ip().to_string();
    let outside = Outside { host, port: mosquitto.at.port(), group: "yidiantong".into() };
    let mut config = Config { outside: Some(outside), ..Config::new(id, Vec::new(), Key::of([7; 32])) };
    config.retry_first = Duration::from_millis(5);
    config.retry_most = Duration::from_millis(50);
    let gateway = gateway::start(config, directory(), Arc::clone(dispatcher) as _, stop.clone()).await.unwrap();
    tokio::time::timeout(PATIENCE, gateway.ready()).await.expect("it subscribes").unwrap();
    gateway
}

fn press(seq: u32) -> String {
    format!(r#"{{"type":"alert","kind":"sos","boot":1,"seq":{seq}}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_share_what_terminals_say_at_mosquitto_and_each_press_is_taken_once() {
    const PRESSES: u32 = 40;
    let (mosquitto, stop) = (Mosquitto::start(), CancellationToken::new());
    let fakes = [(); 2].map(|()| Arc::new(Fake::new(Mood::Well)));
    let east = gateway("east", &mosquitto, &fakes[0], &stop).await;
    let west = gateway("west", &mosquitto, &fakes[1], &stop).await;
    let mut pager = Pager::connect(&mosquitto, "P1").await;
    for seq in 0..PRESSES {
        pager.say("ydt/1/P1/alert", press(seq)).await;
    }
    // The receipt is the promise: there is one for each, with the pager's own number.
    let receipts = pager.hear("ydt/1/P1/receipt", PRESSES as usize).await;
    let mut answered: Vec<u32> = receipts
        .iter()
        .map(|receipt| serde_json::from_slice::<wire::ydt::Receipt>(receipt).unwrap().seq.unwrap())
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, (0..PRESSES).collect::<Vec<_>>());
    let mut taken: BTreeMap<Option<u32>, u32> = BTreeMap::new();
    for fake in &fakes {
        let taken_here = fake.taken();
        assert!(!taken_here.is_empty(), "the work is shared");
        for report in taken_here {
            assert_eq!((report.serial.as_str(), report.topic.as_str()), ("P1", "ydt/1/P1/alert"));
            *taken.entry(report.stamp.seq).or_default() += 1;
        }
    }
    assert_eq!(taken.len(), PRESSES as usize);
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");

    // News reaches the terminal through any of them; telemetry, and a terminal that nobody lists, are heard too.
    west.notify(notice("P1")).await.unwrap();
    let news = pager.hear("ydt/1/P1/notice", 1).await;
    assert!(String::from_utf8_lossy(&news[0]).contains("claimed"), "{news:?}");
    pager.say("ydt/1/P1/status", r#"{"battery_pct":80}"#.into()).await;
    pager.say("ydt/1/P9/alert", press(1)).await;
    let both = async |topic: &str| {
        let has = |fake: &Fake| fake.taken().iter().any(|report| report.topic == topic);
        let waiting = async {
            while !fakes.iter().any(|fake| has(fake)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it is taken");
    };
    both("ydt/1/P1/status").await;
    both("ydt/1/P9/alert").await;

    // Without one of them the other takes everything.
    stop.cancel();
    for gateway in [east, west] {
        gateway.stopped().await.unwrap();
    }
    let stop = CancellationToken::new();
    let alone = gateway("alone", &mosquitto, &fakes[0], &stop).await;
    pager.say("ydt/1/P1/alert", press(PRESSES)).await;
    pager.hear("ydt/1/P1/receipt", PRESSES as usize + 1).await;
    stop.cancel();
    alone.stopped().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapped_watch_at_mosquitto_is_heard_and_what_is_said_to_it_is_not_taken_for_its_own_words() {
    const STATUS: &str = "atom/g616/status/860000000000017";
    const MESSAGE: &str = "atom/g616/cmd/860000000000017/MESSAGE";
    let (mosquitto, stop) = (Mosquitto::start(), CancellationToken::new());
    let fake = Arc::new(Fake::new(Mood::Well));
    let gateway = gateway("east", &mosquitto, &fake, &stop).await;
    let mut watch = Pager::listening(&mosquitto, "860000000000017", &[MESSAGE]).await;
    gateway.notify(notice("860000000000017")).await.unwrap();
    let said = watch.hear(MESSAGE, 1).await;
    assert_eq!(String::from_utf8_lossy(&said[0]), "坐席已受理您的求助");
    watch.say(STATUS, r#"{"imei":"860000000000017","sos":true}"#.into()).await;
    // What would come by the same way as the command, had it been taken for an answer, comes after it.
    watch.say("ydt/1/P1/status", r#"{"battery_pct":80}"#.into()).await;
    let seen = fake.until(|seen| seen.taken.len() >= 2).await;
    let mut topics: Vec<_> = seen.taken.iter().map(|report| (report.topic.as_str(), report.lane)).collect();
    topics.sort_by_key(|(topic, _)| *topic);
    assert_eq!(topics, [(STATUS, Lane::Alert), ("ydt/1/P1/status", Lane::Telemetry)]);
    let press = seen.taken.iter().find(|report| report.lane == Lane::Alert).unwrap();
    assert_eq!(press.event, Some(wire::report::Event::Alert { kind: domain::press::AlertKind::Sos }));
    stop.cancel();
    gateway.stopped().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_receipt_is_told_before_a_press_is_durable_although_mosquitto_has_acknowledged_it() {
    let (mosquitto, stop) = (Mosquitto::start(), CancellationToken::new());
    let fake = Arc::new(Fake::new(Mood::Hesitating));
    let gateway = gateway("east", &mosquitto, &fake, &stop).await;
    let mut pager = Pager::connect(&mosquitto, "P1").await;
    pager.say("ydt/1/P1/alert", press(7)).await;
    fake.until(|seen| seen.calls == 1).await;
    // What is said to it now comes after a receipt that had been said before.
    gateway.notify(notice("P1")).await.unwrap();
    pager.hear("ydt/1/P1/notice", 1).await;
    assert!(pager.heard.borrow().iter().all(|(topic, _)| topic != "ydt/1/P1/receipt"));
    fake.set(Mood::Well);
    pager.hear("ydt/1/P1/receipt", 1).await;
    stop.cancel();
    gateway.stopped().await.unwrap();
}
