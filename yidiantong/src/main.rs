//! The one executable: `yidiantong serve`, and what administrators need beside it.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use yidiantong::demo::Wanted;
use yidiantong::serve::{Options, serve};
use yidiantong::settings::Settings;

/// 一点通: one press brings help.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run broker, gateway, dispatcher and console in one process.
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// A TOML file with settings.
    #[arg(long)]
    settings: Option<PathBuf>,
    /// Where everything that outlives the process lies.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where terminals connect (MQTT); port 0 takes a free one.
    #[arg(long)]
    mqtt_listen: Option<SocketAddr>,
    /// Where console and API listen; port 0 takes a free one.
    #[arg(long)]
    http_listen: Option<SocketAddr>,
    /// The database; without it a private PostgreSQL cluster is kept in the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
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

fn main() -> anyhow::Result<()> {
    // The bus calls every connection that ends an error; the broker says what matters of it.
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rumqttd=off")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
    let Command::Serve(arguments) = Arguments::parse().command;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signal(stop.clone())?);
        let (settings, options) = arguments.read()?;
        serve(settings, options, stop).await
    })
}

impl Serve {
    fn read(self) -> anyhow::Result<(Settings, Options)> {
        let mut settings = self.settings.as_deref().map_or_else(|| Ok(Settings::default()), Settings::read)?;
        settings.data = self.data.unwrap_or(settings.data);
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
        let options = Options { database_url: self.database_url, demo, ready_file: self.ready_file, acknowledge };
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
