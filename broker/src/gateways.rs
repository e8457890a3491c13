//! Which gateways are alive, and whose turn a terminal is. Pure.
//!
//! A terminal belongs to the gateway with the highest weight of (gateway, serial): rendezvous
//! hashing. Its messages stay in order on one lane, and when a gateway leaves only its own
//! terminals move.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A gateway that has been gone this long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);

/// The gateways heard of.
#[derive(Debug)]
pub(crate) struct Gateways {
    gone_after: Duration,
    heard: HashMap<Arc<str>, Instant>,
}

impl Gateways {
    pub(crate) fn new(gone_after: Duration) -> Self {
        Self { gone_after, heard: HashMap::new() }
    }

    /// Takes note of a sign of life. A name that could not stand in a topic is ignored.
    pub(crate) fn hear(&mut self, gateway: &str, now: Instant) {
        if !wire_safe(gateway) {
            return;
        }
        if let Some(heard) = self.heard.get_mut(gateway) {
            *heard = now;
        } else {
            self.heard.retain(|_, heard| now.saturating_duration_since(*heard) < FORGOTTEN_AFTER);
            self.heard.insert(gateway.into(), now);
        }
    }

    /// The gateway of `serial`.
    pub(crate) fn choose(&self, serial: &str, now: Instant) -> Option<Arc<str>> {
        self.alive(now).max_by_key(|gateway| weight(gateway, serial)).map(Arc::clone)
    }

    /// Who comes after `last` for `serial`: another gateway if there is one, else `last` again.
    pub(crate) fn after(&self, serial: &str, last: &str, now: Instant) -> Option<Arc<str>> {
        let last_weight = weight(last, serial);
        let below = self.alive(now).filter(|gateway| weight(gateway, serial) < last_weight);
        below.max_by_key(|gateway| weight(gateway, serial)).map(Arc::clone).or_else(|| self.choose(serial, now))
    }

    /// How many are alive.
    pub(crate) fn count(&self, now: Instant) -> usize {
        self.alive(now).count()
    }

    fn alive(&self, now: Instant) -> impl Iterator<Item = &Arc<str>> {
        let gone_after = self.gone_after;
        self.heard
            .iter()
            .filter(move |(_, heard)| now.saturating_duration_since(**heard) < gone_after)
            .map(|(gateway, _)| gateway)
    }
}

/// Whether `name` can stand as one level of a topic.
pub(crate) fn wire_safe(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '+', '#', '$', '\0'])
}

/// FNV-1a over both names, then mixed: alike on every machine and in every version, so that all
/// doors agree.
fn weight(gateway: &str, serial: &str) -> u64 {
    let bytes = gateway.bytes().chain([0]).chain(serial.bytes());
    let fnv =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three(now: Instant) -> Gateways {
        let mut gateways = Gateways::new(Duration::from_secs(3));
        for gateway in ["g1", "g2", "g3"] {
            gateways.hear(gateway, now);
        }
        gateways
    }

    #[test]
    fn when_a_gateway_goes_only_its_own_terminals_move() {
        let now = Instant::now();
        let mut gateways = three(now);
        let serials: Vec<String> = (0..3000).map(|n| format!("P{n}")).collect();
        let before: Vec<_> = serials.iter().map(|serial| gateways.choose(serial, now)).collect();
        for gateway in ["g1", "g2", "g3"] {
            let share = before.iter().flatten().filter(|g| &***g == gateway).count();
            assert!((800..1200).contains(&share), "{gateway} has {share}");
        }
        let later = now + Duration::from_secs(4);
        gateways.hear("g1", later);
        gateways.hear("g3", later);
        for (serial, before) in serials.iter().zip(before) {
            let after = gateways.choose(serial, later);
            assert!(before == after || before.as_deref() == Some("g2"), "{serial} moved");
        }
    }

    #[test]
    fn after_one_gateway_comes_another_and_round_again() {
        let now = Instant::now();
        let gateways = three(now);
        let mut turns = vec![gateways.choose("P1", now).unwrap()];
        for _ in 0..3 {
            turns.push(gateways.after("P1", turns.last().unwrap(), now).unwrap());
        }
        assert_eq!(turns[0], turns[3]);
        let mut different = turns[..3].to_vec();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), 3);
    }

    #[test]
    fn a_single_gateway_comes_after_itself_and_nobody_after_the_dead() {
        let now = Instant::now();
        let mut gateways = Gateways::new(Duration::from_secs(3));
        gateways.hear("g1", now);
        assert_eq!(gateways.after("P1", "g1", now).as_deref(), Some("g1"));
        assert_eq!(gateways.choose("P1", now + Duration::from_secs(3)), None);
        assert_eq!(gateways.after("P1", "g1", now + Duration::from_secs(3)), None);
    }

    #[test]
    fn a_name_that_would_change_a_topic_is_ignored() {
        let now = Instant::now();
        let mut gateways = Gateways::new(Duration::from_secs(3));
        for name in ["", "a/b", "+", "#"] {
            gateways.hear(name, now);
        }
        assert_eq!(gateways.choose("P1", now), None);
    }
}
