//! What the consoles are told at once, in this process: that there is news in the database, and what
//! could not be brought into the database at all.
//!
//! The news itself is read from the database (`store::live`), each reader from its own cursor, so that
//! nothing hangs on a message in memory. Only alerts that are *not stored* live here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;
use wire::report::Unstored;

use crate::canary::Canary;
use crate::store::outages::Calling;

/// How many unstored alerts a slow console may lag behind before it reads the whole list again.
const UNSTORED_BACKLOG: usize = 256;

/// Where this process's consoles wait for news.
#[derive(Debug)]
pub struct Hub {
    changes: watch::Sender<u64>,
    unstored: Mutex<BTreeMap<Uuid, Unstored>>,
    unstored_news: broadcast::Sender<Unstored>,
    broken: AtomicU64,
    canary: watch::Sender<Option<Canary>>,
    outages: watch::Sender<Arc<[Calling]>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            changes: watch::channel(0).0,
            unstored: Mutex::default(),
            unstored_news: broadcast::channel(UNSTORED_BACKLOG).0,
            broken: AtomicU64::new(0),
            canary: watch::channel(None).0,
            outages: watch::channel(Arc::from([])).0,
        }
    }
}

impl Hub {
    /// Says that something was committed which consoles show.
    pub fn nudge(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Follows what [`Hub::nudge`] says.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many open incidents the watchdog found to break an invariant when it looked last.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }

    /// The watchdog has looked.
    pub fn tell_broken(&self, incidents: u64) {
        self.broken.store(incidents, Ordering::Relaxed);
    }

    /// How the canary fares, and what follows; nothing while it is off or has not been looked at.
    pub fn canary(&self) -> watch::Receiver<Option<Canary>> {
        self.canary.subscribe()
    }

    /// The watchdog has looked at the canary.
    pub fn tell_canary(&self, canary: Canary) {
        self.canary.send_if_modified(|told| {
            let is_news = told.as_ref() != Some(&canary);
            *told = Some(canary);
            is_news
        });
    }

    /// The outages that call for a supervisor, and what follows.
    pub fn outages(&self) -> watch::Receiver<Arc<[Calling]>> {
        self.outages.subscribe()
    }

    /// These outages go on, and nobody has acknowledged them.
    pub fn tell_outages(&self, calling: Vec<Calling>) {
        self.outages.send_if_modified(|told| {
            let is_news = **told != *calling;
            if is_news {
                *told = calling.into();
            }
            is_news
        });
    }

    /// Rings for an alert that could not be stored, or takes that back.
    pub fn tell_unstored(&self, alert: Unstored) {
        if alert.stored {
            self.unstored.lock().remove(&alert.id);
        } else {
            self.unstored.lock().insert(alert.id, alert.clone());
        }
        // Nobody listening is no error: whoever comes reads the list first.
        let _ = self.unstored_news.send(alert);
    }

    /// The alerts not stored at this moment, and what follows. Subscribe first, then list, so that
    /// nothing falls between; the same alert may then be told twice, which is harmless by its id.
    pub fn unstored(&self) -> (Vec<Unstored>, broadcast::Receiver<Unstored>) {
        let news = self.unstored_news.subscribe();
        (self.unstored.lock().values().cloned().collect(), news)
    }
}
