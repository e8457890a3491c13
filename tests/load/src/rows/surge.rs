//! Far more presses than a district has in its worst hour, and how soon all of them are decided.

use std::time::Duration;

use sqlx::PgPool;

use super::{Line, Registered, Taken, tell};
use crate::table::{Commits, Quantiles, Row};

/// So long is waited for decisions.
const CATCHES_UP_WITHIN: Duration = Duration::from_mins(15);
/// To count them takes the database some fifty milliseconds.
const LOOKS_EVERY: Duration = Duration::from_secs(2);

/// Presses on top of positions.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    registered: Registered,
    /// Positions a second.
    #[arg(long, default_value_t = 5_000.0)]
    rate: f64,
    /// Presses a second.
    #[arg(long, default_value_t = 1_000.0)]
    presses: f64,
    /// Requests for daily help a second beside them, which can wait.
    #[arg(long, default_value_t = 20.0)]
    requests: f64,
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { registered, rate, presses, requests, seconds } = arguments;
    let line = Line::open(registered).await?;
    let linger = CATCHES_UP_WITHIN.as_secs_f64();
    let options = [("presses", *presses), ("requests", *requests), ("seconds", *seconds), ("linger", linger)];
    let crowd = line.crowd(registered, *rate, &options)?;
    tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
    // Whoever pressed is still there, and acknowledges what they are told.
    let CaughtUp { undecided, after_s, overdue } = caught_up(&line.pool).await?;
    let report = crowd.stop()?;
    let taken = Taken::of(&line.pool, &report).await?;
    let (pressed, requested) = waits(&line.pool).await?;
    eprintln!("{}", serde_json::to_string(&report)?);
    let done = match undecided {
        0 => format!("all decided {after_s:.1} s after the last press"),
        left => format!("**{left} not decided {after_s:.0} s after the last press**"),
    };
    tell(&[
        Row {
            what: format!(
                "surge: {presses} presses/s and {requests} requests/s for {seconds} s on top of {rate} fixes/s: key → PUBACK"
            ),
            ours: format!("{taken}; {}", Quantiles::from(report.durable)),
            beside: String::new(),
            ratio: None,
            aim: "none lost, none doubled, p99 ≤ 1 s",
            commits: Commits::Synchronous,
        },
        Row {
            what: "the same: until decided, most urgent first".into(),
            ours: format!(
                "{done}; from opening to decision: emergencies {pressed}, requests {requested}; {overdue} cases then \
                 past their next deadline by more than a second"
            ),
            beside: String::new(),
            ratio: None,
            aim: "caught up within 60 s",
            commits: Commits::Synchronous,
        },
    ]);
    line.close().await
}

/// When every press was decided.
#[derive(Debug, sqlx::FromRow)]
struct CaughtUp {
    /// Cases with presses that nothing has become of.
    undecided: i64,
    /// Since the last press came.
    after_s: f64,
    /// Cases of which something else should have become.
    overdue: i64,
}

/// Waits until every press is decided, but not for ever.
async fn caught_up(pool: &PgPool) -> anyhow::Result<CaughtUp> {
    loop {
        let now: CaughtUp = sqlx::query_as(
            "select count(*) filter (where presses_answered < presses) as undecided,
                extract(epoch from clock_timestamp()
                    - (select max(received_at) from report where lane = 'alert'))::float8 as after_s,
                count(*) filter (where wake_at < clock_timestamp() - interval '1 second') as overdue
             from incident where closed_at is null",
        )
        .fetch_one(pool)
        .await?;
        // Some may still be on their way.
        if now.undecided == 0 && now.after_s > LOOKS_EVERY.as_secs_f64()
            || now.after_s > CATCHES_UP_WITHIN.as_secs_f64()
        {
            return Ok(now);
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
}

/// How long emergencies, and requests for daily help, waited for their first decision.
async fn waits(pool: &PgPool) -> anyhow::Result<(Quantiles, Quantiles)> {
    let waits: Vec<(String, f64)> = sqlx::query_as(
        "select i.class, (extract(epoch from decided.at - i.opened_at) * 1000)::float8
         from incident i
         cross join lateral (
            select pg_xact_commit_timestamp(e.xmin) as at from incident_entry e
            where e.incident_id = i.id and e.what in ('rung', 'asked', 'nobody_left', 'waits') order by e.seq limit 1
         ) decided",
    )
    .fetch_all(pool)
    .await?;
    let (requests, presses): (Vec<_>, Vec<_>) = waits.into_iter().partition(|(class, _)| class == "service");
    let times = |waits: Vec<(String, f64)>| Quantiles::of(waits.into_iter().map(|(_, ms)| ms).collect());
    Ok((times(presses), times(requests)))
}
