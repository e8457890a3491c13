//! Serves hand-overs to whoever knows the key.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wire::internal::Key;

/// A full batch of the longest messages that terminals may send is a third of this.
const BODY_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Whoever asks has given up before.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);
/// How long calls may take to end when the process does.
const FAREWELL: Duration = Duration::from_secs(3);

/// It cannot be done now.
pub(super) struct Away(pub(super) String);

impl IntoResponse for Away {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, self.0).into_response()
    }
}

/// Serves `routes` until told to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    key: Key,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = routes
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(middleware::from_fn(bounded))
        .layer(middleware::from_fn_with_state(Arc::new(key), let_in));
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = serving.into_future() => served,
        () = async { stop.cancelled().await; tokio::time::sleep(FAREWELL).await } => Ok(()),
    }
}

/// Before anything of the body is read.
async fn let_in(State(key): State<Arc<Key>>, request: Request, next: Next) -> Response {
    let said = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let said = said.and_then(|value| value.strip_prefix("Bearer "));
    if said.is_some_and(|said| key.is(said)) {
        return next.run(request).await;
    }
    warn!(path = request.uri().path(), "a call with a wrong key, or none, was refused");
    (StatusCode::UNAUTHORIZED, "the key is not the one that is expected here").into_response()
}

async fn bounded(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Away("it took too long".into()).into_response(),
    }
}
