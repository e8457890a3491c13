//! Where residents should be when: rules and pauses as administrators write them, and what becomes of them.

use dispatcher::rules;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

/// A rule that holds all day, at once.
fn rule(fence: uuid::Uuid, expect: &str) -> Value {
    json!({ "fence": fence, "expect": expect, "days": "every", "from_minute": 0, "until_minute": 1440, "grace_s": 0 })
}

fn with(mut rule: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        rule[key] = value.clone();
    }
    rule
}

async fn save(house: &House, admin: &Caller, version: i64, rules: Value) -> Answer {
    let path = format!("/api/v1/residents/{}/fence-rules", house.resident);
    house.call(admin, Method::PUT, &path, Some(json!({ "version": version, "rules": rules }))).await
}

/// What the intake believes of a fence, as it would have written it a quarter of an hour ago.
async fn believe(house: &House, fence: uuid::Uuid, standing: &str) {
    let belief = match standing {
        "outside" => json!([{ "fence": fence, "standing": "confirmed", "since": "2026-01-01T00:00:00Z" }]),
        _ => json!([{ "fence": fence, "standing": "inside" }]),
    };
    sqlx::query(
        "update terminal_state s set beliefs = $1, beliefs_of = r.fences_version, believed_at = now()
         from terminal_assignment a join resident r on r.id = a.resident_id
         where a.terminal_id = s.terminal_id and a.until is null",
    )
    .bind(belief)
    .execute(&house.pool)
    .await
    .unwrap();
    house.execute("insert into rule_nudge (resident_id) select distinct resident_id from fence").await;
}

async fn cases(house: &House) -> (i64, i64, i64) {
    (
        house.scalar("select count(*) from incident where class = 'wandering'").await,
        house.scalar("select count(*) from rule_breach").await,
        house.scalar("select count(*) from rule_breach where over_at is null").await,
    )
}

#[sqlx::test(migrations = "./migrations")]
async fn who_is_not_where_they_should_be_opens_one_case_that_says_why(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let fence = house.fence().await;
    let saved = save(&house, &admin, 0, json!([rule(fence, "inside")])).await;
    assert_eq!((saved.status, &saved.body["version"]), (StatusCode::OK, &json!(1)), "{saved:?}");
    let seen =
        house.get(&house.log_in("operator").await, &format!("/api/v1/residents/{}/fence-rules", house.resident)).await;
    assert_eq!(seen.body, saved.body);

    rules::look_once(&house.desk).await.unwrap();
    assert_eq!(cases(&house).await, (0, 0, 0), "nothing is known of where they are");
    believe(&house, fence, "inside").await;
    rules::look_once(&house.desk).await.unwrap();
    assert_eq!(cases(&house).await, (0, 0, 0));
    believe(&house, fence, "outside").await;
    // A hundred metres beyond the edge, and before that within it.
    house.execute("update terminal_assignment set since = since - interval '1 day'").await;
    house
        .execute(
            "insert into fix (terminal_id, received_at, place, accuracy_m, source)
             select a.terminal_id, now() - make_interval(mins => t.minutes),
                st_project(f.area, coalesce(f.radius_m, 0) + t.beyond_m, 1.0), 12, 'gnss'
             from fence f join terminal_assignment a on a.resident_id = f.resident_id,
                (values (40, -30.0), (10, 100.0)) t (minutes, beyond_m)",
        )
        .await;
    for _ in 0..3 {
        rules::look_once(&house.desk).await.unwrap();
        believe(&house, fence, "outside").await;
    }
    assert_eq!(cases(&house).await, (1, 1, 1), "once");
    let data: Value = house.scalar("select data from incident_entry where what = 'rule_broken'").await;
    assert_eq!((&data["expect"], &data["until_minute"]), (&json!("inside"), &json!(1440)));
    assert!(data["why"].as_str().unwrap().starts_with("should be inside"), "{data}");
    let beyond = data["fixes"].as_array().unwrap().iter().map(|fix| fix["distance_m"].as_f64().unwrap().round());
    assert_eq!(beyond.collect::<Vec<_>>(), [-30.0, 100.0], "{data}");
    assert_eq!((&data["fixes"][1]["source"], &data["fixes"][1]["accuracy_m"]), (&json!("gnss"), &json!(12.0)));
    assert_eq!(house.scalar::<i32>("select presses from incident where class = 'wandering'").await, 1);

    believe(&house, fence, "inside").await;
    rules::look_once(&house.desk).await.unwrap();
    assert_eq!(cases(&house).await, (1, 1, 0));
    assert!(house.scalar::<bool>("select returned from incident where class = 'wandering'").await);
    let over: Value = house.scalar("select data from incident_entry where what = 'rule_over'").await;
    assert_eq!(over["why"], "kept");
    // Who goes again is told of again, in the case that is open.
    believe(&house, fence, "outside").await;
    rules::look_once(&house.desk).await.unwrap();
    assert_eq!(cases(&house).await, (1, 2, 1));
    assert!(!house.scalar::<bool>("select returned from incident where class = 'wandering'").await);
    // Without rules nothing is expected any more.
    let gone = save(&house, &admin, 1, json!([])).await;
    assert_eq!(gone.status, StatusCode::OK, "{gone:?}");
    rules::look_once(&house.desk).await.unwrap();
    assert_eq!(cases(&house).await, (1, 2, 0));
}

#[sqlx::test(migrations = "./migrations")]
async fn the_terminal_is_asked_for_more_before_anybody_is_told_that_a_rule_is_broken(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let fence = house.fence().await;
    // Two hours, and a patience of one.
    let allowed = json!({ "allowed_s": 7_200, "grace_s": 3_600 });
    let saved = save(&house, &admin, 0, json!([with(rule(fence, "not_away"), &allowed)])).await;
    assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
    believe(&house, fence, "inside").await;
    rules::look_once(&house.desk).await.unwrap();
    let asked = "select count(*) from command where asked_by is null and command ->> 'do' = 'burst'";
    assert_eq!(house.scalar::<i64>(asked).await, 0);
    for _ in 0..3 {
        believe(&house, fence, "outside").await;
        // Four minutes are left.
        house
            .execute(
                "update terminal_state set beliefs = jsonb_set(beliefs, '{0,since}', to_jsonb(now() - interval '176 minutes'))
                 where beliefs is not null",
            )
            .await;
        rules::look_once(&house.desk).await.unwrap();
    }
    assert_eq!((house.scalar::<i64>(asked).await, cases(&house).await), (1, (0, 0, 0)), "asked once, nobody is told");
    let why: String = house.scalar("select why from command where asked_by is null").await;
    assert!(why.starts_with("suspected: may be away for"), "{why}");
    let operator = house.log_in("operator").await;
    let told = house.get(&operator, &format!("/api/v1/residents/{}/commands", house.resident)).await;
    let told = &told.body["commands"][0];
    let because = json!({
        "is": "rule", "fence": fence, "expect": "not_away", "from_minute": 0, "until_minute": 1440, "allowed_s": 7_200,
    });
    assert_eq!((&told["because"], &told["why"]), (&because, &json!(why)), "{told:#}");
    let name: String = house.scalar("select name from fence").await;
    assert_eq!(told["fence_name"], json!(name));
}

#[sqlx::test(migrations = "./migrations")]
async fn two_dispatchers_that_look_at_once_tell_once(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let fence = house.fence().await;
    save(&house, &admin, 0, json!([rule(fence, "inside"), rule(fence, "not_leave")])).await;
    believe(&house, fence, "outside").await;
    let looks = (0..4).map(|_| rules::look_once(&house.desk));
    for looked in futures_util::future::join_all(looks).await {
        looked.unwrap();
    }
    rules::look_once(&house.desk).await.unwrap();
    // They were out before the hours of the other began.
    assert_eq!(cases(&house).await.0, 1);
    assert_eq!(
        house.scalar::<i64>("select count(*) from incident_entry where what = 'rule_broken'").await,
        cases(&house).await.1
    );
    assert_eq!(house.scalar::<i64>("select count(distinct rule_id) from rule_breach").await, cases(&house).await.1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_pause_keeps_quiet_and_ends(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let fence = house.fence().await;
    save(&house, &admin, 0, json!([rule(fence, "inside")])).await;
    let path = format!("/api/v1/residents/{}/fence-pauses", house.resident);
    let pause = |until: &str| json!({ "from": "2026-01-01T00:00:00Z", "until": until, "why": "住院" });
    let past = house.post(&admin, &path, pause("2026-01-02T00:00:00Z")).await;
    assert_eq!(
        (past.status, &past.body["error"]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("until")),
        "{past:?}"
    );
    let endless = house.post(&admin, &path, pause("2040-01-02T00:00:00Z")).await;
    assert_eq!(endless.status, StatusCode::UNPROCESSABLE_ENTITY, "a pause ends: {endless:?}");
    let tomorrow: String = house
        .scalar("select to_char(now() at time zone 'utc' + interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        .await;
    let from: String = house
        .scalar("select to_char(now() at time zone 'utc' - interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        .await;
    let made = house.post(&admin, &path, json!({ "from": from, "until": tomorrow, "why": "住院" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    believe(&house, fence, "outside").await;
    rules::look_once(&house.desk).await.unwrap();
    assert_eq!(cases(&house).await, (0, 0, 0));
    let pause = made.body["pauses"][0]["id"].as_str().unwrap();
    let ended = house.call(&admin, Method::DELETE, &format!("/api/v1/fence-pauses/{pause}"), None).await;
    assert_eq!((ended.status, &ended.body["pauses"]), (StatusCode::OK, &json!([])), "{ended:?}");
    rules::look_once(&house.desk).await.unwrap();
    assert_eq!(cases(&house).await, (1, 1, 1));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_fence_that_its_residents_rules_cannot_be_kept_with_is_not_saved(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let fence = house.fence().await;
    assert_eq!(save(&house, &admin, 0, json!([rule(fence, "inside")])).await.status, StatusCode::OK);
    let shape = |radius_m| json!({ "type": "circle", "center": [112.938, 28.228], "radius_m": radius_m });
    let river =
        |radius_m| json!({ "name": "河", "kind": "forbidden", "shape": shape(radius_m), "when_outside": "alert" });
    let path = format!("/api/v1/residents/{}/fences", house.resident);
    let around = house.post(&admin, &path, river(5_000.0)).await;
    assert_eq!((around.status, around.reason()), (StatusCode::UNPROCESSABLE_ENTITY, "lies_in_forbidden"), "{around:?}");
    let path = format!("/api/v1/fences/{fence}");
    let version = house.scalar::<i32>("select version from fence").await;
    let forbidden =
        house.call(&admin, Method::PUT, &path, Some(with(river(300.0), &json!({ "version": version })))).await;
    assert_eq!(forbidden.reason(), "of_forbidden", "{forbidden:?}");
    assert_eq!(house.scalar::<i64>("select count(*) from fence where kind = 'safe'").await, 1);
    assert_eq!(house.scalar::<i64>("select count(*) from fence").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn rules_that_cannot_be_are_refused_with_a_sentence_and_which(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let fence = house.fence().await;
    let far = house
        .scalar::<uuid::Uuid>(
            "insert into fence (id, resident_id, name, kind, area, radius_m)
             select gen_random_uuid(), id, '学校', 'safe', st_setsrid(st_makepoint(112.99, 28.228), 4326)::geography, 200
             from resident returning id",
        )
        .await;
    let around = house
        .scalar::<uuid::Uuid>(
            "insert into fence (id, resident_id, name, kind, area, radius_m)
             select gen_random_uuid(), resident_id, '河', 'safe', area, 5000 from fence where name <> '学校' returning id",
        )
        .await;
    let nobodys = uuid::Uuid::nil();
    let inside = || rule(fence, "inside");
    let cases = [
        (json!([inside(), rule(fence, "outside")]), "in_and_out", json!([0, 1])),
        (json!([inside(), inside()]), "twice", json!([0, 1])),
        (json!([inside(), rule(far, "inside")]), "two_places", json!([0, 1])),
        (json!([inside(), rule(around, "outside")]), "within_forbidden", json!([0, 1])),
        (json!([inside(), rule(nobodys, "inside")]), "no_fence", json!([1])),
        (json!([with(inside(), &json!({ "time_zone": "Mars/Olympus" }))]), "no_rule", json!([0])),
        (json!([with(inside(), &json!({ "until_minute": 10, "grace_s": 600 }))]), "no_rule", json!([0])),
        (json!([with(inside(), &json!({ "days": "weekdays" }))]), "no_rule", json!([0])),
        (json!([rule(fence, "not_away")]), "no_rule", json!([0])),
    ];
    for (rules, reason, which) in cases {
        let answer = save(&house, &admin, 0, rules).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_rules"), "{answer:?}");
        assert_eq!((answer.reason(), &answer.body["error"]["rules"]), (reason, &which), "{answer:?}");
    }
    let morning = with(
        rule(far, "inside"),
        &json!({ "days": "working", "from_minute": 480, "until_minute": 990, "time_zone": "Asia/Urumqi" }),
    );
    let night = with(inside(), &json!({ "from_minute": 1320, "until_minute": 360 }));
    assert_eq!(save(&house, &admin, 0, json!([morning, night])).await.status, StatusCode::OK);
    let late = save(&house, &admin, 0, json!([])).await;
    assert_eq!((late.status, late.code()), (StatusCode::CONFLICT, "edited_meanwhile"), "{late:?}");
    assert_eq!(late.body["error"]["current"]["rules"].as_array().unwrap().len(), 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn many_who_are_where_they_should_be_are_looked_at_together_and_seldom(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .execute(
            "with others as (
                insert into resident (id, name, address, home, serving_node, registered_node)
                select gen_random_uuid(), '邻居' || n, 'x', home, serving_node, registered_node
                from resident cross join generate_series(1, 1200) n returning id, home),
             fences as (
                insert into fence (id, resident_id, name, kind, area, radius_m)
                select gen_random_uuid(), id, '家', 'safe', home, 200 from others returning id)
             insert into fence_rule (id, fence_id, expect, days, from_minute, until_minute, grace_s)
             select gen_random_uuid(), id, 'inside', 'every', 1320, 360, 900 from fences",
        )
        .await;
    let mut looks = 0;
    while rules::look_once(&house.desk).await.unwrap() > 0 {
        looks += 1;
        assert!(looks < 10, "whoever was looked at is due no more");
    }
    assert_eq!(looks, 3);
    let later = house.scalar::<i64>("select count(*) from rule_watch where wake_at > now()").await;
    assert_eq!(later, 1200);
}
