//! The alarm that needs no database: a POST to wherever somebody hears it.

use std::time::Duration;

use serde::Serialize;
use tracing::error;

/// How long the far end may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Tells `hook` of something that people must hear: an alert that could not be stored in time, a canary that has
/// fallen silent. Returns at once.
pub fn fire(hook: String, what: impl Serialize + Send + Sync + 'static) {
    tokio::spawn(async move {
        let sent = reqwest::Client::new().post(&hook).timeout(ANSWER_WITHIN).json(&what).send().await;
        if let Err(cause) = sent.and_then(reqwest::Response::error_for_status) {
            error!(cause = %cause.without_url(), "the alarm hook did not answer");
        }
    });
}
