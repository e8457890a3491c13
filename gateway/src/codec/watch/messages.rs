//! What each message says, and which word answers it.

use std::borrow::Cow;
use std::str::Split;

use domain::press::AlertKind;
use wire::command::Answer;
use wire::report::{Event, Vital};

use super::super::conversation::Context;
use super::super::cursor::has_habit;
use super::super::told::{Alarm, Alarms, Kind, Point, Told};
use super::{Session, is_position, position};

/// The content of the answer, when there is one.
type Reply = Option<Cow<'static, str>>;
/// Reads the fields behind a message's name.
type Reader = fn(&mut Split<'_, char>, &mut Told);

/// Which content answers a message.
#[derive(Debug, Clone, Copy)]
enum Answers {
    Nothing,
    /// Always this.
    This(&'static str),
    /// Its own name.
    Name,
}

use Answers::{Name, Nothing, This};

/// Messages that hold no position, the frequent ones first.
const MESSAGES: &[(&str, Kind, Answers, Reader)] = &[
    ("LK", Kind::Heartbeat, This("LK"), link_kept),
    ("INIT", Kind::Register, This("INIT,1"), nothing),
    ("CONFIG", Kind::Config, This("CONFIG,1"), nothing),
    ("heart", Kind::Health, Name, heart_rate),
    ("PULSE", Kind::Health, Nothing, heart_rate),
    ("bphrt", Kind::Health, Name, pressure_and_heart_rate),
    ("BLOOD", Kind::Health, Nothing, pressure),
    ("oxygen", Kind::Health, This("oxygen,1"), oxygen),
    ("TEMP", Kind::Health, Nothing, temperature),
    ("btemp2", Kind::Health, Name, typed_temperature),
    ("TKQ", Kind::VoiceRequest, Name, nothing),
    ("TKQ2", Kind::VoiceRequest, Name, nothing),
    ("JXTK", Kind::Voice, This("JXTKR,1"), nothing),
    ("img", Kind::Voice, Nothing, nothing),
    ("ICCID", Kind::Status, Name, nothing),
    ("CCID", Kind::Status, Name, nothing),
    ("RYIMEI", Kind::Status, Name, nothing),
    ("APPANDFNREPORT", Kind::Status, Name, nothing),
    ("SMSREMINDSTATUSINFO", Kind::Status, Name, nothing),
    ("appcontacttel", Kind::Status, Name, nothing),
    ("eicard", Kind::Status, Name, nothing),
];

/// Words of the server's that a terminal says back.
const COMMANDS: &[&str] = &[
    "CR",
    "UPLOAD",
    "CENTER",
    "SOS",
    "SOS1",
    "SOS2",
    "SOS3",
    "CALL",
    "MONITOR",
    "FIND",
    "FALLDOWN",
    "LSSET",
    "REMOVE",
    "REMOVESMS",
    "SOSSMS",
    "LOWBAT",
    "PW",
    "LZ",
    "PHB",
    "PHB2",
    "PHBX",
    "DPHBX",
    "WHITELIST1",
    "WHITELIST2",
    "DEVREFUSEPHONESWITCH",
    "ACALL",
    "MESSAGE",
    "REMIND",
    "TAKEPILLS",
    "SILENCETIME",
    "SILENCETIME2",
    "WALKTIME",
    "SLEEPTIME",
    "hrtstart",
    "HEALTHAUTOSET",
    "bodytemp",
    "bodytemp2",
    "profile",
    "rcapture",
    "FLOWER",
    "APPLOCK",
    "VERNO",
    "TS",
    "RESET",
    "POWEROFF",
    "FACTORY",
    "IP",
    "APN",
    "ANY",
    "PEDO",
    "GSMANT",
    "BT",
    "WORK",
    "WORKTIME",
    "NOWORK",
    "SMSONOFF",
    "ADDFRIEND",
    "MAKEFRIEND",
    "PICTURE",
    "FTIME",
    "COMMAND",
    "CONFIRM",
    "RAD",
    "RG",
    "JXTKR",
];

/// A model on whose status word bit 22 is a fall, not a heart rate.
pub(super) const FALL_BIT: &str = "fall_bit_22";
/// A model on whose status word bit 20 is a low battery, not that it was taken off.
pub(super) const BATTERY_BIT: &str = "battery_bit_20";

/// Reads a content: what it says, and the content that answers it.
pub(super) fn read(content: &str, bytes: &[u8], known: &Context<'_>, session: &mut Session) -> (Told, Reply) {
    let mut fields = content.split(',');
    let name = fields.next().unwrap_or_default().trim();
    if name.is_empty() {
        return (Told::unreadable("it has no content"), None);
    }
    if is_position(name.as_bytes()) {
        return place(name, &mut fields, known.profile);
    }
    if let Some((word, kind, answers, reader)) = MESSAGES.iter().find(|(word, ..)| word.eq_ignore_ascii_case(name)) {
        let mut told = Told::new(*kind, *word);
        reader(&mut fields, &mut told);
        return (told, answers.to(name));
    }
    if name.eq_ignore_ascii_case("TK") {
        return voice(bytes, session);
    }
    if name.eq_ignore_ascii_case("LGZONE") {
        return (Told::new(Kind::Other, "LGZONE"), Some(clock(known).into()));
    }
    // The word of a command with a position behind it is no answer: keys of some are called like their numbers.
    if cries_for_help(name) && fields.clone().count() > position::WORD_AT {
        return unknown(name, content, known.profile, session);
    }
    if session.is_asked(name) || COMMANDS.iter().any(|word| word.eq_ignore_ascii_case(name)) {
        return (reply(name, content), None);
    }
    unknown(name, content, known.profile, session)
}

/// Whether a word that no vendor's page has is one for help, when it comes with a position.
fn cries_for_help(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("AL") || ["SOS", "ALARM", "FALL"].iter().any(|word| name.contains(word))
}

impl Answers {
    fn to(self, name: &str) -> Reply {
        match self {
            Self::Nothing => None,
            Self::This(content) => Some(Cow::Borrowed(content)),
            Self::Name => Some(Cow::Owned(name.to_owned())),
        }
    }
}

/// Bits of the status word that are alarms, in every message.
const HIGH: [(u32, Alarm); 7] = [
    (16, Alarm::Sos),
    (17, Alarm::LowBattery),
    (18, Alarm::FenceExit),
    (19, Alarm::FenceEnter),
    (20, Alarm::Removed),
    (21, Alarm::Fall),
    (22, Alarm::HeartRate),
];

/// Bits that are states, and alarms only in an alarm message that names no other.
const LOW: [(u32, Alarm); 4] =
    [(0, Alarm::LowBattery), (1, Alarm::FenceExit), (2, Alarm::FenceEnter), (14, Alarm::Unplugged)];

fn set(word: u32, bits: &[(u32, Alarm)]) -> Alarms {
    bits.iter().filter(|(bit, _)| word & (1 << bit) != 0).map(|(_, alarm)| *alarm).collect()
}

/// The alarms of a status word, of which models with habits mean some otherwise.
fn high(word: u32, profile: Option<&str>) -> Alarms {
    let set = HIGH.iter().filter(|(bit, _)| word & (1 << bit) != 0);
    set.map(|(bit, alarm)| match bit {
        20 if has_habit(profile, BATTERY_BIT) => Alarm::LowBattery,
        22 if has_habit(profile, FALL_BIT) => Alarm::Fall,
        _ => *alarm,
    })
    .collect()
}

/// Names that nearly all positions have.
const USUAL: [&str; 6] = ["UD", "UD2", "UD_LTE", "AL", "AL_LTE", "WT"];

/// A position, or an alarm with one.
fn place(name: &str, fields: &mut Split<'_, char>, profile: Option<&str>) -> (Told, Reply) {
    let begins = |stem: &str| name.get(..stem.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(stem));
    let is_alarm = begins("AL") || begins("SENDSOS");
    let (kind, answer) = match () {
        () if is_alarm => (Kind::Alarm, Some(Cow::Borrowed("AL"))),
        () if begins("WAD") => (Kind::AddressRequest, None),
        () if begins("WG") => (Kind::LocationRequest, None),
        () if begins("PP") => (Kind::Other, None),
        () => (Kind::Fix, None),
    };
    let usual = USUAL.iter().find(|usual| **usual == name);
    let word = usual.map_or_else(|| name.get(..32).unwrap_or(name).to_owned().into(), |usual| Cow::Borrowed(*usual));
    let mut told = Told::new(kind, word);
    if begins("WAD") || begins("PP") {
        // The language that the answer should be in, the clock that the friend's watch showed.
        fields.next();
    }
    let all = fields.clone();
    let Some(state) = position::read(fields, &mut told) else {
        // The press is not doubted for the place: what stands where alarms do still counts.
        let alarms = position::state_among(all).map_or_else(Alarms::default, |word| high(word, profile));
        if is_alarm || !alarms.is_empty() {
            told.kind = Kind::Alarm;
            told.unread("position");
            let unknown = if begins("SENDSOS") { Alarm::Sos } else { Alarm::General };
            let alarms = if alarms.is_empty() { unknown.into() } else { alarms };
            told.points = vec![Point { alarms, ..Point::default() }];
            return (told, answer);
        }
        return (Told { word: told.word, ..Told::unreadable("these fields are no position") }, None);
    };
    let mut alarms = state.word.map_or_else(Alarms::default, |word| high(word, profile));
    if is_alarm && alarms.is_empty() {
        // High bits that nobody knows are an alarm that nobody knows.
        let low = state.word.filter(|word| word >> 16 == 0).map_or_else(Alarms::default, |word| set(word, &LOW));
        alarms = match () {
            () if begins("SENDSOS") => Alarm::Sos.into(),
            () if low.is_empty() => Alarm::General.into(),
            () => low,
        };
    }
    if begins("UD2") {
        told.points.iter_mut().for_each(|point| point.stored = true);
    }
    told.points.iter_mut().for_each(|point| point.alarms = alarms);
    if kind == Kind::Fix && !alarms.is_empty() {
        told.kind = Kind::Alarm;
    }
    (told, answer)
}

/// A message that nobody knows. One that looks like a position is one; one that is repeated waits for an answer.
fn unknown(name: &str, content: &str, profile: Option<&str>, session: &mut Session) -> (Told, Reply) {
    let mut told = Told::new(Kind::Other, name.chars().take(32).collect::<String>());
    let mut fields = content.split(',');
    fields.next();
    if let Some(state) = position::read(&mut fields, &mut told) {
        let mut alarms = state.word.map_or_else(Alarms::default, |word| high(word, profile));
        if alarms.is_empty() && cries_for_help(name) {
            alarms = Alarm::General.into();
        }
        told.kind = if alarms.is_empty() { Kind::Fix } else { Kind::Alarm };
        told.points.iter_mut().for_each(|point| point.alarms = alarms);
    } else {
        told.doubts.clear();
        // A word for help that no vendor's page has.
        if name.to_ascii_uppercase().contains("SOS") {
            told.kind = Kind::Alarm;
            told.event = Some(Event::Alert { kind: AlertKind::General });
        }
    }
    let is_name = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let answer = (is_name && session.is_repeated(name)).then(|| Cow::Owned(name.to_owned()));
    (told, answer)
}

fn nothing(_: &mut Split<'_, char>, _: &mut Told) {}

fn number<T: std::str::FromStr>(fields: &mut Split<'_, char>) -> Option<T> {
    fields.next()?.trim().parse().ok()
}

/// Three values, or none; what two values mean is not known.
fn link_kept(fields: &mut Split<'_, char>, told: &mut Told) {
    let (steps, _tumbles, battery) = (number::<u32>(fields), fields.next(), number::<u8>(fields));
    if let Some(battery) = battery {
        told.steps = steps;
        told.status.battery_pct = (battery <= 100).then_some(battery);
    }
}

/// 0 says that there is none to measure.
fn heart_rate(fields: &mut Split<'_, char>, told: &mut Told) {
    told.vitals.extend(number(fields).filter(|bpm| *bpm > 0).map(|bpm| Vital::HeartRate { bpm }));
}

fn pressure(fields: &mut Split<'_, char>, told: &mut Told) {
    if let (Some(systolic), Some(diastolic)) = (number(fields), number(fields))
        && systolic > 0
        && diastolic > 0
    {
        told.vitals.push(Vital::BloodPressure { systolic, diastolic });
    }
}

fn pressure_and_heart_rate(fields: &mut Split<'_, char>, told: &mut Told) {
    pressure(fields, told);
    heart_rate(fields, told);
}

fn oxygen(fields: &mut Split<'_, char>, told: &mut Told) {
    let _sort = fields.next();
    told.vitals.extend(number(fields).filter(|pct| (1..=100).contains(pct)).map(|pct| Vital::Oxygen { pct }));
}

/// 0 and 1 say that the measurement went wrong.
fn temperature(fields: &mut Split<'_, char>, told: &mut Told) {
    let celsius = number::<f64>(fields).filter(|celsius| (20.0..=50.0).contains(celsius));
    told.vitals.extend(celsius.map(|celsius| Vital::Temperature { celsius }));
}

fn typed_temperature(fields: &mut Split<'_, char>, told: &mut Told) {
    let _sort = fields.next();
    temperature(fields, told);
}

/// Voice from the wearer, or whether ours has arrived.
fn voice(bytes: &[u8], session: &mut Session) -> (Told, Reply) {
    let voice = bytes.get(3..).unwrap_or_default();
    match voice {
        b"0" | b"1" => {
            session.is_asked("TK");
            (answered("TK", Some(voice == b"1"), String::new()), None)
        }
        [] => (Told::new(Kind::Voice, "TK"), Some(Cow::Borrowed("TK,0"))),
        _ => (Told::new(Kind::Voice, "TK"), Some(Cow::Borrowed("TK,1"))),
    }
}

fn reply(name: &str, content: &str) -> Told {
    let text = content.get(name.len()..).unwrap_or_default().trim_start_matches(',');
    // Some say how it went; most only say the word.
    let done = match text {
        "1" | "OK" | "ok" => Some(true),
        "0" => Some(false),
        _ => None,
    };
    answered(name, done, text.chars().filter(|letter| !letter.is_control()).take(500).collect())
}

fn answered(name: &str, done: Option<bool>, text: String) -> Told {
    let mut told = Told::new(Kind::Reply, name.to_owned());
    told.answer = Some(Answer { number: None, word: name.to_owned(), done, text });
    told
}

/// What one maker's watches ask for to set their clock: zone, time, date.
fn clock(known: &Context<'_>) -> String {
    let there = jiff::tz::Offset::constant(8).to_datetime(known.received_at);
    format!("LGZONE,8,{}", there.strftime("%H:%M:%S,%Y-%m-%d"))
}
