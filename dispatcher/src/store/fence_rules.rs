//! Where residents should be when: rules, pauses, what somebody was told, and when to look next. Row ↔ `domain::rules`.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::id::{FenceId, ResidentId, RuleId, TerminalId, UserId};
use domain::rules::Over;
use domain::rules::{
    Asks, BadRule, Belief, Breach, Calendar, Days, Expect, Hours, Pause, Relation, Rule, Span, Weekdays,
};
use domain::whereabouts::Standing;
use domain::word::Word as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use super::fences::{self, Stands};
use crate::clock;

/// More than anybody can keep in mind about one person.
pub const RULES_MAX: usize = 50;
/// The same of pauses that are not over.
pub const PAUSES_MAX: usize = 50;
/// So many positions show by what somebody is believed to be somewhere.
const WITNESSES_MAX: i64 = 6;
/// Somebody may have been away for a month before a pause is forgotten.
const PAUSES_BACK_DAYS: i32 = 40;

// ---- rules -------------------------------------------------------------------------------------

/// A rule as it is told and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FenceRule)]
pub struct RuleView {
    /// Its identity; none: a new one.
    pub id: Option<Uuid>,
    /// Of which fence.
    pub fence: Uuid,
    /// `inside`, `outside`, `not_leave` (who was out before is not asked after), `not_away` (for longer than `allowed_s`).
    pub expect: String,
    /// `every`, `working`, `off`, `weekdays`. A night belongs to the day on which it begins.
    pub days: String,
    /// For `weekdays`: a bit for each day, the lowest Monday's.
    pub weekdays: Option<i16>,
    /// The minute of the day from which it holds, 0 to 1439…
    pub from_minute: i32,
    /// …and up to which, 1 to 1440; a night goes over midnight.
    pub until_minute: i32,
    /// By the clock of the fence's place, such as `Asia/Urumqi`; none: of where the resident lives.
    pub time_zone: Option<String>,
    /// For `not_away`: for how many seconds they may be away. Else 0.
    pub allowed_s: i32,
    /// How many seconds it may be otherwise before anybody is told.
    pub grace_s: i32,
}

/// Why something is no rule.
#[derive(Debug, thiserror::Error)]
pub enum NoRule {
    /// A word that is none.
    #[error(transparent)]
    Word(#[from] domain::word::UnknownWord),
    /// Days that are none.
    #[error(
        "{0:?} are no days: every, working, off, or weekdays with a bit for each day from 1, Monday, to 64, Sunday"
    )]
    Days(String),
    /// Seconds out of any range.
    #[error(transparent)]
    Bad(#[from] BadRule),
    /// No such clock.
    #[error("{0:?} is no time zone such as Asia/Urumqi")]
    Zone(String),
}

impl RuleView {
    /// The rule that it tells.
    pub fn rule(&self) -> Result<Rule, NoRule> {
        let weekdays = self.weekdays.and_then(|bits| u8::try_from(bits).ok()).and_then(Weekdays::new);
        let days = match (self.days.as_str(), self.weekdays, weekdays) {
            ("every", None, _) => Days::Every,
            ("working", None, _) => Days::Working,
            ("off", None, _) => Days::Off,
            ("weekdays", Some(_), Some(weekdays)) => Days::Of(weekdays),
            _ => return Err(NoRule::Days(self.days.clone())),
        };
        let minute = |minute| u16::try_from(minute).map_err(|_| BadRule::Hours);
        let zone =
            self.time_zone.as_ref().map(|name| zone(name).ok_or_else(|| NoRule::Zone(name.clone()))).transpose()?;
        let asks = Asks {
            expect: Expect::parse(&self.expect)?,
            days,
            hours: Hours::new(minute(self.from_minute)?, minute(self.until_minute)?)?,
            allowed: SignedDuration::from_secs(self.allowed_s.into()),
            grace: SignedDuration::from_secs(self.grace_s.into()),
        };
        let id = RuleId(self.id.unwrap_or_else(clock::fresh_id));
        Ok(Rule::new(id, FenceId(self.fence), zone, asks)?)
    }
}

/// The clock of that name.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// A pause as it is told and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FencePause)]
pub struct PauseView {
    /// Its identity.
    pub id: Uuid,
    /// Of one fence; none: of all of them.
    pub fence: Option<Uuid>,
    /// From then on…
    pub from: Timestamp,
    /// …up to then.
    pub until: Timestamp,
    /// Why.
    pub why: String,
}

/// What is expected of a resident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FenceRules)]
pub struct RulesView {
    /// Which version this is; a change says which one it changes.
    pub version: i32,
    /// The clock of where they live.
    pub time_zone: String,
    /// Of active fences and others.
    pub rules: Vec<RuleView>,
    /// Those that are not over, the first to begin first.
    pub pauses: Vec<PauseView>,
}

/// What is expected of a resident; none: there is no such resident.
pub async fn of_resident(conn: &mut PgConnection, resident: Uuid) -> Result<Option<RulesView>, StoreError> {
    let row = sqlx::query!(
        r#"select coalesce(w.version, 0) as "version!", zone_of(r.serving_node) as "time_zone!"
         from resident r left join rule_watch w on w.resident_id = r.id where r.id = $1"#,
        resident
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let rules = rules(conn, &[resident], false).await?.into_iter().map(|(_, rule)| rule).collect();
    let pauses = pauses(conn, &[resident], 0).await?.into_iter().map(|(_, pause)| pause).collect();
    Ok(Some(RulesView { version: row.version, time_zone: row.time_zone, rules, pauses }))
}

/// The rules of these residents; of active fences only when asked to.
async fn rules(
    conn: &mut PgConnection,
    residents: &[Uuid],
    is_active: bool,
) -> Result<Vec<(Uuid, RuleView)>, StoreError> {
    let rows = sqlx::query!(
        "select f.resident_id, r.id, r.fence_id, r.expect, r.days, r.weekdays, r.from_minute, r.until_minute, r.time_zone,
            r.allowed_s, r.grace_s
         from fence f join fence_rule r on r.fence_id = f.id
         where f.resident_id = any($1) and (f.active or not $2)
         order by r.created_at, r.id",
        residents,
        is_active,
    )
    .fetch_all(conn)
    .await?;
    let view = rows.into_iter().map(|row| {
        let rule = RuleView {
            id: Some(row.id),
            fence: row.fence_id,
            expect: row.expect,
            days: row.days,
            weekdays: row.weekdays,
            from_minute: row.from_minute,
            until_minute: row.until_minute,
            time_zone: row.time_zone,
            allowed_s: row.allowed_s,
            grace_s: row.grace_s,
        };
        (row.resident_id, rule)
    });
    Ok(view.collect())
}

/// The pauses of these residents that were not over so many days ago.
async fn pauses(
    conn: &mut PgConnection,
    residents: &[Uuid],
    back_days: i32,
) -> Result<Vec<(Uuid, PauseView)>, StoreError> {
    let rows = sqlx::query!(
        "select id, resident_id, fence_id, begins_at, ends_at, why from fence_pause
         where resident_id = any($1) and ends_at > now() - make_interval(days => $2) order by begins_at, id",
        residents,
        back_days,
    )
    .fetch_all(conn)
    .await?;
    let view = rows.into_iter().map(|row| {
        let (from, until) = (row.begins_at.to_jiff(), row.ends_at.to_jiff());
        (row.resident_id, PauseView { id: row.id, fence: row.fence_id, from, until, why: row.why })
    });
    Ok(view.collect())
}

/// How the fences of a resident lie to each other, by pairs.
pub async fn relations(
    conn: &mut PgConnection,
    resident: Uuid,
) -> Result<HashMap<(FenceId, FenceId), Relation>, StoreError> {
    let rows = sqlx::query!(
        r#"with drawn as (
            select id, area, coalesce(radius_m, 0) as radius_m,
                case when radius_m is null then area else st_buffer(area, radius_m) end::geometry as room
            from fence where resident_id = $1)
         select a.id as "one!", b.id as "other!",
            not st_dwithin(a.area, b.area, a.radius_m + b.radius_m) as "apart!",
            st_covers(b.room, a.room) as "within!", st_covers(a.room, b.room) as "around!"
         from drawn a join drawn b on a.id <> b.id"#,
        resident
    )
    .fetch_all(conn)
    .await?;
    let relation = |apart, within, around| match (apart, within, around) {
        (true, ..) => Relation::Apart,
        (_, true, _) => Relation::FirstInSecond,
        (_, _, true) => Relation::SecondInFirst,
        _ => Relation::Overlapping,
    };
    let pair = rows
        .into_iter()
        .map(|row| ((FenceId(row.one), FenceId(row.other)), relation(row.apart, row.within, row.around)));
    Ok(pair.collect())
}

/// Puts these rules in the place of a resident's, whose row is locked; `false`: somebody has changed them meanwhile.
pub async fn replace(
    conn: &mut PgConnection,
    resident: ResidentId,
    version: i32,
    rules: &[RuleView],
    by: UserId,
) -> Result<bool, StoreError> {
    let known = sqlx::query_scalar!("select version from rule_watch where resident_id = $1 for update", resident.0)
        .fetch_optional(&mut *conn)
        .await?;
    if known.unwrap_or(0) != version {
        return Ok(false);
    }
    let old = sqlx::query_scalar!(
        "select r.id from fence_rule r join fence f on f.id = r.fence_id where f.resident_id = $1",
        resident.0
    )
    .fetch_all(&mut *conn)
    .await?;
    // What stays keeps its name, so that nobody is told of it again.
    let mut kept = HashSet::new();
    let mut name = |rule: &RuleView| {
        let known = rule.id.filter(|id| old.contains(id) && kept.insert(*id));
        known.unwrap_or_else(clock::fresh_id)
    };
    let ids: Vec<Uuid> = rules.iter().map(&mut name).collect();
    let fences: Vec<Uuid> = rules.iter().map(|rule| rule.fence).collect();
    let expects: Vec<String> = rules.iter().map(|rule| rule.expect.clone()).collect();
    let days: Vec<String> = rules.iter().map(|rule| rule.days.clone()).collect();
    let weekdays: Vec<Option<i16>> = rules.iter().map(|rule| rule.weekdays).collect();
    let froms: Vec<i32> = rules.iter().map(|rule| rule.from_minute).collect();
    let untils: Vec<i32> = rules.iter().map(|rule| rule.until_minute).collect();
    let zones: Vec<Option<String>> = rules.iter().map(|rule| rule.time_zone.clone()).collect();
    let allowed: Vec<i32> = rules.iter().map(|rule| rule.allowed_s).collect();
    let graces: Vec<i32> = rules.iter().map(|rule| rule.grace_s).collect();
    sqlx::query!(
        "insert into fence_rule (id, fence_id, expect, days, weekdays, from_minute, until_minute, time_zone, allowed_s,
            grace_s, created_by, created_at)
         select id, fence_id, expect, days, weekdays, from_minute, until_minute, time_zone, allowed_s, grace_s, $11,
            now() + make_interval(secs => 0.000001 * number)
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::integer[], $7::integer[],
            $8::text[], $9::integer[], $10::integer[]) with ordinality
            as said (id, fence_id, expect, days, weekdays, from_minute, until_minute, time_zone, allowed_s, grace_s, number)
         on conflict (id) do update set fence_id = excluded.fence_id, expect = excluded.expect, days = excluded.days,
            weekdays = excluded.weekdays, from_minute = excluded.from_minute, until_minute = excluded.until_minute,
            time_zone = excluded.time_zone, allowed_s = excluded.allowed_s, grace_s = excluded.grace_s,
            created_at = excluded.created_at",
        &ids,
        &fences,
        &expects,
        &days,
        &weekdays as &[Option<i16>],
        &froms,
        &untils,
        &zones as &[Option<String>],
        &allowed,
        &graces,
        by.0,
    )
    .execute(&mut *conn)
    .await?;
    // Last, so that a fence that keeps one of its rules is never without.
    sqlx::query!(
        "delete from fence_rule r using fence f where f.id = r.fence_id and f.resident_id = $1 and r.id <> all($2)",
        resident.0,
        &ids,
    )
    .execute(&mut *conn)
    .await?;
    count(conn, resident, by, "fence_rules_changed").await?;
    Ok(true)
}

/// Begins a pause.
pub async fn pause(
    conn: &mut PgConnection,
    resident: ResidentId,
    pause: &PauseView,
    by: UserId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into fence_pause (id, resident_id, fence_id, begins_at, ends_at, why, created_by)
         values ($1, $2, $3, $4, $5, $6, $7)",
        pause.id,
        resident.0,
        pause.fence,
        pause.from.to_sqlx(),
        pause.until.to_sqlx(),
        pause.why,
        by.0,
    )
    .execute(&mut *conn)
    .await?;
    count(conn, resident, by, "fence_pause_made").await
}

/// Whose pause that is.
pub async fn paused(conn: &mut PgConnection, pause: Uuid) -> Result<Option<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!("select resident_id from fence_pause where id = $1", pause).fetch_optional(conn).await?)
}

/// Takes a pause back.
pub async fn resume(conn: &mut PgConnection, resident: ResidentId, pause: Uuid, by: UserId) -> Result<(), StoreError> {
    sqlx::query!("delete from fence_pause where id = $1", pause).execute(&mut *conn).await?;
    count(conn, resident, by, "fence_pause_deleted").await
}

/// Notes which pauses have begun or are over by now; the answer is of how many residents.
pub async fn turn_pauses(conn: &mut PgConnection) -> Result<i32, StoreError> {
    Ok(sqlx::query_scalar!(r#"select turn_pauses() as "turned!""#).fetch_one(conn).await?)
}

/// Counts a change of rules or pauses, and writes down whose it was.
async fn count(conn: &mut PgConnection, resident: ResidentId, by: UserId, what: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "with known as (
            insert into rule_watch (resident_id, wake_at, version) values ($1, clock_timestamp(), 1)
            on conflict (resident_id) do update set version = rule_watch.version + 1)
         insert into audit (user_id, what, about, resident_id) values ($2, $3, $1::uuid::text, $1)",
        resident.0,
        by.0,
        what,
    )
    .execute(conn)
    .await?;
    Ok(())
}

// ---- looking -----------------------------------------------------------------------------------

/// A resident whose rules are looked at, with everything that the look needs.
#[derive(Debug)]
pub struct Watched {
    /// Where they are served.
    pub node: Uuid,
    /// Of active fences.
    pub rules: Vec<Rule>,
    /// Clocks and days off.
    pub calendar: Calendar,
    /// Present, to come, and lately over.
    pub pauses: Vec<Pause>,
    /// What is believed of each fence.
    pub beliefs: HashMap<FenceId, Belief>,
    /// The rules of which somebody was told that they are not kept.
    pub told: Vec<RuleId>,
    /// The terminal that they wear.
    pub terminal: Option<TerminalId>,
}

/// Whose rules are due to be looked at, the longest overdue first, and since when.
pub async fn due(conn: &mut PgConnection, max: i64) -> Result<Vec<(Uuid, Timestamp)>, StoreError> {
    let rows = sqlx::query!(
        "select resident_id, wake_at from rule_watch where wake_at <= statement_timestamp() order by wake_at limit $1",
        max
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.resident_id, row.wake_at.to_jiff())).collect())
}

/// Holds the watch over a resident until the transaction ends; `false`: somebody else does, or there is none.
pub async fn hold(conn: &mut PgConnection, resident: Uuid) -> Result<bool, StoreError> {
    let held = sqlx::query_scalar!(
        "select resident_id from rule_watch where resident_id = $1 for update skip locked",
        resident
    )
    .fetch_optional(conn)
    .await?;
    Ok(held.is_some())
}

/// Everything that looking at the rules of these residents needs.
pub async fn read(conn: &mut PgConnection, residents: &[Uuid]) -> Result<HashMap<Uuid, Watched>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.serving_node, zone_of(r.serving_node) as "time_zone!" from resident r where r.id = any($1)"#,
        residents
    )
    .fetch_all(&mut *conn)
    .await?;
    let nodes: Vec<Uuid> = rows.iter().map(|row| row.serving_node).collect();
    let exceptions = exceptions(conn, &nodes).await?;
    let mut watched: HashMap<Uuid, Watched> = HashMap::with_capacity(rows.len());
    for row in rows {
        let calendar = Calendar {
            resident: zone(&row.time_zone).unwrap_or(TimeZone::UTC),
            exceptions: exceptions.get(&row.serving_node).cloned().unwrap_or_default(),
        };
        let (rules, pauses, told) = (Vec::new(), Vec::new(), Vec::new());
        let beliefs = HashMap::new();
        watched
            .insert(row.id, Watched { node: row.serving_node, rules, calendar, pauses, beliefs, told, terminal: None });
    }
    for (resident, rule) in rules(conn, residents, true).await? {
        // What nobody can read is looked at by nobody, and keeps nobody else's from being looked at.
        match (rule.rule(), watched.get_mut(&resident)) {
            (Ok(rule), Some(watched)) => watched.rules.push(rule),
            (Err(cause), _) => tracing::error!(%cause, rule = ?rule.id, "a rule is left out"),
            _ => {}
        }
    }
    for (resident, pause) in pauses(conn, residents, PAUSES_BACK_DAYS).await? {
        if let Some(watched) = watched.get_mut(&resident) {
            let span = Span { from: pause.from, until: pause.until };
            watched.pauses.push(Pause { fence: pause.fence.map(FenceId), span });
        }
    }
    for (resident, terminal, beliefs) in believed(conn, residents).await? {
        if let Some(watched) = watched.get_mut(&resident.0) {
            watched.terminal = Some(terminal);
            for (fence, belief) in beliefs {
                let known = watched.beliefs.entry(fence).or_insert(belief);
                *known = farthest_out(*known, belief);
            }
        }
    }
    let told = sqlx::query!(
        "select resident_id, rule_id from rule_breach where resident_id = any($1) and over_at is null",
        residents
    )
    .fetch_all(conn)
    .await?;
    for row in told {
        if let Some(watched) = watched.get_mut(&row.resident_id) {
            watched.told.push(RuleId(row.rule_id));
        }
    }
    Ok(watched)
}

/// What the intake believes of each fence of these residents, by each terminal that they wear.
async fn believed(
    conn: &mut PgConnection,
    residents: &[Uuid],
) -> Result<Vec<(ResidentId, TerminalId, Vec<(FenceId, Belief)>)>, StoreError> {
    let hazards: HashSet<Uuid> =
        sqlx::query_scalar!("select id from fence where resident_id = any($1) and by_rules = 'hazard'", residents)
            .fetch_all(&mut *conn)
            .await?
            .into_iter()
            .collect();
    let of = |stands: Stands| {
        let belief = match (hazards.contains(&stands.fence), stands.standing) {
            (false, Standing::Confirmed) => Belief::Outside { since: stands.since.unwrap_or(Timestamp::UNIX_EPOCH) },
            (false, _) => Belief::Inside { since: None },
            // On the wrong side of the edge of a place to stay away from: within it.
            (true, Standing::Confirmed) => Belief::Inside { since: stands.since },
            (true, _) => Belief::Outside { since: Timestamp::UNIX_EPOCH },
        };
        (FenceId(stands.fence), belief)
    };
    let worn = fences::worn(conn, residents).await?;
    let each = worn.into_iter().map(|worn| {
        let beliefs = worn.stands.into_iter().map(of).collect();
        (worn.resident, worn.terminal, beliefs)
    });
    Ok(each.collect())
}

/// Of two terminals the one that is farther out.
fn farthest_out(one: Belief, other: Belief) -> Belief {
    match (one, other) {
        (Belief::Outside { since: one }, Belief::Outside { since: other }) => Belief::Outside { since: one.min(other) },
        (out @ Belief::Outside { .. }, _) | (_, out @ Belief::Outside { .. }) => out,
        (Belief::Unknown, known) | (known, _) => known,
    }
}

/// Days that are not what their place in the week says, around today, for each of these nodes; the nearest node says.
async fn exceptions(
    conn: &mut PgConnection,
    nodes: &[Uuid],
) -> Result<HashMap<Uuid, BTreeMap<Date, bool>>, StoreError> {
    let rows = sqlx::query!(
        r#"select distinct on (n.id, h.day) n.id, to_char(h.day, 'YYYY-MM-DD') as "day!", h.off
         from org_node n
         join holiday h on h.node_id = any(n.path) and h.day between current_date - 12 and current_date + 20
         join org_node above on above.id = h.node_id
         where n.id = any($1)
         order by n.id, h.day, cardinality(above.path) desc"#,
        nodes
    )
    .fetch_all(conn)
    .await?;
    let mut of_each: HashMap<Uuid, BTreeMap<Date, bool>> = HashMap::new();
    for row in rows {
        if let Ok(day) = row.day.parse() {
            of_each.entry(row.id).or_default().insert(day, row.off);
        }
    }
    Ok(of_each)
}

/// The days around today that are not what their place in the week says, for a node.
pub async fn calendar(conn: &mut PgConnection, resident: Uuid) -> Result<Option<Calendar>, StoreError> {
    Ok(read(conn, &[resident]).await?.remove(&resident).map(|watched| watched.calendar))
}

/// The days around today that are not what their place in the week says, and the clock, for each of these residents.
pub async fn calendars(conn: &mut PgConnection, residents: &[Uuid]) -> Result<HashMap<Uuid, Calendar>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.serving_node, zone_of(r.serving_node) as "time_zone!" from resident r where r.id = any($1)"#,
        residents
    )
    .fetch_all(&mut *conn)
    .await?;
    let nodes: Vec<Uuid> = rows.iter().map(|row| row.serving_node).collect();
    let exceptions = exceptions(conn, &nodes).await?;
    let calendar = |row: &str, node| Calendar {
        resident: zone(row).unwrap_or(TimeZone::UTC),
        exceptions: exceptions.get(node).cloned().unwrap_or_default(),
    };
    Ok(rows.iter().map(|row| (row.id, calendar(&row.time_zone, &row.serving_node))).collect())
}

/// When these residents are looked at next, unless somebody has set that anew since it was read.
pub async fn look_later(
    conn: &mut PgConnection,
    looked: &[(Uuid, Timestamp, Option<Timestamp>)],
) -> Result<(), StoreError> {
    let residents: Vec<Uuid> = looked.iter().map(|(resident, ..)| *resident).collect();
    let was: Vec<jiff_sqlx::Timestamp> = looked.iter().map(|(_, was, _)| was.to_sqlx()).collect();
    let next: Vec<Option<jiff_sqlx::Timestamp>> =
        looked.iter().map(|(.., next)| next.map(jiff_sqlx::ToSqlx::to_sqlx)).collect();
    sqlx::query!(
        "with looked as (
            select resident_id, was, next
            from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as looked (resident_id, was, next)),
         held as (
            select w.resident_id, l.next from rule_watch w join looked l on l.resident_id = w.resident_id and l.was = w.wake_at
            order by w.resident_id for update of w skip locked)
         update rule_watch w set wake_at = coalesce(h.next, 'infinity') from held h where w.resident_id = h.resident_id",
        &residents,
        &was as &[jiff_sqlx::Timestamp],
        &next as &[Option<jiff_sqlx::Timestamp>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When a resident whose watch is held is looked at next.
pub async fn set_next(conn: &mut PgConnection, resident: Uuid, next: Option<Timestamp>) -> Result<(), StoreError> {
    sqlx::query!(
        "update rule_watch set wake_at = coalesce($2::timestamptz, 'infinity') where resident_id = $1",
        resident,
        next.map(jiff_sqlx::ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that somebody is told of a breach.
pub async fn told(
    conn: &mut PgConnection,
    resident: Uuid,
    incident: Uuid,
    breaches: &[Breach],
    now: Timestamp,
) -> Result<(), StoreError> {
    for breach in breaches {
        sqlx::query!(
            "insert into rule_breach (id, rule_id, resident_id, incident_id, since, told_at) values ($1, $2, $3, $4, $5, $6)",
            clock::fresh_id(),
            breach.rule.0,
            resident,
            incident,
            breach.since.to_sqlx(),
            now.to_sqlx(),
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Writes down that breaches are over; the answer is how many of this resident's go on.
pub async fn over(conn: &mut PgConnection, resident: Uuid, over: &[Over], now: Timestamp) -> Result<i64, StoreError> {
    for Over { rule, why } in over {
        sqlx::query!(
            "update rule_breach set over_at = greatest($3, told_at), over_why = $4
             where rule_id = $2 and resident_id = $1 and over_at is null",
            resident,
            rule.0,
            now.to_sqlx(),
            why.as_str(),
        )
        .execute(&mut *conn)
        .await?;
    }
    let left = sqlx::query_scalar!(
        r#"select count(*) as "left!" from rule_breach where resident_id = $1 and over_at is null"#,
        resident
    )
    .fetch_one(conn)
    .await?;
    Ok(left)
}

/// What people call the fences of these rules, gone ones too as far as they are known.
pub async fn fence_names(conn: &mut PgConnection, rules: &[Uuid]) -> Result<HashMap<RuleId, String>, StoreError> {
    let rows = sqlx::query!(
        "select r.id, f.name from fence_rule r join fence f on f.id = r.fence_id where r.id = any($1)",
        rules
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (RuleId(row.id), row.name)).collect())
}

/// A position that told where somebody is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Witness {
    /// When it was there: by the terminal's clock, or when it arrived.
    pub at: Timestamp,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Metres beyond the fence's edge; less than none: within it.
    pub distance_m: f64,
    /// What the receiver claims, metres.
    pub accuracy_m: Option<f32>,
    /// A word of `domain::place::Source`.
    pub source: String,
}

/// The latest positions of a resident since then, the oldest first, and how each lies to a fence.
pub async fn witnesses(
    conn: &mut PgConnection,
    resident: Uuid,
    fence: FenceId,
    since: Timestamp,
) -> Result<Vec<Witness>, StoreError> {
    let rows = sqlx::query!(
        r#"select coalesce(t.device_at, t.received_at) as "at!", st_y(t.place::geometry) as "lat!",
            st_x(t.place::geometry) as "lon!", t.accuracy_m, t.source,
            round(((case when st_covers(f.area, t.place)
                then -st_distance(t.place, st_boundary(f.area::geometry)::geography)
                else st_distance(t.place, f.area) end) - coalesce(f.radius_m, 0))::numeric, 1)::float8 as "distance_m!"
         from fence f
         cross join lateral (
            select x.* from terminal_assignment a join fix x on x.terminal_id = a.terminal_id
            where a.resident_id = $1 and a.until is null and x.received_at >= greatest(a.since, $3)
            order by x.received_at desc limit $4) t
         where f.id = $2
         order by t.received_at"#,
        resident,
        fence.0,
        since.to_sqlx(),
        WITNESSES_MAX,
    )
    .fetch_all(conn)
    .await?;
    let witness = rows.into_iter().map(|row| Witness {
        at: row.at.to_jiff(),
        lat: row.lat,
        lon: row.lon,
        distance_m: row.distance_m,
        accuracy_m: row.accuracy_m,
        source: row.source,
    });
    Ok(witness.collect())
}

/// Notes that these residents crossed an edge, of those who have rules. Waits for nobody.
pub async fn nudge(conn: &mut PgConnection, residents: &[Uuid]) -> Result<(), StoreError> {
    if residents.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into rule_nudge (resident_id)
         select distinct resident_id from fence where resident_id = any($1) and by_rules <> 'no'",
        residents
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Has those looked at soon who crossed an edge; the answer is how many nudges there were.
pub async fn take_nudges(conn: &mut PgConnection, max: i64) -> Result<usize, StoreError> {
    let nudged = sqlx::query_scalar!(
        "delete from rule_nudge where id in (select id from rule_nudge order by id limit $1 for update skip locked)
         returning resident_id",
        max
    )
    .fetch_all(&mut *conn)
    .await?;
    if !nudged.is_empty() {
        sqlx::query!(
            "with held as (select resident_id from rule_watch where resident_id = any($1) order by resident_id for update)
             update rule_watch w set wake_at = least(wake_at, clock_timestamp()) from held h
             where w.resident_id = h.resident_id",
            &nudged
        )
        .execute(conn)
        .await?;
    }
    Ok(nudged.len())
}

/// Whether any fence waits for its wearer.
pub async fn is_any_awaited(conn: &mut PgConnection) -> Result<bool, StoreError> {
    // In the order of an index that holds these alone: whatever is believed of their number, the first is found by it.
    let first = sqlx::query_scalar!(
        "select resident_id from fence where awaited_since is not null order by resident_id limit 1"
    );
    Ok(first.fetch_optional(conn).await?.is_some())
}

/// Begins to judge the fences whose wearers have been inside since they were drawn; the answer is how many.
pub async fn begin_awaited(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let begun = sqlx::query!(
        "update fence f set active = true, awaited_since = null
         from terminal_assignment a join terminal_state s on s.terminal_id = a.terminal_id
         where f.awaited_since is not null and a.resident_id = f.resident_id and a.until is null
            and s.place_received_at > greatest(f.awaited_since, a.since) and coalesce(s.place_accuracy_m, 0) <= 200
            and case when f.radius_m is null then st_covers(f.area, s.place)
                else st_dwithin(f.area, s.place, f.radius_m) end = (f.kind <> 'forbidden')"
    )
    .execute(conn)
    .await?;
    Ok(begun.rows_affected())
}
