//! 120, 119 and 110: one signed POST (`wire::centre`, `docs/120.md`).

use super::{Answer, Channels, post};
use crate::store::outbox::Message;

pub(super) async fn send(channels: &Channels, message: &Message) -> Answer {
    let centres = &channels.desk.config.centres;
    match centres.iter().find(|centre| centre.centre.to_string() == message.target) {
        Some(centre) => post(&centre.http, &centre.url, &centre.secret.0, message).await,
        None => Answer::NoWay(format!("no data link to {} is set up", message.target).into()),
    }
}
