//! A ladder on the real database: it calls whom its node says, in its time, and changes under a case.

use dispatcher::store::watch::{self, Jump};
use domain::id::IncidentId;
use domain::incident::{Centre, Incident, Input, Level};
use domain::invariant;
use jiff::{SignedDuration, Timestamp};
use sqlx::PgPool;

use crate::district::District;
use crate::faults::execute;

/// Operators at once, 110 when nobody has claimed after 20 s, the centres after ten minutes.
const POLICE: &str = "insert into ladder
    (id, node_id, class, days, from_minute, until_minute, acts, afters_s, whens, every_s)
    values (gen_random_uuid(), root_node(), 'emergency', 'every', 0, 1440,
        '{operators,110,centres,everybody}', '{0,20,600,600}', '{always,unclaimed,unclaimed,always}', 30)";

/// A district that lets operators decide, with one at the console who never does.
async fn manned(pool: PgPool) -> District {
    let district = District::new(pool).await;
    execute(&district, "update org_node set handover_policy = 'operator_first'").await;
    execute(
        &district,
        r"insert into session (token_sha256, user_id, csrf, expires_at, seen_at, active_at)
          select '\x01', id, 'x', 'infinity', 'infinity', 'infinity' from app_user",
    )
    .await;
    district
}

/// As if so many seconds had passed.
async fn pass(district: &District, id: IncidentId, seconds: i64) -> Incident {
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let by = SignedDuration::from_secs(-seconds);
    watch::shift_deadlines(&mut conn, Jump { by, shows: Timestamp::MAX }).await.unwrap();
    drop(conn);
    district.desk.apply(id, Input::Wake).await.unwrap()
}

fn centres(incident: &Incident) -> Vec<Centre> {
    incident.handovers.iter().map(|handover| handover.centre).collect()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_ladder_of_a_node_calls_110_after_its_seconds_where_120_would_be_called(pool: PgPool) {
    let district = manned(pool).await;
    execute(&district, POLICE).await;
    let id = district.press("P1", 1).await;
    let ringing = district.desk.apply(id, Input::Wake).await.unwrap();
    assert_eq!((centres(&ringing), ringing.ring.level()), (vec![], Level::Operators));
    assert_eq!(centres(&pass(&district, id, 15).await), []);
    assert_eq!(centres(&pass(&district, id, 6).await), [Centre::Police]);
    let later = pass(&district, id, 60).await;
    assert_eq!((centres(&later), later.ring.level()), (vec![Centre::Police], Level::Operators), "not yet 120");
    let last = pass(&district, id, 520).await;
    assert_eq!((centres(&last), last.ring.level()), (vec![Centre::Police, Centre::Ambulance], Level::Supervisors));
}

#[sqlx::test(migrations = "./migrations")]
async fn without_a_ladder_of_its_own_a_node_goes_by_the_standard_one(pool: PgPool) {
    let district = manned(pool).await;
    let id = district.press("P1", 1).await;
    district.desk.apply(id, Input::Wake).await.unwrap();
    assert_eq!(pass(&district, id, 29).await.ring.level(), Level::Operators);
    let risen = pass(&district, id, 2).await;
    assert_eq!((centres(&risen), risen.ring.level()), (vec![], Level::Supervisors));
    assert_eq!(centres(&pass(&district, id, 30).await), [Centre::Ambulance]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_ladder_that_is_taken_away_leaves_no_case_behind(pool: PgPool) {
    let district = manned(pool).await;
    execute(&district, POLICE).await;
    let id = district.press("P1", 1).await;
    district.desk.apply(id, Input::Wake).await.unwrap();
    pass(&district, id, 300).await;
    execute(&district, "delete from ladder").await;
    // 120's rung of the standard ladder lies far below where the case stands.
    let incident = district.desk.apply(id, Input::Wake).await.unwrap();
    assert_eq!(
        (centres(&incident), incident.ring.level()),
        (vec![Centre::Police, Centre::Ambulance], Level::Supervisors)
    );
    let policy = domain::incident::Policy::default();
    let now = incident.opened_at;
    assert_eq!(invariant::broken(&incident, &policy, now, SignedDuration::ZERO), []);
}
