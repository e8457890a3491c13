//! Who can go, as the database judges it: `who_might_go` of `0026_who_can_go_sooner.sql`.

use std::collections::BTreeMap;

use domain::id::IncidentId;
use sqlx::PgPool;
use wire::receipt::Outcome as Taken;
use wire::report::Event;

use crate::district::District;
use crate::faults::execute;

/// An order for a meal, and one responder for each thing that can stand in the way, named for it. All of them are
/// somebody who could go but for that: female, at work, beside the resident, speaking as she wishes.
async fn scene(pool: PgPool) -> (District, IncidentId) {
    let district = District::new(pool).await;
    sqlx::raw_sql(
        "update resident set wants_sex = 'female', wants_language = '长沙话';
         delete from responder_position; delete from responder;
         create temporary table who (word text, provider uuid, contracted boolean default true);
         insert into who (word) select * from unnest(array['not_contracted', 'out_of_hours', 'unskilled', 'off_duty',
            'place_unknown', 'position_old', 'too_far', 'refused', 'not_as_asked', 'provider_full', 'engaged', 'free']);
         update who set provider = gen_random_uuid(), contracted = word <> 'not_contracted';
         insert into provider (id, name, node_id) select provider, word, root_node() from who;
         insert into contract (provider_id, node_id, category, since, hours, capacity, grade)
         select provider, root_node(), 'meal', '2026-01-01',
            case word when 'out_of_hours' then int4multirange(int4range(0, 10080)) - int4multirange(int4range(
                greatest(minute - 60, 0), least(minute + 60, 10080))) end,
            case word when 'provider_full' then 1 end, 3
         from who, (select minute_of_week(now() at time zone time_zone) as minute from org_node where parent_id is null) here
         where contracted;
         insert into responder (id, provider_id, node_id, name, phone, on_duty, skills, sex, languages, mode)
         select gen_random_uuid(), provider, root_node(), word, '139', word <> 'off_duty',
            case word when 'unskilled' then array['repair', 'emergency'] end,
            case word when 'not_as_asked' then 'male' else 'female' end, '{长沙话}', 'walk'
         from who;
         insert into responder (id, provider_id, node_id, name, phone, on_duty)
         select gen_random_uuid(), provider, root_node(), 'colleague', '139', true from who where word = 'provider_full';
         insert into responder_position (responder_id, place, at)
         select id, st_makepoint(case name when 'too_far' then 113.5 else 112.9381 end, 28.2281)::geography,
            now() - case name when 'position_old' then interval '1 hour' else interval '1 minute' end
         from responder where name <> 'place_unknown';
         insert into refusal (resident_id, responder_id, why)
         select h.id, r.id, 'x' from resident h, responder r where r.name = 'refused';
         drop table who",
    )
    .execute(&district.desk_pool)
    .await
    .unwrap();
    let mut report = District::report("P1", Event::Request { category: "meal".into() }, 1);
    report.fixes = vec![District::fix()];
    let Taken::Committed { incident: Some(incident) } = district.take_one(report).await else {
        panic!("the request is committed")
    };
    // Two go to somebody else.
    let other = district.press("P2", 2).await;
    sqlx::query(
        "insert into offer (id, incident_id, ordinal, responder_id, round, asked_at, state)
         select gen_random_uuid(), $1, row_number() over (), id, 0, now(), 'on_scene' from responder
         where name in ('engaged', 'colleague')",
    )
    .bind(other.0)
    .execute(&district.desk_pool)
    .await
    .unwrap();
    (district, IncidentId(incident))
}

/// The stage and the word of each, by name.
async fn judged(district: &District, incident: IncidentId, wanted: &str) -> BTreeMap<String, (i32, Option<String>)> {
    let rows: Vec<(String, i32, Option<String>)> = sqlx::query_as(
        "select r.name, w.stage, w.unfit from who_might_go($1, $2, 5000, interval '10 minutes') w
         join responder r on r.id = w.responder_id where r.name <> 'colleague'",
    )
    .bind(incident.0)
    .bind(wanted)
    .fetch_all(&district.desk_pool)
    .await
    .unwrap();
    rows.into_iter().map(|(name, stage, unfit)| (name, (stage, unfit))).collect()
}

#[sqlx::test(migrations = "./migrations")]
async fn whatever_stands_in_somebodys_way_has_its_word_and_its_place_in_the_order(pool: PgPool) {
    let (district, order) = scene(pool).await;
    let judged = judged(&district, order, "meal").await;
    let words = [
        "not_contracted",
        "out_of_hours",
        "unskilled",
        "off_duty",
        "place_unknown",
        "position_old",
        "too_far",
        "refused",
        "not_as_asked",
        "provider_full",
        "engaged",
    ];
    let mut expected: BTreeMap<String, (i32, Option<String>)> =
        (0..).zip(words).map(|(stage, word)| (word.to_owned(), (stage, Some(word.to_owned())))).collect();
    expected.insert("free".into(), (11, None));
    assert_eq!(judged, expected);
}

#[sqlx::test(migrations = "./migrations")]
async fn in_an_emergency_a_refusal_counts_and_a_wish_does_not(pool: PgPool) {
    let (district, _) = scene(pool).await;
    execute(&district, "update contract set category = 'emergency', hours = null, capacity = null").await;
    let press = district.press("P1", 3).await;
    let judged = judged(&district, press, "emergency").await;
    for (name, stage) in [("refused", 7), ("not_as_asked", 11), ("unskilled", 11), ("free", 11), ("engaged", 10)] {
        assert_eq!(judged[name].0, stage, "{name}: {judged:?}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn whose_shifts_are_planned_is_at_work_within_one_only(pool: PgPool) {
    let (district, order) = scene(pool).await;
    let plan = |from: i32, until: i32| {
        let pool = district.desk_pool.clone();
        async move {
            sqlx::query(
                "insert into shift (id, responder_id, during) select gen_random_uuid(), id,
                    tstzrange(now() + $1 * interval '1 h', now() + $2 * interval '1 h') from responder where name = 'free'",
            )
            .bind(from)
            .bind(until)
            .execute(&pool)
            .await
            .unwrap();
        }
    };
    // To come, running, over, and so long ago that nobody plans any more.
    for (from, until, unfit) in
        [(2, 4, Some("off_duty")), (-2, 4, None), (-4, -2, Some("off_duty")), (-180, -172, None)]
    {
        execute(&district, "delete from shift").await;
        plan(from, until).await;
        assert_eq!(judged(&district, order, "meal").await["free"].1.as_deref(), unfit, "from {from} h to {until} h");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_contract_for_an_area_holds_there_and_the_one_that_holds_now_counts(pool: PgPool) {
    let (district, order) = scene(pool).await;
    let area = |west: f64| {
        let pool = district.desk_pool.clone();
        async move {
            sqlx::query(
                "update contract set area = st_multi(st_makeenvelope($1, 28.2, $1 + 0.1, 28.3, 4326))::geography
                 where provider_id = (select id from provider where name = 'free')",
            )
            .bind(west)
            .execute(&pool)
            .await
            .unwrap();
        }
    };
    area(112.9).await;
    assert_eq!(judged(&district, order, "meal").await["free"].1, None);
    area(113.2).await;
    assert_eq!(judged(&district, order, "meal").await["free"].1.as_deref(), Some("not_contracted"));
    // A second contract for the same that holds at this hour is enough, also further up.
    execute(
        &district,
        "insert into contract (provider_id, node_id, category, since)
         select id, root_node(), 'meal', '2026-02-01' from provider where name in ('free', 'out_of_hours')",
    )
    .await;
    let judged = judged(&district, order, "meal").await;
    assert_eq!((&judged["free"].1, &judged["out_of_hours"].1), (&None, &None));
}
