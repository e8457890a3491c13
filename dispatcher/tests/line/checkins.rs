//! "I am fine": said in time, said too late, and not said.

use dispatcher::checkins::{self, Looked};
use dispatcher::clock;
use dispatcher::store::checkins as store;
use dispatcher::store::watch::{self, Jump};
use domain::checkin::{Plan, Way};
use domain::hours::TimeOfDay;
use domain::id::IncidentId;
use domain::incident::{Authority, Incident, Input, Level, ToldState};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;
use wire::report::{Event, Report, Vital};

use crate::district::District;

const EVERY_DAY: [i16; 7] = [1, 2, 3, 4, 5, 6, 7];

/// A district in which somebody has listened for days, and who wears `P1` is waited for by these ways. The first due time
/// was an hour ago, and its grace is over just now.
async fn waiting(pool: PgPool, ways: &[Way]) -> (District, Uuid) {
    let district = District::new(pool).await;
    run(&district, "insert into listening (since, seen_at) values (now() - interval '10 days', now())").await;
    run(&district, "update terminal_assignment set since = now() - interval '30 days'").await;
    let resident: Uuid = sqlx::query_scalar("select resident_id from wearer where serial = 'P1'")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let (zone, there) = store::clock_there(&mut conn, resident, None).await.unwrap().unwrap();
    assert_eq!(zone, "Asia/Shanghai");
    // Half a day away, so that whatever hour it is no other one is due meanwhile.
    let time = there + SignedDuration::from_hours(12);
    let times = vec![TimeOfDay::parse(&time.strftime("%H:%M").to_string()).unwrap()];
    let plan = Plan::new(times, &EVERY_DAY, 60, None, ways.to_vec()).unwrap();
    let by = district.operator;
    assert!(store::save(&mut conn, resident, 0, &plan, (&zone, there), true, by).await.unwrap());
    let later: String = sqlx::query_scalar(
        "select to_char(due_at at time zone 'Asia/Shanghai', 'HH24:MI') from check_in_plan
         where due_at > now() and deadline = due_at + interval '1 hour'",
    )
    .fetch_one(&district.desk_pool)
    .await
    .unwrap();
    assert_eq!(later, time.strftime("%H:%M").to_string());
    due(&district).await;
    (district, resident)
}

/// The due time was an hour ago.
async fn due(district: &District) {
    run(
        district,
        "update check_in_plan set due_at = now() - interval '61 min', deadline = now() - interval '1 min',
            wake_at = now() - interval '1 min'",
    )
    .await;
}

async fn run(district: &District, statement: &'static str) {
    sqlx::query(statement).execute(&district.desk_pool).await.unwrap();
}

async fn count(district: &District, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&district.desk_pool).await.unwrap()
}

async fn look(district: &District) -> Looked {
    checkins::look_once(&district.desk).await.unwrap()
}

async fn past(district: &District, resident: Uuid) -> Vec<(String, Option<String>)> {
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let past = store::past(&mut conn, resident, 10).await.unwrap();
    past.into_iter().map(|past| (past.state, past.way)).collect()
}

/// Their terminal told this, so many minutes ago.
fn told(minutes_ago: i64, event: Option<Event>, steps: Option<u32>) -> Report {
    let at = clock::now() - SignedDuration::from_mins(minutes_ago);
    let vitals = steps.into_iter().map(|count| Vital::Steps { count }).collect();
    let raw = format!("{minutes_ago} {event:?} {steps:?}").into_bytes();
    Report { event, vitals, received_at: at, raw, ..District::telemetry("P1") }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_missed_check_in_opens_one_welfare_incident_that_says_why(pool: PgPool) {
    let (district, resident) = waiting(pool, &[Way::Key, Way::Movement]).await;
    // Pressed too early, moved too early: neither is a sign.
    district.take_one(told(200, Some(Event::CheckIn), Some(100))).await;
    assert_eq!(look(&district).await, Looked { looked_at: 1, settled: 1, missed: 1 });
    assert_eq!(look(&district).await, Looked::default());
    assert_eq!(past(&district, resident).await, [("missed".to_owned(), None)]);
    let (incident, class, kinds, about): (Uuid, String, Vec<String>, Option<Uuid>) =
        sqlx::query_as("select id, class, kinds, resident_id from incident")
            .fetch_one(&district.desk_pool)
            .await
            .unwrap();
    assert_eq!((class.as_str(), about), ("welfare", Some(resident)));
    assert_eq!(kinds, ["missed_check_in"]);
    let why: Value = sqlx::query_scalar("select data from incident_entry where what = 'missed_check_in'")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(why["ways"], serde_json::json!(["key", "movement"]));
    assert!(why["last"]["key"].is_string() && why["last"]["voice"].is_null() && why["due_at"].is_string(), "{why}");
    // It rings, and the contacts have their turns.
    let decided = district.desk.apply(IncidentId(incident), Input::Wake).await.unwrap();
    assert_ne!(decided.ring.level(), Level::Quiet);
    assert!(decided.handovers.is_empty() && decided.offers.is_empty() && !decided.told.is_empty(), "{decided:?}");
    // The next due time is waited for; missed as well, it is told in the same case.
    assert_eq!(count(&district, "select count(*) from check_in_plan where wake_at > now()").await, 1);
    due(&district).await;
    assert_eq!(look(&district).await.missed, 1);
    assert_eq!(count(&district, "select sum(presses)::bigint from incident").await, 2);
    // Whoever presses then is heard in the case.
    district.take_one(District::report("P1", Event::CheckIn, 9)).await;
    assert_eq!(count(&district, "select count(*) from incident_entry where what = 'checked_in'").await, 1);
}

/// As if so many seconds had passed.
async fn pass(district: &District, incident: IncidentId, seconds: i64) -> Incident {
    let mut conn = district.desk_pool.acquire().await.unwrap();
    watch::shift_deadlines(&mut conn, Jump { by: SignedDuration::from_secs(-seconds), shows: Timestamp::MAX })
        .await
        .unwrap();
    drop(conn);
    district.desk.apply(incident, Input::Wake).await.unwrap()
}

/// Which contacts have had their turns, and what came of it.
fn turns(incident: &Incident) -> Vec<(i16, ToldState)> {
    incident.told.iter().map(|told| (told.rank.0, told.state)).collect()
}

#[sqlx::test(migrations = "./migrations")]
async fn of_somebody_who_is_missed_the_second_contact_is_told_when_the_first_does_not_answer(pool: PgPool) {
    let (district, resident) = waiting(pool, &[Way::Key]).await;
    run(
        &district,
        "update contact set webhook_url = 'http://127.0.0.1:1/first', webhook_secret = 'the family''s own key'",
    )
    .await;
    sqlx::query(
        "insert into contact (resident_id, rank, name, relation, phone, webhook_url, webhook_secret, told_of)
         select $1, 1 + n, '联系人', '邻居', '0731-1', 'http://127.0.0.1:1/' || n, 'the family''s own key', told_of
         from generate_series(1, 2) n, lateral (
            select told_of from contact where resident_id = $1 order by rank limit 1) first",
    )
    .bind(resident)
    .execute(&district.desk_pool)
    .await
    .unwrap();
    assert_eq!(look(&district).await.missed, 1);
    let incident: Uuid = sqlx::query_scalar("select id from incident").fetch_one(&district.desk_pool).await.unwrap();
    let incident = IncidentId(incident);
    let by = district.operator;

    let told = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_eq!(turns(&told), [(1, ToldState::Told)]);
    let every = domain::incident::Policy::default().contact_every.as_secs();
    assert_eq!(turns(&pass(&district, incident, every - 10).await), [(1, ToldState::Told)], "the first has their time");
    assert_eq!(turns(&pass(&district, incident, 20).await), [(1, ToldState::Told), (2, ToldState::Told)]);
    let sent = "select count(distinct target) from outbox where channel = 'webhook' and what = 'alert'";
    assert_eq!(count(&district, sent).await, 2, "each is written to");
    // Somebody who is there has it, and a contact knows: nobody else is alarmed.
    run(
        &district,
        r"insert into session (token_sha256, user_id, csrf, expires_at, seen_at, active_at)
          select '\x01', id, 'x', 'infinity', 'infinity', 'infinity' from app_user",
    )
    .await;
    run(&district, "update contact_told set state = 'reached' where rank = 2").await;
    district.desk.apply(incident, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    let later = pass(&district, incident, 10 * every).await;
    assert_eq!(turns(&later), [(1, ToldState::Told), (2, ToldState::Reached)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn whoever_is_fine_in_time_opens_nothing(pool: PgPool) {
    let (district, resident) = waiting(pool, &[Way::Key, Way::Voice, Way::Movement]).await;
    district.take_one(told(30, Some(Event::CheckIn), None)).await;
    assert_eq!(look(&district).await.missed, 0);
    run(&district, "update terminal_state set checked_in_at = null").await;

    // By moving: steps, counted while they were waited for.
    due(&district).await;
    district.take_one(told(20, None, Some(100))).await;
    district.take_one(told(10, None, Some(180))).await;
    assert_eq!(look(&district).await.missed, 0);
    run(&district, "update terminal_state set moved_at = null").await;

    // By the telephone.
    due(&district).await;
    let mut conn = district.desk_pool.acquire().await.unwrap();
    assert!(store::told(&mut conn, resident, district.operator).await.unwrap());
    drop(conn);
    assert_eq!(look(&district).await.missed, 0);

    let kept = |way: &str| ("kept".to_owned(), Some(way.to_owned()));
    assert_eq!(past(&district, resident).await, [kept("voice"), kept("movement"), kept("key")]);
    assert_eq!(count(&district, "select count(*) from incident").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn two_dispatchers_open_one_incident(pool: PgPool) {
    let (district, _) = waiting(pool, &[Way::Key]).await;
    let (one, other) = tokio::join!(checkins::look_once(&district.desk), checkins::look_once(&district.desk));
    assert_eq!(one.unwrap().missed + other.unwrap().missed, 1);
    assert_eq!(count(&district, "select sum(presses)::bigint from incident").await, 1);
    assert_eq!(count(&district, "select count(*) from check_in").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn after_a_restart_they_have_their_grace_again(pool: PgPool) {
    let (district, resident) = waiting(pool, &[Way::Key]).await;
    run(&district, "update listening set seen_at = now() - interval '3 hours'").await;
    assert_eq!(look(&district).await, Looked { looked_at: 1, settled: 0, missed: 0 });
    assert_eq!(look(&district).await, Looked::default(), "it waits for its time");
    run(&district, "update listening set since = now() - interval '61 min'").await;
    run(&district, "update check_in_plan set wake_at = now()").await;
    assert_eq!(look(&district).await.missed, 1);
    assert_eq!(past(&district, resident).await.len(), 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn nobody_misses_who_is_away_or_out_of_reach_with_many(pool: PgPool) {
    let (district, resident) = waiting(pool, &[Way::Key]).await;
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let (since, until) = (clock::now() - SignedDuration::from_hours(2), clock::now() + SignedDuration::from_hours(2));
    let pause = store::pause(&mut conn, resident, (since, until), "住院", district.operator).await.unwrap();
    assert_eq!(look(&district).await.missed, 0);
    assert_eq!(past(&district, resident).await, [("paused".to_owned(), None)]);
    assert!(store::end_pause(&mut conn, (resident, pause), district.operator).await.unwrap());
    assert_eq!(store::pauses(&mut conn, resident).await.unwrap(), []);
    run(&district, "delete from check_in_pause").await;
    run(&district, "delete from check_in").await;

    due(&district).await;
    run(
        &district,
        "with began as (insert into outage (id, kind, key, began_at, noticed_at, shared_by)
            values (gen_random_uuid(), 'cell', 'x', now(), now(), 9) returning id)
         update presence set outage_id = began.id from began",
    )
    .await;
    assert_eq!(look(&district).await, Looked { looked_at: 1, settled: 0, missed: 0 });
    run(&district, "update presence set outage_id = null").await;
    run(&district, "update check_in_plan set wake_at = now()").await;
    assert_eq!(look(&district).await.missed, 1);
}
