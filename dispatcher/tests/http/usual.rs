//! What is usual of residents, as people see it, choose it and act upon it.

use dispatcher::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

/// What was learnt of the resident: at home at night, at a market on most days.
async fn learnt(house: &House) {
    house
        .execute(
            "insert into usual (resident_id, learnt_at, days, known_working, known_off, away_working, away_off)
             select id, now(), 58, array_fill(41::smallint, '{24}'), array_fill(17::smallint, '{24}'),
                array_fill(0::smallint, '{24}'), array_fill(0::smallint, '{24}') from resident",
        )
        .await;
    house
        .execute(
            "insert into usual_place (resident_id, number, middle, radius_m, home, first_day, last_day, days, working, day_off)
             select r.id, p.number, st_setsrid(st_makepoint(112.938, p.lat), 4326)::geography, 80, p.number = 0,
                '2026-09-01', '2026-10-30', p.days, array_fill(p.working::smallint, '{24}'),
                array_fill(p.off::smallint, '{24}')
             from resident r, (values (0, 28.228, 58, 5, 2), (1, 28.239, 40, 39, 16)) p (number, lat, days, working, off)",
        )
        .await;
}

async fn suspect(house: &House) {
    house
        .execute(
            "insert into usual_suspicion (id, resident_id, since, raised_at, place, distance_m, fixes, hour, of_days,
                away_days, known_days, why)
             select gen_random_uuid(), resident_id, now() - interval '20 min', now(), 'point(112.938 28.236)', 900, 5, 2,
                'both', 0, 58, 'around 02:00 they were at home on 58 of 58 days; now 900 m away since 01:40'
             from usual",
        )
        .await;
}

fn path(house: &House) -> String {
    format!("/api/v1/residents/{}/usual", house.resident)
}

async fn choose(house: &House, caller: &Caller, body: Value) -> Answer {
    house.call(caller, Method::PUT, &path(house), Some(body)).await
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_usual_is_shown_chosen_and_deleted_with_the_choice(pool: PgPool) {
    let house = House::open(pool).await;
    let (admin, operator) = (house.log_in("admin").await, house.log_in("operator").await);
    let none = house.get(&operator, &path(&house)).await;
    assert_eq!((none.status, &none.body["on"], &none.body["version"]), (StatusCode::OK, &json!(false), &json!(0)));
    learnt(&house).await;
    suspect(&house).await;
    let seen = house.get(&operator, &path(&house)).await.body;
    assert_eq!((&seen["installation"], &seen["on"], &seen["days"]), (&json!(true), &json!(true), &json!(58)));
    assert_eq!((&seen["chosen"], &seen["days_min"]), (&Value::Null, &json!(14)));
    let places = seen["places"].as_array().unwrap();
    assert_eq!((places.len(), &places[0]["home"], &places[1]["last_day"]), (2, &json!(true), &json!("2026-10-30")));
    assert_eq!((&places[1]["working"][9], seen["known_off"].as_array().unwrap().len()), (&json!(39), 24));
    house.get(&operator, &path(&house)).await;
    let looks = "select count(*) from audit where what = 'saw_usual' and resident_id is not null";
    assert_eq!(house.scalar::<i64>(looks).await, 1, "once in ten minutes");

    let stale = choose(&house, &admin, json!({ "chosen": false, "version": 7 })).await;
    assert_eq!((stale.status, stale.code()), (StatusCode::CONFLICT, "edited_meanwhile"));
    let off = choose(&house, &admin, json!({ "chosen": false, "version": 0 })).await;
    assert_eq!((off.status, &off.body["on"], &off.body["version"]), (StatusCode::OK, &json!(false), &json!(1)));
    assert_eq!((&off.body["places"], &off.body["learnt_at"]), (&json!([]), &Value::Null));
    let left = "select (select count(*) from usual_place) + (select count(*) from usual_suspicion)";
    assert_eq!(house.scalar::<i64>(left).await, 0);
    let on = choose(&house, &admin, json!({ "chosen": true, "version": 1 })).await;
    assert_eq!((&on.body["on"], &on.body["chosen"]), (&json!(true), &json!(true)), "{on:?}");
    let chosen = "select count(*) from audit where what = 'chose_usual'";
    assert_eq!(house.scalar::<i64>(chosen).await, 2);
    let odd = choose(&house, &admin, json!({ "chosen": "yes", "version": 2 })).await;
    assert!(odd.status.is_client_error(), "{odd:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn where_it_is_switched_off_for_all_it_says_so(pool: PgPool) {
    let house = House::open_with(pool, Config { learn_usual: false, ..Config::default() }).await;
    let admin = house.log_in("admin").await;
    let chosen = choose(&house, &admin, json!({ "chosen": true, "version": 0 })).await;
    assert_eq!((&chosen.body["installation"], &chosen.body["on"]), (&json!(false), &json!(false)), "{chosen:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_suspicion_is_listed_until_somebody_has_seen_to_it_and_goes_behind_the_others_then(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    learnt(&house).await;
    suspect(&house).await;
    let listed = house.get(&operator, "/api/v1/suspicions").await.body["suspicions"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let one = &listed[0];
    assert_eq!((&one["name"], &one["home_days"], &one["known_days"]), (&json!("陈秀英"), &json!(58), &json!(58)));
    assert!(one["why"].as_str().unwrap().starts_with("around 02:00"), "{one}");
    let acknowledge = format!("/api/v1/suspicions/{}/acknowledge", one["id"].as_str().unwrap());
    let seen = house.post(&operator, &acknowledge, json!({ "note": "去女儿家了" })).await;
    let told = &seen.body["suspicions"][0];
    assert_eq!((seen.status, &told["note"]), (StatusCode::OK, &json!("去女儿家了")), "{seen:?}");
    assert!(told["acknowledged_at"].is_string() && told["acknowledged_by"]["name"].is_string(), "{told}");
    // Whoever was second does not write over it.
    let second = house.post(&house.log_in("operator2").await, &acknowledge, json!({ "note": "x" })).await;
    assert_eq!(second.body["suspicions"][0]["note"], "去女儿家了");
    house.execute("update usual_suspicion set over_at = now()").await;
    assert_eq!(house.get(&operator, "/api/v1/suspicions").await.body["suspicions"], json!([]));
    assert_eq!(house.post(&operator, &acknowledge, json!({})).await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_search_is_told_where_to_begin_and_so_is_whoever_goes(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let near = house.log_in("responder").await;
    learnt(&house).await;
    suspect(&house).await;
    let incident = house.press().await;
    let likely = format!("/api/v1/incidents/{incident}/likely-places");
    assert_eq!(house.get(&operator, &likely).await.body["places"], json!([]), "nobody is missing");
    assert_eq!(house.get(&operator, "/api/v1/suspicions").await.body["suspicions"], json!([]), "somebody sees to them");

    house.execute("update incident set class = 'wandering'").await;
    let places = house.get(&operator, &likely).await.body["places"].clone();
    assert_eq!(places.as_array().unwrap().len(), 2, "{places}");
    // They are seldom at home at this hour, though it is nearer to where they were seen.
    let first = &places[0];
    assert_eq!(
        (&first["lat"], &first["home"], &first["days"]),
        (&json!(28.239), &json!(false), &json!(40)),
        "{places}"
    );
    assert!((1_100.0..1_300.0).contains(&first["distance_m"].as_f64().unwrap()), "{first}");
    assert!(first["hour_days"].as_i64().unwrap() >= 16 && first["hour_known"].is_i64(), "{first}");
    assert!(places[0]["weight"].as_f64() > places[1]["weight"].as_f64(), "{places}");

    let asked = house.get(&near, "/api/v1/offers").await.body["offers"][0].clone();
    assert_eq!(asked["incident"]["likely_places"], json!([]), "told to who comes");
    let accept = format!("/api/v1/offers/{}/accept", asked["id"].as_str().unwrap());
    let accepted = house.post(&near, &accept, json!({ "minutes": 4 })).await;
    assert_eq!(accepted.body["offers"][0]["incident"]["likely_places"], places, "{accepted:?}");

    house.execute("delete from usual").await;
    assert_eq!(house.get(&operator, &likely).await.body["places"], json!([]));
}
