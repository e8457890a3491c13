//! The text protocol of most elder watches, pendants and pagers sold in China (SeTracker, 3G ELEC and kin), TCP.
//!
//! One connection is one terminal. There is no authentication and no checksum; an alarm is repeated until it is
//! answered, and a position may carry an alarm too. What is supported is in `docs/dialects/watch.md`.

mod downlink;
mod frame;
mod messages;
mod position;

use std::borrow::Cow;

use wire::command::Order;
use wire::notice::Notice;
use wire::topics::Lane;

use super::conversation::{CannotSay, Context, Reply, Speaker, Strictness, Turn, When, Written};
use super::cursor::has_habit;
use super::told::{Kind, Told};
use frame::{Digits, Frame};

pub(super) use frame::{FRAME_MAX, cut};

/// A model that listens to frames of `SG` only, whatever letters it writes itself.
const SG: &str = "sg";

/// All words of a model's profile.
pub(super) const HABITS: &[&str] = &[SG, messages::FALL_BIT, messages::BATTERY_BIT];

/// What is known of the terminal on the other end.
#[derive(Debug, Default)]
pub(super) struct Session {
    maker: String,
    /// Whether it is written to with other letters than its own.
    hears_sg: bool,
    id: String,
    seq: Option<String>,
    digits: Digits,
    /// The last message that nobody knows: repeated, it waits for an answer.
    unknown: Option<String>,
    /// Words of commands on their way.
    asked: Vec<String>,
}

/// Words on their way that are remembered; more are not asked at once.
const ASKED_MAX: usize = 32;

/// Whether a message of this name holds a position.
fn is_position(name: &[u8]) -> bool {
    let is_family = |stem: &[u8; 2]| {
        name.get(..2).is_some_and(|begin| begin.eq_ignore_ascii_case(stem))
            && name.get(2).is_none_or(|next| next.is_ascii_digit() || *next == b'_')
    };
    [b"UD", b"AL", b"WT"].into_iter().any(is_family)
        || [&b"WAD"[..], b"WG", b"PP", b"SENDSOS"].iter().any(|word| name.eq_ignore_ascii_case(word))
        || name.get(..10).is_some_and(|begin| begin.eq_ignore_ascii_case(b"ALCUSTOMER"))
}

impl Session {
    fn meet(&mut self, frame: &Frame<'_>) {
        if self.maker != frame.maker {
            frame.maker.clone_into(&mut self.maker);
        }
        if self.id != frame.id {
            frame.id.clone_into(&mut self.id);
        }
        if self.seq.as_deref() != frame.seq {
            self.seq = frame.seq.map(str::to_owned);
        }
        let has = |digits: std::ops::RangeInclusive<u8>| frame.len.bytes().any(|byte| digits.contains(&byte));
        if has(b'a'..=b'f') {
            self.digits = Digits::Small;
        } else if has(b'A'..=b'F') {
            self.digits = Digits::Large;
        }
    }

    fn framed(&self, content: &[u8]) -> Vec<u8> {
        let maker = if self.hears_sg { "SG" } else { &self.maker };
        frame::written(maker, &self.id, self.seq.as_deref(), content, self.digits)
    }

    /// Whether this unknown message has come before, so that it seems to wait for something.
    fn is_repeated(&mut self, name: &str) -> bool {
        if self.unknown.as_deref() == Some(name) {
            return true;
        }
        self.unknown = Some(name.to_owned());
        false
    }

    /// Whether this is the word of a command on its way, which is not any more.
    fn is_asked(&mut self, name: &str) -> bool {
        match self.asked.iter().position(|word| word.eq_ignore_ascii_case(name)) {
            Some(at) => {
                self.asked.remove(at);
                true
            }
            None => false,
        }
    }

    fn ask(&mut self, word: &str) {
        if self.asked.len() == ASKED_MAX {
            self.asked.remove(0);
        }
        self.asked.push(word.to_owned());
    }
}

impl Speaker for Session {
    fn read<'f>(&mut self, frame: &'f [u8], context: &Context<'_>) -> Turn<'f> {
        let Some(parsed) = Frame::parse(frame) else {
            return Turn { identity: None, told: Told::unreadable("no header (MF*ID*LEN)"), replies: Vec::new() };
        };
        self.meet(&parsed);
        self.hears_sg = has_habit(context.profile, SG);
        let identity = Some(Cow::Borrowed(parsed.id));
        let text = String::from_utf8_lossy(parsed.content);
        let (mut told, answer) = messages::read(&text, parsed.content, context, self);
        told.seq = parsed.seq.and_then(|seq| u32::from_str_radix(seq, 16).ok());
        let is_damaged = !parsed.is_len_right() || !frame.ends_with(b"]");
        let is_believed = !is_damaged || context.strictness == Strictness::Lenient;
        if is_damaged {
            told.damaged("LEN is not the length");
            // Of a message that has been cut short nothing is believed about commands.
            if !frame.ends_with(b"]") {
                told.answer = None;
            }
            if !is_believed {
                told = told.disbelieved("LEN is not the length");
            }
        }
        let when = if told.lane() == Lane::Alert { When::Durable } else { When::Now };
        let replies = match answer {
            Some(words) if is_believed && told.kind != Kind::Unreadable => {
                vec![Reply { bytes: self.framed(words.as_bytes()), when }]
            }
            _ => Vec::new(),
        };
        Turn { identity, told, replies }
    }

    fn write(&mut self, order: &Order, _profile: Option<&str>) -> Result<Written, CannotSay> {
        if self.id.is_empty() {
            return Err(CannotSay::NotIntroduced);
        }
        let contents = downlink::contents(&order.command)?;
        let answered_as = contents.last().map(|content| downlink::word(content).to_owned());
        if let Some(word) = &answered_as {
            self.ask(word);
        }
        let bytes = contents.iter().flat_map(|content| self.framed(content.as_bytes())).collect();
        Ok(Written { bytes, answered_as })
    }

    fn tell(&mut self, notice: &Notice) -> Option<Vec<u8>> {
        (!self.id.is_empty()).then(|| self.framed(downlink::message(&super::news::sentence(notice)).as_bytes()))
    }
}

#[cfg(test)]
pub(super) use frame::escaped;

/// A frame to a terminal that writes small digits.
#[cfg(test)]
pub(super) fn written(maker: &str, id: &str, content: &[u8]) -> Vec<u8> {
    frame::written(maker, id, None, content, Digits::Small)
}

#[cfg(test)]
mod tests;
