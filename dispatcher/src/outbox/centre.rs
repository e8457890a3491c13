//! 120, 119 and 110: one signed POST, in our JSON or in CAP, as the centre is set up (`docs/120.md`). The outbox keeps the
//! JSON; CAP is made of it at the door.

use serde_json::Value;
use wire::cap;

use super::{Answer, Body, Channels, post};
use crate::config::{CentreConfig, CentreFormat};
use crate::store::outbox::Message;

pub(super) async fn send(channels: &Channels, message: &Message) -> Answer {
    let centres = &channels.desk.config.centres;
    let is_drill = message.payload.get("drill") == Some(&Value::Bool(true));
    match centres.iter().find(|centre| centre.centre.to_string() == message.target) {
        Some(centre) if is_drill && !centre.takes_drills => {
            Answer::NoWay(format!("演练: {} takes no exercises (takes_drills)", message.target).into())
        }
        Some(centre) => match body(centre, message) {
            Ok(body) => post(&centre.http, &centre.url, &centre.secret.0, message, body).await,
            Err(cause) => Answer::NoWay(format!("the message cannot be put into CAP: {cause}").into()),
        },
        None => Answer::NoWay(format!("no data link to {} is set up", message.target).into()),
    }
}

fn body(centre: &CentreConfig, message: &Message) -> Result<Body, serde_json::Error> {
    match centre.format {
        CentreFormat::Json => Ok(Body::json(message)),
        CentreFormat::Cap => {
            let message = serde_json::from_value(message.payload.clone())?;
            Ok(Body { content_type: cap::CONTENT_TYPE, text: cap::write(&message, centre.centre) })
        }
    }
}
