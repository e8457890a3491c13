//! Brings the dispatcher up: checks what the promises rest upon, migrates, starts what runs.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, getsid, setpriority_process};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::canary::Presser;
use crate::desk::Desk;
use crate::outbox::{self, Terminals};
use crate::store::retention::{self, GivenUp};
use crate::store::{self, StoreError, canary as canary_store, live, once, schema, users, watch};
use crate::{canary, commands, planner, positions, rules, ticker, usual, watchdog};

/// How often what nobody needs any longer is deleted.
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// How long a console may be away and resume its stream, and a call be repeated with its key.
const KEPT_FOR: Duration = Duration::from_hours(24);
/// So that the deletion never holds anything up for long.
const FORGOTTEN_MAX: i64 = 10_000;
/// The same of the canary's cases.
const CANARIES_MAX: i64 = 100;

/// The longest pause between two statements of a transaction. Below the five seconds in which a terminal hears of its
/// press, with room for the call that waited.
const STANDS_STILL_MAX: &str = "2s";

/// Why the dispatcher does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database does not answer.
    #[error("the database does not answer")]
    Database(#[from] sqlx::Error),
    /// Its tables cannot be brought up to date.
    #[error("the database's tables cannot be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A setting on which "received" rests is off.
    #[error("PostgreSQL's {setting} is {value}: an acknowledged alert could be lost; set it to on")]
    NotDurable {
        /// Which.
        setting: &'static str,
        /// What it is.
        value: String,
    },
    /// A query failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How nice the database is about what may wait: a tenth of the processor time when there is not enough for all, and not less,
/// for it holds rows meanwhile that a press of the same terminal needs.
const ASIDE_NICE: i32 = 10;
/// The kernel lets the niceness of so many sessions be set one after the other, a tenth of a second apart.
const SESSIONS_EVERY: Duration = Duration::from_millis(100);
const SESSIONS_TRIES: usize = 30;
/// A connection that was in use so lately is taken for a good one.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Connections to a database, which need not be there yet: each is made when it is needed, and made again when
/// it is broken.
///
/// Whoever stands still in the middle of a transaction (a machine that is paused, or cut off) loses it after
/// [`STANDS_STILL_MAX`]: otherwise nobody else could take in a press about the incident that it has locked.
pub fn connect(options: PgConnectOptions, connections_max: u32) -> PgPool {
    pool(connections_max).connect_lazy_with(prepared(options))
}

/// The same, for what is urgent: what they have learnt is kept for as long as they hold, and holds for tables of any size.
///
/// A statement is planned once on a connection, when the tables of what is open may well be empty; nothing has it planned
/// anew until they are looked after, up to a minute after they began to grow. To read a table from end to end is the best
/// plan for an empty one and the ruin of a surge. So each row is looked up by an index, one after the other.
pub fn connect_urgent(options: PgConnectOptions, connections_max: u32) -> PgPool {
    let by_index = ["enable_seqscan", "enable_hashjoin", "enable_mergejoin"].map(|way| (way, "off"));
    let options = prepared(options).options(by_index).options([("plan_cache_mode", "force_generic_plan")]);
    pool(connections_max).idle_timeout(None).max_lifetime(None).connect_lazy_with(options)
}

/// The same, for what may wait. Where the database runs on this machine (`is_here`) the processes that answer give way to
/// those that answer for presses and decisions; where the machine does not allow it, they don't.
pub fn connect_aside(options: PgConnectOptions, connections_max: u32, is_here: bool) -> PgPool {
    let pool = pool(connections_max);
    let pool = if is_here { pool.after_connect(|conn, _| Box::pin(give_way(conn))) } else { pool };
    pool.connect_lazy_with(prepared(options))
}

fn prepared(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("idle_in_transaction_session_timeout", STANDS_STILL_MAX)]).application_name("yidiantong")
}

fn pool(connections_max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        // Whoever used it a moment ago would have noticed that it is broken. To ask each time would be a round trip more
        // for each transaction.
        .test_before_acquire(false)
        .before_acquire(|conn, used| {
            Box::pin(async move { Ok(used.idle_for < TRUSTED_FOR || conn.ping().await.is_ok()) })
        })
        .acquire_timeout(Duration::from_secs(5))
}

async fn give_way(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let backend = watch::backend(conn).await?;
    let given = match Pid::from_raw(backend) {
        Some(pid) => given_way(pid).await,
        None => Err(Errno::SRCH.into()),
    };
    if let Err(cause) = given {
        debug!(%cause, backend, "positions have the same right to the processor as presses");
    }
    Ok(())
}

async fn given_way(backend: Pid) -> io::Result<()> {
    setpriority_process(Some(backend), ASIDE_NICE)?;
    // A kernel may share the processor out among sessions first (sched_autogroup_enabled), and each of PostgreSQL's
    // processes leads one of its own: then it is as nice as its session, whatever it is itself.
    let session = format!("/proc/{}/autogroup", backend.as_raw_nonzero());
    if getsid(Some(backend))? != backend || !Path::new(&session).exists() {
        return Ok(());
    }
    for _ in 0..SESSIONS_TRIES {
        match tokio::fs::write(&session, ASIDE_NICE.to_string()).await {
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(SESSIONS_EVERY).await,
            written => return written,
        }
    }
    Err(Errno::AGAIN.into())
}

/// Brings the tables up to date and checks that commits are durable. A desk is open after it.
pub async fn prepare(pool: &PgPool) -> Result<(), StartError> {
    schema::MIGRATIONS.run(pool).await?;
    let mut conn = pool.acquire().await?;
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value = watch::setting(&mut conn, setting).await?;
        if value == "off" {
            return Err(StartError::NotDurable { setting, value });
        }
    }
    let mut tx = store::begin(pool).await?;
    watch::ensure_partitions(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

/// What runs over an open desk: ticker, planner, outbox, watchdog, and the canary where it is on. Ends when told to stop.
pub async fn run(
    desk: Desk,
    terminals: Arc<dyn Terminals>,
    presser: Option<Arc<dyn Presser>>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let mut running = JoinSet::new();
    if let Some(config) = desk.config.canary {
        running.spawn(canary::watch(desk.clone(), config, stop.clone()));
        if let Some(presser) = presser {
            running.spawn(canary::run(desk.clone(), config, presser, stop.clone()));
        }
    }
    running.spawn(ticker::run(desk.clone(), stop.clone()));
    running.spawn(rules::run(desk.clone(), stop.clone()));
    running.spawn(usual::run(desk.clone(), stop.clone()));
    running.spawn(planner::run(desk.clone(), stop.clone()));
    running.spawn(watchdog::run(desk.clone(), stop.clone()));
    running.spawn(forget_old(desk.clone(), stop.clone()));
    running.spawn(positions::run(desk.clone(), stop.clone()));
    running.spawn(commands::run(desk.clone(), Arc::clone(&terminals), stop.clone()));
    {
        let stop = stop.clone();
        running.spawn(async move {
            if let Err(cause) = outbox::run(desk, terminals, stop).await {
                error!(%cause, "nothing can be sent");
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        if let Err(cause) = ended {
            error!(%cause, "a part of the dispatcher has ended by itself");
            stop.cancel();
        } else if !stop.is_cancelled() {
            error!("a part of the dispatcher has ended by itself");
            stop.cancel();
        }
    }
    Ok(())
}

/// Gives up a day of positions that is older than they are kept.
async fn give_up_fixes(desk: &Desk) -> Result<(), StoreError> {
    let mut tx = desk.begin().await?;
    let kept_days = i32::from(desk.config.fixes_kept_days.get());
    let GivenUp { partition, fixes } = retention::drop_oldest(&mut tx, kept_days).await?;
    tx.commit().await?;
    if partition.is_some() || fixes > 0 {
        info!(partition, fixes, "positions that are older than they are kept were given up");
    }
    Ok(())
}

/// Deletes events that no stream will be resumed at, keys of calls that nobody will repeat, commands, check-ins and the
/// like that are older than they are kept, and sessions that are over.
async fn forget_old(desk: Desk, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FORGET_EVERY) => {}
        }
        let forgetting = async {
            let mut conn = desk.conn().await?;
            live::forget(&mut conn, KEPT_FOR, FORGOTTEN_MAX).await?;
            once::forget(&mut conn, KEPT_FOR).await?;
            canary_store::forget(&mut conn, KEPT_FOR, CANARIES_MAX).await?;
            let kept_days = i32::from(desk.config.commands_kept_days.get());
            retention::forget_commands(&mut conn, kept_days, FORGOTTEN_MAX).await?;
            let kept_days = i32::from(desk.config.presence_kept_days.get());
            retention::forget_presence(&mut conn, kept_days, FORGOTTEN_MAX).await?;
            users::forget_sessions(&mut conn).await
        };
        if let Err(cause) = forgetting.await {
            warn!(%cause, "what is old could not be deleted");
        }
        if let Err(cause) = give_up_fixes(&desk).await {
            warn!(%cause, "positions that are old could not be given up; it is tried again");
        }
    }
}
