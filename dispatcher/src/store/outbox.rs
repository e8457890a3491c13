//! What leaves: written with the decision, sent at least once, in order for each incident, channel and
//! target, checked against the incident before it goes.

use domain::id::{HandoverId, IncidentId, OfferId};
use domain::incident::{ContactNews, Effect, Helper, Incident, News, Rank};
use domain::word::Word;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;
use wire::centre::Purpose;

use super::contacts::Address;
use super::{StoreError, briefing, contacts};
use crate::clock;
use crate::config::Config;

/// A call for an ambulance is worth nothing after this: whoever is still waiting has been telephoned
/// about long before.
const CENTRE_GOOD_FOR: SignedDuration = SignedDuration::from_mins(10);
/// To be told that one is not needed is worth it for longer.
const STAND_DOWN_GOOD_FOR: SignedDuration = SignedDuration::from_hours(1);
/// News to a wearer.
const NEWS_GOOD_FOR: SignedDuration = SignedDuration::from_mins(10);
/// The last news may wait for a terminal that is out of reach.
const ALL_CLEAR_GOOD_FOR: SignedDuration = SignedDuration::from_hours(1);
/// A contact wants to know even when their mail server was away for a while.
const CONTACT_GOOD_FOR: SignedDuration = SignedDuration::from_hours(1);
/// How long a sender may take before another tries: twice what a far end has to answer. A message that a
/// crash cut off waits no longer than this.
const LEASE: SignedDuration = SignedDuration::from_secs(10);

/// One message to be sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its row.
    pub id: i64,
    /// By which the far end drops a repetition.
    pub key: Uuid,
    /// What it is about.
    pub incident: IncidentId,
    /// How it leaves.
    pub channel: Channel,
    /// To whom: a centre, a responder's id, a terminal's serial, a contact's address.
    pub target: String,
    /// The word for it: `ask`, `dismiss`, `help`, `stand_down`, or the news.
    pub what: String,
    /// The offer or hand-over.
    pub about: Option<Uuid>,
    /// Which contact it is for.
    pub contact: Option<Rank>,
    /// The message.
    pub payload: Value,
    /// Sent after this it would do harm or nothing.
    pub not_after: Timestamp,
    /// How often it was tried before.
    pub tries: i32,
}

/// How a message leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// To a responder's application.
    Responder,
    /// To 120, 119, 110.
    Centre,
    /// To the wearer's terminal.
    Terminal,
    /// To a contact, by e-mail.
    Email,
    /// To a contact, by webhook.
    Webhook,
}

impl Channel {
    const ALL: [Self; 5] = [Self::Responder, Self::Centre, Self::Terminal, Self::Email, Self::Webhook];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Responder => "responder",
            Self::Centre => "centre",
            Self::Terminal => "terminal",
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }

    /// Whether it leads to a contact.
    pub const fn is_to_contact(self) -> bool {
        matches!(self, Self::Email | Self::Webhook)
    }
}

/// Messages that wait for each other: those who save lives never wait behind letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// To those who help, and to the wearer.
    Help,
    /// To contacts.
    Letters,
}

impl Lane {
    fn channels(self) -> Vec<String> {
        let is_ours = |channel: &Channel| channel.is_to_contact() == (self == Self::Letters);
        Channel::ALL.into_iter().filter(is_ours).map(|channel| channel.as_str().to_owned()).collect()
    }
}

/// A letter, as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Email {
    /// The contact's name.
    pub to: String,
    /// In one line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// What a check against the incident says about a message that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// It is wanted.
    Wanted,
    /// The incident has moved on: never send it.
    Withdrawn,
    /// Too late.
    Expired,
}

/// Writes the effects of a decision, in order, in its transaction.
pub async fn enqueue(
    conn: &mut PgConnection,
    incident: &Incident,
    effects: &[Effect],
    config: &Config,
    now: Timestamp,
) -> Result<(), StoreError> {
    for effect in effects {
        match effect {
            Effect::AskResponder(offer) => enqueue_offer(conn, incident, *offer, "ask", now).await?,
            Effect::DismissResponder(offer) => enqueue_offer(conn, incident, *offer, "dismiss", now).await?,
            Effect::CallCentre(handover) => {
                enqueue_centre(conn, incident, *handover, Purpose::Help, config, now).await?;
            }
            Effect::StandCentreDown(handover) => {
                enqueue_centre(conn, incident, *handover, Purpose::StandDown, config, now).await?;
            }
            Effect::TellContact { rank, news } => enqueue_letter(conn, incident, *rank, *news, config, now).await?,
            Effect::TellWearer(news) => enqueue_news(conn, incident, *news, now).await?,
        }
    }
    Ok(())
}

struct Draft<'d> {
    key: Uuid,
    channel: Channel,
    target: &'d str,
    what: &'d str,
    about: Option<Uuid>,
    payload: Value,
    not_after: Timestamp,
    contact: Option<Rank>,
}

async fn insert(
    conn: &mut PgConnection,
    incident: IncidentId,
    draft: Draft<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into outbox (key, incident_id, channel, target, what, about, payload, created_at, not_after, next_try_at,
            contact_rank)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $10)",
        draft.key,
        incident.0,
        draft.channel.as_str(),
        draft.target,
        draft.what,
        draft.about,
        draft.payload,
        now.to_sqlx(),
        draft.not_after.to_sqlx(),
        draft.contact.map(|rank| rank.0),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn enqueue_offer(
    conn: &mut PgConnection,
    incident: &Incident,
    offer: OfferId,
    what: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(offer) = incident.offers.iter().find(|held| held.id == offer) else { return Ok(()) };
    let not_after = match offer.state {
        domain::incident::OfferState::Asked { answer_by } => answer_by,
        _ => now + STAND_DOWN_GOOD_FOR,
    };
    let draft = Draft {
        key: clock::fresh_id(),
        channel: Channel::Responder,
        target: &offer.responder.to_string(),
        what,
        about: Some(offer.id.0),
        payload: json!({ "purpose": what, "offer": offer.id.0, "incident": incident.id.0, "drill": incident.drill }),
        not_after,
        contact: None,
    };
    insert(conn, incident.id, draft, now).await
}

async fn enqueue_centre(
    conn: &mut PgConnection,
    incident: &Incident,
    handover: HandoverId,
    purpose: Purpose,
    config: &Config,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(handover) = incident.handovers.iter().find(|held| held.id == handover) else { return Ok(()) };
    let (what, good_for) = match purpose {
        Purpose::Help => ("help", CENTRE_GOOD_FOR),
        Purpose::StandDown => ("stand_down", STAND_DOWN_GOOD_FOR),
    };
    let not_after = now + good_for;
    let message = briefing::for_centre(conn, incident, handover, purpose, config, now, not_after).await?;
    let draft = Draft {
        key: match purpose {
            Purpose::Help => handover.id.0,
            Purpose::StandDown => clock::fresh_id(),
        },
        channel: Channel::Centre,
        target: handover.centre.as_str(),
        what,
        about: Some(handover.id.0),
        payload: serde_json::to_value(message).unwrap_or(Value::Null),
        not_after,
        contact: None,
    };
    insert(conn, incident.id, draft, now).await
}

async fn enqueue_news(
    conn: &mut PgConnection,
    incident: &Incident,
    news: News,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(serial) = briefing::terminal_serial(conn, incident.id).await? else { return Ok(()) };
    let minutes_until = |expected_at: Timestamp| {
        let seconds = expected_at.duration_since(now).as_secs().max(0);
        u16::try_from((seconds + 59) / 60).unwrap_or(u16::MAX)
    };
    let who = match news {
        News::Coming { who, .. } | News::Arrived { who } => helper_name(conn, who).await?,
        _ => String::new(),
    };
    let (what, news) = match news {
        News::Received => ("received", wire::notice::News::Received),
        News::Claimed => ("claimed", wire::notice::News::Claimed),
        News::Coming { expected_at, .. } => {
            ("coming", wire::notice::News::Coming { minutes: expected_at.map(minutes_until), who })
        }
        News::Arrived { .. } => ("arrived", wire::notice::News::Arrived { who }),
        News::AllClear => ("all_clear", wire::notice::News::AllClear),
    };
    let good_for = if what == "all_clear" { ALL_CLEAR_GOOD_FOR } else { NEWS_GOOD_FOR };
    let notice = wire::notice::Notice {
        version: wire::notice::VERSION,
        id: clock::fresh_id(),
        serial: serial.clone(),
        incident: incident.id.0,
        news,
        not_after: now + good_for,
        drill: incident.drill,
    };
    let draft = Draft {
        key: notice.id,
        channel: Channel::Terminal,
        target: &serial,
        what,
        about: None,
        not_after: notice.not_after,
        payload: serde_json::to_value(notice).unwrap_or(Value::Null),
        contact: None,
    };
    insert(conn, incident.id, draft, now).await
}

/// Writes to every address of a contact; that it is over, to those to which the alert was written.
async fn enqueue_letter(
    conn: &mut PgConnection,
    incident: &Incident,
    rank: Rank,
    news: ContactNews,
    config: &Config,
    now: Timestamp,
) -> Result<(), StoreError> {
    let not_after = now + CONTACT_GOOD_FOR;
    let addresses = match news {
        ContactNews::Alert => contacts::addresses(conn, incident, rank, config).await?,
        ContactNews::AllClear => alerted(conn, incident.id, rank).await?,
    };
    for Address { channel, target } in addresses {
        let written = contacts::write(conn, incident, rank, news, config, (now, not_after)).await?;
        let Some((message, letter)) = written else { return Ok(()) };
        let draft = Draft {
            key: message.message,
            channel,
            target: &target,
            what: news.as_str(),
            about: None,
            not_after,
            contact: Some(rank),
            payload: if channel == Channel::Email {
                json!(Email { to: message.contact.name, subject: letter.subject, text: letter.text })
            } else {
                json!(message)
            },
        };
        insert(conn, incident.id, draft, now).await?;
    }
    Ok(())
}

/// The addresses to which a contact was written about a case.
async fn alerted(conn: &mut PgConnection, incident: IncidentId, rank: Rank) -> Result<Vec<Address>, StoreError> {
    let rows = sqlx::query!(
        "select channel, target from outbox
         where incident_id = $1 and contact_rank = $2 and what = 'alert' order by id",
        incident.0,
        rank.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok(Address { channel: channel(&row.channel)?, target: row.target })).collect()
}

fn channel(word: &str) -> Result<Channel, StoreError> {
    Channel::ALL.into_iter().find(|channel| channel.as_str() == word).ok_or_else(|| StoreError::Impossible {
        table: "outbox",
        id: word.to_owned(),
        column: "channel",
    })
}

async fn helper_name(conn: &mut PgConnection, who: Helper) -> Result<String, StoreError> {
    match who {
        Helper::Centre(centre) => Ok(centre.as_str().to_owned()),
        Helper::Responder(responder) => {
            let name = sqlx::query_scalar!("select name from responder where id = $1", responder.0)
                .fetch_optional(conn)
                .await?;
            Ok(name.unwrap_or_default())
        }
    }
}

/// Takes messages that are due, oldest first, and leases them: another sender tries them again when
/// this one is not heard of in time. Of each incident, channel and target only the oldest is taken.
pub async fn lease(conn: &mut PgConnection, lane: Lane, count_max: i64) -> Result<Vec<Message>, StoreError> {
    let rows = sqlx::query!(
        r#"with due as (
            select o.id from outbox o
            where (o.state = 'queued' or (o.state = 'sent' and o.channel = 'terminal'))
                and o.next_try_at <= clock_timestamp() and o.channel = any($3)
                and not exists (select from outbox earlier
                    where earlier.incident_id = o.incident_id and earlier.channel = o.channel
                        and earlier.target = o.target and earlier.state = 'queued' and earlier.id < o.id)
            order by o.id
            limit $1
            for update skip locked)
         update outbox set tries = tries + 1, next_try_at = clock_timestamp() + make_interval(secs => $2)
         from due where outbox.id = due.id
         returning outbox.id, key, incident_id, channel, target, what, about, contact_rank, payload, not_after, tries"#,
        count_max,
        LEASE.as_secs_f64(),
        &lane.channels(),
    )
    .fetch_all(conn)
    .await?;
    let mut messages: Vec<Message> = rows
        .into_iter()
        .map(|row| {
            Ok(Message {
                id: row.id,
                key: row.key,
                incident: IncidentId(row.incident_id),
                channel: channel(&row.channel)?,
                target: row.target,
                what: row.what,
                about: row.about,
                contact: row.contact_rank.map(Rank),
                payload: row.payload,
                not_after: row.not_after.to_jiff(),
                tries: row.tries - 1,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    messages.sort_by_key(|message| message.id);
    Ok(messages)
}

/// Whether a message is still wanted, by the state that the incident is in now.
pub async fn still(conn: &mut PgConnection, message: &Message) -> Result<Still, StoreError> {
    let row = sqlx::query!(
        r#"select
            o.not_after <= clock_timestamp() as "is_late!",
            i.closed_at is null as "is_open!",
            f.state as "offer?",
            h.state as "handover?",
            exists (select from outbox help
                where help.about = o.about and help.what = 'help'
                    and help.tries > (help.state in ('withdrawn', 'expired'))::integer) as "was_called!",
            exists (select from outbox alert
                where alert.incident_id = o.incident_id and alert.channel = o.channel and alert.target = o.target
                    and alert.what = 'alert'
                    -- To find that a message is no longer wanted counts as a try.
                    and alert.tries > (alert.state in ('withdrawn', 'expired'))::integer) as "was_alerted!"
         from outbox o
         join incident i on i.id = o.incident_id
         left join offer f on f.id = o.about
         left join handover h on h.id = o.about
         where o.id = $1"#,
        message.id
    )
    .fetch_one(conn)
    .await?;
    let is_wanted = match (message.channel, message.what.as_str()) {
        (Channel::Responder, "ask") => row.offer.as_deref() == Some("asked"),
        (Channel::Centre, "help") => {
            row.is_open && matches!(row.handover.as_deref(), Some("prepared" | "sent" | "acknowledged" | "dispatched"))
        }
        // Nobody need be told to stay at home who was never called.
        (Channel::Centre, _) => row.was_called,
        (Channel::Responder, _) => true,
        (Channel::Terminal, what) => row.is_open || what == "all_clear",
        (Channel::Email | Channel::Webhook, "alert") => row.is_open,
        (Channel::Email | Channel::Webhook, _) => row.was_alerted,
    };
    Ok(match (is_wanted, row.is_late) {
        (false, _) => Still::Withdrawn,
        (true, true) => Still::Expired,
        (true, false) => Still::Wanted,
    })
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The far end has it; nothing more to do.
    Taken,
    /// Handed on; repeated after this until it is acknowledged.
    RepeatIn(SignedDuration),
    /// Not taken; tried again after this.
    RetryIn(SignedDuration),
    /// The incident has moved on.
    Withdrawn,
    /// Too late.
    Expired,
}

/// Records what came of an attempt, and what the far end said.
pub async fn record(
    conn: &mut PgConnection,
    message: &Message,
    attempt: Attempt,
    answer: &str,
) -> Result<(), StoreError> {
    let (state, wait) = match attempt {
        Attempt::Taken => ("sent", SignedDuration::ZERO),
        Attempt::RepeatIn(wait) => ("sent", wait),
        Attempt::RetryIn(wait) => ("queued", wait),
        Attempt::Withdrawn => ("withdrawn", SignedDuration::ZERO),
        Attempt::Expired => ("expired", SignedDuration::ZERO),
    };
    // What was acknowledged meanwhile stays acknowledged.
    sqlx::query!(
        "update outbox set state = $2, next_try_at = clock_timestamp() + make_interval(secs => $3)
         where id = $1 and state <> 'acknowledged'",
        message.id,
        state,
        wait.as_secs_f64(),
    )
    .execute(&mut *conn)
    .await?;
    let taken = matches!(attempt, Attempt::Taken | Attempt::RepeatIn(_));
    sqlx::query!("insert into delivery (outbox_id, taken, answer) values ($1, $2, $3)", message.id, taken, answer)
        .execute(&mut *conn)
        .await?;
    if message.channel.is_to_contact() {
        sqlx::query!("insert into live_event (incident_id) values ($1)", message.incident.0).execute(conn).await?;
    }
    Ok(())
}

/// Terminals have acknowledged notices. The consoles of their incidents are told.
pub async fn acknowledge(conn: &mut PgConnection, notices: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "with acknowledged as (
            update outbox set state = 'acknowledged'
            where key = any($1) and channel = 'terminal' and state in ('queued', 'sent', 'expired')
            returning incident_id)
         insert into live_event (incident_id) select distinct incident_id from acknowledged",
        notices
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Terminals have just connected: what waits for them is due now.
pub async fn hasten(conn: &mut PgConnection, serials: &[String]) -> Result<(), StoreError> {
    sqlx::query!(
        "update outbox set next_try_at = clock_timestamp()
         where channel = 'terminal' and state in ('queued', 'sent') and target = any($1)
            and next_try_at > clock_timestamp()",
        serials
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many messages wait to be sent.
pub async fn queued_count(conn: &mut PgConnection) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!" from outbox where state = 'queued'"#)
        .fetch_one(conn)
        .await?;
    Ok(count)
}
