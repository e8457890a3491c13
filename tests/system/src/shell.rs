//! An administrator at a shell.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::places;

/// Where commands go.
#[derive(Debug, Clone)]
pub struct Shell {
    data: PathBuf,
    database_url: Option<String>,
}

impl Shell {
    /// Over a data folder with its private database.
    pub fn at(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), database_url: None }
    }

    /// Over a database of its own.
    pub fn over(data: impl Into<PathBuf>, database_url: &str) -> Self {
        Self { data: data.into(), database_url: Some(database_url.to_owned()) }
    }

    /// What a command answers that does what it is told.
    pub fn says(&self, arguments: &[&str]) -> String {
        let (said, told) = self.run(arguments);
        assert!(said.status.success(), "{arguments:?} ended with {}: {told}", said.status);
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Everything that a command says that refuses, or finds something wrong.
    pub fn refuses(&self, arguments: &[&str]) -> String {
        let (said, told) = self.run(arguments);
        assert_eq!(said.status.code(), Some(1), "{arguments:?} was not refused: {told}");
        told
    }

    fn run(&self, arguments: &[&str]) -> (Output, String) {
        // A test that is itself killed leaves no command behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(places::executable("yidiantong"));
        command.args(arguments).arg("--data").arg(&self.data);
        command.env_remove("DATABASE_URL").env_remove("RUST_LOG").env("NO_COLOR", "1");
        if let Some(url) = &self.database_url {
            command.env("DATABASE_URL", url);
        }
        let said = command.stdin(std::process::Stdio::null()).output().expect("the executable can be run");
        let told = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        (said, told)
    }
}
