//! Reading JSON as firmware writes it: field by field, where one bad field spoils only itself.
//!
//! Numbers may come as strings, texts may hold bytes that are no UTF-8, `printf` may have written
//! `nan`. Whatever cannot be read is noted as a [`Doubt::Field`] under its name.

use domain::place::{NoPosition, Position};
use jiff::Timestamp;
use serde_json::{Map, Value};
use wire::report::Doubt;

/// Device times outside 1970–2200 are noise, and the far ends of the calendar are more than
/// PostgreSQL can hold.
const LATEST_SECOND: i64 = 7_258_118_400;
/// Numbers of seconds beyond this are milliseconds: it is the year 5138 in one unit, 1973 in the other.
const SECONDS_MAX: f64 = 1e11;

/// Reads a payload. The doubts say what had to be mended first; the error says why nobody can read it.
pub(super) fn parse(payload: &[u8]) -> Result<(Value, Option<Doubt>), String> {
    let payload = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    // A buffer of fixed size sent whole ends in zeros.
    let end = payload.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let payload = payload.get(..end).unwrap_or_default();
    if payload.trim_ascii().is_empty() {
        return Err("empty".to_owned());
    }
    let error = match serde_json::from_slice(payload) {
        Ok(value) => return Ok((value, None)),
        Err(error) => format!("not JSON: {error}"),
    };
    let text = String::from_utf8_lossy(payload);
    if let Ok(value) = serde_json::from_str(&text) {
        return Ok((value, Some(Doubt::Field { name: "encoding".to_owned() })));
    }
    match serde_json::from_str(&mended(&text)) {
        Ok(value @ Value::Object(_)) => Ok((value, Some(Doubt::Field { name: "json".to_owned() }))),
        _ => Err(error),
    }
}

/// The text with every bare word that is no JSON (`nan`, `-inf`, `1e999`, `007`) made `null`, and
/// every control character within quotes a space.
fn mended(text: &str) -> String {
    fn flush(word: &mut String, out: &mut String) {
        if !word.is_empty() {
            let is_json = serde_json::from_str::<Value>(word).is_ok();
            out.push_str(if is_json { word } else { "null" });
            word.clear();
        }
    }
    let (mut out, mut word) = (String::with_capacity(text.len() + 16), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for letter in text.chars() {
        if quoted {
            out.push(if letter.is_control() { ' ' } else { letter });
            quoted = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
        } else if matches!(letter, '"' | '{' | '}' | '[' | ']' | ':' | ',') || letter.is_whitespace() {
            flush(&mut word, &mut out);
            out.push(letter);
            quoted = letter == '"';
        } else {
            word.push(letter);
        }
    }
    flush(&mut word, &mut out);
    out
}

/// A text that any screen and any database can hold: no control characters, no longer than `letters`.
pub(crate) fn printable(text: &str, letters: usize) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(letters).collect::<String>().trim().to_owned()
}

/// An object being read.
pub(super) struct Reading<'v> {
    fields: &'v Map<String, Value>,
    prefix: String,
    /// What could not be read so far.
    pub(super) doubts: Vec<Doubt>,
}

impl<'v> Reading<'v> {
    /// Begins to read `fields`; `prefix` goes before each name in a doubt.
    pub(super) fn new(fields: &'v Map<String, Value>, prefix: impl Into<String>) -> Self {
        Self { fields, prefix: prefix.into(), doubts: Vec::new() }
    }

    /// Whether the field is there and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| !value.is_null())
    }

    /// Notes that a field could not be read.
    pub(super) fn doubt(&mut self, name: &str) {
        self.doubts.push(Doubt::Field { name: format!("{}{name}", self.prefix) });
    }

    /// Reads a field with `read`; absent and null are nothing, unreadable is nothing and a doubt.
    pub(super) fn field<T>(&mut self, name: &str, read: impl FnOnce(&'v Value) -> Option<T>) -> Option<T> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        let got = read(value);
        if got.is_none() {
            self.doubt(name);
        }
        got
    }

    /// A finite number within `range`, or a string that spells one.
    pub(super) fn number(&mut self, name: &str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
        self.field(name, |value| number(value).filter(|number| range.contains(number)))
    }

    /// A counter, or a string that spells one.
    pub(super) fn counter(&mut self, name: &str) -> Option<u32> {
        self.field(name, |value| match value {
            Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// A percentage; fractions are cut off.
    pub(super) fn percent(&mut self, name: &str) -> Option<u8> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
        self.number(name, 0.0..=100.0).map(|percent| percent as u8)
    }

    /// A text without control characters, cut at `letters`.
    pub(super) fn text(&mut self, name: &str, letters: usize) -> Option<String> {
        self.field(name, |value| value.as_str()).map(|text| printable(text, letters))
    }

    /// True or false.
    pub(super) fn yes_no(&mut self, name: &str) -> Option<bool> {
        self.field(name, Value::as_bool)
    }

    /// A time: RFC 3339, or seconds (or milliseconds) since 1970 as a number or a string.
    pub(super) fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.field(name, time)
    }

    /// A place from two fields, or the doubt about it.
    pub(super) fn place(&mut self, lat: &str, lon: &str) -> Option<Position> {
        for name in [lat, lon] {
            if !self.has(name) {
                self.doubt(name);
            }
        }
        let (lat_deg, lon_deg) = (self.field(lat, number), self.field(lon, number));
        match Position::new(lat_deg?, lon_deg?) {
            Ok(position) => Some(position),
            Err(NoPosition::Null) => {
                self.doubts.push(Doubt::FixAtZero);
                None
            }
            Err(NoPosition::OutOfRange) => {
                self.doubts.push(Doubt::FixOutOfRange);
                None
            }
        }
    }
}

/// A finite number, or a string that spells one.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// A hardware address: six bytes in hexadecimal, with signs between them or without, leading zeros left out or not.
pub(super) fn mac(text: &str) -> Option<[u8; 6]> {
    let text = text.trim();
    if text.len() == 12 {
        let mut bytes = [0; 6];
        return hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes);
    }
    let mut parts = text.split([':', '-']);
    let mut bytes = [0; 6];
    for byte in &mut bytes {
        let part = parts.next().filter(|part| !part.starts_with('+'))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// A time that is no noise.
pub(super) fn known(at: Timestamp) -> Option<Timestamp> {
    (0..=LATEST_SECOND).contains(&at.as_second()).then_some(at)
}

/// A time: see [`Reading::time`].
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    if let Some(at) = value.as_str().and_then(|text| text.trim().parse::<Timestamp>().ok()) {
        return known(at);
    }
    let number = number(value)?;
    let seconds = if number >= SECONDS_MAX { number / 1000.0 } else { number };
    #[expect(clippy::cast_precision_loss, reason = "a constant well below 2^53")]
    let known = (0.0..=LATEST_SECOND as f64).contains(&seconds);
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    known.then(|| Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_json_become_null_and_strings_are_left_alone() {
        assert_eq!(mended(r#"{"lat":nan,"lon":-inf,"n":1e999,"s":"nan, \"inf\""}"#), {
            r#"{"lat":null,"lon":null,"n":null,"s":"nan, \"inf\""}"#
        });
        assert_eq!(mended("[true,1.5,07]"), "[true,1.5,null]");
        assert_eq!(mended("[\"a\tb\"]"), "[\"a b\"]");
    }

    #[test]
    fn zeros_at_the_end_and_a_byte_order_mark_do_no_harm() {
        assert_eq!(parse(b"\xef\xbb\xbf{\"a\":1}\0\0\0").unwrap().0["a"], 1);
        assert!(parse(b"\0\0").is_err());
        assert!(parse(b"").is_err());
    }

    #[test]
    fn a_text_that_is_no_utf_8_spoils_only_itself() {
        let (value, doubt) = parse(b"{\"kind\":\"sos\",\"note\":\"\xb0\xa1\"}").unwrap();
        assert_eq!(value["kind"], "sos");
        assert_eq!(doubt, Some(Doubt::Field { name: "encoding".into() }));
    }

    #[test]
    fn times_are_read_in_every_spelling_and_noise_is_not() {
        let read = |json: &str| time(&serde_json::from_str(json).unwrap()).map(|at| at.to_string());
        assert_eq!(read("1497349316").unwrap(), "2017-06-13T10:21:56Z");
        assert_eq!(read("\"1497349316\"").unwrap(), "2017-06-13T10:21:56Z");
        assert_eq!(read("1497349316500").unwrap(), "2017-06-13T10:21:56.5Z");
        assert_eq!(read("\"2017-06-13T18:21:56+08:00\"").unwrap(), "2017-06-13T10:21:56Z");
        for noise in ["-1", "1e300", "\"-009999-01-02T01:59:59Z\"", "\"yesterday\"", "true", "\"\""] {
            assert_eq!(read(noise), None, "{noise}");
        }
    }

    #[test]
    fn addresses_are_read_with_signs_and_without() {
        for text in ["0a:01:1f:2e:3d:4c", "0A-01-1F-2E-3D-4C", "a:1:1f:2e:3d:4c", "0a011f2e3d4c"] {
            assert_eq!(mac(text), Some([0x0a, 0x01, 0x1f, 0x2e, 0x3d, 0x4c]), "{text}");
        }
        for noise in
            ["", "0a:01:1f:2e:3d", "0a:01:1f:2e:3d:4c:5b", "zz:01:1f:2e:3d:4c", "+a:1:1f:2e:3d:4c", "0a011f2e3d4"]
        {
            assert_eq!(mac(noise), None, "{noise}");
        }
    }

    #[test]
    fn texts_lose_what_no_database_can_hold() {
        assert_eq!(printable(" a\0b\u{7}c ", 64), "abc");
        assert_eq!(printable("辣椒炒肉", 2), "辣椒");
    }
}
