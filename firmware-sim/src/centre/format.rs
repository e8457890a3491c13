//! In what a simulated centre is told, and answers: our JSON, or the Common Alerting Protocol.

use std::str::FromStr;

use jiff::Timestamp;
use wire::cap;
use wire::centre::{Message, Progress, Purpose, Status};

/// In what a simulated centre is told, and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `wire::centre`.
    Json,
    /// `wire::cap`: it understands nothing else, takes a case with an `Ack` and refuses one with an `Error`. How a case
    /// goes on it tells in JSON, because CAP has no words for it.
    Cap,
}

/// A word that is none of them.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is neither json nor cap")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "json" => Ok(Self::Json),
            "cap" => Ok(Self::Cap),
            other => Err(UnknownFormat(other.to_owned())),
        }
    }
}

impl Format {
    /// Whether a message of this type is in it.
    pub(super) fn is_of(self, content_type: Option<&str>) -> bool {
        match self {
            Self::Json => content_type != Some(cap::CONTENT_TYPE),
            Self::Cap => content_type == Some(cap::CONTENT_TYPE),
        }
    }

    pub(super) fn read(self, body: &[u8]) -> Option<Message> {
        match self {
            Self::Json => serde_json::from_slice(body).ok(),
            Self::Cap => cap::read(body).ok(),
        }
    }

    /// What is reported about a message, and of which type it is.
    pub(super) fn write(self, message: &Message, status: &Status, at: Timestamp) -> (&'static str, String) {
        let number = status.reference.as_deref().unwrap_or_default();
        let answer = |refused| (cap::CONTENT_TYPE, cap::answer(message, "120@firmware-sim", at, number, refused));
        match (self, status.status, message.purpose) {
            (Self::Cap, Progress::Acknowledged, _) | (Self::Cap, Progress::Closed, Purpose::StandDown) => answer(None),
            (Self::Cap, Progress::Refused, _) => answer(Some(status.reason.as_deref().unwrap_or_default())),
            _ => {
                let json = serde_json::to_string(status);
                ("application/json", json.unwrap_or_else(|_| unreachable!("a status has string keys only")))
            }
        }
    }
}
