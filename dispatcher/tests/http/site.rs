//! The record of an order: what was agreed, when it began and ended, and what was written and photographed on the spot.

use domain::id::IncidentId;
use domain::incident::Input;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Caller, House};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x02\0\0\0\x02\x08\x02\0\0\0";

/// An order for meals that the near responder is asked to bring: the case, and the path of the offer.
async fn ordered(house: &House) -> (IncidentId, String) {
    house
        .execute(
            "insert into contract (provider_id, node_id, category, price_class)
             select provider_id, root_node(), 'meal', '政府购买 B' from contract",
        )
        .await;
    let operator = house.log_in("operator").await;
    let order = json!({ "kind": "service", "resident": house.resident.0, "category": "meal" });
    let made = house.post(&operator, "/api/v1/incidents", order).await.body;
    let id = IncidentId(made["id"].as_str().unwrap().parse().unwrap());
    house.desk.apply(id, Input::Wake).await.unwrap();
    let near = house.log_in("responder").await;
    let own = house.get(&near, "/api/v1/offers").await.body;
    (id, format!("/api/v1/offers/{}", own["offers"][0]["id"].as_str().unwrap()))
}

async fn photograph(house: &House, caller: &Caller, offer: &str, kind: &str, bytes: Vec<u8>) -> (StatusCode, Value) {
    let Caller::Cookie { cookie, csrf } = caller else { unreachable!() };
    let request = house.client.post(format!("{}{offer}/photo", house.base)).timeout(crate::house::SOON);
    let request = request.header("cookie", cookie).header("x-csrf-token", csrf).header("content-type", kind);
    let response = request.body(bytes).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[sqlx::test(migrations = "./migrations")]
async fn an_order_keeps_its_price_its_start_and_finish_on_the_spot_a_note_and_a_photograph(pool: PgPool) {
    let house = House::open(pool).await;
    let (id, offer) = ordered(&house).await;
    let near = house.log_in("responder").await;
    house.post(&near, &format!("{offer}/accept"), json!({ "minutes": 20 })).await;
    let early = house.post(&near, &format!("{offer}/note"), json!({ "text": "门锁着" })).await;
    assert_eq!((early.status, early.reason()), (StatusCode::CONFLICT, "not_there"));
    house.post(&near, &format!("{offer}/arrived"), json!({})).await;
    assert_eq!(
        house.post(&near, &format!("{offer}/note"), json!({ "text": "饭菜已送到" })).await.status,
        StatusCode::OK
    );
    let (status, answer) = photograph(&house, &near, &offer, "image/png", PNG.into()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    house.post(&near, &format!("{offer}/done"), json!({})).await;

    let operator = house.log_in("operator").await;
    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    let work = &card["work"][0];
    assert_eq!((&work["price_class"], &work["name"]), (&json!("政府购买 B"), &json!("李卫")));
    let at = |field: &str| work[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at("accepted_at") < at("arrived_at") && at("arrived_at") < at("finished_at"), "{work}");
    assert_eq!(at("promised_at").duration_since(at("accepted_at")).as_mins(), 19, "just under the twenty minutes");
    for there in ["arrived_m", "finished_m"] {
        let metres = work[there].as_f64().unwrap();
        assert!((50.0..100.0).contains(&metres), "as far as their position is from the home: {metres}");
    }
    assert_eq!(work["notes"][0]["text"], "饭菜已送到");
    let photo = format!("/api/v1/photos/{}", work["notes"][1]["id"].as_str().unwrap());
    let Caller::Cookie { cookie, .. } = &operator else { unreachable!() };
    let shown = house.client.get(format!("{}{photo}", house.base)).header("cookie", cookie).send().await.unwrap();
    assert_eq!(
        (&shown.headers()["content-type"], &shown.headers()["cache-control"]),
        (&"image/png".parse().unwrap(), &"no-store".parse().unwrap())
    );
    assert_eq!(shown.bytes().await.unwrap(), PNG);
    let elsewhere = house.log_in("operator elsewhere").await;
    assert_eq!(house.get(&elsewhere, &photo).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.scalar::<i64>("select count(*) from audit where what = 'saw_photo'").await, 1);
    let told =
        "select string_agg(what, ' ' order by seq) from incident_entry where what in ('site_noted', 'photographed')";
    assert_eq!(house.scalar::<String>(told).await, "site_noted photographed");
    dispatcher::store::timeline::verify(&mut house.pool.acquire().await.unwrap(), id).await.unwrap().unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_no_photograph_or_too_large_or_somebody_elses_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let (_, offer) = ordered(&house).await;
    let near = house.log_in("responder").await;
    for verb in ["accept", "arrived"] {
        house.post(&near, &format!("{offer}/{verb}"), json!({})).await;
    }
    let script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let (status, answer) = photograph(&house, &near, &offer, "image/png", script.into()).await;
    assert_eq!((status, &answer["error"]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("photo")));
    let (status, answer) = photograph(&house, &near, &offer, "text/html", PNG.into()).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("bad_request")));
    let mut large = PNG.to_vec();
    large.resize(2 * 1024 * 1024, 0);
    let (status, _) = photograph(&house, &near, &offer, "image/png", large.clone()).await;
    assert_eq!(status, StatusCode::OK, "two mebibytes are not too large");
    large.push(0);
    let (status, answer) = photograph(&house, &near, &offer, "image/png", large).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));
    let far = Caller::Token(crate::house::TOKEN.into());
    let theirs = house.post(&far, &format!("{offer}/note"), json!({ "text": "x" })).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
    for _ in 0..19 {
        house.post(&near, &format!("{offer}/note"), json!({ "text": "x" })).await;
    }
    let full = house.post(&near, &format!("{offer}/note"), json!({ "text": "x" })).await;
    assert_eq!((full.status, full.reason()), (StatusCode::CONFLICT, "too_many_notes"));
}

#[sqlx::test(migrations = "./migrations")]
async fn who_leaves_in_the_same_moment_writes_nothing_more(pool: PgPool) {
    let house = House::open(pool).await;
    let (_, offer) = ordered(&house).await;
    let near = house.log_in("responder").await;
    for verb in ["accept", "arrived"] {
        house.post(&near, &format!("{offer}/{verb}"), json!({})).await;
    }
    // A decision about the incident that is not committed yet.
    let mut tx = dispatcher::store::begin(&house.pool).await.unwrap();
    sqlx::query("select from incident for update").execute(&mut *tx).await.unwrap();
    sqlx::query("update offer set state = 'declined', reason = 'unwell'").execute(&mut *tx).await.unwrap();
    let decided = async {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let mut asking = tokio::time::interval(std::time::Duration::from_millis(20));
        while house.scalar::<i64>(waiting).await == 0 {
            asking.tick().await;
        }
        tx.commit().await.unwrap();
    };
    let decided = tokio::time::timeout(crate::house::SOON, decided);
    let path = format!("{offer}/note");
    let (written, decided) = tokio::join!(house.post(&near, &path, json!({ "text": "x" })), decided);
    decided.expect("the note waits for the decision");
    assert_eq!((written.status, written.reason()), (StatusCode::CONFLICT, "not_there"));
    assert_eq!(house.scalar::<i64>("select count(*) from site_note").await, 0);
}
