//! How terminals with JSON of their own are read, and the keys under which phones encrypt, as administrators see to them.

use axum::http::StatusCode;
use dispatcher::http::{AlarmRule, Outline, Taken};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::House;

const PROFILES: &str = "/api/v1/profiles";
const KEYS: &str = "/api/v1/payload-keys";

/// The one profile that a house has.
pub(crate) fn outline() -> Outline {
    Outline {
        name: "g616".into(),
        shipped: true,
        datum: "gcj02".into(),
        up: vec!["atom/g616/status/{serial}".into()],
        answers: vec![],
        down: Some("atom/g616/cmd/{serial}/{word}".into()),
        takes: vec![Taken { what: "battery".into(), from: "/battery".into() }],
        alarms: vec![AlarmRule { from: "/sos".into(), when: "true".into(), raises: "sos".into() }],
        commands: vec!["text".into()],
    }
}

/// Two watches of the profile, one of another that nobody defines, one that names none; the first is worn.
async fn listed(house: &House) {
    house
        .execute(
            "insert into terminal (serial, login, secret_sha256, dialect, model, manual_publish_means_help, profile)
             select s, s, sha256(s::bytea), d, '', false, p from (values ('W1', 'mapped', 'g616'), ('W2', 'mapped', 'g616'),
                ('W3', 'mapped', 'old'), ('W4', 'mapped', null), ('chen/phone', 'own_tracks', null),
                ('li/phone', 'own_tracks', null)) v (s, d, p)",
        )
        .await;
    house
        .execute(
            "insert into terminal_assignment (terminal_id, resident_id, since)
             select t.id, r.id, now() from terminal t, resident r where t.serial in ('W1', 'chen/phone') and r.name = '陈秀英'",
        )
        .await;
    house
        .execute(
            "insert into report (id, terminal_id, serial, authenticated, received_at, lane, topic, raw, digest, repeated, event,
                drill, why)
             select gen_random_uuid(), t.id, t.serial, true, '2026-03-05T08:09:10Z'::timestamptz + n * interval '1 s', 'alert', 'x',
                '\\x00', '\\x00', false, 'unreadable', false, 'not JSON ' || n
             from terminal t, generate_series(1, 3) n where t.serial in ('W2', 'chen/phone')",
        )
        .await;
}

#[sqlx::test(migrations = "./migrations")]
async fn a_profile_shows_what_it_takes_who_has_it_and_what_could_not_be_read(pool: PgPool) {
    let house = House::open(pool).await;
    listed(&house).await;
    let admin = house.log_in("admin").await;
    let body = house.get(&admin, PROFILES).await.body;
    let [profile] = &body["profiles"].as_array().unwrap()[..] else { panic!("one profile: {body}") };
    assert_eq!(
        (&profile["name"], &profile["datum"], &profile["terminals"]),
        (&json!("g616"), &json!("gcj02"), &json!(2))
    );
    assert_eq!(profile["takes"], json!([{ "what": "battery", "from": "/battery" }]));
    assert_eq!(profile["alarms"][0]["raises"], json!("sos"));
    let unreadable = &profile["unreadable"];
    assert_eq!((&unreadable["serial"], &unreadable["why"]), (&json!("W2"), &json!("not JSON 3")));
    assert_eq!((&body["missing"][0]["profile"], &body["missing"][0]["terminals"]), (&json!("old"), &json!(1)));
    assert_eq!((&body["missing"].as_array().unwrap().len(), &body["unnamed"]["terminals"]), (&1, &json!(1)));

    // Elsewhere nobody wears one: the profile is there all the same.
    let body = house.get(&house.log_in("admin elsewhere").await, PROFILES).await.body;
    assert_eq!((&body["profiles"][0]["terminals"], &body["missing"]), (&json!(0), &json!([])));
    house.execute("update terminal set revoked_at = now() where serial = 'W2'").await;
    let body = house.get(&admin, PROFILES).await.body;
    assert_eq!((&body["profiles"][0]["terminals"], &body["profiles"][0]["unreadable"]), (&json!(1), &Value::Null));
}

async fn keys(house: &House, login: &str, sought: &str) -> Vec<(String, bool)> {
    let body = house.get(&house.log_in(login).await, &format!("{KEYS}?q={sought}")).await.body;
    let terminals = body["terminals"].as_array().unwrap_or_else(|| panic!("{body}"));
    let said = |one: &Value| (one["serial"].as_str().unwrap().to_owned(), one["encrypts"].as_bool().unwrap());
    terminals.iter().map(said).collect()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_key_is_set_replaced_and_removed_and_shown_once_to_who_had_it_made(pool: PgPool) {
    let house = House::open(pool).await;
    listed(&house).await;
    let admin = house.log_in("admin").await;
    let put = async |told: Value| house.call(&admin, Method::PUT, KEYS, Some(told)).await;
    assert_eq!(keys(&house, "admin", "").await, [("chen/phone".into(), false), ("li/phone".into(), false)]);
    let made = put(json!({ "serial": "chen/phone" })).await;
    assert_eq!((made.status, made.body["key"].as_str().map(str::len)), (StatusCode::OK, Some(26)));
    let kept: String = house.scalar("select payload_key from terminal where serial = 'chen/phone'").await;
    assert_eq!(made.body["key"], json!(kept));
    // One that the phone has already is not told again.
    let set = put(json!({ "serial": "chen/phone", "key": "kaifu-2026" })).await;
    assert_eq!((set.status, &set.body["key"]), (StatusCode::OK, &Value::Null));
    let long = put(json!({ "serial": "chen/phone", "key": "围".repeat(11) })).await;
    assert_eq!((long.status, long.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"));
    assert_eq!(keys(&house, "admin", "CHEN/").await, [("chen/phone".into(), true)]);
    assert_eq!(keys(&house, "admin", "陈秀").await, [("chen/phone".into(), true)]);
    let body = house.get(&admin, KEYS).await.body;
    assert!(!body.to_string().contains("kaifu-2026"), "{body}");
    assert_eq!(body["terminals"][0]["unreadable"]["why"], json!("not JSON 3"));

    // Whose residents they are not can do nothing, and a terminal that does not encrypt has no key.
    assert_eq!(keys(&house, "admin elsewhere", "").await, []);
    let elsewhere = house.log_in("admin elsewhere").await;
    let told = Some(json!({ "serial": "chen/phone" }));
    assert_eq!(house.call(&elsewhere, Method::PUT, KEYS, told).await.status, StatusCode::NOT_FOUND);
    for serial in ["P1", "nobody/phone"] {
        assert_eq!(put(json!({ "serial": serial })).await.status, StatusCode::NOT_FOUND, "{serial}");
    }

    let removed = house.call(&admin, Method::DELETE, &format!("{KEYS}?serial=chen/phone"), None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(keys(&house, "admin", "").await, [("chen/phone".into(), false), ("li/phone".into(), false)]);
    let written: Vec<(String, bool)> = sqlx::query_as(
        "select about, (data ->> 'encrypts')::boolean from audit where what = 'terminal_keyed' and user_id is not null
            and resident_id is not null order by id",
    )
    .fetch_all(&house.pool)
    .await
    .unwrap();
    assert_eq!(written, [true, true, false].map(|encrypts| ("chen/phone".to_owned(), encrypts)));
    assert_eq!(house.scalar::<i64>("select count(*) from audit where data::text like '%kaifu%'").await, 0);
}
