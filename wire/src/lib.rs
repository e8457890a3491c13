//! What crosses a process boundary, versioned from the first day.
//!
//! Types here are plain data with serde; they hold no rule. `domain` decides, this crate only
//! carries. The drill flag is in every message that could set people in motion.

pub mod bus;
pub mod cap;
pub mod centre;
pub mod command;
pub mod counters;
pub mod directory;
pub mod door;
pub mod internal;
pub mod notice;
pub mod receipt;
pub mod report;
pub mod signature;
pub mod topics;
pub mod webhook;
pub mod ydt;

/// Serde for a `domain` vocabulary: its one spelling as a string.
pub mod word {
    use domain::word::Word;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the spelling.
    pub fn serialize<T: Word, S: Serializer>(word: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(word.as_str())
    }

    /// Reads the spelling; anything else is an error that names the vocabulary.
    pub fn deserialize<'de, T: Word, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::parse(&text).map_err(D::Error::custom)
    }
}
