//! What doors tell about terminals, passed on: who was heard, came or went, and what was acknowledged.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wire::bus::{self, Presence};
use wire::notice::Delivered;
use wire::report::Heard;

use crate::counters::Counters;
use crate::handover::Handover;
use crate::{Dispatcher, Unavailable};

/// Notes in one call.
const NOTES_MAX: usize = 2000;

/// Passes notes on until `stop`. Acknowledgements go first: a wearer's screen hangs on them.
pub(crate) async fn pass_on(
    handover: Handover,
    mut messages: mpsc::Receiver<Bytes>,
    tries: u32,
    stop: CancellationToken,
) {
    let counters = Arc::clone(&handover.counters);
    while let Some(first) = tokio::select! { () = stop.cancelled() => None, message = messages.recv() => message } {
        let (mut heard, mut delivered) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(message) = next {
            if let Some(presence) = read(&message, &counters) {
                heard.extend(presence.heard);
                delivered.extend(presence.delivered);
            }
            next = if heard.len() + delivered.len() < NOTES_MAX { messages.try_recv().ok() } else { None };
        }
        for notes in [Notes::Delivered(delivered), Notes::Heard(heard)] {
            let passed = notes.pass(&handover, tries, &stop).await;
            let counter = if passed { &counters.presence_passed } else { &counters.presence_given_up };
            counter.add(notes.len());
        }
    }
}

enum Notes {
    Delivered(Vec<Delivered>),
    Heard(Vec<Heard>),
}

impl Notes {
    fn len(&self) -> usize {
        match self {
            Self::Delivered(delivered) => delivered.len(),
            Self::Heard(heard) => heard.len(),
        }
    }

    async fn once(&self, dispatcher: &dyn Dispatcher) -> Result<(), Unavailable> {
        match self {
            Self::Delivered(delivered) => dispatcher.delivered(delivered.clone()).await,
            Self::Heard(heard) => dispatcher.heard(heard.clone()).await,
        }
    }

    /// Tells whether the dispatcher has them.
    async fn pass(&self, handover: &Handover, tries: u32, stop: &CancellationToken) -> bool {
        if self.len() == 0 {
            return true;
        }
        for failures in 1..=tries {
            match tokio::time::timeout(handover.within, self.once(&*handover.dispatcher)).await {
                Ok(Ok(())) => return true,
                Ok(Err(unavailable)) => warn!(why = %unavailable.why, "the dispatcher did not take notes on presence"),
                Err(_) => warn!(within = ?handover.within, "the dispatcher did not answer"),
            }
            handover.counters.takes_failed.one();
            if failures < tries {
                tokio::select! {
                    () = stop.cancelled() => return false,
                    () = tokio::time::sleep(handover.backoff.after(failures)) => {}
                }
            }
        }
        false
    }
}

fn read(message: &[u8], counters: &Counters) -> Option<Presence> {
    bus::decode(message)
        .inspect_err(|error| {
            counters.bus_garbled.one();
            warn!(%error, "a message about presence is none");
        })
        .ok()
}
