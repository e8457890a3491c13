//! Topics of terminals whose makers chose them: templates like `atom/g616/status/{serial}`, from a settings file.
//!
//! The edge needs no more of a profile than this: below which topics a terminal speaks, and where it listens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Lane;

/// Levels in one template.
const LEVELS_MAX: usize = 32;

/// A topic with places for names: `{serial}`, exactly once, and `{word}`, at most once. What stands around a name
/// within its level belongs to the template; `#` as the last level is anything below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Plain(String),
    Named { before: String, name: Name, after: String },
    Below,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Serial,
    Word,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Which terminal it belongs to could not be told.
    #[error("a topic's template names {{serial}} exactly once")]
    Serial,
    /// Two words for one command.
    #[error("a topic's template names {{word}} at most once")]
    Word,
    /// A brace, a wildcard or a name that means nothing.
    #[error("{level:?} is no level of a template: text, {{serial}} or {{word}} with text around it, or # at the end")]
    Level {
        /// The level.
        level: String,
    },
    /// Too many levels.
    #[error("a topic's template has no more than {LEVELS_MAX} levels")]
    TooLong,
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let count = text.split('/').count();
        if count > LEVELS_MAX {
            return Err(TemplateError::TooLong);
        }
        let levels = text.split('/').enumerate();
        let levels: Vec<Level> =
            levels.map(|(at, level)| read_level(level, at + 1 == count)).collect::<Result<_, _>>()?;
        let named = |wanted| {
            levels.iter().filter(|level| matches!(level, Level::Named { name, .. } if *name == wanted)).count()
        };
        if named(Name::Serial) != 1 {
            return Err(TemplateError::Serial);
        }
        if named(Name::Word) > 1 {
            return Err(TemplateError::Word);
        }
        Ok(Self { text: text.to_owned(), levels })
    }
}

fn read_level(level: &str, is_last: bool) -> Result<Level, TemplateError> {
    let unfit = || TemplateError::Level { level: level.to_owned() };
    if level == "#" && is_last {
        return Ok(Level::Below);
    }
    for (mark, name) in [("{serial}", Name::Serial), ("{word}", Name::Word)] {
        if let Some((before, after)) = level.split_once(mark) {
            let plain = |text: &str| if is_plain(text) { Ok(text.to_owned()) } else { Err(unfit()) };
            return Ok(Level::Named { before: plain(before)?, name, after: plain(after)? });
        }
    }
    if is_plain(level) { Ok(Level::Plain(level.to_owned())) } else { Err(unfit()) }
}

fn is_plain(text: &str) -> bool {
    !text.contains(['{', '}', '+', '#', '\0'])
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        text.parse()
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a topic says, read by a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'t> {
    /// Whose topic it is.
    pub serial: &'t str,
    /// The word in it, where the template has one.
    pub word: Option<&'t str>,
}

impl Template {
    /// Reads a topic.
    pub fn read<'t>(&self, topic: &'t str) -> Option<Said<'t>> {
        let (mut serial, mut word) = (None, None);
        let mut said = topic.split('/');
        for level in &self.levels {
            match (level, said.next()) {
                (Level::Below, _) => return Some(Said { serial: serial?, word }),
                (Level::Plain(plain), Some(said)) if plain == said => {}
                (Level::Named { before, name, after }, Some(said)) => {
                    let inner = said.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                    if inner.is_empty() || !is_plain(inner) {
                        return None;
                    }
                    *match name {
                        Name::Serial => &mut serial,
                        Name::Word => &mut word,
                    } = Some(inner);
                }
                _ => return None,
            }
        }
        if said.next().is_some() { None } else { Some(Said { serial: serial?, word }) }
    }

    /// The topic for a terminal; `None` when a name would not stay within its level.
    pub fn fill(&self, serial: &str, word: &str) -> Option<String> {
        let fits = |name: &str| is_plain(name) && !name.is_empty() && !name.contains('/');
        let levels = self.levels.iter().map(|level| match level {
            Level::Plain(plain) => Some(plain.clone()),
            Level::Named { before, name, after } => {
                let name = if *name == Name::Serial { serial } else { word };
                fits(name).then(|| format!("{before}{name}{after}"))
            }
            Level::Below => Some(String::new()).filter(String::is_empty),
        });
        let levels = levels.collect::<Option<Vec<_>>>()?;
        Some(levels.join("/").trim_end_matches('/').to_owned())
    }

    /// The filter that gives the topics of one terminal, or of all where `serial` is `+`. Where text stands beside a
    /// name in its level, the filter gives more than the template.
    pub fn filter(&self, serial: &str) -> String {
        let levels = self.levels.iter().map(|level| match level {
            Level::Plain(plain) => plain.clone(),
            Level::Named { before, name: Name::Serial, after } if serial != "+" => format!("{before}{serial}{after}"),
            Level::Named { .. } => "+".to_owned(),
            Level::Below => "#".to_owned(),
        });
        levels.collect::<Vec<_>>().join("/")
    }

    /// Whose topics a filter asks for: the name that stands where this template has the serial. It may be of nobody.
    pub fn asked<'f>(&self, filter: &'f str) -> Option<&'f str> {
        self.levels.iter().zip(filter.split('/')).find_map(|(level, asked)| match level {
            Level::Named { before, name: Name::Serial, after } => {
                asked.strip_prefix(before.as_str())?.strip_suffix(after.as_str())
            }
            _ => None,
        })
    }

    /// Whether everything that `filter` gives is the terminal's.
    pub fn covers(&self, serial: &str, filter: &str) -> bool {
        let mut asked = filter.split('/');
        let mut is_named = false;
        for level in &self.levels {
            let Some(asked) = asked.next() else { return false };
            match level {
                Level::Below => return is_named,
                Level::Plain(plain) if plain == asked => {}
                Level::Named { before, name: Name::Serial, after } => {
                    is_named = asked.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()))
                        == Some(serial);
                    if !is_named {
                        return false;
                    }
                }
                // Everything below the terminal's own name is its own, whatever the word.
                Level::Named { name: Name::Word, .. } if is_named && asked == "#" => return true,
                Level::Named { before, name: Name::Word, after } => {
                    let inner = asked.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                    let is_any = asked == "+" && before.is_empty() && after.is_empty();
                    if !is_any && !inner.is_some_and(|inner| !inner.is_empty() && is_plain(inner)) {
                        return false;
                    }
                }
                Level::Plain(_) => return false,
            }
        }
        asked.next().is_none()
    }

    /// Whether some topic belongs to both.
    fn meets(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.levels.iter(), other.levels.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(Level::Below), _) | (_, Some(Level::Below)) => return true,
                (Some(ours), Some(theirs)) if ours.meets(theirs) => {}
                _ => return false,
            }
        }
    }
}

impl Level {
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Plain(plain), Self::Named { before, after, .. })
            | (Self::Named { before, after, .. }, Self::Plain(plain)) => {
                plain.len() > before.len() + after.len()
                    && plain.starts_with(before.as_str())
                    && plain.ends_with(after.as_str())
            }
            // Whether two of them can be one would need a closer look; in doubt they can.
            _ => true,
        }
    }
}

/// The topics of one profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The profile.
    pub name: String,
    /// Where its terminals speak: presses among it, so all of it is alert lane.
    pub up: Vec<Template>,
    /// Where its terminals answer commands.
    #[serde(default)]
    pub answers: Vec<Template>,
    /// Where they listen.
    #[serde(default)]
    pub down: Option<Template>,
}

impl Mapping {
    /// Whose topic it is, and the lane.
    pub fn lane<'t>(&self, topic: &'t str) -> Option<(Said<'t>, Lane)> {
        let read = |templates: &[Template]| templates.iter().find_map(|template| template.read(topic));
        read(&self.up)
            .map(|said| (said, Lane::Alert))
            .or_else(|| read(&self.answers).map(|said| (said, Lane::Telemetry)))
    }

    /// Whether a terminal of this profile may subscribe to `filter`.
    pub fn may_subscribe(&self, serial: &str, filter: &str) -> bool {
        self.down.as_ref().is_some_and(|down| down.covers(serial, filter))
    }

    /// The terminal that listens to what `filter` asks for, by what stands where its serial would.
    pub fn listener<'f>(&self, filter: &'f str) -> Option<&'f str> {
        self.down.as_ref()?.asked(filter)
    }

    /// Whether `filter` asks for what is said to any terminal of this profile, and for nothing else.
    pub fn is_of_all(&self, filter: &str) -> bool {
        self.down.as_ref().is_some_and(|down| down.covers("+", filter))
    }

    /// Where its terminals answer, as far as nobody says anything to them there.
    pub fn answers_apart(&self) -> impl Iterator<Item = &Template> {
        self.answers.iter().filter(|answers| !self.down.as_ref().is_some_and(|down| down.meets(answers)))
    }

    fn speaks(&self) -> impl Iterator<Item = &Template> {
        self.up.iter().chain(&self.answers)
    }
}

/// The topics of all profiles: a topic belongs to one at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mappings(Vec<Mapping>);

/// Why profiles do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// One name twice.
    #[error("two profiles are called {name:?}")]
    Name {
        /// The name.
        name: String,
    },
    /// A topic could be of either.
    #[error("a topic of profile {one:?} could be one of {other:?}: {template}")]
    Topic {
        /// The earlier profile.
        one: String,
        /// The later one.
        other: String,
        /// The later one's template.
        template: String,
    },
    /// The topics of another dialect.
    #[error("profile {name:?} may not use {template}: ydt/ and owntracks/ are other dialects'")]
    Taken {
        /// The profile.
        name: String,
        /// Its template.
        template: String,
    },
}

impl Mappings {
    /// Puts profiles together.
    pub fn new(mappings: Vec<Mapping>) -> Result<Self, Clash> {
        for (at, later) in mappings.iter().enumerate() {
            for template in later.speaks().chain(&later.down) {
                if matches!(template.levels.first(), Some(Level::Plain(first)) if first == "ydt" || first == "owntracks")
                {
                    return Err(Clash::Taken { name: later.name.clone(), template: template.text.clone() });
                }
            }
            for earlier in mappings.get(..at).unwrap_or_default() {
                if earlier.name == later.name {
                    return Err(Clash::Name { name: later.name.clone() });
                }
                let met = later.speaks().find(|template| earlier.speaks().any(|other| other.meets(template)));
                if let Some(template) = met {
                    let (one, other) = (earlier.name.clone(), later.name.clone());
                    return Err(Clash::Topic { one, other, template: template.text.clone() });
                }
            }
        }
        Ok(Self(mappings))
    }

    /// The profile that a topic belongs to, whose it is, and its lane.
    pub fn of<'m, 't>(&'m self, topic: &'t str) -> Option<(&'m Mapping, Said<'t>, Lane)> {
        self.0.iter().find_map(|mapping| mapping.lane(topic).map(|(said, lane)| (mapping, said, lane)))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        text.parse().unwrap()
    }

    fn mapping(name: &str, up: &str) -> Mapping {
        Mapping {
            name: name.to_owned(),
            up: vec![template(up)],
            answers: vec![template(&format!("{name}/cmd/{{serial}}/{{word}}"))],
            down: Some(template(&format!("{name}/cmd/{{serial}}/{{word}}"))),
        }
    }

    #[test]
    fn a_topic_says_whose_it_is_and_a_foreign_one_nothing() {
        let status = template("atom/g616/status/{serial}");
        assert_eq!(status.read("atom/g616/status/8600"), Some(Said { serial: "8600", word: None }));
        for foreign in [
            "atom/g616/status",
            "atom/g616/status/",
            "atom/g616/status/1/2",
            "atom/g617/status/1",
            "atom/g616/status/+",
        ] {
            assert_eq!(status.read(foreign), None, "{foreign}");
        }
        let cmd = template("cmd/{serial}/{word}");
        assert_eq!(cmd.read("cmd/8600/MESSAGE"), Some(Said { serial: "8600", word: Some("MESSAGE") }));
        assert_eq!(template("/dev_{serial}_x/#").read("/dev_7_x/a/b"), Some(Said { serial: "7", word: None }));
        assert_eq!(template("/dev_{serial}_x/#").read("/dev__x/a"), None);
    }

    #[test]
    fn what_is_filled_in_is_read_again_and_stays_in_its_level() {
        let cmd = template("cmd/d-{serial}/{word}");
        assert_eq!(cmd.fill("8600", "PHL").as_deref(), Some("cmd/d-8600/PHL"));
        assert_eq!(cmd.read("cmd/d-8600/PHL"), Some(Said { serial: "8600", word: Some("PHL") }));
        for (serial, word) in [("86/00", "PHL"), ("8600", "#"), ("", "PHL"), ("8600", "a/b")] {
            assert_eq!(cmd.fill(serial, word), None);
        }
        assert_eq!(cmd.filter("8600"), "cmd/d-8600/+");
        assert_eq!(cmd.filter("+"), "cmd/+/+");
    }

    #[test]
    fn texts_that_are_no_templates_are_refused() {
        for (text, error) in [
            ("atom/status", TemplateError::Serial),
            ("{serial}/{serial}", TemplateError::Serial),
            ("{serial}/{word}/{word}", TemplateError::Word),
            ("a/+/{serial}", TemplateError::Level { level: "+".into() }),
            ("#/{serial}", TemplateError::Level { level: "#".into() }),
            ("{imei}/{serial}", TemplateError::Level { level: "{imei}".into() }),
        ] {
            assert_eq!(text.parse::<Template>(), Err(error), "{text}");
        }
        assert_eq!(format!("{{serial}}{}", "/a".repeat(40)).parse::<Template>(), Err(TemplateError::TooLong));
    }

    #[test]
    fn a_terminal_listens_only_to_what_is_its_own() {
        let cmd = template("cmd/{serial}/{word}");
        for own in ["cmd/8600/#", "cmd/8600/+", "cmd/8600/MESSAGE"] {
            assert!(cmd.covers("8600", own), "{own}");
        }
        for foreign in ["#", "cmd/#", "cmd/+/+", "cmd/8601/#", "cmd/8600", "cmd/8600/a/b", "+/8600/#", "cmd/86000/+"] {
            assert!(!cmd.covers("8600", foreign), "{foreign}");
        }
        assert!(template("x/{serial}/#").covers("1", "x/1/a/+") && !template("x/{serial}").covers("1", "x/1/a"));
    }

    #[test]
    fn a_topic_belongs_to_one_profile_or_to_none() {
        let both = Mappings::new(vec![mapping("a", "a/{serial}"), mapping("b", "b/{serial}/up")]).unwrap();
        let (profile, said, lane) = both.of("b/77/up").unwrap();
        assert_eq!((profile.name.as_str(), said.serial, lane), ("b", "77", Lane::Alert));
        assert_eq!(both.of("b/cmd/77/PHL").map(|(_, _, lane)| lane), Some(Lane::Telemetry));
        let one = both.iter().next().unwrap();
        assert!(one.may_subscribe("77", "a/cmd/77/#") && !one.may_subscribe("77", "a/cmd/78/#"));
        assert_eq!((one.listener("a/cmd/77/#"), one.listener("a/cmd")), (Some("77"), None));
        assert!(one.is_of_all("a/cmd/+/#") && !one.is_of_all("a/cmd/77/#") && !one.is_of_all("#"));

        let clash = |mappings| Mappings::new(mappings).unwrap_err();
        assert!(matches!(clash(vec![mapping("a", "a/{serial}"), mapping("a", "b/{serial}")]), Clash::Name { .. }));
        assert!(matches!(clash(vec![mapping("a", "x/{serial}/#"), mapping("b", "x/7/{serial}")]), Clash::Topic { .. }));
        assert!(matches!(clash(vec![mapping("a", "owntracks/{serial}")]), Clash::Taken { .. }));
    }
}
