//! How often something may happen. Pure: `now` comes in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wire::directory::Identity;

/// Addresses that are remembered at most. Whoever comes when there are more is held to the door's own rate only.
const ADDRESSES_MAX: usize = 65_536;
/// Terminals of one concentrator that send telemetry so fast that it has to be remembered.
const TERMINALS_MAX: usize = 100_000;

/// So many a second, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Between two of them, when they come evenly.
    interval: Duration,
    /// How far ahead of that they may be.
    ahead: Duration,
}

impl Rate {
    /// `per_s` a second and `at_once` after a rest. `None`, no limit, when `per_s` is 0.
    pub fn new(per_s: u32, at_once: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(per_s)?;
        Some(Self { interval, ahead: interval * at_once.max(1).saturating_sub(1) })
    }
}

/// It is too early; after this long it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooEarly(pub(crate) Duration);

/// What has happened lately, as the moment from which it would be as if nothing had.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace(Option<Instant>);

impl Pace {
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), TooEarly> {
        let from = self.0.map_or(now, |from| from.max(now));
        let ahead = from - now;
        match ahead.checked_sub(rate.ahead) {
            None | Some(Duration::ZERO) => {}
            Some(wait) => return Err(TooEarly(wait)),
        }
        self.0 = Some(from + rate.interval);
        Ok(())
    }

    /// Whether all is as if nothing had happened.
    fn is_at_rest(self, now: Instant) -> bool {
        self.0.is_none_or(|from| from <= now)
    }
}

/// The pace of each of many.
#[derive(Debug)]
pub(crate) struct Paces<K> {
    each: HashMap<K, Pace>,
    /// Those at rest are looked for when there are this many.
    tidy_at: usize,
}

impl<K> Default for Paces<K> {
    fn default() -> Self {
        Self { each: HashMap::new(), tidy_at: 256 }
    }
}

impl<K: std::hash::Hash + Eq> Paces<K> {
    /// Beyond `max` of them nobody new is held to a pace.
    pub(crate) fn take(&mut self, key: K, rate: Rate, max: usize, now: Instant) -> Result<(), TooEarly> {
        if self.each.len() >= self.tidy_at {
            self.each.retain(|_, pace| !pace.is_at_rest(now));
            self.tidy_at = (self.each.len() * 2).max(256);
        }
        if let Some(pace) = self.each.get_mut(&key) {
            return pace.take(rate, now);
        }
        if self.each.len() < max {
            let mut pace = Pace::default();
            pace.take(rate, now)?;
            self.each.insert(key, pace);
        }
        Ok(())
    }
}

/// The pace of telemetry, of each terminal that one identity speaks for. All its sessions have it together: more of them
/// would else be so many times the rate. A terminal that also speaks by itself has another pace there than with its
/// concentrator.
#[derive(Debug)]
pub(crate) enum Telemetry {
    OfOne(Mutex<Pace>),
    OfMany(Mutex<Paces<Arc<str>>>),
}

impl Telemetry {
    pub(crate) fn of(identity: &Identity) -> Self {
        match identity {
            Identity::Terminal(_) => Self::OfOne(Mutex::default()),
            Identity::Concentrator(_) => Self::OfMany(Mutex::default()),
        }
    }

    pub(crate) fn take(&self, serial: &Arc<str>, rate: Rate, now: Instant) -> Result<(), TooEarly> {
        match self {
            Self::OfOne(pace) => pace.lock().take(rate, now),
            Self::OfMany(paces) => paces.lock().take(Arc::clone(serial), rate, TERMINALS_MAX, now),
        }
    }

    /// Whether all is as if nothing had been said.
    pub(crate) fn is_at_rest(&self, now: Instant) -> bool {
        match self {
            Self::OfOne(pace) => pace.lock().is_at_rest(now),
            Self::OfMany(paces) => paces.lock().each.values().all(|pace| pace.is_at_rest(now)),
        }
    }
}

/// From where connections come: in IPv6 a whole network belongs to one.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Paces<IpAddr>);

impl Addresses {
    pub(crate) fn take(&mut self, address: IpAddr, rate: Rate, now: Instant) -> Result<(), TooEarly> {
        let network = match address {
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => IpAddr::V4(address),
                None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            },
            address @ IpAddr::V4(_) => address,
        };
        self.0.take(network, rate, ADDRESSES_MAX, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let (rate, mut now) = (Rate::new(10, 3).unwrap(), Instant::now());
        let mut pace = Pace::default();
        assert!((0..3).all(|_| pace.take(rate, now).is_ok()));
        assert_eq!(pace.take(rate, now), Err(TooEarly(Duration::from_millis(100))));
        now += Duration::from_millis(100);
        assert!(pace.take(rate, now).is_ok() && pace.take(rate, now).is_err());
        now += Duration::from_mins(1);
        assert_eq!((0..9).filter(|_| pace.take(rate, now).is_ok()).count(), 3, "rest is not saved up");
        assert_eq!(Rate::new(0, 5), None);
    }

    #[test]
    fn each_has_its_own_pace_and_who_is_at_rest_is_forgotten() {
        let (rate, mut now) = (Rate::new(1, 1).unwrap(), Instant::now());
        let mut paces = Paces::default();
        for key in 0..5000 {
            assert!(paces.take(key, rate, 10_000, now).is_ok());
            assert!(paces.take(key, rate, 10_000, now).is_err());
            now += Duration::from_millis(10);
        }
        assert!(paces.each.len() < 500, "{}", paces.each.len());
    }

    #[test]
    fn beyond_what_is_remembered_nobody_is_refused() {
        let (rate, now) = (Rate::new(1, 1).unwrap(), Instant::now());
        let mut paces = Paces::default();
        assert!(paces.take(1, rate, 1, now).is_ok() && paces.take(1, rate, 1, now).is_err());
        assert!((0..3).all(|_| paces.take(2, rate, 1, now).is_ok()));
        assert_eq!(paces.each.len(), 1);
    }

    #[test]
    fn a_network_is_one_address() {
        let (rate, now) = (Rate::new(1, 1).unwrap(), Instant::now());
        let mut addresses = Addresses::default();
        let mut take = |address: &str| addresses.take(address.parse().unwrap(), rate, now).is_ok();
        assert!(take("2001:db8::1") && !take("2001:db8::ffff:2") && take("2001:db8:0:1::1"));
        assert!(take("192.0.2.1") && !take("::ffff:192.0.2.1") && take("192.0.2.2"));
    }
}
