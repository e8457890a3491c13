//! What the consoles follow: one event a change of an incident, read in an order that has no gaps.
//!
//! Sequence numbers are given before a transaction commits, so a reader that goes by them alone jumps
//! over what commits late. Readers here go by (transaction, sequence), and only over transactions older
//! than every one that still runs: nothing can appear behind them any more. The price is that one long
//! writing transaction anywhere in the cluster holds the stream back.
//!
//! After a restore into another cluster transaction numbers start anew: empty `live_event` and
//! `live_horizon` then.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::id::IncidentId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// A place in the stream. Opaque outside: `<transaction>-<sequence>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    txid: u64,
    seq: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.txid, self.seq)
    }
}

/// A text that is no cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no cursor")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (txid, seq) = text.split_once('-').ok_or(NoCursor)?;
        let cursor = Self { txid: txid.parse().map_err(|_| NoCursor)?, seq: seq.parse().map_err(|_| NoCursor)? };
        // One spelling for each, or two texts would be one place.
        if cursor.to_string() == text { Ok(cursor) } else { Err(NoCursor) }
    }
}

impl serde::Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One change of one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Where it is.
    pub cursor: Cursor,
    /// What changed.
    pub incident: IncidentId,
}

/// Whether the stream can be resumed somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// Everything after it is still there.
    Possible,
    /// Events after it were deleted, or it is not from this stream.
    Gone,
}

fn cursor(txid: &str, seq: i64) -> Result<Cursor, StoreError> {
    let txid = txid.parse().map_err(|_| StoreError::Impossible {
        table: "live_event",
        id: seq.to_string(),
        column: "txid",
    })?;
    Ok(Cursor { txid, seq })
}

/// The present end: everything that is committed before this moment by transactions that were over
/// lies before it; what it leaves out comes after it.
pub async fn head(conn: &mut PgConnection) -> Result<Cursor, StoreError> {
    let txid = sqlx::query_scalar!(r#"select pg_snapshot_xmin(pg_current_snapshot())::text as "xmin!""#)
        .fetch_one(conn)
        .await?;
    cursor(&txid, 0)
}

/// Whether everything after `from` can still be told.
pub async fn resumption(conn: &mut PgConnection, from: Cursor) -> Result<Resumption, StoreError> {
    let is_there = sqlx::query_scalar!(
        r#"select (txid, seq) <= ($1::text::xid8, $2::bigint)
            and $1::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) as "there!"
         from live_horizon"#,
        from.txid.to_string(),
        from.seq,
    )
    .fetch_one(conn)
    .await?;
    Ok(if is_there { Resumption::Possible } else { Resumption::Gone })
}

/// The next events after `from`, oldest first.
pub async fn after(conn: &mut PgConnection, from: Cursor, count_max: i64) -> Result<Vec<Event>, StoreError> {
    let rows = sqlx::query!(
        r#"select txid::text as "txid!", seq, incident_id
         from live_event
         where (txid, seq) > ($1::text::xid8, $2) and txid < pg_snapshot_xmin(pg_current_snapshot())
         order by txid, seq
         limit $3"#,
        from.txid.to_string(),
        from.seq,
        count_max,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Event { cursor: cursor(&row.txid, row.seq)?, incident: IncidentId(row.incident_id) }))
        .collect()
}

/// The last event of each of `incidents` that this moment sees, in the order of the stream.
pub async fn last_of(conn: &mut PgConnection, incidents: &[Uuid]) -> Result<Vec<Event>, StoreError> {
    let rows = sqlx::query!(
        r#"select asked.id as "incident_id!", last.txid::text as "txid!", last.seq
         from unnest($1::uuid[]) as asked (id)
         cross join lateral (
            select e.txid, e.seq from live_event e
            where e.incident_id = asked.id
            order by e.txid desc, e.seq desc
            limit 1) last"#,
        incidents,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Event { cursor: cursor(&row.txid, row.seq)?, incident: IncidentId(row.incident_id) }))
        .collect()
}

/// Deletes events older than `keep_for`, at most `count_max` of them, and remembers how far. Gives how
/// many went.
///
/// Only whole transactions that are over go, oldest first, so that the horizon tells the truth.
pub async fn forget(conn: &mut PgConnection, keep_for: Duration, count_max: i64) -> Result<u64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"with gone as (
            delete from live_event where (txid, seq) in (
                select txid, seq from live_event
                where at < now() - make_interval(secs => $1) and txid < pg_snapshot_xmin(pg_current_snapshot())
                order by txid, seq
                limit $2)
            returning txid, seq),
         far as (select txid, seq from gone order by txid desc, seq desc limit 1),
         moved as (
            update live_horizon h set txid = far.txid, seq = far.seq
            from far where (far.txid, far.seq) > (h.txid, h.seq))
         select count(*) as "count!" from gone"#,
        keep_for.as_secs_f64(),
        count_max,
    )
    .fetch_one(conn)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_one_spelling() {
        let cursor = Cursor { txid: 7_000_000_000, seq: 12 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "7", "-", "7-", "-7", "07-1", "7-01", "+7-1", "7-1 ", "7-1-1", "0x7-1", "７-1"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text:?}");
        }
    }

    #[test]
    fn transaction_comes_before_sequence() {
        assert!(Cursor { txid: 1, seq: 9 } < Cursor { txid: 2, seq: 1 });
    }
}
