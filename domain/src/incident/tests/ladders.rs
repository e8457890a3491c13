//! Ladders: what is none, what a standard one does, and what becomes of a case when its ladder changes.

use super::*;
use crate::incident::ladder::{Act, BadLadder, Rung, When, rehearse};
use crate::word::Word as _;

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn rung(after: i64, act: Act, when: When) -> Rung {
    Rung { after: seconds(after), act, when }
}

const ALWAYS: When = When::Always;

/// Operators, the police after 20 s, the centres after 40 s.
fn police() -> Vec<Rung> {
    vec![
        rung(0, Act::Operators, ALWAYS),
        rung(20, Act::Police, When::NobodyGoes),
        rung(40, Act::Centres, When::Unclaimed),
        rung(40, Act::Everybody, ALWAYS),
    ]
}

fn world_with(rungs: &[Rung]) -> World {
    let mut world = World::new();
    world.policy.handover = HandoverPolicy::OperatorFirst;
    world.policy.ladder = Some(Ladder::new(Class::Emergency, rungs, seconds(60)).unwrap());
    world
}

fn centres(incident: &Incident) -> Vec<Centre> {
    incident.handovers.iter().map(|handover| handover.centre).collect()
}

#[test]
fn what_could_forget_a_case_is_no_ladder() {
    let refused = |class, change: &dyn Fn(&mut Vec<Rung>), every| {
        let mut rungs = police();
        change(&mut rungs);
        Ladder::new(class, &rungs, seconds(every)).unwrap_err()
    };
    let emergency = |change: &dyn Fn(&mut Vec<Rung>)| refused(Class::Emergency, change, 60);
    assert_eq!(emergency(&|rungs| rungs.clear()), BadLadder::NoFirst);
    assert_eq!(emergency(&|rungs| rungs[0].after = seconds(1)), BadLadder::NoFirst);
    assert_eq!(emergency(&|rungs| rungs[0].when = When::Unclaimed), BadLadder::NoFirst);
    assert_eq!(emergency(&|rungs| rungs[0].act = Act::GridOfficer), BadLadder::NoFirst);
    assert_eq!(emergency(&|rungs| rungs[2].after = seconds(19)), BadLadder::Falling(3));
    assert_eq!(emergency(&|rungs| rungs[1].act = Act::Operators), BadLadder::Twice(2));
    assert_eq!(emergency(&|rungs| rungs.truncate(3)), BadLadder::NoLast);
    assert_eq!(emergency(&|rungs| rungs[3].when = When::Unclaimed), BadLadder::NoLast);
    assert_eq!(emergency(&|rungs| rungs.retain(|rung| rung.act != Act::Centres)), BadLadder::NoCentres);
    assert_eq!(emergency(&|rungs| rungs[2].when = When::NobodyGoes), BadLadder::NoCentres);
    let late = |rungs: &mut Vec<Rung>| (rungs[2].after, rungs[3].after) = (seconds(601), seconds(601));
    assert_eq!(emergency(&late), BadLadder::NoCentres);
    assert_eq!(emergency(&|rungs| rungs[3].after = seconds(14_401)), BadLadder::TooLong);
    assert_eq!(refused(Class::Emergency, &|_| {}, 9), BadLadder::Again);
    assert_eq!(refused(Class::Emergency, &|_| {}, 601), BadLadder::Again);
    assert_eq!(refused(Class::Service, &|_| {}, 60), BadLadder::Unfit(2));
    assert_eq!(refused(Class::Wandering, &|_| {}, 60), BadLadder::Unfit(3));
}

#[test]
fn the_standard_ladders_are_ladders() {
    for class in Class::ALL {
        let ladder = Ladder::standard(*class);
        assert_eq!(Ladder::new(*class, ladder.rungs(), ladder.every()), Ok(ladder), "{class}");
    }
}

#[test]
fn a_ladder_calls_whom_it_names_in_its_time() {
    let mut world = world_with(&police());
    let incident = world.wake(&world.press());
    assert_eq!((centres(&incident), incident.ring.next_at()), (vec![], Some(world.now + seconds(20))));
    world.later(20);
    let incident = world.wake(&incident);
    assert_eq!((centres(&incident), incident.ring.level()), (vec![Centre::Police], Level::Operators));
    world.later(20);
    let incident = world.wake(&incident);
    assert_eq!(centres(&incident), [Centre::Police, Centre::Ambulance]);
    assert_eq!(incident.ring.next_at(), Some(world.now + seconds(60)), "and again and again");
}

#[test]
fn a_rung_whose_condition_comes_to_hold_later_is_made_good() {
    let mut world = world_with(&police());
    let incident = world.wake(&world.press());
    let offer = last_offer(&incident).id;
    let going = world.apply(&incident, Input::Accept { offer, minutes: 5 }).next;
    world.later(20);
    let going = world.wake(&going);
    assert_eq!(centres(&going), [], "somebody goes");
    let alone = world.apply(&going, Input::Decline { offer, reason: "puncture".into() }).next;
    assert_eq!(centres(&alone), [Centre::Police]);
}

#[test]
fn with_nobody_at_any_console_everybody_else_is_called_at_once() {
    let mut world = world_with(&police());
    (world.operators, world.supervisors) = (Presence::Gone, Presence::Gone);
    let incident = world.wake(&world.press());
    assert_eq!(centres(&incident), [Centre::Police, Centre::Ambulance]);
}

#[test]
fn a_ladder_that_changes_while_it_is_climbed_loses_no_rung() {
    let mut world = world_with(&police());
    let incident = world.wake(&world.press());
    world.later(30);
    let incident = world.wake(&incident);
    assert_eq!(centres(&incident), [Centre::Police]);
    // The centres' rung lies below where the case stands now.
    let rungs = [
        rung(0, Act::Operators, ALWAYS),
        rung(10, Act::Centres, ALWAYS),
        rung(10, Act::GridOfficer, ALWAYS),
        rung(300, Act::Everybody, ALWAYS),
    ];
    world.policy.ladder = Some(Ladder::new(Class::Emergency, &rungs, seconds(60)).unwrap());
    let incident = world.wake(&incident);
    assert_eq!(centres(&incident), [Centre::Police, Centre::Ambulance]);
    assert_eq!(incident.tasks().last(), Some(&Task::CallGridOfficer));
    assert_eq!(incident.ring.next_at(), Some(world.now + seconds(270)));
}

#[test]
fn the_grid_officer_is_telephoned_by_the_owner_and_rings_until_then() {
    let mut rungs = police();
    rungs.insert(1, rung(10, Act::GridOfficer, ALWAYS));
    let mut world = world_with(&rungs);
    let incident = world.wake(&world.press());
    let called = Input::GridOfficerCalled { by: OPERATOR };
    world.later(10);
    let incident = world.wake(&incident);
    assert_eq!(incident.grid_officer, Voice::Due { ring_at: world.now + seconds(60) });
    assert_eq!(decide(&incident, called.clone(), &world.facts()), Err(Refusal::NotClaimed));
    let mut owned = world.apply(&incident, claim(OPERATOR)).next;
    assert!(owned.tasks().contains(&Task::CallGridOfficer) && owned.ring == Ring::Quiet);
    world.later(60);
    owned = world.wake(&owned);
    assert_eq!(owned.ring.level(), Level::Operators, "nobody has telephoned");
    let done = world.apply(&owned, called.clone());
    assert_eq!(done.entries, [Entry::GridOfficerCalled { by: OPERATOR }]);
    assert!(!done.next.tasks().contains(&Task::CallGridOfficer) && done.next.ring == Ring::Quiet);
    assert_eq!(decide(&done.next, called, &world.facts()), Err(Refusal::NoSuchTask));
}

#[test]
fn the_contacts_have_their_turns_when_the_ladder_says_so() {
    let mut rungs = police();
    rungs.insert(1, rung(15, Act::Contacts, ALWAYS));
    let mut world = world_with(&rungs);
    world.contacts = vec![Contact { rank: Rank(1), reach: Reach::Addressed }];
    let incident = world.wake(&world.press());
    assert_eq!((incident.told.len(), incident.tell_next_at), (0, Some(world.now + seconds(15))));
    // A claim stops the ring, and not what the family is told.
    let owned = world.apply(&incident, claim(OPERATOR)).next;
    world.later(15);
    assert_eq!(world.wake(&owned).told.len(), 1);
    world.policy.ladder = Some(Ladder::new(Class::Emergency, &police(), seconds(60)).unwrap());
    assert_eq!(world.wake(&owned).told.len(), 0, "a ladder that tells nobody");
}

#[test]
fn what_a_rehearsal_shows_is_what_the_standard_ladder_does() {
    let policy = Policy { handover: HandoverPolicy::OperatorFirst, ..Policy::default() };
    let told = |consoles| -> Vec<(i64, String)> {
        rehearse(Class::Emergency, policy, consoles)
            .iter()
            .filter_map(|(after, entry)| {
                let what = match entry {
                    Entry::Rung { level } => level.to_string(),
                    Entry::HandedOver { centre, .. } => centre.to_string(),
                    _ => return None,
                };
                Some((after.as_secs(), what))
            })
            .collect()
    };
    let heard = told(Presence::Present);
    let when = |what: &str| heard.iter().find(|(_, said)| said == what).map(|(after, _)| *after);
    assert_eq!((when("operators"), when("supervisors"), when("120")), (Some(0), Some(30), Some(60)));
    assert_eq!(heard.last(), Some(&(120, "supervisors".to_owned())));
    let deaf = told(Presence::Gone);
    assert_eq!(deaf[..2], [(0, "120".to_owned()), (0, "supervisors".to_owned())], "{deaf:?}");
}
