//! PostgreSQL's own `pgbench`, beside which the database's part is measured.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::servers::Running;
use crate::table::Quantiles;

/// Positions a statement: as many as a gateway hands over at once.
const BATCH: u32 = 512;

/// Positions a second that two clients can insert for so long, with nothing read and nothing checked, and commits that
/// are waited for as little as ours.
pub(crate) fn inserts(database: &str, people: u32, seconds: u64) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("inserts.sql");
    std::fs::write(
        &script,
        format!(
            "set synchronous_commit = off;\n\
             insert into fix (terminal_id, received_at, place, accuracy_m, source) \
             select 1 + (random() * {people})::bigint, clock_timestamp(), \
             st_setsrid(st_makepoint(112.8 + random() / 2, 28.1 + random() / 4), 4326)::geography, 12.5, 'gnss' \
             from generate_series(1, {BATCH});\n"
        ),
    )?;
    Ok(transactions(database, &script, 2, seconds)? * f64::from(BATCH))
}

/// Fixes a second that one client can have held against their fences by `st_covers`, one after the other.
pub(crate) fn covers(database: &str, fixes: u32, seconds: u64) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("covers.sql");
    std::fs::write(
        &script,
        format!(
            "\\set number random(0, {fixes} - 1)\n\
             select st_covers(area, place) from fix_beside join fence_beside using (resident) where number = :number;\n"
        ),
    )?;
    transactions(database, &script, 1, seconds)
}

/// Transactions a second that so many clients make of a script, for so long.
fn transactions(database: &str, script: &Path, clients: u32, seconds: u64) -> anyhow::Result<f64> {
    let mut command = Command::new("pgbench");
    command.args(["--no-vacuum", "--protocol=prepared"]).arg(format!("--client={clients}"));
    command.arg(format!("--time={seconds}")).arg("--file").arg(script);
    let told = command.arg(database).output().context("pgbench cannot be started")?;
    if !told.status.success() {
        bail!("pgbench: {}", String::from_utf8_lossy(&told.stderr));
    }
    let text = String::from_utf8(told.stdout)?;
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")).and_then(|rest| rest.split(' ').next());
    Ok(tps.context("pgbench tells no tps")?.parse::<f64>()?)
}

/// Commits of single rows that wait for the disk, one after the other at a steady rate.
pub(crate) struct Commits {
    process: Running,
    folder: tempfile::TempDir,
}

impl Commits {
    /// Begins, for so long.
    pub(crate) fn begin(database: &str, per_s: f64, seconds: f64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("commit.sql");
        std::fs::write(&script, "insert into beside (at) values (clock_timestamp());\n")?;
        let table =
            "create table if not exists beside (id bigint generated always as identity primary key, at timestamptz)";
        let made = Command::new("psql").args(["-X", "-q", "-c", table]).arg(database).status()?;
        if !made.success() {
            bail!("the table beside cannot be made");
        }
        let mut command = Command::new("pgbench");
        command.args(["--no-vacuum", "--client=1", "--protocol=prepared", "--log"]).arg(format!("--time={seconds:.0}"));
        command.arg(format!("--rate={per_s}")).arg("--log-prefix").arg(folder.path().join("commits"));
        command.arg("--file").arg(&script).arg(database).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { process: Running::start(&mut command)?, folder })
    }

    /// How long each took, from the moment at which it was due.
    pub(crate) fn end(self) -> anyhow::Result<Quantiles> {
        self.process.ended()?;
        let mut times_ms = Vec::new();
        for entry in std::fs::read_dir(self.folder.path())? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("commits")) {
                times_ms.extend(logged(&path)?);
            }
        }
        Ok(Quantiles::of(times_ms))
    }
}

/// A line of pgbench's log: client, transaction, microseconds, script, second, microsecond, lag.
fn logged(path: &Path) -> anyhow::Result<Vec<f64>> {
    let log = std::fs::read_to_string(path)?;
    let times = log.lines().map(|line| {
        let us: f64 = line.split(' ').nth(2).context("a line of pgbench's log without a time")?.parse()?;
        anyhow::Ok(us / 1000.0)
    });
    times.collect()
}
