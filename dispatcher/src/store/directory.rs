//! Who may connect: what broker and gateway are told, as a snapshot and then as changes.

use sqlx::PgConnection;
use wire::directory::{Concentrator, Dialect, Fingerprint, Keyed, Terminal, Update};

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
    let since = from.unwrap_or(0).to_string();
    let mut update = Update { from, to, ..Update::default() };
    concentrators_since(&mut *conn, &since, &mut update).await?;
    let rows = sqlx::query!(
        r#"select t.id, t.serial, t.login, t.secret_sha256, t.dialect, t.manual_publish_means_help, t.drill,
            t.revoked_at is not null as "is_revoked!", t.profile, t.payload_key, c.login as "concentrator?", t.certificate_sha256
         from terminal t left join concentrator c on c.id = t.concentrator_id
         where t.changed_in >= $1::text::xid8"#,
        &since
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        if row.is_revoked {
            update.removed.push(row.serial);
            continue;
        }
        let impossible = |column| StoreError::Impossible { table: "terminal", id: row.id.to_string(), column };
        if let Some(key) = row.payload_key {
            let key = key.parse().map_err(|_| impossible("payload_key"))?;
            update.keys.push(Keyed { serial: row.serial.clone(), key });
        }
        update.upserts.push(Terminal {
            secret_sha256: row.secret_sha256.try_into().map_err(|_| impossible("secret_sha256"))?,
            dialect: Dialect::parse(&row.dialect).ok_or_else(|| impossible("dialect"))?,
            serial: row.serial.into(),
            login: row.login.into(),
            manual_publish_means_help: row.manual_publish_means_help,
            drill: row.drill,
            profile: row.profile.map(Into::into),
            concentrator: row.concentrator.map(Into::into),
            certificate: fingerprint(row.certificate_sha256).map_err(|()| impossible("certificate_sha256"))?,
        });
    }
    Ok(update)
}

async fn concentrators_since(conn: &mut PgConnection, since: &str, update: &mut Update) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"select login, secret_sha256, certificate_sha256, revoked_at is not null as "is_revoked!" from concentrator
         where changed_in >= $1::text::xid8"#,
        since
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        if row.is_revoked {
            update.removed_concentrators.push(row.login);
            continue;
        }
        let impossible = |column| StoreError::Impossible { table: "concentrator", id: row.login.clone(), column };
        let secret_sha256 = row.secret_sha256.try_into().map_err(|_| impossible("secret_sha256"))?;
        let certificate = fingerprint(row.certificate_sha256).map_err(|()| impossible("certificate_sha256"))?;
        update.concentrators.push(Concentrator { login: row.login.into(), secret_sha256, certificate });
    }
    Ok(())
}

fn fingerprint(bytes: Option<Vec<u8>>) -> Result<Option<Box<Fingerprint>>, ()> {
    bytes.map(|bytes| bytes.try_into().map(|bytes| Box::new(Fingerprint(bytes))).map_err(drop)).transpose()
}
