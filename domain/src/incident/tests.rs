//! The rules of an incident, one sentence each.

mod coming_back;
mod contacts;
mod ladders;
mod orders;

use std::cell::Cell;

use jiff::SignedDuration;
use uuid::Uuid;

use super::*;
use crate::place::Metres;

const WEI: ResponderId = ResponderId(Uuid::from_u128(1));
const LAN: ResponderId = ResponderId(Uuid::from_u128(2));
const OPERATOR: UserId = UserId(Uuid::from_u128(10));
const OTHER: UserId = UserId(Uuid::from_u128(11));

/// Somebody who may be asked, so far away.
fn candidate(responder: ResponderId, metres: f64) -> Candidate {
    let (distance, reckoned) = (Metres(metres), SignedDuration::try_from_secs_f64(metres / 5.0).unwrap());
    Candidate { responder, distance: Some(distance), reckoned: Some(reckoned), unfit: None }
}

/// A district with two responders and everybody at their desks, whose clock is moved by hand.
struct World {
    now: Timestamp,
    policy: Policy,
    owner: Presence,
    operators: Presence,
    supervisors: Presence,
    candidates: Option<Vec<Candidate>>,
    advice: Advice,
    whereabouts: Vec<Whereabouts>,
    contacts: Vec<Contact>,
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
            candidates: Some(vec![candidate(WEI, 200.0), candidate(LAN, 900.0)]),
            advice: Advice::default(),
            whereabouts: Vec::new(),
            contacts: Vec::new(),
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
            candidates: self.candidates.clone().into(),
            advice: self.advice,
            whereabouts: self.whereabouts.clone(),
            contacts: self.contacts.clone(),
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
            Effect::Follow,
            Effect::TellWearer(News::Received),
        ]
    );
}

#[test]
fn a_terminal_is_followed_from_the_first_press_of_an_emergency_unless_nobody_wants_that() {
    let world = World::new();
    let follows = |step: &Step| step.effects.contains(&Effect::Follow);
    let first = world.apply(&world.press(), Input::Wake);
    assert!(follows(&first));
    let again = world.apply(&Incident { presses: 2, ..first.next }, Input::Wake);
    assert!(again.effects.contains(&Effect::TellWearer(News::Received)) && !follows(&again));
    for class in [Class::Service, Class::Wandering, Class::Welfare] {
        assert!(!follows(&world.apply(&Incident { class, ..world.press() }, Input::Wake)), "{class:?}");
    }
    let mut reserved = World::new();
    reserved.policy.following = Following::Nobody;
    assert!(!follows(&reserved.apply(&reserved.press(), Input::Wake)));
}

#[test]
fn a_canarys_press_wakes_nobody_and_closes_by_itself() {
    let world = World::new();
    let press = Incident { drill: true, canary: true, ..world.press() };
    let step = world.apply(&press, Input::Wake);
    assert_eq!(step.effects, []);
    assert!(matches!(step.entries[..], [Entry::Closed { by: ClosedBy::Canary, outcome: Outcome::Test, note: None }]));
    let next = step.next;
    assert!(!next.is_open() && next.ring == Ring::Quiet && next.offers.is_empty() && next.handovers.is_empty());
    assert_eq!((next.wake_at(), next.presses_answered), (None, 1));
}

#[test]
fn who_wandered_off_is_rung_for_and_told_of_nothing_but_help() {
    let mut world = World::new();
    let mut incident = world.press();
    (incident.class, incident.kinds) = (Class::Wandering, [AlertKind::FenceExit].into());
    let rung = world.apply(&incident, Input::Wake);
    assert_eq!(rung.next.ring.level(), Level::Operators);
    assert_eq!((rung.next.offers.len(), rung.next.handovers.len(), rung.effects.len()), (0, 0, 0));
    world.later(61);
    let risen = world.apply(&rung.next, Input::Wake);
    assert_eq!((risen.next.ring.level(), risen.next.handovers.len()), (Level::Supervisors, 0));

    let claimed = world.apply(&risen.next, claim(OPERATOR));
    assert_eq!(claimed.effects, []);
    let asked = world.apply(&claimed.next, Input::Ask { by: OPERATOR, responder: WEI }).next;
    let accept = Input::Accept { offer: last_offer(&asked).id, minutes: 5 };
    let mut accepted = world.apply(&asked, accept);
    assert!(matches!(accepted.effects[..], [Effect::TellWearer(News::Coming { .. })]));

    let before = accepted.next.urgency();
    accepted.next.returned = true;
    assert_eq!((accepted.next.tasks(), accepted.next.urgency()), (vec![Task::Returned], before));
    let close = Input::Close { by: OPERATOR, outcome: Outcome::Found, note: None };
    assert!(!world.apply(&accepted.next, close).next.is_open());
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
fn where_nobody_proved_who_pressed_the_nearest_is_asked_and_a_person_decides_about_120() {
    let world = World::new();
    let mut incident = world.press();
    incident.origin = Origin::Unproved;
    let step = world.apply(&incident, Input::Wake);
    let [proposed] = &step.next.handovers[..] else { panic!("{:?}", step.next.handovers) };
    assert_eq!((proposed.centre, &proposed.state), (Centre::Ambulance, &HandoverState::Proposed));
    assert_eq!(last_offer(&step.next).responder, WEI);
    let called = |step: &Step| step.effects.iter().any(|effect| matches!(effect, Effect::CallCentre(_)));
    assert!(!called(&step) && step.next.tasks().contains(&Task::DecideCentre));
    assert!(step.entries.contains(&Entry::CentreProposed { handover: proposed.id, centre: Centre::Ambulance }));

    let owned = world.apply(&step.next, claim(OPERATOR)).next;
    assert!(owned.tasks().contains(&Task::DecideCentre), "a claim decides nothing");
    let handed = world.apply(&owned, Input::HandOver { by: OPERATOR, centre: Centre::Ambulance });
    assert_eq!(handed.effects, [Effect::CallCentre(proposed.id)]);
    assert!(!handed.next.tasks().contains(&Task::DecideCentre) && handed.next.handovers.len() == 1);

    let reason = String::from("she pressed by mistake");
    let down = world.apply(&owned, Input::StandDown { by: OPERATOR, centre: Centre::Ambulance, reason });
    assert_eq!(down.effects, [], "a centre that heard nothing is told nothing");
    assert!(!down.next.tasks().contains(&Task::DecideCentre));
    // What was decided holds until the next press.
    let mut again = world.wake(&down.next);
    assert_eq!(again.handovers.len(), 1);
    again.presses += 1;
    assert_eq!(world.wake(&again).handovers[1].state, HandoverState::Proposed);
    let close = Input::Close { by: OPERATOR, outcome: Outcome::FalsePress, note: None };
    assert!(!world.apply(&owned, close).next.is_open(), "nobody is on their way who would have to be stood down");
}

#[test]
fn where_nobody_proved_who_pressed_the_ladder_rings_the_supervisors_instead_of_calling_120() {
    let mut world = World::new();
    world.policy.handover = HandoverPolicy::OperatorFirst;
    let rung =
        |seconds, act| ladder::Rung { after: SignedDuration::from_secs(seconds), act, when: ladder::When::Always };
    let rungs = [
        rung(0, ladder::Act::Operators),
        rung(20, ladder::Act::Centres),
        rung(30, ladder::Act::Police),
        rung(300, ladder::Act::Everybody),
    ];
    world.policy.ladder = Some(Ladder::new(Class::Emergency, &rungs, SignedDuration::from_secs(60)).unwrap());
    let mut incident = world.press();
    incident.origin = Origin::Unproved;
    let mut incident = world.wake(&incident);
    assert!(incident.handovers.is_empty() && incident.ring.level() == Level::Operators);
    world.later(20);
    let step = world.apply(&incident, Input::Wake);
    assert_eq!(step.next.ring.level(), Level::Supervisors);
    assert!(step.entries.contains(&Entry::Rung { level: Level::Supervisors }), "{:?}", step.entries);
    incident = step.next;
    for _ in 0..20 {
        world.later(60);
        incident = world.wake(&incident);
    }
    let states: Vec<_> = incident.handovers.iter().map(|handover| (handover.centre, &handover.state)).collect();
    let proposed = &HandoverState::Proposed;
    assert_eq!(states, [(Centre::Ambulance, proposed), (Centre::Police, proposed)]);
}

#[test]
fn what_was_proposed_is_called_once_a_press_proves_who_it_is() {
    let world = World::new();
    let mut incident = world.press();
    incident.origin = Origin::Unproved;
    let mut incident = world.wake(&incident);
    let proposed = incident.handovers[0].id;
    (incident.origin, incident.presses) = (incident.origin.or(Origin::Listed), 2);
    let step = world.apply(&incident, Input::Wake);
    assert!(step.effects.contains(&Effect::CallCentre(proposed)));
    assert!(step.next.handovers.len() == 1 && step.next.handovers[0].state.is_live());
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
    world.candidates = Some(vec![candidate(WEI, 1.0)]);
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
fn after_a_no_of_whom_the_plan_counts_on_it_is_asked_anew_before_anybody_else_is() {
    let mut world = World::new();
    let incident = world.wake(&world.press());
    let offer = last_offer(&incident).id;
    world.advice.counts_on = Some(WEI);
    let incident = world.apply(&incident, Input::Decline { offer, reason: "ill".into() }).next;
    let anew = world.now + SignedDuration::from_millis(200);
    assert_eq!((incident.offers.len(), incident.wake_at()), (1, Some(anew)), "and looks again");

    // The new plan names somebody; and without any the next is asked all the same.
    let zhu = ResponderId(Uuid::from_u128(3));
    world.candidates.as_mut().unwrap().push(candidate(zhu, 5_000.0));
    world.later(1);
    for (advice, asked) in [(Advice { ask: Some(zhu), ..Advice::default() }, zhu), (Advice::default(), LAN)] {
        world.advice = advice;
        assert_eq!(last_offer(&world.wake(&incident)).responder, asked);
    }
    // A plan that never learns of it keeps nobody waiting.
    world.advice = Advice { counts_on: Some(WEI), ..Advice::default() };
    assert_eq!(last_offer(&world.wake(&incident)).responder, LAN);
}

#[test]
fn a_late_yes_of_whoever_is_there_much_sooner_than_who_goes_counts() {
    let mut world = World::new();
    let incident = world.wake(&world.press());
    let first = last_offer(&incident).id;
    world.later(31);
    let incident = world.wake(&incident);
    let incident = world.apply(&incident, Input::Accept { offer: last_offer(&incident).id, minutes: 12 }).next;
    let late = world.apply(&incident, Input::Accept { offer: first, minutes: 4 }).next;
    assert!(late.offers[0].state.is_accepted());
    assert_eq!(late.offers[1].state, OfferState::Withdrawn);
    let not_sooner = decide(&incident, Input::Accept { offer: first, minutes: 12 }, &world.facts());
    assert_eq!(not_sooner, Err(Refusal::Taken));
}

#[test]
fn whoever_goes_by_one_question_and_says_yes_to_an_older_one_goes_on() {
    let mut world = World::new();
    world.candidates.as_mut().unwrap().truncate(1);
    let incident = world.wake(&world.press());
    let first = last_offer(&incident).id;
    world.later(31);
    let incident = world.wake(&incident);
    world.advice.ask = Some(last_offer(&incident).responder);
    world.later(600);
    let incident = world.wake(&incident);
    let second = last_offer(&incident).id;
    assert_ne!(first, second, "asked again in another round");
    let incident = world.apply(&incident, Input::Accept { offer: second, minutes: 9 }).next;
    let step = world.apply(&incident, Input::Accept { offer: first, minutes: 1 });
    assert_eq!((step.next.offers, step.effects), (incident.offers, vec![]));
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
    world.candidates = Some(vec![candidate(WEI, 1.0)]);
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
    let report = CentreWord::Acknowledged;
    let late = world.apply(&silent, Input::CentreSays { handover, word: report, reference: None }).next;
    assert_eq!(late.tasks(), []);
}

#[test]
fn a_centre_that_repeats_itself_or_goes_back_changes_nothing() {
    let world = World::new();
    let incident = world.claimed();
    let handover = incident.handovers[0].id;
    let says = |report: CentreWord| Input::CentreSays { handover, word: report, reference: None };
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

#[test]
fn a_rung_noticed_late_takes_no_time_from_the_next() {
    let mut world = World::new();
    world.policy.handover = HandoverPolicy::OperatorFirst;
    let incident = world.wake(&world.press());
    world.later(45);
    let supervisors = world.wake(&incident);
    assert_eq!(supervisors.wake_at(), Some(world.press().opened_at + SignedDuration::from_secs(15)));
    world.later(15);
    assert_eq!(world.wake(&supervisors).handovers.len(), 1, "60 s after the press, not after the late rung");
    world.later(60);
    assert_eq!(world.wake(&incident).handovers.len(), 1, "after an outage both rungs in one decision");
}

#[test]
fn when_everybody_leaves_their_desks_the_next_decision_goes_straight_up() {
    let mut world = World::new();
    world.policy.handover = HandoverPolicy::OperatorFirst;
    let incident = world.wake(&world.press());
    world.operators = Presence::Gone;
    world.later(1);
    let incident = world.wake(&incident);
    assert_eq!((incident.ring.level(), incident.handovers.len()), (Level::Supervisors, 0));
    world.supervisors = Presence::Gone;
    world.later(1);
    assert_eq!(world.wake(&incident).handovers.len(), 1);
}

#[test]
fn operators_without_a_supervisor_keep_their_full_time_before_120() {
    let mut world = World::new();
    world.policy.handover = HandoverPolicy::OperatorFirst;
    world.supervisors = Presence::Gone;
    let incident = world.wake(&world.press());
    world.later(30);
    let incident = world.wake(&incident);
    assert_eq!(incident.handovers.len(), 0);
    world.later(30);
    assert_eq!(world.wake(&incident).handovers.len(), 1);
}

#[test]
fn pressing_again_and_again_never_keeps_the_next_from_being_asked() {
    let mut world = World::new();
    let mut incident = world.wake(&world.press());
    for _ in 0..14 {
        world.later(10);
        incident.presses += 1;
        incident = world.wake(&incident);
    }
    let asked: Vec<_> = incident.offers.iter().map(|offer| offer.responder).collect();
    assert_eq!(asked, [WEI, LAN, WEI, LAN, WEI]);
}

#[test]
fn who_was_sent_home_for_a_yes_is_asked_when_it_is_taken_back() {
    let mut world = World::new();
    let incident = world.wake(&world.press());
    world.later(30);
    let incident = world.wake(&incident);
    let wei = incident.offers[0].id;
    let incident = world.apply(&incident, Input::Accept { offer: wei, minutes: 4 }).next;
    assert_eq!(incident.offers[1].state, OfferState::Withdrawn);
    let incident = world.apply(&incident, Input::Decline { offer: wei, reason: "flat tyre".into() }).next;
    assert_eq!((incident.offers.len(), last_offer(&incident).responder), (3, LAN));
}

#[test]
fn who_kept_silent_comes_after_everybody_who_did_not() {
    let mut world = World::new();
    world.candidates = Some(vec![candidate(WEI, 200.0)]);
    let incident = world.wake(&world.press());
    world.later(30);
    let mut incident = world.wake(&incident);
    world.candidates = World::new().candidates;
    incident.presses += 1;
    let incident = world.wake(&incident);
    assert_eq!(last_offer(&incident).responder, LAN);
}

#[test]
fn who_comes_near_later_is_asked_and_so_is_somebody_once_the_place_is_known() {
    let mut world = World::new();
    let everybody = world.candidates.take();
    let unknown = world.wake(&world.press());
    assert_eq!(unknown.shortfall, Some(Shortfall::PlaceUnknown));
    world.candidates = Some(vec![]);
    let nobody = world.wake(&unknown);
    assert_eq!(nobody.shortfall, Some(Shortfall::NoneContracted));
    world.candidates = everybody;
    let asked = world.wake(&nobody);
    assert_eq!((asked.shortfall, last_offer(&asked).responder), (None, WEI));
}

#[test]
fn who_chooses_somebody_needs_to_know_who_there_is_and_who_does_not_needs_no_look() {
    let world = World::new();
    let unseen = |incident: &Incident, input| {
        decide(incident, input, &Facts { candidates: Looked::NotYet, ..world.facts() }).unwrap()
    };
    let pressed = world.press();
    assert!(unseen(&pressed, Input::Wake).lacks_candidates);
    let seen = world.apply(&pressed, Input::Wake);
    assert!(!seen.lacks_candidates && !seen.next.offers.is_empty());
    // Somebody is asked already: nobody is chosen, and it makes no difference whether anybody has looked.
    let again = unseen(&seen.next, Input::Wake);
    assert!(!again.lacks_candidates);
    assert_eq!(again.next, world.wake(&seen.next));
}

#[test]
fn that_a_message_has_arrived_is_no_reason_to_look_again_for_somebody() {
    let mut world = World::new();
    let everybody = world.candidates.replace(Vec::new());
    let nobody = world.wake(&world.press());
    assert_eq!(nobody.shortfall, Some(Shortfall::NoneContracted));
    world.candidates = everybody;
    let has_it = Input::CentreHasIt { handover: nobody.handovers[0].id };
    let sent = decide(&nobody, has_it, &Facts { candidates: Looked::NotYet, ..world.facts() }).unwrap();
    assert!(!sent.lacks_candidates && matches!(sent.next.handovers[0].state, HandoverState::Sent { .. }));
    assert_eq!(last_offer(&world.wake(&sent.next)).responder, WEI, "the next deadline looks again");
}

#[test]
fn a_press_that_nobody_has_heard_cannot_be_closed_away() {
    let world = World::new();
    let stand_down = Input::StandDown { by: OPERATOR, centre: Centre::Ambulance, reason: "fine".into() };
    let mut incident = world.apply(&world.claimed(), stand_down).next;
    incident.presses += 1;
    let close = Input::Close { by: OPERATOR, outcome: Outcome::FalsePress, note: None };
    assert_eq!(decide(&incident, close, &world.facts()), Err(Refusal::PressedAgain));
}

#[test]
fn the_policy_takes_up_what_an_owner_leaves_lying() {
    let world = World::new();
    let incident = world.claimed();
    let offer = last_offer(&incident).id;
    let incident = world.apply(&incident, Input::Withdraw { by: OPERATOR, offer }).next;
    assert_eq!(incident.offers.len(), 1, "the owner decides");
    let incident = world.apply(&incident, Input::Release { by: OPERATOR }).next;
    assert_eq!(last_offer(&incident).responder, LAN);
}

#[test]
fn with_operator_first_a_press_after_a_stand_down_climbs_to_120_again() {
    let mut world = World::new();
    world.policy.handover = HandoverPolicy::OperatorFirst;
    let incident = world.apply(&world.claimed(), Input::HandOver { by: OPERATOR, centre: Centre::Ambulance }).next;
    let stand_down = Input::StandDown { by: OPERATOR, centre: Centre::Ambulance, reason: "mistake".into() };
    let incident = world.apply(&incident, stand_down).next;
    let mut incident = world.apply(&incident, Input::Release { by: OPERATOR }).next;
    world.later(60);
    incident = world.wake(&incident);
    assert_eq!(incident.handovers.len(), 1, "without a new press the stand-down stands");
    incident.presses += 1;
    incident = world.wake(&incident);
    assert_eq!(incident.handovers.len(), 1, "an operator first");
    world.later(60);
    assert_eq!(world.wake(&incident).handovers.len(), 2);
}

#[test]
fn a_centre_that_seemed_out_of_reach_and_reports_is_believed() {
    let world = World::new();
    let incident = world.claimed();
    let handover = incident.handovers[0].id;
    let incident = world.apply(&incident, Input::CentreUnreachable { handover }).next;
    assert_eq!(incident.tasks(), [Task::CallByVoice]);
    let report = CentreWord::Dispatched { minutes: Some(7) };
    let step = world.apply(&incident, Input::CentreSays { handover, word: report, reference: None });
    assert_eq!(step.next.tasks(), []);
    assert!(matches!(step.effects[..], [Effect::TellWearer(News::Coming { who: Helper::Centre(_), .. })]));
}

#[test]
fn a_centre_that_finishes_without_having_come_rings_the_owner() {
    let world = World::new();
    let incident = world.claimed();
    let handover = incident.handovers[0].id;
    let says = |report: CentreWord| Input::CentreSays { handover, word: report, reference: None };
    let incident = world.apply(&incident, says(CentreWord::Acknowledged)).next;
    assert_eq!(incident.ring, Ring::Quiet);
    assert_eq!(world.apply(&incident, says(CentreWord::Closed)).next.ring.level(), Level::Operators);
    let arrived = world.apply(&incident, says(CentreWord::Arrived)).next;
    assert_eq!(world.apply(&arrived, says(CentreWord::Closed)).next.ring, Ring::Quiet);
}

#[test]
fn a_refusal_after_the_telephone_call_rings_the_owner() {
    let mut world = World::new();
    let incident = world.claimed();
    let handover = incident.handovers[0].id;
    world.later(15);
    let incident = world.wake(&incident);
    let done = Input::VoiceDone { by: OPERATOR, centre: Centre::Ambulance, reference: None };
    let incident = world.apply(&incident, done).next;
    assert_eq!(incident.ring, Ring::Quiet);
    let report = CentreWord::Refused { reason: "no vehicle".into() };
    let refused = world.apply(&incident, Input::CentreSays { handover, word: report, reference: None }).next;
    assert_eq!(refused.ring.level(), Level::Operators);
}

#[test]
fn where_only_people_ask_the_owner_hears_that_the_answer_is_no() {
    let mut world = World::new();
    let mut incident = world.press();
    incident.origin = Origin::Unlisted;
    let incident = world.apply(&incident, claim(OPERATOR)).next;
    let incident = world.apply(&incident, Input::Ask { by: OPERATOR, responder: WEI }).next;
    assert_eq!(incident.ring, Ring::Quiet);
    world.later(30);
    let incident = world.wake(&incident);
    assert_eq!((incident.ring.level(), incident.offers.len()), (Level::Operators, 1));
}

#[test]
fn the_owner_hears_once_that_somebody_is_late() {
    let mut world = World::new();
    let incident = world.claimed();
    let offer = last_offer(&incident).id;
    let handover = incident.handovers[0].id;
    let there = Input::CentreSays { handover, word: CentreWord::Arrived, reference: None };
    let incident = world.apply(&incident, there).next;
    let mut incident = world.apply(&incident, Input::Accept { offer, minutes: 1 }).next;
    world.later(30);
    incident = world.wake(&incident);
    assert_eq!(incident.ring, Ring::Quiet);
    world.later(30);
    incident = world.wake(&incident);
    assert_eq!(incident.ring.level(), Level::Operators);
    incident = world.apply(&incident, claim(OPERATOR)).next;
    for _ in 0..4 {
        world.later(30);
        incident = world.wake(&incident);
        assert_eq!(incident.ring, Ring::Quiet);
    }
}

#[test]
fn an_owner_who_is_gone_stands_in_nobodys_way() {
    let mut world = World::new();
    let incident = world.claimed();
    world.owner = Presence::Gone;
    let step = world.apply(&incident, claim(OTHER));
    assert_eq!(step.next.owner(), Some(OTHER));
    assert_eq!(step.entries[0], Entry::OwnerGone { owner: OPERATOR });
}

#[test]
fn the_wearer_hears_that_a_further_press_was_heard() {
    let world = World::new();
    let mut incident = world.claimed();
    incident.presses += 1;
    let incident = world.wake(&incident);
    let step = world.apply(&incident, claim(OPERATOR));
    assert_eq!(step.effects, [Effect::TellWearer(News::Claimed)]);
    assert_eq!(world.apply(&step.next, claim(OPERATOR)).effects, []);
}

#[test]
fn while_nobody_owns_it_the_silent_are_asked_again_with_the_uppermost_rung() {
    let mut world = World::new();
    world.candidates = Some(vec![candidate(WEI, 200.0)]);
    let mut incident = world.wake(&world.press());
    world.later(30);
    incident = world.wake(&incident);
    assert_eq!(incident.shortfall, Some(Shortfall::AllAsked));
    world.later(29);
    assert_eq!(world.wake(&incident).offers.len(), 1);
    world.later(1);
    let again = world.wake(&incident);
    assert_eq!((again.shortfall, again.offers.len()), (None, 2));
    let owned = world.apply(&incident, claim(OPERATOR)).next;
    world.later(300);
    assert_eq!(world.wake(&owned).offers.len(), 1, "an owner asks by hand");
}

#[test]
fn who_says_yes_to_an_earlier_question_is_not_told_to_stay_at_home() {
    let mut world = World::new();
    world.candidates = Some(vec![candidate(WEI, 200.0)]);
    let incident = world.wake(&world.press());
    world.later(30);
    let mut incident = world.wake(&incident);
    incident.presses += 1;
    let incident = world.wake(&incident);
    assert_eq!(incident.offers.len(), 2);
    let step = world.apply(&incident, Input::Accept { offer: incident.offers[0].id, minutes: 4 });
    assert_eq!(step.next.offers[1].state, OfferState::Withdrawn);
    assert!(matches!(step.effects[..], [Effect::TellWearer(News::Coming { .. })]));
}

#[test]
fn a_wearer_hears_who_comes_even_without_minutes_and_never_the_same_twice() {
    let world = World::new();
    let incident = world.claimed();
    let handover = incident.handovers[0].id;
    let report = CentreWord::Dispatched { minutes: None };
    let step = world.apply(&incident, Input::CentreSays { handover, word: report, reference: None });
    let coming = News::Coming { who: Helper::Centre(Centre::Ambulance), expected_at: None };
    assert_eq!(step.effects, [Effect::TellWearer(coming)]);

    let offer = last_offer(&incident).id;
    let accepted = world.apply(&incident, Input::Accept { offer, minutes: 4 }).next;
    assert_eq!(world.apply(&accepted, Input::SetOut { offer, minutes: 4 }).effects, []);
    assert_eq!(world.apply(&accepted, Input::SetOut { offer, minutes: 9 }).effects.len(), 1);
}

#[test]
fn help_given_before_the_last_press_is_no_reason_to_ask_nobody() {
    let world = World::new();
    let mut incident = world.claimed();
    let wei = last_offer(&incident).id;
    incident = world.apply(&incident, Input::Accept { offer: wei, minutes: 1 }).next;
    incident = world.apply(&incident, Input::Ask { by: OPERATOR, responder: LAN }).next;
    incident = world.apply(&incident, Input::Finish { offer: wei }).next;
    let released = world.apply(&incident, Input::Release { by: OPERATOR }).next;
    assert_eq!(released.offers.len(), 2);
    incident.presses += 1;
    let offer = last_offer(&incident).id;
    incident = world.apply(&incident, Input::Withdraw { by: OPERATOR, offer }).next;
    incident = world.apply(&incident, Input::Release { by: OPERATOR }).next;
    assert!(incident.shortfall.is_some() || last_offer(&incident).state.is_live());
}

#[test]
fn who_has_finished_is_asked_again_when_everybody_else_is_silent() {
    let mut world = World::new();
    let mut incident = world.claimed();
    let wei = last_offer(&incident).id;
    incident = world.apply(&incident, Input::Accept { offer: wei, minutes: 1 }).next;
    incident = world.apply(&incident, Input::Finish { offer: wei }).next;
    incident = world.apply(&incident, Input::Ask { by: OPERATOR, responder: LAN }).next;
    incident.presses += 1;
    incident = world.wake(&incident);
    world.later(30);
    incident = world.wake(&incident);
    assert_eq!((last_offer(&incident).responder, incident.shortfall), (WEI, None));
}

#[test]
fn help_given_before_the_last_press_is_none_when_whoever_came_since_is_sent_home() {
    let mut world = World::new();
    let claimed = world.claimed();
    let first = last_offer(&claimed).id;
    world.later(30);
    let incident = world.wake(&claimed);
    let second = last_offer(&incident).id;
    let mut incident = world.apply(&incident, Input::Accept { offer: second, minutes: 1 }).next;
    for input in [Input::Arrive { offer: second }, Input::Finish { offer: second }] {
        incident = world.apply(&incident, input).next;
    }
    // A late yes, then a press: somebody is going, so nobody else is asked.
    incident = world.apply(&incident, Input::Accept { offer: first, minutes: 5 }).next;
    incident.presses += 1;
    incident = world.wake(&incident);
    incident = world.apply(&incident, Input::Withdraw { by: OPERATOR, offer: first }).next;
    let asked_before = incident.offers.len();
    let released = world.apply(&incident, Input::Release { by: OPERATOR }).next;
    assert_eq!(released.offers.len(), asked_before + 1, "nobody has helped since the press");
}

#[test]
fn who_was_given_up_asked_anew_and_stands_at_the_door_is_engaged_once() {
    let mut world = World::new();
    world.candidates = Some(vec![candidate(WEI, 900.0)]);
    let (distance, way, age) = (Metres(900.0), SignedDuration::from_mins(5), SignedDuration::ZERO);
    world.whereabouts = vec![Whereabouts { responder: WEI, distance, way, age }];
    let mut incident = world.wake(&world.press());
    let first = last_offer(&incident).id;
    incident = world.apply(&incident, Input::Accept { offer: first, minutes: 1 }).next;
    world.later(60);
    let asked_anew = world.wake(&incident);
    let second = last_offer(&asked_anew).id;
    assert_eq!(asked_anew.offers[0].state, OfferState::Lost { by: LostBy::NotMoving });
    let on_the_way_again = world.apply(&asked_anew, Input::Accept { offer: second, minutes: 3 }).next;
    let inputs = [Input::Arrive { offer: first }, Input::SetOut { offer: first, minutes: 1 }];
    for (incident, input) in [&on_the_way_again, &asked_anew].into_iter().zip(inputs) {
        let step = world.apply(incident, input);
        let live: Vec<_> =
            step.next.offers.iter().filter(|offer| offer.state.is_live()).map(|offer| offer.id).collect();
        assert_eq!(live, [first]);
        assert!(!step.effects.contains(&Effect::DismissResponder(second)), "who is coming is not told to stay at home");
    }
}
