//! What is said to one terminal that comes over MQTT: in its dialect, by its profile, under its key.

use std::sync::Arc;

use wire::command::Order;
use wire::directory::{Dialect, Directory, Terminal};
use wire::notice::Notice;

use crate::codec::conversation::CannotSay;
use crate::codec::mapped::{Profile, Profiles};
use crate::codec::owntracks::{self, NonceBytes};
use crate::codec::{self, Ordered, Outgoing};

/// What has to be known of terminals to speak to them.
#[derive(Debug, Clone)]
pub(crate) struct Speech {
    directory: Arc<Directory>,
    profiles: Arc<Profiles>,
}

impl Speech {
    pub(crate) fn new(directory: Arc<Directory>, profiles: Arc<Profiles>) -> Self {
        Self { directory, profiles }
    }

    /// News for the wearer; `None` when the terminal cannot be told.
    pub(crate) fn notice(&self, terminal: &Terminal, notice: &Notice) -> Option<Outgoing> {
        let outgoing = codec::encode_notice(terminal.dialect, self.profile(terminal), notice)?;
        Some(self.sealed(terminal, outgoing))
    }

    /// Something for the terminal to do.
    pub(crate) fn order(&self, terminal: &Terminal, order: &Order) -> Result<Ordered, CannotSay> {
        let Ordered { outgoing, answered_as } = codec::encode_order(terminal.dialect, self.profile(terminal), order)?;
        Ok(Ordered { outgoing: self.sealed(terminal, outgoing), answered_as })
    }

    fn profile(&self, terminal: &Terminal) -> Option<&Profile> {
        let is_mapped = terminal.dialect == Dialect::Mapped;
        self.profiles.of_terminal(terminal).filter(|_| is_mapped).map(|profile| &**profile)
    }

    /// Whoever encrypts what it says is answered likewise.
    fn sealed(&self, terminal: &Terminal, outgoing: Outgoing) -> Outgoing {
        let key =
            if terminal.dialect == Dialect::OwnTracks { self.directory.payload_key(&terminal.serial) } else { None };
        match key {
            Some(key) => {
                let nonce: NonceBytes = rand::random();
                Outgoing { payload: owntracks::seal(&outgoing.payload, key.reveal(), &nonce), ..outgoing }
            }
            None => outgoing,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;
    use wire::command::Command;
    use wire::directory::{Keyed, Update};
    use wire::notice::News;

    use super::*;

    fn terminal(serial: &str, dialect: Dialect, profile: Option<&str>) -> Terminal {
        Terminal {
            serial: serial.into(),
            login: serial.into(),
            secret_sha256: [0; 32],
            dialect,
            manual_publish_means_help: true,
            profile: profile.map(Into::into),
            drill: false,
            concentrator: None,
            certificate: None,
        }
    }

    fn speech(profiles: Profiles) -> Speech {
        let directory = Directory::default();
        let upserts =
            vec![terminal("chen/phone", Dialect::OwnTracks, None), terminal("li/phone", Dialect::OwnTracks, None)];
        let keys = vec![Keyed { serial: "chen/phone".into(), key: "kaifu-2026".parse().unwrap() }];
        directory.apply(Update { to: 1, upserts, keys, ..Update::default() }).unwrap();
        Speech::new(Arc::new(directory), Arc::new(profiles))
    }

    fn notice(serial: &str) -> Notice {
        Notice {
            version: wire::notice::VERSION,
            id: Uuid::nil(),
            serial: serial.into(),
            incident: Uuid::nil(),
            news: News::Coming { minutes: Some(4), who: "王护士".into() },
            not_after: Timestamp::UNIX_EPOCH,
            drill: false,
        }
    }

    fn order(serial: &str, command: Command) -> Order {
        let (version, id, number) = (wire::command::VERSION, Uuid::nil(), 7);
        Order { version, id, serial: serial.into(), command, number, not_after: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_mapped_terminal_is_spoken_to_by_the_profile_it_is_listed_with_or_the_only_one() {
        let watch = |profile| terminal("860000000000017", Dialect::Mapped, profile);
        let one = speech(Profiles::shipped());
        for profile in [Some("g616"), None] {
            let outgoing = one.notice(&watch(profile), &notice("860000000000017")).unwrap();
            assert_eq!(outgoing.topic, "atom/g616/cmd/860000000000017/MESSAGE");
            assert_eq!(String::from_utf8(outgoing.payload).unwrap(), "王护士正在赶来,约4分钟");
        }
        assert_eq!(one.notice(&watch(Some("unheard of")), &notice("860000000000017")), None);
        let two =
            Profiles::shipped().and("[[profile]]\nname = \"x\"\n[profile.topics]\nup = [\"x/{serial}\"]\n").unwrap();
        let two = speech(two);
        assert_eq!(two.notice(&watch(None), &notice("860000000000017")), None, "it could be either");
        assert_eq!(one.order(&watch(Some("g616")), &order("860000000000017", Command::Find)), Err(CannotSay::NoWord));
        let text = one.order(&watch(Some("g616")), &order("860000000000017", Command::Text { text: "请开门".into() }));
        assert_eq!(text.unwrap().answered_as.as_deref(), Some("MESSAGE"));
    }

    #[test]
    fn whoever_encrypts_is_spoken_to_under_the_same_key_and_never_twice_alike() {
        let speech = speech(Profiles::shipped());
        let said = |serial: &str| {
            let ordered = speech.order(&terminal(serial, Dialect::OwnTracks, None), &order(serial, Command::Locate));
            String::from_utf8(ordered.unwrap().outgoing.payload).unwrap()
        };
        assert!(said("li/phone").contains("reportLocation"));
        assert!(said("chen/phone").contains("\"encrypted\"") && !said("chen/phone").contains("reportLocation"));
        assert_ne!(said("chen/phone"), said("chen/phone"));
        let phone = terminal("chen/phone", Dialect::OwnTracks, None);
        assert!(
            String::from_utf8(speech.notice(&phone, &notice("chen/phone")).unwrap().payload)
                .unwrap()
                .contains("encrypted")
        );
    }
}
