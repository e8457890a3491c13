//! Contacts: told in their order, until somebody has it and one of them knows.

use super::*;

const FIRST: Rank = Rank(1);
const SECOND: Rank = Rank(2);

fn with_contacts(reaches: [Reach; 2]) -> World {
    let mut world = World::new();
    world.contacts = [FIRST, SECOND].into_iter().zip(reaches).map(|(rank, reach)| Contact { rank, reach }).collect();
    world
}

fn told(step: &Step) -> Vec<(Rank, ContactNews)> {
    let one = |effect: &Effect| match effect {
        Effect::TellContact { rank, news } => Some((*rank, *news)),
        _ => None,
    };
    step.effects.iter().filter_map(one).collect()
}

#[test]
fn the_first_contact_is_told_at_once_and_the_next_when_nobody_has_claimed() {
    let mut world = with_contacts([Reach::Addressed; 2]);
    let step = world.apply(&world.press(), Input::Wake);
    assert_eq!(told(&step), [(FIRST, ContactNews::Alert)]);
    let reached = world.apply(&step.next, Input::ContactReached { rank: FIRST }).next;
    world.later(59);
    assert_eq!(told(&world.apply(&reached, Input::Wake)), []);
    world.later(1);
    let step = world.apply(&reached, Input::Wake);
    assert_eq!(told(&step), [(SECOND, ContactNews::Alert)]);
    world.later(600);
    assert_eq!(told(&world.apply(&step.next, Input::Wake)), [], "nobody is told twice");
}

#[test]
fn once_somebody_has_it_and_a_contact_knows_nobody_else_is_told() {
    let mut world = with_contacts([Reach::Addressed; 2]);
    let claimed = world.claimed();
    let knows = world.apply(&claimed, Input::ContactReached { rank: FIRST }).next;
    world.later(60);
    assert_eq!(told(&world.apply(&claimed, Input::Wake)), [(SECOND, ContactNews::Alert)], "nobody is known to know");
    let waiting = world.wake(&knows);
    assert_eq!(waiting.told.len(), 1);
    world.owner = Presence::Gone;
    world.later(60);
    assert_eq!(told(&world.apply(&waiting, Input::Wake)), [(SECOND, ContactNews::Alert)], "the owner is gone");
}

#[test]
fn a_contact_without_an_address_is_skipped_and_it_is_said() {
    let world = with_contacts([Reach::Unaddressed, Reach::Addressed]);
    let step = world.apply(&world.press(), Input::Wake);
    assert_eq!(told(&step), [(SECOND, ContactNews::Alert)]);
    assert!(step.entries.contains(&Entry::Contacted { rank: FIRST, state: ToldState::Skipped }));
}

#[test]
fn a_contact_who_cannot_be_reached_makes_it_the_next_ones_turn_at_once() {
    let world = with_contacts([Reach::Addressed; 2]);
    let incident = world.wake(&world.press());
    let step = world.apply(&incident, Input::ContactLost { rank: FIRST });
    assert_eq!(told(&step), [(SECOND, ContactNews::Alert)]);
    assert_eq!(world.apply(&step.next, Input::ContactLost { rank: FIRST }).entries, [], "said twice");
}

#[test]
fn everybody_who_was_told_hears_that_it_is_over_and_nobody_is_told_after() {
    let mut world = with_contacts([Reach::Addressed, Reach::Unaddressed]);
    world.policy.handover = HandoverPolicy::OperatorFirst;
    let mut incident = world.claimed();
    world.later(60);
    incident = world.wake(&incident);
    let close = Input::Close { by: OPERATOR, outcome: Outcome::FalsePress, note: None };
    let step = world.apply(&incident, close);
    assert_eq!(told(&step), [(FIRST, ContactNews::AllClear)], "who heard nothing need not hear that it is over");
    assert_eq!(step.effects.last(), Some(&Effect::TellWearer(News::AllClear)));
    let late = world.apply(&step.next, Input::ContactReached { rank: FIRST });
    assert_eq!(late.next, step.next);
}

#[test]
fn the_contacts_of_whoever_did_not_prove_who_they_are_are_told_all_the_same() {
    let world = with_contacts([Reach::Addressed; 2]);
    let mut unproved = world.press();
    unproved.origin = Origin::Unproved;
    assert_eq!(told(&world.apply(&unproved, Input::Wake)), [(FIRST, ContactNews::Alert)]);
}

#[test]
fn neither_an_unlisted_source_nor_daily_help_alarms_a_contact() {
    let world = with_contacts([Reach::Addressed; 2]);
    let mut unlisted = world.press();
    unlisted.origin = Origin::Unlisted;
    let mut order = world.press();
    order.class = Class::Service;
    for incident in [unlisted, order] {
        assert_eq!(told(&world.apply(&incident, Input::Wake)), []);
    }
}
