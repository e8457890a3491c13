//! Where somebody is whose terminal has no fix: by what it hears, from the home's access points, the table of cells, or
//! somebody outside; honestly, and never before the press is answered.

use axum::Router;
use axum::extract::Json;
use axum::routing::post;
use dispatcher::clock;
use dispatcher::config::{Config, PositionSettings};
use dispatcher::store::positions::{self, Tower};
use domain::id::IncidentId;
use domain::place::{Metres, Position};
use domain::press::AlertKind;
use jiff::SignedDuration;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::receipt::Outcome;
use wire::report::{AccessPoint, Cell, Event, Fix, Freshness, Report, Surroundings};

use crate::district::District;
use crate::faults::{execute, run_until};

const CELL: Cell = Cell { mcc: 460, mnc: 0, lac: 9720, cid: 28_373_001, signal: None };
const ROUTER: AccessPoint = AccessPoint { mac: [0xa4, 0x2b, 0, 1, 0xfe, 9], rssi_dbm: Some(-58), ssid: None };
const NEIGHBOUR: AccessPoint = AccessPoint { mac: [0xa4, 0x2b, 0, 1, 0xfe, 10], rssi_dbm: Some(-75), ssid: None };

/// A press that says what is heard, and not where.
fn press(seq: u32, surroundings: Surroundings) -> Report {
    Report { surroundings, ..District::report("P1", Event::Alert { kind: AlertKind::Sos }, seq) }
}

fn heard(cells: &[Cell], access_points: &[AccessPoint]) -> Surroundings {
    Surroundings { cells: cells.to_vec(), access_points: access_points.to_vec() }
}

async fn take(district: &District, report: Report) -> IncidentId {
    match district.take_one(report).await {
        Outcome::Committed { incident: Some(incident) } => IncidentId(incident),
        other => panic!("the press is committed: {other:?}"),
    }
}

/// Source and accuracy of the best place known.
async fn place(district: &District, incident: IncidentId) -> (String, Option<f64>) {
    sqlx::query_as("select source, accuracy_m from incident_place where incident_id = $1")
        .bind(incident.0)
        .fetch_one(&district.desk_pool)
        .await
        .unwrap()
}

/// What the timeline says of places that were reckoned: by whom, and from what.
async fn resolved(district: &District) -> Vec<(String, String)> {
    sqlx::query_as(
        "select data ->> 'by', data ->> 'source' from incident_entry where what = 'place_resolved' order by seq",
    )
    .fetch_all(&district.desk_pool)
    .await
    .unwrap()
}

async fn put_tower(district: &District, range_m: f64) {
    let position = Position::new(28.2300, 112.9400).unwrap();
    let towers = [Tower { cell: CELL, position, range: Metres(range_m) }];
    positions::put_towers(&mut district.desk_pool.acquire().await.unwrap(), &towers).await.unwrap();
}

const LOOKED_UP: &str = "select count(*) = 0 from unresolved";

#[sqlx::test(migrations = "./migrations")]
async fn a_press_goes_out_at_once_and_hears_of_its_cell_later(pool: PgPool) {
    let district = District::new(pool).await;
    put_tower(&district, 800.0).await;
    let unknown = Cell { cid: 1, ..CELL };
    let incident = take(&district, press(1, heard(&[unknown, CELL], &[]))).await;
    assert_eq!(place(&district, incident).await, ("home".into(), None), "nothing better is known yet");
    run_until(&district, "the cell is looked up", LOOKED_UP).await;
    assert_eq!(place(&district, incident).await, ("cell".into(), Some(800.0)));
    assert_eq!(resolved(&district).await, [("cells".into(), "cell".into())]);
    // What was heard is kept with the report.
    let kept: Value =
        sqlx::query_scalar("select surroundings from report").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(kept["cells"][1]["cid"], 28_373_001);
}

#[sqlx::test(migrations = "./migrations")]
async fn who_hears_their_own_router_is_at_home(pool: PgPool) {
    let district = District::new(pool).await;
    put_tower(&district, 800.0).await;
    let resident: uuid::Uuid = sqlx::query_scalar("select id from resident where name = '陈秀英'")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    let mut conn = district.desk_pool.acquire().await.unwrap();
    positions::enter_home_points(&mut conn, resident, &[ROUTER.mac], district.operator).await.unwrap();
    drop(conn);
    let incident = take(&district, press(1, heard(&[CELL], &[NEIGHBOUR, ROUTER]))).await;
    run_until(&district, "it is looked up", LOOKED_UP).await;
    assert_eq!(place(&district, incident).await, ("wifi".into(), Some(50.0)));
    assert_eq!(resolved(&district).await, [("home".into(), "wifi".into())]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_place_that_says_less_than_what_is_known_changes_nothing(pool: PgPool) {
    let district = District::new(pool).await;
    put_tower(&district, 800.0).await;
    // Satellites, a moment ago.
    district.take_one(Report { fixes: vec![District::fix()], ..District::telemetry("P1") }).await;
    let incident = take(&district, press(1, heard(&[CELL], &[]))).await;
    run_until(&district, "it is looked up", LOOKED_UP).await;
    assert_eq!(place(&district, incident).await, ("gnss".into(), Some(8.0)));
    assert_eq!(resolved(&district).await, []);

    // An hour later they may be anywhere, and the cell says more.
    execute(&district, "update terminal_state set place_received_at = place_received_at - interval '1 hour'").await;
    take(&district, press(2, heard(&[CELL], &[]))).await;
    run_until(&district, "it is looked up", LOOKED_UP).await;
    assert_eq!(place(&district, incident).await, ("cell".into(), Some(800.0)));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_position_of_now_needs_no_looking_up_and_one_that_was_kept_is_as_old_as_it_says(pool: PgPool) {
    let district = District::new(pool).await;
    let now = Report { fixes: vec![District::fix()], ..press(1, heard(&[CELL], &[])) };
    let incident = take(&district, now).await;
    let waiting: i64 =
        sqlx::query_scalar("select count(*) from unresolved").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(waiting, 0);

    // The receiver repeats where it was an hour ago: that is how old it is, and it takes nothing newer's place.
    let hour_ago = clock::now() - SignedDuration::from_hours(1);
    let repeated = Fix { lat_deg: 28.3, device_at: Some(hour_ago), freshness: Freshness::LastKnown, ..District::fix() };
    take(&district, Report { fixes: vec![repeated.clone()], ..press(2, Surroundings::default()) }).await;
    let (lat, age_s): (f64, f64) = sqlx::query_as(
        "select st_y(place::geometry), extract(epoch from now() - at)::float8 from incident_place where incident_id = $1",
    )
    .bind(incident.0)
    .fetch_one(&district.desk_pool)
    .await
    .unwrap();
    assert!((lat - 28.2281).abs() < 1e-6 && age_s < 600.0, "{lat} {age_s}");

    // Without its time it says nothing that is not known, but for the doubt.
    let undated = Fix { device_at: None, ..repeated };
    take(&district, Report { fixes: vec![undated], ..press(3, Surroundings::default()) }).await;
    let doubts: Value = sqlx::query_scalar("select doubts from incident").fetch_one(&district.desk_pool).await.unwrap();
    assert!(doubts.as_array().unwrap().contains(&json!({ "doubt": "fix_old" })), "{doubts}");
    let lat: f64 = sqlx::query_scalar("select st_y(place::geometry) from incident_place")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert!((lat - 28.2281).abs() < 1e-6, "{lat}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_home_learns_its_access_points_and_forgets_what_is_carried_about(pool: PgPool) {
    let district = District::new(pool).await;
    let hears_at = async |lat_deg: f64| {
        let fix = Fix { lat_deg, lon_deg: 112.938, ..District::fix() };
        let report = Report { surroundings: heard(&[], &[ROUTER]), fixes: vec![fix], ..District::telemetry("P1") };
        district.take_one(report).await;
        positions::learn(&mut district.desk_pool.acquire().await.unwrap()).await.unwrap();
        execute(&district, "update home_access_point set seen_at = seen_at - interval '1 hour'").await;
    };
    let known = async || -> Option<i32> {
        sqlx::query_scalar("select sightings from home_access_point").fetch_optional(&district.desk_pool).await.unwrap()
    };
    hears_at(28.228).await;
    hears_at(28.2281).await;
    assert_eq!(known().await, Some(2));
    let incident = take(&district, press(1, heard(&[], &[ROUTER]))).await;
    run_until(&district, "it is looked up", LOOKED_UP).await;
    assert_eq!(resolved(&district).await, [], "twice is not enough");
    hears_at(28.228).await;
    execute(&district, "update terminal_state set place = null, place_received_at = null").await;
    take(&district, press(2, heard(&[], &[ROUTER]))).await;
    run_until(&district, "it is looked up", LOOKED_UP).await;
    assert_eq!(place(&district, incident).await.0, "wifi");
    // A telephone that shares its network is no home.
    hears_at(28.250).await;
    assert_eq!(known().await, None);
}

/// A telephone that shares its network with an address that it has given itself, and a router of which no signal was
/// measured.
const HOTSPOT: AccessPoint = AccessPoint { mac: [0xda, 0x2b, 0, 1, 0xfe, 9], rssi_dbm: Some(-40), ssid: None };
const UNMEASURED: AccessPoint = AccessPoint { mac: [0xa4, 0x2b, 0, 1, 0xfe, 11], rssi_dbm: Some(0), ssid: None };

#[sqlx::test(migrations = "./migrations")]
async fn what_walks_about_or_stands_for_nothing_tells_no_place_and_is_told_to_nobody(pool: PgPool) {
    let found = json!({ "location": { "lat": 28.2292, "lng": 112.9391 }, "accuracy": 40.0 });
    let provider = Provider::open(vec![Some(found)]).await;
    let district = provider.district(pool).await;
    let placeholder = Cell { lac: 0xFFFE, cid: 0x7FFF_FFFF, ..CELL };
    let position = Position::new(28.3, 112.9).unwrap();
    let towers = [Tower { cell: placeholder, position, range: Metres(300.0) }];
    positions::put_towers(&mut district.desk_pool.acquire().await.unwrap(), &towers).await.unwrap();

    // Nothing else is heard: nobody is asked, and the home is all that is known.
    let incident = take(&district, press(1, heard(&[placeholder], &[HOTSPOT, UNMEASURED]))).await;
    run_until(&district, "it is looked up", LOOKED_UP).await;
    assert_eq!(place(&district, incident).await, ("home".into(), None));
    assert_eq!((resolved(&district).await.len(), provider.asked.lock().len()), (0, 0));

    // Beside what stands still it is left out; all of it is kept with the report.
    take(&district, press(2, heard(&[placeholder, CELL], &[HOTSPOT, ROUTER, ROUTER, NEIGHBOUR]))).await;
    run_until(&district, "it is looked up", LOOKED_UP).await;
    let asked = provider.asked.lock().clone();
    let [asked] = &asked[..] else { panic!("asked once: {asked:?}") };
    assert_eq!(asked["cellTowers"].as_array().map(Vec::len), Some(1));
    let addresses: Vec<_> = asked["wifiAccessPoints"].as_array().unwrap().iter().map(|p| &p["macAddress"]).collect();
    assert_eq!(addresses, ["a4:2b:00:01:fe:09", "a4:2b:00:01:fe:0a"]);
    let kept: i32 = sqlx::query_scalar("select max(jsonb_array_length(surroundings -> 'access_points')) from report")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(kept, 4);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_home_learns_no_telephone_that_shares_its_network(pool: PgPool) {
    let district = District::new(pool).await;
    let surroundings = heard(&[], &[HOTSPOT, UNMEASURED, ROUTER]);
    let at_home = Fix { lat_deg: 28.228, lon_deg: 112.938, ..District::fix() };
    district.take_one(Report { surroundings, fixes: vec![at_home], ..District::telemetry("P1") }).await;
    positions::learn(&mut district.desk_pool.acquire().await.unwrap()).await.unwrap();
    let learnt: Vec<String> =
        sqlx::query_scalar("select mac from home_access_point").fetch_all(&district.desk_pool).await.unwrap();
    assert_eq!(learnt, ["a4:2b:00:01:fe:09"]);
}

/// Somebody outside who knows places, and what they were asked.
struct Provider {
    url: String,
    asked: std::sync::Arc<parking_lot::Mutex<Vec<Value>>>,
    _stop: DropGuard,
}

impl Provider {
    async fn open(answers: Vec<Option<Value>>) -> Self {
        let asked: std::sync::Arc<parking_lot::Mutex<Vec<Value>>> = std::sync::Arc::default();
        let kept = std::sync::Arc::clone(&asked);
        let answer = post(move |Json(question): Json<Value>| async move {
            let number = {
                let mut kept = kept.lock();
                kept.push(question);
                kept.len() - 1
            };
            match answers.get(number).cloned().flatten() {
                Some(answer) => Ok(Json(answer)),
                None => Err(axum::http::StatusCode::INTERNAL_SERVER_ERROR),
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/geolocate?key={{key}}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let serving = axum::serve(listener, Router::new().route("/geolocate", answer)).into_future();
            tokio::select! { _ = serving => {}, () = stopped.cancelled() => {} }
        });
        Self { url, asked, _stop: stop.drop_guard() }
    }

    async fn district(&self, pool: PgPool) -> District {
        let settings = json!({ "url": self.url, "key": "k" });
        let settings: PositionSettings = serde_json::from_value(settings).unwrap();
        District::with(pool, Config { positions: Some(settings.link().unwrap()), ..Config::default() }).await
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn somebody_outside_knows_better_than_the_table_and_is_asked_again_when_they_fail(pool: PgPool) {
    let found = json!({ "location": { "lat": 28.2292, "lng": 112.9391 }, "accuracy": 40.0 });
    let provider = Provider::open(vec![None, Some(found)]).await;
    let district = provider.district(pool).await;
    put_tower(&district, 800.0).await;
    let incident = take(&district, press(1, heard(&[CELL], &[ROUTER, NEIGHBOUR]))).await;
    // The table has answered; the wait for the other one is cut short here.
    run_until(
        &district,
        "the table has answered",
        "select count(*) > 0 from incident_entry where what = 'place_resolved'",
    )
    .await;
    execute(&district, "update unresolved set next_try_at = now()").await;
    run_until(&district, "it is looked up", LOOKED_UP).await;
    assert_eq!(place(&district, incident).await, ("wifi".into(), Some(40.0)));
    assert_eq!(resolved(&district).await, [("cells".into(), "cell".into()), ("provider".into(), "wifi".into())]);
    assert_eq!(provider.asked.lock()[0]["wifiAccessPoints"][0]["macAddress"], "a4:2b:00:01:fe:09");
}
