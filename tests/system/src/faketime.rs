//! A clock that can be made to jump, for programs that are started under it (libfaketime). Time goes on as it does, also
//! for whoever measures it without asking for the date: only the date is another.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::places;

/// The clock.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// One that is right.
    pub fn right() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        // The database has an account of its own.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("the folder is ours");
        let clock = Self { folder };
        clock.jump_to("+0");
        clock
    }

    /// From now on it is off by this from what is right: `+1h`, `-90m`.
    pub fn jump_to(&self, off: &str) {
        // Whole or not at all: it is read whenever somebody asks for the time.
        let (next, offset) = (self.folder.path().join("next"), self.folder.path().join("offset"));
        std::fs::write(&next, off).expect("a file can be written");
        std::fs::rename(next, offset).expect("a file can be renamed");
    }

    /// What a program is told so that it goes by this clock.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let offset = self.folder.path().join("offset");
        vec![
            ("LD_PRELOAD", places::faketime().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }
}
