//! What must hold of every incident, by name: checked by the simulation after each decision, by the
//! system tests on the real database and by the watchdog in production. `docs/invariants.md` lists
//! them with the deliberate mutants of the core that each one caught.
//!
//! Each is a fact about one incident's own fields at one moment, so that it can be checked of a row
//! that was just read. What needs the history (nobody is asked twice in a round, a wearer hears of
//! every acceptance) is checked where the history is, in the simulation.

use jiff::{SignedDuration, Timestamp};

use crate::incident::ladder::Act;
use crate::incident::{
    Centre, Class, Closure, HandoverPolicy, HandoverState, Incident, Level, OfferState, Origin, Ownership, Policy,
    Ring, Voice,
};
use crate::press::AlertKind;
use crate::word::words;

words! {
    /// The name of something that must hold.
    pub enum Invariant ("invariant") {
        /// An open incident wakes no later than its earliest deadline, a closed one never.
        DeadlineArmed = "INV-1",
        /// No deadline lies further back than the ticker may be late.
        DeadlineKept = "INV-2",
        /// What nobody owns rings, from its first decision until it is claimed or closed, daily help aside.
        UnclaimedRings = "INV-3",
        /// The policy answers the first press within the ticker's time, never more presses than there
        /// are, and every one of them before the incident is closed.
        PressesAnswered = "INV-4",
        /// An emergency of somebody we know that nobody owns has gone to 120, or the rung of its ladder that
        /// calls it lies ahead and the next one comes in its time. At once, where the policy says so. Where nobody
        /// proved who calls, it has been proposed instead.
        AmbulanceCalled = "INV-5",
        /// The same of 119, for smoke and gas.
        FireCalled = "INV-6",
        /// A responder is engaged at most once in an incident.
        EngagedOnce = "INV-7",
        /// In an emergency of somebody we know that nobody owns and that calls for a centre, somebody is
        /// being asked, going or has helped, or it is said that nobody can be asked.
        SomebodyAsked = "INV-8",
        /// A centre that does not acknowledge in time, refuses or cannot be reached is telephoned.
        VoiceAfterSilence = "INV-9",
        /// A closed incident engages nobody, rings nowhere and tells no further contact.
        ClosedIsQuiet = "INV-10",
        /// An order for daily help that nobody owns rings, unless somebody is being asked or going; then
        /// it is held, and rings when they are late.
        OrderSeenTo = "INV-11",
        /// Daily help is handed over to no centre and alarms no contact.
        OrderStaysHere = "INV-12",
        /// Whoever goes is looked at again, and nobody else is.
        GoingIsWatched = "INV-13",
        /// Nobody is waited for while somebody is asked or goes, nor beyond the policy's patience.
        WaitsForNobodyLong = "INV-14",
        /// Only a wandering case whose wearer is back, that nobody has, goes to or was called for, and with nothing left
        /// for a person to do, is to close by itself.
        ClosesAlone = "INV-15",
    }
}

/// Which invariants `incident` breaks at `now`, if the ticker may be `lag` late.
///
/// `policy` is the one that its last decision followed. Right after a decision `lag` is zero: whatever
/// the input was, no deadline is left behind.
pub fn broken(incident: &Incident, policy: &Policy, now: Timestamp, lag: SignedDuration) -> Vec<Invariant> {
    let since = now - lag;
    let checks: [(bool, Invariant); 15] = [
        (deadline_armed(incident), Invariant::DeadlineArmed),
        (!incident.is_open() || deadlines(incident).iter().all(|deadline| *deadline >= since), Invariant::DeadlineKept),
        (unclaimed_rings(incident), Invariant::UnclaimedRings),
        (presses_answered(incident, since), Invariant::PressesAnswered),
        (centre_called(incident, policy, Centre::Ambulance, now), Invariant::AmbulanceCalled),
        (centre_called(incident, policy, Centre::Fire, now), Invariant::FireCalled),
        (engaged_once(incident), Invariant::EngagedOnce),
        (somebody_asked(incident), Invariant::SomebodyAsked),
        (voice_after_silence(incident, since), Invariant::VoiceAfterSilence),
        (incident.is_open() || closed_is_quiet(incident), Invariant::ClosedIsQuiet),
        (order_seen_to(incident), Invariant::OrderSeenTo),
        (order_stays_here(incident), Invariant::OrderStaysHere),
        (going_is_watched(incident), Invariant::GoingIsWatched),
        (waits_for_nobody_long(incident, policy, now), Invariant::WaitsForNobodyLong),
        (closes_alone(incident), Invariant::ClosesAlone),
    ];
    checks.into_iter().filter_map(|(holds, invariant)| (!holds).then_some(invariant)).collect()
}

/// Every deadline that some part of an incident has set; what the core believes the earliest to be is
/// not asked, on purpose. Presses still to be answered have none of their own: when a further press
/// came in is not kept in the incident.
fn deadlines(incident: &Incident) -> Vec<Timestamp> {
    let mut all = Vec::new();
    match incident.ring {
        Ring::Quiet => {}
        Ring::Held { until } => all.push(until),
        Ring::Ringing { next_at, .. } => all.push(next_at),
    }
    if let Voice::Due { ring_at } = incident.grid_officer {
        all.push(ring_at);
    }
    all.extend(incident.tell_next_at);
    all.extend(incident.waits_until);
    all.extend(incident.closes_at);
    all.extend(incident.offers.iter().filter_map(|offer| offer.watch).map(|watch| watch.look_at));
    if let Ownership::Claimed { check_at, .. } = incident.ownership {
        all.push(check_at);
    }
    for offer in &incident.offers {
        if let OfferState::Asked { answer_by } = offer.state {
            all.push(answer_by);
        }
    }
    for handover in &incident.handovers {
        match (handover.voice, &handover.state) {
            (Voice::Due { ring_at }, _) => all.push(ring_at),
            (Voice::NotNeeded, HandoverState::Prepared { acknowledge_by } | HandoverState::Sent { acknowledge_by }) => {
                all.push(*acknowledge_by);
            }
            _ => {}
        }
    }
    all
}

fn deadline_armed(incident: &Incident) -> bool {
    match incident.wake_at() {
        None => !incident.is_open(),
        Some(wake_at) => incident.is_open() && deadlines(incident).iter().all(|deadline| wake_at <= *deadline),
    }
}

fn is_unclaimed(incident: &Incident) -> bool {
    incident.is_open() && incident.presses_answered > 0 && incident.owner().is_none()
}

fn unclaimed_rings(incident: &Incident) -> bool {
    !is_unclaimed(incident) || incident.class == Class::Service || incident.ring.level() != Level::Quiet
}

fn order_seen_to(incident: &Incident) -> bool {
    let is_engaged = incident.offers.iter().any(|offer| offer.state.is_live());
    let is_order = incident.class == Class::Service;
    match incident.ring {
        Ring::Held { .. } => is_order && is_unclaimed(incident) && (is_engaged || incident.waits_until.is_some()),
        Ring::Quiet => !is_order || !is_unclaimed(incident),
        Ring::Ringing { .. } => true,
    }
}

fn order_stays_here(incident: &Incident) -> bool {
    incident.class != Class::Service || (incident.handovers.is_empty() && incident.told.is_empty())
}

fn presses_answered(incident: &Incident, since: Timestamp) -> bool {
    match incident.closure {
        Closure::Closed { .. } => incident.presses_answered == incident.presses,
        Closure::Open if incident.presses_answered == 0 => incident.opened_at >= since,
        Closure::Open => incident.presses_answered <= incident.presses,
    }
}

/// Whether the policy alone is responsible: an emergency of somebody we know, every press answered, and
/// nobody who has taken it.
fn is_in_the_policys_hands(incident: &Incident) -> bool {
    incident.is_open()
        && incident.class == Class::Emergency
        && incident.origin.is_known()
        && incident.owner().is_none()
        && incident.presses_answered == incident.presses
}

/// The fall, the SOS and every other alert about a person want 120; smoke and gas want 119. Said here
/// again, on purpose, instead of asking the core what it believes.
fn wants(incident: &Incident, centre: Centre) -> bool {
    let of_fire = |kind: &AlertKind| matches!(kind, AlertKind::Smoke | AlertKind::Gas);
    let of_person = |kind: &AlertKind| {
        matches!(
            kind,
            AlertKind::Sos | AlertKind::Fall | AlertKind::HeartRate | AlertKind::Telephone | AlertKind::General
        )
    };
    match centre {
        Centre::Ambulance => incident.kinds.is_empty() || incident.kinds.iter().any(of_person),
        Centre::Fire => incident.kinds.iter().any(of_fire),
        Centre::Police => false,
    }
}

fn centre_called(incident: &Incident, policy: &Policy, centre: Centre, now: Timestamp) -> bool {
    if !is_in_the_policys_hands(incident) || !wants(incident, centre) {
        return true;
    }
    // Where anybody may have pressed, a proposal is what there can be; where it is proved who did, it is nothing.
    let may_only_propose = incident.origin == Origin::Unproved;
    let counts = |state: &HandoverState| may_only_propose || *state != HandoverState::Proposed;
    let is_called = incident
        .handovers
        .iter()
        .any(|handover| handover.centre == centre && !handover.outlived && counts(&handover.state));
    is_called || (policy.handover == HandoverPolicy::OperatorFirst && is_on_the_ladder(incident, policy, now))
}

/// Whether the rung that calls the centres still lies ahead and comes in its time: counted from when it began
/// to ring, so that no chain of decisions can put it off.
fn is_on_the_ladder(incident: &Incident, policy: &Policy, now: Timestamp) -> bool {
    let Ring::Ringing { since, climbed, next_at, .. } = incident.ring else { return false };
    let ladder = policy.ladder(incident.class);
    let Some(centres) = ladder.rung(Act::Centres) else { return false };
    let next = ladder.rungs().iter().map(|rung| rung.after).find(|after| *after > climbed);
    since <= now && centres.after > climbed && next.is_some_and(|next| next_at <= since + next)
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
    let is_help_wanted = wants(incident, Centre::Ambulance) || wants(incident, Centre::Fire);
    !(is_in_the_policys_hands(incident) && is_help_wanted)
        || incident.shortfall.is_some()
        || incident.waits_until.is_some()
        || incident.offers.iter().any(|offer| offer.state.is_live() || offer.state == OfferState::Done)
}

fn voice_after_silence(incident: &Incident, since: Timestamp) -> bool {
    !incident.is_open()
        || incident.handovers.iter().all(|handover| {
            let is_in_vain = match &handover.state {
                HandoverState::Prepared { acknowledge_by } | HandoverState::Sent { acknowledge_by } => {
                    *acknowledge_by < since
                }
                HandoverState::Refused { .. } | HandoverState::Failed => true,
                _ => false,
            };
            !is_in_vain || handover.voice != Voice::NotNeeded
        })
}

fn going_is_watched(incident: &Incident) -> bool {
    incident.offers.iter().all(|offer| {
        let goes = matches!(offer.state, OfferState::Accepted { .. } | OfferState::OnTheWay { .. });
        goes == offer.watch.is_some()
    })
}

fn waits_for_nobody_long(incident: &Incident, policy: &Policy, now: Timestamp) -> bool {
    let patience = match incident.class {
        Class::Service => policy.service_wait_max,
        Class::Emergency | Class::Wandering | Class::Welfare => policy.wait_max,
    };
    let is_alone = !incident.offers.iter().any(|offer| offer.state.is_live()) && incident.shortfall.is_none();
    incident.waits_until.is_none_or(|until| is_alone && incident.is_open() && until <= now + patience)
}

fn closes_alone(incident: &Incident) -> bool {
    let is_back = incident.is_open() && incident.class == Class::Wandering && incident.returned;
    let is_in_hand = incident.owner().is_some()
        || !incident.handovers.is_empty()
        || matches!(incident.grid_officer, Voice::Due { .. } | Voice::Done { .. })
        || incident.offers.iter().any(|offer| offer.state.is_live());
    incident.closes_at.is_none() || (is_back && !is_in_hand)
}

fn closed_is_quiet(incident: &Incident) -> bool {
    incident.ring == Ring::Quiet
        && incident.tell_next_at.is_none()
        && !incident.offers.iter().any(|offer| offer.state.is_live())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::{HandoverId, IncidentId, OfferId, ResponderId, UserId};
    use crate::incident::{ClosedBy, Handover, Offer, Rank, Told, ToldState};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const SOON: Timestamp = Timestamp::constant(10, 0);
    const LONG_AGO: Timestamp = Timestamp::constant(-3600, 0);

    /// An emergency in good order: it rings, 120 has it, somebody is being asked.
    fn sound() -> Incident {
        let mut incident = Incident::open(
            IncidentId(Uuid::from_u128(1)),
            Class::Emergency,
            Origin::Listed,
            Some(AlertKind::Sos),
            LONG_AGO,
        );
        incident.presses_answered = 1;
        incident.ring = ringing(Level::Operators, 0, SOON);
        incident.handovers.push(handover(HandoverState::Acknowledged));
        incident.offers.push(Offer {
            id: OfferId(Uuid::from_u128(2)),
            responder: ResponderId(Uuid::from_u128(3)),
            round: 0,
            asked_at: NOW,
            by: None,
            watch: None,
            state: OfferState::Asked { answer_by: SOON },
        });
        incident
    }

    fn ringing(level: Level, climbed_s: i64, next_at: Timestamp) -> Ring {
        Ring::Ringing { level, since: NOW, climbed: SignedDuration::from_secs(climbed_s), next_at }
    }

    fn handover(state: HandoverState) -> Handover {
        let id = HandoverId(Uuid::from_u128(4));
        Handover { id, centre: Centre::Ambulance, state, voice: Voice::NotNeeded, outlived: false }
    }

    #[track_caller]
    fn check(harm: impl FnOnce(&mut Incident), expected: &[Invariant]) {
        let mut incident = sound();
        harm(&mut incident);
        assert_eq!(broken(&incident, &Policy::default(), NOW, SignedDuration::from_secs(5)), expected);
    }

    #[test]
    fn an_incident_in_good_order_breaks_nothing() {
        check(|_| {}, &[]);
    }

    #[test]
    fn every_invariant_can_be_broken() {
        let by = UserId(Uuid::from_u128(5));
        let owned = Ownership::Claimed { by, since: NOW, check_at: SOON };
        let closed = Closure::Closed { outcome: crate::incident::Outcome::Other, at: NOW, by: ClosedBy::User(by) };
        check(
            |it| (it.ring, it.offers[0].state) = (Ring::Quiet, OfferState::Done),
            &[Invariant::DeadlineArmed, Invariant::UnclaimedRings],
        );
        check(|it| it.ring = ringing(Level::Operators, 0, LONG_AGO), &[Invariant::DeadlineKept]);
        check(|it| it.ring = Ring::Quiet, &[Invariant::UnclaimedRings]);
        check(|it| it.presses_answered = 0, &[Invariant::PressesAnswered]);
        check(|it| it.presses_answered = 2, &[Invariant::PressesAnswered]);
        check(|it| it.handovers.clear(), &[Invariant::AmbulanceCalled]);
        check(|it| it.handovers[0].outlived = true, &[Invariant::AmbulanceCalled]);
        check(|it| it.handovers[0].state = HandoverState::Proposed, &[Invariant::AmbulanceCalled]);
        check(|it| (it.origin, it.handovers[0].state) = (Origin::Unproved, HandoverState::Proposed), &[]);
        check(
            |it| {
                it.origin = Origin::Unproved;
                it.handovers.clear();
            },
            &[Invariant::AmbulanceCalled],
        );
        check(|it| it.kinds = [AlertKind::Smoke].into(), &[Invariant::FireCalled]);
        check(|it| it.offers.push(it.offers[0].clone()), &[Invariant::EngagedOnce]);
        check(|it| it.offers[0].state = OfferState::Silent, &[Invariant::SomebodyAsked]);
        check(|it| it.handovers[0].state = HandoverState::Failed, &[Invariant::VoiceAfterSilence]);
        check(
            |it| it.handovers[0].state = HandoverState::Sent { acknowledge_by: LONG_AGO },
            &[Invariant::DeadlineKept, Invariant::VoiceAfterSilence],
        );
        check(|it| (it.ownership, it.closure) = (owned, closed), &[Invariant::ClosedIsQuiet]);
        check(|it| it.ring = Ring::Held { until: SOON }, &[Invariant::UnclaimedRings, Invariant::OrderSeenTo]);
        check(|it| it.class = Class::Service, &[Invariant::OrderStaysHere]);
        check(|it| it.offers[0].state = OfferState::Accepted { expected_at: SOON }, &[Invariant::GoingIsWatched]);
        check(|it| it.waits_until = Some(SOON), &[Invariant::WaitsForNobodyLong]);
        check(|it| it.closes_at = Some(SOON), &[Invariant::ClosesAlone]);
        check(
            |it| {
                it.offers.clear();
                it.waits_until = Some(NOW + SignedDuration::from_hours(1));
            },
            &[Invariant::WaitsForNobodyLong],
        );
        check(
            |it| {
                it.class = Class::Service;
                it.handovers.clear();
                it.told.push(Told { rank: Rank(1), state: ToldState::Told });
            },
            &[Invariant::OrderStaysHere],
        );
        check(
            |it| {
                (it.class, it.ring) = (Class::Service, Ring::Quiet);
                it.handovers.clear();
            },
            &[Invariant::OrderSeenTo],
        );
    }

    #[test]
    fn only_a_case_that_needs_nobody_is_to_close_by_itself() {
        #[track_caller]
        fn check(harm: impl FnOnce(&mut Incident), expected: &[Invariant]) {
            let mut incident = Incident { class: Class::Wandering, returned: true, closes_at: Some(SOON), ..sound() };
            incident.handovers.clear();
            incident.offers.clear();
            harm(&mut incident);
            assert_eq!(broken(&incident, &Policy::default(), NOW, SignedDuration::ZERO), expected);
        }
        let by = UserId(Uuid::from_u128(5));
        check(|_| {}, &[]);
        check(|it| it.class = Class::Welfare, &[Invariant::ClosesAlone]);
        check(|it| it.returned = false, &[Invariant::ClosesAlone]);
        check(|it| it.offers = sound().offers, &[Invariant::ClosesAlone]);
        check(|it| it.handovers = sound().handovers, &[Invariant::ClosesAlone]);
        check(|it| it.grid_officer = Voice::Due { ring_at: SOON }, &[Invariant::ClosesAlone]);
        check(|it| it.ownership = Ownership::Claimed { by, since: NOW, check_at: SOON }, &[Invariant::ClosesAlone]);
        check(|it| it.closes_at = Some(LONG_AGO), &[Invariant::DeadlineKept]);
    }

    #[test]
    fn operator_first_needs_120_called_or_the_rung_that_calls_it_near() {
        let policy = Policy { handover: HandoverPolicy::OperatorFirst, ..Policy::default() };
        let mut incident = sound();
        incident.handovers.clear();
        assert_eq!(broken(&incident, &policy, NOW, SignedDuration::ZERO), []);
        incident.ring = ringing(Level::Supervisors, 30, NOW + SignedDuration::from_secs(61));
        assert_eq!(broken(&incident, &policy, NOW, SignedDuration::ZERO), [Invariant::AmbulanceCalled]);
        incident.ring = ringing(Level::Supervisors, 60, SOON);
        assert_eq!(broken(&incident, &policy, NOW, SignedDuration::ZERO), [Invariant::AmbulanceCalled]);
    }
}
