//! The canary in the real thing: over MQTT, through broker, bus and gateway, to the stream that consoles follow.

use serde_json::json;
use system::console::Console;
use system::hook::Hook;
use system::server::{Server, Setup};
use system::wait::{SOON, until, until_so};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_presses_through_the_front_door_and_is_missed_when_the_database_hangs() {
    let hook = Hook::listen().await;
    let setup = Setup {
        alarm_hook: Some(hook.url()),
        tables: "[canary]\non = true\nevery_s = 1\nmissing_after_s = 5\n".into(),
        ..Setup::default()
    };
    let server = Server::start(setup).await;
    let console = Console::log_in(server.ready(), "operator").await;
    let http = server.ready().http.clone();
    let metrics = async || reqwest::get(format!("{http}/metrics")).await.ok()?.text().await.ok();
    let number = async |name: &str| {
        let page = metrics().await?;
        page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
    };
    let seen_s = until("a press comes through", SOON, async || number("ydt_canary_seen_seconds ").await).await;
    let acknowledged_s = number("ydt_canary_acknowledged_seconds ").await.unwrap_or(f64::NAN);
    eprintln!("canary: acknowledged in {acknowledged_s} s, seen in {seen_s} s");
    assert!(acknowledged_s > 0.0 && acknowledged_s <= seen_s && seen_s < 5.0);
    assert_eq!(number("ydt_canary_missing ").await, Some(0.0));
    assert_eq!(number("ydt_incidents_open ").await, Some(0.0), "nobody is woken");
    assert_eq!(console.get("/incidents?state=closed").await["incidents"], json!([]), "no list shows it");
    assert_eq!(console.get("/health").await["canary"]["missing"], json!(false));

    let frozen = std::time::Instant::now();
    server.freeze_postgres();
    let told = hook.rings("a missing canary", |alarm| alarm["alarm"] == "canary_missing").await;
    assert!(told["text"].as_str().is_some_and(|text| text.contains("链路自检")), "{told}");
    assert_eq!(number("ydt_canary_missing ").await, Some(1.0), "also while the database hangs");
    eprintln!("canary: missed {:?} after the database hung", frozen.elapsed());
    server.thaw_postgres();
    until_so("it is heard again", SOON, async || number("ydt_canary_missing ").await == Some(0.0)).await;
}
