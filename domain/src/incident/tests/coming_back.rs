//! Who wandered off and came back: who closes the case.

use super::*;

const FIVE_MINUTES: i64 = 300;

/// A world that lets a case close when its wearer has been back for five minutes, and such a case that rings.
fn wandering() -> (World, Incident) {
    let mut world = World::new();
    world.policy.close_returned_after = Some(SignedDuration::from_secs(FIVE_MINUTES));
    let incident = Incident { class: Class::Wandering, kinds: [AlertKind::FenceExit].into(), ..world.press() };
    let incident = world.wake(&incident);
    (world, incident)
}

/// They are seen back, and the case is looked at.
fn back(world: &World, incident: &Incident) -> Incident {
    world.wake(&Incident { returned: true, ..incident.clone() })
}

#[test]
fn a_case_that_nobody_took_closes_as_found_once_they_have_been_back_for_long_enough() {
    let (mut world, incident) = wandering();
    assert_eq!(incident.closes_at, None);
    let incident = back(&world, &incident);
    assert_eq!(incident.closes_at, Some(world.now + SignedDuration::from_secs(FIVE_MINUTES)));
    assert_eq!((incident.tasks(), incident.ring.level()), (vec![Task::Returned], Level::Operators));
    world.later(FIVE_MINUTES - 1);
    let waiting = world.wake(&incident);
    assert!(waiting.is_open() && waiting.ring.level() != Level::Quiet, "it rings until it is over");
    world.later(1);
    let step = world.apply(&waiting, Input::Wake);
    let by = ClosedBy::Return;
    assert!(matches!(step.next.closure, Closure::Closed { outcome: Outcome::Found, by: ClosedBy::Return, .. }));
    assert_eq!(step.entries, [Entry::Closed { by, outcome: Outcome::Found, note: None }]);
    assert_eq!(step.effects, [Effect::TellWearer(News::AllClear)]);
    assert_eq!((step.next.closes_at, step.next.wake_at()), (None, None));
}

#[test]
fn a_ticker_that_comes_late_calls_nobody_in_for_who_is_back() {
    let (mut world, incident) = wandering();
    let incident = back(&world, &incident);
    world.later(10 * FIVE_MINUTES);
    let step = world.apply(&incident, Input::Wake);
    assert!(!step.next.is_open());
    assert!(!step.entries.iter().any(|entry| matches!(entry, Entry::Rung { .. })), "{:?}", step.entries);
}

#[test]
fn without_such_a_policy_somebody_closes() {
    let (mut world, incident) = wandering();
    world.policy.close_returned_after = None;
    let mut incident = back(&world, &incident);
    for _ in 0..20 {
        world.later(FIVE_MINUTES);
        incident = world.wake(&incident);
    }
    assert_eq!((incident.is_open(), incident.closes_at), (true, None));
    // Also when it is taken back while a case waits.
    let (mut world, incident) = wandering();
    let incident = back(&world, &incident);
    world.policy.close_returned_after = None;
    world.later(FIVE_MINUTES);
    let incident = world.wake(&incident);
    assert_eq!((incident.is_open(), incident.closes_at), (true, None));
}

#[test]
fn who_leaves_again_has_to_be_back_for_the_whole_time_again() {
    let (mut world, incident) = wandering();
    let incident = back(&world, &incident);
    world.later(FIVE_MINUTES - 10);
    let presses = incident.presses + 1;
    let gone = world.wake(&Incident { returned: false, closes_at: None, presses, ..incident });
    assert_eq!(gone.closes_at, None);
    world.later(20);
    let incident = back(&world, &gone);
    assert_eq!(incident.closes_at, Some(world.now + SignedDuration::from_secs(FIVE_MINUTES)));
}

#[test]
fn what_somebody_has_claimed_they_close() {
    let (mut world, incident) = wandering();
    let incident = back(&world, &incident);
    world.later(FIVE_MINUTES / 2);
    let claimed = world.apply(&incident, claim(OPERATOR)).next;
    assert_eq!(claimed.closes_at, None);
    world.later(2 * FIVE_MINUTES);
    let claimed = world.wake(&claimed);
    assert!(claimed.is_open());
    // Given back, it is nobody's for the whole time first.
    let released = world.apply(&claimed, Input::Release { by: OPERATOR }).next;
    assert_eq!(released.closes_at, Some(world.now + SignedDuration::from_secs(FIVE_MINUTES)));
}

#[test]
fn a_claim_in_the_last_moment_counts() {
    let (mut world, incident) = wandering();
    let incident = back(&world, &incident);
    world.later(FIVE_MINUTES);
    let claimed = world.apply(&incident, claim(OPERATOR)).next;
    assert_eq!((claimed.is_open(), claimed.owner()), (true, Some(OPERATOR)));
}

#[test]
fn it_stays_open_while_somebody_is_asked_or_goes_and_when_a_centre_was_called() {
    let (mut world, incident) = wandering();
    let claimed = world.apply(&incident, claim(OPERATOR)).next;
    let asked = world.apply(&claimed, Input::Ask { by: OPERATOR, responder: WEI }).next;
    let called = world.apply(&claimed, Input::HandOver { by: OPERATOR, centre: Centre::Police }).next;
    for handled in [asked, called] {
        let released = world.apply(&handled, Input::Release { by: OPERATOR }).next;
        let mut incident = back(&world, &released);
        assert_eq!(incident.closes_at, None);
        let accept = incident.offers.first().map(|offer| Input::Accept { offer: offer.id, minutes: 60 });
        if let Some(accept) = accept {
            incident = world.apply(&incident, accept).next;
        }
        world.later(2 * FIVE_MINUTES);
        assert!(world.wake(&incident).is_open(), "{incident:?}");
    }
}

#[test]
fn no_other_class_closes_by_itself() {
    for class in [Class::Emergency, Class::Service, Class::Welfare] {
        let (mut world, incident) = wandering();
        let incident = back(&world, &Incident { class, ..incident });
        world.later(2 * FIVE_MINUTES);
        assert!(world.wake(&incident).is_open(), "{class:?}");
    }
}
