//! How fast help comes: what the API reads out of timelines, and what contracts may ask for.

use domain::id::IncidentId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use crate::centre::report;
use crate::house::{Caller, House, SECRET_120};

const STEPS: [&str; 11] = [
    "pressed",
    "durable",
    "claimed",
    "spoken",
    "asked",
    "accepted",
    "on_scene",
    "centre_called",
    "centre_answered",
    "vehicle_out",
    "closed",
];

/// A case from the press to its end.
async fn live_through(house: &House, operator: &Caller, outcome: &str) -> IncidentId {
    let responder = house.log_in("responder").await;
    let id = house.press().await;
    let offer: uuid::Uuid = house.scalar("select id from offer where state = 'asked'").await;
    let handover: uuid::Uuid = house.scalar("select id from handover order by id desc limit 1").await;
    for (verb, body) in [("claim", json!({})), ("spoken", json!({ "with": "wearer" }))] {
        let answer = house.post(operator, &format!("/api/v1/incidents/{id}/{verb}"), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{verb} {answer:?}");
    }
    for (verb, body) in [("accept", json!({ "minutes": 5 })), ("on-the-way", json!({})), ("arrived", json!({}))] {
        let answer = house.post(&responder, &format!("/api/v1/offers/{offer}/{verb}"), body).await;
        assert!(answer.status.is_success(), "{verb} {answer:?}");
    }
    for status in ["acknowledged", "dispatched", "arrived"] {
        let told = report(house, &handover.to_string(), &json!({ "status": status }), SECRET_120).await;
        assert_eq!(told.status(), StatusCode::NO_CONTENT);
    }
    let close = house.post(operator, &format!("/api/v1/incidents/{id}/close"), json!({ "outcome": outcome })).await;
    assert_eq!(close.status, StatusCode::OK, "{close:?}");
    id
}

async fn node(house: &House) -> String {
    house.scalar::<uuid::Uuid>("select id from org_node where parent_id is null").await.to_string()
}

async fn month(house: &House, caller: &Caller) -> Value {
    let answer = house.get(caller, &format!("/api/v1/nodes/{}/clocks", node(house).await)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body
}

async fn file(house: &House, caller: &Caller) -> String {
    let Caller::Cookie { cookie, .. } = caller else { unreachable!() };
    let url = format!("{}/api/v1/nodes/{}/clocks.csv", house.base, node(house).await);
    let answer = house.client.get(url).header("cookie", cookie).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    answer.text().await.unwrap()
}

fn of<'v>(month: &'v Value, profile: &str, within_s: u32) -> &'v Value {
    let is_it = |tally: &&Value| tally["target"]["profile"] == profile && tally["target"]["within_s"] == within_s;
    month["targets"].as_array().unwrap().iter().find(is_it).unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_case_shows_every_milestone_that_its_timeline_tells(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = live_through(&house, &operator, "no_injury").await;
    let clocks = house.get(&operator, &format!("/api/v1/incidents/{id}/clocks")).await.body;
    let reached: Vec<&str> =
        clocks["milestones"].as_array().unwrap().iter().map(|one| one["milestone"].as_str().unwrap()).collect();
    assert_eq!(reached, STEPS);
    let at = |step: usize| clocks["milestones"][step]["at"].as_str().unwrap();
    // Operators, responders and 120 each follow the press, and nobody waits for the other.
    for order in [[0, 1, 2, 3, 10], [0, 1, 4, 5, 6], [0, 1, 7, 8, 9]] {
        assert!(order.map(at).is_sorted(), "{clocks}");
    }
    assert_eq!(clocks["clocks"].as_array().unwrap().len(), 9);
    let states: Vec<&Value> = clocks["readings"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, vec!["met"; 7]);
    assert_eq!((&clocks["weight"], &clocks["next"]), (&json!("counted"), &Value::Null));
    let again = house.post(&operator, &format!("/api/v1/incidents/{id}/spoken"), json!({ "with": "wearer" })).await;
    assert_eq!((again.status, again.reason()), (StatusCode::CONFLICT, "over"));
}

#[sqlx::test(migrations = "./migrations")]
async fn an_open_case_counts_down_to_the_next_breach(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = house.press().await;
    let path = format!("/api/v1/incidents/{id}/clocks");
    let clocks = house.get(&operator, &path).await.body;
    let next = &clocks["readings"][usize::try_from(clocks["next"].as_u64().unwrap()).unwrap()];
    assert_eq!((&next["target"]["profile"], &next["target"]["within_s"]), (&json!("nena"), &json!(15)));
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at(&next["due_at"]).duration_since(at(&clocks["milestones"][0]["at"])).as_secs(), 15);

    house.execute("update report set received_at = received_at - interval '30 s'").await;
    let clocks = house.get(&operator, &path).await.body;
    let states: Vec<(&Value, &Value)> = clocks["readings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reading| (&reading["target"]["within_s"], &reading["state"]))
        .collect();
    let (overrun, running) = (json!("overrun"), json!("running"));
    let (s15, s20, s60, s180, door) = (json!(15), json!(20), json!(60), json!(180), json!(2_700));
    assert_eq!(
        states,
        [(&s15, &overrun), (&s20, &overrun), (&s60, &running), (&s180, &running), (&door, &running)],
        "120's machine has not taken anything: its clock does not run"
    );
    let next = &clocks["readings"][usize::try_from(clocks["next"].as_u64().unwrap()).unwrap()];
    assert_eq!(next["target"]["within_s"], 60);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_month_counts_calls_and_leaves_drills_and_tests_out(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let late = live_through(&house, &operator, "no_injury").await;
    house.execute("update report set received_at = received_at - interval '70 s'").await;
    live_through(&house, &operator, "test").await;
    live_through(&house, &operator, "ambulance").await;
    house.execute("update incident set drill = true where outcome = 'ambulance'").await;
    live_through(&house, &operator, "no_injury").await;

    let month = month(&house, &operator).await;
    assert_eq!((&month["counted"], &month["drills"], &month["tests"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(month["time_zone"], "Asia/Shanghai");
    for (profile, within_s, met, missed) in
        [("nena", 15, 1, 1), ("nena", 20, 1, 1), ("tsa", 60, 1, 1), ("tsa", 180, 2, 0), ("door", 2_700, 2, 0)]
    {
        let tally = of(&month, profile, within_s);
        assert_eq!((&tally["met"], &tally["missed"]), (&json!(met), &json!(missed)), "{tally}");
        assert_eq!(tally["keeps"], json!(missed == 0), "{tally}");
        let risk = tally["forecast"]["risk"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&risk), "{tally}");
    }
    assert_eq!(month["breaches_total"], 3);
    for breach in month["breaches"].as_array().unwrap() {
        assert_eq!(breach["incident"], json!(late.0));
        assert!((70_000..80_000).contains(&breach["took_ms"].as_i64().unwrap()), "{breach}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn the_evidence_has_a_line_a_case_no_name_and_the_hash_that_was_told(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = live_through(&house, &operator, "no_injury").await;
    live_through(&house, &operator, "test").await;
    let month = month(&house, &operator).await;
    let file = file(&house, &operator).await;
    assert_eq!(month["evidence"]["sha256"], hex::encode(Sha256::digest(file.as_bytes())));
    assert_eq!(month["evidence"]["cases"], 2);
    let lines: Vec<Vec<&str>> = file.split_terminator("\r\n").map(|line| line.split(',').collect()).collect();
    let head: Vec<String> = ["case", "day", "class", "weight", "outcome"]
        .map(str::to_owned)
        .into_iter()
        .chain(STEPS.map(|step| format!("{step}_at")))
        .collect();
    assert_eq!(lines[0], head);
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() == head.len()), "{file}");
    assert_eq!((lines[1][2], lines[1][3], lines[2][3]), ("emergency", "counted", "test"));
    assert!(lines[1][5].parse::<jiff::Timestamp>().is_ok(), "{file}");
    for name in ["陈", "P1", "0731-8", "湘雅", &id.to_string(), &house.resident.to_string()] {
        assert!(!file.contains(name), "{name} in {file}");
    }
    // Whoever may see the case can find its line, and nobody else.
    let clocks = house.get(&operator, &format!("/api/v1/incidents/{id}/clocks")).await.body;
    assert_eq!(clocks["evidence"], lines[1][0]);
    let taken: i64 = house.scalar("select count(*) from audit where what = 'took_evidence'").await;
    assert_eq!(taken, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_month_begins_at_midnight_where_the_district_is(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let id = live_through(&house, &operator, "no_injury").await;
    let path = format!("/api/v1/nodes/{}/clocks", node(&house).await);
    let counted =
        async |month: &str| house.get(&operator, &format!("{path}?month={month}")).await.body["counted"].clone();
    // 23:59:59 on 28 February in Changsha, one second before March.
    for (at, february, march) in [("2026-02-28T15:59:59Z", 1, 0), ("2026-02-28T16:00:00Z", 0, 1)] {
        sqlx::query("update incident set opened_at = $1::timestamptz where id = $2")
            .bind(at)
            .bind(id.0)
            .execute(&house.pool)
            .await
            .unwrap();
        assert_eq!((counted("2026-02").await, counted("2026-03").await), (json!(february), json!(march)), "{at}");
    }
    house.execute("update org_node set time_zone = 'Asia/Urumqi' where parent_id is null").await;
    assert_eq!((counted("2026-02").await, counted("2026-03").await), (json!(1), json!(0)));
    for wrong in ["2026-13", "2026", "march", "2026-3", "0000-01"] {
        let answer = house.get(&operator, &format!("{path}?month={wrong}")).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "bad_request"), "{wrong}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_contract_may_ask_for_more_and_is_held_to_its_own_responders(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let admin = house.log_in("admin").await;
    let targets = format!("/api/v1/nodes/{}/targets", node(&house).await);
    let provider: uuid::Uuid =
        house.scalar("select provider_id from responder r join app_user u on u.id = r.user_id").await;
    let draft = json!({
        "source": "2026-017 号合同", "provider": provider, "clock": "asked_on_scene", "calls": "help", "share": 0.98,
        "within_s": 900,
    });
    let made = house.post(&admin, &targets, draft.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.body["targets"][0]["share"], 0.98);
    live_through(&house, &operator, "no_injury").await;

    let own = |month: &Value| {
        let all = month["targets"].as_array().unwrap().clone();
        all.into_iter().find(|tally| tally["target"]["profile"].is_null())
    };
    let tally = own(&month(&house, &operator).await).unwrap();
    assert_eq!((&tally["met"], &tally["missed"], &tally["keeps"]), (&json!(1), &json!(0), &json!(true)), "{tally}");
    // Whom this provider did not send is no case of theirs.
    house.execute("insert into provider (id, name, node_id) select gen_random_uuid(), '别家', root_node()").await;
    house.execute("update clock_target set provider_id = (select id from provider where name = '别家')").await;
    let tally = own(&month(&house, &operator).await).unwrap();
    assert_eq!((&tally["met"], &tally["keeps"]), (&json!(0), &Value::Null), "{tally}");

    let id = made.body["targets"][0]["id"].as_str().unwrap();
    let end = house.call(&admin, Method::DELETE, &format!("/api/v1/targets/{id}"), None).await;
    assert_eq!(end.status, StatusCode::NO_CONTENT, "{end:?}");
    assert_eq!(own(&month(&house, &operator).await), None);
    let twice = house.call(&admin, Method::DELETE, &format!("/api/v1/targets/{id}"), None).await;
    assert_eq!(twice.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_target_that_cannot_be_is_refused_and_says_which_field(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let targets = format!("/api/v1/nodes/{}/targets", node(&house).await);
    let good = json!({ "source": "合同", "clock": "pressed_spoken", "calls": "help", "share": 0.9, "within_s": 60 });
    for (field, value) in [
        ("share", json!(0)),
        ("share", json!(1.5)),
        ("share", json!(-0.1)),
        ("share", json!(95)),
        ("share", json!(0.123_456)),
        ("within_s", json!(0)),
        ("within_s", json!(-5)),
        ("within_s", json!(2_678_401)),
        ("clock", json!("pressed_forgotten")),
        ("calls", json!("all")),
        ("provider", json!("11111111-1111-1111-1111-111111111111")),
    ] {
        let mut draft = good.clone();
        draft[field] = value.clone();
        let answer = house.post(&admin, &targets, draft).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "{field} {value}");
        assert_eq!(answer.body["error"]["field"], field, "{answer:?}");
    }
    let none: i64 = house.scalar("select count(*) from clock_target").await;
    assert_eq!(none, 0);
    assert_eq!(house.post(&admin, &targets, good).await.status, StatusCode::CREATED);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_telephone_call_has_no_press_and_counts_as_spoken_to(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    let call = json!({ "kind": "telephone", "phone": "13711111111", "note": "路边有人晕倒" });
    let id = house.post(&operator, "/api/v1/incidents", call).await.body["id"].clone();
    let clocks = house.get(&operator, &format!("/api/v1/incidents/{}/clocks", id.as_str().unwrap())).await.body;
    let reached: Vec<&Value> = clocks["milestones"].as_array().unwrap().iter().map(|one| &one["milestone"]).collect();
    assert_eq!(reached, ["spoken"]);
    assert_eq!(clocks["readings"], json!([]));
}
