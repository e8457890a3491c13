//! The dispatcher's answer to a report: it is on disk.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One report is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The report's id as handed over.
    pub report: Uuid,
    /// How it was taken in.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How a report was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Committed; an alert names its incident.
    Committed {
        /// The incident that it opened or was appended to.
        incident: Option<Uuid>,
    },
    /// The same press as one committed before.
    Same {
        /// The earlier report.
        as_report: Uuid,
        /// Its incident.
        incident: Option<Uuid>,
    },
}
