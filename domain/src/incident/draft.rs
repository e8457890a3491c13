//! A step in the making: the incident as it will be, and what is written and done besides.

use jiff::{SignedDuration, Timestamp};

use super::{
    Centre, Class, ClosedBy, Closure, Considered, ContactNews, Effect, Entry, Facts, Handover, HandoverState, Incident,
    News, OfferState, Origin, Outcome, Ownership, Ring, Step, ToldState, Voice,
};
use crate::id::{HandoverId, UserId};

/// The incident while a decision is being made about it.
pub(super) struct Draft<'f> {
    pub(super) next: Incident,
    pub(super) facts: &'f Facts,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    pub(super) considered: Vec<Considered>,
    pub(super) lacks_candidates: bool,
    /// Whether it is looked again for somebody while there is nobody.
    pub(super) looks_again: bool,
    used: usize,
}

impl<'f> Draft<'f> {
    pub(super) fn new(incident: &Incident, facts: &'f Facts) -> Self {
        Self {
            next: incident.clone(),
            facts,
            entries: Vec::new(),
            effects: Vec::new(),
            considered: Vec::new(),
            lacks_candidates: false,
            looks_again: true,
            used: 0,
        }
    }

    pub(super) fn finish(self) -> Step {
        Step {
            next: self.next,
            entries: self.entries,
            effects: self.effects,
            considered: self.considered,
            lacks_candidates: self.lacks_candidates,
        }
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

    pub(super) fn write_once(&mut self, entry: Entry) {
        if !self.entries.contains(&entry) {
            self.write(entry);
        }
    }

    /// Whether this very decision has asked somebody: one question a decision is enough.
    pub(super) fn has_asked(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Asked { .. }))
    }

    pub(super) fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Answers the wearer's call. Who wandered off has not called: their terminal keeps quiet until
    /// there is news of somebody coming.
    pub(super) fn answer(&mut self, news: News) {
        if self.next.class != Class::Wandering {
            self.emit(Effect::TellWearer(news));
        }
    }

    pub(super) fn fresh(&mut self) -> uuid::Uuid {
        let id = self.facts.fresh[self.used];
        self.used += 1;
        id
    }

    // ---- ownership and ring -------------------------------------------------------------------

    pub(super) fn own(&mut self, by: UserId) {
        let from = self.next.owner().filter(|owner| *owner != by);
        let check_at = self.after(self.facts.policy.check_owner_every);
        self.next.ownership = Ownership::Claimed { by, since: self.now(), check_at };
        self.quieten();
        self.write(Entry::Claimed { by, from });
    }

    pub(super) fn quieten(&mut self) {
        self.next.ring = Ring::Quiet;
    }

    /// An order for daily help that somebody sees to rings nobody, until they are late; one that nobody
    /// sees to rings, unless its owner knows.
    pub(super) fn hold_order(&mut self) {
        let is_order = self.next.class == Class::Service && self.next.owner().is_none();
        if !is_order || matches!(self.next.ring, Ring::Ringing { .. }) {
            return;
        }
        let policy = self.facts.policy;
        let held_until = self.next.ring.next_at();
        let until = self.next.offers.iter().filter_map(|offer| match offer.state {
            OfferState::Asked { answer_by } => Some(answer_by),
            OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } => {
                Some(expected_at + policy.service_late_after)
            }
            // When they came is not kept; the hold that began then is.
            OfferState::OnScene => Some(held_until.unwrap_or(self.after(policy.service_lasts))),
            _ => None,
        });
        match until.chain(self.next.waits_until).min() {
            Some(until) if until > self.now() => self.next.ring = Ring::Held { until },
            _ => self.ring_operators(),
        }
    }

    // ---- hand-overs ---------------------------------------------------------------------------

    /// The policy wants every centre that the alerts call for.
    pub(super) fn want_centres(&mut self) {
        for centre in self.next.centres_wanted() {
            self.want_centre(centre);
        }
    }

    /// The policy wants a centre that is not on it already: it is called, where it is proved who calls for help. Where
    /// anybody may have used the name, a person is to say so; and of nobody we know, it is for a person to think of it.
    pub(super) fn want_centre(&mut self, centre: Centre) {
        match self.next.origin {
            _ if self.is_on_it(centre) => {}
            Origin::Listed => self.call_centre(centre, None),
            Origin::Unproved => {
                let handover = self.hand_over(centre, HandoverState::Proposed);
                self.write(Entry::CentreProposed { handover, centre });
            }
            Origin::Unlisted => {}
        }
    }

    /// Whether it was handed to a centre since the last press, or proposed to be where it may only be proposed.
    pub(super) fn is_on_it(&self, centre: Centre) -> bool {
        let may_call = self.next.origin == Origin::Listed;
        let counts = |handover: &Handover| !(may_call && handover.state == HandoverState::Proposed);
        let mut handovers = self.next.handovers.iter();
        handovers.any(|handover| handover.centre == centre && !handover.outlived && counts(handover))
    }

    /// Hands over to a centre, as was proposed if it was.
    pub(super) fn call_centre(&mut self, centre: Centre, by: Option<UserId>) {
        let prepared = HandoverState::Prepared { acknowledge_by: self.after(self.facts.policy.acknowledge_within) };
        let mut handovers = self.next.handovers.iter_mut();
        let handover = match handovers.find(|held| held.centre == centre && held.state == HandoverState::Proposed) {
            Some(proposed) => {
                proposed.state = prepared;
                proposed.id
            }
            None => self.hand_over(centre, prepared),
        };
        self.write(Entry::HandedOver { handover, centre, by });
        self.emit(Effect::CallCentre(handover));
    }

    fn hand_over(&mut self, centre: Centre, state: HandoverState) -> HandoverId {
        let id = HandoverId(self.fresh());
        self.next.handovers.push(Handover { id, centre, state, voice: Voice::NotNeeded, outlived: false });
        id
    }

    /// A press has come: what ended before it is no answer to it.
    pub(super) fn outlive_handovers(&mut self) {
        for handover in &mut self.next.handovers {
            handover.outlived |= matches!(handover.state, HandoverState::StoodDown { .. } | HandoverState::Closed);
        }
    }

    pub(super) fn move_handover(&mut self, id: HandoverId, state: HandoverState, reference: Option<String>) {
        let Some(handover) = self.next.handovers.iter_mut().find(|handover| handover.id == id) else { return };
        handover.state = state.clone();
        let centre = handover.centre;
        self.write(Entry::HandoverMoved { handover: id, centre, state, reference });
    }

    pub(super) fn require_voice(&mut self, id: HandoverId) {
        let ring_at = self.after(self.ladder().every());
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

    /// A canary's press has come as far as a decision, and that is all there is to it.
    pub(super) fn come_through(&mut self) {
        let (by, outcome) = (ClosedBy::Canary, Outcome::Test);
        self.next.presses_answered = self.next.presses;
        self.next.closure = Closure::Closed { outcome, at: self.now(), by };
        self.write(Entry::Closed { by, outcome, note: None });
    }

    pub(super) fn close(&mut self, by: ClosedBy, outcome: Outcome, note: Option<String>) {
        self.dismiss_all();
        self.next.closure = Closure::Closed { outcome, at: self.now(), by };
        self.quieten();
        self.next.tell_next_at = None;
        self.next.waits_until = None;
        self.next.closes_at = None;
        self.write(Entry::Closed { by, outcome, note });
        for told in self.next.told.clone() {
            if matches!(told.state, ToldState::Told | ToldState::Reached) {
                self.emit(Effect::TellContact { rank: told.rank, news: ContactNews::AllClear });
            }
        }
        self.emit(Effect::TellWearer(News::AllClear));
    }
}
