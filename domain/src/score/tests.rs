use proptest::prelude::*;

use super::*;

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 5e-4
}

fn late(minutes: &[i64]) -> Vec<SignedDuration> {
    minutes.iter().map(|minutes| SignedDuration::from_mins(*minutes)).collect()
}

#[test]
fn a_share_has_wilsons_interval() {
    // As R's prop.test(correct = FALSE) has them.
    let half = share(5, 10).unwrap();
    assert!(near(half.low, 0.2366) && near(half.high, 0.7634), "{half:?}");
    let none = share(0, 10).unwrap();
    assert!(near(none.low, 0.0) && near(none.high, 0.2775), "{none:?}");
    let all = share(20, 20).unwrap();
    assert!(near(all.low, 0.8389) && near(all.high, 1.0), "{all:?}");
    assert_eq!(share(0, 0), None);
}

#[test]
fn stars_are_shrunk_towards_an_ordinary_provider_and_less_so_the_more_there_are() {
    assert_eq!(Ratings::default().estimate(), None);
    let (prior, weight): (f64, f64) =
        ((1..).zip(PRIOR).map(|(stars, n)| f64::from(stars) * n).sum::<f64>() / PRIOR_RATINGS, PRIOR.iter().sum());
    assert!(near(prior, 4.5) && near(weight, PRIOR_RATINGS), "what the documentation says: {prior}, {weight}");
    let bad = |n| Ratings([n, 0, 0, 0, 0]).estimate().unwrap();
    assert!(near(bad(3).value, (45.0 + 3.0) / 13.0), "{:?}", bad(3));
    assert!(bad(1).value > bad(3).value && bad(3).value > bad(30).value && bad(300).value < 1.2);
    assert_eq!(Ratings([1, 0, 0, 0, 1]).mean(), Some(3.0));
}

#[test]
fn three_bad_ratings_condemn_nobody_and_a_dozen_do() {
    let floors = Floors { rating_min: Some(4.0), ..Floors::default() };
    let judged = |n| judge(&card(&Counts { ratings: Ratings([n, 0, 0, 0, 0]), ..Counts::default() }), &floors);
    for n in 0..=5 {
        assert_eq!(judged(n), [], "{n} bad ratings");
    }
    let breaches = judged(12);
    assert_eq!(breaches[0].measure, Measure::Rating);
    assert_eq!(
        breaches[0].sentence(),
        "2.6 stars from 12 ratings (95 %: 1.8 to 3.3) are under the 4.0 of the contract"
    );
}

#[test]
fn a_floor_is_broken_only_when_the_whole_interval_is_beyond_it() {
    let counts = Counts {
        asked: 40,
        accepted: 16,
        served: 100,
        left: 0,
        lateness: late(&[-3, 0, 4, 5, 6, 30]),
        complaints: 9,
        ratings: Ratings([0, 0, 0, 20, 80]),
    };
    let found = card(&counts);
    assert!(near(found.on_time.unwrap().value, 4.0 / 6.0), "five minutes of grace are on time");
    assert_eq!(found.lateness_median, Some(SignedDuration::from_secs(270)));
    let floors = Floors {
        acceptance_min: Some(0.6),
        on_time_min: Some(0.8),
        completion_min: Some(0.95),
        complaints_max: Some(0.03),
        rating_min: Some(4.0),
    };
    let broken: Vec<Measure> = judge(&found, &floors).iter().map(|breach| breach.measure).collect();
    // Of six arrivals nobody can tell; the rating is good; the hundred cases were all seen through.
    assert_eq!(broken, [Measure::Acceptance, Measure::Complaints]);
    assert_eq!(judge(&found, &Floors::default()), [], "a contract that asks for nothing is kept");
    assert_eq!(judge(&card(&Counts::default()), &floors), [], "who has done nothing has broken nothing");
    let sentences: Vec<String> = judge(&found, &floors).iter().map(Breach::sentence).collect();
    assert_eq!(
        sentences,
        [
            "offers accepted: 40 % of 40 (95 %: 26 % to 55 %), under the 60 % of the contract",
            "complaints about 9 % of 100 cases (95 %: 5 % to 16 %) are over the 3 % of the contract",
        ]
    );
}

#[test]
fn whoever_is_under_a_floor_is_asked_later_but_asked() {
    let breach = Breach { measure: Measure::Rating, floor: 4.0, found: share(1, 2).unwrap() };
    let minutes = |n| handicap(&vec![breach; n]).as_mins();
    assert_eq!([minutes(0), minutes(1), minutes(2), minutes(5)], [0, 2, 3, 6]);
}

#[test]
fn the_median_is_the_middle_one() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&late(&[7])), Some(SignedDuration::from_mins(7)));
    assert_eq!(median(&late(&[9, 1, 2])), Some(SignedDuration::from_mins(2)));
    assert_eq!(median(&late(&[-4, 2])), Some(SignedDuration::from_mins(-1)));
}

proptest! {
    #[test]
    fn an_interval_holds_its_value_and_narrows_with_more_cases(with in 0_u32..500, more in 0_u32..500) {
        let few = share(with, with + more);
        if let Some(few) = few {
            prop_assert!(0.0 <= few.low && few.low <= few.value && few.value <= few.high && few.high <= 1.0);
            let many = share(with * 10, (with + more) * 10).unwrap();
            prop_assert!(many.high - many.low <= few.high - few.low + 1e-12);
        }
    }

    #[test]
    fn stars_lie_between_one_and_five(ratings in prop::array::uniform5(0_u32..1000)) {
        if let Some(found) = Ratings(ratings).estimate() {
            prop_assert!(1.0 <= found.low && found.low <= found.value && found.value <= found.high && found.high <= 5.0);
        }
    }

    #[test]
    fn a_better_rating_never_makes_a_card_worse(ratings in prop::array::uniform5(0_u32..50), stars in 0_usize..4) {
        let mut better = ratings;
        prop_assume!(better[stars] > 0);
        better[stars] -= 1;
        better[stars + 1] += 1;
        let value = |ratings| Ratings(ratings).estimate().unwrap().value;
        prop_assert!(value(better) > value(ratings));
    }
}
