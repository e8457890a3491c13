//! One in ten of a crowd presses within a minute, by the command that anybody can type.

use serde_json::Value;
use system::mosquitto::{Mosquitto, Version};
use system::places;
use system::program::Program;
use system::scene::{Scene, sends_a_vehicle};
use system::server::Terminal;
use system::wait::{SOON, until_so};
use tokio::process::Command;
use town::crowd;

const PEOPLE: u32 = 400;
const PRESSES: u32 = PEOPLE / 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_an_earthquake_every_press_of_a_crowd_is_acknowledged_and_kept_once() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let mut records = scene.records().await;
    for number in 0..PEOPLE {
        records.list_pager(&crowd::serial(number), &crowd::secret(number)).await;
    }
    let serial = crowd::serial(PEOPLE - 1);
    let (login, secret, dialect) = (serial.clone(), crowd::secret(PEOPLE - 1), "ydt".into());
    let last = Terminal { serial, login, secret, dialect, wearer: String::new(), lat: 0.0, lon: 0.0 };
    let hand = Mosquitto { door: scene.ready().mqtt, terminal: &last, version: Version::V311 };
    let is_known = async || hand.try_to_listen(&last.topic("notice")).await.code == Some(0);
    until_so("the door knows all of them", SOON, is_known).await;

    // A test that is itself killed leaves no crowd behind.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(places::executable("firmware-sim"));
    command.args(["fleet", "--broker", &scene.ready().mqtt.to_string(), "--crowd", &PEOPLE.to_string()]);
    command.args(["--rate", "40", "--earthquake-at", "1", "--seconds", "63"]).env("RUST_LOG", "warn");
    let said = Program::start("the crowd", &mut command).ended().await;
    let report = said.iter().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line.get("end").cloned()
    });
    let report = report.unwrap_or_else(|| panic!("there is no report: {said:?}"));
    assert_eq!(report["durable"]["count"], PRESSES, "{report}");
    assert_eq!(report["unacknowledged_presses"], 0, "{report}");
    assert!(report["telemetry_sent"].as_u64() > Some(u64::from(PEOPLE)), "nobody said where they are: {report}");
    eprintln!("of {PRESSES} presses in a minute, key to PUBACK: {}", report["durable"]);

    let presses = records.presses().await;
    assert_eq!(presses.len(), PRESSES as usize, "{presses:?}");
    assert!(presses.values().all(|times| *times == 1), "{presses:?}");
    let mut callers: Vec<_> = presses.keys().map(|(serial, ..)| serial).collect();
    callers.dedup();
    assert_eq!(records.incidents().await.len(), callers.len(), "one case for each who called");
    until_so("every promise is kept", SOON, async || records.broken_promises().await.is_empty()).await;
}
