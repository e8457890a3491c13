//! What administrators type: `yidiantong migrate`, `doctor`, `user`, `terminal`, `concentrator`, `node`, `resident`, `import`, `backup`,
//! `restore`, `config`, `decode`. Each command is a room of its own below; here is what they share: which settings hold, the way to the
//! database, and how they speak.
//!
//! What is asked for goes to standard output, in words or (`--json`) as JSON; a refusal is one sentence that says what
//! to do, on standard error, with exit status 1. A rule about people, places or terminals is in `dispatcher`.

pub mod backup;
pub mod concentrator;
pub mod config;
pub mod decode;
pub mod doctor;
pub mod import;
pub mod migrate;
pub mod node;
pub mod replay_fences;
pub mod resident;
pub mod restore;
pub mod secret;
pub mod sim_city;
pub mod terminal;
pub mod user;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dispatcher::store::schema::{self, Standing};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use crate::cluster::{self, Visit};
use crate::settings::{Settings, unknown_variables};

/// Which installation a command is about: the same words as `serve` takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Place {
    /// A TOML file with settings: `yidiantong config` prints one.
    #[arg(long, global = true)]
    pub settings: Option<PathBuf>,
    /// Where everything that outlives the process lies.
    #[arg(long, global = true)]
    pub data: Option<PathBuf>,
    /// The database; without it a private PostgreSQL cluster is kept in the data folder.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

impl Place {
    /// The settings that hold: file, environment and command line.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        for name in unknown_variables(&environment) {
            tracing::warn!(name, "this variable looks like a setting and is none; `yidiantong config` lists them");
        }
        let mut settings = Settings::read(self.settings.as_deref(), &environment)?;
        if let Some(data) = &self.data {
            settings.data.clone_from(data);
        }
        Ok(settings)
    }
}

/// The database, for the time of one command.
#[derive(Debug)]
pub struct Database {
    /// The way to it.
    pub options: PgConnectOptions,
    /// Connections.
    pub pool: PgPool,
    visit: Option<Visit>,
}

/// How many connections a command has at most.
const CONNECTIONS_MAX: u32 = 3;
/// As what the server sees us: not as one that serves.
const APPLICATION: &str = "yidiantong-admin";

impl Database {
    /// Reaches it: the given one, that of a `serve` that runs on this data folder, or one brought up for us.
    pub async fn reach(place: &Place, settings: &Settings, stop: &CancellationToken) -> anyhow::Result<Self> {
        let (options, visit) = if let Some(url) = &place.database_url {
            (url.parse().context("DATABASE_URL is no PostgreSQL address")?, None)
        } else {
            must_be_owner(&settings.data)?;
            let visit = cluster::visit(&settings.data, stop).await.context("the private database is out of reach")?;
            (visit.options(), Some(visit))
        };
        let options: PgConnectOptions = options.application_name(APPLICATION);
        let pool = connect(&options);
        Ok(Self { options, pool, visit })
    }

    /// How its tables stand.
    pub async fn standing(&self) -> anyhow::Result<Standing> {
        let mut conn = self.pool.acquire().await.context("the database does not answer")?;
        Ok(schema::standing(&mut conn).await?)
    }

    /// Whether nobody else has the private cluster; an outside database may always have others.
    pub const fn is_ours(&self) -> bool {
        matches!(self.visit, Some(Visit::Host { .. }))
    }

    /// Lets go of it.
    pub async fn leave(self) -> anyhow::Result<()> {
        self.pool.close().await;
        match self.visit {
            Some(visit) => visit.leave().await.context("the private database did not stop in order"),
            None => Ok(()),
        }
    }
}

/// Root would leave files in the data folder that the server's own user could not open any more.
fn must_be_owner(data: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = std::fs::metadata(data).map_or(0, |found| found.uid());
    anyhow::ensure!(
        owner == 0 || !rustix::process::geteuid().is_root(),
        "{} belongs to the user with number {owner}; run this as that user: `runuser -u $(id -nu {owner}) -- yidiantong …`",
        data.display()
    );
    Ok(())
}

/// Connections that are opened when they are needed.
pub fn connect(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect_lazy_with(options.clone())
}

/// Does something with a database whose tables are up to date, and lets go of it again, however that went.
pub async fn with_database<T>(
    place: &Place,
    stop: &CancellationToken,
    deed: impl AsyncFnOnce(&Settings, &Database) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let settings = place.settings()?;
    let database = Database::reach(place, &settings, stop).await?;
    let doing = async {
        must_be_current(&database.standing().await?)?;
        deed(&settings, &database).await
    };
    let done = unless_stopped(stop, doing).await;
    let left = database.leave().await;
    let done = done?;
    left?;
    Ok(done)
}

/// What is done is given up when a person asks for it; a transaction is then rolled back.
pub async fn unless_stopped<T>(
    stop: &CancellationToken,
    deed: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        done = deed => done,
        () = stop.cancelled() => anyhow::bail!("stopped before it was done: nothing was changed"),
    }
}

fn must_be_current(standing: &Standing) -> anyhow::Result<()> {
    if let [version, ..] = standing.unknown[..] {
        anyhow::bail!("a newer yidiantong has been at work here (its tables are of version {version}): use that one");
    }
    if !standing.is_current() {
        anyhow::bail!("the tables are not up to date: run `yidiantong migrate` first (with the server stopped)");
    }
    Ok(())
}

/// Says a line to the person who typed the command. One who has stopped listening (`| head`) is no error.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Says why something was not done: a sentence, with its causes behind colons.
pub fn refuse(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "yidiantong: {error:#}");
}

/// Says something as JSON.
pub fn say_json(what: &impl serde::Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(what)?);
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all. One that is there already is not touched unless
/// `over` says so.
pub fn write_private(path: &Path, bytes: &[u8], over: Over) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if over == Over::Refuse && path.exists() {
        return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, "there is a file of this name already"));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let _ = std::fs::remove_file(&part);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It stays, and that is an error.
    Refuse,
    /// It is replaced.
    Write,
}
