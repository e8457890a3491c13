//! How fast help comes: the clocks of one case, a district's month with its evidence, and what contracts ask for.
//!
//! Everything is read from timelines at the moment of asking, and counted by `domain::clocks`.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::clocks::{
    self, BadTarget, Calls, Case, Clock, Forecast, Milestone, Profile, Progress, Reading, Spread, Tally, Target, Weight,
};
use domain::id::{IncidentId, ProviderId};
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::incidents::{Card, require_in_scope, show};
use super::input::{Asked, At, Told, Words, maybe_id_schema, whole, word_schema, year_and_month};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, Answer, See};
use crate::store::clocks::{self as store, Agreed, Evidence, Month, NewTarget};
use crate::store::{StoreError, audit};

/// So many breaches are told one by one; their number is told in any case.
const BREACHES_MAX: usize = 1_000;
/// A contract with more targets than this is a mistake.
const TARGETS_MAX: usize = 100;

/// What is asked for, and by whom.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct TargetView {
    /// A published standard: `nena`, `tsa`, `nhc_2020_19`, `door`. None: a contract's own.
    profile: Option<&'static str>,
    /// A contract's own target.
    id: Option<Uuid>,
    /// The node for which, and below which, a contract asks it.
    node: Option<Uuid>,
    /// Whose responders a contract means.
    provider: Option<ProviderView>,
    /// Where it is written.
    source: String,
    /// What is measured: `pressed_claimed` is from the press until an operator has it.
    #[schema(schema_with = word_schema::<Clock>)]
    clock: &'static str,
    /// In which calls.
    #[schema(schema_with = word_schema::<Calls>)]
    calls: &'static str,
    /// In what share of them, 0 to 1.
    share: f64,
    /// Within how many seconds.
    within_s: u32,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ProviderView {
    id: Uuid,
    name: String,
}

/// A target with where it comes from.
#[derive(Debug, Clone)]
enum Wanted {
    Published(Profile, Target),
    Agreed(Agreed),
}

impl Wanted {
    /// The published ones, then the contract's own.
    fn all(agreed: Vec<Agreed>) -> Vec<Self> {
        let published = Profile::ALL
            .iter()
            .flat_map(|profile| profile.targets().iter().map(|target| Self::Published(*profile, *target)));
        published.chain(agreed.into_iter().map(Self::Agreed)).collect()
    }

    const fn target(&self) -> &Target {
        match self {
            Self::Published(_, target) => target,
            Self::Agreed(agreed) => &agreed.target,
        }
    }

    fn provider(&self) -> Option<ProviderId> {
        match self {
            Self::Published(..) => None,
            Self::Agreed(agreed) => agreed.provider.as_ref().map(|(id, _)| *id),
        }
    }

    fn view(&self) -> TargetView {
        let target = self.target();
        let (profile, agreed, source) = match self {
            Self::Published(profile, _) => (Some(profile.as_str()), None, profile.source().to_owned()),
            Self::Agreed(agreed) => (None, Some(agreed), agreed.source.clone()),
        };
        let provider = agreed.and_then(|agreed| agreed.provider.clone());
        TargetView {
            profile,
            id: agreed.map(|agreed| agreed.id),
            node: agreed.map(|agreed| agreed.node),
            provider: provider.map(|(id, name)| ProviderView { id: id.0, name }),
            source,
            clock: target.clock.as_str(),
            calls: target.calls.as_str(),
            share: target.share.fraction(),
            within_s: target.within_s(),
        }
    }
}

fn milliseconds(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

// ---- one case ----------------------------------------------------------------------------------

#[derive(Serialize, ToSchema)]
pub(super) struct CaseClocksView {
    /// The name of the case in evidence (`GET /nodes/{id}/clocks.csv`).
    evidence: String,
    /// Whether it counts: `counted`, or `drill` or `test`.
    #[schema(schema_with = word_schema::<Weight>)]
    weight: &'static str,
    #[schema(schema_with = word_schema::<Calls>)]
    calls: &'static str,
    /// The clock by which what follows is so.
    as_of: Timestamp,
    /// What has happened, in the order of milestones.
    milestones: Vec<ReachedView>,
    /// How long the clocks took that have ended.
    clocks: Vec<TookView>,
    /// What each target's clock shows; those that a provider alone is held to are left out.
    readings: Vec<ReadingView>,
    /// The target that is missed next if nothing happens: a place in `readings`.
    next: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct ReachedView {
    #[schema(schema_with = word_schema::<Milestone>)]
    milestone: &'static str,
    at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct TookView {
    #[schema(schema_with = word_schema::<Clock>)]
    clock: &'static str,
    took_ms: i64,
}

#[derive(Serialize, ToSchema)]
struct ReadingView {
    target: TargetView,
    /// `running`, `met`, `missed`; `overrun`: late and not ended; `dropped`: the case was closed before it was late.
    state: &'static str,
    /// Late after this; of a clock that has not ended.
    due_at: Option<Timestamp>,
    /// Of a clock that has.
    took_ms: Option<i64>,
}

/// State, deadline and length of what a clock shows; none when it never started.
fn shown(reading: Reading) -> Option<(&'static str, Option<Timestamp>, Option<i64>)> {
    match reading {
        Reading::NotStarted => None,
        Reading::Running { due } => Some(("running", Some(due), None)),
        Reading::Met { took } => Some(("met", None, Some(milliseconds(took)))),
        Reading::Missed { took } => Some(("missed", None, Some(milliseconds(took)))),
        Reading::Overrun { due } => Some(("overrun", Some(due), None)),
        Reading::Dropped => Some(("dropped", None, None)),
    }
}

/// How fast help came in one case, and until when the next step has to be taken
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/clocks", tag = "clocks",
    responses((status = 200, body = CaseClocksView)),
    security(("session" = ["see"])),
)]
pub(super) async fn of_case(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
) -> Result<Json<CaseClocksView>, ApiError> {
    let id = IncidentId(id);
    require_in_scope(&api, &who.scope, id).await?;
    let mut moment = api.moment().await?;
    let (evidence, node) = store::case(&mut moment, id).await?.ok_or(ApiError::NotFound("incident"))?;
    let now = crate::store::facts::now(&mut moment).await?;
    let wanted = Wanted::all(store::targets(&mut moment, node, now).await?);
    let case = evidence.case;
    let concerned = wanted.iter().filter(|wanted| wanted.provider().is_none() && wanted.target().calls == case.calls);
    let read: Vec<(Reading, &Wanted)> =
        concerned.map(|wanted| (clocks::read(wanted.target(), &case.milestones, now), wanted)).collect();
    let readings: Vec<ReadingView> = read
        .iter()
        .filter_map(|(reading, wanted)| {
            let (state, due_at, took_ms) = shown(*reading)?;
            Some(ReadingView { target: wanted.view(), state, due_at, took_ms })
        })
        .collect();
    let targets = read.iter().map(|(_, wanted)| wanted.target());
    let due = clocks::next_breach(targets, &case, now).map(|(_, due)| due);
    let next = readings.iter().position(|reading| reading.state == "running" && reading.due_at == due);
    Ok(Json(CaseClocksView {
        evidence: evidence.name,
        weight: case.weight.as_str(),
        calls: case.calls.as_str(),
        as_of: now,
        milestones: reached(&case),
        clocks: Clock::ALL
            .iter()
            .filter_map(|clock| {
                Some(TookView { clock: clock.as_str(), took_ms: milliseconds(clock.took(&case.milestones)?) })
            })
            .collect(),
        readings,
        next,
    }))
}

fn reached(case: &Case) -> Vec<ReachedView> {
    let at = |milestone: &Milestone| {
        Some(ReachedView { milestone: milestone.as_str(), at: case.milestones.at(*milestone)? })
    };
    Milestone::ALL.iter().filter_map(at).collect()
}

/// Whom an operator has heard.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Heard {
    /// The person who called.
    Wearer,
    /// Somebody who is with them, or close to them.
    Contact,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Spoken {
    with: Heard,
}

/// Notes that the operator and somebody there have heard each other
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/spoken", tag = "incidents",
    request_body = Spoken,
    responses((status = 200, body = super::incidents::DetailView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn spoken(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(Spoken { with }): Told<Spoken>,
) -> Card {
    let id = IncidentId(id);
    require_in_scope(&api, &operator.scope, id).await?;
    let with = match with {
        Heard::Wearer => "wearer",
        Heard::Contact => "contact",
    };
    let mut tx = api.begin().await?;
    if !store::speak(&mut tx, id, with, operator.id().0).await? {
        return Err(ApiError::Refused(domain::incident::Refusal::Over));
    }
    tx.commit().await.map_err(StoreError::from)?;
    api.desk().live.nudge();
    show(&api, &operator.scope, id).await
}

// ---- a month -----------------------------------------------------------------------------------

/// A month by its year and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named(i16, i8);

impl Named {
    fn read(text: &str) -> Option<Self> {
        let (year, month) = year_and_month(text)?;
        (2000..2200).contains(&year).then_some(Self(year, month))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| serde::de::Error::custom("month: a month is written 2026-03"))
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MonthQuery {
    /// `2026-03`. Without it, the month that it is there.
    #[serde(default)]
    #[param(value_type = Option<String>, pattern = "^2[01][0-9][0-9]-(0[1-9]|1[0-2])$")]
    month: Option<Named>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct MonthView {
    node: NodeView,
    /// `2026-03`.
    month: String,
    /// By whose midnights its days go.
    time_zone: String,
    from: Timestamp,
    until: Timestamp,
    /// The clock by which what follows is so.
    as_of: Timestamp,
    /// How many cases were opened.
    counted: u32,
    /// How many exercises there were besides; they count for nothing.
    drills: u32,
    /// How many tests of terminals; they count for nothing.
    tests: u32,
    /// How long things took.
    spreads: Vec<SpreadView>,
    targets: Vec<TallyView>,
    /// Every breach, oldest first, up to a thousand.
    breaches: Vec<BreachView>,
    /// How many there are.
    breaches_total: u32,
    evidence: FileView,
}

#[derive(Serialize, ToSchema)]
struct NodeView {
    id: Uuid,
    name: String,
}

#[derive(Serialize, ToSchema)]
struct SpreadView {
    #[schema(schema_with = word_schema::<Clock>)]
    clock: &'static str,
    #[schema(schema_with = word_schema::<Calls>)]
    calls: &'static str,
    cases: u32,
    p50_ms: i64,
    p90_ms: i64,
    max_ms: i64,
}

#[derive(Serialize, ToSchema)]
struct TallyView {
    target: TargetView,
    met: u32,
    missed: u32,
    /// Neither yet.
    running: u32,
    /// Closed before anybody could know.
    dropped: u32,
    /// `met` of `met` and `missed`; none while there is neither.
    share: Option<f64>,
    /// Whether that is enough.
    keeps: Option<bool>,
    forecast: Option<ForecastView>,
}

/// What is to be expected of the month: the number of calls drawn on in a straight line, and the beta-binomial
/// distribution with Jeffreys' prior for how many of the rest will be late.
#[derive(Serialize, ToSchema)]
struct ForecastView {
    expected: u32,
    /// So many of them may be late.
    allowed: u32,
    /// So many more may be late; below 0 it cannot be met with so many calls.
    spare: i64,
    /// How likely it is that the share is not met in the end, 0 to 1.
    risk: f64,
}

#[derive(Serialize, ToSchema)]
struct BreachView {
    /// The case's name in the evidence.
    evidence: String,
    incident: Uuid,
    /// When the clock began.
    since: Timestamp,
    /// How long it took; none: it has not ended.
    took_ms: Option<i64>,
    /// Which target: a place in `targets`.
    target: usize,
}

/// The file of evidence.
#[derive(Serialize, ToSchema)]
struct FileView {
    /// SHA-256 over the bytes of `GET /nodes/{id}/clocks.csv`, in hexadecimal.
    sha256: String,
    /// How many cases it tells of.
    cases: usize,
}

/// A district's clocks in a month: shares, breaches, what is to be expected, and the hash of the evidence
#[utoipa::path(
    get, path = "/api/v1/nodes/{id}/clocks", tag = "clocks",
    params(MonthQuery),
    responses((status = 200, body = MonthView)),
    security(("session" = ["see"])),
)]
pub(super) async fn of_node(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
    Asked(MonthQuery { month }): Asked<MonthQuery>,
) -> Result<Json<MonthView>, ApiError> {
    let mut moment = api.moment().await?;
    let month = store::month(&mut moment, id, month.map(|Named(year, month)| (year, month)), &who.scope).await?;
    let month = month.ok_or(ApiError::NotFound("node"))?;
    let all = store::cases(&mut moment, id, &month, None).await?;
    let wanted = Wanted::all(store::targets(&mut moment, id, month.until.min(month.now)).await?);
    let mut theirs: HashMap<ProviderId, Vec<Evidence>> = HashMap::new();
    for provider in wanted.iter().filter_map(Wanted::provider) {
        if let std::collections::hash_map::Entry::Vacant(vacant) = theirs.entry(provider) {
            vacant.insert(store::cases(&mut moment, id, &month, Some(provider)).await?);
        }
    }
    let of = |wanted: &Wanted| wanted.provider().and_then(|provider| theirs.get(&provider)).unwrap_or(&all);
    let progress = Progress { from: month.from, until: month.until, now: month.now };
    let targets = wanted.iter().map(|wanted| tally(wanted, of(wanted), progress)).collect();
    let mut breaches: Vec<BreachView> = wanted
        .iter()
        .enumerate()
        .flat_map(|(place, wanted)| of(wanted).iter().filter_map(move |case| breach(place, wanted, case, month.now)))
        .collect();
    breaches.sort_by_key(|breach| breach.since);
    let breaches_total = u32::try_from(breaches.len()).unwrap_or(u32::MAX);
    breaches.truncate(BREACHES_MAX);
    let weighing = |weight| u32::try_from(all.iter().filter(|one| one.case.weight == weight).count()).unwrap_or(0);
    let file = csv(&all);
    Ok(Json(MonthView {
        node: NodeView { id, name: month.node },
        month: month.name,
        time_zone: month.time_zone,
        from: month.from,
        until: month.until,
        as_of: month.now,
        counted: weighing(Weight::Counted),
        drills: weighing(Weight::Drill),
        tests: weighing(Weight::Test),
        spreads: spreads(&all),
        targets,
        breaches,
        breaches_total,
        evidence: FileView { sha256: hex::encode(Sha256::digest(&file)), cases: all.len() },
    }))
}

fn tally(wanted: &Wanted, cases: &[Evidence], progress: Progress) -> TallyView {
    let target = wanted.target();
    let tally = Tally::of(target, cases.iter().map(|one| &one.case), progress.now);
    let forecast = Forecast::of(&tally, target.share, progress).map(|forecast| ForecastView {
        expected: forecast.expected,
        allowed: forecast.allowed,
        spare: forecast.spare,
        risk: forecast.risk,
    });
    TallyView {
        target: wanted.view(),
        met: tally.met,
        missed: tally.missed,
        running: tally.running,
        dropped: tally.dropped,
        share: (tally.counted() > 0).then(|| f64::from(tally.met) / f64::from(tally.counted())),
        keeps: tally.keeps(target.share),
        forecast,
    }
}

fn breach(place: usize, wanted: &Wanted, one: &Evidence, now: Timestamp) -> Option<BreachView> {
    let target = wanted.target();
    if one.case.weight != Weight::Counted || one.case.calls != target.calls {
        return None;
    }
    let reading = clocks::read(target, &one.case.milestones, now);
    let (_, _, took_ms) = shown(reading).filter(|_| reading.is_breach())?;
    let since = one.case.milestones.at(target.clock.ends().0)?;
    Some(BreachView { evidence: one.name.clone(), incident: one.incident.0, since, took_ms, target: place })
}

fn spreads(all: &[Evidence]) -> Vec<SpreadView> {
    let each = Calls::ALL.iter().flat_map(|calls| Clock::ALL.iter().map(|clock| (*calls, *clock)));
    each.filter_map(|(calls, clock)| {
        let spread = Spread::of(clock, calls, all.iter().map(|one| &one.case))?;
        Some(SpreadView {
            clock: clock.as_str(),
            calls: calls.as_str(),
            cases: spread.cases,
            p50_ms: milliseconds(spread.p50),
            p90_ms: milliseconds(spread.p90),
            max_ms: milliseconds(spread.max),
        })
    })
    .collect()
}

/// One line a case, with every milestone and without a name. All of it are words, dates and times: nothing needs
/// quotes. It holds facts only, so that the file of a month stays the same while its facts do.
fn csv(all: &[Evidence]) -> Vec<u8> {
    let milestones: Vec<String> = Milestone::ALL.iter().map(|milestone| format!("{milestone}_at")).collect();
    let mut text = format!("case,day,class,weight,outcome,{}\r\n", milestones.join(","));
    for one in all {
        let outcome = one.outcome.map_or("", domain::incident::Outcome::as_str);
        let fields = [one.name.as_str(), &one.day, one.class.as_str(), one.case.weight.as_str(), outcome];
        text.push_str(&fields.join(","));
        for milestone in Milestone::ALL {
            text.push(',');
            text.push_str(&one.case.milestones.at(*milestone).map(|at| at.to_string()).unwrap_or_default());
        }
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// The evidence of a month, as CSV: one line a case, every milestone, no name
///
/// Times are UTC; the day is the district's own. `case` is a name under which the same case always stands, and from
/// which nobody can go back to it. It is written down who took it.
#[utoipa::path(
    get, path = "/api/v1/nodes/{id}/clocks.csv", tag = "clocks",
    params(MonthQuery),
    responses((status = 200, content_type = "text/csv", body = String)),
    security(("session" = ["see"])),
)]
pub(super) async fn evidence(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
    Asked(MonthQuery { month }): Asked<MonthQuery>,
) -> Result<Response, ApiError> {
    let mut moment = api.moment().await?;
    let month = store::month(&mut moment, id, month.map(|Named(year, month)| (year, month)), &who.scope).await?;
    let month: Month = month.ok_or(ApiError::NotFound("node"))?;
    let file = csv(&store::cases(&mut moment, id, &month, None).await?);
    drop(moment);
    audit::took_evidence(&mut *api.conn().await?, who.id(), id, &month.name).await?;
    let attachment = format!("attachment; filename=\"clocks-{}.csv\"", month.name);
    let mut response = (StatusCode::OK, file).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(attachment) = HeaderValue::from_str(&attachment) {
        headers.insert(header::CONTENT_DISPOSITION, attachment);
    }
    Ok(response)
}

// ---- what contracts ask for --------------------------------------------------------------------

#[derive(Serialize, ToSchema)]
pub(super) struct TargetsView {
    /// In force now, for the node or one above it.
    targets: Vec<TargetView>,
    /// Who has a contract there.
    providers: Vec<ProviderView>,
}

/// What contracts ask for in a node, besides the published standards
#[utoipa::path(
    get, path = "/api/v1/nodes/{id}/targets", tag = "clocks",
    responses((status = 200, body = TargetsView)),
    security(("session" = ["see"])),
)]
pub(super) async fn targets(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
) -> Result<Json<TargetsView>, ApiError> {
    let mut moment = api.moment().await?;
    let month = store::month(&mut moment, id, None, &who.scope).await?.ok_or(ApiError::NotFound("node"))?;
    Ok(Json(listed(&mut moment, id, month.now).await?))
}

async fn listed(conn: &mut sqlx::PgConnection, node: Uuid, now: Timestamp) -> Result<TargetsView, ApiError> {
    let agreed = store::targets(conn, node, now).await?;
    let providers = store::providers(conn, node).await?;
    Ok(TargetsView {
        targets: agreed.into_iter().map(|agreed| Wanted::Agreed(agreed).view()).collect(),
        providers: providers.into_iter().map(|(id, name)| ProviderView { id, name }).collect(),
    })
}

#[derive(Deserialize, ToSchema)]
#[schema(as = TargetDraft)]
pub(super) struct Draft {
    /// Where it is written: the contract's name or number.
    source: Words<200>,
    #[serde(default)]
    #[schema(schema_with = maybe_id_schema)]
    provider: Option<Uuid>,
    #[schema(schema_with = word_schema::<Clock>)]
    clock: String,
    #[schema(schema_with = word_schema::<Calls>)]
    calls: String,
    /// Above 0, at most 1, up to four places: 0.95 is 95 %.
    #[schema(minimum = 0.0001, maximum = 1)]
    share: f64,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 2_678_400)]
    within_s: i64,
}

impl Draft {
    fn target(&self) -> Result<Target, ApiError> {
        let bad = |field, why: &dyn ToString| ApiError::BadField { field, why: why.to_string() };
        let clock = Clock::parse(&self.clock).map_err(|why| bad("clock", &why))?;
        let calls = Calls::parse(&self.calls).map_err(|why| bad("calls", &why))?;
        Target::new(clock, calls, self.share, self.within_s).map_err(|why| match why {
            BadTarget::Share(_) => bad("share", &why),
            BadTarget::Within => bad("within_s", &why),
        })
    }
}

/// Adds a contract's own target, from now on
#[utoipa::path(
    post, path = "/api/v1/nodes/{id}/targets", tag = "clocks",
    request_body = Draft,
    responses((status = 201, body = TargetsView), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn agree(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(draft): Told<Draft>,
) -> Result<(StatusCode, Json<TargetsView>), ApiError> {
    let target = draft.target()?;
    let mut tx = api.begin().await?;
    let month = store::month(&mut tx, id, None, &who.scope).await?.ok_or(ApiError::NotFound("node"))?;
    let provider = draft.provider.map(ProviderId);
    if let Some(provider) = provider
        && !store::is_contracted(&mut tx, provider, id).await?
    {
        return Err(ApiError::BadField { field: "provider", why: "it has no contract there".into() });
    }
    if store::targets(&mut tx, id, month.now).await?.len() >= TARGETS_MAX {
        return Err(ApiError::BadField { field: "source", why: format!("there are {TARGETS_MAX} targets already") });
    }
    let new = NewTarget { node: id, provider, source: draft.source.into_inner(), target };
    store::agree(&mut tx, &new, who.id().0).await?;
    let view = listed(&mut tx, id, month.now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Ends a contract's own target
///
/// The evidence of months in which it was in force to the end still goes by it.
#[utoipa::path(
    delete, path = "/api/v1/targets/{id}", tag = "clocks",
    responses((status = 204, description = "It is over")),
    security(("session" = ["administer"])),
)]
pub(super) async fn end(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
) -> Result<StatusCode, ApiError> {
    if store::end(&mut *api.conn().await?, id, &who.scope, who.id().0).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound("target"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_one_spelling() {
        assert_eq!(Named::read("2026-03"), Some(Named(2026, 3)));
        for text in
            ["", "2026", "2026-3", "2026-13", "2026-00", "1999-12", "2200-01", "+026-03", "2026-03-01", "２０２６-03"]
        {
            assert_eq!(Named::read(text), None, "{text:?}");
        }
    }
}
