//! Escalation ladders: tried before they are saved, refused with a sentence, changed, and the days that are off.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, Caller, House};

fn rung(after_s: i64, act: &str, when: &str) -> Value {
    json!({ "after_s": after_s, "act": act, "when": when })
}

fn emergency() -> Value {
    json!({
        "class": "emergency", "days": "every", "from_minute": 0, "until_minute": 1440, "every_s": 60,
        "rungs": [
            rung(0, "operators", "always"),
            rung(20, "grid_officer", "always"),
            rung(45, "centres", "unclaimed"),
            rung(45, "everybody", "always"),
        ],
    })
}

async fn root(house: &House) -> uuid::Uuid {
    house.scalar("select id from org_node where level = 'district' order by id limit 1").await
}

async fn make(house: &House, admin: &Caller, draft: Value) -> Answer {
    house.post(admin, &format!("/api/v1/nodes/{}/ladders", root(house).await), draft).await
}

#[sqlx::test(migrations = "./migrations")]
async fn a_ladder_is_seen_as_a_time_line_before_it_is_saved(pool: PgPool) {
    let house = House::open(pool).await;
    house.execute("update org_node set handover_policy = 'operator_first'").await;
    let admin = house.log_in("admin").await;
    let path = format!("/api/v1/nodes/{}/ladders/preview", root(&house).await);
    let line = house.post(&admin, &path, emergency()).await;
    assert_eq!((line.status, &line.body["refused"]), (StatusCode::OK, &Value::Null), "{line:?}");
    assert_eq!(at(&line.body["unanswered"], "rung", &json!("operators")), Some(0));
    assert_eq!(at(&line.body["unanswered"], "grid_officer_due", &Value::Null), Some(20));
    assert_eq!(at(&line.body["unanswered"], "handed_over", &json!("120")), Some(45));
    assert_eq!(at(&line.body["nobody_there"], "handed_over", &json!("120")), Some(0));
    let kept: i64 = house.scalar("select count(*) from ladder").await;
    assert_eq!(kept, 0, "a preview saves nothing");
    let mut bad = emergency();
    bad["rungs"].as_array_mut().unwrap().pop();
    let refused = house.post(&admin, &path, bad).await.body["refused"].clone();
    assert_eq!((&refused["reason"], &refused["rung"]), (&json!("ladder_no_last"), &Value::Null));
}

/// When something happens for the first time.
fn at(line: &Value, what: &str, detail: &Value) -> Option<i64> {
    let moments = line.as_array().unwrap();
    moments.iter().find(|one| one["what"] == what && &one["detail"] == detail)?["after_s"].as_i64()
}

#[sqlx::test(migrations = "./migrations")]
async fn what_could_forget_a_case_is_refused_with_a_sentence(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let change = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut draft = emergency();
        change(draft["rungs"].as_array_mut().unwrap());
        draft
    };
    let cases = [
        (change(&|rungs| drop(rungs.pop())), "ladder_no_last"),
        (change(&|rungs| rungs[3]["when"] = json!("unclaimed")), "ladder_no_last"),
        (change(&|rungs| rungs.clear()), "ladder_no_first"),
        (change(&|rungs| rungs[2]["after_s"] = json!(10)), "ladder_falling"),
        (change(&|rungs| rungs.insert(1, rung(0, "operators", "always"))), "ladder_twice"),
        (change(&|rungs| drop(rungs.remove(2))), "ladder_no_centres"),
        (change(&|rungs| rungs[2]["when"] = json!("nobody_goes")), "ladder_no_centres"),
        (change(&|rungs| rungs[3]["after_s"] = json!(14_401)), "ladder_too_long"),
        (
            {
                let mut draft = emergency();
                draft["every_s"] = json!(0);
                draft
            },
            "ladder_again",
        ),
        (
            {
                let mut draft = emergency();
                draft["class"] = json!("service");
                draft
            },
            "ladder_unfit",
        ),
    ];
    for (draft, reason) in cases {
        let answer = make(&house, &admin, draft).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        assert_eq!((answer.code(), answer.reason()), ("bad_ladder", reason), "{answer:?}");
    }
    let kept: i64 = house.scalar("select count(*) from ladder").await;
    assert_eq!(kept, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_ladder_is_saved_changed_by_who_has_seen_it_and_removed(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let made = make(&house, &admin, emergency()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let kept = &made.body["ladders"][0];
    assert_eq!((&kept["version"], &kept["rungs"]), (&json!(1), &emergency()["rungs"]));
    assert_eq!(made.body["standard"].as_array().unwrap().len(), 4);
    let again = make(&house, &admin, emergency()).await;
    assert_eq!((again.status, again.code()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"), "two at a time");
    let mut night = emergency();
    (night["from_minute"], night["until_minute"], night["days"]) = (json!(1320), json!(360), json!("off"));
    assert_eq!(make(&house, &admin, night).await.status, StatusCode::CREATED, "one for such days beside it");

    let path = format!("/api/v1/ladders/{}", kept["id"].as_str().unwrap());
    let mut change = emergency();
    (change["version"], change["rungs"][1]["after_s"]) = (json!(1), json!(25));
    let changed = house.call(&admin, Method::PUT, &path, Some(change.clone())).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let stale = house.call(&admin, Method::PUT, &path, Some(change)).await;
    assert_eq!(stale.code(), "edited_meanwhile");
    let gone = house.call(&admin, Method::DELETE, &path, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let written: Vec<String> = sqlx::query_scalar("select what from audit where what like 'ladder%' order by id")
        .fetch_all(&house.pool)
        .await
        .unwrap();
    assert_eq!(written, ["ladder_made", "ladder_made", "ladder_changed", "ladder_removed"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_database_itself_keeps_a_ladder_that_forgets_a_case_out(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    assert_eq!(make(&house, &admin, emergency()).await.status, StatusCode::CREATED);
    for harm in [
        "update ladder set acts[4] = 'supervisors'",
        "update ladder set whens[4] = 'unclaimed'",
        "update ladder set afters_s[2] = 50",
        "update ladder set afters_s = afters_s[1:3]",
        "update ladder set acts[3] = '120'",
        "update ladder set every_s = 0",
        "update ladder set class = 'service'",
    ] {
        let outcome = sqlx::query(harm).execute(&house.pool).await;
        assert!(outcome.is_err(), "{harm}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn days_off_decide_which_ladder_holds(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let node = root(&house).await;
    let mut off = emergency();
    off["days"] = json!("off");
    assert_eq!(make(&house, &admin, emergency()).await.status, StatusCode::CREATED);
    assert_eq!(make(&house, &admin, off).await.status, StatusCode::CREATED);
    let path = format!("/api/v1/nodes/{node}/holidays");
    // 2026-10-01 is a Thursday; 2026-10-10 a Saturday that is worked.
    let days = json!({ "holidays": [
        { "day": "2026-10-01", "off": true, "name": "国庆节" },
        { "day": "2026-10-10", "off": false, "name": "国庆节调休" },
    ] });
    let set = house.call(&admin, Method::PUT, &path, Some(days)).await;
    assert_eq!((set.status, set.body["holidays"].as_array().unwrap().len()), (StatusCode::OK, 2), "{set:?}");
    // Asked for the community below, by the clock of 长沙.
    let holds = "select array_agg(l.days order by at) from unnest(array[
            '2026-09-30 12:00+08', '2026-10-01 00:00+08', '2026-10-01 23:59+08', '2026-10-03 12:00+08',
            '2026-10-10 12:00+08']::timestamptz[]) as at
        join ladder l on l.id = ladder_of((select serving_node from resident limit 1), 'emergency', at)";
    let days: Vec<String> = house.scalar(holds).await;
    assert_eq!(days, ["every", "off", "off", "off", "every"]);
    for (bad, why) in [("2026-13-01", "no day"), ("2026-10-01", "twice")] {
        let day = json!({ "day": bad, "off": true, "name": "x" });
        let answer = house.call(&admin, Method::PUT, &path, Some(json!({ "holidays": [day.clone(), day] }))).await;
        assert_eq!(answer.code(), "bad_field", "{why} {answer:?}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn an_operator_sees_whom_to_telephone_and_says_that_they_have(pool: PgPool) {
    let house = House::open(pool).await;
    let (admin, operator) = (house.log_in("admin").await, house.log_in("operator").await);
    let mut draft = emergency();
    draft["rungs"][1]["after_s"] = json!(0);
    assert_eq!(make(&house, &admin, draft).await.status, StatusCode::CREATED);
    house.execute("update app_user set phone = '13800000009' where login = 'grid officer'").await;
    let id = house.press().await;
    let path = format!("/api/v1/incidents/{id}");
    let card = house.post(&operator, &format!("{path}/claim"), json!({})).await.body;
    let task = json!("call_grid_officer");
    assert!(card["tasks"].as_array().unwrap().contains(&task), "{card}");
    assert_eq!(card["grid_officers"], json!([{ "name": "grid officer", "phone": "13800000009" }]));
    let done = house.post(&operator, &format!("{path}/grid-officer-called"), json!({})).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert!(!done.body["tasks"].as_array().unwrap().contains(&task));
    let again = house.post(&operator, &format!("{path}/grid-officer-called"), json!({})).await;
    assert_eq!((again.status, again.reason()), (StatusCode::CONFLICT, "no_such_task"));
}

#[sqlx::test(migrations = "./migrations")]
async fn an_administrator_says_whether_a_case_closes_once_its_wearer_is_back(pool: PgPool) {
    let house = House::open(pool).await;
    let admin = house.log_in("admin").await;
    let root = root(&house).await;
    let below: uuid::Uuid = house.scalar("select id from org_node where level = 'community' order by id limit 1").await;
    let path = |node: uuid::Uuid| format!("/api/v1/nodes/{node}/returned");
    let held = async |node| house.get(&admin, &format!("/api/v1/nodes/{node}/ladders")).await.body["returned"].clone();
    assert_eq!(held(root).await, json!({ "own_s": null, "after_s": null }), "by itself nothing closes");

    let said = house.call(&admin, Method::PUT, &path(root), Some(json!({ "own_s": 900 }))).await;
    assert_eq!((said.status, &said.body["returned"]), (StatusCode::OK, &json!({ "own_s": 900, "after_s": 900 })));
    assert_eq!(held(below).await, json!({ "own_s": null, "after_s": 900 }));
    house.call(&admin, Method::PUT, &path(below), Some(json!({ "own_s": 0 }))).await;
    assert_eq!(held(below).await, json!({ "own_s": 0, "after_s": null }), "never, whatever is said above");
    for own_s in [1, 59, -1, 86_401] {
        let refused = house.call(&admin, Method::PUT, &path(root), Some(json!({ "own_s": own_s }))).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("own_s"))
        );
    }
    let written: i64 = house.scalar("select count(*) from audit where what = 'returned_set'").await;
    assert_eq!(written, 2);
}
