//! The rules: what follows from an input, given the facts.

use super::draft::Draft;
use super::{
    Category, Centre, Class, ClosedBy, Considered, Effect, Entry, Facts, Following, HandoverPolicy, HandoverState,
    Helper, Incident, News, OfferState, Outcome, Ownership, Presence, Rank, Ring, ToldState, Voice, coming_back,
    contacts, offers,
};
use crate::id::{HandoverId, OfferId, ResponderId, UserId};
use jiff::{SignedDuration, Timestamp};

/// What can happen to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A deadline may have passed, or a press came in.
    Wake,
    /// An operator takes it. A supervisor may take it from its owner.
    Claim {
        /// Who.
        by: UserId,
        /// With what authority.
        authority: Authority,
    },
    /// The owner gives it back.
    Release {
        /// Who.
        by: UserId,
    },
    /// The owner asks somebody of their own choice.
    Ask {
        /// Who asks.
        by: UserId,
        /// Who is asked.
        responder: ResponderId,
    },
    /// The owner takes an offer back.
    Withdraw {
        /// Who.
        by: UserId,
        /// Which offer.
        offer: OfferId,
    },
    /// A responder says yes.
    Accept {
        /// To which offer.
        offer: OfferId,
        /// Minutes until they are there, by their own word or the distance.
        minutes: u16,
    },
    /// A responder says no.
    Decline {
        /// To which offer.
        offer: OfferId,
        /// Why.
        reason: String,
    },
    /// A responder has set out.
    SetOut {
        /// Which offer.
        offer: OfferId,
        /// Minutes until they are there.
        minutes: u16,
    },
    /// A responder is there.
    Arrive {
        /// Which offer.
        offer: OfferId,
    },
    /// A responder has finished.
    Finish {
        /// Which offer.
        offer: OfferId,
    },
    /// The owner says what daily help is wanted.
    Categorize {
        /// Who.
        by: UserId,
        /// What.
        category: Category,
    },
    /// A contact's far end has the message.
    ContactReached {
        /// Which contact.
        rank: Rank,
    },
    /// No far end of a contact will ever take the message.
    ContactLost {
        /// Which contact.
        rank: Rank,
    },
    /// The owner hands over to a centre.
    HandOver {
        /// Who.
        by: UserId,
        /// To which.
        centre: Centre,
    },
    /// The centre's machine took the message.
    CentreHasIt {
        /// Which hand-over.
        handover: HandoverId,
    },
    /// The message could not be sent before it was worthless.
    CentreUnreachable {
        /// Which hand-over.
        handover: HandoverId,
    },
    /// The centre reports.
    CentreSays {
        /// About which hand-over.
        handover: HandoverId,
        /// What.
        word: CentreWord,
        /// Its own number for the case.
        reference: Option<String>,
    },
    /// The owner tells a centre that nobody need come.
    StandDown {
        /// Who.
        by: UserId,
        /// Which centre.
        centre: Centre,
        /// Why.
        reason: String,
    },
    /// The owner has telephoned a centre.
    VoiceDone {
        /// Who.
        by: UserId,
        /// Which centre.
        centre: Centre,
        /// Its own number for the case.
        reference: Option<String>,
    },
    /// The owner has telephoned the grid officer.
    GridOfficerCalled {
        /// Who.
        by: UserId,
    },
    /// Anybody remarks something.
    Note {
        /// Who.
        by: UserId,
        /// What.
        text: String,
    },
    /// The owner closes it.
    Close {
        /// Who.
        by: UserId,
        /// How it ended.
        outcome: Outcome,
        /// A remark.
        note: Option<String>,
    },
}

impl Input {
    /// Whether it says what became of a message: that is no news of who might go.
    pub const fn is_of_a_message(&self) -> bool {
        matches!(
            self,
            Self::CentreHasIt { .. }
                | Self::CentreUnreachable { .. }
                | Self::ContactReached { .. }
                | Self::ContactLost { .. }
        )
    }
}

/// With what authority somebody claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// May claim what is nobody's.
    Operator,
    /// May take over from an owner.
    Supervisor,
}

/// What a centre can report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CentreWord {
    /// A person has taken it.
    Acknowledged,
    /// A vehicle is on the way.
    Dispatched {
        /// Minutes until arrival, when it says so.
        minutes: Option<u16>,
    },
    /// It is there.
    Arrived,
    /// It has finished.
    Closed,
    /// It will not come.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What follows from an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The incident afterwards.
    pub next: Incident,
    /// What is written into the timeline, in order.
    pub entries: Vec<Entry>,
    /// What is to happen outside, in order.
    pub effects: Vec<Effect>,
    /// Who was looked at, when it was decided whom to ask, in the order in which they would be asked.
    pub considered: Vec<Considered>,
    /// Somebody was to be chosen, and nobody had looked who there is: this is no decision, but the need of those facts.
    pub lacks_candidates: bool,
}

/// Why an input is not accepted. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The incident is closed.
    #[error("the incident is closed")]
    Over,
    /// Somebody else owns it.
    #[error("somebody else has claimed it")]
    ClaimedByOther,
    /// Nobody owns it: claim it first.
    #[error("claim it first")]
    NotClaimed,
    /// No such offer in this incident.
    #[error("there is no such offer")]
    NoSuchOffer,
    /// The offer was answered before, or is no longer open.
    #[error("the offer is no longer open")]
    OfferOver,
    /// Somebody else has accepted.
    #[error("somebody else is going already")]
    Taken,
    /// That responder is being asked, or going, already.
    #[error("that responder is already asked or going")]
    AlreadyAsked,
    /// No such hand-over, or none to that centre that could be stood down.
    #[error("there is no such hand-over")]
    NoSuchHandover,
    /// That centre is on it already.
    #[error("that centre has it already")]
    AlreadyHandedOver,
    /// Daily help is no centre's business; what turns out to be an emergency is opened as one.
    #[error("a request for daily help goes to no centre: open an emergency for it")]
    NoEmergency,
    /// Nobody has to telephone the grid officer, or somebody has.
    #[error("nobody waits for a call to the grid officer")]
    NoSuchTask,
    /// Only a request for daily help has a category.
    #[error("only a request for daily help has a category")]
    NoOrder,
    /// A centre may still come: stand it down, wait until it is there, or telephone first.
    #[error("a centre may still be on its way: stand it down or let it arrive before closing")]
    CentreUnderWay,
    /// A press has come in that nobody has heard yet.
    #[error("there is a new press: hear it before closing")]
    PressedAgain,
}

impl Refusal {
    /// A stable code for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::ClaimedByOther => "claimed_by_other",
            Self::NotClaimed => "not_claimed",
            Self::NoSuchOffer => "no_such_offer",
            Self::OfferOver => "offer_over",
            Self::Taken => "taken",
            Self::AlreadyAsked => "already_asked",
            Self::NoSuchHandover => "no_such_handover",
            Self::AlreadyHandedOver => "already_handed_over",
            Self::NoEmergency => "no_emergency",
            Self::NoOrder => "no_order",
            Self::NoSuchTask => "no_such_task",
            Self::CentreUnderWay => "centre_under_way",
            Self::PressedAgain => "pressed_again",
        }
    }
}

/// Decides what follows from `input`.
///
/// Whatever the input is, every deadline that has passed is dealt with too, so that nothing hangs on
/// who was the first to notice.
pub fn decide(incident: &Incident, input: Input, facts: &Facts) -> Result<Step, Refusal> {
    let mut draft = Draft::new(incident, facts);
    draft.looks_again = !input.is_of_a_message();
    if !incident.is_open() {
        // A centre or responder may still report what became of a case that an operator closed.
        return match input {
            Input::CentreSays { .. } | Input::CentreHasIt { .. } | Input::CentreUnreachable { .. } => {
                hear_centre(&mut draft, input)?;
                Ok(draft.finish())
            }
            Input::Note { by, text } => {
                draft.write(Entry::Noted { by, text });
                Ok(draft.finish())
            }
            Input::Wake | Input::ContactReached { .. } | Input::ContactLost { .. } => Ok(draft.finish()),
            _ => Err(Refusal::Over),
        };
    }
    if incident.canary {
        draft.come_through();
        return Ok(draft.finish());
    }
    match input {
        Input::Wake => offers::let_go(&mut draft),
        Input::Claim { by, authority } => claim(&mut draft, by, authority)?,
        Input::Release { by } => {
            require_owner(&draft, by)?;
            draft.write(Entry::Released { by });
            disown(&mut draft);
        }
        Input::Ask { .. }
        | Input::Withdraw { .. }
        | Input::Accept { .. }
        | Input::Decline { .. }
        | Input::SetOut { .. }
        | Input::Arrive { .. } => offers::hear(&mut draft, input)?,
        Input::Finish { .. } => {
            offers::hear(&mut draft, input)?;
            if let Some(by) = who_finished_the_order(&draft) {
                draft.close(ClosedBy::Responder(by), Outcome::ServiceDone, None);
                return Ok(draft.finish());
            }
        }
        Input::Categorize { by, category } => categorize(&mut draft, by, category)?,
        Input::ContactReached { rank } => contacts::hear(&mut draft, rank, ToldState::Reached),
        Input::ContactLost { rank } => contacts::hear(&mut draft, rank, ToldState::Lost),
        Input::CentreHasIt { .. } | Input::CentreUnreachable { .. } | Input::CentreSays { .. } => {
            hear_centre(&mut draft, input)?;
        }
        Input::HandOver { by, centre } => {
            act_as_owner(&mut draft, by)?;
            if draft.next.class == Class::Service {
                return Err(Refusal::NoEmergency);
            }
            if draft.next.handovers.iter().any(|handover| handover.centre == centre && handover.state.is_live()) {
                return Err(Refusal::AlreadyHandedOver);
            }
            draft.call_centre(centre, Some(by));
        }
        Input::StandDown { by, centre, reason } => {
            act_as_owner(&mut draft, by)?;
            let (id, was_called) = draft
                .next
                .handovers
                .iter()
                .find(|handover| handover.centre == centre && may_be_stood_down(&handover.state))
                .map(|handover| (handover.id, handover.state.is_live()))
                .ok_or(Refusal::NoSuchHandover)?;
            settle_voice(&mut draft, id);
            draft.move_handover(id, HandoverState::StoodDown { reason }, None);
            // A centre that was only proposed has heard nothing that could be taken back.
            if was_called {
                draft.emit(Effect::StandCentreDown(id));
            }
        }
        Input::VoiceDone { by, centre, reference } => finish_voice(&mut draft, by, centre, reference)?,
        Input::GridOfficerCalled { by } => finish_officer(&mut draft, by)?,
        Input::Note { by, text } => draft.write(Entry::Noted { by, text }),
        Input::Close { by, outcome, note } => {
            act_as_owner(&mut draft, by)?;
            if draft.next.presses_answered < draft.next.presses {
                return Err(Refusal::PressedAgain);
            }
            let under_way = draft.next.handovers.iter().any(|handover| {
                handover.state.is_live()
                    && !matches!(handover.state, HandoverState::Arrived)
                    && !matches!(handover.voice, Voice::Done { .. })
            });
            if under_way {
                return Err(Refusal::CentreUnderWay);
            }
            draft.close(ClosedBy::User(by), outcome, note);
            return Ok(draft.finish());
        }
    }
    catch_up(&mut draft);
    Ok(draft.finish())
}

/// Deals with every press nobody has answered and every deadline that has passed.
fn catch_up(draft: &mut Draft<'_>) {
    // Whatever made earlier decisions fail, this one does not.
    draft.next.operator_decides = false;
    check_owner(draft);
    offers::expire(draft);
    offers::look(draft);
    expire_handovers(draft);
    expire_officer(draft);
    answer_presses(draft);
    offers::heed_advice(draft);
    if coming_back::is_closed(draft) {
        return;
    }
    draft.hold_order();
    draft.climb();
    contacts::tell_next(draft);
    coming_back::wait(draft);
}

fn check_owner(draft: &mut Draft<'_>) {
    let Ownership::Claimed { by, since, check_at } = draft.next.ownership else { return };
    if check_at > draft.now() {
        return;
    }
    match draft.facts.owner {
        Presence::Present => {
            let every = draft.facts.policy.check_owner_every;
            if is_anybody_overdue(draft, check_at - every) {
                draft.ring_operators();
            }
            let check_at = draft.after(every);
            draft.next.ownership = Ownership::Claimed { by, since, check_at };
        }
        Presence::Gone => {
            draft.write(Entry::OwnerGone { owner: by });
            disown(draft);
        }
    }
}

/// Whether somebody who said when they would be there has come to be late since `looked_at`. Who is
/// late is told to the owner once; what nobody owns rings anyway.
fn is_anybody_overdue(draft: &Draft<'_>, looked_at: Timestamp) -> bool {
    let responders = draft.next.offers.iter().filter_map(|offer| match offer.state {
        OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } => Some(expected_at),
        _ => None,
    });
    let centres = draft.next.handovers.iter().filter_map(|handover| match handover.state {
        HandoverState::Dispatched { expected_at } => expected_at,
        _ => None,
    });
    responders.chain(centres).any(|expected_at| looked_at < expected_at && expected_at <= draft.now())
}

/// Nobody owns it any more, so the policy takes up again what an owner may have left lying.
fn disown(draft: &mut Draft<'_>) {
    draft.next.ownership = Ownership::Unclaimed;
    // An order that somebody sees to needs no other owner.
    let is_seen_to = draft.next.class == Class::Service && draft.next.ring == Ring::Quiet && draft.is_anybody_engaged();
    if !is_seen_to {
        draft.ring_anew();
    }
    if draft.facts.policy.handover == HandoverPolicy::AtOnce {
        draft.want_centres();
    }
    // Who was asked before the last press and has finished may have finished before it, too.
    let round = draft.next.round;
    let was_helped = draft.next.offers.iter().any(|offer| offer.state == OfferState::Done && offer.round == round);
    if asks_by_itself(draft) && !was_helped {
        draft.ask_next();
    }
}

fn expire_handovers(draft: &mut Draft<'_>) {
    let now = draft.now();
    let late: Vec<HandoverId> = draft
        .next
        .handovers
        .iter()
        .filter(|handover| match (handover.voice, &handover.state) {
            (Voice::Due { ring_at }, _) => ring_at <= now,
            (Voice::NotNeeded, HandoverState::Prepared { acknowledge_by } | HandoverState::Sent { acknowledge_by }) => {
                *acknowledge_by <= now
            }
            _ => false,
        })
        .map(|handover| handover.id)
        .collect();
    for id in late {
        draft.require_voice(id);
    }
}

/// Nobody has telephoned the grid officer yet.
fn expire_officer(draft: &mut Draft<'_>) {
    if let Voice::Due { ring_at } = draft.next.grid_officer
        && ring_at <= draft.now()
    {
        draft.next.grid_officer = Voice::Due { ring_at: draft.after(draft.ladder().every()) };
        draft.ring_operators();
    }
}

/// Runs the policy for presses that came in since it last ran. The first run and every later one are
/// the same rules: ring, hand over, ask.
fn answer_presses(draft: &mut Draft<'_>) {
    if draft.next.presses_answered >= draft.next.presses {
        return;
    }
    let is_first = draft.next.presses_answered == 0;
    draft.outlive_handovers();
    // Daily help has to be cheap: while somebody can be asked, no operator is rung.
    if draft.next.class != Class::Service || !asks_by_itself(draft) {
        draft.ring_operators();
    }
    if draft.next.class == Class::Emergency && draft.facts.policy.handover == HandoverPolicy::AtOnce {
        draft.want_centres();
    }
    draft.begin_anew_for_centres();
    if asks_by_itself(draft) {
        if !is_first {
            draft.next.round += 1;
            draft.next.shortfall = None;
        }
        draft.ask_next();
    }
    draft.next.presses_answered = draft.next.presses;
    if is_first && draft.next.class == Class::Emergency && draft.facts.policy.following == Following::Emergencies {
        draft.emit(Effect::Follow);
    }
    draft.answer(News::Received);
}

/// Whether the policy may ask responders without an operator: for somebody we know, when what was
/// raised calls for a centre too, or when it is known what daily help is wanted. A message that nobody
/// could read is looked at by a person first.
pub(super) fn asks_by_itself(draft: &Draft<'_>) -> bool {
    let is_clear = match draft.next.class {
        Class::Service => draft.next.category.is_some(),
        Class::Emergency | Class::Wandering | Class::Welfare => !draft.next.centres_wanted().is_empty(),
    };
    draft.next.origin.is_known() && is_clear
}

/// Who has finished an order that nobody else is still seeing to.
fn who_finished_the_order(draft: &Draft<'_>) -> Option<ResponderId> {
    let next = &draft.next;
    let is_answered = next.presses_answered == next.presses;
    let is_in_hand = next.offers.iter().any(|offer| offer.state.is_accepted());
    let done = next.offers.iter().rev().find(|offer| offer.state == OfferState::Done)?;
    (next.class == Class::Service && is_answered && !is_in_hand).then_some(done.responder)
}

/// Who was asked for something else need not answer any more; who is going goes.
fn categorize(draft: &mut Draft<'_>, by: UserId, category: Category) -> Result<(), Refusal> {
    require_owner(draft, by)?;
    if draft.next.class != Class::Service {
        return Err(Refusal::NoOrder);
    }
    if draft.next.category.as_ref() == Some(&category) {
        return Ok(());
    }
    act_as_owner(draft, by)?;
    draft.next.category = Some(category.clone());
    draft.write(Entry::Categorized { by, category });
    let asked: Vec<OfferId> = draft
        .next
        .offers
        .iter()
        .filter(|offer| matches!(offer.state, OfferState::Asked { .. }))
        .map(|offer| offer.id)
        .collect();
    for id in asked {
        draft.move_offer(id, OfferState::Withdrawn);
        draft.emit(Effect::DismissResponder(id));
    }
    draft.next.round += 1;
    draft.next.shortfall = None;
    if asks_by_itself(draft) {
        draft.ask_next();
    }
    Ok(())
}

fn claim(draft: &mut Draft<'_>, by: UserId, authority: Authority) -> Result<(), Refusal> {
    match (draft.next.owner(), authority) {
        // Claiming one's own again says: I have heard the new press.
        (Some(owner), _) if owner == by => {
            let was_quiet = draft.next.ring == Ring::Quiet;
            act_as_owner(draft, by)?;
            if was_quiet {
                return Ok(());
            }
            draft.write(Entry::Claimed { by, from: None });
        }
        (Some(_), Authority::Operator) if draft.facts.owner == Presence::Present => {
            return Err(Refusal::ClaimedByOther);
        }
        (previous, _) => {
            if let Some(owner) = previous
                && draft.facts.owner == Presence::Gone
            {
                draft.write(Entry::OwnerGone { owner });
            }
            // Who claims has heard every press so far; what the policy does about them is done first.
            answer_presses(draft);
            draft.own(by);
        }
    }
    draft.answer(News::Claimed);
    Ok(())
}

pub(super) fn require_owner(draft: &Draft<'_>, by: UserId) -> Result<(), Refusal> {
    match draft.next.owner() {
        None => Err(Refusal::NotClaimed),
        Some(owner) if owner == by => Ok(()),
        Some(_) => Err(Refusal::ClaimedByOther),
    }
}

/// An owner who does something has evidently heard the ring and is there.
pub(super) fn act_as_owner(draft: &mut Draft<'_>, by: UserId) -> Result<(), Refusal> {
    require_owner(draft, by)?;
    draft.quieten();
    if let Ownership::Claimed { by, since, .. } = draft.next.ownership {
        let check_at = draft.after(draft.facts.policy.check_owner_every);
        draft.next.ownership = Ownership::Claimed { by, since, check_at };
    }
    Ok(())
}

pub(super) fn expected(draft: &Draft<'_>, minutes: u16) -> Timestamp {
    draft.after(SignedDuration::from_mins(i64::from(minutes)))
}

fn may_be_stood_down(state: &HandoverState) -> bool {
    state.is_live() || *state == HandoverState::Proposed
}

fn settle_voice(draft: &mut Draft<'_>, id: HandoverId) {
    if let Some(handover) = draft.next.handovers.iter_mut().find(|handover| handover.id == id)
        && matches!(handover.voice, Voice::Due { .. })
    {
        handover.voice = Voice::NotNeeded;
    }
}

fn hear_centre(draft: &mut Draft<'_>, input: Input) -> Result<(), Refusal> {
    let (id, word, reference) = match input {
        Input::CentreHasIt { handover } => {
            let state = find_handover(draft, handover)?;
            if let HandoverState::Prepared { acknowledge_by } = state {
                draft.move_handover(handover, HandoverState::Sent { acknowledge_by }, None);
            }
            return Ok(());
        }
        Input::CentreUnreachable { handover } => {
            if matches!(find_handover(draft, handover)?, HandoverState::Prepared { .. } | HandoverState::Sent { .. }) {
                draft.move_handover(handover, HandoverState::Failed, None);
                if draft.next.is_open() {
                    draft.require_voice(handover);
                }
            }
            return Ok(());
        }
        Input::CentreSays { handover, word, reference } => (handover, word, reference),
        _ => return Ok(()),
    };
    let current = find_handover(draft, id)?;
    let centre = draft.next.handovers.iter().find(|handover| handover.id == id).map(|handover| handover.centre);
    let said = match word {
        CentreWord::Acknowledged => HandoverState::Acknowledged,
        CentreWord::Dispatched { minutes } => {
            HandoverState::Dispatched { expected_at: minutes.map(|minutes| expected(draft, minutes)) }
        }
        CentreWord::Arrived => HandoverState::Arrived,
        CentreWord::Closed => HandoverState::Closed,
        CentreWord::Refused { reason } => HandoverState::Refused { reason },
    };
    // Said twice or out of order: what is known is further along. But a centre that we could not reach
    // and that reports all the same has been reached.
    if current != HandoverState::Failed && said.rank() <= current.rank() {
        return Ok(());
    }
    settle_voice(draft, id);
    draft.move_handover(id, said.clone(), reference);
    if !draft.next.is_open() {
        return Ok(());
    }
    match (said, centre) {
        (HandoverState::Refused { .. }, _) => {
            draft.require_voice(id);
            // Also when somebody has telephoned already: what they were told is no longer so.
            draft.ring_operators();
        }
        // Finished, and was never there.
        (HandoverState::Closed, _) if current.rank() < HandoverState::Arrived.rank() => draft.ring_operators(),
        (HandoverState::Dispatched { expected_at }, Some(centre)) => {
            draft.emit(Effect::TellWearer(News::Coming { who: Helper::Centre(centre), expected_at }));
        }
        (HandoverState::Arrived, Some(centre)) => {
            draft.emit(Effect::TellWearer(News::Arrived { who: Helper::Centre(centre) }));
        }
        _ => {}
    }
    Ok(())
}

fn finish_voice(draft: &mut Draft<'_>, by: UserId, centre: Centre, reference: Option<String>) -> Result<(), Refusal> {
    act_as_owner(draft, by)?;
    let handover = draft
        .next
        .handovers
        .iter_mut()
        .find(|handover| handover.centre == centre && matches!(handover.voice, Voice::Due { .. }))
        .ok_or(Refusal::NoSuchHandover)?;
    handover.voice = Voice::Done { by };
    draft.write(Entry::VoiceDone { centre, by, reference });
    Ok(())
}

fn finish_officer(draft: &mut Draft<'_>, by: UserId) -> Result<(), Refusal> {
    act_as_owner(draft, by)?;
    if !matches!(draft.next.grid_officer, Voice::Due { .. }) {
        return Err(Refusal::NoSuchTask);
    }
    draft.next.grid_officer = Voice::Done { by };
    draft.write(Entry::GridOfficerCalled { by });
    Ok(())
}

fn find_handover(draft: &Draft<'_>, id: HandoverId) -> Result<HandoverState, Refusal> {
    draft
        .next
        .handovers
        .iter()
        .find(|handover| handover.id == id)
        .map(|handover| handover.state.clone())
        .ok_or(Refusal::NoSuchHandover)
}
