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
        (
            polygon(&bow_tie),
            "shape: the outline crosses or touches itself in 1 places",
            ("drawing_crosses", json!([0]), None),
        ),
        (
            polygon(&bow_tie[..2]),
            "shape: the outline has too few distinct points: an outline needs 3, a way 2",
            ("drawing_too_few_points", json!([0]), None),
        ),
        (
            json!({ "type": "polygon", "coordinates": [] }),
            "shape: nothing is drawn",
            ("drawing_nothing", json!([]), None),
        ),
        (
            circle(112.938, 28.228, 5.0),
            "shape: the radius is 5 m; it must lie between 20 m and 50 km",
            ("drawing_radius", json!([]), Some(5.0)),
        ),
        (
            circle(112.938, 28.228, 90_000.0),
            "shape: the radius is 90000 m; it must lie between 20 m and 50 km",
            ("drawing_radius", json!([]), Some(90_000.0)),
        ),
        (
            circle(28.228, 112.938, 300.0),
            "shape: [28.228, 112.938] is no place: outside the range of latitudes and longitudes; longitude comes first",
            ("drawing_no_place", json!([]), None),
        ),
        (
            circle(0.0, 0.0, 300.0),
            "shape: [0, 0] is no place: 0/0 is what a receiver says when it knows nothing",
            ("drawing_no_place", json!([]), None),
        ),
        (
            circle(2.35, 48.85, 300.0),
            "shape: that is 9034 km from where 陈秀英 lives; longitude and latitude may be swapped",
            ("drawing_too_far", json!([]), Some(9_034.0)),
        ),
    ];
    for (shape, sentence, (reason, rings, number)) in cases {
        let answer = draw(&house, &admin, shape).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "{answer:?}");
        assert_eq!(answer.body["error"]["message"], sentence);
        assert_eq!(answer.body["error"]["field"], "shape");
        // What a page needs to say it in a language of its own.
        let said = &answer.body["error"]["drawing"];
        assert_eq!((answer.reason(), &said["rings"]), (reason, &rings), "{answer:?}");
        assert_eq!(said["number"].as_f64(), number, "{answer:?}");
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

#[sqlx::test(migrations = "./migrations")]
async fn a_drawing_is_put_right_or_refused_with_the_place(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let bow_tie = [[112.93, 28.22], [112.94, 28.23], [112.94, 28.22], [112.93, 28.23]];
    let refused = draw(&house, &admin, polygon(&bow_tie)).await;
    let places = &refused.body["error"]["where"];
    assert_eq!(places["type"], "MultiPoint", "{refused:?}");
    let at = |place: &Value| [place[0].as_f64().unwrap(), place[1].as_f64().unwrap()];
    let crossing = at(&places["coordinates"][0]);
    assert!((crossing[0] - 112.935).abs() < 1e-5 && (crossing[1] - 28.225).abs() < 1e-5, "{crossing:?}");
    let far = draw(&house, &admin, circle(2.35, 48.85, 300.0)).await;
    assert_eq!(far.body["error"]["where"]["coordinates"][0], json!([2.35, 48.85]));
    // Drawn clockwise and with a corner told twice.
    let careless = polygon(&[[112.93, 28.22], [112.95, 28.24], [112.95, 28.24], [112.95, 28.22]]);
    let saved = draw(&house, &admin, careless).await;
    assert_eq!(saved.status, StatusCode::CREATED, "{saved:?}");
    let whats: Vec<&str> =
        saved.body["mended"].as_array().unwrap().iter().map(|mend| mend["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["doubled", "turned"]);
    let ring = json!([[[112.93, 28.22], [112.95, 28.22], [112.95, 28.24], [112.93, 28.22]]]);
    assert_eq!(saved.body["shape"]["coordinates"], ring);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_fence_around_somewhere_else_asks_what_to_do(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    // At home, which is two kilometres from there.
    house.press().await;
    let elsewhere = circle(112.96, 28.228, 300.0);
    let asked = draw(&house, &admin, elsewhere.clone()).await;
    assert_eq!((asked.status, asked.reason()), (StatusCode::CONFLICT, "wearer_outside"), "{asked:?}");
    let choices = &asked.body["error"]["choices"];
    assert_eq!(choices["when_outside"], json!(["alert", "wait"]));
    assert!((1_700.0..2_000.0).contains(&choices["distance_m"].as_f64().unwrap()), "{choices}");
    assert_eq!(house.scalar::<i64>("select count(*) from fence").await, 0);

    let path = format!("/api/v1/residents/{}/fences", house.resident);
    let draft = |choice: &str| json!({ "name": "公园", "shape": elsewhere, "when_outside": choice });
    let waits = house.post(&admin, &path, draft("wait")).await;
    assert_eq!((&waits.body["active"], &waits.body["awaits"]), (&json!(false), &json!(true)), "{waits:?}");
    let alerts = house.post(&admin, &path, draft("alert")).await;
    assert_eq!((&alerts.body["active"], &alerts.body["awaits"]), (&json!(true), &json!(false)), "{alerts:?}");
    let off = house.post(&admin, &path, json!({ "name": "公园", "shape": elsewhere, "active": false })).await;
    assert_eq!(off.status, StatusCode::CREATED, "one that is off asks nothing: {off:?}");
    // Another name asks nothing either.
    let fence = format!("/api/v1/fences/{}", alerts.body["id"].as_str().unwrap());
    let renamed = json!({ "version": 1, "name": "大公园", "shape": elsewhere });
    assert_eq!(house.call(&admin, Method::PUT, &fence, Some(renamed)).await.status, StatusCode::OK);
    let moved = json!({ "version": 2, "name": "大公园", "shape": circle(112.97, 28.228, 300.0) });
    let moved = house.call(&admin, Method::PUT, &fence, Some(moved)).await;
    assert_eq!(moved.reason(), "wearer_outside", "{moved:?}");

    // They go there: it begins.
    house.execute("update terminal_state set place = st_setsrid(st_makepoint(112.96, 28.228), 4326)::geography, place_received_at = now() + interval '1 second'").await;
    dispatcher::rules::look_once(&house.desk).await.unwrap();
    let begun =
        house.scalar::<bool>("select active from fence where name = '公园' and awaited_since is null and active").await;
    assert!(begun);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_way_asks_what_to_do_of_somebody_who_is_off_it_and_in_no_other_place_of_theirs(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    house.press().await;
    let path = format!("/api/v1/residents/{}/fences", house.resident);
    // Two kilometres from home.
    let line =
        |lat: f64| json!({ "type": "corridor", "coordinates": [[112.96, lat], [112.97, lat]], "half_width_m": 40.0 });
    let draft = |choice: Option<&str>| json!({ "name": "上学路", "shape": line(28.228), "when_outside": choice });
    let asked = house.post(&admin, &path, draft(None)).await;
    assert_eq!((asked.status, asked.reason()), (StatusCode::CONFLICT, "wearer_outside"), "{asked:?}");
    let away_m = asked.body["error"]["choices"]["distance_m"].as_f64().unwrap();
    assert!((1_900.0..2_300.0).contains(&away_m), "{asked:?}");
    let waits = house.post(&admin, &path, draft(Some("wait"))).await;
    assert_eq!((&waits.body["active"], &waits.body["awaits"]), (&json!(false), &json!(true)), "{waits:?}");

    // Whoever is at home is well, and a way or a park elsewhere takes nothing from that.
    assert_eq!(draw(&house, &admin, circle(112.938, 28.228, 300.0)).await.status, StatusCode::CREATED);
    let way = draw(&house, &admin, line(28.229)).await;
    assert_eq!((way.status, &way.body["active"]), (StatusCode::CREATED, &json!(true)), "{way:?}");
    assert_eq!(draw(&house, &admin, circle(112.97, 28.228, 300.0)).await.status, StatusCode::CREATED);
    let river = json!({ "name": "河", "kind": "forbidden", "shape": circle(112.938, 28.228, 600.0) });
    assert_eq!(house.post(&admin, &path, river).await.reason(), "wearer_outside", "a river counts by itself");
    // A way is no other place than itself.
    house.execute("update fence set active = false where kind = 'safe'").await;
    let fence = format!("/api/v1/fences/{}", way.body["id"].as_str().unwrap());
    let moved = json!({ "version": 1, "name": "上学路", "shape": line(28.23) });
    assert_eq!(house.call(&admin, Method::PUT, &fence, Some(moved)).await.reason(), "wearer_outside");

    // They walk on it: the one that waits begins.
    house.execute("update terminal_state set place = st_setsrid(st_makepoint(112.965, 28.2281), 4326)::geography, place_received_at = now() + interval '1 second'").await;
    dispatcher::rules::look_once(&house.desk).await.unwrap();
    let begun = "select count(*) from fence where kind = 'corridor' and active and awaited_since is null";
    assert_eq!(house.scalar::<i64>(begun).await, 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_fence_is_tried_against_the_last_days_and_nothing_is_saved(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    house.press().await;
    house.execute("update terminal_assignment set since = now() - interval '20 days'").await;
    // Two days ago: an hour at home, an hour's walk of one kilometre and back, an hour at home; a fix each half minute.
    house
        .execute(
            "insert into fix (terminal_id, received_at, device_at, place, accuracy_m, source)
             select s.terminal_id, at, at, st_setsrid(st_makepoint(112.938 + 0.00002 * sin(n * 1.7)
                + 0.0102 * greatest(0, 1 - abs(n - 180) / 30.0), 28.228 + 0.00002 * cos(n * 2.3)), 4326)::geography, 8, 'gnss'
             from terminal_state s
             join terminal_assignment a on a.terminal_id = s.terminal_id and a.resident_id is not null
             cross join generate_series(0, 360) n
             cross join lateral (select now() - interval '2 days' + n * interval '30 seconds' as at) t",
        )
        .await;
    let path = format!("/api/v1/residents/{}/fences/try", house.resident);
    let tried = house.post(&admin, &path, json!({ "shape": circle(112.938, 28.228, 300.0) })).await;
    assert_eq!(tried.status, StatusCode::OK, "{tried:?}");
    assert_eq!((&tried.body["count"], &tried.body["is_cut"]), (&json!(1), &json!(false)), "{tried:?}");
    assert!(tried.body["fixes"].as_i64().unwrap() >= 361);
    let alert = &tried.body["alerts"][0];
    assert!(alert["why"].as_str().unwrap().starts_with("confirmed: "), "{alert}");
    assert!(alert["fixes"].as_array().unwrap().iter().any(|fix| fix["distance_m"].as_f64() > Some(0.0)), "{alert}");
    // A fence that is there already is tried with its own patience.
    let patient = house
        .scalar::<uuid::Uuid>(
            "insert into fence (id, resident_id, name, kind, area, radius_m, grace_s)
             select gen_random_uuid(), id, '家', 'safe', home, 300, 86400 from resident returning id",
        )
        .await;
    let again = house.post(&admin, &path, json!({ "shape": circle(112.938, 28.228, 300.0), "fence": patient })).await;
    assert_eq!(again.body["count"], 0, "{again:?}");
    house.execute("delete from fence").await;
    assert!(
        alert["back_at"].as_str() > alert["told_at"].as_str() && alert["told_at"].as_str() > alert["left_at"].as_str()
    );
    // A wider one would have raised nothing, and neither would one beside another in which they were well.
    let wide = house.post(&admin, &path, json!({ "shape": circle(112.938, 28.228, 2_000.0) })).await;
    assert_eq!(wide.body["count"], 0, "{wide:?}");
    draw(&house, &admin, circle(112.94, 28.228, 3_000.0)).await;
    let beside = house.post(&admin, &path, json!({ "shape": circle(112.938, 28.228, 300.0) })).await;
    assert_eq!(beside.body["count"], 0, "{beside:?}");
    assert_eq!(house.scalar::<i64>("select count(*) from fence").await, 1);
    assert_eq!(house.scalar::<i64>("select count(*) from audit where what = 'tried_fence'").await, 4);
    let bad = house.post(&admin, &path, json!({ "shape": circle(112.938, 28.228, 5.0) })).await;
    assert_eq!((bad.status, bad.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"));
}

#[sqlx::test(migrations = "./migrations")]
async fn the_fences_of_the_others_can_be_copied_and_their_homes_cannot(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    house
        .execute(
            "with others as (
                insert into resident (id, name, address, home, serving_node, registered_node)
                select gen_random_uuid(), '邻居' || n, 'x', home, serving_node, registered_node
                from resident cross join generate_series(1, 3) n returning id, home)
             insert into fence (id, resident_id, name, kind, area, radius_m)
             select gen_random_uuid(), id, '公园', 'safe', st_setsrid(st_makepoint(112.95, 28.23), 4326)::geography, 400 from others
             union all select gen_random_uuid(), id, '家', 'safe', home, 200 from others",
        )
        .await;
    house
        .execute(
            "insert into fence (id, resident_id, name, kind, grace_s, area)
             select gen_random_uuid(), r.id, f.name, f.kind, 60, st_geogfromtext(f.area)
             from (select id from resident where name = '邻居1') r
             cross join (values
                ('我家院子', 'safe', 'POLYGON((112.935 28.226,112.941 28.226,112.941 28.230,112.935 28.230,112.935 28.226))'),
                ('河', 'forbidden', 'POLYGON((112.96 28.23,112.97 28.23,112.97 28.24,112.96 28.24,112.96 28.23))')
             ) f (name, kind, area)",
        )
        .await;
    let path = format!("/api/v1/residents/{}/fences/common", house.resident);
    let common = house.get(&admin, &path).await.body;
    let told: Vec<_> =
        common["fences"].as_array().unwrap().iter().map(|fence| (&fence["name"], &fence["kind"])).collect();
    // Neither the circle nor the yard around somebody's home.
    assert_eq!(told, [(&json!("公园"), &json!("safe")), (&json!("河"), &json!("forbidden"))], "{common}");
    assert_eq!((&common["fences"][0]["residents"], &common["fences"][1]["grace_s"]), (&json!(3), &json!(60)));
}
