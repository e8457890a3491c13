//! The HTTP API under `/api/v1`, and the console's pages.
//!
//! Handlers extract, make one call and answer with a view. Who may call is in the handler's arguments
//! ([`caller`]); the list of all routes is in [`routes`], so that a test can ask each of them.

mod access_points;
mod aftercare;
mod appointments;
mod assets;
mod caller;
mod centre;
mod checkins;
mod clocks;
mod commands;
mod contracts;
mod deliveries;
mod doors;
mod drills;
mod errors;
mod fence_rules;
mod fence_trials;
mod fences;
mod health;
mod incidents;
mod input;
mod ladders;
mod live;
mod map;
mod offers;
mod once;
mod openapi;
mod orders;
pub mod password;
mod profiles;
mod push;
mod records;
mod refusals;
mod remembered;
mod residents;
mod responders;
mod returned;
pub mod routes;
mod scores;
mod script;
mod sessions;
mod silence;
mod site;
mod usual;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Transaction};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use wire::counters::Sample;

pub use self::assets::is_console_built;
pub use self::health::numbers;
pub use self::profiles::{AlarmRule, Outline, Taken};

use self::errors::ApiError;
use self::health::Counters;
use self::remembered::Remembered;
use crate::config::Config;
use crate::desk::Desk;
use crate::store::StoreError;

/// The longest body that makes sense: a note of some thousand characters.
const BODY_MAX_BYTES: usize = 64 * 1024;
/// A call that takes longer is answered "unavailable". Streams only have to begin within it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a call waits for the database before it is said to be away.
const DATABASE_WITHIN: Duration = Duration::from_secs(3);
/// Passwords checked at once; each takes a core.
const LOGINS_AT_ONCE: usize = 2;
/// How long a login waits for its turn.
const LOGIN_TURN_WITHIN: Duration = Duration::from_secs(5);
/// Streams that read the database at once, so that they leave connections to those who decide.
const READERS_AT_ONCE: usize = 4;
/// Fences that are tried at once; each takes a core for a moment.
const TRIALS_AT_ONCE: usize = 1;
/// How long connections may take to end when the process does.
const FAREWELL: Duration = Duration::from_secs(3);
/// A peer that takes nothing for this long is gone: a console whose cable was pulled must not count as
/// somebody present.
const DEAF_AFTER_MS: u32 = 30_000;

/// What every handler works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    desk: Desk,
    remembered: Arc<Remembered>,
    logins: Semaphore,
    readers: Semaphore,
    trials: Semaphore,
    counters: Counters,
    counted: Vec<Counted>,
    profiles: profiles::Outlines,
    stop: CancellationToken,
}

/// What an API is told besides its desk.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Where it is kept who was logged in lately, so that open consoles are believed after a restart while the
    /// database is away. None: it is forgotten with the process.
    pub sessions_file: Option<PathBuf>,
    /// What other parts of this process count, for `/metrics`.
    pub counted: Vec<Counted>,
    /// How terminals with JSON of their own are read, to be looked at.
    pub profiles: Vec<Outline>,
}

/// A part of this process that counts.
pub struct Counted {
    /// What its numbers' names begin with, after `ydt_`.
    pub part: &'static str,
    /// Reads them.
    pub read: Box<dyn Fn() -> Vec<Sample> + Send + Sync>,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&self.part).finish()
    }
}

impl Api {
    /// An API over a desk.
    pub fn new(desk: Desk, surroundings: Surroundings) -> Self {
        Self(Arc::new(Inner {
            desk,
            remembered: Arc::new(Remembered::read(surroundings.sessions_file)),
            logins: Semaphore::new(LOGINS_AT_ONCE),
            readers: Semaphore::new(READERS_AT_ONCE),
            trials: Semaphore::new(TRIALS_AT_ONCE),
            counters: Counters::default(),
            counted: surroundings.counted,
            profiles: surroundings.profiles.into(),
            stop: CancellationToken::new(),
        }))
    }

    fn desk(&self) -> &Desk {
        &self.0.desk
    }

    fn config(&self) -> &Config {
        &self.0.desk.config
    }

    fn remembered(&self) -> &Arc<Remembered> {
        &self.0.remembered
    }

    fn counters(&self) -> &Counters {
        &self.0.counters
    }

    fn counted(&self) -> &[Counted] {
        &self.0.counted
    }

    fn profiles(&self) -> profiles::Outlines {
        Arc::clone(&self.0.profiles)
    }

    fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// A connection, soon or not at all.
    async fn conn(&self) -> Result<PoolConnection<Postgres>, ApiError> {
        connect(self.desk().conn()).await
    }

    /// A transaction that may write.
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, ApiError> {
        connect(self.desk().begin()).await
    }

    /// A transaction that sees one moment and writes nothing.
    async fn moment(&self) -> Result<Transaction<'static, Postgres>, ApiError> {
        connect(self.desk().moment()).await
    }

    async fn login_permit(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        match tokio::time::timeout(LOGIN_TURN_WITHIN, self.0.logins.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ApiError::TooMany),
        }
    }

    /// Leave to try a fence.
    async fn trial_permit(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        match tokio::time::timeout(LOGIN_TURN_WITHIN, self.0.trials.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ApiError::TooMany),
        }
    }

    /// A stream's turn to read. Never closed, so there is always one in the end.
    async fn reader_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.0.readers.acquire().await.ok()
    }
}

/// Whatever goes wrong before anything was asked means that the database is away for us.
async fn connect<T>(connecting: impl Future<Output = Result<T, StoreError>>) -> Result<T, ApiError> {
    let connected = tokio::time::timeout(DATABASE_WITHIN, connecting).await;
    let connected = connected.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()));
    connected.map_err(|cause| ApiError::Unavailable(Some(cause)))
}

/// Everything that is answered over HTTP.
pub fn router(api: Api) -> Router {
    let headers = security_headers(api.config());
    routes::router()
        .fallback(assets::serve)
        .method_not_allowed_fallback(|| async { ApiError::NoSuchMethod })
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(middleware::from_fn_with_state(api.clone(), attend))
        .layer(middleware::map_response(move |response: Response| {
            let headers = headers.clone();
            async move { with_headers(response, &headers) }
        }))
        .with_state(api)
}

/// Serves until told to stop; streams end then, and other calls have a moment to finish.
pub async fn serve(listener: TcpListener, api: Api, stop: CancellationToken) -> std::io::Result<()> {
    let app = router(api.clone());
    let remembered = Arc::clone(api.remembered());
    let stopped = stop.clone();
    let serving = axum::serve(listener.tap_io(prepare), app).with_graceful_shutdown(async move {
        stopped.cancelled().await;
        api.stop().cancel();
    });
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    let served = tokio::select! {
        served = serving.into_future() => served,
        () = too_late => Ok(()),
        never = Arc::clone(&remembered).keep() => match never {},
    };
    remembered.write().await;
    served
}

fn prepare(stream: &mut TcpStream) {
    // Without them the connection is slower, or a dead peer is noticed later; neither is worth refusing it.
    if let Err(cause) = stream.set_nodelay(true) {
        tracing::debug!(%cause, "TCP_NODELAY was not taken");
    }
    #[cfg(target_os = "linux")]
    if let Err(cause) = rustix::net::sockopt::set_tcp_user_timeout(&*stream, DEAF_AFTER_MS) {
        tracing::debug!(%cause, "TCP_USER_TIMEOUT was not taken");
    }
}

/// Counts, bounds the time, and notes how it went, without a word about whom it was about.
async fn attend(State(api): State<Api>, path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let begun = std::time::Instant::now();
    let response = match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Unavailable(None).into_response(),
    };
    api.counters().answered(response.status());
    // The route, not the path: a query may hold a name.
    let route = path.as_ref().map_or("(page)", MatchedPath::as_str);
    tracing::debug!(%method, route, status = response.status().as_u16(), elapsed_ms = begun.elapsed().as_millis(), "answered");
    response
}

type Headers = Arc<[(HeaderName, HeaderValue)]>;

fn security_headers(config: &Config) -> Headers {
    // No inline script or style, no frame, no other host: the console needs none of them.
    const POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; \
        frame-ancestors 'none'";
    // But for the pictures under the map, where somebody has asked for them.
    let tiles = config.map.tiles.as_ref().map(|tiles| tiles.url.origin());
    let policy = tiles.and_then(|origin| {
        HeaderValue::from_str(&format!("{POLICY}; connect-src 'self' {origin}; img-src 'self' {origin}")).ok()
    });
    let mut headers = vec![
        (header::CONTENT_SECURITY_POLICY, policy.unwrap_or(HeaderValue::from_static(POLICY))),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        // Responders share where they are; nothing else of the machine is needed.
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("geolocation=(self), camera=(), microphone=()"),
        ),
    ];
    if config.public_url.starts_with("https:") {
        headers.push((header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")));
    }
    headers.into()
}

fn with_headers(mut response: Response, security: &Headers) -> Response {
    let headers = response.headers_mut();
    for (name, value) in security.iter() {
        // The page that shows the API has a policy of its own.
        headers.entry(name.clone()).or_insert(value.clone());
    }
    // What pages may keep says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::map::{MapConfig, Tiles};

    fn policy(map: MapConfig) -> String {
        let headers = security_headers(&Config { map, ..Config::default() });
        let (_, policy) = headers.iter().find(|(name, _)| name == header::CONTENT_SECURITY_POLICY).unwrap();
        policy.to_str().unwrap().to_owned()
    }

    #[test]
    fn pages_ask_nobody_else_but_for_the_tiles_that_somebody_has_set() {
        assert!(!policy(MapConfig::default()).contains("connect-src"));
        let url = "https://tiles.example/{z}/{x}/{y}.png".to_owned().try_into().unwrap();
        let tiles =
            Tiles { url, attribution: String::new(), datum: crate::config::map::Datum::default(), max_zoom: 18 };
        let policy = policy(MapConfig { tiles: Some(tiles), center: None });
        assert!(policy.ends_with("; connect-src 'self' https://tiles.example; img-src 'self' https://tiles.example"));
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
    }
}
