//! Terminals that exist: a watch, a JT/T 808 terminal, a GT06 tracker, a pendant and a unit for social alarms on TCP, listed
//! and worn like any other, who call for help and hear in their own words what becomes of it.

use std::time::Duration;

use axum::Router;
use axum::extract::Json;
use axum::routing::post;
use firmware_sim::ground::Point;
use firmware_sim::terminal::{Config, Event, Press, Terminal};
use serde_json::{Value, json};
use system::console::{Console, doubts, entries, has_task, list, text};
use system::responder::Application;
use system::scene::{Scene, sends_a_vehicle};
use system::server::Setup;
use system::shell::Shell;
use system::wait::{SOON, until, until_so};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::directory::Dialect;

/// Where terminals of each dialect come.
const LISTENERS: &str = "
[listeners.watch]
listen = \"127.0.0.1:0\"
[listeners.jt808]
listen = \"127.0.0.1:0\"
[listeners.gt06]
listen = \"127.0.0.1:0\"
[listeners.eview]
listen = \"127.0.0.1:0\"
[listeners.scaip]
listen = \"127.0.0.1:0\"
";

/// A terminal of a dialect, and the pager of whoever is to wear it.
const WORN: [(Dialect, &str, &str); 3] = [
    (Dialect::Watch, "8800000015", "P1001"),
    (Dialect::Jt808, "13800000001", "P1003"),
    (Dialect::Gt06, "868120000000013", "P1004"),
];

/// Those that have no words but "received".
const WORDLESS: [(Dialect, &str, &str); 2] =
    [(Dialect::Eview, "868120000000021", "P1001"), (Dialect::Scaip, "26000017", "P1003")];

/// Opens the stage with everybody listed: the dialects know no secret, and none is shown.
async fn open(worn: &[(Dialect, &str, &str)]) -> Scene {
    open_with(worn, "").await
}

/// The same, with more settings.
async fn open_with(worn: &[(Dialect, &str, &str)], tables: &str) -> Scene {
    let setup = Setup { tables: format!("{LISTENERS}{tables}"), ..Setup::default() };
    let scene = Scene::open_with(sends_a_vehicle(8), setup).await;
    let shell = Shell::at(scene.server.data());
    let mut records = scene.records().await;
    for &(dialect, serial, pager) in worn {
        let wearer = "select resident_id::text from wearer where serial = $1";
        let wearer: String = sqlx::Row::get(&records.ask(wearer, &[pager]).await[0], 0);
        let add = ["terminal", "add", serial, "--dialect", dialect.as_str(), "--resident", &wearer];
        let said = shell.says(&add);
        assert!(said.contains("knows no secret") && !said.contains("shown once"), "{said}");
    }
    scene
}

/// A terminal that is switched on at its wearer's, until the guard goes.
fn switched_on(scene: &Scene, (dialect, serial, pager): (Dialect, &str, &str)) -> (Terminal, DropGuard) {
    let home = scene.terminal(pager);
    let config = Config {
        place: Some(Point { lat: home.lat, lon: home.lon }),
        heartbeat: Duration::from_millis(500),
        ..Config::new(dialect, scene.ready().listeners[dialect.as_str()].to_string(), serial)
    };
    let stop = CancellationToken::new();
    (Terminal::start(config, stop.clone()).expect("a simulated terminal starts"), stop.drop_guard())
}

/// What happens at the terminal until this does.
async fn hears(terminal: &mut Terminal, what: &str, is_it: impl Fn(&Event) -> bool) {
    let mut heard = Vec::new();
    let hearing = async {
        while let Some(event) = terminal.next().await {
            if is_it(&event) {
                return;
            }
            heard.push(event);
        }
        panic!("the terminal has stopped");
    };
    tokio::time::timeout(SOON, hearing).await.unwrap_or_else(|_| panic!("it does not hear {what}, but {heard:?}"));
}

async fn reads(terminal: &mut Terminal, words: &str) {
    hears(terminal, words, |event| matches!(event, Event::Text { text } if text == words)).await;
}

/// Waits until everybody on a line of their own is known for who they are.
async fn all_known(scene: &Scene, count: usize) {
    let console = Console::log_in(scene.ready(), "supervisor").await;
    until_so("everybody is known", SOON, async || {
        let number = async |name: &str| console.metric(&format!("ydt_gateway_connections{name}")).await;
        (number("").await, number("_unidentified").await) == (count.to_string(), "0".into())
    })
    .await;
}

/// Waits until the newest command of this word is over.
async fn over(console: &Console, incident: &str, word: &str) -> Value {
    until(format!("{word} is over"), SOON, async || {
        let commands = console.get(&format!("/incidents/{incident}/commands")).await["commands"].take();
        let newest = list(&commands).iter().find(|command| command["command"]["do"] == word)?;
        (newest["over"] == true).then(|| newest.clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminals_of_every_dialect_call_for_help_and_hear_in_their_own_words_that_somebody_comes() {
    let scene = open(&WORN).await;
    let operator = scene.operator().await;
    let mut records = scene.records().await;
    let mut terminals = WORN.map(|worn| switched_on(&scene, worn));
    all_known(&scene, WORN.len()).await;

    for ((dialect, serial, pager), (terminal, _on)) in WORN.into_iter().zip(&mut terminals) {
        terminal.press(Press::Sos).await;
        let is_acknowledged = |event: &Event| matches!(event, Event::Acknowledged { press: Press::Sos, .. });
        hears(terminal, "that its call is stored", is_acknowledged).await;
        let stored = "select count(*) from report r join incident i on i.id = r.incident_id where r.serial = $1";
        assert_eq!(records.count(stored, &[serial]).await, 1, "acknowledged, but not on disk");

        // It rings as the press of whoever wears it, where they are.
        let incident = operator.incident(format!("{serial} rings"), SOON, |it| it["serial"] == serial).await;
        let card = operator.card(&incident).await;
        let home = scene.terminal(pager);
        assert_eq!((&card["subject"]["kind"], &card["kinds"]), (&json!("resident"), &json!(["sos"])));
        assert_eq!(text(&card["subject"]["name"]), home.wearer, "{card:#}");
        assert!(!doubts(&card).contains(&"unknown_terminal"), "{:?}", card["doubts"]);

        // It proves nothing, and the nearest is asked all the same; an ambulance is for a person to call.
        let asked = |card: &Value| list(&card["offers"]).iter().any(|offer| offer["state"] == "asked");
        let card = operator.card_when(&incident, "somebody is asked by itself", SOON, asked).await;
        assert_eq!(card["handovers"][0]["state"], "proposed", "{:#}", card["handovers"]);
        assert!(has_task(&card, "decide_centre"), "{:#}", card["tasks"]);
        let asked = list(&card["offers"]).iter().find(|offer| offer["state"] == "asked").expect("somebody is asked");
        let comes = Application::of(scene.ready(), text(&asked["name"]));
        let offer = comes.asked(SOON).await;
        comes.says(&offer, "accept", json!({ "minutes": 4 })).await;
        operator.act(&incident, "claim", json!({})).await;

        // It is asked where it is, again and again, in the words that it has for that.
        let burst = over(&operator, &incident, "burst").await;
        operator.post(&format!("/incidents/{incident}/commands"), json!({ "command": { "do": "locate" } })).await;
        let located = over(&operator, &incident, "locate").await;
        if dialect == Dialect::Gt06 {
            // It has neither a screen nor a word for going on.
            assert_eq!((&burst["state"], &located["state"]), (&json!("refused"), &json!("done")));
        } else {
            assert_eq!((&burst["state"], &located["state"]), (&json!("done"), &json!("done")));
            reads(terminal, &format!("{}正在赶来，约4分钟", comes.who.name)).await;
            reads(terminal, "坐席已受理您的求助").await;
        }
        assert!(scene.case_now(&incident).is_none(), "no ambulance came by itself");
        if dialect == Dialect::Watch {
            operator.act(&incident, "hand-over", json!({ "centre": "120" })).await;
            assert_eq!(scene.case_of(&incident).await.incident.to_string(), incident);
        } else {
            let why = json!({ "centre": "120", "reason": "本人接听：误按" });
            operator.act(&incident, "stand-down", why).await;
        }
        assert!(!has_task(&operator.card(&incident).await, "decide_centre"));
    }
    assert_eq!(scene.cases().cases.len(), 1, "one was called, by a person");
    let placed =
        "select count(distinct t.serial) from fix f join terminal t on t.id = f.terminal_id where t.serial = any($1)";
    let serials = WORN.map(|(_, serial, _)| serial.to_owned()).to_vec();
    let placed: i64 = sqlx::query_scalar(placed).bind(serials).fetch_one(&mut records.conn).await.expect("a count");
    assert_eq!(placed, 3, "all of them told where they are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_have_no_words_hear_that_their_call_is_stored() {
    let scene = open(&WORDLESS).await;
    let operator = scene.operator().await;
    let mut records = scene.records().await;
    let mut terminals = WORDLESS.map(|worn| switched_on(&scene, worn));
    all_known(&scene, WORDLESS.len()).await;
    for ((_, serial, pager), (terminal, _on)) in WORDLESS.into_iter().zip(&mut terminals) {
        terminal.press(Press::Fall).await;
        hears(terminal, "that its call is stored", |event| matches!(event, Event::Acknowledged { .. })).await;
        let stored = "select count(*) from report r join incident i on i.id = r.incident_id where r.serial = $1";
        assert_eq!(records.count(stored, &[serial]).await, 1, "acknowledged, but not on disk");
        let incident = operator.incident(format!("{serial} rings"), SOON, |it| it["serial"] == serial).await;
        let card = operator.card(&incident).await;
        assert_eq!((&card["subject"]["kind"], &card["kinds"]), (&json!("resident"), &json!(["fall"])));
        assert_eq!(text(&card["subject"]["name"]), scene.terminal(pager).wearer, "{card:#}");
        operator.act(&incident, "claim", json!({})).await;
        operator.post(&format!("/incidents/{incident}/commands"), json!({ "command": { "do": "locate" } })).await;
        assert_eq!(over(&operator, &incident, "locate").await["state"], "refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_that_is_not_listed_is_heard_when_it_calls_for_help() {
    let scene = open(&WORN).await;
    let operator = scene.operator().await;
    let (mut stranger, _on) = switched_on(&scene, (Dialect::Watch, "8800000099", "P1001"));
    stranger.press(Press::Sos).await;
    hears(&mut stranger, "that its call is stored", |event| matches!(event, Event::Acknowledged { .. })).await;
    let is_it = |incident: &Value| incident["subject"]["kind"] == "source";
    let incident = operator.incident("the stranger rings", SOON, is_it).await;
    let card = operator.card(&incident).await;
    assert_eq!((&card["subject"]["id"], &card["handovers"]), (&json!("watch:8800000099"), &json!([])));
    assert!(doubts(&card).contains(&"unknown_terminal"));

    // Listed, it is one of ours from its next word on.
    let shell = Shell::at(scene.server.data());
    shell.says(&["terminal", "add", "8800000099", "--dialect", "watch"]);
    let mut records = scene.records().await;
    let here = "select count(*) from terminal_state s join terminal t on t.id = s.terminal_id
        where t.serial = $1 and s.session_open";
    until_so("it is there", SOON, async || records.count(here, &["8800000099"]).await == 1).await;
}

/// Somebody outside who knows where what is heard stands, and says so once they are let.
async fn resolver(may_answer: watch::Receiver<bool>) -> (String, DropGuard) {
    let answer = post(move |Json(asked): Json<Value>| {
        let mut may_answer = may_answer.clone();
        async move {
            let both = list(&asked["wifiAccessPoints"]).len() == 2;
            assert!(
                both && list(&asked["cellTowers"]).len() == 1,
                "a telephone's own network is nobody's business: {asked}"
            );
            may_answer.wait_for(|may| *may).await.expect("the test goes on");
            Json(json!({ "location": { "lat": 28.2292, "lng": 112.9391 }, "accuracy": 40.0 }))
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let settings = format!("[positions]\nurl = \"http://{}/where\"\n", listener.local_addr().expect("an address"));
    let stop = CancellationToken::new();
    let serving = axum::serve(listener, Router::new().route("/where", answer));
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = serving => {}, () = stopped.cancelled() => {} }
    });
    (settings, stop.drop_guard())
}

/// A watch by hand, and what it has heard and not looked at.
struct Watch {
    line: TcpStream,
    heard: Vec<u8>,
}

impl Watch {
    async fn says(&mut self, content: &str) {
        let frame = format!("[3G*8800000015*{:04X}*{content}]", content.len());
        self.line.write_all(frame.as_bytes()).await.expect("it is connected");
    }

    /// Hears until this word comes.
    async fn is_told(&mut self, word: &str) {
        let frame = format!("[3G*8800000015*{:04X}*{word}]", word.len());
        let hearing = async {
            loop {
                let here = self.heard.windows(frame.len()).position(|heard| heard == frame.as_bytes());
                if let Some(at) = here {
                    self.heard.drain(..at + frame.len());
                    return;
                }
                let more = self.line.read_buf(&mut self.heard).await.expect("it is connected");
                assert!(more > 0, "hung up on");
            }
        };
        let is_in_time = tokio::time::timeout(SOON, hearing).await.is_ok();
        assert!(is_in_time, "{word} is not heard, but {:?}", String::from_utf8_lossy(&self.heard));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_without_a_fix_goes_out_at_once_and_its_place_is_mended_when_others_know_it() {
    let (may_answer, answering) = watch::channel(false);
    let (settings, _resolver) = resolver(answering).await;
    let scene = open_with(&WORN[..1], &settings).await;
    let operator = scene.operator().await;
    let cells = scene.server.data().join("cells.csv");
    std::fs::write(&cells, "radio,mcc,net,area,cell,unit,lon,lat,range\nLTE,460,0,9720,28373001,0,112.94,28.23,800\n")
        .expect("a list of cells");
    Shell::at(scene.server.data()).says(&["import", "cells", cells.to_str().expect("a path"), "--apply"]);

    let line = TcpStream::connect(scene.ready().listeners["watch"]).await.expect("it connects");
    let mut watch = Watch { line, heard: Vec::new() };
    let console = Console::log_in(scene.ready(), "supervisor").await;
    until_so("it is known for whose it is", SOON, async || {
        watch.says("LK").await;
        watch.is_told("LK").await;
        console.metric("ydt_gateway_connections_unidentified").await == "0"
    })
    .await;
    // Its receiver knows nothing; what it hears is one cell, two routers, and a telephone that shares its network.
    let heard = "1,1,460,00,9720,28373001,100,3,Kaifu,a4:2b:00:01:fe:09,-58,Lu,a4:2b:00:01:fe:0a,-75,phone,da:2b:00:01:fe:09,-40,0.0";
    watch.says(&format!("AL_LTE,140326,081530,V,0.0,N,0.0,E,0,0,0,0,100,76,0,0,00010000,{heard}")).await;

    // It is stored, answered, rings and is followed while nobody outside has said anything.
    watch.is_told("AL").await;
    let incident = operator.incident("the watch rings", SOON, |it| it["serial"] == "8800000015").await;
    watch.is_told("CR").await;
    watch.says("CR").await;
    assert_eq!(over(&operator, &incident, "burst").await["state"], "done");
    let is_from = |source: &'static str| move |card: &Value| card["place"]["source"] == source;
    let card = operator.card_when(&incident, "the table of cells is asked", SOON, is_from("cell")).await;
    assert_eq!(card["place"]["accuracy_m"], json!(800.0));

    may_answer.send(true).expect("somebody is asked");
    let card = operator.card_when(&incident, "they have answered", SOON, is_from("wifi")).await;
    let place = &card["place"];
    assert_eq!((&place["lat"], &place["accuracy_m"]), (&json!(28.2292), &json!(40.0)), "{place}");
    let by: Vec<_> =
        entries(&card, "place_resolved").iter().map(|entry| text(&entry["data"]["by"]).to_owned()).collect();
    assert_eq!(by, ["cells", "provider"]);
}
