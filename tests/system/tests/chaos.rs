//! The crash test: presses flow from real clients while the process, and PostgreSQL, are killed with -9.
//! Whatever a client was told is stored is stored, each press once, and every open incident has its deadline. A watch and a
//! GT06 tracker press over TCP, and repeat until they are answered. Meanwhile everybody else in the district wears a pager that tells where they are; all of them come back after each kill.
//!
//! `CHAOS_ROUNDS` says how many kills (10), `CHAOS_SEED` which.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firmware_sim::centre::Behaviour;
use firmware_sim::clock;
use firmware_sim::device::{Key, Settings};
use firmware_sim::pager::{self, Event, Pager};
use firmware_sim::terminal;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use serde_json::json;
use sqlx::Row as _;
use system::console::Console;
use system::mosquitto::{Mosquitto, Version};
use system::paho::Paho;
use system::places;
use system::program::Program;
use system::records::{Press, Records};
use system::scene::{Scene, sends_a_vehicle};
use system::server::{Server, Setup, Terminal, free_port, signal};
use system::shell::Shell;
use system::wait::{SOON, until, until_so};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::directory::Dialect;

/// From a kill to presses that are acknowledged again, on a machine that is busy.
const FLOWS_AGAIN_WITHIN: Duration = Duration::from_mins(3);
/// The longest that one `mosquitto_pub` is waited for before its wearer presses on.
const PATIENCE: Duration = Duration::from_secs(8);
/// The boot number of terminals that cannot restart.
const BOOT: u32 = 7;
/// Everybody who wears a pager.
const FLEET: usize = 277;
/// Beside the fleet, these sessions are open for good: paho's two, and the simulated pager's.
const BY_HAND: usize = 3;
/// How many times faster than real the fleet's days go, so that it has something to say at every moment.
const DAYS_FASTER: &str = "30";
/// So many positions of the fleet are filed between two kills.
const HEARD_MIN: i64 = 20;
/// Who was heard while the database was away is told to it by the next minute's round.
const TOLD_WITHIN: Duration = Duration::from_mins(2);

/// Terminals with connections of their own, and the pagers of those who wear them too. They do not count their restarts:
/// their presses are counted.
const OVER_TCP: [(Dialect, &str, &str); 2] =
    [(Dialect::Watch, "8800000015", "P1010"), (Dialect::Gt06, "868120000000013", "P1011")];

/// What the wearers know.
#[derive(Debug, Default)]
struct Ledger {
    begun: Mutex<BTreeSet<Press>>,
    acknowledged: Mutex<BTreeSet<Press>>,
    /// How many presses of a terminal with a connection of its own were answered.
    answered: Mutex<BTreeMap<&'static str, i64>>,
    is_over: AtomicBool,
}

impl Ledger {
    fn begin(&self, press: &Press) {
        self.begun.lock().expect("nobody panicked").insert(press.clone());
    }

    fn acknowledge(&self, press: Press) {
        self.acknowledged.lock().expect("nobody panicked").insert(press);
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().expect("nobody panicked").len()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

fn press_of(terminal: &Terminal, seq: u32) -> Press {
    (terminal.serial.clone(), i64::from(BOOT), i64::from(seq))
}

/// Whether a press is of this terminal, by its serial, also while the directory did not list it yet.
fn is_said_by((said_by, ..): &Press, serial: &str) -> bool {
    said_by.rsplit(':').next() == Some(serial)
}

fn message(seq: u32) -> serde_json::Value {
    json!({ "type": "alert", "kind": "sos", "boot": BOOT, "seq": seq })
}

/// Presses, and repeats each press with a new `mosquitto_pub` until one gets its PUBACK.
async fn press_with_mosquitto(door: SocketAddr, terminal: Terminal, version: Version, ledger: Arc<Ledger>) {
    let hand = Mosquitto { door, terminal: &terminal, version };
    let topic = terminal.topic("alert");
    let mut seq = 0;
    while !ledger.is_over() {
        seq += 1;
        let press = press_of(&terminal, seq);
        ledger.begin(&press);
        loop {
            let published = tokio::time::timeout(PATIENCE, hand.publish(&topic, message(seq).to_string())).await;
            if published.is_ok_and(|published| published.is_taken()) {
                break;
            }
        }
        ledger.acknowledge(press);
    }
}

/// Presses with paho, which reconnects by itself and repeats what was not acknowledged, flagged as such.
async fn press_with_paho(door: SocketAddr, terminals: Vec<Terminal>, ledger: Arc<Ledger>) {
    let mut paho = Paho::start();
    for (terminal, version) in terminals.iter().zip([Version::V311, Version::V5]) {
        paho.connect(door, terminal, version).await;
    }
    let mut seq = 0;
    while !ledger.is_over() {
        seq += 1;
        let mut sent = Vec::new();
        for terminal in &terminals {
            let press = press_of(terminal, seq);
            ledger.begin(&press);
            let tag = paho.publish(terminal, &terminal.topic("alert"), &message(seq)).await;
            sent.push((terminal, tag, press));
        }
        for (terminal, tag, press) in sent {
            paho.acknowledged(terminal, tag, FLOWS_AGAIN_WITHIN).await;
            ledger.acknowledge(press);
        }
    }
    paho.end().await;
}

/// Presses on our own simulated pager.
async fn press_on_a_pager(door: SocketAddr, terminal: Terminal, ledger: Arc<Ledger>) {
    let stop = CancellationToken::new();
    let mut config = pager::Config::new(door.to_string(), &terminal.serial, terminal.secret.as_str());
    config.device = Settings::new(&terminal.serial, BOOT);
    let mut pager = Pager::start(config, stop.clone()).expect("a simulated pager starts");
    while !ledger.is_over() {
        pager.press(Key::sos()).await;
        loop {
            match pager.next().await.expect("the pager runs") {
                Event::Sent { seq } => ledger.begin(&press_of(&terminal, seq)),
                Event::Acknowledged { seq, .. } => {
                    ledger.acknowledge(press_of(&terminal, seq));
                    break;
                }
                _ => {}
            }
        }
    }
    stop.cancel();
    pager.stopped().await;
}

/// Presses on a terminal with a connection of its own.
async fn press_over_tcp(listener: SocketAddr, dialect: Dialect, serial: &'static str, ledger: Arc<Ledger>) {
    let stop = CancellationToken::new();
    let config = terminal::Config {
        repeat: Duration::from_secs(2),
        ..terminal::Config::new(dialect, listener.to_string(), serial)
    };
    let mut wearers = terminal::Terminal::start(config, stop.clone()).expect("a simulated terminal starts");
    while !ledger.is_over() {
        wearers.press(terminal::Press::Sos).await;
        while !matches!(wearers.next().await.expect("it runs"), terminal::Event::Acknowledged { .. }) {}
        *ledger.answered.lock().expect("nobody panicked").entry(serial).or_default() += 1;
    }
    stop.cancel();
    wearers.stopped().await;
}

/// Everybody's pager: an ordinary day, and back at once when the server was away.
#[derive(Debug)]
struct Fleet {
    _pagers: Program,
    console: Console,
    killed_at: String,
}

impl Fleet {
    async fn start(server: &Server) -> Self {
        // A test that is itself killed leaves no fleet behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(places::executable("firmware-sim"));
        command.args(["fleet", "--comes-back", "--speed", DAYS_FASTER, "--broker", &server.mqtt().to_string()]);
        command.arg("--wearers").arg(server.data().join("demo.json")).env("RUST_LOG", "warn");
        let pagers = Program::start("the fleet", &mut command);
        let console = Console::log_in(server.ready(), "supervisor").await;
        Self { _pagers: pagers, console, killed_at: clock::now().to_string() }
    }

    /// Waits until all of them have sessions, and what they say since the last kill is on disk.
    async fn is_back(&self, server: &Server) {
        until_so("everybody's pager is back", FLOWS_AGAIN_WITHIN, async || {
            let sessions = self.console.metric("ydt_broker_sessions").await;
            sessions.parse::<usize>().expect("a gauge is a number") >= FLEET + BY_HAND
        })
        .await;
        let mut records = Records::of(server.ready()).await;
        until_so("the fleet is heard", FLOWS_AGAIN_WITHIN, async || {
            let filed = "select count(*) from fix where received_at > $1::timestamptz";
            records.count(filed, &[&self.killed_at]).await >= HEARD_MIN
        })
        .await;
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Who is killed with -9.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// Our process. The database lives on, and is adopted.
    Process,
    /// Our process, and once more while it comes up.
    ProcessTwice,
    /// PostgreSQL's head; its hands notice it by and by.
    Postmaster,
    /// One of PostgreSQL's hands, at which its head throws away the others too.
    Backend,
    /// Every process of PostgreSQL's at once.
    Postgres,
    /// That, and our process.
    Everything,
    /// Our process, and PostgreSQL while the process comes up.
    PostgresAtTheStart,
}

const VICTIMS: [Victim; 7] = [
    Victim::Process,
    Victim::ProcessTwice,
    Victim::Postmaster,
    Victim::Backend,
    Victim::Postgres,
    Victim::Everything,
    Victim::PostgresAtTheStart,
];

async fn kill(server: &mut Server, victim: Victim, random: &mut StdRng) {
    // Anywhere in a start.
    let meanwhile = Duration::from_millis(random.random_range(0..1500));
    match victim {
        Victim::Process => server.kill(),
        Victim::ProcessTwice => {
            server.kill();
            server.run();
            tokio::time::sleep(meanwhile).await;
            server.kill();
        }
        Victim::Postmaster => kill_all(&postgres(server).await[..1]),
        Victim::Backend => {
            let pids = postgres(server).await;
            let backend = random.random_range(1..pids.len());
            kill_all(&pids[backend..=backend]);
        }
        Victim::Postgres => kill_all(&postgres(server).await),
        Victim::Everything => {
            kill_all(&postgres(server).await);
            server.kill();
        }
        Victim::PostgresAtTheStart => {
            server.kill();
            server.run();
            tokio::time::sleep(meanwhile).await;
            kill_all(&server.postgres());
        }
    }
    if matches!(victim, Victim::Process | Victim::ProcessTwice | Victim::Everything) {
        server.run();
    }
    server.answers().await;
}

/// The processes of PostgreSQL, as soon as there are some.
async fn postgres(server: &Server) -> Vec<u32> {
    let there = async || Some(server.postgres()).filter(|pids| pids.len() > 1);
    until("PostgreSQL is there to be killed", FLOWS_AGAIN_WITHIN, there).await
}

fn kill_all(pids: &[u32]) {
    for pid in pids {
        signal(*pid, Signal::KILL);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill_and_nothing_is_doubled() {
    let rounds = number("CHAOS_ROUNDS").unwrap_or(10);
    let seed = number("CHAOS_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("CHAOS_SEED={seed} CHAOS_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);

    // Where they come does not change when the server is started again.
    let listeners = OVER_TCP.map(|_| free_port());
    let table = |((dialect, ..), listen): (&(Dialect, &str, &str), &SocketAddr)| {
        format!("[listeners.{}]\nlisten = \"{listen}\"\n", dialect.as_str())
    };
    let tables = OVER_TCP.iter().zip(&listeners).map(table).collect();
    let mut scene = Scene::open_with(sends_a_vehicle(8), Setup { tables, ..Setup::default() }).await;
    let door = scene.ready().mqtt;
    let ledger = Arc::new(Ledger::default());
    let mut wearers = JoinSet::new();
    for ((dialect, serial, pager), listener) in OVER_TCP.into_iter().zip(listeners) {
        let wearer = "select resident_id::text from wearer where serial = $1";
        let wearer: String = scene.records().await.ask(wearer, &[pager]).await[0].get(0);
        let add = ["terminal", "add", serial, "--dialect", dialect.as_str(), "--resident", &wearer];
        Shell::at(scene.server.data()).says(&add);
        wearers.spawn(press_over_tcp(listener, dialect, serial, Arc::clone(&ledger)));
    }
    for (serial, version) in [("P1001", Version::V311), ("P1003", Version::V5), ("P1004", Version::V311)] {
        wearers.spawn(press_with_mosquitto(door, scene.terminal(serial), version, Arc::clone(&ledger)));
    }
    let terminals = vec![scene.terminal("P1005"), scene.terminal("P1006")];
    wearers.spawn(press_with_paho(door, terminals, Arc::clone(&ledger)));
    wearers.spawn(press_on_a_pager(door, scene.terminal("P1007"), Arc::clone(&ledger)));
    let mut fleet = Fleet::start(&scene.server).await;

    for round in 1..=rounds {
        // A random moment while presses flow: after some more of them, and a little time.
        let enough = ledger.count() + random.random_range(3..25);
        until_so("presses flow", FLOWS_AGAIN_WITHIN, async || ledger.count() >= enough).await;
        fleet.is_back(&scene.server).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..150))).await;
        let victim = VICTIMS[random.random_range(0..VICTIMS.len())];
        eprintln!("round {round}: {} presses acknowledged, killing {victim:?}", ledger.count());
        fleet.killed_at = clock::now().to_string();
        kill(&mut scene.server, victim, &mut random).await;
        while let Some(ended) = wearers.try_join_next() {
            ended.expect("no wearer gives up");
        }
    }
    let enough = ledger.count() + 10;
    until_so("presses flow after the last kill", FLOWS_AGAIN_WITHIN, async || ledger.count() >= enough).await;
    fleet.is_back(&scene.server).await;
    ledger.is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = wearers.join_next().await {
        ended.expect("no wearer gives up");
    }

    let mut records = scene.records().await;
    let acknowledged = ledger.acknowledged.lock().expect("nobody panicked").clone();
    assert_eq!(acknowledged, *ledger.begun.lock().expect("nobody panicked"), "every press was repeated to its end");
    let everything = records.presses().await;
    let counted = records.count("select coalesce(sum(presses), 0)::bigint from incident", &[]).await;
    assert_eq!(counted, everything.values().sum::<i64>(), "seed {seed}: presses that incidents count");
    let is_counted = |(press, _): &(Press, i64)| OVER_TCP.iter().any(|(_, serial, _)| is_said_by(press, serial));
    let (over_tcp, all_stored): (Vec<(Press, i64)>, BTreeMap<Press, i64>) = {
        let (over_tcp, others): (Vec<_>, Vec<_>) = everything.into_iter().partition(is_counted);
        (over_tcp, others.into_iter().collect())
    };
    for (serial, answered) in &*ledger.answered.lock().expect("nobody panicked") {
        let stored: i64 = over_tcp.iter().filter(|(press, _)| is_said_by(press, serial)).map(|(_, times)| times).sum();
        assert_eq!(stored, *answered, "seed {seed}: presses of {serial} that are stored, and that were answered");
        eprintln!("{serial}: {answered} presses over TCP, each answered and stored once");
    }
    let doubled: Vec<(&Press, &i64)> = all_stored.iter().filter(|(_, times)| **times != 1).collect();
    assert!(doubled.is_empty(), "seed {seed}: stored more than once: {doubled:?}");
    // The fleet orders meals and repairs, and keeps no ledger.
    let stored: BTreeSet<&Press> = all_stored.keys().filter(|(_, boot, _)| *boot == i64::from(BOOT)).collect();
    let lost: Vec<&Press> = acknowledged.iter().filter(|press| !stored.contains(press)).collect();
    assert!(lost.is_empty(), "seed {seed}: acknowledged and lost: {lost:?}");
    let invented: Vec<&&Press> = stored.iter().filter(|press| !acknowledged.contains(**press)).collect();
    assert!(invented.is_empty(), "seed {seed}: stored and never pressed: {invented:?}");
    check_the_fleet(&mut records, &fleet).await;

    let mut broken = Vec::new();
    until_so(format!("seed {seed}: every promise is kept again, but {broken:?}"), SOON, async || {
        broken = records.broken_promises().await;
        broken.is_empty()
    })
    .await;
    for incident in records.incidents().await {
        records.timeline(&incident.to_string()).await;
        check_what_120_has(&scene, &mut records, &incident.to_string()).await;
    }
    let ordered = all_stored.len() - stored.len();
    eprintln!("{} presses, each acknowledged and stored once; {ordered} orders of the fleet", acknowledged.len());
}

/// The database knows that everybody's pager is on, and no kill has led anybody astray.
async fn check_the_fleet(records: &mut Records, fleet: &Fleet) {
    until_so("the database knows of everybody", TOLD_WITHIN, async || {
        let on = "select count(*) from terminal_state s join terminal t on t.id = s.terminal_id
            where t.dialect = 'ydt' and s.session_open and s.heard_at > $1::timestamptz";
        records.count(on, &[&fleet.killed_at]).await == i64::try_from(FLEET).expect("a count")
    })
    .await;
    assert_eq!(records.count("select count(*) from incident where class = 'wandering'", &[]).await, 0);
    let fixes = records.count("select count(*) from fix", &[]).await;
    eprintln!("the fleet of {FLEET} is back; {fixes} positions were filed");
}

/// However often it was told: one case under one key, unless it is not to be called yet.
async fn check_what_120_has(scene: &Scene, records: &mut Records, incident: &str) {
    // Whom nobody proved to have pressed 120 is only proposed for.
    let called =
        "select count(*) from handover where incident_id = $1::uuid and centre = '120' and state <> 'proposed'";
    let is_called = records.count(called, &[incident]).await > 0;
    if is_called {
        scene.case_of(incident).await;
    }
    let cases: Vec<_> = scene.cases().cases.into_iter().filter(|case| case.incident.to_string() == incident).collect();
    assert_eq!(cases.len(), usize::from(is_called), "120 is called once, or not at all: {cases:?}");
    assert!(cases.iter().all(|case| case.idempotency_keys.len() == 1), "one call, several keys: {cases:?}");
}

/// A press into a database that does not answer, then everything is killed with -9: what the client was
/// told, and what is there afterwards.
async fn press_before_the_crash(arguments: Vec<&'static str>) -> (bool, bool) {
    let mut scene = Scene::open_with(Behaviour::Lie, Setup { arguments, ..Setup::default() }).await;
    let pager = scene.terminal("P1001");
    assert!(scene.server.postgres().len() > 1, "there is a database to freeze");
    scene.server.freeze_postgres();
    let published = scene.hand(&pager, Version::V311).publish(&pager.topic("alert"), message(1).to_string()).await;
    let postgres = scene.server.postgres();
    scene.server.kill();
    for pid in postgres {
        signal(pid, Signal::KILL);
    }
    scene.server.run();
    scene.server.answers().await;
    let mut records: Records = scene.records().await;
    (published.is_taken(), records.presses().await.contains_key(&press_of(&pager, 1)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_acknowledges_early_is_found_out() {
    assert_eq!(press_before_the_crash(vec!["--acknowledge-at-once"]).await, (true, false), "acknowledged, and lost");
    let (is_acknowledged, _) = press_before_the_crash(vec![]).await;
    assert!(!is_acknowledged, "nothing is acknowledged that is not on disk");
}
