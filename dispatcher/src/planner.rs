//! The plan for everybody, kept in force: each decision is given what the plan says of its incident, and whoever holds the
//! survey looks every second whether it says anything of one that nobody is deciding.
//!
//! A plan is advice. Without one, because the database would not tell or nothing is known yet, an incident asks whoever
//! would be there first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::dispatch::{Board, Weights, plan};
use domain::id::IncidentId;
use domain::incident::{Advice, Input};
use parking_lot::Mutex;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::desk::{Desk, DeskError};
use crate::store::board::{self, Past};
use crate::store::{StoreError, watch};

/// How often it is looked whether the plan wants something that nobody is deciding.
const SURVEY_EVERY: Duration = Duration::from_secs(1);
/// What was called for in the last weeks is read anew after this long.
const PAST_FOR: Duration = Duration::from_mins(10);

/// What the planner remembers: what was called for before, and when that was read.
#[derive(Debug, Default)]
pub(crate) struct Planner {
    past: Mutex<Option<(Instant, Arc<Past>)>>,
}

impl Planner {
    /// What the plan says of one incident now.
    pub(crate) async fn advice(&self, desk: &Desk, incident: IncidentId) -> Advice {
        match self.board(desk, Some(incident)).await {
            Ok(board) => plan(&board, &Weights::default()).advice(incident, board.now),
            Err(cause) => {
                warn!(%cause, incident.id = %incident, "decided without a plan");
                Advice::default()
            }
        }
    }

    async fn board(&self, desk: &Desk, around: Option<IncidentId>) -> Result<Board, StoreError> {
        let past = self.past(desk).await?;
        let mut moment = desk.moment().await?;
        let board = board::read(&mut moment, around, &past, &desk.config).await?;
        moment.commit().await?;
        Ok(board)
    }

    async fn past(&self, desk: &Desk) -> Result<Arc<Past>, StoreError> {
        if let Some((read_at, past)) = &*self.past.lock()
            && read_at.elapsed() < PAST_FOR
        {
            return Ok(Arc::clone(past));
        }
        let past = Arc::new(board::past(&mut *desk.conn().await?).await?);
        *self.past.lock() = Some((Instant::now(), Arc::clone(&past)));
        Ok(past)
    }
}

/// Looks every second, while this process holds the survey, and lets those incidents decide of which the plan wants
/// something: whoever is to let go first, then whoever is to ask.
pub(crate) async fn run(desk: Desk, stop: CancellationToken) {
    let mut held: Option<PgConnection> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SURVEY_EVERY) => {}
        }
        match take(&desk, &mut held).await {
            Ok(true) => {}
            // Somebody else has it, or the database is away, and the deciders say so.
            Ok(false) | Err(_) => continue,
        }
        if let Err(cause) = survey(&desk).await {
            warn!(%cause, "the district could not be surveyed");
        }
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
