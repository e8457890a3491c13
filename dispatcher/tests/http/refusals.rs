//! Who is not to come to a resident again.

use domain::incident::Input;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::PgPool;

use crate::house::House;

#[sqlx::test(migrations = "./migrations")]
async fn a_refusal_is_written_down_with_its_reason_and_taken_back(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let path = format!("/api/v1/residents/{}/refusals", house.resident);
    assert_eq!(house.get(&operator, &path).await.body, json!({ "refusals": [], "visitors": [] }));

    // Who went there is told of, so that nobody has to know their id.
    let incident = house.press().await;
    let offer = domain::id::OfferId(house.scalar("select id from offer").await);
    house.desk.apply(incident, Input::Accept { offer, minutes: 5 }).await.unwrap();
    let seen = house.get(&operator, &path).await.body;
    assert_eq!((&seen["visitors"][0]["name"], &seen["visitors"][0]["provider"]), (&json!("李卫"), &json!("康乐家政")));

    let said = json!({ "responder": house.near.0, "why": " 说话太大声 " });
    let recorded = house.post(&operator, &path, said).await;
    assert_eq!(recorded.status, StatusCode::CREATED, "{recorded:?}");
    let refusal = &recorded.body["refusals"][0];
    assert_eq!(
        (&refusal["name"], &refusal["why"], &refusal["by"]),
        (&json!("李卫"), &json!("说话太大声"), &json!("operator"))
    );
    // Once more is another reason, not another refusal.
    let again = house.post(&operator, &path, json!({ "responder": house.near.0, "why": "迟到" })).await;
    assert_eq!(again.body["refusals"].as_array().unwrap().len(), 1);
    let read = house.get(&house.log_in("grid officer").await, &path).await.body;
    assert_eq!((&read, &read["refusals"][0]["why"]), (&again.body, &json!("迟到")));

    let one = format!("{path}/{}", house.near);
    assert_eq!(house.call(&operator, Method::DELETE, &one, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.call(&operator, Method::DELETE, &one, None).await.code(), "not_found");
    assert_eq!(house.get(&operator, &path).await.body["refusals"], json!([]));
    let written: Vec<String> =
        sqlx::query_scalar("select what from audit where what like 'refusal%' and resident_id = $1 order by id")
            .bind(house.resident.0)
            .fetch_all(&house.pool)
            .await
            .unwrap();
    assert_eq!(written, ["refusal_recorded", "refusal_recorded", "refusal_taken_back"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_refusal_of_nobody_or_without_a_reason_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let path = format!("/api/v1/residents/{}/refusals", house.resident);
    let nobody = house.post(&operator, &path, json!({ "responder": uuid::Uuid::nil(), "why": "x" })).await;
    assert_eq!(nobody.body["error"]["message"], "responder: that is nobody who would come to them", "{nobody:?}");
    let silent = house.post(&operator, &path, json!({ "responder": house.near.0, "why": " " })).await;
    assert_eq!(silent.code(), "bad_request");
    // Somebody who has no contract there, and was never asked to go there.
    house.execute("update contract set node_id = (select id from org_node where name = '江湾社区')").await;
    let stranger = house.post(&operator, &path, json!({ "responder": house.far.0, "why": "x" })).await;
    assert_eq!(stranger.code(), "bad_field", "{stranger:?}");
    assert_eq!(house.scalar::<i64>("select count(*) from refusal").await, 0);
}
