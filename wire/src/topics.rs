//! Every MQTT topic a terminal may use: the only place that builds or takes one apart.

mod mapping;

use crate::directory::{Dialect, Terminal};

pub use mapping::{Clash, Mapping, Mappings, Said, Template, TemplateError};

/// Which of the two lanes a message travels in, end to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Alerts, cancels, check-ins, requests: acknowledged only when durable, never shed.
    Alert,
    /// Fixes, status, acknowledgements: acknowledged once the bus has them, shed under overload.
    Telemetry,
}

/// The native dialect's topics below `ydt/1/<serial>/`.
pub mod ydt {
    /// Up, alert lane: alert, cancel, check-in, request.
    pub const ALERT: &str = "alert";
    /// Up, telemetry: a batch of fixes.
    pub const FIX: &str = "fix";
    /// Up, telemetry: battery, signal, worn.
    pub const STATUS: &str = "status";
    /// Up, telemetry: the wearer's terminal has shown a notice, or answers a command.
    pub const ACK: &str = "ack";
    /// Down: the answer to one alert-lane message.
    pub const RECEIPT: &str = "receipt";
    /// Down: news for the wearer.
    pub const NOTICE: &str = "notice";
    /// Down: something for the terminal to do.
    pub const COMMAND: &str = "command";
}

/// The prefix, without a final slash, below which everything belongs to this terminal.
pub fn prefix(dialect: Dialect, serial: &str) -> String {
    match dialect {
        Dialect::Ydt => format!("ydt/1/{serial}"),
        Dialect::OwnTracks => format!("owntracks/{serial}"),
        // What has no topics is filed under a name of the same form.
        _ => format!("{}/{serial}", dialect.as_str()),
    }
}

/// The topic `leaf` of a terminal.
pub fn topic(dialect: Dialect, serial: &str, leaf: &str) -> String {
    format!("{}/{leaf}", prefix(dialect, serial))
}

/// What follows the terminal's own prefix: `""` for the prefix itself, `None` for a foreign topic.
pub fn leaf<'t>(dialect: Dialect, serial: &str, topic: &'t str) -> Option<&'t str> {
    let rest = match dialect {
        Dialect::Ydt => topic.strip_prefix("ydt/1/")?,
        Dialect::OwnTracks => topic.strip_prefix("owntracks/")?,
        _ => topic.strip_prefix(dialect.as_str())?.strip_prefix('/')?,
    };
    let rest = rest.strip_prefix(serial)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// Whose topic, or filter, it is: the serial that stands where one would. It may be of nobody, and in a filter `+` or `#`.
pub fn serial(topic: &str) -> Option<&str> {
    if let Some(rest) = topic.strip_prefix("ydt/1/") {
        return rest.split('/').next();
    }
    let rest = topic.strip_prefix("owntracks/")?;
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let device = below.split('/').next()?;
    rest.get(..user.len() + 1 + device.len()).or((user == "#").then_some(user))
}

/// The lane of what `terminal` publishes to `topic`; `None` when it may not publish there.
pub fn publish_lane(terminal: &Terminal, topic: &str) -> Option<Lane> {
    let leaf = leaf(terminal.dialect, &terminal.serial, topic)?;
    match terminal.dialect {
        Dialect::Ydt => match leaf {
            ydt::ALERT => Some(Lane::Alert),
            ydt::FIX | ydt::STATUS | ydt::ACK => Some(Lane::Telemetry),
            _ => None,
        },
        Dialect::OwnTracks => match leaf {
            "cmd" => None,
            // Presses share this topic with positions, so all of it is alert lane.
            "" if terminal.manual_publish_means_help => Some(Lane::Alert),
            _ => Some(Lane::Telemetry),
        },
        // Which of its topics carries presses is not known before it is read.
        Dialect::Mapped => Some(Lane::Alert),
        Dialect::Watch | Dialect::Jt808 | Dialect::Gt06 | Dialect::Eview | Dialect::Scaip => None,
    }
}

/// Whether a later message to `topic` makes an earlier one needless: where somebody is, and how their terminal is. What
/// happened, and what was acknowledged, is told once.
pub fn is_superseded(terminal: &Terminal, topic: &str) -> bool {
    match (terminal.dialect, leaf(terminal.dialect, &terminal.serial, topic)) {
        (Dialect::Ydt, Some(leaf)) => matches!(leaf, ydt::FIX | ydt::STATUS),
        (Dialect::OwnTracks, Some(leaf)) => leaf.is_empty(),
        _ => false,
    }
}

/// Whether `terminal` may subscribe to `filter`: only to what lies wholly below its own prefix.
pub fn may_subscribe(terminal: &Terminal, filter: &str) -> bool {
    leaf(terminal.dialect, &terminal.serial, filter).is_some()
}

/// Whether a concentrator may subscribe to `filter`: to the topics of any terminals, of which it gets those that
/// `is_its_own` says are its own, or of one that is.
pub fn may_subscribe_for(filter: &str, is_its_own: impl FnOnce(&str) -> bool) -> bool {
    serial(filter).is_some_and(|serial| serial.contains(['+', '#']) || is_its_own(serial))
}

/// Whether `topic` matches an MQTT `filter` with `+` and `#`.
pub fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(dialect: Dialect, serial: &str) -> Terminal {
        Terminal {
            serial: serial.into(),
            login: serial.into(),
            secret_sha256: [0; 32],
            dialect,
            manual_publish_means_help: true,
            profile: None,
            drill: false,
            concentrator: None,
            certificate: None,
        }
    }

    #[test]
    fn a_terminal_speaks_only_below_its_own_prefix() {
        let pager = terminal(Dialect::Ydt, "P1");
        assert_eq!(publish_lane(&pager, "ydt/1/P1/alert"), Some(Lane::Alert));
        assert_eq!(publish_lane(&pager, "ydt/1/P1/fix"), Some(Lane::Telemetry));
        for foreign in ["ydt/1/P2/alert", "ydt/1/P11/alert", "ydt/1/P1", "ydt/1/P1/notice", "owntracks/P1", "$SYS/x"] {
            assert_eq!(publish_lane(&pager, foreign), None, "{foreign}");
        }
        assert!(may_subscribe(&pager, "ydt/1/P1/#"));
        assert!(may_subscribe(&pager, "ydt/1/P1/notice"));
        for foreign in ["#", "ydt/1/+/notice", "ydt/1/P2/notice", "ydt/#"] {
            assert!(!may_subscribe(&pager, foreign), "{foreign}");
        }
    }

    #[test]
    fn a_later_position_makes_an_earlier_one_needless_and_a_later_event_does_not() {
        let (pager, phone) = (terminal(Dialect::Ydt, "P1"), terminal(Dialect::OwnTracks, "chen/phone"));
        assert!(is_superseded(&pager, "ydt/1/P1/fix") && is_superseded(&pager, "ydt/1/P1/status"));
        assert!(is_superseded(&phone, "owntracks/chen/phone"));
        assert!(!is_superseded(&pager, "ydt/1/P1/ack") && !is_superseded(&phone, "owntracks/chen/phone/event"));
    }

    #[test]
    fn manual_publish_makes_the_whole_location_topic_alert_lane() {
        let mut phone = terminal(Dialect::OwnTracks, "chen/phone");
        assert_eq!(publish_lane(&phone, "owntracks/chen/phone"), Some(Lane::Alert));
        assert_eq!(publish_lane(&phone, "owntracks/chen/phone/event"), Some(Lane::Telemetry));
        assert_eq!(publish_lane(&phone, "owntracks/chen/phone/cmd"), None);
        phone.manual_publish_means_help = false;
        assert_eq!(publish_lane(&phone, "owntracks/chen/phone"), Some(Lane::Telemetry));
    }

    #[test]
    fn the_serial_stands_where_its_dialect_has_it() {
        let serials = [
            ("ydt/1/P1/alert", Some("P1")),
            ("ydt/1/P1", Some("P1")),
            ("ydt/1/+/#", Some("+")),
            ("ydt/1/#", Some("#")),
            ("owntracks/chen/phone", Some("chen/phone")),
            ("owntracks/chen/phone/event", Some("chen/phone")),
            ("owntracks/+/+/cmd", Some("+/+")),
            ("owntracks/#", Some("#")),
            ("owntracks/chen", None),
            ("ydt/#", None),
            ("#", None),
            ("", None),
            ("$SYS/ydt/1/P1", None),
        ];
        for (topic, serial_there) in serials {
            assert_eq!(serial(topic), serial_there, "{topic}");
        }
    }

    #[test]
    fn a_concentrator_may_listen_to_many_or_to_one_of_its_own() {
        let may = |filter| may_subscribe_for(filter, |serial| serial == "P1");
        for filter in ["ydt/1/+/#", "ydt/1/#", "ydt/1/+/notice", "ydt/1/P1/#", "owntracks/+/+/cmd", "owntracks/#"] {
            assert!(may(filter), "{filter}");
        }
        for filter in ["#", "+/1/P1/#", "ydt/#", "ydt/1/P2/notice", "owntracks/chen/phone/cmd", "$SYS/#"] {
            assert!(!may(filter), "{filter}");
        }
    }

    #[test]
    fn filters_match_as_mqtt_says() {
        assert!(matches("a/#", "a"));
        assert!(matches("a/#", "a/b/c"));
        assert!(matches("a/+/c", "a/b/c"));
        assert!(!matches("a/+", "a/b/c"));
        assert!(!matches("a/b", "a"));
    }
}
