//! The alert lane: an acknowledgement means durable.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::{Acknowledge, Config};
use rumqttc::QoS;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::QoS as Qos5;
use rumqttc::v5::mqttbytes::v5::{self, DisconnectReasonCode};
use uuid::Uuid;
use wire::bus::Uplink;
use wire::topics::Lane;

use crate::bench::{Door, Gateway, Raw, quick, until};

const ALERT: &str = "ydt/1/P1/alert";
const FIX: &str = "ydt/1/P1/fix";

#[tokio::test]
async fn puback_comes_with_the_receipt_and_pings_are_answered_meanwhile() {
    let door = Door::open(quick()).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4(ALERT, 7, "help").await;
    let uplink = gateway.uplink().await;
    assert_eq!((&*uplink.serial, &*uplink.topic, uplink.lane), ("P1", ALERT, Lane::Alert));
    assert_eq!((&*uplink.payload, uplink.repeated, &*uplink.door), (&b"help"[..], false, "door"));
    terminal.ping().await;
    terminal.ping().await;
    assert_eq!(door.counters.alerts_waiting.get(), 1);
    gateway.receipt(&uplink).await;
    terminal.hear_puback(7).await;
    assert_eq!(door.counters.alerts_waiting.get(), 0);
}

#[tokio::test]
async fn a_receipt_for_another_message_acknowledges_nothing() {
    let door = Door::open(quick()).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4(ALERT, 1, "help").await;
    let uplink = gateway.uplink().await;
    let other = Uplink { id: Uuid::from_u128(1), ..uplink.clone() };
    gateway.receipt(&other).await;
    until("the receipt has come", || door.counters.receipts_late.get() == 1).await;
    terminal.ping().await;
    gateway.receipt(&uplink).await;
    terminal.hear_puback(1).await;
}

#[tokio::test]
async fn acknowledgements_leave_in_the_order_of_arrival_across_both_lanes() {
    let door = Door::open(quick()).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    for (pid, topic) in [(1, ALERT), (2, FIX), (3, ALERT), (4, FIX)] {
        terminal.publish_v4(topic, pid, &pid.to_string()).await;
    }
    let mut alerts = Vec::new();
    while alerts.len() < 2 {
        let uplink = gateway.uplink().await;
        if uplink.lane == Lane::Alert {
            alerts.push(uplink);
        }
    }
    assert_eq!((&alerts[0].payload[..], &alerts[1].payload[..]), (&b"1"[..], &b"3"[..]));
    gateway.receipt(&alerts[1]).await;
    until("the second receipt has come", || door.counters.alerts_waiting.get() == 1).await;
    terminal.ping().await;
    gateway.receipt(&alerts[0]).await;
    for pid in 1..=4 {
        terminal.hear_puback(pid).await;
    }
}

#[tokio::test]
async fn without_a_receipt_the_session_ends_and_the_alert_stays_handed_over() {
    let config = Config { receipt_within: Duration::from_secs(1), ..quick() };
    let door = Door::open(config).await;
    let mut gateway = door.slow_gateway("g1").await;
    let (mut v4, mut v5) = (Raw::v4(&door, "P1").await, Raw::v5(&door, "P2").await);
    v4.publish_v4(ALERT, 1, "from P1").await;
    let first = gateway.uplink().await;
    v5.publish_v5("ydt/1/P2/alert", Qos5::AtLeastOnce, 1, "from P2").await;
    assert_eq!(gateway.uplink().await.payload[..], *b"from P2");
    v4.closed().await;
    v5.dismissed(DisconnectReasonCode::ServerBusy).await;
    assert_eq!(door.counters.without_receipt.get(), 2);
    // It comes too late, and changes nothing.
    gateway.receipt(&first).await;
    let mut again = Raw::v4(&door, "P1").await;
    again.publish_v4(ALERT, 1, "again").await;
    let second = gateway.uplink().await;
    assert_ne!(first.id, second.id);
    again.ping().await;
    gateway.receipt(&second).await;
    again.hear_puback(1).await;
}

#[tokio::test]
async fn an_alert_without_receipt_goes_to_the_next_gateway_under_the_same_id() {
    let config = Config { again_after: Duration::from_millis(100), ..quick() };
    let door = Door::open(config).await;
    let (mut g1, mut g2) = (door.slow_gateway("g1").await, door.slow_gateway("g2").await);
    // Some of the terminals belong to one gateway and some to the other; each alert must reach both.
    let mut terminals = Vec::new();
    for n in 1..10 {
        let mut terminal = Raw::v4(&door, &format!("P{n}")).await;
        terminal.publish_v4(&format!("ydt/1/P{n}/alert"), 1, "help").await;
        terminals.push(terminal);
    }
    let (first, second) = tokio::join!(all_of(&mut g1, 9), all_of(&mut g2, 9));
    assert_eq!(first, second);
    for terminal in &mut terminals {
        terminal.ping().await;
    }
    for uplink in second.values() {
        g2.receipt(uplink).await;
    }
    for terminal in &mut terminals {
        terminal.hear_puback(1).await;
    }
    until("nobody waits", || door.counters.alerts_waiting.get() == 0).await;
}

/// Different uplinks, until there are `count` of them. The same may come again.
async fn all_of(gateway: &mut Gateway, count: usize) -> BTreeMap<Uuid, Uplink<'static>> {
    let mut all = BTreeMap::new();
    while all.len() < count {
        let uplink = gateway.uplink().await;
        all.insert(uplink.id, uplink);
    }
    all
}

#[tokio::test]
async fn when_a_gateway_dies_its_terminals_move_to_another() {
    let config =
        Config { again_after: Duration::from_millis(100), gateway_gone_after: Duration::from_millis(500), ..quick() };
    let door = Door::open(config).await;
    let (mut g1, mut g2) = (door.slow_gateway("g1").await, door.gateway("g2").await);
    // Find a terminal that is g1's.
    let mut serial = None;
    for n in 1..10 {
        let mut terminal = Raw::v4(&door, &format!("P{n}")).await;
        terminal.publish_v4(&format!("ydt/1/P{n}/fix"), 0, "here").await;
        let uplink = tokio::select! {
            uplink = g1.uplink() => Some(uplink),
            _ = g2.uplink() => None,
        };
        serial = uplink.map(|uplink| uplink.serial);
        if serial.is_some() {
            break;
        }
    }
    let serial = serial.expect("nine terminals, and none is g1's");
    drop(g1);
    let mut terminal = Raw::v4(&door, &serial).await;
    terminal.publish_v4(&format!("ydt/1/{serial}/alert"), 1, "help").await;
    assert_eq!(g2.uplink().await.payload[..], *b"help");
    terminal.hear_puback(1).await;
}

#[tokio::test]
async fn an_alert_that_finds_no_gateway_waits_for_one() {
    let door = Door::open(quick()).await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4(ALERT, 1, "first").await;
    terminal.publish_v4(ALERT, 2, "second").await;
    terminal.ping().await;
    let mut gateway = door.gateway("g1").await;
    assert_eq!(gateway.uplink().await.payload[..], *b"first");
    assert_eq!(gateway.uplink().await.payload[..], *b"second");
    terminal.hear_puback(1).await;
    terminal.hear_puback(2).await;
}

#[tokio::test]
async fn an_alert_outlives_its_session_when_no_gateway_was_there() {
    let config = Config { receipt_within: Duration::from_millis(200), ..quick() };
    let door = Door::open(config).await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4(ALERT, 1, "help").await;
    terminal.closed().await;
    let mut gateway = door.gateway("g1").await;
    assert_eq!(gateway.uplink().await.payload[..], *b"help");
}

#[tokio::test]
async fn a_press_just_before_the_connection_breaks_arrives() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4(ALERT, 1, "help").await;
    drop(terminal);
    assert_eq!(gateway.uplink().await.payload[..], *b"help");
}

#[tokio::test]
async fn qos_2_is_acknowledged_with_the_receipt_and_taken_once() {
    let door = Door::open(quick()).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut terminal = Raw::v5(&door, "P1").await;
    terminal.publish_v5(ALERT, Qos5::ExactlyOnce, 5, "help").await;
    let uplink = gateway.uplink().await;
    terminal.publish_v5(ALERT, Qos5::ExactlyOnce, 5, "help").await;
    terminal.ping_v5().await;
    gateway.receipt(&uplink).await;
    let received = v5::Packet::PubRec(v5::PubRec::new(5, None));
    assert_eq!(terminal.hear_v5().await, received);
    terminal.publish_v5(ALERT, Qos5::ExactlyOnce, 5, "help").await;
    assert_eq!(terminal.hear_v5().await, received, "a known packet id is acknowledged again");
    terminal.say(&[0x62, 2, 0, 5]).await;
    let mut complete = v5::PubComp::new(5, None);
    assert_eq!(terminal.hear_v5().await, v5::Packet::PubComp(complete.clone()));
    terminal.say(&[0x62, 2, 0, 5]).await;
    complete.reason = v5::PubCompReason::PacketIdentifierNotFound;
    let v5::Packet::PubComp(unknown) = terminal.hear_v5().await else { panic!("no PUBCOMP") };
    assert_eq!(unknown.reason, complete.reason);
    assert_eq!(door.counters.alerts.get(), 1);
    // Released, the id is free for another press.
    terminal.publish_v5(ALERT, Qos5::ExactlyOnce, 5, "help again").await;
    assert_eq!(gateway.uplink().await.payload[..], *b"help again");
}

#[tokio::test]
async fn qos_2_survives_a_reconnection_that_keeps_its_session() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let (mut terminal, _) = Raw::v4_with(&door, "P1", |connect| connect.clean_session = false).await;
    terminal.publish_v4_qos(ALERT, QoS::ExactlyOnce, 5, "help").await;
    assert_eq!(terminal.hear_v4().await, v4::Packet::PubRec(v4::PubRec::new(5)));
    gateway.uplink().await;
    let (mut again, ack) = Raw::v4_with(&door, "P1", |connect| connect.clean_session = false).await;
    assert!(ack.session_present);
    again.publish_v4_qos(ALERT, QoS::ExactlyOnce, 5, "help").await;
    assert_eq!(again.hear_v4().await, v4::Packet::PubRec(v4::PubRec::new(5)));
    again.say_v4(&v4::Packet::PubRel(v4::PubRel::new(5))).await;
    assert_eq!(again.hear_v4().await, v4::Packet::PubComp(v4::PubComp::new(5)));
    assert_eq!(door.counters.alerts.get(), 1);
}

#[tokio::test]
async fn a_qos_0_alert_is_handed_over_and_ends_nothing() {
    let config = Config { receipt_within: Duration::from_millis(100), ..quick() };
    let door = Door::open(config).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4(ALERT, 0, "help").await;
    assert_eq!(gateway.uplink().await.payload[..], *b"help");
    until("it is not waited for any more", || door.counters.alerts_waiting.get() == 0).await;
    terminal.ping().await;
}

#[tokio::test]
async fn a_repetition_is_marked() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    let mut publish = v4::Publish::new(ALERT, QoS::AtLeastOnce, "help");
    (publish.pkid, publish.dup) = (1, true);
    terminal.say_v4(&v4::Packet::Publish(publish)).await;
    assert!(gateway.uplink().await.repeated);
}

#[tokio::test]
async fn one_terminals_alerts_are_bounded_by_not_reading_it_and_nobody_else_waits() {
    let config = Config { alerts_per_session_max: 2, ..quick() };
    let door = Door::open(config).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    for pid in 1..=3 {
        terminal.publish_v4(ALERT, pid, &pid.to_string()).await;
    }
    let (first, _second) = (gateway.uplink().await, gateway.uplink().await);
    let mut other = Raw::v4(&door, "P2").await;
    other.publish_v4("ydt/1/P2/alert", 1, "other").await;
    let others = gateway.uplink().await;
    assert_eq!(others.serial, "P2", "the third alert of P1 was read");
    gateway.receipt(&others).await;
    other.hear_puback(1).await;
    gateway.receipt(&first).await;
    terminal.hear_puback(1).await;
    assert_eq!(gateway.uplink().await.payload[..], *b"3");
}

#[tokio::test]
async fn a_door_full_of_alerts_reads_no_more_of_them_until_there_is_room() {
    let config = Config { alerts_max: 1, ..quick() };
    let door = Door::open(config).await;
    let mut gateway = door.slow_gateway("g1").await;
    let (mut one, mut two) = (Raw::v4(&door, "P1").await, Raw::v4(&door, "P2").await);
    one.publish_v4(ALERT, 1, "one").await;
    let first = gateway.uplink().await;
    two.ping().await;
    two.publish_v4("ydt/1/P2/alert", 1, "two").await;
    for _ in 0..20 {
        one.ping().await;
    }
    assert_eq!(door.counters.alerts.get(), 1);
    gateway.receipt(&first).await;
    one.hear_puback(1).await;
    let second = gateway.uplink().await;
    assert_eq!(second.payload[..], *b"two");
    gateway.receipt(&second).await;
    two.hear_puback(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_pass_while_telemetry_floods() {
    let config = Config { telemetry_max: 50, ..quick() };
    let door = Door::open(config).await;
    let _gateway = door.gateway("g1").await;
    let stop = tokio_util::sync::CancellationToken::new();
    let mut floods = Vec::new();
    for n in 2..6 {
        let mut flood = Raw::v4(&door, &format!("P{n}")).await;
        let stop = stop.clone();
        floods.push(tokio::spawn(async move {
            let mut fixes = bytes::BytesMut::new();
            for _ in 0..200 {
                v4::Publish::new(format!("ydt/1/P{n}/fix"), QoS::AtMostOnce, vec![b'x'; 200])
                    .write(&mut fixes)
                    .unwrap();
            }
            while !stop.is_cancelled() {
                flood.say(&fixes).await;
                tokio::task::yield_now().await;
            }
        }));
    }
    until("the flood is there", || door.counters.telemetry.get() > 2000).await;
    let mut terminal = Raw::v4(&door, "P1").await;
    for pid in 1..=30 {
        terminal.publish_v4(ALERT, pid, "help").await;
        terminal.hear_puback(pid).await;
    }
    stop.cancel();
    for flood in floods {
        flood.await.unwrap();
    }
    assert_eq!((door.counters.alerts.get(), door.counters.without_receipt.get()), (30, 0));
}

#[tokio::test]
async fn the_crash_tests_seam_acknowledges_at_once() {
    let config = Config { acknowledge: Acknowledge::AtOnce, receipt_within: Duration::from_millis(100), ..quick() };
    let door = Door::open(config).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4(ALERT, 1, "help").await;
    terminal.hear_puback(1).await;
    gateway.uplink().await;
    until("it is not waited for any more", || door.counters.alerts_waiting.get() == 0).await;
    terminal.ping().await;
}
