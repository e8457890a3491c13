//! What a frame says, word for word and in the same form for all dialects, before anybody judges what it means.
//!
//! A codec fills in a [`Told`]; [`Told::into_decoded`] is the one place that decides which alarm rings, what is a
//! position and what is doubtful about it.

use std::borrow::Cow;

use domain::place::{NoPosition, Position, Source};
use domain::press::AlertKind;
use jiff::Timestamp;
use wire::command::Answer;
use wire::report::{Doubt, Event, Fix, Freshness, Stamp, Status, Surroundings, Vital};
use wire::topics::Lane;

pub use super::alarms::{Alarm, Alarms};
use super::reading::{known, printable};
use super::{ACCURACY_M, ALTITUDE_M, COURSE_DEG, Decoded, SPEED_KMH};

/// What sort of message it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// A position, or an attempt at one.
    Fix,
    /// An alarm.
    Alarm,
    /// Several positions.
    Batch,
    /// Still there.
    Heartbeat,
    /// Says who it is.
    Register,
    /// Proves who it is.
    Auth,
    /// Something measured on the body.
    Health,
    /// How it is.
    Status,
    /// An acknowledgement.
    Ack,
    /// An answer to a command.
    Reply,
    /// Cells, for a position.
    Lbs,
    /// Access points, for a position.
    Wifi,
    /// Settings.
    Config,
    /// Facts about the terminal.
    Info,
    /// Voice or a picture, or a part of it.
    Voice,
    /// Asks for voice that waits for it.
    VoiceRequest,
    /// Asks what its address is.
    AddressRequest,
    /// Asks where it is.
    LocationRequest,
    /// A region was entered or left.
    Transition,
    /// A region's definition.
    Waypoint,
    /// Several of them.
    Waypoints,
    /// Gone.
    Offline,
    /// Data for a third party.
    Transparent,
    /// What a terminal can do.
    Attributes,
    /// A maker's own message.
    Vendor,
    /// A maker's own message in plain text.
    VendorText,
    /// Understood, and of no interest.
    #[default]
    Other,
    /// Not understood.
    Unreadable,
}

impl Kind {
    /// Its name in the files of captured frames.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fix => "fix",
            Self::Alarm => "alarm",
            Self::Batch => "batch",
            Self::Heartbeat => "heartbeat",
            Self::Register => "register",
            Self::Auth => "auth",
            Self::Health => "health",
            Self::Status => "status",
            Self::Ack => "ack",
            Self::Reply => "reply",
            Self::Lbs => "lbs",
            Self::Wifi => "wifi",
            Self::Config => "config",
            Self::Info => "info",
            Self::Voice => "voice",
            Self::VoiceRequest => "voice_request",
            Self::AddressRequest => "address_request",
            Self::LocationRequest => "location_request",
            Self::Transition => "transition",
            Self::Waypoint => "waypoint",
            Self::Waypoints => "waypoints",
            Self::Offline => "offline",
            Self::Transparent => "transparent",
            Self::Attributes => "attributes",
            Self::Vendor => "vendor",
            Self::VendorText => "vendor_text",
            Self::Other => "other",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What one frame says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// What sort of message it is.
    pub kind: Kind,
    /// The dialect's own name for it.
    pub word: Cow<'static, str>,
    /// The terminal's number for it.
    pub seq: Option<u32>,
    /// When and where, in the order told; one for most messages, also for those without a place.
    pub points: Vec<Point>,
    /// How the terminal is.
    pub status: Status,
    /// Steps counted by the terminal.
    pub steps: Option<u32>,
    /// Measured on the wearer's body.
    pub vitals: Vec<Vital>,
    /// An answer to a command.
    pub answer: Option<Answer>,
    /// What happens that is no alarm.
    pub event: Option<Event>,
    /// What could not be read or is damaged.
    pub doubts: Vec<Doubt>,
}

/// One place and time, with what was told beside it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// The terminal's time for it.
    pub at: Option<Timestamp>,
    /// Where.
    pub place: Place,
    /// Whether the terminal calls it valid; `None` when its dialect has no word for that.
    pub valid: Option<bool>,
    /// Kept while there was no connection.
    pub stored: bool,
    /// How it was come by, when valid.
    pub source: Option<Source>,
    /// Radius that the terminal believes in, metres.
    pub accuracy_m: Option<f64>,
    /// km/h.
    pub speed_kmh: Option<f64>,
    /// Degrees clockwise from north.
    pub course_deg: Option<f64>,
    /// Metres above the sea.
    pub altitude_m: Option<f64>,
    /// Satellites in use.
    pub satellites: Option<u32>,
    /// 0–100.
    pub battery_pct: Option<u8>,
    /// Alarms raised there.
    pub alarms: Alarms,
    /// What is heard there.
    pub surroundings: Surroundings,
}

/// Two numbers that may be a place.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Place {
    /// None was told.
    #[default]
    Untold,
    /// Here.
    At(Position),
    /// 0/0: the terminal does not know.
    Zero,
    /// No place on earth.
    OutOfRange,
}

impl Place {
    /// Judges degrees of latitude and longitude.
    pub fn of(lat_deg: f64, lon_deg: f64) -> Self {
        match Position::new(lat_deg, lon_deg) {
            Ok(position) => Self::At(position),
            Err(NoPosition::Null) => Self::Zero,
            Err(NoPosition::OutOfRange) => Self::OutOfRange,
        }
    }

    /// The place, when it is one.
    pub const fn position(self) -> Option<Position> {
        match self {
            Self::At(position) => Some(position),
            _ => None,
        }
    }
}

impl Told {
    /// A message of this sort and name.
    pub(crate) fn new(kind: Kind, word: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, word: word.into(), ..Self::default() }
    }

    /// Nobody can read it.
    pub(crate) fn unreadable(why: impl Into<String>) -> Self {
        let event = Event::Unreadable { why: printable(&why.into(), 200) };
        Self { kind: Kind::Unreadable, event: Some(event), ..Self::default() }
    }

    /// Notes that the checksum, the length or the framing is wrong.
    pub(crate) fn damaged(&mut self, what: &str) {
        self.doubt(Doubt::Damaged { what: what.to_owned() });
    }

    /// Notes that a field could not be read.
    pub(crate) fn unread(&mut self, name: &str) {
        self.doubt(Doubt::Field { name: name.to_owned() });
    }

    pub(crate) fn doubt(&mut self, doubt: Doubt) {
        if self.doubts.len() < super::DOUBTS_MAX && !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    /// All alarms of the message.
    pub fn alarms(&self) -> Alarms {
        self.points.iter().fold(Alarms::default(), |all, point| all | point.alarms)
    }

    /// Whether all of it was kept from when there was no connection: its times are old, and the clock is right.
    pub fn is_stored(&self) -> bool {
        !self.points.is_empty() && self.points.iter().all(|point| point.stored)
    }

    /// Which lane it belongs to.
    pub fn lane(&self) -> Lane {
        let is_press = |event: &Event| {
            matches!(event, Event::Alert { .. } | Event::Cancel | Event::CheckIn | Event::Request { .. })
        };
        let rings = self.alarms().events().any(|event| is_press(&event));
        if rings || self.event.as_ref().is_some_and(is_press) { Lane::Alert } else { Lane::Telemetry }
    }

    /// What is left of a damaged message of which nothing is believed.
    pub(crate) fn disbelieved(mut self, what: &str) -> Self {
        if self.kind == Kind::Alarm || self.lane() == Lane::Alert {
            let alarms = Alarms::from(Alarm::General);
            self = Self { points: vec![Point { alarms, ..Point::default() }], ..Self::new(Kind::Alarm, self.word) };
        } else {
            self = Self { word: self.word, ..Self::unreadable(format!("damaged: {what}")) };
        }
        self.damaged(what);
        self
    }

    /// What it means: the dialect's share of a report.
    pub fn into_decoded(self) -> Decoded {
        let alarms = self.alarms();
        let mut decoded = Decoded { vitals: self.vitals, doubts: self.doubts, ..Decoded::default() };
        decoded.stamp = Stamp { boot: None, seq: self.seq, device_at: self.points.last().and_then(|point| point.at) };
        let mut events = alarms.events().collect::<Vec<_>>();
        events.dedup();
        events.extend(self.event);
        events.extend(self.answer.map(Event::CommandAnswered));
        let mut events = events.into_iter();
        decoded.event = events.next();
        decoded.also = events.collect();
        let mut status = self.status;
        for point in self.points {
            status.battery_pct = status.battery_pct.or(point.battery_pct);
            point.add_to(&mut decoded);
        }
        decoded.status = (status != Status::default()).then_some(status);
        decoded.vitals.extend(self.steps.map(|count| Vital::Steps { count }));
        if decoded.event.is_none() && decoded.fixes.is_empty() && self.kind == Kind::Other {
            decoded.event = Some(Event::Other { what: printable(&self.word, 64) });
        }
        if decoded.fixes.is_empty()
            && matches!(decoded.event, Some(Event::Alert { .. } | Event::Request { .. }))
            && !decoded.doubts.iter().any(|doubt| matches!(doubt, Doubt::FixAtZero | Doubt::FixOutOfRange))
        {
            decoded.doubt(Doubt::NoFix);
        }
        decoded
    }
}

impl Point {
    fn add_to(self, decoded: &mut Decoded) {
        match self.place {
            Place::At(position) => {
                let freshness = match (self.valid, self.stored) {
                    (Some(false), _) => Freshness::LastKnown,
                    (_, true) => Freshness::Stored,
                    _ => Freshness::Live,
                };
                if freshness == Freshness::LastKnown {
                    decoded.doubt(Doubt::FixOld);
                }
                // The default is what all these receivers are; an old place may have come from anywhere.
                let told = if freshness == Freshness::LastKnown { Source::Unknown } else { Source::Gnss };
                decoded.fixes.push(Fix {
                    lat_deg: position.lat_deg(),
                    lon_deg: position.lon_deg(),
                    accuracy_m: self.accuracy_m.filter(|accuracy| *accuracy > 0.0 && ACCURACY_M.contains(accuracy)),
                    device_at: self.at.and_then(known),
                    source: self.source.unwrap_or(told),
                    speed_kmh: self.speed_kmh.filter(|speed| SPEED_KMH.contains(speed)),
                    course_deg: self.course_deg.filter(|course| COURSE_DEG.contains(course)),
                    altitude_m: self.altitude_m.filter(|altitude| ALTITUDE_M.contains(altitude)),
                    freshness,
                });
            }
            Place::Zero => decoded.doubt(Doubt::FixAtZero),
            Place::OutOfRange => decoded.doubt(Doubt::FixOutOfRange),
            Place::Untold => {}
        }
        if !self.surroundings.is_empty() {
            decoded.surroundings = self.surroundings;
        }
    }
}

impl Alarms {
    /// What they mean to us, the gravest first.
    pub fn events(self) -> impl Iterator<Item = Event> {
        // Told twice, once with the direction.
        let is_told = self.contains(Alarm::FenceEnter) || self.contains(Alarm::FenceExit);
        self.iter().filter(move |alarm| *alarm != Alarm::Fence || !is_told).map(Alarm::event)
    }
}

impl Alarm {
    /// What it means to us: a technical alarm is no call for help.
    pub fn event(self) -> Event {
        let kind = match self {
            Self::Sos => AlertKind::Sos,
            Self::Fall => AlertKind::Fall,
            Self::Smoke => AlertKind::Smoke,
            Self::Gas => AlertKind::Gas,
            Self::HeartRate => AlertKind::HeartRate,
            Self::General => AlertKind::General,
            Self::Removed | Self::Tamper => AlertKind::Removed,
            // Without a direction the one that somebody has to look after.
            Self::FenceExit | Self::Fence => AlertKind::FenceExit,
            Self::LowBattery => AlertKind::LowBattery,
            Self::FenceEnter => return Event::Transition { entered: true, region: String::new() },
            technical => return Event::Other { what: technical.as_str().to_owned() },
        };
        Event::Alert { kind }
    }
}
