//! What comes by telephone: an operator opens what a press would have opened.

use domain::id::{IncidentId, UserId};
use domain::incident::{Class, Origin};
use domain::press::AlertKind;
use domain::word::Word;
use jiff_sqlx::ToSqlx as _;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::timeline::{self, Line};
use super::{StoreError, facts};
use crate::clock;

/// What somebody telephoned about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Somebody is in need.
    Emergency,
    /// Daily help is wanted.
    Service {
        /// What, as it was said.
        category: Option<String>,
        /// Who asks for it, when it is not the resident.
        on_behalf_of: Option<String>,
    },
}

/// What was told on the telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What about.
    pub about: About,
    /// The resident whom it is about, when it is one.
    pub resident: Option<Uuid>,
    /// Where they are, in words.
    pub place_in_words: Option<String>,
    /// The telephone that was called from.
    pub phone: Option<String>,
    /// What was said.
    pub note: Option<String>,
    /// An exercise.
    pub drill: bool,
}

/// Opens an emergency, or appends the call to the open one of the same resident or telephone; daily help
/// is a case of its own each time. What follows from it is decided right after, as for a press.
///
/// Whoever is no resident counts as unlisted: the operator who has them on the line decides about 120. Their
/// case belongs to `node`.
pub async fn open(conn: &mut PgConnection, call: &Call, by: UserId, node: Uuid) -> Result<IncidentId, StoreError> {
    let fresh = clock::fresh_id();
    let now = facts::now(conn).await?;
    let (subject_kind, subject_key) = match (call.resident, &call.phone) {
        (Some(resident), _) => ("resident", resident.to_string()),
        (None, Some(phone)) => ("caller", phone.clone()),
        (None, None) => ("caller", fresh.to_string()),
    };
    let origin = if call.resident.is_some() { Origin::Listed } else { Origin::Unlisted };
    let (class, category) = match &call.about {
        About::Emergency => (Class::Emergency, None),
        About::Service { category, .. } => (Class::Service, category.clone()),
    };
    let kind = (class == Class::Emergency).then_some(AlertKind::Telephone.as_str());
    let id = sqlx::query_scalar!(
        "insert into incident as i (id, class, origin, subject_kind, subject_key, resident_id, terminal_id, node_id, kinds,
            opened_at, presses, last_press_at, place_in_words, caller_phone, drill, wake_at, category, service)
         values ($1, $2, $3, $4, $5, $6,
            (select terminal_id from terminal_assignment where resident_id = $6 and until is null
             order by since desc limit 1),
            coalesce((select serving_node from resident where id = $6), $12),
            array_remove(array[$7::text], null), $8, 1, $8, $9, $10, $11, $8, $13, category_meant($13))
         on conflict (subject_kind, subject_key, class, drill) where closed_at is null and class <> 'service' do update set
            presses = i.presses + 1,
            kinds = (select array_agg(distinct kind) from unnest(i.kinds || excluded.kinds) kind),
            last_press_at = excluded.last_press_at,
            place_in_words = coalesce(excluded.place_in_words, i.place_in_words),
            caller_phone = coalesce(excluded.caller_phone, i.caller_phone),
            cancelled = false,
            origin = better_origin(i.origin, excluded.origin),
            wake_at = excluded.wake_at
         returning id",
        fresh,
        class.as_str(),
        origin.as_str(),
        subject_kind,
        subject_key,
        call.resident,
        kind,
        now.to_sqlx(),
        call.place_in_words,
        call.phone,
        call.drill,
        node,
        category,
    )
    .fetch_one(&mut *conn)
    .await?;
    let mut data = json!({ "text": call.note, "place_in_words": call.place_in_words, "phone": call.phone });
    let what = match &call.about {
        About::Emergency => {
            data["kind"] = json!(AlertKind::Telephone.as_str());
            "telephoned"
        }
        About::Service { category, on_behalf_of } => {
            data["category"] = json!(category);
            data["on_behalf_of"] = json!(on_behalf_of);
            "requested"
        }
    };
    let line = Line { what, who: Some(by.0), data };
    timeline::append(conn, IncidentId(id), now, &[line]).await?;
    Ok(IncidentId(id))
}
