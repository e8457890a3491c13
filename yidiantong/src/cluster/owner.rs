//! As whom PostgreSQL runs: as ourselves, or, because it refuses root, as a system user of its own.

use std::fs::File;
use std::path::Path;

use tokio::process::Command;

use super::ClusterError;

/// The system user that root makes for PostgreSQL.
const ACCOUNT: &str = "yidiantong";

/// The account that owns PostgreSQL's folder and its processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// We are not root: ourselves.
    Ourselves,
    /// We are root: this account.
    Account { uid: u32, gid: u32 },
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Owner {
    pub(super) async fn find() -> Result<Self, ClusterError> {
        if !is_root() {
            return Ok(Self::Ourselves);
        }
        if let Some(owner) = look_up().await? {
            return Ok(owner);
        }
        // Two useradds in the same moment overwrite each other's account, and the number that was there a moment ago
        // is nobody's. Held until the account is there.
        let _alone = tokio::task::spawn_blocking(lock_accounts).await?.map_err(|error| no_account(&error))?;
        if let Some(owner) = look_up().await? {
            return Ok(owner);
        }
        tracing::info!(user = ACCOUNT, "making a system user for PostgreSQL");
        let made = Command::new("useradd")
            .args(["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"])
            .args(["--shell", "/usr/sbin/nologin", ACCOUNT])
            .output()
            .await
            .map_err(|error| no_account(&error))?;
        match look_up().await? {
            Some(owner) => Ok(owner),
            None => Err(no_account(&String::from_utf8_lossy(&made.stderr).trim())),
        }
    }

    /// A command that will run as this owner, with nothing in its surroundings that could mislead PostgreSQL.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        // Not our working folder, which the owner may be forbidden to enter.
        command.current_dir("/");
        if let Self::Account { uid, gid } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }

    pub(super) fn uid(&self) -> u32 {
        match self {
            Self::Ourselves => rustix::process::geteuid().as_raw(),
            Self::Account { uid, .. } => *uid,
        }
    }

    /// Makes this owner the owner of `path`.
    pub(super) fn take(&self, path: &Path) -> Result<(), ClusterError> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Account { uid, gid } => std::os::unix::fs::lchown(path, Some(*uid), Some(*gid))
                .map_err(|error| ClusterError::Folder { path: path.to_owned(), error }),
        }
    }

    /// Whether this owner can enter `folder`: asked of the machine, because modes, access lists and mounts all have a
    /// say.
    pub(super) async fn can_enter(&self, folder: &Path) -> Result<bool, ClusterError> {
        let program = Path::new("/usr/bin/test");
        let status = self
            .command(program)
            .arg("-x")
            .arg(folder)
            .status()
            .await
            .map_err(|error| ClusterError::Spawn { program: program.to_owned(), error })?;
        Ok(status.success())
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Ourselves => format!("with number {}", self.uid()),
            Self::Account { .. } => ACCOUNT.to_owned(),
        }
    }
}

/// In a folder that only root can write to.
fn lock_accounts() -> std::io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open("/run/yidiantong-account.lock")?;
    file.lock()?;
    Ok(file)
}

fn no_account(cause: &dyn std::fmt::Display) -> ClusterError {
    ClusterError::NoAccount { name: ACCOUNT, cause: cause.to_string() }
}

/// Through `getent`, so that accounts from a directory service count too.
async fn look_up() -> Result<Option<Owner>, ClusterError> {
    let output = Command::new("getent").args(["passwd", ACCOUNT]).output().await.map_err(|error| no_account(&error))?;
    Ok(parse_passwd(&String::from_utf8_lossy(&output.stdout)))
}

fn parse_passwd(line: &str) -> Option<Owner> {
    let mut fields = line.trim().split(':');
    let uid: u32 = fields.nth(2)?.parse().ok()?;
    let gid: u32 = fields.next()?.parse().ok()?;
    (uid != 0).then_some(Owner::Account { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_its_passwd_line() {
        let line = "yidiantong:x:997:996::/nonexistent:/usr/sbin/nologin\n";
        assert_eq!(parse_passwd(line), Some(Owner::Account { uid: 997, gid: 996 }));
        assert_eq!(parse_passwd(""), None);
    }

    #[test]
    fn an_account_that_is_root_in_disguise_is_refused() {
        assert_eq!(parse_passwd("yidiantong:x:0:0::/root:/bin/sh"), None);
    }
}
