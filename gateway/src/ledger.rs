//! Which alerts are in memory without a receipt, since when, and which were committed lately.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;
use uuid::Uuid;
use wire::directory::Dialect;
use wire::receipt::{Outcome, Receipt};
use wire::report::{Report, Stamp, Unstored};

use crate::ringing;
use crate::voices::Door;

/// What a door gets when its message is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Who asked.
    pub(crate) door: Door,
    /// For which message.
    pub(crate) id: Uuid,
    /// The terminal.
    pub(crate) serial: String,
    pub(crate) dialect: Dialect,
    pub(crate) stamp: Stamp,
    pub(crate) outcome: Outcome,
}

/// A message without a receipt.
#[derive(Debug)]
struct Waiting {
    place: u64,
    door: Door,
    dialect: Dialect,
    stamp: Stamp,
    /// What to ring with; `None` for what nobody needs to be woken for.
    ring: Option<Unstored>,
    rung: bool,
}

/// What to do with a message that has just come.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry {
    /// Hand it over.
    New,
    /// It is in memory already; its new door will be answered.
    Waiting,
    /// It was committed before.
    Durable(Outcome),
}

#[derive(Debug)]
pub(crate) struct Ledger {
    waiting: HashMap<Uuid, Waiting>,
    /// Those that have not rung yet, oldest first.
    unrung: BTreeMap<u64, (Instant, Uuid)>,
    places: u64,
    durable: HashMap<Uuid, Outcome>,
    durable_order: VecDeque<Uuid>,
    remembered_max: usize,
}

impl Ledger {
    pub(crate) fn new(remembered_max: usize) -> Self {
        Self {
            waiting: HashMap::new(),
            unrung: BTreeMap::new(),
            places: 0,
            durable: HashMap::new(),
            durable_order: VecDeque::new(),
            remembered_max,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What is known about the message `id` that `door` has just handed in.
    pub(crate) fn look_up(&mut self, id: Uuid, door: &Door) -> Entry {
        if let Some(outcome) = self.durable.get(&id) {
            return Entry::Durable(*outcome);
        }
        match self.waiting.get_mut(&id) {
            Some(waiting) => {
                waiting.door.clone_from(door);
                Entry::Waiting
            }
            None => Entry::New,
        }
    }

    /// Enters a new message.
    pub(crate) fn enter(&mut self, report: &Report, door: Door, now: Instant) {
        let place = self.places;
        self.places += 1;
        let ring = ringing::unstored(report);
        if ring.is_some() {
            self.unrung.insert(place, (now, report.id));
        }
        let waiting = Waiting { place, door, dialect: report.dialect, stamp: report.stamp, ring, rung: false };
        self.waiting.insert(report.id, waiting);
    }

    /// Crosses out what is durable: the answer to give, and the ringing to end. `None` when it was
    /// crossed out before.
    pub(crate) fn settle(&mut self, serial: &str, receipt: Receipt) -> Option<(Answer, Option<Unstored>)> {
        let waiting = self.waiting.remove(&receipt.report)?;
        self.unrung.remove(&waiting.place);
        self.remember(receipt);
        let ended = waiting.ring.filter(|_| waiting.rung).map(|ring| Unstored { stored: true, ..ring });
        let answer = Answer {
            door: waiting.door,
            id: receipt.report,
            serial: serial.to_owned(),
            dialect: waiting.dialect,
            stamp: waiting.stamp,
            outcome: receipt.outcome,
        };
        Some((answer, ended))
    }

    fn remember(&mut self, receipt: Receipt) {
        if self.durable.insert(receipt.report, receipt.outcome).is_none() {
            self.durable_order.push_back(receipt.report);
        }
        while self.durable_order.len() > self.remembered_max {
            if let Some(oldest) = self.durable_order.pop_front() {
                self.durable.remove(&oldest);
            }
        }
    }

    /// Since when the oldest message waits that has not rung.
    pub(crate) fn oldest_unrung(&self) -> Option<Instant> {
        self.unrung.first_key_value().map(|(_, (since, _))| *since)
    }

    /// Takes out every message that has waited since `before` or longer and has not rung; each is
    /// given once.
    pub(crate) fn ring(&mut self, before: Instant) -> Vec<Unstored> {
        let mut ringing = Vec::new();
        while let Some(entry) = self.unrung.first_entry().filter(|entry| entry.get().0 <= before) {
            let (_, id) = entry.remove();
            if let Some(waiting) = self.waiting.get_mut(&id) {
                waiting.rung = true;
                ringing.extend(waiting.ring.clone());
            }
        }
        ringing
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::press::AlertKind;
    use wire::report::Event;

    use super::*;
    use crate::ringing::tests::report;

    const COMMITTED: Outcome = Outcome::Committed { incident: None };

    fn east() -> Door {
        Door { bus: 0, name: "east".into() }
    }

    fn press(id: u128) -> Report {
        report(id, "P1", Some(Event::Alert { kind: AlertKind::Sos }))
    }

    fn receipt(id: u128) -> Receipt {
        Receipt { report: Uuid::from_u128(id), outcome: COMMITTED }
    }

    #[test]
    fn a_message_handed_in_again_is_answered_at_the_door_that_asked_last() {
        let mut ledger = Ledger::new(10);
        let (id, west) = (Uuid::from_u128(1), Door { bus: 1, name: "west".into() });
        assert_eq!(ledger.look_up(id, &east()), Entry::New);
        ledger.enter(&press(1), east(), Instant::now());
        assert_eq!(ledger.look_up(id, &west), Entry::Waiting);
        assert_eq!(ledger.settle("P1", receipt(1)).unwrap().0.door, west);
        assert_eq!(ledger.look_up(id, &east()), Entry::Durable(COMMITTED));
        assert_eq!(ledger.settle("P1", receipt(1)), None);
    }

    #[test]
    fn only_so_many_durable_messages_are_remembered() {
        let mut ledger = Ledger::new(2);
        for id in 1..=3 {
            ledger.enter(&press(id), east(), Instant::now());
            ledger.settle("P1", receipt(id));
        }
        assert_eq!(ledger.look_up(Uuid::from_u128(1), &east()), Entry::New);
        assert_eq!(ledger.look_up(Uuid::from_u128(3), &east()), Entry::Durable(COMMITTED));
    }

    #[test]
    fn what_waits_too_long_rings_once_and_is_called_off_once() {
        let mut ledger = Ledger::new(10);
        let start = Instant::now();
        ledger.enter(&press(1), east(), start);
        ledger.enter(&report(2, "P1", Some(Event::CheckIn)), east(), start);
        ledger.enter(&press(3), east(), start + Duration::from_secs(5));
        assert_eq!(ledger.oldest_unrung(), Some(start));
        let rung = ledger.ring(start);
        assert_eq!(rung.iter().map(|ring| ring.id.as_u128()).collect::<Vec<_>>(), [1]);
        assert_eq!(ledger.ring(start), []);
        assert!(ledger.settle("P1", receipt(1)).unwrap().1.unwrap().stored);
        assert_eq!(ledger.settle("P1", receipt(3)).unwrap().1, None);
        assert_eq!(ledger.oldest_unrung(), None);
    }
}
