//! A simulated responder: follows its offers over HTTP, answers them, goes there, reports.
//!
//! It uses what a responder's own application would: `GET /api/v1/offers/live` for its offers, the
//! calls of an offer to answer and report, `PUT /api/v1/responder/position` for where it is. It comes
//! back for ever when the server is away.
//!
//! A [`crew`] is many of them that cost little: they share one client, nobody of them holds a stream
//! open, and what is asked of one is pushed to an address that all of them share.

pub mod crew;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::ground::Point;
use crate::secret::Secret;
use crate::sse;

/// A call that takes longer has failed.
const CALL_WITHIN: Duration = Duration::from_secs(10);
/// The server says something at least each 10 s; three times that, and the stream is dead.
const STREAM_SILENT_FOR: Duration = Duration::from_secs(30);
/// How often somebody looks for offers who is woken when there is one.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How fast somebody goes about while nothing is asked of them.
const STROLL_M_S: f64 = 1.2;
/// A call that failed is tried again after this.
const CALL_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// One responder.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server is: `http://127.0.0.1:8080`.
    pub api: String,
    /// The responder's bearer token.
    pub token: Secret,
    /// What it does with an offer.
    pub behaviour: Behaviour,
    /// Where it starts; `None` when it never tells where it is.
    pub place: Option<Point>,
    /// How fast it travels.
    pub speed_kmh: f64,
    /// How many simulated seconds pass in a real one, while it travels and works. Answers are given in
    /// real time, because the server's deadlines are.
    pub time_scale: f64,
    /// How long it works on the scene, in simulated time.
    pub on_scene: Duration,
    /// How often it tells where it is while it travels.
    pub report_every: Duration,
    /// How often it tells where it is otherwise.
    pub report_idle_every: Duration,
    /// How far it goes about from where it starts while nothing is asked of it.
    pub patrol_m: f64,
    /// How it hears of its offers.
    pub hears: Hears,
}

/// How a responder hears of its offers.
#[derive(Debug, Clone, Default)]
pub enum Hears {
    /// It holds a stream open.
    #[default]
    OnAStream,
    /// It looks when it is woken, and now and then, with a client that it shares.
    WhenWoken {
        /// Woken by what is pushed.
        wakes: Arc<Notify>,
        /// Shared.
        client: reqwest::Client,
    },
}

impl Config {
    /// Somebody on an electric bicycle who takes what comes.
    pub fn new(api: impl Into<String>, token: impl Into<Secret>) -> Self {
        Self {
            api: api.into(),
            token: token.into(),
            behaviour: Behaviour::default(),
            place: None,
            speed_kmh: 25.0,
            time_scale: 1.0,
            on_scene: Duration::from_mins(5),
            report_every: Duration::from_secs(5),
            report_idle_every: Duration::from_secs(30),
            patrol_m: 0.0,
            hears: Hears::default(),
        }
    }
}

/// What a responder does with an offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Behaviour {
    /// Accepts, goes there, works, finishes.
    Accept {
        /// Thinks for this long, in seconds.
        #[serde(default)]
        after_s: u32,
        /// The minutes that it promises; when absent, what the distance takes.
        #[serde(default)]
        minutes: Option<u16>,
    },
    /// Says no.
    Decline {
        /// Thinks for this long, in seconds.
        #[serde(default)]
        after_s: u32,
        /// Why.
        reason: String,
    },
    /// Never answers.
    Silent,
    /// Accepts, and is never heard of again.
    Vanish {
        /// Thinks for this long, in seconds.
        #[serde(default)]
        after_s: u32,
        /// The minutes that it promises.
        #[serde(default)]
        minutes: Option<u16>,
    },
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::Accept { after_s: 3, minutes: None }
    }
}

/// A behaviour that is no word of ours and no JSON of one.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is none of accept, decline, silent, vanish, and no JSON of one")]
pub struct UnknownBehaviour(String);

impl FromStr for Behaviour {
    type Err = UnknownBehaviour;

    fn from_str(text: &str) -> Result<Self, UnknownBehaviour> {
        match text {
            "accept" => Ok(Self::default()),
            "decline" => Ok(Self::Decline { after_s: 3, reason: "busy elsewhere".into() }),
            "silent" => Ok(Self::Silent),
            "vanish" => Ok(Self::Vanish { after_s: 3, minutes: Some(5) }),
            json => serde_json::from_str(json).map_err(|_| UnknownBehaviour(text.into())),
        }
    }
}

/// Why a responder does not start.
#[derive(Debug, thiserror::Error)]
pub enum ResponderError {
    /// The HTTP client cannot be made.
    #[error("no HTTP client")]
    Client(#[source] reqwest::Error),
    /// A speed or time scale that leads nowhere.
    #[error("speed and time scale have to be positive numbers")]
    Speed,
}

/// Runs one until `stop`.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), ResponderError> {
    if !(config.speed_kmh > 0.0 && config.time_scale > 0.0 && config.time_scale.is_finite()) {
        return Err(ResponderError::Speed);
    }
    let api = Api::new(&config)?;
    let (tell, offers) = watch::channel(Vec::new());
    let following = follow(api.clone(), tell, config.hears.clone());
    let work = Work { place: config.place, strolls_to: None, last_report: None, jobs: BTreeMap::new(), config, api };
    tokio::select! {
        () = stop.cancelled() => {}
        () = following => {}
        () = work.run(offers) => {}
    }
    Ok(())
}

/// An offer, as far as a responder has to know it.
#[derive(Debug, Clone, Deserialize)]
struct Offer {
    id: Uuid,
    state: State,
    incident: Incident,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Asked,
    Accepted,
    OnTheWay,
    OnScene,
    #[serde(other)]
    Over,
}

#[derive(Debug, Clone, Deserialize)]
struct Incident {
    #[serde(default)]
    place: Option<Point>,
}

#[derive(Debug, Deserialize)]
struct Offers {
    offers: Vec<Offer>,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Done,
    /// The server understood, and will not.
    Refused,
    /// Try again.
    Failed,
}

/// The server, as this responder sees it.
#[derive(Debug, Clone)]
struct Api {
    client: reqwest::Client,
    base: String,
    token: Secret,
}

impl Api {
    fn new(config: &Config) -> Result<Self, ResponderError> {
        let client = match &config.hears {
            Hears::OnAStream => client()?,
            Hears::WhenWoken { client, .. } => client.clone(),
        };
        let base = config.api.trim_end_matches('/');
        let base = if base.ends_with("/api/v1") { base.to_owned() } else { format!("{base}/api/v1") };
        Ok(Self { client, base, token: config.token.clone() })
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(self.token.reveal())
    }

    async fn call(&self, request: reqwest::RequestBuilder, body: serde_json::Value) -> Answer {
        match request.timeout(CALL_WITHIN).json(&body).send().await {
            Ok(response) if response.status().is_success() => Answer::Done,
            Ok(response) => match response.status() {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::UNAUTHORIZED => {
                    Answer::Failed
                }
                status if status.is_client_error() => Answer::Refused,
                _ => Answer::Failed,
            },
            Err(_) => Answer::Failed,
        }
    }

    async fn post(&self, offer: Uuid, verb: &str, body: serde_json::Value) -> Answer {
        let request = self.request(reqwest::Method::POST, &format!("/offers/{offer}/{verb}"));
        let answer = self.call(request, body).await;
        match answer {
            Answer::Done => tracing::info!(%offer, verb, "the responder reported"),
            Answer::Refused => tracing::info!(%offer, verb, "the server refused what the responder reported"),
            Answer::Failed => tracing::info!(%offer, verb, "the server did not take it; once more soon"),
        }
        answer
    }
}

fn client() -> Result<reqwest::Client, ResponderError> {
    reqwest::Client::builder().connect_timeout(CALL_WITHIN).no_proxy().build().map_err(ResponderError::Client)
}

/// Follows the offers for ever.
async fn follow(api: Api, offers: watch::Sender<Vec<Offer>>, hears: Hears) {
    match hears {
        Hears::OnAStream => follow_stream(api, offers).await,
        Hears::WhenWoken { wakes, .. } => look_when_woken(api, offers, &wakes).await,
    }
}

/// Looks for offers when woken. What somebody else changes about them is pushed too; looking now and then
/// is for what was pushed while nobody listened.
async fn look_when_woken(api: Api, offers: watch::Sender<Vec<Offer>>, wakes: &Notify) {
    // Not all of them in the same moment.
    let mut again_after = LOOK_EVERY.mul_f64(rand::random_range(0.0..=1.0));
    loop {
        let _in_time = timeout(again_after, wakes.notified()).await;
        let request = api.request(reqwest::Method::GET, "/offers").timeout(CALL_WITHIN).send();
        let list = async { request.await?.error_for_status()?.json::<Offers>().await };
        again_after = match list.await {
            Ok(list) => {
                offers.send_replace(list.offers);
                LOOK_EVERY
            }
            Err(error) => {
                tracing::debug!(%error, "the responder could not look for offers");
                CALL_AGAIN_AFTER
            }
        };
    }
}

/// Follows the stream of offers for ever.
async fn follow_stream(api: Api, offers: watch::Sender<Vec<Offer>>) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let why = follow_once(&api, &offers, &mut backoff).await;
        let wait = backoff.wait();
        tracing::debug!(why, "the stream of offers ended; once more soon");
        sleep(wait).await;
    }
}

/// Follows one stream to its end, and says how it ended.
async fn follow_once(api: &Api, offers: &watch::Sender<Vec<Offer>>, backoff: &mut Backoff) -> String {
    let request = api.request(reqwest::Method::GET, "/offers/live").header("accept", "text/event-stream");
    let response = match timeout(CALL_WITHIN, request.send()).await {
        Ok(Ok(response)) if response.status().is_success() => response,
        Ok(Ok(response)) => {
            tracing::warn!(status = response.status().as_u16(), "the server does not show this responder its offers");
            return format!("answered {}", response.status());
        }
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "no answer".into(),
    };
    let mut bytes = response.bytes_stream();
    let mut reader = sse::Reader::default();
    loop {
        let piece = match timeout(STREAM_SILENT_FOR, bytes.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => return error.to_string(),
            Ok(None) => return "closed".into(),
            Err(_) => return "silent".into(),
        };
        let events = match reader.read(&piece) {
            Ok(events) => events,
            Err(error) => return error.to_string(),
        };
        for event in events.iter().filter(|event| event.name == "offers") {
            match serde_json::from_str::<Offers>(&event.data) {
                Ok(list) => {
                    backoff.reset();
                    offers.send_replace(list.offers);
                }
                Err(error) => tracing::warn!(%error, "a list of offers that the responder cannot read"),
            }
        }
    }
}

/// Where the responder stands with one offer.
#[derive(Debug, Clone, Copy)]
enum Job {
    /// Has seen it and will answer.
    Considering {
        answer_at: Instant,
    },
    /// Has accepted; has still to say that it is on the way.
    SettingOff {
        at: Instant,
    },
    Travelling {
        arrive_by: Instant,
    },
    /// Is there; has still to say so.
    Arriving {
        at: Instant,
    },
    OnScene {
        until: Instant,
    },
    /// Nothing more will come from this responder.
    Over,
}

/// The responder at work.
struct Work {
    config: Config,
    api: Api,
    place: Option<Point>,
    /// Where it goes while nothing is asked of it.
    strolls_to: Option<Point>,
    last_report: Option<Instant>,
    /// By offer, so the oldest first: their ids carry their time.
    jobs: BTreeMap<Uuid, (Job, Option<Point>)>,
}

impl Work {
    async fn run(mut self, mut offers: watch::Receiver<Vec<Offer>>) {
        let mut moves = tokio::time::interval(self.config.report_every.max(Duration::from_millis(1)));
        moves.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut moved_at = Instant::now();
        loop {
            let due = self.next_due();
            tokio::select! {
                changed = offers.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let list = offers.borrow_and_update().clone();
                    self.see(&list);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.act().await,
                _ = moves.tick() => {
                    let now = Instant::now();
                    self.travel(now.duration_since(moved_at)).await;
                    moved_at = now;
                }
            }
        }
    }

    /// Compares the offers that the server tells of with what is being done.
    fn see(&mut self, offers: &[Offer]) {
        self.jobs.retain(|id, _| offers.iter().any(|offer| offer.id == *id && offer.state != State::Over));
        let now = Instant::now();
        for offer in offers {
            let goal = offer.incident.place;
            if let Some((_, known)) = self.jobs.get_mut(&offer.id) {
                *known = goal.or(*known);
                continue;
            }
            let job = match (offer.state, &self.config.behaviour) {
                (State::Over, _) => continue,
                (
                    State::Asked,
                    Behaviour::Accept { after_s, .. }
                    | Behaviour::Decline { after_s, .. }
                    | Behaviour::Vanish { after_s, .. },
                ) => Job::Considering { answer_at: now + Duration::from_secs(u64::from(*after_s)) },
                (_, Behaviour::Silent | Behaviour::Decline { .. } | Behaviour::Vanish { .. }) => Job::Over,
                // Begun before this simulator was started: goes on with it.
                (State::Accepted, Behaviour::Accept { .. }) => Job::SettingOff { at: now },
                (State::OnTheWay, Behaviour::Accept { .. }) => {
                    Job::Travelling { arrive_by: now + self.travel_time(goal) }
                }
                (State::OnScene, Behaviour::Accept { .. }) => {
                    Job::OnScene { until: now + self.scaled(self.config.on_scene) }
                }
            };
            self.jobs.insert(offer.id, (job, goal));
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let due = self.jobs.values().filter_map(|(job, goal)| match *job {
            Job::Considering { answer_at: at }
            | Job::SettingOff { at }
            | Job::Arriving { at }
            | Job::OnScene { until: at } => Some(at),
            // With both places known it is the distance that decides, not the time.
            Job::Travelling { .. } if goal.is_some() && self.place.is_some() => None,
            Job::Travelling { arrive_by } => Some(arrive_by),
            Job::Over => None,
        });
        due.min()
    }

    /// Does what is due.
    async fn act(&mut self) {
        let now = Instant::now();
        let jobs: Vec<_> = self.jobs.iter().map(|(id, (job, goal))| (*id, *job, *goal)).collect();
        for (offer, job, goal) in jobs {
            let next = match job {
                Job::Considering { answer_at } if answer_at <= now => self.answer(offer, goal).await,
                Job::SettingOff { at } if at <= now => {
                    let body = json!({ "minutes": self.minutes(goal) });
                    match self.api.post(offer, "on-the-way", body).await {
                        Answer::Done => Job::Travelling { arrive_by: now + self.travel_time(goal) },
                        Answer::Refused => Job::Over,
                        Answer::Failed => Job::SettingOff { at: now + CALL_AGAIN_AFTER },
                    }
                }
                Job::Travelling { arrive_by } if arrive_by <= now && (goal.is_none() || self.place.is_none()) => {
                    Job::Arriving { at: now }
                }
                Job::Arriving { at } if at <= now => match self.api.post(offer, "arrived", json!({})).await {
                    Answer::Done => Job::OnScene { until: now + self.scaled(self.config.on_scene) },
                    Answer::Refused => Job::Over,
                    Answer::Failed => Job::Arriving { at: now + CALL_AGAIN_AFTER },
                },
                Job::OnScene { until } if until <= now => match self.api.post(offer, "done", json!({})).await {
                    Answer::Done | Answer::Refused => Job::Over,
                    Answer::Failed => Job::OnScene { until: now + CALL_AGAIN_AFTER },
                },
                _ => continue,
            };
            self.jobs.insert(offer, (next, goal));
        }
    }

    async fn answer(&self, offer: Uuid, goal: Option<Point>) -> Job {
        let (verb, body, next) = match &self.config.behaviour {
            Behaviour::Accept { .. } => {
                ("accept", json!({ "minutes": self.minutes(goal) }), Job::SettingOff { at: Instant::now() })
            }
            Behaviour::Vanish { minutes, .. } => ("accept", json!({ "minutes": minutes }), Job::Over),
            Behaviour::Decline { reason, .. } => ("decline", json!({ "reason": reason }), Job::Over),
            Behaviour::Silent => return Job::Over,
        };
        match self.api.post(offer, verb, body).await {
            Answer::Done => next,
            Answer::Refused => Job::Over,
            Answer::Failed => Job::Considering { answer_at: Instant::now() + CALL_AGAIN_AFTER },
        }
    }

    /// Moves on for `elapsed` real time, and tells where it is when that is due.
    async fn travel(&mut self, elapsed: Duration) {
        let Some(place) = self.place else { return };
        let goal = self.jobs.iter().find_map(|(id, (job, goal))| match job {
            Job::Travelling { .. } => Some((*id, (*goal)?)),
            _ => None,
        });
        let idle_report_due = self.last_report.is_none_or(|at| at.elapsed() >= self.config.report_idle_every);
        let Some((offer, goal)) = goal else {
            let place = self.stroll(place, elapsed);
            if idle_report_due && !self.has_vanished() {
                self.tell_place(place).await;
            }
            return;
        };
        let step_m = self.config.speed_kmh / 3.6 * elapsed.as_secs_f64() * self.config.time_scale;
        let place = place.towards(goal, step_m);
        self.place = Some(place);
        self.tell_place(place).await;
        if place == goal {
            self.jobs.insert(offer, (Job::Arriving { at: Instant::now() }, Some(goal)));
        }
    }

    /// Goes about near where it started, unless it has something to do.
    fn stroll(&mut self, place: Point, elapsed: Duration) -> Point {
        let Some(post) = self.config.place.filter(|_| self.config.patrol_m > 0.0) else { return place };
        if self.jobs.values().any(|(job, _)| !matches!(job, Job::Over)) {
            return place;
        }
        let patrol_m = self.config.patrol_m;
        let goal = *self.strolls_to.get_or_insert_with(|| {
            let aside_m = || rand::random_range(-patrol_m..=patrol_m);
            post.moved(aside_m(), aside_m())
        });
        // Back from far away one rides.
        let is_far = place.distance_m(post) > 2.0 * patrol_m;
        let pace_m_s = if is_far { self.config.speed_kmh / 3.6 * self.config.time_scale } else { STROLL_M_S };
        let place = place.towards(goal, pace_m_s * elapsed.as_secs_f64());
        if place == goal {
            self.strolls_to = None;
        }
        self.place = Some(place);
        place
    }

    async fn tell_place(&mut self, Point { lat, lon }: Point) {
        self.last_report = Some(Instant::now());
        let request = self.api.request(reqwest::Method::PUT, "/responder/position");
        let body = json!({ "lat": lat, "lon": lon, "accuracy_m": 10.0 });
        if self.api.call(request, body).await != Answer::Done {
            tracing::debug!("the server did not take the responder's position");
        }
    }

    /// Somebody who has vanished tells nothing, not even where they are.
    fn has_vanished(&self) -> bool {
        matches!(self.config.behaviour, Behaviour::Vanish { .. })
            && self.jobs.values().any(|(job, _)| matches!(job, Job::Over))
    }

    fn scaled(&self, simulated: Duration) -> Duration {
        Duration::try_from_secs_f64(simulated.as_secs_f64() / self.config.time_scale).unwrap_or(Duration::MAX / 4)
    }

    /// What it tells: its promise, else what the distance takes, at least a minute.
    fn minutes(&self, goal: Option<Point>) -> u16 {
        if let Behaviour::Accept { minutes: Some(minutes), .. } = self.config.behaviour {
            return minutes;
        }
        let Some((place, goal)) = self.place.zip(goal) else { return 5 };
        let minutes = (place.distance_m(goal) / (self.config.speed_kmh / 3.6) / 60.0).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
        let minutes = minutes.clamp(1.0, 999.0) as u16;
        minutes
    }

    /// How long it is under way, in real time, when the places are not known.
    fn travel_time(&self, goal: Option<Point>) -> Duration {
        self.scaled(Duration::from_secs(60 * u64::from(self.minutes(goal))))
    }
}
