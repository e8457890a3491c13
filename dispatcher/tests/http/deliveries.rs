//! The ledger as operators see it, sending again by hand, and those who tell us what became of a message.

use dispatcher::config::{Config, PushConfig, SmsSettings};
use domain::id::IncidentId;
use domain::incident::{Authority, Input};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House, TOKEN};

const STATUS_KEY: &str = "status-key-0123456789abcdef";
const KEY: &str = "hunter2-hunter2-hunter2";

fn with_sms() -> Config {
    let settings = json!({
        // Nobody listens there; whatever left is told of by the test.
        "url": "http://127.0.0.1:1/send",
        "key": KEY,
        "body": r#"{"to": "{phone}", "content": "{text}", "key": "{key}"}"#,
        "status_key": STATUS_KEY,
    });
    let settings: SmsSettings = serde_json::from_value(settings).unwrap();
    let push = PushConfig::new(&PushConfig::fresh_key(), "mailto:duty@example.org").unwrap();
    Config { sms: Some(settings.link().unwrap()), push: Some(push), ..Config::default() }
}

async fn ledger(house: &House, who: &Caller, incident: IncidentId) -> Vec<Value> {
    let answer = house.get(who, &format!("/api/v1/incidents/{incident}/deliveries")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["deliveries"].as_array().unwrap().clone()
}

fn of<'l>(ledger: &'l [Value], channel: &str) -> &'l Value {
    ledger.iter().find(|delivery| delivery["channel"] == channel).unwrap_or_else(|| panic!("{channel}: {ledger:?}"))
}

async fn redeliver(house: &House, who: &Caller, delivery: &Value) -> Answer {
    let path = format!("/api/v1/deliveries/{}/redeliver", delivery["id"].as_str().unwrap());
    house.call(who, Method::POST, &path, None).await
}

#[sqlx::test(migrations = "./migrations")]
async fn the_ledger_says_to_whom_and_how_far_but_no_address_and_no_secret(pool: PgPool) {
    let house = House::open_with(pool, with_sms()).await;
    house
        .execute(
            "update contact set webhook_url = 'https://hook.example/?token=hidden-in-the-address',
                webhook_secret = 'the family''s own key'",
        )
        .await;
    let incident = house.press().await;
    let operator = house.log_in("operator").await;
    let all = ledger(&house, &operator, incident).await;
    let told: Vec<(&str, &str, &str, &str)> = all
        .iter()
        .map(|each| ["channel", "what", "to", "state"].map(|field| each[field].as_str().unwrap()).into())
        .collect();
    let expected = [
        ("webhook", "alert", "陈明", "queued"),
        ("centre", "help", "120", "queued"),
        ("responder", "ask", "李卫", "queued"),
        ("terminal", "received", "P1", "queued"),
    ];
    for each in expected {
        assert!(told.contains(&each), "{each:?} in {told:?}");
    }
    // A page of it, and the one after.
    let path = format!("/api/v1/incidents/{incident}/deliveries");
    let first = house.get(&operator, &format!("{path}?limit=1")).await.body;
    let next = first["next"].as_str().unwrap();
    let second = house.get(&operator, &format!("{path}?limit=500&after={next}")).await.body;
    assert_eq!((&first["deliveries"][0], second["deliveries"].as_array().unwrap().as_slice()), (&all[0], &all[1..]));
    assert!(second["next"].is_null());
    let nowhere = house.get(&operator, &format!("{path}?after={}", house.resident)).await;
    assert_eq!((nowhere.status, nowhere.code()), (StatusCode::NOT_FOUND, "not_found"));

    let admin = house.log_in("admin").await;
    house.execute("update outbox set state = 'failed'").await;
    for path in [
        path,
        "/api/v1/deliveries".into(),
        format!("/api/v1/incidents/{incident}"),
        format!("/api/v1/residents/{}", house.resident),
        "/api/v1/metrics".into(),
        "/api/v1/health".into(),
    ] {
        let answer = house.get(&admin, &path).await.body.to_string();
        assert!(
            !answer.contains("the family's own key") && !answer.contains(KEY) && !answer.contains(STATUS_KEY),
            "{path}"
        );
        assert!(path.contains("residents") || !answer.contains("hidden-in-the-address"), "{path}: {answer}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_failed_is_sent_again_by_hand_once_and_the_timeline_says_by_whom(pool: PgPool) {
    let house = House::open_with(pool, with_sms()).await;
    let incident = house.press().await;
    let operator = house.log_in("operator").await;
    house.execute("update outbox set state = 'failed', tries = 3, not_after = now() where channel = 'sms'").await;
    let lost = house.get(&operator, "/api/v1/deliveries").await.body;
    assert_eq!(lost["deliveries"].as_array().unwrap().len(), 1, "{lost}");
    let failed = lost["deliveries"][0].clone();
    assert_eq!((&failed["channel"], &failed["resident"]), (&json!("sms"), &json!("陈秀英")));
    assert_eq!(house.get(&operator, "/api/v1/deliveries?channel=email").await.body["deliveries"], json!([]));

    for _ in 0..2 {
        let again = redeliver(&house, &operator, &failed).await;
        assert_eq!(again.status, StatusCode::OK, "{again:?}");
        assert_eq!((&again.body["state"], &again.body["id"]), (&json!("queued"), &failed["id"]), "the same key");
        let lines = again.body["lines"].as_array().unwrap();
        assert_eq!((lines.len(), &lines[0]["by"]["name"]), (1, &json!("operator")));
    }
    let is_due: bool = house
        .scalar("select next_try_at <= clock_timestamp() and not_after > now() from outbox where channel = 'sms'")
        .await;
    assert!(is_due);
    let card = house.get(&operator, &format!("/api/v1/incidents/{incident}")).await.body;
    let lines: Vec<&Value> =
        card["timeline"].as_array().unwrap().iter().filter(|line| line["what"] == "redelivered").collect();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["who"]["name"], &lines[0]["data"]["channel"]), (&json!("operator"), &json!("sms")));
    let mut conn = house.pool.acquire().await.unwrap();
    dispatcher::store::timeline::verify(&mut conn, incident).await.unwrap().unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_is_sent_again_that_has_arrived_is_not_wanted_or_would_come_in_the_wrong_order(pool: PgPool) {
    let house = House::open(pool).await;
    let incident = house.press().await;
    let operator = house.log_in("operator").await;
    let claim = Input::Claim { by: house.operator, authority: Authority::Operator };
    house.desk.apply(incident, claim).await.unwrap();
    let all = ledger(&house, &operator, incident).await;
    let received = of(&all, "terminal");
    assert_eq!(received["what"], "received");

    // "claimed" has reached the pager: "received" after it would be wrong.
    house.execute("update outbox set state = 'delivered' where what = 'claimed'").await;
    let refused = redeliver(&house, &operator, received).await;
    assert_eq!((refused.status, refused.reason()), (StatusCode::CONFLICT, "overtaken"));
    let claimed = all.iter().find(|each| each["what"] == "claimed").unwrap();
    assert_eq!(redeliver(&house, &operator, claimed).await.reason(), "arrived");

    house.execute("update outbox set state = 'expired', not_after = now() where what = 'ask'").await;
    house.execute("update offer set state = 'silent', answer_by = null").await;
    assert_eq!(redeliver(&house, &operator, of(&all, "responder")).await.reason(), "not_wanted");
    house.execute("update handover set state = 'failed', acknowledge_by = null").await;
    assert_eq!(redeliver(&house, &operator, of(&all, "centre")).await.reason(), "not_wanted");
    // Nothing of it has changed anything.
    let lines: i64 = house.scalar("select count(*) from incident_entry where what = 'redelivered'").await;
    assert_eq!(lines, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_provider_tells_what_became_of_a_text_as_often_as_it_likes(pool: PgPool) {
    let house = House::open_with(pool, with_sms()).await;
    let incident = house.press().await;
    house.execute("update outbox set state = 'accepted', tries = 1, far_id = 'far-1' where channel = 'sms'").await;
    let operator = house.log_in("operator").await;
    let path = format!("/api/v1/sms/status?key={STATUS_KEY}");
    let tell = async |path: &str, body: Value| house.post(&Caller::Nobody, path, body).await;
    for wrong in ["/api/v1/sms/status", "/api/v1/sms/status?key=", "/api/v1/sms/status?key=status-key-0123456789abcdeg"]
    {
        let refused = tell(wrong, json!({ "id": "far-1", "status": "DELIVRD" })).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNAUTHORIZED, "bad_credentials"), "{wrong}");
    }
    let state = async || of(&ledger(&house, &operator, incident).await, "sms").clone();
    let statuses = json!([{ "id": "far-1", "status": "ROUTED" }, { "id": "far-9", "status": "DELIVRD" }, 7, {}]);
    assert_eq!(tell(&path, statuses).await.status, StatusCode::NO_CONTENT);
    assert_eq!(state().await["state"], "accepted");
    // By our key or by its own name for it, and the same thing twice.
    let key = state().await["id"].clone();
    for id in [json!("far-1"), key] {
        assert_eq!(tell(&path, json!({ "id": id, "status": "DELIVRD" })).await.status, StatusCode::NO_CONTENT);
    }
    // It does not come back from where it has arrived.
    assert_eq!(tell(&path, json!({ "id": "far-1", "status": "UNDELIV" })).await.status, StatusCode::NO_CONTENT);
    let told = state().await;
    assert_eq!((&told["state"], told["lines"].as_array().unwrap().len()), (&json!("delivered"), 1), "{told}");
    let reached: String = house.scalar("select state from contact_told where rank = 1").await;
    assert_eq!(reached, "reached");
    assert_eq!(redeliver(&house, &operator, &told).await.reason(), "arrived");
    // A form does as well.
    let form = house.client.post(format!("{}{path}", house.base)).body("id=far-1&status=DELIVRD");
    assert_eq!(form.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(tell(&path, json!("x")).await.status, StatusCode::NO_CONTENT);
    let many: Vec<Value> = vec![json!({}); 501];
    assert_eq!(tell(&path, json!(many)).await.status, StatusCode::BAD_REQUEST);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_text_that_will_never_arrive_makes_it_the_next_contacts_turn(pool: PgPool) {
    let house = House::open_with(pool, with_sms()).await;
    house.press().await;
    house.execute("update outbox set state = 'accepted', tries = 1, far_id = 'far-1' where channel = 'sms'").await;
    let body = json!({ "id": "far-1", "status": "UNDELIV" });
    house.post(&Caller::Nobody, &format!("/api/v1/sms/status?key={STATUS_KEY}"), body).await;
    let lost: String = house.scalar("select state from contact_told where rank = 1").await;
    assert_eq!(lost, "lost");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_responder_who_has_seen_or_answered_what_they_are_asked_has_read_it(pool: PgPool) {
    let house = House::open(pool).await;
    let incident = house.press().await;
    let (operator, responder) = (house.log_in("operator").await, house.log_in("responder").await);
    let offer: uuid::Uuid = house.scalar("select id from offer").await;
    let seen = format!("/api/v1/offers/{offer}/seen");
    // What has not left is still to leave: another of their telephones may be nearer.
    assert_eq!(house.call(&responder, Method::POST, &seen, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(of(&ledger(&house, &operator, incident).await, "responder")["state"], "queued");
    house.execute("update outbox set state = 'accepted', tries = 1 where what = 'ask'").await;
    assert_eq!(house.call(&Caller::Token(TOKEN.into()), Method::POST, &seen, None).await.status, StatusCode::NOT_FOUND);
    for _ in 0..2 {
        assert_eq!(house.call(&responder, Method::POST, &seen, None).await.status, StatusCode::NO_CONTENT);
    }
    let read = of(&ledger(&house, &operator, incident).await, "responder").clone();
    assert_eq!((&read["state"], read["lines"].as_array().unwrap().len()), (&json!("read"), 1), "{read}");
    house.execute("update outbox set state = 'accepted' where what = 'ask'").await;
    house.post(&responder, &format!("/api/v1/offers/{offer}/decline"), json!({})).await;
    assert_eq!(of(&ledger(&house, &operator, incident).await, "responder")["state"], "read");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_browser_subscribes_for_our_key_and_a_few_of_them_are_kept(pool: PgPool) {
    // The example of RFC 8291, appendix A.
    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    let house = House::open_with(pool, with_sms()).await;
    let responder = house.log_in("responder").await;
    let key = house.get(&responder, "/api/v1/me/push").await.body["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with('B') && key.len() == 87, "{key}");
    let subscribe = async |endpoint: &str, p256dh: &str, auth: &str| {
        let body = json!({ "endpoint": endpoint, "keys": { "p256dh": p256dh, "auth": auth }, "expirationTime": null });
        house.post(&responder, "/api/v1/me/push", body).await
    };
    for (endpoint, p256dh, auth, field) in [
        ("http://push.example/x", P256DH, AUTH, "endpoint"),
        ("ftp://127.0.0.1/x", P256DH, AUTH, "endpoint"),
        ("https://push.example/x", "AAAA", AUTH, "keys.p256dh"),
        ("https://push.example/x", &P256DH.replace('C', "D"), AUTH, "keys.p256dh"),
        ("https://push.example/x", P256DH, P256DH, "keys.auth"),
    ] {
        let refused = subscribe(endpoint, p256dh, auth).await;
        let said = (refused.status, &refused.body["error"]["field"]);
        assert_eq!(said, (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{refused:?}");
    }
    assert_eq!(
        subscribe(&format!("https://{}", "x".repeat(1_000)), P256DH, AUTH).await.status,
        StatusCode::BAD_REQUEST
    );
    for number in [1, 1, 2, 3, 4, 5, 6, 7] {
        let answer = subscribe(&format!("https://push.example/{number}"), P256DH, AUTH).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }
    let kept = "select string_agg(right(endpoint, 1), '' order by at) from push_subscription";
    assert_eq!(house.scalar::<String>(kept).await, "34567");
    let body = json!({ "endpoint": "https://push.example/5" });
    house.call(&responder, Method::DELETE, "/api/v1/me/push", Some(body)).await;
    assert_eq!(house.scalar::<String>(kept).await, "3467");
}

#[sqlx::test(migrations = "./migrations")]
async fn where_nothing_is_pushed_there_is_no_key_to_subscribe_for(pool: PgPool) {
    let house = House::open(pool).await;
    let responder = house.log_in("responder").await;
    assert_eq!(house.get(&responder, "/api/v1/me/push").await.body, json!({ "key": null }));
    let body = json!({ "endpoint": "https://push.example/x", "keys": { "p256dh": "", "auth": "" } });
    assert_eq!(house.post(&responder, "/api/v1/me/push", body).await.status, StatusCode::NOT_FOUND);
}
