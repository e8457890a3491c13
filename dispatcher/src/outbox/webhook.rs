//! A contact's webhook: one signed POST (`wire::webhook`, `docs/webhook.md`).

use super::{Answer, Body, Channels, post};
use crate::store::outbox::Message;
use crate::store::{StoreError, contacts};

pub(super) async fn send(channels: &Channels, message: &Message) -> Result<Answer, StoreError> {
    let secret = {
        let mut conn = channels.desk.conn().await?;
        contacts::webhook_secret(&mut conn, message.id, &message.target).await?
    };
    match secret {
        Some(secret) => Ok(post(&channels.http, &message.target, &secret, message, Body::json(message)).await),
        None => Ok(Answer::NoWay("this is no contact's address any more".into())),
    }
}
