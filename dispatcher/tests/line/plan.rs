//! The plan for everybody, on the database: who is asked when several need help at once, who is let go, who is
//! replaced, and that many dispatchers side by side do what one would.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher::config::Config;
use dispatcher::desk::{Desk, DeskError};
use dispatcher::store::registry::{self, NewResident, NewResponder};
use dispatcher::store::timeline;
use domain::id::{IncidentId, OfferId, ResponderId};
use domain::incident::{Input, OfferState, Refusal};
use domain::place::Position;
use domain::press::AlertKind;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::directory::{Dialect, Terminal, hash_secret};
use wire::receipt::Outcome;
use wire::report::{Event, Fix};

use crate::district::District;
use crate::faults::{NoTerminals, execute, run_until, wait_for};
use crate::orders::decided;

const SOS: Event = Event::Alert { kind: AlertKind::Sos };

/// Somewhere east of the district's first home, in metres.
fn east(metres: f64) -> Position {
    Position::new(28.228, 112.938 + metres / 98_000.0).unwrap()
}

/// Presses from there.
async fn press_from(district: &District, serial: &str, place: Position) -> IncidentId {
    let fix = Fix { lat_deg: place.lat_deg(), lon_deg: place.lon_deg(), ..District::fix() };
    let mut report = District::report(serial, SOS, 1);
    report.fixes = vec![fix];
    match district.take_one(report).await {
        Outcome::Committed { incident: Some(incident) } => IncidentId(incident),
        other => panic!("the press is committed: {other:?}"),
    }
}

async fn stand(district: &District, name: &str, place: Position) -> ResponderId {
    let id: Uuid = sqlx::query_scalar("select id from responder where name = $1")
        .bind(name)
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    let mut conn = district.desk_pool.acquire().await.unwrap();
    registry::place_responder(&mut conn, ResponderId(id), place, None, None).await.unwrap();
    ResponderId(id)
}

#[sqlx::test(migrations = "./migrations")]
async fn two_who_call_at_once_are_both_helped_sooner_than_by_asking_the_nearest_for_each(pool: PgPool) {
    let district = District::new(pool).await;
    // Both are nearest to 李卫; but without him the one in the east waits for ever, the one at home hardly longer.
    let wei = stand(&district, "李卫", east(1_000.0)).await;
    let lan = stand(&district, "张兰", east(-1_100.0)).await;
    let home = press_from(&district, "P1", east(0.0)).await;
    let far = press_from(&district, "P2", east(2_500.0)).await;
    let home = district.desk.apply(home, Input::Wake).await.unwrap();
    let far = district.desk.apply(far, Input::Wake).await.unwrap();
    assert_eq!((home.offers[0].responder, far.offers[0].responder), (lan, wei));
}

#[sqlx::test(migrations = "./migrations")]
async fn who_says_yes_and_does_not_come_is_replaced(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    let asked = district.desk.apply(incident, Input::Wake).await.unwrap();
    let wei = stand(&district, "李卫", east(3_000.0)).await;
    let offer = asked.offers[0].id;
    district.desk.apply(incident, Input::Accept { offer, minutes: 5 }).await.unwrap();
    // Nothing has been heard of him for a while, and it is time to look.
    execute(&district, "update responder_position set at = clock_timestamp() - interval '6 minutes' where responder_id in (select responder_id from offer where state = 'accepted')").await;
    execute(&district, "update offer set look_at = clock_timestamp() where state = 'accepted'").await;
    let replaced = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_eq!(replaced.offers[0].responder, wei);
    assert!(matches!(replaced.offers[0].state, OfferState::Lost { .. }), "{:?}", replaced.offers);
    let next = &replaced.offers[1];
    assert!(next.responder != wei && next.state.is_live(), "{:?}", replaced.offers);
}

#[sqlx::test(migrations = "./migrations")]
async fn an_emergency_takes_whoever_is_on_the_way_to_daily_help_and_the_meal_comes_all_the_same(pool: PgPool) {
    let district = District::new(pool).await;
    execute(
        &district,
        "insert into contract (provider_id, node_id, category) select id, node_id, 'meal' from provider",
    )
    .await;
    let wei = stand(&district, "李卫", east(200.0)).await;
    let lan = stand(&district, "张兰", east(5_000.0)).await;
    let asked = decided(&district, "meal", 1).await;
    assert_eq!(asked.offers[0].responder, wei);
    district.desk.apply(asked.id, Input::Accept { offer: asked.offers[0].id, minutes: 5 }).await.unwrap();

    press_from(&district, "P2", east(300.0)).await;
    run_until(
        &district,
        "the emergency has the nearer one, the order the other",
        "select array_agg(i.class || ' ' || r.name || ' ' || o.state order by o.asked_at) =
            '{service 李卫 withdrawn,service 张兰 asked,emergency 李卫 asked}'
         from offer o join incident i on i.id = o.incident_id join responder r on r.id = o.responder_id",
    )
    .await;
    assert_ne!(wei, lan);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_shortfall_says_how_far_whoever_got_furthest_came_and_each_is_told_what_stood_in_the_way(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    // Everything stands in the way; then one thing after the other is put right, for everybody but 张兰.
    for obstacle in [
        "update contract set since = '2020-01-01', until = '2020-01-02'",
        "update responder set skills = '{meal}', on_duty = false",
        "update responder_position set at = now() - interval '1 hour', place = st_makepoint(110, 20)::geography",
        "insert into refusal (resident_id, responder_id, why)
         select resident_id, responder.id, '不愿意' from incident, responder",
    ] {
        execute(&district, obstacle).await;
    }
    let stages = [
        ("select 1", "none_contracted", "not_contracted"),
        ("update contract set until = null, hours = '{[0,1)}'", "none_contracted", "out_of_hours"),
        ("update contract set hours = null", "none_suitable", "unskilled"),
        ("update responder set skills = null where name = '李卫'", "none_on_duty", "off_duty"),
        ("update responder set on_duty = true where name = '李卫'", "positions_old", "position_old"),
        ("update responder_position set at = now()", "all_too_far", "too_far"),
        ("update responder_position set place = st_makepoint(112.938, 28.2281)::geography", "none_suitable", "refused"),
        ("delete from refusal", "somebody is asked", "asked"),
    ];
    for (change, shortfall, verdict) in stages {
        execute(&district, change).await;
        execute(&district, "update incident set shortfall = null, presses = presses + 1").await;
        let decided = district.desk.apply(incident, Input::Wake).await.unwrap();
        let told = decided.shortfall.map_or_else(|| "somebody is asked".to_owned(), |shortfall| shortfall.to_string());
        assert_eq!(told, shortfall, "after {change}");
        let why: Vec<String> = sqlx::query_scalar(
            "select one ->> 'verdict' from choice, jsonb_array_elements(considered) one, responder r
             where r.id = (one ->> 'responder')::uuid and r.name = '李卫' order by at desc limit 1",
        )
        .fetch_all(&district.desk_pool)
        .await
        .unwrap();
        // Of those out of reach and without a contract nothing is told: there is nothing to tell.
        let is_told = verdict != "not_contracted";
        assert_eq!(why.first().map(String::as_str), is_told.then_some(verdict), "after {change}");
    }
}

/// Eight dispatchers on one database, each with its own connections, all of them awake.
#[sqlx::test(migrations = "./migrations")]
async fn eight_dispatchers_side_by_side_do_everything_once(pool: PgPool) {
    const DISPATCHERS: usize = 8;
    const CALLS: usize = 24;
    District::new(pool.clone()).await;
    populate(&pool, CALLS).await;
    let stop = CancellationToken::new();
    let mut desks = Vec::new();
    let mut running = Vec::new();
    for _ in 0..DISPATCHERS {
        let options = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_mins(1));
        let own = options.connect_with((*pool.connect_options()).clone()).await.unwrap();
        let desk = Desk::new(own, Arc::new(Config::default()));
        desk.open();
        running.push(tokio::spawn(dispatcher::start::run(desk.clone(), Arc::new(NoTerminals), None, stop.clone())));
        desks.push(desk);
    }
    let presses: Vec<_> = (0..CALLS).map(|call| District::report(&format!("Q{call}"), SOS, 1)).collect();
    for (press, desk) in presses.into_iter().zip(desks.iter().cycle()) {
        desk.take(&[press]).await.unwrap();
        desks.iter().for_each(Desk::wake);
    }
    wait_for(
        &pool,
        "every press is answered and somebody is asked for each",
        "select count(*) = 24 from incident i where presses_answered = presses
            and exists (select from offer o where o.incident_id = i.id and o.state = 'asked')",
    )
    .await;

    // Every dispatcher hears the same yes in the same moment: a telephone that repeats itself over several lines. On a
    // slow machine a question may pass on to somebody else meanwhile, who is heard in the next round.
    let going = "select count(distinct incident_id) from offer where state in ('accepted', 'on_the_way')";
    let count = async |of: &'static str| sqlx::query_scalar::<_, i64>(of).fetch_one(&pool).await.unwrap();
    let began = Instant::now();
    while count(going).await < i64::try_from(CALLS).unwrap() {
        assert!(began.elapsed() < Duration::from_mins(2), "somebody goes to each");
        wait_for(&pool, "somebody is asked", "select exists (select from offer where state = 'asked')").await;
        let asked: Vec<(Uuid, Uuid)> =
            sqlx::query_as("select incident_id, id from offer where state = 'asked'").fetch_all(&pool).await.unwrap();
        for (incident, offer) in asked {
            let yes = Input::Accept { offer: OfferId(offer), minutes: 5 };
            let heard = desks.iter().map(|desk| desk.apply(IncidentId(incident), yes.clone()));
            for answer in futures_util::future::join_all(heard).await {
                // Whoever was sooner may have made it needless, which is said to each alike.
                assert!(
                    matches!(answer, Ok(_) | Err(DeskError::ResponderBusy | DeskError::Refused(Refusal::OfferOver))),
                    "{answer:?}"
                );
            }
        }
    }
    stop.cancel();
    for running in running {
        running.await.unwrap().unwrap();
    }

    assert_eq!(count("select count(*) from incident where closed_at is null").await, i64::try_from(CALLS).unwrap());
    assert_eq!(count("select count(*) from incident where operator_decides").await, 0, "no decision failed");
    let engaged = "select count(*) - count(distinct responder_id) from offer
        where state in ('asked', 'accepted', 'on_the_way', 'on_scene')";
    assert_eq!(count(engaged).await, 0, "nobody is engaged twice");
    let twice = "select count(*) from (select 1 from outbox where what in ('help', 'ask')
        group by incident_id, what, target, coalesce(payload ->> 'offer', payload ->> 'handover') having count(*) > 1) twice";
    assert_eq!(count(twice).await, 0, "no message is written twice");
    let mut conn = pool.acquire().await.unwrap();
    let incidents: Vec<Uuid> = sqlx::query_scalar("select id from incident").fetch_all(&mut *conn).await.unwrap();
    for incident in &incidents {
        assert_eq!(timeline::verify(&mut conn, IncidentId(*incident)).await.unwrap(), Ok(()));
    }
    let asked_in: Vec<(Uuid, Uuid)> =
        sqlx::query_as("select incident_id, (data ->> 'offer')::uuid from incident_entry where what = 'asked'")
            .fetch_all(&mut *conn)
            .await
            .unwrap();
    assert_eq!(asked_in.iter().collect::<BTreeSet<_>>().len(), asked_in.len(), "each question is put once");
}

/// More residents with a pager each, and more people who go, all over a small town.
async fn populate(pool: &PgPool, calls: usize) {
    let mut conn = pool.acquire().await.unwrap();
    let node = registry::root(&mut conn).await.unwrap();
    let provider =
        registry::add_provider(&mut conn, "应急救援队", "0731-80000003", node, &["emergency".into()]).await.unwrap();
    for number in 0..calls {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
        let home = east(150.0 * number as f64);
        let serial = format!("Q{number}");
        let resident = NewResident {
            name: &format!("老人{number}"),
            sex: "female",
            born_in: 1941,
            phone: "0731-80000001",
            category: "空巢",
            address: "湘雅路",
            door_access: "",
            home,
            node,
            handover_policy: None,
            medical_card: "",
            contacts: &[],
        };
        let resident = registry::add_resident(&mut conn, &resident).await.unwrap();
        let terminal = Terminal {
            serial: serial.as_str().into(),
            login: serial.into(),
            secret_sha256: hash_secret(b"secret"),
            dialect: Dialect::Ydt,
            manual_publish_means_help: false,
            profile: None,
            drill: false,
            concentrator: None,
            certificate: None,
        };
        registry::put_terminal(&mut conn, &terminal, "sim", Some(resident)).await.unwrap();
        let name = format!("队员{number}");
        let responder = NewResponder {
            provider,
            user: None,
            name: &name,
            phone: "13900000000",
            token_sha256: None,
            place: Some(home),
        };
        registry::add_responder(&mut conn, &responder).await.unwrap();
    }
}
