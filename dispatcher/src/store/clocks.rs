//! The milestones of cases, and what contracts ask for: what `domain::clocks` reads.

use domain::clocks::{Calls, Case, Clock, Milestone, Milestones, Target, Weight};
use domain::id::{IncidentId, ProviderId};
use domain::incident::{Class, Outcome};
use domain::word::Word;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::timeline::{self, Line};
use super::{StoreError, facts};
use crate::access::Scope;
use crate::clock;

/// A month of a district, by the district's own days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// The node's name.
    pub node: String,
    /// `2026-03`.
    pub name: String,
    /// By whose midnights it goes.
    pub time_zone: String,
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// The database's clock.
    pub now: Timestamp,
}

/// One case in a list of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The case.
    pub incident: IncidentId,
    /// The name under which it may leave the house.
    pub name: String,
    /// The day on which it was opened, where it was.
    pub day: String,
    /// What sort of case it is.
    pub class: Class,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// As far as clocks go.
    pub case: Case,
}

/// A target that a contract has set.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreed {
    /// Its identity.
    pub id: Uuid,
    /// For which node, and all below it.
    pub node: Uuid,
    /// Whose responders are meant; none: everybody's.
    pub provider: Option<(ProviderId, String)>,
    /// Where it is written.
    pub source: String,
    /// What is asked for.
    pub target: Target,
    /// Since when.
    pub since: Timestamp,
}

/// What an administrator agrees on.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTarget {
    /// For which node, and all below it.
    pub node: Uuid,
    /// Whose responders are meant.
    pub provider: Option<ProviderId>,
    /// Where it is written.
    pub source: String,
    /// What is asked for.
    pub target: Target,
}

/// A month of a node that lies in `scope`: the one that is named by its first day, or the present one.
pub async fn month(
    conn: &mut PgConnection,
    node: Uuid,
    named: Option<(i16, i8)>,
    scope: &Scope,
) -> Result<Option<Month>, StoreError> {
    let (year, number) = named.unzip();
    let row = sqlx::query!(
        r#"with zone as (
            select n.name, coalesce(
                (select above.time_zone from org_node above
                 where above.id = any(n.path) and above.level in ('city', 'district')
                 order by cardinality(above.path) desc limit 1), n.time_zone) as time_zone
            from org_node n where n.id = $1 and n.path && $4),
         first as (
            select zone.*, coalesce(make_date($2, $3, 1)::timestamp,
                date_trunc('month', now() at time zone time_zone)) as day
            from zone)
         select name, time_zone as "time_zone!", to_char(day, 'YYYY-MM') as "month!",
            day at time zone time_zone as "from!",
            (day + interval '1 month') at time zone time_zone as "until!",
            now() as "now!"
         from first"#,
        node,
        year.map(i32::from),
        number.map(i32::from),
        scope.nodes(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Month {
        node: row.name,
        name: row.month,
        time_zone: row.time_zone,
        from: row.from.to_jiff(),
        until: row.until.to_jiff(),
        now: row.now.to_jiff(),
    }))
}

/// A row of `incident` with its milestones.
struct Row {
    id: Uuid,
    name: String,
    day: String,
    class: String,
    drill: bool,
    outcome: Option<String>,
    pressed_at: Option<jiff_sqlx::Timestamp>,
    durable_at: Option<jiff_sqlx::Timestamp>,
    claimed_at: Option<jiff_sqlx::Timestamp>,
    spoken_at: Option<jiff_sqlx::Timestamp>,
    asked_at: Option<jiff_sqlx::Timestamp>,
    accepted_at: Option<jiff_sqlx::Timestamp>,
    on_scene_at: Option<jiff_sqlx::Timestamp>,
    centre_called_at: Option<jiff_sqlx::Timestamp>,
    centre_answered_at: Option<jiff_sqlx::Timestamp>,
    vehicle_out_at: Option<jiff_sqlx::Timestamp>,
    closed_at: Option<jiff_sqlx::Timestamp>,
}

impl Row {
    fn into_evidence(self) -> Result<Evidence, StoreError> {
        let impossible = |column| StoreError::Impossible { table: "incident", id: self.id.to_string(), column };
        let class = Class::parse(&self.class).map_err(|_| impossible("class"))?;
        let outcome = self.outcome.as_deref().map(Outcome::parse).transpose().map_err(|_| impossible("outcome"))?;
        let facts = [
            (Milestone::Pressed, self.pressed_at),
            (Milestone::Durable, self.durable_at),
            (Milestone::Claimed, self.claimed_at),
            (Milestone::Spoken, self.spoken_at),
            (Milestone::Asked, self.asked_at),
            (Milestone::Accepted, self.accepted_at),
            (Milestone::OnScene, self.on_scene_at),
            (Milestone::CentreCalled, self.centre_called_at),
            (Milestone::CentreAnswered, self.centre_answered_at),
            (Milestone::VehicleOut, self.vehicle_out_at),
            (Milestone::Closed, self.closed_at),
        ];
        let milestones =
            Milestones::read(facts.into_iter().filter_map(|(milestone, at)| Some((milestone, at?.to_jiff()))));
        let case = Case { calls: Calls::of(class), weight: Weight::of(self.drill, outcome), milestones };
        Ok(Evidence { incident: IncidentId(self.id), name: self.name, day: self.day, class, outcome, case })
    }
}

/// Every case that was opened in a month at or below a node, oldest first; given a provider, those in which its
/// responders were asked, by what they did.
pub async fn cases(
    conn: &mut PgConnection,
    node: Uuid,
    month: &Month,
    provider: Option<ProviderId>,
) -> Result<Vec<Evidence>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select i.id, evidence_name(i.id) as "name!", to_char(i.opened_at at time zone $4, 'YYYY-MM-DD') as "day!",
            i.class, i.drill, i.outcome, m.pressed_at, m.durable_at, m.claimed_at, m.spoken_at, m.asked_at,
            m.accepted_at, m.on_scene_at, m.centre_called_at, m.centre_answered_at, m.vehicle_out_at, m.closed_at
         from incident i
         join org_node n on n.id = i.node_id and $1 = any(n.path)
         cross join lateral incident_milestones(i.id, $5) m
         where not i.canary and i.opened_at >= $2 and i.opened_at < $3 and ($5 is null or m.asked_at is not null)
         order by i.opened_at, i.id"#,
        node,
        month.from.to_sqlx(),
        month.until.to_sqlx(),
        month.time_zone,
        provider.map(|provider| provider.0),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::into_evidence).collect()
}

/// One case, with the node that it belongs to.
pub async fn case(conn: &mut PgConnection, id: IncidentId) -> Result<Option<(Evidence, Uuid)>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select i.id, evidence_name(i.id) as "name!", to_char(i.opened_at, 'YYYY-MM-DD') as "day!",
            i.class, i.drill, i.outcome, m.pressed_at, m.durable_at, m.claimed_at, m.spoken_at, m.asked_at,
            m.accepted_at, m.on_scene_at, m.centre_called_at, m.centre_answered_at, m.vehicle_out_at, m.closed_at
         from incident i cross join lateral incident_milestones(i.id, null) m
         where i.id = $1"#,
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let node = sqlx::query_scalar!("select node_id from incident where id = $1", id.0).fetch_one(conn).await?;
    Ok(Some((row.into_evidence()?, node)))
}

/// What contracts ask of a node, by itself or above it, at a moment.
pub async fn targets(conn: &mut PgConnection, node: Uuid, at: Timestamp) -> Result<Vec<Agreed>, StoreError> {
    let rows = sqlx::query!(
        r#"select t.id, t.node_id, t.provider_id, p.name as "provider?", t.source, t.clock, t.calls, t.share, t.within_s,
            t.since
         from org_node n
         join clock_target t on t.node_id = any(n.path)
         left join provider p on p.id = t.provider_id
         where n.id = $1 and t.since <= $2 and (t.until is null or t.until > $2)
         order by t.since, t.id"#,
        node,
        at.to_sqlx(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = |column| StoreError::Impossible { table: "clock_target", id: row.id.to_string(), column };
            let clock = Clock::parse(&row.clock).map_err(|_| impossible("clock"))?;
            let calls = Calls::parse(&row.calls).map_err(|_| impossible("calls"))?;
            let target = Target::new(clock, calls, row.share, row.within_s.into()).map_err(|_| impossible("share"))?;
            Ok(Agreed {
                id: row.id,
                node: row.node_id,
                provider: row.provider_id.map(ProviderId).zip(row.provider),
                source: row.source,
                target,
                since: row.since.to_jiff(),
            })
        })
        .collect()
}

/// Whether a provider has, or had, a contract at, above or below a node.
pub async fn is_contracted(conn: &mut PgConnection, provider: ProviderId, node: Uuid) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from contract c join org_node there on there.id = c.node_id, org_node n
            where c.provider_id = $1 and n.id = $2 and (c.node_id = any(n.path) or n.id = any(there.path))) as "is!""#,
        provider.0,
        node,
    )
    .fetch_one(conn)
    .await?)
}

/// The providers that have a contract at, above or below a node, by name.
pub async fn providers(conn: &mut PgConnection, node: Uuid) -> Result<Vec<(Uuid, String)>, StoreError> {
    let rows = sqlx::query!(
        "select p.id, p.name from provider p, org_node n
         where n.id = $1 and exists (select from contract c join org_node there on there.id = c.node_id
            where c.provider_id = p.id and (c.node_id = any(n.path) or n.id = any(there.path)))
         order by p.name, p.id",
        node
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Writes a target down, and who did.
pub async fn agree(conn: &mut PgConnection, new: &NewTarget, by: Uuid) -> Result<Uuid, StoreError> {
    let id = clock::fresh_id();
    sqlx::query!(
        "with made as (
            insert into clock_target (id, node_id, provider_id, source, clock, calls, share, within_s)
            values ($1, $2, $3, $4, $5, $6, $7, $8) returning id)
         insert into audit (user_id, what, about) select $9, 'target_agreed', id::text from made",
        id,
        new.node,
        new.provider.map(|provider| provider.0),
        new.source,
        new.target.clock.as_str(),
        new.target.calls.as_str(),
        new.target.share.fraction(),
        i32::try_from(new.target.within_s()).unwrap_or(i32::MAX),
        by,
    )
    .execute(conn)
    .await?;
    Ok(id)
}

/// Ends a target in `scope`, and writes down who did. Whether there was one to end.
pub async fn end(conn: &mut PgConnection, target: Uuid, scope: &Scope, by: Uuid) -> Result<bool, StoreError> {
    let ended = sqlx::query!(
        "with ended as (
            update clock_target set until = now()
            where id = $1 and until is null and lies_below(node_id, $2) returning id)
         insert into audit (user_id, what, about) select $3, 'target_ended', id::text from ended",
        target,
        scope.nodes(),
        by,
    )
    .execute(conn)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// Notes that an operator and somebody there heard each other: whom, in a word. Whether the case is open.
pub async fn speak(conn: &mut PgConnection, incident: IncidentId, with: &str, by: Uuid) -> Result<bool, StoreError> {
    let is_open = sqlx::query_scalar!(
        r#"select closed_at is null as "open!" from incident where id = $1 for update"#,
        incident.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    if is_open != Some(true) {
        return Ok(false);
    }
    let now = facts::now(conn).await?;
    let line = Line { what: "spoken", who: Some(by), data: json!({ "with": with }) };
    timeline::append(conn, incident, now, &[line]).await?;
    Ok(true)
}
