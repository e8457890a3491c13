//! What a connection owes its terminal: replies that may leave once the report that they answer is durable.
//!
//! Terminals repeat an alarm until they are answered. A copy that comes while the first still waits is answered together
//! with it: where answers have no number, the second would be taken for the answer to the next press.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// How long after its answer a copy is one that crossed it on the way. Whoever has not heard the answer repeats once more
/// after that; firmware that was seen does so after 30 s.
const CROSSES_WITHIN: Duration = Duration::from_secs(3);

/// What a report was read from. The same again on the same connection is a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// Who the terminal said that it is: not all frames say so themselves.
    pub(super) says: Option<String>,
    /// As it came, with its numbers and sums.
    pub(super) frame: Vec<u8>,
}

/// A report on its way.
#[derive(Debug)]
struct Waiting {
    report: Uuid,
    origin: Origin,
    since: Instant,
    replies: Vec<Vec<u8>>,
    is_durable: bool,
}

/// The replies of one connection that wait, in the order of their reports. They leave in that order.
#[derive(Debug, Default)]
pub(super) struct Owed {
    waiting: VecDeque<Waiting>,
    /// What was answered last, and when.
    answered: Option<(Origin, Instant)>,
}

impl Owed {
    /// Holds replies back until `report` is durable; none is something to wait for, too.
    pub(super) fn hold(&mut self, report: Uuid, origin: Origin, replies: Vec<Vec<u8>>, now: Instant) {
        self.waiting.push_back(Waiting { report, origin, since: now, replies, is_durable: false });
    }

    /// Notes that a report is durable, and gives what may leave now.
    pub(super) fn settle(&mut self, report: Uuid, now: Instant) -> Vec<Vec<u8>> {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.report == report) {
            waiting.is_durable = true;
        }
        let mut free = Vec::new();
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.is_durable) {
            free.extend(waiting.replies);
            self.answered = Some((waiting.origin, now));
        }
        free
    }

    /// Whether this is a copy of what is not answered yet, and is answered with it.
    pub(super) fn awaits(&self, origin: &Origin) -> bool {
        self.waiting.iter().any(|waiting| waiting.origin == *origin)
    }

    /// Whether this is a copy of what was answered last, and has crossed the answer.
    pub(super) fn crosses(&self, origin: &Origin, now: Instant) -> bool {
        let is_lately = |at: Instant| now.duration_since(at) < CROSSES_WITHIN;
        self.answered.as_ref().is_some_and(|(answered, at)| answered == origin && is_lately(*at))
    }

    /// How many reports wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the oldest has waited for this long.
    pub(super) fn overdue_at(&self, within: Duration) -> Option<Instant> {
        self.waiting.iter().filter(|waiting| !waiting.is_durable).map(|waiting| waiting.since + within).min()
    }

    /// The reports that wait.
    pub(super) fn reports(&self) -> impl Iterator<Item = Uuid> {
        self.waiting.iter().map(|waiting| waiting.report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(frame: &str) -> Origin {
        Origin { says: Some("8800000015".to_owned()), frame: frame.as_bytes().to_vec() }
    }

    #[test]
    fn replies_leave_when_their_report_is_durable_and_in_order() {
        let (mut owed, now) = (Owed::default(), Instant::now());
        let (id, nothing) = (Uuid::from_u128, [""; 0].map(Vec::from));
        owed.hold(id(1), origin("1"), vec![b"a".to_vec(), b"b".to_vec()], now);
        owed.hold(id(2), origin("2"), vec![b"c".to_vec()], now + Duration::from_secs(1));
        owed.hold(id(3), origin("3"), Vec::new(), now + Duration::from_secs(2));
        assert_eq!(owed.overdue_at(Duration::from_secs(5)), Some(now + Duration::from_secs(5)));
        assert_eq!(owed.settle(id(2), now), nothing, "its turn has not come");
        assert_eq!(owed.settle(id(9), now), nothing, "nobody waits for it");
        assert_eq!(owed.settle(id(1), now), ["a", "b", "c"].map(Vec::from));
        assert_eq!((owed.len(), owed.overdue_at(Duration::ZERO)), (1, Some(now + Duration::from_secs(2))));
        assert_eq!(owed.settle(id(3), now), nothing);
        assert_eq!((owed.len(), owed.overdue_at(Duration::ZERO)), (0, None));
    }

    #[test]
    fn a_copy_is_of_the_same_bytes_from_the_same_terminal_until_its_answer_has_arrived() {
        let (mut owed, now) = (Owed::default(), Instant::now());
        owed.hold(Uuid::from_u128(1), origin("1"), vec![b"a".to_vec()], now);
        let copy = origin("1");
        assert!(owed.awaits(&copy) && !owed.crosses(&copy, now));
        let of_another = Origin { says: Some("8800000016".to_owned()), ..copy.clone() };
        for other in [origin("2"), of_another, Origin { says: None, ..copy.clone() }] {
            assert!(!owed.awaits(&other), "{other:?}");
        }
        let answered_at = now + Duration::from_secs(1);
        owed.settle(Uuid::from_u128(1), answered_at);
        assert!(!owed.awaits(&copy) && owed.crosses(&copy, answered_at + Duration::from_secs(2)));
        assert!(!owed.crosses(&copy, answered_at + CROSSES_WITHIN), "it has not heard the answer, and hears it again");
        assert!(!owed.crosses(&origin("2"), answered_at));
    }

    #[test]
    fn what_is_durable_and_waits_for_its_turn_is_not_answered_yet() {
        let (mut owed, now) = (Owed::default(), Instant::now());
        owed.hold(Uuid::from_u128(1), origin("1"), vec![b"a".to_vec()], now);
        owed.hold(Uuid::from_u128(2), origin("2"), vec![b"b".to_vec()], now);
        owed.settle(Uuid::from_u128(2), now);
        assert!(owed.awaits(&origin("2")));
    }
}
