//! Device dialects: bytes in, typed parts of a report out; receipts and notices in, bytes out.
//!
//! A codec is a pure function. It looks nothing up, keeps nothing between calls (but for a [`conversation`], which is the
//! little that a connection has to remember) and reads no clock, and no byte string makes it panic. It never throws a press away: what cannot be read becomes a
//! [`Doubt`], and a message on the alert lane of which nothing can be read becomes
//! [`Event::Unreadable`], which rings. Which terminal may say what is the edge's business; who the
//! person is, the dispatcher's.

mod alarms;
mod calendar;
pub mod conversation;
mod cursor;
mod eview;
pub mod framing;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod gt06;
pub mod inspect;
mod jt808;
pub mod mapped;
mod news;
pub mod owntracks;
mod reading;
pub mod scaip;
pub mod told;
mod watch;
mod ydt;

pub(crate) use reading::printable;

use jiff::Timestamp;
use serde::Serialize;
use wire::command::Order;
use wire::directory::Dialect;
use wire::notice::Notice;
use wire::receipt::Outcome;
use wire::report::{Doubt, Event, Fix, Stamp, Status, Surroundings, Vital};
use wire::topics::Lane;

/// What a profile of a terminal that is not mapped may say of its model: a list of these words.
pub fn habits(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Jt808 => jt808::HABITS,
        Dialect::Gt06 => gt06::HABITS,
        Dialect::Watch => watch::HABITS,
        _ => &[],
    }
}

/// The first word of such a profile that means nothing.
pub fn unknown_habit(dialect: Dialect, profile: &str) -> Option<&str> {
    cursor::habits(profile).find(|word| !habits(dialect).contains(word))
}

/// A terminal's clock is called wrong when it is this far from ours.
const CLOCK_OFF_SECONDS: i64 = 600;
/// Doubts beyond this many say nothing new to the person who reads the card.
const DOUBTS_MAX: usize = 16;

/// Half the way around the earth: no accuracy is worse.
const ACCURACY_M: std::ops::RangeInclusive<f64> = 0.0..=20_037_508.0;
/// A wearer in an airliner is still a wearer.
const SPEED_KMH: std::ops::RangeInclusive<f64> = 0.0..=2000.0;
const COURSE_DEG: std::ops::RangeInclusive<f64> = 0.0..=360.0;
/// From the deepest sea to the edge of space.
const ALTITUDE_M: std::ops::RangeInclusive<f64> = -11_000.0..=100_000.0;

/// One message as it came, with what the directory says about its sender.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// What follows the terminal's own prefix in the topic; see [`wire::topics::leaf`].
    pub leaf: &'m str,
    /// The bytes.
    pub payload: &'m [u8],
    /// The lane that the edge put it in.
    pub lane: Lane,
    /// What a position published by hand means; only OwnTracks asks.
    pub manual_publish: ManualPublish,
    /// The secret that it shares with its terminal, for what is encrypted; only OwnTracks asks.
    pub key: Option<&'m str>,
    /// How its JSON is to be read; only mapped terminals have one.
    pub profile: Option<&'m mapped::Profile>,
    /// When the edge had it.
    pub received_at: Timestamp,
}

/// What it means when the wearer of a phone publishes a position by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManualPublish {
    /// A position like any other.
    MeansHere,
    /// A call for help.
    MeansHelp,
}

/// What could be read of a message: the dialect's share of a [`wire::report::Report`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Decoded {
    /// The terminal's own counters and time.
    pub stamp: Stamp,
    /// What happened; `None` for plain telemetry.
    pub event: Option<Event>,
    /// What happened besides.
    pub also: Vec<Event>,
    /// Positions, oldest first.
    pub fixes: Vec<Fix>,
    /// The terminal's state, where told.
    pub status: Option<Status>,
    /// What the terminal hears around it.
    #[serde(skip_serializing_if = "Surroundings::is_empty")]
    pub surroundings: Surroundings,
    /// What was measured on the wearer's body.
    pub vitals: Vec<Vital>,
    /// What is doubtful.
    pub doubts: Vec<Doubt>,
    /// The terminal itself calls it an exercise.
    pub drill: bool,
}

impl Decoded {
    fn event(event: Event) -> Self {
        Self { event: Some(event), ..Self::default() }
    }

    fn unreadable(why: impl Into<String>) -> Self {
        Self::event(Event::Unreadable { why: reading::printable(&why.into(), 200) })
    }

    fn other(what: &str) -> Self {
        Self::event(Event::Other { what: reading::printable(what, 64) })
    }

    fn doubt(&mut self, doubt: Doubt) {
        if self.doubts.len() < DOUBTS_MAX && !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }
}

/// Bytes for one terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The MQTT topic.
    pub topic: String,
    /// The MQTT payload.
    pub payload: Vec<u8>,
}

/// An order in an MQTT dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// The bytes.
    pub outgoing: Outgoing,
    /// The word under which the terminal answers, as in [`wire::command::Answer::word`]; `None` when it does not.
    pub answered_as: Option<String>,
}

/// Reads one message, as far as it can be read.
pub fn decode(dialect: Dialect, message: &Message<'_>) -> Decoded {
    let mut decoded = match dialect {
        Dialect::Ydt => ydt::decode(message),
        Dialect::OwnTracks => owntracks::decode(message),
        Dialect::Mapped => mapped::decode(message),
        _ => Decoded::unreadable(format!("{} does not come over MQTT", dialect.as_str())),
    };
    if let (Some(device_at), false) = (decoded.stamp.device_at, decoded.event == Some(Event::Offline)) {
        let seconds = device_at.duration_since(message.received_at).as_secs();
        if seconds.abs() > CLOCK_OFF_SECONDS {
            decoded.doubt(Doubt::ClockOff { seconds });
        }
    }
    decoded
}

/// The answer to an alert-lane message that is durable; `None` when the dialect has no word for it.
pub fn encode_receipt(dialect: Dialect, serial: &str, stamp: Stamp, outcome: Outcome) -> Option<Outgoing> {
    match dialect {
        Dialect::Ydt => Some(ydt::encode_receipt(serial, stamp, outcome)),
        // Whether its publish was acknowledged is shown, and that is the promise.
        _ => None,
    }
}

/// News for the wearer; `None` when the dialect has no word for it.
pub fn encode_notice(dialect: Dialect, profile: Option<&mapped::Profile>, notice: &Notice) -> Option<Outgoing> {
    match (dialect, profile) {
        (Dialect::Ydt, _) => Some(ydt::encode_notice(notice)),
        (Dialect::OwnTracks, _) => Some(owntracks::encode_notice(notice)),
        (Dialect::Mapped, Some(profile)) => mapped::encode_notice(profile, notice),
        _ => None,
    }
}

/// An order in the dialect of a terminal that comes over MQTT; the others have a [`conversation`].
pub fn encode_order(
    dialect: Dialect,
    profile: Option<&mapped::Profile>,
    order: &Order,
) -> Result<Ordered, conversation::CannotSay> {
    match (dialect, profile) {
        (Dialect::Ydt, _) => ydt::encode_order(order),
        (Dialect::OwnTracks, _) => owntracks::encode_command(&order.serial, &order.command),
        (Dialect::Mapped, Some(profile)) => {
            mapped::encode_command(profile, &order.serial, order.number, &order.command)
        }
        _ => Err(conversation::CannotSay::NoWord),
    }
}

/// The dialect that a topic belongs to, for terminals that the directory does not list.
pub fn dialect_of(topic: &str) -> Dialect {
    if topic == "owntracks" || topic.starts_with("owntracks/") { Dialect::OwnTracks } else { Dialect::Ydt }
}

#[cfg(test)]
mod captured;
#[cfg(test)]
mod corpora;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod tests;
