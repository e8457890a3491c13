//! What providers' people can do, as overseers read it and administrators change it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

async fn people(house: &House, caller: &Caller) -> Value {
    let provider: uuid::Uuid = house.scalar("select id from provider").await;
    let answer = house.get(caller, &format!("/api/v1/providers/{provider}/responders")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["responders"].clone()
}

async fn change(house: &House, caller: &Caller, body: Value) -> Answer {
    house.call(caller, Method::PUT, &format!("/api/v1/responders/{}", house.near), Some(body)).await
}

#[sqlx::test(migrations = "./migrations")]
async fn what_somebody_can_do_is_read_and_changed_and_that_is_written_down(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .execute("insert into contract (provider_id, node_id, category) select id, root_node(), 'meal' from provider")
        .await;
    let admin = house.log_in("admin").await;
    let seen = people(&house, &admin).await;
    let near = seen.as_array().unwrap().iter().find(|person| person["id"] == json!(house.near.0)).unwrap();
    assert_eq!((&near["name"], &near["skills"], &near["mode"]), (&json!("李卫"), &Value::Null, &json!("ebike")));
    assert_eq!((&near["at_work"], &near["editable"], &near["version"]), (&json!(true), &json!(true), &json!(1)));
    let wanted = json!({
        "version": 1, "skills": ["meal", "emergency", "meal"], "mode": "car", "sex": "male",
        "languages": ["长沙话", " 长沙话 ", "英语"],
    });
    let changed = change(&house, &admin, wanted.clone()).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let changed = changed.body;
    assert_eq!((&changed["skills"], &changed["mode"]), (&json!(["meal", "emergency"]), &json!("car")));
    assert_eq!((&changed["sex"], &changed["languages"]), (&json!("male"), &json!(["长沙话", "英语"])));
    // Going off duty is no edit.
    house.execute("update responder set on_duty = false").await;
    let seen = people(&house, &house.log_in("supervisor").await).await;
    let near = seen.as_array().unwrap().iter().find(|person| person["id"] == json!(house.near.0)).unwrap();
    assert_eq!((&near["version"], &near["at_work"], &near["editable"]), (&json!(2), &json!(false), &json!(false)));

    let late = change(&house, &admin, wanted).await;
    assert_eq!((late.status, late.code()), (StatusCode::CONFLICT, "edited_meanwhile"), "{late:?}");
    assert_eq!(late.body["error"]["current"]["mode"], "car");
    let elsewhere = house.log_in("admin elsewhere").await;
    let other = change(
        &house,
        &elsewhere,
        json!({ "version": 2, "skills": null, "mode": "walk", "sex": null, "languages": [] }),
    );
    assert_eq!(other.await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.scalar::<i64>("select count(*) from audit where what = 'responder_changed'").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_nobody_can_be_is_refused_with_a_sentence(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .execute(
            "insert into contract (provider_id, node_id, category, since, until)
             select id, root_node(), 'repair', '2020-01-01', '2020-12-31' from provider",
        )
        .await;
    let admin = house.log_in("admin").await;
    let same = json!({ "version": 1, "skills": null, "mode": "ebike", "sex": null, "languages": [] });
    for (field, value, sentence) in [
        ("skills", json!(["emergency", "meal"]), "康乐家政 has no contract for “meal”"),
        ("skills", json!(["repair"]), "康乐家政 has no contract for “repair”"),
        ("skills", json!([]), "there are none, so that nobody could be asked; say nothing for all"),
        ("languages", json!((0..21).map(|n| n.to_string()).collect::<Vec<_>>()), "21 are too many: at most 20"),
    ] {
        let mut wanted = same.clone();
        wanted[field] = value;
        let refused = change(&house, &admin, wanted).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "{refused:?}");
        assert_eq!(refused.body["error"]["message"], format!("{field}: {sentence}"));
    }
    for (field, value) in [("mode", json!("helicopter")), ("sex", json!("x")), ("languages", json!([" "]))] {
        let mut wanted = same.clone();
        wanted[field] = value;
        assert_eq!(change(&house, &admin, wanted).await.code(), "bad_request", "{field}");
    }
    for field in ["version", "skills", "mode", "sex", "languages"] {
        let mut wanted = same.clone();
        wanted.as_object_mut().unwrap().remove(field);
        assert_eq!(change(&house, &admin, wanted).await.code(), "bad_request", "{field}");
    }
    assert_eq!(change(&house, &admin, same).await.status, StatusCode::OK);
}
