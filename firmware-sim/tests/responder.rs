//! The simulated responder, against a server that offers, withdraws and goes away at a word.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::convert::Infallible;
use std::future::IntoFuture as _;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::response::sse::{self, Sse};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use firmware_sim::ground::Point;
use firmware_sim::responder::{self, Behaviour, Config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Nothing here takes longer, except when it is broken.
const BOUND: Duration = Duration::from_mins(2);
const HOME: Point = Point { lat: 28.2280, lon: 112.9380 };
const SCENE: Point = Point { lat: 28.2400, lon: 112.9500 };

/// What the server hears from the responder.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Offer { id: u128, verb: String, body: Value },
    Position(Point),
}

type Stream = mpsc::Sender<Result<sse::Event, Infallible>>;

#[derive(Clone)]
struct Desk {
    heard: mpsc::Sender<Heard>,
    streams: mpsc::Sender<Stream>,
}

/// A server with one responder.
struct Server {
    heard: mpsc::Receiver<Heard>,
    streams: mpsc::Receiver<Stream>,
    _stop: DropGuard,
}

fn let_in(headers: &HeaderMap) -> Result<(), StatusCode> {
    (headers.get("authorization").is_some_and(|token| token == "Bearer t0ken"))
        .then_some(())
        .ok_or(StatusCode::UNAUTHORIZED)
}

async fn live(State(desk): State<Desk>, headers: HeaderMap) -> Result<impl axum::response::IntoResponse, StatusCode> {
    let_in(&headers)?;
    let (stream, events) = mpsc::channel(8);
    desk.streams.send(stream).await.unwrap();
    Ok(Sse::new(ReceiverStream::new(events)).into_response())
}

async fn hear(
    State(desk): State<Desk>,
    Path((id, verb)): Path<(Uuid, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<StatusCode, StatusCode> {
    let_in(&headers)?;
    desk.heard.send(Heard::Offer { id: id.as_u128(), verb, body }).await.unwrap();
    Ok(StatusCode::OK)
}

async fn place(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Json(place): Json<Point>,
) -> Result<StatusCode, StatusCode> {
    let_in(&headers)?;
    desk.heard.send(Heard::Position(place)).await.unwrap();
    Ok(StatusCode::OK)
}

impl Server {
    /// A server, with a responder of this behaviour at home, a bit more than a second from the scene.
    async fn with(behaviour: Behaviour) -> Self {
        Self::in_time(behaviour, 200.0).await
    }

    async fn in_time(behaviour: Behaviour, time_scale: f64) -> Self {
        let stop = CancellationToken::new();
        let ((heard, listening), (streams, opened)) = (mpsc::channel(1024), mpsc::channel(8));
        let router = Router::new()
            .route("/api/v1/offers/live", get(live))
            .route("/api/v1/offers/{id}/{verb}", post(hear))
            .route("/api/v1/responder/position", put(place))
            .with_state(Desk { heard, streams });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config {
            behaviour,
            place: Some(HOME),
            time_scale,
            on_scene: Duration::from_mins(1),
            report_every: Duration::from_millis(10),
            report_idle_every: Duration::from_millis(20),
            ..Config::new(format!("http://{}/", listener.local_addr().unwrap()), "t0ken")
        };
        tokio::spawn(axum::serve(listener, router).into_future());
        tokio::spawn(responder::run(config, stop.clone()));
        Self { heard: listening, streams: opened, _stop: stop.drop_guard() }
    }

    /// The next stream that the responder opens.
    async fn stream(&mut self) -> Stream {
        timeout(BOUND, self.streams.recv()).await.expect("the responder does not come").unwrap()
    }

    async fn next(&mut self) -> Heard {
        timeout(BOUND, self.heard.recv()).await.expect("the responder is silent").unwrap()
    }

    /// What is said next of an offer, and the positions told before it.
    async fn answer(&mut self) -> (Vec<Point>, (u128, String, Value)) {
        let mut places = Vec::new();
        loop {
            match self.next().await {
                Heard::Position(place) => places.push(place),
                Heard::Offer { id, verb, body } => return (places, (id, verb, body)),
            }
        }
    }

    /// The next few things heard are positions only.
    async fn hears_only_positions(&mut self) {
        for _ in 0..5 {
            let heard = self.next().await;
            assert!(matches!(heard, Heard::Position(_)), "{heard:?}");
        }
    }
}

async fn tell(stream: &Stream, offers: &[(u128, &str)]) {
    let offers: Vec<_> = offers
        .iter()
        .map(|(id, state)| {
            json!({
                "id": Uuid::from_u128(*id),
                "state": state,
                "asked_at": "2026-03-01T00:00:00Z",
                "incident": { "address": "x", "kinds": ["sos"], "place": { "lat": SCENE.lat, "lon": SCENE.lon, "age_s": 3 } },
            })
        })
        .collect();
    let data = json!({ "offers": offers }).to_string();
    stream.send(Ok(sse::Event::default().event("offers").data(data))).await.unwrap();
}

fn accept() -> Behaviour {
    Behaviour::Accept { after_s: 0, minutes: Some(4) }
}

#[tokio::test]
async fn an_accepting_responder_sets_off_moves_arrives_and_finishes() {
    let mut server = Server::with(accept()).await;
    let stream = server.stream().await;
    tell(&stream, &[]).await;
    tell(&stream, &[(1, "asked")]).await;
    assert_eq!(server.answer().await.1, (1, "accept".into(), json!({ "minutes": 4 })));
    assert_eq!(server.answer().await.1, (1, "on-the-way".into(), json!({ "minutes": 4 })));
    let (places, arrived) = server.answer().await;
    assert_eq!(arrived, (1, "arrived".into(), json!({})));
    let left: Vec<_> = places.iter().map(|place| place.distance_m(SCENE)).collect();
    assert!(left.is_sorted_by(|before, after| after <= before), "ever nearer: {left:?}");
    assert!(left.len() >= 3 && left.last() == Some(&0.0), "{left:?}");
    assert_eq!(server.answer().await.1, (1, "done".into(), json!({})));
    tell(&stream, &[(1, "on_scene")]).await;
    server.hears_only_positions().await;
}

#[tokio::test]
async fn a_declining_responder_says_why() {
    let mut server = Server::with(Behaviour::Decline { after_s: 0, reason: "ill".into() }).await;
    let stream = server.stream().await;
    tell(&stream, &[(1, "asked")]).await;
    assert_eq!(server.answer().await.1, (1, "decline".into(), json!({ "reason": "ill" })));
    tell(&stream, &[(1, "asked"), (2, "asked")]).await;
    assert_eq!(server.answer().await.1.0, 2, "each offer is answered once");
}

#[tokio::test]
async fn a_silent_responder_tells_where_it_is_and_nothing_else() {
    let mut server = Server::with(Behaviour::Silent).await;
    let stream = server.stream().await;
    tell(&stream, &[(1, "asked")]).await;
    server.hears_only_positions().await;
}

#[tokio::test]
async fn a_responder_that_vanishes_accepts_and_is_never_heard_of_again() {
    let mut server = Server::with(Behaviour::Vanish { after_s: 0, minutes: Some(5) }).await;
    let stream = server.stream().await;
    tell(&stream, &[(1, "asked")]).await;
    assert_eq!(server.answer().await.1, (1, "accept".into(), json!({ "minutes": 5 })));
    drop(stream);
    let stream = server.stream().await;
    tell(&stream, &[(1, "accepted")]).await;
    drop(stream);
    server.stream().await;
    assert!(server.heard.try_recv().is_err(), "not even where it is");
}

#[tokio::test]
async fn a_withdrawn_offer_is_left_alone() {
    // Slow enough to be withdrawn long before it arrives.
    let mut server = Server::in_time(accept(), 10.0).await;
    let stream = server.stream().await;
    tell(&stream, &[(1, "accepted")]).await;
    // Begun before: it goes on with it.
    assert_eq!(server.answer().await.1.1, "on-the-way");
    tell(&stream, &[(1, "withdrawn")]).await;
    let at_rest = async {
        let mut last = None;
        loop {
            let Heard::Position(place) = server.next().await else { panic!("it goes on") };
            if last.replace(place) == Some(place) {
                break;
            }
        }
    };
    timeout(BOUND, at_rest).await.expect("it never stops moving");
}

#[tokio::test]
async fn a_responder_comes_back_when_the_server_has_been_away() {
    let mut server = Server::with(accept()).await;
    for _ in 0..3 {
        drop(server.stream().await);
    }
    let stream = server.stream().await;
    tell(&stream, &[(1, "asked")]).await;
    assert_eq!(server.answer().await.1.1, "accept");
}

#[tokio::test]
async fn a_call_that_fails_is_made_again() {
    let (tell_calls, mut calls) = mpsc::channel(8);
    let flaky = Router::new().fallback(async move |method: Method, uri: axum::http::Uri| {
        if method == Method::GET {
            let offers =
                json!({ "offers": [{ "id": Uuid::from_u128(1), "state": "asked", "incident": { "place": null } }] });
            let event = sse::Event::default().event("offers").data(offers.to_string());
            let forever = futures_util::StreamExt::chain(
                futures_util::stream::iter([Ok::<_, Infallible>(event)]),
                futures_util::stream::pending(),
            );
            return Sse::new(forever).into_response();
        }
        tell_calls.send(uri.path().to_owned()).await.unwrap();
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config =
        Config { behaviour: accept(), ..Config::new(format!("http://{}", listener.local_addr().unwrap()), "x") };
    tokio::spawn(axum::serve(listener, flaky).into_future());
    let stop = CancellationToken::new();
    let running = tokio::spawn(responder::run(config, stop.clone()));
    for _ in 0..2 {
        let path = timeout(BOUND, calls.recv()).await.unwrap().unwrap();
        assert_eq!(path, format!("/api/v1/offers/{}/accept", Uuid::from_u128(1)));
    }
    stop.cancel();
    timeout(BOUND, running).await.unwrap().unwrap().unwrap();
}
