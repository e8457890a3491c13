//! Terminals that publish JSON of their own over MQTT, read by a settings file: no code for each of them.
//!
//! A [`Profile`] says where in the JSON things stand ([JSON pointers](https://www.rfc-editor.org/rfc/rfc6901)), in which
//! unit and datum, what an alarm looks like, and how commands are written; `docs/dialects/mapped.md` explains it. The
//! press of a terminal with a broken field is still a press: a field that cannot be read spoils only itself, and an
//! alarm code that the profile does not know is a general alarm.

mod alarm;
mod around;
mod down;
mod outline;
mod place;
pub mod profile;
mod rule;
mod settings;

use serde_json::Value;
use wire::command::Answer;
use wire::report::{Event, Status, Vital};

use super::reading;
use super::{Decoded, Message};
use rule::Page;

pub use down::{encode_command, encode_notice};
pub use outline::Outline;
pub use profile::{Profile, ProfileError, Profiles};

/// Reads a message; its leaf is the whole topic.
pub(super) fn decode(message: &Message<'_>) -> Decoded {
    let Some(profile) = message.profile else {
        return Decoded::unreadable(format!("no profile reads topic {:?}", message.leaf));
    };
    let answered = profile.answered(message.leaf);
    let is_answer = answered.is_some() && profile.heard(message.leaf).is_none();
    let (value, mended) = match reading::parse(message.payload) {
        Ok(parsed) => parsed,
        // What answers a command may be any text.
        Err(_) if is_answer => (Value::String(String::from_utf8_lossy(message.payload).into_owned()), None),
        Err(why) => return Decoded::unreadable(why),
    };
    let mut page = Page::new(&value, profile.utc_offset());
    let mut decoded = match answered.filter(|_| is_answer) {
        Some(word) => Decoded::event(Event::CommandAnswered(answer(profile, word, &mut page))),
        None => told(profile, &mut page, profile.heard(message.leaf)),
    };
    for doubt in mended.into_iter().chain(page.doubts) {
        decoded.doubt(doubt);
    }
    if is_answer {
        return decoded;
    }
    let says_something = decoded.event.is_some()
        || !decoded.fixes.is_empty()
        || decoded.status.is_some()
        || !decoded.vitals.is_empty()
        || !decoded.surroundings.is_empty();
    if !says_something {
        decoded.event = Some(if page.knows_it && decoded.doubts.is_empty() {
            Event::Other { what: profile.name().to_owned() }
        } else {
            let why = format!("nothing in it is what profile {:?} looks for", profile.name());
            Event::Unreadable { why: reading::printable(&why, 200) }
        });
    }
    decoded
}

fn told(profile: &Profile, page: &mut Page<'_>, serial: Option<&str>) -> Decoded {
    let rules = profile.rules();
    let mut decoded = Decoded::default();
    if let (Some(rule), Some(serial)) = (&rules.serial, serial)
        && let Some(said) = page.word(rule)
        && said != serial.to_lowercase()
    {
        page.doubt(rule);
    }
    let mut events = alarm::events(&rules.alarm, page);
    if let Some(rule) = &rules.online
        && page.flag(rule) == Some(false)
    {
        events.push(Event::Offline);
    }
    let mut events = events.into_iter();
    decoded.event = events.next();
    decoded.also = events.collect();
    decoded.drill = rules.drill.as_ref().and_then(|rule| page.flag(rule)).unwrap_or(false);

    let at = rules.time.as_ref().and_then(|rule| page.time(rule));
    decoded.stamp.device_at = at;
    decoded.stamp.boot = rules.boot.as_ref().and_then(|rule| page.count(rule));
    decoded.stamp.seq = rules.seq.as_ref().and_then(|rule| page.count(rule));
    if let Some(rule) = &rules.position {
        decoded.fixes = place::fixes(rule, rules.datum, at, page);
        decoded.stamp.device_at = at.or_else(|| decoded.fixes.last().and_then(|fix| fix.device_at));
    }
    let status = Status {
        battery_pct: rules.battery.as_ref().and_then(|rule| page.percent(rule)),
        charging: rules.charging.as_ref().and_then(|rule| page.flag(rule)),
        worn: rules.worn.as_ref().and_then(|rule| page.flag(rule)),
    };
    decoded.status = (status != Status::default()).then_some(status);
    decoded.vitals = vitals(&rules.vitals, page);
    decoded.surroundings.cells = rules.cells.as_ref().map(|rule| around::cells(rule, page)).unwrap_or_default();
    decoded.surroundings.access_points =
        rules.wifi.as_ref().map(|rule| around::access_points(rule, page)).unwrap_or_default();
    decoded
}

fn vitals(rules: &settings::Vitals, page: &mut Page<'_>) -> Vec<Vital> {
    let mut vitals = Vec::new();
    let mut number = |rule: &Option<rule::Number>, range| rule.as_ref().and_then(|rule| page.number(rule, range));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ranges are checked first")]
    {
        // Zero is what these sensors say of nobody.
        let beats = number(&rules.heart_rate, 0.0..=500.0).filter(|beats| *beats >= 1.0);
        vitals.extend(beats.map(|bpm| Vital::HeartRate { bpm: bpm as u16 }));
        let pressure = (number(&rules.systolic, 0.0..=500.0), number(&rules.diastolic, 0.0..=500.0));
        if let (Some(systolic), Some(diastolic)) = pressure
            && systolic >= 1.0
        {
            vitals.push(Vital::BloodPressure { systolic: systolic as u16, diastolic: diastolic as u16 });
        }
        let oxygen = number(&rules.oxygen, 0.0..=100.0).filter(|pct| *pct >= 1.0);
        vitals.extend(oxygen.map(|pct| Vital::Oxygen { pct: pct as u8 }));
        let celsius = number(&rules.temperature, 0.0..=60.0).filter(|celsius| *celsius >= 1.0);
        vitals.extend(celsius.map(|celsius| Vital::Temperature { celsius }));
        vitals.extend(number(&rules.steps, 0.0..=1e9).map(|count| Vital::Steps { count: count as u32 }));
    }
    vitals
}

fn answer(profile: &Profile, word: &str, page: &mut Page<'_>) -> Answer {
    let rules = &profile.rules().answer;
    let named = rules.word.as_ref().and_then(|rule| page.text(rule, 64));
    let text = match &rules.text {
        Some(rule) => page.text(rule, 500).unwrap_or_default(),
        None => page.whole(500),
    };
    Answer {
        number: rules.number.as_ref().and_then(|rule| page.count(rule)).and_then(|number| u16::try_from(number).ok()),
        word: named.unwrap_or_else(|| reading::printable(word, 64)),
        done: rules.done.as_ref().and_then(|rule| page.flag(rule)),
        text,
    }
}

#[cfg(test)]
mod tests;
