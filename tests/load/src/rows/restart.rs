//! The server killed under load, and how soon a press is on disk again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use serde_json::json;
use town::crowd;
use wire::directory::Dialect;
use wire::topics::{self, ydt as leaf};

use super::{Line, Registered, Taken, tell};
use crate::servers;
use crate::table::{Commits, Quantiles, Row, median, span};

/// Between two tries to be heard.
const AGAIN_AFTER: Duration = Duration::from_millis(5);
/// Nobody waits longer.
const HEARD_WITHIN: Duration = Duration::from_mins(2);

/// Killed again and again.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    registered: Registered,
    /// Positions a second.
    #[arg(long, default_value_t = 5_000.0)]
    rate: f64,
    /// Presses a second.
    #[arg(long, default_value_t = 20.0)]
    presses: f64,
    /// Load before each kill.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { registered, rate, presses, seconds, runs } = arguments;
    let mut line = Line::open(registered).await?;
    let mqtt = line.server.mqtt;
    // More than is needed: it is told to end.
    let lasts = (f64::from(*runs) + 1.0) * (seconds + HEARD_WITHIN.as_secs_f64());
    let crowd = line.crowd(registered, *rate, &[("presses", *presses), ("seconds", lasts)])?;
    let mut times_s = Vec::new();
    for run in 0..*runs {
        tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
        let Line { server, pool } = line;
        pool.close().await;
        let killed_at = Instant::now();
        // As `kill -9` does.
        drop(server.process);
        let heard =
            tokio::spawn(tokio::time::timeout(HEARD_WITHIN, first_press(mqtt, registered.people - 1, run, killed_at)));
        let server = servers::whole(&registered.data, Some(mqtt))?;
        let took = heard.await???;
        eprintln!("run {run}: heard after {:.2} s", took.as_secs_f64());
        times_s.push(took.as_secs_f64());
        let pool = super::pool(&server).await?;
        line = Line { server, pool };
    }
    tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
    let report = crowd.stop()?;
    let taken = Taken::of(&line.pool, &report).await?;
    // Those of the one who pressed after each kill.
    let taken = Taken { acknowledged: taken.acknowledged + u64::from(*runs), ..taken };
    tell(&[Row {
        what: format!(
            "restart after `kill -9` under {rate} fixes/s and {presses} presses/s, {} registered: from the kill until the first \
             press is durably acknowledged ({runs} runs; {taken}; key → PUBACK of those who pressed all the while: {})",
            registered.people,
            Quantiles::from(report.durable)
        ),
        ours: format!("{:.2} s ({})", median(times_s.iter().copied()), span(times_s.iter().copied(), "s")),
        beside: String::new(),
        ratio: None,
        aim: "≤ 3 s",
        commits: Commits::Synchronous,
    }]);
    line.close().await
}

/// Presses one key, tries until somebody takes it, and tells how long after `since` that was.
async fn first_press(mqtt: SocketAddr, number: u32, seq: u32, since: Instant) -> anyhow::Result<Duration> {
    let serial = crowd::serial(number);
    let mut options = MqttOptions::new(format!("{serial}-first"), mqtt.ip().to_string(), mqtt.port());
    options.set_credentials(&serial, crowd::secret(number));
    let (client, mut events) = AsyncClient::new(options, 4);
    let boot = firmware_sim::clock::boot();
    let payload = json!({ "type": "alert", "kind": "sos", "boot": boot, "seq": seq }).to_string();
    client.publish(topics::topic(Dialect::Ydt, &serial, leaf::ALERT), QoS::AtLeastOnce, false, payload).await?;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Incoming::PubAck(_))) => return Ok(since.elapsed()),
            Ok(_) => {}
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    }
}
