//! How the front doors stand, as the console shows it.

use std::collections::BTreeMap;

use dispatcher::clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;
use wire::door::{Breach, Standing, Tls, VIOLATIONS_MAX, Violation};

use crate::house::House;

const DOORS: &str = "/api/v1/doors";

fn violation(login: &str, times: u32) -> Violation {
    Violation {
        id: Uuid::from_u128(login.bytes().fold(0, |sum, byte| sum * 256 + u128::from(byte))),
        at: clock::now(),
        times,
        login: login.into(),
        what: Breach::Publish,
        topic: Some("ydt/1/P9/alert".into()),
        code: Some(0x87),
    }
}

fn door(name: &str, violations: Vec<Violation>) -> Standing {
    Standing {
        door: name.into(),
        opened_at: Timestamp::UNIX_EPOCH,
        tls: None,
        counted: BTreeMap::from([("connections".into(), 3), ("refused_credentials".into(), 7)]),
        violations,
    }
}

async fn doors(house: &House, login: &str) -> Vec<Value> {
    let answer = house.get(&house.log_in(login).await, DOORS).await;
    answer.body["doors"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone()
}

#[sqlx::test(migrations = "./migrations")]
async fn each_door_is_shown_as_it_said_last_and_a_silent_one_as_silent(pool: PgPool) {
    let house = House::open(pool).await;
    assert_eq!(doors(&house, "admin").await, [] as [Value; 0]);
    let expires_at = clock::now() + SignedDuration::from_hours(48);
    let tls = Tls { listen: "127.0.0.1:8883".into(), expires_at, asks_certificates: true };
    house.desk.hear_door(&Standing { tls: Some(tls), ..door("east", vec![]) }).await.unwrap();
    // Two dispatchers may write down the same in one moment.
    let west = door("west", vec![violation("P1", 1)]);
    let (one, other) = tokio::join!(house.desk.hear_door(&west), house.desk.hear_door(&west));
    one.unwrap();
    other.unwrap();
    house.execute("update door set heard_at = heard_at - interval '21 s' where name = 'west'").await;

    let seen = doors(&house, "admin").await;
    assert_eq!((&seen[0]["name"], &seen[1]["name"]), (&json!("east"), &json!("west")));
    assert_eq!((&seen[0]["silent"], &seen[1]["silent"]), (&json!(false), &json!(true)));
    assert_eq!(seen[0]["counted"], json!({ "connections": 3, "refused_credentials": 7 }));
    assert_eq!((&seen[0]["tls"]["asks_certificates"], &seen[1]["tls"]), (&json!(true), &Value::Null));
    let told: Timestamp = seen[0]["tls"]["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(told.duration_since(expires_at).abs() < SignedDuration::from_millis(1));
    assert_eq!(seen[1]["violations"].as_array().unwrap().len(), 1);

    // What it says next takes the place of what it said; a door that is gone for a week is forgotten.
    house.execute("update door set heard_at = heard_at - interval '8 d' where name = 'west'").await;
    let counted = BTreeMap::from([("connections".into(), 5)]);
    house.desk.hear_door(&Standing { counted, ..door("east", vec![]) }).await.unwrap();
    let seen = doors(&house, "admin").await;
    assert_eq!((seen.len(), &seen[0]["counted"], &seen[0]["tls"]), (1, &json!({ "connections": 5 }), &Value::Null));
    assert_eq!(house.scalar::<i64>("select count(*) from door_violation").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_latest_violations_are_kept_and_shown_to_whom_they_concern(pool: PgPool) {
    let house = House::open(pool).await;
    let said = door("east", vec![violation("hub", 1), violation("P1", 1)]);
    house.desk.hear_door(&said).await.unwrap();
    // The same again, and once more in the same breath.
    house.desk.hear_door(&door("east", vec![violation("hub", 1), violation("P1", 4)])).await.unwrap();
    let seen = doors(&house, "admin").await.remove(0);
    let first = &seen["violations"][0];
    assert_eq!((&first["serial"], &first["times"], &first["what"]), (&json!("P1"), &json!(4), &json!("publish")));
    assert_eq!((&first["topic"], &first["code"]), (&json!("ydt/1/P9/alert"), &json!(0x87)));
    assert_eq!(seen["violations"].as_array().unwrap().len(), 2);
    // P1 is worn in another community, and nobody wears a concentrator; the numbers are everybody's who administers.
    let elsewhere = doors(&house, "admin elsewhere").await.remove(0);
    assert_eq!((&elsewhere["violations"], &elsewhere["counted"]["connections"]), (&json!([]), &json!(3)));
    house.execute("update resident set serving_node = (select id from org_node where name = '江湾社区')").await;
    let elsewhere = doors(&house, "admin elsewhere").await.remove(0);
    assert_eq!(elsewhere["violations"].as_array().unwrap().len(), 1, "{elsewhere}");

    // Whatever a door says, no more are kept than that.
    let many = (0..VIOLATIONS_MAX + 20).map(|n| violation(&format!("N{n}"), 1)).collect();
    house.desk.hear_door(&door("east", many)).await.unwrap();
    let kept: i64 = house.scalar("select count(*) from door_violation").await;
    assert_eq!(kept, i64::try_from(VIOLATIONS_MAX).unwrap());
}
