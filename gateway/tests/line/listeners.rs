//! Terminals with a connection of their own: what they hear, when, and what they may not do.

use std::net::SocketAddr;
use std::time::Duration;

use domain::press::AlertKind;
use gateway::ListenerConfig;
use gateway::listeners::Rate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;
use wire::command::{Answer, Carried, Command};
use wire::directory::{Dialect, Update};
use wire::notice::Notice;
use wire::report::{Doubt, Event, Report, Session};

use super::bus::eventually;
use super::dispatcher::Mood;
use super::{Line, directory, line, notice, order};
use gateway::GatewayError;

/// The watch that the directory lists.
pub(crate) const WATCH: &str = "8800000015";
const STRANGER: &str = "8800000099";
const PATIENCE: Duration = Duration::from_mins(2);

/// A watch on its connection.
struct Watch {
    socket: TcpStream,
    id: &'static str,
}

impl Watch {
    async fn connect(line: &Line) -> Self {
        Self { socket: TcpStream::connect(address(line)).await.unwrap(), id: WATCH }
    }

    /// One that the server has answered.
    async fn known(line: &Line) -> Self {
        let mut watch = Self::connect(line).await;
        watch.says("LK").await;
        watch.hears("LK").await;
        watch
    }

    async fn stranger(line: &Line) -> Self {
        Self { id: STRANGER, ..Self::connect(line).await }
    }

    fn frame(&self, content: &str) -> Vec<u8> {
        format!("[3G*{}*{:04X}*{content}]", self.id, content.len()).into_bytes()
    }

    async fn says(&mut self, content: &str) {
        let frame = self.frame(content);
        self.writes(&frame).await;
    }

    async fn writes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// The SOS key at a second of a minute: another press each.
    async fn presses(&mut self, second: u8) {
        self.says(&sos(second)).await;
    }

    async fn hears(&mut self, content: &str) {
        let wanted = self.frame(content);
        let mut heard = vec![0; wanted.len()];
        let reading = tokio::time::timeout(PATIENCE, self.socket.read_exact(&mut heard)).await;
        reading.unwrap_or_else(|_| panic!("it does not hear {content}")).unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(&wanted));
    }

    /// So many frames with a word of two letters, in whatever order they come.
    async fn hears_frames(&mut self, count: usize) -> String {
        let mut heard = vec![0; count * self.frame("AL").len()];
        let reading = tokio::time::timeout(PATIENCE, self.socket.read_exact(&mut heard)).await;
        reading.expect("it does not hear so many").unwrap();
        String::from_utf8(heard).unwrap()
    }

    /// The server hangs up without another word.
    async fn hears_no_more(mut self) {
        let mut heard = Vec::new();
        let reading = tokio::time::timeout(PATIENCE, self.socket.read_to_end(&mut heard)).await;
        // Being cut off is being dismissed, too.
        let _ = reading.expect("the server does not hang up");
        assert_eq!(String::from_utf8_lossy(&heard), "");
    }
}

fn sos(second: u8) -> String {
    let place = "A,28.228200,N,112.938800,E,0.00,0.0,48.0,8,100,80,0,0,00010000,0,0";
    format!("AL_LTE,050326,0809{second:02},{place}")
}

const POSITION: &str = "UD_LTE,050326,080910,A,28.228200,N,112.938800,E,0.00,0.0,48.0,8,100,80,0,0,00000000,0,0";

pub(crate) fn address(line: &Line) -> SocketAddr {
    line.gateway.listens_at()[0].address
}

/// A gateway that listens for watches.
async fn listening(mood: Mood, settings: impl FnOnce(&mut ListenerConfig)) -> Line {
    let mut listener = ListenerConfig::new(Dialect::Watch, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    settings(&mut listener);
    line(mood, |config| config.listeners.push(listener)).await
}

async fn counts(line: &Line, name: &str, value: u64) {
    eventually(|| line.count(name) == value).await;
}

fn alerts(reports: &[Report]) -> Vec<&Report> {
    reports.iter().filter(|report| matches!(report.event, Some(Event::Alert { .. }))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_is_answered_when_it_is_durable_and_a_sign_of_life_meanwhile() {
    let line = listening(Mood::Hesitating, |_| {}).await;
    let mut watch = Watch::known(&line).await;
    watch.presses(10).await;
    counts(&line, "alerts_taken", 1).await;
    watch.says("LK,10,0,80").await;
    // Whatever had been said before would have been heard before.
    watch.hears("LK").await;
    line.dispatcher.set(Mood::Well);
    watch.hears("AL").await;
    let seen = line.dispatcher.until(|seen| alerts(&seen.taken).len() == 1).await;
    let report = alerts(&seen.taken)[0];
    assert_eq!((report.serial.as_str(), report.dialect), (WATCH, Dialect::Watch));
    assert_eq!(report.event, Some(Event::Alert { kind: AlertKind::Sos }));
    assert_eq!((report.raw.as_slice(), report.topic.as_str()), (&*watch.frame(&sos(10)), "watch/8800000015/AL_LTE"));
    assert!(!report.authenticated && report.doubts.iter().all(|doubt| *doubt != Doubt::UnknownTerminal));
    line.dispatcher.until(|seen| seen.heard.iter().any(|heard| heard.session == Session::Opened)).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_else_can_come_a_listed_number_is_proof() {
    let line = listening(Mood::Well, |listener| listener.trusts_serials = true).await;
    let (mut watch, mut stranger) = (Watch::connect(&line).await, Watch::stranger(&line).await);
    watch.presses(1).await;
    watch.hears("AL").await;
    stranger.presses(1).await;
    stranger.hears("AL").await;
    let taken = line.dispatcher.taken();
    let proved = |serial: &str| alerts(&taken).iter().any(|report| report.serial == serial && report.authenticated);
    assert!(proved(WATCH) && !proved("watch:8800000099"));
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_comes_in_pieces_and_one_that_comes_with_another_are_both_read() {
    let line = listening(Mood::Well, |_| {}).await;
    let mut watch = Watch::connect(&line).await;
    let both = [watch.frame(&sos(1)), watch.frame("LK")].concat();
    let (begin, rest) = both.split_at(33);
    watch.writes(begin).await;
    counts(&line, "connections", 1).await;
    watch.writes(rest).await;
    let heard = watch.hears_frames(2).await;
    assert!(heard.contains("*LK]") && heard.contains("*AL]"), "{heard}");
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_receipt_nothing_is_answered_and_the_terminal_is_sent_away_to_repeat() {
    let line = listening(Mood::Away, |listener| listener.receipt_within = Duration::from_secs(1)).await;
    let mut watch = Watch::known(&line).await;
    watch.presses(1).await;
    watch.hears_no_more().await;
    counts(&line, "connections_no_receipt", 1).await;
    // What it had said is not lost for that, and what it repeats is answered.
    line.dispatcher.set(Mood::Well);
    line.dispatcher.until(|seen| alerts(&seen.taken).len() == 1).await;
    let mut again = Watch::connect(&line).await;
    again.presses(1).await;
    again.hears("AL").await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_that_is_repeated_before_it_is_stored_is_one_press_and_answered_once() {
    let line = listening(Mood::Hesitating, |listener| listener.alerts_waiting_max = 2).await;
    let mut watch = Watch::known(&line).await;
    for _ in 0..3 {
        watch.presses(1).await;
    }
    counts(&line, "alerts_repeated", 2).await;
    // Copies take no room: there is some for another press, and a sign of life is heard behind it all.
    watch.presses(2).await;
    counts(&line, "alerts_taken", 2).await;
    line.dispatcher.set(Mood::Well);
    watch.hears("AL").await;
    watch.hears("AL").await;
    // One more copy, which crossed its answer. Nobody is answered for it: the next answer is that of the next press.
    watch.presses(2).await;
    counts(&line, "alerts_repeated", 3).await;
    watch.says("LK").await;
    watch.hears("LK").await;
    watch.presses(3).await;
    watch.hears("AL").await;
    let seconds = |taken: &[Report]| -> Vec<_> {
        alerts(taken).iter().map(|report| report.stamp.device_at.unwrap().as_second() % 60).collect()
    };
    assert_eq!(seconds(&line.dispatcher.taken()), [1, 2, 3]);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_handed_over_counts_when_its_connection_breaks_before_the_answer() {
    let line = listening(Mood::Hesitating, |_| {}).await;
    let mut watch = Watch::known(&line).await;
    watch.presses(1).await;
    watch.presses(1).await;
    counts(&line, "alerts_repeated", 1).await;
    drop(watch);
    counts(&line, "connections", 0).await;
    // On another connection it is no copy: whoever repeats it there waits for an answer of their own.
    let mut again = Watch::known(&line).await;
    again.presses(1).await;
    counts(&line, "alerts_taken", 2).await;
    line.dispatcher.set(Mood::Well);
    again.hears("AL").await;
    line.dispatcher.until(|seen| alerts(&seen.taken).len() == 2).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_so_many_unstored_alarms_nothing_more_is_read_and_order_is_kept() {
    let line = listening(Mood::Hesitating, |listener| listener.alerts_waiting_max = 2).await;
    let mut watch = Watch::known(&line).await;
    for second in 1..=5 {
        watch.presses(second).await;
    }
    watch.says("LK").await;
    counts(&line, "alerts_taken", 2).await;
    // Another terminal is not held up by it.
    let mut stranger = Watch::stranger(&line).await;
    stranger.says("LK").await;
    stranger.hears("LK").await;
    assert_eq!(line.count("alerts_taken"), 2);
    line.dispatcher.set(Mood::Well);
    let heard = watch.hears_frames(6).await;
    let times = |word: &str| heard.matches(word).count();
    assert_eq!((times("*AL]"), times("*LK]")), (5, 1), "{heard}");
    let taken = line.dispatcher.taken();
    let seconds: Vec<_> =
        alerts(&taken).iter().map(|report| report.stamp.device_at.unwrap().as_second() % 60).collect();
    assert_eq!(seconds, [1, 2, 3, 4, 5]);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_connection_of_a_terminal_wins() {
    let line = listening(Mood::Well, |_| {}).await;
    let old = Watch::known(&line).await;
    let mut new = Watch::known(&line).await;
    old.hears_no_more().await;
    counts(&line, "connections_replaced", 1).await;
    new.presses(1).await;
    new.hears("AL").await;
    let seen = line.dispatcher.until(|seen| seen.heard.len() >= 2).await;
    assert!(seen.heard.iter().all(|heard| heard.session == Session::Opened), "{:?}", seen.heard);
    drop(new);
    line.dispatcher.until(|seen| seen.heard.iter().any(|heard| heard.session == Session::Closed)).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_heard_when_they_call_for_help_and_for_nothing_else() {
    let line = listening(Mood::Well, |_| {}).await;
    let mut stranger = Watch::stranger(&line).await;
    stranger.says(POSITION).await;
    stranger.presses(1).await;
    stranger.hears("AL").await;
    let taken = line.dispatcher.taken();
    let [report] = &taken[..] else { panic!("only the call for help: {taken:?}") };
    assert_eq!(report.serial, "watch:8800000099");
    assert!(!report.authenticated && report.doubts.contains(&Doubt::UnknownTerminal));
    assert_eq!((line.count("strangers_telemetry"), line.count("strangers_alerts")), (1, 1));
    assert_eq!(line.count("connections_unidentified"), 1);
    // Ever other names from one address are one source in the end.
    for number in 0..10 {
        let content = sos(2);
        stranger.writes(format!("[3G*88000001{number:02}*{:04X}*{content}]", content.len()).as_bytes()).await;
    }
    let seen = line.dispatcher.until(|seen| alerts(&seen.taken).len() == 11).await;
    assert!(alerts(&seen.taken).iter().any(|report| report.serial == "watch@127.0.0.1"));
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_of_another_dialect_is_a_stranger_here() {
    let line = listening(Mood::Well, |_| {}).await;
    let mut watch = Watch { id: "P1", ..Watch::connect(&line).await };
    watch.presses(1).await;
    watch.hears("AL").await;
    assert_eq!(line.dispatcher.taken()[0].serial, "watch:P1");
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_so_many_connections_and_no_more() {
    let line = listening(Mood::Well, |listener| listener.connections_max = 1).await;
    let mut first = Watch::known(&line).await;
    Watch::connect(&line).await.hears_no_more().await;
    counts(&line, "connections_refused_full", 1).await;
    first.presses(1).await;
    first.hears("AL").await;
    drop(first);
    counts(&line, "connections", 0).await;
    Watch::known(&line).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_do_not_say_who_they_are_take_no_place_of_those_who_do() {
    let line = listening(Mood::Well, |listener| {
        listener.unidentified_max = 1;
        listener.unidentified_for = Duration::from_secs(1);
    })
    .await;
    // Who is known is not one of them.
    let mut known = Watch::known(&line).await;
    let mut silent = Watch::connect(&line).await;
    counts(&line, "connections_unidentified", 1).await;
    Watch::connect(&line).await.hears_no_more().await;
    counts(&line, "connections_refused_unidentified", 1).await;
    // A byte now and then is no frame.
    silent.writes(b"[3G*88").await;
    silent.hears_no_more().await;
    counts(&line, "connections_never_identified", 1).await;
    known.presses(1).await;
    known.hears("AL").await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_comes_too_often_is_turned_away() {
    let line = listening(Mood::Well, |listener| listener.address_rate = Rate::new(1, 1)).await;
    let _first = Watch::connect(&line).await;
    Watch::connect(&line).await.hears_no_more().await;
    counts(&line, "connections_refused_address", 1).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_or_never_ends_a_frame_is_dismissed() {
    let line = listening(Mood::Well, |listener| listener.idle = Duration::from_secs(1)).await;
    let mut slow = Watch::known(&line).await;
    slow.writes(b"[3G*8800000015*00").await;
    slow.hears_no_more().await;
    counts(&line, "connections_idle", 1).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_longer_than_it_may_be_ends_the_connection_and_is_kept() {
    let line = listening(Mood::Well, |listener| listener.frame_max = 256).await;
    let mut watch = Watch::known(&line).await;
    watch.writes(b"[3G*8800000015*FFFF*TK,").await;
    // The rest may find the door closed.
    let _ = watch.socket.write_all(&[b'x'; 300]).await;
    watch.hears_no_more().await;
    counts(&line, "connections_oversized", 1).await;
    let kept = |report: &Report| matches!(report.event, Some(Event::Unreadable { .. })) && report.serial == WATCH;
    line.dispatcher.until(|seen| seen.taken.iter().any(kept)).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_and_orders_reach_the_connection_and_answers_find_what_they_answer() {
    let line = listening(Mood::Well, |_| {}).await;
    let notifier = line.gateway.notifier();
    assert_eq!(notifier.notify(notice(WATCH)).await, Err(GatewayError::Away(WATCH.into())));
    assert_eq!(notifier.order(order(WATCH, Command::Locate)).await, Ok(Carried::Away));

    let mut watch = Watch::known(&line).await;
    notifier.notify(notice(WATCH)).await.unwrap();
    // 坐席已受理您的求助.
    watch.hears("MESSAGE,5750 5E2D 5DF2 53D7 7406 60A8 7684 6C42 52A9".replace(' ', "").as_str()).await;
    // The same news again are not said again on the same connection.
    notifier.notify(notice(WATCH)).await.unwrap();
    assert_eq!(notifier.order(order(WATCH, Command::Locate)).await, Ok(Carried::Sent { is_answered: true }));
    watch.hears("CR").await;
    let listen_in = notifier.order(order(WATCH, Command::ReportEvery { every_s: 1 })).await;
    assert!(matches!(listen_in, Ok(Carried::Unfit { .. })), "{listen_in:?}");

    watch.says("MESSAGE").await;
    watch.says("CR").await;
    let seen = line.dispatcher.until(|seen| !seen.delivered.is_empty() && !seen.taken.is_empty()).await;
    assert_eq!(seen.delivered[0].notice, notice(WATCH).id);
    let answers: Vec<&Answer> = seen.taken.iter().flat_map(Report::answers).collect();
    assert_eq!((answers.len(), answers[0].number, answers[0].word.as_str()), (1, Some(7), "CR"));

    // A new connection is a new screen.
    drop(watch);
    let mut watch = Watch::known(&line).await;
    let another = Notice { id: Uuid::from_u128(72), ..notice(WATCH) };
    notifier.notify(another).await.unwrap();
    watch.hears("MESSAGE,57505E2D5DF253D7740660A876846C4252A9").await;
    line.end().await;
}

/// A watch that is known, and has just been struck from the directory.
async fn struck() -> (Line, Watch) {
    let bus = super::bus::Bus::start();
    let listener = ListenerConfig::new(Dialect::Watch, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let config = gateway::Config { listeners: vec![listener], ..super::config("g1", bus.addr) };
    let (listed, stop) = (directory(), tokio_util::sync::CancellationToken::new());
    let dispatcher = std::sync::Arc::new(super::Fake::new(Mood::Well));
    let gateway = gateway::start(config, listed.clone(), dispatcher.clone(), stop.clone()).await.unwrap();
    let door = super::Door::connect(&bus, "east").await;
    let line = Line { bus, door, dispatcher, gateway, stop };
    let watch = Watch::known(&line).await;
    listed.apply(Update { from: Some(1), to: 2, removed: vec![WATCH.into()], ..Update::default() }).unwrap();
    (line, watch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_struck_from_the_directory_is_dismissed() {
    let (line, watch) = struck().await;
    watch.hears_no_more().await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_struck_is_dismissed_also_when_they_say_something_before_that_is_noticed() {
    let (line, mut watch) = struck().await;
    watch.presses(1).await;
    watch.hears_no_more().await;
    let seen = line.dispatcher.until(|seen| !alerts(&seen.taken).is_empty()).await;
    let serials: Vec<&str> = alerts(&seen.taken).iter().map(|report| report.serial.as_str()).collect();
    assert_eq!(serials, ["watch:8800000015"], "heard, as a stranger's");
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_says_what_has_become_durable_and_takes_nobody_in() {
    let line = listening(Mood::Hesitating, |_| {}).await;
    let address = address(&line);
    let mut watch = Watch::known(&line).await;
    watch.presses(1).await;
    let dispatcher = line.dispatcher.clone();
    // That it has come, and the press: its call is under way, and what hangs on it is said before the end.
    dispatcher.until(|seen| seen.calls >= 2).await;
    line.stop.cancel();
    dispatcher.set(Mood::Well);
    watch.hears("AL").await;
    watch.hears_no_more().await;
    line.end().await;
    assert!(TcpStream::connect(address).await.is_err());
}
