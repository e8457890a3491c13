//! What is still to be done for a case that is closed: somebody calls back, and whoever was helped says how it was.
//!
//! A case goes through five steps ([`Step`], 发现告知、调度派遣、事件处理、跟踪回访、评价结案). The first three are the
//! incident's own ([`crate::incident`]); the last two are [`Aftercare`], which begins when it is closed. Each of the two
//! is due until it is done or until it is said why not ([`Why`]), and the case is finished when neither is due
//! ([`Aftercare::finished_at`]).
//!
//! [`Aftercare::hear`] is the only thing that changes one. What was said in words, and by whom it was written down, is
//! the shell's; what ratings say of a provider is [`crate::score`]'s.

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use crate::incident::{Class, Outcome};
use crate::word::{Word as _, words};

words! {
    /// A step on the way of a case, in order.
    pub enum Step ("step") {
        /// Somebody knows of it (发现告知).
        Notified = "notified",
        /// Somebody was sent for (调度派遣).
        Dispatched = "dispatched",
        /// It was handled, and closed (事件处理).
        Handled = "handled",
        /// Somebody has called back (跟踪回访).
        FollowedUp = "followed_up",
        /// Whoever was helped has said how it was (评价结案).
        Rated = "rated",
    }
}

words! {
    /// Whom a follow-up call reached.
    pub enum Reached ("person reached") {
        /// The person it was about.
        Resident = "resident",
        /// Somebody close to them.
        Contact = "contact",
        /// Nobody answered: a try.
        Nobody = "nobody",
    }
}

words! {
    /// Who says how it was.
    pub enum Rater ("rater") {
        /// The person it was about.
        Resident = "resident",
        /// Somebody close to them.
        Contact = "contact",
    }
}

words! {
    /// Why somebody says that there will be no call or rating.
    pub enum Excuse ("excuse") {
        /// Called several times in vain.
        Unreachable = "unreachable",
        /// The person has died.
        Deceased = "deceased",
        /// They do not wish to be asked.
        Declined = "declined",
        /// Nobody knows whom to call: the press came from a source that belongs to nobody.
        NobodyKnown = "nobody_known",
    }
}

words! {
    /// Why nobody needs to call from the beginning.
    pub enum Exemption ("exemption") {
        /// An exercise.
        Drill = "drill",
        /// A test of the terminal.
        Test = "test",
        /// Pressed by mistake.
        FalsePress = "false_press",
        /// Closed before anybody kept what follows.
        BeforeKept = "before_kept",
    }
}

/// Why a step was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody said so.
    Excused(Excuse),
    /// The policy says so.
    Exempt(Exemption),
}

impl Why {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Excused(excuse) => excuse.as_str(),
            Self::Exempt(exemption) => exemption.as_str(),
        }
    }

    /// What is spelled `text`; `None` when nothing is.
    pub fn parse(text: &str) -> Option<Self> {
        Excuse::parse(text).map(Self::Excused).or_else(|_| Exemption::parse(text).map(Self::Exempt)).ok()
    }
}

/// How good help was, from 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stars(u8);

impl Stars {
    /// `None` when it is no number from 1 to 5.
    pub fn new(stars: i16) -> Option<Self> {
        u8::try_from(stars).ok().filter(|stars| (1..=5).contains(stars)).map(Self)
    }

    /// From 1 to 5.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// How soon is soon enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// After an emergency, or when somebody was missed, a call follows within this.
    pub urgent_call_within: SignedDuration,
    /// The same after a welfare case.
    pub welfare_call_within: SignedDuration,
    /// The same after daily help.
    pub service_call_within: SignedDuration,
    /// A rating may come this much later than the call.
    pub rating_after_call: SignedDuration,
    /// Who is called so often in vain may be given up.
    pub tries_min: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            urgent_call_within: SignedDuration::from_hours(24),
            welfare_call_within: SignedDuration::from_hours(48),
            service_call_within: SignedDuration::from_hours(72),
            rating_after_call: SignedDuration::from_hours(48),
            tries_min: 3,
        }
    }
}

impl Policy {
    /// How soon a call follows a case of this class.
    pub const fn call_within(&self, class: Class) -> SignedDuration {
        match class {
            Class::Emergency | Class::Wandering => self.urgent_call_within,
            Class::Welfare => self.welfare_call_within,
            Class::Service => self.service_call_within,
        }
    }
}

/// Where one of the two steps stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Still to be taken.
    Due {
        /// By when.
        by: Timestamp,
    },
    /// Taken.
    Done {
        /// When.
        at: Timestamp,
    },
    /// Not taken, and it is known why.
    Waived {
        /// Since when.
        at: Timestamp,
        /// Why.
        why: Why,
    },
}

impl Standing {
    /// Since when it is due no more.
    pub const fn settled_at(self) -> Option<Timestamp> {
        match self {
            Self::Due { .. } => None,
            Self::Done { at } | Self::Waived { at, .. } => Some(at),
        }
    }
}

/// What is to be done after a case was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aftercare {
    /// When it was closed.
    pub closed_at: Timestamp,
    /// The follow-up call.
    pub follow_up: Standing,
    /// The rating.
    pub rating: Standing,
    /// How often nobody answered.
    pub tries: u32,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Somebody called.
    Called {
        /// When.
        at: Timestamp,
        /// Whom it reached.
        reached: Reached,
    },
    /// Somebody has said how it was.
    Rated,
    /// Somebody says why there will be no call or rating. Goes for whatever is still due.
    Excused(Excuse),
}

/// Why an input is not accepted. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The case is open.
    #[error("the incident is not closed: call back and rate it afterwards")]
    NotOver,
    /// The call was before the end.
    #[error("that was before the incident was closed: a follow-up call comes afterwards")]
    BeforeClosing,
    /// The call is yet to come.
    #[error("that time is yet to come")]
    InTheFuture,
    /// There is a rating.
    #[error("it was rated before")]
    RatedBefore,
    /// There is nothing that could be excused.
    #[error("nothing is due any more")]
    NothingDue,
    /// Nobody has tried hard enough.
    #[error("called {tries} times in vain: after {needed} times it may be given up")]
    TooFewTries {
        /// How often somebody has called in vain.
        tries: u32,
        /// How often is enough.
        needed: u32,
    },
}

impl Refusal {
    /// A stable code for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotOver => "not_over",
            Self::BeforeClosing => "before_closing",
            Self::InTheFuture => "in_the_future",
            Self::RatedBefore => "rated_before",
            Self::NothingDue => "nothing_due",
            Self::TooFewTries { .. } => "too_few_tries",
        }
    }
}

impl Aftercare {
    /// What follows when a case is closed.
    pub fn begin(class: Class, drill: Drill, outcome: Outcome, closed_at: Timestamp, policy: &Policy) -> Self {
        let call_by = closed_at + policy.call_within(class);
        let (follow_up, rating) = match exemption(drill, outcome) {
            Some(exemption) => {
                let waived = Standing::Waived { at: closed_at, why: Why::Exempt(exemption) };
                (waived, waived)
            }
            None => (Standing::Due { by: call_by }, Standing::Due { by: call_by + policy.rating_after_call }),
        };
        Self { closed_at, follow_up, rating, tries: 0 }
    }

    /// What follows from an input. What was given up may still come: who was unreachable calls by themselves.
    pub fn hear(&self, input: Input, now: Timestamp, policy: &Policy) -> Result<Self, Refusal> {
        let mut next = *self;
        match input {
            Input::Called { at, .. } if at < self.closed_at => return Err(Refusal::BeforeClosing),
            Input::Called { at, .. } if at > now => return Err(Refusal::InTheFuture),
            Input::Called { reached: Reached::Nobody, .. } => next.tries += 1,
            // A further call changes nothing about when the first was.
            Input::Called { .. } if matches!(self.follow_up, Standing::Done { .. }) => {}
            Input::Called { at, .. } => next.follow_up = Standing::Done { at },
            Input::Rated if matches!(self.rating, Standing::Done { .. }) => return Err(Refusal::RatedBefore),
            Input::Rated => next.rating = Standing::Done { at: now },
            Input::Excused(_) if self.finished_at().is_some() => return Err(Refusal::NothingDue),
            Input::Excused(Excuse::Unreachable) if self.tries < policy.tries_min => {
                return Err(Refusal::TooFewTries { tries: self.tries, needed: policy.tries_min });
            }
            Input::Excused(excuse) => {
                for standing in [&mut next.follow_up, &mut next.rating] {
                    if matches!(standing, Standing::Due { .. }) {
                        *standing = Standing::Waived { at: now, why: Why::Excused(excuse) };
                    }
                }
            }
        }
        Ok(next)
    }

    /// Since when the case is finished: neither a call nor a rating is due.
    pub fn finished_at(&self) -> Option<Timestamp> {
        self.follow_up.settled_at().zip(self.rating.settled_at()).map(|(call, rating)| call.max(rating))
    }
}

/// Whether it was an exercise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    /// Yes.
    Drill,
    /// No.
    Real,
}

/// Why nobody is asked how it was, when that is so from the beginning.
const fn exemption(drill: Drill, outcome: Outcome) -> Option<Exemption> {
    match (drill, outcome) {
        (Drill::Drill, _) => Some(Exemption::Drill),
        (Drill::Real, Outcome::Test) => Some(Exemption::Test),
        (Drill::Real, Outcome::FalsePress) => Some(Exemption::FalsePress),
        (Drill::Real, _) => None,
    }
}

/// When the first three steps were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// The first press.
    pub opened_at: Timestamp,
    /// The first time that a responder was asked or a centre was given the case.
    pub dispatched_at: Option<Timestamp>,
    /// What follows its end, once it is closed.
    pub aftercare: Option<Aftercare>,
}

/// How far a case is with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Taken.
    Taken {
        /// When.
        at: Timestamp,
    },
    /// To be taken.
    Due {
        /// By when.
        by: Timestamp,
    },
    /// It will come.
    Ahead,
    /// Not taken, and that is in order.
    Waived {
        /// Why, when it is not that nobody was needed.
        why: Option<Why>,
    },
}

/// The five steps of a case.
pub fn steps(course: &Course) -> [(Step, Progress); 5] {
    let after = |of: fn(&Aftercare) -> Standing| match course.aftercare.as_ref().map(of) {
        None => Progress::Ahead,
        Some(Standing::Due { by }) => Progress::Due { by },
        Some(Standing::Done { at }) => Progress::Taken { at },
        Some(Standing::Waived { why, .. }) => Progress::Waived { why: Some(why) },
    };
    let dispatched = match (course.dispatched_at, course.aftercare) {
        (Some(at), _) => Progress::Taken { at },
        // An operator has settled it by telephone.
        (None, Some(_)) => Progress::Waived { why: None },
        (None, None) => Progress::Ahead,
    };
    let handled = course.aftercare.map_or(Progress::Ahead, |aftercare| Progress::Taken { at: aftercare.closed_at });
    [
        (Step::Notified, Progress::Taken { at: course.opened_at }),
        (Step::Dispatched, dispatched),
        (Step::Handled, handled),
        (Step::FollowedUp, after(|aftercare| aftercare.follow_up)),
        (Step::Rated, after(|aftercare| aftercare.rating)),
    ]
}
