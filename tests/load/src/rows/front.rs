//! The front door alone, beside Mosquitto.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use firmware_sim::crowd::{Pace, Report};
use serde::Deserialize;

use super::tell;
use crate::machine;
use crate::servers::{self, Running};
use crate::table::{Commits, Row, median, span};

/// Connecting and subscribing, and the memory of who is connected.
#[derive(Debug, clap::Args)]
pub(crate) struct Connect {
    #[arg(long, default_value_t = 10_000)]
    people: u32,
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

/// Positions through door, bus and gateway.
#[derive(Debug, clap::Args)]
pub(crate) struct Telemetry {
    #[arg(long, default_value_t = 10_000)]
    people: u32,
    #[arg(long, default_value_t = 30_000.0)]
    rate: f64,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Mosquitto,
}

/// A front door of either side.
struct Front {
    process: Running,
    mqtt: SocketAddr,
    bus: Option<SocketAddr>,
    _folder: tempfile::TempDir,
}

impl Front {
    fn open(side: Side, people: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        match side {
            Side::Mosquitto => {
                let (process, mqtt) = servers::mosquitto(folder.path())?;
                Ok(Self { process, mqtt, bus: None, _folder: folder })
            }
            Side::Ours => {
                #[derive(Deserialize)]
                struct Opened {
                    mqtt: SocketAddr,
                    bus: SocketAddr,
                }
                let (process, mut lines) = own(&["door".into(), people.to_string()])?;
                let Opened { mqtt, bus } = serde_json::from_str(&lines.next().context("the door says nothing")??)?;
                Ok(Self { process, mqtt, bus: Some(bus), _folder: folder })
            }
        }
    }
}

type Lines = std::io::Lines<BufReader<std::process::ChildStdout>>;

/// Another process of this executable.
fn own(arguments: &[String]) -> anyhow::Result<(Running, Lines)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = Running::start(command.args(arguments).stdout(Stdio::piped()))?;
    let out = process.voice().context("it has no voice")?;
    Ok((process, BufReader::new(out).lines()))
}

/// Connects everybody to both, in turns.
pub(crate) fn connect(Connect { people, runs }: &Connect) -> anyhow::Result<()> {
    let mut pairs = Vec::new();
    for run in 0..*runs {
        let ours = once_connected(*people, Side::Ours)?;
        let theirs = once_connected(*people, Side::Mosquitto)?;
        eprintln!(
            "run {run}: {people} connected in {:.2} s and {:.2} s; {:.1} KB and {:.1} KB each",
            ours.0, theirs.0, ours.1, theirs.1
        );
        pairs.push((ours, theirs));
    }
    tell(&[
        Row {
            what: format!(
                "connect and subscribe {people} terminals, with authentication on; Mosquitto without ({runs} pairs)"
            ),
            ours: span(pairs.iter().map(|(ours, _)| ours.0), "s"),
            beside: span(pairs.iter().map(|(_, theirs)| theirs.0), "s"),
            ratio: Some(median(pairs.iter().map(|(ours, theirs)| ours.0 / theirs.0))),
            aim: "≤ 1.0",
            commits: Commits::None,
        },
        Row {
            what: "resident memory of a connected, subscribed, idle terminal (plain TCP, broker process)".into(),
            ours: format!("{:.1} KB", median(pairs.iter().map(|(ours, _)| ours.1))),
            beside: format!("{:.1} KB", median(pairs.iter().map(|(_, theirs)| theirs.1))),
            ratio: None,
            aim: "≤ 6 KB",
            commits: Commits::None,
        },
    ]);
    Ok(())
}

/// Seconds until all were connected, and KB each.
fn once_connected(people: u32, side: Side) -> anyhow::Result<(f64, f64)> {
    let front = Front::open(side, people)?;
    let before = machine::memory(front.process.pid())?.resident;
    let mut crowd = servers::crowd(front.mqtt, people, Pace::Silent, &[("seconds", 3.0)])?;
    let connected = crowd.connected()?;
    std::thread::sleep(Duration::from_secs(2));
    let after = machine::memory(front.process.pid())?.resident;
    crowd.end()?;
    let took = connected.all_connected_s.context("not all were connected")?;
    #[expect(clippy::cast_precision_loss, reason = "bytes")]
    let each = (after - before) as f64 / 1024.0 / f64::from(people);
    Ok((took, each))
}

/// Positions to both, in turns.
pub(crate) fn telemetry(arguments: &Telemetry) -> anyhow::Result<()> {
    let Telemetry { people, rate, seconds, runs } = *arguments;
    let mut pairs = Vec::new();
    for run in 0..runs {
        let ours = once_told(people, rate, seconds, Side::Ours)?;
        let theirs = once_told(people, rate, seconds, Side::Mosquitto)?;
        for (who, (report, heard)) in [("ours", &ours), ("Mosquitto", &theirs)] {
            let told = report.telemetry;
            eprintln!(
                "run {run}, {who}: {} acknowledged of {} sent, {heard} heard; PUBACK mean {:.2} ms, p99 {:.2} ms",
                told.count, report.telemetry_sent, told.mean_ms, told.p99_ms
            );
        }
        pairs.push((ours.0.telemetry, theirs.0.telemetry));
    }
    let row = |what: String, of: fn(&firmware_sim::crowd::Latency) -> f64| Row {
        what,
        ours: span(pairs.iter().map(|(ours, _)| of(ours)), "ms"),
        beside: span(pairs.iter().map(|(_, theirs)| of(theirs)), "ms"),
        ratio: Some(median(pairs.iter().map(|(ours, theirs)| of(ours) / of(theirs)))),
        aim: "≤ 0.3",
        commits: Commits::None,
    };
    tell(&[
        row(
            format!(
                "{rate} QoS 1 messages/s from {people} terminals, through edge and bus to a gateway that reads every one; \
                 beside one live subscriber that receives every one ({runs} pairs of {seconds} s): mean PUBACK"
            ),
            |told| told.mean_ms,
        ),
        row("the same: p99".into(), |told| told.p99_ms),
    ]);
    Ok(())
}

fn once_told(people: u32, rate: f64, seconds: f64, side: Side) -> anyhow::Result<(Report, u64)> {
    let front = Front::open(side, people)?;
    let (_hearing, mut lines) = match front.bus {
        Some(bus) => own(&["gateway".into(), bus.to_string(), people.to_string()])?,
        None => own(&["subscriber".into(), front.mqtt.to_string()])?,
    };
    // It speaks once it listens.
    lines.next().context("nobody listens")??;
    let heard = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&heard);
    std::thread::spawn(move || {
        #[derive(Deserialize)]
        struct Told {
            heard: u64,
        }
        for told in lines.map_while(Result::ok).filter_map(|line| serde_json::from_str::<Told>(&line).ok()) {
            counted.store(told.heard, Ordering::Relaxed);
        }
    });
    let report = servers::crowd(front.mqtt, people, Pace::Rate { per_s: rate }, &[("seconds", seconds)])?.end()?;
    std::thread::sleep(Duration::from_millis(1500));
    Ok((report, heard.load(Ordering::Relaxed)))
}
