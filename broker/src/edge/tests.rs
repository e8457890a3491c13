//! A door in memory: without sockets, and with a bus that stands still where that is wanted.

use std::net::{Ipv4Addr, SocketAddr};

use tokio_util::sync::CancellationToken;
use wire::directory::{Dialect, REVOKED_WITHIN, Update, hash_secret};
use wire::internal::Key;

use super::*;
use crate::bus::Bus;
use crate::packet::Qos;
use crate::session::{self, Arrival};

/// Nothing here takes this long unless it never comes.
const SOON: Duration = Duration::from_mins(2);

fn key() -> Key {
    Key::of([7; 32])
}

fn terminal(serial: &str) -> Terminal {
    Terminal {
        serial: serial.into(),
        login: serial.into(),
        secret_sha256: hash_secret(b"secret"),
        dialect: Dialect::Ydt,
        manual_publish_means_help: false,
        profile: None,
        drill: false,
        concentrator: None,
        certificate: None,
    }
}

fn publish(topic: &str, payload: &[u8]) -> Publish {
    let payload = Bytes::copy_from_slice(payload);
    Publish { topic: topic.into(), payload, qos: Qos::AtMostOnce, dup: Dup::First, pid: 0, alias: None }
}

fn bus() -> Bus {
    crate::bus::start("door", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), key()).unwrap()
}

fn edge(config: Config, directory: Directory, outlets: (Outlet, Outlet, Outlet)) -> Arc<Edge> {
    let (alerts, telemetry, presence) = outlets;
    let outlets = Outlets { alerts, telemetry: Parcels::new(telemetry), presence };
    Arc::new(Edge::new(config, Arc::new(directory), outlets))
}

/// A bus that has fallen behind takes nothing; the gateway behind it is alive. A router that is dead is as far behind as
/// one can be.
async fn door_whose_bus_stands_still(config: Config) -> Arc<Edge> {
    let Bus { alerts, telemetry, presence, mut ear, .. } = bus();
    presence.publish("电".into(), Bytes::new(), Limit::NONE);
    let died = async { while ear.next().await.is_ok() {} };
    tokio::time::timeout(SOON, died).await.expect("the router dies");
    let edge = edge(config, Directory::default(), (alerts, telemetry, presence));
    edge.gateways.write().hear("g1", Instant::now());
    edge
}

#[tokio::test]
async fn behind_a_bus_that_stands_still_telemetry_is_coalesced_and_shed_and_counted_and_alerts_are_not() {
    const ROUNDS: u64 = 2000;
    let config = Config {
        telemetry_max: 50,
        telemetry_max_bytes: 16 * 1024,
        gateway_gone_after: Duration::from_hours(1),
        ..Config::new("door", key())
    };
    let edge = door_whose_bus_stands_still(config).await;
    let counters = &edge.counters;
    let (mut taken, mut full) = (0_u64, 0_u64);
    for round in 0..ROUNDS {
        for serial in ["P1", "P2", "P3"] {
            for leaf in ["fix", "ack"] {
                let message = publish(&format!("ydt/1/{serial}/{leaf}"), &[b'x'; 300]);
                match edge.telemetry(&terminal(serial), &message, InTime::Yes) {
                    Room::Taken => taken += 1,
                    Room::Full => full += 1,
                }
            }
        }
        // Presses come among them, and none of them waits for the telemetry before it.
        if round % 100 == 0 {
            edge.alert("P1".into(), &publish("ydt/1/P1/alert", b"help"), None);
        }
    }
    assert_eq!((taken + full, counters.telemetry.get()), (6 * ROUNDS, 6 * ROUNDS));
    let (coalesced, shed) = (counters.telemetry_coalesced_bus.get(), counters.telemetry_shed_bus.get());
    assert_eq!(shed, full, "what was not taken is counted, and only that");
    // One packet lies in the link's buffer, one is being filled, and what is parked has its own limit. Of the rest, the
    // positions give way to later ones, and nothing stands in for an acknowledgement.
    assert!(shed > 2 * ROUNDS && coalesced > 2 * ROUNDS, "{shed} shed, {coalesced} coalesced");
    edge.send_parked(Instant::now());
    let (parked, bytes) = (counters.telemetry_parked.get(), counters.telemetry_parked_bytes.get());
    assert!((3..=50).contains(&parked) && bytes <= 16 * 1024, "{parked} wait, {bytes} bytes");
    assert!(taken - coalesced - parked < 1000, "{taken} taken, {coalesced} coalesced, {parked} wait");
    let others = [
        &counters.telemetry_coalesced_gateway,
        &counters.telemetry_shed_gateway,
        &counters.telemetry_coalesced_rate,
        &counters.telemetry_shed_rate,
        &counters.alerts_given_up,
    ];
    assert!(others.iter().all(|counter| counter.get() == 0), "for another cause");
    let alerts = ROUNDS / 100;
    assert_eq!((counters.alerts_waiting.get(), counters.alerts_handed_over.get()), (alerts, alerts));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_revoked_ends_within_its_share_of_the_promise() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let directory = Directory::default();
    let list = |directory: &Directory, to, terminals| {
        directory.apply(Update { to, upserts: terminals, ..Update::default() }).unwrap();
    };
    list(&directory, 1, vec![terminal("P1"), terminal("P2")]);
    let Bus { alerts, telemetry, presence, .. } = bus();
    let edge = edge(Config::new("door", key()), directory, (alerts, telemetry, presence));
    let following = tokio::spawn({
        let edge = Arc::clone(&edge);
        async move { edge.follow_directory().await }
    });
    let (mut ours, theirs) = tokio::io::duplex(4096);
    let half_open = edge.let_in(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, Instant::now()).ok().unwrap();
    let arrival = Arrival { half_open, certificate: None };
    tokio::spawn(session::serve(Arc::clone(&edge), theirs, arrival, CancellationToken::new()));
    let mut connect = bytes::BytesMut::new();
    let mut opening = rumqttc::mqttbytes::v4::Connect::new("client");
    opening.set_login("P1", "secret");
    opening.write(&mut connect).unwrap();
    ours.write_all(&connect).await.unwrap();
    let mut welcome = [0; 4];
    ours.read_exact(&mut welcome).await.unwrap();
    assert_eq!(welcome, [0x20, 2, 0, 0]);
    // Not at a moment at which it is looked anyway.
    tokio::time::sleep(Duration::from_millis(12_345)).await;
    assert_eq!(edge.counters.sessions.get(), 1);

    let revoked = tokio::time::Instant::now();
    list(&edge.directory, 2, vec![terminal("P2")]);
    let mut rest = Vec::new();
    ours.read_to_end(&mut rest).await.unwrap();
    // In virtual time only what is waited for takes any.
    let took = revoked.elapsed();
    assert!(took <= edge.config.revocation_every && took < REVOKED_WITHIN, "{took:?}");
    assert_eq!((rest.as_slice(), edge.counters.revoked.get()), (&[][..], 1));
    following.abort();
}
