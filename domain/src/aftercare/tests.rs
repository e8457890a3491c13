use super::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn begun(outcome: Outcome) -> Aftercare {
    Aftercare::begin(Class::Emergency, Drill::Real, outcome, at(0), &Policy::default())
}

fn hear(aftercare: &Aftercare, input: Input, minutes: i64) -> Result<Aftercare, Refusal> {
    aftercare.hear(input, at(minutes), &Policy::default())
}

fn called(minutes: i64, reached: Reached) -> Input {
    Input::Called { at: at(minutes), reached }
}

#[test]
fn a_closed_case_is_finished_by_a_call_and_a_rating_and_not_before() {
    let case = begun(Outcome::NoInjury);
    assert_eq!(case.follow_up, Standing::Due { by: at(24 * 60) });
    assert_eq!(case.rating, Standing::Due { by: at(72 * 60) });
    let rated = hear(&case, Input::Rated, 5).unwrap();
    assert_eq!(rated.finished_at(), None, "nobody has called");
    let called_back = hear(&case, called(10, Reached::Contact), 20).unwrap();
    assert_eq!(called_back.finished_at(), None, "nobody has rated");
    let both = hear(&rated, called(10, Reached::Resident), 20).unwrap();
    assert_eq!(both.finished_at(), Some(at(10)));
}

#[test]
fn how_soon_a_call_follows_depends_on_the_class() {
    let by = |class| {
        let case = Aftercare::begin(class, Drill::Real, Outcome::Other, at(0), &Policy::default());
        (case.follow_up, case.rating)
    };
    let due = |call: i64, rating: i64| (Standing::Due { by: at(call * 60) }, Standing::Due { by: at(rating * 60) });
    assert_eq!(by(Class::Wandering), due(24, 72));
    assert_eq!(by(Class::Welfare), due(48, 96));
    assert_eq!(by(Class::Service), due(72, 120));
}

#[test]
fn drills_tests_and_false_presses_are_finished_at_once_and_say_why() {
    let policy = Policy::default();
    for (drill, outcome, exemption) in [
        (Drill::Drill, Outcome::Ambulance, Exemption::Drill),
        (Drill::Real, Outcome::Test, Exemption::Test),
        (Drill::Real, Outcome::FalsePress, Exemption::FalsePress),
    ] {
        let case = Aftercare::begin(Class::Emergency, drill, outcome, at(7), &policy);
        assert_eq!(case.finished_at(), Some(at(7)));
        let waived = Standing::Waived { at: at(7), why: Why::Exempt(exemption) };
        assert_eq!((case.follow_up, case.rating), (waived, waived));
    }
    for outcome in Outcome::ALL.iter().filter(|outcome| !matches!(outcome, Outcome::Test | Outcome::FalsePress)) {
        assert_eq!(begun(*outcome).finished_at(), None, "{outcome}");
    }
}

#[test]
fn who_does_not_answer_is_given_up_after_three_tries_and_not_before() {
    let mut case = begun(Outcome::Ambulance);
    for tries in 0..3 {
        let early = hear(&case, Input::Excused(Excuse::Unreachable), 60);
        assert_eq!(early, Err(Refusal::TooFewTries { tries, needed: 3 }));
        case = hear(&case, called(i64::from(tries), Reached::Nobody), 60).unwrap();
        assert_eq!(case.finished_at(), None, "a try is no call");
    }
    let given_up = hear(&case, Input::Excused(Excuse::Unreachable), 61).unwrap();
    assert_eq!(given_up.finished_at(), Some(at(61)));
    assert_eq!(hear(&given_up, Input::Excused(Excuse::Deceased), 62), Err(Refusal::NothingDue));
}

#[test]
fn an_excuse_goes_for_what_is_still_due_and_what_was_given_up_may_still_come() {
    let case = hear(&begun(Outcome::NoInjury), called(1, Reached::Resident), 2).unwrap();
    let declined = hear(&case, Input::Excused(Excuse::Declined), 3).unwrap();
    assert_eq!(declined.follow_up, Standing::Done { at: at(1) });
    assert_eq!(declined.rating, Standing::Waived { at: at(3), why: Why::Excused(Excuse::Declined) });
    let late = hear(&declined, Input::Rated, 9).unwrap();
    assert_eq!(late.rating, Standing::Done { at: at(9) });
    assert_eq!(hear(&late, Input::Rated, 10), Err(Refusal::RatedBefore));
    let dead = hear(&begun(Outcome::Ambulance), Input::Excused(Excuse::Deceased), 4).unwrap();
    assert_eq!(dead.finished_at(), Some(at(4)), "needs no tries");
}

#[test]
fn a_call_from_before_the_end_or_from_the_future_is_refused() {
    let case = Aftercare { closed_at: at(100), ..begun(Outcome::NoInjury) };
    assert_eq!(hear(&case, called(99, Reached::Resident), 200), Err(Refusal::BeforeClosing));
    assert_eq!(hear(&case, called(201, Reached::Resident), 200), Err(Refusal::InTheFuture));
    assert_eq!(hear(&case, called(201, Reached::Nobody), 200), Err(Refusal::InTheFuture), "nor is that a try");
    let first = hear(&case, called(150, Reached::Resident), 200).unwrap();
    let second = hear(&first, called(180, Reached::Resident), 200).unwrap();
    assert_eq!(second.follow_up, Standing::Done { at: at(150) }, "the first counts");
}

#[test]
fn the_five_steps_are_derived() {
    let progress = |course: &Course| steps(course).map(|(_, progress)| progress);
    let open = Course { opened_at: at(0), dispatched_at: None, aftercare: None };
    let ahead = Progress::Ahead;
    assert_eq!(progress(&open), [Progress::Taken { at: at(0) }, ahead, ahead, ahead, ahead]);
    let aftercare = Aftercare { closed_at: at(9), ..begun(Outcome::NoInjury) };
    let closed = Course { dispatched_at: Some(at(1)), aftercare: Some(aftercare), ..open };
    let taken = |minutes| Progress::Taken { at: at(minutes) };
    let due = |hours: i64| Progress::Due { by: at(hours * 60) };
    assert_eq!(progress(&closed), [taken(0), taken(1), taken(9), due(24), due(72)]);
    let by_telephone = Course { dispatched_at: None, ..closed };
    assert_eq!(progress(&by_telephone)[1], Progress::Waived { why: None });
    assert_eq!(steps(&open).map(|(step, _)| step).as_slice(), Step::ALL);
}

#[test]
fn why_has_one_spelling_and_is_read_back() {
    let all = Excuse::ALL.iter().map(|excuse| Why::Excused(*excuse));
    let all: Vec<Why> = all.chain(Exemption::ALL.iter().map(|exemption| Why::Exempt(*exemption))).collect();
    for why in &all {
        assert_eq!(Why::parse(why.as_str()), Some(*why));
    }
    assert_eq!(Why::parse("because"), None);
}

#[test]
fn stars_are_one_to_five() {
    let read: Vec<Option<u8>> = [i16::MIN, -1, 0, 1, 5, 6, 256, i16::MAX].map(|n| Stars::new(n).map(Stars::get)).into();
    assert_eq!(read, [None, None, None, Some(1), Some(5), None, None, None]);
}
