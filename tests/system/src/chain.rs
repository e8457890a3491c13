//! Whether a timeline is whole, reckoned from the database's rows by the rule alone: `commitment =
//! sha256(salt ‖ microseconds, word, 0, who, canonical JSON)`, `hash = sha256(hash before ‖ incident ‖ seq ‖
//! commitment)`. Written apart from the server's own check, so that the two can disagree.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// Checks an incident's timeline, and gives its words in order.
pub async fn verify(conn: &mut PgConnection, incident: Uuid) -> Vec<String> {
    // Both at one moment: the case may go on meanwhile.
    let say = async |conn: &mut PgConnection, words| {
        sqlx::query(words).execute(conn).await.expect("a transaction begins and ends");
    };
    say(&mut *conn, "begin isolation level repeatable read, read only").await;
    let head = sqlx::query("select entries, chain_head from incident where id = $1")
        .bind(incident)
        .fetch_one(&mut *conn)
        .await
        .expect("the incident is there");
    let entries = sqlx::query(
        "select seq, (extract(epoch from at) * 1000000)::bigint as at_us, what, who_id, data, salt, commitment, hash
         from incident_entry where incident_id = $1 order by seq",
    )
    .bind(incident)
    .fetch_all(&mut *conn)
    .await
    .expect("the timeline can be read");
    say(conn, "commit").await;

    let mut before = Vec::new();
    let mut words = Vec::new();
    for (entry, expected) in entries.iter().zip(1_i32..) {
        let seq: i32 = entry.get("seq");
        assert_eq!(seq, expected, "{incident}: an entry is missing");
        let what: String = entry.get("what");
        let commitment = Sha256::new()
            .chain_update(entry.get::<Vec<u8>, _>("salt"))
            .chain_update(entry.get::<i64, _>("at_us").to_be_bytes())
            .chain_update(&what)
            .chain_update([0])
            .chain_update(entry.get::<Option<Uuid>, _>("who_id").unwrap_or_default())
            .chain_update(canonical(&entry.get("data")))
            .finalize()
            .to_vec();
        assert_eq!(commitment, entry.get::<Vec<u8>, _>("commitment"), "{incident}: entry {seq} was changed");
        let hash = Sha256::new()
            .chain_update(&before)
            .chain_update(incident)
            .chain_update(seq.to_be_bytes())
            .chain_update(&commitment)
            .finalize()
            .to_vec();
        assert_eq!(hash, entry.get::<Vec<u8>, _>("hash"), "{incident}: entry {seq} does not follow");
        before = hash;
        words.push(what);
    }
    assert_eq!(head.get::<Vec<u8>, _>("chain_head"), before, "{incident}: the end was cut off");
    assert_eq!(usize::try_from(head.get::<i32, _>("entries")), Ok(words.len()), "{incident}: the end was cut off");
    words
}

/// Keys in order at every depth.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}
