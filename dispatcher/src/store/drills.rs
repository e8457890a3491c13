//! Exercises that are started at a desk.

use sqlx::PgConnection;
use uuid::Uuid;
use wire::directory::Dialect;

use super::StoreError;
use crate::access::Scope;

/// What a resident wears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worn {
    /// The terminal's serial.
    pub serial: String,
    /// How it speaks.
    pub dialect: Dialect,
}

/// What a resident in `scope` wears, if anything; `None` when there is no such resident.
pub async fn worn(conn: &mut PgConnection, resident: Uuid, scope: &Scope) -> Result<Option<Option<Worn>>, StoreError> {
    let row = sqlx::query!(
        r#"select worn.serial as "serial?", worn.dialect as "dialect?"
         from resident r
         left join lateral (
            select t.serial, t.dialect from terminal_assignment a join terminal t on t.id = a.terminal_id
            where a.resident_id = r.id and a.until is null and t.revoked_at is null
            order by a.since desc limit 1
         ) worn on true
         where r.id = $1 and lies_below(r.serving_node, $2)"#,
        resident,
        scope.nodes(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Some((serial, dialect)) = row.serial.zip(row.dialect) else { return Ok(Some(None)) };
    match Dialect::parse(&dialect) {
        Some(dialect) => Ok(Some(Some(Worn { serial, dialect }))),
        None => Err(StoreError::Impossible { table: "terminal", id: serial, column: "dialect" }),
    }
}

/// Writes down who started an exercise, and at whom.
pub async fn started(conn: &mut PgConnection, by: Uuid, resident: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id) values ($1, 'started_drill', $2::uuid::text, $2)",
        by,
        resident,
    )
    .execute(conn)
    .await?;
    Ok(())
}
