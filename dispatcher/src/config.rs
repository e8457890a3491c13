//! What the dispatcher is told at start.

mod centre;
mod mail;
pub mod map;
mod positions;
mod push;
mod router;
mod sms;

use std::borrow::Cow;
use std::num::NonZeroU16;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use centre::is_private_url;
pub use centre::{CentreConfig, CentreError, CentreFormat, Certificates};
pub(crate) use mail::TAKEN_WITHIN as MAIL_TAKEN_WITHIN;
pub use mail::{MailConfig, MailError};
pub use positions::{PositionConfig, PositionError, PositionSettings};
pub use push::{PushConfig, PushError};
pub use router::{RouterConfig, RouterError, RouterKind, RouterSettings};
pub(crate) use sms::Filling;
pub use sms::{Fate, SmsConfig, SmsError, SmsFormat, SmsMethod, SmsSettings};

use self::map::MapConfig;

/// How many days positions are kept when nobody says otherwise.
pub const FIXES_KEPT_DAYS: NonZeroU16 = NonZeroU16::new(90).expect("ninety is not zero");

/// How many days commands to terminals are kept when nobody says otherwise.
pub const COMMANDS_KEPT_DAYS: NonZeroU16 = NonZeroU16::new(90).expect("ninety is not zero");

/// How many days check-ins, outages and the like are kept when nobody says otherwise.
pub const PRESENCE_KEPT_DAYS: NonZeroU16 = NonZeroU16::new(365).expect("a year is not zero");

/// Settings of the dispatcher. Secrets are never logged: [`Secret`] does not print.
#[derive(Debug, Clone)]
pub struct Config {
    /// How others reach our HTTP API, without a final slash: `http://127.0.0.1:8080`.
    pub public_url: String,
    /// The telephone at which operators answer, told to centres.
    pub call_back_phone: String,
    /// The centres that can be reached by data.
    pub centres: Vec<CentreConfig>,
    /// How e-mail leaves, if it does.
    pub mail: Option<MailConfig>,
    /// How text messages leave, if they do.
    pub sms: Option<SmsConfig>,
    /// Who we are to push services; none: responders' browsers are not pushed to.
    pub push: Option<PushConfig>,
    /// Who knows the streets, if anybody does.
    pub router: Option<RouterConfig>,
    /// Who knows where cells and access points stand, besides us.
    pub positions: Option<PositionConfig>,
    /// How far away a responder may be, in metres.
    pub reach_m: f64,
    /// A responder's position older than this does not count.
    pub position_fresh_for: Duration,
    /// A console without an open connection for this long does not ring for anybody.
    pub gone_after: Duration,
    /// An owner who has done nothing at their console for this long is taken to have gone.
    pub idle_after: Duration,
    /// Where an alarm goes that needs no database: a URL that is POSTed to.
    pub alarm_hook: Option<String>,
    /// How many incidents are decided side by side.
    pub deciders: usize,
    /// How many whole days positions are kept; longer as far as an open case reaches back to them.
    pub fixes_kept_days: NonZeroU16,
    /// How many days check-ins, outages that are over, test presses and rules that were not kept are kept; those of an open
    /// case longer.
    pub presence_kept_days: NonZeroU16,
    /// Whether the terminal of whoever calls for help is asked at once to tell where it is, again and again.
    pub follow_emergencies: bool,
    /// Whether an operator may have a terminal call a number and let it hear what its microphone hears.
    pub allow_listen_in: bool,
    /// How many days commands to terminals are kept once they are over; those of an open case longer.
    pub commands_kept_days: NonZeroU16,
    /// Whether it is learnt what is usual of residents; off: what was learnt is deleted.
    pub learn_usual: bool,
    /// The canary, if it is on.
    pub canary: Option<CanaryConfig>,
    /// How maps are drawn.
    pub map: MapConfig,
}

/// The terminal of our own that presses for practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanaryConfig {
    /// How often.
    pub every: Duration,
    /// Nothing has come through for this long: people must hear of it.
    pub missing_after: Duration,
}

/// Something that must not appear in a log. Written down again, it is hidden, too.
#[derive(Clone)]
pub struct Secret(pub String);

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("…")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Serde's own sentence would repeat what it found.
        let refused = || serde::de::Error::custom("a secret is text in quotes");
        match serde_json::Value::deserialize(deserializer) {
            Ok(serde_json::Value::String(text)) => Ok(Self(text)),
            _ => Err(refused()),
        }
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".into(),
            call_back_phone: "0731-00000000".into(),
            centres: Vec::new(),
            mail: None,
            sms: None,
            push: None,
            router: None,
            positions: None,
            reach_m: 10_000.0,
            position_fresh_for: Duration::from_mins(30),
            gone_after: Duration::from_secs(45),
            idle_after: Duration::from_mins(10),
            alarm_hook: None,
            deciders: 2,
            fixes_kept_days: FIXES_KEPT_DAYS,
            presence_kept_days: PRESENCE_KEPT_DAYS,
            follow_emergencies: true,
            allow_listen_in: false,
            commands_kept_days: COMMANDS_KEPT_DAYS,
            learn_usual: true,
            canary: None,
            map: MapConfig::default(),
        }
    }
}
