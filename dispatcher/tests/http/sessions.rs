//! Logging in and out, the lock-out, presence.

use std::time::Duration;

use dispatcher::access::Role;
use dispatcher::store::users;
use reqwest::{Method, StatusCode};
use sqlx::{PgConnection, PgPool};

use crate::house::{Caller, House, PASSWORD};

const GONE: Duration = Duration::from_secs(45);
const IDLE: Duration = Duration::from_mins(10);

#[sqlx::test(migrations = "./migrations")]
async fn a_login_gives_a_cookie_that_scripts_cannot_read_and_a_token_that_they_can(pool: PgPool) {
    let house = House::open(pool).await;
    let answer = house.try_log_in("operator", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["user"]["role"], "operator");
    assert_eq!(answer.body["user"]["id"], house.operator.to_string());
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    for part in ["ydt_session=", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "over plain http the browser would not send it back");

    let token = cookie.split(['=', ';']).nth(1).unwrap();
    let stored: Vec<u8> = house.scalar("select token_sha256 from session").await;
    assert_ne!(stored, token.as_bytes(), "the database holds a hash, not the token");

    let caller = house.log_in("operator").await;
    let answer = house.get(&caller, "/api/v1/session").await;
    assert_eq!(answer.body["user"]["login"], "operator");
    let Caller::Cookie { csrf, .. } = &caller else { unreachable!() };
    assert_eq!(answer.body["csrf"], *csrf);
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[sqlx::test(migrations = "./migrations")]
async fn wrong_passwords_lock_a_login_and_nobody_elses(pool: PgPool) {
    let house = House::open(pool).await;
    for _ in 0..5 {
        let answer = house.try_log_in("operator", "wrong").await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, "bad_credentials"));
    }
    let answer = house.try_log_in("operator", PASSWORD).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::LOCKED, "locked_out"));
    house.log_in("operator2").await;

    // A quarter of an hour later.
    house.execute("update app_user set locked_until = now() - interval '1 s' where locked_until is not null").await;
    assert_eq!(house.try_log_in("operator", "wrong").await.code(), "bad_credentials");
    house.log_in("operator").await;
    let failures: i32 = house.scalar("select failed_logins from app_user where login = 'operator'").await;
    assert_eq!(failures, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_fifth_attempt_may_still_be_the_right_one(pool: PgPool) {
    let house = House::open(pool).await;
    for _ in 0..4 {
        house.try_log_in("operator", "wrong").await;
    }
    house.log_in("operator").await;
    for _ in 0..4 {
        assert_eq!(house.try_log_in("operator", "wrong").await.code(), "bad_credentials");
    }
    house.log_in("operator").await;
}

#[sqlx::test(migrations = "./migrations")]
async fn attempts_side_by_side_get_no_more_answers_than_five(pool: PgPool) {
    let house = House::open(pool).await;
    let attempts = (0..12).map(|_| house.try_log_in("operator", "wrong"));
    let answers = futures_util::future::join_all(attempts).await;
    let count = |code: &str| answers.iter().filter(|answer| answer.code() == code).count();
    assert_eq!((count("bad_credentials"), count("locked_out")), (5, 7));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_login_that_nobody_has_is_answered_like_a_wrong_password(pool: PgPool) {
    let house = House::open(pool).await;
    for login in ["nobody", "", "operator\0", &"x".repeat(10_000)] {
        let answer = house.try_log_in(login, PASSWORD).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, "bad_credentials"), "{login}");
    }
    house.execute("update app_user set disabled = true where login = 'operator'").await;
    assert_eq!(house.try_log_in("operator", PASSWORD).await.code(), "bad_credentials");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_session_ends_by_logging_out_by_time_and_by_disabling_the_user(pool: PgPool) {
    let house = House::open(pool).await;
    let first = house.log_in("operator").await;
    let second = house.log_in("operator").await;
    let third = house.log_in("operator2").await;

    let answer = house.call(&first, Method::DELETE, "/api/v1/session", None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(house.get(&first, "/api/v1/session").await.code(), "not_logged_in");
    assert_eq!(house.get(&second, "/api/v1/session").await.status, StatusCode::OK, "another console goes on");

    house.execute("update session set expires_at = now()").await;
    assert_eq!(house.get(&second, "/api/v1/session").await.code(), "not_logged_in");

    house.execute("update session set expires_at = now() + interval '1 h'").await;
    house.execute("update app_user set disabled = true where login = 'operator2'").await;
    assert_eq!(house.get(&third, "/api/v1/session").await.code(), "not_logged_in");
}

#[sqlx::test(migrations = "./migrations")]
async fn somebody_is_present_while_connected_and_not_idle(pool: PgPool) {
    const ROLES: [&[Role]; 2] = [&[Role::Operator, Role::Admin], &[Role::Supervisor]];
    let house = House::open(pool).await;
    let mut conn = house.pool.acquire().await.unwrap();
    let operator = house.operator;
    let incident = house.press().await;
    house.log_in("operator elsewhere").await;
    let is_there = async |conn: &mut PgConnection| {
        let present = users::present(conn, &[operator.0], GONE, IDLE).await.unwrap();
        present.contains(&operator.0)
    };
    assert!(!is_there(&mut conn).await);
    let concerned = users::anybody_present(&mut conn, &[incident.0], ROLES, GONE, IDLE).await.unwrap();
    assert!(concerned.is_empty(), "who is not concerned does not count");

    let caller = house.log_in("operator").await;
    assert!(is_there(&mut conn).await);
    let concerned = users::anybody_present(&mut conn, &[incident.0], ROLES, GONE, IDLE).await.unwrap();
    assert_eq!(concerned[&incident.0], [true, false]);

    house.execute("update session set seen_at = now() - interval '1 min'").await;
    assert!(!is_there(&mut conn).await, "no longer connected");
    house.get(&caller, "/api/v1/session").await;
    assert!(is_there(&mut conn).await, "any call says that it is connected");

    house.execute("update session set active_at = now() - interval '11 min'").await;
    house.get(&caller, "/api/v1/session").await;
    assert!(!is_there(&mut conn).await, "a page alone is nobody");
    let answer = house.post(&caller, "/api/v1/presence", serde_json::json!({})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(is_there(&mut conn).await);
}
