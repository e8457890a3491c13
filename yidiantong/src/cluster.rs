//! A private PostgreSQL + PostGIS cluster in the data folder, for a `serve` that was given no `DATABASE_URL`.
//!
//! It is found on the machine, made once, started and stopped with the process, and started again whenever it dies.
//! It listens on a Unix socket in a folder that only its owner can enter, never on TCP. A postmaster that outlived a
//! `kill -9` of this process is adopted when it answers and stopped when it does not; two processes never share a
//! data folder. What it leaves out: schema, pools, backups, and everything but Linux (it reads `/proc`).
//!
//! In the data folder: `postgres/` (PostgreSQL's own), `postgres.conf` and `pg_hba.conf` (written anew at each start),
//! `local.conf` (yours, read last when it exists), `postgres-log/` (a file a weekday), `lock`.

mod folders;
mod owner;
mod process;
mod programs;
mod settings;
mod visit;

pub use visit::{Visit, visit};

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use folders::Folders;
use owner::Owner;
use process::{Postmaster, Signal};
use programs::Programs;

/// The database inside the cluster, and the role that owns it.
pub const DATABASE: &str = "yidiantong";

/// The port names the socket's file and nothing else.
const PORT: u16 = 5432;

/// How long a postmaster may take to answer: replaying a full `max_wal_size` after a crash on a slow disk.
const ANSWERS_WITHIN: Duration = Duration::from_mins(5);
/// How long a postmaster found at start may stay silent before it is stopped instead of adopted.
const ADOPTED_WITHIN: Duration = Duration::from_mins(1);
/// How long a fast shutdown may take, with its checkpoint; below the 90 s after which systemd kills us.
const FAST_STOP_WITHIN: Duration = Duration::from_mins(1);
const IMMEDIATE_STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long the children of a killed postmaster may take to notice that it is gone.
const LEFTOVERS_LEAVE_WITHIN: Duration = Duration::from_secs(3);

const POLL_EVERY: Duration = Duration::from_millis(50);
const RESTART_PAUSE_AT_FIRST: Duration = Duration::from_millis(250);
const RESTART_PAUSE_AT_MOST: Duration = Duration::from_secs(10);
/// A postmaster that ran this long was well: the next restart after it is not held back.
const WELL_AFTER: Duration = Duration::from_mins(1);

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No server on the machine.
    #[error(
        "no PostgreSQL server (14 or newer) was found on this machine; install it with PostGIS (Debian, Ubuntu: `apt-get install \
         postgresql-postgis`), or set DATABASE_URL to one that runs elsewhere"
    )]
    PostgresMissing,
    /// A server, but not PostGIS for that server.
    #[error(
        "PostgreSQL {version} is here, but PostGIS for it is not; install it (Debian, Ubuntu: `apt-get install \
         postgresql-postgis`, or `postgresql-{version}-postgis-3`)"
    )]
    PostgisMissing {
        /// PostgreSQL's major version.
        version: u32,
    },
    /// The data folder was made by a version that is not installed (any more).
    #[error(
        "{} was made by PostgreSQL {version}, which is not on this machine; install `postgresql-{version}-postgis-3`, \
         or move the data with pg_upgrade", .folder.display()
    )]
    VersionMissing {
        /// PostgreSQL's own folder.
        folder: PathBuf,
        /// The major version that made it.
        version: String,
    },
    /// Another process works with this data folder.
    #[error("another yidiantong{} works with the data folder {}; stop it, or choose another with --data",
        .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), .folder.display())]
    Busy {
        /// The data folder.
        folder: PathBuf,
        /// The other process, when it left its number.
        pid: Option<u32>,
    },
    /// PostgreSQL refuses to run as root, and its own account cannot be had.
    #[error(
        "the system user {name} is missing and could not be made ({cause}); make it with `useradd --system {name}`"
    )]
    NoAccount {
        /// The account's name.
        name: &'static str,
        /// What stood in the way.
        cause: String,
    },
    /// The account that PostgreSQL runs as cannot get to the data folder.
    #[error(
        "the system user {account} cannot enter {}; choose a data folder that it can reach, such as /var/lib/yidiantong",
        .folder.display()
    )]
    OutOfReach {
        /// The data folder.
        folder: PathBuf,
        /// The account's name.
        account: String,
    },
    /// Nowhere to put the socket.
    #[error("no folder of our own for PostgreSQL's socket could be had: {0}")]
    NoSocketFolder(String),
    /// A file or folder could not be read or written.
    #[error("{}: {error}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A program of PostgreSQL's could not be run at all.
    #[error("{program} could not be run: {error}")]
    Spawn {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A program of PostgreSQL's ended with an error.
    #[error("{program} failed: {said}")]
    Failed {
        /// Which.
        program: &'static str,
        /// Its last words.
        said: String,
    },
    /// The postmaster runs but does not answer.
    #[error("PostgreSQL runs but did not answer within {within_s} s; its log is in {}", .log.display())]
    Silent {
        /// How long it was waited for.
        within_s: u64,
        /// The folder of its log.
        log: PathBuf,
    },
    /// PostgreSQL answers, but refuses what the database needs.
    #[error("the database could not be prepared: {0}")]
    Database(#[from] sqlx::Error),
    /// The postmaster, or what it left behind, would not end.
    #[error("process {pid} of the old PostgreSQL does not end, even killed")]
    WouldNotEnd {
        /// Which process.
        pid: u32,
    },
    /// A signal could not be sent.
    #[error("process {pid} could not be signalled: {error}")]
    Signal {
        /// Which process.
        pid: u32,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The postmaster was ended by somebody before it answered.
    #[error("PostgreSQL was ended before it answered: {0}")]
    Killed(String),
    /// The stop came before the cluster was ready.
    #[error("stopped before PostgreSQL was ready")]
    Cancelled,
    /// The supervisor itself broke off.
    #[error("the supervisor of PostgreSQL broke off: {0}")]
    Supervisor(#[from] tokio::task::JoinError),
}

impl ClusterError {
    /// Whether the next start may be better: the postmaster was ended, or ended while the database was prepared.
    fn may_pass(&self) -> bool {
        match self {
            Self::Killed(_) => true,
            Self::Database(error) => dispatcher::store::is_away(error),
            _ => false,
        }
    }
}

/// A cluster that is being brought up, or runs. Dropping it stops nothing: cancel the token that it was started with, then wait for
/// [`Cluster::stopped`].
#[derive(Debug)]
pub struct Cluster {
    options: PgConnectOptions,
    url: String,
    socket_dir: PathBuf,
    postmaster: watch::Receiver<Option<u32>>,
    supervisor: JoinHandle<Result<(), ClusterError>>,
}

impl Cluster {
    /// The connection URL, for sqlx and for psql alike: `postgres://yidiantong@localhost/yidiantong?host=/the/socket`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same as [`Cluster::url`], parsed.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// The folder of the socket; only the cluster's owner and root can enter it.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Waits until the database [`DATABASE`] has answered, and has PostGIS. `None` when it never will:
    /// [`Cluster::stopped`] says why.
    pub async fn answers(&self) -> Option<u32> {
        let mut postmaster = self.postmaster.clone();
        let running = postmaster.wait_for(Option::is_some).await;
        running.ok().and_then(|running| *running)
    }

    /// Whether nobody supervises it any more.
    pub fn is_over(&self) -> bool {
        self.postmaster.has_changed().is_err()
    }

    /// Waits until nobody supervises it any more.
    pub fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut postmaster = self.postmaster.clone();
        async move {
            // It is never so; the wait ends when nobody is left to say so.
            let _ = postmaster.wait_for(|_| false).await;
        }
    }

    /// The postmaster's process, `None` while it is being started.
    pub fn postmaster(&self) -> watch::Receiver<Option<u32>> {
        self.postmaster.clone()
    }

    /// Waits for the end of the cluster, which comes when the token is cancelled, or at once with the error that
    /// kept it from being brought up. The database was shut down in order when this returns without an error.
    pub async fn stopped(self) -> Result<(), ClusterError> {
        self.supervisor.await?
    }
}

/// Where the data go when nothing is said: `/var/lib/yidiantong` for root; for others
/// `$XDG_DATA_HOME/yidiantong`, which is `~/.local/share/yidiantong` when that is not set.
pub fn default_data_dir() -> PathBuf {
    if owner::is_root() {
        return PathBuf::from("/var/lib/yidiantong");
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_else(std::env::temp_dir)
        .join("yidiantong")
}

/// Finds what the cluster of `data_dir` needs, and lets it be brought up (or adopted) and supervised until `stop` is
/// cancelled. This returns before the database [`DATABASE`] answers: see [`Cluster::answers`].
pub async fn start(data_dir: &Path, stop: CancellationToken) -> Result<Cluster, ClusterError> {
    let owner = Owner::find().await?;
    let folders = Folders::lay_out(data_dir, &owner).await?;
    let programs = Programs::find(&folders).inspect_err(|_| folders.leave_socket_folder())?;
    let site = Site { owner, folders, programs };
    let (now_running, postmaster) = watch::channel(None);
    Ok(Cluster {
        options: site.options(DATABASE),
        url: site.url(),
        socket_dir: site.folders.socket.clone(),
        postmaster,
        supervisor: tokio::spawn(supervise(site, now_running, stop)),
    })
}

/// Brings the cluster up, and up again whenever it ends by itself. An error that would be the same the next time
/// ends it, but only as long as the database has never answered.
async fn supervise(
    site: Site,
    now_running: watch::Sender<Option<u32>>,
    stop: CancellationToken,
) -> Result<(), ClusterError> {
    let mut standing = Standing::New;
    let mut pause = Duration::ZERO;
    loop {
        let mut postmaster = match site.bring_up(standing, &stop).await {
            Ok(postmaster) => postmaster,
            Err(ClusterError::Cancelled) => return Ok(()),
            // Never given up: a full disk is emptied, a killed machine comes back, and nobody restarts us for it.
            Err(error) if standing == Standing::Proven || error.may_pass() => {
                pause = (pause * 2).clamp(RESTART_PAUSE_AT_FIRST, RESTART_PAUSE_AT_MOST);
                tracing::error!(%error, "PostgreSQL could not be started; trying again");
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = sleep(pause) => continue,
                }
            }
            Err(error) => {
                site.folders.leave_socket_folder();
                return Err(error);
            }
        };
        if standing == Standing::Proven {
            tracing::info!(pid = postmaster.pid(), "PostgreSQL answers again");
        }
        standing = Standing::Proven;
        now_running.send_replace(Some(postmaster.pid()));
        let since = Instant::now();
        tokio::select! {
            () = stop.cancelled() => return site.shut_down(postmaster).await,
            end = postmaster.ended() => {
                now_running.send_replace(None);
                tracing::error!(pid = postmaster.pid(), %end, "PostgreSQL ended by itself; starting it again");
            }
        }
        if since.elapsed() >= WELL_AFTER {
            pause = Duration::ZERO;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(pause) => pause = (pause * 2).clamp(RESTART_PAUSE_AT_FIRST, RESTART_PAUSE_AT_MOST),
        }
    }
}

/// Whether the cluster has ever worked in the life of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    New,
    Proven,
}

/// Everything that stays the same while postmasters come and go.
#[derive(Debug)]
struct Site {
    owner: Owner,
    folders: Folders,
    programs: Programs,
}

impl Site {
    /// Everything between an empty folder and a database that answers. One that is proven has been made and prepared.
    async fn bring_up(&self, standing: Standing, stop: &CancellationToken) -> Result<Postmaster, ClusterError> {
        if standing == Standing::Proven {
            return self.adopt_or_start(stop).await;
        }
        self.make_once().await?;
        let postmaster = self.adopt_or_start(stop).await?;
        let Err(error) = self.prepare_database().await else { return Ok(postmaster) };
        self.shut_down(postmaster).await?;
        if is_missing_extension(&error) {
            return Err(ClusterError::PostgisMissing { version: self.programs.version });
        }
        Err(ClusterError::Database(error))
    }

    /// `initdb`, once. Made beside its place and moved there whole, so that a kill in the middle leaves nothing that
    /// looks like a database.
    async fn make_once(&self) -> Result<(), ClusterError> {
        if self.folders.made_by()?.is_some() {
            return Ok(());
        }
        tracing::info!(folder = %self.folders.postgres.display(), "making a PostgreSQL cluster");
        let mut outcome = None;
        // C.UTF-8 sorts by code point and never changes under a database when the C library is upgraded; not every
        // distribution has it.
        for locale in ["C.UTF-8", "C"] {
            let half_made = self.folders.clear_half_made(&self.owner)?;
            let mut initdb = self.owner.command(&self.programs.initdb());
            initdb.arg("--pgdata").arg(&half_made);
            initdb.arg(format!("--username={DATABASE}")).arg(format!("--locale={locale}"));
            initdb.args(["--encoding=UTF8", "--auth-local=trust", "--auth-host=reject", "--data-checksums"]);
            let output = initdb
                .output()
                .await
                .map_err(|error| ClusterError::Spawn { program: self.programs.initdb(), error })?;
            if output.status.success() {
                return self.folders.accept_half_made();
            }
            outcome = Some(ClusterError::Failed { program: "initdb", said: last_words(&output.stderr) });
        }
        Err(outcome.unwrap_or(ClusterError::PostgresMissing))
    }

    async fn adopt_or_start(&self, stop: &CancellationToken) -> Result<Postmaster, ClusterError> {
        if let Some(found) = process::find_postmaster(&self.folders) {
            let mut postmaster = Postmaster::adopt(found.pid, &self.folders);
            if found.is_ours(&self.folders) && self.answers(&mut postmaster, ADOPTED_WITHIN, stop).await.is_ok() {
                tracing::info!(pid = found.pid, "adopted a PostgreSQL that outlived its parent");
                return Ok(postmaster);
            }
            tracing::warn!(pid = found.pid, "found a PostgreSQL that does not answer here; stopping it");
            self.shut_down(postmaster).await?;
            if stop.is_cancelled() {
                return Err(ClusterError::Cancelled);
            }
        }
        self.start_postmaster(stop).await
    }

    async fn start_postmaster(&self, stop: &CancellationToken) -> Result<Postmaster, ClusterError> {
        self.clear_leftovers().await?;
        process::remove_false_pid_file(&self.folders);
        self.folders.make_socket_folder(&self.owner)?;
        self.folders.write_settings(&settings::server(&self.folders), settings::HBA)?;
        let mut postmaster = Postmaster::spawn(self.postgres_command()?, &self.folders)
            .map_err(|error| ClusterError::Spawn { program: self.programs.postgres(), error })?;
        match self.answers(&mut postmaster, ANSWERS_WITHIN, stop).await {
            Ok(()) => Ok(postmaster),
            Err(Unanswered::Ended(end)) if end.was_killed() => Err(ClusterError::Killed(end.to_string())),
            Err(Unanswered::Ended(_)) => {
                Err(ClusterError::Failed { program: "postgres", said: self.folders.log_says() })
            }
            Err(Unanswered::Cancelled) => {
                self.shut_down(postmaster).await?;
                Err(ClusterError::Cancelled)
            }
            Err(Unanswered::Late) => {
                self.shut_down(postmaster).await?;
                Err(ClusterError::Silent { within_s: ANSWERS_WITHIN.as_secs(), log: self.folders.log.clone() })
            }
        }
    }

    fn postgres_command(&self) -> Result<tokio::process::Command, ClusterError> {
        let mut command = self.owner.command(&self.programs.postgres());
        command.arg("-D").arg(&self.folders.postgres);
        // Given as arguments, these win over whatever `alter system` has written.
        for setting in settings::fixed(&self.folders) {
            command.arg("-c").arg(setting);
        }
        let (out, err) = self.folders.open_start_log()?;
        command.stdin(std::process::Stdio::null()).stdout(out).stderr(err);
        // Its own process group: Ctrl-C in a terminal is for us, and we stop the database after everything else.
        command.process_group(0).kill_on_drop(false);
        Ok(command)
    }

    /// Waits until the postmaster takes a query.
    async fn answers(
        &self,
        postmaster: &mut Postmaster,
        within: Duration,
        stop: &CancellationToken,
    ) -> Result<(), Unanswered> {
        let until = Instant::now() + within;
        loop {
            if let Ok(true) = timeout(Duration::from_secs(2), self.is_our_database()).await {
                return Ok(());
            }
            tokio::select! {
                () = stop.cancelled() => return Err(Unanswered::Cancelled),
                end = postmaster.ended() => return Err(Unanswered::Ended(end)),
                () = sleep(POLL_EVERY) => {}
            }
            if Instant::now() >= until {
                return Err(Unanswered::Late);
            }
        }
    }

    async fn is_our_database(&self) -> bool {
        let asked = async {
            let mut connection = self.connect("postgres").await?;
            let row = sqlx::query("select current_setting('data_directory')").fetch_one(&mut connection).await?;
            let folder: String = row.try_get(0)?;
            connection.close().await?;
            Ok::<_, sqlx::Error>(folder)
        };
        asked.await.is_ok_and(|folder| Path::new(&folder) == self.folders.postgres)
    }

    async fn prepare_database(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.connect("postgres").await?;
        let there = sqlx::query("select 1 from pg_database where datname = $1")
            .bind(DATABASE)
            .fetch_optional(&mut connection)
            .await?;
        if there.is_none() {
            sqlx::query("create database yidiantong").execute(&mut connection).await?;
        }
        connection.close().await?;
        let mut connection = self.connect(DATABASE).await?;
        sqlx::query("create extension if not exists postgis").execute(&mut connection).await?;
        connection.close().await
    }

    async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        self.options(database).connect().await
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.folders.socket)
            .port(PORT)
            .username(DATABASE)
            .database(database)
            .application_name("yidiantong")
    }

    fn url(&self) -> String {
        format!("postgres://{DATABASE}@localhost/{DATABASE}?host={}&port={PORT}", self.folders.socket.display())
    }

    /// Ends a postmaster: in order if it can, by force if it must.
    async fn shut_down(&self, mut postmaster: Postmaster) -> Result<(), ClusterError> {
        let steps = [
            (Signal::INT, FAST_STOP_WITHIN),
            (Signal::QUIT, IMMEDIATE_STOP_WITHIN),
            (Signal::KILL, IMMEDIATE_STOP_WITHIN),
        ];
        for (signal, within) in steps {
            postmaster.signal(signal)?;
            if timeout(within, postmaster.ended()).await.is_ok() {
                self.clear_leftovers().await?;
                self.folders.leave_socket_folder();
                return Ok(());
            }
            tracing::warn!(pid = postmaster.pid(), ?signal, "PostgreSQL does not stop");
        }
        Err(ClusterError::WouldNotEnd { pid: postmaster.pid() })
    }

    /// Waits for the children of a killed postmaster to leave, then ends those that do not. A new postmaster refuses
    /// to start while one of them holds the old shared memory.
    async fn clear_leftovers(&self) -> Result<(), ClusterError> {
        let steps = [
            (None, LEFTOVERS_LEAVE_WITHIN),
            (Some(Signal::QUIT), IMMEDIATE_STOP_WITHIN),
            (Some(Signal::KILL), IMMEDIATE_STOP_WITHIN),
        ];
        for (signal, within) in steps {
            if let Some(signal) = signal {
                for pid in process::find_leftovers(&self.folders) {
                    tracing::warn!(pid, ?signal, "ending a process of an earlier PostgreSQL");
                    process::signal(pid, signal)?;
                }
            }
            let until = Instant::now() + within;
            while Instant::now() < until {
                if process::find_leftovers(&self.folders).is_empty() {
                    return Ok(());
                }
                sleep(POLL_EVERY).await;
            }
        }
        match process::find_leftovers(&self.folders).first() {
            None => Ok(()),
            Some(&pid) => Err(ClusterError::WouldNotEnd { pid }),
        }
    }
}

/// Why a postmaster was not waited for any longer.
#[derive(Debug)]
enum Unanswered {
    Ended(process::End),
    Cancelled,
    Late,
}

/// `undefined_file` and `feature_not_supported`: what PostgreSQL answers for an extension that is not installed,
/// depending on its version.
fn is_missing_extension(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "58P01" || code == "0A000")
}

/// The last line that says something.
fn last_words(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut said = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling =
        said.clone().rfind(|line| line.contains("error:") || line.contains("FATAL") || line.contains("PANIC"));
    telling.or_else(|| said.next_back()).unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_prefer_the_line_that_names_the_error() {
        let said = b"creating\ninitdb: error: directory exists\ninitdb: hint: remove it\n\n";
        assert_eq!(last_words(said), "initdb: error: directory exists");
        assert_eq!(last_words(b"one\ntwo\n"), "two");
        assert_eq!(last_words(b""), "it said nothing");
    }
}
