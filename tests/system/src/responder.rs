//! A responder's application: the HTTP API with a token instead of a login.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;

use crate::server::{Ready, Responder};
use crate::wait::until;

/// One responder.
#[derive(Debug, Clone)]
pub struct Application {
    http: Client,
    base: String,
    /// Who.
    pub who: Responder,
}

impl Application {
    /// The application of one of the district's responders.
    pub fn of(ready: &Ready, name: &str) -> Self {
        let who = ready.demo.responders.iter().find(|who| who.name == name);
        let who = who.unwrap_or_else(|| panic!("nobody is called {name}")).clone();
        let http = Client::builder().no_proxy().build().expect("a client can be made");
        Self { http, base: format!("{}/api/v1", ready.http), who }
    }

    /// Where the API is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What is asked of this responder now.
    pub async fn offers(&self) -> Vec<Value> {
        let request = self.http.get(format!("{}/offers", self.base)).bearer_auth(&self.who.token);
        let mut list: Value = async { request.send().await?.error_for_status()?.json().await }
            .await
            .unwrap_or_else(|error| panic!("{} is not told what is asked: {error}", self.who.name));
        match list["offers"].take() {
            Value::Array(offers) => offers,
            other => panic!("no list of offers: {other}"),
        }
    }

    /// Waits for a question that was not answered yet.
    pub async fn asked(&self, within: Duration) -> Value {
        until(format!("{} is asked", self.who.name), within, async || {
            self.offers().await.into_iter().find(|offer| offer["state"] == "asked")
        })
        .await
    }

    /// Answers or reports.
    pub async fn says(&self, offer: &Value, verb: &str, body: Value) {
        let status = self.say(offer, verb, body).await;
        assert!(status.is_success(), "{} says {verb} and hears {status}", self.who.name);
    }

    /// Answers or reports, and gives the server's answer.
    pub async fn say(&self, offer: &Value, verb: &str, body: Value) -> StatusCode {
        let id = offer["id"].as_str().expect("an offer has an id");
        let request = self.http.post(format!("{}/offers/{id}/{verb}", self.base)).bearer_auth(&self.who.token);
        request.json(&body).send().await.expect("the server is there").status()
    }
}
