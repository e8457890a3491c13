//! Daily help by telephone, what is said of it afterwards, and what contacts were written.

use domain::id::IncidentId;
use domain::incident::{Input, Rank};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Caller, House, TOKEN};

async fn order(house: &House, caller: &Caller, more: Value) -> Value {
    let mut body = json!({ "kind": "service", "resident": house.resident.0 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = house.post(caller, "/api/v1/incidents", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let id = IncidentId(answer.body["id"].as_str().unwrap().parse().unwrap());
    house.desk.apply(id, Input::Wake).await.unwrap();
    house.get(caller, &format!("/api/v1/incidents/{id}")).await.body
}

async fn with_meals(pool: PgPool) -> House {
    let house = House::open(pool).await;
    house
        .execute(
            "insert into contract (provider_id, node_id, category) select provider_id, node_id, 'meal' from contract",
        )
        .await;
    house
}

fn path(card: &Value, verb: &str) -> String {
    format!("/api/v1/incidents/{}/{verb}", card["id"].as_str().unwrap())
}

#[sqlx::test(migrations = "./migrations")]
async fn an_order_by_telephone_is_offered_done_and_rated(pool: PgPool) {
    let house = with_meals(pool).await;
    let operator = house.log_in("operator").await;
    let near = house.log_in("responder").await;
    let card =
        order(&house, &operator, json!({ "category": "送餐", "on_behalf_of": "儿子 陈明", "note": "少盐" })).await;
    assert_eq!(
        (&card["class"], &card["headline"], &card["ring"]),
        (&json!("service"), &json!("help_asked"), &json!("none"))
    );
    assert_eq!((&card["category"], &card["category_name"]["en"]), (&json!("meal"), &json!("meal delivery")));
    assert_eq!(card["timeline"][0]["what"], "requested");
    assert_eq!(card["timeline"][0]["data"]["on_behalf_of"], "儿子 陈明");
    let early = house.post(&operator, &path(&card, "rating"), json!({ "stars": 5 })).await;
    assert_eq!((early.status, early.reason()), (StatusCode::CONFLICT, "not_over"));

    let own = house.get(&near, "/api/v1/offers").await.body["offers"][0].clone();
    assert_eq!((&own["incident"]["class"], &own["incident"]["category"]), (&json!("service"), &json!("meal")));
    assert_eq!(own["incident"]["note"], "少盐");
    let window = |offer: &Value| {
        let at = |field: &str| offer[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        at("answer_by").duration_since(at("asked_at")).as_secs()
    };
    assert_eq!(window(&own), 120);
    for (verb, body) in
        [("accept", json!({ "minutes": 20 })), ("on-the-way", json!({})), ("arrived", json!({})), ("done", json!({}))]
    {
        let answer = house.post(&near, &format!("/api/v1/offers/{}/{verb}", own["id"].as_str().unwrap()), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{verb}: {answer:?}");
    }
    let done = house.get(&operator, &path(&card, "")[..path(&card, "").len() - 1]).await.body;
    assert_eq!((&done["closed"]["outcome"], &done["closed"]["by"]["name"]), (&json!("service_done"), &json!("李卫")));
    assert_eq!(done["tasks"], json!(["follow_up", "rate"]));
    assert_eq!(window(&done["offers"][0]), 120, "also when it no longer counts");

    for wrong in [json!({ "stars": 0 }), json!({ "stars": 6 }), json!({ "stars": "5" })] {
        let answer = house.post(&operator, &path(&card, "rating"), wrong).await;
        assert_eq!(answer.code(), "bad_request", "{answer:?}");
    }
    let rating = json!({ "stars": 4, "comment": "热乎" });
    for _ in 0..2 {
        let rated = house
            .call_with(
                &operator,
                reqwest::Method::POST,
                &path(&card, "rating"),
                Some(rating.clone()),
                &[("idempotency-key", "r1")],
            )
            .await;
        assert_eq!(rated.status, StatusCode::OK, "{rated:?}");
        assert_eq!((&rated.body["rating"]["stars"], &rated.body["tasks"]), (&json!(4), &json!(["follow_up"])));
    }
    let again = house.post(&operator, &path(&card, "rating"), json!({ "stars": 1 })).await;
    assert_eq!((again.status, again.reason()), (StatusCode::CONFLICT, "rated_before"));
    assert_eq!(house.scalar::<i64>("select count(*) from incident_entry where what = 'rated'").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_category_that_nobody_knows_is_chosen_by_the_owner(pool: PgPool) {
    let house = with_meals(pool).await;
    let operator = house.log_in("operator").await;
    let card = order(&house, &operator, json!({ "category": "饺子" })).await;
    assert_eq!((&card["category"], &card["category_name"]), (&json!("饺子"), &Value::Null), "kept as it was said");
    assert_eq!(card["tasks"], json!(["category_unknown"]));
    assert_ne!(card["ring"], "none");
    let listed = house.get(&operator, "/api/v1/categories").await.body;
    assert_eq!(listed["categories"].as_array().unwrap().len(), 10);
    let unclaimed = house.post(&operator, &path(&card, "category"), json!({ "category": "meal" })).await;
    assert_eq!(unclaimed.reason(), "not_claimed");
    house.post(&operator, &path(&card, "claim"), json!({})).await;
    let nonsense = house.post(&operator, &path(&card, "category"), json!({ "category": "emergency" })).await;
    assert_eq!((nonsense.status, nonsense.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"));
    let chosen = house.post(&operator, &path(&card, "category"), json!({ "category": "meal" })).await.body;
    assert_eq!((&chosen["tasks"], &chosen["offers"][0]["state"]), (&json!([]), &json!("asked")));
    let centre = house.post(&operator, &path(&card, "hand-over"), json!({ "centre": "120" })).await;
    assert_eq!(centre.reason(), "no_emergency");
    let press = house.press().await;
    house.post(&operator, &format!("/api/v1/incidents/{press}/claim"), json!({})).await;
    let no_order =
        house.post(&operator, &format!("/api/v1/incidents/{press}/category"), json!({ "category": "meal" })).await;
    assert_eq!(no_order.reason(), "no_order");
}

#[sqlx::test(migrations = "./migrations")]
async fn daily_help_needs_a_resident_and_a_call_of_another_kind_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    for wrong in [
        json!({ "kind": "service", "category": "meal" }),
        json!({ "kind": "visit", "note": "x" }),
        json!({ "kind": "telephone" }),
        json!({ "note": "x" }),
    ] {
        let answer = house.post(&operator, "/api/v1/incidents", wrong.clone()).await;
        assert_eq!(answer.code(), "bad_request", "{wrong}: {answer:?}");
    }
    let nobody = json!({ "kind": "service", "resident": "11111111-1111-1111-1111-111111111111" });
    assert_eq!(house.post(&operator, "/api/v1/incidents", nobody).await.code(), "not_found");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_card_shows_what_contacts_were_written(pool: PgPool) {
    use dispatcher::store::contacts::{Ways, set_ways};
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let webhook = Some(("http://127.0.0.1:1/hook", "secret of the family"));
    let ways = Ways { webhook, ..Ways::default() };
    set_ways(&mut house.pool.acquire().await.unwrap(), house.resident, Rank(1), &ways).await.unwrap();
    let id = house.press().await;
    house.execute("insert into delivery (outbox_id, state, answer) select id, 'queued', '503 later' from outbox where channel = 'webhook'").await;
    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    let message = &card["messages"][0];
    assert_eq!(
        (&message["to"], &message["relation"], &message["by"]),
        (&json!("陈明"), &json!("儿子"), &json!("webhook"))
    );
    assert_eq!((&message["what"], &message["state"]), (&json!("alert"), &json!("queued")));
    assert_eq!(
        (&message["answers"][0]["taken"], &message["answers"][0]["answer"]),
        (&json!(false), &json!("503 later"))
    );
    assert!(!card.to_string().contains("secret of the family"));
    assert_eq!(house.get(&Caller::Token(TOKEN.into()), "/api/v1/categories").await.code(), "not_logged_in");
}
