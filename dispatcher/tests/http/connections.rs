//! Callers who go away in the middle leave nothing behind.

use std::time::Duration;

use dispatcher::store;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::time::timeout;

#[sqlx::test(migrations = "./migrations")]
async fn a_transaction_that_nobody_waits_for_any_longer_leaves_no_connection_inside_it(pool: PgPool) {
    for round in 0..100 {
        let soon = Duration::from_micros(round * 10);
        let _ = timeout(soon, store::moment(&pool)).await;
        let _ = timeout(soon, store::begin(&pool)).await;
    }
    // Each connection of the pool writes, and somebody else sees it at once.
    let mut held = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        held.push(pool.acquire().await.unwrap());
    }
    let mut other = PgConnection::connect_with(&pool.connect_options()).await.unwrap();
    for conn in &mut held {
        sqlx::query("insert into audit (what) values ('written')").execute(&mut **conn).await.unwrap();
    }
    let count: i64 = sqlx::query_scalar("select count(*) from audit").fetch_one(&mut other).await.unwrap();
    assert_eq!(usize::try_from(count).unwrap(), held.len());
}
