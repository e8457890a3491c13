//! Terminals played by `mosquitto_pub` and `mosquitto_sub`.

use std::fmt::Display;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::program::Program;
use crate::server::Terminal;
use crate::wait::SOON;

/// A version of the protocol, as these programs spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V311,
    /// 5.
    V5,
}

impl Version {
    const fn word(self) -> &'static str {
        match self {
            Self::V311 => "mqttv311",
            Self::V5 => "mqttv5",
        }
    }
}

/// Connects as a terminal.
#[derive(Debug, Clone)]
pub struct Mosquitto<'t> {
    /// Where to.
    pub door: SocketAddr,
    /// As whom.
    pub terminal: &'t Terminal,
    /// In which version.
    pub version: Version,
}

/// What became of one `mosquitto_pub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its exit code: 0 when there was a PUBACK.
    pub code: Option<i32>,
    /// What it said.
    pub said: String,
}

impl Published {
    /// Whether the server has acknowledged it, and not as an error: in MQTT 5 a PUBACK can say no.
    pub fn is_taken(&self) -> bool {
        self.code == Some(0) && !self.said.contains("failed")
    }
}

impl Mosquitto<'_> {
    fn command(&self, program: &str) -> Command {
        // It ends with us, even when we are killed; and into a pipe it would keep its words until there are
        // some thousand of them.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "stdbuf", "-oL", program]);
        command.args(["-h", &self.door.ip().to_string(), "-p", &self.door.port().to_string()]);
        command.args(["-V", self.version.word(), "-u", &self.terminal.login, "-P", &self.terminal.secret, "-q", "1"]);
        command
    }

    /// Publishes one message with QoS 1, and waits for its end: exit code 0 means that the PUBACK came.
    pub async fn publish(&self, topic: &str, message: impl AsRef<[u8]>) -> Published {
        self.publish_with(topic, message, &[]).await
    }

    /// As [`Self::publish`], with more arguments.
    pub async fn publish_with(&self, topic: &str, message: impl AsRef<[u8]>, more: &[&str]) -> Published {
        let mut command = self.command("mosquitto_pub");
        command.args(more);
        // It refuses to read an empty message.
        let source = if message.as_ref().is_empty() { "-n" } else { "-s" };
        command.args(["-t", topic, source]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("mosquitto_pub is installed");
        let mut stdin = child.stdin.take().expect("its input is ours");
        stdin.write_all(message.as_ref()).await.expect("it reads the message");
        drop(stdin);
        let output = timeout(SOON, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("mosquitto_pub to {topic} came to no end")).expect("it ends");
        let said = [output.stdout, output.stderr].concat();
        Published { code: output.status.code(), said: String::from_utf8_lossy(&said).trim().to_owned() }
    }

    /// As [`Self::publish`], for a message that must be acknowledged.
    pub async fn publish_acknowledged(&self, topic: &str, message: impl AsRef<[u8]>) {
        let published = self.publish(topic, message).await;
        assert!(published.is_taken(), "not taken to {topic}: {published:?}");
    }

    /// Listens to a topic filter, with a session that outlives the connection. Listens when this returns.
    pub async fn listen(&self, client_id: &str, filter: &str) -> Ears {
        self.listen_with(client_id, filter, &[]).await
    }

    /// As [`Self::listen`], with more arguments.
    pub async fn listen_with(&self, client_id: &str, filter: &str, more: &[&str]) -> Ears {
        let mut command = self.command("mosquitto_sub");
        command.args(more);
        // Its own words and messages come mixed: the mark tells them apart.
        command.args(["-i", client_id, "-c", "-d", "-t", filter, "-F", "message %t %p"]);
        if self.version == Version::V5 {
            command.args(["-x", "3600"]);
        }
        let program = Program::start(format!("mosquitto_sub of {}", self.terminal.serial), &mut command);
        program.hear("that it listens", SOON, |line| line.starts_with("Subscribed").then_some(())).await;
        Ears { program }
    }

    /// Tries to listen to a topic filter, and tells what the program said at its end.
    pub async fn try_to_listen(&self, filter: &str) -> Published {
        let mut command = self.command("mosquitto_sub");
        let output = command.args(["-E", "-t", filter]).kill_on_drop(true).output();
        let output = timeout(SOON, output).await.expect("mosquitto_sub comes to an end").expect("it is installed");
        let said = [output.stdout, output.stderr].concat();
        Published { code: output.status.code(), said: String::from_utf8_lossy(&said).trim().to_owned() }
    }
}

/// A terminal's ears: a running `mosquitto_sub`.
#[derive(Debug)]
pub struct Ears {
    program: Program,
}

/// Something a terminal has heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// On which topic.
    pub topic: String,
    /// What: a text where it is no JSON.
    pub message: Value,
}

impl Heard {
    fn read(line: &str) -> Option<Self> {
        let (topic, message) = line.strip_prefix("message ")?.split_once(' ')?;
        let message = serde_json::from_str(message).unwrap_or_else(|_| Value::from(message));
        Some(Self { topic: topic.to_owned(), message })
    }

    /// The news in a notice.
    pub fn news(&self) -> Option<&str> {
        self.message.get("news").and_then(Value::as_str).filter(|_| self.topic.ends_with("/notice"))
    }
}

impl Ears {
    /// Leaves its connection as it is, and is heard no more: as a terminal that has lost its network.
    pub fn freeze(&self) {
        self.program.freeze();
    }

    /// Waits until the program itself reports something: a connection that ends, and why.
    pub async fn report(&self, words: &str, within: Duration) {
        self.program.hear(words, within, |line| line.contains(words).then_some(())).await;
    }

    /// Everything heard so far, in order.
    pub fn heard(&self) -> Vec<Heard> {
        self.program.said().iter().filter_map(|line| Heard::read(line)).collect()
    }

    /// Waits for a message, now or before.
    pub async fn hear(&self, what: impl Display, within: Duration, is_it: impl Fn(&Heard) -> bool) -> Heard {
        self.program.hear(what, within, |line| Heard::read(line).filter(&is_it)).await
    }

    /// Waits for a notice with this news.
    pub async fn hear_news(&self, news: &str, within: Duration) -> Value {
        let heard = self.hear(format!("news {news}"), within, |heard| heard.news() == Some(news)).await;
        heard.message
    }

    /// The news heard so far, each notice once, in order.
    pub fn news(&self) -> Vec<String> {
        let mut seen = Vec::new();
        let heard = self.heard();
        let notices = heard.iter().filter_map(|heard| Some((heard.message["id"].clone(), heard.news()?)));
        notices
            .filter(|(id, _)| {
                let is_new = !seen.contains(id);
                seen.push(id.clone());
                is_new
            })
            .map(|(_, news)| news.to_owned())
            .collect()
    }
}
