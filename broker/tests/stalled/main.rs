//! A gateway that takes no telemetry any more, and a flood of it. In a process of its own, whose memory is looked at.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use broker::Config;
use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::bus;
use wire::topics::Lane;

use crate::bench::{Answer, Door, Gateway, Raw, bus_key, quick, soon, until};

#[path = "../door/bench.rs"]
#[expect(dead_code, reason = "a part of it is enough here")]
mod bench;

/// What one message of the flood carries.
const BODY_BYTES: usize = 60_000;
/// Messages of each of the terminals that flood the door, three of them.
const MESSAGES: usize = 1500;
const FLOOD: [&str; 3] = ["P1", "P2", "P3"];
/// What may wait: 32 MB each in the bus's log, before the bus and in the door; the rest is what lies in the buffers of
/// sockets and links, and what the allocator keeps. The flood is 270 MB.
const GROWS_MAX_BYTES: u64 = 144 * 1024 * 1024;

/// What this process has in memory, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kb: Option<u64> =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    1024 * kb.unwrap_or_else(|| panic!("{status}"))
}

/// The gateway's line for telemetry: subscribed, and never read again.
async fn stalled_line(door: &Door, gateway: &str) -> TcpStream {
    let mut socket = TcpStream::connect(door.broker.bus_addr()).await.unwrap();
    let mut said = BytesMut::new();
    let mut connect = v4::Connect::new(format!("{gateway}-stalled"));
    connect.keep_alive = 3600;
    connect.set_login(bus::USER, bus_key().reveal());
    connect.write(&mut said).unwrap();
    let mut subscribe = v4::Subscribe::new(bus::up(gateway, Lane::Telemetry), QoS::AtMostOnce);
    subscribe.pkid = 1;
    subscribe.write(&mut said).unwrap();
    socket.write_all(&said).await.unwrap();
    // CONNACK and SUBACK.
    let mut heard = [0; 4 + 5];
    soon("it is subscribed", socket.read_exact(&mut heard)).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_gateway_that_takes_no_telemetry_the_doors_memory_is_bounded_and_presses_are_taken() {
    let config = Config { telemetry_rate: None, gateway_gone_after: Duration::from_secs(1), ..quick() };
    let door = Door::open(config).await;
    let counters = &door.counters;
    let gateway = Gateway::start_with(door.broker.bus_addr(), "g1", Answer::AtOnce, &[bus::presence("g1")]).await;
    let gateways = door.broker.gateways();
    until("the gateway is known", || gateways() == 1).await;
    let stalled = stalled_line(&door, "g1").await;
    let (mut wearer, _) = Raw::v4_with(&door, "P9", |connect| connect.keep_alive = 3600).await;
    wearer.publish_v4("ydt/1/P9/alert", 1, "help").await;
    wearer.hear_puback(1).await;

    let before = resident();
    let is_over = Arc::new(AtomicBool::new(false));
    let pressing = tokio::spawn({
        let is_over = Arc::clone(&is_over);
        async move {
            let (mut pid, mut presses, mut most) = (1, 1_u64, 0);
            while !is_over.load(Ordering::Relaxed) || presses < 20 {
                (pid, presses) = (pid % 60_000 + 1, presses + 1);
                wearer.publish_v4("ydt/1/P9/alert", pid, "help").await;
                wearer.hear_puback(pid).await;
                most = resident().max(most);
            }
            (presses, most)
        }
    });
    let body = "x".repeat(BODY_BYTES);
    let mut floods = tokio::task::JoinSet::new();
    for serial in FLOOD {
        let (mut raw, _) = Raw::v4_with(&door, serial, |connect| connect.keep_alive = 3600).await;
        let body = body.clone();
        floods.spawn(async move {
            for n in 0..MESSAGES {
                // Of positions the latest is enough; nothing stands in for an acknowledgement.
                let leaf = if n % 2 == 0 { "fix" } else { "ack" };
                raw.publish_v4(&format!("ydt/1/{serial}/{leaf}"), 0, &body).await;
            }
            raw.ping().await;
            (serial, raw)
        });
    }
    let mut sessions = Vec::new();
    while let Some(flood) = floods.join_next().await {
        sessions.push(flood.unwrap());
    }
    is_over.store(true, Ordering::Relaxed);
    let (presses, most) = soon("presses are taken", pressing).await.unwrap();
    let grown = most.saturating_sub(before);
    let said = (FLOOD.len() * MESSAGES) as u64;
    eprintln!("{} MB more in memory beside {} MB; {presses} presses", grown >> 20, (said * BODY_BYTES as u64) >> 20);
    assert_eq!(counters.telemetry.get(), said);
    assert!(grown < GROWS_MAX_BYTES, "{grown} bytes more");
    assert_eq!((counters.alerts.get(), counters.without_receipt.get()), (presses, 0));
    assert_eq!((counters.alerts_given_up.get(), counters.alerts_waiting.get()), (0, 0));

    // It falls silent altogether: what comes now waits here, the latest of each, and what does not fit is counted.
    drop(gateway);
    until("the gateway is gone", || gateways() == 0).await;
    let before = (counters.telemetry_coalesced_gateway.get(), counters.telemetry_shed_gateway.get());
    for (serial, raw) in &mut sessions {
        for leaf in ["fix", "fix", "ack"].into_iter().cycle().take(900) {
            raw.publish_v4(&format!("ydt/1/{serial}/{leaf}"), 0, &body).await;
        }
        raw.ping().await;
    }
    let coalesced = counters.telemetry_coalesced_gateway.get() - before.0;
    let shed = counters.telemetry_shed_gateway.get() - before.1;
    assert!(coalesced > 1000 && shed > 200, "{coalesced} coalesced, {shed} shed");
    let grown = resident().saturating_sub(most);
    assert!(grown < GROWS_MAX_BYTES, "{grown} bytes more");
    drop(stalled);
}
