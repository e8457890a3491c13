//! A fix held against its wearer's fence: by the engine, and by `geo` and PostGIS on the same fences and fixes.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use domain::id::FenceId;
use domain::place::{Metres, Position, Source};
use domain::whereabouts::{Area, Fix, Ground, Kind, Spot, Wearer, Zone, see_all};
use geo::{Contains as _, Coord, LineString, Point, Polygon};
use jiff::{SignedDuration, Timestamp};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use super::tell;
use crate::bench;
use crate::table::{Commits, Row, median, span};

/// The engine alone, on one core, beside `geo` and one process of PostgreSQL.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Any database with PostGIS. Two tables are made in it, and dropped.
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
    /// Residents, each with a polygon of seven corners of their own.
    #[arg(long, default_value_t = 500_000)]
    people: u32,
    /// Fixes a run, of residents in no order.
    #[arg(long, default_value_t = 300_000)]
    fixes: u32,
    /// For which a client of pgbench asks for one fix after the other.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

const NOON: Timestamp = Timestamp::constant(1_772_352_000, 0);
/// Fixes that each resident has had before: their window is full, and what they do is known.
const BEFORE: u32 = 40;
const CORNERS: u32 = 7;
/// Rows a statement.
const CHUNK: u32 = 10_000;

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { database_url, people, fixes, seconds, runs } = arguments;
    let pool = PgPoolOptions::new().max_connections(1).connect(database_url).await?;
    let mut residents = (0..*people).map(resident).collect::<anyhow::Result<Vec<Wearer>>>()?;
    for (number, resident) in (0..).zip(&mut residents) {
        for minute in 0..BEFORE {
            resident.see(&fix(number, minute)?);
        }
    }
    let polygons = (0..*people).map(polygon).collect::<anyhow::Result<Vec<Polygon>>>()?;
    let mut minutes = vec![BEFORE; residents.len()];
    fill(&pool, *people, *fixes).await?;
    let mut rounds = Vec::new();
    for run in 0..*runs {
        let mut round = Vec::new();
        for turn in 0..*fixes {
            let number = usize::try_from(whose(turn, *people))?;
            round.push((number, fix(whose(turn, *people), minutes[number])?));
            minutes[number] += 1;
        }
        let began = Instant::now();
        see_all(&mut residents, &round, |place, turns| {
            black_box((place, turns));
        });
        let ours = f64::from(*fixes) / began.elapsed().as_secs_f64();
        let began = Instant::now();
        let inside = round.iter().filter(|(number, fix)| polygons[*number].contains(&point(fix.place))).count();
        let plain = f64::from(*fixes) / began.elapsed().as_secs_f64();
        let began = Instant::now();
        let within: i64 = sqlx::query_scalar(
            "select count(*) from fix_beside join fence_beside using (resident) where st_covers(area, place)",
        )
        .fetch_one(&pool)
        .await?;
        let joined = f64::from(*fixes) / began.elapsed().as_secs_f64();
        let single = bench::covers(database_url, *fixes, *seconds)?;
        eprintln!(
            "run {run}: {ours:.0} a second; geo {plain:.0} ({inside} inside); PostGIS {joined:.0} in one statement ({within} \
             within), {single:.0} one by one"
        );
        rounds.push(Round { ours, plain, joined, single });
    }
    sqlx::query("drop table fix_beside, fence_beside").execute(&pool).await?;
    let bytes: usize = residents.iter().map(memory).sum();
    eprintln!("{} bytes a resident with their fence", bytes / residents.len().max(1));
    let what = format!(
        "fixes/s judged whole on one core, {people} residents with a polygon of {CORNERS} corners each, in no order; beside"
    );
    let row = |beside: &str, theirs: fn(&Round) -> f64| Row {
        what: format!("{what} {beside} ({runs} pairs)"),
        ours: span(rounds.iter().map(|round| round.ours), "/s"),
        beside: span(rounds.iter().map(theirs), "/s"),
        ratio: Some(median(rounds.iter().map(|round| round.ours / theirs(round)))),
        aim: "≥ 1 500 000/s",
        commits: Commits::None,
    };
    tell(&[
        row("`geo`'s plain point in polygon, inside or not", |round| round.plain),
        row("`st_covers` in one statement over a join of the fixes with their fences", |round| round.joined),
        row("`st_covers` asked fix by fix by one client of pgbench, prepared", |round| round.single),
    ]);
    Ok(())
}

/// What each made of one run, fixes a second.
struct Round {
    ours: f64,
    plain: f64,
    joined: f64,
    single: f64,
}

/// What a resident and their fence take, in bytes.
fn memory(resident: &Wearer) -> usize {
    resident.size() + resident.standings().map(|(zone, ..)| zone.area.size()).sum::<usize>()
}

/// The same fences and fixes as tables.
async fn fill(pool: &PgPool, people: u32, fixes: u32) -> anyhow::Result<()> {
    for statement in [
        "set max_parallel_workers_per_gather = 0",
        "drop table if exists fix_beside, fence_beside",
        "create unlogged table fence_beside (resident bigint primary key, area geometry(polygon, 4326) not null)",
        "create unlogged table fix_beside (number bigint primary key, resident bigint not null, place geometry(point, 4326) not null)",
    ] {
        sqlx::query(statement).execute(pool).await?;
    }
    for first in (0..people).step_by(usize::try_from(CHUNK)?) {
        let (mut numbers, mut areas) = (Vec::new(), Vec::new());
        for number in first..people.min(first + CHUNK) {
            let ring = ring(number)?;
            let corner = |place: &Position| format!("{} {}", place.lon_deg(), place.lat_deg());
            let corners: Vec<String> = ring.iter().chain(ring.first()).map(corner).collect();
            numbers.push(i64::from(number));
            areas.push(format!("polygon(({}))", corners.join(",")));
        }
        sqlx::query("insert into fence_beside select n, st_geomfromtext(a, 4326) from unnest($1::bigint[], $2::text[]) as t (n, a)")
            .bind(numbers)
            .bind(areas)
            .execute(pool)
            .await?;
    }
    for first in (0..fixes).step_by(usize::try_from(CHUNK)?) {
        let (mut numbers, mut residents, mut lats, mut lons) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for turn in first..fixes.min(first + CHUNK) {
            let fix = fix(whose(turn, people), BEFORE)?;
            numbers.push(i64::from(turn));
            residents.push(i64::from(whose(turn, people)));
            lats.push(fix.place.lat_deg());
            lons.push(fix.place.lon_deg());
        }
        sqlx::query(
            "insert into fix_beside select n, r, st_setsrid(st_makepoint(lon, lat), 4326) \
             from unnest($1::bigint[], $2::bigint[], $3::float8[], $4::float8[]) as t (n, r, lat, lon)",
        )
        .bind(numbers)
        .bind(residents)
        .bind(lats)
        .bind(lons)
        .execute(pool)
        .await?;
    }
    sqlx::query("analyze fence_beside, fix_beside").execute(pool).await?;
    Ok(())
}

fn resident(number: u32) -> anyhow::Result<Wearer> {
    let zone = Zone {
        id: FenceId(Uuid::from_u128(u128::from(number))),
        kind: Kind::Safe,
        area: Arc::new(Area::polygon(&[ring(number)?])?),
        grace: SignedDuration::from_mins(3),
    };
    Ok(Wearer::new(home(number)?, Metres(200.0), vec![zone]))
}

/// The same fence for `geo`, in degrees, as PostGIS has it.
fn polygon(number: u32) -> anyhow::Result<Polygon> {
    let corners = ring(number)?.into_iter().map(|corner| Coord { x: corner.lon_deg(), y: corner.lat_deg() });
    Ok(Polygon::new(LineString::new(corners.collect()), Vec::new()))
}

fn point(place: Position) -> Point {
    Point::new(place.lon_deg(), place.lat_deg())
}

/// Some two hundred metres around home.
fn ring(number: u32) -> anyhow::Result<Vec<Position>> {
    let ground = Ground::around(home(number)?);
    (0..CORNERS)
        .map(|corner| {
            let angle = std::f64::consts::TAU * f64::from(corner) / f64::from(CORNERS);
            let radius = 220.0 + 66.0 * tremble(number, 100 + corner);
            Ok(ground.place(Spot { east: radius * angle.cos(), north: radius * angle.sin() })?)
        })
        .collect()
}

fn home(number: u32) -> anyhow::Result<Position> {
    Ok(Position::new(28.0 + 0.4 * tremble(number, 1), 112.9 + 0.4 * tremble(number, 2))?)
}

/// Whose fix comes at a turn.
fn whose(turn: u32, people: u32) -> u32 {
    u32::try_from(mixed(turn, 77) % u64::from(people)).unwrap_or_default()
}

/// Somebody at home: one fix in five is an access point's, one in forty jumps.
fn fix(number: u32, minute: u32) -> anyhow::Result<Fix> {
    let (source, claimed, error) = match mixed(number, minute) % 40 {
        0..8 => (Source::Wifi, 40.0, 60.0),
        8 => (Source::Gnss, 6.0, 600.0),
        _ => (Source::Gnss, 12.0, 30.0),
    };
    let ground = Ground::around(home(number)?);
    let (east, north) = (error * tremble(number, minute + 1_000), error * tremble(number, minute + 2_000));
    let at = NOON + SignedDuration::from_mins(i64::from(minute));
    Ok(Fix {
        place: ground.place(Spot { east, north })?,
        accuracy: Some(Metres(claimed)),
        source,
        speed_kmh: None,
        device_at: Some(at),
        received_at: at,
    })
}

/// Between -1 and 1, more often near 0.
fn tremble(one: u32, other: u32) -> f64 {
    let bits = mixed(one, other);
    let part = |shift: u32| f64::from(u16::try_from(bits >> shift & 0xffff).unwrap_or_default()) / 65_536.0;
    (part(0) + part(16) + part(32)) / 1.5 - 1.0
}

/// A number that looks like chance, for two others.
fn mixed(one: u32, other: u32) -> u64 {
    let mut z = u64::from(one)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(u64::from(other).wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
