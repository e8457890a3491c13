//! Many pagers that live an ordinary day ([`crate::day`]) on MQTT: each on a connection of its own, with
//! one clock for all of them.
//!
//! A pager of the fleet gives way. When somebody else connects in its name ([`client_id`]), it takes that
//! for the same pager in another hand: it stays away, looks in again after a while, and is thrown out again
//! without having said a word. So one wearer of a living district can be led astray by `firmware-sim wander`.
//! Where nobody takes pagers, they can be told to come back at once ([`ThrownOut`]).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use town::dice::Dice;
use town::ground::Point;
use town::people::{Habit, Haunt};

use crate::backoff::Backoff;
use crate::clock;
use crate::day::{Life, SimTime};
use crate::device::Settings;
use crate::pager::{self, Input, PagerError, Session};
use crate::secret::Secret;

/// One after the other, so that a server sees no storm that no district would make.
const START_EVERY: Duration = Duration::from_millis(25);
/// Nobody notices more often, however fast the days go.
const AGAIN_AFTER_MIN: Duration = Duration::from_millis(500);
/// See the module: how long a pager stays away that was thrown out.
const AWAY_FIRST: Duration = Duration::from_secs(8);
const AWAY_MOST: Duration = Duration::from_mins(10);
/// A connection that has held for so long is nobody else's.
const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// What a pager may have waiting when its connection is slow.
const INPUTS_MAX: usize = 8;

/// Somebody who wears a pager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wearer {
    /// The terminal's serial, which is in its topics.
    pub serial: String,
    /// Its MQTT user name.
    pub login: String,
    /// Its MQTT password.
    pub secret: String,
    /// Where they live.
    #[serde(flatten)]
    pub home: Point,
    /// How their days go.
    #[serde(default)]
    pub habit: Habit,
    /// Where they go.
    #[serde(default)]
    pub haunts: Vec<Haunt>,
}

/// What a pager does when its connection breaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThrownOut {
    /// Gives way to whoever may have taken its place.
    #[default]
    StaysAway,
    /// Takes it that the server was away, and looks again soon.
    ComesBack,
}

/// How a fleet lives.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it connects to: `host:port`.
    pub broker: String,
    /// What the days are made of.
    pub seed: u64,
    /// How many simulated seconds pass in a real one.
    pub speed: f64,
    /// The time of day at which it begins, in seconds.
    pub starts_at: SimTime,
    /// How many calls for help a simulated hour brings, on the whole.
    pub sos_per_hour: f64,
    /// What its pagers do when their connections break.
    pub thrown_out: ThrownOut,
}

impl Config {
    /// An ordinary morning in real time.
    pub fn new(broker: impl Into<String>) -> Self {
        Self {
            broker: broker.into(),
            seed: town::SEED,
            speed: 1.0,
            starts_at: 8 * 3600 + 1800,
            sos_per_hour: 0.0,
            thrown_out: ThrownOut::default(),
        }
    }
}

/// Why a fleet does not start.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A speed or rate that leads nowhere.
    #[error("speed has to be a positive number, and calls for help no negative one")]
    Speed,
    /// A pager does not start.
    #[error(transparent)]
    Pager(#[from] PagerError),
}

/// The MQTT client id of a fleet's pager: whoever connects with the same one takes its place.
pub fn client_id(serial: &str) -> String {
    format!("{serial}-worn")
}

/// Runs a fleet until `stop`.
pub async fn run(config: Config, wearers: Vec<Wearer>, stop: CancellationToken) -> Result<(), FleetError> {
    let [speed, sos_per_hour] = [config.speed, config.sos_per_hour].map(|rate| rate.is_finite().then_some(rate));
    if speed.is_none_or(|speed| speed <= 0.0) || sos_per_hour.is_none_or(|rate| rate < 0.0) {
        return Err(FleetError::Speed);
    }
    let mut pagers = JoinSet::new();
    let mut fleet = Fleet::new(&config, wearers.len());
    for (wearer, starts_at) in wearers.into_iter().zip(fleet.starts()) {
        let (inputs, felt) = mpsc::channel(INPUTS_MAX);
        let pager = pager_of(&config, &wearer);
        let Wearer { serial, home, habit, haunts, .. } = wearer;
        fleet.join(Life::new(config.seed, &serial, home, habit, haunts, config.starts_at), inputs);
        // What happens to it is nobody's business here: the server sees it.
        let (events, _) = mpsc::channel(1);
        let stop = stop.clone();
        pagers.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                () = sleep_until(starts_at) => pager::run(pager, felt, events, stop.clone()).await,
            }
        });
    }
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = fleet.live() => Ok(()),
        Some(Ok(Err(error))) = pagers.join_next() => Err(error.into()),
    };
    if ended.is_ok() {
        stop.cancelled().await;
    }
    // Those that run say goodbye.
    while pagers.join_next().await.is_some() {
        if ended.is_err() {
            pagers.abort_all();
        }
    }
    ended
}

fn pager_of(config: &Config, wearer: &Wearer) -> pager::Config {
    let ordinary = pager::Config::new(&config.broker, &wearer.serial, Secret::from(wearer.secret.as_str()));
    let (stays_away, settled_after) = match config.thrown_out {
        ThrownOut::StaysAway => (Backoff::new(AWAY_FIRST, AWAY_MOST), SETTLED_AFTER),
        ThrownOut::ComesBack => (ordinary.stays_away.clone(), ordinary.settled_after),
    };
    pager::Config {
        login: wearer.login.clone(),
        client_id: client_id(&wearer.serial),
        session: Session::Forgotten,
        device: Settings::new(&wearer.serial, clock::boot()),
        tick_every: Duration::from_secs(5),
        stays_away,
        settled_after,
        ..ordinary
    }
}

/// Their lives, and who has something to do next.
struct Fleet {
    lives: Vec<(Life, mpsc::Sender<Input>)>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    began: Instant,
    starts_at: SimTime,
    speed: f64,
    dice: Dice,
    sos_per_hour: f64,
}

impl Fleet {
    fn new(config: &Config, size: usize) -> Self {
        Self {
            lives: Vec::with_capacity(size),
            due: BinaryHeap::with_capacity(size),
            began: Instant::now(),
            starts_at: config.starts_at,
            speed: config.speed,
            dice: Dice::named(config.seed, "sos"),
            sos_per_hour: config.sos_per_hour,
        }
    }

    fn starts(&self) -> impl Iterator<Item = Instant> + use<> {
        let began = self.began;
        (0..).map(move |place| began + START_EVERY * place)
    }

    fn join(&mut self, life: Life, inputs: mpsc::Sender<Input>) {
        self.due.push(Reverse((self.instant(life.next_at()), self.lives.len())));
        self.lives.push((life, inputs));
    }

    /// When a simulated time comes.
    #[expect(clippy::cast_precision_loss, reason = "seconds of days")]
    fn instant(&self, at: SimTime) -> Instant {
        self.began + Duration::from_secs_f64(at.saturating_sub(self.starts_at) as f64 / self.speed)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of days")]
    fn now(&self) -> SimTime {
        self.starts_at + (self.began.elapsed().as_secs_f64() * self.speed) as SimTime
    }

    /// Lives on for as long as anybody is there.
    async fn live(mut self) {
        let mut next_sos = self.next_sos();
        loop {
            let due = self.due.peek().map(|Reverse((at, _))| *at);
            let Some(next) = due.into_iter().chain(next_sos).min() else { return };
            sleep_until(next).await;
            if next_sos.is_some_and(|at| at <= Instant::now()) && !self.lives.is_empty() {
                let who = self.dice.index(self.lives.len());
                let (life, inputs) = &self.lives[who];
                let _has_enough_to_do = inputs.try_send(life.calls_for_help());
                next_sos = self.next_sos();
            }
            while let Some(Reverse((at, who))) = self.due.peek().copied()
                && at <= Instant::now()
            {
                self.due.pop();
                let now = self.now();
                let (life, inputs) = &mut self.lives[who];
                for mut input in life.live(now.max(life.next_at())) {
                    if let Input::Located(fix) = &mut input {
                        fix.at = Some(clock::now());
                    }
                    // A pager that cannot keep up misses some of its day; so would a real one.
                    let _missed = inputs.try_send(input);
                }
                let next_at = life.next_at();
                let again = self.instant(next_at).max(Instant::now() + AGAIN_AFTER_MIN);
                self.due.push(Reverse((again, who)));
            }
        }
    }

    /// The next call for help, when there are any: at random, so many an hour on the whole.
    fn next_sos(&mut self) -> Option<Instant> {
        let wait_h = -(1.0 - self.dice.within(0.0, 1.0)).ln() / self.sos_per_hour;
        let wait = Duration::try_from_secs_f64(wait_h * 3600.0 / self.speed).ok()?;
        Instant::now().checked_add(wait)
    }
}
