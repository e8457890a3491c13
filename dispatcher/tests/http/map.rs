//! What maps show, to whom, and what is written down about it.

use domain::id::{IncidentId, OfferId};
use domain::incident::Input;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Caller, House, SECRET_120, TOKEN};

/// The two communities lie side by side, the first around the resident's home.
async fn survey(house: &House) {
    house
        .execute(
            "update org_node set area = st_multi(st_makeenvelope(west, 28.20, west + 0.04, 28.25, 4326))::geography
             from (values ('湘雅社区', 112.92), ('江湾社区', 112.96)) as at (name, west)
             where org_node.name = at.name",
        )
        .await;
}

fn features(answer: &crate::house::Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["type"], "FeatureCollection");
    answer.body["features"].as_array().unwrap().clone()
}

fn names(features: &[Value]) -> Vec<&str> {
    features.iter().filter_map(|feature| feature["properties"]["name"].as_str()).collect()
}

fn of(case: &Value, what: &str) -> Vec<Value> {
    let all = case["features"]["features"].as_array().unwrap();
    all.iter().filter(|feature| feature["properties"]["what"] == what).cloned().collect()
}

async fn case(house: &House, who: &Caller, id: IncidentId) -> Value {
    let answer = house.get(who, &format!("/api/v1/incidents/{id}/map")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body
}

async fn seen(house: &House, what: &'static str) -> Vec<(Option<uuid::Uuid>, Option<uuid::Uuid>, Value)> {
    sqlx::query_as("select user_id, resident_id, data from audit where what = $1 order by id")
        .bind(what)
        .fetch_all(&house.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_map_shows_ones_own_subtree_and_nothing_beside_it(pool: PgPool) {
    let house = House::open(pool).await;
    survey(&house).await;
    house
        .execute(
            "insert into ambulance_station (id, node_id, name, place)
             values (gen_random_uuid(), root_node(), '一站', st_point(112.95, 28.22)::geography)",
        )
        .await;
    let all = house.log_in("operator").await;
    let insider = house.log_in("operator2").await;
    let outsider = house.log_in("operator elsewhere").await;

    let nodes = features(&house.get(&all, "/api/v1/map/nodes").await);
    assert_eq!(names(&nodes)[0], "开福区");
    let nodes = features(&house.get(&insider, "/api/v1/map/nodes").await);
    assert_eq!(names(&nodes), ["湘雅社区"]);
    assert_eq!(nodes[0]["geometry"]["type"], "MultiPolygon");
    let [lon, lat] = [0, 1].map(|axis| nodes[0]["properties"]["label"][axis].as_f64().unwrap());
    assert!((112.92..112.96).contains(&lon) && (28.20..28.25).contains(&lat), "longitude first: {lon} {lat}");
    assert!(features(&house.get(&insider, "/api/v1/map/nodes?level=street").await).is_empty());
    assert_eq!(names(&features(&house.get(&outsider, "/api/v1/map/nodes").await)), ["江湾社区"]);

    let bounds = house.get(&insider, "/api/v1/settings/map").await.body;
    assert_eq!(bounds["bounds"], json!([[112.92, 28.2], [112.96, 28.25]]));
    assert_eq!((&bounds["tiles"], &bounds["center"]), (&Value::Null, &Value::Null));

    let people = features(&house.get(&insider, "/api/v1/map/people").await);
    assert_eq!(names(&people), ["陈秀英"]);
    assert_eq!(people[0]["geometry"]["coordinates"], json!([112.938, 28.228]));
    assert!(features(&house.get(&outsider, "/api/v1/map/people").await).is_empty());

    // The company belongs to the district: whoever has one community only does not follow its people.
    assert_eq!(names(&features(&house.get(&all, "/api/v1/map/responders").await)).len(), 2);
    assert!(features(&house.get(&insider, "/api/v1/map/responders").await).is_empty());
    // A station of the district serves each community in it.
    assert_eq!(names(&features(&house.get(&outsider, "/api/v1/map/stations").await)), ["一站"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn where_somebody_off_duty_is_stays_their_own_affair(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let far = Caller::Token(TOKEN.into());
    house.call(&far, Method::PUT, "/api/v1/responder/duty", Some(json!({ "on": false }))).await;
    let shown = features(&house.get(&operator, "/api/v1/map/responders").await);
    assert_eq!(names(&shown), ["李卫"]);
    assert_eq!(shown[0]["properties"]["engaged"], false);
    house.press().await;
    let shown = features(&house.get(&operator, "/api/v1/map/responders").await);
    assert_eq!(shown[0]["properties"]["engaged"], true);
}

#[sqlx::test(migrations = "./migrations")]
async fn of_residents_there_is_the_home_and_of_cases_the_place(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator2").await;
    assert!(features(&house.get(&operator, "/api/v1/map/incidents").await).is_empty());
    assert_eq!(seen(&house, "saw_place").await, []);

    let incident = house.press().await;
    let person = &features(&house.get(&operator, "/api/v1/map/people").await)[0];
    assert_eq!(person["geometry"]["coordinates"], json!([112.938, 28.228]));
    assert_eq!(person["properties"]["incident"], json!(incident.0));
    for _ in 0..2 {
        let cases = features(&house.get(&operator, "/api/v1/map/incidents").await);
        assert_eq!(cases[0]["geometry"]["coordinates"], json!([112.9381, 28.2281]));
        assert_eq!(cases[0]["properties"]["id"], json!(incident.0));
        assert_eq!(
            (&cases[0]["properties"]["accuracy_m"], &cases[0]["properties"]["source"]),
            (&json!(8.0), &json!("gnss"))
        );
    }
    case(&house, &operator, incident).await;
    // One look, however often the page asks.
    let written = seen(&house, "saw_place").await;
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].1, Some(house.resident.0));

    let outsider = house.log_in("operator elsewhere").await;
    assert!(features(&house.get(&outsider, "/api/v1/map/incidents").await).is_empty());
    assert_eq!(seen(&house, "saw_place").await.len(), 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_case_shows_the_person_their_way_and_who_comes(pool: PgPool) {
    let house = House::open(pool).await;
    survey(&house).await;
    house
        .execute(
            "insert into fix (terminal_id, received_at, place, source)
             select terminal.id, now() - make_interval(mins => n), st_point(112.938 + n * 0.001, 28.228)::geography, 'gnss'
             from terminal, generate_series(1, 200, 3) n",
        )
        .await;
    // Until an hour ago somebody else wore it.
    house.execute("update terminal_assignment set since = now() - interval '1 hour'").await;
    let operator = house.log_in("operator2").await;
    let incident = house.press().await;
    let shown = case(&house, &operator, incident).await;
    assert_eq!((&shown["place"]["lat"], &shown["place"]["accuracy_m"]), (&json!(28.2281), &json!(8.0)));
    assert_eq!(of(&shown, "home")[0]["geometry"]["coordinates"], json!([112.938, 28.228]));
    assert_eq!(names(&of(&shown, "node")), ["开福区", "湘雅社区"]);
    // Of each third minute of the last hour, and the press; a straight walk needs few points.
    assert_eq!(of(&shown, "fix").len(), 21);
    assert_eq!(of(&shown, "track")[0]["geometry"]["coordinates"].as_array().unwrap().len(), 3);
    assert_eq!(of(&shown, "responder")[0]["properties"]["state"], "asked");
    assert!(of(&shown, "way").is_empty());

    let offer: uuid::Uuid = house.scalar("select id from offer").await;
    house.desk.apply(incident, Input::Accept { offer: OfferId(offer), minutes: 4 }).await.unwrap();
    let responder = house.log_in("responder").await;
    for lon in [112.9386, 112.9384, 112.9382] {
        let place = json!({ "lat": 28.2283, "lon": lon });
        house.call(&responder, Method::PUT, "/api/v1/responder/position", Some(place)).await;
    }
    let shown = case(&house, &operator, incident).await;
    assert_eq!(of(&shown, "responder")[0]["properties"]["state"], "accepted");
    assert_eq!(of(&shown, "responder")[0]["geometry"]["coordinates"], json!([112.9382, 28.2283]));
    let way = &of(&shown, "way")[0]["geometry"]["coordinates"];
    assert_eq!((&way[0], &way[1]), (&json!([112.9386, 28.2283]), &json!([112.9382, 28.2283])));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_centre_may_tell_where_its_vehicle_is(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let incident = house.press().await;
    let handover: uuid::Uuid = house.scalar("select id from handover where centre = '120'").await;
    let tell = async |vehicle: Value| {
        let body = json!({ "status": "dispatched", "minutes": 6, "vehicle": vehicle });
        let answer = crate::centre::report(&house, &handover.to_string(), &body, SECRET_120).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        of(&case(&house, &operator, incident).await, "vehicle")
    };
    assert!(tell(Value::Null).await.is_empty());
    for lon in [112.95, 112.94] {
        let vehicle = &tell(json!({ "plate": "湘A·120L7", "lat": 28.22, "lon": lon })).await[0];
        assert_eq!(vehicle["geometry"]["coordinates"], json!([lon, 28.22]));
        assert_eq!(vehicle["properties"]["plate"], "湘A·120L7");
    }
    // A place that is none costs neither the report nor the place before.
    let vehicle = &tell(json!({ "plate": "湘A·120L7", "lat": 228.0, "lon": 112.9 })).await[0];
    assert_eq!(vehicle["geometry"]["coordinates"], json!([112.94, 28.22]));
}

#[sqlx::test(migrations = "./migrations")]
async fn after_a_case_its_place_is_where_they_were(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let incident = house.press().await;
    let somewhere =
        "update terminal_state set place = st_point(112.99, 28.29)::geography, place_received_at = clock_timestamp()";
    house.execute("update handover set state = 'closed', acknowledge_by = null").await;
    house
        .execute(
            "update incident set closed_at = clock_timestamp(), closed_by = (select id from app_user limit 1),
                outcome = 'no_injury', wake_at = null, ring_level = 'none', ring_next_at = null",
        )
        .await;
    house.execute(somewhere).await;
    for place in [
        case(&house, &operator, incident).await["place"].clone(),
        house.get(&operator, &format!("/api/v1/incidents/{incident}")).await.body["place"].clone(),
    ] {
        assert_eq!((&place["lat"], &place["source"]), (&json!(28.2281), &json!("gnss")));
    }
    assert!(features(&house.get(&operator, "/api/v1/map/incidents").await).is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn where_somebody_is_is_told_to_whoever_says_why(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator2").await;
    let path = format!("/api/v1/residents/{}/locate", house.resident.0);
    let nowhere = house.post(&operator, &path, json!({ "reason": "女儿来电找人" })).await;
    assert_eq!((nowhere.status, &nowhere.body["place"]), (StatusCode::OK, &Value::Null));
    house
        .execute(
            "update terminal_state set place = st_point(112.94, 28.23)::geography, place_source = 'wifi',
                place_received_at = now()",
        )
        .await;
    for body in [json!({}), json!({ "reason": "  " })] {
        assert_eq!(house.post(&operator, &path, body).await.status, StatusCode::BAD_REQUEST);
    }
    let told = house.post(&operator, &path, json!({ "reason": "两小时未归" })).await;
    assert_eq!((&told.body["place"]["lon"], &told.body["place"]["source"]), (&json!(112.94), &json!("wifi")));
    let whys: Vec<Value> = seen(&house, "located").await.into_iter().map(|(.., data)| data["why"].clone()).collect();
    assert_eq!(whys, ["女儿来电找人", "两小时未归"]);
    // Nobody may look who cannot answer, nor who serves others; and that leaves no trace of a look.
    for (login, status) in [("grid officer", StatusCode::FORBIDDEN), ("admin elsewhere", StatusCode::NOT_FOUND)] {
        let other = house.log_in(login).await;
        assert_eq!(house.post(&other, &path, json!({ "reason": "x" })).await.status, status, "{login}");
    }
    assert_eq!(seen(&house, "located").await.len(), 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_residents_page_tells_all_that_is_kept_but_where_they_are(pool: PgPool) {
    let house = House::open(pool).await;
    let officer = house.log_in("grid officer").await;
    let incident = house.press().await;
    let page = house.get(&officer, &format!("/api/v1/residents/{}", house.resident.0)).await.body;
    assert_eq!((&page["name"], &page["version"]), (&json!("陈秀英"), &json!(1)));
    assert_eq!(page["home"], json!({ "lat": 28.228, "lon": 112.938 }));
    assert_eq!(page["serving"][1]["name"], "湘雅社区");
    assert_eq!(page["registered"], page["serving"]);
    assert_eq!(page["contacts"][0]["name"], "陈明");
    assert_eq!(page["medical_card"], "高血压");
    assert_eq!(page["terminals"][0]["serial"], "P1");
    assert_eq!((&page["incidents"][0]["id"], &page["incidents"][0]["outcome"]), (&json!(incident.0), &Value::Null));
    assert!(!page.to_string().contains("112.9381"), "{page}");
    assert_eq!(seen(&house, "opened_resident").await.len(), 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_changes_seldom_is_sent_again_only_when_it_has_changed(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    for path in ["/api/v1/map/nodes", "/api/v1/map/people", "/api/v1/map/stations"] {
        let first = house.get(&operator, path).await;
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        let again =
            async |who: &Caller| house.call_with(who, Method::GET, path, None, &[("if-none-match", &tag)]).await.status;
        assert_eq!(again(&operator).await, StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again(&Caller::Nobody).await, StatusCode::UNAUTHORIZED, "{path}");
    }
    let tag = house.get(&operator, "/api/v1/map/people").await.headers["etag"].to_str().unwrap().to_owned();
    house.execute("update resident set name = '陈秀兰'").await;
    let changed = house.call_with(&operator, Method::GET, "/api/v1/map/people", None, &[("if-none-match", &tag)]).await;
    assert_eq!(names(&features(&changed)), ["陈秀兰"]);
    // The next who logs in at this browser may see something else.
    assert_eq!(changed.headers["cache-control"], "private, no-cache");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_case_nobody_knows_the_place_of_is_listed_without_one(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let call = json!({ "kind": "telephone", "note": "有人摔倒，电话断了", "phone": "13900000009" });
    let opened = house.post(&operator, "/api/v1/incidents", call).await.body["id"].clone();
    let cases = features(&house.get(&operator, "/api/v1/map/incidents").await);
    assert_eq!((&cases[0]["properties"]["id"], &cases[0]["geometry"]), (&opened, &Value::Null));
    let id = IncidentId(opened.as_str().unwrap().parse().unwrap());
    assert_eq!(case(&house, &operator, id).await["place"], Value::Null);
}

#[sqlx::test(migrations = "./migrations")]
async fn whoever_is_elsewhere_is_not_looked_for_at_home(pool: PgPool) {
    let house = House::open(pool).await;
    survey(&house).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    let home = json!("湘雅路 1 号");
    let around = json!("开福区 江湾社区 一带");
    for (what, seen, words, beside) in [
        ("at the door", "(112.9385, 28.2285, 8, '0 s')", &home, &Value::Null),
        ("three kilometres away", "(112.97, 28.22, 20, '0 s')", &around, &home),
        ("perhaps at home", "(112.97, 28.22, 5000, '0 s')", &home, &Value::Null),
        ("away, an hour ago", "(112.97, 28.22, 20, '1 h')", &home, &Value::Null),
        ("away, where no area of ours is", "(113.2, 28.22, 20, '0 s')", &Value::Null, &home),
    ] {
        let sql = format!(
            "update terminal_state set place = st_point(lon, lat)::geography, place_accuracy_m = accuracy_m,
                place_received_at = now() - ago::interval
             from (values {seen}) as seen (lon, lat, accuracy_m, ago)"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&house.pool).await.unwrap();
        // The press came with no place of its own, some minutes before.
        house.execute("update incident set place = null, last_press_at = now() - interval '5 minutes'").await;
        let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
        assert_eq!((&card["address"], &card["home_address"]), (words, beside), "{what}");
        let script = card["script"]["zh"].as_str().unwrap();
        assert_eq!(script.contains("不在住处"), !beside.is_null(), "{what}: {script}");
    }
}
