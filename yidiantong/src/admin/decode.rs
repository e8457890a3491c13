//! `yidiantong decode`: what a terminal's bytes mean.

use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gateway::codec::inspect::{self, Specimen};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Says what a terminal's bytes mean: one frame in words, or a file of frames as JSON, a line for each.
#[derive(Debug, clap::Args)]
pub struct Decode {
    /// The dialect of the one frame.
    #[arg(long)]
    dialect: Option<String>,
    /// The model's profile, where its dialect has variants; for mapped terminals the settings file (.toml) that has it.
    #[arg(long)]
    profile: Option<String>,
    /// The topic that it was published to.
    #[arg(long)]
    topic: Option<String>,
    /// The secret that it is encrypted with.
    #[arg(long)]
    key: Option<String>,
    /// With a dialect: the frame, as text or in hexadecimal digits. Without: a file of frames, a JSON object a line with
    /// id, protocol, frame, encoding, and topic and key where there are some. `-` reads from standard input.
    #[arg(default_value = "-")]
    what: PathBuf,
}

/// One line of a file of frames.
#[derive(Debug, Deserialize)]
struct Line {
    id: Value,
    protocol: String,
    frame: Value,
    encoding: Option<String>,
    topic: Option<String>,
    key: Option<String>,
}

impl Decode {
    /// Says it.
    pub fn run(mut self) -> anyhow::Result<()> {
        let is_file = |profile: &&str| Path::new(profile).extension().is_some_and(|ending| ending == "toml");
        if let Some(path) = self.profile.as_deref().filter(is_file) {
            self.profile = Some(std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?);
        }
        match &self.dialect {
            Some(dialect) => self.explain(dialect),
            None => self.decode_file(),
        }
    }

    fn explain(&self, dialect: &str) -> anyhow::Result<()> {
        let text = if self.what.as_os_str() == "-" {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text)?;
            String::from_utf8_lossy(&text).into_owned()
        } else {
            self.what.to_string_lossy().into_owned()
        };
        let bytes = from_hex(text.trim()).unwrap_or_else(|| text.trim_end_matches(['\r', '\n']).as_bytes().to_vec());
        let specimen = self.specimen(&bytes, self.topic.as_deref(), self.key.as_deref());
        super::say(findings(dialect, &specimen)?.to_string().trim_end());
        Ok(())
    }

    fn decode_file(&self) -> anyhow::Result<()> {
        let from: Box<dyn BufRead> = if self.what.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            let file =
                std::fs::File::open(&self.what).with_context(|| format!("cannot read {}", self.what.display()))?;
            Box::new(BufReader::new(file))
        };
        for (number, line) in from.lines().enumerate() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&line).with_context(|| format!("line {} is no frame", number + 1))?;
            let said = self.say_of(&line).with_context(|| format!("line {}", number + 1))?;
            super::say(Value::Object(said));
        }
        Ok(())
    }

    fn say_of(&self, line: &Line) -> anyhow::Result<Map<String, Value>> {
        let bytes = match (&line.frame, line.encoding.as_deref()) {
            (Value::String(text), Some("hex")) => from_hex(text).context("these are no hexadecimal digits")?,
            (Value::String(text), _) => text.clone().into_bytes(),
            (json, _) => json.to_string().into_bytes(),
        };
        let specimen = self.specimen(&bytes, line.topic.as_deref(), line.key.as_deref());
        let mut said = Map::from_iter([("id".to_owned(), line.id.clone())]);
        said.extend(findings(&line.protocol, &specimen)?.summary());
        Ok(said)
    }

    fn specimen<'s>(&'s self, bytes: &'s [u8], topic: Option<&'s str>, key: Option<&'s str>) -> Specimen<'s> {
        Specimen { bytes, topic, key, profile: self.profile.as_deref(), received_at: Timestamp::UNIX_EPOCH }
    }
}

fn findings(dialect: &str, specimen: &Specimen<'_>) -> anyhow::Result<inspect::Findings> {
    inspect::inspect(dialect, specimen).with_context(|| {
        let known = inspect::names().collect::<Vec<_>>().join(", ");
        format!("there is no dialect {dialect:?}: one of {known}")
    })
}

/// The bytes of a text that holds nothing but hexadecimal digits, in pairs, and blanks between them.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.split_ascii_whitespace().collect::<String>();
    if digits.is_empty() { None } else { hex::decode(digits).ok() }
}
