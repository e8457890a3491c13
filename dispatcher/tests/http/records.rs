//! Residents' records as administrators change them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

/// The record as a page sends it back that changes nothing.
fn draft(kept: &Value) -> Value {
    let mut draft = json!({ "version": kept["version"] });
    for field in [
        "name",
        "sex",
        "born_in",
        "phone",
        "category",
        "address",
        "door_access",
        "home",
        "medical_card",
        "wants_sex",
        "wants_language",
    ] {
        draft[field] = kept[field].clone();
    }
    let contacts = kept["contacts"].as_array().unwrap().iter().map(|contact| {
        let mut draft = contact.clone();
        draft["was"] = contact["rank"].clone();
        draft
    });
    draft["contacts"] = contacts.collect();
    draft["medical_risk"] = kept["medical_risk"].clone();
    draft
}

fn path(house: &House) -> String {
    format!("/api/v1/residents/{}", house.resident)
}

async fn save(house: &House, admin: &Caller, draft: &Value) -> Answer {
    house.call(admin, Method::PUT, &path(house), Some(draft.clone())).await
}

#[sqlx::test(migrations = "./migrations")]
async fn a_resident_is_changed_and_who_did_it_is_written_down(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let kept = house.get(&admin, &path(&house)).await.body;
    let mut wanted = draft(&kept);
    wanted["name"] = json!(" 陈秀瑛 ");
    wanted["born_in"] = Value::Null;
    wanted["phone"] = json!("");
    wanted["home"] = json!({ "lat": 28.2301, "lon": 112.9402 });
    wanted["medical_card"] = json!("高血压，青霉素过敏");
    wanted["medical_risk"] = json!(true);
    wanted["wants_sex"] = json!("female");
    wanted["wants_language"] = json!(" 长沙话 ");
    let son = wanted["contacts"][0].clone();
    wanted["contacts"] = json!([
        { "was": null, "name": "陈丽", "relation": "女儿", "phone": "138 0000 0002", "email": "li@mail.example" },
        son,
    ]);
    let saved = save(&house, &admin, &wanted).await;
    assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
    let told = &saved.body;
    assert_eq!((&told["name"], &told["version"], &told["born_in"]), (&json!("陈秀瑛"), &json!(2), &Value::Null));
    assert_eq!((&told["phone"], &told["door_access"]), (&Value::Null, &json!("钥匙在邻居家")));
    assert_eq!(told["home"], json!({ "lat": 28.2301, "lon": 112.9402 }));
    assert_eq!((&kept["medical_risk"], &told["medical_risk"]), (&json!(false), &json!(true)));
    assert_eq!((&told["wants_sex"], &told["wants_language"]), (&json!("female"), &json!("长沙话")));
    let contact = |rank: usize| &told["contacts"][rank - 1];
    assert_eq!((&contact(1)["name"], &contact(1)["rank"]), (&json!("陈丽"), &json!(1)));
    assert_eq!((&contact(2)["name"], &contact(2)["phone"]), (&json!("陈明"), &json!("13800000000")));
    let seen = house.get(&house.log_in("operator").await, &path(&house)).await.body;
    assert_eq!(&seen, told, "everybody sees it");

    let written: Vec<(Value, bool)> = sqlx::query_as(
        "select a.data, u.login = 'admin' and a.resident_id is not null from audit a join app_user u on u.id = a.user_id
         where a.what = 'resident_changed'",
    )
    .fetch_all(&house.pool)
    .await
    .unwrap();
    let fields = json!({ "fields":
        ["name", "born_in", "phone", "home", "medical_card", "medical_risk", "wants_sex", "wants_language", "contacts"] });
    assert_eq!(written, [(fields, true)]);

    // The same once more changes nothing, and is no edit.
    assert_eq!(save(&house, &admin, &draft(told)).await.body, *told);
    assert_eq!(house.scalar::<i64>("select count(*) from audit where what = 'resident_changed'").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn two_people_who_change_the_same_resident_lose_nothing_in_silence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let kept = house.get(&admin, &path(&house)).await.body;
    let (mut first, mut second) = (draft(&kept), draft(&kept));
    first["door_access"] = json!("门禁 1234");
    second["medical_card"] = json!("糖尿病");
    assert_eq!(save(&house, &admin, &first).await.status, StatusCode::OK);
    let late = save(&house, &admin, &second).await;
    assert_eq!((late.status, late.code()), (StatusCode::CONFLICT, "edited_meanwhile"), "{late:?}");
    let current = &late.body["error"]["current"];
    assert_eq!((&current["door_access"], &current["version"]), (&json!("门禁 1234"), &json!(2)));
    assert_eq!(current["medical_card"], "高血压", "what was refused has left no trace");
    // An import is an edit, too.
    house.execute("update resident set phone = '0731-80000009'").await;
    let mut third = draft(current);
    third["medical_card"] = json!("糖尿病");
    assert_eq!(save(&house, &admin, &third).await.code(), "edited_meanwhile");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_webhooks_key_stays_with_its_address_and_is_never_told(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let kept = house.get(&admin, &path(&house)).await.body;
    let mut wanted = draft(&kept);
    wanted["contacts"][0]["webhook_url"] = json!("https://hook.example/t0ken");
    let refused = save(&house, &admin, &wanted).await;
    assert_eq!(
        refused.body["error"]["message"],
        "contacts: 陈明: a new address of a webhook needs a key that signs its messages"
    );
    wanted["contacts"][0]["webhook_secret"] = json!("0123456789abcdef");
    let saved = save(&house, &admin, &wanted).await;
    assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
    assert_eq!(saved.body["contacts"][0]["webhook_url"], "https://hook.example/t0ken");
    assert!(!saved.body.to_string().contains("0123456789abcdef"));
    // The address may be a secret in itself.
    let seen = house.get(&house.log_in("operator").await, &path(&house)).await.body;
    assert!(!seen.to_string().contains("t0ken"), "{seen}");

    // Moved down a place, without the key: the address keeps it, and what they are told of stays.
    house.execute("update contact set told_of = '{emergency}', language = 'en'").await;
    let mut moved = draft(&saved.body);
    let son = moved["contacts"][0].clone();
    moved["contacts"] = json!([{ "name": "陈丽", "phone": "13800000002" }, son]);
    assert_eq!(save(&house, &admin, &moved).await.status, StatusCode::OK);
    let kept: (i16, String, Vec<String>, String) =
        sqlx::query_as("select rank, webhook_secret, told_of, language from contact where name = '陈明'")
            .fetch_one(&house.pool)
            .await
            .unwrap();
    assert_eq!(kept, (2, "0123456789abcdef".into(), vec!["emergency".into()], "en".into()));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_record_that_cannot_be_is_refused_with_its_field_and_a_sentence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let kept = house.get(&admin, &path(&house)).await.body;
    let contact = |with: Value| {
        let mut contact = json!({ "name": "陈丽", "phone": "13800000002" });
        contact.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        json!([contact])
    };
    let cases = [
        ("born_in", json!(1741), "nobody here was born in 1741"),
        ("phone", json!("明天"), "“明天” is no telephone number: it takes digits, spaces and dashes"),
        (
            "home",
            json!({ "lat": 48.85, "lon": 2.35 }),
            "that is 9034 km from the district; longitude and latitude may be swapped",
        ),
        ("home", json!({ "lat": 112.9, "lon": 28.2 }), "is no place: outside the range of latitudes and longitudes"),
        (
            "contacts",
            contact(json!({ "phone": "x" })),
            "陈丽: “x” is no telephone number: it takes digits, spaces and dashes",
        ),
        ("contacts", contact(json!({ "email": "li" })), "陈丽: the e-mail address is no e-mail address"),
        (
            "contacts",
            contact(json!({ "webhook_url": "http://hook.example/" })),
            "陈丽: the webhook's is no address of a webhook: it begins with https:// (http:// to this machine only)",
        ),
        (
            "contacts",
            contact(json!({ "webhook_url": "https://hook.example/", "webhook_secret": "short" })),
            "陈丽: the key is no key for a webhook: it takes 16 to 200 plain characters",
        ),
        ("contacts", contact(json!({ "was": 7 })), "there is no contact 7, or they stand there twice"),
        ("contacts", json!(vec![json!({ "name": "陈丽", "phone": "138" }); 21]), "21 are too many: at most 20"),
    ];
    for (field, value, sentence) in cases {
        let mut wanted = draft(&kept);
        wanted[field] = value;
        let refused = save(&house, &admin, &wanted).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "{refused:?}");
        assert_eq!(refused.body["error"]["message"], format!("{field}: {sentence}"));
        assert_eq!(refused.body["error"]["field"], field);
    }
    for (field, value) in [
        ("name", json!(" ")),
        ("address", Value::Null),
        ("sex", json!("x")),
        ("wants_sex", json!("either")),
        ("born_in", json!("1941")),
        ("contacts", Value::Null),
    ] {
        let mut wanted = draft(&kept);
        wanted[field] = value;
        assert_eq!(save(&house, &admin, &wanted).await.code(), "bad_request", "{field}");
    }
    // What is not said is not taken for nothing.
    for field in draft(&kept).as_object().unwrap().keys() {
        let mut wanted = draft(&kept);
        wanted.as_object_mut().unwrap().remove(field);
        let refused = save(&house, &admin, &wanted).await;
        let sentence = refused.body["error"]["message"].as_str().unwrap();
        assert!(sentence.contains(&format!("missing field `{field}`")), "{field}: {refused:?}");
    }
    assert_eq!(house.get(&admin, &path(&house)).await.body, kept, "nothing of it has left a trace");
}
