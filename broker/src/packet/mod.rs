//! MQTT 3.1.1 and 5 as one small language: what terminals say ([`Incoming`]) and hear
//! ([`Outgoing`]).
//!
//! `rumqttc` reads and writes the packets. What it gets wrong on a server's side is done here: the
//! flags of the fixed header, MQTT 5's DISCONNECT, and (`shape`) lengths inside a packet that do not
//! add up and properties that are given twice.
//! No byte string makes reading panic.

mod shape;
mod v4;
mod v5;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

/// Which of the two protocols a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

/// Quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::enum_variant_names, reason = "the standard's own names")]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

/// Whether a packet says that it may have been sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dup {
    First,
    Again,
}

/// What a session does about the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Clean,
    Resume,
}

/// A message to publish when its terminal has gone without saying so. MQTT 5's delay is not
/// honoured: nobody here waits to hear that a terminal is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
}

/// CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) version: Version,
    /// Empty when the server is to choose one.
    pub(crate) client_id: String,
    pub(crate) start: Start,
    /// Seconds; 0 is none.
    pub(crate) keep_alive_s: u16,
    pub(crate) login: Option<Login>,
    pub(crate) will: Option<Will>,
    /// How long the session is to be remembered, seconds. Without a limit in MQTT 3.1.1.
    pub(crate) expiry_s: u32,
    /// How many QoS 1 downlinks the client takes at once.
    pub(crate) receive_max: u16,
    /// The longest packet that the client takes.
    pub(crate) packet_max: Option<u32>,
    /// It wants MQTT 5's enhanced authentication, which we do not have.
    pub(crate) authentication_method: Option<String>,
}

/// User name and password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) name: String,
    pub(crate) secret: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("name", &self.name).finish_non_exhaustive()
    }
}

/// PUBLISH, from a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) dup: Dup,
    /// 0 with QoS 0.
    pub(crate) pid: u16,
    /// MQTT 5: what stands for the topic from now on, or for the one that it stood for before when the topic is empty.
    pub(crate) alias: Option<u16>,
}

/// One wish of a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) filter: String,
    pub(crate) qos: Qos,
}

/// What a terminal says after CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    Publish(Publish),
    /// `delivered` is false when the client refuses the message.
    PubAck {
        pid: u16,
        delivered: bool,
    },
    PubRel {
        pid: u16,
    },
    Subscribe {
        pid: u16,
        wishes: Vec<Wish>,
        /// MQTT 5's subscription identifier, which we do not have.
        identifier: Option<usize>,
    },
    Unsubscribe {
        pid: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect {
        will: AtEnd,
        expiry_s: Option<u32>,
    },
}

/// What becomes of the will at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    Forget,
    Publish,
}

/// Why a CONNECT is turned down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A protocol version that we do not speak.
    Protocol,
    /// No client id where one is needed, or one that is too long.
    ClientId,
    /// No directory yet.
    Unavailable,
    /// User name or password unknown or wrong.
    Credentials,
    /// No certificate, or not theirs.
    Certificate,
    /// Enhanced authentication.
    Method,
    /// A CONNECT that cannot be read. MQTT 3.1.1 has no word for it, and closes.
    Malformed,
    /// A CONNECT that may not be said, likewise.
    ProtocolError,
}

/// How a publish was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    /// Not this terminal's topic.
    Denied,
    /// Telemetry, and too much of it.
    Shed,
}

/// How a wish to subscribe was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    Granted(Qos),
    Denied,
    /// Not a filter.
    Invalid,
    /// `$share`.
    Shared,
    /// With an identifier.
    Identifier,
}

/// Whether there was what an UNSUBSCRIBE or PUBREL named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
}

/// Why we end a session. MQTT 5 tells the client, MQTT 3.1.1 only closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    Malformed,
    ProtocolError,
    NotAuthorized,
    Busy,
    ShuttingDown,
    KeepAlive,
    TakenOver,
    TopicName,
    TopicAlias,
    TooLarge,
    Quota,
}

/// What the server grants with CONNACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) present: Known,
    /// MQTT 5: the client id that we chose.
    pub(crate) client_id: Option<String>,
    /// MQTT 5: when it is less than asked for.
    pub(crate) expiry_s: Option<u32>,
    pub(crate) receive_max: u16,
    pub(crate) packet_max: u32,
    /// MQTT 5: how many topics may have an alias.
    pub(crate) aliases_max: u16,
}

/// What a terminal hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Welcome(Welcome),
    Refusal(Refusal),
    PubAck {
        pid: u16,
        verdict: Verdict,
    },
    PubRec {
        pid: u16,
        verdict: Verdict,
    },
    PubComp {
        pid: u16,
        known: Known,
    },
    SubAck {
        pid: u16,
        grants: Vec<Grant>,
    },
    UnsubAck {
        pid: u16,
        known: Vec<Known>,
    },
    /// `dup`: of a packet id that was under way before.
    Publish {
        topic: String,
        payload: Bytes,
        pid: Option<u16>,
        dup: Dup,
    },
    Pong,
    Farewell(Farewell),
}

/// What is wrong with what a terminal said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a malformed packet")]
    Malformed,
    #[error("a malformed MQTT 3.1.1 packet: {0}")]
    V4(#[from] rumqttc::mqttbytes::Error),
    #[error("a malformed MQTT 5 packet: {0}")]
    V5(#[from] rumqttc::v5::mqttbytes::Error),
    #[error("a packet of {0} bytes")]
    TooLarge(usize),
    #[error("a packet that has no place here")]
    Unexpected,
    #[error("a property that is given twice")]
    Twice,
    #[error("a topic that is none")]
    Topic,
    #[error("a topic alias that was not granted")]
    Alias,
    #[error("too many messages of QoS 2 without PUBREL")]
    Unreleased,
}

impl Violation {
    pub(crate) fn farewell(&self) -> Farewell {
        match self {
            Self::Malformed | Self::V4(_) | Self::V5(_) => Farewell::Malformed,
            Self::TooLarge(_) => Farewell::TooLarge,
            Self::Unexpected | Self::Twice => Farewell::ProtocolError,
            Self::Topic => Farewell::TopicName,
            Self::Alias => Farewell::TopicAlias,
            Self::Unreleased => Farewell::Quota,
        }
    }

    /// The same when it is in a CONNECT.
    pub(crate) fn refusal(&self) -> Refusal {
        match self.farewell() {
            Farewell::ProtocolError => Refusal::ProtocolError,
            _ => Refusal::Malformed,
        }
    }
}

/// A first packet that cannot become a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoOpening {
    /// Answer with this refusal in this version's CONNACK, then close.
    #[error("an MQTT version that is not spoken here")]
    Unsupported(Version),
    /// Answer with what it is called in MQTT 5's CONNACK, then close.
    #[error(transparent)]
    Broken(Violation),
    /// Close.
    #[error(transparent)]
    Violation(#[from] Violation),
}

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREL: u8 = 6;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;
const PING: u8 = 12;
const DISCONNECT: u8 = 14;

/// One whole packet, cut from the stream.
#[derive(Debug)]
pub(crate) struct Frame {
    bytes: BytesMut,
    /// Length of the fixed header.
    head: usize,
}

impl Frame {
    fn kind(&self) -> u8 {
        self.bytes[0] >> 4
    }

    fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
}

/// Whether the next packet in `stream` is a PUBLISH.
pub(crate) fn is_publish_next(stream: &[u8]) -> bool {
    stream.first().is_some_and(|first| first >> 4 == PUBLISH)
}

/// Cuts the first whole packet of at most `max` bytes from `stream`; `None` when more must come.
pub(crate) fn cut(stream: &mut BytesMut, max: usize) -> Result<Option<Frame>, Violation> {
    let Some(&first) = stream.first() else { return Ok(None) };
    let flags = first & 0x0f;
    let wanted = match first >> 4 {
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => 2,
        PUBLISH => flags,
        _ => 0,
    };
    if flags != wanted {
        return Err(Violation::Malformed);
    }
    let mut length = 0;
    for (nth, &byte) in stream.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * nth);
        if byte & 0x80 == 0 {
            let head = nth + 2;
            if head + length > max {
                return Err(Violation::TooLarge(head + length));
            }
            let whole = stream.len() >= head + length;
            return Ok(whole.then(|| Frame { bytes: stream.split_to(head + length), head }));
        }
    }
    if stream.len() > 4 { Err(Violation::Malformed) } else { Ok(None) }
}

/// Reads the first packet of a connection, which must be CONNECT.
pub(crate) fn read_opening(frame: Frame) -> Result<Opening, NoOpening> {
    if frame.kind() != CONNECT {
        return Err(Violation::Unexpected.into());
    }
    match frame.body() {
        [0, 4, b'M', b'Q', b'T', b'T', 4, flags, ..] => Ok(read_connect(Version::V4, *flags, frame)?),
        [0, 4, b'M', b'Q', b'T', b'T', 5, flags, ..] => {
            read_connect(Version::V5, *flags, frame).map_err(NoOpening::Broken)
        }
        [0, 4, b'M', b'Q', b'T', b'T', 4 | 5] => Err(Violation::Malformed.into()),
        [0, 4, b'M', b'Q', b'T', b'T', 6..=255, ..] => Err(NoOpening::Unsupported(Version::V5)),
        [0, 4, b'M', b'Q', b'T', b'T', _, ..] | [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', _, ..] => {
            Err(NoOpening::Unsupported(Version::V4))
        }
        _ => Err(Violation::Malformed.into()),
    }
}

fn read_connect(version: Version, flags: u8, frame: Frame) -> Result<Opening, Violation> {
    // The lowest of them is reserved.
    if flags & 1 != 0 {
        return Err(Violation::Malformed);
    }
    shape::check_connect(version, frame.body())?;
    match version {
        Version::V4 => v4::read_opening(frame),
        Version::V5 => v5::read_opening(frame),
    }
}

/// Reads any later packet.
pub(crate) fn read(version: Version, frame: Frame) -> Result<Incoming, Violation> {
    let incoming = match (frame.kind(), frame.body()) {
        (PING, []) => Incoming::Ping,
        (PING, _) => return Err(Violation::Malformed),
        (DISCONNECT, body) => read_disconnect(version, body)?,
        (_, body) => {
            shape::check(version, frame.bytes[0], body)?;
            match version {
                Version::V4 => v4::read(frame)?,
                Version::V5 => v5::read(frame)?,
            }
        }
    };
    match &incoming {
        Incoming::Publish(publish) if !publish.topic.is_empty() && !is_topic(&publish.topic) => Err(Violation::Topic),
        Incoming::Publish(publish) if publish.topic.is_empty() && publish.alias.is_none() => Err(Violation::Topic),
        Incoming::Subscribe { pid: 0, .. } | Incoming::Unsubscribe { pid: 0, .. } => Err(Violation::Malformed),
        Incoming::Unsubscribe { filters, .. } if filters.is_empty() => Err(Violation::Unexpected),
        _ => Ok(incoming),
    }
}

/// `rumqttc` takes MQTT 5's two short forms, without reason and without properties, for malformed.
fn read_disconnect(version: Version, mut body: &[u8]) -> Result<Incoming, Violation> {
    let mut will = AtEnd::Forget;
    let mut expiry_s = None;
    if version == Version::V4 && !body.is_empty() {
        return Err(Violation::Malformed);
    }
    shape::check_disconnect(body)?;
    if let Some((&reason, properties)) = body.split_first() {
        if reason != 0 {
            will = AtEnd::Publish;
        }
        body = properties;
        if !body.is_empty() {
            let properties = v5::disconnect_properties(Bytes::copy_from_slice(body))?;
            expiry_s = properties.and_then(|properties| properties.session_expiry_interval);
        }
    }
    Ok(Incoming::Disconnect { will, expiry_s })
}

/// Whether `topic` can be published to.
pub(crate) fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#', '\0'])
}

/// Whether `filter` can be subscribed to.
pub(crate) fn is_filter(filter: &str) -> bool {
    !filter.contains('\0') && rumqttc::mqttbytes::valid_filter(filter)
}

/// Writes `packet` behind what `stream` holds.
pub(crate) fn write(version: Version, packet: &Outgoing, stream: &mut BytesMut) -> Result<(), Violation> {
    match (version, packet) {
        (Version::V4, Outgoing::Farewell(_)) => Ok(()),
        (Version::V4, packet) => Ok(v4::write(packet, stream)?),
        (Version::V5, packet) => Ok(v5::write(packet, stream)?),
    }
}

/// MQTT's code for what somebody may not do.
pub(crate) const NOT_AUTHORIZED: u8 = 0x87;

/// The code that answers a wish to subscribe.
pub(crate) fn subscribe_code(version: Version, grant: Grant) -> u8 {
    match (version, grant) {
        (_, Grant::Granted(qos)) => qos as u8,
        (Version::V4, _) => 0x80,
        (Version::V5, Grant::Denied) => NOT_AUTHORIZED,
        (Version::V5, Grant::Invalid) => 0x8f,
        (Version::V5, Grant::Shared) => 0x9e,
        (Version::V5, Grant::Identifier) => 0xa1,
    }
}

/// The code that a session is closed with; MQTT 3.1.1 has none.
pub(crate) fn farewell_code(version: Version, farewell: Farewell) -> Option<u8> {
    (version == Version::V5).then(|| v5::reason(farewell) as u8)
}

/// A client id for a terminal that brought none.
pub(crate) fn client_id(id: Uuid) -> String {
    format!("auto-{}", id.simple())
}

#[cfg(test)]
mod tests;
