//! Many wearers' fixes at once.

use super::world::{Random, told};
use super::*;
use crate::whereabouts::see_all;

const WEARERS: usize = 40;

#[test]
fn many_together_are_judged_as_one_by_one_and_nobodys_fix_is_passed_over() {
    let mut random = Random::new(5);
    // Every other one walks off after an hour; the last is nobody's day.
    let days: Vec<Vec<Fix>> = (0..=WEARERS)
        .map(|number| {
            let walks = |at: f64| if number % 2 == 0 { 1.1 * (at - 3_600.0).max(0.0) } else { 0.0 };
            told(&mut random, home(), 0..7_200, 60.0, |at| (walks(at), 0.0))
        })
        .collect();
    let minutes = days.iter().map(Vec::len).max().unwrap();
    let of_minute =
        |minute: usize| days.iter().enumerate().filter_map(move |(number, day)| Some((number, *day.get(minute)?)));
    let fixes: Vec<(usize, Fix)> = (0..minutes).flat_map(of_minute).collect();

    let mut one_by_one = vec![wearer(home()); WEARERS];
    let mut expected = Vec::new();
    for (place, (number, fix)) in fixes.iter().enumerate().filter(|(_, (number, _))| *number < WEARERS) {
        expected.push((place, one_by_one[*number].see(fix)));
    }
    expected.retain(|(_, turns)| !turns.is_empty());
    let (mut together, mut heard) = (vec![wearer(home()); WEARERS], Vec::new());
    see_all(&mut together, &fixes, |place, turns| heard.push((place, turns)));

    assert!(expected.len() > WEARERS / 2, "somebody walked off");
    assert_eq!(heard, expected);
    assert_eq!(together, one_by_one);
}
