//! What will happen, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::incident::{Class, Effect, Input};
use domain::press::AlertKind;
use jiff::Timestamp;

/// Something that happens in the world. Numbers are places in the world's own lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A wearer presses.
    Press { wearer: usize, class: Class, kind: Option<AlertKind> },
    /// A wearer takes it back.
    Cancel { wearer: usize },
    /// A wearer leaves where they should be, or is seen back there.
    Stray { wearer: usize, back: bool },
    /// Where a wearer is becomes known.
    Located { wearer: usize },
    /// The ticker comes to an incident.
    Wake { case: usize },
    /// The outbox delivers.
    Delivery { case: usize, effect: Effect },
    /// A responder or a centre calls in.
    Call { case: usize, input: Input },
    /// A responder goes on or off duty.
    Duty { responder: usize, on: bool },
    /// Somebody sits down at a console, or leaves it.
    Seat { person: usize, taken: bool },
    /// Somebody at a console attends to an incident.
    Look { person: usize, case: usize },
    /// An administrator saves another ladder for a wearer's district.
    NewLadder { wearer: usize },
    /// The process vanishes.
    Outage,
    /// The watchdog makes its round.
    Watchdog,
}

/// A heap by time; at the same time, by order of entry.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    entered: u64,
}

#[derive(Debug)]
struct Entry {
    at: Timestamp,
    order: u64,
    what: Happening,
}

impl Agenda {
    pub(crate) fn enter(&mut self, at: Timestamp, what: Happening) {
        self.heap.push(Reverse(Entry { at, order: self.entered, what }));
        self.entered += 1;
    }

    pub(crate) fn next(&mut self) -> Option<(Timestamp, Happening)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}
