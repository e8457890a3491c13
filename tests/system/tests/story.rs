//! The whole story, told with other people's programs: mosquitto and paho as terminals, Chromium as the
//! operator, simulated far ends. Each step is heard where it should be heard.

use std::time::Duration;

use firmware_sim::ground::Point;
use firmware_sim::responder;
use serde_json::{Value, json};
use system::browser::Browser;
use system::console::{Console, doubts, entries, has_task, list, seconds_between, text};
use system::mosquitto::{Ears, Heard, Version};
use system::paho::Paho;
use system::places;
use system::responder::Application;
use system::scene::{Scene, sends_a_vehicle};
use system::stream::Event;
use system::wait::{SOON, until, until_so};
use tokio_util::sync::CancellationToken;
use wire::centre::Purpose;

/// How long a responder, or the operators, may take before the next is asked.
const SILENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_press_brings_help_step_by_step_with_an_operator_at_a_browser() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let pager = scene.terminal("P1001");
    let hand = scene.hand(&pager, Version::V311);
    let watcher = Console::log_in(scene.ready(), "supervisor").await;
    let live = watcher.follow(None).await;
    let hello = live.hear("hello", SOON, |event| event.name == "hello").await;
    let mut operator = Browser::log_in(scene.ready(), "operator").await;
    let ears = hand.listen("ears", &pager.topic("#")).await;

    // The press. Its PUBACK means that it is on disk.
    let mut records = scene.records().await;
    let press = json!({
        "type": "alert", "kind": "sos", "boot": 7, "seq": 1, "battery_pct": 40,
        "fix": { "lat": 28.2183, "lon": 112.9868, "acc_m": 12.0, "source": "gnss" },
    });
    hand.publish_acknowledged(&pager.topic("alert"), press.to_string()).await;
    assert_eq!(records.reports_of_press("P1001", 7, 1).await, 1, "acknowledged, but not on disk");

    // The pager hears that its call is stored, and which case it is.
    let receipt = ears.hear("a receipt", SOON, |heard| heard.topic.ends_with("/receipt")).await.message;
    assert_eq!((&receipt["boot"], &receipt["seq"]), (&json!(7), &json!(1)));
    let incident = text(&receipt["incident"]).to_owned();
    assert_eq!(ears.hear_news("received", SOON).await["incident"], incident.as_str());

    // It rings on the operator's page, and can be heard.
    let row = format!("incident-{incident}");
    operator.sees(&row, json!({ "data-ring": "operators", "data-headline": "ringing" }), SOON).await;
    operator.sees("ringing", json!({ "data-count": "1", "data-heard": "operators" }), SOON).await;
    operator.opens(&incident).await;
    operator.takes_picture(&places::shots().join("ringing.png")).await;

    // 120 has one signed message that says everything it needs.
    let case = scene.case_of(&incident).await;
    check_the_message_to_120(&case.message, &scene.ready().http);
    assert_eq!((case.times_received, case.idempotency_keys), (1, vec![case.id.to_string()]));
    assert_eq!((scene.cases().cases.len(), scene.cases().attempts, scene.cases().badly_signed), (1, 1, 0));
    ears.hear("that 120 comes", SOON, |heard| heard.message["who"] == "120" && heard.message["minutes"] == 8).await;

    // The nearest responder is asked, and nobody else.
    let (nearest, second) = (Application::of(scene.ready(), "李卫"), Application::of(scene.ready(), "张兰"));
    let offer = nearest.asked(SOON).await;
    assert_eq!(offer["incident"]["person_name"], "陈秀英");
    // How to get in is for those who come, not for everybody who is asked.
    assert_eq!(offer["incident"]["door_access"], Value::Null);
    assert_eq!(second.offers().await, Vec::<Value>::new());

    // The operator takes the call: it stops ringing here, and the pager hears it.
    operator.clicks("claim").await;
    ears.hear_news("claimed", SOON).await;
    operator.sees("ringing", json!({ "data-count": "0", "data-heard": "none" }), SOON).await;

    // Another press is heard too, and rings again until the operator has heard it.
    let again = json!({ "type": "alert", "kind": "sos", "boot": 7, "seq": 2 });
    hand.publish_acknowledged(&pager.topic("alert"), again.to_string()).await;
    operator.sees("ringing", json!({ "data-count": "1", "data-heard": "operators" }), SOON).await;
    operator.sees("presses", json!({}), SOON).await;
    operator.clicks("claim").await;
    operator.sees("ringing", json!({ "data-count": "0" }), SOON).await;

    // The nearest declines, so the next is asked: a simulated responder, who comes in 4 minutes.
    let stop = CancellationToken::new();
    let travelling = tokio::spawn(responder::run(hurries(&second, 4), stop.clone()));
    nearest.says(&offer, "decline", json!({ "reason": "正在服务另一位老人" })).await;
    let coming = |heard: &Heard| heard.news() == Some("coming") && heard.message["who"] == "张兰";
    let coming = ears.hear("that 张兰 comes", SOON, coming).await.message;
    assert_eq!(coming["minutes"], 4);
    let arrived = |heard: &Heard| heard.news() == Some("arrived") && heard.message["who"] == "张兰";
    ears.hear("that 张兰 is there", SOON, arrived).await;
    assert_eq!(nearest.offers().await, Vec::<Value>::new());

    // The operator asks one more by hand, who never answers.
    let third = Application::of(scene.ready(), "邓倩");
    let card = watcher.get(&format!("/incidents/{incident}/candidates")).await;
    let candidate = list(&card["candidates"]).iter().find(|who| who["name"] == "邓倩").unwrap();
    operator.clicks("ask").await;
    operator.clicks(&format!("ask-{}", text(&candidate["responder"]))).await;
    operator.sees_no("dialog", SOON).await;
    third.asked(SOON).await;

    // 120 is not needed any more.
    operator.clicks("stand-down-120").await;
    operator.clicks("reason-own_means").await;
    operator.clicks("confirm").await;
    operator.sees("handover-120", json!({ "data-state": "stood_down" }), SOON).await;
    let stood_down = async || scene.case_now(&incident).is_some_and(|case| case.times_stood_down == 1);
    until_so("120 is told to stand down", SOON, stood_down).await;
    assert_eq!(scene.case_of(&incident).await.purpose, Purpose::StandDown);

    // The case is closed, and the pager hears that all is clear.
    operator.clicks("close").await;
    operator.clicks("outcome-no_injury").await;
    operator.clicks("confirm").await;
    operator.sees_no(&row, SOON).await;
    ears.hear_news("all_clear", SOON).await;
    check_the_order_of_news(&ears);
    until_so("who was asked last is told that nobody need come", SOON, async || third.offers().await.is_empty()).await;

    // Everything the wearer was told has been acknowledged, and the timeline is whole.
    let all_acknowledged = |card: &Value| {
        let notices = list(&card["notices"]);
        notices.len() >= 6 && notices.iter().all(|notice| notice["state"] == "delivered")
    };
    let card = watcher.card_when(&incident, "every notice is acknowledged", SOON, all_acknowledged).await;
    assert_eq!((&card["presses"], &card["closed"]["outcome"]), (&json!(2), &json!("no_injury")));
    let words = records.timeline(&incident).await;
    for word in ["pressed", "rung", "handed_over", "asked", "claimed", "answered", "handover_moved", "closed"] {
        assert!(words.iter().any(|written| written == word), "the timeline does not tell {word:?}: {words:?}");
    }
    assert_eq!(words.last().map(String::as_str), Some("closed"));
    assert!(records.rewrite_history(&incident).await.contains("append-only"));

    // Whoever resumes the stream where it began hears the same once more, nothing missed, nothing doubled.
    check_that_the_stream_resumes(&watcher, &live.heard(), text(&hello.data["cursor"])).await;
    assert_eq!(operator.complaints().await, json!([]));
    operator.closes().await;
    stop.cancel();
    travelling.await.unwrap().unwrap();
}

fn check_the_message_to_120(message: &wire::centre::Message, http: &str) {
    let person = message.person.as_ref().expect("120 is told who");
    assert_eq!((person.name.as_str(), person.born_in, person.sex.as_deref()), ("陈秀英", Some(1941), Some("female")));
    assert_eq!(person.phone.as_deref(), Some("0731-80000001"));
    assert!(person.medical_card.as_ref().is_some_and(|card| card.contains("青霉素过敏")));
    assert!(message.address.as_ref().is_some_and(|address| address.ends_with("3 栋 102")));
    assert_eq!(message.door_access.as_deref(), Some("钥匙在 101 刘家"));
    let place = message.place.as_ref().expect("120 is told where");
    assert!((place.lat_deg - 28.2183).abs() < 1e-6 && (place.lon_deg - 112.9868).abs() < 1e-6, "{place:?}");
    assert_eq!((place.accuracy_m, place.source), (Some(12.0), domain::place::Source::Gnss));
    assert!((0..30).contains(&place.age_s), "{place:?}");
    assert_eq!(
        (message.purpose, message.drill, message.kinds.as_slice()),
        (Purpose::Help, false, &["sos".to_owned()][..])
    );
    assert_eq!(message.call_back, "0731-84000000");
    assert!(message.status_url.starts_with(http), "{}", message.status_url);
    assert!(message.not_after > message.written_at);
    assert!(message.briefing.contains("陈秀英"), "{}", message.briefing);
}

/// Received comes before claimed, claimed before the responder comes, and all clear comes last.
fn check_the_order_of_news(ears: &Ears) {
    let notices: Vec<_> = ears.heard().into_iter().filter(|heard| heard.news().is_some()).collect();
    let place = |news: &str, who: Option<&str>| {
        let is_it = |heard: &Heard| heard.news() == Some(news) && who.is_none_or(|who| heard.message["who"] == who);
        notices.iter().position(is_it).unwrap_or_else(|| panic!("no {news} in {notices:?}"))
    };
    let places = [
        place("received", None),
        place("claimed", None),
        place("coming", Some("张兰")),
        place("arrived", Some("张兰")),
        place("all_clear", None),
    ];
    assert!(places.is_sorted(), "{notices:#?}");
    assert_eq!(ears.news().last().map(String::as_str), Some("all_clear"));
}

async fn check_that_the_stream_resumes(console: &Console, heard: &[Event], from: &str) {
    let ids = |events: &[Event]| -> Vec<String> {
        events.iter().filter(|event| event.name == "incident").filter_map(|event| event.id.clone()).collect()
    };
    let first = ids(heard);
    let last = first.last().expect("the stream has told something").clone();
    let again = console.follow(Some(from)).await;
    again.hear("the last change", SOON, |event| event.id.as_ref() == Some(&last)).await;
    let second = ids(&again.heard());
    assert_eq!(first, second[..first.len()]);
    let mut unique = second.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), second.len(), "something was told twice: {second:?}");
}

/// A simulated responder who says yes at once and covers minutes in seconds.
fn hurries(who: &Application, minutes: u16) -> responder::Config {
    responder::Config {
        behaviour: responder::Behaviour::Accept { after_s: 0, minutes: Some(minutes) },
        place: Some(Point { lat: who.who.lat, lon: who.who.lon }),
        time_scale: 100.0,
        report_every: Duration::from_millis(200),
        ..responder::Config::new(who.base(), who.who.token.as_str())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pager_that_was_switched_off_hears_over_mqtt_5_what_waits_for_it() {
    let scene = Scene::open(sends_a_vehicle(9)).await;
    let pager = scene.terminal("P1003");
    let hand = scene.hand(&pager, Version::V5);
    let operator = scene.operator().await;
    let live = operator.follow(None).await;

    hand.publish_acknowledged(&pager.topic("alert"), r#"{"type":"alert","kind":"fall","boot":1,"seq":1}"#).await;
    let rang = live.hear("it rings", SOON, |event| event.data["ring"] == "operators").await;
    let incident = text(&rang.data["id"]);
    assert_eq!(rang.data["serial"], "P1003");
    operator.act(incident, "claim", json!({})).await;

    // Nobody has listened so far.
    let ears = hand.listen("ears", &pager.topic("notice")).await;
    ears.hear_news("received", SOON).await;
    ears.hear_news("claimed", SOON).await;
    let helper = Application::of(scene.ready(), "肖刚");
    let offer = helper.asked(SOON).await;
    helper.says(&offer, "accept", json!({ "minutes": 6 })).await;
    assert_eq!(helper.offers().await[0]["incident"]["door_access"], "密码锁 1357");
    for (verb, body) in [("on-the-way", json!({ "minutes": 5 })), ("arrived", json!({})), ("done", json!({}))] {
        helper.says(&offer, verb, body).await;
    }
    ears.hear("minutes", SOON, |heard| heard.message["who"] == "肖刚" && heard.message["minutes"] == 6).await;
    ears.hear_news("arrived", SOON).await;
    operator.act(incident, "stand-down", json!({ "centre": "120", "reason": "自行处理" })).await;
    operator.act(incident, "close", json!({ "outcome": "no_injury" })).await;
    ears.hear_news("all_clear", SOON).await;

    // What was acknowledged is not repeated to whoever comes back.
    let acknowledged = |card: &Value| list(&card["notices"]).iter().all(|notice| notice["state"] == "delivered");
    operator.card_when(incident, "every notice is acknowledged", SOON, acknowledged).await;
    scene.records().await.timeline(incident).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_silent_is_passed_over_and_when_none_is_left_it_is_said_loudly() {
    let scene = Scene::open(sends_a_vehicle(5)).await;
    let mut paho = Paho::start();
    let (old, new) = (scene.terminal("P1001"), scene.terminal("P1007"));
    paho.connect(scene.ready().mqtt, &old, Version::V311).await;
    paho.connect(scene.ready().mqtt, &new, Version::V5).await;
    let operator = scene.operator().await;
    let _present = operator.follow(None).await;

    // One whom nobody could reach: no responder is on duty but two.
    let mut records = scene.records().await;
    records.ask("update responder set on_duty = name in ('李卫', '戴医生')", &[]).await;

    let press = json!({ "type": "alert", "kind": "sos", "boot": 3, "seq": 1 });
    let tag = paho.publish(&old, &old.topic("alert"), &press).await;
    paho.acknowledged(&old, tag, SOON).await;
    paho.hear_news(&old, "received", SOON).await;
    let incident = operator.incident("the press rings", SOON, |incident| incident["serial"] == "P1001").await;
    let nearest = Application::of(scene.ready(), "李卫");
    let asked = nearest.asked(SOON).await;
    let next = Application::of(scene.ready(), "戴医生");
    let asked_next = next.asked(SILENCE + SOON).await;
    let card = operator.card(&incident).await;
    assert_eq!(states_of_offers(&card), [("李卫", "silent"), ("戴医生", "asked")]);
    let waited_s = seconds_between(&card["offers"][0]["asked_at"], &card["offers"][1]["asked_at"]);
    assert!((29.5..35.0).contains(&waited_s), "the next was asked after {waited_s} s");
    next.says(&asked_next, "decline", json!({ "reason": "车坏了" })).await;
    let none_left = |card: &Value| has_task(card, "nobody_left_to_ask");
    let card = operator.card_when(&incident, "nobody is left to ask", SOON, none_left).await;
    assert_eq!(entries(&card, "nobody_left").len(), 1);
    assert_ne!(card["ring"], "none");
    // A yes that comes late is a yes, where nobody else is going.
    nearest.says(&asked, "accept", json!({ "minutes": 3 })).await;
    assert_eq!(paho.hear_news(&old, "coming", SOON).await["incident"], incident.as_str());
    operator.card_when(&incident, "somebody is going", SOON, |card| !has_task(card, "nobody_left_to_ask")).await;
    assert!(next.say(&asked_next, "accept", json!({ "minutes": 3 })).await.is_client_error());

    // The other pager, in the other version, hears the same story.
    let tag = paho.publish(&new, &new.topic("alert"), &press).await;
    paho.acknowledged(&new, tag, SOON).await;
    paho.hear_news(&new, "received", SOON).await;
    let incident = operator.incident("it rings", SOON, |incident| incident["serial"] == "P1007").await;
    operator.act(&incident, "claim", json!({})).await;
    paho.hear_news(&new, "claimed", SOON).await;
    paho.end().await;
}

fn states_of_offers(card: &Value) -> Vec<(&str, &str)> {
    list(&card["offers"]).iter().map(|offer| (text(&offer["name"]), text(&offer["state"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_an_operator_confirms_first_supervisors_ring_after_30_s_and_120_is_called_after_60() {
    let scene = Scene::open(sends_a_vehicle(5)).await;
    // A child who is afraid of sirens.
    let pager = scene.terminal("P1006");
    let operator = scene.operator().await;
    let supervisor = Console::log_in(scene.ready(), "supervisor").await;
    let live = operator.follow(None).await;
    let _present = supervisor.follow(None).await;
    live.hear("hello", SOON, |event| event.name == "hello").await;

    let hand = scene.hand(&pager, Version::V311);
    hand.publish_acknowledged(&pager.topic("alert"), r#"{"type":"alert","kind":"sos","boot":1,"seq":1}"#).await;
    let rings = |level: &'static str| move |card: &Value| card["ring"] == level;
    let incident = operator.incident("operators are rung", SOON, rings("operators")).await;
    operator.card_when(&incident, "supervisors are rung", SILENCE + SOON, rings("supervisors")).await;
    assert_eq!(scene.cases().attempts, 0, "120 was told before anybody confirmed");
    let case = until("120 is told", SILENCE + SOON, async || scene.case_now(&incident)).await;

    let card = operator.card(&incident).await;
    let opened = &card["opened_at"];
    let rung = entries(&card, "rung");
    let louder = rung.iter().find(|entry| entry["data"]["level"] == "supervisors").unwrap();
    let louder_s = seconds_between(opened, &louder["at"]);
    assert!((29.5..36.0).contains(&louder_s), "supervisors were rung after {louder_s} s");
    let called_s = seconds_between(opened, &entries(&card, "handed_over")[0]["at"]);
    assert!((59.5..66.0).contains(&called_s), "120 was called after {called_s} s");
    assert_eq!(case.times_received, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_told_by_telephone_goes_the_same_way_with_an_operator_at_a_browser() {
    let scene = Scene::open(sends_a_vehicle(10)).await;
    let mut operator = Browser::log_in(scene.ready(), "operator2").await;
    operator.clicks("telephone").await;
    operator.writes("resident-search", "周德明").await;
    let watcher = Console::log_in(scene.ready(), "supervisor").await;
    let found = watcher.get("/residents?q=周德明").await;
    operator.clicks(&format!("resident-{}", text(&found["residents"][0]["id"]))).await;
    operator.writes("telephone-note", "女儿来电：父亲摔倒，起不来").await;
    operator.clicks("confirm").await;
    operator.sees_no("dialog", SOON).await;

    let is_it = |incident: &Value| incident["subject"]["name"] == "周德明";
    let incident = watcher.incident("the emergency is open", SOON, is_it).await;
    let card = watcher.card(&incident).await;
    assert_eq!((&card["class"], &card["kinds"]), (&json!("emergency"), &json!(["telephone"])));
    assert_eq!(scene.case_of(&incident).await.message.person.unwrap().name, "周德明");
    Application::of(scene.ready(), "肖刚").asked(SOON).await;
    operator.sees("card", json!({ "data-incident": incident }), SOON).await;
    operator.sees("who", json!({}), SOON).await;
    assert!(operator.reads("who").await.contains("周德明"));
    assert_eq!(operator.complaints().await, json!([]));
    operator.closes().await;
    assert_eq!(doubts(&card), Vec::<&str>::new());
    scene.records().await.timeline(&incident).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smoke_after_an_sos_calls_119_too_a_cancel_closes_nothing_and_a_meal_is_a_case_of_its_own() {
    let scene = Scene::open(sends_a_vehicle(10)).await;
    let pager = scene.terminal("P1008");
    let hand = scene.hand(&pager, Version::V5);
    let operator = scene.operator().await;
    let live = operator.follow(None).await;
    let say = async |message: Value| hand.publish_acknowledged(&pager.topic("alert"), message.to_string()).await;
    say(json!({ "type": "alert", "kind": "sos", "boot": 1, "seq": 1 })).await;
    let rings = |class: &'static str| move |event: &Event| event.data["class"] == class && event.data["ring"] != "none";
    let emergency = live.hear("the emergency rings", SOON, rings("emergency")).await;
    let emergency = text(&emergency.data["id"]);

    // There is no data link to 119, so somebody telephones.
    say(json!({ "type": "alert", "kind": "smoke", "boot": 1, "seq": 2 })).await;
    let fire = |card: &Value| list(&card["kinds"]).len() == 2 && has_task(card, "call_119_by_voice");
    let card = operator.card_when(emergency, "119 is to be called", SOON, fire).await;
    let centres: Vec<&str> = list(&card["handovers"]).iter().map(|handover| text(&handover["centre"])).collect();
    assert_eq!((centres, &card["presses"]), (vec!["120", "119"], &json!(2)));

    say(json!({ "type": "cancel", "boot": 1, "seq": 3 })).await;
    let cancelled = |card: &Value| has_task(card, "cancelled_by_wearer");
    let card = operator.card_when(emergency, "everybody sees the cancel", SOON, cancelled).await;
    assert_eq!(
        (&card["closed"], &card["ring"], entries(&card, "cancelled").len()),
        (&Value::Null, &json!("operators"), 1)
    );
    assert_eq!(scene.case_of(emergency).await.times_stood_down, 0);

    say(json!({ "type": "request", "category": "meal", "boot": 1, "seq": 4 })).await;
    say(json!({ "type": "check_in", "boot": 1, "seq": 5 })).await;
    let is_it = |incident: &Value| incident["class"] == "service";
    let service = operator.incident("daily help is wanted", SOON, is_it).await;
    assert_ne!(service, emergency);
    let card = operator.card(&service).await;
    assert_eq!((&card["category"], &card["handovers"]), (&json!("meal"), &json!([])));
    assert_eq!(scene.cases().cases.len(), 1, "120 was called for a meal");
    let told = |card: &Value| entries(card, "checked_in").len() == 1;
    operator.card_when(emergency, "the check-in is an entry", SOON, told).await;
}
