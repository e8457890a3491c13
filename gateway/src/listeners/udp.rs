//! One socket for the datagrams of many terminals: what comes from one address and port is held for a connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::socket::Socket;
use super::{ACCEPT_AGAIN_AFTER, Desk};

/// The longest datagram that there can be.
const DATAGRAM_MAX: usize = 65_535;
/// Datagrams of one terminal that wait until it is their turn. More are thrown away, as networks do.
const WAITING_MAX: usize = 32;

/// Receives until `stop`, and waits until all connections have ended.
pub(super) async fn receive(desk: Desk, socket: Arc<UdpSocket>, stop: CancellationToken) {
    // As many as there may be connections, because each has one.
    let mut inboxes: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut connections = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                match ended {
                    Ok(peer) if inboxes.get(&peer).is_some_and(mpsc::Sender::is_closed) => drop(inboxes.remove(&peer)),
                    Ok(_) => {}
                    Err(_) => inboxes.retain(|_, inbox| !inbox.is_closed()),
                }
                continue;
            }
            received = socket.recv_from(&mut buffer) => received,
        };
        let (len, peer) = match received {
            Ok(received) => received,
            Err(cause) => {
                warn!(%cause, "a datagram could not be received");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_AGAIN_AFTER) => continue,
                }
            }
        };
        let datagram = buffer.get(..len).unwrap_or_default();
        // Blanks keep the way open in a router between, and say nothing.
        if datagram.trim_ascii().is_empty() {
            continue;
        }
        let inbox = inboxes.get(&peer).filter(|inbox| !inbox.is_closed());
        let inbox = if let Some(inbox) = inbox {
            inbox.clone()
        } else {
            let Some(counted) = desk.let_in(peer.ip()) else { continue };
            let (inbox, inbox_end) = mpsc::channel(WAITING_MAX);
            let own = Socket::Udp { socket: Arc::clone(&socket), peer, inbox: inbox_end };
            let Some(connection) = desk.connection((own, peer), counted, &stop) else { continue };
            connections.spawn(async move {
                connection.run().await;
                peer
            });
            inboxes.insert(peer, inbox.clone());
            inbox
        };
        if inbox.try_send(datagram.to_vec()).is_err() {
            desk.shared.intake.counters.datagrams_dropped.one();
        }
    }
    drop(inboxes);
    connections.join_all().await;
}
