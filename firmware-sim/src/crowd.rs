//! A crowd of pagers ([`town::crowd`]) on as few or as many sockets as one likes, lean enough that one machine carries
//! hundreds of thousands, and counted: what goes out, what is acknowledged and how soon.
//!
//! The pagers are those of [`crate::device`], and move as people do ([`crate::day`]); only the MQTT client is of our own
//! making. Each has a socket of its own, or many share a concentrator's. What is measured as acknowledged is the PUBACK
//! of MQTT 3.1.1: on the alert lane it means that the press is on disk.
//!
//! The crowd is open-loop: who is due sends, however slowly the others are answered.

mod socket;
mod tally;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use town::crowd as people;
use town::dice::Dice;
use wire::ydt::Fix;

use crate::clock;
use crate::day::{Life, SimTime};
use crate::device::{Device, Key, Output, Publication, Settings, Stimulus};
use crate::pager::Input;

use self::socket::Socket;
use self::tally::Tally;
pub use self::tally::{Latency, Report};

/// How often those who are due are looked for.
const TICK: Duration = Duration::from_millis(2);
/// The time of day at which everybody's day begins here.
const STARTS_AT: SimTime = 9 * 3600;
/// Sockets that are opened at the same time, so that what is measured is the server and not our own queue.
const OPENING_AT_ONCE: usize = 256;

fn stamped(fix: Fix) -> Fix {
    Fix { at: Some(clock::now()), ..fix }
}

/// How often they say where they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As their days go, so many times faster than real.
    OwnDays {
        /// Simulated seconds in a real one.
        speed: f64,
    },
    /// One after the other, so many positions a second from all of them together.
    Rate {
        /// Positions a second.
        per_s: f64,
    },
    /// Never.
    Silent,
}

/// Something that befalls all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blow {
    /// Every connection breaks at once, and all come back.
    Reconnect,
    /// One in ten presses within a minute.
    Earthquake,
}

/// A crowd.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it connects to.
    pub broker: SocketAddr,
    /// Who is in it.
    pub people: Range<u32>,
    /// Concentrators that speak for them, evenly; none: each has a socket of their own.
    pub concentrators: u32,
    /// How often they say where they are.
    pub pace: Pace,
    /// Calls for help a second, at random.
    pub presses_per_s: f64,
    /// Requests for daily help a second, at random.
    pub requests_per_s: f64,
    /// What befalls them, and when after all are connected.
    pub blows: Vec<(Duration, Blow)>,
    /// Loopback addresses to connect from: each has its own ports.
    pub from: u8,
    /// Whether they subscribe to what is for them.
    pub subscribes: bool,
    /// What their days are made of.
    pub seed: u64,
    /// How long it goes on once all are connected; `None`: until it is stopped.
    pub lasts: Option<Duration>,
    /// How long what is under way at the end is waited for.
    pub drains: Duration,
    /// How long they stay connected after that, say no more by themselves, and acknowledge what they are told.
    pub lingers: Duration,
}

impl Config {
    /// A silent crowd with a socket each.
    pub const fn new(broker: SocketAddr, people: Range<u32>) -> Self {
        Self {
            broker,
            people,
            concentrators: 0,
            pace: Pace::Silent,
            presses_per_s: 0.0,
            requests_per_s: 0.0,
            blows: Vec::new(),
            from: 1,
            subscribes: true,
            seed: town::SEED,
            lasts: None,
            drains: Duration::from_secs(10),
            lingers: Duration::ZERO,
        }
    }
}

/// Somebody of the crowd.
struct Person {
    device: Device,
    life: Life,
    socket: usize,
    /// Presses without PUBACK, and when each was made.
    pressed: Vec<(u32, Instant)>,
}

/// Those of the crowd who press one key now and then, as chance has it.
struct Callers {
    dice: Dice,
    key: Key,
    per_s: f64,
    /// When the next one does; none: nobody ever.
    next_at: Option<Instant>,
}

impl Callers {
    fn new(dice: Dice, key: Key, per_s: f64, began: Instant) -> Self {
        let mut callers = Self { dice, key, per_s, next_at: None };
        callers.wait(began);
        callers
    }

    fn wait(&mut self, after: Instant) {
        let wait_s = -(1.0 - self.dice.within(0.0, 1.0)).ln() / self.per_s;
        self.next_at = Duration::try_from_secs_f64(wait_s).ok().and_then(|wait| after.checked_add(wait));
    }

    /// Which of so many people presses, if it is time.
    fn next(&mut self, people: usize, now: Instant) -> Option<usize> {
        let at = self.next_at.filter(|at| *at <= now && people > 0)?;
        self.wait(at);
        Some(self.dice.index(people))
    }
}

/// The crowd, as its sockets see it.
struct Crowd {
    config: Config,
    first: u32,
    people: Vec<Mutex<Person>>,
    sockets: Vec<Socket>,
    tally: Tally,
    connected: AtomicUsize,
    stop: CancellationToken,
}

/// Lets a crowd live until `stop` or its end. `ready` is called once all are connected; `now_and_then` with what was
/// counted in each second.
pub async fn run(
    config: Config,
    stop: CancellationToken,
    ready: impl FnOnce(&Report),
    mut now_and_then: impl FnMut(&Report),
) -> Report {
    let crowd = Arc::new(Crowd::new(config, &stop));
    let mut tasks = JoinSet::new();
    let turnstile = Arc::new(tokio::sync::Semaphore::new(OPENING_AT_ONCE));
    let began = Instant::now();
    for number in 0..crowd.sockets.len() {
        tasks.spawn(socket::live(Arc::clone(&crowd), number, Arc::clone(&turnstile)));
    }
    let all = crowd.sockets.len();
    let mut look = interval(Duration::from_millis(1));
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while crowd.connected.load(Ordering::Acquire) < all && !stop.is_cancelled() {
        look.tick().await;
    }
    crowd.tally.all_connected(began.elapsed());
    ready(&crowd.tally.report());

    let pacing = tokio::spawn(Arc::clone(&crowd).pace());
    let started = Instant::now();
    let mut blows = crowd.config.blows.clone();
    blows.sort_by_key(|(at, _)| *at);
    let mut every_second = interval(Duration::from_secs(1));
    every_second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let elapsed = started.elapsed();
        if stop.is_cancelled() || crowd.config.lasts.is_some_and(|lasts| elapsed >= lasts) {
            break;
        }
        while blows.first().is_some_and(|(at, _)| *at <= elapsed) {
            let (_, blow) = blows.remove(0);
            crowd.suffer(blow);
        }
        let next = blows.first().map(|(at, _)| *at).into_iter().chain(crowd.config.lasts).min();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = every_second.tick() => now_and_then(&crowd.tally.report()),
            () = tokio::time::sleep_until(started + next.unwrap_or(Duration::from_hours(1))) => {}
        }
    }
    pacing.abort();
    let until = Instant::now() + crowd.config.drains;
    while crowd.under_way() > 0 && Instant::now() < until && !stop.is_cancelled() {
        look.tick().await;
    }
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(crowd.config.lingers) => {}
    }
    let report = Report { unacknowledged_presses: crowd.waiting_presses(), ..crowd.tally.report() };
    crowd.stop.cancel();
    for socket in &crowd.sockets {
        socket.ring();
    }
    while tasks.join_next().await.is_some() {}
    report
}

impl Crowd {
    fn new(config: Config, stop: &CancellationToken) -> Self {
        let first = config.people.start;
        let count = config.people.len();
        let sockets = if config.concentrators == 0 { count } else { config.concentrators as usize };
        let boot = clock::boot();
        let people = config.people.clone().enumerate().map(|(index, number)| {
            let serial = people::serial(number);
            let life = Life::new(
                config.seed,
                &serial,
                people::home(number),
                people::habit(number),
                people::haunts(number),
                STARTS_AT,
            );
            Mutex::new(Person {
                device: Device::new(Settings::new(serial, boot)),
                life,
                socket: index % sockets.max(1),
                pressed: Vec::new(),
            })
        });
        let people: Vec<Mutex<Person>> = people.collect();
        let sockets = (0..sockets)
            .map(|number| {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                if config.concentrators == 0 {
                    let who = first + number;
                    Socket::new(people::serial(who), people::secret(who))
                } else {
                    Socket::new(people::concentrator(number), people::concentrator_secret(number))
                }
            })
            .collect();
        Self {
            first,
            people,
            sockets,
            tally: Tally::default(),
            connected: AtomicUsize::new(0),
            stop: stop.child_token(),
            config,
        }
    }

    /// Those who speak through a socket.
    fn members(&self, socket: usize) -> impl Iterator<Item = usize> + use<> {
        (socket..self.people.len()).step_by(self.sockets.len())
    }

    /// Whose serial this is.
    fn index_of(&self, serial: &str) -> Option<usize> {
        let number: u32 = serial.strip_prefix('L')?.parse().ok()?;
        let index = number.checked_sub(self.first)? as usize;
        (index < self.people.len()).then_some(index)
    }

    fn happens(&self, who: usize, stimulus: Stimulus) {
        let mut person = self.people[who].lock();
        let outputs = person.device.handle(clock::now(), stimulus);
        let socket = person.socket;
        for output in outputs {
            match output {
                Output::Publish(publication) => self.publish(&mut person, who, socket, publication),
                Output::Light(_) | Output::Sound(_) | Output::Screen(_) | Output::HangUp => {}
            }
        }
    }

    fn publish(&self, person: &mut Person, who: usize, socket: usize, publication: Publication) {
        let Publication { topic, payload, press } = publication;
        if let Some(seq) = press
            && !person.pressed.iter().any(|(pressed, _)| *pressed == seq)
        {
            person.pressed.push((seq, Instant::now()));
        }
        let kept = self.sockets[socket].publish(&topic, &payload, press.map(|seq| (who, seq)));
        match (press, kept) {
            (Some(_), true) => self.tally.presses_sent.fetch_add(1, Ordering::Relaxed),
            (None, true) => self.tally.telemetry_sent.fetch_add(1, Ordering::Relaxed),
            (_, false) => self.tally.held_back.fetch_add(1, Ordering::Relaxed),
        };
    }

    fn acknowledged(&self, who: usize, seq: u32) {
        let pressed_at = {
            let mut person = self.people[who].lock();
            let place = person.pressed.iter().position(|(pressed, _)| *pressed == seq);
            place.map(|place| person.pressed.swap_remove(place).1)
        };
        if let Some(pressed_at) = pressed_at {
            self.tally.durable(pressed_at);
        }
        self.happens(who, Stimulus::Acknowledged { seq });
    }

    /// Lets those speak who are due, for ever.
    async fn pace(self: Arc<Self>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let began = Instant::now();
        let Config { seed, presses_per_s, requests_per_s, .. } = self.config;
        let mut callers = [
            Callers::new(Dice::named(seed, "presses"), Key::sos(), presses_per_s, began),
            Callers::new(
                Dice::named(seed, "requests"),
                Key::Request { category: "meal".into() },
                requests_per_s,
                began,
            ),
        ];
        let (mut spoken, mut next) = (0_u64, 0);
        let mut days: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::new();
        let instant = |at: SimTime, speed: f64| {
            began + Duration::from_secs(at.saturating_sub(STARTS_AT)).div_f64(speed.max(1e-3))
        };
        if let Pace::OwnDays { speed } = self.config.pace {
            days.extend(
                (0..self.people.len())
                    .map(|who| Reverse((instant(self.people[who].lock().life.next_at(), speed), who))),
            );
        }
        loop {
            ticks.tick().await;
            let now = Instant::now();
            for calling in &mut callers {
                while let Some(who) = calling.next(self.people.len(), now) {
                    self.feels(who, Input::Pressed(calling.key.clone()));
                }
            }
            match self.config.pace {
                Pace::Silent => {}
                Pace::Rate { per_s } => {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
                    let due = (began.elapsed().as_secs_f64() * per_s) as u64;
                    while spoken < due {
                        spoken += 1;
                        let fix = self.people[next].lock().life.look_around(STARTS_AT + began.elapsed().as_secs());
                        self.feels(next, Input::Located(fix));
                        next = (next + 1) % self.people.len();
                    }
                }
                Pace::OwnDays { speed } => {
                    while let Some(Reverse((at, who))) = days.peek().copied()
                        && at <= now
                    {
                        days.pop();
                        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of days")]
                        let sim = STARTS_AT + (began.elapsed().as_secs_f64() * speed) as SimTime;
                        let (inputs, next_at) = {
                            let life = &mut self.people[who].lock().life;
                            let at = sim.max(life.next_at());
                            (life.live(at), life.next_at())
                        };
                        for input in inputs {
                            self.feels(who, input);
                        }
                        days.push(Reverse((instant(next_at, speed).max(now + TICK), who)));
                    }
                }
            }
        }
    }

    /// What a day, or whoever leads it, does to somebody.
    fn feels(&self, who: usize, input: Input) {
        let stimulus = match input {
            Input::Located(fix) => Stimulus::Located(stamped(fix)),
            Input::Felt(status) => Stimulus::Felt(status),
            Input::Pressed(key) => Stimulus::Pressed(key),
            Input::SwitchedOff => return,
        };
        self.happens(who, stimulus);
    }

    fn press(&self, who: usize) {
        self.feels(who, Input::Pressed(Key::sos()));
    }

    fn suffer(self: &Arc<Self>, blow: Blow) {
        match blow {
            Blow::Reconnect => {
                self.tally.storm_begins();
                self.sockets.iter().for_each(Socket::break_off);
            }
            Blow::Earthquake => {
                let crowd = Arc::clone(self);
                tokio::spawn(async move {
                    let mut dice = Dice::named(crowd.config.seed, "earthquake");
                    let presses = crowd.people.len() / 10;
                    let began = Instant::now();
                    for number in 0..presses {
                        #[expect(clippy::cast_precision_loss, reason = "a count")]
                        let at = Duration::from_mins(1).mul_f64(number as f64 / presses as f64);
                        tokio::time::sleep_until(began + at).await;
                        crowd.press(dice.index(crowd.people.len()));
                    }
                });
            }
        }
    }

    fn under_way(&self) -> usize {
        self.sockets.iter().map(Socket::under_way).sum()
    }

    fn waiting_presses(&self) -> usize {
        self.people.iter().map(|person| person.lock().pressed.len()).sum()
    }

    /// A socket is subscribed and may speak.
    fn comes(&self, socket: usize, after: Duration) {
        self.tally.connected(after);
        for who in self.members(socket) {
            self.happens(who, Stimulus::Connected);
        }
        self.connected.fetch_add(1, Ordering::AcqRel);
        if self.connected.load(Ordering::Acquire) == self.sockets.len() {
            self.tally.storm_ends();
        }
    }

    fn goes(&self, socket: usize) {
        self.connected.fetch_sub(1, Ordering::AcqRel);
        self.tally.lost.fetch_add(1, Ordering::Relaxed);
        for who in self.members(socket) {
            self.happens(who, Stimulus::Disconnected);
        }
    }
}
