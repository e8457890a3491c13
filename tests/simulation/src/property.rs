//! What must hold of an incident's whole story, beside the invariants that hold at every moment of it
//! (`domain::invariant`). Each has a number; `docs/invariants.md` lists them.
//!
//! Where a property repeats a rule of the core it says it again from the outside, in its own words:
//! asking the core whether the core is right proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{HandoverId, OfferId, ResponderId, UserId};
use domain::incident::ladder::{Act, Rung, When};
use domain::incident::{
    Candidate, Centre, Class, ClosedBy, Considered, ContactNews, Effect, Entry, FRESH, Facts, Handover, HandoverPolicy,
    HandoverState, Helper, Incident, Input, Level, News, Offer, OfferState, Origin, Policy, Presence, Rank, Ring, Step,
    ToldState, Verdict, Voice,
};
use domain::invariant;
use domain::press::AlertKind;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// Something that does not hold of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// Of an unlisted source no centre and no responder hears unless a person says so; of one that proves nothing no
    /// centre does, and it is proposed; else a centre hears only of emergencies, a responder of these and of daily
    /// help that is known.
    NothingByItself = 1,
    /// After a decision the next deadline lies ahead: the ticker never turns on the spot.
    Progress,
    /// An emergency that every operator leaves alone is with each centre it calls for when the ladder's rung
    /// for it has come, and what it takes the ticker to notice.
    LeftAloneIsHandedOver,
    /// Where the policy says at once, the centres are called by the decision that answers the press.
    AtOnceIsAtOnce,
    /// Every press is answered within the ticker's time, and the wearer is told that it was received.
    PressesAnswered,
    /// Nobody says yes beside somebody who is going, unless an operator asked for them, or they are there
    /// sooner and the other need not come.
    OneGoes,
    /// The wearer is told of everybody who is coming or there, of every claim, and last, once, that it
    /// is over.
    WearerTold,
    /// Every change has its entry in the timeline.
    ChangeWritten,
    /// What is closed stays as it is, but for what a centre still reports.
    ClosedStaysClosed,
    /// No rung is climbed for nobody: with the operators gone the supervisors ring, with them gone too
    /// the centres are called.
    NoDeafRung,
    /// By itself the policy asks whom the plan names, three at once at most; without a plan one at a time:
    /// the nearest, then those who kept silent or got lost, longest ago first. Nobody twice in a round,
    /// nobody who said no.
    AskedInOrder,
    /// Whoever is asked, dismissed, called or stood down gets a message, once, and nobody else does.
    EffectsMatch,
    /// The same moment again changes nothing.
    Settled,
    /// What is new has an identity of its own, from those that the decision was given.
    FreshIdentity,
    /// An emergency with somebody willing in reach ends with somebody going, or at least heard by an
    /// owner who was told that nobody went.
    SomebodyGoes,
    /// Only a person silences a ring; of daily help that nobody owns also a responder who sees to it.
    OnlyPeopleSilence,
    /// Somebody who was coming and is no longer leaves a ring behind, and a question to whoever is in
    /// reach and has not said no; with daily help that nobody owns, one of the two.
    HoleRings,
    /// The owner hears of whoever is late; of daily help that nobody owns, everybody.
    LateIsHeard,
    /// An owner who has gone does not stay the owner.
    OwnerGoneIsNoticed,
    /// Only the owner acts.
    OnlyTheOwnerActs,
    /// The ticker is never refused, and never asks somebody who is engaged elsewhere.
    TickerNeverRefused,
    /// A hand-over and an offer only ever go forward, whatever order the news of them comes in.
    OnlyForward,
    /// Contacts have their turn in their order, once each: the first when the ladder says so, the next when
    /// its time has come and not somebody has the case and a contact knows, or when the one before is lost.
    ContactsInOrder,
    /// Whom the plan names is asked, and whom it needs elsewhere is let go, from daily help only.
    AdviceHeeded,
    /// Somebody who has never ceased to come is not given up.
    WhoComesIsWaitedFor,
    /// When the policy asks somebody, begins to wait for somebody, or has nobody to ask, it is written down of
    /// everybody who was looked at why, and of whoever was asked that nothing stood in the way.
    EverybodyHasAReason,
    /// What rings unclaimed and is left alone meets every rung of its ladder in its time, whatever became of
    /// the ladder meanwhile: the supervisors ring, the centres that it names are called, the grid officer is
    /// due; and the last rung comes again and again.
    EveryRungIsClimbed,
    /// A case closes by itself when who wandered off has been back, and nobody has had a hand in it, for as long as the
    /// policy says; and then it does.
    ClosesAlone,
}

impl Property {
    /// All of them, for whoever lists them.
    pub const ALL: [Self; 28] = [
        Self::NothingByItself,
        Self::Progress,
        Self::LeftAloneIsHandedOver,
        Self::AtOnceIsAtOnce,
        Self::PressesAnswered,
        Self::OneGoes,
        Self::WearerTold,
        Self::ChangeWritten,
        Self::ClosedStaysClosed,
        Self::NoDeafRung,
        Self::AskedInOrder,
        Self::EffectsMatch,
        Self::Settled,
        Self::FreshIdentity,
        Self::SomebodyGoes,
        Self::OnlyPeopleSilence,
        Self::HoleRings,
        Self::LateIsHeard,
        Self::OwnerGoneIsNoticed,
        Self::OnlyTheOwnerActs,
        Self::TickerNeverRefused,
        Self::OnlyForward,
        Self::ContactsInOrder,
        Self::AdviceHeeded,
        Self::WhoComesIsWaitedFor,
        Self::EverybodyHasAReason,
        Self::EveryRungIsClimbed,
        Self::ClosesAlone,
    ];
}

impl std::fmt::Display for Property {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SIM-{} {self:?}", *self as u8)
    }
}

/// Something that does not hold: its name, and what shows it.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) name: String,
    pub(crate) what: String,
}

impl Broken {
    pub(crate) fn new(property: Property, what: impl std::fmt::Display) -> Self {
        Self { name: property.to_string(), what: what.to_string() }
    }
}

/// The invariants that hold at every moment.
pub(crate) fn invariants(
    incident: &Incident,
    policy: &Policy,
    now: Timestamp,
    lag: SignedDuration,
) -> Result<(), Broken> {
    match invariant::broken(incident, policy, now, lag).first() {
        None => Ok(()),
        Some(first) => Err(Broken { name: format!("{first} {first:?}"), what: format!("{incident:?}") }),
    }
}

/// What the simulation remembers of an incident that the incident does not.
#[derive(Debug)]
pub(crate) struct History {
    /// Since when presses wait for an answer.
    pub(crate) unanswered_since: Option<Timestamp>,
    /// Offers that an operator made.
    asked_by_operator: BTreeSet<OfferId>,
    /// An operator has sent somebody home since the last press was answered.
    pub(crate) was_sent_home: bool,
    /// How many presses had been answered when a hand-over ended.
    ended_after: BTreeMap<HandoverId, u32>,
    /// Since when each centre is wanted, with nobody to decide and nobody told.
    wanted_since: [Option<Timestamp>; 2],
    /// Since when it rings with nobody who owns it and no further press.
    alone_since: Option<Timestamp>,
    /// When the ladder was last changed since then.
    pub(crate) new_ladder_at: Option<Timestamp>,
    /// Since when its wearer is back, with nobody who has a hand in it.
    pub(crate) alone_and_back_since: Option<Timestamp>,
    /// When it last rang, or its owner last did something.
    heard_at: Timestamp,
    /// Every identity that was ever given out.
    identities: BTreeSet<Uuid>,
    /// Somebody has gone and finished since the last press was answered.
    pub(crate) is_helped: bool,
    /// Decisions have failed: what they would have done in time comes late.
    pub(crate) has_failed: bool,
}

/// The centres that an alert can want by itself.
pub(crate) const CENTRES: [Centre; 2] = [Centre::Ambulance, Centre::Fire];

/// One decision, with all that it was made from.
pub(crate) struct Decision<'a> {
    pub(crate) before: &'a Incident,
    pub(crate) input: &'a Input,
    pub(crate) facts: &'a Facts,
    pub(crate) step: &'a Step,
}

impl History {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self {
            unanswered_since: Some(now),
            asked_by_operator: BTreeSet::new(),
            was_sent_home: false,
            ended_after: BTreeMap::new(),
            wanted_since: [None; 2],
            alone_since: None,
            new_ladder_at: None,
            alone_and_back_since: None,
            heard_at: now,
            identities: BTreeSet::new(),
            is_helped: false,
            has_failed: false,
        }
    }

    /// The clock has jumped: nothing has lasted longer because of it.
    pub(crate) fn jump(&mut self, by: SignedDuration) {
        self.heard_at += by;
        let [wanted, also_wanted] = &mut self.wanted_since;
        let since = [&mut self.unanswered_since, &mut self.alone_since, &mut self.new_ladder_at, wanted, also_wanted];
        for moment in since.into_iter().chain([&mut self.alone_and_back_since]).flatten() {
            *moment += by;
        }
    }

    /// Takes note of a decision.
    pub(crate) fn remember(&mut self, decision: &Decision<'_>) {
        let Decision { before, input, facts, step } = decision;
        let next = &step.next;
        if next.presses_answered == next.presses {
            self.unanswered_since = None;
        }
        for entry in &step.entries {
            match entry {
                Entry::Asked { offer, by: Some(_), .. } => {
                    self.asked_by_operator.insert(*offer);
                }
                Entry::Rung { .. } => self.heard_at = facts.now,
                _ => {}
            }
        }
        self.is_helped &= !was_answered(decision);
        self.is_helped |=
            step.entries.iter().any(|entry| matches!(entry, Entry::Answered { state: OfferState::Done, .. }));
        self.was_sent_home &= !was_answered(decision);
        self.was_sent_home |= matches!(input, Input::Withdraw { .. });
        if is_by_a_person(input) {
            self.heard_at = facts.now;
        }
        for handover in next.handovers.iter().filter(|handover| has_ended(handover)) {
            self.ended_after.entry(handover.id).or_insert(before.presses_answered);
        }
        let is_alone = next.is_open() && next.owner().is_none() && matches!(next.ring, Ring::Ringing { .. });
        // Somebody who sees to an order silences it, and may be late in the same moment.
        let is_seen_to = is_unowned_order(before)
            && matches!(input, Input::Accept { .. } | Input::SetOut { .. } | Input::Arrive { .. });
        let was_ringing = before.owner().is_none() && matches!(before.ring, Ring::Ringing { .. });
        let was_left = was_answered(decision) || is_seen_to || !was_ringing;
        let goes_on = is_alone && !was_left;
        // A further press does not take a ring that goes on back to the foot.
        let rings_on = match (before.ring, next.ring) {
            (Ring::Ringing { since: was, .. }, Ring::Ringing { since: is, .. }) => was == is,
            _ => false,
        };
        let has_new_ladder = self.new_ladder_at.is_some();
        self.new_ladder_at = self.new_ladder_at.filter(|_| goes_on || rings_on);
        // Of what is closed it is asked how long it had been so.
        if next.is_open() {
            let is_so = is_alone_and_back(next);
            self.alone_and_back_since = is_so.then(|| self.alone_and_back_since.unwrap_or(facts.now));
        }
        self.alone_since = is_alone.then(|| self.alone_since.filter(|_| goes_on).unwrap_or(facts.now));
        for (since, centre) in self.wanted_since.iter_mut().zip(CENTRES) {
            let is_wanted = is_the_policys(next)
                && next.is_open()
                && next.owner().is_none()
                && wants(next, centre)
                && !is_on_it(&self.ended_after, next, centre);
            // A press under a ladder that is new, and whose rung for the centre has just come to lie below, gives the operators
            // their time once more.
            let begins_anew = has_new_ladder && was_answered(decision);
            *since = is_wanted.then(|| since.filter(|_| !begins_anew).unwrap_or(facts.now));
        }
    }
}

/// Checks a decision, once it is in the history.
pub(crate) fn check(history: &mut History, decision: &Decision<'_>) -> Result<(), Broken> {
    nothing_by_itself(decision)?;
    progress(decision)?;
    at_once_is_at_once(history, decision)?;
    received_is_told(decision)?;
    one_goes(history, decision)?;
    wearer_told(decision)?;
    change_written(decision)?;
    closed_stays_closed(decision)?;
    no_deaf_rung(history, decision)?;
    asked_in_order(decision)?;
    effects_match(decision)?;
    fresh_identity(history, decision)?;
    only_people_silence(decision)?;
    closes_alone(history, decision)?;
    hole_rings(decision)?;
    only_forward(decision)?;
    contacts_in_order(decision)?;
    advice_heeded(decision)?;
    who_comes_is_waited_for(decision)?;
    everybody_has_a_reason(decision)?;
    only_the_owner_acts(decision)
}

/// Checks what needs no decision to go wrong, in a world whose ticker has had its time.
pub(crate) fn check_at_rest(
    history: &History,
    incident: &Incident,
    policy: &Policy,
    owner_gone_since: Option<Timestamp>,
    since: Timestamp,
) -> Result<(), Broken> {
    if let Some(waiting) = history.unanswered_since {
        hold(waiting >= since || history.has_failed, Property::PressesAnswered, || {
            format!("a press of {waiting} waits")
        })?;
    }
    for (wanted, centre) in history.wanted_since.iter().zip(CENTRES) {
        let centres = policy.ladder(incident.class).rung(Act::Centres).map_or(SignedDuration::ZERO, |rung| rung.after);
        let in_time = wanted.is_none_or(|wanted| wanted + centres >= since);
        hold(in_time || history.has_failed, Property::LeftAloneIsHandedOver, || {
            format!("{centre} has been wanted since {wanted:?}")
        })?;
    }
    if !incident.is_open() {
        return Ok(());
    }
    if let (Some(back), Some(after)) = (history.alone_and_back_since, policy.close_returned_after) {
        hold(back + after >= since || history.has_failed, Property::ClosesAlone, || format!("back since {back}"))?;
    }
    if incident.owner().is_none() {
        every_rung_is_climbed(history, incident, policy, since)?;
        return late_order_rings(incident, policy, since);
    }
    if let Some(gone) = owner_gone_since {
        let noticed_by = gone.max(history.heard_at) + policy.check_owner_every;
        hold(noticed_by >= since, Property::OwnerGoneIsNoticed, || format!("the owner has been gone since {gone}"))?;
    }
    let late = incident.offers.iter().filter_map(|offer| match offer.state {
        OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } => Some(expected_at),
        _ => None,
    });
    for expected_at in late {
        let is_heard = expected_at + policy.check_owner_every >= since || history.heard_at >= expected_at;
        hold(is_heard, Property::LateIsHeard, || format!("somebody was expected at {expected_at}"))?;
    }
    Ok(())
}

/// Daily help that comes much later than was said rings for everybody.
fn late_order_rings(incident: &Incident, policy: &Policy, since: Timestamp) -> Result<(), Broken> {
    let is_late = incident.offers.iter().any(|offer| match offer.state {
        OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } => {
            expected_at + policy.service_late_after < since
        }
        _ => false,
    });
    let is_order = incident.class == Class::Service;
    hold(!(is_order && is_late) || incident.ring.level() != Level::Quiet, Property::LateIsHeard, || {
        format!("{:?} while {:?}", incident.ring, incident.offers)
    })
}

/// Checks that the same input at the same moment finds nothing left to do.
pub(crate) fn settled(step: &Step, again: &Step) -> Result<(), Broken> {
    let nothing = again.entries.is_empty() && again.effects.is_empty() && again.next == step.next;
    hold(nothing, Property::Settled, || format!("{:?} {:?}", again.entries, again.effects))
}

fn hold(holds: bool, property: Property, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken::new(property, what())) }
}

fn is_by_a_person(input: &Input) -> bool {
    actor(input).is_some() && !matches!(input, Input::Note { .. })
}

fn actor(input: &Input) -> Option<UserId> {
    match input {
        Input::Claim { by, .. }
        | Input::Release { by }
        | Input::Ask { by, .. }
        | Input::Withdraw { by, .. }
        | Input::Categorize { by, .. }
        | Input::HandOver { by, .. }
        | Input::StandDown { by, .. }
        | Input::VoiceDone { by, .. }
        | Input::GridOfficerCalled { by }
        | Input::Note { by, .. }
        | Input::Close { by, .. } => Some(*by),
        _ => None,
    }
}

/// Whether the policy may hand over without a person.
pub(crate) fn is_automatic(incident: &Incident) -> bool {
    incident.class == Class::Emergency && incident.origin == Origin::Listed
}

/// Whether the policy may hand over, or at least propose it.
fn is_the_policys(incident: &Incident) -> bool {
    incident.class == Class::Emergency && incident.origin != Origin::Unlisted
}

/// Whether the policy has somebody to ask for without a person.
pub(crate) fn asks_by_itself(incident: &Incident) -> bool {
    let is_known_order = incident.class == Class::Service && incident.category.is_some();
    let is_emergency = is_the_policys(incident) && CENTRES.iter().any(|centre| wants(incident, *centre));
    incident.origin != Origin::Unlisted && (is_known_order || is_emergency)
}

/// Whom the policy asked in this step, in the order of the entries: nobody told it to.
pub(crate) fn asked_by_itself(step: &Step) -> impl Iterator<Item = (OfferId, ResponderId)> {
    step.entries.iter().filter_map(|entry| match entry {
        Entry::Asked { offer, responder, by: None } => Some((*offer, *responder)),
        _ => None,
    })
}

fn is_unowned_order(incident: &Incident) -> bool {
    incident.class == Class::Service && incident.owner().is_none()
}

/// Whether what was raised calls for a centre; whatever does, calls for a responder too.
pub(crate) fn wants(incident: &Incident, centre: Centre) -> bool {
    use AlertKind::{Fall, Gas, General, HeartRate, Smoke, Sos, Telephone};
    let has_any = |kinds: &[AlertKind]| kinds.iter().any(|kind| incident.kinds.contains(kind));
    match centre {
        Centre::Ambulance => incident.kinds.is_empty() || has_any(&[Sos, Fall, HeartRate, Telephone, General]),
        Centre::Fire => has_any(&[Smoke, Gas]),
        Centre::Police => false,
    }
}

fn has_ended(handover: &Handover) -> bool {
    matches!(handover.state, HandoverState::StoodDown { .. } | HandoverState::Closed)
}

/// Whether a centre has been called since the last press that came after it was last done, or proposed where that is all
/// that may be.
fn is_on_it(ended_after: &BTreeMap<HandoverId, u32>, incident: &Incident, centre: Centre) -> bool {
    incident
        .handovers
        .iter()
        .filter(|handover| handover.centre == centre)
        .filter(|handover| incident.origin != Origin::Listed || handover.state != HandoverState::Proposed)
        .any(|handover| ended_after.get(&handover.id).is_none_or(|answered| *answered >= incident.presses_answered))
}

fn was_answered(decision: &Decision<'_>) -> bool {
    decision.step.next.presses_answered > decision.before.presses_answered
}

fn nothing_by_itself(decision: &Decision<'_>) -> Result<(), Broken> {
    for entry in &decision.step.entries {
        let may_be = match entry {
            Entry::HandedOver { by: None, centre, .. } => {
                decision.before.origin == Origin::Listed && is_called_for(decision, *centre)
            }
            Entry::CentreProposed { centre, .. } => {
                decision.before.origin == Origin::Unproved && is_called_for(decision, *centre)
            }
            Entry::Asked { by: None, .. } => is_automatic(decision.before) || asks_by_itself(&decision.step.next),
            _ => true,
        };
        hold(may_be, Property::NothingByItself, || format!("{entry:?}"))?;
    }
    Ok(())
}

/// Whether the alerts call for a centre, or the ladder.
fn is_called_for(decision: &Decision<'_>, centre: Centre) -> bool {
    let is_emergency = decision.before.class == Class::Emergency;
    is_emergency && wants(&decision.step.next, centre) || is_named(decision, centre)
}

/// Whether the ladder says by name that a centre is called in a case of this class.
fn is_named(decision: &Decision<'_>, centre: Centre) -> bool {
    let act = match centre {
        Centre::Ambulance => Act::Ambulance,
        Centre::Fire => Act::Fire,
        Centre::Police => Act::Police,
    };
    let is_fit = decision.before.class != Class::Service;
    let rung = decision.facts.policy.ladder(decision.before.class).rung(act);
    let was_so = |rung: Rung| holds(rung.when, decision.before) || holds(rung.when, &decision.step.next);
    is_fit && rung.is_some_and(was_so)
}

fn progress(decision: &Decision<'_>) -> Result<(), Broken> {
    let next = &decision.step.next;
    let lies_ahead = next.wake_at().is_none_or(|wake_at| wake_at > decision.facts.now);
    hold(lies_ahead, Property::Progress, || format!("wakes at {:?}", next.wake_at()))
}

fn at_once_is_at_once(history: &History, decision: &Decision<'_>) -> Result<(), Broken> {
    let next = &decision.step.next;
    if !was_answered(decision) || !asks_by_itself(next) {
        return Ok(());
    }
    let is_asked =
        next.shortfall.is_some() || next.waits_until.is_some() || next.offers.iter().any(|offer| offer.state.is_live());
    hold(is_asked, Property::AtOnceIsAtOnce, || "a press, and nobody is asked".into())?;
    for centre in CENTRES {
        let is_due =
            decision.facts.policy.handover == HandoverPolicy::AtOnce && is_the_policys(next) && wants(next, centre);
        let is_called = is_on_it(&history.ended_after, next, centre);
        hold(!is_due || is_called, Property::AtOnceIsAtOnce, || format!("a press, and {centre} is not called"))?;
    }
    Ok(())
}

/// Who wandered off has not called, and hears nothing of a call.
fn has_called(incident: &Incident) -> bool {
    incident.class != Class::Wandering
}

fn received_is_told(decision: &Decision<'_>) -> Result<(), Broken> {
    let is_told = decision.step.effects.contains(&Effect::TellWearer(News::Received));
    let is_due = was_answered(decision) && has_called(decision.before);
    hold(is_told == is_due, Property::PressesAnswered, || format!("{:?}", decision.step.effects))?;
    // A terminal is followed from the first answer to an emergency, and that is asked once.
    let follows = decision.step.effects.iter().filter(|effect| **effect == Effect::Follow).count();
    let is_first = was_answered(decision) && decision.before.presses_answered == 0;
    let wanted = usize::from(is_first && decision.before.class == Class::Emergency);
    hold(follows == wanted, Property::PressesAnswered, || format!("followed {follows} times instead of {wanted}"))
}

fn one_goes(history: &History, decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, input, step, .. } = decision;
    for offer in step.next.offers.iter().filter(|offer| offer.state.is_accepted()) {
        let was = before.offers.iter().find(|was| was.id == offer.id);
        let is_new = was.is_none_or(|was| !was.state.is_accepted());
        let goes_already = before
            .offers
            .iter()
            .filter(|other| other.id != offer.id && other.state.is_accepted())
            .any(|other| step.next.offers.iter().any(|is| is.id == other.id && is.state.is_accepted()));
        // Who was given up and stands at the door all the same is there.
        let is_wanted = history.asked_by_operator.contains(&offer.id) || matches!(input, Input::Arrive { .. });
        hold(!(is_new && goes_already) || is_wanted, Property::OneGoes, || format!("{offer:?}"))?;
    }
    Ok(())
}

fn wearer_told(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, step, .. } = decision;
    let news: Vec<News> = step
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::TellWearer(news) => Some(*news),
            _ => None,
        })
        .collect();
    let tells = |wanted: &dyn Fn(&News) -> bool, what: &dyn std::fmt::Debug| {
        hold(news.iter().any(wanted), Property::WearerTold, || format!("of {what:?} in {news:?}"))
    };
    if !before.is_open() {
        return hold(news.is_empty(), Property::WearerTold, || format!("{news:?} after the end"));
    }
    for offer in &step.next.offers {
        let was = before.offers.iter().find(|was| was.id == offer.id).map(|was| &was.state);
        let responder = Helper::Responder(offer.responder);
        match &offer.state {
            OfferState::Accepted { .. } if !was.is_some_and(OfferState::is_accepted) => {
                tells(&|news| matches!(news, News::Coming { who, .. } if *who == responder), offer)?;
            }
            OfferState::OnScene if was != Some(&OfferState::OnScene) => {
                tells(&|news| *news == News::Arrived { who: responder }, offer)?;
            }
            _ => {}
        }
    }
    for handover in &step.next.handovers {
        let was = before.handovers.iter().find(|was| was.id == handover.id).map(|was| &was.state);
        let centre = Helper::Centre(handover.centre);
        match &handover.state {
            HandoverState::Dispatched { .. } if was != Some(&handover.state) => {
                tells(&|news| matches!(news, News::Coming { who, .. } if *who == centre), handover)?;
            }
            HandoverState::Arrived if was != Some(&handover.state) => {
                tells(&|news| *news == News::Arrived { who: centre }, handover)?;
            }
            _ => {}
        }
    }
    let is_claimed = step.next.owner().is_some() && step.next.owner() != before.owner();
    if is_claimed && has_called(before) {
        tells(&|news| *news == News::Claimed, &"the claim")?;
    }
    let clears = news.iter().filter(|news| **news == News::AllClear).count();
    let is_last = step.effects.last() == Some(&Effect::TellWearer(News::AllClear));
    let is_right = if step.next.is_open() { clears == 0 } else { clears == 1 && is_last };
    hold(is_right, Property::WearerTold, || format!("the end, in {:?}", step.effects))
}

fn change_written(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, step, .. } = decision;
    let next = &step.next;
    let written = |is_due: bool, what: &dyn std::fmt::Debug, wanted: &dyn Fn(&Entry) -> bool| {
        let is_written = !is_due || step.entries.iter().any(wanted);
        hold(is_written, Property::ChangeWritten, || format!("{what:?} in {:?}", step.entries))
    };
    for offer in &next.offers {
        let was = before.offers.iter().find(|was| was.id == offer.id);
        written(
            was.is_none(),
            offer,
            &|entry| matches!(entry, Entry::Asked { offer: id, responder, .. } if (*id, *responder) == (offer.id, offer.responder)),
        )?;
        written(
            was.is_some_and(|was| was.state != offer.state),
            offer,
            &|entry| matches!(entry, Entry::Answered { offer: id, state, .. } if *id == offer.id && *state == offer.state),
        )?;
    }
    for handover in &next.handovers {
        let was = before.handovers.iter().find(|was| was.id == handover.id);
        let voice_was = was.map_or(Voice::NotNeeded, |was| was.voice);
        written(
            is_new(was, handover),
            handover,
            &|entry| matches!(entry, Entry::HandedOver { handover: id, centre, .. } if (*id, *centre) == (handover.id, handover.centre)),
        )?;
        written(
            was.is_none() && handover.state == HandoverState::Proposed,
            handover,
            &|entry| matches!(entry, Entry::CentreProposed { handover: id, centre } if (*id, *centre) == (handover.id, handover.centre)),
        )?;
        written(
            was.is_some_and(|was| was.state != handover.state) && !is_new(was, handover),
            handover,
            &|entry| matches!(entry, Entry::HandoverMoved { handover: id, state, .. } if *id == handover.id && *state == handover.state),
        )?;
        let is_due = matches!(handover.voice, Voice::Due { .. }) && voice_was == Voice::NotNeeded;
        written(is_due, handover, &|entry| *entry == Entry::VoiceDue { centre: handover.centre })?;
        let is_done = matches!(handover.voice, Voice::Done { .. }) && voice_was != handover.voice;
        written(
            is_done,
            handover,
            &|entry| matches!(entry, Entry::VoiceDone { centre, .. } if *centre == handover.centre),
        )?;
    }
    let (owner_was, owner) = (before.owner(), next.owner());
    written(
        owner.is_some() && owner != owner_was,
        &"the claim",
        &|entry| matches!(entry, Entry::Claimed { by, from } if Some(*by) == owner && *from == owner_was),
    )?;
    written(owner.is_none() && owner_was.is_some(), &"the loss of the owner", &|entry| {
        matches!(entry, Entry::Released { .. } | Entry::OwnerGone { .. })
    })?;
    let level = next.ring.level();
    let is_engaged = next.offers.iter().any(|offer| offer.state.is_live());
    let is_seen_to = next.class == Class::Service && (is_engaged || next.waits_until.is_some());
    let must_ring = was_answered(decision) && owner == owner_was && !is_seen_to;
    written(level > before.ring.level() || must_ring, &"the ring", &|entry| *entry == Entry::Rung { level })?;
    written(
        next.category != before.category,
        &"the category",
        &|entry| matches!(entry, Entry::Categorized { category, .. } if Some(category) == next.category.as_ref()),
    )?;
    let (officer_was, officer) = (before.grid_officer, next.grid_officer);
    let is_due = officer_was == Voice::NotNeeded && officer != Voice::NotNeeded;
    written(is_due, &"the grid officer", &|entry| *entry == Entry::GridOfficerDue)?;
    let is_done = officer != officer_was && matches!(officer, Voice::Done { .. });
    written(is_done, &"the call", &|entry| matches!(entry, Entry::GridOfficerCalled { .. }))?;
    for told in next.told.iter().filter(|told| !before.told.contains(told)) {
        written(
            true,
            told,
            &|entry| matches!(entry, Entry::Contacted { rank, state } if (*rank, *state) == (told.rank, told.state)),
        )?;
    }
    written(next.ring == Ring::Quiet && before.ring != Ring::Quiet, &"the silence", &|_| true)?;
    written(
        next.waits_until.is_some() && next.waits_until != before.waits_until,
        &"the wait",
        &|entry| matches!(entry, Entry::Waits { until } if Some(*until) == next.waits_until),
    )?;
    written(
        next.shortfall.is_some() && next.shortfall != before.shortfall,
        &"the shortfall",
        &|entry| matches!(entry, Entry::NobodyLeft { shortfall } if Some(*shortfall) == next.shortfall),
    )?;
    written(next.closure != before.closure, &"the end", &|entry| matches!(entry, Entry::Closed { .. }))?;
    written(!step.effects.is_empty(), &"what was done", &|_| true)
}

/// Whether a centre is called that had not been, if it was proposed before or not.
fn is_new(was: Option<&Handover>, handover: &Handover) -> bool {
    let was_called = was.is_some_and(|was| was.state != HandoverState::Proposed);
    !was_called && matches!(handover.state, HandoverState::Prepared { .. })
}

fn closed_stays_closed(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, step, .. } = decision;
    if before.is_open() {
        return Ok(());
    }
    let mut expected = (*before).clone();
    expected.handovers.clone_from(&step.next.handovers);
    let same = expected == step.next && step.next.handovers.len() == before.handovers.len();
    hold(same && step.effects.is_empty(), Property::ClosedStaysClosed, || format!("{:?}", step.next))
}

fn no_deaf_rung(history: &History, decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { facts, step, .. } = decision;
    let next = &step.next;
    let is_held = matches!(next.ring, Ring::Held { .. });
    if !next.is_open() || next.owner().is_some() || facts.operators == Presence::Present || is_held {
        return Ok(());
    }
    hold(next.ring.level() == Level::Supervisors, Property::NoDeafRung, || format!("{:?}", next.ring))?;
    if facts.supervisors == Presence::Present || history.has_failed {
        return Ok(());
    }
    for centre in CENTRES {
        let is_due = is_the_policys(next) && wants(next, centre);
        let is_called = is_on_it(&history.ended_after, next, centre);
        hold(!is_due || is_called, Property::NoDeafRung, || format!("nobody is there, and {centre} is not called"))?;
    }
    // A rung that is new is met with the last one.
    let ladder = facts.policy.ladder(next.class);
    for rung in ladder.rungs().iter().filter(|_| history.new_ladder_at.is_none()) {
        is_climbed(history, next, rung.act, rung.when, Property::NoDeafRung)?;
    }
    Ok(())
}

/// The condition of a rung, said again.
fn holds(when: When, incident: &Incident) -> bool {
    let goes = incident.offers.iter().any(|offer| {
        matches!(offer.state, OfferState::Accepted { .. } | OfferState::OnTheWay { .. } | OfferState::OnScene)
    });
    let is_out = incident
        .handovers
        .iter()
        .any(|handover| matches!(handover.state, HandoverState::Dispatched { .. } | HandoverState::Arrived));
    match when {
        When::Always => true,
        When::Unclaimed => incident.owner().is_none(),
        When::NobodyGoes => !goes && !is_out,
    }
}

/// Whether what a rung is for is so, in a case that nobody owns. A condition that has come to hold since is
/// the last rung's business, later.
fn is_climbed(history: &History, incident: &Incident, act: Act, when: When, property: Property) -> Result<(), Broken> {
    if when == When::NobodyGoes {
        return Ok(());
    }
    let is_called = |centre| {
        let was_handed_over = incident.handovers.iter().any(|handover| handover.centre == centre);
        incident.origin == Origin::Unlisted || was_handed_over
    };
    let is_so = match act {
        Act::Operators => incident.ring.level() != Level::Quiet,
        Act::Supervisors | Act::Everybody => incident.ring.level() == Level::Supervisors,
        Act::GridOfficer => incident.grid_officer != Voice::NotNeeded,
        Act::Ambulance => is_called(Centre::Ambulance),
        Act::Fire => is_called(Centre::Fire),
        Act::Police => is_called(Centre::Police),
        Act::Centres => CENTRES
            .iter()
            .filter(|centre| is_the_policys(incident) && wants(incident, **centre))
            .all(|centre| is_on_it(&history.ended_after, incident, *centre) || history.has_failed),
        Act::Responders | Act::Contacts => true,
    };
    hold(is_so, property, || format!("{act} in {incident:?}"))
}

/// What has rung unclaimed for so long has met every rung of the ladder that holds now, unless that came to
/// hold while it rang; then all of them when the last rung of it has come.
fn every_rung_is_climbed(
    history: &History,
    incident: &Incident,
    policy: &Policy,
    since: Timestamp,
) -> Result<(), Broken> {
    let Some(alone) = history.alone_since else { return Ok(()) };
    if history.has_failed || incident.presses_answered < incident.presses {
        return Ok(());
    }
    let ladder = policy.ladder(incident.class);
    let top = ladder.rungs().last().map_or(SignedDuration::ZERO, |last| last.after);
    for rung in ladder.rungs() {
        let by = match history.new_ladder_at {
            None => alone + rung.after,
            Some(changed) => changed.max(alone + top) + ladder.every(),
        };
        if by < since {
            is_climbed(history, incident, rung.act, rung.when, Property::EveryRungIsClimbed)?;
        }
    }
    let last = history.heard_at.max(alone + top).max(history.new_ladder_at.unwrap_or(alone)) + ladder.every();
    hold(last >= since, Property::EveryRungIsClimbed, || {
        format!("the last rung has not come since {}: {incident:?}", history.heard_at)
    })
}

fn asked_in_order(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { facts, step, .. } = decision;
    let next = &step.next;
    let asked: Vec<(OfferId, ResponderId)> = asked_by_itself(step).collect();
    let Some((id, responder)) = asked.first().copied() else { return Ok(()) };
    let others: Vec<_> = next.offers.iter().filter(|offer| offer.id != id).collect();
    let live = || others.iter().filter(|offer| offer.state.is_live());
    let is_named = facts.advice.ask == Some(responder);
    let may_be_beside = is_named && live().count() < 3;
    let alone = asked.len() == 1 && (may_be_beside || live().next().is_none());
    hold(alone, Property::AskedInOrder, || format!("not one at a time: {:?}", next.offers))?;
    let round = next.offers.iter().find(|offer| offer.id == id).map_or(0, |offer| offer.round);
    let offers_to = |candidate: &Candidate| {
        let responder = candidate.responder;
        others.iter().filter(move |offer| offer.responder == responder)
    };
    let may_be_asked = |candidate: &&Candidate| {
        let is_spent = |offer: &Offer| offer.round == round || matches!(offer.state, OfferState::Declined { .. });
        candidate.unfit.is_none()
            && !is_needed_elsewhere(decision, candidate)
            && !offers_to(candidate).any(|offer| is_spent(offer))
    };
    let in_vain_at = |candidate: &&Candidate| {
        let in_vain = |state: &OfferState| matches!(state, OfferState::Silent | OfferState::Lost { .. });
        offers_to(candidate).filter(|offer| in_vain(&offer.state)).map(|offer| offer.asked_at).max()
    };
    let candidates = facts.candidates.found();
    if is_named {
        let may_be = candidates.iter().filter(may_be_asked).any(|candidate| candidate.responder == responder);
        return hold(may_be, Property::AskedInOrder, || format!("{responder}, named and not to be asked"));
    }
    let right = candidates.iter().filter(may_be_asked).min_by_key(in_vain_at);
    hold(right.map(|candidate| candidate.responder) == Some(responder), Property::AskedInOrder, || {
        format!("{responder} instead of {right:?}")
    })
}

/// Nobody is taken to daily help from where they are needed more.
fn is_needed_elsewhere(decision: &Decision<'_>, candidate: &Candidate) -> bool {
    let is_daily_help = decision.step.next.class == Class::Service;
    is_daily_help && decision.facts.advice.let_go == Some(candidate.responder)
}

fn effects_match(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, step, .. } = decision;
    let mut expected = Vec::new();
    for offer in &step.next.offers {
        match before.offers.iter().find(|was| was.id == offer.id) {
            None => expected.push(Effect::AskResponder(offer.id)),
            Some(was)
                if was.state.is_live()
                    && matches!(offer.state, OfferState::Silent | OfferState::Withdrawn | OfferState::Lost { .. }) =>
            {
                // Who goes must never hear that they are not needed.
                let goes = |other: &&Offer| other.responder == offer.responder && other.state.is_accepted();
                if !step.next.offers.iter().any(|other| goes(&other)) {
                    expected.push(Effect::DismissResponder(offer.id));
                }
            }
            Some(_) => {}
        }
    }
    for handover in &step.next.handovers {
        match before.handovers.iter().find(|was| was.id == handover.id) {
            was if is_new(was, handover) => expected.push(Effect::CallCentre(handover.id)),
            // Who was only proposed never heard of it.
            Some(was)
                if was.state != handover.state
                    && was.state != HandoverState::Proposed
                    && matches!(handover.state, HandoverState::StoodDown { .. }) =>
            {
                expected.push(Effect::StandCentreDown(handover.id));
            }
            _ => {}
        }
    }
    for told in &step.next.told {
        let was = before.told.iter().find(|was| was.rank == told.rank);
        let effect = |news| Effect::TellContact { rank: told.rank, news };
        if was.is_none() && told.state == ToldState::Told {
            expected.push(effect(ContactNews::Alert));
        }
        let may_have_heard = matches!(told.state, ToldState::Told | ToldState::Reached);
        if before.is_open() && !step.next.is_open() && may_have_heard {
            expected.push(effect(ContactNews::AllClear));
        }
    }
    let mut done: Vec<_> = step
        .effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::TellWearer(_) | Effect::Follow))
        .cloned()
        .collect();
    for effect in &expected {
        let place = done.iter().position(|done| done == effect);
        hold(place.is_some(), Property::EffectsMatch, || format!("{effect:?} is missing"))?;
        if let Some(place) = place {
            done.swap_remove(place);
        }
    }
    hold(done.is_empty(), Property::EffectsMatch, || format!("{done:?} for no reason"))
}

fn fresh_identity(history: &mut History, decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, facts, step, .. } = decision;
    let made = step.entries.iter().filter_map(|entry| match entry {
        Entry::Asked { offer, .. } => Some(offer.0),
        Entry::CentreProposed { handover, .. } => Some(handover.0),
        // What was proposed has its identity from then.
        Entry::HandedOver { handover, .. } => {
            (!before.handovers.iter().any(|was| was.id == *handover)).then_some(handover.0)
        }
        _ => None,
    });
    let mut count = 0;
    for id in made {
        count += 1;
        let is_own = facts.fresh.contains(&id) && history.identities.insert(id);
        hold(is_own && count <= FRESH, Property::FreshIdentity, || format!("{id}"))?;
    }
    Ok(())
}

fn only_people_silence(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, input, step, .. } = decision;
    let is_silenced = before.ring.level() != Level::Quiet && step.next.ring.level() == Level::Quiet;
    let may_silence = is_by_a_person(input) && !matches!(input, Input::Release { .. });
    let is_finished = before.class == Class::Service && matches!(input, Input::Finish { .. });
    let is_seen_to =
        is_unowned_order(before) && matches!(input, Input::Accept { .. } | Input::SetOut { .. } | Input::Arrive { .. });
    let is_over = closed_by_itself(step);
    let may_be = may_silence || is_finished || is_seen_to || is_over;
    hold(!is_silenced || may_be, Property::OnlyPeopleSilence, || format!("{input:?}"))
}

fn closed_by_itself(step: &Step) -> bool {
    step.entries.iter().any(|entry| matches!(entry, Entry::Closed { by: ClosedBy::Return, .. }))
}

/// Whether nobody has, or has to have, a hand in the case of somebody who is back.
fn is_alone_and_back(incident: &Incident) -> bool {
    let is_somebodys = incident.owner().is_some()
        || incident
            .offers
            .iter()
            .any(|offer| matches!(offer.state, OfferState::Asked { .. }) || offer.state.is_accepted())
        || !incident.handovers.is_empty();
    let is_pending = incident.presses_answered < incident.presses
        || incident.operator_decides
        || matches!(incident.grid_officer, Voice::Due { .. } | Voice::Done { .. });
    incident.class == Class::Wandering && incident.returned && !is_somebodys && !is_pending
}

fn closes_alone(history: &History, decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, facts, step, .. } = decision;
    if !closed_by_itself(step) {
        return Ok(());
    }
    let since = history.alone_and_back_since;
    let after = facts.policy.close_returned_after;
    let is_time = since.zip(after).is_some_and(|(since, after)| since + after <= facts.now);
    hold(is_time && is_alone_and_back(before), Property::ClosesAlone, || format!("back since {since:?}, {after:?}"))
}

fn hole_rings(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, input, step, .. } = decision;
    let gave_up = before.offers.iter().zip(&step.next.offers).any(|(was, is)| {
        was.state.is_accepted() && matches!(is.state, OfferState::Declined { .. } | OfferState::Lost { .. })
    });
    let fell_out = before.handovers.iter().zip(&step.next.handovers).any(|(was, is)| {
        let is_out = match is.state {
            HandoverState::Refused { .. } => true,
            // Who has telephoned already needs no data link.
            HandoverState::Failed => !matches!(is.voice, Voice::Done { .. }),
            HandoverState::Closed => was.state != HandoverState::Arrived,
            _ => false,
        };
        is_out && was.state != is.state
    });
    let cannot_be_asked = |candidate: &&Candidate| {
        let theirs = step.next.offers.iter().filter(|offer| offer.responder == candidate.responder);
        candidate.unfit.is_some()
            || is_needed_elsewhere(decision, candidate)
            || theirs.into_iter().any(|offer| matches!(offer.state, OfferState::Declined { .. }))
    };
    let candidates = decision.facts.candidates.found();
    let next_to_ask = candidates.iter().find(|candidate| !cannot_be_asked(candidate));
    let asks = asks_by_itself(&step.next);
    let is_filled = step.next.waits_until.is_some() || step.next.offers.iter().any(|offer| offer.state.is_live());
    hold(!(gave_up && asks) || is_filled || next_to_ask.is_none(), Property::HoleRings, || {
        format!("{next_to_ask:?} is not asked")
    })?;
    let is_heard = step.next.ring.level() != Level::Quiet || is_unowned_order(&step.next) && is_filled;
    let holds = !(gave_up || fell_out) || !step.next.is_open() || is_heard;
    hold(holds, Property::HoleRings, || format!("{input:?}"))
}

fn only_forward(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, input, step, .. } = decision;
    let back = |what: &dyn std::fmt::Debug| format!("{what:?} by {input:?}");
    for (was, is) in before.handovers.iter().zip(&step.next.handovers) {
        let holds = was.id == is.id && (was.state == is.state || how_far(&was.state) < how_far(&is.state));
        hold(holds, Property::OnlyForward, || back(&(was, is)))?;
    }
    for (was, is) in before.offers.iter().zip(&step.next.offers) {
        use OfferState::{Accepted, Asked, Declined, Done, Lost, OnScene, OnTheWay, Silent, Withdrawn};
        let may_follow = match &was.state {
            Asked { .. } => true,
            Accepted { .. } | OnTheWay { .. } => {
                matches!(is.state, OnTheWay { .. } | OnScene | Done | Declined { .. } | Withdrawn | Lost { .. })
            }
            OnScene => matches!(is.state, Done | Declined { .. } | Withdrawn),
            Silent => matches!(is.state, Accepted { .. } | Declined { .. }),
            Lost { .. } => matches!(is.state, Accepted { .. } | OnTheWay { .. } | OnScene | Declined { .. }),
            Done | Declined { .. } | Withdrawn => false,
        };
        let holds = was.id == is.id && (was.state == is.state || may_follow);
        hold(holds, Property::OnlyForward, || back(&(was, is)))?;
    }
    Ok(())
}

fn contacts_in_order(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, input, facts, step } = decision;
    let next = &step.next;
    let broken = || format!("{:?}, next at {:?}", next.told, next.tell_next_at);
    let are_told = next.class != Class::Service && next.origin != Origin::Unlisted && next.presses_answered > 0;
    if !are_told {
        let nobody = next.told.is_empty() && next.tell_next_at.is_none();
        return hold(nobody, Property::ContactsInOrder, broken);
    }
    let order: Vec<Rank> = facts.contacts.iter().map(|contact| contact.rank).collect();
    let told: Vec<Rank> = next.told.iter().map(|told| told.rank).collect();
    hold(order.starts_with(&told), Property::ContactsInOrder, broken)?;
    if !next.is_open() {
        return Ok(());
    }
    let Some(rung) = facts.policy.ladder(next.class).rung(Act::Contacts) else {
        let nobody_further = next.told.len() == before.told.len() && next.tell_next_at.is_none();
        return hold(nobody_further, Property::ContactsInOrder, broken);
    };
    let is_over = told.len() == order.len();
    let is_armed = next.tell_next_at.is_some_and(|at| at > facts.now);
    hold(if is_over { next.tell_next_at.is_none() } else { is_armed }, Property::ContactsInOrder, broken)?;
    let is_time = next.opened_at + rung.after <= facts.now;
    // A ladder that changes takes back nobody's turn.
    hold(is_time || !before.told.is_empty() || told.is_empty(), Property::ContactsInOrder, broken)?;
    if rung.when == When::Always {
        let is_first = before.presses_answered == 0;
        let is_due = is_time && (is_first || before.tell_next_at.is_some_and(|at| at <= facts.now));
        let is_begun = !told.is_empty() || order.is_empty();
        hold(!is_due || is_begun, Property::ContactsInOrder, broken)?;
    }
    let forbids = rung.when == When::Unclaimed && next.owner().is_some();
    hold(!forbids || told.len() == before.told.len(), Property::ContactsInOrder, broken)?;
    let is_further = next.told.len() > before.told.len() && !before.told.is_empty();
    let was_time = before.tell_next_at.is_none_or(|at| at <= facts.now) || matches!(input, Input::ContactLost { .. });
    let somebody_knows = before.told.iter().any(|told| told.state == ToldState::Reached);
    let was_enough = somebody_knows && next.owner().is_some() || !holds(rung.when, next);
    hold(!is_further || was_time && !was_enough, Property::ContactsInOrder, broken)?;
    let is_lost = |incident: &Incident| incident.told.iter().filter(|told| told.state == ToldState::Lost).count();
    let passes_on = is_lost(next) > is_lost(before) && before.told.len() < order.len() && !was_enough;
    hold(!passes_on || is_further, Property::ContactsInOrder, broken)
}

fn advice_heeded(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, input, facts, step } = decision;
    let next = &step.next;
    if !next.is_open() {
        return Ok(());
    }
    // It may end and another begin in one decision.
    let ends = |entry: &Entry| matches!(entry, Entry::NobodyLeft { .. } | Entry::Asked { .. });
    if let (Some(was), Some(is)) = (before.waits_until, next.waits_until)
        && !step.entries.iter().any(ends)
    {
        hold(is <= was, Property::AdviceHeeded, || format!("waited until {was}, and now until {is}"))?;
    }
    if let Some(needed) = facts.advice.let_go {
        let is_kept = |offer: &&Offer| {
            offer.responder == needed
                && offer.by.is_none()
                && offer.state.is_live()
                && offer.state != OfferState::OnScene
                && before.offers.iter().any(|was| was.id == offer.id)
        };
        let kept = next.offers.iter().find(is_kept);
        hold(kept.is_none() || next.class != Class::Service || *input != &Input::Wake, Property::AdviceHeeded, || {
            format!("{kept:?} is kept")
        })?;
        let let_go = before
            .offers
            .iter()
            .zip(&next.offers)
            .any(|(was, is)| is.responder == needed && was.state.is_live() && is.state == OfferState::Withdrawn);
        let is_for_advice = let_go && *input == &Input::Wake && facts.advice.ask.is_none();
        hold(!is_for_advice || next.class == Class::Service, Property::AdviceHeeded, || {
            format!("{needed} is taken from what may be a matter of life")
        })?;
    }
    let Some(named) = facts.advice.ask else { return Ok(()) };
    let is_fit = |candidate: &Candidate| candidate.responder == named && candidate.unfit.is_none();
    let may_be_asked = facts.candidates.found().iter().any(is_fit)
        && !next.offers.iter().any(|offer| {
            offer.responder == named
                && (offer.round == next.round || matches!(offer.state, OfferState::Declined { .. }))
        });
    let live = || next.offers.iter().filter(|offer| offer.state.is_live());
    let is_settled =
        live().any(|offer| offer.state == OfferState::OnScene || offer.by.is_some() || offer.responder == named);
    let was_helped = next.offers.iter().any(|offer| offer.state == OfferState::Done && offer.round == next.round);
    let is_wanted_here = facts.advice.let_go != Some(named) || next.class != Class::Service;
    let is_due =
        asks_by_itself(next) && is_wanted_here && may_be_asked && !is_settled && !was_helped && live().count() < 3;
    // One question a decision.
    let asks_another = step.entries.iter().any(|entry| matches!(entry, Entry::Asked { .. }));
    hold(!is_due || asks_another, Property::AdviceHeeded, || format!("{named} is not asked"))
}

/// Whoever was declared lost was looked at, and was not seen to come.
fn who_comes_is_waited_for(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, facts, step, .. } = decision;
    for (was, is) in before.offers.iter().zip(&step.next.offers) {
        if !matches!(is.state, OfferState::Lost { .. }) || was.state == is.state {
            continue;
        }
        let seen = facts.whereabouts.iter().find(|seen| seen.responder == is.responder);
        let left = was.watch.and_then(|watch| watch.left);
        let comes = match (left, seen) {
            // Nothing was ever known.
            (None, _) => true,
            (Some(_), None) => false,
            (Some(left), Some(seen)) => {
                let is_heard = seen.age <= facts.policy.heard_within;
                let is_nearer = left.0 - seen.distance.0 >= 30.0 || seen.distance.0 <= 100.0;
                let is_in_time = was.state.expected_at().is_some_and(|at| facts.now + seen.way <= at);
                is_heard && (is_nearer || is_in_time)
            }
        };
        hold(!comes, Property::WhoComesIsWaitedFor, || format!("{was:?}, {seen:?}"))?;
    }
    Ok(())
}

/// Whoever was looked at is told of, each once.
fn everybody_has_a_reason(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { facts, step, .. } = decision;
    let asked: Vec<ResponderId> = asked_by_itself(step).map(|(_, responder)| responder).collect();
    let is_choice = |entry: &Entry| match entry {
        // For a moment, until there is a plan that knows: that one tells.
        Entry::Waits { until } => until.duration_since(facts.now) >= SignedDuration::from_secs(1),
        entry => matches!(entry, Entry::NobodyLeft { .. }),
    };
    if asked.is_empty() && !step.entries.iter().any(is_choice) {
        return hold(step.considered.is_empty(), Property::EverybodyHasAReason, || "nobody was to be asked".to_owned());
    }
    let candidates = facts.candidates.found();
    let told: Vec<Candidate> = step.considered.iter().map(|considered| considered.candidate).collect();
    hold(told == candidates, Property::EverybodyHasAReason, || format!("{told:?}"))?;
    for Considered { candidate, verdict } in &step.considered {
        let is_right = (*verdict == Verdict::Asked) == asked.contains(&candidate.responder)
            && (*verdict != Verdict::Asked || candidate.unfit.is_none());
        hold(is_right, Property::EverybodyHasAReason, || format!("{candidate:?}: {verdict:?}"))?;
    }
    Ok(())
}

/// A message that failed is no further than one that was sent: the centre may have it all the same.
const fn how_far(state: &HandoverState) -> u8 {
    match state {
        HandoverState::Proposed => 0,
        HandoverState::Prepared { .. } => 1,
        HandoverState::Sent { .. } => 2,
        HandoverState::Failed => 3,
        HandoverState::Acknowledged => 4,
        HandoverState::Dispatched { .. } => 5,
        HandoverState::Arrived => 6,
        HandoverState::Closed | HandoverState::Refused { .. } | HandoverState::StoodDown { .. } => 7,
    }
}

fn only_the_owner_acts(decision: &Decision<'_>) -> Result<(), Broken> {
    let Decision { before, input, .. } = decision;
    let is_free = matches!(input, Input::Claim { .. } | Input::Note { .. });
    let by = actor(input);
    hold(is_free || by.is_none() || by == before.owner(), Property::OnlyTheOwnerActs, || format!("{input:?}"))
}
