//! What becomes of a wandering case whose wearer is back, where the policy lets it close by itself.
//!
//! The rule is for the many who were in the garden of a neighbour: nobody has taken the case, nobody was sent, no centre
//! was called, and they have been back for as long as the policy says. Whatever a person has had a hand in, or has still
//! to do, is closed by a person. Where they are is not looked at here: the intake says that they are back, and takes it
//! back when they are not.

use super::draft::Draft;
use super::{Class, ClosedBy, Incident, Outcome, Voice};

/// Closes the case when it is time. To be asked before anybody else is called in.
pub(super) fn is_closed(draft: &mut Draft<'_>) -> bool {
    let is_time = draft.next.closes_at.is_some_and(|at| at <= draft.now());
    let closes = is_time && draft.facts.policy.close_returned_after.is_some() && needs_nobody(&draft.next);
    if closes {
        draft.close(ClosedBy::Return, Outcome::Found, None);
    }
    closes
}

/// Says when it closes, unless something has come between: then they have to be back for the whole time once more.
pub(super) fn wait(draft: &mut Draft<'_>) {
    let after = draft.facts.policy.close_returned_after.filter(|_| needs_nobody(&draft.next));
    draft.next.closes_at = after.map(|after| {
        let at = draft.after(after);
        draft.next.closes_at.map_or(at, |set| set.min(at))
    });
}

/// Whether a case is one that no person has, or has to have, a hand in.
fn needs_nobody(incident: &Incident) -> bool {
    let is_back = incident.class == Class::Wandering && incident.returned;
    let is_heard = incident.presses_answered == incident.presses && !incident.operator_decides;
    let is_left_alone = incident.owner().is_none()
        && incident.handovers.is_empty()
        && incident.grid_officer == Voice::NotNeeded
        && !incident.offers.iter().any(|offer| offer.state.is_live());
    is_back && is_heard && is_left_alone
}
