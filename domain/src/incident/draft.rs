//! A step in the making: the incident as it will be, and what is written and done besides.

use jiff::{SignedDuration, Timestamp};

use super::{
    Centre, Class, ClosedBy, Closure, Considered, ContactNews, Effect, Entry, Facts, Handover, HandoverState, Incident,
    Level, News, OfferState, Outcome, Ownership, Presence, Ring, Shortfall, Step, ToldState, Voice,
};
use crate::id::{HandoverId, UserId};

/// The incident while a decision is being made about it.
pub(super) struct Draft<'f> {
    pub(super) next: Incident,
    pub(super) facts: &'f Facts,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    pub(super) considered: Vec<Considered>,
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
            used: 0,
        }
    }

    pub(super) fn finish(self) -> Step {
        Step { next: self.next, entries: self.entries, effects: self.effects, considered: self.considered }
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

    /// Rings from the lowest rung on which somebody is there to hear it. What rings already rings
    /// again on its own rung, and its next rung comes no later for it; sooner, when the ring was for an
    /// owner who is no more.
    pub(super) fn ring_operators(&mut self) {
        if let Ring::Ringing { level, next_at } = self.next.ring {
            let unowned_by = self.after(self.patience(level));
            let is_owned = self.next.owner().is_some();
            self.ring(level, if is_owned { next_at } else { next_at.min(unowned_by) });
        } else if self.rings_in_vain(Level::Operators) {
            self.ring_supervisors(self.now());
        } else {
            let next_at = self.after(self.patience(Level::Operators));
            self.ring(Level::Operators, next_at);
        }
    }

    /// The rung above the operators, due since `due_at`. A rung that was noticed late (the process was
    /// away) takes nothing from the next one's time: that is counted from when it was due.
    pub(super) fn ring_supervisors(&mut self, due_at: Timestamp) {
        let next_at = due_at + self.patience(Level::Supervisors);
        if next_at <= self.now() || self.rings_in_vain(Level::Supervisors) {
            self.ring_supervisors_again();
        } else {
            self.ring(Level::Supervisors, next_at);
        }
    }

    /// The uppermost rung: what nobody owns goes to the centres by itself, who kept silent may be asked
    /// once more, and everybody is rung until somebody takes it.
    pub(super) fn ring_supervisors_again(&mut self) {
        if self.next.owner().is_none() {
            self.call_centres(None);
            if self.next.shortfall == Some(Shortfall::AllAsked) {
                self.next.round += 1;
                self.ask_next();
            }
        }
        let next_at = self.after(self.facts.policy.ring_again_every);
        self.ring(Level::Supervisors, next_at);
    }

    /// Whether nobody at all hears a rung: nobody owns it and nobody who is rung is there.
    pub(super) fn rings_in_vain(&self, level: Level) -> bool {
        let operators_gone = self.facts.operators == Presence::Gone;
        let supervisors_gone = self.facts.supervisors == Presence::Gone;
        self.next.owner().is_none() && operators_gone && (level != Level::Supervisors || supervisors_gone)
    }

    /// How long a rung has, before the next one.
    fn patience(&self, level: Level) -> SignedDuration {
        let policy = self.facts.policy;
        if self.next.class == Class::Service {
            return match level {
                Level::Quiet | Level::Operators => policy.service_supervisors_after,
                Level::Supervisors => policy.ring_again_every,
            };
        }
        match level {
            Level::Quiet | Level::Operators => policy.supervisors_after.min(policy.centre_after),
            Level::Supervisors => (policy.centre_after - policy.supervisors_after).max(SignedDuration::ZERO),
        }
    }

    fn ring(&mut self, level: Level, next_at: Timestamp) {
        self.next.ring = Ring::Ringing { level, next_at };
        // However many reasons a decision has to ring, it rings once.
        if !self.entries.contains(&Entry::Rung { level }) {
            self.write(Entry::Rung { level });
        }
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

    /// Hands over to every centre that the alerts call for and that is not on it already.
    pub(super) fn call_centres(&mut self, by: Option<UserId>) {
        if self.next.origin == super::Origin::Unlisted && by.is_none() {
            return;
        }
        for centre in self.next.centres_wanted() {
            let is_on_it = self.next.handovers.iter().any(|handover| handover.centre == centre && !handover.outlived);
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
            outlived: false,
        };
        self.write(Entry::HandedOver { handover: handover.id, centre, by });
        self.emit(Effect::CallCentre(handover.id));
        self.next.handovers.push(handover);
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
        self.write(Entry::Closed { by, outcome, note });
        for told in self.next.told.clone() {
            if matches!(told.state, ToldState::Told | ToldState::Reached) {
                self.emit(Effect::TellContact { rank: told.rank, news: ContactNews::AllClear });
            }
        }
        self.emit(Effect::TellWearer(News::AllClear));
    }
}
