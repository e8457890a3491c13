//! A database of the test's own, outside the server: for the days on which it is away.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::places;
use crate::wait::{SOON, until_so};

/// A throwaway cluster, made by `scripts/dev-db`. It is deleted when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    state: TempDir,
    url: String,
    environment: Vec<(&'static str, String)>,
}

impl Postgres {
    /// Makes and starts one.
    pub fn start() -> Self {
        Self::start_under(Vec::new())
    }

    /// Makes and starts one whose processes are told this in their environment.
    pub fn start_under(environment: Vec<(&'static str, String)>) -> Self {
        let state = tempfile::Builder::new().prefix("ydt-db").tempdir().expect("a folder can be made");
        let url = dev_db(&state, "start", &environment);
        Self { state, url, environment }
    }

    /// How to reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops it at once, without a farewell to anybody, and waits until it is gone.
    pub async fn go_away(&self) {
        let file = self.data().join("postmaster.pid");
        let text = std::fs::read_to_string(&file).expect("the cluster runs");
        let pid = text.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
        // An immediate shutdown, as `pg_ctl stop -m immediate` does.
        kill_process(pid.expect("a postmaster's number"), Signal::QUIT).expect("the postmaster can be told");
        until_so("the database goes away", SOON, async || !file.exists()).await;
    }

    /// Starts it again, with everything that it has committed.
    pub fn come_back(&self) {
        dev_db(&self.state, "start", &self.environment);
    }

    fn data(&self) -> PathBuf {
        let dir = std::fs::read_to_string(self.state.path().join("db/dir")).expect("the script has noted the place");
        PathBuf::from(dir.trim()).join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        dev_db(&self.state, "stop", &self.environment);
    }
}

fn dev_db(state: &TempDir, word: &str, environment: &[(&'static str, String)]) -> String {
    let output = Command::new(places::root().join("scripts/dev-db"))
        .arg(word)
        .env("DEV_DB", state.path().join("db"))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("the script can be run");
    assert!(output.status.success(), "dev-db {word}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
