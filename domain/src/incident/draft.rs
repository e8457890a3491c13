//! A step in the making: the incident as it will be, and what is written and done besides.

use jiff::{SignedDuration, Timestamp};

use super::{
    Candidate, Centre, Closure, Effect, Entry, Facts, Handover, HandoverState, Incident, Level, Offer, OfferState,
    Outcome, Ownership, Ring, Shortfall, Step, Voice,
};
use crate::id::{HandoverId, OfferId, ResponderId, UserId};

/// The incident while a decision is being made about it.
pub(super) struct Draft<'f> {
    pub(super) next: Incident,
    pub(super) facts: &'f Facts,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    used: usize,
}

impl<'f> Draft<'f> {
    pub(super) fn new(incident: &Incident, facts: &'f Facts) -> Self {
        Self { next: incident.clone(), facts, entries: Vec::new(), effects: Vec::new(), used: 0 }
    }

    pub(super) fn finish(self) -> Step {
        Step { next: self.next, entries: self.entries, effects: self.effects }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.facts.now
    }

    pub(super) fn after(&self, wait: SignedDuration) -> Timestamp {
        self.facts.now + wait
    }

    pub(super) fn write(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn fresh(&mut self) -> uuid::Uuid {
        let id = self.facts.fresh[self.used];
        self.used += 1;
        id
    }

    // ---- ownership and ring -------------------------------------------------------------------

    pub(super) fn own(&mut self, by: UserId) {
        let from = self.next.owner().filter(|owner| *owner != by);
        let check_at = self.after(self.facts.policy.check_owner_every);
        self.next.ownership = Ownership::Claimed { by, since: self.now(), check_at };
        self.next.operator_decides = false;
        self.quieten();
        self.write(Entry::Claimed { by, from });
    }

    pub(super) fn disown(&mut self) {
        self.next.ownership = Ownership::Unclaimed;
        self.ring_operators();
    }

    pub(super) fn quieten(&mut self) {
        self.next.ring = Ring::Quiet;
    }

    /// Rings from the lowest rung on which somebody is there to hear it. What rings already rings
    /// again on its own rung, and its next rung comes no later for it.
    pub(super) fn ring_operators(&mut self) {
        if let Ring::Ringing { level, .. } = self.next.ring {
            self.write(Entry::Rung { level });
            return;
        }
        if self.facts.operators == super::Presence::Gone && self.next.owner().is_none() {
            self.ring_supervisors();
            return;
        }
        let next_at = self.after(self.facts.policy.supervisors_after);
        self.ring(Level::Operators, next_at);
    }

    pub(super) fn ring_supervisors(&mut self) {
        let policy = self.facts.policy;
        let wait = if self.facts.supervisors == super::Presence::Gone && self.next.owner().is_none() {
            // Nobody is there at all: no use in waiting for them before 120 is called.
            SignedDuration::ZERO
        } else {
            policy.centre_after - policy.supervisors_after
        };
        if wait.is_zero() {
            self.call_centres(None);
        }
        let next_at = self.after(if wait.is_zero() { policy.ring_again_every } else { wait });
        self.ring(Level::Supervisors, next_at);
    }

    pub(super) fn ring(&mut self, level: Level, next_at: Timestamp) {
        self.next.ring = Ring::Ringing { level, next_at };
        self.write(Entry::Rung { level });
    }

    // ---- offers -------------------------------------------------------------------------------

    pub(super) fn ask(&mut self, responder: ResponderId, by: Option<UserId>) {
        let offer = Offer {
            id: OfferId(self.fresh()),
            responder,
            round: self.next.round,
            asked_at: self.now(),
            state: OfferState::Asked { answer_by: self.after(self.facts.policy.offer_window) },
        };
        self.next.shortfall = None;
        self.write(Entry::Asked { offer: offer.id, responder, by });
        self.emit(Effect::AskResponder(offer.id));
        self.next.offers.push(offer);
    }

    /// Asks the nearest who has neither declined nor been asked in this round; when nobody is left,
    /// says so loudly.
    pub(super) fn ask_next(&mut self) {
        if self.next.offers.iter().any(|offer| offer.state.is_live()) {
            return;
        }
        match self.choose() {
            Ok(candidate) => self.ask(candidate.responder, None),
            Err(shortfall) => {
                if self.next.shortfall != Some(shortfall) {
                    self.next.shortfall = Some(shortfall);
                    self.write(Entry::NobodyLeft { shortfall });
                    self.ring_operators();
                }
            }
        }
    }

    fn choose(&self) -> Result<Candidate, Shortfall> {
        let candidates = self.facts.candidates.as_ref().ok_or(Shortfall::PlaceUnknown)?;
        let is_spent = |responder| {
            self.next.offers.iter().any(|offer| {
                offer.responder == responder
                    && (offer.round == self.next.round || matches!(offer.state, OfferState::Declined { .. }))
            })
        };
        candidates
            .iter()
            .copied()
            .find(|candidate| !is_spent(candidate.responder))
            .ok_or(if self.next.offers.is_empty() { Shortfall::NobodyNear } else { Shortfall::AllAsked })
    }

    pub(super) fn move_offer(&mut self, id: OfferId, state: OfferState) {
        let Some(offer) = self.next.offers.iter_mut().find(|offer| offer.id == id) else { return };
        offer.state = state.clone();
        let responder = offer.responder;
        self.write(Entry::Answered { offer: id, responder, state });
    }

    /// Tells everybody who is still engaged, but for `keep`, that they are not needed.
    pub(super) fn dismiss_all(&mut self, keep: Option<OfferId>) {
        let live: Vec<OfferId> = self
            .next
            .offers
            .iter()
            .filter(|offer| offer.state.is_live() && Some(offer.id) != keep)
            .map(|offer| offer.id)
            .collect();
        for id in live {
            self.move_offer(id, OfferState::Withdrawn);
            self.emit(Effect::DismissResponder(id));
        }
    }

    // ---- hand-overs ---------------------------------------------------------------------------

    /// Hands over to every centre that the alerts call for and that is not on it already.
    pub(super) fn call_centres(&mut self, by: Option<UserId>) {
        if self.next.origin == super::Origin::Unlisted && by.is_none() {
            return;
        }
        for centre in self.next.centres_wanted() {
            let unanswered = self.next.presses_answered < self.next.presses;
            let is_on_it = self.next.handovers.iter().any(|handover| {
                handover.centre == centre
                    // One that was stood down or has finished is called again only by a new press.
                    && !(unanswered && matches!(handover.state, HandoverState::StoodDown { .. } | HandoverState::Closed))
            });
            if !is_on_it {
                self.call_centre(centre, by);
            }
        }
    }

    pub(super) fn call_centre(&mut self, centre: Centre, by: Option<UserId>) {
        let handover = Handover {
            id: HandoverId(self.fresh()),
            centre,
            state: HandoverState::Prepared { acknowledge_by: self.after(self.facts.policy.acknowledge_within) },
            voice: Voice::NotNeeded,
        };
        self.write(Entry::HandedOver { handover: handover.id, centre, by });
        self.emit(Effect::CallCentre(handover.id));
        self.next.handovers.push(handover);
    }

    pub(super) fn move_handover(&mut self, id: HandoverId, state: HandoverState, reference: Option<String>) {
        let Some(handover) = self.next.handovers.iter_mut().find(|handover| handover.id == id) else { return };
        handover.state = state.clone();
        let centre = handover.centre;
        self.write(Entry::HandoverMoved { handover: id, centre, state, reference });
    }

    pub(super) fn require_voice(&mut self, id: HandoverId) {
        let ring_at = self.after(self.facts.policy.ring_again_every);
        let Some(handover) = self.next.handovers.iter_mut().find(|handover| handover.id == id) else { return };
        let is_new = handover.voice == Voice::NotNeeded;
        if let Voice::Done { .. } = handover.voice {
            return;
        }
        handover.voice = Voice::Due { ring_at };
        let centre = handover.centre;
        if is_new {
            self.write(Entry::VoiceDue { centre });
        }
        self.ring_operators();
    }

    // ---- closure ------------------------------------------------------------------------------

    pub(super) fn close(&mut self, by: UserId, outcome: Outcome, note: Option<String>) {
        self.dismiss_all(None);
        self.next.closure = Closure::Closed { outcome, at: self.now(), by };
        self.quieten();
        self.write(Entry::Closed { by, outcome, note });
    }
}
