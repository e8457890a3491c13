//! A bare rumqttd, and a door on it that remembers what it hears.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use jiff::Timestamp;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;
use wire::bus::{self, Alive, Downlink, Receipts, Uplink};
use wire::topics::Lane;

/// Far longer than anything here takes; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) struct Bus {
    pub(crate) addr: SocketAddr,
}

/// rumqttd opens its listener itself and does not say where, so it must be told.
pub(crate) fn free_addr() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

impl Bus {
    pub(crate) fn start() -> Self {
        Self::start_at(free_addr())
    }

    pub(crate) fn start_at(addr: SocketAddr) -> Self {
        let connections = rumqttd::ConnectionSettings {
            connection_timeout_ms: 5000,
            max_payload_size: 1 << 20,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        };
        let name = "bus".to_owned();
        let server =
            rumqttd::ServerSettings { name, listen: addr, tls: None, next_connection_delay_ms: 0, connections };
        let router = rumqttd::RouterConfig {
            max_connections: 100,
            max_outgoing_packet_count: 200,
            max_segment_size: 1 << 20,
            max_segment_count: 10,
            ..rumqttd::RouterConfig::default()
        };
        let v4 = Some(HashMap::from([("bus".to_owned(), server)]));
        let mut broker = rumqttd::Broker::new(rumqttd::Config { router, v4, ..rumqttd::Config::default() });
        // It cannot be stopped; it goes with the test process.
        std::thread::spawn(move || broker.start().expect("the bus died"));
        let start = std::time::Instant::now();
        while TcpStream::connect(addr).is_err() {
            assert!(start.elapsed() < PATIENCE, "the bus does not listen");
            std::thread::yield_now();
        }
        Self { addr }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct HeardOnBus {
    pub(crate) receipts: Vec<Uuid>,
    pub(crate) down: Vec<Downlink>,
    pub(crate) alive: Vec<String>,
}

pub(crate) struct Door {
    name: String,
    client: AsyncClient,
    heard: watch::Receiver<HeardOnBus>,
}

impl Door {
    pub(crate) async fn connect(bus: &Bus, name: &str) -> Self {
        let mut options = MqttOptions::new(name, bus.addr.ip().to_string(), bus.addr.port());
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::new(options, 1000);
        let (tell, heard) = watch::channel(HeardOnBus::default());
        let (subscribed, mut is_subscribed) = watch::channel(0);
        for topic in [bus::receipts(name), bus::DOWN.to_owned(), bus::GATEWAYS.to_owned()] {
            client.subscribe(topic, QoS::AtMostOnce).await.unwrap();
        }
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => subscribed.send_modify(|count| *count += 1),
                    Event::Incoming(Packet::Publish(publish)) => tell.send_modify(|heard| match &publish.topic[..] {
                        bus::DOWN => heard.down.push(bus::decode::<Downlink>(&publish.payload).unwrap()),
                        bus::GATEWAYS => heard.alive.push(bus::decode::<Alive>(&publish.payload).unwrap().gateway),
                        _ => heard.receipts.extend(bus::decode::<Receipts>(&publish.payload).unwrap().ids),
                    }),
                    _ => {}
                }
            }
        });
        is_subscribed.wait_for(|count| *count == 3).await.unwrap();
        Self { name: name.to_owned(), client, heard }
    }

    pub(crate) async fn publish(&self, topic: &str, message: &impl Serialize) {
        self.client.publish(topic, QoS::AtMostOnce, false, bus::encode(message)).await.unwrap();
    }

    /// Hands a message to the gateway, to be answered here.
    pub(crate) async fn send(&self, uplink: &Uplink<'_>) {
        let uplink = Uplink { door: self.name.as_str().into(), ..uplink.clone() };
        self.publish(&bus::up("g1", uplink.lane), &uplink).await;
    }

    pub(crate) fn heard(&self) -> HeardOnBus {
        self.heard.borrow().clone()
    }

    /// Waits until everything that the gateway has said so far is here: a sign of life given after it
    /// comes after it.
    pub(crate) async fn caught_up(&self) {
        let signs = self.heard().alive.len();
        self.until(|heard| heard.alive.len() >= signs + 2).await;
    }

    pub(crate) async fn until(&self, condition: impl Fn(&HeardOnBus) -> bool) -> HeardOnBus {
        let mut heard = self.heard.clone();
        let waited = tokio::time::timeout(PATIENCE, heard.wait_for(|heard| condition(heard))).await;
        let Ok(heard) = waited else { panic!("not heard in time; heard so far: {:?}", self.heard()) };
        heard.unwrap().clone()
    }
}

pub(crate) fn uplink(id: u128, serial: &str, lane: Lane, payload: &str) -> Uplink<'static> {
    let leaf = if lane == Lane::Alert { "alert" } else { "status" };
    Uplink {
        id: Uuid::from_u128(id),
        door: "".into(),
        serial: serial.to_owned().into(),
        topic: format!("ydt/1/{serial}/{leaf}").into(),
        lane,
        repeated: false,
        received_at: Timestamp::UNIX_EPOCH,
        payload: payload.as_bytes().to_vec().into(),
    }
}

/// Waits for what nobody announces.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it never happened");
}
