//! Clients that misbehave by the thousand, while somebody presses.

use std::time::Duration;

use broker::Config;
use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;

use crate::bench::{Door, Raw, SOON, quick, soon, until};

/// Presses once, and hears that it is durable.
async fn press(raw: &mut Raw, pid: u16) {
    raw.publish_v4("ydt/1/P1/alert", pid, "help").await;
    raw.hear_puback(pid).await;
}

#[tokio::test]
async fn connections_that_stay_half_open_by_the_thousand_hold_up_nobody() {
    let config = Config { half_open_max: 3000, connect_within: Duration::from_secs(3), ..quick() };
    let door = Door::open(config).await;
    let _gateway = door.gateway("g1").await;
    let mut presser = Raw::v4(&door, "P1").await;
    let mut half_open = Vec::new();
    for n in 0..2000_u16 {
        let mut raw = Raw::dial(door.address()).await;
        // Half of them say a little, and then nothing.
        if n % 2 == 0 {
            raw.say(&[0x10, 60, 0, 4, b'M']).await;
        }
        half_open.push(raw);
        if n % 200 == 0 {
            press(&mut presser, n + 1).await;
        }
    }
    let mut late = Raw::v4(&door, "P2").await;
    late.ping().await;
    press(&mut presser, 3000).await;
    until("they are given up", || door.counters.refused_silent.get() == 2000).await;
    assert_eq!((door.counters.half_open.get(), door.counters.connections.get()), (0, 2));
}

#[tokio::test]
async fn who_says_connect_a_byte_at_a_time_is_given_up_all_the_same() {
    let door = Door::open(Config { connect_within: Duration::from_millis(300), ..quick() }).await;
    let mut slow = Raw::dial(door.address()).await;
    let mut drops = tokio::time::interval(Duration::from_millis(20));
    let dripping = async {
        for byte in [0x10, 60, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60].into_iter().cycle() {
            drops.tick().await;
            slow.say_if_open(&[byte]).await;
            if door.counters.connections.get() == 0 && door.counters.refused_silent.get() == 1 {
                return;
            }
        }
    };
    soon("it is given up", dripping).await;
}

#[tokio::test]
async fn two_that_fight_over_a_client_id_leave_one_session_and_no_press_lost() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let mut first = Raw::v5(&door, "P1").await;
    let mut last = Raw::v4(&door, "P1").await;
    first.dismissed(DisconnectReasonCode::SessionTakenOver).await;
    for n in 1..=100_u16 {
        let (mut next, _) = Raw::v4_with(&door, "P1", |_| {}).await;
        last.closed().await;
        press(&mut next, n).await;
        last = next;
    }
    for _ in 0..100 {
        gateway.uplink().await;
    }
    until("one is left", || (door.counters.sessions.get(), door.counters.connections.get()) == (1, 1)).await;
    assert_eq!(door.counters.taken_over.get(), 101);
    press(&mut last, 101).await;
}

#[tokio::test]
async fn a_packet_of_which_a_byte_comes_now_and_then_is_no_sign_of_life() {
    let door = Door::open(quick()).await;
    let _gateway = door.gateway("g1").await;
    let (mut slow, _) = Raw::v4_with(&door, "P1", |connect| connect.keep_alive = 1).await;
    let mut other = Raw::v4(&door, "P2").await;
    // A PUBLISH of 60 000 bytes, of which one comes each 50 ms: it would take most of an hour.
    slow.say(&[0x32, 0xe0, 0xd4, 0x03]).await;
    let mut drops = tokio::time::interval(Duration::from_millis(50));
    let dripping = async {
        while door.counters.gone_silent.get() == 0 {
            drops.tick().await;
            slow.say_if_open(b"x").await;
        }
    };
    soon("it is ended", dripping).await;
    assert_eq!(door.counters.alerts.get(), 0);
    other.ping().await;
}

/// Pings for ever and hears nothing of it, until the door counts one more that has gone.
async fn ping_unheard(door: &Door, raw: &mut Raw) {
    let (pings, gone) = ([0xc0, 0].repeat(2048), door.counters.gone_silent.get());
    let pinging = async {
        while door.counters.gone_silent.get() == gone {
            raw.say_if_open(&pings).await;
            tokio::task::yield_now().await;
        }
    };
    soon("it is ended", pinging).await;
}

#[tokio::test]
async fn who_never_takes_an_answer_is_gone_but_not_who_waits_for_others() {
    let config = Config { alerts_max: 1, receipt_within: 2 * SOON, idle_within: Duration::from_secs(2), ..quick() };
    let door = Door::open(config).await;
    let mut gateway = door.slow_gateway("g1").await;
    let (mut first, _) = Raw::v4_with(&door, "P1", |connect| connect.keep_alive = 1000).await;
    first.publish_v4("ydt/1/P1/alert", 1, "help").await;
    gateway.uplink().await;
    // The door is full: this one is not read until there is a receipt.
    let (mut waits, _) = Raw::v4_with(&door, "P2", |connect| connect.keep_alive = 2).await;
    waits.publish_v4("ydt/1/P2/alert", 1, "help").await;
    for keep_alive in [1, 0] {
        let (mut deaf, _) = Raw::v4_with(&door, "P3", |connect| connect.keep_alive = keep_alive).await;
        ping_unheard(&door, &mut deaf).await;
    }
    until("those who wait are left", || door.counters.sessions.get() == 2).await;
    assert_eq!((door.counters.gone_silent.get(), door.counters.alerts.get()), (2, 1));
}
