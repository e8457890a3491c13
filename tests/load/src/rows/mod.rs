//! The rows of `docs/benchmarks.md`. Pairs are measured one right after the other, and told as medians of their ratios.

pub(crate) mod cost;
pub(crate) mod durable;
pub(crate) mod fences;
pub(crate) mod fixes;
pub(crate) mod front;
pub(crate) mod looks;
pub(crate) mod restart;
pub(crate) mod storm;
pub(crate) mod surge;

use std::path::PathBuf;

use firmware_sim::crowd::{Pace, Report};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::registry;
use crate::servers::{self, Crowd, Whole};
use crate::table::{HEAD, Row};

/// Who is registered where.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Registered {
    /// A data folder; who was registered by an earlier run is used again.
    #[arg(long)]
    pub(crate) data: PathBuf,
    #[arg(long, default_value_t = 500_000)]
    pub(crate) people: u32,
    /// Concentrators that speak for them.
    #[arg(long, default_value_t = 50)]
    pub(crate) concentrators: u32,
}

/// The whole line, with everybody registered, no cases and no positions.
struct Line {
    server: Whole,
    pool: PgPool,
}

impl Line {
    async fn open(registered: &Registered) -> anyhow::Result<Self> {
        let server = servers::whole(&registered.data, None)?;
        let pool = pool(&server).await?;
        registry::prepare(&pool, registered.people, registered.concentrators).await?;
        Ok(Self { server, pool })
    }

    /// Sends everybody, through their concentrators, with so many positions a second, and waits until these are connected.
    fn crowd(&self, registered: &Registered, per_s: f64, options: &[(&str, f64)]) -> anyhow::Result<Crowd> {
        let concentrators = ("concentrators", f64::from(registered.concentrators));
        let options: Vec<_> = options.iter().copied().chain([concentrators]).collect();
        let mut crowd = servers::crowd(self.server.mqtt, registered.people, Pace::Rate { per_s }, &options)?;
        crowd.connected()?;
        Ok(crowd)
    }

    async fn fixes(&self) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar("select count(*) from fix").fetch_one(&self.pool).await?)
    }

    /// Ends the server and its database.
    async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        self.server.process.end()
    }
}

async fn pool(server: &Whole) -> anyhow::Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(2).connect(&server.database).await?)
}

/// What became of presses: what a crowd was told, held against what the database holds.
#[derive(Debug)]
struct Taken {
    acknowledged: u64,
    unacknowledged: u64,
    /// Presses and requests that were filed, each once.
    filed: u64,
    /// How often incidents say that they were pressed for.
    counted: u64,
}

impl Taken {
    async fn of(pool: &PgPool, report: &Report) -> anyhow::Result<Self> {
        let (filed, counted): (i64, i64) = sqlx::query_as(
            "select (select count(distinct (serial, boot, seq)) from report where lane = 'alert' and seq is not null),
                (select coalesce(sum(presses), 0)::bigint from incident where class in ('emergency', 'service'))",
        )
        .fetch_one(pool)
        .await?;
        Ok(Self {
            acknowledged: report.durable.count,
            unacknowledged: report.unacknowledged_presses as u64,
            filed: u64::try_from(filed)?,
            counted: u64::try_from(counted)?,
        })
    }
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { acknowledged, unacknowledged, filed, counted } = self;
        // What was never acknowledged may be there or not.
        let (lost, doubled) = (acknowledged.saturating_sub(*filed), counted.saturating_sub(*filed));
        write!(f, "{acknowledged} acknowledged, {lost} lost, {doubled} doubled")?;
        if *unacknowledged > 0 {
            write!(f, ", {unacknowledged} without PUBACK at the end")?;
        }
        Ok(())
    }
}

/// Says what was measured.
#[expect(clippy::print_stdout, reason = "this is what is asked for")]
fn tell(rows: &[Row]) {
    println!("{HEAD}");
    for row in rows {
        println!("{row}");
    }
}
