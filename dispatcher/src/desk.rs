//! The shell around the decision: lock, facts, decide, write, commit.

use std::sync::Arc;

use domain::id::IncidentId;
use domain::incident::{Incident, Input, Refusal};
use sqlx::PgPool;

use crate::config::Config;
use crate::live::Hub;
use crate::store::StoreError;

/// Where incidents are decided.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(crate) pool: PgPool,
    pub(crate) config: Arc<Config>,
    pub(crate) live: Arc<Hub>,
}

/// Why an input had no effect.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such incident.
    #[error("there is no such incident")]
    NoIncident,
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The responder is engaged in another incident.
    #[error("that responder is engaged elsewhere")]
    ResponderBusy,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Desk {
    /// Applies one input to one incident: one lock, one look at the clock, one commit.
    pub async fn apply(&self, id: IncidentId, input: Input) -> Result<Incident, DeskError> {
        let _ = (id, input, &self.pool);
        Err(DeskError::NoIncident)
    }
}
