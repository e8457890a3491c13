//! Whether a process without an API is well, for probes, and its numbers, for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use dispatcher::http::{Counted, numbers};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ill {
    /// The process still does what it is for.
    Partly(String),
    /// It does not.
    Wholly(String),
}

/// What a probe sees.
pub(crate) struct Probe {
    /// Finds out what is wrong.
    pub(crate) ills: Box<dyn Fn() -> Vec<Ill> + Send + Sync>,
    /// Who counts.
    pub(crate) counted: Vec<Counted>,
}

/// Answers `/health` and `/metrics` until `stop`.
pub(crate) async fn serve(listener: TcpListener, probe: Probe, stop: CancellationToken) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/health", get(health))
        .route("/metrics", get(async |State(probe): State<Arc<Probe>>| numbers(&probe.counted)))
        .with_state(Arc::new(probe));
    // A connection that is kept open is nothing to wait for.
    match stop.run_until_cancelled(axum::serve(listener, routes).into_future()).await {
        Some(served) => served,
        None => Ok(()),
    }
}

async fn health(State(probe): State<Arc<Probe>>) -> Response {
    let ills = (probe.ills)();
    let (code, status) = if ills.iter().any(|ill| matches!(ill, Ill::Wholly(_))) {
        (StatusCode::SERVICE_UNAVAILABLE, "failing")
    } else if ills.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::OK, "impaired")
    };
    let wrong: Vec<String> = ills.into_iter().map(|(Ill::Partly(what) | Ill::Wholly(what))| what).collect();
    (code, Json(json!({ "status": status, "wrong": wrong }))).into_response()
}
