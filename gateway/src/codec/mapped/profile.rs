//! Profiles as they are loaded: checked once, so that reading a message never finds a mistake in them.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use jiff::tz::Offset;
use wire::directory::Terminal;
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
    is_shipped: bool,
}

/// Why a settings file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It is no TOML, or says something that no profile has.
    #[error("{}{why}", line_of(*.line))]
    Unreadable {
        /// Where, from 1.
        line: Option<usize>,
        /// Why.
        why: String,
    },
    /// One profile contradicts itself.
    #[error("line {line}: profile {profile:?}, {what}: {why}")]
    Unfit {
        /// Where, from 1: the line of that part, else the first of the profile.
        line: usize,
        /// Which.
        profile: String,
        /// Which part of it.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// Profiles contradict each other.
    #[error("{}{clash}", line_of(*.line))]
    Clash {
        /// Where the later of them says it, from 1.
        line: Option<usize>,
        /// How.
        clash: Clash,
    },
}

fn line_of(line: Option<usize>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.rules.name
    }

    /// Whether it comes with the product.
    pub(super) fn is_shipped(&self) -> bool {
        self.is_shipped
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

    /// Our own word for the command that a terminal of this profile answers with `word`; `None` when it may be several.
    pub fn answered_command(&self, word: &str) -> Option<&str> {
        let mut answered = self.rules.command.iter().filter(|(_, rules)| rules.is_answered && rules.word == word);
        answered.next().map(|(name, _)| name.as_str()).filter(|_| answered.next().is_none())
    }

    /// `text` is the file, and `span` where the profile stands in it.
    fn check(rules: Rules, text: &str, span: &Range<usize>) -> Result<Self, ProfileError> {
        let unfit = |what, why: String| {
            let (line, profile) = (line_within(text, span, what), rules.name.clone());
            ProfileError::Unfit { line, profile, what, why }
        };
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
        Ok(Self { rules, mapping, offset, is_shipped: false })
    }
}

/// The line, from 1, at which a profile says `what`; where it does not say it, the line at which it begins.
fn line_within(text: &str, span: &Range<usize>, what: &str) -> usize {
    let first = text.get(..span.start).unwrap_or_default().matches('\n').count();
    // A table's span may end with its own keys, before the tables in it.
    let lines = text.lines().enumerate().skip(first).map(|(at, line)| (at, line.trim_start()));
    let mut own = lines.enumerate().take_while(|(nth, (_, line))| *nth == 0 || !line.starts_with("[[profile]]"));
    let says = |line: &str| {
        let key = line.trim_start_matches('[').trim_start_matches("profile.");
        key.strip_prefix(what).is_some_and(|rest| rest.starts_with([' ', '=', ']', '.']))
    };
    own.find(|(_, (_, line))| says(line)).map_or(first, |(_, (at, _))| at) + 1
}

/// The line, from 1, of the later of two that clash.
fn line_of_clash(text: &str, clash: &Clash) -> Option<usize> {
    let said = match clash {
        Clash::Name { name } => name,
        Clash::Topic { template, .. } | Clash::Taken { template, .. } => template,
    };
    let said = format!("\"{said}\"");
    // The later of two stands below.
    text.lines().collect::<Vec<_>>().iter().rposition(|line| line.contains(&said)).map(|at| at + 1)
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
        static READ: LazyLock<Profiles> = LazyLock::new(|| {
            let read = Profiles::from_tomls(SHIPPED.iter().copied());
            let mut shipped = read.unwrap_or_else(|why| unreachable!("a test reads them: {why}"));
            shipped.all.iter_mut().for_each(|profile| Arc::make_mut(profile).is_shipped = true);
            shipped
        });
        READ.clone()
    }

    /// Reads a settings file's text.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        Self::from_tomls([text])
    }

    /// Reads the texts of several settings files as one.
    pub fn from_tomls<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, ProfileError> {
        texts.into_iter().try_fold(Self::default(), Self::and)
    }

    /// These and those of a settings file's text. One that is called as one that is shipped takes its place.
    pub fn and(mut self, text: &str) -> Result<Self, ProfileError> {
        let unreadable = |error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() + 1);
            ProfileError::Unreadable { line, why: error.message().to_owned() }
        };
        let file: File = toml::from_str(text).map_err(unreadable)?;
        for rules in file.profiles {
            let span = rules.span();
            let profile = Profile::check(rules.into_inner(), text, &span)?;
            self.all.retain(|held| !held.is_shipped || held.name() != profile.name());
            self.all.push(Arc::new(profile));
        }
        let mappings = Mappings::new(self.all.iter().map(|profile| profile.mapping.clone()).collect());
        self.mappings =
            Arc::new(mappings.map_err(|clash| ProfileError::Clash { line: line_of_clash(text, &clash), clash })?);
        Ok(self)
    }

    /// The profile of a mapped terminal, to tell it something: the one that it is listed with, else the only one that
    /// there is.
    pub fn of_terminal(&self, terminal: &Terminal) -> Option<&Arc<Profile>> {
        match (terminal.profile.as_deref(), &self.all[..]) {
            (Some(name), _) => self.named(name),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
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
