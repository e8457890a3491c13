//! The escalation ladder: who is called in next while a case rings and nobody hears it.
//!
//! A [`Ladder`] is data: rungs in order, each so and so long after the case began to ring, each with a
//! condition. It is checked when it is made, so that none can exist that forgets a case: it rings at once,
//! its delays never fall, and its last rung rings everybody, whatever happens, again and again, and does
//! once more all that the rungs below it could not do. It is climbed while a case rings: a claim ends the
//! ring, and a case that rings anew begins at the foot. When contacts have their turns is the one thing
//! that does not hang on the ring; here it is only said when they begin.
//!
//! Which ladder holds for a case (district, hour, holiday) is not decided here.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    Advice, Candidate, Centre, Class, Contact, Entry, FRESH, Facts, HandoverState, Incident, Input, Level, Looked,
    Origin, Policy, Presence, Rank, Reach, Ring, Shortfall, Voice, decide,
};
use crate::id::{IncidentId, ResponderId};
use crate::incident::decide::asks_by_itself;
use crate::incident::draft::Draft;
use crate::place::Metres;
use crate::press::AlertKind;
use crate::word::words;

words! {
    /// What a rung does.
    pub enum Act ("act of a ladder") {
        /// Rings the operators' consoles.
        Operators = "operators",
        /// Rings the supervisors' too.
        Supervisors = "supervisors",
        /// Asks those once more who kept silent, when everybody was asked in vain.
        Responders = "responders",
        /// Begins to tell the contacts, one after the other.
        Contacts = "contacts",
        /// Hands over to the centres that the alerts call for: 120, and 119 for smoke and gas.
        Centres = "centres",
        /// Hands over to 120.
        Ambulance = "120",
        /// Hands over to 119.
        Fire = "119",
        /// Hands over to 110.
        Police = "110",
        /// Has the grid officer of the community telephoned.
        GridOfficer = "grid_officer",
        /// Rings everybody, and does again whatever the rungs below could not do.
        Everybody = "everybody",
    }
}

impl Act {
    const fn centre(self) -> Option<Centre> {
        match self {
            Self::Ambulance => Some(Centre::Ambulance),
            Self::Fire => Some(Centre::Fire),
            Self::Police => Some(Centre::Police),
            _ => None,
        }
    }

    /// Whether it calls in somebody who is called once.
    const fn calls_from_outside(self) -> bool {
        matches!(self, Self::Centres | Self::Ambulance | Self::Fire | Self::Police | Self::GridOfficer)
    }

    /// Whether it means anything in an incident of this class. Daily help goes to no centre and alarms no
    /// family; what an alert calls for by itself is known of emergencies only.
    pub const fn fits(self, class: Class) -> bool {
        match self {
            Self::Operators | Self::Supervisors | Self::GridOfficer | Self::Everybody => true,
            Self::Contacts | Self::Ambulance | Self::Fire | Self::Police => !matches!(class, Class::Service),
            Self::Centres => matches!(class, Class::Emergency),
            Self::Responders => matches!(class, Class::Emergency | Class::Service),
        }
    }
}

words! {
    /// On what condition a rung does it.
    pub enum When ("condition of a rung") {
        /// Whatever happens.
        Always = "always",
        /// While nobody has claimed it: not when it rings for an owner.
        Unclaimed = "unclaimed",
        /// While nobody has said that they go, and no centre's vehicle is out.
        NobodyGoes = "nobody_goes",
    }
}

words! {
    /// On which days a ladder holds.
    pub enum Days ("sort of days") {
        /// On all.
        Every = "every",
        /// From Monday to Friday, but for days off.
        Working = "working",
        /// On Saturdays, Sundays and days off.
        Off = "off",
    }
}

/// One rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// How long after the case began to ring; for the contacts, after it was opened.
    pub after: SignedDuration,
    /// What is done.
    pub act: Act,
    /// On what condition.
    pub when: When,
}

/// A ladder has no more rungs than there are things to do: it does each once.
pub const RUNGS_MAX: usize = <Act as crate::word::Word>::ALL.len();
/// Nobody waits longer for the last rung.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(4);
/// Nor longer than this for a centre, in an emergency.
pub const CENTRES_BY: SignedDuration = SignedDuration::from_mins(10);
/// The last rung comes again no more often…
pub const AGAIN_LEAST: SignedDuration = SignedDuration::from_secs(10);
/// …and no less often than this.
pub const AGAIN_MOST: SignedDuration = SignedDuration::from_mins(10);

/// A ladder that forgets nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    rungs: [Rung; RUNGS_MAX],
    len: usize,
    every: SignedDuration,
}

/// Why something is no ladder. The numbers of rungs begin at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLadder {
    /// It does not ring at once.
    #[error("the first rung must ring the operators or the supervisors at once and always: a case has to ring")]
    NoFirst,
    /// A delay is less than the one before it.
    #[error("rung {0} comes before the one below it: a ladder only goes up")]
    Falling(usize),
    /// The last rung may fail in silence.
    #[error(
        "the last rung must ring everybody, always: without it a case that nobody claims would be left without a \
         deadline"
    )]
    NoLast,
    /// The same thing is done by two rungs.
    #[error("rung {0} does what a rung below it does already: the last rung repeats them all")]
    Twice(usize),
    /// What is done has no meaning in this class.
    #[error("rung {0} cannot be done in a case of this class")]
    Unfit(usize),
    /// An emergency that nobody claims might never reach a centre.
    #[error(
        "an emergency must reach the centres that the alert calls for within ten minutes, whether or not somebody goes"
    )]
    NoCentres,
    /// The last rung is too far up.
    #[error("the last rung must come within four hours")]
    TooLong,
    /// The last rung comes again too seldom or too often.
    #[error("the last rung must come again every 10 to 600 seconds")]
    Again,
}

impl BadLadder {
    /// A stable code for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoFirst => "ladder_no_first",
            Self::Falling(_) => "ladder_falling",
            Self::NoLast => "ladder_no_last",
            Self::Twice(_) => "ladder_twice",
            Self::Unfit(_) => "ladder_unfit",
            Self::NoCentres => "ladder_no_centres",
            Self::TooLong => "ladder_too_long",
            Self::Again => "ladder_again",
        }
    }

    /// Which rung is meant, from 1; none: the ladder as a whole.
    pub const fn rung(self) -> Option<usize> {
        match self {
            Self::Falling(rung) | Self::Twice(rung) | Self::Unfit(rung) => Some(rung),
            Self::NoFirst | Self::NoLast | Self::NoCentres | Self::TooLong | Self::Again => None,
        }
    }
}

impl Ladder {
    /// A ladder for incidents of `class` whose last rung comes again `every` so often.
    pub fn new(class: Class, rungs: &[Rung], every: SignedDuration) -> Result<Self, BadLadder> {
        let is_always = |rung: &Rung| rung.when == When::Always;
        let is_first = |rung: &Rung| rung.after.is_zero() && is_always(rung);
        let is_ring = |rung: &&Rung| matches!(rung.act, Act::Operators | Act::Supervisors);
        if !rungs.first().is_some_and(is_first) || !rungs.iter().filter(is_ring).any(is_first) {
            return Err(BadLadder::NoFirst);
        }
        for (place, rung) in rungs.iter().enumerate() {
            let below = &rungs[..place];
            if below.last().is_some_and(|below| rung.after < below.after) {
                return Err(BadLadder::Falling(place + 1));
            }
            if below.iter().any(|below| below.act == rung.act) {
                return Err(BadLadder::Twice(place + 1));
            }
            if !rung.act.fits(class) {
                return Err(BadLadder::Unfit(place + 1));
            }
        }
        let last =
            rungs.last().filter(|last| last.act == Act::Everybody && is_always(last)).ok_or(BadLadder::NoLast)?;
        if last.after > LONGEST {
            return Err(BadLadder::TooLong);
        }
        let calls_centres =
            |rung: &Rung| rung.act == Act::Centres && rung.when != When::NobodyGoes && rung.after <= CENTRES_BY;
        if class == Class::Emergency && !rungs.iter().any(calls_centres) {
            return Err(BadLadder::NoCentres);
        }
        if every < AGAIN_LEAST || every > AGAIN_MOST {
            return Err(BadLadder::Again);
        }
        let mut all = [*last; RUNGS_MAX];
        all[..rungs.len()].copy_from_slice(rungs);
        Ok(Self { rungs: all, len: rungs.len(), every })
    }

    /// The ladder where nobody has made another: unclaimed for 30 s, the supervisors; for 60 s, the centres.
    pub fn standard(class: Class) -> Self {
        let rung = |seconds, act, when| Rung { after: SignedDuration::from_secs(seconds), act, when };
        let rungs: &[Rung] = match class {
            Class::Emergency => &[
                rung(0, Act::Operators, When::Always),
                rung(0, Act::Contacts, When::Always),
                rung(30, Act::Supervisors, When::Always),
                rung(60, Act::Centres, When::Unclaimed),
                rung(60, Act::Responders, When::Unclaimed),
                rung(60, Act::Everybody, When::Always),
            ],
            Class::Wandering | Class::Welfare => &[
                rung(0, Act::Operators, When::Always),
                rung(0, Act::Contacts, When::Always),
                rung(30, Act::Supervisors, When::Always),
                rung(60, Act::Everybody, When::Always),
            ],
            Class::Service => &[
                rung(0, Act::Operators, When::Always),
                rung(300, Act::Supervisors, When::Always),
                rung(360, Act::Responders, When::Unclaimed),
                rung(360, Act::Everybody, When::Always),
            ],
        };
        let mut all = [rungs[rungs.len() - 1]; RUNGS_MAX];
        all[..rungs.len()].copy_from_slice(rungs);
        Self { rungs: all, len: rungs.len(), every: SignedDuration::from_secs(60) }
    }

    /// Its rungs, from the foot.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs[..self.len]
    }

    /// How often the last rung comes again.
    pub const fn every(&self) -> SignedDuration {
        self.every
    }

    /// The rung that does this, if there is one.
    pub fn rung(&self, act: Act) -> Option<Rung> {
        self.rungs().iter().copied().find(|rung| rung.act == act)
    }

    /// When the last rung comes.
    pub fn top(&self) -> SignedDuration {
        self.rungs().last().map_or(SignedDuration::ZERO, |last| last.after)
    }

    /// The delay of the next rung above those that have been climbed.
    pub fn above(&self, climbed: SignedDuration) -> Option<SignedDuration> {
        self.rungs().iter().map(|rung| rung.after).find(|after| *after > climbed)
    }

    /// Where a case begins anew that rings at this level already: on the supervisors' rung, where that lies
    /// below the centres'.
    fn foot(&self, level: Level) -> SignedDuration {
        let centres = self.rung(Act::Centres).map(|rung| rung.after);
        match (level, self.rung(Act::Supervisors)) {
            (Level::Supervisors, Some(rung)) if centres.is_none_or(|centres| rung.after < centres) => {
                rung.after.min(self.top())
            }
            _ => SignedDuration::ZERO,
        }
    }
}

impl Draft<'_> {
    pub(super) fn ladder(&self) -> Ladder {
        self.facts.policy.ladder(self.next.class)
    }

    /// Rings. What rings already rings again where it stands, and its next rung comes no later for it.
    pub(super) fn ring_operators(&mut self) {
        match self.next.ring {
            Ring::Ringing { level, .. } => self.sound(level),
            Ring::Quiet | Ring::Held { .. } => self.begin(Level::Quiet),
        }
    }

    /// Rings for everybody anew: what it rang for was an owner who is no more.
    pub(super) fn ring_anew(&mut self) {
        self.begin(self.next.ring.level());
    }

    /// A press wants a centre that is not on it, and nobody owns it: where the rung that calls it has been
    /// climbed, the operators have as much time to answer as with the first press.
    pub(super) fn begin_anew_for_centres(&mut self) {
        let Ring::Ringing { climbed, .. } = self.next.ring else { return };
        let is_passed = self.ladder().rung(Act::Centres).is_some_and(|rung| rung.after <= climbed);
        let is_wanted = self.next.centres_wanted().into_iter().any(|centre| !self.is_on_it(centre));
        if is_passed && is_wanted && self.next.owner().is_none() && self.next.origin == Origin::Listed {
            self.ring_anew();
        }
    }

    fn begin(&mut self, level: Level) {
        let ladder = self.ladder();
        let climbed = ladder.foot(level);
        let since = self.now() - climbed;
        self.next.ring = Ring::Ringing { level, since, climbed, next_at: self.after(ladder.every()) };
        for rung in ladder.rungs().iter().filter(|rung| rung.after.is_zero()) {
            self.climb_on(*rung);
        }
        self.climb();
        self.sound(self.next.ring.level());
    }

    /// Climbs every rung whose time has come. A rung that was noticed late (the process was away) takes
    /// nothing from the next one's time. While nobody at all hears it, it goes straight to the next rung,
    /// and those above come so much sooner. On the last rung it stays, and does everything again.
    ///
    /// Whoever a rung below calls from outside is called as soon as its condition holds: somebody who went may
    /// not come, and a ladder may change while it is climbed.
    pub(super) fn climb(&mut self) {
        let ladder = self.ladder();
        let mut sounds = false;
        if let Ring::Ringing { climbed, .. } = self.next.ring {
            let level = self.next.ring.level();
            for rung in ladder.rungs().iter().filter(|rung| rung.after <= climbed && rung.act.calls_from_outside()) {
                self.climb_on(*rung);
            }
            sounds = self.next.ring.level() > level;
        }
        while let Ring::Ringing { level, since, climbed, next_at } = self.next.ring {
            let again_at = self.after(ladder.every());
            let Some(after) = ladder.above(climbed) else {
                // A ladder that was put under a case which had climbed higher still has to ring everybody.
                if next_at > self.now() && level == Level::Supervisors {
                    self.next.ring = Ring::Ringing { level, since, climbed, next_at: next_at.min(again_at) };
                    break;
                }
                self.next.ring = Ring::Ringing { level, since, climbed, next_at: again_at };
                for rung in ladder.rungs() {
                    sounds |= self.climb_on(*rung);
                }
                break;
            };
            let due_at = since + after;
            let is_early = due_at > self.now();
            if is_early && !self.rings_in_vain(level) {
                self.next.ring = Ring::Ringing { level, since, climbed, next_at: due_at };
                break;
            }
            let since = if is_early { self.now() - after } else { since };
            self.next.ring = Ring::Ringing { level, since, climbed: after, next_at: again_at };
            let is_top = after == ladder.top();
            for rung in ladder.rungs().iter().filter(|rung| is_top || rung.after == after) {
                sounds |= self.climb_on(*rung);
            }
        }
        if sounds {
            self.sound(self.next.ring.level());
        }
    }

    /// Does what a rung does; whether it rings.
    fn climb_on(&mut self, rung: Rung) -> bool {
        if !self.holds(rung.when) {
            return false;
        }
        match rung.act {
            Act::Operators => return self.raise(Level::Operators),
            Act::Supervisors | Act::Everybody => return self.raise(Level::Supervisors),
            Act::Responders => {
                if asks_by_itself(self) && self.next.shortfall == Some(Shortfall::AllAsked) {
                    self.next.round += 1;
                    self.ask_next();
                }
            }
            // They have their turns in their own time.
            Act::Contacts => {}
            Act::Centres => {
                self.want_centres();
                return self.raise_for_proposals();
            }
            Act::Ambulance | Act::Fire | Act::Police => {
                if let Some(centre) = rung.act.centre()
                    && rung.act.fits(self.next.class)
                {
                    self.want_centre(centre);
                }
                return self.raise_for_proposals();
            }
            Act::GridOfficer => {
                if self.next.grid_officer == Voice::NotNeeded {
                    self.next.grid_officer = Voice::Due { ring_at: self.after(self.ladder().every()) };
                    self.write(Entry::GridOfficerDue);
                }
            }
        }
        false
    }

    /// What the ladder may only propose has to be heard by somebody who decides it, so that the supervisors ring too;
    /// whether they do.
    fn raise_for_proposals(&mut self) -> bool {
        let is_proposed = self.next.handovers.iter().any(|handover| handover.state == HandoverState::Proposed);
        is_proposed && self.raise(Level::Supervisors)
    }

    fn raise(&mut self, to: Level) -> bool {
        if let Ring::Ringing { level, .. } = &mut self.next.ring {
            *level = to.max(*level);
        }
        true
    }

    /// However many reasons a decision has to ring, it rings once.
    fn sound(&mut self, level: Level) {
        self.write_once(Entry::Rung { level });
    }

    pub(super) fn holds(&self, when: When) -> bool {
        match when {
            When::Always => true,
            When::Unclaimed => self.next.owner().is_none(),
            When::NobodyGoes => {
                let goes = self.next.offers.iter().any(|offer| offer.state.is_accepted());
                let is_out =
                    |state: &HandoverState| matches!(state, HandoverState::Dispatched { .. } | HandoverState::Arrived);
                !goes && !self.next.handovers.iter().any(|handover| is_out(&handover.state))
            }
        }
    }

    /// Whether nobody at all hears a ring: nobody owns it and nobody who is rung is there.
    fn rings_in_vain(&self, level: Level) -> bool {
        let operators_gone = self.facts.operators == Presence::Gone;
        let supervisors_gone = self.facts.supervisors == Presence::Gone;
        self.next.owner().is_none() && operators_gone && (level != Level::Supervisors || supervisors_gone)
    }
}

/// What a case meets in which nobody answers anything, and how long after it was opened: the decisions
/// themselves, taken beforehand. `consoles` tells whether somebody is logged in (and does not claim), or
/// nobody. Ends when the last rung has come again.
pub fn rehearse(class: Class, policy: Policy, consoles: Presence) -> Vec<(SignedDuration, Entry)> {
    let opened_at = Timestamp::UNIX_EPOCH;
    let kind = match class {
        Class::Emergency => AlertKind::Sos,
        Class::Service => AlertKind::General,
        Class::Wandering => AlertKind::FenceExit,
        Class::Welfare => AlertKind::LowBattery,
    };
    let mut incident = Incident::open(IncidentId(Uuid::nil()), class, Origin::Listed, Some(kind), opened_at);
    let ladder = policy.ladder(class);
    let end = opened_at + ladder.top() + ladder.every() + SignedDuration::from_secs(1);
    let contact = |rank| Contact { rank: Rank(rank), reach: Reach::Addressed };
    let mut identities = 0;
    let mut happened = Vec::new();
    // The turns of contacts may begin later than the last rung; whoever is told then is told.
    let mut now = opened_at;
    while now <= end {
        let facts = Facts {
            now,
            policy,
            owner: Presence::Gone,
            operators: consoles,
            supervisors: consoles,
            candidates: Looked::Found(vec![Candidate {
                responder: ResponderId(Uuid::nil()),
                distance: Some(Metres(300.0)),
                reckoned: Some(SignedDuration::from_mins(1)),
                unfit: None,
            }]),
            advice: Advice::default(),
            whereabouts: Vec::new(),
            contacts: [1, 2, 3].map(contact).to_vec(),
            fresh: std::array::from_fn::<_, FRESH, _>(|_| {
                identities += 1;
                Uuid::from_u128(identities)
            }),
        };
        let Ok(step) = decide(&incident, Input::Wake, &facts) else { break };
        let after = now.duration_since(opened_at);
        happened.extend(step.entries.into_iter().map(|entry| (after, entry)));
        incident = step.next;
        match incident.wake_at() {
            Some(wake_at) if wake_at > now => now = wake_at,
            _ => break,
        }
    }
    happened
}
