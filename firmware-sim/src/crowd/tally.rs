//! What a crowd has seen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Nothing takes longer than this, microseconds.
const LONGEST_US: u64 = 3_600_000_000;

pub(super) struct Tally {
    began: Instant,
    connects: Mutex<Histogram<u64>>,
    telemetry: Mutex<Histogram<u64>>,
    presses: Mutex<Histogram<u64>>,
    durable: Mutex<Histogram<u64>>,
    in_storm: Mutex<Histogram<u64>>,
    all_connected: Mutex<Option<Duration>>,
    storm: Mutex<(Option<Instant>, Option<Duration>)>,
    pub(super) telemetry_sent: AtomicU64,
    pub(super) presses_sent: AtomicU64,
    pub(super) held_back: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) heard: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            connects: histogram(),
            telemetry: histogram(),
            presses: histogram(),
            durable: histogram(),
            in_storm: histogram(),
            all_connected: Mutex::default(),
            storm: Mutex::default(),
            telemetry_sent: AtomicU64::default(),
            presses_sent: AtomicU64::default(),
            held_back: AtomicU64::default(),
            lost: AtomicU64::default(),
            refused: AtomicU64::default(),
            heard: AtomicU64::default(),
        }
    }
}

fn histogram() -> Mutex<Histogram<u64>> {
    let made = Histogram::new_with_bounds(1, LONGEST_US, 3);
    Mutex::new(made.unwrap_or_else(|error| unreachable!("these bounds make a histogram: {error}")))
}

fn note(histogram: &Mutex<Histogram<u64>>, took: Duration) {
    histogram.lock().saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
}

/// How long something took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How often it was measured.
    pub count: u64,
    /// Milliseconds.
    pub mean_ms: f64,
    /// Milliseconds.
    pub p50_ms: f64,
    /// Milliseconds.
    pub p99_ms: f64,
    /// Milliseconds.
    pub p999_ms: f64,
    /// Milliseconds.
    pub max_ms: f64,
}

impl Latency {
    #[expect(clippy::cast_precision_loss, reason = "less than an hour in microseconds")]
    fn of(histogram: &Mutex<Histogram<u64>>) -> Self {
        let histogram = histogram.lock();
        let ms = |us: u64| us as f64 / 1000.0;
        Self {
            count: histogram.len(),
            mean_ms: histogram.mean() / 1000.0,
            p50_ms: ms(histogram.value_at_quantile(0.5)),
            p99_ms: ms(histogram.value_at_quantile(0.99)),
            p999_ms: ms(histogram.value_at_quantile(0.999)),
            max_ms: ms(histogram.max()),
        }
    }
}

/// What a crowd has seen until now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Since when it counts, seconds.
    pub seconds: f64,
    /// Until all were connected and subscribed for the first time, seconds.
    pub all_connected_s: Option<f64>,
    /// From the last storm's first moment until all were back, seconds.
    pub all_back_s: Option<f64>,
    /// From dialling to SUBACK, for each connection.
    pub connects: Latency,
    /// From sending a position or a state to its PUBACK.
    pub telemetry: Latency,
    /// From sending a press to its PUBACK.
    pub presses: Latency,
    /// From the key to the PUBACK, broken connections included.
    pub durable: Latency,
    /// The same, of those who pressed between a storm's first moment and its end.
    pub in_storm: Latency,
    /// Positions and states sent.
    pub telemetry_sent: u64,
    /// Presses sent, repetitions included.
    pub presses_sent: u64,
    /// Messages that found their socket closed or full: telemetry is lost, a press waits.
    pub held_back: u64,
    /// Connections that broke.
    pub connections_lost: u64,
    /// Connections that were turned away.
    pub connections_refused: u64,
    /// Notices and receipts heard.
    pub heard: u64,
    /// Presses that had no PUBACK at the end.
    pub unacknowledged_presses: usize,
}

impl Tally {
    pub(super) fn connected(&self, took: Duration) {
        note(&self.connects, took);
    }

    pub(super) fn telemetry(&self, took: Duration) {
        note(&self.telemetry, took);
    }

    pub(super) fn press(&self, took: Duration) {
        note(&self.presses, took);
    }

    pub(super) fn durable(&self, pressed_at: Instant) {
        let took = pressed_at.elapsed();
        note(&self.durable, took);
        let (began, lasted) = *self.storm.lock();
        if began.is_some_and(|began| began <= pressed_at && lasted.is_none_or(|lasted| pressed_at <= began + lasted)) {
            note(&self.in_storm, took);
        }
    }

    pub(super) fn all_connected(&self, took: Duration) {
        *self.all_connected.lock() = Some(took);
    }

    pub(super) fn storm_begins(&self) {
        *self.storm.lock() = (Some(Instant::now()), None);
    }

    pub(super) fn storm_ends(&self) {
        let mut storm = self.storm.lock();
        if let (Some(began), None) = *storm {
            storm.1 = Some(began.elapsed());
        }
    }

    pub(super) fn report(&self) -> Report {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Report {
            seconds: self.began.elapsed().as_secs_f64(),
            all_connected_s: self.all_connected.lock().map(|took| took.as_secs_f64()),
            all_back_s: self.storm.lock().1.map(|took| took.as_secs_f64()),
            connects: Latency::of(&self.connects),
            telemetry: Latency::of(&self.telemetry),
            presses: Latency::of(&self.presses),
            durable: Latency::of(&self.durable),
            in_storm: Latency::of(&self.in_storm),
            telemetry_sent: count(&self.telemetry_sent),
            presses_sent: count(&self.presses_sent),
            held_back: count(&self.held_back),
            connections_lost: count(&self.lost),
            connections_refused: count(&self.refused),
            heard: count(&self.heard),
            unacknowledged_presses: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_presses_during_a_storm_counts_as_in_it() {
        let tally = Tally::default();
        tally.durable(Instant::now());
        tally.storm_begins();
        tally.durable(Instant::now());
        tally.storm_ends();
        tally.durable(Instant::now() + Duration::from_millis(1));
        let report = tally.report();
        assert_eq!((report.durable.count, report.in_storm.count), (3, 1));
    }
}
