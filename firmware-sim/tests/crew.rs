//! A crew of simulated responders, against a server that pushes what is asked and answers what it is asked.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use firmware_sim::ground::Point;
use firmware_sim::responder::crew::{self, Crew};
use firmware_sim::responder::{Behaviour, Config};
use firmware_sim::{clock, secret::Secret};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::signature;

/// Far less than the minute after which somebody looks who was not woken.
const BOUND: Duration = Duration::from_mins(2);
const POST: Point = Point { lat: 28.2280, lon: 112.9380 };

#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Looked,
    Said(String),
    At(Point),
}

#[derive(Clone)]
struct Desk {
    heard: mpsc::Sender<(String, Heard)>,
    offers: Arc<Mutex<Value>>,
}

impl Desk {
    async fn hear(&self, headers: &HeaderMap, heard: Heard) {
        let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
        self.heard.send((token, heard)).await.unwrap();
    }
}

async fn offers(State(desk): State<Desk>, headers: HeaderMap) -> Json<Value> {
    desk.hear(&headers, Heard::Looked).await;
    Json(json!({ "offers": desk.offers.lock().clone() }))
}

async fn say(State(desk): State<Desk>, Path((_, verb)): Path<(Uuid, String)>, headers: HeaderMap) -> StatusCode {
    desk.hear(&headers, Heard::Said(verb)).await;
    StatusCode::OK
}

async fn place(State(desk): State<Desk>, headers: HeaderMap, Json(place): Json<Point>) -> StatusCode {
    desk.hear(&headers, Heard::At(place)).await;
    StatusCode::NO_CONTENT
}

/// Two on patrol, and the server that they work for.
struct Scene {
    crew: Crew,
    heard: mpsc::Receiver<(String, Heard)>,
    offers: Arc<Mutex<Value>>,
    stop: CancellationToken,
}

impl Scene {
    async fn open() -> Self {
        let (tell, heard) = mpsc::channel(1024);
        let offers_now = Arc::new(Mutex::new(json!([])));
        let router = Router::new()
            .route("/api/v1/offers", get(offers))
            .route("/api/v1/offers/{id}/{verb}", post(say))
            .route("/api/v1/responder/position", put(place))
            .with_state(Desk { heard: tell, offers: Arc::clone(&offers_now) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        let who = |token: &str| {
            let config = Config {
                behaviour: Behaviour::Accept { after_s: 0, minutes: Some(4) },
                place: Some(POST),
                patrol_m: 100.0,
                report_every: Duration::from_millis(20),
                report_idle_every: Duration::from_millis(40),
                ..Config::new(&api, token)
            };
            (token.to_owned(), config)
        };
        let stop = CancellationToken::new();
        let crew = crew::start(vec![who("one"), who("other")], Secret::from("k3y"), stop.clone()).await.unwrap();
        Self { crew, heard, offers: offers_now, stop }
    }

    async fn push(&self, name: &str, key: &str) -> StatusCode {
        let body = b"{}".to_vec();
        let signed = signature::sign(key.as_bytes(), clock::now(), &body);
        let request = reqwest::Client::builder().no_proxy().build().unwrap().post(self.crew.push_url(name));
        request.header(signature::HEADER, signed).body(body).send().await.unwrap().status()
    }

    /// Waits until somebody is heard to do something.
    async fn hears(&mut self, who: &str, what: impl Fn(&Heard) -> bool) -> Heard {
        let hearing = async {
            loop {
                let (token, heard) = self.heard.recv().await.unwrap();
                if token == who && what(&heard) {
                    return heard;
                }
            }
        };
        timeout(BOUND, hearing).await.unwrap_or_else(|_| panic!("{who} is silent"))
    }
}

#[tokio::test]
async fn what_is_pushed_wakes_the_one_whom_it_is_for() {
    let mut scene = Scene::open().await;
    assert_eq!(scene.push("one", "k3y").await, StatusCode::NO_CONTENT);
    scene.hears("one", |heard| *heard == Heard::Looked).await;
    // Who has looked once looks again only when woken, or a minute later.
    *scene.offers.lock() = json!([{ "id": Uuid::from_u128(1), "state": "asked", "incident": {} }]);
    assert_eq!(scene.push("one", "k3y").await, StatusCode::NO_CONTENT);
    scene.hears("one", |heard| *heard == Heard::Said("accept".into())).await;
    scene.hears("one", |heard| *heard == Heard::Said("on-the-way".into())).await;
    scene.stop.cancel();
    timeout(BOUND, scene.crew.stopped()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_push_that_is_not_signed_or_for_nobody_wakes_nobody() {
    let scene = Scene::open().await;
    assert_eq!(scene.push("one", "another key").await, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.push("nobody", "k3y").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_is_asked_nothing_goes_about_near_their_post() {
    let mut scene = Scene::open().await;
    let mut places = Vec::new();
    while places.len() < 20 {
        if let Heard::At(place) = scene.hears("other", |heard| matches!(heard, Heard::At(_))).await {
            places.push(place);
        }
    }
    assert!(places.iter().all(|place| place.distance_m(POST) < 150.0), "{places:?}");
    assert_ne!(places.first(), places.last());
}
