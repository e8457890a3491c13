//! Alerts that wait for their receipts. Pure: `now` and the living gateways come in, what is to be
//! handed over and who has waited in vain goes out.
//!
//! Nothing is withdrawn here. When its session has given up, an alert that a gateway has stays with
//! that gateway; one that no gateway was there to take is kept for some time longer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use crate::gateways::Gateways;

/// The clocks of a waiting alert.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) receipt_within: Duration,
    pub(crate) again_after: Duration,
    pub(crate) unsent_for: Duration,
}

/// An alert as it comes in. `W` is who waits for it: nobody does for a will.
#[derive(Debug)]
pub(crate) struct Alert<W> {
    pub(crate) id: Uuid,
    pub(crate) serial: Arc<str>,
    pub(crate) message: Bytes,
    pub(crate) waiter: Option<W>,
}

/// Publish `message` to `gateway`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HandOver {
    pub(crate) gateway: Arc<str>,
    pub(crate) message: Bytes,
}

/// What a receipt was for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled<W> {
    For(W),
    /// An alert that nobody waits for.
    ForNobody,
    /// Nothing by that id waits, or not any more.
    Late,
}

/// What the passing of time brought.
#[derive(Debug)]
pub(crate) struct Due<W> {
    pub(crate) hand_overs: Vec<HandOver>,
    /// Those who have waited in vain.
    pub(crate) expired: Vec<W>,
    /// How many alerts no gateway came to take.
    pub(crate) given_up: usize,
}

#[derive(Debug)]
struct Waiting<W> {
    serial: Arc<str>,
    message: Bytes,
    waiter: Option<W>,
    /// Who had it last; `None` while nobody has.
    gateway: Option<Arc<str>>,
}

/// The table of waiting alerts. Every queue below holds ids in order of time, because each waits
/// equally long; ids that have been settled meanwhile are skipped when their time comes.
#[derive(Debug)]
pub(crate) struct Pending<W> {
    times: Times,
    waiting: HashMap<Uuid, Waiting<W>>,
    bytes: usize,
    /// The latest will of each terminal, of those that wait.
    wills: HashMap<Arc<str>, Uuid>,
    deadlines: VecDeque<(Instant, Uuid)>,
    repetitions: VecDeque<(Instant, Uuid)>,
    /// Never handed over yet, oldest first.
    unsent: VecDeque<Uuid>,
    /// Unsent ones whose session has given up.
    kept: VecDeque<(Instant, Uuid)>,
}

impl<W> Pending<W> {
    pub(crate) fn new(times: Times) -> Self {
        Self {
            times,
            waiting: HashMap::new(),
            bytes: 0,
            wills: HashMap::new(),
            deadlines: VecDeque::new(),
            repetitions: VecDeque::new(),
            unsent: VecDeque::new(),
            kept: VecDeque::new(),
        }
    }

    /// How many wait. Whoever reads from terminals stops at its limit; what has been read is taken.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What those that wait come to.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, id: Uuid) -> Option<Waiting<W>> {
        let removed = self.waiting.remove(&id)?;
        self.bytes -= removed.message.len();
        if self.wills.get(&removed.serial) == Some(&id) {
            self.wills.remove(&removed.serial);
        }
        Some(removed)
    }

    /// Lets go of the latest will of a terminal, because another is about to take its place. Whether there was one.
    pub(crate) fn replace_will(&mut self, serial: &str) -> bool {
        let replaced = self.wills.get(serial).copied().and_then(|id| self.remove(id)).is_some();
        // The ids of those replaced lie behind alerts that no gateway comes for; they must not pile up there.
        if self.unsent.len() > 2 * self.waiting.len() {
            self.unsent.retain(|id| self.waiting.contains_key(id));
        }
        replaced
    }

    /// Takes an alert in; what comes back is to be handed over at once.
    pub(crate) fn add(&mut self, alert: Alert<W>, now: Instant, gateways: &Gateways) -> Option<HandOver> {
        let Alert { id, serial, message, waiter } = alert;
        let gateway = gateways.choose(&serial, now);
        let hand_over = gateway.clone().map(|gateway| HandOver { gateway, message: message.clone() });
        if hand_over.is_some() {
            self.repetitions.push_back((now + self.times.again_after, id));
        } else {
            self.unsent.push_back(id);
        }
        self.deadlines.push_back((now + self.times.receipt_within, id));
        self.bytes += message.len();
        if waiter.is_none() {
            self.wills.insert(Arc::clone(&serial), id);
        }
        self.waiting.insert(id, Waiting { serial, message, waiter, gateway });
        hand_over
    }

    /// An alert is durable.
    pub(crate) fn settle(&mut self, id: Uuid) -> Settled<W> {
        match self.remove(id) {
            Some(Waiting { waiter: Some(waiter), .. }) => Settled::For(waiter),
            Some(_) => Settled::ForNobody,
            None => Settled::Late,
        }
    }

    /// What is due at `now`.
    pub(crate) fn due(&mut self, now: Instant, gateways: &Gateways) -> Due<W> {
        let mut due = Due { hand_overs: Vec::new(), expired: Vec::new(), given_up: 0 };
        self.send_unsent(now, gateways, &mut due);
        self.repeat(now, gateways, &mut due);
        self.expire(now, &mut due);
        due
    }

    fn send_unsent(&mut self, now: Instant, gateways: &Gateways, due: &mut Due<W>) {
        while let Some(&id) = self.unsent.front() {
            if let Some(waiting) = self.waiting.get_mut(&id) {
                let Some(gateway) = gateways.choose(&waiting.serial, now) else { return };
                waiting.gateway = Some(Arc::clone(&gateway));
                due.hand_overs.push(HandOver { gateway, message: waiting.message.clone() });
                self.repetitions.push_back((now + self.times.again_after, id));
                if waiting.waiter.is_none() {
                    // Its session has given up, so that its deadline is past: it gets a new one.
                    self.deadlines.push_back((now + self.times.receipt_within, id));
                }
            }
            self.unsent.pop_front();
        }
    }

    fn repeat(&mut self, now: Instant, gateways: &Gateways, due: &mut Due<W>) {
        while let Some(id) = pop_due(&mut self.repetitions, now) {
            let Some(waiting) = self.waiting.get_mut(&id) else { continue };
            let last = waiting.gateway.as_deref().unwrap_or_default();
            if let Some(gateway) = gateways.after(&waiting.serial, last, now) {
                waiting.gateway = Some(Arc::clone(&gateway));
                due.hand_overs.push(HandOver { gateway, message: waiting.message.clone() });
            }
            self.repetitions.push_back((now + self.times.again_after, id));
        }
    }

    fn expire(&mut self, now: Instant, due: &mut Due<W>) {
        while let Some(id) = pop_due(&mut self.deadlines, now) {
            let Some(waiting) = self.waiting.get_mut(&id) else { continue };
            due.expired.extend(waiting.waiter.take());
            if waiting.gateway.is_some() {
                self.remove(id);
            } else {
                self.kept.push_back((now + self.times.unsent_for, id));
            }
        }
        while let Some(id) = pop_due(&mut self.kept, now) {
            if self.waiting.get(&id).is_some_and(|waiting| waiting.gateway.is_none()) {
                self.remove(id);
                due.given_up += 1;
            }
        }
    }
}

fn pop_due(queue: &mut VecDeque<(Instant, Uuid)>, now: Instant) -> Option<Uuid> {
    queue.pop_front_if(|(at, _)| *at <= now).map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        receipt_within: Duration::from_secs(5),
        again_after: Duration::from_millis(1500),
        unsent_for: Duration::from_mins(10),
    };

    struct Bench {
        now: Instant,
        gateways: Gateways,
        pending: Pending<&'static str>,
    }

    impl Bench {
        fn new(gateways: &[&str]) -> Self {
            let mut bench = Self {
                now: Instant::now(),
                gateways: Gateways::new(Duration::from_secs(3)),
                pending: Pending::new(TIMES),
            };
            bench.alive(gateways);
            bench
        }

        fn alive(&mut self, gateways: &[&str]) {
            for gateway in gateways {
                self.gateways.hear(gateway, self.now);
            }
        }

        fn add(&mut self, id: u128, waiter: &'static str) -> Option<HandOver> {
            let message = Bytes::from(format!("alert {id}"));
            let alert = Alert { id: Uuid::from_u128(id), serial: "P1".into(), message, waiter: Some(waiter) };
            self.pending.add(alert, self.now, &self.gateways)
        }

        fn after(&mut self, duration: Duration) -> Due<&'static str> {
            self.now += duration;
            self.pending.due(self.now, &self.gateways)
        }
    }

    fn whom(hand_overs: &[HandOver]) -> Vec<String> {
        hand_overs.iter().map(|h| format!("{} → {}", String::from_utf8_lossy(&h.message), h.gateway)).collect()
    }

    #[test]
    fn an_alert_goes_out_at_once_and_its_receipt_finds_who_waits() {
        let mut bench = Bench::new(&["g1"]);
        assert_eq!(&*bench.add(1, "a").unwrap().gateway, "g1");
        assert_eq!(bench.pending.bytes(), "alert 1".len());
        assert_eq!(bench.pending.settle(Uuid::from_u128(1)), Settled::For("a"));
        assert_eq!(bench.pending.bytes(), 0);
        assert_eq!(bench.pending.settle(Uuid::from_u128(1)), Settled::Late);
        let due = bench.after(Duration::from_secs(20));
        assert!(due.hand_overs.is_empty() && due.expired.is_empty());
        assert_eq!(bench.pending.len(), 0);
    }

    #[test]
    fn without_a_receipt_the_next_gateway_gets_the_same_message_and_then_the_wait_ends() {
        let mut bench = Bench::new(&["g1", "g2"]);
        let first = bench.add(1, "a").unwrap();
        let second = bench.after(Duration::from_millis(1500)).hand_overs;
        assert_eq!(second.len(), 1);
        assert_ne!(first.gateway, second[0].gateway);
        assert_eq!(first.message, second[0].message);
        bench.alive(&["g1", "g2"]);
        let third = bench.after(Duration::from_millis(1500)).hand_overs;
        assert_eq!(first.gateway, third[0].gateway);
        let due = bench.after(Duration::from_secs(2));
        assert_eq!(due.expired, ["a"]);
        assert_eq!((bench.pending.len(), due.given_up), (0, 0), "it stays with the gateways");
    }

    #[test]
    fn when_its_gateway_has_gone_another_gets_it() {
        let mut bench = Bench::new(&["g1", "g2"]);
        let first = bench.add(1, "a").unwrap().gateway;
        let other = if &*first == "g1" { "g2" } else { "g1" };
        for _ in 0..2 {
            bench.alive(&[other]);
            bench.after(Duration::from_millis(1490));
        }
        bench.alive(&[other]);
        let due = bench.after(Duration::from_millis(1500));
        assert_eq!(whom(&due.hand_overs), [format!("alert 1 → {other}")]);
    }

    #[test]
    fn alerts_without_a_gateway_wait_and_go_in_order_when_one_comes() {
        let mut bench = Bench::new(&[]);
        assert_eq!(bench.add(1, "a"), None);
        assert_eq!(bench.add(2, "b"), None);
        assert!(bench.after(Duration::from_secs(2)).hand_overs.is_empty());
        bench.alive(&["g1"]);
        let due = bench.after(Duration::ZERO);
        assert_eq!(whom(&due.hand_overs), ["alert 1 → g1", "alert 2 → g1"]);
        assert_eq!(bench.pending.settle(Uuid::from_u128(2)), Settled::For("b"));
    }

    #[test]
    fn an_alert_that_no_gateway_took_outlives_its_session() {
        let mut bench = Bench::new(&[]);
        bench.add(1, "a");
        assert_eq!(bench.after(Duration::from_secs(5)).expired, ["a"]);
        bench.now += Duration::from_mins(1);
        bench.alive(&["g1"]);
        assert_eq!(whom(&bench.after(Duration::ZERO).hand_overs), ["alert 1 → g1"]);
        assert_eq!(bench.pending.len(), 1, "it is repeated until its receipt, or for as long as any other");
        assert_eq!(bench.after(Duration::from_secs(2)).hand_overs.len(), 1);
        let due = bench.after(Duration::from_secs(3));
        assert_eq!((bench.pending.len(), due.given_up), (0, 0));
    }

    #[test]
    fn the_latest_will_takes_the_place_of_the_one_before_and_of_nothing_else() {
        let mut bench = Bench::new(&[]);
        let will = |id: u128, serial: &str| {
            let message = Bytes::from(format!("will {id}"));
            Alert { id: Uuid::from_u128(id), serial: serial.into(), message, waiter: None }
        };
        bench.add(1, "a");
        assert!(!bench.pending.replace_will("P1"), "an alert is not a will");
        bench.pending.add(will(2, "P2"), bench.now, &bench.gateways);
        for id in 3..1000 {
            assert_eq!(bench.pending.replace_will("P1"), id > 3);
            bench.pending.add(will(id, "P1"), bench.now, &bench.gateways);
        }
        assert_eq!((bench.pending.len(), bench.pending.bytes()), (3, "alert 1will 2will 999".len()));
        assert!(bench.pending.unsent.len() < 10);
        bench.after(Duration::from_secs(5));
        bench.alive(&["g1"]);
        let due = bench.after(Duration::ZERO);
        assert_eq!(whom(&due.hand_overs), ["alert 1 → g1", "will 2 → g1", "will 999 → g1"]);
        assert_eq!(bench.pending.settle(Uuid::from_u128(999)), Settled::ForNobody);
        assert!(!bench.pending.replace_will("P1"), "what is durable is not replaced");
    }

    #[test]
    fn nothing_waits_for_ever() {
        let mut bench = Bench::new(&[]);
        bench.add(1, "a");
        bench.after(Duration::from_secs(5));
        assert_eq!(bench.after(Duration::from_secs(599)).given_up, 0);
        assert_eq!(bench.after(Duration::from_secs(1)).given_up, 1);
        assert_eq!((bench.pending.len(), bench.pending.bytes()), (0, 0));
    }
}
