//! Handing reports to the dispatcher: in batches while all is well, one by one when it is not.
//!
//! A batch is whatever has queued up, so that a quiet hour costs no waiting and a storm few commits.
//! Terminals are spread over a few shards by their serial, each with one call under way at a time,
//! so that the order of a terminal's messages is kept. When a batch keeps failing, its reports are
//! tried one by one, still in each terminal's order; those that fail where others succeed are put
//! *apart* and tried on their own, and from then on the later messages of that terminal overtake
//! them: a message that cannot be stored must not hold up the next press.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use wire::receipt::Receipt;
use wire::report::Report;

use crate::alerts::Alerts;
use crate::counters::Counters;
use crate::{Dispatcher, Unavailable};

/// So many failures one after another mean that it is not the reports' fault.
const IN_VAIN_MAX: usize = 3;
/// The second failure of a batch is the first sign that one report in it may be the cause.
const BATCH_FAILURES_MAX: u32 = 2;

/// After so many failures in a row a report may be overtaken by its own terminal's next one: it may
/// be the cause, and that next one a press.
const OVERTAKEN_AFTER: u32 = 6;

/// When to try again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// After the first failure.
    pub(crate) first: Duration,
    /// At most.
    pub(crate) most: Duration,
}

impl Backoff {
    /// How long to wait after so many failures in a row.
    pub(crate) fn after(self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.most)
    }
}

/// The dispatcher as the gateway calls it: within a time, and whatever happens in there.
#[derive(Clone)]
pub(crate) struct Handover {
    pub(crate) dispatcher: Arc<dyn Dispatcher>,
    pub(crate) within: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) counters: Arc<Counters>,
}

impl Handover {
    /// One call. A call that hangs or panics is a failed one: the reports are kept either way.
    pub(crate) async fn take(&self, reports: Arc<[Report]>) -> Result<Vec<Receipt>, Unavailable> {
        let dispatcher = Arc::clone(&self.dispatcher);
        let mut call = tokio::spawn(async move { dispatcher.take(reports).await });
        let taken = match tokio::time::timeout(self.within, &mut call).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(died)) => Err(Unavailable::because(format!("the call died: {died}"))),
            Err(_) => {
                call.abort();
                Err(Unavailable::because(format!("no answer within {:?}", self.within)))
            }
        };
        taken.inspect_err(|unavailable| {
            self.counters.takes_failed.one();
            warn!(why = %unavailable.why, "the dispatcher did not take reports");
        })
    }
}

/// An alert in memory, and its share of the room there.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) report: Report,
    pub(crate) room: OwnedSemaphorePermit,
}

/// What is known when reports are tried one by one.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    /// Failed rounds so far.
    failures: u32,
    /// Which report to begin with.
    start: usize,
    /// The dispatcher has just taken others.
    others_succeed: bool,
}

/// Whether report number `index` may be tried: no earlier one of its terminal still waits, or all of
/// those have just failed and may be overtaken.
fn may_go(rest: &VecDeque<Option<Held>>, index: usize, in_vain: &[usize], overtaking: bool) -> bool {
    let Some(held) = &rest[index] else { return false };
    rest.iter().take(index).enumerate().all(|(earlier, slot)| match slot {
        Some(before) if before.report.serial == held.report.serial => overtaking && in_vain.contains(&earlier),
        _ => true,
    })
}

/// One shard of the alert lane.
pub(crate) struct Shard {
    pub(crate) handover: Handover,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) queue: mpsc::UnboundedReceiver<Held>,
    pub(crate) apart: mpsc::UnboundedSender<Held>,
    pub(crate) batch_max: usize,
}

impl Shard {
    /// Hands over until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut waiting = VecDeque::new();
        let (mut failures, mut turn) = (0, 0);
        loop {
            if waiting.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    held = self.queue.recv() => match held {
                        Some(held) => waiting.push_back(held),
                        None => return,
                    },
                }
            }
            while let Ok(held) = self.queue.try_recv() {
                waiting.push_back(held);
            }
            if self.batch(&mut waiting, failures, &mut turn).await {
                failures = 0;
            } else {
                failures += 1;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(self.handover.backoff.after(failures)) => {}
                }
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    /// Tries the oldest reports together. Tells whether anything became durable.
    async fn batch(&self, waiting: &mut VecDeque<Held>, failures: u32, turn: &mut usize) -> bool {
        let size = waiting.len().min(self.batch_max);
        let batch = waiting.iter().take(size).map(|held| held.report.clone()).collect();
        match self.handover.take(batch).await {
            Ok(receipts) if !receipts.is_empty() => {
                let left = self.settle(waiting, size, receipts).await;
                if left > 0 {
                    let trouble = Trouble { failures, start: 0, others_succeed: true };
                    self.one_by_one(waiting, left, trouble).await;
                }
                true
            }
            Ok(_) | Err(_) if size > 1 && failures + 1 >= BATCH_FAILURES_MAX => {
                // Beginning elsewhere each time, so that bad reports at the head cannot pose as an outage for ever.
                *turn = turn.wrapping_add(IN_VAIN_MAX);
                let trouble = Trouble { failures, start: *turn % size, others_succeed: false };
                self.one_by_one(waiting, size, trouble).await
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// Takes out of the first `size` those that have a receipt; tells how many have none.
    async fn settle(&self, waiting: &mut VecDeque<Held>, size: usize, receipts: Vec<Receipt>) -> usize {
        let mut receipts: HashMap<_, _> = receipts.into_iter().map(|receipt| (receipt.report, receipt)).collect();
        let mut left = Vec::new();
        for held in waiting.drain(..size) {
            match receipts.remove(&held.report.id) {
                Some(receipt) => self.alerts.settle(held, receipt).await,
                None => left.push(held),
            }
        }
        let count = left.len();
        for held in left.into_iter().rev() {
            waiting.push_front(held);
        }
        count
    }

    /// Tries the first `size` singly, the earliest of each terminal only. Tells whether anything became
    /// durable; then those that fail twice where others succeed go apart.
    async fn one_by_one(&self, waiting: &mut VecDeque<Held>, size: usize, state: Trouble) -> bool {
        let mut rest: VecDeque<_> = waiting.drain(..size).map(Some).collect();
        let (mut succeeded, mut in_vain, mut in_a_row) = (false, Vec::new(), 0);
        let began = Instant::now();
        for index in (state.start..size).chain(0..state.start) {
            if !may_go(&rest, index, &in_vain, state.failures >= OVERTAKEN_AFTER) {
                continue;
            }
            if self.alone(&mut rest[index]).await {
                (succeeded, in_a_row) = (true, 0);
            } else {
                in_vain.push(index);
                in_a_row += 1;
            }
            // More each time, so that a row of bad reports comes to an end; but never for long.
            let in_vain_max = IN_VAIN_MAX.max(state.failures as usize);
            if in_a_row >= in_vain_max || began.elapsed() >= self.handover.within {
                break;
            }
        }
        if succeeded || state.others_succeed {
            for index in in_vain {
                // Once more: it may have come back between the failure and the success.
                if self.alone(&mut rest[index]).await {
                    succeeded = true;
                } else if let Some(held) = rest[index].take() {
                    self.put_apart(held);
                }
            }
        }
        for held in rest.into_iter().rev().flatten() {
            waiting.push_front(held);
        }
        succeeded
    }

    /// Tries one report; when it is durable, takes it out and tells so.
    async fn alone(&self, slot: &mut Option<Held>) -> bool {
        let Some(held) = slot else { return false };
        let id = held.report.id;
        let receipts = self.handover.take([held.report.clone()].into()).await.unwrap_or_default();
        let Some(receipt) = receipts.into_iter().find(|receipt| receipt.report == id) else { return false };
        if let Some(held) = slot.take() {
            self.alerts.settle(held, receipt).await;
        }
        true
    }

    fn put_apart(&self, held: Held) {
        let (id, serial) = (held.report.id, held.report.serial.clone());
        error!(%id, serial, "a report cannot be stored where others can; it is tried on its own from now on");
        self.handover.counters.alerts_apart.one();
        // The receiver lives until the shards have ended.
        let _ = self.apart.send(held);
    }
}

/// Tries the reports put apart, each on its own, until they are taken.
pub(crate) async fn try_apart(
    handover: Handover,
    alerts: Arc<Alerts>,
    mut queue: mpsc::UnboundedReceiver<Held>,
    stop: CancellationToken,
) {
    let mut waiting: VecDeque<(Instant, u32, Held)> = VecDeque::new();
    loop {
        let due = waiting.iter().map(|(due, ..)| *due).min();
        tokio::select! {
            () = stop.cancelled() => return,
            held = queue.recv() => match held {
                Some(held) => waiting.push_back((Instant::now() + handover.backoff.after(1), 1, held)),
                None => return,
            },
            () = sleep_until(due) => {
                let Some(index) = waiting.iter().position(|(at, ..)| Some(*at) == due) else { continue };
                let Some((_, failures, held)) = waiting.remove(index) else { continue };
                let id = held.report.id;
                let receipts = handover.take([held.report.clone()].into()).await.unwrap_or_default();
                if let Some(receipt) = receipts.into_iter().find(|receipt| receipt.report == id) {
                    alerts.settle(held, receipt).await;
                } else {
                    let again = Instant::now() + handover.backoff.after(failures + 1);
                    waiting.push_back((again, failures + 1, held));
                }
            }
        }
    }
}

/// Sleeps until `at`, or for ever when there is nothing to wait for.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_up_to_its_limit() {
        let backoff = Backoff { first: Duration::from_millis(50), most: Duration::from_secs(1) };
        assert_eq!(backoff.after(1), Duration::from_millis(50));
        assert_eq!(backoff.after(3), Duration::from_millis(200));
        assert_eq!(backoff.after(u32::MAX), Duration::from_secs(1));
    }
}
