//! PostgreSQL's processes: one that we started, one that we found, and what a killed one left behind.
//!
//! They are known by what `/proc` shows to everybody, the command line: a postmaster's names its folder, and the
//! titles of its children carry the cluster's name.

use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, kill_process, test_kill_process};
use tokio::process::{Child, Command};

use super::ClusterError;
use super::folders::Folders;

pub(super) use rustix::process::Signal;

/// An adopted postmaster is not our child: its end is found out, not told.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(200);

/// A running postmaster.
#[derive(Debug)]
pub(super) struct Postmaster {
    pid: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Child(Box<Child>),
    Adopted(Look),
}

/// How a postmaster ended.
#[derive(Debug)]
pub(super) enum End {
    Status(std::process::ExitStatus),
    Unknown,
}

impl End {
    /// Whether somebody else ended it, so that it would have gone on.
    pub(super) fn was_killed(&self) -> bool {
        matches!(self, Self::Status(status) if status.signal().is_some())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Unknown => f.write_str("it is gone"),
        }
    }
}

impl Postmaster {
    pub(super) fn spawn(mut command: Command, folders: &Folders) -> std::io::Result<Self> {
        let child = command.spawn()?;
        let kind = |child| Kind::Child(Box::new(child));
        match child.id() {
            Some(pid) => Ok(Self { pid, kind: kind(child) }),
            // Never so for a child that nobody has waited for.
            None => Err(std::io::Error::other(format!("no process for {}", folders.name))),
        }
    }

    pub(super) fn adopt(pid: u32, folders: &Folders) -> Self {
        Self { pid, kind: Kind::Adopted(Look::at(folders)) }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until it has ended; at once when it already has. Safe to drop and to call again.
    pub(super) async fn ended(&mut self) -> End {
        match &mut self.kind {
            Kind::Child(child) => child.wait().await.map_or(End::Unknown, End::Status),
            Kind::Adopted(look) => {
                while look.is_postmaster(self.pid) {
                    tokio::time::sleep(LOOKED_AT_EVERY).await;
                }
                End::Unknown
            }
        }
    }

    pub(super) fn signal(&mut self, what: Signal) -> Result<(), ClusterError> {
        let alive = match &mut self.kind {
            Kind::Child(child) => matches!(child.try_wait(), Ok(None)),
            Kind::Adopted(look) => look.is_postmaster(self.pid),
        };
        if alive { signal(self.pid, what) } else { Ok(()) }
    }
}

/// Signals a process; one that is gone needs none.
pub(super) fn signal(pid: u32, signal: Signal) -> Result<(), ClusterError> {
    let Some(target) = as_pid(pid) else { return Ok(()) };
    match kill_process(target, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(ClusterError::Signal { pid, error: error.into() }),
    }
}

fn as_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// What PostgreSQL wrote about its postmaster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: u32,
    socket: PathBuf,
    stopping: bool,
}

impl PidFile {
    /// Number, folder, time of start, port, socket's folder, address, shared memory, state: a line each.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        // A single-user backend writes its number with a minus.
        let pid = lines.next()?.trim_start_matches('-').parse().ok()?;
        let socket = PathBuf::from(lines.nth(3).unwrap_or_default());
        let stopping = lines.nth(2) == Some("stopping");
        Some(Self { pid, socket, stopping })
    }

    /// Whether it can be reached where we would look for it.
    pub(super) fn is_ours(&self, folders: &Folders) -> bool {
        self.socket == folders.socket && !self.stopping
    }
}

/// The postmaster that runs on this folder, ours or not.
pub(super) fn find_postmaster(folders: &Folders) -> Option<PidFile> {
    read_pid_file(folders).filter(|found| Look::at(folders).is_postmaster(found.pid))
}

/// Every process of this cluster, the postmaster too.
pub(super) fn find_leftovers(folders: &Folders) -> Vec<u32> {
    let look = Look::at(folders);
    let numbers =
        fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| look.is_postmaster(*pid) || look.is_child(*pid)).collect()
}

/// After a crash the number in `postmaster.pid` may have gone to another process, or to one that is dead but that
/// nobody has buried; PostgreSQL would then refuse to start. The file is removed only when the number is taken and its
/// holder is plainly no PostgreSQL; every other case PostgreSQL settles itself, and more carefully.
pub(super) fn remove_false_pid_file(folders: &Folders) {
    let Some(found) = read_pid_file(folders) else { return };
    let taken = as_pid(found.pid).is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)));
    let another = command_line(found.pid).is_some_and(|line| !names_postgres(&line));
    if taken && another {
        let path = pid_file(folders);
        match fs::remove_file(&path) {
            Ok(()) => {
                tracing::info!(pid = found.pid, "removed a postmaster.pid whose number has gone to another process");
            }
            Err(error) => tracing::warn!(%error, path = %path.display(), "a false postmaster.pid could not be removed"),
        }
    }
}

fn read_pid_file(folders: &Folders) -> Option<PidFile> {
    PidFile::parse(&fs::read_to_string(pid_file(folders)).ok()?)
}

fn pid_file(folders: &Folders) -> PathBuf {
    folders.postgres.join("postmaster.pid")
}

/// What to look for.
#[derive(Debug)]
struct Look {
    uid: u32,
    folder: Vec<u8>,
    title: Vec<u8>,
}

impl Look {
    fn at(folders: &Folders) -> Self {
        Self {
            uid: folders.uid,
            folder: folders.postgres.as_os_str().as_bytes().to_owned(),
            title: format!("postgres: {}: ", folders.name).into_bytes(),
        }
    }

    /// A dead process that nobody has buried has no command line, and so is none.
    fn is_postmaster(&self, pid: u32) -> bool {
        command_line(pid).is_some_and(|line| self.fits_postmaster(&line)) && user(pid) == Some(self.uid)
    }

    fn is_child(&self, pid: u32) -> bool {
        command_line(pid).is_some_and(|line| line.starts_with(&self.title)) && user(pid) == Some(self.uid)
    }

    fn fits_postmaster(&self, line: &[u8]) -> bool {
        let arguments: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        names_postgres(line) && arguments.windows(2).any(|pair| pair[0] == b"-D" && pair[1] == self.folder)
    }
}

/// `…/postgres -D …`, or a child's title, `postgres: …`.
fn names_postgres(line: &[u8]) -> bool {
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    program.rsplit(|byte| *byte == b'/').next() == Some(b"postgres") || line.starts_with(b"postgres:")
}

fn command_line(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

/// The effective user.
fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> Look {
        Look { uid: 997, folder: b"/var/lib/ydt/postgres".to_vec(), title: b"postgres: yidiantong-0a: ".to_vec() }
    }

    #[test]
    fn a_pid_file_says_where_its_postmaster_listens_and_whether_it_is_leaving() {
        let text = "4711\n/var/lib/ydt/postgres\n1790000000\n5432\n/run/ydt\n\n  123 456\nready   \n";
        let expected = PidFile { pid: 4711, socket: PathBuf::from("/run/ydt"), stopping: false };
        assert_eq!(PidFile::parse(text), Some(expected));
        assert!(PidFile::parse(&text.replace("ready   ", "stopping")).expect("a pid file").stopping);
    }

    #[test]
    fn a_pid_file_cut_short_by_a_crash_still_names_its_process() {
        assert_eq!(PidFile::parse("4711\n").expect("a pid file").pid, 4711);
        assert_eq!(PidFile::parse(""), None);
    }

    #[test]
    fn a_postmaster_is_known_by_its_folder_and_no_other_program_is_taken_for_one() {
        assert!(look().fits_postmaster(b"/usr/lib/postgresql/15/bin/postgres\0-D\0/var/lib/ydt/postgres\0-c\0x=y\0"));
        assert!(!look().fits_postmaster(b"/usr/lib/postgresql/15/bin/postgres\0-D\0/var/lib/ydt/postgres2\0"));
        assert!(!look().fits_postmaster(b"/usr/bin/vim\0-D\0/var/lib/ydt/postgres\0"));
        assert!(!look().fits_postmaster(b""));
    }

    #[test]
    fn the_command_lines_of_others_are_not_named_postgres() {
        assert!(names_postgres(b"postgres: yidiantong-0a: checkpointer \0\0"));
        assert!(names_postgres(b"postgres\0-D\0/x\0"));
        assert!(!names_postgres(b"/usr/bin/postgres_exporter\0"));
        assert!(!names_postgres(b""));
    }
}
