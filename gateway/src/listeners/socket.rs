//! The two kinds of connection that a terminal can have: a stream of its own, or what its datagrams are held for.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;

use crate::codec::framing::Stream;

/// Read at once from a stream.
const READ_MAX: usize = 4096;

/// One terminal's connection.
#[derive(Debug)]
pub(super) enum Socket {
    /// A stream.
    Tcp(TcpStream),
    /// What comes from one address on a socket that all share.
    Udp { socket: Arc<UdpSocket>, peer: SocketAddr, inbox: mpsc::Receiver<Vec<u8>> },
}

/// Something can be taken.
#[derive(Debug)]
pub(super) enum Ready {
    Stream,
    Datagram(Vec<u8>),
}

/// What was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Something, or nothing yet.
    Some,
    /// The terminal says no more.
    End,
}

impl Socket {
    pub(super) const fn is_udp(&self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    /// Whether more has come already.
    pub(super) fn has_more(&self) -> bool {
        matches!(self, Self::Udp { inbox, .. } if !inbox.is_empty())
    }

    /// Where it is reached, as the terminal may know it.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Udp { socket, .. } => socket.local_addr().ok(),
        }
    }

    /// Waits until something can be taken.
    pub(super) async fn ready(&mut self) -> Result<Ready, Error> {
        match self {
            Self::Tcp(stream) => stream.readable().await.map(|()| Ready::Stream),
            Self::Udp { inbox, .. } => {
                let datagram = inbox.recv().await;
                datagram.map(Ready::Datagram).ok_or_else(|| ErrorKind::ConnectionAborted.into())
            }
        }
    }

    /// Takes it.
    pub(super) fn take(&self, ready: &Ready, into: &mut Stream) -> Result<Taken, Error> {
        match (self, ready) {
            (_, Ready::Datagram(datagram)) => into.push(datagram),
            (Self::Tcp(stream), Ready::Stream) => {
                // Not kept while nothing comes: most connections are silent most of the time.
                let mut buffer = [0; READ_MAX];
                match stream.try_read(&mut buffer) {
                    Ok(0) => return Ok(Taken::End),
                    Ok(len) => into.push(buffer.get(..len).unwrap_or_default()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            (Self::Udp { .. }, Ready::Stream) => {}
        }
        Ok(Taken::Some)
    }

    /// Says it all.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            // Whether it arrives nobody can know here.
            Self::Udp { socket, peer, .. } => socket.send_to(bytes, *peer).await.map(drop),
        }
    }

    /// Says that no more is said.
    pub(super) async fn shut_down(&mut self) {
        if let Self::Tcp(stream) = self {
            // The other end may have gone before.
            let _ = stream.shutdown().await;
        }
    }
}
