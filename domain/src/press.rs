//! What a terminal can ask for, and when two messages are one and the same press.

use jiff::{SignedDuration, Timestamp};

use crate::word::words;

words! {
    /// What raised an alert. A new kind on an open incident may add a hand-over of its own.
    pub enum AlertKind ("kind of alert") {
        /// The wearer pressed the key.
        Sos = "sos",
        /// A fall detector.
        Fall = "fall",
        /// Smoke or fire.
        Smoke = "smoke",
        /// Gas.
        Gas = "gas",
        /// A heart rate outside the model's limits.
        HeartRate = "heart_rate",
        /// Taken off or tampered with.
        Removed = "removed",
        /// Nearly flat.
        LowBattery = "low_battery",
        /// Left a fence held by the terminal itself.
        FenceExit = "fence_exit",
        /// Someone called by telephone.
        Telephone = "telephone",
        /// A message on the alert lane that nobody could read.
        Unreadable = "unreadable",
        /// Nobody pressed: the terminal has not been heard for too long.
        Silent = "silent",
        /// Nobody pressed: the word that all is well did not come when it should have.
        MissedCheckIn = "missed_check_in",
        /// The terminal said "alarm" and not which.
        General = "general",
    }
}

impl AlertKind {
    /// Whether it is ours to raise, and nothing that a terminal can say.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Telephone | Self::Unreadable | Self::Silent | Self::MissedCheckIn)
    }
}

/// What tells one press from another: the terminal's own counters, where its dialect has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Counts the terminal's restarts; with `seq` unique for each press.
    pub boot_seq: Option<(u32, u32)>,
    /// The terminal's own time for the press.
    pub device_at: Option<Timestamp>,
}

/// An earlier message of the same terminal with *the same bytes*.
#[derive(Debug, Clone, Copy)]
pub struct Earlier {
    /// When it was received.
    pub received_at: Timestamp,
    /// Whether the incident that it belongs to is still open.
    pub incident_open: bool,
}

/// Boot and sequence numbers repeat after a battery change, packet ids much sooner: neither means
/// anything after a day.
const SAME_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// Without any counter, the same bytes are believed to be a repetition for this long.
const REPEATED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// Whether a message is `earlier` come again, given that terminal and bytes are the same.
///
/// `repeated` is the transport's own word for it (the DUP flag of MQTT). In doubt the answer is no:
/// one more line in a timeline costs nothing, a swallowed press a life.
pub fn is_same_press(stamp: Stamp, repeated: Repeated, now: Timestamp, earlier: Earlier) -> bool {
    let age = now.duration_since(earlier.received_at);
    let limit = match (stamp.boot_seq, repeated) {
        (Some(_), _) | (None, Repeated::Yes) => SAME_WITHIN,
        (None, Repeated::No) if earlier.incident_open || stamp.device_at.is_some() => REPEATED_WITHIN,
        (None, Repeated::No) => return false,
    };
    age <= limit
}

/// Whether the transport says that it delivers a message again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// Flagged as delivered again.
    Yes,
    /// Not flagged.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTED: Stamp = Stamp { boot_seq: Some((1, 7)), device_at: None };
    const TIMED: Stamp = Stamp { boot_seq: None, device_at: Some(Timestamp::UNIX_EPOCH) };
    const BARE: Stamp = Stamp { boot_seq: None, device_at: None };

    #[track_caller]
    fn check(stamp: Stamp, repeated: Repeated, minutes: i64, incident_open: bool, same: bool) {
        let received_at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let now = received_at + SignedDuration::from_mins(minutes);
        assert_eq!(is_same_press(stamp, repeated, now, Earlier { received_at, incident_open }), same);
    }

    #[test]
    fn a_counted_press_is_the_same_for_a_day_and_no_longer() {
        check(COUNTED, Repeated::No, 24 * 60, false, true);
        check(COUNTED, Repeated::No, 24 * 60 + 1, true, false);
    }

    #[test]
    fn without_a_counter_only_a_quick_repetition_is_the_same() {
        check(BARE, Repeated::No, 5, true, true);
        check(BARE, Repeated::No, 5, false, false);
        check(BARE, Repeated::No, 11, true, false);
        check(TIMED, Repeated::No, 5, false, true);
        check(TIMED, Repeated::No, 11, false, false);
        check(BARE, Repeated::Yes, 60, false, true);
    }
}
