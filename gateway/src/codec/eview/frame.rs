//! Frames of the EV-07B family, in a stream and by themselves.

use super::super::framing::Cut;

/// The first byte of a frame.
const BEGIN: u8 = 0xAB;
/// Bytes before the command.
const HEAD: usize = 8;
/// The longest body that is believed; the longest captured one has 1370 bytes.
const BODY_MAX: usize = 8192;
/// The longest frame.
pub(in super::super) const FRAME_MAX: usize = HEAD + BODY_MAX;

/// Bits of the second byte.
pub(super) mod flag {
    /// An acknowledgement is wanted.
    pub(in super::super) const ACK_WANTED: u8 = 0x10;
    /// Bits that captured frames have.
    pub(super) const SEEN: u8 = 0x18;
}

/// The first byte of a body.
pub(super) mod command {
    /// Positions, alarms, measurements.
    pub(in super::super) const DATA: u8 = 0x01;
    /// Settings, read or written.
    pub(in super::super) const CONFIG: u8 = 0x02;
    /// The terminal asks for something.
    pub(in super::super) const SERVICES: u8 = 0x03;
    /// It is told to do something.
    pub(in super::super) const CONTROL: u8 = 0x04;
    /// Its firmware.
    pub(in super::super) const FIRMWARE: u8 = 0x7E;
    /// An acknowledgement.
    pub(in super::super) const RESPONSE: u8 = 0x7F;
    /// All of them.
    pub(super) const ALL: [u8; 6] = [DATA, CONFIG, SERVICES, CONTROL, FIRMWARE, RESPONSE];
}

/// A frame taken apart.
#[derive(Debug)]
pub(super) struct Frame<'f> {
    flags: u8,
    crc_right: bool,
    length_right: bool,
    /// The sender's number for it.
    pub(super) seq: u16,
    /// What it is about.
    pub(super) command: u8,
    /// What follows the command.
    pub(super) body: &'f [u8],
}

impl<'f> Frame<'f> {
    /// Takes apart what [`cut`] found, or a frame that was found otherwise; `None` without a command.
    pub(super) fn read(bytes: &'f [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let &[BEGIN, flags, len_low, len_high, crc_low, crc_high, seq_low, seq_high] = head else { return None };
        let len = usize::from(u16::from_le_bytes([len_low, len_high]));
        let whole = rest.get(..len).unwrap_or(rest);
        let (&command, body) = whole.split_first()?;
        Some(Self {
            flags,
            crc_right: crc(whole) == u16::from_le_bytes([crc_low, crc_high]),
            length_right: rest.len() == len,
            seq: u16::from_le_bytes([seq_low, seq_high]),
            command,
            body,
        })
    }

    /// Whether the sender waits for an acknowledgement.
    pub(super) const fn wants_ack(&self) -> bool {
        self.flags & flag::ACK_WANTED != 0
    }

    /// What is wrong with it.
    pub(super) const fn damage(&self) -> Option<&'static str> {
        match (self.length_right, self.crc_right) {
            (false, _) => Some("length"),
            (true, false) => Some("checksum"),
            (true, true) => None,
        }
    }

    /// Keys with their values, in order; what is left over at the end is left out.
    pub(super) fn keyed(&self) -> impl Iterator<Item = (u8, &'f [u8])> + use<'f> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            let (key, value, after) = take_keyed(rest)?;
            rest = after;
            Some((key, value))
        })
    }

    /// The key at the end whose value is not all there, and what there is of it.
    pub(super) fn cut_off(&self) -> Option<(u8, &'f [u8])> {
        let mut rest = self.body;
        while let Some((.., after)) = take_keyed(rest) {
            rest = after;
        }
        let start = rest.iter().position(|byte| *byte != 0)?;
        let (key, value) = rest.get(start + 1..)?.split_first()?;
        Some((*key, value))
    }
}

/// A length of zero is stuffing between keys.
fn take_keyed(mut rest: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    while let Some((0, after)) = rest.split_first() {
        rest = after;
    }
    let (&len, after) = rest.split_first()?;
    let (keyed, after) = after.split_at_checked(usize::from(len))?;
    let (&key, value) = keyed.split_first()?;
    Some((key, value, after))
}

/// Finds the next frame.
///
/// A frame with a right checksum that lies within another is the true one: then the outer's length was garbled. What has
/// a wrong checksum is a frame all the same when its keys fill it exactly.
pub(in super::super) fn cut(bytes: &[u8]) -> Cut {
    let Some(begin) = bytes.iter().position(|byte| *byte == BEGIN) else {
        return if bytes.is_empty() { Cut::More } else { Cut::junk(bytes.len(), "no frame begins there") };
    };
    if begin > 0 {
        return Cut::junk(begin, "no frame begins there");
    }
    let Some(len) = announced(bytes) else { return Cut::More };
    if len == 0 || len > BODY_MAX {
        return junk_to_next(bytes, "a length that no frame has");
    }
    let end = HEAD + len;
    let within = bytes.get(..end).unwrap_or(bytes);
    if let Some(inner) = inner(within) {
        // Its length was wrong; its keys may be whole all the same.
        let is_exact = within.get(HEAD..inner).is_some_and(fills_exactly);
        return if is_exact { Cut::frame(inner) } else { Cut::junk(inner, "a frame that another interrupts") };
    }
    let Some(whole) = bytes.get(HEAD..end) else { return Cut::More };
    if is_whole(bytes) || fills_exactly(whole) {
        return Cut::frame(end);
    }
    // Its length may reach into the next one.
    let begins = within.iter().enumerate().skip(HEAD).filter(|(_, byte)| **byte == BEGIN).map(|(at, _)| at);
    let mut ends =
        begins.filter(|at| within.get(HEAD..*at).is_some_and(|keys| !keys.is_empty() && fills_exactly(keys)));
    match ends.next() {
        Some(end) => Cut::frame(end),
        None => junk_to_next(within, "neither checksum nor keys are right"),
    }
}

/// The length that a frame announces, when it is there.
fn announced(bytes: &[u8]) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes([*bytes.get(2)?, *bytes.get(3)?])))
}

fn junk_to_next(bytes: &[u8], why: &'static str) -> Cut {
    let next = bytes.iter().skip(1).position(|byte| *byte == BEGIN).map_or(bytes.len(), |at| at + 1);
    // What may follow the bytes at hand does not change how many of them are junk, as long as it is one at a time
    // where no beginning is in sight.
    Cut::junk(if next == bytes.len() { 1 } else { next }, why)
}

/// Where a frame with a right checksum begins within this one.
fn inner(outer: &[u8]) -> Option<usize> {
    let mut starts = outer.iter().enumerate().skip(1).filter(|(_, byte)| **byte == BEGIN).map(|(at, _)| at);
    starts.find(|at| outer.get(*at..).is_some_and(|rest| looks_like_one(rest) && is_whole(rest)))
}

fn looks_like_one(bytes: &[u8]) -> bool {
    let flags = bytes.get(1).is_some_and(|flags| flags & !flag::SEEN == 0);
    flags && bytes.get(HEAD).is_some_and(|first| command::ALL.contains(first))
}

/// Whether a whole frame with a right checksum stands there.
fn is_whole(bytes: &[u8]) -> bool {
    let whole = announced(bytes).filter(|len| *len > 0).and_then(|len| bytes.get(HEAD..HEAD + len));
    let told = bytes.get(4..6).and_then(|crc| crc.try_into().ok()).map(u16::from_le_bytes);
    whole.is_some_and(|whole| Some(crc(whole)) == told)
}

/// Whether a known command's keys end where it ends.
fn fills_exactly(whole: &[u8]) -> bool {
    let Some((command, mut rest)) = whole.split_first() else { return false };
    if *command == command::RESPONSE {
        return rest.len() == 2;
    }
    if !command::ALL.contains(command) {
        return false;
    }
    while let Some((_, _, after)) = take_keyed(rest) {
        rest = after;
    }
    rest.iter().all(|byte| *byte == 0)
}

/// A frame around a body.
pub(super) fn written(flags: u8, seq: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![BEGIN, flags];
    bytes.extend(len.to_le_bytes());
    bytes.extend(crc(body).to_le_bytes());
    bytes.extend(seq.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// CRC-16/XMODEM.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8)
            .fold(crc ^ (u16::from(*byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}
