//! The one executable: `yidiantong serve`, and what administrators need beside it.

mod arguments;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use yidiantong::admin::{self, Place};
use yidiantong::demo::Wanted;
use yidiantong::logs;
use yidiantong::roles;
use yidiantong::serve::{Options, serve};
use yidiantong::settings::Settings;

/// Positions are many small things that one thread makes and another lets go: docs/adr/0004-dependencies.md.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 一点通: one press brings help.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How log lines look.
    #[arg(long, global = true, env = "YDT_LOG_FORMAT", default_value = "text")]
    log_format: logs::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run broker, gateway, dispatcher and console in one process.
    Serve(Serve),
    Config(admin::config::Config),
    Decode(admin::decode::Decode),
    Migrate(admin::migrate::Migrate),
    Doctor(admin::doctor::Doctor),
    User(admin::user::User),
    Terminal(admin::terminal::Terminal),
    Concentrator(admin::concentrator::Concentrator),
    Node(admin::node::Node),
    Resident(admin::resident::Resident),
    Import(admin::import::Import),
    Backup(admin::backup::Backup),
    Restore(admin::restore::Restore),
    SimCity(admin::sim_city::SimCity),
    ReplayFences(admin::replay_fences::ReplayFences),
    /// Run a front door with its bus alone: gateways and dispatchers are other processes.
    Broker(arguments::Broker),
    /// Run a gateway alone, on the buses of all brokers.
    Gateway(arguments::Gateway),
    /// Run desk, API and console alone; several share one database.
    Dispatcher(arguments::Dispatcher),
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Serve {
    /// Where terminals connect (MQTT); port 0 takes a free one.
    #[arg(long)]
    mqtt_listen: Option<SocketAddr>,
    /// Where console and API listen; port 0 takes a free one.
    #[arg(long)]
    http_listen: Option<SocketAddr>,
    /// An invented district, with a simulated 120 centre, simulated responders, and everybody's pager.
    #[arg(long, conflicts_with = "district")]
    demo: bool,
    /// Leave the pagers out of the demonstration: somebody else runs them, or nobody.
    #[arg(long, requires = "demo")]
    no_fleet: bool,
    /// The invented district only: the far ends are run by somebody else.
    #[arg(long)]
    district: bool,
    /// Write where everything is reached to this file, as JSON, once it is.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Acknowledge alerts before they are durable. Exists so that the crash test can prove that it
    /// would notice.
    #[arg(long, hide = true)]
    acknowledge_at_once: bool,
}

fn main() -> ExitCode {
    let Arguments { place, log_format, command } = Arguments::parse();
    // A command speaks for itself; a server tells what it does.
    let is_server =
        matches!(command, Command::Serve(_) | Command::Broker(_) | Command::Gateway(_) | Command::Dispatcher(_));
    logs::begin(log_format, if is_server { "info,rumqttd=off" } else { "warn,sqlx=error" });
    run(&place, command).unwrap_or_else(|error| {
        admin::refuse(&error);
        ExitCode::FAILURE
    })
}

fn run(place: &Place, command: Command) -> anyhow::Result<ExitCode> {
    // A batch of positions keeps a thread busy for milliseconds. With as many threads again as there are processors a press
    // finds one that is not, and the system's scheduler lets it go first.
    let threads = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signal(stop.clone())?);
        match command {
            Command::Serve(arguments) => {
                let (settings, options) = arguments.read(place)?;
                serve(settings, options, stop).await?;
            }
            Command::Broker(arguments) => roles::broker::run(arguments.read(place)?, stop).await?,
            Command::Gateway(arguments) => roles::gateway::run(arguments.read(place)?, stop).await?,
            Command::Dispatcher(arguments) => {
                roles::dispatcher::run(arguments.read(place)?, place.database_url.clone(), stop).await?;
            }
            Command::Config(config) => config.run(),
            Command::Decode(decode) => decode.run()?,
            Command::Migrate(migrate) => migrate.run(place, &stop).await?,
            Command::Doctor(doctor) => {
                let is_well = doctor.run(place, &stop).await?;
                return Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Command::User(user) => user.run(place, &stop).await?,
            Command::Terminal(terminal) => terminal.run(place, &stop).await?,
            Command::Concentrator(concentrator) => concentrator.run(place, &stop).await?,
            Command::Node(node) => node.run(place, &stop).await?,
            Command::Resident(resident) => resident.run(place, &stop).await?,
            Command::Import(import) => import.run(place, &stop).await?,
            Command::Backup(backup) => backup.run(place, &stop).await?,
            Command::Restore(restore) => restore.run(place, &stop).await?,
            Command::SimCity(city) => city.run()?,
            Command::ReplayFences(replay) => replay.run()?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

impl Serve {
    fn read(self, place: &Place) -> anyhow::Result<(Settings, Options)> {
        let mut settings = place.settings()?;
        settings.mqtt_listen = self.mqtt_listen.unwrap_or(settings.mqtt_listen);
        settings.http_listen = self.http_listen.unwrap_or(settings.http_listen);
        let demo = match (self.demo, self.district) {
            (true, _) if self.no_fleet => Wanted::FarEnds,
            (true, _) => Wanted::Everything,
            (_, true) => Wanted::District,
            _ => Wanted::Nothing,
        };
        let acknowledge =
            if self.acknowledge_at_once { broker::Acknowledge::AtOnce } else { broker::Acknowledge::WhenDurable };
        let options =
            Options { database_url: place.database_url.clone(), demo, ready_file: self.ready_file, acknowledge };
        Ok((settings, options))
    }
}

/// Resolves when a person or the system asks us to stop.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
    })
}
