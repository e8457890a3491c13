//! What the corpora do not show: both directions of a conversation, and what a model's habits change.

use jiff::Timestamp;
use uuid::Uuid;
use wire::command::{Command, Contact, Order};
use wire::directory::Dialect;
use wire::notice::{News, Notice};
use wire::report::Event;
use wire::topics::Lane;

use super::super::captured::hex;
use super::super::conversation::{CannotSay, Context, Conversation, Strictness, When};
use super::super::told::{Alarm, Kind};
use super::frame::Address;

const LENIENT: Context<'static> =
    Context { profile: None, received_at: Timestamp::UNIX_EPOCH, strictness: Strictness::Lenient };
const STRICT: Context<'static> = Context { strictness: Strictness::Strict, ..LENIENT };

fn address(version: Option<u8>) -> Address {
    let number = hex(if version.is_some() { "00000861234567890123" } else { "013907310001" });
    Address { version, number }
}

/// A message of the terminal's: its header has the same form as ours.
fn said(version: Option<u8>, id: u16, body: &[u8]) -> Vec<u8> {
    address(version).written(id, 7, body)
}

fn place(bits: u32, items: &str) -> Vec<u8> {
    [&bits.to_be_bytes()[..], &hex("0000000201af276406bc053800340004005b260314161530"), &hex(items)].concat()
}

fn met(version: Option<u8>) -> Conversation {
    let mut conversation = Conversation::begin(Dialect::Jt808).unwrap();
    conversation.read(&said(version, 0x0002, &[]), &LENIENT);
    conversation
}

fn order(command: Command) -> Order {
    let not_after = Timestamp::MAX;
    Order { version: wire::command::VERSION, id: Uuid::nil(), serial: String::new(), command, number: 41, not_after }
}

fn alarms(profile: &'static str, body: &[u8]) -> Vec<Alarm> {
    let context = Context { profile: Some(profile), ..LENIENT };
    met(None).read(&said(None, 0x0200, body), &context).told.alarms().iter().collect()
}

#[test]
fn an_emergency_is_answered_when_it_is_stored_and_confirmed_for_models_that_want_it() {
    let confirm = Context { profile: Some("confirm_alarm"), ..LENIENT };
    let turn = met(None).read(&said(None, 0x0200, &place(1, "")), &confirm).into_owned();
    assert_eq!(turn.lane(), Lane::Alert);
    assert!(turn.replies.iter().all(|reply| reply.when == When::Durable));
    let bytes = turn.replies.iter().map(|reply| reply.bytes.clone()).collect::<Vec<_>>();
    let want = [(0x8001, 1, hex("0007020000")), (0x8203, 2, hex("000700000001"))];
    assert_eq!(bytes, want.map(|(id, serial, body)| address(None).written(id, serial, &body)));
}

/// One part of a message; the header says which.
fn part(index: u16, body: &[u8]) -> Vec<u8> {
    let attributes = 0x2000 | u16::try_from(body.len()).unwrap();
    let head = [0x0200_u16.to_be_bytes(), attributes.to_be_bytes()].concat();
    let numbers = [7_u16, 2, index].map(u16::to_be_bytes).concat();
    let mut bytes = [&head[..], &hex("013907310001"), &numbers, body].concat();
    bytes.push(bytes.iter().fold(0, |all, byte| all ^ byte));
    [&[0x7e][..], &bytes, &[0x7e]].concat()
}

#[test]
fn a_press_in_the_first_part_of_a_message_does_not_wait_for_the_rest() {
    let lanes = |bits: u32| {
        let (mut conversation, body) = (met(None), place(bits, "3001173101 09".replace(' ', "").as_str()));
        let (first, rest) = body.split_at(20);
        [part(1, first), part(2, rest)].map(|frame| {
            let turn = conversation.read(&frame, &LENIENT).into_owned();
            (turn.lane(), turn.told.kind, turn.replies.iter().map(|reply| reply.when).collect::<Vec<_>>())
        })
    };
    let press = (Lane::Alert, Kind::Alarm, vec![When::Durable]);
    assert_eq!(lanes(1), [press.clone(), press]);
    let said = |kind| (Lane::Telemetry, kind, vec![When::Now]);
    assert_eq!(lanes(0), [said(Kind::Other), said(Kind::Fix)]);
}

#[test]
fn what_bits_and_items_mean_differs_between_models() {
    let bits = place(1 << 15 | 1 << 17 | 1 << 29, "");
    assert_eq!(alarms("", &bits), [Alarm::Collision]);
    assert_eq!(alarms("fall_bit_29", &bits), [Alarm::Fall, Alarm::Collision]);
    assert_eq!(alarms("pendant_bits", &bits), [Alarm::Removed, Alarm::LowBattery, Alarm::Collision]);
    assert_eq!(alarms("", &place(1 << 16, "")), []);
    assert_eq!(alarms("pendant_bits", &place(1 << 16, "")), [Alarm::Vibration]);
    for (event, alarm) in [
        ("0c01", Alarm::Sos),
        ("0408", Alarm::FenceEnter),
        ("0409", Alarm::FenceExit),
        ("0406", Alarm::Vibration),
        ("0c77", Alarm::General),
    ] {
        let jimi = place(0, &format!("e814{event}104b464d4544000026031416153000000000"));
        assert_eq!(alarms("", &jimi), []);
        assert_eq!(alarms("jimi", &jimi), [alarm], "{event}");
    }
    assert_eq!(alarms("jimi", &place(0, "e8020000")), []);
}

#[test]
fn a_clock_is_chinas_but_for_models_that_send_utc() {
    let at = |profile| {
        let turn = met(None).read(&said(None, 0x0200, &place(0, "")), &Context { profile, ..LENIENT }).into_owned();
        turn.told.points[0].at.unwrap().to_string()
    };
    assert_eq!(at(None), "2026-03-14T08:15:30Z");
    assert_eq!(at(Some("utc")), "2026-03-14T16:15:30Z");
}

#[test]
fn a_header_is_read_as_it_says_wherever_its_length_agrees() {
    // A length that is wrong either way is a damaged one: nothing is guessed then.
    let mut body = place(1, "");
    body.truncate(26);
    let mut bytes = [&hex("0200201d0139073100010007")[..], &body].concat();
    bytes.push(bytes.iter().fold(0, |all, byte| all ^ byte));
    let turn = met(None).read(&[&[0x7e], &bytes[..], &[0x7e]].concat(), &LENIENT).into_owned();
    assert!(!turn.told.doubts.is_empty(), "{:?}", turn.told);
}

#[test]
fn a_model_with_radio_items_tells_what_it_hears() {
    let body = place(
        0,
        "530901 01cc0073545 39b28 540f02a45602102030cca45602102031c8 5d0b0101cc0073540000539b28"
            .replace(' ', "")
            .as_str(),
    );
    let heard = |profile| {
        let context = Context { profile, ..LENIENT };
        let turn = met(None).read(&said(None, 0x0200, &body), &context).into_owned();
        let heard = turn.into_decoded(Timestamp::UNIX_EPOCH).surroundings;
        (heard.cells.len(), heard.access_points.len())
    };
    assert_eq!(heard(None), (0, 0));
    assert_eq!(heard(Some("radio_items")), (2, 2));
}

#[test]
fn strictly_a_damaged_emergency_rings_unanswered_and_a_damaged_heartbeat_is_nothing() {
    let damage = |mut frame: Vec<u8>| {
        let at = frame.len() - 3;
        frame[at] ^= 1;
        frame
    };
    let emergency = damage(said(None, 0x0200, &place(1, "")));
    let turn = met(None).read(&emergency, &STRICT).into_owned();
    assert_eq!((turn.lane(), turn.told.kind, turn.replies.len()), (Lane::Alert, Kind::Alarm, 0));
    let mut stranger = Conversation::begin(Dialect::Jt808).unwrap();
    let turn = stranger.read(&damage(said(None, 0x0102, b"13907310001")), &STRICT).into_owned();
    assert_eq!((turn.told.kind, turn.identity), (Kind::Unreadable, None));
}

#[test]
fn orders_bring_their_number_and_the_terminal_gets_its_own_header() {
    let contact = Contact { name: "张三".to_owned(), number: "120".to_owned() };
    let fence = Command::Fence { number: 2, lat_deg: -28.2561, lon_deg: 112.9854, radius_m: 300 };
    let cases = [
        (Command::Locate, 0x8201, ""),
        (Command::Burst { every_s: 10, for_s: 600 }, 0x8202, "000a 00000258"),
        (Command::ReportEvery { every_s: 600 }, 0x8103, "01 00000029 04 00000258"),
        (Command::Text { text: "好".to_owned() }, 0x8300, "0c bac3"),
        (Command::SosNumbers { numbers: vec!["120".to_owned()] }, 0x8103, "01 00000040 03 313230"),
        (Command::Contacts { contacts: vec![contact] }, 0x8401, "01 01 03 03 313230 04 d5c5c8fd"),
        (fence, 0x8600, "01 01 00000002 0068 01af2764 06bc0538 0000012c"),
        (Command::NoFence { number: 2 }, 0x8601, "01 00000002"),
        (Command::Restart, 0x8105, "04"),
        (Command::ListenIn { number: "120".to_owned() }, 0x8400, "01 313230"),
        (Command::Raw { content: "8900 f0 41".to_owned() }, 0x8900, "f041"),
    ];
    for (command, id, body) in cases {
        let written = met(None).write(&order(command.clone()), None).unwrap();
        assert_eq!(written.bytes, address(None).written(id, 41, &hex(&body.replace(' ', ""))), "{command:?}");
        assert_eq!(written.answered_as, Some(format!("{id:04x}")));
    }
    let written = met(Some(1)).write(&order(Command::Text { text: "好".to_owned() }), None).unwrap();
    assert_eq!(written.bytes, address(Some(1)).written(0x8300, 41, &hex("0c01bac3")));
}

#[test]
fn what_a_terminal_would_refuse_is_not_sent() {
    for command in [
        Command::SosNumbers { numbers: Vec::new() },
        Command::ReportEvery { every_s: 0 },
        Command::Raw { content: "8".to_owned() },
        Command::Fence { number: 1, lat_deg: 0.0, lon_deg: 0.0, radius_m: 10 },
    ] {
        assert!(matches!(met(None).write(&order(command.clone()), None), Err(CannotSay::Unfit(_))), "{command:?}");
    }
    assert_eq!(met(None).write(&order(Command::Find), None), Err(CannotSay::NoWord));
    let mut stranger = Conversation::begin(Dialect::Jt808).unwrap();
    assert_eq!(stranger.write(&order(Command::Locate), None), Err(CannotSay::NotIntroduced));
}

#[test]
fn somebody_who_is_coming_is_a_text_that_is_shown_and_read_aloud() {
    let notice = Notice {
        version: wire::notice::VERSION,
        id: Uuid::nil(),
        serial: String::new(),
        incident: Uuid::nil(),
        news: News::Arrived { who: "李明".to_owned() },
        not_after: Timestamp::MAX,
        drill: false,
    };
    let (text, _, _) = encoding_rs::GBK.encode("李明已到达");
    let want = address(None).written(0x8300, 1, &[&[0x0d], &text[..]].concat());
    assert_eq!(met(None).tell(&notice), Some(want));
}

#[test]
fn parts_of_a_picture_are_answered_and_forgotten() {
    let mut conversation = met(None);
    let mut message = hex("0801 2004 013907310001 0007 00ff 0002 01020304".replace(' ', "").as_str());
    message.push(message.iter().fold(0, |all, byte| all ^ byte));
    let frame = [&[0x7e], &message[..], &[0x7e]].concat();
    let turn = conversation.read(&frame, &LENIENT);
    assert_eq!((turn.told.kind, turn.replies.len()), (Kind::Other, 1));
    assert_eq!(turn.into_decoded(Timestamp::UNIX_EPOCH).event, Some(Event::Other { what: "0801".to_owned() }));
}
