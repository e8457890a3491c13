//! Text messages, through the provider that is set up (`config::sms`, `docs/channels.md`).

use reqwest::StatusCode;

use super::{Answer, Channels, hear};
use crate::config::Filling;
use crate::store::outbox::{Message, Said, Sms};

/// A contact's.
pub(super) async fn send_letter(channels: &Channels, message: &Message) -> Answer {
    match serde_json::from_value::<Sms>(message.payload.clone()) {
        Ok(Sms { text, .. }) => send(channels, message, &message.target, &text).await,
        Err(cause) => Answer::NoWay(format!("the message cannot be read: {cause}").into()),
    }
}

/// Hands a text message to the provider.
pub(super) async fn send(channels: &Channels, message: &Message, phone: &str, text: &str) -> Answer {
    let Some(sms) = &channels.desk.config.sms else {
        return Answer::NoWay("no provider of text messages is set up".into());
    };
    let filling = Filling { phone, text, id: &message.key.to_string() };
    let heard = match hear(sms.request(&channels.http, filling)).await {
        Ok(heard) => heard,
        Err(why) => return Answer::NotTaken(why.into()),
    };
    let secrets = sms.secrets();
    let said = heard.said(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
    if !heard.status.is_success() {
        return Answer::NotTaken(said);
    }
    if !sms.is_taken(&heard.body) {
        return Answer::NotTaken(Said {
            brief: format!("{}, and not taken", StatusCode::as_str(&heard.status)),
            ..said
        });
    }
    Answer::Taken(Said { far_id: sms.message_id(&heard.body), ..said })
}
