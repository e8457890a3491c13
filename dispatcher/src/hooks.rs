//! What an MQTT broker of somebody else's asks when it stands in front instead of our own: who may come in, and who may
//! say and hear what. In the forms that RMQTT's `rmqtt-auth-http` and EMQX's HTTP authenticator and authorizer speak.
//!
//! Answered from the directory in memory: the database may be away. What cannot be read, and whoever is not known yet, is
//! denied, because these brokers take any other status for "ask the next", and the next may be nobody.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::warn;
use wire::bus;
use wire::directory::{Directory, Identity, Lookup};
use wire::internal::{EMQX_AUTHENTICATE, EMQX_AUTHORIZE, Key, RMQTT_ACL, RMQTT_AUTH};

/// What the hooks know.
#[derive(Debug, Clone)]
struct Hooks {
    directory: Arc<Directory>,
    /// What gateways log in with; none: none does.
    gateways: Option<Key>,
}

/// Yes or no. Never "ask the next", and nobody is above the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Deny,
}

impl Verdict {
    fn of(may: bool) -> Self {
        if may { Self::Allow } else { Self::Deny }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    /// A word: RMQTT takes any other body for "allow", so that it must be nothing but that.
    fn for_rmqtt(self) -> Response {
        ([(header::CONTENT_TYPE, "text/plain")], self.word()).into_response()
    }

    fn for_emqx(self) -> Response {
        axum::Json(json!({ "result": self.word(), "is_superuser": false })).into_response()
    }
}

/// Somebody who connects.
#[derive(Deserialize)]
struct Login {
    username: Option<String>,
    password: Option<String>,
}

/// Somebody who publishes or subscribes.
#[derive(Deserialize)]
struct Wish {
    username: Option<String>,
    topic: Option<String>,
    #[serde(alias = "access")]
    action: Option<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Action {
    #[serde(rename = "subscribe", alias = "1")]
    Subscribe,
    #[serde(rename = "publish", alias = "2")]
    Publish,
}

/// The hooks, below our own key.
pub fn router(directory: Arc<Directory>, gateways: Option<Key>) -> Router {
    Router::new()
        .route(RMQTT_AUTH, post(async |hooks: State<Hooks>, said: Said<Login>| hooks.authenticate(said).for_rmqtt()))
        .route(RMQTT_ACL, post(async |hooks: State<Hooks>, said: Said<Wish>| hooks.authorize(said).for_rmqtt()))
        .route(
            EMQX_AUTHENTICATE,
            post(async |hooks: State<Hooks>, said: Said<Login>| hooks.authenticate(said).for_emqx()),
        )
        .route(EMQX_AUTHORIZE, post(async |hooks: State<Hooks>, said: Said<Wish>| hooks.authorize(said).for_emqx()))
        .with_state(Hooks { directory, gateways })
}

/// A body in JSON or as a form, by its header; nothing when it is neither.
struct Said<T>(Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let Ok(body) = Bytes::from_request(request, state).await else { return Ok(Self(None)) };
        let read = if is_json {
            serde_json::from_slice(&body).map_err(|error| error.to_string())
        } else {
            serde_urlencoded::from_bytes(&body).map_err(|error| error.to_string())
        };
        Ok(Self(read.inspect_err(|why| warn!(why, "what a broker asks cannot be read, and is denied")).ok()))
    }
}

impl Hooks {
    fn authenticate(&self, Said(said): Said<Login>) -> Verdict {
        let Some(Login { username: Some(name), password }) = said else { return Verdict::Deny };
        let secret = password.unwrap_or_default();
        // Only by their key, so that no terminal can be called so.
        if name == bus::USER {
            return Verdict::of(self.gateways.as_ref().is_some_and(|key| key.is(&secret)));
        }
        // Whoever must show a certificate cannot here: nobody tells which it was.
        Verdict::of(matches!(self.directory.by_login(&name), Lookup::Listed(identity)
            if identity.certificate().is_none() && identity.is_secret(secret.as_bytes())))
    }

    fn authorize(&self, Said(said): Said<Wish>) -> Verdict {
        let Some(Wish { username: Some(name), topic: Some(topic), action: Some(action) }) = said else {
            return Verdict::Deny;
        };
        if name == bus::USER {
            return Verdict::of(self.gateways.is_some());
        }
        let Lookup::Listed(identity) = self.directory.by_login(&name) else { return Verdict::Deny };
        Verdict::of(match action {
            Action::Publish => self.directory.lane(&identity, &topic).is_some(),
            Action::Subscribe => self.may_subscribe(&identity, &topic),
        })
    }

    /// A concentrator names each of its terminals: of a wildcard our own door gives it what is its own, and another broker
    /// everybody's.
    fn may_subscribe(&self, identity: &Identity, filter: &str) -> bool {
        match identity {
            Identity::Terminal(terminal) => self.directory.may_subscribe(terminal, filter),
            Identity::Concentrator(concentrator) => self.directory.may_subscribe_for_one(concentrator, filter),
        }
    }
}
