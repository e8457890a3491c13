//! Who is heard and who is not: the rows that are looked at when their time comes, a batch a statement.
//!
//! When a terminal was heard last lies in `terminal_state`, which the intake writes; here it is only read. What a silence
//! means is `domain::presence`'s.

use std::collections::{BTreeMap, HashMap};

use domain::id::{ResidentId, TerminalId};
use domain::place::Source;
use domain::presence::battery::Level;
use domain::presence::{Contract, Motion, Stage, Terms};
use domain::word::Word;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Who listened, and then did not for this long, has missed something: doors repeat what nobody took for about as long.
const DEAF_AFTER_S: f64 = 60.0;
/// Somebody who moved this lately moves.
const MOVING_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Levels of batteries are kept this long.
const LEVELS_KEPT_DAYS: i32 = 7;

/// When somebody has to go and look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Never by itself.
    Never,
    /// When it comes to this stage.
    At(Stage),
}

impl Alarm {
    fn read(word: &str) -> Self {
        match word {
            "silent" => Self::At(Stage::Silent),
            "lost" => Self::At(Stage::Lost),
            _ => Self::Never,
        }
    }

    /// Whether it is at a stage that somebody has to look after.
    pub fn rings_at(self, stage: Stage) -> bool {
        matches!(self, Self::At(at) if stage >= at)
    }
}

/// How often models are to be heard.
#[derive(Debug, Clone, Default)]
pub struct Contracts(HashMap<String, (Contract, Alarm)>);

impl Contracts {
    /// A model's; where it has none, that of all others.
    pub fn of(&self, model: &str) -> (Contract, Alarm) {
        let found = self.0.get(model).or_else(|| self.0.get(""));
        found.copied().unwrap_or((Contract::standard(), Alarm::At(Stage::Lost)))
    }
}

/// All contracts: one for some models.
pub async fn contracts(conn: &mut PgConnection) -> Result<Contracts, StoreError> {
    let rows = sqlx::query!(
        "select model, moving_s, still_s, charging_s, late_beats, silent_beats, lost_after_s, alarm from heartbeat_contract"
    )
    .fetch_all(conn)
    .await?;
    let seconds = |seconds: i32| SignedDuration::from_secs(seconds.into());
    let contracts = rows.into_iter().map(|row| {
        let beats = |beats: i16| u16::try_from(beats).unwrap_or_default();
        let terms = Terms {
            moving: seconds(row.moving_s),
            still: seconds(row.still_s),
            charging: seconds(row.charging_s),
            late_beats: beats(row.late_beats),
            silent_beats: beats(row.silent_beats),
            lost_after: seconds(row.lost_after_s),
        };
        match Contract::new(terms) {
            Ok(contract) => Ok((row.model, (contract, Alarm::read(&row.alarm)))),
            Err(_) => {
                Err(StoreError::Impossible { table: "heartbeat_contract", id: row.model, column: "lost_after_s" })
            }
        }
    });
    Ok(Contracts(contracts.collect::<Result<_, _>>()?))
}

/// Says that somebody listens, and since when.
pub async fn listen(conn: &mut PgConnection) -> Result<Timestamp, StoreError> {
    let since = sqlx::query_scalar!(
        "insert into listening as l (since, seen_at) values (clock_timestamp(), clock_timestamp())
         on conflict (one) do update set
            since = case when l.seen_at < clock_timestamp() - make_interval(secs => $1) then clock_timestamp() else l.since end,
            seen_at = greatest(l.seen_at, clock_timestamp())
         returning since",
        DEAF_AFTER_S,
    )
    .fetch_one(conn)
    .await?;
    Ok(since.to_jiff())
}

/// Since when somebody listens; `None` before anybody has.
pub async fn listening_since(conn: &mut PgConnection) -> Result<Option<Timestamp>, StoreError> {
    let since = sqlx::query_scalar!("select since from listening").fetch_optional(conn).await?;
    Ok(since.map(jiff_sqlx::Timestamp::to_jiff))
}

/// A terminal whose time has come, held until the transaction ends.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "a row as it is")]
pub struct Due {
    /// Which.
    pub terminal: TerminalId,
    /// What it is called.
    pub serial: String,
    /// Its model.
    pub model: String,
    /// It is locked out: nobody expects it.
    pub is_revoked: bool,
    /// It is for exercises.
    pub is_drill: bool,
    /// Who wears it.
    pub resident: Option<ResidentId>,
    /// Where they are served.
    pub node: Option<Uuid>,
    /// Since when.
    pub given_at: Timestamp,
    /// What was found before.
    pub stage: Stage,
    /// When it had been heard last then.
    pub heard_before: Option<Timestamp>,
    /// When it was heard last.
    pub heard_at: Option<Timestamp>,
    /// The outage that it is in.
    pub outage: Option<Uuid>,
    /// Whether its silence has been told.
    pub is_alarmed: bool,
    /// The case of its silence.
    pub incident: Option<Uuid>,
    /// Nobody expects its wearer just now.
    pub is_paused: bool,
    /// 0–100.
    pub battery_pct: Option<u8>,
    /// The same, when it was looked at last.
    pub battery_before: Option<u8>,
    /// When it will be flat, as it was reckoned then.
    pub flat_at: Option<Timestamp>,
    /// Whether it is on its charger.
    pub is_charging: bool,
    /// Since when it is off the body.
    pub off_since: Option<Timestamp>,
    /// Since when it tells one place, how often it has told it again, and how it came by it.
    pub same: Option<(Timestamp, i32, Source)>,
    /// When its wearer last moved for certain.
    pub moved_at: Option<Timestamp>,
}

impl Due {
    /// What it does, as far as is known.
    pub fn motion(&self, now: Timestamp) -> Motion {
        if self.is_charging {
            Motion::Charging
        } else if self.moved_at.is_some_and(|moved_at| now.duration_since(moved_at) < MOVING_FOR) {
            Motion::Moving
        } else {
            Motion::Still
        }
    }
}

/// Terminals whose time has come, those first that have waited longest; another dispatcher takes others.
///
/// By `now()`, which the index can be asked with: a clock that is read for each row would walk through all of them.
pub async fn due(conn: &mut PgConnection, count_max: i64) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.terminal_id, t.serial, t.model, t.revoked_at is not null as "is_revoked!", t.drill,
            w.resident_id as "resident_id?", w.serving_node as "serving_node?", p.given_at, p.stage, p.heard_at as heard_before,
            s.heard_at, p.outage_id, p.alarmed, p.incident_id, s.battery_pct, p.battery_pct as battery_before, p.flat_at,
            coalesce(s.charging, false) as "is_charging!", s.off_since, s.same_since, s.same_told, s.place_source, s.moved_at,
            exists (select from check_in_pause e where e.resident_id = w.resident_id
                and e.since <= now() and e.until > now()) as "is_paused!"
         from presence p
         join terminal_state s on s.terminal_id = p.terminal_id
         join terminal t on t.id = p.terminal_id
         left join wearer w on w.terminal_id = p.terminal_id
         where p.look_at <= now()
         order by p.look_at limit $1 for update of p skip locked"#,
        count_max,
    )
    .fetch_all(conn)
    .await?;
    let pct = |pct: Option<i16>| pct.and_then(|pct| u8::try_from(pct).ok());
    rows.into_iter()
        .map(|row| {
            let stage = Stage::parse(&row.stage).map_err(|_| StoreError::Impossible {
                table: "presence",
                id: row.terminal_id.to_string(),
                column: "stage",
            })?;
            let source = row.place_source.and_then(|source| Source::parse(&source).ok());
            Ok(Due {
                terminal: TerminalId(row.terminal_id),
                serial: row.serial,
                model: row.model,
                is_revoked: row.is_revoked,
                is_drill: row.drill,
                resident: row.resident_id.map(ResidentId),
                node: row.serving_node,
                given_at: row.given_at.to_jiff(),
                stage,
                heard_before: row.heard_before.map(jiff_sqlx::Timestamp::to_jiff),
                heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
                outage: row.outage_id,
                is_alarmed: row.alarmed,
                incident: row.incident_id,
                is_paused: row.is_paused,
                battery_pct: pct(row.battery_pct),
                battery_before: pct(row.battery_before),
                flat_at: row.flat_at.map(jiff_sqlx::Timestamp::to_jiff),
                is_charging: row.is_charging,
                off_since: row.off_since.map(jiff_sqlx::Timestamp::to_jiff),
                same: row.same_since.zip(source).map(|(since, source)| (since.to_jiff(), row.same_told, source)),
                moved_at: row.moved_at.map(jiff_sqlx::Timestamp::to_jiff),
            })
        })
        .collect()
}

/// What was found of a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Which.
    pub terminal: TerminalId,
    /// How far its silence has gone.
    pub stage: Stage,
    /// When it was heard last.
    pub heard_at: Option<Timestamp>,
    /// When to look again.
    pub look_at: Timestamp,
    /// The outage that it is in.
    pub outage: Option<Uuid>,
    /// Whether its silence has been told.
    pub is_alarmed: bool,
    /// The case of its silence.
    pub incident: Option<Uuid>,
    /// What its battery is.
    pub battery_pct: Option<u8>,
    /// When it will be flat.
    pub flat_at: Option<Timestamp>,
    /// It has been off the body for too long.
    pub is_not_worn: bool,
    /// It tells one place, wherever it is.
    pub is_frozen: bool,
}

/// Writes down what was found of terminals that [`due`] holds.
pub async fn note(conn: &mut PgConnection, found: &[Found], now: Timestamp) -> Result<(), StoreError> {
    let terminals: Vec<i64> = found.iter().map(|found| found.terminal.0).collect();
    let stages: Vec<String> = found.iter().map(|found| found.stage.as_str().to_owned()).collect();
    let times = |of: fn(&Found) -> Option<Timestamp>| -> Vec<Option<jiff_sqlx::Timestamp>> {
        found.iter().map(|found| of(found).map(jiff_sqlx::ToSqlx::to_sqlx)).collect()
    };
    let looks: Vec<jiff_sqlx::Timestamp> = found.iter().map(|found| found.look_at.to_sqlx()).collect();
    let outages: Vec<Option<Uuid>> = found.iter().map(|found| found.outage).collect();
    let alarmed: Vec<bool> = found.iter().map(|found| found.is_alarmed).collect();
    let incidents: Vec<Option<Uuid>> = found.iter().map(|found| found.incident).collect();
    let batteries: Vec<Option<i16>> = found.iter().map(|found| found.battery_pct.map(i16::from)).collect();
    let not_worn: Vec<bool> = found.iter().map(|found| found.is_not_worn).collect();
    let frozen: Vec<bool> = found.iter().map(|found| found.is_frozen).collect();
    sqlx::query!(
        "update presence p set
            stage_since = case when p.stage = n.stage then p.stage_since else $12 end,
            stage = n.stage, heard_at = n.heard_at, look_at = n.look_at, outage_id = n.outage_id, alarmed = n.alarmed,
            incident_id = n.incident_id, battery_pct = n.battery_pct, flat_at = n.flat_at, not_worn = n.not_worn,
            frozen = n.frozen
         from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::boolean[], $7::uuid[],
            $8::smallint[], $9::timestamptz[], $10::boolean[], $11::boolean[])
            as n (terminal_id, stage, heard_at, look_at, outage_id, alarmed, incident_id, battery_pct, flat_at, not_worn,
                frozen)
         where p.terminal_id = n.terminal_id",
        &terminals,
        &stages,
        &times(|found| found.heard_at) as &[Option<jiff_sqlx::Timestamp>],
        looks,
        &outages as &[Option<Uuid>],
        &alarmed,
        &incidents as &[Option<Uuid>],
        &batteries as &[Option<i16>],
        &times(|found| found.flat_at) as &[Option<jiff_sqlx::Timestamp>],
        &not_worn,
        &frozen,
        now.to_sqlx(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The levels that these terminals' batteries had, in the order of their times. Older ones are given up.
pub async fn levels(
    conn: &mut PgConnection,
    terminals: &[i64],
) -> Result<BTreeMap<TerminalId, Vec<Level>>, StoreError> {
    if terminals.is_empty() {
        return Ok(BTreeMap::new());
    }
    sqlx::query!(
        "delete from battery_level where terminal_id = any($1) and at < clock_timestamp() - make_interval(days => $2)",
        terminals,
        LEVELS_KEPT_DAYS,
    )
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query!(
        "select terminal_id, at, pct from battery_level where terminal_id = any($1) order by terminal_id, at",
        terminals
    )
    .fetch_all(conn)
    .await?;
    let mut levels: BTreeMap<TerminalId, Vec<Level>> = BTreeMap::new();
    for row in rows {
        let Ok(pct) = u8::try_from(row.pct) else { continue };
        levels.entry(TerminalId(row.terminal_id)).or_default().push(Level { at: row.at.to_jiff(), pct });
    }
    Ok(levels)
}

/// Writes down what these terminals have in common with others, where that has changed.
pub async fn note_ties(conn: &mut PgConnection, terminals: &[i64]) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into presence_tie (terminal_id, kind, key)
         select told.id, told.kind, told.key
         from (
            select t.id, tie.kind, tie.key
            from terminal t
            join terminal_state s on s.terminal_id = t.id
            left join wearer w on w.terminal_id = t.id
            left join lateral (select s.surroundings -> 'cells' -> 0 as cell) serving on true
            left join lateral (
                select above.id from org_node n join org_node above on above.id = any(n.path)
                where n.id = w.serving_node and above.level in ('street', 'community')
                order by cardinality(above.path) desc limit 1) community on true
            cross join lateral (values
                ('cell', concat_ws('-', cell ->> 'mcc', cell ->> 'mnc', cell ->> 'lac', cell ->> 'cid')),
                ('carrier', concat_ws('-', cell ->> 'mcc', cell ->> 'mnc')),
                ('firmware', concat_ws(' ', nullif(t.dialect, ''), nullif(t.model, ''), t.profile)),
                ('community', coalesce(community.id, w.serving_node)::text)) tie (kind, key)
            where t.id = any($1) and tie.key <> '') told
         -- One by one by their key: a plan that takes them to be few may otherwise read all that are known.
         left join lateral (
            select p.key from presence_tie p where p.terminal_id = told.id and p.kind = told.kind offset 0) known on true
         where known.key is distinct from told.key
         on conflict (terminal_id, kind) do update set key = excluded.key",
        terminals,
    )
    .execute(conn)
    .await?;
    Ok(())
}
