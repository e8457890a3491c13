//! A small disk, so that there is one that can be full.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct Disk {
    place: PathBuf,
}

impl Disk {
    /// Mounts one of `mb` megabytes on a new folder. Only root may, or somebody who may become root without being asked.
    pub(crate) fn mount(place: &Path, mb: u32) -> Self {
        std::fs::create_dir(place).expect("the folder is new");
        // Whose data lie in it differs; the owner's program sees to who may look at them.
        let options = format!("size={mb}m,mode=0711");
        let mounted = as_root("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place).output();
        let mounted = mounted.expect("mount can be run");
        let why = String::from_utf8_lossy(&mounted.stderr);
        assert!(mounted.status.success(), "a small disk cannot be mounted, for which a test must be root: {why}");
        Self { place: place.to_owned() }
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("there is room for a file");
        // A page at a time at the end, so that not even a small file finds room.
        for chunk in [1 << 20, 4096] {
            let zeros = vec![0; chunk];
            loop {
                match ballast.write_all(&zeros) {
                    Ok(()) => {}
                    Err(full) if full.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("the disk cannot be filled: {error}"),
                }
            }
        }
    }

    /// Makes the room again that [`Self::fill`] took.
    pub fn make_room(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.place.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file open there does not keep it.
        let _ = as_root("umount").arg("--lazy").arg(&self.place).status();
    }
}

fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    command
}
