//! Which bus is whose: each door has one, and the gateway has a voice on each.
//!
//! What is for one door is said on the bus that it was heard on; what is for a terminal, whose door nobody here knows,
//! on all of them. A bus that stands still holds up nobody but its own door.

use std::sync::Arc;
use std::time::Duration;

use crate::line::{Down, Line};

/// How long a bus may take to take one message that goes to all of them.
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// Which of the gateway's buses, counted from 0.
pub(crate) type BusNumber = usize;

/// A door on its bus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Door {
    pub(crate) bus: BusNumber,
    pub(crate) name: String,
}

/// The voices on all buses.
#[derive(Debug, Clone)]
pub(crate) struct Voices(Arc<[Line]>);

impl Voices {
    pub(crate) fn new(lines: Vec<Line>) -> Self {
        Self(lines.into())
    }

    /// Publishes on every bus. Fails when none has it.
    pub(crate) async fn say(&self, topic: &str, payload: &[u8]) -> Result<(), Down> {
        let mut said = Err(Down);
        for line in &*self.0 {
            let saying = tokio::time::timeout(SAID_WITHIN, line.publish(topic, payload.to_vec()));
            said = saying.await.unwrap_or(Err(Down)).or(said);
        }
        said
    }
}
