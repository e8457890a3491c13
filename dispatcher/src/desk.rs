//! The shell around the decision: plan, lock, facts, decide, write, commit.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use domain::aftercare::Policy;
use domain::id::{IncidentId, ResponderId};
use domain::incident::{Effect, Facts, Incident, Input, Refusal, Step, decide};
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::config::Config;
use crate::fences::Remembered;
use crate::lines::line;
use crate::live::Hub;
use crate::planner::{Advised, Planner};
use crate::store::choice::{Found, Near};
use crate::store::facts::Case;
use crate::store::incidents::{self, Held};
use crate::store::saving::{Change, SaveError};
use crate::store::{self, StoreError, aftercare, choice, facts, outbox, saving};

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
    presses: PgPool,
    decisions: PgPool,
    sending: PgPool,
    aside: PgPool,
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
            presses: pool.clone(),
            decisions: pool.clone(),
            sending: pool.clone(),
            aside: pool.clone(),
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

    /// Takes connections of their own for presses, and others for deciding what is due. So neither waits for one that the
    /// other, positions, a console or an export has; and being few, and asked few things, each has their plans at hand.
    #[must_use]
    pub fn with_urgent(self, presses: PgPool, decisions: PgPool) -> Self {
        Self { presses, decisions, ..self }
    }

    /// Takes connections of their own for what is to be sent.
    #[must_use]
    pub fn with_sending(self, sending: PgPool) -> Self {
        Self { sending, ..self }
    }

    /// Takes connections of their own for what may wait: positions, who has connected, and who has fallen silent.
    #[must_use]
    pub fn with_aside(self, aside: PgPool) -> Self {
        Self { aside, ..self }
    }

    /// The same desk, over the connections for what may wait.
    pub(crate) fn aside(&self) -> Self {
        Self { pool: self.aside.clone(), ..self.clone() }
    }

    /// The same desk, over those for presses.
    pub(crate) fn for_presses(&self) -> Self {
        Self { pool: self.presses.clone(), ..self.clone() }
    }

    /// The same desk, over those for deciding what is due.
    pub(crate) fn for_decisions(&self) -> Self {
        Self { pool: self.decisions.clone(), ..self.clone() }
    }

    /// The same desk, over those for what is to be sent.
    pub(crate) fn for_sending(&self) -> Self {
        Self { pool: self.sending.clone(), ..self.clone() }
    }

    /// The connections for presses, and those for deciding what is due.
    pub(crate) const fn urgent(&self) -> [&PgPool; 2] {
        [&self.presses, &self.decisions]
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
        let decided = self.decide_within(&mut tx, id, input, &advised).await?;
        if let Some(step) = &decided.step {
            tx.commit().await.map_err(StoreError::from)?;
            self.announce(&[step]);
        }
        Ok(decided.incident())
    }

    /// Locks an incident, decides, and writes what came of it: the part of [`Desk::apply`] that is one transaction.
    pub(crate) async fn decide_within(
        &self,
        tx: &mut PgConnection,
        id: IncidentId,
        input: Input,
        advised: &Advised,
    ) -> Result<Decided, DeskError> {
        let held = incidents::lock(tx, id).await?.ok_or(DeskError::NoIncident)?;
        let incident = &held.incident;
        let category = match &input {
            Input::Categorize { category, .. } => Some(category),
            _ => incident.category.as_ref(),
        };
        let case = Case { incident, category, advised };
        let gathered = facts::gather(tx, &[case], &self.config).await?;
        let Some(mut facts) = gathered.into_iter().next() else { return Err(DeskError::NoIncident) };

        let reference = match &input {
            Input::CentreSays { handover, reference: Some(reference), .. } => Some((*handover, reference.clone())),
            _ => None,
        };
        let mut step = decide(incident, input.clone(), &facts)?;
        if step.lacks_candidates {
            let found =
                choice::candidates(tx, &[case], &self.config, Near::Told).await?.remove(&id.0).unwrap_or_default();
            facts.candidates = found.candidates.into();
            step = decide(incident, input, &facts)?;
        }
        if is_idle(incident, &step) {
            return Ok(Decided { before: held.incident, step: None });
        }

        write(tx, &[(&held, &step)], &self.config, facts.now).await?;
        if let Some((handover, reference)) = reference {
            incidents::set_reference(tx, handover, &reference).await?;
        }
        Ok(Decided { before: held.incident, step: Some(step) })
    }

    /// Applies an input to each of several incidents, without a plan and in one commit: for when there are too many to take
    /// them one by one. Gives back what was left out: what has no effect by itself, what somebody else has in hand, and what
    /// would ask a colleague of somebody who is asked here.
    pub(crate) async fn apply_together(
        &self,
        inputs: Vec<(IncidentId, Input)>,
    ) -> Result<Vec<(IncidentId, Input)>, DeskError> {
        let (mut first, mut left) = (HashMap::new(), Vec::new());
        let mut ids: Vec<Uuid> = Vec::new();
        for (id, input) in inputs {
            match first.entry(id.0) {
                Entry::Occupied(_) => left.push((id, input)),
                Entry::Vacant(place) => {
                    ids.push(id.0);
                    place.insert(input);
                }
            }
        }
        let advised = Advised::default();
        let mut tx = self.begin().await?;
        let held = incidents::lock_free(&mut tx, &ids).await?;
        let case = |incident| Case { incident, category: incident.category.as_ref(), advised: &advised };
        let cases: Vec<Case<'_>> = held.iter().map(|held| &held.incident).map(case).collect();
        let mut facts = facts::gather(&mut tx, &cases, &self.config).await?;
        let decide = |incident: &Incident, facts: &Facts| match first.get(&incident.id.0) {
            Some(input) => decide(incident, input.clone(), facts).ok(),
            None => None,
        };
        let mut steps: Vec<Option<Step>> =
            held.iter().zip(&facts).map(|(held, facts)| decide(&held.incident, facts)).collect();
        let lacks = |step: &Option<Step>| step.as_ref().is_some_and(|step| step.lacks_candidates);
        let choosing: Vec<Case<'_>> =
            cases.iter().zip(&steps).filter(|(_, step)| lacks(step)).map(|(case, _)| *case).collect();
        let mut found = choice::candidates(&mut tx, &choosing, &self.config, Near::LeftOut).await?;
        let mut asked = Asked::default();
        for ((Held { incident, .. }, facts), step) in held.iter().zip(&mut facts).zip(&mut steps) {
            if !lacks(step) {
                continue;
            }
            let Found { candidates, free } = found.remove(&incident.id.0).unwrap_or_default();
            *step = None;
            if !asked.concern(&free) {
                facts.candidates = candidates.into();
                *step = decide(incident, facts);
            }
            if let Some(step) = step {
                asked.add(step, &free);
            }
        }
        let steps: Vec<(&Held, Step)> = held.iter().zip(steps).filter_map(|(held, step)| Some((held, step?))).collect();
        for (held, _) in &steps {
            first.remove(&held.incident.id.0);
        }
        left.extend(first.into_iter().map(|(id, input)| (IncidentId(id), input)));
        let decided: Vec<(&Held, Step)> =
            steps.into_iter().filter(|(held, step)| !is_idle(&held.incident, step)).collect();
        let Some(now) = facts.first().map(|first| first.now).filter(|_| !decided.is_empty()) else {
            return Ok(left);
        };
        let steps: Vec<(&Held, &Step)> = decided.iter().map(|(held, step)| (*held, step)).collect();
        write(&mut tx, &steps, &self.config, now).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.announce(&steps.iter().map(|(_, step)| *step).collect::<Vec<_>>());
        Ok(left)
    }

    /// Says that something was decided, and that there is something to send.
    fn announce(&self, steps: &[&Step]) {
        self.live.nudge();
        for step in steps {
            self.planner.hear_of_decision(step.next.id);
        }
        if steps.iter().any(|step| !step.effects.is_empty()) {
            self.unsent.notify_waiters();
        }
    }
}

/// What came of an input.
pub(crate) struct Decided {
    before: Incident,
    /// `None`: nothing.
    step: Option<Step>,
}

impl Decided {
    /// Whether anything came of it.
    pub(crate) const fn has_effect(&self) -> bool {
        self.step.is_some()
    }

    /// The incident as it is now.
    fn incident(self) -> Incident {
        self.step.map_or(self.before, |step| step.next)
    }
}

/// Whose people were asked by those that were decided before, in the same commit.
#[derive(Debug, Default)]
struct Asked(HashSet<Uuid>);

impl Asked {
    /// Whether what was asked concerns a case that these are free for: they may be engaged now, or their provider have
    /// no room for more.
    fn concern(&self, free: &HashMap<ResponderId, Uuid>) -> bool {
        free.values().any(|provider| self.0.contains(provider))
    }

    fn add(&mut self, step: &Step, free: &HashMap<ResponderId, Uuid>) {
        let asked = step.effects.iter().filter_map(|effect| match effect {
            Effect::AskResponder(offer) => step.next.offers.iter().find(|held| held.id == *offer),
            _ => None,
        });
        self.0.extend(asked.filter_map(|offer| free.get(&offer.responder)));
    }
}

/// Whether nothing came of it.
fn is_idle(incident: &Incident, step: &Step) -> bool {
    step.next == *incident && step.entries.is_empty() && step.effects.is_empty()
}

/// Writes what was decided about incidents, as they were before.
async fn write(
    tx: &mut PgConnection,
    decided: &[(&Held, &Step)],
    config: &Config,
    now: Timestamp,
) -> Result<(), DeskError> {
    let changes = decided.iter().map(|(held, step)| Change {
        before: &held.incident,
        next: &step.next,
        head: &held.head,
        lines: step.entries.iter().map(line).collect(),
    });
    saving::save(tx, &mut changes.collect::<Vec<_>>(), now).await?;
    for (_, step) in decided.iter().filter(|(held, _)| held.incident.is_open()) {
        aftercare::begin(tx, &step.next, &Policy::default()).await?;
    }
    choice::keep(tx, now, decided.iter().map(|(_, step)| (step.next.id, step.considered.as_slice()))).await?;
    outbox::enqueue(tx, decided.iter().map(|(_, step)| (&step.next, step.effects.as_slice())), config, now).await?;
    Ok(())
}
