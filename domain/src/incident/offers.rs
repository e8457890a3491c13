//! The offers: who is asked, what they answer, and whether they come.
//!
//! Whom to ask is advice that comes from outside ([`Advice`](super::Advice): the plan for everybody), else
//! [`choice`](super::choice)'s; what an answer is worth and how long anybody is believed in is decided here,
//! so that a plan that is wrong, late or missing leaves nobody alone.

use jiff::{SignedDuration, Timestamp};

use super::decide::{act_as_owner, asks_by_itself, expected};
use super::draft::Draft;
use super::{
    Class, Effect, Entry, Helper, Input, Looked, LostBy, News, Offer, OfferState, Refusal, Ring, Watch, Whereabouts,
};
use crate::id::{OfferId, ResponderId, UserId};

/// An arrival that is expected this much sooner or later is news to a wearer.
const NEWS_WORTH: SignedDuration = SignedDuration::from_secs(60);
/// Somebody who would be there so little sooner does not replace one who goes already.
const WORTH_REPLACING: SignedDuration = SignedDuration::from_secs(20);
/// Whoever is so near is there, as far as a position can tell.
const THERE_M: f64 = 100.0;
/// Whoever has come nearer by so much is coming.
const NEARER_M: f64 = 30.0;
/// So much later than they said is still on time.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

impl Draft<'_> {
    pub(super) fn ask(&mut self, responder: ResponderId, by: Option<UserId>) {
        let offer = Offer {
            id: OfferId(self.fresh()),
            responder,
            round: self.next.round,
            asked_at: self.now(),
            by,
            watch: None,
            state: OfferState::Asked { answer_by: self.after(self.facts.policy.window(self.next.class)) },
        };
        self.next.shortfall = None;
        self.next.waits_until = None;
        self.write(Entry::Asked { offer: offer.id, responder, by });
        self.emit(Effect::AskResponder(offer.id));
        self.next.offers.push(offer);
    }

    /// Whether somebody is being asked, or going.
    pub(super) fn is_anybody_engaged(&self) -> bool {
        self.next.offers.iter().any(|offer| offer.state.is_live())
    }

    /// Asks whom the plan names; without a plan, and while nobody is asked or goes, whoever would be there
    /// first and has neither declined nor been asked in this round. When nobody is left, says so loudly.
    pub(super) fn ask_next(&mut self) {
        if self.has_asked() {
            return;
        }
        let is_chosen = self.facts.advice.ask.is_some() || !self.is_anybody_engaged();
        if is_chosen && self.facts.candidates == Looked::NotYet {
            self.lacks_candidates = true;
            return;
        }
        if let Some(named) = self.named() {
            self.consider(Some(named));
            self.ask(named.responder, None);
            return;
        }
        if self.is_anybody_engaged() {
            return;
        }
        match self.choose() {
            Ok(candidate) => {
                let anew = self.until_planned_anew();
                if let Some(until) = anew.or_else(|| self.may_wait_until()) {
                    self.next.shortfall = None;
                    if self.next.waits_until != Some(until) {
                        self.next.waits_until = Some(until);
                        // Of each why, says the look that has a plan which knows.
                        if anew.is_none() {
                            self.consider(None);
                        }
                        self.write(Entry::Waits { until });
                    }
                } else {
                    self.consider(Some(candidate));
                    self.ask(candidate.responder, None);
                }
            }
            Err(shortfall) => {
                self.next.waits_until = None;
                if self.next.shortfall != Some(shortfall) {
                    self.next.shortfall = Some(shortfall);
                    self.consider(None);
                    self.write(Entry::NobodyLeft { shortfall });
                    self.ring_operators();
                }
            }
        }
    }

    pub(super) fn move_offer(&mut self, id: OfferId, state: OfferState) {
        let look_at = self.after(self.facts.policy.look_every);
        let seen = self.offer(id).and_then(|offer| self.whereabouts(offer.responder));
        let left = seen.filter(|seen| seen.age <= self.facts.policy.heard_within).map(|seen| seen.distance);
        let Some(offer) = self.next.offers.iter_mut().find(|offer| offer.id == id) else { return };
        offer.watch = state.expected_at().map(|_| offer.watch.unwrap_or(Watch { look_at, left }));
        offer.state = state.clone();
        let responder = offer.responder;
        self.write(Entry::Answered { offer: id, responder, state });
    }

    /// Takes an offer back, and says so.
    fn withdraw(&mut self, id: OfferId) {
        self.move_offer(id, OfferState::Withdrawn);
        self.emit(Effect::DismissResponder(id));
    }

    /// Tells everybody who is still engaged that they are not needed.
    pub(super) fn dismiss_all(&mut self) {
        for id in self.offers_that(|offer| offer.state.is_live()) {
            self.withdraw(id);
        }
    }

    fn offer(&self, id: OfferId) -> Option<&Offer> {
        self.next.offers.iter().find(|offer| offer.id == id)
    }

    pub(super) fn offers_that(&self, is_meant: impl Fn(&Offer) -> bool) -> Vec<OfferId> {
        self.next.offers.iter().filter(|offer| is_meant(offer)).map(|offer| offer.id).collect()
    }

    fn whereabouts(&self, responder: ResponderId) -> Option<&Whereabouts> {
        self.facts.whereabouts.iter().find(|seen| seen.responder == responder)
    }

    /// When somebody would be there who set out now, as far as anybody can tell.
    fn there_at(&self, responder: ResponderId) -> Option<Timestamp> {
        self.whereabouts(responder).map(|seen| self.after(seen.way))
    }
}

/// Whoever has not answered in time is not waited for.
pub(super) fn expire(draft: &mut Draft<'_>) {
    let now = draft.now();
    let silent = draft.offers_that(|offer| matches!(offer.state, OfferState::Asked { answer_by } if answer_by <= now));
    for id in &silent {
        draft.move_offer(*id, OfferState::Silent);
        draft.emit(Effect::DismissResponder(*id));
    }
    if !silent.is_empty() {
        pass_on(draft);
    }
}

/// Looks at those who go. Who does not come is replaced: the policy asks the next, and a person hears of
/// the hole.
pub(super) fn look(draft: &mut Draft<'_>) {
    let now = draft.now();
    let mut is_anybody_lost = false;
    for id in draft.offers_that(|offer| offer.watch.is_some_and(|watch| watch.look_at <= now)) {
        let Some((watch, offer)) = draft.offer(id).and_then(|offer| Some((offer.watch?, offer.clone()))) else {
            continue;
        };
        let seen = draft.whereabouts(offer.responder).copied();
        if let Some(by) = is_lost(draft, &offer, watch, seen) {
            draft.move_offer(id, OfferState::Lost { by });
            draft.emit(Effect::DismissResponder(id));
            is_anybody_lost = true;
        } else {
            let look_at = draft.after(draft.facts.policy.look_every);
            // An old position tells nothing of how far they have come.
            let left = seen.filter(|seen| seen.age < draft.facts.policy.look_every).map(|seen| seen.distance);
            if let Some(offer) = draft.next.offers.iter_mut().find(|offer| offer.id == id) {
                offer.watch = Some(Watch { look_at, left: left.or(watch.left) });
            }
        }
    }
    if is_anybody_lost {
        leave_a_hole(draft);
    }
}

/// Whether somebody who said yes does not come. Who has never told where they are cannot be looked at; who
/// can still be there when they said may take their time.
fn is_lost(draft: &Draft<'_>, offer: &Offer, watch: Watch, seen: Option<Whereabouts>) -> Option<LostBy> {
    let left = watch.left?;
    let Some(seen) = seen.filter(|seen| seen.age <= draft.facts.policy.heard_within) else {
        return Some(LostBy::NoPosition);
    };
    let comes = seen.distance.0 <= THERE_M || left.0 - seen.distance.0 >= NEARER_M;
    let is_in_time = offer.state.expected_at().is_some_and(|at| draft.after(seen.way) <= at + GRACE);
    // A position from before the last look says nothing about whether they have moved since.
    let is_news = seen.age < draft.facts.policy.look_every;
    (!comes && !is_in_time && is_news).then_some(LostBy::NotMoving)
}

/// Somebody who was coming is not: those may fill the hole who were sent home because of that yes.
fn leave_a_hole(draft: &mut Draft<'_>) {
    draft.next.round += 1;
    if draft.next.class != Class::Service || draft.next.owner().is_some() {
        draft.ring_operators();
    }
    pass_on(draft);
}

/// Somebody will not go. The policy asks the next; where it may not, a person must know.
fn pass_on(draft: &mut Draft<'_>) {
    if asks_by_itself(draft) {
        draft.ask_next();
    } else if !draft.is_anybody_engaged() {
        draft.ring_operators();
    }
}

/// Lets go of whom the plan needs elsewhere: from daily help, and not whom an operator chose or who is
/// there.
pub(super) fn let_go(draft: &mut Draft<'_>) {
    let is_free_to_go = |offer: &Offer| {
        draft.is_needed_elsewhere(offer.responder)
            && offer.by.is_none()
            && offer.state.is_live()
            && offer.state != OfferState::OnScene
    };
    let ids = draft.offers_that(is_free_to_go);
    for id in &ids {
        draft.withdraw(*id);
    }
    if !ids.is_empty() {
        // Those may go now who were sent home because of this one.
        draft.next.round += 1;
        pass_on(draft);
    }
}

/// Asks whom the plan names beside whoever was asked before, and looks again for somebody while there is
/// nobody.
pub(super) fn heed_advice(draft: &mut Draft<'_>) {
    if !asks_by_itself(draft) {
        // What a further press said may have taken the reason away.
        draft.next.waits_until = None;
        return;
    }
    let has_waited = draft.next.waits_until.is_some_and(|until| until <= draft.now());
    let is_alone = draft.next.shortfall.is_some() || draft.next.waits_until.is_some();
    let is_looked_for = has_waited || is_alone && draft.looks_again;
    let is_named = draft.facts.advice.ask.is_some() && wants_somebody(draft);
    if is_looked_for || is_named {
        draft.ask_next();
    }
}

/// Whether the case is one that somebody may still be asked for: nobody has finished it in this round.
fn wants_somebody(draft: &Draft<'_>) -> bool {
    let round = draft.next.round;
    draft.next.presses_answered == draft.next.presses
        && !draft.next.offers.iter().any(|offer| offer.state == OfferState::Done && offer.round == round)
}

/// What a responder, or an operator about one, says.
pub(super) fn hear(draft: &mut Draft<'_>, input: Input) -> Result<(), Refusal> {
    match input {
        Input::Ask { by, responder } => {
            act_as_owner(draft, by)?;
            if draft.next.offers.iter().any(|offer| offer.responder == responder && offer.state.is_live()) {
                return Err(Refusal::AlreadyAsked);
            }
            draft.ask(responder, Some(by));
        }
        Input::Withdraw { by, offer: id } => {
            act_as_owner(draft, by)?;
            if !find(draft, id)?.state.is_live() {
                return Err(Refusal::OfferOver);
            }
            draft.withdraw(id);
        }
        Input::Accept { offer, minutes } => accept(draft, offer, minutes)?,
        Input::Decline { offer, reason } => decline(draft, offer, reason)?,
        Input::SetOut { offer, minutes } => set_out(draft, offer, minutes)?,
        Input::Arrive { offer: id } => {
            let offer = find(draft, id)?;
            match offer.state {
                OfferState::Accepted { .. } | OfferState::OnTheWay { .. } | OfferState::Lost { .. } => {}
                OfferState::OnScene => return Ok(()),
                _ => return Err(Refusal::OfferOver),
            }
            go_by(draft, &offer);
            draft.move_offer(id, OfferState::OnScene);
            draft.next.waits_until = None;
            see_to_order(draft, Some(draft.after(draft.facts.policy.service_lasts)));
            draft.emit(Effect::TellWearer(News::Arrived { who: Helper::Responder(offer.responder) }));
        }
        Input::Finish { offer: id } => {
            let offer = find(draft, id)?;
            match offer.state {
                OfferState::Done => return Ok(()),
                ref state if state.is_accepted() => draft.move_offer(id, OfferState::Done),
                _ => return Err(Refusal::OfferOver),
            }
        }
        _ => {}
    }
    Ok(())
}

fn find(draft: &Draft<'_>, id: OfferId) -> Result<Offer, Refusal> {
    draft.offer(id).cloned().ok_or(Refusal::NoSuchOffer)
}

fn is_anybody_accepted(draft: &Draft<'_>) -> bool {
    draft.next.offers.iter().any(|offer| offer.state.is_accepted())
}

fn accept(draft: &mut Draft<'_>, id: OfferId, minutes: u16) -> Result<(), Refusal> {
    let offer = find(draft, id)?;
    let expected_at = expected(draft, minutes);
    let there_at = draft.there_at(offer.responder).unwrap_or(expected_at);
    // Whom an operator asked for goes beside whoever goes already. Else the one who is there first goes,
    // and only if that is worth the trouble the one who said yes first does not.
    let rivals: Vec<Offer> = draft.next.offers.iter().filter(|other| other.state.is_accepted()).cloned().collect();
    let beats = |rival: &Offer| {
        let rival_at = draft.there_at(rival.responder).or(rival.state.expected_at());
        rival.by.is_none() && rival_at.is_some_and(|rival_at| there_at + WORTH_REPLACING <= rival_at)
    };
    let is_sooner = rivals.iter().all(beats);
    // Said twice, because the answer to the first was lost; or goes by another question of the same case.
    if rivals.iter().any(|rival| rival.responder == offer.responder) {
        return Ok(());
    }
    match offer.state {
        OfferState::Asked { .. } => {}
        // A yes that comes late is still a yes, unless somebody else is going and is there first. Whoever was
        // lost before does not chase away who comes.
        OfferState::Silent if is_sooner => {}
        OfferState::Lost { .. } if rivals.is_empty() => {}
        OfferState::Silent | OfferState::Lost { .. } => return Err(Refusal::Taken),
        _ => return Err(Refusal::OfferOver),
    }
    if offer.by.is_none() {
        if !is_sooner {
            draft.withdraw(id);
            return Ok(());
        }
        for rival in rivals {
            draft.withdraw(rival.id);
        }
    }
    draft.move_offer(id, OfferState::Accepted { expected_at });
    draft.next.shortfall = None;
    draft.next.waits_until = None;
    dismiss_asked(draft, &offer, there_at);
    see_to_order(draft, None);
    let who = Helper::Responder(offer.responder);
    draft.emit(Effect::TellWearer(News::Coming { who, expected_at: Some(expected_at) }));
    Ok(())
}

fn decline(draft: &mut Draft<'_>, id: OfferId, reason: String) -> Result<(), Refusal> {
    let offer = find(draft, id)?;
    match offer.state {
        OfferState::Declined { .. } => Ok(()),
        OfferState::Silent | OfferState::Lost { .. } => {
            draft.move_offer(id, OfferState::Declined { reason });
            Ok(())
        }
        state if state.is_live() => {
            draft.move_offer(id, OfferState::Declined { reason });
            if state.is_accepted() {
                leave_a_hole(draft);
            } else {
                pass_on(draft);
            }
            Ok(())
        }
        _ => Err(Refusal::OfferOver),
    }
}

fn set_out(draft: &mut Draft<'_>, id: OfferId, minutes: u16) -> Result<(), Refusal> {
    let offer = find(draft, id)?;
    let told = match offer.state {
        OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } => Some(expected_at),
        OfferState::Lost { .. } if !is_anybody_accepted(draft) => None,
        OfferState::Lost { .. } => return Err(Refusal::Taken),
        OfferState::OnScene => return Ok(()),
        _ => return Err(Refusal::OfferOver),
    };
    let expected_at = expected(draft, minutes);
    go_by(draft, &offer);
    draft.move_offer(id, OfferState::OnTheWay { expected_at });
    draft.next.waits_until = None;
    see_to_order(draft, None);
    // A pager that chimes for the same minutes twice tells nothing.
    if told.is_none_or(|told| expected_at.duration_since(told).abs() >= NEWS_WORTH) {
        let who = Helper::Responder(offer.responder);
        draft.emit(Effect::TellWearer(News::Coming { who, expected_at: Some(expected_at) }));
    }
    Ok(())
}

/// Who was given up, asked anew, and comes all the same goes by one question: the one that they speak of.
fn go_by(draft: &mut Draft<'_>, spoken_of: &Offer) {
    let is_another = |offer: &Offer| offer.id != spoken_of.id && offer.responder == spoken_of.responder;
    for id in draft.offers_that(|offer| is_another(offer) && offer.state.is_live()) {
        draft.move_offer(id, OfferState::Withdrawn);
    }
}

/// Somebody sees to an order that nobody owns: whoever was rung about it need not come. Held until then,
/// or as long as their own word allows.
fn see_to_order(draft: &mut Draft<'_>, until: Option<Timestamp>) {
    if draft.next.class == Class::Service && draft.next.owner().is_none() {
        draft.next.ring = until.map_or(Ring::Quiet, |until| Ring::Held { until });
    }
}

/// The others who were asked are told, but for those who would be there sooner: they may still say yes.
/// Who was asked anew and says yes to the earlier question must not hear that they are not needed.
fn dismiss_asked(draft: &mut Draft<'_>, winner: &Offer, there_at: Timestamp) {
    let is_needless = |offer: &Offer| {
        let would_be_there = draft.there_at(offer.responder).map(|at| at + WORTH_REPLACING);
        let may_be_sooner = winner.by.is_none() && would_be_there.is_some_and(|at| at <= there_at);
        offer.id != winner.id && matches!(offer.state, OfferState::Asked { .. }) && !may_be_sooner
    };
    for id in draft.offers_that(is_needless) {
        let is_winner = draft.offer(id).is_some_and(|offer| offer.responder == winner.responder);
        draft.move_offer(id, OfferState::Withdrawn);
        if !is_winner {
            draft.emit(Effect::DismissResponder(id));
        }
    }
}
