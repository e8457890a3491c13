//! What a resident's contact is told by webhook. `docs/webhook.md` tells it to whoever receives it.
//!
//! Sent as `POST <the contact's address>` with JSON, signed ([`crate::signature`]), with
//! `Idempotency-Key` the message's id. A 2xx says that it is stored; anything else, and it comes again.
//! Nothing medical is in it, and no coordinates.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version of [`Message`] that this code writes.
pub const VERSION: u8 = 1;

/// What a contact is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// [`VERSION`].
    pub version: u8,
    /// Its identity, the same in every repetition; also the idempotency key.
    pub message: Uuid,
    /// The case.
    pub incident: Uuid,
    /// What is told.
    pub what: What,
    /// An exercise: nobody is in need.
    pub drill: bool,
    /// `emergency`, `wandering` or `welfare`.
    pub class: String,
    /// What raised the alert: `sos`, `fall`, `smoke` …
    pub kinds: Vec<String>,
    /// How it ended, once all is clear: `no_injury`, `ambulance`, `found` …
    pub outcome: Option<String>,
    /// The resident's name.
    pub resident: String,
    /// Where, in words.
    pub address: Option<String>,
    /// When help was first called for.
    pub called_at: Timestamp,
    /// When this message was written.
    pub written_at: Timestamp,
    /// After this it is worth nothing.
    pub not_after: Timestamp,
    /// Whom it is for.
    pub contact: Contact,
    /// The telephone at which our operators answer.
    pub call_back: String,
    /// The same for a person to read, in the contact's language.
    pub text: String,
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// Their name.
    pub name: String,
    /// Son, neighbour …
    pub relation: String,
}

/// What a contact is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Help was called for.
    Alert,
    /// It is over.
    AllClear,
}
