//! What a terminal is told to do: one typed command, which the gateway puts into the terminal's own dialect.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version of [`Order`] that this code writes.
pub const VERSION: u8 = 1;

/// One command for one terminal, on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// [`VERSION`].
    pub version: u8,
    /// Its identity, from the database's queue.
    pub id: Uuid,
    /// The terminal.
    pub serial: String,
    /// What to do.
    pub command: Command,
    /// Numbers the orders of one terminal: a dialect that numbers its messages uses it, so that an answer finds its
    /// order even after a restart.
    pub number: u16,
    /// After this nobody wants it done any more.
    pub not_after: Timestamp,
}

/// What a terminal can be told to do. Which of these it understands is for its dialect and model to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Tell where you are, now.
    Locate,
    /// Tell where you are every few seconds for some time: in an emergency, or when somebody may have wandered off.
    Burst {
        /// Seconds between two positions.
        every_s: u16,
        /// Seconds for which to go on.
        for_s: u16,
    },
    /// Tell where you are regularly.
    ReportEvery {
        /// Seconds between two positions.
        every_s: u32,
    },
    /// Show this text, and read it aloud if you can.
    Text {
        /// What to show.
        text: String,
    },
    /// The numbers that the SOS key calls, in this order.
    SosNumbers {
        /// Telephone numbers.
        numbers: Vec<String>,
    },
    /// The telephone book.
    Contacts {
        /// Who can be called, and who may call.
        contacts: Vec<Contact>,
    },
    /// Ring, so that you are found.
    Find,
    /// How easily a fall is seen.
    FallSensitivity {
        /// 0 is off, 1 the least sensitive, 8 the most.
        level: u8,
    },
    /// Watch a circle by yourself.
    Fence {
        /// Numbers the fences of one terminal.
        number: u8,
        /// Degrees, WGS-84, north positive.
        lat_deg: f64,
        /// Degrees, WGS-84, east positive.
        lon_deg: f64,
        /// Metres.
        radius_m: u32,
    },
    /// Forget a circle.
    NoFence {
        /// Its number.
        number: u8,
    },
    /// Start again.
    Restart,
    /// Call this number and let it hear what the microphone hears. Only for an open emergency, with a reason, in the
    /// audit trail; off unless the settings allow it.
    ListenIn {
        /// The number to call.
        number: String,
    },
    /// The maker's own words, from an administrator.
    Raw {
        /// As the dialect writes a command's content.
        content: String,
    },
}

impl Command {
    /// Its word: the tag of its JSON form.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Locate => "locate",
            Self::Burst { .. } => "burst",
            Self::ReportEvery { .. } => "report_every",
            Self::Text { .. } => "text",
            Self::SosNumbers { .. } => "sos_numbers",
            Self::Contacts { .. } => "contacts",
            Self::Find => "find",
            Self::FallSensitivity { .. } => "fall_sensitivity",
            Self::Fence { .. } => "fence",
            Self::NoFence { .. } => "no_fence",
            Self::Restart => "restart",
            Self::ListenIn { .. } => "listen_in",
            Self::Raw { .. } => "raw",
        }
    }
}

/// One entry of a terminal's telephone book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// A name to show.
    pub name: String,
    /// A telephone number.
    pub number: String,
}

/// What a gateway says of an order that it was handed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "carried", rename_all = "snake_case")]
pub enum Carried {
    /// Its bytes left on the terminal's connection; an answer may come.
    Sent {
        /// Whether this dialect's terminals answer this command.
        is_answered: bool,
    },
    /// It lies with the front doors: whichever has the terminal hands it over, and the terminal's acknowledgement comes
    /// back as [`Delivered`](crate::notice::Delivered) with the order's id.
    Posted {
        /// Whether this dialect's terminals answer this command, besides having it.
        is_answered: bool,
    },
    /// The terminal has no connection here: ask again when it has.
    Away,
    /// This dialect or model has no word for it.
    NoWord,
    /// The terminal would refuse these values.
    Unfit {
        /// Why, in a sentence.
        why: String,
    },
}

/// A terminal's answer to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The order's number, where the dialect carries it back.
    pub number: Option<u16>,
    /// The command's word in this dialect (`CR`, `8201`). Without a number it matches the oldest unanswered order only
    /// where it is our own word for it (`locate`): whoever knows which order a dialect's word answers gives its number.
    pub word: String,
    /// Whether the terminal did it; `None` when it only says that it has it.
    pub done: Option<bool>,
    /// What it says, in its own words; empty when nothing.
    pub text: String,
}
