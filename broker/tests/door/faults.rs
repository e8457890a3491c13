//! Closing the door, and the bus dying under it.

use std::net::SocketAddr;
use std::sync::Arc;

use broker::{BrokerError, BusError, Config};
use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;
use tokio_util::sync::CancellationToken;
use wire::directory::Directory;

use crate::bench::{Door, Raw, bus_key, quick, soon, until};

async fn start(config: Config) -> Result<broker::Broker, BrokerError> {
    broker::start(config, Arc::new(Directory::default()), CancellationToken::new()).await
}

#[tokio::test]
async fn a_closing_door_says_goodbye() {
    let door = Door::open(quick()).await;
    let (mut v4, mut v5) = (Raw::v4(&door, "P1").await, Raw::v5(&door, "P2").await);
    let (address, counters) = (door.address(), Arc::clone(&door.counters));
    let (closed, (), ()) =
        tokio::join!(door.close(), v4.closed(), v5.dismissed(DisconnectReasonCode::ServerShuttingDown));
    closed.unwrap();
    assert_eq!((counters.sessions.get(), counters.connections.get()), (0, 0));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_dead_bus_closes_the_door_with_an_error() {
    let door = Door::open(quick()).await;
    let gateway = door.gateway("g1").await;
    let mut terminal = Raw::v5(&door, "P1").await;
    // rumqttd looks at the first byte of a topic as if it were a character.
    gateway.publish("电", Vec::new()).await;
    terminal.dismissed(DisconnectReasonCode::ServerShuttingDown).await;
    let outcome = soon("the door closes", door.broker.stopped()).await;
    assert!(matches!(outcome, Err(BrokerError::Bus(BusError::Router(_)))), "{outcome:?}");
}

#[tokio::test]
async fn an_unreadable_message_on_the_bus_is_counted_and_hurts_nobody() {
    let door = Door::open(quick()).await;
    let gateway = door.gateway("g1").await;
    for topic in [wire::bus::GATEWAYS, wire::bus::DOWN, &wire::bus::receipts("door")] {
        gateway.publish(topic, vec![99, 1, 2, 3]).await;
    }
    until("they have come", || door.counters.bus_unreadable.get() == 3).await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4("ydt/1/P1/alert", 1, "help").await;
    terminal.hear_puback(1).await;
}

#[tokio::test]
async fn only_who_knows_the_key_comes_onto_the_bus() {
    let door = Door::open(quick()).await;
    let (key, bus) = (bus_key(), door.broker.bus_addr());
    for login in [None, Some((wire::bus::USER, "password")), Some((wire::bus::USER, "")), Some(("root", key.reveal()))]
    {
        let mut options = rumqttc::MqttOptions::new("gateway", bus.ip().to_string(), bus.port());
        if let Some((user, password)) = login {
            options.set_credentials(user, password);
        }
        let (_client, mut events) = rumqttc::AsyncClient::new(options, 10);
        let said = soon("an answer", events.poll()).await;
        assert!(said.is_err(), "{login:?} was let in: {said:?}");
    }
    door.gateway("g1").await;
}

#[tokio::test]
async fn a_door_that_cannot_open_says_why() {
    let world = SocketAddr::from(([0, 0, 0, 0], 0));
    let outcome = start(Config { bus_listen: world, ..quick() }).await;
    assert!(matches!(outcome, Err(BrokerError::Bus(BusError::NotPrivate(_)))));
    let outcome = start(Config { door: "a/b".into(), ..quick() }).await;
    assert!(matches!(outcome, Err(BrokerError::Door(_))));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let outcome = start(Config { listen: taken.local_addr().unwrap(), ..quick() }).await;
    assert!(matches!(outcome, Err(BrokerError::Listen { .. })));
    let outcome = start(Config { bus_listen: taken.local_addr().unwrap(), ..quick() }).await;
    assert!(matches!(outcome, Err(BrokerError::Bus(BusError::Listen { .. }))));
}
