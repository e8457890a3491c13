//! "I am fine" (报平安): who says so by the key before they are missed is missed by nobody, who does not is a case.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Row as _;
use system::console::{Console, entries, list};
use system::mosquitto::{Mosquitto, Version};
use system::records::Records;
use system::server::{Server, Setup, Terminal};
use system::wait::{SOON, until_so};

/// Their due time was an hour ago; nobody looks before they are told to.
const DUE: &str = "update check_in_plan set due_at = now() - interval '61 min', deadline = now() - interval '1 min',
        wake_at = now() + interval '1 day'
    where resident_id::text = any(string_to_array($1, ',')) returning 1";
/// It is looked what became of it.
const LOOK: &str = "update check_in_plan set wake_at = now()
    where resident_id::text = any(string_to_array($1, ',')) returning 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_presses_the_key_in_time_is_fine_and_who_does_not_is_a_welfare_case_that_says_why() {
    let server = Server::start(Setup::default()).await;
    let admin = Console::log_in(server.ready(), "admin").await;
    let mut records = Records::of(server.ready()).await;
    // Somebody has listened for long.
    records.ask("update listening set since = now() - interval '10 days' returning 1", &[]).await;
    records.ask("update terminal_assignment set since = now() - interval '30 days' returning 1", &[]).await;

    // Two people are to be heard of at eight, by the key.
    let pagers: Vec<&Terminal> =
        server.ready().demo.terminals.iter().filter(|terminal| terminal.dialect == "ydt").take(2).collect();
    let [fine, missed] = pagers[..] else { panic!("there are two pagers") };
    let mut residents = Vec::new();
    for pager in [fine, missed] {
        let who = "select resident_id::text from wearer where serial = $1";
        let resident: String = records.ask(who, &[&pager.serial]).await.pop().expect("somebody wears it").get(0);
        let plan = json!({
            "version": 0, "times": ["08:00"], "days": [1, 2, 3, 4, 5, 6, 7], "grace_min": 60, "ways": ["key"], "quiet": null,
        });
        let path = format!("/residents/{resident}/check-in-plan");
        let (status, saved) = admin.call(Method::PUT, &path, Some(plan)).await;
        assert_eq!(status, StatusCode::OK, "{saved:#}");
        residents.push(resident);
    }
    let both = residents.join(",");
    assert_eq!(records.ask(DUE, &[&both]).await.len(), 2);

    // One of them presses, and is told that it is stored.
    let hand = Mosquitto { door: server.ready().mqtt, terminal: fine, version: Version::V5 };
    let said = json!({ "type": "check_in", "boot": 1, "seq": 1 }).to_string();
    let taken = hand.publish(&fine.topic("alert"), said).await;
    assert!(taken.is_taken(), "{taken:?}");
    assert_eq!(records.ask(LOOK, &[&both]).await.len(), 2);

    let over = "select count(*) from check_in where resident_id::text = any(string_to_array($1, ','))";
    until_so("it is known what became of both", SOON, async || records.count(over, &[&both]).await == 2).await;
    let past = |resident: &str| format!("/residents/{resident}/check-ins");
    let kept = admin.get(&past(&residents[0])).await;
    assert_eq!((&kept["past"][0]["state"], &kept["past"][0]["way"]), (&json!("kept"), &json!("key")), "{kept:#}");
    let gone = admin.get(&past(&residents[1])).await;
    assert_eq!(gone["past"][0]["state"], "missed", "{gone:#}");

    // One case, of the other, and it says what was waited for.
    let is_theirs = |incident: &Value| incident["subject"]["id"] == residents[1];
    let incident = admin.incident("somebody is missed", SOON, is_theirs).await;
    let card = admin.card(&incident).await;
    assert_eq!((&card["class"], &card["kinds"]), (&json!("welfare"), &json!(["missed_check_in"])), "{card:#}");
    let told = &entries(&card, "missed_check_in")[0]["data"];
    assert_eq!((&told["ways"], &told["last"]["key"]), (&json!(["key"]), &Value::Null), "{told:#}");
    assert_eq!(gone["past"][0]["incident"], json!(incident), "{gone:#}");
    let open = admin.open_incidents().await;
    let of_the_other = open.iter().filter(|incident| incident["subject"]["id"] == residents[0]).count();
    assert_eq!((of_the_other, list(&card["handovers"]).len()), (0, 0), "{open:#?}");
    assert_eq!(records.broken_promises().await, Vec::<String>::new());
}
