//! Telemetry that cannot go on at once: where a newer message makes an older one needless, the latest of each terminal
//! and topic. Pure and bounded.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::bus::Limit;

/// Terminal and topic.
type Key = (Arc<str>, Arc<str>);

/// What waits in one place.
#[derive(Debug)]
enum Place {
    /// The latest message of these.
    Latest(Key),
    /// A message of its own.
    One(Arc<str>, Bytes),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It waits.
    Waits,
    /// It waits in the place of one that is older.
    Coalesced,
    /// There was no room.
    Shed,
}

/// The messages that wait, those first that came first.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    order: VecDeque<Place>,
    latest: HashMap<Key, Bytes>,
    bytes: usize,
}

impl Parked {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// What the messages that wait come to.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// `supersedes`: the topic on which it makes earlier messages needless, if it does.
    pub(crate) fn keep(&mut self, serial: &Arc<str>, supersedes: Option<&str>, message: Bytes, limit: Limit) -> Kept {
        let is_full = self.order.len() >= limit.messages || self.bytes + message.len() > limit.bytes;
        let Some(topic) = supersedes else {
            if is_full {
                return Kept::Shed;
            }
            self.bytes += message.len();
            self.order.push_back(Place::One(Arc::clone(serial), message));
            return Kept::Waits;
        };
        match self.latest.entry((Arc::clone(serial), topic.into())) {
            Entry::Occupied(mut held) => {
                let bytes = self.bytes - held.get().len() + message.len();
                if bytes > limit.bytes {
                    return Kept::Shed;
                }
                self.bytes = bytes;
                held.insert(message);
                Kept::Coalesced
            }
            Entry::Vacant(_) if is_full => Kept::Shed,
            Entry::Vacant(place) => {
                self.bytes += message.len();
                self.order.push_back(Place::Latest(place.key().clone()));
                place.insert(message);
                Kept::Waits
            }
        }
    }

    /// Gives each message to `send`, which says whether it went on; the first that did not stays with all behind it.
    pub(crate) fn send(&mut self, mut send: impl FnMut(&Arc<str>, &Bytes) -> bool) {
        while let Some(place) = self.order.front() {
            let waiting = match place {
                Place::One(serial, message) => Some((serial, message)),
                Place::Latest(key) => self.latest.get(key).map(|message| (&key.0, message)),
            };
            if let Some((serial, message)) = waiting {
                if !send(serial, message) {
                    return;
                }
                self.bytes -= message.len();
            }
            if let Some(Place::Latest(key)) = self.order.pop_front() {
                self.latest.remove(&key);
            }
        }
        // An hour without a gateway must not cost memory afterwards.
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { messages: 3, bytes: 20 };

    fn keep(parked: &mut Parked, serial: &str, topic: &str, message: &'static str) -> Kept {
        let supersedes = (topic != "ack").then_some(topic);
        parked.keep(&serial.into(), supersedes, Bytes::from(message), LIMIT)
    }

    fn sent(parked: &mut Parked, count: usize) -> Vec<(String, String)> {
        let mut sent = Vec::new();
        parked.send(|serial, message| {
            let goes = sent.len() < count;
            if goes {
                sent.push((serial.to_string(), String::from_utf8_lossy(message).into_owned()));
            }
            goes
        });
        sent
    }

    #[test]
    fn of_each_terminal_and_topic_the_latest_goes_on_in_the_place_of_the_first() {
        let mut parked = Parked::default();
        assert_eq!(keep(&mut parked, "A", "fix", "1"), Kept::Waits);
        assert_eq!(keep(&mut parked, "B", "fix", "2"), Kept::Waits);
        assert_eq!(keep(&mut parked, "A", "status", "3"), Kept::Waits);
        assert_eq!(keep(&mut parked, "A", "fix", "four"), Kept::Coalesced);
        assert_eq!((parked.len(), parked.bytes()), (3, 6));
        assert_eq!(sent(&mut parked, 1), [("A".into(), "four".into())]);
        assert_eq!(keep(&mut parked, "A", "fix", "5"), Kept::Waits);
        assert_eq!(
            sent(&mut parked, 9),
            [("B".into(), "2".into()), ("A".into(), "3".into()), ("A".into(), "5".into())]
        );
        assert!(parked.is_empty() && parked.bytes() == 0);
    }

    #[test]
    fn what_is_told_once_gives_way_to_nothing() {
        let mut parked = Parked::default();
        assert_eq!(keep(&mut parked, "A", "ack", "1"), Kept::Waits);
        assert_eq!(keep(&mut parked, "A", "fix", "2"), Kept::Waits);
        assert_eq!(keep(&mut parked, "A", "ack", "3"), Kept::Waits);
        assert_eq!(keep(&mut parked, "A", "ack", "4"), Kept::Shed);
        assert_eq!(sent(&mut parked, 9).into_iter().map(|(_, message)| message).collect::<Vec<_>>(), ["1", "2", "3"]);
        assert!(parked.is_empty() && parked.bytes() == 0);
    }

    #[test]
    fn there_is_room_for_so_many_messages_and_so_many_bytes() {
        let mut parked = Parked::default();
        assert_eq!(keep(&mut parked, "A", "fix", "0123456789"), Kept::Waits);
        assert_eq!(keep(&mut parked, "B", "fix", "01234567890"), Kept::Shed);
        assert_eq!(keep(&mut parked, "B", "fix", "0123456789"), Kept::Waits);
        assert_eq!(keep(&mut parked, "B", "fix", "01234567890"), Kept::Shed, "the old one stays");
        assert_eq!(keep(&mut parked, "B", "fix", "1"), Kept::Coalesced);
        assert_eq!(keep(&mut parked, "C", "fix", "1"), Kept::Waits);
        assert_eq!(keep(&mut parked, "D", "fix", "1"), Kept::Shed);
        assert_eq!((parked.len(), parked.bytes()), (3, 12));
    }
}
