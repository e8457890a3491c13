//! Two of each role, each in a process of its own, over one database.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use firmware_sim::centre::{self, Centre};
use reqwest::Client;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::console::Console;
use crate::hook::Hook;
use crate::mosquitto::{Mosquitto, Version};
use crate::places;
use crate::postgres::Postgres;
use crate::records::Records;
use crate::scene::SECRET;
use crate::server::{Demo, FarEnds, Ready, Server, Setup, Terminal, free_port, log, signal, tail};
use crate::wait::{SOON, until, until_so};

/// Everybody finds everybody, on a machine that is busy.
const WELL_WITHIN: Duration = Duration::from_mins(3);

/// The keys of the processes.
const INTERNAL_KEY: &str = "internal-key-0123456789abcdef0123456789";
const BUS_KEY: &str = "bus-key-0123456789abcdef0123456789abcdef";

/// One process with one role. It is killed when this is dropped.
#[derive(Debug)]
pub struct Role {
    name: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    probe: SocketAddr,
    folder: PathBuf,
    child: Option<Child>,
}

impl Role {
    /// Starts the process, also again after it was killed.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "{} runs", self.name);
        // A test that is itself killed leaves nothing behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(places::executable("yidiantong")).args(&self.arguments);
        command.arg("--settings").arg(self.folder.join("settings.toml"));
        command.arg("--data").arg(self.folder.join(&self.name));
        command.env_remove("DATABASE_URL").env("NO_COLOR", "1").env("RUST_LOG", "info,rumqttd=off,sqlx=error");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(&self.log_file()));
        self.child = Some(command.spawn().expect("a role can be started"));
    }

    /// Kills it with -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("a killed child can be waited for");
    }

    /// Freezes it: it neither answers nor hangs up.
    pub fn freeze(&self) {
        signal(self.child.as_ref().expect("it runs").id(), Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal(self.child.as_ref().expect("it runs").id(), Signal::CONT);
    }

    /// Asks it to stop, and waits until it has ended well.
    pub async fn stop(&mut self) {
        signal(self.child.as_ref().expect("it runs").id(), Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, self.said());
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("it runs");
        until(format!("{} ends", self.name), SOON, async || child.try_wait().expect("a child can be asked")).await
    }

    /// Where it answers probes.
    pub const fn probe(&self) -> SocketAddr {
        self.probe
    }

    /// One of its numbers, by its whole name, while it answers.
    pub async fn metric(&self, name: &str) -> Option<u64> {
        let http = Client::builder().no_proxy().timeout(SOON).build().expect("a client can be made");
        let page = http.get(format!("http://{}/metrics", self.probe)).send().await.ok()?.text().await.ok()?;
        page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// What it answers to a probe, if it does.
    pub async fn health(&self) -> Option<Value> {
        let http = Client::builder().no_proxy().timeout(SOON).build().expect("a client can be made");
        http.get(format!("http://{}/health", self.probe)).send().await.ok()?.json().await.ok()
    }

    /// One of its numbers.
    pub async fn counted(&self, name: &str) -> f64 {
        let http = Client::builder().no_proxy().timeout(SOON).build().expect("a client can be made");
        let page = http.get(format!("http://{}/metrics", self.probe)).send().await.expect("it answers");
        let page = page.text().await.expect("it answers with text");
        let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {page}"));
        line.trim().parse().expect("a number")
    }

    /// Waits until probes are told that all is well.
    pub async fn is_well(&mut self) {
        let mut last = None;
        let begun = std::time::Instant::now();
        loop {
            let child = self.child.as_mut().expect("it runs");
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{} ended with {ended:?}:\n{}", self.name, tail(&self.log_file()));
            let health = self.health().await;
            if health.as_ref().is_some_and(|health| health["status"] == "ok") {
                return;
            }
            last = health.or(last);
            assert!(begun.elapsed() < WELL_WITHIN, "{} is not well: {last:?}\n{}", self.name, self.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until its log has these words.
    pub async fn logs(&self, words: &str) {
        let path = self.log_file();
        let said = async || std::fs::read_to_string(&path).is_ok_and(|text| text.contains(words));
        until_so(format!("{} says {words:?}", self.name), SOON, said).await;
    }

    /// The end of what it said.
    pub fn said(&self) -> String {
        tail(&self.log_file())
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of {} ends:\n{}\n", self.name, self.said());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The whole.
#[derive(Debug)]
pub struct Apart {
    /// Front doors.
    pub brokers: [Role; 2],
    /// Gateways.
    pub gateways: [Role; 2],
    /// Dispatchers, in the order in which the others prefer them.
    pub dispatchers: [Role; 2],
    /// The district's people.
    pub demo: Demo,
    /// The simulated 120 centre.
    pub centre: Centre,
    /// Where alarms go.
    pub hook: Hook,
    doors: [SocketAddr; 2],
    buses: [SocketAddr; 2],
    desks: [SocketAddr; 2],
    postgres: Postgres,
    folder: TempDir,
    _stop: DropGuard,
}

impl Apart {
    /// Settles the invented district with a server that has everything in one process, stops that, and starts two of
    /// each role over its database.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same, with more in the settings of all of them: tables in TOML.
    pub async fn start_with(more: &str) -> Self {
        let postgres = Postgres::start();
        let setup =
            Setup { database_url: Some(postgres.url().into()), far_ends: FarEnds::Elsewhere, ..Setup::default() };
        let mut server = Server::start(setup).await;
        let demo = server.ready().demo.clone();
        server.stop().await;
        let stop = CancellationToken::new();
        let centre = centre::start(centre::Config::new(SECRET, crate::scene::sends_a_vehicle(8)), stop.clone()).await;
        let centre = centre.expect("a simulated centre starts");
        let hook = Hook::listen().await;
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("settings.toml"), settings(&centre, &hook) + more)
            .expect("settings can be written");

        let [doors, buses, desks, far_desks, far_gateways] = std::array::from_fn(|_| [free_port(), free_port()]);
        let probes: [SocketAddr; 4] = std::array::from_fn(|_| free_port());
        let path = folder.path();
        let role = |name: &str, probe, arguments: Vec<String>| Role {
            name: name.into(),
            arguments,
            environment: Vec::new(),
            probe,
            folder: path.into(),
            child: None,
        };
        let urls = |option: &str, addresses: [SocketAddr; 2]| {
            addresses.map(|address| [option.to_owned(), format!("http://{address}")]).concat()
        };
        let broker = |n: usize| {
            let mut arguments = words(&["broker", "--name", ["east", "west"][n], "--mqtt-listen"]);
            arguments.extend([doors[n].to_string(), "--bus-listen".into(), buses[n].to_string()]);
            arguments.extend(["--health-listen".into(), probes[n].to_string()]);
            arguments.extend(urls("--dispatcher", far_desks));
            role(["broker-east", "broker-west"][n], probes[n], arguments)
        };
        let gateway = |n: usize| {
            let mut arguments = words(&["gateway", "--name", ["g1", "g2"][n], "--internal-listen"]);
            arguments.push(far_gateways[n].to_string());
            arguments.extend(buses.map(|bus| ["--bus".to_owned(), bus.to_string()]).concat());
            arguments.extend(["--health-listen".into(), probes[2 + n].to_string()]);
            arguments.extend(urls("--dispatcher", far_desks));
            role(["gateway-1", "gateway-2"][n], probes[2 + n], arguments)
        };
        let dispatcher = |n: usize| {
            let mut arguments = words(&["dispatcher", "--database-url", postgres.url(), "--http-listen"]);
            arguments.extend([desks[n].to_string(), "--internal-listen".into(), far_desks[n].to_string()]);
            arguments.extend(urls("--gateway", far_gateways));
            role(["dispatcher-1", "dispatcher-2"][n], desks[n], arguments)
        };
        let brokers = [broker(0), broker(1)];
        let gateways = [gateway(0), gateway(1)];
        let dispatchers = [dispatcher(0), dispatcher(1)];
        let guard = stop.drop_guard();
        let mut apart = Self {
            brokers,
            gateways,
            dispatchers,
            demo,
            centre,
            hook,
            doors,
            buses,
            desks,
            postgres,
            folder,
            _stop: guard,
        };
        // All at once, in whatever order they come up.
        for role in apart.roles() {
            role.run();
        }
        for role in apart.roles() {
            role.is_well().await;
        }
        apart
    }

    fn roles(&mut self) -> impl Iterator<Item = &mut Role> {
        self.brokers.iter_mut().chain(&mut self.gateways).chain(&mut self.dispatchers)
    }

    /// Where terminals connect.
    pub const fn doors(&self) -> [SocketAddr; 2] {
        self.doors
    }

    /// Where gateways connect.
    pub const fn buses(&self) -> [SocketAddr; 2] {
        self.buses
    }

    /// Kills the bus of a door, which it does not survive: by a gateway with the right key
    /// that publishes to a topic at which rumqttd's router dies.
    pub async fn kill_bus(&self, door: usize) {
        let bus = self.buses[door];
        let mut command = tokio::process::Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "mosquitto_pub", "-h", &bus.ip().to_string()]);
        command.args(["-p", &bus.port().to_string(), "-u", wire::bus::USER, "-P", BUS_KEY, "-i", "killer"]);
        // It looks at the first byte of a topic as if it were a character.
        command.args(["-q", "0", "-t", "电", "-m", "x"]);
        let said = command.kill_on_drop(true).output();
        tokio::time::timeout(SOON, said).await.expect("mosquitto_pub ends").expect("it is installed");
    }

    /// Where dispatchers serve console and API.
    pub const fn desks(&self) -> [SocketAddr; 2] {
        self.desks
    }

    /// Where dispatchers take reports.
    pub fn internal(&self, dispatcher: usize) -> String {
        let arguments = &self.dispatchers[dispatcher].arguments;
        let at = arguments.iter().position(|argument| argument == "--internal-listen").expect("it is told");
        format!("http://{}", arguments[at + 1])
    }

    /// One of the district's terminals.
    pub fn terminal(&self, serial: &str) -> Terminal {
        let terminal = self.demo.terminals.iter().find(|terminal| terminal.serial == serial);
        terminal.unwrap_or_else(|| panic!("there is no terminal {serial}")).clone()
    }

    /// Somebody's hand on a terminal before one of the doors.
    pub fn hand<'t>(&self, door: usize, terminal: &'t Terminal, version: Version) -> Mosquitto<'t> {
        Mosquitto { door: self.doors[door], terminal, version }
    }

    /// An operator at one of the dispatchers.
    pub async fn operator(&self, dispatcher: usize) -> Console {
        self.user(dispatcher, "operator").await
    }

    /// Somebody of the district at one of the dispatchers.
    pub async fn user(&self, dispatcher: usize, login: &str) -> Console {
        let ready = Ready {
            mqtt: self.doors[0],
            mqtts: None,
            listeners: BTreeMap::default(),
            http: format!("http://{}", self.desks[dispatcher]),
            pid: 0,
            database: self.postgres.url().into(),
            mailbox: None,
            demo: self.demo.clone(),
        };
        Console::log_in(&ready, login).await
    }

    /// The database.
    pub async fn records(&self) -> Records {
        Records::at(self.postgres.url()).await
    }

    /// Another process beside them, with what gateway 1 is told but for its name, its places and this environment.
    pub fn stranger(&self, name: &str, environment: Vec<(&'static str, String)>) -> Role {
        let probe = free_port();
        let mut arguments = self.gateways[0].arguments.clone();
        let places = [
            ("--name", name.to_owned()),
            ("--internal-listen", free_port().to_string()),
            ("--health-listen", probe.to_string()),
        ];
        for (option, place) in places {
            let at = arguments.iter().position(|argument| argument == option).expect("it is told");
            arguments[at + 1] = place;
        }
        let folder = self.folder.path().to_owned();
        let mut role = Role { name: name.into(), arguments, environment, probe, folder, child: None };
        role.run();
        role
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn settings(centre: &Centre, hook: &Hook) -> String {
    format!(
        "call_back_phone = \"0731-84000000\"\nalarm_hook = \"{}\"\n[internal]\nkey = \"{INTERNAL_KEY}\"\n\
         [bus]\nkey = \"{BUS_KEY}\"\n[[centre]]\nnumber = \"120\"\nurl = \"{}\"\nsecret = \"{SECRET}\"\n",
        hook.url(),
        centre.url(),
    )
}
