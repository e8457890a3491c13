//! Learning what is usual of a resident: positions of days that are over become stays, and stays places.
//!
//! Of each day the positions are read once and come down to a few stays; what is learnt each day is learnt from the stays
//! alone. So the cost a day is that of one day's positions and of some hundred stays, however long somebody is known.

use domain::place::{Metres, Position};
use domain::usual::{Counts, Ground, Habits, Stay};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::StoreError;

/// So many days are learnt from, the latest ones; fewer where positions are kept for less long.
pub const DAYS_MAX: i32 = 90;
/// What is told so much later does not count any more.
const LATE_MAX_S: f64 = 12.0 * 3_600.0;
/// A position that may be off by more does not tell one place from the next.
const ACCURACY_MAX_M: f32 = 100.0;
/// That of one that does not say.
const ACCURACY_UNSAID_M: f32 = 50.0;
/// Two quarters of an hour are one stay when they lie so near, and nothing is missing between them for longer.
const STAY_M: f64 = 100.0;
/// Three hours, in quarters.
const STAY_GAP_MAX: i16 = 12;
/// Stays that lie so near to each other are at one place, where there are so many.
const GROUND_M: f64 = 75.0;
const GROUND_STAYS_MIN: i32 = 3;
/// How large a place is at least and at most.
const RADIUS_M: (f64, f64) = (75.0, 300.0);
/// So many places are told apart.
const GROUNDS_MAX: i64 = 20;

/// Somebody whose habits are to be learnt; their row is locked.
#[derive(Debug, Clone)]
pub struct Due {
    /// Who.
    pub resident: Uuid,
    /// Whether there still is a reason: a safe area, or that somebody chose it.
    pub is_wanted: bool,
    /// The clock where they live.
    pub zone: String,
    /// The first day of which nothing is known yet, as it begins there.
    pub from: Timestamp,
    /// The end of the last day that is over.
    pub until: Timestamp,
    /// The first day that still counts.
    pub first_day: Date,
}

/// Who has waited longest to be learnt; nobody whom another dispatcher has taken.
pub async fn next_due(conn: &mut PgConnection, days_max: i32) -> Result<Option<Due>, StoreError> {
    let row = sqlx::query!(
        r#"with due as (
            -- Said twice, because the index is of those only whose time may come.
            select resident_id, chosen from usual where learn_at <= statement_timestamp() and learn_at < 'infinity'
            order by learn_at limit 1 for update skip locked),
         span as (
            select d.resident_id, d.chosen, z.zone, (statement_timestamp() at time zone z.zone)::date as today,
                (select max(s.day) from usual_stay s where s.resident_id = d.resident_id) as known
            from due d join resident r on r.id = d.resident_id
            cross join lateral (select zone_of(r.serving_node) as zone) z)
         select resident_id,
            (chosen is true or (chosen is null and exists (select from fence f
                where f.resident_id = s.resident_id and f.kind = 'safe' and f.active))) as "is_wanted!",
            zone as "zone!", greatest(today - $1::integer, known + 1)::timestamp at time zone zone as "from!",
            today::timestamp at time zone zone as "until!", today - $1::integer as "first_day!: jiff_sqlx::Date"
         from span s"#,
        days_max,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Due {
        resident: row.resident_id,
        is_wanted: row.is_wanted,
        zone: row.zone,
        from: row.from.to_jiff(),
        until: row.until.to_jiff(),
        first_day: row.first_day.to_jiff(),
    }))
}

/// Nobody wants it any more, and nobody chose anything.
pub async fn drop_unwanted(conn: &mut PgConnection, resident: Uuid) -> Result<(), StoreError> {
    sqlx::query!("delete from usual where resident_id = $1", resident).execute(conn).await?;
    Ok(())
}

/// It is tried again after so many seconds.
pub async fn put_off(conn: &mut PgConnection, resident: Uuid, seconds: f64) -> Result<(), StoreError> {
    sqlx::query!(
        "update usual set learn_at = clock_timestamp() + make_interval(secs => $2)
         where resident_id = $1 and learn_at < 'infinity'",
        resident,
        seconds
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes stays of the positions of days that are over, and forgets days that count no more; how many stays are new.
///
/// Of each quarter of an hour the surest position is taken; quarters at one place are one stay. Cells tell no places apart.
pub async fn note_stays(conn: &mut PgConnection, due: &Due) -> Result<u64, StoreError> {
    sqlx::query!(
        "delete from usual_stay where resident_id = $1 and day < $2",
        due.resident,
        due.first_day.to_sqlx() as jiff_sqlx::Date,
    )
    .execute(&mut *conn)
    .await?;
    if due.from >= due.until {
        return Ok(0);
    }
    let noted = sqlx::query!(
        "insert into usual_stay (resident_id, day, begins, ends, place)
         with worn as (
            select terminal_id, since, coalesce(until, 'infinity') as until from terminal_assignment
            where resident_id = $1 and since < $3 and (until is null or until > $2)),
         told as (
            select distinct on (q.day, q.quarter) q.day, q.quarter, f.place::geometry as place
            from worn w
            join fix f on f.terminal_id = w.terminal_id and f.received_at >= w.since and f.received_at < w.until
                and f.received_at >= $2 and f.received_at < $3::timestamptz + make_interval(secs => $5)
            cross join lateral (select
                case when f.device_at between f.received_at - make_interval(secs => $5)
                    and f.received_at + interval '5 minutes' then f.device_at else f.received_at end as at) t
            cross join lateral (select t.at at time zone $4 as local) l
            cross join lateral (select l.local::date as day,
                (extract(hour from l.local) * 4 + floor(extract(minute from l.local) / 15))::smallint as quarter) q
            where t.at >= $2 and t.at < $3 and f.source in ('gnss', 'wifi', 'beacon', 'unknown')
                and coalesce(f.accuracy_m, $6) <= $7
            order by q.day, q.quarter, coalesce(f.accuracy_m, $6), t.at),
         steps as (
            select *, case when quarter - lag(quarter) over day_ <= $9
                and st_distancesphere(place, lag(place) over day_) <= $8 then 0 else 1 end as fresh
            from told window day_ as (partition by day order by quarter)),
         stays as (
            select *, sum(fresh) over (partition by day order by quarter) as stay from steps)
         select $1, day, min(quarter), max(quarter), st_centroid(st_collect(place))::geography
         from stays group by day, stay
         on conflict (resident_id, day, begins) do nothing",
        due.resident,
        due.from.to_sqlx(),
        due.until.to_sqlx(),
        due.zone,
        LATE_MAX_S,
        ACCURACY_UNSAID_M,
        ACCURACY_MAX_M,
        STAY_M,
        STAY_GAP_MAX,
    )
    .execute(conn)
    .await?;
    Ok(noted.rows_affected())
}

/// Where a resident's stays lie close together, those first that were made on most days.
pub async fn grounds(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<Ground>, StoreError> {
    // In metres on a plane that touches the earth where they are: degrees are not the same both ways.
    let rows = sqlx::query!(
        r#"with rests as (
            select s.day, s.place::geometry as at, st_clusterdbscan(
                st_scale(s.place::geometry, 111195 * cosd(m.lat), 111195), eps => $2, minpoints => $3) over () as ground
            from usual_stay s
            cross join (select avg(st_y(place::geometry)) as lat from usual_stay where resident_id = $1) m
            where s.resident_id = $1 and s.ends > s.begins),
         middles as (
            select ground, count(distinct day) as days, st_centroid(st_collect(at)) as middle
            from rests where ground is not null group by ground
            order by 2 desc limit $4)
         select st_y(m.middle) as "lat!", st_x(m.middle) as "lon!",
            (select percentile_cont(0.9) within group (order by st_distancesphere(r.at, m.middle))
             from rests r where r.ground = m.ground) as "radius_m!"
         from middles m order by m.days desc"#,
        resident,
        GROUND_M,
        GROUND_STAYS_MIN,
        GROUNDS_MAX,
    )
    .fetch_all(conn)
    .await?;
    let ground =
        |middle, radius_m: f64| Ground { middle, radius: Metres((radius_m + 25.0).clamp(RADIUS_M.0, RADIUS_M.1)) };
    let found = rows.into_iter().filter_map(|row| Some(ground(Position::new(row.lat, row.lon).ok()?, row.radius_m)));
    Ok(found.collect())
}

/// All stays of a resident, each at the nearest of the grounds that reaches so far.
pub async fn stays(conn: &mut PgConnection, resident: Uuid, grounds: &[Ground]) -> Result<Vec<Stay>, StoreError> {
    let lats: Vec<f64> = grounds.iter().map(|ground| ground.middle.lat_deg()).collect();
    let lons: Vec<f64> = grounds.iter().map(|ground| ground.middle.lon_deg()).collect();
    let radii: Vec<f64> = grounds.iter().map(|ground| ground.radius.0).collect();
    let rows = sqlx::query!(
        r#"with grounds as (
            select number, st_setsrid(st_makepoint(lon, lat), 4326) as middle, radius_m
            from unnest($2::float8[], $3::float8[], $4::float8[]) with ordinality as g (lat, lon, radius_m, number)),
         days as (
            select d.day, is_day_off(r.serving_node, d.day) as off
            from (select distinct day from usual_stay where resident_id = $1) d cross join resident r where r.id = $1)
         select s.day as "day!: jiff_sqlx::Date", d.off as "off!", s.begins, s.ends, g.number as "number?"
         from usual_stay s
         join days d on d.day = s.day
         left join lateral (
            select number from grounds g
            where st_distancesphere(g.middle, s.place::geometry) <= g.radius_m
            order by st_distancesphere(g.middle, s.place::geometry) limit 1) g on true
         where s.resident_id = $1 order by s.day, s.begins"#,
        resident,
        &lats,
        &lons,
        &radii,
    )
    .fetch_all(conn)
    .await?;
    let stay = |day: jiff_sqlx::Date, is_off, begins, ends, number: Option<i64>| Stay {
        day: day.to_jiff(),
        is_off,
        begins: u8::try_from(begins).unwrap_or_default(),
        ends: u8::try_from(ends).unwrap_or_default(),
        ground: number.and_then(|number| usize::try_from(number - 1).ok()),
    };
    Ok(rows.into_iter().map(|row| stay(row.day, row.off, row.begins, row.ends, row.number)).collect())
}

/// Writes down what was learnt; it is learnt anew in a day, and whether they are out unusually is looked at at once.
pub async fn save(conn: &mut PgConnection, resident: Uuid, habits: &Habits) -> Result<(), StoreError> {
    let Counts { working: known_working, off: known_off } = &habits.known;
    let Counts { working: away_working, off: away_off } = &habits.away;
    sqlx::query!(
        "update usual set learnt_at = clock_timestamp(), days = $2, known_working = $3, known_off = $4,
            away_working = $5, away_off = $6, look_at = clock_timestamp(),
            learn_at = clock_timestamp() + interval '24 hours'
         where resident_id = $1",
        resident,
        i32::from(habits.days),
        &counts(known_working),
        &counts(known_off),
        &counts(away_working),
        &counts(away_off),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("delete from usual_place where resident_id = $1", resident).execute(&mut *conn).await?;
    for (number, place) in habits.places.iter().enumerate() {
        sqlx::query!(
            "insert into usual_place (resident_id, number, middle, radius_m, home, first_day, last_day, days, working, day_off)
             values ($1, $2, st_setsrid(st_makepoint($3, $4), 4326)::geography, $5::float8, $6, $7, $8, $9, $10, $11)",
            resident,
            i16::try_from(number).unwrap_or(i16::MAX),
            place.middle.lon_deg(),
            place.middle.lat_deg(),
            place.radius.0,
            habits.home == Some(number),
            place.first_day.to_sqlx() as jiff_sqlx::Date,
            place.last_day.to_sqlx() as jiff_sqlx::Date,
            i32::from(place.days),
            &counts(&place.seen.working),
            &counts(&place.seen.off),
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

fn counts(by_hour: &[u16]) -> Vec<i16> {
    by_hour.iter().map(|count| i16::try_from(*count).unwrap_or(i16::MAX)).collect()
}
