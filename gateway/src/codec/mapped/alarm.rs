//! What an alarm looks like: a flag, a bit, a limit, or a table of codes.

use std::collections::BTreeMap;

use domain::press::AlertKind;
use domain::word::Word as _;
use serde::Deserialize;
use serde_json::Value;
use wire::report::Event;

use super::super::reading;
use super::rule::{Page, Pointer, is_among, word, yes};

/// One place in the JSON that can raise something.
///
/// With `kinds` the value is a code (or a list of codes) in a table. With `bit`, `above` or `below` it is a number, and
/// `kind` is what it raises. Otherwise it is a flag that raises `kind`. A value that is none of what the rule knows
/// raises a general alarm, for an operator to look at, unless it is among `calm`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    from: Pointer,
    kind: Option<Wanted>,
    #[serde(default)]
    kinds: BTreeMap<String, Wanted>,
    #[serde(default)]
    separator: Option<String>,
    #[serde(default = "yes")]
    when: Vec<Value>,
    #[serde(default = "calm")]
    calm: Vec<Value>,
    bit: Option<u8>,
    above: Option<f64>,
    below: Option<f64>,
}

fn calm() -> Vec<Value> {
    ["false", "0", "no", "off", "n", "none", "normal", "null", ""].map(Value::from).to_vec()
}

/// What is raised.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Wanted(Option<Event>);

impl Wanted {
    /// In the words of the settings file.
    fn word(&self) -> String {
        match &self.0 {
            None => "nothing".to_owned(),
            Some(Event::Alert { kind }) => kind.as_str().to_owned(),
            Some(Event::Cancel) => "cancel".to_owned(),
            Some(Event::CheckIn) => "check_in".to_owned(),
            Some(Event::Request { category }) => format!("request:{category}"),
            Some(_) => "fence_enter".to_owned(),
        }
    }
}

impl TryFrom<String> for Wanted {
    type Error = String;

    fn try_from(said: String) -> Result<Self, String> {
        if let Some(category) = said.strip_prefix("request:") {
            return Ok(Self(Some(Event::Request { category: reading::printable(category, 64) })));
        }
        Ok(Self(match said.as_str() {
            "nothing" => None,
            "cancel" => Some(Event::Cancel),
            "check_in" => Some(Event::CheckIn),
            "fence_enter" => Some(Event::Transition { entered: true, region: String::new() }),
            kind => match AlertKind::parse(kind) {
                Ok(kind) if !kind.is_ours() => Some(Event::Alert { kind }),
                _ => {
                    return Err(format!(
                        "{kind:?} is nothing that can be raised: a kind of alert (sos, fall, smoke, gas, heart_rate, removed, \
                         low_battery, fence_exit, general), fence_enter, cancel, check_in, request:category, or nothing"
                    ));
                }
            },
        }))
    }
}

impl Rule {
    /// What is wrong with the rule itself.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let numbers = [self.bit.is_some(), self.above.is_some(), self.below.is_some()];
        let is_number = numbers.iter().any(|told| *told);
        match (self.kinds.is_empty(), &self.kind) {
            (true, None) => Some("an alarm names a kind, or kinds"),
            (false, Some(_)) => Some("an alarm names a kind or kinds, not both"),
            (false, None) if is_number => Some("an alarm with a bit or a limit has one kind"),
            _ if self.bit.is_some_and(|bit| bit > 63) => Some("bits count from 0 to 63"),
            _ => None,
        }
    }

    /// Where it looks, for what, and what that raises; a line for each code of a table.
    pub(super) fn outline(&self) -> Vec<[String; 3]> {
        let from = || self.from.as_str().to_owned();
        let Some(kind) = &self.kind else {
            return self.kinds.iter().map(|(code, kind)| [from(), code.clone(), kind.word()]).collect();
        };
        let limits = [
            self.bit.map(|bit| format!("bit {bit}")),
            self.above.map(|limit| format!("> {limit}")),
            self.below.map(|limit| format!("< {limit}")),
        ];
        let mut when: Vec<String> = limits.into_iter().flatten().collect();
        if when.is_empty() {
            when = self.when.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
        }
        vec![[from(), when.join(", "), kind.word()]]
    }

    fn raise(&self, value: &Value, raised: &mut Vec<Event>) -> Result<(), ()> {
        if let Value::Array(list) = value {
            return list.iter().take(64).map(|value| self.raise(value, raised)).fold(Ok(()), Result::and);
        }
        if let Some(wanted) =
            self.kind.as_ref().filter(|_| self.bit.is_some() || self.above.is_some() || self.below.is_some())
        {
            let said = word(value).ok_or(())?;
            if is_among(&said, &self.calm) {
                return Ok(());
            }
            let number = reading::number(value).ok_or(())?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bits of a whole number")]
            let bit = self.bit.is_some_and(|bit| number >= 0.0 && (number as u64) >> bit & 1 == 1);
            if bit || self.above.is_some_and(|limit| number > limit) || self.below.is_some_and(|limit| number < limit) {
                raised.extend(wanted.0.clone());
            }
            return Ok(());
        }
        let Some(said) = word(value) else {
            raised.push(Event::Alert { kind: AlertKind::General });
            return Err(());
        };
        let codes: Vec<&str> = match self.separator.as_deref().filter(|separator| !separator.is_empty()) {
            Some(separator) => said.split(separator).map(str::trim).take(64).collect(),
            None => vec![&said],
        };
        let mut all_known = Ok(());
        for code in codes {
            let named =
                self.kinds.iter().find(|(name, _)| name.trim().to_lowercase() == code).map(|(_, wanted)| wanted);
            let flagged = self.kind.as_ref().filter(|_| is_among(code, &self.when));
            if let Some(wanted) = named.or(flagged) {
                raised.extend(wanted.0.clone());
            } else if !is_among(code, &self.calm) {
                raised.push(Event::Alert { kind: AlertKind::General });
                all_known = Err(());
            }
        }
        all_known
    }
}

/// Everything that is raised, the gravest first.
pub(super) fn events(rules: &[Rule], page: &mut Page<'_>) -> Vec<Event> {
    let mut raised = Vec::new();
    for rule in rules {
        let Some(value) = page.value(&rule.from) else { continue };
        if rule.raise(value, &mut raised).is_err() {
            page.doubt(&rule.from);
        }
    }
    raised.sort_by_key(gravity);
    raised.dedup();
    raised
}

/// Smaller is graver.
fn gravity(event: &Event) -> u8 {
    match event {
        Event::Alert { kind } => match kind {
            AlertKind::Sos => 0,
            AlertKind::Fall => 1,
            AlertKind::Smoke => 2,
            AlertKind::Gas => 3,
            AlertKind::HeartRate => 4,
            AlertKind::General | AlertKind::Telephone | AlertKind::Unreadable => 5,
            AlertKind::Removed => 6,
            AlertKind::FenceExit => 7,
            AlertKind::LowBattery | AlertKind::Silent | AlertKind::MissedCheckIn => 8,
        },
        Event::Request { .. } => 9,
        Event::Cancel => 10,
        Event::CheckIn => 11,
        _ => 12,
    }
}
