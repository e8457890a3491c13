//! The demonstration: an invented district at Changsha ([`town`]), put into an empty database, and simulated
//! far ends for it.

mod far_ends;
mod print;
mod seed;

use firmware_sim::fleet::Wearer;
use firmware_sim::ground::Point;
use serde::{Deserialize, Serialize};
use town::helpers::Ride;
use wire::directory::Dialect;

pub use far_ends::{run_fleet, run_responders, start_centre, start_mailbox, start_responders};
pub use print::print;
pub use seed::seed;

/// What of the demonstration is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Nothing.
    #[default]
    Nothing,
    /// The district, with nobody to play the far ends.
    District,
    /// The district, a simulated 120 centre and simulated responders.
    FarEnds,
    /// All of that, and everybody's pager.
    Everything,
}

/// Who can log in, and which terminals there are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Demo {
    /// Logins with the passwords of this run.
    pub users: Vec<DemoUser>,
    /// Terminals with their secrets.
    pub terminals: Vec<DemoTerminal>,
    /// Responders with the tokens of their applications.
    pub responders: Vec<DemoResponder>,
}

/// Somebody who can log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoUser {
    /// Login.
    pub login: String,
    /// What they may do.
    pub role: String,
    /// Name.
    pub name: String,
    /// Of this run.
    pub password: String,
}

/// A terminal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoTerminal {
    /// Who they are, and how their days go.
    #[serde(flatten)]
    pub worn: Wearer,
    /// What it speaks.
    pub dialect: Dialect,
    /// Who wears it.
    pub wearer: String,
}

/// A responder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoResponder {
    /// Name.
    pub name: String,
    /// Of their application.
    pub token: String,
    /// Where they start.
    #[serde(flatten)]
    pub place: Point,
    /// How they get about.
    #[serde(default)]
    pub rides: Ride,
}

fn random_word() -> String {
    hex::encode(dispatcher::clock::random_bytes::<12>())
}
