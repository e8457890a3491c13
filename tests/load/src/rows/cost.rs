//! What a position costs when few are registered, and when many are.

use super::{Line, Registered, tell};
use crate::machine;
use crate::table::{Commits, Row, median, span};

/// The same load on two districts, in turns.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    registered: Registered,
    /// People in the small one, which lies in a folder inside the large one's.
    #[arg(long, default_value_t = 1_000)]
    few: u32,
    /// Positions a second.
    #[arg(long, default_value_t = 3_000.0)]
    rate: f64,
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { registered, few, rate, seconds, runs } = arguments;
    let small = Registered { data: registered.data.join("few"), people: *few, concentrators: registered.concentrators };
    let mut pairs = Vec::new();
    for run in 0..*runs {
        let pair = (cost_us(registered, *rate, *seconds).await?, cost_us(&small, *rate, *seconds).await?);
        eprintln!("run {run}: {:.0} µs with {}, {:.0} µs with {few}", pair.0, registered.people, pair.1);
        pairs.push(pair);
    }
    tell(&[Row {
        what: format!(
            "processor time of server and database for a fix at {rate}/s: {} registered, beside {few} ({runs} pairs of {seconds} s)",
            registered.people
        ),
        ours: span(pairs.iter().map(|(many, _)| *many), "µs"),
        beside: span(pairs.iter().map(|(_, few)| *few), "µs"),
        ratio: Some(median(pairs.iter().map(|(many, few)| many / few))),
        aim: "≤ 1.3",
        commits: Commits::NotWaitedFor,
    }]);
    Ok(())
}

/// Microseconds of processor for each position that was stored.
async fn cost_us(registered: &Registered, rate: f64, seconds: f64) -> anyhow::Result<f64> {
    let line = Line::open(registered).await?;
    let spent =
        || anyhow::Ok(machine::cpu_s(line.server.process.pid())? + machine::family_cpu_s(line.server.postmaster)?);
    let crowd = line.crowd(registered, rate, &[("seconds", seconds)])?;
    let before = spent()?;
    crowd.end()?;
    let spent_s = spent()? - before;
    let stored = f64::from(u32::try_from(line.fixes().await?)?);
    line.close().await?;
    Ok(1e6 * spent_s / stored)
}
