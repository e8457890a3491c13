//! What happens when: a queue in virtual time. Two things of one moment happen in the order in which
//! they were entered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;

/// Things to come.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    queue: BinaryHeap<Reverse<Item<T>>>,
    entered: u64,
}

#[derive(Debug)]
struct Item<T> {
    at: Timestamp,
    number: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub(crate) const fn new() -> Self {
        Self { queue: BinaryHeap::new(), entered: 0 }
    }

    pub(crate) fn enter(&mut self, at: Timestamp, what: T) {
        self.entered += 1;
        self.queue.push(Reverse(Item { at, number: self.entered, what }));
    }

    pub(crate) fn next(&mut self) -> Option<(Timestamp, T)> {
        self.queue.pop().map(|Reverse(item)| (item.at, item.what))
    }
}

impl<T> PartialEq for Item<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Item<T> {}

impl<T> PartialOrd for Item<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Item<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at).then(self.number.cmp(&other.number))
    }
}
