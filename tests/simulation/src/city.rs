//! A whole city: where everybody is and gets to, who could go where, and the plan for everybody over its real board.
//! Who lives there and what a day brings is `day`'s.

use std::collections::HashMap;

use domain::dispatch::{
    Board, Case as BoardCase, Kind, Mode, Outlook, Person, Plan, Standing, Urgency, Weights, plan, reliability, way,
};
use domain::id::{IncidentId, OfferId};
use domain::incident::{
    Advice, Candidate, Category, Class, Input, LostBy, Offer, OfferState, Shortfall, Step, Unfit, Whereabouts,
};
use domain::place::{Metres, Position};
use jiff::{SignedDuration, Timestamp};

use crate::agenda::Happening;
use crate::district::ASKED_WITHIN;
use crate::people::{Manner, Temper};
use crate::property::{self, Broken, Property};
use crate::world::{Case, Verdict, World};

/// Whoever is farther away is not asked.
pub(crate) const REACH_M: f64 = 5_000.0;
/// Whoever is no farther away has been in reach for as long as it is waited that they are asked.
const SURELY_IN_REACH_M: f64 = REACH_M / 3.0;
/// Where somebody was so long ago tells nothing.
const POSITION_FRESH_FOR: SignedDuration = SignedDuration::from_mins(10);
/// How long whoever goes to an emergency is usually there…
const EMERGENCY_LASTS: SignedDuration = SignedDuration::from_mins(20);
/// …and to daily help.
const ORDER_LASTS: SignedDuration = SignedDuration::from_mins(35);
/// A plan is made anew when something has changed, and no less often than this.
const PLAN_FRESH_FOR: SignedDuration = SignedDuration::from_secs(60);

/// What somebody can do; a sum of these.
pub(crate) const FIRST_AID: u8 = 1;
pub(crate) const MEALS: u8 = 2;
pub(crate) const REPAIRS: u8 = 4;

/// A place on the city's map: metres east and north of its south-western corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    pub(crate) east: f64,
    pub(crate) north: f64,
}

impl Spot {
    fn distance_m(self, other: Self) -> f64 {
        let (east, north) = (self.east - other.east, self.north - other.north);
        (east * east + north * north).sqrt()
    }

    fn towards(self, other: Self, share: f64) -> Self {
        Self {
            east: self.east + (other.east - self.east) * share,
            north: self.north + (other.north - self.north) * share,
        }
    }

    pub(crate) fn position(self) -> Position {
        const METRES_A_DEGREE: f64 = 111_195.08;
        let lat = 28.2 + self.north / METRES_A_DEGREE;
        let lon = 112.9 + self.east / (METRES_A_DEGREE * 28.2_f64.to_radians().cos());
        Position::new(lat, lon).expect("a place in a city")
    }
}

/// A way that somebody goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leg {
    from: Spot,
    to: Spot,
    set_out_at: Timestamp,
    there_at: Timestamp,
}

impl Leg {
    pub(crate) const fn stay(at: Spot, now: Timestamp) -> Self {
        Self { from: at, to: at, set_out_at: now, there_at: now }
    }

    fn spot(&self, now: Timestamp) -> Spot {
        if now >= self.there_at {
            return self.to;
        }
        let whole = self.there_at.duration_since(self.set_out_at).as_secs_f64();
        let gone = now.duration_since(self.set_out_at).as_secs_f64().max(0.0);
        self.from.towards(self.to, if whole > 0.0 { gone / whole } else { 1.0 })
    }
}

/// What the city knows of a responder, beside what every world does.
#[derive(Debug, Clone)]
pub(crate) struct Helper {
    pub(crate) skills: u8,
    pub(crate) mode: Mode,
    pub(crate) leg: Leg,
    /// Where they stroll about.
    pub(crate) base: Spot,
    /// How they take the question that they were asked last.
    temper: Temper,
    /// How much longer than it should their way takes them then: 1 is as long as it should.
    slowness: f64,
    /// Their telephone has had no network since then…
    lost_since: Option<Timestamp>,
    /// …and has it again from then on.
    back_at: Timestamp,
    /// When whoever is with somebody is likely to have finished.
    free_at: Timestamp,
    pub(crate) shift_ends_at: Timestamp,
    yes: u32,
    no: u32,
}

impl Helper {
    pub(crate) fn new(skills: u8, mode: Mode, base: Spot, shift_ends_at: Timestamp, now: Timestamp) -> Self {
        Self {
            skills,
            mode,
            leg: Leg::stay(base, now),
            base,
            temper: Temper::Willing,
            slowness: 1.0,
            lost_since: None,
            back_at: now,
            free_at: now,
            shift_ends_at,
            yes: 0,
            no: 0,
        }
    }

    /// Where they were when they were last heard of.
    fn seen_at(&self, now: Timestamp) -> Spot {
        self.leg.spot(self.lost_since.unwrap_or(now))
    }

    /// How long ago that was: telephones tell every few seconds.
    fn unheard_for(&self, now: Timestamp) -> SignedDuration {
        self.lost_since.map_or(SignedDuration::from_secs(5), |since| now.duration_since(since))
    }
}

/// Where everybody is.
pub(crate) struct City {
    pub(crate) homes: Vec<Spot>,
    pub(crate) helpers: Vec<Helper>,
    /// Where calls came from before.
    pub(crate) places: Vec<Position>,
    pub(crate) calls_an_hour: f64,
    plan: Plan,
    planned_at: Option<Timestamp>,
    is_centre_in_trouble: bool,
}

impl City {
    pub(crate) fn new(homes: Vec<Spot>, helpers: Vec<Helper>, places: Vec<Position>, calls_an_hour: f64) -> Self {
        let plan = Plan::default();
        Self { homes, helpers, places, calls_an_hour, plan, planned_at: None, is_centre_in_trouble: false }
    }

    /// Everything remembered moves with the clock.
    pub(crate) fn jump(&mut self, by: SignedDuration) {
        self.planned_at = None;
        for helper in &mut self.helpers {
            let Helper { leg, back_at, free_at, shift_ends_at, lost_since, .. } = helper;
            for moment in [&mut leg.set_out_at, &mut leg.there_at, back_at, free_at, shift_ends_at] {
                *moment += by;
            }
            for moment in lost_since.iter_mut() {
                *moment += by;
            }
        }
    }

    fn skill(category: Option<&Category>) -> u8 {
        match category.map(|category| category.0.as_str()) {
            Some("repair") => REPAIRS,
            Some(_) => MEALS,
            None => FIRST_AID,
        }
    }

    fn way(&self, helper: &Helper, wearer: usize, now: Timestamp) -> SignedDuration {
        way(Metres(helper.seen_at(now).distance_m(self.homes[wearer])), helper.mode)
    }

    /// Somebody in a hundred does not want somebody in a hundred.
    const fn is_refused(responder: usize, wearer: usize) -> bool {
        (responder * 31 + wearer * 17).is_multiple_of(97)
    }

    /// What stands in the way of sending somebody to a wearer who needs a skill.
    fn unfit(&self, world: &World, responder: usize, who: (usize, u8), distance_m: f64) -> Option<Unfit> {
        let helper = &self.helpers[responder];
        let told = &world.responders[responder];
        let (wearer, skill) = who;
        let hindrances = [
            (helper.skills & skill == 0, Unfit::Unskilled),
            (!told.is_on_duty, Unfit::OffDuty),
            (helper.unheard_for(world.now) > POSITION_FRESH_FOR, Unfit::PositionOld),
            (distance_m > REACH_M, Unfit::TooFar),
            (Self::is_refused(responder, wearer), Unfit::Refused),
            (told.engaged_in.is_some(), Unfit::Engaged),
        ];
        hindrances.into_iter().find_map(|(stands, unfit)| stands.then_some(unfit))
    }

    /// Everybody who is near, in the order in which they would be there, with what stands in their way.
    pub(crate) fn candidates(&self, world: &World, case: &Case, category: Option<&Category>) -> Vec<Candidate> {
        let (home, who) = (self.homes[case.wearer], (case.wearer, Self::skill(category)));
        let mut candidates = Vec::new();
        for (index, helper) in self.helpers.iter().enumerate() {
            let (told, seen_at) = (&world.responders[index], helper.seen_at(world.now));
            // Of those who are at home only neighbours are looked at.
            let looked_at_m = if told.is_on_duty { REACH_M + 1_000.0 } else { 1_000.0 };
            if (seen_at.east - home.east).abs() > looked_at_m {
                continue;
            }
            let distance_m = seen_at.distance_m(home);
            if distance_m > looked_at_m {
                continue;
            }
            candidates.push(Candidate {
                responder: told.id,
                distance: Some(Metres(distance_m)),
                reckoned: Some(way(Metres(distance_m), helper.mode)),
                unfit: self.unfit(world, index, who, distance_m),
            });
        }
        candidates.sort_unstable_by_key(|candidate| (candidate.reckoned, candidate.responder));
        candidates
    }

    pub(crate) fn whereabouts(&self, world: &World, case: &Case) -> Vec<Whereabouts> {
        let live = case.incident.offers.iter().filter(|offer| offer.state.is_live());
        let seen = live.filter_map(|offer| {
            let index = world.responders.iter().position(|one| one.id == offer.responder)?;
            let helper = &self.helpers[index];
            Some(Whereabouts {
                responder: offer.responder,
                distance: Metres(helper.seen_at(world.now).distance_m(self.homes[case.wearer])),
                way: self.way(helper, case.wearer, world.now),
                age: helper.unheard_for(world.now),
            })
        });
        seen.collect()
    }

    // ---- the board ----------------------------------------------------------------------------

    fn board(&self, world: &World) -> Board {
        let now = world.now;
        let mut seats = vec![None; self.helpers.len()];
        let mut people = Vec::new();
        for (index, (helper, told)) in self.helpers.iter().zip(&world.responders).enumerate() {
            let offer = told.engaged_in.and_then(|case| {
                let incident = &world.cases[case].incident;
                let engages = |offer: &&Offer| offer.responder == told.id && offer.state.is_live();
                incident.offers.iter().find(engages).map(|offer| (incident.id, offer))
            });
            let standing = match offer {
                None => Standing::Free,
                Some((incident, offer)) => match offer.state {
                    OfferState::Asked { .. } => Standing::Asked(incident),
                    OfferState::OnScene => Standing::Busy { free_at: helper.free_at },
                    _ => Standing::Going(incident),
                },
            };
            let is_unheard = helper.unheard_for(now) > POSITION_FRESH_FOR;
            if standing == Standing::Free && (!told.is_on_duty || is_unheard) {
                continue;
            }
            seats[index] = Some(people.len());
            people.push(Person {
                responder: told.id,
                at: helper.seen_at(now).position(),
                mode: helper.mode,
                standing,
                until: Some(helper.shift_ends_at),
                yes: reliability(helper.yes, helper.no),
                handicap: SignedDuration::ZERO,
                is_first_aider: helper.skills & FIRST_AID != 0,
            });
        }
        let current = world.current.iter().map(|case| &world.cases[*case]);
        let cases = current.filter(|case| is_waiting(world, case)).map(|case| self.case(world, case, &seats)).collect();
        let kinds =
            [(FIRST_AID, Urgency::Urgent, 0.4), (MEALS, Urgency::Routine, 0.25), (REPAIRS, Urgency::Routine, 0.25)];
        let kinds = kinds.into_iter().map(|(skill, urgency, share)| Kind {
            urgency,
            share,
            able: (0..seats.len())
                .filter(|index| self.helpers[*index].skills & skill != 0)
                .filter_map(|index| seats[index])
                .collect(),
        });
        let outlook =
            Outlook { calls_an_hour: self.calls_an_hour, places: self.places.clone(), kinds: kinds.collect() };
        Board { now, cases, people, outlook }
    }

    fn case(&self, world: &World, case: &Case, seats: &[Option<usize>]) -> BoardCase {
        let Case { incident, wearer, .. } = case;
        let who = (*wearer, Self::skill(incident.category.as_ref()));
        let going = |offer: &Offer| {
            let index = world.responders.iter().position(|one| one.id == offer.responder)?;
            Some((offer.responder, world.now + self.way(&self.helpers[index], *wearer, world.now)))
        };
        let accepted = incident.offers.iter().filter(|offer| offer.state.is_accepted());
        let first = incident.offers.iter().position(|offer| offer.state.is_accepted());
        let was_asked = |responder| {
            let spent =
                |offer: &Offer| offer.round == incident.round || matches!(offer.state, OfferState::Declined { .. });
            incident.offers.iter().any(|offer| offer.responder == responder && spent(offer))
        };
        let able = seats.iter().enumerate().filter_map(|(index, seat)| {
            let seat = (*seat)?;
            let distance_m = self.helpers[index].seen_at(world.now).distance_m(self.homes[*wearer]);
            let unfit = self.unfit(world, index, who, distance_m);
            let is_able = matches!(unfit, None | Some(Unfit::Engaged)) && !was_asked(world.responders[index].id);
            is_able.then_some(seat)
        });
        BoardCase {
            incident: incident.id,
            urgency: Urgency::of(incident.class),
            at: self.homes[*wearer].position(),
            lasts: lasts(incident.class),
            going: accepted.filter_map(going).min_by_key(|(_, there_at)| *there_at),
            asked: incident
                .offers
                .iter()
                .filter(|offer| matches!(offer.state, OfferState::Asked { .. }))
                .map(|offer| (offer.responder, offer.asked_at))
                .collect(),
            able: able.collect(),
            upgrades: first.map_or(0, |first| incident.offers.len() - 1 - first),
            ways: HashMap::new(),
        }
    }
}

/// Whether somebody is to go there and nobody is there, or has been.
fn is_waiting(world: &World, case: &Case) -> bool {
    let Case { incident, wearer, .. } = case;
    let has_had = |offer: &Offer| {
        offer.state == OfferState::OnScene || offer.state == OfferState::Done && offer.round == incident.round
    };
    incident.is_open()
        && property::asks_by_itself(incident)
        && world.wearers[*wearer].is_located
        && !incident.offers.iter().any(has_had)
}

const fn lasts(class: Class) -> SignedDuration {
    match class {
        Class::Service => ORDER_LASTS,
        Class::Emergency | Class::Wandering | Class::Welfare => EMERGENCY_LASTS,
    }
}

fn longer(way: SignedDuration, slowness: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(way.as_secs_f64() * slowness).unwrap_or_default()
}

// ---- what people do there ---------------------------------------------------------------------

impl World {
    /// How somebody takes a question: their own way in a district, and anybody's on a day in a city.
    pub(crate) fn temper_of(&mut self, responder: usize) -> Temper {
        let Some(city) = &mut self.city else { return self.responders[responder].temper };
        let helper = &mut city.helpers[responder];
        helper.temper = match self.dice.below(100) {
            0..=75 => Temper::Willing,
            76..=82 => Temper::Unwilling,
            83..=88 => Temper::Mute,
            89..=91 => Temper::Late,
            92..=94 => Temper::Fickle,
            95 => Temper::Doubled,
            96..=98 => Temper::Vanishing,
            _ => Temper::Confused,
        };
        helper.slowness = match self.dice.below(100) {
            0..=7 => 3.0,
            8..=39 => 1.3,
            _ => 1.0,
        };
        helper.temper
    }

    /// What the ambulance's centre does in its bad hour, and any other seldom.
    pub(crate) fn manner_of(&mut self, centre: usize) -> Manner {
        let Some(city) = &self.city else { return self.manners[centre] };
        if centre == 0 && city.is_centre_in_trouble {
            self.count("120 slow or down");
            return self.manners[0];
        }
        if self.dice.chance(85) { Manner::Prompt } else { self.dice.pick(&Manner::ALL) }
    }

    fn asked(&self, case: usize, offer: OfferId) -> Option<usize> {
        let offer = self.cases[case].incident.offers.iter().find(|asked| asked.id == offer)?;
        self.responders.iter().position(|one| one.id == offer.responder)
    }

    /// How long the way takes that a question is about.
    pub(crate) fn way_taken(&mut self, case: usize, offer: OfferId) -> SignedDuration {
        let way = self.city.as_ref().zip(self.asked(case, offer)).map(|(city, responder)| {
            let helper = &city.helpers[responder];
            let way =
                way(Metres(helper.leg.spot(self.now).distance_m(city.homes[self.cases[case].wearer])), helper.mode);
            longer(way, helper.slowness)
        });
        match way {
            Some(way) => way,
            None => self.dice.span(5_000, 150_000),
        }
    }

    /// What somebody says of it: what it should take.
    pub(crate) fn minutes_said(&mut self, case: usize, offer: OfferId) -> u16 {
        let way = self
            .city
            .as_ref()
            .zip(self.asked(case, offer))
            .map(|(city, responder)| city.way(&city.helpers[responder], self.cases[case].wearer, self.now));
        let minutes = match way {
            Some(way) => way.as_secs().unsigned_abs() / 60 + 1,
            None => self.dice.below(6),
        };
        u16::try_from(minutes).unwrap_or(0)
    }

    /// How long there is to do.
    pub(crate) fn work_done(&mut self, case: usize) -> SignedDuration {
        match (&self.city, self.cases[case].incident.class) {
            (None, _) => self.dice.span(5_000, 100_000),
            (Some(_), Class::Service) => self.dice.span(10 * 60_000, 60 * 60_000),
            (Some(_), _) => self.dice.span(8 * 60_000, 32 * 60_000),
        }
    }

    /// Until when a responder's telephone has no network.
    pub(crate) fn network_back_at(&self, case: usize, offer: OfferId) -> Option<Timestamp> {
        let helper = &self.city.as_ref()?.helpers[self.asked(case, offer)?];
        helper.lost_since.and(Some(helper.back_at)).filter(|back_at| *back_at > self.now)
    }

    /// The same of whoever calls in.
    pub(crate) fn back_at(&self, case: usize, input: &Input) -> Option<Timestamp> {
        match input {
            Input::Accept { offer, .. }
            | Input::Decline { offer, .. }
            | Input::SetOut { offer, .. }
            | Input::Arrive { offer }
            | Input::Finish { offer } => self.network_back_at(case, *offer),
            _ => None,
        }
    }

    /// An offer has moved on, and somebody with it.
    pub(crate) fn follow(&mut self, index: usize, responder: usize, offer: &Offer) {
        let (now, wearer) = (self.now, self.cases[index].wearer);
        let Some(city) = &mut self.city else { return };
        let home = city.homes[wearer];
        let helper = &mut city.helpers[responder];
        let here = helper.leg.spot(now);
        match &offer.state {
            OfferState::Accepted { .. } => {
                helper.yes += 1;
                if helper.temper != Temper::Vanishing {
                    let way = longer(way(Metres(here.distance_m(home)), helper.mode), helper.slowness);
                    helper.leg = Leg { from: here, to: home, set_out_at: now, there_at: now + way };
                }
            }
            OfferState::OnScene => {
                helper.leg = Leg::stay(home, now);
                helper.free_at = now + lasts(self.cases[index].incident.class);
            }
            // Who cannot be heard cannot hear that they are not needed either.
            OfferState::Lost { by: LostBy::NoPosition } if helper.lost_since.is_some() => helper.no += 1,
            OfferState::Declined { .. } | OfferState::Silent | OfferState::Lost { .. } => {
                helper.no += 1;
                helper.leg = Leg::stay(here, now);
            }
            OfferState::Withdrawn | OfferState::Done => helper.leg = Leg::stay(here, now),
            OfferState::Asked { .. } | OfferState::OnTheWay { .. } => {}
        }
    }

    /// A telephone has no network for a while.
    pub(crate) fn lose_network(&mut self, responder: usize, is_lost: bool) {
        let back_at = self.now + self.dice.span(60_000, 15 * 60_000);
        let Some(city) = &mut self.city else { return };
        let helper = &mut city.helpers[responder];
        if !is_lost {
            helper.lost_since = None;
            self.responders[responder].free_since = self.now;
            return;
        }
        if helper.lost_since.is_none() {
            helper.lost_since = Some(self.now);
            helper.back_at = back_at;
            self.agenda.enter(back_at, Happening::Network { responder, is_lost: false });
            self.count("network lost");
        }
    }

    /// Somebody who has nothing to do goes somewhere else, not far from where they are at home.
    pub(crate) fn stroll(&mut self, responder: usize) {
        self.later(20 * 60_000, 90 * 60_000, Happening::Stroll { responder });
        let [east, north] = std::array::from_fn(|_| self.dice.index(2_400));
        let told = &self.responders[responder];
        if told.engaged_in.is_some() || !told.is_on_duty {
            return;
        }
        let Some(city) = &mut self.city else { return };
        let helper = &mut city.helpers[responder];
        let from = helper.leg.spot(self.now);
        #[expect(clippy::cast_precision_loss, reason = "a few kilometres")]
        let to =
            Spot { east: helper.base.east + east as f64 - 1_200.0, north: helper.base.north + north as f64 - 1_200.0 };
        let there_at = self.now + way(Metres(from.distance_m(to)), helper.mode);
        helper.leg = Leg { from, to, set_out_at: self.now, there_at };
    }

    /// The ambulance's centre has a bad hour.
    pub(crate) fn have_a_spell(&mut self, begins: bool) {
        let manner =
            self.dice.pick(&[Manner::Slow, Manner::Mute, Manner::Unreachable, Manner::Ghostly, Manner::Refusing]);
        if let Some(city) = &mut self.city {
            city.is_centre_in_trouble = begins;
            self.manners[0] = manner;
        }
    }

    // ---- the plan -----------------------------------------------------------------------------

    fn make_the_plan(&mut self) {
        let Some(city) = &self.city else { return };
        let made = plan(&city.board(self), &Weights::default());
        self.count("plan");
        if let Some(city) = &mut self.city {
            city.plan = made;
            city.planned_at = Some(self.now);
        }
    }

    /// What the plan says of a case: mostly the plan of now, sometimes none or an old one.
    pub(crate) fn advice_of_the_plan(&mut self, index: usize) -> Advice {
        let how = self.dice.below(100);
        if how < 4 {
            self.count("plan missing");
            return Advice::default();
        }
        let planned_at = self.city.as_ref().and_then(|city| city.planned_at);
        let is_fresh = planned_at.is_some_and(|at| self.now < at + PLAN_FRESH_FOR);
        if !is_fresh && how < 10 {
            self.count("plan stale");
        } else if !is_fresh && is_waiting(self, &self.cases[index]) {
            self.make_the_plan();
        }
        let incident = self.cases[index].incident.id;
        self.city.as_ref().map_or_else(Advice::default, |city| city.plan.advice(incident, self.now))
    }

    /// Something was decided: the plan is of yesterday when somebody was asked, answered or is no longer wanted.
    pub(crate) fn note_change(&mut self, index: usize, step: &Step) {
        let was = &self.cases[index].incident;
        let is_changed = was.offers.len() != step.next.offers.len()
            || was.offers.iter().zip(&step.next.offers).any(|(was, is)| was.state != is.state)
            || was.is_open() != step.next.is_open()
            || was.presses_answered == 0
            || was.category != step.next.category;
        if let Some(city) = &mut self.city
            && is_changed
        {
            city.planned_at = None;
        }
    }

    /// Lets those cases decide of which the plan wants something: whoever is to let go first, then whoever is to ask.
    pub(crate) fn survey(&mut self) -> Result<(), Broken> {
        self.later(30_000, 60_000, Happening::Survey);
        if self.city.is_none() || !self.current.iter().any(|case| is_waiting(self, &self.cases[*case])) {
            return Ok(());
        }
        self.make_the_plan();
        let moves = self.city.as_ref().map(|city| city.plan.moves.clone()).unwrap_or_default();
        let let_go = moves.iter().filter_map(|step| step.from);
        for incident in let_go.chain(moves.iter().map(|step| step.incident)) {
            // One of these decisions may have been the process's last.
            if !self.is_down()
                && let Some(case) = self.case_of(incident)
                && let Verdict::Refused(refusal) = self.decide(case, Input::Wake)?
            {
                return Err(Broken::new(Property::TickerNeverRefused, refusal));
            }
        }
        Ok(())
    }

    fn case_of(&self, incident: IncidentId) -> Option<usize> {
        self.current.iter().copied().find(|case| self.cases[*case].incident.id == incident)
    }

    // ---- what must be -------------------------------------------------------------------------

    /// Nobody is engaged twice; and whoever says that there is nobody to go is right.
    pub(crate) fn check_city(&mut self) -> Result<(), Broken> {
        let mut engaged = Vec::new();
        for case in &self.current {
            let offers = self.cases[*case].incident.offers.iter().filter(|offer| offer.state.is_live());
            engaged.extend(offers.map(|offer| offer.responder));
        }
        let all = engaged.len();
        engaged.sort_unstable();
        engaged.dedup();
        if engaged.len() != all {
            return Err(Broken::new(Property::TickerNeverRefused, "somebody is engaged twice"));
        }
        for index in 0..self.current.len() {
            let case = &self.cases[self.current[index]];
            let is_place_new = case.incident.shortfall == Some(Shortfall::PlaceUnknown);
            let is_said = case.incident.shortfall.is_some() && !is_place_new && !case.incident.operator_decides;
            if !is_said || !is_waiting(self, case) || case.history.is_helped {
                continue;
            }
            if let Some(broken) = self.who_would_have_gone(case) {
                return Err(broken);
            }
            self.count("nobody to go");
        }
        Ok(())
    }

    /// Somebody who has been free, heard of and near for long, and was not asked.
    fn who_would_have_gone(&self, case: &Case) -> Option<Broken> {
        let Case { incident, wearer, .. } = case;
        let city = self.city.as_ref()?;
        let who = (*wearer, City::skill(incident.category.as_ref()));
        let was_asked = |responder| incident.offers.iter().any(|offer| offer.responder == responder);
        let forgotten = self.responders.iter().enumerate().find(|(index, told)| {
            let distance_m = city.helpers[*index].seen_at(self.now).distance_m(city.homes[*wearer]);
            distance_m < SURELY_IN_REACH_M
                && told.free_since + ASKED_WITHIN < self.now
                && city.unfit(self, *index, who, distance_m).is_none()
                && !was_asked(told.id)
        });
        let (_, told) = forgotten?;
        let what = format!("{} would have gone to {incident:?}", told.id);
        Some(Broken::new(Property::SomebodyGoes, what))
    }
}
