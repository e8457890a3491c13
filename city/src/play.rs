//! Lets time pass over a city: the shell around the core, as the dispatcher is one.
//!
//! As `make-city` has it, whoever is sent home was never under way: they are where they were. How long
//! daily help takes is what was agreed, and known; how long an emergency takes is not, and is reckoned
//! with as it usually is. An operator gives up a call to which nobody goes after three hours, which the
//! core never does.

use std::collections::HashMap;

use domain::dispatch::{
    Board, Case, Kind, Outlook, Person, Plan, Standing, Urgency, Weights, plan, reliability, travel,
};
use domain::id::{IncidentId, ResponderId};
use domain::incident::{
    Candidate, Category, Class, Facts, HandoverPolicy, Incident, Input, Looked, Offer, OfferState, Origin, Policy,
    Presence, Whereabouts, decide,
};
use domain::place::{Metres, Position};
use domain::press::AlertKind;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::agenda::Agenda;
use crate::event::{Event, What};
use crate::file::{Answer, Call, City, Kind as Answers};

/// The first midnight of every city.
const MIDNIGHT: Timestamp = Timestamp::constant(1_772_352_000, 0);
/// How long whoever goes to an emergency is usually there.
const EMERGENCY_LASTS: SignedDuration = SignedDuration::from_secs(1050);
/// An operator gives up then.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(3);
/// How often it is looked whether the plan wants something of a case that nobody is deciding.
const SURVEY_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// How many of the latest calls' places are remembered.
const PLACES_MAX: usize = 60;
/// How many calls a day a responder stands for, where nothing is known of other days.
const CALLS_A_DAY: f64 = 2.5;
/// How the calls of a day are spread over its hours, where nothing is known of other days.
const SHARE_OF_HOUR: [f64; 24] =
    [1., 1., 1., 1., 1., 2., 4., 6., 7., 6., 6., 5., 5., 4., 4., 5., 5., 6., 6., 5., 4., 3., 2., 1.];

/// By what rules.
#[derive(Debug, Clone, Copy)]
pub struct Play {
    /// What counts how much in a plan; `None` asks whoever would be there first, without a plan.
    pub weights: Option<Weights>,
    /// The rules of an incident.
    pub policy: Policy,
}

impl Default for Play {
    fn default() -> Self {
        Self { weights: Some(Weights::default()), policy: Policy::default() }
    }
}

/// Lets a city's days pass, and tells what happened.
pub fn play<'c>(city: &'c City, rules: &Play) -> Vec<Event<'c>> {
    let mut world = World::new(city, rules);
    while let Some((at, what)) = world.agenda.next() {
        world.now = at;
        world.happen(what);
        world.follow_the_plan();
    }
    world.events
}

#[derive(Debug, Clone, Copy)]
enum Happening {
    /// Somebody calls.
    Press { call: usize },
    /// A deadline of the core.
    Wake { call: usize },
    /// Somebody answers the question of then.
    Answer { call: usize, responder: usize },
    /// Somebody is there, if they still go.
    Arrive { call: usize, responder: usize },
    /// Somebody has finished.
    Finish { call: usize, responder: usize },
    /// A shift begins.
    Shift,
    /// Somebody has not answered for so long that the plan may think of another.
    Survey,
    /// An operator looks whether there is any hope.
    GiveUp { call: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Asked(usize),
    Going(usize),
    Busy(Timestamp),
}

struct Helper {
    at: Position,
    state: State,
    yes: u32,
    no: u32,
}

/// A call that has come in and is not over.
struct Open {
    incident: Incident,
    /// Whoever was asked, ever: here nobody is asked twice.
    asked: Vec<usize>,
    /// When whoever goes will be there.
    there_at: Option<Timestamp>,
    /// Which of its deadlines the agenda has, so that each stands there once.
    wakes_at: Option<Timestamp>,
}

struct World<'c, 'r> {
    city: &'c City,
    rules: &'r Play,
    now: Timestamp,
    agenda: Agenda<Happening>,
    helpers: Vec<Helper>,
    open: HashMap<usize, Open>,
    /// Those of `open` to whom somebody is still to come, in order of their calls.
    waiting: Vec<usize>,
    places: Vec<Position>,
    events: Vec<Event<'c>>,
    identities: u128,
    /// The latest plan, and of which moment it is.
    planned: Option<((Timestamp, usize, usize), Plan)>,
}

impl<'c, 'r> World<'c, 'r> {
    fn new(city: &'c City, rules: &'r Play) -> Self {
        let mut agenda = Agenda::new();
        for (call, row) in city.calls.iter().enumerate() {
            agenda.enter(MIDNIGHT + row.after, Happening::Press { call });
        }
        for (on, _) in city.responders.iter().flat_map(|responder| &responder.shifts) {
            agenda.enter(MIDNIGHT + *on, Happening::Shift);
        }
        Self {
            city,
            rules,
            now: MIDNIGHT,
            agenda,
            helpers: city
                .responders
                .iter()
                .map(|responder| Helper { at: responder.at, state: State::Free, yes: 0, no: 0 })
                .collect(),
            open: HashMap::new(),
            waiting: Vec::new(),
            // Who lives where is known before anybody has called; here, where helpers begin.
            places: city.responders.iter().map(|responder| responder.at).collect(),
            events: Vec::new(),
            identities: 1_000_000,
            planned: None,
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Press { call } => {
                self.places.push(self.city.calls[call].at);
                let incident = self.press(call);
                self.open.insert(call, Open { incident, asked: Vec::new(), there_at: None, wakes_at: None });
                self.waiting.push(call);
                self.agenda.enter(self.now + GIVEN_UP_AFTER, Happening::GiveUp { call });
                self.decide(call, Input::Wake);
            }
            Happening::Wake { call } => {
                let is_due = |open: &Open| open.incident.wake_at().is_some_and(|at| at <= self.now);
                if self.waiting.contains(&call) && self.open.get(&call).is_some_and(is_due) {
                    self.decide(call, Input::Wake);
                }
            }
            Happening::Answer { call, responder } => self.answer(call, responder),
            Happening::Arrive { call, responder } => {
                if self.helpers[responder].state == State::Going(call)
                    && let Some(offer) = self.offer(call, responder)
                {
                    let offer = offer.id;
                    self.decide(call, Input::Arrive { offer });
                }
            }
            Happening::Finish { call, responder } => {
                self.helpers[responder].state = State::Free;
                self.open.remove(&call);
            }
            Happening::Shift | Happening::Survey => {}
            Happening::GiveUp { call } => self.give_up(call),
        }
    }

    fn press(&self, call: usize) -> Incident {
        let Call { class, .. } = self.city.calls[call];
        let kind = (class != Class::Service).then_some(AlertKind::Sos);
        let mut incident = Incident::open(incident_id(call), class, Origin::Listed, kind, self.now);
        if class == Class::Service {
            incident.category = Some(Category(self.city.skills[self.city.calls[call].skill].clone()));
        }
        incident
    }

    fn offer(&self, call: usize, responder: usize) -> Option<&Offer> {
        let offers = &self.open.get(&call)?.incident.offers;
        offers.iter().rev().find(|offer| offer.responder == responder_id(responder))
    }

    fn answer(&mut self, call: usize, responder: usize) {
        let Answer { kind, .. } = self.city.answer(call, responder);
        let Some(offer) = self.offer(call, responder) else { return };
        let (id, is_late) = (offer.id, offer.state == OfferState::Silent);
        // A telephone shows one question at a time, and whoever goes elsewhere says yes to nothing else.
        let may_answer = match self.helpers[responder].state {
            State::Asked(other) | State::Going(other) => other == call,
            State::Free => is_late,
            State::Busy(_) => false,
        };
        if !may_answer || !self.waiting.contains(&call) {
            return;
        }
        match kind {
            Answers::Decline => self.decide(call, Input::Decline { offer: id, reason: "no".into() }),
            Answers::Accept | Answers::Vanish => {
                let minutes = self.way(responder, call).as_secs().max(0).div_euclid(60) + 1;
                let minutes = u16::try_from(minutes).unwrap_or(u16::MAX);
                self.decide(call, Input::Accept { offer: id, minutes });
            }
            Answers::Silent => {}
        }
    }

    fn give_up(&mut self, call: usize) {
        if !self.waiting.contains(&call) {
            return;
        }
        // Who should have been there long ago does not come, however near they are.
        let is_coming = |open: &Open| open.there_at.is_some_and(|there_at| there_at >= self.now);
        if self.open.get(&call).is_some_and(is_coming) {
            self.agenda.enter(self.now + SignedDuration::from_mins(10), Happening::GiveUp { call });
            return;
        }
        self.waiting.retain(|waiting| *waiting != call);
        if let Some(open) = self.open.remove(&call) {
            for offer in open.incident.offers.iter().filter(|offer| offer.state.is_live()) {
                let responder = index(offer.responder);
                self.helpers[responder].state = State::Free;
                self.tell(call, Some(responder), What::Withdraw);
            }
        }
        self.tell(call, None, What::GiveUp);
    }

    /// Wakes whichever incident the plan has something to say to, until it has nothing more to say.
    fn follow_the_plan(&mut self) {
        if self.rules.weights.is_none() {
            // Whoever waits because there is nobody looks again.
            for call in self.waiting.clone() {
                let is_alone = |open: &Open| open.incident.shortfall.is_some();
                if self.open.get(&call).is_some_and(is_alone) {
                    self.decide(call, Input::Wake);
                }
            }
            return;
        }
        // Each round makes at least one move, and there are finitely many.
        loop {
            let before = self.events.len();
            let plan = self.plan_of_now();
            for step in &plan.moves {
                self.decide_by(number(step.from.unwrap_or(step.incident)), Input::Wake, &plan);
            }
            if self.events.len() == before {
                return;
            }
        }
    }

    // ---- the desk -----------------------------------------------------------------------------

    /// The plan for things as they are: made anew only when something has happened since.
    fn plan_of_now(&mut self) -> Plan {
        let since = (self.now, self.events.len(), self.waiting.len());
        if let Some((planned_at, plan)) = &self.planned
            && *planned_at == since
        {
            return plan.clone();
        }
        let plan = self.plan();
        self.planned = Some((since, plan.clone()));
        plan
    }

    fn decide(&mut self, call: usize, input: Input) {
        // Somebody is coming or there: nobody has to be asked because of that.
        let is_good_news = matches!(input, Input::Accept { .. } | Input::Arrive { .. });
        let plan = if is_good_news { Plan::default() } else { self.plan_of_now() };
        self.decide_by(call, input, &plan);
    }

    fn decide_by(&mut self, call: usize, input: Input, plan: &Plan) {
        let facts = self.facts(call, plan);
        let Some(open) = self.open.get_mut(&call) else { return };
        // What the core refuses changes nothing: a yes that came too late.
        let Ok(step) = decide(&open.incident, input, &facts) else { return };
        let before = std::mem::replace(&mut open.incident, step.next);
        let offers = open.incident.offers.clone();
        for (number, offer) in offers.iter().enumerate() {
            match before.offers.get(number) {
                None => self.asked(call, offer),
                Some(was) if was.state != offer.state => self.moved(call, was, offer),
                Some(_) => {}
            }
        }
        if let Some(open) = self.open.get_mut(&call)
            && let Some(wake_at) = open.incident.wake_at()
            && open.wakes_at.replace(wake_at) != Some(wake_at)
        {
            self.agenda.enter(wake_at.max(self.now), Happening::Wake { call });
        }
    }

    fn asked(&mut self, call: usize, offer: &Offer) {
        let responder = index(offer.responder);
        self.helpers[responder].state = State::Asked(call);
        if let Some(open) = self.open.get_mut(&call) {
            open.asked.push(responder);
        }
        self.tell(call, Some(responder), What::Offer);
        if let Some(weights) = &self.rules.weights {
            let patience = SignedDuration::try_from_secs_f64(weights.patience).unwrap_or(SignedDuration::MAX);
            self.agenda.enter(self.now + patience + SURVEY_EVERY, Happening::Survey);
        }
        let answer = self.city.answer(call, responder);
        if answer.kind != Answers::Silent {
            self.agenda.enter(self.now + answer.after, Happening::Answer { call, responder });
        }
    }

    fn moved(&mut self, call: usize, was: &Offer, offer: &Offer) {
        let responder = index(offer.responder);
        match &offer.state {
            OfferState::Accepted { .. } => {
                let there_at = self.now + self.way(responder, call);
                self.helpers[responder].state = State::Going(call);
                self.helpers[responder].yes += 1;
                if let Some(open) = self.open.get_mut(&call) {
                    open.there_at = Some(there_at);
                }
                self.tell(call, Some(responder), What::Accept);
                if self.city.answer(call, responder).kind == Answers::Accept {
                    self.agenda.enter(there_at, Happening::Arrive { call, responder });
                }
            }
            OfferState::Declined { .. } => {
                self.helpers[responder].no += 1;
                self.let_go(call, responder, was, What::Decline);
            }
            OfferState::Silent | OfferState::Lost { .. } => {
                self.helpers[responder].no += 1;
                self.let_go(call, responder, was, What::Withdraw);
            }
            OfferState::Withdrawn => self.let_go(call, responder, was, What::Withdraw),
            OfferState::OnScene => {
                let row = &self.city.calls[call];
                self.helpers[responder].at = row.at;
                self.helpers[responder].state = State::Busy(self.now + lasts(row));
                self.tell(call, Some(responder), What::Arrive);
                self.waiting.retain(|waiting| *waiting != call);
                // A tenth of a second more, so that they are free when they are said to be.
                let finished_at = self.now + row.work + SignedDuration::from_millis(100);
                self.agenda.enter(finished_at, Happening::Finish { call, responder });
            }
            OfferState::Asked { .. } | OfferState::OnTheWay { .. } | OfferState::Done => {}
        }
    }

    fn let_go(&mut self, call: usize, responder: usize, was: &Offer, what: What) {
        if was.state == OfferState::Silent {
            return;
        }
        self.helpers[responder].state = State::Free;
        if was.state.is_accepted()
            && let Some(open) = self.open.get_mut(&call)
            && !open.incident.offers.iter().any(|offer| offer.state.is_accepted())
        {
            open.there_at = None;
        }
        self.tell(call, Some(responder), what);
    }

    fn tell(&mut self, call: usize, responder: Option<usize>, event: What) {
        self.events.push(Event {
            at_s: self.now.duration_since(MIDNIGHT).as_secs_f64(),
            incident: &self.city.calls[call].name,
            event,
            responder: responder.map(|responder| self.city.responders[responder].name.as_str()),
        });
    }

    // ---- facts --------------------------------------------------------------------------------

    fn facts(&mut self, call: usize, plan: &Plan) -> Facts {
        let mut candidates: Vec<(SignedDuration, Candidate)> = self
            .able(call)
            .into_iter()
            .filter(|responder| self.helpers[*responder].state == State::Free && self.until(*responder).is_some())
            .map(|responder| {
                let distance = self.helpers[responder].at.distance(self.city.calls[call].at);
                let way = self.way(responder, call);
                let responder = responder_id(responder);
                (way, Candidate { responder, distance: Some(distance), reckoned: Some(way), unfit: None })
            })
            .collect();
        candidates.sort_by_key(|(way, _)| *way);
        let offers = self.open.get(&call).map_or(&[][..], |open| &open.incident.offers);
        let whereabouts = offers
            .iter()
            .filter(|offer| offer.state.is_live() && offer.state != OfferState::OnScene)
            .map(|offer| self.whereabouts(call, offer))
            .collect();
        let fresh = std::array::from_fn(|_| {
            self.identities += 1;
            Uuid::from_u128(self.identities)
        });
        Facts {
            now: self.now,
            policy: Policy { handover: HandoverPolicy::OperatorFirst, ..self.rules.policy },
            owner: Presence::Present,
            operators: Presence::Present,
            supervisors: Presence::Present,
            candidates: Looked::Found(candidates.into_iter().map(|(_, candidate)| candidate).collect()),
            advice: plan.advice(incident_id(call), self.now),
            whereabouts,
            contacts: Vec::new(),
            fresh,
        }
    }

    /// Whoever means to come comes nearer; whoever vanishes stays where they are.
    fn whereabouts(&self, call: usize, offer: &Offer) -> Whereabouts {
        let responder = index(offer.responder);
        let far = self.helpers[responder].at.distance(self.city.calls[call].at);
        let whole = self.way(responder, call);
        let comes = offer.state.is_accepted() && self.city.answer(call, responder).kind == Answers::Accept;
        let left = match self.open.get(&call).and_then(|open| open.there_at) {
            Some(there_at) if comes => there_at.duration_since(self.now).max(SignedDuration::ZERO),
            _ => whole,
        };
        let share = if whole.is_zero() { 0.0 } else { left.as_secs_f64() / whole.as_secs_f64() };
        Whereabouts {
            responder: offer.responder,
            distance: Metres(far.0 * share),
            way: left,
            age: SignedDuration::ZERO,
        }
    }

    fn way(&self, responder: usize, call: usize) -> SignedDuration {
        travel(self.helpers[responder].at, self.city.calls[call].at, self.city.responders[responder].mode)
    }

    /// When the shift ends that somebody is on.
    fn until(&self, responder: usize) -> Option<Timestamp> {
        let since = self.now.duration_since(MIDNIGHT);
        let shifts = &self.city.responders[responder].shifts;
        shifts.iter().find(|(on, off)| (*on..*off).contains(&since)).map(|(_, off)| MIDNIGHT + *off)
    }

    /// Who can help with a call and was not asked to.
    fn able(&self, call: usize) -> Vec<usize> {
        let asked = self.open.get(&call).map_or(&[][..], |open| &open.asked);
        let skill = self.city.calls[call].skill;
        (0..self.helpers.len())
            .filter(|responder| self.city.responders[*responder].skills.contains(&skill) && !asked.contains(responder))
            .collect()
    }

    fn plan(&self) -> Plan {
        let Some(weights) = &self.rules.weights else { return Plan::default() };
        plan(&self.board(), weights)
    }

    fn board(&self) -> Board {
        let first_aid = self.skill_of(Class::Emergency);
        // Only those on shift or engaged are on the board; `seat` is their place on it.
        let mut seat = vec![None; self.helpers.len()];
        let mut people = Vec::new();
        for (number, (helper, row)) in self.helpers.iter().zip(&self.city.responders).enumerate() {
            let until = self.until(number);
            let standing = match helper.state {
                State::Free => Standing::Free,
                State::Asked(call) => Standing::Asked(incident_id(call)),
                State::Going(call) => Standing::Going(incident_id(call)),
                State::Busy(free_at) => Standing::Busy { free_at },
            };
            if until.is_none() && matches!(standing, Standing::Free | Standing::Busy { .. }) {
                continue;
            }
            seat[number] = Some(people.len());
            people.push(Person {
                responder: responder_id(number),
                at: helper.at,
                mode: row.mode,
                standing,
                until: until.or(Some(self.now)),
                yes: reliability(helper.yes, helper.no),
                handicap: SignedDuration::ZERO,
                is_first_aider: first_aid.is_some_and(|skill| row.skills.contains(&skill)),
            });
        }
        let cases = self.waiting.iter().filter_map(|call| self.case(*call, &seat)).collect();
        Board { now: self.now, cases, outlook: self.outlook(&seat), people }
    }

    fn case(&self, call: usize, seat: &[Option<usize>]) -> Option<Case> {
        let open = self.open.get(&call)?;
        let row = &self.city.calls[call];
        let offers = &open.incident.offers;
        let first = offers.iter().position(|offer| offer.state.is_accepted());
        let going = first.map(|first| offers[first].responder);
        Some(Case {
            incident: open.incident.id,
            urgency: Urgency::of(row.class),
            at: row.at,
            lasts: lasts(row),
            going: going.zip(open.there_at),
            asked: offers
                .iter()
                .filter(|offer| matches!(offer.state, OfferState::Asked { .. }))
                .map(|offer| (offer.responder, offer.asked_at))
                .collect(),
            able: self.able(call).into_iter().filter_map(|responder| seat[responder]).collect(),
            upgrades: first.map_or(0, |first| offers.len() - 1 - first),
            ways: HashMap::new(),
        })
    }

    /// What is usual in such a city: a third of all calls are emergencies, the rest spread evenly, and they
    /// come from where calls came from before.
    fn outlook(&self, seat: &[Option<usize>]) -> Outlook {
        let urgent = self.skill_of(Class::Emergency);
        #[expect(clippy::cast_precision_loss, reason = "a few skills, a few hundred people")]
        let (others, helpers) = (self.city.skills.len().saturating_sub(1).max(1) as f64, self.helpers.len() as f64);
        let kinds = (0..self.city.skills.len()).map(|skill| {
            let is_urgent = urgent == Some(skill);
            let can = |responder: &usize| self.city.responders[*responder].skills.contains(&skill);
            Kind {
                urgency: if is_urgent { Urgency::Urgent } else { Urgency::Routine },
                share: if is_urgent { 0.35 } else { 0.65 / others },
                able: (0..self.helpers.len()).filter(can).filter_map(|responder| seat[responder]).collect(),
            }
        });
        Outlook {
            calls_an_hour: helpers * CALLS_A_DAY * self.share_of_now(),
            places: self.places[self.places.len().saturating_sub(PLACES_MAX)..].to_vec(),
            kinds: kinds.collect(),
        }
    }

    /// Which part of a day's calls comes in an hour, now: never less than if all hours were alike, because
    /// what is begun in a quiet hour goes on in the next.
    fn share_of_now(&self) -> f64 {
        let hour = usize::try_from(self.now.duration_since(MIDNIGHT).as_hours().rem_euclid(24)).unwrap_or(0);
        let share = f64::midpoint(SHARE_OF_HOUR[hour], SHARE_OF_HOUR[(hour + 1) % 24]);
        (share / SHARE_OF_HOUR.iter().sum::<f64>()).max(1.0 / 24.0)
    }

    /// The skill that calls of a class want.
    fn skill_of(&self, class: Class) -> Option<usize> {
        self.city.calls.iter().find(|call| call.class == class).map(|call| call.skill)
    }
}

/// How long whoever goes will be there, as far as can be known.
fn lasts(call: &Call) -> SignedDuration {
    match call.class {
        Class::Service => call.work,
        Class::Emergency | Class::Wandering | Class::Welfare => EMERGENCY_LASTS,
    }
}

fn incident_id(call: usize) -> IncidentId {
    IncidentId(Uuid::from_u128(call as u128))
}

fn responder_id(responder: usize) -> ResponderId {
    ResponderId(Uuid::from_u128(responder as u128))
}

fn number(incident: IncidentId) -> usize {
    usize::try_from(incident.0.as_u128()).unwrap_or(usize::MAX)
}

fn index(responder: ResponderId) -> usize {
    usize::try_from(responder.0.as_u128()).unwrap_or(usize::MAX)
}
