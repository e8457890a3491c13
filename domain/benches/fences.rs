//! What a fix costs the fence engine, with half a million residents' state in memory; and the plain geometry beside it.

#![expect(clippy::unwrap_used, reason = "a benchmark knows its own figures")]

use std::hint::black_box;
use std::sync::{Arc, LazyLock, Mutex};

use divan::Bencher;
use divan::counter::ItemsCount;
use domain::id::FenceId;
use domain::place::{Metres, Position, Source};
use domain::whereabouts::{Area, Fix, Ground, Kind, Spot, Wearer, Zone, see_all};
use geo::{Contains as _, Coord, LineString, Point, Polygon};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::constant(1_772_352_000, 0);
/// Fixes in one round.
const ROUND: usize = 20_000;

fn main() {
    println!("memory: {} bytes a resident with one circle, {} with a polygon of seven corners", mean(0), mean(1));
    divan::main();
}

/// The mean of many residents at different hours of their days, every other one from `first` on.
fn mean(first: u64) -> usize {
    const RESIDENTS: usize = 2_000;
    (first..).step_by(2).take(RESIDENTS).map(size).sum::<usize>() / RESIDENTS
}

fn size(number: u64) -> usize {
    let mut resident = resident(number);
    for step in 0..100 {
        resident.see(&fix(number, step));
    }
    resident.size() + resident.standings().map(|(zone, ..)| zone.area.size()).sum::<usize>()
}

/// A number that looks like chance, for two others.
fn mixed(one: u64, other: u64) -> u64 {
    let mut z = one.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(other.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Between -1 and 1, more often near 0.
fn tremble(one: u64, other: u64) -> f64 {
    let bits = mixed(one, other);
    let part = |shift: u32| f64::from(u16::try_from(bits >> shift & 0xffff).unwrap()) / 65_536.0;
    (part(0) + part(16) + part(32)) / 1.5 - 1.0
}

fn home(number: u64) -> Position {
    Position::new(28.0 + 0.4 * tremble(number, 1), 112.9 + 0.4 * tremble(number, 2)).unwrap()
}

fn corners(number: u64, corners: u32, radius: f64) -> Vec<Spot> {
    (0..corners)
        .map(|corner| {
            let angle = std::f64::consts::TAU * f64::from(corner) / f64::from(corners);
            let radius = radius * (1.0 + 0.3 * tremble(number, 100 + u64::from(corner)));
            Spot { east: radius * angle.cos(), north: radius * angle.sin() }
        })
        .collect()
}

fn polygon(number: u64, count: u32, radius: f64) -> Area {
    let ground = Ground::around(home(number));
    let ring = corners(number, count, radius).into_iter().map(|corner| ground.place(corner).unwrap()).collect();
    Area::polygon(&[ring]).unwrap()
}

/// Every other one has a circle, every other a polygon of seven corners, none shared.
fn resident(number: u64) -> Wearer {
    let area = if number.is_multiple_of(2) {
        Area::circle(home(number), Metres(200.0)).unwrap()
    } else {
        polygon(number, 7, 220.0)
    };
    let zone = Zone {
        id: FenceId(Uuid::from_u128(u128::from(number))),
        kind: Kind::Safe,
        area: Arc::new(area),
        grace: SignedDuration::from_secs(180),
    };
    Wearer::new(home(number), Metres(200.0), vec![zone])
}

/// What a terminal tells in a minute of a day: metres east and north of home, and what it says of them.
#[derive(Debug, Clone, Copy)]
struct Told {
    east: f64,
    north: f64,
    source: Source,
    claimed: f64,
    speed_kmh: Option<f64>,
}

/// Minutes of a day.
const MINUTES: u32 = 1_440;
/// So many different days there are.
const DAYS: u64 = 256;

static DAY: LazyLock<Vec<Vec<Told>>> = LazyLock::new(|| (0..DAYS).map(day).collect());

/// A day as people have them, a fix a minute: mostly at home, where the receiver drifts and now and then shows another
/// place for some minutes; two hours in the yard; every other day an errand, a kilometre away and back. One fix in five is
/// an access point's, one in twelve a mast's; half of the terminals tell a speed, and one in ten of these shows one that
/// is none.
fn day(number: u64) -> Vec<Told> {
    let lot = |minute: u32, what: u64| tremble(number * 10_000 + u64::from(minute), what);
    let share = |minute: u32, what: u64| mixed(number * 10_000 + u64::from(minute), what) % 1_000;
    let (mut drift, mut ghost, mut ghost_until) = ((0.0, 0.0), (0.0, 0.0), 0);
    (0..MINUTES)
        .map(|minute| {
            let errand = f64::from(minute.saturating_sub(600).min(110));
            let far = 50.0 * errand.min(110.0 - errand);
            let (away, step) = match (number.is_multiple_of(2), minute) {
                (true, 600..710) => (far.min(1_000.0), if far < 1_000.0 { 50.0 } else { 0.0 }),
                (_, 480..540 | 960..1_020) => (25.0 + 20.0 * (f64::from(minute) / 7.0).sin(), 3.0),
                _ => (0.0, 0.0),
            };
            let is_in = away == 0.0;
            let kept = 0.86;
            let change = if is_in { 24.0 } else { 8.0 };
            drift = (kept * drift.0 + change * lot(minute, 1), kept * drift.1 + change * lot(minute, 2));
            if minute > ghost_until && share(minute, 3) < if is_in { 4 } else { 1 } {
                ghost_until = minute + u32::try_from(mixed(number, u64::from(minute)) % 12).unwrap();
                ghost = (600.0 * lot(minute, 4), 600.0 * lot(minute, 5));
            }
            let shown = if minute <= ghost_until && ghost_until > 0 { ghost } else { (0.0, 0.0) };
            let (source, claimed, error, off) = match share(minute, 6) {
                0..200 => (Source::Wifi, 40.0, 60.0, (0.0, 0.0)),
                200..285 => (Source::Cell, 600.0, 900.0, (0.0, 0.0)),
                _ => (Source::Gnss, 12.0, 20.0, (drift.0 + shown.0, drift.1 + shown.1)),
            };
            let speed = if share(minute, 9) < 100 && is_in { 4.0 } else { step * 0.06 + 1.2 * lot(minute, 10).abs() };
            Told {
                east: off.0 + error * lot(minute, 7),
                north: away + off.1 + error * lot(minute, 8),
                source,
                claimed,
                speed_kmh: (number % 4 < 2 && source == Source::Gnss).then_some(speed),
            }
        })
        .collect()
}

/// A resident's fix of some minute since the beginning, which is any minute of their day.
fn fix(number: u64, minute: u32) -> Fix {
    let at = NOW + SignedDuration::from_mins(i64::from(minute));
    let begins = u32::try_from(mixed(number, 6) % u64::from(MINUTES)).unwrap();
    let day = &DAY[usize::try_from(mixed(number, 5) % DAYS).unwrap()];
    let told = day[usize::try_from((begins + minute) % MINUTES).unwrap()];
    let home = home(number);
    let place = Position::new(home.lat_deg() + told.north / 111_195.0, home.lon_deg() + told.east / 98_000.0).unwrap();
    Fix {
        place,
        accuracy: Some(Metres(told.claimed)),
        source: told.source,
        speed_kmh: told.speed_kmh,
        device_at: Some(at),
        received_at: at,
    }
}

/// Residents, and how many fixes each has had.
type Town = Mutex<(Vec<Wearer>, Vec<u32>, u64)>;

static SMALL: LazyLock<Town> = LazyLock::new(|| town(1_000));
static LARGE: LazyLock<Town> = LazyLock::new(|| town(500_000));

fn town(residents: u64) -> Town {
    let mut wearers: Vec<Wearer> = (0..residents).map(resident).collect();
    let mut minutes = vec![0_u32; wearers.len()];
    // As after an hour: everybody's window is full.
    for (number, wearer) in (0..).zip(&mut wearers) {
        for minute in 0..40 {
            wearer.see(&fix(number, minute));
        }
        minutes[usize::try_from(number).unwrap()] = 40;
    }
    Mutex::new((wearers, minutes, 0))
}

/// One round of fixes of residents in no order, as they come in: everything that the engine does with a fix.
fn judged(bencher: Bencher<'_, '_>, town: &Town) {
    bencher
        .counter(ItemsCount::new(ROUND))
        .with_inputs(|| {
            let mut town = town.lock().unwrap();
            let residents = town.0.len() as u64;
            (0..ROUND)
                .map(|_| {
                    town.2 += 1;
                    let number = mixed(town.2, 77) % residents;
                    let place = usize::try_from(number).unwrap();
                    town.1[place] += 1;
                    (place, fix(number, town.1[place]))
                })
                .collect::<Vec<(usize, Fix)>>()
        })
        .bench_values(|round| {
            let wearers = &mut town.lock().unwrap().0;
            see_all(wearers, &round, |place, turns| {
                black_box((place, turns));
            });
        });
}

/// With the state of a thousand residents, which a processor's own memory holds.
#[divan::bench(sample_count = 100)]
fn a_fix_among_1_000_residents(bencher: Bencher<'_, '_>) {
    judged(bencher, &SMALL);
}

/// With the state of half a million.
#[divan::bench(sample_count = 100)]
fn a_fix_among_500_000_residents(bencher: Bencher<'_, '_>) {
    judged(bencher, &LARGE);
}

/// The distance to the edge alone, by the index.
#[divan::bench(args = [7, 100, 10_000])]
fn distance_to_a_polygon(bencher: Bencher<'_, '_>, count: u32) {
    let area = polygon(1, count, 2_000.0);
    let mut minute = 0;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        minute = (minute + 1) % 1_000;
        area.distance(black_box(home(1_000 + minute)))
    });
}

/// What `geo` needs to say inside or outside, with no distance and no doubt.
#[divan::bench(args = [7, 100, 10_000])]
fn point_in_polygon_by_geo(bencher: Bencher<'_, '_>, count: u32) {
    let ring = corners(1, count, 2_000.0).into_iter().map(|spot| Coord { x: spot.east, y: spot.north }).collect();
    let polygon = Polygon::new(LineString::new(ring), Vec::new());
    let ground = Ground::around(home(1));
    let mut minute = 0;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        minute = (minute + 1) % 1_000;
        let spot = ground.flatten(black_box(home(1_000 + minute)));
        polygon.contains(&Point::new(spot.east, spot.north))
    });
}
