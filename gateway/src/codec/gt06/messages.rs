//! What each message says.

use jiff::Timestamp;
use wire::command::Answer;
use wire::report::Surroundings;

use super::super::calendar::{bcd, moment};
use super::super::cursor::Cursor;
use super::super::told::{Kind, Point, Told};
use super::position::{self, Width};
use super::{Session, alarm, frame::Frame};

/// What a reader has at hand.
pub(super) struct Said<'f> {
    /// The frame.
    pub(super) frame: Frame<'f>,
    /// How far the terminal's clock is ahead of UTC, for models that send their own.
    pub(super) ahead_s: i64,
    /// Whether its model says in its state that it left a fence or was taken off.
    pub(super) has_more_states: bool,
}

/// How a message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// Not at all.
    Nothing,
    /// With its own number and serial number.
    Itself,
    /// With the time of day.
    Time,
    /// With an address, which nobody here looks up.
    Address,
    /// With a request for the picture that it offers.
    Picture,
}

/// Reads a body.
pub(super) type Reader = fn(&Said<'_>, &mut Session) -> Told;

use Answers::{Address, Itself, Nothing, Picture, Time};

/// Messages behind `7878`, by number.
const SHORT: &[(u8, Answers, Reader)] = &[
    (0x01, Itself, login),
    (0x10, Itself, fix),
    (0x11, Itself, fix),
    (0x12, Itself, fix),
    (0x13, Itself, heartbeat),
    (0x15, Itself, text),
    (0x16, Itself, alarm::with_place),
    (0x17, Itself, access_points),
    (0x18, Itself, cells),
    (0x19, Itself, alarm::with_cell),
    (0x22, Itself, fix),
    (0x23, Itself, heartbeat),
    (0x24, Itself, cells),
    (0x26, Itself, alarm::with_place),
    (0x27, Itself, alarm::with_place),
    (0x28, Itself, cells),
    (0x2a, Address, address),
    (0x2c, Itself, cells),
    (0x2d, Itself, fix),
    (0x2e, Itself, cells),
    (0x31, Itself, fix),
    (0x32, Itself, alarm::with_long_cell),
    (0x35, Picture, other),
    (0x37, Itself, fix),
    (0x38, Itself, fix),
    (0x69, Itself, access_points),
    (0x8a, Time, other),
    (0x95, Itself, alarm::short),
    (0xa0, Itself, wide_fix),
    (0xa1, Itself, wide_cells),
    (0xa2, Itself, wide_cells),
    (0xa3, Itself, alarm::of_one_fence),
    (0xa4, Itself, alarm::wide_with_place),
    (0xa5, Itself, alarm::wide_with_cell),
];

/// Messages behind `7979`, by number.
const LONG: &[(u8, Answers, Reader)] = &[
    (0x16, Itself, alarm::behind_long_length),
    (0x21, Nothing, long_text),
    (0x26, Itself, alarm::behind_long_length),
    (0x27, Itself, alarm::behind_long_length),
    (0x8a, Time, other),
    (0x94, Itself, info),
    (0xa4, Itself, alarm::behind_long_length),
];

/// How a message is read and answered. One that nobody knows is answered with itself, which harms none.
pub(super) fn find(frame: &Frame<'_>) -> (Answers, Reader) {
    let table = if frame.is_long { LONG } else { SHORT };
    table.iter().find(|(proto, ..)| *proto == frame.proto).map_or((Itself, other as Reader), |found| (found.1, found.2))
}

/// The name of a message.
pub(super) fn word(frame: &Frame<'_>) -> String {
    format!("{:02x}", frame.proto)
}

pub(super) fn told(kind: Kind, said: &Said<'_>) -> Told {
    Told::new(kind, word(&said.frame))
}

/// A message without a place still has a time and alarms.
pub(super) fn at_no_place(at: Option<Timestamp>) -> Point {
    Point { at, ..Point::default() }
}

pub(super) fn other(said: &Said<'_>, _: &mut Session) -> Told {
    told(Kind::Other, said)
}

/// Eight bytes of identity, whose first digit is none; and the time zone of some models.
fn login(said: &Said<'_>, session: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let Some(imei) = fields.take(8) else { return Told::unreadable("a login without an identity") };
    let digits = super::super::cursor::bcd_digits(imei);
    session.id = Some(digits.get(1..).unwrap_or_default().to_owned());
    let _kind = fields.u16();
    if let Some(zone) = fields.u16() {
        let (hours, minutes) = (i64::from(zone >> 4) / 100, i64::from(zone >> 4) % 100);
        let ahead_s = hours * 3600 + minutes * 60;
        session.ahead_s = if zone & 8 == 0 { ahead_s } else { -ahead_s };
    }
    told(Kind::Register, said)
}

fn with_points(kind: Kind, said: &Said<'_>, point: Option<Point>) -> Told {
    match point {
        Some(point) => {
            let mut told = told(kind, said);
            if point.at.is_none() {
                told.unread("time");
            }
            told.points.push(point);
            told
        }
        None => Told { word: word(&said.frame).into(), ..Told::unreadable("too short") },
    }
}

/// A place, and the cell that it was sent through.
fn fix(said: &Said<'_>, _: &mut Session) -> Told {
    fix_of(said, Width::Narrow)
}

fn wide_fix(said: &Said<'_>, _: &mut Session) -> Told {
    fix_of(said, Width::Wide)
}

fn fix_of(said: &Said<'_>, width: Width) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let point = position::place(&mut fields, said.ahead_s).map(|mut point| {
        if said.frame.serial.is_some() {
            point.surroundings.cells.extend(position::network_and_cell(&mut fields, width));
        }
        point
    });
    with_points(Kind::Fix, said, point)
}

/// What is heard, without a place.
fn cells(said: &Said<'_>, _: &mut Session) -> Told {
    cells_of(said, Width::Narrow)
}

fn wide_cells(said: &Said<'_>, _: &mut Session) -> Told {
    cells_of(said, Width::Wide)
}

fn cells_of(said: &Said<'_>, width: Width) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let (date, time) = (fields.array(), fields.array());
    let mut point = at_no_place(date.zip(time).and_then(|(date, time)| moment(date, time, said.ahead_s)));
    // One model puts a place of its own into this message: no country has such a number.
    let mut peeked = fields;
    if position::network(&mut peeked).is_some_and(|(mcc, _)| (200..800).contains(&mcc)) {
        point.surroundings = position::heard(&mut fields, width).unwrap_or_default();
    }
    with_points(Kind::Lbs, said, Some(point))
}

/// A clone's list: decimals for the time, access points, and the cells of one network.
fn access_points(said: &Said<'_>, _: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let (date, time) = (fields.array().and_then(bcd), fields.array().and_then(bcd));
    let mut point = at_no_place(date.zip(time).and_then(|(date, time)| moment(date, time, said.ahead_s)));
    // Seven bytes each; what is left begins with the number of cells, five bytes each behind three of network.
    let is_list = |count: usize, rest: &[u8]| {
        rest.get(7 * count).is_none_or(|cells| rest.len() == 7 * count + 4 + 5 * usize::from(*cells))
    };
    let rest = fields.rest();
    let count = (0..=rest.len() / 7).find(|count| is_list(*count, rest)).unwrap_or_default();
    let mut heard = Surroundings::default();
    heard.access_points.extend((0..count).map_while(|_| position::access_point(&mut fields)));
    if let (Some(count), Some(mcc), Some(mnc)) = (fields.u8(), fields.u16(), fields.u8()) {
        for _ in 0..count {
            let (Some(lac), Some(cid), Some(signal)) = (fields.u16(), fields.u16(), fields.u8()) else { break };
            let signal = Some(i16::from(signal));
            heard.cells.push(wire::report::Cell { mcc, mnc: mnc.into(), lac: lac.into(), cid: cid.into(), signal });
        }
    }
    point.surroundings = heard;
    with_points(Kind::Wifi, said, Some(point))
}

/// The terminal's state; it may say SOS too.
fn heartbeat(said: &Said<'_>, _: &mut Session) -> Told {
    let mut told = told(Kind::Heartbeat, said);
    let Some(state) = alarm::State::of_heartbeat(&said.frame) else { return told };
    told.status = state.status;
    let alarms = state.alarms(said);
    told.points.push(Point { alarms, ..Point::default() });
    if !alarms.is_empty() {
        told.kind = Kind::Alarm;
    }
    told
}

/// Asks what its address is.
fn address(said: &Said<'_>, _: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    with_points(Kind::AddressRequest, said, position::place(&mut fields, said.ahead_s))
}

/// The answer to a command: how long, whose, what, and perhaps a language.
fn text(said: &Said<'_>, _: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let len = fields.u8().map_or(0, usize::from);
    let flag = fields.u32();
    let text = fields.rest();
    let text = text.get(..len.saturating_sub(4)).unwrap_or(text);
    answered(said, flag, &String::from_utf8_lossy(text))
}

/// The same, longer: whose, in which encoding, what.
fn long_text(said: &Said<'_>, _: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let (flag, encoding) = (fields.u32(), fields.u8());
    let text = match encoding {
        Some(2) => {
            let units =
                fields.rest().chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
            char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => String::from_utf8_lossy(fields.rest()).into_owned(),
    };
    answered(said, flag, &text)
}

fn answered(said: &Said<'_>, flag: Option<u32>, text: &str) -> Told {
    let mut told = told(Kind::Reply, said);
    let number = flag.and_then(|flag| u16::try_from(flag).ok()).filter(|number| *number != 0);
    let text = super::super::reading::printable(text, 500);
    told.answer = Some(Answer { number, word: super::downlink::WORD.to_owned(), done: None, text });
    told
}

/// Facts about the terminal, one kind in each message.
fn info(said: &Said<'_>, session: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    // Identity, SIM card's identity and number: for terminals that had no login to send.
    if fields.u8() == Some(0x0a)
        && session.id.is_none()
        && let Some(imei) = fields.take(8)
    {
        session.id = super::super::cursor::bcd_digits(imei).get(1..).map(str::to_owned);
    }
    told(Kind::Info, said)
}
