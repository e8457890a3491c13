//! The message that hands an incident to an outside centre (120, 119, 110), and what comes back.
//!
//! Sent as `POST <centre's url>` with JSON, signed ([`crate::signature`]), with `Idempotency-Key` the
//! hand-over's id. The centre answers 2xx when it has stored the message, and reports progress on
//! `POST /api/v1/handovers/{id}/status`, signed with the same secret. `docs/120.md` tells it to the
//! centre's engineers.

use domain::place::Source;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The version of [`Message`] that this code writes.
pub const VERSION: u8 = 1;

/// What a centre is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// [`VERSION`].
    pub version: u8,
    /// The hand-over; also the idempotency key.
    pub handover: Uuid,
    /// Our incident.
    pub incident: Uuid,
    /// A request for help, what is known better since, or its withdrawal.
    pub purpose: Purpose,
    /// An exercise: nobody is to drive.
    pub drill: bool,
    /// When this version of the message was written.
    pub written_at: Timestamp,
    /// In a withdrawal or an update: when the request that it is about was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// In an update: which one of this hand-over, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<u16>,
    /// After this it is worth nothing.
    pub not_after: Timestamp,
    /// What raised the alert, most urgent first: `sos`, `fall`, `smoke` …
    pub kinds: Vec<String>,
    /// When help was first called for.
    pub called_at: Timestamp,
    /// Who needs help, as far as known.
    pub person: Option<Person>,
    /// Where, in words.
    pub address: Option<String>,
    /// Where the person lives, when they are elsewhere.
    #[serde(default)]
    pub home_address: Option<String>,
    /// Where, as coordinates.
    pub place: Option<Place>,
    /// How to get in: door code, who has a key.
    pub door_access: Option<String>,
    /// The telephone at which our operators answer.
    pub call_back: String,
    /// Where to report progress.
    pub status_url: String,
    /// A sentence for the person who reads it out.
    pub briefing: String,
}

/// Whether help is wanted, still wanted or no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Please come.
    Help,
    /// Please come, and take this for what you were told before: the place is known better.
    Update,
    /// Please stand down: the reason is in the briefing.
    StandDown,
}

/// The person who needs help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Year of birth.
    pub born_in: Option<i16>,
    /// `female`, `male`, or as registered.
    pub sex: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Illnesses, medicines, allergies, blood group: free text from the medical card.
    pub medical_card: Option<String>,
}

/// A place with how sure we are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Degrees, WGS-84.
    pub lat_deg: f64,
    /// Degrees, WGS-84.
    pub lon_deg: f64,
    /// Radius in metres, when known.
    pub accuracy_m: Option<f64>,
    /// How long ago the person was there, in seconds.
    pub age_s: i64,
    /// How it was come by.
    #[serde(with = "crate::word")]
    #[schemars(with = "String")]
    pub source: Source,
}

/// What a centre reports back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Status {
    /// Where it stands.
    pub status: Progress,
    /// The centre's own case number.
    #[serde(default)]
    pub reference: Option<String>,
    /// Why, when refused.
    #[serde(default)]
    pub reason: Option<String>,
    /// Minutes until arrival, when a vehicle is on the way.
    #[serde(default)]
    pub minutes: Option<u16>,
    /// The vehicle that comes. A centre that follows it may report `dispatched` again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<Vehicle>,
}

/// An ambulance on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Vehicle {
    /// Its number plate.
    pub plate: String,
    /// Degrees, WGS-84.
    pub lat: f64,
    /// Degrees, WGS-84.
    pub lon: f64,
}

/// How far a centre has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// A person at the centre has taken it.
    Acknowledged,
    /// A vehicle is on the way.
    Dispatched,
    /// It is there.
    Arrived,
    /// The centre has finished.
    Closed,
    /// The centre will not come.
    Refused,
}

/// What raised the alert, as it is said to people.
pub fn kind_in_zh(kind: &str) -> &str {
    match kind {
        "sos" => "本人按键求救",
        "fall" => "跌倒",
        "smoke" => "烟雾报警",
        "gas" => "燃气报警",
        "heart_rate" => "心率异常",
        "removed" => "设备被取下",
        "low_battery" => "设备电量低",
        "fence_exit" => "离开安全区域",
        "telephone" => "电话求助",
        "unreadable" => "无法识别的告警",
        "silent" => "设备失联",
        "missed_check_in" => "未按时报平安",
        "general" => "报警，原因不明",
        other => other,
    }
}
