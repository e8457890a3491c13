//! Web Push: what is asked of a responder, encrypted for their browser (RFC 8291) and handed to its push service
//! (RFC 8030), signed with our key (RFC 8292).

use futures_util::future::join_all;
use p256::PublicKey;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};
use web_push_native::{Auth, encrypt};

use super::{Answer, Channels, Heard, hear};
use crate::clock;
use crate::config::PushConfig;
use crate::letters;
use crate::store::StoreError;
use crate::store::outbox::{Message, Said};
use crate::store::push::{self, Subscription};

/// Pushes to all of a responder's browsers, and forgets those that have gone. `None` when none is left.
pub(super) async fn send(
    channels: &Channels,
    message: &Message,
    browsers: &[Subscription],
) -> Result<Option<Answer>, StoreError> {
    let Some(config) = &channels.desk.config.push else { return Ok(None) };
    let pushed = join_all(browsers.iter().map(|browser| one(channels, config, message, browser))).await;
    let is_gone = |pushed: &Result<Heard, String>| {
        let status = pushed.as_ref().map(|heard| heard.status);
        matches!(status, Ok(StatusCode::NOT_FOUND | StatusCode::GONE))
    };
    let gone = browsers.iter().zip(&pushed).filter(|(_, pushed)| is_gone(pushed));
    let gone: Vec<String> = gone.map(|(browser, _)| browser.endpoint.clone()).collect();
    if !gone.is_empty() {
        push::forget(&mut *channels.desk.conn().await?, &gone).await?;
    }
    let left: Vec<_> = pushed.iter().filter(|pushed| !is_gone(pushed)).collect();
    if left.is_empty() {
        return Ok(None);
    }
    let is_taken = left.iter().any(|pushed| matches!(pushed, Ok(heard) if heard.status.is_success()));
    let said: Vec<String> = left.iter().map(|pushed| brief(pushed)).collect();
    let said = Said::from(said.join("; "));
    Ok(Some(if is_taken { Answer::Taken(said) } else { Answer::NotTaken(said) }))
}

fn brief(pushed: &Result<Heard, String>) -> String {
    match pushed {
        Ok(heard) => heard.status.to_string(),
        Err(why) => why.clone(),
    }
}

/// Pushes to one browser.
async fn one(
    channels: &Channels,
    config: &PushConfig,
    message: &Message,
    browser: &Subscription,
) -> Result<Heard, String> {
    let now = clock::now();
    let endpoint = Url::parse(&browser.endpoint).map_err(|_| "this is no address".to_owned())?;
    let key = PublicKey::from_sec1_bytes(&browser.p256dh).map_err(|_| "this is no browser's key".to_owned())?;
    let sealed = encrypt(payload(message).to_string().into_bytes(), &key, Auth::from_slice(&browser.auth));
    let sealed = sealed.map_err(|_| "it cannot be encrypted for this browser".to_owned())?;
    let mut signed = HeaderValue::try_from(config.authorization(&endpoint, now)).map_err(|why| why.to_string())?;
    signed.set_sensitive(true);
    let mut request = channels
        .http
        .post(endpoint)
        .header(AUTHORIZATION, signed)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_ENCODING, "aes128gcm")
        .header("ttl", message.not_after.duration_since(now).as_secs().max(0))
        .header("urgency", "high");
    if let Some(about) = message.about {
        // A telephone that was away hears only the last word about an offer.
        request = request.header("topic", about.simple().to_string());
    }
    hear(request.body(sealed)).await
}

/// What a browser is told: enough to show, and nothing of anybody.
pub(super) fn payload(message: &Message) -> Value {
    let text = text(message);
    json!({ "purpose": message.what, "offer": message.about, "text": text, "not_after": message.not_after })
}

/// What is shown to a responder.
pub(super) fn text(message: &Message) -> String {
    let class = message.payload["class"].as_str().unwrap_or_default();
    letters::offer(&message.what, class, message.payload["drill"] == Value::Bool(true))
}
