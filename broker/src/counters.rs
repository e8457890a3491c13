//! What a door counts. Every counter is monotonic except those that say "now".

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that anybody may read at any time.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// What a door counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sockets open now.
    pub connections_now: Counter,
    /// Sessions open now.
    pub sessions_now: Counter,
    /// Sessions opened.
    pub sessions_opened: Counter,
    /// Turned away because user name or password was wrong or unknown.
    pub refused_credentials: Counter,
    /// Turned away because there is no directory yet.
    pub refused_no_directory: Counter,
    /// Turned away for what they said: no CONNECT, another protocol, a client id that will not do.
    pub refused_protocol: Counter,
    /// Turned away because the door is full.
    pub refused_full: Counter,
    /// Said no CONNECT in time, or left before.
    pub refused_silent: Counter,
    /// Sessions that another of the same terminal and client id replaced.
    pub taken_over: Counter,
    /// Sessions that a newer one of the same terminal pushed out.
    pub pushed_out: Counter,
    /// Sessions closed because the directory no longer lists their terminal as it was.
    pub revoked: Counter,
    /// Sessions closed because they broke the protocol.
    pub violations: Counter,
    /// Sessions closed because nothing was heard for too long.
    pub gone_silent: Counter,
    /// Sessions closed because an alert had no receipt in time.
    pub without_receipt: Counter,
    /// Publishes on the alert lane.
    pub alerts: Counter,
    /// Alerts that wait for their receipts now.
    pub alerts_waiting_now: Counter,
    /// Alerts handed to a gateway, repetitions included.
    pub alerts_handed_over: Counter,
    /// Alerts that no gateway came to take before they were given up. Never acknowledged.
    pub alerts_given_up: Counter,
    /// Receipts that came for an alert nobody waits for any more.
    pub receipts_late: Counter,
    /// Publishes on the telemetry lane.
    pub telemetry: Counter,
    /// Telemetry shed.
    pub telemetry_shed: Counter,
    /// Publishes to a topic that the terminal may not use.
    pub publish_denied: Counter,
    /// Subscriptions that the terminal may not have.
    pub subscribe_denied: Counter,
    /// Wills published.
    pub wills: Counter,
    /// Downlinks written to terminals.
    pub downlinks: Counter,
    /// Downlinks dropped because their session could not take more.
    pub downlinks_dropped: Counter,
    /// Downlinks that terminals acknowledged.
    pub delivered: Counter,
    /// Entries of presence dropped because no gateway took them.
    pub presence_dropped: Counter,
    /// Messages on the bus that could not be read.
    pub bus_unreadable: Counter,
}
