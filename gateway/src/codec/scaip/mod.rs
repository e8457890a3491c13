//! Social alarms of SS 91100:2014 (SCAIP): XML in SIP MESSAGE, over UDP and TCP.
//!
//! The paid texts of the standard were not at hand: what is here comes from captured messages and from what other
//! receivers do, and makes no claim of conformance; see `docs/dialects/scaip.md`.

mod codes;
mod request;
pub mod sip;
mod xml;

use std::borrow::Cow;
use std::net::SocketAddr;

use wire::command::{Answer, Order};
use wire::notice::Notice;
use wire::topics::Lane;

use super::conversation::{CannotSay, Context, Reply, Speaker, Strictness, Turn, When, Written};
use super::reading::printable;
use super::told::{Kind, Told};

pub use codes::Purpose;
pub use request::{Request, Taken};
pub(super) use sip::{FRAME_MAX, cut, whole};
use sip::{Message, Start};

/// What these messages are called in `Content-Type` (registered with IANA).
pub const CONTENT_TYPE: &str = "application/scaip+xml";

/// The longest name of a SIP user that is taken for a controller's.
const USER_MAX: usize = 64;

/// Where the answer travels: receivers differ, and so do units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// The request is answered 200 without a body, the `<mrs>` follows in a MESSAGE of its own (RFC 3428 forbids a body
    /// in an answer to MESSAGE).
    #[default]
    Separate,
    /// In the body of the 200.
    InBody,
}

/// How a receiver of these alarms is set up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the answer travels.
    pub answer: AnswerMode,
    /// The number that a unit with a voice is told to call after an alarm.
    pub call: Option<String>,
    /// Host and port at which units reach us, for messages of our own. Empty where whoever owns the socket knows better.
    pub local: String,
    /// Where the messages of this conversation come from.
    pub source: Option<SocketAddr>,
}

/// What is said with one unit.
#[derive(Debug, Default)]
pub(super) struct Session {
    settings: Settings,
    controller: Option<String>,
}

impl Session {
    pub(super) fn with(settings: Settings) -> Self {
        Self { settings, controller: None }
    }

    fn request(&mut self, xml: &[u8], context: &Context<'_>) -> (Request, Told) {
        let request = Request::read(xml);
        let mut told = request.told();
        if context.strictness == Strictness::Strict && request.taken != Taken::Well {
            told = told.disbelieved("not as the standard has it");
        }
        if request.controller.is_some() {
            self.controller.clone_from(&request.controller);
        }
        (request, told)
    }

    fn turn<'f>(&self, told: Told, replies: Vec<Reply>) -> Turn<'f> {
        Turn { identity: self.controller.clone().map(Cow::Owned), told, replies }
    }

    /// XML without SIP around it, as support engineers and gateways have it.
    fn bare<'f>(&mut self, xml: &[u8], context: &Context<'_>) -> Turn<'f> {
        let (request, told) = self.request(xml, context);
        let bytes = request.answer(self.settings.call.as_deref()).into_bytes();
        let reply = Reply { bytes, when: when(&told) };
        self.turn(told, vec![reply])
    }

    fn sip<'f>(&mut self, bytes: &[u8], context: &Context<'_>) -> Turn<'f> {
        let message = match Message::read(bytes) {
            Ok(message) => message,
            Err(why) => return self.turn(Told::unreadable(why.to_string()), Vec::new()),
        };
        let method = match message.start {
            Start::Request { method, .. } => method,
            Start::Response { code } => return self.turn(answered(code), Vec::new()),
        };
        let source = self.settings.source;
        let now = |status| Reply { bytes: sip::response(&message, status, source, None), when: When::Now };
        let refuse = |session: &Self, status, kind, word: &str| {
            let replies = if message.is_answerable() { vec![now(status)] } else { Vec::new() };
            session.turn(Told::new(kind, word.to_owned()), replies)
        };
        match method {
            "MESSAGE" => {}
            "ACK" => return self.turn(Told::new(Kind::Other, "ACK"), Vec::new()),
            // Some units ask first whether anybody is there.
            "OPTIONS" | "REGISTER" => return refuse(self, (200, "OK"), Kind::Heartbeat, method),
            _ => return refuse(self, (405, "Method Not Allowed"), Kind::Other, method),
        }
        let looks_like_xml =
            message.body.trim_ascii_start().first() == Some(&b'<') || message.body.starts_with(b"\xef\xbb\xbf<");
        // What calls itself an alarm is not refused for what it looks like.
        if !looks_like_xml && !message.is_social_alarm() {
            return refuse(self, (415, "Unsupported Media Type"), Kind::Other, "MESSAGE");
        }
        let (request, mut told) = self.request(message.body, context);
        if self.controller.is_none() {
            // Of what cannot be read nobody else tells whose it is.
            self.controller = message.from_user().filter(|user| !user.is_empty()).map(|user| printable(user, USER_MAX));
        }
        if message.is_cut_short() {
            told.damaged("shorter than it says");
        }
        // One receiver refuses this; a press of whoever it is remains a press.
        if let (Some(user), Some(controller)) = (message.from_user(), &request.controller)
            && user.trim_start_matches('+') != controller.trim_start_matches('+')
        {
            told.unread("cid");
        }
        if !message.is_answerable() {
            told.damaged("SIP headers are missing");
            return self.turn(told, Vec::new());
        }
        let answer = request.answer(self.settings.call.as_deref());
        let replies = match self.settings.answer {
            AnswerMode::InBody => {
                let bytes = sip::response(&message, (200, "OK"), self.settings.source, Some(&answer));
                vec![Reply { bytes, when: when(&told) }]
            }
            AnswerMode::Separate => {
                let bytes = sip::message_back(&message, &self.settings.local, &answer);
                vec![now((200, "OK")), Reply { bytes, when: when(&told) }]
            }
        };
        self.turn(told, replies)
    }
}

/// `snu` 0 means received.
fn when(told: &Told) -> When {
    let rings = told.lane() == Lane::Alert || told.kind == Kind::Unreadable;
    if rings { When::Durable } else { When::Now }
}

/// Whether `frame` may be a call for help of which nothing can be read.
pub(crate) fn may_be_press(frame: &[u8], told: &Told) -> bool {
    told.kind == Kind::Unreadable && frame.trim_ascii_start().starts_with(b"MESSAGE ")
}

/// An answer to a MESSAGE of ours.
fn answered(code: u16) -> Told {
    let done = (code >= 200).then_some(code < 300);
    let answer = Answer { number: None, word: "MESSAGE".to_owned(), done, text: code.to_string() };
    Told { answer: (code >= 200).then_some(answer), ..Told::new(Kind::Ack, code.to_string()) }
}

impl Speaker for Session {
    fn read<'f>(&mut self, frame: &'f [u8], context: &Context<'_>) -> Turn<'f> {
        let begins = frame.trim_ascii_start();
        let is_sip = begins.first().is_some_and(u8::is_ascii_uppercase);
        if is_sip { self.sip(begins, context) } else { self.bare(frame, context) }
    }

    fn write(&mut self, _order: &Order, _profile: Option<&str>) -> Result<Written, CannotSay> {
        // What a receiver wants of a unit it says in its answers.
        Err(CannotSay::NoWord)
    }

    fn tell(&mut self, _notice: &Notice) -> Option<Vec<u8>> {
        // The voice call is how these units speak to their wearer.
        None
    }
}

#[cfg(test)]
mod tests;
