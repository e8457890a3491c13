//! Specimens of dialects whose transport keeps messages apart: MQTT, HTTP and SIP.

use wire::directory::Dialect;
use wire::report::{Doubt, Event, Freshness, Vital};
use wire::topics::{self, Lane};

use super::super::conversation::{Context, Conversation, Strictness};
use super::super::mapped::Profiles;
use super::super::owntracks::http::{self, Posted};
use super::super::scaip::{Request, Settings, Taken};
use super::super::told::{Alarm, Alarms, Kind, Place, Point, Told};
use super::super::{Decoded, ManualPublish, Message, mapped, owntracks, reading};
use super::{Finding, Findings, Specimen};

/// One message of OwnTracks.
pub(super) fn owntracks(_: Dialect, specimen: &Specimen<'_>) -> Findings {
    let by_topic = specimen.topic.and_then(http::levels).map(|(serial, leaf)| (serial.to_owned(), leaf.to_owned()));
    let in_body = || {
        let said = http::said(&Posted { body: specimen.bytes, ..Posted::default() })?;
        let leaf = topics::leaf(Dialect::OwnTracks, &said.serial, &said.topic).unwrap_or_default().to_owned();
        Some((said.serial, leaf))
    };
    let (identity, leaf) =
        by_topic.or_else(in_body).map_or((None, String::new()), |(serial, leaf)| (Some(serial), leaf));
    let decoded = owntracks::decode(&message(specimen, &leaf, Lane::Telemetry));
    let kind = match &decoded.event {
        None if decoded.doubts.contains(&Doubt::FixOutOfRange) && decoded.fixes.is_empty() => Kind::Unreadable,
        None if !decoded.vitals.is_empty() => Kind::Status,
        // It answers with where it is.
        Some(Event::CommandAnswered(_)) => Kind::Fix,
        Some(Event::Other { what }) => match what.as_str() {
            "waypoint" => Kind::Waypoint,
            "waypoints" => Kind::Waypoints,
            "status" | "steps" => Kind::Status,
            "configuration" | "dump" => Kind::Config,
            "beacon" => Kind::Beacon,
            "card" => Kind::Card,
            "encrypted" => Kind::Encrypted,
            _ => Kind::Other,
        },
        event => kind(event.as_ref()),
    };
    let fields = reading::parse(specimen.bytes).ok().map(|(value, _)| value).unwrap_or_default();
    let word = fields.get("_type").and_then(|word| word.as_str()).unwrap_or_default();
    let mut told = told(decoded, kind, reading::printable(word, 64));
    // A beacon's nearness is told without a place.
    if let Some(point) = told.points.first_mut() {
        point.accuracy_m = point.accuracy_m.or_else(|| fields.get("acc").and_then(reading::number));
    }
    found(identity, told)
}

/// One message of a mapped terminal: by a profile of the installation's (its TOML), or by one that is shipped.
pub(super) fn mapped(_: Dialect, specimen: &Specimen<'_>) -> Findings {
    let profiles = match specimen.profile {
        Some(toml) => Profiles::from_toml(toml),
        None => Ok(Profiles::shipped()),
    };
    let profiles = match profiles {
        Ok(profiles) => profiles,
        Err(why) => return found(None, Told::unreadable(why.to_string())),
    };
    let topic = specimen.topic.unwrap_or_default();
    let (profile, identity) =
        profiles.of(topic).map_or((None, None), |(profile, serial)| (Some(profile), Some(serial)));
    let message = Message { profile: profile.map(|profile| &**profile), ..message(specimen, topic, Lane::Alert) };
    let decoded = mapped::decode(&message);
    let kind = kind(decoded.event.as_ref());
    found(identity.map(str::to_owned), told(decoded, kind, profile.map(|profile| profile.name()).unwrap_or_default()))
}

/// One social alarm, with SIP around it or without.
pub(super) fn scaip(_: Dialect, specimen: &Specimen<'_>) -> Findings {
    let context = Context { profile: None, received_at: specimen.received_at, strictness: Strictness::Lenient };
    let turn = Conversation::scaip(Settings::default()).read(specimen.bytes, &context);
    let mut told = turn.told;
    // The unit is told that it is wrong, though its alarm is heard.
    if specimen.bytes.trim_ascii_start().starts_with(b"<") && Request::read(specimen.bytes).taken != Taken::Well {
        told.kind = Kind::Unreadable;
    }
    let identity = turn.identity.map(std::borrow::Cow::into_owned);
    Findings { found: vec![Finding { identity, told, replies: turn.replies }], ..Findings::default() }
}

fn message<'m>(specimen: &Specimen<'m>, leaf: &'m str, lane: Lane) -> Message<'m> {
    Message {
        leaf,
        payload: specimen.bytes,
        lane,
        manual_publish: ManualPublish::MeansHere,
        key: specimen.key,
        profile: None,
        received_at: specimen.received_at,
    }
}

fn kind(event: Option<&Event>) -> Kind {
    match event {
        None => Kind::Fix,
        Some(Event::CommandAnswered(_)) => Kind::Reply,
        Some(Event::Alert { .. } | Event::Cancel | Event::CheckIn | Event::Request { .. }) => Kind::Alarm,
        Some(Event::Transition { .. }) => Kind::Transition,
        Some(Event::Offline) => Kind::Offline,
        Some(Event::NoticeAcknowledged { .. }) => Kind::Ack,
        Some(Event::Unreadable { .. }) => Kind::Unreadable,
        Some(Event::Other { .. }) => Kind::Other,
    }
}

fn found(identity: Option<String>, told: Told) -> Findings {
    Findings { found: vec![Finding { identity, told, replies: Vec::new() }], ..Findings::default() }
}

/// What was decoded, in the form of the dialects that say it word for word.
fn told(decoded: Decoded, kind: Kind, word: impl Into<String>) -> Told {
    let mut told = Told::new(kind, word.into());
    let mut alarms = Alarms::default();
    for event in decoded.event.into_iter().chain(decoded.also) {
        match event {
            Event::Alert { kind } => {
                let named = Alarm::ALL.iter().copied().find(|alarm| alarm.event() == Event::Alert { kind });
                alarms.add(named.unwrap_or(Alarm::General));
            }
            Event::CommandAnswered(answer) => told.answer = Some(answer),
            event => {
                told.event.get_or_insert(event);
            }
        }
    }
    for fix in decoded.fixes {
        told.points.push(Point {
            at: fix.device_at,
            place: Place::of(fix.lat_deg, fix.lon_deg),
            valid: Some(fix.freshness != Freshness::LastKnown),
            stored: fix.freshness == Freshness::Stored,
            source: Some(fix.source),
            accuracy_m: fix.accuracy_m,
            speed_kmh: fix.speed_kmh,
            course_deg: fix.course_deg,
            altitude_m: fix.altitude_m,
            ..Point::default()
        });
    }
    if told.points.is_empty() {
        told.points.push(Point { at: decoded.stamp.device_at, ..Point::default() });
    }
    if let Some(point) = told.points.first_mut() {
        (point.alarms, point.surroundings) = (alarms, decoded.surroundings);
        point.battery_pct = decoded.status.and_then(|status| status.battery_pct);
    }
    told.status = decoded.status.unwrap_or_default();
    told.seq = decoded.stamp.seq;
    told.steps = decoded.vitals.iter().find_map(|vital| match vital {
        Vital::Steps { count } => Some(*count),
        _ => None,
    });
    told.vitals = decoded.vitals.into_iter().filter(|vital| !matches!(vital, Vital::Steps { .. })).collect();
    told.doubts = decoded.doubts;
    told
}
