//! Calls that are repeated with their key, and lists that are longer than a page.

use domain::id::IncidentId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

async fn keyed(house: &House, caller: &Caller, path: &str, body: Value, key: &str) -> Answer {
    house.call_with(caller, Method::POST, path, Some(body), &[("idempotency-key", key)]).await
}

fn path(id: IncidentId, verb: &str) -> String {
    format!("/api/v1/incidents/{id}/{verb}")
}

#[sqlx::test(migrations = "./migrations")]
async fn a_key_that_comes_back_with_another_call_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    let first = keyed(&house, &operator, &path(id, "note"), json!({ "text": "甲" }), "k").await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    for (path, body) in [
        (path(id, "note"), json!({ "text": "乙" })),
        ("/api/v1/incidents".to_owned(), json!({ "kind": "telephone", "note": "甲" })),
    ] {
        let other = keyed(&house, &operator, &path, body, "k").await;
        assert_eq!((other.status, other.code()), (StatusCode::UNPROCESSABLE_ENTITY, "key_used"), "{other:?}");
    }
    assert_eq!(house.scalar::<i64>("select count(*) from incident_entry where what = 'noted'").await, 1);
    // Somebody else's key is another key.
    let second = house.log_in("operator2").await;
    assert_eq!(keyed(&house, &second, &path(id, "note"), json!({ "text": "乙" }), "k").await.status, StatusCode::OK);
    for wrong in ["", &"k".repeat(201)] {
        let answer = keyed(&house, &operator, &path(id, "note"), json!({ "text": "丙" }), wrong).await;
        assert_eq!(answer.code(), "bad_request");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn of_the_same_call_made_many_times_at_once_one_is_carried_out(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    let note = path(id, "note");
    let calls = (0..8).map(|_| keyed(&house, &operator, &note, json!({ "text": "家属在路上" }), "k"));
    for answer in futures_util::future::join_all(calls).await {
        let is_told = answer.status == StatusCode::OK || answer.code() == "under_way";
        assert!(is_told, "{answer:?}");
    }
    assert_eq!(house.scalar::<i64>("select count(*) from incident_entry where what = 'noted'").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_refused_call_gives_its_key_back(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    let call = || async { keyed(&house, &operator, &path(id, "hand-over"), json!({ "centre": "110" }), "k").await };
    assert_eq!(call().await.reason(), "not_claimed");
    house.post(&operator, &path(id, "claim"), json!({})).await;
    assert_eq!(call().await.status, StatusCode::OK);
    assert_eq!(call().await.status, StatusCode::OK);
    assert_eq!(house.scalar::<i64>("select count(*) from handover where centre = '110'").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_call_that_died_on_the_way_may_be_made_again_after_a_while(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    let call = || async { keyed(&house, &operator, &path(id, "note"), json!({ "text": "甲" }), "k").await };
    assert_eq!(call().await.status, StatusCode::OK);
    // As a process leaves it that was killed between the two.
    house.execute("update idempotency set made = null").await;
    let meanwhile = call().await;
    assert_eq!((meanwhile.status, meanwhile.code()), (StatusCode::CONFLICT, "under_way"));
    house.execute("update idempotency set at = now() - interval '31 seconds'").await;
    assert_eq!(call().await.status, StatusCode::OK);
}

/// Reads a list page by page: the ids on each page.
async fn pages(house: &House, caller: &Caller, list: &str, things: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut address = list.to_owned();
    loop {
        let answer = house.get(caller, &address).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}: {answer:?}");
        let page = answer.body[things].as_array().unwrap();
        pages.push(page.iter().map(|thing| thing["id"].as_str().unwrap().to_owned()).collect());
        let Some(next) = answer.body["next"].as_str() else { return pages };
        address = format!("{list}&after={next}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn closed_incidents_come_a_page_at_a_time_newest_first(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let mut closed = Vec::new();
    for _ in 0..5 {
        // Of somebody whom nobody knows: no centre is told of it.
        let call = json!({ "kind": "telephone", "note": "有人摔倒" });
        let opened = house.post(&operator, "/api/v1/incidents", call).await.body;
        let id = IncidentId(opened["id"].as_str().unwrap().parse().unwrap());
        house.post(&operator, &path(id, "claim"), json!({})).await;
        let answer = house.post(&operator, &path(id, "close"), json!({ "outcome": "test" })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        closed.push(id.to_string());
    }
    closed.reverse();
    // Two that ended in the same instant are told apart.
    house.execute("update incident set closed_at = (select max(closed_at) from incident)").await;
    let together = pages(&house, &operator, "/api/v1/incidents?state=closed&limit=2", "incidents").await;
    assert_eq!(together.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let mut all = together.concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
    house.execute("update incident set closed_at = opened_at").await;
    let listed = pages(&house, &operator, "/api/v1/incidents?state=closed&limit=4", "incidents").await;
    assert_eq!(listed.concat(), closed);
    let whole = house.get(&operator, "/api/v1/incidents?state=closed").await.body;
    assert!(whole["next"].is_null() && whole["incidents"].as_array().unwrap().len() == 5);
    // From nowhere, and too many.
    let nowhere = "/api/v1/incidents?state=closed&after=11111111-1111-1111-1111-111111111111";
    assert_eq!(house.get(&operator, nowhere).await.code(), "not_found");
    for limit in ["0", "501", "-1", "x"] {
        let answer = house.get(&operator, &format!("/api/v1/incidents?state=closed&limit={limit}")).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "bad_request"), "{limit}");
    }
    // What somebody may not see is no place to begin at either.
    let outsider = house.log_in("operator elsewhere").await;
    let from_theirs = format!("/api/v1/incidents?state=closed&after={}", closed[0]);
    assert_eq!(house.get(&outsider, &from_theirs).await.code(), "not_found");
}

#[sqlx::test(migrations = "./migrations")]
async fn residents_come_a_page_at_a_time_those_whose_name_begins_so_first(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    house
        .execute(
            "insert into resident (id, name, address, serving_node, registered_node)
             select gen_random_uuid(), case when n % 2 = 0 then '湘' || n else '周' || n end, '湘雅路', serving_node, registered_node
             from resident, generate_series(1, 6) n",
        )
        .await;
    let found = pages(&house, &operator, "/api/v1/residents?q=湘&limit=2", "residents").await;
    let whole = house.get(&operator, "/api/v1/residents?q=湘&limit=200").await.body;
    let whole: Vec<&str> = whole["residents"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert!(found.len() > 2 && found.iter().all(|page| page.len() <= 2), "{found:?}");
    assert_eq!(found.concat(), whole);
    let first = house.get(&operator, "/api/v1/residents?q=湘&limit=3").await.body;
    let names: Vec<&str> =
        first["residents"].as_array().unwrap().iter().map(|resident| resident["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["湘2", "湘4", "湘6"]);
    let everybody = pages(&house, &operator, "/api/v1/residents?limit=3", "residents").await.concat();
    assert_eq!(i64::try_from(everybody.len()).unwrap(), house.scalar::<i64>("select count(*) from resident").await);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_timeline_is_read_from_its_end(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    for n in 0..5 {
        house.post(&operator, &path(id, "note"), json!({ "text": n.to_string() })).await;
    }
    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    let mut entries: Vec<Value> = Vec::new();
    let mut address = format!("{}?limit=3", path(id, "timeline"));
    loop {
        let page = house.get(&operator, &address).await.body;
        let mut older = page["entries"].as_array().unwrap().clone();
        assert!(!older.is_empty() && older.len() <= 3);
        older.append(&mut entries);
        entries = older;
        let Some(next) = page["next"].as_i64() else { break };
        address = format!("{}?limit=3&before={next}", path(id, "timeline"));
    }
    assert_eq!(json!(entries), card["timeline"]);
}
