//! Calls one of several far ends that do the same: the next when one does not answer.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::internal::{Key, is_private};

/// So much of what a far end says about its refusal goes into the log, in characters.
const REASON_MAX: usize = 200;

/// Where a call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With the far end that was asked last: mostly it answered.
    WithTheLast,
    /// With the one after that which the last call began with: what one cannot do, though it answers, another may.
    WithTheNext,
}

/// Why a call had no answer: what the last far end said, or why it said nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address}: {why}")]
pub(crate) struct Unanswered {
    address: String,
    why: String,
}

/// An address that cannot be called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadAddress {
    /// None at all.
    #[error("at least one address is needed")]
    None,
    /// Not an address.
    #[error("{0:?} is no address such as http://10.0.0.1:8090")]
    NoAddress(String),
    /// A network where everybody could read along.
    #[error("{0:?} is in no private network: use https")]
    InTheClear(String),
    /// No client.
    #[error("calls cannot be made")]
    Client(#[from] reqwest::Error),
}

/// Calls far ends.
#[derive(Debug)]
pub(crate) struct Caller {
    http: Client,
    key: Key,
    addresses: Vec<String>,
    begin: Begin,
    turn: AtomicUsize,
}

impl Caller {
    /// For far ends at these addresses, in this order of preference.
    pub(crate) fn new(addresses: &[String], key: Key, begin: Begin) -> Result<Self, BadAddress> {
        if addresses.is_empty() {
            return Err(BadAddress::None);
        }
        let addresses = addresses.iter().map(|address| checked(address)).collect::<Result<_, _>>()?;
        let http = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, key, addresses, begin, turn: AtomicUsize::new(0) })
    }

    /// How many far ends there are.
    pub(crate) fn count(&self) -> usize {
        self.addresses.len()
    }

    /// The answer of one far end to `body`; all are asked in turn, and the time is shared between them.
    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<A, Unanswered> {
        let body = written(body);
        self.in_turn(Call { method: Method::POST, path, body: Some(&body) }, within).await
    }

    /// What one far end gives; all are asked in turn, and the time is shared between them.
    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str, within: Duration) -> Result<A, Unanswered> {
        self.in_turn(Call { method: Method::GET, path, body: None }, within).await
    }

    /// Tells this one far end something.
    pub(crate) async fn put_at(
        &self,
        at: usize,
        path: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<(), Unanswered> {
        let body = written(body);
        self.send(at, &Call { method: Method::PUT, path, body: Some(&body) }, within).await
    }

    /// The answer of this one far end.
    pub(crate) async fn post_at<A: DeserializeOwned>(
        &self,
        at: usize,
        path: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<A, Unanswered> {
        let body = written(body);
        self.send(at, &Call { method: Method::POST, path, body: Some(&body) }, within).await
    }

    async fn in_turn<A: DeserializeOwned>(&self, call: Call<'_>, within: Duration) -> Result<A, Unanswered> {
        let count = self.addresses.len();
        let first = match self.begin {
            Begin::WithTheLast => self.turn.load(Ordering::Relaxed),
            Begin::WithTheNext => self.turn.fetch_add(1, Ordering::Relaxed) % count,
        };
        let each = within / u32::try_from(count).unwrap_or(u32::MAX);
        let (mut at, mut answer) = (first, self.send(first, &call, each).await);
        for _ in 1..count {
            if answer.is_ok() {
                break;
            }
            at = (at + 1) % count;
            answer = self.send(at, &call, each).await;
        }
        if at != first && self.begin == Begin::WithTheLast {
            // When nobody answered, the last is the best to begin with: the first may stand still.
            self.turn.store(at, Ordering::Relaxed);
        }
        answer
    }

    async fn send<A: DeserializeOwned>(&self, at: usize, call: &Call<'_>, within: Duration) -> Result<A, Unanswered> {
        let address = &self.addresses[at];
        let unanswered = |why| Unanswered { address: address.clone(), why };
        let mut request = self.http.request(call.method.clone(), format!("{address}{}", call.path)).timeout(within);
        request = request.bearer_auth(self.key.reveal());
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_vec());
        }
        let response = request.send().await.map_err(|error| unanswered(reason(error)))?;
        if !response.status().is_success() {
            return Err(unanswered(refusal(response).await));
        }
        let bytes = response.bytes().await.map_err(|error| unanswered(reason(error)))?;
        // Nothing said is `null`: an answer that is only "yes".
        let said = if bytes.is_empty() { &b"null"[..] } else { &bytes };
        serde_json::from_slice(said).map_err(|error| unanswered(format!("its answer cannot be read: {error}")))
    }
}

/// What is said to a far end.
struct Call<'c> {
    method: Method,
    path: &'c str,
    body: Option<&'c [u8]>,
}

fn written(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body)
        .unwrap_or_else(|error| unreachable!("what we hand over is plain data, which JSON can always hold: {error}"))
}

fn checked(address: &str) -> Result<String, BadAddress> {
    let bad = || BadAddress::NoAddress(address.to_owned());
    let url = Url::parse(address).map_err(|_| bad())?;
    let host = url.host_str().ok_or_else(bad)?;
    if !matches!(url.scheme(), "http" | "https") || url.path() != "/" || url.query().is_some() {
        return Err(bad());
    }
    // A name may be anywhere; whoever writes one knows where.
    let is_public = host.trim_matches(['[', ']']).parse().is_ok_and(|ip| !is_private(ip));
    if url.scheme() == "http" && is_public {
        return Err(BadAddress::InTheClear(address.to_owned()));
    }
    Ok(address.trim_end_matches('/').to_owned())
}

async fn refusal(response: Response) -> String {
    let status = response.status();
    let said: String = response.text().await.unwrap_or_default().chars().take(REASON_MAX).collect();
    format!("{status}: {said}")
}

/// With what lies beneath: that nobody listens there stands at the bottom.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn Error), |cause| (*cause).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use tokio::sync::watch;
    use tokio_util::sync::{CancellationToken, DropGuard};

    use super::super::served::{self, Away};
    use super::*;

    /// A far end that says its name to whoever knows the key, and no to everybody while it is ill.
    async fn far_end(name: &'static str) -> (String, watch::Sender<bool>, DropGuard) {
        let (ill, is_ill) = watch::channel(false);
        let answer = move || {
            let is_ill = *is_ill.borrow();
            async move { if is_ill { Err(Away("ill".into())) } else { Ok(axum::Json(name)) } }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(served::serve(listener, Router::new().route("/name", post(answer)), key(), stop.clone()));
        (address, ill, stop.drop_guard())
    }

    fn key() -> Key {
        Key::of([7; 32])
    }

    async fn name(caller: &Caller) -> Result<String, String> {
        caller.post("/name", &(), Duration::from_secs(20)).await.map_err(|unanswered| unanswered.why)
    }

    #[tokio::test]
    async fn the_next_is_asked_when_one_does_not_answer_and_is_asked_first_from_then_on() {
        let ((east, east_ill, _east), (west, west_ill, west_stop)) = (far_end("east").await, far_end("west").await);
        let caller = Caller::new(&[east, west], key(), Begin::WithTheLast).unwrap();
        assert_eq!(name(&caller).await.as_deref(), Ok("east"));
        east_ill.send_replace(true);
        assert_eq!(name(&caller).await.as_deref(), Ok("west"));
        east_ill.send_replace(false);
        assert_eq!(name(&caller).await.as_deref(), Ok("west"));
        west_ill.send_replace(true);
        east_ill.send_replace(true);
        assert_eq!(name(&caller).await, Err("503 Service Unavailable: ill".into()));
        east_ill.send_replace(false);
        drop(west_stop);
        assert_eq!(name(&caller).await.as_deref(), Ok("east"));
    }

    #[tokio::test]
    async fn what_any_can_do_goes_round() {
        let ((east, _e, _east), (west, _w, _west)) = (far_end("east").await, far_end("west").await);
        let caller = Caller::new(&[east, west], key(), Begin::WithTheNext).unwrap();
        for expected in ["east", "west", "east"] {
            assert_eq!(name(&caller).await.as_deref(), Ok(expected));
        }
    }

    #[tokio::test]
    async fn whoever_does_not_know_the_key_is_refused() {
        let (address, _ill, _stop) = far_end("east").await;
        let caller = Caller::new(&[address], Key::of([8; 32]), Begin::WithTheLast).unwrap();
        let refused = "401 Unauthorized: the key is not the one that is expected here";
        assert_eq!(name(&caller).await, Err(refused.into()));
    }

    #[test]
    fn an_address_is_an_address_and_not_open_to_the_world() {
        let caller = |address: &str| Caller::new(&[address.to_owned()], Key::of([7; 32]), Begin::WithTheLast);
        for good in
            ["http://127.0.0.1:8090", "http://10.0.0.1:8090/", "http://[::1]:1", "https://8.8.8.8", "http://desk:1"]
        {
            assert!(caller(good).is_ok(), "{good}");
        }
        assert!(matches!(caller("http://8.8.8.8:8090"), Err(BadAddress::InTheClear(_))));
        for bad in ["", "10.0.0.1:8090", "ftp://10.0.0.1", "http://10.0.0.1/path", "http://10.0.0.1/?q"] {
            assert!(matches!(caller(bad), Err(BadAddress::NoAddress(_))), "{bad}");
        }
        assert!(matches!(Caller::new(&[], Key::of([7; 32]), Begin::WithTheLast), Err(BadAddress::None)));
    }
}
