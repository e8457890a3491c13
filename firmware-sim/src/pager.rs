//! Puts one [`Device`] on MQTT 3.1.1: a persistent session, QoS 1, a new connection whenever one breaks.
//!
//! Each connection starts with a fresh client, so nothing that the client library remembers can
//! repeat a message behind the device's back: what is repeated, and when it counts as acknowledged,
//! is the device's decision alone.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, EventLoop, MqttOptions, Outgoing, Packet, QoS, SubscribeFilter,
};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::notice::News;
use wire::ydt::{Fix, Status};

use crate::backoff::Backoff;
use crate::clock;
use crate::device::{Device, Key, Light, Output, Settings, Sound, Stimulus};
use crate::ground::Point;
use crate::secret::Secret;

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const CONNECT_WITHIN_S: u64 = 5;
/// How long a goodbye may take.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Requests that may wait in the client: more than the device can have under way.
const REQUESTS_MAX: usize = 128;
const EVENTS_MAX: usize = 256;

/// One pager and where it connects to.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`.
    pub broker: String,
    /// The MQTT user name.
    pub login: String,
    /// The MQTT password.
    pub secret: Secret,
    /// The MQTT client id. A second connection with the same one ends the first.
    pub client_id: String,
    /// What the server does with the session when the connection ends.
    pub session: Session,
    /// The device's own settings.
    pub device: Settings,
    /// Where it is.
    pub place: Option<Point>,
    /// How often the device looks at the time.
    pub tick_every: Duration,
    /// How long it stays away when its connection breaks, again and again.
    pub stays_away: Backoff,
    /// A connection that has held for so long was a good one: the next wait is short again.
    pub settled_after: Duration,
}

/// What the server does with the session when the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// Keeps it (`clean_session` = false).
    Kept,
    /// Forgets it.
    Forgotten,
}

impl Config {
    /// A pager in good order, started now, with its serial as its login and client id.
    pub fn new(broker: impl Into<String>, serial: &str, secret: impl Into<Secret>) -> Self {
        Self {
            broker: broker.into(),
            login: serial.into(),
            secret: secret.into(),
            client_id: serial.into(),
            session: Session::Kept,
            device: Settings::new(serial, clock::boot()),
            place: None,
            tick_every: Duration::from_secs(1),
            stays_away: Backoff::new(Duration::from_millis(200), Duration::from_secs(5)),
            settled_after: Duration::ZERO,
        }
    }
}

/// What its wearer and the world do to a pager.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A key is pressed.
    Pressed(Key),
    /// It finds out where it is.
    Located(Fix),
    /// It finds out how it is.
    Felt(Status),
    /// It is switched off: it goes once everything that it has said is acknowledged.
    SwitchedOff,
}

/// Why a pager does not start.
#[derive(Debug, thiserror::Error)]
pub enum PagerError {
    /// The address is not of the form `host:port`.
    #[error("{broker:?} is not of the form host:port")]
    Address {
        /// The address as given.
        broker: String,
    },
    /// MQTT wants a client id for a session that is to be kept.
    #[error("a session needs a client id")]
    NoClientId,
}

/// What somebody who holds the pager, or its maker, notices.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// There is a connection.
    Connected,
    /// The server answered the CONNECT with a refusal. The pager tries again.
    Refused {
        /// The return code of MQTT 3.1.1 §3.2.2.3: 4 is a bad user name or password, 5 not authorised,
        /// 3 server unavailable.
        code: u8,
    },
    /// The connection is gone, or could not be made. The pager tries again.
    Disconnected {
        /// In a few words.
        why: String,
    },
    /// A press went out. The same one may go out again on a later connection.
    Sent {
        /// The press.
        seq: u32,
    },
    /// The server has acknowledged a press: it is on disk.
    Acknowledged {
        /// The press.
        seq: u32,
        /// Since it last went out, in milliseconds.
        after_ms: u64,
    },
    /// A receipt arrived.
    Receipt {
        /// The press.
        seq: Option<u32>,
        /// The incident that it opened or joined.
        incident: Option<Uuid>,
    },
    /// A notice arrived; perhaps a copy of one that was shown before.
    Notice {
        /// Its identity.
        id: Uuid,
        /// The incident.
        incident: Uuid,
        /// What it says.
        #[serde(flatten)]
        news: News,
        /// An exercise.
        drill: bool,
    },
    /// A command arrived; perhaps a copy of one that was carried out before.
    Command {
        /// By which it is answered.
        number: u16,
        /// The word for it: `locate`, `text` …
        what: &'static str,
    },
    /// The lamp changed.
    Light {
        /// To this.
        light: Light,
    },
    /// It made a sound.
    Sound {
        /// This one.
        sound: Sound,
    },
    /// The screen changed.
    Screen {
        /// Chinese.
        zh: String,
        /// English.
        en: String,
    },
}

/// A pager that runs as a task.
#[derive(Debug)]
pub struct Pager {
    inputs: mpsc::Sender<Input>,
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl Pager {
    /// Starts one. It waits when nobody reads its events.
    pub fn start(config: Config, stop: CancellationToken) -> Result<Self, PagerError> {
        let options = options(&config)?;
        let (inputs, felt) = mpsc::channel(16);
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        let driver = Driver::new(config, felt, tell, stop);
        let task = tokio::spawn(driver.run(options));
        Ok(Self { inputs, events, task })
    }

    /// Presses a key. Does nothing when the pager has been stopped.
    pub async fn press(&self, key: Key) {
        self.put(Input::Pressed(key)).await;
    }

    /// Lets something happen to it. Does nothing when the pager has been stopped.
    pub async fn put(&self, input: Input) {
        let _stopped = self.inputs.send(input).await;
    }

    /// The next thing that happens; `None` when the pager has been stopped.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Waits until it has been stopped.
    pub async fn stopped(mut self) {
        self.events.close();
        self.task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    }
}

/// Runs one until `stop`. Either channel's far end may be dropped by somebody who does not care.
pub async fn run(
    config: Config,
    inputs: mpsc::Receiver<Input>,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) -> Result<(), PagerError> {
    let options = options(&config)?;
    Driver::new(config, inputs, events, stop).run(options).await;
    Ok(())
}

fn options(config: &Config) -> Result<MqttOptions, PagerError> {
    let (host, port) = config
        .broker
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .filter(|(host, _): &(&str, u16)| !host.is_empty())
        .ok_or_else(|| PagerError::Address { broker: config.broker.clone() })?;
    if config.client_id.trim().is_empty() {
        return Err(PagerError::NoClientId);
    }
    let mut options = MqttOptions::new(&config.client_id, host, port);
    options.set_credentials(&config.login, config.secret.reveal());
    options.set_clean_session(config.session == Session::Forgotten);
    options.set_keep_alive(KEEP_ALIVE);
    Ok(options)
}

/// The device and what connects it to the world.
struct Driver {
    device: Device,
    /// `None` when nobody can do anything to it any more.
    inputs: Option<mpsc::Receiver<Input>>,
    stays_away: Backoff,
    settled_after: Duration,
    ticks: tokio::time::Interval,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
    line: Option<Line>,
    /// It has been switched off, and has not gone yet.
    leaving: bool,
}

/// One connection, as far as the device's publications are concerned.
struct Line {
    client: AsyncClient,
    /// What the client has not sent yet, in the order of its sending: the press, if it is one.
    queued: VecDeque<Option<u32>>,
    /// What is on its way, by packet id, with the time of its sending.
    under_way: HashMap<u16, (Option<u32>, Instant)>,
}

enum End {
    Stopped,
    Broken { connected_at: Option<Instant> },
}

#[derive(PartialEq, Eq)]
enum Waited {
    Stopped,
    Enough,
}

/// What the driver has to do after the device has spoken.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    HangUp,
}

enum Step {
    Stop,
    HangUp,
    Polled(Result<rumqttc::Event, ConnectionError>),
}

impl Driver {
    fn new(
        config: Config,
        inputs: mpsc::Receiver<Input>,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> Self {
        let mut device = Device::new(config.device);
        if let Some(Point { lat, lon }) = config.place {
            let (at, source) = (Some(clock::now()), Some("gnss".to_owned()));
            let fix = Fix { lat, lon, acc_m: Some(10.0), at, source, speed_kmh: None, course_deg: None, alt_m: None };
            // Not connected, it says nothing about it yet.
            device.handle(clock::now(), Stimulus::Located(fix));
        }
        let mut ticks = tokio::time::interval(config.tick_every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Config { stays_away, settled_after, .. } = config;
        Self {
            device,
            inputs: Some(inputs),
            stays_away,
            settled_after,
            ticks,
            events,
            stop,
            line: None,
            leaving: false,
        }
    }

    async fn run(mut self, options: MqttOptions) {
        loop {
            match self.connect(options.clone()).await {
                End::Stopped => return,
                End::Broken { connected_at } => {
                    if connected_at.is_some_and(|at| at.elapsed() >= self.settled_after) {
                        self.stays_away.reset();
                    }
                    let away = self.stays_away.wait();
                    if self.wait(away).await == Waited::Stopped {
                        return;
                    }
                }
            }
        }
    }

    /// Makes one connection and stays with it to its end.
    async fn connect(&mut self, options: MqttOptions) -> End {
        let (client, mut connection) = AsyncClient::new(options, REQUESTS_MAX);
        let mut limits = connection.network_options();
        limits.set_connection_timeout(CONNECT_WITHIN_S);
        connection.set_network_options(limits);
        self.line = Some(Line { client, queued: VecDeque::new(), under_way: HashMap::new() });
        let mut connected_at = None;
        let why = loop {
            match self.step(&mut connection).await {
                Step::Stop => {
                    self.say_goodbye(&mut connection).await;
                    return End::Stopped;
                }
                Step::HangUp => break "no acknowledgement came".to_owned(),
                Step::Polled(Ok(event)) => {
                    if matches!(event, rumqttc::Event::Incoming(Packet::ConnAck(_))) {
                        connected_at = Some(Instant::now());
                    }
                    if self.take(event).await == Then::HangUp {
                        break "no acknowledgement came".to_owned();
                    }
                }
                Step::Polled(Err(ConnectionError::ConnectionRefused(code))) => {
                    self.tell(Event::Refused { code: return_code(code) }).await;
                    break format!("refused: {code:?}");
                }
                Step::Polled(Err(error)) => break error.to_string(),
            }
        };
        self.line = None;
        self.stimulate(Stimulus::Disconnected).await;
        self.tell(Event::Disconnected { why }).await;
        End::Broken { connected_at }
    }

    /// Polls the connection until it has something to say. The poll is never given up half-way: a
    /// connection that takes longer than a tick would otherwise never be made.
    async fn step(&mut self, connection: &mut EventLoop) -> Step {
        let mut poll = pin!(connection.poll());
        let stop = self.stop.clone();
        loop {
            if self.has_left() {
                return Step::Stop;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Step::Stop,
                polled = &mut poll => return Step::Polled(polled),
                stimulus = self.next_stimulus() => {
                    if self.stimulate(stimulus).await == Then::HangUp {
                        return Step::HangUp;
                    }
                }
            }
        }
    }

    /// Lets the device live without a connection for a while.
    async fn wait(&mut self, wait: Duration) -> Waited {
        let mut enough = pin!(tokio::time::sleep(wait));
        let stop = self.stop.clone();
        loop {
            if self.has_left() {
                return Waited::Stopped;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Waited::Stopped,
                () = &mut enough => return Waited::Enough,
                stimulus = self.next_stimulus() => { self.stimulate(stimulus).await; }
            }
        }
    }

    async fn next_stimulus(&mut self) -> Stimulus {
        let Self { inputs, ticks, leaving, .. } = self;
        loop {
            let felt = async {
                match inputs {
                    Some(inputs) => inputs.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                input = felt => match input {
                    Some(Input::Pressed(key)) => return Stimulus::Pressed(key),
                    Some(Input::Located(fix)) => return Stimulus::Located(fix),
                    Some(Input::Felt(status)) => return Stimulus::Felt(status),
                    Some(Input::SwitchedOff) => {
                        *leaving = true;
                        return Stimulus::Tick;
                    }
                    None => *inputs = None,
                },
                _ = ticks.tick() => return Stimulus::Tick,
            }
        }
    }

    async fn stimulate(&mut self, stimulus: Stimulus) -> Then {
        let mut then = Then::GoOn;
        for output in self.device.handle(clock::now(), stimulus) {
            match output {
                Output::Publish(publication) => {
                    let Some(line) = &mut self.line else { continue };
                    let (topic, payload) = (publication.topic, publication.payload);
                    // A client that cannot even queue it is a dead line: the device's patience ends it.
                    if line.client.try_publish(topic, QoS::AtLeastOnce, false, payload).is_ok() {
                        line.queued.push_back(publication.press);
                    }
                }
                Output::Light(light) => self.tell(Event::Light { light }).await,
                Output::Sound(sound) => self.tell(Event::Sound { sound }).await,
                Output::Screen(screen) => self.tell(Event::Screen { zh: screen.zh, en: screen.en }).await,
                Output::HangUp => then = Then::HangUp,
            }
        }
        then
    }

    async fn take(&mut self, event: rumqttc::Event) -> Then {
        match event {
            rumqttc::Event::Incoming(Packet::ConnAck(_)) => {
                self.tell(Event::Connected).await;
                if let Some(line) = &self.line {
                    let filters =
                        self.device.subscriptions().map(|topic| SubscribeFilter::new(topic, QoS::AtLeastOnce));
                    if line.client.try_subscribe_many(filters).is_err() {
                        return Then::HangUp;
                    }
                }
                self.stimulate(Stimulus::Connected).await
            }
            rumqttc::Event::Outgoing(Outgoing::Publish(packet)) => {
                let Some(press) = self.line.as_mut().and_then(|line| line.sent(packet)) else { return Then::GoOn };
                self.tell(Event::Sent { seq: press }).await;
                Then::GoOn
            }
            rumqttc::Event::Incoming(Packet::PubAck(packet)) => {
                let Some((Some(seq), sent_at)) =
                    self.line.as_mut().and_then(|line| line.under_way.remove(&packet.pkid))
                else {
                    return Then::GoOn;
                };
                let after_ms = u64::try_from(sent_at.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.tell(Event::Acknowledged { seq, after_ms }).await;
                self.stimulate(Stimulus::Acknowledged { seq }).await
            }
            rumqttc::Event::Incoming(Packet::Publish(message)) => {
                let Some(stimulus) = self.device.read(&message.topic, &message.payload) else {
                    tracing::debug!(topic = message.topic, "the device does not understand what it was sent");
                    return Then::GoOn;
                };
                match &stimulus {
                    Stimulus::Receipt(receipt) => {
                        self.tell(Event::Receipt { seq: receipt.seq, incident: receipt.incident }).await;
                    }
                    Stimulus::Notice(notice) => {
                        let (id, incident, drill) = (notice.id, notice.incident, notice.drill);
                        self.tell(Event::Notice { id, incident, news: notice.news.clone(), drill }).await;
                    }
                    Stimulus::Command(command) => {
                        let (number, what) = (command.number, command.command.word());
                        self.tell(Event::Command { number, what }).await;
                    }
                    _ => {}
                }
                self.stimulate(stimulus).await
            }
            _ => Then::GoOn,
        }
    }

    /// It has been switched off, and nothing that it said on this connection waits for an acknowledgement.
    fn has_left(&self) -> bool {
        self.leaving && self.line.as_ref().is_none_or(Line::is_quiet)
    }

    async fn tell(&self, event: Event) {
        tokio::select! {
            biased;
            _nobody_cares = self.events.send(event) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn say_goodbye(&mut self, connection: &mut EventLoop) {
        let Some(line) = self.line.take() else { return };
        if connection.network.is_none() || line.client.try_disconnect().is_err() {
            return;
        }
        let said = async {
            while !matches!(connection.poll().await, Err(_) | Ok(rumqttc::Event::Outgoing(Outgoing::Disconnect))) {}
        };
        let _in_vain = timeout(DISCONNECT_WITHIN, said).await;
    }
}

impl Line {
    /// The client has sent the oldest queued publication as `packet`: the press, if it was one.
    fn sent(&mut self, packet: u16) -> Option<u32> {
        let press = self.queued.pop_front()?;
        self.under_way.insert(packet, (press, Instant::now()));
        press
    }

    fn is_quiet(&self) -> bool {
        self.queued.is_empty() && self.under_way.is_empty()
    }
}

const fn return_code(code: ConnectReturnCode) -> u8 {
    match code {
        ConnectReturnCode::Success => 0,
        ConnectReturnCode::RefusedProtocolVersion => 1,
        ConnectReturnCode::BadClientId => 2,
        ConnectReturnCode::ServiceUnavailable => 3,
        ConnectReturnCode::BadUserNamePassword => 4,
        ConnectReturnCode::NotAuthorized => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_is_refused() {
        for broker in ["", "127.0.0.1", ":1883", "host:port", "host:99999"] {
            let config = Config::new(broker, "P1", "secret");
            assert!(matches!(options(&config), Err(PagerError::Address { .. })), "{broker}");
        }
        assert!(options(&Config::new("127.0.0.1:1883", "P1", "secret")).is_ok());
    }
}
