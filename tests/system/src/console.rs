//! The HTTP API as a console uses it.

use std::fmt::Display;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Ready;
use crate::stream::Stream;
use crate::wait::until;

const ANSWERS_WITHIN: Duration = Duration::from_mins(2);

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Console {
    http: Client,
    base: String,
    csrf: String,
}

impl Console {
    /// Logs one of the district's people in.
    pub async fn log_in(ready: &Ready, login: &str) -> Self {
        let user = ready.demo.users.iter().find(|user| user.login == login);
        let user = user.unwrap_or_else(|| panic!("nobody is called {login}"));
        let http = Client::builder().cookie_store(true).no_proxy().build().expect("a client can be made");
        let mut console = Self { http, base: format!("{}/api/v1", ready.http), csrf: String::new() };
        let session = console.post("/session", json!({ "login": login, "password": user.password })).await;
        session["csrf"].as_str().expect("a session has a token").clone_into(&mut console.csrf);
        console
    }

    /// Asks.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert!(status.is_success(), "GET {path}: {status} {body}");
        body
    }

    /// Tells.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, Some(body)).await;
        assert!(status.is_success(), "POST {path}: {status} {answer}");
        answer
    }

    /// Any call, whatever the answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).timeout(ANSWERS_WITHIN);
        request = request.header("x-csrf-token", &self.csrf);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let status = answer.status();
        let text = answer.text().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// One number of `/metrics`, by its whole name, as it stands there.
    pub async fn metric(&self, name: &str) -> String {
        let page = self.get("/metrics").await;
        let mut numbers = text(&page).lines().filter_map(|line| line.split_once(' '));
        let number = numbers.find_map(|(known, number)| (known == name).then(|| number.to_owned()));
        number.unwrap_or_else(|| panic!("there is no number {name} in\n{page}"))
    }

    /// Follows the live stream, after a cursor or from now on.
    pub async fn follow(&self, after: Option<&str>) -> Stream {
        let mut request = self.http.get(format!("{}/live", self.base));
        if let Some(after) = after {
            request = request.query(&[("after", after)]);
        }
        Stream::open(request).await
    }

    /// The open incidents, most urgent first.
    pub async fn open_incidents(&self) -> Vec<Value> {
        let mut list = self.get("/incidents?state=open").await;
        match list["incidents"].take() {
            Value::Array(incidents) => incidents,
            other => panic!("no list of incidents: {other}"),
        }
    }

    /// Waits for an open incident of which this is so, and gives its id.
    pub async fn incident(&self, what: impl Display, within: Duration, is_it: impl Fn(&Value) -> bool) -> String {
        until(what, within, async || {
            let found = self.open_incidents().await.into_iter().find(&is_it)?;
            found["id"].as_str().map(str::to_owned)
        })
        .await
    }

    /// One incident's card.
    pub async fn card(&self, incident: &str) -> Value {
        self.get(&format!("/incidents/{incident}")).await
    }

    /// Waits until something is so on an incident's card, and gives the card.
    pub async fn card_when(
        &self,
        incident: &str,
        what: impl Display,
        within: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let begun = tokio::time::Instant::now();
        let look = async || {
            last = self.card(incident).await;
            // Shown while it can still be seen.
            assert!(is_so(&last) || begun.elapsed() < within, "not within {within:?}: {what}; the card is {last:#}");
            is_so(&last).then_some(())
        };
        until(&what, within * 2, look).await;
        last
    }

    /// Does something to an incident, and gives its card.
    pub async fn act(&self, incident: &str, verb: &str, body: Value) -> Value {
        self.post(&format!("/incidents/{incident}/{verb}"), body).await
    }
}

/// A list in an answer.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// A text in an answer.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The entries of a card's timeline with this word.
pub fn entries<'c>(card: &'c Value, what: &str) -> Vec<&'c Value> {
    list(&card["timeline"]).iter().filter(|entry| entry["what"] == what).collect()
}

/// The doubts of a card or summary, by their names.
pub fn doubts(card: &Value) -> Vec<&str> {
    list(&card["doubts"]).iter().map(|doubt| text(&doubt["doubt"])).collect()
}

/// Whether a card or summary has this task for a person.
pub fn has_task(card: &Value, task: &str) -> bool {
    list(&card["tasks"]).iter().any(|held| held == task)
}

/// The time from one moment in an answer to another.
pub fn seconds_between(from: &Value, to: &Value) -> f64 {
    let time = |value: &Value| text(value).parse::<jiff::Timestamp>().expect("our times are RFC 3339");
    time(to).duration_since(time(from)).as_secs_f64()
}
