//! The alert lane: every message is kept in memory until it is durable, and answered then.
//!
//! Nothing here is dropped. When memory is full the lane stands still, which the bus and the edges
//! feel: they hold their terminals' messages unacknowledged. Whatever is not stored in time rings
//! on the consoles from here.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;
use wire::bus::{self, Downlink, Receipts, Uplink};
use wire::receipt::Receipt;
use wire::report::{Event, Report};

use crate::counters::Counters;
use crate::handover::{Held, sleep_until};
use crate::ledger::{Answer, Entry, Ledger};
use crate::line::Line;
use crate::reports::Reader;
use crate::voices::{BusNumber, Door};
use crate::{Dispatcher, codec};

/// Receipts in one message to a door.
const RECEIPTS_MAX: usize = 256;

pub(crate) struct Alerts {
    ledger: Mutex<Ledger>,
    room: Arc<Semaphore>,
    shards: Vec<mpsc::UnboundedSender<Held>>,
    /// One queue for each bus.
    answers: Vec<mpsc::Sender<Answer>>,
    entered: Notify,
    dispatcher: Arc<dyn Dispatcher>,
    reader: Reader,
    counters: Arc<Counters>,
}

impl Alerts {
    pub(crate) fn new(
        (ledger, room): (Ledger, Arc<Semaphore>),
        shards: Vec<mpsc::UnboundedSender<Held>>,
        answers: Vec<mpsc::Sender<Answer>>,
        (dispatcher, reader): (Arc<dyn Dispatcher>, Reader),
        counters: Arc<Counters>,
    ) -> Self {
        let (ledger, entered) = (Mutex::new(ledger), Notify::new());
        Self { ledger, room, shards, answers, entered, dispatcher, reader, counters }
    }

    /// Takes one message of the alert lane in, waiting for room. The same message again costs
    /// nothing, and is answered at once when it is durable already.
    pub(crate) async fn admit(&self, uplink: Uplink<'_>, bus: BusNumber) {
        let door = Door { bus, name: uplink.door.as_ref().to_owned() };
        let entry = self.ledger.lock().look_up(uplink.id, &door);
        match entry {
            Entry::New => {}
            Entry::Waiting => return self.counters.alerts_repeated.one(),
            Entry::Durable(outcome) => {
                self.counters.alerts_repeated.one();
                let report = self.reader.read(&uplink);
                let (dialect, stamp) = (report.dialect, report.stamp);
                let answer = Answer { door, id: uplink.id, serial: report.serial, dialect, stamp, outcome };
                return self.answer(answer).await;
            }
        }
        let room = self.room().await;
        let report = self.reader.read(&uplink);
        self.enter(report, door, room);
    }

    /// Reads a message that came another way than the bus.
    pub(crate) fn read(&self, uplink: &Uplink<'_>) -> Report {
        self.reader.read(uplink)
    }

    /// Takes in a report that nobody has handed in before, waiting for room. `door` gets the answer.
    pub(crate) async fn take(&self, report: Report, door: Door) {
        let room = self.room().await;
        self.enter(report, door, room);
    }

    fn enter(&self, report: Report, door: Door, room: OwnedSemaphorePermit) {
        self.counters.alerts_taken.one();
        if let Some(Event::Unreadable { why }) = &report.event {
            self.counters.alerts_unreadable.one();
            warn!(serial = report.serial, id = %report.id, why, "an alert that nobody can read");
        }
        let waiting = {
            let mut ledger = self.ledger.lock();
            ledger.enter(&report, door, Instant::now());
            ledger.len()
        };
        self.counters.alerts_waiting.set(waiting);
        self.entered.notify_one();
        let shard = &self.shards[shard_of(&report.serial, self.shards.len())];
        // The shards live as long as the process takes messages in.
        let _ = shard.send(Held { report, room });
    }

    async fn room(&self) -> OwnedSemaphorePermit {
        if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
            return room;
        }
        self.counters.alerts_stalled.one();
        warn!("memory is full of alerts without a receipt, taking in no more until there is room");
        let room = Arc::clone(&self.room).acquire_owned().await;
        room.unwrap_or_else(|closed| unreachable!("the semaphore is never closed: {closed}"))
    }

    /// Notes that a message is durable, answers its door and ends its ringing.
    pub(crate) async fn settle(&self, held: Held, receipt: Receipt) {
        let Held { report, room } = held;
        let (settled, waiting) = {
            let mut ledger = self.ledger.lock();
            (ledger.settle(&report.serial, receipt), ledger.len())
        };
        self.counters.alerts_waiting.set(waiting);
        // First of all: it is what the lane may be waiting for.
        drop(room);
        let Some((answer, ended)) = settled else { return };
        self.counters.alerts_durable.one();
        self.answer(answer).await;
        if let Some(ended) = ended {
            self.dispatcher.unstored(ended);
        }
    }

    async fn answer(&self, answer: Answer) {
        // Its receiver ends last of all, so this fails only when nobody is left to hear an answer.
        let _ = self.answers[answer.door.bus].send(answer).await;
    }

    /// Rings what has waited for `unstored_after`, until `stop`.
    pub(crate) async fn ring(self: Arc<Self>, unstored_after: Duration, stop: CancellationToken) {
        loop {
            let due = self.ledger.lock().oldest_unrung().map(|since| since + unstored_after);
            tokio::select! {
                () = stop.cancelled() => return,
                // Later ones are due later: only the first entry after none changes anything.
                () = self.entered.notified(), if due.is_none() => {}
                () = sleep_until(due) => {
                    let Some(before) = Instant::now().checked_sub(unstored_after) else { continue };
                    let late = self.ledger.lock().ring(before);
                    for unstored in late {
                        self.counters.alerts_unstored.one();
                        warn!(id = %unstored.id, serial = unstored.serial, "an alert is not stored, it rings from memory");
                        self.dispatcher.unstored(unstored);
                    }
                }
            }
        }
    }
}

/// Which shard a terminal belongs to, for ever.
pub(crate) fn shard_of(serial: &str, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    serial.hash(&mut hasher);
    usize::try_from(hasher.finish() % shards as u64).unwrap_or_default()
}

/// Sends answers on one bus: receipts to doors, many in one message, and each terminal its own in its dialect.
pub(crate) async fn send_answers(line: Line, mut answers: mpsc::Receiver<Answer>, counters: Arc<Counters>) {
    let mut batch = Vec::with_capacity(RECEIPTS_MAX);
    while answers.recv_many(&mut batch, RECEIPTS_MAX).await > 0 {
        let mut doors: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
        for answer in &batch {
            doors.entry(&answer.door.name).or_default().push(answer.id);
        }
        for (door, ids) in doors {
            let count = ids.len();
            match line.publish(&bus::receipts(door), bus::encode(&Receipts { ids })).await {
                Ok(()) => counters.receipts_sent.add(count),
                Err(_) => counters.receipts_unsent.add(count),
            }
        }
        for answer in batch.drain(..) {
            let Some(outgoing) = codec::encode_receipt(answer.dialect, &answer.serial, answer.stamp, answer.outcome)
            else {
                continue;
            };
            let (topic, payload) = (outgoing.topic, outgoing.payload);
            let downlink = Downlink { serial: answer.serial, topic, payload, notice: None };
            // Not repeated: the promise is the PUBACK, this is for the screen.
            let _ = line.publish(bus::DOWN, bus::encode(&downlink)).await;
        }
    }
}
