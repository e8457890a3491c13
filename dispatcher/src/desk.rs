//! The shell around the decision: plan, lock, facts, decide, write, commit.

use std::sync::{Arc, OnceLock};

use domain::aftercare::Policy;
use domain::id::IncidentId;
use domain::incident::{Incident, Input, Refusal, Step, decide};
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;

use crate::config::Config;
use crate::fences::Remembered;
use crate::lines::line;
use crate::live::Hub;
use crate::planner::{Advised, Planner};
use crate::store::incidents::SaveError;
use crate::store::timeline::Line;
use crate::store::{self, StoreError, aftercare, choice, facts, incidents, outbox, timeline};

/// How often a decision is made anew because the responder it chose was engaged by another incident
/// in the same moment. Each time there is one candidate less.
const ATTEMPTS_MAX: u32 = 5;

/// Where incidents are decided. Cheap to clone.
///
/// It is there before its database is: what rings from memory rings from the first moment on, and whatever
/// needs the database is told that it is still starting until the desk is [open](Desk::open).
#[derive(Debug, Clone)]
pub struct Desk {
    pool: PgPool,
    urgent: PgPool,
    opened: Arc<OnceLock<()>>,
    pub(crate) config: Arc<Config>,
    pub(crate) live: Arc<Hub>,
    pub(crate) due: Arc<Notify>,
    pub(crate) unsent: Arc<Notify>,
    pub(crate) wondered: Arc<Notify>,
    pub(crate) planner: Arc<Planner>,
    pub(crate) fences: Arc<Remembered>,
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
    /// A desk that is not open yet.
    pub fn new(pool: PgPool, config: Arc<Config>) -> Self {
        Self {
            urgent: pool.clone(),
            pool,
            opened: Arc::default(),
            config,
            live: Arc::default(),
            due: Arc::default(),
            unsent: Arc::default(),
            wondered: Arc::default(),
            planner: Arc::default(),
            fences: Arc::default(),
        }
    }

    /// Takes connections of their own for presses and for deciding what is due. So neither waits for one that positions, a
    /// console or an export has; and being few, each knows what it will be asked.
    #[must_use]
    pub fn with_urgent(self, urgent: PgPool) -> Self {
        Self { urgent, ..self }
    }

    /// The same desk, over those connections.
    pub(crate) fn urgently(&self) -> Self {
        Self { pool: self.urgent.clone(), ..self.clone() }
    }

    /// The database is up to date and durable: [`crate::start::prepare`] has said so.
    pub fn open(&self) {
        // A second time changes nothing.
        let _ = self.opened.set(());
        self.live.nudge();
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }

    /// A connection.
    pub(crate) async fn conn(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        Ok(self.pool()?.acquire().await?)
    }

    /// See [`store::begin`].
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        store::begin(self.pool()?).await
    }

    /// See [`store::moment`].
    pub(crate) async fn moment(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        store::moment(self.pool()?).await
    }

    /// See [`store::glimpse`].
    pub(crate) async fn glimpse(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        store::glimpse(self.pool()?).await
    }

    fn pool(&self) -> Result<&PgPool, StoreError> {
        self.opened.get().map(|()| &self.pool).ok_or(StoreError::Starting)
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
        // Before the lock: whoever waits for it is not to wait for a plan too.
        let advised = match input {
            Input::Close { .. } => Advised::default(),
            _ => self.planner.advise(self, id).await,
        };
        let mut tx = self.begin().await?;
        let incident = incidents::lock(&mut tx, id).await?.ok_or(DeskError::NoIncident)?;
        let category = match &input {
            Input::Categorize { category, .. } => Some(category),
            _ => incident.category.as_ref(),
        };
        let facts = facts::gather(&mut tx, &incident, category, &advised, &self.config).await?;

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
    let head = incidents::save(tx, before, &step.next, now).await?;
    if before.is_open() {
        aftercare::begin(tx, &step.next, &Policy::default()).await?;
    }
    let lines: Vec<Line> = step.entries.iter().map(line).collect();
    if !lines.is_empty() {
        timeline::append_all(tx, now, &mut [(step.next.id, head, lines)]).await?;
    }
    choice::keep(tx, step.next.id, now, &step.considered).await?;
    outbox::enqueue(tx, &step.next, &step.effects, config, now).await?;
    Ok(())
}
