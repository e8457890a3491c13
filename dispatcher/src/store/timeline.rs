//! The timeline of an incident: append-only, each entry chained to the one before it.
//!
//! `commitment = sha256(salt ‖ canonical JSON of at, what, who, data)` and
//! `hash = sha256(hash before ‖ incident ‖ seq ‖ commitment)`. Erasing salt and data leaves every
//! hash as it was; changing, dropping or inserting an entry does not.

use domain::id::IncidentId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use crate::clock;

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The word for what happened.
    pub what: &'static str,
    /// The user whose doing it was.
    pub who: Option<Uuid>,
    /// The rest.
    pub data: Value,
}

/// The end of a chain: how many entries there are and the hash of the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// How many.
    pub entries: i32,
    /// The last hash, empty before the first entry.
    pub hash: Vec<u8>,
}

impl Head {
    /// The last hash as `PostgreSQL` reads a `bytea` out of JSON.
    pub fn hash_as_text(&self) -> String {
        format!("\\x{}", hex::encode(&self.hash))
    }
}

/// A line with its place in the chain, and not yet written.
#[derive(Debug, Clone)]
pub struct Entry {
    incident: IncidentId,
    seq: i32,
    at: Timestamp,
    line: Line,
    salt: [u8; 16],
    commitment: Vec<u8>,
    hash: Vec<u8>,
}

fn commit(salt: &[u8], at: Timestamp, what: &str, who: Option<Uuid>, data: &Value) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(at.as_microsecond().to_be_bytes());
    hasher.update(what.as_bytes());
    hasher.update([0]);
    hasher.update(who.unwrap_or_default().as_bytes());
    hasher.update(canonical(data).as_bytes());
    hasher.finalize().to_vec()
}

fn chain(before: &[u8], incident: IncidentId, seq: i32, commitment: &[u8]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(incident.0.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(commitment);
    hasher.finalize().to_vec()
}

/// JSON with sorted keys, so that the database's own order does not matter.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let fields: Vec<String> = keys
                .into_iter()
                .map(|key| format!("{}:{}", Value::String(key.clone()), canonical(&map[key])))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn link(head: &mut Head, incident: IncidentId, at: Timestamp, line: Line) -> Entry {
    let line = Line { data: legible(line.data), ..line };
    let salt = clock::random_bytes::<16>();
    let seq = head.entries + 1;
    let commitment = commit(&salt, at, line.what, line.who, &line.data);
    let hash = chain(&head.hash, incident, seq, &commitment);
    *head = Head { entries: seq, hash: hash.clone() };
    Entry { incident, seq, at, line, salt, commitment, hash }
}

/// Chains lines to the end of a timeline, which is moved on.
pub fn add(head: &mut Head, incident: IncidentId, at: Timestamp, lines: impl IntoIterator<Item = Line>) -> Vec<Entry> {
    lines.into_iter().map(|line| link(head, incident, at, line)).collect()
}

/// Fractions with no more digits than are read again as they were written: of a longer one the last bit may differ, and the
/// entry would seem to have been changed. Seven behind the point are a centimetre on the ground.
fn legible(value: Value) -> Value {
    const PLACES: f64 = 1e7;
    match value {
        Value::Number(number) if number.is_f64() => {
            let short = |long: f64| if long.abs() < 1e8 { (long * PLACES).round() / PLACES } else { long };
            number.as_f64().map(short).map_or(Value::Number(number), Value::from)
        }
        Value::Array(items) => items.into_iter().map(legible).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, legible(value))).collect(),
        other => other,
    }
}

/// Writes entries, and where the timelines named end now, and tells the consoles. Of the others the ends are written
/// already, with the rest of their rows.
pub async fn write(
    conn: &mut PgConnection,
    entries: Vec<Entry>,
    ends: &[(IncidentId, Head)],
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let (mut incidents, mut seqs, mut ats, mut whats, mut whos) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut datas, mut salts, mut commitments, mut hashes) = (vec![], vec![], vec![], vec![]);
    for entry in entries {
        incidents.push(entry.incident.0);
        seqs.push(entry.seq);
        ats.push(entry.at.to_sqlx());
        whats.push(entry.line.what.to_owned());
        whos.push(entry.line.who);
        datas.push(entry.line.data);
        salts.push(entry.salt.to_vec());
        commitments.push(entry.commitment);
        hashes.push(entry.hash);
    }
    let ids: Vec<Uuid> = ends.iter().map(|(incident, _)| incident.0).collect();
    let counts: Vec<i32> = ends.iter().map(|(_, head)| head.entries).collect();
    let heads: Vec<Vec<u8>> = ends.iter().map(|(_, head)| head.hash.clone()).collect();
    sqlx::query!(
        "with known as (
            update incident set entries = head.entries, chain_head = head.hash
            from unnest($10::uuid[], $11::integer[], $12::bytea[]) as head (incident_id, entries, hash)
            where incident.id = head.incident_id),
         told as (insert into live_event (incident_id) select distinct * from unnest($1::uuid[]))
         insert into incident_entry (incident_id, seq, at, what, who_id, data, salt, commitment, hash)
         select * from unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::text[], $5::uuid[], $6::jsonb[],
            $7::bytea[], $8::bytea[], $9::bytea[])",
        &incidents,
        &seqs,
        &ats as &[jiff_sqlx::Timestamp],
        &whats,
        &whos as &[Option<Uuid>],
        &datas,
        &salts,
        &commitments,
        &hashes,
        &ids,
        &counts,
        &heads,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Appends lines to the timelines of several incidents whose rows the caller has locked, and tells
/// the consoles.
pub async fn append_all(
    conn: &mut PgConnection,
    at: Timestamp,
    batch: impl IntoIterator<Item = (IncidentId, Head, Vec<Line>)>,
) -> Result<(), StoreError> {
    let (mut entries, mut ends) = (Vec::new(), Vec::new());
    for (incident, mut head, lines) in batch {
        entries.extend(add(&mut head, incident, at, lines));
        ends.push((incident, head));
    }
    write(conn, entries, &ends).await
}

/// Appends lines to one incident's timeline; its row is locked by this, or by the caller before.
pub async fn append(
    conn: &mut PgConnection,
    incident: IncidentId,
    at: Timestamp,
    lines: &[Line],
) -> Result<(), StoreError> {
    if lines.is_empty() {
        return Ok(());
    }
    let row = sqlx::query!("select entries, chain_head from incident where id = $1 for update", incident.0)
        .fetch_one(&mut *conn)
        .await?;
    let head = Head { entries: row.entries, hash: row.chain_head };
    append_all(conn, at, [(incident, head, lines.to_vec())]).await
}

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// An entry's number does not follow.
    #[error("entry {0} is missing")]
    Missing(i32),
    /// An entry's content is not what was committed to.
    #[error("entry {0} was changed")]
    Changed(i32),
    /// An entry's hash does not follow from the one before.
    #[error("entry {0} does not follow from the one before")]
    Unchained(i32),
    /// The last hash is not the incident's head.
    #[error("the end was cut off")]
    Cut,
}

/// Checks one incident's whole chain; erased entries count by their commitment.
pub async fn verify(conn: &mut PgConnection, incident: IncidentId) -> Result<Result<(), BrokenChain>, StoreError> {
    let head = sqlx::query!("select entries, chain_head from incident where id = $1", incident.0)
        .fetch_one(&mut *conn)
        .await?;
    let entries = sqlx::query!(
        "select seq, at, what, who_id, data, salt, commitment, hash from incident_entry where incident_id = $1 order by seq",
        incident.0
    )
    .fetch_all(conn)
    .await?;
    let mut before: Vec<u8> = Vec::new();
    for (entry, expected) in entries.iter().zip(1..) {
        if entry.seq != expected {
            return Ok(Err(BrokenChain::Missing(expected)));
        }
        if let (Some(salt), Some(data)) = (&entry.salt, &entry.data)
            && commit(salt, entry.at.to_jiff(), &entry.what, entry.who_id, data) != entry.commitment
        {
            return Ok(Err(BrokenChain::Changed(entry.seq)));
        }
        if chain(&before, incident, entry.seq, &entry.commitment) != entry.hash {
            return Ok(Err(BrokenChain::Unchained(entry.seq)));
        }
        before.clone_from(&entry.hash);
    }
    if before != head.chain_head || i32::try_from(entries.len()).ok() != Some(head.entries) {
        return Ok(Err(BrokenChain::Cut));
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_committed_to_is_read_again_as_it_was_written() {
        for step in 0..20_000 {
            // As many digits as a place has that was computed.
            let told = 112.9 + f64::from(step) * 1.234_567_890_123e-5;
            let written = legible(json!({ "place": { "lon": told, "points": [told] }, "level": 3 }));
            let read: Value = serde_json::from_str(&written.to_string()).unwrap();
            assert_eq!(canonical(&read), canonical(&written), "{told}");
            let kept = written["place"]["lon"].as_f64().unwrap();
            assert!((kept - told).abs() < 1e-7, "{kept} is not {told}");
        }
    }
}
