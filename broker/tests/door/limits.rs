//! Floods: what comes too fast or too much is held up, given up and counted, and costs no memory.

use std::time::Duration;

use broker::{Config, Rate};
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::LastWill;
use rumqttc::v5::mqttbytes::QoS as Qos5;

use crate::bench::{Door, Raw, quick, until};

#[tokio::test]
async fn while_there_is_no_gateway_a_flood_costs_no_more_than_its_limits() {
    let limits = Config { telemetry_max: 50, telemetry_max_bytes: 8 * 1024, alerts_max: 40, ..quick() };
    let door = Door::open(Config { telemetry_rate: None, ..limits }).await;
    let counters = &door.counters;
    let mut floods = Vec::new();
    for serial in ["P1", "P2", "P3"] {
        floods.push(Raw::v4(&door, serial).await);
    }
    let body = "x".repeat(200);
    for n in 0..200 {
        for (serial, raw) in ["P1", "P2", "P3"].iter().zip(&mut floods) {
            for leaf in ["fix", "status", "ack"] {
                raw.publish_v4(&format!("ydt/1/{serial}/{leaf}"), 0, &format!("{n} {body}")).await;
            }
        }
    }
    until("all has been looked at", || counters.telemetry.get() == 1800).await;
    // The latest position and status of three terminals, and as many acknowledgements as there is room for.
    until("what waits is told", || counters.telemetry_parked.get() > 0).await;
    assert!(counters.telemetry_parked.get() <= 50 && counters.telemetry_parked_bytes.get() <= 8 * 1024);
    assert!(counters.telemetry_coalesced_gateway.get() > 500 && counters.telemetry_shed_gateway.get() > 500);
    let kept = 1800 - counters.telemetry_coalesced_gateway.get() - counters.telemetry_shed_gateway.get();
    assert_eq!(kept, counters.telemetry_parked.get());

    // Alerts are never given up, but no more of them are read than may wait.
    for (serial, raw) in ["P1", "P2", "P3"].iter().zip(&mut floods) {
        for pid in 1..=100 {
            raw.publish_v4(&format!("ydt/1/{serial}/alert"), pid, &body).await;
        }
    }
    until("as many wait as may", || counters.alerts_waiting.get() >= 40).await;
    assert!(counters.alerts_waiting.get() <= 48, "{}", counters.alerts_waiting.get());
    assert!(counters.alerts_waiting_bytes.get() < 48 * 400);
    assert_eq!(counters.alerts_given_up.get(), 0);
    // When a gateway comes, all of them go through.
    let _gateway = door.gateway("g1").await;
    for raw in &mut floods {
        for pid in 1..=100 {
            raw.hear_puback(pid).await;
        }
    }
    until("nothing waits", || counters.telemetry_parked.get() == 0 && counters.alerts_waiting_bytes.get() == 0).await;
}

#[tokio::test]
async fn the_bytes_of_waiting_alerts_are_bounded_too() {
    let door = Door::open(Config { alerts_max_bytes: 3000, ..quick() }).await;
    let mut flood = Raw::v4(&door, "P1").await;
    for pid in 1..=10 {
        flood.publish_v4("ydt/1/P1/alert", pid, &"x".repeat(1000)).await;
    }
    until("as many wait as may", || door.counters.alerts_waiting_bytes.get() >= 3000).await;
    assert_eq!(door.counters.alerts_waiting.get(), 3);
    let _gateway = door.gateway("g1").await;
    for pid in 1..=10 {
        flood.hear_puback(pid).await;
    }
}

#[tokio::test]
async fn of_a_terminal_that_sends_too_much_the_latest_goes_on_and_its_alerts_at_once() {
    let door = Door::open(Config { telemetry_rate: Rate::new(1, 2), ..quick() }).await;
    let mut gateway = door.gateway("g1").await;
    let gateways = door.broker.gateways();
    until("the gateway is known", || gateways() == 1).await;
    let mut raw = Raw::v5(&door, "P1").await;
    for pid in 1..=20 {
        raw.publish_v5("ydt/1/P1/fix", Qos5::AtLeastOnce, pid, &pid.to_string()).await;
        raw.hear_v5().await;
    }
    raw.publish_v5("ydt/1/P1/alert", Qos5::AtLeastOnce, 21, "help").await;
    let mut heard: Vec<Vec<u8>> = Vec::new();
    while heard.last().is_none_or(|last| last != b"20") {
        heard.push(gateway.uplink().await.payload.to_vec());
    }
    assert!(heard.len() <= 6 && heard.contains(&b"help".to_vec()) && heard.contains(&b"1".to_vec()), "{heard:?}");
    assert!(door.counters.telemetry_coalesced_rate.get() >= 14);
    assert_eq!(door.counters.telemetry_shed_rate.get(), 0);
    // Another terminal has its own rate.
    let mut other = Raw::v4(&door, "P2").await;
    other.publish_v4_qos("ydt/1/P2/fix", QoS::AtLeastOnce, 1, "other").await;
    assert_eq!(gateway.uplink().await.payload[..], *b"other");
}

/// A session of P1 that says so many positions, all of which have been looked at.
async fn say_positions(door: &Door, client_id: &str, positions: usize) -> Raw {
    let (mut raw, _) = Raw::v4_with(door, "P1", |connect| connect.client_id = client_id.into()).await;
    for n in 0..positions {
        raw.publish_v4("ydt/1/P1/fix", 0, &n.to_string()).await;
    }
    raw.ping().await;
    raw
}

#[tokio::test]
async fn several_sessions_of_one_terminal_have_one_rate_together_and_another_connection_is_no_other_rate() {
    let door = Door::open(Config { telemetry_rate: Rate::new(1, 50), ..quick() }).await;
    let mut sessions = Vec::new();
    for client_id in ["a", "b", "c", "d"] {
        sessions.push(say_positions(&door, client_id, 60).await);
    }
    // With a rate of its own each would have had 50 of its 60 taken. Some may have been while this ran.
    let coalesced = door.counters.telemetry_coalesced_rate.get();
    assert!(coalesced > 100, "{coalesced}");
    drop(sessions);
    until("all have gone", || door.counters.sessions.get() == 0).await;
    let _again = say_positions(&door, "e", 50).await;
    let again = door.counters.telemetry_coalesced_rate.get() - coalesced;
    assert!(again > 10, "{again}");
    assert_eq!(door.counters.telemetry_shed_rate.get(), 0);
}

#[tokio::test]
async fn who_says_nothing_takes_no_place_from_those_who_do() {
    let config = Config { half_open_max: 50, connect_within: Duration::from_millis(600), ..quick() };
    let door = Door::open(config).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(Raw::dial(door.address()).await);
    }
    until("the others are refused", || door.counters.refused_half_open.get() == 150).await;
    assert_eq!(door.counters.half_open.get(), 50);
    until("the first are given up", || door.counters.refused_silent.get() == 50).await;
    assert_eq!((door.counters.half_open.get(), door.counters.connections.get()), (0, 0));
    let mut sessions = Vec::new();
    for n in 0..60 {
        let (raw, _) =
            Raw::v4_with(&door, &format!("P{}", n % 9 + 1), |connect| connect.client_id = n.to_string()).await;
        sessions.push(raw);
    }
    assert_eq!(door.counters.refused_half_open.get(), 150, "who has said CONNECT is not half open");
}

#[tokio::test]
async fn one_address_comes_no_faster_than_it_may() {
    let door = Door::open(Config { address_rate: Rate::new(1, 5), ..quick() }).await;
    let mut first = Vec::new();
    for _ in 0..5 {
        first.push(Raw::v4(&door, "P1").await);
    }
    Raw::dial(door.address()).await.closed().await;
    assert_eq!(door.counters.refused_address.get(), 1);
    first[4].ping().await;
}

#[tokio::test]
async fn a_storm_of_connections_waits_for_its_turn_and_nobody_is_refused() {
    let door = Door::open(Config { accept_rate: Rate::new(200, 10), ..quick() }).await;
    let started = std::time::Instant::now();
    let mut all = Vec::new();
    for _ in 0..60 {
        all.push(Raw::dial(door.address()).await);
    }
    until("all are in", || door.counters.connections.get() == 60).await;
    assert!(started.elapsed() >= Duration::from_millis(240), "{:?}", started.elapsed());
    assert!(door.counters.accept_waited.get() > 0 && door.counters.refused_address.get() == 0);
}

#[tokio::test]
async fn a_terminal_that_comes_and_goes_leaves_one_will_behind_when_the_door_is_full() {
    let door = Door::open(Config { alerts_max: 3, ..quick() }).await;
    for n in 1..=20 {
        let (breaks, _) = Raw::v4_with(&door, "P1", |connect| {
            connect.last_will = Some(LastWill::new("ydt/1/P1/alert", n.to_string(), QoS::AtLeastOnce, false));
        })
        .await;
        drop(breaks);
        until("its will is taken", || door.counters.wills.get() == n && door.counters.alerts.get() == n).await;
    }
    until("the others are replaced", || door.counters.wills_replaced.get() == 17).await;
    assert_eq!(door.counters.alerts_waiting.get(), 3);
    let mut gateway = door.gateway("g1").await;
    for wanted in ["1", "2", "20"] {
        assert_eq!(gateway.uplink().await.payload[..], *wanted.as_bytes());
    }
}
