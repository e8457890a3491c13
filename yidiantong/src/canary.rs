//! The canary's finger: presses over MQTT as a terminal does, at a front door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dispatcher::canary::{NotAcknowledged, Press, Presser};
use dispatcher::config::CanaryConfig;
use rumqttc::{AsyncClient, Event, MqttOptions, Outgoing, Packet, QoS};
use serde_json::json;

use crate::settings::CanarySettings;

/// How long a front door has to acknowledge a press.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);
/// Long enough that no ping comes between.
const KEEP_ALIVE: Duration = Duration::from_mins(1);

/// What the desk is told of it.
pub(crate) fn config(settings: &CanarySettings) -> Option<CanaryConfig> {
    let seconds = |seconds: std::num::NonZeroU32| Duration::from_secs(seconds.get().into());
    let (every, missing_after) = (seconds(settings.every_s), seconds(settings.missing_after_s));
    settings.on.then_some(CanaryConfig { every, missing_after })
}

/// Who presses, when it is known where; `own` is the front door of this process.
pub(crate) fn presser(settings: &CanarySettings, own: Option<SocketAddr>) -> Option<Arc<dyn Presser>> {
    let at = settings.mqtt.clone().or(own.map(|own| own.to_string())).filter(|_| settings.on)?;
    Some(Arc::new(Finger { at }))
}

/// A terminal that connects anew for each press: so connecting is tried, too.
struct Finger {
    at: String,
}

#[async_trait]
impl Presser for Finger {
    async fn press(&self, press: &Press) -> Result<(), NotAcknowledged> {
        let pressing = tokio::time::timeout(ACKNOWLEDGED_WITHIN, self.press_once(press));
        pressing.await.unwrap_or_else(|_| Err(NotAcknowledged(format!("no answer from {} in time", self.at))))
    }
}

impl Finger {
    async fn press_once(&self, press: &Press) -> Result<(), NotAcknowledged> {
        let failed = |why: &dyn ToString| NotAcknowledged(why.to_string());
        let (host, port) = self.at.rsplit_once(':').ok_or_else(|| failed(&"[canary] mqtt is no host:port"))?;
        let port = port.parse().map_err(|_| failed(&"[canary] mqtt has no port"))?;
        let mut options = MqttOptions::new(press.serial, host.trim_matches(['[', ']']), port);
        options.set_credentials(press.serial, &press.secret).set_keep_alive(KEEP_ALIVE);
        let (client, mut connection) = AsyncClient::new(options, 4);
        let alert = json!({ "type": "alert", "kind": "sos", "boot": press.boot, "seq": press.seq, "drill": true });
        let topic = format!("ydt/1/{}/alert", press.serial);
        client.publish(topic, QoS::AtLeastOnce, false, alert.to_string()).await.map_err(|why| failed(&why))?;
        while !matches!(connection.poll().await.map_err(|why| failed(&why))?, Event::Incoming(Packet::PubAck(_))) {}
        // It has been heard; whether we are waved goodbye does not matter.
        if client.disconnect().await.is_ok() {
            while !matches!(connection.poll().await, Err(_) | Ok(Event::Outgoing(Outgoing::Disconnect))) {}
        }
        Ok(())
    }
}
