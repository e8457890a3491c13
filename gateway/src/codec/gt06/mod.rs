//! GT06 (Concox, Jimi) and what has been made after it, TCP: binary, with a number and a checksum in every frame, but
//! for clones that have neither. What is supported is in `docs/dialects/gt06.md`.

mod alarm;
mod downlink;
mod frame;
mod messages;
mod position;

use std::borrow::Cow;

use jiff::tz::Offset;
use wire::command::Order;
use wire::notice::Notice;
use wire::topics::Lane;

use super::conversation::{CannotSay, Context, Reply, Speaker, Strictness, Turn, When, Written};
use super::cursor::has_habit;
use super::told::{Kind, Told};
use frame::Frame;
use messages::{Answers, Said};

pub(super) use frame::{FRAME_MAX, cut};

/// A model whose clock is that of its login's time zone, not UTC.
const LOCAL_TIME: &str = "local_time";
/// A model that wants a language behind each command (1 Chinese, 2 English).
const LANGUAGE: &str = "language";
/// A model whose state says with 6 that it crossed a fence and with 7 that it was taken off.
const MORE_STATES: &str = "more_states";

/// All words of a model's profile.
pub(super) const HABITS: &[&str] = &[LOCAL_TIME, LANGUAGE, MORE_STATES];

/// What is known of the terminal on the other end.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Said once, at its login.
    id: Option<String>,
    /// How far its clock is ahead of UTC, as it said at its login.
    ahead_s: i64,
    /// Numbers our frames.
    serial: u16,
}

/// What a terminal waits for.
fn answer(answers: Answers, bytes: &[u8], frame: &Frame<'_>, context: &Context<'_>) -> Option<Vec<u8>> {
    let Some(serial) = frame.serial else { return bare_answer(bytes, frame) };
    Some(match answers {
        Answers::Nothing => return None,
        Answers::Itself => frame::written(frame.proto, &[], serial, false),
        Answers::Time => {
            let now = Offset::UTC.to_datetime(context.received_at);
            let two = |number: i8| u8::try_from(number).unwrap_or_default();
            let year = u8::try_from(now.year() % 100).unwrap_or_default();
            let date = [year, two(now.month()), two(now.day())];
            let time = [two(now.hour()), two(now.minute()), two(now.second())];
            frame::written(frame.proto, &[date, time].concat(), serial, false)
        }
        Answers::Address => frame::written(0x97, &downlink::body("NA&&NA&&0##", 0, None), 0, true),
        Answers::Picture => {
            let (_, offer) = frame.body.split_last_chunk::<8>()?;
            let [s0, s1, s2, s3, picture @ ..] = *offer;
            let part = u16::try_from(u32::from_be_bytes([s0, s1, s2, s3])).unwrap_or(u16::MAX).min(1024);
            let body = [&picture[..], &[0; 4], &part.to_be_bytes()].concat();
            frame::written(0x36, &body, 0, false)
        }
    })
}

/// What a clone waits for: its own message, with the time that it said; its life sign as it is.
fn bare_answer(bytes: &[u8], frame: &Frame<'_>) -> Option<Vec<u8>> {
    match frame.proto {
        0x13 => Some(bytes.to_vec()),
        0x01 => Some(frame::written_bare(1, frame.proto, &[])),
        0x10 | 0x11 | 0x17 | 0x69 => Some(frame::written_bare(0, frame.proto, frame.body.get(..6)?)),
        _ => None,
    }
}

impl Speaker for Session {
    fn read<'f>(&mut self, frame: &'f [u8], context: &Context<'_>) -> Turn<'f> {
        let Some(parsed) = Frame::parse(frame) else {
            return Turn { identity: None, told: Told::unreadable("too short"), replies: Vec::new() };
        };
        let ahead_s = if has_habit(context.profile, LOCAL_TIME) { self.ahead_s } else { 0 };
        let (answers, reader) = messages::find(&parsed);
        let known = self.id.clone();
        let has_more_states = has_habit(context.profile, MORE_STATES);
        let mut told = reader(&Said { frame: parsed, ahead_s, has_more_states }, self);
        told.seq = parsed.serial.map(u32::from);
        let mut is_believed = true;
        if let Some(what) = damage(&parsed) {
            told.damaged(what);
            told.answer = None;
            if context.strictness == Strictness::Strict {
                told = told.disbelieved(what);
                is_believed = false;
                // Whoever it was before: this login may be anybody's.
                self.id = known;
            }
        }
        let when = if told.lane() == Lane::Alert { When::Durable } else { When::Now };
        let is_answered = is_believed && told.kind != Kind::Unreadable;
        let answer = if is_answered { answer(answers, frame, &parsed, context) } else { None };
        let replies = answer.map(|bytes| Reply { bytes, when }).into_iter().collect();
        Turn { identity: self.id.clone().map(Cow::Owned), told, replies }
    }

    fn write(&mut self, order: &Order, profile: Option<&str>) -> Result<Written, CannotSay> {
        let words = downlink::words(&order.command)?;
        let language = has_habit(profile, LANGUAGE).then_some(1);
        let body = downlink::body(&words, order.number.into(), language);
        let serial = self.serial;
        self.serial = self.serial.wrapping_add(1);
        let bytes = frame::written(downlink::PROTO, &body, serial, false);
        Ok(Written { bytes, answered_as: Some(downlink::WORD.to_owned()) })
    }

    fn tell(&mut self, _notice: &Notice) -> Option<Vec<u8>> {
        // These terminals have neither screen nor voice.
        None
    }
}

/// What is wrong with a frame. Clones have no checksum, and their length is something else.
fn damage(frame: &Frame<'_>) -> Option<&'static str> {
    match (frame.serial, frame.is_sum_right, frame.is_len_right) {
        (Some(_), false, _) => Some("the checksum is wrong"),
        (Some(_), true, false) => Some("the length is wrong"),
        _ => None,
    }
}

/// A command in a frame of this number.
#[cfg(test)]
pub(super) fn written_command(words: &str, flag: u32, serial: u16) -> Vec<u8> {
    frame::written(downlink::PROTO, &downlink::body(words, flag, None), serial, false)
}

/// A terminal asks what time it is; its message has number 6.
#[cfg(test)]
pub(super) const REQUEST_OF_TIME: [u8; 10] = [0x78, 0x78, 0x05, 0x8a, 0x00, 0x06, 0x88, 0x29, 0x0d, 0x0a];

#[cfg(test)]
mod tests;
