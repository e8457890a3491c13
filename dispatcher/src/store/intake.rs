//! The statements of the intake commit: each takes a whole batch.

use std::collections::{HashMap, HashSet};

use domain::id::{IncidentId, ResidentId, TerminalId};
use domain::incident::{Class, Origin};
use domain::place::{Position, Source};
use domain::press::AlertKind;
use domain::word::Word;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;
use wire::report::{Doubt, Event, Heard, Report, Session};
use wire::topics::Lane;

use super::fences::{Beliefs, Believed};
use super::timeline::{self, Head, Line};
use super::{StoreError, positions};

/// A terminal and who wears it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wearer {
    /// The terminal.
    pub terminal: TerminalId,
    /// Who wears it.
    pub resident: Option<ResidentId>,
    /// Where they are served.
    pub node: Option<Uuid>,
    /// Since when they wear it.
    pub since: Option<Timestamp>,
    /// The count of their fences: 0 when they never had one.
    pub fences: i32,
    /// A terminal of our own, that presses for practice.
    pub canary: bool,
}

/// Whom an incident is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A resident.
    Resident(ResidentId),
    /// A terminal that nobody wears.
    Terminal(TerminalId),
    /// A source that the directory does not list, by what it calls itself.
    Source(String),
    /// Somebody on the telephone, by their number.
    Caller(String),
}

impl Subject {
    /// The spelling of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Resident(_) => "resident",
            Self::Terminal(_) => "terminal",
            Self::Source(_) => "source",
            Self::Caller(_) => "caller",
        }
    }

    /// What tells it from others of its kind.
    pub fn key(&self) -> String {
        match self {
            Self::Resident(resident) => resident.to_string(),
            Self::Terminal(terminal) => terminal.to_string(),
            Self::Source(name) | Self::Caller(name) => name.clone(),
        }
    }
}

/// Makes presses of one terminal wait for each other until the transaction ends. In order, so that two
/// batches cannot wait for each other.
pub async fn serialize_presses(conn: &mut PgConnection, serials: &[String]) -> Result<(), StoreError> {
    if serials.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hash) as "locked!: sqlx::types::JsonValue"
           from (select distinct hashtextextended(serial, 0) as hash from unnest($1::text[]) serial order by 1) ordered"#,
        serials
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets this transaction's commit return before it is on disk: a power cut may take the last moments of it, and a kill of
/// any process nothing. For what nobody was promised.
pub async fn promise_nothing(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("set local synchronous_commit = off").execute(conn).await?;
    Ok(())
}

/// The one row of a terminal, locked until the transaction ends.
#[derive(Debug, Clone)]
pub struct Locked {
    /// Where it lies in its table: nobody moves it while it is locked.
    row: String,
    /// When the wearer was where they are known to be, if that is known.
    pub placed_at: Option<Timestamp>,
    /// What is believed there.
    pub beliefs: Option<Beliefs>,
}

/// What is done about a row that somebody else has in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// It is waited for.
    Waited,
    /// It is left to them.
    Left,
}

/// Terminals as they are met.
#[derive(Debug, Default)]
pub struct Met {
    /// Who wears which of them now, by serial.
    pub wearers: HashMap<String, Wearer>,
    /// Of which it is known where the wearer is.
    pub placed: HashSet<TerminalId>,
    /// The rows that are ours until the transaction ends: of all of them where busy ones are waited for.
    pub locked: HashMap<TerminalId, Locked>,
}

/// Who wears which of these terminals now, and the one row of each, locked in their order.
pub async fn meet(conn: &mut PgConnection, serials: &[String], busy: Busy) -> Result<Met, StoreError> {
    let rows =
        match busy {
            Busy::Waited => sqlx::query_as!(
                MetRow,
                r#"select w.serial, w.terminal_id, w.resident_id, w.serving_node, w.canary, w.since, w.fences_version,
                    s.ctid::text as "row?", s.place_received_at, s.beliefs_of, s.believed_at, s.whereabouts
                 from wearer w join terminal_state s on s.terminal_id = w.terminal_id
                 where w.serial = any($1) order by w.terminal_id for update of s"#,
                serials
            )
            .fetch_all(conn)
            .await?,
            Busy::Left => sqlx::query_as!(
                MetRow,
                r#"select w.serial, w.terminal_id, w.resident_id, w.serving_node, w.canary, w.since, w.fences_version,
                    s.row as "row?", known.place_received_at, s.beliefs_of as "beliefs_of?",
                    s.believed_at as "believed_at?", s.whereabouts as "whereabouts?"
                 from wearer w
                 join terminal_state known on known.terminal_id = w.terminal_id
                 left join lateral (
                    select free.ctid::text as row, free.beliefs_of, free.believed_at, free.whereabouts
                    from terminal_state free where free.terminal_id = w.terminal_id for update skip locked) s on true
                 where w.serial = any($1)"#,
                serials
            )
            .fetch_all(conn)
            .await?,
        };
    let mut met = Met::default();
    for row in rows {
        let terminal = TerminalId(row.terminal_id);
        let placed_at = row.place_received_at.map(jiff_sqlx::Timestamp::to_jiff);
        met.placed.extend(placed_at.map(|_| terminal));
        if let Some(place) = row.row {
            let beliefs = Beliefs::read(row.beliefs_of, row.believed_at, row.whereabouts);
            met.locked.insert(terminal, Locked { row: place, placed_at, beliefs });
        }
        let wearer = Wearer {
            terminal,
            resident: row.resident_id.map(ResidentId),
            node: row.serving_node,
            since: row.since.map(jiff_sqlx::Timestamp::to_jiff),
            fences: row.fences_version,
            canary: row.canary,
        };
        met.wearers.insert(row.serial, wearer);
    }
    Ok(met)
}

/// A terminal as it is read.
struct MetRow {
    serial: String,
    terminal_id: i64,
    resident_id: Option<Uuid>,
    serving_node: Option<Uuid>,
    canary: bool,
    since: Option<jiff_sqlx::Timestamp>,
    fences_version: i32,
    row: Option<String>,
    place_received_at: Option<jiff_sqlx::Timestamp>,
    beliefs_of: Option<i32>,
    believed_at: Option<jiff_sqlx::Timestamp>,
    whereabouts: Option<Vec<u8>>,
}

/// Terminals that somebody wears, so many at most: the serial, and where the wearer's home is.
pub async fn worn(conn: &mut PgConnection, count_max: i64) -> Result<Vec<(String, Option<Position>)>, StoreError> {
    let rows = sqlx::query!(
        r#"select w.serial as "serial!", st_y(r.home::geometry) as lat, st_x(r.home::geometry) as lon
         from wearer w join resident r on r.id = w.resident_id where not w.canary limit $1"#,
        count_max
    )
    .fetch_all(conn)
    .await?;
    let home = |lat: Option<f64>, lon: Option<f64>| Position::new(lat?, lon?).ok();
    Ok(rows.into_iter().map(|row| (row.serial, home(row.lat, row.lon))).collect())
}

/// Which of these reports were taken in before, and with which incident.
pub async fn taken(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Option<Uuid>>, StoreError> {
    let rows = sqlx::query!("select id, incident_id from report where id = any($1)", ids).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.incident_id)).collect())
}

/// An earlier report with the same bytes.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Which.
    pub report: Uuid,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its incident.
    pub incident: Option<Uuid>,
    /// Whether that is still open.
    pub incident_open: bool,
}

/// The latest earlier reports of these terminals with these bytes, as far back as sameness can reach.
pub async fn earlier(
    conn: &mut PgConnection,
    serials: &[String],
    digests: &[Vec<u8>],
) -> Result<HashMap<(String, Vec<u8>), Found>, StoreError> {
    let rows = sqlx::query!(
        r#"select distinct on (r.serial, r.digest)
            r.serial, r.digest, r.id, r.received_at, r.incident_id,
            coalesce(i.closed_at is null and i.id is not null, false) as "open!"
         from unnest($1::text[], $2::bytea[]) as wanted (serial, digest)
         join report r on r.serial = wanted.serial and r.digest = wanted.digest
         left join incident i on i.id = r.incident_id
         where r.lane = 'alert' and r.same_as is null and r.received_at > clock_timestamp() - interval '25 hours'
         order by r.serial, r.digest, r.received_at desc"#,
        serials,
        digests
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let found = Found {
                report: row.id,
                received_at: row.received_at.to_jiff(),
                incident: row.incident_id,
                incident_open: row.open,
            };
            ((row.serial, row.digest), found)
        })
        .collect())
}

/// A position with everything that is filed about it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedFix {
    /// Where.
    pub position: Position,
    /// How sure, in metres.
    pub accuracy_m: Option<f64>,
    /// How come by.
    pub source: Source,
    /// When we had it.
    pub received_at: Timestamp,
    /// When they were there, as far as can be told: for what was measured for its message, the same.
    pub was_at: Timestamp,
    /// When the terminal says it was.
    pub device_at: Option<Timestamp>,
    /// km/h.
    pub speed_kmh: Option<f64>,
    /// Degrees clockwise from north.
    pub course_deg: Option<f64>,
    /// Metres above the sea.
    pub altitude_m: Option<f64>,
}

/// A position less sure than this does not tell in whose district somebody is.
const PLACED_WITHIN_M: f64 = 200.0;

/// An incident to open, unless the subject has an open one of that class to append to.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Its identity if it is new.
    pub id: Uuid,
    /// Its class.
    pub class: Class,
    /// Whether we know the source.
    pub origin: Origin,
    /// Whom it is about.
    pub subject: Subject,
    /// The terminal and its wearer.
    pub wearer: Option<Wearer>,
    /// What was raised.
    pub kinds: Vec<AlertKind>,
    /// For a service incident.
    pub category: Option<String>,
    /// How many presses this batch holds for it.
    pub presses: i32,
    /// Where the last of them came from.
    pub place: Option<PlacedFix>,
    /// What is doubtful about the last of them.
    pub doubts: Vec<Doubt>,
    /// An exercise.
    pub drill: bool,
    /// The press of a terminal of our own.
    pub canary: bool,
}

/// An opening as it is written.
#[derive(Debug, Serialize)]
struct OpeningRow<'o> {
    id: Uuid,
    class: &'static str,
    origin: &'static str,
    subject_kind: &'static str,
    subject_key: String,
    resident_id: Option<Uuid>,
    terminal_id: Option<i64>,
    node_id: Option<Uuid>,
    kinds: Vec<&'static str>,
    category: Option<&'o str>,
    presses: i32,
    lon: Option<f64>,
    lat: Option<f64>,
    accuracy_m: Option<f64>,
    source: Option<&'static str>,
    place_at: Option<Timestamp>,
    doubts: &'o [Doubt],
    drill: bool,
    canary: bool,
    entries: i32,
    chain_head: String,
}

impl<'o> OpeningRow<'o> {
    fn new(opening: &'o Opening, end: &Head) -> Self {
        let place = opening.place.as_ref();
        Self {
            id: opening.id,
            class: opening.class.as_str(),
            origin: opening.origin.as_str(),
            subject_kind: opening.subject.kind(),
            subject_key: opening.subject.key(),
            resident_id: match opening.subject {
                Subject::Resident(resident) => Some(resident.0),
                _ => None,
            },
            terminal_id: opening.wearer.as_ref().map(|wearer| wearer.terminal.0),
            node_id: opening.wearer.as_ref().and_then(|wearer| wearer.node),
            kinds: opening.kinds.iter().map(|kind| kind.as_str()).collect(),
            category: opening.category.as_deref(),
            presses: opening.presses,
            lon: place.map(|place| place.position.lon_deg()),
            lat: place.map(|place| place.position.lat_deg()),
            accuracy_m: place.and_then(|place| place.accuracy_m),
            source: place.map(|place| place.source.as_str()),
            place_at: place.map(|place| place.was_at),
            doubts: &opening.doubts,
            drill: opening.drill,
            canary: opening.canary,
            entries: end.entries,
            chain_head: end.hash_as_text(),
        }
    }
}

/// An incident that was opened, or appended to.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// It.
    pub incident: IncidentId,
    /// How many entries its timeline has now.
    pub entries: i32,
}

/// Opens incidents or appends to open ones; their rows are locked from here on, in the order of their subjects, so that
/// two batches cannot wait for each other. Of one subject, class and seriousness there is one opening at most, but for
/// services. What is to be told of each is written in its timeline. The answer is in the order of the openings.
pub async fn open_or_append(
    conn: &mut PgConnection,
    openings: Vec<(Opening, Vec<Line>)>,
    now: Timestamp,
) -> Result<Vec<Opened>, StoreError> {
    // Most are new: their rows are written with the end of the timeline that they will have, and not once more for it.
    let (mut chains, mut rows) = (Vec::with_capacity(openings.len()), Vec::with_capacity(openings.len()));
    for (opening, lines) in &openings {
        let mut end = Head::default();
        chains.push(timeline::add(&mut end, IncidentId(opening.id), now, lines.iter().cloned()));
        rows.push(OpeningRow::new(opening, &end));
    }
    let opened = sqlx::query!(
        "insert into incident as i (id, class, origin, subject_kind, subject_key, resident_id, terminal_id, node_id, kinds,
            category, service, opened_at, presses, last_press_at, place, place_accuracy_m, place_source, place_at, doubts,
            drill, wake_at, canary, entries, chain_head)
         select id, class, origin, subject_kind, subject_key, resident_id, terminal_id,
            coalesce(case when coalesce(accuracy_m, $3) <= $3 then node_at(place) end, node_id, root_node()),
            kinds, category, case when class = 'service' then category_meant(category) end, $2, presses, $2, place,
            accuracy_m, source, place_at, doubts, drill, $2, canary, entries, chain_head
         from (
            select told.*, st_setsrid(st_makepoint(lon, lat), 4326)::geography as place
            from jsonb_to_recordset($1) as told (id uuid, class text, origin text, subject_kind text, subject_key text,
                resident_id uuid, terminal_id bigint, node_id uuid, kinds text[], category text, presses integer,
                lon float8, lat float8, accuracy_m float8, source text, place_at timestamptz, doubts jsonb,
                drill boolean, canary boolean, entries integer, chain_head bytea)
            order by subject_kind, subject_key, class, drill
            offset 0) o
         on conflict (subject_kind, subject_key, class, drill) where closed_at is null and class <> 'service' do update set
            presses = i.presses + excluded.presses,
            kinds = (select array_agg(distinct kind) from unnest(i.kinds || excluded.kinds) kind),
            last_press_at = excluded.last_press_at,
            terminal_id = coalesce(excluded.terminal_id, i.terminal_id),
            place = coalesce(excluded.place, i.place),
            place_accuracy_m = case when excluded.place is null then i.place_accuracy_m else excluded.place_accuracy_m end,
            place_source = coalesce(excluded.place_source, i.place_source),
            place_at = coalesce(excluded.place_at, i.place_at),
            doubts = excluded.doubts,
            cancelled = false,
            returned = false,
            closes_at = null,
            -- Known now is known: a press that proves who it is counts for the whole case.
            origin = better_origin(i.origin, excluded.origin),
            wake_at = excluded.wake_at
         returning id, class, subject_kind, subject_key, drill, entries, chain_head",
        json!(rows),
        now.to_sqlx(),
        PLACED_WITHIN_M,
    )
    .fetch_all(&mut *conn)
    .await?;
    // Of services there may be several for one subject; they are always new.
    let key = |kind: &str, key: &str, class: &str, drill: bool, id: Uuid| {
        let own = (class == Class::Service.as_str()).then_some(id);
        (kind.to_owned(), key.to_owned(), class.to_owned(), drill, own)
    };
    let mut heads = HashMap::with_capacity(opened.len());
    for row in opened {
        let of = key(&row.subject_kind, &row.subject_key, &row.class, row.drill, row.id);
        heads.insert(of, (IncidentId(row.id), Head { entries: row.entries, hash: row.chain_head }));
    }
    let mut head_of = |row: &OpeningRow<'_>| {
        heads
            .remove(&key(row.subject_kind, &row.subject_key, row.class, row.drill, row.id))
            .ok_or(sqlx::Error::RowNotFound)
    };
    let heads: Vec<(IncidentId, Head)> = rows.iter().map(&mut head_of).collect::<Result<_, _>>()?;
    let (mut entries, mut ends) = (Vec::new(), Vec::new());
    let mut opened = Vec::with_capacity(heads.len());
    for (((opening, lines), chain), (incident, mut head)) in openings.into_iter().zip(chains).zip(heads) {
        if incident.0 == opening.id {
            entries.extend(chain);
        } else {
            entries.extend(timeline::add(&mut head, incident, now, lines));
            ends.push((incident, head.clone()));
        }
        opened.push(Opened { incident, entries: head.entries });
    }
    timeline::write(conn, entries, &ends).await?;
    Ok(opened)
}

/// The open incidents of a subject, locked; marks them as taken back by the wearer when asked to.
pub async fn open_incidents(
    conn: &mut PgConnection,
    subject: &Subject,
    cancelled: bool,
) -> Result<Vec<IncidentId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "with open as (
            select id from incident where subject_kind = $1 and subject_key = $2 and closed_at is null
            order by id for update)
         update incident set cancelled = incident.cancelled or ($3 and class <> 'service')
         from open where incident.id = open.id
         returning incident.id",
        subject.kind(),
        subject.key(),
        cancelled,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(IncidentId).collect())
}

/// A report as it is filed.
#[derive(Debug)]
pub struct Filed<'r> {
    /// The report.
    pub report: &'r Report,
    /// Its terminal, when listed.
    pub terminal: Option<TerminalId>,
    /// SHA-256 of its bytes.
    pub digest: &'r [u8],
    /// The word for what it tells.
    pub event: &'static str,
    /// The terminal's time, when the database can hold it.
    pub device_at: Option<Timestamp>,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// The report that it repeats.
    pub same_as: Option<Uuid>,
    /// What is doubtful about it.
    pub doubts: Value,
}

/// Files reports with their bytes.
pub async fn file(conn: &mut PgConnection, filed: &[Filed<'_>]) -> Result<(), StoreError> {
    if filed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = filed.iter().map(|filed| filed.report.id).collect();
    let terminals: Vec<Option<i64>> = filed.iter().map(|filed| filed.terminal.map(|terminal| terminal.0)).collect();
    let serials: Vec<String> = filed.iter().map(|filed| filed.report.serial.clone()).collect();
    let authenticated: Vec<bool> = filed.iter().map(|filed| filed.report.authenticated).collect();
    let received: Vec<jiff_sqlx::Timestamp> = filed.iter().map(|filed| filed.report.received_at.to_sqlx()).collect();
    let lanes: Vec<String> = filed
        .iter()
        .map(|filed| match filed.report.lane {
            Lane::Alert => "alert".to_owned(),
            Lane::Telemetry => "telemetry".to_owned(),
        })
        .collect();
    let topics: Vec<String> = filed.iter().map(|filed| crate::lines::clean_text(filed.report.topic.clone())).collect();
    let raws: Vec<Vec<u8>> = filed.iter().map(|filed| filed.report.raw.clone()).collect();
    let digests: Vec<Vec<u8>> = filed.iter().map(|filed| filed.digest.to_vec()).collect();
    let boots: Vec<Option<i64>> = filed.iter().map(|filed| filed.report.stamp.boot.map(i64::from)).collect();
    let seqs: Vec<Option<i64>> = filed.iter().map(|filed| filed.report.stamp.seq.map(i64::from)).collect();
    let device: Vec<Option<jiff_sqlx::Timestamp>> =
        filed.iter().map(|filed| filed.device_at.map(jiff_sqlx::ToSqlx::to_sqlx)).collect();
    let repeated: Vec<bool> = filed.iter().map(|filed| filed.report.repeated).collect();
    let events: Vec<String> = filed.iter().map(|filed| filed.event.to_owned()).collect();
    let incidents: Vec<Option<Uuid>> = filed.iter().map(|filed| filed.incident.map(|incident| incident.0)).collect();
    let same_as: Vec<Option<Uuid>> = filed.iter().map(|filed| filed.same_as).collect();
    let doubts: Vec<Value> = filed.iter().map(|filed| filed.doubts.clone()).collect();
    let drills: Vec<bool> = filed.iter().map(|filed| filed.report.drill).collect();
    let surroundings: Vec<Option<Value>> =
        filed.iter().map(|filed| positions::kept(&filed.report.surroundings)).collect();
    let reasons: Vec<Option<String>> = filed.iter().map(|filed| reason(filed.report)).collect();
    sqlx::query!(
        "insert into report (id, terminal_id, serial, authenticated, received_at, lane, topic, raw, digest, boot, seq,
            device_at, repeated, event, incident_id, same_as, doubts, drill, surroundings, why)
         select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::boolean[], $5::timestamptz[], $6::text[],
            $7::text[], $8::bytea[], $9::bytea[], $10::bigint[], $11::bigint[], $12::timestamptz[], $13::boolean[],
            $14::text[], $15::uuid[], $16::uuid[], $17::jsonb[], $18::boolean[], $19::jsonb[], $20::text[])",
        &ids,
        &terminals as &[Option<i64>],
        &serials,
        &authenticated,
        received,
        &lanes,
        &topics,
        &raws,
        &digests,
        &boots as &[Option<i64>],
        &seqs as &[Option<i64>],
        &device as &[Option<jiff_sqlx::Timestamp>],
        &repeated,
        &events,
        &incidents as &[Option<Uuid>],
        &same_as as &[Option<Uuid>],
        &doubts,
        &drills,
        &surroundings as &[Option<Value>],
        &reasons as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Why nobody could read it.
fn reason(report: &Report) -> Option<String> {
    report.event.iter().chain(&report.also).find_map(|event| match event {
        Event::Unreadable { why } => Some(crate::lines::clean_text(why.clone())),
        _ => None,
    })
}

/// Files positions by time of arrival.
pub async fn file_fixes(conn: &mut PgConnection, fixes: &[(TerminalId, &PlacedFix)]) -> Result<(), StoreError> {
    if fixes.is_empty() {
        return Ok(());
    }
    let terminals: Vec<i64> = fixes.iter().map(|(terminal, _)| terminal.0).collect();
    let received: Vec<jiff_sqlx::Timestamp> = fixes.iter().map(|(_, fix)| fix.received_at.to_sqlx()).collect();
    let device: Vec<Option<jiff_sqlx::Timestamp>> =
        fixes.iter().map(|(_, fix)| fix.device_at.map(jiff_sqlx::ToSqlx::to_sqlx)).collect();
    let lons: Vec<f64> = fixes.iter().map(|(_, fix)| fix.position.lon_deg()).collect();
    let lats: Vec<f64> = fixes.iter().map(|(_, fix)| fix.position.lat_deg()).collect();
    let accuracies: Vec<Option<f64>> = fixes.iter().map(|(_, fix)| fix.accuracy_m).collect();
    let sources: Vec<String> = fixes.iter().map(|(_, fix)| fix.source.as_str().to_owned()).collect();
    let speeds: Vec<Option<f64>> = fixes.iter().map(|(_, fix)| fix.speed_kmh).collect();
    let courses: Vec<Option<f64>> = fixes.iter().map(|(_, fix)| fix.course_deg).collect();
    let altitudes: Vec<Option<f64>> = fixes.iter().map(|(_, fix)| fix.altitude_m).collect();
    sqlx::query!(
        "insert into fix (terminal_id, received_at, device_at, place, accuracy_m, source, speed_kmh, course_deg, altitude_m)
         select terminal_id, received_at, device_at, st_setsrid(st_makepoint(lon, lat), 4326)::geography, accuracy_m, source,
            speed_kmh, course_deg, altitude_m
         from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::float8[], $5::float8[], $6::float8[],
            $7::text[], $8::float8[], $9::float8[], $10::float8[])
            as f (terminal_id, received_at, device_at, lon, lat, accuracy_m, source, speed_kmh, course_deg, altitude_m)",
        &terminals,
        received,
        &device as &[Option<jiff_sqlx::Timestamp>],
        &lons,
        &lats,
        &accuracies as &[Option<f64>],
        &sources,
        &speeds as &[Option<f64>],
        &courses as &[Option<f64>],
        &altitudes as &[Option<f64>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Fewer steps than these are an arm that was shaken.
const STEPS_MIN: i64 = 20;
/// A receiver that lies still wavers by less, mostly, in metres: who is believed to be up and about is not looked for.
const MOVED_M: f64 = 500.0;

/// What a batch tells about how a terminal is.
#[derive(Debug, Clone)]
pub struct State {
    /// When it was last heard.
    pub heard_at: Timestamp,
    /// 0–100.
    pub battery_pct: Option<u8>,
    /// Whether it is on the body.
    pub worn: Option<bool>,
    /// Whether it is on its charger.
    pub charging: Option<bool>,
    /// The steps that it counted, as it counts them.
    pub steps: Option<i64>,
    /// When its wearer last said that all is well.
    pub checked_in_at: Option<Timestamp>,
    /// Its last position.
    pub place: Option<PlacedFix>,
    /// What is believed of its wearer's whereabouts.
    pub believed: Option<Believed>,
    /// What it heard around it, and when.
    pub surroundings: Option<(Value, Timestamp)>,
}

impl State {
    /// Heard, and nothing more.
    pub const fn heard(at: Timestamp) -> Self {
        Self {
            heard_at: at,
            battery_pct: None,
            worn: None,
            charging: None,
            steps: None,
            checked_in_at: None,
            place: None,
            believed: None,
            surroundings: None,
        }
    }
}

/// Brings rows up to date that are locked.
#[expect(clippy::too_many_lines, reason = "one statement, and what goes into it")]
pub async fn note_states(conn: &mut PgConnection, noted: &[(&Locked, State)]) -> Result<(), StoreError> {
    if noted.is_empty() {
        return Ok(());
    }
    let rows: Vec<String> = noted.iter().map(|(locked, _)| locked.row.clone()).collect();
    let states = || noted.iter().map(|(_, state)| state);
    let heard: Vec<jiff_sqlx::Timestamp> = states().map(|state| state.heard_at.to_sqlx()).collect();
    let batteries: Vec<Option<i16>> = states().map(|state| state.battery_pct.map(i16::from)).collect();
    let worn: Vec<Option<bool>> = states().map(|state| state.worn).collect();
    let charging: Vec<Option<bool>> = states().map(|state| state.charging).collect();
    let steps: Vec<Option<i64>> = states().map(|state| state.steps).collect();
    let checked_in: Vec<Option<jiff_sqlx::Timestamp>> =
        states().map(|state| state.checked_in_at.map(jiff_sqlx::ToSqlx::to_sqlx)).collect();
    let places: Vec<Option<&PlacedFix>> = states().map(|state| state.place.as_ref()).collect();
    let lons: Vec<Option<f64>> = places.iter().map(|place| place.map(|fix| fix.position.lon_deg())).collect();
    let lats: Vec<Option<f64>> = places.iter().map(|place| place.map(|fix| fix.position.lat_deg())).collect();
    let accuracies: Vec<Option<f64>> = places.iter().map(|place| place.and_then(|fix| fix.accuracy_m)).collect();
    let sources: Vec<Option<String>> =
        places.iter().map(|place| place.map(|fix| fix.source.as_str().to_owned())).collect();
    let seen: Vec<Option<jiff_sqlx::Timestamp>> =
        places.iter().map(|place| place.map(|fix| fix.was_at.to_sqlx())).collect();
    let device: Vec<Option<jiff_sqlx::Timestamp>> =
        places.iter().map(|place| place.and_then(|fix| fix.device_at).map(jiff_sqlx::ToSqlx::to_sqlx)).collect();
    let believed = || states().map(|state| state.believed.as_ref());
    let beliefs: Vec<Option<Value>> = believed().map(|believed| believed?.stands.clone()).collect();
    let beliefs_of: Vec<Option<i32>> = believed().map(|believed| Some(believed?.of)).collect();
    let believed_at: Vec<Option<jiff_sqlx::Timestamp>> =
        believed().map(|believed| Some(believed?.at.to_sqlx())).collect();
    let whereabouts: Vec<Option<&[u8]>> = believed().map(|believed| believed?.state.as_deref()).collect();
    // What was kept while there was no connection may come after what was measured later.
    let newer: Vec<bool> = noted
        .iter()
        .map(|(locked, state)| {
            state.place.as_ref().is_some_and(|place| locked.placed_at.is_none_or(|at| at <= place.was_at))
        })
        .collect();
    let surroundings: Vec<Option<Value>> = states().map(|state| Some(state.surroundings.as_ref()?.0.clone())).collect();
    let surrounded: Vec<Option<jiff_sqlx::Timestamp>> =
        states().map(|state| Some(state.surroundings.as_ref()?.1.to_sqlx())).collect();
    sqlx::query!(
        "update terminal_state s set
            heard_at = greatest(s.heard_at, n.heard_at),
            battery_pct = coalesce(n.battery_pct, s.battery_pct),
            worn = coalesce(n.worn, s.worn),
            off_since = case when n.worn then null when not n.worn then coalesce(s.off_since, n.heard_at) else s.off_since end,
            charging = coalesce(n.charging, s.charging),
            steps = coalesce(n.steps, s.steps),
            -- A counter that fell began anew: at midnight, mostly.
            moved_at = case
                when case when s.steps is null then 0 when n.steps >= s.steps then n.steps - s.steps else n.steps end >= $21
                    then n.heard_at
                when n.is_newer and is_further(s.moved_lon, s.moved_lat, n.lon, n.lat, n.reach_m) then n.placed_at
                else s.moved_at end,
            moved_lon = case
                when n.is_newer and n.reach_m > 0
                    and (s.moved_lon is null or is_further(s.moved_lon, s.moved_lat, n.lon, n.lat, n.reach_m))
                    then n.lon
                else s.moved_lon end,
            moved_lat = case
                when n.is_newer and n.reach_m > 0
                    and (s.moved_lon is null or is_further(s.moved_lon, s.moved_lat, n.lon, n.lat, n.reach_m))
                    then n.lat
                else s.moved_lat end,
            same_since = case
                when not n.is_newer then s.same_since
                when s.place = n.place then coalesce(s.same_since, n.placed_at)
                else n.placed_at end,
            same_told = case
                when not n.is_newer then s.same_told
                when s.place = n.place then least(s.same_told + 1, 100000)
                else 0 end,
            checked_in_at = coalesce(n.checked_in_at, s.checked_in_at),
            place = case when n.is_newer then n.place else s.place end,
            place_accuracy_m = case when n.is_newer then n.accuracy_m else s.place_accuracy_m end,
            place_source = case when n.is_newer then n.source else s.place_source end,
            place_received_at = case when n.is_newer then n.placed_at else s.place_received_at end,
            place_device_at = case when n.is_newer then n.device_at else s.place_device_at end,
            beliefs = coalesce(n.beliefs, s.beliefs),
            beliefs_of = coalesce(n.beliefs_of, s.beliefs_of),
            believed_at = coalesce(n.believed_at, s.believed_at),
            whereabouts = coalesce(n.whereabouts, s.whereabouts),
            surroundings = coalesce(n.surroundings, s.surroundings),
            surrounded_at = coalesce(n.surrounded_at, s.surrounded_at)
         from (select told.*, st_setsrid(st_makepoint(lon, lat), 4326)::geography as place,
            -- Cells and access points jump by themselves; so do satellites indoors, but seldom so far.
            case when source = 'gnss' then greatest($22, 2 * accuracy_m) end as reach_m
         from unnest($1::text[], $2::timestamptz[], $3::smallint[], $4::boolean[], $5::timestamptz[], $6::float8[],
            $7::float8[], $8::float8[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::jsonb[], $13::integer[],
            $14::timestamptz[], $15::bytea[], $16::jsonb[], $17::timestamptz[], $18::boolean[], $19::boolean[],
            $20::bigint[])
            as told (row, heard_at, battery_pct, worn, checked_in_at, lon, lat, accuracy_m, source, placed_at, device_at,
                beliefs, beliefs_of, believed_at, whereabouts, surroundings, surrounded_at, is_newer, charging, steps)
         offset 0) n
         where s.ctid = n.row::tid",
        &rows,
        heard,
        &batteries as &[Option<i16>],
        &worn as &[Option<bool>],
        &checked_in as &[Option<jiff_sqlx::Timestamp>],
        &lons as &[Option<f64>],
        &lats as &[Option<f64>],
        &accuracies as &[Option<f64>],
        &sources as &[Option<String>],
        &seen as &[Option<jiff_sqlx::Timestamp>],
        &device as &[Option<jiff_sqlx::Timestamp>],
        &beliefs as &[Option<Value>],
        &beliefs_of as &[Option<i32>],
        &believed_at as &[Option<jiff_sqlx::Timestamp>],
        &whereabouts as &[Option<&[u8]>],
        &surroundings as &[Option<Value>],
        &surrounded as &[Option<jiff_sqlx::Timestamp>],
        &newer,
        &charging as &[Option<bool>],
        &steps as &[Option<i64>],
        STEPS_MIN,
        MOVED_M,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Terminals were heard, came or went.
pub async fn note_heard(conn: &mut PgConnection, heard: &[Heard]) -> Result<(), StoreError> {
    let mut latest: HashMap<&str, &Heard> = HashMap::new();
    for one in heard {
        latest.insert(&one.serial, one);
    }
    let mut latest: Vec<&Heard> = latest.into_values().collect();
    latest.sort_unstable_by(|a, b| a.serial.cmp(&b.serial));
    let serials: Vec<String> = latest.iter().map(|heard| heard.serial.clone()).collect();
    let at: Vec<jiff_sqlx::Timestamp> = latest.iter().map(|heard| heard.at.to_sqlx()).collect();
    let open: Vec<bool> = latest.iter().map(|heard| heard.session != Session::Closed).collect();
    sqlx::query!(
        "insert into terminal_state as s (terminal_id, heard_at, session_open)
         select t.id, h.at, h.open
         from unnest($1::text[], $2::timestamptz[], $3::boolean[]) as h (serial, at, open)
         join terminal t on t.serial = h.serial
         order by t.id
         on conflict (terminal_id) do update set
            heard_at = greatest(s.heard_at, excluded.heard_at), session_open = excluded.session_open",
        &serials,
        at,
        &open,
    )
    .execute(conn)
    .await?;
    Ok(())
}
