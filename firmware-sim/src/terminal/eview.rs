//! EV-07B: `AB`, flags, length, CRC, number, and a command with keyed values; little-endian.

use super::{Heard, Model, Press, Saying};

const BEGIN: u8 = 0xab;
/// Bytes before the command.
const HEAD: usize = 8;
/// An acknowledgement is wanted.
const ACK_WANTED: u8 = 0x10;
const DATA: u8 = 0x01;
const RESPONSE: u8 = 0x7f;

mod key {
    pub(super) const IMEI: u8 = 0x01;
    pub(super) const ALARM: u8 = 0x02;
    pub(super) const GNSS: u8 = 0x20;
    pub(super) const GENERAL: u8 = 0x24;
}

/// A pendant.
#[derive(Debug)]
pub(super) struct Pendant {
    imei: String,
    number: u16,
    /// The number of the alarm that waits for an answer.
    alarm: Option<u16>,
}

impl Pendant {
    pub(super) fn new(imei: &str) -> Self {
        Self { imei: imei.to_owned(), number: 0, alarm: None }
    }

    fn frame(&mut self, flags: u8, body: &[u8]) -> Vec<u8> {
        self.number = self.number.wrapping_add(1);
        frame(flags, self.number, body)
    }

    /// What every message begins with.
    fn data(&self) -> Vec<u8> {
        [&[DATA][..], &keyed(key::IMEI, self.imei.as_bytes())].concat()
    }

    /// The time, and how it is.
    fn general(saying: Saying, battery_pct: u32) -> Vec<u8> {
        let at = u32::try_from(saying.at.as_second()).unwrap_or_default();
        keyed(key::GENERAL, &[at, battery_pct << 24].map(u32::to_le_bytes).concat())
    }

    fn place(saying: Saying) -> Vec<u8> {
        let Some(place) = saying.place else { return Vec::new() };
        let units = |degrees: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "a place on earth")]
            let whole = (degrees * 1e7).round() as i32;
            whole.to_le_bytes()
        };
        // Speed, course, 48 m above the sea, a dilution of 0.9, no distance, eight satellites.
        let rest = [0, 0, 0, 0, 48, 0, 9, 0, 0, 0, 0, 0, 8];
        keyed(key::GNSS, &[&[units(place.lat), units(place.lon)].concat()[..], &rest].concat())
    }
}

impl Model for Pendant {
    fn hello(&mut self) -> Vec<u8> {
        self.heartbeat()
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        let body = self.data();
        self.frame(ACK_WANTED, &body)
    }

    fn position(&mut self, saying: Saying) -> Vec<u8> {
        let body = [self.data(), Self::general(saying, 80), Self::place(saying)].concat();
        self.frame(ACK_WANTED, &body)
    }

    fn alarm(&mut self, press: Press, saying: Saying) -> Vec<u8> {
        let (bits, battery_pct) = match press {
            Press::Sos => (1_u32 << 12, 80),
            Press::Fall => (1 << 2, 80),
            Press::LowBattery => (1, 9),
        };
        let alarm = keyed(key::ALARM, &bits.to_le_bytes());
        let body = [self.data(), alarm, Self::general(saying, battery_pct), Self::place(saying)].concat();
        let frame = self.frame(ACK_WANTED, &body);
        self.alarm = Some(self.number);
        frame
    }

    fn hear(&mut self, received: &mut Vec<u8>, _saying: Saying) -> Option<Heard> {
        let start = received.iter().position(|byte| *byte == BEGIN)?;
        let &[_, flags, low, high, _, _, number_low, number_high] = received.get(start..start + HEAD)? else {
            return None;
        };
        let whole = start + HEAD + usize::from(u16::from_le_bytes([low, high]));
        if received.len() < whole {
            return None;
        }
        let frame: Vec<u8> = received.drain(..whole).skip(start + HEAD).collect();
        let number = u16::from_le_bytes([number_low, number_high]);
        Some(match frame.first() {
            Some(&RESPONSE) if self.alarm == Some(number) => {
                self.alarm = None;
                Heard::Acknowledged
            }
            Some(&RESPONSE) | None => Heard::LetIn(None),
            Some(_) if flags & ACK_WANTED != 0 => {
                let words = frame.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
                Heard::Told(words, self::frame(0, number, &[RESPONSE, 1, 0]))
            }
            Some(_) => Heard::Answered,
        })
    }
}

/// A length, a key, a value.
fn keyed(key: u8, value: &[u8]) -> Vec<u8> {
    let len = u8::try_from(value.len() + 1).unwrap_or(u8::MAX);
    [&[len, key], value].concat()
}

fn frame(flags: u8, number: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let numbers = [len, crc(body), number].map(u16::to_le_bytes).concat();
    [&[BEGIN, flags], &numbers[..], body].concat()
}

/// CRC-16/XMODEM.
fn crc(bytes: &[u8]) -> u16 {
    let mut crc = 0;
    for byte in bytes {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::tests::saying;

    #[test]
    fn the_checksum_is_the_one_of_the_catalogue() {
        assert_eq!(crc(b"123456789"), 0x31c3);
    }

    #[test]
    fn only_the_answer_to_the_alarm_itself_acknowledges_it() {
        let mut pendant = Pendant::new("868120000000021");
        pendant.hello();
        let alarm = pendant.alarm(Press::Sos, saying());
        assert_eq!((alarm[0], alarm[1], alarm[6], alarm[HEAD]), (BEGIN, ACK_WANTED, 2, DATA));
        let mut hear = |number| pendant.hear(&mut frame(0, number, &[RESPONSE, 1, 0]), saying());
        assert_eq!(
            (hear(1), hear(2), hear(2)),
            (Some(Heard::LetIn(None)), Some(Heard::Acknowledged), Some(Heard::LetIn(None)))
        );
    }

    #[test]
    fn what_it_is_told_it_acknowledges_with_its_number() {
        let mut pendant = Pendant::new("868120000000021");
        let mut bytes = frame(ACK_WANTED, 9, &[4, 1, 0x11]);
        let tail = bytes.split_off(9);
        assert_eq!(pendant.hear(&mut bytes, saying()), None);
        bytes.extend(tail);
        let answer = frame(0, 9, &[RESPONSE, 1, 0]);
        assert_eq!(pendant.hear(&mut bytes, saying()), Some(Heard::Told("04 01 11".to_owned(), answer)));
    }
}
