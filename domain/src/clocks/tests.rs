//! Whether clocks count what they say.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const NOON: Timestamp = Timestamp::constant(1_772_352_000, 0);

fn at(second: i64) -> Timestamp {
    NOON + SignedDuration::from_secs(second)
}

fn case(facts: &[(Milestone, i64)]) -> Case {
    let milestones = Milestones::read(facts.iter().map(|(milestone, second)| (*milestone, at(*second))));
    Case { calls: Calls::Help, weight: Weight::Counted, milestones }
}

fn answered_within(share: f64, within_s: i64) -> Target {
    Target::new(Clock::PressedClaimed, Calls::Help, share, within_s).unwrap()
}

#[track_caller]
fn check(facts: &[(Milestone, i64)], now: i64, expected: Reading) {
    assert_eq!(read(&answered_within(0.9, 15), &case(facts).milestones, at(now)), expected);
}

use Milestone::{Asked, CentreAnswered, CentreCalled, Claimed, Closed, Durable, Pressed, VehicleOut};

#[test]
fn a_clock_that_ends_on_the_second_is_in_time_and_one_second_later_is_late() {
    check(&[(Pressed, 0), (Claimed, 15)], 100, Reading::Met { took: SignedDuration::from_secs(15) });
    check(&[(Pressed, 0), (Claimed, 16)], 100, Reading::Missed { took: SignedDuration::from_secs(16) });
}

#[test]
fn a_clock_that_runs_is_a_breach_only_after_its_limit() {
    check(&[(Pressed, 0)], 15, Reading::Running { due: at(15) });
    check(&[(Pressed, 0)], 16, Reading::Overrun { due: at(15) });
}

#[test]
fn closing_a_case_stops_its_clocks_but_takes_no_breach_back() {
    check(&[(Pressed, 0), (Closed, 10)], 1_000, Reading::Dropped);
    check(&[(Pressed, 0), (Closed, 16)], 1_000, Reading::Overrun { due: at(15) });
}

#[test]
fn a_clock_that_nothing_started_says_nothing() {
    check(&[(Claimed, 5)], 1_000, Reading::NotStarted);
}

#[test]
fn clocks_of_two_machines_that_differ_make_no_time_negative() {
    check(&[(Pressed, 3), (Claimed, 0)], 1_000, Reading::Met { took: SignedDuration::ZERO });
}

#[test]
fn the_next_breach_is_the_one_that_comes_first() {
    let every: Vec<Target> = Profile::ALL.iter().flat_map(|profile| profile.targets()).copied().collect();
    let case = case(&[(Pressed, 0), (Durable, 0), (Asked, 1), (CentreCalled, 1)]);
    let next = |now| next_breach(&every, &case, at(now)).map(|(target, due)| (target.clock, due));
    assert_eq!(next(2), Some((Clock::CentreAnswered, at(11))));
    assert_eq!(next(12), Some((Clock::PressedClaimed, at(15))));
    assert_eq!(next(181), Some((Clock::AskedOnScene, at(2_701))));
    assert_eq!(next(2_702), None);
}

#[test]
fn what_the_standards_say_is_what_is_measured() {
    let said: Vec<(Profile, Clock, f64, u32)> = Profile::ALL
        .iter()
        .flat_map(|profile| {
            let said = |target: &Target| (*profile, target.clock, target.share.fraction(), target.within_s());
            profile.targets().iter().map(said).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        said,
        [
            (Profile::Nena, Clock::PressedClaimed, 0.9, 15),
            (Profile::Nena, Clock::PressedClaimed, 0.95, 20),
            (Profile::Tsa, Clock::PressedClaimed, 0.975, 60),
            (Profile::Tsa, Clock::PressedClaimed, 0.99, 180),
            (Profile::Nhc, Clock::CentreAnswered, 0.95, 10),
            (Profile::Nhc, Clock::VehicleOut, 0.95, 180),
            (Profile::Door, Clock::AskedOnScene, 0.9, 2_700),
        ]
    );
    let ambulance = case(&[(CentreCalled, 0), (CentreAnswered, 8), (VehicleOut, 189)]).milestones;
    assert_eq!(Clock::CentreAnswered.took(&ambulance), Some(SignedDuration::from_secs(8)));
    assert_eq!(Clock::VehicleOut.took(&ambulance), Some(SignedDuration::from_secs(181)));
}

#[test]
fn a_target_that_cannot_be_is_refused_with_a_sentence() {
    let wanted = |share, within_s| Target::new(Clock::AskedOnScene, Calls::Orders, share, within_s);
    for share in [0.0, -0.5, 1.000_1, 95.0, 0.123_45, f64::NAN, f64::INFINITY] {
        assert!(matches!(wanted(share, 60), Err(BadTarget::Share(_))), "{share}");
    }
    for within_s in [0, -1, i64::from(Target::WITHIN_MAX_S) + 1, i64::MAX, i64::MIN] {
        assert_eq!(wanted(0.9, within_s), Err(BadTarget::Within), "{within_s}");
    }
    assert_eq!(wanted(1.0, 1).map(|target| target.share.fraction()), Ok(1.0));
    assert!(BadTarget::Share(95.0).to_string().contains("0.95 is 95 %"));
}

#[test]
fn ninety_five_of_a_hundred_are_ninety_five_per_cent() {
    let share = Share::new(0.95).unwrap();
    assert!(share.is_met(95, 100));
    assert!(!share.is_met(94, 100));
    assert_eq!((share.allows(100), share.allows(19), share.allows(20)), (5, 0, 1));
}

#[test]
fn nine_of_ten_took_no_longer_than_p90() {
    let cases: Vec<Case> = (1..=10).map(|second| case(&[(Pressed, 0), (Claimed, second)])).collect();
    let spread = Spread::of(Clock::PressedClaimed, Calls::Help, &cases).unwrap();
    assert_eq!([spread.p50, spread.p90, spread.max].map(|took| took.as_secs()), [5, 9, 10]);
    assert_eq!(Spread::of(Clock::PressedClaimed, Calls::Orders, &cases), None);
    let one = Spread::of(Clock::PressedClaimed, Calls::Help, &cases[..1]).unwrap();
    assert_eq!((one.cases, one.p50), (1, one.max));
}

fn month(days: i64) -> Progress {
    let day = SignedDuration::from_hours(24);
    Progress { from: NOON, until: NOON + day * 30, now: NOON + day * i32::try_from(days).unwrap() }
}

#[test]
fn a_forecast_draws_the_month_on_and_says_how_many_may_still_be_late() {
    let tally = Tally { met: 97, missed: 3, running: 0, dropped: 4 };
    let forecast = Forecast::of(&tally, Share::new(0.95).unwrap(), month(10)).unwrap();
    assert_eq!((forecast.expected, forecast.allowed, forecast.spare), (300, 15, 12));
    // By a second computation: the terms of the distribution from factorials.
    assert!((forecast.risk - 0.112_1).abs() < 0.000_1, "{}", forecast.risk);
}

#[test]
fn a_month_that_is_over_is_as_it_is() {
    let share = Share::new(0.95).unwrap();
    let over = |missed| Forecast::of(&Tally { met: 95, missed, ..Tally::default() }, share, month(40)).unwrap();
    assert_eq!((over(5).expected, over(5).spare, over(5).risk), (100, 0, 0.0));
    assert_eq!((over(6).spare, over(6).risk), (-1, 1.0));
    assert_eq!(Forecast::of(&Tally::default(), share, month(40)), None);
}

#[test]
fn a_month_of_a_large_city_is_forecast_too() {
    let tally = Tally { met: 98_000, missed: 2_000, running: 5, dropped: 0 };
    let forecast = Forecast::of(&tally, Share::new(0.98).unwrap(), month(10)).unwrap();
    assert!((0.3..0.7).contains(&forecast.risk), "{forecast:?}");
}

fn any_milestones() -> impl Strategy<Value = Milestones> {
    prop::collection::vec((prop::sample::select(Milestone::ALL), 0_i64..4_000), 0..12)
        .prop_map(|facts| Milestones::read(facts.into_iter().map(|(milestone, second)| (milestone, at(second)))))
}

fn any_case() -> impl Strategy<Value = Case> {
    let calls = prop::sample::select(Calls::ALL);
    let weight = prop::sample::select(Weight::ALL);
    (calls, weight, any_milestones()).prop_map(|(calls, weight, milestones)| Case { calls, weight, milestones })
}

fn any_target() -> impl Strategy<Value = Target> {
    let clock = prop::sample::select(Clock::ALL);
    let calls = prop::sample::select(Calls::ALL);
    (clock, calls, 1_u16..=10_000, 1_i64..3_000).prop_map(|(clock, calls, share, within_s)| {
        Target::new(clock, calls, f64::from(share) / 10_000.0, within_s).unwrap()
    })
}

proptest! {
    #[test]
    fn facts_may_come_in_any_order_and_the_first_of_a_kind_counts(
        facts in prop::collection::vec((prop::sample::select(Milestone::ALL), 0_i64..1_000), 0..30).prop_shuffle(),
    ) {
        let read = Milestones::read(facts.iter().map(|(milestone, second)| (*milestone, at(*second))));
        let mut first: BTreeMap<Milestone, i64> = BTreeMap::new();
        for (milestone, second) in facts {
            first.entry(milestone).and_modify(|before| *before = second.min(*before)).or_insert(second);
        }
        for milestone in Milestone::ALL {
            prop_assert_eq!(read.at(*milestone), first.get(milestone).copied().map(at));
        }
    }

    #[test]
    fn time_alone_makes_late_what_ran_and_changes_nothing_else(
        target in any_target(), milestones in any_milestones(), early in 0_i64..8_000, wait in 0_i64..8_000,
    ) {
        let before = read(&target, &milestones, at(early));
        let after = read(&target, &milestones, at(early + wait));
        match before {
            Reading::Running { due } if due < at(early + wait) => prop_assert_eq!(after, Reading::Overrun { due }),
            before => prop_assert_eq!(after, before),
        }
    }

    #[test]
    fn a_breach_happens_right_after_its_count_down(
        target in any_target(), case in any_case(), now in 0_i64..8_000,
    ) {
        if let Some((breached, due)) = next_breach([&target], &case, at(now)) {
            prop_assert!(due >= at(now));
            prop_assert!(!read(breached, &case.milestones, due).is_breach());
            prop_assert!(read(breached, &case.milestones, due + SignedDuration::from_nanos(1)).is_breach());
        }
    }

    #[test]
    fn every_case_that_counts_and_whose_clock_started_is_in_one_heap(
        target in any_target(), cases in prop::collection::vec(any_case(), 0..40), now in 0_i64..8_000,
    ) {
        let tally = Tally::of(&target, &cases, at(now));
        let from = target.clock.ends().0;
        let started = cases.iter().filter(|case| {
            case.weight == Weight::Counted && case.calls == target.calls && case.milestones.at(from).is_some()
        });
        prop_assert_eq!(
            (tally.counted() + tally.running + tally.dropped) as usize,
            started.count()
        );
    }

    #[test]
    fn drills_and_tests_change_nothing(
        target in any_target(), cases in prop::collection::vec(any_case(), 0..40), now in 0_i64..8_000,
    ) {
        let counted: Vec<Case> = cases.iter().copied().filter(|case| case.weight == Weight::Counted).collect();
        prop_assert_eq!(Tally::of(&target, &cases, at(now)), Tally::of(&target, &counted, at(now)));
    }

    #[test]
    fn more_time_never_makes_fewer_in_time(
        target in any_target(), more in 0_i64..3_000, cases in prop::collection::vec(any_case(), 0..40), now in 0_i64..8_000,
    ) {
        let patient = Target::new(
            target.clock, target.calls, target.share.fraction(), i64::from(target.within_s()) + more,
        ).unwrap();
        let (strict, patient) = (Tally::of(&target, &cases, at(now)), Tally::of(&patient, &cases, at(now)));
        prop_assert!(patient.met >= strict.met && patient.missed <= strict.missed);
    }

    #[test]
    fn a_share_is_kept_exactly_while_no_more_are_late_than_it_allows(met in 0_u32..2_000, missed in 0_u32..2_000, share in 1_u16..=10_000) {
        let share = Share::new(f64::from(share) / 10_000.0).unwrap();
        let tally = Tally { met, missed, ..Tally::default() };
        let kept = (tally.counted() > 0).then(|| missed <= share.allows(tally.counted()));
        prop_assert_eq!(tally.keeps(share), kept);
    }

    #[test]
    fn one_more_late_call_never_makes_a_forecast_better(
        met in 1_u32..500, missed in 0_u32..100, running in 0_u32..20, share in 1_u16..=10_000, days in 0_i64..32,
    ) {
        let share = Share::new(f64::from(share) / 10_000.0).unwrap();
        let good = Forecast::of(&Tally { met, missed, running, dropped: 0 }, share, month(days)).unwrap();
        let bad = Forecast::of(&Tally { met: met - 1, missed: missed + 1, running, dropped: 0 }, share, month(days)).unwrap();
        prop_assert!((0.0..=1.0).contains(&good.risk));
        prop_assert!(bad.spare < good.spare);
        prop_assert!(bad.risk >= good.risk - 1e-9, "{good:?} {bad:?}");
    }
}
