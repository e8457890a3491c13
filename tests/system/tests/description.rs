//! What the API says of itself, held against what it does, by a program that knows nothing but the description.

use std::process::Stdio;

use serde_json::{Value, json};
use system::browser::Browser;
use system::console::{Console, list, text};
use system::mosquitto::Version;
use system::places;
use system::responder::Application;
use system::scene::{Scene, sends_a_vehicle};
use system::server::Ready;
use system::wait::SOON;
use tokio::process::Command;

/// A session as the description means it: the cookie's value and the token.
async fn session(ready: &Ready, login: &str) -> (String, String) {
    let user = ready.demo.users.iter().find(|user| user.login == login).expect("somebody has this login");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
    let credentials = json!({ "login": login, "password": user.password });
    let answer = client.post(format!("{}/api/v1/session", ready.http)).json(&credentials).send().await;
    let answer = answer.expect("the server answers").error_for_status().expect("the login is right");
    let cookie = answer.headers()["set-cookie"].to_str().expect("a plain cookie").to_owned();
    let (_, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a name and a value");
    let body: Value = answer.json().await.expect("a session");
    (value.to_owned(), text(&body["csrf"]).to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_does_what_its_description_says() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let ready = scene.ready();
    // Something to ask about: an emergency for which somebody was asked, and a fence.
    let pager = scene.terminal("P1001");
    let press = json!({ "type": "alert", "kind": "sos", "boot": 7, "seq": 1 }).to_string();
    scene.hand(&pager, Version::V311).publish_acknowledged(&pager.topic("alert"), press).await;
    let admin = Console::log_in(ready, "admin").await;
    let incident = admin.incident("the press", SOON, |case| case["class"] == "emergency").await;
    let asked = |card: &Value| list(&card["offers"]).iter().any(|offer| offer["state"] == "asked");
    let card = admin.card_when(&incident, "somebody is asked", SOON, asked).await;
    let offer = &card["offers"][0];
    let responder = Application::of(ready, text(&offer["name"])).who.token;
    let resident = text(&card["subject"]["id"]).to_owned();
    let circle = json!({ "type": "circle", "center": [pager.lon, pager.lat], "radius_m": 300.0 });
    let fence = admin.post(&format!("/residents/{resident}/fences"), json!({ "name": "小区", "shape": circle })).await;

    let (cookie, csrf) = session(ready, "admin").await;
    let mut asking = Command::new(places::python());
    asking.args(["-m", "schemathesis.cli", "--config-file"]).arg(places::of_this_package("clients/schemathesis.toml"));
    asking.args(["run", &format!("{}/api/v1/openapi.json", ready.http), "--no-color"]);
    // The same questions each time.
    asking.args(["--seed", "20101120", "--max-examples", "8", "--request-timeout", "15"]);
    // What it remembers of one run is nothing to the next.
    let folder = tempfile::tempdir().expect("a folder can be made");
    asking.current_dir(folder.path());
    asking.env("YDT_SESSION", cookie).env("YDT_CSRF", csrf).env("YDT_RESPONDER", responder);
    asking.env("YDT_INCIDENT", &incident).env("YDT_RESIDENT", &resident);
    asking.env("YDT_OFFER", text(&offer["id"])).env("YDT_FENCE", text(&fence["id"]));
    let said = asking.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("schemathesis is installed");
    let told = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{told}\n{}", String::from_utf8_lossy(&said.stderr));
    // All but two streams and the logging out.
    let counts: Vec<u32> = told
        .lines()
        .find_map(|line| line.trim().strip_prefix("Selected: "))
        .expect("it says how many operations it asked about")
        .split('/')
        .map(|count| count.parse().expect("a number"))
        .collect();
    assert!(matches!(counts[..], [asked, all] if asked > 40 && all - asked == 3), "{told}");
    println!("{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_that_shows_the_api_makes_calls_with_the_session_of_its_browser() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let mut reader = Browser::log_in(scene.ready(), "operator").await;
    reader.goes_to("/api.html").await;
    reader.clicks_at("#operations-tag-incidents").await;
    let call = "#operations-incidents-incidents_open_by_telephone";
    reader.clicks_at(&format!("{call} .opblock-summary-control")).await;
    reader.clicks_at(&format!("{call} .try-out__btn")).await;
    reader.writes_at(&format!("{call} textarea"), r#"{"kind":"telephone","note":"有人摔倒"}"#).await;
    reader.clicks_at(&format!("{call} .execute")).await;
    let status = reader.reads_at(&format!("{call} .live-responses-table tbody .response-col_status")).await;
    assert!(status.starts_with("201"), "{status}");
    let operator = scene.operator().await;
    assert_eq!(operator.open_incidents().await.len(), 1);
    assert_eq!(reader.complaints().await, json!([]));
    reader.closes().await;
}
