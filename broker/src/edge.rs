//! What all sessions of a door share, and the tasks that run beside them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;
use wire::bus::{self, Alive, Downlink, Receipts, Uplink};
use wire::directory::{Directory, Identity, Lookup, Terminal};
use wire::notice::Delivered;
use wire::report::{Heard, Session};
use wire::topics::{self, Lane};

use crate::bus::{BusError, Inlet, Limit, Outlet, Room};
use crate::clock;
use crate::config::Config;
use crate::counters::Counters;
use crate::gateways::Gateways;
use crate::mailbox::{Order, Post};
use crate::packet::{self, Dup, Known, Publish, Will};
use crate::pending::{Alert, HandOver, Pending, Settled, Times};
use crate::presence::Presence;
use crate::session::acks::Slot;
use crate::sessions::{Handle, Last, Sessions, Wanted};

/// How often waiting alerts are looked at.
const TURN: Duration = Duration::from_millis(50);
/// How long comings and goings are gathered.
const GATHER: Duration = Duration::from_millis(200);
/// How often absent sessions are looked at.
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// How often the copy of a directory that changes is written: it is written whole.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// The copy of the directory in the data folder.
const DIRECTORY_FILE: &str = "broker-directory";

/// Who waits for a receipt.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) session: Arc<Handle>,
    pub(crate) slot: Slot,
}

/// Whether an ended session is told to the gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    Yes,
    /// The door itself closes: that makes a terminal unknown, not gone.
    No,
}

/// A session's place in the table. It leaves the table when this is dropped, however that comes about.
pub(crate) struct Seat {
    edge: Arc<Edge>,
    pub(crate) handle: Arc<Handle>,
    /// How long the session is remembered.
    pub(crate) keep: Duration,
    pub(crate) tell: Tell,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.edge.close(&self.handle, self.keep, self.tell);
    }
}

/// What whoever was admitted gets.
pub(crate) struct Entered {
    pub(crate) seat: Seat,
    /// Whether it was remembered.
    pub(crate) present: Known,
}

/// Telemetry that came while no gateway was alive.
#[derive(Debug, Default)]
struct Parked {
    messages: VecDeque<(Arc<str>, Bytes)>,
    bytes: usize,
}

/// Where the edge publishes.
pub(crate) struct Outlets {
    pub(crate) alerts: Outlet,
    pub(crate) telemetry: Outlet,
    pub(crate) presence: Outlet,
}

/// What all sessions of a door share.
pub(crate) struct Edge {
    pub(crate) config: Config,
    pub(crate) directory: Arc<Directory>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) sessions: Sessions,
    outlets: Outlets,
    gateways: RwLock<Gateways>,
    alerts: Mutex<Pending<Waiter>>,
    parked: Mutex<Parked>,
    presence: Presence,
}

impl Edge {
    pub(crate) fn new(config: Config, directory: Arc<Directory>, outlets: Outlets) -> Self {
        let times = Times {
            receipt_within: config.receipt_within,
            again_after: config.again_after,
            unsent_for: config.unsent_for,
        };
        Self {
            directory,
            counters: Arc::default(),
            sessions: Sessions::new(config.sessions_per_terminal_max),
            outlets,
            gateways: RwLock::new(Gateways::new(config.gateway_gone_after)),
            alerts: Mutex::new(Pending::new(times)),
            parked: Mutex::default(),
            presence: Presence::default(),
            config,
        }
    }

    /// Opens a session and ends those that it replaces.
    pub(crate) fn open(self: &Arc<Self>, wanted: Wanted) -> Entered {
        let at = clock::now();
        let opened = self.sessions.open(wanted, at, Instant::now());
        self.counters.sessions_opened.one();
        self.counters.sessions.one();
        if let Some(replaced) = &opened.replaced {
            replaced.mailbox.post(Post::End(Order::TakenOver));
        }
        for pushed_out in &opened.pushed_out {
            pushed_out.mailbox.post(Post::End(Order::PushedOut));
        }
        match opened.handle.identity() {
            Identity::Terminal(terminal) => self.tell(&terminal.serial, at, Session::Opened),
            Identity::Concentrator(concentrator) => {
                self.counters.concentrators.one();
                tracing::info!(login = %concentrator.login, "a concentrator has come");
            }
        }
        let seat = Seat { edge: Arc::clone(self), handle: opened.handle, keep: Duration::ZERO, tell: Tell::Yes };
        Entered { seat, present: opened.present }
    }

    /// Takes an ended session out of the table and remembers it for `keep`.
    fn close(&self, handle: &Arc<Handle>, keep: Duration, tell: Tell) {
        let last = self.sessions.close(handle, keep, Instant::now());
        match handle.identity() {
            Identity::Terminal(terminal) if last == Last::Yes && tell == Tell::Yes => {
                self.tell(&terminal.serial, clock::now(), Session::Closed);
            }
            Identity::Terminal(_) => {}
            Identity::Concentrator(concentrator) => {
                self.counters.concentrators.one_less();
                tracing::info!(login = %concentrator.login, "a concentrator has gone");
            }
        }
        self.counters.sessions.one_less();
    }

    fn tell(&self, serial: &str, at: Timestamp, session: Session) {
        let heard = Heard { serial: serial.to_owned(), at, session };
        self.counters.presence_dropped.add(self.presence.heard([heard]));
    }

    /// The terminal that `identity` speaks for when it publishes to `topic`, and the lane. `None`: it may not.
    pub(crate) fn spoken_for(&self, identity: Identity, topic: &str) -> Option<(Arc<Terminal>, Lane)> {
        let terminal = match identity {
            Identity::Terminal(terminal) => terminal,
            Identity::Concentrator(concentrator) => self.directory.spoken_for(&concentrator, topic)?,
        };
        topics::publish_lane(&terminal, topic).map(|lane| (terminal, lane))
    }

    /// Whether `identity` may subscribe to `filter`.
    pub(crate) fn may_subscribe(&self, identity: &Identity, filter: &str) -> bool {
        match identity {
            Identity::Terminal(terminal) => topics::may_subscribe(terminal, filter),
            Identity::Concentrator(concentrator) => {
                topics::may_subscribe_for(filter, |_| self.directory.spoken_for(concentrator, filter).is_some())
            }
        }
    }

    /// A terminal has acknowledged a notice.
    pub(crate) fn delivered(&self, notice: Uuid) {
        self.counters.delivered.one();
        self.counters.presence_dropped.add(self.presence.delivered(Delivered { notice, at: clock::now() }));
    }

    /// Whether publishes should not be read: too many alerts wait for their receipts.
    pub(crate) fn is_full(&self) -> bool {
        self.counters.alerts_waiting.get() >= self.config.alerts_max as u64
    }

    /// Hands an alert over to its gateway, or keeps it until there is one. `waiter` hears of it again.
    pub(crate) fn alert(&self, serial: Arc<str>, publish: Publish, waiter: Option<Waiter>) {
        self.counters.alerts.one();
        let (id, message) = self.uplink(&serial, publish, Lane::Alert);
        let now = Instant::now();
        let gateways = self.gateways.read();
        // Published under the lock: two alerts of one terminal must not change places.
        let mut alerts = self.alerts.lock();
        let hand_over = alerts.add(Alert { id, serial, message, waiter }, now, &gateways);
        self.hand_over(hand_over);
        self.counters.alerts_waiting.set(alerts.len());
    }

    fn hand_over(&self, hand_overs: impl IntoIterator<Item = HandOver>) {
        for HandOver { gateway, message } in hand_overs {
            // Bounded by the alerts that may wait, so that no alert is ever shed here.
            self.outlets.alerts.publish(bus::up(&gateway, Lane::Alert), message, Limit::NONE);
            self.counters.alerts_handed_over.one();
        }
    }

    /// How many gateways are alive.
    pub(crate) fn gateways_alive(&self) -> usize {
        self.gateways.read().count(Instant::now())
    }

    /// Gives telemetry to the bus, or keeps it a while when there is no gateway yet.
    pub(crate) fn telemetry(&self, serial: Arc<str>, publish: Publish) -> Room {
        self.counters.telemetry.one();
        let (_, message) = self.uplink(&serial, publish, Lane::Telemetry);
        let room = self.take_telemetry(serial, message);
        if room == Room::Full {
            self.counters.telemetry_shed.one();
        }
        room
    }

    fn take_telemetry(&self, serial: Arc<str>, message: Bytes) -> Room {
        let limit = self.telemetry_limit();
        let mut parked = self.parked.lock();
        let gateway = self.gateways.read().choose(&serial, Instant::now());
        if let Some(gateway) = gateway
            && parked.messages.is_empty()
        {
            drop(parked);
            return self.outlets.telemetry.publish(bus::up(&gateway, Lane::Telemetry), message, limit);
        }
        if parked.messages.len() >= limit.messages || parked.bytes + message.len() > limit.bytes {
            return Room::Full;
        }
        parked.bytes += message.len();
        parked.messages.push_back((serial, message));
        Room::Taken
    }

    fn telemetry_limit(&self) -> Limit {
        Limit { messages: self.config.telemetry_max, bytes: self.config.telemetry_max_bytes }
    }

    fn send_parked(&self, now: Instant) {
        let mut parked = self.parked.lock();
        while let Some((serial, message)) = parked.messages.front() {
            let Some(gateway) = self.gateways.read().choose(serial, now) else { return };
            let topic = bus::up(&gateway, Lane::Telemetry);
            if self.outlets.telemetry.publish(topic, message.clone(), self.telemetry_limit()) == Room::Full {
                return;
            }
            let length = message.len();
            parked.messages.pop_front();
            parked.bytes -= length;
        }
        *parked = Parked::default();
    }

    fn uplink(&self, serial: &str, publish: Publish, lane: Lane) -> (Uuid, Bytes) {
        let id = clock::new_id();
        let uplink = Uplink {
            id,
            door: self.config.door.clone(),
            serial: serial.to_owned(),
            topic: publish.topic,
            lane,
            repeated: publish.dup == Dup::Again,
            received_at: clock::now(),
            payload: publish.payload.to_vec(),
        };
        (id, bus::encode(&uplink).into())
    }

    /// Publishes the will of somebody who has gone, if they may publish there.
    pub(crate) fn will(&self, identity: Identity, will: Will) {
        let spoken_for = packet::is_topic(&will.topic).then(|| self.spoken_for(identity, &will.topic)).flatten();
        let Some((terminal, lane)) = spoken_for else {
            self.counters.publish_denied.one();
            return;
        };
        self.counters.wills.one();
        let serial = Arc::clone(&terminal.serial);
        let publish =
            Publish { topic: will.topic, payload: will.payload, qos: packet::Qos::AtMostOnce, dup: Dup::First, pid: 0 };
        match lane {
            Lane::Alert => self.alert(serial, publish, None),
            Lane::Telemetry => {
                self.telemetry(serial, publish);
            }
        }
    }

    fn settle(&self, ids: &[Uuid]) {
        let mut alerts = self.alerts.lock();
        for &id in ids {
            match alerts.settle(id) {
                Settled::For(waiter) => waiter.session.mailbox.post(Post::Durable(waiter.slot)),
                Settled::ForNobody => {}
                Settled::Late => self.counters.receipts_late.one(),
            }
        }
        self.counters.alerts_waiting.set(alerts.len());
    }

    /// Looks after everything that waits.
    fn turn(&self) {
        let now = Instant::now();
        {
            let gateways = self.gateways.read();
            let mut alerts = self.alerts.lock();
            let due = alerts.due(now, &gateways);
            self.hand_over(due.hand_overs);
            for waiter in due.expired {
                waiter.session.mailbox.post(Post::Overdue(waiter.slot));
            }
            if due.given_up > 0 {
                tracing::error!(alerts = due.given_up, "alerts given up: no gateway came to take them");
                self.counters.alerts_given_up.add(due.given_up);
            }
            self.counters.alerts_waiting.set(alerts.len());
        }
        self.send_parked(now);
        self.outlets.alerts.announce();
        self.outlets.telemetry.announce();
        self.outlets.presence.announce();
    }

    fn deliver(&self, downlink: Downlink) {
        let concentrator = match self.directory.by_serial(&downlink.serial) {
            Lookup::Listed(terminal) => terminal.concentrator.clone(),
            Lookup::Unlisted | Lookup::NoDirectory => None,
        };
        let sessions = self.sessions.of(&downlink.serial, concentrator.as_deref());
        let downlink = Arc::new(downlink);
        for session in sessions {
            let max = self.config.bounds(&session.identity()).downlinks;
            if session.mailbox.post_downlink(Arc::clone(&downlink), max).is_err() {
                self.counters.downlinks_dropped.one();
            }
        }
    }

    fn unreadable(&self, topic: &Bytes, error: &bus::BusError) {
        self.counters.bus_unreadable.one();
        tracing::warn!(topic = %String::from_utf8_lossy(topic), %error, "a message on the bus cannot be read");
    }

    /// Hears receipts and gateways, until the bus is dead.
    pub(crate) async fn hear_bus(&self, mut ear: Inlet) -> Result<(), BusError> {
        loop {
            let (topic, payload) = ear.next().await?;
            if topic == bus::GATEWAYS.as_bytes() {
                match bus::decode::<Alive>(&payload) {
                    Ok(alive) => {
                        self.gateways.write().hear(&alive.gateway, Instant::now());
                        self.turn();
                    }
                    Err(error) => self.unreadable(&topic, &error),
                }
            } else {
                match bus::decode::<Receipts>(&payload) {
                    Ok(receipts) => self.settle(&receipts.ids),
                    Err(error) => self.unreadable(&topic, &error),
                }
            }
        }
    }

    /// Hears downlinks, until the bus is dead.
    pub(crate) async fn hear_down(&self, mut down: Inlet) -> Result<(), BusError> {
        loop {
            let (topic, payload) = down.next().await?;
            match bus::decode::<Downlink>(&payload) {
                Ok(downlink) => self.deliver(downlink),
                Err(error) => self.unreadable(&topic, &error),
            }
        }
    }

    /// Looks after what waits, for ever.
    pub(crate) async fn take_turns(&self) {
        let mut ticks = every(TURN);
        loop {
            ticks.tick().await;
            self.turn();
        }
    }

    /// Tells the gateways who came, went and was heard, for ever.
    pub(crate) async fn tell_presence(&self) {
        let mut gather = every(GATHER);
        let mut round = every(self.config.presence_every);
        round.tick().await;
        loop {
            tokio::select! {
                _ = gather.tick() => self.publish_presence(),
                _ = round.tick() => {
                    let heard = self.sessions.all().into_iter().filter_map(|session| {
                        let (serial, at) = (session.serial()?, session.heard_since()?);
                        Some(Heard { serial: serial.to_string(), at, session: Session::Alive })
                    });
                    self.counters.presence_dropped.add(self.presence.heard(heard));
                }
            }
        }
    }

    fn publish_presence(&self) {
        if self.presence.is_empty() {
            return;
        }
        let Some(gateway) = self.gateways.read().choose(&self.config.door, Instant::now()) else { return };
        for presence in self.presence.take(&self.config.door) {
            let message = bus::encode(&presence).into();
            self.outlets.presence.publish(bus::presence(&gateway), message, Limit::NONE);
        }
    }

    /// Ends sessions whose terminal or concentrator the directory no longer lists as it was, and keeps the copy of the
    /// directory on disk, for ever.
    pub(crate) async fn follow_directory(&self) {
        let mut ticks = every(self.config.revocation_every);
        let (mut followed, mut saved) = (None, None);
        let mut saved_at: Option<Instant> = None;
        let mut forgotten = Instant::now();
        loop {
            ticks.tick().await;
            let edition = self.directory.edition();
            if edition != followed {
                followed = edition;
                for session in self.sessions.all() {
                    if !session.follow(&self.directory) {
                        session.mailbox.post(Post::End(Order::Revoked));
                    }
                }
            }
            if edition != saved && saved_at.is_none_or(|at| at.elapsed() >= SAVE_EVERY) {
                (saved, saved_at) = (edition, Some(Instant::now()));
                self.save_directory().await;
            }
            if forgotten.elapsed() >= FORGET_EVERY {
                forgotten = Instant::now();
                self.sessions.forget(&self.directory, forgotten);
            }
        }
    }

    /// Writes the copy of the directory.
    pub(crate) async fn save_directory(&self) {
        let Some(path) = self.config.data_dir.as_deref().map(directory_file) else { return };
        let directory = Arc::clone(&self.directory);
        let saved = tokio::task::spawn_blocking(move || directory.save(&path)).await;
        match saved {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the directory could not be saved"),
            Err(error) => tracing::error!(%error, "saving the directory failed"),
        }
    }

    /// Ends all sessions.
    pub(crate) fn end_all(&self, order: Order) {
        for session in self.sessions.all() {
            session.mailbox.post(Post::End(order));
        }
    }
}

/// Where the copy of the directory lies.
pub(crate) fn directory_file(data_dir: &Path) -> PathBuf {
    data_dir.join(DIRECTORY_FILE)
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
