use super::*;
use crate::whereabouts::{Standing, is_away};

#[test]
fn what_is_judged_by_rules_raises_nothing_by_itself_and_a_place_to_be_is_as_good_as_home() {
    let (inside, confirmed) = (Standing::Inside, Standing::Confirmed);
    assert!(is_away([(Kind::Safe, confirmed)]));
    assert!(!is_away([(Kind::Haven, confirmed)]), "its rules say when that matters");
    assert!(!is_away([(Kind::Hazard, confirmed)]));
    assert!(!is_away([(Kind::Safe, confirmed), (Kind::Haven, inside)]), "at school they are not lost");
    assert!(is_away([(Kind::Safe, confirmed), (Kind::Haven, confirmed)]));
    assert!(is_away([(Kind::Safe, confirmed), (Kind::Hazard, inside)]), "off the river is not home");
    assert!(is_away([(Kind::Forbidden, confirmed), (Kind::Haven, inside)]));
}

#[test]
fn who_walks_out_of_a_place_of_their_rules_is_known_to_be_outside_and_nobody_is_told() {
    for (kind, is_told) in [(Kind::Safe, true), (Kind::Haven, false)] {
        let area = Area::circle(home(), Metres(150.0)).unwrap();
        let mut wearer = Wearer::new(home(), Metres(150.0), vec![zone(kind, area)]);
        let mut changes = 0;
        for minute in 0..30_i32 {
            let place = spot(home(), f64::from(minute.max(5) - 5) * 70.0, 0.0);
            changes += wearer.watch(&fix(place, i64::from(minute) * 60)).len();
        }
        assert_eq!(changes > 0, is_told, "{kind:?}");
        assert!(wearer.standings().all(|(_, standing, _)| standing == Standing::Confirmed), "{kind:?}");
    }
}
