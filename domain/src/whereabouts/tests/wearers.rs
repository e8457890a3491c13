use proptest::prelude::*;

use super::world::{Random, told};
use super::*;
use crate::whereabouts::{LATE_MAX, Standing, Turn};

fn all(wearer: &mut Wearer, fixes: &[Fix]) -> Vec<Turn> {
    fixes.iter().flat_map(|fix| wearer.see(fix)).collect()
}

fn count(turns: &[Turn], to: Standing) -> usize {
    turns.iter().filter(|turn| turn.to == to).count()
}

/// At home for two hours, then away at a metre a second to a place `far` metres off.
fn leaves(far: f64) -> impl Fn(f64) -> (f64, f64) {
    move |at| (0.0, (at - 7200.0).clamp(0.0, far))
}

#[test]
fn who_never_moves_never_leaves() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let interval = random.between(30.0, 300.0);
        let fixes = told(&mut random, home(), 0..86_400, interval, |_| (20.0, -30.0));
        let turns = all(&mut wearer(home()), &fixes);
        assert_eq!(count(&turns, Standing::Confirmed), 0, "seed {seed}: {}", turns.last().unwrap());
    }
}

/// A ring of corners as far from home as this, about.
fn around(random: &mut Random, far: f64) -> Area {
    let corners = 3 + random.index(20);
    let ring = (0..corners).map(|corner| {
        #[expect(clippy::cast_precision_loss, reason = "a few corners")]
        let angle = std::f64::consts::TAU * corner as f64 / corners as f64;
        let far = far * random.between(1.0, 1.6);
        spot(home(), far * angle.cos(), far * angle.sin())
    });
    Area::polygon(&[ring.collect()]).unwrap()
}

#[test]
fn who_rests_anywhere_well_within_any_safe_area_or_off_any_river_never_leaves() {
    for seed in 0..200 {
        let mut random = Random::new(40_000 + seed);
        let (size, interval) = (random.between(120.0, 400.0), random.between(20.0, 300.0));
        let (safe, river) =
            (around(&mut random, size), Area::circle(spot(home(), 2.5 * size, 0.0), Metres(size)).unwrap());
        let edge = safe.distance(home()).0;
        let (far, angle) = (random.between(0.0, 0.5) * -edge, random.between(0.0, std::f64::consts::TAU));
        let zones = vec![zone(Kind::Safe, safe), zone(Kind::Forbidden, river)];
        let fixes = told(&mut random, home(), 0..86_400, interval, |_| (far * angle.cos(), far * angle.sin()));
        let turns = all(&mut Wearer::new(home(), Metres(size), zones), &fixes);
        let told = turns.iter().find(|turn| turn.to == Standing::Confirmed);
        assert!(told.is_none(), "seed {seed}, {edge} m to the edge: {}", told.unwrap());
    }
}

#[test]
fn who_leaves_for_good_is_always_found() {
    for seed in 0..200 {
        let mut random = Random::new(1000 + seed);
        let (interval, far) = (random.between(30.0, 400.0), random.between(260.0, 3000.0));
        let fixes = told(&mut random, home(), 0..7200 + 7200, interval, leaves(far));
        let mut wearer = wearer(home());
        let turns = all(&mut wearer, &fixes);
        assert!(count(&turns, Standing::Confirmed) >= 1, "seed {seed}: {far} m away, every {interval} s");
        assert_eq!(wearer.standings().next().unwrap().1, Standing::Confirmed, "seed {seed}");
    }
}

#[test]
fn a_turn_says_which_fixes_how_far_and_how_sure() {
    let fixes = told(&mut Random::new(7), home(), 0..12_000, 60.0, leaves(900.0));
    let turns = all(&mut wearer(home()), &fixes);
    let confirmed = turns.iter().find(|turn| turn.to == Standing::Confirmed).unwrap();
    assert!(confirmed.chance > 0.95 && confirmed.beyond.0 > 30.0 && confirmed.evidence.len() > 1, "{confirmed:?}");
    assert!(confirmed.evidence.iter().all(|seen| seen.at >= confirmed.since && seen.at <= confirmed.at));
    assert!(confirmed.decided_at.duration_since(confirmed.since) >= SignedDuration::from_secs(180));
    let why = confirmed.to_string();
    assert!(why.starts_with("confirmed: ") && why.contains("sure that they are outside, since 10:0"), "{why}");
}

#[test]
fn a_single_jump_however_sure_of_itself_is_not_believed() {
    let mut wearer = wearer(home());
    let mut fixes: Vec<Fix> =
        (0..60).map(|step| fix(spot(home(), f64::from(step % 5), 3.0), i64::from(step) * 60)).collect();
    for (step, far) in [(20, 400.0), (35, 900.0), (50, 30_000.0)] {
        fixes[step].place = spot(home(), far, 0.0);
        fixes[step].accuracy = Some(Metres(2.0));
    }
    let turns = all(&mut wearer, &fixes);
    assert_eq!(count(&turns, Standing::Confirmed) + count(&turns, Standing::Suspected), 0, "{turns:?}");
}

#[test]
fn a_frozen_receiver_is_no_witness() {
    let mut wearer = wearer(home());
    let mut fixes: Vec<Fix> =
        (0..60).map(|step| fix(spot(home(), f64::from(step % 5), 3.0), i64::from(step) * 60)).collect();
    let there = fix(spot(home(), 320.0, 0.0), 3600);
    fixes.extend((60..180).map(|step| Fix { place: there.place, ..fix(there.place, step * 60) }));
    assert_eq!(count(&all(&mut wearer, &fixes), Standing::Confirmed), 0);
}

/// In the yard now and then, and twice away.
fn comes_and_goes(at: f64) -> (f64, f64) {
    match at {
        20_000.0..26_000.0 => (0.0, (at - 20_000.0).min(26_000.0 - at).clamp(0.0, 900.0)),
        40_000.0..41_000.0 => (60.0 * ((at - 40_000.0) / 300.0).sin(), 0.0),
        60_000.0..70_000.0 => ((at - 60_000.0).min(70_000.0 - at).clamp(0.0, 400.0), 20.0),
        _ => (3.0, 4.0),
    }
}

#[test]
fn who_is_at_ease_is_judged_as_if_every_zone_were_looked_at_with_every_fix() {
    for seed in 0..20 {
        let mut random = Random::new(500 + seed);
        let interval = random.between(30.0, 240.0);
        let fixes = told(&mut random, home(), 0..80_000, interval, comes_and_goes);
        let (mut one, mut other) = (wearer(home()), wearer(home()));
        let mut rested = 0;
        for fix in &fixes {
            let said = one.see(fix);
            other.wake();
            let looked = other.see(fix);
            assert_eq!(said, looked, "seed {seed}");
            rested += usize::from(one.now.is_at_ease());
        }
        assert!(rested > fixes.len() / 2, "seed {seed}: at ease after {rested} of {} fixes", fixes.len());
        assert!(one == other, "seed {seed}");
    }
}

#[test]
fn an_access_point_that_is_mapped_where_it_is_not_takes_nobody_away() {
    for seed in 0..40 {
        let mut random = Random::new(900 + seed);
        let mut fixes = told(&mut random, home(), 0..40_000, 90.0, |_| (5.0, 5.0));
        for (number, fix) in fixes.iter_mut().enumerate().skip(40).filter(|(_, fix)| fix.source == Source::Wifi) {
            let tremble = f64::from(u32::try_from(number % 7).unwrap());
            fix.place = spot(home(), 900.0 + 2.0 * tremble, 300.0 - tremble);
        }
        let turns = all(&mut wearer(home()), &fixes);
        assert_eq!(count(&turns, Standing::Confirmed), 0, "seed {seed}: {}", turns.last().unwrap());
    }
}

#[test]
fn who_was_thought_elsewhere_by_mistake_is_found_at_home_again() {
    for seed in 0..40 {
        let mut random = Random::new(1_300 + seed);
        let mut fixes = told(&mut random, home(), 0..40_000, 60.0, |_| (5.0, 5.0));
        // For four minutes the receiver rides away, and comes back at once.
        for (number, fix) in fixes.iter_mut().enumerate().skip(200).take(4) {
            let far = f64::from(u32::try_from(number - 199).unwrap()) * 400.0;
            (fix.place, fix.source) = (spot(home(), far, 0.0), Source::Gnss);
        }
        let mut wearer = wearer(home());
        all(&mut wearer, &fixes);
        let (_, standing, chance) = wearer.standings().next().unwrap();
        assert!(standing == Standing::Inside && chance < 0.05, "seed {seed}: {standing}, {chance}");
    }
}

/// Every fix at most so many places away from where it belongs.
fn shuffled(fixes: &[Fix], within: usize, seed: u64) -> Vec<Fix> {
    let mut random = Random::new(seed);
    let mut order: Vec<(usize, usize)> = (0..fixes.len()).map(|place| (place + random.index(within), place)).collect();
    order.sort_unstable();
    let last = fixes.last().unwrap().received_at;
    // What is told late is received late, all of it now: a clock that is ahead would be another matter.
    order.into_iter().map(|(_, place)| Fix { received_at: last, ..fixes[place] }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn late_and_shuffled_comes_to_the_same(seed in any::<u64>(), interval in 20.0..200.0f64) {
        let fixes = told(&mut Random::new(seed), home(), 0..14_000, interval, leaves(800.0));
        let (mut one, mut other) = (wearer(home()), wearer(home()));
        all(&mut one, &fixes);
        let late = shuffled(&fixes, LATE_MAX - 1, seed);
        all(&mut other, &late);
        prop_assert!(one == other);
        // Told once more, nothing of it is news.
        let again = all(&mut other, &late);
        prop_assert!(again.is_empty() && one == other);
    }

    #[test]
    fn nothing_that_comes_breaks_it(
        steps in prop::collection::vec(
            (any_place(), any_number(), any_number(), any::<i32>(), any::<i16>(), 0..7usize), 1..200),
        home in any_place(),
    ) {
        let sources = [Source::Gnss, Source::Wifi, Source::Cell, Source::Beacon, Source::Unknown, Source::Home, Source::Told];
        let mut wearer = wearer(home);
        let size = wearer.size();
        for (place, accuracy, speed, second, arrival, source) in steps {
            let told = Fix {
                place,
                accuracy: Some(Metres(accuracy)),
                source: sources[source],
                speed_kmh: Some(speed),
                device_at: Some(NOON + SignedDuration::from_secs(i64::from(second))),
                // Ours may be set back too.
                received_at: NOON + SignedDuration::from_secs(i64::from(arrival)),
            };
            for turn in wearer.see(&told) {
                prop_assert!((0.0..=1.0).contains(&turn.chance) && turn.beyond.0.is_finite(), "{turn:?}");
            }
            let (_, _, chance) = wearer.standings().next().unwrap();
            prop_assert!((0.0..=1.0).contains(&chance));
            let total: f64 = wearer.stories().iter().map(|(_, share)| share).sum();
            prop_assert!((total - 1.0).abs() < 0.01, "{total}");
        }
        prop_assert!(wearer.size() <= size + 2048);
    }
}

/// Any number that a float can be: also none, and without end.
fn any_number() -> prop::num::f64::Any {
    prop::num::f64::ANY
}

/// Anywhere, and as often as not where maps end, or a few metres from there.
fn any_place() -> impl Strategy<Value = Position> {
    let lat = prop_oneof![-90.0..=90.0f64, Just(90.0), Just(-90.0), 89.9999..90.0f64];
    let lon = prop_oneof![-180.0..=180.0f64, Just(180.0), Just(-180.0), 179.9999..180.0f64];
    (lat, lon).prop_filter_map("no place", |(lat, lon)| Position::new(lat, lon).ok())
}

#[test]
fn a_place_that_is_no_number_or_off_the_earth_is_no_place() {
    for (lat, lon) in
        [(f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 1.0), (1.0, f64::NEG_INFINITY), (90.1, 0.0), (0.0, 180.1)]
    {
        assert!(Position::new(lat, lon).is_err(), "{lat} {lon}");
    }
}

#[test]
fn time_that_runs_backwards_changes_nothing_and_breaks_nothing() {
    let fixes = told(&mut Random::new(3), home(), 0..20_000, 60.0, leaves(800.0));
    let mut one = wearer(home());
    all(&mut one, &fixes);
    let before = one.clone();
    let backwards: Vec<Fix> = fixes.iter().rev().skip(40).copied().collect();
    let turns = all(&mut one, &backwards);
    assert!(turns.is_empty() && one == before);
    let mut other = wearer(home());
    let backwards: Vec<Fix> = fixes.iter().rev().copied().collect();
    all(&mut other, &backwards);
    assert_eq!(other.standings().next().unwrap().1, Standing::Confirmed);
}

#[test]
fn the_same_walk_is_judged_the_same_everywhere_on_earth() {
    let walk = |home: Position| {
        let fixes = told(&mut Random::new(11), home, 0..14_000, 60.0, leaves(700.0));
        let turns = all(&mut wearer(home), &fixes);
        turns.iter().map(|turn| (turn.from, turn.to, turn.decided_at)).collect::<Vec<_>>()
    };
    let here = walk(home());
    assert!(here.iter().any(|(_, to, _)| *to == Standing::Confirmed));
    for place in [at(90.0, 0.0), at(-90.0, 45.0), at(-16.5, 180.0), at(71.3, -180.0), at(0.01, 0.01)] {
        assert_eq!(walk(place), here, "{place:?}");
    }
}

#[test]
fn a_clock_that_is_years_off_is_not_believed() {
    let mut told = fix(home(), 0);
    told.device_at = Some(Timestamp::constant(315_964_800, 0));
    assert_eq!(told.at(), told.received_at);
    told.device_at = Some(told.received_at + SignedDuration::from_hours(1));
    assert_eq!(told.at(), told.received_at);
    told.device_at = Some(told.received_at - SignedDuration::from_mins(20));
    assert_eq!(told.at(), told.device_at.unwrap());
}
