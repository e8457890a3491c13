//! Telemetry on its way onto the bus: what comes within a few milliseconds travels as one packet. The bus and its reader
//! pay for each packet, not for what is in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::bus;
use wire::topics::Lane;

use crate::bus::{Limit, Outlet, Room};

/// How long the first message of a packet waits for others. A gateway gathers far longer before it stores anything.
const GATHER: Duration = Duration::from_millis(5);
/// A packet is not made longer than this, but for one message that is.
const PARCEL_BYTES: usize = wire::bus::PACKET_MAX / 4;

/// The packets that are being filled, one for each gateway.
pub(crate) struct Parcels {
    outlet: Outlet,
    filling: Mutex<HashMap<Arc<str>, Vec<u8>>>,
    /// There is something to be sent soon.
    begun: Notify,
}

impl Parcels {
    pub(crate) fn new(outlet: Outlet) -> Self {
        Self { outlet, filling: Mutex::default(), begun: Notify::new() }
    }

    /// Puts a message into the packet for a gateway, unless the bus is behind by more than `limit`.
    pub(crate) fn add(&self, gateway: &Arc<str>, message: &[u8], limit: Limit) -> Room {
        let mut filling = self.filling.lock();
        let parcel = filling.entry(Arc::clone(gateway)).or_default();
        let is_full = !parcel.is_empty() && parcel.len() + message.len() > PARCEL_BYTES;
        if is_full && self.send(gateway, parcel, limit) == Room::Full {
            return Room::Full;
        }
        if parcel.is_empty() {
            self.begun.notify_one();
        }
        parcel.extend_from_slice(message);
        Room::Taken
    }

    /// Sends what a packet holds; when the bus is behind it stays.
    fn send(&self, gateway: &str, parcel: &mut Vec<u8>, limit: Limit) -> Room {
        let packet = Bytes::copy_from_slice(parcel);
        let room = self.outlet.publish(bus::up(gateway, Lane::Telemetry), packet, limit);
        if room == Room::Taken {
            parcel.clear();
        }
        room
    }

    /// Sends what has been gathered, for ever.
    pub(crate) async fn send_soon(&self, limit: Limit) {
        loop {
            self.begun.notified().await;
            tokio::time::sleep(GATHER).await;
            self.send_all(limit);
        }
    }

    /// Sends what has been gathered. What the bus does not take waits for the next turn.
    pub(crate) fn send_all(&self, limit: Limit) {
        self.filling.lock().retain(|gateway, parcel| {
            let is_used = !parcel.is_empty();
            if is_used {
                self.send(gateway, parcel, limit);
            }
            is_used
        });
        self.outlet.announce();
    }
}
