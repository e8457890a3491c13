//! Social alarms of SS 91100: XML in SIP MESSAGE, over TCP.

use super::{Heard, Model, Press, Saying};

/// Types of devices: a trigger that is worn, a fall detector, the unit itself.
mod device {
    pub(super) const TRIGGER: &str = "0003";
    pub(super) const FALL: &str = "0005";
    pub(super) const UNIT: &str = "0002";
}

/// A unit in a home.
#[derive(Debug)]
pub(super) struct Unit {
    cid: String,
    number: u32,
    /// The reference of the alarm that waits for an answer.
    alarm: Option<u32>,
}

impl Unit {
    pub(super) fn new(cid: &str) -> Self {
        Self { cid: cid.to_owned(), number: 0, alarm: None }
    }

    fn message(&mut self, content: &str) -> Vec<u8> {
        self.number += 1;
        let (cid, number) = (&self.cid, self.number);
        let body = format!("<mrq><ref>{number}</ref><cid>{cid}</cid>{content}</mrq>");
        format!(
            "MESSAGE sip:alarm@centre.invalid SIP/2.0\r\nVia: SIP/2.0/TCP unit.invalid;branch=z9hG4bK{cid}{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{cid}@unit.invalid>;tag={number}\r\nTo: <sip:alarm@centre.invalid>\r\n\
             Call-ID: {number}@{cid}\r\nCSeq: {number} MESSAGE\r\nContent-Type: application/scaip+xml\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    fn place(saying: Saying) -> String {
        let place = saying.place.map(|place| format!("<lge><geo>{:.6},{:.6}</geo></lge>", place.lat, place.lon));
        place.unwrap_or_default()
    }
}

impl Model for Unit {
    fn hello(&mut self) -> Vec<u8> {
        self.heartbeat()
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        self.message(&format!("<dty>{}</dty><mty>PI</mty>", device::UNIT))
    }

    fn position(&mut self, saying: Saying) -> Vec<u8> {
        let place = Self::place(saying);
        self.message(&format!("<dty>{}</dty><mty>IN</mty>{place}", device::UNIT))
    }

    fn alarm(&mut self, press: Press, saying: Saying) -> Vec<u8> {
        let (device, status) = match press {
            Press::Sos => (device::TRIGGER, "0010"),
            Press::Fall => (device::FALL, "0009"),
            Press::LowBattery => (device::TRIGGER, "0016"),
        };
        let place = Self::place(saying);
        let message = self.message(&format!("<dty>{device}</dty><mty>ME</mty><stc>{status}</stc>{place}"));
        self.alarm = Some(self.number);
        message
    }

    fn hear(&mut self, received: &mut Vec<u8>, _saying: Saying) -> Option<Heard> {
        let head_len = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(received.get(..head_len)?).into_owned();
        let len = header(&head, "Content-Length").and_then(|len| len.parse().ok()).unwrap_or(0);
        let whole: usize = head_len + len;
        if received.len() < whole {
            return None;
        }
        let message: Vec<u8> = received.drain(..whole).collect();
        let body = String::from_utf8_lossy(message.get(head_len..).unwrap_or_default()).into_owned();
        let is_received = body.contains("<snu>0</snu>")
            && self.alarm.is_some_and(|alarm| body.contains(&format!("<ref>{alarm}</ref>")));
        if is_received {
            self.alarm = None;
        }
        let is_asked = head.starts_with("MESSAGE ");
        Some(match (is_received, is_asked) {
            (true, true) => Heard::Stored(ok(&head)),
            (true, false) => Heard::Acknowledged,
            (false, true) => Heard::LetIn(Some(ok(&head))),
            (false, false) => Heard::Answered,
        })
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// That a message has come.
fn ok(head: &str) -> Vec<u8> {
    let names = ["Via", "From", "To", "Call-ID", "CSeq"];
    let told = names.map(|name| format!("{name}: {}\r\n", header(head, name).unwrap_or_default()));
    format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", told.concat()).into_bytes()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ground::Point;

    fn saying() -> Saying {
        Saying { at: Timestamp::UNIX_EPOCH, place: Some(Point { lat: 28.228_2, lon: 112.938_8 }) }
    }

    fn told(start: &str, body: &str) -> Vec<u8> {
        let len = body.len();
        format!("{start}\r\nVia: v\r\nFrom: f\r\nTo: t\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Length: {len}\r\n\r\n{body}")
            .into_bytes()
    }

    #[test]
    fn an_alarm_is_received_when_its_own_reference_is_answered_with_zero() {
        let mut unit = Unit::new("26000017");
        unit.hello();
        let alarm = String::from_utf8(unit.alarm(Press::Sos, saying())).unwrap();
        assert!(alarm.ends_with(
            "<mrq><ref>2</ref><cid>26000017</cid><dty>0003</dty><mty>ME</mty><stc>0010</stc>\
             <lge><geo>28.228200,112.938800</geo></lge></mrq>"
        ));
        let mut hear = |start: &str, body: &str| unit.hear(&mut told(start, body), saying());
        let answer = told("SIP/2.0 200 OK", "");
        assert_eq!(hear("SIP/2.0 200 OK", ""), Some(Heard::Answered));
        let other = "<mrs><ref>1</ref><snu>0</snu></mrs>";
        assert_eq!(hear("MESSAGE sip:x SIP/2.0", other), Some(Heard::LetIn(Some(answer.clone()))));
        let refused = "<mrs><ref>2</ref><snu>5</snu></mrs>";
        assert_eq!(hear("MESSAGE sip:x SIP/2.0", refused), Some(Heard::LetIn(Some(answer.clone()))));
        let received = "<mrs><ref>2</ref><snu>0</snu></mrs>";
        assert_eq!(hear("MESSAGE sip:x SIP/2.0", received), Some(Heard::Stored(answer)));
        assert_eq!(hear("SIP/2.0 200 OK", received), Some(Heard::Answered), "once");
    }

    #[test]
    fn an_answer_may_come_in_pieces_and_in_the_body() {
        let mut unit = Unit::new("26000017");
        unit.alarm(Press::Fall, saying());
        let mut bytes = told("SIP/2.0 200 OK", "<mrs><ref>1</ref><snu>0</snu></mrs>");
        let tail = bytes.split_off(120);
        assert_eq!(unit.hear(&mut bytes, saying()), None);
        bytes.extend(tail);
        assert_eq!(unit.hear(&mut bytes, saying()), Some(Heard::Acknowledged));
    }
}
