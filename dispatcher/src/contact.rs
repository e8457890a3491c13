//! Where a contact is written to, as people give it: e-mail addresses, webhooks and what signs them. The table's checks
//! say the same; here is the sentence. Whether anybody reads there is not known.

use crate::config;

/// Longer addresses are none (RFC 5321).
const EMAIL_MAX: usize = 254;
/// Longer addresses are a mistake.
const WEBHOOK_MAX: usize = 1_000;
/// Shorter keys are guessed, longer ones are something else that was pasted.
const SECRET: std::ops::RangeInclusive<usize> = 16..=200;

/// Why a contact cannot be written to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Not of the form of one.
    #[error("is no e-mail address")]
    NoEmail,
    /// Not an address, or one in the clear.
    #[error("is no address of a webhook: it begins with https:// (http:// to this machine only)")]
    NoWebhook,
    /// Too short, too long, or not plain characters.
    #[error("is no key for a webhook: it takes {} to {} plain characters", SECRET.start(), SECRET.end())]
    NoSecret,
}

/// Reads an e-mail address.
pub fn email(text: &str) -> Result<String, BadAddress> {
    let is_odd = |character: char| character.is_whitespace() || character.is_control() || "<>".contains(character);
    match text.split_once('@') {
        Some((who, host))
            if !who.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && !text.contains(is_odd)
                && text.len() <= EMAIL_MAX =>
        {
            Ok(text.to_owned())
        }
        _ => Err(BadAddress::NoEmail),
    }
}

/// Reads the address of a webhook.
pub fn webhook(text: &str) -> Result<String, BadAddress> {
    let url = reqwest::Url::parse(text).ok().filter(config::is_private_url);
    url.map(String::from).filter(|url| url.len() <= WEBHOOK_MAX).ok_or(BadAddress::NoWebhook)
}

/// Reads what signs a webhook's messages.
pub fn secret(text: &str) -> Result<String, BadAddress> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && SECRET.contains(&text.len())).then(|| text.to_owned()).ok_or(BadAddress::NoSecret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_something_on_both_sides_of_its_sign() {
        assert_eq!(email("chen@mail.example"), Ok("chen@mail.example".to_owned()));
        for text in ["chen", "@mail", "chen@", "a b@c", "a@b@c", "<a@b>", "a\0@b", ""] {
            assert_eq!(email(text), Err(BadAddress::NoEmail), "{text}");
        }
    }

    #[test]
    fn nobody_is_told_in_the_clear_over_a_network() {
        assert_eq!(webhook("https://hook.example/a?b=c"), Ok("https://hook.example/a?b=c".to_owned()));
        assert_eq!(webhook("http://localhost:8080"), Ok("http://localhost:8080/".to_owned()));
        assert_eq!(webhook("HTTP://127.0.0.1/x"), Ok("http://127.0.0.1/x".to_owned()));
        for text in ["http://hook.example/", "hook.example", "ftp://localhost/", "https://", "javascript:x", ""] {
            assert_eq!(webhook(text), Err(BadAddress::NoWebhook), "{text}");
        }
    }

    #[test]
    fn a_key_is_long_and_plain() {
        assert_eq!(secret("0123456789abcdef"), Ok("0123456789abcdef".to_owned()));
        for text in ["0123456789abcde", "0123456789abcde f", "一二三四五六七八九十一二三四五六"] {
            assert_eq!(secret(text), Err(BadAddress::NoSecret), "{text}");
        }
    }
}
