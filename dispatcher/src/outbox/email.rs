//! A contact's mailbox, over SMTP.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{Answer, Channels};
use crate::config::MailConfig;
use crate::store::outbox::{Email, Message};

/// A server that takes longer is tried again; less than what a message is leased for.
const TAKEN_WITHIN: Duration = Duration::from_secs(8);

/// Why e-mail cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender is no mailbox.
    #[error("mail.from is no e-mail address")]
    From(#[from] lettre::address::AddressError),
    /// The server's address is none. The cause may hold a password and is not told.
    #[error("mail.smtp_url is no address such as smtps://user:password@mail.example.org")]
    Url,
    /// The server is reached in the clear over a network.
    #[error("mail.smtp_url is to be smtps, or smtp with ?tls=required, or a server on this machine")]
    InTheClear,
}

/// The server that takes our mail.
#[derive(Clone)]
pub(super) struct Mail {
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Mail {
    pub(super) fn new(config: &MailConfig) -> Result<Self, MailError> {
        let url = &config.smtp_url.0;
        if !is_private(url).ok_or(MailError::Url)? {
            return Err(MailError::InTheClear);
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| MailError::Url)?;
        Ok(Self { from: config.from.parse()?, transport: transport.timeout(Some(TAKEN_WITHIN)).build() })
    }

    fn compose(&self, message: &Message) -> Result<lettre::Message, String> {
        let Email { to, subject, text } =
            serde_json::from_value(message.payload.clone()).map_err(|it| it.to_string())?;
        let address: Address = message.target.parse().map_err(|_| "this is no e-mail address".to_owned())?;
        let host = self.from.email.domain();
        // The same in every repetition, so that a mailbox that got it twice shows it once.
        let id = format!("<{}@{host}>", message.key);
        MessageBuilder::new()
            .message_id(Some(id))
            .from(self.from.clone())
            .to(Mailbox::new(Some(to), address))
            .subject(subject)
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|cause| format!("the letter cannot be written: {cause}"))
    }
}

/// Whether nobody on the way can read along; `None` when it is no address.
fn is_private(url: &str) -> Option<bool> {
    let url = reqwest::Url::parse(url).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let is_encrypted = url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
    match url.scheme() {
        "smtps" => Some(true),
        "smtp" => Some(is_encrypted || is_loopback),
        _ => None,
    }
}

pub(super) async fn send(channels: &Channels, message: &Message) -> Answer {
    let Some(mail) = &channels.mail else { return Answer::NoWay("no mail server is set up".into()) };
    let letter = match mail.compose(message) {
        Ok(letter) => letter,
        Err(why) => return Answer::NoWay(why),
    };
    match tokio::time::timeout(TAKEN_WITHIN, mail.transport.send(letter)).await {
        Ok(Ok(response)) => Answer::Taken(said(&response)),
        Ok(Err(cause)) if cause.is_permanent() => Answer::NoWay(cause.to_string()),
        Ok(Err(cause)) => Answer::NotTaken(cause.to_string()),
        Err(_) => Answer::NotTaken(format!("no answer within {} s", TAKEN_WITHIN.as_secs())),
    }
}

fn said(response: &smtp::response::Response) -> String {
    let words: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_to_no_server_in_the_clear() {
        for (url, expected) in [
            ("smtps://u:p@mail.example.org", Some(true)),
            ("smtp://u:p@mail.example.org:587?tls=required", Some(true)),
            ("smtp://u:p@mail.example.org:587?tls=opportunistic", Some(false)),
            ("smtp://mail.example.org", Some(false)),
            ("smtp://127.0.0.1:2525", Some(true)),
            ("smtp://[::1]:2525", Some(true)),
            ("smtp://127.0.0.1.example.org", Some(false)),
            ("http://127.0.0.1", None),
            ("mail.example.org", None),
        ] {
            assert_eq!(is_private(url), expected, "{url}");
        }
    }
}
