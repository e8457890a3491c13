//! Who rests never leaves, and who leaves for good is always found, whatever is drawn around them: outlines that bend
//! inwards, ponds in the middle, ways with corners; and however they walk.

use std::f64::consts::TAU;

use super::world::{Random, told};
use super::*;
use crate::whereabouts::Standing;

/// So far from an edge nobody's receiver alone takes them across it for long, metres.
const WELL: f64 = 70.0;
/// Who is so far beyond an edge, metres, is to be found.
const CLEARLY: f64 = 110.0;
/// A step of a walk, seconds.
const STEP: f64 = 10.0;
/// So long they rest before they go, and stay away after they went, seconds.
const LONG: f64 = 7_200.0;

/// A ring around a place that bends in and out.
fn bent(random: &mut Random, middle: (f64, f64), least: f64, most: f64) -> Vec<Position> {
    let corners = 5 + random.index(16);
    let corner = |corner: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a few corners")]
        let angle = TAU * corner as f64 / corners as f64;
        let far = random.between(least, most);
        spot(home(), middle.0 + far * angle.cos(), middle.1 + far * angle.sin())
    };
    (0..corners).map(corner).collect()
}

/// What may be drawn.
#[derive(Debug, Clone, Copy)]
enum Drawn {
    /// An outline that bends inwards as well.
    Bent,
    /// One with a pond in its middle.
    Pond,
    /// A way with corners.
    Way,
}

impl Drawn {
    fn zone(self, random: &mut Random) -> Zone {
        match self {
            Self::Bent => zone(Kind::Safe, Area::polygon(&[bent(random, (0.0, 0.0), 150.0, 600.0)]).unwrap()),
            Self::Pond => {
                let outline = bent(random, (0.0, 0.0), 900.0, 1_300.0);
                zone(Kind::Safe, Area::polygon(&[outline, bent(random, (0.0, 0.0), 300.0, 420.0)]).unwrap())
            }
            Self::Way => {
                let (mut heading, mut at) = (random.between(0.0, TAU), (0.0, 0.0));
                let mut line = vec![spot(home(), 0.0, 0.0)];
                for _ in 0..2 + random.index(5) {
                    heading += random.between(-1.3, 1.3);
                    let far = random.between(150.0, 500.0);
                    at = (at.0 + far * heading.sin(), at.1 + far * heading.cos());
                    line.push(spot(home(), at.0, at.1));
                }
                zone(Kind::Corridor, Area::corridor(line, Metres(random.between(90.0, 200.0))).unwrap())
            }
        }
    }
}

/// Metres beyond the edge of a place that is so far east and north of home.
fn beyond(zone: &Zone, at: (f64, f64)) -> f64 {
    zone.area.distance(spot(home(), at.0, at.1)).0
}

/// A place well within; nothing when there is none to be found.
fn well_within(random: &mut Random, zone: &Zone) -> Option<(f64, f64)> {
    let far = zone.area.breadth().0 + 600.0;
    (0..2_000)
        .map(|_| (random.between(-far, far), random.between(-far, far)))
        .find(|place| beyond(zone, *place) < -WELL)
}

/// Somebody who is judged by this alone, and has been seen where they are for twenty minutes: of whom nothing is known, a
/// receiver that shows another place from the first fix on is believed.
fn settled(zone: &Zone, place: (f64, f64)) -> Wearer {
    let mut wearer = Wearer::new(zone.area.middle(), zone.area.breadth(), vec![zone.clone()]);
    for minute in 0..20 {
        let tremble = f64::from(minute % 5);
        wearer.see(&fix(spot(home(), place.0 + tremble, place.1 - tremble), i64::from(minute) * 60));
    }
    wearer
}

/// Where somebody is every [`STEP`] who rests, goes off with many turns until they are clearly beyond the edge, and wanders
/// about there. `towards` is where they mean to go to begin with.
fn wanders_off(random: &mut Random, zone: &Zone, from: (f64, f64), towards: (f64, f64)) -> Vec<(f64, f64)> {
    let mut path = vec![from; steps(LONG)];
    let pace = STEP * random.between(0.6, 1.4);
    let (mut at, mut aside, mut heading) = (from, 0.0_f64, 0.0);
    // At the slowest they are out in an hour.
    for _ in 0..steps(LONG) {
        if beyond(zone, at) > CLEARLY + 2.0 * pace {
            break;
        }
        // Up to seventy degrees to either side of where they mean to go.
        aside = (0.9 * aside + random.normal(0.5)).clamp(-1.2, 1.2);
        heading = (towards.0 - at.0).atan2(towards.1 - at.1) + aside;
        at = (at.0 + pace * heading.sin(), at.1 + pace * heading.cos());
        path.push(at);
    }
    for _ in 0..steps(LONG) {
        heading += random.normal(0.4);
        let there = |heading: f64| (at.0 + pace * heading.sin(), at.1 + pace * heading.cos());
        // Whoever would come near turns round; in a corner they stand.
        let ways = [heading, heading + 0.5 * TAU, heading + 0.25 * TAU, heading - 0.25 * TAU];
        if let Some(way) = ways.into_iter().find(|way| beyond(zone, there(*way)) > CLEARLY) {
            (heading, at) = (way, there(way));
        }
        path.push(at);
    }
    path
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hours in steps")]
const fn steps(seconds: f64) -> usize {
    (seconds / STEP) as usize
}

/// What a terminal tells of such a path.
fn told_of(random: &mut Random, path: &[(f64, f64)], interval: f64) -> Vec<Fix> {
    let seconds = i64::try_from(path.len() * 10).unwrap();
    told(random, home(), 1_200..seconds, interval, |at| path[steps(at).min(path.len() - 1)])
}

/// So many days of each kind of drawing. The same seed means the same day, so that what fails once fails again.
const SEEDS: u64 = 200;

/// Plays days within each kind of drawing: what is drawn, where they are to begin with, how often they are heard.
fn each(first_seed: u64, play: impl Fn(Drawn, &mut Random, &Zone, (f64, f64), f64) -> Result<(), String>) {
    for drawn in [Drawn::Bent, Drawn::Pond, Drawn::Way] {
        for seed in first_seed..first_seed + SEEDS {
            let mut random = Random::new(seed);
            let (interval, zone) = (random.between(20.0, 300.0), drawn.zone(&mut random));
            let place = well_within(&mut random, &zone).unwrap_or_else(|| panic!("{drawn:?}, seed {seed}: too narrow"));
            if let Err(why) = play(drawn, &mut random, &zone, place, interval) {
                panic!("{drawn:?}, seed {seed}, every {interval} s: {why}");
            }
        }
    }
}

#[test]
fn who_rests_well_within_anything_never_leaves() {
    each(60_000, |_, random, zone, place, interval| {
        let fixes = told(random, home(), 1_200..86_400, interval, |_| place);
        let mut wearer = settled(zone, place);
        let left = fixes.iter().flat_map(|fix| wearer.see(fix)).find(|turn| turn.to == Standing::Confirmed);
        left.map_or(Ok(()), |turn| Err(format!("{} m within: {turn}", -beyond(zone, place))))
    });
}

#[test]
fn who_leaves_anything_for_good_is_found_however_they_walk() {
    each(80_000, |drawn, random, zone, place, interval| {
        let angle = random.between(0.0, TAU);
        // Out of it; or into the pond, which is as much outside.
        let towards = match drawn {
            Drawn::Pond if random.share() < 0.5 => (0.0, 0.0),
            _ => (5_000.0 * angle.sin(), 5_000.0 * angle.cos()),
        };
        let path = wanders_off(random, zone, place, towards);
        let away = path.iter().rev().take_while(|at| beyond(zone, **at) > CLEARLY).count();
        assert!(away >= steps(LONG), "the walk itself is wrong: away for {away} steps");
        let fixes = told_of(random, &path, interval);
        let mut wearer = settled(zone, place);
        for fix in &fixes {
            wearer.see(fix);
        }
        let (_, standing, chance) = wearer.standings().next().unwrap();
        if standing == Standing::Confirmed { Ok(()) } else { Err(format!("{standing}, {chance}")) }
    });
}
