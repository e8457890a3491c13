//! Who may connect, in which dialect: a versioned snapshot with deltas, published by the dispatcher,
//! kept in memory and on disk by broker and gateway so that terminals can reconnect while the
//! database is away.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, RwLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The family of payloads that a terminal speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Our own, version 1: `docs/protocol.md`.
    Ydt,
    /// The OwnTracks application's JSON.
    OwnTracks,
}

impl Dialect {
    /// The spelling used in the database and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ydt => "ydt",
            Self::OwnTracks => "own_tracks",
        }
    }
}

/// One terminal as broker and gateway know it: nothing about the person who wears it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// The name in its topics. For OwnTracks `user/device`.
    pub serial: String,
    /// The MQTT user name. For most terminals the serial itself.
    pub login: String,
    /// SHA-256 of the secret. Secrets are random and long, so that a plain hash is enough and a
    /// storm of reconnections costs no password hashing.
    #[serde(with = "hex::serde")]
    pub secret_sha256: [u8; 32],
    /// What it speaks.
    pub dialect: Dialect,
    /// OwnTracks only: a position published by hand (`t:"u"`) is a call for help.
    pub manual_publish_means_help: bool,
    /// Everything that this terminal says is an exercise (演练).
    pub drill: bool,
}

impl Terminal {
    /// Whether `secret` is this terminal's, in constant time.
    pub fn is_secret(&self, secret: &[u8]) -> bool {
        hash_secret(secret).ct_eq(&self.secret_sha256).into()
    }
}

/// The form in which a terminal's secret is stored.
pub fn hash_secret(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// A change from one version of the directory to another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Update {
    /// `None`: a whole snapshot that replaces everything. Otherwise the version it builds upon.
    pub from: Option<i64>,
    /// The version after it.
    pub to: i64,
    /// Terminals added or changed.
    pub upserts: Vec<Terminal>,
    /// Serials that may no longer connect.
    pub removed: Vec<String>,
}

/// An update that does not follow what we have: ask for a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the update starts from version {from}, we have {have:?}")]
pub struct Gap {
    /// Where the update starts.
    pub from: i64,
    /// What we have.
    pub have: Option<i64>,
}

#[derive(Debug, Default)]
struct Pages {
    version: i64,
    edition: u64,
    by_login: HashMap<String, Arc<Terminal>>,
    by_serial: HashMap<String, Arc<Terminal>>,
}

/// The directory as broker and gateway hold it: shared, and empty until something has been loaded.
#[derive(Debug, Default)]
pub struct Directory {
    pages: RwLock<Option<Pages>>,
}

/// What looking somebody up can give.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// There is no directory at all yet: the answer is "server unavailable", never "bad credentials".
    NoDirectory,
    /// There is one, and it does not list them.
    Unlisted,
    /// Listed.
    Listed(Arc<Terminal>),
}

impl Update {
    /// Whether it lists or strikes anybody, or replaces everything.
    pub fn tells_something(&self) -> bool {
        self.from.is_none() || !self.upserts.is_empty() || !self.removed.is_empty()
    }
}

impl Directory {
    /// The version held, `None` before the first snapshot.
    pub fn version(&self) -> Option<i64> {
        self.read().as_ref().map(|pages| pages.version)
    }

    /// Grows whenever something else is listed than before, and only then: versions pass also when nothing changes.
    /// Of this process: another counts its own. `None` before the first snapshot.
    pub fn edition(&self) -> Option<u64> {
        self.read().as_ref().map(|pages| pages.edition)
    }

    /// Finds a terminal by its MQTT user name.
    pub fn by_login(&self, login: &str) -> Lookup {
        Self::lookup(self.read().as_ref(), |pages| pages.by_login.get(login))
    }

    /// Finds a terminal by its serial.
    pub fn by_serial(&self, serial: &str) -> Lookup {
        Self::lookup(self.read().as_ref(), |pages| pages.by_serial.get(serial))
    }

    fn lookup<'p>(pages: Option<&'p Pages>, find: impl FnOnce(&'p Pages) -> Option<&'p Arc<Terminal>>) -> Lookup {
        match pages {
            None => Lookup::NoDirectory,
            Some(pages) => find(pages).map_or(Lookup::Unlisted, |terminal| Lookup::Listed(Arc::clone(terminal))),
        }
    }

    /// Takes in a snapshot or a delta. Applying the same one twice changes nothing.
    pub fn apply(&self, update: Update) -> Result<(), Gap> {
        let mut held = self.pages.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let edition = held.as_ref().map_or(0, |pages| pages.edition);
        let pages = match (update.from, held.as_mut()) {
            (None, _) => held.insert(Pages { edition: edition + 1, ..Pages::default() }),
            // The same version again may tell more: it does not pass while an older transaction runs.
            (Some(_), Some(pages)) if update.to < pages.version => return Ok(()),
            (Some(from), Some(pages)) if from <= pages.version => pages,
            (Some(from), have) => return Err(Gap { from, have: have.map(|pages| pages.version) }),
        };
        for serial in &update.removed {
            if let Some(gone) = pages.by_serial.remove(serial) {
                pages.by_login.remove(&gone.login);
                pages.edition = edition + 1;
            }
        }
        for terminal in update.upserts {
            if pages.by_serial.get(&terminal.serial).is_some_and(|listed| **listed == terminal) {
                continue;
            }
            pages.edition = edition + 1;
            let terminal = Arc::new(terminal);
            if let Some(before) = pages.by_serial.insert(terminal.serial.clone(), Arc::clone(&terminal)) {
                pages.by_login.remove(&before.login);
            }
            pages.by_login.insert(terminal.login.clone(), terminal);
        }
        pages.version = update.to;
        Ok(())
    }

    /// Writes what is held to `path`, whole or not at all.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let snapshot = {
            let held = self.read();
            let Some(pages) = held.as_ref() else { return Ok(()) };
            Update {
                from: None,
                to: pages.version,
                upserts: pages.by_serial.values().map(|terminal| Terminal::clone(terminal)).collect(),
                removed: Vec::new(),
            }
        };
        let part = path.with_extension("part");
        let mut file = std::fs::File::create(&part)?;
        file.write_all(&serde_json::to_vec(&snapshot)?)?;
        file.sync_all()?;
        std::fs::rename(part, path)
    }

    /// Reads what [`Directory::save`] wrote; a missing file leaves the directory empty.
    pub fn load(&self, path: &Path) -> std::io::Result<()> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let snapshot: Update = serde_json::from_slice(&bytes)?;
        self.apply(snapshot).map_err(std::io::Error::other)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Option<Pages>> {
        self.pages.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(serial: &str) -> Terminal {
        Terminal {
            serial: serial.into(),
            login: serial.into(),
            secret_sha256: hash_secret(b"s"),
            dialect: Dialect::Ydt,
            manual_publish_means_help: false,
            drill: false,
        }
    }

    fn snapshot(to: i64, serials: &[&str]) -> Update {
        Update { from: None, to, upserts: serials.iter().map(|s| terminal(s)).collect(), removed: vec![] }
    }

    #[test]
    fn without_a_snapshot_nobody_is_called_a_stranger() {
        assert!(matches!(Directory::default().by_login("A"), Lookup::NoDirectory));
    }

    #[test]
    fn deltas_follow_a_snapshot_and_a_gap_is_noticed() {
        let directory = Directory::default();
        assert!(directory.apply(Update { from: Some(1), to: 2, upserts: vec![], removed: vec![] }).is_err());
        directory.apply(snapshot(1, &["A", "B"])).unwrap();
        directory
            .apply(Update { from: Some(1), to: 2, upserts: vec![terminal("C")], removed: vec!["A".into()] })
            .unwrap();
        assert!(matches!(directory.by_login("A"), Lookup::Unlisted));
        assert!(matches!(directory.by_serial("C"), Lookup::Listed(_)));
        let gap = directory.apply(Update { from: Some(5), to: 6, upserts: vec![], removed: vec![] });
        assert_eq!(gap, Err(Gap { from: 5, have: Some(2) }));
    }

    #[test]
    fn an_edition_is_new_when_somebody_is_listed_or_struck_and_only_then() {
        let directory = Directory::default();
        assert_eq!(directory.edition(), None);
        let tell = |from, to, upserts, removed| {
            directory.apply(Update { from, to, upserts, removed }).unwrap();
            directory.edition().unwrap()
        };
        let first = tell(None, 1, vec![terminal("A"), terminal("B")], vec![]);
        assert_eq!(tell(Some(1), 5, vec![], vec![]), first);
        assert_eq!(tell(Some(5), 6, vec![terminal("A")], vec!["X".into()]), first);
        // The version stands still while an old transaction runs; what is told with it counts.
        let second = tell(Some(6), 6, vec![], vec!["B".into()]);
        assert!(second > first && matches!(directory.by_login("B"), Lookup::Unlisted));
        let third = tell(Some(6), 7, vec![Terminal { drill: true, ..terminal("A") }], vec![]);
        assert!(third > second);
        assert!(tell(None, 7, vec![terminal("A")], vec![]) > third);
    }

    #[test]
    fn it_survives_on_disk() {
        let folder = std::env::temp_dir().join(format!("ydt-directory-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("directory.json");
        let directory = Directory::default();
        directory.apply(snapshot(7, &["A"])).unwrap();
        directory.save(&path).unwrap();
        let again = Directory::default();
        again.load(&path).unwrap();
        assert_eq!(again.version(), Some(7));
        assert!(matches!(again.by_login("A"), Lookup::Listed(t) if t.is_secret(b"s") && !t.is_secret(b"x")));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
