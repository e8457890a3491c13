//! Rules and silences, looked at when their time has come: what a look costs among so many.

use std::time::Instant;

use anyhow::ensure;
use dispatcher::desk::Desk;
use dispatcher::{presence, rules, start};
use sqlx::PgPool;
use town::crowd;

use crate::registry;
use crate::table::median;

/// The dispatcher's looks over a database, without anything in front.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// An empty database, or the one of an earlier run with as many.
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
    /// Residents, each with a terminal, a fence, and a rule for the night.
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(2_500..))]
    people: u32,
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

/// So many come due at once: as many as one look takes.
const RULES: u32 = 500;
const SILENCES: u32 = 2_000;
/// Terminals that a cell serves, and so many cells fall silent at once.
const CELL: u32 = 500;
const CELLS_GONE: u32 = 100;
/// Residents a statement.
const CHUNK: u32 = 10_000;

pub(crate) async fn run(Arguments { database_url, people, runs }: &Arguments) -> anyhow::Result<()> {
    let pool = start::connect(database_url.parse()?, 4);
    start::prepare(&pool).await?;
    registry::prepare(&pool, *people, 0).await?;
    settle(&pool, *people).await?;
    let desk = Desk::new(pool.clone(), std::sync::Arc::default());
    desk.open();
    let (mut idle_rules, mut due_rules, mut idle, mut due) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // The first of each reads what the database has on disk, and plans.
    for run in 0..=*runs {
        let began = Instant::now();
        ensure!(rules::look_once(&desk).await? == 0, "a rule was due");
        idle_rules.push(ms(began));
        let began = Instant::now();
        ensure!(presence::look(&desk).await?.terminals == 0, "a terminal was due");
        idle.push(ms(began));

        sqlx::query(
            "update rule_watch set wake_at = now() where resident_id in (
                select a.resident_id from terminal t join terminal_assignment a on a.terminal_id = t.id where t.serial = any($1))",
        )
        .bind(serials(run, RULES, *people))
        .execute(&pool)
        .await?;
        let began = Instant::now();
        ensure!(rules::look_once(&desk).await? == usize::try_from(RULES)?, "not those whose rules are due");
        due_rules.push(ms(began));
        sqlx::query(
            "update presence set look_at = now() where terminal_id in (select id from terminal where serial = any($1))",
        )
        .bind(serials(run, SILENCES, *people))
        .execute(&pool)
        .await?;
        let began = Instant::now();
        let looked = presence::look(&desk).await?;
        ensure!(looked.terminals == usize::try_from(SILENCES)?, "not those whose time has come: {looked:?}");
        due.push(ms(began));
    }
    println!("| what, among {people} (median of {runs}, the first left out) | ms |\n|---|---|");
    for (what, times) in [
        ("no rule is due", &idle_rules),
        ("the rules of 500 are due", &due_rules),
        ("no terminal is due", &idle),
        ("2 000 terminals are due, and were heard", &due),
    ] {
        println!("| {what} | {:.1} |", median(times.iter().skip(1).copied()));
    }
    println!("| outages are looked for while nobody is gone | {:.1} |", grouped(&desk, 0).await?);
    // Far from each other and one in ten at most, so that it is not their communities, their carrier or all of them that
    // are gone.
    let cells = CELLS_GONE.min(people / CELL / 10).max(1);
    let gone: Vec<String> = (0..cells).map(|number| (number * (people / CELL / cells)).to_string()).collect();
    sqlx::query(
        "update presence set stage = 'silent', heard_at = now() - interval '80 minutes' + terminal_id % 600 * interval '1 second'
         where terminal_id in (select terminal_id from presence_tie where kind = 'cell' and key = any($1))",
    )
    .bind(gone)
    .execute(&pool)
    .await?;
    let found = grouped(&desk, usize::try_from(cells)?).await?;
    println!(
        "| {cells} cells with {CELL} terminals each fell silent at once: {cells} outages are found | {found:.1} |"
    );
    println!("| the next time, while they go on | {:.1} |", grouped(&desk, 0).await?);
    Ok(())
}

/// How long it takes to look for outages, of which so many begin.
async fn grouped(desk: &Desk, expected: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let found = presence::group(desk).await?;
    ensure!(found == expected, "{found} outages began, not {expected}");
    Ok(ms(began))
}

/// Everybody at home and heard, with a rule for the night that is looked at some time tomorrow.
async fn settle(pool: &PgPool, people: u32) -> anyhow::Result<()> {
    sqlx::raw_sql("truncate rule_breach, presence_tie, listening").execute(pool).await?;
    for first in (0..people).step_by(usize::try_from(CHUNK)?) {
        let serials: Vec<String> = (first..people.min(first + CHUNK)).map(crowd::serial).collect();
        sqlx::query(
            "insert into fence_rule (id, fence_id, expect, days, from_minute, until_minute, grace_s)
             select gen_random_uuid(), f.id, 'inside', 'every', 1320, 360, 600
             from terminal t join terminal_assignment a on a.terminal_id = t.id join fence f on f.resident_id = a.resident_id
             where t.serial = any($1) and not exists (select from fence_rule r where r.fence_id = f.id)",
        )
        .bind(&serials)
        .execute(pool)
        .await?;
    }
    for statement in [
        "update terminal_state s set heard_at = now() - interval '1 minute', beliefs_of = r.fences_version, believed_at = now(),
            beliefs = jsonb_build_array(jsonb_build_object('fence', f.id, 'standing', 'inside'))
         from terminal_assignment a join resident r on r.id = a.resident_id join fence f on f.resident_id = r.id
         where a.terminal_id = s.terminal_id",
        "update rule_watch set wake_at = now() + interval '2 hours' + random() * interval '20 hours'",
        "update presence set stage = 'heard', heard_at = now() - interval '1 minute', outage_id = null, alarmed = false,
            look_at = now() + interval '1 hour' + random() * interval '20 minutes'",
        // Not truncated: everybody's presence would go with it.
        "delete from outage",
    ] {
        sqlx::query(statement).execute(pool).await?;
    }
    sqlx::query(
        "insert into presence_tie (terminal_id, kind, key)
         select p.terminal_id, tie.kind, tie.key
         from (select terminal_id, row_number() over (order by terminal_id) - 1 as number from presence) p
         cross join lateral (values ('cell', (number / $1)::text), ('carrier', (number % 3)::text), ('firmware', 'ydt load'),
            ('community', (number / 5000)::text)) tie (kind, key)",
    )
    .bind(i64::from(CELL))
    .execute(pool)
    .await?;
    sqlx::raw_sql("vacuum analyze").execute(pool).await?;
    Ok(())
}

/// So many of them, far from each other, others in each run.
fn serials(run: u32, count: u32, people: u32) -> Vec<String> {
    let step = (people / count).max(1);
    (0..count).map(|number| crowd::serial((number * step + run) % people)).collect()
}

fn ms(began: Instant) -> f64 {
    1_000.0 * began.elapsed().as_secs_f64()
}
