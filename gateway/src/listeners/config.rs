//! What a listener is told, and its ordinary limits.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use wire::directory::Dialect;

use super::limits::Rate;
use super::phones;
use crate::codec::conversation::{Conversation, Strictness, datagrams, framing};
use crate::codec::framing::Cutter;
use crate::codec::scaip;

/// How terminals come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// On a connection of their own.
    Tcp,
    /// In datagrams; what comes from one address and port is held for a connection.
    Udp,
    /// With single questions over HTTP.
    Http,
}

/// One listener, and its limits. Begin with [`ListenerConfig::new`], [`ListenerConfig::udp`] or
/// [`ListenerConfig::http`].
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// What its terminals speak.
    pub dialect: Dialect,
    /// How they come.
    pub transport: Transport,
    /// Where they come.
    pub listen: SocketAddr,
    /// What to do with damaged frames.
    pub strictness: Strictness,
    /// A connection on which no frame has come for so long is closed.
    pub idle: Duration,
    /// How many connections there may be at once.
    pub connections_max: usize,
    /// How many of them may not have said yet that they are a terminal on the list; the next is closed.
    pub unidentified_max: usize,
    /// How long they may take for that.
    pub unidentified_for: Duration,
    /// The longest frame in bytes, where it is less than the longest that the dialect has.
    pub frame_max: usize,
    /// How often one address may connect.
    pub address_rate: Option<Rate>,
    /// Of terminals that are not listed only calls for help are taken.
    pub only_listed: bool,
    /// Nobody else can reach it (a private network of the mobile operator's): what a terminal calls itself counts as
    /// proof of who it is.
    pub trusts_serials: bool,
    /// How many alerts of one connection may wait for their receipts; until one comes nothing more is read from it.
    pub alerts_waiting_max: usize,
    /// After so long without a receipt a connection is closed: the terminal comes back, and repeats.
    pub receipt_within: Duration,
    /// How long a terminal may take to read what it is told.
    pub write_within: Duration,
    /// How social alarms are answered; only SCAIP asks.
    pub answers: scaip::Settings,
}

impl ListenerConfig {
    /// The ordinary limits of a listener over TCP. `None`: the dialect has no connection of its own.
    pub fn new(dialect: Dialect, listen: SocketAddr) -> Option<Self> {
        let (_, frame_max) = framing(dialect)?;
        Some(Self::with(dialect, Transport::Tcp, listen, frame_max))
    }

    /// The same over UDP. `None`: the dialect is not spoken over UDP.
    pub fn udp(dialect: Dialect, listen: SocketAddr) -> Option<Self> {
        let (_, frame_max) = datagrams(dialect)?;
        Some(Self::with(dialect, Transport::Udp, listen, frame_max))
    }

    /// A listener for phones with OwnTracks over HTTP. They prove who they are: what is said of lists and strangers does
    /// not hold for them.
    pub fn http(listen: SocketAddr) -> Self {
        let own = Self::with(Dialect::OwnTracks, Transport::Http, listen, phones::BODY_MAX);
        Self { idle: phones::IDLE, ..own }
    }

    fn with(dialect: Dialect, transport: Transport, listen: SocketAddr, frame_max: usize) -> Self {
        Self {
            dialect,
            transport,
            listen,
            strictness: Strictness::Lenient,
            idle: idle(dialect),
            connections_max: 100_000,
            unidentified_max: 4096,
            unidentified_for: Duration::from_secs(60),
            frame_max,
            address_rate: Rate::new(50, 500),
            only_listed: true,
            trusts_serials: false,
            alerts_waiting_max: 16,
            receipt_within: Duration::from_secs(5),
            write_within: Duration::from_secs(10),
            answers: scaip::Settings::default(),
        }
    }

    /// A conversation with whoever comes from `peer` to `local`.
    pub(super) fn conversation(&self, peer: SocketAddr, local: SocketAddr) -> Option<Conversation> {
        if self.dialect != Dialect::Scaip {
            return Conversation::begin(self.dialect);
        }
        let mut settings = scaip::Settings { source: Some(peer), ..self.answers.clone() };
        if settings.local.is_empty() {
            // A socket that listens everywhere does not know which of our addresses this unit sees.
            let ours = if local.ip().is_unspecified() { towards(peer) } else { None };
            settings.local = SocketAddr::new(ours.unwrap_or(local.ip()), local.port()).to_string();
        }
        Some(Conversation::scaip(settings))
    }

    /// How its frames are found, and how long one may be.
    pub(super) fn framing(&self) -> Option<(Cutter, usize)> {
        let of = match self.transport {
            Transport::Udp => datagrams,
            Transport::Tcp | Transport::Http => framing,
        };
        of(self.dialect).map(|(cut, dialects_max)| (cut, self.frame_max.min(dialects_max)))
    }
}

/// Which of our addresses whoever is there sees. Nothing is sent for that.
fn towards(peer: SocketAddr) -> Option<IpAddr> {
    let any = if peer.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// By the dialect's own habits: three times what lies between two signs of life of a terminal at rest.
fn idle(dialect: Dialect) -> Duration {
    match dialect {
        // Every 5–8 minutes.
        Dialect::Watch => Duration::from_mins(25),
        // Every 3–5 minutes.
        _ => Duration::from_mins(16),
    }
}

/// Where a listener listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListensAt {
    /// What its terminals speak.
    pub dialect: Dialect,
    /// How they come.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl ListensAt {
    /// What it is called in settings: each listener has another name.
    pub const fn name(&self) -> &'static str {
        match (self.dialect, self.transport) {
            (Dialect::Jt808, Transport::Udp) => "jt808_udp",
            (Dialect::Scaip, Transport::Udp) => "scaip_udp",
            (Dialect::OwnTracks, Transport::Http) => "owntracks_http",
            (dialect, _) => dialect.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_near_sees_the_near_address() {
        let near = SocketAddr::from(([127, 0, 0, 1], 5060));
        assert_eq!(towards(near), Some(near.ip()));
    }

    #[test]
    fn only_some_dialects_are_spoken_over_udp() {
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let spoken: Vec<_> =
            Dialect::ALL.into_iter().filter(|dialect| ListenerConfig::udp(*dialect, here).is_some()).collect();
        assert_eq!(spoken, [Dialect::Jt808, Dialect::Scaip]);
    }
}
