//! What a plan does, one sentence each.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp::constant(1_772_352_000, 0);

fn incident(number: u128) -> IncidentId {
    IncidentId(Uuid::from_u128(number))
}

fn responder(number: u128) -> ResponderId {
    ResponderId(Uuid::from_u128(100 + number))
}

/// So many metres east of the middle of town.
fn east(metres: f64) -> Position {
    Position::new(28.228, 112.938 + metres / 97_970.0).unwrap()
}

fn case(number: u128, urgency: Urgency, at: f64) -> Case {
    Case {
        incident: incident(number),
        urgency,
        at: east(at),
        lasts: SignedDuration::from_mins(20),
        going: None,
        asked: Vec::new(),
        able: Vec::new(),
        upgrades: 0,
        ways: HashMap::new(),
    }
}

fn person(number: u128, at: f64) -> Person {
    Person {
        responder: responder(number),
        at: east(at),
        mode: Mode::Ebike,
        standing: Standing::Free,
        until: None,
        yes: 0.7,
        handicap: SignedDuration::ZERO,
        is_first_aider: false,
    }
}

/// A board on which everybody may go everywhere.
fn board(cases: Vec<Case>, people: Vec<Person>) -> Board {
    let mut board = Board { now: NOW, cases, people, outlook: Outlook::default() };
    for case in &mut board.cases {
        case.able = (0..board.people.len()).collect();
    }
    board
}

fn asks(board: &Board) -> Vec<(u128, u128)> {
    let plan = plan(board, &Weights::default());
    plan.moves.iter().map(|step| (step.incident.0.as_u128(), step.responder.0.as_u128() - 100)).collect()
}

#[test]
fn whoever_is_there_first_is_asked_however_far_away_they_are() {
    let mut on_foot = person(1, 400.0);
    on_foot.mode = Mode::Walk;
    let board = board(vec![case(1, Urgency::Urgent, 0.0)], vec![on_foot, person(2, 900.0)]);
    assert_eq!(asks(&board), [(1, 2)], "400 m on foot take longer than 900 m by bicycle");
}

#[test]
fn a_way_that_somebody_knows_counts_more_than_the_line() {
    // A river lies between the case and whoever seems nearest.
    let mut board = board(vec![case(1, Urgency::Urgent, 0.0)], vec![person(1, 300.0), person(2, 900.0)]);
    assert_eq!(asks(&board), [(1, 1)]);
    board.cases[0].ways.insert(0, SignedDuration::from_mins(15));
    assert_eq!(asks(&board), [(1, 2)]);
}

#[test]
fn two_cases_do_not_take_the_one_person_whom_one_of_them_needs_more() {
    // The first case is nearest to 1, and so is the second, which has nobody else near.
    let cases = vec![case(1, Urgency::Routine, 0.0), case(2, Urgency::Routine, 1_000.0)];
    let board = board(cases, vec![person(1, 300.0), person(2, -500.0)]);
    assert_eq!(asks(&board), [(1, 2), (2, 1)]);
}

#[test]
fn whoever_goes_to_daily_help_is_taken_for_an_emergency_next_door() {
    let mut routine = case(1, Urgency::Routine, 3_000.0);
    routine.going = Some((responder(1), NOW + SignedDuration::from_secs(700)));
    let mut near = person(1, 100.0);
    near.standing = Standing::Going(incident(1));
    let board = board(vec![routine, case(2, Urgency::Urgent, 0.0)], vec![near, person(2, 5_000.0)]);
    let plan = plan(&board, &Weights::default());
    assert_eq!(plan.advice(incident(1), NOW).let_go, Some(responder(1)));
    assert!(plan.moves.contains(&Move { incident: incident(2), responder: responder(1), from: Some(incident(1)) }));
    assert_eq!(plan.advice(incident(2), NOW).ask, None, "not before they are let go");
    assert!(plan.advice(incident(2), NOW).wait_until.is_some(), "and nobody else meanwhile");
}

#[test]
fn nobody_is_taken_from_an_emergency() {
    let mut first = case(1, Urgency::Urgent, 3_000.0);
    first.going = Some((responder(1), NOW + SignedDuration::from_secs(700)));
    let mut near = person(1, 100.0);
    near.standing = Standing::Going(incident(1));
    let board = board(vec![first, case(2, Urgency::Urgent, 0.0)], vec![near, person(2, 5_000.0)]);
    assert_eq!(asks(&board), [(2, 2)]);
}

#[test]
fn somebody_nearer_who_has_become_free_is_asked_beside_the_one_who_goes() {
    let mut far_off = case(1, Urgency::Urgent, 0.0);
    far_off.going = Some((responder(1), NOW + SignedDuration::from_secs(900)));
    let mut going = person(1, 4_000.0);
    going.standing = Standing::Going(incident(1));
    let mut board = board(vec![far_off], vec![going, person(2, 200.0)]);
    assert_eq!(asks(&board), [(1, 2)]);
    board.cases[0].upgrades = 3;
    assert_eq!(asks(&board), [], "but not for ever");
}

#[test]
fn a_case_waits_for_somebody_next_door_who_has_nearly_finished() {
    let mut near = person(1, 100.0);
    near.standing = Standing::Busy { free_at: NOW + SignedDuration::from_secs(120) };
    let board = board(vec![case(1, Urgency::Routine, 0.0)], vec![near, person(2, 9_000.0)]);
    let plan = plan(&board, &Weights::default());
    assert_eq!((plan.moves.len(), plan.waits.len()), (0, 1));
    assert_eq!(plan.advice(incident(1), NOW).wait_until, Some(NOW + SignedDuration::from_secs(120)));
}

#[test]
fn a_first_aider_is_kept_for_emergencies_while_somebody_else_can_bring_the_rice() {
    let mut first_aider = person(1, 100.0);
    first_aider.is_first_aider = true;
    let board = board(vec![case(1, Urgency::Routine, 0.0)], vec![first_aider, person(2, 500.0)]);
    assert_eq!(asks(&board), [(1, 2)]);
}

#[test]
fn the_only_one_near_a_busy_quarter_is_not_sent_to_the_other_end_of_town() {
    let people = vec![person(1, 1_000.0), person(2, -1_100.0)];
    let mut board = board(vec![case(1, Urgency::Routine, 0.0)], people);
    assert_eq!(asks(&board), [(1, 1)]);
    board.outlook = Outlook {
        calls_an_hour: 20.0,
        places: vec![east(2_000.0)],
        kinds: vec![Kind { urgency: Urgency::Urgent, share: 1.0, able: vec![0, 1] }],
    };
    assert_eq!(asks(&board), [(1, 2)]);
}

#[test]
fn who_has_not_answered_for_long_is_reckoned_with_no_more() {
    let mut asked = case(1, Urgency::Urgent, 0.0);
    asked.asked = vec![(responder(1), NOW)];
    let mut mute = person(1, 100.0);
    mute.standing = Standing::Asked(incident(1));
    let mut board = board(vec![asked], vec![mute, person(2, 400.0)]);
    board.cases[0].able = vec![1];
    assert_eq!(asks(&board), []);
    board.cases[0].asked[0].1 = NOW - SignedDuration::from_secs(21);
    assert_eq!(asks(&board), [(1, 2)]);
}

#[test]
fn a_plan_says_whom_a_case_counts_on_while_nobody_better_is_to_be_asked() {
    let mut asked = case(1, Urgency::Urgent, 0.0);
    asked.asked = vec![(responder(1), NOW)];
    let mut first = person(1, 100.0);
    first.standing = Standing::Asked(incident(1));
    let mut board = board(vec![asked], vec![first, person(2, 400.0)]);
    board.cases[0].able = vec![1];
    assert_eq!(plan(&board, &Weights::default()).advice(incident(1), NOW).counts_on, Some(responder(1)));
    board.cases[0].asked[0].1 = NOW - SignedDuration::from_secs(21);
    let advice = plan(&board, &Weights::default()).advice(incident(1), NOW);
    assert_eq!((advice.ask, advice.counts_on), (Some(responder(2)), None), "a no of the first changes nothing");
}

#[test]
fn nobody_off_duty_is_asked_and_no_later_job_planned_beyond_a_shift() {
    let mut off = person(1, 100.0);
    off.until = Some(NOW);
    let mut busy = person(2, 100.0);
    busy.standing = Standing::Busy { free_at: NOW + SignedDuration::from_mins(5) };
    busy.until = Some(NOW + SignedDuration::from_mins(4));
    let board = board(vec![case(1, Urgency::Urgent, 0.0)], vec![off, busy]);
    assert_eq!(plan(&board, &Weights::default()), Plan::default());
}

#[test]
fn a_case_does_not_take_whom_another_needs_more() {
    let cases = vec![case(1, Urgency::Routine, 0.0), case(2, Urgency::Urgent, 300.0)];
    let board = board(cases, vec![person(1, 100.0)]);
    let plan = plan(&board, &Weights::default());
    assert_eq!(plan.advice(incident(2), NOW).ask, Some(responder(1)));
    assert!(plan.advice(incident(1), NOW).wait_until.is_some(), "else it would ask them first");
}

#[test]
fn reliability_begins_high_and_follows_what_is_seen() {
    assert!((reliability(0, 0) - 5.0 / 7.0).abs() < 1e-9);
    assert!(reliability(0, 1) > 0.6, "one bad day condemns nobody");
    assert!(reliability(2, 30) < 0.2);
}

fn any_board() -> impl Strategy<Value = Board> {
    let case_of = (any::<bool>(), -3_000.0..3_000.0, 0_u8..4);
    let person_of = (-3_000.0..3_000.0, 0_u8..4, any::<bool>(), 0..3_usize);
    (prop::collection::vec(case_of, 0..6), prop::collection::vec(person_of, 0..8)).prop_map(|(cases, people)| {
        let mut made: Vec<Case> = (0..)
            .zip(&cases)
            .map(|(number, (urgent, at, _))| {
                case(number, if *urgent { Urgency::Urgent } else { Urgency::Routine }, *at)
            })
            .collect();
        let mut helpers = Vec::new();
        for (number, (at, standing, first_aider, mode)) in (0..).zip(&people) {
            let mut who = person(number, *at);
            who.is_first_aider = *first_aider;
            who.mode = [Mode::Walk, Mode::Ebike, Mode::Car][*mode];
            let at_case = cases.get(usize::try_from(number).unwrap()).map(|_| number);
            who.standing = match (standing, at_case) {
                (1, Some(number)) => Standing::Asked(incident(number)),
                (2, Some(number)) => Standing::Going(incident(number)),
                (3, _) => Standing::Busy { free_at: NOW + SignedDuration::from_mins(7) },
                _ => Standing::Free,
            };
            match who.standing {
                Standing::Asked(_) => made[usize::try_from(number).unwrap()].asked.push((who.responder, NOW)),
                Standing::Going(_) => {
                    let there = NOW + SignedDuration::from_mins(9);
                    made[usize::try_from(number).unwrap()].going = Some((who.responder, there));
                }
                _ => {}
            }
            helpers.push(who);
        }
        let mut board = Board { now: NOW, cases: made, people: helpers, outlook: Outlook::default() };
        for (case, (_, _, skip)) in board.cases.iter_mut().zip(&cases) {
            let engaged: Vec<ResponderId> = case.asked.iter().chain(&case.going).map(|(who, _)| *who).collect();
            let is_able =
                |index: &usize| index % 4 != usize::from(*skip) && !engaged.contains(&board.people[*index].responder);
            case.able = (0..board.people.len()).filter(is_able).collect();
        }
        board.outlook = Outlook {
            calls_an_hour: 6.0,
            places: board.cases.iter().map(|case| case.at).collect(),
            kinds: board
                .cases
                .iter()
                .map(|case| Kind { urgency: case.urgency, share: 0.2, able: case.able.clone() })
                .collect(),
        };
        board
    })
}

/// The board when a move has been made.
fn made(mut board: Board, step: Move) -> Board {
    let now = board.now;
    if let Some(from) = step.from {
        let other = board.cases.iter_mut().find(|case| case.incident == from).unwrap();
        other.going = other.going.filter(|(who, _)| *who != step.responder);
        other.asked.retain(|(who, _)| *who != step.responder);
    }
    let index = board.people.iter().position(|person| person.responder == step.responder).unwrap();
    board.people[index].standing = Standing::Asked(step.incident);
    let case = board.cases.iter_mut().find(|case| case.incident == step.incident).unwrap();
    case.upgrades += usize::from(case.going.is_some());
    case.asked.push((step.responder, now));
    case.able.retain(|able| *able != index);
    board
}

proptest! {
    #[test]
    fn a_plan_sends_nobody_to_two_places_and_nobody_who_may_not_go(board in any_board()) {
        let plan = plan(&board, &Weights::default());
        let mut seen = Vec::new();
        for step in &plan.moves {
            let index = board.people.iter().position(|person| person.responder == step.responder).unwrap();
            let case = board.cases.iter().find(|case| case.incident == step.incident).unwrap();
            prop_assert!(case.able.contains(&index));
            prop_assert!(!seen.contains(&step.responder));
            seen.push(step.responder);
            if let Some(from) = step.from {
                let loser = board.cases.iter().find(|case| case.incident == from).unwrap();
                prop_assert_eq!(loser.urgency, Urgency::Routine);
            }
        }
    }

    #[test]
    fn a_plan_comes_to_an_end_when_its_moves_are_made(board in any_board()) {
        let mut board = board;
        for _ in 0..40 {
            let plan = plan(&board, &Weights::default());
            let Some(step) = plan.moves.first() else { return Ok(()) };
            board = made(board, *step);
        }
        prop_assert!(false, "still {:?}", plan(&board, &Weights::default()));
    }

    #[test]
    fn an_urgent_case_that_somebody_free_may_go_to_is_never_left_without_a_word(board in any_board()) {
        let plan = plan(&board, &Weights::default());
        for case in board.cases.iter().filter(|case| case.going.is_none() && case.asked.is_empty()) {
            let is_free = |index: &usize| board.people[*index].standing == Standing::Free;
            let free = case.able.iter().filter(|index| is_free(index)).count();
            let more_than_cases = free >= board.cases.len();
            let advice = plan.advice(case.incident, board.now);
            let is_seen_to = advice.ask.is_some() || advice.wait_until.is_some();
            prop_assert!(is_seen_to || !more_than_cases || case.urgency == Urgency::Routine, "{:?}", case);
        }
    }
}
