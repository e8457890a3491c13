//! A server with a simulated 120 centre beside it, and the people that most tests need.

use firmware_sim::centre::{self, Behaviour, Case, Cases, Centre, Delays};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::console::Console;
use crate::mosquitto::{Mosquitto, Version};
use crate::records::Records;
use crate::server::{Link, Ready, Server, Setup, Terminal};
use crate::wait::{SOON, until};

/// The key between server and centre.
pub const SECRET: &str = "between the two of us";

/// The stage.
#[derive(Debug)]
pub struct Scene {
    /// The server.
    pub server: Server,
    /// The simulated 120 centre.
    pub centre: Centre,
    _stop: DropGuard,
}

impl Scene {
    /// Opens one with a centre that behaves like this.
    pub async fn open(behaviour: Behaviour) -> Self {
        Self::open_with(behaviour, Setup::default()).await
    }

    /// The same with a server that is told more.
    pub async fn open_with(behaviour: Behaviour, setup: Setup) -> Self {
        let stop = CancellationToken::new();
        let centre = centre::start(centre::Config::new(SECRET, behaviour), stop.clone()).await;
        let centre = centre.expect("a simulated centre starts");
        let link = Link { number: "120", url: centre.url(), secret: SECRET, ca: None, client_certificate: None };
        let server = Server::start(Setup { centres: vec![link], ..setup }).await;
        Self { server, centre, _stop: stop.drop_guard() }
    }

    /// Where everything is reached.
    pub fn ready(&self) -> &Ready {
        self.server.ready()
    }

    /// One of the district's terminals.
    pub fn terminal(&self, serial: &str) -> Terminal {
        let terminals = &self.ready().demo.terminals;
        let terminal = terminals.iter().find(|terminal| terminal.serial == serial);
        terminal.unwrap_or_else(|| panic!("there is no terminal {serial}")).clone()
    }

    /// Somebody's hand on a terminal.
    pub fn hand<'t>(&self, terminal: &'t Terminal, version: Version) -> Mosquitto<'t> {
        Mosquitto { door: self.ready().mqtt, terminal, version }
    }

    /// An operator at the API, whom the server takes for present.
    pub async fn operator(&self) -> Console {
        Console::log_in(self.ready(), "operator").await
    }

    /// The database.
    pub async fn records(&self) -> Records {
        Records::of(self.ready()).await
    }

    /// What the centre has received.
    pub fn cases(&self) -> Cases {
        self.centre.cases()
    }

    /// Waits until the centre has a case for this incident.
    pub async fn case_of(&self, incident: &str) -> Case {
        until(format!("120 has incident {incident}"), SOON, async || self.case_now(incident)).await
    }

    /// The centre's case for this incident, if it has one by now.
    pub fn case_now(&self, incident: &str) -> Option<Case> {
        self.cases().cases.into_iter().find(|case| case.incident.to_string() == incident)
    }
}

/// A centre that acknowledges, sends a vehicle, and says nothing more.
pub const fn sends_a_vehicle(minutes: u16) -> Behaviour {
    let delays =
        Delays { acknowledged_s: Some(0.2), dispatched_s: Some(0.2), minutes, arrived_s: None, closed_s: None };
    Behaviour::Normal { delays }
}
