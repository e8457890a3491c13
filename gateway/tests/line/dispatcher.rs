//! A dispatcher with moods, which remembers everything.

use std::sync::Arc;
use std::time::Duration;

use gateway::{Dispatcher, Unavailable};
use tokio::sync::watch;
use uuid::Uuid;
use wire::notice::Delivered;
use wire::receipt::{Outcome, Receipt};
use wire::report::{Heard, Report, Unstored};
use wire::topics::Lane;

const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes everything.
    Well,
    /// Takes nothing.
    Away,
    /// Takes nothing at its first calls.
    AwayAtFirst(usize),
    /// Takes telemetry only.
    AwayForAlerts,
    /// Answers when its mood has changed.
    Hesitating,
    /// Fails each call that holds this report.
    FailingWith(Uuid),
    /// Panics in each call that holds this report.
    PanickingWith(Uuid),
    /// Takes everything but this report.
    PassingOver(Uuid),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) calls: usize,
    pub(crate) taken: Vec<Report>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) delivered: Vec<Delivered>,
    pub(crate) unstored: Vec<Unstored>,
}

pub(crate) struct Fake {
    mood: watch::Sender<Mood>,
    seen: watch::Sender<Seen>,
}

impl Fake {
    pub(crate) fn new(mood: Mood) -> Self {
        Self { mood: watch::Sender::new(mood), seen: watch::Sender::new(Seen::default()) }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub(crate) fn taken(&self) -> Vec<Report> {
        self.seen.borrow().taken.clone()
    }

    pub(crate) async fn until(&self, condition: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.subscribe();
        let waited = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| condition(seen))).await;
        let Ok(seen) = waited else { panic!("not seen in time; seen so far: {:?}", self.seen.borrow()) };
        seen.unwrap().clone()
    }

    /// Counts a call and lets the mood pass over it; gives the reports that may be taken.
    async fn weigh(&self, reports: Vec<Report>) -> Result<Vec<Report>, Unavailable> {
        let mut call = 0;
        self.seen.send_modify(|seen| {
            seen.calls += 1;
            call = seen.calls;
        });
        let mut mood = self.mood.subscribe();
        let mood = *mood.wait_for(|mood| *mood != Mood::Hesitating).await.unwrap();
        let holds = |id: Uuid| reports.iter().any(|report| report.id == id);
        let fails = match mood {
            Mood::Away => true,
            Mood::AwayAtFirst(calls) => call <= calls,
            Mood::AwayForAlerts => reports.iter().any(|report| report.lane == Lane::Alert),
            Mood::FailingWith(id) => holds(id),
            Mood::PanickingWith(id) if holds(id) => panic!("told to panic"),
            Mood::Well | Mood::Hesitating | Mood::PassingOver(_) | Mood::PanickingWith(_) => false,
        };
        if fails {
            return Err(Unavailable::because("told to fail"));
        }
        Ok(reports.into_iter().filter(|report| mood != Mood::PassingOver(report.id)).collect())
    }
}

#[async_trait::async_trait]
impl Dispatcher for Fake {
    async fn take(&self, reports: Arc<[Report]>) -> Result<Vec<Receipt>, Unavailable> {
        let reports = self.weigh(reports.to_vec()).await?;
        let outcome = Outcome::Committed { incident: None };
        let receipts = reports.iter().map(|report| Receipt { report: report.id, outcome }).collect();
        self.seen.send_modify(|seen| seen.taken.extend(reports));
        Ok(receipts)
    }

    async fn heard(&self, heard: Vec<Heard>) -> Result<(), Unavailable> {
        self.weigh(Vec::new()).await?;
        self.seen.send_modify(|seen| seen.heard.extend(heard));
        Ok(())
    }

    async fn delivered(&self, delivered: Vec<Delivered>) -> Result<(), Unavailable> {
        self.weigh(Vec::new()).await?;
        self.seen.send_modify(|seen| seen.delivered.extend(delivered));
        Ok(())
    }

    fn unstored(&self, alert: Unstored) {
        self.seen.send_modify(|seen| seen.unstored.push(alert));
    }
}
