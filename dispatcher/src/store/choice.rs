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
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use crate::config::Config;

/// How many are looked at: first those who may be asked, enough for every one of them to decline.
const CANDIDATES_MAX: i64 = 60;

/// Everybody who might be asked, in the order in which they would be, by the `ways` that somebody knows and else by the
/// line that the crow flies. `None` when nobody knows where the person is.
pub(super) async fn candidates(
    conn: &mut PgConnection,
    incident: IncidentId,
    wanted: Option<&str>,
    ways: &HashMap<ResponderId, SignedDuration>,
    config: &Config,
) -> Result<Option<Vec<Candidate>>, StoreError> {
    let rows = sqlx::query!(
        r#"select w.responder_id as "responder_id!", w.unfit, w.distance_m, w.mode as "mode!", w.grade,
            coalesce(s.handicap_s, 0) as "handicap_s!",
            (select count(*) from offer o where o.responder_id = w.responder_id
                and o.asked_at > clock_timestamp() - interval '12 hours' and o.accepted_at is not null) as "jobs!"
         from who_might_go($1, $2, $3, make_interval(secs => $4)) w
         left join provider_standing s on s.provider_id = w.provider_id
         order by w.stage desc, w.distance_m nulls last, w.responder_id
         limit $5"#,
        incident.0,
        wanted,
        config.reach_m,
        config.position_fresh_for.as_secs_f64(),
        CANDIDATES_MAX,
    )
    .fetch_all(&mut *conn)
    .await?;
    // There is nobody, too, where nobody knows the place.
    if rows.is_empty() && !is_placed(conn, incident).await? {
        return Ok(None);
    }
    let mut candidates = rows
        .into_iter()
        .map(|row| {
            let impossible = |column| impossible(row.responder_id, column);
            let unfit = row.unfit.as_deref().map(Unfit::parse).transpose().map_err(|_| impossible("unfit"))?;
            let mode = mode(row.responder_id, &row.mode)?;
            let put_back = put_back(&quality(row.grade, row.handicap_s, row.jobs));
            let distance = row.distance_m.map(Metres);
            let responder = ResponderId(row.responder_id);
            let way = ways.get(&responder).copied().or(distance.map(|distance| way(distance, mode)));
            let reckoned = way.map(|way| way.saturating_add(put_back));
            Ok(Candidate { responder, distance, reckoned, unfit })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    candidates.sort_by_key(|candidate| {
        (candidate.unfit.is_some(), candidate.reckoned.is_none(), candidate.reckoned, candidate.responder)
    });
    Ok(Some(candidates))
}

async fn is_placed(conn: &mut PgConnection, incident: IncidentId) -> Result<bool, StoreError> {
    let is_known = sqlx::query_scalar!(
        r#"select place is not null as "known!" from incident_place where incident_id = $1"#,
        incident.0
    )
    .fetch_one(conn)
    .await?;
    Ok(is_known)
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
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    responder: Uuid,
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reckoned_s: Option<i64>,
}

/// Keeps what was thought of everybody when it was decided whom to ask.
pub async fn keep(
    conn: &mut PgConnection,
    incident: IncidentId,
    at: Timestamp,
    considered: &[Considered],
) -> Result<(), StoreError> {
    if considered.is_empty() {
        return Ok(());
    }
    let kept: Vec<Kept> = considered
        .iter()
        .map(|Considered { candidate, verdict }| Kept {
            responder: candidate.responder.0,
            verdict: verdict.as_str().to_owned(),
            distance_m: candidate.distance.map(|distance| distance.0.round()),
            reckoned_s: candidate.reckoned.map(|reckoned| reckoned.as_secs()),
        })
        .collect();
    sqlx::query!(
        "insert into choice (incident_id, at, considered) values ($1, $2, $3)
         on conflict (incident_id, at) do update set considered = excluded.considered",
        incident.0,
        at.to_sqlx(),
        Json(kept) as _,
    )
    .execute(conn)
    .await?;
    Ok(())
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
