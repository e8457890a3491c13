//! The console's pages, health and metrics, and what every answer carries.

use reqwest::{Method, StatusCode};
use sqlx::PgPool;

use crate::house::{Caller, House};

#[sqlx::test(migrations = "./migrations")]
async fn every_answer_forbids_what_no_page_of_ours_does(pool: PgPool) {
    let house = House::open(pool).await;
    for path in ["/", "/incidents/7", "/missing.js", "/api/v1/incidents", "/api/v1/nothing", "/health"] {
        let answer = house.get(&Caller::Nobody, path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        assert!(answer.headers.contains_key("cache-control"), "{path}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_no_route_is_a_page_and_what_is_no_file_is_missing(pool: PgPool) {
    let house = House::open(pool).await;
    let page = house.get(&Caller::Nobody, "/somewhere/inside").await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.body.as_str().unwrap().contains("一点通"), "the console, or the page that says it was not built");
    assert_eq!(house.get(&Caller::Nobody, "/assets/none.js").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.get(&Caller::Nobody, "/../Cargo.toml").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.get(&Caller::Nobody, "/%2e%2e/%2e%2e/Cargo.toml").await.status, StatusCode::NOT_FOUND);
    let answer = house.get(&Caller::Nobody, "/api/v1/nothing").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found"));
    let answer = house.call(&Caller::Nobody, Method::POST, "/", None).await;
    assert_eq!(answer.code(), "no_such_method");
    let answer = house.call(&Caller::Nobody, Method::PUT, "/api/v1/incidents", None).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::METHOD_NOT_ALLOWED, "no_such_method"));
}

#[sqlx::test(migrations = "./migrations")]
async fn health_fails_when_deadlines_are_not_kept(pool: PgPool) {
    let house = House::open(pool).await;
    let answer = house.get(&Caller::Nobody, "/api/v1/health").await;
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &"ok".into()));
    house.press().await;
    assert_eq!(house.get(&Caller::Nobody, "/health").await.status, StatusCode::OK);
    house.execute("update incident set wake_at = now() - interval '11 s'").await;
    let answer = house.get(&Caller::Nobody, "/health").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body["wrong"][0], "deadlines are not kept");
}

#[sqlx::test(migrations = "./migrations")]
async fn metrics_count_and_name_nobody(pool: PgPool) {
    let house = House::open(pool).await;
    let operator = house.log_in("operator").await;
    house.press().await;
    let _stream = house.follow(&operator, "/api/v1/live", &[]).await.unwrap();
    let page = house.get(&Caller::Nobody, "/metrics").await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = page.body.as_str().unwrap();
    for line in [
        "ydt_database_up 1",
        "ydt_incidents_open 1",
        "ydt_incidents_unclaimed 1",
        "ydt_incidents_overdue 0",
        "ydt_alerts_unstored 0",
        "ydt_sse_followers 1",
        "ydt_http_answers_total{class=\"2xx\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("陈秀英"));
}
