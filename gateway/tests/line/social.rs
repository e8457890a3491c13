//! Social alarms over SIP: by hand where the moment counts, and by somebody else's client (`sipp`).

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use domain::press::AlertKind;
use gateway::codec::scaip::AnswerMode;
use gateway::{ListenerConfig, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::process::{Child, Command};
use wire::directory::Dialect;
use wire::report::{Doubt, Event, Report};
use wire::topics::Lane;

use super::bus::eventually;
use super::dispatcher::Mood;
use super::{Line, line};

/// The unit that the directory lists.
pub(crate) const UNIT: &str = "26000017";
const PATIENCE: Duration = Duration::from_mins(2);

fn alarm(reference: &str) -> String {
    format!("<mrq><ref>{reference}</ref><cid>{UNIT}</cid><dty>0003</dty><mty>ME</mty><stc>0010</stc></mrq>")
}

/// A gateway that listens for social alarms.
async fn listening(
    mood: Mood,
    transport: Transport,
    answer: AnswerMode,
    settings: impl FnOnce(&mut ListenerConfig),
) -> Line {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut listener = match transport {
        Transport::Udp => ListenerConfig::udp(Dialect::Scaip, here),
        _ => ListenerConfig::new(Dialect::Scaip, here),
    }
    .unwrap();
    listener.answers.answer = answer;
    settings(&mut listener);
    line(mood, |config| config.listeners.push(listener)).await
}

fn address(line: &Line) -> SocketAddr {
    line.gateway.listens_at()[0].address
}

fn message(user: &str, branch: &str, body: &str) -> String {
    format!(
        "MESSAGE sip:alarm@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@10.0.0.5>;tag=77\r\nTo: <sip:alarm@127.0.0.1>\r\n\
         Call-ID: {branch}@10.0.0.5\r\nCSeq: 20 MESSAGE\r\nContent-Type: application/scaip+xml\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What a unit that has the message answers.
fn ok(message: &str) -> String {
    let of = |name: &str| message.lines().find(|line| line.starts_with(name)).unwrap();
    let lines = ["SIP/2.0 200 OK", of("Via:"), of("From:"), of("To:"), of("Call-ID:"), of("CSeq:")];
    format!("{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"))
}

/// A unit that speaks over UDP.
struct Unit(UdpSocket);

impl Unit {
    async fn new(line: &Line) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address(line)).await.unwrap();
        Self(socket)
    }

    async fn says(&self, message: &str) {
        self.0.send(message.as_bytes()).await.unwrap();
    }

    async fn hears(&self) -> String {
        let mut heard = vec![0; 65_535];
        let len = tokio::time::timeout(PATIENCE, self.0.recv(&mut heard)).await.expect("it hears nothing").unwrap();
        String::from_utf8(heard[..len].to_vec()).unwrap()
    }

    /// The next that is no repetition of `known`.
    async fn hears_other_than(&self, known: &str) -> String {
        loop {
            let heard = self.hears().await;
            if heard != known {
                return heard;
            }
        }
    }
}

fn alerts(taken: &[Report]) -> Vec<&Report> {
    taken.iter().filter(|report| report.lane == Lane::Alert).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn received_is_said_when_it_is_durable_and_a_repeated_request_hears_the_same_again() {
    let line = listening(Mood::Hesitating, Transport::Udp, AnswerMode::Separate, |listener| {
        listener.receipt_within = PATIENCE;
    })
    .await;
    let unit = Unit::new(&line).await;
    let asked = message(UNIT, "a1", &alarm("k1"));
    unit.says(&asked).await;
    let accepted = unit.hears().await;
    assert!(accepted.starts_with("SIP/2.0 200 OK") && accepted.ends_with("Content-Length: 0\r\n\r\n"), "{accepted}");
    // Nothing about the alarm has been said, or it would be heard first.
    unit.says(&asked).await;
    assert_eq!(unit.hears().await, accepted);
    line.dispatcher.set(Mood::Well);
    let told = unit.hears().await;
    assert!(told.starts_with("MESSAGE ") && told.contains("<mrs><ref>k1</ref><snu>0</snu></mrs>"), "{told}");
    assert!(told.contains(&format!("Via: SIP/2.0/UDP {}", address(&line))), "{told}");
    // It is said again until it is answered.
    assert_eq!(unit.hears().await, told);
    unit.says(&ok(&told)).await;
    eventually(|| line.count("requests_answered") == 1).await;
    let taken = line.dispatcher.taken();
    let [report] = alerts(&taken)[..] else { panic!("once: {taken:?}") };
    assert_eq!((report.serial.as_str(), &report.event), (UNIT, &Some(Event::Alert { kind: AlertKind::Sos })));
    assert_eq!((report.raw.as_slice(), report.topic.as_str()), (alarm("k1").as_bytes(), "scaip/26000017/ME"));
    assert!(!report.authenticated);
    assert_eq!(line.count("requests_repeated"), 1);

    // The unit is not sure and asks in another transaction: for the dispatcher these are the same bytes.
    unit.says(&message(UNIT, "a2", &alarm("k1"))).await;
    let accepted = unit.hears_other_than(&told).await;
    assert!(accepted.starts_with("SIP/2.0 200 OK"), "{accepted}");
    assert!(unit.hears_other_than(&told).await.contains("<snu>0</snu>"));
    let seen = line.dispatcher.until(|seen| alerts(&seen.taken).len() == 2).await;
    assert_eq!(alerts(&seen.taken)[0].raw, alerts(&seen.taken)[1].raw);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_read_rings_and_is_kept_with_the_reason() {
    let line = listening(Mood::Well, Transport::Udp, AnswerMode::InBody, |_| {}).await;
    let unit = Unit::new(&line).await;
    for (number, (body, snu)) in [("<mrq><re", 2), ("no XML at all", 2), ("", 2)].into_iter().enumerate() {
        unit.says(&message(UNIT, &format!("b{number}"), body)).await;
        let heard = unit.hears().await;
        assert!(heard.contains(&format!("<snu>{snu}</snu>")), "{body:?}: {heard}");
    }
    let seen = line.dispatcher.until(|seen| alerts(&seen.taken).len() == 3).await;
    for report in alerts(&seen.taken) {
        assert!(matches!(&report.event, Some(Event::Unreadable { why }) if !why.is_empty()), "{report:?}");
        assert_eq!(report.serial, UNIT, "the user of the SIP message tells whose it is");
    }
    // One that breaks off after its alarm is an alarm.
    unit.says(&message(UNIT, "b9", alarm("k9").trim_end_matches("</mrq>"))).await;
    assert!(unit.hears().await.contains("<ref>k9</ref><snu>2</snu>"));
    let seen = line.dispatcher.until(|seen| alerts(&seen.taken).len() == 4).await;
    let last = alerts(&seen.taken)[3];
    assert_eq!(last.event, Some(Event::Alert { kind: AlertKind::Sos }));
    assert!(last.doubts.iter().any(|doubt| matches!(doubt, Doubt::Damaged { .. })));
    // What is no SIP at all is nobody's call.
    unit.says("\u{1}\u{2}<mrq>").await;
    eventually(|| line.count("junk") == 1).await;
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_heard_over_udp_and_takes_no_place() {
    let line = listening(Mood::Well, Transport::Udp, AnswerMode::Separate, |_| {}).await;
    let unit = Unit::new(&line).await;
    let foreign = alarm("k1").replace(UNIT, "26000099");
    unit.says(&message("26000099", "s1", &foreign)).await;
    assert!(unit.hears().await.starts_with("SIP/2.0 200"));
    assert!(unit.hears().await.contains("<snu>0</snu>"));
    eventually(|| line.count("connections") == 0).await;
    let taken = line.dispatcher.taken();
    assert_eq!((taken.len(), taken[0].serial.as_str()), (1, "scaip:26000099"));
    assert!(taken[0].doubts.contains(&Doubt::UnknownTerminal));
    assert_eq!(line.count("connections_opened"), 1);
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_address_of_a_unit_wins() {
    let line = listening(Mood::Well, Transport::Udp, AnswerMode::InBody, |_| {}).await;
    let (old, new) = (Unit::new(&line).await, Unit::new(&line).await);
    for (unit, reference) in [(&old, "n1"), (&new, "n2")] {
        unit.says(&message(UNIT, reference, &alarm(reference))).await;
        assert!(unit.hears().await.contains("<snu>0</snu>"));
    }
    eventually(|| line.count("connections_replaced") == 1).await;
    eventually(|| line.count("connections") == 1).await;
    // Who was replaced is heard all the same, and is the newest then.
    old.says(&message(UNIT, "n3", &alarm("n3"))).await;
    assert!(old.hears().await.contains("<snu>0</snu>"));
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_so_many_addresses_and_no_more() {
    let line = listening(Mood::Well, Transport::Udp, AnswerMode::InBody, |listener| listener.connections_max = 1).await;
    let (first, second) = (Unit::new(&line).await, Unit::new(&line).await);
    first.says(&message(UNIT, "m1", &alarm("m1"))).await;
    assert!(first.hears().await.contains("<snu>0</snu>"));
    second.says(&message("26000099", "m2", &alarm("m2"))).await;
    eventually(|| line.count("connections_refused_full") == 1).await;
    first.says(&message(UNIT, "m3", &alarm("m3"))).await;
    assert!(first.hears().await.contains("<ref>m3</ref>"));
    line.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tcp_the_answer_comes_on_the_same_connection_once() {
    let line = listening(Mood::Well, Transport::Tcp, AnswerMode::Separate, |_| {}).await;
    let mut unit = TcpStream::connect(address(&line)).await.unwrap();
    let asked = message(UNIT, "t1", &alarm("k1"));
    let (begin, rest) = asked.as_bytes().split_at(200);
    unit.write_all(begin).await.unwrap();
    eventually(|| line.count("connections") == 1).await;
    unit.write_all(rest).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"</mrs>") {
        let reading = tokio::time::timeout(PATIENCE, unit.read_buf(&mut heard)).await;
        assert_ne!(reading.expect("it does not hear that it is received").unwrap(), 0);
    }
    let heard = String::from_utf8(heard).unwrap();
    assert!(heard.starts_with("SIP/2.0 200 OK") && heard.contains("<ref>k1</ref><snu>0</snu>"), "{heard}");
    line.end().await;
}

/// What the client of somebody else says.
struct Says {
    body: String,
    /// What it wants to read in the answer.
    wants: &'static str,
}

/// A scenario of sipp's: a MESSAGE, and the answer in the body of the 200, or in a MESSAGE that goes out of the call.
fn scenario(says: &Says, mode: AnswerMode) -> String {
    let then = match mode {
        AnswerMode::InBody => {
            format!("<recv response=\"200\">{}</recv><Reference variables=\"1\"/>", wants(says.wants))
        }
        // As long as anybody has patience; the test ends it.
        AnswerMode::Separate => format!("<recv response=\"200\"/><pause milliseconds=\"{}\"/>", PATIENCE.as_millis()),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>
<scenario name=\"unit\"><send retrans=\"500\"><![CDATA[

MESSAGE sip:alarm@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:{UNIT}@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:alarm@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 MESSAGE
Contact: <sip:{UNIT}@[local_ip]:[local_port]>
Content-Type: application/scaip+xml
Content-Length: [len]

{}
]]></send>{then}</scenario>",
        says.body
    )
}

fn wants(pattern: &str) -> String {
    let pattern = pattern.replace('<', "&lt;").replace('>', "&gt;");
    format!("<action><ereg regexp=\"{pattern}\" search_in=\"body\" check_it=\"true\" assign_to=\"1\"/></action>")
}

/// What it does with a MESSAGE of ours: answers it when it says what is wanted.
fn outside_the_call(pattern: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>
<scenario name=\"answer\"><recv request=\"MESSAGE\">{}</recv><Reference variables=\"1\"/><send><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send></scenario>",
        wants(pattern)
    )
}

struct Sipp {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Sipp {
    fn start(line: &Line, transport: Transport, mode: AnswerMode, says: &Says) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("unit.xml"), scenario(says, mode)).unwrap();
        let mut command = Command::new("sipp");
        command.args([
            "-sf",
            "unit.xml",
            "-m",
            "1",
            "-nostdin",
            "-i",
            "127.0.0.1",
            "-timeout",
            "110",
            "-timeout_error",
        ]);
        command.args(["-t", if transport == Transport::Udp { "u1" } else { "t1" }]);
        if mode == AnswerMode::Separate {
            std::fs::write(folder.path().join("answer.xml"), outside_the_call(says.wants)).unwrap();
            command.args(["-oocsf", "answer.xml"]);
        }
        command.arg(address(line).to_string()).current_dir(folder.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("sipp does not start; scripts/install-packages test brings it");
        Self { child, _folder: folder }
    }

    /// It has heard what it wanted.
    async fn ends_well(self) {
        let output = tokio::time::timeout(PATIENCE, self.child.wait_with_output()).await;
        let output = output.expect("sipp does not end").unwrap();
        assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }

    async fn ends(mut self) {
        self.child.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_client_hears_what_it_expects_over_udp_and_tcp() {
    let said = [
        Says { body: alarm("s1"), wants: "<ref>s1</ref><snu>0</snu>" },
        Says { body: alarm("s2").replace("ME", "PI"), wants: "<ref>s2</ref><snu>0</snu>" },
        Says { body: "<mrq><re".to_owned(), wants: "<snu>2</snu>" },
    ];
    for transport in [Transport::Udp, Transport::Tcp] {
        let line = listening(Mood::Well, transport, AnswerMode::InBody, |_| {}).await;
        for says in &said {
            Sipp::start(&line, transport, AnswerMode::InBody, says).ends_well().await;
        }
        let seen = line.dispatcher.until(|seen| alerts(&seen.taken).len() == 2).await;
        let events: Vec<_> = alerts(&seen.taken).iter().map(|report| report.event.clone().unwrap()).collect();
        assert_eq!(events[0], Event::Alert { kind: AlertKind::Sos });
        assert!(matches!(events[1], Event::Unreadable { .. }), "{events:?}");
        line.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_client_takes_and_answers_a_message_of_its_own() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let line = listening(Mood::Well, transport, AnswerMode::Separate, |_| {}).await;
        let says = Says { body: alarm("s1"), wants: "<ref>s1</ref><snu>0</snu>" };
        let sipp = Sipp::start(&line, transport, AnswerMode::Separate, &says);
        eventually(|| line.count("requests_answered") == 1).await;
        sipp.ends().await;
        assert_eq!(alerts(&line.dispatcher.taken()).len(), 1);
        line.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_client_that_repeats_itself_has_called_once() {
    let patient = |listener: &mut ListenerConfig| listener.receipt_within = PATIENCE;
    let line = listening(Mood::Hesitating, Transport::Udp, AnswerMode::InBody, patient).await;
    let says = Says { body: alarm("s1"), wants: "<snu>0</snu>" };
    let sipp = Sipp::start(&line, Transport::Udp, AnswerMode::InBody, &says);
    eventually(|| line.count("requests_repeated") >= 2).await;
    line.dispatcher.set(Mood::Well);
    sipp.ends_well().await;
    assert_eq!(alerts(&line.dispatcher.taken()).len(), 1);
    assert_eq!(line.count("alerts_taken"), 1);
    line.end().await;
}
