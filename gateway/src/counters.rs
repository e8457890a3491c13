//! What the gateway counts, for metrics and for tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        /// Numbers that only grow, except where a line says "now".
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$meta])* pub $name: Counter),+ }

        impl Counters {
            /// Every counter by its name, in order of declaration.
            pub fn read(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),+]
            }
        }
    };
}

counters! {
    /// Alert-lane messages taken in, each id once.
    alerts_taken,
    /// Alert-lane messages that a door sent again while we had them, or had had them committed.
    alerts_repeated,
    /// Alert-lane messages known to be durable.
    alerts_durable,
    /// Now: alert-lane messages in memory without a receipt.
    alerts_waiting,
    /// Times that the alert lane stood still because memory was full.
    alerts_stalled,
    /// Alerts that rang from memory because they were not stored in time.
    alerts_unstored,
    /// Reports handed over apart, because a batch failed with them and not without.
    alerts_apart,
    /// Alert-lane messages that nobody could read.
    alerts_unreadable,
    /// Telemetry messages taken in.
    telemetry_taken,
    /// Telemetry messages known to be durable.
    telemetry_durable,
    /// Now: telemetry messages in memory.
    telemetry_waiting,
    /// Telemetry messages replaced under pressure by a later one of the same terminal.
    telemetry_coalesced,
    /// Telemetry messages thrown away under pressure.
    telemetry_shed,
    /// Telemetry messages given up after the dispatcher did not take them.
    telemetry_given_up,
    /// Telemetry messages that nobody could read.
    telemetry_unreadable,
    /// Calls to the dispatcher that failed or took too long.
    takes_failed,
    /// Receipts sent to doors.
    receipts_sent,
    /// Receipts not sent because the bus was away; the door asks again.
    receipts_unsent,
    /// Notices handed to the bus.
    notices_sent,
    /// Notes about terminals' presence and acknowledgements passed on.
    presence_passed,
    /// Such notes given up after the dispatcher did not take them.
    presence_given_up,
    /// Messages on the bus that were not what they should be.
    bus_garbled,
    /// Connections made to the bus.
    bus_connected,
}

/// One number.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn set(&self, now: usize) {
        self.0.store(now as u64, Relaxed);
    }
}
