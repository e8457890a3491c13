//! What is shown of terminals that are not heard, or are no help: by whom they are worn, below the nodes that somebody sees.

use domain::presence::Terms;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use crate::access::Scope;

/// What is wrong with a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is silent or lost.
    Silent,
    /// It should have been heard by now.
    Late,
    /// Nobody has heard it since its wearer was given it.
    Unheard,
    /// Its battery will be flat before the next morning.
    FlatTonight,
    /// It has been off the body for long.
    NotWorn,
    /// It tells the same place to the last digit.
    Frozen,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Silent, Self::Late, Self::Unheard, Self::FlatTonight, Self::NotWorn, Self::Frozen];

    /// Its one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Late => "late",
            Self::Unheard => "unheard",
            Self::FlatTonight => "flat_tonight",
            Self::NotWorn => "not_worn",
            Self::Frozen => "frozen",
        }
    }

    /// The trouble of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.as_str() == text)
    }
}

/// A terminal and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = TroubledTerminalView)]
pub struct TerminalView {
    /// For the next page.
    pub id: i64,
    /// What it is called.
    pub serial: String,
    /// Its model.
    pub model: String,
    /// Who wears it.
    pub resident: Uuid,
    /// Their name.
    pub name: String,
    /// Where they are served.
    pub node: String,
    /// `unheard`, `heard`, `late`, `silent`, `lost`.
    pub stage: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was heard last.
    pub heard_at: Option<Timestamp>,
    /// 0–100.
    pub battery_pct: Option<i16>,
    /// When its battery will be flat.
    pub flat_at: Option<Timestamp>,
    /// Since when it is off the body.
    pub off_since: Option<Timestamp>,
    /// Since when it tells the same place, when that is too long.
    pub frozen_since: Option<Timestamp>,
    /// The outage that it is in.
    pub outage: Option<Uuid>,
    /// The welfare incident that its silence opened.
    pub incident: Option<Uuid>,
}

/// How many terminals have which trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// They should have been heard by now.
    pub late: i64,
    /// They are silent.
    pub silent: i64,
    /// They are lost.
    pub lost: i64,
    /// Those of the late, silent and lost that are in an outage.
    pub in_outage: i64,
    /// Their batteries will be flat before the next morning.
    pub flat_tonight: i64,
    /// They have been off the body for long.
    pub not_worn: i64,
    /// They tell one place to the last digit.
    pub frozen: i64,
}

/// Counts what a scope sees.
pub async fn counts(conn: &mut PgConnection, scope: &Scope) -> Result<Counts, StoreError> {
    let counts = sqlx::query_as!(
        Counts,
        r#"select count(*) filter (where stage = 'late') as "late!", count(*) filter (where stage = 'silent') as "silent!",
            count(*) filter (where stage = 'lost') as "lost!",
            count(*) filter (where stage in ('late', 'silent', 'lost') and outage_id is not null) as "in_outage!",
            count(*) filter (where flat_at < morning_after(clock_timestamp(), zone_of(w.serving_node))) as "flat_tonight!",
            count(*) filter (where not_worn) as "not_worn!", count(*) filter (where frozen) as "frozen!"
         from presence p join wearer w on w.terminal_id = p.terminal_id
         where (p.stage in ('late', 'silent', 'lost') or p.not_worn or p.frozen
                or p.flat_at < now() + interval '2 days')
            and lies_below(w.serving_node, $1)"#,
        scope.nodes(),
    )
    .fetch_one(conn)
    .await?;
    Ok(counts)
}

/// Which terminals to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// With which trouble.
    pub trouble: Trouble,
    /// After this one.
    pub after: i64,
    /// So many.
    pub limit: i64,
}

/// Terminals with a trouble, below the nodes of a scope, in the order of their numbers.
pub async fn terminals(
    conn: &mut PgConnection,
    wanted: Wanted,
    scope: &Scope,
) -> Result<Vec<TerminalView>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.terminal_id, t.serial, t.model, w.resident_id as "resident_id!", r.name, n.name as node, p.stage,
            p.stage_since, s.heard_at, s.battery_pct, p.flat_at, s.off_since, s.same_since, p.not_worn, p.frozen, p.outage_id,
            p.incident_id
         from presence p
         join wearer w on w.terminal_id = p.terminal_id
         join terminal t on t.id = p.terminal_id
         join terminal_state s on s.terminal_id = p.terminal_id
         join resident r on r.id = w.resident_id
         join org_node n on n.id = w.serving_node
         where p.terminal_id > $2 and n.path && $1
            and (($4 = 'silent' and p.stage in ('silent', 'lost')) or ($4 = 'late' and p.stage = 'late')
                or ($4 = 'unheard' and p.stage = 'unheard') or ($4 = 'not_worn' and p.not_worn)
                or ($4 = 'frozen' and p.frozen)
                or ($4 = 'flat_tonight' and p.flat_at < now() + interval '2 days'
                    and p.flat_at < morning_after(clock_timestamp(), zone_of(w.serving_node))))
         order by p.terminal_id limit $3"#,
        scope.nodes(),
        wanted.after,
        wanted.limit,
        wanted.trouble.as_str(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| TerminalView {
            id: row.terminal_id,
            serial: row.serial,
            model: row.model,
            resident: row.resident_id,
            name: row.name,
            node: row.node,
            stage: row.stage,
            since: row.stage_since.to_jiff(),
            heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
            battery_pct: row.battery_pct,
            flat_at: row.flat_at.map(jiff_sqlx::Timestamp::to_jiff),
            off_since: row.off_since.filter(|_| row.not_worn).map(jiff_sqlx::Timestamp::to_jiff),
            frozen_since: row.same_since.filter(|_| row.frozen).map(jiff_sqlx::Timestamp::to_jiff),
            outage: row.outage_id,
            incident: row.incident_id,
        })
        .collect())
}

/// An outage, as far as somebody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutageView {
    /// Its identity.
    pub id: Uuid,
    /// What its members have in common: `cell`, `community`, `firmware`, `carrier`, `everything`.
    pub kind: String,
    /// Which.
    pub key: String,
    /// What that is called, where it has a name.
    pub name: Option<String>,
    /// When the first of them was last heard.
    pub began_at: Timestamp,
    /// When it was noticed.
    pub noticed_at: Timestamp,
    /// When nearly all were back.
    pub ended_at: Option<Timestamp>,
    /// How many terminals had it in common, everywhere.
    pub shared_by: i32,
    /// How many were ever in it, of those that are seen.
    pub members: i64,
    /// How many of these are still gone.
    pub still_gone: i64,
    /// Who said that they have it, and when: until then supervisors' consoles ring.
    pub acknowledged_by: Option<String>,
    /// When.
    pub acknowledged_at: Option<Timestamp>,
}

/// The latest outages with members below the nodes of a scope, those first that go on; one of them, where that is asked for.
pub async fn outages(
    conn: &mut PgConnection,
    only: Option<Uuid>,
    scope: &Scope,
    count_max: i64,
) -> Result<Vec<OutageView>, StoreError> {
    let rows = sqlx::query!(
        r#"select o.id, o.kind, o.key, n.name as "name?", o.began_at, o.noticed_at, o.ended_at, o.shared_by,
            o.acknowledged_at, u.name as "acknowledged_by?", seen.members as "members!", seen.still_gone as "still_gone!"
         from outage o
         left join org_node n on o.kind = 'community' and n.id::text = o.key
         left join app_user u on u.id = o.acknowledged_by
         cross join lateral (
            select count(*) as members, count(*) filter (where m.returned_at is null) as still_gone
            from outage_member m join wearer w on w.terminal_id = m.terminal_id
            where m.outage_id = o.id and lies_below(w.serving_node, $1)) seen
         where seen.members > 0 and (o.ended_at is null or o.began_at > clock_timestamp() - interval '30 days')
            and ($3::uuid is null or o.id = $3)
         order by o.ended_at is not null, o.began_at desc limit $2"#,
        scope.nodes(),
        count_max,
        only,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| OutageView {
            id: row.id,
            kind: row.kind,
            key: row.key,
            name: row.name,
            began_at: row.began_at.to_jiff(),
            noticed_at: row.noticed_at.to_jiff(),
            ended_at: row.ended_at.map(jiff_sqlx::Timestamp::to_jiff),
            shared_by: row.shared_by,
            members: row.members,
            still_gone: row.still_gone,
            acknowledged_by: row.acknowledged_by,
            acknowledged_at: row.acknowledged_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
        .collect())
}

/// Somebody in an outage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MemberView {
    /// For the next page.
    pub id: i64,
    /// What the terminal is called.
    pub serial: String,
    /// Who wears it.
    pub resident: Uuid,
    /// Their name.
    pub name: String,
    /// When it had been heard last.
    pub heard_at: Timestamp,
    /// When it was back.
    pub returned_at: Option<Timestamp>,
}

/// The members of an outage below the nodes of a scope, in the order of their numbers.
pub async fn members(
    conn: &mut PgConnection,
    outage: Uuid,
    (after, limit): (i64, i64),
    scope: &Scope,
) -> Result<Vec<MemberView>, StoreError> {
    let rows = sqlx::query!(
        r#"select m.terminal_id, t.serial, w.resident_id as "resident_id!", r.name, m.heard_at, m.returned_at
         from outage_member m
         join terminal t on t.id = m.terminal_id
         join wearer w on w.terminal_id = m.terminal_id
         join resident r on r.id = w.resident_id
         where m.outage_id = $1 and m.terminal_id > $2 and lies_below(w.serving_node, $3)
         order by m.terminal_id limit $4"#,
        outage,
        after,
        scope.nodes(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| MemberView {
            id: row.terminal_id,
            serial: row.serial,
            resident: row.resident_id,
            name: row.name,
            heard_at: row.heard_at.to_jiff(),
            returned_at: row.returned_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
        .collect())
}

/// A terminal whose key nobody has tried in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UntestedView {
    /// For the next page.
    pub id: i64,
    /// What it is called.
    pub serial: String,
    /// Who wears it.
    pub resident: Uuid,
    /// Their name.
    pub name: String,
    /// Where they are served.
    pub node: String,
    /// When its key was last tried, in the months that are known.
    pub tested_at: Option<Timestamp>,
    /// Whether it is heard.
    pub stage: String,
}

/// The month that it is in the district, as its first day.
pub async fn this_month(conn: &mut PgConnection) -> Result<Date, StoreError> {
    let month = sqlx::query_scalar!(
        r#"select date_trunc('month', clock_timestamp() at time zone zone_of(root_node()))::date
            as "month!: jiff_sqlx::Date""#
    )
    .fetch_one(conn)
    .await?;
    Ok(month.to_jiff())
}

/// How many terminals are worn below the nodes of a scope, and with how many of them the key was tried in a month.
pub async fn tested(conn: &mut PgConnection, month: Date, scope: &Scope) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query!(
        r#"select count(*) as "worn!", count(t.terminal_id) as "tested!"
         from presence p
         join wearer w on w.terminal_id = p.terminal_id
         join org_node n on n.id = w.serving_node
         left join test_press t on t.terminal_id = p.terminal_id and t.month = $1
         where n.path && $2"#,
        month.to_sqlx() as jiff_sqlx::Date,
        scope.nodes(),
    )
    .fetch_one(conn)
    .await?;
    Ok((row.worn, row.tested))
}

/// Those whose key nobody has tried in a month, in the order of their numbers.
pub async fn untested(
    conn: &mut PgConnection,
    month: Date,
    (after, limit): (i64, i64),
    scope: &Scope,
) -> Result<Vec<UntestedView>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.terminal_id, t.serial, w.resident_id as "resident_id!", r.name, n.name as node, p.stage,
            (select max(before.at) from test_press before where before.terminal_id = p.terminal_id) as tested_at
         from presence p
         join wearer w on w.terminal_id = p.terminal_id
         join terminal t on t.id = p.terminal_id
         join resident r on r.id = w.resident_id
         join org_node n on n.id = w.serving_node
         where p.terminal_id > $3 and n.path && $2 and t.revoked_at is null
            and not exists (select from test_press known where known.terminal_id = p.terminal_id and known.month = $1)
         order by p.terminal_id limit $4"#,
        month.to_sqlx() as jiff_sqlx::Date,
        scope.nodes(),
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| UntestedView {
            id: row.terminal_id,
            serial: row.serial,
            resident: row.resident_id,
            name: row.name,
            node: row.node,
            tested_at: row.tested_at.map(jiff_sqlx::Timestamp::to_jiff),
            stage: row.stage,
        })
        .collect())
}

/// How often a model is to be heard, as it lies in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeartbeatView {
    /// Of which model; empty: of all that have none of their own.
    pub model: String,
    /// Seconds between two signs while the wearer moves.
    pub moving_s: i32,
    /// The same, while they do not.
    pub still_s: i32,
    /// The same, on its charger.
    pub charging_s: i32,
    /// It is late after so many of these.
    pub late_beats: i16,
    /// And silent after so many.
    pub silent_beats: i16,
    /// Lost after so many seconds.
    pub lost_after_s: i32,
    /// When somebody has to go and look: `none`, `silent`, `lost`.
    pub alarm: String,
    /// How often it was saved.
    pub version: i32,
}

/// All of them, that of all others first.
pub async fn heartbeats(conn: &mut PgConnection) -> Result<Vec<HeartbeatView>, StoreError> {
    let views = sqlx::query_as!(
        HeartbeatView,
        "select model, moving_s, still_s, charging_s, late_beats, silent_beats, lost_after_s, alarm, version
         from heartbeat_contract order by model"
    )
    .fetch_all(conn)
    .await?;
    Ok(views)
}

/// Saves one over the version that was seen, 0 when there was none. Whether it was that version.
pub async fn save_heartbeat(conn: &mut PgConnection, wanted: &HeartbeatView) -> Result<bool, StoreError> {
    let saved = sqlx::query_scalar!(
        "insert into heartbeat_contract as c (model, moving_s, still_s, charging_s, late_beats, silent_beats, lost_after_s,
            alarm)
         select $1, $2, $3, $4, $5, $6, $7, $8
         where $9 = 0 or exists (select from heartbeat_contract known where known.model = $1)
         on conflict (model) do update set
            moving_s = excluded.moving_s, still_s = excluded.still_s, charging_s = excluded.charging_s,
            late_beats = excluded.late_beats, silent_beats = excluded.silent_beats, lost_after_s = excluded.lost_after_s,
            alarm = excluded.alarm
         where c.version = $9
         returning version",
        wanted.model,
        wanted.moving_s,
        wanted.still_s,
        wanted.charging_s,
        wanted.late_beats,
        wanted.silent_beats,
        wanted.lost_after_s,
        wanted.alarm,
        wanted.version,
    )
    .fetch_optional(conn)
    .await?;
    Ok(saved.is_some())
}

/// Whether a scope reaches the root: what is there goes for everybody.
pub async fn is_all(conn: &mut PgConnection, scope: &Scope) -> Result<bool, StoreError> {
    let is_all = sqlx::query_scalar!(r#"select lies_below(root_node(), $1) as "all!""#, scope.nodes());
    Ok(is_all.fetch_one(conn).await?)
}

impl HeartbeatView {
    /// Its terms.
    pub fn terms(&self) -> Terms {
        let seconds = |seconds: i32| jiff::SignedDuration::from_secs(seconds.into());
        let beats = |beats: i16| u16::try_from(beats).unwrap_or_default();
        Terms {
            moving: seconds(self.moving_s),
            still: seconds(self.still_s),
            charging: seconds(self.charging_s),
            late_beats: beats(self.late_beats),
            silent_beats: beats(self.silent_beats),
            lost_after: seconds(self.lost_after_s),
        }
    }
}
