//! What is usual of somebody is learnt from their days, and who is out when they never are is suspected, once.

use dispatcher::config::Config;
use dispatcher::store::usual::suspicions::{self, SuspicionView};
use dispatcher::store::usual::{self as store, UsualView};
use dispatcher::{clock, usual};
use domain::id::ResidentId;
use jiff::SignedDuration;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;
use wire::report::{Fix, Report};

use crate::district::District;

const HOME: (f64, f64) = (28.228, 112.938);
/// How far north the market lies.
const MARKET_M: f64 = 1_200.0;

/// Sixty days of whoever wears a terminal, five minutes a step: at home, but for two hours of each day that are far from the
/// hour that it is now. The receiver errs by some ten metres, and once a week by half a kilometre.
pub(crate) async fn lives(district: &District, serial: &str) -> Uuid {
    sqlx::query("update terminal_assignment set since = since - interval '100 days'")
        .execute(&district.desk_pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into fix (terminal_id, received_at, device_at, place, accuracy_m, source)
         select t.id, at, at - interval '4 s', st_setsrid(st_makepoint(
                $3 + 0.00009 * sin(n * 1.7), $2 + 0.00009 * cos(n * 2.3) + case
                    when (n + 84) % 288 between 0 and 23 then $4 / 111195
                    when n % 2016 = 300 then 500 / 111195.0 else 0 end), 4326)::geography,
            8 + 4 * sin(n), 'gnss'
         from terminal t, generate_series(288, 60 * 288) n
         cross join lateral (select now() - n * interval '5 minutes' as at) a
         where t.serial = $1",
    )
    .bind(serial)
    .bind(HOME.0)
    .bind(HOME.1)
    .bind(MARKET_M)
    .execute(&district.desk_pool)
    .await
    .unwrap();
    sqlx::query_scalar(
        "select a.resident_id from terminal_assignment a join terminal t on t.id = a.terminal_id where t.serial = $1",
    )
    .bind(serial)
    .fetch_one(&district.desk_pool)
    .await
    .unwrap()
}

/// A safe area that is too large for anybody to leave here.
async fn fence(district: &District, resident: Uuid) {
    sqlx::query(
        "insert into fence (id, resident_id, name, kind, area, radius_m)
         select gen_random_uuid(), id, '城区', 'safe', home, 20000 from resident where id = $1",
    )
    .bind(resident)
    .execute(&district.desk_pool)
    .await
    .unwrap();
}

async fn choose(district: &District, resident: Uuid, chosen: Option<bool>) -> bool {
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let version = store::of_resident(&mut conn, resident, true).await.unwrap().version;
    store::choose(&mut conn, ResidentId(resident), (chosen, version), district.operator).await.unwrap()
}

async fn learnt(district: &District, resident: Uuid) -> UsualView {
    while usual::learn_next(&district.desk).await.unwrap() {}
    shown(district, resident).await
}

async fn shown(district: &District, resident: Uuid) -> UsualView {
    store::of_resident(&mut district.desk_pool.acquire().await.unwrap(), resident, true).await.unwrap()
}

/// Tells positions so far north, from so many minutes ago until now.
async fn tells(district: &District, serial: &str, minutes: i64, north_m: f64) {
    for minutes_ago in (0..=minutes / 5).rev().map(|step| 5 * step) {
        let at = clock::now() - SignedDuration::from_mins(minutes_ago);
        let lat_deg = HOME.0 + (north_m + f64::from(u8::try_from(minutes_ago % 7).unwrap())) / 111_195.0;
        let fix = Fix { lat_deg, lon_deg: HOME.1, device_at: Some(at), ..District::fix() };
        let raw = format!("{serial} {at} {north_m}").into_bytes();
        district.take_one(Report { fixes: vec![fix], raw, ..District::telemetry(serial) }).await;
    }
}

/// Looks now at whoever is looked after.
async fn look(district: &District) {
    sqlx::query("update usual set look_at = now() where learnt_at is not null")
        .execute(&district.desk_pool)
        .await
        .unwrap();
    usual::look_once(&district.desk).await.unwrap();
}

async fn suspected(district: &District) -> Vec<SuspicionView> {
    let scope = {
        use dispatcher::access::{Grant, GrantedNode, Role, Scope, See};
        let root = sqlx::query_scalar("select root_node()").fetch_one(&district.desk_pool).await.unwrap();
        let node = GrantedNode { id: root, name: String::new() };
        Scope::of::<See>(&[Grant { role: Role::Operator, node }]).unwrap()
    };
    suspicions::open(&mut district.desk_pool.acquire().await.unwrap(), &scope).await.unwrap()
}

/// How many rows there are.
async fn count(district: &District, of: &'static str) -> i64 {
    sqlx::query_scalar(of).fetch_one(&district.desk_pool).await.unwrap()
}

const BURSTS: &str = "select count(*) from command where asked_by is null and command ->> 'do' = 'burst'";
const SUSPICIONS: &str = "select count(*) from usual_suspicion";
const LEARNT: &str = "select (select count(*) from usual_stay) + (select count(*) from usual_place)
    + (select count(*) from usual_suspicion) + (select count(*) from usual where learnt_at is not null)";

#[sqlx::test(migrations = "./migrations")]
async fn sixty_days_show_where_somebody_lives_and_where_they_go(pool: PgPool) {
    let district = District::new(pool).await;
    let resident = lives(&district, "P1").await;
    assert!(!usual::learn_next(&district.desk).await.unwrap(), "nobody has a safe area, and nobody asked");
    fence(&district, resident).await;
    let view = learnt(&district, resident).await;
    assert!(view.on && (57..=60).contains(&view.days), "{view:?}");
    let [home, market] = view.places.as_slice() else { panic!("a home and a market: {view:#?}") };
    assert!(home.home && !market.home);
    let off_m = |place: &store::PlaceView, north_m: f64| {
        let north = (place.lat - HOME.0) * 111_195.0 - north_m;
        north.hypot((place.lon - HOME.1) * 111_195.0 * 0.88)
    };
    assert!(off_m(home, 0.0) < 15.0 && off_m(market, MARKET_M) < 15.0, "{view:#?}");
    assert!(market.days >= 55 && home.radius_m <= 100.0, "{view:#?}");
    // What the receiver said once a week takes nobody out.
    let hours = |away: &[i16]| away.iter().filter(|days| **days > 0).count();
    assert!((3..=4).contains(&hours(&view.away_working)), "{:?}", view.away_working);
    // What is known is not read again, and nobody is learnt twice on a day.
    let stays = count(&district, "select count(*) from usual_stay").await;
    assert!(!usual::learn_next(&district.desk).await.unwrap());
    sqlx::query("update usual set learn_at = now()").execute(&district.desk_pool).await.unwrap();
    assert_eq!(learnt(&district, resident).await.places, view.places);
    assert_eq!(count(&district, "select count(*) from usual_stay").await, stays);
}

#[sqlx::test(migrations = "./migrations")]
async fn who_is_out_when_they_never_are_is_suspected_once_and_asked_where_they_are(pool: PgPool) {
    let district = District::new(pool).await;
    let resident = lives(&district, "P1").await;
    fence(&district, resident).await;
    learnt(&district, resident).await;
    tells(&district, "P1", 30, 0.0).await;
    look(&district).await;
    assert!(suspected(&district).await.is_empty());

    // Half an hour at home, and then gone: nothing has been heard of that in between.
    sqlx::query("delete from fix where received_at > now() - interval '1 day'")
        .execute(&district.desk_pool)
        .await
        .unwrap();
    tells(&district, "P1", 40, 2_500.0).await;
    look(&district).await;
    look(&district).await;
    let told = suspected(&district).await;
    let [one] = told.as_slice() else { panic!("one: {told:#?}") };
    assert!(one.home_days == one.known_days && one.home_days >= 14, "{one:?}");
    assert!((2_400.0..2_600.0).contains(&one.distance_m), "{one:?}");
    let said = format!("they were at home on {0} of {0} ", one.known_days);
    assert!(one.why.contains(&said) && one.why.contains("; now 2.5 km away since "), "{}", one.why);
    assert!((39..=42).contains(&clock::now().duration_since(one.since).as_mins()), "{one:?}");
    let asked: (serde_json::Value, String) = sqlx::query_as("select command, why from command where asked_by is null")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(asked, (json!({ "do": "burst", "every_s": 20, "for_s": 300 }), one.why.clone()));
    assert_eq!(count(&district, "select count(*) from incident").await, 0, "never more than a suspicion");

    // They come home: it is over, and the next absence is another.
    tells(&district, "P1", 0, 0.0).await;
    look(&district).await;
    assert!(suspected(&district).await.is_empty());
    assert_eq!((count(&district, SUSPICIONS).await, count(&district, BURSTS).await), (1, 1));
    sqlx::query(
        "update usual_suspicion set since = since - interval '3 hours', raised_at = raised_at - interval '3 hours'",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    sqlx::query("delete from fix where received_at > now() - interval '1 day'")
        .execute(&district.desk_pool)
        .await
        .unwrap();
    tells(&district, "P1", 40, 2_500.0).await;
    look(&district).await;
    assert_eq!(count(&district, SUSPICIONS).await, 2);
}

#[sqlx::test(migrations = "./migrations")]
async fn four_dispatchers_that_look_at_once_suspect_once(pool: PgPool) {
    let district = District::new(pool).await;
    let resident = lives(&district, "P1").await;
    fence(&district, resident).await;
    learnt(&district, resident).await;
    tells(&district, "P1", 40, 2_500.0).await;
    sqlx::query("update usual set look_at = now()").execute(&district.desk_pool).await.unwrap();
    for looked in futures_util::future::join_all((0..4).map(|_| usual::look_once(&district.desk))).await {
        looked.unwrap();
    }
    assert_eq!((count(&district, SUSPICIONS).await, count(&district, BURSTS).await), (1, 1));
}

#[sqlx::test(migrations = "./migrations")]
async fn nobody_is_suspected_in_a_case_in_a_pause_or_where_they_usually_are(pool: PgPool) {
    let district = District::new(pool).await;
    let resident = lives(&district, "P1").await;
    fence(&district, resident).await;
    learnt(&district, resident).await;
    tells(&district, "P1", 40, 2_500.0).await;
    for pause in [
        "insert into fence_pause (id, resident_id, begins_at, ends_at, why)
         select gen_random_uuid(), $1, now() - interval '1 h', now() + interval '1 day', '住院'",
        "insert into check_in_pause (id, resident_id, since, until, why)
         select gen_random_uuid(), $1, now() - interval '1 h', now() + interval '1 day', '住院'",
    ] {
        sqlx::query(pause).bind(resident).execute(&district.desk_pool).await.unwrap();
        look(&district).await;
        assert_eq!(count(&district, SUSPICIONS).await, 0, "{pause}");
        for end in ["delete from fence_pause", "delete from check_in_pause"] {
            sqlx::query(end).execute(&district.desk_pool).await.unwrap();
        }
    }
    // Somebody looks after them already.
    district.press("P1", 1).await;
    look(&district).await;
    assert_eq!(count(&district, SUSPICIONS).await, 0);
    sqlx::query("update incident set drill = true").execute(&district.desk_pool).await.unwrap();
    look(&district).await;
    assert_eq!(count(&district, SUSPICIONS).await, 1, "an exercise is no case");
}

#[sqlx::test(migrations = "./migrations")]
async fn switched_off_nothing_is_learnt_and_what_was_is_gone(pool: PgPool) {
    let district = District::new(pool).await;
    let resident = lives(&district, "P1").await;
    assert!(choose(&district, resident, Some(true)).await, "asked for, without a safe area");
    assert_eq!(learnt(&district, resident).await.places.len(), 2);
    tells(&district, "P1", 40, 2_500.0).await;
    look(&district).await;
    assert_eq!(count(&district, SUSPICIONS).await, 1);

    assert!(choose(&district, resident, Some(false)).await);
    assert_eq!(count(&district, LEARNT).await, 0);
    fence(&district, resident).await;
    look(&district).await;
    let view = learnt(&district, resident).await;
    assert!(!view.on && view.chosen == Some(false) && view.places.is_empty(), "{view:?}");
    assert_eq!(count(&district, LEARNT).await, 0);
    // As it was for everybody: they have a safe area now.
    assert!(choose(&district, resident, None).await);
    assert_eq!(learnt(&district, resident).await.places.len(), 2);
    // Without one, and without anybody's choice, it is gone with the fence.
    sqlx::query("delete from fence").execute(&district.desk_pool).await.unwrap();
    assert_eq!(count(&district, LEARNT).await, 0);
    assert_eq!(count(&district, "select count(*) from usual").await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn switched_off_for_all_everything_that_was_learnt_is_deleted_and_the_choices_stay(pool: PgPool) {
    let district = District::new(pool.clone()).await;
    let resident = lives(&district, "P1").await;
    choose(&district, resident, Some(true)).await;
    learnt(&district, resident).await;
    assert!(count(&district, LEARNT).await > 100);
    let off = Config { learn_usual: false, ..Config::default() };
    let desk = dispatcher::desk::Desk::new(pool, std::sync::Arc::new(off));
    desk.open();
    while usual::forget_some(&desk).await.unwrap() {}
    assert_eq!(count(&district, LEARNT).await, 0);
    assert_eq!(shown(&district, resident).await.chosen, Some(true));
}

/// Deletes a resident with what keeps them from being deleted: what erasing them has to do, whoever does it.
const ERASE: &str = "do $$ declare one record; begin
    for one in select c.conrelid::regclass as its, a.attname as with_column from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
        where c.confrelid = 'resident'::regclass and c.contype = 'f' and c.confdeltype = 'a'
    loop
        execute format('delete from %s where %I in (select id from resident where name = %L)', one.its, one.with_column, '陈秀英');
    end loop;
    delete from resident where name = '陈秀英';
 end $$";

#[sqlx::test(migrations = "./migrations")]
async fn what_was_learnt_of_somebody_is_erased_with_them(pool: PgPool) {
    let district = District::new(pool).await;
    let resident = lives(&district, "P1").await;
    choose(&district, resident, Some(true)).await;
    learnt(&district, resident).await;
    tells(&district, "P1", 40, 2_500.0).await;
    look(&district).await;
    assert_eq!(count(&district, SUSPICIONS).await, 1);
    sqlx::query(ERASE).execute(&district.desk_pool).await.unwrap();
    assert_eq!(count(&district, "select count(*) from resident where name = '陈秀英'").await, 0);
    assert_eq!(count(&district, LEARNT).await, 0);
    assert_eq!(count(&district, "select count(*) from usual").await, 0);
}
