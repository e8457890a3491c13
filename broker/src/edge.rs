//! What all sessions of a door share, and the tasks that run beside them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;
use wire::bus::{self, Alive, Downlink, Receipts, Uplink};
use wire::counters::Counter;
use wire::directory::{Directory, Identity, Lookup, Terminal};
use wire::door::Breach;
use wire::notice::Delivered;
use wire::report::{Heard, Session};
use wire::topics::{self, Lane};

use crate::bus::{BusError, Inlet, Limit, Outlet, Room};
use crate::clock;
use crate::config::Config;
use crate::counters::Counters;
use crate::gateways::Gateways;
use crate::limits::Addresses;
use crate::mailbox::{Order, Post};
use crate::packet::{self, Dup, Known, Publish, Will};
use crate::parcels::Parcels;
use crate::parked::{Kept, Parked};
use crate::pending::{Alert, HandOver, Pending, Settled, Times};
use crate::presence::Presence;
use crate::session::acks::Slot;
use crate::sessions::{Handle, Last, Sessions, Wanted};
use crate::tls::Gate;
use crate::violations::Violations;

/// How often waiting alerts are looked at.
const TURN: Duration = Duration::from_millis(50);
/// How often the latest telemetry of terminals that send too much goes on.
const SLOWED_EVERY: Duration = Duration::from_secs(1);
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

/// A connection that has not said CONNECT yet, in the counters.
pub(crate) struct HalfOpen(Arc<Counters>);

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0.half_open.one_less();
    }
}

/// Whether a message may go on, by its terminal's own rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InTime {
    Yes,
    /// Its terminal sends too much.
    No,
}

/// Why telemetry waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    NoGateway,
    Bus,
    Rate,
}

/// Where the edge publishes.
pub(crate) struct Outlets {
    pub(crate) alerts: Outlet,
    pub(crate) telemetry: Parcels,
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
    /// While there is no gateway, or the bus is behind.
    parked: Mutex<Parked>,
    /// From terminals that send too much.
    slowed: Mutex<Parked>,
    addresses: Mutex<Addresses>,
    pub(crate) violations: Violations,
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
            slowed: Mutex::default(),
            addresses: Mutex::default(),
            violations: Violations::default(),
            presence: Presence::default(),
            config,
        }
    }

    /// Whether a connection may come in that nobody has listened to yet, beside `connections` others; else what counts
    /// that it may not.
    pub(crate) fn let_in(&self, from: IpAddr, connections: usize, now: Instant) -> Result<HalfOpen, &Counter> {
        let (config, counters) = (&self.config, &self.counters);
        if connections >= config.connections_max {
            return Err(&counters.refused_full);
        }
        if counters.half_open.get() >= config.half_open_max as u64 {
            return Err(&counters.refused_half_open);
        }
        if config.address_rate.is_some_and(|rate| self.addresses.lock().take(from, rate, now).is_err()) {
            return Err(&counters.refused_address);
        }
        counters.half_open.one();
        Ok(HalfOpen(Arc::clone(counters)))
    }

    /// Opens a session and ends those that it replaces.
    pub(crate) fn open(self: &Arc<Self>, wanted: Wanted) -> Entered {
        let at = clock::now();
        let mapped = match &wanted.identity {
            Identity::Terminal(terminal) => self.directory.mapped_filters(Some(terminal)),
            Identity::Concentrator(_) => self.directory.mapped_filters(None),
        };
        let opened = self.sessions.open(wanted, mapped, at, Instant::now());
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
                // Of one that fell silent it is known only now that it has gone; heard it was before.
                self.tell(&terminal.serial, handle.heard_at(), Session::Closed);
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
    pub(crate) fn spoken_for(&self, identity: &Identity, topic: &str) -> Option<(Arc<Terminal>, Lane)> {
        self.directory.lane(identity, topic)
    }

    /// Whether `identity` may subscribe to `filter`.
    pub(crate) fn may_subscribe(&self, identity: &Identity, filter: &str) -> bool {
        match identity {
            Identity::Terminal(terminal) => self.directory.may_subscribe(terminal, filter),
            Identity::Concentrator(concentrator) => self.directory.may_subscribe_for(concentrator, filter),
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
            || self.counters.alerts_waiting_bytes.get() >= self.config.alerts_max_bytes as u64
    }

    fn count_alerts(&self, alerts: &Pending<Waiter>) {
        self.counters.alerts_waiting.set(alerts.len());
        self.counters.alerts_waiting_bytes.set(alerts.bytes());
    }

    /// Hands an alert over to its gateway, or keeps it until there is one. `waiter` hears of it again; a will has none.
    pub(crate) fn alert(&self, serial: Arc<str>, publish: &Publish, waiter: Option<Waiter>) {
        self.counters.alerts.one();
        let (id, message) = self.uplink(&serial, publish, Lane::Alert);
        let now = Instant::now();
        let gateways = self.gateways.read();
        // Published under the lock: two alerts of one terminal must not change places.
        let mut alerts = self.alerts.lock();
        // A will is not held up as publishes are, for its terminal has gone. Of each terminal there is one more at most.
        if waiter.is_none() && self.is_full() && alerts.replace_will(&serial) {
            self.counters.wills_replaced.one();
        }
        let hand_over = alerts.add(Alert { id, serial, message, waiter }, now, &gateways);
        self.hand_over(hand_over);
        self.count_alerts(&alerts);
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

    /// Gives telemetry to the bus. What cannot go on at once waits, and a later message may take its place.
    pub(crate) fn telemetry(&self, terminal: &Terminal, publish: &Publish, in_time: InTime) -> Room {
        self.counters.telemetry.one();
        let serial = &terminal.serial;
        let supersedes = topics::is_superseded(terminal, &publish.topic).then_some(publish.topic.as_str());
        let (_, message) = self.uplink(serial, publish, Lane::Telemetry);
        let limit = self.telemetry_limit();
        if in_time == InTime::No {
            let kept = self.slowed.lock().keep(serial, supersedes, message, limit);
            return self.count_kept(kept, Behind::Rate);
        }
        let mut parked = self.parked.lock();
        let behind = match self.gateways.read().choose(serial, Instant::now()) {
            None => Behind::NoGateway,
            Some(gateway) => {
                // What waits goes first.
                if parked.is_empty() && self.outlets.telemetry.add(&gateway, &message, limit) == Room::Taken {
                    return Room::Taken;
                }
                Behind::Bus
            }
        };
        let kept = parked.keep(serial, supersedes, message, limit);
        drop(parked);
        self.count_kept(kept, behind)
    }

    fn count_kept(&self, kept: Kept, behind: Behind) -> Room {
        let counters = &self.counters;
        let (coalesced, shed) = match behind {
            Behind::NoGateway => (&counters.telemetry_coalesced_gateway, &counters.telemetry_shed_gateway),
            Behind::Bus => (&counters.telemetry_coalesced_bus, &counters.telemetry_shed_bus),
            Behind::Rate => (&counters.telemetry_coalesced_rate, &counters.telemetry_shed_rate),
        };
        match kept {
            Kept::Waits => Room::Taken,
            Kept::Coalesced => {
                coalesced.one();
                Room::Taken
            }
            Kept::Shed => {
                shed.one();
                Room::Full
            }
        }
    }

    fn telemetry_limit(&self) -> Limit {
        Limit { messages: self.config.telemetry_max, bytes: self.config.telemetry_max_bytes }
    }

    fn send_parked(&self, now: Instant) {
        let mut parked = self.parked.lock();
        self.send_telemetry(&mut parked, now);
        let (messages, bytes) = (parked.len(), parked.bytes());
        drop(parked);
        let slowed = self.slowed.lock();
        self.counters.telemetry_parked.set(messages + slowed.len());
        self.counters.telemetry_parked_bytes.set(bytes + slowed.bytes());
    }

    fn send_telemetry(&self, waiting: &mut Parked, now: Instant) {
        if waiting.is_empty() {
            return;
        }
        let limit = self.telemetry_limit();
        waiting.send(|serial, message| {
            let gateway = self.gateways.read().choose(serial, now);
            gateway.is_some_and(|gateway| self.outlets.telemetry.add(&gateway, message, limit) == Room::Taken)
        });
    }

    fn uplink(&self, serial: &str, publish: &Publish, lane: Lane) -> (Uuid, Bytes) {
        let id = clock::new_id();
        let uplink = Uplink {
            id,
            door: self.config.door.as_str().into(),
            serial: serial.into(),
            topic: publish.topic.as_str().into(),
            lane,
            repeated: publish.dup == Dup::Again,
            received_at: clock::now(),
            payload: publish.payload[..].into(),
        };
        (id, bus::encode(&uplink).into())
    }

    /// Publishes the will of somebody who has gone, if they may publish there.
    pub(crate) fn will(&self, identity: &Identity, will: Will) {
        let spoken_for = packet::is_topic(&will.topic).then(|| self.spoken_for(identity, &will.topic)).flatten();
        let Some((terminal, lane)) = spoken_for else {
            self.counters.publish_denied.one();
            self.violations.note(identity.login(), Breach::Will, Some(&will.topic), None);
            return;
        };
        self.counters.wills.one();
        let publish = Publish {
            topic: will.topic,
            payload: will.payload,
            qos: packet::Qos::AtMostOnce,
            dup: Dup::First,
            pid: 0,
            alias: None,
        };
        match lane {
            Lane::Alert => self.alert(Arc::clone(&terminal.serial), &publish, None),
            Lane::Telemetry => {
                self.telemetry(&terminal, &publish, InTime::Yes);
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
        self.count_alerts(&alerts);
    }

    /// Looks after everything that waits.
    pub(crate) fn turn(&self) {
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
            self.count_alerts(&alerts);
        }
        self.send_parked(now);
        self.outlets.alerts.announce();
        self.outlets.telemetry.send_all(self.telemetry_limit());
        self.outlets.presence.announce();
    }

    /// Gives a message to the sessions in which it may be wanted.
    pub(crate) fn deliver(&self, downlink: Downlink) {
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

    /// Looks at the files of certificates, for ever.
    pub(crate) async fn renew(&self, gate: &Gate) {
        let mut ticks = every(self.config.certificates_every);
        let mut stamp = gate.first_stamp();
        loop {
            ticks.tick().await;
            let now = gate.stamp();
            if now == stamp {
                continue;
            }
            stamp = now;
            match gate.renew() {
                Ok(()) => tracing::info!("the door has taken over new certificates"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "the new certificates are no good; the old ones stay");
                }
            }
        }
    }

    /// Looks after what waits, for ever.
    pub(crate) async fn take_turns(&self) {
        let (mut ticks, mut slow) = (every(TURN), every(SLOWED_EVERY));
        loop {
            tokio::select! {
                _ = ticks.tick() => self.turn(),
                _ = slow.tick() => self.send_telemetry(&mut self.slowed.lock(), Instant::now()),
            }
        }
    }

    /// Sends the telemetry that has been gathered, for ever.
    pub(crate) async fn send_parcels(&self) {
        self.outlets.telemetry.send_soon(self.telemetry_limit()).await;
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

#[cfg(test)]
mod tests;
