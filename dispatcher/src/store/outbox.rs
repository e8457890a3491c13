//! What leaves: written with the decision, sent at least once, in order for each incident, channel and
//! target, checked against the incident before it goes.

use std::collections::HashMap;

use domain::id::{HandoverId, IncidentId, OfferId, ResponderId};
use domain::incident::{ContactNews, Effect, HandoverState, Helper, Incident, News, Rank};
use domain::word::Word;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;
use wire::centre::Purpose;

use super::contacts::Address;
use super::incidents::{self, Held};
use super::timeline::{self, Line};
use super::{StoreError, briefing, commands, contacts};
use crate::clock;
use crate::config::{Config, Fate};
use crate::lines::clean_text;

/// For how long after it was written a message is worth something. What a responder is asked is worth it until the answer
/// is due.
pub(super) fn good_for(channel: Channel, what: &str) -> SignedDuration {
    match (channel, what) {
        // Whoever is still waiting has been telephoned about long before.
        (Channel::Centre, "help" | "update") => SignedDuration::from_mins(10),
        // The last news may wait for a terminal that is out of reach; the others are soon overtaken.
        (Channel::Terminal, what) if what != "all_clear" => SignedDuration::from_mins(10),
        // To be told that one is not needed, or what has happened when the mail server was away for a while.
        _ => SignedDuration::from_hours(1),
    }
}

/// How long a sender may take before another tries: twice what a far end has to answer. A message that a
/// crash cut off waits no longer than this.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(10);

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
    /// The word for it: `ask`, `dismiss`, `help`, `update`, `stand_down`, or the news.
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
    /// To a contact, by text message.
    Sms,
}

impl Channel {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Responder, Self::Centre, Self::Terminal, Self::Email, Self::Webhook, Self::Sms];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Responder => "responder",
            Self::Centre => "centre",
            Self::Terminal => "terminal",
            Self::Email => "email",
            Self::Webhook => "webhook",
            Self::Sms => "sms",
        }
    }

    /// Whether it leads to a contact.
    pub const fn is_to_contact(self) -> bool {
        matches!(self, Self::Email | Self::Webhook | Self::Sms)
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

/// A text message, as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sms {
    /// The contact's name.
    pub to: String,
    /// Short.
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

/// Writes the effects of decisions, in order, in their transaction.
pub async fn enqueue<'e>(
    conn: &mut PgConnection,
    decided: impl Iterator<Item = (&'e Incident, &'e [Effect])>,
    config: &Config,
    now: Timestamp,
) -> Result<(), StoreError> {
    let decided: Vec<(&Incident, &[Effect])> = decided.filter(|(_, effects)| !effects.is_empty()).collect();
    let tells = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::TellWearer(_)));
    let told: Vec<Uuid> =
        decided.iter().filter(|(_, effects)| tells(effects)).map(|(incident, _)| incident.id.0).collect();
    let serials = briefing::terminal_serials(conn, &told).await?;
    let (mut drafts, mut followed) = (Vec::new(), Vec::new());
    for (incident, effects) in decided {
        for effect in effects {
            match effect {
                Effect::AskResponder(offer) => drafts.extend(draft_offer(incident, *offer, "ask", now)),
                Effect::DismissResponder(offer) => drafts.extend(draft_offer(incident, *offer, "dismiss", now)),
                Effect::CallCentre(handover) => {
                    drafts.extend(draft_for_centre(conn, incident, *handover, Purpose::Help, config, now).await?);
                }
                Effect::StandCentreDown(handover) => {
                    drafts.extend(draft_for_centre(conn, incident, *handover, Purpose::StandDown, config, now).await?);
                }
                Effect::TellContact { rank, news } => {
                    drafts.extend(draft_letters(conn, incident, *rank, *news, config, now).await?);
                }
                Effect::TellWearer(news) => {
                    if let Some(serial) = serials.get(&incident.id.0) {
                        drafts.push(draft_news(conn, incident, *news, serial, now).await?);
                    }
                }
                Effect::Follow => followed.push(incident.id.0),
            }
        }
    }
    commands::follow(conn, &followed, now).await?;
    insert(conn, drafts, now).await
}

struct Draft {
    key: Uuid,
    incident: IncidentId,
    channel: Channel,
    target: String,
    what: &'static str,
    about: Option<Uuid>,
    payload: Value,
    not_after: Timestamp,
    contact: Option<Rank>,
}

async fn insert(conn: &mut PgConnection, drafts: Vec<Draft>, now: Timestamp) -> Result<(), StoreError> {
    if drafts.is_empty() {
        return Ok(());
    }
    let keys: Vec<Uuid> = drafts.iter().map(|draft| draft.key).collect();
    let incidents: Vec<Uuid> = drafts.iter().map(|draft| draft.incident.0).collect();
    let channels: Vec<String> = drafts.iter().map(|draft| draft.channel.as_str().to_owned()).collect();
    let whats: Vec<String> = drafts.iter().map(|draft| draft.what.to_owned()).collect();
    let abouts: Vec<Option<Uuid>> = drafts.iter().map(|draft| draft.about).collect();
    let not_after: Vec<jiff_sqlx::Timestamp> = drafts.iter().map(|draft| draft.not_after.to_sqlx()).collect();
    let ranks: Vec<Option<i16>> = drafts.iter().map(|draft| draft.contact.map(|rank| rank.0)).collect();
    let (targets, payloads): (Vec<String>, Vec<Value>) =
        drafts.into_iter().map(|draft| (draft.target, draft.payload)).unzip();
    sqlx::query!(
        "insert into outbox (key, incident_id, channel, target, what, about, payload, not_after, contact_rank, created_at,
            next_try_at)
         select key, incident_id, channel, target, what, about, payload, not_after, contact_rank, $10, $10
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::jsonb[],
            $8::timestamptz[], $9::smallint[]) with ordinality as draft (key, incident_id, channel, target, what, about,
            payload, not_after, contact_rank, place)
         order by place",
        &keys,
        &incidents,
        &channels,
        &targets,
        &whats,
        &abouts as &[Option<Uuid>],
        &payloads,
        &not_after as &[jiff_sqlx::Timestamp],
        &ranks as &[Option<i16>],
        now.to_sqlx(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn draft_offer(incident: &Incident, offer: OfferId, what: &'static str, now: Timestamp) -> Option<Draft> {
    let offer = incident.offers.iter().find(|held| held.id == offer)?;
    let not_after = match offer.state {
        domain::incident::OfferState::Asked { answer_by } => answer_by,
        _ => now + good_for(Channel::Responder, what),
    };
    Some(Draft {
        key: clock::fresh_id(),
        incident: incident.id,
        channel: Channel::Responder,
        target: offer.responder.to_string(),
        what,
        about: Some(offer.id.0),
        payload: json!({
            "purpose": what,
            "offer": offer.id.0,
            "incident": incident.id.0,
            "drill": incident.drill,
            "class": incident.class.as_str(),
        }),
        not_after,
        contact: None,
    })
}

async fn draft_for_centre(
    conn: &mut PgConnection,
    incident: &Incident,
    handover: HandoverId,
    purpose: Purpose,
    config: &Config,
    now: Timestamp,
) -> Result<Option<Draft>, StoreError> {
    let Some(handover) = incident.handovers.iter().find(|held| held.id == handover) else { return Ok(None) };
    let what = match purpose {
        Purpose::Help => "help",
        Purpose::Update => "update",
        Purpose::StandDown => "stand_down",
    };
    let not_after = now + good_for(Channel::Centre, what);
    let message = briefing::for_centre(conn, incident, handover, purpose, config, now, not_after).await?;
    Ok(Some(Draft {
        key: match purpose {
            Purpose::Help => handover.id.0,
            Purpose::Update | Purpose::StandDown => clock::fresh_id(),
        },
        incident: incident.id,
        channel: Channel::Centre,
        target: handover.centre.as_str().to_owned(),
        what,
        about: Some(handover.id.0),
        payload: serde_json::to_value(message).unwrap_or(Value::Null),
        not_after,
        contact: None,
    }))
}

/// Tells every centre that was called and is not there yet that the place is known better.
pub async fn update_centres(
    conn: &mut PgConnection,
    incident: IncidentId,
    config: &Config,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(Held { incident, .. }) = incidents::lock(conn, incident).await? else { return Ok(()) };
    let is_under_way = |state: &HandoverState| state.is_live() && *state != HandoverState::Arrived;
    let (mut drafts, mut lines) = (Vec::new(), Vec::new());
    for handover in incident.handovers.iter().filter(|handover| is_under_way(&handover.state)) {
        drafts.extend(draft_for_centre(conn, &incident, handover.id, Purpose::Update, config, now).await?);
        let data = json!({ "handover": handover.id.0, "centre": handover.centre.as_str() });
        lines.push(Line { what: "centre_updated", who: None, data });
    }
    timeline::append(conn, incident.id, now, &lines).await?;
    insert(conn, drafts, now).await
}

async fn draft_news(
    conn: &mut PgConnection,
    incident: &Incident,
    news: News,
    serial: &str,
    now: Timestamp,
) -> Result<Draft, StoreError> {
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
    let notice = wire::notice::Notice {
        version: wire::notice::VERSION,
        id: clock::fresh_id(),
        serial: serial.to_owned(),
        incident: incident.id.0,
        news,
        not_after: now + good_for(Channel::Terminal, what),
        drill: incident.drill,
    };
    Ok(Draft {
        key: notice.id,
        incident: incident.id,
        channel: Channel::Terminal,
        target: serial.to_owned(),
        what,
        about: None,
        not_after: notice.not_after,
        payload: serde_json::to_value(notice).unwrap_or(Value::Null),
        contact: None,
    })
}

/// Writes to every address of a contact; that it is over, to those to which the alert was written.
async fn draft_letters(
    conn: &mut PgConnection,
    incident: &Incident,
    rank: Rank,
    news: ContactNews,
    config: &Config,
    now: Timestamp,
) -> Result<Vec<Draft>, StoreError> {
    let not_after = now + good_for(Channel::Webhook, news.as_str());
    let addresses = match news {
        ContactNews::Alert => contacts::addresses(conn, incident, rank, config).await?,
        ContactNews::AllClear => alerted(conn, incident.id, rank).await?,
    };
    let mut drafts = Vec::new();
    for Address { channel, target } in addresses {
        let written = contacts::write(conn, incident, rank, news, config, (now, not_after)).await?;
        let Some((message, letter)) = written else { break };
        drafts.push(Draft {
            key: message.message,
            incident: incident.id,
            channel,
            target,
            what: news.as_str(),
            about: None,
            not_after,
            contact: Some(rank),
            payload: match channel {
                Channel::Email => {
                    json!(Email { to: message.contact.name, subject: letter.subject, text: letter.text })
                }
                Channel::Sms => json!(Sms { to: message.contact.name, text: letter.short }),
                _ => json!(message),
            },
        });
    }
    Ok(drafts)
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

pub(super) fn channel(word: &str) -> Result<Channel, StoreError> {
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

/// Takes messages that are due, the longest due first, and leases them: another sender tries them again when
/// this one is not heard of in time. Of each incident, channel and target only the oldest is taken.
pub async fn lease(conn: &mut PgConnection, channel: Channel, count_max: usize) -> Result<Vec<Message>, StoreError> {
    let rows = sqlx::query!(
        r#"with due as (
            select o.id from outbox o
            where (o.state = 'queued' or (o.state = 'sent' and o.channel = 'terminal'))
                and o.next_try_at <= statement_timestamp() and o.channel = $3
                and not exists (select from outbox earlier
                    where earlier.incident_id = o.incident_id and earlier.channel = o.channel
                        and earlier.target = o.target and earlier.state = 'queued' and earlier.id < o.id)
            -- Who has waited longest, so that a far end that is away and asked again and again holds up no other.
            order by o.next_try_at, o.id
            limit $1
            for update skip locked)
         update outbox set tries = tries + 1, next_try_at = clock_timestamp() + make_interval(secs => $2)
         from due where outbox.id = due.id
         returning outbox.id, key, incident_id, target, what, about, contact_rank, payload, not_after, tries"#,
        i64::try_from(count_max).unwrap_or(i64::MAX),
        LEASE.as_secs_f64(),
        channel.as_str(),
    )
    .fetch_all(conn)
    .await?;
    let mut messages: Vec<Message> = rows
        .into_iter()
        .map(|row| Message {
            id: row.id,
            key: row.key,
            incident: IncidentId(row.incident_id),
            channel,
            target: row.target,
            what: row.what,
            about: row.about,
            contact: row.contact_rank.map(Rank),
            payload: row.payload,
            not_after: row.not_after.to_jiff(),
            tries: row.tries - 1,
        })
        .collect();
    messages.sort_by_key(|message| message.id);
    Ok(messages)
}

/// Which messages are still wanted, by the state that their incidents are in now.
pub async fn still(conn: &mut PgConnection, messages: &[i64]) -> Result<HashMap<i64, Still>, StoreError> {
    if messages.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"select o.id as "id!", o.channel as "channel!", o.what as "what!",
            o.not_after <= clock_timestamp() as "is_late!",
            i.closed_at is null as "is_open!",
            f.state as "offer?",
            h.state as "handover?",
            -- To find that a message is no longer wanted counts as a try, and so does the last one in vain.
            case when o.channel = 'centre' and o.what <> 'help' then exists (select from outbox help
                where help.about = o.about and help.what = 'help'
                    and help.tries > (help.state in ('withdrawn', 'expired', 'failed'))::integer)
                else false end as "was_called!",
            case when o.channel in ('email', 'webhook', 'sms') and o.what <> 'alert' then exists (select from outbox alert
                where alert.incident_id = o.incident_id and alert.channel = o.channel and alert.target = o.target
                    and alert.what = 'alert'
                    and alert.tries > (alert.state in ('withdrawn', 'expired', 'failed'))::integer)
                else false end as "was_alerted!"
         from outbox o
         join incident i on i.id = o.incident_id
         left join offer f on f.id = o.about
         left join handover h on h.id = o.about
         where o.id = any($1)"#,
        messages
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let is_wanted = match (channel(&row.channel)?, row.what.as_str()) {
                (Channel::Responder, "ask") => row.offer.as_deref() == Some("asked"),
                (Channel::Centre, what @ ("help" | "update")) => {
                    let under_way = ["prepared", "sent", "acknowledged", "dispatched"];
                    let is_under_way = row.handover.is_some_and(|handover| under_way.contains(&handover.as_str()));
                    row.is_open && is_under_way && (what == "help" || row.was_called)
                }
                // Nobody need be told to stay at home who was never called.
                (Channel::Centre, _) => row.was_called,
                (Channel::Responder, _) => true,
                (Channel::Terminal, what) => row.is_open || what == "all_clear",
                (Channel::Email | Channel::Webhook | Channel::Sms, "alert") => row.is_open,
                (Channel::Email | Channel::Webhook | Channel::Sms, _) => row.was_alerted,
            };
            Ok((
                row.id,
                match (is_wanted, row.is_late) {
                    (false, _) => Still::Withdrawn,
                    (true, true) => Still::Expired,
                    (true, false) => Still::Wanted,
                },
            ))
        })
        .collect()
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The far end has it; nothing more to do.
    Taken,
    /// Handed on, and nobody has said that they have it. What goes to a terminal is repeated after this until it is
    /// acknowledged.
    HandedOn(SignedDuration),
    /// Not taken; tried again after this.
    RetryIn(SignedDuration),
    /// The far end will never take it.
    Failed,
    /// The incident has moved on.
    Withdrawn,
    /// Too late.
    Expired,
}

/// One of the ways to a responder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Their application.
    Webhook,
    /// Their browser's push service.
    Push,
    /// Their telephone.
    Sms,
    /// Their page, which looks by itself.
    Page,
}

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Push => "push",
            Self::Sms => "sms",
            Self::Page => "page",
        }
    }
}

/// What a far end said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// In short, and in words that may be logged: a status, or why there was no answer.
    pub brief: String,
    /// The beginning of what it said, without secrets. Not for logs: it may hold a name or a number.
    pub excerpt: String,
    /// By which of a responder's ways.
    pub way: Option<Way>,
    /// What it calls the message.
    pub far_id: Option<String>,
}

impl From<String> for Said {
    fn from(brief: String) -> Self {
        Self { brief, ..Self::default() }
    }
}

impl From<&str> for Said {
    fn from(brief: &str) -> Self {
        brief.to_owned().into()
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.brief)?;
        if self.excerpt.is_empty() { Ok(()) } else { write!(f, ": {}", self.excerpt) }
    }
}

/// The longest answer that is kept, in characters.
const ANSWER_MAX: usize = 500;

/// What came of an attempt, and what the far end said.
#[derive(Debug)]
pub struct Tried {
    /// The row of the message.
    pub id: i64,
    /// How it ended.
    pub attempt: Attempt,
    /// What was said.
    pub said: Said,
}

/// Records what came of attempts. Tells whether another message has waited for one of these.
pub async fn record(conn: &mut PgConnection, tried: &[Tried]) -> Result<bool, StoreError> {
    let outcome = |tried: &Tried| match tried.attempt {
        Attempt::Taken => ("accepted", SignedDuration::ZERO),
        Attempt::HandedOn(wait) => ("sent", wait),
        Attempt::RetryIn(wait) => ("queued", wait),
        Attempt::Failed => ("failed", SignedDuration::ZERO),
        Attempt::Withdrawn => ("withdrawn", SignedDuration::ZERO),
        Attempt::Expired => ("expired", SignedDuration::ZERO),
    };
    let answer = |tried: &Tried| clean_text(tried.said.to_string()).chars().take(ANSWER_MAX).collect::<String>();
    let ids: Vec<i64> = tried.iter().map(|tried| tried.id).collect();
    let states: Vec<String> = tried.iter().map(|tried| outcome(tried).0.to_owned()).collect();
    let waits_s: Vec<f64> = tried.iter().map(|tried| outcome(tried).1.as_secs_f64()).collect();
    let far_ids: Vec<Option<String>> = tried.iter().map(|tried| tried.said.far_id.clone()).collect();
    let answers: Vec<String> = tried.iter().map(answer).collect();
    let ways: Vec<Option<String>> =
        tried.iter().map(|tried| tried.said.way.map(|way| way.as_str().to_owned())).collect();
    // What is known of its end meanwhile stays known. That a terminal is told again is no news.
    let is_waited_for = sqlx::query_scalar!(
        r#"with told as (
            select * from unnest($1::bigint[], $2::text[], $3::float8[], $4::text[], $5::text[], $6::text[])
                as told (id, state, wait_s, far_id, answer, way)),
         held as (
            select id, incident_id, channel, target from outbox where id = any($1) order by id for update),
         recorded as (
            update outbox o set next_try_at = clock_timestamp() + make_interval(secs => told.wait_s),
                far_id = coalesce(told.far_id, o.far_id),
                state = case when o.state in ('delivered', 'read') or (o.state = 'failed' and told.state = 'accepted')
                    then o.state else told.state end
            from held join told on told.id = held.id
            where o.id = held.id),
         written as (
            insert into delivery (outbox_id, state, answer, way) select id, state, answer, way from told),
         news as (insert into live_event (incident_id) select distinct incident_id from held where channel <> 'terminal')
         select exists (select from held join outbox later on later.incident_id = held.incident_id
                and later.channel = held.channel and later.target = held.target and later.state = 'queued'
            where later.id > held.id) as "waited_for!""#,
        &ids,
        &states,
        &waits_s,
        &far_ids as &[Option<String>],
        &answers,
        &ways as &[Option<String>],
    )
    .fetch_one(conn)
    .await?;
    Ok(is_waited_for)
}

/// Terminals have acknowledged notices. The consoles of their incidents are told.
pub async fn acknowledge(conn: &mut PgConnection, notices: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "with held as (
            select id from outbox
            where key = any($1) and channel = 'terminal' and state in ('queued', 'sent', 'expired')
            order by id for update),
         acknowledged as (
            update outbox set state = 'delivered' from held where outbox.id = held.id
            returning outbox.id, incident_id),
         written as (
            insert into delivery (outbox_id, state, answer) select id, 'delivered', 'acknowledged' from acknowledged)
         insert into live_event (incident_id) select distinct incident_id from acknowledged",
        notices
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A responder has seen, or answered, what they were asked. What has not left yet is still to leave: they may have more
/// than one telephone.
pub async fn read(conn: &mut PgConnection, offer: OfferId, responder: ResponderId) -> Result<(), StoreError> {
    sqlx::query!(
        "with read as (
            update outbox set state = 'read'
            where about = $1 and what = 'ask' and channel = 'responder' and target = $2::uuid::text
                and (state in ('sent', 'accepted', 'delivered', 'failed') or state = 'queued' and tries > 0)
            returning id, incident_id),
         written as (
            insert into delivery (outbox_id, state, answer, way) select id, 'read', 'seen', 'page' from read)
         insert into live_event (incident_id) select incident_id from read",
        offer.0,
        responder.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A contact for whom nothing more can be hoped, or who is known to have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The case.
    pub incident: IncidentId,
    /// The contact, when it is one who was told that something has happened.
    pub alerted: Option<Rank>,
}

/// The provider of text messages has told what became of one, by our key or its own name for it. `None` when there is no
/// such message, or it is known already.
pub async fn settle_sms(
    conn: &mut PgConnection,
    id: &str,
    fate: Fate,
    said: &str,
) -> Result<Option<Settled>, StoreError> {
    let (state, from) = match fate {
        Fate::Delivered => ("delivered", ["queued", "sent", "accepted", "failed", "expired"].as_slice()),
        Fate::Failed => ("failed", ["queued", "sent", "accepted"].as_slice()),
    };
    let from: Vec<String> = from.iter().map(|&state| state.to_owned()).collect();
    let settled = sqlx::query!(
        r#"with settled as (
            update outbox set state = $2
            where id = (select max(id) from outbox where (key = $1 or far_id = $5)
                    and (channel = 'sms' or channel = 'responder'))
                and state = any($3)
            returning id, incident_id, contact_rank, what),
         written as (
            insert into delivery (outbox_id, state, answer, way)
            select id, $2, $4, case when contact_rank is null then 'sms' end from settled),
         told as (insert into live_event (incident_id) select incident_id from settled)
         select incident_id, case when what = 'alert' then contact_rank end as alerted from settled"#,
        id.parse::<Uuid>().ok(),
        state,
        &from,
        said,
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(settled.map(|row| Settled { incident: IncidentId(row.incident_id), alerted: row.alerted.map(Rank) }))
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
