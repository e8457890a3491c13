//! A simulated 120 centre: receives hand-overs as `wire::centre` or `wire::cap` tells, reports progress as a real
//! one would, and can be slow, refuse, lie or be down. Where it has stations, a vehicle drives from the nearest
//! one, and each few seconds the centre tells where it is.
//!
//! It listens twice. On the first address it takes messages (`POST` to any path). On the control
//! address, which stays open even when the centre refuses connections, `GET /cases` tells what it has
//! received and `PUT /behaviour` changes what it does; both also work on the first. It is a test's far
//! end: keep it on loopback.

mod behaviour;
mod format;
mod gate;
mod tls;
mod vehicle;

use std::collections::{BTreeMap, HashMap};
use std::future::IntoFuture as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use wire::centre::{Message, Progress, Purpose, Status};
use wire::signature;

pub use behaviour::{Behaviour, Delays, Down, UnknownBehaviour};
pub use format::{Format, UnknownFormat};
pub use tls::{Tls, TlsError};

use crate::backoff::Backoff;
use crate::clock;
use crate::ground::Point;
use crate::secret::Secret;
use behaviour::wait;
use gate::{Gate, Passage};
use tls::Shaken;
use vehicle::Drive;

/// Cases remembered; the oldest is forgotten first.
const CASES_MAX: usize = 10_000;
const MESSAGE_MAX_BYTES: usize = 256 * 1024;
/// A report that takes longer has failed.
const REPORT_WITHIN: Duration = Duration::from_secs(10);
/// How often a report is tried before the centre gives up on it.
const REPORT_TRIES: u32 = 8;
/// How long the listening socket may take to open or shut.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// One centre.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it takes messages; the port may be 0.
    pub listen: SocketAddr,
    /// Where it is controlled; the port may be 0.
    pub control: SocketAddr,
    /// Signs in both directions.
    pub secret: Secret,
    /// What it does, until it is told otherwise.
    pub behaviour: Behaviour,
    /// Where its vehicles stand; without any, it tells of none.
    pub stations: Vec<Point>,
    /// In what it is told, and answers.
    pub format: Format,
    /// How it serves https; without it, http. The control address is always http.
    pub tls: Option<Tls>,
}

impl Config {
    /// A centre on loopback, on ports of the system's choice.
    pub fn new(secret: impl Into<Secret>, behaviour: Behaviour) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: any,
            control: any,
            secret: secret.into(),
            behaviour,
            stations: Vec::new(),
            format: Format::Json,
            tls: None,
        }
    }
}

/// Why a centre does not start, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum CentreError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The HTTP client for the reports cannot be made.
    #[error("no HTTP client")]
    Client(#[source] reqwest::Error),
    /// The server has ended by itself.
    #[error("the centre's server ended")]
    Server(#[source] io::Error),
}

/// What a centre has received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cases {
    /// Each hand-over that it has taken, oldest first.
    pub cases: Vec<Case>,
    /// Every POST that reached it, whatever became of it.
    pub attempts: u64,
    /// Those among them whose signature was wrong.
    pub badly_signed: u64,
}

/// One hand-over, as the centre has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The hand-over.
    pub id: Uuid,
    /// The incident.
    pub incident: Uuid,
    /// What was asked for last.
    pub purpose: Purpose,
    /// How often a request for help was taken, copies included.
    pub times_received: u32,
    /// How often a stand-down was taken, copies included.
    pub times_stood_down: u32,
    /// How often an update was taken, copies included.
    #[serde(default)]
    pub times_updated: u32,
    /// An exercise.
    pub drill: bool,
    /// The centre's own number for it.
    pub reference: String,
    /// The different idempotency keys that its messages came with.
    pub idempotency_keys: Vec<String>,
    /// What the server has taken of its reports, in order.
    pub reported: Vec<Progress>,
    /// The message as it came last.
    pub message: Message,
}

/// A centre that runs as a task.
#[derive(Debug)]
pub struct Centre {
    addr: SocketAddr,
    scheme: &'static str,
    control_addr: SocketAddr,
    desk: Arc<Desk>,
    servers: [JoinHandle<io::Result<()>>; 2],
}

/// Starts one, until `stop`.
pub async fn start(config: Config, stop: CancellationToken) -> Result<Centre, CentreError> {
    let failed = |addr| move |source| CentreError::Listen { addr, source };
    let (passage, wanted) = watch::channel(config.behaviour.passage());
    let (gate, present) = Gate::bind(config.listen, wanted).map_err(failed(config.listen))?;
    let control = TcpListener::bind(config.control).await.map_err(failed(config.control))?;
    let control_addr = control.local_addr().map_err(failed(config.control))?;
    let addr = axum::serve::Listener::local_addr(&gate).map_err(failed(config.listen))?;
    let desk = Arc::new(Desk {
        secret: config.secret,
        stations: config.stations,
        format: config.format,
        client: reqwest::Client::builder().timeout(REPORT_WITHIN).no_proxy().build().map_err(CentreError::Client)?,
        behaviour: watch::Sender::new(config.behaviour),
        passage,
        present,
        book: Mutex::default(),
        stories: TaskTracker::new(),
        stop: stop.clone(),
    });
    let router =
        Router::new().route("/cases", get(show_cases)).route("/behaviour", get(show_behaviour).put(change_behaviour));
    let open = router
        .clone()
        .fallback(receive)
        // A connection that is kept alive would get past a shut gate.
        .layer(axum::middleware::map_response(async |mut response: Response| {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }));
    let serve = |router: Router<Arc<Desk>>| {
        router.layer(DefaultBodyLimit::max(MESSAGE_MAX_BYTES)).with_state(Arc::clone(&desk))
    };
    let stopped = stop.clone().cancelled_owned();
    let open = serve(open);
    let (scheme, messages) = match config.tls {
        None => ("http", tokio::spawn(axum::serve(gate, open).with_graceful_shutdown(stopped).into_future())),
        Some(tls) => {
            let gate = Shaken::over(gate, tls);
            ("https", tokio::spawn(axum::serve(gate, open).with_graceful_shutdown(stopped).into_future()))
        }
    };
    let stopped = stop.cancelled_owned();
    let controls = axum::serve(control, serve(router)).with_graceful_shutdown(stopped).into_future();
    let servers = [messages, tokio::spawn(controls)];
    let centre = Centre { addr, scheme, control_addr, desk, servers };
    centre.desk.gate_turned().await;
    Ok(centre)
}

impl Centre {
    /// Where it takes messages.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where messages are to be posted.
    pub fn url(&self) -> String {
        format!("{}://{}/handovers", self.scheme, self.addr)
    }

    /// Where it is controlled.
    pub const fn control_addr(&self) -> SocketAddr {
        self.control_addr
    }

    /// What it has received so far.
    pub fn cases(&self) -> Cases {
        self.desk.book.lock().cases()
    }

    /// Changes what it does with the next message. A story that has begun goes on as it was.
    pub async fn behave(&self, behaviour: Behaviour) {
        self.desk.behave(behaviour).await;
    }

    /// Waits until it has been stopped.
    pub async fn stopped(self) -> Result<(), CentreError> {
        for server in self.servers {
            server
                .await
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
                .map_err(CentreError::Server)?;
        }
        self.desk.stories.close();
        self.desk.stories.wait().await;
        Ok(())
    }
}

impl Behaviour {
    fn passage(&self) -> Passage {
        if *self == (Self::Down { how: Down::Refuses }) { Passage::Shut } else { Passage::Open }
    }
}

/// The centre's inside.
#[derive(Debug)]
struct Desk {
    secret: Secret,
    stations: Vec<Point>,
    format: Format,
    client: reqwest::Client,
    behaviour: watch::Sender<Behaviour>,
    passage: watch::Sender<Passage>,
    present: watch::Receiver<Passage>,
    book: Mutex<Book>,
    stories: TaskTracker,
    stop: CancellationToken,
}

/// What the centre has written down.
#[derive(Debug, Default)]
struct Book {
    /// By number, so the oldest first.
    entries: BTreeMap<u64, Entry>,
    numbers: HashMap<Uuid, u64>,
    last_number: u64,
    attempts: u64,
    badly_signed: u64,
    /// Which hand-over an idempotency key came with.
    keys: HashMap<String, Uuid>,
    /// Copies of each hand-over that a stuttering centre has not taken.
    stuttered: HashMap<Uuid, u32>,
}

#[derive(Debug)]
struct Entry {
    case: Case,
    /// Cancelled by a stand-down.
    story: CancellationToken,
}

/// A message that the centre has taken.
struct Taken {
    reference: String,
    /// What is to be told because of it; `None` for a copy.
    story: Option<CancellationToken>,
}

impl Book {
    fn cases(&self) -> Cases {
        let cases = self.entries.values().map(|entry| entry.case.clone()).collect();
        Cases { cases, attempts: self.attempts, badly_signed: self.badly_signed }
    }

    fn entry(&mut self, handover: Uuid) -> Option<&mut Entry> {
        self.entries.get_mut(self.numbers.get(&handover)?)
    }

    /// Whether this copy of a message is one of the first `times`, which are not taken.
    fn stutters(&mut self, handover: Uuid, times: u32) -> bool {
        if self.stuttered.len() > CASES_MAX {
            self.stuttered.clear();
        }
        let seen = self.stuttered.entry(handover).or_default();
        *seen = seen.saturating_add(1);
        *seen <= times
    }

    /// Writes a message down. `None` when its key was used for another hand-over.
    fn take(&mut self, key: &str, message: Message, stop: &CancellationToken) -> Option<Taken> {
        if *self.keys.entry(key.to_owned()).or_insert(message.handover) != message.handover {
            return None;
        }
        let (id, purpose) = (message.handover, message.purpose);
        if self.entry(id).is_none() {
            self.open(message.clone(), stop);
        }
        let entry = self.entry(id)?;
        let case = &mut entry.case;
        let times = match purpose {
            Purpose::Help => &mut case.times_received,
            Purpose::StandDown => &mut case.times_stood_down,
            Purpose::Update => &mut case.times_updated,
        };
        *times += 1;
        let first = *times == 1;
        // A copy of the request that overtakes its withdrawal does not call the vehicle back.
        if purpose == Purpose::StandDown || case.times_stood_down == 0 {
            // Who hears more of a case still goes.
            case.purpose = if purpose == Purpose::Update { Purpose::Help } else { purpose };
            case.drill = message.drill;
            case.message = message;
        }
        if !case.idempotency_keys.iter().any(|known| known == key) {
            case.idempotency_keys.push(key.to_owned());
        }
        let reference = case.reference.clone();
        let begins = match purpose {
            Purpose::Help => first && case.times_stood_down == 0,
            Purpose::StandDown => first,
            Purpose::Update => false,
        };
        if begins && purpose == Purpose::StandDown {
            entry.story.cancel();
            entry.story = stop.child_token();
        }
        Some(Taken { reference, story: begins.then(|| entry.story.clone()) })
    }

    fn open(&mut self, message: Message, stop: &CancellationToken) {
        self.last_number += 1;
        let case = Case {
            id: message.handover,
            incident: message.incident,
            purpose: message.purpose,
            times_received: 0,
            times_stood_down: 0,
            times_updated: 0,
            drill: message.drill,
            reference: format!("120-{:06}", self.last_number),
            idempotency_keys: Vec::new(),
            reported: Vec::new(),
            message,
        };
        self.numbers.insert(case.id, self.last_number);
        self.entries.insert(self.last_number, Entry { case, story: stop.child_token() });
        if self.entries.len() > CASES_MAX
            && let Some((_, Entry { case, .. })) = self.entries.pop_first()
        {
            self.numbers.remove(&case.id);
            self.keys.retain(|_, handover| *handover != case.id);
        }
    }
}

/// What the centre answers to a message.
#[derive(Debug, Serialize, Deserialize)]
struct Receipt {
    reference: String,
}

async fn show_cases(State(desk): State<Arc<Desk>>) -> Json<Cases> {
    Json(desk.book.lock().cases())
}

async fn show_behaviour(State(desk): State<Arc<Desk>>) -> Json<Behaviour> {
    Json(desk.behaviour.borrow().clone())
}

async fn change_behaviour(State(desk): State<Arc<Desk>>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    desk.behave(behaviour).await;
    StatusCode::NO_CONTENT
}

async fn receive(State(desk): State<Arc<Desk>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    if method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    desk.book.lock().attempts += 1;
    let behaviour = desk.behaviour.borrow().clone();
    match &behaviour {
        Behaviour::Down { how: Down::Hangs } => {
            desk.hang().await;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Behaviour::Down { .. } => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => {}
    }
    let taken = desk.take(&behaviour, &headers, &body);
    if let Behaviour::Slow { answer_s, .. } = behaviour {
        // It has the message meanwhile, whether or not the sender waits for the answer.
        desk.stop.run_until_cancelled(sleep(wait(answer_s))).await;
    }
    match taken {
        Ok(reference) => Json(Receipt { reference }).into_response(),
        Err(rejection) => {
            tracing::info!(rejection = rejection.1, "the centre did not take a message");
            rejection.into_response()
        }
    }
}

type Rejection = (StatusCode, &'static str);

impl Desk {
    /// Checks a message, writes it down, and begins its story.
    fn take(self: &Arc<Self>, behaviour: &Behaviour, headers: &HeaderMap, body: &[u8]) -> Result<String, Rejection> {
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let now = clock::now();
        let signed = header(signature::HEADER).unwrap_or_default();
        if signature::verify(self.secret.reveal().as_bytes(), now, body, signed).is_err() {
            self.book.lock().badly_signed += 1;
            return Err((StatusCode::UNAUTHORIZED, "the signature is not ours"));
        }
        let key = header("idempotency-key").ok_or((StatusCode::BAD_REQUEST, "an Idempotency-Key is wanted"))?;
        if !self.format.is_of(header("content-type")) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the message is not in this centre's format"));
        }
        let message = self.format.read(body).ok_or((StatusCode::BAD_REQUEST, "the message is not readable"))?;
        if message.version != wire::centre::VERSION {
            return Err((StatusCode::BAD_REQUEST, "the message is of a version that this centre does not know"));
        }
        if message.not_after < now {
            return Err((StatusCode::GONE, "the message is past its not_after"));
        }
        let (handover, purpose, drill) = (message.handover, message.purpose, message.drill);
        let goal = message.place.as_ref().map(|place| Point { lat: place.lat_deg, lon: place.lon_deg });
        let taken = {
            let mut book = self.book.lock();
            if let Behaviour::Stutter { times, .. } = behaviour
                && book.stutters(handover, *times)
            {
                return Err((StatusCode::INTERNAL_SERVER_ERROR, "not yet"));
            }
            book.take(key, message.clone(), &self.stop)
        };
        let Taken { reference, story } =
            taken.ok_or((StatusCode::CONFLICT, "the Idempotency-Key belongs to another hand-over"))?;
        tracing::info!(%handover, ?purpose, drill, copy = story.is_none(), "the centre took a message");
        if let Some(cancelled) = story {
            let mut steps = steps(behaviour, purpose, &reference);
            if let Some(drive) = goal.and_then(|goal| Drive::from_nearest(&self.stations, goal, &reference)) {
                steps = drive.shown_in(steps);
            }
            let desk = Arc::clone(self);
            self.stories.spawn(async move {
                cancelled.run_until_cancelled(desk.tell(&message, steps)).await;
            });
        }
        Ok(reference)
    }

    /// Reports `steps`, each after its wait.
    async fn tell(&self, message: &Message, steps: Vec<(Duration, Status)>) {
        for (wait, status) in steps {
            sleep(wait).await;
            if !self.report(message, &status).await {
                return;
            }
        }
    }

    /// Reports one step, and tries again for a while. Whether to go on with the story.
    async fn report(&self, message: &Message, status: &Status) -> bool {
        let (handover, progress) = (message.handover, status.status);
        let (content_type, body) = self.format.write(message, status, clock::now());
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(15));
        for _ in 0..REPORT_TRIES {
            let signed = signature::sign(self.secret.reveal().as_bytes(), clock::now(), body.as_bytes());
            let request = self
                .client
                .post(&message.status_url)
                .header(header::CONTENT_TYPE, content_type)
                .header(signature::HEADER, signed)
                .body(body.clone());
            match request.send().await {
                Ok(response) if response.status().is_success() => {
                    tracing::info!(%handover, ?progress, "the centre reported");
                    if let Some(entry) = self.book.lock().entry(handover)
                        && !(status.vehicle.is_some() && entry.case.reported.last() == Some(&progress))
                    {
                        entry.case.reported.push(progress);
                    }
                    return true;
                }
                Ok(response) if response.status().is_client_error() => {
                    let status = response.status().as_u16();
                    tracing::warn!(%handover, ?progress, status, "the server refused the centre's report");
                    // What the server will not hear now it may hear later: a step that came too early, say.
                    return true;
                }
                Ok(_) | Err(_) => sleep(backoff.wait()).await,
            }
        }
        tracing::warn!(%handover, ?progress, "the centre could not report");
        false
    }

    async fn behave(&self, behaviour: Behaviour) {
        self.passage.send_replace(behaviour.passage());
        self.behaviour.send_replace(behaviour);
        self.gate_turned().await;
    }

    /// Waits until connections are taken, or refused, as wanted.
    async fn gate_turned(&self) {
        let wanted = *self.passage.borrow();
        let mut present = self.present.clone();
        let turned = timeout(TURN_WITHIN, present.wait_for(|present| *present == wanted));
        if !matches!(turned.await, Ok(Ok(_))) {
            tracing::warn!("the centre's listening socket did not turn");
        }
    }

    /// Says nothing until the centre behaves otherwise, or stops.
    async fn hang(&self) {
        let mut behaviour = self.behaviour.subscribe();
        let otherwise = behaviour.wait_for(|now| *now != Behaviour::Down { how: Down::Hangs });
        self.stop.run_until_cancelled(otherwise).await;
    }
}

/// What a centre of this behaviour will report about a message, and how long after the step before.
fn steps(behaviour: &Behaviour, purpose: Purpose, reference: &str) -> Vec<(Duration, Status)> {
    let reference = Some(reference.to_owned());
    let status = |status| Status { status, reference: reference.clone(), reason: None, minutes: None, vehicle: None };
    let delays = match behaviour {
        Behaviour::Lie | Behaviour::Down { .. } => return Vec::new(),
        Behaviour::Refuse { after_s, reason } if purpose == Purpose::Help => {
            return vec![(wait(*after_s), Status { reason: Some(reason.clone()), ..status(Progress::Refused) })];
        }
        Behaviour::Refuse { .. } => Delays::none(),
        Behaviour::Normal { delays }
        | Behaviour::Slow { delays, .. }
        | Behaviour::Twice { delays }
        | Behaviour::Stutter { delays, .. } => *delays,
    };
    let minutes = Some(delays.minutes);
    let story = match purpose {
        Purpose::StandDown => vec![(delays.acknowledged_s, status(Progress::Closed))],
        Purpose::Update => Vec::new(),
        Purpose::Help => vec![
            (delays.acknowledged_s, status(Progress::Acknowledged)),
            (delays.dispatched_s, Status { minutes, ..status(Progress::Dispatched) }),
            (delays.arrived_s, status(Progress::Arrived)),
            (delays.closed_s, status(Progress::Closed)),
        ],
    };
    let mut steps = Vec::new();
    for (after_s, status) in story {
        let Some(after_s) = after_s else { break };
        steps.push((wait(after_s), status.clone()));
        if matches!(behaviour, Behaviour::Twice { .. }) {
            steps.push((Duration::ZERO, status));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn message(purpose: Purpose) -> Message {
        Message {
            version: wire::centre::VERSION,
            handover: Uuid::from_u128(1),
            incident: Uuid::from_u128(2),
            purpose,
            drill: false,
            written_at: Timestamp::UNIX_EPOCH,
            requested_at: None,
            update: None,
            not_after: Timestamp::MAX,
            kinds: vec!["sos".into()],
            called_at: Timestamp::UNIX_EPOCH,
            person: None,
            address: None,
            home_address: None,
            place: None,
            door_access: None,
            call_back: String::new(),
            status_url: String::new(),
            briefing: String::new(),
        }
    }

    #[test]
    fn a_stand_down_cancels_the_story_that_has_begun() {
        let (mut book, stop) = (Book::default(), CancellationToken::new());
        let help = book.take("1", message(Purpose::Help), &stop).unwrap().story.unwrap();
        assert!(book.take("1", message(Purpose::Help), &stop).unwrap().story.is_none(), "a copy begins nothing");
        assert!(!help.is_cancelled());
        let end = book.take("1", message(Purpose::StandDown), &stop).unwrap().story.unwrap();
        assert!(help.is_cancelled() && !end.is_cancelled());
        stop.cancel();
        assert!(end.is_cancelled());
    }

    #[test]
    fn a_stand_down_that_overtakes_its_request_wins() {
        let (mut book, stop) = (Book::default(), CancellationToken::new());
        assert!(book.take("1", message(Purpose::StandDown), &stop).unwrap().story.is_some());
        assert!(book.take("1", message(Purpose::Help), &stop).unwrap().story.is_none());
        assert_eq!(book.cases().cases[0].purpose, Purpose::StandDown);
    }

    #[test]
    fn the_book_forgets_its_oldest_case_when_it_is_full() {
        let (mut book, stop) = (Book::default(), CancellationToken::new());
        for n in 0..=CASES_MAX {
            let handover = Uuid::from_u128(n as u128);
            book.take(&n.to_string(), Message { handover, ..message(Purpose::Help) }, &stop).unwrap();
        }
        assert_eq!(book.entries.len(), CASES_MAX);
        assert_eq!((book.numbers.len(), book.keys.len()), (CASES_MAX, CASES_MAX));
        assert!(book.entry(Uuid::from_u128(0)).is_none());
    }
}
