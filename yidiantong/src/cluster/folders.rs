//! Where the cluster's files lie, whose they are, and the lock that keeps a second process away from them.
//!
//! What root writes lies in the data folder itself, never in a folder of the account that PostgreSQL runs as: whoever
//! takes over the database must not be able to lay a link where root will write.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::owner::{Owner, is_root};
use super::{ClusterError, PORT, last_words};

/// A Unix socket's path may have 107 bytes.
const LONGEST_SOCKET_PATH: usize = 99;

/// The layout of one data folder. The lock is held for as long as this lives.
#[derive(Debug)]
pub(super) struct Folders {
    data: PathBuf,
    /// PostgreSQL's own folder.
    pub(super) postgres: PathBuf,
    pub(super) log: PathBuf,
    pub(super) socket: PathBuf,
    /// The same for the same data folder, different for others.
    pub(super) name: String,
    /// The number of the owner's account.
    pub(super) uid: u32,
    _lock: File,
}

impl Folders {
    /// Makes what is missing, and takes the lock.
    pub(super) async fn lay_out(data_dir: &Path, owner: &Owner) -> Result<Self, ClusterError> {
        // Root's is entered by the cluster's account, but not read by it.
        let mode = if is_root() { 0o711 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(data_dir).map_err(at(data_dir))?;
        let data = data_dir.canonicalize().map_err(at(data_dir))?;
        let lock = lock(&data)?;
        open_the_way(&data, owner).await?;

        let log = data.join("postgres-log");
        make_private(&log, owner).map_err(at(&log))?;
        let name = name_of(&data);
        let socket = socket_folder(&name, owner)?;
        Ok(Self { postgres: data.join("postgres"), log, socket, name, uid: owner.uid(), data, _lock: lock })
    }

    /// The major version that made PostgreSQL's folder, `None` while there is none.
    pub(super) fn made_by(&self) -> Result<Option<String>, ClusterError> {
        let path = self.postgres.join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(version) => Ok(Some(version.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ClusterError::Folder { path, error }),
        }
    }

    /// An empty folder of the owner's to make a cluster in.
    pub(super) fn clear_half_made(&self, owner: &Owner) -> Result<PathBuf, ClusterError> {
        let path = self.half_made();
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => make_private(&path, owner).map_err(at(&path))?,
        }
        Ok(path)
    }

    /// Moves the made cluster to its place.
    pub(super) fn accept_half_made(&self) -> Result<(), ClusterError> {
        fs::rename(self.half_made(), &self.postgres).map_err(at(&self.postgres))?;
        File::open(&self.data).and_then(|folder| folder.sync_all()).map_err(at(&self.data))
    }

    fn half_made(&self) -> PathBuf {
        self.data.join("postgres.new")
    }

    /// The socket's folder, again: what cleans `/run` and `/tmp` may have taken it. What a killed postmaster left in
    /// it goes, so that a process that has since been given its number does not keep the next one from starting.
    pub(super) fn make_socket_folder(&self, owner: &Owner) -> Result<(), ClusterError> {
        make_private(&self.socket, owner).map_err(at(&self.socket))?;
        for name in [socket_file(), format!("{}.lock", socket_file())] {
            let path = self.socket.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes the socket's folder away when PostgreSQL has left nothing in it.
    pub(super) fn leave_socket_folder(&self) {
        if let Err(error) = fs::remove_dir(&self.socket) {
            tracing::debug!(%error, folder = %self.socket.display(), "the socket's folder stays");
        }
    }

    pub(super) fn server_settings(&self) -> PathBuf {
        self.data.join("postgres.conf")
    }

    pub(super) fn hba_settings(&self) -> PathBuf {
        self.data.join("pg_hba.conf")
    }

    pub(super) fn local_settings(&self) -> PathBuf {
        self.data.join("local.conf")
    }

    pub(super) fn write_settings(&self, server: &str, hba: &str) -> Result<(), ClusterError> {
        for (path, text) in [(self.server_settings(), server), (self.hba_settings(), hba)] {
            fs::write(&path, text)
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o644)))
                .map_err(at(&path))?;
        }
        Ok(())
    }

    /// What the postmaster says before it writes its own log; of the latest start only.
    pub(super) fn open_start_log(&self) -> Result<(File, File), ClusterError> {
        let path = self.start_log();
        let out = File::create(&path).map_err(at(&path))?;
        let err = out.try_clone().map_err(at(&path))?;
        Ok((out, err))
    }

    fn start_log(&self) -> PathBuf {
        self.data.join("postgres-start.log")
    }

    /// What the log says last, for an error message.
    pub(super) fn log_says(&self) -> String {
        let at_start = last_part(&self.start_log()).unwrap_or_default();
        let said = if at_start.contains("FATAL") || at_start.contains("PANIC") {
            at_start
        } else {
            self.newest_log().and_then(|path| last_part(&path).ok()).unwrap_or(at_start)
        };
        // What it told us while we were knocking is not why it ended.
        let said: Vec<&str> = said.lines().filter(|line| !line.contains("the database system is")).collect();
        format!("{} (its log is in {})", last_words(said.join("\n").as_bytes()), self.log.display())
    }

    fn newest_log(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(&self.log).ok()?.filter_map(Result::ok);
        let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        files
            .max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok())
            .map(|entry| entry.path())
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> ClusterError + use<> {
    let path = path.to_owned();
    move |error| ClusterError::Folder { path: path.clone(), error }
}

/// Taken on the open file: the kernel gives it back when we die, however we die.
fn lock(data: &Path) -> Result<File, ClusterError> {
    let path = data.join("lock");
    let mut file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.read_to_string(&mut holder);
            let pid = read.ok().and_then(|_| holder.trim().parse().ok());
            return Err(ClusterError::Busy { folder: data.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(at(&path))?;
    Ok(file)
}

/// Sees to it that the owner can get to the data folder. Our own folder is opened for it; a folder above, which is not
/// ours to change, is an error.
async fn open_the_way(data: &Path, owner: &Owner) -> Result<(), ClusterError> {
    if owner.can_enter(data).await? {
        return Ok(());
    }
    let mode = fs::metadata(data).map_err(at(data))?.mode();
    fs::set_permissions(data, Permissions::from_mode(mode | 0o001)).map_err(at(data))?;
    if owner.can_enter(data).await? {
        return Ok(());
    }
    fs::set_permissions(data, Permissions::from_mode(mode)).map_err(at(data))?;
    Err(ClusterError::OutOfReach { folder: data.to_owned(), account: owner.name() })
}

fn name_of(data: &Path) -> String {
    let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
    format!("yidiantong-{}", hex::encode(&digest[..4]))
}

/// The first place that can be made our own.
fn socket_folder(name: &str, owner: &Owner) -> Result<PathBuf, ClusterError> {
    let mut refused = Vec::new();
    for folder in socket_places(name, owner, std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)) {
        match make_private(&folder, owner) {
            Ok(()) => return Ok(folder),
            Err(error) => refused.push(format!("{}: {error}", folder.display())),
        }
    }
    Err(ClusterError::NoSocketFolder(refused.join("; ")))
}

fn socket_places(name: &str, owner: &Owner, runtime: Option<PathBuf>) -> Vec<PathBuf> {
    let places = match owner {
        Owner::Account { .. } => vec![Path::new("/run").join(name), Path::new("/tmp").join(name)],
        Owner::Ourselves => {
            let shared = Path::new("/tmp").join(format!("{name}-{}", owner.uid()));
            runtime.map(|runtime| runtime.join(name)).into_iter().chain([shared]).collect()
        }
    };
    places.into_iter().filter(|folder| is_fit_for_a_socket(folder)).collect()
}

/// Short enough, and spelled so that it stands in a URL and in a settings file as it is.
fn is_fit_for_a_socket(folder: &Path) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
    let bytes = folder.as_os_str().as_encoded_bytes();
    folder.is_absolute() && bytes.iter().all(plain) && bytes.len() + 1 + socket_file().len() <= LONGEST_SOCKET_PATH
}

fn socket_file() -> String {
    format!(".s.PGSQL.{PORT}")
}

/// Makes `folder` a folder that only the owner can enter. One that is there already must be the owner's (or ours, when
/// we were killed before we gave it away): in `/tmp`, somebody else may have laid it there.
fn make_private(folder: &Path, owner: &Owner) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    let ours = rustix::process::geteuid().as_raw();
    if !found.is_dir() || (found.uid() != owner.uid() && found.uid() != ours) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"));
    }
    owner.take(folder).map_err(io::Error::other)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// The last few kilobytes.
fn last_part(path: &Path) -> io::Result<String> {
    const KEPT_BYTES: u64 = 8192;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(KEPT_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(KEPT_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Owner = Owner::Account { uid: 997, gid: 997 };

    #[test]
    fn each_data_folder_has_a_name_of_its_own_that_stays() {
        assert_eq!(name_of(Path::new("/var/lib/yidiantong")), name_of(Path::new("/var/lib/yidiantong")));
        assert_ne!(name_of(Path::new("/var/lib/yidiantong")), name_of(Path::new("/var/lib/yidiantong2")));
    }

    #[test]
    fn the_socket_lies_in_run_for_root_and_in_the_runtime_folder_for_others() {
        let runtime = Some(PathBuf::from("/run/user/1000"));
        assert_eq!(socket_places("ydt-1", &ACCOUNT, runtime.clone())[0], Path::new("/run/ydt-1"));
        assert_eq!(socket_places("ydt-1", &Owner::Ourselves, runtime)[0], Path::new("/run/user/1000/ydt-1"));
        let places = socket_places("ydt-1", &Owner::Ourselves, None);
        assert!(places[0].starts_with("/tmp"), "{places:?}");
    }

    #[test]
    fn a_runtime_folder_that_is_too_long_or_oddly_spelled_is_passed_over() {
        for runtime in [format!("/{}", "x".repeat(90)), "/run/a b".to_owned(), "/run/a%20b".to_owned()] {
            let places = socket_places("ydt-1", &Owner::Ourselves, Some(PathBuf::from(runtime)));
            assert_eq!(places.len(), 1, "{places:?}");
        }
    }

    #[test]
    fn a_link_laid_where_the_socket_should_be_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("socket");
        std::os::unix::fs::symlink(folder.path(), &link).expect("a link");
        assert!(make_private(&link, &Owner::Ourselves).is_err());
    }
}
