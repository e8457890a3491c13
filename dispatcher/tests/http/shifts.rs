//! When providers' people are to be at work.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn now(house: &House) -> Timestamp {
    let seconds: i64 = house.scalar("select extract(epoch from date_trunc('hour', now()))::bigint").await;
    Timestamp::from_second(seconds).unwrap()
}

async fn plan(house: &House, caller: &Caller, from: Timestamp, until: Timestamp, weeks: i32) -> Answer {
    let body = json!({ "from": from, "until": until, "weeks": weeks });
    house.post(caller, &format!("/api/v1/responders/{}/shifts", house.near), body).await
}

async fn roster(house: &House, caller: &Caller, query: &str) -> Answer {
    let provider: uuid::Uuid = house.scalar("select id from provider").await;
    house.get(caller, &format!("/api/v1/providers/{provider}/shifts{query}")).await
}

#[sqlx::test(migrations = "./migrations")]
async fn a_shift_is_planned_read_and_deleted(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let from = now(&house).await + DAY;
    let body = json!({ "from": from, "until": from + HOUR * 8 });
    let planned = house.post(&admin, &format!("/api/v1/responders/{}/shifts", house.near), body).await;
    assert_eq!(planned.status, StatusCode::CREATED, "{planned:?}");
    let shift = planned.body["shifts"][0].clone();
    assert_eq!((&shift["responder"], &shift["from"]), (&json!(house.near.0), &json!(from)));
    assert_eq!((&shift["until"], planned.body["shifts"].as_array().unwrap().len()), (&json!(from + HOUR * 8), 1));

    // The week that is to come, or another period; a shift that reaches into it belongs to it.
    let supervisor = house.log_in("supervisor").await;
    assert_eq!(roster(&house, &supervisor, "").await.body, planned.body);
    let query = |from: Timestamp, until: Timestamp| format!("?from={from}&until={until}");
    let part = roster(&house, &supervisor, &query(from + HOUR * 7, from + DAY)).await.body;
    assert_eq!(part, planned.body);
    let after = roster(&house, &supervisor, &query(from + HOUR * 8, from + DAY)).await.body;
    assert_eq!(after, json!({ "shifts": [] }));
    for (wrong, code) in [
        (query(from, from - HOUR), "bad_field"),
        (query(from, from + DAY * 63), "bad_field"),
        ("?from=soon".into(), "bad_request"),
        ("?from=-009999-01-02T02:00:00Z".into(), "bad_field"),
    ] {
        assert_eq!(roster(&house, &supervisor, &wrong).await.code(), code, "{wrong}");
    }

    let path = format!("/api/v1/shifts/{}", shift["id"].as_str().unwrap());
    assert_eq!(house.call(&admin, Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.call(&admin, Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(roster(&house, &supervisor, "").await.body, json!({ "shifts": [] }));
    let written: Vec<String> =
        sqlx::query_scalar("select what from audit where what like 'shift%' and about = $1 order by id")
            .bind(house.near.to_string())
            .fetch_all(&house.pool)
            .await
            .unwrap();
    assert_eq!(written, ["shifts_planned", "shift_deleted"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_weekly_shift_is_at_the_same_hour_when_the_clocks_change(pool: PgPool) {
    let house = House::open(pool).await;
    house.execute("update org_node set time_zone = 'Europe/Berlin' where parent_id is null").await;
    let admin = house.log_in("admin").await;
    // Over a year: the clocks change twice.
    let from = now(&house).await + DAY;
    let planned = plan(&house, &admin, from, from + HOUR * 8, 53).await;
    assert_eq!(planned.body["shifts"].as_array().unwrap().len(), 53, "{planned:?}");
    let hours: Vec<String> = sqlx::query_scalar(
        "select distinct to_char(lower(during) at time zone 'Europe/Berlin', 'D HH24:MI') from shift",
    )
    .fetch_all(&house.pool)
    .await
    .unwrap();
    assert_eq!(hours.len(), 1, "{hours:?}");
    let utc: i64 = house.scalar("select count(distinct lower(during)::time) from shift").await;
    assert_eq!(utc, 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn nobody_is_planned_twice_at_once_and_the_other_shift_is_named(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let from = now(&house).await + DAY * 8;
    assert_eq!(plan(&house, &admin, from, from + HOUR * 8, 1).await.status, StatusCode::CREATED);
    // The second of three weeks is in the way: nothing is planned.
    let late = from - DAY * 7 + HOUR * 7;
    let refused = plan(&house, &admin, late, late + HOUR * 8, 3).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "refused"), "{refused:?}");
    assert_eq!(refused.reason(), "shift_overlaps");
    let there = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let local = |at: Timestamp| at.to_zoned(there.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    let sentence = format!("李卫 is to be at work from {} to {} already", local(from), local(from + HOUR * 8));
    assert_eq!(refused.body["error"]["message"], sentence);
    assert_eq!(house.scalar::<i64>("select count(*) from shift").await, 1);
    // One ends when the other begins; and somebody else is somebody else.
    assert_eq!(plan(&house, &admin, from + HOUR * 8, from + HOUR * 16, 1).await.status, StatusCode::CREATED);
    let other = json!({ "from": from, "until": from + HOUR * 8 });
    let other = house.post(&admin, &format!("/api/v1/responders/{}/shifts", house.far), other).await;
    assert_eq!(other.status, StatusCode::CREATED);
    // Not by many at once either.
    let from = from + DAY * 20;
    let all = futures_util::future::join_all((0..4).map(|_| plan(&house, &admin, from, from + HOUR, 1))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == StatusCode::CREATED).count(), 1);
    assert!(all.iter().all(|answer| answer.status != StatusCode::INTERNAL_SERVER_ERROR), "{all:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_shift_that_cannot_be_is_refused_with_its_field_and_a_sentence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let from = now(&house).await + DAY;
    let cases = [
        (from, from - HOUR, 1, "until", "the shift would end before it begins"),
        (from, from, 1, "until", "the shift would end before it begins"),
        (from, from + DAY + HOUR, 1, "until", "nobody is at work for more than 24 hours at a stretch"),
        (from - DAY * 2, from - DAY * 2 + HOUR, 1, "until", "the shift lies in the past"),
        (from + DAY * 370, from + DAY * 370 + HOUR, 1, "from", "that is more than a year ahead"),
        (from, from + HOUR, 0, "weeks", "it takes 1 to 53 weeks"),
        (from, from + HOUR, 54, "weeks", "it takes 1 to 53 weeks"),
    ];
    for (from, until, weeks, field, sentence) in cases {
        let refused = plan(&house, &admin, from, until, weeks).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "{refused:?}");
        assert_eq!(refused.body["error"]["message"], format!("{field}: {sentence}"));
    }
    assert_eq!(house.scalar::<i64>("select count(*) from shift").await, 0);
    // One that has begun already is no shift of the past.
    assert_eq!(plan(&house, &admin, from - DAY - HOUR, from, 1).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(plan(&house, &admin, from - DAY - HOUR, from - HOUR, 1).await.status, StatusCode::CREATED);
}

#[sqlx::test(migrations = "./migrations")]
async fn shifts_that_are_sent_twice_with_their_key_are_planned_once(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let from = now(&house).await + DAY;
    let body: Value = json!({ "from": from, "until": from + HOUR, "weeks": 3 });
    let path = format!("/api/v1/responders/{}/shifts", house.near);
    let send = || house.call_with(&admin, Method::POST, &path, Some(body.clone()), &[("idempotency-key", "k")]);
    let (first, second) = (send().await, send().await);
    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED), "{second:?}");
    assert_eq!(first.body, second.body);
    assert_eq!(first.body["shifts"].as_array().unwrap().len(), 3);
}
