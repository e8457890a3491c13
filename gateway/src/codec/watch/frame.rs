//! `[MF*ID*LEN*CONTENT]`, or with a number of the message `[MF*ID*SEQ*LEN*CONTENT]`.
//!
//! LEN counts the bytes of CONTENT as on the wire, and many terminals count wrongly: it is a strong hint where a frame
//! ends, and no more. Names of wireless networks in CONTENT may hold brackets of their own.

#[cfg(test)]
use std::borrow::Cow;

use super::super::framing::Cut;

/// LEN has four hexadecimal digits; the header is short.
pub(crate) const FRAME_MAX: usize = 0x1_0000 + HEADER_MAX;
/// `[` + MD5 + two letters, 20 digits, two times four digits, and the stars between them.
const HEADER_MAX: usize = 96;
/// No field of a header is longer (that of the signed variant is 32).
const FIELD_MAX: usize = 32;

/// One frame, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'f> {
    /// Two letters that stand for a family of makers; the server answers with the same.
    pub(super) maker: &'f str,
    /// Who sends it.
    pub(super) id: &'f str,
    /// The number of the message as written, in the family that numbers them.
    pub(super) seq: Option<&'f str>,
    /// LEN as written.
    pub(super) len: &'f str,
    /// What is said.
    pub(super) content: &'f [u8],
}

impl<'f> Frame<'f> {
    /// Takes a frame apart, brackets included.
    pub(super) fn parse(bytes: &'f [u8]) -> Option<Self> {
        let Header::Whole { maker, id, seq, len, content_at } = header(bytes) else { return None };
        let content = bytes.get(content_at..)?;
        // Without its end: the next frame began before it.
        let content = content.strip_suffix(b"]").unwrap_or(content);
        Some(Self { maker, id, seq, len, content })
    }

    /// Whether LEN is right.
    pub(super) fn is_len_right(&self) -> bool {
        usize::from_str_radix(self.len, 16) == Ok(self.content.len())
    }
}

/// What begins with a bracket.
enum Header<'f> {
    /// As long as it is, it is one.
    Begun,
    /// It is one.
    Whole { maker: &'f str, id: &'f str, seq: Option<&'f str>, len: &'f str, content_at: usize },
    /// It is none.
    None,
}

fn header(bytes: &[u8]) -> Header<'_> {
    if bytes.first() != Some(&b'[') {
        return Header::None;
    }
    let mut at = 1;
    // A signature (MD5) goes before everything in one family; nobody here knows its secret.
    let mut maker = match field(bytes, &mut at, is_name) {
        Field::Whole(text) => text,
        Field::Begun => return Header::Begun,
        Field::None => return Header::None,
    };
    if let Some((md5, rest)) = maker.split_at_checked(FIELD_MAX)
        && md5.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        maker = rest;
    }
    if maker.is_empty() {
        maker = match field(bytes, &mut at, is_name) {
            Field::Whole(text) => text,
            Field::Begun => return Header::Begun,
            Field::None => return Header::None,
        };
    }
    let id = match field(bytes, &mut at, is_name) {
        Field::Whole(text) => text,
        Field::Begun => return Header::Begun,
        Field::None => return Header::None,
    };
    let first = match field(bytes, &mut at, is_hex) {
        Field::Whole(text) => text,
        Field::Begun => return Header::Begun,
        Field::None => return Header::None,
    };
    if maker.len() > 8 || id.is_empty() || first.is_empty() || first.len() > 6 {
        return Header::None;
    }
    // Four more hexadecimal digits and a star: the first number was that of the message.
    let mut second_at = at;
    match field(bytes.get(..bytes.len().min(at + 5)).unwrap_or_default(), &mut second_at, is_hex) {
        Field::Whole(second) if second.len() == 4 => {
            Header::Whole { maker, id, seq: Some(first), len: second, content_at: second_at }
        }
        Field::Begun if bytes.len() < at + 5 => Header::Begun,
        _ => Header::Whole { maker, id, seq: None, len: first, content_at: at },
    }
}

enum Field<'f> {
    Begun,
    Whole(&'f str),
    None,
}

/// The text up to the next star.
fn field<'f>(bytes: &'f [u8], at: &mut usize, is_part: fn(u8) -> bool) -> Field<'f> {
    let rest = bytes.get(*at..).unwrap_or_default();
    // A signature may stand right before the maker's letters.
    let len = rest.iter().take(FIELD_MAX + 10).take_while(|byte| is_part(**byte)).count();
    match rest.get(len) {
        Some(b'*') => {
            *at += len + 1;
            rest.get(..len).and_then(|text| std::str::from_utf8(text).ok()).map_or(Field::None, Field::Whole)
        }
        None => Field::Begun,
        Some(_) => Field::None,
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// What the bytes begin with.
///
/// A bracket that closes is the frame's end when LEN says so, or when a frame could end there: terminals that count
/// wrongly must not keep an alarm waiting for the next message.
pub(crate) fn cut(bytes: &[u8]) -> Cut {
    if bytes.first() != Some(&b'[') {
        let len = bytes.iter().position(|byte| *byte == b'[').unwrap_or(bytes.len());
        return Cut::junk(len, "outside of any frame");
    }
    let (content_at, len) = match header(bytes) {
        Header::Whole { content_at, len, .. } => (content_at, usize::from_str_radix(len, 16).unwrap_or(0)),
        Header::Begun if bytes.len() <= HEADER_MAX => return Cut::More,
        Header::Begun | Header::None => {
            let next = bytes.iter().skip(1).position(|byte| *byte == b'[').map_or(bytes.len(), |at| at + 1);
            return Cut::junk(next, "no header (MF*ID*LEN) behind the bracket");
        }
    };
    let counted = content_at.saturating_add(len);
    let content = bytes.get(content_at..).unwrap_or_default();
    let Some(sort) = Sort::of(content) else { return Cut::More };
    if sort == Sort::Binary {
        // Escaped content has no bare brackets, but not everybody escapes: LEN first, unless the next frame has begun.
        let until = counted.min(bytes.len());
        if let Some(at) = next_header(bytes.get(..until).unwrap_or_default(), content_at) {
            return Cut::frame(at);
        }
        match bytes.get(counted) {
            None if bytes.len() <= FRAME_MAX => return Cut::More,
            Some(b']') => return Cut::frame(counted + 1),
            _ => {}
        }
    } else if bytes.get(counted) == Some(&b']') && !bytes.get(content_at..counted).unwrap_or_default().contains(&b']') {
        let next = next_header(bytes.get(..counted).unwrap_or_default(), content_at);
        return Cut::frame(next.unwrap_or(counted + 1));
    }
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(content_at) {
        match byte {
            b'[' => match header(bytes.get(at..).unwrap_or_default()) {
                // The next frame has begun, and this one's end is missing.
                Header::Whole { .. } => return Cut::frame(at),
                Header::Begun => return Cut::More,
                Header::None => depth += 1,
            },
            b']' if at == counted => return Cut::frame(at + 1),
            b']' => {
                let is_end = match sort {
                    Sort::Position => is_number(bytes.get(content_at..at).unwrap_or_default()),
                    Sort::Text => depth == 0,
                    Sort::Binary => true,
                };
                if is_end {
                    return Cut::frame(at + 1);
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        if at >= FRAME_MAX {
            return Cut::junk(1, "longer than a frame can be");
        }
    }
    Cut::More
}

/// Where a header stands, from `from` on.
fn next_header(bytes: &[u8], from: usize) -> Option<usize> {
    let brackets = bytes.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'[');
    brackets.map(|(at, _)| at).find(|at| matches!(header(bytes.get(*at..).unwrap_or_default()), Header::Whole { .. }))
}

/// How the content must be looked at to find its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Fields of which the last is a number.
    Position,
    /// Voice, pictures.
    Binary,
    /// The rest.
    Text,
}

impl Sort {
    /// Of a content; `None` while its name is not complete.
    fn of(content: &[u8]) -> Option<Self> {
        let len = content.iter().take(32).take_while(|byte| !matches!(byte, b',' | b']' | b'[')).count();
        if len == content.len() && len < 32 {
            return None;
        }
        let name = content.get(..len).unwrap_or_default();
        Some(match name {
            b"TK" | b"JXTK" | b"img" | b"IMG" | b"jxtk" | b"tk" => Self::Binary,
            _ if super::is_position(name) => Self::Position,
            _ => Self::Text,
        })
    }
}

/// Whether the last field is a number, or empty: where a position may end. The name of a network does not.
fn is_number(content: &[u8]) -> bool {
    let last = content.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    last.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b' '))
        || last.len() == content.len()
}

/// A frame for a terminal: its own letters, its own way to write LEN.
pub(super) fn written(maker: &str, id: &str, seq: Option<&str>, content: &[u8], small: Digits) -> Vec<u8> {
    let len = match small {
        Digits::Large => format!("{:04X}", content.len()),
        Digits::Small => format!("{:04x}", content.len()),
    };
    let mut frame = Vec::with_capacity(content.len() + 48);
    frame.push(b'[');
    for part in [Some(maker), Some(id), seq, Some(&len)].into_iter().flatten() {
        frame.extend_from_slice(part.as_bytes());
        frame.push(b'*');
    }
    frame.extend_from_slice(content);
    frame.push(b']');
    frame
}

/// How hexadecimal digits are written: as the terminal itself does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Digits {
    /// `000A`.
    #[default]
    Large,
    /// `000a`.
    Small,
}

/// Pairs of what must not stand bare in binary content, and the second byte of its escape after `7D`.
#[cfg(test)]
const ESCAPES: [(u8, u8); 5] = [(0x7d, 1), (b'[', 2), (b']', 3), (b',', 4), (b'*', 5)];

/// Binary content as it may stand in a frame. Nobody sends voice yet.
#[cfg(test)]
pub(crate) fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for byte in bytes {
        match ESCAPES.iter().find(|(bare, _)| bare == byte) {
            Some((_, code)) => out.extend([0x7d, *code]),
            None => out.push(*byte),
        }
    }
    out
}

/// Binary content as it was; what is no escape is left alone. Nobody listens to voice yet.
#[cfg(test)]
pub(super) fn unescaped(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&0x7d) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        let code = if byte == 0x7d { rest.clone().next() } else { None };
        match ESCAPES.iter().find(|(_, known)| code == Some(known)) {
            Some((bare, _)) => {
                out.push(*bare);
                rest.next();
            }
            None => out.push(byte),
        }
    }
    Cow::Owned(out)
}
