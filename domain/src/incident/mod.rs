//! The life of a call for help.
//!
//! An incident is four independent machines: who owns it ([`Ownership`], with the [`Ring`] that goes
//! on until somebody does), each question to a responder ([`Offer`]), each hand-over to an outside
//! centre ([`Handover`]) and its [`Closure`]. What a list shows is derived from them
//! ([`Incident::headline`], [`Incident::urgency`], [`Incident::tasks`]). Beside them, the contacts are
//! told in their order ([`Told`]).
//!
//! [`decide`] is the only thing that changes one: facts in, a [`Step`] out. The shell around it locks
//! the row, gathers the facts, writes the step and commits. Deadlines live inside the incident; the
//! earliest is [`Incident::wake_at`], which an open incident always has.

mod choice;
mod coming_back;
mod contacts;
mod decide;
mod draft;
pub mod ladder;
mod offers;
mod priority;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub use self::choice::{Candidate, Considered, Shortfall, Unfit, Verdict};
pub use self::decide::{Authority, CentreWord, Input, Refusal, Step, decide};
pub use self::ladder::Ladder;
pub use self::priority::{MedicalRisk, Priority, Reason, Signs};
use crate::id::{HandoverId, IncidentId, OfferId, ResponderId, UserId};
use crate::place::Metres;
use crate::press::AlertKind;
use crate::word::words;

words! {
    /// What sort of case it is.
    pub enum Class ("incident class") {
        /// SOS key, fall, smoke, a telephone call for help.
        Emergency = "emergency",
        /// Daily help.
        Service = "service",
        /// Out of, or never back in, the place where they should be.
        Wandering = "wandering",
        /// Silence, a missed check-in, a flat battery.
        Welfare = "welfare",
    }
}

impl Class {
    /// The class of incident that an alert belongs to.
    pub const fn of(kind: AlertKind) -> Self {
        match kind {
            AlertKind::LowBattery | AlertKind::Removed | AlertKind::Silent | AlertKind::MissedCheckIn => Self::Welfare,
            AlertKind::FenceExit => Self::Wandering,
            AlertKind::Sos
            | AlertKind::Fall
            | AlertKind::Smoke
            | AlertKind::Gas
            | AlertKind::HeartRate
            | AlertKind::Telephone
            | AlertKind::Unreadable
            | AlertKind::General => Self::Emergency,
        }
    }
}

words! {
    /// An outside centre that an incident can be handed to.
    pub enum Centre ("centre") {
        /// Ambulance.
        Ambulance = "120",
        /// Fire brigade.
        Fire = "119",
        /// Police.
        Police = "110",
    }
}

words! {
    /// How a case ended.
    pub enum Outcome ("outcome") {
        /// Pressed by mistake.
        FalsePress = "false_press",
        /// A test of the terminal.
        Test = "test",
        /// Helped on the spot, nobody hurt.
        NoInjury = "no_injury",
        /// The ambulance took over.
        Ambulance = "ambulance",
        /// A missing person was found.
        Found = "found",
        /// Daily help was given.
        ServiceDone = "service_done",
        /// Nobody could be reached.
        Unreachable = "unreachable",
        /// Anything else; the note tells.
        Other = "other",
    }
}

words! {
    /// Who is rung.
    pub enum Level ("ring level") {
        /// Nobody.
        Quiet = "none",
        /// The operators in scope, or the owner when there is one.
        Operators = "operators",
        /// Every supervisor too.
        Supervisors = "supervisors",
    }
}

words! {
    /// What a person reads first.
    pub enum Headline ("headline") {
        /// Nobody has taken it.
        Ringing = "ringing",
        /// An operator has.
        Claimed = "claimed",
        /// Somebody has been asked to go.
        HelpAsked = "help_asked",
        /// Somebody will go.
        Accepted = "accepted",
        /// Somebody is going.
        OnTheWay = "on_the_way",
        /// Somebody is there.
        OnScene = "on_scene",
        /// Over.
        Closed = "closed",
    }
}

words! {
    /// Something that only a person can do now.
    pub enum Task ("task") {
        /// The data link to 120 did not do: take the telephone.
        CallByVoice = "call_by_voice",
        /// Everybody who could go has been asked in vain, or nobody is on duty.
        NobodyLeftToAsk = "nobody_left_to_ask",
        /// The automatic decision failed twice.
        OperatorDecides = "operator_decides",
        /// The wearer took the alert back; find out whether it is true.
        CancelledByWearer = "cancelled_by_wearer",
        /// What daily help is wanted was not said in a word that we know.
        CategoryUnknown = "category_unknown",
        /// Who wandered off is back where they should be; find out whether they are well, and close.
        Returned = "returned",
        /// The ladder wants the grid officer of the community to be telephoned.
        CallGridOfficer = "call_grid_officer",
        /// A centre is wanted and nobody proved who calls for help: call it, or say that it is not needed.
        DecideCentre = "decide_centre",
    }
}

words! {
    /// Whether the source of a press is known to us. What is declared first counts for more.
    pub enum Origin ("origin") {
        /// A terminal that proved who it is, or a caller who is a resident.
        Listed = "listed",
        /// The terminal of somebody we know, in a dialect that proves nothing: people near by are sent for as for
        /// anybody, but a centre is proposed, and called by a person.
        Unproved = "unproved",
        /// Nobody we know: an operator looks first, 120 is never called by itself.
        Unlisted = "unlisted",
    }
}

impl Origin {
    /// Whether responders and contacts may hear of it without a person: it is known whom it is about.
    pub const fn is_known(self) -> bool {
        matches!(self, Self::Listed | Self::Unproved)
    }

    /// What holds for a case with presses of both kinds: known now is known, and a press that proves who it is
    /// counts for the whole case.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.min(other)
    }
}

/// What sort of daily help is wanted: a word of the district's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category(pub String);

/// One case.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and any of them may hold beside any other"
)]
pub struct Incident {
    /// Its identity.
    pub id: IncidentId,
    /// What sort of case it is.
    pub class: Class,
    /// Whether its source is known to us.
    pub origin: Origin,
    /// Everything that was ever raised in it.
    pub kinds: BTreeSet<AlertKind>,
    /// What an order for daily help is for, once that is known. Nothing in any other class.
    pub category: Option<Category>,
    /// When it was opened: the intake commit of its first press.
    pub opened_at: Timestamp,
    /// How many presses (or calls) it holds.
    pub presses: u32,
    /// How many of them the policy has answered. Fewer than `presses`: there is something to decide.
    pub presses_answered: u32,
    /// Whose it is.
    pub ownership: Ownership,
    /// Who is being rung.
    pub ring: Ring,
    /// Who was asked to go, in the order of asking.
    pub offers: Vec<Offer>,
    /// A further press starts a new round: who kept silent before may be asked again.
    pub round: u32,
    /// Why nobody could be asked, while that is so.
    pub shortfall: Option<Shortfall>,
    /// Nobody is asked until then, because somebody who would be there sooner is about to be free.
    pub waits_until: Option<Timestamp>,
    /// Which centres it was handed to, in order.
    pub handovers: Vec<Handover>,
    /// Whether a person has to telephone the grid officer of the community.
    pub grid_officer: Voice,
    /// Which contacts have had their turn, in order.
    pub told: Vec<Told>,
    /// When it is the next contact's turn, while there is one.
    pub tell_next_at: Option<Timestamp>,
    /// The wearer took it back. Seen by everybody; closes nothing.
    pub cancelled: bool,
    /// Who wandered off has been seen back where they should be. Seen by everybody; closes nothing, but by the policy
    /// where nobody has a hand in it.
    pub returned: bool,
    /// When it closes by itself, because they are back.
    pub closes_at: Option<Timestamp>,
    /// The automatic decision failed twice in a row.
    pub operator_decides: bool,
    /// Open or closed.
    pub closure: Closure,
    /// An exercise.
    pub drill: bool,
    /// A press of our own, to see that the line works: nobody is rung, asked or told, and it closes by itself.
    pub canary: bool,
}

/// Whose an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody's yet, or nobody's any more.
    Unclaimed,
    /// An operator's.
    Claimed {
        /// Who.
        by: UserId,
        /// Since when.
        since: Timestamp,
        /// When to look again whether they are still there.
        check_at: Timestamp,
    },
}

/// Who is being rung, and when that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ring {
    /// Nobody.
    Quiet,
    /// Nobody yet: somebody sees to an order for daily help, and has until then.
    Held {
        /// Rings from then on.
        until: Timestamp,
    },
    /// Somebody.
    Ringing {
        /// Who.
        level: Level,
        /// Since when; earlier, where rungs on which nobody was there took less than their time.
        since: Timestamp,
        /// Every rung of the ladder up to this delay has been climbed.
        climbed: SignedDuration,
        /// When the next rung of the ladder is due.
        next_at: Timestamp,
    },
}

impl Ring {
    /// Who is rung.
    pub const fn level(self) -> Level {
        match self {
            Self::Quiet | Self::Held { .. } => Level::Quiet,
            Self::Ringing { level, .. } => level,
        }
    }

    /// When it changes by itself.
    pub const fn next_at(self) -> Option<Timestamp> {
        match self {
            Self::Quiet => None,
            Self::Held { until } => Some(until),
            Self::Ringing { next_at, .. } => Some(next_at),
        }
    }
}

/// One question to one responder.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Its identity.
    pub id: OfferId,
    /// Who was asked.
    pub responder: ResponderId,
    /// In which round.
    pub round: u32,
    /// When.
    pub asked_at: Timestamp,
    /// By an operator, or by the policy.
    pub by: Option<UserId>,
    /// How it is noticed that somebody who goes does not come: while they go, and only then.
    pub watch: Option<Watch>,
    /// Where it stands.
    pub state: OfferState,
}

/// A look at somebody who goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watch {
    /// When they are looked at next.
    pub look_at: Timestamp,
    /// How far they had to go at the last look, when that was known.
    pub left: Option<Metres>,
}

/// Where an offer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferState {
    /// Waiting for an answer.
    Asked {
        /// After this somebody else is asked.
        answer_by: Timestamp,
    },
    /// Will go.
    Accepted {
        /// When they mean to be there.
        expected_at: Timestamp,
    },
    /// Going.
    OnTheWay {
        /// When they mean to be there.
        expected_at: Timestamp,
    },
    /// There.
    OnScene,
    /// Has finished.
    Done,
    /// Said no.
    Declined {
        /// Why.
        reason: String,
    },
    /// Did not answer in time.
    Silent,
    /// Said yes, and does not come.
    Lost {
        /// How that was noticed.
        by: LostBy,
    },
    /// No longer needed.
    Withdrawn,
}

words! {
    /// How it was noticed that somebody who said yes does not come.
    pub enum LostBy ("way of getting lost") {
        /// Nothing is heard of where they are.
        NoPosition = "no_position",
        /// They have not come nearer, and can no longer be there when they said.
        NotMoving = "not_moving",
    }
}

impl OfferState {
    /// Whether the responder is engaged by it: asked or going. A responder has one such at a time.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Asked { .. } | Self::Accepted { .. } | Self::OnTheWay { .. } | Self::OnScene)
    }

    /// Whether somebody said yes.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. } | Self::OnTheWay { .. } | Self::OnScene)
    }

    /// When somebody who is not there yet said that they will be.
    pub const fn expected_at(&self) -> Option<Timestamp> {
        match self {
            Self::Accepted { expected_at } | Self::OnTheWay { expected_at } => Some(*expected_at),
            _ => None,
        }
    }
}

/// One hand-over to one centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// Its identity; also the idempotency key of the message.
    pub id: HandoverId,
    /// Which centre.
    pub centre: Centre,
    /// Where it stands.
    pub state: HandoverState,
    /// Whether a person has to telephone.
    pub voice: Voice,
    /// A press has come since it ended (stood down, or finished by the centre): it counts no more, and
    /// the centre is called anew when its time comes.
    pub outlived: bool,
}

/// Where a hand-over stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandoverState {
    /// The policy wants the centre, and a person has to say so: it has heard nothing yet.
    Proposed,
    /// In the outbox.
    Prepared {
        /// Without an acknowledgement by then, somebody telephones.
        acknowledge_by: Timestamp,
    },
    /// The centre's machine has it.
    Sent {
        /// Without an acknowledgement by then, somebody telephones.
        acknowledge_by: Timestamp,
    },
    /// A person at the centre has it.
    Acknowledged,
    /// A vehicle is on the way.
    Dispatched {
        /// When it is expected, if the centre said.
        expected_at: Option<Timestamp>,
    },
    /// It is there.
    Arrived,
    /// The centre has finished.
    Closed,
    /// The centre will not come.
    Refused {
        /// Why.
        reason: String,
    },
    /// The message could not be sent at all.
    Failed,
    /// We told the centre that it is no longer needed.
    StoodDown {
        /// Why.
        reason: String,
    },
}

impl HandoverState {
    /// How far along it is; progress never goes back.
    const fn rank(&self) -> u8 {
        match self {
            Self::Proposed => 0,
            Self::Prepared { .. } => 1,
            Self::Sent { .. } => 2,
            Self::Acknowledged => 3,
            Self::Dispatched { .. } => 4,
            Self::Arrived => 5,
            Self::Closed | Self::Refused { .. } | Self::Failed | Self::StoodDown { .. } => 6,
        }
    }

    /// Whether the centre may still come.
    pub const fn is_live(&self) -> bool {
        !matches!(self, Self::Proposed) && self.rank() < 6
    }
}

/// Whether a person has to telephone: a centre, because the data link did not do, or the grid officer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// No.
    NotNeeded,
    /// Yes, now.
    Due {
        /// Rings again then.
        ring_at: Timestamp,
    },
    /// Somebody has.
    Done {
        /// Who.
        by: UserId,
    },
}

/// Open or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closure {
    /// Not over.
    Open,
    /// Over.
    Closed {
        /// How it ended.
        outcome: Outcome,
        /// When.
        at: Timestamp,
        /// Who says so.
        by: ClosedBy,
    },
}

/// Who says that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// Its owner.
    User(UserId),
    /// Who has finished an order for daily help.
    Responder(ResponderId),
    /// Nobody: a canary's press has come through.
    Canary,
    /// Nobody: who wandered off has been back for as long as the policy says.
    Return,
}

/// The place of a contact in the order in which they are told, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(pub i16);

/// Whether there is a way to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// There is an address that we can send to.
    Addressed,
    /// There is none.
    Unaddressed,
}

/// Somebody close to the resident, to be told of this class of incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// Their place in the order.
    pub rank: Rank,
    /// Whether they can be told.
    pub reach: Reach,
}

/// A contact who has had their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub rank: Rank,
    /// What came of it.
    pub state: ToldState,
}

words! {
    /// What came of telling a contact.
    pub enum ToldState ("state of a contact") {
        /// A message is on its way.
        Told = "told",
        /// The far end has it.
        Reached = "reached",
        /// No far end will ever take it.
        Lost = "lost",
        /// There was no address to send it to.
        Skipped = "skipped",
    }
}

words! {
    /// When an emergency goes to 120.
    pub enum HandoverPolicy ("hand-over policy") {
        /// With the first decision.
        AtOnce = "at_once",
        /// When an operator says so, or by itself when nobody claims in time.
        OperatorFirst = "operator_first",
    }
}

/// The rules of a district or resident that a decision follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// When an emergency goes to 120.
    pub handover: HandoverPolicy,
    /// Who is called in while it rings; none: the standard one of its class.
    pub ladder: Option<Ladder>,
    /// How long a responder has to answer.
    pub offer_window: SignedDuration,
    /// The same for daily help, which wakes nobody.
    pub service_offer_window: SignedDuration,
    /// Daily help may come this much later than was said before anybody is rung.
    pub service_late_after: SignedDuration,
    /// Daily help takes no longer than this, from arrival to the end, before anybody is rung.
    pub service_lasts: SignedDuration,
    /// The next contact is told this long after the one before.
    pub contact_every: SignedDuration,
    /// How long a centre has to acknowledge before somebody telephones.
    pub acknowledge_within: SignedDuration,
    /// How often somebody who goes is looked at.
    pub look_every: SignedDuration,
    /// Nothing heard for so long of where somebody is who goes: they are lost.
    pub heard_within: SignedDuration,
    /// Nobody is waited for longer than this while somebody else could be asked…
    pub wait_max: SignedDuration,
    /// …and for daily help.
    pub service_wait_max: SignedDuration,
    /// How often it is checked that an owner is still there.
    pub check_owner_every: SignedDuration,
    /// Whether the terminal of whoever calls for help is followed.
    pub following: Following,
    /// Who wandered off and has been back for so long needs nobody to close their case; none: somebody always does.
    pub close_returned_after: Option<SignedDuration>,
}

/// Whether a terminal is asked to tell where it is, again and again, once its wearer has called for help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// From the first press of an emergency.
    Emergencies,
    /// Nobody asks by themselves.
    Nobody,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            handover: HandoverPolicy::AtOnce,
            ladder: None,
            offer_window: SignedDuration::from_secs(30),
            service_offer_window: SignedDuration::from_secs(120),
            service_late_after: SignedDuration::from_mins(10),
            service_lasts: SignedDuration::from_hours(4),
            contact_every: SignedDuration::from_secs(60),
            acknowledge_within: SignedDuration::from_secs(15),
            look_every: SignedDuration::from_secs(60),
            heard_within: SignedDuration::from_mins(5),
            wait_max: SignedDuration::from_mins(20),
            service_wait_max: SignedDuration::from_mins(50),
            check_owner_every: SignedDuration::from_secs(30),
            following: Following::Emergencies,
            close_returned_after: None,
        }
    }
}

impl Policy {
    /// The ladder that an incident of this class climbs. A voice call that stays due rings as often as its
    /// last rung.
    pub fn ladder(&self, class: Class) -> Ladder {
        self.ladder.unwrap_or_else(|| Ladder::standard(class))
    }

    /// How long a responder has to answer in an incident of this class.
    pub const fn window(&self, class: Class) -> SignedDuration {
        match class {
            Class::Service => self.service_offer_window,
            Class::Emergency | Class::Wandering | Class::Welfare => self.offer_window,
        }
    }

    /// How long an incident of this class may wait for somebody while somebody else could be asked.
    pub const fn patience(&self, class: Class) -> SignedDuration {
        match class {
            Class::Service => self.service_wait_max,
            Class::Emergency | Class::Wandering | Class::Welfare => self.wait_max,
        }
    }
}

/// What the plan for everybody ([`crate::dispatch`]) says of one incident. Without any, whoever would be
/// there first is asked, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advice {
    /// Whom to ask, also beside somebody who was asked or goes.
    pub ask: Option<ResponderId>,
    /// Who is needed more elsewhere.
    pub let_go: Option<ResponderId>,
    /// Somebody who is about to be free then would be there sooner than anybody who is free now.
    pub wait_until: Option<Timestamp>,
    /// Who was asked or goes and is the best one for it. Once they are not coming, the plan that counted on them has
    /// nothing to say.
    pub counts_on: Option<ResponderId>,
}

/// Where somebody is who was asked or goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Whereabouts {
    /// Who.
    pub responder: ResponderId,
    /// How far they still have to go, as the crow flies.
    pub distance: Metres,
    /// How long that is likely to take them.
    pub way: SignedDuration,
    /// How old the position is.
    pub age: SignedDuration,
}

/// Whether somebody is at a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Logged in, connected and not idle.
    Present,
    /// Not.
    Gone,
}

/// Whether somebody has looked who might be asked, which costs more than everything else that a decision needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    /// Nobody has. A decision that comes to choose somebody says so ([`Step::lacks_candidates`]) and is made anew.
    NotYet,
    /// There is nowhere to look: the place is not known.
    PlaceUnknown,
    /// Who was looked at, in the order in which they would be asked.
    Found(Vec<Candidate>),
}

impl From<Option<Vec<Candidate>>> for Looked {
    /// `None`: the place is not known.
    fn from(found: Option<Vec<Candidate>>) -> Self {
        found.map_or(Self::PlaceUnknown, Self::Found)
    }
}

impl Looked {
    /// Everybody who was looked at.
    pub fn found(&self) -> &[Candidate] {
        match self {
            Self::NotYet | Self::PlaceUnknown => &[],
            Self::Found(candidates) => candidates,
        }
    }
}

/// What is true at the moment of a decision. Gathered by the shell, never looked up in here.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The database's clock, read once.
    pub now: Timestamp,
    /// The rules that hold for this incident.
    pub policy: Policy,
    /// Whether the owner, if there is one, is still there.
    pub owner: Presence,
    /// Whether any operator in scope is there.
    pub operators: Presence,
    /// Whether any supervisor is there.
    pub supervisors: Presence,
    /// Who might be asked.
    pub candidates: Looked,
    /// What is best for everybody.
    pub advice: Advice,
    /// Where those are who were asked or go, as far as that is known.
    pub whereabouts: Vec<Whereabouts>,
    /// Who is to be told of incidents of this class, in order of rank.
    pub contacts: Vec<Contact>,
    /// New identities for what the decision creates.
    pub fresh: [Uuid; FRESH],
}

/// A decision creates at most this many new things: one offer and a hand-over for each centre.
pub const FRESH: usize = 4;

/// A line in the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Somebody is being rung.
    Rung {
        /// Who.
        level: Level,
    },
    /// Claimed, or taken over.
    Claimed {
        /// By whom.
        by: UserId,
        /// From whom.
        from: Option<UserId>,
    },
    /// Given back.
    Released {
        /// By whom.
        by: UserId,
    },
    /// The owner is no longer at a console.
    OwnerGone {
        /// Who.
        owner: UserId,
    },
    /// Somebody was asked to go.
    Asked {
        /// The offer.
        offer: OfferId,
        /// Who.
        responder: ResponderId,
        /// By an operator, or by the policy.
        by: Option<UserId>,
    },
    /// An offer moved on.
    Answered {
        /// The offer.
        offer: OfferId,
        /// Who.
        responder: ResponderId,
        /// To what.
        state: OfferState,
    },
    /// What daily help is wanted was said by an operator.
    Categorized {
        /// By whom.
        by: UserId,
        /// What.
        category: Category,
    },
    /// Nobody is asked yet: somebody who is about to be free would be there sooner.
    Waits {
        /// No longer than until then.
        until: Timestamp,
    },
    /// Nobody can be asked.
    NobodyLeft {
        /// Why.
        shortfall: Shortfall,
    },
    /// Handed to a centre.
    HandedOver {
        /// The hand-over.
        handover: HandoverId,
        /// Which centre.
        centre: Centre,
        /// By an operator, or by the policy.
        by: Option<UserId>,
    },
    /// A centre is wanted, and a person has to say so.
    CentreProposed {
        /// The hand-over that it would be.
        handover: HandoverId,
        /// Which centre.
        centre: Centre,
    },
    /// A hand-over moved on.
    HandoverMoved {
        /// The hand-over.
        handover: HandoverId,
        /// Which centre.
        centre: Centre,
        /// To what.
        state: HandoverState,
        /// The centre's own number for the case.
        reference: Option<String>,
    },
    /// Somebody has to telephone a centre.
    VoiceDue {
        /// Which.
        centre: Centre,
    },
    /// Somebody has.
    VoiceDone {
        /// Which.
        centre: Centre,
        /// Who.
        by: UserId,
        /// The centre's own number for the case.
        reference: Option<String>,
    },
    /// Somebody has to telephone the grid officer.
    GridOfficerDue,
    /// Somebody has.
    GridOfficerCalled {
        /// Who.
        by: UserId,
    },
    /// A contact had their turn, or a message to them came to an end.
    Contacted {
        /// Who.
        rank: Rank,
        /// What came of it.
        state: ToldState,
    },
    /// A remark.
    Noted {
        /// By whom.
        by: UserId,
        /// What.
        text: String,
    },
    /// Closed.
    Closed {
        /// By whom.
        by: ClosedBy,
        /// How it ended.
        outcome: Outcome,
        /// A remark.
        note: Option<String>,
    },
}

/// What is to happen outside, at least once, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask a responder.
    AskResponder(OfferId),
    /// Tell a responder that they are no longer needed.
    DismissResponder(OfferId),
    /// Send a centre the message.
    CallCentre(HandoverId),
    /// Tell a centre that nobody need come.
    StandCentreDown(HandoverId),
    /// Tell a contact.
    TellContact {
        /// Who.
        rank: Rank,
        /// What.
        news: ContactNews,
    },
    /// Tell the wearer.
    TellWearer(News),
    /// Have the wearer's terminal tell where it is, again and again for a while.
    Follow,
}

words! {
    /// What a contact is told.
    pub enum ContactNews ("news for a contact") {
        /// Help was called for.
        Alert = "alert",
        /// It is over.
        AllClear = "all_clear",
    }
}

/// What a wearer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It is stored and rings.
    Received,
    /// An operator has it.
    Claimed,
    /// Somebody is on the way.
    Coming {
        /// Who.
        who: Helper,
        /// When they are expected, when they said so.
        expected_at: Option<Timestamp>,
    },
    /// Somebody is there.
    Arrived {
        /// Who.
        who: Helper,
    },
    /// It is over.
    AllClear,
}

/// Who comes to help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// A responder.
    Responder(ResponderId),
    /// A centre's vehicle.
    Centre(Centre),
}

impl Incident {
    /// The incident that a first press opens. Nothing is decided yet; that follows right after the
    /// commit, because there are presses that nobody has answered.
    pub fn open(id: IncidentId, class: Class, origin: Origin, kind: Option<AlertKind>, now: Timestamp) -> Self {
        Self {
            id,
            class,
            origin,
            kinds: kind.into_iter().collect(),
            category: None,
            opened_at: now,
            presses: 1,
            presses_answered: 0,
            ownership: Ownership::Unclaimed,
            ring: Ring::Quiet,
            offers: Vec::new(),
            round: 0,
            shortfall: None,
            waits_until: None,
            handovers: Vec::new(),
            grid_officer: Voice::NotNeeded,
            told: Vec::new(),
            tell_next_at: None,
            cancelled: false,
            returned: false,
            closes_at: None,
            operator_decides: false,
            closure: Closure::Open,
            drill: false,
            canary: false,
        }
    }

    /// Whether it is not over.
    pub const fn is_open(&self) -> bool {
        matches!(self.closure, Closure::Open)
    }

    /// Who owns it.
    pub const fn owner(&self) -> Option<UserId> {
        match self.ownership {
            Ownership::Unclaimed => None,
            Ownership::Claimed { by, .. } => Some(by),
        }
    }

    /// The earliest deadline. An open incident always has one: unanswered presses are due at once, an
    /// unclaimed incident rings, or is held until it rings, and every rung has a next, and an owner is
    /// looked after.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if !self.is_open() {
            return None;
        }
        let unanswered = (self.presses_answered < self.presses).then_some(self.opened_at);
        let owner = match self.ownership {
            Ownership::Unclaimed => None,
            Ownership::Claimed { check_at, .. } => Some(check_at),
        };
        let offers = self.offers.iter().filter_map(|offer| match offer.state {
            OfferState::Asked { answer_by } => Some(answer_by),
            _ => offer.watch.map(|watch| watch.look_at),
        });
        let handovers = self.handovers.iter().filter_map(|handover| match (handover.voice, &handover.state) {
            (Voice::Due { ring_at }, _) => Some(ring_at),
            (Voice::NotNeeded, HandoverState::Prepared { acknowledge_by } | HandoverState::Sent { acknowledge_by }) => {
                Some(*acknowledge_by)
            }
            _ => None,
        });
        let officer = match self.grid_officer {
            Voice::Due { ring_at } => Some(ring_at),
            Voice::NotNeeded | Voice::Done { .. } => None,
        };
        [unanswered, self.ring.next_at(), owner, officer, self.tell_next_at, self.waits_until, self.closes_at]
            .into_iter()
            .flatten()
            .chain(offers)
            .chain(handovers)
            .min()
    }

    /// What a person reads first.
    pub fn headline(&self) -> Headline {
        if !self.is_open() {
            return Headline::Closed;
        }
        let furthest = self.offers.iter().filter_map(|offer| match offer.state {
            OfferState::OnScene => Some(Headline::OnScene),
            OfferState::OnTheWay { .. } => Some(Headline::OnTheWay),
            OfferState::Accepted { .. } => Some(Headline::Accepted),
            OfferState::Asked { .. } => Some(Headline::HelpAsked),
            _ => None,
        });
        match (self.ownership, self.ring, furthest.max()) {
            // An order that somebody sees to needs no operator.
            (Ownership::Unclaimed, Ring::Held { .. }, Some(furthest)) => furthest,
            (Ownership::Unclaimed, ..) => Headline::Ringing,
            (_, _, Some(furthest)) => furthest,
            (_, _, None) => Headline::Claimed,
        }
    }

    /// What only a person can do now.
    pub fn tasks(&self) -> Vec<Task> {
        let voice = self.handovers.iter().any(|handover| matches!(handover.voice, Voice::Due { .. }));
        let is_proposed = self.handovers.iter().any(|handover| handover.state == HandoverState::Proposed);
        [
            (voice, Task::CallByVoice),
            (self.operator_decides, Task::OperatorDecides),
            (self.shortfall.is_some(), Task::NobodyLeftToAsk),
            (self.cancelled, Task::CancelledByWearer),
            (self.class == Class::Service && self.category.is_none(), Task::CategoryUnknown),
            (self.returned, Task::Returned),
            (matches!(self.grid_officer, Voice::Due { .. }), Task::CallGridOfficer),
            (is_proposed, Task::DecideCentre),
        ]
        .into_iter()
        .filter_map(|(stands, task)| (stands && self.is_open()).then_some(task))
        .collect()
    }

    /// Higher is more urgent. An unclaimed emergency comes before a claimed one, any emergency before
    /// anything else. What is known of the person comes on top of it: [`Incident::priority`].
    pub fn urgency(&self) -> i32 {
        if !self.is_open() {
            return 0;
        }
        let class = match self.class {
            Class::Emergency => 1000,
            Class::Wandering => 600,
            Class::Welfare => 400,
            Class::Service => 200,
        };
        let ring = match self.ring.level() {
            Level::Quiet => 0,
            Level::Operators => 100,
            Level::Supervisors => 150,
        };
        let is_held = matches!(self.ring, Ring::Held { .. });
        let unclaimed = if self.owner().is_none() && !is_held { 100 } else { 0 };
        // What the wearer did to be well again makes nothing more urgent.
        let is_pressing = |task: &Task| !matches!(task, Task::CancelledByWearer | Task::Returned);
        let tasks = if self.tasks().iter().any(is_pressing) { 50 } else { 0 };
        class + ring + unclaimed + tasks
    }

    /// The centres that what was raised calls for by itself.
    fn centres_wanted(&self) -> Vec<Centre> {
        if self.class != Class::Emergency {
            return Vec::new();
        }
        let fire = self.kinds.iter().any(|kind| matches!(kind, AlertKind::Smoke | AlertKind::Gas));
        // Smoke alone does not mean that somebody is hurt; anything else does until known better.
        let ambulance = self.kinds.is_empty()
            || self.kinds.iter().any(|kind| {
                !matches!(
                    kind,
                    AlertKind::Smoke
                        | AlertKind::Gas
                        | AlertKind::LowBattery
                        | AlertKind::Removed
                        | AlertKind::FenceExit
                        | AlertKind::Silent
                        | AlertKind::MissedCheckIn
                        | AlertKind::Unreadable
                )
            });
        [(ambulance, Centre::Ambulance), (fire, Centre::Fire)]
            .into_iter()
            .filter_map(|(wanted, centre)| wanted.then_some(centre))
            .collect()
    }
}
