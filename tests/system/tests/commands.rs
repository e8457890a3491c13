//! What a terminal is told to do: asked for at the API, carried out by a simulated pager, seen as done where it was asked.

use firmware_sim::device::Key;
use firmware_sim::ground::Point;
use firmware_sim::pager::{Config, Event, Pager};
use serde_json::{Value, json};
use system::console::{Console, list, text};
use system::scene::{Scene, sends_a_vehicle};
use system::server::Terminal;
use system::wait::{SOON, until};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A pager that is switched on, until the guard goes.
fn switched_on(scene: &Scene, terminal: &Terminal) -> (Pager, DropGuard) {
    let place = Some(Point { lat: terminal.lat, lon: terminal.lon });
    let config = Config { place, ..Config::new(scene.ready().mqtt.to_string(), &terminal.serial, &*terminal.secret) };
    let stop = CancellationToken::new();
    (Pager::start(config, stop.clone()).expect("a simulated pager starts"), stop.drop_guard())
}

/// What happens at the pager until this does.
async fn hears(pager: &mut Pager, what: &str, is_it: impl Fn(&Event) -> bool) {
    let hearing = async {
        while let Some(event) = pager.next().await {
            if is_it(&event) {
                return;
            }
        }
        panic!("the pager has stopped");
    };
    tokio::time::timeout(SOON, hearing).await.unwrap_or_else(|_| panic!("the pager does not hear {what}"));
}

/// Waits until the newest command of this word is over.
async fn over(console: &Console, path: &str, word: &str) -> Value {
    until(format!("{word} is over"), SOON, async || {
        let commands = console.get(path).await["commands"].take();
        let newest = list(&commands).iter().find(|command| command["command"]["do"] == word)?;
        (newest["over"] == true).then(|| newest.clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_asks_where_somebody_is_now_and_the_pager_answers() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let terminal = scene.terminal("P1001");
    let operator = scene.operator().await;
    let (mut pager, on) = switched_on(&scene, &terminal);
    pager.press(Key::sos()).await;
    let incident = operator.incident("a press", SOON, |incident| incident["serial"] == "P1001").await;
    let path = format!("/incidents/{incident}/commands");

    // Who calls for help is followed by itself.
    hears(&mut pager, "a burst", |event| matches!(event, Event::Command { what: "burst", .. })).await;
    let burst = over(&operator, &path, "burst").await;
    assert_eq!((&burst["state"], &burst["by"]), (&json!("done"), &Value::Null), "{burst}");

    let asked = operator.post(&path, json!({ "command": { "do": "locate" } })).await;
    hears(&mut pager, "where it is", |event| matches!(event, Event::Command { what: "locate", .. })).await;
    let located = over(&operator, &path, "locate").await;
    assert_eq!((&located["id"], &located["state"], &located["confirmed"]), (&asked["id"], &json!("done"), &json!(true)));
    let mut records = scene.records().await;
    let fixes = "select count(*) from fix f join terminal t on t.id = f.terminal_id where t.serial = $1";
    assert!(records.count(fixes, &["P1001"]).await >= 2, "the burst and the answer are on file");

    operator.post(&path, json!({ "command": { "do": "text", "text": "请打开门" } })).await;
    hears(&mut pager, "the text", |event| matches!(event, Event::Screen { zh, .. } if zh == "请打开门")).await;
    assert_eq!(over(&operator, &path, "text").await["state"], "done");

    // What waits for a pager that is switched off reaches it when it is switched on.
    drop(on);
    pager.stopped().await;
    let card = operator.card(&incident).await;
    let path = format!("/residents/{}/commands", text(&card["subject"]["id"]));
    operator.post(&path, json!({ "command": { "do": "find" } })).await;
    let (mut pager, _on) = switched_on(&scene, &terminal);
    hears(&mut pager, "that it is looked for", |event| matches!(event, Event::Command { what: "find", .. })).await;
    assert_eq!(over(&operator, &path, "find").await["state"], "done");
    let chain = records.timeline(&incident).await;
    assert_eq!(chain.iter().filter(|word| *word == "told_terminal").count(), 2, "{chain:?}");
}
