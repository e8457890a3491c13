//! Settings of the listeners for terminals that come to the gateway itself: watches, JT/T 808, GT06, EV-07B, social alarms,
//! and phones over HTTP.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::time::Duration;

use gateway::codec::conversation::Strictness;
use gateway::codec::scaip;
use gateway::listeners::Rate;
use gateway::{ListenerConfig, Transport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::directory::Dialect;

/// Where terminals come that do not speak MQTT, each dialect at its own address. But for `owntracks_http` they prove
/// nothing: whoever knows a terminal's number can call in its name.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenersSettings {
    /// Watches, pendants and pagers of the SeTracker family (docs/dialects/watch.md).
    pub watch: ListenerSettings,
    /// JT/T 808 (docs/dialects/jt808.md).
    pub jt808: ListenerSettings,
    /// JT/T 808 over UDP. An address that says something is held for a connection.
    pub jt808_udp: ListenerSettings,
    /// GT06 and its kin (docs/dialects/gt06.md).
    pub gt06: ListenerSettings,
    /// EV-07B pendants (docs/dialects/eview.md).
    pub eview: ListenerSettings,
    /// Social alarms of SS 91100 in SIP over TCP (docs/dialects/scaip.md).
    pub scaip: ListenerSettings,
    /// The same over UDP; one address may serve both.
    pub scaip_udp: ListenerSettings,
    /// How social alarms are answered, over both.
    pub scaip_answers: ScaipAnswers,
    /// Phones with OwnTracks over HTTP (docs/dialects/owntracks.md). They show the terminal's secret, in the clear: put what
    /// ends TLS in front. Of the settings of a listener those for strictness, lists, serials and waiting alerts do not
    /// hold for it.
    pub owntracks_http: ListenerSettings,
}

/// How social alarms are answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScaipAnswers {
    /// Where the answer travels: `separate`, in a MESSAGE of its own after a 200 without a body, or `in_body`, in the
    /// body of the 200. Units differ.
    #[schemars(with = "String")]
    pub mode: scaip::AnswerMode,
    /// The number that a unit with a voice is told to call after an alarm. Without it, none is.
    #[schemars(example = "+8673100000000")]
    pub call: Option<String>,
    /// Host and port at which units reach us, for messages of our own. Without it, the address of ours that the
    /// unit sees, which is wrong behind a translation of addresses.
    #[schemars(example = "alarm.example.org:5060")]
    pub reached_at: Option<String>,
}

/// One listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerSettings {
    /// Where its terminals come. Without it, nowhere.
    #[schemars(example = "0.0.0.0:8001")]
    pub listen: Option<SocketAddr>,
    /// What to do with frames whose checksum or length is wrong: `lenient` reads them with a doubt on the card, `strict`
    /// believes nothing of them but that an alarm is one.
    #[schemars(with = "String")]
    pub strictness: Strictness,
    /// Whether of terminals that are not listed (`yidiantong terminal add`) only calls for help are taken, for an operator
    /// to look at.
    pub only_listed: bool,
    /// Whether the number that a terminal calls itself counts as proof, so that 120 may be called without a person: only
    /// where nobody else can reach the listener, in a private network of the mobile operator's.
    pub trusts_serials: bool,
    /// After how many seconds without a frame a connection is closed. Without it by the dialect's habits: 25 minutes for
    /// watches, 1 for phones over HTTP, 16 for the others.
    #[schemars(example = &1500)]
    pub idle_s: Option<NonZeroU32>,
    /// How many connections there may be at once.
    pub connections_max: NonZeroUsize,
    /// How many of them may not have named a listed terminal yet: the next is closed.
    pub unidentified_max: NonZeroUsize,
    /// How many seconds they may take for that.
    pub unidentified_s: NonZeroU32,
    /// The longest frame that is taken, in bytes. Without it, the longest that the dialect has.
    #[schemars(example = &65536)]
    pub frame_max_bytes: Option<NonZeroUsize>,
    /// How many connections are taken a second from one address, ten times as many at once; the others are closed. 0: as
    /// many as come, which a TCP balancer before it needs.
    pub accepted_per_s_from_one_address: u32,
    /// How many alerts of one connection may wait to be stored, before nothing more is read from it.
    pub alerts_waiting_max: NonZeroU16,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        let count = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            listen: None,
            strictness: Strictness::Lenient,
            only_listed: true,
            trusts_serials: false,
            idle_s: None,
            connections_max: count(100_000),
            unidentified_max: count(4096),
            unidentified_s: NonZeroU32::new(60).unwrap_or(NonZeroU32::MIN),
            frame_max_bytes: None,
            accepted_per_s_from_one_address: 50,
            alerts_waiting_max: NonZeroU16::new(16).unwrap_or(NonZeroU16::MIN),
        }
    }
}

impl ListenersSettings {
    /// The listeners that are switched on.
    pub fn configs(&self) -> Vec<ListenerConfig> {
        let each = [
            (Dialect::Watch, Transport::Tcp, &self.watch),
            (Dialect::Jt808, Transport::Tcp, &self.jt808),
            (Dialect::Jt808, Transport::Udp, &self.jt808_udp),
            (Dialect::Gt06, Transport::Tcp, &self.gt06),
            (Dialect::Eview, Transport::Tcp, &self.eview),
            (Dialect::Scaip, Transport::Tcp, &self.scaip),
            (Dialect::Scaip, Transport::Udp, &self.scaip_udp),
            (Dialect::OwnTracks, Transport::Http, &self.owntracks_http),
        ];
        let on = each.into_iter().filter_map(|(dialect, transport, settings)| settings.config(dialect, transport));
        on.map(|config| ListenerConfig { answers: self.scaip_answers.settings(), ..config }).collect()
    }
}

impl ScaipAnswers {
    fn settings(&self) -> scaip::Settings {
        let local = self.reached_at.clone().unwrap_or_default();
        scaip::Settings { answer: self.mode, call: self.call.clone(), local, source: None }
    }
}

impl ListenerSettings {
    fn config(&self, dialect: Dialect, transport: Transport) -> Option<ListenerConfig> {
        let own = match transport {
            Transport::Tcp => ListenerConfig::new(dialect, self.listen?)?,
            Transport::Udp => ListenerConfig::udp(dialect, self.listen?)?,
            Transport::Http => ListenerConfig::http(self.listen?),
        };
        let per_s = self.accepted_per_s_from_one_address;
        Some(ListenerConfig {
            strictness: self.strictness,
            idle: self.idle_s.map_or(own.idle, |seconds| Duration::from_secs(seconds.get().into())),
            connections_max: self.connections_max.get(),
            unidentified_max: self.unidentified_max.get(),
            unidentified_for: Duration::from_secs(self.unidentified_s.get().into()),
            frame_max: self.frame_max_bytes.map_or(own.frame_max, NonZeroUsize::get),
            address_rate: Rate::new(per_s, per_s.saturating_mul(10)),
            only_listed: self.only_listed,
            trusts_serials: self.trusts_serials,
            alerts_waiting_max: self.alerts_waiting_max.get().into(),
            ..own
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<ListenerConfig> {
        toml::from_str::<ListenersSettings>(text).unwrap().configs()
    }

    #[test]
    fn none_listens_that_is_not_switched_on() {
        assert!(read("").is_empty());
        let on = read("[watch]\nlisten = \"127.0.0.1:0\"\n[gt06]\nidle_s = 60");
        assert_eq!(on.iter().map(|config| config.dialect).collect::<Vec<_>>(), [Dialect::Watch]);
    }

    #[test]
    fn every_listener_has_a_name_of_its_own_and_can_be_switched_on() {
        let names = ["watch", "jt808", "jt808_udp", "gt06", "eview", "scaip", "scaip_udp", "owntracks_http"];
        let text = names.map(|name| format!("[{name}]\nlisten = \"127.0.0.1:0\"\n")).concat();
        let name = |config: &ListenerConfig| {
            let ListenerConfig { dialect, transport, listen, .. } = *config;
            gateway::ListensAt { dialect, transport, address: listen }.name()
        };
        assert_eq!(read(&text).iter().map(name).collect::<Vec<_>>(), names);
    }

    #[test]
    fn social_alarms_are_answered_as_is_set() {
        let text = "[scaip_udp]\nlisten = \"127.0.0.1:0\"\n[scaip_answers]\nmode = \"in_body\"\ncall = \"112\"";
        let answers = &read(text)[0].answers;
        assert_eq!((answers.answer, answers.call.as_deref()), (scaip::AnswerMode::InBody, Some("112")));
    }

    #[test]
    fn what_is_not_set_is_as_a_listener_has_it() {
        let listen = "127.0.0.1:0".parse().unwrap();
        let (set, own) = (&read("[jt808]\nlisten = \"127.0.0.1:0\"")[0], ListenerConfig::new(Dialect::Jt808, listen));
        assert_eq!(format!("{set:?}"), format!("{:?}", own.unwrap()));
        let set = &read("[watch]\nlisten = \"127.0.0.1:0\"\nidle_s = 7\nstrictness = \"strict\"")[0];
        assert_eq!((set.idle, set.strictness), (Duration::from_secs(7), Strictness::Strict));
    }
}
