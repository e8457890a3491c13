//! Listeners for terminals whose dialect has a connection of its own: watches, JT/T 808, GT06, EV-07B, social alarms.
//!
//! ```text
//!   socket ──frames──▶ conversation ──alerts────▶ alerts ──receipt──▶ the replies that waited for it
//!                                   ──telemetry─▶ telemetry
//!                                   ──replies at once──▶ socket
//!   notices, orders ──▶ sessions ──▶ the one connection of that terminal
//! ```
//!
//! These dialects prove nothing: a terminal says who it is. The directory is the list of those who may; whoever is not on
//! it is heard when it calls for help, and for nothing else where the listener says so. What costs memory or time is
//! bounded: connections, those that have not said who they are, the length of a frame, silence, how often an address
//! may come, and the alerts of a connection that wait for their receipts.
//!
//! Over UDP what comes from one address and port is held for a connection, with the same limits; a terminal that comes
//! from elsewhere takes the place of its older one, as it does over TCP. Phones that ask over HTTP have a [room of their
//! own](phones).

mod asked;
mod config;
mod connection;
mod limits;
mod owed;
mod phones;
mod reports;
mod sessions;
mod socket;
mod transactions;
mod udp;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;
use wire::bus;
use wire::counters::Gauge;
use wire::directory::Directory;

pub use config::{ListenerConfig, ListensAt, Transport};
pub use limits::Rate;
pub(crate) use phones::Phones;
pub(crate) use sessions::{Said, Sessions};

use crate::alerts::Alerts;
use crate::clock;
use crate::counters::Counters;
use crate::ledger::Answer;
use crate::telemetry::Telemetry;
use crate::voices::Door;
use limits::{Paces, Strangers, network};
use sessions::Post;
use socket::Socket;

/// The name of all listeners together, where front doors have theirs.
pub(crate) const DOOR: &str = "listeners";
/// How long comings and goings are gathered.
const GATHER: Duration = Duration::from_millis(200);
/// How often it is told who has been heard.
const ALIVE_EVERY: Duration = Duration::from_mins(1);
/// How often it is looked whether everybody is still listed; revocation has five seconds in all.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When no more sockets can be had, others have to go first.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A stranger's alarms: so many a second from one address, and so many at once. More are read later, none is lost.
const STRANGERS_ALARMS: (u32, u32) = (1, 10);

/// Who waits for a receipt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiters(Arc<Mutex<HashMap<Uuid, mpsc::UnboundedSender<Post>>>>);

impl Waiters {
    fn wait(&self, report: Uuid, post: mpsc::UnboundedSender<Post>) {
        self.0.lock().insert(report, post);
    }

    fn forget(&self, reports: impl Iterator<Item = Uuid>) {
        let mut waiters = self.0.lock();
        reports.for_each(|report| drop(waiters.remove(&report)));
    }

    /// Tells connections which of their reports are durable, until nobody can say so any more.
    pub(crate) async fn answer(self, mut answers: mpsc::Receiver<Answer>, counters: Arc<Counters>) {
        while let Some(answer) = answers.recv().await {
            let waiter = self.0.lock().remove(&answer.id);
            let told = waiter.is_some_and(|waiter| waiter.send(Post::Durable(answer.id)).is_ok());
            let counter = if told { &counters.receipts_sent } else { &counters.receipts_unsent };
            counter.one();
        }
    }
}

/// What all connections share.
pub(crate) struct Intake {
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) waiters: Waiters,
    pub(crate) phones: Arc<Phones>,
    pub(crate) counters: Arc<Counters>,
    /// Where answers to alerts come back.
    pub(crate) door: Door,
}

/// A listener that is bound, and what its connections share.
pub(crate) struct Listener {
    config: Arc<ListenerConfig>,
    bound: Bound,
    address: SocketAddr,
    shared: Arc<Shared>,
}

enum Bound {
    Tcp(TcpListener),
    Udp(Arc<UdpSocket>),
}

/// What the connections of one listener share.
struct Shared {
    intake: Arc<Intake>,
    /// Of this listener; the counters count all.
    open: Gauge,
    unidentified: Gauge,
    addresses: Mutex<Paces<IpAddr>>,
    strangers: Mutex<Strangers>,
    strangers_alarms: Mutex<Paces<IpAddr>>,
}

/// A connection in the counters, while it lasts.
struct Counted {
    shared: Arc<Shared>,
    is_identified: bool,
}

impl Counted {
    fn new(shared: Arc<Shared>) -> Self {
        let counters = &shared.intake.counters;
        for gauge in [&shared.open, &shared.unidentified, &counters.connections, &counters.connections_unidentified] {
            gauge.one();
        }
        Self { shared, is_identified: false }
    }

    fn identified(&mut self) {
        if !std::mem::replace(&mut self.is_identified, true) {
            self.shared.unidentified.one_less();
            self.shared.intake.counters.connections_unidentified.one_less();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.identified();
        self.shared.open.one_less();
        self.shared.intake.counters.connections.one_less();
    }
}

impl Listener {
    /// Begins to listen.
    pub(crate) async fn bind(config: ListenerConfig, intake: Arc<Intake>) -> std::io::Result<Self> {
        let (bound, address) = match config.transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(config.listen).await?;
                let address = socket.local_addr()?;
                (Bound::Udp(Arc::new(socket)), address)
            }
            Transport::Tcp | Transport::Http => {
                let socket = TcpListener::bind(config.listen).await?;
                let address = socket.local_addr()?;
                (Bound::Tcp(socket), address)
            }
        };
        let shared = Shared {
            intake,
            open: Gauge::default(),
            unidentified: Gauge::default(),
            addresses: Mutex::default(),
            strangers: Mutex::default(),
            strangers_alarms: Mutex::default(),
        };
        Ok(Self { config: Arc::new(config), bound, address, shared: Arc::new(shared) })
    }

    /// Where it listens.
    pub(crate) fn at(&self) -> ListensAt {
        ListensAt { dialect: self.config.dialect, transport: self.config.transport, address: self.address }
    }

    /// Takes connections until `stop`, and waits until they have ended.
    pub(crate) async fn run(self, stop: CancellationToken) {
        info!(listener = self.at().name(), address = %self.address, "listening for terminals");
        let Self { config, bound, shared, .. } = self;
        let desk = Desk { config, shared };
        match bound {
            Bound::Tcp(socket) => desk.accept(socket, stop).await,
            Bound::Udp(socket) => udp::receive(desk, socket, stop).await,
        }
    }
}

/// Who lets terminals in.
struct Desk {
    config: Arc<ListenerConfig>,
    shared: Arc<Shared>,
}

impl Desk {
    async fn accept(self, socket: TcpListener, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    let Some(counted) = self.let_in(peer.ip()) else { continue };
                    // Replies are short, and a terminal's radio waits for them.
                    let _ = socket.set_nodelay(true);
                    if self.config.transport == Transport::Http {
                        connections.spawn(phones::serve(
                            (socket, peer),
                            Arc::clone(&self.config),
                            counted,
                            stop.clone(),
                        ));
                    } else if let Some(connection) = self.connection((Socket::Tcp(socket), peer), counted, &stop) {
                        connections.spawn(connection.run());
                    }
                }
                Err(cause) => {
                    warn!(%cause, "a connection could not be accepted");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(ACCEPT_AGAIN_AFTER) => {}
                    }
                }
            }
        }
        drop(socket);
        connections.join_all().await;
    }

    fn let_in(&self, from: IpAddr) -> Option<Counted> {
        let (config, shared, counters) = (&self.config, &self.shared, &self.shared.intake.counters);
        let is_early = |rate| shared.addresses.lock().take(network(from), rate, Instant::now()).is_err();
        if shared.open.get() >= config.connections_max as u64 {
            counters.connections_refused_full.one();
        } else if shared.unidentified.get() >= config.unidentified_max as u64 {
            counters.connections_refused_unidentified.one();
        } else if config.address_rate.is_some_and(is_early) {
            counters.connections_refused_address.one();
        } else {
            return Some(Counted::new(Arc::clone(shared)));
        }
        None
    }

    fn connection(
        &self,
        (socket, peer): (Socket, SocketAddr),
        counted: Counted,
        stop: &CancellationToken,
    ) -> Option<connection::Connection> {
        self.shared.intake.counters.connections_opened.one();
        connection::Connection::new((socket, peer), Arc::clone(&self.config), counted, stop.clone())
    }
}

/// Tells who came, went and was heard, until `stop`; and ends those who are not listed any more.
pub(crate) async fn look_after(
    sessions: Arc<Sessions>,
    directory: Arc<Directory>,
    news: mpsc::Sender<Bytes>,
    stop: CancellationToken,
) {
    let (mut told, mut looked, mut edition) = (Instant::now(), Instant::now(), directory.edition());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(GATHER) => {}
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            let now = directory.edition();
            if now != edition {
                edition = now;
                sessions.end_unlisted(&directory);
            }
        }
        if told.elapsed() >= ALIVE_EVERY {
            told = Instant::now();
            let since = clock::now() - SignedDuration::try_from(ALIVE_EVERY).unwrap_or_default();
            sessions.note_alive(since);
        }
        if let Some(presence) = sessions.news(DOOR)
            && news.send(bus::encode(&presence).into()).await.is_err()
        {
            return;
        }
    }
}
