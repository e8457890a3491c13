//! Who may call what. Every route has a case here; one without fails.

use std::sync::Arc;

use dispatcher::desk::Desk;
use dispatcher::http::routes::Route;
use dispatcher::http::{self, Api, Surroundings, routes};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::house::{Caller, House, TOKEN};

/// Who gets past the door of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    /// Whoever comes.
    Anybody,
    /// Whoever is logged in.
    Users,
    /// Operators, supervisors, administrators.
    Operators,
    /// They, and grid officers.
    Seers,
    /// The same people, who order daily help.
    Orderers,
    /// Supervisors, administrators.
    Supervisors,
    /// The same people, who read what administrators write.
    Overseers,
    /// Administrators.
    Administrators,
    /// Responders, by cookie or token.
    Responders,
    /// Whoever signs; a login counts for nothing.
    Signers,
}

/// Of contracts, the people who go, and what residents ask of these.
fn who_can_go() -> Vec<(Method, &'static str, May, Value)> {
    let nobody = "00000000-0000-0000-0000-000000000000";
    let contract = json!({
        "version": 1, "node": nobody, "category": "meal", "since": "2026-01-01", "until": null, "hours": null, "area": null,
        "price_class": null, "capacity": null, "grade": null,
    });
    let abilities = json!({ "version": 1, "skills": null, "mode": "walk", "sex": null, "languages": [] });
    let shift = json!({ "from": "2026-01-01T00:00:00Z", "until": "2026-01-01T08:00:00Z" });
    let get = |path, may| (Method::GET, path, may, Value::Null);
    let post = |path, may, body| (Method::POST, path, may, body);
    vec![
        get("/api/v1/providers", May::Overseers),
        post("/api/v1/providers/{id}/contracts", May::Administrators, contract.clone()),
        (Method::PUT, "/api/v1/contracts/{id}", May::Administrators, contract),
        (Method::DELETE, "/api/v1/contracts/{id}", May::Administrators, Value::Null),
        get("/api/v1/providers/{id}/responders", May::Overseers),
        (Method::PUT, "/api/v1/responders/{id}", May::Administrators, abilities),
        get("/api/v1/providers/{id}/shifts", May::Overseers),
        post("/api/v1/responders/{id}/shifts", May::Administrators, shift),
        (Method::DELETE, "/api/v1/shifts/{id}", May::Administrators, Value::Null),
        get("/api/v1/residents/{id}/refusals", May::Seers),
        post("/api/v1/residents/{id}/refusals", May::Operators, json!({ "responder": nobody, "why": "x" })),
        (Method::DELETE, "/api/v1/residents/{id}/refusals/{responder}", May::Operators, Value::Null),
    ]
}

/// Of who is heard, and who has said that they are fine.
fn heard() -> Vec<(Method, &'static str, May, Value)> {
    let plan = json!({
        "version": 0, "times": ["08:00"], "days": [1], "time_zone": null, "grace_min": 60, "quiet": null, "ways": ["key"],
    });
    let pause = json!({ "until": "2026-01-01T00:00:00Z", "why": "x" });
    let contract = json!({
        "model": "x", "version": 7, "moving_s": 300, "still_s": 600, "charging_s": 600, "late_beats": 2, "silent_beats": 6,
        "lost_after_s": 86400, "alarm": "lost",
    });
    let get = |path, may| (Method::GET, path, may, Value::Null);
    vec![
        get("/api/v1/residents/{id}/check-ins", May::Seers),
        (Method::POST, "/api/v1/residents/{id}/check-ins", May::Operators, Value::Null),
        (Method::PUT, "/api/v1/residents/{id}/check-in-plan", May::Administrators, plan),
        (Method::DELETE, "/api/v1/residents/{id}/check-in-plan", May::Administrators, Value::Null),
        (Method::POST, "/api/v1/residents/{id}/check-in-pauses", May::Operators, pause),
        (Method::DELETE, "/api/v1/residents/{id}/check-in-pauses/{pause}", May::Operators, Value::Null),
        get("/api/v1/silence", May::Seers),
        get("/api/v1/silence/terminals", May::Seers),
        get("/api/v1/outages/{id}/members", May::Seers),
        (Method::POST, "/api/v1/outages/{id}/acknowledgement", May::Supervisors, Value::Null),
        get("/api/v1/test-presses", May::Seers),
        get("/api/v1/heartbeat-contracts", May::Administrators),
        (Method::PUT, "/api/v1/heartbeat-contracts", May::Administrators, contract),
    ]
}

/// Every route: who may, and a body that gets as far as the door.
#[expect(clippy::too_many_lines, reason = "a table, a line a route")]
fn cases() -> Vec<(Method, &'static str, May, Value)> {
    let nobody = "00000000-0000-0000-0000-000000000000";
    let fence = json!({
        "name": "家", "version": 1, "shape": { "type": "circle", "center": [112.938, 28.228], "radius_m": 300.0 },
    });
    let tried = json!({ "shape": fence["shape"] });
    let pause = json!({ "from": "2026-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z", "why": "x" });
    let record = json!({
        "version": 1, "name": "陈秀英", "sex": null, "born_in": null, "phone": null, "category": null, "address": "x",
        "door_access": null, "home": null, "medical_card": null, "medical_risk": false, "contacts": [], "wants_sex": null,
        "wants_language": null,
    });
    let push = json!({ "endpoint": "https://push.example/x", "keys": { "p256dh": "x", "auth": "x" } });
    let target = json!({ "source": "x", "clock": "asked_on_scene", "calls": "help", "share": 0.9, "within_s": 60 });
    let rung = |after_s: i64, act: &str| json!({ "after_s": after_s, "act": act, "when": "always" });
    let ladder = json!({
        "version": 1, "class": "emergency", "days": "every", "from_minute": 0, "until_minute": 1440, "every_s": 60,
        "rungs": [rung(0, "operators"), rung(60, "centres"), rung(60, "everybody")],
    });
    let get = |path, may| (Method::GET, path, may, Value::Null);
    let post = |path, may, body| (Method::POST, path, may, body);
    let rest = vec![
        // First: without anybody who decides, what the others open is soon overdue.
        get("/api/v1/health", May::Anybody),
        get("/api/v1/metrics", May::Anybody),
        get("/health", May::Anybody),
        get("/metrics", May::Anybody),
        post("/api/v1/session", May::Anybody, json!({ "login": "operator", "password": crate::house::PASSWORD })),
        get("/api/v1/session", May::Users),
        post("/api/v1/presence", May::Users, json!({})),
        get("/api/v1/incidents", May::Seers),
        post("/api/v1/incidents", May::Operators, json!({ "kind": "telephone", "note": "x" })),
        get("/api/v1/incidents/{id}", May::Seers),
        get("/api/v1/incidents/{id}/timeline", May::Seers),
        post("/api/v1/incidents/{id}/claim", May::Operators, json!({})),
        post("/api/v1/incidents/{id}/release", May::Operators, json!({})),
        post("/api/v1/incidents/{id}/ask", May::Operators, json!({ "responder": nobody })),
        post("/api/v1/incidents/{id}/withdraw", May::Operators, json!({ "offer": nobody })),
        post("/api/v1/incidents/{id}/hand-over", May::Operators, json!({ "centre": "110" })),
        post("/api/v1/incidents/{id}/stand-down", May::Operators, json!({ "centre": "110", "reason": "x" })),
        post("/api/v1/incidents/{id}/voice-done", May::Operators, json!({ "centre": "110" })),
        post("/api/v1/incidents/{id}/close", May::Operators, json!({ "outcome": "test" })),
        post("/api/v1/incidents/{id}/note", May::Seers, json!({ "text": "x" })),
        post("/api/v1/drills", May::Supervisors, json!({ "resident": nobody })),
        get("/api/v1/incidents/{id}/clocks", May::Seers),
        post("/api/v1/incidents/{id}/spoken", May::Operators, json!({ "with": "wearer" })),
        get("/api/v1/nodes/{id}/clocks", May::Seers),
        get("/api/v1/nodes/{id}/clocks.csv", May::Seers),
        get("/api/v1/nodes/{id}/targets", May::Seers),
        post("/api/v1/nodes/{id}/targets", May::Administrators, target),
        (Method::DELETE, "/api/v1/targets/{id}", May::Administrators, Value::Null),
        get("/api/v1/nodes/{id}/ladders", May::Administrators),
        post("/api/v1/nodes/{id}/ladders", May::Administrators, ladder.clone()),
        post("/api/v1/nodes/{id}/ladders/preview", May::Administrators, ladder.clone()),
        (Method::PUT, "/api/v1/nodes/{id}/holidays", May::Administrators, json!({ "holidays": [] })),
        (Method::PUT, "/api/v1/nodes/{id}/returned", May::Administrators, json!({ "own_s": 900 })),
        (Method::PUT, "/api/v1/ladders/{id}", May::Administrators, ladder),
        (Method::DELETE, "/api/v1/ladders/{id}", May::Administrators, Value::Null),
        post("/api/v1/incidents/{id}/grid-officer-called", May::Operators, Value::Null),
        get("/api/v1/incidents/{id}/commands", May::Seers),
        post("/api/v1/incidents/{id}/commands", May::Operators, json!({ "command": { "do": "locate" } })),
        post("/api/v1/incidents/{id}/listen-in", May::Operators, json!({ "number": "0731-80000009", "reason": "x" })),
        get("/api/v1/residents/{id}/commands", May::Seers),
        post("/api/v1/residents/{id}/commands", May::Operators, json!({ "command": { "do": "find" } })),
        post("/api/v1/residents/{id}/set-up", May::Administrators, json!({ "setting": { "do": "restart" } })),
        get("/api/v1/residents/{id}/access-points", May::Seers),
        (Method::PUT, "/api/v1/residents/{id}/access-points", May::Administrators, json!({ "access_points": [] })),
        post("/api/v1/commands/{id}/cancel", May::Operators, Value::Null),
        post("/api/v1/incidents/{id}/category", May::Operators, json!({ "category": "meal" })),
        post("/api/v1/incidents/{id}/rating", May::Operators, json!({ "stars": 5 })),
        post("/api/v1/incidents/{id}/follow-up", May::Operators, json!({ "reached": "resident" })),
        post("/api/v1/incidents/{id}/excuse", May::Operators, json!({ "excuse": "deceased" })),
        get("/api/v1/aftercare", May::Operators),
        get("/api/v1/appointments", May::Seers),
        post("/api/v1/appointments", May::Orderers, json!({ "resident": nobody, "category": "meal" })),
        (
            Method::PUT,
            "/api/v1/appointments/{id}",
            May::Orderers,
            json!({ "version": 1, "wanted_at": "2026-01-01T00:00:00Z" }),
        ),
        post("/api/v1/appointments/{id}/cancel", May::Orderers, json!({ "version": 1, "reason": "x" })),
        get("/api/v1/categories", May::Users),
        get("/api/v1/incidents/{id}/candidates", May::Seers),
        get("/api/v1/incidents/{id}/choices", May::Seers),
        get("/api/v1/incidents/{id}/deliveries", May::Seers),
        get("/api/v1/deliveries", May::Seers),
        post("/api/v1/deliveries/{id}/redeliver", May::Operators, Value::Null),
        get("/api/v1/incidents/{id}/map", May::Seers),
        get("/api/v1/residents", May::Seers),
        get("/api/v1/residents/{id}", May::Seers),
        (Method::PUT, "/api/v1/residents/{id}", May::Administrators, record),
        post("/api/v1/residents/{id}/locate", May::Operators, json!({ "reason": "x" })),
        get("/api/v1/settings/map", May::Seers),
        get("/api/v1/map/nodes", May::Seers),
        get("/api/v1/map/people", May::Seers),
        get("/api/v1/map/incidents", May::Seers),
        get("/api/v1/map/responders", May::Seers),
        get("/api/v1/map/stations", May::Seers),
        get("/api/v1/residents/{id}/fences", May::Seers),
        post("/api/v1/residents/{id}/fences", May::Administrators, fence.clone()),
        (Method::PUT, "/api/v1/fences/{id}", May::Administrators, fence),
        (Method::DELETE, "/api/v1/fences/{id}", May::Administrators, Value::Null),
        post("/api/v1/residents/{id}/fences/try", May::Administrators, tried),
        get("/api/v1/residents/{id}/fences/common", May::Administrators),
        get("/api/v1/residents/{id}/fence-rules", May::Seers),
        (Method::PUT, "/api/v1/residents/{id}/fence-rules", May::Administrators, json!({ "version": 0, "rules": [] })),
        post("/api/v1/residents/{id}/fence-pauses", May::Administrators, pause),
        (Method::DELETE, "/api/v1/fence-pauses/{id}", May::Administrators, Value::Null),
        get("/api/v1/residents/{id}/usual", May::Seers),
        (Method::PUT, "/api/v1/residents/{id}/usual", May::Administrators, json!({ "chosen": true, "version": 0 })),
        get("/api/v1/incidents/{id}/likely-places", May::Seers),
        get("/api/v1/suspicions", May::Seers),
        post("/api/v1/suspicions/{id}/acknowledge", May::Operators, json!({})),
        get("/api/v1/live", May::Seers),
        get("/api/v1/offers", May::Responders),
        get("/api/v1/offers/live", May::Responders),
        post("/api/v1/offers/{id}/accept", May::Responders, json!({})),
        post("/api/v1/offers/{id}/decline", May::Responders, json!({})),
        post("/api/v1/offers/{id}/on-the-way", May::Responders, json!({})),
        post("/api/v1/offers/{id}/arrived", May::Responders, json!({})),
        post("/api/v1/offers/{id}/done", May::Responders, json!({})),
        post("/api/v1/offers/{id}/seen", May::Responders, Value::Null),
        get("/api/v1/me/push", May::Responders),
        post("/api/v1/me/push", May::Responders, push.clone()),
        (Method::DELETE, "/api/v1/me/push", May::Responders, push),
        post("/api/v1/sms/status", May::Signers, json!({})),
        post("/api/v1/offers/{id}/note", May::Responders, json!({ "text": "x" })),
        post("/api/v1/offers/{id}/photo", May::Responders, json!({})),
        get("/api/v1/photos/{id}", May::Seers),
        (Method::PUT, "/api/v1/responder/position", May::Responders, json!({ "lat": 28.2, "lon": 112.9 })),
        (Method::PUT, "/api/v1/responder/duty", May::Responders, json!({ "on": true })),
        get("/api/v1/score-cards", May::Administrators),
        get("/api/v1/doors", May::Administrators),
        get("/api/v1/profiles", May::Administrators),
        get("/api/v1/payload-keys", May::Administrators),
        (Method::PUT, "/api/v1/payload-keys", May::Administrators, json!({ "serial": "li/phone" })),
        (Method::DELETE, "/api/v1/payload-keys", May::Administrators, Value::Null),
        (Method::PUT, "/api/v1/providers/{id}/floors", May::Administrators, json!({})),
        get("/api/v1/handovers/{id}/cap", May::Seers),
        post("/api/v1/handovers/{id}/status", May::Signers, json!({ "status": "acknowledged" })),
        get("/api/v1/openapi.json", May::Anybody),
        // Last: whoever logs out can do nothing more.
        (Method::DELETE, "/api/v1/session", May::Users, Value::Null),
    ];
    who_can_go().into_iter().chain(heard()).chain(rest).collect()
}

#[test]
fn every_route_has_an_authorization_case() {
    let name = |method: &Method, path: &str| format!("{method} {path}");
    let mut routes: Vec<String> = routes::list().iter().map(|route| name(&route.method, &route.path)).collect();
    let mut cases: Vec<String> = cases().iter().map(|(method, path, ..)| name(method, path)).collect();
    routes.sort();
    cases.sort();
    assert_eq!(routes, cases, "each route needs a case in `cases`, and no more");
}

#[test]
fn the_description_says_who_may() {
    let cases = cases();
    for Route { method, path, deed } in routes::list() {
        let (.., may, _) = cases.iter().find(|case| (&case.0, case.1) == (&method, path.as_str())).unwrap();
        let said = match may {
            May::Operators => Some("answer"),
            May::Seers => Some("see"),
            May::Orderers => Some("order"),
            May::Supervisors => Some("take_over"),
            May::Overseers => Some("oversee"),
            May::Administrators => Some("administer"),
            May::Responders => Some("respond"),
            May::Anybody | May::Users | May::Signers => None,
        };
        assert_eq!(deed.as_deref(), said, "{method} {path}");
    }
}

/// How a caller fares at the door of a route.
fn expected(may: May, who: &str) -> Option<&'static str> {
    let is_logged_in = !matches!(who, "nobody" | "token" | "wrong token");
    let is_let_in = match may {
        May::Anybody => true,
        May::Users => is_logged_in,
        May::Operators => matches!(who, "operator" | "supervisor" | "admin"),
        May::Seers | May::Orderers => matches!(who, "operator" | "supervisor" | "admin" | "grid officer"),
        May::Supervisors | May::Overseers => matches!(who, "supervisor" | "admin"),
        May::Administrators => who == "admin",
        May::Responders => matches!(who, "responder" | "token"),
        May::Signers => false,
    };
    match (is_let_in, may) {
        (true, _) => None,
        (false, May::Signers) => Some("bad_credentials"),
        (false, May::Responders) if who == "wrong token" => Some("bad_credentials"),
        (false, _) if is_logged_in => Some("forbidden"),
        (false, _) => Some("not_logged_in"),
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn each_role_gets_past_the_doors_that_are_its_own_and_no_others(pool: PgPool) {
    let house = House::open(pool).await;
    let mut callers = vec![
        ("nobody", Caller::Nobody),
        ("token", Caller::Token(TOKEN.into())),
        ("wrong token", Caller::Token("no such token".into())),
    ];
    for login in ["operator", "supervisor", "admin", "grid officer", "responder", "stranger"] {
        callers.push((login, house.log_in(login).await));
    }
    for (method, path, may, body) in cases() {
        // An id of nothing: whoever is let in finds nothing there.
        let address = addressed(path, "11111111-1111-1111-1111-111111111111");
        for (who, caller) in &callers {
            let body = (!body.is_null()).then(|| body.clone());
            let answer = house.call(caller, method.clone(), &address, body).await;
            let told = format!("{who}: {method} {path} -> {answer:?}");
            if let Some(code) = expected(may, who) {
                assert_eq!(answer.code(), code, "{told}");
                continue;
            }
            let refused = ["not_logged_in", "forbidden", "bad_csrf", "bad_credentials"];
            assert!(!refused.contains(&answer.code()), "{told}");
            // Nobody decides in this house, and health says so once that is ten seconds old.
            assert!(!answer.status.is_server_error() || path.ends_with("/health"), "{told}");
        }
    }
}

/// A route's path, with an id where ids go.
fn addressed(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{responder}", id).replace("{pause}", id)
}

/// What each route with an id needs in the place of it, so that it is a thing that is there.
fn thing(path: &str, things: &Things) -> String {
    let id = match path.split('/').nth(3) {
        Some("incidents") => things.incident,
        Some("residents") => things.resident,
        Some("fences") => things.fence,
        Some("fence-pauses") => things.pause,
        Some("handovers") => things.handover,
        Some("deliveries") => things.delivery,
        Some("providers") => things.provider,
        Some("photos") => things.photo,
        Some("appointments") => things.appointment,
        Some("nodes") => things.node,
        Some("targets") => things.target,
        Some("ladders") => things.ladder,
        Some("contracts") => things.contract,
        Some("responders") => things.responder,
        Some("shifts") => things.shift,
        Some("commands") => things.command,
        Some("outages") => things.outage,
        Some("suspicions") => things.suspicion,
        other => panic!("{path}: say here what {other:?} is"),
    };
    path.replace("{id}", &id.to_string())
        .replace("{responder}", &things.responder.to_string())
        .replace("{pause}", &things.responder.to_string())
}

struct Things {
    incident: uuid::Uuid,
    resident: uuid::Uuid,
    fence: uuid::Uuid,
    pause: uuid::Uuid,
    handover: uuid::Uuid,
    delivery: uuid::Uuid,
    provider: uuid::Uuid,
    photo: uuid::Uuid,
    appointment: uuid::Uuid,
    node: uuid::Uuid,
    target: uuid::Uuid,
    ladder: uuid::Uuid,
    contract: uuid::Uuid,
    responder: uuid::Uuid,
    shift: uuid::Uuid,
    command: uuid::Uuid,
    outage: uuid::Uuid,
    suspicion: uuid::Uuid,
}

#[sqlx::test(migrations = "./migrations")]
async fn what_lies_outside_somebodys_subtree_does_not_exist_for_them(pool: PgPool) {
    let house = House::open(pool).await;
    let incident = house.press().await;
    let delivery = house.scalar("select key from outbox where channel = 'centre'").await;
    let provider = house.scalar("select id from provider").await;
    let photo = house
        .scalar(
            r"insert into site_note (id, offer_id, at, photo, photo_type)
              select gen_random_uuid(), id, now(), '\x01', 'image/png' from offer limit 1 returning id",
        )
        .await;
    let appointment = house
        .scalar(
            "insert into appointment (id, resident_id, category, wanted_at, wake_at, drill, made_by, made_at)
             select gen_random_uuid(), r.id, 'meal', now(), now(), false, u.id, now() from resident r, app_user u limit 1
             returning id",
        )
        .await;
    let target = "insert into clock_target (id, node_id, source, clock, calls, share, within_s)
        select gen_random_uuid(), serving_node, 'x', 'vehicle_out', 'help', 0.9, 60 from resident returning id";
    let ladder = "insert into ladder
            (id, node_id, class, days, from_minute, until_minute, acts, afters_s, whens, every_s)
        select gen_random_uuid(), serving_node, 'welfare', 'every', 0, 1440, '{operators,everybody}', '{0,60}',
            '{always,always}', 60 from resident returning id";
    let pause = "insert into fence_pause (id, resident_id, begins_at, ends_at, why)
        select gen_random_uuid(), id, now(), now() + interval '1 day', 'x' from resident returning id";
    let shift = "insert into shift (id, responder_id, during)
        select gen_random_uuid(), id, tstzrange(now(), now() + interval '1 hour') from responder limit 1 returning id";
    house
        .execute(
            "insert into refusal (resident_id, responder_id, why) select h.id, r.id, 'x' from resident h, responder r",
        )
        .await;
    let outage = "with began as (insert into outage (id, kind, key, began_at, noticed_at, shared_by)
            values (gen_random_uuid(), 'cell', 'x', now(), now(), 9) returning id)
        insert into outage_member (outage_id, terminal_id, heard_at)
        select began.id, terminal_id, now() from wearer, began where resident_id is not null limit 1 returning outage_id";
    let suspicion = "insert into usual_suspicion (id, resident_id, since, raised_at, place, distance_m, fixes, hour, of_days, away_days,
            known_days, why)
        select gen_random_uuid(), resident_id, now(), now(), 'point(112.938 28.228)', 900, 5, 2, 'both', 0, 58, 'x'
        from usual limit 1 returning id";
    let things = Things {
        incident: incident.0,
        resident: house.resident.0,
        fence: house.fence().await,
        pause: house.scalar(pause).await,
        handover: house.scalar("select id from handover").await,
        delivery,
        provider,
        photo,
        appointment,
        node: house.scalar("select serving_node from resident").await,
        target: house.scalar(target).await,
        ladder: house.scalar(ladder).await,
        contract: house.scalar("select id from contract").await,
        responder: house.near.0,
        shift: house.scalar(shift).await,
        // An emergency is followed from the beginning.
        command: house.scalar("select id from command").await,
        outage: house.scalar(outage).await,
        suspicion: house.scalar(suspicion).await,
    };
    let insider = house.log_in("operator2").await;
    let outsiders = ["operator elsewhere", "supervisor elsewhere", "admin elsewhere", "grid officer elsewhere"];
    for login in outsiders {
        let outsider = house.log_in(login).await;
        for (method, path, may, body) in cases() {
            if !matches!(may, May::Operators | May::Seers | May::Orderers | May::Overseers | May::Administrators)
                || !path.contains("{id}")
            {
                continue;
            }
            let body = (!body.is_null()).then(|| body.clone());
            let answer = house.call(&outsider, method.clone(), &thing(path, &things), body).await;
            let may_nowhere = match may {
                May::Operators => login.starts_with("grid"),
                May::Overseers => !login.starts_with("admin") && !login.starts_with("supervisor"),
                May::Administrators => !login.starts_with("admin"),
                _ => false,
            };
            let expected =
                if may_nowhere { (StatusCode::FORBIDDEN, "forbidden") } else { (StatusCode::NOT_FOUND, "not_found") };
            assert_eq!((answer.status, answer.code()), expected, "{login}: {method} {path} {answer:?}");
        }
        // Lists leave it out, and say nothing about it in any other way.
        let lists = [
            "/api/v1/incidents",
            "/api/v1/incidents?state=closed",
            "/api/v1/deliveries",
            "/api/v1/residents?q=陈",
            "/api/v1/map/people",
            "/api/v1/map/incidents",
            "/api/v1/map/responders",
        ];
        for path in lists {
            let answer = house.get(&outsider, path).await;
            assert_eq!(answer.status, StatusCode::OK);
            let text = answer.body.to_string();
            assert!(!text.contains(&things.incident.to_string()) && !text.contains("陈秀英"), "{login}: {path} {text}");
        }
    }
    // The same calls tell somebody of the right subtree: the test can fail.
    let listed = house.get(&insider, "/api/v1/incidents").await.body.to_string();
    assert!(listed.contains(&things.incident.to_string()), "{listed}");
    let found = house.get(&insider, "/api/v1/residents?q=陈").await.body.to_string();
    assert!(found.contains("陈秀英"), "{found}");
    // Nothing that was tried has left a trace.
    let kept: (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from contract where until is null), (select count(*) from shift),
            (select count(*) from refusal)",
    )
    .fetch_one(&house.pool)
    .await
    .unwrap();
    assert_eq!(kept, (1, 1, 2));
    let card = house.get(&insider, &format!("/api/v1/incidents/{}", things.incident)).await.body;
    assert!(
        card["claimed_by"].is_null() && card["offers"].as_array().is_some_and(|offers| offers.len() <= 1),
        "{card}"
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn a_stream_tells_only_of_ones_own_subtree(pool: PgPool) {
    let house = House::open(pool).await;
    let insider = house.log_in("operator2").await;
    let outsider = house.log_in("operator elsewhere").await;
    let mut hears = house.follow(&insider, "/api/v1/live", &[]).await.unwrap();
    let mut hears_not = house.follow(&outsider, "/api/v1/live", &[]).await.unwrap();
    hears.next_of("hello").await;
    hears_not.next_of("hello").await;
    let theirs = house.press().await;
    assert_eq!(hears.next_of("incident").await.data["id"], json!(theirs.0));
    // A caller whom nobody knows belongs to those who took the call. Told in order: what came before did
    // not reach them.
    let call = json!({ "kind": "telephone", "note": "有人摔倒" });
    let own = house.post(&outsider, "/api/v1/incidents", call).await.body["id"].clone();
    assert_eq!(hears_not.next_of("incident").await.data["id"], own);
}

#[sqlx::test(migrations = "./migrations")]
async fn opening_a_card_is_written_down(pool: PgPool) {
    let house = House::open(pool).await;
    let incident = house.press().await;
    let operator = house.log_in("operator").await;
    for _ in 0..2 {
        house.get(&operator, &format!("/api/v1/incidents/{incident}")).await;
    }
    let written: Vec<(Option<uuid::Uuid>, Option<uuid::Uuid>)> =
        sqlx::query_as("select user_id, resident_id from audit where what = 'opened_card'")
            .fetch_all(&house.pool)
            .await
            .unwrap();
    assert_eq!(written, [(Some(house.operator.0), Some(house.resident.0))]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_changes_something_needs_the_csrf_token(pool: PgPool) {
    let house = House::open(pool).await;
    for (method, path, may, body) in cases() {
        let login = match may {
            May::Anybody | May::Signers => continue,
            May::Users | May::Operators | May::Seers | May::Orderers => "operator",
            May::Supervisors | May::Overseers | May::Administrators => "admin",
            May::Responders => "responder",
        };
        if method == Method::GET {
            continue;
        }
        let Caller::Cookie { cookie, csrf } = house.log_in(login).await else { unreachable!() };
        let path = addressed(path, "11111111-1111-1111-1111-111111111111");
        for wrong in ["", "x", &csrf[1..]] {
            let forged = Caller::Cookie { cookie: cookie.clone(), csrf: wrong.to_owned() };
            let body = (!body.is_null()).then(|| body.clone());
            let answer = house.call(&forged, method.clone(), &path, body).await;
            assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "bad_csrf"), "{method} {path}");
        }
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_body_that_is_no_json_is_not_read(pool: PgPool) {
    let house = House::open(pool).await;
    let Caller::Cookie { cookie, csrf } = house.log_in("operator").await else { unreachable!() };
    let send = |kind: &'static str, body: &'static str| {
        house
            .client
            .post(format!("{}/api/v1/incidents/11111111-1111-1111-1111-111111111111/note", house.base))
            .header("cookie", &cookie)
            .header("x-csrf-token", &csrf)
            .header("content-type", kind)
            .body(body)
            .send()
    };
    assert_eq!(send("text/plain", "{\"text\":\"x\"}").await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(send("application/json", "{\"text\":\"\"}").await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(send("application/json", "{").await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        send("application/json; charset=utf-8", "{\"text\":\"x\"}").await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    let huge = house
        .client
        .post(format!("{}/api/v1/session", house.base))
        .header("content-type", "application/json")
        .body(vec![b' '; 100_000])
        .send()
        .await
        .unwrap();
    assert_eq!(huge.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[sqlx::test(migrations = false)]
async fn until_the_desk_is_open_every_route_that_needs_the_database_says_that_it_is_away(pool: PgPool) {
    // Without a table: whoever asked all the same would be told of a mistake of ours.
    let desk = Desk::new(pool, Arc::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(http::serve(listener, Api::new(desk, Surroundings::default()), stop));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (method, path, may, body) in cases() {
        let path = addressed(path, "00000000-0000-0000-0000-000000000000");
        let request = client.request(method, format!("{base}{path}")).header("cookie", "ydt_session=abc");
        let status = request.json(&body).send().await.unwrap().status();
        let expected = match may {
            May::Anybody if path.ends_with("/metrics") || path.ends_with("/openapi.json") => StatusCode::OK,
            May::Signers => StatusCode::UNAUTHORIZED,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        assert_eq!(status, expected, "{path}");
    }
    assert_eq!(client.get(&base).send().await.unwrap().status(), StatusCode::OK);
}
