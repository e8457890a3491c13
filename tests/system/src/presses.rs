//! Wearers who press again and again while something is broken, and the ledger of what they were told is stored.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::mosquitto::{Mosquitto, Version};
use crate::paho::Paho;
use crate::records::{Press, Records};
use crate::server::Terminal;
use crate::wait::until_so;

/// From a kill to presses that are acknowledged again, on a machine that is busy.
pub const FLOWS_AGAIN_WITHIN: Duration = Duration::from_mins(3);
/// The longest that one `mosquitto_pub` is waited for before its wearer presses on.
const PATIENCE: Duration = Duration::from_secs(8);
/// The boot number of terminals that cannot restart.
const BOOT: u32 = 7;
/// So many presses more are a flow.
const A_FLOW: usize = 12;

/// What the wearers know.
#[derive(Debug, Default)]
pub struct Ledger {
    acknowledged: Mutex<BTreeSet<Press>>,
    is_over: AtomicBool,
}

impl Ledger {
    /// How many presses are acknowledged.
    pub fn count(&self) -> usize {
        self.acknowledged.lock().expect("nobody panicked").len()
    }

    /// Tells everybody to press no more.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn acknowledge(&self, terminal: &Terminal, seq: u32) {
        let press = (terminal.serial.clone(), i64::from(BOOT), i64::from(seq));
        self.acknowledged.lock().expect("nobody panicked").insert(press);
    }

    /// Waits until presses flow again.
    pub async fn flows(&self, after: &str) {
        let enough = self.count() + A_FLOW;
        until_so(format!("presses flow after {after}"), FLOWS_AGAIN_WITHIN, async || self.count() >= enough).await;
    }

    /// Whatever was acknowledged is stored, and nothing is stored twice.
    pub async fn hold_against(&self, records: &mut Records) {
        let acknowledged = self.acknowledged.lock().expect("nobody panicked").clone();
        let stored = records.presses().await;
        let lost: Vec<&Press> = acknowledged.iter().filter(|press| !stored.contains_key(*press)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let doubled: Vec<(&Press, &i64)> = stored.iter().filter(|(_, times)| **times != 1).collect();
        assert!(doubled.is_empty(), "stored more than once: {doubled:?}");
    }
}

/// A press as a pager says it.
pub fn press(seq: u32) -> String {
    json!({ "type": "alert", "kind": "sos", "boot": BOOT, "seq": seq }).to_string()
}

/// Presses with `mosquitto_pub`; whoever gets no PUBACK at one door repeats the press at the next.
pub async fn press_on(mut doors: Vec<SocketAddr>, terminal: Terminal, version: Version, ledger: Arc<Ledger>) {
    let topic = terminal.topic("alert");
    let mut seq = 0;
    while !ledger.is_over() {
        seq += 1;
        loop {
            let hand = Mosquitto { door: doors[0], terminal: &terminal, version };
            let published = tokio::time::timeout(PATIENCE, hand.publish(&topic, press(seq))).await;
            if published.is_ok_and(|published| published.is_taken()) {
                break;
            }
            doors.rotate_left(1);
        }
        ledger.acknowledge(&terminal, seq);
    }
}

/// Presses with paho's terminals, which come back by themselves and repeat what was not acknowledged.
pub async fn press_on_with(mut paho: Paho, terminals: Vec<Terminal>, first_seq: u32, ledger: Arc<Ledger>) -> Paho {
    let mut seq = first_seq;
    while !ledger.is_over() {
        let mut sent = Vec::new();
        for terminal in &terminals {
            let message = json!({ "type": "alert", "kind": "sos", "boot": BOOT, "seq": seq });
            sent.push((terminal, paho.publish(terminal, &terminal.topic("alert"), &message).await));
        }
        for (terminal, tag) in sent {
            paho.acknowledged(terminal, tag, FLOWS_AGAIN_WITHIN).await;
            ledger.acknowledge(terminal, seq);
        }
        seq += 1;
    }
    paho
}
