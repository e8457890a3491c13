//! What lies in a row between two fixes forgets nothing that anybody would be told.

use proptest::prelude::*;

use super::world::{Random, told};
use super::*;
use crate::whereabouts::window::Window;
use crate::whereabouts::{Change, Standing, Step, Turn};

const WITHIN: Metres = Metres(150.0);

fn zones() -> Vec<Zone> {
    let river = spot(home(), 600.0, 0.0);
    let centre = spot(home(), 0.0, 900.0);
    let circle = |number, kind, middle, radius| Zone {
        id: FenceId(Uuid::from_u128(number)),
        ..zone(kind, Area::circle(middle, Metres(radius)).unwrap())
    };
    vec![
        circle(1, Kind::Safe, home(), 150.0),
        circle(2, Kind::Safe, centre, 120.0),
        circle(3, Kind::Forbidden, river, 100.0),
    ]
}

fn fresh() -> Wearer {
    Wearer::new(home(), WITHIN, zones())
}

fn again(wearer: &Wearer) -> Wearer {
    let kept = wearer.keep();
    assert!(kept.len() <= 2_560 && Wearer::is_readable(&kept), "{} bytes", kept.len());
    Wearer::restore(home(), zones(), &kept).unwrap()
}

/// Home, to the day centre, home by the river, and away.
fn wanders(at: f64) -> (f64, f64) {
    let leg = |from: f64, to: (f64, f64), by: (f64, f64)| {
        let share = ((at - from) / 1_000.0).clamp(0.0, 1.0);
        (by.0 + share * (to.0 - by.0), by.1 + share * (to.1 - by.1))
    };
    match at {
        ..7_200.0 => (0.0, 0.0),
        ..14_400.0 => leg(7_200.0, (0.0, 900.0), (0.0, 0.0)),
        ..18_000.0 => leg(14_400.0, (600.0, 0.0), (0.0, 900.0)),
        ..22_000.0 => leg(18_000.0, (0.0, 0.0), (600.0, 0.0)),
        _ => leg(22_000.0, (-1_500.0, -300.0), (0.0, 0.0)),
    }
}

fn steps(changes: &[Change]) -> Vec<Step> {
    changes.iter().map(|change| change.step).collect()
}

#[test]
fn who_is_kept_between_any_two_fixes_is_judged_as_if_never_put_away() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let interval = random.between(30.0, 240.0);
        let fixes = told(&mut random, home(), 0..28_000, interval, wanders);
        let (mut whole, mut kept) = (fresh(), fresh());
        let mut said: (Vec<Turn>, Vec<Turn>) = (Vec::new(), Vec::new());
        for fix in fixes {
            kept = again(&kept);
            said.0.extend(whole.see(&fix));
            said.1.extend(kept.see(&fix));
        }
        let short =
            |turns: &[Turn]| turns.iter().map(|turn| (turn.zone, turn.to, turn.at, turn.since)).collect::<Vec<_>>();
        assert_eq!(short(&said.0), short(&said.1), "seed {seed}");
        assert!(said.0.iter().any(|turn| turn.to == Standing::Confirmed), "seed {seed} shows nothing");
    }
}

#[test]
fn who_rests_takes_little_room_and_who_walks_no_more_than_two_thousand_bytes() {
    let mut wearer = fresh();
    for step in 0..20 {
        wearer.see(&fix(spot(home(), 3.0, f64::from(step % 4)), i64::from(step) * 60));
    }
    let rests = wearer.keep().len();
    let mut most = 0;
    for step in 0..40 {
        wearer.see(&fix(spot(home(), 60.0 * f64::from(step), 0.0), 1_200 + i64::from(step) * 60));
        most = most.max(wearer.keep().len());
        assert_eq!(again(&wearer), wearer_of(&wearer), "step {step}");
    }
    assert!(rests <= 150 && (400..=2_560).contains(&most), "{rests} and {most} bytes");
}

/// The same, unless it is somebody of whom the past is not kept.
fn wearer_of(wearer: &Wearer) -> Wearer {
    let mut same = wearer.clone();
    if wearer.is_settled() {
        (same.start, same.middle) = (same.now.clone(), None);
        same.window = Window::after(same.now.at);
    }
    same
}

#[test]
fn what_is_damaged_or_of_another_version_or_of_other_zones_is_nothing() {
    let mut wearer = fresh();
    for step in 0..25 {
        wearer.see(&fix(spot(home(), 40.0 * f64::from(step), 0.0), i64::from(step) * 60));
    }
    let kept = wearer.keep();
    assert!(Wearer::restore(home(), zones(), &kept).is_some());
    assert!(Wearer::restore(home(), zones()[..2].to_vec(), &kept).is_none());
    for place in 0..kept.len() {
        let mut damaged = kept.clone();
        damaged[place] ^= 0x10;
        assert!(!Wearer::is_readable(&damaged) && Wearer::restore(home(), zones(), &damaged).is_none(), "byte {place}");
        assert!(Wearer::restore(home(), zones(), &kept[..place]).is_none(), "cut at {place}");
    }
}

#[test]
fn who_was_away_before_is_not_missed_again_and_comes_back_once() {
    let away_at = |wearer: &mut Wearer, east: f64, from: i64| -> Vec<Step> {
        (0..20).flat_map(|step| steps(&wearer.watch(&fix(spot(home(), east, 2.0), from + step * 60)))).collect()
    };
    let since = NOON - SignedDuration::from_hours(2);
    let mut wearer = Wearer::resume(home(), WITHIN, zones(), |_| Some(since));
    assert!(!wearer.is_suspected());
    let mut river = zones();
    river.truncate(2);
    let mut wearer_away = Wearer::resume(home(), WITHIN, river, |_| Some(since));
    assert!(wearer_away.is_away());
    assert_eq!(away_at(&mut wearer_away, -900.0, 0), []);
    assert_eq!(away_at(&mut wearer_away, 0.0, 3_600), [Step::Returned]);
    // At the day centre only is as good as at home.
    assert!(wearer.is_away());
    assert_eq!(away_at(&mut wearer, 0.0, 0), [Step::Returned, Step::Returned]);
}

#[test]
fn a_mast_carries_nobody_off_of_whom_nothing_is_known_yet() {
    let safe = || zones()[..1].to_vec();
    let mut wearer = Wearer::resume(home(), WITHIN, safe(), |_| None);
    for step in 0..10 {
        let mast = spot(home(), f64::from(step % 7), 1_400.0);
        let fix = Fix { source: Source::Cell, accuracy: None, ..fix(mast, i64::from(step) * 60) };
        assert!(!steps(&wearer.watch(&fix)).contains(&Step::Left), "fix {step}");
    }
    // Who really is elsewhere is found all the same.
    let mut elsewhere = Wearer::resume(home(), WITHIN, safe(), |_| None);
    let fixes = (0..20).map(|step| fix(spot(home(), f64::from(step % 4), 1_400.0), i64::from(step) * 60));
    let said: Vec<Step> = fixes.flat_map(|fix| steps(&elsewhere.watch(&fix))).collect();
    assert_eq!(said.last(), Some(&Step::Left));
}

#[test]
fn any_of_several_places_will_do_and_a_river_counts_by_itself() {
    let fixes = told(&mut Random::new(3), home(), 0..28_000, 60.0, wanders);
    let mut wearer = fresh();
    let changes: Vec<Change> = fixes.iter().flat_map(|fix| wearer.watch(fix)).collect();
    let left: Vec<&Change> = changes.iter().filter(|change| change.step == Step::Left).collect();
    let kinds: Vec<Kind> = left.iter().map(|change| change.turn.kind).collect();
    assert!(
        kinds.contains(&Kind::Forbidden) && kinds.iter().filter(|kind| **kind == Kind::Safe).count() >= 3,
        "{kinds:?}"
    );
    let last = left.last().unwrap();
    let heading = last.heading.unwrap();
    // Away to the west, and a little south.
    assert!((240.0..280.0).contains(&heading.degrees) && (0.5..3.0).contains(&heading.speed), "{heading:?}");
    assert!(last.track.len() > 1 && last.track.is_sorted_by_key(|(at, _)| *at), "{:?}", last.track);
    assert!(wearer.is_away());
}

proptest! {
    #[test]
    fn no_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Wearer::restore(home(), zones(), &bytes);
    }

    #[test]
    fn nothing_that_sums_up_but_means_nothing_is_taken_for_more_than_it_is(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300), form in 0u8..4,
    ) {
        bytes.splice(0..0, [1, form, 3]);
        let check = super::super::kept::sum(&bytes);
        bytes.extend(check);
        if let Some(mut wearer) = Wearer::restore(home(), zones(), &bytes) {
            wearer.see(&fix(home(), 0));
        }
    }
}
