//! What a gateway hands to the dispatcher: one message of one terminal, read as far as it could be.

use domain::place::{Source, radio};
use domain::press::AlertKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::Answer;
use crate::directory::Dialect;
use crate::topics::Lane;

/// The version of [`Report`] that this code writes.
pub const VERSION: u8 = 1;

/// One message of one terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u8,
    /// Given by the edge that received the message; the same when the edge hands it over again.
    pub id: Uuid,
    /// The terminal's serial as the edge authenticated it.
    pub serial: String,
    /// Which dialect the bytes are in.
    pub dialect: Dialect,
    /// Whether the terminal proved who it is.
    pub authenticated: bool,
    /// An exercise: marked as such on every screen, never sent to the real 120.
    pub drill: bool,
    /// The lane that it travelled in.
    pub lane: Lane,
    /// The topic as published.
    pub topic: String,
    /// When the edge had it.
    pub received_at: Timestamp,
    /// The transport flagged it as delivered again (MQTT DUP).
    pub repeated: bool,
    /// The bytes as they came.
    #[serde(with = "base64_bytes")]
    pub raw: Vec<u8>,
    /// The terminal's own counters and time.
    pub stamp: Stamp,
    /// What happened; `None` for plain telemetry. Of several, the gravest.
    pub event: Option<Event>,
    /// What happened besides: a fall sensor's alarm in the message that says the battery is low.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Event>,
    /// Positions, oldest first. May be empty.
    pub fixes: Vec<Fix>,
    /// The terminal's state, where the message tells it.
    pub status: Option<Status>,
    /// What the terminal hears around it: a place for whoever knows where those stand.
    #[serde(default, skip_serializing_if = "Surroundings::is_empty")]
    pub surroundings: Surroundings,
    /// What was measured on the wearer's body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vitals: Vec<Vital>,
    /// What is doubtful about it. Doubt never stops a press.
    pub doubts: Vec<Doubt>,
}

impl Report {
    /// What it answers to commands.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.event.iter().chain(&self.also).filter_map(|event| match event {
            Event::CommandAnswered(answer) => Some(answer),
            _ => None,
        })
    }

    /// The steps that it counted, as it counts them.
    pub fn steps(&self) -> Option<u32> {
        self.vitals.iter().find_map(|vital| match vital {
            Vital::Steps { count } => Some(*count),
            _ => None,
        })
    }
}

/// The terminal's own counters and clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Counts restarts.
    pub boot: Option<u32>,
    /// Counts messages since then.
    pub seq: Option<u32>,
    /// The terminal's own time. May be years off.
    pub device_at: Option<Timestamp>,
}

/// What a terminal tells beyond where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Event {
    /// Help is needed.
    Alert {
        /// What raised it.
        #[serde(with = "crate::word")]
        kind: AlertKind,
    },
    /// The wearer takes an alert back. An entry that everybody sees; it closes nothing.
    Cancel,
    /// "I am fine" (报平安).
    CheckIn,
    /// Daily help is wanted.
    Request {
        /// The category in the terminal's words, `meal` for instance.
        category: String,
    },
    /// The terminal has shown, or at least received, a notice.
    NoticeAcknowledged {
        /// Which one.
        notice: Uuid,
    },
    /// The terminal answers a command.
    CommandAnswered(Answer),
    /// A region known to the terminal was entered or left.
    Transition {
        /// Entered or left.
        entered: bool,
        /// The region's name.
        region: String,
    },
    /// The terminal's connection ended or its will was published.
    Offline,
    /// Nobody could read it. On the alert lane this rings.
    Unreadable {
        /// What is wrong with it, in a few words.
        why: String,
    },
    /// Understood and of no further interest.
    Other {
        /// The dialect's own name for it.
        what: String,
    },
}

/// One position, as told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// Degrees, WGS-84, north positive.
    pub lat_deg: f64,
    /// Degrees, WGS-84, east positive.
    pub lon_deg: f64,
    /// Radius in metres that the terminal believes in.
    pub accuracy_m: Option<f64>,
    /// The terminal's own time for it.
    pub device_at: Option<Timestamp>,
    /// How it was come by.
    #[serde(with = "crate::word")]
    pub source: Source,
    /// km/h.
    pub speed_kmh: Option<f64>,
    /// Degrees clockwise from north.
    pub course_deg: Option<f64>,
    /// Metres above the sea.
    pub altitude_m: Option<f64>,
    /// Whether it is where the terminal is, or where it was.
    #[serde(default, skip_serializing_if = "Freshness::is_live")]
    pub freshness: Freshness,
}

/// Whether a position is where the terminal is, or where it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Measured for this message.
    #[default]
    Live,
    /// Measured at its own time, and kept while there was no connection.
    Stored,
    /// The receiver has no fix now and repeats the last one that it had.
    LastKnown,
}

impl Freshness {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_live(&self) -> bool {
        *self == Self::Live
    }
}

/// Radio stations that the terminal hears, the one that serves it first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Cells of the mobile network.
    pub cells: Vec<Cell>,
    /// Access points of wireless networks.
    pub access_points: Vec<AccessPoint>,
}

impl Surroundings {
    /// Whether nothing is heard.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.access_points.is_empty()
    }

    /// What of it can tell a place: no placeholders, no hotspots that walk about, each station once.
    #[must_use]
    pub fn usable(&self) -> Self {
        let mut usable = Self::default();
        for cell in &self.cells {
            let is_known = usable
                .cells
                .iter()
                .any(|known| (known.mcc, known.mnc, known.lac, known.cid) == (cell.mcc, cell.mnc, cell.lac, cell.cid));
            if radio::is_cell(cell.mcc, cell.lac, cell.cid) && !is_known {
                usable.cells.push(*cell);
            }
        }
        for point in &self.access_points {
            let is_known = usable.access_points.iter().any(|known| known.mac == point.mac);
            if radio::is_standing(point.mac) && radio::is_measured(point.rssi_dbm) && !is_known {
                usable.access_points.push(point.clone());
            }
        }
        usable
    }
}

/// One cell of a mobile network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// Mobile country code, 460 for China.
    pub mcc: u16,
    /// Mobile network code.
    pub mnc: u16,
    /// Location or tracking area code.
    pub lac: u32,
    /// Cell identity.
    pub cid: u64,
    /// As the terminal tells it: most dialects have no fixed unit.
    pub signal: Option<i16>,
}

/// One access point of a wireless network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccessPoint {
    /// Its address (BSSID).
    pub mac: [u8; 6],
    /// dBm.
    pub rssi_dbm: Option<i16>,
    /// The network's name, where told.
    pub ssid: Option<String>,
}

/// Something measured on the wearer's body.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "vital", rename_all = "snake_case")]
pub enum Vital {
    /// Beats a minute.
    HeartRate {
        /// 1/min.
        bpm: u16,
    },
    /// Blood pressure.
    BloodPressure {
        /// mmHg.
        systolic: u16,
        /// mmHg.
        diastolic: u16,
    },
    /// Oxygen in the blood (SpO₂).
    Oxygen {
        /// Per cent.
        pct: u8,
    },
    /// Of the body.
    Temperature {
        /// Degrees Celsius.
        celsius: f64,
    },
    /// Since midnight, or since the counter was reset.
    Steps {
        /// How many.
        count: u32,
    },
}

/// How the terminal is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// 0–100.
    pub battery_pct: Option<u8>,
    /// Whether it is being charged.
    pub charging: Option<bool>,
    /// Whether it is on the body.
    pub worn: Option<bool>,
}

/// What is doubtful about a message; shown on the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
pub enum Doubt {
    /// No position in it.
    NoFix,
    /// The position was 0/0.
    FixAtZero,
    /// The position was no place on earth.
    FixOutOfRange,
    /// The terminal's clock differs from ours by this much.
    ClockOff {
        /// Seconds, positive when the terminal is ahead.
        seconds: i64,
    },
    /// A field could not be read; the rest was.
    Field {
        /// Its name.
        name: String,
    },
    /// The directory does not list the terminal.
    UnknownTerminal,
    /// No resident wears it.
    NotAssigned,
    /// The checksum, the length or the framing is wrong; it was read all the same.
    Damaged {
        /// What is wrong, in a few words.
        what: String,
    },
    /// The terminal says that it repeats an old position.
    FixOld,
}

/// Who the edge has heard from lately; pings count too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The terminal.
    pub serial: String,
    /// When.
    pub at: Timestamp,
    /// What the edge knows of its session.
    pub session: Session,
}

/// A terminal's session at a front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// It has just connected: what waits for it can be sent.
    Opened,
    /// It is there.
    Alive,
    /// It has gone.
    Closed,
}

/// An alert that could not be committed for some time; rings from memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unstored {
    /// The report's id.
    pub id: Uuid,
    /// The terminal.
    pub serial: String,
    /// When the edge had it.
    pub received_at: Timestamp,
    /// A sentence about what it says.
    pub what: String,
    /// Still waiting, or committed at last.
    pub stored: bool,
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        if deserializer.is_human_readable() {
            STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
        } else {
            Vec::<u8>::deserialize(deserializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_heard_only_what_stands_still_tells_a_place() {
        let cell = |lac, cid| Cell { mcc: 460, mnc: 0, lac, cid, signal: Some(-70) };
        let point = |mac, rssi_dbm| AccessPoint { mac, rssi_dbm, ssid: None };
        let (home, hotspot) = ([0xd0, 0x76, 0xe7, 0, 0, 0x14], [0xda, 0x76, 0xe7, 0, 0, 0x15]);
        let heard = Surroundings {
            cells: vec![cell(7, 0xFFFF), cell(7, 9), Cell { signal: None, ..cell(7, 9) }],
            access_points: vec![
                point(hotspot, Some(-40)),
                point(home, Some(-54)),
                point(home, Some(-60)),
                point(home, Some(0)),
            ],
        };
        let usable = heard.usable();
        assert_eq!((usable.cells, usable.access_points), (vec![cell(7, 9)], vec![point(home, Some(-54))]));
    }
}
