//! 120, 119 and 110: one signed POST (`wire::centre`, `docs/120.md`).

use reqwest::header::CONTENT_TYPE;
use wire::signature;

use super::{Answer, Channels, reason};
use crate::clock;
use crate::store::outbox::Message;

pub(super) async fn send(channels: &Channels, message: &Message) -> Answer {
    let Some(centre) = channels.desk.config.centres.iter().find(|centre| centre.centre.to_string() == message.target)
    else {
        return Answer::NoWay(format!("no data link to {} is set up", message.target));
    };
    let body = message.payload.to_string();
    let sent = centre
        .http
        .post(&centre.url)
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", message.key.to_string())
        .header(signature::HEADER, signature::sign(centre.secret.0.as_bytes(), clock::now(), body.as_bytes()))
        .body(body)
        .send()
        .await;
    match sent {
        Ok(response) if response.status().is_success() => Answer::Taken(response.status().to_string()),
        Ok(response) => Answer::NotTaken(response.status().to_string()),
        Err(cause) => Answer::NotTaken(reason(cause)),
    }
}
