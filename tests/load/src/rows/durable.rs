//! Positions at a steady rate with presses among them: what they cost, and how soon a press is on disk and somebody
//! is asked.

use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::{Line, Registered, Taken, tell};
use crate::bench;
use crate::machine::{self, Memory};
use crate::operator::Operator;
use crate::servers::Crowd;
use crate::table::{Commits, Quantiles, Row};

/// A steady load, through everything.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    registered: Registered,
    /// Positions a second.
    #[arg(long, default_value_t = 10_000.0)]
    rate: f64,
    /// Presses a second.
    #[arg(long, default_value_t = 2.0)]
    presses: f64,
    #[arg(long, default_value_t = 600.0)]
    seconds: f64,
    /// Single-row commits a second, by pgbench.
    #[arg(long, default_value_t = 10.0)]
    commits: f64,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { registered, rate, presses, seconds, commits } = arguments;
    let line = Line::open(registered).await?;
    let operator = Operator::log_in(&line.server.http).await?;
    let crowd = line.crowd(registered, *rate, &[("presses", *presses), ("seconds", *seconds)])?;
    let commits = bench::Commits::begin(&line.server.database, *commits, *seconds)?;
    let spent = tokio::select! {
        spent = watch(&line, &crowd, *seconds) => spent?,
        never = operator.work(&line.pool) => match never {},
    };
    let report = crowd.end()?;
    let commits = commits.end()?;
    let offers = offers(&line.pool).await?;
    let taken = Taken::of(&line.pool, &report).await?;
    let stored = line.fixes().await?;
    eprintln!("{} positions sent, {stored} stored; presses: {taken}", report.telemetry_sent);
    eprintln!("{}", serde_json::to_string(&report)?);
    tell(&[
        Row {
            what: format!(
                "{rate} fixes/s for {seconds} s, {} registered with a fence each: CPU of the whole machine, crowd aside; \
                 memory of the server at each minute, and of PostgreSQL without its shared buffers",
                registered.people
            ),
            ours: format!("{:.0} fixes/s stored ({stored} of {}); {spent}", spent.fixes_per_s, report.telemetry_sent),
            beside: String::new(),
            ratio: None,
            aim: "≤ 70 %, memory flat",
            commits: Commits::NotWaitedFor,
        },
        Row {
            what: format!(
                "press → PUBACK during that load ({presses} presses/s: {taken}); beside a single-row commit by pgbench"
            ),
            ours: Quantiles::from(report.durable).to_string(),
            beside: commits.to_string(),
            ratio: Some(report.durable.p99_ms / commits.p99_ms),
            aim: "p99 ≤ 50 ms, p99.9 ≤ 200 ms",
            commits: Commits::Synchronous,
        },
        Row {
            what: format!(
                "press → offer in the outbox during that load ({} of {} cases; for the others nobody could go at first)",
                offers.after.count, offers.cases
            ),
            ours: offers.after.to_string(),
            beside: String::new(),
            ratio: None,
            aim: "p99 ≤ 100 ms",
            commits: Commits::Synchronous,
        },
    ]);
    line.close().await
}

/// What a load has cost.
struct Spent {
    fixes_per_s: f64,
    /// Shares of the whole machine.
    busy: f64,
    crowd: f64,
    server: f64,
    database: f64,
    stolen: f64,
    /// Of the server and of its database, at each minute.
    memory: Vec<(Memory, Memory)>,
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { busy, crowd, server, database, stolen, memory, .. } = self;
        let percent = |share: f64| 100.0 * share;
        write!(
            f,
            "{:.0} % (server {:.0} %, database {:.0} %; the crowd's {:.0} % aside, and {:.0} % that the host gave to others); ",
            percent(busy - crowd),
            percent(*server),
            percent(*database),
            percent(*crowd),
            percent(*stolen)
        )?;
        let mb = |bytes: u64| bytes >> 20;
        let list = |of: fn(&(Memory, Memory)) -> u64| {
            let values: Vec<String> = memory.iter().map(|both| mb(of(both)).to_string()).collect();
            values.join(" ")
        };
        let shared = memory.iter().map(|(_, database)| database.shared).max().unwrap_or_default();
        write!(
            f,
            "server {} MB; PostgreSQL {} MB beside at most {} MB of shared buffers",
            list(|(server, _)| server.resident),
            list(|(_, database)| database.own),
            mb(shared)
        )
    }
}

async fn watch(line: &Line, crowd: &Crowd, seconds: f64) -> anyhow::Result<Spent> {
    const SECOND: Duration = Duration::from_secs(1);
    let look = || {
        let (server, postmaster) = (line.server.process.pid(), line.server.postmaster);
        let cpu = [
            machine::busy_s()?,
            machine::cpu_s(crowd.pid())?,
            machine::cpu_s(server)?,
            machine::family_cpu_s(postmaster)?,
            machine::stolen_s()?,
        ];
        anyhow::Ok((cpu, (machine::memory(server)?, machine::family_memory(postmaster)?)))
    };
    let before = line.fixes().await?;
    let (began, (at_first, memory)) = (Instant::now(), look()?);
    let mut memory = vec![memory];
    // A moment before the crowd ends, while it can still be asked what it has spent.
    let until = Duration::from_secs_f64(seconds).saturating_sub(SECOND);
    while began.elapsed() < until {
        let left = until.saturating_sub(began.elapsed());
        tokio::time::sleep(left.min(SECOND * 60)).await;
        let (_, now) = look()?;
        memory.push(now);
        eprintln!("{:.0} s: server {} MB", began.elapsed().as_secs_f64(), now.0.resident >> 20);
    }
    let (at_last, _) = look()?;
    let took = began.elapsed().as_secs_f64();
    let all = took * machine::processors()?;
    let share = |of: usize| (at_last[of] - at_first[of]) / all;
    let fixes = f64::from(u32::try_from(line.fixes().await? - before)?);
    Ok(Spent {
        fixes_per_s: fixes / took,
        busy: share(0),
        crowd: share(1),
        server: share(2),
        database: share(3),
        stolen: share(4),
        memory,
    })
}

/// How soon somebody was asked.
struct Offers {
    cases: u64,
    after: Quantiles,
}

/// From the first press's arrival at the door until the transaction was committed that has the first offer in the
/// outbox, by PostgreSQL's own note of it. Whoever nobody could go to at first is asked for when that changes (their place
/// becomes known, somebody is free again): that is no time that anybody took to ask.
async fn offers(pool: &PgPool) -> anyhow::Result<Offers> {
    let times: Vec<Option<f64>> = sqlx::query_scalar(
        "select (extract(epoch from pg_xact_commit_timestamp(asked.xmin) - press.at) * 1000)::float8
         from incident i
         cross join lateral (select min(received_at) as at from report r where r.incident_id = i.id) press
         left join lateral (
            select e.xmin from incident_entry e where e.incident_id = i.id and e.what = 'asked'
                and not exists (select from incident_entry before where before.incident_id = i.id
                    and before.what = 'nobody_left' and before.seq < e.seq)
            order by e.seq limit 1
         ) asked on true
         where i.class = 'emergency'",
    )
    .fetch_all(pool)
    .await?;
    Ok(Offers { cases: times.len() as u64, after: Quantiles::of(times.into_iter().flatten().collect()) })
}
