//! Telling the contacts, one after the other: the first when the ladder says so, with the first decision
//! where it says nothing else; the next a while later unless somebody has the case and a contact is known
//! to know. Where they are reached, and in what
//! words, is not said here; issues of who is told how soon are the policy's.

use super::draft::Draft;
use super::ladder::Act;
use super::{Class, ContactNews, Effect, Entry, Rank, Reach, Told, ToldState};

/// Whether contacts are told of it by itself: of a call for help by somebody we know. Daily help wakes
/// no family, and nobody knows whose to alarm for a stranger.
fn is_told(draft: &Draft<'_>) -> bool {
    draft.next.class != Class::Service && draft.next.origin.is_known() && draft.next.presses_answered > 0
}

/// Tells whose turn it is.
pub(super) fn tell_next(draft: &mut Draft<'_>) {
    if !is_told(draft) {
        return;
    }
    let Some(rung) = draft.ladder().rung(Act::Contacts) else {
        draft.next.tell_next_at = None;
        return;
    };
    let begins_at = draft.next.opened_at + rung.after;
    loop {
        let had_turn = |rank: Rank| draft.next.told.iter().any(|told| told.rank == rank);
        let Some(contact) = draft.facts.contacts.iter().find(|contact| !had_turn(contact.rank)).copied() else {
            draft.next.tell_next_at = None;
            return;
        };
        if draft.next.tell_next_at.is_some_and(|at| at > draft.now()) {
            return;
        }
        if draft.next.told.is_empty() && begins_at > draft.now() {
            draft.next.tell_next_at = Some(begins_at);
            return;
        }
        let every = draft.facts.policy.contact_every;
        let is_somebody_reached = draft.next.told.iter().any(|told| told.state == ToldState::Reached);
        if draft.next.owner().is_some() && is_somebody_reached || !draft.holds(rung.when) {
            draft.next.tell_next_at = Some(draft.after(every));
            return;
        }
        let state = match contact.reach {
            Reach::Addressed => ToldState::Told,
            Reach::Unaddressed => ToldState::Skipped,
        };
        draft.next.told.push(Told { rank: contact.rank, state });
        draft.write(Entry::Contacted { rank: contact.rank, state });
        if state == ToldState::Told {
            draft.emit(Effect::TellContact { rank: contact.rank, news: ContactNews::Alert });
            draft.next.tell_next_at = Some(draft.after(every));
        }
    }
}

/// A message to a contact came to an end. What is known already is not unlearned, and nobody waits for
/// somebody who will never hear.
pub(super) fn hear(draft: &mut Draft<'_>, rank: Rank, state: ToldState) {
    let Some(told) = draft.next.told.iter_mut().find(|told| told.rank == rank) else { return };
    if told.state != ToldState::Told {
        return;
    }
    told.state = state;
    draft.write(Entry::Contacted { rank, state });
    if state == ToldState::Lost && draft.next.tell_next_at.is_some() {
        draft.next.tell_next_at = Some(draft.now());
    }
}
