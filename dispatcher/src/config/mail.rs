//! The server that takes our e-mail, and whom it is from. Checked here, once, when the dispatcher is told.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, Tokio1Executor};

/// A server that takes longer is tried again; less than what a message is leased for.
pub(crate) const TAKEN_WITHIN: Duration = Duration::from_secs(8);

/// How e-mail leaves.
#[derive(Clone)]
pub struct MailConfig {
    pub(crate) from: Mailbox,
    pub(crate) transport: AsyncSmtpTransport<Tokio1Executor>,
}

/// Why e-mail cannot be sent as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender is no mailbox.
    #[error("mail.from is no e-mail address such as 一点通 <alerts@example.org>")]
    From(#[source] lettre::address::AddressError),
    /// The server's address is none. The cause may hold a password and is not told.
    #[error("mail.smtp_url is no address such as smtps://user:password@mail.example.org")]
    Url,
    /// The server is reached in the clear over a network.
    #[error("mail.smtp_url is to be smtps, or smtp with ?tls=required, or smtp on this machine only")]
    InTheClear,
}

impl MailConfig {
    /// A server by its address (`smtps://user:password@host`, `smtp://…?tls=required`, or plain `smtp` on the
    /// loopback) and whom our letters are from (`一点通 <alerts@example.org>`).
    pub fn new(smtp_url: &str, from: &str) -> Result<Self, MailError> {
        if !is_private(smtp_url).ok_or(MailError::Url)? {
            return Err(MailError::InTheClear);
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp_url).map_err(|_| MailError::Url)?;
        let from = from.parse().map_err(MailError::From)?;
        Ok(Self { from, transport: transport.timeout(Some(TAKEN_WITHIN)).build() })
    }
}

impl std::fmt::Debug for MailConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The transport knows the password.
        f.debug_struct("MailConfig").field("from", &self.from).finish_non_exhaustive()
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

    #[test]
    fn a_setting_that_is_wrong_is_named_and_the_password_is_not() {
        let said = |smtp_url, from| MailConfig::new(smtp_url, from).unwrap_err().to_string();
        assert!(said("smtps://u:hunter2@mail.example.org", "nobody").contains("mail.from"));
        assert!(said("smtp://u:hunter2@mail.example.org", "a@example.org").contains("mail.smtp_url"));
        assert!(!said("smtp://u:hunter2@mail.example.org", "a@example.org").contains("hunter2"));
        let mail = MailConfig::new("smtps://u:hunter2@mail.example.org", "a@example.org").unwrap();
        assert!(!format!("{mail:?}").contains("hunter2"));
    }
}
