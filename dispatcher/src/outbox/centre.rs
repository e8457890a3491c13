//! 120, 119 and 110: one signed POST (`wire::centre`, `docs/120.md`).

use serde_json::Value;

use super::{Answer, Channels, post};
use crate::store::outbox::Message;

pub(super) async fn send(channels: &Channels, message: &Message) -> Answer {
    let centres = &channels.desk.config.centres;
    let is_drill = message.payload.get("drill") == Some(&Value::Bool(true));
    match centres.iter().find(|centre| centre.centre.to_string() == message.target) {
        Some(centre) if is_drill && !centre.takes_drills => {
            Answer::NoWay(format!("演练: {} takes no exercises (takes_drills)", message.target).into())
        }
        Some(centre) => post(&centre.http, &centre.url, &centre.secret.0, message).await,
        None => Answer::NoWay(format!("no data link to {} is set up", message.target).into()),
    }
}
