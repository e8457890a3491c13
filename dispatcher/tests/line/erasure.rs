//! Where somebody went is erased when it is asked for, beside what has to stay.

use dispatcher::store::erasure::{self, Erased};
use dispatcher::store::{self, timeline};
use domain::id::{IncidentId, ResidentId};
use domain::incident::{Authority, Input, Outcome};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::district::District;
use crate::{fences, usual};

async fn erase(district: &District, resident: Uuid) -> Erased {
    let mut tx = store::begin(&district.desk_pool).await.unwrap();
    let erased = erasure::whereabouts(&mut tx, ResidentId(resident)).await.unwrap();
    tx.commit().await.unwrap();
    erased
}

/// Positions of a terminal that are there.
async fn fixes(district: &District, serial: &str) -> u64 {
    let count: i64 =
        sqlx::query_scalar("select count(*) from fix f join terminal t on t.id = f.terminal_id where t.serial = $1")
            .bind(serial)
            .fetch_one(&district.desk_pool)
            .await
            .unwrap();
    u64::try_from(count).unwrap()
}

/// What was learnt of somebody: how many stays and places, and whether it counts.
async fn learnt(district: &District, resident: Uuid) -> (i64, bool) {
    sqlx::query_as(
        "select (select count(*) from usual_stay where resident_id = $1) + (select count(*) from usual_place where resident_id = $1),
            learnt_at is not null from usual where resident_id = $1",
    )
    .bind(resident)
    .fetch_one(&district.desk_pool)
    .await
    .unwrap()
}

/// What the timeline says of leaving and coming back.
async fn ways(district: &District, case: IncidentId) -> Vec<Option<Value>> {
    sqlx::query_scalar(
        "select data from incident_entry where incident_id = $1 and what in ('left_fence', 'returned') order by seq",
    )
    .bind(case.0)
    .fetch_all(&district.desk_pool)
    .await
    .unwrap()
}

async fn cases(district: &District, resident: Uuid) -> Vec<IncidentId> {
    let ids: Vec<Uuid> =
        sqlx::query_scalar("select id from incident where resident_id = $1 and class = 'wandering' order by opened_at")
            .bind(resident)
            .fetch_all(&district.desk_pool)
            .await
            .unwrap();
    ids.into_iter().map(IncidentId).collect()
}

async fn must_hold(district: &District, case: IncidentId) {
    timeline::verify(&mut district.desk_pool.acquire().await.unwrap(), case).await.unwrap().unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn where_somebody_went_is_erased_but_for_open_cases_and_every_chain_holds(pool: PgPool) {
    let district = District::new(pool).await;
    let (one, other) = (usual::lives(&district, "P1").await, usual::lives(&district, "P2").await);
    fences::fence(&district, &["P1", "P2"]).await;
    while dispatcher::usual::learn_next(&district.desk).await.unwrap() {}
    let known = learnt(&district, other).await;
    assert!(known.0 > 50 && known.1, "{known:?}");
    let told_by_other = fixes(&district, "P2").await;
    fences::walk(&district, "P1", &fences::leaves(60)).await;
    fences::walk(&district, "P1", &fences::comes_back(46)).await;
    let [case] = cases(&district, one).await[..] else { panic!("one case") };

    // While the case is open, what it reaches back to is needed.
    let (days, told) = (learnt(&district, one).await.0, fixes(&district, "P1").await);
    let erased = erase(&district, one).await;
    let kept = fixes(&district, "P1").await;
    assert!((20..60).contains(&kept), "{kept} of {told}");
    assert_eq!(erased, Erased { learnt: u64::try_from(days).unwrap(), fixes: told - kept, lines: 0, open_cases: 1 });
    assert!(ways(&district, case).await.iter().all(Option::is_some));
    let turns = "select count(*) from fence_turn t join fence f on f.id = t.fence_id where f.resident_id = $1";
    let turns = async |resident: Uuid| -> i64 {
        sqlx::query_scalar(turns).bind(resident).fetch_one(&district.desk_pool).await.unwrap()
    };
    assert_eq!((turns(one).await, turns(other).await), (1, 0));
    assert_eq!(learnt(&district, one).await, (0, false));

    let by = district.operator;
    district.desk.apply(case, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    district.desk.apply(case, Input::Close { by, outcome: Outcome::Found, note: None }).await.unwrap();
    let erased = erase(&district, one).await;
    assert_eq!(erased, Erased { learnt: 0, fixes: kept, lines: 2, open_cases: 0 });
    assert_eq!(ways(&district, case).await, [None, None]);
    must_hold(&district, case).await;
    assert_eq!(fixes(&district, "P1").await, 0);
    assert_eq!(turns(one).await, 0, "how they came to be where they are tells when they were out");
    // Of those days nothing is learnt again.
    sqlx::query("update usual set learn_at = now()").execute(&district.desk_pool).await.unwrap();
    while dispatcher::usual::learn_next(&district.desk).await.unwrap() {}
    assert_eq!(learnt(&district, one).await.0, 0);
    // Nobody else loses anything.
    assert_eq!((learnt(&district, other).await, fixes(&district, "P2").await), (known, told_by_other));
    let written: Vec<Value> =
        sqlx::query_scalar("select data from audit where what = 'whereabouts_erased' and resident_id = $1 order by id")
            .bind(one)
            .fetch_all(&district.desk_pool)
            .await
            .unwrap();
    assert_eq!(written[1], serde_json::json!({ "learnt": 0, "fixes": kept, "lines": 2, "open_cases": 0 }));
    assert_eq!(written.len(), 2);

    // Who leaves after that is missed as before.
    fences::walk(&district, "P1", &fences::leaves(20)).await;
    assert_eq!(cases(&district, one).await.len(), 2);
}
