//! The acknowledgements that one session owes, in the order in which its publishes arrived. Pure.
//!
//! MQTT wants PUBACK in the order of PUBLISH, so a fix that came behind an alert is acknowledged
//! behind it.

use std::collections::VecDeque;

use crate::packet::{Outgoing, Verdict};

/// One publish of one session that somebody will settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u32);

/// Which packet acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    PubAck,
    PubRec,
}

#[derive(Debug)]
struct Ack {
    slot: Slot,
    kind: Kind,
    pid: u16,
    verdict: Option<Verdict>,
}

/// What is owed.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    owed: VecDeque<Ack>,
    next: u32,
}

impl Acks {
    pub(crate) fn len(&self) -> usize {
        self.owed.len()
    }

    /// A slot without an acknowledgement: QoS 0.
    pub(crate) fn nothing(&mut self) -> Slot {
        self.next = self.next.wrapping_add(1);
        Slot(self.next)
    }

    /// Owes an acknowledgement that cannot be given yet.
    pub(crate) fn owe(&mut self, kind: Kind, pid: u16) -> Slot {
        let slot = self.nothing();
        self.owed.push_back(Ack { slot, kind, pid, verdict: None });
        slot
    }

    /// Owes an acknowledgement that can be given when its turn comes.
    pub(crate) fn give(&mut self, kind: Kind, pid: u16, verdict: Verdict) {
        let slot = self.nothing();
        self.owed.push_back(Ack { slot, kind, pid, verdict: Some(verdict) });
    }

    /// The acknowledgement in `slot`, if there is one, can be given when its turn comes.
    pub(crate) fn settle(&mut self, slot: Slot) {
        if let Some(place) = self.place(slot) {
            self.owed[place].verdict = Some(Verdict::Taken);
        }
    }

    /// Whether the acknowledgement in `slot` still waits to be settled.
    pub(crate) fn is_owed(&self, slot: Slot) -> bool {
        self.place(slot).is_some_and(|place| self.owed[place].verdict.is_none())
    }

    /// Slots are given in order, so that one is found quickly though a concentrator is owed thousands.
    fn place(&self, Slot(wanted): Slot) -> Option<usize> {
        let Slot(first) = self.owed.front()?.slot;
        let since = |slot: u32| slot.wrapping_sub(first);
        self.owed.binary_search_by_key(&since(wanted), |ack| since(ack.slot.0)).ok()
    }

    /// Whether a PUBREC for `pid` is owed.
    pub(crate) fn owes_pubrec(&self, pid: u16) -> bool {
        self.owed.iter().any(|ack| ack.kind == Kind::PubRec && ack.pid == pid)
    }

    /// The next acknowledgement to write.
    pub(crate) fn next(&mut self) -> Option<Outgoing> {
        let &Ack { kind, pid, verdict, .. } = self.owed.front()?;
        let verdict = verdict?;
        self.owed.pop_front();
        if self.owed.is_empty() {
            self.owed = VecDeque::new();
        }
        Some(match kind {
            Kind::PubAck => Outgoing::PubAck { pid, verdict },
            Kind::PubRec => Outgoing::PubRec { pid, verdict },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn puback(pid: u16) -> Outgoing {
        Outgoing::PubAck { pid, verdict: Verdict::Taken }
    }

    #[test]
    fn acknowledgements_leave_in_the_order_of_arrival_whatever_is_settled_first() {
        let mut acks = Acks::default();
        let first = acks.owe(Kind::PubAck, 1);
        acks.give(Kind::PubAck, 2, Verdict::Taken);
        let third = acks.owe(Kind::PubAck, 3);
        acks.settle(third);
        assert!(acks.is_owed(first) && !acks.is_owed(third));
        assert_eq!(acks.next(), None);
        acks.settle(first);
        assert_eq!(acks.next(), Some(puback(1)));
        assert_eq!(acks.next(), Some(puback(2)));
        assert_eq!(acks.next(), Some(puback(3)));
        assert_eq!((acks.next(), acks.len()), (None, 0));
    }

    #[test]
    fn a_packet_id_used_twice_has_two_slots() {
        let mut acks = Acks::default();
        let (first, second) = (acks.owe(Kind::PubRec, 7), acks.owe(Kind::PubAck, 7));
        assert!(acks.owes_pubrec(7));
        acks.settle(second);
        assert_eq!(acks.next(), None);
        acks.settle(first);
        assert_eq!(acks.next(), Some(Outgoing::PubRec { pid: 7, verdict: Verdict::Taken }));
        assert!(!acks.owes_pubrec(7));
        assert_eq!(acks.next(), Some(puback(7)));
    }

    #[test]
    fn slots_are_found_though_their_numbers_begin_anew() {
        let mut acks = Acks { next: u32::MAX - 2, ..Acks::default() };
        let slots: Vec<Slot> = (1..=6)
            .map(|pid| {
                acks.nothing();
                acks.owe(Kind::PubAck, pid)
            })
            .collect();
        assert_eq!(acks.next(), None);
        for slot in slots.into_iter().rev() {
            assert!(acks.is_owed(slot));
            acks.settle(slot);
        }
        assert_eq!((1..=6).map_while(|_| acks.next()).collect::<Vec<_>>(), (1..=6).map(puback).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_settled_without_being_owed_changes_nothing() {
        let mut acks = Acks::default();
        let nothing = acks.nothing();
        acks.owe(Kind::PubAck, 1);
        acks.settle(nothing);
        assert_eq!(acks.next(), None);
    }
}
