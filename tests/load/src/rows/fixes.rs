//! How many positions a second come to lie in the database: beside bare inserts into the same table.

use std::time::{Duration, Instant};

use super::{Line, Registered, tell};
use crate::bench;
use crate::table::{Commits, Row, median, span};

/// More than can be stored, through everything.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    registered: Registered,
    /// Positions sent a second.
    #[arg(long, default_value_t = 20_000.0)]
    rate: f64,
    /// Of each half of a pair.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { registered, rate, seconds, runs } = arguments;
    let line = Line::open(registered).await?;
    let mut pairs = Vec::new();
    for run in 0..*runs {
        let bare = bench::inserts(&line.server.database, registered.people, u64::from(*seconds))?;
        let (ours, sent) = stored(&line, registered, *rate, f64::from(*seconds)).await?;
        eprintln!("run {run}: {ours:.0} a second of {sent:.0} sent, {bare:.0} by pgbench");
        pairs.push((ours, bare));
    }
    tell(&[Row {
        what: format!(
            "durable fixes/s, one a message, MQTT QoS 1 → decoded → own fence checked → committed; {} registered with a fence \
             each; {rate} sent a second; beside bare inserts of 512 rows into the same table by two clients of pgbench \
             ({runs} pairs of {seconds} s)",
            registered.people
        ),
        ours: span(pairs.iter().map(|(ours, _)| *ours), "/s"),
        beside: span(pairs.iter().map(|(_, bare)| *bare), "/s"),
        ratio: Some(median(pairs.iter().map(|(ours, bare)| ours / bare))),
        aim: "≥ 20 000/s",
        commits: Commits::NotWaitedFor,
    }]);
    line.close().await
}

/// Positions stored and sent a second.
async fn stored(line: &Line, registered: &Registered, rate: f64, seconds: f64) -> anyhow::Result<(f64, f64)> {
    let before = line.fixes().await?;
    let crowd = line.crowd(registered, rate, &[("seconds", seconds)])?;
    let began = Instant::now();
    // Before the crowd has gone, so that nothing is counted that came after its time.
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    // Counting them takes a while, and tells what was there when it began.
    let took = began.elapsed().as_secs_f64();
    let came = line.fixes().await? - before;
    let report = crowd.end()?;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than that")]
    let (came, sent) = (came as f64, report.telemetry_sent as f64);
    Ok((came / took, sent / took))
}
