//! GT06: `7878`, length, number, body, serial number, CRC, `0D0A`.

use jiff::tz::Offset;

use super::{Heard, Model, Press, Saying};

const BEGIN: [u8; 2] = [0x78, 0x78];
const END: [u8; 2] = [0x0d, 0x0a];
const LOGIN: u8 = 0x01;
const HEARTBEAT: u8 = 0x13;
const POSITION: u8 = 0x22;
const ALARM: u8 = 0x26;
const COMMAND: u8 = 0x80;
const ANSWER: u8 = 0x15;

/// A tracker.
#[derive(Debug)]
pub(super) struct Tracker {
    imei: [u8; 8],
    serial: u16,
    /// The serial number of the alarm that waits for an answer.
    alarm: Option<u16>,
}

impl Tracker {
    pub(super) fn new(imei: &str) -> Self {
        let digits: Vec<u8> = std::iter::once(0).chain(imei.bytes().map(|digit| digit.wrapping_sub(b'0'))).collect();
        let mut bytes = [0; 8];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            if let [high, low] = pair {
                *byte = high << 4 | low;
            }
        }
        Self { imei: bytes, serial: 1, alarm: None }
    }

    fn frame(&mut self, number: u8, body: &[u8]) -> Vec<u8> {
        let serial = self.serial;
        self.serial = self.serial.wrapping_add(1);
        let len = u8::try_from(body.len() + 5).unwrap_or(u8::MAX);
        let summed = [&[len, number], body, &serial.to_be_bytes()].concat();
        [&BEGIN[..], &summed, &crc(&summed).to_be_bytes(), &END].concat()
    }

    /// Time, satellites, place, speed, course and flags.
    fn place(Saying { at, place }: Saying) -> Vec<u8> {
        let at = Offset::UTC.to_datetime(at);
        let two = |number: i8| u8::try_from(number).unwrap_or_default();
        let year = u8::try_from(at.year() % 100).unwrap_or_default();
        let mut body = vec![year, two(at.month()), two(at.day()), two(at.hour()), two(at.minute()), two(at.second())];
        // Twelve bytes of place, eight satellites.
        body.push(0xc8);
        let units = |degrees: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place on earth")]
            let whole = (degrees.abs() * 1_800_000.0).round() as u32;
            whole.to_be_bytes()
        };
        let (lat, lon) = place.map_or((0.0, 0.0), |place| (place.lat, place.lon));
        body.extend([units(lat), units(lon)].concat());
        body.push(0);
        let (north, west) = (u16::from(lat >= 0.0) << 10, u16::from(lon < 0.0) << 11);
        let flags = u16::from(place.is_some()) << 12 | north | west;
        body.extend(flags.to_be_bytes());
        body
    }

    /// The cell that serves it.
    fn cell() -> [u8; 8] {
        let (mcc, mnc, lac) = (460_u16.to_be_bytes(), 0, 29001_u16.to_be_bytes());
        [mcc[0], mcc[1], mnc, lac[0], lac[1], 0, 0xc7, 0x39]
    }
}

impl Model for Tracker {
    fn hello(&mut self) -> Vec<u8> {
        let imei = self.imei;
        self.frame(LOGIN, &imei)
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        // State, voltage in steps, signal, no alarm, Chinese.
        self.frame(HEARTBEAT, &[0x40, 5, 4, 0, 1])
    }

    fn position(&mut self, saying: Saying) -> Vec<u8> {
        let body = [&Self::place(saying)[..], &Self::cell(), &[0, 0, 0]].concat();
        self.frame(POSITION, &body)
    }

    fn alarm(&mut self, press: Press, saying: Saying) -> Vec<u8> {
        // Bits 5 to 3 of the state, and the byte of the alarm.
        let (state, voltage, code) = match press {
            Press::Sos => (0b100 << 3, 5, 0x01),
            Press::Fall => (0, 5, 0x23),
            Press::LowBattery => (0b011 << 3, 2, 0x19),
        };
        self.alarm = Some(self.serial);
        let cell = [&[9][..], &Self::cell()].concat();
        let body = [&Self::place(saying)[..], &cell, &[0x40 | state, voltage, 4, code, 1]].concat();
        self.frame(ALARM, &body)
    }

    fn hear(&mut self, received: &mut Vec<u8>, saying: Saying) -> Option<Heard> {
        // What does not begin as a frame is left out.
        let start = received.windows(2).position(|two| two == BEGIN)?;
        let len = usize::from(*received.get(start + 2)?);
        let whole = start + 3 + len + END.len();
        if received.len() < whole {
            return None;
        }
        let frame: Vec<u8> = received.drain(..whole).skip(start + 2).collect();
        let summed = frame.get(..1 + len.saturating_sub(2)).unwrap_or_default();
        let sum = frame.get(1 + len.saturating_sub(2)..1 + len).unwrap_or_default();
        let [_, number, body @ .., high, low] = summed else { return Some(Heard::Answered) };
        if crc(summed).to_be_bytes() != sum {
            return Some(Heard::Answered);
        }
        let serial = u16::from_be_bytes([*high, *low]);
        Some(match (*number, body) {
            (LOGIN, _) => Heard::LetIn(None),
            (ALARM, _) if self.alarm == Some(serial) => {
                self.alarm = None;
                Heard::Acknowledged
            }
            (COMMAND, [len, rest @ ..]) if rest.len() >= usize::from(*len) && *len >= 4 => {
                let (flag, words) = rest.split_at(4);
                let words =
                    String::from_utf8_lossy(words.get(..usize::from(*len) - 4).unwrap_or_default()).into_owned();
                let said = if words.starts_with("WHERE") { "Lat:N28.2282,Lon:E112.9388" } else { "OK!" };
                let answer_len = u8::try_from(said.len() + 4).unwrap_or(u8::MAX);
                let body = [&[answer_len], flag, said.as_bytes(), &[0, 2]].concat();
                let mut answer = self.frame(ANSWER, &body);
                if words.starts_with("WHERE") {
                    answer.extend(self.position(saying));
                }
                Heard::Told(words, answer)
            }
            _ => Heard::Answered,
        })
    }
}

/// CRC-16/X-25.
fn crc(bytes: &[u8]) -> u16 {
    let mut crc = u16::MAX;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0x8408 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::tests::saying;

    #[test]
    fn the_checksum_is_the_one_of_the_catalogue() {
        assert_eq!(crc(b"123456789"), 0x906e);
    }

    #[test]
    fn it_logs_in_with_its_imei() {
        let frame = Tracker::new("868120000000013").hello();
        assert_eq!(frame[..12], [0x78, 0x78, 13, 1, 0x08, 0x68, 0x12, 0, 0, 0, 0, 0x13]);
        assert_eq!(frame[12..14], [0, 1]);
        assert_eq!(frame[16..], END);
    }

    #[test]
    fn only_the_answer_to_the_alarm_itself_acknowledges_it() {
        let (mut tracker, mut server) = (Tracker::new("868120000000013"), Tracker::new("868120000000013"));
        tracker.hello();
        let alarm = tracker.alarm(Press::Sos, saying());
        assert_eq!((alarm[2], alarm[3]), (37, ALARM));
        let mut say = |number, serial| {
            server.serial = serial;
            let mut bytes = server.frame(number, &[]);
            tracker.hear(&mut bytes, saying())
        };
        assert_eq!(say(LOGIN, 1), Some(Heard::LetIn(None)));
        assert_eq!(say(ALARM, 1), Some(Heard::Answered));
        assert_eq!(say(ALARM, 2), Some(Heard::Acknowledged));
    }

    #[test]
    fn a_command_is_answered_with_its_flag() {
        let (mut tracker, mut server) = (Tracker::new("868120000000013"), Tracker::new("868120000000013"));
        let mut bytes = server.frame(COMMAND, &[10, 0, 0, 0, 7, b'R', b'E', b'S', b'E', b'T', b'#']);
        let tail = bytes.split_off(5);
        assert_eq!(tracker.hear(&mut bytes, saying()), None);
        bytes.extend(tail);
        let Some(Heard::Told(words, answer)) = tracker.hear(&mut bytes, saying()) else { panic!("nothing was heard") };
        assert_eq!((words.as_str(), answer[3], &answer[5..9]), ("RESET#", ANSWER, &[0, 0, 0, 7][..]));
    }
}
