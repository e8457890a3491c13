//! What a position costs on its way: over the bus, and from bytes to what they mean.

#![expect(clippy::unwrap_used, reason = "a benchmark knows its own figures")]

use std::hint::black_box;

use gateway::codec::{ManualPublish, Message, decode};
use jiff::Timestamp;
use uuid::Uuid;
use wire::bus::{self, Uplink};
use wire::directory::Dialect;
use wire::topics::Lane;

const NOW: Timestamp = Timestamp::constant(1_772_352_000, 0);
const FIX: &[u8] =
    br#"{"fixes":[{"at":"2026-03-01T08:00:00Z","lat":28.228001,"lon":112.938002,"acc_m":12.5,"source":"gnss"}]}"#;
const ALERT: &[u8] = br#"{"type":"alert","kind":"sos","boot":7,"seq":12,"at":"2026-03-01T08:00:00Z"}"#;
const OWNTRACKS: &[u8] = br#"{"_type":"location","t":"t","lat":28.228001,"lon":112.938002,"acc":12,"tst":1772352000}"#;

fn main() {
    divan::main();
}

fn uplink() -> Uplink<'static> {
    Uplink {
        id: Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001),
        door: "one".into(),
        serial: "L123456".into(),
        topic: "ydt/1/L123456/fix".into(),
        lane: Lane::Telemetry,
        repeated: false,
        received_at: NOW,
        payload: FIX.into(),
    }
}

#[divan::bench]
fn uplink_written() -> Vec<u8> {
    bus::encode(black_box(&uplink()))
}

#[divan::bench]
fn uplink_read(bencher: divan::Bencher<'_, '_>) {
    let bytes = bus::encode(&uplink());
    bencher.bench(|| bus::decode::<Uplink<'_>>(black_box(&bytes)).unwrap());
}

/// One message of each kind, as a gateway reads it.
#[divan::bench(args = [("fix", Dialect::Ydt, FIX), ("alert", Dialect::Ydt, ALERT), ("", Dialect::OwnTracks, OWNTRACKS)])]
fn decoded(bencher: divan::Bencher<'_, '_>, (leaf, dialect, payload): (&str, Dialect, &[u8])) {
    let lane = if leaf == "fix" { Lane::Telemetry } else { Lane::Alert };
    let message = Message {
        leaf,
        payload,
        lane,
        manual_publish: ManualPublish::MeansHere,
        key: None,
        profile: None,
        received_at: NOW,
    };
    assert!(decode(dialect, &message).doubts.is_empty());
    bencher.bench(|| decode(dialect, black_box(&message)));
}
