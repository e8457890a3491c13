//! The rules of an incident, one sentence each.

use std::cell::Cell;

use jiff::SignedDuration;
use uuid::Uuid;

use super::*;
use crate::place::Metres;

const WEI: ResponderId = ResponderId(Uuid::from_u128(1));
const LAN: ResponderId = ResponderId(Uuid::from_u128(2));
const OPERATOR: UserId = UserId(Uuid::from_u128(10));
const OTHER: UserId = UserId(Uuid::from_u128(11));

/// A district with two responders and everybody at their desks, whose clock is moved by hand.
struct World {
    now: Timestamp,
    policy: Policy,
    owner: Presence,
    operators: Presence,
    supervisors: Presence,
    candidates: Option<Vec<Candidate>>,
    ids: Cell<u128>,
}

impl World {
    fn new() -> Self {
        Self {
            now: "2026-03-01T08:00:00Z".parse().unwrap(),
            policy: Policy::default(),
            owner: Presence::Present,
            operators: Presence::Present,
            supervisors: Presence::Present,
            candidates: Some(vec![
                Candidate { responder: WEI, distance: Metres(200.0) },
                Candidate { responder: LAN, distance: Metres(900.0) },
            ]),
            ids: Cell::new(100),
        }
    }

    fn press(&self) -> Incident {
        Incident::open(IncidentId(Uuid::from_u128(7)), Class::Emergency, Origin::Listed, Some(AlertKind::Sos), self.now)
    }

    fn facts(&self) -> Facts {
        let fresh = std::array::from_fn(|_| {
            self.ids.set(self.ids.get() + 1);
            Uuid::from_u128(self.ids.get())
        });
        Facts {
            now: self.now,
            policy: self.policy,
            owner: self.owner,
            operators: self.operators,
            supervisors: self.supervisors,
            candidates: self.candidates.clone(),
            fresh,
        }
    }

    fn apply(&self, incident: &Incident, input: Input) -> Step {
        decide(incident, input, &self.facts()).unwrap()
    }

    fn wake(&self, incident: &Incident) -> Incident {
        self.apply(incident, Input::Wake).next
    }

    fn claimed(&self) -> Incident {
        let ringing = self.wake(&self.press());
        self.apply(&ringing, claim(OPERATOR)).next
    }

    fn later(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }
}

fn claim(by: UserId) -> Input {
    Input::Claim { by, authority: Authority::Operator }
}

fn last_offer(incident: &Incident) -> &Offer {
    incident.offers.last().unwrap()
}

#[test]
fn a_press_rings_calls_120_and_asks_the_nearest_in_one_decision() {
    let world = World::new();
    let step = world.apply(&world.press(), Input::Wake);
    assert_eq!(step.next.ring.level(), Level::Operators);
    assert_eq!(step.next.handovers[0].centre, Centre::Ambulance);
    assert_eq!(last_offer(&step.next).responder, WEI);
    assert_eq!(
        step.effects,
        [
            Effect::CallCentre(step.next.handovers[0].id),
            Effect::AskResponder(last_offer(&step.next).id),
            Effect::TellWearer(News::Received),
        ]
    );
}

#[test]
fn an_unlisted_source_rings_and_nothing_more() {
    let mut world = World::new();
    let mut incident = world.press();
    incident.origin = Origin::Unlisted;
    let mut incident = world.wake(&incident);
    for _ in 0..20 {
        world.later(60);
        incident = world.wake(&incident);
    }
    assert_eq!(incident.ring.level(), Level::Supervisors);
    assert_eq!((incident.handovers.len(), incident.offers.len()), (0, 0));
}

#[test]
fn with_operator_first_nobody_claiming_means_supervisors_then_120() {
    let mut world = World::new();
    world.policy.handover = HandoverPolicy::OperatorFirst;
    let incident = world.wake(&world.press());
    assert!(incident.handovers.is_empty());
    world.later(30);
    let incident = world.wake(&incident);
    assert_eq!((incident.ring.level(), incident.handovers.len()), (Level::Supervisors, 0));
    world.later(30);
    assert_eq!(world.wake(&incident).handovers.len(), 1);
}

#[test]
fn with_nobody_at_any_desk_120_is_called_at_once_even_with_operator_first() {
    let mut world = World::new();
    world.policy.handover = HandoverPolicy::OperatorFirst;
    world.operators = Presence::Gone;
    world.supervisors = Presence::Gone;
    assert_eq!(world.wake(&world.press()).handovers.len(), 1);
}

#[test]
fn a_lack_of_responders_never_delays_the_supervisors() {
    let mut world = World::new();
    world.candidates = Some(vec![Candidate { responder: WEI, distance: Metres(1.0) }]);
    let incident = world.wake(&world.press());
    world.later(25);
    let offer = last_offer(&incident).id;
    let incident = world.apply(&incident, Input::Decline { offer, reason: "ill".into() }).next;
    assert_eq!(incident.shortfall, Some(Shortfall::AllAsked));
    world.later(5);
    assert_eq!(world.wake(&incident).ring.level(), Level::Supervisors);
}

#[test]
fn silence_and_refusal_pass_the_question_on() {
    let mut world = World::new();
    let incident = world.wake(&world.press());
    world.later(30);
    let incident = world.wake(&incident);
    assert_eq!(incident.offers[0].state, OfferState::Silent);
    assert_eq!(last_offer(&incident).responder, LAN);
    let offer = last_offer(&incident).id;
    let incident = world.apply(&incident, Input::Decline { offer, reason: "far".into() }).next;
    assert_eq!(incident.shortfall, Some(Shortfall::AllAsked));
    assert!(incident.tasks().contains(&Task::NobodyLeftToAsk));
}

#[test]
fn a_late_yes_is_a_yes_unless_somebody_else_goes() {
    let mut world = World::new();
    let incident = world.wake(&world.press());
    let first = last_offer(&incident).id;
    world.later(31);
    let incident = world.wake(&incident);
    let second = last_offer(&incident).id;
    let late = world.apply(&incident, Input::Accept { offer: first, minutes: 4 }).next;
    assert!(late.offers[0].state.is_accepted());
    assert_eq!(late.offers[1].state, OfferState::Withdrawn);

    let taken = world.apply(&incident, Input::Accept { offer: second, minutes: 4 }).next;
    let refused = decide(&taken, Input::Accept { offer: first, minutes: 4 }, &world.facts());
    assert_eq!(refused, Err(Refusal::Taken));
}

#[test]
fn a_further_press_rings_the_owner_and_asks_the_silent_again() {
    let mut world = World::new();
    world.candidates = Some(vec![Candidate { responder: WEI, distance: Metres(1.0) }]);
    let incident = world.claimed();
    world.later(30);
    let mut incident = world.wake(&incident);
    assert_eq!(incident.ring.level(), Level::Operators, "nobody is left to ask");
    incident = world.apply(&incident, claim(OPERATOR)).next;
    incident.presses += 1;
    let incident = world.wake(&incident);
    assert_eq!(incident.ring.level(), Level::Operators);
    assert_eq!(incident.owner(), Some(OPERATOR));
    assert_eq!((incident.offers.len(), last_offer(&incident).responder), (2, WEI));
    assert_eq!(incident.handovers.len(), 1, "120 has it already");
}

#[test]
fn smoke_after_an_sos_reaches_119() {
    let world = World::new();
    let mut incident = world.wake(&world.press());
    incident.kinds.insert(AlertKind::Smoke);
    incident.presses += 1;
    let incident = world.wake(&incident);
    let centres: Vec<_> = incident.handovers.iter().map(|handover| handover.centre).collect();
    assert_eq!(centres, [Centre::Ambulance, Centre::Fire]);
}

#[test]
fn a_press_after_a_stand_down_calls_120_again() {
    let world = World::new();
    let incident = world.claimed();
    let stand_down = Input::StandDown { by: OPERATOR, centre: Centre::Ambulance, reason: "mistake".into() };
    let mut incident = world.apply(&incident, stand_down).next;
    assert_eq!(world.wake(&incident).handovers.len(), 1);
    incident.presses += 1;
    assert_eq!(world.wake(&incident).handovers.len(), 2);
}

#[test]
fn an_owner_who_has_gone_makes_it_ring_again() {
    let mut world = World::new();
    let incident = world.claimed();
    world.later(30);
    let incident = world.wake(&incident);
    assert_eq!(incident.owner(), Some(OPERATOR));
    world.owner = Presence::Gone;
    world.later(30);
    let incident = world.wake(&incident);
    assert_eq!(incident.owner(), None);
    assert_ne!(incident.ring.level(), Level::Quiet);
}

#[test]
fn a_centre_that_is_silent_or_refuses_is_telephoned() {
    let mut world = World::new();
    let incident = world.claimed();
    let handover = incident.handovers[0].id;
    let refused =
        Input::CentreSays { handover, word: CentreWord::Refused { reason: "no vehicle".into() }, reference: None };
    assert_eq!(world.apply(&incident, refused).next.tasks(), [Task::CallByVoice]);

    world.later(15);
    let silent = world.wake(&incident);
    assert_eq!((silent.tasks(), silent.ring.level()), (vec![Task::CallByVoice], Level::Operators));
    let word = CentreWord::Acknowledged;
    let late = world.apply(&silent, Input::CentreSays { handover, word, reference: None }).next;
    assert_eq!(late.tasks(), []);
}

#[test]
fn a_centre_that_repeats_itself_or_goes_back_changes_nothing() {
    let world = World::new();
    let incident = world.claimed();
    let handover = incident.handovers[0].id;
    let says = |word: CentreWord| Input::CentreSays { handover, word, reference: None };
    let there = world.apply(&incident, says(CentreWord::Arrived)).next;
    for word in [CentreWord::Arrived, CentreWord::Acknowledged, CentreWord::Dispatched { minutes: Some(3) }] {
        let step = world.apply(&there, says(word));
        assert_eq!((step.next, step.entries, step.effects), (there.clone(), vec![], vec![]));
    }
}

#[test]
fn only_the_owner_acts_and_only_a_supervisor_takes_over() {
    let world = World::new();
    let incident = world.claimed();
    let ask = Input::Ask { by: OTHER, responder: LAN };
    assert_eq!(decide(&incident, ask, &world.facts()), Err(Refusal::ClaimedByOther));
    assert_eq!(decide(&incident, claim(OTHER), &world.facts()), Err(Refusal::ClaimedByOther));
    let take = Input::Claim { by: OTHER, authority: Authority::Supervisor };
    assert_eq!(world.apply(&incident, take).next.owner(), Some(OTHER));
}

#[test]
fn closing_waits_for_120_and_tells_everybody() {
    let world = World::new();
    let incident = world.claimed();
    let close = || Input::Close { by: OPERATOR, outcome: Outcome::NoInjury, note: None };
    assert_eq!(decide(&incident, close(), &world.facts()), Err(Refusal::CentreUnderWay));
    let stand_down = Input::StandDown { by: OPERATOR, centre: Centre::Ambulance, reason: "fine".into() };
    let incident = world.apply(&incident, stand_down).next;
    let step = world.apply(&incident, close());
    assert_eq!(step.effects, [Effect::DismissResponder(incident.offers[0].id), Effect::TellWearer(News::AllClear)]);
    assert_eq!((step.next.wake_at(), step.next.headline()), (None, Headline::Closed));
    assert_eq!(decide(&step.next, claim(OTHER), &world.facts()), Err(Refusal::Over));
}
