//! EV-07B pendants over TCP, JT/T 808 terminals over UDP.

use std::net::SocketAddr;
use std::time::Duration;

use domain::press::AlertKind;
use gateway::{GatewayError, ListenerConfig, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use wire::command::{Carried, Command};
use wire::directory::Dialect;
use wire::report::{Doubt, Event, Report};
use wire::topics::Lane;

use super::bus::eventually;
use super::dispatcher::Mood;
use super::{Line, line, notice, order};

/// The pendant that the directory lists.
pub(crate) const PENDANT: &str = "868120000000021";
/// The JT/T 808 terminal that it lists.
pub(crate) const TERMINAL: &str = "13800000001";
const PATIENCE: Duration = Duration::from_mins(2);

async fn listening(mood: Mood, dialect: Dialect, transport: Transport) -> Line {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = match transport {
        Transport::Udp => ListenerConfig::udp(dialect, here),
        _ => ListenerConfig::new(dialect, here),
    };
    line(mood, |config| config.listeners.extend(listener)).await
}

fn alerts(taken: &[Report]) -> Vec<&Report> {
    taken.iter().filter(|report| report.lane == Lane::Alert).collect()
}

/// A frame of a pendant's that asks to be acknowledged: the IMEI, and what it has to say.
fn pendant(seq: u16, keys: &[u8]) -> Vec<u8> {
    let mut body = vec![0x01, 16, 0x01];
    body.extend(PENDANT.bytes());
    body.extend(keys);
    let (len, sum) = (u16::try_from(body.len()).unwrap(), crc(&body));
    let head = [&[0xab, 0x10][..], &len.to_le_bytes(), &sum.to_le_bytes(), &seq.to_le_bytes()].concat();
    [head, body].concat()
}

/// CRC-16/XMODEM.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

/// Bit 12: the SOS key.
const SOS: [u8; 6] = [5, 0x02, 0x00, 0x10, 0x00, 0x00];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pendants_press_is_acknowledged_when_it_is_durable() {
    let line = listening(Mood::Hesitating, Dialect::Eview, Transport::Tcp).await;
    let mut socket = TcpStream::connect(super::listeners::address(&line)).await.unwrap();
    socket.write_all(&pendant(7, &SOS)).await.unwrap();
    eventually(|| line.count("alerts_taken") == 1).await;
    // Its battery is acknowledged meanwhile.
    socket.write_all(&pendant(8, &[2, 0x14, 80])).await.unwrap();
    let mut frame = [0; 11];
    let mut hears = async |seq: u16| {
        tokio::time::timeout(PATIENCE, socket.read_exact(&mut frame)).await.expect("it hears nothing").unwrap();
        assert_eq!((frame[0], u16::from_le_bytes([frame[6], frame[7]]), &frame[8..]), (0xab, seq, &[0x7f, 1, 0][..]));
    };
    hears(8).await;
    line.dispatcher.set(Mood::Well);
    hears(7).await;
    let seen = line.dispatcher.until(|seen| alerts(&seen.taken).len() == 1).await;
    let report = alerts(&seen.taken)[0];
    assert_eq!((report.serial.as_str(), &report.event), (PENDANT, &Some(Event::Alert { kind: AlertKind::Sos })));
    // It has no words.
    let notifier = line.gateway.notifier();
    assert_eq!(notifier.notify(notice(PENDANT)).await, Err(GatewayError::NoWord(Dialect::Eview)));
    assert_eq!(notifier.order(order(PENDANT, Command::Locate)).await, Ok(Carried::NoWord));
    line.end().await;
}

/// A frame of a terminal's: the number of the message, its own number, and the body.
fn frame(phone: &str, message: u16, number: u16, body: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = format!("{phone:0>12}").bytes().map(|digit| digit - b'0').collect();
    let phone = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
    let mut bytes = [message.to_be_bytes(), u16::try_from(body.len()).unwrap().to_be_bytes()].concat();
    bytes.extend(phone);
    bytes.extend(number.to_be_bytes());
    bytes.extend(body);
    bytes.push(bytes.iter().fold(0, |sum, byte| sum ^ byte));
    let mut frame = vec![0x7e];
    for byte in bytes {
        match byte {
            0x7e => frame.extend([0x7d, 2]),
            0x7d => frame.extend([0x7d, 1]),
            byte => frame.push(byte),
        }
    }
    frame.push(0x7e);
    frame
}

/// 28.2282, 112.9388; bit 0: the SOS key.
fn location(alarm: u32) -> Vec<u8> {
    let words = [alarm, 2, 28_228_200, 112_938_800].map(u32::to_be_bytes).concat();
    [&words[..], &[0, 48, 0, 0, 0, 0], &[0x26, 0x03, 0x05, 0x16, 0x09, 0x10]].concat()
}

struct Terminal {
    socket: UdpSocket,
    phone: &'static str,
}

impl Terminal {
    async fn new(line: &Line, phone: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(super::listeners::address(line)).await.unwrap();
        Self { socket, phone }
    }

    async fn says(&self, frames: &[Vec<u8>]) {
        self.socket.send(&frames.concat()).await.unwrap();
    }

    /// The number of a message, and what it says.
    async fn hears(&self) -> (u16, Vec<u8>) {
        let mut heard = vec![0; 2048];
        let len =
            tokio::time::timeout(PATIENCE, self.socket.recv(&mut heard)).await.expect("it hears nothing").unwrap();
        (u16::from_be_bytes([heard[1], heard[2]]), heard[13..len - 2].to_vec())
    }

    /// That a message of its was received: `8001`.
    async fn hears_received(&self, message: u16, number: u16) {
        let [n, m] = [number, message].map(u16::to_be_bytes);
        assert_eq!(self.hears().await, (0x8001, vec![n[0], n[1], m[0], m[1], 0]));
    }

    fn frame(&self, message: u16, number: u16, body: &[u8]) -> Vec<u8> {
        frame(self.phone, message, number, body)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_udp_a_press_is_answered_when_it_is_durable_and_orders_go_to_the_newest_address() {
    let line = listening(Mood::Hesitating, Dialect::Jt808, Transport::Udp).await;
    let terminal = Terminal::new(&line, TERMINAL).await;
    // Two frames in one datagram, and a third that is cut off.
    let press = terminal.frame(0x0200, 1, &location(1));
    let (beat, cut_off) = (terminal.frame(0x0002, 2, &[]), vec![0x7e, 2, 0]);
    terminal.says(&[press, beat, cut_off]).await;
    terminal.hears_received(0x0002, 2).await;
    eventually(|| line.count("junk") == 1).await;
    // What was cut off spoils nothing that follows.
    terminal.says(&[terminal.frame(0x0002, 3, &[])]).await;
    terminal.hears_received(0x0002, 3).await;
    line.dispatcher.set(Mood::Well);
    terminal.hears_received(0x0200, 1).await;
    let seen = line.dispatcher.until(|seen| alerts(&seen.taken).len() == 1).await;
    let report = alerts(&seen.taken)[0];
    assert_eq!((report.serial.as_str(), &report.event), (TERMINAL, &Some(Event::Alert { kind: AlertKind::Sos })));
    assert!(!report.authenticated && report.fixes.len() == 1);

    // The network gives it another address.
    let moved = Terminal::new(&line, TERMINAL).await;
    moved.says(&[moved.frame(0x0002, 4, &[])]).await;
    moved.hears_received(0x0002, 4).await;
    eventually(|| line.count("connections") == 1).await;
    let ordered = line.gateway.notifier().order(order(TERMINAL, Command::Locate)).await;
    assert_eq!(ordered, Ok(Carried::Sent { is_answered: true }));
    assert_eq!(moved.hears().await.0, 0x8201);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_over_udp_calls_for_help_and_takes_no_place() {
    let line = listening(Mood::Well, Dialect::Jt808, Transport::Udp).await;
    let stranger = Terminal::new(&line, "13800000099").await;
    stranger.says(&[stranger.frame(0x0200, 1, &location(0))]).await;
    stranger.hears_received(0x0200, 1).await;
    stranger.says(&[stranger.frame(0x0200, 2, &location(1))]).await;
    stranger.hears_received(0x0200, 2).await;
    eventually(|| line.count("connections") == 0).await;
    let taken = line.dispatcher.taken();
    let [report] = &taken[..] else { panic!("only the call for help: {taken:?}") };
    assert_eq!(report.serial, "jt808:13800000099");
    assert!(report.doubts.contains(&Doubt::UnknownTerminal));
    line.end().await;
}
