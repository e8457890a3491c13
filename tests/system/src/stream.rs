//! A follower of a stream of server-sent events that keeps everything it has heard, with the ids.

use std::fmt::Display;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Where the stream stands after it.
    pub id: Option<String>,
    /// What it says.
    pub data: Value,
}

/// An open stream. It is closed when this is dropped.
#[derive(Debug)]
pub struct Stream {
    events: watch::Receiver<Vec<Event>>,
    reading: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Stream {
    /// Opens one.
    pub async fn open(request: RequestBuilder) -> Self {
        let answer = request.header("accept", "text/event-stream").send().await.expect("the stream answers");
        assert!(answer.status().is_success(), "the stream answers {}", answer.status());
        let (tell, events) = watch::channel(Vec::new());
        let mut bytes = answer.bytes_stream();
        let reading = tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Some(Ok(piece)) = bytes.next().await {
                rest.extend_from_slice(&piece);
                // Our server ends lines with a line feed alone.
                while let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") {
                    let block: Vec<u8> = rest.drain(..end + 2).collect();
                    if let Some(event) = read(&String::from_utf8_lossy(&block)) {
                        tell.send_modify(|events| events.push(event));
                    }
                }
            }
        });
        Self { events, reading }
    }

    /// Everything heard so far.
    pub fn heard(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }

    /// Waits for an event, now or before.
    pub async fn hear(&self, what: impl Display, within: Duration, is_it: impl Fn(&Event) -> bool) -> Event {
        let mut events = self.events.clone();
        let came = async { events.wait_for(|events| events.iter().any(&is_it)).await.is_ok() };
        let came = timeout(within, came).await.unwrap_or(false);
        let heard = self.heard();
        if let (true, Some(event)) = (came, heard.iter().find(|event| is_it(event))) {
            return event.clone();
        }
        let heard: Vec<String> = heard.iter().map(|event| format!("{} {}", event.name, event.data)).collect();
        panic!("not within {within:?} on the stream: {what}; heard:\n{}", heard.join("\n"))
    }
}

fn read(block: &str) -> Option<Event> {
    let (mut name, mut id, mut data) = (String::from("message"), None, None::<String>);
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "id" => id = Some(value.to_owned()),
            "data" => data = Some(data.map_or_else(|| value.to_owned(), |data| format!("{data}\n{value}"))),
            _ => {}
        }
    }
    let data = serde_json::from_str(&data?).expect("our events are JSON");
    Some(Event { name, id, data })
}
