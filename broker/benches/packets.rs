//! What a packet costs at the edge: cut from the stream and read, and the answer written.

#![expect(clippy::unwrap_used, reason = "a benchmark knows its own figures")]

use std::hint::black_box;

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::{self, v5};

/// The edge's own, which nobody outside the crate sees.
#[path = "../src/packet/mod.rs"]
#[expect(dead_code, unused_imports, reason = "a benchmark needs a part of it, and none of its tests")]
mod packet;

use packet::{Outgoing, Verdict, Version};

const TOPIC: &str = "ydt/1/L123456/fix";
const PAYLOAD: &str =
    r#"{"fixes":[{"at":"2026-03-01T08:00:00Z","lat":28.228001,"lon":112.938002,"acc_m":12.5,"source":"gnss"}]}"#;

fn main() {
    divan::main();
}

fn publish(version: Version) -> BytesMut {
    let mut bytes = BytesMut::new();
    match version {
        Version::V4 => {
            v4::Publish { pkid: 7, ..v4::Publish::new(TOPIC, QoS::AtLeastOnce, PAYLOAD) }.write(&mut bytes).unwrap();
        }
        Version::V5 => {
            let publish = v5::Publish::new(TOPIC, mqttbytes::QoS::AtLeastOnce, PAYLOAD, None);
            v5::Publish { pkid: 7, ..publish }.write(&mut bytes).unwrap();
        }
    }
    bytes
}

#[divan::bench(args = [Version::V4, Version::V5])]
fn publish_read(bencher: divan::Bencher<'_, '_>, version: Version) {
    let bytes = publish(version);
    bencher.with_inputs(|| bytes.clone()).bench_refs(|stream| {
        let frame = packet::cut(black_box(stream), 64 * 1024).unwrap().unwrap();
        packet::read(version, frame).unwrap()
    });
}

#[divan::bench]
fn connect_read(bencher: divan::Bencher<'_, '_>) {
    let mut connect = v4::Connect::new("L123456");
    connect.set_login("L123456", "load-secret-of-pager-123456");
    let mut bytes = BytesMut::new();
    connect.write(&mut bytes).unwrap();
    bencher.with_inputs(|| bytes.clone()).bench_refs(|stream| {
        let frame = packet::cut(black_box(stream), 64 * 1024).unwrap().unwrap();
        packet::read_opening(frame).unwrap()
    });
}

#[divan::bench(args = [Version::V4, Version::V5])]
fn puback_written(bencher: divan::Bencher<'_, '_>, version: Version) {
    bencher.with_inputs(|| BytesMut::with_capacity(64)).bench_refs(|stream| {
        packet::write(version, black_box(&Outgoing::PubAck { pid: 7, verdict: Verdict::Taken }), stream).unwrap();
    });
}
