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
use super::super::told::Kind;

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
