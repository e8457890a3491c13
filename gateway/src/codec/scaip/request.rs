//! One request of SS 91100, read, and its answer.

use domain::place::Source;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use wire::report::Event;

use super::super::reading;
use super::super::told::{Alarm, Alarms, Kind, Place, Point, Told};
use super::codes::{Meaning, Purpose, meaning, raised_by};
use super::xml::{self, Document};

/// How a message was taken, in the answer (`snu`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// In order.
    Well,
    /// It is too long.
    TooLong,
    /// It is no XML of this kind.
    BadFormat,
    /// An element holds what it cannot.
    BadContent,
    /// It is from a unit that nobody knows here.
    NotTreated,
    /// `ref`, `cid` or `dty` is not there.
    TagMissing,
}

impl Taken {
    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::TooLong => 1,
            Self::BadFormat => 2,
            Self::BadContent => 3,
            Self::NotTreated => 5,
            Self::TagMissing => 7,
        }
    }
}

/// A request, as far as it could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// How it is to be taken.
    pub taken: Taken,
    /// Its reference, to be told in the answer.
    pub reference: Option<String>,
    /// The controller.
    pub controller: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// The type of the device that raised it.
    pub device_type: Option<u16>,
    /// The device's own name.
    pub device: Option<String>,
    /// What it says; 10, a call by hand, when it says nothing.
    pub status: Option<u16>,
    /// Where, as a number: 2 at home, 21 the kitchen.
    pub location: Option<u16>,
    /// How voice will come: `gsm:+46…`, `sip:…`, `no-voice:`.
    pub voice: Vec<String>,
    /// The receiver shall call.
    pub call_back: bool,
    place: Option<Place>,
    at: Option<Timestamp>,
    why: Option<&'static str>,
    unread: Vec<&'static str>,
}

/// Why a document of another kind is none of ours.
const FOREIGN: &str = "neither mrq nor scaip";
/// The longest reference and controller that are echoed.
const NAME_MAX: usize = 64;

impl Request {
    /// Reads one; never fails, but see [`taken`](Self::taken).
    pub fn read(bytes: &[u8]) -> Self {
        let document = xml::read(bytes);
        let mut request = Self::of(&document);
        if !matches!(document.root.as_str(), "mrq" | "scaip") {
            (request.taken, request.why) = (Taken::BadFormat, Some(document.broken.unwrap_or(FOREIGN)));
        } else if let Some(why) = document.broken {
            (request.taken, request.why) = (Taken::BadFormat, Some(why));
        } else if request.reference.is_none() || request.controller.is_none() || document.text("dty").is_none() {
            (request.taken, request.why) = (Taken::TagMissing, Some("ref, cid or dty is missing"));
        } else if !request.unread.is_empty() {
            (request.taken, request.why) = (Taken::BadContent, Some("an element holds what it cannot"));
        }
        if bytes.len() > xml::MESSAGE_MAX_BYTES {
            request.taken = Taken::TooLong;
        }
        request
    }

    fn of(document: &Document) -> Self {
        let mut unread = Vec::new();
        let name =
            |tag| document.text(tag).map(|text| reading::printable(text, NAME_MAX)).filter(|text| !text.is_empty());
        let mut code = |tag: &'static str| {
            let told = document.text(tag)?;
            let code = told.parse().ok().filter(|_| told.bytes().all(|byte| byte.is_ascii_digit()));
            if code.is_none() {
                unread.push(tag);
            }
            code
        };
        let (device_type, status, location) = (code("dty"), code("stc"), code("lco"));
        let call_back = code("cha") == Some(1);
        let purpose = match document.text("mty").map(Purpose::of) {
            None => Purpose::Message,
            Some(Some(purpose)) => purpose,
            Some(None) => {
                unread.push("mty");
                Purpose::Message
            }
        };
        let place = document.text("geo").and_then(geo).or_else(|| document.text("gga").and_then(gga));
        Self {
            taken: Taken::Well,
            reference: name("ref"),
            controller: name("cid"),
            purpose,
            device_type,
            device: name("did"),
            status,
            location,
            voice: document.texts("crd").map(|text| reading::printable(text, 256)).collect(),
            call_back,
            place,
            at: document.text("tim").and_then(time),
            why: None,
            unread,
        }
    }

    /// What it says, in the form of all dialects. A message with a mistake in it is an alarm all the same, if it was one.
    pub fn told(&self) -> Told {
        let is_foreign = self.why == Some(FOREIGN);
        let said_nothing =
            is_foreign || self.controller.is_none() && self.status.is_none() && self.device_type.is_none();
        if let (true, Some(why)) = (said_nothing, self.why) {
            return Told::unreadable(why);
        }
        let mut told = match self.purpose {
            Purpose::Message => self.message(),
            Purpose::Ping => Told::new(Kind::Heartbeat, "PI"),
            Purpose::Reset | Purpose::Information => Told::new(Kind::Status, self.purpose.as_str()),
        };
        let point = Point {
            at: self.at,
            place: self.place.unwrap_or_default(),
            source: self.place.map(|_| Source::Gnss),
            alarms: told.alarms(),
            ..Point::default()
        };
        told.points = vec![point];
        for name in &self.unread {
            told.unread(name);
        }
        if let Some(why) = self.why {
            told.damaged(why);
        }
        told
    }

    fn message(&self) -> Told {
        let raise = |alarm: Alarm| Told {
            points: vec![Point { alarms: Alarms::from(alarm), ..Point::default() }],
            ..Told::new(Kind::Alarm, "ME")
        };
        // Without a code it is a call by hand.
        let status = match (self.status, self.unread.contains(&"stc")) {
            (Some(status), _) => status,
            (None, false) => 10,
            (None, true) => return raise(Alarm::General),
        };
        match meaning(status) {
            None => raise(Alarm::General),
            Some(Meaning::Raised) => {
                let raised = self.device_type.map_or(Alarm::Sos, raised_by);
                // What somebody calls for by hand is no fault, whatever the device.
                let is_by_hand = matches!(status, 10 | 110);
                let is_technical = matches!(raised.event(), Event::Other { .. });
                raise(if is_by_hand && is_technical { Alarm::General } else { raised })
            }
            Some(Meaning::Alarm(alarm)) => raise(alarm),
            Some(Meaning::Cancelled) => Told { event: Some(Event::Cancel), ..Told::new(Kind::Status, "ME") },
            Some(Meaning::Technical) => Told::new(Kind::Status, "ME"),
        }
    }

    /// The answer. `call` is the number that a unit that can speak is told to call.
    pub fn answer(&self, call: Option<&str>) -> String {
        let mut answer = String::new();
        if let Some(reference) = &self.reference {
            answer += &xml::element("ref", reference);
        }
        answer += &xml::element("snu", &self.taken.number().to_string());
        if self.purpose == Purpose::Message && self.taken == Taken::Well {
            let rings = !self.told().alarms().is_empty();
            let speaks = self.voice.iter().any(|way| !way.starts_with("no-voice"));
            match call.filter(|_| rings && speaks && !self.call_back) {
                Some(number) => {
                    for (tag, text) in [("mre", "1"), ("cre", "62"), ("tnu", number)] {
                        answer += &xml::element(tag, text);
                    }
                }
                None if call.is_some() => answer += &xml::element("mre", "0"),
                None => {}
            }
        }
        format!("<mrs>{answer}</mrs>")
    }
}

/// `28.2282,112.9388`, with a blank or a semicolon instead of the comma too.
fn geo(text: &str) -> Option<Place> {
    let mut parts = text.split([',', ';', ' ']).filter(|part| !part.is_empty()).map(|part| part.parse::<f64>().ok());
    Some(Place::of(parts.next()??, parts.next()??))
}

/// A receiver's own sentence: `$GPGGA,time,lat,N,lon,E,quality,…`.
fn gga(sentence: &str) -> Option<Place> {
    let fields: Vec<&str> = sentence.split(',').collect();
    let &[_, _, lat, north, lon, east, quality, ..] = fields.as_slice() else { return None };
    let degrees = |text: &str, negative: bool| {
        let number: f64 = text.parse().ok()?;
        let whole = (number / 100.0).trunc();
        let degrees = whole + (number - whole * 100.0) / 60.0;
        Some(if negative { -degrees } else { degrees })
    };
    let (lat, lon) = (degrees(lat, north == "S")?, degrees(lon, east == "W")?);
    (quality.trim() != "0").then(|| Place::of(lat, lon))
}

fn time(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return reading::known(at);
    }
    let formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S"];
    let read = |format| strtime::parse(format, text).ok()?.to_datetime().ok();
    formats.into_iter().find_map(read).and_then(|at| Offset::UTC.to_timestamp(at).ok()).and_then(reading::known)
}
