//! Terminals that fall silent, as a supervisor at a browser sees them: one alone, and many at once.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Row as _;
use system::browser::Browser;
use system::console::{Console, entries, list};
use system::places;
use system::records::Records;
use system::server::{Server, Setup};
use system::wait::{SOON, until, until_so};

/// Outages are looked for as soon as somebody falls silent; the page asks each quarter of a minute.
const SHOWN_WITHIN: Duration = Duration::from_mins(2);

/// Nine terminals of one street are heard now; the first is alone, the others have something in common.
const HEARD: &str = "with theirs as (
        select w.terminal_id, street.id as street from wearer w
        join org_node home on home.id = w.serving_node
        join org_node street on street.id = any(home.path) and street.level = 'street'
        where w.resident_id is not null),
    ours as (
        select t.terminal_id from theirs t join terminal on terminal.id = t.terminal_id
        where t.street = (select street from theirs group by street order by count(*) desc, street limit 1)
        order by terminal.serial limit 9),
    heard as (update terminal_state s set heard_at = now() from ours where s.terminal_id = ours.terminal_id),
    looked as (update presence p set look_at = now(), given_at = now() - interval '30 days'
        from ours where p.terminal_id = ours.terminal_id)
    select t.serial from ours join terminal t on t.id = ours.terminal_id order by t.serial";
/// As if they had been heard last so many minutes ago.
const AGE: &str = "with aged as (
        update terminal_state s set heard_at = now() - make_interval(mins => $2::integer)
        from terminal t where t.id = s.terminal_id and t.serial = any(string_to_array($1, ',')) returning s.terminal_id)
    update presence p set look_at = now()
    from aged where p.terminal_id = aged.terminal_id returning p.terminal_id";

/// Those who fall silent together with it have had their time.
const AGAIN: &str = "update presence p set look_at = now() from terminal t
    where t.id = p.terminal_id and t.serial = $1 returning p.terminal_id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_sees_who_is_lost_and_is_called_for_an_outage_until_they_have_it() {
    let server = Server::start(Setup::default()).await;
    let mut records = Records::of(server.ready()).await;
    let watcher = Console::log_in(server.ready(), "operator").await;
    let mut supervisor = Browser::log_in(server.ready(), "supervisor").await;

    // Somebody has listened for long, and hears them.
    records.ask("update listening set since = now() - interval '10 days'", &[]).await;
    records.ask("update terminal_assignment set since = now() - interval '30 days'", &[]).await;
    let heard = records.ask(HEARD, &[]).await;
    let serials: Vec<String> = heard.iter().map(|row| row.get(0)).collect();
    assert_eq!(serials.len(), 9);
    let all = serials.join(",");
    let in_order = "select count(*) from presence p join terminal t on t.id = p.terminal_id
        where t.serial = any(string_to_array($1, ',')) and p.stage = 'heard'";
    until_so("they are heard", SHOWN_WITHIN, async || records.count(in_order, &[&all]).await == 9).await;

    // One is not heard for days: a case for its wearer, and a row on the page.
    let (lost, others) = serials.split_first().expect("there are nine");
    records.ask(AGE, &[lost, "7200"]).await;
    let is_lost = "select count(*) from presence p join terminal t on t.id = p.terminal_id
        where t.serial = $1 and p.stage = 'lost'";
    until_so("it is lost", SHOWN_WITHIN, async || records.count(is_lost, &[lost]).await == 1).await;
    records.ask(AGAIN, &[lost]).await;
    let is_theirs = |case: &Value| case["class"] == "welfare" && case["serial"] == *lost;
    let case = watcher.incident("somebody is not heard any more", SHOWN_WITHIN, is_theirs).await;
    assert_eq!(entries(&watcher.card(&case).await, "not_heard")[0]["data"]["stage"], "lost");
    supervisor.clicks("silence-toggle").await;
    supervisor.sees(&format!("troubled-{lost}"), json!({}), SHOWN_WITHIN).await;
    assert!(supervisor.reads(&format!("troubled-{lost}")).await.contains("丢失"), "it is lost");

    // Eight at once are one thing to know: it rings at the supervisor's, who says that they have it.
    records.ask(AGE, &[&others.join(","), "40"]).await;
    let begun = "select id::text from outage where ended_at is null";
    let outage = until("an outage is noticed", SHOWN_WITHIN, async || records.ask(begun, &[]).await.pop()).await;
    let outage: String = outage.get(0);
    supervisor.sees(&format!("calling-{outage}"), json!({}), SHOWN_WITHIN).await;
    supervisor.sees("ringing", json!({ "data-ring": "operators" }), SOON).await;
    supervisor.takes_picture(&places::shots().join("outage.png")).await;
    supervisor.clicks(&format!("outage-mine-{outage}")).await;
    supervisor.sees_no(&format!("calling-{outage}"), SOON).await;
    supervisor.sees(&format!("outage-by-{outage}"), json!({}), SHOWN_WITHIN).await;
    let cases = list(&watcher.get("/incidents?state=open").await["incidents"])
        .iter()
        .filter(|case| others.iter().any(|serial| case["serial"] == **serial))
        .count();
    assert_eq!(cases, 0, "no member of an outage opens a case");

    // They are heard again, and it is over by itself.
    records.ask(AGE, &[&others.join(","), "0"]).await;
    let over = "select count(*) from outage where ended_at is not null and acknowledged_at is not null";
    until_so("the outage is over", SHOWN_WITHIN, async || records.count(over, &[]).await == 1).await;
    assert_eq!(supervisor.complaints().await, json!([]));
    supervisor.closes().await;
}
