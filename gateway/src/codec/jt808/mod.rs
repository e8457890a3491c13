//! JT/T 808-2011, -2013 and -2019 over TCP: what vehicles in China must speak, and many personal trackers do.
//!
//! Every message is numbered and acknowledged. A position carries the alarms, so that a press is a position with a bit.
//! What is supported is in `docs/dialects/jt808.md`.

mod downlink;
mod frame;
mod items;
mod location;
mod messages;
mod parts;

use std::borrow::Cow;

use jiff::tz::Offset;
use wire::command::{Command, Order};
use wire::notice::Notice;
use wire::topics::Lane;

use super::conversation::{CannotSay, Context, Reply, Speaker, Strictness, Turn, When, Written};
use super::cursor::has_habit;
use super::told::{Alarm, Kind, Place, Point, Told};
use frame::{Address, Message};
use messages::Answers;
use parts::{Joined, Parts};

pub(super) use frame::{FRAME_MAX, cut};

/// A model that repeats an emergency until it is confirmed by a message of its own (8203).
const CONFIRM: &str = "confirm_alarm";

/// All words of a model's profile.
pub(super) const HABITS: &[&str] =
    &[location::UTC, location::FALL_BIT, location::PENDANT_BITS, items::RADIO_ITEMS, items::JIMI, CONFIRM];

/// What is known of the terminal on the other end.
#[derive(Debug, Default)]
pub(super) struct Session {
    address: Option<Address>,
    identity: String,
    /// Numbers our frames, but for orders, which bring their own number.
    serial: u16,
    parts: Parts,
}

impl Session {
    fn meet(&mut self, message: &Message) {
        if self.address.as_ref() != Some(&message.address) {
            self.identity = message.address.identity();
            self.address = Some(message.address.clone());
        }
    }

    fn next_serial(&mut self) -> u16 {
        let serial = self.serial;
        self.serial = self.serial.wrapping_add(1);
        serial
    }

    fn answers(&mut self, to: &Envelope, told: &Told, context: &Context<'_>) -> Vec<Vec<u8>> {
        let (serial, id) = (to.serial.to_be_bytes(), to.id.to_be_bytes());
        let general = (0x8001, [&serial[..], &id, &[0]].concat());
        let mut answers = match messages::answers(to.id) {
            Answers::Nothing => return Vec::new(),
            Answers::Register => {
                // Nobody asks for it again: which terminals may connect is in the directory.
                vec![(0x8100, [&serial[..], &[0], self.identity.as_bytes()].concat())]
            }
            Answers::Time => {
                let there = Offset::constant(8).to_datetime(context.received_at);
                let digits = there.strftime("%y%m%d%H%M%S").to_string();
                let pairs = (0..digits.len()).step_by(2);
                let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2).unwrap_or("0"), 16).unwrap_or(0);
                vec![(0x8109, pairs.map(byte).collect())]
            }
            Answers::Media => match to.media.filter(|_| to.is_last) {
                Some(media) => vec![(0x8800, [&media[..], &[0]].concat())],
                None => vec![general],
            },
            Answers::General => vec![general],
        };
        if has_habit(context.profile, CONFIRM) && told.alarms().contains(Alarm::Sos) {
            answers.push((0x8203, [&serial[..], &1_u32.to_be_bytes()].concat()));
        }
        let address = self.address.clone().unwrap_or_default();
        answers.into_iter().map(|(id, body)| address.written(id, self.next_serial(), &body)).collect()
    }
}

/// A press in the first part of a message, whose rest may never come. When it does, it is heard once more.
fn begun_press(message: &Message, profile: Option<&str>) -> Option<Told> {
    let (total, index) = message.part?;
    if index != 1 || total <= 1 {
        return None;
    }
    let mut told = messages::read(message, profile);
    told.unread("parts");
    told.answer = None;
    (told.lane() == Lane::Alert).then_some(told)
}

/// Whether a message can be read although it calls itself encrypted, as some firmware does by mistake: nothing but its
/// being there is asked of it, or it says a time and a place on earth in plain bytes.
fn is_open(message: &Message, profile: Option<&str>) -> bool {
    match message.id {
        0x0002 | 0x0003 | 0x0100 | 0x0102 => true,
        0x0200 if message.body.len() >= location::LEN_MIN => {
            let told = messages::read(message, profile);
            let is_plain = |point: &Point| point.at.is_some() && point.place != Place::OutOfRange;
            told.points.first().is_some_and(is_plain)
        }
        _ => false,
    }
}

/// What an answer has to know of a message.
struct Envelope {
    id: u16,
    serial: u16,
    media: Option<[u8; 4]>,
    is_last: bool,
}

impl Speaker for Session {
    fn read<'f>(&mut self, frame: &'f [u8], context: &Context<'_>) -> Turn<'f> {
        let identity = (!self.identity.is_empty()).then(|| Cow::Owned(self.identity.clone()));
        if frame.starts_with(b"(") {
            let told = Told::new(Kind::VendorText, super::reading::printable(&String::from_utf8_lossy(frame), 64));
            return Turn { identity, told, replies: Vec::new() };
        }
        let Some(message) = Message::parse(frame) else {
            return Turn { identity, told: Told::unreadable("its header is not complete"), replies: Vec::new() };
        };
        let damage = match (message.is_sum_right, message.is_len_right) {
            (false, _) => Some("the checksum is wrong"),
            (true, false) => Some("the length is wrong"),
            (true, true) => None,
        };
        let is_believed = damage.is_none() || context.strictness == Strictness::Lenient;
        if is_believed {
            self.meet(&message);
        }
        let media = message.body.first_chunk().copied();
        let is_last = message.part.is_none_or(|(total, index)| total == index);
        let envelope = Envelope { id: message.id, serial: message.serial, media, is_last };
        let mut told = if message.is_encrypted && !is_open(&message, context.profile) {
            Told {
                word: format!("{:04x}", message.id).into(),
                ..Told::unreadable("encrypted, and nobody here has the key")
            }
        } else {
            let begun = begun_press(&message, context.profile);
            match (self.parts.join(message), begun) {
                (Joined::Whole(message), _) => messages::read(&message, context.profile),
                (Joined::TooMany(message), _) if message.part.is_some_and(|(_, index)| index == 1) => {
                    messages::read(&message, context.profile)
                }
                (Joined::Waiting, Some(begun)) => begun,
                (Joined::Waiting | Joined::TooMany(_), _) => Told::new(Kind::Other, format!("{:04x}", envelope.id)),
            }
        };
        told.seq = Some(envelope.serial.into());
        if let Some(what) = damage {
            told.damaged(what);
            told.answer = None;
            if !is_believed {
                told = told.disbelieved(what);
            }
        }
        let when = if told.lane() == Lane::Alert { When::Durable } else { When::Now };
        let replies = if is_believed && told.kind != Kind::Unreadable {
            let answers = self.answers(&envelope, &told, context);
            answers.into_iter().map(|bytes| Reply { bytes, when }).collect()
        } else {
            Vec::new()
        };
        let identity = if self.identity.is_empty() { identity } else { Some(Cow::Owned(self.identity.clone())) };
        Turn { identity, told, replies }
    }

    fn write(&mut self, order: &Order, _profile: Option<&str>) -> Result<Written, CannotSay> {
        let address = self.address.as_ref().ok_or(CannotSay::NotIntroduced)?;
        let (id, body) = downlink::body(&order.command, address)?;
        let bytes = address.written(id, order.number, &body);
        // That it will track is answered, and so is where it is.
        let is_answered = !matches!(order.command, Command::Raw { .. } if id == 0x8001 || id == 0x8100);
        Ok(Written { bytes, answered_as: is_answered.then(|| format!("{id:04x}")) })
    }

    fn tell(&mut self, notice: &Notice) -> Option<Vec<u8>> {
        let address = self.address.clone()?;
        let flags = downlink::URGENT | downlink::SHOWN | downlink::SPOKEN;
        let body = downlink::text(flags, &super::news::sentence(notice), address.version.is_some());
        Some(address.written(0x8300, self.next_serial(), &body))
    }
}

/// A message to a terminal with a header of before 2019.
#[cfg(test)]
pub(super) fn written(number: Vec<u8>, serial: u16, id: u16, body: &[u8]) -> Vec<u8> {
    Address { version: None, number }.written(id, serial, body)
}

/// The body of a text for such a terminal.
#[cfg(test)]
pub(super) fn text(flags: u8, text: &str) -> Vec<u8> {
    downlink::text(flags, text, false)
}

#[cfg(test)]
mod tests;
