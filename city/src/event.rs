//! What a policy did, as `score-city` reads it.

use serde::Serialize;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event<'c> {
    /// Seconds since the city's first midnight.
    pub at_s: f64,
    /// Which call.
    pub incident: &'c str,
    /// What happened.
    pub event: What,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responder: Option<&'c str>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Somebody was asked.
    Offer,
    /// They said yes.
    Accept,
    /// They said no.
    Decline,
    /// They are not waited for any more, or need not come.
    Withdraw,
    /// They are there.
    Arrive,
    /// Nobody came, and nobody will.
    GiveUp,
}
