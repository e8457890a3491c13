//! An operator who closes cases, so that a district that presses for ten minutes does not drown in cases that nobody
//! works on.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::registry::OPERATOR;

/// How often it is looked for cases that have been open…
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// …for so long: by then everybody who is asked at first has been asked.
const OPEN_FOR: Duration = Duration::from_secs(20);

/// Somebody who is logged in.
pub(crate) struct Operator {
    http: Client,
    base: String,
    csrf: String,
}

#[derive(Deserialize)]
struct Session {
    csrf: String,
}

impl Operator {
    /// Logs in.
    pub(crate) async fn log_in(server: &str) -> anyhow::Result<Self> {
        let http = Client::builder().cookie_store(true).no_proxy().build()?;
        let base = format!("{server}/api/v1");
        let (login, password) = OPERATOR;
        let asked = http.post(format!("{base}/session")).json(&json!({ "login": login, "password": password }));
        let answer = asked.send().await?.error_for_status().context("the operator cannot log in")?;
        let Session { csrf } = answer.json().await?;
        Ok(Self { http, base, csrf })
    }

    /// Closes every case that has been open for a while, until dropped.
    pub(crate) async fn work(&self, pool: &PgPool) -> Infallible {
        let mut looks = interval(LOOKS_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // Whoever works under load is sometimes told to wait, and goes on.
            if let Err(error) = self.close_old(pool).await {
                eprintln!("the operator: {error:#}");
            }
        }
    }

    async fn close_old(&self, pool: &PgPool) -> anyhow::Result<()> {
        let open: Vec<Uuid> = sqlx::query_scalar(
            "select id from incident where closed_at is null and opened_at < clock_timestamp() - make_interval(secs => $1)
             order by opened_at",
        )
        .bind(OPEN_FOR.as_secs_f64())
        .fetch_all(pool)
        .await?;
        for incident in open {
            self.close(incident).await?;
        }
        Ok(())
    }

    async fn close(&self, incident: Uuid) -> anyhow::Result<()> {
        self.act(incident, "claim", &json!({})).await?;
        self.act(incident, "close", &json!({ "outcome": "test" })).await
    }

    async fn act(&self, incident: Uuid, act: &str, body: &serde_json::Value) -> anyhow::Result<()> {
        let url = format!("{}/incidents/{incident}/{act}", self.base);
        let answer = self.http.post(url).header("x-csrf-token", &self.csrf).json(body).send().await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = answer.text().await.unwrap_or_default();
        // Pressed again meanwhile: closed when that is answered.
        anyhow::ensure!(said.contains("pressed_again"), "a case refuses to {act}: {status} {said}");
        Ok(())
    }
}
