//! One socket with its two buffers, which are empty and without an allocation while nothing is
//! under way: an idle terminal costs no buffer.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// What is read at once.
const READ_BYTES: usize = 4096;
/// How long the last words to a terminal may take.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// How long we wait for a terminal to close its side, so that our last words are not lost in a reset.
const LINGER: Duration = Duration::from_millis(500);

/// What happened on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Read,
    Wrote,
    Closed,
}

/// Whether to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    On,
    Off,
}

/// A socket and its buffers.
#[derive(Debug)]
pub(crate) struct Line<S> {
    socket: S,
    /// Read and not yet understood.
    pub(crate) input: BytesMut,
    /// To be written.
    pub(crate) output: BytesMut,
    /// TLS keeps what it was given until it is told to hand it on.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, input: BytesMut::new(), output: BytesMut::new(), unflushed: false }
    }

    /// Waits for the socket to take or bring something. Loses nothing when it is cancelled.
    pub(crate) async fn turn(&mut self, reading: Reading) -> io::Result<Turn> {
        std::future::poll_fn(|context| self.poll_turn(context, reading)).await
    }

    fn poll_turn(&mut self, context: &mut Context<'_>, reading: Reading) -> Poll<io::Result<Turn>> {
        if !self.output.is_empty()
            && let Poll::Ready(wrote) = Pin::new(&mut self.socket).poll_write(context, &self.output)
        {
            let wrote = wrote?;
            self.unflushed = true;
            self.output.advance(wrote);
            if self.output.is_empty() {
                self.output = BytesMut::new();
            }
            return Poll::Ready(Ok(if wrote == 0 { Turn::Closed } else { Turn::Wrote }));
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(context)
        {
            flushed?;
            self.unflushed = false;
        }
        if reading == Reading::Off {
            return Poll::Pending;
        }
        let mut scratch = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Ok(Turn::Closed));
        }
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(Turn::Read))
    }

    /// Gives the input's buffer back when nothing is in it.
    pub(crate) fn tidy(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// Writes what is left and closes.
    pub(crate) async fn finish(mut self) {
        let flush = async {
            self.socket.write_all_buf(&mut self.output).await?;
            self.socket.shutdown().await
        };
        if matches!(tokio::time::timeout(FLUSH_WITHIN, flush).await, Ok(Ok(()))) {
            let drain = async {
                let mut scratch = [0; 256];
                while matches!(self.socket.read(&mut scratch).await, Ok(1..)) {}
            };
            let _ = tokio::time::timeout(LINGER, drain).await;
        }
    }
}
