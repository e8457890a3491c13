//! Wearers who walk out of their fences, and receivers that only seem to.

use crate::district::District;
use dispatcher::store::fence_turns::TurnView;
use dispatcher::store::fences;
use dispatcher::{clock, rules};
use domain::id::IncidentId;
use domain::incident::{Authority, ClosedBy, Closure, Input, Level, Outcome as Ending, Task};
use domain::place::Source;
use domain::whereabouts::Standing;
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::PgPool;
use wire::directory::Dialect;
use wire::receipt::Outcome;
use wire::report::{Event, Fix, Report};

const HOME: (f64, f64) = (28.228, 112.938);
/// As an old person walks, metres a minute.
const PACE: f64 = 70.0;

/// Draws a circle of 200 m around the home of everybody who wears one of these terminals.
pub(crate) async fn fence(district: &District, serials: &[&str]) {
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
    // Nobody's receiver shows the same centimetre twice.
    let trembles_m = f64::from(u8::try_from(minutes_ago % 7).unwrap());
    let lat_deg = HOME.0 + (north_m + trembles_m) / 111_195.0;
    let fix = Fix { lat_deg, lon_deg: HOME.1, device_at: Some(at), ..District::fix() };
    let raw = format!("{serial} {at} {north_m}").into_bytes();
    Report { fixes: vec![fix], raw, ..District::telemetry(serial) }
}

/// A minute a step: so many minutes ago, so far north of home.
pub(crate) type Steps = Vec<(i64, f64)>;

/// Some minutes at one place.
fn stays(from: i64, minutes: i64, north_m: f64) -> Steps {
    (0..minutes).map(|minute| (from - minute, north_m)).collect()
}

/// From one place to another, on foot.
fn goes(from: i64, begin_m: f64, end_m: f64) -> Steps {
    let away_m = (end_m - begin_m).abs();
    let place = |minute: i64| {
        let gone_m = PACE * f64::from(i32::try_from(minute).unwrap());
        begin_m + (end_m - begin_m).signum() * gone_m.min(away_m)
    };
    (0..=i32::MAX)
        .take_while(|minute| PACE * f64::from(*minute - 1) < away_m)
        .map(i64::from)
        .map(|minute| (from - minute, place(minute)))
        .collect()
}

/// Some minutes at home, and then away until they are missed: fourteen minutes, and 560 m away.
pub(crate) fn leaves(from: i64) -> Steps {
    [stays(from, 4, 0.0), goes(from - 4, PACE, 560.0)].concat()
}

/// Home again from there, and some minutes there: thirteen minutes.
pub(crate) fn comes_back(from: i64) -> Steps {
    [goes(from, 490.0, 0.0), stays(from - 8, 5, 0.0)].concat()
}

pub(crate) async fn walk(district: &District, serial: &str, steps: &[(i64, f64)]) {
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

/// What terminals were asked for, and why.
async fn asked(district: &District) -> Vec<(Value, String)> {
    sqlx::query_as("select command, why from command where asked_by is null order by seq")
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
async fn who_may_have_left_is_asked_for_more_before_anybody_is_woken(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    for (step, (minutes_ago, north_m)) in leaves(13).into_iter().enumerate() {
        walk(&district, "P1", &[(minutes_ago, north_m)]).await;
        if asked(&district).await.is_empty() {
            assert!(wandering(&district).await.is_empty(), "missed at step {step}, and nobody had asked");
        }
    }
    let asked = asked(&district).await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].0, json!({ "do": "burst", "every_s": 20, "for_s": 300 }));
    assert!(asked[0].1.starts_with("suspected: "), "{asked:?}");
    // The same as data, for who reads another language.
    let because: Value =
        sqlx::query_scalar("select because from command").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!((&because["is"], &because["turn"]["to"]), (&json!("turned"), &json!("suspected")), "{because:#}");
    let fence: uuid::Uuid = sqlx::query_scalar("select id from fence").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(because["fence"], json!(fence));
    let since = because["turn"]["since"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(asked[0].1.contains(&since.strftime("%H:%M:%SZ").to_string()), "{asked:?}, {because:#}");
    let whose: (String, bool) = sqlx::query_as(
        "select t.serial, c.resident_id is not null and c.incident_id is null
         from command c join terminal t on t.id = c.terminal_id",
    )
    .fetch_one(&district.desk_pool)
    .await
    .unwrap();
    assert_eq!(whose, ("P1".to_owned(), true));
    assert_eq!(wandering(&district).await, [(1, false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_wandering_incident_says_which_fixes_how_far_how_sure_and_which_way(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &leaves(13)).await;
    let (what, data) = entries(&district).await.remove(0);
    assert_eq!(what, "left_fence");
    assert_eq!(
        [&data["fence_name"], &data["fence_kind"], &data["serial"], &data["source"]],
        [&json!("家附近"), &json!("safe"), &json!("P1"), &json!("gnss")]
    );
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&data["chance"]) >= 0.995 && number(&data["stories"]["walks"]) > 0.9, "{data:#}");
    assert!((100.0..400.0).contains(&number(&data["distance_m"])) && data["accuracy_m"] == 8.0, "{data:#}");
    // North, on foot.
    let heading = number(&data["heading_deg"]);
    assert!(!(20.0..340.0).contains(&heading) && (2.0..7.0).contains(&number(&data["speed_kmh"])), "{data:#}");
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time(&data["at"]).duration_since(time(&data["since"])) >= SignedDuration::from_mins(3), "{data:#}");
    let fixes = data["fixes"].as_array().unwrap();
    assert!(fixes.len() >= 3 && fixes.iter().all(|fix| number(&fix["lat"]) > HOME.0 + 0.001), "{data:#}");
    let distances: Vec<f64> = fixes.iter().map(|fix| number(&fix["distance_m"])).collect();
    assert!(distances.is_sorted() && distances[0] > 0.0, "{data:#}");
    assert!(data["track"].as_array().unwrap().len() >= 3, "{data:#}");
    assert!(data["explanation"].as_str().unwrap().starts_with("confirmed: "), "{data:#}");
    let filed: i64 = sqlx::query_scalar("select count(*) from fix").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(filed, i64::try_from(leaves(13).len()).unwrap());
}

/// How the first fence's wearer stands with it, and how they came to.
async fn told(district: &District) -> (String, Option<TurnView>) {
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let resident = sqlx::query_scalar("select resident_id from fence order by created_at, id limit 1");
    let resident: uuid::Uuid = resident.fetch_one(&mut *conn).await.unwrap();
    let fence = fences::of_resident(&mut conn, resident).await.unwrap().remove(0);
    (fence.state, fence.turn)
}

#[sqlx::test(migrations = "./migrations")]
async fn every_change_of_how_somebody_stands_with_a_fence_is_told_with_its_explanation(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &stays(70, 4, 0.0)).await;
    assert_eq!(told(&district).await, ("inside".to_owned(), None), "nothing has changed");
    let mut seen: Vec<TurnView> = Vec::new();
    for step in [leaves(60), comes_back(46)].concat() {
        walk(&district, "P1", &[step]).await;
        let (state, turn) = told(&district).await;
        if let Some(turn) = turn.filter(|turn| seen.last() != Some(turn)) {
            let to = match turn.to {
                Standing::Confirmed => "outside",
                Standing::Inside | Standing::Returned => "inside",
                Standing::Doubtful | Standing::Suspected => turn.to.as_str(),
            };
            assert_eq!(state, to, "{turn:?}");
            seen.push(turn);
        }
    }
    let place = |to| seen.iter().position(|turn| turn.to == to).unwrap();
    let (suspected, left, back) = (place(Standing::Suspected), place(Standing::Confirmed), place(Standing::Returned));
    assert!(suspected < left && left < back, "{seen:?}");
    assert!(seen.windows(2).all(|two| two[0].to == two[1].from), "one follows from the other: {seen:?}");
    // The suspicion says as much as the case does.
    let turn = &seen[suspected];
    assert!((0.6..0.995).contains(&turn.chance) && turn.distance_m > 0.0 && turn.since <= turn.at, "{turn:?}");
    assert!(!turn.stories.is_empty() && turn.fixes.last().is_some_and(|fix| fix.at == turn.at), "{turn:?}");
    assert_eq!(turn.fixes.last().unwrap().accuracy_m, Some(8.0), "{turn:?}");
    let entries = entries(&district).await;
    assert_eq!(
        entries.iter().map(|(_, data)| &data["chance"]).collect::<Vec<_>>(),
        [&json!(seen[left].chance), &json!(seen[back].chance)]
    );
    assert!(seen[back].chance < 0.06 && seen[back].distance_m < 0.0, "{:?}", seen[back]);

    // What was judged of another area is not told of this one, nor what somebody else did who wore the terminal.
    let kept = "select count(*) from fence_turn";
    let count = async || sqlx::query_scalar::<_, i64>(kept).fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(count().await, 1, "the last of each");
    let run = async |sql: &'static str| sqlx::query(sql).execute(&district.desk_pool).await.unwrap();
    run("update terminal_assignment set since = now() where until is null").await;
    assert_eq!(told(&district).await, ("doubtful".to_owned(), None));
    run("update terminal_assignment set since = now() - interval '2 hours' where until is null").await;
    assert_eq!(told(&district).await.1.as_ref(), seen.last());
    run("update fence set radius_m = 300").await;
    walk(&district, "P1", &stays(10, 2, 0.0)).await;
    assert_eq!(told(&district).await, ("inside".to_owned(), None));
    run("delete from fence").await;
    assert_eq!(count().await, 0, "it goes with its fence");
}

#[sqlx::test(migrations = "./migrations")]
async fn of_two_terminals_the_one_that_is_worse_off_says_how_somebody_came_to_stand_so(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    sqlx::query(
        "update terminal_assignment set resident_id = (select resident_id from fence)
         where terminal_id = (select id from terminal where serial = 'P2') and until is null",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    walk(&district, "P1", &leaves(60)).await;
    // The other has been away, and is back: that came later.
    walk(&district, "P2", &[leaves(40), comes_back(26)].concat()).await;
    let (state, turn) = told(&district).await;
    assert_eq!((state.as_str(), turn.map(|turn| turn.to)), ("outside", Some(Standing::Confirmed)));
}

#[sqlx::test(migrations = "./migrations")]
async fn who_is_missed_by_a_rule_is_looked_for_by_the_way_that_they_went_as_well(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    let run = async |sql: &'static str| sqlx::query(sql).execute(&district.desk_pool).await.unwrap();
    run("insert into fence_rule (id, fence_id, expect, days, from_minute, until_minute, allowed_s, grace_s)
         select gen_random_uuid(), id, 'inside', 'every', 0, 1440, 0, 0 from fence")
    .await;
    walk(&district, "P1", &leaves(13)).await;
    assert!(wandering(&district).await.is_empty(), "a fence with rules is judged by them alone");
    rules::look_once(&district.desk).await.unwrap();
    assert_eq!(wandering(&district).await, [(1, false)]);
    let data: Value = sqlx::query_scalar("select data from incident_entry where what = 'rule_broken'")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    // North, on foot.
    let heading = number(&data["heading_deg"]);
    assert!(!(20.0..340.0).contains(&heading) && (2.0..7.0).contains(&number(&data["speed_kmh"])), "{data:#}");
    assert!(number(&data["chance"]) >= 0.995 && number(&data["stories"]["walks"]) > 0.9, "{data:#}");
    assert_eq!(data["serial"], "P1");
    // From where they went on, and not from where they sat before.
    let track: Vec<[f64; 2]> = serde_json::from_value(data["track"].clone()).unwrap();
    assert!((3..leaves(13).len()).contains(&track.len()), "{data:#}");
    assert!(track.is_sorted_by_key(|[_, lat]| *lat) && track[0][1] > HOME.0 + 0.0005, "{data:#}");
    assert_eq!(data["at"], data["fixes"].as_array().unwrap().last().unwrap()["at"], "{data:#}");
    // The nearest to ask are near to where they are.
    let at: (f64, f64) = sqlx::query_as("select st_y(place::geometry), st_x(place::geometry) from incident_place")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert!((at.0 - track.last().unwrap()[1]).abs() < 1e-6, "{at:?}, {track:?}");

    // Of whom no more is known than how they stand, that is told, and the places.
    run("delete from rule_breach").await;
    run("update terminal_state set whereabouts = null").await;
    run("update rule_watch set wake_at = now()").await;
    rules::look_once(&district.desk).await.unwrap();
    let told: Vec<Value> =
        sqlx::query_scalar("select data from incident_entry where what = 'rule_broken' order by seq")
            .fetch_all(&district.desk_pool)
            .await
            .unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!((&told[1]["track"], told[1].get("heading_deg")), (&data["track"], None), "{:#}", told[1]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_wandering_incident_rings_asks_nobody_by_itself_and_can_be_closed_as_found(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &leaves(60)).await;
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
    walk(&district, "P1", &comes_back(46)).await;
    let back = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert!(back.is_open() && back.tasks().contains(&Task::Returned), "{back:?}");
    let close = Input::Close { by, outcome: Ending::Found, note: None };
    district.desk.apply(incident, close).await.unwrap();
    assert_eq!(words(&district).await, ["left_fence", "returned"]);
    // Who goes again is a new case.
    walk(&district, "P1", &leaves(20)).await;
    assert_eq!(wandering(&district).await, [(1, true), (1, false)]);
}

/// What the policy says in the whole district: after so many seconds of being back.
async fn let_close(district: &District, after_s: i32) {
    sqlx::query("update org_node set close_returned_s = $1 where parent_id is null")
        .bind(after_s)
        .execute(&district.desk_pool)
        .await
        .unwrap();
}

/// As if they had been back for so long.
async fn been_back(district: &District, incident: IncidentId, s: i64) {
    sqlx::query("update incident set closes_at = closes_at - make_interval(secs => $2) where id = $1")
        .bind(incident.0)
        .bind(f64::from(i32::try_from(s).unwrap()))
        .execute(&district.desk_pool)
        .await
        .unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn who_is_back_for_long_enough_is_closed_as_found_by_the_policy_and_called_back_all_the_same(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    let_close(&district, 900).await;
    walk(&district, "P1", &leaves(60)).await;
    let incident: uuid::Uuid =
        sqlx::query_scalar("select id from incident").fetch_one(&district.desk_pool).await.unwrap();
    let incident = IncidentId(incident);
    district.desk.apply(incident, Input::Wake).await.unwrap();
    walk(&district, "P1", &comes_back(46)).await;
    let is_due: bool = sqlx::query_scalar("select wake_at <= clock_timestamp() from incident")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert!(is_due, "nobody looks at a case whose wearer is back");
    let back = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert!(back.is_open() && back.ring.level() != Level::Quiet && back.closes_at.is_some(), "{back:?}");
    been_back(&district, incident, 899).await;
    assert!(district.desk.apply(incident, Input::Wake).await.unwrap().is_open());
    been_back(&district, incident, 2).await;
    let over = district.desk.apply(incident, Input::Wake).await.unwrap();
    let is_by_policy = matches!(over.closure, Closure::Closed { by: ClosedBy::Return, outcome: Ending::Found, .. });
    assert!(is_by_policy, "{over:?}");
    // Read back from its row it is the same.
    assert_eq!(district.desk.apply(incident, Input::Wake).await.unwrap(), over);
    let written: Value = sqlx::query_scalar("select data from incident_entry where what = 'closed'")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!((&written["rule"], &written["outcome"]), (&json!("returned"), &json!("found")));
    // Somebody calls back and asks how it was, as after any other case.
    let due: Vec<String> = sqlx::query_scalar("select step from aftercare where settled_at is null order by step")
        .fetch_all(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(due, ["followed_up", "rated"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_somebody_has_in_hand_or_who_leaves_again_is_not_closed_by_the_policy(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    let_close(&district, 900).await;
    walk(&district, "P1", &[leaves(90), comes_back(76)].concat()).await;
    let incident: uuid::Uuid =
        sqlx::query_scalar("select id from incident").fetch_one(&district.desk_pool).await.unwrap();
    let incident = IncidentId(incident);
    assert!(district.desk.apply(incident, Input::Wake).await.unwrap().closes_at.is_some());
    // Out once more.
    walk(&district, "P1", &leaves(60)).await;
    let gone = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_eq!((gone.returned, gone.closes_at, gone.presses), (false, None, 2));
    // Back, and somebody has it.
    walk(&district, "P1", &comes_back(46)).await;
    assert!(district.desk.apply(incident, Input::Wake).await.unwrap().closes_at.is_some());
    let by = district.operator;
    let claimed = district.desk.apply(incident, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    assert_eq!((claimed.closes_at, claimed.is_open()), (None, true));
    // Of whom it was told that a rule is not kept, they are not back.
    sqlx::query(
        "update incident set owner_id = null, owned_since = null, owner_check_at = null, returned = false,
            ring_level = 'operators', ring_since = now(), ring_climbed_s = 0, ring_next_at = now() + interval '1 hour'",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into rule_breach (id, rule_id, resident_id, incident_id, since, told_at)
        select gen_random_uuid(), gen_random_uuid(), resident_id, id, now(), now() from incident",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    walk(&district, "P1", &[leaves(32), comes_back(18)].concat()).await;
    let kept = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_eq!((kept.returned, kept.closes_at), (false, None));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_receiver_that_jumps_says_nothing(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    // One jump out between fixes at home, again and again.
    let jumps: Steps = (0..20).map(|n| (60 - n, if n % 2 == 1 { 400.0 } else { 30.0 })).collect();
    walk(&district, "P1", &jumps).await;
    assert_eq!(wandering(&district).await, []);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_cell_says_nothing(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P2"]).await;
    walk(&district, "P2", &stays(12, 1, 0.0)).await;
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
    walk(&district, "P1", &[leaves(50), comes_back(36)].concat()).await;
    assert_eq!(wandering(&district).await, [(1, true)]);
    walk(&district, "P1", &leaves(20)).await;
    assert_eq!(wandering(&district).await, [(2, false)]);
    assert_eq!(words(&district).await, ["left_fence", "returned", "left_fence"]);
    // What the terminal says by itself belongs to the same case.
    let event = Event::Alert { kind: domain::press::AlertKind::FenceExit };
    district.take_one(District::report("P1", event, 1)).await;
    assert_eq!(wandering(&district).await, [(3, false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_comes_late_takes_its_place(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1", "P3"]).await;
    // Every three steps come backwards, each in a batch of its own.
    let steps = leaves(13);
    for three in steps.chunks(3) {
        walk(&district, "P1", &three.iter().rev().copied().collect::<Steps>()).await;
    }
    walk(&district, "P3", &steps).await;
    assert_eq!(wandering(&district).await, [(1, false), (1, false)]);
    let since: Vec<String> = entries(&district).await.iter().map(|(_, data)| data["since"].to_string()).collect();
    let minute = |time: &String| time.trim_matches('"').parse::<Timestamp>().unwrap();
    assert!(minute(&since[0]).duration_since(minute(&since[1])).abs() < SignedDuration::from_mins(2), "{since:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn what_comes_twice_or_from_nowhere_or_long_after_changes_nothing(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &stays(40, 5, 0.0)).await;
    // Of somebody who has been at home since.
    walk(&district, "P1", &stays(60, 8, 400.0)).await;
    for _ in 0..8 {
        let twice = seen("P1", 34, 400.0);
        district.take_one(twice.clone()).await;
        district.take_one(Report { id: clock::fresh_id(), ..twice }).await;
    }
    for minutes_ago in 20..30 {
        let mut null = seen("P1", minutes_ago, 0.0);
        null.fixes[0] = Fix { lat_deg: 0.0, lon_deg: 0.0, ..null.fixes[0].clone() };
        district.take_one(null).await;
    }
    for (minutes_ago, north_m) in leaves(20) {
        district.take_one(Report { authenticated: false, ..seen("P1", minutes_ago, north_m) }).await;
    }
    assert_eq!(wandering(&district).await, []);
    // A clock that has lost its time does not keep somebody from being found.
    for (minutes_ago, north_m) in leaves(16) {
        let mut lost = seen("P1", minutes_ago, north_m);
        lost.received_at = clock::now() - SignedDuration::from_mins(minutes_ago);
        lost.fixes[0].device_at = Some(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(90 - minutes_ago));
        district.take_one(lost).await;
    }
    assert_eq!(wandering(&district).await, [(1, false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_watch_that_can_prove_nothing_is_missed_all_the_same(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    for (minutes_ago, north_m) in leaves(13) {
        let report = Report { authenticated: false, dialect: Dialect::Watch, ..seen("P1", minutes_ago, north_m) };
        district.take_one(report).await;
    }
    assert_eq!(wandering(&district).await, [(1, false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn several_positions_of_one_message_are_judged_in_their_order(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    let mut backlog = seen("P1", 30, 0.0);
    backlog.fixes = [leaves(30), comes_back(16)]
        .concat()
        .into_iter()
        .flat_map(|(minutes_ago, north_m)| seen("P1", minutes_ago, north_m).fixes)
        .collect();
    district.take_one(backlog).await;
    assert_eq!(wandering(&district).await, [(1, true)]);
    assert_eq!(words(&district).await, ["left_fence", "returned"]);
    assert_eq!(asked(&district).await, [], "they are back");
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
    for (at_home, away) in stays(90, 13, 0.0).iter().zip(&leaves(90)) {
        walk(&district, "P1", &[*at_home]).await;
        walk(&district, "P2", &[*away]).await;
    }
    assert_eq!(wandering(&district).await, [(1, false)]);
    // The pager goes too; that the watch is back does not mean that they are.
    walk(&district, "P1", &leaves(70)).await;
    walk(&district, "P2", &comes_back(50)).await;
    assert_eq!(wandering(&district).await, [(2, false)]);
    walk(&district, "P1", &comes_back(30)).await;
    assert_eq!(wandering(&district).await, [(2, true)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_batch_of_many_wearers_is_judged_together(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1", "P3"]).await;
    let mut batch: Vec<Report> = leaves(13)
        .into_iter()
        .flat_map(|(minutes_ago, north_m)| ["P1", "P2", "P3", "P4"].map(|serial| seen(serial, minutes_ago, north_m)))
        .collect();
    batch.push(District::report("P1", Event::Alert { kind: domain::press::AlertKind::Sos }, 1));
    let receipts = district.desk.take(&batch).await.unwrap();
    assert_eq!(receipts.len(), batch.len());
    assert_eq!(wandering(&district).await, [(1, false), (1, false)]);
    let emergencies: i64 = sqlx::query_scalar("select count(*) from incident where class = 'emergency'")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(emergencies, 1);
    let Outcome::Committed { incident: Some(_) } = receipts[batch.len() - 1].outcome else { panic!("{receipts:?}") };
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
    walk(&district, "P1", &leaves(15)).await;
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
    let before: i64 = sqlx::query_scalar("select count(*) from fix").fetch_one(&district.desk_pool).await.unwrap();
    let mut press = District::report("P1", Event::Alert { kind: domain::press::AlertKind::Sos }, 1);
    press.fixes = seen("P1", 1, 400.0).fixes;
    let receipts = district.desk.take(&[press, seen("P1", 0, 400.0)]).await.unwrap();
    assert_eq!(receipts.len(), 2);
    let filed: i64 = sqlx::query_scalar("select count(*) from fix").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(filed, before + 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_terminal_that_changes_hands_takes_no_belief_along(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &leaves(40)).await;
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
    walk(&district, "P1", &leaves(13)).await;
    assert_eq!(wandering(&district).await, [(2, false)]);
}

/// Has every terminal's state be something else.
async fn put_instead(district: &District, state: Option<&[u8]>) {
    let changed = sqlx::query("update terminal_state set whereabouts = $1 where beliefs is not null")
        .bind(state)
        .execute(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_state_that_cannot_be_read_begins_anew_and_nobody_is_missed_twice(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &leaves(80)).await;
    assert_eq!(wandering(&district).await, [(1, false)]);
    // As the rule before this engine left it; damaged; from another version.
    for (minutes_ago, state) in [(65, None), (58, Some(&b"\x01\x00\x01 damaged"[..])), (51, Some(&b"\xff"[..]))] {
        put_instead(&district, state).await;
        walk(&district, "P1", &stays(minutes_ago, 6, 600.0)).await;
        assert_eq!(wandering(&district).await, [(1, false)], "{state:?}");
    }
    put_instead(&district, None).await;
    walk(&district, "P1", &comes_back(40)).await;
    assert_eq!(wandering(&district).await, [(1, true)]);
    assert_eq!(words(&district).await, ["left_fence", "returned"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_place_to_keep_away_from_counts_by_itself_and_a_way_is_a_place_to_be(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1", "P2"]).await;
    let draw = async |serial: &str, kind: &str, area: String, radius_m: f64| {
        sqlx::query(
            "insert into fence (id, resident_id, name, kind, area, radius_m)
             select gen_random_uuid(), a.resident_id, $2, $2, $3::text::geography, $4
             from terminal t join terminal_assignment a on a.terminal_id = t.id and a.until is null
             where t.serial = $1",
        )
        .bind(serial)
        .bind(kind)
        .bind(area)
        .bind(radius_m)
        .execute(&district.desk_pool)
        .await
        .unwrap();
    };
    let north = |metres: f64| HOME.0 + metres / 111_195.0;
    // The way north, and a river at its end.
    for serial in ["P1", "P2"] {
        let way = format!("linestring({} {}, {} {})", HOME.1, HOME.0, HOME.1, north(1_500.0));
        draw(serial, "corridor", way, 60.0).await;
    }
    draw("P2", "forbidden", format!("point({} {})", HOME.1, north(1_000.0)), 150.0).await;
    let steps = [stays(30, 4, 0.0), goes(26, PACE, 1_000.0), stays(11, 6, 1_000.0)].concat();
    walk(&district, "P1", &steps).await;
    assert_eq!(wandering(&district).await, [], "they are on their way");
    walk(&district, "P2", &steps).await;
    assert_eq!(wandering(&district).await, [(1, false)]);
    let (_, data) = entries(&district).await.remove(0);
    assert_eq!((&data["fence_kind"], &data["fence_name"]), (&json!("forbidden"), &json!("forbidden")));
    assert!(data["explanation"].as_str().unwrap().contains("sure that they are inside"), "{data:#}");
}

#[sqlx::test(migrations = "./migrations")]
async fn what_lies_in_the_row_of_somebody_at_home_is_small(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    walk(&district, "P1", &stays(40, 20, 0.0)).await;
    let row: (i32, Value) =
        sqlx::query_as("select octet_length(whereabouts), beliefs from terminal_state where whereabouts is not null")
            .fetch_one(&district.desk_pool)
            .await
            .unwrap();
    assert!(row.0 <= 100, "{row:?}");
    assert_eq!((row.1.as_array().unwrap().len(), &row.1[0]["standing"]), (1, &json!("inside")));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_fence_without_rules_is_quiet_while_it_is_paused_and_asks_again_when_the_pause_is_over(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    sqlx::query(
        "insert into fence_pause (id, resident_id, begins_at, ends_at, why)
         select gen_random_uuid(), resident_id, now() - interval '1 minute', now() + interval '2 days', '住院' from fence",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    rules::look_once(&district.desk).await.unwrap();
    walk(&district, "P1", &[leaves(90), stays(76, 20, 560.0)].concat()).await;
    assert_eq!((wandering(&district).await, asked(&district).await), (vec![], vec![]), "they are in hospital");

    sqlx::query("update fence_pause set ends_at = now()").execute(&district.desk_pool).await.unwrap();
    rules::look_once(&district.desk).await.unwrap();
    walk(&district, "P1", &stays(50, 25, 560.0)).await;
    assert_eq!(wandering(&district).await, [(1, false)], "the pause is over, and they are not back");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_pause_that_is_taken_back_ends_at_once(pool: PgPool) {
    let district = District::new(pool).await;
    fence(&district, &["P1"]).await;
    sqlx::query(
        "insert into fence_pause (id, resident_id, fence_id, begins_at, ends_at, why)
         select gen_random_uuid(), resident_id, id, now(), now() + interval '2 days', '探亲' from fence",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    rules::look_once(&district.desk).await.unwrap();
    walk(&district, "P1", &leaves(60)).await;
    assert_eq!(wandering(&district).await, []);
    sqlx::query("delete from fence_pause").execute(&district.desk_pool).await.unwrap();
    walk(&district, "P1", &stays(45, 25, 560.0)).await;
    assert_eq!(wandering(&district).await, [(1, false)]);
}
