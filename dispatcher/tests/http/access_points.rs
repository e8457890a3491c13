//! The wireless networks of a home, as administrators write them down.

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::PgPool;

use crate::house::House;

#[sqlx::test(migrations = "./migrations")]
async fn the_access_points_of_a_home_are_those_that_were_written_down_last(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .execute(
            "insert into home_access_point (resident_id, mac, sightings, seen_at)
             select id, 'a4:2b:00:01:fe:0' || n, n, now() from resident, generate_series(1, 3) n",
        )
        .await;
    let path = format!("/api/v1/residents/{}/access-points", house.resident);
    let operator = house.log_in("operator").await;
    let points = async || {
        let told = house.get(&operator, &path).await.body;
        let points = told["access_points"].as_array().unwrap().clone();
        points.iter().map(|point| (point["mac"].clone(), point["entered"].clone(), point["counts"].clone())).collect()
    };
    let learnt: Vec<_> = points().await;
    assert_eq!((learnt.len(), &learnt[0].2, &learnt[2].2), (3, &json!(false), &json!(true)), "{learnt:?}");

    let admin = house.log_in("admin").await;
    let enter = async |macs| {
        let body = json!({ "access_points": macs });
        house.call(&admin, Method::PUT, &path, Some(body)).await
    };
    let entered = enter(json!(["A4-2B-00-01-FE-01", "a42b.0001.feff"])).await;
    assert_eq!(entered.status, StatusCode::OK, "{entered:?}");
    let told: Vec<_> = points().await;
    let wanted = |mac: &str| (json!(mac), json!(true), json!(true));
    assert_eq!(told, [wanted("a4:2b:00:01:fe:01"), wanted("a4:2b:00:01:fe:ff")]);
    for bad in [json!(["a4:2b"]), json!(vec!["a4:2b:00:01:fe:01"; 21])] {
        let answer = enter(bad).await;
        let told = (answer.status, &answer.body["error"]["field"]);
        assert_eq!(told, (StatusCode::UNPROCESSABLE_ENTITY, &json!("access_points")), "{answer:?}");
    }
    let audited = "select count(*) from audit where what = 'home_access_points_entered'";
    assert_eq!(house.scalar::<i64>(audited).await, 1);
}
