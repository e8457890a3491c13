//! Wearers who walk out of their fences, and receivers that only seem to.

use crate::district::District;
use dispatcher::clock;
use domain::id::IncidentId;
use domain::incident::{Authority, Input, Level, Outcome as Ending, Task};
use domain::place::Source;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::PgPool;
use wire::directory::Dialect;
use wire::receipt::Outcome;
use wire::report::{Event, Fix, Report};

const HOME: (f64, f64) = (28.228, 112.938);

/// Draws a circle of 200 m around the home of everybody who wears one of these terminals.
async fn fence(district: &District, serials: &[&str]) {
    sqlx::query(
        "insert into fence (id, resident_id, name, kind, area, radius_m)
         select gen_random_uuid(), a.resident_id, '家附近', 'safe', r.home, 200
         from terminal t
         join terminal_assignment a on a.terminal_id = t.id and a.until is null
         join resident r on r.id = a.resident_id
         where t.serial = any($1)",
    )
    .bind(serials.iter().map(|serial| (*serial).to_owned()).collect::<Vec<_>>())
    .execute(&district.desk_pool)
    .await
    .unwrap();
}

/// A position so many metres north of home, taken so many minutes ago, and told now.
fn seen(serial: &str, minutes_ago: i64, north_m: f64) -> Report {
    let at = clock::now() - SignedDuration::from_mins(minutes_ago);
    let fix = Fix { lat_deg: HOME.0 + north_m / 111_195.0, lon_deg: HOME.1, device_at: Some(at), ..District::fix() };
    let raw = format!("{serial} {at} {north_m}").into_bytes();
    Report { fixes: vec![fix], raw, ..District::telemetry(serial) }
}

async fn walk(district: &District, serial: &str, steps: &[(i64, f64)]) {
    for (minutes_ago, north_m) in steps {
        district.take_one(seen(serial, *minutes_ago, *north_m)).await;
    }
}

/// Presses, and whether they are back, of each wandering incident.
async fn wandering(district: &District) -> Vec<(i32, bool)> {
    sqlx::query_as("select presses, returned from incident where class = 'wandering' order by opened_at")
        .fetch_all(&district.desk_pool)
        .await
        .unwrap()
}

async fn entries(district: &District) -> Vec<(String, Value)> {
    sqlx::query_as(
        "select what, data from incident_entry where what in ('left_fence', 'returned') order by incident_id, seq",
    )
    .fetch_all(&district.desk_pool)
    .await
    .unwrap()
}

async fn words(district: &District) -> Vec<String> {
    entries(district).await.into_iter().map(|(what, _)| what).collect()
}

#[sqlx::test(migrations = "./migrations")]
async fn who_walks_out_opens_one_wandering_incident_that_says_why(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &[(9, 0.0), (8, 350.0)]).await;
    assert_eq!(wandering(&district).await, [], "one fix is not enough");
    walk(&district, "P1", &[(7, 500.0), (6, 700.0)]).await;
    assert_eq!(wandering(&district).await, [(1, false)]);
    let (what, data) = entries(&district).await.remove(0);
    assert_eq!(what, "left_fence");
    assert_eq!(
        (&data["fence_name"], &data["serial"], &data["source"]),
        (&"家附近".into(), &"P1".into(), &"gnss".into())
    );
    let metres = |value: &Value| format!("{:.0}", value.as_f64().unwrap());
    assert_eq!([&data["distance_m"], &data["accuracy_m"]].map(metres), ["300", "8"]);
    let fixes = data["fixes"].as_array().unwrap();
    let distances: Vec<String> = fixes.iter().map(|fix| metres(&fix["distance_m"])).collect();
    assert_eq!(distances, ["150", "300"]);
    let filed: i64 = sqlx::query_scalar("select count(*) from fix").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(filed, 4);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_wandering_incident_rings_asks_nobody_by_itself_and_can_be_closed_as_found(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &[(9, 350.0), (8, 400.0)]).await;
    let incident: uuid::Uuid =
        sqlx::query_scalar("select id from incident").fetch_one(&district.desk_pool).await.unwrap();
    let incident = IncidentId(incident);
    let decided = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_ne!(decided.ring.level(), Level::Quiet);
    assert!(decided.offers.is_empty() && decided.handovers.is_empty());
    let sent: i64 = sqlx::query_scalar("select count(*) from outbox").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(sent, 0, "the wearer has not called");

    let by = district.operator;
    district.desk.apply(incident, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    district.desk.apply(incident, Input::Ask { by, responder: district.near }).await.unwrap();
    walk(&district, "P1", &[(3, 20.0), (2, 10.0)]).await;
    let back = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert!(back.is_open() && back.tasks().contains(&Task::Returned), "{back:?}");
    let close = Input::Close { by, outcome: Ending::Found, note: None };
    district.desk.apply(incident, close).await.unwrap();
    assert_eq!(words(&district).await, ["left_fence", "returned"]);
    // Who goes again is a new case.
    walk(&district, "P1", &[(1, 500.0), (0, 500.0)]).await;
    assert_eq!(wandering(&district).await, [(1, true), (1, false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn drift_says_nothing_and_neither_does_a_cell(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1", "P2"]).await;
    // One jump out between fixes at home, again and again.
    let jumps: Vec<(i64, f64)> = (0..20).map(|n| (60 - n, if n % 2 == 1 { 400.0 } else { 30.0 })).collect();
    walk(&district, "P1", &jumps).await;
    for minutes_ago in (0..10).rev() {
        let mut cell = seen("P2", minutes_ago, 1_400.0);
        cell.fixes[0] = Fix { accuracy_m: None, source: Source::Cell, ..cell.fixes[0].clone() };
        district.take_one(cell).await;
        let mut told = seen("P2", minutes_ago, 1_650.0);
        told.fixes[0] =
            Fix { accuracy_m: Some(1_500.0), source: Source::Cell, device_at: None, ..told.fixes[0].clone() };
        district.take_one(told).await;
    }
    assert_eq!(wandering(&district).await, []);
}

#[sqlx::test(migrations = "./migrations")]
async fn coming_back_is_noted_and_going_again_is_appended(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &[(20, 400.0), (19, 400.0), (15, 0.0), (14, 0.0)]).await;
    assert_eq!(wandering(&district).await, [(1, true)]);
    walk(&district, "P1", &[(10, 400.0), (9, 400.0)]).await;
    assert_eq!(wandering(&district).await, [(2, false)]);
    assert_eq!(words(&district).await, ["left_fence", "returned", "left_fence"]);
    // What the terminal says by itself belongs to the same case.
    let event = Event::Alert { kind: domain::press::AlertKind::FenceExit };
    district.take_one(District::report("P1", event, 1)).await;
    assert_eq!(wandering(&district).await, [(3, false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_comes_late_or_twice_or_from_nowhere_changes_nothing(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &[(5, 0.0), (30, 400.0), (29, 400.0), (4, 0.0)]).await;
    let twice = seen("P1", 3, 400.0);
    district.take_one(twice.clone()).await;
    district.take_one(Report { id: clock::fresh_id(), ..twice }).await;
    let mut null = seen("P1", 2, 0.0);
    null.fixes[0] = Fix { lat_deg: 0.0, lon_deg: 0.0, ..null.fixes[0].clone() };
    district.take_one(null).await;
    let mut forged = seen("P1", 1, 400.0);
    forged.authenticated = false;
    district.take_one(forged).await;
    assert_eq!(wandering(&district).await, []);
    // A clock that has lost its time does not keep somebody from being found.
    for minute in 0..2 {
        let mut lost = seen("P1", 0, 400.0);
        lost.fixes[0].device_at = Some(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute));
        district.take_one(lost).await;
    }
    assert_eq!(wandering(&district).await, [(1, false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_watch_that_can_prove_nothing_is_missed_all_the_same(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    for (minutes_ago, north_m) in [(9, 0.0), (8, 350.0), (7, 500.0), (6, 700.0)] {
        let report = Report { authenticated: false, dialect: Dialect::Watch, ..seen("P1", minutes_ago, north_m) };
        district.take_one(report).await;
    }
    assert_eq!(wandering(&district).await, [(1, false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn several_positions_of_one_message_are_judged_in_their_order(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    let mut backlog = seen("P1", 20, 0.0);
    backlog.fixes = [(20, 0.0), (15, 400.0), (14, 400.0), (5, 0.0), (4, 0.0)]
        .into_iter()
        .flat_map(|(minutes_ago, north_m)| seen("P1", minutes_ago, north_m).fixes)
        .collect();
    district.take_one(backlog).await;
    assert_eq!(wandering(&district).await, [(1, true)]);
    assert_eq!(words(&district).await, ["left_fence", "returned"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn two_terminals_of_one_resident_are_at_two_places(pool: PgPool) {
    let district = District::new(pool).await;
    sqlx::query(
        "update terminal_assignment set resident_id =
            (select resident_id from terminal_assignment a join terminal t on t.id = a.terminal_id where t.serial = 'P1')
         where terminal_id = (select id from terminal where serial = 'P2')",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    fence(&district, &["P1"]).await;
    // The pager lies at home, the watch goes for a walk.
    walk(&district, "P1", &[(20, 0.0)]).await;
    walk(&district, "P2", &[(19, 400.0)]).await;
    walk(&district, "P1", &[(18, 0.0)]).await;
    walk(&district, "P2", &[(17, 400.0)]).await;
    assert_eq!(wandering(&district).await, [(1, false)]);
    // The pager goes too; that the watch is back does not mean that they are.
    walk(&district, "P1", &[(16, 500.0), (15, 500.0)]).await;
    walk(&district, "P2", &[(14, 0.0), (13, 0.0)]).await;
    assert_eq!(wandering(&district).await, [(2, false)]);
    walk(&district, "P1", &[(12, 0.0), (11, 0.0)]).await;
    assert_eq!(wandering(&district).await, [(2, true)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_batch_of_many_wearers_is_judged_together(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1", "P3"]).await;
    let batch = ["P1", "P2", "P3", "P4"]
        .into_iter()
        .flat_map(|serial| [seen(serial, 5, 400.0), seen(serial, 4, 500.0)])
        .chain([District::report("P1", Event::Alert { kind: domain::press::AlertKind::Sos }, 1)])
        .collect::<Vec<_>>();
    let receipts = district.desk.take(&batch).await.unwrap();
    assert_eq!(receipts.len(), 9);
    assert_eq!(wandering(&district).await, [(1, false), (1, false)]);
    let emergencies: i64 = sqlx::query_scalar("select count(*) from incident where class = 'emergency'")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(emergencies, 1);
    let Outcome::Committed { incident: Some(_) } = receipts[8].outcome else { panic!("{receipts:?}") };
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_wrong_with_a_fence_keeps_a_press_or_a_position_out(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    // A bow tie, drawn past us.
    sqlx::query(
        "insert into fence (id, resident_id, name, kind, area)
         select gen_random_uuid(), resident_id, '坏', 'safe',
            'polygon((112.93 28.22, 112.94 28.23, 112.94 28.22, 112.93 28.23, 112.93 28.22))'::geography
         from fence",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    walk(&district, "P1", &[(9, 400.0), (8, 400.0)]).await;
    assert_eq!(wandering(&district).await, [(1, false)], "the other fence is judged all the same");

    // And a table that refuses whatever is believed from now on.
    sqlx::raw_sql(
        "do $$ begin
            execute format('alter table terminal_state add check (believed_at <= %L)', clock_timestamp());
         end $$",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    let mut press = District::report("P1", Event::Alert { kind: domain::press::AlertKind::Sos }, 1);
    press.fixes = seen("P1", 1, 400.0).fixes;
    let receipts = district.desk.take(&[press, seen("P1", 0, 400.0)]).await.unwrap();
    assert_eq!(receipts.len(), 2);
    let filed: i64 = sqlx::query_scalar("select count(*) from fix").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(filed, 4);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_terminal_that_changes_hands_takes_no_belief_along(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &[(9, 400.0), (8, 400.0)]).await;
    // Away for a while, and back to the same person.
    sqlx::query(
        "with ended as (
            update terminal_assignment set until = clock_timestamp()
            where terminal_id = (select id from terminal where serial = 'P1') and until is null
            returning terminal_id, resident_id)
         insert into terminal_assignment (terminal_id, resident_id, since)
         select terminal_id, resident_id, clock_timestamp() from ended",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    walk(&district, "P1", &[(1, 400.0), (0, 400.0)]).await;
    assert_eq!(wandering(&district).await, [(2, false)]);
}
