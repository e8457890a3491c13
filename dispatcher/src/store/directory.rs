//! Who may connect: what broker and gateway are told, as a snapshot and then as changes.

use sqlx::PgConnection;
use wire::directory::{Dialect, Terminal, Update};

use super::StoreError;

/// What has changed since version `from`, or everything.
///
/// A version is the oldest transaction that was running when it was read: whatever that one or a later
/// one changes is in the next update, though it be told twice. A version that is not reached yet is of another database,
/// or of this one before an older copy took its place: whoever has it gets everything.
pub async fn update_since(conn: &mut PgConnection, from: Option<i64>) -> Result<Update, StoreError> {
    let to = sqlx::query_scalar!(r#"select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "xmin!""#)
        .fetch_one(&mut *conn)
        .await?;
    let from = from.filter(|from| *from <= to);
    let rows = sqlx::query!(
        "select id, serial, login, secret_sha256, dialect, manual_publish_means_help, drill, revoked_at
         from terminal where changed_in >= $1::text::xid8",
        &from.unwrap_or(0).to_string()
    )
    .fetch_all(conn)
    .await?;
    let mut update = Update { from, to, upserts: Vec::new(), removed: Vec::new() };
    for row in rows {
        if row.revoked_at.is_some() {
            update.removed.push(row.serial);
            continue;
        }
        let impossible = |column| StoreError::Impossible { table: "terminal", id: row.id.to_string(), column };
        update.upserts.push(Terminal {
            secret_sha256: row.secret_sha256.try_into().map_err(|_| impossible("secret_sha256"))?,
            dialect: dialect(&row.dialect).ok_or_else(|| impossible("dialect"))?,
            serial: row.serial,
            login: row.login,
            manual_publish_means_help: row.manual_publish_means_help,
            drill: row.drill,
        });
    }
    Ok(update)
}

/// A dialect by the word that its column has for it.
pub(super) fn dialect(word: &str) -> Option<Dialect> {
    match word {
        "ydt" => Some(Dialect::Ydt),
        "own_tracks" => Some(Dialect::OwnTracks),
        _ => None,
    }
}
