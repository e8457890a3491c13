//! What the corpora do not show: both directions of a conversation.

use jiff::Timestamp;
use uuid::Uuid;
use wire::command::{Command, Order};
use wire::directory::Dialect;
use wire::report::Doubt;
use wire::topics::Lane;

use super::super::captured::hex;
use super::super::conversation::{CannotSay, Context, Conversation, Strictness, When};
use super::super::framing::{Piece, Stream};
use super::super::told::{Alarm, Kind};

const LENIENT: Context<'static> =
    Context { profile: None, received_at: Timestamp::UNIX_EPOCH, strictness: Strictness::Lenient };
const STRICT: Context<'static> = Context { strictness: Strictness::Strict, ..LENIENT };
/// Our corpus's login with a zone of eight hours, and an SOS.
const LOGIN: &[u8] = b"\x78\x78\x11\x01\x08\x61\x23\x45\x67\x89\x01\x23\x10\x0b\x32\x01\x00\x09";

fn summed(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes[2..].iter().fold(0xffff_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 })
    });
    [bytes, &(!crc).to_be_bytes(), b"\r\n"].concat()
}

fn sos() -> Vec<u8> {
    let place = "1a030e080f1ec9030809d00c1ed32804145b";
    summed(&hex(&format!("78782526{place}0901cc00735400539b40040401020009")))
}

fn met() -> Conversation {
    let mut conversation = Conversation::begin(Dialect::Gt06).unwrap();
    assert_eq!(conversation.read(&summed(LOGIN), &LENIENT).identity.as_deref(), Some("861234567890123"));
    conversation
}

fn order(command: Command, number: u16) -> Order {
    let not_after = Timestamp::MAX;
    Order { version: wire::command::VERSION, id: Uuid::nil(), serial: String::new(), command, number, not_after }
}

#[test]
fn who_it_is_is_said_once() {
    let turn = met().read(&sos(), &LENIENT).into_owned();
    assert_eq!(turn.identity.as_deref(), Some("861234567890123"));
    assert_eq!(turn.lane(), Lane::Alert);
    assert_eq!(turn.replies.iter().map(|reply| reply.when).collect::<Vec<_>>(), [When::Durable]);
    let mut stranger = Conversation::begin(Dialect::Gt06).unwrap();
    assert_eq!(stranger.read(&sos(), &LENIENT).into_owned().identity, None);
}

#[test]
fn a_model_with_a_local_clock_is_believed_its_zone() {
    let at = |profile| {
        let turn = met().read(&sos(), &Context { profile, ..LENIENT }).into_owned();
        turn.told.points[0].at.unwrap().to_string()
    };
    assert_eq!(at(None), "2026-03-14T08:15:30Z");
    assert_eq!(at(Some("local_time")), "2026-03-14T00:15:30Z");
    // West of Greenwich bit 3 is set, and half hours are minutes: -3:30.
    let mut western = Conversation::begin(Dialect::Gt06).unwrap();
    western.read(&summed(&hex("78781101086123456789012310 0b14a80009".replace(' ', "").as_str())), &LENIENT);
    let context = Context { profile: Some("local_time"), ..LENIENT };
    let told = western.read(&sos(), &context).into_owned().told;
    assert_eq!(told.points[0].at.unwrap().to_string(), "2026-03-14T11:45:30Z");
}

#[test]
fn strictly_a_damaged_login_is_nobody_and_a_damaged_alarm_rings_unanswered() {
    let damage = |mut frame: Vec<u8>| {
        let at = frame.len() - 3;
        frame[at] ^= 1;
        frame
    };
    let mut conversation = Conversation::begin(Dialect::Gt06).unwrap();
    let login = conversation.read(&damage(summed(LOGIN)), &STRICT).into_owned();
    assert_eq!((login.identity, login.told.kind, login.replies), (None, Kind::Unreadable, Vec::new()));
    let alarm = conversation.read(&damage(sos()), &STRICT).into_owned();
    assert_eq!((alarm.lane(), alarm.replies.len()), (Lane::Alert, 0));
    let doubts = alarm.into_decoded(Timestamp::UNIX_EPOCH).doubts;
    assert!(doubts.contains(&Doubt::Damaged { what: "the checksum is wrong".to_owned() }));
}

#[test]
fn orders_are_the_words_of_text_messages() {
    let mut conversation = met();
    let cases = [
        (Command::Locate, "WHERE#"),
        (Command::ReportEvery { every_s: 30 }, "TIMER,30#"),
        (Command::SosNumbers { numbers: vec!["120".to_owned()] }, "SOS,A,120,,#"),
        (Command::Restart, "RESET#"),
        (Command::Raw { content: "STATUS#".to_owned() }, "STATUS#"),
    ];
    for (serial, (command, words)) in cases.into_iter().enumerate() {
        let written = conversation.write(&order(command, 41), None).unwrap();
        let len = u8::try_from(words.len()).unwrap();
        let head = [&[0x78, 0x78, len + 10, 0x80, len + 4, 0, 0, 0, 41][..], words.as_bytes()].concat();
        assert_eq!(written.bytes, summed(&[&head[..], &u16::try_from(serial).unwrap().to_be_bytes()].concat()));
        assert_eq!(written.answered_as.as_deref(), Some("80"));
    }
    assert_eq!(conversation.write(&order(Command::Find, 1), None), Err(CannotSay::NoWord));
    let too_often = Command::ReportEvery { every_s: 1 };
    assert!(matches!(conversation.write(&order(too_often, 1), None), Err(CannotSay::Unfit(_))));
}

/// The alarms of a message with this start and body, behind a serial number and a sum.
fn alarms(start: &str, body: &str) -> Vec<Alarm> {
    let turn = met().read(&summed(&hex(&format!("{start}{body}0009"))), &LENIENT).into_owned();
    assert_eq!(turn.replies.len(), 1, "{start}: every alarm is answered");
    turn.told.alarms().iter().collect()
}

const PLACE: &str = "1a030e080f1ec9030809d00c1ed32804145b";

#[test]
fn a_press_is_one_in_messages_that_makers_have_added_and_behind_a_long_length() {
    let state = "4004040102";
    // A cell with two bytes of network behind a length, as American trackers write it.
    assert_eq!(alarms("78782732", &format!("{PLACE}0a01cc000011220000ec02{state}")), [Alarm::Sos]);
    // One fence, with and without the length of what is told about the cell.
    for len in ["", "10", "39"] {
        let start = if len.is_empty() { "78782ba3" } else { "78782ca3" };
        let cell = "01cc00000073540000000000539b28";
        assert_eq!(alarms(start, &format!("{PLACE}{len}{cell}{state}")), [Alarm::Sos], "length {len:?}");
    }
    assert_eq!(alarms("7979002626", &format!("{PLACE}0901cc00735400539b{state}")), [Alarm::Sos]);
}

#[test]
fn a_press_is_found_wherever_a_model_puts_it() {
    let narrow = "01cc00735400539b";
    let middle = "01cc0073540000539b";
    let wide = "01cc00000073540000000000539b28";
    let mut wrong = Vec::new();
    for (number, ends) in [("16", ["02", "", "0204"]), ("26", ["02", "", "02000000ff"]), ("27", ["02ff", "02", ""])] {
        for cell in [
            format!("09{narrow}"),
            format!("08{narrow}"),
            format!("0a{middle}"),
            format!("10{wide}"),
            narrow.to_owned(),
        ] {
            for end in ends {
                for (state, want) in [("40040401", Alarm::Sos), ("60040400", Alarm::Sos), ("c0060423", Alarm::Fall)] {
                    let body = format!("{PLACE}{cell}{state}{end}");
                    let start = format!("7878{:02x}{number}", body.len() / 2 + 5);
                    let got = alarms(&start, &body);
                    if got.first() != Some(&want) {
                        wrong.push(format!("{number} {cell} {state}{end}: {got:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Nothing about a cell, a normal state, and an end that nobody knows: the last may be anything.
    assert_eq!(alarms("78781d26", &format!("{PLACE}004004040102")), [Alarm::Sos]);
    assert_eq!(alarms("78781d26", &format!("{PLACE}004004040002")), []);
    assert_eq!(alarms("78781d26", &format!("{PLACE}0004040102ff")), [Alarm::Sos]);
    assert_eq!(alarms("78781f26", &format!("{PLACE}4711471147114711")), [Alarm::General]);
    // A place that is cut off, and nothing behind a place: nobody can say which.
    assert_eq!(alarms("78780f26", &PLACE[..20]), [Alarm::General]);
    assert_eq!(alarms("78781726", PLACE), [Alarm::General]);
}

#[test]
fn what_has_the_number_of_an_alarm_and_is_none_rings_nobody() {
    // A watch's list of access points, a state, a text.
    let list = "1a030e080f180cc900a875580b7ab4f00010350901fe0a007c0009112424007c000912240081004efe21";
    assert_eq!(alarms("78782f32", list), []);
    assert_eq!(alarms("787818a3", "00000005321e020000000002584f0001000600"), []);
    assert_eq!(alarms("7979000b26", "747261636b65"), []);
    // Of a state with two bytes of voltage only what is known counts.
    assert_eq!(alarms("78782932", &format!("{PLACE}0a01cc000011220000ec0246f004210202af")), []);
}

#[test]
fn what_the_last_states_say_differs_between_models() {
    let heard = |profile, state: u8| {
        let frame = summed(&hex(&format!("78780a13{state:02x}040400020009")));
        let told = met().read(&frame, &Context { profile, ..LENIENT }).into_owned().told;
        (told.kind, told.alarms().iter().collect::<Vec<_>>())
    };
    for (state, alarm) in [(0b0011_0000, Alarm::Fence), (0b0011_1000, Alarm::Removed)] {
        assert_eq!(heard(None, state), (Kind::Heartbeat, vec![]));
        assert_eq!(heard(Some("more_states"), state), (Kind::Alarm, vec![alarm]));
    }
    assert_eq!(heard(Some("more_states"), 0b0010_0000), (Kind::Alarm, vec![Alarm::Sos]));
}

#[test]
fn a_clones_life_sign_comes_back_as_it_is_and_a_full_battery_rings_nobody() {
    let sent = hex("787808136412083c1f0d0a");
    let turn = met().read(&sent, &LENIENT).into_owned();
    assert_eq!((turn.told.kind, turn.told.status.battery_pct), (Kind::Heartbeat, Some(100)));
    assert_eq!(turn.replies.iter().map(|reply| &reply.bytes).collect::<Vec<_>>(), [&sent]);
}

/// What the stream gives, cut into pieces of this length.
fn frames(stream: &[u8], len: usize) -> Vec<Vec<u8>> {
    let mut cutting = Stream::new(super::frame::cut, super::frame::FRAME_MAX);
    let mut frames = Vec::new();
    for piece in stream.chunks(len) {
        cutting.push(piece);
        while let Some(piece) = cutting.next() {
            if let Piece::Frame(frame) = piece {
                frames.push(frame.to_vec());
            }
        }
    }
    frames
}

#[test]
fn where_a_clones_frame_can_end_at_last_it_makes_no_difference_how_the_network_cut_it() {
    for head in [&b"\x78\x78\x46\x17"[..], b"\x79\x79\x02\x80\x17"] {
        let last = if head[0] == 0x78 { 512 } else { 4 + 0x280 + 2 };
        for end in last - 3..=last + 3 {
            for next in [&[][..], &sos()] {
                let filled = [head, &vec![7; end - 2 - head.len()], b"\r\n"].concat();
                let stream = [&filled, next, &[7; 8]].concat();
                let whole = frames(&stream, stream.len());
                for len in [1, 2, 3, 511, 512, 513] {
                    assert_eq!(frames(&stream, len), whole, "ends at {end}, cut into pieces of {len}");
                }
                assert!(next.is_empty() || whole.last().is_some_and(|frame| frame == next), "the next is read");
            }
        }
    }
}
