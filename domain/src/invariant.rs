//! What must hold of every incident, by name: checked by the simulation after each decision, by the
//! system tests on the real database and by the watchdog in production. `docs/invariants.md` lists
//! them with the deliberate mutants of the core that each one caught.

use jiff::{SignedDuration, Timestamp};

use crate::incident::{
    Centre, Class, HandoverPolicy, HandoverState, Incident, OfferState, Origin, Policy, Ring, Shortfall, Voice,
};
use crate::press::AlertKind;
use crate::word::words;

words! {
    /// The name of something that must hold.
    pub enum Invariant ("invariant") {
        /// An open incident has a deadline.
        DeadlineArmed = "INV-1",
        /// No deadline lies further back than the ticker needs to notice it.
        DeadlineKept = "INV-2",
        /// What nobody owns rings.
        UnclaimedRings = "INV-3",
        /// Every press has been answered by the policy.
        PressesAnswered = "INV-4",
        /// An emergency of somebody we know reaches 120: at once, or when nobody claims in time.
        AmbulanceCalled = "INV-5",
        /// Smoke reaches 119 as an SOS reaches 120.
        FireCalled = "INV-6",
        /// A responder is engaged at most once in an incident, and nobody is asked while another goes.
        EngagedOnce = "INV-7",
        /// While an emergency of somebody we know is open, somebody has been asked or it is said that
        /// nobody can be.
        SomebodyAsked = "INV-8",
        /// A centre that does not acknowledge in time, refuses or cannot be reached is telephoned.
        VoiceAfterSilence = "INV-9",
        /// A closed incident engages nobody and rings nowhere.
        ClosedIsQuiet = "INV-10",
    }
}

/// Which invariants `incident` breaks at `now`, if the ticker may be `lag` late.
pub fn broken(incident: &Incident, policy: &Policy, now: Timestamp, lag: SignedDuration) -> Vec<Invariant> {
    let checks: [(bool, Invariant); 10] = [
        (incident.is_open() == incident.wake_at().is_some(), Invariant::DeadlineArmed),
        (incident.wake_at().is_none_or(|wake_at| wake_at + lag >= now), Invariant::DeadlineKept),
        (unclaimed_rings(incident), Invariant::UnclaimedRings),
        (incident.presses_answered <= incident.presses, Invariant::PressesAnswered),
        (centre_called(incident, policy, Centre::Ambulance, now, lag), Invariant::AmbulanceCalled),
        (centre_called(incident, policy, Centre::Fire, now, lag), Invariant::FireCalled),
        (engaged_once(incident), Invariant::EngagedOnce),
        (somebody_asked(incident), Invariant::SomebodyAsked),
        (voice_after_silence(incident, now, lag), Invariant::VoiceAfterSilence),
        (incident.is_open() || closed_is_quiet(incident), Invariant::ClosedIsQuiet),
    ];
    checks.into_iter().filter_map(|(holds, invariant)| (!holds).then_some(invariant)).collect()
}

fn is_answered(incident: &Incident) -> bool {
    incident.presses_answered == incident.presses
}

fn unclaimed_rings(incident: &Incident) -> bool {
    !(incident.is_open() && is_answered(incident) && incident.owner().is_none() && incident.ring == Ring::Quiet)
}

/// The fall, the SOS and every other alert about a person want 120; smoke and gas want 119.
fn wants(incident: &Incident, centre: Centre) -> bool {
    let of_fire = |kind: &AlertKind| matches!(kind, AlertKind::Smoke | AlertKind::Gas);
    let of_person = |kind: &AlertKind| {
        matches!(
            kind,
            AlertKind::Sos | AlertKind::Fall | AlertKind::HeartRate | AlertKind::Telephone | AlertKind::General
        )
    };
    match centre {
        Centre::Ambulance => incident.kinds.iter().any(of_person),
        Centre::Fire => incident.kinds.iter().any(of_fire),
        Centre::Police => false,
    }
}

fn centre_called(incident: &Incident, policy: &Policy, centre: Centre, now: Timestamp, lag: SignedDuration) -> bool {
    let concerned = incident.is_open()
        && is_answered(incident)
        && incident.class == Class::Emergency
        && incident.origin == Origin::Listed
        && wants(incident, centre);
    let is_due = match policy.handover {
        HandoverPolicy::AtOnce => true,
        HandoverPolicy::OperatorFirst => {
            incident.owner().is_none()
                && now > incident.opened_at + policy.centre_after + lag
                && never_claimed(incident)
        }
    };
    !(concerned && is_due) || incident.handovers.iter().any(|handover| handover.centre == centre)
}

/// The ladder starts anew when an owner goes; only a ring that has gone on since the opening can be
/// measured from it.
fn never_claimed(incident: &Incident) -> bool {
    match incident.ring {
        Ring::Quiet => false,
        Ring::Ringing { .. } => !incident.offers.iter().any(|offer| matches!(offer.state, OfferState::Withdrawn)),
    }
}

fn engaged_once(incident: &Incident) -> bool {
    let live: Vec<_> =
        incident.offers.iter().filter(|offer| offer.state.is_live()).map(|offer| offer.responder).collect();
    let mut distinct = live.clone();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len() == live.len()
}

fn somebody_asked(incident: &Incident) -> bool {
    let concerned = incident.is_open()
        && is_answered(incident)
        && incident.class == Class::Emergency
        && incident.origin == Origin::Listed;
    let settled = |state: &OfferState| state.is_live() || matches!(state, OfferState::Done | OfferState::Withdrawn);
    !concerned
        || incident.shortfall.is_some_and(|shortfall| shortfall != Shortfall::AllAsked || !incident.offers.is_empty())
        || incident.offers.iter().any(|offer| settled(&offer.state))
}

fn voice_after_silence(incident: &Incident, now: Timestamp, lag: SignedDuration) -> bool {
    !incident.is_open()
        || incident.handovers.iter().all(|handover| {
            let is_silent = match &handover.state {
                HandoverState::Prepared { acknowledge_by } | HandoverState::Sent { acknowledge_by } => {
                    now > *acknowledge_by + lag
                }
                HandoverState::Refused { .. } | HandoverState::Failed => true,
                _ => false,
            };
            !is_silent || handover.voice != Voice::NotNeeded
        })
}

fn closed_is_quiet(incident: &Incident) -> bool {
    incident.ring == Ring::Quiet && !incident.offers.iter().any(|offer| offer.state.is_live())
}
