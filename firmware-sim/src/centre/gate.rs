//! The centre's listening socket, which can be shut while the centre lives on: then connections are
//! refused, and the port stays ours.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

const BACKLOG: u32 = 1024;
/// After a failed accept or bind (no file descriptors left, say).
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Whether connections are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    Open,
    Shut,
}

/// See the module.
pub(super) struct Gate {
    addr: SocketAddr,
    socket: Socket,
    wanted: watch::Receiver<Passage>,
    present: watch::Sender<Passage>,
}

enum Socket {
    Listening(TcpListener),
    /// Bound but not listening: nobody else gets the port, and who knocks is refused.
    Held {
        _port: TcpSocket,
    },
    Closed,
}

impl Gate {
    /// Binds `addr`; its port may be 0. `present` tells how it stands.
    pub(super) fn bind(
        addr: SocketAddr,
        wanted: watch::Receiver<Passage>,
    ) -> io::Result<(Self, watch::Receiver<Passage>)> {
        let listener = socket(addr)?.listen(BACKLOG)?;
        let (present, told) = watch::channel(Passage::Open);
        Ok((Self { addr: listener.local_addr()?, socket: Socket::Listening(listener), wanted, present }, told))
    }

    fn turn(&mut self, to: Passage) -> io::Result<()> {
        if *self.present.borrow() != to || matches!(self.socket, Socket::Closed) {
            self.socket = Socket::Closed;
            let socket = socket(self.addr)?;
            self.socket = match to {
                Passage::Open => Socket::Listening(socket.listen(BACKLOG)?),
                Passage::Shut => Socket::Held { _port: socket },
            };
            self.present.send_replace(to);
        }
        Ok(())
    }
}

fn socket(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

impl Listener for Gate {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let wanted = *self.wanted.borrow_and_update();
            let failed = match self.turn(wanted) {
                Err(error) => Some(error),
                Ok(()) => match &self.socket {
                    Socket::Listening(listener) => tokio::select! {
                        _ = self.wanted.changed() => None,
                        accepted = listener.accept() => match accepted {
                            Ok(connection) => return connection,
                            Err(error) => Some(error),
                        },
                    },
                    Socket::Held { .. } | Socket::Closed => {
                        // When nobody can open it any more it stays shut.
                        if self.wanted.changed().await.is_err() {
                            std::future::pending::<()>().await;
                        }
                        None
                    }
                },
            };
            if let Some(error) = failed {
                tracing::warn!(%error, "the centre cannot take connections");
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}
