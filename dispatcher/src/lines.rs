//! What a decision wrote, as lines of the timeline: a word and its data. The console turns them into
//! sentences; nothing else reads them.

use domain::incident::{ClosedBy, Entry, HandoverState, OfferState};
use domain::word::Word;
use serde_json::{Value, json};

use crate::store::incidents::{handover_word, offer_word};
use crate::store::timeline::Line;

/// The line for one entry.
pub(crate) fn line(entry: &Entry) -> Line {
    let (what, who, data) = match entry {
        Entry::Rung { level } => ("rung", None, json!({ "level": level.as_str() })),
        Entry::Claimed { by, from } => ("claimed", Some(by.0), json!({ "from": from.map(|from| from.0) })),
        Entry::Released { by } => ("released", Some(by.0), json!({})),
        Entry::OwnerGone { owner } => ("owner_gone", None, json!({ "owner": owner.0 })),
        Entry::Asked { offer, responder, by } => {
            ("asked", by.map(|by| by.0), json!({ "offer": offer.0, "responder": responder.0 }))
        }
        Entry::Answered { offer, responder, state } => {
            let mut data = json!({ "offer": offer.0, "responder": responder.0, "state": offer_word(state) });
            match state {
                OfferState::Accepted { expected_at } | OfferState::OnTheWay { expected_at } => {
                    data["expected_at"] = json!(expected_at);
                }
                OfferState::Declined { reason } => data["reason"] = json!(reason),
                OfferState::Lost { by } => data["lost_by"] = json!(by.as_str()),
                _ => {}
            }
            ("answered", None, data)
        }
        Entry::Waits { until } => ("waits", None, json!({ "until": until.to_string() })),
        Entry::NobodyLeft { shortfall } => ("nobody_left", None, json!({ "shortfall": shortfall.as_str() })),
        Entry::HandedOver { handover, centre, by } => {
            ("handed_over", by.map(|by| by.0), json!({ "handover": handover.0, "centre": centre.as_str() }))
        }
        Entry::CentreProposed { handover, centre } => {
            ("centre_proposed", None, json!({ "handover": handover.0, "centre": centre.as_str() }))
        }
        Entry::HandoverMoved { handover, centre, state, reference } => {
            let mut data = json!({ "handover": handover.0, "centre": centre.as_str(), "state": handover_word(state) });
            match state {
                HandoverState::Refused { reason } | HandoverState::StoodDown { reason } => {
                    data["reason"] = json!(reason);
                }
                HandoverState::Dispatched { expected_at: Some(expected_at) } => {
                    data["expected_at"] = json!(expected_at);
                }
                _ => {}
            }
            if let Some(reference) = reference {
                data["reference"] = json!(reference);
            }
            ("handover_moved", None, data)
        }
        Entry::VoiceDue { centre } => ("voice_due", None, json!({ "centre": centre.as_str() })),
        Entry::VoiceDone { centre, by, reference } => {
            ("voice_done", Some(by.0), json!({ "centre": centre.as_str(), "reference": reference }))
        }
        Entry::GridOfficerDue => ("grid_officer_due", None, json!({})),
        Entry::GridOfficerCalled { by } => ("grid_officer_called", Some(by.0), json!({})),
        Entry::Noted { by, text } => ("noted", Some(by.0), json!({ "text": text })),
        Entry::Categorized { by, category } => ("categorized", Some(by.0), json!({ "category": category.0 })),
        Entry::Contacted { rank, state } => ("contacted", None, json!({ "rank": rank.0, "state": state.as_str() })),
        Entry::Closed { by: ClosedBy::User(by), outcome, note } => {
            ("closed", Some(by.0), json!({ "outcome": outcome.as_str(), "note": note }))
        }
        Entry::Closed { by: ClosedBy::Responder(by), outcome, note } => {
            ("closed", None, json!({ "outcome": outcome.as_str(), "note": note, "responder": by.0 }))
        }
        Entry::Closed { by: ClosedBy::Canary, outcome, note } => {
            ("closed", None, json!({ "outcome": outcome.as_str(), "note": note }))
        }
        Entry::Closed { by: ClosedBy::Return, outcome, note } => {
            ("closed", None, json!({ "outcome": outcome.as_str(), "note": note, "rule": "returned" }))
        }
    };
    Line { what, who, data: clean(data) }
}

/// JSON as the database can keep it: it has no room for U+0000, which a terminal may well send.
pub(crate) fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean_text(text)),
        Value::Array(items) => items.into_iter().map(clean).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (clean_text(key), clean(value))).collect(),
        other => other,
    }
}

/// Text as the database can keep it.
pub(crate) fn clean_text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
