//! What is usual of residents: what was learnt, who chose what, and what is told of it.

pub mod learning;
pub mod suspicions;

use std::collections::HashMap;

use domain::id::{IncidentId, ResidentId, UserId};
use domain::place::{Metres, Position};
use domain::rules::Calendar;
use domain::usual::{ByHour, Counts, Habits, Place, likely_places};
use domain::word::Word as _;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{StoreError, facts, fence_rules};

/// A place where a resident stays again and again.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = UsualPlace)]
pub struct PlaceView {
    /// The most usual is 0.
    pub number: i16,
    /// Degrees, WGS-84.
    pub lat: f64,
    /// Degrees, WGS-84.
    pub lon: f64,
    /// How far it reaches.
    pub radius_m: f32,
    /// Where they are at night.
    pub home: bool,
    /// The first day on which they were seen there.
    #[schema(value_type = String, format = Date)]
    pub first_day: jiff::civil::Date,
    /// The last.
    #[schema(value_type = String, format = Date)]
    pub last_day: jiff::civil::Date,
    /// On how many days they were.
    pub days: i32,
    /// On how many days that are worked around each hour, from midnight.
    pub working: Vec<i16>,
    /// On how many days off.
    pub off: Vec<i16>,
}

/// What is usual of a resident, and whether it is learnt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct UsualView {
    /// Whether it is learnt of anybody here: a setting of the installation.
    pub installation: bool,
    /// Whether it is learnt of this resident.
    pub on: bool,
    /// What somebody chose; null: it is learnt while they have a safe area.
    pub chosen: Option<bool>,
    /// Counts the choices.
    pub version: i32,
    /// When it was learnt; null: not yet.
    pub learnt_at: Option<Timestamp>,
    /// Of how many days something is known.
    pub days: i32,
    /// After so many days an hour is judged.
    pub days_min: u16,
    /// Of how many days that are worked something is known around each hour, from midnight.
    pub known_working: Vec<i16>,
    /// The same of days off.
    pub known_off: Vec<i16>,
    /// On how many of those they were not at home around it.
    pub away_working: Vec<i16>,
    /// The same of days off.
    pub away_off: Vec<i16>,
    /// Where they stay, the most usual first.
    pub places: Vec<PlaceView>,
}

/// What is usual of a resident.
pub async fn of_resident(conn: &mut PgConnection, resident: Uuid, installation: bool) -> Result<UsualView, StoreError> {
    let row = sqlx::query!(
        "select chosen, version, learnt_at, days, known_working, known_off, away_working, away_off
         from usual where resident_id = $1",
        resident
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else {
        return Ok(UsualView { installation, days_min: domain::usual::DAYS_MIN, ..UsualView::default() });
    };
    let places = sqlx::query!(
        r#"select number, st_y(middle::geometry) as "lat!", st_x(middle::geometry) as "lon!", radius_m, home,
            first_day as "first_day!: jiff_sqlx::Date", last_day as "last_day!: jiff_sqlx::Date", days, working, day_off
         from usual_place where resident_id = $1 order by number"#,
        resident
    )
    .fetch_all(conn)
    .await?;
    Ok(UsualView {
        installation,
        on: installation && row.chosen != Some(false),
        chosen: row.chosen,
        version: row.version,
        learnt_at: row.learnt_at.map(jiff_sqlx::Timestamp::to_jiff),
        days: row.days,
        days_min: domain::usual::DAYS_MIN,
        known_working: row.known_working.unwrap_or_default(),
        known_off: row.known_off.unwrap_or_default(),
        away_working: row.away_working.unwrap_or_default(),
        away_off: row.away_off.unwrap_or_default(),
        places: places
            .into_iter()
            .map(|row| PlaceView {
                number: row.number,
                lat: row.lat,
                lon: row.lon,
                radius_m: row.radius_m,
                home: row.home,
                first_day: row.first_day.to_jiff(),
                last_day: row.last_day.to_jiff(),
                days: row.days,
                working: row.working,
                off: row.day_off,
            })
            .collect(),
    })
}

/// Chooses whether it is learnt what is usual of a resident, over the version that was seen; the caller has locked the
/// resident. What was learnt goes when it is not to be any more. Whether it was that version.
pub async fn choose(
    conn: &mut PgConnection,
    resident: ResidentId,
    (chosen, version): (Option<bool>, i32),
    by: UserId,
) -> Result<bool, StoreError> {
    let saved = sqlx::query_scalar!(
        "insert into usual as u (resident_id, chosen, chosen_by, chosen_at, version, learn_at)
         select $1, $2, $3, case when $2::boolean is not null then clock_timestamp() end, 1,
            case when $2 = false then 'infinity' else clock_timestamp() end
         where $4 = 0 or exists (select from usual known where known.resident_id = $1)
         on conflict (resident_id) do update set
            chosen = excluded.chosen, chosen_by = excluded.chosen_by, chosen_at = excluded.chosen_at,
            version = u.version + 1, learn_at = excluded.learn_at,
            learnt_at = case when $2 = false then null else u.learnt_at end,
            days = case when $2 = false then 0 else u.days end,
            known_working = case when $2 = false then null else u.known_working end,
            known_off = case when $2 = false then null else u.known_off end,
            away_working = case when $2 = false then null else u.away_working end,
            away_off = case when $2 = false then null else u.away_off end,
            look_at = case when $2 = false then 'infinity' else u.look_at end
         where u.version = $4
         returning version",
        resident.0,
        chosen,
        by.0,
        version,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if saved.is_none() {
        return Ok(false);
    }
    if chosen == Some(false) {
        forget(conn, &[resident.0]).await?;
    }
    let data = serde_json::json!({ "chosen": chosen });
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id, data)
         values ($1, 'chose_usual', $2::uuid::text, $2, $3)",
        by.0,
        resident.0,
        data,
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// Deletes what was learnt of these residents, and what was suspected by it; how many rows that were.
pub(super) async fn forget(conn: &mut PgConnection, residents: &[Uuid]) -> Result<u64, StoreError> {
    let mut rows = 0;
    rows += sqlx::query!("delete from usual_suspicion where resident_id = any($1)", residents)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    rows += sqlx::query!("delete from usual_place where resident_id = any($1)", residents)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    rows += sqlx::query!("delete from usual_stay where resident_id = any($1)", residents)
        .execute(conn)
        .await?
        .rows_affected();
    Ok(rows)
}

/// Deletes what was learnt of anybody, so many residents at a time, because it is switched off here; how many they were.
/// What was chosen for them stays.
pub async fn forget_all(conn: &mut PgConnection, count_max: i64) -> Result<usize, StoreError> {
    let residents = sqlx::query_scalar!(
        "with held as (
            select resident_id from usual where learnt_at is not null
                or exists (select from usual_stay s where s.resident_id = usual.resident_id)
            order by resident_id limit $1 for update skip locked)
         update usual u set learnt_at = null, days = 0, known_working = null, known_off = null, away_working = null,
            away_off = null, look_at = 'infinity',
            learn_at = case when u.chosen is false then 'infinity' else clock_timestamp() end
         from held h where u.resident_id = h.resident_id returning u.resident_id",
        count_max
    )
    .fetch_all(&mut *conn)
    .await?;
    forget(conn, &residents).await?;
    Ok(residents.len())
}

/// What is usual of somebody, and the calendar where they live.
#[derive(Debug, Clone)]
pub struct Known {
    /// What was learnt.
    pub habits: Habits,
    /// Clocks and days off.
    pub calendar: Calendar,
}

/// What was learnt of these residents; those of whom nothing was are left out.
pub async fn known(conn: &mut PgConnection, residents: &[Uuid]) -> Result<HashMap<Uuid, Known>, StoreError> {
    let rows = sqlx::query!(
        r#"select resident_id, days, known_working as "known_working!", known_off as "known_off!",
            away_working as "away_working!", away_off as "away_off!"
         from usual where resident_id = any($1) and learnt_at is not null"#,
        residents
    )
    .fetch_all(&mut *conn)
    .await?;
    let learnt: Vec<Uuid> = rows.iter().map(|row| row.resident_id).collect();
    let mut calendars = fence_rules::calendars(conn, &learnt).await?;
    let mut known: HashMap<Uuid, Known> = HashMap::with_capacity(rows.len());
    for row in rows {
        let Some(calendar) = calendars.remove(&row.resident_id) else { continue };
        let habits = Habits {
            days: u16::try_from(row.days).unwrap_or_default(),
            known: Counts { working: by_hour(&row.known_working), off: by_hour(&row.known_off) },
            away: Counts { working: by_hour(&row.away_working), off: by_hour(&row.away_off) },
            places: Vec::new(),
            home: None,
        };
        known.insert(row.resident_id, Known { habits, calendar });
    }
    let places = sqlx::query!(
        r#"select resident_id, st_y(middle::geometry) as "lat!", st_x(middle::geometry) as "lon!", radius_m, home,
            first_day as "first_day!: jiff_sqlx::Date", last_day as "last_day!: jiff_sqlx::Date", days, working, day_off
         from usual_place where resident_id = any($1) order by resident_id, number"#,
        &learnt
    )
    .fetch_all(conn)
    .await?;
    for row in places {
        let (Some(known), Ok(middle)) = (known.get_mut(&row.resident_id), Position::new(row.lat, row.lon)) else {
            continue;
        };
        if row.home {
            known.habits.home = Some(known.habits.places.len());
        }
        known.habits.places.push(Place {
            middle,
            radius: Metres(row.radius_m.into()),
            first_day: row.first_day.to_jiff(),
            last_day: row.last_day.to_jiff(),
            days: u16::try_from(row.days).unwrap_or_default(),
            seen: Counts { working: by_hour(&row.working), off: by_hour(&row.day_off) },
        });
    }
    Ok(known)
}

fn by_hour(counts: &[i16]) -> ByHour {
    let mut by_hour = ByHour::default();
    for (hour, count) in by_hour.iter_mut().zip(counts) {
        *hour = u16::try_from(*count).unwrap_or_default();
    }
    by_hour
}

/// A place where somebody who is missing may be, and why.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LikelyPlace {
    /// Degrees, WGS-84.
    pub lat: f64,
    /// Degrees, WGS-84.
    pub lon: f64,
    /// How far it reaches.
    pub radius_m: f64,
    /// Where they are at night.
    pub home: bool,
    /// How far from where they were last seen; null when nobody knows.
    pub distance_m: Option<f64>,
    /// On how many days they were seen there.
    pub days: u16,
    /// Of how many that are known.
    pub of_days: u16,
    /// The last day.
    #[schema(value_type = String, format = Date)]
    pub last_day: jiff::civil::Date,
    /// The hour that it is where they live, when enough is known of it.
    pub hour: Option<u8>,
    /// Which days are counted of that hour: `working`, `off`, `both`.
    pub hour_of: Option<&'static str>,
    /// On how many of them they were there around it.
    pub hour_days: Option<u16>,
    /// Of how many.
    pub hour_known: Option<u16>,
    /// How likely it is beside the others, from 0 to 1.
    pub weight: f64,
}

/// Where to look first for the persons of these open cases of somebody missing, or not heard of: the likeliest first.
pub async fn likely(
    conn: &mut PgConnection,
    incidents: &[Uuid],
) -> Result<HashMap<IncidentId, Vec<LikelyPlace>>, StoreError> {
    if incidents.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"select i.id, i.resident_id as "resident_id!", st_y(p.place::geometry) as lat, st_x(p.place::geometry) as lon
         from incident i left join incident_place p on p.incident_id = i.id and p.source is distinct from 'home'
         where i.id = any($1) and i.resident_id is not null and i.closed_at is null
            and i.class in ('wandering', 'welfare')"#,
        incidents
    )
    .fetch_all(&mut *conn)
    .await?;
    let residents: Vec<Uuid> = rows.iter().map(|row| row.resident_id).collect();
    let known = known(conn, &residents).await?;
    let now = facts::now(conn).await?;
    let mut likely = HashMap::new();
    for row in rows {
        let Some(Known { habits, calendar }) = known.get(&row.resident_id) else { continue };
        let from = row.lat.zip(row.lon).and_then(|(lat, lon)| Position::new(lat, lon).ok());
        let places = likely_places(habits, calendar, now, from).into_iter().filter_map(|one| {
            let place = habits.places.get(one.place)?;
            Some(LikelyPlace {
                lat: place.middle.lat_deg(),
                lon: place.middle.lon_deg(),
                radius_m: place.radius.0,
                home: habits.home == Some(one.place),
                distance_m: one.distance.map(|distance| distance.0.round()),
                days: place.days,
                of_days: habits.days,
                last_day: place.last_day,
                hour: one.around.map(|(around, _)| around.hour),
                hour_of: one.around.map(|(around, _)| around.of.as_str()),
                hour_days: one.around.map(|(_, there)| there),
                hour_known: one.around.map(|(around, _)| around.known),
                weight: (one.weight * 100.0).round() / 100.0,
            })
        });
        likely.insert(IncidentId(row.id), places.collect());
    }
    Ok(likely)
}
