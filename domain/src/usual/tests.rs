use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use proptest::prelude::*;

use super::*;
use crate::place::Source;

const HOME: usize = 0;
const MARKET: usize = 1;

fn shanghai() -> Calendar {
    zone("CST-8")
}

fn zone(posix: &str) -> Calendar {
    Calendar { resident: TimeZone::posix(posix).unwrap(), exceptions: BTreeMap::new() }
}

fn north(metres: f64) -> Position {
    Position::new(28.228 + metres / 111_195.0, 112.938).unwrap()
}

fn grounds() -> Vec<Ground> {
    vec![Ground { middle: north(0.0), radius: Metres(80.0) }, Ground { middle: north(900.0), radius: Metres(80.0) }]
}

/// Days from a Monday on.
fn days(count: u16) -> impl Iterator<Item = (Date, bool)> {
    let first = date(2026, 8, 3);
    (0..i32::from(count)).map(move |day| {
        let day = first + day.days();
        (day, day.weekday().to_monday_zero_offset() >= 5)
    })
}

fn stay(day: (Date, bool), hours: (f64, f64), ground: Option<usize>) -> Stay {
    let quarter = |hour: f64| (0..=QUARTERS).find(|quarter| f64::from(*quarter) >= hour * 4.0).unwrap();
    Stay { day: day.0, is_off: day.1, begins: quarter(hours.0), ends: quarter(hours.1) - 1, ground }
}

/// At home, and from nine to eleven at the market.
fn regular(count: u16) -> Vec<Stay> {
    days(count)
        .flat_map(|day| {
            [
                stay(day, (0.0, 9.0), Some(HOME)),
                stay(day, (9.0, 11.0), Some(MARKET)),
                stay(day, (11.0, 24.0), Some(HOME)),
            ]
        })
        .collect()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seen(at: Timestamp, metres: f64) -> Seen {
    Seen { at, place: north(metres), accuracy: Some(Metres(10.0)), source: Source::Gnss }
}

/// Told every five minutes for so long.
fn out(until: Timestamp, minutes: i64, metres: f64) -> Vec<Seen> {
    (0..=minutes / 5).rev().map(|step| seen(until - SignedDuration::from_mins(5 * step), metres)).collect()
}

fn away(habits: &Habits, seen: &[Seen], now: Timestamp) -> Absence {
    match whereabouts(habits.home().unwrap(), seen, now) {
        Where::Away(absence) => absence,
        other => panic!("they are away: {other:?}"),
    }
}

#[test]
fn days_are_counted_once_for_each_hour_with_half_an_hour_on_either_side() {
    let habits = learn(&grounds(), &regular(14));
    assert_eq!((habits.days, habits.home), (14, Some(0)));
    let market = &habits.places[1];
    assert_eq!((market.days, market.first_day, market.last_day), (14, date(2026, 8, 3), date(2026, 8, 16)));
    let told: Vec<u16> = (7..13).map(|hour| market.seen.working[hour]).collect();
    assert_eq!(told, [0, 10, 10, 10, 10, 0], "from half past eight to half past eleven");
    assert_eq!((habits.known.working[9], habits.known.off[9], habits.away.off[8]), (10, 4, 4));
    assert_eq!(habits.away.working[3], 0);
}

#[test]
fn what_is_seen_around_midnight_counts_for_both_days() {
    let stays: Vec<Stay> = days(14)
        .flat_map(|day| {
            [stay(day, (0.0, 20.0), Some(HOME)), stay(day, (20.0, 23.75), Some(MARKET)), stay(day, (23.75, 24.0), None)]
        })
        .collect();
    let habits = learn(&grounds(), &stays);
    // Of the fourteen nights the first one's evening is not known.
    assert_eq!(habits.away.working[0] + habits.away.off[0], 13);
    assert_eq!(habits.away.working[1] + habits.away.off[1], 0);
}

#[test]
fn who_is_out_at_two_in_the_morning_and_never_is_is_suspected_with_the_numbers() {
    let habits = learn(&grounds(), &regular(80));
    let now = at("2026-11-09T18:00:00Z"); // 02:00 on a Tuesday there.
    let mut told = vec![seen(now - SignedDuration::from_mins(30), 5.0)];
    told.extend(out(now, 20, 2_000.0));
    let absence = away(&habits, &told, now);
    let found = unusual(&habits, &shanghai(), &absence, None, now).unwrap();
    assert_eq!((found.around.hour, found.around.of, found.around.away), (2, OfDays::Working, 0));
    assert_eq!(
        found.why(&shanghai()),
        "around 02:00 they were at home on 58 of 58 working days; now 2.0 km away since 01:40"
    );
}

#[test]
fn nobody_is_missed_when_they_are_usually_out_or_where_they_usually_are() {
    let habits = learn(&grounds(), &regular(60));
    for (now, metres) in [("2026-11-10T02:00:00Z", 900.0), ("2026-11-10T02:00:00Z", 2_000.0)] {
        let now = at(now);
        let absence = away(&habits, &out(now, 40, metres), now);
        assert_eq!(unusual(&habits, &shanghai(), &absence, None, now), None);
    }
    // Three nights at their daughter's: seldom, and still no stranger there.
    let nights = days(80)
        .enumerate()
        .map(|(number, day)| stay(day, (0.0, 24.0), Some(if number % 30 == 0 { MARKET } else { HOME })));
    let habits = learn(&grounds(), &nights.collect::<Vec<_>>());
    let now = at("2026-11-10T18:00:00Z");
    let there = away(&habits, &out(now, 40, 900.0), now);
    assert_eq!(unusual(&habits, &shanghai(), &there, None, now), None);
    let elsewhere = away(&habits, &out(now, 40, 3_000.0), now);
    assert!(unusual(&habits, &shanghai(), &elsewhere, None, now).is_some());
}

#[test]
fn one_absence_is_told_once() {
    let habits = learn(&grounds(), &regular(60));
    let now = at("2026-11-10T18:00:00Z");
    let absence = away(&habits, &out(now, 40, 2_000.0), now);
    let raised = now - SignedDuration::from_mins(15);
    assert_eq!(unusual(&habits, &shanghai(), &absence, Some(raised), now), None);
    let before = absence.since - SignedDuration::from_mins(1);
    assert!(unusual(&habits, &shanghai(), &absence, Some(before), now).is_some(), "they were home in between");
}

#[test]
fn a_moment_elsewhere_a_cell_or_silence_is_no_absence() {
    let habits = learn(&grounds(), &regular(60));
    let home = habits.home().unwrap();
    let now = at("2026-11-10T18:00:00Z");
    assert_eq!(whereabouts(home, &out(now, 15, 2_000.0), now), Where::Unknown, "too short");
    let blip = [out(now - SignedDuration::from_mins(5), 60, 5.0), out(now, 0, 2_000.0)].concat();
    assert_eq!(whereabouts(home, &blip, now), Where::Unknown);
    let back = [out(now - SignedDuration::from_mins(10), 60, 2_000.0), out(now, 0, 5.0)].concat();
    assert_eq!(whereabouts(home, &back, now), Where::Home);
    let cells: Vec<Seen> =
        out(now, 60, 4_000.0).into_iter().map(|seen| Seen { source: Source::Cell, ..seen }).collect();
    assert_eq!(whereabouts(home, &cells, now), Where::Unknown);
    let long_ago = out(now - SignedDuration::from_mins(31), 60, 2_000.0);
    assert_eq!(whereabouts(home, &long_ago, now), Where::Unknown);
    assert_eq!(whereabouts(home, &[], now), Where::Unknown);
    for accuracy in [f64::NAN, f64::INFINITY, -1.0, 1e9] {
        let odd = out(now, 60, 4_000.0).into_iter().map(|seen| Seen { accuracy: Some(Metres(accuracy)), ..seen });
        assert_eq!(whereabouts(home, &odd.collect::<Vec<_>>(), now), Where::Unknown, "{accuracy}");
    }
}

#[test]
fn few_days_say_nothing() {
    let now = at("2026-08-25T18:00:00Z");
    assert_eq!(learn(&grounds(), &regular(13)).around(now, &shanghai()), None);
    let habits = learn(&grounds(), &regular(14));
    // Ten of them were worked: the four days off are counted with them.
    assert_eq!(habits.around(now, &shanghai()).unwrap().of, OfDays::Both);
    assert!(habits.around(now, &shanghai()).unwrap().is_at_home());
    assert_eq!(learn(&grounds(), &regular(30)).around(now, &shanghai()).unwrap().of, OfDays::Working);
    assert_eq!(look_again(&Habits::default(), &shanghai(), now), None);
}

#[test]
fn a_receiver_that_errs_for_a_moment_in_the_night_takes_nobody_out() {
    let nights = days(30).flat_map(|day| {
        [stay(day, (0.0, 2.0), Some(HOME)), stay(day, (2.0, 2.25), None), stay(day, (2.25, 24.0), Some(HOME))]
    });
    let habits = learn(&grounds(), &nights.collect::<Vec<_>>());
    assert_eq!(habits.away, Counts::default());
}

#[test]
fn a_receiver_that_errs_around_midnight_takes_nobody_out() {
    let home = |day, from, until| stay(day, (from, until), Some(HOME));
    let before = days(30).flat_map(|day| [home(day, 0.0, 23.75), stay(day, (23.75, 24.0), None)]);
    let after = days(30).skip(1).flat_map(|day| [stay(day, (0.0, 0.25), None), home(day, 0.25, 24.0)]);
    let first = days(1).map(|day| home(day, 0.0, 24.0));
    for stays in [before.collect::<Vec<_>>(), first.chain(after).collect()] {
        assert_eq!(learn(&grounds(), &stays).away, Counts::default());
    }
    // With a day in between of which nothing is known it may have been anything.
    let seldom = days(30).step_by(2).flat_map(|day| [home(day, 0.0, 23.75), stay(day, (23.75, 24.0), None)]);
    assert_ne!(learn(&grounds(), &seldom.collect::<Vec<_>>()).away, Counts::default());
}

#[test]
fn days_off_are_others_and_holidays_are_days_off() {
    // At the market on days that are worked, at home on days off.
    let stays: Vec<Stay> = days(80)
        .flat_map(|day| {
            let by_day = if day.1 { HOME } else { MARKET };
            [
                stay(day, (0.0, 9.0), Some(HOME)),
                stay(day, (9.0, 17.0), Some(by_day)),
                stay(day, (17.0, 24.0), Some(HOME)),
            ]
        })
        .collect();
    let habits = learn(&grounds(), &stays);
    let noon = |day: &str| at(&format!("{day}T04:00:00Z"));
    let is_at_home = |calendar: &Calendar, day| habits.around(noon(day), calendar).unwrap().is_at_home();
    assert!(!is_at_home(&shanghai(), "2026-11-10") && is_at_home(&shanghai(), "2026-11-14"));
    let holiday = Calendar { exceptions: BTreeMap::from([(date(2026, 11, 10), true)]), ..shanghai() };
    assert!(is_at_home(&holiday, "2026-11-10"));
}

#[test]
fn the_hour_is_the_clocks_where_they_live_also_when_it_is_put_forward_or_back() {
    let habits = learn(&grounds(), &regular(60));
    let berlin = zone("CET-1CEST,M3.5.0,M10.5.0/3");
    // In October 02:00 comes twice, in March it does not come.
    for (moment, hour) in [
        ("2026-10-25T00:30:00Z", 2),
        ("2026-10-25T01:30:00Z", 2),
        ("2026-10-25T02:30:00Z", 3),
        ("2026-03-29T00:30:00Z", 1),
        ("2026-03-29T01:30:00Z", 3),
    ] {
        assert_eq!(habits.around(at(moment), &berlin).unwrap().hour, hour, "{moment}");
    }
    // Out from half past eight to half past eleven, by that clock, and looked after from twelve on.
    let next = look_again(&habits, &berlin, at("2026-10-25T08:10:00Z")).unwrap();
    assert_eq!(next, at("2026-10-25T11:00:00Z"));
    assert_eq!(look_again(&habits, &berlin, next), Some(next + SignedDuration::from_mins(10)));
}

#[test]
fn a_home_is_where_the_nights_are_and_without_one_nobody_is_missed() {
    let mut stays = regular(20);
    stays.retain(|stay| stay.begins >= 24);
    for stay in &mut stays {
        stay.begins = stay.begins.max(28);
    }
    let habits = learn(&grounds(), &stays);
    assert_eq!(habits.home, None);
    assert_eq!(look_again(&habits, &shanghai(), at("2026-11-10T18:00:00Z")), None);
    // Half of the nights here and half there: no home either.
    let nights = days(40).enumerate().map(|(number, day)| stay(day, (0.0, 24.0), Some(number % 2)));
    assert_eq!(learn(&grounds(), &nights.collect::<Vec<_>>()).home, None);
}

#[test]
fn a_search_begins_where_they_are_at_that_hour_and_near() {
    let grounds: Vec<Ground> =
        [0.0, 900.0, 1_000.0, 9_000.0].map(|metres| Ground { middle: north(metres), radius: Metres(80.0) }).to_vec();
    // The market in the mornings, the park in the afternoons, far relatives on each seventh day.
    let stays: Vec<Stay> = days(60)
        .enumerate()
        .flat_map(|(number, day)| {
            let evening = if number % 7 == 0 { Some(3) } else { Some(HOME) };
            [
                stay(day, (0.0, 9.0), Some(HOME)),
                stay(day, (9.0, 11.0), Some(1)),
                stay(day, (11.0, 15.0), Some(HOME)),
                stay(day, (15.0, 16.0), Some(2)),
                stay(day, (17.0, 24.0), evening),
            ]
        })
        .collect();
    let habits = learn(&grounds, &stays);
    #[expect(clippy::cast_possible_truncation, reason = "hundreds of metres")]
    let order = |moment: &str, from| -> Vec<i32> {
        let likely = likely_places(&habits, &shanghai(), at(moment), from);
        assert!(likely.windows(2).all(|pair| pair[0].weight >= pair[1].weight));
        likely
            .iter()
            .map(|one| (habits.places[one.place].middle.distance(north(0.0)).0 / 100.0).round() as i32)
            .collect()
    };
    let near_the_market = Some(north(950.0));
    assert_eq!(order("2026-11-10T02:10:00Z", near_the_market)[0], 9);
    assert_eq!(order("2026-11-10T07:30:00Z", near_the_market)[0], 10);
    assert_eq!(order("2026-11-10T18:00:00Z", None)[0], 0);
    assert_eq!(order("2026-11-10T02:10:00Z", near_the_market).len(), 4);
    let likely = likely_places(&habits, &shanghai(), at("2026-11-10T02:10:00Z"), near_the_market);
    let (around, there) = likely[0].around.unwrap();
    assert_eq!((around.hour, there, around.known), (10, around.known, 44));
    assert!((49.0..51.0).contains(&likely[0].distance.unwrap().0));
}

fn any_days() -> impl Strategy<Value = Vec<Stay>> {
    let day = (0_u8..96, 1_u8..40, prop::option::of(0_usize..2), prop::option::of(0_usize..2));
    prop::collection::vec(day, 0..90).prop_map(|each| {
        let each: Vec<_> = days(90).zip(each).collect();
        each.into_iter()
            .flat_map(|(day, (begins, length, one, other))| {
                let ends = begins.saturating_add(length).min(95);
                let it = |begins, ends, ground| Stay { day: day.0, is_off: day.1, begins, ends, ground };
                let rest = (ends < 95).then(|| it(ends + 1, 95, other));
                [Some(it(begins, ends, one)), rest].into_iter().flatten()
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn counts_are_never_more_than_the_days_and_nobody_is_expected_by_few_of_them(stays in any_days()) {
        let habits = learn(&grounds(), &stays);
        prop_assert!(habits.days <= 90);
        for hour in 0..HOURS {
            for of in [OfDays::Working, OfDays::Off, OfDays::Both] {
                let known = habits.known.of(of, hour);
                prop_assert!(known <= habits.days && habits.away.of(of, hour) <= known);
                for place in &habits.places {
                    prop_assert!(place.seen.of(of, hour) <= known && place.days <= habits.days);
                }
            }
        }
        for hour in 0..48 {
            let now = at("2026-11-10T18:00:00Z") + SignedDuration::from_hours(hour);
            if let Some(around) = habits.around(now, &shanghai()) {
                prop_assert!(around.known >= DAYS_MIN);
                prop_assert!(!around.is_at_home() || u32::from(around.away) * 15 <= u32::from(around.known));
            }
            if let Some(next) = look_again(&habits, &shanghai(), now) {
                prop_assert!(next > now && next <= now + SignedDuration::from_hours(48));
            }
        }
        let weights: f64 =
            likely_places(&habits, &shanghai(), at("2026-11-10T18:00:00Z"), None).iter().map(|one| one.weight).sum();
        prop_assert!(weights <= 1.0 + 1e-9);
    }

    #[test]
    fn who_comes_and_goes_as_they_like_is_never_missed(
        outings in prop::collection::vec(0_u8..23, 60..80), now in 0_i64..10_000, metres in 300.0..20_000.0_f64,
    ) {
        // Once a day for an hour somewhere else, at any hour but not the same few: each hour is out on a day in ten.
        let mut outings = outings;
        for (number, hour) in outings.iter_mut().enumerate() {
            if number % 3 == 0 { *hour = u8::try_from((number / 3) % 8 * 3).unwrap() }
        }
        let stays: Vec<Stay> = days(80).zip(&outings).flat_map(|(day, hour)| {
            let hour = f64::from(*hour);
            let before = (hour > 0.0).then(|| stay(day, (0.0, hour), Some(HOME)));
            [before, Some(stay(day, (hour, hour + 1.0), None)), Some(stay(day, (hour + 1.0, 24.0), Some(HOME)))]
                .into_iter().flatten()
        }).collect();
        let habits = learn(&grounds(), &stays);
        let now = at("2026-11-10T18:00:00Z") + SignedDuration::from_mins(now);
        let around = habits.around(now, &shanghai()).unwrap();
        prop_assume!(u32::from(around.away) * 10 >= u32::from(around.known));
        let absence = away(&habits, &out(now, 40, metres), now);
        prop_assert_eq!(unusual(&habits, &shanghai(), &absence, None, now), None);
    }

    #[test]
    fn somebody_who_goes_out_once_is_told_of_once_until_they_are_home(
        leaves in 0_i64..240, minutes in 0_i64..600, every in 1_i64..9,
    ) {
        let habits = learn(&grounds(), &regular(60));
        let begin = at("2026-11-10T13:00:00Z"); // Nine in the evening there.
        let gone = begin + SignedDuration::from_mins(leaves);
        let back = gone + SignedDuration::from_mins(minutes);
        let step = SignedDuration::from_mins(every);
        let mut told: Vec<Seen> = Vec::new();
        let (mut raised, mut count, mut now) = (None, 0, begin);
        while now < at("2026-11-11T00:30:00Z") {
            told.push(seen(now, if now >= gone && now < back { 2_000.0 } else { 3.0 }));
            if let Where::Away(absence) = whereabouts(habits.home().unwrap(), &told, now)
                && unusual(&habits, &shanghai(), &absence, raised, now).is_some()
            {
                (raised, count) = (Some(now), count + 1);
                prop_assert!(now < back + SignedDuration::from_mins(30));
            }
            now += step;
        }
        // Whoever is out for long is noticed, and whoever is back before anybody is missed is not.
        prop_assert!(count <= 1);
        if minutes >= 40 { prop_assert_eq!(count, 1) }
        if minutes <= 20 { prop_assert_eq!(count, 0) }
    }
}
