//! How often something may happen from one address, and under how many names. Pure: `now` comes in.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Addresses that are remembered at most. Beyond them nobody new is held to a pace; the listener's own limits hold.
const ADDRESSES_MAX: usize = 65_536;
/// So many names of terminals that are not listed may come from one address and each have an incident of its own.
const NAMES_MAX: usize = 8;
/// For how long they are remembered.
const NAMES_FOR: Duration = Duration::from_hours(1);

/// So many a second, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
    ahead: Duration,
}

impl Rate {
    /// `per_s` a second and `at_once` after a rest. `None`, no limit, when `per_s` is 0.
    pub fn new(per_s: u32, at_once: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(per_s)?;
        Some(Self { interval, ahead: interval.saturating_mul(at_once.max(1).saturating_sub(1)) })
    }
}

/// The pace of each of many: the moment from which it would be as if nothing had happened.
#[derive(Debug)]
pub(super) struct Paces<K> {
    each: HashMap<K, Instant>,
    /// Those at rest are looked for when there are this many.
    tidy_at: usize,
}

impl<K> Default for Paces<K> {
    fn default() -> Self {
        Self { each: HashMap::new(), tidy_at: 256 }
    }
}

impl<K: Eq + Hash> Paces<K> {
    /// Counts one of `key`. The error says after which time it may come.
    pub(super) fn take(&mut self, key: K, rate: Rate, now: Instant) -> Result<(), Duration> {
        if self.each.len() >= self.tidy_at {
            self.each.retain(|_, from| *from > now);
            self.tidy_at = (self.each.len() * 2).max(256);
        }
        let is_full = self.each.len() >= ADDRESSES_MAX;
        let Some(from) = self.each.get(&key).copied() else {
            if !is_full {
                self.each.insert(key, now + rate.interval);
            }
            return Ok(());
        };
        let from = from.max(now);
        match (from - now).checked_sub(rate.ahead) {
            None | Some(Duration::ZERO) => {
                self.each.insert(key, from + rate.interval);
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

/// From where a connection comes: in IPv6 a whole network belongs to one.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// Which names that nobody lists have come from where.
#[derive(Debug, Default)]
pub(super) struct Strangers(HashMap<IpAddr, (Instant, HashSet<String>)>);

impl Strangers {
    /// Whether a terminal of this name is a source of its own. Whoever says ever other names is one source, their address:
    /// each press still rings, and a flood of them is one incident.
    pub(super) fn is_own_source(&mut self, from: IpAddr, name: &str, now: Instant) -> bool {
        if self.0.len() >= ADDRESSES_MAX {
            self.0.retain(|_, (until, _)| *until > now);
            if self.0.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        let (until, names) = self.0.entry(from).or_insert_with(|| (now + NAMES_FOR, HashSet::new()));
        if *until <= now {
            (*until, *names) = (now + NAMES_FOR, HashSet::new());
        }
        if names.contains(name) {
            return true;
        }
        names.len() < NAMES_MAX && names.insert(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_come_at_once_and_then_one_by_one() {
        let (mut paces, rate, now) = (Paces::default(), Rate::new(2, 3).unwrap(), Instant::now());
        let mut come = |at_ms| paces.take("a", rate, now + Duration::from_millis(at_ms));
        assert_eq!([come(0), come(0), come(0)], [Ok(()); 3]);
        assert_eq!(come(0), Err(Duration::from_millis(500)));
        assert_eq!((come(500), come(600)), (Ok(()), Err(Duration::from_millis(400))));
        assert_eq!(paces.take("b", rate, now), Ok(()), "another address has a pace of its own");
        assert_eq!(Rate::new(0, 9), None);
    }

    #[test]
    fn whoever_says_ever_other_names_is_one_source() {
        let (mut strangers, now) = (Strangers::default(), Instant::now());
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for name in 0..NAMES_MAX {
            assert!(strangers.is_own_source(here, &name.to_string(), now));
        }
        assert!(!strangers.is_own_source(here, "one more", now));
        assert!(strangers.is_own_source(here, "0", now), "who was one stays one");
        assert!(strangers.is_own_source(there, "one more", now));
        assert!(strangers.is_own_source(here, "one more", now + NAMES_FOR));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::7"), of("2001:db8:0:1:ffff::1"));
        assert_ne!(of("2001:db8:0:1::7"), of("2001:db8:0:2::7"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
