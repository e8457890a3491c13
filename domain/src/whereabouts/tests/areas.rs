use std::f64::consts::TAU;

use geo::{Contains as _, Coord, Distance as _, Euclidean, LineString, Point, Polygon};
use proptest::prelude::*;

use super::*;

/// A star-shaped outline with as many corners as there are radii.
fn star(middle: Position, radii: &[f64]) -> Vec<Position> {
    (0_u32..)
        .zip(radii)
        .map(|(corner, radius)| {
            let angle = TAU * f64::from(corner) / f64::from(u32::try_from(radii.len()).unwrap());
            spot(middle, radius * angle.cos(), radius * angle.sin())
        })
        .collect()
}

/// The same by `geo`, looking at every side.
fn by_geo(ground: &Ground, rings: &[Vec<Position>], place: Position) -> f64 {
    let flat = |place: Position| {
        let spot = ground.flatten(place);
        Coord { x: spot.east, y: spot.north }
    };
    let mut lines = rings.iter().map(|ring| LineString::new(ring.iter().map(|corner| flat(*corner)).collect()));
    let polygon = Polygon::new(lines.next().unwrap(), lines.collect());
    let point = Point(flat(place));
    let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
    let to_edge = rings.map(|ring| Euclidean.distance(&point, ring)).fold(f64::INFINITY, f64::min);
    if polygon.contains(&point) { -to_edge } else { to_edge }
}

proptest! {
    #[test]
    fn a_distance_is_what_looking_at_every_side_gives(
        radii in prop::collection::vec(100.0..900.0f64, 3..400),
        hole in prop::collection::vec(20.0..45.0f64, 3..40),
        places in prop::collection::vec((-1500.0..1500.0f64, -1500.0..1500.0f64), 40),
        lat in -89.0..89.0f64, lon in -180.0..180.0f64,
    ) {
        let middle = at(lat, lon);
        let rings = vec![star(middle, &radii), star(middle, &hole)];
        let Ok(area) = Area::polygon(&rings) else { return Ok(()) };
        for (east, north) in places {
            let place = spot(middle, east, north);
            let (ours, theirs) = (area.distance(place).0, by_geo(area.ground(), &rings, place));
            prop_assert!((ours - theirs).abs() < 0.01, "{ours} {theirs}");
        }
    }
}

#[test]
fn ten_thousand_corners_are_taken_and_told_right() {
    let radii: Vec<f64> = (0..10_000).map(|corner| 3000.0 + 40.0 * f64::from(corner % 7)).collect();
    let rings = vec![star(home(), &radii)];
    let area = Area::polygon(&rings).unwrap();
    for step in 0..200 {
        let place = spot(home(), f64::from(step * 37 % 7000) - 3500.0, f64::from(step * 53 % 7000) - 3500.0);
        let (ours, theirs) = (area.distance(place).0, by_geo(area.ground(), &rings, place));
        assert!((ours - theirs).abs() < 0.01, "{ours} {theirs}");
    }
    assert!(area.size() < 700_000, "{} bytes", area.size());
}

#[test]
fn a_corridor_is_as_wide_as_it_says() {
    let line = vec![home(), spot(home(), 400.0, 0.0), spot(home(), 400.0, 300.0)];
    let way = Area::corridor(line, Metres(40.0)).unwrap();
    for (east, north, expected) in
        [(200.0, 0.0, -40.0), (200.0, 50.0, 10.0), (-60.0, 0.0, 20.0), (370.0, 200.0, -10.0), (400.0, 390.0, 50.0)]
    {
        let distance = way.distance(spot(home(), east, north)).0;
        assert!((distance - expected).abs() < 0.01, "{east} {north}: {distance}");
    }
}

#[test]
fn over_a_pole_and_over_the_180th_meridian_a_square_is_a_square() {
    for middle in [at(90.0, 0.0), at(-90.0, 12.0), at(-16.5, 180.0), at(71.0, -179.999_9), at(0.0, 0.000_001)] {
        let ring: Vec<Position> = [(-300.0, -300.0), (300.0, -300.0), (300.0, 300.0), (-300.0, 300.0)]
            .iter()
            .map(|(east, north)| spot(middle, *east, *north))
            .collect();
        let square = Area::polygon(&[ring]).unwrap();
        for (east, north, expected) in [(10.0, 5.0, -290.0), (-280.0, 0.0, -20.0), (0.0, 350.0, 50.0)] {
            let distance = square.distance(spot(middle, east, north)).0;
            assert!((distance - expected).abs() < 0.05, "{middle:?} {east} {north}: {distance}");
        }
    }
}

/// The share of a round normal distribution around `from` that lies within the area, by adding up.
fn added_up(area: &Area, from: Spot, sigma: f64) -> f64 {
    const STEPS: i32 = 80;
    let (mut inside, mut all) = (0.0, 0.0);
    for i in -STEPS..=STEPS {
        for j in -STEPS..=STEPS {
            let (u, v) = (f64::from(i) * 4.0 / f64::from(STEPS), f64::from(j) * 4.0 / f64::from(STEPS));
            let weight = (-0.5 * (u * u + v * v)).exp();
            let place = Spot { east: from.east + u * sigma, north: from.north + v * sigma };
            all += weight;
            if area.distance_on(place) <= 0.0 {
                inside += weight;
            }
        }
    }
    inside / all
}

#[test]
fn a_chance_is_what_adding_up_gives_within_some_hundredths() {
    let circle = Area::circle(home(), Metres(150.0)).unwrap();
    let octagon = Area::polygon(&[star(home(), &[150.0; 8])]).unwrap();
    let way = Area::corridor(vec![spot(home(), -800.0, 0.0), spot(home(), 800.0, 0.0)], Metres(60.0)).unwrap();
    for (area, name) in [(&circle, "circle"), (&octagon, "octagon"), (&way, "corridor")] {
        for sigma in [5.0, 20.0, 60.0, 150.0, 500.0, 3000.0] {
            for north in [0.0, 40.0, 100.0, 150.0, 190.0, 260.0, 700.0] {
                let from = Spot { east: 0.0, north };
                let (ours, true_one) = (area.chance_inside(area.distance_on(from), sigma), added_up(area, from, sigma));
                assert!((ours - true_one).abs() < 0.13, "{name}, {sigma} m, {north} m: {ours:.3} for {true_one:.3}");
                // What is decided on is the ends: nobody is sure where there is doubt.
                if !(0.015..=0.95).contains(&ours) {
                    assert!(
                        (ours - true_one).abs() < 0.03,
                        "{name}, {sigma} m, {north} m: {ours:.3} for {true_one:.3}"
                    );
                }
            }
        }
    }
}
