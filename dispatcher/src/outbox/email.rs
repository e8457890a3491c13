//! A contact's mailbox, over SMTP.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::response::Response;
use lettre::{Address, AsyncTransport as _};

use super::{Answer, Channels};
use crate::config::{MAIL_TAKEN_WITHIN, MailConfig};
use crate::store::outbox::{Email, Message, Said};

pub(super) async fn send(channels: &Channels, message: &Message) -> Answer {
    let Some(mail) = &channels.desk.config.mail else { return Answer::NoWay("no mail server is set up".into()) };
    let letter = match compose(mail, message) {
        Ok(letter) => letter,
        Err(why) => return Answer::NoWay(why.into()),
    };
    match tokio::time::timeout(MAIL_TAKEN_WITHIN, mail.transport.send(letter)).await {
        Ok(Ok(response)) => Answer::Taken(said(&response)),
        Ok(Err(cause)) if cause.is_permanent() => Answer::NoWay(refused(&cause)),
        Ok(Err(cause)) => Answer::NotTaken(refused(&cause)),
        Err(_) => Answer::NotTaken(format!("no answer within {} s", MAIL_TAKEN_WITHIN.as_secs()).into()),
    }
}

fn compose(mail: &MailConfig, message: &Message) -> Result<lettre::Message, String> {
    let unreadable = |cause: serde_json::Error| format!("the letter cannot be read: {cause}");
    let Email { to, subject, text } = serde_json::from_value(message.payload.clone()).map_err(unreadable)?;
    let address: Address = message.target.parse().map_err(|_| "this is no e-mail address".to_owned())?;
    // The same in every repetition, so that a mailbox that got it twice shows it once.
    let id = format!("<{}@{}>", message.key, mail.from.email.domain());
    MessageBuilder::new()
        .message_id(Some(id))
        .from(mail.from.clone())
        .to(Mailbox::new(Some(to), address))
        .subject(subject)
        // So that nobody's absence notice answers it.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
        .header(ContentType::TEXT_PLAIN)
        .body(text)
        .map_err(|cause| format!("the letter cannot be written: {cause}"))
}

fn said(response: &Response) -> Said {
    let words: Vec<&str> = response.message().collect();
    Said { excerpt: words.join(" "), ..response.code().to_string().into() }
}

/// What a server says when it refuses may hold the address that was written to.
fn refused(cause: &lettre::transport::smtp::Error) -> Said {
    let brief =
        cause.status().map_or_else(|| "the mail server cannot be talked to".to_owned(), |code| code.to_string());
    Said { excerpt: cause.to_string(), ..brief.into() }
}
