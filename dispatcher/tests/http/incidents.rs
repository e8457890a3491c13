//! What operators see of an incident, and what they do to it.

use domain::id::IncidentId;
use domain::incident::Input;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

fn path(id: IncidentId, act: &str) -> String {
    format!("/api/v1/incidents/{id}/{act}")
}

async fn act(house: &House, caller: &Caller, id: IncidentId, act: &str, body: Value) -> Answer {
    house.post(caller, &path(id, act), body).await
}

#[track_caller]
fn is_refused(answer: &Answer, reason: &str) {
    assert_eq!(
        (answer.status, answer.code(), answer.reason()),
        (StatusCode::CONFLICT, "refused", reason),
        "{answer:?}"
    );
}

#[track_caller]
fn is_done(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_card_shows_what_is_known(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    let list = house.get(&operator, "/api/v1/incidents?state=open").await.body;
    let summary = &list["incidents"][0];
    assert_eq!(summary["id"], id.to_string());
    assert_eq!(summary["class"], "emergency");
    assert_eq!(summary["kinds"], json!(["sos"]));
    assert_eq!(summary["headline"], "ringing");
    assert_eq!(summary["subject"]["kind"], "resident");
    assert_eq!(summary["subject"]["id"], house.resident.to_string());
    assert_eq!(summary["subject"]["community"], "湘雅社区");
    assert_eq!(summary["serial"], "P1");
    assert_eq!(summary["presses"], 1);
    assert_eq!(summary["handovers"][0]["centre"], "120");
    assert_eq!(summary["handovers"][0]["state"], "prepared");
    assert_eq!(summary["handovers"][0]["voice_due"], false);
    assert!(summary["urgency"].as_i64().unwrap() > 1000);

    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    assert_eq!(card["headline"], "ringing");
    assert_eq!(card["address"], "湘雅路 1 号");
    assert_eq!(card["door_access"], "钥匙在邻居家");
    assert_eq!(card["medical_card"], "高血压");
    assert_eq!(card["born_in"], 1941);
    assert_eq!(card["contacts"][0]["relation"], "儿子");
    assert_eq!(card["terminal"]["serial"], "P1");
    assert_eq!(card["place"]["source"], "gnss");
    assert!((card["place"]["lat"].as_f64().unwrap() - 28.2281).abs() < 1e-9);
    assert!((card["place"]["lon"].as_f64().unwrap() - 112.9381).abs() < 1e-9);
    assert_eq!(card["offers"][0]["responder"], house.near.to_string());
    assert_eq!(card["offers"][0]["state"], "asked");
    assert_eq!(card["offers"][0]["name"], "李卫");
    assert_eq!(card["notices"][0]["news"]["news"], "received");
    assert_eq!(card["notices"][0]["state"], "queued");
    assert!(card["script"]["zh"].as_str().unwrap().contains("湘雅路 1 号"));
    assert!(card["script"]["en"].as_str().unwrap().contains("born 1941"));
    let whats: Vec<&str> =
        card["timeline"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert!(whats.starts_with(&["pressed", "rung"]), "{whats:?}");
    let asked = card["timeline"].as_array().unwrap().iter().find(|entry| entry["what"] == "asked").unwrap();
    assert_eq!(asked["data"]["responder_name"], "李卫");
    assert_eq!(asked["hash"].as_str().unwrap().len(), 64);

    let unknown = house.get(&operator, "/api/v1/incidents/11111111-1111-1111-1111-111111111111").await;
    assert_eq!((unknown.status, unknown.code()), (StatusCode::NOT_FOUND, "not_found"));
    assert_eq!(house.get(&operator, "/api/v1/incidents/7").await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_incident_is_claimed_taken_over_released_and_closed(pool: PgPool) {
    let house = House::open(pool).await;
    let first = house.log_in("operator").await;
    let second = house.log_in("operator2").await;
    let supervisor = house.log_in("supervisor").await;
    let id = house.press().await;

    is_refused(&act(&house, &first, id, "release", json!({})).await, "not_claimed");
    let claimed = act(&house, &first, id, "claim", json!({})).await;
    is_done(&claimed);
    assert_eq!(claimed.body["claimed_by"]["name"], "operator");
    assert_eq!(claimed.body["ring"], "none");
    is_refused(&act(&house, &second, id, "claim", json!({})).await, "claimed_by_other");
    let taken = act(&house, &supervisor, id, "claim", json!({})).await;
    is_done(&taken);
    assert_eq!(taken.body["claimed_by"]["name"], "supervisor");
    let entry = taken.body["timeline"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&entry["what"], &entry["who"]["name"]), (&json!("claimed"), &json!("supervisor")));
    assert_eq!(entry["data"]["from_name"], "operator");

    is_done(&act(&house, &supervisor, id, "release", json!({})).await);
    is_done(&act(&house, &second, id, "claim", json!({})).await);
    is_refused(&act(&house, &second, id, "close", json!({ "outcome": "false_press" })).await, "centre_under_way");
    let stood_down = act(&house, &second, id, "stand-down", json!({ "centre": "120", "reason": "本人确认无恙" })).await;
    is_done(&stood_down);
    assert_eq!(stood_down.body["handovers"][0]["state"], "stood_down");
    assert_eq!(stood_down.body["handovers"][0]["reason"], "本人确认无恙");
    is_done(&act(&house, &second, id, "hand-over", json!({ "centre": "110" })).await);
    is_refused(&act(&house, &second, id, "hand-over", json!({ "centre": "110" })).await, "already_handed_over");
    is_done(&act(&house, &second, id, "stand-down", json!({ "centre": "110", "reason": "x" })).await);
    let closed = act(&house, &second, id, "close", json!({ "outcome": "false_press", "note": "  " })).await;
    is_done(&closed);
    assert_eq!(
        (&closed.body["headline"], &closed.body["closed"]["outcome"]),
        (&json!("closed"), &json!("false_press"))
    );
    assert_eq!(closed.body["closed"]["by"]["name"], "operator2");
    is_refused(&act(&house, &second, id, "claim", json!({})).await, "over");

    let open = house.get(&first, "/api/v1/incidents").await.body;
    assert_eq!(open["incidents"], json!([]));
    let closed = house.get(&first, "/api/v1/incidents?state=closed").await.body;
    assert_eq!(closed["incidents"][0]["id"], id.to_string());
}

#[sqlx::test(migrations = "./migrations")]
async fn somebody_is_asked_by_hand_and_no_longer(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    is_done(&act(&house, &operator, id, "claim", json!({})).await);
    let candidates = house.get(&operator, &path(id, "candidates")).await.body;
    assert_eq!(candidates["shortfall"], Value::Null);
    let (free, busy) = (&candidates["candidates"][0], &candidates["candidates"][1]);
    assert_eq!((&free["responder"], &free["busy"]), (&json!(house.far.to_string()), &json!(false)));
    assert_eq!((&busy["responder"], &busy["busy"]), (&json!(house.near.to_string()), &json!(true)));
    assert!((1_000.0..3_000.0).contains(&free["distance_m"].as_f64().unwrap()));
    assert_eq!(free["skills"], json!(["emergency"]));

    let nobody = json!({ "responder": "11111111-1111-1111-1111-111111111111" });
    assert_eq!(act(&house, &operator, id, "ask", nobody).await.status, StatusCode::NOT_FOUND);
    is_refused(&act(&house, &operator, id, "ask", json!({ "responder": house.near.0 })).await, "already_asked");
    let asked = act(&house, &operator, id, "ask", json!({ "responder": house.far.0 })).await;
    is_done(&asked);
    let offer = asked.body["offers"].as_array().unwrap().last().unwrap()["id"].clone();
    let withdrawn = act(&house, &operator, id, "withdraw", json!({ "offer": offer })).await;
    is_done(&withdrawn);
    assert_eq!(withdrawn.body["offers"].as_array().unwrap().last().unwrap()["state"], "withdrawn");
    is_refused(&act(&house, &operator, id, "withdraw", json!({ "offer": offer })).await, "offer_over");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_responder_who_is_engaged_elsewhere_cannot_be_asked(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    house.press().await;
    let call = json!({ "kind": "telephone", "note": "有人晕倒", "place_in_words": "菜市场" });
    let opened = house.post(&operator, "/api/v1/incidents", call).await;
    let second = IncidentId(opened.body["id"].as_str().unwrap().parse().unwrap());
    is_done(&act(&house, &operator, second, "claim", json!({})).await);
    is_refused(&act(&house, &operator, second, "ask", json!({ "responder": house.near.0 })).await, "responder_busy");
}

#[sqlx::test(migrations = "./migrations")]
async fn an_emergency_by_telephone_is_opened_once_for_each_key(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let call = json!({ "kind": "telephone", "resident": house.resident.0, "place_in_words": "菜市场门口",
        "phone": "13700000000", "note": "邻居说她摔倒了" });
    let key = [("idempotency-key", "k1")];
    let calls = (0..5).map(|_| house.call_with(&operator, Method::POST, "/api/v1/incidents", Some(call.clone()), &key));
    let answers = futures_util::future::join_all(calls).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.body["id"], answers[0].body["id"]);
    }
    assert_eq!(house.scalar::<i32>("select presses from incident").await, 1);
    let id = IncidentId(answers[0].body["id"].as_str().unwrap().parse().unwrap());
    house.desk.apply(id, Input::Wake).await.unwrap();

    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    assert_eq!(card["kinds"], json!(["telephone"]));
    assert_eq!((&card["address"], &card["home_address"]), (&json!("菜市场门口"), &json!("湘雅路 1 号")));
    assert_eq!(card["caller_phone"], "13700000000");
    let entry = &card["timeline"][0];
    assert_eq!((&entry["what"], &entry["who"]["name"]), (&json!("telephoned"), &json!("operator")));
    assert_eq!(entry["data"]["text"], "邻居说她摔倒了");
    assert_eq!(card["handovers"][0]["centre"], "120", "a resident's emergency goes to 120 like a press");

    // Another call, and a press, are appended to the open case.
    let again = json!({ "kind": "telephone", "resident": house.resident.0, "note": "又打来了" });
    let appended = house.post(&operator, "/api/v1/incidents", again).await;
    assert_eq!((&appended.body["id"], &appended.body["presses"]), (&card["id"], &json!(2)));
    assert_eq!(house.press().await, id);

    // A stranger's call waits for the operator, who decides about 120.
    let stranger = json!({ "kind": "telephone", "phone": "13711111111", "note": "路边有人晕倒", "drill": true });
    let opened = house.post(&operator, "/api/v1/incidents", stranger).await;
    assert_eq!((&opened.body["subject"]["kind"], &opened.body["drill"]), (&json!("caller"), &json!(true)));
    let other = IncidentId(opened.body["id"].as_str().unwrap().parse().unwrap());
    let decided = house.desk.apply(other, Input::Wake).await.unwrap();
    assert!(decided.handovers.is_empty());

    let unknown = json!({ "kind": "telephone", "resident": other.0, "note": "x" });
    assert_eq!(house.post(&operator, "/api/v1/incidents", unknown).await.status, StatusCode::NOT_FOUND);
    for wrong in [json!({ "note": "x" }), json!({ "kind": "letter", "note": "x" }), json!({ "kind": "telephone" })] {
        assert_eq!(house.post(&operator, "/api/v1/incidents", wrong).await.code(), "bad_request");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_note_repeated_with_its_key_is_written_once(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    for _ in 0..3 {
        let body = Some(json!({ "text": "家属在路上" }));
        let key = [("idempotency-key", "n1")];
        is_done(&house.call_with(&operator, Method::POST, &path(id, "note"), body, &key).await);
    }
    is_done(&act(&house, &operator, id, "note", json!({ "text": "家属在路上" })).await);
    assert_eq!(house.scalar::<i64>("select count(*) from incident_entry where what = 'noted'").await, 2);
    for text in ["", " ", "a\0", &"长".repeat(4_001)] {
        assert_eq!(act(&house, &operator, id, "note", json!({ "text": text })).await.code(), "bad_request");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_call_by_voice_is_a_task_that_names_the_centre(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    let card = act(&house, &operator, id, "claim", json!({})).await.body;
    let handover = domain::id::HandoverId(card["handovers"][0]["id"].as_str().unwrap().parse().unwrap());
    house.desk.apply(id, Input::CentreUnreachable { handover }).await.unwrap();
    let card = house.get(&operator, &format!("/api/v1/incidents/{id}")).await.body;
    assert_eq!(card["tasks"], json!(["call_120_by_voice"]));
    assert_eq!(card["handovers"][0]["voice_due"], true);
    let done = act(&house, &operator, id, "voice-done", json!({ "centre": "120", "reference": "A-17" })).await;
    is_done(&done);
    assert_eq!(done.body["handovers"][0]["state"], "by_voice");
    assert_eq!(done.body["tasks"], json!([]));
}

#[sqlx::test(migrations = "./migrations")]
async fn residents_are_found_by_what_a_caller_can_say(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    for (q, count) in [
        ("秀英", 1),
        ("陈", 1),
        ("湘雅路", 1),
        ("0731-8000", 1),
        ("1380000", 1),
        ("%", 0),
        ("_", 0),
        ("王", 0),
        // Everybody.
        ("", 1),
    ] {
        let answer = house
            .client
            .get(format!("{}/api/v1/residents", house.base))
            .query(&[("q", q)])
            .header(
                "cookie",
                match &operator {
                    Caller::Cookie { cookie, .. } => cookie,
                    _ => unreachable!(),
                },
            )
            .send()
            .await
            .unwrap();
        let found: Value = answer.json().await.unwrap();
        assert_eq!(found["residents"].as_array().unwrap().len(), count, "{q}: {found}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_provider_without_a_contract_where_somebody_is_is_not_asked(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    // A contract elsewhere, which is the same as none here.
    house.execute("update contract set node_id = (select id from org_node where name = '江湾社区')").await;
    let id = house.press().await;
    let told = house.get(&operator, &path(id, "candidates")).await;
    assert_eq!((told.status, &told.body["candidates"]), (StatusCode::OK, &json!([])), "{told:?}");
    assert_ne!(told.body["shortfall"], Value::Null, "somebody is told that there is nobody");
}

/// The open cases' pagers and the reasons for their places, in the order of the list.
async fn standings(house: &House, who: &Caller) -> Vec<(String, Vec<String>)> {
    let list = house.get(who, "/api/v1/incidents").await.body;
    let standing = |summary: &Value| {
        let reasons = summary["priority"]["reasons"].as_array().unwrap().iter();
        (text(&summary["serial"]), reasons.map(text).collect())
    };
    list["incidents"].as_array().unwrap().iter().map(standing).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[sqlx::test(migrations = "./migrations")]
async fn the_list_follows_who_presses_again_is_silent_very_old_or_at_risk_and_says_so(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    // Nobody stands out, also not for having somebody to go: who has waited longest comes first.
    house.execute("update responder set on_duty = false").await;
    house.execute("update resident set born_in = 1960").await;
    for (serial, name) in [("P2", "王建国"), ("P3", "刘玉兰"), ("P4", "周德明")] {
        house.neighbour(serial, name, 1960).await;
    }
    let mut cases = Vec::new();
    for serial in ["P1", "P2", "P3", "P4"] {
        cases.push(house.press_of(serial).await);
    }
    let in_order = async |expected: [(&str, &[&str]); 4]| {
        let expected = expected.map(|(serial, reasons)| {
            (serial.to_owned(), reasons.iter().map(|&reason| reason.to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(standings(&house, &operator).await, expected);
    };
    in_order([("P1", &[]), ("P2", &[]), ("P3", &[]), ("P4", &[])]).await;

    house.execute("update resident set born_in = extract(year from now())::int - 80 where name = '刘玉兰'").await;
    house.execute("update resident set medical_risk = true where name = '周德明'").await;
    in_order([("P4", &["medical_risk"]), ("P3", &["old"]), ("P1", &[]), ("P2", &[])]).await;

    // Pressing again, twice, is worth as much as a risk; then who has waited longer comes first.
    house.press_of("P2").await;
    house.press_of("P2").await;
    in_order([("P2", &["pressed_often"]), ("P4", &["medical_risk"]), ("P3", &["old"]), ("P1", &[])]).await;

    // Two minutes pass for one of them, as was said beforehand.
    let card = house.get(&operator, &format!("/api/v1/incidents/{}", cases[0])).await.body;
    let next = &card["priority"]["next"];
    assert_eq!(next["reasons"], json!(["silent"]), "{card}");
    let pressed_at: jiff::Timestamp = text(&card["last_press_at"]).parse().unwrap();
    let silent_at: jiff::Timestamp = text(&next["at"]).parse().unwrap();
    assert_eq!(silent_at, pressed_at + jiff::SignedDuration::from_mins(2));
    assert!(next["urgency"].as_i64() > card["urgency"].as_i64());
    house
        .execute(
            "update incident set last_press_at = now() - interval '2 min'
             where resident_id = (select id from resident where name = '陈秀英')",
        )
        .await;
    in_order([("P1", &["silent"]), ("P2", &["pressed_often"]), ("P4", &["medical_risk"]), ("P3", &["old"])]).await;

    // Somebody speaks with them: it is not silent any more.
    is_done(&act(&house, &operator, cases[0], "claim", json!({})).await);
    is_done(&act(&house, &operator, cases[0], "spoken", json!({ "with": "wearer" })).await);
    in_order([("P2", &["pressed_often"]), ("P4", &["medical_risk"]), ("P3", &["old"]), ("P1", &[])]).await;
}
