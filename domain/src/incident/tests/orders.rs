//! Daily help: one incident an order, which no operator hears of as long as somebody sees to it.

use super::*;

fn order(world: &World) -> Incident {
    let id = IncidentId(Uuid::from_u128(8));
    let mut incident = Incident::open(id, Class::Service, Origin::Listed, None, world.now);
    incident.category = Some(Category("meal".into()));
    incident
}

fn accepted(world: &World) -> (Incident, OfferId) {
    let incident = world.wake(&order(world));
    let offer = last_offer(&incident).id;
    (world.apply(&incident, Input::Accept { offer, minutes: 10 }).next, offer)
}

#[test]
fn an_order_asks_the_nearest_and_rings_nobody() {
    let world = World::new();
    let step = world.apply(&order(&world), Input::Wake);
    assert_eq!(last_offer(&step.next).responder, WEI);
    assert_eq!((step.next.ring.level(), step.next.headline()), (Level::Quiet, Headline::HelpAsked));
    assert_eq!(step.next.wake_at(), Some(world.now + SignedDuration::from_secs(120)), "a window of its own");
    assert_eq!(
        step.effects,
        [Effect::AskResponder(last_offer(&step.next).id), Effect::TellWearer(News::Received)],
        "no centre, whatever the policy"
    );
}

#[test]
fn silence_and_refusal_pass_an_order_on_until_nobody_is_left_which_rings() {
    let mut world = World::new();
    let incident = world.wake(&order(&world));
    world.later(120);
    let incident = world.wake(&incident);
    assert_eq!((incident.offers[0].state.clone(), last_offer(&incident).responder), (OfferState::Silent, LAN));
    assert_eq!(incident.ring.level(), Level::Quiet);
    let offer = last_offer(&incident).id;
    let incident = world.apply(&incident, Input::Decline { offer, reason: "far".into() }).next;
    assert_eq!(incident.ring.level(), Level::Operators);
    assert_eq!(incident.tasks(), [Task::NobodyLeftToAsk]);
    // A late yes is worth more than an operator's time.
    let late = world.apply(&incident, Input::Accept { offer: incident.offers[0].id, minutes: 5 }).next;
    assert_eq!((late.ring.level(), late.headline()), (Level::Quiet, Headline::Accepted));
}

#[test]
fn an_order_for_nobody_knows_what_is_an_operators_who_says_what() {
    let world = World::new();
    let mut unclear = order(&world);
    unclear.category = None;
    let incident = world.wake(&unclear);
    assert_eq!((incident.ring.level(), incident.offers.len()), (Level::Operators, 0));
    assert_eq!(incident.tasks(), [Task::CategoryUnknown]);
    let categorize = Input::Categorize { by: OPERATOR, category: Category("repair".into()) };
    assert_eq!(decide(&incident, categorize.clone(), &world.facts()), Err(Refusal::NotClaimed));
    let incident = world.apply(&incident, claim(OPERATOR)).next;
    let incident = world.apply(&incident, categorize).next;
    assert_eq!((last_offer(&incident).responder, incident.tasks()), (WEI, vec![]));
}

#[test]
fn who_is_asked_for_the_wrong_thing_is_told_so_and_asked_anew() {
    let world = World::new();
    let incident = world.apply(&world.wake(&order(&world)), claim(OPERATOR)).next;
    let categorize = Input::Categorize { by: OPERATOR, category: Category("repair".into()) };
    let step = world.apply(&incident, categorize.clone());
    assert_eq!(step.next.offers[0].state, OfferState::Withdrawn);
    assert_eq!(step.effects[0], Effect::DismissResponder(step.next.offers[0].id));
    assert_eq!(last_offer(&step.next).responder, WEI);
    let again = world.apply(&step.next, categorize);
    assert_eq!((again.entries, again.effects), (vec![], vec![]), "said twice");
}

#[test]
fn an_order_closes_by_itself_when_the_responder_has_finished() {
    let mut world = World::new();
    let (incident, offer) = accepted(&world);
    let mut incident = incident;
    for input in [Input::SetOut { offer, minutes: 8 }, Input::Arrive { offer }] {
        world.later(60);
        incident = world.apply(&incident, input).next;
        assert_eq!(incident.ring.level(), Level::Quiet);
    }
    let step = world.apply(&incident, Input::Finish { offer });
    let by = ClosedBy::Responder(WEI);
    assert_eq!(step.next.closure, Closure::Closed { outcome: Outcome::ServiceDone, at: world.now, by });
    assert_eq!(step.effects, [Effect::TellWearer(News::AllClear)]);
}

#[test]
fn an_order_that_two_see_to_is_over_when_both_have_finished() {
    let world = World::new();
    let (incident, first) = accepted(&world);
    let incident = world.apply(&incident, claim(OPERATOR)).next;
    let incident = world.apply(&incident, Input::Ask { by: OPERATOR, responder: LAN }).next;
    let second = last_offer(&incident).id;
    let incident = world.apply(&incident, Input::Accept { offer: second, minutes: 5 }).next;
    let incident = world.apply(&incident, Input::Finish { offer: first }).next;
    assert!(incident.is_open());
    assert!(!world.apply(&incident, Input::Finish { offer: second }).next.is_open());
}

#[test]
fn who_is_late_with_daily_help_is_rung_about_until_they_come() {
    let mut world = World::new();
    let (incident, offer) = accepted(&world);
    world.later(20 * 60 - 1);
    assert_eq!(world.wake(&incident).ring.level(), Level::Quiet);
    world.later(1);
    let incident = world.wake(&incident);
    assert_eq!(incident.ring.level(), Level::Operators);
    let incident = world.apply(&incident, Input::Arrive { offer }).next;
    assert_eq!(incident.ring.level(), Level::Quiet);
    world.later(4 * 3600);
    assert_eq!(world.wake(&incident).ring.level(), Level::Operators, "nobody stays for ever");
}

#[test]
fn a_yes_to_an_order_that_is_taken_back_asks_the_next_and_rings_only_when_there_is_none() {
    let mut world = World::new();
    let (incident, offer) = accepted(&world);
    let no = Input::Decline { offer, reason: "flat tyre".into() };
    let passed_on = world.apply(&incident, no.clone()).next;
    assert_eq!((last_offer(&passed_on).responder, passed_on.ring.level()), (LAN, Level::Quiet));
    world.candidates = Some(vec![]);
    assert_eq!(world.apply(&incident, no).next.ring.level(), Level::Operators);
}

#[test]
fn an_order_goes_to_no_centre_even_when_an_operator_says_so() {
    let world = World::new();
    let incident = world.apply(&world.wake(&order(&world)), claim(OPERATOR)).next;
    let hand_over = Input::HandOver { by: OPERATOR, centre: Centre::Ambulance };
    assert_eq!(decide(&incident, hand_over, &world.facts()), Err(Refusal::NoEmergency));
}

#[test]
fn an_order_whose_owner_goes_rings_only_when_nobody_sees_to_it() {
    let mut world = World::new();
    let (incident, offer) = accepted(&world);
    let owned = world.apply(&incident, claim(OPERATOR)).next;
    assert_eq!(world.apply(&owned, Input::Release { by: OPERATOR }).next.ring.level(), Level::Quiet);
    world.candidates = Some(vec![]);
    let bare = world.apply(&owned, Input::Withdraw { by: OPERATOR, offer }).next;
    assert_eq!(world.apply(&bare, Input::Release { by: OPERATOR }).next.ring.level(), Level::Operators);
}

#[test]
fn an_unlisted_source_orders_nothing_by_itself() {
    let world = World::new();
    let mut incident = order(&world);
    incident.origin = Origin::Unlisted;
    let incident = world.wake(&incident);
    assert_eq!((incident.offers.len(), incident.ring.level()), (0, Level::Operators));
}
