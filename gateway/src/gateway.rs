//! The running gateway: its settings, its tasks, and how they end.

mod listening;
mod ways;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::bus::{self, Downlink};
use wire::command::{Carried, Order};
use wire::directory::{Dialect, Directory, Lookup};
use wire::internal::Key;
use wire::notice::Notice;

use crate::Dispatcher;
use crate::alerts::Alerts;
use crate::codec::mapped::Profiles;
use crate::codec::{Ordered, Outgoing};
use crate::counters::Counters;
use crate::handover::{self, Backoff, Handover, Shard};
use crate::ledger::Ledger;
use crate::listeners::{ListenerConfig, ListensAt, Said};
use crate::outside::{self, Outside};
use crate::reports::Reader;
use crate::speech::Speech;
use crate::telemetry::{self, Telemetry};
use crate::voices::Voices;
use listening::Reached;

/// Answers between the shards and the bus.
const ANSWERS_MAX: usize = 4096;
/// Messages between a broker outside and what takes them in.
const OUTSIDE_MAX: usize = 1024;

/// What a gateway needs to know, and its limits. Begin with [`Config::new`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name on the bus; no two gateways may share one. Letters, digits, `-` and `_`.
    pub id: String,
    /// Where the buses listen, one for each door.
    pub buses: Vec<SocketAddr>,
    /// A broker of somebody else's that terminals connect to, beside our doors or instead of them.
    pub outside: Option<Outside>,
    /// What the buses want to hear before they let us in.
    pub bus_key: Key,
    /// After this long without a receipt an alert rings from memory.
    pub unstored_after: Duration,
    /// Alerts kept in memory without a receipt; beyond this no more are taken from the bus.
    pub alerts_waiting_max: usize,
    /// Telemetry messages kept in memory; beyond this they are thinned out.
    pub telemetry_waiting_max: usize,
    /// Reports in one call to the dispatcher.
    pub batch_max: usize,
    /// Calls with alerts under way at a time; a terminal belongs to one.
    pub shards: usize,
    /// Calls with telemetry under way at a time; a terminal belongs to one. What is decided meanwhile waits for a processor
    /// behind them.
    pub telemetry_shards: usize,
    /// A call to the dispatcher that takes longer has failed.
    pub take_within: Duration,
    /// How long to wait after a failed call.
    pub retry_first: Duration,
    /// The longest wait between tries.
    pub retry_most: Duration,
    /// How often telemetry and presence are tried before they are given up.
    pub telemetry_tries: u32,
    /// How long telemetry is gathered before it is handed over: a commit costs much the same for one as for hundreds.
    pub telemetry_gather: Duration,
    /// How often to say that we are here; doors take three seconds of silence for absence.
    pub alive_every: Duration,
    /// How many committed alerts are remembered, to answer a door that asks again.
    pub durable_remembered: usize,
    /// Where terminals come that have a connection of their own.
    pub listeners: Vec<ListenerConfig>,
    /// How terminals with JSON of their own are read and spoken to.
    pub profiles: Arc<Profiles>,
}

impl Config {
    /// The ordinary settings.
    pub fn new(id: impl Into<String>, buses: Vec<SocketAddr>, bus_key: Key) -> Self {
        Self {
            id: id.into(),
            buses,
            outside: None,
            bus_key,
            unstored_after: Duration::from_secs(10),
            alerts_waiting_max: 20_000,
            telemetry_waiting_max: 20_000,
            batch_max: 512,
            shards: 4,
            telemetry_shards: 2,
            // Below the five seconds that an edge waits for a receipt.
            take_within: Duration::from_secs(3),
            retry_first: Duration::from_millis(50),
            retry_most: Duration::from_secs(1),
            telemetry_tries: 3,
            telemetry_gather: Duration::from_millis(100),
            alive_every: Duration::from_secs(1),
            durable_remembered: 65_536,
            listeners: Vec::new(),
            profiles: Arc::new(Profiles::shipped()),
        }
    }

    fn check(&self) -> Result<(), GatewayError> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        if self.id.is_empty() || !self.id.chars().all(plain) {
            return Err(GatewayError::Id(self.id.clone()));
        }
        for (name, limit) in [
            ("alerts_waiting_max", self.alerts_waiting_max),
            ("telemetry_waiting_max", self.telemetry_waiting_max),
            ("batch_max", self.batch_max),
            ("shards", self.shards),
            ("telemetry_shards", self.telemetry_shards),
            ("buses", self.buses.len() + usize::from(self.outside.is_some()) + self.listeners.len()),
        ] {
            if limit == 0 {
                return Err(GatewayError::Zero(name));
            }
        }
        Ok(())
    }
}

/// What can go wrong with a gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The name cannot be a part of a topic.
    #[error("{0:?} is no name for a gateway: letters, digits, - and _ only")]
    Id(String),
    /// Nothing where there must be something.
    #[error("{0} must not be zero")]
    Zero(&'static str),
    /// There is no connection to any bus now: nothing was sent, try again.
    #[error("the bus is away")]
    BusAway,
    /// The directory does not list the terminal.
    #[error("terminal {0:?} is not in the directory")]
    UnknownTerminal(String),
    /// The terminal's dialect has no word for it: trying again is useless.
    #[error("a terminal that speaks {} cannot be told this", .0.as_str())]
    NoWord(Dialect),
    /// The terminal has no connection here: another gateway may have it, or it comes back.
    #[error("terminal {0:?} has no connection here")]
    Away(String),
    /// There is no listening there.
    #[error("{address} cannot be listened on: {why}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        why: String,
    },
    /// A part of the gateway ended that never should.
    #[error("the gateway's {0} ended")]
    Ended(String),
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    notifier: Notifier,
    buses: Vec<BusState>,
    listens_at: Vec<ListensAt>,
    tasks: JoinSet<&'static str>,
    stop: CancellationToken,
    ending: CancellationToken,
    counters: Arc<Counters>,
}

/// How it stands with one bus.
#[derive(Debug, Clone)]
pub struct BusState {
    /// Where it listens.
    pub address: String,
    lines: Vec<watch::Receiver<bool>>,
}

impl BusState {
    /// Whether every line to it is up.
    pub fn is_up(&self) -> bool {
        self.lines.iter().all(|line| *line.borrow())
    }
}

/// Sends notices to terminals; a handle to give away.
#[derive(Debug, Clone)]
pub struct Notifier {
    voices: Voices,
    outside: Option<outside::Voice>,
    /// Those who come to our listeners.
    reached: Reached,
    directory: Arc<Directory>,
    /// How everybody else is spoken to.
    speech: Speech,
    counters: Arc<Counters>,
}

/// Starts a gateway. It is there once the bus is; see [`Gateway::ready`].
pub async fn start(
    config: Config,
    directory: Arc<Directory>,
    dispatcher: Arc<dyn Dispatcher>,
    stop: CancellationToken,
) -> Result<Gateway, GatewayError> {
    config.check()?;
    directory.map(Arc::clone(config.profiles.mappings()));
    let reader = Reader { directory: Arc::clone(&directory), profiles: Arc::clone(&config.profiles) };
    let counters = Arc::new(Counters::default());
    // A part that dies takes the others with it, but not what else the caller's token stops.
    let ending = stop.child_token();
    let mut tasks = Tasks { set: JoinSet::new(), ending: ending.clone() };

    let room = Arc::new(Semaphore::new(config.alerts_waiting_max));
    // One for each bus, one for the broker outside, and the last for the listeners.
    let (answers, mut answer_queues): (Vec<_>, Vec<_>) =
        (0..=config.buses.len() + usize::from(config.outside.is_some())).map(|_| mpsc::channel(ANSWERS_MAX)).unzip();
    let (listeners_number, listener_answers) = (answers.len() - 1, answer_queues.pop());
    let (shards, shard_queues): (Vec<_>, Vec<_>) = (0..config.shards).map(|_| mpsc::unbounded_channel()).unzip();
    let (apart, apart_queue) = mpsc::unbounded_channel();
    let backoff = Backoff { first: config.retry_first, most: config.retry_most };
    let handover = Handover {
        dispatcher: Arc::clone(&dispatcher),
        within: config.take_within,
        backoff,
        counters: counters.clone(),
    };
    let alerts = Arc::new(Alerts::new(
        (Ledger::new(config.durable_remembered), Arc::clone(&room)),
        shards,
        answers,
        (dispatcher, reader.clone()),
        Arc::clone(&counters),
    ));
    let telemetry =
        Arc::new(Telemetry::new(config.telemetry_waiting_max, config.telemetry_shards, Arc::clone(&counters)));

    let end = || ending.clone();
    for queue in shard_queues {
        let (handover, alerts, apart) = (handover.clone(), Arc::clone(&alerts), apart.clone());
        let shard = Shard { handover, alerts, queue, apart, batch_max: config.batch_max };
        tasks.add("shard", shard.run(end()));
    }
    tasks.add("hand-over apart", handover::try_apart(handover.clone(), Arc::clone(&alerts), apart_queue, end()));
    tasks.add("ringing", Arc::clone(&alerts).ring(config.unstored_after, end()));
    let telemetry_tries = config.telemetry_tries.max(1);
    let telemetry_limits =
        telemetry::Limits { batch_max: config.batch_max, tries: telemetry_tries, gather: config.telemetry_gather };
    for lot in 0..telemetry.lots() {
        tasks.add("telemetry", Arc::clone(&telemetry).hand_over(lot, handover.clone(), telemetry_limits, end()));
    }

    let inside = Inside {
        alerts,
        telemetry,
        reader,
        directory: Arc::clone(&directory),
        room,
        handover,
        tries: telemetry_tries,
        counters: Arc::clone(&counters),
    };
    let mut answer_queues = answer_queues.into_iter();
    let (mut voices, mut buses) = (Vec::new(), Vec::new());
    for (bus, answers) in (0..config.buses.len()).zip(answer_queues.by_ref()) {
        let (voice, state) = ways::open_bus(&config, &inside, (bus, answers), &mut tasks);
        voices.push(voice);
        buses.push(state);
    }
    let mut voice_outside = None;
    if let (Some(outside), Some(answers)) = (&config.outside, answer_queues.next()) {
        let (voice, state) = ways::open_outside((&config, outside), &inside, answers, &mut tasks);
        voice_outside = Some(voice);
        buses.push(state);
    }
    let answered = (listeners_number, listener_answers);
    let (reached, listens_at) = listening::open(config.listeners, &inside, answered, &mut tasks).await?;

    let (voices, speech) = (Voices::new(voices), Speech::new(Arc::clone(&directory), config.profiles));
    let counted = Arc::clone(&counters);
    let notifier = Notifier { voices, outside: voice_outside, reached, directory, speech, counters: counted };
    Ok(Gateway { notifier, buses, listens_at, tasks: tasks.set, stop, ending, counters })
}

/// What stands behind every way in.
struct Inside {
    alerts: Arc<Alerts>,
    telemetry: Arc<Telemetry>,
    reader: Reader,
    directory: Arc<Directory>,
    /// For alerts in memory.
    room: Arc<Semaphore>,
    handover: Handover,
    /// How often presence is tried.
    tries: u32,
    counters: Arc<Counters>,
}

struct Tasks {
    set: JoinSet<&'static str>,
    ending: CancellationToken,
}

impl Tasks {
    fn add(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        // However it ends, by itself or by a panic, the others hear of it.
        let guard = self.ending.clone().drop_guard();
        self.set.spawn(async move {
            let guard = guard;
            task.await;
            drop(guard);
            name
        });
    }
}

impl Gateway {
    /// Sends news to a terminal, in its dialect. `Ok` means that the bus has it; whether the terminal
    /// has, [`Dispatcher::delivered`] tells.
    pub async fn notify(&self, notice: Notice) -> Result<(), GatewayError> {
        self.notifier.notify(notice).await
    }

    /// A handle that sends notices.
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// What has been counted.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// How it stands with each bus.
    pub fn buses(&self) -> Vec<BusState> {
        self.buses.clone()
    }

    /// Where terminals come that have a connection of their own.
    pub fn listens_at(&self) -> &[ListensAt] {
        &self.listens_at
    }

    /// Waits until every line to every bus is up.
    pub async fn ready(&self) -> Result<(), GatewayError> {
        for line in self.buses.iter().flat_map(|bus| &bus.lines) {
            line.clone().wait_for(|up| *up).await.map_err(|_| GatewayError::BusAway)?;
        }
        Ok(())
    }

    /// Waits until the gateway has ended: well when it was told to stop, with an error otherwise.
    pub async fn stopped(mut self) -> Result<(), GatewayError> {
        let mut cause = None;
        while let Some(ended) = self.tasks.join_next().await {
            let name = match ended {
                Ok(_) if self.stop.is_cancelled() => continue,
                Ok(name) => name.to_owned(),
                Err(died) => format!("task: {died}"),
            };
            self.ending.cancel();
            cause.get_or_insert(GatewayError::Ended(name));
        }
        cause.map_or(Ok(()), Err)
    }
}

impl Notifier {
    /// See [`Gateway::notify`].
    pub async fn notify(&self, notice: Notice) -> Result<(), GatewayError> {
        let Lookup::Listed(terminal) = self.directory.by_serial(&notice.serial) else {
            return Err(GatewayError::UnknownTerminal(notice.serial));
        };
        if !terminal.dialect.is_mqtt() {
            let serial = notice.serial.clone();
            return match self.reached.sessions.tell(notice).await {
                Said::Sent => {
                    self.counters.notices_sent.one();
                    Ok(())
                }
                Said::Away => Err(GatewayError::Away(serial)),
                Said::NoWord => Err(GatewayError::NoWord(terminal.dialect)),
            };
        }
        let outgoing = self.speech.notice(&terminal, &notice).ok_or(GatewayError::NoWord(terminal.dialect))?;
        self.say_down(notice.serial, notice.id, outgoing).await?;
        self.counters.notices_sent.one();
        Ok(())
    }

    /// Has a terminal told to do something, in its dialect.
    pub async fn order(&self, order: Order) -> Result<Carried, GatewayError> {
        let Lookup::Listed(terminal) = self.directory.by_serial(&order.serial) else {
            return Err(GatewayError::UnknownTerminal(order.serial));
        };
        if !terminal.dialect.is_mqtt() {
            let carried = self.reached.sessions.order(order).await;
            if matches!(carried, Carried::Sent { .. }) {
                self.counters.orders_sent.one();
            }
            return Ok(carried);
        }
        let Ordered { outgoing, answered_as } = match self.speech.order(&terminal, &order) {
            Ok(ordered) => ordered,
            Err(why) => return Ok(why.into()),
        };
        self.say_down(order.serial, order.id, outgoing).await?;
        self.counters.orders_sent.one();
        Ok(Carried::Posted { is_answered: answered_as.is_some() })
    }

    /// Has something told to a terminal, which acknowledges it by `id`.
    async fn say_down(&self, serial: String, id: Uuid, outgoing: Outgoing) -> Result<(), GatewayError> {
        // A broker outside has it once it is handed over; that the terminal has, its own `ack` tells.
        let said_outside = match &self.outside {
            Some(voice) => voice.say(outgoing.clone()).await.is_ok(),
            None => false,
        };
        // A phone that asks over HTTP hears it when it asks next.
        let is_left = self.reached.phones.leave(&serial, id, &outgoing, Instant::now());
        let (topic, payload) = (outgoing.topic, outgoing.payload);
        let downlink = Downlink { serial, topic, payload, notice: Some(id) };
        // Which door holds the session is not known here: every door hears it, and the others drop it. That one bus has
        // it is enough for now, though it be the wrong one: it is repeated until the terminal says that it has it.
        let said = self.voices.say(bus::DOWN, &bus::encode(&downlink)).await.is_ok();
        if said || said_outside || is_left { Ok(()) } else { Err(GatewayError::BusAway) }
    }
}
