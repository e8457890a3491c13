//! Rules by the calendar: clocks, midnights, holidays, pauses, and that nobody is told twice.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const HOME: FenceId = FenceId(Uuid::from_u128(1));
const SCHOOL: FenceId = FenceId(Uuid::from_u128(2));

fn zone(posix: &str) -> TimeZone {
    TimeZone::posix(posix).unwrap()
}

fn changsha() -> Calendar {
    Calendar { resident: zone("CST-8"), exceptions: BTreeMap::new() }
}

/// A clock that is put forward on 29 March 2026 at 02:00 and back on 25 October at 03:00.
fn berlin() -> TimeZone {
    zone("CET-1CEST,M3.5.0,M10.5.0/3")
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A time in Changsha.
fn there(text: &str) -> Timestamp {
    format!("{text}:00+08").parse().unwrap()
}

fn minutes(text: &str) -> u16 {
    let (hour, minute) = text.split_once(':').unwrap();
    hour.parse::<u16>().unwrap() * 60 + minute.parse::<u16>().unwrap()
}

fn asks(expect: Expect, from: &str, until: &str) -> Asks {
    let hours = Hours::new(minutes(from), minutes(until)).unwrap();
    let (allowed, grace) = (SignedDuration::ZERO, SignedDuration::from_mins(15));
    Asks { expect, days: Days::Every, hours, allowed, grace }
}

fn rule(number: u128, fence: FenceId, asks: Asks) -> Rule {
    Rule::new(RuleId(Uuid::from_u128(number)), fence, None, asks).unwrap()
}

fn seen(rules: &[Rule], belief: Belief, told: &[RuleId], now: Timestamp) -> Look {
    look(rules, &changsha(), &[], |_| belief, told, now)
}

fn out_since(text: &str) -> Belief {
    Belief::Outside { since: there(text) }
}

const IN: Belief = Belief::Inside { since: None };

#[test]
fn who_is_not_home_by_ten_is_missed_a_quarter_of_an_hour_later_and_once() {
    let home_by_ten = [rule(1, HOME, asks(Expect::Inside, "22:00", "06:00"))];
    let early = seen(&home_by_ten, out_since("2026-06-01T17:00"), &[], there("2026-06-01T21:00"));
    assert_eq!((early.due.len(), early.wake_at), (0, Some(there("2026-06-01T22:10"))));
    let soon = seen(&home_by_ten, out_since("2026-06-01T17:00"), &[], there("2026-06-01T22:14"));
    assert_eq!((soon.due.len(), soon.wake_at), (0, Some(there("2026-06-01T22:15"))));
    assert_eq!(soon.near[0].suspicion(), "suspected: should be inside in the hours 22:00–06:00, and is outside");
    let not_yet = seen(&home_by_ten, out_since("2026-06-01T17:00"), &[], there("2026-06-01T22:09"));
    assert_eq!((not_yet.near.len(), not_yet.wake_at), (0, Some(there("2026-06-01T22:10"))));
    let due = seen(&home_by_ten, out_since("2026-06-01T17:00"), &[], there("2026-06-01T22:15"));
    assert_eq!((due.due[0].since, due.near.len()), (there("2026-06-01T22:00"), 0));
    assert_eq!(due.due[0].there_since, Some(there("2026-06-01T17:00")));
    assert_eq!(
        due.due[0].to_string(),
        "should be inside in the hours 22:00–06:00, and is outside, for more than 15 min"
    );
    let told = [home_by_ten[0].id];
    let later = seen(&home_by_ten, out_since("2026-06-01T17:00"), &told, there("2026-06-02T01:00"));
    assert_eq!((later.due.len(), later.over.len(), later.wake_at), (0, 0, Some(there("2026-06-02T06:00"))));
    let back = seen(&home_by_ten, IN, &told, there("2026-06-02T01:00"));
    assert_eq!(back.over, [Over { rule: told[0], why: Why::Kept }]);
    let morning = seen(&home_by_ten, out_since("2026-06-01T17:00"), &told, there("2026-06-02T06:00"));
    assert_eq!(morning.over, [Over { rule: told[0], why: Why::HoursOver }]);
    assert_eq!(morning.wake_at, Some(there("2026-06-02T22:10")));
    // Who goes at night is missed from then on.
    let late = seen(&home_by_ten, out_since("2026-06-02T03:00"), &[], there("2026-06-02T03:01"));
    assert_eq!(late.wake_at, Some(there("2026-06-02T03:10")));
    // And not at all when the night is over before.
    let at_dawn = seen(&home_by_ten, out_since("2026-06-02T05:50"), &[], there("2026-06-02T05:55"));
    assert_eq!((at_dawn.due.len(), at_dawn.wake_at), (0, Some(there("2026-06-02T22:10"))));
}

#[test]
fn who_is_out_shortly_before_the_hours_begin_is_looked_at_more_closely_before_anybody_is_told() {
    let at_once = Asks { grace: SignedDuration::ZERO, ..asks(Expect::Inside, "22:00", "06:00") };
    let home_by_ten = [rule(1, HOME, at_once)];
    let out = out_since("2026-06-01T17:00");
    let early = seen(&home_by_ten, out, &[], there("2026-06-01T21:00"));
    assert_eq!((early.near.len(), early.wake_at), (0, Some(there("2026-06-01T21:55"))));
    let near = seen(&home_by_ten, out, &[], there("2026-06-01T21:55"));
    assert_eq!((near.near.len(), near.due.len(), near.wake_at), (1, 0, Some(there("2026-06-01T22:00"))));
    assert_eq!(seen(&home_by_ten, out, &[], there("2026-06-01T22:00")).due.len(), 1);
    // Nobody asks after who is at home, who was out before, or who is in hospital then.
    let is_near = |rules: &[Rule], pauses: &[Pause], belief| {
        !look(rules, &changsha(), pauses, |_| belief, &[], there("2026-06-01T21:55")).near.is_empty()
    };
    let not_leave = [rule(1, HOME, Asks { expect: Expect::NotLeave, ..at_once })];
    let span = Span { from: there("2026-06-01T21:58"), until: there("2026-06-03T00:00") };
    let in_hospital = [Pause { fence: None, span }];
    assert!(is_near(&home_by_ten, &[], out));
    assert!(!is_near(&home_by_ten, &[], IN) && !is_near(&not_leave, &[], out));
    assert!(!is_near(&home_by_ten, &in_hospital, out));
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let mut night = asks(Expect::Inside, "22:00", "06:00");
    night.days = Days::Working;
    let night = [rule(1, HOME, night)];
    let is_due = |text: &str| !seen(&night, out_since("2026-05-01T00:00"), &[], there(text)).due.is_empty();
    // The fifth of June 2026 is a Friday.
    assert!(is_due("2026-06-06T01:00"), "Friday's night");
    assert!(!is_due("2026-06-06T23:00"), "Saturday's");
    assert!(!is_due("2026-06-08T01:00"), "Sunday's");
    assert!(is_due("2026-06-08T23:00"), "Monday's");
}

#[test]
fn holidays_are_off_and_weekends_worked_for_them_are_not() {
    let mut school = asks(Expect::Inside, "08:00", "16:30");
    school.days = Days::Working;
    let school = [rule(1, SCHOOL, school)];
    let exceptions = BTreeMap::from([(date(2026, 10, 1), true), (date(2026, 10, 10), false)]);
    let calendar = Calendar { exceptions, ..changsha() };
    let is_due = |text: &str| {
        let out = |_| out_since("2026-09-01T00:00");
        !look(&school, &calendar, &[], out, &[], there(text)).due.is_empty()
    };
    assert!(is_due("2026-09-30T09:00") && is_due("2026-10-02T09:00"));
    assert!(!is_due("2026-10-01T09:00"), "a Thursday off");
    assert!(is_due("2026-10-10T09:00"), "a Saturday that is worked");
    assert!(!is_due("2026-10-11T09:00"), "a Sunday");
}

#[test]
fn an_hour_that_a_clock_leaps_over_is_none_and_one_that_comes_twice_counts_twice() {
    let calendar = Calendar { resident: berlin(), exceptions: BTreeMap::new() };
    let spans = |from: &str, until: &str, after: &str, before: &str| {
        calendar.spans(&rule(1, HOME, asks(Expect::Inside, from, until)), at(after), at(before))
    };
    let length = |span: &Span| span.until.duration_since(span.from);
    // On 29 March there is no 02:00 to 03:00.
    let spring = spans("02:00", "03:00", "2026-03-28T12:00Z", "2026-03-30T12:00Z");
    assert_eq!(spring.iter().map(|span| span.from).collect::<Vec<_>>(), [at("2026-03-30T00:00Z")]);
    let night = spans("22:00", "06:00", "2026-03-28T12:00Z", "2026-03-29T12:00Z");
    assert_eq!(night.iter().map(length).collect::<Vec<_>>(), [SignedDuration::from_hours(7)]);
    // On 25 October 02:00 to 03:00 comes twice.
    let autumn = spans("02:00", "03:00", "2026-10-24T12:00Z", "2026-10-25T12:00Z");
    assert_eq!(autumn.iter().map(length).collect::<Vec<_>>(), [SignedDuration::from_hours(2)]);
    let night = spans("22:00", "06:00", "2026-10-24T12:00Z", "2026-10-25T12:00Z");
    assert_eq!(night.iter().map(length).collect::<Vec<_>>(), [SignedDuration::from_hours(9)]);
    // All day is all day, whatever the clocks do.
    let always = calendar.spans(
        &rule(1, HOME, Asks { hours: Hours::ALL, ..asks(Expect::Inside, "00:00", "12:00") }),
        at("2026-03-27T12:00Z"),
        at("2026-03-31T12:00Z"),
    );
    assert_eq!(always.len(), 1);
}

#[test]
fn hours_go_by_the_clock_of_the_resident_or_of_the_fence() {
    let wakes = |zone| {
        let rules = [Rule { zone, ..rule(1, HOME, asks(Expect::Inside, "22:00", "23:00")) }];
        let out = |_| Belief::Outside { since: at("2026-06-01T00:00Z") };
        look(&rules, &changsha(), &[], out, &[], at("2026-06-01T12:00Z")).wake_at
    };
    assert_eq!(wakes(None), Some(at("2026-06-01T14:10Z")));
    assert_eq!(wakes(Some(berlin())), Some(at("2026-06-01T20:10Z")));
}

#[test]
fn who_was_out_before_the_night_has_not_left_in_it() {
    let night = [rule(1, HOME, asks(Expect::NotLeave, "22:00", "06:00"))];
    let now = there("2026-06-02T02:00");
    assert!(seen(&night, out_since("2026-06-01T21:59"), &[], now).due.is_empty());
    assert_eq!(seen(&night, out_since("2026-06-02T01:40"), &[], now).due[0].since, there("2026-06-02T01:40"));
    assert_eq!(seen(&night, out_since("2026-06-02T01:50"), &[], now).wake_at, Some(there("2026-06-02T02:05")));
}

#[test]
fn too_long_away_is_asked_after_in_its_hours_and_stays_true_in_the_night() {
    let mut away = asks(Expect::NotAway, "08:00", "20:00");
    (away.allowed, away.grace) = (SignedDuration::from_hours(3), SignedDuration::ZERO);
    let away = [rule(1, HOME, away)];
    let look = |since, told: &[RuleId], now| seen(&away, out_since(since), told, there(now));
    assert_eq!(look("2026-06-01T09:00", &[], "2026-06-01T10:00").wake_at, Some(there("2026-06-01T11:55")));
    let near = look("2026-06-01T09:00", &[], "2026-06-01T11:55");
    assert_eq!((near.due.len(), near.wake_at), (0, Some(there("2026-06-01T12:00"))));
    assert_eq!(near.near[0].suspicion(), "suspected: may be away for 3 h, which is nearly over");
    assert_eq!(look("2026-06-01T09:00", &[], "2026-06-01T12:00").due[0].since, there("2026-06-01T12:00"));
    // Gone at six in the evening: asked after in the morning.
    assert_eq!(look("2026-06-01T18:00", &[], "2026-06-01T22:00").wake_at, Some(there("2026-06-02T07:55")));
    assert_eq!(look("2026-06-01T09:00", &[away[0].id], "2026-06-01T23:00").over, []);
}

#[test]
fn a_place_to_stay_away_from_is_asked_after_too() {
    let station = [rule(1, SCHOOL, asks(Expect::Outside, "20:00", "06:00"))];
    let inside = Belief::Inside { since: Some(there("2026-06-01T21:00")) };
    let due = seen(&station, inside, &[], there("2026-06-01T21:15"));
    assert_eq!(due.due[0].since, there("2026-06-01T21:00"));
    assert!(seen(&station, out_since("2026-06-01T21:00"), &[], there("2026-06-01T22:00")).due.is_empty());
}

#[test]
fn a_pause_asks_nothing_and_ends_by_itself() {
    let rules = [
        rule(1, HOME, asks(Expect::Inside, "22:00", "06:00")),
        rule(2, SCHOOL, asks(Expect::Inside, "08:00", "16:00")),
    ];
    let span = Span { from: there("2026-06-01T12:00"), until: there("2026-06-02T23:00") };
    let hospital = Pause { fence: Some(HOME), span };
    let paused = |pause: &Pause, told: &[RuleId], now| {
        look(&rules[..1], &changsha(), &[*pause], |_| out_since("2026-06-01T10:00"), told, there(now))
    };
    let during = paused(&hospital, &[], "2026-06-02T22:30");
    assert_eq!((during.due.len(), during.wake_at), (0, Some(there("2026-06-02T23:00"))));
    assert_eq!(paused(&hospital, &[rules[0].id], "2026-06-02T22:30").over[0].why, Why::Paused);
    // Back from hospital they have their quarter of an hour again.
    assert_eq!(paused(&hospital, &[], "2026-06-02T23:00").wake_at, Some(there("2026-06-02T23:10")));
    assert_eq!(paused(&hospital, &[], "2026-06-02T23:15").due.len(), 1);
    // That of another fence changes nothing.
    let school = Pause { fence: Some(SCHOOL), span };
    assert_eq!(paused(&school, &[], "2026-06-01T22:15").due.len(), 1);
}

#[test]
fn of_whom_nothing_is_known_nothing_is_said_and_nobody_is_said_to_be_back() {
    let rules = [rule(1, HOME, asks(Expect::Inside, "22:00", "06:00"))];
    let unknown = |told: &[RuleId]| seen(&rules, Belief::Unknown, told, there("2026-06-01T23:00"));
    assert_eq!((unknown(&[]).due.len(), unknown(&[rules[0].id]).over.len()), (0, 0));
    let gone = seen(&[], Belief::Unknown, &[rules[0].id], there("2026-06-01T23:00"));
    assert_eq!((gone.over[0].why, gone.wake_at), (Why::Gone, None));
}

#[test]
fn rules_that_would_never_say_anything_are_refused() {
    let id = RuleId(Uuid::nil());
    let refused = |asks| Rule::new(id, HOME, None, asks).unwrap_err().to_string();
    let short = asks(Expect::Inside, "22:00", "22:15");
    assert_eq!(
        refused(short),
        "it waits for 15 min before anybody is told, and holds for 15 min a day only: it would never say anything"
    );
    assert!(refused(Asks { grace: SignedDuration::from_hours(25), ..short }).contains("25 h"));
    assert!(refused(asks(Expect::NotAway, "08:00", "20:00")).contains("an absence of 0 min"));
    let allowed = SignedDuration::from_hours(1);
    assert!(refused(Asks { allowed, ..asks(Expect::Inside, "08:00", "20:00") }).contains("not_away only"));
    assert_eq!(Hours::new(600, 600), Err(BadRule::Hours));
    assert_eq!((Weekdays::new(0), Weekdays::new(128)), (None, None));
}

#[test]
fn rules_that_contradict_each_other_are_found() {
    let check = |a: Rule, b: Rule, relation| {
        contradiction(&[a, b], &[], &changsha(), |_, _| relation, there("2026-06-01T12:00"))
    };
    let home = |asks| rule(1, HOME, asks);
    let other = |fence, asks| rule(2, fence, asks);
    let night = asks(Expect::Inside, "22:00", "06:00");
    let dawn = asks(Expect::Outside, "05:00", "08:00");
    assert_eq!(check(home(night), other(HOME, dawn), Relation::Apart), Some(Contradiction::InAndOut(0, 1)));
    let noon = asks(Expect::Outside, "11:00", "13:00");
    assert_eq!(check(home(night), other(HOME, noon), Relation::Apart), None);
    assert_eq!(check(home(night), other(HOME, night), Relation::Apart), Some(Contradiction::Twice(0, 1)));
    let school = asks(Expect::Inside, "05:30", "16:00");
    assert_eq!(check(home(night), other(SCHOOL, school), Relation::Apart), Some(Contradiction::TwoPlaces(0, 1)));
    assert_eq!(check(home(night), other(SCHOOL, school), Relation::Overlapping), None);
    assert_eq!(
        check(home(night), other(SCHOOL, dawn), Relation::FirstInSecond),
        Some(Contradiction::WithinForbidden(0, 1))
    );
    assert_eq!(check(home(night), other(SCHOOL, dawn), Relation::SecondInFirst), None);
    // Working days and days off never meet but over midnight.
    let on = |days, asks| Asks { days, ..asks };
    let working = on(Days::Working, noon);
    let off = on(Days::Off, asks(Expect::Inside, "11:00", "13:00"));
    assert_eq!(check(home(working), other(HOME, off), Relation::Apart), None);
    let friday = Days::Of(Weekdays::new(1 << 4).unwrap());
    let saturday = Days::Of(Weekdays::new(1 << 5).unwrap());
    let over = check(home(on(friday, night)), other(HOME, on(saturday, dawn)), Relation::Apart);
    assert_eq!(over, Some(Contradiction::InAndOut(0, 1)));
    assert_eq!(check(home(on(saturday, night)), other(HOME, on(saturday, dawn)), Relation::Apart), None);
    // A holiday may be any day of the week.
    let on_holidays = on(Days::Off, asks(Expect::Inside, "11:00", "13:00"));
    let mondays = on(Days::Of(Weekdays::new(1).unwrap()), noon);
    assert!(check(home(on_holidays), other(HOME, mondays), Relation::Apart).is_some());
}

#[test]
fn clocks_that_differ_are_compared_by_their_difference() {
    let here = asks(Expect::Inside, "14:00", "15:00");
    let of_fence = rule(2, HOME, asks(Expect::Outside, "08:00", "09:00"));
    let check = |zone: Option<TimeZone>| {
        let rules = [rule(1, HOME, here), Rule { zone, ..of_fence.clone() }];
        contradiction(&rules, &[], &changsha(), |_, _| Relation::Apart, at("2026-06-01T12:00Z"))
    };
    // Eight in Berlin's summer is two in the afternoon in Changsha.
    assert_eq!(check(Some(berlin())), Some(Contradiction::InAndOut(0, 1)));
    assert_eq!(check(None), None);
}

#[test]
fn nobody_is_expected_where_they_are_to_keep_away_from() {
    let check = |rules: &[Rule], relation| {
        contradiction(rules, &[SCHOOL], &changsha(), |_, _| relation, there("2026-06-01T12:00"))
    };
    let night = |expect| asks(expect, "22:00", "06:00");
    let of_forbidden = [rule(1, SCHOOL, night(Expect::Inside))];
    assert_eq!(check(&of_forbidden, Relation::Apart), Some(Contradiction::OfForbidden(0)));
    assert_eq!(check(&[rule(1, SCHOOL, night(Expect::Outside))], Relation::Apart), None);
    let at_home = rule(1, HOME, night(Expect::Inside));
    assert_eq!(check(std::slice::from_ref(&at_home), Relation::FirstInSecond), Some(Contradiction::LiesInForbidden(0)));
    for lies in [Relation::Apart, Relation::Overlapping, Relation::SecondInFirst] {
        assert_eq!(check(std::slice::from_ref(&at_home), lies), None, "{lies:?}");
    }
    // By day they may be there.
    let by_day = rule(2, SCHOOL, asks(Expect::Outside, "08:00", "20:00"));
    assert_eq!(check(&[at_home, by_day], Relation::FirstInSecond), None);
}

fn any_asks() -> impl Strategy<Value = Asks> {
    let expect = prop::sample::select(vec![Expect::Inside, Expect::Outside, Expect::NotLeave, Expect::NotAway]);
    let days = prop::sample::select(vec![Days::Every, Days::Working, Days::Off, Days::Of(Weekdays(0b101_0010))]);
    (expect, days, 0..48_u16, 1..48_u16, 0..4_i64, 1..20_i64).prop_filter_map(
        "no rule",
        |(expect, days, from, until, grace, allowed)| {
            let hours = Hours::new(from * 30, until * 30).ok()?;
            let allowed = SignedDuration::from_mins(if expect == Expect::NotAway { allowed * 30 } else { 0 });
            let grace = SignedDuration::from_mins(grace * 10);
            let asks = Asks { expect, days, hours, allowed, grace };
            Rule::new(RuleId(Uuid::nil()), HOME, None, asks).ok().map(|_| asks)
        },
    )
}

/// When somebody is told of a rule, and when they are told that it is over, when it is looked at these times.
fn told(
    rule: &Rule,
    calendar: &Calendar,
    moves: &[(Timestamp, Belief)],
    mut next: impl FnMut(Timestamp, Option<Timestamp>) -> Option<Timestamp>,
    begin: Timestamp,
) -> Vec<(Timestamp, bool)> {
    let (mut told, mut open, mut now) = (Vec::new(), Vec::new(), begin);
    loop {
        let belief = moves.iter().rev().find(|(at, _)| *at <= now).map_or(IN, |(_, belief)| *belief);
        let look = look(std::slice::from_ref(rule), calendar, &[], |_| belief, &open, now);
        assert!(look.wake_at.is_some_and(|wake_at| wake_at > now), "{rule:?} at {now}: {look:?}");
        for over in &look.over {
            told.push((now, false));
            open.retain(|rule| *rule != over.rule);
        }
        for due in &look.due {
            told.push((now, true));
            open.push(due.rule);
        }
        match next(now, look.wake_at) {
            Some(then) => now = then,
            None => return told,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn looking_when_told_to_is_as_good_as_looking_all_the_time(
        asks in any_asks(), moves in prop::collection::vec((0..2_016_i64, any::<bool>()), 0..12), summer in any::<bool>(),
    ) {
        // A week in which the clock is put forward, or back.
        let begin = at(if summer { "2026-03-25T23:00Z" } else { "2026-10-21T22:00Z" });
        let end = begin + SignedDuration::from_hours(7 * 24);
        let calendar = Calendar { resident: berlin(), exceptions: BTreeMap::from([(date(2026, 3, 27), true)]) };
        let rule = rule(1, HOME, asks);
        let mut moves: Vec<(Timestamp, Belief)> = moves.into_iter().map(|(five, is_out)| {
            let at = begin + SignedDuration::from_mins(5 * five);
            (at, if is_out { Belief::Outside { since: at } } else { Belief::Inside { since: Some(at) } })
        }).collect();
        moves.sort_by_key(|(at, _)| *at);
        moves.dedup_by_key(|(at, _)| *at);
        let all_the_time = told(&rule, &calendar, &moves, |now, _| {
            Some(now + SignedDuration::from_mins(5)).filter(|then| *then <= end)
        }, begin);
        let when_told = told(&rule, &calendar, &moves, |now, wake_at| {
            let moved = moves.iter().map(|(at, _)| *at).find(|at| *at > now);
            wake_at.into_iter().chain(moved).min().filter(|then| *then <= end)
        }, begin);
        prop_assert_eq!(all_the_time, when_told);
    }
}
