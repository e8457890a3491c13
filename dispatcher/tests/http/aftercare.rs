//! What follows a case that is closed.

use domain::id::IncidentId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Caller, House};

/// A press that an operator has claimed and closed.
async fn closed(house: &House, operator: &Caller, outcome: &str) -> IncidentId {
    let id = house.press().await;
    house.post(operator, &format!("/api/v1/incidents/{id}/claim"), json!({})).await;
    let stood_down = json!({ "centre": "120", "reason": "x" });
    house.post(operator, &format!("/api/v1/incidents/{id}/stand-down"), stood_down).await;
    let answer = house.post(operator, &format!("/api/v1/incidents/{id}/close"), json!({ "outcome": outcome })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    id
}

fn progress(card: &Value) -> Vec<&str> {
    card["steps"].as_array().unwrap().iter().map(|step| step["progress"].as_str().unwrap()).collect()
}

fn at(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_case_goes_through_five_steps_and_is_finished_by_a_call_and_a_rating(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let open = house.press().await;
    let card = house.get(&operator, &format!("/api/v1/incidents/{open}")).await.body;
    assert_eq!(progress(&card), ["taken", "taken", "ahead", "ahead", "ahead"]);
    assert_eq!((&card["aftercare"], &card["calls"]), (&Value::Null, &json!([])));
    for verb in ["follow-up", "rating", "excuse"] {
        let body = json!({ "reached": "resident", "stars": 5, "excuse": "deceased" });
        let early = house.post(&operator, &format!("/api/v1/incidents/{open}/{verb}"), body).await;
        assert_eq!((early.status, early.reason()), (StatusCode::CONFLICT, "not_over"), "{verb}");
    }

    let id = closed(&house, &operator, "no_injury").await;
    assert_eq!(id, open, "the same person's second press");
    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    assert_eq!(progress(&card), ["taken", "taken", "taken", "due", "due"]);
    assert_eq!(card["tasks"], json!(["follow_up", "rate"]));
    let hours = at(&card["aftercare"]["follow_up_by"]).duration_since(at(&card["closed"]["at"])).as_hours();
    assert_eq!(hours, 24);
    assert_eq!(card["aftercare"]["finished_at"], Value::Null);

    let call = json!({ "reached": "contact", "note": "儿子说恢复得不错" });
    let answer = house.post(&operator, &format!("/api/v1/incidents/{id}/follow-up"), call).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(progress(&answer.body), ["taken", "taken", "taken", "taken", "due"]);
    assert_eq!(answer.body["calls"][0]["note"], "儿子说恢复得不错");
    let rating = json!({ "stars": 2, "given_by": "contact", "complaint": "来得太晚" });
    let card = house.post(&operator, &format!("/api/v1/incidents/{id}/rating"), rating).await.body;
    assert_eq!(progress(&card), ["taken"; 5]);
    assert_eq!((&card["rating"]["given_by"], &card["rating"]["complaint"]), (&json!("contact"), &json!("来得太晚")));
    assert!(card["aftercare"]["finished_at"].is_string() && card["tasks"] == json!([]), "{card}");

    let told: Vec<&str> =
        card["timeline"].as_array().unwrap().iter().filter_map(|line| line["what"].as_str()).collect();
    assert!(told.ends_with(&["closed", "followed_up", "rated"]), "{told:?}");
    let mut conn = house.pool.acquire().await.unwrap();
    dispatcher::store::timeline::verify(&mut conn, id).await.unwrap().unwrap();
    let audited = "select count(*) from audit where what in ('followed_up', 'rated') and resident_id is not null";
    assert_eq!(house.scalar::<i64>(audited).await, 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_cannot_be_is_refused_with_a_reason_and_changes_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = closed(&house, &operator, "no_injury").await;
    let path = |verb: &str| format!("/api/v1/incidents/{id}/{verb}");
    for (at, reason) in [("2020-01-01T00:00:00Z", "before_closing"), ("2999-01-01T00:00:00Z", "in_the_future")] {
        let call = json!({ "reached": "resident", "at": at });
        let refused = house.post(&operator, &path("follow-up"), call).await;
        assert_eq!((refused.status, refused.reason()), (StatusCode::CONFLICT, reason), "{refused:?}");
    }
    for (verb, wrong) in [
        ("follow-up", json!({})),
        ("follow-up", json!({ "reached": "somebody" })),
        ("follow-up", json!({ "reached": "resident", "at": "yesterday" })),
        ("rating", json!({ "stars": 0 })),
        ("rating", json!({ "stars": 6 })),
        ("rating", json!({ "stars": 5, "given_by": "operator" })),
        ("excuse", json!({ "excuse": "drill" })),
        ("excuse", json!({})),
    ] {
        let refused = house.post(&operator, &path(verb), wrong.clone()).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, "bad_request"), "{verb} {wrong}");
    }
    let too_soon = house.post(&operator, &path("excuse"), json!({ "excuse": "unreachable" })).await;
    assert_eq!((too_soon.status, too_soon.reason()), (StatusCode::CONFLICT, "too_few_tries"));
    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    assert_eq!(card["tasks"], json!(["follow_up", "rate"]));
    let kept = "select (select count(*) from follow_up_call) + (select count(*) from rating)
        + (select count(*) from incident_entry where what in ('followed_up', 'rated', 'excused'))";
    assert_eq!(house.scalar::<i64>(kept).await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn who_never_answers_is_given_up_after_three_tries_each_of_which_is_kept(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = closed(&house, &operator, "ambulance").await;
    let path = |verb: &str| format!("/api/v1/incidents/{id}/{verb}");
    for tries in 1..=3 {
        // Each said twice with its key: the answer to the first was lost.
        for _ in 0..2 {
            let key = format!("try {tries}");
            let body = Some(json!({ "reached": "nobody" }));
            let headers = [("idempotency-key", key.as_str())];
            let answer = house.call_with(&operator, Method::POST, &path("follow-up"), body, &headers).await;
            assert_eq!(answer.body["aftercare"]["tries"], json!(tries), "{answer:?}");
            assert_eq!(answer.body["tasks"], json!(["follow_up", "rate"]), "a try is no call");
        }
    }
    let excuse = json!({ "excuse": "unreachable", "note": "三次无人接听" });
    let card = house.post(&operator, &path("excuse"), excuse.clone()).await.body;
    assert_eq!(progress(&card)[3..], ["waived", "waived"]);
    assert_eq!((&card["steps"][3]["why"], &card["tasks"]), (&json!("unreachable"), &json!([])));
    let again = house.post(&operator, &path("excuse"), excuse).await;
    assert_eq!(again.reason(), "nothing_due");
    // The son telephones a week later: what he says is not turned away.
    let late = house.post(&operator, &path("rating"), json!({ "stars": 5, "given_by": "contact" })).await;
    assert_eq!(progress(&late.body)[3..], ["waived", "taken"]);
    let second = house.post(&operator, &path("rating"), json!({ "stars": 1 })).await;
    assert_eq!((second.status, second.reason()), (StatusCode::CONFLICT, "rated_before"));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_false_press_waits_for_nobody_and_says_why(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = closed(&house, &operator, "false_press").await;
    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    assert_eq!((&card["steps"][4]["why"], &card["tasks"]), (&json!("false_press"), &json!([])));
    assert_eq!(house.get(&operator, "/api/v1/aftercare").await.body["incidents"], json!([]));
}

#[sqlx::test(migrations = "./migrations")]
async fn the_list_of_what_is_due_has_the_oldest_deadline_first_and_counts_what_is_late(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(closed(&house, &operator, "no_injury").await.0);
    }
    house.execute("update aftercare set due_by = due_by - interval '3 days' where incident_id = (select max(incident_id::text)::uuid from aftercare)").await;
    let expected = [ids[2], ids[0], ids[1]];
    let page = house.get(&operator, "/api/v1/aftercare?limit=2").await.body;
    let listed = |page: &Value| -> Vec<Value> {
        page["incidents"].as_array().unwrap().iter().map(|summary| summary["id"].clone()).collect()
    };
    assert_eq!((listed(&page), &page["overdue"]), (vec![json!(expected[0]), json!(expected[1])], &json!(1)));
    let next = house.get(&operator, &format!("/api/v1/aftercare?after={}", page["next"].as_str().unwrap())).await.body;
    assert_eq!((listed(&next), &next["next"]), (vec![json!(expected[2])], &Value::Null));
    let metrics = house.get(&operator, "/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("ydt_aftercare_due 3") && metrics.contains("ydt_aftercare_overdue 1"), "{metrics}");
    let elsewhere = house.log_in("operator elsewhere").await;
    let nothing = house.get(&elsewhere, "/api/v1/aftercare").await.body;
    assert_eq!((&nothing["incidents"], &nothing["overdue"]), (&json!([]), &json!(0)));
    let hidden = house.get(&elsewhere, &format!("/api/v1/aftercare?after={}", expected[0])).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
}
