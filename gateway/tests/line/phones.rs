//! Phones with OwnTracks that ask over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::press::AlertKind;
use gateway::ListenerConfig;
use gateway::codec::owntracks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::command::{Carried, Command};
use wire::report::{Event, Report, Session};
use wire::topics::Lane;

use super::bus::eventually;
use super::dispatcher::Mood;
use super::{Line, SECRET, line, notice, order};

const PHONE: &str = "chen/phone";
/// A phone that encrypts, and under what.
pub(crate) const SEALED: &str = "wang/phone";
pub(crate) const KEY: &str = "kaifu-2026";
const PRESS: &str = r#"{"_type":"location","t":"u","lat":28.2282,"lon":112.9388,"tst":1772337906}"#;
const PLACE: &str =
    r#"{"_type":"transition","event":"leave","desc":"home","lat":28.2282,"lon":112.9388,"tst":1772337906}"#;

async fn listening(mood: Mood, settings: impl FnOnce(&mut ListenerConfig)) -> Line {
    let mut listener = ListenerConfig::http(SocketAddr::from(([127, 0, 0, 1], 0)));
    settings(&mut listener);
    line(mood, |config| config.listeners.push(listener)).await
}

/// What a phone says: who it is, and what.
#[derive(Clone, Copy)]
struct Says<'s> {
    login: &'s str,
    secret: &'s str,
    user: &'s str,
    device: &'s str,
    body: &'s str,
}

const HERSELF: Says<'static> = Says { login: PHONE, secret: SECRET, user: "chen", device: "phone", body: PRESS };

impl Says<'_> {
    fn request(&self) -> String {
        let credentials = STANDARD.encode(format!("{}:{}", self.login, self.secret));
        format!(
            "POST /pub HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {credentials}\r\nX-Limit-U: {}\r\nX-Limit-D: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
            self.user,
            self.device,
            self.body.len(),
            self.body
        )
    }

    /// The status, and the body of the answer.
    async fn to(&self, line: &Line) -> (u16, String) {
        asks(line, &self.request()).await
    }
}

async fn asks(line: &Line, request: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(super::listeners::address(line)).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let reading = tokio::time::timeout(Duration::from_mins(2), socket.read_to_string(&mut heard)).await;
    reading.expect("it is not answered").unwrap();
    let (start, body) = heard.split_once("\r\n\r\n").unwrap();
    (start.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_is_answered_when_it_is_durable() {
    let line = listening(Mood::Hesitating, |_| {}).await;
    let hearing = tokio::spawn({
        let request = HERSELF.request();
        let address = super::listeners::address(&line);
        async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut heard = String::new();
            socket.read_to_string(&mut heard).await.unwrap();
            heard
        }
    });
    line.dispatcher.until(|seen| seen.calls >= 1).await;
    assert!(!hearing.is_finished());
    line.dispatcher.set(Mood::Well);
    let heard = tokio::time::timeout(Duration::from_mins(2), hearing).await.unwrap().unwrap();
    assert!(heard.starts_with("HTTP/1.1 200") && heard.ends_with("\r\n\r\n[]"), "{heard}");
    let taken = line.dispatcher.taken();
    let report = taken.iter().find(|report| report.lane == Lane::Alert).unwrap();
    assert_eq!((report.serial.as_str(), report.topic.as_str()), (PHONE, "owntracks/chen/phone"));
    assert_eq!(
        (&report.event, report.raw.as_slice()),
        (&Some(Event::Alert { kind: AlertKind::Sos }), PRESS.as_bytes())
    );
    assert!(report.authenticated, "it has proved who it is");
    line.dispatcher.until(|seen| seen.heard.iter().any(|heard| heard.session == Session::Alive)).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_that_is_not_stored_is_to_come_again() {
    let line = listening(Mood::Away, |listener| listener.receipt_within = Duration::from_millis(50)).await;
    assert_eq!(HERSELF.to(&line).await.0, 503);
    line.dispatcher.set(Mood::Well);
    // It was not thrown away, either.
    line.dispatcher.until(|seen| !seen.taken.is_empty()).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_proves_who_they_are_is_heard_and_only_for_their_own_terminal() {
    let line = listening(Mood::Well, |listener| listener.frame_max = 512).await;
    let long = format!(r#"{{"_type":"location","x":"{}"}}"#, "x".repeat(600));
    for (says, status) in [
        (Says { secret: "another", ..HERSELF }, 401),
        (Says { login: "li/phone", ..HERSELF }, 401),
        (Says { user: "li", ..HERSELF }, 403),
        (Says { device: "cmd/x", ..HERSELF }, 200),
        (Says { login: "P1", ..HERSELF }, 403),
        (Says { login: "P1", user: "", device: "", body: PRESS, ..HERSELF }, 403),
        (Says { body: &long, ..HERSELF }, 413),
        (Says { body: "", ..HERSELF }, 200),
        (Says { body: "{\"_type\":\"of the future\"}", ..HERSELF }, 200),
    ] {
        let (login, user, device) = (says.login, says.user, says.device);
        assert_eq!(says.to(&line).await.0, status, "{login} for {user}/{device}");
    }
    assert_eq!(asks(&line, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.0, 405);
    assert_eq!(
        asks(&line, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.0,
        401
    );
    eventually(|| line.count("connections") == 0).await;
    assert_eq!(line.count("phones_refused"), 6);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_phone_travels_in_the_answer_once() {
    let line = listening(Mood::Well, |_| {}).await;
    let notifier = line.gateway.notifier();
    assert_eq!(Says { body: PLACE, ..HERSELF }.to(&line).await, (200, "[]".to_owned()));
    assert_eq!(notifier.order(order(PHONE, Command::Locate)).await, Ok(Carried::Posted { is_answered: true }));
    notifier.notify(notice(PHONE)).await.unwrap();
    notifier.notify(notice(PHONE)).await.unwrap();
    let (status, body) = Says { body: PLACE, ..HERSELF }.to(&line).await;
    let waiting: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, waiting.as_array().unwrap().len()), (200, 2), "{body}");
    assert_eq!(waiting[0]["action"], "reportLocation");
    assert_eq!(waiting[1]["_type"], "cmd");
    assert_eq!(Says { body: PLACE, ..HERSELF }.to(&line).await, (200, "[]".to_owned()));
    let seen = line.dispatcher.until(|seen| seen.delivered.len() == 2 && seen.taken.len() == 3).await;
    assert_eq!(seen.delivered[1].notice, notice(PHONE).id);
    assert!(seen.taken.iter().all(|report| report.topic == "owntracks/chen/phone/event"));
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_phone_encrypts_is_read_under_its_key_and_answered_under_it() {
    let line = listening(Mood::Well, |_| {}).await;
    let seals = |body: &str, key| String::from_utf8(owntracks::seal(body.as_bytes(), key, &[7; 24])).unwrap();
    let herself = Says { login: SEALED, user: "wang", ..HERSELF };
    let (press, place) = (seals(PRESS, KEY), seals(PLACE, KEY));
    assert_eq!(Says { body: &press, ..herself }.to(&line).await, (200, "[]".to_owned()));
    let taken = line.dispatcher.taken();
    let [report] = &taken[..] else { panic!("one press: {taken:?}") };
    assert_eq!((&report.event, report.fixes.len()), (&Some(Event::Alert { kind: AlertKind::Sos }), 1));
    assert_eq!((report.serial.as_str(), report.raw.as_slice()), (SEALED, press.as_bytes()));

    // What it says of places is read by what it is, whatever the topic that nobody could know.
    line.gateway.notifier().notify(notice(SEALED)).await.unwrap();
    let (status, body) = Says { body: &place, ..herself }.to(&line).await;
    let waiting: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &waiting[0]["_type"]), (200, &"encrypted".into()), "{body}");
    assert!(!body.contains("notification"), "{body}");
    let left = |report: &Report| matches!(&report.event, Some(Event::Transition { entered: false, region }) if region == "home");
    line.dispatcher.until(|seen| seen.taken.iter().any(left)).await;

    // Under another key, or by a phone whose key nobody has, it is kept with the reason and rings.
    for (says, why) in [
        (Says { body: &seals(PRESS, "kaifu-2027"), ..herself }, "another key"),
        (Says { body: &press, ..HERSELF }, "nobody here has the key"),
    ] {
        assert_eq!(says.to(&line).await.0, 200);
        let is_kept = |report: &Report| {
            let Some(Event::Unreadable { why: reason }) = &report.event else { return false };
            report.lane == Lane::Alert && reason.contains(why)
        };
        line.dispatcher.until(|seen| seen.taken.iter().any(is_kept)).await;
    }
    line.end().await;
}
