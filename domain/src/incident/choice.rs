//! Whom to ask: who may be asked at all, who comes first, and why each of the others does not.
//!
//! The list of [`Candidate`]s comes from outside, with everybody who was looked at; what somebody has
//! answered in this very case is known here. Whoever is passed over is told of in the [`Verdict`], so that an
//! operator, a provider or an inspector can read why.

use jiff::{SignedDuration, Timestamp};

use super::draft::Draft;
use super::{Class, Looked, Offer, OfferState};
use crate::id::ResponderId;
use crate::place::Metres;
use crate::word::{Word as _, words};

/// By itself the policy has no more questions open than this.
const ASKED_MAX: usize = 3;
/// A plan that was overtaken is looked for anew after this long: as often as it is looked what is due.
const PLANNED_ANEW_WITHIN: SignedDuration = SignedDuration::from_millis(200);

/// Somebody who was looked at when it was to be decided who goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Who.
    pub responder: ResponderId,
    /// How far away, as the crow flies; none: nobody knows where they are.
    pub distance: Option<Metres>,
    /// How long until they would be there, and what quality and fairness put them back by
    /// ([`crate::dispatch::put_back`]).
    pub reckoned: Option<SignedDuration>,
    /// The first thing that stands in the way; none: nothing does.
    pub unfit: Option<Unfit>,
}

words! {
    /// What stands in the way of asking somebody: the later in this list, the nearer they are to being asked.
    pub enum Unfit ("reason not to ask somebody") {
        /// Their provider has no contract for this, here.
        NotContracted = "not_contracted",
        /// It has one, but not at this hour.
        OutOfHours = "out_of_hours",
        /// They do not do this.
        Unskilled = "unskilled",
        /// They are not at work.
        OffDuty = "off_duty",
        /// Nobody knows where they are.
        PlaceUnknown = "place_unknown",
        /// Where they were is known, but that was too long ago.
        PositionOld = "position_old",
        /// They are out of reach.
        TooFar = "too_far",
        /// The person does not want them any more.
        Refused = "refused",
        /// The person asked for another sex or language.
        NotAsAsked = "not_as_asked",
        /// Their provider has as many on the way as its contract allows.
        ProviderFull = "provider_full",
        /// They are asked, or go, somewhere else.
        Engaged = "engaged",
    }
}

words! {
    /// Why nobody can be asked to go.
    pub enum Shortfall ("shortfall") {
        /// Where the person is, is not known.
        PlaceUnknown = "place_unknown",
        /// No provider has a contract for this, here and now.
        NoneContracted = "none_contracted",
        /// Of those who have, nobody is at work.
        NoneOnDuty = "none_on_duty",
        /// Where those are who are at work is not known, or was too long ago.
        PositionsOld = "positions_old",
        /// They are all out of reach.
        AllTooFar = "all_too_far",
        /// Whoever is in reach is not somebody whom the person wants, or cannot do this.
        NoneSuitable = "none_suitable",
        /// Whoever could go is engaged elsewhere.
        AllBusy = "all_busy",
        /// Everybody who could go was asked and said no, or nothing.
        AllAsked = "all_asked",
    }
}

impl Shortfall {
    /// What it means that nobody got further than this.
    const fn of(furthest: Unfit) -> Self {
        match furthest {
            Unfit::NotContracted | Unfit::OutOfHours => Self::NoneContracted,
            Unfit::Unskilled | Unfit::Refused | Unfit::NotAsAsked => Self::NoneSuitable,
            Unfit::OffDuty => Self::NoneOnDuty,
            Unfit::PlaceUnknown | Unfit::PositionOld => Self::PositionsOld,
            Unfit::TooFar => Self::AllTooFar,
            Unfit::ProviderFull | Unfit::Engaged => Self::AllBusy,
        }
    }
}

/// What was thought of somebody when it was decided whom to ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Considered {
    /// Whom it is about.
    pub candidate: Candidate,
    /// What was thought of them.
    pub verdict: Verdict,
}

/// Why somebody was asked or passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Asked.
    Asked,
    /// Would be there later than whoever was asked.
    Later,
    /// Is kept for another case, or for what is likely to come.
    KeptBack,
    /// Somebody who will be free soon would be there sooner.
    SoonerSoon,
    /// Was asked in this round already, and is going, silent or lost.
    AskedBefore,
    /// Has said no.
    Declined,
    /// May not be asked.
    Unfit(Unfit),
}

impl Verdict {
    /// A stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Later => "later",
            Self::KeptBack => "kept_back",
            Self::SoonerSoon => "sooner_soon",
            Self::AskedBefore => "asked_before",
            Self::Declined => "declined",
            Self::Unfit(unfit) => unfit.as_str(),
        }
    }
}

impl Draft<'_> {
    /// Whom the plan wants asked, if that can be done now: not when somebody is there, nor beside whomever
    /// an operator chose, nor while enough have been asked.
    pub(super) fn named(&self) -> Option<Candidate> {
        let named = self.facts.advice.ask?;
        let live = || self.next.offers.iter().filter(|offer| offer.state.is_live());
        let is_settled = live().any(|offer| offer.state == OfferState::OnScene || offer.by.is_some());
        let is_engaged = live().any(|offer| offer.responder == named);
        let has_room = !is_settled && !is_engaged && live().count() < ASKED_MAX;
        self.fit().find(|candidate| candidate.responder == named && has_room && !self.is_spent(named)).copied()
    }

    /// Until when nobody is asked although somebody could be: as long as the plan says, but no longer than
    /// the policy's patience from when the waiting began.
    pub(super) fn may_wait_until(&self) -> Option<Timestamp> {
        self.facts.advice.wait_until.filter(|until| *until > self.now())?;
        let until = self.next.waits_until.unwrap_or(self.after(self.facts.policy.patience(self.next.class)));
        (until > self.now()).then_some(until)
    }

    /// Until when a plan is waited for that knows what this one could not: it was made for somebody to come who will
    /// not. One new look; without such a plan by then, whoever comes first is asked.
    pub(super) fn until_planned_anew(&self) -> Option<Timestamp> {
        let is_live = |who| self.offers_to(who).any(|offer| offer.state.is_live());
        let is_overtaken = self.facts.advice.counts_on.is_some_and(|who| !is_live(who));
        let anew = self.after(PLANNED_ANEW_WITHIN);
        let until = self.next.waits_until.map_or(anew, |until| until.min(anew));
        (is_overtaken && until > self.now()).then_some(until)
    }

    /// The first who may be asked. Who kept silent or got lost comes after everybody who did not, however
    /// near, and among themselves in the order in which they were asked: nobody is asked twice while
    /// somebody waits to be asked once.
    pub(super) fn choose(&self) -> Result<Candidate, Shortfall> {
        let asked_in_vain_at = |responder| {
            let in_vain = |state: &OfferState| matches!(state, OfferState::Silent | OfferState::Lost { .. });
            self.offers_to(responder).filter(|offer| in_vain(&offer.state)).map(|offer| offer.asked_at).max()
        };
        self.fit()
            .copied()
            .filter(|candidate| !self.is_spent(candidate.responder))
            .min_by_key(|candidate| asked_in_vain_at(candidate.responder))
            .ok_or_else(|| self.shortfall())
    }

    /// Why there is nobody: how far whoever got furthest came.
    fn shortfall(&self) -> Shortfall {
        let Looked::Found(candidates) = &self.facts.candidates else { return Shortfall::PlaceUnknown };
        if candidates.iter().any(|candidate| candidate.unfit.is_none()) {
            return Shortfall::AllAsked;
        }
        let furthest = candidates.iter().filter_map(|candidate| candidate.unfit).max();
        furthest.map_or(Shortfall::NoneContracted, Shortfall::of)
    }

    fn fit(&self) -> impl Iterator<Item = &Candidate> {
        self.facts.candidates.found().iter().filter(|candidate| candidate.unfit.is_none())
    }

    fn offers_to(&self, responder: ResponderId) -> impl Iterator<Item = &Offer> {
        self.next.offers.iter().filter(move |offer| offer.responder == responder)
    }

    /// Whether somebody has been asked in this round, has ever said no, or is needed elsewhere.
    fn is_spent(&self, responder: ResponderId) -> bool {
        self.is_needed_elsewhere(responder) || self.has_declined(responder) || self.was_asked(responder)
    }

    fn has_declined(&self, responder: ResponderId) -> bool {
        self.offers_to(responder).any(|offer| matches!(offer.state, OfferState::Declined { .. }))
    }

    fn was_asked(&self, responder: ResponderId) -> bool {
        self.offers_to(responder).any(|offer| offer.round == self.next.round)
    }

    /// From daily help only: whoever may hang between life and death keeps whom they have.
    pub(super) fn is_needed_elsewhere(&self, responder: ResponderId) -> bool {
        self.next.class == Class::Service && self.facts.advice.let_go == Some(responder)
    }

    /// Writes down what is thought of everybody: `asked` is about to be, or nobody is.
    pub(super) fn consider(&mut self, asked: Option<Candidate>) {
        let is_waiting = asked.is_none() && self.next.waits_until.is_some();
        let considered = self.facts.candidates.found().iter().map(|candidate| Considered {
            candidate: *candidate,
            verdict: match candidate.unfit {
                _ if asked.is_some_and(|asked| asked.responder == candidate.responder) => Verdict::Asked,
                _ if self.has_declined(candidate.responder) => Verdict::Declined,
                _ if self.was_asked(candidate.responder) => Verdict::AskedBefore,
                Some(unfit) => Verdict::Unfit(unfit),
                None if self.is_needed_elsewhere(candidate.responder) => Verdict::KeptBack,
                None if is_waiting => Verdict::SoonerSoon,
                None if asked.is_some_and(|asked| candidate.reckoned >= asked.reckoned) => Verdict::Later,
                None => Verdict::KeptBack,
            },
        });
        self.considered = considered.collect();
    }
}
