//! In one process a hand-over is a call: the gateway's view of the dispatcher, and the dispatcher's
//! view of the gateway.

use std::sync::OnceLock;

use async_trait::async_trait;
use dispatcher::desk::Desk;
use dispatcher::outbox::Terminals;
use gateway::{Dispatcher, Notifier, Unavailable};
use tracing::error;
use wire::notice::{Delivered, Notice};
use wire::receipt::Receipt;
use wire::report::{Heard, Report, Unstored};

/// The dispatcher in this process. The front door is up before it is: until then it is unavailable,
/// and terminals are told nothing that is not true.
#[derive(Debug, Default)]
pub(crate) struct InProcess {
    desk: OnceLock<Desk>,
}

impl InProcess {
    /// The dispatcher is up.
    pub(crate) fn open(&self, desk: Desk) {
        // Called once, by the composition.
        let _ = self.desk.set(desk);
    }

    fn desk(&self) -> Result<&Desk, Unavailable> {
        self.desk.get().ok_or_else(|| Unavailable::because("it is still starting"))
    }
}

#[async_trait]
impl Dispatcher for InProcess {
    async fn take(&self, reports: Vec<Report>) -> Result<Vec<Receipt>, Unavailable> {
        self.desk()?.take(reports).await.map_err(Unavailable::because)
    }

    async fn heard(&self, heard: Vec<Heard>) -> Result<(), Unavailable> {
        self.desk()?.hear(&heard).await.map_err(Unavailable::because)
    }

    async fn delivered(&self, delivered: Vec<Delivered>) -> Result<(), Unavailable> {
        let notices: Vec<_> = delivered.iter().map(|delivered| delivered.notice).collect();
        self.desk()?.acknowledge(&notices).await.map_err(Unavailable::because)
    }

    fn unstored(&self, alert: Unstored) {
        match self.desk() {
            Ok(desk) => desk.tell_unstored(alert),
            Err(why) => error!(report.id = %alert.id, %why, "an alert is not stored, and nobody can be told"),
        }
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
}
