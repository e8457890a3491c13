//! What OwnTracks encrypts: XSalsa20-Poly1305 (NaCl's secretbox) under a secret that the phone and the server share.
//!
//! The key is the secret's UTF-8 with zeros after it, 32 bytes; `data` is base64 of a nonce of 24 bytes and the box.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{Key, KeyInit as _, Nonce, XSalsa20Poly1305};
use serde_json::{Map, Value, json};

/// Bytes of a key: a longer secret is cut off there, as the application does.
const KEY_BYTES: usize = 32;
/// Bytes before the box.
const NONCE_BYTES: usize = 24;

/// Base64 with or without the signs that fill it up.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Random bytes for one message, never used twice with one key.
pub type NonceBytes = [u8; NONCE_BYTES];

/// Opens the `data` of a message; the error says why nobody can.
pub(super) fn open(fields: &Map<String, Value>, secret: &str) -> Result<Vec<u8>, &'static str> {
    let data = fields.get("data").and_then(Value::as_str).ok_or("encrypted, and without data")?;
    // Some libraries break their base64 into lines.
    let data: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = BASE64.decode(data).map_err(|_| "encrypted, and its data is no base64")?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or("encrypted, and its data is too short")?;
    cipher(secret)
        .decrypt(Nonce::from_slice(nonce), sealed)
        .map_err(|_| "encrypted with another key than this terminal's, or damaged")
}

/// Wraps a message for a phone that shares `secret`.
pub fn seal(payload: &[u8], secret: &str, nonce: &NonceBytes) -> Vec<u8> {
    let nonce = Nonce::from_slice(nonce);
    let sealed = cipher(secret)
        .encrypt(nonce, payload)
        .unwrap_or_else(|_| unreachable!("a message is shorter than the cipher's 256 GiB"));
    let data = BASE64.encode([nonce.as_slice(), &sealed].concat());
    json!({ "_type": "encrypted", "data": data }).to_string().into_bytes()
}

fn cipher(secret: &str) -> XSalsa20Poly1305 {
    let mut key = Key::default();
    for (byte, letter) in key.iter_mut().zip(secret.bytes().take(KEY_BYTES)) {
        *byte = letter;
    }
    XSalsa20Poly1305::new(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(payload: &[u8]) -> Map<String, Value> {
        serde_json::from_slice(payload).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_secret_and_no_other() {
        let sealed = seal(b"{\"_type\":\"lwt\"}", "kaifu-2026", &[7; 24]);
        assert_eq!(open(&fields(&sealed), "kaifu-2026").unwrap(), b"{\"_type\":\"lwt\"}");
        assert!(open(&fields(&sealed), "kaifu-2027").is_err());
        let long = "k".repeat(40);
        assert_eq!(open(&fields(&seal(b"x", &long, &[1; 24])), &long[..32]).unwrap(), b"x", "only 32 bytes count");
    }

    /// The vector of the paper "Cryptography in NaCl", section 10: the first bytes of its box.
    #[test]
    fn the_cipher_is_the_one_of_nacl() {
        let key: Vec<u8> = hex::decode("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389").unwrap();
        let nonce: Vec<u8> = hex::decode("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37").unwrap();
        let message = hex::decode(concat!(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce",
            "314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040",
            "e082f937763848645e0705"
        ))
        .unwrap();
        let sealed =
            XSalsa20Poly1305::new(Key::from_slice(&key)).encrypt(Nonce::from_slice(&nonce), &message[..]).unwrap();
        assert_eq!(hex::encode(&sealed[..16]), "f3ffc7703f9400e52a7dfb4b3d3305d9");
    }

    #[test]
    fn what_is_no_box_says_why() {
        for (data, why) in [("\"!\"", "base64"), ("\"AAAA\"", "short"), ("7", "without data")] {
            let payload = format!("{{\"data\":{data}}}");
            assert!(open(&fields(payload.as_bytes()), "k").unwrap_err().contains(why), "{data}");
        }
    }
}
