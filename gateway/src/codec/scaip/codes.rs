//! Numbers of SS 91100: what raised it, and what it says.

use super::super::told::Alarm;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An alarm, or a technical message.
    Message,
    /// What was wrong is in order again.
    Reset,
    /// More about an alarm that runs.
    Information,
    /// Still there.
    Ping,
}

impl Purpose {
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word.to_ascii_uppercase().as_str() {
            "ME" => Self::Message,
            "RE" => Self::Reset,
            "IN" => Self::Information,
            "PI" => Self::Ping,
            _ => return None,
        })
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "ME",
            Self::Reset => "RE",
            Self::Information => "IN",
            Self::Ping => "PI",
        }
    }
}

/// What a status code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The device raises what such a device raises.
    Raised,
    /// This, whatever the device.
    Alarm(Alarm),
    /// The wearer takes it back.
    Cancelled,
    /// How the installation is; nobody has to come.
    Technical,
}

/// Codes in an [`Purpose::Message`]; a code that is not here is an alarm of which nobody knows more.
const STATUS: &[(u16, Meaning)] = &[
    (9, Meaning::Raised),
    (10, Meaning::Raised),
    (11, Meaning::Raised),
    (14, Meaning::Alarm(Alarm::LowBattery)),
    (15, Meaning::Technical),
    (16, Meaning::Alarm(Alarm::LowBattery)),
    (19, Meaning::Cancelled),
    (20, Meaning::Technical),
    (23, Meaning::Technical),
    (24, Meaning::Technical),
    (26, Meaning::Technical),
    (42, Meaning::Alarm(Alarm::Fault)),
    (67, Meaning::Alarm(Alarm::Fault)),
    (70, Meaning::Technical),
    (81, Meaning::Alarm(Alarm::General)),
    (85, Meaning::Alarm(Alarm::PowerCut)),
    (86, Meaning::Technical),
    (92, Meaning::Technical),
    (93, Meaning::Technical),
    (100, Meaning::Alarm(Alarm::General)),
    (101, Meaning::Alarm(Alarm::General)),
    (102, Meaning::Technical),
    (103, Meaning::Technical),
    (110, Meaning::Raised),
    (112, Meaning::Technical),
    (113, Meaning::Technical),
    (115, Meaning::Technical),
    (119, Meaning::Alarm(Alarm::Movement)),
    (122, Meaning::Technical),
    (123, Meaning::Technical),
    (124, Meaning::Technical),
    (125, Meaning::Alarm(Alarm::Tamper)),
];

/// What a device raises; one that is not here raises a call for help, as a trigger does.
const DEVICE: &[(u16, Alarm)] = &[
    (5, Alarm::Fall),
    (10, Alarm::General),
    (11, Alarm::General),
    (12, Alarm::General),
    (13, Alarm::General),
    (14, Alarm::Door),
    (15, Alarm::FenceExit),
    (16, Alarm::General),
    (17, Alarm::General),
    (18, Alarm::General),
    (19, Alarm::HeartRate),
    (20, Alarm::General),
    (21, Alarm::Gas),
    (23, Alarm::Smoke),
    (25, Alarm::Smoke),
    (26, Alarm::Gas),
    (28, Alarm::General),
    (30, Alarm::Fall),
    (31, Alarm::Fault),
    (32, Alarm::Fault),
    (33, Alarm::General),
    (38, Alarm::Tamper),
    (41, Alarm::PowerCut),
    (44, Alarm::General),
    (50, Alarm::Fault),
];

/// What a status code of a message means; `None` when nobody knows the code.
pub(super) fn meaning(status: u16) -> Option<Meaning> {
    STATUS.iter().find(|(code, _)| *code == status).map(|(_, meaning)| *meaning)
}

/// What a device of this type raises.
pub(super) fn raised_by(device: u16) -> Alarm {
    DEVICE.iter().find(|(code, _)| *code == device).map_or(Alarm::Sos, |(_, alarm)| *alarm)
}
