//! What can be set about a door, and the limits that keep everything in it bounded.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use wire::directory::Identity;
use wire::internal::Key;

use crate::limits::Rate;
use crate::tls::Tls;

/// When an alert is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// When a gateway has sent the receipt for that very message: the promise of this project.
    #[default]
    WhenDurable,
    /// As soon as it has been read, which promises nothing. It exists only so that the crash test
    /// can prove that it would notice acknowledgements that come too early.
    AtOnce,
}

/// Everything that can be set about a door. Begin with [`Config::new`].
#[derive(Debug, Clone)]
pub struct Config {
    /// This door's name on the bus: no `/`, `+`, `#` or `$` in it.
    pub door: String,
    /// Where terminals connect.
    pub listen: SocketAddr,
    /// Where and how terminals connect over TLS.
    pub tls: Option<Tls>,
    /// How often the files of certificates are looked at.
    pub certificates_every: Duration,
    /// Where gateways connect: on the loopback or in a private network, because nothing is encrypted there. Port 0
    /// takes a free one.
    pub bus_listen: SocketAddr,
    /// What gateways must know.
    pub bus_key: Key,
    /// Keeps a copy of the directory here, so that terminals can connect after a restart while the
    /// dispatcher is away.
    pub data_dir: Option<PathBuf>,
    /// Whether PUBACK means durable.
    pub acknowledge: Acknowledge,

    /// An alert that has no receipt after this long ends its session.
    pub receipt_within: Duration,
    /// An alert that has no receipt after this long is published again, to the next gateway if there
    /// is one.
    pub again_after: Duration,
    /// A gateway that has been silent for this long is gone.
    pub gateway_gone_after: Duration,
    /// How long an alert that no gateway was there to take is kept after its session has ended.
    pub unsent_for: Duration,
    /// Alerts that may wait for their receipts, over all sessions. Beyond it nobody's alerts are read.
    pub alerts_max: usize,
    /// Alerts that may wait for their receipts in one session. Beyond it that socket is not read.
    pub alerts_per_session_max: u16,
    /// The same in a session of a concentrator, which speaks for many.
    pub alerts_per_concentrator_max: u16,
    /// The same in bytes, over all sessions.
    pub alerts_max_bytes: usize,
    /// Telemetry waiting for the bus; beyond it, and while there is no gateway, the latest message of each terminal and
    /// topic is kept, as many again; beyond that telemetry is shed.
    pub telemetry_max: usize,
    /// The same in bytes.
    pub telemetry_max_bytes: usize,
    /// How much telemetry is taken of each terminal, in all its sessions together; of what comes beyond it the latest
    /// message of each topic goes on once a second.
    pub telemetry_rate: Option<Rate>,

    /// CONNECT must have come within this.
    pub connect_within: Duration,
    /// A terminal that asked for no keep-alive (0) is taken for gone after this long: the standard
    /// would let a dead connection stay for ever.
    pub idle_within: Duration,
    /// Sockets at once, those that have not said CONNECT yet included.
    pub connections_max: usize,
    /// Sockets at once that have not said CONNECT yet.
    pub half_open_max: usize,
    /// How fast connections are accepted; the others wait for their turn.
    pub accept_rate: Option<Rate>,
    /// How fast connections from one address are accepted; what is faster is closed.
    pub address_rate: Option<Rate>,
    /// Sessions of one terminal, or one concentrator, at once; the oldest goes.
    pub sessions_per_terminal_max: usize,
    /// How long the subscriptions of an absent terminal are remembered at most.
    pub session_kept_for: Duration,
    /// The longest packet taken from a terminal, in bytes.
    pub packet_max: usize,
    /// Downlinks that may wait for one session; what comes beyond is dropped and will be repeated.
    pub downlinks_per_session_max: usize,
    /// The same for a session of a concentrator.
    pub downlinks_per_concentrator_max: usize,

    /// How often the gateways are told who was heard.
    pub presence_every: Duration,
    /// How often sessions are held against a changed directory.
    pub revocation_every: Duration,
}

impl Config {
    /// The settings of a district.
    pub fn new(door: impl Into<String>, bus_key: Key) -> Self {
        Self {
            door: door.into(),
            bus_key,
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 1883)),
            tls: None,
            certificates_every: Duration::from_secs(10),
            bus_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: None,
            acknowledge: Acknowledge::default(),
            receipt_within: Duration::from_secs(5),
            again_after: Duration::from_millis(1500),
            gateway_gone_after: Duration::from_secs(3),
            unsent_for: Duration::from_mins(10),
            alerts_max: 100_000,
            alerts_per_session_max: 16,
            alerts_per_concentrator_max: 1024,
            alerts_max_bytes: 256 * 1024 * 1024,
            telemetry_max: 20_000,
            telemetry_max_bytes: 32 * 1024 * 1024,
            telemetry_rate: Rate::new(10, 60),
            connect_within: Duration::from_secs(5),
            idle_within: Duration::from_hours(6),
            connections_max: 200_000,
            half_open_max: 8192,
            accept_rate: Rate::new(20_000, 20_000),
            address_rate: Rate::new(5_000, 20_000),
            sessions_per_terminal_max: 4,
            session_kept_for: Duration::from_hours(24),
            packet_max: 64 * 1024,
            downlinks_per_session_max: 64,
            downlinks_per_concentrator_max: 4096,
            presence_every: Duration::from_mins(1),
            revocation_every: Duration::from_secs(1),
        }
    }
}

/// What one session may have under way, by who speaks in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Alerts without receipts.
    pub(crate) alerts: u16,
    /// Publishes of any lane that are not acknowledged yet. Beyond it that socket is not read.
    pub(crate) owed: usize,
    /// QoS 2 publishes that were acknowledged and not released.
    pub(crate) unreleased: usize,
    /// Downlinks that wait.
    pub(crate) downlinks: usize,
    /// QoS 1 downlinks that are not acknowledged, if the other side takes as many.
    pub(crate) window: u16,
    /// Filters.
    pub(crate) filters: usize,
}

impl Config {
    pub(crate) fn bounds(&self, identity: &Identity) -> Bounds {
        let (alerts, downlinks) = match identity {
            Identity::Terminal(_) => (self.alerts_per_session_max, self.downlinks_per_session_max),
            Identity::Concentrator(_) => (self.alerts_per_concentrator_max, self.downlinks_per_concentrator_max),
        };
        let alerts = alerts.max(1);
        let owed = usize::from(alerts) * 4;
        let (window, filters) = match identity {
            // There are not more topics than this below one terminal.
            Identity::Terminal(_) => (16, 16),
            Identity::Concentrator(_) => (256, 256),
        };
        Bounds { alerts, owed, unreleased: owed.max(256), downlinks, window, filters }
    }
}
