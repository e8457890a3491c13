//! Fences as administrators draw them and operators see them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

fn circle(lon: f64, lat: f64, radius_m: f64) -> Value {
    json!({ "type": "circle", "center": [lon, lat], "radius_m": radius_m })
}

fn polygon(ring: &[[f64; 2]]) -> Value {
    json!({ "type": "polygon", "coordinates": [ring] })
}

async fn draw(house: &House, admin: &Caller, shape: Value) -> Answer {
    let path = format!("/api/v1/residents/{}/fences", house.resident);
    house.post(admin, &path, json!({ "name": "家附近", "shape": shape })).await
}

#[sqlx::test(migrations = "./migrations")]
async fn a_fence_is_drawn_seen_changed_and_deleted(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    // Not closed: closed by us.
    let made =
        draw(&house, &admin, polygon(&[[112.93, 28.22], [112.95, 28.22], [112.95, 28.24], [112.93, 28.24]])).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!((&made.body["name"], &made.body["active"]), (&json!("家附近"), &json!(true)));
    let ring = json!([[[112.93, 28.22], [112.95, 28.22], [112.95, 28.24], [112.93, 28.24], [112.93, 28.22]]]);
    assert_eq!(made.body["shape"], json!({ "type": "polygon", "coordinates": ring }));
    // Nothing has been heard yet.
    assert_eq!(made.body["state"], "doubtful");

    let list = format!("/api/v1/residents/{}/fences", house.resident);
    let operator = house.log_in("operator").await;
    assert_eq!(house.get(&operator, &list).await.body, json!({ "fences": [made.body] }));
    let incident = house.press().await;
    let card = house.get(&operator, &format!("/api/v1/incidents/{incident}")).await.body;
    let seen = &card["fences"][0];
    assert_eq!((&seen["id"], &seen["shape"]), (&made.body["id"], &made.body["shape"]));
    // The press came with a fix at home.
    assert_eq!(seen["state"], "inside");

    let path = format!("/api/v1/fences/{}", made.body["id"].as_str().unwrap());
    let change = json!({ "version": 1, "name": "院子", "active": false, "shape": circle(112.938, 28.228, 200.0) });
    let changed = house.call(&admin, Method::PUT, &path, Some(change)).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(
        (&changed.body["name"], &changed.body["active"], &changed.body["version"], &changed.body["shape"]["type"]),
        (&json!("院子"), &json!(false), &json!(2), &json!("circle"))
    );
    let card = house.get(&operator, &format!("/api/v1/incidents/{incident}")).await.body;
    assert_eq!(card["fences"], json!([]), "one that is switched off is not on the card");

    assert_eq!(house.call(&admin, Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.get(&operator, &list).await.body, json!({ "fences": [] }));
    assert_eq!(house.call(&admin, Method::DELETE, &path, None).await.code(), "not_found");
    let written: Vec<String> = sqlx::query_scalar("select what from audit where what like 'fence%' order by id")
        .fetch_all(&house.pool)
        .await
        .unwrap();
    assert_eq!(written, ["fence_made", "fence_changed", "fence_deleted"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_place_to_keep_away_from_and_a_way_to_keep_to_are_fences_too(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let path = format!("/api/v1/residents/{}/fences", house.resident);
    let way = json!({ "type": "corridor", "coordinates": [[112.938, 28.228], [112.94, 28.23]], "half_width_m": 40.0 });
    let made = draw(&house, &admin, way.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(
        (&made.body["kind"], &made.body["grace_s"], &made.body["shape"]),
        (&json!("corridor"), &json!(180), &way)
    );
    let river = json!({
        "name": "浏阳河", "kind": "forbidden", "grace_s": 60, "shape": circle(112.95, 28.228, 100.0),
    });
    let made = house.post(&admin, &path, river.clone()).await;
    assert_eq!((made.status, &made.body["kind"]), (StatusCode::CREATED, &json!("forbidden")), "{made:?}");
    // Whoever does not say it changes neither.
    let path_of = format!("/api/v1/fences/{}", made.body["id"].as_str().unwrap());
    let change = json!({ "name": "捞刀河", "version": 1, "shape": circle(112.95, 28.228, 150.0) });
    let changed = house.call(&admin, Method::PUT, &path_of, Some(change)).await;
    assert_eq!(
        (&changed.body["name"], &changed.body["kind"], &changed.body["grace_s"]),
        (&json!("捞刀河"), &json!("forbidden"), &json!(60)),
        "{changed:?}"
    );
    let narrow = json!({ "type": "corridor", "coordinates": way["coordinates"], "half_width_m": 5.0 });
    let refused = [
        (json!({ "name": "路", "kind": "safe", "shape": way }), "kind"),
        (json!({ "name": "河", "kind": "corridor", "shape": river["shape"] }), "kind"),
        (json!({ "name": "河", "grace_s": -1, "shape": river["shape"] }), "grace_s"),
        (json!({ "name": "河", "grace_s": 86_401, "shape": river["shape"] }), "grace_s"),
        (json!({ "name": "路", "shape": narrow }), "shape"),
    ];
    for (body, field) in refused {
        let answer = house.post(&admin, &path, body).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)),
            "{answer:?}"
        );
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_repeated_call_draws_one_fence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let path = format!("/api/v1/residents/{}/fences", house.resident);
    let body = json!({ "name": "家", "shape": circle(112.938, 28.228, 300.0) });
    let mut made = Vec::new();
    for _ in 0..2 {
        let key = [("idempotency-key", "once")];
        made.push(house.call_with(&admin, Method::POST, &path, Some(body.clone()), &key).await);
    }
    assert_eq!((made[0].status, made[1].status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(made[0].body, made[1].body);
    assert_eq!(house.scalar::<i64>("select count(*) from fence").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn two_people_who_change_the_same_fence_lose_nothing_in_silence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let path = format!("/api/v1/fences/{}", house.fence().await);
    let change = |name: &str| json!({ "version": 1, "name": name, "shape": circle(112.938, 28.228, 300.0) });
    assert_eq!(house.call(&admin, Method::PUT, &path, Some(change("前院"))).await.status, StatusCode::OK);
    let late = house.call(&admin, Method::PUT, &path, Some(change("后院"))).await;
    assert_eq!((late.status, late.code()), (StatusCode::CONFLICT, "edited_meanwhile"), "{late:?}");
    let current = &late.body["error"]["current"];
    assert_eq!((&current["name"], &current["version"]), (&json!("前院"), &json!(2)));
    // Nor does whoever deletes what they have not seen.
    let unseen = house.call(&admin, Method::DELETE, &format!("{path}?version=1"), None).await;
    assert_eq!((unseen.status, unseen.code()), (StatusCode::CONFLICT, "edited_meanwhile"), "{unseen:?}");
    assert_eq!(unseen.body["error"]["current"]["name"], "前院");
    let seen = house.call(&admin, Method::DELETE, &format!("{path}?version=2"), None).await;
    assert_eq!(seen.status, StatusCode::NO_CONTENT);
}

#[sqlx::test(migrations = "./migrations")]
async fn without_a_home_a_fence_is_measured_from_where_the_others_live(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    house
        .execute(
            "insert into resident (id, name, address, home, serving_node, registered_node)
        select gen_random_uuid(), '邻居', 'x', home, serving_node, registered_node from resident",
        )
        .await;
    house.execute("update resident set home = null where name = '陈秀英'").await;
    let far = draw(&house, &admin, circle(2.35, 48.85, 300.0)).await;
    assert_eq!(
        (far.status, &far.body["error"]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("shape")),
        "{far:?}"
    );
    assert_eq!(draw(&house, &admin, circle(112.938, 28.228, 300.0)).await.status, StatusCode::CREATED);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_fence_that_cannot_be_is_refused_with_its_field_and_a_sentence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let bow_tie = [[112.93, 28.22], [112.94, 28.23], [112.94, 28.22], [112.93, 28.23]];
    let cases = [
        (polygon(&bow_tie), "shape: the outline crosses or touches itself"),
        (polygon(&bow_tie[..2]), "shape: the outline has fewer than 3 distinct points"),
        (json!({ "type": "polygon", "coordinates": [] }), "shape: there is no outline"),
        (circle(112.938, 28.228, 5.0), "shape: the radius is 5 m; it must lie between 20 m and 50 km"),
        (circle(112.938, 28.228, 90_000.0), "shape: the radius is 90000 m; it must lie between 20 m and 50 km"),
        (
            circle(28.228, 112.938, 300.0),
            "shape: [28.228, 112.938] is no place: outside the range of latitudes and longitudes; longitude comes first",
        ),
        (circle(0.0, 0.0, 300.0), "shape: [0, 0] is no place: 0/0 is what a receiver says when it knows nothing"),
        (
            circle(2.35, 48.85, 300.0),
            "shape: that is 9034 km from where 陈秀英 lives; longitude and latitude may be swapped",
        ),
    ];
    for (shape, sentence) in cases {
        let answer = draw(&house, &admin, shape).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "{answer:?}");
        assert_eq!(answer.body["error"]["message"], sentence);
        assert_eq!(answer.body["error"]["field"], "shape");
    }
    for shape in [json!({ "type": "square" }), json!({ "type": "circle", "center": [112.9] }), json!(null)] {
        let answer = draw(&house, &admin, shape).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "bad_request"), "{answer:?}");
    }
    for _ in 0..20 {
        assert_eq!(draw(&house, &admin, circle(112.938, 28.228, 300.0)).await.status, StatusCode::CREATED);
    }
    let one_more = draw(&house, &admin, circle(112.938, 28.228, 300.0)).await;
    assert_eq!(
        (one_more.reason(), &one_more.body["error"]["message"]),
        ("too_many_fences", &json!("陈秀英 has 20 fences already"))
    );
}
