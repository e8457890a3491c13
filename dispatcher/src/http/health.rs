//! Whether the line works, for probes, and in numbers, for Prometheus. Counts only: nothing about anybody.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wire::counters::{Kind, Sample};

use super::errors::ApiError;
use super::{Api, Counted};
use crate::canary::Canary;
use crate::clock;
use crate::store::vitals::{self, Vitals};

/// A database that takes longer does not do.
const DATABASE_WITHIN: Duration = Duration::from_secs(1);
/// A deadline that nobody has kept for this long means that nobody keeps any.
const OVERDUE_MAX_S: f64 = 10.0;
/// A backlog with a message this old means that nothing is sent. Far ends that are down for minutes are
/// ordinary; their messages expire.
const QUEUED_MAX_S: f64 = 15.0 * 60.0;
/// So many streams at once; each costs a task and a look at the database twice a second.
const FOLLOWERS_MAX: u64 = 4096;

/// What this process has counted since it was started.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Answers by class of status, 1xx to 5xx.
    answers: [AtomicU64; 5],
    followers: Arc<AtomicU64>,
}

impl Counters {
    pub(super) fn answered(&self, status: StatusCode) {
        if let Some(count) = self.answers.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a stream in; it is counted out when the answer is dropped.
    pub(super) fn follower(&self) -> Result<Follower, ApiError> {
        let follower = Follower(Arc::clone(&self.followers));
        // The guard above counts out what is counted in here, also when it is one too many.
        if self.followers.fetch_add(1, Ordering::Relaxed) >= FOLLOWERS_MAX {
            return Err(ApiError::TooMany);
        }
        Ok(follower)
    }
}

/// One open stream.
#[derive(Debug)]
pub(super) struct Follower(Arc<AtomicU64>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Serialize, ToSchema)]
struct HealthView {
    /// `ok` or `failing`.
    status: &'static str,
    /// What is wrong, in words; empty when nothing is.
    wrong: Vec<&'static str>,
    overdue: Option<i64>,
    outbox_queued: Option<i64>,
    unstored: usize,
    /// The press of our own that shows that the line works; nothing where it is off.
    canary: Option<Canary>,
}

async fn vitals(api: &Api) -> Option<Vitals> {
    let taking = async {
        let mut conn = api.desk().conn().await.ok()?;
        vitals::take(&mut conn).await.ok()
    };
    tokio::time::timeout(DATABASE_WITHIN, taking).await.ok().flatten()
}

/// Whether alerts are taken in and decided
#[utoipa::path(
    get, path = "/api/v1/health", tag = "operation",
    responses((status = 200, body = HealthView), (status = 503, body = HealthView)),
)]
pub(super) async fn health(State(api): State<Api>) -> Response {
    let vitals = vitals(&api).await;
    let unstored = api.desk().live.unstored().0.len();
    let wrong: Vec<&str> = [
        (!api.desk().is_open(), "it is still starting: the database is not ready yet"),
        (api.desk().is_open() && vitals.is_none(), "the database does not answer within a second"),
        (vitals.is_some_and(|vitals| vitals.oldest_overdue_s > OVERDUE_MAX_S), "deadlines are not kept"),
        (vitals.is_some_and(|vitals| vitals.oldest_queued_s > QUEUED_MAX_S), "nothing is sent"),
        (unstored > 0, "alerts could not be stored"),
    ]
    .into_iter()
    .filter_map(|(is_wrong, what)| is_wrong.then_some(what))
    .collect();
    let (code, status) =
        if wrong.is_empty() { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "failing") };
    let view = HealthView {
        status,
        wrong,
        overdue: vitals.map(|vitals| vitals.overdue),
        outbox_queued: vitals.map(|vitals| vitals.queued),
        unstored,
        canary: api.desk().live.canary().borrow().clone(),
    };
    (code, Json(view)).into_response()
}

/// Counts, in Prometheus' text format 0.0.4
#[utoipa::path(
    get, path = "/api/v1/metrics", tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String)),
)]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let vitals = vitals(&api).await;
    let counters = api.counters();
    let mut page = Page::default();
    page.gauge(
        "ydt_database_up",
        "Whether the database answers within a second.",
        f64::from(u8::from(vitals.is_some())),
    );
    if let Some(vitals) = vitals {
        page.gauge("ydt_incidents_open", "Incidents that are not over.", count(vitals.open));
        page.gauge("ydt_incidents_ringing", "Open incidents that ring.", count(vitals.ringing));
        page.gauge("ydt_incidents_unclaimed", "Open incidents that nobody has claimed.", count(vitals.unclaimed));
        page.gauge(
            "ydt_incidents_overdue",
            "Open incidents whose deadline passed 5 s ago and more.",
            count(vitals.overdue),
        );
        page.gauge(
            "ydt_incidents_oldest_overdue_seconds",
            "Age of the oldest deadline not kept.",
            vitals.oldest_overdue_s,
        );
        page.gauge(
            "ydt_incidents_operator_decides",
            "Open incidents whose automatic decision failed twice.",
            count(vitals.operator_decides),
        );
        page.gauge(
            "ydt_aftercare_due",
            "Closed incidents that wait for a follow-up call or a rating.",
            count(vitals.aftercare_due),
        );
        page.gauge(
            "ydt_aftercare_overdue",
            "Those of them whose deadline has passed.",
            count(vitals.aftercare_overdue),
        );
        page.gauge("ydt_outbox_queued", "Messages that wait to be sent.", count(vitals.queued));
        page.gauge("ydt_outbox_oldest_seconds", "Age of the oldest message that waits.", vitals.oldest_queued_s);
    }
    page.gauge(
        "ydt_incidents_breaking_an_invariant",
        "Open incidents that the watchdog found to break a promise (docs/invariants.md).",
        whole(api.desk().live.broken()),
    );
    if let Some(canary) = api.desk().live.canary().borrow().clone() {
        page.canary(&canary);
    }
    let unstored = u32::try_from(api.desk().live.unstored().0.len()).unwrap_or(u32::MAX);
    page.gauge("ydt_alerts_unstored", "Alerts that ring from memory because they are not stored.", f64::from(unstored));
    page.gauge("ydt_sse_followers", "Open streams.", whole(counters.followers.load(Ordering::Relaxed)));
    page.head("ydt_http_answers_total", "Answers by class of status.", "counter");
    for (class, answers) in (1..).zip(&counters.answers) {
        let answers = whole(answers.load(Ordering::Relaxed));
        page.line(&format!("ydt_http_answers_total{{class=\"{class}xx\"}}"), answers);
    }
    page.parts(api.counted());
    page.into_response()
}

/// What these parts count, for the `/metrics` of a process without an API.
pub fn numbers(counted: &[Counted]) -> Response {
    let mut page = Page::default();
    page.parts(counted);
    page.into_response()
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; exact to 2^53")]
fn count(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; exact to 2^53")]
fn whole(number: u64) -> f64 {
    number as f64
}

/// The text in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, help, "gauge");
        self.line(name, value);
    }

    fn canary(&mut self, canary: &Canary) {
        let missing = f64::from(u8::from(canary.missing));
        self.gauge("ydt_canary_missing", "Whether the canary's press has not come through for too long.", missing);
        if let Some(seen_at) = canary.seen_at {
            let age_s = clock::now().duration_since(seen_at).as_secs_f64().max(0.0);
            self.gauge(
                "ydt_canary_last_success_age_seconds",
                "Age of the canary's last press that came through.",
                age_s,
            );
        }
        let seconds = |milliseconds: i32| f64::from(milliseconds) / 1_000.0;
        if let (Some(acknowledged_ms), Some(seen_ms)) = (canary.acknowledged_ms, canary.seen_ms) {
            self.gauge(
                "ydt_canary_acknowledged_seconds",
                "From the canary's press to its acknowledgement.",
                seconds(acknowledged_ms),
            );
            self.gauge("ydt_canary_seen_seconds", "From the canary's press to the consoles' stream.", seconds(seen_ms));
        }
    }

    fn parts(&mut self, counted: &[Counted]) {
        for counted in counted {
            for sample in (counted.read)() {
                self.sample(counted.part, &sample);
            }
        }
    }

    fn sample(&mut self, part: &str, sample: &Sample) {
        let (ending, kind) = match sample.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
        };
        let name = format!("ydt_{part}_{}{ending}", sample.name);
        self.head(&name, sample.help, kind);
        self.line(&name, whole(sample.value));
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, value: f64) {
        let _ = writeln!(self.0, "{name} {value}");
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], self.0).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_counted_for_as_long_as_it_lives() {
        let counters = Counters::default();
        let follower = counters.follower().unwrap();
        assert_eq!(counters.followers.load(Ordering::Relaxed), 1);
        drop(follower);
        assert_eq!(counters.followers.load(Ordering::Relaxed), 0);
        counters.followers.store(FOLLOWERS_MAX, Ordering::Relaxed);
        assert!(counters.follower().is_err());
        assert_eq!(counters.followers.load(Ordering::Relaxed), FOLLOWERS_MAX);
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut page = Page::default();
        page.gauge("a", "What.", 3.0);
        assert_eq!(page.0, "# HELP a What.\n# TYPE a gauge\na 3\n");
        let mut page = Page::default();
        page.sample("shop", &Sample { name: "came", help: "Who came.", kind: Kind::Counter, value: 4 });
        page.sample("shop", &Sample { name: "inside", help: "Who is in.", kind: Kind::Gauge, value: 1 });
        let counter =
            "# HELP ydt_shop_came_total Who came.\n# TYPE ydt_shop_came_total counter\nydt_shop_came_total 4\n";
        let gauge = "# HELP ydt_shop_inside Who is in.\n# TYPE ydt_shop_inside gauge\nydt_shop_inside 1\n";
        assert_eq!(page.0, format!("{counter}{gauge}"));
    }
}
