//! Everybody's connection breaks at once on a server that has just been killed, and all come back: beside Mosquitto.

use std::net::SocketAddr;

use anyhow::Context as _;
use firmware_sim::crowd::{Pace, Report};

use super::{Line, Registered, tell};
use crate::servers;
use crate::table::{Commits, Quantiles, Row, median, span};

/// Storms over both, in turns.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    registered: Registered,
    /// Sockets: a process may have 20 000 descriptors here.
    #[arg(long, default_value_t = 19_000)]
    sockets: u32,
    /// Presses a second, all the while.
    #[arg(long, default_value_t = 100.0)]
    presses: f64,
    /// From how many loopback addresses they come: each has its own ports.
    #[arg(long, default_value_t = 16)]
    from: u8,
    /// How long they have been connected when the storm comes, and how long they are watched afterwards.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { registered, sockets, runs, presses, .. } = arguments;
    let Line { server, pool } = Line::open(registered).await?;
    pool.close().await;
    let mqtt = server.mqtt;
    drop(server.process);
    let server = servers::whole(&registered.data, Some(mqtt))?;
    let folder = tempfile::tempdir()?;
    let (mosquitto, beside) = servers::mosquitto(folder.path())?;
    let mut pairs = Vec::new();
    for run in 0..*runs {
        let (ours, theirs) = (once(arguments, server.mqtt)?, once(arguments, beside)?);
        eprintln!(
            "run {run}: all back in {:.2} s and {:.2} s; presses {}",
            ours.0,
            theirs.0,
            Quantiles::from(ours.1.in_storm)
        );
        pairs.push((ours, theirs));
    }
    mosquitto.end()?;
    server.process.end()?;
    let worst =
        pairs.iter().map(|((_, report), _)| report).max_by(|a, b| a.in_storm.p99_ms.total_cmp(&b.in_storm.p99_ms));
    let worst = worst.map(|report| Quantiles::from(report.in_storm)).unwrap_or_default();
    let unheard: usize = pairs.iter().map(|((_, report), _)| report.unacknowledged_presses).sum();
    tell(&[
        Row {
            what: format!(
                "reconnect storm of {sockets} terminals after `kill -9` and restart, until all have subscribed ({runs} pairs)"
            ),
            ours: span(pairs.iter().map(|(ours, _)| ours.0), "s"),
            beside: span(pairs.iter().map(|(_, theirs)| theirs.0), "s"),
            ratio: Some(median(pairs.iter().map(|(ours, theirs)| ours.0 / theirs.0))),
            aim: "≤ 1.0",
            commits: Commits::None,
        },
        Row {
            what: format!(
                "the same: key → PUBACK of those who pressed during it ({presses} presses/s), in the worst run"
            ),
            ours: format!("{worst}; {unheard} without PUBACK at the end"),
            beside: String::new(),
            ratio: None,
            aim: "p99 ≤ 1 s",
            commits: Commits::Synchronous,
        },
    ]);
    Ok(())
}

/// Seconds until all were back, and what they have seen.
fn once(arguments: &Arguments, mqtt: SocketAddr) -> anyhow::Result<(f64, Report)> {
    let Arguments { sockets, presses, from, seconds, .. } = arguments;
    let options =
        [("presses", *presses), ("from", f64::from(*from)), ("reconnect-at", *seconds), ("seconds", 2.0 * seconds)];
    let report = servers::crowd(mqtt, *sockets, Pace::Silent, &options)?.end()?;
    Ok((report.all_back_s.context("not all came back in time")?, report))
}
