//! Everybody's connection breaks at once on a server that has just been killed, and all come back: beside Mosquitto, which
//! decides nothing, and so once without presses too.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use firmware_sim::crowd::{Latency, Pace, Report};

use super::{Line, Registered, tell};
use crate::servers::{self, Crowd};
use crate::table::{Commits, Quantiles, Row, median, span};

/// So long before the storm the others begin to connect, seconds.
const HELD_BEFORE_S: f64 = 0.5;
/// So long they press, seconds.
const HELD_FOR_S: f64 = 3.0;

/// Storms over both, in turns.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    registered: Registered,
    /// Sockets: a process may have 20 000 descriptors here.
    #[arg(long, default_value_t = 19_000)]
    sockets: u32,
    /// Presses a second, all the while: half of them by those who come back, half by those whose connections hold.
    #[arg(long, default_value_t = 100.0)]
    presses: f64,
    /// How many connections hold.
    #[arg(long, default_value_t = 500)]
    held: u32,
    /// From how many loopback addresses they come: each has its own ports.
    #[arg(long, default_value_t = 16)]
    from: u8,
    /// How long they have been connected when the storm comes; they are watched for three times as long afterwards.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { registered, sockets, runs, presses, held, .. } = arguments;
    let Line { server, pool } = Line::open(registered).await?;
    pool.close().await;
    let mqtt = server.mqtt;
    drop(server.process);
    let server = servers::whole(&registered.data, Some(mqtt))?;
    let folder = tempfile::tempdir()?;
    let (mosquitto, beside) = servers::mosquitto(folder.path())?;
    let mut runs_made = Vec::new();
    for run in 0..*runs {
        let made = Run {
            ours: storm(arguments, server.mqtt, 0.0)?.0,
            theirs: storm(arguments, beside, 0.0)?.0,
            pressed: pressed(arguments, server.mqtt)?,
        };
        eprintln!(
            "run {run}: all back in {:.2} s and {:.2} s; with presses {:.2} s, {}; of others {}",
            made.ours,
            made.theirs,
            made.pressed.back_s,
            Quantiles::from(made.pressed.theirs.in_storm),
            Quantiles::from(made.pressed.others.durable)
        );
        runs_made.push(made);
    }
    mosquitto.end()?;
    server.process.end()?;
    let worst = |pick: fn(&Pressed) -> Latency| {
        let all = runs_made.iter().map(|run| pick(&run.pressed));
        all.max_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms)).map(Quantiles::from).unwrap_or_default()
    };
    let unheard: usize = runs_made.iter().map(|run| &run.pressed).map(Pressed::unheard).sum();
    let presses_row = |what: String, ours: String| Row {
        what,
        ours,
        beside: String::new(),
        ratio: None,
        aim: "p99 ≤ 1 s",
        commits: Commits::Synchronous,
    };
    tell(&[
        Row {
            what: format!(
                "reconnect storm of {sockets} terminals after `kill -9` and restart, until all have subscribed ({runs} pairs)"
            ),
            ours: span(runs_made.iter().map(|run| run.ours), "s"),
            beside: span(runs_made.iter().map(|run| run.theirs), "s"),
            ratio: Some(median(runs_made.iter().map(|run| run.ours / run.theirs))),
            aim: "≤ 1.0",
            commits: Commits::None,
        },
        Row {
            what: format!("the same, with {presses} presses/s to be decided, which Mosquitto has not"),
            ours: span(runs_made.iter().map(|run| run.pressed.back_s), "s"),
            beside: String::new(),
            ratio: Some(median(runs_made.iter().map(|run| run.pressed.back_s / run.theirs))),
            aim: "",
            commits: Commits::Synchronous,
        },
        presses_row(
            "key → PUBACK of those who press while their own connection is among the broken, in the worst run"
                .to_owned(),
            format!("{}; {unheard} without PUBACK at the end", worst(|pressed| pressed.theirs.in_storm)),
        ),
        presses_row(
            format!("key → PUBACK of those who press meanwhile on {held} connections that hold, in the worst run"),
            worst(|pressed| pressed.others.durable).to_string(),
        ),
    ]);
    Ok(())
}

/// Storms over both brokers, and one in which somebody presses.
struct Run {
    /// Until all were back, seconds.
    ours: f64,
    /// The same over Mosquitto.
    theirs: f64,
    pressed: Pressed,
}

struct Pressed {
    /// Until all were back, seconds.
    back_s: f64,
    /// What those have seen who came back.
    theirs: Report,
    /// What those have seen whose connections held.
    others: Report,
}

impl Pressed {
    fn unheard(&self) -> usize {
        self.theirs.unacknowledged_presses + self.others.unacknowledged_presses
    }
}

/// Seconds until all were back, and what they have seen.
fn storm(arguments: &Arguments, mqtt: SocketAddr, presses: f64) -> anyhow::Result<(f64, Report)> {
    back(begin(arguments, mqtt, presses)?.end()?)
}

fn begin(arguments: &Arguments, mqtt: SocketAddr, presses: f64) -> anyhow::Result<Crowd> {
    let Arguments { sockets, from, seconds, .. } = arguments;
    let options =
        [("presses", presses), ("from", f64::from(*from)), ("reconnect-at", *seconds), ("seconds", 4.0 * seconds)];
    servers::crowd(mqtt, *sockets, Pace::Silent, &options)
}

fn back(report: Report) -> anyhow::Result<(f64, Report)> {
    Ok((report.all_back_s.context("not all came back in time")?, report))
}

/// A storm in which people press, they and others.
fn pressed(arguments: &Arguments, mqtt: SocketAddr) -> anyhow::Result<Pressed> {
    let Arguments { sockets, held, presses, seconds, .. } = arguments;
    let mut crowd = begin(arguments, mqtt, presses / 2.0)?;
    crowd.connected()?;
    // They press for as long as the storm lasts, about.
    thread::sleep(Duration::from_secs_f64((seconds - HELD_BEFORE_S).max(0.0)));
    let options = [("presses", presses / 2.0), ("first", f64::from(*sockets)), ("seconds", HELD_FOR_S)];
    let others = servers::crowd(mqtt, *held, Pace::Silent, &options)?.end()?;
    let (back_s, theirs) = back(crowd.end()?)?;
    Ok(Pressed { back_s, theirs, others })
}
