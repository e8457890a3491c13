//! A responder's application: a signed POST where one is registered. An application that follows
//! `GET /api/v1/offers/live` needs none: the offer is in the database, and the stream tells it.

use super::{Answer, Channels, post};
use crate::store::outbox::Message;
use crate::store::{StoreError, registry};

pub(super) async fn send(channels: &Channels, message: &Message) -> Result<Answer, StoreError> {
    let push = {
        let mut conn = channels.desk.conn().await?;
        registry::push_address(&mut conn, &message.target).await?
    };
    channels.desk.live.nudge();
    match push {
        Some((url, secret)) => Ok(post(&channels.http, &url, &secret, message).await),
        None => Ok(Answer::Taken("on the responder's stream".into())),
    }
}
