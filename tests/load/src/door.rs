//! The front door alone, with everybody in its directory; and whoever hears all that comes through it.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gateway::{Dispatcher, Unavailable};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio_util::sync::CancellationToken;
use town::crowd;
use wire::directory::{Dialect, Directory, Terminal, Update, hash_secret};
use wire::internal::Key;
use wire::notice::Delivered;
use wire::receipt::{Outcome, Receipt};
use wire::report::{Heard, Report, Unstored};

fn key() -> Key {
    Key::of([7; 32])
}

fn directory(people: u32) -> anyhow::Result<Arc<Directory>> {
    let upserts = (0..people).map(|number| {
        let serial: Arc<str> = crowd::serial(number).into();
        Terminal {
            login: Arc::clone(&serial),
            serial,
            secret_sha256: hash_secret(crowd::secret(number).as_bytes()),
            dialect: Dialect::Ydt,
            manual_publish_means_help: false,
            profile: None,
            drill: false,
            concentrator: None,
            certificate: None,
        }
    });
    let directory = Directory::default();
    directory.apply(Update { to: 1, upserts: upserts.collect(), ..Update::default() })?;
    Ok(Arc::new(directory))
}

fn say(line: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

async fn door(people: u32, stop: CancellationToken) -> anyhow::Result<broker::Broker> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = broker::Config { listen, ..broker::Config::new("load", key()) };
    Ok(broker::start(config, directory(people)?, stop).await?)
}

/// Opens a door for so many, and says where it is.
pub(crate) async fn open(people: u32) -> anyhow::Result<()> {
    let door = door(people, CancellationToken::new()).await?;
    say(&serde_json::json!({ "mqtt": door.mqtt_addr(), "bus": door.bus_addr() }))?;
    Ok(door.stopped().await?)
}

/// Takes every report, and counts.
#[derive(Default)]
struct Counting(AtomicU64);

#[async_trait]
impl Dispatcher for Counting {
    async fn take(&self, reports: Arc<[Report]>) -> Result<Vec<Receipt>, Unavailable> {
        self.0.fetch_add(reports.len() as u64, Ordering::Relaxed);
        let receipt = |report: &Report| Receipt { report: report.id, outcome: Outcome::Committed { incident: None } };
        Ok(reports.iter().map(receipt).collect())
    }

    async fn heard(&self, _: Vec<Heard>) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn delivered(&self, _: Vec<Delivered>) -> Result<(), Unavailable> {
        Ok(())
    }

    fn unstored(&self, _: Unstored) {}
}

async fn reader(
    bus: SocketAddr,
    people: u32,
    counting: &Arc<Counting>,
    stop: CancellationToken,
) -> anyhow::Result<gateway::Gateway> {
    let config = gateway::Config::new("load", vec![bus], key());
    let dispatcher = Arc::clone(counting) as Arc<dyn Dispatcher>;
    let gateway = gateway::start(config, directory(people)?, dispatcher, stop).await?;
    gateway.ready().await?;
    Ok(gateway)
}

/// A gateway on a door's bus that reads every message. Says each second how many there were.
pub(crate) async fn gateway(bus: SocketAddr, people: u32) -> anyhow::Result<()> {
    let counting = Arc::new(Counting::default());
    let _gateway = reader(bus, people, &counting, CancellationToken::new()).await?;
    tell_each_second(&counting.0).await
}

/// A live subscriber to everything at another broker. Says each second how many messages there were.
pub(crate) async fn subscriber(broker: SocketAddr) -> anyhow::Result<()> {
    let mut options = MqttOptions::new("load-subscriber", broker.ip().to_string(), broker.port());
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 16);
    client.subscribe("ydt/1/#", QoS::AtMostOnce).await?;
    let heard = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&heard);
    let hearing = tokio::spawn(async move {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::Publish(_))) => {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    });
    tokio::select! {
        told = tell_each_second(&heard) => told,
        error = hearing => Err(error?.into()),
    }
}

async fn tell_each_second(count: &AtomicU64) -> anyhow::Result<()> {
    loop {
        say(&serde_json::json!({ "heard": count.load(Ordering::Relaxed) }))?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use firmware_sim::crowd::{self, Blow, Pace};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn whatever_a_crowd_says_is_acknowledged_and_heard_and_after_a_storm_all_are_back() {
        const PEOPLE: u32 = 200;
        let stop = CancellationToken::new();
        let door = door(PEOPLE, stop.clone()).await.unwrap();
        let counting = Arc::new(Counting::default());
        let gateway = reader(door.bus_addr(), PEOPLE, &counting, stop.clone()).await.unwrap();
        let config = crowd::Config {
            pace: Pace::Rate { per_s: 400.0 },
            presses_per_s: 20.0,
            blows: vec![(Duration::from_millis(500), Blow::Reconnect)],
            lasts: Some(Duration::from_secs(3)),
            ..crowd::Config::new(door.mqtt_addr(), 0..PEOPLE)
        };
        let mut connected = None;
        let report = crowd::run(config, stop.clone(), |report| connected = report.all_connected_s, |_| {}).await;
        assert!(connected.is_some() && report.all_back_s.is_some(), "{report:?}");
        assert_eq!(report.connections_lost, u64::from(PEOPLE));
        assert_eq!(report.connects.count, 2 * u64::from(PEOPLE));
        assert_eq!(report.unacknowledged_presses, 0);
        assert!(report.durable.count > 20 && report.telemetry.count > 800, "{report:?}");
        // What was under way when the connections broke is heard and was never acknowledged; a press is said again.
        let acknowledged = report.telemetry.count + report.durable.count;
        let said = report.telemetry_sent + report.presses_sent;
        let heard_all = async {
            while counting.0.load(Ordering::Relaxed) < acknowledged {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), heard_all).await.expect("not all was heard");
        assert!(counting.0.load(Ordering::Relaxed) <= said);
        stop.cancel();
        gateway.stopped().await.unwrap();
        door.stopped().await.unwrap();
    }
}
