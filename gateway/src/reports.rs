//! From a message on the bus to a report: the directory says who speaks, the codec what is said.

use std::sync::Arc;

use wire::bus::Uplink;
use wire::directory::{Directory, Lookup, Terminal};
use wire::report::{Doubt, Report};
use wire::topics;

use crate::codec::{self, ManualPublish, Message};

/// Reads one message.
pub(crate) fn read(uplink: &Uplink<'_>, directory: &Directory) -> Report {
    let lookup = directory.by_serial(&uplink.serial);
    let terminal: Option<&Arc<Terminal>> = match &lookup {
        Lookup::Listed(terminal) => Some(terminal),
        Lookup::Unlisted | Lookup::NoDirectory => None,
    };
    // The topic has the last word: a terminal may have been given another dialect a moment ago.
    let dialect = terminal
        .map(|terminal| terminal.dialect)
        .filter(|dialect| topics::leaf(*dialect, &uplink.serial, &uplink.topic).is_some())
        .unwrap_or_else(|| codec::dialect_of(&uplink.topic));
    let manual_publish = match terminal {
        Some(terminal) if terminal.manual_publish_means_help => ManualPublish::MeansHelp,
        _ => ManualPublish::MeansHere,
    };
    let leaf = topics::leaf(dialect, &uplink.serial, &uplink.topic).unwrap_or(&uplink.topic);
    let (payload, lane, received_at) = (&uplink.payload[..], uplink.lane, uplink.received_at);
    let mut decoded =
        codec::decode(dialect, &Message { leaf, payload, lane, manual_publish, key: None, profile: None, received_at });
    if matches!(lookup, Lookup::Unlisted) {
        decoded.doubts.push(Doubt::UnknownTerminal);
    }
    Report {
        version: wire::report::VERSION,
        id: uplink.id,
        serial: uplink.serial.as_ref().to_owned(),
        dialect,
        // The edge lets nobody in who has not proved who they are.
        authenticated: true,
        drill: decoded.drill || terminal.is_some_and(|terminal| terminal.drill),
        lane,
        topic: uplink.topic.as_ref().to_owned(),
        received_at,
        repeated: uplink.repeated,
        raw: uplink.payload.to_vec(),
        stamp: decoded.stamp,
        event: decoded.event,
        also: decoded.also,
        fixes: decoded.fixes,
        status: decoded.status,
        surroundings: decoded.surroundings,
        vitals: decoded.vitals,
        doubts: decoded.doubts,
    }
}

#[cfg(test)]
mod tests {
    use domain::press::AlertKind;
    use jiff::Timestamp;
    use uuid::Uuid;
    use wire::directory::{Dialect, Update};
    use wire::report::Event;
    use wire::topics::Lane;

    use super::*;

    fn uplink<'p>(serial: &'p str, topic: &'p str, payload: &'p str) -> Uplink<'p> {
        Uplink {
            id: Uuid::from_u128(1),
            door: "door".into(),
            serial: serial.into(),
            topic: topic.into(),
            lane: Lane::Alert,
            repeated: false,
            received_at: Timestamp::UNIX_EPOCH,
            payload: payload.as_bytes().into(),
        }
    }

    fn directory() -> Directory {
        let terminal = |serial: &str, dialect, drill| Terminal {
            serial: serial.into(),
            login: serial.into(),
            secret_sha256: [0; 32],
            dialect,
            manual_publish_means_help: true,
            profile: None,
            drill,
            concentrator: None,
            certificate: None,
        };
        let directory = Directory::default();
        let upserts = vec![terminal("P1", Dialect::Ydt, true), terminal("chen/phone", Dialect::OwnTracks, false)];
        directory.apply(Update { to: 1, upserts, ..Update::default() }).unwrap();
        directory
    }

    #[test]
    fn a_listed_terminal_is_read_in_its_dialect_with_its_settings() {
        let report = read(&uplink("P1", "ydt/1/P1/alert", r#"{"type":"cancel"}"#), &directory());
        assert_eq!((report.dialect, report.event, report.drill), (Dialect::Ydt, Some(Event::Cancel), true));
        let press = r#"{"_type":"location","t":"u","lat":28.2,"lon":112.9}"#;
        let report = read(&uplink("chen/phone", "owntracks/chen/phone", press), &directory());
        assert_eq!(report.event, Some(Event::Alert { kind: AlertKind::Sos }));
    }

    #[test]
    fn a_terminal_that_nobody_lists_is_heard_all_the_same() {
        let press = r#"{"type":"alert","kind":"sos"}"#;
        let report = read(&uplink("P9", "ydt/1/P9/alert", press), &directory());
        assert_eq!(report.event, Some(Event::Alert { kind: AlertKind::Sos }));
        assert!(report.authenticated && report.doubts.contains(&Doubt::UnknownTerminal));
        let report = read(&uplink("P9", "ydt/1/P9/alert", press), &Directory::default());
        assert!(!report.doubts.contains(&Doubt::UnknownTerminal), "without a directory nobody is unknown");
    }

    #[test]
    fn a_topic_of_another_dialect_is_read_as_what_it_is() {
        let report = read(&uplink("P1", "owntracks/P1", r#"{"_type":"lwt","tst":1}"#), &directory());
        assert_eq!((report.dialect, report.event), (Dialect::OwnTracks, Some(Event::Offline)));
    }
}
