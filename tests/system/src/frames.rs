//! Captured messages of real terminals, kept beside the checkout.

use serde::Deserialize;
use serde_json::Value;

use crate::places;

/// One captured message.
#[derive(Debug, Clone, Deserialize)]
pub struct Frame {
    /// Its name in the collection.
    pub id: String,
    /// Where it was published; `None` when it came over HTTP.
    pub topic: Option<String>,
    /// Its bytes, which are text.
    pub frame: String,
    /// The secret that it is encrypted under.
    pub key: Option<String>,
    /// What it means.
    pub expect: Value,
}

/// The messages of the OwnTracks application.
pub fn owntracks() -> Vec<Frame> {
    let path = places::root().join("../shared/frames/owntracks.public.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}
