//! What the front door carries, beside something real in the same minute: `make bench`.
//!
//! Each row of `docs/benchmarks.md` is a command here, so that one can be measured alone; `all` measures them one after
//! the other. Whatever is measured, and whatever it is measured beside, is a process of its own.

mod door;
mod intake;
mod registry;
mod rows;
mod servers;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Connecting and subscribing, and the memory of who is connected: the door beside Mosquitto.
    Connect {
        #[arg(long, default_value_t = 10_000)]
        people: u32,
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// Positions through door, bus and gateway: their PUBACKs beside Mosquitto's.
    Telemetry {
        #[arg(long, default_value_t = 10_000)]
        people: u32,
        #[arg(long, default_value_t = 30_000.0)]
        rate: f64,
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// Positions through everything, into the database, with presses among them.
    Durable {
        /// A data folder; what an earlier run registered is used again.
        #[arg(long)]
        data: PathBuf,
        #[arg(long, default_value_t = 500_000)]
        people: u32,
        #[arg(long, default_value_t = 50)]
        concentrators: u32,
        #[arg(long, default_value_t = 10_000.0)]
        rate: f64,
        #[arg(long, default_value_t = 1.0)]
        presses: f64,
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
    },
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
        What::Connect { people, runs } => rows::connect(people, runs),
        What::Telemetry { people, rate, seconds, runs } => rows::telemetry(people, rate, seconds, runs),
        What::Durable { data, people, concentrators, rate, presses, seconds } => {
            let load = rows::Load { people, concentrators, rate, presses, seconds };
            rows::durable(&data, load).await
        }
        What::Intake(arguments) => intake::run(arguments).await,
        What::Door { people } => door::open(people).await,
        What::Gateway { bus, people } => door::gateway(bus, people).await,
        What::Subscriber { broker } => door::subscriber(broker).await,
    }
}
