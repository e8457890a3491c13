//! The ways in from brokers: the lines to each door's bus, and to a broker of somebody else's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wire::bus::{self, Alive, Uplink};
use wire::topics::Lane;

use super::{BusState, Config, Inside, OUTSIDE_MAX, Tasks};
use crate::alerts::{self, Alerts};
use crate::counters::Counters;
use crate::ledger::Answer;
use crate::line::{self, FarEnd, Line};
use crate::outside::{self, Outside};
use crate::presence;
use crate::voices::BusNumber;

/// How long the last receipts may take to leave when the gateway stops.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Opens the lines to one bus, and what follows them: our voice there, and how it stands.
pub(super) fn open_bus(
    config: &Config,
    inside: &Inside,
    (number, answers): (BusNumber, mpsc::Receiver<Answer>),
    tasks: &mut Tasks,
) -> (Line, BusState) {
    let Inside { alerts, telemetry, reader, room, handover, tries, counters, .. } = inside;
    let (address, ending) = (config.buses[number], tasks.ending.clone());
    let end = || ending.clone();
    let far_end = FarEnd { gateway: &config.id, bus: address, key: &config.bus_key };
    let open = |name, topic| line::open(name, far_end, topic, Arc::clone(counters));
    let (voice, voice_driver, _) = open("voice", None);
    let (alert_line, alert_driver, alert_messages) = open("alerts", Some(bus::up(&config.id, Lane::Alert)));
    let (telemetry_line, telemetry_driver, telemetry_messages) =
        open("telemetry", Some(bus::up(&config.id, Lane::Telemetry)));
    let (presence_line, presence_driver, presence_messages) = open("presence", Some(bus::presence(&config.id)));
    // The voice ends last: it still carries the receipts of the calls under way.
    let silenced = CancellationToken::new();
    tasks.add("voice", voice_driver.run(silenced.clone()));
    tasks.add("answers", say_last_words(voice.clone(), answers, Arc::clone(counters), silenced));
    tasks.add("alert line", alert_driver.run(end()));
    tasks.add("telemetry line", telemetry_driver.run(end()));
    tasks.add("presence line", presence_driver.run(end()));
    let sorting = (number, reader.clone(), Arc::clone(alerts));
    tasks.add("telemetry intake", Arc::clone(telemetry).take_in(telemetry_messages, sorting, end()));
    tasks.add("presence", presence::pass_on(handover.clone(), presence_messages, *tries, end()));
    let taking = take_in_alerts((number, Arc::clone(alerts)), alert_messages, Arc::clone(counters), end());
    tasks.add("alert intake", taking);
    let signs = (alert_line.up(), Arc::clone(room));
    let saying = (config.id.clone(), config.alive_every);
    tasks.add("sign of life", say_alive(voice.clone(), saying, signs, end()));
    let lines = vec![voice.up(), alert_line.up(), telemetry_line.up(), presence_line.up()];
    (voice, BusState { address: address.to_string(), lines })
}

/// The same for a broker of somebody else's.
pub(super) fn open_outside(
    (config, outside): (&Config, &Outside),
    inside: &Inside,
    answers: mpsc::Receiver<Answer>,
    tasks: &mut Tasks,
) -> (outside::Voice, BusState) {
    let Inside { alerts, telemetry, reader, directory, counters, .. } = inside;
    let (number, ending) = (config.buses.len(), tasks.ending.clone());
    let end = || ending.clone();
    let (alerts_in, alert_messages) = mpsc::channel(OUTSIDE_MAX);
    let (telemetry_in, telemetry_messages) = mpsc::channel(OUTSIDE_MAX);
    let owed = outside::Owed::default();
    let ears = outside::Ears {
        directory: Arc::clone(directory),
        alerts: alerts_in,
        telemetry: telemetry_in,
        owed: owed.clone(),
    };
    let who = (config.id.as_str(), &**config.profiles.mappings());
    let lines = outside::open(outside, who, &config.bus_key, ears, counters);
    tasks.add("outside voice", lines.speaking.run(end()));
    tasks.add("outside alerts", lines.alerts.run(end()));
    tasks.add("outside telemetry", lines.telemetry.run(end()));
    tasks.add("outside answers", outside::answer(lines.voice.clone(), owed, answers, Arc::clone(counters)));
    let taking = take_in_alerts((number, Arc::clone(alerts)), alert_messages, Arc::clone(counters), end());
    tasks.add("outside alert intake", taking);
    let sorting = (number, reader.clone(), Arc::clone(alerts));
    tasks.add("outside telemetry intake", Arc::clone(telemetry).take_in(telemetry_messages, sorting, end()));
    let address = format!("{}:{}", outside.host, outside.port);
    (lines.voice, BusState { address, lines: lines.up.into() })
}

async fn take_in_alerts(
    (bus, alerts): (BusNumber, Arc<Alerts>),
    mut messages: mpsc::Receiver<Bytes>,
    counters: Arc<Counters>,
    stop: CancellationToken,
) {
    while let Some(message) = tokio::select! { () = stop.cancelled() => None, message = messages.recv() => message } {
        match bus::decode::<Uplink<'_>>(&message) {
            Ok(uplink) => tokio::select! {
                () = stop.cancelled() => return,
                () = alerts.admit(uplink, bus) => {}
            },
            Err(error) => {
                counters.bus_garbled.one();
                warn!(%error, "a message on the alert lane is not an uplink");
            }
        }
    }
}

/// Says each while that we are here, while alerts can reach us and there is room for them: a gateway
/// that cannot take an alert must not be sent one.
async fn say_alive(
    voice: Line,
    (gateway, every): (String, Duration),
    (mut listening, room): (watch::Receiver<bool>, Arc<Semaphore>),
    stop: CancellationToken,
) {
    let alive = bus::encode(&Alive { gateway });
    let mut speaking = voice.up();
    loop {
        if *listening.borrow_and_update() && *speaking.borrow_and_update() && room.available_permits() > 0 {
            // When the bus goes away, doors hear it by our silence.
            let _ = voice.publish(bus::GATEWAYS, alive.clone()).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
            Ok(()) = listening.changed() => {}
            Ok(()) = speaking.changed() => {}
        }
    }
}

async fn say_last_words(
    voice: Line,
    answers: mpsc::Receiver<Answer>,
    counters: Arc<Counters>,
    silenced: CancellationToken,
) {
    alerts::send_answers(voice.clone(), answers, counters).await;
    let _ = tokio::time::timeout(CLOSE_WITHIN, voice.close()).await;
    silenced.cancel();
}
