//! What rings at which gateway. An alert rings here for as long as any gateway that is heard of says that it does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gateway::Dispatcher;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;
use wire::internal::Ringing;
use wire::report::Unstored;

/// A gateway repeats what rings every few seconds. One that has said nothing for this long has gone: whoever holds its
/// alerts now, another gateway or the terminals themselves, rings or repeats them.
pub(super) const SILENT_AFTER: Duration = Duration::from_mins(1);

type Alerts = BTreeMap<Uuid, Unstored>;

/// What the gateways say.
pub(super) struct Rings {
    dispatcher: Arc<dyn Dispatcher>,
    gateways: Mutex<HashMap<String, (Instant, Alerts)>>,
}

impl Rings {
    pub(super) fn new(dispatcher: Arc<dyn Dispatcher>) -> Self {
        Self { dispatcher, gateways: Mutex::default() }
    }

    /// A gateway says what rings there.
    pub(super) fn hear(&self, ringing: Ringing, now: Instant) {
        let alerts: Alerts = ringing.alerts.into_iter().map(|alert| (alert.id, alert)).collect();
        self.change(|gateways| {
            if alerts.is_empty() {
                gateways.remove(&ringing.gateway);
            } else {
                gateways.insert(ringing.gateway, (now, alerts));
            }
        });
    }

    /// Forgets what gateways said that have gone.
    pub(super) fn forget_silent(&self, now: Instant) {
        self.change(|gateways| {
            gateways.retain(|gateway, (heard_at, alerts)| {
                let is_here = now.duration_since(*heard_at) < SILENT_AFTER;
                if !is_here {
                    warn!(gateway, alerts = alerts.len(), "a gateway with alerts that were not stored has gone");
                }
                is_here
            });
        });
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<String, (Instant, Alerts)>)) {
        let mut gateways = self.gateways.lock();
        let before = all(&gateways);
        change(&mut gateways);
        let after = all(&gateways);
        for (_, alert) in after.iter().filter(|(id, _)| !before.contains_key(id)) {
            self.dispatcher.unstored(alert.clone());
        }
        for (_, alert) in before.into_iter().filter(|(id, _)| !after.contains_key(id)) {
            self.dispatcher.unstored(Unstored { stored: true, ..alert });
        }
    }
}

fn all(gateways: &HashMap<String, (Instant, Alerts)>) -> Alerts {
    gateways.values().flat_map(|(_, alerts)| alerts.clone()).collect()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use gateway::Unavailable;
    use jiff::Timestamp;
    use wire::notice::Delivered;
    use wire::receipt::Receipt;
    use wire::report::{Heard, Report};

    use super::*;

    #[derive(Default)]
    struct Console(Mutex<Vec<(u128, bool)>>);

    #[async_trait]
    impl Dispatcher for Console {
        async fn take(&self, _: Arc<[Report]>) -> Result<Vec<Receipt>, Unavailable> {
            Err(Unavailable::because("not asked here"))
        }
        async fn heard(&self, _: Vec<Heard>) -> Result<(), Unavailable> {
            Ok(())
        }
        async fn delivered(&self, _: Vec<Delivered>) -> Result<(), Unavailable> {
            Ok(())
        }
        fn unstored(&self, alert: Unstored) {
            self.0.lock().push((alert.id.as_u128(), alert.stored));
        }
    }

    fn ringing(gateway: &str, ids: &[u128]) -> Ringing {
        let alert = |id: &u128| Unstored {
            id: Uuid::from_u128(*id),
            serial: "P1".into(),
            received_at: Timestamp::UNIX_EPOCH,
            what: "an alert".into(),
            stored: false,
        };
        Ringing { gateway: gateway.into(), alerts: ids.iter().map(alert).collect() }
    }

    #[test]
    fn an_alert_rings_as_long_as_a_gateway_that_is_there_says_so() {
        let console = Arc::new(Console::default());
        let rings = Rings::new(console.clone());
        let said = || std::mem::take(&mut *console.0.lock());
        let now = Instant::now();
        rings.hear(ringing("east", &[1, 2]), now);
        rings.hear(ringing("west", &[2]), now);
        rings.hear(ringing("east", &[1, 2]), now);
        assert_eq!(said(), [(1, false), (2, false)]);
        rings.hear(ringing("east", &[]), now);
        assert_eq!(said(), [(1, true)]);
        rings.forget_silent(now + SILENT_AFTER / 2);
        assert_eq!(said(), []);
        rings.forget_silent(now + SILENT_AFTER);
        assert_eq!(said(), [(2, true)]);
    }
}
