//! A broker of somebody else's in front instead of our own doors: terminals connect to it, and gateways share a
//! subscription of it (MQTT 5, `$share`).
//!
//! The weaker mode: such a broker acknowledges a press before anybody here has seen it, so that the receipt message is
//! the promise. What it hands to a gateway is acknowledged towards *it* once it is durable, so that it hands to another
//! what a gateway had under way when it died, if it does that for shared subscriptions. Nobody tells who is there.
//! Who may say what is its own affair, or that of the hooks that a dispatcher serves.
//!
//! Each connection is made anew when it breaks, with a client of its own: an acknowledgement never reaches another
//! connection, where its packet id means another message.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;
use wire::bus::{self, Uplink};
use wire::directory::{Directory, Lookup};
use wire::internal::Key;
use wire::topics::{Lane, Mapping, Mappings};

use crate::clock;
use crate::codec::{self, Outgoing};
use crate::counters::Counters;
use crate::ledger::Answer;

/// A far broker that does not answer by then does not.
const CONNECT_WITHIN_S: u64 = 5;
const RECONNECT_AFTER: Duration = Duration::from_millis(250);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Messages that the broker may have under way to one connection.
const UNDER_WAY_MAX: u16 = 1024;
/// How many messages may wait between a connection and who reads it, or who writes and a connection.
const HAND_MAX: usize = 4096;
/// How long a connection may take to take one message.
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// What the door of a message is called that came from there.
const DOOR: &str = "outside";

/// What terminals publish that may be a press. In OwnTracks it is the topic of positions.
const ALERTS: [&str; 2] = ["ydt/1/+/alert", "owntracks/+/+"];
/// What they publish besides.
const TELEMETRY: [&str; 4] = ["ydt/1/+/fix", "ydt/1/+/status", "ydt/1/+/ack", "owntracks/+/+/event"];

/// Where the other broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Its host.
    pub host: String,
    /// Its port, where MQTT 5 is spoken in the clear.
    pub port: u16,
    /// What gateways that share the work call themselves together.
    pub group: String,
}

/// What is acknowledged once it is durable, and by which connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owed(Arc<Mutex<HashMap<Uuid, (AsyncClient, Publish)>>>);

impl Owed {
    fn settle(&self, id: Uuid) {
        if let Some((client, publish)) = self.0.lock().remove(&id) {
            // Without room it stays unacknowledged there, is handed out again some time, and is known then.
            let _ = client.try_ack(&publish);
        }
    }
}

/// Says something to terminals.
#[derive(Debug, Clone)]
pub(crate) struct Voice(watch::Receiver<Option<AsyncClient>>);

/// The broker is not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away;

impl Voice {
    /// Hands a message to the broker, which owes it to the terminal from then on.
    pub(crate) async fn say(&self, Outgoing { topic, payload }: Outgoing) -> Result<(), Away> {
        let client = self.0.borrow().clone().ok_or(Away)?;
        let saying = client.publish(topic, QoS::AtLeastOnce, false, payload);
        match tokio::time::timeout(SAID_WITHIN, saying).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Away),
        }
    }
}

/// Where what is heard goes.
#[derive(Debug, Clone)]
pub(crate) struct Ears {
    pub(crate) directory: Arc<Directory>,
    pub(crate) alerts: mpsc::Sender<Bytes>,
    pub(crate) telemetry: mpsc::Sender<Bytes>,
    pub(crate) owed: Owed,
}

/// One connection that keeps itself up: poll it until it ends.
pub(crate) struct Driver {
    name: &'static str,
    options: MqttOptions,
    filters: Vec<Filter>,
    ears: Option<Ears>,
    current: watch::Sender<Option<AsyncClient>>,
    up: watch::Sender<bool>,
    counters: Arc<Counters>,
}

/// The connections to one broker, and what follows them.
pub(crate) struct Lines {
    pub(crate) voice: Voice,
    pub(crate) speaking: Driver,
    pub(crate) alerts: Driver,
    pub(crate) telemetry: Driver,
    /// What a look at each tells.
    pub(crate) up: [watch::Receiver<bool>; 3],
}

/// Prepares the connections of a gateway to `outside`.
pub(crate) fn open(
    outside: &Outside,
    (gateway, mappings): (&str, &Mappings),
    key: &Key,
    ears: Ears,
    counters: &Arc<Counters>,
) -> Lines {
    let driver = |name: &'static str, filters: &[String], ears: Option<Ears>| {
        let mut options = MqttOptions::new(format!("yidiantong-{gateway}-{name}"), &*outside.host, outside.port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(true)
            .set_credentials(bus::USER, key.reveal())
            .set_connection_timeout(CONNECT_WITHIN_S)
            .set_receive_maximum(Some(UNDER_WAY_MAX))
            .set_max_packet_size(Some(u32::try_from(bus::PACKET_MAX).unwrap_or(u32::MAX)))
            .set_manual_acks(true);
        let share = |filter: &String| Filter::new(format!("$share/{}/{filter}", outside.group), QoS::AtLeastOnce);
        let (current, voice) = watch::channel(None);
        let (up, is_up) = watch::channel(false);
        let filters = filters.iter().map(share).collect();
        let driver = Driver { name, options, filters, ears, current, up, counters: Arc::clone(counters) };
        (driver, voice, is_up)
    };
    let (speaking, voice, speaking_up) = driver("voice", &[], None);
    let mapped = mappings.iter().flat_map(|mapping| &mapping.up).map(|template| template.filter("+"));
    let filters: Vec<String> = ALERTS.map(str::to_owned).into_iter().chain(mapped).collect();
    let (alerts, _, alerts_up) = driver("alerts", &filters, Some(ears.clone()));
    // Where an answer could be our own command, it is not listened to.
    let mapped = mappings.iter().flat_map(Mapping::answers_apart).map(|template| template.filter("+"));
    let filters: Vec<String> = TELEMETRY.map(str::to_owned).into_iter().chain(mapped).collect();
    let (telemetry, _, telemetry_up) = driver("telemetry", &filters, Some(ears));
    Lines { voice: Voice(voice), speaking, alerts, telemetry, up: [speaking_up, alerts_up, telemetry_up] }
}

impl Driver {
    /// Keeps the connection up until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut told_away = false;
        loop {
            let (client, event_loop) = AsyncClient::new(self.options.clone(), HAND_MAX);
            let ended = stop.run_until_cancelled(self.follow(client, event_loop, &mut told_away)).await;
            self.current.send_replace(None);
            self.up.send_replace(false);
            let Some(why) = ended else { return };
            if !told_away {
                warn!(line = self.name, why, "the broker outside is away or refuses us, trying until it does not");
                told_away = true;
            }
            if stop.run_until_cancelled(tokio::time::sleep(RECONNECT_AFTER)).await.is_none() {
                return;
            }
        }
    }

    /// One connection, until it breaks: why it did.
    async fn follow(&self, client: AsyncClient, mut event_loop: EventLoop, told_away: &mut bool) -> String {
        loop {
            match event_loop.poll().await {
                Err(error) => return error.to_string(),
                Ok(Event::Incoming(Packet::ConnAck(_))) if self.filters.is_empty() => self.come_up(&client, told_away),
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    if let Err(error) = client.try_subscribe_many(self.filters.clone()) {
                        return error.to_string();
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    if !ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
                        return format!("it refuses a shared subscription: {:?}", ack.return_codes);
                    }
                    self.come_up(&client, told_away);
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    if let Some(ears) = &self.ears {
                        self.hear(ears, &client, publish).await;
                    }
                }
                Ok(_) => {}
            }
        }
    }

    fn come_up(&self, client: &AsyncClient, told_away: &mut bool) {
        if std::mem::take(told_away) {
            info!(line = self.name, "the broker outside is back");
        }
        self.counters.bus_connected.one();
        self.current.send_replace(Some(client.clone()));
        self.up.send_replace(true);
    }

    /// Hands on what a terminal has said. Waiting here is what holds the broker back when nobody takes it.
    async fn hear(&self, ears: &Ears, client: &AsyncClient, publish: Publish) {
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        let Some(serial) = ears.directory.serial(&topic) else {
            self.counters.bus_garbled.one();
            let _ = client.try_ack(&publish);
            return;
        };
        let lane = match ears.directory.by_serial(serial) {
            Lookup::Listed(terminal) => ears.directory.publish_lane(&terminal, &topic),
            // A press of somebody whom we do not know is a press.
            Lookup::Unlisted | Lookup::NoDirectory => None,
        };
        let lane = lane.or_else(|| ears.directory.mapped_lane(&topic));
        let lane = lane.unwrap_or(if topic.ends_with("/alert") { Lane::Alert } else { Lane::Telemetry });
        let uplink = Uplink {
            id: clock::new_id(),
            door: DOOR.into(),
            serial: serial.into(),
            lane,
            repeated: publish.dup,
            received_at: clock::now(),
            payload: publish.payload[..].into(),
            topic: topic.as_str().into(),
        };
        let message = Bytes::from(bus::encode(&uplink));
        match lane {
            Lane::Alert => {
                ears.owed.0.lock().insert(uplink.id, (client.clone(), publish));
                // Whoever reads ends only with the process.
                let _ = ears.alerts.send(message).await;
            }
            Lane::Telemetry => {
                if ears.telemetry.send(message).await.is_ok() {
                    let _ = client.try_ack(&publish);
                }
            }
        }
    }
}

/// Acknowledges what is durable, and tells each terminal its receipt: here it is the promise.
pub(crate) async fn answer(voice: Voice, owed: Owed, mut answers: mpsc::Receiver<Answer>, counters: Arc<Counters>) {
    while let Some(answer) = answers.recv().await {
        owed.settle(answer.id);
        let Some(receipt) = codec::encode_receipt(answer.dialect, &answer.serial, answer.stamp, answer.outcome) else {
            continue;
        };
        match voice.say(receipt).await {
            Ok(()) => counters.receipts_sent.one(),
            Err(Away) => counters.receipts_unsent.one(),
        }
    }
}
