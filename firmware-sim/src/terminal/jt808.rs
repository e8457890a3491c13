//! JT/T 808-2013: `7E`, header, body, checksum, `7E`; every message is numbered.

use jiff::tz::Offset;

use super::{Heard, Model, Press, Saying};

const MARK: u8 = 0x7e;
const ESCAPE: u8 = 0x7d;
/// Bits of the alarm word: an emergency, the battery, a fall (for models that tell it there).
const SOS: u32 = 1;
const LOW_BATTERY: u32 = 1 << 7;
const FALL: u32 = 1 << 29;

/// A terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    number: [u8; 6],
    serial: u16,
    /// The number of the alarm that waits for an answer.
    alarm: Option<u16>,
}

impl Terminal {
    pub(super) fn new(number: &str) -> Self {
        let mut digits = [0; 12];
        for (place, digit) in digits.iter_mut().rev().zip(number.bytes().rev()) {
            *place = digit.wrapping_sub(b'0');
        }
        let mut bytes = [0; 6];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            if let [high, low] = pair {
                *byte = high << 4 | low;
            }
        }
        Self { number: bytes, serial: 0, alarm: None }
    }

    fn frame(&mut self, id: u16, body: &[u8]) -> Vec<u8> {
        let serial = self.serial;
        self.serial = self.serial.wrapping_add(1);
        let len = u16::try_from(body.len()).unwrap_or(0x3ff) & 0x3ff;
        let head = [id.to_be_bytes(), len.to_be_bytes()].concat();
        let mut message = [&head[..], &self.number, &serial.to_be_bytes(), body].concat();
        message.push(message.iter().fold(0, |sum, byte| sum ^ byte));
        let mut frame = vec![MARK];
        for byte in message {
            match byte {
                MARK => frame.extend([ESCAPE, 2]),
                ESCAPE => frame.extend([ESCAPE, 1]),
                _ => frame.push(byte),
            }
        }
        frame.push(MARK);
        frame
    }

    fn place(Saying { at, place }: Saying, alarm: u32) -> Vec<u8> {
        let millionths = |degrees: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place on earth")]
            let whole = (degrees.abs() * 1e6).round() as u32;
            whole
        };
        let (lat, lon) = place.map_or((0.0, 0.0), |place| (place.lat, place.lon));
        let status = u32::from(place.is_some()) << 1 | u32::from(lat < 0.0) << 2 | u32::from(lon < 0.0) << 3;
        let mut body = [alarm, status, millionths(lat), millionths(lon)].map(u32::to_be_bytes).concat();
        // Height, speed, course.
        body.extend([0, 48, 0, 0, 0, 0]);
        let there = Offset::constant(8).to_datetime(at).strftime("%y%m%d%H%M%S").to_string();
        body.extend(there.as_bytes().chunks_exact(2).map(|pair| match pair {
            [high, low] => high.wrapping_sub(b'0') << 4 | low.wrapping_sub(b'0'),
            _ => 0,
        }));
        // Signal and satellites.
        body.extend([0x30, 1, 24, 0x31, 1, 8]);
        body
    }

    /// "Received", about this message.
    fn received(&mut self, serial: u16, id: u16) -> Vec<u8> {
        let body = [&serial.to_be_bytes()[..], &id.to_be_bytes(), &[0]].concat();
        self.frame(0x0001, &body)
    }

    fn message(&mut self, message: &[u8], saying: Saying) -> Option<Heard> {
        let (head, body) = message.split_at_checked(12)?;
        let word = |at: usize| Some(u16::from_be_bytes([*head.get(at)?, *head.get(at + 1)?]));
        let (id, serial) = (word(0)?, word(10)?);
        Some(match (id, body) {
            (0x8001, [high, low, for_high, for_low, 0, ..]) => {
                let (answered, of) = (u16::from_be_bytes([*high, *low]), u16::from_be_bytes([*for_high, *for_low]));
                match of {
                    0x0200 if self.alarm == Some(answered) => {
                        self.alarm = None;
                        Heard::Acknowledged
                    }
                    0x0102 => Heard::LetIn(None),
                    _ => Heard::Answered,
                }
            }
            // The code that it proves itself with from now on.
            (0x8100, [_, _, 0, code @ ..]) => {
                let code = code.to_vec();
                Heard::LetIn(Some(self.frame(0x0102, &code)))
            }
            (0x8001 | 0x8100, _) => Heard::Answered,
            (0x8300, [_flags, text @ ..]) => {
                let (text, _) = encoding_rs::GBK.decode_without_bom_handling(text);
                let text = text.into_owned();
                Heard::Text(text, Some(self.received(serial, id)))
            }
            (0x8201, _) => {
                let body = [&serial.to_be_bytes()[..], &Self::place(saying, 0)].concat();
                Heard::Told("8201".into(), self.frame(0x0201, &body))
            }
            _ => Heard::Told(format!("{id:04x}"), self.received(serial, id)),
        })
    }
}

impl Model for Terminal {
    fn hello(&mut self) -> Vec<u8> {
        // Province, city, maker, model, its identity, no colour of a number plate.
        let mut body = vec![0, 43, 0, 100];
        body.extend_from_slice(b"YDTSM");
        body.extend_from_slice(b"SIM808\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        body.extend_from_slice(b"0000001\0");
        self.frame(0x0100, &body)
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        self.frame(0x0002, &[])
    }

    fn position(&mut self, saying: Saying) -> Vec<u8> {
        self.frame(0x0200, &Self::place(saying, 0))
    }

    fn alarm(&mut self, press: Press, saying: Saying) -> Vec<u8> {
        let bit = match press {
            Press::Sos => SOS,
            Press::Fall => FALL,
            Press::LowBattery => LOW_BATTERY,
        };
        self.alarm = Some(self.serial);
        self.frame(0x0200, &Self::place(saying, bit))
    }

    fn hear(&mut self, received: &mut Vec<u8>, saying: Saying) -> Option<Heard> {
        let start = received.iter().position(|byte| *byte != MARK)?;
        let end = start + received.iter().skip(start).position(|byte| *byte == MARK)?;
        let inner: Vec<u8> = received.drain(..=end).skip(start).collect();
        let mut message = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().take(end - start).copied();
        while let Some(byte) = bytes.next() {
            message.push(match byte {
                ESCAPE => {
                    if bytes.next() == Some(1) {
                        ESCAPE
                    } else {
                        MARK
                    }
                }
                byte => byte,
            });
        }
        let is_right = message.iter().fold(0, |sum, byte| sum ^ byte) == 0;
        message.pop();
        let heard = if is_right { self.message(&message, saying) } else { None };
        Some(heard.unwrap_or(Heard::Answered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::tests::saying;

    #[test]
    fn a_frame_has_its_number_its_length_and_its_checksum() {
        let mut terminal = Terminal::new("13800000001");
        assert_eq!(terminal.heartbeat(), [0x7e, 0, 2, 0, 0, 1, 0x38, 0, 0, 0, 1, 0, 0, 0x3a, 0x7e]);
        let alarm = terminal.alarm(Press::Sos, saying());
        assert_eq!(alarm[1..5], [2, 0, 0, 34]);
        assert_eq!(alarm[13..21], [0, 0, 0, 1, 0, 0, 0, 2]);
        let time = [0x26, 0x03, 0x05, 0x16, 0x09, 0x10];
        assert!(alarm.windows(6).any(|six| six == time), "{alarm:02x?}");
    }

    #[test]
    fn only_the_answer_to_the_alarm_itself_acknowledges_it() {
        let (mut terminal, mut server) = (Terminal::new("13800000001"), Terminal::new("13800000001"));
        terminal.heartbeat();
        terminal.alarm(Press::Sos, saying());
        let mut say = |body: &[u8]| {
            let mut bytes = server.frame(0x8001, body);
            terminal.hear(&mut bytes, saying())
        };
        assert_eq!(say(&[0, 0, 0, 2, 0]), Some(Heard::Answered));
        assert_eq!(say(&[0, 7, 2, 0, 0]), Some(Heard::Answered));
        assert_eq!(say(&[0, 1, 2, 0, 0]), Some(Heard::Acknowledged));
        assert_eq!(say(&[0, 1, 2, 0, 0]), Some(Heard::Answered), "once");
    }

    #[test]
    fn a_text_is_read_and_acknowledged() {
        let (mut terminal, mut server) = (Terminal::new("13800000001"), Terminal::new("13800000001"));
        let (text, ..) = encoding_rs::GBK.encode("你好");
        let mut bytes = server.frame(0x8300, &[&[0x0d], &text[..]].concat());
        let cut = bytes.split_off(9);
        assert_eq!(terminal.hear(&mut bytes, saying()), None);
        bytes.extend(cut);
        let answer = Terminal::new("13800000001").received(0, 0x8300);
        assert_eq!(terminal.hear(&mut bytes, saying()), Some(Heard::Text("你好".into(), Some(answer))));
    }
}
