//! `yidiantong backup`: everything that the database holds, in one file that `yidiantong restore` takes back.
//!
//! The server may run meanwhile. A copy is a `pg_dump` of one moment and a manifest beside it; the manifest is written
//! last, so that whatever has one is whole. What it leaves out: the settings file, the bus's memory, and copies on other
//! machines.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use dispatcher::clock;
use dispatcher::store::archive::{self, Counts};
use dispatcher::store::schema;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::{Over, Place, say, say_json, with_database, write_private};

const DUMP: &str = "dump";
const MANIFEST: &str = "json";
const NAME: &str = "yidiantong-";

/// Copy everything that the database holds into one file. The server may run meanwhile.
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// Into which folder; else as the settings say.
    #[arg(long)]
    to: Option<PathBuf>,
    /// How many copies to keep there; else as the settings say.
    #[arg(long)]
    keep: Option<NonZeroUsize>,
    /// Tell everything as JSON.
    #[arg(long)]
    json: bool,
}

/// What is known of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the executable that made it.
    pub version: String,
    /// Of the tables.
    pub schema: Option<i64>,
    /// The moment that it shows, by the machine's clock.
    pub made_at: Timestamp,
    /// How long it took.
    pub took_ms: u64,
    /// The name of the dump, beside the manifest.
    pub dump: String,
    /// How large the dump is.
    pub dump_bytes: u64,
    /// Of the dump, in hexadecimal.
    pub sha256: String,
    /// How large the database was.
    pub database_bytes: i64,
    /// Rows of each table.
    pub rows: Counts,
}

impl Backup {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        with_database(place, stop, async |settings, database| {
            let folder = self.to.clone().unwrap_or_else(|| settings.backup_dir());
            let keep = self.keep.unwrap_or(settings.backups_kept);
            let begun = clock::now();
            make_folder(&folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
            let name = format!("{NAME}{}", begun.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ"));
            let dump = folder.join(format!("{name}.{DUMP}"));
            let part = folder.join(format!("{name}.part"));

            let (mut moment, snapshot) = archive::moment(&database.pool).await?;
            let rows = archive::counts(&mut moment).await?;
            let database_bytes = archive::size_bytes(&mut moment).await?;
            let schema = schema::standing(&mut moment).await?.version;
            let dumped = dump_to(&part, &database.options, &snapshot).await;
            drop(moment);
            if let Err(cause) = dumped {
                let _ = std::fs::remove_file(&part);
                return Err(cause);
            }
            let checking = part.clone();
            let (sha256, dump_bytes) = tokio::task::spawn_blocking(move || digest(&checking)).await??;
            std::fs::rename(&part, &dump)?;
            let manifest = Manifest {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                schema,
                made_at: begun,
                took_ms: u64::try_from(clock::now().duration_since(begun).as_millis()).unwrap_or_default(),
                dump: file_name(&dump),
                dump_bytes,
                sha256,
                database_bytes,
                rows,
            };
            let path = dump.with_extension(MANIFEST);
            write_private(&path, &serde_json::to_vec_pretty(&manifest)?, Over::Refuse)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            let gone = forget_old(&folder, keep)?;
            if self.json {
                return say_json(&manifest);
            }
            let count: i64 = manifest.rows.values().sum();
            say(format_args!(
                "{}: {count} rows, {:.1} MB, in {:.1} s",
                dump.display(),
                megabytes(manifest.dump_bytes),
                seconds(manifest.took_ms)
            ));
            if gone > 0 {
                say(format_args!("{gone} older copies were deleted: {keep} are kept"));
            }
            Ok(())
        })
        .await
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1.0e6
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // It holds everything about everybody.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

async fn dump_to(path: &Path, options: &PgConnectOptions, snapshot: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
    let mut command = program("pg_dump", options)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--no-comments"]);
    command.arg(format!("--snapshot={snapshot}")).stdout(file.try_clone()?);
    run("pg_dump", command).await?;
    // On disk before it counts as made.
    file.sync_all().with_context(|| format!("{} cannot be written", path.display()))
}

/// A program of PostgreSQL's, the newest on the machine, told how to reach the database by its surroundings: a
/// password on a command line could be read by everybody.
pub(super) fn program(name: &str, options: &PgConnectOptions) -> anyhow::Result<Command> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").join(name)))
        })
        .filter(|(_, path)| path.is_file())
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    let found = versions.pop().map(|(_, path)| path).or(on_path);
    let found = found.with_context(|| {
        format!("{name} is not on this machine; install PostgreSQL's client (Debian, Ubuntu: `apt-get install postgresql-client`)")
    })?;
    let mut command = Command::new(found);
    command.envs(surroundings(options)).stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

fn surroundings(options: &PgConnectOptions) -> Vec<(&'static str, OsString)> {
    let host = options.get_socket().map_or_else(|| options.get_host().into(), |socket| socket.as_os_str().to_owned());
    let ssl_mode = match options.get_ssl_mode() {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    };
    let mut said: Vec<(&'static str, OsString)> = vec![
        ("PGHOST", host),
        ("PGPORT", options.get_port().to_string().into()),
        ("PGUSER", options.get_username().into()),
        ("PGSSLMODE", ssl_mode.into()),
        ("PGAPPNAME", "yidiantong-backup".into()),
    ];
    if let Some(database) = options.get_database() {
        said.push(("PGDATABASE", database.into()));
    }
    // sqlx tells the password and the authority's file nowhere but in its URL.
    let url = options.to_url_lossy();
    if let Some(password) = url.password() {
        said.push(("PGPASSWORD", decoded(password).into()));
    }
    if let Some((_, file)) = url.query_pairs().find(|(name, _)| name == "sslrootcert") {
        said.push(("PGSSLROOTCERT", file.into_owned().into()));
    }
    said
}

/// Without the `%41` of a URL.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped =
            (bytes[at] == b'%').then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()));
        match escaped.flatten() {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Runs a program of PostgreSQL's to its end.
pub(super) async fn run(name: &str, mut command: Command) -> anyhow::Result<()> {
    let output = command.spawn().with_context(|| format!("{name} cannot be run"))?.wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(5).collect();
    anyhow::bail!("{name} failed: {}", lines.join("; "))
}

/// SHA-256 in hexadecimal, and the length.
pub(super) fn digest(path: &Path) -> anyhow::Result<(String, u64)> {
    let mut file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (mut hasher, mut length, mut buffer) = (Sha256::new(), 0_u64, vec![0_u8; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).with_context(|| format!("{} cannot be read", path.display()))?;
        if read == 0 {
            return Ok((hex::encode(hasher.finalize()), length));
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
}

/// The whole copies in a folder, oldest first. What has no manifest is none.
pub(super) fn copies(folder: &Path) -> Vec<(PathBuf, Manifest)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut copies: Vec<(PathBuf, Manifest)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_ours = file_name(&path).starts_with(NAME) && path.extension().is_some_and(|end| end == MANIFEST);
            let manifest: Manifest = serde_json::from_slice(&std::fs::read(&path).ok().filter(|_| is_ours)?).ok()?;
            folder.join(&manifest.dump).is_file().then_some((path, manifest))
        })
        .collect();
    copies.sort_by_key(|(_, manifest)| manifest.made_at);
    copies
}

fn forget_old(folder: &Path, keep: NonZeroUsize) -> anyhow::Result<usize> {
    let copies = copies(folder);
    let gone = &copies[..copies.len().saturating_sub(keep.get())];
    for (path, manifest) in gone {
        // The manifest first: what has none is no copy any more.
        std::fs::remove_file(path)?;
        std::fs::remove_file(folder.join(&manifest.dump))?;
    }
    Ok(gone.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_database_goes_through_the_surroundings_never_the_command_line() {
        let options: PgConnectOptions = "postgres://who:p%40ss%2Fw@db.example:5433/d?sslmode=require".parse().unwrap();
        let said = surroundings(&options);
        let value =
            |name: &str| said.iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_str().unwrap());
        assert_eq!(
            (value("PGHOST"), value("PGPORT"), value("PGUSER")),
            (Some("db.example"), Some("5433"), Some("who"))
        );
        assert_eq!((value("PGDATABASE"), value("PGSSLMODE")), (Some("d"), Some("require")));
        assert_eq!(value("PGPASSWORD"), Some("p@ss/w"));
        let options: PgConnectOptions = "postgres://u@localhost/d?host=/run/x".parse().unwrap();
        assert!(surroundings(&options).contains(&("PGHOST", "/run/x".into())));
    }

    #[test]
    fn the_oldest_copies_go_and_half_made_ones_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        for day in 1..=4 {
            let name = format!("{NAME}2026010{day}T000000Z");
            let manifest = Manifest {
                version: "1".into(),
                schema: Some(1),
                made_at: format!("2026-01-0{day}T00:00:00Z").parse().unwrap(),
                took_ms: 1,
                dump: format!("{name}.{DUMP}"),
                dump_bytes: 0,
                sha256: String::new(),
                database_bytes: 0,
                rows: Counts::new(),
            };
            std::fs::write(folder.path().join(format!("{name}.{MANIFEST}")), serde_json::to_vec(&manifest).unwrap())
                .unwrap();
            if day != 4 {
                std::fs::write(folder.path().join(&manifest.dump), "").unwrap();
            }
        }
        std::fs::write(folder.path().join("mine.json"), "{}").unwrap();
        assert_eq!(copies(folder.path()).len(), 3);
        assert_eq!(forget_old(folder.path(), NonZeroUsize::new(2).unwrap()).unwrap(), 1);
        let kept: Vec<String> = copies(folder.path()).into_iter().map(|(_, manifest)| manifest.dump).collect();
        assert_eq!(kept, ["yidiantong-20260102T000000Z.dump", "yidiantong-20260103T000000Z.dump"]);
    }
}
