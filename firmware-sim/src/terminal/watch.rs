//! `[3G*ID*LEN*CONTENT]`: what most elder watches and pendants in China speak.

use jiff::tz::Offset;

use super::{Heard, Model, Press, Saying};

/// Bits of the status word.
const SOS: u32 = 1 << 16;
const LOW_BATTERY: u32 = 1 << 17;
const FALL: u32 = 1 << 21;
/// Of the battery, as told; and when it is nearly flat.
const BATTERY_PCT: (u8, u8) = (80, 9);

/// A watch.
#[derive(Debug)]
pub(super) struct Watch {
    id: String,
}

impl Watch {
    pub(super) fn new(id: &str) -> Self {
        Self { id: id.to_owned() }
    }

    fn frame(&self, content: &str) -> Vec<u8> {
        format!("[3G*{}*{:04X}*{content}]", self.id, content.len()).into_bytes()
    }

    /// The fields of a position.
    fn place(Saying { at, place }: Saying, status: u32) -> String {
        let at = Offset::UTC.to_datetime(at).strftime("%d%m%y,%H%M%S");
        let (fix, place) = match place {
            Some(place) => ('A', place),
            None => ('V', crate::ground::Point { lat: 0.0, lon: 0.0 }),
        };
        let (north, east) = (if place.lat < 0.0 { 'S' } else { 'N' }, if place.lon < 0.0 { 'W' } else { 'E' });
        let (lat, lon) = (place.lat.abs(), place.lon.abs());
        let battery = if status & LOW_BATTERY == 0 { BATTERY_PCT.0 } else { BATTERY_PCT.1 };
        // One cell of a network, no access points.
        let heard = "1,255,460,0,29001,51001,135,0";
        format!("{at},{fix},{lat:.6},{north},{lon:.6},{east},0.00,0.0,48.0,8,100,{battery},1024,0,{status:08X},{heard}")
    }
}

impl Model for Watch {
    fn hello(&mut self) -> Vec<u8> {
        self.heartbeat()
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        self.frame(&format!("LK,1024,0,{}", BATTERY_PCT.0))
    }

    fn position(&mut self, saying: Saying) -> Vec<u8> {
        self.frame(&format!("UD_LTE,{}", Self::place(saying, 0)))
    }

    fn alarm(&mut self, press: Press, saying: Saying) -> Vec<u8> {
        let bit = match press {
            Press::Sos => SOS,
            Press::Fall => FALL,
            Press::LowBattery => LOW_BATTERY,
        };
        self.frame(&format!("AL_LTE,{}", Self::place(saying, bit)))
    }

    fn hear(&mut self, received: &mut Vec<u8>, saying: Saying) -> Option<Heard> {
        let end = received.iter().position(|byte| *byte == b']')?;
        let frame: Vec<u8> = received.drain(..=end).collect();
        let text = String::from_utf8_lossy(&frame).into_owned();
        let content = text.trim_start_matches('[').trim_end_matches(']').splitn(4, '*').nth(3).unwrap_or_default();
        let (word, rest) = content.split_once(',').unwrap_or((content, ""));
        Some(match word {
            "LK" => Heard::LetIn(None),
            "AL" | "AL_LTE" => Heard::Acknowledged,
            "MESSAGE" => Heard::Text(utf16(rest), Some(self.frame("MESSAGE"))),
            "CR" => Heard::Told("CR".into(), [self.frame("CR"), self.position(saying)].concat()),
            "INIT" | "CONFIG" => Heard::Answered,
            word => Heard::Told(content.to_owned(), self.frame(word)),
        })
    }
}

/// A text in hexadecimal digits, four for each unit.
fn utf16(digits: &str) -> String {
    let units = digits.as_bytes().chunks_exact(4).filter_map(|four| {
        let four = std::str::from_utf8(four).ok()?;
        u16::from_str_radix(four, 16).ok()
    });
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::tests::saying;

    #[test]
    fn it_says_who_it_is_and_where() {
        let mut watch = Watch::new("8800000015");
        assert_eq!(watch.hello(), b"[3G*8800000015*000C*LK,1024,0,80]");
        let alarm = String::from_utf8(watch.alarm(Press::Sos, saying())).unwrap();
        let begin = "[3G*8800000015*0074*AL_LTE,050326,080910,A,28.228200,N,112.938800,E,0.00,0.0,48.0,8,100,80,1024,0,00010000,";
        assert!(alarm.starts_with(begin), "{alarm}");
        assert_eq!(alarm.len() - "[3G*8800000015*0074*]".len(), 0x74);
    }

    #[test]
    fn it_hears_frames_that_come_in_pieces() {
        let mut watch = Watch::new("8800000015");
        let mut received = b"[3G*8800000015*0002*L".to_vec();
        assert_eq!(watch.hear(&mut received, saying()), None);
        received.extend_from_slice(b"K][3G*8800000015*0002*AL][3G*8800000015*0010*MESSAGE,4F60597D]");
        assert_eq!(watch.hear(&mut received, saying()), Some(Heard::LetIn(None)));
        assert_eq!(watch.hear(&mut received, saying()), Some(Heard::Acknowledged));
        let answer = Some(b"[3G*8800000015*0007*MESSAGE]".to_vec());
        assert_eq!(watch.hear(&mut received, saying()), Some(Heard::Text("你好".into(), answer)));
        assert_eq!(received, b"");
    }
}
