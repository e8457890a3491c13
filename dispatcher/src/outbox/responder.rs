//! A responder, by the best way that there is: a signed POST to their application, a push to their browsers, a text
//! message. Whoever has none of them follows `GET /api/v1/offers/live`: the offer is in the database, and the stream
//! tells it.

use super::{Answer, Body, Channels, post, push, sms};
use crate::config::PushConfig;
use crate::store::StoreError;
use crate::store::outbox::{Message, Said, Way};
use crate::store::push::ways;

pub(super) async fn send(channels: &Channels, message: &Message) -> Result<Answer, StoreError> {
    let config = &channels.desk.config;
    let ways = {
        let mut conn = channels.desk.conn().await?;
        ways(&mut conn, &message.target, config.push.as_ref().map(PushConfig::public)).await?
    };
    channels.desk.live.nudge();
    if let Some((url, secret)) = &ways.webhook {
        return Ok(post(&channels.http, url, secret, message, Body::json(message)).await.by(Way::Webhook));
    }
    if let Some(answer) = push::send(channels, message, &ways.browsers).await? {
        return Ok(answer.by(Way::Push));
    }
    if let Some(number) = ways.number.filter(|_| config.sms.is_some()) {
        return Ok(sms::send(channels, message, &number, &push::text(message)).await.by(Way::Sms));
    }
    Ok(Answer::HandedOn("shown on the responder's page".into()).by(Way::Page))
}

impl Answer {
    fn by(self, way: Way) -> Self {
        let by = |said| Said { way: Some(way), ..said };
        match self {
            Self::Taken(said) => Self::Taken(by(said)),
            Self::HandedOn(said) => Self::HandedOn(by(said)),
            Self::NotTaken(said) => Self::NotTaken(by(said)),
            Self::NoWay(said) => Self::NoWay(by(said)),
        }
    }
}
