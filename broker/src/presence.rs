//! What is to be told about terminals: who came and went, who was heard, what they acknowledged.
//!
//! Comings, goings and acknowledgements are sent a moment after they happen, in batches. They wait
//! here, bounded, while no gateway is alive.

use parking_lot::Mutex;
use wire::bus;
use wire::notice::Delivered;
use wire::report::Heard;

/// Entries that one message carries, so that it stays below [`bus::PACKET_MAX`].
const BATCH: usize = 1000;
/// Entries that wait at most.
const WAITING_MAX: usize = 200_000;

/// What waits to be told.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    heard: Vec<Heard>,
    delivered: Vec<Delivered>,
}

impl Presence {
    /// How many entries could not be kept.
    pub(crate) fn heard(&self, heard: impl IntoIterator<Item = Heard>) -> usize {
        let mut waiting = self.waiting.lock();
        put(&mut waiting.heard, heard)
    }

    /// How many entries could not be kept.
    pub(crate) fn delivered(&self, delivered: Delivered) -> usize {
        let mut waiting = self.waiting.lock();
        put(&mut waiting.delivered, [delivered])
    }

    pub(crate) fn is_empty(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.heard.is_empty() && waiting.delivered.is_empty()
    }

    /// Everything that waits, in messages of a size that the bus carries.
    pub(crate) fn take(&self, door: &str) -> Vec<bus::Presence> {
        let Waiting { heard, delivered } = std::mem::take(&mut *self.waiting.lock());
        let batches = heard.len().max(delivered.len()).div_ceil(BATCH);
        let (mut heard, mut delivered) = (heard.into_iter(), delivered.into_iter());
        (0..batches)
            .map(|_| bus::Presence {
                door: door.to_owned(),
                heard: heard.by_ref().take(BATCH).collect(),
                delivered: delivered.by_ref().take(BATCH).collect(),
            })
            .collect()
    }
}

fn put<T>(waiting: &mut Vec<T>, entries: impl IntoIterator<Item = T>) -> usize {
    let mut entries = entries.into_iter();
    let room = WAITING_MAX.saturating_sub(waiting.len());
    waiting.extend(entries.by_ref().take(room));
    entries.count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use wire::report::Session;

    fn heard(count: usize) -> impl Iterator<Item = Heard> {
        (0..count).map(|n| Heard { serial: format!("P{n}"), at: Timestamp::UNIX_EPOCH, session: Session::Alive })
    }

    #[test]
    fn everything_is_told_once_and_in_order() {
        let presence = Presence::default();
        assert_eq!(presence.heard(heard(2500)), 0);
        let batches = presence.take("d");
        assert_eq!(batches.iter().map(|b| b.heard.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
        assert_eq!(batches[2].heard[499].serial, "P2499");
        assert!(presence.is_empty() && presence.take("d").is_empty());
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_dropped_is_counted() {
        let presence = Presence::default();
        assert_eq!(presence.heard(heard(WAITING_MAX + 7)), 7);
        assert_eq!(presence.heard(heard(1)), 1);
    }
}
