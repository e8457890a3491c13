//! Daily help that is ordered for a later time.

use dispatcher::store::{self, appointments};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Caller, House};

const PATH: &str = "/api/v1/appointments";

fn wanted(house: &House, hours: i64) -> Value {
    let at = dispatcher::clock::now() + SignedDuration::from_hours(hours);
    json!({ "resident": house.resident.0, "category": "meal", "wanted_at": at, "note": "少盐", "on_behalf_of": "儿子 陈明" })
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

async fn put(house: &House, who: &Caller, id: &Value, body: Value) -> crate::house::Answer {
    house.call(who, Method::PUT, &format!("{PATH}/{}", id.as_str().unwrap()), Some(body)).await
}

/// Opens what is due, as the ticker does.
async fn open_due(house: &House) -> usize {
    let mut opened = 0;
    loop {
        let mut tx = store::begin(&house.pool).await.unwrap();
        let Some(id) = appointments::next_due(&mut tx).await.unwrap() else { return opened };
        appointments::open(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        opened += 1;
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn an_appointment_becomes_a_case_an_hour_before_its_time_and_not_earlier(pool: PgPool) {
    let house = House::open(pool).await;
    let officer = house.log_in("grid officer").await;
    let made = house.post(&officer, PATH, wanted(&house, 20)).await;
    assert_eq!(made.status, StatusCode::CREATED, "a grid officer may: {made:?}");
    let (at, opens_at) = (time(&made.body["wanted_at"]), time(&made.body["opens_at"]));
    assert_eq!((at.duration_since(opens_at).as_mins(), &made.body["state"]), (60, &json!("waiting")));
    assert_eq!(open_due(&house).await, 0);
    let operator = house.log_in("operator").await;
    assert_eq!(house.get(&operator, PATH).await.body["appointments"][0]["id"], made.body["id"]);

    house.execute("update appointment set wake_at = now()").await;
    assert_eq!(open_due(&house).await, 1);
    assert_eq!(open_due(&house).await, 0, "once");
    let id: uuid::Uuid = house.scalar("select incident_id from appointment").await;
    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    assert_eq!((&card["class"], &card["category"]), (&json!("service"), &json!("meal")));
    let lines = card["timeline"].as_array().unwrap();
    let told: Vec<&Value> = lines.iter().map(|line| &line["what"]).collect();
    assert_eq!(told, ["requested", "appointed"]);
    assert_eq!((&lines[0]["data"]["text"], &lines[0]["data"]["on_behalf_of"]), (&json!("少盐"), &json!("儿子 陈明")));
    assert_eq!(lines[1]["data"]["wanted_at"], made.body["wanted_at"]);
    assert_eq!(house.get(&operator, PATH).await.body["appointments"], json!([]));
}

#[sqlx::test(migrations = "./migrations")]
async fn an_appointment_is_moved_and_cancelled_until_its_case_is_opened_by_who_saw_it_last(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let made = house.post(&operator, PATH, wanted(&house, 20)).await.body;
    let later = dispatcher::clock::now() + SignedDuration::from_hours(48);
    let moved = put(&house, &operator, &made["id"], json!({ "version": 1, "wanted_at": later })).await;
    assert_eq!((moved.status, &moved.body["version"]), (StatusCode::OK, &json!(2)), "{moved:?}");
    assert_eq!(time(&moved.body["opens_at"]).duration_since(later).as_mins(), -60);
    let stale = put(&house, &operator, &made["id"], json!({ "version": 1, "wanted_at": later })).await;
    assert_eq!((stale.status, stale.code()), (StatusCode::CONFLICT, "edited_meanwhile"));
    let cancel = format!("{PATH}/{}/cancel", made["id"].as_str().unwrap());
    let body = json!({ "version": 2, "reason": "住院了" });
    let cancelled = house.post(&operator, &cancel, body.clone()).await;
    assert_eq!((&cancelled.body["state"], &cancelled.body["reason"]), (&json!("cancelled"), &json!("住院了")));
    let again = house.post(&operator, &cancel, body).await;
    assert_eq!((again.status, again.reason()), (StatusCode::CONFLICT, "appointment_over"));
    house.execute("update appointment set wake_at = now()").await;
    assert_eq!(open_due(&house).await, 0, "what was cancelled never opens");
    assert_eq!(house.scalar::<i64>("select count(*) from audit where what like '%appointment'").await, 3);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_time_that_cannot_be_or_a_stranger_is_refused_and_without_a_time_it_is_now(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    for hours in [-1, 24 * 91] {
        let refused = house.post(&operator, PATH, wanted(&house, hours)).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("wanted_at"))
        );
    }
    let mut nonsense = wanted(&house, 5);
    nonsense["category"] = json!("emergency");
    assert_eq!(house.post(&operator, PATH, nonsense).await.code(), "bad_field");
    let elsewhere = house.log_in("grid officer elsewhere").await;
    assert_eq!(house.post(&elsewhere, PATH, wanted(&house, 5)).await.code(), "not_found");
    assert_eq!(house.scalar::<i64>("select count(*) from appointment").await, 0);

    let mut now = wanted(&house, 0);
    now.as_object_mut().unwrap().remove("wanted_at");
    for _ in 0..2 {
        let headers = [("idempotency-key", "one")];
        let made = house.call_with(&operator, Method::POST, PATH, Some(now.clone()), &headers).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    }
    assert_eq!(open_due(&house).await, 1, "said twice with its key, it is one");
}

#[sqlx::test(migrations = "./migrations")]
async fn the_ticker_opens_what_is_due_and_one_that_cannot_be_opened_holds_up_no_other(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    for hours in [10, 20] {
        house.post(&operator, PATH, wanted(&house, hours)).await;
    }
    // The database takes no case for the first of them.
    house
        .execute(
            "create function refuse() returns trigger language plpgsql as $$ begin
                if new.caller_phone = 'broken' then raise exception 'broken'; end if; return new; end $$",
        )
        .await;
    house.execute("create trigger refuse before insert on incident for each row execute function refuse()").await;
    house
        .execute(
            "update appointment set phone = 'broken' where id = (select id from appointment order by wake_at limit 1)",
        )
        .await;
    house
        .execute(
            "update appointment set wake_at = now() - case when phone = 'broken' then interval '1 min' else '0' end",
        )
        .await;
    let stop = tokio_util::sync::CancellationToken::new();
    let ticking = tokio::spawn(dispatcher::ticker::run(house.desk.clone(), stop.clone()));
    let opened = async {
        let mut asking = tokio::time::interval(std::time::Duration::from_millis(50));
        while house.scalar::<i64>("select count(*) from appointment where state = 'opened'").await == 0 {
            asking.tick().await;
        }
    };
    tokio::time::timeout(crate::house::SOON, opened).await.expect("the other is opened soon");
    stop.cancel();
    ticking.await.unwrap();
    let waits: bool = house.scalar("select wake_at > now() from appointment where state = 'waiting'").await;
    assert!(waits, "the broken one is tried again later");
}
