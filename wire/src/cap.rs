//! The hand-over message in the Common Alerting Protocol, version 1.2 (OASIS Standard, 1 July 2010), and a centre's
//! answer in it.
//!
//! A CAP message says what the JSON of [`crate::centre`] says and is made from it: what CAP has a place for stands
//! there, and everything besides is a parameter named as in the JSON. The types are the part of the standard that is
//! used, their fields in the standard's order, which is the order in which they are written; signatures, resources,
//! polygons and geocodes are left out. An answer is read for what it refers to and whether it is an `Ack` or an
//! `Error`; how a case goes on after that CAP has no words for, and the JSON report has.

use std::fmt::Display;
use std::str::FromStr;

use domain::incident::Centre;
use domain::place::Source;
use domain::press::AlertKind;
use domain::word::Word as _;
use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use quick_xml::de::{Deserializer, EntityResolver};
use quick_xml::events::BytesText;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::centre::{self, Message, Person, Place, Progress, Purpose, kind_in_zh};

/// What such a body is called in `Content-Type`.
pub const CONTENT_TYPE: &str = "application/cap+xml";
/// The namespace of the standard.
pub const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";
/// A longer message is not read, in bytes.
pub const MESSAGE_MAX_BYTES: usize = 64 * 1024;

/// A headline may be that long, in characters: the standard asks for short ones, with telephones in mind.
const HEADLINE_MAX: usize = 160;
/// What stands for a place that has coordinates and no name: an area has to be described.
const NO_ADDRESS: &str = "地址不详，见坐标";

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapError {
    /// It is longer than [`MESSAGE_MAX_BYTES`].
    #[error("a CAP message has no more than {MESSAGE_MAX_BYTES} bytes")]
    TooLong,
    /// It is not UTF-8.
    #[error("a CAP message is UTF-8")]
    NotText,
    /// It is no XML, or lacks what the standard demands.
    #[error("it is no CAP 1.2 message: {0}")]
    Unreadable(String),
    /// It is in another namespace.
    #[error("it is no CAP 1.2 message: its namespace is not {NAMESPACE}")]
    OtherNamespace,
    /// It is for tests of the line, or a draft.
    #[error("a message of status {0:?} is to be disregarded, so nothing follows from it")]
    NotMeant(Status),
    /// It answers nothing.
    #[error("msgType {0:?} reports nothing: an answer is Ack or Error")]
    NoAnswer(MsgType),
    /// It does not say what it answers.
    #[error("its references name no message of ours")]
    NoReference,
    /// A time is not written as one.
    #[error("{0:?} is no time such as 2026-03-01T16:00:00+08:00")]
    NoMoment(String),
    /// Something that our own messages have is missing in it, or is not readable.
    #[error("{0} is missing, or is not readable")]
    Missing(&'static str),
}

/// A message. Only what is written or read here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "alert", rename_all = "camelCase")]
struct Alert {
    #[serde(rename = "@xmlns", default)]
    xmlns: String,
    #[serde(rename = "@xmlns:cap", default, skip_serializing)]
    xmlns_cap: String,
    identifier: String,
    sender: String,
    sent: Moment,
    status: Status,
    msg_type: MsgType,
    scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    addresses: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    references: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incidents: Option<String>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    info: Vec<Info>,
}

/// For whom a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// For everybody who gets it.
    Actual,
    /// For those who take part in an exercise.
    Exercise,
    /// For the machines of the line.
    System,
    /// For nobody.
    Test,
    /// For nobody yet.
    Draft,
}

/// What a message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MsgType {
    /// Begins something.
    Alert,
    /// Replaces an earlier one.
    Update,
    /// Takes an earlier one back.
    Cancel,
    /// Says that an earlier one was taken.
    Ack,
    /// Says that it was not.
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Scope {
    Public,
    Restricted,
    Private,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    language: String,
    // Nothing here asks for it, and the reader takes an element in a list for a variant by its name.
    #[serde(skip_deserializing)]
    category: Vec<Category>,
    event: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_type: Option<ResponseType>,
    urgency: Urgency,
    severity: Severity,
    certainty: Certainty,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    event_code: Vec<Pair>,
    effective: Moment,
    onset: Moment,
    expires: Moment,
    sender_name: String,
    headline: String,
    description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instruction: Option<String>,
    contact: String,
    parameter: Vec<Pair>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    area: Option<Area>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Category {
    Health,
    Fire,
    Security,
    Rescue,
    Safety,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ResponseType {
    AllClear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Urgency {
    Immediate,
    Past,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Severity {
    Extreme,
    Severe,
    Moderate,
    Minor,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Certainty {
    Observed,
    Likely,
    Possible,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    value_name: String,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Area {
    area_desc: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    circle: Option<Circle>,
}

/// A moment as the standard writes it: whole seconds and an offset, never `Z`. In Chinese time, because people read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment(Timestamp);

impl Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let local = self.0.to_zoned(TimeZone::fixed(tz::offset(8)));
        write!(f, "{}", local.strftime("%Y-%m-%dT%H:%M:%S%:z"))
    }
}

impl FromStr for Moment {
    type Err = CapError;

    fn from_str(text: &str) -> Result<Self, CapError> {
        text.parse().map(Self).map_err(|_| CapError::NoMoment(text.to_owned()))
    }
}

/// `lat,lon radius`: degrees (WGS-84) and kilometres.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Circle {
    lat_deg: f64,
    lon_deg: f64,
    radius_km: f64,
}

impl Display for Circle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{} {}", self.lat_deg, self.lon_deg, self.radius_km)
    }
}

impl FromStr for Circle {
    type Err = CapError;

    fn from_str(text: &str) -> Result<Self, CapError> {
        let read = || {
            let (place, radius) = text.split_once(' ')?;
            let (lat, lon) = place.split_once(',')?;
            let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
            Some(Self { lat_deg: number(lat)?, lon_deg: number(lon)?, radius_km: number(radius)? })
        };
        read().ok_or(CapError::Missing("circle"))
    }
}

/// Serde for what is written as its [`Display`] and read by its [`FromStr`].
macro_rules! as_text {
    ($($type:ty),+) => {$(
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
as_text!(Moment, Circle);

/// What a centre can know by the kind of an alert alone.
struct Nature {
    category: Category,
    severity: Severity,
    certainty: Certainty,
}

const fn nature(kind: AlertKind) -> Nature {
    use {Category as C, Certainty as Y, Severity as S};
    let (category, severity, certainty) = match kind {
        // A person says so.
        AlertKind::Sos | AlertKind::Telephone => (C::Rescue, S::Severe, Y::Observed),
        // A sensor says so, which may be wrong.
        AlertKind::Fall | AlertKind::HeartRate => (C::Health, S::Severe, Y::Likely),
        AlertKind::Smoke => (C::Fire, S::Extreme, Y::Likely),
        AlertKind::Gas => (C::Fire, S::Severe, Y::Likely),
        AlertKind::FenceExit | AlertKind::MissedCheckIn => (C::Safety, S::Moderate, Y::Likely),
        AlertKind::Silent => (C::Safety, S::Unknown, Y::Possible),
        AlertKind::Removed | AlertKind::LowBattery => (C::Safety, S::Minor, Y::Possible),
        AlertKind::Unreadable | AlertKind::General => (C::Rescue, S::Unknown, Y::Unknown),
    };
    Nature { category, severity, certainty }
}

const fn business(centre: Centre) -> Category {
    match centre {
        Centre::Ambulance => Category::Health,
        Centre::Fire => Category::Fire,
        Centre::Police => Category::Security,
    }
}

/// The identifier of a message: the same in every repetition of it.
fn identifier(message: &Message) -> String {
    let handover = message.handover;
    match message.purpose {
        Purpose::Help => identifier_of_help(handover),
        Purpose::Update => format!("{handover}.update.{}", message.update.unwrap_or_default()),
        Purpose::StandDown => format!("{handover}.stand_down"),
    }
}

fn identifier_of_help(handover: Uuid) -> String {
    format!("{handover}.help")
}

/// Who we are to others: a name at the host at which we are reached. Neither may hold what separates references.
fn sender(message: &Message) -> String {
    let after_scheme = message.status_url.split_once("://").map_or("", |(_, rest)| rest);
    let host = after_scheme.split('/').next().unwrap_or_default();
    format!("yidiantong@{}", host.replace(|sign: char| sign.is_whitespace() || ",<&".contains(sign), "_"))
}

/// A message in CAP, to a centre.
pub fn write(message: &Message, centre: Centre) -> String {
    let sender = sender(message);
    let help = || {
        let requested_at = message.requested_at.unwrap_or(message.written_at);
        Some(format!("{sender},{},{}", identifier_of_help(message.handover), Moment(requested_at)))
    };
    let (msg_type, references, reason) = match message.purpose {
        Purpose::Help => (MsgType::Alert, None, None),
        Purpose::Update => (MsgType::Update, help(), None),
        Purpose::StandDown => (MsgType::Cancel, help(), Some(message.briefing.clone())),
    };
    let (status, note) = if message.drill {
        (Status::Exercise, Some(format!("演练 {}", message.incident)))
    } else {
        (Status::Actual, reason)
    };
    let alert = Alert {
        xmlns: NAMESPACE.to_owned(),
        xmlns_cap: String::new(),
        identifier: identifier(message),
        sender: sender.clone(),
        sent: Moment(message.written_at),
        status,
        msg_type,
        scope: Scope::Private,
        addresses: Some(centre.as_str().to_owned()),
        note: note.as_deref().map(clean),
        references,
        incidents: Some(message.incident.to_string()),
        info: vec![info(message, centre)],
    };
    spell(&alert)
}

fn spell(alert: &Alert) -> String {
    let xml = quick_xml::se::to_string(alert).unwrap_or_else(|_| unreachable!("every name in it is one of XML's"));
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}\n")
}

fn info(message: &Message, centre: Centre) -> Info {
    let kinds: Vec<AlertKind> = message.kinds.iter().filter_map(|kind| AlertKind::parse(kind).ok()).collect();
    // The most urgent comes first.
    let Nature { severity, certainty, .. } = nature(kinds.first().copied().unwrap_or(AlertKind::General));
    let mut category = vec![business(centre)];
    for kind in &kinds {
        let Nature { category: of_kind, .. } = nature(*kind);
        if !category.contains(&of_kind) {
            category.push(of_kind);
        }
    }
    let said: Vec<&str> = message.kinds.iter().map(|kind| kind_in_zh(kind)).collect();
    let (urgency, response_type) = match message.purpose {
        Purpose::Help | Purpose::Update => (Urgency::Immediate, None),
        Purpose::StandDown => (Urgency::Past, Some(ResponseType::AllClear)),
    };
    Info {
        language: "zh-CN".to_owned(),
        category,
        event: clean(&if said.is_empty() { "求助".to_owned() } else { said.join("、") }),
        response_type,
        urgency,
        severity,
        certainty,
        event_code: message.kinds.iter().map(|kind| pair("kind", kind)).collect(),
        effective: Moment(message.written_at),
        onset: Moment(message.called_at),
        expires: Moment(message.not_after),
        sender_name: "一点通呼叫中心".to_owned(),
        headline: clean(&message.briefing).chars().take(HEADLINE_MAX).collect(),
        description: clean(&description(message)),
        instruction: instruction(message).as_deref().map(clean),
        contact: clean(&message.call_back),
        parameter: parameters(message),
        area: area(message),
    }
}

/// Everything that whoever sends somebody wants to know, for those who see nothing but CAP's own fields.
fn description(message: &Message) -> String {
    let mut lines = vec![message.briefing.clone()];
    if let Some(person) = &message.person {
        let sex = match person.sex.as_deref() {
            Some("female") => "，女",
            Some("male") => "，男",
            _ => "",
        };
        let born = person.born_in.map_or(String::new(), |year| format!("，{year} 年生"));
        lines.push(format!("求助人：{}{sex}{born}", person.name));
        lines.extend(person.phone.as_ref().map(|phone| format!("现场电话：{phone}")));
        lines.extend(person.medical_card.as_ref().map(|card| format!("病史：{card}")));
    }
    lines.extend(message.home_address.as_ref().map(|home| format!("不在住处，住址：{home}")));
    lines.join("\n")
}

fn instruction(message: &Message) -> Option<String> {
    match message.purpose {
        Purpose::StandDown => Some("无需出动".to_owned()),
        Purpose::Help | Purpose::Update if message.drill => Some("演练，请勿出动".to_owned()),
        Purpose::Help | Purpose::Update => message.door_access.as_ref().map(|access| format!("进门方式：{access}")),
    }
}

fn area(message: &Message) -> Option<Area> {
    let circle = message.place.as_ref().map(|place| Circle {
        lat_deg: place.lat_deg,
        lon_deg: place.lon_deg,
        radius_km: place.accuracy_m.unwrap_or(0.0) / 1000.0,
    });
    let area_desc = match (&message.address, circle) {
        (Some(address), _) => clean(address),
        (None, Some(_)) => NO_ADDRESS.to_owned(),
        (None, None) => return None,
    };
    Some(Area { area_desc, circle })
}

fn pair(name: &str, value: &str) -> Pair {
    Pair { value_name: name.to_owned(), value: clean(value) }
}

/// What CAP has no field for, or only one that holds other things as well, named as in the JSON.
fn parameters(message: &Message) -> Vec<Pair> {
    let (person, place) = (message.person.as_ref(), message.place.as_ref());
    let number = |number: Option<f64>| number.map(|number| number.to_string());
    let all = [
        ("handover", Some(message.handover.to_string())),
        ("incident", Some(message.incident.to_string())),
        ("update", message.update.map(|nth| nth.to_string())),
        ("status_url", Some(message.status_url.clone())),
        ("briefing", Some(message.briefing.clone())),
        ("person.name", person.map(|person| person.name.clone())),
        ("person.born_in", person.and_then(|person| person.born_in).map(|year| year.to_string())),
        ("person.sex", person.and_then(|person| person.sex.clone())),
        ("person.phone", person.and_then(|person| person.phone.clone())),
        ("person.medical_card", person.and_then(|person| person.medical_card.clone())),
        ("address", message.address.clone()),
        ("home_address", message.home_address.clone()),
        ("place.accuracy_m", number(place.and_then(|place| place.accuracy_m))),
        ("place.age_s", place.map(|place| place.age_s.to_string())),
        ("place.source", place.map(|place| place.source.to_string())),
        ("door_access", message.door_access.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some(pair(name, &value?))).collect()
}

/// Without what XML cannot say at all, not even in escapes.
fn clean(text: &str) -> String {
    let is_sayable = |sign: &char| matches!(sign, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    text.replace('\r', "\n").chars().filter(is_sayable).collect()
}

/// Knows the five entities of XML itself, and refuses a document that brings its own.
struct NoEntities;

#[derive(Debug, thiserror::Error)]
#[error("a document type is not taken")]
struct DocumentType;

impl EntityResolver for NoEntities {
    type Error = DocumentType;

    fn capture(&mut self, _: BytesText<'_>) -> Result<(), DocumentType> {
        Err(DocumentType)
    }

    fn resolve(&self, entity: &str) -> Option<&str> {
        quick_xml::escape::resolve_predefined_entity(entity)
    }
}

/// Reads XML into one of the types above: what they do not hold is passed over, at whatever depth, without recursion.
fn parse<'x, T: Deserialize<'x>>(xml: &'x [u8]) -> Result<T, CapError> {
    if xml.len() > MESSAGE_MAX_BYTES {
        return Err(CapError::TooLong);
    }
    let text = std::str::from_utf8(xml).map_err(|_| CapError::NotText)?;
    T::deserialize(&mut Deserializer::from_str_with_resolver(text, NoEntities))
        .map_err(|error| CapError::Unreadable(error.to_string()))
}

/// Reads a message of ours again, as a centre does. Times come back in whole seconds.
pub fn read(xml: &[u8]) -> Result<Message, CapError> {
    let alert: Alert = parse(xml)?;
    require_namespace(&alert.xmlns, &alert.xmlns_cap)?;
    let purpose = match alert.msg_type {
        MsgType::Alert => Purpose::Help,
        MsgType::Update => Purpose::Update,
        MsgType::Cancel => Purpose::StandDown,
        other => return Err(CapError::NoAnswer(other)),
    };
    let info = alert.info.first().ok_or(CapError::Missing("info"))?;
    let text = |name: &str| info.parameter.iter().find(|pair| pair.value_name == name).map(|pair| pair.value.clone());
    let must = |name: &'static str| text(name).ok_or(CapError::Missing(name));
    let id = |name| must(name)?.parse::<Uuid>().map_err(|_| CapError::Missing(name));
    let circle = info.area.as_ref().and_then(|area| area.circle);
    let place = circle.map(|Circle { lat_deg, lon_deg, .. }| -> Result<Place, CapError> {
        Ok(Place {
            lat_deg,
            lon_deg,
            accuracy_m: text("place.accuracy_m").and_then(|metres| metres.parse().ok()),
            age_s: must("place.age_s")?.parse().map_err(|_| CapError::Missing("place.age_s"))?,
            source: Source::parse(&must("place.source")?).map_err(|_| CapError::Missing("place.source"))?,
        })
    });
    let person = text("person.name").map(|name| Person {
        name,
        born_in: text("person.born_in").and_then(|year| year.parse().ok()),
        sex: text("person.sex"),
        phone: text("person.phone"),
        medical_card: text("person.medical_card"),
    });
    let requested_at = alert.references.as_deref().and_then(|references| references.rsplit(',').next());
    Ok(Message {
        version: centre::VERSION,
        handover: id("handover")?,
        incident: id("incident")?,
        purpose,
        drill: alert.status == Status::Exercise,
        written_at: alert.sent.0,
        requested_at: requested_at.and_then(|sent| sent.parse().ok()).map(|Moment(at)| at),
        update: text("update").and_then(|nth| nth.parse().ok()),
        not_after: info.expires.0,
        kinds: info.event_code.iter().map(|code| code.value.clone()).collect(),
        called_at: info.onset.0,
        person,
        address: text("address"),
        home_address: text("home_address"),
        place: place.transpose()?,
        door_access: text("door_access"),
        call_back: info.contact.clone(),
        status_url: must("status_url")?,
        briefing: must("briefing")?,
    })
}

fn require_namespace(default: &str, prefixed: &str) -> Result<(), CapError> {
    if [default, prefixed].contains(&NAMESPACE) { Ok(()) } else { Err(CapError::OtherNamespace) }
}

/// What a centre answers to a message of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The hand-overs that it refers to.
    pub handovers: Vec<Uuid>,
    /// What it reports of them.
    pub status: centre::Status,
}

/// An answer, as far as it is read: whatever else stands in it does not matter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    #[serde(rename = "@xmlns", default)]
    xmlns: String,
    #[serde(rename = "@xmlns:cap", default)]
    xmlns_cap: String,
    #[expect(dead_code, reason = "the standard demands it")]
    identifier: String,
    #[expect(dead_code, reason = "the standard demands it")]
    sender: String,
    #[expect(dead_code, reason = "the standard demands it")]
    sent: Moment,
    status: Status,
    msg_type: MsgType,
    #[expect(dead_code, reason = "the standard demands it")]
    scope: Scope,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    references: Option<String>,
    #[serde(default)]
    incidents: Option<String>,
}

/// Reads a centre's answer: an `Ack` says that a person there has taken the case, an `Error` that they will not come,
/// for the reason in its `note`. The first of its `incidents` is the centre's own number for the case.
pub fn read_answer(xml: &[u8]) -> Result<Answer, CapError> {
    let reply: Reply = parse(xml)?;
    require_namespace(&reply.xmlns, &reply.xmlns_cap)?;
    if matches!(reply.status, Status::Test | Status::Draft) {
        return Err(CapError::NotMeant(reply.status));
    }
    let status = match reply.msg_type {
        MsgType::Ack => Progress::Acknowledged,
        MsgType::Error => Progress::Refused,
        other => return Err(CapError::NoAnswer(other)),
    };
    let references = reply.references.unwrap_or_default();
    let of_ours = |reference: &str| reference.split(',').nth(1)?.split('.').next()?.parse::<Uuid>().ok();
    let handovers: Vec<Uuid> = references.split_whitespace().filter_map(of_ours).collect();
    if handovers.is_empty() {
        return Err(CapError::NoReference);
    }
    let incidents = reply.incidents.unwrap_or_default();
    let reference = incidents.split_whitespace().find(|name| name.parse::<Uuid>().is_err()).map(str::to_owned);
    let status = centre::Status { status, reference, reason: reply.note, minutes: None, vehicle: None };
    Ok(Answer { handovers, status })
}

/// An answer to `message` as a centre called `sender` writes it at a time: taken under a number, or, with a reason, not.
pub fn answer(message: &Message, sender: &str, at: Timestamp, number: &str, refused: Option<&str>) -> String {
    let (msg_type, word) = if refused.is_some() { (MsgType::Error, "error") } else { (MsgType::Ack, "ack") };
    let ours = identifier(message);
    spell(&Alert {
        xmlns: NAMESPACE.to_owned(),
        xmlns_cap: String::new(),
        identifier: format!("{ours}.{word}"),
        sender: sender.to_owned(),
        sent: Moment(at),
        status: if message.drill { Status::Exercise } else { Status::Actual },
        msg_type,
        scope: Scope::Private,
        addresses: Some(self::sender(message)),
        note: refused.map(clean),
        references: Some(format!("{},{ours},{}", self::sender(message), Moment(message.written_at))),
        incidents: Some(number.to_owned()),
        info: Vec::new(),
    })
}
