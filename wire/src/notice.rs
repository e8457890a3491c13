//! News for the wearer: dispatcher → gateway → terminal.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version of [`Notice`] that this code writes.
pub const VERSION: u8 = 1;

/// One message to one terminal. Repeated until the terminal acknowledges it or `not_after`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// [`VERSION`].
    pub version: u8,
    /// Its identity: the terminal acknowledges this, and drops what it has shown before.
    pub id: Uuid,
    /// The terminal.
    pub serial: String,
    /// The incident it is about.
    pub incident: Uuid,
    /// What to tell.
    pub news: News,
    /// After this nobody wants to hear it any more.
    pub not_after: Timestamp,
    /// An exercise.
    pub drill: bool,
}

/// What a wearer is told, in the order in which it usually comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// Your call is stored and rings at the operators'.
    Received,
    /// An operator has taken it.
    Claimed,
    /// Somebody is on the way.
    Coming {
        /// Minutes until they are expected, when somebody said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        minutes: Option<u16>,
        /// Who: a responder's name, or 120.
        who: String,
    },
    /// Somebody is there.
    Arrived {
        /// Who.
        who: String,
    },
    /// All clear: the case is closed.
    AllClear,
}

/// The far end of a notice: the terminal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Which notice.
    pub notice: Uuid,
    /// When the edge heard the terminal's PUBACK.
    pub at: Timestamp,
}
