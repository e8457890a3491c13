//! How wearers came to stand with their fences as they do: the last change of each, as it is kept and told.
//!
//! It says when, how far and how sure, and by which positions, but not where these were: places are told elsewhere.

use std::collections::BTreeMap;

use domain::id::{FenceId, TerminalId};
use domain::place::Source;
use domain::whereabouts::{Evidence, Standing, Turn};
use domain::word::Word as _;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;

/// A change of how a wearer stands with a fence, and what it was decided on.
///
/// `inside` is where they should be (off a forbidden area), `returned` there again; `doubtful`, `suspected` and `confirmed`
/// say how likely they are where they should not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = FenceTurn)]
pub struct TurnView {
    /// How they stood: `inside`, `doubtful`, `suspected`, `confirmed` or `returned`.
    #[serde(with = "wire::word")]
    #[schema(value_type = String)]
    pub from: Standing,
    /// How they stand; a word of the same.
    #[serde(with = "wire::word")]
    #[schema(value_type = String)]
    pub to: Standing,
    /// When the newest of the positions was measured.
    pub at: Timestamp,
    /// When they most likely crossed the edge.
    pub since: Timestamp,
    /// When the position that decided it came in.
    pub decided_at: Timestamp,
    /// How likely they are where they should not be, from 0 to 1.
    pub chance: f64,
    /// How far on the wrong side of the edge they most likely are, metres; less than none on the right side.
    pub distance_m: f64,
    /// What may explain what was seen, and how likely each is, from 0 to 1.
    pub stories: BTreeMap<String, f64>,
    /// By which positions it was decided: the newest, oldest first.
    pub fixes: Vec<SeenFix>,
}

/// A position that something was decided by, without its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeenFix {
    /// When it was measured.
    pub at: Timestamp,
    /// How it was come by: `gnss`, `wifi`, `cell`, …
    #[serde(with = "wire::word")]
    #[schema(value_type = String)]
    pub source: Source,
    /// How far on the wrong side of the edge, metres; less than none on the right side.
    pub distance_m: f64,
    /// What the receiver claims, metres.
    pub accuracy_m: Option<f64>,
}

/// To a tenth, which is more than is known.
pub(crate) fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// To a hundredth of a percent.
pub(crate) fn share(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

impl From<&Turn> for TurnView {
    fn from(turn: &Turn) -> Self {
        Self {
            from: turn.from,
            to: turn.to,
            at: turn.at,
            since: turn.since,
            decided_at: turn.decided_at,
            chance: share(turn.chance),
            distance_m: tenth(turn.beyond.0),
            stories: turn.likely().map(|(story, chance)| (story.as_str().to_owned(), share(*chance))).collect(),
            fixes: turn.evidence.iter().map(SeenFix::from).collect(),
        }
    }
}

impl From<&Evidence> for SeenFix {
    fn from(seen: &Evidence) -> Self {
        Self {
            at: seen.at,
            source: seen.source,
            distance_m: tenth(seen.beyond.0),
            accuracy_m: seen.claimed.map(|claimed| tenth(claimed.0)),
        }
    }
}

/// The last change of how the wearer of a terminal stands with a fence.
#[derive(Debug, Clone)]
pub struct Turned {
    /// Whose row is held.
    pub terminal: TerminalId,
    /// Which fence.
    pub fence: FenceId,
    /// The count of the wearer's fences.
    pub of: i32,
    /// The change.
    pub turn: TurnView,
}

/// Keeps the last changes of terminals whose rows are held, each in place of the one before; each fence of a terminal once.
pub async fn keep(conn: &mut PgConnection, turned: &[Turned], now: Timestamp) -> Result<(), StoreError> {
    if turned.is_empty() {
        return Ok(());
    }
    let terminals: Vec<i64> = turned.iter().map(|turned| turned.terminal.0).collect();
    let fences: Vec<Uuid> = turned.iter().map(|turned| turned.fence.0).collect();
    let of: Vec<i32> = turned.iter().map(|turned| turned.of).collect();
    let turns: Vec<Value> =
        turned.iter().map(|turned| serde_json::to_value(&turned.turn).unwrap_or_default()).collect();
    sqlx::query!(
        "insert into fence_turn (terminal_id, fence_id, beliefs_of, turn, turned_at)
         select n.*, $5 from unnest($1::bigint[], $2::uuid[], $3::integer[], $4::jsonb[]) n
         on conflict (fence_id, terminal_id) do update
            set beliefs_of = excluded.beliefs_of, turn = excluded.turn, turned_at = excluded.turned_at",
        &terminals,
        &fences,
        &of,
        &turns,
        now.to_sqlx(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What lies in its column; what nobody can read is not told.
pub(super) fn read(turn: Option<Value>) -> Option<TurnView> {
    turn.and_then(|turn| serde_json::from_value(turn).ok())
}
