use super::*;
use crate::whereabouts::{BadArea, Line, Mended, mended};

fn ring(points: &[(f64, f64)]) -> Vec<Position> {
    points.iter().map(|(east, north)| spot(home(), *east, *north)).collect()
}

const SQUARE: [(f64, f64); 4] = [(-500.0, -500.0), (500.0, -500.0), (500.0, 500.0), (-500.0, 500.0)];

#[test]
fn what_has_no_meaning_is_refused_with_a_sentence_and_where() {
    let bow_tie = ring(&[(-500.0, -500.0), (500.0, 500.0), (500.0, -500.0), (-500.0, 500.0)]);
    let speck = ring(&[(0.0, 0.0), (15.0, 0.0), (15.0, 15.0), (0.0, 15.0)]);
    let far_hole = ring(&[(900.0, 0.0), (990.0, 0.0), (990.0, 90.0)]);
    let crossing = ring(&[(400.0, 0.0), (600.0, 0.0), (600.0, 90.0), (400.0, 90.0)]);
    let inner = ring(&[(-100.0, -100.0), (100.0, -100.0), (100.0, 100.0), (-100.0, 100.0)]);
    let innermost = ring(&[(-50.0, -50.0), (50.0, -50.0), (50.0, 50.0)]);
    let huge = vec![at(28.0, 112.0), at(28.0, 114.0), at(30.0, 114.0)];
    let square = ring(&SQUARE);
    let touching = ring(&[(-500.0, -500.0), (0.0, 0.0), (500.0, -500.0), (500.0, 500.0), (0.0, 0.0), (-500.0, 500.0)]);
    let checks: [(Vec<Vec<Position>>, &str, usize); 10] = [
        (vec![], "nothing is drawn", 0),
        (vec![vec![]], "nothing is drawn", 0),
        (vec![square[..2].to_vec()], "the outline has too few distinct points: an outline needs 3, a way 2", 2),
        (vec![bow_tie], "the outline crosses or touches itself in 1 places", 1),
        (vec![speck], "its area is 225 m²; it must be at least 400 m²", 1),
        (vec![square.clone(), far_hole], "hole 1 does not lie within the outline and outside of all other holes", 1),
        (vec![square.clone(), crossing], "the outline and hole 1 cross or touch in 2 places", 2),
        (
            vec![square.clone(), inner, innermost],
            "hole 2 does not lie within the outline and outside of all other holes",
            1,
        ),
        (vec![huge], "it reaches 148939 m from its middle; at most 50 km are taken", 1),
        (vec![touching], "the outline crosses or touches itself in 4 places", 4),
    ];
    for (rings, sentence, places) in checks {
        let why = Area::polygon(&rings).unwrap_err();
        assert_eq!(why.to_string(), sentence);
        assert_eq!(why.places().len(), places, "{sentence}");
    }
    let traced = vec![vec![home(); 10_001]];
    assert_eq!(Area::polygon(&traced), Err(BadArea::TooManyPoints(10_001)));
    let bow_tie = ring(&[(-500.0, -500.0), (500.0, 500.0), (500.0, -500.0), (-500.0, 500.0)]);
    let crossed = Area::polygon(&[bow_tie]).unwrap_err();
    assert!(crossed.places()[0].distance(home()).0 < 0.1, "it crosses in the middle");
}

#[test]
fn what_is_careless_is_repaired() {
    let square = Area::polygon(&[ring(&SQUARE)]).unwrap();
    let mut closed = ring(&SQUARE);
    closed.push(closed[0]);
    let mut twice = ring(&SQUARE);
    twice.insert(2, twice[2]);
    let reversed: Vec<Position> = ring(&SQUARE).into_iter().rev().collect();
    // A hand that slipped: a curl of 10 m at a corner.
    let curl = ring(&[
        (-500.0, -500.0),
        (500.0, -500.0),
        (500.0, 490.0),
        (510.0, 500.0),
        (490.0, 500.0),
        (500.0, 480.0),
        (495.0, 500.0),
        (-500.0, 500.0),
    ]);
    // There and back again on the same line.
    let spike =
        ring(&[(-500.0, -500.0), (500.0, -500.0), (500.0, 500.0), (500.0, 900.0), (500.0, 500.0), (-500.0, 500.0)]);
    for (number, drawn) in [closed, twice, reversed, curl, spike].into_iter().enumerate() {
        let area = Area::polygon(&[drawn]).unwrap_or_else(|why| panic!("drawing {number}: {why}"));
        for (east, north) in [(0.0, 0.0), (450.0, 200.0), (-700.0, 0.0), (0.0, 520.0)] {
            let (ours, right) =
                (area.distance(spot(home(), east, north)).0, square.distance(spot(home(), east, north)).0);
            assert!((ours - right).abs() < 15.0, "drawing {number}: {ours} for {right}");
        }
    }
}

#[test]
fn circles_and_ways_have_sizes_that_mean_something() {
    for radius in [f64::NAN, -1.0, 19.0, 50_001.0, f64::INFINITY] {
        assert!(Area::circle(home(), Metres(radius)).is_err(), "{radius}");
    }
    assert!(Area::circle(home(), Metres(20.0)).is_ok());
    let way = || vec![home(), spot(home(), 100.0, 0.0)];
    for width in [f64::NAN, 0.0, 5_001.0] {
        assert!(Area::corridor(way(), Metres(width)).is_err(), "{width}");
    }
    assert!(Area::corridor(vec![home(), home()], Metres(30.0)).is_err());
    assert!(Area::corridor(way(), Metres(30.0)).is_ok());
}

#[test]
fn what_was_put_right_is_told_with_its_place_and_the_rest_stays_to_the_last_digit() {
    let [a, b, c, d] =
        [(0.0, 0.0), (400.0, 0.0), (400.0, 400.0), (0.0, 400.0)].map(|(east, north)| spot(home(), east, north));
    // A slip of the hand at the third corner: 8 m there and back across itself.
    let slip = [(406.0, 392.0), (392.0, 406.0)].map(|(east, north)| spot(home(), east, north));
    let drawn = vec![a, b, b, c, slip[0], slip[1], d];
    let (rings, mends) = mended(std::slice::from_ref(&drawn)).unwrap();
    let told: Vec<Mended> = mends.iter().map(|mend| mend.what).collect();
    assert_eq!(told, [Mended::Doubled, Mended::Uncurled]);
    assert!(mends[0].at.distance(b).0 < 0.5, "{mends:?}");
    assert!(mends[1].at.distance(c).0 < 12.0, "{mends:?}");
    assert_eq!((rings[0][0], rings[0][1], rings[0].last()), (a, b, Some(&a)));
    assert!(Area::polygon(&rings).is_ok());
    // Drawn the other way around it is turned, and once only.
    let turned: Vec<Position> = [a, d, c, b].to_vec();
    let (rings, mends) = mended(&[turned]).unwrap();
    assert_eq!((&rings[0], mends.len(), mends[0].what), (&vec![a, b, c, d, a], 1, Mended::Turned));
    assert_eq!(mended(&rings).unwrap(), (rings, Vec::new()));
}

#[test]
fn a_hole_goes_around_the_other_way() {
    let square = |size: f64| {
        [(-size, -size), (size, -size), (size, size), (-size, size)]
            .map(|(east, north)| spot(home(), east, north))
            .to_vec()
    };
    let (rings, mends) = mended(&[square(300.0), square(50.0)]).unwrap();
    assert_eq!((mends.len(), mends[0].what, mends[0].line), (1, Mended::Turned, Line::Hole(1)));
    assert_eq!(mended(&rings).unwrap().1, []);
}
