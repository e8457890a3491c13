//! A watch with JSON of its own, taken in by a profile: played by `mosquitto_pub`, which knows nothing of us.

use domain::datum::Datum;
use domain::place::Position;
use serde_json::{Value, json};
use system::console::{Console, list, text};
use system::mosquitto::{Ears, Version};
use system::responder::Application;
use system::scene::{Scene, sends_a_vehicle};
use system::server::Terminal;
use system::shell::Shell;
use system::wait::{SOON, until, until_so};

const SERIAL: &str = "860000000000017";
const STATUS: &str = "atom/g616/status/860000000000017";
const MESSAGE: &str = "atom/g616/cmd/860000000000017/MESSAGE";

/// Lists a watch that is worn by whoever wears `pager`.
async fn listed(scene: &Scene, pager: &str) -> Terminal {
    let mut records = scene.records().await;
    let wearer = "select resident_id::text from wearer where serial = $1";
    let wearer: String = sqlx::Row::get(&records.ask(wearer, &[pager]).await[0], 0);
    let add = ["terminal", "add", SERIAL, "--dialect", "mapped", "--profile", "g616", "--resident", &wearer];
    let said = Shell::at(scene.server.data()).says(&add);
    let secret = said.split_whitespace().last().expect("its secret is shown").to_owned();
    Terminal { serial: SERIAL.into(), login: SERIAL.into(), secret, dialect: "mapped".into(), ..scene.terminal(pager) }
}

/// What it publishes each minute, with numbers as texts.
fn status(is_pressed: bool, (lat, lon): (f64, f64)) -> String {
    json!({
        "imei": SERIAL, "stepCount": "1204", "heartRate": "78", "bpSystolic": "121", "bpDiastolic": "79", "battery": "64",
        "sos": is_pressed, "location": format!("{lon:.6},{lat:.6}"), "isWearing": "1", "isOnline": "1",
    })
    .to_string()
}

async fn reads(ears: &Ears, words: &str) {
    ears.hear(words, SOON, |heard| heard.topic == MESSAGE && heard.message == words).await;
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
async fn a_watch_with_json_of_its_own_calls_for_help_and_reads_that_somebody_comes() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let mut records = scene.records().await;
    let watch = listed(&scene, "P1001").await;
    let home = Position::new(watch.lat, watch.lon).expect("a place");
    let shown = Datum::Gcj02.from_wgs84(home);
    let hand = scene.hand(&watch, Version::V311);
    let opens = async || hand.publish(STATUS, status(false, shown)).await.is_taken();
    until_so("the door knows the watch", SOON, opens).await;
    assert_eq!(records.count("select count(*) from incident", &[]).await, 0, "nobody has called");
    let ears = hand.listen("watch", "atom/g616/cmd/860000000000017/#").await;

    // It neither speaks nor listens for another.
    let fives = scene.hand(&watch, Version::V5);
    let foreign = fives.publish("atom/g616/status/860000000000018", status(true, shown)).await;
    assert!(!foreign.is_taken(), "{foreign:?}");
    let foreign = fives.try_to_listen("atom/g616/cmd/860000000000018/#").await;
    assert!(foreign.said.contains("denied"), "{foreign:?}");

    hand.publish_acknowledged(STATUS, status(true, shown)).await;
    let stored = "select count(*) from report where serial = $1 and event = 'alert' and incident_id is not null";
    assert_eq!(records.count(stored, &[SERIAL]).await, 1, "acknowledged, but not on disk");
    let operator = scene.operator().await;
    let incident = operator.incident("it rings", SOON, |incident| incident["serial"] == SERIAL).await;
    let card = operator.card(&incident).await;
    assert_eq!((&card["kinds"], text(&card["subject"]["name"])), (&json!(["sos"]), watch.wearer.as_str()));
    // Shown in the maker's datum, kept in ours.
    let degrees = |name: &str| card["place"][name].as_f64().expect("a place");
    assert!((degrees("lat") - watch.lat).abs() < 2e-6 && (degrees("lon") - watch.lon).abs() < 2e-6, "{card:#}");

    reads(&ears, "已收到您的求助").await;
    operator.act(&incident, "claim", json!({})).await;
    reads(&ears, "坐席已受理您的求助").await;
    let candidates = operator.get(&format!("/incidents/{incident}/candidates")).await;
    let nearest = &candidates["candidates"][0]["responder"];
    operator.act(&incident, "ask", json!({ "responder": nearest })).await;
    let asked = |card: &Value| card["offers"][0]["state"] == "asked";
    let card = operator.card_when(&incident, "somebody is asked", SOON, asked).await;
    let comes = Application::of(scene.ready(), text(&card["offers"][0]["name"]));
    let offer = comes.asked(SOON).await;
    comes.says(&offer, "accept", json!({ "minutes": 4 })).await;
    reads(&ears, &format!("{}正在赶来,约4分钟", comes.who.name)).await;
    let acknowledged = |card: &Value| list(&card["notices"]).iter().all(|notice| notice["state"] == "delivered");
    operator.card_when(&incident, "every notice is acknowledged", SOON, acknowledged).await;

    // It is told something, and answers with the flag on the same topic.
    let path = format!("/incidents/{incident}/commands");
    operator.post(&path, json!({ "command": { "do": "text", "text": "请打开门" } })).await;
    reads(&ears, "请打开门").await;
    let sent = async || {
        let commands = operator.get(&path).await["commands"].take();
        list(&commands).iter().any(|command| command["command"]["do"] == "text" && command["state"] == "sent")
    };
    until_so("the text is on its way", SOON, sent).await;
    hand.publish_acknowledged(MESSAGE, "MESSAGE").await;
    let told = over(&operator, &path, "text").await;
    assert_eq!((&told["state"], &told["answer"]), (&json!("done"), &json!("MESSAGE")), "{told:#}");
    // What its profile has no word for is refused, and seen to be.
    operator.post(&path, json!({ "command": { "do": "find" } })).await;
    assert_eq!(over(&operator, &path, "find").await["state"], "refused");
    records.timeline(&incident).await;
}

#[test]
fn a_file_of_profiles_that_is_not_right_is_told_with_its_line_by_the_doctor_and_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, settings) = (folder.path().join("mine.toml"), folder.path().join("settings.toml"));
    let profile = "[[profile]]\nname = \"mine\"\ndatum = \"wgs72\"\n[profile.topics]\nup = [\"mine/{serial}\"]\n";
    std::fs::write(&file, profile).expect("a file is written");
    std::fs::write(&settings, format!("profiles = [\"{}\"]\n", file.display())).expect("a file is written");
    let shell = Shell::at(folder.path().join("data"));
    let settings = settings.to_str().expect("a plain path");
    let why = format!("{} is not right: line 3: \"wgs72\" is no datum", file.display());
    for command in ["doctor", "serve"] {
        let said = shell.refuses(&[command, "--settings", settings]);
        assert!(said.contains(&why), "{command}: {said}");
    }
}
