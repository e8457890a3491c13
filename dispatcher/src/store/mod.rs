//! All SQL, a file a subject. SQL says what is true; `domain` says what to do.
//!
//! Functions take a connection, so that the caller owns the transaction. Rows are private and become
//! domain types on the way out.

pub mod briefing;
pub mod directory;
pub mod facts;
pub mod incidents;
pub mod intake;
pub mod live;
pub mod offers;
pub mod outbox;
pub mod registry;
pub mod residents;
pub mod telephone;
pub mod timeline;
pub mod users;
pub mod views;
pub mod vitals;
pub mod watch;

/// Why the database did not give an answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or is away.
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
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
