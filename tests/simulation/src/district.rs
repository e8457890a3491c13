//! A small district for twenty minutes: a handful of people, each of them any kind of trouble there is. How far anybody
//! is from anybody is a number; `city` has a map.

use domain::id::{ResponderId, UserId};
use domain::incident::ladder::{Act, Rung, When};
use domain::incident::{
    Advice, Authority, Candidate, Class, Contact, HandoverPolicy, Ladder, Offer, OfferState, Origin, Policy, Rank,
    Reach, Unfit, Whereabouts,
};
use domain::place::Metres;
use domain::press::AlertKind;
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};

use crate::agenda::Happening;
use crate::dice::Dice;
use crate::people::{Manner, Temper};
use crate::property::{self, Broken, Property};
use crate::trace::Trace;
use crate::world::{BEGAN_AT, Case, Cast, Responder, Rules, Scene, Staff, Wearer, World};

/// For so long somebody has to have been free, before it counts that nobody asked them: the slowest
/// uppermost rung, and every other responder's silence.
pub(crate) const ASKED_WITHIN: SignedDuration = SignedDuration::from_mins(8);

/// Whoever is willing has the time to be asked several times over between the calm and the end.
const DISTRICT: Scene = Scene {
    calm_after: SignedDuration::from_mins(9),
    ends_after: SignedDuration::from_mins(24),
    watch_ms: (15_000, 25_000),
    look_ms: (4_000, 60_000),
    whims: 100,
    hasty: 20,
    repeated: 25,
    lost: 30,
};

impl World {
    /// The district that a seed stands for.
    pub(crate) fn district(seed: u64, trace: Trace) -> Self {
        let mut dice = Dice::new(seed);
        let responders = (0..dice.below(6)).map(|_| responder(&mut dice, BEGAN_AT)).collect::<Vec<_>>();
        let (wearers, rules) =
            (0..=dice.below(2)).enumerate().map(|(index, _)| wearer(&mut dice, index, responders.len())).unzip();
        let staff = (0..dice.below(5)).map(|_| staff(&mut dice, BEGAN_AT)).collect();
        let manners = std::array::from_fn(|_| dice.pick(&Manner::ALL));
        let attention = dice.pick(&[0, 0, 10, 60, 95]);
        let cast = Cast { responders, wearers, rules, staff, manners, attention };
        let mut world = Self::new(dice, trace, DISTRICT, cast);
        world.plan();
        world
    }

    /// Writes everything into the agenda that does not depend on the core.
    fn plan(&mut self) {
        let calm_ms = i64::try_from(DISTRICT.calm_after.as_millis()).unwrap_or(0);
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
                self.later(1_000, calm_ms, Happening::Seat { person, taken });
                taken = !taken;
            }
        }
        for _ in 0..self.dice.pick(&[0, 0, 1, 1, 2, 4]) {
            self.later(0, calm_ms, Happening::Outage);
        }
        for _ in 0..self.dice.pick(&[0, 0, 0, 1, 2]) {
            let wearer = self.dice.index(self.wearers.len());
            self.later(0, calm_ms, Happening::NewLadder { wearer });
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

    // ---- what is known -------------------------------------------------------------------------

    /// Everybody who is somewhere near, and now and then somebody in whose way stands what no test of the core
    /// needs to know more of.
    pub(crate) fn candidates_nearby(&mut self, wearer: usize) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (index, metres) in self.wearers[wearer].distances.clone().into_iter().enumerate() {
            let Some(metres) = metres else { continue };
            let (responder, is_on_duty) = (self.responders[index].id, self.responders[index].is_on_duty);
            let unfit = if !is_on_duty {
                Some(Unfit::OffDuty)
            } else if self.responders[index].engaged_in.is_some() {
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
    pub(crate) fn any_advice(&mut self, candidates: &[Candidate]) -> Advice {
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
    pub(crate) fn whereabouts_on_the_way(&self, index: usize) -> Vec<Whereabouts> {
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

    // ---- what must have happened --------------------------------------------------------------

    /// Whether somebody goes wherever somebody willing could.
    pub(crate) fn check_help(&mut self) -> Result<(), Broken> {
        for case in 0..self.cases.len() {
            self.check_helped(case)?;
        }
        Ok(())
    }

    fn check_helped(&mut self, index: usize) -> Result<(), Broken> {
        let Case { incident, wearer, history, .. } = &self.cases[index];
        let (rules, wearer) = (self.rules_of(*wearer), &self.wearers[*wearer]);
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
        let again = rules.policy(incident.class).ladder(incident.class).rung(Act::Responders);
        let is_asked_again = !is_owned && again.is_some_and(|rung| rung.when != When::NobodyGoes);
        let was_meant = is_owned && history.was_sent_home;
        let in_reach = self.responders.iter().zip(&wearer.distances).find(|(responder, distance)| {
            let was_silent = |offer: &&Offer| offer.state == OfferState::Silent || !is_owned;
            let was_asked = !is_asked_again
                && this_round().filter(|offer| offer.responder == responder.id).any(|offer| was_silent(&offer));
            responder.temper == Temper::Willing
                && responder.is_on_duty
                && distance.is_some()
                && responder.engaged_in.is_none()
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
}

fn responder(dice: &mut Dice, began_at: Timestamp) -> Responder {
    let temper = if dice.chance(30) { Temper::Willing } else { dice.pick(&Temper::ALL) };
    Responder {
        id: ResponderId(dice.id()),
        temper,
        is_on_duty: dice.chance(75),
        is_hidden: dice.chance(20),
        free_since: began_at,
        engaged_in: None,
    }
}

fn wearer(dice: &mut Dice, index: usize, responders: usize) -> (Wearer, Rules) {
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
        following: Policy::default().following,
        close_returned_after: dice.pick(&[None, Some(60), Some(240)]).map(seconds),
    };
    let origin = match dice.below(100) {
        0..80 => Origin::Listed,
        80..92 => Origin::Unproved,
        _ => Origin::Unlisted,
    };
    let rules = Rules { policy, ladders: Class::ALL.iter().map(|class| (*class, ladder(dice, *class))).collect() };
    let wearer = Wearer {
        origin,
        rules: index,
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
    };
    (wearer, rules)
}

/// Any ladder that can be: its rungs in any number and order, as high and as conditional as they may be.
pub(crate) fn ladder(dice: &mut Dice, class: Class) -> Ladder {
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
