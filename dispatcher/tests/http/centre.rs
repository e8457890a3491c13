//! What centres report back, and who may.

use domain::id::IncidentId;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use wire::signature;

use crate::house::{House, SECRET_119, SECRET_120};

/// The resident's hand-over to 120.
async fn handover(house: &House) -> (IncidentId, String) {
    let id = house.press().await;
    let handover: uuid::Uuid = house.scalar("select id from handover where centre = '120'").await;
    (id, handover.to_string())
}

pub(crate) async fn report(house: &House, handover: &str, body: &Value, secret: &str) -> reqwest::Response {
    let body = body.to_string();
    let header = signature::sign(secret.as_bytes(), dispatcher::clock::now(), body.as_bytes());
    send(house, handover, body, Some(header)).await
}

async fn send(house: &House, handover: &str, body: String, header: Option<String>) -> reqwest::Response {
    let mut request = house.client.post(format!("{}/api/v1/handovers/{handover}/status", house.base)).body(body);
    if let Some(header) = header {
        request = request.header(signature::HEADER, header);
    }
    request.send().await.unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_centre_reports_its_progress(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let (id, handover) = handover(&house).await;
    for (body, state) in [
        (json!({ "status": "acknowledged", "reference": "CS-42" }), "acknowledged"),
        (json!({ "status": "dispatched", "minutes": 7 }), "dispatched"),
        // Said twice, and out of order: what is known is further along.
        (json!({ "status": "dispatched", "minutes": 7 }), "dispatched"),
        (json!({ "status": "acknowledged" }), "dispatched"),
        (json!({ "status": "arrived" }), "arrived"),
        (json!({ "status": "closed" }), "closed"),
    ] {
        assert_eq!(report(&house, &handover, &body, SECRET_120).await.status(), StatusCode::NO_CONTENT, "{body}");
        let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
        assert_eq!(card["handovers"][0]["state"], state, "{body}");
        assert_eq!(card["handovers"][0]["reference"], "CS-42");
        if state == "dispatched" {
            assert_eq!(card["handovers"][0]["minutes"], 7);
        }
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn only_the_centre_itself_may_report(pool: PgPool) {
    let house = House::open(pool).await;
    let (_, handover) = handover(&house).await;
    let body = json!({ "status": "refused", "reason": "no vehicle" });
    let text = body.to_string();

    let sign = |secret: &str, body: &str| signature::sign(secret.as_bytes(), dispatcher::clock::now(), body.as_bytes());
    let stale = dispatcher::clock::now() - jiff::SignedDuration::from_mins(6);
    for (header, why) in [
        (None, "unsigned"),
        (Some("t=1,v1=00".to_owned()), "malformed"),
        (Some(sign("another secret", &text)), "another secret"),
        (Some(sign(SECRET_120, "another body")), "another body"),
        (Some(signature::sign(SECRET_120.as_bytes(), stale, text.as_bytes())), "signed too long ago"),
    ] {
        let response = send(&house, &handover, text.clone(), header).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{why}");
    }
    // 119 knows nothing of 120's cases.
    assert_eq!(report(&house, &handover, &body, SECRET_119).await.status(), StatusCode::NOT_FOUND);
    let nothing = "11111111-1111-1111-1111-111111111111";
    assert_eq!(report(&house, nothing, &body, SECRET_120).await.status(), StatusCode::NOT_FOUND);
    // Nor does a login help.
    let operator = house.log_in("operator").await;
    let answer = house.post(&operator, &format!("/api/v1/handovers/{handover}/status"), body.clone()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let state: String = house.scalar("select state from handover").await;
    assert_eq!(state, "prepared", "nothing of it had an effect");

    for wrong in [json!({ "status": "bored" }), json!({}), json!({ "status": "closed", "reference": "x".repeat(101) })]
    {
        assert_eq!(report(&house, &handover, &wrong, SECRET_120).await.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(report(&house, &handover, &body, SECRET_120).await.status(), StatusCode::NO_CONTENT);
    let (state, reason): (String, String) =
        sqlx::query_as("select state, reason from handover").fetch_one(&house.pool).await.unwrap();
    assert_eq!((state.as_str(), reason.as_str()), ("refused", "no vehicle"));
}
