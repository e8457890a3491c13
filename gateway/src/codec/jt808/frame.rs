//! `7E header body xor 7E`, escaped; the marks between two frames may be one or two.
//!
//! Locks of one maker use `E7` as a mark, and plain text in round brackets beside it.

use super::super::cursor::{Cursor, bcd_digits};
use super::super::framing::Cut;

/// A body has at most 1023 bytes, each of which may be escaped; makers put more into it.
pub(crate) const FRAME_MAX: usize = 8192;
const MARK: u8 = 0x7e;
const OTHER_MARK: u8 = 0xe7;

/// What the bytes begin with.
pub(crate) fn cut(bytes: &[u8]) -> Cut {
    let (Some(first), Some(marks)) = (bytes.first(), leading_marks(bytes)) else { return Cut::More };
    match *first {
        MARK if bytes.get(marks) == Some(&b'(') => text_behind(bytes, marks),
        MARK => match bytes.iter().skip(marks).position(|byte| *byte == MARK) {
            Some(len) if len > FRAME_MAX => Cut::junk(marks, "longer than a frame can be"),
            // The last mark opens the frame; the one that closes it may open the next.
            Some(len) => Cut::Frame { range: marks - 1..marks + len + 1, taken: marks + len },
            None => Cut::More,
        },
        OTHER_MARK => otherwise_marked(bytes, marks),
        b'(' => match bytes.iter().position(|byte| matches!(*byte, b')' | MARK)) {
            Some(at) if bytes.get(at) == Some(&b')') && at <= FRAME_MAX => Cut::frame(at + 1),
            Some(at) => Cut::junk(at, "text without an end"),
            None => Cut::More,
        },
        _ => {
            let len = bytes.iter().position(|byte| matches!(*byte, MARK | OTHER_MARK | b'(')).unwrap_or(bytes.len());
            Cut::junk(len, "outside of any frame")
        }
    }
}

/// Plain text behind the mark that ended a frame; or a frame, when another mark comes before the text's end.
fn text_behind(bytes: &[u8], marks: usize) -> Cut {
    match bytes.iter().skip(marks).position(|byte| matches!(*byte, b')' | MARK)) {
        Some(len) if bytes.get(marks + len) == Some(&MARK) => {
            Cut::Frame { range: marks - 1..marks + len + 1, taken: marks + len }
        }
        Some(_) => Cut::junk(marks, "marks without a frame"),
        None => Cut::More,
    }
}

/// A frame between other marks, unless a whole one between the usual marks ends before it does.
fn otherwise_marked(bytes: &[u8], marks: usize) -> Cut {
    let mut opened = None;
    for (at, byte) in bytes.iter().enumerate().skip(marks).take(FRAME_MAX) {
        match *byte {
            OTHER_MARK => return Cut::Frame { range: marks - 1..at + 1, taken: at },
            MARK => {
                let inner = opened.and_then(|opened| bytes.get(opened..=at));
                if inner.and_then(Message::parse).is_some_and(|message| message.is_sum_right && message.is_len_right) {
                    return Cut::junk(opened.unwrap_or(marks), "the next frame begins before it ends");
                }
                opened = Some(at);
            }
            _ => {}
        }
    }
    if bytes.len() < marks + FRAME_MAX { Cut::More } else { Cut::junk(marks, "longer than a frame can be") }
}

/// How many marks the bytes begin with; `None` while there is nothing else. 0 when they begin with something else.
fn leading_marks(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    if first != MARK && first != OTHER_MARK {
        return Some(0);
    }
    bytes.iter().position(|byte| *byte != first)
}

/// Which header a terminal uses, and what stands for it in there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Address {
    /// The version byte of the 2019 header; `None` in the older form.
    pub(super) version: Option<u8>,
    /// The terminal's number as written: six bytes, ten in the 2019 header.
    pub(super) number: Vec<u8>,
}

/// Every bit of a header's attributes.
const IN_FORCE: u16 = 0xffff;

/// One message, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// What it is.
    pub(super) id: u16,
    /// Whose.
    pub(super) address: Address,
    /// Its number.
    pub(super) serial: u16,
    /// How many parts the whole has, and which one this is, from 1.
    pub(super) part: Option<(u16, u16)>,
    /// Encrypted with something.
    pub(super) is_encrypted: bool,
    /// What it says.
    pub(super) body: Vec<u8>,
    /// Whether the checksum is right.
    pub(super) is_sum_right: bool,
    /// Whether the length is right.
    pub(super) is_len_right: bool,
}

impl Message {
    /// Takes a frame apart, marks included. `None` when its header is not complete.
    pub(super) fn parse(frame: &[u8]) -> Option<Self> {
        let (mark, inner) = frame.split_first()?;
        let inner = inner.strip_suffix(&[*mark]).unwrap_or(inner);
        let bytes = unescaped(inner, *mark);
        let (sum, summed) = bytes.split_last()?;
        let said = Self::of(summed, *sum, IN_FORCE, 0);
        if said.as_ref().is_some_and(|said| said.is_len_right) {
            return said;
        }
        // Some firmware sets bits that it does not mean: a header without them, by which the length is right, is the true one.
        let without = |bits: u16| Self::of(summed, *sum, IN_FORCE & !bits, 0);
        let others = [0x2000, 0x4000, 0x6000].into_iter().filter_map(without);
        // Or leaves out the one for the header of 2019: a version, and a number of twenty digits, mostly zeros.
        let is_2019 = summed.get(4..7) == Some(&[1, 0, 0]);
        let with = is_2019.then(|| Self::of(summed, *sum, IN_FORCE, 0x4000)).flatten();
        others.chain(with).find(|other| other.is_sum_right && other.is_len_right).or(said)
    }

    /// The same, when of the bits about the header only these count, and those too.
    fn of(summed: &[u8], sum: u8, in_force: u16, besides: u16) -> Option<Self> {
        let mut fields = Cursor::new(summed);
        let (id, attributes) = (fields.u16()?, fields.u16()? & in_force | besides);
        // Locks of one maker set the highest bit, and use the others for something else.
        let is_maker = is_maker(id);
        let is_2019 = attributes & 0x4000 != 0 && !is_maker;
        let version = if is_2019 { Some(fields.u8()?) } else { None };
        let number = fields.take(if is_2019 { 10 } else { 6 })?.to_vec();
        let serial = fields.u16()?;
        let part = if attributes & 0x2000 != 0 && !is_maker { Some((fields.u16()?, fields.u16()?)) } else { None };
        Some(Self {
            id,
            address: Address { version, number },
            serial,
            part,
            is_encrypted: attributes & 0x1c00 != 0 && !is_maker,
            is_sum_right: summed.iter().fold(0, |all, byte| all ^ byte) == sum,
            is_len_right: is_maker || usize::from(attributes & 0x03ff) == fields.len(),
            body: fields.rest().to_vec(),
        })
    }
}

/// Messages of a maker of locks, whose header goes on differently behind the terminal's number.
pub(super) const fn is_maker(id: u16) -> bool {
    id >> 8 == 0x55
}

impl Address {
    /// The terminal's number as people write it: without zeros in front; where it is binary, an IMEI with its check digit.
    pub(super) fn identity(&self) -> String {
        let digits = bcd_digits(&self.number);
        if digits.bytes().all(|digit| digit.is_ascii_digit()) {
            let short = digits.trim_start_matches('0');
            return if short.is_empty() { "0".to_owned() } else { short.to_owned() };
        }
        let number = self.number.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        format!("{number}{}", luhn(number))
    }

    /// A frame for the terminal, with the header that it uses itself.
    pub(super) fn written(&self, id: u16, serial: u16, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).unwrap_or(u16::MAX) & 0x03ff;
        let attributes = if self.version.is_some() { len | 0x4000 } else { len };
        let mut bytes = Vec::with_capacity(body.len() + 24);
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&attributes.to_be_bytes());
        bytes.extend(self.version);
        bytes.extend_from_slice(&self.number);
        bytes.extend_from_slice(&serial.to_be_bytes());
        bytes.extend_from_slice(body);
        bytes.push(bytes.iter().fold(0, |all, byte| all ^ byte));
        let mut frame = Vec::with_capacity(bytes.len() + 8);
        frame.push(MARK);
        for byte in bytes {
            match byte {
                MARK => frame.extend([0x7d, 2]),
                0x7d => frame.extend([0x7d, 1]),
                _ => frame.push(byte),
            }
        }
        frame.push(MARK);
        frame
    }
}

/// The digit that makes a number an IMEI.
fn luhn(mut number: u128) -> u128 {
    let (mut sum, mut doubled) = (0, true);
    while number > 0 {
        let digit = number % 10;
        sum += if doubled { digit * 2 / 10 + digit * 2 % 10 } else { digit };
        doubled = !doubled;
        number /= 10;
    }
    (10 - sum % 10) % 10
}

/// The bytes as they were; what is no escape is left alone.
fn unescaped(bytes: &[u8], mark: u8) -> Vec<u8> {
    // Behind the other mark another byte escapes.
    let (escape, first, second) = if mark == OTHER_MARK { (0x3e, 0x3e, 0x3d) } else { (0x7d, 0x7d, MARK) };
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        let code = if byte == escape { rest.clone().next() } else { None };
        out.push(match code {
            Some(1) => first,
            Some(2) => second,
            _ => byte,
        });
        if matches!(code, Some(1 | 2)) {
            rest.next();
        }
    }
    out
}
