//! The simulated centre, over HTTP, with a server to report to.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::future::IntoFuture as _;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use firmware_sim::centre::{self, Behaviour, Case, Cases, Centre, Config, Delays, Down, Format, Tls};
use firmware_sim::clock;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use wire::centre::{Message, Progress, Purpose, Status, VERSION};
use wire::{cap, signature};

const SECRET: &str = "between us";
/// Nothing here takes longer, except when it is broken.
const BOUND: Duration = Duration::from_mins(2);

/// A centre, and the server that it reports to.
struct Town {
    centre: Centre,
    reports: mpsc::Receiver<(Uuid, Status)>,
    server: String,
    client: reqwest::Client,
    _stop: DropGuard,
}

async fn take_report(
    State(reports): State<mpsc::Sender<(Uuid, Status)>>,
    Path(handover): Path<Uuid>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let signed = headers[signature::HEADER].to_str().unwrap();
    if signature::verify(SECRET.as_bytes(), clock::now(), &body, signed).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let status = if headers["content-type"] == cap::CONTENT_TYPE {
        let answer = cap::read_answer(&body).unwrap();
        assert_eq!(answer.handovers, [handover]);
        answer.status
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    reports.send((handover, status)).await.unwrap();
    StatusCode::NO_CONTENT
}

impl Town {
    async fn with(behaviour: Behaviour) -> Self {
        Self::of(Config::new(SECRET, behaviour)).await
    }

    async fn of(config: Config) -> Self {
        let stop = CancellationToken::new();
        let (tell, reports) = mpsc::channel(64);
        let router = Router::new().route("/api/v1/handovers/{id}/status", post(take_report)).with_state(tell);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let serve = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(serve.into_future());
        let centre = centre::start(config, stop.clone()).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(BOUND).build().unwrap();
        Self { centre, reports, server, client, _stop: stop.drop_guard() }
    }

    fn message(&self, handover: u128, purpose: Purpose) -> Message {
        let now = clock::now();
        Message {
            version: VERSION,
            handover: Uuid::from_u128(handover),
            incident: Uuid::from_u128(1_000 + handover),
            purpose,
            drill: true,
            written_at: now,
            requested_at: None,
            update: None,
            not_after: now + SignedDuration::from_mins(10),
            kinds: vec!["sos".into()],
            called_at: now,
            person: None,
            address: Some("长沙市岳麓区".into()),
            home_address: None,
            place: None,
            door_access: None,
            call_back: "0731-0000000".into(),
            status_url: format!("{}/api/v1/handovers/{}/status", self.server, Uuid::from_u128(handover)),
            briefing: "An exercise.".into(),
        }
    }

    fn post(&self, message: &Message, secret: &str) -> reqwest::RequestBuilder {
        let body = serde_json::to_vec(message).unwrap();
        self.client
            .post(self.centre.url())
            .header(signature::HEADER, signature::sign(secret.as_bytes(), clock::now(), &body))
            .header("idempotency-key", message.handover.to_string())
            .body(body)
    }

    async fn send(&self, handover: u128, purpose: Purpose) -> u16 {
        self.post(&self.message(handover, purpose), SECRET).send().await.unwrap().status().as_u16()
    }

    async fn report(&mut self) -> (u128, Status) {
        let (handover, status) = timeout(BOUND, self.reports.recv()).await.expect("no report").unwrap();
        (handover.as_u128(), status)
    }

    async fn progress(&mut self, reports: usize) -> Vec<(u128, Progress)> {
        let mut heard = Vec::new();
        for _ in 0..reports {
            let (handover, status) = self.report().await;
            heard.push((handover, status.status));
        }
        heard
    }

    fn case(&self, handover: u128) -> Option<Case> {
        self.centre.cases().cases.into_iter().find(|case| case.id == Uuid::from_u128(handover))
    }
}

fn normal() -> Behaviour {
    Behaviour::Normal { delays: Delays::none() }
}

const STORY: [Progress; 4] = [Progress::Acknowledged, Progress::Dispatched, Progress::Arrived, Progress::Closed];

#[tokio::test]
async fn a_normal_centre_tells_the_whole_story_in_order() {
    let mut town = Town::with(normal()).await;
    assert_eq!(town.send(1, Purpose::Help).await, 200);
    for step in STORY {
        let (handover, status) = town.report().await;
        assert_eq!((handover, status.status), (1, step));
        assert_eq!(status.reference.as_deref(), Some("120-000001"));
        assert_eq!(status.minutes, (step == Progress::Dispatched).then_some(8));
    }
}

#[tokio::test]
async fn copies_of_a_message_are_counted_and_begin_nothing_new() {
    let mut town = Town::with(normal()).await;
    for _ in 0..3 {
        assert_eq!(town.send(1, Purpose::Help).await, 200);
    }
    assert_eq!(town.send(2, Purpose::Help).await, 200);
    let mut heard = town.progress(8).await;
    heard.sort_by_key(|(handover, _)| *handover);
    assert_eq!(heard[..4], STORY.map(|step| (1, step)));
    assert_eq!(heard[4..], STORY.map(|step| (2, step)));
    let case = town.case(1).unwrap();
    assert_eq!((case.times_received, case.purpose, case.drill), (3, Purpose::Help, true));
    assert_eq!((case.incident, case.message.address.as_deref()), (Uuid::from_u128(1_001), Some("长沙市岳麓区")));
    assert_eq!(town.centre.cases().cases.len(), 2);
}

#[tokio::test]
async fn only_a_signed_keyed_timely_message_is_taken() {
    let town = Town::with(normal()).await;
    let message = town.message(1, Purpose::Help);
    assert_eq!(town.post(&message, "another secret").send().await.unwrap().status(), 401);
    let unsigned = town.client.post(town.centre.url()).header("idempotency-key", "1").body("{}");
    assert_eq!(unsigned.send().await.unwrap().status(), 401);

    let body = serde_json::to_vec(&message).unwrap();
    let header = signature::sign(SECRET.as_bytes(), clock::now(), &body);
    let without_key = town.client.post(town.centre.url()).header(signature::HEADER, header).body(body);
    assert_eq!(without_key.send().await.unwrap().status(), 400);

    let late = Message { not_after: clock::now() - SignedDuration::from_secs(1), ..message.clone() };
    assert_eq!(town.post(&late, SECRET).send().await.unwrap().status(), 410);
    assert_eq!(town.centre.cases(), Cases { cases: vec![], attempts: 4, badly_signed: 2 });

    assert_eq!(town.send(1, Purpose::Help).await, 200);
    let body = serde_json::to_vec(&town.message(2, Purpose::Help)).unwrap();
    let borrowed_key = town
        .client
        .post(town.centre.url())
        .header(signature::HEADER, signature::sign(SECRET.as_bytes(), clock::now(), &body))
        .header("idempotency-key", message.handover.to_string())
        .body(body);
    assert_eq!(borrowed_key.send().await.unwrap().status(), 409);
}

#[tokio::test]
async fn a_stand_down_ends_the_story_and_is_reported_closed() {
    let delays = Delays { dispatched_s: Some(3_600.0), ..Delays::none() };
    let mut town = Town::with(Behaviour::Normal { delays }).await;
    town.send(1, Purpose::Help).await;
    assert_eq!(town.progress(1).await, [(1, Progress::Acknowledged)]);
    assert_eq!(town.send(1, Purpose::StandDown).await, 200);
    assert_eq!(town.progress(1).await, [(1, Progress::Closed)]);
    // A copy of the request that comes late does not call the vehicle again.
    assert_eq!(town.send(1, Purpose::Help).await, 200);
    let case = town.case(1).unwrap();
    assert_eq!((case.purpose, case.times_received, case.times_stood_down), (Purpose::StandDown, 2, 1));
}

#[tokio::test]
async fn a_refusing_centre_says_why() {
    let mut town = Town::with(Behaviour::Refuse { after_s: 0.0, reason: "no vehicle is free".into() }).await;
    assert_eq!(town.send(1, Purpose::Help).await, 200);
    let (_, status) = town.report().await;
    assert_eq!((status.status, status.reason.as_deref()), (Progress::Refused, Some("no vehicle is free")));
}

#[tokio::test]
async fn a_centre_that_speaks_cap_takes_nothing_else_and_answers_in_it() {
    let mut town = Town::of(Config { format: Format::Cap, ..Config::new(SECRET, normal()) }).await;
    let message = town.message(1, Purpose::Help);
    assert_eq!(town.post(&message, SECRET).send().await.unwrap().status(), 415);
    let (client, url) = (town.client.clone(), town.centre.url());
    let send = async |message: &Message| {
        let body = cap::write(message, domain::incident::Centre::Ambulance);
        let request = client
            .post(&url)
            .header(signature::HEADER, signature::sign(SECRET.as_bytes(), clock::now(), body.as_bytes()))
            .header("idempotency-key", message.handover.to_string())
            .header("content-type", cap::CONTENT_TYPE)
            .body(body);
        request.send().await.unwrap().status()
    };
    assert_eq!(send(&message).await, 200);
    let case = town.case(1).unwrap();
    assert_eq!((case.drill, case.message.address.as_deref()), (true, Some("长沙市岳麓区")));
    assert_eq!(town.progress(4).await, STORY.map(|step| (1, step)));

    let reason = "no vehicle is free".to_owned();
    town.centre.behave(Behaviour::Refuse { after_s: 0.0, reason: reason.clone() }).await;
    assert_eq!(send(&town.message(2, Purpose::Help)).await, 200);
    let (_, status) = town.report().await;
    assert_eq!((status.status, status.reason), (Progress::Refused, Some(reason)));
    assert_eq!(status.reference.as_deref(), Some("120-000002"));
}

#[tokio::test]
async fn a_lying_centre_takes_the_message_and_says_nothing() {
    let mut town = Town::with(Behaviour::Lie).await;
    assert_eq!(town.send(1, Purpose::Help).await, 200);
    town.centre.behave(normal()).await;
    assert_eq!(town.send(2, Purpose::Help).await, 200);
    assert_eq!(town.progress(4).await, STORY.map(|step| (2, step)));
    assert_eq!(town.case(1).unwrap().reported, []);
}

#[tokio::test]
async fn a_centre_that_does_all_twice_reports_each_step_twice() {
    let mut town = Town::with(Behaviour::Twice { delays: Delays::none() }).await;
    town.send(1, Purpose::Help).await;
    assert_eq!(town.progress(8).await, STORY.into_iter().flat_map(|step| [(1, step); 2]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stuttering_centre_fails_first_and_then_takes_it_once() {
    let mut town = Town::with(Behaviour::Stutter { times: 2, delays: Delays::none() }).await;
    assert_eq!(town.send(1, Purpose::Help).await, 500);
    assert_eq!(town.send(1, Purpose::Help).await, 500);
    assert_eq!(town.send(1, Purpose::Help).await, 200);
    assert_eq!(town.progress(4).await, STORY.map(|step| (1, step)));
    assert_eq!(town.case(1).unwrap().times_received, 1);
}

#[tokio::test]
async fn a_centre_that_is_down_fails_refuses_or_hangs_and_can_come_back() {
    let town = Town::with(Behaviour::Down { how: Down::Fails }).await;
    assert_eq!(town.send(1, Purpose::Help).await, 500);

    town.centre.behave(Behaviour::Down { how: Down::Refuses }).await;
    let refused = town.post(&town.message(1, Purpose::Help), SECRET).send().await;
    assert!(refused.unwrap_err().is_connect());
    town.centre.behave(normal()).await;
    assert_eq!(town.send(1, Purpose::Help).await, 200);

    town.centre.behave(Behaviour::Down { how: Down::Hangs }).await;
    let attempts = town.centre.cases().attempts;
    let hanging = tokio::spawn(town.post(&town.message(2, Purpose::Help), SECRET).send());
    let arrived = async {
        while town.centre.cases().attempts == attempts {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, arrived).await.unwrap();
    assert!(!hanging.is_finished());
    town.centre.behave(normal()).await;
    assert_eq!(hanging.await.unwrap().unwrap().status(), 503);
    assert!(town.case(2).is_none());
}

#[tokio::test]
async fn a_centre_can_be_started_down() {
    let town = Town::with(Behaviour::Down { how: Down::Refuses }).await;
    assert!(town.post(&town.message(1, Purpose::Help), SECRET).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_slow_centre_has_the_message_before_it_answers() {
    let behaviour = Behaviour::Slow { answer_s: 3_600.0, delays: Delays::none() };
    let mut town = Town::with(behaviour).await;
    let answer = tokio::spawn(town.post(&town.message(1, Purpose::Help), SECRET).send());
    assert_eq!(town.progress(4).await, STORY.map(|step| (1, step)));
    assert!(!answer.is_finished());
    answer.abort();
}

#[tokio::test]
async fn a_report_that_the_server_cannot_take_is_tried_again() {
    let town = Town::with(normal()).await;
    // Answers 500 to the first report, and 204 from then on.
    let (tell, mut told) = mpsc::channel(8);
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let flaky = Router::new().fallback(async move |body: Bytes| {
        if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        tell.send(serde_json::from_slice::<Status>(&body).unwrap().status).await.unwrap();
        StatusCode::NO_CONTENT
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let status_url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, flaky).into_future());
    let message = Message { status_url, ..town.message(1, Purpose::Help) };
    assert_eq!(town.post(&message, SECRET).send().await.unwrap().status(), 200);
    for step in STORY {
        assert_eq!(timeout(BOUND, told.recv()).await.unwrap(), Some(step));
    }
}

#[tokio::test]
async fn cases_and_behaviour_are_reached_over_http_even_when_connections_are_refused() {
    let town = Town::with(Behaviour::Lie).await;
    town.send(1, Purpose::Help).await;
    let control = format!("http://{}", town.centre.control_addr());
    let change = async |behaviour: serde_json::Value| {
        let request = town.client.put(format!("{control}/behaviour")).json(&behaviour);
        assert_eq!(request.send().await.unwrap().status(), 204);
    };
    change(serde_json::json!({ "is": "down", "how": "refuses" })).await;
    assert!(town.client.get(town.centre.url()).send().await.unwrap_err().is_connect());
    let cases: Cases = town.client.get(format!("{control}/cases")).send().await.unwrap().json().await.unwrap();
    assert_eq!(cases, town.centre.cases());
    assert_eq!(cases.cases.len(), 1);
    change(serde_json::json!({ "is": "normal" })).await;
    assert_eq!(town.client.get(town.centre.url()).send().await.unwrap().status(), 405);
}

/// Papers that vouch for themselves, for a centre on loopback or a caller: certificate and key, in PEM.
fn papers() -> (String, String) {
    let papers = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    (papers.cert.pem(), papers.signing_key.serialize_pem())
}

#[tokio::test]
async fn over_https_who_does_not_shake_hands_holds_nobody_up_and_who_does_not_show_papers_is_not_heard() {
    let ((certificate, key), (callers, callers_key)) = (papers(), papers());
    let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes(), Some(callers.as_bytes())).unwrap();
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let centre = centre::start(Config { tls: Some(tls), ..Config::new(SECRET, normal()) }, stop).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tokio::net::TcpStream::connect(centre.addr()).await.unwrap());
    }
    let root = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    let caller = || {
        let caller = reqwest::Client::builder().no_proxy().timeout(BOUND).tls_built_in_root_certs(false);
        caller.add_root_certificate(root.clone())
    };
    let nobody = caller().build().unwrap();
    assert!(nobody.post(centre.url()).body("{}").send().await.is_err());
    assert_eq!(centre.cases().attempts, 0);
    let identity = reqwest::Identity::from_pem((callers + &callers_key).as_bytes()).unwrap();
    let somebody = caller().identity(identity).build().unwrap();
    let answer = somebody.post(centre.url()).body("{}").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), centre.cases().badly_signed), (401, 1));
    drop(silent);
}
