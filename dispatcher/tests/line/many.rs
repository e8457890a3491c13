//! Many incidents at once: decided together, and each as if it were alone.

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::district::{District, move_in};

/// More than are decided one by one, and no multiple of what is decided together.
const MANY: usize = 150;

#[sqlx::test(migrations = "./migrations")]
async fn many_at_once_are_decided_as_each_alone_would_be(pool: PgPool) {
    let district = District::new(pool).await;
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let node = sqlx::query_scalar("select root_node()").fetch_one(&mut *conn).await.unwrap();
    for number in 0..MANY {
        move_in(&mut conn, node, &format!("M{number}"), "何桂芳").await;
    }
    drop(conn);
    // Of the two who could go, the contract lets one go at a time.
    sqlx::query("update contract set capacity = 1").execute(&district.desk_pool).await.unwrap();
    for number in 0..MANY {
        district.press(&format!("M{number}"), 1).await;
    }
    let undecided = async || -> i64 {
        let waiting = "select count(*) from incident where presses_answered < presses";
        sqlx::query_scalar(waiting).fetch_one(&district.desk_pool).await.unwrap()
    };
    assert_eq!(undecided().await, i64::try_from(MANY).unwrap());

    let stop = CancellationToken::new();
    let ticking = tokio::spawn(dispatcher::ticker::run(district.desk.clone(), stop.clone()));
    while undecided().await > 0 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    ticking.await.unwrap();

    let count =
        async |what: &'static str| -> i64 { sqlx::query_scalar(what).fetch_one(&district.desk_pool).await.unwrap() };
    let all = i64::try_from(MANY).unwrap();
    assert_eq!(count("select count(*) from offer where state = 'asked'").await, 1, "one, of one provider");
    assert_eq!(
        count("select count(distinct incident_id) from incident_entry where what = 'rung'").await,
        all,
        "every one rings"
    );
    assert_eq!(count("select count(*) from incident where wake_at is null").await, 0, "every one is looked at again");
    assert_eq!(count("select count(distinct incident_id) from choice").await, all, "and tells why nobody was asked");
    assert_eq!(
        count("select count(distinct incident_id) from outbox where channel = 'terminal'").await,
        all,
        "each wearer is told"
    );
    assert_eq!(
        count("select count(*) from (select from command group by terminal_id having count(*) <> count(distinct number)) t")
            .await,
        0
    );
    assert_eq!(
        count("select count(distinct incident_id) from command").await,
        all,
        "each terminal is to tell where it is"
    );
    assert_eq!(
        count(
            "select count(*) from incident i where entries <> (select count(*) from incident_entry e where e.incident_id = i.id)"
        )
        .await,
        0
    );
    assert_eq!(count("select count(*) from incident where decision_failures > 0 or operator_decides").await, 0);
}
