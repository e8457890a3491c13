//! The plan for everybody, kept in force: each decision is given what the plan says of its incident, and whoever holds the
//! survey looks every second whether it says anything of one that nobody is deciding.
//!
//! A plan is advice. Without one, because the database would not tell, nothing is known yet or too many wait to be decided
//! at all, an incident asks whoever would be there first.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::dispatch::{Board, Mode, Standing, Weights, plan, travel};
use domain::id::{IncidentId, ResponderId};
use domain::incident::{Advice, Input};
use domain::place::Position;
use jiff::SignedDuration;
use parking_lot::Mutex;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::{Config, RouterConfig};
use crate::desk::{Desk, DeskError};
use crate::store::board::{self, Past, Recent};
use crate::store::{StoreError, watch};

/// How often it is looked whether the plan wants something that nobody is deciding…
const SURVEY_EVERY: Duration = Duration::from_secs(1);
/// …and after so many times as long as a look takes: a large district leaves the database to those who decide.
const SURVEY_REST: u32 = 5;
/// What was called for in the last weeks is read anew after this long.
const PAST_FOR: Duration = Duration::from_mins(10);
/// Of so many the way is asked for.
const WAYS_MAX: usize = 20;

/// When more than so many incidents wait to be decided, each is decided without a plan: everybody is asked for at once,
/// and who would look at all of them for each would come to nobody.
pub(crate) const BACKLOG_MAX: i64 = 100;

/// What the planner remembers.
#[derive(Debug, Default)]
pub(crate) struct Planner {
    /// What was called for before. No decision waits for that to be read.
    past: Mutex<Arc<Past>>,
    /// Who may be sent where, as decisions before have read it.
    recent: Mutex<Recent>,
    /// Too many wait.
    is_behind: AtomicBool,
}

impl Planner {
    /// What the plan says of one incident now.
    pub(crate) async fn advise(&self, desk: &Desk, incident: IncidentId) -> Advised {
        if self.is_behind() {
            return Advised::default();
        }
        let mut board = match self.board(desk, Some(incident)).await {
            Ok(board) => board,
            Err(cause) => {
                warn!(%cause, incident.id = %incident, "decided without a plan");
                return Advised::default();
            }
        };
        let ways = match &desk.config.router {
            Some(router) => ask_for_ways(router, &mut board, incident).await,
            None => HashMap::new(),
        };
        Advised { advice: plan(&board, &Weights::default()).advice(incident, board.now), ways }
    }

    /// What the plan says of an incident in a transaction that will not be kept.
    pub(crate) async fn advise_in_rehearsal(
        &self,
        tx: &mut PgConnection,
        incident: IncidentId,
        config: &Config,
    ) -> Result<Advised, StoreError> {
        let past = Arc::clone(&self.past.lock());
        let board = board::read(tx, Some(incident), &past, config, &Mutex::default()).await?;
        Ok(Advised { advice: plan(&board, &Weights::default()).advice(incident, board.now), ways: HashMap::new() })
    }

    /// Something was decided of this incident.
    pub(crate) fn hear_of_decision(&self, incident: IncidentId) {
        self.recent.lock().forget(incident);
    }

    /// Whether too many wait to be decided.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// So many wait to be decided.
    pub(crate) fn hear_of_backlog(&self, count: i64) {
        let is_behind = count > BACKLOG_MAX;
        if self.is_behind.swap(is_behind, Ordering::Relaxed) != is_behind {
            warn!(count, is_behind, "incidents wait to be decided; while they are many, each goes without a plan");
        }
    }

    async fn board(&self, desk: &Desk, around: Option<IncidentId>) -> Result<Board, StoreError> {
        let past = Arc::clone(&self.past.lock());
        let mut glimpse = desk.glimpse().await?;
        let board = board::read(&mut glimpse, around, &past, &desk.config, &self.recent).await?;
        glimpse.commit().await?;
        Ok(board)
    }

    async fn remember(&self, desk: &Desk) -> Result<(), StoreError> {
        let past = board::past(&mut *desk.conn().await?).await?;
        *self.past.lock() = Arc::new(past);
        Ok(())
    }
}

/// What a decision is given beside the facts.
#[derive(Debug, Default)]
pub(crate) struct Advised {
    /// What the plan says.
    pub(crate) advice: Advice,
    /// How long some take to get there, by somebody who knows the streets.
    pub(crate) ways: HashMap<ResponderId, SignedDuration>,
}

/// Has the ways of the nearest who are free told by somebody who knows the streets, and the plan reckon with them.
async fn ask_for_ways(
    router: &RouterConfig,
    board: &mut Board,
    incident: IncidentId,
) -> HashMap<ResponderId, SignedDuration> {
    let Board { cases, people, .. } = board;
    let Some(case) = cases.iter_mut().find(|case| case.incident == incident) else { return HashMap::new() };
    let mut nearest: Vec<usize> =
        case.able.iter().copied().filter(|seat| people[*seat].standing == Standing::Free).collect();
    nearest.sort_by_key(|seat| travel(people[*seat].at, case.at, people[*seat].mode));
    nearest.truncate(WAYS_MAX);
    let from: Vec<(Position, Mode)> = nearest.iter().map(|seat| (people[*seat].at, people[*seat].mode)).collect();
    let told = router.ways(&from, case.at).await;
    case.ways = nearest.into_iter().zip(told).filter_map(|(seat, way)| Some((seat, way?))).collect();
    case.ways.iter().map(|(seat, way)| (people[*seat].responder, *way)).collect()
}

/// Keeps in mind what was called for before; and looks every second, while this process holds the survey, and lets those
/// incidents decide of which the plan wants something: whoever is to let go first, then whoever is to ask.
pub(crate) async fn run(desk: Desk, stop: CancellationToken) {
    let mut held: Option<PgConnection> = None;
    let mut rest = SURVEY_EVERY;
    let mut remembered_at: Option<Instant> = None;
    loop {
        // When the database is away the deciders say so.
        if remembered_at.is_none_or(|at| at.elapsed() >= PAST_FOR) && desk.planner.remember(&desk).await.is_ok() {
            remembered_at = Some(Instant::now());
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        let began = Instant::now();
        match take(&desk, &mut held).await {
            Ok(true) => {}
            // Somebody else has it, or the database is away, and the deciders say so.
            Ok(false) | Err(_) => continue,
        }
        if let Err(cause) = survey(&desk).await {
            warn!(%cause, "the district could not be surveyed");
        }
        rest = SURVEY_EVERY.max(began.elapsed() * SURVEY_REST);
    }
}

async fn take(desk: &Desk, held: &mut Option<PgConnection>) -> Result<bool, StoreError> {
    if let Some(conn) = held {
        if watch::is_there(conn).await {
            return Ok(true);
        }
        *held = None;
    }
    let mut conn = desk.conn().await?;
    let is_ours = watch::take_the_survey(&mut conn).await?;
    if is_ours {
        // Out of the pool, which would give it to others and end it when it is old.
        *held = Some(conn.detach());
    }
    Ok(is_ours)
}

/// Lets those incidents decide of which the plan wants something.
async fn survey(desk: &Desk) -> Result<(), StoreError> {
    if desk.planner.is_behind() {
        return Ok(());
    }
    let board = desk.planner.board(desk, None).await?;
    let plan = plan(&board, &Weights::default());
    let let_go = plan.moves.iter().filter_map(|step| step.from);
    let ask = plan.moves.iter().map(|step| step.incident);
    for incident in let_go.chain(ask) {
        match desk.apply(incident, Input::Wake).await {
            Ok(_) | Err(DeskError::NoIncident) => {}
            Err(cause) => warn!(%cause, incident.id = %incident, "what the plan wants could not be decided"),
        }
    }
    Ok(())
}
