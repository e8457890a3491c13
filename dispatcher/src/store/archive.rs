//! What a backup writes down about the database, and what a restore has to see to besides the rows.

use std::collections::BTreeMap;

use domain::id::IncidentId;
use sqlx::PgConnection;

use super::timeline::{self, BrokenChain};
use super::{StoreError, begin_with};

/// Rows of each table; partitions count with the table that they are of.
pub type Counts = BTreeMap<String, i64>;

/// Opens a moment that stays open until it is dropped, and that other connections can look at too: its name is for
/// `pg_dump --snapshot`.
pub async fn moment(pool: &sqlx::PgPool) -> Result<(sqlx::Transaction<'static, sqlx::Postgres>, String), StoreError> {
    let mut tx = begin_with(pool, "begin isolation level repeatable read, read only").await?;
    // The dump may take longer than a client may otherwise sit in a transaction.
    sqlx::query!("set local idle_in_transaction_session_timeout = 0").execute(&mut *tx).await?;
    let snapshot = sqlx::query_scalar!(r#"select pg_export_snapshot() as "snapshot!""#).fetch_one(&mut *tx).await?;
    Ok((tx, snapshot))
}

/// Counts the rows of every table of ours.
pub async fn counts(conn: &mut PgConnection) -> Result<Counts, StoreError> {
    let rows = sqlx::query!(
        r#"select c.relname::text as "name!",
            (xpath('/row/n/text()',
                query_to_xml(format('select count(*) as n from %I.%I', n.nspname, c.relname), false, true, ''))
            )[1]::text::bigint as "rows!"
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
            and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
         order by 1"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.rows)).collect())
}

/// How large the database is, in bytes.
pub async fn size_bytes(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(r#"select pg_database_size(current_database()) as "bytes!""#).fetch_one(conn).await?)
}

/// How many other clients of ours are connected to this database.
pub async fn others_connected(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "others!" from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
            and application_name = 'yidiantong'"#
    )
    .fetch_one(conn)
    .await?)
}

/// Brings what was written by another database, or by this one in another life, into this one's terms.
///
/// Transaction numbers start anew in another cluster. The live stream goes by them: what is in it goes, and every
/// console begins with the list. The directory goes by them too: every terminal counts as changed now. Sessions end,
/// because one that was closed since the backup would be open again. Deadlines stay as they are: what is past rings at
/// once, and a message that has become too old is not sent (`outbox.not_after`).
pub async fn settle(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("delete from live_event").execute(&mut *conn).await?;
    sqlx::query!("update live_horizon set txid = pg_current_xact_id(), seq = 0").execute(&mut *conn).await?;
    sqlx::query!("update terminal set changed_in = pg_current_xact_id()").execute(&mut *conn).await?;
    sqlx::query!("update concentrator set changed_in = pg_current_xact_id()").execute(&mut *conn).await?;
    sqlx::query!("update terminal_state set session_open = false where session_open").execute(&mut *conn).await?;
    sqlx::query!("delete from session").execute(&mut *conn).await?;
    sqlx::query!("insert into audit (what) values ('restored')").execute(conn).await?;
    Ok(())
}

/// Checks every timeline. Gives how many there are, and those that are broken.
pub async fn broken_chains(conn: &mut PgConnection) -> Result<(usize, Vec<(IncidentId, BrokenChain)>), StoreError> {
    let incidents = sqlx::query_scalar!("select id from incident order by id").fetch_all(&mut *conn).await?;
    let mut broken = Vec::new();
    for id in &incidents {
        if let Err(cause) = timeline::verify(conn, IncidentId(*id)).await? {
            broken.push((IncidentId(*id), cause));
        }
    }
    Ok((incidents.len(), broken))
}

/// Whether there is any table of ours.
pub async fn is_empty(conn: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select not exists (
            select from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'public' and c.relkind in ('r', 'p')
                and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')) as "empty!""#
    )
    .fetch_one(conn)
    .await?)
}

/// Moves a database aside under another name. `conn` is connected to another one.
pub async fn rename(conn: &mut PgConnection, from: &str, to: &str) -> Result<(), StoreError> {
    run(conn, "alter database %I rename to %I", from, to).await
}

/// Makes an empty database.
pub async fn create(conn: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    run(conn, "create database %I", name, "").await
}

/// Deletes a database that a restore has not filled.
pub async fn drop_half_made(conn: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    run(conn, "drop database if exists %I", name, "").await
}

/// A statement that takes names and no parameters: PostgreSQL itself puts the names into quotes.
async fn run(conn: &mut PgConnection, statement: &str, a: &str, b: &str) -> Result<(), StoreError> {
    let statement = sqlx::query_scalar!(r#"select format($1, $2::text, $3::text) as "statement!""#, statement, a, b)
        .fetch_one(&mut *conn)
        .await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(conn).await?;
    Ok(())
}

/// What a dump of our tables alone takes for granted.
pub async fn prepare(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("create extension if not exists postgis").execute(conn).await?;
    Ok(())
}
