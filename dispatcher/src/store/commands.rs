//! What terminals are told to do: asked for, leased to whoever sends it, matched to what the terminal answers.
//!
//! An open command always has a time at which it is looked at again. Locks are taken in the order incident, command.

use domain::id::{IncidentId, ResidentId, TerminalId, UserId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;
use wire::command::{Answer, Command};

use super::StoreError;
use super::because::Because;
use super::views::Person;
use crate::access::Scope;
use crate::clock;
use crate::lines::{clean, clean_text};

/// So many commands may wait for one terminal.
pub const WAITING_MAX: i64 = 32;
/// How many commands a list shows, the newest.
const LISTED_MAX: i64 = 50;
/// How long a sender may take before another tries: twice what a gateway has to answer.
const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// The longest answer that is kept, in characters.
const ANSWER_MAX: usize = 500;
/// How often somebody who called for help is to tell where they are, and for how long.
const FOLLOWED: Command = Command::Burst { every_s: 10, for_s: 600 };
/// How often somebody who may have wandered off is: what is measured sooner after another shares its errors.
const WATCHED: Command = Command::Burst { every_s: 20, for_s: 300 };
/// Nobody is asked so again this soon.
const WATCHED_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// For how long after it was asked for a command is worth something.
const fn good_for(command: &Command) -> SignedDuration {
    match command {
        // Where somebody is now, and that they are found now: a terminal that comes back later is asked anew.
        Command::Locate | Command::Burst { .. } => SignedDuration::from_mins(10),
        Command::Find | Command::ListenIn { .. } => SignedDuration::from_mins(3),
        Command::Text { .. } | Command::Restart | Command::Raw { .. } => SignedDuration::from_hours(1),
        // A setting is to arrive some time.
        Command::ReportEvery { .. }
        | Command::SosNumbers { .. }
        | Command::Contacts { .. }
        | Command::FallSensitivity { .. }
        | Command::Fence { .. }
        | Command::NoFence { .. } => SignedDuration::from_hours(7 * 24),
    }
}

/// Why a command is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody knows of a terminal.
    #[error("no terminal is known of them")]
    NoTerminal,
    /// Too much is to be done already.
    #[error("{WAITING_MAX} commands wait for this terminal already")]
    TooMany,
    /// The case is closed.
    #[error("the incident is closed")]
    Over,
    /// It is done, or never will be.
    #[error("the command is over")]
    CommandOver,
    /// Listening in is switched off.
    #[error("listening in is switched off (`allow_listen_in`)")]
    ListenInOff,
    /// Only somebody in danger is listened to.
    #[error("only in an open emergency of somebody whom we know may one listen in")]
    NoEmergency,
}

impl Refusal {
    /// A stable code for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoTerminal => "no_terminal",
            Self::TooMany => "too_many_commands",
            Self::Over => "over",
            Self::CommandOver => "command_over",
            Self::ListenInOff => "listen_in_off",
            Self::NoEmergency => "no_open_emergency",
        }
    }
}

/// A command that somebody asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The terminal.
    pub terminal: TerminalId,
    /// Who wears it.
    pub resident: Option<Uuid>,
    /// The case.
    pub incident: Option<IncidentId>,
    /// What it is to do.
    pub command: Command,
    /// Who asks; nobody: a rule.
    pub by: Option<UserId>,
    /// Why.
    pub why: Option<String>,
}

/// Puts a command into the queue; `None` when too many wait there already.
pub async fn ask(conn: &mut PgConnection, wanted: Wanted, now: Timestamp) -> Result<Option<Uuid>, StoreError> {
    lock_queues(conn, &[wanted.terminal.0]).await?;
    let id = clock::fresh_id();
    let command = clean(serde_json::to_value(&wanted.command).unwrap_or_default());
    let asked = sqlx::query_scalar!(
        r#"with asked as (
            insert into command (id, terminal_id, resident_id, incident_id, number, command, asked_by, why, asked_at,
                not_after, next_try_at)
            select $1, $2, $3, $4,
                coalesce((select number from command where terminal_id = $2 order by seq desc limit 1), 0) % 65535 + 1,
                $5, $6, $7, $8, $9, $8
            where (select count(*) from command where terminal_id = $2 and ended_at is null) < $10
            returning incident_id),
         told as (insert into live_event (incident_id) select incident_id from asked where incident_id is not null)
         select count(*) as "asked!" from asked"#,
        id,
        wanted.terminal.0,
        wanted.resident,
        wanted.incident.map(|incident| incident.0),
        command,
        wanted.by.map(|by| by.0),
        wanted.why,
        now.to_sqlx(),
        (now + good_for(&wanted.command)).to_sqlx(),
        WAITING_MAX,
    )
    .fetch_one(conn)
    .await?;
    Ok((asked > 0).then_some(id))
}

/// One batch at a time for each of these terminals: their commands are numbered. Locked in one order, so that two batches
/// cannot wait for each other.
async fn lock_queues(conn: &mut PgConnection, terminals: &[i64]) -> Result<(), StoreError> {
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hash) as "locked!: sqlx::types::JsonValue"
           from (select distinct hashtextextended('command', terminal) as hash from unnest($1::bigint[]) terminal order by 1)
            ordered"#,
        terminals
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a rule wants of a terminal.
struct ByRule {
    terminal: i64,
    resident: Uuid,
    incident: Option<Uuid>,
    why: Option<String>,
    because: Option<Value>,
}

/// Puts a command that a rule wants into the queues of several terminals. Whoever was asked for the same `since` then, or
/// has too much to do, is left out. Tells how many were asked.
async fn ask_by_rule(
    conn: &mut PgConnection,
    wanted: Vec<ByRule>,
    command: &Command,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    if wanted.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = wanted.iter().map(|_| clock::fresh_id()).collect();
    let terminals: Vec<i64> = wanted.iter().map(|wanted| wanted.terminal).collect();
    let residents: Vec<Uuid> = wanted.iter().map(|wanted| wanted.resident).collect();
    let incidents: Vec<Option<Uuid>> = wanted.iter().map(|wanted| wanted.incident).collect();
    let (whys, because): (Vec<Option<String>>, Vec<Option<Value>>) =
        wanted.into_iter().map(|wanted| (wanted.why, wanted.because)).unzip();
    lock_queues(conn, &terminals).await?;
    let asked = sqlx::query!(
        "insert into command (id, terminal_id, resident_id, incident_id, number, command, why, asked_at, not_after,
            next_try_at, because)
         select w.id, w.terminal_id, w.resident_id, w.incident_id,
            (coalesce((select number from command where terminal_id = w.terminal_id order by seq desc limit 1), 0)
                + w.place - 1) % 65535 + 1,
            $6, w.why, $7, $8, $7, w.because
         from (
            select *, row_number() over (partition by terminal_id order by id) as place
            from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::text[], $12::jsonb[])
                as wanted (id, terminal_id, resident_id, incident_id, why, because)) w
         where not exists (select from command c where c.terminal_id = w.terminal_id and c.word = $9
                and c.asked_at > $10 and c.state in ('queued', 'sent', 'done'))
            and (select count(*) from command where terminal_id = w.terminal_id and ended_at is null) + w.place <= $11",
        &ids,
        &terminals,
        &residents,
        &incidents as &[Option<Uuid>],
        &whys as &[Option<String>],
        clean(serde_json::to_value(command).unwrap_or_default()),
        now.to_sqlx(),
        (now + good_for(command)).to_sqlx(),
        command.word(),
        since.map(jiff_sqlx::ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
        WAITING_MAX,
        &because as &[Option<Value>],
    )
    .execute(conn)
    .await?;
    Ok(asked.rows_affected())
}

/// Has the terminals of those who called for help tell where they are, again and again. Nothing happens where nobody is known
/// to wear one, or it has too much to do.
pub async fn follow(conn: &mut PgConnection, incidents: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    if incidents.is_empty() {
        return Ok(());
    }
    let worn = sqlx::query!(
        r#"select id, resident_id as "resident_id!", worn_in(id) as terminal_id from incident
         where id = any($1) and resident_id is not null"#,
        incidents
    )
    .fetch_all(&mut *conn)
    .await?;
    let wanted = worn.into_iter().filter_map(|row| {
        let (resident, incident) = (row.resident_id, Some(row.id));
        Some(ByRule { terminal: row.terminal_id?, resident, incident, why: None, because: None })
    });
    ask_by_rule(conn, wanted.collect(), &FOLLOWED, None, now).await?;
    Ok(())
}

/// Somebody who may be where they should not be.
#[derive(Debug, Clone)]
pub struct Suspected {
    /// Their terminal.
    pub terminal: TerminalId,
    /// Who.
    pub resident: ResidentId,
    /// Why it is thought, in a sentence…
    pub why: String,
    /// …and as data.
    pub because: Because,
}

/// Has the terminals of those who may have wandered off tell more, before anybody is woken. Whoever was asked lately, or
/// has too much to do, is not asked again. Tells how many were.
pub async fn watch(conn: &mut PgConnection, suspected: &[Suspected], now: Timestamp) -> Result<u64, StoreError> {
    let wanted = suspected.iter().map(|suspected| ByRule {
        terminal: suspected.terminal.0,
        resident: suspected.resident.0,
        incident: None,
        why: Some(clean_text(suspected.why.clone())),
        because: serde_json::to_value(&suspected.because).ok().map(clean),
    });
    ask_by_rule(conn, wanted.collect(), &WATCHED, Some(now - WATCHED_AGAIN_AFTER), now).await
}

/// A terminal and whoever wears it.
#[derive(Debug, Clone, Copy)]
pub struct Worn {
    /// The terminal.
    pub terminal: TerminalId,
    /// Who wears it.
    pub resident: Option<Uuid>,
}

/// What kind of case an incident is for somebody who wants to tell its terminal something. Its row is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Not closed.
    pub is_open: bool,
    /// An open emergency of a resident.
    pub is_emergency: bool,
}

/// Locks a case that somebody may see; `None` when there is none.
pub async fn lock_case(
    conn: &mut PgConnection,
    incident: IncidentId,
    scope: &Scope,
) -> Result<Option<Case>, StoreError> {
    let case = sqlx::query_as!(
        Case,
        r#"select closed_at is null as "is_open!",
            closed_at is null and class = 'emergency' and resident_id is not null as "is_emergency!"
         from incident where id = $1 and not canary and nodes_above(node_id, resident_id) && $2 for update"#,
        incident.0,
        scope.nodes(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(case)
}

/// The terminal of a case: the one that pressed, else the one of the resident's that was heard last.
pub async fn worn_in(conn: &mut PgConnection, incident: IncidentId) -> Result<Option<Worn>, StoreError> {
    let row = sqlx::query!("select worn_in(id) as terminal_id, resident_id from incident where id = $1", incident.0)
        .fetch_optional(conn)
        .await?;
    Ok(row.and_then(|row| Some(Worn { terminal: TerminalId(row.terminal_id?), resident: row.resident_id })))
}

/// What a resident wears: the terminal of that serial, else the one that was heard last.
pub async fn worn_by(
    conn: &mut PgConnection,
    resident: Uuid,
    serial: Option<&str>,
) -> Result<Option<Worn>, StoreError> {
    let terminal = sqlx::query_scalar!(
        "select w.terminal_id from wearer w join terminal_state s on s.terminal_id = w.terminal_id
         where w.resident_id = $1 and ($2::text is null or w.serial = $2)
         order by s.heard_at desc nulls last, w.terminal_id limit 1",
        resident,
        serial
    )
    .fetch_optional(conn)
    .await?;
    Ok(terminal.map(|terminal| Worn { terminal: TerminalId(terminal), resident: Some(resident) }))
}

/// A command that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// Its row.
    pub seq: i64,
    /// Its identity.
    pub id: Uuid,
    /// The terminal.
    pub serial: String,
    /// By which the terminal answers.
    pub number: u16,
    /// What to do; `None` when nobody here can read it.
    pub command: Option<Command>,
    /// After this nobody wants it any more.
    pub not_after: Timestamp,
    /// How often it was tried before.
    pub tries: i32,
    /// How often it left before.
    pub sends: i32,
    /// What is to be done with it.
    pub still: Still,
}

/// What a look at a command that is due says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// It is wanted.
    Wanted,
    /// Too late.
    Expired,
    /// What it was asked for is over.
    Cancelled,
}

/// Takes commands that are due, and leases them: another sender tries them again when this one is not heard of in time.
/// Of the same thing for the same terminal the older one goes first.
pub async fn lease(conn: &mut PgConnection, count_max: usize) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query!(
        r#"with due as (
            select c.seq from command c
            where c.ended_at is null and c.next_try_at <= statement_timestamp()
                -- One after the other, each by its index: as a join of all that wait it takes the longer the more they are.
                and coalesce((select false from command earlier
                    where earlier.terminal_id = c.terminal_id and earlier.word = c.word and earlier.state = 'queued'
                        and earlier.seq < c.seq limit 1), true)
            order by c.next_try_at, c.seq
            limit $1
            for update skip locked)
         update command c set tries = tries + 1, next_try_at = clock_timestamp() + make_interval(secs => $2)
         from due, terminal t
         where c.seq = due.seq and t.id = c.terminal_id
         returning c.seq, c.id, t.serial, c.number, c.command, c.not_after, c.tries,
            c.sends, c.not_after <= clock_timestamp() as "is_late!",
            -- What a rule asked for, and listening in, is for as long as the case is open.
            (c.asked_by is null or c.word = 'listen_in') and exists (
                select from incident i where i.id = c.incident_id and i.closed_at is not null) as "is_over!""#,
        i64::try_from(count_max).unwrap_or(i64::MAX),
        LEASE.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due {
            seq: row.seq,
            id: row.id,
            serial: row.serial,
            number: u16::try_from(row.number).unwrap_or_default(),
            command: serde_json::from_value(row.command).ok(),
            not_after: row.not_after.to_jiff(),
            tries: row.tries - 1,
            sends: row.sends,
            still: match (row.is_over, row.is_late) {
                (true, _) => Still::Cancelled,
                (false, true) => Still::Expired,
                (false, false) => Still::Wanted,
            },
        })
        .collect())
}

/// What came of a look at a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// It is on its way, and the terminal answers; once more after this, if it does not.
    Sent(SignedDuration),
    /// It is on its way often enough: nothing more is done than to wait for an answer.
    SentForGood,
    /// It lies with the doors, and the terminal says only that it has it; once more after this.
    Posted(SignedDuration),
    /// It has left, and nobody will ever say what came of it.
    Left,
    /// It has not left; tried again after this.
    RetryIn(SignedDuration),
    /// It will never be done, because of this.
    Refused(String),
    /// Too late.
    Expired,
    /// Not wanted any more.
    Cancelled,
}

/// A look at a command, and what came of it.
#[derive(Debug)]
pub struct Looked {
    /// Its row.
    pub seq: i64,
    /// What came of it.
    pub came: Came,
}

/// How a row changes.
struct Change {
    state: &'static str,
    wait: Option<SignedDuration>,
    is_answered: Option<bool>,
    ends: bool,
    answer: Option<String>,
}

impl From<&Came> for Change {
    fn from(came: &Came) -> Self {
        let (state, wait, is_answered, ends, why) = match came {
            Came::Sent(wait) => ("sent", Some(*wait), Some(true), false, None),
            Came::SentForGood => ("sent", None, Some(true), false, None),
            Came::Posted(wait) => ("sent", Some(*wait), Some(false), false, None),
            Came::Left => ("sent", None, Some(false), true, None),
            Came::RetryIn(wait) => ("queued", Some(*wait), None, false, None),
            Came::Refused(why) => ("refused", None, None, true, Some(why)),
            Came::Expired => ("expired", None, None, true, None),
            Came::Cancelled => ("cancelled", None, None, true, None),
        };
        let answer = why.map(|why| clean_text(why.clone()).chars().take(ANSWER_MAX).collect());
        Self { state, wait, is_answered, ends, answer }
    }
}

/// Records what came of commands. What is known of their end meanwhile stays known.
pub async fn record(conn: &mut PgConnection, looked: &[Looked]) -> Result<(), StoreError> {
    let seqs: Vec<i64> = looked.iter().map(|looked| looked.seq).collect();
    let changes: Vec<Change> = looked.iter().map(|looked| Change::from(&looked.came)).collect();
    let states: Vec<String> = changes.iter().map(|change| change.state.to_owned()).collect();
    let waits_s: Vec<Option<f64>> = changes.iter().map(|change| change.wait.map(|wait| wait.as_secs_f64())).collect();
    let are_answered: Vec<Option<bool>> = changes.iter().map(|change| change.is_answered).collect();
    let end: Vec<bool> = changes.iter().map(|change| change.ends).collect();
    let answers: Vec<Option<String>> = changes.into_iter().map(|change| change.answer).collect();
    sqlx::query!(
        "with told as (
            select * from unnest($1::bigint[], $2::text[], $3::float8[], $4::boolean[], $5::boolean[], $6::text[])
                as told (seq, state, wait_s, is_answered, ends, answer)),
         before as (
            select seq, state from command where seq = any($1) and ended_at is null order by seq for update),
         recorded as (
            update command c set
                -- What was sent once stays sent.
                state = case when told.is_answered is false and delivered_at is not null then 'done'
                    when told.state = 'queued' then c.state else told.state end,
                next_try_at = case when told.ends or told.is_answered is false and delivered_at is not null then null
                    -- Whoever has it need not be sent it again.
                    when told.wait_s is null or delivered_at is not null then not_after
                    else least(clock_timestamp() + make_interval(secs => told.wait_s), not_after) end,
                sent_at = case when told.state = 'sent' then coalesce(sent_at, clock_timestamp()) else sent_at end,
                sends = sends + (told.state = 'sent')::integer,
                is_answered = coalesce(told.is_answered, c.is_answered),
                ended_at = case when told.ends or told.is_answered is false and delivered_at is not null
                    then clock_timestamp() end,
                answer = coalesce(told.answer, c.answer)
            from before join told on told.seq = before.seq
            where c.seq = before.seq
            returning c.incident_id, c.state <> before.state or c.ended_at is not null as is_news)
         -- That it is tried again is no news.
         insert into live_event (incident_id)
         select distinct incident_id from recorded where incident_id is not null and is_news",
        &seqs,
        &states,
        &waits_s as &[Option<f64>],
        &are_answered as &[Option<bool>],
        &end,
        &answers as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Terminals have acknowledged what was sent to them: these are commands, or they are not. One to which they say nothing
/// more is done with that.
pub async fn delivered(conn: &mut PgConnection, ids: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "with held as (
            select seq from command
            where id = any($1) and delivered_at is null and state in ('queued', 'sent')
            order by seq for update),
         delivered as (
            update command c set
                delivered_at = clock_timestamp(),
                state = case when is_answered is false then 'done' else state end,
                ended_at = case when is_answered is false then clock_timestamp() else ended_at end,
                next_try_at = case when is_answered is false or ended_at is not null then null else not_after end
            from held where c.seq = held.seq
            returning incident_id)
         insert into live_event (incident_id) select distinct incident_id from delivered where incident_id is not null",
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Terminals have answered commands: by number, else the oldest unanswered of that word. Whoever answers again says
/// nothing new.
pub async fn answered(conn: &mut PgConnection, answers: &[(TerminalId, &Answer)]) -> Result<(), StoreError> {
    if answers.is_empty() {
        return Ok(());
    }
    let terminals: Vec<i64> = answers.iter().map(|(terminal, _)| terminal.0).collect();
    let numbers: Vec<Option<i32>> = answers.iter().map(|(_, answer)| answer.number.map(i32::from)).collect();
    let words: Vec<String> = answers.iter().map(|(_, answer)| clean_text(answer.word.clone())).collect();
    let done: Vec<Option<bool>> = answers.iter().map(|(_, answer)| answer.done).collect();
    let said = |answer: &Answer| clean_text(answer.text.clone()).chars().take(ANSWER_MAX).collect();
    let texts: Vec<String> = answers.iter().map(|(_, answer)| said(answer)).collect();
    sqlx::query!(
        "with said as (
            select * from unnest($1::bigint[], $2::integer[], $3::text[], $4::boolean[], $5::text[])
                with ordinality as s (terminal_id, number, word, done, text, nth)
        ), matched as (
            select distinct on (c.seq) c.seq, s.done, s.text
            from said s
            cross join lateral (
                select seq from command
                -- It may have come too late for us, and was done all the same.
                where terminal_id = s.terminal_id and state in ('queued', 'sent', 'expired')
                    and (number = s.number or s.number is null and word = s.word and state = 'sent' and ended_at is null)
                order by case when s.number is null then seq else -seq end
                limit 1) c
            order by c.seq, s.nth
        ), ended as (
            update command c set
                state = case when m.done is false then 'refused' else 'done' end,
                confirmed = coalesce(m.done, false),
                delivered_at = coalesce(delivered_at, clock_timestamp()),
                sent_at = coalesce(sent_at, clock_timestamp()),
                ended_at = clock_timestamp(),
                next_try_at = null,
                answer = m.text
            from matched m where c.seq = m.seq
            returning c.incident_id)
         insert into live_event (incident_id) select distinct incident_id from ended where incident_id is not null",
        &terminals,
        &numbers as &[Option<i32>],
        &words,
        &done as &[Option<bool>],
        &texts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Terminals have just connected: what waits for them, or was perhaps lost on its way, is due now.
pub async fn hasten(conn: &mut PgConnection, serials: &[String]) -> Result<(), StoreError> {
    sqlx::query!(
        "update command c set next_try_at = clock_timestamp()
         from terminal t
         where t.serial = any($1) and c.terminal_id = t.id and c.ended_at is null and c.delivered_at is null
            and c.next_try_at > clock_timestamp()",
        serials
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Somebody does not want it any more. `None`: there is no such command in the scope; false: it is over.
pub async fn cancel(conn: &mut PgConnection, id: Uuid, scope: &Scope) -> Result<Option<bool>, StoreError> {
    let row = sqlx::query!(
        "with found as (
            select c.seq from command c
            where c.id = $1 and (
                exists (select from resident r where r.id = c.resident_id and lies_below(r.serving_node, $2))
                or exists (select from incident i
                    where i.id = c.incident_id and nodes_above(i.node_id, i.resident_id) && $2))
        ), cancelled as (
            update command c set state = 'cancelled', ended_at = clock_timestamp(), next_try_at = null
            from found where c.seq = found.seq and c.ended_at is null
            returning c.incident_id
        ), told as (
            insert into live_event (incident_id) select incident_id from cancelled where incident_id is not null)
         select (select count(*) from cancelled) as cancelled from found",
        id,
        scope.nodes(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.cancelled.unwrap_or_default() > 0))
}

/// A command as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CommandView {
    /// Its identity.
    pub id: Uuid,
    /// The terminal.
    pub serial: String,
    /// What it is to do: `do` is the word for it.
    pub command: Value,
    /// The case in which it was asked for.
    pub incident: Option<Uuid>,
    /// Who asked; nobody: a rule.
    pub by: Option<Person>,
    /// Why; of what a rule asked, in English.
    pub why: Option<String>,
    /// The same as data, of what a rule asked.
    pub because: Option<Because>,
    /// What people call the fence that it is about.
    pub fence_name: Option<String>,
    /// `queued`, `sent`, `done`, `refused`, `expired`, `cancelled`.
    pub state: String,
    /// Nothing more will come of it.
    pub over: bool,
    /// The terminal said that it did it; otherwise, when it is `done`, only that it has it.
    pub confirmed: bool,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// After this nobody wants it any more.
    pub not_after: Timestamp,
    /// When it first left.
    pub sent_at: Option<Timestamp>,
    /// When the terminal said that it has it.
    pub delivered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// How often it was tried.
    pub tries: i32,
    /// What the terminal said, or why it was not sent.
    pub answer: String,
}

/// Which commands.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// Those of a case.
    Incident(IncidentId),
    /// Those of a resident.
    Resident(Uuid),
    /// One.
    One(Uuid),
}

/// The latest commands, the newest first.
pub async fn list(conn: &mut PgConnection, of: Of) -> Result<Vec<CommandView>, StoreError> {
    let (incident, resident, one) = match of {
        Of::Incident(incident) => (Some(incident.0), None, None),
        Of::Resident(resident) => (None, Some(resident), None),
        Of::One(id) => (None, None, Some(id)),
    };
    let rows = sqlx::query!(
        r#"select c.id, t.serial, c.command, c.incident_id, c.asked_by, u.name as "asker?", c.why, c.state, c.confirmed,
            c.asked_at, c.not_after, c.sent_at, c.delivered_at, c.ended_at, c.tries, c.answer, c.because,
            f.name as "fence_name?"
         from command c
         join terminal t on t.id = c.terminal_id
         left join fence f on f.id = (c.because ->> 'fence')::uuid
         left join app_user u on u.id = c.asked_by
         where c.incident_id = $1 or c.resident_id = $2 or c.id = $3
         order by c.seq desc
         limit $4"#,
        incident,
        resident,
        one,
        LISTED_MAX,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| CommandView {
            id: row.id,
            serial: row.serial,
            command: row.command,
            incident: row.incident_id,
            by: row.asked_by.map(|id| Person { id, name: row.asker.unwrap_or_default() }),
            why: row.why,
            // What nobody can read is told by the sentence alone.
            because: row.because.and_then(|because| serde_json::from_value(because).ok()),
            fence_name: row.fence_name,
            state: row.state,
            over: row.ended_at.is_some(),
            confirmed: row.confirmed,
            asked_at: row.asked_at.to_jiff(),
            not_after: row.not_after.to_jiff(),
            sent_at: row.sent_at.map(jiff_sqlx::Timestamp::to_jiff),
            delivered_at: row.delivered_at.map(jiff_sqlx::Timestamp::to_jiff),
            ended_at: row.ended_at.map(jiff_sqlx::Timestamp::to_jiff),
            tries: row.tries,
            answer: row.answer,
        })
        .collect())
}
