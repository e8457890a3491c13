//! `7878 len proto body serial crc 0D0A`, with a length of two bytes behind `7979`.
//!
//! Clones of the family (Topin and others) count wrongly, or put the number of access points where the length should be,
//! and leave serial number and checksum out.

use super::super::calendar::bcd;
use super::super::framing::Cut;

/// The longest body behind `7979`.
pub(crate) const FRAME_MAX: usize = 0x1_0000 + 8;
/// What ends every frame.
const STOP: [u8; 2] = [0x0d, 0x0a];
/// Bytes that begin every frame.
const START_LEN: usize = 2;
/// Protocol number, serial number and checksum.
const LEN_MIN: usize = 5;
/// What clones count wrongly is short.
const CLONE_MAX: usize = 512;

/// One frame, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'f> {
    /// Behind `7979`: another set of messages.
    pub(super) is_long: bool,
    /// What sort of message it is.
    pub(super) proto: u8,
    /// What it says.
    pub(super) body: &'f [u8],
    /// Its number; clones have none.
    pub(super) serial: Option<u16>,
    /// Whether the checksum is right.
    pub(super) is_sum_right: bool,
    /// Whether the length is right.
    pub(super) is_len_right: bool,
}

/// How a frame begins: where its protocol number stands, and where it should end.
struct Head {
    is_long: bool,
    proto_at: usize,
    end: usize,
    len: usize,
}

impl Head {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (is_long, len, proto_at) = match *bytes {
            [0x78, 0x78, len, ..] => (false, usize::from(len), 3),
            [0x79, 0x79, high, low, ..] => (true, usize::from(u16::from_be_bytes([high, low])), 4),
            _ => return None,
        };
        Some(Self { is_long, proto_at, end: proto_at + len + STOP.len(), len })
    }
}

impl<'f> Frame<'f> {
    /// Takes a frame apart, start and stop included.
    pub(super) fn parse(bytes: &'f [u8]) -> Option<Self> {
        let head = Head::of(bytes)?;
        let proto = *bytes.get(head.proto_at)?;
        let end = bytes.len().checked_sub(STOP.len())?;
        let is_len_right = head.end == bytes.len();
        let body_at = head.proto_at + 1;
        let standard = || {
            let body = bytes.get(body_at..end.checked_sub(4)?)?;
            let serial = u16::from_be_bytes(bytes.get(end - 4..end - 2)?.try_into().ok()?);
            Some((body, serial))
        };
        let is_sum_right = is_summed(bytes.get(..end)?);
        let is_bare = !is_sum_right && (!is_len_right || is_wifi(bytes).is_some());
        let (body, serial) = match standard() {
            Some((body, serial)) if !is_bare => (body, Some(serial)),
            _ => (bytes.get(body_at..end)?, None),
        };
        Some(Self { is_long: head.is_long, proto, body, serial, is_sum_right, is_len_right })
    }
}

/// What the bytes begin with.
pub(crate) fn cut(bytes: &[u8]) -> Cut {
    let head = match bytes {
        [0x78 | 0x79] | [0x78, 0x78] | [0x78, 0x78, _] | [0x79, 0x79] | [0x79, 0x79, _] => return Cut::More,
        _ => match Head::of(bytes) {
            Some(head) => head,
            None => return Cut::junk(start(bytes), "outside of any frame"),
        },
    };
    if let Some(wifi) = wifi_end(bytes) {
        let until = match wifi {
            End::At(end) => end.min(bytes.len()),
            End::Unknown => bytes.len(),
        };
        let stops = bytes.get(..until).unwrap_or_default().windows(2).enumerate().filter(|(_, pair)| **pair == STOP);
        if let Some(inner) = stops.map(|(at, _)| at + 2).find_map(|end| inner_start(bytes, end)) {
            return Cut::junk(inner, "the next frame begins before it ends");
        }
        match wifi {
            End::Unknown => return Cut::More,
            End::At(end) if bytes.len() < end => return Cut::More,
            End::At(end) if bytes.get(end - 2..end) == Some(&STOP) => return Cut::frame(end),
            End::At(_) => {}
        }
    }
    if head.len < LEN_MIN {
        return Cut::junk(start(bytes), "shorter than a frame can be");
    }
    // Where it says that it ends, or before that where its checksum says so, or where the next one follows.
    let end_max = head.end.max(CLONE_MAX);
    for at in head.proto_at + 1..bytes.len().min(end_max).saturating_sub(STOP.len() - 1) {
        if bytes.get(at..at + 2) != Some(&STOP) {
            continue;
        }
        let end = at + 2;
        // Noise that looked like a beginning swallows no whole frame.
        if let Some(inner) = inner_start(bytes, end) {
            return Cut::junk(inner, "the next frame begins before it ends");
        }
        if end == head.end || (end > head.end && is_missed(bytes, &head)) || ends_early(bytes, &head, at) {
            return Cut::frame(end);
        }
    }
    // How the next one begins can tell where the last place to end is one.
    if bytes.len() < end_max + START_LEN { Cut::More } else { Cut::junk(start(bytes), "without an end") }
}

/// Where a frame begins whose length and checksum are right, and which ends at `end`, behind another beginning.
fn inner_start(bytes: &[u8], end: usize) -> Option<usize> {
    (2..end.checked_sub(LEN_MIN + 5)?).find(|&start| {
        bytes.get(start..end).is_some_and(|inner| {
            Head::of(inner).is_some_and(|head| head.end == inner.len() && head.len >= LEN_MIN)
                && inner.len().checked_sub(STOP.len()).and_then(|stop| inner.get(..stop)).is_some_and(is_summed)
        })
    })
}

/// Whether there is no stop where the length says.
fn is_missed(bytes: &[u8], head: &Head) -> bool {
    bytes.get(head.end - 2..head.end).is_some_and(|stop| stop != STOP)
}

/// Whether a frame whose length is too long ends with the stop at `at`.
fn ends_early(bytes: &[u8], head: &Head, at: usize) -> bool {
    if at + 2 >= head.end {
        return false;
    }
    let is_next = matches!(bytes.get(at + 2..at + 4), Some([0x78, 0x78] | [0x79, 0x79]));
    // A clone's login: eight bytes of identity and one more, and a length as if there were four.
    let is_login = !head.is_long && head.len == 13 && bytes.get(3) == Some(&1) && at == 13;
    is_login || is_next || bytes.get(..at).is_some_and(|before| at >= head.proto_at + LEN_MIN && is_summed(before))
}

/// How many bytes go before the next beginning.
fn start(bytes: &[u8]) -> usize {
    (1..bytes.len())
        .find(|&at| match bytes.get(at..at + 2) {
            Some(pair) => matches!(pair, [0x78, 0x78] | [0x79, 0x79]),
            None => matches!(bytes.get(at), Some(0x78 | 0x79)),
        })
        .unwrap_or(bytes.len())
}

enum End {
    Unknown,
    At(usize),
}

/// The header of a clone's list of access points: their number, where the length should be, and a time in decimals.
fn is_wifi(bytes: &[u8]) -> Option<usize> {
    let [0x78, 0x78, count, 0x17 | 0x69, year, month, day, hour, minute, second, ..] = *bytes else { return None };
    let ([_, month, day], [hour, minute, second]) = (bcd([year, month, day])?, bcd([hour, minute, second])?);
    let is_time = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    is_time.then_some(usize::from(count))
}

/// Where such a list ends; `None` when it is none.
fn wifi_end(bytes: &[u8]) -> Option<End> {
    if matches!(bytes, [0x78, 0x78, _, 0x17 | 0x69, ..]) && bytes.len() < 10 {
        return Some(End::Unknown);
    }
    let cells_at = 10 + 7 * is_wifi(bytes)?;
    Some(match bytes.get(cells_at) {
        None => End::Unknown,
        // Without any cell some leave the network out as well.
        Some(0x0d) if bytes.get(cells_at + 1) == Some(&0x0a) => End::At(cells_at + 2),
        Some(&cells) => End::At(cells_at + 4 + 5 * usize::from(cells) + 2),
    })
}

/// Whether the last two bytes are the checksum of what is between them and the start.
fn is_summed(before_stop: &[u8]) -> bool {
    let Some((summed, sum)) = before_stop.split_last_chunk::<2>() else { return false };
    summed.get(2..).is_some_and(|summed| crc(summed) == u16::from_be_bytes(*sum))
}

/// CRC-16/X-25.
fn crc(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0xffff, |crc: u16, byte| {
        let index = usize::from((crc ^ u16::from(*byte)) & 0xff);
        (crc >> 8) ^ TABLE.get(index).copied().unwrap_or_default()
    })
}

const TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    let mut byte: u16 = 0;
    while index < table.len() {
        let (mut value, mut bit) = (byte, 0);
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x8408 } else { value >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "checked by the loop, and evaluated while compiling")]
        {
            table[index] = value;
        }
        index += 1;
        byte += 1;
    }
    table
}

/// A frame for a terminal. The short form carries 250 bytes; what is longer goes behind `7979`.
pub(super) fn written(proto: u8, body: &[u8], serial: u16, is_long: bool) -> Vec<u8> {
    let len = body.len() + LEN_MIN;
    let mut frame = if let (Ok(len), false) = (u8::try_from(len), is_long) {
        vec![0x78, 0x78, len]
    } else {
        let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
        vec![0x79, 0x79, high, low]
    };
    frame.push(proto);
    frame.extend_from_slice(body);
    frame.extend_from_slice(&serial.to_be_bytes());
    let sum = crc(frame.get(2..).unwrap_or_default());
    frame.extend_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(&STOP);
    frame
}

/// A clone's answer: what it says, without a number and a checksum.
pub(super) fn written_bare(len: u8, proto: u8, body: &[u8]) -> Vec<u8> {
    [&[0x78, 0x78, len, proto][..], body, &STOP].concat()
}
