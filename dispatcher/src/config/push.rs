//! Who we are to push services (RFC 8292, "VAPID"): the key that our pushes are signed with. Browsers subscribe for its
//! public half, so that it outlives the process.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use reqwest::Url;
use serde_json::json;

use super::Secret;
use crate::clock;

/// A signature is good for so long; a day is the most that push services take.
const SIGNATURE_GOOD_FOR: SignedDuration = SignedDuration::from_hours(12);

/// Who we are to push services.
#[derive(Clone)]
pub struct PushConfig {
    key: SigningKey,
    public: String,
    contact: String,
}

/// Why nothing can be pushed as it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The key is none.
    #[error("the key for pushes is none: 32 bytes in base64url, as `openssl rand` or a first start makes it")]
    Key,
    /// Push services could not reach anybody.
    #[error("push.contact is to begin with mailto: or https://")]
    Contact,
}

impl PushConfig {
    /// Who we are, by the private key (32 bytes, base64url) and where a push service reaches a person: `mailto:` or
    /// `https:`.
    pub fn new(key: &Secret, contact: &str) -> Result<Self, PushError> {
        if !(contact.starts_with("mailto:") || contact.starts_with("https://")) {
            return Err(PushError::Contact);
        }
        let bytes = URL_SAFE_NO_PAD.decode(key.0.trim()).map_err(|_| PushError::Key)?;
        let secret = SecretKey::from_slice(&bytes).map_err(|_| PushError::Key)?;
        let public = URL_SAFE_NO_PAD.encode(secret.public_key().to_encoded_point(false));
        Ok(Self { key: secret.into(), public, contact: contact.to_owned() })
    }

    /// A key that nobody has.
    pub fn fresh_key() -> Secret {
        loop {
            let bytes = clock::random_bytes::<32>();
            // Of 2³² at most one is no number of the curve.
            if SecretKey::from_slice(&bytes).is_ok() {
                return Secret(URL_SAFE_NO_PAD.encode(bytes));
            }
        }
    }

    /// What browsers subscribe for (`applicationServerKey`).
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The header `Authorization` of a push.
    pub(crate) fn authorization(&self, endpoint: &Url, now: Timestamp) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": (now + SIGNATURE_GOOD_FOR).as_second(),
            "sub": self.contact,
        });
        let said = format!("{}.{}", part(json!({ "typ": "JWT", "alg": "ES256" })), part(claims));
        let signature: Signature = self.key.sign(said.as_bytes());
        format!("vapid t={said}.{}, k={}", URL_SAFE_NO_PAD.encode(signature.to_bytes()), self.public)
    }
}

impl std::fmt::Debug for PushConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushConfig").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::signature::Verifier as _;

    #[test]
    fn a_push_is_signed_for_its_push_service_and_for_no_other() {
        let push = PushConfig::new(&PushConfig::fresh_key(), "mailto:a@example.org").unwrap();
        let endpoint = Url::parse("https://push.example:8443/x?y=z").unwrap();
        let header = push.authorization(&endpoint, Timestamp::UNIX_EPOCH);
        let (token, public) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(public, push.public());
        let (said, signature) = token.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        push.key.verifying_key().verify(said.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(said.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let expected = json!({ "aud": "https://push.example:8443", "exp": 12 * 3600, "sub": "mailto:a@example.org" });
        assert_eq!(claims, expected);
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_none_is_printed() {
        for text in ["", "short", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(PushConfig::new(&Secret(text.into()), "mailto:a").unwrap_err(), PushError::Key, "{text}");
        }
        let key = PushConfig::fresh_key();
        assert_eq!(PushConfig::new(&key, "http://a").unwrap_err(), PushError::Contact);
        assert!(!format!("{:?}{key:?}", PushConfig::new(&key, "mailto:a")).contains(&key.0));
    }
}
