//! Commands and news in a maker's own JSON: the profile's template with values in it.

use domain::place::Position;
use serde_json::{Map, Value, json};
use wire::command::Command;
use wire::notice::Notice;

use super::super::conversation::CannotSay;
use super::super::{Ordered, Outgoing, news};
use super::profile::Profile;

/// Writes a command; `number` is the order's.
pub fn encode_command(profile: &Profile, serial: &str, number: u16, command: &Command) -> Result<Ordered, CannotSay> {
    let rules = profile.rules().command.get(command.word()).ok_or(CannotSay::NoWord)?;
    let topic = profile.down().and_then(|down| down.fill(serial, &rules.word)).ok_or(CannotSay::NoWord)?;
    let mut values = values(profile, command, rules.contact.as_ref())?;
    if rules.plain_punctuation {
        values.values_mut().for_each(plain_punctuation);
    }
    values.insert("serial".to_owned(), serial.into());
    values.insert("number".to_owned(), number.into());
    for (name, [least, most]) in &rules.limits {
        if let Some(value) = values.get(name).and_then(size)
            && !(*least..=*most).contains(&value)
        {
            return Err(CannotSay::Unfit(format!(
                "{name} has to be between {least} and {most} for {}",
                profile.name()
            )));
        }
    }
    let payload = match &rules.payload {
        Value::String(text) => spell(text, &values),
        json => fill(json, &values).to_string(),
    };
    let payload = payload.into_bytes();
    let answered_as = rules.is_answered.then(|| rules.word.clone());
    Ok(Ordered { outgoing: Outgoing { topic, payload }, answered_as })
}

/// News, as a text; `None` where the profile has no command for texts.
pub fn encode_notice(profile: &Profile, notice: &Notice) -> Option<Outgoing> {
    let sentence = news::sentence(notice);
    // Half a sentence is better than none.
    let limit = profile.rules().command.get("text").and_then(|rules| rules.limits.get("text"));
    let text = match limit {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of letters")]
        Some([_, most]) => sentence.chars().take(most.max(0.0) as usize).collect(),
        None => sentence,
    };
    let text = Command::Text { text };
    encode_command(profile, &notice.serial, 0, &text).ok().map(|ordered| ordered.outgoing)
}

/// What a command has to say, by name.
fn values(profile: &Profile, command: &Command, contact: Option<&Value>) -> Result<Map<String, Value>, CannotSay> {
    let said = match command {
        Command::Locate | Command::Find | Command::Restart => json!({}),
        Command::Burst { every_s, for_s } => json!({ "every_s": every_s, "for_s": for_s }),
        Command::ReportEvery { every_s } => json!({ "every_s": every_s }),
        Command::Text { text } => json!({ "text": text }),
        Command::SosNumbers { numbers } => {
            let mut values = json!({ "numbers": numbers });
            for at in 0..8 {
                values[format!("number_{}", at + 1)] = numbers.get(at).cloned().unwrap_or_default().into();
            }
            values
        }
        Command::Contacts { contacts } => {
            let plain = json!({ "name": "{name}", "number": "{number}" });
            let written = contacts.iter().map(|entry| {
                let values = [("name", &entry.name), ("number", &entry.number)];
                let values =
                    values.map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))).into_iter().collect();
                fill(contact.unwrap_or(&plain), &values)
            });
            json!({ "contacts": written.collect::<Vec<_>>() })
        }
        Command::FallSensitivity { level } => json!({ "level": level }),
        Command::Fence { number, lat_deg, lon_deg, radius_m } => {
            let place = Position::new(*lat_deg, *lon_deg).map_err(|why| CannotSay::Unfit(why.to_string()))?;
            let (lat, lon) = profile.rules().datum.from_wgs84(place);
            json!({ "fence": number, "lat": lat, "lon": lon, "radius_m": radius_m })
        }
        Command::NoFence { number } => json!({ "fence": number }),
        Command::ListenIn { number } => json!({ "number_1": number }),
        Command::Raw { content } => json!({ "content": content }),
    };
    Ok(said.as_object().cloned().unwrap_or_default())
}

/// What a limit limits: a number itself, the letters of a text, the entries of a list.
fn size(value: &Value) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a text's letters")]
    match value {
        Value::String(text) => Some(text.chars().count() as f64),
        Value::Array(list) => Some(list.len() as f64),
        other => other.as_f64(),
    }
}

/// Full-width punctuation that some terminals show as noise, in ASCII.
fn plain_punctuation(value: &mut Value) {
    match value {
        Value::String(text) => {
            *text = text
                .chars()
                .map(|letter| match letter {
                    '，' | '、' => ',',
                    '。' => '.',
                    '：' => ':',
                    '；' => ';',
                    '！' => '!',
                    '？' => '?',
                    '（' | '【' => '(',
                    '）' | '】' => ')',
                    other => other,
                })
                .collect();
        }
        Value::Array(list) => list.iter_mut().for_each(plain_punctuation),
        Value::Object(fields) => fields.values_mut().for_each(plain_punctuation),
        _ => {}
    }
}

/// A template with its names replaced: `"{text}"` alone becomes the value as it is, within a text its spelling.
fn fill(template: &Value, values: &Map<String, Value>) -> Value {
    match template {
        Value::String(text) => {
            let alone = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            alone.and_then(|name| values.get(name)).cloned().unwrap_or_else(|| Value::String(spell(text, values)))
        }
        Value::Array(list) => list.iter().map(|value| fill(value, values)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), fill(value, values))).collect(),
        other => other.clone(),
    }
}

/// Replaces names once, from left to right, so that a value with braces in it is left alone.
fn spell(template: &str, values: &Map<String, Value>) -> String {
    let (mut out, mut rest) = (String::with_capacity(template.len()), template);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let named = after.split_once('}').and_then(|(name, after)| Some((values.get(name)?, after)));
        if let Some((value, after)) = named {
            out.push_str(&spelling(value));
            rest = after;
        } else {
            out.push('{');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn spelling(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(spelling).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
