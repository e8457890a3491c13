//! `yidiantong serve`: started, killed, stopped, started again over the same data.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::Deserialize;
use tempfile::TempDir;

use crate::disk::Disk;
use crate::places;
use crate::wait::{SOON, until, until_so};

/// From an empty folder to a server that answers: `initdb`, PostGIS, tables, a password each.
const READY_WITHIN: Duration = Duration::from_mins(3);
const STOPS_WITHIN: Duration = Duration::from_mins(3);
/// Below what the system gives to connections that leave: a client that calls a server which is being
/// started again must not be given the server's own port to call from.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// What a server is told.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The centres that it reaches by data.
    pub centres: Vec<Link>,
    /// A database of one's own; none: a private cluster.
    pub database_url: Option<String>,
    /// Where alarms go when an alert cannot be stored.
    pub alarm_hook: Option<String>,
    /// Who plays the far ends.
    pub far_ends: FarEnds,
    /// Further settings: tables, in TOML.
    pub tables: String,
    /// Further arguments.
    pub arguments: Vec<&'static str>,
    /// A disk of its own for the data folder, of so many megabytes.
    pub disk_mb: Option<u32>,
}

/// How a server reaches a centre.
#[derive(Debug, Clone)]
pub struct Link {
    /// `120`, `119` or `110`.
    pub number: &'static str,
    /// Where it takes messages.
    pub url: String,
    /// The key for signatures.
    pub secret: &'static str,
    /// PEM: the only authority that is trusted.
    pub ca: Option<String>,
    /// PEM: certificate and key that are shown.
    pub client_certificate: Option<String>,
}

/// Who plays the 120 centre and the responders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FarEnds {
    /// The test.
    #[default]
    Elsewhere,
    /// The server itself, as in a demonstration.
    Inside,
}

/// Where everything is reached, as the server itself tells.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Terminals.
    pub mqtt: SocketAddr,
    /// Terminals, over TLS.
    pub mqtts: Option<SocketAddr>,
    /// Terminals with a connection of their own, by dialect.
    #[serde(default)]
    pub listeners: BTreeMap<String, SocketAddr>,
    /// Console and API.
    pub http: String,
    /// The server's process.
    pub pid: u32,
    /// How to reach the database.
    pub database: String,
    /// Where a person sees what contacts are written, when the server plays the far ends.
    pub mailbox: Option<String>,
    /// The district.
    pub demo: Demo,
}

/// The district's people.
#[derive(Debug, Clone, Deserialize)]
pub struct Demo {
    /// Who can log in.
    pub users: Vec<User>,
    /// The terminals.
    pub terminals: Vec<Terminal>,
    /// The responders.
    pub responders: Vec<Responder>,
}

/// Somebody who can log in.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// Login.
    pub login: String,
    /// Password.
    pub password: String,
}

/// A terminal.
#[derive(Debug, Clone, Deserialize)]
pub struct Terminal {
    /// Its name in topics.
    pub serial: String,
    /// Its MQTT user name.
    pub login: String,
    /// Its MQTT password.
    pub secret: String,
    /// `ydt` or `own_tracks`.
    pub dialect: String,
    /// Who wears it.
    pub wearer: String,
    /// Degrees, where they live.
    pub lat: f64,
    /// Degrees, where they live.
    pub lon: f64,
}

impl Terminal {
    /// A topic below its own prefix; the prefix itself for an empty leaf.
    pub fn topic(&self, leaf: &str) -> String {
        let prefix = if self.dialect == "ydt" { "ydt/1" } else { "owntracks" };
        let slash = if leaf.is_empty() { "" } else { "/" };
        format!("{prefix}/{}{slash}{leaf}", self.serial)
    }
}

/// A responder.
#[derive(Debug, Clone, Deserialize)]
pub struct Responder {
    /// Name.
    pub name: String,
    /// The token of their application.
    pub token: String,
    /// Degrees, where they start.
    pub lat: f64,
    /// Degrees, where they start.
    pub lon: f64,
}

/// A server with a data folder of its own. What it started is ended when this is dropped.
#[derive(Debug)]
pub struct Server {
    // Before the folder that it lies in: what is dropped first is unmounted before that is deleted.
    disk: Option<Disk>,
    folder: TempDir,
    setup: Setup,
    listens: [SocketAddr; 2],
    child: Option<Child>,
    ready: Option<Ready>,
}

impl Server {
    /// Starts one, and waits until it answers.
    pub async fn start(setup: Setup) -> Self {
        let mut server = Self::launch(setup);
        server.answers().await;
        server
    }

    /// Starts one, and waits for nothing.
    pub fn launch(setup: Setup) -> Self {
        // A short path; and the cluster's own account has to get through it.
        let folder = tempfile::Builder::new().prefix("ydt").tempdir_in("/tmp").expect("a folder can be made");
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("the folder is ours");
        let listens = [free_port(), free_port()];
        let disk = setup.disk_mb.map(|mb| Disk::mount(&folder.path().join("data"), mb));
        let mut server = Self { disk, folder, setup, listens, child: None, ready: None };
        server.run();
        server
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where everything is reached.
    pub fn ready(&self) -> &Ready {
        self.ready.as_ref().expect("the server was waited for")
    }

    /// Where terminals connect; known before the server answers.
    pub const fn mqtt(&self) -> SocketAddr {
        self.listens[0]
    }

    /// Starts the process again after it was killed or stopped, on the same ports.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "the server runs");
        let _ = std::fs::remove_file(self.ready_file());
        let settings = self.folder.path().join("settings.toml");
        std::fs::write(&settings, self.settings()).expect("settings can be written");
        let far_ends = match self.setup.far_ends {
            FarEnds::Elsewhere => "--district",
            FarEnds::Inside => "--demo",
        };
        // A test that is itself killed leaves no server behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(places::executable("yidiantong"));
        command.args(["serve", far_ends]).args(&self.setup.arguments);
        command.arg("--settings").arg(settings).arg("--data").arg(self.data());
        command.arg("--mqtt-listen").arg(self.listens[0].to_string());
        command.arg("--http-listen").arg(self.listens[1].to_string());
        command.arg("--ready-file").arg(self.ready_file());
        command.env_remove("DATABASE_URL").env("NO_COLOR", "1").env("RUST_LOG", "info,rumqttd=warn,sqlx=error");
        if let Some(url) = &self.setup.database_url {
            command.env("DATABASE_URL", url);
        }
        command.stdin(Stdio::null()).stdout(log(&self.print_file())).stderr(log(&self.log_file()));
        let child = command.spawn();
        self.child = Some(child.expect("the server can be started"));
    }

    /// Waits until the server answers.
    pub async fn answers(&mut self) -> &Ready {
        let path = self.ready_file();
        let log = self.log_file();
        let child = self.child.as_mut().expect("the server was started");
        let ready = until("the server answers", READY_WITHIN, async || {
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                panic!("the server ended with {status}:\n{}", tail(&log));
            }
            std::fs::read(&path).ok()
        });
        let ready = serde_json::from_slice(&ready.await).expect("the ready file is what we know");
        self.ready.insert(ready)
    }

    /// Waits until it listens for HTTP, database or not.
    pub async fn listens(&self) {
        let http = self.listens[1];
        until_so("HTTP is served", SOON, async || tokio::net::TcpStream::connect(http).await.is_ok()).await;
    }

    /// Kills the process with -9. The private cluster lives on.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("the server can be killed");
        child.wait().expect("a killed child can be waited for");
    }

    /// Asks the process to stop, and waits until it has ended well.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        signal(child.id(), Signal::TERM);
        let ended = until("the server ends", STOPS_WITHIN, async || child.try_wait().expect("a child can be asked"));
        let status = ended.await;
        assert!(status.success(), "the server ended with {status}:\n{}", tail(&self.log_file()));
    }

    /// The disk of its own.
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("it was set up with a disk of its own")
    }

    /// How much of the machine's memory the process holds, in bytes.
    pub fn memory(&self) -> u64 {
        let pid = self.child.as_ref().expect("the server runs").id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let kb =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        kb.map(|kb: u64| kb * 1024).expect("a process has memory")
    }

    /// The postmaster of the private cluster, while there is one.
    pub fn postmaster(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.data().join("postgres/postmaster.pid")).ok()?;
        let pid = text.lines().next()?.trim().parse().ok()?;
        is_alive(pid).then_some(pid)
    }

    /// The processes of the private cluster, the postmaster first.
    pub fn postgres(&self) -> Vec<u32> {
        let Some(postmaster) = self.postmaster() else { return Vec::new() };
        std::iter::once(postmaster).chain(children(postmaster)).collect()
    }

    /// Freezes the private cluster: it neither answers nor hangs up.
    pub fn freeze_postgres(&self) {
        // The postmaster first, so that it starts nobody who would be missed.
        signal(self.postmaster().expect("the cluster runs"), Signal::STOP);
        for pid in self.postgres() {
            signal(pid, Signal::STOP);
        }
    }

    /// Lets the private cluster go on.
    pub fn thaw_postgres(&self) {
        for pid in self.postgres() {
            signal(pid, Signal::CONT);
        }
    }

    /// Waits until the log has a line that contains this.
    pub async fn logs(&self, words: &str) {
        self.logs_times(words, 1).await;
    }

    /// Waits until the log has said this so many times.
    pub async fn logs_times(&self, words: &str, times: usize) {
        let log = self.log_file();
        until_so(format!("the log says {words:?}, {times} times"), SOON, async || {
            std::fs::read_to_string(&log).is_ok_and(|text| text.matches(words).count() >= times)
        })
        .await;
    }

    /// What the server has printed for a person, once it has said everything.
    pub async fn printed(&self) -> String {
        let path = self.print_file();
        until("the server has said everything", SOON, async || {
            std::fs::read_to_string(&path).ok().filter(|text| text.contains("Ctrl-C"))
        })
        .await
    }

    /// The settings, with the files that they name.
    fn settings(&self) -> String {
        let mut settings = "call_back_phone = \"0731-84000000\"\n".to_owned();
        for Link { number, url, secret, ca, client_certificate } in &self.setup.centres {
            let fields = [("number", *number), ("url", url), ("secret", secret)];
            let fields = fields.map(|(field, value)| format!("{field} = \"{value}\"\n")).concat();
            let files = [("ca_file", ca), ("client_certificate_file", client_certificate)].map(|(field, pem)| {
                let Some(pem) = pem else { return String::new() };
                let path = self.folder.path().join(format!("{number}.{field}.pem"));
                std::fs::write(&path, pem).expect("a certificate can be written");
                format!("{field} = \"{}\"\n", path.display())
            });
            settings.extend(["[[centre]]\n", &fields, &files.concat()]);
        }
        if let Some(url) = &self.setup.alarm_hook {
            settings = format!("alarm_hook = \"{url}\"\n{settings}");
        }
        settings.push_str(&self.setup.tables);
        settings
    }

    fn ready_file(&self) -> PathBuf {
        self.folder.path().join("ready.json")
    }

    fn print_file(&self) -> PathBuf {
        self.folder.path().join("printed.txt")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log ends:\n{}", tail(&self.log_file()));
        }
        self.thaw_postgres();
        let postgres = self.postgres();
        if let Some(mut child) = self.child.take() {
            signal(child.id(), Signal::TERM);
            let begun = Instant::now();
            while child.try_wait().is_ok_and(|status| status.is_none()) && begun.elapsed() < SOON {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        // A test that killed the process leaves its cluster to us.
        for pid in postgres.into_iter().filter(|pid| is_alive(*pid)) {
            signal(pid, Signal::KILL);
        }
    }
}

/// An address on the loopback that nobody listens on, for a program that cannot say which it has.
pub fn free_port() -> SocketAddr {
    // Each is given out once: two tests that draw the same one would both find it free, until one of them listens.
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random_range(0..PORTS.end - PORTS.start)));
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start);
        let address = SocketAddr::from(([127, 0, 0, 1], PORTS.start + next));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

pub(crate) fn log(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a log can be written")
}

pub(crate) fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

/// Sends a signal to a process that may have ended meanwhile.
pub fn signal(number: u32, signal: Signal) {
    if let Some(pid) = pid(number) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process of this number is there.
pub fn is_alive(number: u32) -> bool {
    pid(number).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// The processes that a process has started.
pub fn children(parent: u32) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything; state and parent come after it.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}
