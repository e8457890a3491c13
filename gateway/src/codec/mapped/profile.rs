//! Profiles as they are loaded: checked once, so that reading a message never finds a mistake in them.

use std::sync::Arc;

use jiff::tz::Offset;
use wire::topics::{Clash, Mapping, Mappings, Template};

use super::around;
use super::settings::{File, Rules};

/// The commands that a profile can write.
const COMMANDS: &[&str] = &[
    "locate",
    "burst",
    "report_every",
    "text",
    "sos_numbers",
    "contacts",
    "find",
    "fall_sensitivity",
    "fence",
    "no_fence",
    "restart",
    "listen_in",
    "raw",
];

/// How the JSON of one kind of terminal is read and written.
#[derive(Debug, Clone)]
pub struct Profile {
    rules: Rules,
    mapping: Mapping,
    offset: Offset,
}

/// Why a settings file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It is no TOML, or says something that no profile has.
    #[error("{0}")]
    Unreadable(String),
    /// One profile contradicts itself.
    #[error("profile {profile:?}, {what}: {why}")]
    Unfit {
        /// Which.
        profile: String,
        /// Which part of it.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// Profiles contradict each other.
    #[error("{0}")]
    Clash(#[from] Clash),
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.rules.name
    }

    /// Whose topic it is, where its terminals speak.
    pub fn heard<'t>(&self, topic: &'t str) -> Option<&'t str> {
        self.mapping.up.iter().find_map(|template| template.read(topic)).map(|said| said.serial)
    }

    /// The word in a topic where its terminals answer.
    pub(super) fn answered<'t>(&self, topic: &'t str) -> Option<&'t str> {
        self.mapping.answers.iter().find_map(|template| template.read(topic)).map(|said| said.word.unwrap_or_default())
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(super) fn down(&self) -> Option<&Template> {
        self.mapping.down.as_ref()
    }

    pub(super) fn utc_offset(&self) -> Offset {
        self.offset
    }

    fn check(rules: Rules) -> Result<Self, ProfileError> {
        let unfit = |what, why: String| ProfileError::Unfit { profile: rules.name.clone(), what, why };
        if rules.name.trim().is_empty() {
            return Err(unfit("name", "it has none".to_owned()));
        }
        if rules.topics.up.is_empty() {
            return Err(unfit("topics", "its terminals have nowhere to speak (up)".to_owned()));
        }
        let offset = match rules.utc_offset.as_deref() {
            None => Offset::UTC,
            Some(text) => {
                utc_offset(text).ok_or_else(|| unfit("utc_offset", format!("{text:?} is not like +08:00")))?
            }
        };
        if let Some(position) = &rules.position
            && position.pair.is_none()
            && (position.lat.is_none() || position.lon.is_none())
        {
            return Err(unfit("position", "it names a pair, or lat and lon".to_owned()));
        }
        for (what, table, names) in [("cells", &rules.cells, around::CELL), ("wifi", &rules.wifi, around::ACCESS_POINT)]
        {
            if let Some(why) = table.as_ref().and_then(|table| table.fault(names)) {
                return Err(unfit(what, why));
            }
        }
        if let Some(why) = rules.alarm.iter().find_map(super::alarm::Rule::fault) {
            return Err(unfit("alarm", why.to_owned()));
        }
        if let Some(unknown) = rules.command.keys().find(|word| !COMMANDS.contains(&word.as_str())) {
            return Err(unfit("command", format!("{unknown:?} is none of {COMMANDS:?}")));
        }
        if !rules.command.is_empty() && rules.topics.down.is_none() {
            return Err(unfit("topics", "it has commands, and nowhere to say them (down)".to_owned()));
        }
        let mapping = rules.topics.mapping(&rules.name);
        Ok(Self { rules, mapping, offset })
    }
}

fn utc_offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let is_offset = (0..=14).contains(&hours) && (0..60).contains(&minutes);
    is_offset.then(|| Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()).flatten()
}

/// All profiles of an installation.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    all: Vec<Arc<Profile>>,
    mappings: Arc<Mappings>,
}

/// The profiles that come with the product.
const SHIPPED: &[&str] = &[include_str!("../../../profiles/g616.toml")];

impl Profiles {
    /// Those that come with the product.
    pub fn shipped() -> Self {
        Self::from_tomls(SHIPPED.iter().copied()).unwrap_or_else(|why| unreachable!("a test reads them: {why}"))
    }

    /// Reads a settings file's text.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        Self::from_tomls([text])
    }

    /// Reads the texts of several settings files as one.
    pub fn from_tomls<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, ProfileError> {
        let mut all = Vec::new();
        for text in texts {
            let file: File = toml::from_str(text).map_err(|error| ProfileError::Unreadable(error.to_string()))?;
            for rules in file.profiles {
                all.push(Arc::new(Profile::check(rules)?));
            }
        }
        let mappings = all.iter().map(|profile| profile.mapping.clone()).collect();
        Ok(Self { all, mappings: Arc::new(Mappings::new(mappings)?) })
    }

    /// The profile of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Profile>> {
        self.all.iter().find(|profile| profile.name() == name)
    }

    /// The profile that reads a topic, and whose it is.
    pub fn of<'t>(&self, topic: &'t str) -> Option<(&Arc<Profile>, &'t str)> {
        let (mapping, said, _) = self.mappings.of(topic)?;
        self.named(&mapping.name).map(|profile| (profile, said.serial))
    }

    /// What the edge needs of them.
    pub fn mappings(&self) -> &Arc<Mappings> {
        &self.mappings
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.all.iter()
    }
}
