//! An operator at a headless Chromium, moved by Playwright. The maps need WebGL: `browser/operator.mjs` makes it
//! draw in software.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::places;
use crate::program::Program;
use crate::server::Ready;
use crate::wait::SOON;

/// A browser takes its time to start on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_mins(3);

/// The operator.
#[derive(Debug)]
pub struct Browser {
    program: Program,
    orders: u64,
}

impl Browser {
    /// Starts a browser, and logs one of the district's people in.
    pub async fn log_in(ready: &Ready, login: &str) -> Self {
        let mut command = Command::new("node");
        command.arg(places::of_this_package("browser/operator.mjs")).env("CHROMIUM", places::chromium());
        let program = Program::start("the browser", &mut command);
        program.hear("that it is ready", STARTS_WITHIN, |line| line.contains("\"ready\"").then_some(())).await;
        let mut browser = Self { program, orders: 0 };
        let user = ready.demo.users.iter().find(|user| user.login == login);
        let user = user.unwrap_or_else(|| panic!("nobody is called {login}"));
        let order = json!({ "do": "log_in", "url": ready.http, "login": login, "password": user.password });
        browser.does(order, STARTS_WITHIN).await;
        browser
    }

    async fn does(&mut self, mut order: Value, within: Duration) -> Value {
        self.orders += 1;
        let number = self.orders;
        order["number"] = number.into();
        order["within_ms"] = u64::try_from(within.as_millis()).expect("a bound is short").into();
        self.program.say(&order).await;
        let pick = |line: &str| {
            let answer: Value = serde_json::from_str(line).ok()?;
            (answer["number"] == number).then_some(answer)
        };
        let answer = self.program.hear(&order, within + SOON, pick).await;
        if answer["done"] != true {
            let shot = places::shots().join("failed.png");
            self.program.say(json!({ "do": "shot", "path": shot })).await;
            let why = answer["why"].as_str().unwrap_or_default();
            self.program.hear("a picture", SOON, |line| (!line.contains("number")).then_some(())).await;
            panic!("the operator cannot {order}: {why}; see {}", shot.display());
        }
        answer
    }

    /// Waits until something is to be seen on the page, with these attributes.
    pub async fn sees(&mut self, testid: &str, attributes: Value, within: Duration) {
        self.does(json!({ "do": "see", "testid": testid, "attributes": attributes }), within).await;
    }

    /// Waits until something is not on the page any more.
    pub async fn sees_no(&mut self, testid: &str, within: Duration) {
        self.does(json!({ "do": "gone", "testid": testid }), within).await;
    }

    /// Clicks, once it can be clicked.
    pub async fn clicks(&mut self, testid: &str) {
        self.does(json!({ "do": "click", "testid": testid }), SOON).await;
    }

    /// Writes into a field.
    pub async fn writes(&mut self, testid: &str, text: &str) {
        self.does(json!({ "do": "fill", "testid": testid, "text": text }), SOON).await;
    }

    /// Reads a part of the page.
    pub async fn reads(&mut self, testid: &str) -> String {
        let answer = self.does(json!({ "do": "read", "testid": testid }), SOON).await;
        answer["text"].as_str().unwrap_or_default().to_owned()
    }

    /// Goes to another of the server's pages.
    pub async fn goes_to(&mut self, path: &str) {
        self.does(json!({ "do": "go", "path": path }), STARTS_WITHIN).await;
    }

    /// Clicks something on a page that is not ours.
    pub async fn clicks_at(&mut self, selector: &str) {
        self.does(json!({ "do": "click", "selector": selector }), STARTS_WITHIN).await;
    }

    /// Writes into a field of a page that is not ours.
    pub async fn writes_at(&mut self, selector: &str, text: &str) {
        self.does(json!({ "do": "fill", "selector": selector, "text": text }), SOON).await;
    }

    /// Reads a part of a page that is not ours, once it is there.
    pub async fn reads_at(&mut self, selector: &str) -> String {
        let answer = self.does(json!({ "do": "read", "selector": selector }), SOON).await;
        answer["text"].as_str().unwrap_or_default().to_owned()
    }

    /// Looks at another page until these words stand there, and reads it.
    pub async fn looks_at(&mut self, url: &str, words: &str, within: Duration) -> String {
        let answer = self.does(json!({ "do": "look", "url": url, "words": words }), within).await;
        answer["text"].as_str().unwrap_or_default().to_owned()
    }

    /// Opens an incident from the queue, and waits for its card.
    pub async fn opens(&mut self, incident: &str) {
        self.clicks(&format!("incident-{incident}")).await;
        self.sees("card", json!({ "data-incident": incident }), SOON).await;
    }

    /// Takes a picture of the page.
    pub async fn takes_picture(&mut self, path: &Path) {
        self.does(json!({ "do": "shot", "path": path }), SOON).await;
    }

    /// What the page has complained about: errors, breaches of its policy.
    pub async fn complaints(&mut self) -> Value {
        self.does(json!({ "do": "complaints" }), SOON).await["complaints"].take()
    }

    /// Closes the browser.
    pub async fn closes(self) {
        self.program.ended().await;
    }
}
