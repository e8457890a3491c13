//! A clock that jumps.

use domain::incident::{HandoverState, Incident, OfferState, Ownership, Ring, Voice};
use jiff::SignedDuration;

/// Moves every deadline of an open incident by as much as the clock jumped, so that what had 20 seconds left has 20
/// seconds left: what `watch::shift_deadlines` of the dispatcher does to the rows, and in the very moment, which it
/// cannot.
pub(crate) fn shift_deadlines(incident: &mut Incident, by: SignedDuration) {
    if let Ring::Held { until: next_at } | Ring::Ringing { next_at, .. } = &mut incident.ring {
        *next_at += by;
    }
    if let Ring::Ringing { since, .. } = &mut incident.ring {
        *since += by;
    }
    if let Ownership::Claimed { check_at, .. } = &mut incident.ownership {
        *check_at += by;
    }
    if let Voice::Due { ring_at } = &mut incident.grid_officer {
        *ring_at += by;
    }
    for moment in [&mut incident.tell_next_at, &mut incident.waits_until, &mut incident.closes_at].into_iter().flatten()
    {
        *moment += by;
    }
    for offer in &mut incident.offers {
        if let OfferState::Asked { answer_by } = &mut offer.state {
            *answer_by += by;
        }
        // What somebody said of themselves, they said in minutes from then.
        if let OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } = &mut offer.state {
            *expected_at += by;
        }
        if let Some(watch) = &mut offer.watch {
            watch.look_at += by;
        }
    }
    for handover in &mut incident.handovers {
        match &mut handover.state {
            HandoverState::Prepared { acknowledge_by } | HandoverState::Sent { acknowledge_by } => {
                *acknowledge_by += by;
            }
            HandoverState::Dispatched { expected_at: Some(expected_at) } => *expected_at += by,
            _ => {}
        }
        if let Voice::Due { ring_at } = &mut handover.voice {
            *ring_at += by;
        }
    }
}
