//! Orders as JT/T 808 writes them.

use wire::command::{Command, Contact};

use super::super::conversation::CannotSay;
use super::frame::Address;

/// A text's flags: urgent, on the screen, read aloud.
pub(super) const URGENT: u8 = 0x01;
pub(super) const SHOWN: u8 = 0x04;
pub(super) const SPOKEN: u8 = 0x08;
/// Bytes of a text, in GBK.
const TEXT_MAX: usize = 1000;
/// Bytes of a body.
const BODY_MAX: usize = 1023;
/// A circle's watch: tell the platform of entering and of leaving.
const BOTH_WAYS: u16 = 0x0028;

/// The number and the body of the message that says it.
pub(super) fn body(command: &Command, to: &Address) -> Result<(u16, Vec<u8>), CannotSay> {
    let is_2019 = to.version.is_some();
    let (id, body) = match command {
        Command::Locate => (0x8201, Vec::new()),
        Command::Burst { every_s, for_s } => {
            (0x8202, [&every_s.to_be_bytes()[..], &u32::from(*for_s).to_be_bytes()].concat())
        }
        Command::ReportEvery { every_s: 0 } => return Err(CannotSay::Unfit("at least one second".to_owned())),
        Command::ReportEvery { every_s } => (0x8103, parameter(0x0029, &every_s.to_be_bytes())),
        Command::Text { text } => (0x8300, self::text(SHOWN | SPOKEN, text, is_2019)),
        Command::SosNumbers { numbers } => match &numbers[..] {
            [number] => (0x8103, parameter(0x0040, telephone(number)?.as_bytes())),
            _ => return Err(CannotSay::Unfit("exactly one number".to_owned())),
        },
        Command::Contacts { contacts } => (0x8401, book(contacts)?),
        Command::Fence { number, lat_deg, lon_deg, radius_m } => {
            (0x8600, circle(*number, *lat_deg, *lon_deg, *radius_m, is_2019)?)
        }
        Command::NoFence { number } => (0x8601, [&[1][..], &u32::from(*number).to_be_bytes()].concat()),
        Command::Restart => (0x8105, vec![4]),
        Command::ListenIn { number } => (0x8400, [&[1], telephone(number)?.as_bytes()].concat()),
        Command::Raw { content } => raw(content)?,
        Command::Find | Command::FallSensitivity { .. } => return Err(CannotSay::NoWord),
    };
    if body.len() > BODY_MAX {
        return Err(CannotSay::Unfit("longer than a message can be".to_owned()));
    }
    Ok((id, body))
}

/// A text in GBK; since 2019 it says what sort of text it is (1: a notice).
pub(super) fn text(flags: u8, text: &str, is_2019: bool) -> Vec<u8> {
    let mut body = vec![flags];
    if is_2019 {
        body.push(1);
    }
    let mut letters = [0; 4];
    for letter in text.chars() {
        let (bytes, _, unknown) = encoding_rs::GBK.encode(letter.encode_utf8(&mut letters));
        let bytes: &[u8] = if unknown { b"?" } else { &bytes };
        if body.len() + bytes.len() > TEXT_MAX {
            break;
        }
        body.extend_from_slice(bytes);
    }
    body
}

/// One parameter.
fn parameter(id: u32, value: &[u8]) -> Vec<u8> {
    let len = u8::try_from(value.len()).unwrap_or(u8::MAX);
    [&[1][..], &id.to_be_bytes(), &[len], value].concat()
}

/// The whole book anew; both may call.
fn book(contacts: &[Contact]) -> Result<Vec<u8>, CannotSay> {
    let count = u8::try_from(contacts.len()).map_err(|_| CannotSay::Unfit("at most 255 entries".to_owned()))?;
    if count == 0 {
        return Ok(vec![0]);
    }
    let mut body = vec![1, count];
    for Contact { name, number } in contacts {
        let number = telephone(number)?.as_bytes();
        let name: String = name.chars().filter(|letter| !letter.is_control()).take(10).collect();
        let (name, _, _) = encoding_rs::GBK.encode(&name);
        body.push(3);
        for text in [number, &name[..]] {
            body.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            body.extend_from_slice(text);
        }
    }
    Ok(body)
}

/// One circle more.
fn circle(number: u8, lat_deg: f64, lon_deg: f64, radius_m: u32, is_2019: bool) -> Result<Vec<u8>, CannotSay> {
    let position = domain::place::Position::new(lat_deg, lon_deg);
    let position = position.map_err(|why| CannotSay::Unfit(why.to_string()))?;
    let millionths = |degrees: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 180 degrees, without a sign"
        )]
        let whole = (degrees.abs() * 1e6).round() as u32;
        whole.to_be_bytes()
    };
    let south = if position.lat_deg() < 0.0 { 0x40 } else { 0 };
    let west = if position.lon_deg() < 0.0 { 0x80 } else { 0 };
    let mut body = vec![1, 1];
    body.extend_from_slice(&u32::from(number).to_be_bytes());
    body.extend_from_slice(&(BOTH_WAYS | south | west).to_be_bytes());
    body.extend_from_slice(&millionths(position.lat_deg()));
    body.extend_from_slice(&millionths(position.lon_deg()));
    body.extend_from_slice(&radius_m.to_be_bytes());
    if is_2019 {
        // Its name, which has no letters.
        body.extend_from_slice(&[0, 0]);
    }
    Ok(body)
}

fn telephone(number: &str) -> Result<&str, CannotSay> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    if (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(number)
    } else {
        Err(CannotSay::Unfit(format!("{number:?} is no telephone number")))
    }
}

/// Whether a message lets somebody listen in: by the protocol's own, or by a maker's words in a transparent one.
fn is_listening_in(id: u16, body: &[u8]) -> bool {
    match id {
        0x8400 => body.first() == Some(&1),
        0x8900 => body.to_ascii_uppercase().windows(7).any(|word| word == b"MONITOR"),
        _ => false,
    }
}

/// The number of a message and its body, in hexadecimal digits: `8105 04`.
fn raw(content: &str) -> Result<(u16, Vec<u8>), CannotSay> {
    let digits = content.split_ascii_whitespace().collect::<String>();
    let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>();
    match bytes.as_deref().and_then(<[u8]>::split_first_chunk::<2>) {
        Some((id, body)) if is_listening_in(u16::from_be_bytes(*id), body) => Err(CannotSay::listening_in()),
        Some((id, body)) => Ok((u16::from_be_bytes(*id), body.to_vec())),
        None => Err(CannotSay::Unfit("hexadecimal digits: the message's number and its body, `8105 04`".to_owned())),
    }
}
