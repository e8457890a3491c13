//! A program beside the test that talks in lines.

use std::fmt::Display;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::server::signal;

/// How long a program may take to end once it is told to.
const ENDS_WITHIN: Duration = Duration::from_mins(2);
/// How many of its last lines are shown when it did not say what it should.
const LINES_SHOWN: usize = 60;

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: watch::Receiver<Vec<String>>,
}

impl Program {
    /// Starts one. Both its outputs are read, line by line.
    pub fn start(name: impl Into<String>, command: &mut Command) -> Self {
        let name = name.into();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let (tell, lines) = watch::channel(Vec::new());
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read(stdout, tell.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(read(stderr, tell));
        }
        Self { stdin: child.stdin.take(), name, child, lines }
    }

    /// Says a line to it.
    pub async fn say(&mut self, line: impl Display) {
        let Some(stdin) = &mut self.stdin else { panic!("{} was told to end", self.name) };
        let line = format!("{line}\n");
        let said = async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await
        };
        if let Err(error) = said.await {
            panic!("{} does not listen ({error}); it said:\n{}", self.name, self.lines.borrow().join("\n"));
        }
    }

    /// Freezes it: it neither answers nor hangs up.
    pub fn freeze(&self) {
        signal(self.child.id().expect("it runs"), Signal::STOP);
    }

    /// Everything that it has said so far.
    pub fn said(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Waits for something it says, now or before.
    pub async fn hear<T>(&self, what: impl Display, within: Duration, pick: impl Fn(&str) -> Option<T>) -> T {
        let mut lines = self.lines.clone();
        // The guard that this gives goes at once: whoever holds one and asks for another waits for the writer,
        // who waits for the first.
        let heard = async { lines.wait_for(|lines| lines.iter().any(|line| pick(line).is_some())).await.is_ok() };
        let heard = timeout(within, heard).await.unwrap_or(false);
        let lines = self.said();
        let ending = || lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n");
        assert!(heard, "{} did not say within {within:?}: {what}; it said at last:\n{}", self.name, ending());
        lines.iter().find_map(|line| pick(line)).unwrap_or_else(|| unreachable!("lines are never taken back"))
    }

    /// Closes its input, and waits until it has ended.
    pub async fn ended(mut self) -> Vec<String> {
        self.stdin = None;
        let status = timeout(ENDS_WITHIN, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{} did not end", self.name)).expect("a child can be waited for");
        assert!(status.success(), "{} ended with {status}; it said:\n{}", self.name, self.said().join("\n"));
        let mut lines = self.lines.clone();
        // The readers hold the sending end until they have read everything.
        while lines.changed().await.is_ok() {}
        self.said()
    }
}

async fn read(output: impl AsyncRead + Unpin, lines: watch::Sender<Vec<String>>) {
    let mut output = BufReader::new(output).lines();
    while let Ok(Some(line)) = output.next_line().await {
        lines.send_modify(|lines| lines.push(line));
    }
}
