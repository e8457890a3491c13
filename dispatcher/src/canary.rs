//! The canary: a press of our own every minute, over the same line as everybody's, to see that the line works.
//!
//! A terminal of ours connects to the front door as any other does and presses ([`Presser`]). Its press is taken in,
//! opens a case, is decided, and the consoles' stream tells of it; the decision closes the case and wakes nobody, and
//! no list or figure shows it. What is measured is the way from the press to the acknowledgement, and to the stream.
//! The last hop, from the stream to a console, each console watches by itself: a stream that is silent is broken.
//!
//! One process presses, whoever holds the lock; every process looks at what came through, and says so when nothing
//! has for too long: on its consoles, on `/metrics`, and to the alarm hook, also while the database is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::directory::hash_secret;

use crate::config::CanaryConfig;
use crate::desk::Desk;
use crate::store::canary::{self as store, Beat, SERIAL};
use crate::store::{StoreError, live, watch as locks};
use crate::{alarm, clock};

/// A press that failed is tried again after this long, or sooner where they are more frequent.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long one press may take.
const THROUGH_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take with everything around it.
const BEATS_WITHIN: Duration = Duration::from_secs(40);
/// What happens in other processes is noticed within this time.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it is looked what came through.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How many events of the stream are read at once.
const BATCH_MAX: i64 = 500;

/// Who presses, and which press it is.
#[derive(Debug, Clone)]
pub struct Press {
    /// The terminal's serial, which is its login too.
    pub serial: &'static str,
    /// Its secret.
    pub secret: String,
    /// The start of this process, in seconds: with `seq` unique for each press.
    pub boot: u32,
    /// Counts the presses.
    pub seq: u32,
}

/// A press was not acknowledged. The text says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAcknowledged(pub String);

/// Presses as a terminal does, from outside.
#[async_trait]
pub trait Presser: Send + Sync + 'static {
    /// Connects, presses, and comes back when the press was acknowledged.
    async fn press(&self, press: &Press) -> Result<(), NotAcknowledged>;
}

/// How the canary fares.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Canary {
    /// Nothing has come through for too long.
    pub missing: bool,
    /// When a press came through last.
    pub seen_at: Option<Timestamp>,
    /// How long that took until it was acknowledged.
    pub acknowledged_ms: Option<i32>,
    /// How long until the consoles' stream told of it.
    pub seen_ms: Option<i32>,
    /// After how many seconds of nothing it is missing.
    pub missing_after_s: u64,
}

/// Why a press did not come through.
#[derive(Debug, thiserror::Error)]
enum Lost {
    /// The front door did not acknowledge it.
    #[error("the press was not acknowledged: {0}")]
    NotAcknowledged(#[from] NotAcknowledged),
    /// It was acknowledged and the stream never told of it.
    #[error("the press was acknowledged, but the stream did not tell of it within {} s", THROUGH_WITHIN.as_secs())]
    Unseen,
    /// The database did not answer, and did not hang up either.
    #[error("the database hangs")]
    Hung,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Desk {
    /// How the canary fares, and what follows; nothing while it is off.
    pub fn canary(&self) -> watch::Receiver<Option<Canary>> {
        self.live.canary()
    }
}

/// Presses for as long as this process holds the lock.
pub async fn run(desk: Desk, config: CanaryConfig, presser: Arc<dyn Presser>, stop: CancellationToken) {
    let boot = u32::try_from(clock::now().as_second()).unwrap_or(u32::MAX);
    let (mut held, mut seq) = (None, 0);
    loop {
        let beating = tokio::time::timeout(BEATS_WITHIN, beat(&desk, presser.as_ref(), &mut held, boot, &mut seq));
        let wait = match beating.await.unwrap_or(Err(Lost::Hung)) {
            Ok(Some((acknowledged, seen))) => {
                info!(
                    acknowledged_ms = acknowledged.as_millis(),
                    seen_ms = seen.as_millis(),
                    "the canary's press came through"
                );
                config.every
            }
            Ok(None) => config.every.min(AGAIN_AFTER),
            Err(cause) => {
                if matches!(cause, Lost::Store(_) | Lost::Hung) {
                    // The lock may be gone with its connection.
                    held = None;
                }
                warn!(%cause, "the canary's press did not come through");
                config.every.min(AGAIN_AFTER)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The connection that holds the lock, and the secret that was made under it.
struct Held {
    conn: PgConnection,
    secret: String,
}

/// One press, from the front door to the stream; `None` while another process presses.
async fn beat(
    desk: &Desk,
    presser: &dyn Presser,
    held: &mut Option<Held>,
    boot: u32,
    seq: &mut u32,
) -> Result<Option<(Duration, Duration)>, Lost> {
    let held = match held {
        Some(held) => held,
        None => match hold(desk).await? {
            Some(fresh) => held.insert(fresh),
            None => return Ok(None),
        },
    };
    *seq += 1;
    let mut changes = desk.live.changes();
    let from = live::head(&mut held.conn).await?;
    let begun = Instant::now();
    presser.press(&Press { serial: SERIAL, secret: held.secret.clone(), boot, seq: *seq }).await?;
    let acknowledged = begun.elapsed();
    let seeing = see(&mut held.conn, &mut changes, from, boot, *seq);
    tokio::time::timeout(THROUGH_WITHIN, seeing).await.map_err(|_| Lost::Unseen)??;
    let seen = begun.elapsed();
    store::note(&mut held.conn, acknowledged, seen).await?;
    Ok(Some((acknowledged, seen)))
}

/// Tries to become the one process that presses. Then the terminal gets a secret that nobody else knows.
async fn hold(desk: &Desk) -> Result<Option<Held>, StoreError> {
    let mut conn = desk.conn().await?;
    if !locks::take_the_canary(&mut conn).await? {
        return Ok(None);
    }
    let secret = hex::encode(clock::random_bytes::<32>());
    store::provision(&mut conn, &hash_secret(secret.as_bytes())).await?;
    // Out of the pool, which would give it to others and end it when it is old.
    Ok(Some(Held { conn: conn.detach(), secret }))
}

/// Follows the stream as a console does, until it tells that the press's case is over.
async fn see(
    conn: &mut PgConnection,
    changes: &mut watch::Receiver<u64>,
    from: live::Cursor,
    boot: u32,
    seq: u32,
) -> Result<(), StoreError> {
    let mut cursor = from;
    loop {
        let events = live::after(conn, cursor, BATCH_MAX).await?;
        if let Some(last) = events.last() {
            cursor = last.cursor;
            let incidents: Vec<Uuid> = events.iter().map(|event| event.incident.0).collect();
            if store::is_through(conn, &incidents, boot, seq).await? {
                return Ok(());
            }
        } else {
            // Either there is news, or it is time to look for others'.
            let _ = tokio::time::timeout(LOOK_EVERY, changes.changed()).await;
        }
    }
}

/// Looks every second at what came through, and says so when nothing has for too long. A database that hangs is no
/// reason to wait for it.
pub async fn watch(desk: Desk, config: CanaryConfig, stop: CancellationToken) {
    let mut watch = Watch::new(config, Instant::now());
    loop {
        let last = tokio::time::timeout(WATCH_EVERY, last(&desk)).await.ok().flatten();
        let (canary, turn) = watch.look(last, Instant::now());
        tell(&desk, canary, turn);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(WATCH_EVERY) => {}
        }
    }
}

/// What one process believes of the canary, also while the database is away.
#[derive(Debug)]
struct Watch {
    config: CanaryConfig,
    last: Option<Beat>,
    /// When the last press was learnt of, or the watch began.
    heard: Instant,
    missing: bool,
}

/// What the alarm hook is told.
#[derive(Debug, Serialize)]
struct Missing {
    alarm: &'static str,
    text: String,
    seen_at: Option<Timestamp>,
}

impl Watch {
    fn new(config: CanaryConfig, now: Instant) -> Self {
        Self { config, last: None, heard: now, missing: false }
    }

    /// Takes in what the database says, if it says anything; gives how the canary fares, and whether it has just
    /// fallen silent or come back.
    fn look(&mut self, last: Option<Beat>, now: Instant) -> (Canary, Option<Turn>) {
        if let Some(last) = last
            && self.last != Some(last)
        {
            // A beat of a life before this one says nothing of now.
            if self.last.is_some() || !is_older(&last, self.config.missing_after) {
                self.heard = now;
            }
            self.last = Some(last);
        }
        let missing = now.duration_since(self.heard) > self.config.missing_after;
        let turn = match (self.missing, missing) {
            (false, true) => Some(Turn::Fell),
            (true, false) => Some(Turn::Rose),
            _ => None,
        };
        self.missing = missing;
        let canary = Canary {
            missing,
            seen_at: self.last.map(|last| last.seen_at),
            acknowledged_ms: self.last.map(|last| last.acknowledged_ms),
            seen_ms: self.last.map(|last| last.seen_ms),
            missing_after_s: self.config.missing_after.as_secs(),
        };
        (canary, turn)
    }
}

fn is_older(beat: &Beat, than: Duration) -> bool {
    let age = clock::now().duration_since(beat.seen_at);
    age > jiff::SignedDuration::try_from(than).unwrap_or(jiff::SignedDuration::MAX)
}

/// A canary that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It has been silent for too long.
    Fell,
    /// It is heard again.
    Rose,
}

/// Tells consoles, log and alarm hook.
fn tell(desk: &Desk, canary: Canary, turn: Option<Turn>) {
    match turn {
        Some(Turn::Fell) => {
            error!(missing_after_s = canary.missing_after_s, "the canary is missing: presses may not come through");
            if let Some(hook) = desk.config.alarm_hook.clone() {
                let text = "一点通：链路自检按键没有通过，求助可能到不了坐席，请立即检查 / the canary's press does not come \
                            through: calls for help may not reach the operators";
                alarm::fire(hook, Missing { alarm: "canary_missing", text: text.to_owned(), seen_at: canary.seen_at });
            }
        }
        Some(Turn::Rose) => info!("the canary is heard again"),
        None => {}
    }
    desk.live.tell_canary(canary);
}

/// Reads the last press that came through; nothing while the database is away.
async fn last(desk: &Desk) -> Option<Beat> {
    let mut conn = desk.conn().await.ok()?;
    store::last(&mut conn).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: CanaryConfig = CanaryConfig { every: Duration::from_mins(1), missing_after: Duration::from_mins(3) };

    fn beat(second: i64) -> Beat {
        let seen_at = clock::now() + jiff::SignedDuration::from_secs(second);
        Beat { seen_at, acknowledged_ms: 5, seen_ms: 9 }
    }

    #[test]
    fn a_canary_that_never_sang_is_missing_when_its_time_is_over() {
        let start = Instant::now();
        let mut watch = Watch::new(CONFIG, start);
        assert_eq!(watch.look(None, start + CONFIG.missing_after).1, None);
        let (canary, turn) = watch.look(None, start + CONFIG.missing_after + Duration::from_secs(1));
        assert_eq!((canary.missing, turn), (true, Some(Turn::Fell)));
        // Once an outage.
        assert_eq!(watch.look(None, start + CONFIG.missing_after * 2).1, None);
    }

    #[test]
    fn each_press_that_comes_through_starts_the_time_anew() {
        let start = Instant::now();
        let mut watch = Watch::new(CONFIG, start);
        for minute in 1..10 {
            let at = start + Duration::from_secs(60 * minute);
            let (canary, turn) = watch.look(Some(beat(i64::try_from(minute).unwrap())), at);
            assert_eq!((canary.missing, turn), (false, None));
        }
        let same = watch.last;
        let late = start + Duration::from_secs(60 * 9 + 181);
        assert_eq!(watch.look(same, late).1, Some(Turn::Fell));
        assert_eq!(watch.look(Some(beat(900)), late + Duration::from_secs(1)).1, Some(Turn::Rose));
    }

    #[test]
    fn what_came_through_before_a_restart_long_ago_does_not_count() {
        let start = Instant::now();
        let mut watch = Watch::new(CONFIG, start);
        let (canary, _) = watch.look(Some(beat(-600)), start + Duration::from_secs(179));
        assert!(!canary.missing && canary.seen_at.is_some());
        assert_eq!(watch.look(watch.last, start + Duration::from_secs(181)).1, Some(Turn::Fell));
    }
}
