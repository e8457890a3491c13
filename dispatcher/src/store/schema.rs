//! Which version the tables are of, and which they should be.
//!
//! This asks the database outside the compile-time checks: the table of versions is sqlx's own, and is not there
//! before the first migration.

use std::collections::BTreeMap;

use sqlx::migrate::Migrator;
use sqlx::{PgConnection, Row as _};

use super::StoreError;

/// Every migration that this executable knows.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How the tables stand against what this executable knows. Versions are the numbers of migrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last that was carried out; none: there are no tables.
    pub version: Option<i64>,
    /// Known, but not carried out yet.
    pub pending: Vec<i64>,
    /// Begun and not finished.
    pub failed: Vec<i64>,
    /// Carried out, but not known here: a newer executable has been at work.
    pub unknown: Vec<i64>,
    /// Carried out in another wording than is known here.
    pub changed: Vec<i64>,
}

impl Standing {
    /// Whether this executable can work with the tables.
    pub fn is_current(&self) -> bool {
        let Self { pending, failed, unknown, changed, .. } = self;
        pending.is_empty() && failed.is_empty() && unknown.is_empty() && changed.is_empty()
    }
}

/// The newest version that is known here.
pub fn newest() -> Option<i64> {
    MIGRATIONS.iter().map(|migration| migration.version).max()
}

/// Looks.
pub async fn standing(conn: &mut PgConnection) -> Result<Standing, StoreError> {
    let is_there: bool =
        sqlx::query("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut *conn).await?.try_get(0)?;
    let rows = if is_there {
        sqlx::query("select version, success, checksum from _sqlx_migrations").fetch_all(conn).await?
    } else {
        Vec::new()
    };
    let mut applied = BTreeMap::new();
    for row in rows {
        let (version, success, checksum): (i64, bool, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        applied.insert(version, (success, checksum));
    }
    Ok(compare(&applied))
}

fn compare(applied: &BTreeMap<i64, (bool, Vec<u8>)>) -> Standing {
    let known: BTreeMap<i64, &[u8]> = MIGRATIONS.iter().map(|known| (known.version, known.checksum.as_ref())).collect();
    let of = |is_so: &dyn Fn(i64, bool, &[u8]) -> bool| -> Vec<i64> {
        let found = applied.iter().filter(|(version, (success, checksum))| is_so(**version, *success, checksum));
        found.map(|(version, _)| *version).collect()
    };
    Standing {
        version: applied.iter().filter(|(_, (success, _))| *success).map(|(version, _)| *version).max(),
        pending: known.keys().filter(|version| !applied.contains_key(version)).copied().collect(),
        failed: of(&|_, success, _| !success),
        unknown: of(&|version, _, _| !known.contains_key(&version)),
        changed: of(&|version, _, checksum| known.get(&version).is_some_and(|known| *known != checksum)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_known() -> BTreeMap<i64, (bool, Vec<u8>)> {
        MIGRATIONS.iter().map(|known| (known.version, (true, known.checksum.to_vec()))).collect()
    }

    #[test]
    fn tables_with_every_migration_are_current_and_others_say_what_is_amiss() {
        assert!(compare(&as_known()).is_current());
        assert_eq!(compare(&as_known()).version, newest());

        let nothing = compare(&BTreeMap::new());
        assert_eq!((nothing.version, nothing.pending.len()), (None, as_known().len()));

        let mut newer = as_known();
        newer.insert(9_999, (true, vec![1]));
        assert_eq!(compare(&newer).unknown, [9_999]);

        let mut failed = as_known();
        failed.insert(2, (false, failed[&2].1.clone()));
        assert_eq!(compare(&failed).failed, [2]);

        let mut changed = as_known();
        changed.insert(1, (true, vec![0]));
        assert_eq!(compare(&changed).changed, [1]);
    }
}
