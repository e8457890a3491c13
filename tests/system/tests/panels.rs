//! What an administrator sets for one resident at a browser: a fence that is drawn, tried and saved, its rule, when they are
//! to be heard of, and whether what is usual of them is learnt.

use serde_json::{Value, json};
use sqlx::Row as _;
use system::browser::Browser;
use system::console::{Console, list};
use system::records::Records;
use system::server::{Server, Setup};
use system::wait::SOON;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_draws_a_fence_tries_it_gives_it_hours_and_says_when_somebody_is_to_be_heard_of() {
    let server = Server::start(Setup::default()).await;
    let mut records = Records::of(server.ready()).await;
    let api = Console::log_in(server.ready(), "admin").await;
    let mut admin = Browser::log_in(server.ready(), "admin").await;
    // Somebody who wears a pager and has no fence yet.
    let who = "select r.id::text, r.name from wearer w join resident r on r.id = w.resident_id
        where r.home is not null and not exists (select from fence f where f.resident_id = r.id) order by w.serial limit 1";
    let who = records.ask(who, &[]).await.pop().expect("not everybody has a fence");
    let (resident, name) = (who.get::<String, _>(0), who.get::<String, _>(1));
    let of = |what: &str| format!("/residents/{resident}/{what}");
    finds(&mut admin, &resident, &name).await;

    // A circle around their home: tried, which saves nothing, and saved.
    admin.clicks("fence-circle").await;
    admin.sees("fence-editor", json!({ "data-editing": "circle", "data-fences": "0" }), SOON).await;
    admin.writes("fence-name", "院子").await;
    admin.writes("fence-radius", "400").await;
    admin.clicks("fence-try").await;
    admin.sees("fence-trial", json!({ "data-alerts": "0" }), SOON).await;
    assert_eq!(list(&api.get(&of("fences")).await["fences"]).len(), 0, "a trial saves nothing");
    admin.clicks("fence-save").await;
    admin.sees("fence-editor", json!({ "data-editing": "no", "data-fences": "1" }), SOON).await;
    let fences = api.get(&of("fences")).await;
    let fence = &fences["fences"][0];
    assert_eq!(
        (&fence["name"], &fence["shape"]["type"], &fence["shape"]["radius_m"], &fence["kind"]),
        (&json!("院子"), &json!("circle"), &json!(400.0), &json!("safe")),
        "{fence:#}"
    );

    // Home by ten.
    admin.clicks("rule-add-home_by").await;
    admin.sees("fence-rules", json!({ "data-rules": "1", "data-changed": "yes" }), SOON).await;
    admin.clicks("rules-save").await;
    admin.sees("fence-rules", json!({ "data-rules": "1", "data-changed": "no" }), SOON).await;
    let rules = api.get(&of("fence-rules")).await;
    let rule = &rules["rules"][0];
    assert_eq!(
        (&rule["fence"], &rule["expect"], &rule["from_minute"]),
        (&fence["id"], &json!("inside"), &json!(1_320)),
        "{rules:#}"
    );

    // When they are to be heard of.
    admin.sees("check-in-none", json!({}), SOON).await;
    admin.clicks("check-in-edit").await;
    admin.writes("check-in-times", "08:30").await;
    admin.clicks("check-in-save").await;
    admin.sees("check-in-plan", json!({}), SOON).await;
    let plan = api.get(&of("check-ins")).await;
    assert_eq!((&plan["plan"]["times"], &plan["plan"]["active"]), (&json!(["08:30"]), &json!(true)), "{plan:#}");

    // Whether what is usual is learnt: of who has a fence it is; off, and on again.
    admin.clicks("resident-leave").await;
    finds(&mut admin, &resident, &name).await;
    admin.sees("usual", json!({ "data-on": "yes" }), SOON).await;
    admin.clicks("usual-off").await;
    admin.clicks("usual-off-sure").await;
    admin.sees("usual", json!({ "data-on": "no" }), SOON).await;
    let chosen = "select coalesce(chosen::text, 'nobody has chosen') from usual where resident_id::text = $1";
    let of_them = records.ask(chosen, &[&resident]).await.pop().map(|row| row.get::<String, _>(0));
    assert_eq!(of_them.as_deref(), Some("false"));
    admin.clicks("usual-on").await;
    admin.sees("usual", json!({ "data-on": "yes" }), SOON).await;

    assert_eq!(admin.complaints().await, Value::Array(Vec::new()));
    admin.closes().await;
}

/// Opens somebody's page.
async fn finds(admin: &mut Browser, resident: &str, name: &str) {
    admin.clicks("find").await;
    admin.writes("resident-search", name).await;
    admin.clicks(&format!("resident-{resident}")).await;
    admin.sees("resident", json!({ "data-resident": resident }), SOON).await;
}
