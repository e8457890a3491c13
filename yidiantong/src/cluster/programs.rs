//! PostgreSQL's programs, wherever the distribution has put them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::ClusterError;
use super::folders::Folders;

/// The oldest major version that knows every setting of ours.
const OLDEST_VERSION: u32 = 14;

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    bin: PathBuf,
    /// The major version.
    pub(super) version: u32,
}

impl Programs {
    /// The version that made the folder if there is one, else the newest that has PostGIS.
    pub(super) fn find(folders: &Folders) -> Result<Self, ClusterError> {
        let here = installed();
        match folders.made_by()? {
            Some(version) => here
                .into_iter()
                .find(|programs| programs.version.to_string() == version)
                .ok_or_else(|| ClusterError::VersionMissing { folder: folders.postgres.clone(), version }),
            None => newest(here, |programs| extension_is_there(programs, "postgis")),
        }
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.bin.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.bin.join("postgres")
    }
}

fn newest(mut here: Vec<Programs>, has_postgis: impl Fn(&Programs) -> bool) -> Result<Programs, ClusterError> {
    here.sort_by_key(|programs| std::cmp::Reverse(programs.version));
    let Some(newest) = here.first().cloned() else { return Err(ClusterError::PostgresMissing) };
    here.into_iter().find(has_postgis).ok_or(ClusterError::PostgisMissing { version: newest.version })
}

/// Every version on the machine, each once.
fn installed() -> Vec<Programs> {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let configured = answer(Path::new("pg_config"), "--bindir").map(PathBuf::from);
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut found: Vec<Programs> = Vec::new();
    for bin in debian.chain(configured).chain(on_path.into_iter().flatten()) {
        if !bin.join("postgres").is_file() || !bin.join("initdb").is_file() {
            continue;
        }
        let Some(version) = answer(&bin.join("postgres"), "--version").and_then(|said| major_version(&said)) else {
            continue;
        };
        if version >= OLDEST_VERSION && found.iter().all(|programs| programs.version != version) {
            found.push(Programs { bin, version });
        }
    }
    found
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → 15.
fn major_version(said: &str) -> Option<u32> {
    let number = said.split_whitespace().nth(2)?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether the extension's control file is where this version looks for it. A version without a `pg_config` cannot be
/// asked; then the server is, later, by `create extension`.
fn extension_is_there(programs: &Programs, name: &str) -> bool {
    match answer(&programs.bin.join("pg_config"), "--sharedir") {
        Some(share) => Path::new(&share).join(format!("extension/{name}.control")).is_file(),
        None => true,
    }
}

fn answer(program: &Path, question: &str) -> Option<String> {
    let output = Command::new(program).arg(question).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: u32) -> Programs {
        Programs { bin: PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")), version }
    }

    #[test]
    fn a_version_is_read_from_what_postgres_says_of_itself() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("postgres"), None);
    }

    #[test]
    fn the_newest_version_that_has_postgis_is_chosen() {
        let here = vec![version(9), version(17), version(15)];
        assert_eq!(newest(here, |programs| programs.version != 17).expect("a version"), version(15));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(matches!(newest(Vec::new(), |_| true), Err(ClusterError::PostgresMissing)));
        let only = newest(vec![version(15), version(16)], |_| false);
        assert!(matches!(only, Err(ClusterError::PostgisMissing { version: 16 })));
    }
}
