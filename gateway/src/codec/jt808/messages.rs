//! What each message says, and how it is answered.

use wire::command::Answer;
use wire::report::Event;

use super::super::cursor::Cursor;
use super::super::told::{Kind, Point, Told};
use super::frame::{Message, is_maker};
use super::location;

/// How the platform answers a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// Not at all.
    Nothing,
    /// "Received" (8001).
    General,
    /// With the code for its next message (8100).
    Register,
    /// With the time of day (8109).
    Time,
    /// "The picture is complete" (8800).
    Media,
}

/// Reads a body.
type Reader = fn(&Message, Option<&str>) -> Told;

use Answers::{General, Media, Nothing, Register, Time};

/// Messages by their number.
const MESSAGES: &[(u16, Kind, Answers, Reader)] = &[
    (0x0001, Kind::Ack, Nothing, acknowledged),
    (0x0002, Kind::Heartbeat, General, plain),
    // One maker's way to ask what time it is; the other is 0109.
    (0x008a, Kind::Other, Time, plain),
    (0x0003, Kind::Offline, General, gone),
    (0x0100, Kind::Register, Register, plain),
    (0x0102, Kind::Auth, General, plain),
    (0x0104, Kind::Reply, General, parameters),
    (0x0107, Kind::Attributes, General, attributes),
    (0x0109, Kind::Other, Time, plain),
    (0x0200, Kind::Fix, General, place),
    (0x0201, Kind::Fix, General, asked_place),
    (0x0210, Kind::Batch, General, short_batch),
    (0x0704, Kind::Batch, General, batch),
    (0x0800, Kind::Other, General, plain),
    (0x0801, Kind::Other, Media, media),
    (0x0900, Kind::Transparent, General, plain),
    (0x1007, Kind::Other, Nothing, plain),
    (0x1300, Kind::Other, Nothing, plain),
    (0x6006, Kind::Reply, General, text),
];

/// The row of a message; one that nobody knows is acknowledged.
fn row(id: u16) -> (Kind, Answers, Reader) {
    let found = MESSAGES.iter().find(|(known, ..)| *known == id);
    match found {
        Some((_, kind, answers, reader)) => (*kind, *answers, *reader),
        None if is_maker(id) => (Kind::Vendor, Nothing, plain),
        None => (Kind::Other, General, plain),
    }
}

/// How a message is answered.
pub(super) fn answers(id: u16) -> Answers {
    row(id).1
}

/// Reads a message.
pub(super) fn read(message: &Message, profile: Option<&str>) -> Told {
    let (_, _, reader) = row(message.id);
    reader(message, profile)
}

fn told(message: &Message) -> Told {
    Told::new(row(message.id).0, format!("{:04x}", message.id))
}

fn plain(message: &Message, _: Option<&str>) -> Told {
    told(message)
}

fn gone(message: &Message, _: Option<&str>) -> Told {
    Told { event: Some(Event::Offline), ..told(message) }
}

fn unreadable(message: &Message, why: &str) -> Told {
    Told { word: format!("{:04x}", message.id).into(), ..Told::unreadable(why) }
}

/// Which of our messages, and whether it was done.
fn acknowledged(message: &Message, _: Option<&str>) -> Told {
    let mut fields = Cursor::new(&message.body);
    let (Some(serial), Some(id), Some(result)) = (fields.u16(), fields.u16(), fields.u8()) else {
        return unreadable(message, "an acknowledgement of nothing");
    };
    let text = match result {
        0 => "",
        1 => "failed",
        2 => "the message is wrong",
        3 => "not supported",
        _ => "refused",
    };
    answered(message, Some(serial), id, Some(result == 0), text.to_owned())
}

fn answered(message: &Message, serial: Option<u16>, id: u16, done: Option<bool>, text: String) -> Told {
    let mut told = told(message);
    told.answer = Some(Answer { number: serial, word: format!("{id:04x}"), done, text });
    told
}

/// Parameters that were asked for: the number of our message, and then they.
fn parameters(message: &Message, _: Option<&str>) -> Told {
    let serial = Cursor::new(&message.body).u16();
    answered(message, serial, 0x8104, Some(true), hex(message.body.get(2..).unwrap_or_default()))
}

fn attributes(message: &Message, _: Option<&str>) -> Told {
    answered(message, None, 0x8107, Some(true), hex(&message.body))
}

/// A text that some send as their answer to ours.
fn text(message: &Message, _: Option<&str>) -> Told {
    let (text, _) = encoding_rs::GBK.decode_without_bom_handling(message.body.get(1..).unwrap_or_default());
    answered(message, None, 0x8300, None, super::super::reading::printable(&text, 500))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(250) {
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
    }
    text
}

fn place(message: &Message, profile: Option<&str>) -> Told {
    place_in(message, &message.body, profile)
}

fn place_in(message: &Message, body: &[u8], profile: Option<&str>) -> Told {
    let mut told = told(message);
    if !location::read(body, profile, &mut told) {
        return unreadable(message, "shorter than a location can be");
    }
    if !told.alarms().is_empty() {
        told.kind = Kind::Alarm;
    }
    told
}

/// The answer to "where are you": the number of our message, and then a location.
fn asked_place(message: &Message, profile: Option<&str>) -> Told {
    let mut fields = Cursor::new(&message.body);
    let serial = fields.u16();
    let mut told = place_in(message, fields.rest(), profile);
    if told.kind != Kind::Unreadable {
        told.answer = Some(Answer { number: serial, word: "8201".to_owned(), done: Some(true), text: String::new() });
    }
    told
}

/// How many, whether they were kept while there was no connection, and then locations with their lengths.
fn batch(message: &Message, profile: Option<&str>) -> Told {
    let mut fields = Cursor::new(&message.body);
    let (Some(count), Some(sort)) = (fields.u16(), fields.u8()) else {
        return unreadable(message, "a batch of nothing");
    };
    let mut told = told(message);
    while let Some(len) = fields.u16() {
        let whole = fields.take(len.into());
        // Of the last one, what there is.
        location::read(whole.unwrap_or(fields.rest()), profile, &mut told);
        if whole.is_none() {
            break;
        }
    }
    told.points.iter_mut().for_each(|point| point.stored = sort == 1);
    if told.points.len() != usize::from(count) {
        told.unread("batch");
    }
    told
}

/// A maker's own: locations with lengths of one byte; or a battery and a time.
fn short_batch(message: &Message, profile: Option<&str>) -> Told {
    let mut told = told(message);
    let mut fields = Cursor::new(&message.body);
    if message.body.len() < location::LEN_MIN {
        told.kind = Kind::Status;
        told.status.battery_pct = fields.u8().filter(|pct| *pct <= 100);
        told.points.push(Point { at: location::time(&mut fields, profile), ..Point::default() });
        return told;
    }
    while let Some(len) = fields.u8() {
        let Some(body) = fields.take(len.into()) else { break };
        if !location::read(body, profile, &mut told) {
            told.unread("batch");
        }
    }
    told
}

/// A picture or a sound, with a location between its header and its data.
fn media(message: &Message, profile: Option<&str>) -> Told {
    let mut told = told(message);
    if let Some(body) = message.body.get(8..8 + location::LEN_MIN) {
        location::read(body, profile, &mut told);
        if !told.alarms().is_empty() {
            told.kind = Kind::Alarm;
        }
    }
    told
}
