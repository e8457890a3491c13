//! One MQTT 3.1.1 connection of a crowd: written to by whoever is due, read by a task of its own.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet, PingReq, PubAck, Publish, Subscribe};
use rumqttc::mqttbytes::{self};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use wire::directory::Dialect;
use wire::topics::{self, ydt as leaf};

use super::Crowd;
use crate::backoff::Backoff;
use crate::device::Stimulus;

const KEEP_ALIVE: Duration = Duration::from_mins(4);
/// From dialling to SUBACK.
const COMES_WITHIN: Duration = Duration::from_secs(30);
/// No packet that a pager hears is longer.
const PACKET_MAX: usize = 64 * 1024;
/// Bytes that may wait to be written; beyond it what is sent is held back.
const OUT_MAX: usize = 256 * 1024;

/// A message without its PUBACK.
struct Sent {
    pid: u16,
    at: Instant,
    /// Whose press it is, and which.
    press: Option<(usize, u32)>,
}

#[derive(Default)]
struct Wire {
    stream: Option<Arc<TcpStream>>,
    out: BytesMut,
    sent: VecDeque<Sent>,
    last_pid: u16,
}

pub(super) struct Socket {
    login: String,
    secret: String,
    wire: Mutex<Wire>,
    bell: Notify,
    /// The connection is to break.
    broken: AtomicBool,
}

impl Socket {
    pub(super) fn new(login: String, secret: String) -> Self {
        Self { login, secret, wire: Mutex::default(), bell: Notify::new(), broken: AtomicBool::new(false) }
    }

    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    pub(super) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn under_way(&self) -> usize {
        self.wire.lock().sent.len()
    }

    /// Sends a message with QoS 1. False when there is no connection, or no room.
    pub(super) fn publish(&self, topic: &str, payload: &[u8], press: Option<(usize, u32)>) -> bool {
        let mut wire = self.wire.lock();
        let Some(stream) = wire.stream.clone() else { return false };
        if wire.out.len() >= OUT_MAX || wire.sent.len() >= usize::from(u16::MAX) - 1 {
            return false;
        }
        wire.last_pid = wire.last_pid.checked_add(1).unwrap_or(1);
        let pid = wire.last_pid;
        let publish = Publish { pkid: pid, ..Publish::new(topic, QoS::AtLeastOnce, payload) };
        let was_empty = wire.out.is_empty();
        if publish.write(&mut wire.out).is_err() {
            return false;
        }
        wire.sent.push_back(Sent { pid, at: Instant::now(), press });
        // Whoever left something there has told the task that it waits for room.
        if was_empty && wire.flush(&stream).is_ok_and(|left| left > 0) {
            self.ring();
        }
        true
    }
}

impl Wire {
    /// Writes what can be written now; tells how much is left.
    fn flush(&mut self, stream: &TcpStream) -> io::Result<usize> {
        while !self.out.is_empty() {
            match stream.try_write(&self.out) {
                Ok(written) => {
                    let _ = self.out.split_to(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.out.len())
    }
}

/// Keeps a socket connected until the crowd stops.
pub(super) async fn live(crowd: Arc<Crowd>, number: usize, turnstile: Arc<Semaphore>) {
    let socket = &crowd.sockets[number];
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let mut input = BytesMut::new();
    while !crowd.stop.is_cancelled() {
        let came = {
            let _turn = turnstile.acquire().await;
            let dialled = Instant::now();
            let coming = Box::pin(timeout(COMES_WITHIN, come(&crowd, number, &mut input)));
            let came = tokio::select! {
                () = crowd.stop.cancelled() => return,
                came = coming => came.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            };
            came.map(|stream| (stream, dialled.elapsed()))
        };
        match came {
            Ok((stream, took)) => {
                backoff.reset();
                let stream = Arc::new(stream);
                socket.broken.store(false, Ordering::Release);
                socket.wire.lock().stream = Some(Arc::clone(&stream));
                crowd.comes(number, took);
                let _why = listen(&crowd, number, &stream, &mut input).await;
                *socket.wire.lock() = Wire::default();
                input.clear();
                crowd.goes(number);
                if socket.broken.load(Ordering::Acquire) {
                    continue;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                crowd.tally.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        tokio::select! {
            () = crowd.stop.cancelled() => {}
            () = sleep(backoff.wait()) => {}
        }
    }
}

/// Connects and subscribes.
async fn come(crowd: &Crowd, number: usize, input: &mut BytesMut) -> io::Result<TcpStream> {
    let socket = &crowd.sockets[number];
    let dialling = TcpSocket::new_v4()?;
    if crowd.config.from > 1 {
        let host = u8::try_from(number % usize::from(crowd.config.from)).unwrap_or(0);
        dialling.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, host + 1), 0)))?;
    }
    let stream = dialling.connect(crowd.config.broker).await?;
    stream.set_nodelay(true)?;
    let mut out = BytesMut::new();
    let mut connect = Connect::new(format!("{}-crowd", socket.login));
    connect.keep_alive = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
    connect.set_login(&socket.login, &socket.secret);
    connect.write(&mut out).map_err(io::Error::other)?;
    write(&stream, &mut out).await?;
    match next(&stream, input).await? {
        Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, .. }) => {}
        _ => return Err(io::ErrorKind::PermissionDenied.into()),
    }
    if crowd.config.subscribes {
        let filters = if crowd.config.concentrators == 0 {
            [leaf::RECEIPT, leaf::NOTICE].map(|leaf| topics::topic(Dialect::Ydt, &socket.login, leaf))
        } else {
            [leaf::RECEIPT, leaf::NOTICE].map(|leaf| topics::topic(Dialect::Ydt, "+", leaf))
        };
        let [receipt, notice] = filters;
        let mut subscribe = Subscribe::new(receipt, QoS::AtLeastOnce);
        subscribe.add(notice, QoS::AtLeastOnce);
        subscribe.pkid = 1;
        subscribe.write(&mut out).map_err(io::Error::other)?;
        write(&stream, &mut out).await?;
        let Packet::SubAck(_) = next(&stream, input).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
    }
    Ok(stream)
}

async fn write(stream: &TcpStream, out: &mut BytesMut) -> io::Result<()> {
    while !out.is_empty() {
        stream.writable().await?;
        match stream.try_write(out) {
            Ok(written) => {
                let _ = out.split_to(written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn next(stream: &TcpStream, input: &mut BytesMut) -> io::Result<Packet> {
    loop {
        match Packet::read(input, PACKET_MAX) {
            Ok(packet) => return Ok(packet),
            Err(mqttbytes::Error::InsufficientBytes(_)) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        stream.readable().await?;
        take(stream, input)?;
    }
}

/// Reads what is there.
fn take(stream: &TcpStream, input: &mut BytesMut) -> io::Result<()> {
    match stream.try_read_buf(input) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// Hears what is said until the connection breaks.
async fn listen(crowd: &Crowd, number: usize, stream: &TcpStream, input: &mut BytesMut) -> io::Result<()> {
    let socket = &crowd.sockets[number];
    let mut ping_at = Instant::now() + KEEP_ALIVE / 2;
    loop {
        let has_left = !socket.wire.lock().out.is_empty();
        tokio::select! {
            ready = stream.readable() => {
                ready?;
                take(stream, input)?;
                hear(crowd, number, input)?;
            }
            ready = stream.writable(), if has_left => {
                ready?;
                socket.wire.lock().flush(stream)?;
            }
            () = socket.bell.notified() => {
                if socket.broken.load(Ordering::Acquire) || crowd.stop.is_cancelled() {
                    return Ok(());
                }
            }
            () = sleep_until(ping_at) => {
                ping_at = Instant::now() + KEEP_ALIVE / 2;
                let mut wire = socket.wire.lock();
                PingReq.write(&mut wire.out).map_err(io::Error::other)?;
                wire.flush(stream)?;
            }
        }
    }
}

fn hear(crowd: &Crowd, number: usize, input: &mut BytesMut) -> io::Result<()> {
    let socket = &crowd.sockets[number];
    loop {
        match Packet::read(input, PACKET_MAX) {
            Ok(Packet::PubAck(PubAck { pkid })) => {
                let sent = {
                    let sent = &mut socket.wire.lock().sent;
                    // In order, by the standard; whoever answers otherwise is found all the same.
                    let place = sent.iter().position(|sent| sent.pid == pkid);
                    place.and_then(|place| sent.remove(place))
                };
                match sent {
                    Some(Sent { at, press: Some((who, seq)), .. }) => {
                        crowd.tally.press(at.elapsed());
                        crowd.acknowledged(who, seq);
                    }
                    Some(Sent { at, press: None, .. }) => crowd.tally.telemetry(at.elapsed()),
                    None => {}
                }
            }
            Ok(Packet::Publish(publish)) => {
                crowd.tally.heard.fetch_add(1, Ordering::Relaxed);
                if publish.qos == QoS::AtLeastOnce {
                    let mut wire = socket.wire.lock();
                    PubAck::new(publish.pkid).write(&mut wire.out).map_err(io::Error::other)?;
                    if let Some(stream) = wire.stream.clone() {
                        wire.flush(&stream)?;
                    }
                }
                let serial = publish.topic.split('/').nth(2).unwrap_or_default();
                let stimulus = crowd.index_of(serial).and_then(|who| {
                    let said = crowd.people[who].lock().device.read(&publish.topic, &publish.payload)?;
                    Some((who, said))
                });
                if let Some((who, said @ (Stimulus::Receipt(_) | Stimulus::Notice(_) | Stimulus::Command(_)))) = stimulus {
                    crowd.happens(who, said);
                }
            }
            Ok(_) => {}
            Err(mqttbytes::Error::InsufficientBytes(_)) => return Ok(()),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}
