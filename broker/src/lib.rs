//! The terminals' MQTT front door (the *edge*) in front of an embedded rumqttd bus.
//!
//! It ends the terminals' sessions (MQTT 3.1.1 and 5), checks who they are and what they may say, and
//! carries their messages to gateways over the bus and back. It knows two lanes and nothing of what
//! travels in them: on the alert lane an acknowledgement means that a gateway has said *durable*; on
//! the telemetry lane it means that the message is on its way.
//!
//! Nothing here outlives the process but a copy of the directory. Terminals repeat what was not
//! acknowledged.

mod bus;
mod clock;
mod config;
mod counters;
mod edge;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod gateways;
mod limits;
mod mailbox;
mod packet;
mod parcels;
mod parked;
mod pending;
mod presence;
mod session;
mod sessions;
mod tls;
mod violations;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, io};

use jiff::Timestamp;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::directory::Directory;
use wire::door::Standing;

pub use bus::BusError;
pub use config::{Acknowledge, Config};
pub use counters::Counters;
pub use limits::Rate;
pub use tls::{Tls, TlsError, expires_at};

use bus::{Bus, Listener};
use edge::{Edge, HalfOpen, Outlets};
use limits::{Pace, TooEarly};
use mailbox::Order;
use parcels::Parcels;
use session::Arrival;
use tls::Gate;

/// Connections that may wait to be accepted: terminals come back all at once.
const BACKLOG: u32 = 4096;
/// How long accepting rests when the system has no more sockets.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How long sessions have to say goodbye when the door closes.
const CLOSE_WITHIN: Duration = Duration::from_secs(4);

/// Why a door cannot open, or has closed by itself.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Its name would not do as a level of a topic.
    #[error("{0:?} is no name for a door")]
    Door(String),
    /// Where terminals should connect cannot be had.
    #[error("terminals cannot be listened to on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to speak TLS with.
    #[error("terminals cannot connect over TLS")]
    Tls(#[from] TlsError),
    /// The bus cannot start, or is dead.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A part of the door has ended that runs as long as the door does.
    #[error("a part of the door has stopped")]
    Task(#[from] JoinError),
}

/// An open door.
pub struct Broker {
    mqtt_addr: SocketAddr,
    mqtts_addr: Option<SocketAddr>,
    bus_addr: SocketAddr,
    edge: Arc<Edge>,
    gate: Option<Arc<Gate>>,
    opened_at: Timestamp,
    watch: JoinHandle<Result<(), BrokerError>>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mqtt_addr, bus_addr, .. } = self;
        f.debug_struct("Broker").field("mqtt_addr", mqtt_addr).field("bus_addr", bus_addr).finish_non_exhaustive()
    }
}

impl Broker {
    /// Where terminals connect.
    pub fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt_addr
    }

    /// Where terminals connect over TLS.
    pub fn mqtts_addr(&self) -> Option<SocketAddr> {
        self.mqtts_addr
    }

    /// Where gateways connect.
    pub fn bus_addr(&self) -> SocketAddr {
        self.bus_addr
    }

    /// What this door counts.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.edge.counters)
    }

    /// Tells how the door stands, whenever it is asked.
    pub fn standing(&self) -> impl Fn() -> Standing + Send + Sync + use<> {
        let (edge, gate) = (Arc::clone(&self.edge), self.gate.clone());
        let (listen, opened_at) = (self.mqtts_addr, self.opened_at);
        move || {
            let tls = gate.as_ref().zip(listen).map(|(gate, listen)| wire::door::Tls {
                listen: listen.to_string(),
                expires_at: gate.expires_at(),
                asks_certificates: gate.asks_certificates(),
            });
            let counted =
                edge.counters.read().into_iter().map(|sample| (sample.name.to_owned(), sample.value)).collect();
            let (door, violations) = (edge.config.door.clone(), edge.violations.all());
            Standing { door, opened_at, tls, counted, violations }
        }
    }

    /// Tells how many gateways are alive, whenever it is asked. Without one no alert is acknowledged.
    pub fn gateways(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        let edge = Arc::clone(&self.edge);
        move || edge.gateways_alive()
    }

    /// Waits until the door has closed: without an error after `stop`, with one when its bus is dead.
    pub async fn stopped(self) -> Result<(), BrokerError> {
        self.watch.await?
    }
}

/// Opens a door: terminals may connect when this returns. `stop` closes it.
pub async fn start(config: Config, directory: Arc<Directory>, stop: CancellationToken) -> Result<Broker, BrokerError> {
    if !gateways::wire_safe(&config.door) {
        return Err(BrokerError::Door(config.door));
    }
    if let Some(data_dir) = &config.data_dir
        && directory.version().is_none()
    {
        // Without the copy terminals are told to try again later, which is better than no door.
        if let Err(error) = directory.load(&edge::directory_file(data_dir)) {
            tracing::warn!(%error, "the copy of the directory cannot be read");
        }
    }
    let gate = config.tls.clone().map(Gate::new).transpose()?.map(Arc::new);
    let door = config.door.clone();
    let (bus_listen, bus_key) = (config.bus_listen, config.bus_key.clone());
    let Bus { address: bus_addr, alerts, telemetry, presence, ear, down, listener } =
        tokio::task::spawn_blocking(move || bus::start(&door, bus_listen, bus_key)).await??;
    let (socket, mqtt_addr) = listen(config.listen)?;
    let secure = config.tls.as_ref().map(|tls| listen(tls.listen)).transpose()?;
    let over_tls = secure.as_ref().map(|(_, address)| *address);

    let outlets = Outlets { alerts, telemetry: Parcels::new(telemetry), presence };
    let edge = Arc::new(Edge::new(config, directory, outlets));
    let closing = stop.child_token();
    let connections = TaskTracker::new();
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let edge = Arc::clone(&edge);
        async move { Ok(edge.hear_bus(ear).await?) }
    });
    tasks.spawn({
        let edge = Arc::clone(&edge);
        async move { Ok(edge.hear_down(down).await?) }
    });
    tasks.spawn(forever(Arc::clone(&edge), async |edge| edge.take_turns().await));
    tasks.spawn(forever(Arc::clone(&edge), async |edge| edge.send_parcels().await));
    tasks.spawn(forever(Arc::clone(&edge), async |edge| edge.tell_presence().await));
    tasks.spawn(forever(Arc::clone(&edge), async |edge| edge.follow_directory().await));
    tasks.spawn(accept(Arc::clone(&edge), socket, None, connections.clone(), closing.clone()));
    if let (Some(gate), Some((socket, _))) = (gate.clone(), secure) {
        tasks.spawn(accept(Arc::clone(&edge), socket, Some(Arc::clone(&gate)), connections.clone(), closing.clone()));
        tasks.spawn(forever(Arc::clone(&edge), async move |edge| edge.renew(&gate).await));
    }
    tracing::info!(%mqtt_addr, ?over_tls, %bus_addr, "the door is open");
    let watch = tokio::spawn(watch(Arc::clone(&edge), tasks, connections, listener, closing));
    Ok(Broker { mqtt_addr, mqtts_addr: over_tls, bus_addr, edge, gate, opened_at: clock::now(), watch })
}

async fn forever(edge: Arc<Edge>, task: impl AsyncFnOnce(&Edge)) -> Result<(), BrokerError> {
    task(&edge).await;
    Ok(())
}

/// Waits until the door is to close or must, and closes it.
async fn watch(
    edge: Arc<Edge>,
    mut tasks: JoinSet<Result<(), BrokerError>>,
    connections: TaskTracker,
    mut listener: Listener,
    closing: CancellationToken,
) -> Result<(), BrokerError> {
    let outcome = tokio::select! {
        () = closing.cancelled() => Ok(()),
        () = listener.ended() => Err(BusError::Listener.into()),
        Some(ended) = tasks.join_next() => ended.map_err(BrokerError::from).flatten(),
    };
    if let Err(error) = &outcome {
        tracing::error!(%error, "the door must close");
    }
    closing.cancel();
    edge.end_all(Order::ShutDown);
    connections.close();
    if tokio::time::timeout(CLOSE_WITHIN, connections.wait()).await.is_err() {
        tracing::warn!(sessions = connections.len(), "sessions were cut off when the door closed");
    }
    edge.turn();
    tasks.shutdown().await;
    edge.save_directory().await;
    outcome
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BrokerError> {
    let listening = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listening().map_err(|source| BrokerError::Listen { address, source })
}

async fn accept(
    edge: Arc<Edge>,
    listener: TcpListener,
    gate: Option<Arc<Gate>>,
    connections: TaskTracker,
    closing: CancellationToken,
) -> Result<(), BrokerError> {
    let mut pace = Pace::default();
    loop {
        if let Some(rate) = edge.config.accept_rate
            && let Err(TooEarly(wait)) = pace.take(rate, Instant::now())
        {
            edge.counters.accept_waited.one();
            tokio::select! {
                () = closing.cancelled() => return Ok(()),
                // The clock of the runtime counts milliseconds.
                () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => continue,
            }
        }
        let accepted = tokio::select! {
            () = closing.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, from)) => match edge.let_in(from.ip(), connections.len(), Instant::now()) {
                Ok(half_open) => {
                    connections.spawn(connection(Arc::clone(&edge), socket, gate.clone(), half_open, closing.clone()));
                }
                Err(counted) => counted.one(),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn connection(
    edge: Arc<Edge>,
    socket: TcpStream,
    gate: Option<Arc<Gate>>,
    half_open: HalfOpen,
    closing: CancellationToken,
) {
    // Acknowledgements are small and waited for.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let _counted = Counted::new(&edge);
    let Some(gate) = gate else {
        return session::serve(edge, socket, Arrival { half_open, certificate: None }, closing).await;
    };
    let greeted = tokio::select! {
        () = closing.cancelled() => return,
        greeted = Box::pin(tokio::time::timeout(edge.config.connect_within, gate.greet(socket))) => greeted,
    };
    drop(gate);
    match greeted {
        Ok(Ok((stream, certificate))) => {
            session::serve(edge, stream, Arrival { half_open, certificate }, closing).await;
        }
        Ok(Err(error)) => {
            edge.counters.refused_tls.one();
            tracing::debug!(%error, "a connection over TLS came to nothing");
        }
        Err(_) => edge.counters.refused_silent.one(),
    }
}

/// One connection in the counters, for as long as it lives.
struct Counted(Arc<Counters>);

impl Counted {
    fn new(edge: &Edge) -> Self {
        edge.counters.connections.one();
        Self(Arc::clone(&edge.counters))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.one_less();
    }
}
