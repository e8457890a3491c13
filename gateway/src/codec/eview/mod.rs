//! The EV-07B family of pendants (Eview; MiniFinder, SafeMotion and other brands), binary over TCP.
//!
//! A frame is `AB flags len crc seq | command {len key value}*`, little-endian. Everything comes as keyed values in one
//! command; a key that comes again begins a new point. Source: captured frames and the maker's "EV-07B protocol" as
//! others have described it; what no capture confirms is read with care, and noted in `docs/dialects/eview.md`.

mod frame;
mod keys;

use std::borrow::Cow;

use wire::command::{Answer, Command, Order};
use wire::notice::Notice;

use super::conversation::{CannotSay, Context, Reply, Speaker, Strictness, Turn, When, Written};
use super::told::{Kind, Told};
use frame::{Frame, command};

pub(super) use frame::{FRAME_MAX, cut};

/// What is remembered on one connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    imei: Option<String>,
}

impl Speaker for Session {
    fn read<'f>(&mut self, bytes: &'f [u8], context: &Context<'_>) -> Turn<'f> {
        let Some(frame) = Frame::read(bytes) else {
            return Turn { identity: self.identity(), told: Told::unreadable("no frame"), replies: Vec::new() };
        };
        let mut told = self.told(&frame);
        if let Some(damage) = frame.damage() {
            if context.strictness == Strictness::Strict {
                told = told.disbelieved(damage);
                return Turn { identity: self.identity(), told, replies: Vec::new() };
            }
            told.damaged(damage);
        }
        let replies = reply(&frame, &told, context);
        Turn { identity: self.identity(), told, replies: replies.into_iter().collect() }
    }

    fn write(&mut self, order: &Order, _profile: Option<&str>) -> Result<Written, CannotSay> {
        let Command::Raw { content } = &order.command else { return Err(CannotSay::NoWord) };
        let digits: String = content.chars().filter(|letter| !letter.is_whitespace()).collect();
        let body = hex::decode(digits).ok().filter(|body| (1..=1024).contains(&body.len()));
        let body = body.ok_or_else(|| {
            CannotSay::Unfit("this dialect takes a command and its keys in hexadecimal, at most 1024 bytes".to_owned())
        })?;
        let flags = frame::flag::ACK_WANTED;
        Ok(Written { bytes: frame::written(flags, order.number, &body), answered_as: Some(ANSWER.to_owned()) })
    }

    fn tell(&mut self, _notice: &Notice) -> Option<Vec<u8>> {
        // A pendant has neither a screen nor a voice of ours.
        None
    }
}

/// The word of all answers: they say the number of what they answer.
const ANSWER: &str = "7F";

impl Session {
    fn identity<'f>(&self) -> Option<Cow<'f, str>> {
        self.imei.clone().map(Cow::Owned)
    }

    fn told(&mut self, frame: &Frame<'_>) -> Told {
        let mut told = match frame.command {
            command::DATA | command::SERVICES => {
                let read = keys::read(frame);
                if read.imei.is_some() {
                    self.imei = read.imei;
                }
                read.told
            }
            command::CONFIG => {
                let imei = keys::imei_in_config(frame);
                if imei.is_some() {
                    self.imei = imei;
                }
                Told::new(Kind::Config, "02")
            }
            command::RESPONSE => Told { answer: answer(frame), ..Told::new(Kind::Ack, ANSWER) },
            command::CONTROL => Told::new(Kind::Other, "04"),
            command::FIRMWARE => Told::new(Kind::Other, "7E"),
            unknown => Told::new(Kind::Other, format!("{unknown:02X}")),
        };
        told.seq = Some(frame.seq.into());
        told
    }
}

/// `7F`, a length of one, and a code: 0 is done.
fn answer(frame: &Frame<'_>) -> Option<Answer> {
    let code = *frame.body.get(1)?;
    let text = if code == 0 { String::new() } else { format!("{code:02X}") };
    Some(Answer { number: Some(frame.seq), word: ANSWER.to_owned(), done: Some(code == 0), text })
}

fn reply(frame: &Frame<'_>, told: &Told, context: &Context<'_>) -> Option<Reply> {
    // An acknowledgement of an acknowledgement would go on for ever.
    if !frame.wants_ack() || frame.command == command::RESPONSE {
        return None;
    }
    let bytes = match frame.command {
        command::SERVICES => frame::written(0, frame.seq, &keys::served(frame, context.received_at)),
        _ => frame::written(0, frame.seq, &[command::RESPONSE, 1, 0]),
    };
    let when = if told.lane() == wire::topics::Lane::Alert { When::Durable } else { When::Now };
    Some(Reply { bytes, when })
}

#[cfg(test)]
mod tests;
