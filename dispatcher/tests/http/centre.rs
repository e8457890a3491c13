//! What centres report back, and who may.

use domain::id::{HandoverId, IncidentId};
use domain::incident::{Authority, Centre, Input};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use wire::{cap, signature};

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

/// What 120 was asked, as it reads it.
async fn asked(house: &House) -> wire::centre::Message {
    let payload: Value = house.scalar("select payload from outbox where channel = 'centre' and what = 'help'").await;
    serde_json::from_value(payload).unwrap()
}

async fn report_in_cap(house: &House, handover: &str, xml: String, content_type: &str) -> (StatusCode, String) {
    let header = signature::sign(SECRET_120.as_bytes(), dispatcher::clock::now(), xml.as_bytes());
    let request = house.client.post(format!("{}/api/v1/handovers/{handover}/status", house.base)).body(xml);
    let answer = request.header(signature::HEADER, header).header("content-type", content_type).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[sqlx::test(migrations = "./migrations")]
async fn a_centre_may_answer_in_cap_and_what_is_none_changes_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    let (_, handover) = handover(&house).await;
    let message = asked(&house).await;
    let now = dispatcher::clock::now();
    let ack = cap::answer(&message, "120@centre.example", now, "CS-42", None);
    let before: i64 = house.scalar("select count(*) from incident_entry").await;

    let other = message.handover.to_string();
    for (wrong, said) in [
        ("<alert>".to_owned(), "no CAP 1.2 message"),
        (r#"{ "status": "acknowledged" }"#.to_owned(), "no CAP 1.2 message"),
        (ack.replace(&other, "11111111-1111-1111-1111-111111111111"), "another hand-over"),
        (ack.replace(">Ack<", ">Update<"), "Update"),
        (ack.replace("<alert ", "<!DOCTYPE a [<!ENTITY b \"c\">]><alert "), "document type"),
        (ack.replace("CS-42", "&file;"), "no CAP 1.2 message"),
    ] {
        let (status, text) = report_in_cap(&house, &handover, wrong, cap::CONTENT_TYPE).await;
        assert!(status == StatusCode::BAD_REQUEST && text.contains(said), "{said}: {status} {text}");
    }
    let long = ack.replace("CS-42", &"x".repeat(cap::MESSAGE_MAX_BYTES));
    let (status, _) = report_in_cap(&house, &handover, long, cap::CONTENT_TYPE).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    // CAP under another name is bad JSON.
    let (status, _) = report_in_cap(&house, &handover, ack.clone(), "application/json").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(house.scalar::<String>("select state from handover").await, "prepared");
    assert_eq!(house.scalar::<i64>("select count(*) from incident_entry").await, before);

    let (status, text) = report_in_cap(&house, &handover, ack, "Application/CAP+xml; charset=utf-8").await;
    assert_eq!((status, text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(house.scalar::<String>("select state || reference from handover").await, "acknowledgedCS-42");
    // What was taken may be given back, and the reason is kept.
    let error = cap::answer(&message, "120@centre.example", now, "CS-42", Some("车坏了 & stuck"));
    assert_eq!(report_in_cap(&house, &handover, error, cap::CONTENT_TYPE).await.0, StatusCode::NO_CONTENT);
    assert_eq!(house.scalar::<String>("select state || ': ' || reason from handover").await, "refused: 车坏了 & stuck");
}

#[sqlx::test(migrations = "./migrations")]
async fn what_a_centre_is_told_can_be_had_as_a_file_in_cap_and_it_is_written_down_by_whom(pool: PgPool) {
    let house = House::open(pool).await;
    let (id, handover) = handover(&house).await;
    let operator = house.log_in("operator").await;
    let path = format!("/api/v1/handovers/{handover}/cap");
    let answer = house.get(&operator, &path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/cap+xml; charset=utf-8");
    assert_eq!(answer.headers["content-disposition"], format!("attachment; filename=\"120-{handover}.xml\"").as_str());
    let xml = answer.body.as_str().unwrap();
    assert!(xml.contains("<msgType>Alert</msgType>") && xml.contains("高血压"), "{xml}");
    assert_eq!(cap::read(xml.as_bytes()).unwrap().handover.to_string(), handover);
    assert_eq!(house.scalar::<i64>("select count(*) from audit where what = 'opened_card'").await, 1);

    let by = house.operator;
    house.desk.apply(id, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    let centre = Centre::Ambulance;
    house.desk.apply(id, Input::StandDown { by, centre, reason: "平安".into() }).await.unwrap();
    let xml = house.get(&operator, &path).await.body;
    assert!(xml.as_str().unwrap().contains("<msgType>Cancel</msgType>"), "{xml}");

    let nowhere = format!("/api/v1/handovers/{id}/cap");
    assert_eq!(house.get(&operator, &nowhere).await.status, StatusCode::NOT_FOUND);
    let elsewhere = house.log_in("operator elsewhere").await;
    assert_eq!(house.get(&elsewhere, &path).await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "./migrations")]
async fn each_centre_that_has_to_be_telephoned_has_a_script_of_its_own(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let (id, _) = handover(&house).await;
    let path = format!("/api/v1/incidents/{id}");
    let card = house.get(&operator, &path).await.body;
    assert_eq!((card["scripts"].as_array().unwrap().len(), &card["script"]["centre"]), (1, &json!("120")));

    let by = house.operator;
    let mut incident = house.desk.apply(id, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    for centre in [Centre::Fire, Centre::Police] {
        incident = house.desk.apply(id, Input::HandOver { by, centre }).await.unwrap();
    }
    let called: Vec<HandoverId> = incident.handovers.iter().map(|handover| handover.id).collect();
    for handover in called {
        house.desk.apply(id, Input::CentreUnreachable { handover }).await.unwrap();
    }
    let card = house.get(&operator, &path).await.body;
    let scripts = card["scripts"].as_array().unwrap();
    let wanted = [
        ("120", "请求急救", "an ambulance"),
        ("119", "请求消防救援", "the fire brigade"),
        ("110", "请求警察协助", "the police"),
    ];
    assert_eq!(scripts.len(), wanted.len());
    for (script, (centre, zh, en)) in scripts.iter().zip(wanted) {
        assert_eq!(script["centre"], centre);
        assert!(script["zh"].as_str().unwrap().contains(zh) && script["en"].as_str().unwrap().contains(en), "{script}");
        assert!(script["zh"].as_str().unwrap().contains("高血压"), "{script}");
        let task = format!("call_{centre}_by_voice");
        assert!(card["tasks"].as_array().unwrap().contains(&json!(task)), "{task}");
    }
}
