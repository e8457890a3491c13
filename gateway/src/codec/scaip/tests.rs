//! Social alarms: what each message means and is answered with, SIP around it, and whatever else may come.

use jiff::Timestamp;
use proptest::prelude::*;
use wire::directory::Dialect;
use wire::report::{Doubt, Event};

use super::*;
use crate::codec::conversation::{Conversation, framing};
use crate::codec::framing::{Cut, Piece, Stream};
use crate::codec::told::{Alarm, Alarms};

const ME: &str = "<mrq><ref>k1</ref><cid>26000017</cid><dty>0003</dty><mty>ME</mty><stc>0010</stc><crd>gsm:+8613000000001</crd></mrq>";

fn context() -> Context<'static> {
    Context { profile: None, received_at: Timestamp::UNIX_EPOCH, strictness: Strictness::Lenient }
}

fn request(inner: &str) -> Request {
    Request::read(format!("<mrq><ref>k1</ref><cid>26000017</cid>{inner}</mrq>").as_bytes())
}

fn alarms(inner: &str) -> Alarms {
    request(inner).told().alarms()
}

fn sip(body: &str) -> String {
    format!(
        "MESSAGE sip:alarm@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKa1;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:26000017@10.0.0.5>;tag=77\r\nTo: <sip:alarm@192.0.2.10>\r\nCall-ID: c1@10.0.0.5\r\nCSeq: 20 MESSAGE\r\n\
         Content-Type: application/scaip+xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn settings(answer: AnswerMode) -> Settings {
    let source = Some("203.0.113.9:40001".parse().unwrap());
    Settings { answer, call: None, local: "192.0.2.10:5060".to_owned(), source }
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.bytes.clone()).unwrap()
}

#[test]
fn a_trigger_calls_for_help_and_every_code_has_a_meaning() {
    for (inner, expected) in [
        ("<dty>3</dty>", Alarm::Sos),
        ("<dty>0004</dty><stc>10</stc>", Alarm::Sos),
        ("<dty>51</dty><stc>0110</stc>", Alarm::Sos),
        ("<dty>0005</dty><stc>0009</stc>", Alarm::Fall),
        ("<dty>23</dty><stc>9</stc>", Alarm::Smoke),
        ("<dty>0026</dty><stc>09</stc>", Alarm::Gas),
        ("<dty>15</dty><stc>9</stc>", Alarm::FenceExit),
        ("<dty>3</dty><stc>16</stc>", Alarm::LowBattery),
        ("<dty>2</dty><stc>85</stc>", Alarm::PowerCut),
        ("<dty>11</dty><stc>81</stc>", Alarm::General),
        ("<dty>14</dty><stc>9</stc>", Alarm::Door),
        // A call by hand from a device that usually tells of faults.
        ("<dty>14</dty><stc>10</stc>", Alarm::General),
        ("<dty>0032</dty><stc>0110</stc>", Alarm::General),
        ("<dty>41</dty>", Alarm::General),
        ("<dty>3</dty><stc>0777</stc>", Alarm::General),
    ] {
        assert_eq!(alarms(inner), Alarms::from(expected), "{inner}");
        assert_eq!(request(inner).taken, Taken::Well);
    }
    for calm in [
        "<dty>2</dty><stc>70</stc>",
        "<dty>2</dty><stc>0102</stc>",
        "<dty>3</dty><stc>10</stc><mty>PI</mty>",
        "<dty>3</dty><stc>10</stc><mty>IN</mty>",
    ] {
        assert_eq!(alarms(calm), Alarms::default(), "{calm}");
    }
    let cancelled = request("<dty>3</dty><stc>19</stc>").told();
    assert_eq!((cancelled.event.clone(), cancelled.lane()), (Some(Event::Cancel), Lane::Alert));
}

#[test]
fn names_are_trimmed_case_does_not_matter_and_either_root_will_do() {
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- unit -->\r\n<SCAIP>\n <CID> 26000017 </CID><ref>k&amp;1</ref>\n<dty>0004</dty>\n<dco/></SCAIP>\n\0";
    let request = Request::read(xml.as_bytes());
    assert_eq!(
        (request.taken, request.controller.as_deref(), request.reference.as_deref()),
        (Taken::Well, Some("26000017"), Some("k&1"))
    );
    assert_eq!(request.answer(None), "<mrs><ref>k&amp;1</ref><snu>0</snu></mrs>");
    let latin = b"<mrq><ref>1</ref><cid>1</cid><dty>3</dty><lte>k\xf6k</lte></mrq>";
    assert_eq!(Request::read(latin).taken, Taken::Well);
}

#[test]
fn the_answer_says_where_to_call_when_the_unit_can() {
    let ask = |inner: &str, call| request(inner).answer(call);
    let call = Some("+8673100000000");
    let told = "<mrs><ref>k1</ref><snu>0</snu><mre>1</mre><cre>62</cre><tnu>+8673100000000</tnu></mrs>";
    assert_eq!(ask("<dty>3</dty><crd>gsm:</crd>", call), told);
    let silent = "<mrs><ref>k1</ref><snu>0</snu><mre>0</mre></mrs>";
    assert_eq!(ask("<dty>3</dty><crd>no-voice:</crd>", call), silent);
    assert_eq!(ask("<dty>3</dty><stc>102</stc><crd>gsm:</crd>", call), silent);
    assert_eq!(ask("<dty>3</dty><crd>gsm:+8613000000001</crd><cha>1</cha>", call), silent, "we call");
    for mty in ["PI", "RE"] {
        assert_eq!(ask(&format!("<dty>2</dty><mty>{mty}</mty>"), call), "<mrs><ref>k1</ref><snu>0</snu></mrs>");
    }
}

#[test]
fn a_message_with_a_mistake_is_refused_and_its_alarm_is_heard_all_the_same() {
    for (xml, taken, alarm) in [
        ("<mrq><cid>26000017</cid><stc>0010</stc></mrq>", Taken::TagMissing, Some(Alarm::Sos)),
        ("<mrq><ref>1</ref><cid>26000017</cid><dty>0005</dty><stc>0009</stc>", Taken::BadFormat, Some(Alarm::Fall)),
        ("<mrq><ref>1</ref><cid>26000017</cid><dty>x</dty><stc>0010</stc></mrq>", Taken::BadContent, Some(Alarm::Sos)),
        ("<mrq><ref>1</ref><cid>26000017</cid><dty>3</dty><stc>?</stc></mrq>", Taken::BadContent, Some(Alarm::General)),
        ("<mrq><ref>1</ref><cid>26000017</cid><dty>3</dty><mty>XX</mty></mrq>", Taken::BadContent, Some(Alarm::Sos)),
        ("<mrq><ref>1</ref><cid>26000017</cid><dty>2</dty><stc>0070</stc>", Taken::BadFormat, None),
        ("<other><cid>x</cid></other>", Taken::BadFormat, None),
        ("<not-xml", Taken::BadFormat, None),
        ("<!DOCTYPE mrq [<!ENTITY a \"b\">]><mrq/>", Taken::BadFormat, None),
        ("", Taken::BadFormat, None),
    ] {
        let request = Request::read(xml.as_bytes());
        let told = request.told();
        assert_eq!((request.taken, told.alarms().iter().next()), (taken, alarm), "{xml}");
        assert!(
            told.doubts.iter().any(|doubt| matches!(doubt, Doubt::Damaged { .. })) || told.kind == Kind::Unreadable,
            "{xml}"
        );
        let number = format!("<snu>{}</snu>", taken.number());
        assert!(request.answer(None).contains(&number), "{xml}");
    }
}

#[test]
fn a_place_comes_in_several_spellings() {
    for place in [
        "<lge><geo>28.2282,112.9388</geo><tim>2026-01-01T08:00:00Z</tim></lge>",
        "<geo>28.2282 112.9388</geo>",
        "<gga>$GPGGA,080000,2813.692,N,11256.328,E,1,08,0.9,44,M,,M,,*47</gga>",
    ] {
        let decoded = request(&format!("<dty>51</dty>{place}")).told().into_decoded();
        let fix = &decoded.fixes[0];
        assert!((fix.lat_deg - 28.2282).abs() < 1e-6 && (fix.lon_deg - 112.9388).abs() < 1e-6, "{place}: {fix:?}");
    }
    let none = request("<dty>51</dty><geo>0,0</geo>").told().into_decoded();
    assert_eq!((none.fixes.len(), none.doubts), (0, vec![Doubt::FixAtZero]));
}

#[test]
fn the_answer_is_a_message_of_its_own_and_says_received_only_when_durable() {
    let bytes = sip(ME);
    let mut conversation = Conversation::scaip(settings(AnswerMode::Separate));
    let turn = conversation.read(bytes.as_bytes(), &context());
    assert_eq!(turn.identity.as_deref(), Some("26000017"));
    assert_eq!((turn.told.alarms(), turn.lane()), (Alarm::Sos.into(), Lane::Alert));
    assert_eq!(turn.told.doubts, []);
    let [ok, answer] = turn.replies.as_slice() else { panic!("{:?}", turn.replies) };
    assert_eq!((ok.when, answer.when), (When::Now, When::Durable));
    let ok = text(ok);
    assert!(ok.starts_with("SIP/2.0 200 OK\r\n") && ok.ends_with("Content-Length: 0\r\n\r\n"), "{ok}");
    assert!(
        ok.contains("Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKa1;rport=40001;received=203.0.113.9\r\n"),
        "{ok}"
    );
    assert!(ok.contains("To: <sip:alarm@192.0.2.10>;tag=") && ok.contains("CSeq: 20 MESSAGE\r\n"), "{ok}");
    let answer = text(answer);
    let read = Message::read(answer.as_bytes()).unwrap();
    assert_eq!(read.start, Start::Request { method: "MESSAGE", uri: "sip:26000017@10.0.0.5" });
    assert_eq!(read.body, b"<mrs><ref>k1</ref><snu>0</snu></mrs>");
    assert_eq!((read.header("content-type"), read.from_user()), (Some(CONTENT_TYPE), Some("alarm")));
    assert!(read.is_answerable() && !read.is_cut_short());

    let again = conversation.read(bytes.as_bytes(), &context());
    assert_eq!(again.replies, turn.replies, "a request that comes again gets the same answers");
}

#[test]
fn the_answer_travels_in_the_body_where_units_want_it_there() {
    let bytes = sip(ME);
    let mut conversation = Conversation::scaip(settings(AnswerMode::InBody));
    let turn = conversation.read(bytes.as_bytes(), &context());
    let [answer] = turn.replies.as_slice() else { panic!("{:?}", turn.replies) };
    assert_eq!(answer.when, When::Durable);
    assert!(text(answer).ends_with("Content-Length: 36\r\n\r\n<mrs><ref>k1</ref><snu>0</snu></mrs>"));
}

#[test]
fn what_is_no_alarm_is_answered_politely() {
    let mut conversation = Conversation::scaip(settings(AnswerMode::Separate));
    let mut first_line = |from: &str, to: &str| {
        let bytes = sip(ME).replace(from, to);
        let turn = conversation.read(bytes.as_bytes(), &context());
        turn.replies.first().map(|reply| text(reply).lines().next().unwrap().to_owned())
    };
    assert_eq!(first_line("MESSAGE sip", "OPTIONS sip").as_deref(), Some("SIP/2.0 200 OK"));
    assert_eq!(first_line("MESSAGE sip", "INVITE sip").as_deref(), Some("SIP/2.0 405 Method Not Allowed"));
    assert_eq!(first_line("MESSAGE sip", "ACK sip"), None);
    assert_eq!(first_line("MESSAGE sip:alarm@192.0.2.10 SIP/2.0", "SIP/2.0 202 Accepted"), None);
    let chat = sip("hello").replace("application/scaip+xml", "text/plain");
    let turn = conversation.read(chat.as_bytes(), &context());
    assert!(text(&turn.replies[0]).starts_with("SIP/2.0 415 ") && turn.lane() == Lane::Telemetry);
    let other = sip(ME).replace("sip:26000017@", "sip:99@");
    let turn = conversation.read(other.as_bytes(), &context());
    assert_eq!((turn.told.alarms(), turn.told.doubts), (Alarm::Sos.into(), vec![Doubt::Field { name: "cid".into() }]));
}

#[test]
fn what_calls_itself_a_social_alarm_and_cannot_be_read_may_be_a_press() {
    for (body, controller) in [("<mrq><re", "26000017"), ("hello", "26000017"), ("", "26000017")] {
        let mut conversation = Conversation::scaip(settings(AnswerMode::InBody));
        let bytes = sip(body);
        let turn = conversation.read(bytes.as_bytes(), &context());
        assert!(may_be_press(bytes.as_bytes(), &turn.told), "{body}");
        assert_eq!(turn.identity.as_deref(), Some(controller), "the SIP user tells whose it is");
        assert_eq!((turn.replies.len(), turn.replies[0].when), (1, When::Durable));
    }
    let mut conversation = Conversation::scaip(settings(AnswerMode::InBody));
    let torn = "MESSAGE sip:a@b SIP/2.0\r\nno header\r\n\r\n";
    assert!(may_be_press(torn.as_bytes(), &conversation.read(torn.as_bytes(), &context()).told));
    let scan = torn.replace("MESSAGE", "INVITE");
    assert!(!may_be_press(scan.as_bytes(), &conversation.read(scan.as_bytes(), &context()).told));
}

#[test]
fn a_datagram_is_one_message_and_what_is_kept_of_it_is_its_content() {
    let bytes = sip(ME).replace("Content-Length", "X-Length");
    let Cut::Frame { range, taken } = whole(format!("\r\n{bytes}").as_bytes()) else { panic!("no frame") };
    assert_eq!((range.start, taken), (2, bytes.len() + 2));
    assert_eq!(sip::content(bytes.as_bytes()), ME.as_bytes());
    for none in ["", "<mrq>", "GET / HTTP/1.1\r\n\r\n", "\u{1}\u{2}"] {
        assert!(!matches!(whole(none.as_bytes()), Cut::Frame { .. }), "{none}");
        assert_eq!(sip::content(none.as_bytes()), none.as_bytes());
    }
}

#[test]
fn short_names_folded_lines_and_bare_line_feeds_are_understood() {
    let message = format!(
        "MESSAGE sip:a@b SIP/2.0\nv: SIP/2.0/TCP 10.0.0.5\n ;branch=z9hG4bKx\nf: \"Unit\" <sip:26000017@10.0.0.5>;tag=1\nt: sip:a@b\n\
         i: 9\nCSEQ: 1 MESSAGE\nl: {}\n\n{ME}",
        ME.len()
    );
    let read = Message::read(message.as_bytes()).unwrap();
    assert_eq!(
        (read.header("via"), read.from_user()),
        (Some("SIP/2.0/TCP 10.0.0.5 ;branch=z9hG4bKx"), Some("26000017"))
    );
    let back = sip::message_back(&read, "192.0.2.10:5060", "x");
    let back = String::from_utf8(back).unwrap();
    assert!(back.contains("\r\nVia: SIP/2.0/TCP 192.0.2.10:5060;") && back.contains("From: <sip:a@b>;tag="), "{back}");
}

fn heard(pieces: &[&[u8]]) -> Vec<Told> {
    let (cut, limit) = framing(Dialect::Scaip).unwrap();
    let mut stream = Stream::new(cut, limit);
    let mut conversation = Conversation::begin(Dialect::Scaip).unwrap();
    let mut told = Vec::new();
    for piece in pieces {
        stream.push(piece);
        while let Some(piece) = stream.next() {
            if let Piece::Frame(frame) = piece {
                told.push(conversation.read(frame, &context()).told);
            }
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_stream_cut_anywhere_means_the_same(
        count in 1_usize..4,
        noise in "[a-z\r\n ]{0,30}",
        flip in prop::option::of((any::<prop::sample::Index>(), 1..=255_u8)),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = if noise.is_empty() { Vec::new() } else { format!("{noise}\r\n").into_bytes() };
        for _ in 0..count {
            bytes.extend(sip(ME).as_bytes());
            bytes.extend(b"\r\n\r\n");
        }
        if let Some((at, flip)) = flip {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        let (mut pieces, mut from) = (Vec::new(), 0);
        for cut in cuts {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        pieces.push(&bytes[from..]);
        prop_assert_eq!(heard(&[&bytes]), heard(&pieces));
        if flip.is_none() {
            prop_assert_eq!(heard(&[&bytes]).len(), count);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), body in "[<>/a-z&;0-9 \"=!?\\[\\]-]{0,80}", head in "[A-Za-z0-9:;,<>=@/. \r\n-]{0,120}") {
        let session = || Conversation::scaip(settings(AnswerMode::Separate));
        for frame in [bytes.clone(), body.clone().into_bytes(), sip(&body).into_bytes(), format!("MESSAGE sip:a@b SIP/2.0\r\n{head}\r\n\r\n{body}").into_bytes()] {
            let _ = session().read(&frame, &context()).into_decoded(Timestamp::UNIX_EPOCH);
        }
        heard(&[&bytes]);
        let alarm = format!("<mrq><cid>1</cid><stc>10</stc>{body}");
        prop_assert!(!Request::read(alarm.as_bytes()).told().alarms().is_empty() || body.contains('<'), "{}", alarm);
    }
}
