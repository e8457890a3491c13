//! Many responders who share one address for what is pushed, and one HTTP client.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::signature;

use super::{Config, Hears, ResponderError};
use crate::clock;
use crate::secret::Secret;

/// Why a crew does not start.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// There is no address for what is pushed.
    #[error("no address for what is pushed to responders")]
    Listen(#[source] io::Error),
    /// One of them does not start.
    #[error(transparent)]
    Responder(#[from] ResponderError),
}

/// A crew that runs as tasks.
#[derive(Debug)]
pub struct Crew {
    addr: SocketAddr,
    running: JoinSet<Result<(), CrewError>>,
}

/// Whom a push wakes, by the last part of its address.
struct Bells {
    secret: Secret,
    bells: HashMap<String, Arc<Notify>>,
}

/// Starts responders, each with a name that its own push address ends in, until `stop`. What is pushed is
/// signed with `secret`.
pub async fn start(
    responders: Vec<(String, Config)>,
    secret: Secret,
    stop: CancellationToken,
) -> Result<Crew, CrewError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(CrewError::Listen)?;
    let addr = listener.local_addr().map_err(CrewError::Listen)?;
    let client = super::client()?;
    let mut running = JoinSet::new();
    let mut bells = HashMap::new();
    for (name, config) in responders {
        let wakes = Arc::new(Notify::new());
        bells.insert(name, Arc::clone(&wakes));
        let config = Config { hears: Hears::WhenWoken { wakes, client: client.clone() }, ..config };
        let stop = stop.clone();
        running.spawn(async move { Ok(super::run(config, stop).await?) });
    }
    let router = Router::new().route("/{name}", post(ring)).with_state(Arc::new(Bells { secret, bells }));
    running.spawn(async move {
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await.map_err(CrewError::Listen)
    });
    Ok(Crew { addr, running })
}

impl Crew {
    /// Where what is asked of a responder is to be pushed.
    pub fn push_url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.addr)
    }

    /// Waits until all of them have stopped.
    pub async fn stopped(mut self) -> Result<(), CrewError> {
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        }
        Ok(())
    }
}

async fn ring(
    State(bells): State<Arc<Bells>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let signed = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if signature::verify(bells.secret.reveal().as_bytes(), clock::now(), &body, signed).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let Some(bell) = bells.bells.get(&name) else { return StatusCode::NOT_FOUND };
    // What is asked is read from the server itself, as it stands then.
    bell.notify_one();
    StatusCode::NO_CONTENT
}
