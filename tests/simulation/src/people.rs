//! How the people and machines around the core behave: willing, slow, mute, fickle, contradictory.

use domain::id::{HandoverId, OfferId};
use domain::incident::{
    Authority, Category, Centre, CentreWord, Class, HandoverState, Incident, Input, OfferState, Outcome, Ring, Voice,
};

use crate::dice::Dice;
use crate::world::{Scene, World};

/// What a responder does when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    /// Says yes in time, goes, arrives and finishes. Always.
    Willing,
    /// Says no.
    Unwilling,
    /// Says nothing.
    Mute,
    /// Says yes when the question has long been passed on, and may regret that too.
    Late,
    /// Says yes, then no.
    Fickle,
    /// Says everything twice.
    Doubled,
    /// Says yes and is never heard of again.
    Vanishing,
    /// Says yes and no at once.
    Confused,
}

impl Temper {
    pub(crate) const ALL: [Self; 8] = [
        Self::Willing,
        Self::Unwilling,
        Self::Mute,
        Self::Late,
        Self::Fickle,
        Self::Doubled,
        Self::Vanishing,
        Self::Confused,
    ];
}

/// What a centre does with a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Acknowledges in time, comes, finishes.
    Prompt,
    /// The same, when somebody has long telephoned.
    Slow,
    /// Takes the message and says nothing more.
    Mute,
    /// Will not come.
    Refusing,
    /// Acknowledges, then will not come after all.
    Recanting,
    /// Says everything twice.
    Doubled,
    /// Says everything in any order.
    Scrambled,
    /// Cannot be reached.
    Unreachable,
    /// Seems out of reach, and comes all the same.
    Ghostly,
    /// Acknowledges and finishes, without ever having come.
    Lying,
}

impl Manner {
    pub(crate) const ALL: [Self; 10] = [
        Self::Prompt,
        Self::Slow,
        Self::Mute,
        Self::Refusing,
        Self::Recanting,
        Self::Doubled,
        Self::Scrambled,
        Self::Unreachable,
        Self::Ghostly,
        Self::Lying,
    ];
}

impl World {
    /// A responder's telephone shows an offer.
    pub(crate) fn show_offer(&mut self, case: usize, offer: OfferId, temper: Temper) {
        let minutes = self.minutes_said(case, offer);
        let accept = Input::Accept { offer, minutes };
        let decline = Input::Decline { offer, reason: "no".into() };
        let quick = self.dice.span(1_000, 12_000);
        let answer = match temper {
            Temper::Late => self.dice.span(20_000, 300_000),
            _ => quick,
        };
        match temper {
            Temper::Mute => return,
            Temper::Unwilling => return self.call_in(case, answer, decline),
            Temper::Confused if self.dice.chance(50) => {
                self.call_in(case, answer, decline);
                return self.call_in(case, answer, accept);
            }
            Temper::Confused => {
                self.call_in(case, answer, accept);
                return self.call_in(case, answer, decline);
            }
            _ => self.call_in(case, answer, accept.clone()),
        }
        if temper == Temper::Fickle || temper == Temper::Late && self.dice.chance(40) {
            let regret = answer + self.dice.span(100, 150_000);
            return self.call_in(case, regret, decline);
        }
        if temper == Temper::Vanishing {
            return;
        }
        let set_out = answer + self.dice.span(1_000, 20_000);
        let arrive = set_out + self.way_taken(case, offer);
        let finish = arrive + self.work_done(case);
        let steps = [
            (answer, accept),
            (set_out, Input::SetOut { offer, minutes }),
            (arrive, Input::Arrive { offer }),
            (finish, Input::Finish { offer }),
        ];
        for (index, (after, step)) in steps.into_iter().enumerate() {
            if temper == Temper::Doubled {
                let again = after + self.dice.span(0, 4_000);
                self.call_in(case, again, step.clone());
            }
            if index > 0 {
                self.call_in(case, after, step);
            }
        }
    }

    /// A centre's machine has a hand-over, or fails to get it.
    pub(crate) fn show_handover(&mut self, case: usize, handover: HandoverId, manner: Manner) {
        let says = |word| Input::CentreSays { handover, word, reference: Some("R1".into()) };
        let minutes = self.dice.chance(70).then_some(4);
        let refused = says(CentreWord::Refused { reason: "no vehicle".into() });
        let mut script = vec![
            (self.dice.span(2_000, 9_000), says(CentreWord::Acknowledged)),
            (self.dice.span(10_000, 60_000), says(CentreWord::Dispatched { minutes })),
            (self.dice.span(90_000, 400_000), says(CentreWord::Arrived)),
            (self.dice.span(410_000, 700_000), says(CentreWord::Closed)),
        ];
        match manner {
            Manner::Prompt | Manner::Doubled => {}
            Manner::Slow | Manner::Ghostly => {
                let delay = self.dice.span(15_000, 80_000);
                for (after, _) in &mut script {
                    *after += delay;
                }
            }
            Manner::Mute | Manner::Unreachable => script.clear(),
            Manner::Refusing => script = vec![(self.dice.span(1_000, 40_000), refused)],
            Manner::Recanting => {
                script.truncate(self.dice.index(2) + 1);
                script.push((self.dice.span(61_000, 120_000), refused));
            }
            Manner::Scrambled => {
                for (after, _) in &mut script {
                    *after = self.dice.span(1_000, 200_000);
                }
            }
            Manner::Lying => {
                script.truncate(1);
                script.push((self.dice.span(10_000, 120_000), says(CentreWord::Closed)));
            }
        }
        let first = if matches!(manner, Manner::Unreachable | Manner::Ghostly) {
            (self.dice.span(3_000, 40_000), Input::CentreUnreachable { handover })
        } else {
            (self.dice.span(100, 3_000), Input::CentreHasIt { handover })
        };
        for (after, input) in std::iter::once(first).chain(script) {
            if manner == Manner::Doubled {
                let again = after + self.dice.span(0, 90_000);
                self.call_in(case, again, input.clone());
            }
            self.call_in(case, after, input);
        }
    }

    /// What somebody at a console does about an incident in front of them.
    pub(crate) fn attend(&mut self, person: usize, incident: &Incident) -> Option<Input> {
        let by = self.staff[person].id;
        let authority = self.staff[person].authority;
        match incident.owner() {
            Some(owner) if owner == by => act(&mut self.dice, self.scene, by, incident, self.responders.as_slice()),
            // Now and then somebody acts on what is not theirs, or on what is over.
            _ if self.dice.chance(3) => act(&mut self.dice, self.scene, by, incident, self.responders.as_slice()),
            Some(_) if authority == Authority::Supervisor && self.dice.chance(15) => {
                Some(Input::Claim { by, authority })
            }
            Some(_) if self.dice.chance(90) => None,
            _ => Some(Input::Claim { by, authority }),
        }
    }
}

fn act(
    dice: &mut Dice,
    scene: Scene,
    by: domain::id::UserId,
    incident: &Incident,
    responders: &[crate::world::Responder],
) -> Option<Input> {
    let due = incident.handovers.iter().find(|handover| matches!(handover.voice, Voice::Due { .. }));
    if let Some(handover) = due
        && dice.chance(60)
    {
        return Some(Input::VoiceDone { by, centre: handover.centre, reference: None });
    }
    if matches!(incident.grid_officer, Voice::Due { .. }) && dice.chance(30) {
        return Some(Input::GridOfficerCalled { by });
    }
    if incident.ring != Ring::Quiet && dice.chance(50) {
        return Some(Input::Claim { by, authority: Authority::Operator });
    }
    let is_unclear = incident.class == Class::Service && incident.category.is_none();
    if dice.chance(if is_unclear { 70 } else { 2 }) {
        let category = dice.pick(&["meal", "repair"]).to_owned();
        return Some(Input::Categorize { by, category: Category(category) });
    }
    if scene.whims < 100 && !dice.chance(scene.whims) {
        // Who only has to be telephoned is soon well.
        let is_talk = matches!(incident.class, Class::Wandering | Class::Welfare) && dice.chance(25);
        let is_over = is_talk || may_close(dice, scene, incident);
        let outcome = if incident.class == Class::Wandering { Outcome::Found } else { Outcome::NoInjury };
        return is_over.then_some(Input::Close { by, outcome, note: None });
    }
    let centre = dice.pick(&[Centre::Ambulance, Centre::Ambulance, Centre::Fire, Centre::Police]);
    match dice.below(10) {
        0 if !responders.is_empty() => Some(Input::Ask { by, responder: responders[dice.index(responders.len())].id }),
        1 if !incident.offers.is_empty() => {
            let offer = incident.offers[dice.index(incident.offers.len())].id;
            Some(Input::Withdraw { by, offer })
        }
        2 => Some(Input::HandOver { by, centre }),
        3 => Some(Input::StandDown { by, centre, reason: "fine".into() }),
        4 => Some(Input::Note { by, text: "spoke to her".into() }),
        5 => Some(Input::Release { by }),
        6 | 7 if may_close(dice, scene, incident) => {
            Some(Input::Close { by, outcome: dice.pick(&[Outcome::NoInjury, Outcome::FalsePress]), note: None })
        }
        _ => None,
    }
}

/// Operators close what seems over; rarely anything at all.
fn may_close(dice: &mut Dice, scene: Scene, incident: &Incident) -> bool {
    let is_helped = incident.offers.iter().any(|offer| matches!(offer.state, OfferState::Done | OfferState::OnScene))
        || incident.handovers.iter().any(|handover| handover.state == HandoverState::Closed);
    is_helped || dice.chance(scene.hasty)
}
