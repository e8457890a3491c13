//! Two front doors behind a TCP balancer (haproxy, with the file from `packaging/`), two gateways, two dispatchers, one
//! database. Terminals move between the doors, notices find them, and whatever is killed, nothing acknowledged is lost.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use system::apart::Apart;
use system::balancer::Balancer;
use system::mosquitto::{Mosquitto, Version};
use system::paho::Paho;
use system::presses::{Ledger, press, press_on, press_on_with};
use system::server::Terminal;
use system::wait::{SOON, until_so};
use tokio::task::JoinSet;

/// A terminal's keep-alive, the shortest that `mosquitto_sub` takes.
const KEEP_ALIVE: [&str; 2] = ["-k", "5"];
/// What terminals press after the story's own presses.
const LATER: u32 = 100;

/// The whole, and what stands before its doors.
struct Stage {
    apart: Apart,
    balancer: Balancer,
}

impl Stage {
    fn hand<'t>(&self, terminal: &'t Terminal, version: Version) -> Mosquitto<'t> {
        Mosquitto { door: self.balancer.address(), terminal, version }
    }

    /// How many sessions each door has. A door that is not there has none.
    async fn sessions(&self) -> [u64; 2] {
        let [east, west] = &self.apart.brokers;
        let (east, west) = tokio::join!(east.metric("ydt_broker_sessions "), west.metric("ydt_broker_sessions "));
        [east.unwrap_or_default(), west.unwrap_or_default()]
    }

    async fn sessions_become(&self, what: &str, wanted: [u64; 2]) {
        until_so(format!("{what}: {wanted:?}"), SOON, async || self.sessions().await == wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_balancer_terminals_move_between_doors_and_nothing_acknowledged_is_lost() {
    let apart = Apart::start().await;
    let probes = [apart.brokers[0].probe(), apart.brokers[1].probe()];
    let balancer = Balancer::before(apart.doors(), probes).await;
    let mut stage = Stage { apart, balancer };

    let (paho, terminals) = either_dispatcher_reaches_either_door(&mut stage).await;
    whoever_comes_back_at_the_other_door_is_found_there(&stage).await;

    // Under presses, all of them through the balancer: paho's terminals stay connected, the others come and go.
    let ledger = Arc::new(Ledger::default());
    let mut hands = JoinSet::new();
    for (serial, version) in [("P1006", Version::V311), ("P1008", Version::V5)] {
        let (terminal, through) = (stage.apart.terminal(serial), vec![stage.balancer.address()]);
        hands.spawn(press_on(through, terminal, version, Arc::clone(&ledger)));
    }
    let on_paho = tokio::spawn(press_on_with(paho, terminals.clone(), LATER, Arc::clone(&ledger)));
    ledger.flows("the start").await;

    a_door_is_killed(&mut stage, &ledger, terminals.len()).await;
    a_door_without_its_bus_ends(&mut stage, &ledger).await;
    all_gateways_are_killed(&mut stage, &ledger).await;

    ledger.end();
    while let Some(ended) = hands.join_next().await {
        ended.expect("no wearer gives up");
    }
    let paho = on_paho.await.expect("no wearer gives up");
    let mut records = stage.apart.records().await;
    ledger.hold_against(&mut records).await;
    eprintln!("{} presses acknowledged, all of them stored once", ledger.count());
    until_so("every promise is kept", SOON, async || records.broken_promises().await.is_empty()).await;
    paho.end().await;
}

/// Four terminals, two at each door. With one dispatcher dead, the other one takes a press of a terminal at each door,
/// and its notices reach both; then the other way round.
async fn either_dispatcher_reaches_either_door(stage: &mut Stage) -> (Paho, Vec<Terminal>) {
    let mut paho = Paho::start();
    let mut terminals = Vec::new();
    for (number, serials) in [["P1001", "P1003"], ["P1004", "P1005"]].into_iter().enumerate() {
        for (serial, version) in serials.into_iter().zip([Version::V311, Version::V5]) {
            let terminal = stage.apart.terminal(serial);
            paho.connect(stage.balancer.address(), &terminal, version).await;
            terminals.push(terminal);
        }
        let each = number as u64 + 1;
        stage.sessions_become("the balancer sends each to where fewest are", [each, each]).await;
    }
    for (alive, pair) in terminals.chunks(2).enumerate() {
        stage.apart.dispatchers[1 - alive].kill();
        let operator = stage.apart.operator(alive).await;
        for terminal in pair {
            let message = json!({ "type": "alert", "kind": "sos", "boot": 7, "seq": 1 });
            let tag = paho.publish(terminal, &terminal.topic("alert"), &message).await;
            paho.acknowledged(terminal, tag, SOON).await;
            paho.hear_news(terminal, "received", SOON).await;
            let serial = &terminal.serial;
            let is_it = |incident: &serde_json::Value| incident["serial"] == serial.as_str();
            let incident = operator.incident(format!("{serial} rings"), SOON, is_it).await;
            operator.act(&incident, "claim", json!({})).await;
            paho.hear_news(terminal, "claimed", SOON).await;
        }
        let dead = &mut stage.apart.dispatchers[1 - alive];
        dead.run();
        dead.is_well().await;
    }
    (paho, terminals)
}

/// A terminal whose network has gone without a word comes back, under its old name, at the other door.
async fn whoever_comes_back_at_the_other_door_is_found_there(stage: &Stage) {
    let terminal = stage.apart.terminal("P1007");
    let hand = stage.hand(&terminal, Version::V5);
    let (topic, before) = (terminal.topic("notice"), stage.sessions().await);
    let old_ears = hand.listen_with("ears", &topic, &KEEP_ALIVE).await;
    let first = usize::from(stage.sessions().await[1] > before[1]);
    old_ears.freeze();
    let ears = hand.listen_with("ears", &topic, &KEEP_ALIVE).await;
    stage.sessions_become("it is at both doors", before.map(|sessions| sessions + 1)).await;

    hand.publish_acknowledged(&terminal.topic("alert"), press(1)).await;
    ears.hear_news("received", SOON).await;
    // The old one ends by its keep-alive, and takes nothing with it.
    let mut left = before;
    left[1 - first] += 1;
    stage.sessions_become("the old session has ended", left).await;
    let operator = stage.apart.operator(0).await;
    let incident = operator.incident("it rings", SOON, |incident| incident["serial"] == "P1007").await;
    operator.act(&incident, "claim", json!({})).await;
    ears.hear_news("claimed", SOON).await;
}

async fn a_door_is_killed(stage: &mut Stage, ledger: &Ledger, connected: usize) {
    let at_it = stage.sessions().await[0];
    assert!(at_it >= 2, "nobody is at the door that is killed");
    let killed = Instant::now();
    stage.apart.brokers[0].kill();
    ledger.flows("a door was killed").await;
    let there = async || stage.sessions().await[1] >= connected as u64;
    until_so("all who were at it are at the other one", SOON, there).await;
    eprintln!("without a door: {at_it} sessions came through the other one, presses flow after {:?}", killed.elapsed());
    let door = &mut stage.apart.brokers[0];
    door.run();
    door.is_well().await;
    let door = &stage.apart.brokers[0];
    let comes = async || door.metric("ydt_broker_sessions_opened_total ").await.is_some_and(|opened| opened > 0);
    until_so("the balancer sends terminals to it again", SOON, comes).await;
    ledger.flows("it came back").await;
}

/// The thread of the bus dies: the door ends with an error, and does not go on deaf.
async fn a_door_without_its_bus_ends(stage: &mut Stage, ledger: &Ledger) {
    stage.apart.kill_bus(1).await;
    let door = &mut stage.apart.brokers[1];
    let ended = door.ended().await;
    assert_eq!(ended.code(), Some(1), "{ended}: {}", door.said());
    door.logs("the bus is dead").await;
    ledger.flows("a bus died").await;
    let door = &mut stage.apart.brokers[1];
    door.run();
    door.is_well().await;
}

/// Nothing is acknowledged then, not even by a door that is well but for that, and all of it is stored when one comes.
async fn all_gateways_are_killed(stage: &mut Stage, ledger: &Ledger) {
    for gateway in &mut stage.apart.gateways {
        gateway.kill();
    }
    let terminal = stage.apart.terminal("P1009");
    let hand = stage.hand(&terminal, Version::V311);
    let published = hand.publish(&terminal.topic("alert"), press(1)).await;
    assert!(!published.is_taken(), "nothing is acknowledged that is not on disk: {published:?}");
    let acknowledged = ledger.count();
    for door in &stage.apart.brokers {
        let ill = async || door.health().await.is_some_and(|health| health["status"] == "failing");
        until_so("each door says what it lacks", SOON, ill).await;
    }
    // The balancer has no door that is well, and still lets terminals in.
    let published = hand.publish(&terminal.topic("alert"), press(2)).await;
    assert!(!published.is_taken(), "{published:?}");
    assert_eq!(ledger.count(), acknowledged, "presses were acknowledged without any gateway");
    for gateway in &mut stage.apart.gateways {
        gateway.run();
    }
    ledger.flows("the gateways came back").await;
    let mut records = stage.apart.records().await;
    let kept = async || records.reports_of_press("P1009", 7, 2).await > 0;
    until_so("what waited at the door is stored", SOON, kept).await;
    for gateway in &mut stage.apart.gateways {
        gateway.is_well().await;
    }
}
