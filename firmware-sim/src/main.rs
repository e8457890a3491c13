//! `firmware-sim`: a pager, a press, a fleet, a responder or a 120 centre from the command line.

mod speak;

use std::io::{BufRead as _, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use firmware_sim::device::{Key, Settings};
use firmware_sim::fleet::{self, Wearer};
use firmware_sim::ground::Point;
use firmware_sim::pager::{self, Event, Pager, Session};
use firmware_sim::secret::Secret;
use firmware_sim::terminal::{self, Press};
use firmware_sim::{centre, clock, crowd, responder, wander};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use wire::directory::Dialect;
use wire::notice::News;

use crate::speak::{Format, Speaker};

/// Simulated far ends of 一点通: a wearer's pager, a responder, a 120 centre.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A pager to play with: type sos, fall, cancel, ok, request meal, quit.
    Pager(PagerArgs),
    /// A watch (SeTracker, 3G ELEC) to play with, over TCP: type sos, fall, low_battery, quit.
    Watch(SocketArgs),
    /// A JT/T 808 terminal to play with, over TCP: the same keys.
    Jt808(SocketArgs),
    /// A GT06 terminal to play with, over TCP: the same keys.
    Gt06(SocketArgs),
    /// An EV-07B pendant to play with, over TCP: the same keys.
    Eview(SocketArgs),
    /// A unit for social alarms (SS 91100) to play with, in SIP over TCP: the same keys.
    Scaip(SocketArgs),
    /// One press: prints what the pager hears, and succeeds when the press is acknowledged.
    Press(PressArgs),
    /// Everybody who wears a pager, living an ordinary day.
    Fleet(FleetArgs),
    /// One wearer walks away from home, out of every fence. Takes the place of their pager in a fleet.
    Wander(WanderArgs),
    /// A responder who follows the offers of one account.
    Responder(ResponderArgs),
    /// A 120 centre.
    Centre(CentreArgs),
}

#[derive(Debug, Args)]
struct TerminalArgs {
    /// Where the terminals connect, host:port.
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    /// The terminal's serial, which is in its topics.
    #[arg(long)]
    serial: String,
    /// The MQTT user name, if it is not the serial.
    #[arg(long)]
    login: Option<String>,
    /// The MQTT password.
    #[arg(long, env = "YDT_SECRET", hide_env_values = true)]
    secret: String,
    /// Where it is: degrees of latitude, WGS-84.
    #[arg(long, requires = "lon", allow_negative_numbers = true)]
    lat: Option<f64>,
    /// Where it is: degrees of longitude, WGS-84.
    #[arg(long, requires = "lat", allow_negative_numbers = true)]
    lon: Option<f64>,
    /// Marks its presses as an exercise.
    #[arg(long)]
    drill: bool,
    /// The boot number; without it, one that no other run has.
    #[arg(long)]
    boot: Option<u32>,
    /// Prints JSON, one event a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PagerArgs {
    #[command(flatten)]
    terminal: TerminalArgs,
}

/// A terminal with a connection of its own.
#[derive(Debug, Args)]
struct SocketArgs {
    /// Where the server listens for its dialect, host:port.
    #[arg(long)]
    server: String,
    /// Its number: of a watch 10 or 15 digits, of JT/T 808 a telephone number, of GT06 and EV-07B an IMEI, of a unit
    /// for social alarms up to 16 digits.
    #[arg(long)]
    serial: String,
    /// Where it is: lat,lon in degrees, WGS-84.
    #[arg(long, value_parser = station, allow_hyphen_values = true)]
    at: Option<Point>,
    /// How many seconds lie between two signs of life.
    #[arg(long, default_value_t = 60)]
    heartbeat: u64,
    /// After how many seconds an alarm is repeated that was not answered.
    #[arg(long, default_value_t = 15)]
    repeat: u64,
    /// Prints JSON, one event a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PressArgs {
    #[command(flatten)]
    terminal: TerminalArgs,
    /// sos, fall, smoke …; also cancel, ok, or request:meal.
    #[arg(long, default_value = "sos")]
    kind: String,
    /// How many seconds to wait for the acknowledgement.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// How many seconds to follow the news after the acknowledgement; ends earlier when all is clear.
    #[arg(long, default_value_t = 120)]
    follow: u64,
    /// Ends with the acknowledgement.
    #[arg(long, conflicts_with = "follow")]
    no_follow: bool,
}

#[derive(Debug, Args)]
struct FleetArgs {
    /// Where the terminals connect, host:port.
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    /// Who wears them: demo.json in the data folder of a demonstration, or anything with such "terminals".
    #[arg(long, required_unless_present = "crowd")]
    wearers: Option<PathBuf>,
    #[command(flatten)]
    crowd: CrowdArgs,
    /// What the days are made of: the same each time.
    #[arg(long, default_value_t = town::SEED)]
    seed: u64,
    /// How many times faster than real the days go; at 60 one takes 24 minutes.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// The time of day at which it begins, in hours.
    #[arg(long, default_value_t = 8.5)]
    hour: f64,
    /// How many of them call for help in an hour of theirs.
    #[arg(long, default_value_t = 0.0)]
    sos_per_hour: f64,
    /// Comes back at once when a connection breaks, instead of giving way to whoever may have taken a pager's place.
    #[arg(long)]
    comes_back: bool,
}

/// Instead of wearers one by one: as many as one likes, lean and counted. The report is JSON.
#[derive(Debug, Args)]
struct CrowdArgs {
    /// So many people, who are registered as `town::crowd` has them.
    #[arg(long, conflicts_with = "wearers")]
    crowd: Option<u32>,
    /// The number of the first of them.
    #[arg(long, default_value_t = 0, requires = "crowd")]
    first: u32,
    /// So many concentrators speak for them all; without them, each has a connection of their own.
    #[arg(long, default_value_t = 0, requires = "crowd")]
    concentrators: u32,
    /// Positions a second from all of them together, instead of what their days bring.
    #[arg(long, requires = "crowd")]
    rate: Option<f64>,
    /// Nobody says where they are.
    #[arg(long, requires = "crowd", conflicts_with = "rate")]
    silent: bool,
    /// Calls for help a second, at random.
    #[arg(long, default_value_t = 0.0, requires = "crowd")]
    presses: f64,
    /// Requests for daily help a second, at random.
    #[arg(long, default_value_t = 0.0, requires = "crowd")]
    requests: f64,
    /// Every connection breaks after so many seconds, and all come back. May be given several times.
    #[arg(long, value_name = "SECONDS", requires = "crowd")]
    reconnect_at: Vec<f64>,
    /// One in ten presses within a minute, after so many seconds. May be given several times.
    #[arg(long, value_name = "SECONDS", requires = "crowd")]
    earthquake_at: Vec<f64>,
    /// How long it goes on once all are connected.
    #[arg(long, requires = "crowd")]
    seconds: Option<f64>,
    /// For how many seconds they stay connected after that, say nothing by themselves, and acknowledge what they are told.
    #[arg(long, default_value_t = 0.0, requires = "seconds")]
    linger: f64,
    /// From how many loopback addresses they come: each has its own ports.
    #[arg(long, default_value_t = 1, requires = "crowd")]
    from: u8,
    /// They connect and subscribe to nothing.
    #[arg(long, requires = "crowd")]
    deaf: bool,
    /// Reports each second too.
    #[arg(long, requires = "crowd")]
    each_second: bool,
}

impl CrowdArgs {
    fn config(&self, fleet: &FleetArgs, people: u32) -> anyhow::Result<crowd::Config> {
        let broker = std::net::ToSocketAddrs::to_socket_addrs(&fleet.broker)
            .with_context(|| format!("{} is no host:port", fleet.broker))?
            .find(SocketAddr::is_ipv4)
            .with_context(|| format!("{} has no IPv4 address", fleet.broker))?;
        let pace = match self.rate {
            Some(per_s) => crowd::Pace::Rate { per_s },
            None if self.silent => crowd::Pace::Silent,
            None => crowd::Pace::OwnDays { speed: fleet.speed },
        };
        let after = |seconds: &f64| Duration::try_from_secs_f64(*seconds).context("seconds are wanted");
        let mut blows = Vec::new();
        for (times, blow) in
            [(&self.reconnect_at, crowd::Blow::Reconnect), (&self.earthquake_at, crowd::Blow::Earthquake)]
        {
            for seconds in times {
                blows.push((after(seconds)?, blow));
            }
        }
        Ok(crowd::Config {
            concentrators: self.concentrators,
            pace,
            presses_per_s: self.presses,
            requests_per_s: self.requests,
            blows,
            from: self.from,
            subscribes: !self.deaf,
            seed: fleet.seed,
            lasts: self.seconds.as_ref().map(after).transpose()?,
            lingers: after(&self.linger)?,
            ..crowd::Config::new(broker, self.first..self.first.saturating_add(people))
        })
    }
}

#[derive(Debug, Args)]
struct WanderArgs {
    #[command(flatten)]
    terminal: TerminalArgs,
    /// How far from home, in metres.
    #[arg(long, default_value_t = 2000.0)]
    distance: f64,
    /// How many times faster than an old person walks.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// How many seconds lie between two fixes.
    #[arg(long, default_value_t = 5.0)]
    every: f64,
    /// Walks home again afterwards, instead of standing there.
    #[arg(long)]
    back: bool,
    /// Which of many ways; without it, one that no other run took.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct ResponderArgs {
    /// Where the server is.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    api: String,
    /// The responder's bearer token.
    #[arg(long, env = "YDT_TOKEN", hide_env_values = true)]
    token: String,
    /// accept, decline, silent, vanish, or JSON such as {"is":"accept","after_s":5,"minutes":4}.
    #[arg(long, default_value = "accept")]
    behaviour: responder::Behaviour,
    /// Where it starts: degrees of latitude, WGS-84.
    #[arg(long, requires = "lon", allow_negative_numbers = true)]
    lat: Option<f64>,
    /// Where it starts: degrees of longitude, WGS-84.
    #[arg(long, requires = "lat", allow_negative_numbers = true)]
    lon: Option<f64>,
    /// How fast it travels, in km/h.
    #[arg(long, default_value_t = 25.0)]
    speed_kmh: f64,
    /// How many simulated seconds pass in a real one while it travels and works.
    #[arg(long, default_value_t = 1.0)]
    time_scale: f64,
    /// How many simulated seconds it works on the scene.
    #[arg(long, default_value_t = 300)]
    on_scene: u64,
}

#[derive(Debug, Args)]
struct CentreArgs {
    /// Where it takes messages.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where it is controlled: GET /cases, PUT /behaviour.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// The secret that signs in both directions.
    #[arg(long, env = "YDT_SECRET", hide_env_values = true)]
    secret: String,
    /// normal, slow, refuse, lie, down, down:refuses, down:hangs, twice, stutter, or JSON such as
    /// {"is":"refuse","reason":"no vehicle is free"}.
    #[arg(long, default_value = "normal")]
    behaviour: centre::Behaviour,
    /// json, or cap: it understands only the Common Alerting Protocol.
    #[arg(long, default_value = "json")]
    format: centre::Format,
    /// Where a vehicle stands, as lat,lon; may be given several times.
    #[arg(long = "station", value_parser = station, allow_hyphen_values = true)]
    stations: Vec<Point>,
    /// Serves https: its certificate, and those above it, in PEM.
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key, in PEM.
    #[arg(long, requires = "tls_certificate", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Callers have to show a certificate of this authority, in PEM.
    #[arg(long, requires = "tls_certificate", value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
}

fn station(text: &str) -> Result<Point, String> {
    let read = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("{text:?} is no number of degrees"));
    let (lat, lon) = text.split_once(',').ok_or("a station is lat,lon")?;
    Ok(Point { lat: read(lat)?, lon: read(lon)? })
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let quiet = !matches!(cli.command, Command::Fleet(_) | Command::Responder(_) | Command::Centre(_));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| if quiet { "warn" } else { "info" }.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone())?);
    match cli.command {
        Command::Pager(args) => pager(args, stop).await,
        Command::Watch(args) => play(Dialect::Watch, args, stop).await,
        Command::Jt808(args) => play(Dialect::Jt808, args, stop).await,
        Command::Gt06(args) => play(Dialect::Gt06, args, stop).await,
        Command::Eview(args) => play(Dialect::Eview, args, stop).await,
        Command::Scaip(args) => play(Dialect::Scaip, args, stop).await,
        Command::Press(args) => press(args, stop).await,
        Command::Fleet(args) => live(args, stop).await,
        Command::Wander(args) => walk_away(args, stop).await,
        Command::Responder(args) => follow_offers(args, stop).await,
        Command::Centre(args) => take_hand_overs(args, stop).await,
    }
}

/// Cancels `stop` at the first Ctrl-C or SIGTERM.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
    })
}

fn point(lat: Option<f64>, lon: Option<f64>) -> Option<Point> {
    lat.zip(lon).map(|(lat, lon)| Point { lat, lon })
}

impl TerminalArgs {
    fn pager(&self) -> pager::Config {
        let boot = self.boot.unwrap_or_else(clock::boot);
        pager::Config {
            login: self.login.clone().unwrap_or_else(|| self.serial.clone()),
            device: Settings { drill: self.drill, ..Settings::new(&self.serial, boot) },
            place: point(self.lat, self.lon),
            ..pager::Config::new(&self.broker, &self.serial, Secret::from(self.secret.as_str()))
        }
    }

    fn speaker(&self) -> Speaker {
        Speaker::new(if self.json { Format::Json } else { Format::Words })
    }
}

/// What somebody has typed; `None` when it is no key.
fn key(typed: &str) -> Option<Key> {
    let mut words = typed.split([' ', ':']).filter(|word| !word.is_empty());
    let key = match (words.next()?, words.next()) {
        ("cancel", None) => Key::Cancel,
        ("ok", None) => Key::CheckIn,
        ("request", category) => Key::Request { category: category.unwrap_or("meal").into() },
        (kind, None) if kind.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') => {
            Key::Help { kind: kind.into() }
        }
        _ => return None,
    };
    words.next().is_none().then_some(key)
}

async fn pager(args: PagerArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let mut speaker = args.terminal.speaker();
    let mut pager = Pager::start(args.terminal.pager(), stop.clone())?;
    let mut lines = typed_lines();
    speaker.hint("keys: sos, fall, smoke …, cancel, ok, request meal, quit");
    loop {
        tokio::select! {
            event = pager.next() => match event {
                Some(event) => speaker.tell(&event)?,
                None => break,
            },
            Some(line) = lines.recv() => match line.trim() {
                "" => {}
                "quit" | "exit" => stop.cancel(),
                typed => match key(typed) {
                    Some(key) => pager.press(key).await,
                    None => speaker.hint("keys: sos, fall, smoke …, cancel, ok, request meal, quit"),
                },
            },
        }
    }
    pager.stopped().await;
    Ok(ExitCode::SUCCESS)
}

/// What somebody types, line by line.
fn typed_lines() -> tokio::sync::mpsc::Receiver<String> {
    let (typed, lines) = tokio::sync::mpsc::channel::<String>(16);
    // Its own thread: a read of the standard input cannot be given up, and must not hold up the end.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

async fn play(dialect: Dialect, args: SocketArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let mut speaker = Speaker::new(if args.json { Format::Json } else { Format::Words });
    let config = terminal::Config {
        place: args.at,
        heartbeat: Duration::from_secs(args.heartbeat.max(1)),
        repeat: Duration::from_secs(args.repeat.max(1)),
        ..terminal::Config::new(dialect, args.server, args.serial)
    };
    let mut terminal = terminal::Terminal::start(config, stop.clone())?;
    let mut lines = typed_lines();
    let hint = "keys: sos, fall, low_battery, quit";
    speaker.hint(hint);
    loop {
        tokio::select! {
            event = terminal.next() => match event {
                Some(event) => speaker.tell_of(&event)?,
                None => break,
            },
            Some(line) = lines.recv() => match line.trim() {
                "" => {}
                "quit" | "exit" => stop.cancel(),
                typed => match Press::ALL.iter().find(|(word, _)| *word == typed) {
                    Some((_, press)) => terminal.press(*press).await,
                    None => speaker.hint(hint),
                },
            },
        }
    }
    terminal.stopped().await;
    Ok(ExitCode::SUCCESS)
}

async fn press(args: PressArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let key = key(&args.kind).with_context(|| format!("{:?} is nothing that can be pressed", args.kind))?;
    let mut speaker = args.terminal.speaker();
    let config = args.terminal.pager();
    // A session of its own, so that a pager with the same serial that is on stays connected.
    let client_id = format!("{}-press-{}", config.device.serial, config.device.boot);
    let mut pager = Pager::start(pager::Config { client_id, session: Session::Forgotten, ..config }, stop.clone())?;
    pager.press(key).await;

    let mut acknowledged = false;
    let mut deadline = Instant::now() + Duration::from_secs(args.patience);
    while let Ok(Some(event)) = timeout_at(deadline, pager.next()).await {
        speaker.tell(&event)?;
        match event {
            Event::Acknowledged { .. } => {
                acknowledged = true;
                if args.no_follow {
                    break;
                }
                deadline = Instant::now() + Duration::from_secs(args.follow);
            }
            Event::Notice { news: News::AllClear, .. } if acknowledged => break,
            // Bad user name or password, not authorised: waiting does not help.
            Event::Refused { code: 4 | 5 } => break,
            _ => {}
        }
    }
    stop.cancel();
    // The rest of what it says, the last words on the screen for instance.
    while let Some(event) = pager.next().await {
        speaker.tell(&event)?;
    }
    pager.stopped().await;
    if !acknowledged {
        speaker.hint("the press was NOT acknowledged");
    }
    Ok(if acknowledged { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The part of a demonstration's file that says who wears what.
#[derive(Debug, Deserialize)]
struct Roster {
    terminals: Vec<Worn>,
}

#[derive(Debug, Deserialize)]
struct Worn {
    dialect: Dialect,
    #[serde(flatten)]
    wearer: Wearer,
}

async fn live(args: FleetArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    if let Some(people) = args.crowd.crowd {
        return gather(&args, people, stop).await;
    }
    let wearers = args.wearers.context("who wears them is wanted")?;
    let path = wearers.display();
    let bytes = std::fs::read(&wearers).with_context(|| format!("{path} cannot be read"))?;
    let roster: Roster =
        serde_json::from_slice(&bytes).with_context(|| format!("{path} does not say who wears what"))?;
    let wearers = roster.terminals.into_iter().filter(|worn| worn.dialect == Dialect::Ydt).map(|worn| worn.wearer);
    let starts_at = Duration::try_from_secs_f64(args.hour * 3600.0).context("an hour of the day is wanted")?.as_secs();
    let config = fleet::Config {
        broker: args.broker,
        seed: args.seed,
        speed: args.speed,
        starts_at,
        sos_per_hour: args.sos_per_hour,
        thrown_out: if args.comes_back { fleet::ThrownOut::ComesBack } else { fleet::ThrownOut::StaysAway },
    };
    fleet::run(config, wearers.collect(), stop).await?;
    Ok(ExitCode::SUCCESS)
}

async fn gather(args: &FleetArgs, people: u32, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let config = args.crowd.config(args, people)?;
    let say = |what: &str, report: &crowd::Report| {
        let told = serde_json::json!({ what: report });
        if let Err(error) = speak::line(&told.to_string()) {
            tracing::warn!(%error, "nobody reads the report");
        }
    };
    let each_second = args.crowd.each_second;
    let report = crowd::run(
        config,
        stop,
        |report| say("connected", report),
        |report| {
            if each_second {
                say("second", report);
            }
        },
    );
    say("end", &report.await);
    Ok(ExitCode::SUCCESS)
}

async fn walk_away(args: WanderArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let mut speaker = args.terminal.speaker();
    let config = wander::Config {
        pager: args.terminal.pager(),
        distance_m: args.distance,
        speed: args.speed,
        fix_every: Duration::try_from_secs_f64(args.every).context("seconds between fixes are wanted")?,
        then: if args.back { wander::Then::Returns } else { wander::Then::Stays },
        seed: args.seed.unwrap_or_else(|| clock::boot().into()),
    };
    let (tell, mut events) = tokio::sync::mpsc::channel(64);
    speaker.hint("walking; Ctrl-C ends it");
    let mut walking = std::pin::pin!(wander::run(config, tell, stop));
    loop {
        tokio::select! {
            walked = &mut walking => {
                walked?;
                return Ok(ExitCode::SUCCESS);
            }
            Some(event) = events.recv() => speaker.tell(&event)?,
        }
    }
}

async fn follow_offers(args: ResponderArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let config = responder::Config {
        behaviour: args.behaviour,
        place: point(args.lat, args.lon),
        speed_kmh: args.speed_kmh,
        time_scale: args.time_scale,
        on_scene: Duration::from_secs(args.on_scene),
        ..responder::Config::new(args.api, args.token)
    };
    responder::run(config, stop).await?;
    Ok(ExitCode::SUCCESS)
}

impl CentreArgs {
    fn tls(&self) -> anyhow::Result<Option<centre::Tls>> {
        let read = |file: &PathBuf| std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()));
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else { return Ok(None) };
        let client_ca = self.tls_client_ca.as_ref().map(read).transpose()?;
        Ok(Some(centre::Tls::from_pem(&read(certificate)?, &read(key)?, client_ca.as_deref())?))
    }
}

async fn take_hand_overs(args: CentreArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let tls = args.tls()?;
    let config = centre::Config {
        listen: args.listen,
        control: args.control,
        secret: args.secret.into(),
        behaviour: args.behaviour,
        stations: args.stations,
        format: args.format,
        tls,
    };
    let centre = centre::start(config, stop).await?;
    speak::line(&format!("messages {}", centre.url()))?;
    speak::line(&format!("control  http://{}/cases", centre.control_addr()))?;
    centre.stopped().await?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_typed_is_a_key_or_nothing() {
        assert_eq!(key("sos"), Some(Key::sos()));
        assert_eq!(key("heart_rate"), Some(Key::Help { kind: "heart_rate".into() }));
        assert_eq!(key("cancel"), Some(Key::Cancel));
        assert_eq!(key("ok"), Some(Key::CheckIn));
        assert_eq!(key("request repair"), Some(Key::Request { category: "repair".into() }));
        assert_eq!(key("request:nurse"), Some(Key::Request { category: "nurse".into() }));
        for typed in ["", "SOS!", "sos now", "request a meal"] {
            assert_eq!(key(typed), None, "{typed}");
        }
    }
}
