//! Phones that ask over HTTP instead of holding a connection: OwnTracks' other mode.
//!
//! Each message is a POST with the terminal's login and secret (basic authentication); it goes the way of any message
//! of that terminal. A press is answered 200 once it is durable; at any other status the application keeps the message
//! and sends it again. What waits for the phone travels in the answer.

mod waiting;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use uuid::Uuid;
use wire::bus::Uplink;
use wire::directory::{Dialect, Identity, Lookup};
use wire::report::{Event, Report};
use wire::topics::{self, Lane};

pub(crate) use waiting::Phones;

use super::limits::Rate;
use super::sessions::Post;
use super::{Counted, DOOR, Intake, ListenerConfig, Waiters};
use crate::clock;
use crate::codec::owntracks::http::{Posted, Said, answer, said};

/// The longest message: waypoints of a whole district, a day's dump.
pub(super) const BODY_MAX: usize = 256 * 1024;
/// How long a phone may hold a connection on which it asks nothing.
pub(super) const IDLE: Duration = Duration::from_mins(1);
/// How long the last answers may take when the gateway stops.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// The longest head.
const HEAD_MAX: usize = 16 * 1024;
/// Positions and states of one phone: so many a second, so many at once. A press is never held back.
const TELEMETRY: (u32, u32) = (10, 60);

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Only POST says something.
    NoPost,
    /// Nobody says who speaks, or their secret is another.
    NotProved,
    /// They may not speak for the terminal that they name.
    NotTheirs,
    /// It is too long, or was not said in time.
    NoBody,
    /// Too much of it.
    TooOften,
    /// Not stored, or not known who is listed: it is to come again.
    Later,
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::NoPost => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotProved => StatusCode::UNAUTHORIZED,
            Self::NotTheirs => StatusCode::FORBIDDEN,
            Self::NoBody => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Self::Later => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// One connection, on which a phone may ask several times.
struct Asking {
    config: Arc<ListenerConfig>,
    intake: Arc<Intake>,
    counted: Mutex<Counted>,
}

/// Answers on one connection until it ends or `stop`.
pub(super) async fn serve(
    (socket, peer): (TcpStream, SocketAddr),
    config: Arc<ListenerConfig>,
    counted: Counted,
    stop: CancellationToken,
) {
    let intake = Arc::clone(&counted.shared.intake);
    intake.counters.connections_opened.one();
    let (idle, asking) = (config.idle, Arc::new(Asking { config, intake, counted: Mutex::new(counted) }));
    let service = service_fn(move |request| {
        let asking = Arc::clone(&asking);
        async move { Ok::<_, Infallible>(asking.respond(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(HEAD_MAX);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // Who is cut off asks again.
            tokio::time::timeout(CLOSE_WITHIN, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(cause) = ended {
        debug!(%cause, %peer, "a phone's connection ended");
    }
}

impl Asking {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.intake.counters.frames.one();
        let (status, body) = match self.take(request).await {
            Ok(body) => (StatusCode::OK, body),
            Err(refusal) => {
                if matches!(refusal, Refusal::NotProved | Refusal::NotTheirs) {
                    self.intake.counters.phones_refused.one();
                }
                (refusal.status(), Vec::new())
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let header = match status {
            StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, "Basic realm=\"yidiantong\""),
            _ => (CONTENT_TYPE, "application/json"),
        };
        response.headers_mut().insert(header.0, hyper::header::HeaderValue::from_static(header.1));
        response
    }

    /// Takes a message; gives the body of the answer.
    async fn take(&self, request: Request<Incoming>) -> Result<Vec<u8>, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::NoPost);
        }
        let (head, body) = request.into_parts();
        let identity = self.identity(&head.headers)?;
        self.counted.lock().identified();
        let body = Limited::new(body, self.config.frame_max).collect();
        let body = tokio::time::timeout(self.config.unidentified_for, body).await;
        let body = body.map_err(|_| Refusal::NoBody)?.map_err(|_| Refusal::NoBody)?.to_bytes();
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let posted =
            Posted { limit_u: header("x-limit-u"), limit_d: header("x-limit-d"), query: head.uri.query(), body: &body };
        let Said { serial, topic } = said(&posted).or_else(|| own(&identity)).ok_or(Refusal::NotTheirs)?;
        let (terminal, lane) = self.intake.directory.lane(&identity, &topic).ok_or(Refusal::NotTheirs)?;
        if terminal.dialect != Dialect::OwnTracks || *terminal.serial != *serial {
            return Err(Refusal::NotTheirs);
        }
        self.intake.sessions.heard(&terminal.serial);
        if !body.trim_ascii().is_empty() {
            self.hand_over(&terminal.serial, (&topic, lane), &body).await?;
        }
        let waiting = self.intake.phones.heard(&terminal.serial, Instant::now());
        for (id, _) in &waiting {
            self.intake.sessions.delivered(*id);
        }
        Ok(answer(&waiting.into_iter().map(|(_, outgoing)| outgoing).collect::<Vec<_>>()))
    }

    /// Who speaks, proved by their secret.
    fn identity(&self, headers: &HeaderMap) -> Result<Identity, Refusal> {
        let told = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let told =
            told.and_then(|told| told.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let told = told.and_then(|(_, told)| STANDARD.decode(told.trim()).ok()).ok_or(Refusal::NotProved)?;
        let told = std::str::from_utf8(&told).map_err(|_| Refusal::NotProved)?;
        let (login, secret) = told.split_once(':').ok_or(Refusal::NotProved)?;
        match self.intake.directory.by_login(login) {
            // Whether they are listed cannot be told.
            Lookup::NoDirectory => Err(Refusal::Later),
            // Nobody shows a certificate here.
            Lookup::Listed(identity) if identity.certificate().is_none() && identity.is_secret(secret.as_bytes()) => {
                Ok(identity)
            }
            Lookup::Listed(_) | Lookup::Unlisted => Err(Refusal::NotProved),
        }
    }

    /// Hands a message on, a press until it is durable.
    async fn hand_over(&self, serial: &Arc<str>, (topic, lane): (&str, Lane), body: &[u8]) -> Result<(), Refusal> {
        let read = |lane| {
            let uplink = Uplink {
                id: clock::new_id(),
                door: DOOR.into(),
                serial: serial.as_ref().into(),
                topic: topic.into(),
                lane,
                repeated: false,
                received_at: clock::now(),
                payload: body.into(),
            };
            self.intake.alerts.read(&uplink)
        };
        let mut report = read(lane);
        if lane == Lane::Telemetry && matches!(report.event, Some(Event::Alert { .. })) {
            // A tracker's low battery: from here on an alert like any other.
            report = read(Lane::Alert);
        }
        if report.lane == Lane::Alert {
            return self.store(report).await;
        }
        let rate = Rate::new(TELEMETRY.0, TELEMETRY.1);
        let is_early = |rate| self.intake.phones.pace(serial, rate, Instant::now()).is_err();
        if rate.is_some_and(is_early) {
            return Err(Refusal::TooOften);
        }
        self.intake.telemetry.push(report);
        Ok(())
    }

    async fn store(&self, report: Report) -> Result<(), Refusal> {
        let id = report.id;
        let (post, mut posts) = mpsc::unbounded_channel();
        self.intake.waiters.wait(id, post);
        // Whoever hangs up waits no more.
        let _waiting = Waiting { waiters: &self.intake.waiters, id };
        let storing = async {
            self.intake.alerts.take(report, self.intake.door.clone()).await;
            while let Some(post) = posts.recv().await {
                if matches!(post, Post::Durable(durable) if durable == id) {
                    return Ok(());
                }
            }
            Err(Refusal::Later)
        };
        tokio::time::timeout(self.config.receipt_within, storing).await.unwrap_or(Err(Refusal::Later))
    }
}

/// The one terminal that speaks for itself, when nothing else is said.
fn own(identity: &Identity) -> Option<Said> {
    match identity {
        Identity::Terminal(terminal) => {
            let topic = topics::prefix(terminal.dialect, &terminal.serial);
            Some(Said { serial: terminal.serial.as_ref().to_owned(), topic })
        }
        Identity::Concentrator(_) => None,
    }
}

/// Who waits for a receipt while this lasts.
struct Waiting<'w> {
    waiters: &'w Waiters,
    id: Uuid,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waiters.forget(std::iter::once(self.id));
    }
}
