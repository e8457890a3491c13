//! A world in virtual time, and the shell around the core as the dispatcher is: it gathers facts, lets the core decide,
//! keeps what was decided, delivers effects at least once, and vanishes now and then. Who lives there, and what happens
//! to them, is `district`'s and `day`'s.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{HandoverId, IncidentId, ResponderId, UserId};
use domain::incident::{
    Advice, Authority, Candidate, Category, Centre, Class, Closure, Contact, ContactNews, Effect, Entry, Facts,
    Incident, Input, Ladder, Level, Offer, OfferState, Origin, Policy, Presence, Refusal, Ring, Step, Whereabouts,
    decide,
};
use domain::press::AlertKind;
use jiff::{SignedDuration, Timestamp};

use crate::agenda::{Agenda, Happening};
use crate::city::City;
use crate::dice::Dice;
use crate::district::ladder;
use crate::jump;
use crate::people::{Manner, Temper};
use crate::property::{self, Broken, Decision, History, Property};
use crate::trace::Trace;

/// How late the ticker may be.
pub(crate) const LAG_MAX: SignedDuration = SignedDuration::from_secs(3);
/// How long after its second failure a decision is tried again.
const TRIED_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// When every world begins.
pub(crate) const BEGAN_AT: Timestamp = Timestamp::constant(1_772_352_000, 0);
/// What has been closed for so long is left alone.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// What differs between a small district and a whole city.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    /// Presses, outages and operators end here.
    pub(crate) calm_after: SignedDuration,
    /// The world ends here.
    pub(crate) ends_after: SignedDuration,
    /// How long between two rounds of the watchdog, at least and at most.
    pub(crate) watch_ms: (i64, i64),
    /// How long between two looks of an owner at their case.
    pub(crate) look_ms: (i64, i64),
    /// At how many in a hundred looks somebody does what comes to mind, beside what is needed.
    pub(crate) whims: u64,
    /// How many in a hundred close what does not seem over.
    pub(crate) hasty: u64,
    /// How many in a hundred decisions are made twice.
    pub(crate) repeated: u64,
    /// How many in ten thousand decisions are lost with the process.
    pub(crate) lost: u64,
}

/// Who plays.
pub(crate) struct Cast {
    pub(crate) responders: Vec<Responder>,
    pub(crate) wearers: Vec<Wearer>,
    pub(crate) rules: Vec<Rules>,
    pub(crate) staff: Vec<Staff>,
    pub(crate) manners: [Manner; 3],
    pub(crate) attention: u64,
}

/// Somebody who presses.
pub(crate) struct Wearer {
    pub(crate) origin: Origin,
    /// By which rules.
    pub(crate) rules: usize,
    pub(crate) is_located: bool,
    /// How far away each responder is, or out of reach, where there is no map.
    pub(crate) distances: Vec<Option<u32>>,
    pub(crate) contacts: Vec<Contact>,
}

/// What holds for a wearer, or for a quarter of them.
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    /// The ladder of each class.
    pub(crate) ladders: Vec<(Class, Ladder)>,
}

impl Rules {
    pub(crate) fn policy(&self, class: Class) -> Policy {
        let ladder = self.ladders.iter().find(|(of, _)| *of == class).map(|(_, ladder)| *ladder);
        Policy { ladder, ..self.policy }
    }
}

/// Somebody who goes.
pub(crate) struct Responder {
    pub(crate) id: ResponderId,
    pub(crate) temper: Temper,
    pub(crate) is_on_duty: bool,
    /// Never tells where they are.
    pub(crate) is_hidden: bool,
    /// Since when no offer engages them.
    pub(crate) free_since: Timestamp,
    /// The one case that an offer engages them in.
    pub(crate) engaged_in: Option<usize>,
}

/// Somebody at a console.
pub(crate) struct Staff {
    pub(crate) id: UserId,
    pub(crate) authority: Authority,
    pub(crate) gone_since: Option<Timestamp>,
}

/// An incident, and what the simulation knows of it besides.
pub(crate) struct Case {
    pub(crate) incident: Incident,
    pub(crate) wearer: usize,
    pub(crate) history: History,
    /// What it goes by has changed: the ticker looks at it, whatever its deadline.
    is_stale: bool,
    /// Its wearer has been seen back: the same.
    is_back: bool,
}

/// What became of an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Decided and committed.
    Kept,
    /// The core did not accept it.
    Refused(Refusal),
    /// The transaction failed, or the process died in it.
    Lost,
}

/// A district or a city.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) responders: Vec<Responder>,
    pub(crate) staff: Vec<Staff>,
    pub(crate) trace: Trace,
    /// How often each thing happened that a simulation must not miss.
    pub(crate) tally: BTreeMap<&'static str, u64>,
    /// The wall clock.
    pub(crate) now: Timestamp,
    /// When it began, by the wall clock as it goes now.
    pub(crate) began_at: Timestamp,
    pub(crate) agenda: Agenda,
    pub(crate) scene: Scene,
    /// Where everybody is, where there is a map.
    pub(crate) city: Option<Box<City>>,
    pub(crate) wearers: Vec<Wearer>,
    pub(crate) rules: Vec<Rules>,
    pub(crate) manners: [Manner; 3],
    /// How many in a hundred rings somebody at a console attends to.
    attention: u64,
    pub(crate) cases: Vec<Case>,
    /// Those of them that are open, or were not long ago.
    pub(crate) current: Vec<usize>,
    looks: BTreeSet<(usize, usize)>,
    shown: BTreeSet<HandoverId>,
    /// When the process began to be away, and when it is back; both in the past when all is well.
    down_since: Timestamp,
    up_at: Timestamp,
    /// When the clock jumped last.
    jumped_at: Option<Timestamp>,
}

impl World {
    /// Nothing has happened yet, and nothing will.
    pub(crate) fn new(dice: Dice, trace: Trace, scene: Scene, cast: Cast) -> Self {
        let Cast { responders, wearers, rules, staff, manners, attention } = cast;
        Self {
            dice,
            responders,
            staff,
            trace,
            tally: BTreeMap::new(),
            now: BEGAN_AT,
            began_at: BEGAN_AT,
            agenda: Agenda::default(),
            scene,
            city: None,
            wearers,
            rules,
            manners,
            attention,
            cases: Vec::new(),
            current: Vec::new(),
            looks: BTreeSet::new(),
            shown: BTreeSet::new(),
            down_since: BEGAN_AT,
            up_at: BEGAN_AT,
            jumped_at: None,
        }
    }

    /// Lets everything happen.
    pub(crate) fn run(&mut self) -> Result<(), Broken> {
        while let Some((at, what)) = self.agenda.next() {
            if at > self.began_at + self.scene.ends_after {
                break;
            }
            self.now = at;
            self.happen(what)?;
        }
        if self.city.is_some() { Ok(()) } else { self.check_help() }
    }

    pub(crate) fn rules_of(&self, wearer: usize) -> &Rules {
        &self.rules[self.wearers[wearer].rules]
    }

    // ---- what will happen ---------------------------------------------------------------------

    pub(crate) fn later(&mut self, least_ms: i64, most_ms: i64, what: Happening) {
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
    pub(crate) fn put_off(&mut self, most_ms: i64, what: Happening) {
        let at = self.up_at.max(self.now) + self.dice.span(0, most_ms);
        self.agenda.enter(at, what);
    }

    // ---- what happens -------------------------------------------------------------------------

    fn is_calm(&self) -> bool {
        self.now >= self.began_at + self.scene.calm_after
    }

    pub(crate) fn is_down(&self) -> bool {
        self.now < self.up_at
    }

    /// Whether the ticker has had its time since the process was last away.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.now > self.up_at + LAG_MAX
    }

    fn happen(&mut self, what: Happening) -> Result<(), Broken> {
        match what {
            Happening::Press { .. } | Happening::Stray { .. } if self.is_down() => self.put_off(3_000, what),
            Happening::Press { wearer, class, kind } => self.take_in(wearer, class, kind),
            Happening::Cancel { wearer } => {
                for case in &self.current {
                    let case = &mut self.cases[*case];
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
            Happening::Delivery { .. } | Happening::Survey if self.is_down() => self.put_off(5_000, what),
            Happening::Delivery { case, effect } => self.deliver(case, effect),
            Happening::Call { .. } | Happening::NewLadder { .. } if self.is_down() => self.put_off(20_000, what),
            Happening::Call { case, input } => match self.back_at(case, &input) {
                Some(back_at) => self.agenda.enter(back_at, Happening::Call { case, input }),
                None => return self.hear(case, input),
            },
            Happening::Duty { responder, on } => {
                self.responders[responder].is_on_duty = on;
                self.responders[responder].free_since = self.now;
            }
            Happening::Seat { person, taken } => {
                self.staff[person].gone_since = (!taken).then_some(self.now);
                for case in self.current.clone() {
                    self.summon(person, case);
                }
            }
            Happening::Look { person, case } => return self.look(person, case),
            Happening::Outage => self.vanish(),
            Happening::NewLadder { wearer } => self.change_ladder(wearer),
            Happening::Watchdog => return self.watch(),
            Happening::Jump { by } => self.jump(by),
            Happening::Survey => return self.survey(),
            Happening::Spell { begins } => self.have_a_spell(begins),
            Happening::Network { responder, is_lost } => self.lose_network(responder, is_lost),
            Happening::Stroll { responder } => self.stroll(responder),
        }
        Ok(())
    }

    /// An administrator has saved another ladder: whatever climbs the old one looks at it at once.
    fn change_ladder(&mut self, wearer: usize) {
        let class = self.dice.pick(&[Class::Emergency, Class::Emergency, Class::Service, Class::Welfare]);
        let ladder = ladder(&mut self.dice, class);
        let changed = self.wearers[wearer].rules;
        for (of, held) in &mut self.rules[changed].ladders {
            if *of == class {
                *held = ladder;
            }
        }
        for case in self.current.clone() {
            let Case { incident, wearer, .. } = &self.cases[case];
            if self.wearers[*wearer].rules == changed && incident.class == class && incident.is_open() {
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
            .current
            .iter()
            .copied()
            .find(|case| {
                let case = &self.cases[*case];
                case.wearer == wearer && case.incident.class == class && case.incident.is_open()
            })
            // Daily help is one case an order.
            .filter(|_| class != Class::Service);
        let case = open.unwrap_or_else(|| self.open(wearer, class, kind));
        if let (Some(_), held) = (open, &mut self.cases[case]) {
            held.incident.presses += 1;
            held.incident.kinds.extend(kind);
            (held.incident.returned, held.incident.closes_at) = (false, None);
            held.history.alone_and_back_since = None;
            // Who wears a watch may press a pager, too.
            if held.incident.origin == Origin::Unproved && self.dice.chance(20) {
                held.incident.origin = held.incident.origin.or(Origin::Listed);
            }
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
        for case in self.current.clone() {
            let Case { incident, wearer: of, .. } = &mut self.cases[case];
            if *of == wearer && incident.is_open() && incident.class == Class::Wandering {
                incident.returned = true;
                self.cases[case].is_back = true;
                self.count("return");
                self.put_off(millis(LAG_MAX), Happening::Wake { case });
            }
        }
    }

    fn open(&mut self, wearer: usize, class: Class, kind: Option<AlertKind>) -> usize {
        let id = IncidentId(self.dice.id());
        let mut incident = Incident::open(id, class, self.wearers[wearer].origin, kind, self.now);
        if class == Class::Service && self.dice.chance(85) {
            let category = if self.city.is_some() { self.dice.pick(&["meal", "repair"]) } else { "meal" };
            incident.category = Some(Category(category.into()));
        }
        self.current.push(self.cases.len());
        self.cases.push(Case { incident, wearer, history: History::new(self.now), is_stale: false, is_back: false });
        self.count("incident");
        self.cases.len() - 1
    }

    fn tick(&mut self, case: usize) -> Result<(), Broken> {
        let incident = &self.cases[case].incident;
        // The row of one that was pressed for is due, whatever the clock says that it was when it was opened.
        let is_pressed_for = incident.is_open() && incident.presses > incident.presses_answered;
        let is_armed_for_now = incident.wake_at().is_some_and(|wake_at| wake_at <= self.now);
        let is_touched = self.cases[case].is_stale || self.cases[case].is_back;
        let is_due = is_touched || is_pressed_for || is_armed_for_now;
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
            let (least_ms, most_ms) = self.scene.look_ms;
            self.plan_look(person, case, least_ms, most_ms);
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
        let ring = self.cases[case].incident.ring;
        // In a city there is enough to do with what rings.
        let is_before_them = if self.city.is_some() { ring.level() != Level::Quiet } else { ring != Ring::Quiet };
        if is_present && is_before_them && self.dice.chance(self.attention) {
            self.plan_look(person, case, 1_000, 70_000);
        }
    }

    fn deliver(&mut self, case: usize, effect: Effect) {
        if let Effect::AskResponder(offer) = effect
            && let Some(back_at) = self.network_back_at(case, offer)
        {
            return self.agenda.enter(back_at, Happening::Delivery { case, effect });
        }
        let incident = &self.cases[case].incident;
        match &effect {
            Effect::AskResponder(id) => {
                // What is no longer asked is mostly not sent any more; it may have been on its way.
                let Some(offer) = incident.offers.iter().find(|offer| offer.id == *id) else { return };
                let is_asked = matches!(offer.state, OfferState::Asked { .. });
                let asked = self.responders.iter().position(|one| one.id == offer.responder);
                if let Some(asked) = asked
                    && (is_asked || self.dice.chance(15))
                {
                    let temper = self.temper_of(asked);
                    self.show_offer(case, *id, temper);
                }
            }
            Effect::CallCentre(id) => {
                let Some(handover) = incident.handovers.iter().find(|handover| handover.id == *id) else { return };
                let centre = match handover.centre {
                    Centre::Ambulance => 0,
                    Centre::Fire => 1,
                    Centre::Police => 2,
                };
                let manner = self.manner_of(centre);
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
            | Effect::TellWearer(_)
            | Effect::Follow => {}
        }
    }

    fn watch(&mut self) -> Result<(), Broken> {
        let (least_ms, most_ms) = self.scene.watch_ms;
        self.later(least_ms, most_ms, Happening::Watchdog);
        // Whatever jumps with the clock has had no time to be looked at.
        if self.is_down() || self.jumped_at.is_some_and(|at| self.now <= at + LAG_MAX) {
            return Ok(());
        }
        self.forget();
        let lag = if self.is_caught_up() { LAG_MAX } else { self.now.duration_since(self.down_since) + LAG_MAX };
        for index in &self.current {
            let case = &self.cases[*index];
            let policy = &self.rules_of(case.wearer).policy(case.incident.class);
            *self.tally.entry("check").or_default() += 1;
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
        if self.city.is_some() && self.is_caught_up() { self.check_city() } else { Ok(()) }
    }

    /// Leaves alone what was closed long ago: whatever still comes for it is heard, and nobody looks at it.
    fn forget(&mut self) {
        let (cases, now) = (&self.cases, self.now);
        self.current.retain(|case| match cases[*case].incident.closure {
            Closure::Open => true,
            Closure::Closed { at, .. } => now < at + FORGOTTEN_AFTER,
        });
    }

    /// The wall clock jumps, and the watchdog moves every deadline with it. What is only remembered here moves too:
    /// nobody has waited longer because of it.
    fn jump(&mut self, by: SignedDuration) {
        self.trace.note(self.now, || format!("the clock jumps by {by:#}"));
        self.count(if by.is_negative() { "clock jumps back" } else { "clock jumps ahead" });
        self.agenda.jump(by);
        for moved in [&mut self.now, &mut self.began_at, &mut self.down_since, &mut self.up_at] {
            *moved += by;
        }
        self.jumped_at = Some(self.now);
        for responder in &mut self.responders {
            responder.free_since += by;
        }
        for gone_since in self.staff.iter_mut().filter_map(|staff| staff.gone_since.as_mut()) {
            *gone_since += by;
        }
        for case in &self.current {
            let Case { incident, history, .. } = &mut self.cases[*case];
            history.jump(by);
            if incident.is_open() {
                jump::shift_deadlines(incident, by);
            }
        }
        if let Some(city) = &mut self.city {
            city.jump(by);
        }
    }

    // ---- the desk -----------------------------------------------------------------------------

    /// Lets the core decide and keeps what it decided.
    pub(crate) fn decide(&mut self, index: usize, input: Input) -> Result<Verdict, Broken> {
        let facts = self.facts(index, &input);
        let Case { incident: before, wearer, .. } = &self.cases[index];
        let policy = self.rules_of(*wearer).policy(before.class);
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
            let may_clash =
                matches!(input, Input::Ask { .. } | Input::Accept { .. } | Input::SetOut { .. } | Input::Arrive { .. });
            self.count("capacity held by the database");
            let clash = || Broken::new(Property::TickerNeverRefused, format!("{responder} is engaged elsewhere"));
            return if may_clash { Ok(Verdict::Lost) } else { Err(clash()) };
        }
        if self.dice.chance(1) && self.dice.chance(self.scene.lost) && !self.is_calm() {
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
        self.tally_up(&before, &facts, &input, &step);
        let decision = Decision { before: &before, input: &input, facts: &facts, step: &step };
        let Case { history, is_stale, .. } = &mut self.cases[index];
        if *is_stale {
            history.new_ladder_at = Some(self.now);
        }
        history.remember(&decision);
        *self.tally.entry("check").or_default() += 1;
        property::check(history, &decision)?;
        property::invariants(&step.next, &policy, self.now, SignedDuration::ZERO)?;
        // Nobody is let go but by the ticker: what is said while a yes comes in waits for the next look. So does what
        // became of a message.
        let is_whole = !input.is_of_a_message() && (facts.advice.let_go.is_none() || input == Input::Wake);
        if is_whole && self.dice.chance(self.scene.repeated) {
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
        for (number, next) in step.next.offers.iter().enumerate() {
            let was = self.cases[index].incident.offers.get(number);
            if was.is_some_and(|was| was.state == next.state) {
                continue;
            }
            let Some(responder) = self.responders.iter().position(|one| one.id == next.responder) else { continue };
            let was_live = was.is_some_and(|was| was.state.is_live());
            if next.state.is_live() {
                self.responders[responder].engaged_in = Some(index);
            } else if was_live {
                self.responders[responder].free_since = self.now;
            }
            self.follow(index, responder, next);
        }
        for offer in self.cases[index].incident.offers.iter().filter(|was| was.state.is_live()) {
            let is_live = |next: &Offer| next.responder == offer.responder && next.state.is_live();
            if !step.next.offers.iter().any(is_live)
                && let Some(responder) = self.responders.iter_mut().find(|one| one.id == offer.responder)
            {
                responder.engaged_in = None;
            }
        }
        self.note_change(index, &step);
        let rings = step.entries.iter().any(|entry| matches!(entry, Entry::Rung { .. }));
        self.cases[index].incident = step.next;
        (self.cases[index].is_stale, self.cases[index].is_back) = (false, false);
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

    fn facts(&mut self, index: usize, input: &Input) -> Facts {
        let case = &self.cases[index];
        let (wearer, rules) = (&self.wearers[case.wearer], self.rules_of(case.wearer));
        let is_seated = |authority: Authority| {
            presence(self.staff.iter().any(|staff| staff.authority == authority && staff.gone_since.is_none()))
        };
        let owner = case.incident.owner();
        let (policy, contacts) = (rules.policy(case.incident.class), wearer.contacts.clone());
        let owner = presence(self.staff.iter().any(|staff| Some(staff.id) == owner && staff.gone_since.is_none()));
        let (operators, supervisors) = (is_seated(Authority::Operator), is_seated(Authority::Supervisor));
        let candidates = self.candidates(index, input);
        Facts {
            now: self.now,
            policy,
            owner,
            operators,
            supervisors,
            advice: self.advice(index, &candidates),
            whereabouts: self.whereabouts(index),
            candidates: self.wearers[self.cases[index].wearer].is_located.then_some(candidates).into(),
            contacts,
            fresh: std::array::from_fn(|_| self.dice.id()),
        }
    }

    fn candidates(&mut self, index: usize, input: &Input) -> Vec<Candidate> {
        // Whoever says what is wanted has those looked at who can do that.
        let category = match input {
            Input::Categorize { category, .. } => Some(category),
            _ => self.cases[index].incident.category.as_ref(),
        };
        match &self.city {
            Some(city) => city.candidates(self, &self.cases[index], category),
            None => self.candidates_nearby(self.cases[index].wearer),
        }
    }

    fn advice(&mut self, index: usize, candidates: &[Candidate]) -> Advice {
        if self.city.is_some() { self.advice_of_the_plan(index) } else { self.any_advice(candidates) }
    }

    fn whereabouts(&self, index: usize) -> Vec<Whereabouts> {
        match &self.city {
            Some(city) => city.whereabouts(self, &self.cases[index]),
            None => self.whereabouts_on_the_way(index),
        }
    }

    fn engaged_elsewhere(&self, index: usize, next: &Incident) -> Option<ResponderId> {
        let is_elsewhere = |responder: &ResponderId| {
            let engaged_in = self.responders.iter().find(|one| one.id == *responder).and_then(|one| one.engaged_in);
            engaged_in.is_some_and(|case| case != index)
        };
        next.offers.iter().filter(|offer| offer.state.is_live()).map(|offer| offer.responder).find(is_elsewhere)
    }

    // ---- what must have happened --------------------------------------------------------------

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }
}

fn presence(is_there: bool) -> Presence {
    if is_there { Presence::Present } else { Presence::Gone }
}

pub(crate) fn millis(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
