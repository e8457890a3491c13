//! What is shown of terminals that are not heard, and of those who are to be heard of.

use dispatcher::watchdog;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::House;

fn plan(version: i32, times: &Value) -> Value {
    json!({
        "version": version, "times": times, "days": [1, 2, 3, 4, 5, 6, 7], "time_zone": null, "grace_min": 60,
        "quiet": { "from": "22:00", "until": "06:00" }, "ways": ["key", "voice"],
    })
}

#[sqlx::test(migrations = "./migrations")]
async fn a_plan_is_made_shown_changed_paused_and_deleted(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let operator = house.log_in("operator2").await;
    let of = format!("/api/v1/residents/{}", house.resident.0);
    let shown = house.get(&operator, &format!("{of}/check-ins")).await;
    assert_eq!(shown.body, json!({ "plan": null, "pauses": [], "past": [] }));
    let told = house.post(&operator, &format!("{of}/check-ins"), json!({})).await;
    assert_eq!(told.status, StatusCode::NOT_FOUND, "nobody waits for it");

    let at = format!("{of}/check-in-plan");
    let put = |plan| house.call(&admin, Method::PUT, &at, Some(plan));
    for (times, why) in [
        (json!(["8"]), "“8” is no time such as 08:00"),
        (json!([]), "there must be one time of day at least, and 12 at most"),
        (json!(["23:00"]), "23:00 lies in the quiet hours: nobody is asked in their sleep"),
    ] {
        let refused = put(plan(0, &times)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.body["error"]["message"].as_str().unwrap().contains(why), "{refused:?}");
    }
    let mut nowhere = plan(0, &json!(["08:00"]));
    nowhere["time_zone"] = json!("Moon/Crater");
    assert_eq!(put(nowhere).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    let saved = put(plan(0, &json!(["20:00", "08:00"]))).await;
    assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
    let kept = &saved.body["plan"];
    assert_eq!((&kept["times"], &kept["version"]), (&json!(["08:00", "20:00"]), &json!(1)));
    assert_eq!((&kept["time_zone"], &kept["quiet"]["until"]), (&json!("Asia/Shanghai"), &json!("06:00")));
    assert!(kept["due_at"].is_string() && kept["deadline"].is_string(), "{kept}");
    for version in [0, 7] {
        let conflict = put(plan(version, &json!(["09:00"]))).await;
        assert_eq!((conflict.status, conflict.code()), (StatusCode::CONFLICT, "edited_meanwhile"));
    }
    assert_eq!(put(plan(1, &json!(["09:00"]))).await.body["plan"]["version"], 2);

    let told = house.post(&operator, &format!("{of}/check-ins"), json!({})).await;
    assert_eq!(told.status, StatusCode::CREATED);
    let past = json!({ "until": "2020-01-01T00:00:00Z", "why": "住院" });
    let refused = house.post(&operator, &format!("{of}/check-in-pauses"), past).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let until = dispatcher::clock::now() + jiff::SignedDuration::from_hours(48);
    let pause = json!({ "until": until, "why": "住院" });
    let paused = house.post(&operator, &format!("{of}/check-in-pauses"), pause).await;
    assert_eq!(paused.body["pauses"][0]["why"], "住院", "{paused:?}");
    let pause = format!("{of}/check-in-pauses/{}", paused.body["pauses"][0]["id"].as_str().unwrap());
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(house.call(&operator, Method::DELETE, &pause, None).await.status, status);
    }
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(house.call(&admin, Method::DELETE, &at, None).await.status, status);
    }
    let written: i64 = house.scalar("select count(*) from audit where what like '%check%'").await;
    assert_eq!(written, 6);
}

#[sqlx::test(migrations = "./migrations")]
async fn silences_and_outages_are_seen_below_ones_own_nodes_only(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .execute(
            "update presence set stage = 'silent', heard_at = now() - interval '2 h', not_worn = true, flat_at = now()",
        )
        .await;
    house
        .execute(
            "with began as (insert into outage (id, kind, key, began_at, noticed_at, shared_by)
                values (gen_random_uuid(), 'cell', '460-0-1-7', now(), now(), 9) returning id)
             insert into outage_member (outage_id, terminal_id, heard_at)
             select began.id, presence.terminal_id, now() from presence, began",
        )
        .await;
    let insider = house.log_in("operator2").await;
    let outsider = house.log_in("operator elsewhere").await;
    let seen = house.get(&insider, "/api/v1/silence").await.body;
    let count: i64 = house.scalar("select count(*) from presence").await;
    assert!(count > 0);
    assert_eq!((&seen["terminals"]["silent"], &seen["terminals"]["flat_tonight"]), (&json!(count), &json!(count)));
    assert_eq!((&seen["outages"][0]["key"], &seen["outages"][0]["still_gone"]), (&json!("460-0-1-7"), &json!(count)));
    let not_seen = house.get(&outsider, "/api/v1/silence").await.body;
    assert_eq!((&not_seen["terminals"]["silent"], &not_seen["outages"]), (&json!(0), &json!([])));

    for trouble in ["silent", "not_worn", "flat_tonight"] {
        let path = format!("/api/v1/silence/terminals?trouble={trouble}&limit=1");
        let page = house.get(&insider, &path).await.body;
        assert_eq!(page["terminals"][0]["serial"], "P1", "{trouble}: {page}");
        assert_eq!(house.get(&outsider, &path).await.body, json!({ "terminals": [], "next": null }));
    }
    for trouble in ["late", "unheard", "frozen"] {
        let page = house.get(&insider, &format!("/api/v1/silence/terminals?trouble={trouble}")).await.body;
        assert_eq!(page["terminals"], json!([]), "{trouble}");
    }
    let unknown = house.get(&insider, "/api/v1/silence/terminals?trouble=sad").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let members = format!("/api/v1/outages/{}/members", seen["outages"][0]["id"].as_str().unwrap());
    assert_eq!(house.get(&insider, &members).await.body["members"][0]["serial"], "P1");
}

#[sqlx::test(migrations = "./migrations")]
async fn an_outage_calls_supervisors_until_one_of_them_has_it(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .execute(
            "with began as (insert into outage (id, kind, key, began_at, noticed_at, shared_by)
                values (gen_random_uuid(), 'cell', '460-0-1-7', now(), now(), 9) returning id)
             insert into outage_member (outage_id, terminal_id, heard_at)
             select began.id, presence.terminal_id, now() from presence, began",
        )
        .await;
    let (supervisor, operator) = (house.log_in("supervisor").await, house.log_in("operator").await);
    let mut stream = house.follow(&supervisor, "/api/v1/live", &[]).await.unwrap();
    watchdog::call_for_outages(&house.desk).await.unwrap();
    let told = stream.next_of("outages").await.data;
    assert_eq!((&told[0]["kind"], &told[0]["key"]), (&json!("cell"), &json!("460-0-1-7")));

    let path = format!("/api/v1/outages/{}/acknowledgement", told[0]["id"].as_str().unwrap());
    assert_eq!(house.post(&operator, &path, Value::Null).await.status, StatusCode::FORBIDDEN);
    let has = house.post(&supervisor, &path, Value::Null).await;
    assert_eq!(has.status, StatusCode::OK, "{has:?}");
    let (by, at) = (&has.body["acknowledged_by"], &has.body["acknowledged_at"]);
    assert!(by.is_string() && at.is_string() && has.body["ended_at"].is_null(), "{has:?}");
    assert_eq!(stream.next_of("outages").await.data, json!([]), "nobody is called any more");
    // Who comes second changes nothing.
    let admin = house.log_in("admin").await;
    let again = house.post(&admin, &path, Value::Null).await.body;
    assert_eq!((&again["acknowledged_by"], &again["acknowledged_at"]), (by, at));
    let written: i64 = house.scalar("select count(*) from audit where what = 'outage_acknowledged'").await;
    assert_eq!(written, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_ledger_names_those_whose_key_nobody_has_tried(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator2").await;
    let before = house.get(&operator, "/api/v1/test-presses").await.body;
    assert_eq!(before["untested"][0]["serial"], "P1", "{before}");
    house.press().await;
    let after = house.get(&operator, "/api/v1/test-presses").await.body;
    assert_eq!(after["tested"].as_i64(), before["tested"].as_i64().map(|tested| tested + 1));
    assert!(after["untested"].as_array().unwrap().iter().all(|one| one["serial"] != "P1"), "{after}");
    let long_ago = house.get(&operator, "/api/v1/test-presses?month=2020-02").await.body;
    assert_eq!((&long_ago["month"], &long_ago["tested"]), (&json!("2020-02"), &json!(0)));
}

#[sqlx::test(migrations = "./migrations")]
async fn contracts_are_for_whoever_administers_everything(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let path = "/api/v1/heartbeat-contracts";
    let contract = |version: i32, lost_after_s: i32| {
        json!({
            "model": "slow", "version": version, "moving_s": 3600, "still_s": 7200, "charging_s": 7200, "late_beats": 2,
            "silent_beats": 4, "lost_after_s": lost_after_s, "alarm": "silent",
        })
    };
    let put = |caller, body| house.call(caller, Method::PUT, path, Some(body));
    let refused = put(&admin, contract(0, 3600)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    let saved = put(&admin, contract(0, 172_800)).await;
    assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
    assert_eq!(saved.body["contracts"][1]["model"], "slow");
    assert_eq!(put(&admin, contract(0, 172_800)).await.code(), "edited_meanwhile");
    assert_eq!(put(&admin, contract(1, 180_000)).await.body["contracts"][1]["version"], 2);
    let elsewhere = house.log_in("admin elsewhere").await;
    assert_eq!(put(&elsewhere, contract(2, 172_800)).await.code(), "forbidden");
}
