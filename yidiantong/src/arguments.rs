//! What the roles are told on the command line when each has a process of its own. Everything here can stand in the
//! settings file; the keys are better there, or in the environment, where nobody else on the machine reads them.

use std::net::SocketAddr;

use yidiantong::admin::Place;
use yidiantong::settings::Settings;

/// What all roles are told.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The key of the hand-over between processes, at least 32 bytes; alike everywhere.
    #[arg(long, env = "YDT_INTERNAL_KEY", hide_env_values = true)]
    internal_key: Option<String>,
}

/// What a broker is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Broker {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    edge: Edge,
    /// Where terminals connect (MQTT); port 0 takes a free one.
    #[arg(long)]
    mqtt_listen: Option<SocketAddr>,
    /// Where gateways connect: on the loopback or in a private network.
    #[arg(long)]
    bus_listen: Option<SocketAddr>,
}

/// What a gateway is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Gateway {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    edge: Edge,
    /// A broker's bus; once for each broker.
    #[arg(long = "bus", value_name = "ADDRESS")]
    buses: Vec<SocketAddr>,
    /// Where dispatchers bring notices: on the loopback or in a private network.
    #[arg(long)]
    internal_listen: Option<SocketAddr>,
}

/// What a dispatcher is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Dispatcher {
    #[command(flatten)]
    common: Common,
    /// Where console and API listen; port 0 takes a free one.
    #[arg(long)]
    http_listen: Option<SocketAddr>,
    /// Where brokers and gateways come to: on the loopback or in a private network.
    #[arg(long)]
    internal_listen: Option<SocketAddr>,
    /// A gateway's internal address, such as http://10.0.0.3:8090; once for each gateway.
    #[arg(long = "gateway", value_name = "URL")]
    gateways: Vec<String>,
}

/// What brokers and gateways are told.
#[derive(Debug, clap::Args)]
struct Edge {
    /// What this process is called; no other of its kind may be called so.
    #[arg(long)]
    name: Option<String>,
    /// A dispatcher's internal address, such as http://10.0.0.2:8090; once for each dispatcher.
    #[arg(long = "dispatcher", value_name = "URL")]
    dispatchers: Vec<String>,
    /// The key of the buses, at least 32 bytes; alike at brokers and gateways.
    #[arg(long, env = "YDT_BUS_KEY", hide_env_values = true)]
    bus_key: Option<String>,
    /// Where probes find /health and /metrics.
    #[arg(long)]
    health_listen: Option<SocketAddr>,
}

impl Common {
    fn read(self, place: &Place) -> anyhow::Result<Settings> {
        let mut settings = place.settings()?;
        settings.internal.key = self.internal_key.or(settings.internal.key);
        Ok(settings)
    }
}

impl Edge {
    fn put_over(self, settings: &mut Settings) {
        settings.name = self.name.or(settings.name.take());
        settings.bus.key = self.bus_key.or(settings.bus.key.take());
        settings.health_listen = self.health_listen.or(settings.health_listen);
        put_over(&mut settings.internal.dispatchers, self.dispatchers);
    }
}

impl Broker {
    pub(crate) fn read(self, place: &Place) -> anyhow::Result<Settings> {
        let mut settings = self.common.read(place)?;
        self.edge.put_over(&mut settings);
        settings.mqtt_listen = self.mqtt_listen.unwrap_or(settings.mqtt_listen);
        settings.bus.listen = self.bus_listen.unwrap_or(settings.bus.listen);
        Ok(settings)
    }
}

impl Gateway {
    pub(crate) fn read(self, place: &Place) -> anyhow::Result<Settings> {
        let mut settings = self.common.read(place)?;
        self.edge.put_over(&mut settings);
        put_over(&mut settings.bus.addresses, self.buses);
        settings.internal.listen = self.internal_listen.unwrap_or(settings.internal.listen);
        Ok(settings)
    }
}

impl Dispatcher {
    pub(crate) fn read(self, place: &Place) -> anyhow::Result<Settings> {
        let mut settings = self.common.read(place)?;
        settings.http_listen = self.http_listen.unwrap_or(settings.http_listen);
        settings.internal.listen = self.internal_listen.unwrap_or(settings.internal.listen);
        put_over(&mut settings.internal.gateways, self.gateways);
        Ok(settings)
    }
}

fn put_over<T>(set: &mut Vec<T>, said: Vec<T>) {
    if !said.is_empty() {
        *set = said;
    }
}
