//! What a position costs when few are registered, and when many are.

use std::time::Duration;

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
    #[arg(long, default_value_t = 10_000.0)]
    rate: f64,
    /// What is measured begins when each of the many has been somewhere once, and takes so long.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { registered, few, rate, seconds, runs } = arguments;
    // Both begin alike: a server that has been up for as long, at the same rate.
    let load = Load { rate: *rate, warm_up_s: f64::from(registered.people) / rate, seconds: *seconds };
    let small = Registered { data: registered.data.join("few"), people: *few, concentrators: registered.concentrators };
    let mut pairs = Vec::new();
    for run in 0..*runs {
        let pair = (load.cost_us(registered).await?, load.cost_us(&small).await?);
        eprintln!("run {run}: {:.0} µs with {}, {:.0} µs with {few}", pair.0, registered.people, pair.1);
        pairs.push(pair);
    }
    tell(&[Row {
        what: format!(
            "processor time of server and database for a fix at {rate}/s: {} registered, beside {few} ({runs} pairs of {seconds} s, \
             after as long as it takes until each has been somewhere)",
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

struct Load {
    rate: f64,
    warm_up_s: f64,
    seconds: f64,
}

impl Load {
    /// Microseconds of processor for each position that was stored.
    async fn cost_us(&self, registered: &Registered) -> anyhow::Result<f64> {
        let Self { rate, warm_up_s, seconds } = *self;
        let line = Line::open(registered).await?;
        let crowd = line.crowd(registered, rate, &[("seconds", warm_up_s + seconds)])?;
        tokio::time::sleep(Duration::from_secs_f64(warm_up_s)).await;
        let before = Spent::by(&line).await?;
        crowd.end()?;
        let after = Spent::by(&line).await?;
        line.close().await?;
        Ok(1e6 * (after.cpu_s - before.cpu_s) / (after.fixes - before.fixes))
    }
}

struct Spent {
    cpu_s: f64,
    fixes: f64,
}

impl Spent {
    async fn by(line: &Line) -> anyhow::Result<Self> {
        let fixes = f64::from(u32::try_from(line.fixes().await?)?);
        let cpu_s = machine::cpu_s(line.server.process.pid())? + machine::family_cpu_s(line.server.postmaster)?;
        Ok(Self { cpu_s, fixes })
    }
}
