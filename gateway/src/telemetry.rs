//! The telemetry lane: positions and states, which may be thinned out under pressure, and counted.
//!
//! Terminals are spread over a few lots by their serial, each with a bounded backlog and one call under way at a
//! time, so that the order of a terminal's messages is kept. When a backlog is full, a newer plain message of a
//! terminal takes the place of its older one; failing that, an old plain message goes. What tells an event (an
//! acknowledgement, a transition) goes last.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;
use wire::bus::{self, Uplink};
use wire::report::{Event, Report};
use wire::topics::Lane;

use crate::alerts::{Alerts, shard_of};
use crate::counters::Counters;
use crate::handover::Handover;
use crate::reports::Reader;
use crate::voices::BusNumber;

/// How far from the front a victim is looked for.
const SHED_LOOK_MAX: usize = 64;

/// What became of a message pushed onto the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pushed {
    /// It is there, and so is everything before it.
    Kept,
    /// It is there instead of an older one of the same terminal.
    Coalesced,
    /// It is there, or not, and one message is lost.
    Shed,
}

/// A bounded queue that thins itself out.
#[derive(Debug, Default)]
struct Backlog {
    /// `None` where a later message has taken the place.
    slots: VecDeque<Option<Report>>,
    /// The number of the first slot.
    first: u64,
    /// Where the latest plain message of a terminal to a topic is, by a hash of both.
    latest: HashMap<u64, u64>,
    len: usize,
    max: usize,
}

fn is_plain(report: &Report) -> bool {
    report.event.is_none()
}

impl Backlog {
    fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    fn key(&self, report: &Report) -> u64 {
        self.latest.hasher().hash_one((&report.serial, &report.topic))
    }

    fn push(&mut self, report: Report) -> Pushed {
        let mut pushed = Pushed::Kept;
        if self.len >= self.max {
            pushed = if is_plain(&report) && self.forget_older(&report) {
                Pushed::Coalesced
            } else if self.shed() || !is_plain(&report) && self.pop().is_some() {
                Pushed::Shed
            } else {
                return Pushed::Shed;
            };
        }
        if is_plain(&report) {
            let key = self.key(&report);
            self.latest.insert(key, self.first + self.slots.len() as u64);
        }
        self.slots.push_back(Some(report));
        self.len += 1;
        if self.slots.len() > 2 * self.max.max(SHED_LOOK_MAX) {
            self.close_up();
        }
        pushed
    }

    fn slot(&mut self, number: u64) -> Option<&mut Option<Report>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index)
    }

    fn forget_older(&mut self, report: &Report) -> bool {
        let Some(number) = self.latest.get(&self.key(report)).copied() else { return false };
        let is_same = |older: &mut Report| (&older.serial, &older.topic) == (&report.serial, &report.topic);
        let gone = self.slot(number).and_then(|slot| slot.take_if(is_same)).is_some();
        self.len -= usize::from(gone);
        gone
    }

    /// Throws away a plain message near the front.
    fn shed(&mut self) -> bool {
        let found = self.slots.iter().take(SHED_LOOK_MAX).position(|slot| slot.as_ref().is_some_and(is_plain));
        let Some(report) = found.and_then(|index| self.slots[index].take()) else { return false };
        self.len -= 1;
        let number = self.first + found.unwrap_or_default() as u64;
        self.forget(&report, number);
        true
    }

    fn forget(&mut self, report: &Report, number: u64) {
        let key = self.key(report);
        if is_plain(report) && self.latest.get(&key) == Some(&number) {
            self.latest.remove(&key);
        }
    }

    fn pop(&mut self) -> Option<Report> {
        while let Some(slot) = self.slots.pop_front() {
            let number = self.first;
            self.first += 1;
            if let Some(report) = slot {
                self.len -= 1;
                self.forget(&report, number);
                return Some(report);
            }
        }
        None
    }

    /// Closes the gaps that coalescing has left.
    fn close_up(&mut self) {
        self.slots.retain(Option::is_some);
        self.latest.clear();
        for (index, report) in self.slots.iter().enumerate() {
            if let Some(report) = report.as_ref().filter(|report| is_plain(report)) {
                let key = self.latest.hasher().hash_one((&report.serial, &report.topic));
                self.latest.insert(key, self.first + index as u64);
            }
        }
    }
}

/// How much is handed over at once, how often it is tried, and how long it is gathered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) batch_max: usize,
    pub(crate) tries: u32,
    pub(crate) gather: std::time::Duration,
}

/// A backlog, and who waits for something to lie in it.
struct Lot {
    backlog: Mutex<Backlog>,
    pushed: Notify,
}

pub(crate) struct Telemetry {
    lots: Vec<Lot>,
    /// In all of them together.
    waiting: AtomicUsize,
    counters: Arc<Counters>,
}

impl Telemetry {
    pub(crate) fn new(waiting_max: usize, lots: usize, counters: Arc<Counters>) -> Self {
        let max = waiting_max.div_ceil(lots.max(1));
        let lot = || Lot { backlog: Mutex::new(Backlog::new(max)), pushed: Notify::new() };
        Self { lots: (0..lots.max(1)).map(|_| lot()).collect(), waiting: AtomicUsize::new(0), counters }
    }

    /// How many lots there are, each to be handed over by itself.
    pub(crate) fn lots(&self) -> usize {
        self.lots.len()
    }

    /// Takes messages in until `stop`.
    pub(crate) async fn take_in(
        self: Arc<Self>,
        mut messages: mpsc::Receiver<Bytes>,
        (bus, reader, alerts): (BusNumber, Reader, Arc<Alerts>),
        stop: CancellationToken,
    ) {
        while let Some(message) = tokio::select! { () = stop.cancelled() => None, message = messages.recv() => message }
        {
            for uplink in bus::unpack::<Uplink<'_>>(&message) {
                let uplink = match uplink {
                    Ok(uplink) => uplink,
                    Err(error) => {
                        self.counters.bus_garbled.one();
                        warn!(%error, "a message on the telemetry lane is not an uplink");
                        continue;
                    }
                };
                let report = reader.read(&uplink);
                if matches!(report.event, Some(Event::Alert { .. })) {
                    // The edge could not know it (a setting changed a moment ago, a tracker's low
                    // battery); from here on it is an alert like any other.
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = alerts.admit(Uplink { lane: Lane::Alert, ..uplink }, bus) => continue,
                    }
                }
                self.push(report);
            }
        }
    }

    /// Takes a message in; under pressure, instead of another.
    pub(crate) fn push(&self, report: Report) {
        self.counters.telemetry_taken.one();
        if matches!(report.event, Some(Event::Unreadable { .. })) {
            self.counters.telemetry_unreadable.one();
        }
        let lot = &self.lots[shard_of(&report.serial, self.lots.len())];
        let pushed = {
            let mut backlog = lot.backlog.lock();
            let before = backlog.len;
            let pushed = backlog.push(report);
            self.count(before, backlog.len);
            pushed
        };
        match pushed {
            Pushed::Kept => {}
            Pushed::Coalesced => self.counters.telemetry_coalesced.one(),
            Pushed::Shed => self.counters.telemetry_shed.one(),
        }
        lot.pushed.notify_one();
    }

    fn pop(&self, lot: &Lot, batch_max: usize) -> Vec<Report> {
        let mut backlog = lot.backlog.lock();
        let before = backlog.len;
        let batch = std::iter::from_fn(|| backlog.pop()).take(batch_max).collect();
        self.count(before, backlog.len);
        batch
    }

    fn count(&self, before: usize, after: usize) {
        let added = after.wrapping_sub(before);
        let waiting = self.waiting.fetch_add(added, Ordering::Relaxed).wrapping_add(added);
        self.counters.telemetry_waiting.set(waiting);
    }

    /// Hands over what lies in one lot until `stop`.
    pub(crate) async fn hand_over(
        self: Arc<Self>,
        lot: usize,
        handover: Handover,
        Limits { batch_max, tries, gather }: Limits,
        stop: CancellationToken,
    ) {
        let lot = &self.lots[lot];
        loop {
            if lot.backlog.lock().len == 0 {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = lot.pushed.notified() => {}
                }
            }
            let gathered = tokio::time::sleep(gather);
            tokio::pin!(gathered);
            while lot.backlog.lock().len < batch_max {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = &mut gathered => break,
                    () = lot.pushed.notified() => {}
                }
            }
            let batch = self.pop(lot, batch_max);
            if batch.is_empty() {
                continue;
            }
            let left = self.try_batch(&handover, batch, tries, &stop).await;
            self.try_each(&handover, left).await;
            if stop.is_cancelled() {
                return;
            }
        }
    }

    /// Tries all together a few times; gives back those without a receipt.
    async fn try_batch(
        &self,
        handover: &Handover,
        batch: Vec<Report>,
        tries: u32,
        stop: &CancellationToken,
    ) -> Vec<Report> {
        let mut batch: Arc<[Report]> = batch.into();
        for failures in 1..=tries {
            if let Ok(receipts) = handover.take(Arc::clone(&batch)).await {
                let durable: HashSet<Uuid> = receipts.iter().map(|receipt| receipt.report).collect();
                let left: Vec<Report> = batch.iter().filter(|report| !durable.contains(&report.id)).cloned().collect();
                self.counters.telemetry_durable.add(batch.len() - left.len());
                batch = left.into();
            }
            if batch.is_empty() || failures == tries {
                break;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(handover.backoff.after(failures)) => {}
            }
        }
        batch.to_vec()
    }

    /// Tries each on its own once, and gives up those that fail; two in a row give up the rest.
    async fn try_each(&self, handover: &Handover, left: Vec<Report>) {
        let mut given_up = 0;
        let mut in_a_row = 0;
        let alone = left.len() == 1;
        for report in left {
            let id = report.id;
            let taken = !alone && in_a_row < 2 && {
                let receipts = handover.take([report].into()).await.unwrap_or_default();
                receipts.iter().any(|receipt| receipt.report == id)
            };
            if taken {
                self.counters.telemetry_durable.one();
                in_a_row = 0;
            } else {
                given_up += 1;
                in_a_row += 1;
            }
        }
        if given_up > 0 {
            self.counters.telemetry_given_up.add(given_up);
            warn!(count = given_up, "telemetry given up: the dispatcher did not take it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ringing::tests::report;

    fn plain(id: u128, serial: &str) -> Report {
        report(id, serial, None)
    }

    fn told(id: u128, serial: &str) -> Report {
        report(id, serial, Some(Event::NoticeAcknowledged { notice: Uuid::from_u128(id) }))
    }

    fn ids(backlog: &mut Backlog) -> Vec<u128> {
        std::iter::from_fn(|| backlog.pop()).map(|report| report.id.as_u128()).collect()
    }

    #[test]
    fn with_room_everything_stays_in_order() {
        let mut backlog = Backlog::new(10);
        for id in 1..=5 {
            assert_eq!(backlog.push(plain(id, "P1")), Pushed::Kept);
        }
        assert_eq!(ids(&mut backlog), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn without_room_the_latest_of_a_terminal_stays() {
        let mut backlog = Backlog::new(2);
        backlog.push(plain(1, "P1"));
        backlog.push(plain(2, "P2"));
        assert_eq!(backlog.push(plain(3, "P1")), Pushed::Coalesced);
        assert_eq!(backlog.push(plain(4, "P1")), Pushed::Coalesced);
        assert_eq!(ids(&mut backlog), [2, 4]);
    }

    #[test]
    fn what_tells_an_event_goes_last() {
        let mut backlog = Backlog::new(2);
        backlog.push(told(1, "P1"));
        backlog.push(plain(2, "P2"));
        assert_eq!(backlog.push(told(3, "P3")), Pushed::Shed);
        assert_eq!(backlog.push(plain(4, "P4")), Pushed::Shed);
        assert_eq!(backlog.push(told(5, "P5")), Pushed::Shed);
        assert_eq!(ids(&mut backlog), [3, 5]);
    }

    #[test]
    fn coalescing_for_hours_takes_no_room_and_loses_nobody() {
        let mut backlog = Backlog::new(4);
        for id in 0..10_000u128 {
            backlog.push(plain(id, &format!("P{}", id % 4)));
        }
        assert!(backlog.slots.len() <= 2 * SHED_LOOK_MAX);
        assert!(backlog.latest.len() <= 4);
        assert_eq!(ids(&mut backlog), [9996, 9997, 9998, 9999]);
    }
}
