//! What edge and gateway say to each other over the bus, and under which topics.
//!
//! A message is one version byte and then postcard; on the telemetry lane several of them may travel in one packet, one
//! behind the other ([`unpack`]). A handful of topics exist, however many terminals there are.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::notice::Delivered;
use crate::report::Heard;
use crate::topics::Lane;

/// The first byte of every message on the bus.
pub const VERSION: u8 = 1;

/// Where a gateway says each second that it is alive: payload [`Alive`].
pub const GATEWAYS: &str = "bus/gateways";
/// Where gateways publish what is to go down to terminals: payload [`Downlink`]; every door listens.
pub const DOWN: &str = "bus/down";

/// The user name under which gateways connect; the password is the bus's key.
pub const USER: &str = "gateway";

/// No packet on the bus is longer, in bytes. `rumqttc` must be told, or it takes no more than 10 KB.
pub const PACKET_MAX: usize = 256 * 1024;

/// The lane of one gateway: payload [`Uplink`], on the telemetry lane one or more.
pub fn up(gateway: &str, lane: Lane) -> String {
    match lane {
        Lane::Alert => format!("bus/up/{gateway}/alert"),
        Lane::Telemetry => format!("bus/up/{gateway}/telemetry"),
    }
}

/// What doors report to one gateway about terminals: payload [`Presence`].
pub fn presence(gateway: &str) -> String {
    format!("bus/up/{gateway}/presence")
}

/// Where one door hears which of its alerts are durable: payload [`Receipts`].
pub fn receipts(door: &str) -> String {
    format!("bus/door/{door}/receipts")
}

/// "I am here": a gateway that has said nothing for three seconds is taken for gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// The gateway's id.
    pub gateway: String,
}

/// One message of a terminal, edge → gateway. What is read of it lies where the packet lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink<'p> {
    /// Names this message for ever: the report's id. The same when it is published again.
    pub id: Uuid,
    /// The front door that holds the session and waits for the receipt.
    #[serde(borrow)]
    pub door: Cow<'p, str>,
    /// The terminal, as authenticated.
    #[serde(borrow)]
    pub serial: Cow<'p, str>,
    /// The topic as published.
    #[serde(borrow)]
    pub topic: Cow<'p, str>,
    /// The lane.
    pub lane: Lane,
    /// The DUP flag.
    pub repeated: bool,
    /// When the edge had it, microseconds since 1970 UTC.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
    /// The payload as published.
    #[serde(borrow)]
    pub payload: Cow<'p, [u8]>,
}

impl Uplink<'_> {
    /// With a place of its own.
    pub fn into_owned(self) -> Uplink<'static> {
        let Self { id, door, serial, topic, lane, repeated, received_at, payload } = self;
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let payload = Cow::Owned(payload.into_owned());
        Uplink { id, door: own(door), serial: own(serial), topic: own(topic), lane, repeated, received_at, payload }
    }
}

/// Alerts that are durable, gateway → the door that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// Ids of [`Uplink`]s.
    pub ids: Vec<Uuid>,
}

/// One message for a terminal, gateway → all doors; the door that holds a session delivers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downlink {
    /// The terminal.
    pub serial: String,
    /// The MQTT topic.
    pub topic: String,
    /// The MQTT payload.
    pub payload: Vec<u8>,
    /// Publish with QoS 1 and report [`Delivered`] when the terminal acknowledges; QoS 0 without.
    pub notice: Option<Uuid>,
}

/// What a door tells about its terminals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The door.
    pub door: String,
    /// Who was heard, came or went.
    pub heard: Vec<Heard>,
    /// Downlinks that terminals acknowledged.
    pub delivered: Vec<Delivered>,
}

/// Why bytes from the bus are not the message expected.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Another version, or nothing at all.
    #[error("version {0:?} is not {VERSION}")]
    Version(Option<u8>),
    /// Not the type expected.
    #[error("not the message expected")]
    Shape(#[from] postcard::Error),
}

/// Writes a message.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let bytes = vec![VERSION];
    postcard::to_extend(message, bytes)
        .unwrap_or_else(|error| unreachable!("a bus message is plain data, which postcard can always write: {error}"))
}

/// Reads a message.
pub fn decode<'p, T: Deserialize<'p>>(bytes: &'p [u8]) -> Result<T, BusError> {
    Ok(decode_first(bytes)?.0)
}

/// Reads the messages of a packet that lie one behind the other. The first that cannot be read is the last.
pub fn unpack<'p, T: Deserialize<'p>>(mut packet: &'p [u8]) -> impl Iterator<Item = Result<T, BusError>> {
    std::iter::from_fn(move || {
        (!packet.is_empty()).then(|| {
            let (message, rest) = decode_first(std::mem::take(&mut packet))?;
            packet = rest;
            Ok(message)
        })
    })
}

fn decode_first<'p, T: Deserialize<'p>>(bytes: &'p [u8]) -> Result<(T, &'p [u8]), BusError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(postcard::take_from_bytes(rest)?),
        first => Err(BusError::Version(first.map(|(&version, _)| version))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let uplink = Uplink {
            id: Uuid::from_u128(7),
            door: "door".into(),
            serial: "P1".into(),
            topic: "ydt/1/P1/alert".into(),
            lane: Lane::Alert,
            repeated: true,
            received_at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
            payload: b"{}".into(),
        };
        let bytes = encode(&uplink);
        let read: Uplink<'_> = decode(&bytes).unwrap();
        assert_eq!(read, uplink);
        assert!(matches!(read.payload, Cow::Borrowed(_)), "nothing is copied");
        let presence = Presence {
            door: "door".into(),
            heard: vec![Heard {
                serial: "P1".into(),
                at: Timestamp::UNIX_EPOCH,
                session: crate::report::Session::Alive,
            }],
            delivered: vec![Delivered { notice: Uuid::from_u128(8), at: Timestamp::UNIX_EPOCH }],
        };
        assert_eq!(decode::<Presence>(&encode(&presence)).unwrap(), presence);
    }

    #[test]
    fn a_packet_holds_messages_one_behind_the_other() {
        let message = |id| Receipts { ids: vec![Uuid::from_u128(id)] };
        let mut packet = [encode(&message(1)), encode(&message(2))].concat();
        let read: Vec<Receipts> = unpack(&packet).map(Result::unwrap).collect();
        assert_eq!(read, [message(1), message(2)]);
        packet.push(9);
        let read: Vec<bool> = unpack::<Receipts>(&packet).map(|message| message.is_ok()).collect();
        assert_eq!(read, [true, true, false]);
        assert_eq!(unpack::<Receipts>(&[]).count(), 0);
    }

    #[test]
    fn another_version_is_refused() {
        assert!(matches!(decode::<Receipts>(&[9, 0]), Err(BusError::Version(Some(9)))));
        assert!(matches!(decode::<Receipts>(&[]), Err(BusError::Version(None))));
    }
}
