//! The copy of a directory on disk: one version byte and then postcard, because half a million terminals are written
//! each time that something about one of them has changed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Concentrator, Directory, Keyed, Pages, Terminal, by_serial};

/// The first byte of a copy. A copy of another version is none: whoever holds it asks for everything anyway.
const VERSION: u8 = 3;

#[derive(Serialize, Deserialize)]
struct Copy {
    version: i64,
    terminals: Vec<Arc<Terminal>>,
    concentrators: Vec<Arc<Concentrator>>,
}

/// What follows a [`Copy`]. Copies of before there were keys end without.
#[derive(Default, Serialize, Deserialize)]
struct More {
    keys: Vec<Keyed>,
}

impl Directory {
    /// Writes what is held to `path`, whole or not at all.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        // Only the pointers are taken while the directory is held.
        let (copy, more) = match self.pages.read().as_ref() {
            None => return Ok(()),
            Some(pages) => {
                let copy = Copy {
                    version: pages.version,
                    terminals: pages.terminals().cloned().collect(),
                    concentrators: pages.concentrators().cloned().collect(),
                };
                let keyed =
                    |(serial, key): (&Arc<str>, &_)| Keyed { serial: (**serial).to_owned(), key: Clone::clone(key) };
                (copy, More { keys: pages.keys.iter().map(keyed).collect() })
            }
        };
        let part = path.with_extension("part");
        let mut file = BufWriter::with_capacity(1 << 20, create_private(&part)?);
        file.write_all(&[VERSION])?;
        let file = postcard::to_io(&copy, file).map_err(io::Error::other)?;
        let file = postcard::to_io(&more, file).map_err(io::Error::other)?.into_inner()?;
        file.sync_all()?;
        std::fs::rename(part, path)
    }

    /// Reads what [`Directory::save`] wrote; a missing file leaves the directory empty.
    pub fn load(&self, path: &Path) -> io::Result<()> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some((&VERSION, bytes)) = bytes.split_first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the copy is of another version, or none"));
        };
        let (Copy { version, terminals, concentrators }, rest) =
            postcard::take_from_bytes(bytes).map_err(io::Error::other)?;
        let More { keys } =
            if rest.is_empty() { More::default() } else { postcard::from_bytes(rest).map_err(io::Error::other)? };
        self.replace(Pages::of(version, concentrators, terminals, by_serial(keys)));
        Ok(())
    }
}

/// Hashes of secrets are nobody's business.
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{concentrator, terminal, under};
    use super::super::{Fingerprint, Identity, Lookup, Update};
    use super::*;

    #[test]
    fn it_survives_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory");
        let directory = Directory::default();
        directory.load(&path).unwrap();
        assert_eq!(directory.version(), None);
        let certificate = Some(Box::new(Fingerprint::of(b"certificate")));
        let odd = Terminal { login: "another".into(), certificate, ..terminal("B") };
        let upserts = vec![under("A", "hub"), odd];
        let concentrators = vec![concentrator("hub")];
        let keys = vec![Keyed { serial: "B".into(), key: "kaifu-2026".parse().unwrap() }];
        directory.apply(Update { to: 7, upserts, keys, concentrators, ..Update::default() }).unwrap();
        directory.save(&path).unwrap();
        let again = Directory::default();
        again.load(&path).unwrap();
        assert_eq!(again.version(), Some(7));
        let revealed = |serial: &str| again.payload_key(serial).map(|key| key.reveal().to_owned());
        assert_eq!((revealed("A"), revealed("B").as_deref()), (None, Some("kaifu-2026")));
        assert!(matches!(again.by_login("A"), Lookup::Listed(who) if who.is_secret(b"s") && !who.is_secret(b"x")));
        assert!(matches!(again.by_login("hub"), Lookup::Listed(Identity::Concentrator(_))));
        assert!(
            matches!(again.by_login("another"), Lookup::Listed(Identity::Terminal(found)) if &*found.serial == "B")
        );
        assert!(matches!(again.by_serial("A"), Lookup::Listed(found) if found.concentrator.as_deref() == Some("hub")));
    }

    #[test]
    fn a_copy_of_before_there_were_keys_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory");
        let copy = Copy { version: 3, terminals: vec![Arc::new(terminal("A"))], concentrators: Vec::new() };
        std::fs::write(&path, [vec![VERSION], postcard::to_allocvec(&copy).unwrap()].concat()).unwrap();
        let directory = Directory::default();
        directory.load(&path).unwrap();
        assert!(matches!(directory.by_serial("A"), Lookup::Listed(_)));
        assert!(directory.payload_key("A").is_none());
    }

    #[test]
    fn what_is_no_copy_of_this_version_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory");
        let directory = Directory::default();
        for bytes in [&b"{}"[..], b"", &[VERSION, 0xff, 0xff]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(directory.load(&path).is_err(), "{bytes:?}");
            assert_eq!(directory.version(), None);
        }
    }
}
