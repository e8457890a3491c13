//! The bench: a door with its directory, a gateway and a terminal for tests. Every wait is for
//! something to happen, and has an end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerError, Config, Counters};
use bytes::{Buf as _, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use wire::bus::{self, Alive, Downlink, Presence, Receipts, Uplink};
use wire::directory::{Dialect, Directory, Terminal, Update, hash_secret};
use wire::internal::Key;
use wire::topics::Lane;

/// Nothing here takes this long unless it never comes.
pub(crate) const SOON: Duration = Duration::from_mins(2);

/// Waits for `what`, but not for ever.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, happens).await.unwrap_or_else(|_| panic!("{what}: it never came"))
}

/// Waits until `holds`.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The quick settings of tests.
pub(crate) fn quick() -> Config {
    Config {
        listen: loopback(),
        bus_listen: loopback(),
        revocation_every: Duration::from_millis(50),
        ..Config::new("door", bus_key())
    }
}

/// What gateways must know.
pub(crate) fn bus_key() -> Key {
    Key::of([7; 32])
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn pager(serial: &str) -> Terminal {
    Terminal {
        serial: serial.into(),
        login: serial.into(),
        secret_sha256: hash_secret(secret_of(serial).as_bytes()),
        dialect: Dialect::Ydt,
        manual_publish_means_help: false,
        profile: None,
        drill: false,
        concentrator: None,
        certificate: None,
    }
}

/// The secret that [`pager`] gives a terminal.
pub(crate) fn secret_of(serial: &str) -> String {
    format!("secret of {serial}")
}

/// A door, open.
pub(crate) struct Door {
    pub(crate) broker: Broker,
    pub(crate) directory: Arc<Directory>,
    pub(crate) counters: Arc<Counters>,
    version: i64,
    stop: CancellationToken,
    _guard: DropGuard,
}

impl Door {
    /// A door with the pagers P1 to P9.
    pub(crate) async fn open(config: Config) -> Self {
        let mut door = Self::without_directory(config).await;
        door.list((1..10).map(|n| pager(&format!("P{n}"))).collect());
        door
    }

    pub(crate) async fn without_directory(config: Config) -> Self {
        let directory = Arc::new(Directory::default());
        let stop = CancellationToken::new();
        let broker = broker::start(config, Arc::clone(&directory), stop.clone()).await.unwrap();
        let counters = broker.counters();
        Self { broker, directory, counters, version: 0, _guard: stop.clone().drop_guard(), stop }
    }

    /// Replaces the directory.
    pub(crate) fn list(&mut self, terminals: Vec<Terminal>) {
        self.publish(Update { upserts: terminals, ..Update::default() });
    }

    /// Publishes an update of the directory under the next version.
    pub(crate) fn publish(&mut self, update: Update) {
        let from = update.from.is_some().then_some(self.version);
        self.version += 1;
        self.directory.apply(Update { from, to: self.version, ..update }).unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.broker.mqtt_addr()
    }

    pub(crate) async fn gateway(&self, id: &str) -> Gateway {
        Gateway::start(self.broker.bus_addr(), id, Answer::AtOnce).await
    }

    /// A gateway that sends receipts only when told to.
    pub(crate) async fn slow_gateway(&self, id: &str) -> Gateway {
        Gateway::start(self.broker.bus_addr(), id, Answer::WhenTold).await
    }

    pub(crate) async fn close(self) -> Result<(), BrokerError> {
        self.stop.cancel();
        soon("the door closes", self.broker.stopped()).await
    }
}

/// When a gateway sends receipts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    AtOnce,
    WhenTold,
}

/// A gateway that does what it is told.
pub(crate) struct Gateway {
    client: AsyncClient,
    pub(crate) uplinks: mpsc::UnboundedReceiver<Uplink<'static>>,
    pub(crate) presence: mpsc::UnboundedReceiver<Presence>,
    _stop: DropGuard,
}

impl Gateway {
    async fn start(bus: SocketAddr, id: &str, answer: Answer) -> Self {
        Self::start_with(bus, id, answer, &[bus::up(id, Lane::Telemetry), bus::presence(id)]).await
    }

    /// `others`: what it listens to besides alerts.
    pub(crate) async fn start_with(bus: SocketAddr, id: &str, answer: Answer, others: &[String]) -> Self {
        let stop = CancellationToken::new();
        let (up, uplinks) = mpsc::unbounded_channel();
        let (present, presence) = mpsc::unbounded_channel();
        // Alerts have a connection of their own, as they have in the real one.
        let alerts = [bus::up(id, Lane::Alert)];
        let client = listen(bus, &format!("{id}-alerts"), &alerts, answer, up.clone(), present.clone(), &stop).await;
        listen(bus, &format!("{id}-others"), others, answer, up, present, &stop).await;
        tokio::spawn({
            let (stop, client, id) = (stop.clone(), client.clone(), id.to_owned());
            async move {
                let alive = bus::encode(&Alive { gateway: id });
                let mut beat = tokio::time::interval(Duration::from_millis(100));
                loop {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        _ = beat.tick() => {}
                    }
                    if client.publish(bus::GATEWAYS, QoS::AtLeastOnce, false, alive.clone()).await.is_err() {
                        return;
                    }
                }
            }
        });
        Self { client, uplinks, presence, _stop: stop.drop_guard() }
    }

    pub(crate) async fn uplink(&mut self) -> Uplink<'static> {
        soon("an uplink", self.uplinks.recv()).await.unwrap()
    }

    pub(crate) async fn receipt(&self, uplink: &Uplink<'_>) {
        send_receipts(&self.client, &uplink.door, &[uplink.id]).await;
    }

    pub(crate) async fn downlink(&self, serial: &str, leaf: &str, payload: &str, notice: Option<Uuid>) {
        let downlink = Downlink {
            serial: serial.into(),
            topic: format!("ydt/1/{serial}/{leaf}"),
            payload: payload.into(),
            notice,
        };
        self.publish(bus::DOWN, bus::encode(&downlink)).await;
    }

    pub(crate) async fn publish(&self, topic: &str, payload: Vec<u8>) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
    }
}

/// One connection of a gateway, subscribed.
async fn listen(
    bus: SocketAddr,
    name: &str,
    filters: &[String],
    answer: Answer,
    up: mpsc::UnboundedSender<Uplink<'static>>,
    present: mpsc::UnboundedSender<Presence>,
    stop: &CancellationToken,
) -> AsyncClient {
    let mut options = MqttOptions::new(name, bus.ip().to_string(), bus.port());
    options.set_max_packet_size(bus::PACKET_MAX, bus::PACKET_MAX);
    options.set_credentials(bus::USER, bus_key().reveal());
    let (client, mut events) = AsyncClient::new(options, 1000);
    for filter in filters {
        client.subscribe(filter.as_str(), QoS::AtLeastOnce).await.unwrap();
    }
    let (heard, mut subscribed) = mpsc::unbounded_channel();
    tokio::spawn({
        let (stop, client) = (stop.clone(), client.clone());
        async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.poll() => event,
                };
                match event {
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = heard.send(());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) if publish.topic.ends_with("/presence") => {
                        let _ = present.send(bus::decode(&publish.payload).unwrap());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        for uplink in bus::unpack::<Uplink<'_>>(&publish.payload) {
                            let uplink = uplink.unwrap().into_owned();
                            if answer == Answer::AtOnce && uplink.lane == Lane::Alert {
                                send_receipts(&client, &uplink.door, &[uplink.id]).await;
                            }
                            let _ = up.send(uplink);
                        }
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        }
    });
    for _ in filters {
        soon("the gateway subscribes", subscribed.recv()).await.unwrap();
    }
    client
}

async fn send_receipts(client: &AsyncClient, door: &str, ids: &[Uuid]) {
    let receipts = bus::encode(&Receipts { ids: ids.to_vec() });
    client.publish(bus::receipts(door), QoS::AtLeastOnce, false, receipts).await.unwrap();
}

/// What bytes go through.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A terminal that speaks MQTT byte by byte.
pub(crate) struct Raw {
    socket: Box<dyn Socket>,
    buffer: BytesMut,
}

impl Raw {
    pub(crate) async fn dial(address: SocketAddr) -> Self {
        Self::over(soon("a connection", TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) fn over(socket: impl Socket + 'static) -> Self {
        Self { socket: Box::new(socket), buffer: BytesMut::new() }
    }

    /// A session in MQTT 3.1.1.
    pub(crate) async fn v4(door: &Door, serial: &str) -> Self {
        let (raw, ack) = Self::v4_with(door, serial, |_| {}).await;
        assert_eq!(ack.code, v4::ConnectReturnCode::Success);
        raw
    }

    pub(crate) async fn v4_with(
        door: &Door,
        serial: &str,
        change: impl FnOnce(&mut v4::Connect),
    ) -> (Self, v4::ConnAck) {
        let mut raw = Self::dial(door.address()).await;
        let ack = raw.connect_v4(serial, change).await;
        (raw, ack)
    }

    pub(crate) async fn connect_v4(&mut self, serial: &str, change: impl FnOnce(&mut v4::Connect)) -> v4::ConnAck {
        let mut connect = v4::Connect::new(format!("{serial}-client"));
        connect.set_login(serial, secret_of(serial));
        change(&mut connect);
        self.say_v4(&v4::Packet::Connect(connect)).await;
        let v4::Packet::ConnAck(ack) = self.hear_v4().await else { panic!("no CONNACK") };
        ack
    }

    /// A session in MQTT 5.
    pub(crate) async fn v5(door: &Door, serial: &str) -> Self {
        let (raw, ack) = Self::v5_with(door, serial, |_, _| {}).await;
        assert_eq!(ack.code, v5::ConnectReturnCode::Success);
        raw
    }

    pub(crate) async fn v5_with(
        door: &Door,
        serial: &str,
        change: impl FnOnce(&mut v5::Connect, &mut v5::Login),
    ) -> (Self, v5::ConnAck) {
        let mut raw = Self::dial(door.address()).await;
        let ack = raw.connect_v5(serial, change).await;
        (raw, ack)
    }

    pub(crate) async fn connect_v5(
        &mut self,
        serial: &str,
        change: impl FnOnce(&mut v5::Connect, &mut v5::Login),
    ) -> v5::ConnAck {
        let mut connect =
            v5::Connect { keep_alive: 60, client_id: format!("{serial}-client"), clean_start: true, properties: None };
        let mut login = v5::Login::new(serial, secret_of(serial));
        change(&mut connect, &mut login);
        let mut bytes = BytesMut::new();
        connect.write(&None, &Some(login), &mut bytes).unwrap();
        self.say(&bytes).await;
        let v5::Packet::ConnAck(ack) = self.hear_v5().await else { panic!("no CONNACK") };
        ack
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    /// Says something to a door that may have closed already.
    pub(crate) async fn say_if_open(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    pub(crate) async fn say_v4(&mut self, packet: &v4::Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, 1 << 20).unwrap();
        self.say(&bytes).await;
    }

    pub(crate) async fn say_v5(&mut self, packet: &v5::Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        self.say(&bytes).await;
    }

    /// Publishes in MQTT 3.1.1. Packet id 0 is QoS 0.
    pub(crate) async fn publish_v4(&mut self, topic: &str, pid: u16, payload: &str) {
        let qos = if pid == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        self.publish_v4_qos(topic, qos, pid, payload).await;
    }

    pub(crate) async fn publish_v4_qos(&mut self, topic: &str, qos: QoS, pid: u16, payload: &str) {
        let mut publish = v4::Publish::new(topic, qos, payload);
        publish.pkid = pid;
        self.say_v4(&v4::Packet::Publish(publish)).await;
    }

    pub(crate) async fn publish_v5(&mut self, topic: &str, qos: rumqttc::v5::mqttbytes::QoS, pid: u16, payload: &str) {
        let mut publish = v5::Publish::new(topic, qos, payload.to_owned(), None);
        publish.pkid = pid;
        self.say_v5(&v5::Packet::Publish(publish)).await;
    }

    /// The next packet in MQTT 3.1.1.
    pub(crate) async fn hear_v4(&mut self) -> v4::Packet {
        soon("a packet", async {
            loop {
                match v4::Packet::read(&mut self.buffer, 1 << 20) {
                    Ok(packet) => return packet,
                    Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                assert_ne!(self.read().await, 0, "closed instead of a packet");
            }
        })
        .await
    }

    /// The next packet in MQTT 5.
    pub(crate) async fn hear_v5(&mut self) -> v5::Packet {
        soon("a packet", async {
            loop {
                match v5::Packet::read(&mut self.buffer, None) {
                    Ok(packet) => return packet,
                    Err(rumqttc::v5::mqttbytes::Error::InsufficientBytes(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                assert_ne!(self.read().await, 0, "closed instead of a packet");
            }
        })
        .await
    }

    async fn read(&mut self) -> usize {
        self.socket.read_buf(&mut self.buffer).await.unwrap_or(0)
    }

    pub(crate) async fn hear_puback(&mut self, pid: u16) {
        assert_eq!(self.hear_v4().await, v4::Packet::PubAck(v4::PubAck::new(pid)));
    }

    /// Says PINGREQ and hears PINGRESP: what came before it has been looked at, and whatever could be
    /// said to us by now has been said, because it would have come first.
    pub(crate) async fn ping(&mut self) {
        self.say(&[0xc0, 0]).await;
        assert_eq!(self.hear_v4().await, v4::Packet::PingResp);
    }

    /// The same for MQTT 5.
    pub(crate) async fn ping_v5(&mut self) {
        self.say(&[0xc0, 0]).await;
        assert!(matches!(self.hear_v5().await, v5::Packet::PingResp(_)));
    }

    /// The door closes this connection, without another word.
    pub(crate) async fn closed(&mut self) {
        soon("the end of the connection", async { while self.read().await != 0 {} }).await;
        assert!(self.buffer.is_empty(), "it said {:02x?}", self.buffer.chunk());
    }

    /// The door says DISCONNECT with `reason` and closes this connection.
    pub(crate) async fn dismissed(&mut self, reason: v5::DisconnectReasonCode) {
        let v5::Packet::Disconnect(disconnect) = self.hear_v5().await else { panic!("no DISCONNECT") };
        assert_eq!(disconnect.reason_code, reason);
        self.closed().await;
    }
}
