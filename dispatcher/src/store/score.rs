//! What is counted of providers' work, what their contracts ask for, and how they stand by it. What that means is
//! [`domain::score`]'s.
//!
//! A case counts for the days on which somebody was asked to go to it; drills count for nothing.

use std::collections::HashMap;

use domain::id::{ProviderId, UserId};
use domain::score::{self, Breach, Card, Counts, Estimate, Floors, Ratings};
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{StoreError, facts};
use crate::access::Scope;

/// Standings are judged by so many days: a month of whatever length.
const STANDING_DAYS: i64 = 30;
/// And judged anew after this long.
const JUDGED_FOR_S: f64 = 3600.0;
/// So many at a time.
const JUDGED_AT_ONCE: i64 = 20;

/// The days of which something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From here on.
    pub since: Timestamp,
    /// Up to here, which is no part of it.
    pub until: Timestamp,
}

/// A month of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// Which year.
    pub year: i32,
    /// Which month, from 1.
    pub month: i32,
}

/// A month as the district has it, in its own time; the one that is now when none is said.
pub async fn month(conn: &mut PgConnection, month: Option<Month>) -> Result<(Month, Period), StoreError> {
    let row = sqlx::query!(
        r#"select extract(year from first)::integer as "year!", extract(month from first)::integer as "month!",
            first::timestamp at time zone time_zone as "since!",
            (first + interval '1 month') at time zone time_zone as "until!"
         from (select time_zone, coalesce(make_date($1, $2, 1),
                date_trunc('month', now() at time zone time_zone)::date) as first
            from org_node where parent_id is null) root"#,
        month.map(|month| month.year),
        month.map(|month| month.month),
    )
    .fetch_one(conn)
    .await?;
    let period = Period { since: row.since.to_jiff(), until: row.until.to_jiff() };
    Ok((Month { year: row.year, month: row.month }, period))
}

/// Counts what providers did in a period; where, when a scope is said.
pub async fn count(
    conn: &mut PgConnection,
    providers: &[ProviderId],
    period: Period,
    scope: Option<&Scope>,
) -> Result<HashMap<ProviderId, Counts>, StoreError> {
    let ids: Vec<Uuid> = providers.iter().map(|provider| provider.0).collect();
    let rows = sqlx::query!(
        r#"with counted as (
            select r.provider_id, o.incident_id, o.state, o.accepted_at, o.promised_at, o.arrived_at,
                coalesce(o.arrived_at, o.finished_at) is not null as served
            from offer o
            join responder r on r.id = o.responder_id
            join incident i on i.id = o.incident_id
            where r.provider_id = any($1) and o.asked_at >= $2 and o.asked_at < $3 and not i.drill
                and ($4::uuid[] is null or nodes_above(i.node_id, i.resident_id) && $4)
         ), rated as (
            select c.provider_id, g.stars, g.complaint
            from (select distinct provider_id, incident_id from counted where served) c
            join rating g on g.incident_id = c.incident_id
         ), worked as (
            select provider_id,
                count(*) filter (where accepted_at is not null or state in ('declined', 'silent')) as asked,
                count(*) filter (where accepted_at is not null) as accepted,
                count(distinct incident_id) filter (where served) as served,
                -- Who is not needed any more has left nobody.
                count(*) filter (where accepted_at is not null and not served
                    and state not in ('asked', 'accepted', 'on_the_way', 'withdrawn')) as gone,
                coalesce(array_agg(extract(epoch from arrived_at - promised_at)::float8)
                    filter (where arrived_at is not null and promised_at is not null), '{}') as lateness_s
            from counted group by provider_id
         )
         select provider_id as "provider_id!", asked as "asked!", accepted as "accepted!", served as "served!",
            gone as "gone!", lateness_s as "lateness_s!",
            (select count(*) from rated g where g.provider_id = w.provider_id and g.complaint is not null)
                as "complaints!",
            (select array_agg((select count(*) from rated g where g.provider_id = w.provider_id and g.stars = s)
                order by s) from generate_series(1, 5) s) as "ratings!"
         from worked w"#,
        &ids,
        period.since.to_sqlx(),
        period.until.to_sqlx(),
        scope.map(Scope::nodes) as Option<&[Uuid]>,
    )
    .fetch_all(conn)
    .await?;
    let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut ratings = Ratings::default();
            for (slot, count) in ratings.0.iter_mut().zip(row.ratings) {
                *slot = number(count);
            }
            let counts = Counts {
                asked: number(row.asked),
                accepted: number(row.accepted),
                served: number(row.served),
                left: number(row.gone),
                lateness: row.lateness_s.into_iter().map(seconds).collect(),
                complaints: number(row.complaints),
                ratings,
            };
            (ProviderId(row.provider_id), counts)
        })
        .collect())
}

fn seconds(lateness_s: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(lateness_s).unwrap_or_default()
}

/// What a provider's contracts ask for. Shares lie between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FloorsView {
    /// The least share of offers accepted.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub acceptance_min: Option<f64>,
    /// The least share of arrivals no later than promised and five minutes.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub on_time_min: Option<f64>,
    /// The least share of accepted cases seen through.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub completion_min: Option<f64>,
    /// The greatest share of cases complained of.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub complaints_max: Option<f64>,
    /// The least number of stars.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 5)]
    pub rating_min: Option<f64>,
}

impl FloorsView {
    /// The name of a number that cannot be, and between what it must lie.
    pub fn impossible(&self) -> Option<(&'static str, &'static str)> {
        let share = |floor: Option<f64>| floor.is_none_or(|floor| (0.0..=1.0).contains(&floor));
        let stars = |floor: Option<f64>| floor.is_none_or(|floor| (1.0..=5.0).contains(&floor));
        let (between, stars_between) = ("a share from 0 to 1", "a number from 1 to 5");
        [
            (share(self.acceptance_min), "acceptance_min", between),
            (share(self.on_time_min), "on_time_min", between),
            (share(self.completion_min), "completion_min", between),
            (share(self.complaints_max), "complaints_max", between),
            (stars(self.rating_min), "rating_min", stars_between),
        ]
        .into_iter()
        .find_map(|(is_possible, name, why)| (!is_possible).then_some((name, why)))
    }
}

impl From<FloorsView> for Floors {
    fn from(view: FloorsView) -> Self {
        let FloorsView { acceptance_min, on_time_min, completion_min, complaints_max, rating_min } = view;
        Self { acceptance_min, on_time_min, completion_min, complaints_max, rating_min }
    }
}

/// What the contracts of providers that are in force now ask for: of several the strictest.
async fn floors(
    conn: &mut PgConnection,
    providers: &[ProviderId],
) -> Result<HashMap<ProviderId, FloorsView>, StoreError> {
    let ids: Vec<Uuid> = providers.iter().map(|provider| provider.0).collect();
    let rows = sqlx::query!(
        "select provider_id, max(acceptance_min) as acceptance_min, max(on_time_min) as on_time_min,
            max(completion_min) as completion_min, min(complaints_max) as complaints_max,
            max(rating_min) as rating_min
         from contract
         where provider_id = any($1) and since <= current_date and (until is null or until >= current_date)
         group by provider_id",
        &ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let floors = FloorsView {
                acceptance_min: row.acceptance_min,
                on_time_min: row.on_time_min,
                completion_min: row.completion_min,
                complaints_max: row.complaints_max,
                rating_min: row.rating_min,
            };
            (ProviderId(row.provider_id), floors)
        })
        .collect())
}

/// Writes what a provider's contracts ask for, and judges by it at once. `false`: there is no such provider in the
/// scope, or it has no contract.
pub async fn set_floors(
    conn: &mut PgConnection,
    provider: ProviderId,
    floors: &FloorsView,
    scope: &Scope,
    by: UserId,
) -> Result<bool, StoreError> {
    let set = sqlx::query!(
        "update contract set acceptance_min = $2, on_time_min = $3, completion_min = $4, complaints_max = $5,
            rating_min = $6
         where provider_id = $1 and (until is null or until >= current_date)
            and exists (select from provider p where p.id = $1 and lies_below(p.node_id, $7))",
        provider.0,
        floors.acceptance_min,
        floors.on_time_min,
        floors.completion_min,
        floors.complaints_max,
        floors.rating_min,
        scope.nodes(),
    )
    .execute(&mut *conn)
    .await?;
    if set.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "insert into audit (user_id, what, about, data) values ($1, 'set_floors', $2, $3)",
        by.0,
        provider.to_string(),
        serde_json::json!(floors),
    )
    .execute(&mut *conn)
    .await?;
    stand(conn, &[provider]).await?;
    Ok(true)
}

/// Judges those anew whose turn it is. Says how many.
pub async fn stand_due(conn: &mut PgConnection) -> Result<usize, StoreError> {
    let due = sqlx::query_scalar!(
        r#"select distinct p.id as "id!" from provider p
         left join provider_standing s on s.provider_id = p.id
         where (s.judged_at is null or s.judged_at < now() - make_interval(secs => $1))
            and (s.flagged_since is not null or exists (select from contract c where c.provider_id = p.id
                and num_nonnulls(acceptance_min, on_time_min, completion_min, complaints_max, rating_min) > 0))
         limit $2"#,
        JUDGED_FOR_S,
        JUDGED_AT_ONCE,
    )
    .fetch_all(&mut *conn)
    .await?;
    let due: Vec<ProviderId> = due.into_iter().map(ProviderId).collect();
    if !due.is_empty() {
        stand(conn, &due).await?;
    }
    Ok(due.len())
}

/// Judges how providers stand by the last month, and keeps it.
async fn stand(conn: &mut PgConnection, providers: &[ProviderId]) -> Result<(), StoreError> {
    let now = facts::now(conn).await?;
    let period = Period { since: now - SignedDuration::from_hours(24 * STANDING_DAYS), until: now };
    let counts = count(conn, providers, period, None).await?;
    let floors = floors(conn, providers).await?;
    for provider in providers {
        let card = score::card(&counts.get(provider).cloned().unwrap_or_default());
        let breaches = score::judge(&card, &floors.get(provider).copied().unwrap_or_default().into());
        let measures: Vec<String> = breaches.iter().map(|breach| breach.measure.as_str().to_owned()).collect();
        sqlx::query!(
            "insert into provider_standing as s (provider_id, judged_at, flagged_since, breaches, handicap_s)
             values ($1, $2, case when $3::text[] = '{}' then null else $2::timestamptz end, $3, $4)
             on conflict (provider_id) do update set judged_at = excluded.judged_at,
                flagged_since = case when excluded.flagged_since is not null
                    then coalesce(s.flagged_since, excluded.flagged_since) end,
                breaches = excluded.breaches, handicap_s = excluded.handicap_s",
            provider.0,
            now.to_sqlx(),
            &measures,
            score::handicap(&breaches).as_secs_f64(),
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// How much later than they would the people of these providers are taken to arrive when somebody is to be asked first.
/// Who is not in it keeps the contract, or has none that asks for anything. One look at a small table: for decisions.
pub async fn handicaps(
    conn: &mut PgConnection,
    providers: &[ProviderId],
) -> Result<HashMap<ProviderId, SignedDuration>, StoreError> {
    let ids: Vec<Uuid> = providers.iter().map(|provider| provider.0).collect();
    let rows = sqlx::query!(
        "select provider_id, handicap_s from provider_standing where provider_id = any($1) and handicap_s > 0",
        &ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (ProviderId(row.provider_id), seconds(row.handicap_s))).collect())
}

/// A number with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct EstimateView {
    /// The best guess: a share from 0 to 1, or stars from 1 to 5.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How many cases it rests upon.
    pub cases: u32,
}

impl From<Estimate> for EstimateView {
    fn from(Estimate { value, low, high, cases }: Estimate) -> Self {
        Self { value, low, high, cases }
    }
}

/// A floor that a provider is under beyond doubt.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BreachView {
    /// Of what: `acceptance`, `on_time`, `completion`, `complaints`, `rating`.
    pub code: &'static str,
    /// The reason as a sentence.
    pub message: String,
    /// What the contract asks for.
    pub floor: f64,
}

impl From<&Breach> for BreachView {
    fn from(breach: &Breach) -> Self {
        Self { code: breach.measure.as_str(), message: breach.sentence(), floor: breach.floor }
    }
}

/// How a provider stands by the last thirty days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct StandingView {
    /// Since when they are to be replaced.
    pub flagged_since: Timestamp,
    /// How much later than they would they are taken to arrive when somebody is to be asked first.
    pub handicap_s: f64,
}

/// A provider's score card of a month.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScoreCardView {
    /// The provider.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether the caller may change what its contracts ask for.
    pub editable: bool,
    /// Offers that were answered, or were not in time.
    pub asked: u32,
    /// Cases seen through.
    pub served: u32,
    /// Offers accepted, of those asked.
    pub acceptance: Option<EstimateView>,
    /// Arrivals no later than promised and five minutes.
    pub on_time: Option<EstimateView>,
    /// How late the middle one of the arrivals was, in seconds; negative: early.
    pub lateness_median_s: Option<i64>,
    /// Cases seen through, of those accepted.
    pub completion: Option<EstimateView>,
    /// Cases complained of, of those served.
    pub complaints: Option<EstimateView>,
    /// Stars, shrunk towards an ordinary provider's 4.5 by ten presumed ratings.
    pub rating: Option<EstimateView>,
    /// How many ratings of one to five stars there are.
    pub stars: Vec<u32>,
    /// What the contracts ask for.
    pub floors: FloorsView,
    /// What of it the month broke, beyond doubt. Anything: to be replaced.
    pub breaches: Vec<BreachView>,
    /// How it stands now, when it is flagged for replacement.
    pub standing: Option<StandingView>,
}

/// Providers that belong into a scope, or have a contract there: how their work was there in a period.
pub async fn cards(conn: &mut PgConnection, scope: &Scope, period: Period) -> Result<Vec<ScoreCardView>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.id as "id!", p.name as "name!", lies_below(p.node_id, $1) as "editable!",
            s.flagged_since as "flagged_since?", s.handicap_s as "handicap_s?"
         from provider p left join provider_standing s on s.provider_id = p.id
         where lies_below(p.node_id, $1)
            or exists (select from contract c where c.provider_id = p.id and lies_below(c.node_id, $1))
         order by p.name, p.id"#,
        scope.nodes(),
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<ProviderId> = rows.iter().map(|row| ProviderId(row.id)).collect();
    let counts = count(conn, &ids, period, Some(scope)).await?;
    let floors = floors(conn, &ids).await?;
    let cards = rows.into_iter().map(|row| {
        let id = ProviderId(row.id);
        let counts = counts.get(&id).cloned().unwrap_or_default();
        let floors = floors.get(&id).copied().unwrap_or_default();
        let card = score::card(&counts);
        let breaches = score::judge(&card, &floors.into());
        let Card { acceptance, on_time, lateness_median, completion, complaints, rating } = card;
        ScoreCardView {
            id: row.id,
            name: row.name,
            editable: row.editable,
            asked: counts.asked,
            served: counts.served,
            acceptance: acceptance.map(EstimateView::from),
            on_time: on_time.map(EstimateView::from),
            lateness_median_s: lateness_median.map(|late| late.as_secs()),
            completion: completion.map(EstimateView::from),
            complaints: complaints.map(EstimateView::from),
            rating: rating.map(EstimateView::from),
            stars: counts.ratings.0.into(),
            floors,
            breaches: breaches.iter().map(BreachView::from).collect(),
            standing: row
                .flagged_since
                .zip(row.handicap_s)
                .map(|(since, handicap_s)| StandingView { flagged_since: since.to_jiff(), handicap_s }),
        }
    });
    Ok(cards.collect())
}
