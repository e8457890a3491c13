//! The shell around the decision: lock, facts, decide, write, commit.

use std::sync::Arc;

use domain::id::IncidentId;
use domain::incident::{Incident, Input, Refusal, Step, decide};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;

use crate::config::Config;
use crate::lines::line;
use crate::live::Hub;
use crate::store::incidents::SaveError;
use crate::store::timeline::Line;
use crate::store::{self, StoreError, facts, incidents, outbox, timeline};

/// How often a decision is made anew because the responder it chose was engaged by another incident
/// in the same moment. Each time there is one candidate less.
const ATTEMPTS_MAX: u32 = 5;

/// Where incidents are decided. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(crate) pool: PgPool,
    pub(crate) config: Arc<Config>,
    pub(crate) live: Arc<Hub>,
    pub(crate) due: Arc<Notify>,
    pub(crate) unsent: Arc<Notify>,
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

impl From<SaveError> for DeskError {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::ResponderBusy => Self::ResponderBusy,
            SaveError::Store(error) => Self::Store(error),
        }
    }
}

impl Desk {
    /// A desk over a database that is migrated.
    pub fn new(pool: PgPool, config: Arc<Config>) -> Self {
        Self { pool, config, live: Arc::default(), due: Arc::default(), unsent: Arc::default() }
    }

    /// Says that an incident is due at once: a press came in.
    pub fn wake(&self) {
        self.due.notify_waiters();
        self.live.nudge();
    }

    /// Applies one input to one incident: one lock, one look at the clock, one commit.
    pub async fn apply(&self, id: IncidentId, input: Input) -> Result<Incident, DeskError> {
        let mut attempts = 1;
        loop {
            match self.attempt(id, input.clone()).await {
                Err(DeskError::ResponderBusy) if attempts < ATTEMPTS_MAX => attempts += 1,
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self, id: IncidentId, input: Input) -> Result<Incident, DeskError> {
        let mut tx = store::begin(&self.pool).await?;
        let incident = incidents::lock(&mut tx, id).await?.ok_or(DeskError::NoIncident)?;
        let category = match &input {
            Input::Categorize { category, .. } => Some(category),
            _ => incident.category.as_ref(),
        };
        let facts = facts::gather(&mut tx, &incident, category, &self.config).await?;

        let reference = match &input {
            Input::CentreSays { handover, reference: Some(reference), .. } => Some((*handover, reference.clone())),
            _ => None,
        };
        let step = decide(&incident, input, &facts)?;
        if step.next == incident && step.entries.is_empty() && step.effects.is_empty() {
            return Ok(incident);
        }

        write(&mut tx, &incident, &step, &self.config, facts.now).await?;
        if let Some((handover, reference)) = reference {
            incidents::set_reference(&mut tx, handover, &reference).await?;
        }
        tx.commit().await.map_err(StoreError::from)?;

        self.live.nudge();
        if !step.effects.is_empty() {
            self.unsent.notify_waiters();
        }
        Ok(step.next)
    }
}

async fn write(
    tx: &mut PgConnection,
    before: &Incident,
    step: &Step,
    config: &Config,
    now: jiff::Timestamp,
) -> Result<(), DeskError> {
    incidents::save(tx, before, &step.next, now).await?;
    let lines: Vec<Line> = step.entries.iter().map(line).collect();
    timeline::append(tx, step.next.id, now, &lines).await?;
    outbox::enqueue(tx, &step.next, &step.effects, config, now).await?;
    Ok(())
}
