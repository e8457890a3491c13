//! How long positions are kept.

use std::num::NonZeroU16;

use dispatcher::access::{Grant, GrantedNode, Role, Scope, See};
use dispatcher::store::retention::{self, GivenUp};
use dispatcher::store::{self, checkup, map, watch};
use domain::incident::{Authority, Centre, Input, Outcome};
use sqlx::PgPool;
use wire::report::Report;

use crate::district::District;

const KEPT_DAYS: i32 = 90;

/// Makes partitions of days so many days past, and files a position of each terminal in each, at noon.
async fn long_ago(pool: &PgPool, days_past: std::ops::RangeInclusive<i32>) {
    for day in days_past.clone() {
        let make = format!(
            "do $$ begin execute format('create table %I partition of fix for values from (%L) to (%L)',
                'fix_' || to_char(current_date - {day}, 'YYYYMMDD'), current_date - {day}, current_date - {day} + 1);
             end $$"
        );
        sqlx::query(sqlx::AssertSqlSafe(make)).execute(pool).await.unwrap();
    }
    sqlx::query(
        "insert into fix (terminal_id, received_at, place, source)
         select id, (current_date - day)::timestamptz + interval '12 h', 'point(112.938 28.228)', 'gnss'
         from terminal, generate_series($1::integer, $2::integer) day",
    )
    .bind(days_past.start())
    .bind(days_past.end())
    .execute(pool)
    .await
    .unwrap();
}

async fn give_up(pool: &PgPool) -> GivenUp {
    let mut tx = store::begin(pool).await.unwrap();
    let given_up = retention::drop_oldest(&mut tx, KEPT_DAYS).await.unwrap();
    tx.commit().await.unwrap();
    given_up
}

/// Gives up all that there is to give up; how many days it was.
async fn give_up_all(pool: &PgPool) -> usize {
    let mut days = 0;
    while give_up(pool).await.partition.is_some() {
        days += 1;
    }
    days
}

/// How old the fixes of a terminal are that are still there, in days.
async fn kept(pool: &PgPool, serial: &str) -> Vec<i32> {
    sqlx::query_scalar(
        "select current_date - received_at::date from fix f join terminal t on t.id = f.terminal_id
         where t.serial = $1 order by 1",
    )
    .bind(serial)
    .fetch_all(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn days_that_are_over_are_given_up_one_at_a_time_the_oldest_first(pool: PgPool) {
    let district = District::new(pool.clone()).await;
    long_ago(&pool, 89..=93).await;
    assert!(give_up(&pool).await.partition.is_some());
    assert_eq!(kept(&pool, "P1").await, [89, 90, 91, 92]);
    assert_eq!(give_up_all(&pool).await, 2);
    assert_eq!(kept(&pool, "P1").await, [89, 90]);
    assert_eq!(give_up(&pool).await, GivenUp { partition: None, fixes: 0 });
    // The day of today goes on as before.
    district.take_one(Report { fixes: vec![District::fix()], ..District::telemetry("P1") }).await;
    assert_eq!(kept(&pool, "P1").await, [0, 89, 90]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_an_open_case_reaches_back_to_stays_until_it_is_closed(pool: PgPool) {
    let district = District::new(pool.clone()).await;
    let case = district.press("P1", 1).await;
    long_ago(&pool, 89..=96).await;
    for shift in [
        "update incident set opened_at = (current_date - 94)::timestamptz + interval '15 h'",
        "update terminal_assignment set since = since - interval '100 d'",
    ] {
        sqlx::query(shift).execute(&pool).await.unwrap();
    }
    assert_eq!(give_up_all(&pool).await, 6);
    // From a day before the case on, and nobody else's.
    assert_eq!(kept(&pool, "P1").await, [89, 90, 91, 92, 93, 94]);
    assert_eq!(kept(&pool, "P2").await, [89, 90]);
    // Whoever looks at the case sees its way as before.
    let root = sqlx::query_scalar("select root_node()").fetch_one(&pool).await.unwrap();
    let grant = Grant { role: Role::Operator, node: GrantedNode { id: root, name: String::new() } };
    let scope = Scope::of::<See>(&[grant]).unwrap();
    let seen = map::case(&mut pool.acquire().await.unwrap(), case, &scope).await.unwrap().unwrap();
    // Of its first day, the two hours before it are shown, and noon was three.
    assert_eq!(format!("{seen:?}").matches("Fix {").count(), 5, "{seen:?}");

    // A terminal that its wearer had only later has nothing to do with it.
    sqlx::query("update terminal_assignment set since = (current_date - 92)::timestamptz")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(give_up(&pool).await, GivenUp { partition: None, fixes: 2 });
    assert_eq!(kept(&pool, "P1").await, [89, 90, 91, 92]);

    let by = district.operator;
    district.desk.apply(case, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    let centre = Centre::Ambulance;
    // Refused where no centre is reached by data.
    let _ = district.desk.apply(case, Input::StandDown { by, centre, reason: "well".into() }).await;
    district.desk.apply(case, Input::Close { by, outcome: Outcome::FalsePress, note: None }).await.unwrap();
    assert_eq!(give_up(&pool).await, GivenUp { partition: None, fixes: 2 });
    assert_eq!(kept(&pool, "P1").await, [89, 90]);
}

#[sqlx::test(migrations = "./migrations")]
async fn whoever_reads_all_positions_is_not_waited_for(pool: PgPool) {
    District::new(pool.clone()).await;
    long_ago(&pool, 95..=95).await;
    let mut reader = store::moment(&pool).await.unwrap();
    let _: i64 = sqlx::query_scalar("select count(*) from fix").fetch_one(&mut *reader).await.unwrap();
    let mut tx = store::begin(&pool).await.unwrap();
    retention::drop_oldest(&mut tx, KEPT_DAYS).await.unwrap_err();
    drop((tx, reader));
    assert!(give_up(&pool).await.partition.is_some());
}

#[sqlx::test(migrations = "./migrations")]
async fn what_the_doctor_asks_of_positions_is_told_of_whole_days_that_hold_some(pool: PgPool) {
    let district = District::new(pool.clone()).await;
    let kept_days = NonZeroU16::new(90).unwrap();
    let ask = async || checkup::district(&mut pool.acquire().await.unwrap(), kept_days).await.unwrap();
    let bare = ask().await;
    assert_eq!((bare.partition_days, bare.fix_days, bare.fix_bytes_a_day, bare.unfiled_fixes), (0, 0, None, 0));
    // Filed before there was a day's partition: it lies in none, and keeps the day from being made.
    district.take_one(Report { fixes: vec![District::fix()], ..District::telemetry("P1") }).await;
    let mut tx = store::begin(&pool).await.unwrap();
    watch::ensure_partitions(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let short = ask().await;
    assert_eq!((short.partition_days, short.unfiled_fixes), (0, 1));
    sqlx::query("delete from fix_default").execute(&pool).await.unwrap();
    let mut tx = store::begin(&pool).await.unwrap();
    watch::ensure_partitions(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    // Yesterday has a place too, and nothing in it; old fixes of an open case lie in no day and are no matter.
    assert_eq!((ask().await.partition_days, ask().await.fix_days), (4, 0));
    long_ago(&pool, 2..=3).await;
    sqlx::query(
        "insert into fix (terminal_id, received_at, place, source)
         select id, now() - interval '100 d', 'point(112.938 28.228)', 'gnss' from terminal",
    )
    .execute(&pool)
    .await
    .unwrap();
    let fed = ask().await;
    assert_eq!((fed.fix_days, fed.unfiled_fixes), (2, 0));
    assert!(fed.fix_bytes_a_day.is_some_and(|bytes| (8_192..1_000_000).contains(&bytes)), "{fed:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn check_ins_outages_and_the_like_go_when_they_are_old_but_for_those_of_open_cases(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    for statement in [
        // One that was kept long ago, one lately, and one that was missed and whose case is open.
        "insert into check_in (resident_id, due_at, deadline, state, way, known_at, judged_at, incident_id)
         select resident_id, now() - age, now() - age, state, way, known, now() - age, case state when 'missed' then i.id end
         from incident i, (values (interval '400 days', 'kept', 'key', now()), (interval '10 days', 'kept', 'key', now()),
            (interval '500 days', 'missed', null, null)) as said (age, state, way, known)",
        "insert into check_in_pause (id, resident_id, since, until, why)
         select gen_random_uuid(), resident_id, now() - age - interval '1 day', now() - age, '住院'
         from incident, unnest(array[interval '400 days', interval '10 days']) age",
        "insert into fence_pause (id, resident_id, begins_at, ends_at, why, stage)
         select gen_random_uuid(), resident_id, now() - age - interval '1 day', now() - age, '住院', 'over'
         from incident, unnest(array[interval '400 days', interval '10 days']) age",
        "insert into rule_breach (id, rule_id, resident_id, since, told_at, over_at, over_why)
         select gen_random_uuid(), gen_random_uuid(), resident_id, now() - age, now() - age, now() - age, 'kept'
         from incident, unnest(array[interval '400 days', interval '10 days']) age",
        "insert into test_press (terminal_id, month, at, incident_id)
         select terminal_id, date_trunc('month', now() - age)::date, now() - age, id
         from incident, unnest(array[interval '500 days', interval '10 days']) age on conflict do nothing",
        "insert into outage (id, kind, key, began_at, noticed_at, ended_at, shared_by)
         select gen_random_uuid(), 'everything', age::text, now() - age, now() - age, now() - age, 9
         from unnest(array[interval '400 days', interval '10 days']) age",
        "insert into outage_member (outage_id, terminal_id, heard_at)
         select outage.id, terminal.id, now() from outage, terminal",
    ] {
        sqlx::query(statement).execute(&district.desk_pool).await.unwrap();
    }
    let forget = async |count_max| {
        let mut conn = district.desk_pool.acquire().await.unwrap();
        retention::forget_presence(&mut conn, 365, count_max).await.unwrap()
    };
    // However much there is, little goes at a time.
    while forget(1).await > 0 {}
    let left: Vec<(String, i64)> = sqlx::query_as(
        "select 'check_in', count(*) from check_in union all select 'check_in_pause', count(*) from check_in_pause
         union all select 'fence_pause', count(*) from fence_pause union all select 'outage', count(*) from outage
         union all select 'rule_breach', count(*) from rule_breach
         union all select 'old test_press', count(*) from test_press where at < now() - interval '450 days' order by 1",
    )
    .fetch_all(&district.desk_pool)
    .await
    .unwrap();
    let left: Vec<(&str, i64)> = left.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    let expected = [
        ("check_in", 2),
        ("check_in_pause", 1),
        ("fence_pause", 1),
        ("old test_press", 0),
        ("outage", 1),
        ("rule_breach", 1),
    ];
    assert_eq!(left, expected);

    let by = district.operator;
    district.desk.apply(incident, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    sqlx::query("update handover set state = 'arrived', acknowledge_by = null")
        .execute(&district.desk_pool)
        .await
        .unwrap();
    let close = Input::Close { by, outcome: Outcome::NoInjury, note: None };
    district.desk.apply(incident, close).await.unwrap();
    assert_eq!(forget(100).await, 1, "the case is over, and its check-in as old as any");
}
