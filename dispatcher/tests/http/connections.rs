//! Callers who go away in the middle leave nothing behind.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use dispatcher::store;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection, PgPool};

/// Waits for `future` until it has been heard of `times` times, and no longer.
async fn lose_patience<T>(future: impl Future<Output = T>, times: usize) {
    let mut future = pin!(future);
    let mut heard = 0;
    poll_fn(|context| {
        if heard == times {
            return Poll::Ready(());
        }
        heard += 1;
        future.as_mut().poll(context).map(drop)
    })
    .await;
}

#[sqlx::test(migrations = "./migrations")]
async fn a_transaction_that_nobody_waits_for_any_longer_leaves_no_connection_inside_it(pool: PgPool) {
    // A pool of one: whoever comes next gets the connection of whoever went away.
    let mut other = PgConnection::connect_with(&pool.connect_options()).await.unwrap();
    let options = pool.connect_options().as_ref().clone();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    // Wherever on the way they go away: the connection is being tried, BEGIN is on its way, all is done.
    for times in 0..8 {
        for read_only in [true, false] {
            if read_only {
                lose_patience(store::moment(&pool), times).await;
            } else {
                lose_patience(store::begin(&pool), times).await;
            }
            sqlx::query("insert into audit (what) values ('written')").execute(&pool).await.unwrap();
            let count: i64 = sqlx::query_scalar("select count(*) from audit").fetch_one(&mut other).await.unwrap();
            assert_eq!(count, 2 * i64::try_from(times).unwrap() + if read_only { 1 } else { 2 }, "after {times}");
        }
    }
}
