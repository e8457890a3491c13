//! One connection: frames in, replies out, and what its terminal is told from elsewhere.
//!
//! Replies that say "received" wait for the receipt of the very report that they answer; everything else is answered
//! meanwhile. When too many alerts wait nothing more is read, which only this terminal feels.

mod hearing;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use wire::command::{Carried, Order};
use wire::directory::{Dialect, Terminal};
use wire::notice::Notice;

use super::asked::Asked;
use super::owed::Owed;
use super::sessions::{Handle, Post, Said, Seat};
use super::socket::{Ready, Socket, Taken};
use super::transactions::Transactions;
use super::{Counted, Intake, ListenerConfig};
use crate::codec::conversation::Conversation;
use crate::codec::framing::Stream;
use crate::handover::sleep_until;

/// How long the last receipts may take when the gateway stops.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Why a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The terminal hung up, or was cut off.
    Gone,
    /// Nothing came for too long.
    Idle,
    /// It did not say in time who it is.
    NeverIdentified,
    /// What it says is longer than a frame can be.
    Oversized,
    /// An alert was not stored in time: the terminal is to repeat it.
    NoReceipt,
    /// It does not read what it is told.
    NotReading,
    /// Another connection has its place, or it is not listed any more.
    Replaced,
    /// It is not known yet who is listed.
    NoDirectory,
    /// The gateway stops.
    Stopping,
}

/// Who is on the other end.
#[derive(Debug)]
enum Who {
    /// It has not said so.
    Nobody,
    /// Nobody whom the directory lists.
    Stranger(String),
    /// A terminal, with its place.
    Listed { says: String, terminal: Arc<Terminal>, seat: Seat },
}

pub(super) struct Connection {
    socket: Socket,
    peer: SocketAddr,
    config: Arc<ListenerConfig>,
    intake: Arc<Intake>,
    counted: Counted,
    stop: CancellationToken,
    conversation: Conversation,
    /// What SIP has to remember; the other dialects do without.
    transactions: Option<Box<Transactions>>,
    stream: Stream,
    frame_max: usize,
    who: Who,
    handle: Arc<Handle>,
    posts: mpsc::UnboundedReceiver<Post>,
    owed: Owed,
    asked: Asked,
    opened: Instant,
    /// When the last frame came: a byte now and then is none.
    spoke: Instant,
    junk_kept: u8,
    /// The terminal says no more, and may still read.
    is_over: bool,
    /// Something came.
    has_heard: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.intake.waiters.forget(self.owed.reports());
    }
}

impl Connection {
    pub(super) fn new(
        (socket, peer): (Socket, SocketAddr),
        config: Arc<ListenerConfig>,
        counted: Counted,
        stop: CancellationToken,
    ) -> Option<Self> {
        let conversation = config.conversation(peer, socket.local().unwrap_or(config.listen))?;
        let (cut, frame_max) = config.framing()?;
        let transactions = (config.dialect == Dialect::Scaip).then(Box::default);
        let (post, posts) = mpsc::unbounded_channel();
        let now = Instant::now();
        Some(Self {
            socket,
            peer,
            intake: Arc::clone(&counted.shared.intake),
            config,
            counted,
            stop,
            conversation,
            transactions,
            stream: Stream::new(cut, frame_max),
            frame_max,
            who: Who::Nobody,
            handle: Arc::new(Handle::new(post)),
            posts,
            owed: Owed::default(),
            asked: Asked::default(),
            opened: now,
            spoke: now,
            junk_kept: 0,
            is_over: false,
            has_heard: false,
        })
    }

    pub(super) async fn run(mut self) {
        let ended = self.converse().await;
        let counters = &self.intake.counters;
        let counter = match ended {
            Ended::Gone | Ended::Stopping => None,
            Ended::Idle => Some(&counters.connections_idle),
            Ended::NeverIdentified | Ended::NoDirectory => Some(&counters.connections_never_identified),
            Ended::Oversized => Some(&counters.connections_oversized),
            Ended::NoReceipt => Some(&counters.connections_no_receipt),
            Ended::NotReading => Some(&counters.connections_not_reading),
            Ended::Replaced => Some(&counters.connections_replaced),
        };
        if let Some(counter) = counter {
            counter.one();
        }
        let dialect = self.config.dialect.as_str();
        match (&self.who, ended) {
            (Who::Listed { says, .. }, Ended::NoReceipt) => {
                warn!(serial = says, "an alert is not stored in time, its terminal is to repeat it");
            }
            (Who::Listed { says, .. }, _) => debug!(serial = says, dialect, ?ended, "a terminal's connection ended"),
            (Who::Nobody | Who::Stranger(_), _) => debug!(dialect, ?ended, "a stranger's connection ended"),
        }
    }

    async fn converse(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.hear_all().await {
                return ended;
            }
            if (self.is_over || self.is_passing()) && self.owed.len() == 0 {
                return Ended::Gone;
            }
            let takes_more = !self.is_over && self.has_room();
            let (due, then) = self.due();
            let again_at = self.transactions.as_ref().and_then(|transactions| transactions.due());
            let happened = tokio::select! {
                biased;
                () = self.stop.cancelled() => return self.last_words().await,
                () = self.handle.end.cancelled() => return Ended::Replaced,
                Some(post) = self.posts.recv() => self.posted(post).await,
                () = sleep_until(due) => Err(then),
                () = sleep_until(again_at) => self.say_again().await,
                ready = self.socket.ready(), if takes_more => match ready {
                    Ok(ready) => self.receive(&ready),
                    Err(_) => Err(Ended::Gone),
                },
            };
            if let Err(ended) = happened {
                return ended;
            }
        }
    }

    /// Waits for the receipts of what is under way.
    async fn last_words(&mut self) -> Ended {
        let until = Instant::now() + CLOSE_WITHIN;
        while self.owed.len() > 0 {
            let post = tokio::time::timeout_at(until, self.posts.recv()).await;
            let Ok(Some(post)) = post else { break };
            if self.posted(post).await.is_err() {
                break;
            }
        }
        self.socket.shut_down().await;
        Ended::Stopping
    }

    fn has_room(&self) -> bool {
        self.owed.len() < self.config.alerts_waiting_max
    }

    /// When something must have happened, and what else that means.
    fn due(&self) -> (Option<Instant>, Ended) {
        let receipt = self.owed.overdue_at(self.config.receipt_within).map(|at| (at, Ended::NoReceipt));
        let idle = Some((self.spoke + self.config.idle, Ended::Idle));
        let identified = !self.counted.is_identified && self.owed.len() == 0;
        let identified = identified.then(|| (self.opened + self.config.unidentified_for, Ended::NeverIdentified));
        match [receipt, idle, identified].into_iter().flatten().min_by_key(|(at, _)| *at) {
            Some((at, then)) => (Some(at), then),
            None => (None, Ended::Idle),
        }
    }

    /// Whether whoever is there is not worth a place once they have been answered: an address costs nothing over UDP, and
    /// whoever is not listed says all there is to say with the first datagram.
    fn is_passing(&self) -> bool {
        let is_listed = matches!(self.who, Who::Listed { .. });
        self.socket.is_udp() && !is_listed && self.has_heard && !self.socket.has_more()
    }

    fn receive(&mut self, ready: &Ready) -> Result<(), Ended> {
        self.has_heard = true;
        match self.socket.take(ready, &mut self.stream) {
            Ok(taken) => {
                self.is_over |= taken == Taken::End;
                Ok(())
            }
            Err(_) => Err(Ended::Gone),
        }
    }

    /// Says again what a unit has not answered.
    async fn say_again(&mut self) -> Result<(), Ended> {
        let again = self.transactions.as_mut().map(|transactions| transactions.again(Instant::now()));
        for bytes in again.unwrap_or_default() {
            self.write(&bytes).await?;
        }
        Ok(())
    }

    async fn posted(&mut self, post: Post) -> Result<(), Ended> {
        match post {
            Post::Durable(report) => {
                for bytes in self.owed.settle(report, Instant::now()) {
                    self.say(&bytes).await?;
                }
            }
            Post::Tell(notice, answer) => {
                // Whoever asked may have given up.
                let _ = answer.send(self.tell(&notice).await?);
            }
            Post::Order(order, answer) => {
                let _ = answer.send(self.order(&order).await?);
            }
        }
        Ok(())
    }

    async fn tell(&mut self, notice: &Notice) -> Result<Said, Ended> {
        if !self.is_meant(&notice.serial) {
            return Ok(Said::Away);
        }
        if self.asked.was_told(notice.id) {
            return Ok(Said::Sent);
        }
        let Some(bytes) = self.conversation.tell(notice) else { return Ok(Said::NoWord) };
        self.say(&bytes).await?;
        self.asked.notice(notice.id, self.config.dialect);
        Ok(Said::Sent)
    }

    async fn order(&mut self, order: &Order) -> Result<Carried, Ended> {
        if !self.is_meant(&order.serial) {
            return Ok(Carried::Away);
        }
        let written = match self.conversation.write(order, self.profile().as_deref()) {
            Ok(written) => written,
            Err(why) => return Ok(why.into()),
        };
        self.say(&written.bytes).await?;
        let is_answered = written.answered_as.is_some();
        if let Some(word) = written.answered_as {
            self.asked.order(order.number, word);
        }
        Ok(Carried::Sent { is_answered })
    }

    /// Whether it is still the terminal for which something is.
    fn is_meant(&self, serial: &str) -> bool {
        matches!(&self.who, Who::Listed { seat, .. } if &*seat.serial == serial)
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        // A stream loses nothing; and to whoever may have borrowed an address nothing is said twice.
        let is_repeated = self.socket.is_udp() && matches!(self.who, Who::Listed { .. });
        if let Some(transactions) = &mut self.transactions {
            transactions.said(bytes, Instant::now(), is_repeated);
        }
        self.write(bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        match tokio::time::timeout(self.config.write_within, self.socket.say(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Gone),
            Err(_) => Err(Ended::NotReading),
        }
    }

    fn from(&self) -> IpAddr {
        self.peer.ip()
    }
}
