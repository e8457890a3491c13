//! How good providers' work is, and what that does.

use dispatcher::store::score;
use domain::id::ProviderId;
use domain::incident::Input;
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::House;

const CARDS: &str = "/api/v1/score-cards";

/// So many cases that the near responder was asked to go to in the given month, each accepted, reached so many minutes
/// after the promise, and rated.
async fn work(house: &House, month: &str, cases: i32, late_minutes: f64, stars: i16) {
    sqlx::query(
        "with cases as (
            insert into incident (id, class, origin, subject_kind, subject_key, node_id, kinds, opened_at, presses,
                presses_answered, last_press_at, drill, closed_at, closed_by, outcome)
            select gen_random_uuid(), 'emergency', 'listed', 'resident', 'x', root_node(), '{sos}', at, 1, 1, at, false,
                at + interval '2 h', $6, 'no_injury'
            from (select ($1 || '-15 08:00:00+08')::timestamptz + n * interval '1 min' as at
                  from generate_series(1, $2) n) times
            returning id, opened_at
         ), asked as (
            insert into offer (id, incident_id, ordinal, responder_id, round, asked_at, state, accepted_at, promised_at,
                arrived_at, finished_at)
            select gen_random_uuid(), id, 0, $5, 0, opened_at, 'done', opened_at, opened_at + interval '10 min',
                opened_at + interval '10 min' + $3 * interval '1 min', opened_at + interval '1 h'
            from cases
         )
         insert into rating (incident_id, stars, given_by, user_id) select id, $4, 'resident', $6 from cases",
    )
    .bind(month)
    .bind(cases)
    .bind(late_minutes)
    .bind(stars)
    .bind(house.near.0)
    .bind(house.operator.0)
    .execute(&house.pool)
    .await
    .unwrap();
}

async fn card(house: &House, month: &str) -> Value {
    let admin = house.log_in("admin").await;
    let answer = house.get(&admin, &format!("{CARDS}?month={month}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["month"], month);
    answer.body["providers"][0].clone()
}

async fn set_floors(house: &House, floors: Value) -> StatusCode {
    let admin = house.log_in("admin").await;
    let provider: uuid::Uuid = house.scalar("select id from provider").await;
    house.call(&admin, Method::PUT, &format!("/api/v1/providers/{provider}/floors"), Some(floors)).await.status
}

async fn handicap(house: &House) -> Option<SignedDuration> {
    let provider = ProviderId(house.scalar("select id from provider").await);
    let mut conn = house.pool.acquire().await.unwrap();
    score::handicaps(&mut conn, &[provider]).await.unwrap().remove(&provider)
}

#[sqlx::test(migrations = "./migrations")]
async fn a_card_tells_of_one_month_with_what_is_not_known_exactly(pool: PgPool) {
    let house = House::open(pool).await;
    work(&house, "2026-03", 20, 4.0, 5).await;
    work(&house, "2026-04", 2, 30.0, 1).await;
    // Midnight in the district is 16:00 of the day before in UTC: still March.
    house.execute("update offer set asked_at = '2026-03-31 15:59:59+00' where id = (select id from offer where asked_at < '2026-04-01' limit 1)").await;
    let march = card(&house, "2026-03").await;
    assert_eq!(
        (&march["asked"], &march["served"], &march["stars"]),
        (&json!(20), &json!(20), &json!([0, 0, 0, 0, 20]))
    );
    assert_eq!((&march["on_time"]["value"], &march["lateness_median_s"]), (&json!(1.0), &json!(240)));
    assert!((march["acceptance"]["low"].as_f64().unwrap() - 0.8389).abs() < 1e-3, "{march}");
    let april = card(&house, "2026-04").await;
    assert_eq!((&april["on_time"]["value"], &april["lateness_median_s"]), (&json!(0.0), &json!(1800)));
    assert!(april["rating"]["value"].as_f64().unwrap() > 3.5, "two angry people do not make a bad provider: {april}");
    let may = card(&house, "2026-05").await;
    assert_eq!((&may["acceptance"], &may["rating"], &may["asked"]), (&Value::Null, &Value::Null, &json!(0)));
    let admin = house.log_in("admin").await;
    for wrong in ["2026-13", "2026-00", "26-1", "yesterday", "2026-1", "+026-01"] {
        let refused = house.get(&admin, &format!("{CARDS}?month={wrong}")).await;
        assert_eq!(refused.code(), "bad_request", "{wrong}: {refused:?}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_was_answered_is_counted_as_it_happened(pool: PgPool) {
    let house = House::open(pool).await;
    let near = house.log_in("responder").await;
    let first = house.press().await;
    let offer = |own: &Value| own["offers"][0]["id"].as_str().unwrap().to_owned();
    let own = house.get(&near, "/api/v1/offers").await.body;
    house.post(&near, &format!("/api/v1/offers/{}/decline", offer(&own)), json!({})).await;
    house.desk.apply(first, Input::Wake).await.unwrap();
    // The far one is asked next, says yes, and is there.
    let far = crate::house::Caller::Token(crate::house::TOKEN.into());
    let own = house.get(&far, "/api/v1/offers").await.body;
    for (verb, body) in [("accept", json!({ "minutes": 20 })), ("arrived", json!({}))] {
        house.post(&far, &format!("/api/v1/offers/{}/{verb}", offer(&own)), body).await;
    }
    let admin = house.log_in("admin").await;
    let card = house.get(&admin, CARDS).await.body["providers"][0].clone();
    assert_eq!((&card["asked"], &card["served"]), (&json!(2), &json!(1)), "{first}: {card}");
    assert_eq!((&card["acceptance"]["value"], &card["on_time"]["value"]), (&json!(0.5), &json!(1.0)));
    let early = card["lateness_median_s"].as_i64().unwrap();
    assert!((-1200..-1100).contains(&early), "twenty minutes before the promise: {early}");
    // Somebody else's district tells nothing of it.
    let elsewhere = house.log_in("admin elsewhere").await;
    assert_eq!(house.get(&elsewhere, CARDS).await.body["providers"], json!([]));
}

#[sqlx::test(migrations = "./migrations")]
async fn three_bad_ratings_flag_nobody_and_a_dozen_do_with_a_sentence(pool: PgPool) {
    let house = House::open(pool).await;
    let month: String = house.scalar("select to_char(now() at time zone 'Asia/Shanghai', 'YYYY-MM')").await;
    assert_eq!(set_floors(&house, json!({ "rating_min": 4.0, "on_time_min": 0.5 })).await, StatusCode::NO_CONTENT);
    work(&house, &month, 3, 0.0, 1).await;
    // Whatever day of the month it is.
    let today = "update offer set asked_at = now() - interval '1 min'";
    house.execute(today).await;
    set_floors(&house, json!({ "rating_min": 4.0, "on_time_min": 0.5 })).await;
    assert_eq!((handicap(&house).await, &card(&house, &month).await["breaches"]), (None, &json!([])));

    work(&house, &month, 9, 0.0, 1).await;
    house.execute(today).await;
    house.execute("update provider_standing set judged_at = judged_at - interval '2 h'").await;
    let mut tx = dispatcher::store::begin(&house.pool).await.unwrap();
    assert_eq!(score::stand_due(&mut tx).await.unwrap(), 1);
    assert_eq!(score::stand_due(&mut tx).await.unwrap(), 0, "for an hour");
    tx.commit().await.unwrap();
    assert_eq!(handicap(&house).await, Some(SignedDuration::from_mins(2)));
    let flagged = card(&house, &month).await;
    assert_eq!(flagged["breaches"][0]["code"], "rating");
    assert_eq!(
        flagged["breaches"][0]["message"],
        "2.6 stars from 12 ratings (95 %: 1.8 to 3.3) are under the 4.0 of the contract"
    );
    assert_eq!(flagged["standing"]["handicap_s"], json!(120.0));

    // Who asks for nothing any more flags nobody.
    assert_eq!(set_floors(&house, json!({})).await, StatusCode::NO_CONTENT);
    assert_eq!((handicap(&house).await, &card(&house, &month).await["standing"]), (None, &Value::Null));
    assert_eq!(house.scalar::<i64>("select count(*) from audit where what = 'set_floors'").await, 3);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_floor_that_cannot_be_is_refused_by_name(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let provider: uuid::Uuid = house.scalar("select id from provider").await;
    let path = format!("/api/v1/providers/{provider}/floors");
    for (field, value) in [("acceptance_min", 1.2), ("complaints_max", -0.1), ("rating_min", 0.5), ("rating_min", 6.0)]
    {
        let answer = house.call(&admin, Method::PUT, &path, Some(json!({ field: value }))).await;
        assert_eq!((answer.status, &answer.body["error"]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)));
    }
    let typo = house.call(&admin, Method::PUT, &path, Some(json!({ "rating": 4 }))).await;
    assert_eq!(typo.code(), "bad_request");
    let nobody = "/api/v1/providers/11111111-1111-1111-1111-111111111111/floors";
    assert_eq!(house.call(&admin, Method::PUT, nobody, Some(json!({}))).await.status, StatusCode::NOT_FOUND);
}
