//! Who has which contract, as overseers read it and administrators change it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House, SOON};

/// Something that is not `value[field]`.
fn with(value: &Value, field: &str, said: Value) -> Value {
    let mut changed = value.clone();
    changed[field] = said;
    changed
}

/// Meals for a community, as nobody objects to it.
async fn draft(house: &House) -> Value {
    let node: uuid::Uuid = house.scalar("select id from org_node where name = '湘雅社区'").await;
    json!({
        "node": node, "category": "meal", "since": "2026-01-01", "until": "2026-12-31",
        "hours": [
            { "weekday": 2, "from": "10:30", "until": "24:00" },
            { "weekday": 1, "from": "08:00", "until": "12:00" },
            { "weekday": 1, "from": "14:00", "until": "18:00" },
        ],
        "area": null, "price_class": " 甲 ", "capacity": 3, "grade": 4,
    })
}

async fn provider(house: &House) -> uuid::Uuid {
    house.scalar("select id from provider order by name limit 1").await
}

async fn make(house: &House, caller: &Caller, draft: &Value) -> Answer {
    house.post(caller, &format!("/api/v1/providers/{}/contracts", provider(house).await), draft.clone()).await
}

async fn change(house: &House, caller: &Caller, id: &Value, draft: &Value) -> Answer {
    house.call(caller, Method::PUT, &format!("/api/v1/contracts/{}", id.as_str().unwrap()), Some(draft.clone())).await
}

async fn end(house: &House, caller: &Caller, id: &Value, query: &str) -> Answer {
    house.call(caller, Method::DELETE, &format!("/api/v1/contracts/{}{query}", id.as_str().unwrap()), None).await
}

async fn listed(house: &House, caller: &Caller) -> Value {
    let answer = house.get(caller, "/api/v1/providers").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["providers"].clone()
}

fn refused(answer: &Answer, field: &str, sentence: &str) {
    assert_eq!((answer.status, answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "{answer:?}");
    assert_eq!(answer.body["error"]["field"], field, "{answer:?}");
    assert_eq!(answer.body["error"]["message"], format!("{field}: {sentence}"));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_contract_is_agreed_read_changed_and_ended_and_that_is_written_down(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let draft = draft(&house).await;
    let made = make(&house, &admin, &draft).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let contract = made.body;
    // Told from Monday on, and trimmed; everything else as it was said.
    let hours = json!([
        { "weekday": 1, "from": "08:00", "until": "12:00" },
        { "weekday": 1, "from": "14:00", "until": "18:00" },
        { "weekday": 2, "from": "10:30", "until": "24:00" },
    ]);
    assert_eq!((&contract["hours"], &contract["price_class"]), (&hours, &json!("甲")));
    assert_eq!((&contract["node"]["id"], &contract["node"]["name"]), (&draft["node"], &json!("湘雅社区")));
    for field in ["category", "since", "until", "area", "capacity", "grade"] {
        assert_eq!(contract[field], draft[field], "{field}");
    }
    assert_eq!((&contract["version"], &contract["editable"]), (&json!(1), &json!(true)));

    // Whoever oversees reads it, and cannot change it.
    let read = listed(&house, &house.log_in("supervisor").await).await;
    assert_eq!((&read[0]["name"], &read[0]["people"]), (&json!("康乐家政"), &json!(2)));
    assert_eq!(read[0]["contracts"][0]["category"], "emergency", "what lies further up comes first");
    assert_eq!(read[0]["contracts"][1], with(&contract, "editable", json!(false)));
    assert_eq!(listed(&house, &house.log_in("supervisor elsewhere").await).await, json!([]));

    // At any time, everywhere, without an end.
    let mut wanted = with(&draft, "version", json!(1));
    for field in ["until", "hours", "price_class", "capacity", "grade"] {
        wanted[field] = Value::Null;
    }
    wanted["area"] = json!({ "type": "Polygon",
        "coordinates": [[[112.93, 28.22], [112.95, 28.22], [112.95, 28.24], [112.93, 28.22]]] });
    let changed = change(&house, &admin, &contract["id"], &wanted).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let changed = changed.body;
    assert_eq!((&changed["version"], &changed["hours"], &changed["until"]), (&json!(2), &Value::Null, &Value::Null));
    assert_eq!(changed["area"], json!({ "type": "MultiPolygon", "coordinates": [wanted["area"]["coordinates"]] }));
    assert_eq!(changed["in_force"], true);

    assert_eq!(end(&house, &admin, &contract["id"], "?version=2").await.status, StatusCode::NO_CONTENT);
    let over = listed(&house, &admin).await[0]["contracts"][1].clone();
    assert_eq!((&over["in_force"], &over["version"]), (&json!(false), &json!(3)));
    let yesterday: String = house.scalar("select ((now() at time zone 'Asia/Shanghai')::date - 1)::text").await;
    assert_eq!(over["until"], yesterday);
    // Once more changes nothing.
    assert_eq!(end(&house, &admin, &contract["id"], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(listed(&house, &admin).await[0]["contracts"][1], over);

    let written: Vec<String> = sqlx::query_scalar(
        "select a.what from audit a join app_user u on u.id = a.user_id
         where u.login = 'admin' and a.what like 'contract%' and a.about = $1 order by a.id limit 3",
    )
    .bind(contract["id"].as_str().unwrap())
    .fetch_all(&house.pool)
    .await
    .unwrap();
    assert_eq!(written, ["contract_made", "contract_changed", "contract_ended"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_contract_that_never_held_is_taken_away_when_it_is_ended(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let wanted = with(&draft(&house).await, "since", json!("2100-01-01"));
    let made = make(&house, &admin, &with(&wanted, "until", Value::Null)).await.body;
    assert_eq!(made["in_force"], false);
    assert_eq!(end(&house, &admin, &made["id"], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(listed(&house, &admin).await[0]["contracts"].as_array().unwrap().len(), 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn hours_that_hold_all_week_come_back_day_by_day(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let days: Vec<Value> = (1..=7).map(|day| json!({ "weekday": day, "from": "00:00", "until": "24:00" })).collect();
    let made = make(&house, &admin, &with(&draft(&house).await, "hours", json!(days))).await;
    assert_eq!(made.body["hours"], json!(days), "{made:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_contract_that_cannot_be_is_refused_with_its_field_and_a_sentence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let square = |west: f64, south: f64| {
        let (east, north) = (west + 0.01, south + 0.01);
        json!([[[west, south], [east, south], [east, north], [west, north], [west, south]]])
    };
    house
        .execute(
            "update org_node set area = st_multi(st_makeenvelope(112.9, 28.2, 113.0, 28.3, 4326))::geography
             where name = '湘雅社区'",
        )
        .await;
    let opening = |day: i32, from: &str, until: &str| json!({ "weekday": day, "from": from, "until": until });
    let cases = [
        ("since", json!("2026-02-30"), "“2026-02-30” is no day such as 2026-11-01"),
        ("until", json!("2025-12-31"), "it would end on 2025-12-31, before it begins on 2026-01-01"),
        ("until", json!("soon"), "“soon” is no day such as 2026-11-01"),
        ("hours", json!([]), "there are none, so that it would never hold; say nothing for always"),
        (
            "hours",
            json!([opening(1, "18:00", "08:00")]),
            "Monday 18:00–08:00 ends before it begins; hours that go over midnight are told in two parts, up to 24:00 \
             and from 00:00",
        ),
        (
            "hours",
            json!([opening(3, "08:00", "12:00"), opening(3, "11:00", "18:00")]),
            "Wednesday 08:00–12:00 and Wednesday 11:00–18:00 overlap",
        ),
        ("hours", json!([opening(8, "08:00", "12:00")]), "8 is no day of the week: 1 is Monday, 7 is Sunday"),
        ("hours", json!([opening(1, "8:00", "12:00")]), "“8:00” is no time such as 08:00 or 24:00"),
        ("category", json!("massage"), "“massage” is neither “emergency” nor a word that GET /categories lists"),
        ("node", json!(uuid::Uuid::nil()), "there is none such where you administer"),
        ("capacity", json!(0), "0 is out of range: it takes 1 to 10000, or nothing"),
        ("capacity", json!(3_000_000_000_i64), "3000000000 is out of range: it takes 1 to 10000, or nothing"),
        ("grade", json!(6), "6 is out of range: it takes 1 to 5, or nothing"),
        (
            "area",
            json!({ "type": "Polygon", "coordinates": [[[28.2, 112.9], [28.3, 112.9], [28.3, 113.0]]] }),
            "[28.2, 112.9] is no place: outside the range of latitudes and longitudes; longitude comes first",
        ),
        (
            "area",
            json!({ "type": "Polygon",
                "coordinates": [[[112.9, 28.2], [112.95, 28.25], [112.95, 28.2], [112.9, 28.25], [112.9, 28.2]]] }),
            "the outline crosses or touches itself",
        ),
        (
            "area",
            json!({ "type": "MultiPolygon", "coordinates": [] }),
            "there is nothing in it; say nothing for everywhere",
        ),
        (
            "area",
            json!({ "type": "MultiPolygon", "coordinates": [square(112.9, 28.2), square(112.905, 28.205)] }),
            "its parts do not go together: Self-intersection[112.91 28.205]",
        ),
        ("area", json!({ "type": "Polygon", "coordinates": square(112.8, 28.2) }), "it lies wholly outside 湘雅社区"),
    ];
    let draft = draft(&house).await;
    for (field, value, sentence) in cases {
        refused(&make(&house, &admin, &with(&draft, field, value)).await, field, sentence);
    }
    // What is not said is not taken for nothing, and what is no such thing at all is not read.
    for field in draft.as_object().unwrap().keys() {
        let mut wanted = draft.clone();
        wanted.as_object_mut().unwrap().remove(field);
        let answer = make(&house, &admin, &wanted).await;
        assert_eq!(answer.code(), "bad_request", "{field}: {answer:?}");
    }
    for (field, value) in [("area", json!({ "type": "Point", "coordinates": [112.9, 28.2] })), ("grade", json!("A"))] {
        assert_eq!(make(&house, &admin, &with(&draft, field, value)).await.code(), "bad_request", "{field}");
    }
    assert_eq!(house.scalar::<i64>("select count(*) from contract where category <> 'emergency'").await, 0);

    // One that reaches in is taken, and one without an outline of the node is not judged.
    let reaches_in = json!({ "type": "Polygon", "coordinates": square(112.895, 28.2) });
    assert_eq!(make(&house, &admin, &with(&draft, "area", reaches_in)).await.status, StatusCode::CREATED);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_same_contract_is_not_agreed_twice_for_the_same_days(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let draft = draft(&house).await;
    let first = make(&house, &admin, &draft).await.body;
    let again = with(&with(&draft, "since", json!("2026-12-31")), "until", Value::Null);
    let sentence = "the provider has a contract for meal in 湘雅社区 from 2026-01-01 to 2026-12-31 already";
    refused(&make(&house, &admin, &again).await, "since", sentence);
    let after = make(&house, &admin, &with(&again, "since", json!("2027-01-01"))).await;
    assert_eq!(after.status, StatusCode::CREATED, "{after:?}");
    // Neither by a change; its own days are not in its way.
    let mut longer = with(&draft, "version", json!(1));
    longer["until"] = json!("2027-01-01");
    let sentence = "the provider has a contract for meal in 湘雅社区 from 2027-01-01 without an end already";
    refused(&change(&house, &admin, &first["id"], &longer).await, "since", sentence);
    longer["until"] = json!("2026-11-30");
    assert_eq!(change(&house, &admin, &first["id"], &longer).await.status, StatusCode::OK);
    // Something else, or somewhere else, is another matter.
    assert_eq!(make(&house, &admin, &with(&draft, "category", json!("repair"))).await.status, StatusCode::CREATED);
}

#[sqlx::test(migrations = "./migrations")]
async fn of_two_who_agree_on_the_same_at_once_the_second_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let draft = draft(&house).await;
    // Somebody else is in the middle of it: their contract is not to be seen yet.
    let mut first = house.pool.acquire().await.unwrap();
    let agreeing = "begin; select from provider for no key update;
        insert into contract (provider_id, node_id, category, since)
        select p.id, n.id, 'meal', '2026-06-01' from provider p, org_node n where n.name = '湘雅社区'";
    sqlx::raw_sql(agreeing).execute(&mut *first).await.unwrap();
    let commit = async {
        let waits =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        tokio::time::timeout(SOON, async { while house.scalar::<i64>(waits).await == 0 {} }).await.unwrap();
        sqlx::raw_sql("commit").execute(&mut *first).await.unwrap();
    };
    let (second, ()) = tokio::join!(make(&house, &admin, &draft), commit);
    let sentence = "the provider has a contract for meal in 湘雅社区 from 2026-06-01 without an end already";
    refused(&second, "since", sentence);
}

#[sqlx::test(migrations = "./migrations")]
async fn two_people_who_change_the_same_contract_lose_nothing_in_silence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let draft = draft(&house).await;
    let made = make(&house, &admin, &draft).await.body;
    let seen = with(&draft, "version", json!(1));
    assert_eq!(change(&house, &admin, &made["id"], &with(&seen, "grade", json!(5))).await.status, StatusCode::OK);
    let late = change(&house, &admin, &made["id"], &with(&seen, "capacity", json!(9))).await;
    assert_eq!((late.status, late.code()), (StatusCode::CONFLICT, "edited_meanwhile"), "{late:?}");
    let current = &late.body["error"]["current"];
    assert_eq!((&current["grade"], &current["capacity"], &current["version"]), (&json!(5), &json!(3), &json!(2)));
    assert_eq!(end(&house, &admin, &made["id"], "?version=1").await.code(), "edited_meanwhile");
}

#[sqlx::test(migrations = "./migrations")]
async fn an_administrator_changes_contracts_of_their_own_nodes_only(pool: PgPool) {
    let house = House::open(pool).await;
    let (admin, elsewhere) = (house.log_in("admin").await, house.log_in("admin elsewhere").await);
    let draft = draft(&house).await;
    let node: uuid::Uuid = house.scalar("select id from org_node where name = '江湾社区'").await;
    let there = make(&house, &admin, &with(&draft, "node", json!(node))).await.body;
    // By the contract there the provider is known there; not the contracts that it has elsewhere.
    let seen = listed(&house, &elsewhere).await;
    assert_eq!(seen[0]["contracts"].as_array().unwrap().len(), 1, "{seen}");
    refused(&make(&house, &elsewhere, &draft).await, "node", "there is none such where you administer");
    // Nor is one moved to where somebody else administers.
    let moved = change(&house, &elsewhere, &there["id"], &with(&draft, "version", json!(1))).await;
    refused(&moved, "node", "there is none such where you administer");
    let emergency = seen[0]["id"].clone();
    assert!(emergency.is_string());
    let district: uuid::Uuid = house.scalar("select id from contract where category = 'emergency'").await;
    assert_eq!(end(&house, &elsewhere, &json!(district), "").await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_contract_that_is_sent_twice_with_its_key_is_made_once(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let draft = draft(&house).await;
    let path = format!("/api/v1/providers/{}/contracts", provider(&house).await);
    let send = || house.call_with(&admin, Method::POST, &path, Some(draft.clone()), &[("idempotency-key", "k")]);
    let (first, second) = (send().await, send().await);
    assert_eq!((first.status, &first.body), (StatusCode::CREATED, &second.body), "{second:?}");
}
