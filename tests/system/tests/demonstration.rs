//! What somebody sees who has just cloned the project and typed one command: each printed line works as printed.

use std::time::Duration;

use serde_json::{Value, json};
use system::console::{Console, list};
use system::program::Program;
use system::records::Records;
use system::server::{FarEnds, Server, Setup};
use system::wait::{SOON, until_so};
use tokio::process::Command;

/// Simulated responders decline first, think, and travel.
const COMING_WITHIN: Duration = Duration::from_mins(3);

fn shell(line: &str) -> Program {
    Program::start(line, Command::new("sh").args(["-c", line]))
}

async fn hears(program: &Program, words: &str, within: Duration) {
    program.hear(words, within, |line| line.contains(words).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_that_the_demonstration_prints_works_as_printed() {
    let server = Server::start(Setup { far_ends: FarEnds::Inside, ..Setup::default() }).await;
    let printed = server.printed().await;
    for user in &server.ready().demo.users {
        assert!(printed.contains(&user.login) && printed.contains(&user.password), "{printed}");
    }
    assert!(printed.contains(&server.ready().http), "{printed}");
    let is_command = |line: &&str| line.starts_with("mosquitto_pub ") || line.contains("/firmware-sim ");
    let commands: Vec<&str> = printed.lines().map(str::trim).filter(is_command).collect();
    let [press, publish, pager, phone, wander] = commands[..] else {
        panic!("other commands are printed: {commands:?}")
    };
    let operator = Console::log_in(server.ready(), "operator").await;
    let _present = operator.follow(None).await;

    // A simulated press is followed from the siren to all clear.
    let pressed = shell(press);
    for words in ["呜呜呜", "PUBACK", "receipt", "notice   received"] {
        hears(&pressed, words, SOON).await;
    }
    let incident = operator.incident("it rings", SOON, |incident| incident["serial"] == "P1001").await;
    operator.act(&incident, "claim", json!({})).await;
    hears(&pressed, "notice   claimed", SOON).await;
    hears(&pressed, "(siren off)", SOON).await;
    hears(&pressed, "notice   coming: 120", COMING_WITHIN).await;
    let somebody_goes = |card: &Value| {
        list(&card["offers"])
            .iter()
            .any(|offer| ["accepted", "on_the_way", "on_scene"].iter().any(|is| offer["state"] == *is))
    };
    operator.card_when(&incident, "a simulated responder goes", COMING_WITHIN, somebody_goes).await;
    operator.act(&incident, "stand-down", json!({ "centre": "120", "reason": "演示" })).await;
    operator.act(&incident, "close", json!({ "outcome": "test" })).await;
    hears(&pressed, "notice   all clear", SOON).await;
    pressed.ended().await;

    // Any MQTT client will do.
    shell(publish).ended().await;
    let again = operator.incident("it rings anew", SOON, |incident| incident["serial"] == "P1001").await;
    assert_ne!(again, incident);

    // A pager to play with.
    let mut pager = shell(pager);
    hears(&pager, "connected", SOON).await;
    pager.say("sos").await;
    hears(&pager, "PUBACK", SOON).await;
    pager.say("cancel").await;
    let taken_back = |card: &Value| list(&card["tasks"]).iter().any(|task| task == "cancelled_by_wearer");
    operator.card_when(&again, "the wearer takes it back", SOON, taken_back).await;
    pager.say("quit").await;
    pager.ended().await;

    // And a phone.
    shell(phone).ended().await;
    let phones = async || operator.open_incidents().await.iter().any(|incident| incident["serial"] == "wang/phone");
    until_so("the phone rings", SOON, phones).await;

    // Everybody wears a pager that is on, and one of them walks away from home, in that pager's place.
    let mut records = Records::of(server.ready()).await;
    let on = "select count(*) from terminal_state where session_open";
    until_so("277 pagers are on", COMING_WITHIN, async || records.count(on, &[]).await == 277).await;
    let walking = shell(wander);
    hears(&walking, "connected", SOON).await;
    let away = "select count(*) from terminal_state s join terminal t on t.id = s.terminal_id
        join terminal_assignment a on a.terminal_id = t.id and a.until is null join resident r on r.id = a.resident_id
        where t.serial = 'P1016' and st_distance(s.place, r.home) > 100";
    until_so("the wanderer is seen to go", COMING_WITHIN, async || records.count(away, &[]).await == 1).await;
}
