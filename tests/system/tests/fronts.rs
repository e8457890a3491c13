//! Where terminals come in: our own doors as the console shows them, and, as the weaker mode, a Mosquitto in front with two
//! gateways that share its subscriptions.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use system::apart::Apart;
use system::console::Console;
use system::mosquitto::{Mosquitto, Version};
use system::server::free_port;
use system::wait::{SOON, until_so};
use tempfile::NamedTempFile;

const TAKEN: &str = "ydt_gateway_alerts_taken_total ";
/// From a kill to presses that are taken again: Mosquitto notices the broken connection at once.
const FLOWS_AGAIN_WITHIN: Duration = Duration::from_mins(2);

/// Twenty seconds, and a moment to see it.
const SILENT_WITHIN: Duration = Duration::from_mins(3);

/// Debian's broker. It is killed when this is dropped.
struct Broker {
    at: SocketAddr,
    child: Child,
    _config: NamedTempFile,
}

impl Broker {
    fn start() -> Self {
        let at = free_port();
        let mut config = NamedTempFile::new().expect("a file can be made");
        let text = format!("listener {} {}\nallow_anonymous true\npersistence false\n", at.port(), at.ip());
        config.write_all(text.as_bytes()).expect("it can be written");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "/usr/sbin/mosquitto", "-c"]).arg(config.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mosquitto is installed");
        Self { at, child, _config: config }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn press(seq: u32) -> String {
    json!({ "type": "alert", "kind": "sos", "boot": 7, "seq": seq }).to_string()
}

/// What somebody's console shows of a door.
async fn door(admin: &Console, name: &str) -> Option<Value> {
    let doors = admin.get("/doors").await;
    doors["doors"].as_array()?.iter().find(|door| door["name"] == name).cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_dispatcher_shows_every_door_and_a_door_that_was_killed_as_silent() {
    let mut apart = Apart::start().await;
    let terminal = apart.terminal("P1001");
    let foreign = apart.hand(0, &terminal, Version::V5).publish("ydt/1/P1002/alert", press(1)).await;
    assert!(!foreign.is_taken(), "{foreign:?}");
    let admins = [apart.user(0, "admin").await, apart.user(1, "admin").await];
    for admin in &admins {
        until_so("the violation is shown", SOON, async || {
            let shown = door(admin, "east").await.unwrap_or_default();
            let first = &shown["violations"][0];
            shown["counted"]["publish_denied"] == 1
                && first["serial"] == "P1001"
                && first["topic"] == "ydt/1/P1002/alert"
                && first["code"] == 0x87
        })
        .await;
        // Each door tells how it stands in its own time.
        until_so("the other door is shown", SOON, async || door(admin, "west").await.is_some()).await;
        let west = door(admin, "west").await.expect("it was shown");
        assert_eq!((&west["silent"], &west["violations"]), (&json!(false), &json!([])), "{west}");
    }
    apart.brokers[0].kill();
    for admin in &admins {
        let silent = async || door(admin, "east").await.is_some_and(|door| door["silent"] == true);
        until_so("the dead door is silent", SILENT_WITHIN, silent).await;
        assert_eq!(door(admin, "west").await.expect("it is known")["silent"], false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_through_mosquitto_opens_one_incident_and_its_wearer_hears_of_it() {
    const PRESSES: u32 = 12;
    let broker = Broker::start();
    let mut apart = Apart::start_with(&format!("[outside]\nbroker = \"{}\"\n", broker.at)).await;
    let terminal = apart.terminal("P1001");
    let hand = Mosquitto { door: broker.at, terminal: &terminal, version: Version::V5 };
    let topic = terminal.topic("alert");
    let ears = hand.listen("ears", &terminal.topic("notice")).await;
    for seq in 1..=PRESSES {
        hand.publish_acknowledged(&topic, press(seq)).await;
    }
    ears.hear_news("received", SOON).await;
    let mut records = apart.records().await;
    until_so("every press is stored", SOON, async || records.presses().await.len() == PRESSES as usize).await;
    assert!(records.presses().await.values().all(|times| *times == 1), "no press is doubled");
    assert_eq!(records.incidents().await.len(), 1);
    // Both have had their share.
    for gateway in &apart.gateways {
        assert!(gateway.counted(TAKEN).await > 0.0, "the work is shared");
    }

    // What is done about it comes back to the wearer, and the operator sees it as any other.
    let operator = apart.operator(1).await;
    let incident = operator.incident("the incident", SOON, |incident| incident["serial"] == "P1001").await;
    operator.act(&incident, "claim", json!({})).await;
    ears.hear_news("claimed", SOON).await;

    // Without one of them the other takes everything.
    apart.gateways[0].kill();
    let other = apart.terminal("P1002");
    let hand = Mosquitto { door: broker.at, terminal: &other, version: Version::V311 };
    let mut seq = 0;
    until_so("presses flow without a gateway", FLOWS_AGAIN_WITHIN, async || {
        // As whoever has no receipt does.
        seq += 1;
        hand.publish_acknowledged(&other.topic("alert"), press(seq)).await;
        records.presses().await.len() > PRESSES as usize
    })
    .await;
    for role in apart.brokers.iter_mut().chain(&mut apart.gateways[1..]).chain(&mut apart.dispatchers) {
        role.stop().await;
    }
}
