//! What creating calls have made, by the keys that their callers gave them: a call that is repeated makes nothing more.

use std::time::Duration;

use domain::id::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// A call that has made nothing for so long has failed without a word: it may be made again.
const UNDER_WAY_MAX_S: f64 = 30.0;

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: the call is to be made, and its key is held until it has made something.
    First,
    /// The same call has made this.
    Again(Uuid),
    /// The same call is being made at this moment.
    UnderWay,
    /// It was another call's.
    Otherwise,
}

/// Takes a key for a call that asks for `asked` (SHA-256), or says what has become of it. Inside a transaction
/// it waits for another that has taken the same key.
pub async fn turn(conn: &mut PgConnection, by: UserId, key: &str, asked: &[u8; 32]) -> Result<Turn, StoreError> {
    let taken = sqlx::query!(
        "insert into idempotency as i (user_id, key, asked) values ($1, $2, $3)
         on conflict (user_id, key) do update set at = now()
         where i.made is null and i.asked = excluded.asked and i.at < now() - make_interval(secs => $4)",
        by.0,
        key,
        &asked[..],
        UNDER_WAY_MAX_S,
    )
    .execute(&mut *conn)
    .await?;
    if taken.rows_affected() > 0 {
        return Ok(Turn::First);
    }
    let known = sqlx::query!(
        r#"select made, coalesce(asked = $3, true) as "same!" from idempotency where user_id = $1 and key = $2"#,
        by.0,
        key,
        &asked[..],
    )
    .fetch_optional(conn)
    .await?;
    Ok(match known {
        Some(row) if !row.same => Turn::Otherwise,
        Some(row) => row.made.map_or(Turn::UnderWay, Turn::Again),
        // Given up since.
        None => Turn::UnderWay,
    })
}

/// Notes what a call has made.
pub async fn made(conn: &mut PgConnection, by: UserId, key: &str, made: Uuid) -> Result<(), StoreError> {
    sqlx::query!("update idempotency set made = $3 where user_id = $1 and key = $2", by.0, key, made)
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives back the key of a call that was refused.
pub async fn give_up(conn: &mut PgConnection, by: UserId, key: &str) -> Result<(), StoreError> {
    sqlx::query!("delete from idempotency where user_id = $1 and key = $2 and made is null", by.0, key)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets keys of calls that were made longer ago than anybody repeats one.
pub async fn forget(conn: &mut PgConnection, keep_for: Duration) -> Result<(), StoreError> {
    sqlx::query!("delete from idempotency where at < now() - make_interval(secs => $1)", keep_for.as_secs_f64())
        .execute(conn)
        .await?;
    Ok(())
}
