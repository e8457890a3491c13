//! What must have happened somewhere, or a simulation proves less than it says.

use domain::id::ResponderId;
use domain::incident::{
    Centre, Class, ClosedBy, Closure, Entry, Facts, HandoverState, Incident, Input, LostBy, Offer, OfferState, Origin,
    Outcome, Ring, Step, ToldState,
};

use crate::property;
use crate::world::World;

impl World {
    #[expect(clippy::too_many_lines, reason = "a list of what is counted")]
    pub(crate) fn tally_up(&mut self, before: &Incident, facts: &Facts, input: &Input, step: &Step) {
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
        self.tally_up_plan(before, facts, input, step);
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
                Entry::Closed { by: ClosedBy::Return, .. } => self.count("close by itself, because they are back"),
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
        if before.closes_at.is_some() && next.is_open() && next.closes_at.is_none() {
            self.count("somebody has a hand in it after all");
        }
        if next.class == Class::Wandering && next.offers.iter().any(|offer| offer.state.is_accepted()) {
            self.count("somebody goes to look for a wanderer");
        }
        if before.origin == Origin::Unlisted {
            self.count("unlisted source");
        }
        for entry in &step.entries {
            match entry {
                Entry::CentreProposed { .. } => self.count("centre proposed"),
                Entry::HandedOver { handover, by, .. } if before.handovers.iter().any(|was| was.id == *handover) => {
                    self.count(if by.is_some() { "proposal confirmed" } else { "proposal proved" });
                }
                Entry::HandoverMoved { handover, .. }
                    if before
                        .handovers
                        .iter()
                        .any(|was| was.id == *handover && was.state == HandoverState::Proposed) =>
                {
                    self.count("proposal not needed");
                }
                _ => {}
            }
        }
        if before.origin == Origin::Unproved && property::asked_by_itself(step).next().is_some() {
            self.count("asked for a source that proves nothing");
        }
        if !before.is_open() {
            self.count("report after the end");
        }
    }

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

    fn tally_up_plan(&mut self, before: &Incident, facts: &Facts, input: &Input, step: &Step) {
        let asked: Vec<ResponderId> = property::asked_by_itself(step).map(|(_, responder)| responder).collect();
        if asked.iter().any(|asked| facts.advice.ask == Some(*asked)) {
            self.count("whom the plan named");
            let is_engaged = |offer: &Offer| offer.state.is_live() && !asked.contains(&offer.responder);
            if step.next.offers.iter().any(is_engaged) {
                self.count("asked beside somebody");
            }
        }
        let is_let_go = |(was, is): (&Offer, &Offer)| {
            facts.advice.let_go == Some(is.responder) && was.state.is_live() && is.state == OfferState::Withdrawn
        };
        if *input == Input::Wake && before.offers.iter().zip(&step.next.offers).any(is_let_go) {
            self.count("taken from daily help by the plan");
        }
        let is_lost = |entry: &Entry| matches!(entry, Entry::Answered { state: OfferState::Lost { .. }, .. });
        // At once, or when there is a plan that knows of it.
        let was_lost = before.offers.last().is_some_and(|offer| matches!(offer.state, OfferState::Lost { .. }));
        if !asked.is_empty() && (was_lost || step.entries.iter().any(is_lost)) {
            self.count("lost and replaced");
        }
    }
}
