//! Exercises: what starts one, that every channel says what it is, and that a real press is never part of one.

use domain::id::IncidentId;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Caller, House};

async fn start(house: &House, caller: &Caller) -> Value {
    let answer = house.post(caller, "/api/v1/drills", json!({ "resident": house.resident.0 })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body
}

#[sqlx::test(migrations = "./migrations")]
async fn a_drill_says_so_in_every_channel_and_on_every_screen(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .execute(
            "update contact set webhook_url = 'https://family.example', webhook_secret = 'secret', email = 'a@b.example'",
        )
        .await;
    let supervisor = house.log_in("supervisor").await;
    let responder = house.log_in("responder").await;
    let card = start(&house, &supervisor).await;
    assert_eq!((&card["drill"], &card["class"]), (&json!(true), &json!("emergency")));
    assert_ne!(card["ring"], "none", "it rings as a real one does");
    assert!(card["script"]["zh"].as_str().unwrap().contains("演练"), "{card}");
    assert!(card["script"]["en"].as_str().unwrap().contains("DRILL"), "{card}");
    assert!(card["timeline"].to_string().contains("演练"), "who started it is written down");

    let written: Vec<(String, Value)> =
        sqlx::query_as("select channel, payload from outbox order by id").fetch_all(&house.pool).await.unwrap();
    for channel in ["centre", "responder", "terminal", "webhook"] {
        let (_, payload) = written.iter().find(|(each, _)| each == channel).unwrap_or_else(|| panic!("{channel}"));
        assert_eq!(payload["drill"], true, "{channel}: {payload}");
    }
    let told = |channel: &str| &written.iter().find(|(each, _)| each == channel).unwrap().1;
    assert!(told("centre")["briefing"].as_str().unwrap().contains("演练"), "{}", told("centre"));
    assert!(told("webhook")["text"].as_str().unwrap().contains("演练"), "{}", told("webhook"));

    let offers = house.get(&responder, "/api/v1/offers").await.body;
    assert_eq!(offers["offers"][0]["incident"]["drill"], true, "{offers}");
    let listed = house.get(&supervisor, "/api/v1/incidents").await.body;
    assert_eq!(listed["incidents"][0]["drill"], true);
    let map = house.get(&supervisor, "/api/v1/map/incidents").await.body;
    assert_eq!(map["features"][0]["properties"]["drill"], true, "{map}");
    let past = house.get(&supervisor, &format!("/api/v1/residents/{}", house.resident)).await.body;
    assert_eq!(past["incidents"][0]["drill"], true);
    let who: uuid::Uuid = house.scalar("select user_id from audit where what = 'started_drill'").await;
    assert_ne!(who, house.operator.0);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_real_press_during_a_drill_is_a_case_of_its_own_that_calls_120(pool: PgPool) {
    let house = House::open(pool).await;
    let supervisor = house.log_in("supervisor").await;
    let drill = start(&house, &supervisor).await["id"].clone();
    let real = house.press().await;
    assert_ne!(drill, json!(real.0));
    let card = house.get(&supervisor, &format!("/api/v1/incidents/{real}")).await.body;
    assert_eq!((&card["drill"], &card["presses"]), (&json!(false), &json!(1)));
    assert_eq!(card["handovers"][0]["centre"], "120");
    let told: i64 = house
        .scalar(
            "select count(*) from outbox where channel = 'centre' and what = 'help' and payload->>'drill' = 'false'",
        )
        .await;
    assert_eq!(told, 1, "120 hears that this one is real");
    // And the other way round: an exercise never becomes part of a real case.
    let again = start(&house, &supervisor).await;
    assert_eq!(again["id"], drill);
    let card = house.get(&supervisor, &format!("/api/v1/incidents/{}", IncidentId(real.0))).await.body;
    assert_eq!((&card["drill"], &card["presses"]), (&json!(false), &json!(1)));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_drill_where_nobody_wears_anything_is_refused_with_the_field(pool: PgPool) {
    let house = House::open(pool).await;
    let supervisor = house.log_in("supervisor").await;
    house.execute("update terminal_assignment set until = now() + interval '1 s'").await;
    let answer = house.post(&supervisor, "/api/v1/drills", json!({ "resident": house.resident.0 })).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "{answer:?}");
    let none: i64 = house.scalar("select count(*) from incident").await;
    assert_eq!(none, 0);
}
