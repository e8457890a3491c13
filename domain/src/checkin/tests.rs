use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn time(text: &str) -> TimeOfDay {
    TimeOfDay::parse(text).unwrap()
}

fn plan(times: &[&str], days: &[i16], grace_min: i32, quiet: Option<(&str, &str)>) -> Result<Plan, BadPlan> {
    let quiet = quiet.map(|(from, until)| Quiet { from: time(from), until: time(until) });
    Plan::new(times.iter().map(|text| time(text)).collect(), days, grace_min, quiet, vec![Way::Key, Way::Movement])
}

const EVERY_DAY: [i16; 7] = [1, 2, 3, 4, 5, 6, 7];

#[test]
fn what_is_no_plan_is_refused_with_a_sentence() {
    let refused = |times: &[&str], days: &[i16], grace, quiet| plan(times, days, grace, quiet).unwrap_err().to_string();
    assert_eq!(refused(&[], &EVERY_DAY, 60, None), "there must be one time of day at least, and 12 at most");
    assert_eq!(refused(&["08:00", "08:20"], &EVERY_DAY, 60, None), "08:00 and 08:20 are less than 30 minutes apart");
    assert_eq!(refused(&["24:00"], &EVERY_DAY, 60, None), "24:00 is 00:00 of the next day");
    for days in [&[][..], &[0], &[8]] {
        assert!(refused(&["08:00"], days, 60, None).starts_with("there must be one day"), "{days:?}");
    }
    for grace in [4, 721] {
        assert_eq!(refused(&["08:00"], &[1], grace, None), "the grace must be 5 minutes to 12 hours");
    }
    assert!(refused(&["08:00"], &[1], 60, Some(("22:00", "22:00"))).starts_with("the quiet hours must"));
    assert!(refused(&["23:00"], &[1], 60, Some(("22:00", "07:00"))).starts_with("23:00 lies in the quiet hours"));
    let no_ways = Plan::new(vec![time("08:00")], &[1], 60, None, Vec::new());
    assert_eq!(no_ways, Err(BadPlan::Ways));
}

#[test]
fn the_next_due_time_is_the_first_one_on_one_of_the_days() {
    // 2026-11-23 is a Monday.
    let weekdays = plan(&["20:00", "08:00"], &[1, 3], 60, None).unwrap();
    let table = [
        (date(2026, 11, 23).at(7, 59, 0, 0), date(2026, 11, 23).at(8, 0, 0, 0)),
        (date(2026, 11, 23).at(8, 0, 0, 0), date(2026, 11, 23).at(20, 0, 0, 0)),
        (date(2026, 11, 23).at(20, 0, 0, 0), date(2026, 11, 25).at(8, 0, 0, 0)),
        (date(2026, 11, 25).at(23, 0, 0, 0), date(2026, 11, 30).at(8, 0, 0, 0)),
    ];
    for (after, due) in table {
        assert_eq!(weekdays.next(after).unwrap().at, due, "after {after}");
    }
    let only_monday = plan(&["08:00"], &[1], 60, None).unwrap();
    assert_eq!(only_monday.next(date(2026, 11, 23).at(8, 0, 0, 0)).unwrap().at, date(2026, 11, 30).at(8, 0, 0, 0));
}

#[test]
fn nobody_is_missed_in_their_sleep() {
    let deadline = |times: &[&str], grace, quiet| {
        let plan = plan(times, &EVERY_DAY, grace, Some(quiet)).unwrap();
        plan.next(date(2026, 11, 23).at(0, 0, 0, 0)).unwrap().deadline
    };
    let at = |day, hour, minute| date(2026, 11, day).at(hour, minute, 0, 0);
    assert_eq!(deadline(&["08:00"], 60, ("22:00", "07:00")), at(23, 9, 0));
    assert_eq!(deadline(&["21:30"], 60, ("22:00", "07:00")), at(24, 7, 0));
    assert_eq!(deadline(&["12:30"], 45, ("13:00", "15:00")), at(23, 15, 0));
    assert_eq!(deadline(&["21:30"], 180, ("22:00", "07:00")), at(24, 7, 0));
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

/// Due at 600 minutes, deadline at 660.
fn facts() -> Facts {
    Facts {
        due_at: at(600),
        deadline: at(660),
        previous_at: None,
        signs: Signs::default(),
        is_paused: false,
        listening_since: at(0),
        in_outage: false,
    }
}

fn hourly() -> Plan {
    plan(&["10:00"], &EVERY_DAY, 60, None).unwrap()
}

#[test]
fn a_due_time_is_kept_by_what_counts_and_by_nothing_else() {
    let key = |minutes| Signs { key: Some(at(minutes)), ..Signs::default() };
    let table = [
        (key(590), 600, Verdict::Kept { way: Way::Key, at: at(590) }),
        (key(655), 660, Verdict::Kept { way: Way::Key, at: at(655) }),
        // Later than the deadline, and nobody has said "missed" yet.
        (key(700), 720, Verdict::Kept { way: Way::Key, at: at(700) }),
        // Two hours before is too early.
        (key(480), 660, Verdict::Missed),
        (key(481), 660, Verdict::Kept { way: Way::Key, at: at(481) }),
        (Signs { movement: Some(at(610)), ..Signs::default() }, 660, Verdict::Kept { way: Way::Movement, at: at(610) }),
        // The telephone does not count in this plan.
        (Signs { voice: Some(at(610)), ..Signs::default() }, 660, Verdict::Missed),
        (Signs::default(), 590, Verdict::Wait(at(600))),
        (Signs::default(), 600, Verdict::Wait(at(660))),
        (Signs::default(), 659, Verdict::Wait(at(660))),
        (Signs::default(), 660, Verdict::Missed),
    ];
    for (signs, now, verdict) in table {
        assert_eq!(judge(&hourly(), &Facts { signs, ..facts() }, at(now)), verdict, "{signs:?} at {now}");
    }
}

#[test]
fn one_sign_does_not_count_for_the_due_time_before_as_well() {
    let signs = Signs { key: Some(at(540)), ..Signs::default() };
    let facts = Facts { previous_at: Some(at(545)), signs, ..facts() };
    assert_eq!(judge(&hourly(), &facts, at(660)), Verdict::Missed);
}

#[test]
fn who_is_away_is_not_missed_and_who_could_not_be_heard_has_more_time() {
    assert_eq!(judge(&hourly(), &Facts { is_paused: true, ..facts() }, at(660)), Verdict::Paused);
    let deaf = Facts { listening_since: at(900), ..facts() };
    assert_eq!(judge(&hourly(), &deaf, at(901)), Verdict::Wait(at(960)));
    assert_eq!(judge(&hourly(), &deaf, at(960)), Verdict::Missed);
    let outage = Facts { in_outage: true, ..facts() };
    assert_eq!(judge(&hourly(), &outage, at(660)), Verdict::Wait(at(720)));
    assert_eq!(judge(&hourly(), &outage, at(720)), Verdict::Missed);
}

prop_compose! {
    fn any_plan()(
        times in prop::collection::btree_set(0_i32..47, 1..8),
        days in prop::collection::btree_set(1_i16..=7, 1..8),
        grace_min in 5_i32..=720,
        quiet in prop::option::of((0_i32..24, 1_i32..23)),
    ) -> Option<Plan> {
        let of_minutes = |minutes: i32| TimeOfDay::of_minutes(minutes % DAY_MIN).unwrap();
        let times = times.into_iter().map(|half_hour| of_minutes(half_hour * 30)).collect();
        let days: Vec<i16> = days.into_iter().collect();
        let quiet = quiet.map(|(from, hours)| Quiet {
            from: of_minutes(from * 60),
            until: of_minutes((from + hours) * 60),
        });
        Plan::new(times, &days, grace_min, quiet, vec![Way::Key]).ok()
    }
}

proptest! {
    #[test]
    fn due_times_go_forward_and_end_awake(plan in any_plan(), start in 0_i64..(366 * 24 * 60)) {
        let Some(plan) = plan else { return Ok(()) };
        let mut after = date(2026, 1, 1).at(0, 0, 0, 0).checked_add(SignedDuration::from_mins(start)).unwrap();
        for _ in 0..20 {
            let due = plan.next(after).unwrap();
            prop_assert!(due.at > after && due.deadline > due.at);
            prop_assert!(due.at.duration_since(after) <= SignedDuration::from_hours(8 * 24));
            let minute = |at: DateTime| i32::from(at.hour()) * 60 + i32::from(at.minute());
            if let Some(quiet) = plan.quiet() {
                prop_assert!(!quiet.holds(minute(due.at)) && !quiet.holds(minute(due.deadline)));
            }
            let day = due.at.date().weekday().to_monday_one_offset();
            prop_assert!(plan.days().contains(&i16::from(day)));
            prop_assert!(plan.times().iter().any(|time| time.minutes() == minute(due.at)));
            after = due.at;
        }
    }

    /// Whoever looks at each time that they are told to comes to one end, and only silence ends in "missed".
    #[test]
    fn a_due_time_comes_to_one_end(
        key in prop::option::of(0_i64..1200),
        listening in 0_i64..900,
        in_outage: bool,
        is_paused: bool,
        begin in 0_i64..700,
    ) {
        let plan = hourly();
        let mut now = at(begin);
        let mut looks = 0;
        let verdict = loop {
            let signs = Signs { key: key.map(at).filter(|key| *key <= now), ..Signs::default() };
            let facts = Facts { signs, listening_since: at(listening), in_outage, is_paused, ..facts() };
            match judge(&plan, &facts, now) {
                Verdict::Wait(until) => {
                    prop_assert!(until > now);
                    now = until;
                }
                verdict => break verdict,
            }
            looks += 1;
            prop_assert!(looks < 5);
        };
        let in_time = key.is_some_and(|key| key > 480 && key <= 660);
        match verdict {
            Verdict::Missed => prop_assert!(!in_time && !is_paused && now >= at(660)),
            Verdict::Kept { at: kept, .. } => prop_assert_eq!(Some(kept), key.map(at)),
            Verdict::Paused => prop_assert!(is_paused),
            Verdict::Wait(_) => unreachable!(),
        }
    }
}
