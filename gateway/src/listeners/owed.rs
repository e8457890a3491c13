//! What a connection owes its terminal: replies that may leave once the report that they answer is durable.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// A report on its way.
#[derive(Debug)]
struct Waiting {
    report: Uuid,
    since: Instant,
    replies: Vec<Vec<u8>>,
    is_durable: bool,
}

/// The replies of one connection that wait, in the order of their reports. They leave in that order.
#[derive(Debug, Default)]
pub(super) struct Owed(VecDeque<Waiting>);

impl Owed {
    /// Holds replies back until `report` is durable; none is something to wait for, too.
    pub(super) fn hold(&mut self, report: Uuid, replies: Vec<Vec<u8>>, now: Instant) {
        self.0.push_back(Waiting { report, since: now, replies, is_durable: false });
    }

    /// Notes that a report is durable, and gives what may leave now.
    pub(super) fn settle(&mut self, report: Uuid) -> Vec<Vec<u8>> {
        if let Some(waiting) = self.0.iter_mut().find(|waiting| waiting.report == report) {
            waiting.is_durable = true;
        }
        let mut free = Vec::new();
        while let Some(waiting) = self.0.pop_front_if(|waiting| waiting.is_durable) {
            free.extend(waiting.replies);
        }
        free
    }

    /// How many reports wait.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the oldest has waited for this long.
    pub(super) fn overdue_at(&self, within: Duration) -> Option<Instant> {
        self.0.iter().filter(|waiting| !waiting.is_durable).map(|waiting| waiting.since + within).min()
    }

    /// The reports that wait.
    pub(super) fn reports(&self) -> impl Iterator<Item = Uuid> {
        self.0.iter().map(|waiting| waiting.report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_leave_when_their_report_is_durable_and_in_order() {
        let (mut owed, now) = (Owed::default(), Instant::now());
        let id = Uuid::from_u128;
        owed.hold(id(1), vec![b"a".to_vec(), b"b".to_vec()], now);
        owed.hold(id(2), vec![b"c".to_vec()], now + Duration::from_secs(1));
        owed.hold(id(3), Vec::new(), now + Duration::from_secs(2));
        assert_eq!(owed.overdue_at(Duration::from_secs(5)), Some(now + Duration::from_secs(5)));
        assert_eq!(owed.settle(id(2)), [""; 0].map(Vec::from), "its turn has not come");
        assert_eq!(owed.settle(id(9)), [""; 0].map(Vec::from), "nobody waits for it");
        assert_eq!(owed.settle(id(1)), ["a", "b", "c"].map(Vec::from));
        assert_eq!((owed.len(), owed.overdue_at(Duration::ZERO)), (1, Some(now + Duration::from_secs(2))));
        assert_eq!(owed.settle(id(3)), [""; 0].map(Vec::from));
        assert_eq!((owed.len(), owed.overdue_at(Duration::ZERO)), (0, None));
    }
}
