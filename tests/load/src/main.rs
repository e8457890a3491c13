//! What the front door carries, beside something real in the same minute: `make bench`.
//!
//! Each row of `docs/benchmarks.md` is a command here, so that one can be measured alone; `all` measures them one after
//! the other. Whatever is measured, and whatever it is measured beside, is a process of its own. Rows go to the standard
//! output, what happens meanwhile to the standard error.

mod all;
mod bench;
mod door;
mod intake;
mod machine;
mod operator;
mod registry;
mod rows;
mod servers;
mod table;

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

use crate::rows::{cost, durable, fences, fixes, front, looks, restart, storm, surge};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every row, one after the other.
    All(all::Arguments),
    /// Connecting and subscribing, and the memory of who is connected: the door beside Mosquitto.
    Connect(front::Connect),
    /// Positions through door, bus and gateway: their PUBACKs beside Mosquitto's.
    Telemetry(front::Telemetry),
    /// More positions than can be stored, through everything: beside bare inserts by pgbench.
    Fixes(fixes::Arguments),
    /// Positions at a steady rate with presses among them: processor, memory, and how soon help is asked.
    Durable(durable::Arguments),
    /// Far more presses than a district has in its worst hour.
    Surge(surge::Arguments),
    /// What a position costs when few are registered, and when many are.
    Cost(cost::Arguments),
    /// Fixes held against a fence of their own by the engine alone, beside PostGIS.
    Fences(fences::Arguments),
    /// Rules and silences that are looked at when their time has come.
    Looks(looks::Arguments),
    /// The server killed under load.
    Restart(restart::Arguments),
    /// Everybody comes back at once: beside Mosquitto.
    Storm(storm::Arguments),
    /// Reports into the database, without anything in front.
    Intake(intake::Arguments),
    /// The front door alone, with so many in its directory.
    #[command(hide = true)]
    Door { people: u32 },
    /// A gateway that reads everything and stores nothing.
    #[command(hide = true)]
    Gateway { bus: SocketAddr, people: u32 },
    /// A live subscriber to everything.
    #[command(hide = true)]
    Subscriber { broker: SocketAddr },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .init();
    match Arguments::parse().what {
        What::All(arguments) => all::run(&arguments),
        What::Connect(arguments) => front::connect(&arguments),
        What::Telemetry(arguments) => front::telemetry(&arguments),
        What::Fixes(arguments) => fixes::run(&arguments).await,
        What::Durable(arguments) => durable::run(&arguments).await,
        What::Surge(arguments) => surge::run(&arguments).await,
        What::Cost(arguments) => cost::run(&arguments).await,
        What::Fences(arguments) => fences::run(&arguments).await,
        What::Looks(arguments) => looks::run(&arguments).await,
        What::Restart(arguments) => restart::run(&arguments).await,
        What::Storm(arguments) => storm::run(&arguments).await,
        What::Intake(arguments) => intake::run(arguments).await,
        What::Door { people } => door::open(people).await,
        What::Gateway { bus, people } => door::gateway(bus, people).await,
        What::Subscriber { broker } => door::subscriber(broker).await,
    }
}
