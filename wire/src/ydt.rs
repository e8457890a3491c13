//! The native dialect, version 1: small JSON in MQTT, told in full in `docs/protocol.md`.
//!
//! Fields that a terminal cannot fill are left out. A reader ignores fields that it does not know.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command;
use crate::notice::News;

/// Published to `ydt/1/<serial>/alert` with QoS 1: its PUBACK means that it is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// What is wanted.
    #[serde(flatten)]
    pub wants: Wants,
    /// Counts the terminal's restarts. With `seq` it makes a press unique for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<u32>,
    /// Counts messages on this topic since the restart. A repetition keeps its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u32>,
    /// The terminal's own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Where the terminal is, if it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// Battery, 0–100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub battery_pct: Option<u8>,
    /// An exercise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
}

/// What an alert-lane message wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Wants {
    /// Help.
    Alert {
        /// `sos`, `fall`, `smoke`, `gas`, `heart_rate`, `removed`, `low_battery`, `fence_exit`;
        /// anything else is taken as a general alert.
        kind: String,
    },
    /// To take the alert back.
    Cancel,
    /// To say that all is well.
    CheckIn,
    /// Daily help.
    Request {
        /// `meal`, `repair`, `nurse`, `shopping`, `cleaning`, …
        category: String,
    },
}

/// One position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fix {
    /// Degrees, WGS-84, north positive.
    pub lat: f64,
    /// Degrees, WGS-84, east positive.
    pub lon: f64,
    /// Radius in metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acc_m: Option<f64>,
    /// The terminal's own time for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// `gnss`, `wifi`, `cell`, `beacon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// km/h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_kmh: Option<f64>,
    /// Degrees clockwise from north.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course_deg: Option<f64>,
    /// Metres above the sea.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_m: Option<f64>,
}

/// Published to `ydt/1/<serial>/fix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fixes {
    /// Oldest first.
    pub fixes: Vec<Fix>,
}

/// Published to `ydt/1/<serial>/status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Battery, 0–100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub battery_pct: Option<u8>,
    /// Whether it is being charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charging: Option<bool>,
    /// Whether it is on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worn: Option<bool>,
}

/// Published to `ydt/1/<serial>/ack` when a notice has been shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ack {
    /// The notice's id.
    pub notice: Uuid,
}

/// Published to `ydt/1/<serial>/ack` when a command has been carried out, or will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandAck {
    /// The command's number.
    pub command: u16,
    /// Whether it was done. Left out: the terminal has it, and says no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<bool>,
    /// Why not, or whatever else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Sent to `ydt/1/<serial>/receipt`: the alert-lane message with these numbers is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// As the terminal sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<u32>,
    /// As the terminal sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u32>,
    /// The incident, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Uuid>,
}

/// Sent to `ydt/1/<serial>/notice`: news for the wearer. Repeated until acknowledged or expired; a
/// terminal shows each `id` once and acknowledges every copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// What to acknowledge.
    pub id: Uuid,
    /// The incident.
    pub incident: Uuid,
    /// What to show.
    #[serde(flatten)]
    pub news: News,
    /// After this there is no use in showing it.
    pub not_after: Timestamp,
    /// An exercise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
}

/// Sent to `ydt/1/<serial>/command`: something to do. Repeated until the terminal has it or it expires; a terminal does
/// each `id` once and answers every copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    /// Which one.
    pub id: Uuid,
    /// By which it is answered.
    pub number: u16,
    /// What to do.
    #[serde(flatten)]
    pub command: command::Command,
    /// After this nobody wants it done any more.
    pub not_after: Timestamp,
}
