//! What the database says, asked by a test that believes nobody.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Row as _};
use uuid::Uuid;

use crate::server::{Ready, Terminal};

/// A connection to the server's database.
#[derive(Debug)]
pub struct Records {
    /// The connection, for questions that only one test asks.
    pub conn: PgConnection,
}

/// One press as its terminal counts it: serial, boot, seq.
pub type Press = (String, i64, i64);

impl Records {
    /// Opens the books.
    pub async fn of(ready: &Ready) -> Self {
        Self::at(&ready.database).await
    }

    /// Opens the books of a database.
    pub async fn at(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).expect("the server tells a database's address");
        Self { conn: options.connect().await.expect("the database answers") }
    }

    /// The rows of a question whose parameters are texts.
    pub async fn ask(&mut self, sql: &'static str, texts: &[&str]) -> Vec<PgRow> {
        let mut query = sqlx::query(sql);
        for text in texts {
            query = query.bind((*text).to_owned());
        }
        query.fetch_all(&mut self.conn).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one number that answers a question.
    pub async fn count(&mut self, sql: &'static str, texts: &[&str]) -> i64 {
        self.ask(sql, texts).await[0].get(0)
    }

    /// How many reports there are with this press.
    pub async fn reports_of_press(&mut self, serial: &str, boot: i64, seq: i64) -> i64 {
        self.count(
            "select count(*) from report where serial = $1 and boot = $2::bigint and seq = $3::bigint",
            &[serial, &boot.to_string(), &seq.to_string()],
        )
        .await
    }

    /// Every press that an incident holds, with how often it holds it.
    pub async fn presses(&mut self) -> BTreeMap<Press, i64> {
        let rows = self
            .ask(
                "select r.serial, r.boot, r.seq, count(*) from incident_entry e
                 join report r on r.id = (e.data ->> 'report')::uuid
                 where e.what = 'pressed' group by 1, 2, 3",
                &[],
            )
            .await;
        rows.iter()
            .map(|row| {
                let boot = row.get::<Option<i64>, _>(1).unwrap_or(-1);
                let seq = row.get::<Option<i64>, _>(2).unwrap_or(-1);
                ((row.get(0), boot, seq), row.get(3))
            })
            .collect()
    }

    /// Lists a pager that nobody wears.
    pub async fn list_pager(&mut self, serial: &str, secret: &str) {
        sqlx::query(
            "insert into terminal (serial, login, secret_sha256, dialect, model) values ($1, $1, $2, 'ydt', 'crowd')",
        )
        .bind(serial)
        .bind(wire::directory::hash_secret(secret.as_bytes()).to_vec())
        .execute(&mut self.conn)
        .await
        .expect("the pager is new");
    }

    /// Lists another terminal of the same dialect words as the directory knows them, worn by nobody.
    pub async fn list_own_tracks(&mut self, serial: &str, manual_publish_means_help: bool) -> Terminal {
        let secret = format!("secret of {serial}");
        sqlx::query(
            "insert into terminal (serial, login, secret_sha256, dialect, model, manual_publish_means_help)
             values ($1, $1, $2, 'own_tracks', 'captured', $3)",
        )
        .bind(serial)
        .bind(wire::directory::hash_secret(secret.as_bytes()).to_vec())
        .bind(manual_publish_means_help)
        .execute(&mut self.conn)
        .await
        .expect("the terminal is new");
        Terminal {
            serial: serial.into(),
            login: serial.into(),
            secret,
            dialect: "own_tracks".into(),
            wearer: String::new(),
            lat: 0.0,
            lon: 0.0,
        }
    }

    /// Strikes a terminal from the database as if it had never been listed. Whoever has the directory in
    /// memory still lets it in.
    pub async fn strike(&mut self, serial: &str) {
        for sql in [
            "delete from terminal_assignment where terminal_id = (select id from terminal where serial = $1)",
            "delete from terminal_state where terminal_id = (select id from terminal where serial = $1)",
            "delete from terminal where serial = $1",
        ] {
            self.ask(sql, &[serial]).await;
        }
    }

    /// An incident's timeline, checked against its hashes: its words in order.
    pub async fn timeline(&mut self, incident: &str) -> Vec<String> {
        crate::chain::verify(&mut self.conn, incident.parse().expect("an incident's id")).await
    }

    /// Every incident there is.
    pub async fn incidents(&mut self) -> Vec<Uuid> {
        self.ask("select id from incident order by id", &[]).await.iter().map(|row| row.get(0)).collect()
    }

    /// How many open incidents break a promise about deadlines, and which, in words: not armed, not
    /// decided, overdue by more than a moment; with them offers and hand-overs left over their time.
    pub async fn broken_promises(&mut self) -> Vec<String> {
        let rows = self
            .ask(
                "select 'incident ' || id || ' has no armed deadline' from incident where closed_at is null and wake_at is null
                 union all
                 select 'incident ' || id || ' has ' || presses - presses_answered || ' undecided presses' from incident
                    where closed_at is null and presses_answered < presses
                 union all
                 select 'incident ' || id || ' is overdue since ' || wake_at from incident
                    where closed_at is null and wake_at < clock_timestamp() - interval '2 s'
                 union all
                 select 'offer ' || id || ' should have been answered by ' || answer_by from offer
                    where state = 'asked' and answer_by < clock_timestamp() - interval '2 s'
                 union all
                 select 'hand-over ' || id || ' should have been acknowledged by ' || acknowledge_by from handover
                    where state in ('prepared', 'sent') and voice = 'not_needed'
                        and acknowledge_by < clock_timestamp() - interval '2 s'",
                &[],
            )
            .await;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// What is filed in the outbox for an incident and channel: word, state, tries.
    pub async fn outbox(&mut self, incident: &str, channel: &str) -> Vec<(String, String, i32)> {
        let rows = self
            .ask(
                "select what, state, tries from outbox where incident_id = $1::uuid and channel = $2 order by id",
                &[incident, channel],
            )
            .await;
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    /// Tries to change history, and gives what the database says to that.
    pub async fn rewrite_history(&mut self, incident: &str) -> String {
        let id: Uuid = incident.parse().expect("an incident's id");
        let rewritten = sqlx::query("update incident_entry set data = $2 where incident_id = $1 and seq = 1")
            .bind(id)
            .bind(Value::from("nothing happened"))
            .execute(&mut self.conn)
            .await;
        rewritten.expect_err("history was rewritten").to_string()
    }
}
