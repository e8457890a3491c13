//! Who might be asked to go to a case, and what was thought of each of them. What stands in the way of somebody is
//! `who_might_go`'s, in the database; what follows from it is [`domain::incident`]'s.

use std::collections::HashMap;

use domain::dispatch::{Mode, Quality, put_back, way};
use domain::id::{IncidentId, ResponderId};
use domain::incident::{Candidate, Considered, Unfit};
use domain::place::Metres;
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use super::facts::Case;
use crate::config::Config;

/// How many are looked at: first those who may be asked, enough for every one of them to decline.
const CANDIDATES_MAX: i64 = 60;

/// Whether those are told of who are near and whom nobody has contracted: for the record, for nobody asks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Near {
    /// The nearest.
    Told,
    /// None: there is no time.
    LeftOut,
}

impl Near {
    const fn count_max(self) -> i32 {
        match self {
            Self::Told => 20,
            Self::LeftOut => 0,
        }
    }
}

/// Who was looked at for one incident.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In the order in which they would be asked. `None` when nobody knows where the person is.
    pub(crate) candidates: Option<Vec<Candidate>>,
    /// Those whom nothing keeps from being asked, and their providers.
    pub(crate) free: HashMap<ResponderId, Uuid>,
}

/// Of each incident everybody who might be asked, in the order in which they would be, by the ways that somebody knows and
/// else by the line that the crow flies.
pub(crate) async fn candidates(
    conn: &mut PgConnection,
    cases: &[Case<'_>],
    config: &Config,
    near: Near,
) -> Result<HashMap<Uuid, Found>, StoreError> {
    if cases.is_empty() {
        return Ok(HashMap::new());
    }
    let incidents: Vec<Uuid> = cases.iter().map(|case| case.incident.id.0).collect();
    let wanted: Vec<Option<String>> = cases.iter().map(|case| case.wanted().map(str::to_owned)).collect();
    let rows = sqlx::query!(
        r#"select t.incident as "incident!", w.responder_id as "responder_id!", w.provider_id as "provider_id!", w.unfit,
            w.distance_m, w.mode as "mode!", w.grade, coalesce(s.handicap_s, 0) as "handicap_s!",
            -- What somebody has done today puts them back among those who may be asked.
            case when w.unfit is null then (select count(*) from offer o where o.responder_id = w.responder_id
                and o.asked_at > statement_timestamp() - interval '12 hours' and o.accepted_at is not null)
                else 0 end as "jobs!"
         from unnest($1::uuid[], $2::text[]) t (incident, wanted)
         cross join lateral (
            select * from who_might_go(t.incident, t.wanted, $3, make_interval(secs => $4), $6) w
            order by w.stage desc, w.distance_m nulls last, w.responder_id
            limit $5
         ) w
         left join provider_standing s on s.provider_id = w.provider_id"#,
        &incidents,
        &wanted as &[Option<String>],
        config.reach_m,
        config.position_fresh_for.as_secs_f64(),
        CANDIDATES_MAX,
        near.count_max(),
    )
    .fetch_all(&mut *conn)
    .await?;
    let ways: HashMap<Uuid, _> = cases.iter().map(|case| (case.incident.id.0, &case.advised.ways)).collect();
    let mut found: HashMap<Uuid, Found> = HashMap::new();
    for row in rows {
        let impossible = |column| impossible(row.responder_id, column);
        let unfit = row.unfit.as_deref().map(Unfit::parse).transpose().map_err(|_| impossible("unfit"))?;
        let mode = mode(row.responder_id, &row.mode)?;
        let put_back = put_back(&quality(row.grade, row.handicap_s, row.jobs));
        let distance = row.distance_m.map(Metres);
        let responder = ResponderId(row.responder_id);
        let known = ways.get(&row.incident).and_then(|ways| ways.get(&responder));
        let way = known.copied().or(distance.map(|distance| way(distance, mode)));
        let reckoned = way.map(|way| way.saturating_add(put_back));
        let found = found.entry(row.incident).or_default();
        found.candidates.get_or_insert_default().push(Candidate { responder, distance, reckoned, unfit });
        if unfit.is_none() {
            found.free.insert(responder, row.provider_id);
        }
    }
    for candidates in found.values_mut().filter_map(|found| found.candidates.as_mut()) {
        candidates.sort_by_key(|candidate| {
            (candidate.unfit.is_some(), candidate.reckoned.is_none(), candidate.reckoned, candidate.responder)
        });
    }
    // There is nobody, too, where nobody knows the place.
    let nobody: Vec<Uuid> = incidents.into_iter().filter(|incident| !found.contains_key(incident)).collect();
    for incident in placed(conn, &nobody).await? {
        found.insert(incident, Found { candidates: Some(Vec::new()), ..Found::default() });
    }
    Ok(found)
}

/// Those of the incidents of which the place is known.
async fn placed(conn: &mut PgConnection, incidents: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    if incidents.is_empty() {
        return Ok(Vec::new());
    }
    let placed = sqlx::query_scalar!(
        r#"select incident_id as "id!" from incident_place where incident_id = any($1) and place is not null"#,
        incidents
    )
    .fetch_all(conn)
    .await?;
    Ok(placed)
}

pub(super) fn quality(grade: Option<i16>, handicap_s: f64, jobs: i64) -> Quality {
    Quality {
        grade: grade.and_then(|grade| u8::try_from(grade).ok()),
        handicap: SignedDuration::try_from_secs_f64(handicap_s).unwrap_or_default(),
        jobs: u32::try_from(jobs).unwrap_or(u32::MAX),
    }
}

pub(super) fn mode(responder: Uuid, word: &str) -> Result<Mode, StoreError> {
    Mode::parse(word).map_err(|_| impossible(responder, "mode"))
}

fn impossible(responder: Uuid, column: &'static str) -> StoreError {
    StoreError::Impossible { table: "responder", id: responder.to_string(), column }
}

/// What is kept of somebody who was considered.
#[derive(Debug, Serialize)]
struct Kept {
    responder: Uuid,
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reckoned_s: Option<i64>,
}

/// Keeps what was thought of everybody when it was decided whom to ask.
pub async fn keep<'c>(
    conn: &mut PgConnection,
    at: Timestamp,
    choices: impl Iterator<Item = (IncidentId, &'c [Considered])>,
) -> Result<(), StoreError> {
    let (incidents, kept): (Vec<Uuid>, Vec<Value>) = choices
        .filter(|(_, considered)| !considered.is_empty())
        .map(|(incident, considered)| (incident.0, json!(considered.iter().map(Kept::from).collect::<Vec<_>>())))
        .unzip();
    if incidents.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into choice (incident_id, considered, at) select *, $3 from unnest($1::uuid[], $2::jsonb[])
         on conflict (incident_id, at) do update set considered = excluded.considered",
        &incidents,
        &kept,
        at.to_sqlx(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

impl From<&Considered> for Kept {
    fn from(Considered { candidate, verdict }: &Considered) -> Self {
        Self {
            responder: candidate.responder.0,
            verdict: verdict.as_str().to_owned(),
            distance_m: candidate.distance.map(|distance| distance.0.round()),
            reckoned_s: candidate.reckoned.map(|reckoned| reckoned.as_secs()),
        }
    }
}

/// One look at everybody who might be asked.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChoiceView {
    /// When.
    pub at: Timestamp,
    /// In the order in which they would be asked.
    pub considered: Vec<ConsideredView>,
}

/// Why somebody was asked or passed over.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsideredView {
    /// Who.
    pub responder: Uuid,
    /// Their name.
    pub name: String,
    /// Their company.
    pub provider: String,
    /// `asked`, `later`, `kept_back`, `sooner_soon`, `asked_before`, `declined`, or what stood in the way:
    /// `not_contracted`, `out_of_hours`, `unskilled`, `off_duty`, `place_unknown`, `position_old`, `too_far`, `refused`,
    /// `not_as_asked`, `provider_full`, `engaged`.
    pub verdict: String,
    /// How far away they were, in metres, as the crow flies.
    pub distance_m: Option<f64>,
    /// How long until they would have been there, in seconds, with what quality and fairness put them back by.
    pub reckoned_s: Option<i64>,
}

/// Every look, the first first.
pub async fn choices(conn: &mut PgConnection, incident: IncidentId) -> Result<Vec<ChoiceView>, StoreError> {
    let rows = sqlx::query!(
        r#"select c.at as "at!", k.responder as "responder!", k.verdict as "verdict!", k.distance_m, k.reckoned_s,
            r.name as "name!", p.name as "provider!"
         from choice c
         cross join lateral rows from (jsonb_to_recordset(c.considered)
            as (responder uuid, verdict text, distance_m double precision, reckoned_s bigint))
            with ordinality as k (responder, verdict, distance_m, reckoned_s, place)
         join responder r on r.id = k.responder
         join provider p on p.id = r.provider_id
         where c.incident_id = $1
         order by c.at, k.place"#,
        incident.0
    )
    .fetch_all(conn)
    .await?;
    let mut choices: Vec<ChoiceView> = Vec::new();
    for row in rows {
        let at = row.at.to_jiff();
        if choices.last().is_none_or(|choice| choice.at != at) {
            choices.push(ChoiceView { at, considered: Vec::new() });
        }
        let considered = ConsideredView {
            responder: row.responder,
            name: row.name,
            provider: row.provider,
            verdict: row.verdict,
            distance_m: row.distance_m,
            reckoned_s: row.reckoned_s,
        };
        if let Some(choice) = choices.last_mut() {
            choice.considered.push(considered);
        }
    }
    Ok(choices)
}
