//! The rumqttd router inside this process, the local links that the edge speaks to it through, and
//! the listener where gateways connect.
//!
//! What rumqttd 0.20 does that one has to know here:
//! - A local link that is sent [`Notification::Unschedule`] hears nothing more until it calls
//!   `ready()`, and a `ready()` too many stops the router: exactly one for each.
//! - `LinkTx::publish` blocks when the router is behind. [`Outlet`] never does: a packet lies in the
//!   link's buffer, and the router, once woken, takes the whole buffer.
//! - Its logs are in memory and drop their oldest segment in silence. Whoever needs to know that a
//!   message arrived waits for the answer to it.
//! - The router cannot be told to stop; its idle thread ends with the process. The listener's can.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use std::{io, thread};

use bytes::Bytes;
use parking_lot::Mutex;
use rumqttd::local::{LinkBuilder, LinkError, LinkRx, LinkTx};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::{Packet, Publish};
use rumqttd::{
    ConnectionSettings, LinkType, Notification, Router, RouterConfig, SegmentConfig, Server, ServerSettings,
};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::internal::{Key, is_private};

/// Why the bus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Nothing on the bus is encrypted, so nobody from outside may reach it.
    #[error("the bus must listen on a loopback or private address, not on {0}")]
    NotPrivate(SocketAddr),
    /// The address cannot be had.
    #[error("the bus cannot listen on {address}: {why}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What stood in the way.
        why: String,
    },
    /// A thread could not be started.
    #[error("the bus's listener has no thread")]
    Thread(#[from] io::Error),
    /// The router took no link, or has let go of one: its thread is dead.
    #[error("the bus is dead")]
    Router(#[source] Box<LinkError>),
    /// The listener's thread has ended.
    #[error("the bus's listener has ended")]
    Listener,
}

impl From<LinkError> for BusError {
    fn from(error: LinkError) -> Self {
        Self::Router(Box::new(error))
    }
}

/// Gateways and our own links; more would be a mistake somewhere.
const CONNECTIONS_MAX: usize = 128;
/// What the router hands to a link at once. It pauses a link that has 199 waiting.
const OUTGOING_AT_ONCE: u64 = 100;
/// Receipts, signs of life, presence, downlinks: 8 MB each of what is being read at this moment.
const SEGMENT_MAX_BYTES: usize = 1024 * 1024;
const SEGMENTS: usize = 8;
/// One gateway's alerts: 64 MB hold some 200 000 of them, more than may wait for their receipts.
const ALERT_SEGMENTS: usize = 64;
/// One gateway's telemetry: 32 MB are some seconds of a full bus.
const TELEMETRY_SEGMENTS: usize = 32;

/// How often it is told that somebody was turned away.
const TOLD_EVERY: Duration = Duration::from_mins(1);
/// How often another free port is tried when somebody else was quicker.
const PORTS_TRIED: usize = 5;

/// The bus, and all the edge's ends of it.
pub(crate) struct Bus {
    pub(crate) address: SocketAddr,
    pub(crate) alerts: Outlet,
    pub(crate) telemetry: Outlet,
    pub(crate) presence: Outlet,
    /// Receipts and signs of life.
    pub(crate) ear: Inlet,
    /// Downlinks.
    pub(crate) down: Inlet,
    pub(crate) listener: Listener,
}

/// The thread where gateways connect. It ends when this is dropped, and its port is free again.
pub(crate) struct Listener {
    ended: oneshot::Receiver<()>,
    _stop: DropGuard,
}

impl Listener {
    /// Returns when the listener has ended although nobody asked it to.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.ended).await;
    }
}

/// Starts the router, its links and its listener. Blocks for some milliseconds.
pub(crate) fn start(door: &str, listen: SocketAddr, key: Key) -> Result<Bus, BusError> {
    if !is_private(listen.ip()) {
        return Err(BusError::NotPrivate(listen));
    }
    let guard = Arc::new(Guard { key, told: Mutex::default() });
    let segments = |count| SegmentConfig { max_segment_size: SEGMENT_MAX_BYTES, max_segment_count: count };
    let router = Router::new(
        0,
        RouterConfig {
            max_connections: CONNECTIONS_MAX,
            max_outgoing_packet_count: OUTGOING_AT_ONCE,
            max_segment_size: SEGMENT_MAX_BYTES,
            max_segment_count: SEGMENTS,
            custom_segment: Some(HashMap::from([
                (wire::bus::up("+", wire::topics::Lane::Alert), segments(ALERT_SEGMENTS)),
                (wire::bus::up("+", wire::topics::Lane::Telemetry), segments(TELEMETRY_SEGMENTS)),
            ])),
            ..RouterConfig::default()
        },
    )
    .spawn();

    let link = |name: &str| LinkBuilder::new(&format!("{door}.{name}"), router.clone()).build().map_err(BusError::from);
    let outlet = |name: &str| link(name).map(|(tx, rx, _)| Outlet::new(tx, rx));
    let inlet = |name: &str, filters: &[String]| {
        let (mut tx, rx, _) = link(name)?;
        for filter in filters {
            tx.subscribe(filter.as_str())?;
        }
        Ok::<_, BusError>(Inlet { rx, _tx: tx })
    };
    let (alerts, telemetry, presence) = (outlet("alerts")?, outlet("telemetry")?, outlet("presence")?);
    let ear = inlet("ear", &[wire::bus::receipts(door), wire::bus::GATEWAYS.to_owned()])?;
    let down = inlet("down", &[wire::bus::DOWN.to_owned()])?;

    let tries = if listen.port() == 0 { PORTS_TRIED } else { 1 };
    let mut outcome = Err(BusError::Listener);
    for _ in 0..tries {
        let address = with_port(listen)?;
        let server = Server::new(server_settings(address, &guard), router.clone(), V4);
        outcome = listen_in_thread(server, address).map(|listener| (address, listener));
        if outcome.is_ok() {
            break;
        }
    }
    let (address, listener) = outcome?;
    Ok(Bus { address, alerts, telemetry, presence, ear, down, listener })
}

/// rumqttd cannot tell which port it was given, so one that is free at this moment is chosen for it.
fn with_port(listen: SocketAddr) -> Result<SocketAddr, BusError> {
    if listen.port() != 0 {
        return Ok(listen);
    }
    TcpListener::bind(listen)
        .and_then(|free| free.local_addr())
        .map_err(|why| BusError::Listen { address: listen, why: why.to_string() })
}

fn server_settings(listen: SocketAddr, guard: &Arc<Guard>) -> ServerSettings {
    let mut settings = ServerSettings {
        name: "bus".into(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 5000,
            max_payload_size: wire::bus::PACKET_MAX,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: false,
        },
    };
    let guard = Arc::clone(guard);
    settings.set_auth_handler(move |client, user, password| {
        let lets_in = guard.lets_in(&client, &user, &password);
        async move { lets_in }
    });
    settings
}

/// Who lets gateways in.
struct Guard {
    key: Key,
    /// When it last told of somebody who was turned away.
    told: Mutex<Option<Instant>>,
}

impl Guard {
    fn lets_in(&self, client: &str, user: &str, password: &str) -> bool {
        let knows = user == wire::bus::USER && self.key.is(password);
        // A gateway with a wrong key comes back four times a second, and on each of its lines.
        let mut told = self.told.lock();
        if !knows && told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(client, "somebody who does not know the bus's key was turned away");
        }
        knows
    }
}

/// Runs the listener in a thread and a runtime of its own, because rumqttd blocks its runtime now
/// and then, and because dropping that runtime is the way to stop it.
fn listen_in_thread(mut server: Server<V4>, address: SocketAddr) -> Result<Listener, BusError> {
    let stop = CancellationToken::new();
    let (listening, is_listening) = std::sync::mpsc::channel();
    let (end, ended) = oneshot::channel();
    let stopped = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("bus-listener".into()).spawn(move || {
        runtime.block_on(async {
            let mut listening = Some(listening);
            let mut serving = pin!(server.start(LinkType::Remote));
            // Binding needs no waiting, so a listener that waits after its first turn is bound.
            let serving = std::future::poll_fn(|context| {
                let turn = serving.as_mut().poll(context).map_err(|why| why.to_string());
                if let Some(listening) = listening.take() {
                    let bound = match &turn {
                        Poll::Ready(Err(why)) => Err(why.clone()),
                        Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
                    };
                    let _ = listening.send(bound);
                }
                turn
            });
            tokio::select! {
                () = stopped.cancelled() => {}
                outcome = serving => {
                    if let Err(why) = outcome {
                        tracing::error!(why, "the bus's listener has failed");
                    }
                }
            }
        });
        runtime.shutdown_background();
        drop(end);
    })?;
    match is_listening.recv() {
        Ok(Ok(())) => Ok(Listener { ended, _stop: stop.drop_guard() }),
        Ok(Err(why)) => Err(BusError::Listen { address, why }),
        Err(_) => Err(BusError::Listener),
    }
}

/// Whether the bus has taken a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Taken,
    Full,
}

/// How much may wait for the router.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Limit {
    /// For what is bounded elsewhere.
    pub(crate) const NONE: Self = Self { messages: usize::MAX, bytes: usize::MAX };
}

/// Where the edge publishes. Never blocks.
pub(crate) struct Outlet {
    link: Mutex<Out>,
    /// Something lies in the buffer and the router could not be woken.
    unannounced: AtomicBool,
    /// The router keeps no link whose other half is gone.
    _rx: LinkRx,
}

struct Out {
    tx: LinkTx,
    /// Bytes pushed since the router took the buffer.
    bytes: usize,
}

impl Outlet {
    fn new(tx: LinkTx, rx: LinkRx) -> Self {
        Self { link: Mutex::new(Out { tx, bytes: 0 }), unannounced: AtomicBool::new(false), _rx: rx }
    }

    /// Publishes, unless more than `limit` waits already.
    pub(crate) fn publish(&self, topic: String, payload: Bytes, limit: Limit) -> Room {
        let mut out = self.link.lock();
        let size = topic.len() + payload.len();
        let mut buffer = out.tx.buffer();
        let waiting = buffer.len();
        if waiting > 0 {
            if waiting >= limit.messages || out.bytes + size > limit.bytes {
                drop(buffer);
                drop(out);
                self.announce();
                return Room::Full;
            }
            // Whoever found the buffer empty has woken the router, or will have it woken.
            buffer.push_back(Packet::Publish(Publish::new(Bytes::from(topic), payload, false), None));
            drop(buffer);
            out.bytes += size;
            return Room::Taken;
        }
        drop(buffer);
        out.bytes = size;
        if out.tx.try_publish(topic, payload).is_err() {
            self.unannounced.store(true, Ordering::Release);
        }
        Room::Taken
    }

    /// Wakes the router when that has failed before. A dead router is noticed by the inlets.
    pub(crate) fn announce(&self) {
        if self.unannounced.swap(false, Ordering::AcqRel) {
            // An event comes only with a packet. This one means nothing to the router.
            if self.link.lock().tx.try_unsubscribe("").is_err() {
                self.unannounced.store(true, Ordering::Release);
            }
        }
    }
}

/// Where the edge listens.
pub(crate) struct Inlet {
    rx: LinkRx,
    _tx: LinkTx,
}

impl Inlet {
    /// The next message. An error means that the bus is dead.
    pub(crate) async fn next(&mut self) -> Result<(Bytes, Bytes), BusError> {
        loop {
            match self.rx.next().await? {
                Some(Notification::Forward(forward)) => return Ok((forward.publish.topic, forward.publish.payload)),
                Some(Notification::Unschedule) => self.rx.wake().await?,
                Some(Notification::Disconnect(..)) => return Err(BusError::Listener),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn loopback() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    fn key() -> Key {
        Key::of([7; 32])
    }

    async fn next(inlet: &mut Inlet) -> Result<(Bytes, Bytes), BusError> {
        tokio::time::timeout(Duration::from_secs(10), inlet.next()).await.expect("nothing more was heard")
    }

    #[tokio::test]
    async fn what_is_published_is_heard_however_much_waits() {
        let mut bus = start("d", loopback(), key()).unwrap();
        for n in 0..5000_u32 {
            let payload = Bytes::copy_from_slice(&n.to_be_bytes());
            assert_eq!(bus.alerts.publish(wire::bus::receipts("d"), payload, Limit::NONE), Room::Taken);
        }
        for n in 0..5000_u32 {
            let (topic, payload) = next(&mut bus.ear).await.unwrap();
            assert_eq!((&topic[..], &payload[..]), (wire::bus::receipts("d").as_bytes(), &n.to_be_bytes()[..]));
        }
    }

    #[test]
    fn the_bus_is_never_open_to_the_world() {
        let world = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        assert!(matches!(start("d", world, key()), Err(BusError::NotPrivate(_))));
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error_and_a_stopped_bus_gives_its_port_back() {
        let first = start("d", loopback(), key()).unwrap();
        let address = first.address;
        assert!(matches!(start("d", address, key()), Err(BusError::Listen { .. })));
        let Listener { ended, _stop: stop } = first.listener;
        drop(stop);
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert!(ended.expect("the listener does not end").is_err());
        start("d", address, key()).unwrap();
    }

    #[tokio::test]
    async fn a_dead_router_is_noticed() {
        let mut bus = start("d", loopback(), key()).unwrap();
        // rumqttd looks at the first byte of a topic as if it were a character, and panics. No message
        // of a terminal can do this: what they call a topic is part of a payload here.
        bus.presence.publish("电".into(), Bytes::new(), Limit::NONE);
        assert!(matches!(next(&mut bus.ear).await, Err(BusError::Router(_))));
    }
}
