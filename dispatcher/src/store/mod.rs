//! All SQL, a file a subject. SQL says what is true; `domain` says what to do.
//!
//! Functions take a connection, so that the caller owns the transaction. Rows are private and become
//! domain types on the way out.

pub mod accounts;
pub mod aftercare;
pub mod appointments;
pub mod archive;
pub mod audit;
pub mod because;
pub mod board;
pub mod briefing;
pub mod canary;
pub mod checkins;
pub mod checkup;
pub mod choice;
pub mod clocks;
pub mod commands;
pub mod concentrators;
pub mod contacts;
pub mod contracts;
pub mod deliveries;
pub mod directory;
pub mod doors;
pub mod drills;
pub mod erasure;
pub mod facts;
pub mod fence_rules;
pub mod fence_trials;
pub mod fence_turns;
pub mod fences;
pub mod handovers;
pub mod incidents;
pub mod intake;
pub mod ladders;
pub mod live;
pub mod map;
pub mod offers;
pub mod once;
pub mod orders;
pub mod outages;
pub mod outbox;
pub mod page;
pub mod positions;
pub mod presence;
pub mod profiles;
pub mod push;
pub mod record;
pub mod refusals;
pub mod registry;
pub mod residents;
pub mod responders;
pub mod retention;
pub mod returned;
pub mod roll;
pub mod saving;
pub mod schema;
pub mod score;
pub mod settle;
pub mod shifts;
pub mod silence;
pub mod site;
pub mod telephone;
pub mod terminals;
pub mod timeline;
pub mod tree;
pub mod users;
pub mod usual;
pub mod views;
pub mod vitals;
pub mod watch;
pub mod ways;

use sqlx::{PgPool, Postgres, Transaction};

/// Why the database did not give an answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or is away.
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    /// The database is not known to be fit yet: see [`crate::desk::Desk::open`].
    #[error("it is still starting")]
    Starting,
    /// A row that makes no sense to us.
    #[error("{table} {id} holds something impossible in {column}")]
    Impossible {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: String,
        /// The column.
        column: &'static str,
    },
}

impl StoreError {
    /// See [`is_away`]. A database that is still being made ready is away, too.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Database(error) => is_away(error),
            Self::Starting => true,
            Self::Impossible { .. } => false,
        }
    }
}

/// Whether the database is away, starting, stopping or full, rather than asked something wrong.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error
            .code()
            // Classes of SQLSTATE: connection, resources, operator intervention, system.
            .is_some_and(|code| ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// A transaction that may write. Its statements keep the plan that they were given first: they look rows up by their keys,
/// and for many of them to make a plan takes longer than to carry it out.
///
/// Use this and [`moment`], never `Pool::begin`: with sqlx 0.9.0 a caller who goes away while `begin` is
/// on its way (a client that hangs up, a timeout) leaves a connection in the pool that is inside a
/// transaction nobody knows of, and what the next one writes is not committed
/// (<https://github.com/launchbadge/sqlx/issues/4393>). Here the beginning is always waited for.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    begin_with(pool, "begin; set local plan_cache_mode = force_generic_plan").await
}

/// A transaction that sees one moment and writes nothing.
pub async fn moment(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    begin_with(pool, "begin isolation level repeatable read, read only").await
}

/// As [`moment`], with plans as in [`begin`]: for what each decision reads.
pub async fn glimpse(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    const GLIMPSE: &str =
        "begin isolation level repeatable read, read only; set local plan_cache_mode = force_generic_plan";
    begin_with(pool, GLIMPSE).await
}

async fn begin_with(pool: &PgPool, statement: &'static str) -> Result<Transaction<'static, Postgres>, StoreError> {
    let pool = pool.clone();
    #[expect(clippy::disallowed_methods, reason = "this is what the others are to use")]
    let beginning = async move { pool.begin_with(statement).await };
    // A task goes on when nobody waits for it any more; the transaction is then rolled back.
    match tokio::spawn(beginning).await {
        Ok(begun) => Ok(begun?),
        Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
    }
}
