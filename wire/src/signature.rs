//! Signatures on what passes between us and far ends over HTTP (120 centres, webhooks, call-backs).
//!
//! The header `X-Ydt-Signature: t=<unix seconds>,v1=<hex>` carries HMAC-SHA-256, keyed with the
//! shared secret, over `<t>.<body>`. A signature is good for five minutes either way.

use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

/// The header that carries a signature.
pub const HEADER: &str = "x-ydt-signature";
/// How far the signer's clock may be from ours.
pub const VALID_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// Why a signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The header is not of the form above.
    #[error("the signature header is missing or malformed")]
    Malformed,
    /// Signed too long ago, or in the future.
    #[error("the signature's time is more than five minutes from ours")]
    Stale,
    /// Another secret or another body.
    #[error("the signature does not match")]
    Mismatch,
}

fn mac(secret: &[u8], t: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(t.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

/// The header's value for `body`.
pub fn sign(secret: &[u8], now: Timestamp, body: &[u8]) -> String {
    let t = now.as_second();
    format!("t={t},v1={}", hex::encode(mac(secret, t, body).finalize().into_bytes()))
}

/// Checks a header's value against `body`.
pub fn verify(secret: &[u8], now: Timestamp, body: &[u8], header: &str) -> Result<(), BadSignature> {
    let (t, v1) = header
        .split_once(',')
        .and_then(|(t, v1)| Some((t.trim().strip_prefix("t=")?, v1.trim().strip_prefix("v1=")?)))
        .ok_or(BadSignature::Malformed)?;
    let t: i64 = t.parse().map_err(|_| BadSignature::Malformed)?;
    let v1 = hex::decode(v1).map_err(|_| BadSignature::Malformed)?;
    let signed_at = Timestamp::from_second(t).map_err(|_| BadSignature::Malformed)?;
    mac(secret, t, body).verify_slice(&v1).map_err(|_| BadSignature::Mismatch)?;
    if signed_at.duration_since(now).abs() > VALID_WITHIN {
        return Err(BadSignature::Stale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_and_body_in_time_verify() {
        let now = Timestamp::UNIX_EPOCH;
        let header = sign(b"secret", now, b"body");
        assert_eq!(verify(b"secret", now, b"body", &header), Ok(()));
        assert_eq!(verify(b"other", now, b"body", &header), Err(BadSignature::Mismatch));
        assert_eq!(verify(b"secret", now, b"bodY", &header), Err(BadSignature::Mismatch));
        assert_eq!(verify(b"secret", now + SignedDuration::from_mins(6), b"body", &header), Err(BadSignature::Stale));
        assert_eq!(verify(b"secret", now, b"body", "v1=00"), Err(BadSignature::Malformed));
    }
}
