//! A watch, a JT/T 808, GT06 or EV-07B terminal, or a unit for social alarms, on a TCP connection of its own.
//!
//! It says who it is, gives signs of life, repeats an alarm until the server answers it, comes back when the connection
//! breaks, and shows and answers what it is told. What a dialect's bytes are is in a room of its own below ([`Model`]),
//! written from the protocols' descriptions and from nothing of the server's.

mod eview;
mod gt06;
mod jt808;
mod scaip;
mod watch;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::directory::Dialect;

use crate::backoff::Backoff;
use crate::clock;
use crate::ground::Point;

/// Presses that wait for the terminal's attention, and events that wait for somebody's.
const WAITING_MAX: usize = 256;

/// What a wearer can do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// The SOS key.
    Sos,
    /// They fall.
    Fall,
    /// The battery is nearly flat.
    LowBattery,
}

impl Press {
    /// Each, with what is typed for it.
    pub const ALL: [(&'static str, Self); 3] =
        [("sos", Self::Sos), ("fall", Self::Fall), ("low_battery", Self::LowBattery)];
}

/// What it says, when, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saying {
    at: Timestamp,
    place: Option<Point>,
}

/// What the server has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It has the alarm.
    Acknowledged,
    /// The same, and it wants to be answered.
    Stored(Vec<u8>),
    /// It lets the terminal in, which may have something to say to that.
    LetIn(Option<Vec<u8>>),
    /// Something to show, and what to answer.
    Text(String, Option<Vec<u8>>),
    /// Something to do, and what to answer.
    Told(String, Vec<u8>),
    /// It answers something else.
    Answered,
}

/// One dialect: bytes out, bytes in. Pure.
pub(crate) trait Model: Send + Sync {
    /// What it says first.
    fn hello(&mut self) -> Vec<u8>;
    /// That it is still there.
    fn heartbeat(&mut self) -> Vec<u8>;
    /// Where it is.
    fn position(&mut self, saying: Saying) -> Vec<u8>;
    /// An alarm; it is the same when it is repeated.
    fn alarm(&mut self, press: Press, saying: Saying) -> Vec<u8>;
    /// Takes the first message out of what has been received; `None` when it is not complete.
    fn hear(&mut self, received: &mut Vec<u8>, saying: Saying) -> Option<Heard>;
}

/// A terminal's settings. Begin with [`Config::new`].
#[derive(Debug, Clone)]
pub struct Config {
    /// What it speaks.
    pub dialect: Dialect,
    /// Where the server listens, host:port.
    pub server: String,
    /// Its number.
    pub serial: String,
    /// Where it is.
    pub place: Option<Point>,
    /// How long between two signs of life.
    pub heartbeat: Duration,
    /// How soon an alarm is repeated that was not answered.
    pub repeat: Duration,
}

impl Config {
    /// A terminal that knows no place.
    pub fn new(dialect: Dialect, server: impl Into<String>, serial: impl Into<String>) -> Self {
        let (server, serial) = (server.into(), serial.into());
        let (heartbeat, repeat) = (Duration::from_mins(1), Duration::from_secs(15));
        Self { dialect, server, serial, place: None, heartbeat, repeat }
    }

    fn model(&self) -> Result<Box<dyn Model>, NoTerminal> {
        let digits = self.serial.bytes().all(|digit| digit.is_ascii_digit());
        let bad = |why| NoTerminal::Serial { serial: self.serial.clone(), why };
        match self.dialect {
            Dialect::Watch if digits && matches!(self.serial.len(), 10 | 15) => {
                Ok(Box::new(watch::Watch::new(&self.serial)))
            }
            Dialect::Watch => Err(bad("a watch has 10 or 15 digits")),
            Dialect::Jt808 if digits && (1..=12).contains(&self.serial.len()) => {
                Ok(Box::new(jt808::Terminal::new(&self.serial)))
            }
            Dialect::Jt808 => Err(bad("a JT/T 808 terminal has at most 12 digits")),
            Dialect::Gt06 if digits && self.serial.len() == 15 => Ok(Box::new(gt06::Tracker::new(&self.serial))),
            Dialect::Gt06 => Err(bad("a GT06 terminal has the 15 digits of its IMEI")),
            Dialect::Eview if digits && self.serial.len() == 15 => Ok(Box::new(eview::Pendant::new(&self.serial))),
            Dialect::Eview => Err(bad("an EV-07B pendant has the 15 digits of its IMEI")),
            Dialect::Scaip if digits && (1..=16).contains(&self.serial.len()) => {
                Ok(Box::new(scaip::Unit::new(&self.serial)))
            }
            Dialect::Scaip => Err(bad("a unit for social alarms has at most 16 digits")),
            other => Err(NoTerminal::Dialect(other)),
        }
    }
}

/// Why there is no such terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTerminal {
    /// It does not come over TCP.
    #[error("{} is not spoken over TCP", .0.as_str())]
    Dialect(Dialect),
    /// It could not say who it is.
    #[error("{serial:?}: {why}")]
    Serial {
        /// Its number.
        serial: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// What happens at a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The connection is there.
    Connected,
    /// It is gone.
    Disconnected {
        /// Why.
        why: String,
    },
    /// The server has let it in.
    LetIn,
    /// An alarm left.
    Sent {
        /// Which.
        press: Press,
        /// How often it has left by now.
        times: u32,
    },
    /// The server has it.
    Acknowledged {
        /// Which.
        press: Press,
        /// After how long.
        after_ms: u64,
    },
    /// What it shows.
    Text {
        /// The words.
        text: String,
    },
    /// What it was told to do.
    Told {
        /// In the dialect's words.
        what: String,
    },
}

/// A running terminal.
#[derive(Debug)]
pub struct Terminal {
    presses: mpsc::Sender<Press>,
    events: mpsc::Receiver<Event>,
    running: JoinHandle<()>,
}

impl Terminal {
    /// Switches it on. It runs until `stop`.
    pub fn start(config: Config, stop: CancellationToken) -> Result<Self, NoTerminal> {
        let model = config.model()?;
        let (presses, keys) = mpsc::channel(WAITING_MAX);
        let (tell, events) = mpsc::channel(WAITING_MAX);
        let driver = Driver { config, model, keys, tell, alarm: None, alarmed_at: Timestamp::UNIX_EPOCH };
        let running = tokio::spawn(driver.run(stop));
        Ok(Self { presses, events, running })
    }

    /// Presses a key.
    pub async fn press(&self, press: Press) {
        // Switched off it does nothing.
        let _ = self.presses.send(press).await;
    }

    /// What happens next; `None` when it is switched off.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Waits until it is off.
    pub async fn stopped(self) {
        drop(self.events);
        let _ = self.running.await;
    }
}

/// An alarm that is not answered yet.
struct Alarm {
    press: Press,
    bytes: Vec<u8>,
    since: Instant,
    times: u32,
    again_at: Instant,
}

struct Driver {
    config: Config,
    model: Box<dyn Model>,
    keys: mpsc::Receiver<Press>,
    tell: mpsc::Sender<Event>,
    alarm: Option<Alarm>,
    /// The time that the last alarm told.
    alarmed_at: Timestamp,
}

impl Driver {
    async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        while !stop.is_cancelled() {
            let connected = tokio::select! {
                () = stop.cancelled() => return,
                connected = TcpStream::connect(&self.config.server) => connected,
            };
            let why = match connected {
                Ok(socket) => {
                    backoff.reset();
                    self.tell(Event::Connected).await;
                    match self.converse(socket, &stop).await {
                        Ok(()) => return,
                        Err(why) => why.to_string(),
                    }
                }
                Err(why) => why.to_string(),
            };
            self.tell(Event::Disconnected { why }).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(backoff.wait()) => {}
            }
        }
    }

    async fn tell(&self, event: Event) {
        // Nobody has to listen.
        let _ = self.tell.send(event).await;
    }

    fn saying(&self) -> Saying {
        Saying { at: clock::now(), place: self.config.place }
    }

    /// One connection, until it breaks or the terminal is switched off.
    async fn converse(&mut self, mut socket: TcpStream, stop: &CancellationToken) -> std::io::Result<()> {
        socket.set_nodelay(true)?;
        let hello = self.model.hello();
        socket.write_all(&hello).await?;
        let mut received = Vec::new();
        let mut beat_at = Instant::now() + self.config.heartbeat;
        if let Some(alarm) = &mut self.alarm {
            alarm.again_at = Instant::now();
        }
        loop {
            let again_at = self.alarm.as_ref().map_or(beat_at, |alarm| alarm.again_at.min(beat_at));
            let mut buffer = [0; 2048];
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                read = socket.read(&mut buffer) => match read? {
                    0 => return Err(std::io::Error::other("the server hung up")),
                    len => received.extend_from_slice(buffer.get(..len).unwrap_or_default()),
                },
                // One after the other: an alarm is said until it is answered.
                Some(press) = self.keys.recv(), if self.alarm.is_none() => {
                    // These dialects tell seconds, and no two alarms of a wearer's are of the same one: a repetition is.
                    let saying = self.saying();
                    self.alarmed_at = saying.at.max(self.alarmed_at + SignedDuration::from_secs(1));
                    let bytes = self.model.alarm(press, Saying { at: self.alarmed_at, ..saying });
                    let now = Instant::now();
                    self.alarm = Some(Alarm { press, bytes, since: now, times: 0, again_at: now });
                }
                () = tokio::time::sleep_until(again_at) => {}
            }
            while let Some(heard) = self.model.hear(&mut received, self.saying()) {
                self.heard(heard, &mut socket).await?;
            }
            let now = Instant::now();
            if now >= beat_at {
                beat_at = now + self.config.heartbeat;
                let beat = self.model.heartbeat();
                socket.write_all(&beat).await?;
            }
            if let Some(alarm) = self.alarm.as_mut().filter(|alarm| now >= alarm.again_at) {
                alarm.again_at = now + self.config.repeat;
                alarm.times += 1;
                let sent = Event::Sent { press: alarm.press, times: alarm.times };
                socket.write_all(&alarm.bytes).await?;
                self.tell(sent).await;
            }
        }
    }

    fn acknowledged(&mut self) -> Option<Event> {
        let alarm = self.alarm.take()?;
        let after_ms = u64::try_from(alarm.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(Event::Acknowledged { press: alarm.press, after_ms })
    }

    async fn heard(&mut self, heard: Heard, socket: &mut TcpStream) -> std::io::Result<()> {
        let (event, answer) = match heard {
            Heard::Acknowledged => (self.acknowledged(), None),
            Heard::Stored(answer) => (self.acknowledged(), Some(answer)),
            Heard::LetIn(answer) => (Some(Event::LetIn), answer),
            Heard::Text(text, answer) => (Some(Event::Text { text }), answer),
            Heard::Told(what, answer) => (Some(Event::Told { what }), Some(answer)),
            Heard::Answered => (None, None),
        };
        if let Some(answer) = answer {
            socket.write_all(&answer).await?;
        }
        if let Some(event) = event {
            self.tell(event).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::Point;

    /// A moment, and a place in the district.
    pub(super) fn saying() -> Saying {
        let at: Timestamp = "2026-03-05T08:09:10Z".parse().unwrap();
        Saying { at, place: Some(Point { lat: 28.228_2, lon: 112.938_8 }) }
    }

    #[test]
    fn a_number_that_a_dialect_cannot_write_is_refused() {
        let model = |dialect, serial: &str| Config::new(dialect, "", serial).model().map(drop);
        for (dialect, good, bad) in [
            (Dialect::Watch, "8800000015", "880000001"),
            (Dialect::Jt808, "13800000001", "1380000000100"),
            (Dialect::Gt06, "868120000000013", "86812000000001x"),
            (Dialect::Eview, "868120000000021", "86812000000002"),
            (Dialect::Scaip, "26000017", "unit"),
        ] {
            assert_eq!(model(dialect, good), Ok(()));
            assert!(matches!(model(dialect, bad), Err(NoTerminal::Serial { .. })), "{bad}");
        }
        assert_eq!(model(Dialect::Ydt, "P1"), Err(NoTerminal::Dialect(Dialect::Ydt)));
    }
}
