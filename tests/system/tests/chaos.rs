//! The crash test: presses flow from real clients while the process, and PostgreSQL, are killed with -9.
//! Whatever a client was told is stored is stored, each press once, and every open incident has its deadline.
//!
//! `CHAOS_ROUNDS` says how many kills (10), `CHAOS_SEED` which.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firmware_sim::centre::Behaviour;
use firmware_sim::device::{Key, Settings};
use firmware_sim::pager::{self, Event, Pager};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use serde_json::json;
use system::mosquitto::{Mosquitto, Version};
use system::paho::Paho;
use system::records::{Press, Records};
use system::scene::{Scene, sends_a_vehicle};
use system::server::{Server, Setup, Terminal, signal};
use system::wait::{SOON, until, until_so};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// From a kill to presses that are acknowledged again, on a machine that is busy.
const FLOWS_AGAIN_WITHIN: Duration = Duration::from_mins(1);
/// The longest that one `mosquitto_pub` is waited for before its wearer presses on.
const PATIENCE: Duration = Duration::from_secs(8);
/// The boot number of terminals that cannot restart.
const BOOT: u32 = 7;

/// What the wearers know.
#[derive(Debug, Default)]
struct Ledger {
    begun: Mutex<BTreeSet<Press>>,
    acknowledged: Mutex<BTreeSet<Press>>,
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

    let mut scene = Scene::open(sends_a_vehicle(8)).await;
    let door = scene.ready().mqtt;
    let ledger = Arc::new(Ledger::default());
    let mut wearers = JoinSet::new();
    for (serial, version) in [("P1001", Version::V311), ("P1003", Version::V5), ("P1004", Version::V311)] {
        wearers.spawn(press_with_mosquitto(door, scene.terminal(serial), version, Arc::clone(&ledger)));
    }
    let terminals = vec![scene.terminal("P1005"), scene.terminal("P1006")];
    wearers.spawn(press_with_paho(door, terminals, Arc::clone(&ledger)));
    wearers.spawn(press_on_a_pager(door, scene.terminal("P1007"), Arc::clone(&ledger)));

    for round in 1..=rounds {
        // A random moment while presses flow: after some more of them, and a little time.
        let enough = ledger.count() + random.random_range(3..25);
        until_so("presses flow", FLOWS_AGAIN_WITHIN, async || ledger.count() >= enough).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..150))).await;
        let victim = VICTIMS[random.random_range(0..VICTIMS.len())];
        eprintln!("round {round}: {} presses acknowledged, killing {victim:?}", ledger.count());
        kill(&mut scene.server, victim, &mut random).await;
        while let Some(ended) = wearers.try_join_next() {
            ended.expect("no wearer gives up");
        }
    }
    let enough = ledger.count() + 10;
    until_so("presses flow after the last kill", FLOWS_AGAIN_WITHIN, async || ledger.count() >= enough).await;
    ledger.is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = wearers.join_next().await {
        ended.expect("no wearer gives up");
    }

    let mut records = scene.records().await;
    let acknowledged = ledger.acknowledged.lock().expect("nobody panicked").clone();
    assert_eq!(acknowledged, *ledger.begun.lock().expect("nobody panicked"), "every press was repeated to its end");
    let stored = records.presses().await;
    let lost: Vec<&Press> = acknowledged.iter().filter(|press| !stored.contains_key(*press)).collect();
    assert!(lost.is_empty(), "seed {seed}: acknowledged and lost: {lost:?}");
    let doubled: Vec<(&Press, &i64)> = stored.iter().filter(|(_, times)| **times != 1).collect();
    assert!(doubled.is_empty(), "seed {seed}: stored more than once: {doubled:?}");
    let invented: Vec<&Press> = stored.keys().filter(|press| !acknowledged.contains(*press)).collect();
    assert!(invented.is_empty(), "seed {seed}: stored and never pressed: {invented:?}");
    let counted = records.count("select coalesce(sum(presses), 0)::bigint from incident", &[]).await;
    assert_eq!(counted, i64::try_from(stored.len()).expect("a count"), "seed {seed}: presses that incidents count");

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
    eprintln!("{} presses, each acknowledged and stored once", acknowledged.len());
}

/// However often it was told: one case under one key, unless it is not to be called yet.
async fn check_what_120_has(scene: &Scene, records: &mut Records, incident: &str) {
    let called = "select count(*) from handover where incident_id = $1::uuid and centre = '120'";
    if records.count(called, &[incident]).await > 0 {
        scene.case_of(incident).await;
    }
    let cases: Vec<_> = scene.cases().cases.into_iter().filter(|case| case.incident.to_string() == incident).collect();
    assert!(cases.len() <= 1, "120 was called twice: {cases:?}");
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
