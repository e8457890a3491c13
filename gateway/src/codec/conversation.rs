//! What is said on one connection: the little that a dialect must remember between two frames, and both directions.
//!
//! A conversation is pure: it holds no socket and reads no clock. Who the terminal is, is what its frames say; whether it
//! may speak, is for whoever owns the connection.

use std::borrow::Cow;

use jiff::Timestamp;
use wire::command::{Carried, Order};
use wire::directory::Dialect;
use wire::notice::Notice;
use wire::report::{Doubt, Event};
use wire::topics::Lane;

use super::framing::Cutter;
use super::told::Told;
use super::{CLOCK_OFF_SECONDS, Decoded, eview, gt06, jt808, scaip, watch};

/// What is known from elsewhere while a frame is read.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// The model's profile: which of a dialect's variants it speaks. `None` reads as most of its family.
    pub profile: Option<&'c str>,
    /// When the frame was complete.
    pub received_at: Timestamp,
    /// What to do with damaged frames.
    pub strictness: Strictness,
}

/// What to do with a frame whose checksum or length is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strictness {
    /// Read it all the same, with a doubt: a damaged SOS is an SOS. What it says about commands is not believed.
    #[default]
    Lenient,
    /// Believe nothing of it. One that claims to be an alarm is still an alarm, of which no more is known.
    Strict,
}

/// One frame, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn<'f> {
    /// Who sent it, as its dialect tells it; also when it was said earlier in the conversation.
    pub identity: Option<Cow<'f, str>>,
    /// What it says, word for word.
    pub told: Told,
    /// What the terminal has to hear.
    pub replies: Vec<Reply>,
}

/// Bytes that a terminal waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When they may leave.
    pub when: When,
}

/// When a reply may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// After the intake commit of what it answers: it says "received".
    Durable,
}

/// An order in the terminal's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The bytes, of one frame or several.
    pub bytes: Vec<u8>,
    /// The word under which the terminal answers, as in [`wire::command::Answer::word`]; `None` when it does not.
    pub answered_as: Option<String>,
}

/// Why an order cannot be put into a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotSay {
    /// The dialect or the model has no word for it.
    #[error("this dialect has no word for it")]
    NoWord,
    /// The terminal would refuse these values.
    #[error("{0}")]
    Unfit(String),
    /// The terminal has not said yet who it is, and its dialect needs that in every frame.
    #[error("the terminal has not said yet who it is")]
    NotIntroduced,
}

impl CannotSay {
    /// A maker's own words that would let somebody listen in: that is an order of its own, which asks for an open emergency and a
    /// reason, and may be switched off.
    pub(crate) fn listening_in() -> Self {
        Self::Unfit("listening in is an order of its own: in an open emergency, with a reason".to_owned())
    }
}

impl From<CannotSay> for Carried {
    fn from(why: CannotSay) -> Self {
        match why {
            CannotSay::NoWord => Self::NoWord,
            CannotSay::Unfit(why) => Self::Unfit { why },
            CannotSay::NotIntroduced => Self::Away,
        }
    }
}

impl Turn<'_> {
    /// Which lane it belongs to: where presses share a message with positions, all of it is alert lane.
    pub fn lane(&self) -> Lane {
        self.told.lane()
    }

    /// The same, apart from the frame that it was read from.
    pub fn into_owned(self) -> Turn<'static> {
        let identity = self.identity.map(|identity| Cow::Owned(identity.into_owned()));
        Turn { identity, told: self.told, replies: self.replies }
    }

    /// The dialect's share of a report.
    pub fn into_decoded(self, received_at: Timestamp) -> Decoded {
        let is_stored = self.told.is_stored();
        let mut decoded = self.told.into_decoded();
        let has_own_time = is_stored || decoded.event == Some(Event::Offline);
        if let (Some(device_at), false) = (decoded.stamp.device_at, has_own_time) {
            let seconds = device_at.duration_since(received_at).as_secs();
            if seconds.abs() > CLOCK_OFF_SECONDS {
                decoded.doubt(Doubt::ClockOff { seconds });
            }
        }
        decoded
    }
}

/// What every dialect with a connection of its own can do.
pub(crate) trait Speaker {
    /// Reads one frame, as [`Cutter`] found it.
    fn read<'f>(&mut self, frame: &'f [u8], context: &Context<'_>) -> Turn<'f>;
    /// Puts an order into the dialect.
    fn write(&mut self, order: &Order, profile: Option<&str>) -> Result<Written, CannotSay>;
    /// News for the wearer; `None` when the dialect has no word for it.
    fn tell(&mut self, notice: &Notice) -> Option<Vec<u8>>;
}

/// One connection's conversation.
#[derive(Debug)]
pub struct Conversation(Speaks);

#[derive(Debug)]
enum Speaks {
    Watch(watch::Session),
    Jt808(jt808::Session),
    Gt06(gt06::Session),
    Eview(eview::Session),
    Scaip(scaip::Session),
}

impl Conversation {
    /// Begins one; `None` for dialects that have no connection of their own.
    pub fn begin(dialect: Dialect) -> Option<Self> {
        Some(Self(match dialect {
            Dialect::Watch => Speaks::Watch(watch::Session::default()),
            Dialect::Jt808 => Speaks::Jt808(jt808::Session::default()),
            Dialect::Gt06 => Speaks::Gt06(gt06::Session::default()),
            Dialect::Eview => Speaks::Eview(eview::Session::default()),
            Dialect::Scaip => Speaks::Scaip(scaip::Session::default()),
            _ => return None,
        }))
    }

    /// Begins one with a unit that sends social alarms.
    pub fn scaip(settings: scaip::Settings) -> Self {
        Self(Speaks::Scaip(scaip::Session::with(settings)))
    }

    /// Reads one frame.
    pub fn read<'f>(&mut self, frame: &'f [u8], context: &Context<'_>) -> Turn<'f> {
        self.speaker().read(frame, context)
    }

    /// Puts an order into the terminal's dialect.
    pub fn write(&mut self, order: &Order, profile: Option<&str>) -> Result<Written, CannotSay> {
        self.speaker().write(order, profile)
    }

    /// News for the wearer; `None` when the dialect has no word for it.
    pub fn tell(&mut self, notice: &Notice) -> Option<Vec<u8>> {
        self.speaker().tell(notice)
    }

    fn speaker(&mut self) -> &mut dyn Speaker {
        match &mut self.0 {
            Speaks::Watch(session) => session,
            Speaks::Jt808(session) => session,
            Speaks::Gt06(session) => session,
            Speaks::Eview(session) => session,
            Speaks::Scaip(session) => session,
        }
    }
}

/// How the frames of a dialect are found in a stream, and how long one can be; `None` without a stream of its own.
pub fn framing(dialect: Dialect) -> Option<(Cutter, usize)> {
    match dialect {
        Dialect::Watch => Some((watch::cut, watch::FRAME_MAX)),
        Dialect::Jt808 => Some((jt808::cut, jt808::FRAME_MAX)),
        Dialect::Gt06 => Some((gt06::cut, gt06::FRAME_MAX)),
        Dialect::Eview => Some((eview::cut, eview::FRAME_MAX)),
        Dialect::Scaip => Some((scaip::cut, scaip::FRAME_MAX)),
        _ => None,
    }
}

/// How the frames of a dialect are found in a datagram, and how long one can be; `None` when it is not spoken over UDP.
pub fn datagrams(dialect: Dialect) -> Option<(Cutter, usize)> {
    match dialect {
        Dialect::Jt808 => framing(dialect),
        Dialect::Scaip => Some((scaip::whole, scaip::FRAME_MAX)),
        _ => None,
    }
}
