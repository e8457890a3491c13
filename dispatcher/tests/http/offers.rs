//! What responders see and say.

use domain::incident::Input;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Caller, House, TOKEN};

fn path(offer: &Value, verb: &str) -> String {
    format!("/api/v1/offers/{}/{verb}", offer["id"].as_str().unwrap())
}

#[sqlx::test(migrations = "./migrations")]
async fn a_responder_sees_own_offers_and_answers_them(pool: PgPool) {
    let house = House::open(pool).await;
    let near = house.log_in("responder").await;
    let far = Caller::Token(TOKEN.into());
    let mut stream = house.follow(&near, "/api/v1/offers/live", &[]).await.unwrap();
    assert_eq!(stream.next().await.unwrap().data, json!({ "offers": [], "duty": true }), "sent at once");

    house.press().await;
    let told = stream.next_of("offers").await.data;
    let offer = told["offers"][0].clone();
    assert_eq!(offer["state"], "asked");
    assert_eq!(offer["responder"], house.near.to_string());
    assert_eq!(offer["incident"]["address"], "湘雅路 1 号");
    assert_eq!(offer["incident"]["person_name"], "陈秀英");
    assert_eq!(offer["incident"]["kinds"], json!(["sos"]));
    assert_eq!(offer["incident"]["place"]["source"], "gnss");
    assert_eq!(offer["incident"]["door_access"], Value::Null, "how to get in is told to who comes");
    assert_eq!(house.get(&far, "/api/v1/offers").await.body["offers"], json!([]));

    // Somebody else's offer is none.
    let answer = house.post(&far, &path(&offer, "accept"), json!({ "minutes": 3 })).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found"));
    let answer = house.post(&near, &path(&offer, "accept"), json!({ "minutes": 1441 })).await;
    assert_eq!(answer.code(), "bad_request");

    let accepted = house.post(&near, &path(&offer, "accept"), json!({ "minutes": 4 })).await;
    assert_eq!(accepted.status, StatusCode::OK, "{accepted:?}");
    let told = stream.next_of("offers").await.data["offers"][0].clone();
    assert_eq!((&told["state"], &told["minutes"]), (&json!("accepted"), &json!(4)));
    assert_eq!(told["incident"]["door_access"], "钥匙在邻居家");
    // The way is told when the responder does not say: never less than two minutes.
    house.call(&near, Method::POST, &path(&offer, "on-the-way"), None).await;
    let told = stream.next_of("offers").await.data["offers"][0].clone();
    assert_eq!((&told["state"], &told["minutes"]), (&json!("on_the_way"), &json!(2)));
    house.post(&near, &path(&offer, "arrived"), json!({})).await;
    assert_eq!(stream.next_of("offers").await.data["offers"][0]["state"], "on_scene");
    house.post(&near, &path(&offer, "done"), json!({})).await;
    assert_eq!(stream.next_of("offers").await.data["offers"], json!([]));
    let answer = house.post(&near, &path(&offer, "accept"), json!({})).await;
    assert_eq!((answer.status, answer.reason()), (StatusCode::CONFLICT, "offer_over"));
}

#[sqlx::test(migrations = "./migrations")]
async fn after_a_decline_the_next_is_asked(pool: PgPool) {
    let house = House::open(pool).await;
    let near = house.log_in("responder").await;
    let far = Caller::Token(TOKEN.into());
    let mut stream = house.follow(&far, "/api/v1/offers/live", &[]).await.unwrap();
    assert_eq!(stream.next().await.unwrap().data["offers"], json!([]));
    let pressed = house.press().await;
    let offer = house.get(&near, "/api/v1/offers").await.body["offers"][0].clone();
    house.post(&near, &path(&offer, "decline"), json!({ "reason": "busy" })).await;
    // The plan counted on whoever said no: the next look has another.
    house.desk.apply(pressed, Input::Wake).await.unwrap();
    let told = stream.next_of("offers").await.data;
    assert_eq!(told["offers"][0]["state"], "asked");
    let reason: String = house.scalar("select reason from offer where state = 'declined'").await;
    assert_eq!(reason, "busy");

    // Why each was asked or passed over stays to be read.
    let operator = house.log_in("operator").await;
    let incident = house.get(&operator, "/api/v1/incidents").await.body["incidents"][0]["id"].clone();
    let path = format!("/api/v1/incidents/{}/choices", incident.as_str().unwrap());
    let choices = house.get(&operator, &path).await.body["choices"].clone();
    let verdicts = |choice: &Value| {
        let verdict =
            |one: &Value| (one["name"].as_str().unwrap().to_owned(), one["verdict"].as_str().unwrap().to_owned());
        choice["considered"].as_array().unwrap().iter().map(verdict).collect::<Vec<_>>()
    };
    let said = |list: &[(&str, &str)]| list.iter().map(|(who, why)| ((*who).into(), (*why).into())).collect::<Vec<_>>();
    assert_eq!(verdicts(&choices[0]), said(&[("李卫", "asked"), ("张兰", "later")]), "{choices}");
    assert_eq!(verdicts(&choices[1]), said(&[("李卫", "declined"), ("张兰", "asked")]), "{choices}");
    assert!(choices[0]["considered"][0]["distance_m"].as_f64().unwrap() > 0.0, "{choices}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_responder_says_where_they_are_and_whether_on_duty(pool: PgPool) {
    let house = House::open(pool).await;
    let far = Caller::Token(TOKEN.into());
    let put = |path: &'static str, body| house.call(&far, Method::PUT, path, Some(body));
    let there = json!({ "lat": 28.3, "lon": 113.0, "accuracy_m": 12.5 });
    assert_eq!(put("/api/v1/responder/position", there).await.status, StatusCode::NO_CONTENT);
    let lat: f64 = house
        .scalar("select st_y(place::geometry) from responder_position p join responder r on r.id = p.responder_id where r.name = '张兰'")
        .await;
    assert!((lat - 28.3).abs() < 1e-9);
    for nowhere in [json!({ "lat": 0.0, "lon": 0.0 }), json!({ "lat": 91.0, "lon": 0.0 })] {
        assert_eq!(put("/api/v1/responder/position", nowhere).await.code(), "bad_field");
    }
    assert_eq!(put("/api/v1/responder/position", json!({ "lat": 28.3 })).await.code(), "bad_request");
    assert_eq!(put("/api/v1/responder/duty", json!({ "on": false })).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.get(&far, "/api/v1/offers").await.body["duty"], false);
}
