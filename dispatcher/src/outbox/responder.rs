//! A responder's application: a signed POST where one is registered. An application that follows
//! `GET /api/v1/offers/live` needs none: the offer is in the database, and the stream tells it.

use reqwest::header::CONTENT_TYPE;
use wire::signature;

use super::{Answer, Channels, reason};
use crate::clock;
use crate::store::outbox::Message;
use crate::store::{StoreError, registry};

pub(super) async fn send(channels: &Channels, message: &Message) -> Result<Answer, StoreError> {
    let push = {
        let mut conn = channels.desk.conn().await?;
        registry::push_address(&mut conn, &message.target).await?
    };
    channels.desk.live.nudge();
    let Some((url, secret)) = push else { return Ok(Answer::Taken("on the responder's stream".into())) };
    let body = message.payload.to_string();
    let sent = channels
        .http
        .post(&url)
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", message.key.to_string())
        .header(signature::HEADER, signature::sign(secret.as_bytes(), clock::now(), body.as_bytes()))
        .body(body)
        .send()
        .await;
    Ok(match sent {
        Ok(response) if response.status().is_success() => Answer::Taken(response.status().to_string()),
        Ok(response) => Answer::NotTaken(response.status().to_string()),
        Err(cause) => Answer::NotTaken(reason(cause)),
    })
}
