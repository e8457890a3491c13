//! Device dialects: bytes in, reports out; notices in, bytes out.
//!
//! ```text
//!   bus ──alert lane──▶ ledger ──shards──▶ Dispatcher::take ──receipts──▶ answers ──▶ bus
//!   bus ──telemetry───▶ backlog ─────────▶ Dispatcher::take
//!   bus ──presence─────────────────────────▶ Dispatcher::heard, delivered
//!   sockets ──listeners──▶ both lanes; receipts ──▶ replies
//!   Gateway::notify ──────────────────────────────────────────────────────────────▶ bus
//! ```
//!
//! A broker of somebody else's can stand in front instead: then the arrows from and to the bus are subscriptions of it
//! (`outside`), and the rest is the same.
//!
//! Each door has a bus, and a gateway is on all of them. Each arrow from a bus is a connection of its own, so that
//! nothing delays an alert. The gateway
//! keeps no file and no table: what it has in memory without a receipt, the edges and the terminals
//! have too, and hand in again. It holds no rule about people. Begin with [`codec`].

mod alerts;
pub mod asyncapi;
mod clock;
pub mod codec;
mod counters;
mod gateway;
mod handover;
mod ledger;
mod line;
pub mod listeners;
mod outside;
mod presence;
mod reports;
mod ringing;
mod speech;
mod telemetry;
mod voices;

use std::sync::Arc;

use async_trait::async_trait;
use wire::notice::Delivered;
use wire::receipt::Receipt;
use wire::report::{Heard, Report, Unstored};

pub use counters::Counters;
pub use gateway::{BusState, Config, Gateway, GatewayError, Notifier, start};
pub use listeners::{ListenerConfig, ListensAt, Transport};
pub use outside::Outside;

/// The dispatcher as a gateway sees it; in one process a call, between processes HTTP.
#[async_trait]
pub trait Dispatcher: Send + Sync + 'static {
    /// Takes reports in. Gives one receipt for each report that is durable now; the gateway keeps the
    /// others and tries them again. Handing in the same report twice must be harmless: a call that
    /// took too long is cut off, and nobody knows then how far it came.
    async fn take(&self, reports: Arc<[Report]>) -> Result<Vec<Receipt>, Unavailable>;
    /// Notes who was heard, came or went.
    async fn heard(&self, heard: Vec<Heard>) -> Result<(), Unavailable>;
    /// Notes which notices terminals have acknowledged.
    async fn delivered(&self, delivered: Vec<Delivered>) -> Result<(), Unavailable>;
    /// Rings on the consoles, from memory: needs no database, returns at once.
    fn unstored(&self, alert: Unstored);
}

/// The dispatcher cannot do it now; asking again later may help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the dispatcher is not available: {why}")]
pub struct Unavailable {
    /// The cause, for the log.
    pub why: String,
}

impl Unavailable {
    /// Not available because of `why`.
    pub fn because(why: impl std::fmt::Display) -> Self {
        Self { why: why.to_string() }
    }
}
