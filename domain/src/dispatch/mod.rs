//! Who goes where: every open case and everybody who could go, looked at together.
//!
//! An incident that asks whoever is nearest to it takes them from the next one, who needed them more.
//! So each decision looks at the whole [`Board`] and gets the same [`plan`]: the cheapest way to send
//! people to cases, in seconds of waiting. What this leaves out: whether somebody may be sent at all
//! (contract, skill, shift: the board names only those), and asking them (the incident does).

mod arrival;
mod matching;
mod plan;
mod rank;
#[cfg(test)]
mod tests;

pub use self::arrival::{DETOUR, Mode, travel, way};
pub use self::plan::{Move, Plan, Weights, plan};
pub use self::rank::{GRADE_BEST, Quality, put_back};
use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::id::{IncidentId, ResponderId};
use crate::incident::Class;
use crate::place::Position;

/// Everything that a plan looks at, at one moment.
#[derive(Debug, Clone)]
pub struct Board {
    /// That moment.
    pub now: Timestamp,
    /// The open cases that somebody is to go to, and is not there yet.
    pub cases: Vec<Case>,
    /// Everybody on duty whose place is known, and whoever is engaged.
    pub people: Vec<Person>,
    /// What is likely to be wanted next, and where.
    pub outlook: Outlook,
}

/// What is likely to be wanted next, and where: from what was wanted before. Empty: nobody knows.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    /// How many calls are likely to come in an hour, in all.
    pub calls_an_hour: f64,
    /// Places of calls, one as likely as the other.
    pub places: Vec<Position>,
    /// Kinds of calls.
    pub kinds: Vec<Kind>,
}

/// A case that somebody is to go to.
#[derive(Debug, Clone)]
pub struct Case {
    /// Which.
    pub incident: IncidentId,
    /// How much its seconds count.
    pub urgency: Urgency,
    /// Where the person is.
    pub at: Position,
    /// How long whoever goes will be there: as agreed, or as is usual.
    pub lasts: SignedDuration,
    /// Who has said that they go, and when they will be there.
    pub going: Option<(ResponderId, Timestamp)>,
    /// Who was asked and has not answered, and when.
    pub asked: Vec<(ResponderId, Timestamp)>,
    /// Who may be sent and was not asked yet, by their index in [`Board::people`].
    pub able: Vec<usize>,
    /// How often somebody nearer was asked though another was going already.
    pub upgrades: usize,
    /// How long some of them would take from where they are, where somebody knows better than the line that the
    /// crow flies: by their index in [`Board::people`].
    pub ways: HashMap<usize, SignedDuration>,
}

/// How much a second of waiting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A life may hang on it.
    Urgent,
    /// It was asked for, and nobody is in danger.
    Routine,
}

impl Urgency {
    /// Of a class of incidents.
    pub const fn of(class: Class) -> Self {
        match class {
            Class::Emergency | Class::Wandering | Class::Welfare => Self::Urgent,
            Class::Service => Self::Routine,
        }
    }
}

/// Somebody who goes.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub responder: ResponderId,
    /// Where they are, or will be free.
    pub at: Position,
    /// How they get about.
    pub mode: Mode,
    /// What they do.
    pub standing: Standing,
    /// When their shift ends, if that is known. No later job is planned for them.
    pub until: Option<Timestamp>,
    /// How likely they say yes, from 0 to 1. See [`reliability`].
    pub yes: f64,
    /// Asked as if they were so much farther away ([`put_back`]).
    pub handicap: SignedDuration,
    /// Whether they are one of those who may be sent where a life may be in danger, and are better kept
    /// for it.
    pub is_first_aider: bool,
}

/// What somebody does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: may be asked.
    Free,
    /// Was asked by a case, and has not answered.
    Asked(IncidentId),
    /// Goes to a case.
    Going(IncidentId),
    /// Is with somebody, and will be free then at the place given.
    Busy {
        /// When they are likely to be free.
        free_at: Timestamp,
    },
}

/// A kind of call.
#[derive(Debug, Clone)]
pub struct Kind {
    /// How much a second of waiting would count.
    pub urgency: Urgency,
    /// Its share of all calls, from 0 to 1.
    pub share: f64,
    /// Who could be sent, by their index in [`Board::people`].
    pub able: Vec<usize>,
}

/// How likely somebody says yes, having said yes and no (or nothing) so often: the mean of a beta
/// distribution that begins at five yeses and two noes, so that a newcomer is believed in and one bad
/// day condemns nobody.
pub fn reliability(yes: u32, no: u32) -> f64 {
    (5.0 + f64::from(yes)) / (7.0 + f64::from(yes) + f64::from(no))
}
