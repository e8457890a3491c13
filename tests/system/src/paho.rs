//! Terminals played by paho-mqtt (PyPI), all of them in one Python process.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::mosquitto::Version;
use crate::places;
use crate::program::Program;
use crate::server::Terminal;
use crate::wait::SOON;

/// The process.
#[derive(Debug)]
pub struct Paho {
    program: Program,
    tags: u64,
}

impl Paho {
    /// Starts it.
    pub fn start() -> Self {
        let mut command = Command::new(places::python());
        command.arg("-u").arg(places::of_this_package("clients/terminals.py"));
        Self { program: Program::start("paho", &mut command), tags: 0 }
    }

    /// Begins to connect as a terminal, under its serial. It goes on trying by itself.
    pub async fn begin(&mut self, door: SocketAddr, terminal: &Terminal, version: Version) {
        let version = match version {
            Version::V311 => 4,
            Version::V5 => 5,
        };
        let order = json!({
            "do": "connect", "as": terminal.serial, "host": door.ip(), "port": door.port(), "login": terminal.login,
            "secret": terminal.secret, "client_id": format!("paho-{}", terminal.serial), "version": version,
        });
        self.program.say(order).await;
    }

    /// Connects as a terminal, and listens to everything below its own prefix.
    pub async fn connect(&mut self, door: SocketAddr, terminal: &Terminal, version: Version) {
        self.begin(door, terminal, version).await;
        self.hear(terminal, "connected", SOON, |_| true).await;
        let order = json!({ "do": "subscribe", "as": terminal.serial, "topic": terminal.topic("#") });
        self.program.say(order).await;
        self.hear(terminal, "subscribed", SOON, |_| true).await;
    }

    /// Publishes with QoS 1, and gives the tag under which it is acknowledged.
    pub async fn publish(&mut self, terminal: &Terminal, topic: &str, payload: &Value) -> u64 {
        self.tags += 1;
        let order = json!({
            "do": "publish", "as": terminal.serial, "topic": topic, "payload": payload.to_string(), "tag": self.tags,
        });
        self.program.say(order).await;
        self.tags
    }

    /// Waits for the PUBACK of a message.
    pub async fn acknowledged(&self, terminal: &Terminal, tag: u64, within: Duration) {
        let sent = self.hear(terminal, "sent", SOON, |event| event["tag"] == tag).await;
        self.hear(terminal, "acknowledged", within, |event| event["mid"] == sent["mid"]).await;
    }

    /// Whether the PUBACK of a message has come by now.
    pub fn is_acknowledged(&self, terminal: &Terminal, tag: u64) -> bool {
        let events = self.events(terminal);
        let mid = events.iter().find(|event| event["is"] == "sent" && event["tag"] == tag).map(|event| &event["mid"]);
        mid.is_some_and(|mid| events.iter().any(|event| event["is"] == "acknowledged" && event["mid"] == *mid))
    }

    /// Everything that has happened to a terminal, in order.
    pub fn events(&self, terminal: &Terminal) -> Vec<Value> {
        let events = self.program.said().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        events.filter(|event| event["as"] == terminal.serial.as_str()).collect()
    }

    /// Waits for something to happen to a terminal, now or before.
    pub async fn hear(
        &self,
        terminal: &Terminal,
        what: impl Display,
        within: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Value {
        let what = what.to_string();
        let described = format!("{} is {what}", terminal.serial);
        let pick = |line: &str| {
            let event: Value = serde_json::from_str(line).ok()?;
            let is_meant = event["as"] == terminal.serial.as_str() && event["is"] == what.as_str() && is_it(&event);
            is_meant.then_some(event)
        };
        self.program.hear(described, within, pick).await
    }

    /// Waits for a notice with this news.
    pub async fn hear_news(&self, terminal: &Terminal, news: &str, within: Duration) -> Value {
        let read = |event: &Value| serde_json::from_str::<Value>(event["payload"].as_str()?).ok();
        let is_it = |event: &Value| read(event).is_some_and(|notice| notice["news"] == news);
        let event = self.hear(terminal, "message", within, is_it).await;
        read(&event).expect("it was read before")
    }

    /// Ends it.
    pub async fn end(self) {
        self.program.ended().await;
    }
}
