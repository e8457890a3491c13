//! What will happen, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::incident::{Class, Effect, Input};
use domain::press::AlertKind;
use jiff::{SignedDuration, Timestamp};

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
    /// The wall clock jumps.
    Jump { by: SignedDuration },
    /// The ambulance's centre is in trouble, or well again.
    Spell { begins: bool },
    /// A responder's telephone loses its network, or has it again.
    Network { responder: usize, is_lost: bool },
    /// A responder who has nothing to do goes somewhere else.
    Stroll { responder: usize },
    /// The planner looks whether the plan wants something that nobody is deciding.
    Survey,
}

/// A heap by time; at the same time, by order of entry.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    entered: u64,
    /// How far the wall clock has jumped since the beginning. The heap goes by a clock that never does.
    jumped: SignedDuration,
}

#[derive(Debug)]
struct Entry {
    at: Timestamp,
    order: u64,
    what: Happening,
}

impl Agenda {
    pub(crate) fn enter(&mut self, at: Timestamp, what: Happening) {
        self.heap.push(Reverse(Entry { at: at - self.jumped, order: self.entered, what }));
        self.entered += 1;
    }

    pub(crate) fn next(&mut self) -> Option<(Timestamp, Happening)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at + self.jumped, entry.what))
    }

    /// The wall clock jumps: nothing comes sooner or later because of it.
    pub(crate) fn jump(&mut self, by: SignedDuration) {
        self.jumped += by;
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
