//! One terminal's connection, from its first byte to its last: one task that reads, writes and
//! listens to its mailbox.
//!
//! While a session may not read (too many alerts without receipts, or a terminal that does not take
//! its answers) nothing of it is read, pings included; its silence is then not held against it. It
//! ends soon: with receipts, because an alert is overdue, or because the terminal goes on taking
//! nothing. MQTT 5 terminals are told the limit (receive maximum) and never reach it.

pub(crate) mod acks;
mod aliases;
pub(crate) mod downlinks;
mod line;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use wire::bus::Downlink;
use wire::counters::Counter;
use wire::directory::{Fingerprint, Identity, Lookup};
use wire::door::Breach;
use wire::topics::Lane;

use crate::bus::Room;
use crate::clock;
use crate::config::{Acknowledge, Bounds};
use crate::counters::Counters;
use crate::edge::{Edge, Entered, HalfOpen, InTime, Seat, Tell, Waiter};
use crate::mailbox::{Order, Post};
use crate::packet::{
    self, AtEnd, Dup, Farewell, Grant, Incoming, Known, NoOpening, Opening, Outgoing, Publish, Qos, Refusal, Start,
    Verdict, Version, Violation, Welcome, Will, Wish,
};
use crate::sessions::{Handle, Keeps, Wanted};
use acks::{Acks, Kind};
use aliases::Aliases;
use line::{Line, Reading, Turn};

/// Bytes that one terminal may leave untaken before it is not read any further, and gets no downlinks.
const OUTPUT_MAX_BYTES: usize = 64 * 1024;
/// A terminal that takes nothing at all for this long is gone, however long it may be silent: TCP itself would not try for
/// much longer.
const UNTAKEN_MAX: Duration = Duration::from_mins(15);
/// The longest client id.
const CLIENT_ID_MAX_BYTES: usize = 256;
/// The longest CONNECT: nobody knows yet who is speaking.
const OPENING_MAX_BYTES: usize = 16 * 1024;
/// How soon a session that was held up because the door is full of alerts tries again.
const FULL_AGAIN: Duration = Duration::from_millis(100);

/// Why a session has ended.
#[derive(Debug)]
enum End {
    /// The terminal has said goodbye.
    Left(AtEnd),
    /// The connection is gone.
    Lost,
    Violation(Violation),
    /// A topic that is not the terminal's, in MQTT 3.1.1, which has no other way to say so.
    Denied,
    /// Nothing was heard, or nothing taken, for too long.
    Silent,
    /// An alert has no receipt.
    Overdue,
    Ordered(Order),
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// How somebody has come to the door.
pub(crate) struct Arrival {
    pub(crate) half_open: HalfOpen,
    /// The certificate that they showed.
    pub(crate) certificate: Option<Fingerprint>,
}

/// Serves one connection.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    edge: Arc<Edge>,
    socket: S,
    arrival: Arrival,
    stop: CancellationToken,
) {
    // Beginning and end are boxed, so that the task is no larger than what it needs in between.
    let Some(mut session) = Box::pin(enter(edge, socket, arrival, stop)).await else { return };
    let end = session.run().await;
    Box::pin(session.end(end)).await;
}

/// Brings a connection to the point where it is a session, or turns it away.
async fn enter<S: AsyncRead + AsyncWrite + Unpin>(
    edge: Arc<Edge>,
    socket: S,
    arrival: Arrival,
    stop: CancellationToken,
) -> Option<Session<S>> {
    let mut line = Line::new(socket);
    let opening = tokio::select! {
        () = stop.cancelled() => return None,
        opening = timeout(edge.config.connect_within, hear_opening(&mut line)) => opening,
    };
    let Arrival { half_open, certificate } = arrival;
    drop(half_open);
    let counters = &edge.counters;
    let (version, refusal) = match opening {
        Err(_) | Ok(Ok(None)) => {
            counters.refused_silent.one();
            return None;
        }
        Ok(Ok(Some(opening))) => match admit(&edge, &opening, certificate) {
            Ok(identity) => {
                let (mut session, welcome) = open(edge, line, opening, identity, &stop);
                return session.write(&Outgoing::Welcome(welcome)).is_ok().then_some(session);
            }
            Err(refusal) => (opening.version, refusal),
        },
        Ok(Err(NoOpening::Unsupported(version))) => (version, Refusal::Protocol),
        Ok(Err(NoOpening::Broken(violation))) => {
            tracing::debug!(%violation, "a CONNECT breaks the protocol");
            (Version::V5, violation.refusal())
        }
        Ok(Err(NoOpening::Violation(violation))) => {
            counters.refused_protocol.one();
            tracing::debug!(%violation, "a connection did not begin with a CONNECT");
            return None;
        }
    };
    match refusal {
        Refusal::Credentials => counters.refused_credentials.one(),
        Refusal::Certificate => counters.refused_certificate.one(),
        Refusal::Unavailable => counters.refused_no_directory.one(),
        Refusal::Protocol | Refusal::ClientId | Refusal::Method | Refusal::Malformed | Refusal::ProtocolError => {
            counters.refused_protocol.one();
        }
    }
    tracing::debug!(?refusal, "a terminal was turned away");
    if packet::write(version, &Outgoing::Refusal(refusal), &mut line.output).is_ok() {
        line.finish().await;
    }
    None
}

/// Reads CONNECT. `None` when the connection was closed before.
async fn hear_opening<S: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<S>) -> Result<Option<Opening>, NoOpening> {
    loop {
        if let Some(frame) = packet::cut(&mut line.input, OPENING_MAX_BYTES)? {
            return packet::read_opening(frame).map(Some);
        }
        match line.turn(Reading::On).await {
            Ok(Turn::Read | Turn::Wrote) => {}
            Ok(Turn::Closed) | Err(_) => return Ok(None),
        }
    }
}

/// Who it is, if they may come in.
fn admit(edge: &Edge, opening: &Opening, shown: Option<Fingerprint>) -> Result<Identity, Refusal> {
    if opening.authentication_method.is_some() {
        return Err(Refusal::Method);
    }
    let (name, secret) = match &opening.login {
        Some(login) => (login.name.as_str(), login.secret.as_bytes()),
        None => ("", &b""[..]),
    };
    let identity = match edge.directory.by_login(name) {
        Lookup::NoDirectory => return Err(Refusal::Unavailable),
        Lookup::Listed(identity) if identity.is_secret(secret) => identity,
        Lookup::Listed(_) | Lookup::Unlisted => return Err(Refusal::Credentials),
    };
    if identity.certificate().is_some_and(|theirs| shown != Some(*theirs)) {
        return Err(Refusal::Certificate);
    }
    let nameless = opening.client_id.is_empty() && opening.version == Version::V4 && opening.start == Start::Resume;
    if nameless || opening.client_id.len() > CLIENT_ID_MAX_BYTES {
        return Err(Refusal::ClientId);
    }
    Ok(identity)
}

/// Opens a session for whoever was admitted.
fn open<S>(
    edge: Arc<Edge>,
    line: Line<S>,
    opening: Opening,
    identity: Identity,
    stop: &CancellationToken,
) -> (Session<S>, Welcome) {
    let bounds = edge.config.bounds(&identity);
    let chosen = opening.client_id.is_empty().then(|| packet::client_id(clock::new_id()));
    let asked = Duration::from_secs(opening.expiry_s.into());
    let keep = asked.min(edge.config.session_kept_for);
    let Entered { mut seat, present } = edge.open(Wanted {
        identity,
        client_id: chosen.clone().unwrap_or(opening.client_id),
        start: opening.start,
        keeps: if keep.is_zero() { Keeps::No } else { Keeps::Yes },
    });
    seat.keep = keep;
    let handle = Arc::clone(&seat.handle);
    // The directory may have changed, or the door begun to close, after it was asked and before this
    // session was in the table where both would look for it.
    if !handle.follow(&edge.directory) {
        handle.mailbox.post(Post::End(Order::Revoked));
    }
    if stop.is_cancelled() {
        handle.mailbox.post(Post::End(Order::ShutDown));
    }
    let window = opening.receive_max.min(bounds.window);
    handle.memory.lock().downlinks.resume(window, Instant::now().into_std());
    let welcome = Welcome {
        aliases_max: aliases::MAX,
        present,
        client_id: chosen,
        expiry_s: (keep < asked).then(|| u32::try_from(keep.as_secs()).unwrap_or(u32::MAX)),
        receive_max: bounds.alerts,
        packet_max: u32::try_from(edge.config.packet_max).unwrap_or(u32::MAX),
    };
    let quiet_max = match opening.keep_alive_s {
        0 => edge.config.idle_within,
        seconds => Duration::from_millis(u64::from(seconds) * 1500),
    };
    let session = Session {
        edge,
        handle,
        line,
        version: opening.version,
        acks: Acks::default(),
        alerts: 0,
        aliases: Aliases::default(),
        bounds,
        will: opening.will.map(Box::new),
        seat,
        quiet_max,
        heard: Instant::now(),
        taken: Instant::now(),
        packet_max: opening.packet_max.map_or(usize::MAX, |max| max as usize),
    };
    (session, welcome)
}

struct Session<S> {
    edge: Arc<Edge>,
    handle: Arc<Handle>,
    line: Line<S>,
    version: Version,
    acks: Acks,
    /// Alerts that wait for their receipts, QoS 0 included.
    alerts: u16,
    aliases: Aliases,
    will: Option<Box<Will>>,
    seat: Seat,
    bounds: Bounds,
    quiet_max: Duration,
    /// When the last whole packet came.
    heard: Instant,
    /// When the socket last took something, or had nothing to take.
    taken: Instant,
    /// The longest packet that the terminal takes.
    packet_max: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn run(&mut self) -> End {
        let mut silence = std::pin::pin!(sleep_until(self.heard + self.quiet_max));
        loop {
            let held_up = match self.turn() {
                Ok(held_up) => held_up,
                Err(end) => return end,
            };
            let reading = if held_up == HeldUp::No { Reading::On } else { Reading::Off };
            let gone_at = self.gone_at();
            tokio::select! {
                () = self.handle.mailbox.rung() => {}
                turn = self.line.turn(reading) => match turn {
                    Ok(Turn::Read) => self.handle.hear(clock::now()),
                    Ok(Turn::Wrote) => self.taken = Instant::now(),
                    Ok(Turn::Closed) | Err(_) => return End::Lost,
                },
                () = &mut silence => {
                    let now = Instant::now();
                    if now >= self.heard + self.quiet_max && reading == Reading::On {
                        return End::Silent;
                    }
                    silence.as_mut().reset((self.heard + self.quiet_max).max(now + Duration::from_secs(1)));
                }
                () = sleep(FULL_AGAIN), if held_up == HeldUp::ByOthers => {}
                () = sleep_until(gone_at), if held_up == HeldUp::ByItself => return End::Silent,
            }
        }
    }

    /// When a terminal that does not take its answers is taken for gone.
    fn gone_at(&self) -> Instant {
        self.heard.max(self.taken) + self.quiet_max.min(UNTAKEN_MAX)
    }

    /// Does everything that can be done without waiting.
    fn turn(&mut self) -> Result<HeldUp, End> {
        self.read_posts()?;
        let mut understood = false;
        let held_up = loop {
            let held_up = self.held_up();
            if held_up != HeldUp::No {
                break held_up;
            }
            let Some(frame) = packet::cut(&mut self.line.input, self.edge.config.packet_max)? else {
                break HeldUp::No;
            };
            understood = true;
            self.take(packet::read(self.version, frame)?)?;
            self.write_acks()?;
        };
        // A packet of which a byte comes now and then is no sign of life, as the standard has it (3.1.2.10): else it would
        // hold its session and its memory for ever.
        if understood {
            self.heard = Instant::now();
        }
        self.line.tidy();
        self.write_acks()?;
        self.write_downlinks()?;
        Ok(held_up)
    }

    fn held_up(&self) -> HeldUp {
        if self.line.output.len() >= OUTPUT_MAX_BYTES {
            HeldUp::ByItself
        } else if self.alerts >= self.bounds.alerts || self.acks.len() >= self.bounds.owed {
            HeldUp::ByReceipts
        } else if packet::is_publish_next(&self.line.input) && self.edge.is_full() {
            HeldUp::ByOthers
        } else {
            HeldUp::No
        }
    }

    fn read_posts(&mut self) -> Result<(), End> {
        for post in self.handle.mailbox.take() {
            match post {
                Post::Durable(slot) => {
                    self.alerts = self.alerts.saturating_sub(1);
                    self.acks.settle(slot);
                }
                Post::Overdue(slot) => {
                    self.alerts = self.alerts.saturating_sub(1);
                    if self.acks.is_owed(slot) {
                        return Err(End::Overdue);
                    }
                }
                Post::Downlink(downlink) => self.downlink(downlink)?,
                Post::End(order) => return Err(End::Ordered(order)),
            }
        }
        Ok(())
    }

    fn take(&mut self, incoming: Incoming) -> Result<(), End> {
        match incoming {
            Incoming::Publish(publish) => self.publish(publish),
            Incoming::PubAck { pid, delivered } => {
                let answered = self.handle.memory.lock().downlinks.answer(pid);
                if let Some(notice) = answered
                    && delivered
                {
                    self.edge.delivered(notice);
                }
                Ok(())
            }
            Incoming::PubRel { pid } => {
                let known = {
                    let received = &mut self.handle.memory.lock().received;
                    let place = received.iter().position(|held| *held == pid);
                    place.map_or(Known::No, |place| {
                        received.swap_remove(place);
                        Known::Yes
                    })
                };
                self.write(&Outgoing::PubComp { pid, known })
            }
            Incoming::Subscribe { pid, wishes, identifier } => {
                let grants = wishes.into_iter().map(|wish| self.subscribe(wish, identifier)).collect();
                self.write(&Outgoing::SubAck { pid, grants })
            }
            Incoming::Unsubscribe { pid, filters } => {
                let known = {
                    let mut memory = self.handle.memory.lock();
                    filters.iter().map(|filter| memory.unsubscribe(filter)).collect()
                };
                self.write(&Outgoing::UnsubAck { pid, known })
            }
            Incoming::Ping => self.write(&Outgoing::Pong),
            Incoming::Disconnect { will, expiry_s } => {
                if let Some(expiry_s) = expiry_s
                    && !self.seat.keep.is_zero()
                {
                    self.seat.keep = Duration::from_secs(expiry_s.into()).min(self.edge.config.session_kept_for);
                }
                Err(End::Left(will))
            }
        }
    }

    fn publish(&mut self, mut publish: Publish) -> Result<(), End> {
        self.aliases.resolve(&mut publish)?;
        let Publish { pid, qos, .. } = publish;
        if qos == Qos::ExactlyOnce {
            let received = &self.handle.memory.lock().received;
            if received.contains(&pid) {
                self.acks.give(Kind::PubRec, pid, Verdict::Taken);
                return Ok(());
            }
            if self.acks.owes_pubrec(pid) {
                return Ok(());
            }
            if received.len() >= self.bounds.unreleased {
                return Err(Violation::Unreleased.into());
            }
        }
        let verdict = match self.edge.spoken_for(&self.handle.identity(), &publish.topic) {
            Some((terminal, Lane::Alert)) => {
                self.alert(Arc::clone(&terminal.serial), &publish);
                return Ok(());
            }
            Some((terminal, Lane::Telemetry)) => {
                let in_time = self.in_time(&terminal.serial);
                match self.edge.telemetry(&terminal, &publish, in_time) {
                    Room::Taken => Verdict::Taken,
                    Room::Full => Verdict::Shed,
                }
            }
            None => {
                self.edge.counters.publish_denied.one();
                // Where a code can be said, it is; MQTT 3.1.1 closes, and QoS 0 has no answer.
                let code = (self.version == Version::V5).then(|| kind(qos)).flatten().map(|_| packet::NOT_AUTHORIZED);
                self.breach(Breach::Publish, Some(&publish.topic), code);
                if self.version == Version::V4 {
                    return Err(End::Denied);
                }
                Verdict::Denied
            }
        };
        if let Some(kind) = kind(qos) {
            self.acks.give(kind, pid, verdict);
        }
        Ok(())
    }

    /// Whether the telemetry of this terminal may go on, by its rate.
    fn in_time(&self, serial: &Arc<str>) -> InTime {
        let Some(rate) = self.edge.config.telemetry_rate else { return InTime::Yes };
        let taken = self.handle.telemetry.take(serial, rate, Instant::now().into_std());
        if taken.is_ok() { InTime::Yes } else { InTime::No }
    }

    fn alert(&mut self, serial: Arc<str>, publish: &Publish) {
        let &Publish { pid, qos, .. } = publish;
        let slot = match kind(qos) {
            Some(kind) => self.acks.owe(kind, pid),
            None => self.acks.nothing(),
        };
        if self.edge.config.acknowledge == Acknowledge::AtOnce {
            self.acks.settle(slot);
        }
        self.alerts += 1;
        let waiter = Waiter { session: Arc::clone(&self.handle), slot };
        self.edge.alert(serial, publish, Some(waiter));
    }

    fn subscribe(&mut self, wish: Wish, identifier: Option<usize>) -> Grant {
        let Wish { filter, qos } = wish;
        let granted = qos.min(Qos::AtLeastOnce);
        let grant = if identifier.is_some() {
            Grant::Identifier
        } else if filter.starts_with("$share/") {
            Grant::Shared
        } else if !packet::is_filter(&filter) {
            Grant::Invalid
        } else if self.edge.may_subscribe(&self.handle.identity(), &filter)
            && self.handle.memory.lock().subscribe(&filter, granted, self.bounds.filters)
        {
            return Grant::Granted(granted);
        } else {
            Grant::Denied
        };
        match grant {
            Grant::Denied => self.edge.counters.subscribe_denied.one(),
            _ => self.edge.counters.subscribe_refused.one(),
        }
        self.breach(Breach::Subscribe, Some(&filter), Some(packet::subscribe_code(self.version, grant)));
        grant
    }

    fn breach(&self, what: Breach, topic: Option<&str>, code: Option<u8>) {
        self.edge.violations.note(self.handle.identity().login(), what, topic, code);
    }

    fn downlink(&mut self, downlink: Arc<Downlink>) -> Result<(), End> {
        let mut memory = self.handle.memory.lock();
        let Some(qos) = memory.qos_of(&downlink.topic) else { return Ok(()) };
        if downlink.notice.is_some() && qos >= Qos::AtLeastOnce {
            if memory.downlinks.waiting() < self.bounds.downlinks {
                memory.downlinks.wait(downlink);
            } else {
                self.edge.counters.downlinks_dropped.one();
            }
            return Ok(());
        }
        drop(memory);
        if self.line.output.len() >= OUTPUT_MAX_BYTES {
            self.edge.counters.downlinks_dropped.one();
            return Ok(());
        }
        self.write_downlink(&downlink, None, Dup::First).map(|_| ())
    }

    fn write_downlinks(&mut self) -> Result<(), End> {
        while self.line.output.len() < OUTPUT_MAX_BYTES
            && let Some((pid, downlink, dup)) = self.next_downlink()
        {
            if self.write_downlink(&downlink, Some(pid), dup)? == Fits::No {
                self.handle.memory.lock().downlinks.answer(pid);
            }
        }
        Ok(())
    }

    fn next_downlink(&self) -> Option<(u16, Arc<Downlink>, Dup)> {
        self.handle.memory.lock().downlinks.next()
    }

    fn write_downlink(&mut self, downlink: &Downlink, pid: Option<u16>, dup: Dup) -> Result<Fits, End> {
        let before = self.line.output.len();
        self.write(&Outgoing::Publish {
            topic: downlink.topic.clone(),
            payload: downlink.payload.clone().into(),
            pid,
            dup,
        })?;
        if self.line.output.len() - before > self.packet_max {
            self.line.output.truncate(before);
            self.edge.counters.downlinks_dropped.one();
            return Ok(Fits::No);
        }
        self.edge.counters.downlinks.one();
        Ok(Fits::Yes)
    }

    fn write_acks(&mut self) -> Result<(), End> {
        while let Some(ack) = self.acks.next() {
            if let Outgoing::PubRec { pid, verdict: Verdict::Taken } = ack {
                let received = &mut self.handle.memory.lock().received;
                if !received.contains(&pid) {
                    received.push(pid);
                }
            }
            self.write(&ack)?;
        }
        Ok(())
    }

    fn write(&mut self, packet: &Outgoing) -> Result<(), End> {
        if self.line.output.is_empty() {
            self.taken = Instant::now();
        }
        Ok(packet::write(self.version, packet, &mut self.line.output)?)
    }

    async fn end(mut self, end: End) {
        let counters = &self.edge.counters;
        let identity = self.handle.identity();
        let login = &**identity.login();
        let farewell = match &end {
            End::Left(_) | End::Lost => None,
            End::Violation(violation) => {
                let (what, counter) = breach(counters, violation);
                counters.violations.one();
                counter.one();
                let farewell = violation.farewell();
                self.edge.violations.note(login, what, None, packet::farewell_code(self.version, farewell));
                tracing::info!(login, %violation, "a session was closed because it broke the protocol");
                Some(farewell)
            }
            End::Denied => {
                tracing::info!(login, "a session was closed because it published to a topic that is not its own");
                Some(Farewell::NotAuthorized)
            }
            End::Silent => {
                counters.gone_silent.one();
                Some(Farewell::KeepAlive)
            }
            End::Overdue => {
                counters.without_receipt.one();
                tracing::warn!(login, "a session was closed because an alert has no receipt");
                Some(Farewell::Busy)
            }
            End::Ordered(Order::TakenOver) => {
                counters.taken_over.one();
                Some(Farewell::TakenOver)
            }
            End::Ordered(Order::PushedOut) => {
                counters.pushed_out.one();
                tracing::info!(login, "a session was closed because there are too many with this login");
                Some(Farewell::Quota)
            }
            End::Ordered(Order::Revoked) => {
                counters.revoked.one();
                tracing::info!(login, "a session was closed because the directory no longer lists it");
                Some(Farewell::NotAuthorized)
            }
            End::Ordered(Order::ShutDown) => Some(Farewell::ShuttingDown),
        };
        let will = match &end {
            End::Ordered(Order::Revoked) => {
                self.seat.keep = Duration::ZERO;
                AtEnd::Forget
            }
            End::Ordered(Order::ShutDown) => {
                self.seat.tell = Tell::No;
                AtEnd::Forget
            }
            End::Left(will) => *will,
            _ => AtEnd::Publish,
        };
        // Whoever takes a session over has its downlinks already.
        if !matches!(end, End::Ordered(Order::TakenOver)) {
            self.handle.memory.lock().downlinks.pause(Instant::now().into_std());
        }
        // What is durable is acknowledged even now.
        let acks = self.write_acks();
        let farewell = farewell.map_or(Ok(()), |farewell| self.write(&Outgoing::Farewell(farewell)));
        drop(self.seat);
        if will == AtEnd::Publish
            && let Some(will) = self.will
        {
            self.edge.will(&identity, *will);
        }
        if acks.is_ok() && farewell.is_ok() && !matches!(end, End::Lost) {
            self.line.finish().await;
        }
    }
}

/// Whether, and why, a session does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldUp {
    No,
    /// Because its alerts wait for their receipts.
    ByReceipts,
    /// Because it does not take what it is told.
    ByItself,
    /// Because the door has too many alerts under way.
    ByOthers,
}

/// Whether a packet is short enough for the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
}

/// What a violation is called, and what counts it.
fn breach<'c>(counters: &'c Counters, violation: &Violation) -> (Breach, &'c Counter) {
    match violation {
        Violation::Malformed | Violation::V4(_) | Violation::V5(_) => {
            (Breach::Malformed, &counters.violations_malformed)
        }
        Violation::TooLarge(_) => (Breach::TooLarge, &counters.violations_too_large),
        Violation::Unexpected | Violation::Twice => (Breach::Unexpected, &counters.violations_unexpected),
        Violation::Topic => (Breach::TopicName, &counters.violations_topic_name),
        Violation::Alias => (Breach::TopicAlias, &counters.violations_topic_alias),
        Violation::Unreleased => (Breach::Quota, &counters.violations_quota),
    }
}

/// How a publish of this QoS is acknowledged.
fn kind(qos: Qos) -> Option<Kind> {
    match qos {
        Qos::AtMostOnce => None,
        Qos::AtLeastOnce => Some(Kind::PubAck),
        Qos::ExactlyOnce => Some(Kind::PubRec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    /// The task of a session is what an idle terminal costs, besides its entry in the table and its
    /// socket in the kernel: a hundred thousand of them are to fit in half a gigabyte.
    #[test]
    fn an_idle_session_is_small() {
        fn size_of_future<F: Future>(_: impl FnOnce(Arc<Edge>, TcpStream, Arrival, CancellationToken) -> F) -> usize {
            size_of::<F>()
        }
        let size = size_of_future(serve::<TcpStream>);
        assert!(size < 3 * 1024, "{size} bytes");
    }
}
