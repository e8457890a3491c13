//! From a message on the bus to a report: the directory says who speaks, the codec what is said.

use std::sync::Arc;

use wire::bus::Uplink;
use wire::directory::{Dialect, Directory, Lookup, Terminal};
use wire::report::{Doubt, Event, Report};
use wire::topics;

use crate::codec::mapped::{Profile, Profiles};
use crate::codec::{self, ManualPublish, Message};

/// What has to be known of terminals to read them.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) directory: Arc<Directory>,
    pub(crate) profiles: Arc<Profiles>,
}

impl Reader {
    /// Reads one message.
    pub(crate) fn read(&self, uplink: &Uplink<'_>) -> Report {
        read(uplink, &self.directory, &self.profiles)
    }
}

fn read(uplink: &Uplink<'_>, directory: &Directory, profiles: &Profiles) -> Report {
    let lookup = directory.by_serial(&uplink.serial);
    let terminal: Option<&Arc<Terminal>> = match &lookup {
        Lookup::Listed(terminal) => Some(terminal),
        Lookup::Unlisted | Lookup::NoDirectory => None,
    };
    let profile = profile_of(uplink, profiles);
    // The topic has the last word: a terminal may have been given another dialect a moment ago.
    let dialect = match profile {
        Some(_) => Dialect::Mapped,
        None => terminal
            .map(|terminal| terminal.dialect)
            .filter(|dialect| topics::leaf(*dialect, &uplink.serial, &uplink.topic).is_some())
            .unwrap_or_else(|| codec::dialect_of(&uplink.topic)),
    };
    let key = if dialect == Dialect::OwnTracks { directory.payload_key(&uplink.serial) } else { None };
    let key = key.as_ref().map(wire::directory::PayloadKey::reveal);
    let manual_publish = match terminal {
        Some(terminal) if terminal.manual_publish_means_help => ManualPublish::MeansHelp,
        _ => ManualPublish::MeansHere,
    };
    let leaf = topics::leaf(dialect, &uplink.serial, &uplink.topic).unwrap_or(&uplink.topic);
    let (payload, lane, received_at) = (&uplink.payload[..], uplink.lane, uplink.received_at);
    let mut decoded =
        codec::decode(dialect, &Message { leaf, payload, lane, manual_publish, key, profile, received_at });
    if let (Some(profile), Some(Event::CommandAnswered(answer))) = (profile, &mut decoded.event)
        && let Some(ours) = profile.answered_command(&answer.word)
    {
        // Makers' answers have no number: the dispatcher finds the order by our own word for it.
        ours.clone_into(&mut answer.word);
    }
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

/// How a mapped terminal's message is to be read. Its topic says that; who it is, the edge has found out.
fn profile_of<'p>(uplink: &Uplink<'_>, profiles: &'p Profiles) -> Option<&'p Profile> {
    let (profile, serial) = profiles.of(&uplink.topic)?;
    (serial == uplink.serial).then_some(&**profile)
}

#[cfg(test)]
mod tests {
    use domain::press::AlertKind;
    use jiff::Timestamp;
    use uuid::Uuid;
    use wire::directory::{Keyed, Update};
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
        let upserts = vec![
            terminal("P1", Dialect::Ydt, true),
            terminal("chen/phone", Dialect::OwnTracks, false),
            terminal("860000000000017", Dialect::Mapped, false),
        ];
        let keys = vec![Keyed { serial: "chen/phone".into(), key: "kaifu-2026".parse().unwrap() }];
        directory.apply(Update { to: 1, upserts, keys, ..Update::default() }).unwrap();
        directory
    }

    fn read(uplink: &Uplink<'_>, directory: &Directory) -> Report {
        super::read(uplink, directory, &Profiles::shipped())
    }

    #[test]
    fn a_mapped_terminal_is_read_by_the_profile_of_its_topic_listed_or_not() {
        for (serial, is_listed) in [("860000000000017", true), ("860000000000018", false)] {
            let topic = format!("atom/g616/status/{serial}");
            let press = format!(r#"{{"imei":"{serial}","sos":true,"battery":"36"}}"#);
            let report = read(&uplink(serial, &topic, &press), &directory());
            assert_eq!(report.dialect, Dialect::Mapped);
            assert_eq!(report.event, Some(Event::Alert { kind: AlertKind::Sos }));
            assert_eq!(report.doubts.contains(&Doubt::UnknownTerminal), !is_listed);
        }
        let report = read(&uplink("860000000000017", "atom/g616/cmd/860000000000017/MESSAGE", "MESSAGE"), &directory());
        let Some(Event::CommandAnswered(answer)) = report.event else { panic!("no answer: {:?}", report.event) };
        assert_eq!((answer.number, answer.word.as_str(), answer.text.as_str()), (None, "text", "MESSAGE"));
    }

    #[test]
    fn what_a_phone_encrypts_is_read_with_its_key_and_kept_with_the_reason_when_that_is_another() {
        let place = br#"{"_type":"location","t":"u","lat":28.2311,"lon":112.9822,"tst":1767225903}"#;
        let sealed = |key| String::from_utf8(codec::owntracks::seal(place, key, &[7; 24])).unwrap();
        let report = read(&uplink("chen/phone", "owntracks/chen/phone", &sealed("kaifu-2026")), &directory());
        assert_eq!((report.event, report.fixes.len()), (Some(Event::Alert { kind: AlertKind::Sos }), 1));
        let raw = sealed("kaifu-2027");
        let report = read(&uplink("chen/phone", "owntracks/chen/phone", &raw), &directory());
        let Some(Event::Unreadable { why }) = report.event else { panic!("read: {:?}", report.event) };
        assert!(why.contains("another key") && !why.contains("kaifu"), "{why}");
        assert_eq!(report.raw, raw.as_bytes());
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
