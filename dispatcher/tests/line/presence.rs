//! Terminals that are not heard any more: alone, and many at once.

use dispatcher::clock;
use dispatcher::presence::{self, Looked};
use dispatcher::store::{outages, timeline};
use dispatcher::watchdog;
use domain::id::IncidentId;
use domain::incident::{Class, Input};
use domain::place::Source;
use jiff::SignedDuration;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;
use wire::report::{Fix, Heard, Report, Session, Status, Vital};

use crate::district::District;

/// A district in which somebody has listened for days.
async fn district(pool: PgPool) -> District {
    let district = District::new(pool).await;
    run(&district, "insert into listening (since, seen_at) values (now() - interval '10 days', now())").await;
    run(&district, "update terminal_assignment set since = now() - interval '30 days'").await;
    district
}

async fn run(district: &District, statement: &'static str) {
    sqlx::query(statement).execute(&district.desk_pool).await.unwrap();
}

/// Time goes by: whatever was heard was heard so much earlier, and everybody's time to be looked at has come.
async fn later(district: &District, minutes: i32) {
    for statement in [
        "update terminal_state set heard_at = heard_at - make_interval(mins => $1)",
        "update presence set heard_at = heard_at - make_interval(mins => $1), look_at = now()",
    ] {
        sqlx::query(statement).bind(minutes).execute(&district.desk_pool).await.unwrap();
    }
}

async fn look(district: &District) -> Looked {
    presence::look(&district.desk).await.unwrap()
}

async fn stage(district: &District, serial: &str) -> String {
    sqlx::query_scalar("select p.stage from presence p join terminal t on t.id = p.terminal_id where t.serial = $1")
        .bind(serial)
        .fetch_one(&district.desk_pool)
        .await
        .unwrap()
}

async fn count(district: &District, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&district.desk_pool).await.unwrap()
}

async fn hear(district: &District, serial: &str) {
    let heard = Heard { serial: serial.into(), at: clock::now(), session: Session::Alive };
    district.desk.hear(&[heard]).await.unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn a_silence_goes_from_late_to_lost_and_opens_one_welfare_incident(pool: PgPool) {
    let district = district(pool).await;
    hear(&district, "P1").await;
    let mut stages = Vec::new();
    let mut alarms = Vec::new();
    for minutes in [0, 25, 40, 24 * 60, 60] {
        later(&district, minutes).await;
        alarms.push(look(&district).await.alarms);
        presence::group(&district.desk).await.unwrap();
        stages.push(stage(&district, "P1").await);
    }
    assert_eq!(stages, ["heard", "late", "silent", "lost", "lost"]);
    assert_eq!(alarms, [0, 0, 0, 1, 0]);
    assert_eq!(stage(&district, "P2").await, "unheard", "who was never heard is not silent");
    let (incident, class, kinds): (Uuid, String, Vec<String>) =
        sqlx::query_as("select id, class, kinds from incident").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!((class.as_str(), kinds), ("welfare", vec!["silent".to_owned()]));
    let decided = district.desk.apply(IncidentId(incident), Input::Wake).await.unwrap();
    assert!(decided.class == Class::Welfare && decided.handovers.is_empty());

    hear(&district, "P1").await;
    later(&district, 0).await;
    look(&district).await;
    assert_eq!(stage(&district, "P1").await, "heard");
    let said: Vec<(String, Value)> =
        sqlx::query_as("select what, data from incident_entry where what in ('not_heard', 'heard_again') order by seq")
            .fetch_all(&district.desk_pool)
            .await
            .unwrap();
    let words: Vec<&str> = said.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(words, ["not_heard", "heard_again"]);
    assert_eq!((&said[0].1["serial"], &said[0].1["stage"]), (&"P1".into(), &"lost".into()));
}

#[sqlx::test(migrations = "./migrations")]
async fn two_terminals_of_one_wearer_that_fall_silent_together_are_one_case(pool: PgPool) {
    let district = district(pool).await;
    run(
        &district,
        "update terminal_assignment set resident_id = (select resident_id from wearer where serial = 'P1')
         where terminal_id = (select id from terminal where serial = 'P2')",
    )
    .await;
    hear(&district, "P1").await;
    hear(&district, "P2").await;
    let mut alarms = Vec::new();
    for minutes in [0, 25, 40, 24 * 60, 60] {
        later(&district, minutes).await;
        alarms.push(look(&district).await.alarms);
        presence::group(&district.desk).await.unwrap();
    }
    assert_eq!(alarms, [0, 0, 0, 2, 0]);
    let incident: Uuid = sqlx::query_scalar("select id from incident").fetch_one(&district.desk_pool).await.unwrap();
    let serials: Vec<String> = sqlx::query_scalar(
        "select data->>'serial' from incident_entry where incident_id = $1 and what = 'not_heard' order by 1",
    )
    .bind(incident)
    .fetch_all(&district.desk_pool)
    .await
    .unwrap();
    assert_eq!(serials, ["P1", "P2"]);
    let mut conn = district.desk_pool.acquire().await.unwrap();
    assert_eq!(timeline::verify(&mut conn, IncidentId(incident)).await.unwrap(), Ok(()));
}

#[sqlx::test(migrations = "./migrations")]
async fn somebody_who_is_away_is_not_looked_for(pool: PgPool) {
    let district = district(pool).await;
    hear(&district, "P1").await;
    run(
        &district,
        "insert into check_in_pause (id, resident_id, since, until, why)
         select gen_random_uuid(), resident_id, now() - interval '1 day', now() + interval '1 day', '住院' from wearer",
    )
    .await;
    for minutes in [0, 25 * 60, 60] {
        later(&district, minutes).await;
        assert_eq!(look(&district).await.alarms, 0);
    }
    assert_eq!(stage(&district, "P1").await, "lost");
    run(&district, "delete from check_in_pause").await;
    later(&district, 0).await;
    assert_eq!(look(&district).await.alarms, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_restart_of_ours_makes_nobody_silent(pool: PgPool) {
    let district = district(pool).await;
    hear(&district, "P1").await;
    look(&district).await;
    later(&district, 300).await;
    run(&district, "update listening set seen_at = now() - interval '5 hours'").await;
    look(&district).await;
    assert_eq!(stage(&district, "P1").await, "heard");
}

/// Gives so many residents a terminal each, in one cell of one carrier.
async fn settle(district: &District, from: i32, until: i32, cell: i32) {
    for statement in [
        "insert into resident (id, name, address, serving_node, registered_node)
         select gen_random_uuid(), '居民' || n, '某路 ' || n, root_node(), root_node() from generate_series($1, $2) n
         where $3 > 0",
        "insert into terminal (serial, login, secret_sha256, dialect, model)
         select 'T' || n, 'T' || n, sha256(n::text::bytea), 'ydt', 'sim' from generate_series($1, $2) n where $3 > 0",
        "insert into terminal_assignment (terminal_id, resident_id, since)
         select t.id, r.id, now() - interval '30 days'
         from generate_series($1, $2) n join terminal t on t.serial = 'T' || n join resident r on r.name = '居民' || n
         where $3 > 0",
        "update terminal_state s set heard_at = now(), surrounded_at = now(), surroundings = jsonb_build_object('cells',
            jsonb_build_array(jsonb_build_object('mcc', 460, 'mnc', 0, 'lac', 1, 'cid', $3)))
         from generate_series($1, $2) n join terminal t on t.serial = 'T' || n where s.terminal_id = t.id",
    ] {
        sqlx::query(statement).bind(from).bind(until).bind(cell).execute(&district.desk_pool).await.unwrap();
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn five_hundred_that_fall_silent_together_are_one_outage(pool: PgPool) {
    let district = district(pool).await;
    settle(&district, 1, 500, 7).await;
    settle(&district, 501, 1100, 8).await;
    assert_eq!(look(&district).await.terminals, 1104);
    later(&district, 25).await;
    run(
        &district,
        "update terminal_state s set heard_at = now() from terminal t
         where t.id = s.terminal_id and s.surroundings -> 'cells' -> 0 ->> 'cid' = '8'",
    )
    .await;
    assert_eq!(look(&district).await.changed, 500);
    // Two dispatchers look at once.
    let (one, other) = tokio::join!(presence::group(&district.desk), presence::group(&district.desk));
    assert_eq!(one.unwrap() + other.unwrap(), 1);
    assert_eq!(presence::group(&district.desk).await.unwrap(), 0);
    let outages: Vec<(String, String, i32)> =
        sqlx::query_as("select kind, key, shared_by from outage").fetch_all(&district.desk_pool).await.unwrap();
    assert_eq!(outages, [("cell".to_owned(), "460-0-1-7".to_owned(), 500)]);
    assert_eq!(count(&district, "select count(*) from outage_member").await, 500);

    // Supervisors are called for it once, until somebody has it; and it is heard elsewhere when nobody does.
    let calling = district.desk.outages();
    watchdog::call_for_outages(&district.desk).await.unwrap();
    let told = calling.borrow().to_vec();
    let [one] = &told[..] else { panic!("{told:?}") };
    assert_eq!((one.kind.as_str(), one.members, one.still_gone), ("cell", 500, 500));
    let root: Uuid = sqlx::query_scalar("select root_node()").fetch_one(&district.desk_pool).await.unwrap();
    assert!(one.nodes.contains(&root), "{one:?}");
    assert_eq!(count(&district, "select count(*) from outage where alarmed_at is not null").await, 0);
    run(&district, "update outage set noticed_at = now() - interval '6 minutes'").await;
    watchdog::call_for_outages(&district.desk).await.unwrap();
    assert_eq!(count(&district, "select count(*) from outage where alarmed_at is not null").await, 1);
    let mut conn = district.desk_pool.acquire().await.unwrap();
    assert_eq!(outages::alarming(&mut conn, 300.0).await.unwrap(), Vec::<Uuid>::new(), "told once");
    outages::acknowledge(&mut conn, one.id, district.operator).await.unwrap();
    drop(conn);
    watchdog::call_for_outages(&district.desk).await.unwrap();
    assert!(calling.borrow().is_empty());
    // As if nobody had: it ends by itself.
    run(&district, "update outage set acknowledged_by = null, acknowledged_at = null").await;
    watchdog::call_for_outages(&district.desk).await.unwrap();
    assert_eq!(calling.borrow().len(), 1);

    // However long it lasts, it is one record and no case.
    for minutes in [40, 24 * 60] {
        later(&district, minutes).await;
        run(&district, "update terminal_state set heard_at = now() where surroundings -> 'cells' -> 0 ->> 'cid' = '8'")
            .await;
        assert_eq!(look(&district).await.alarms, 0);
        assert_eq!(presence::group(&district.desk).await.unwrap(), 0);
    }
    assert_eq!(count(&district, "select count(*) from presence where stage = 'lost'").await, 500);

    // It closes when they return; who does not is silent by itself.
    run(
        &district,
        "update terminal_state s set heard_at = now() from terminal t
         where t.id = s.terminal_id and t.serial like 'T%' and t.serial not in ('T3', 'T4')",
    )
    .await;
    later(&district, 0).await;
    assert_eq!(look(&district).await.changed, 498);
    presence::group(&district.desk).await.unwrap();
    assert_eq!(count(&district, "select count(*) from outage where ended_at is not null").await, 1);
    watchdog::call_for_outages(&district.desk).await.unwrap();
    assert!(calling.borrow().is_empty(), "it is over, and calls for nobody");
    later(&district, 0).await;
    assert_eq!(look(&district).await.alarms, 2);
    assert_eq!(count(&district, "select count(*) from incident where class = 'welfare'").await, 2);
}

/// Sixty terminals that have nothing in common but where they are served; then half of them have what the statement gives to
/// those whose number is 30 or less, and fall silent. What the outages are found to be.
async fn found(pool: PgPool, shared: &'static str) -> Vec<(String, i32)> {
    let district = district(pool).await;
    settle(&district, 1, 60, 7).await;
    run(
        &district,
        "update terminal_state s set surroundings = jsonb_build_object('cells',
            jsonb_build_array(jsonb_build_object('mcc', 460, 'mnc', t.id, 'lac', 1, 'cid', t.id)))
         from terminal t where t.id = s.terminal_id and t.serial ~ '^T'",
    )
    .await;
    run(&district, "update terminal set model = serial where serial ~ '^T'").await;
    run(&district, shared).await;
    look(&district).await;
    later(&district, 25).await;
    run(
        &district,
        "update terminal_state s set heard_at = now() from terminal t
         where t.id = s.terminal_id and not (t.serial ~ '^T' and substr(t.serial, 2)::integer <= 30)",
    )
    .await;
    look(&district).await;
    presence::group(&district.desk).await.unwrap();
    sqlx::query_as(
        "select kind, (select count(*) from outage_member m where m.outage_id = o.id)::integer from outage o",
    )
    .fetch_all(&district.desk_pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_carrier_that_fails_is_one_outage(pool: PgPool) {
    let shared = "update terminal_state s set surroundings = jsonb_set(surroundings, '{cells,0,mnc}', '99')
        from terminal t where t.id = s.terminal_id and t.serial ~ '^T' and substr(t.serial, 2)::integer <= 30";
    assert_eq!(found(pool, shared).await, [("carrier".to_owned(), 30)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_model_that_fails_is_one_outage(pool: PgPool) {
    let shared = "update terminal set model = 'V9' where serial ~ '^T' and substr(serial, 2)::integer <= 30";
    assert_eq!(found(pool, shared).await, [("firmware".to_owned(), 30)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_community_that_fails_is_one_outage(pool: PgPool) {
    let shared = "with made as (
            insert into org_node (id, parent_id, level, name, path)
            select id, root_node(), 'community', '停电社区', array[root_node(), id] from (select gen_random_uuid() as id) n
            returning id)
        update resident set serving_node = (select id from made) where name ~ '^居民' and substr(name, 3)::integer <= 30";
    assert_eq!(found(pool, shared).await, [("community".to_owned(), 30)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_in_common_is_no_outage(pool: PgPool) {
    let outages = found(pool, "select 1").await;
    assert!(outages.is_empty(), "{outages:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn two_dispatchers_tell_one_silence_once(pool: PgPool) {
    let district = district(pool).await;
    hear(&district, "P1").await;
    look(&district).await;
    later(&district, 25).await;
    look(&district).await;
    later(&district, 24 * 60).await;
    let (one, other) = tokio::join!(presence::look(&district.desk), presence::look(&district.desk));
    assert_eq!(one.unwrap().alarms + other.unwrap().alarms, 1);
    assert_eq!(count(&district, "select sum(presses)::bigint from incident").await, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_a_terminal_tells_says_when_it_is_flat_off_the_body_or_frozen(pool: PgPool) {
    let district = district(pool).await;
    // Five per cent an hour, from 30.
    for (hours_ago, pct) in [(4, 30), (3, 25), (2, 20), (1, 15), (0, 10)] {
        let status = Status { battery_pct: Some(pct), charging: Some(false), worn: Some(false) };
        let at = clock::now() - SignedDuration::from_hours(hours_ago);
        let raw = format!("{hours_ago}").into_bytes();
        let report = Report { status: Some(status), received_at: at, raw, ..District::telemetry("P1") };
        district.take_one(report).await;
    }
    for n in 0..40 {
        let at = clock::now() - SignedDuration::from_mins(400 - n * 10);
        let fix = Fix { device_at: Some(at), ..District::fix() };
        let report =
            Report { fixes: vec![fix], received_at: at, raw: n.to_string().into_bytes(), ..District::telemetry("P2") };
        district.take_one(report).await;
    }
    look(&district).await;
    let (in_minutes, not_worn): (i64, bool) = sqlx::query_as(
        "select (extract(epoch from flat_at - now()) / 60)::bigint, not_worn
         from presence p join terminal t on t.id = p.terminal_id where t.serial = 'P1'",
    )
    .fetch_one(&district.desk_pool)
    .await
    .unwrap();
    assert!((90..=100).contains(&in_minutes) && not_worn, "{in_minutes} {not_worn}");
    let frozen: Vec<String> =
        sqlx::query_scalar("select t.serial from presence p join terminal t on t.id = p.terminal_id where p.frozen")
            .fetch_all(&district.desk_pool)
            .await
            .unwrap();
    assert_eq!(frozen, ["P2"]);

    // Worn again and on its charger, it is no trouble any more.
    let status = Status { battery_pct: Some(11), charging: Some(true), worn: Some(true) };
    let vitals = vec![Vital::Steps { count: 10 }];
    let report = Report { status: Some(status), vitals, raw: b"back".to_vec(), ..District::telemetry("P1") };
    district.take_one(report).await;
    later(&district, 0).await;
    look(&district).await;
    let troubled = "select count(*) from presence p join terminal t on t.id = p.terminal_id
        where t.serial = 'P1' and (not_worn or flat_at is not null)";
    assert_eq!(count(&district, troubled).await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_ledger_knows_whose_key_was_pressed_this_month(pool: PgPool) {
    let district = district(pool).await;
    district.press("P1", 1).await;
    district.press("P1", 2).await;
    // Nothing that a key was pressed for, and an exercise that was started at a desk.
    let flat = wire::report::Event::Alert { kind: domain::press::AlertKind::LowBattery };
    district.take_one(District::report("P2", flat, 1)).await;
    let sos = wire::report::Event::Alert { kind: domain::press::AlertKind::Sos };
    let desk = Report { drill: true, topic: "drill".into(), ..District::report("P3", sos, 1) };
    district.take_one(desk).await;
    let tested: Vec<String> =
        sqlx::query_scalar("select t.serial from test_press p join terminal t on t.id = p.terminal_id")
            .fetch_all(&district.desk_pool)
            .await
            .unwrap();
    assert_eq!(tested, ["P1"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn who_walks_far_moves_and_who_wavers_does_not(pool: PgPool) {
    let district = district(pool).await;
    let moved = "select count(*) from terminal_state where moved_at is not null";
    let seen = |north_m: f64, source: Source| {
        let fix = Fix { lat_deg: 28.228 + north_m / 111_195.0, source, ..District::fix() };
        Report { fixes: vec![fix], raw: format!("{north_m} {source}").into_bytes(), ..District::telemetry("P1") }
    };
    for (north_m, source) in [(0.0, Source::Gnss), (400.0, Source::Gnss), (20.0, Source::Gnss), (3_000.0, Source::Cell)]
    {
        district.take_one(seen(north_m, source)).await;
        assert_eq!(count(&district, moved).await, 0, "{north_m} m by {source}");
    }
    // A little at a time is far in the end.
    for north_m in [200.0, 380.0, 520.0] {
        district.take_one(seen(north_m, Source::Gnss)).await;
    }
    assert_eq!(count(&district, moved).await, 1);
}
