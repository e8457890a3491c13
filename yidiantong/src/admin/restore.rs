//! `yidiantong restore`: a database as a backup has it.
//!
//! It goes into an empty database, or (`--replace`) into the place of one that is kept under another name. The dump is
//! checked before anything is touched, put in as one transaction, counted against its manifest, brought up to date and
//! into this database's terms (`store::archive::settle`), and every timeline is checked. Whatever fails on the way
//! leaves the database that was there. Open incidents go on: their deadlines are those of the backup, and what has
//! become too old to be sent is not sent.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use dispatcher::clock;
use dispatcher::store;
use dispatcher::store::archive::{self, Counts};
use dispatcher::store::schema::{self, MIGRATIONS};
use jiff::tz::TimeZone;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::backup::{self, Manifest, copies, megabytes};
use super::{Database, Place, connect, say};

/// Put a backup into an empty database, or in the place of the present one. The server must not run.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// A copy's manifest (.json) or dump, or a folder: its newest copy.
    from: PathBuf,
    /// Put it in the place of the database that is there, which is kept under another name.
    #[arg(long)]
    replace: bool,
}

impl Restore {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        let (dump, manifest) = find(&self.from)?;
        say(format_args!(
            "{}: of {:.0}, {} rows, {:.1} MB",
            dump.display(),
            manifest.made_at,
            manifest.rows.values().sum::<i64>(),
            megabytes(manifest.dump_bytes)
        ));
        anyhow::ensure!(
            manifest.schema <= schema::newest(),
            "it was made by a newer yidiantong ({}): use that one to restore it",
            manifest.version
        );
        let checking = dump.clone();
        let (sha256, _) = tokio::task::spawn_blocking(move || backup::digest(&checking)).await??;
        anyhow::ensure!(
            sha256 == manifest.sha256,
            "{} is not what was written ({sha256} is not {}): take another copy",
            dump.display(),
            manifest.sha256
        );

        let settings = place.settings()?;
        let database = Database::reach(place, &settings, stop).await?;
        // Not given up half way when somebody presses Ctrl-C: a restore ends, or undoes itself.
        let restored = self.put_in(&database, &dump, &manifest).await;
        if restored.is_ok() {
            // Who was logged in before is not any more.
            let _ = std::fs::remove_file(settings.data.join(crate::office::SESSIONS_FILE));
        }
        let left = database.leave().await;
        restored.and(left)
    }

    async fn put_in(&self, database: &Database, dump: &Path, manifest: &Manifest) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut conn = database.pool.acquire().await.context("the database does not answer")?;
        if !database.is_ours() {
            let others = archive::others_connected(&mut conn).await?;
            anyhow::ensure!(
                others == 0,
                "a server works with this database: stop it first (`systemctl stop yidiantong`)"
            );
        }
        let is_empty = archive::is_empty(&mut conn).await?;
        drop(conn);
        anyhow::ensure!(
            is_empty || self.replace,
            "the database is not empty; --replace keeps it under another name and puts the backup in its place"
        );
        if is_empty {
            fill(&database.options, &database.pool, dump, manifest).await?;
        } else {
            self.put_in_place_of(database, dump, manifest).await?;
        }
        say(format_args!("restored in {:.1} s; the server may be started", begun.elapsed().as_secs_f64()));
        say("Everybody has to log in anew. What was changed after the backup is not in it: terminals and users that \
             were revoked since can connect again until they are revoked again.");
        Ok(())
    }

    async fn put_in_place_of(&self, database: &Database, dump: &Path, manifest: &Manifest) -> anyhow::Result<()> {
        let name = database.options.get_database().context("the database has no name")?.to_owned();
        let kept = format!("{name}_before_{}", clock::now().to_zoned(TimeZone::UTC).strftime("%Y%m%d_%H%M%S"));
        // Nobody may be connected to a database that is renamed.
        database.pool.close().await;
        let mut server = database.options.clone().database("postgres").connect().await.context(
            "the database `postgres` is out of reach, from which others are made and renamed: restore into an empty \
             database of another name, and give the server that one",
        )?;
        archive::rename(&mut server, &name, &kept).await.context("the present database cannot be moved aside")?;
        let filled = async {
            archive::create(&mut server, &name).await.context("a new database cannot be made")?;
            let pool = connect(&database.options);
            let filled = fill(&database.options, &pool, dump, manifest).await;
            pool.close().await;
            filled
        };
        if let Err(cause) = filled.await {
            archive::drop_half_made(&mut server, &name).await?;
            archive::rename(&mut server, &kept, &name).await?;
            return Err(cause.context("the present database was put back as it was"));
        }
        server.close().await?;
        say(format_args!("the database that was there is kept as {kept}"));
        Ok(())
    }
}

/// Fills an empty database. An error leaves it empty, or to be thrown away.
async fn fill(options: &PgConnectOptions, pool: &PgPool, dump: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let mut conn = pool.acquire().await.context("the database does not answer")?;
    archive::prepare(&mut conn).await.context("PostGIS cannot be had in the new database")?;
    let mut command = backup::program("pg_restore", options)?;
    command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments"]);
    command.arg("--dbname").arg(options.get_database().unwrap_or_default()).arg(dump);
    backup::run("pg_restore", command).await?;

    let rows = archive::counts(&mut conn).await?;
    if rows != manifest.rows {
        anyhow::bail!("the rows are not those of the backup: {}", differences(&manifest.rows, &rows));
    }
    drop(conn);
    MIGRATIONS.run(pool).await.context("its tables cannot be brought up to date")?;
    let mut tx = store::begin(pool).await?;
    archive::settle(&mut tx).await?;
    tx.commit().await?;
    let mut conn = pool.acquire().await?;
    check_timelines(&mut conn).await
}

async fn check_timelines(conn: &mut PgConnection) -> anyhow::Result<()> {
    let (count, broken) = archive::broken_chains(conn).await?;
    say(format_args!("{count} timelines checked, {} broken", broken.len()));
    // Told, not refused: a broken timeline is no reason to have no database.
    for (incident, why) in broken.iter().take(20) {
        tracing::error!(incident.id = %incident, %why, "this timeline was broken before the backup was made");
    }
    Ok(())
}

fn differences(expected: &Counts, found: &Counts) -> String {
    let mut said = Vec::new();
    for table in expected.keys().chain(found.keys().filter(|table| !expected.contains_key(*table))) {
        let count = |counts: &Counts| counts.get(table).map_or_else(|| "no table".to_owned(), ToString::to_string);
        if expected.get(table) != found.get(table) {
            said.push(format!("{table} had {} and has {}", count(expected), count(found)));
        }
    }
    said.join(", ")
}

/// The dump that is meant, and what is known of it.
fn find(from: &Path) -> anyhow::Result<(PathBuf, Manifest)> {
    if from.is_dir() {
        let (_, manifest) =
            copies(from).pop().with_context(|| format!("there is no whole backup in {}", from.display()))?;
        return Ok((from.join(&manifest.dump), manifest));
    }
    let path = from.with_extension("json");
    let text = std::fs::read(&path)
        .with_context(|| format!("{} cannot be read, without which a dump is no backup", path.display()))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).with_context(|| format!("{} is no backup's manifest", path.display()))?;
    Ok((path.with_file_name(&manifest.dump), manifest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_table() {
        let counts =
            |rows: &[(&str, i64)]| rows.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect::<Counts>();
        let said = differences(&counts(&[("a", 1), ("b", 2), ("c", 3)]), &counts(&[("a", 1), ("b", 1), ("d", 4)]));
        assert_eq!(said, "b had 2 and has 1, c had 3 and has no table, d had no table and has 4");
    }
}
