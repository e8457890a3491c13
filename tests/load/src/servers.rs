//! What is measured, and what it is measured beside: each a process of its own, ended when it is let go.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use firmware_sim::crowd::Pace;
use serde::Deserialize;

/// A server may take so long to come up.
const COMES_UP_WITHIN: Duration = Duration::from_mins(3);

/// A process that ends with its owner.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        Ok(Self(child))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// What it says, when that was asked for.
    pub(crate) fn voice(&mut self) -> Option<std::process::ChildStdout> {
        self.0.stdout.take()
    }

    /// Asks it to end.
    fn ask_to_end(&self) -> anyhow::Result<()> {
        let asked = Command::new("kill").arg(self.pid().to_string()).status()?;
        if !asked.success() {
            bail!("process {} could not be asked to end", self.pid());
        }
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.ask_to_end()?;
        self.0.wait()?;
        Ok(())
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(mut self) -> anyhow::Result<()> {
        let status = self.0.wait()?;
        if !status.success() {
            bail!("process {} has ended badly: {status}", self.pid());
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the executables lie: beside this one.
pub(crate) fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    if !path.exists() {
        bail!("{} is not there: cargo build --release -p {name}", path.display());
    }
    Ok(path)
}

/// A port that is free at this moment.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn wait_for_port(address: SocketAddr) -> anyhow::Result<()> {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > COMES_UP_WITHIN {
            bail!("nobody listens on {address}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Mosquitto without authentication and without persistence: as fast as it can be.
pub(crate) fn mosquitto(folder: &Path) -> anyhow::Result<(Running, SocketAddr)> {
    let port = free_port()?;
    let settings = folder.join("mosquitto.conf");
    std::fs::write(
        &settings,
        format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\nset_tcp_nodelay true\n\
             max_inflight_messages 0\nmax_queued_messages 0\n"
        ),
    )?;
    let running = Running::start(Command::new("mosquitto").arg("-c").arg(&settings).stdout(Stdio::null()))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait_for_port(address)?;
    Ok((running, address))
}

/// `yidiantong serve` with a database of its own.
pub(crate) struct Whole {
    pub(crate) process: Running,
    pub(crate) mqtt: SocketAddr,
    pub(crate) http: String,
    pub(crate) database: String,
    /// Of its cluster.
    pub(crate) postmaster: u32,
}

#[derive(Deserialize)]
struct Ready {
    mqtt: SocketAddr,
    http: String,
    database: String,
    postmaster: Option<u32>,
}

/// What a machine with this much memory gives to a database that carries half a million terminals; and it notes when each
/// transaction was committed, which costs next to nothing.
const DATABASE_SETTINGS: &str = "shared_buffers = 3GB\nmax_wal_size = 12GB\ncheckpoint_timeout = 15min\n\
    wal_compression = lz4\nmax_connections = 200\ntrack_commit_timestamp = on\n";

/// Starts it in a folder that may hold the data of an earlier run. Terminals come to `mqtt`, or to any free port.
pub(crate) fn whole(folder: &Path, mqtt: Option<SocketAddr>) -> anyhow::Result<Whole> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("local.conf"), DATABASE_SETTINGS)?;
    let ready_file = folder.join("ready.json");
    let _ = std::fs::remove_file(&ready_file);
    let log = std::fs::File::create(folder.join("serve.log"))?;
    let mqtt = mqtt.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).to_string();
    let mut command = Command::new(program("yidiantong")?);
    command.env_remove("DATABASE_URL");
    command.arg("serve").arg("--data").arg(folder);
    command.args(["--mqtt-listen", &mqtt, "--http-listen", "127.0.0.1:0"]).arg("--ready-file").arg(&ready_file);
    let process = Running::start(command.stdout(log.try_clone()?).stderr(log))?;
    let began = Instant::now();
    let ready = loop {
        if let Ok(text) = std::fs::read_to_string(&ready_file) {
            break serde_json::from_str::<Ready>(&text)?;
        }
        if began.elapsed() > COMES_UP_WITHIN {
            bail!("the server does not come up: see {}", folder.join("serve.log").display());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let Ready { mqtt, http, database, postmaster } = ready;
    let postmaster = postmaster.context("the server has no cluster of its own")?;
    Ok(Whole { process, mqtt, http, database, postmaster })
}

/// A crowd under way.
pub(crate) struct Crowd {
    process: Running,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Connected(firmware_sim::crowd::Report),
    Second {},
    End(firmware_sim::crowd::Report),
}

/// Sends a crowd of so many to a front door. What else it is told are options of `firmware-sim fleet` with their numbers.
pub(crate) fn crowd(broker: SocketAddr, people: u32, pace: Pace, options: &[(&str, f64)]) -> anyhow::Result<Crowd> {
    let mut command = Command::new(program("firmware-sim")?);
    command.args(["fleet", "--broker", &broker.to_string(), "--crowd", &people.to_string()]);
    match pace {
        Pace::Silent => command.arg("--silent"),
        Pace::Rate { per_s } => command.args(["--rate", &per_s.to_string()]),
        Pace::OwnDays { speed } => command.args(["--speed", &speed.to_string()]),
    };
    for (option, number) in options {
        command.args([format!("--{option}"), number.to_string()]);
    }
    let mut process = Running::start(command.stdout(Stdio::piped()))?;
    let out = process.voice().context("the crowd has no voice")?;
    Ok(Crowd { process, lines: BufReader::new(out).lines() })
}

impl Crowd {
    fn hear(&mut self) -> anyhow::Result<Said> {
        let line = self.lines.next().context("the crowd has ended without a word")??;
        Ok(serde_json::from_str(&line)?)
    }

    /// Waits until all are connected.
    pub(crate) fn connected(&mut self) -> anyhow::Result<firmware_sim::crowd::Report> {
        match self.hear()? {
            Said::Connected(report) => Ok(report),
            Said::Second {} | Said::End(_) => bail!("the crowd ended before all were connected"),
        }
    }

    /// Asks it to end now.
    pub(crate) fn stop(self) -> anyhow::Result<firmware_sim::crowd::Report> {
        self.process.ask_to_end()?;
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> anyhow::Result<firmware_sim::crowd::Report> {
        loop {
            if let Said::End(report) = self.hear()? {
                return Ok(report);
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}
