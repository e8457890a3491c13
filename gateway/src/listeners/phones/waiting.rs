//! What waits for phones that ask over HTTP: nothing can be said to them but in an answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::super::limits::{Paces, Rate};
use crate::codec::Outgoing;

/// Phones that are remembered; nothing waits here for more.
const PHONES_MAX: usize = 100_000;
/// What waits for one phone; the oldest goes.
const WAITING_MAX: usize = 8;
/// Who has not asked for so long comes another way, or not at all.
const HERE_FOR: Duration = Duration::from_hours(24);

#[derive(Debug)]
struct Phone {
    heard_at: Instant,
    waiting: VecDeque<(Uuid, Outgoing)>,
}

/// Those who have asked here lately.
#[derive(Debug, Default)]
pub(crate) struct Phones {
    by_serial: Mutex<HashMap<Arc<str>, Phone>>,
    paces: Mutex<Paces<Arc<str>>>,
}

impl Phones {
    /// A phone has asked; gives what waits for it.
    pub(super) fn heard(&self, serial: &Arc<str>, now: Instant) -> Vec<(Uuid, Outgoing)> {
        let mut phones = self.by_serial.lock();
        if let Some(phone) = phones.get_mut(serial) {
            phone.heard_at = now;
            return std::mem::take(&mut phone.waiting).into();
        }
        if phones.len() >= PHONES_MAX {
            phones.retain(|_, phone| now < phone.heard_at + HERE_FOR);
        }
        if phones.len() < PHONES_MAX {
            phones.insert(Arc::clone(serial), Phone { heard_at: now, waiting: VecDeque::new() });
        }
        Vec::new()
    }

    /// Leaves something for a phone. Whether it comes here.
    pub(crate) fn leave(&self, serial: &str, id: Uuid, outgoing: &Outgoing, now: Instant) -> bool {
        let mut phones = self.by_serial.lock();
        let Some(phone) = phones.get_mut(serial).filter(|phone| now < phone.heard_at + HERE_FOR) else { return false };
        if phone.waiting.iter().all(|(waiting, _)| *waiting != id) {
            if phone.waiting.len() == WAITING_MAX {
                phone.waiting.pop_front();
            }
            phone.waiting.push_back((id, outgoing.clone()));
        }
        true
    }

    /// Counts one message of a phone. The error says after which time it may come.
    pub(super) fn pace(&self, serial: &Arc<str>, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.paces.lock().take(Arc::clone(serial), rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(payload: u8) -> Outgoing {
        Outgoing { topic: String::new(), payload: vec![payload] }
    }

    #[test]
    fn what_waits_is_given_once_and_only_to_who_comes_here() {
        let (phones, now, serial) = (Phones::default(), Instant::now(), Arc::from("chen/phone"));
        let leave = |id: u8, now| phones.leave("chen/phone", Uuid::from_u128(id.into()), &outgoing(id), now);
        assert!(!leave(1, now), "it never came here");
        assert_eq!(phones.heard(&serial, now), []);
        assert!(leave(1, now) && leave(1, now), "the same again is the same");
        assert_eq!(phones.heard(&serial, now), [(Uuid::from_u128(1), outgoing(1))]);
        assert_eq!(phones.heard(&serial, now), []);
        assert!(!leave(2, now + HERE_FOR), "it has not come for a day");
    }

    #[test]
    fn only_so_much_waits() {
        let (phones, now, serial) = (Phones::default(), Instant::now(), Arc::from("chen/phone"));
        phones.heard(&serial, now);
        for id in 0..20 {
            phones.leave("chen/phone", Uuid::from_u128(id.into()), &outgoing(id), now);
        }
        let waiting: Vec<u8> = phones.heard(&serial, now).iter().map(|(_, outgoing)| outgoing.payload[0]).collect();
        assert_eq!(waiting, [12, 13, 14, 15, 16, 17, 18, 19]);
    }
}
