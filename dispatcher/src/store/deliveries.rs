//! The ledger: how far each message has come, with what every far end answered, and sending one again by hand. It says
//! to whom, never to which address: that of a webhook may hold a secret.

use std::collections::HashMap;

use domain::id::{IncidentId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::outbox::{self, Channel, Still, channel};
use super::page::{Page, Paged};
use super::timeline::{self, Line};
use super::views::Person;
use super::{StoreError, facts};
use crate::access::Scope;

/// How many lines of a message are shown: the last ones. A terminal out of reach is told hundreds of times.
const LINES_MAX: i64 = 20;

/// A message, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryView {
    /// Its identity: the key by which the far end drops a repetition.
    pub id: Uuid,
    /// The case.
    pub incident: Uuid,
    /// The resident whom the case is about.
    pub resident: Option<String>,
    /// `responder`, `centre`, `terminal`, `email`, `webhook`, `sms`.
    pub channel: String,
    /// The responder's, contact's or centre's name, or the terminal's serial.
    pub to: String,
    /// `ask`, `dismiss`, `help`, `update`, `stand_down`, `alert`, `all_clear`, `received`, `claimed`, `coming`, `arrived`.
    pub what: String,
    /// `queued`, `sent`, `accepted`, `delivered`, `read`, `failed`, `expired`, or `withdrawn`: no longer wanted.
    pub state: String,
    /// When it was written.
    pub at: Timestamp,
    /// After this it is not sent any more.
    pub not_after: Timestamp,
    /// When it is tried next, while it is `queued`.
    pub next_try_at: Option<Timestamp>,
    /// How often it was tried.
    #[schema(minimum = 0)]
    pub tries: i32,
    /// What came of it, oldest first; of many the last twenty.
    pub lines: Vec<DeliveryLine>,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryLine {
    /// When.
    pub at: Timestamp,
    /// The state that it came to; `queued` when it is tried again.
    pub state: String,
    /// What the far end answered, or why there was no answer.
    pub answer: String,
    /// Of a responder's: `webhook`, `push`, `sms`, `page`.
    pub way: Option<String>,
    /// Who has sent it again.
    pub by: Option<Person>,
}

struct Row {
    id: i64,
    key: Uuid,
    incident_id: Uuid,
    resident: Option<String>,
    channel: String,
    to: String,
    what: String,
    state: String,
    created_at: jiff_sqlx::Timestamp,
    not_after: jiff_sqlx::Timestamp,
    next_try_at: jiff_sqlx::Timestamp,
    tries: i32,
}

/// Rows by their ids, in the same order.
async fn rows(conn: &mut PgConnection, ids: &[i64]) -> Result<Vec<DeliveryView>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select o.id, o.key, o.incident_id, who.name as "resident?", o.channel,
            coalesce(
                case o.channel when 'responder' then r.name when 'centre' then o.target when 'terminal' then o.target
                    else coalesce(o.payload -> 'contact' ->> 'name', o.payload ->> 'to') end, '') as "to!",
            o.what, o.state, o.created_at, o.not_after, o.next_try_at, o.tries
         from outbox o
         join incident i on i.id = o.incident_id
         left join resident who on who.id = i.resident_id
         left join responder r on r.id = case when o.channel = 'responder' then o.target::uuid end
         where o.id = any($1)
         order by array_position($1, o.id)"#,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut lines: HashMap<i64, Vec<DeliveryLine>> = HashMap::new();
    let written = sqlx::query!(
        r#"select latest.outbox_id as "outbox_id!", latest.at as "at!", latest.state as "state!",
            latest.answer as "answer!", latest.way, latest.who_id, u.name as "name?"
         from unnest($1::bigint[]) as wanted (id)
         cross join lateral (select * from delivery where outbox_id = wanted.id order by at desc limit $2) latest
         left join app_user u on u.id = latest.who_id
         order by latest.at"#,
        ids,
        LINES_MAX,
    )
    .fetch_all(conn)
    .await?;
    for row in written {
        lines.entry(row.outbox_id).or_default().push(DeliveryLine {
            at: row.at.to_jiff(),
            state: row.state,
            answer: row.answer,
            way: row.way,
            by: row.who_id.zip(row.name).map(|(id, name)| Person { id, name }),
        });
    }
    let view = |row: Row| DeliveryView {
        id: row.key,
        incident: row.incident_id,
        resident: row.resident,
        channel: row.channel,
        to: row.to,
        what: row.what,
        next_try_at: (row.state == "queued").then(|| row.next_try_at.to_jiff()),
        state: row.state,
        at: row.created_at.to_jiff(),
        not_after: row.not_after.to_jiff(),
        tries: row.tries,
        lines: lines.remove(&row.id).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(view).collect())
}

/// A page of a case's ledger, oldest first; `None` when there is no message that it could come after.
pub async fn of_incident(
    conn: &mut PgConnection,
    incident: IncidentId,
    page: Page,
) -> Result<Option<Paged<DeliveryView>>, StoreError> {
    let after = match page.after {
        None => 0,
        Some(key) => {
            let found =
                sqlx::query_scalar!("select id from outbox where key = $1 and incident_id = $2", key, incident.0);
            match found.fetch_optional(&mut *conn).await? {
                None => return Ok(None),
                Some(id) => id,
            }
        }
    };
    let ids = sqlx::query_scalar!(
        "select id from outbox where incident_id = $1 and id > $2 order by id limit $3",
        incident.0,
        after,
        i64::from(page.limit) + 1,
    )
    .fetch_all(&mut *conn)
    .await?;
    Ok(Some(Paged::of(rows(conn, &ids).await?, page.limit, |delivery| delivery.id)))
}

/// A page of what has not arrived in a scope: failed, too late, or tried in vain and to be tried again. Newest first;
/// `None` when there is no message that it could come after.
pub async fn not_arrived(
    conn: &mut PgConnection,
    scope: &Scope,
    channel: Option<Channel>,
    page: Page,
) -> Result<Option<Paged<DeliveryView>>, StoreError> {
    let before = match page.after {
        None => i64::MAX,
        Some(key) => {
            let found = sqlx::query_scalar!(
                "select o.id from outbox o join incident i on i.id = o.incident_id
                 where o.key = $1 and nodes_above(i.node_id, i.resident_id) && $2",
                key,
                scope.nodes(),
            );
            match found.fetch_optional(&mut *conn).await? {
                None => return Ok(None),
                Some(id) => id,
            }
        }
    };
    let ids = sqlx::query_scalar!(
        "select o.id from outbox o join incident i on i.id = o.incident_id
         where (o.state in ('failed', 'expired') or (o.state = 'queued' and o.tries > 0
                and exists (select from delivery d where d.outbox_id = o.id)))
            and o.id < $1 and nodes_above(i.node_id, i.resident_id) && $2
            and ($3::text is null or o.channel = $3)
         order by o.id desc
         limit $4",
        before,
        scope.nodes(),
        channel.map(Channel::as_str),
        i64::from(page.limit) + 1,
    )
    .fetch_all(&mut *conn)
    .await?;
    Ok(Some(Paged::of(rows(conn, &ids).await?, page.limit, |delivery| delivery.id)))
}

/// What became of the wish to send a message again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redelivered {
    /// It is on its way, or was already.
    Queued(Box<DeliveryView>),
    /// It will not be.
    Refused(NotAgain),
}

/// Why a message is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAgain {
    /// It has arrived.
    #[error("it has arrived: there is nothing to send again")]
    Arrived,
    /// The case has moved on.
    #[error("the case has moved on: this message is not wanted any more")]
    NotWanted,
    /// They have been told something newer.
    #[error("something newer has been sent there since: this message would be heard in the wrong order")]
    Overtaken,
}

/// Sends a message again, under the same key: now, whatever it is waiting for. `None` when there is none in the scope.
pub async fn redeliver(
    tx: &mut PgConnection,
    delivery: Uuid,
    by: UserId,
    scope: &Scope,
) -> Result<Option<Redelivered>, StoreError> {
    // The case first, as every decision does.
    let incident = sqlx::query_scalar!(
        "select i.id from incident i join outbox o on o.incident_id = i.id
         where o.key = $1 and nodes_above(i.node_id, i.resident_id) && $2
         for update of i",
        delivery,
        scope.nodes(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(incident) = incident else { return Ok(None) };
    let row = sqlx::query!(
        r#"select o.id, o.channel, o.what, o.state, f.answer_by as "answer_by?",
            o.next_try_at > clock_timestamp() + make_interval(secs => $2) as "waits!",
            exists (select from outbox later
                where later.incident_id = o.incident_id and later.channel = o.channel and later.target = o.target
                    and later.id > o.id and later.state in ('sent', 'accepted', 'delivered', 'read')) as "overtaken!"
         from outbox o left join offer f on f.id = o.about and o.what = 'ask'
         where o.key = $1 for update of o"#,
        delivery,
        outbox::LEASE.as_secs_f64(),
    )
    .fetch_one(&mut *tx)
    .await?;
    if matches!(row.state.as_str(), "delivered" | "read") {
        return Ok(Some(Redelivered::Refused(NotAgain::Arrived)));
    }
    if outbox::still(tx, &[row.id]).await?.get(&row.id) == Some(&Still::Withdrawn) {
        return Ok(Some(Redelivered::Refused(NotAgain::NotWanted)));
    }
    if row.overtaken {
        return Ok(Some(Redelivered::Refused(NotAgain::Overtaken)));
    }
    let now = facts::now(tx).await?;
    let channel = channel(&row.channel)?;
    let not_after =
        row.answer_by.map_or_else(|| now + outbox::good_for(channel, &row.what), jiff_sqlx::Timestamp::to_jiff);
    if not_after <= now {
        return Ok(Some(Redelivered::Refused(NotAgain::NotWanted)));
    }
    // One that is due, or on its way, is not hurried by sending it twice.
    if row.state != "queued" || row.waits {
        sqlx::query!(
            "update outbox set next_try_at = clock_timestamp(), not_after = $2, state = 'queued',
                -- To find that there was no way does not mean that the far end may have heard it.
                tries = tries - (state in ('failed', 'expired', 'withdrawn') and tries > 0)::integer,
                payload = case when payload ? 'not_after' then jsonb_set(payload, '{not_after}', $3) else payload end
             where id = $1",
            row.id,
            not_after.to_sqlx(),
            json!(not_after),
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "insert into delivery (outbox_id, state, answer, who_id) values ($1, 'queued', 'sent again by hand', $2)",
            row.id,
            by.0,
        )
        .execute(&mut *tx)
        .await?;
        let data = json!({ "delivery": delivery, "channel": row.channel, "what": row.what });
        let line = Line { what: "redelivered", who: Some(by.0), data };
        timeline::append(tx, IncidentId(incident), now, &[line]).await?;
    }
    let mut shown = rows(tx, &[row.id]).await?;
    Ok(shown.pop().map(|view| Redelivered::Queued(Box::new(view))))
}
