//! The private cluster against the machine's own PostgreSQL: made, killed, adopted, fought over. Runs as root and as
//! anybody else.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Row};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use yidiantong::cluster::{self, Cluster, ClusterError};

/// Generous: the machine may be busy with other tests.
const WITHIN: Duration = Duration::from_mins(2);

struct Running {
    cluster: Cluster,
    stop: CancellationToken,
}

impl Running {
    async fn start(folder: &Path) -> Self {
        let stop = CancellationToken::new();
        let cluster = cluster::start(folder, stop.clone()).await.expect("a cluster");
        timeout(WITHIN, cluster.answers()).await.expect("in time").expect("an answer");
        Self { cluster, stop }
    }

    async fn connect(&self) -> PgConnection {
        self.cluster.options().connect().await.expect("a connection")
    }

    fn postmaster(&self) -> u32 {
        self.cluster.postmaster().borrow().expect("a postmaster")
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(WITHIN, self.cluster.stopped()).await.expect("in time").expect("an orderly end");
    }
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process number")).expect("a process number");
    kill_process(pid, signal).expect("a signal");
}

/// Waits until another postmaster than `killed` is announced.
async fn replaced(mut postmaster: watch::Receiver<Option<u32>>, killed: u32) -> u32 {
    let now = timeout(WITHIN, postmaster.wait_for(|now| now.is_some_and(|now| now != killed)));
    now.await.expect("in time").expect("a supervisor").expect("a postmaster")
}

fn is_alive(pid: u32) -> bool {
    // A dead process that nobody has buried yet has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn gone(pid: u32) {
    let look = async {
        while is_alive(pid) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WITHIN, look).await.expect("the process to end in time");
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    let row = sqlx::query("select current_setting($1)").bind(name).fetch_one(connection).await.expect("a setting");
    row.get(0)
}

async fn count_presses(connection: &mut PgConnection) -> i64 {
    sqlx::query("select count(*) from press").fetch_one(connection).await.expect("a count").get(0)
}

async fn write_press(connection: &mut PgConnection) {
    for statement in ["create table if not exists press (at timestamptz)", "insert into press values (now())"] {
        sqlx::query(statement).execute(&mut *connection).await.expect("a write");
    }
}

#[tokio::test]
async fn a_new_cluster_has_postgis_and_keeps_what_it_confirms() {
    let folder = TempDir::new().expect("a folder");
    let running = Running::start(folder.path()).await;
    let mut connection = running.connect().await;
    let version = sqlx::query("select postgis_version()").fetch_one(&mut connection).await.expect("PostGIS");
    assert!(version.get::<String, _>(0).starts_with('3'));
    for name in ["fsync", "full_page_writes", "synchronous_commit", "data_checksums"] {
        assert_eq!(setting(&mut connection, name).await, "on", "{name}");
    }
    assert_eq!(setting(&mut connection, "server_encoding").await, "UTF8");
    running.stop().await;
}

#[tokio::test]
async fn the_cluster_is_reached_only_through_a_short_private_socket() {
    let folder = TempDir::new().expect("a folder");
    let running = Running::start(folder.path()).await;
    let socket = running.cluster.socket_dir().join(".s.PGSQL.5432");
    assert!(socket.as_os_str().len() < 100, "{}", socket.display());
    let mode = std::fs::metadata(running.cluster.socket_dir()).expect("the socket's folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(setting(&mut running.connect().await, "listen_addresses").await, "");
    let from_url: PgConnectOptions = running.cluster.url().parse().expect("a URL");
    from_url.connect().await.expect("a connection by the URL");
    running.stop().await;
}

#[tokio::test]
async fn after_a_kill_of_the_postmaster_queries_work_again_and_nothing_is_lost() {
    let folder = TempDir::new().expect("a folder");
    let running = Running::start(folder.path()).await;
    for round in 1..=3 {
        write_press(&mut running.connect().await).await;
        let killed = running.postmaster();
        kill(killed, Signal::KILL);
        replaced(running.cluster.postmaster(), killed).await;
        assert_eq!(count_presses(&mut running.connect().await).await, round);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_child_that_does_not_notice_the_death_of_its_postmaster_is_ended() {
    let folder = TempDir::new().expect("a folder");
    let running = Running::start(folder.path()).await;
    let mut busy = running.connect().await;
    let backend: i32 = sqlx::query("select pg_backend_pid()").fetch_one(&mut busy).await.expect("a number").get(0);
    let backend = u32::try_from(backend).expect("a process number");
    let mut watcher = running.connect().await;
    let spinning = tokio::spawn(async move {
        sqlx::raw_sql("do $$ begin loop perform 1; end loop; end $$").execute(&mut busy).await.map(drop)
    });
    let started = async {
        let active = "select 1 from pg_stat_activity where pid = $1 and state = 'active' and query like 'do %'";
        while sqlx::query(active)
            .bind(i32::try_from(backend).expect("a process number"))
            .fetch_optional(&mut watcher)
            .await
            .expect("an answer")
            .is_none()
        {}
    };
    timeout(WITHIN, started).await.expect("the loop to begin in time");

    let killed = running.postmaster();
    kill(killed, Signal::KILL);
    replaced(running.cluster.postmaster(), killed).await;
    gone(backend).await;
    assert!(spinning.await.expect("a task").is_err());
    running.stop().await;
}

#[tokio::test]
async fn a_stop_ends_the_postmaster_in_order() {
    let folder = TempDir::new().expect("a folder");
    let running = Running::start(folder.path()).await;
    write_press(&mut running.connect().await).await;
    let postmaster = running.postmaster();
    running.stop().await;
    gone(postmaster).await;
    assert!(!folder.path().join("postgres/postmaster.pid").exists());

    let running = Running::start(folder.path()).await;
    assert_eq!(count_presses(&mut running.connect().await).await, 1);
    running.stop().await;
}

/// Leaves a postmaster behind that nobody supervises and whose data folder nobody has locked.
fn orphan(folder: PathBuf) -> u32 {
    let abandoned = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let pid = runtime.block_on(async {
            let running = Running::start(&folder).await;
            write_press(&mut running.connect().await).await;
            running.postmaster()
        });
        runtime.shutdown_background();
        pid
    });
    abandoned.join().expect("an orphan")
}

#[tokio::test]
async fn an_orphaned_postmaster_is_adopted_supervised_and_stopped() {
    let folder = TempDir::new().expect("a folder");
    let orphan = orphan(folder.path().to_owned());
    assert!(is_alive(orphan));

    let running = Running::start(folder.path()).await;
    assert_eq!(running.postmaster(), orphan);
    assert_eq!(count_presses(&mut running.connect().await).await, 1);

    kill(orphan, Signal::KILL);
    let next = replaced(running.cluster.postmaster(), orphan).await;
    assert_eq!(count_presses(&mut running.connect().await).await, 1);
    running.stop().await;
    gone(next).await;
}

#[tokio::test]
async fn an_adopted_postmaster_is_stopped_with_us() {
    let folder = TempDir::new().expect("a folder");
    let orphan = orphan(folder.path().to_owned());
    let running = Running::start(folder.path()).await;
    running.stop().await;
    gone(orphan).await;
}

#[tokio::test]
async fn an_orphan_that_cannot_be_reached_is_stopped_and_replaced() {
    let folder = TempDir::new().expect("a folder");
    let left = orphan(folder.path().to_owned());
    // As after a logout that took the runtime folder away.
    let pid_file = std::fs::read_to_string(folder.path().join("postgres/postmaster.pid")).expect("a pid file");
    let socket = PathBuf::from(pid_file.lines().nth(4).expect("the socket's folder"));
    let moved = pid_file.replace(&socket.display().to_string(), "/nowhere");
    std::fs::write(folder.path().join("postgres/postmaster.pid"), moved).expect("a pid file");

    let running = Running::start(folder.path()).await;
    assert_ne!(running.postmaster(), left);
    gone(left).await;
    assert_eq!(count_presses(&mut running.connect().await).await, 1);
    running.stop().await;
}

#[tokio::test]
async fn a_second_start_on_the_same_folder_is_refused_and_harms_nothing() {
    let folder = TempDir::new().expect("a folder");
    let running = Running::start(folder.path()).await;
    let second = cluster::start(folder.path(), CancellationToken::new()).await;
    let error = second.expect_err("a refusal");
    assert!(matches!(&error, ClusterError::Busy { pid: Some(pid), .. } if *pid == std::process::id()), "{error}");
    write_press(&mut running.connect().await).await;
    running.stop().await;
}

struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[tokio::test]
async fn a_pid_file_whose_number_another_process_has_got_does_not_keep_the_cluster_down() {
    let folder = TempDir::new().expect("a folder");
    let running = Running::start(folder.path()).await;
    let path = folder.path().join("postgres/postmaster.pid");
    let pid_file = std::fs::read_to_string(&path).expect("a pid file");
    let old = running.postmaster();
    running.stop().await;

    let other = Sleeper(Command::new("sleep").arg("600").spawn().expect("another process"));
    let stale = pid_file.replacen(&old.to_string(), &other.0.id().to_string(), 1);
    std::fs::write(&path, stale).expect("a stale pid file");
    let running = Running::start(folder.path()).await;
    running.stop().await;
    assert!(is_alive(other.0.id()), "the other process was harmed");
}

#[tokio::test]
async fn a_kill_in_the_middle_of_making_the_cluster_leaves_nothing_in_the_way() {
    let folder = TempDir::new().expect("a folder");
    let half_made = folder.path().join("postgres.new/base");
    std::fs::create_dir_all(&half_made).expect("a folder");
    std::fs::write(half_made.join("1"), "half a table").expect("a file");
    let running = Running::start(folder.path()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_data_folder_of_a_version_that_is_not_installed_is_named_and_left_alone() {
    let folder = TempDir::new().expect("a folder");
    let version = folder.path().join("postgres/PG_VERSION");
    std::fs::create_dir_all(folder.path().join("postgres")).expect("a folder");
    std::fs::write(&version, "8\n").expect("a version");
    let error = cluster::start(folder.path(), CancellationToken::new()).await.expect_err("a refusal");
    assert!(matches!(&error, ClusterError::VersionMissing { version, .. } if version == "8"), "{error}");
    assert!(version.exists());
}

#[tokio::test]
async fn a_stop_during_the_start_ends_the_start() {
    let folder = TempDir::new().expect("a folder");
    let stop = CancellationToken::new();
    stop.cancel();
    let cluster = cluster::start(folder.path(), stop).await.expect("a cluster");
    timeout(WITHIN, cluster.stopped()).await.expect("in time").expect("an orderly end");
    assert!(!folder.path().join("postgres/postmaster.pid").exists());
}

#[tokio::test]
async fn a_postmaster_that_is_killed_before_it_has_ever_answered_is_started_again() {
    let folder = TempDir::new().expect("a folder");
    let stop = CancellationToken::new();
    let cluster = cluster::start(folder.path(), stop.clone()).await.expect("a cluster");
    let pid_file = folder.path().join("postgres/postmaster.pid");
    let started = async {
        loop {
            let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
            if let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) {
                return pid;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let first: u32 = timeout(WITHIN, started).await.expect("a postmaster in time");
    kill(first, Signal::KILL);
    assert_eq!(cluster.postmaster().borrow().to_owned(), None, "it had answered already");
    let second = timeout(WITHIN, cluster.answers()).await.expect("in time").expect("an answer");
    assert_ne!(first, second);
    Running { cluster, stop }.stop().await;
}

#[tokio::test]
async fn a_setting_that_postgresql_refuses_ends_the_bring_up_with_its_words() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("local.conf"), "max_connections = none\n").expect("a file");
    let cluster = cluster::start(folder.path(), CancellationToken::new()).await.expect("a cluster");
    assert_eq!(timeout(WITHIN, cluster.answers()).await.expect("in time"), None);
    let error = cluster.stopped().await.expect_err("a refusal");
    assert!(matches!(&error, ClusterError::Failed { program: "postgres", .. }), "{error}");
}
