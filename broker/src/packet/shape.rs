//! The shape of a packet, where `rumqttc` passes over what is wrong with it: bytes behind its end, properties that reach
//! beyond theirs, and properties that are given twice.
//!
//! Only what `rumqttc` passes over is looked at here: what the fields say, and which property may stand where, it knows.

use super::{PUBACK, PUBLISH, PUBREL, SUBSCRIBE, UNSUBSCRIBE, Version, Violation};

/// Flags of a CONNECT: what its payload has.
const WILL: u8 = 0x04;
const PASSWORD: u8 = 0x40;
const NAME: u8 = 0x80;
/// Name and level of the protocol, flags, keep-alive.
const CONNECT_HEAD_BYTES: usize = 10;
/// The one property that may be given again and again (MQTT 5, 2.2.2.2). Subscription identifiers may be, too, but not
/// by a client.
const USER_PROPERTY: u8 = 0x26;

/// Looks at the body of a CONNECT.
pub(super) fn check_connect(version: Version, body: &[u8]) -> Result<(), Violation> {
    let mut rest = Rest(body);
    let head = rest.take(CONNECT_HEAD_BYTES)?;
    let has = |flag| head[7] & flag != 0;
    if version == Version::V5 {
        rest.properties()?;
    }
    rest.text()?;
    if has(WILL) {
        if version == Version::V5 {
            rest.properties()?;
        }
        rest.text()?;
        rest.text()?;
    }
    for flag in [NAME, PASSWORD] {
        if has(flag) {
            rest.text()?;
        }
    }
    rest.ends()
}

/// Looks at any later packet, but for DISCONNECT, by its first byte and its body.
pub(super) fn check(version: Version, first: u8, body: &[u8]) -> Result<(), Violation> {
    let mut rest = Rest(body);
    match (version, first >> 4) {
        (Version::V4, PUBACK | PUBREL) => {
            rest.take(2)?;
            rest.ends()
        }
        (Version::V5, PUBACK | PUBREL) => {
            rest.take(2)?;
            rest.reason()
        }
        (Version::V5, PUBLISH) => {
            rest.text()?;
            if first & 0b0110 != 0 {
                rest.take(2)?;
            }
            rest.properties()
        }
        (Version::V5, SUBSCRIBE | UNSUBSCRIBE) => {
            rest.take(2)?;
            rest.properties()
        }
        _ => Ok(()),
    }
}

/// Looks at the body of MQTT 5's DISCONNECT.
pub(super) fn check_disconnect(body: &[u8]) -> Result<(), Violation> {
    Rest(body).reason()
}

/// What has not been looked at yet.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn take(&mut self, bytes: usize) -> Result<&'b [u8], Violation> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Violation::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn ends(&self) -> Result<(), Violation> {
        if self.0.is_empty() { Ok(()) } else { Err(Violation::Malformed) }
    }

    fn byte(&mut self) -> Result<u8, Violation> {
        self.take(1).map(|taken| taken[0])
    }

    /// A text, or binary data: two bytes say how long it is.
    fn text(&mut self) -> Result<(), Violation> {
        let length = u16::from_be_bytes([self.byte()?, self.byte()?]);
        self.take(length.into()).map(|_| ())
    }

    /// A number of one to four bytes, in the shortest form that it has.
    fn varint(&mut self) -> Result<usize, Violation> {
        let mut number = 0;
        for nth in 0..4 {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << (7 * nth);
            if byte & 0x80 == 0 {
                return if byte == 0 && nth > 0 { Err(Violation::Malformed) } else { Ok(number) };
            }
        }
        Err(Violation::Malformed)
    }

    /// A reason and properties, both of which may be left out at the end of a packet.
    fn reason(&mut self) -> Result<(), Violation> {
        if !self.0.is_empty() {
            self.byte()?;
        }
        if !self.0.is_empty() {
            self.properties()?;
        }
        self.ends()
    }

    fn properties(&mut self) -> Result<(), Violation> {
        let length = self.varint()?;
        let mut properties = Self(self.take(length)?);
        let mut given = 0_u64;
        while !properties.0.is_empty() {
            let property = properties.byte()?;
            properties.value(property)?;
            let bit = 1_u64 << property;
            if given & bit != 0 && property != USER_PROPERTY {
                return Err(Violation::Twice);
            }
            given |= bit;
        }
        Ok(())
    }

    /// The value of a property (MQTT 5, 2.2.2.2).
    fn value(&mut self, property: u8) -> Result<(), Violation> {
        match property {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => self.take(1).map(|_| ()),
            0x13 | 0x21..=0x23 => self.take(2).map(|_| ()),
            0x02 | 0x11 | 0x18 | 0x27 => self.take(4).map(|_| ()),
            0x0b => self.varint().map(|_| ()),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => self.text(),
            USER_PROPERTY => {
                self.text()?;
                self.text()
            }
            _ => Err(Violation::Malformed),
        }
    }
}
