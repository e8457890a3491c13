//! The secret that a terminal shares with us to encrypt what it says: kept as it is, because it opens what comes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the cipher takes, in bytes: applications cut the rest off.
const BYTES_MAX: usize = 32;

/// A terminal's secret for its payloads. It does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PayloadKey(Arc<str>);

/// It is no such secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPayloadKey {
    /// There is nothing, or a line break or the like in it.
    #[error("a key has letters, digits and signs, on one line")]
    NotPlain,
    /// The rest would not count.
    #[error("the key has {0} bytes; {BYTES_MAX} are the most, because what follows counts for nothing")]
    Long(usize),
}

impl PayloadKey {
    /// As it is. Never to a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for PayloadKey {
    type Err = NoPayloadKey;

    fn from_str(text: &str) -> Result<Self, NoPayloadKey> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(NoPayloadKey::NotPlain);
        }
        if text.len() > BYTES_MAX {
            return Err(NoPayloadKey::Long(text.len()));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for PayloadKey {
    type Error = NoPayloadKey;

    fn try_from(text: String) -> Result<Self, NoPayloadKey> {
        text.parse()
    }
}

impl From<PayloadKey> for String {
    fn from(key: PayloadKey) -> Self {
        key.0.as_ref().to_owned()
    }
}

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadKey(…)")
    }
}

/// A terminal's key, told apart from the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed {
    /// The terminal.
    pub serial: String,
    /// Its key.
    pub key: PayloadKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print_and_is_as_long_as_the_cipher_takes() {
        let key: PayloadKey = "开福 kaifu-2026".parse().unwrap();
        assert_eq!((key.reveal(), format!("{key:?}").as_str()), ("开福 kaifu-2026", "PayloadKey(…)"));
        assert_eq!("k".repeat(33).parse::<PayloadKey>(), Err(NoPayloadKey::Long(33)));
        for none in ["", "a\nb"] {
            assert_eq!(none.parse::<PayloadKey>(), Err(NoPayloadKey::NotPlain));
        }
    }
}
