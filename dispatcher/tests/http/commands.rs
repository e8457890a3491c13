//! What terminals are told to do, as operators and administrators ask for it.

use dispatcher::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Caller, House};

async fn audited(house: &House) -> Vec<(String, Value)> {
    sqlx::query_as("select what, data - 'command' from audit where what in ('told_terminal', 'listened_in') order by id")
        .fetch_all(&house.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn an_operator_asks_the_terminal_of_a_case_and_sees_what_becomes_of_it(pool: PgPool) {
    let house = House::open(pool).await;
    let incident = house.press().await;
    let operator = house.log_in("operator").await;
    let path = format!("/api/v1/incidents/{incident}/commands");
    let key = [("idempotency-key", "once")];
    let body = json!({ "command": { "do": "text", "text": " 请打开门 " }, "reason": "120 到门口" });
    let asked = house.call_with(&operator, Method::POST, &path, Some(body.clone()), &key).await;
    assert_eq!(asked.status, StatusCode::CREATED, "{asked:?}");
    assert_eq!(asked.body["command"], json!({ "do": "text", "text": "请打开门" }));
    assert_eq!(
        (&asked.body["state"], &asked.body["over"], &asked.body["serial"], &asked.body["by"]["name"]),
        (&json!("queued"), &json!(false), &json!("P1"), &json!("operator"))
    );
    let again = house.call_with(&operator, Method::POST, &path, Some(body), &key).await;
    assert_eq!(again.body, asked.body);

    let list = house.get(&operator, &path).await.body;
    let words: Vec<&Value> = list["commands"].as_array().unwrap().iter().map(|one| &one["command"]["do"]).collect();
    assert_eq!(words, ["text", "burst"], "the newest first; the burst by a rule");
    assert!(list["commands"][1]["by"].is_null() && list["may_listen_in"] == false);
    assert_eq!(audited(&house).await, [("told_terminal".into(), json!({ "do": "text", "why": "120 到门口" }))]);
    let card = house.get(&operator, &format!("/api/v1/incidents/{incident}")).await.body;
    let told = card["timeline"].as_array().unwrap().iter().find(|entry| entry["what"] == "told_terminal").unwrap();
    assert_eq!((&told["data"]["do"], &told["who"]["name"]), (&json!("text"), &json!("operator")));

    let cancel = format!("/api/v1/commands/{}/cancel", asked.body["id"].as_str().unwrap());
    let cancelled = house.call(&operator, Method::POST, &cancel, None).await;
    assert_eq!((cancelled.status, &cancelled.body["state"]), (StatusCode::OK, &json!("cancelled")));
    assert_eq!(house.call(&operator, Method::POST, &cancel, None).await.reason(), "command_over");
}

#[sqlx::test(migrations = "./migrations")]
async fn who_asks_where_somebody_is_without_a_case_says_why(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let path = format!("/api/v1/residents/{}/commands", house.resident);
    let locate = json!({ "command": { "do": "locate" } });
    let answer = house.post(&operator, &path, locate).await;
    assert_eq!((answer.status, &answer.body["error"]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("reason")));
    let with_reason = json!({ "command": { "do": "locate" }, "reason": "家人打不通电话" });
    assert_eq!(house.post(&operator, &path, with_reason).await.status, StatusCode::CREATED);
    assert_eq!(house.post(&operator, &path, json!({ "command": { "do": "find" } })).await.status, StatusCode::CREATED);
    let elsewhere = json!({ "command": { "do": "find" }, "serial": "P9" });
    assert_eq!(house.post(&operator, &path, elsewhere).await.reason(), "no_terminal");
    let words: Vec<Value> = audited(&house).await.into_iter().map(|(_, data)| data).collect();
    assert_eq!(words, [json!({ "do": "locate", "why": "家人打不通电话" }), json!({ "do": "find" })]);
    let list = house.get(&operator, &path).await.body;
    assert_eq!(list["commands"].as_array().map(Vec::len), Some(2));
}

#[sqlx::test(migrations = "./migrations")]
async fn settings_are_the_administrators_and_are_read_before_they_are_sent(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let path = format!("/api/v1/residents/{}/set-up", house.resident);
    let set = async |setting: Value| house.post(&admin, &path, json!({ "setting": setting })).await;
    let numbers = set(json!({ "do": "sos_numbers", "numbers": ["0731-8000 0001", "+8613800000000"] })).await;
    assert_eq!(numbers.status, StatusCode::CREATED, "{numbers:?}");
    assert_eq!(numbers.body["command"]["numbers"], json!(["073180000001", "+8613800000000"]));
    let fence = set(json!({ "do": "fence", "number": 1, "lat": 28.228, "lon": 112.938, "radius_m": 300 })).await;
    assert_eq!(fence.body["command"]["lat_deg"], 28.228, "{fence:?}");
    for (bad, field) in [
        (json!({ "do": "sos_numbers", "numbers": ["12"] }), "numbers"),
        (json!({ "do": "contacts", "contacts": [{ "name": "陈明", "number": "x" }] }), "contacts"),
        (json!({ "do": "report_every", "every_s": 1 }), "every_s"),
        (json!({ "do": "fall_sensitivity", "level": 9 }), "level"),
        (json!({ "do": "fence", "number": 1, "lat": 0, "lon": 0, "radius_m": 300 }), "lat"),
    ] {
        let answer = set(bad).await;
        let told = (answer.status, &answer.body["error"]["field"]);
        assert_eq!(told, (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{answer:?}");
    }
    assert_eq!(set(json!({ "do": "explode" })).await.status, StatusCode::BAD_REQUEST);
    let operator = house.log_in("operator").await;
    let restart = json!({ "setting": { "do": "restart" } });
    assert_eq!(house.post(&operator, &path, restart).await.status, StatusCode::FORBIDDEN);
}

async fn listen_in(house: &House, operator: &Caller, incident: &impl std::fmt::Display) -> crate::house::Answer {
    let path = format!("/api/v1/incidents/{incident}/listen-in");
    house.post(operator, &path, json!({ "number": "0731-80000009", "reason": "无人应答，听到呼救" })).await
}

#[sqlx::test(migrations = "./migrations")]
async fn nobody_listens_in_unless_the_settings_allow_it(pool: PgPool) {
    let house = House::open(pool).await;
    let incident = house.press().await;
    let operator = house.log_in("operator").await;
    assert_eq!(listen_in(&house, &operator, &incident).await.reason(), "listen_in_off");
    assert_eq!(house.scalar::<i64>("select count(*) from command where word = 'listen_in'").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn who_listens_in_does_so_in_an_open_emergency_and_it_is_written_down(pool: PgPool) {
    let house = House::open_with(pool, Config { allow_listen_in: true, ..Config::default() }).await;
    let incident = house.press().await;
    let operator = house.log_in("operator").await;
    let without = json!({ "number": "0731-80000009" });
    let path = format!("/api/v1/incidents/{incident}/listen-in");
    assert_eq!(house.post(&operator, &path, without).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(listen_in(&house, &operator, &incident).await.status, StatusCode::CREATED);
    let data = json!({ "do": "listen_in", "number": "073180000009", "why": "无人应答，听到呼救" });
    assert_eq!(audited(&house).await, [("listened_in".into(), data)]);
    let card = house.get(&operator, &format!("/api/v1/incidents/{incident}")).await.body;
    assert!(card["timeline"].as_array().unwrap().iter().any(|entry| entry["what"] == "listened_in"));

    // Daily help is no emergency, and what is closed is none any more.
    house.execute("update incident set class = 'service'").await;
    assert_eq!(listen_in(&house, &operator, &incident).await.reason(), "no_open_emergency");
}
