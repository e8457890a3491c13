//! In one process a hand-over is a call: the gateway's view of the dispatcher, and the dispatcher's
//! view of the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use dispatcher::desk::Desk;
use dispatcher::outbox::Terminals;
use gateway::{Dispatcher, Notifier, Unavailable};
use wire::command::{Carried, Order};
use wire::notice::{Delivered, Notice};
use wire::receipt::Receipt;
use wire::report::{Heard, Report, Unstored};

/// The dispatcher in this process. Until its desk is open it is unavailable, and terminals are told nothing
/// that is not true.
#[derive(Debug)]
pub(crate) struct InProcess(pub(crate) Desk);

#[async_trait]
impl Dispatcher for InProcess {
    async fn take(&self, reports: Arc<[Report]>) -> Result<Vec<Receipt>, Unavailable> {
        self.0.take(&reports).await.map_err(Unavailable::because)
    }

    async fn heard(&self, heard: Vec<Heard>) -> Result<(), Unavailable> {
        self.0.hear(&heard).await.map_err(Unavailable::because)
    }

    async fn delivered(&self, delivered: Vec<Delivered>) -> Result<(), Unavailable> {
        let notices: Vec<_> = delivered.iter().map(|delivered| delivered.notice).collect();
        self.0.acknowledge(&notices).await.map_err(Unavailable::because)
    }

    fn unstored(&self, alert: Unstored) {
        self.0.tell_unstored(alert);
    }
}

/// The gateway in this process.
#[derive(Debug, Clone)]
pub(crate) struct ThroughGateway(pub(crate) Notifier);

#[async_trait]
impl Terminals for ThroughGateway {
    async fn tell(&self, notice: Notice) -> Result<(), String> {
        self.0.notify(notice).await.map_err(|error| error.to_string())
    }

    async fn order(&self, order: Order) -> Result<Carried, String> {
        self.0.order(order).await.map_err(|error| error.to_string())
    }
}
