//! A small district in virtual time, and the shell around the core as the dispatcher is: it gathers
//! facts, lets the core decide, keeps what was decided, delivers effects at least once, and vanishes now
//! and then.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{HandoverId, IncidentId, ResponderId, UserId};
use domain::incident::ladder::{Act, Rung, When};
use domain::incident::{
    Advice, Authority, Candidate, Category, Centre, Class, Closure, Contact, ContactNews, Effect, Entry, Facts,
    HandoverPolicy, Incident, Input, Ladder, Level, LostBy, Offer, OfferState, Origin, Outcome, Policy, Presence, Rank,
    Reach, Refusal, Ring, Step, ToldState, Unfit, Whereabouts, decide,
};
use domain::place::Metres;
use domain::press::AlertKind;
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};

use crate::agenda::{Agenda, Happening};
use crate::dice::Dice;
use crate::people::{Manner, Temper};
use crate::property::{self, Broken, Decision, History, Property};
use crate::trace::Trace;

/// How late the ticker may be.
const LAG_MAX: SignedDuration = SignedDuration::from_secs(3);
/// How long after its second failure a decision is tried again.
const TRIED_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// Presses, outages and operators end here.
const CALM_AT: SignedDuration = SignedDuration::from_mins(9);
/// The world ends here: whoever is willing has had the time to be asked, several times over.
const END_AT: SignedDuration = SignedDuration::from_mins(24);
/// For so long somebody has to have been free, before it counts that nobody asked them: the slowest
/// uppermost rung, and every other responder's silence.
const ASKED_WITHIN: SignedDuration = SignedDuration::from_mins(8);

/// Somebody who presses.
struct Wearer {
    origin: Origin,
    policy: Policy,
    /// The ladder of each class.
    ladders: Vec<(Class, Ladder)>,
    is_located: bool,
    /// How far away each responder is, or out of reach.
    distances: Vec<Option<u32>>,
    contacts: Vec<Contact>,
}

impl Wearer {
    fn policy(&self, class: Class) -> Policy {
        let ladder = self.ladders.iter().find(|(of, _)| *of == class).map(|(_, ladder)| *ladder);
        Policy { ladder, ..self.policy }
    }
}

/// Somebody who goes.
pub(crate) struct Responder {
    pub(crate) id: ResponderId,
    temper: Temper,
    is_on_duty: bool,
    /// Never tells where they are.
    is_hidden: bool,
    /// Since when no offer engages them.
    free_since: Timestamp,
}

/// Somebody at a console.
pub(crate) struct Staff {
    pub(crate) id: UserId,
    pub(crate) authority: Authority,
    gone_since: Option<Timestamp>,
}

/// An incident, and what the simulation knows of it besides.
struct Case {
    incident: Incident,
    wearer: usize,
    history: History,
    /// What it goes by has changed: the ticker looks at it, whatever its deadline.
    is_stale: bool,
}

/// What became of an input.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Decided and committed.
    Kept,
    /// The core did not accept it.
    Refused(Refusal),
    /// The transaction failed, or the process died in it.
    Lost,
}

/// The district.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) responders: Vec<Responder>,
    pub(crate) staff: Vec<Staff>,
    pub(crate) trace: Trace,
    /// How often each thing happened that a simulation must not miss.
    pub(crate) tally: BTreeMap<&'static str, u64>,
    began_at: Timestamp,
    now: Timestamp,
    agenda: Agenda,
    wearers: Vec<Wearer>,
    manners: [Manner; 3],
    /// How many in a hundred rings somebody at a console attends to.
    attention: u64,
    cases: Vec<Case>,
    looks: BTreeSet<(usize, usize)>,
    shown: BTreeSet<HandoverId>,
    /// When the process began to be away, and when it is back; both in the past when all is well.
    down_since: Timestamp,
    up_at: Timestamp,
}

impl World {
    pub(crate) fn new(seed: u64, trace: Trace) -> Self {
        let mut dice = Dice::new(seed);
        let began_at = Timestamp::constant(1_772_352_000, 0);
        let responders = (0..dice.below(6)).map(|_| responder(&mut dice, began_at)).collect::<Vec<_>>();
        let wearers = (0..=dice.below(2)).map(|_| wearer(&mut dice, responders.len())).collect();
        let staff = (0..dice.below(5)).map(|_| staff(&mut dice, began_at)).collect();
        let mut world = Self {
            manners: std::array::from_fn(|_| dice.pick(&Manner::ALL)),
            attention: dice.pick(&[0, 0, 10, 60, 95]),
            dice,
            responders,
            staff,
            trace,
            tally: BTreeMap::new(),
            began_at,
            now: began_at,
            agenda: Agenda::default(),
            wearers,
            cases: Vec::new(),
            looks: BTreeSet::new(),
            shown: BTreeSet::new(),
            down_since: began_at,
            up_at: began_at,
        };
        world.plan();
        world
    }

    /// Lets everything happen.
    pub(crate) fn run(&mut self) -> Result<(), Broken> {
        while let Some((at, what)) = self.agenda.next() {
            if at > self.began_at + END_AT {
                break;
            }
            self.now = at;
            self.happen(what)?;
        }
        self.check_help()
    }

    // ---- what will happen ---------------------------------------------------------------------

    /// Writes everything into the agenda that does not depend on the core.
    fn plan(&mut self) {
        for wearer in 0..self.wearers.len() {
            self.plan_presses(wearer);
            self.plan_straying(wearer);
            if !self.wearers[wearer].is_located && self.dice.chance(80) {
                self.later(1_000, 300_000, Happening::Located { wearer });
            }
        }
        for responder in 0..self.responders.len() {
            let is_steady = self.responders[responder].temper == Temper::Willing;
            if !self.responders[responder].is_on_duty {
                self.later(1_000, 300_000, Happening::Duty { responder, on: true });
            } else if !is_steady && self.dice.chance(30) {
                self.later(1_000, 500_000, Happening::Duty { responder, on: false });
            }
        }
        for person in 0..self.staff.len() {
            let mut taken = self.staff[person].gone_since.is_some();
            for _ in 0..self.dice.below(4) {
                self.later(1_000, CALM_AT.as_millis().try_into().unwrap_or(0), Happening::Seat { person, taken });
                taken = !taken;
            }
        }
        for _ in 0..self.dice.pick(&[0, 0, 1, 1, 2, 4]) {
            self.later(0, CALM_AT.as_millis().try_into().unwrap_or(0), Happening::Outage);
        }
        for _ in 0..self.dice.pick(&[0, 0, 0, 1, 2]) {
            let wearer = self.dice.index(self.wearers.len());
            self.later(0, CALM_AT.as_millis().try_into().unwrap_or(0), Happening::NewLadder { wearer });
        }
        self.later(0, 20_000, Happening::Watchdog);
    }

    fn plan_presses(&mut self, wearer: usize) {
        let usual = self.dice.pick(&[Class::Emergency, Class::Emergency, Class::Emergency, Class::Welfare]);
        let mut after = self.dice.span(0, 60_000);
        for _ in 0..=self.dice.pick(&[0, 0, 1, 2, 3, 6]) {
            let class = match self.dice.below(100) {
                0..=11 => Class::Service,
                12..=15 => Class::Wandering,
                _ => usual,
            };
            let kind = match self.dice.below(20) {
                0..=9 => Some(AlertKind::Sos),
                10 => None,
                11 => Some(AlertKind::Gas),
                12 | 13 => Some(AlertKind::Smoke),
                14 => Some(AlertKind::Unreadable),
                15 => Some(AlertKind::LowBattery),
                16 => Some(AlertKind::HeartRate),
                17 => Some(AlertKind::Telephone),
                _ => Some(AlertKind::Fall),
            };
            self.agenda.enter(self.now + after, Happening::Press { wearer, class, kind });
            if self.dice.chance(10) {
                let cancel = after + self.dice.span(500, 30_000);
                self.agenda.enter(self.now + cancel, Happening::Cancel { wearer });
            }
            let gap = if self.dice.chance(50) { self.dice.span(300, 15_000) } else { self.dice.span(15_000, 150_000) };
            after += gap;
        }
    }

    /// Some walk off, some of them come back, and some of those walk off again.
    fn plan_straying(&mut self, wearer: usize) {
        let mut after = self.dice.span(0, 200_000);
        for turn in 0..self.dice.pick(&[0, 0, 0, 1, 2, 3]) {
            self.agenda.enter(self.now + after, Happening::Stray { wearer, back: turn % 2 == 1 });
            after += self.dice.span(1_000, 150_000);
        }
    }

    fn later(&mut self, least_ms: i64, most_ms: i64, what: Happening) {
        let at = self.now + self.dice.span(least_ms, most_ms);
        self.agenda.enter(at, what);
    }

    /// Somebody outside reaches the process after a while; sometimes twice.
    pub(crate) fn call_in(&mut self, case: usize, after: SignedDuration, input: Input) {
        if self.dice.chance(4) {
            let again = after + self.dice.span(0, 20_000);
            self.agenda.enter(self.now + again, Happening::Call { case, input: input.clone() });
        }
        self.agenda.enter(self.now + after, Happening::Call { case, input });
    }

    /// Puts off until the process is back.
    fn put_off(&mut self, most_ms: i64, what: Happening) {
        let at = self.up_at.max(self.now) + self.dice.span(0, most_ms);
        self.agenda.enter(at, what);
    }

    // ---- what happens -------------------------------------------------------------------------

    fn is_calm(&self) -> bool {
        self.now >= self.began_at + CALM_AT
    }

    fn is_down(&self) -> bool {
        self.now < self.up_at
    }

    /// Whether the ticker has had its time since the process was last away.
    fn is_caught_up(&self) -> bool {
        self.now > self.up_at + LAG_MAX
    }

    fn happen(&mut self, what: Happening) -> Result<(), Broken> {
        match what {
            Happening::Press { .. } | Happening::Stray { .. } if self.is_down() => self.put_off(3_000, what),
            Happening::Press { wearer, class, kind } => self.take_in(wearer, class, kind),
            Happening::Cancel { wearer } => {
                for case in &mut self.cases {
                    case.incident.cancelled |= case.wearer == wearer && case.incident.is_open();
                }
            }
            Happening::Stray { wearer, back: false } => {
                self.take_in(wearer, Class::Wandering, Some(AlertKind::FenceExit));
            }
            Happening::Stray { wearer, back: true } => self.note_return(wearer),
            Happening::Located { wearer } => self.wearers[wearer].is_located = true,
            Happening::Wake { .. } if self.is_down() => self.put_off(millis(LAG_MAX), what),
            Happening::Wake { case } => return self.tick(case),
            Happening::Delivery { .. } if self.is_down() => self.put_off(5_000, what),
            Happening::Delivery { case, effect } => self.deliver(case, &effect),
            Happening::Call { .. } | Happening::NewLadder { .. } if self.is_down() => self.put_off(20_000, what),
            Happening::Call { case, input } => return self.hear(case, input),
            Happening::Duty { responder, on } => {
                self.responders[responder].is_on_duty = on;
                self.responders[responder].free_since = self.now;
            }
            Happening::Seat { person, taken } => {
                self.staff[person].gone_since = (!taken).then_some(self.now);
                for case in 0..self.cases.len() {
                    self.summon(person, case);
                }
            }
            Happening::Look { person, case } => return self.look(person, case),
            Happening::Outage => self.vanish(),
            Happening::NewLadder { wearer } => self.change_ladder(wearer),
            Happening::Watchdog => return self.watch(),
        }
        Ok(())
    }

    /// An administrator has saved another ladder: whatever climbs the old one looks at it at once.
    fn change_ladder(&mut self, wearer: usize) {
        let class = self.dice.pick(&[Class::Emergency, Class::Emergency, Class::Service, Class::Welfare]);
        let ladder = ladder(&mut self.dice, class);
        for (of, held) in &mut self.wearers[wearer].ladders {
            if *of == class {
                *held = ladder;
            }
        }
        let ringing = |case: &Case| case.wearer == wearer && case.incident.class == class && case.incident.is_open();
        for case in 0..self.cases.len() {
            if ringing(&self.cases[case]) {
                self.cases[case].is_stale = true;
                self.count("ladder changed under a case");
                self.put_off(millis(LAG_MAX), Happening::Wake { case });
            }
        }
    }

    /// The process is gone, and nothing but what was committed is left.
    fn vanish(&mut self) {
        if self.is_caught_up() {
            self.down_since = self.now;
        }
        self.up_at = self.up_at.max(self.now + self.dice.span(0, 120_000));
        self.count("outage");
    }

    /// Intake: opens an incident or appends to the one that is open, and commits.
    fn take_in(&mut self, wearer: usize, class: Class, kind: Option<AlertKind>) {
        let open = self
            .cases
            .iter()
            .position(|case| case.wearer == wearer && case.incident.class == class && case.incident.is_open())
            // Daily help is one case an order.
            .filter(|_| class != Class::Service);
        let case = open.unwrap_or_else(|| self.open(wearer, class, kind));
        if let (Some(_), held) = (open, &mut self.cases[case]) {
            held.incident.presses += 1;
            held.incident.kinds.extend(kind);
            held.incident.returned = false;
            held.history.unanswered_since.get_or_insert(self.now);
        }
        self.count("press");
        self.trace.note(self.now, || format!("case {case}: press of {kind:?}, {class}"));
        self.put_off(millis(LAG_MAX), Happening::Wake { case });
        if self.dice.chance(15) {
            // Somebody does something in the very moment of the press, mostly its owner.
            let owner = self.cases[case].incident.owner();
            let anybody = self.dice.index(self.staff.len().max(1));
            let person = self.staff.iter().position(|staff| Some(staff.id) == owner).unwrap_or(anybody);
            self.later(0, 50, Happening::Look { person, case });
        }
    }

    /// Intake: somebody is seen back where they should be.
    fn note_return(&mut self, wearer: usize) {
        let open = self.cases.iter_mut().filter(|case| case.wearer == wearer && case.incident.is_open());
        for case in open.filter(|case| case.incident.class == Class::Wandering) {
            case.incident.returned = true;
            *self.tally.entry("return").or_default() += 1;
        }
    }

    fn open(&mut self, wearer: usize, class: Class, kind: Option<AlertKind>) -> usize {
        let id = IncidentId(self.dice.id());
        let mut incident = Incident::open(id, class, self.wearers[wearer].origin, kind, self.now);
        if class == Class::Service && self.dice.chance(85) {
            incident.category = Some(Category("meal".into()));
        }
        self.cases.push(Case { incident, wearer, history: History::new(self.now), is_stale: false });
        self.count("incident");
        self.cases.len() - 1
    }

    fn tick(&mut self, case: usize) -> Result<(), Broken> {
        let incident = &self.cases[case].incident;
        let is_due = self.cases[case].is_stale || incident.wake_at().is_some_and(|wake_at| wake_at <= self.now);
        // A ticker that comes for nothing, or twice, does no harm.
        if !is_due && !self.dice.chance(10) {
            return Ok(());
        }
        if is_due && incident.presses > incident.presses_answered && self.dice.chance(1) {
            self.fail_twice(case);
            return Ok(());
        }
        match self.decide(case, Input::Wake)? {
            Verdict::Refused(refusal) => Err(Broken::new(Property::TickerNeverRefused, refusal)),
            Verdict::Kept | Verdict::Lost => Ok(()),
        }
    }

    fn hear(&mut self, case: usize, input: Input) -> Result<(), Broken> {
        if self.decide(case, input)? == Verdict::Refused(Refusal::Taken) {
            self.count("late yes, and taken");
        }
        Ok(())
    }

    fn look(&mut self, person: usize, case: usize) -> Result<(), Broken> {
        self.looks.remove(&(person, case));
        if self.is_down() {
            self.plan_look(person, case, millis(self.up_at.duration_since(self.now)), 150_000);
            return Ok(());
        }
        if self.is_calm() || self.staff.get(person).is_none_or(|staff| staff.gone_since.is_some()) {
            return Ok(());
        }
        let incident = self.cases[case].incident.clone();
        if let Some(input) = self.attend(person, &incident)
            && self.decide(case, input)? == Verdict::Refused(Refusal::PressedAgain)
        {
            self.count("close in the moment of a press");
        }
        let incident = &self.cases[case].incident;
        if incident.owner() == Some(self.staff[person].id) && incident.is_open() {
            self.plan_look(person, case, 4_000, 60_000);
        }
        Ok(())
    }

    fn plan_look(&mut self, person: usize, case: usize, least_ms: i64, most_ms: i64) {
        if self.looks.insert((person, case)) {
            self.later(least_ms, most_ms, Happening::Look { person, case });
        }
    }

    /// A console rings in front of somebody.
    fn summon(&mut self, person: usize, case: usize) {
        let is_present = self.staff[person].gone_since.is_none();
        if is_present && self.cases[case].incident.ring != Ring::Quiet && self.dice.chance(self.attention) {
            self.plan_look(person, case, 1_000, 70_000);
        }
    }

    fn deliver(&mut self, case: usize, effect: &Effect) {
        let incident = &self.cases[case].incident;
        match effect {
            Effect::AskResponder(id) => {
                // What is no longer asked is mostly not sent any more; it may have been on its way.
                let Some(offer) = incident.offers.iter().find(|offer| offer.id == *id) else { return };
                let is_asked = matches!(offer.state, OfferState::Asked { .. });
                let temper = self.responders.iter().find(|one| one.id == offer.responder).map(|one| one.temper);
                if let Some(temper) = temper
                    && (is_asked || self.dice.chance(15))
                {
                    self.show_offer(case, *id, temper);
                }
            }
            Effect::CallCentre(id) => {
                let Some(handover) = incident.handovers.iter().find(|handover| handover.id == *id) else { return };
                let manner = match handover.centre {
                    Centre::Ambulance => self.manners[0],
                    Centre::Fire => self.manners[1],
                    Centre::Police => self.manners[2],
                };
                if self.shown.insert(*id) || self.dice.chance(30) {
                    self.show_handover(case, *id, manner);
                }
            }
            Effect::TellContact { rank, news: ContactNews::Alert } => {
                let rank = *rank;
                let after = self.dice.span(200, 100_000);
                match self.dice.below(10) {
                    0..=6 => self.call_in(case, after, Input::ContactReached { rank }),
                    7 => self.call_in(case, after, Input::ContactLost { rank }),
                    _ => {}
                }
            }
            Effect::DismissResponder(_)
            | Effect::StandCentreDown(_)
            | Effect::TellContact { .. }
            | Effect::TellWearer(_) => {}
        }
    }

    fn watch(&mut self) -> Result<(), Broken> {
        self.later(15_000, 25_000, Happening::Watchdog);
        if self.is_down() {
            return Ok(());
        }
        let lag = if self.is_caught_up() { LAG_MAX } else { self.now.duration_since(self.down_since) + LAG_MAX };
        for case in &self.cases {
            let policy = &self.wearers[case.wearer].policy(case.incident.class);
            // The row of one whose ladder was changed is due, until the ticker has looked at it.
            if case.incident.operator_decides || case.is_stale {
                continue;
            }
            property::invariants(&case.incident, policy, self.now, lag)?;
            if self.is_caught_up() {
                let owner = self.staff.iter().find(|staff| Some(staff.id) == case.incident.owner());
                let gone_since = owner.and_then(|owner| owner.gone_since);
                property::check_at_rest(&case.history, &case.incident, policy, gone_since, self.now - LAG_MAX)?;
            }
        }
        Ok(())
    }

    // ---- the desk -----------------------------------------------------------------------------

    /// Lets the core decide and keeps what it decided.
    fn decide(&mut self, index: usize, input: Input) -> Result<Verdict, Broken> {
        let facts = self.facts(index);
        let Case { incident: before, wearer, .. } = &self.cases[index];
        let policy = self.wearers[*wearer].policy(before.class);
        let before = before.clone();
        self.count("decision");
        let step = match decide(&before, input.clone(), &facts) {
            Ok(step) => step,
            Err(refusal) => {
                self.trace.note(self.now, || format!("case {index}: {input:?} refused: {refusal}"));
                self.count("refusal");
                return Ok(Verdict::Refused(refusal));
            }
        };
        if let Some(responder) = self.engaged_elsewhere(index, &step.next) {
            // The database holds a responder's capacity: the transaction fails as a whole.
            let may_clash = matches!(input, Input::Ask { .. } | Input::Accept { .. });
            self.count("capacity held by the database");
            let clash = || Broken::new(Property::TickerNeverRefused, format!("{responder} is engaged elsewhere"));
            return if may_clash { Ok(Verdict::Lost) } else { Err(clash()) };
        }
        if self.dice.chance(1) && self.dice.chance(30) && !self.is_calm() {
            self.vanish();
            self.count("decision lost");
            match input {
                Input::Wake => self.put_off(millis(LAG_MAX), Happening::Wake { case: index }),
                _ => self.put_off(20_000, Happening::Call { case: index, input }),
            }
            return Ok(Verdict::Lost);
        }
        self.trace.note(self.now, || {
            format!("case {index}: {input:?}\n    {:?}\n    {:?}\n    {:?}", step.entries, step.effects, step.next.ring)
        });
        self.tally_up(&before, &input, &step);
        let decision = Decision { before: &before, input: &input, facts: &facts, step: &step };
        let Case { history, is_stale, .. } = &mut self.cases[index];
        if *is_stale {
            history.new_ladder_at = Some(self.now);
        }
        history.remember(&decision);
        property::check(history, &decision)?;
        property::invariants(&step.next, &policy, self.now, SignedDuration::ZERO)?;
        // Nobody is let go but by the ticker: what is said while a yes comes in waits for the next look.
        let is_whole = facts.advice.let_go.is_none() || input == Input::Wake;
        if is_whole && self.dice.chance(25) {
            self.count("decision repeated");
            let mut again = facts.clone();
            again.fresh = std::array::from_fn(|_| self.dice.id());
            match decide(&step.next, Input::Wake, &again) {
                Ok(again) => property::settled(&step, &again)?,
                Err(refusal) => return Err(Broken::new(Property::TickerNeverRefused, refusal)),
            }
        }
        self.commit(index, step);
        Ok(Verdict::Kept)
    }

    /// The decision has failed twice: everybody is rung, without asking the core, and it is tried again
    /// later. Meanwhile the watchdog says what is amiss, rightly.
    fn fail_twice(&mut self, index: usize) {
        self.count("decision failed");
        let Case { incident, history, .. } = &mut self.cases[index];
        incident.operator_decides = true;
        let next_at = self.now + TRIED_AGAIN_AFTER * 2;
        let (level, climbed) = (Level::Supervisors, SignedDuration::ZERO);
        incident.ring = Ring::Ringing { level, since: self.now, climbed, next_at };
        history.has_failed = true;
        self.agenda.enter(self.now + TRIED_AGAIN_AFTER, Happening::Wake { case: index });
    }

    fn commit(&mut self, index: usize, step: Step) {
        for responder in &mut self.responders {
            let offers = || step.next.offers.iter().zip(&self.cases[index].incident.offers);
            let was_released = offers()
                .any(|(next, was)| next.responder == responder.id && was.state.is_live() && !next.state.is_live());
            if was_released {
                responder.free_since = self.now;
            }
        }
        let rings = step.entries.iter().any(|entry| matches!(entry, Entry::Rung { .. }));
        self.cases[index].incident = step.next;
        self.cases[index].is_stale = false;
        for effect in step.effects {
            let most_ms = if self.dice.chance(6) { 45_000 } else { 1_500 };
            if self.dice.chance(8) {
                self.later(0, 45_000, Happening::Delivery { case: index, effect: effect.clone() });
            }
            self.later(0, most_ms, Happening::Delivery { case: index, effect });
        }
        if let Some(wake_at) = self.cases[index].incident.wake_at() {
            let at = wake_at.max(self.now) + self.dice.span(0, millis(LAG_MAX));
            self.agenda.enter(at, Happening::Wake { case: index });
        }
        if rings {
            for person in 0..self.staff.len() {
                self.summon(person, index);
            }
        }
    }

    fn facts(&mut self, index: usize) -> Facts {
        let case = &self.cases[index];
        let wearer = &self.wearers[case.wearer];
        let is_seated = |authority: Authority| {
            presence(self.staff.iter().any(|staff| staff.authority == authority && staff.gone_since.is_none()))
        };
        let owner = case.incident.owner();
        let (policy, contacts) = (wearer.policy(case.incident.class), wearer.contacts.clone());
        let owner = presence(self.staff.iter().any(|staff| Some(staff.id) == owner && staff.gone_since.is_none()));
        let (operators, supervisors) = (is_seated(Authority::Operator), is_seated(Authority::Supervisor));
        let candidates = self.candidates(case.wearer);
        Facts {
            now: self.now,
            policy,
            owner,
            operators,
            supervisors,
            advice: self.advice(&candidates),
            whereabouts: self.whereabouts(index),
            candidates: self.wearers[self.cases[index].wearer].is_located.then_some(candidates),
            contacts,
            fresh: std::array::from_fn(|_| self.dice.id()),
        }
    }

    /// Everybody who is somewhere near, and now and then somebody in whose way stands what no test of the core
    /// needs to know more of.
    fn candidates(&mut self, wearer: usize) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (index, metres) in self.wearers[wearer].distances.clone().into_iter().enumerate() {
            let Some(metres) = metres else { continue };
            let (responder, is_on_duty) = (self.responders[index].id, self.responders[index].is_on_duty);
            let unfit = if !is_on_duty {
                Some(Unfit::OffDuty)
            } else if self.is_engaged(responder) {
                Some(Unfit::Engaged)
            } else {
                self.dice.chance(3).then(|| self.dice.pick(Unfit::ALL))
            };
            let reckoned = Some(SignedDuration::from_secs(i64::from(metres) / 5));
            candidates.push(Candidate { responder, distance: Some(Metres(f64::from(metres))), reckoned, unfit });
        }
        candidates.sort_by_key(|candidate| (candidate.reckoned, candidate.responder));
        candidates
    }

    /// A plan as good, as bad and as late as any: mostly it says nothing of this incident.
    fn advice(&mut self, candidates: &[Candidate]) -> Advice {
        let mut advice = Advice::default();
        if self.dice.chance(20) && !candidates.is_empty() {
            advice.ask = Some(candidates[self.dice.index(candidates.len())].responder);
        }
        if self.dice.chance(6) && !self.responders.is_empty() {
            advice.let_go = Some(self.responders[self.dice.index(self.responders.len())].id);
        }
        if self.dice.chance(10) {
            advice.wait_until = Some(self.now + self.dice.span(-5_000, 200_000));
        }
        advice
    }

    /// Where those are who were asked or go: whoever means to come comes nearer, whoever vanishes does
    /// not, and of some nothing is ever known, or nothing any more.
    fn whereabouts(&mut self, index: usize) -> Vec<Whereabouts> {
        let case = &self.cases[index];
        let distances = &self.wearers[case.wearer].distances;
        let mut seen = Vec::new();
        for offer in case.incident.offers.iter().filter(|offer| offer.state.is_live()) {
            let Some((responder, Some(far))) =
                self.responders.iter().zip(distances).find(|(responder, _)| responder.id == offer.responder)
            else {
                continue;
            };
            if responder.is_hidden {
                continue;
            }
            let gone_for = self.now.duration_since(offer.asked_at);
            let stays = responder.temper == Temper::Vanishing || matches!(offer.state, OfferState::Asked { .. });
            let walked = if stays { 0.0 } else { 5.0 * gone_for.as_secs_f64() };
            let left = (f64::from(*far) - walked).max(0.0);
            let is_mute = responder.temper == Temper::Vanishing && offer.asked_at.as_second() % 2 == 0;
            seen.push(Whereabouts {
                responder: offer.responder,
                distance: Metres(left),
                #[expect(clippy::cast_possible_truncation, reason = "a few minutes")]
                way: SignedDuration::from_secs((left * 1.3 / 5.0) as i64),
                age: if is_mute { gone_for } else { SignedDuration::from_secs(5) },
            });
        }
        seen
    }

    fn is_engaged(&self, responder: ResponderId) -> bool {
        self.cases
            .iter()
            .flat_map(|case| &case.incident.offers)
            .any(|offer| offer.responder == responder && offer.state.is_live())
    }

    fn engaged_elsewhere(&self, index: usize, next: &Incident) -> Option<ResponderId> {
        let others = || self.cases.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, case)| case);
        let engaged = |responder: ResponderId| {
            others()
                .flat_map(|case| &case.incident.offers)
                .any(|offer| offer.responder == responder && offer.state.is_live())
        };
        next.offers.iter().filter(|offer| offer.state.is_live()).map(|offer| offer.responder).find(|id| engaged(*id))
    }

    // ---- what must have happened --------------------------------------------------------------

    /// Whether somebody goes wherever somebody willing could.
    fn check_help(&mut self) -> Result<(), Broken> {
        for case in 0..self.cases.len() {
            self.check_helped(case)?;
        }
        Ok(())
    }

    fn check_helped(&mut self, index: usize) -> Result<(), Broken> {
        let Case { incident, wearer, history, .. } = &self.cases[index];
        let wearer = &self.wearers[*wearer];
        if !incident.is_open() || !property::asks_by_itself(incident) || !wearer.is_located {
            return Ok(());
        }
        let this_round = || incident.offers.iter().filter(|offer| offer.round == incident.round);
        if history.is_helped || incident.offers.iter().any(|offer| offer.state.is_live()) {
            self.count("somebody goes");
            return Ok(());
        }
        // An owner may have sent somebody home, and has been told when everybody was asked in vain.
        let is_owned = incident.owner().is_some();
        // Who kept silent is asked again where the ladder says so.
        let again = wearer.policy(incident.class).ladder(incident.class).rung(Act::Responders);
        let is_asked_again = !is_owned && again.is_some_and(|rung| rung.when != When::NobodyGoes);
        let was_meant = is_owned && history.was_sent_home;
        let in_reach = self.responders.iter().zip(&wearer.distances).find(|(responder, distance)| {
            let was_silent = |offer: &&Offer| offer.state == OfferState::Silent || !is_owned;
            let was_asked = !is_asked_again
                && this_round().filter(|offer| offer.responder == responder.id).any(|offer| was_silent(&offer));
            responder.temper == Temper::Willing
                && responder.is_on_duty
                && distance.is_some()
                && !self.is_engaged(responder.id)
                && responder.free_since + ASKED_WITHIN < self.now
                && !was_asked
        });
        match in_reach {
            Some((responder, _)) if !was_meant => {
                Err(Broken::new(Property::SomebodyGoes, format!("case {index}: {} would have gone", responder.id)))
            }
            _ => {
                self.count("nobody to go");
                Ok(())
            }
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn tally_up(&mut self, before: &Incident, input: &Input, step: &Step) {
        let next = &step.next;
        if let (Input::Accept { offer, .. }, true) = (input, !step.effects.is_empty()) {
            let state = before.offers.iter().find(|was| was.id == *offer).map(|was| &was.state);
            if state == Some(&OfferState::Silent) {
                self.count("late yes");
            }
            let heard = step.next.offers.iter().find(|is| is.id == *offer).map(|is| &is.state);
            if heard == Some(&OfferState::Withdrawn) {
                self.count("yes that is not needed");
            } else if before.offers.iter().any(|other| other.state.is_accepted()) {
                let replaces = step.next.offers.iter().filter(|other| other.state.is_accepted()).count() == 1;
                self.count(if replaces { "nearer yes" } else { "second yes, asked for by an operator" });
            }
        }
        for entry in &step.entries {
            match entry {
                Entry::Claimed { from: Some(_), .. } => self.count("take-over"),
                Entry::Claimed { .. } => self.count("claim"),
                Entry::Released { .. } => self.count("release"),
                Entry::OwnerGone { .. } => self.count("owner gone"),
                Entry::NobodyLeft { .. } => self.count("nobody left"),
                Entry::Waits { .. } => self.count("wait for somebody better"),
                Entry::Answered { state: OfferState::Lost { by: LostBy::NoPosition }, .. } => {
                    self.count("lost, unheard");
                }
                Entry::Answered { state: OfferState::Lost { by: LostBy::NotMoving }, .. } => {
                    self.count("lost, unmoved");
                }
                Entry::HandedOver { centre: Centre::Fire, by: None, .. } => self.count("119 by itself"),
                Entry::HandedOver { by: None, .. } if before.presses_answered == before.presses => {
                    self.count("120 by the ladder");
                }
                Entry::HandedOver { by: None, .. } if before.handovers.iter().any(|handover| handover.outlived) => {
                    self.count("120 anew");
                }
                Entry::HandedOver { centre: Centre::Police, by: None, .. } => self.count("110 by the ladder"),
                Entry::GridOfficerDue => self.count("grid officer due"),
                Entry::GridOfficerCalled { .. } => self.count("grid officer called"),
                Entry::VoiceDue { .. } => self.count("voice due"),
                Entry::VoiceDone { .. } => self.count("voice done"),
                Entry::Closed { .. } => self.count("close"),
                Entry::Categorized { .. } => self.count("category said by an operator"),
                Entry::Contacted { state: ToldState::Told, .. } => self.count("contact told"),
                Entry::Contacted { state: ToldState::Reached, .. } => self.count("contact reached"),
                Entry::Contacted { state: ToldState::Lost, .. } => self.count("contact lost"),
                Entry::Contacted { state: ToldState::Skipped, .. } => self.count("contact skipped"),
                _ => {}
            }
        }
        if next.class == Class::Service {
            self.tally_up_order(before, step);
        }
        if next.told.len() == before.told.len() && before.tell_next_at.is_some_and(|at| at <= self.now) {
            self.count("contact spared");
        }
        let is_late = |offer: &Offer| match offer.state {
            OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } => expected_at <= self.now,
            _ => false,
        };
        let rings_owner = next.owner().is_some() && before.ring == Ring::Quiet && next.ring != Ring::Quiet;
        if *input == Input::Wake && rings_owner && next.offers.iter().any(is_late) {
            self.count("somebody late");
        }
        if before.waits_until.is_some_and(|until| until <= self.now) && next.waits_until.is_none() {
            self.count("wait that is over");
        }
        if next.round > before.round {
            self.count("new round");
        }
        if before.returned && !next.is_open() && before.is_open() {
            self.count("close after a return");
        }
        if next.class == Class::Wandering && next.offers.iter().any(|offer| offer.state.is_accepted()) {
            self.count("somebody goes to look for a wanderer");
        }
        if before.origin == Origin::Unlisted {
            self.count("unlisted source");
        }
        if !before.is_open() {
            self.count("report after the end");
        }
    }
}

impl World {
    fn tally_up_order(&mut self, before: &Incident, step: &Step) {
        let next = &step.next;
        if matches!(next.closure, Closure::Closed { outcome: Outcome::ServiceDone, .. }) {
            self.count("order done");
        }
        if before.presses_answered == 0 && matches!(next.ring, Ring::Held { .. }) {
            self.count("order that rings nobody");
        }
        if matches!(before.ring, Ring::Held { .. }) && matches!(next.ring, Ring::Ringing { .. }) {
            self.count("order that rings after all");
        }
        if matches!(before.ring, Ring::Ringing { .. }) && matches!(next.ring, Ring::Held { .. }) {
            self.count("order that rings no more");
        }
    }
}

fn presence(is_there: bool) -> Presence {
    if is_there { Presence::Present } else { Presence::Gone }
}

fn millis(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn responder(dice: &mut Dice, began_at: Timestamp) -> Responder {
    let temper = if dice.chance(30) { Temper::Willing } else { dice.pick(&Temper::ALL) };
    Responder {
        id: ResponderId(dice.id()),
        temper,
        is_on_duty: dice.chance(75),
        is_hidden: dice.chance(20),
        free_since: began_at,
    }
}

fn wearer(dice: &mut Dice, responders: usize) -> Wearer {
    let seconds = |choice: i64| SignedDuration::from_secs(choice);
    let policy = Policy {
        handover: dice.pick(&[HandoverPolicy::AtOnce, HandoverPolicy::OperatorFirst]),
        ladder: None,
        offer_window: seconds(dice.pick(&[15, 30, 30, 45])),
        service_offer_window: seconds(dice.pick(&[20, 40, 60])),
        service_late_after: seconds(dice.pick(&[0, 30, 120])),
        service_lasts: seconds(dice.pick(&[60, 240, 600])),
        contact_every: seconds(dice.pick(&[30, 60, 60])),
        acknowledge_within: seconds(dice.pick(&[10, 15, 15, 30])),
        check_owner_every: seconds(dice.pick(&[20, 30, 30, 60])),
        look_every: seconds(dice.pick(&[30, 60])),
        heard_within: seconds(dice.pick(&[60, 180])),
        wait_max: seconds(dice.pick(&[30, 60])),
        service_wait_max: seconds(dice.pick(&[60, 120])),
    };
    Wearer {
        origin: if dice.chance(85) { Origin::Listed } else { Origin::Unlisted },
        policy,
        ladders: Class::ALL.iter().map(|class| (*class, ladder(dice, *class))).collect(),
        is_located: dice.chance(80),
        distances: (0..responders)
            .map(|_| dice.chance(85).then(|| u32::try_from(dice.below(5_000)).unwrap_or(0)))
            .collect(),
        contacts: (1..=dice.pick(&[0, 1, 2, 2, 3]))
            .map(|rank| {
                let reach = if dice.chance(75) { Reach::Addressed } else { Reach::Unaddressed };
                Contact { rank: Rank(rank), reach }
            })
            .collect(),
    }
}

/// Any ladder that can be: its rungs in any number and order, as high and as conditional as they may be.
fn ladder(dice: &mut Dice, class: Class) -> Ladder {
    let seconds = |choice: i64| SignedDuration::from_secs(choice);
    let first = if dice.chance(85) { Act::Operators } else { Act::Supervisors };
    let mut rungs = vec![Rung { after: SignedDuration::ZERO, act: first, when: When::Always }];
    let mut rest: Vec<Act> = Act::ALL.iter().copied().filter(|act| *act != first && act.fits(class)).collect();
    let mut after = 0;
    while !rest.is_empty() {
        let act = rest.swap_remove(dice.index(rest.len()));
        let must_be = act == Act::Centres;
        let odds = match act {
            Act::Contacts | Act::Supervisors | Act::Responders => 85,
            _ => 25,
        };
        if act == Act::Everybody || !must_be && !dice.chance(odds) {
            continue;
        }
        after += dice.pick(&[0, 0, 15, 15, 20, 30]);
        let when = if must_be { dice.pick(&[When::Always, When::Unclaimed]) } else { dice.pick(When::ALL) };
        rungs.push(Rung { after: seconds(after), act, when });
    }
    after += dice.pick(&[0, 0, 0, 20]);
    rungs.push(Rung { after: seconds(after), act: Act::Everybody, when: When::Always });
    Ladder::new(class, &rungs, seconds(dice.pick(&[30, 60, 60, 120]))).expect("a ladder that can be")
}

fn staff(dice: &mut Dice, began_at: Timestamp) -> Staff {
    Staff {
        id: UserId(dice.id()),
        authority: if dice.chance(70) { Authority::Operator } else { Authority::Supervisor },
        gone_since: dice.chance(25).then_some(began_at),
    }
}
