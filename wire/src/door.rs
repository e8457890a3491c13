//! What a front door says of itself, every few seconds: what it counts, whether it speaks TLS, and which terminals said
//! lately what they may not say.
//!
//! It leaves out who is connected: that is presence ([`crate::bus::Presence`]).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How often a door says it.
pub const SAYS_EVERY: Duration = Duration::from_secs(5);
/// So many violations are told and kept of each door, the latest.
pub const VIOLATIONS_MAX: usize = 50;
/// The longest login and topic that are told of a violation, in characters; what is longer is cut.
pub const TOLD_MAX: usize = 200;

/// A front door, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub door: String,
    /// Since when it has counted.
    pub opened_at: Timestamp,
    /// How it speaks TLS; none: it does not.
    pub tls: Option<Tls>,
    /// Its numbers, by name.
    pub counted: BTreeMap<String, u64>,
    /// The latest violations; the same again each time.
    pub violations: Vec<Violation>,
}

/// How a door speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Where.
    pub listen: String,
    /// When the certificate expires that the door shows now.
    pub expires_at: Timestamp,
    /// Whether terminals are asked for certificates.
    pub asks_certificates: bool,
}

/// Something that a session said and might not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Names it.
    pub id: Uuid,
    /// When, the last time.
    pub at: Timestamp,
    /// How often the same was said in a row.
    pub times: u32,
    /// Who: the terminal's or concentrator's user name.
    pub login: String,
    /// What.
    pub what: Breach,
    /// The topic or filter, when it is about one.
    pub topic: Option<String>,
    /// MQTT's reason code, as it was answered. None: nothing could be answered but to close, or to be silent.
    pub code: Option<u8>,
}

/// What a violation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// Published to a topic that is not its own.
    Publish,
    /// Wanted a subscription to what is not its own.
    Subscribe,
    /// Left a will for a topic that is not its own.
    Will,
    /// A packet that cannot be read.
    Malformed,
    /// A packet that is too long.
    TooLarge,
    /// A packet out of place.
    Unexpected,
    /// A topic that is none.
    TopicName,
    /// A topic alias that was not granted.
    TopicAlias,
    /// More QoS 2 messages under way than may be.
    Quota,
}

impl Breach {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Will => "will",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unexpected => "unexpected",
            Self::TopicName => "topic_name",
            Self::TopicAlias => "topic_alias",
            Self::Quota => "quota",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_has_one_spelling() {
        for breach in [Breach::Publish, Breach::TooLarge, Breach::TopicAlias, Breach::Quota] {
            assert_eq!(serde_json::to_value(breach).unwrap(), breach.as_str());
        }
    }
}
