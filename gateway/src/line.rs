//! One connection to the bus that keeps itself up.
//!
//! Each kind of traffic has its own, so that a storm on one cannot delay another: a line whose
//! messages are not taken simply stops reading, and TCP holds the bus back. Everything travels with
//! QoS 0, because the bus keeps nothing that we could ask for after a break; what must not be lost
//! is repeated end to end, by the edge until it has a receipt, by the outbox until a notice is
//! acknowledged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet, QoS, SubscribeReasonCode};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::internal::Key;

use crate::counters::Counters;

/// The bus answers at once or not at all; it is near.
const CONNECT_WITHIN_S: u64 = 5;
const RECONNECT_AFTER: Duration = Duration::from_millis(250);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How many messages may wait between a line and who reads it, or who writes and a line.
const HAND_MAX: usize = 1024;

/// The writing end of a line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    client: AsyncClient,
    up: watch::Receiver<bool>,
}

/// The bus is not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Down;

impl Line {
    /// Publishes, waiting for room; fails when the bus is away or goes away meanwhile.
    pub(crate) async fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), Down> {
        let mut up = self.up.clone();
        tokio::select! {
            biased;
            _ = up.wait_for(|up| !up) => Err(Down),
            published = self.client.publish(topic, QoS::AtMostOnce, false, payload) => published.map_err(|_| Down),
        }
    }

    /// Whether the line is up: connected, and subscribed where it reads.
    pub(crate) fn up(&self) -> watch::Receiver<bool> {
        self.up.clone()
    }

    /// Says good-bye once everything published so far has left, and waits until it is said.
    pub(crate) async fn close(&self) {
        let mut up = self.up.clone();
        if *up.borrow() && self.client.disconnect().await.is_ok() {
            let _ = up.wait_for(|up| !up).await;
        }
    }
}

/// What runs a line: poll it until it ends.
pub(crate) struct Driver {
    name: &'static str,
    topic: Option<String>,
    client: AsyncClient,
    event_loop: EventLoop,
    up: watch::Sender<bool>,
    sink: mpsc::Sender<Bytes>,
    counters: Arc<Counters>,
}

/// Which bus, and as whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FarEnd<'c> {
    pub(crate) gateway: &'c str,
    pub(crate) bus: SocketAddr,
    pub(crate) key: &'c Key,
}

/// Prepares a line that reads `topic`, or only writes.
pub(crate) fn open(
    name: &'static str,
    FarEnd { gateway, bus, key }: FarEnd<'_>,
    topic: Option<String>,
    counters: Arc<Counters>,
) -> (Line, Driver, mpsc::Receiver<Bytes>) {
    let mut options = MqttOptions::new(format!("gateway-{gateway}-{name}"), bus.ip().to_string(), bus.port());
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_credentials(wire::bus::USER, key.reveal())
        .set_max_packet_size(wire::bus::PACKET_MAX, wire::bus::PACKET_MAX);
    let (client, mut event_loop) = AsyncClient::new(options, HAND_MAX);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_WITHIN_S);
    event_loop.set_network_options(network);
    let (up, is_up) = watch::channel(false);
    let (sink, messages) = mpsc::channel(HAND_MAX);
    let line = Line { client: client.clone(), up: is_up };
    (line, Driver { name, topic, client, event_loop, up, sink, counters }, messages)
}

impl Driver {
    /// Keeps the line up until `stop`, or until it has been closed.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.keep_up(&stop).await;
        self.up.send_replace(false);
    }

    async fn keep_up(&mut self, stop: &CancellationToken) {
        let mut told_down = false;
        loop {
            let polled = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                polled = self.event_loop.poll() => polled,
            };
            match polled {
                Ok(event) => {
                    if told_down && *self.up.borrow() {
                        info!(line = self.name, bus = self.bus(), "the bus is back");
                        told_down = false;
                    }
                    if self.heard(event, stop).await.is_break() {
                        return;
                    }
                }
                Err(error) => {
                    self.up.send_replace(false);
                    if !told_down {
                        let bus = self.bus();
                        warn!(line = self.name, bus, %error, "the bus is away or refuses our key, trying until it does not");
                        told_down = true;
                    }
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(RECONNECT_AFTER) => {}
                    }
                }
            }
        }
    }

    fn bus(&self) -> String {
        let (host, port) = self.event_loop.mqtt_options.broker_address();
        format!("{host}:{port}")
    }

    async fn heard(&mut self, event: Event, stop: &CancellationToken) -> std::ops::ControlFlow<()> {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                self.counters.bus_connected.one();
                match &self.topic {
                    None => drop(self.up.send_replace(true)),
                    Some(topic) => {
                        if let Err(error) = self.client.try_subscribe(topic, QoS::AtMostOnce) {
                            warn!(line = self.name, %error, "cannot subscribe, connecting again");
                            self.event_loop.clean();
                        }
                    }
                }
            }
            Event::Incoming(Packet::SubAck(ack)) => {
                let taken = ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
                if !taken {
                    warn!(line = self.name, "the bus refused a subscription");
                }
                self.up.send_replace(taken);
            }
            Event::Incoming(Packet::Publish(publish)) => {
                // Waiting here is what holds the bus back when nobody takes the messages.
                let sent = tokio::select! {
                    () = stop.cancelled() => return std::ops::ControlFlow::Break(()),
                    sent = self.sink.send(publish.payload) => sent,
                };
                if sent.is_err() {
                    return std::ops::ControlFlow::Break(());
                }
            }
            Event::Outgoing(Outgoing::Disconnect) => return std::ops::ControlFlow::Break(()),
            _ => {}
        }
        std::ops::ControlFlow::Continue(())
    }
}
