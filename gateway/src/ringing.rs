//! What rings from memory when it cannot be stored, and in which words.

use domain::press::AlertKind;
use wire::report::{Event, Report, Unstored};

/// What the consoles show while `report` is not stored; `None` when nobody needs to be woken for it.
pub(crate) fn unstored(report: &Report) -> Option<Unstored> {
    let what = match report.event.as_ref()? {
        Event::Alert { kind } => alert(*kind),
        Event::Unreadable { .. } => "an alert that nobody can read",
        Event::Request { .. } => "a request for daily help",
        Event::Cancel => "an alert taken back by the wearer",
        Event::CheckIn
        | Event::NoticeAcknowledged { .. }
        | Event::CommandAnswered(_)
        | Event::Transition { .. }
        | Event::Offline
        | Event::Other { .. } => return None,
    };
    let what = if report.drill { format!("drill: {what}") } else { what.to_owned() };
    let (id, serial) = (report.id, report.serial.clone());
    Some(Unstored { id, serial, received_at: report.received_at, what, stored: false })
}

const fn alert(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Sos => "the SOS key was pressed",
        AlertKind::Fall => "a fall",
        AlertKind::Smoke => "smoke or fire",
        AlertKind::Gas => "gas",
        AlertKind::HeartRate => "a heart rate outside its limits",
        AlertKind::Removed => "the terminal was taken off",
        AlertKind::LowBattery => "the battery is nearly flat",
        AlertKind::FenceExit => "a fence was left",
        AlertKind::Telephone => "a call by telephone",
        AlertKind::Silent => "a terminal that is not heard any more",
        AlertKind::MissedCheckIn => "a check-in that did not come",
        AlertKind::Unreadable => "an alert that nobody can read",
        AlertKind::General => "an alert of an unknown kind",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;
    use wire::directory::Dialect;
    use wire::report::{Stamp, Surroundings};
    use wire::topics::Lane;

    use super::*;

    pub(crate) fn report(id: u128, serial: &str, event: Option<Event>) -> Report {
        Report {
            version: wire::report::VERSION,
            id: Uuid::from_u128(id),
            serial: serial.into(),
            dialect: Dialect::Ydt,
            authenticated: true,
            drill: false,
            lane: Lane::Alert,
            topic: format!("ydt/1/{serial}/alert"),
            received_at: Timestamp::UNIX_EPOCH,
            repeated: false,
            raw: Vec::new(),
            stamp: Stamp::default(),
            event,
            fixes: Vec::new(),
            status: None,
            also: Vec::new(),
            surroundings: Surroundings::default(),
            vitals: Vec::new(),
            doubts: Vec::new(),
        }
    }

    #[test]
    fn a_press_rings_and_a_plain_position_does_not() {
        assert!(unstored(&report(1, "P1", Some(Event::Alert { kind: AlertKind::Sos }))).is_some());
        assert!(unstored(&report(1, "P1", Some(Event::Unreadable { why: "x".into() }))).is_some());
        assert!(unstored(&report(1, "P1", None)).is_none());
    }
}
