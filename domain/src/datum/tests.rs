//! The figures that others have measured of the public formula, and that there and back ends where it began.

use proptest::prelude::*;

use super::*;

/// What an inverse may be off, in metres: a micrometre.
const FOUND_AGAIN_M: f64 = 1.0e-6;

/// The public inverse of BD-09, which is not used: it is a fifth of a metre off.
fn bd09_to_gcj02(lat: f64, lon: f64) -> (f64, f64) {
    let (lat, lon) = (lat - 0.006, lon - 0.0065);
    let radius = lat.hypot(lon) - 0.000_02 * (lat * BD_TURN).sin();
    let angle = lat.atan2(lon) - 0.000_003 * (lon * BD_TURN).cos();
    (radius * angle.sin(), radius * angle.cos())
}

fn at(lat: f64, lon: f64) -> Position {
    Position::new(lat, lon).unwrap()
}

/// How far apart, in metres. Millionths of a metre are lost in an arc's sines, so that a plane is reckoned with.
fn apart_m(here: Position, (lat, lon): (f64, f64)) -> f64 {
    let metre = 6_371_008.8_f64.to_radians();
    let east = (lon - here.lon_deg()) * here.lat_deg().to_radians().cos();
    (lat - here.lat_deg()).hypot(east) * metre
}

fn shifted_m(datum: Datum, here: Position) -> f64 {
    apart_m(here, datum.from_wgs84(here))
}

/// What a place is found at again, after so many rounds.
fn back(datum: Datum, here: Position, rounds: usize) -> f64 {
    let (lat, lon) = datum.from_wgs84(here);
    let (mut guess_lat, mut guess_lon) = (lat, lon);
    for _ in 0..rounds {
        let (to_lat, to_lon) = datum.there(guess_lat, guess_lon);
        (guess_lat, guess_lon) = (guess_lat - (to_lat - lat), guess_lon - (to_lon - lon));
    }
    apart_m(here, (guess_lat, guess_lon))
}

/// Within the mainland's borders everywhere, and far from those of Taiwan, Hong Kong and Macau.
fn mainland() -> impl Strategy<Value = Position> {
    prop_oneof![(23.0..42.0, 98.0..117.0), (30.0..45.0, 85.0..98.0), (42.0..52.0, 120.0..130.0)]
        .prop_map(|(lat, lon)| at(lat, lon))
}

fn changsha() -> impl Strategy<Value = Position> {
    (28.0..28.5, 112.7..113.3).prop_map(|(lat, lon)| at(lat, lon))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn around_changsha_a_map_lies_630_to_678_metres_off_and_baidus_1_2_kilometres(here in changsha()) {
        let off = shifted_m(Datum::Gcj02, here);
        prop_assert!((620.0..690.0).contains(&off), "{off} m");
        let off = shifted_m(Datum::Bd09, here);
        prop_assert!((1000.0..1400.0).contains(&off), "{off} m");
    }

    #[test]
    fn on_the_mainland_it_lies_18_to_710_metres_off(here in mainland()) {
        let off = shifted_m(Datum::Gcj02, here);
        prop_assert!((15.0..715.0).contains(&off), "{off} m");
    }

    #[test]
    fn one_step_back_is_up_to_five_metres_off_and_four_are_not_two_micrometres(here in mainland(), near in changsha()) {
        let off = back(Datum::Gcj02, here, 1);
        prop_assert!(off <= 5.0, "{off} m");
        let off = back(Datum::Gcj02, near, 1);
        prop_assert!(off <= 3.1, "{off} m");
        // In the far north, where a step is shorter, one and a tenth.
        let off = back(Datum::Gcj02, here, 4);
        prop_assert!(off < 2.0 * FOUND_AGAIN_M, "{off} m");
        let off = back(Datum::Gcj02, near, 4);
        prop_assert!(off < FOUND_AGAIN_M, "{off} m");
    }

    #[test]
    fn there_and_back_ends_where_it_began(here in prop_oneof![mainland(), changsha()]) {
        for datum in [Datum::Wgs84, Datum::Gcj02, Datum::Bd09] {
            let (lat, lon) = datum.from_wgs84(here);
            let found = datum.to_wgs84(lat, lon).unwrap();
            let off = apart_m(here, (found.lat_deg(), found.lon_deg()));
            prop_assert!(off < FOUND_AGAIN_M, "{datum:?}: {off} m");
        }
    }

    #[test]
    fn the_public_inverse_of_baidus_datum_is_less_than_a_quarter_of_a_metre_off(here in mainland()) {
        let (lat, lon) = Datum::Gcj02.from_wgs84(here);
        let (bd_lat, bd_lon) = gcj02_to_bd09(lat, lon);
        let off = apart_m(at(lat, lon), bd09_to_gcj02(bd_lat, bd_lon));
        prop_assert!(off < 0.25, "{off} m");
    }

    #[test]
    fn no_two_numbers_become_anything_but_a_place_or_none(lat in -100.0..100.0, lon in -200.0..200.0) {
        for datum in [Datum::Gcj02, Datum::Bd09] {
            if let Ok(found) = datum.to_wgs84(lat, lon) {
                let off = apart_m(at(lat, lon), (found.lat_deg(), found.lon_deg()));
                prop_assert!(off < 2500.0, "{datum:?}: {off} m");
            }
        }
    }
}

#[test]
fn a_known_place_is_where_others_have_it() {
    let here = at(28.2282, 112.9388);
    for (datum, lat, lon) in
        [(Datum::Gcj02, 28.224_692_417, 112.944_249_776), (Datum::Bd09, 28.230_797_562, 112.950_743_324)]
    {
        let (to_lat, to_lon) = datum.from_wgs84(here);
        assert!((to_lat - lat).abs() < 1e-9 && (to_lon - lon).abs() < 1e-9, "{datum:?}: {to_lat} {to_lon}");
    }
}

#[test]
fn abroad_in_hong_kong_macau_and_taiwan_nothing_is_shifted_and_next_door_it_is() {
    for (lat, lon) in [(52.5, 13.4), (22.28, 114.17), (22.5, 114.14), (22.19, 113.55), (25.03, 121.56), (22.63, 120.3)]
    {
        assert_eq!(Datum::Gcj02.from_wgs84(at(lat, lon)), (lat, lon));
        assert_eq!(Datum::Gcj02.to_wgs84(lat, lon), Ok(at(lat, lon)));
    }
    // 深圳, 厦门, 珠海.
    for (lat, lon) in [(22.54, 114.06), (24.48, 118.09), (22.27, 113.57)] {
        let off = shifted_m(Datum::Gcj02, at(lat, lon));
        assert!(off > 100.0, "{lat} {lon}: {off} m");
    }
}

#[test]
fn what_is_no_place_is_none() {
    assert_eq!(Datum::Gcj02.to_wgs84(0.0, 0.0), Err(NoPosition::Null));
    assert_eq!(Datum::Bd09.to_wgs84(f64::NAN, 112.0), Err(NoPosition::OutOfRange));
}
