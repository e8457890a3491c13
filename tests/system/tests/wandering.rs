//! Somebody wanders off in the demonstration's district, while everybody else there lives an ordinary day: their pager
//! is asked for more, the fence notices, an operator at a browser sends somebody, and the family is written. Somebody
//! else comes back.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Row as _;
use system::browser::Browser;
use system::console::{Console, entries, has_task, list, seconds_between, text};
use system::places;
use system::program::Program;
use system::records::Records;
use system::server::{FarEnds, Server, Setup, Terminal};
use system::wait::{SOON, until, until_so};
use tokio::process::Command;

/// Some hundred metres at ten times an old person's pace, and half a minute's grace, on a machine that is busy.
const NOTICED_WITHIN: Duration = Duration::from_mins(2);
/// The same way back, and some fixes at home.
const BACK_WITHIN: Duration = Duration::from_mins(6);
/// A minute of being back, and a ticker's time, on a machine that is busy.
const CLOSES_WITHIN: Duration = Duration::from_mins(3);
/// Simulated responders think, set off, and cover a few kilometres at ten times the speed of a bicycle.
const THERE_WITHIN: Duration = Duration::from_mins(3);
/// A map is drawn in software here, and the district's has hundreds of things on it.
const DRAWN_WITHIN: Duration = Duration::from_mins(3);
/// One in four responders is busy: nobody has to ask so many.
const ASKED_MOST: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wanders_off_is_found_with_an_operator_at_a_browser_and_the_family_is_written() {
    let server = Server::start(Setup { far_ends: FarEnds::Inside, ..Setup::default() }).await;
    let mailbox = server.ready().mailbox.clone().expect("the demonstration has a mailbox");
    let watcher = Console::log_in(server.ready(), "supervisor").await;
    let mut operator = Browser::log_in(server.ready(), "operator").await;

    // The line that the demonstration prints, and the same way each time.
    let printed = server.printed().await;
    let is_it = |line: &&str| line.contains("/firmware-sim wander ");
    let line = format!("{} --seed 4", printed.lines().find(is_it).expect("a line lets somebody wander").trim());
    let is_named = |terminal: &&Terminal| line.contains(&format!("--serial {} ", terminal.serial));
    let Terminal { serial, wearer, .. } =
        server.ready().demo.terminals.iter().find(is_named).expect("a pager is named");
    let walking = Program::start(&line, Command::new("sh").args(["-c", &line]));
    walking.hear("connected", SOON, |said| said.contains("connected").then_some(())).await;

    let everybody = json!({ "data-state": "ready", "data-people": "277", "data-responders": "120" });
    operator.sees("map", everybody, DRAWN_WITHIN).await;

    // The case opens by nobody's hand: it rings, and stands on the map.
    let left = |incident: &Value| incident["class"] == "wandering" && incident["serial"] == *serial;
    let incident = watcher.incident("somebody is missed", NOTICED_WITHIN, left).await;
    let (row, mark) = (format!("incident-{incident}"), format!("mark-{incident}"));
    operator.sees(&row, json!({ "data-class": "wandering", "data-ring": "operators" }), SOON).await;
    operator.sees("ringing", json!({ "data-ring": "operators", "data-heard": "operators" }), SOON).await;
    operator.sees(&mark, json!({ "data-headline": "ringing" }), DRAWN_WITHIN).await;
    operator.clicks(&mark).await;
    operator.sees("card", json!({ "data-incident": incident }), SOON).await;
    assert!(operator.reads("who").await.contains(wearer), "the card is somebody else's");

    // Their pager tells where they are; the way that they took out of the fence is drawn.
    operator.sees("case-map", json!({ "data-state": "ready", "data-place": "gnss" }), DRAWN_WITHIN).await;
    let drawn = json!({ "data-seen-person": "1", "data-seen-track": "1", "data-seen-fence-area": "1" });
    operator.sees("case-map", drawn, DRAWN_WITHIN).await;
    let card = watcher.card(&incident).await;
    assert_eq!((&card["kinds"], entries(&card, "left_fence").len()), (&json!(["fence_exit"]), 1));
    assert_eq!(
        (&card["handovers"], &card["offers"]),
        (&json!([]), &json!([])),
        "somebody was sent without an operator"
    );

    // The first of the family is written at once, and the ledger holds what the far end said.
    let told = |card: &Value| card["messages"][0]["state"] == "accepted";
    let card = watcher.card_when(&incident, "the ledger has a letter that was taken", SOON, told).await;
    assert!(text(&card["messages"][0]["answers"][0]["answer"]).starts_with("250"), "{:#}", card["messages"]);
    let alarmed = operator.looks_at(&mailbox, &format!("{wearer} 求助：离开安全区域"), SOON).await;
    assert!(alarmed.contains(text(&card["messages"][0]["to"])), "whom is it to? {alarmed}");

    // The operator has it, and asks the nearest who can go. All of them are seen on the case's map.
    operator.clicks("claim").await;
    operator.sees(&row, json!({ "data-ring": "none" }), SOON).await;
    let responder = asks_until_somebody_goes(&mut operator, &watcher, &incident).await;
    operator
        .sees("case-map", json!({ "data-going": "1", "data-seen-person": "1", "data-seen-mover": "1" }), SOON)
        .await;
    operator.takes_picture(&places::shots().join("wandering.png")).await;
    let is_there = |card: &Value| !entries_of_arrival(card, &responder).is_empty();
    watcher.card_when(&incident, "the responder is there", THERE_WITHIN, is_there).await;
    let reached = json!({ "data-headline": "on_scene" });
    operator.sees("headline", reached, SOON).await;

    // Found, and closed; the family hears that too.
    operator.clicks("close").await;
    operator.clicks("outcome-found").await;
    operator.clicks("confirm").await;
    operator.sees_no(&row, SOON).await;
    operator.sees_no(&mark, SOON).await;
    let relieved = operator.looks_at(&mailbox, &format!("{wearer} 的求助已办结"), SOON).await;
    assert!(relieved.contains("人已找到"), "{relieved}");
    assert_eq!(operator.complaints().await, json!([]));
    operator.closes().await;

    let card = watcher.card(&incident).await;
    assert_eq!(card["closed"]["outcome"], "found");
    let words = Records::of(server.ready()).await.timeline(&incident).await;
    let place = |word: &str| words.iter().position(|written| written == word);
    let places = ["left_fence", "rung", "contacted", "claimed", "asked", "answered", "closed"].map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{words:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pager_is_asked_for_more_before_anybody_is_woken_and_who_comes_back_is_closed_as_found() {
    let server = Server::start(Setup::default()).await;
    let operator = Console::log_in(server.ready(), "operator").await;
    let mut records = Records::of(server.ready()).await;
    let (incident, _walking) = wanders_off(&server, &operator, &mut records).await;

    // Home again: that is seen by everybody, and an operator closes it.
    operator.act(&incident, "claim", json!({})).await;
    let is_back = |card: &Value| has_task(card, "returned");
    let card = operator.card_when(&incident, "they are back", BACK_WITHIN, is_back).await;
    assert_eq!((entries(&card, "returned").len(), &card["closes_at"]), (1, &Value::Null));
    let closed = operator.act(&incident, "close", json!({ "outcome": "found" })).await;
    assert_eq!((&closed["closed"]["outcome"], &closed["closed"]["rule"]), (&json!("found"), &Value::Null));
    let written = records.timeline(&incident).await;
    let place = |word: &str| written.iter().position(|written| written == word);
    let places = ["left_fence", "rung", "claimed", "returned", "closed"].map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{written:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_by_themselves_is_closed_by_the_policy_and_called_back_all_the_same() {
    let server = Server::start(Setup::default()).await;
    let admin = Console::log_in(server.ready(), "admin").await;
    let operator = Console::log_in(server.ready(), "operator").await;
    let mut records = Records::of(server.ready()).await;
    let root =
        records.ask("select id::text from org_node where parent_id is null", &[]).await.pop().expect("a district");
    let path = format!("/nodes/{}/returned", root.get::<&str, _>(0));
    let (status, said) = admin.call(Method::PUT, &path, Some(json!({ "own_s": 60 }))).await;
    assert_eq!((status, &said["returned"]["after_s"]), (StatusCode::OK, &json!(60)), "{said:#}");
    let (incident, _walking) = wanders_off(&server, &operator, &mut records).await;

    // Home again, and nobody has taken the case: it says when it closes, rings until then, and closes.
    let is_back = |card: &Value| has_task(card, "returned") && card["closes_at"].is_string();
    let card = operator.card_when(&incident, "they are back", BACK_WITHIN, is_back).await;
    assert_ne!(card["ring"], "none", "only people silence a ring");
    let is_over = |card: &Value| card["headline"] == "closed";
    let card = operator.card_when(&incident, "it closes by itself", CLOSES_WITHIN, is_over).await;
    assert_eq!((&card["closed"]["outcome"], &card["closed"]["rule"]), (&json!("found"), &json!("returned")));
    assert!(has_task(&card, "follow_up") && has_task(&card, "rate"), "nobody calls back: {:#}", card["tasks"]);
    let since = seconds_between(&entries(&card, "returned")[0]["at"], &card["closed"]["at"]);
    assert!(since >= 60.0, "they had been back for {since} s");
    let written = records.timeline(&incident).await;
    let place = |word: &str| written.iter().position(|written| written == word);
    let places = ["left_fence", "rung", "returned", "closed"].map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{written:?}");
    assert_eq!(place("claimed"), None, "{written:?}");
    assert_eq!(records.broken_promises().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_should_be_home_by_now_and_is_not_is_missed_by_the_rule_and_it_is_over_when_they_are() {
    let server = Server::start(Setup::default()).await;
    let admin = Console::log_in(server.ready(), "admin").await;
    let mut records = Records::of(server.ready()).await;
    let printed = server.printed().await;
    let is_it = |line: &&str| line.contains("/firmware-sim wander ");
    let line = printed.lines().find(is_it).expect("a line lets somebody wander").trim();
    let line = format!("{line} --distance 1000 --back --seed 4");
    let is_named = |terminal: &&Terminal| line.contains(&format!("--serial {} ", terminal.serial));
    let Terminal { serial, .. } = server.ready().demo.terminals.iter().find(is_named).expect("a pager is named");

    // From an hour ago until in three hours, by the clock of where they live, they are to be inside.
    let home = "select w.resident_id::text, f.id::text,
            ((extract(hour from z.here) * 60 + extract(minute from z.here))::integer)::text
        from wearer w join terminal t on t.id = w.terminal_id join fence f on f.resident_id = w.resident_id
        cross join lateral (select now() at time zone zone_of(w.serving_node) as here) z
        where t.serial = $1 and f.kind = 'safe' order by f.id limit 1";
    let home = records.ask(home, &[serial]).await.pop().expect("they have a fence");
    let (resident, fence) = (home.get::<String, _>(0), home.get::<String, _>(1));
    let minute: i32 = home.get::<&str, _>(2).parse().expect("a minute of the day");
    let path = format!("/residents/{resident}/fence-rules");
    let rule = json!({
        "fence": fence, "expect": "inside", "days": "every", "weekdays": null, "time_zone": null, "allowed_s": 0,
        "grace_s": 0, "from_minute": (minute + 1_380) % 1_440, "until_minute": (minute + 180) % 1_440 + 1,
    });
    let body = json!({ "version": 0, "rules": [rule] });
    let (status, saved) = admin.call(Method::PUT, &path, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{saved:#}");

    let walking = Program::start(&line, Command::new("sh").args(["-c", &line]));
    walking.hear("connected", SOON, |said| said.contains("connected").then_some(())).await;
    let is_theirs = |incident: &Value| incident["class"] == "wandering" && incident["subject"]["id"] == *resident;
    let incident = admin.incident("somebody is not home", NOTICED_WITHIN, is_theirs).await;
    let card = admin.card(&incident).await;
    let told = &entries(&card, "rule_broken")[0]["data"];
    assert_eq!((&told["expect"], &told["fence"]), (&json!("inside"), &json!(fence)), "{told:#}");
    let last_fix = told["fixes"].as_array().and_then(|fixes| fixes.last()).expect("by which positions");
    assert!(last_fix["distance_m"].as_f64().is_some_and(|beyond| beyond > 0.0), "{told:#}");
    assert_eq!(entries(&card, "left_fence").len(), 0, "a fence with rules is judged by them alone");

    let is_home = |card: &Value| has_task(card, "returned");
    let card = admin.card_when(&incident, "they are home", BACK_WITHIN, is_home).await;
    assert_eq!((entries(&card, "rule_broken").len(), entries(&card, "rule_over").len()), (1, 1));
    assert_eq!(entries(&card, "rule_over")[0]["data"]["why"], "kept");
}

/// Somebody walks off a kilometre and comes back: their pager is asked for more, and then a case opens that says why.
async fn wanders_off(server: &Server, operator: &Console, records: &mut Records) -> (String, Program) {
    let printed = server.printed().await;
    let is_it = |line: &&str| line.contains("/firmware-sim wander ");
    let line = printed.lines().find(is_it).expect("a line lets somebody wander").trim();
    let line = format!("{line} --distance 1000 --back --seed 4");
    let is_named = |terminal: &&Terminal| line.contains(&format!("--serial {} ", terminal.serial));
    let Terminal { serial, .. } = server.ready().demo.terminals.iter().find(is_named).expect("a pager is named");
    let walking = Program::start(&line, Command::new("sh").args(["-c", &line]));
    walking.hear("connected", SOON, |said| said.contains("connected").then_some(())).await;

    // A suspicion asks the pager, and the pager does as it is told.
    let asked = "select c.command::text, c.why, c.asked_at::text, coalesce(c.sent_at::text, '') from command c
        join terminal t on t.id = c.terminal_id where t.serial = $1 and c.asked_by is null";
    let command = until("the pager is asked", NOTICED_WITHIN, async || records.ask(asked, &[serial]).await.pop()).await;
    let burst: Value = serde_json::from_str(command.get(0)).expect("a command is JSON");
    assert_eq!((&burst["do"], &burst["every_s"]), (&json!("burst"), &json!(20)));
    assert!(command.get::<&str, _>(1).starts_with("suspected: "), "{}", command.get::<&str, _>(1));
    let done = "select count(*) from command c join terminal t on t.id = c.terminal_id
        where t.serial = $1 and c.state = 'done' and c.confirmed";
    until_so("the pager does as it is told", SOON, async || records.count(done, &[serial]).await == 1).await;

    // Then somebody is woken, with an explanation.
    let left = |incident: &Value| incident["class"] == "wandering" && incident["serial"] == *serial;
    let incident = operator.incident("somebody is missed", NOTICED_WITHIN, left).await;
    let before = "select count(*) from incident i join command c on c.asked_at < i.opened_at
        where i.id = $1::uuid and c.asked_by is null";
    assert_eq!(records.count(before, &[&incident]).await, 1, "nobody had asked before");
    let card = operator.card(&incident).await;
    let said = &entries(&card, "left_fence")[0]["data"];
    assert!(said["chance"].as_f64().expect("how sure") >= 0.995, "{said:#}");
    assert!(said["distance_m"].as_f64().expect("how far") > 0.0, "{said:#}");
    assert!(!list(&said["fixes"]).is_empty() && !list(&said["track"]).is_empty(), "{said:#}");
    assert!(said["heading_deg"].is_number() && text(&said["explanation"]).starts_with("confirmed: "), "{said:#}");
    (incident, walking)
}

/// The state of the last question to this responder.
fn offer_of<'c>(card: &'c Value, responder: &str) -> Option<&'c str> {
    list(&card["offers"]).iter().rev().find(|offer| offer["responder"] == responder).map(|offer| text(&offer["state"]))
}

/// What the timeline says of this responder's arrival.
fn entries_of_arrival<'c>(card: &'c Value, responder: &str) -> Vec<&'c Value> {
    let is_it = |data: &Value| data["responder"] == responder && data["state"] == "on_scene";
    entries(card, "answered").into_iter().filter(|entry| is_it(&entry["data"])).collect()
}

/// Asks the nearest, and while they decline the next; tells who goes.
async fn asks_until_somebody_goes(operator: &mut Browser, watcher: &Console, incident: &str) -> String {
    let mut asked = Vec::new();
    while asked.len() < ASKED_MOST {
        operator.clicks("ask").await;
        let found = watcher.get(&format!("/incidents/{incident}/candidates")).await;
        let is_new =
            |candidate: &&Value| candidate["busy"] != true && !asked.iter().any(|one| candidate["responder"] == *one);
        let nearest = list(&found["candidates"]).iter().find(is_new).expect("somebody is left to ask");
        let responder = text(&nearest["responder"]).to_owned();
        operator.clicks(&format!("ask-{responder}")).await;
        operator.sees_no("dialog", SOON).await;
        let answered = until("they answer", SOON, async || {
            let state = offer_of(&watcher.card(incident).await, &responder).map(str::to_owned)?;
            (state != "asked").then_some(state)
        });
        if answered.await != "declined" {
            return responder;
        }
        operator.sees(&format!("offer-{responder}"), json!({ "data-state": "declined" }), SOON).await;
        asked.push(responder);
    }
    panic!("nobody goes; asked were {asked:?}")
}
