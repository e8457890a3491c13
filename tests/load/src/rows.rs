//! The rows of `docs/benchmarks.md`. Pairs are measured one right after the other, and told as medians of their ratios.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use firmware_sim::crowd::Report;
use serde::Deserialize;
use sqlx::postgres::PgPoolOptions;

use crate::registry;
use crate::servers::{self, Running};

/// Connects everybody to both, in turns.
pub(crate) fn connect(people: u32, runs: usize) -> anyhow::Result<()> {
    let mut pairs = Vec::new();
    for run in 0..runs {
        let ours = once_connected(people, Side::Ours)?;
        let theirs = once_connected(people, Side::Mosquitto)?;
        println!(
            "run {run}: {people} connected in {:.2} s and {:.2} s; {:.1} KB and {:.1} KB each",
            ours.0, theirs.0, ours.1, theirs.1
        );
        pairs.push((ours, theirs));
    }
    let time = median(pairs.iter().map(|(ours, theirs)| ours.0 / theirs.0));
    let memory = median(pairs.iter().map(|(ours, _)| ours.1));
    let beside = median(pairs.iter().map(|(_, theirs)| theirs.1));
    println!("connect: {time:.2} of Mosquitto's time; {memory:.1} KB a terminal beside {beside:.1} KB");
    Ok(())
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

/// Seconds until all were connected, and KB each.
fn once_connected(people: u32, side: Side) -> anyhow::Result<(f64, f64)> {
    let front = Front::open(side, people)?;
    let before = front.process.memory()?;
    let mut crowd =
        servers::crowd(front.mqtt, &words(&["--crowd", &people.to_string(), "--silent", "--seconds", "3"]))?;
    let connected = crowd.connected()?;
    std::thread::sleep(Duration::from_secs(2));
    let after = front.process.memory()?;
    crowd.end()?;
    let took = connected.all_connected_s.context("not all were connected")?;
    #[expect(clippy::cast_precision_loss, reason = "bytes")]
    let each = (after - before) as f64 / 1024.0 / f64::from(people);
    Ok((took, each))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Positions to both, in turns.
pub(crate) fn telemetry(people: u32, rate: f64, seconds: f64, runs: usize) -> anyhow::Result<()> {
    let (mut means, mut p99s) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let ours = once_told(people, rate, seconds, Side::Ours)?;
        let theirs = once_told(people, rate, seconds, Side::Mosquitto)?;
        for (who, (report, heard)) in [("ours", &ours), ("Mosquitto", &theirs)] {
            let told = report.telemetry;
            println!(
                "run {run}, {who}: {} acknowledged of {} sent, {heard} heard; PUBACK mean {:.2} ms, p99 {:.2} ms",
                told.count, report.telemetry_sent, told.mean_ms, told.p99_ms
            );
        }
        means.push(ours.0.telemetry.mean_ms / theirs.0.telemetry.mean_ms);
        p99s.push(ours.0.telemetry.p99_ms / theirs.0.telemetry.p99_ms);
    }
    println!(
        "PUBACK: {:.2} of Mosquitto's mean, {:.2} of its p99",
        median(means.into_iter()),
        median(p99s.into_iter())
    );
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
    let arguments = ["--crowd", &people.to_string(), "--rate", &rate.to_string(), "--seconds", &seconds.to_string()];
    let report = servers::crowd(front.mqtt, &words(&arguments))?.end()?;
    std::thread::sleep(Duration::from_millis(1500));
    Ok((report, heard.load(Ordering::Relaxed)))
}

/// What comes through everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) people: u32,
    pub(crate) concentrators: u32,
    pub(crate) rate: f64,
    pub(crate) presses: f64,
    pub(crate) seconds: f64,
}

/// Seconds of processor that a process has used until now.
fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit_once(')').context("a stat line has a name in it")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// Seconds that all processors together were not idle.
fn busy_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).map(str::parse).collect::<Result<_, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal
    Ok((ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / 100.0)
}

/// Positions and presses through everything.
pub(crate) async fn durable(data: &Path, load: Load) -> anyhow::Result<()> {
    let Load { people, concentrators, rate, presses, seconds } = load;
    let server = servers::whole(data)?;
    let pool = PgPoolOptions::new().max_connections(2).connect(&server.database).await?;
    let registered: i64 =
        sqlx::query_scalar("select count(*) from terminal where model = 'load'").fetch_one(&pool).await?;
    if registered == 0 {
        let began = Instant::now();
        registry::fill(&pool, people, concentrators).await?;
        println!("{people} registered in {:.1?}", began.elapsed());
    } else if registered != i64::from(people) {
        bail!("{registered} are registered there, not {people}: another folder is wanted");
    }
    let count = async |what: &'static str| sqlx::query_scalar::<_, i64>(what).fetch_one(&pool).await;
    let fixes = "select count(*) from fix";
    let before = count(fixes).await?;
    let incidents = "select coalesce(sum(presses), 0)::bigint from incident where class = 'emergency'";
    let pressed_before = count(incidents).await?;
    let mut crowd = servers::crowd(
        server.mqtt,
        &words(&[
            "--crowd",
            &people.to_string(),
            "--concentrators",
            &concentrators.to_string(),
            "--rate",
            &rate.to_string(),
            "--presses",
            &presses.to_string(),
            "--seconds",
            &seconds.to_string(),
        ]),
    )?;
    crowd.connected()?;
    let (began, busy, own) = (Instant::now(), busy_s()?, cpu_s(crowd.pid())?);
    let memory = server.process.memory()?;
    std::thread::sleep(Duration::from_secs_f64(seconds - 1.0));
    let in_time = count(fixes).await? - before;
    let took = began.elapsed().as_secs_f64();
    let (busy, own) = (busy_s()? - busy, cpu_s(crowd.pid())? - own);
    let grown = server.process.memory()?.saturating_sub(memory);
    let report = crowd.end()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (all, pressed) = (count(fixes).await? - before, count(incidents).await? - pressed_before);
    println!(
        "{} sent, {} acknowledged; {all} fixes stored, {:.0} a second while they came",
        report.telemetry_sent,
        report.telemetry.count,
        f64::from(u32::try_from(in_time)?) / took
    );
    println!(
        "machine {:.0} % busy, the crowd alone {:.0} %; server's memory grew by {} MB",
        50.0 * busy / took,
        50.0 * own / took,
        grown >> 20
    );
    println!(
        "presses: {} sent, {} acknowledged, {pressed} taken in; PUBACK p50 {:.1} p99 {:.1} p99.9 {:.1} max {:.1} ms",
        report.presses_sent,
        report.presses.count,
        report.presses.p50_ms,
        report.presses.p99_ms,
        report.presses.p999_ms,
        report.presses.max_ms
    );
    println!("{}", serde_json::to_string(&report)?);
    server.process.end()
}
